//! Leaders come and go: by loss of their majority, or because somebody asked for it.

use super::super::{messages::Site, world::World};

impl World {
    /// A new term with a leader that a majority hears; `other_than` only if it is the only one.
    pub(in super::super) fn elect(&mut self, other_than: Option<Site>) {
        let able: Vec<Site> = self.sites().filter(|site| self.is_awake(*site) && self.has_majority(*site)).collect();
        let others: Vec<Site> = able.iter().copied().filter(|site| Some(*site) != other_than).collect();
        if let Some(leader) = self.dice.pick(&others).or_else(|| self.dice.pick(&able)) {
            self.crown(leader);
        }
    }

    fn crown(&mut self, leader: Site) {
        self.census.count("leader elected");
        self.inherit();
        let now = self.agenda.now();
        self.raft.term += 1;
        self.raft.leader = Some(leader);
        self.raft.majority_heard_at = now;
        self.raft.patience_ms = self.dice.between(600, 2_500);
        self.step_down(leader);
        self.raft.append(None, Vec::new());
        let position = self.raft.log.len();
        let member = &mut self.raft.members[leader.0];
        member.leads = true;
        member.own_first = position - 1;
        self.learn(leader, position);
    }

    /// Of what the last leader had sent, the first so many batches reached the majority that elects its successor.
    fn inherit(&mut self) {
        let Some(old) = self.raft.leader else { return };
        let member = &mut self.raft.members[old.0];
        if member.term != self.raft.term {
            return;
        }
        let sealed = std::mem::take(&mut member.sealed);
        if sealed.is_empty() {
            return;
        }
        let survive = usize::try_from(self.dice.between(0, u64::try_from(sealed.len()).expect("few batches wait")))
            .expect("few batches wait");
        for (nth, batch) in sealed.into_iter().enumerate() {
            if nth < survive {
                self.census.count("batch survived its leader");
                self.raft.append(Some(batch.payload), batch.tickets);
            } else {
                self.census.count("batch lost with its leader");
            }
        }
    }
}
