//! What must hold between the model and what is seen, whatever the ledger chose.

use std::collections::BTreeSet;

use quorla_ledger::{disk::DiskLevel, spec::LabelTest};

use super::{Job, Model, Sight, State};

impl Model {
    /// Whether the job would fit on the node, counted from all that runs there.
    pub(super) fn fits(&self, job: &Job, node: u32) -> bool {
        let Some(node) = self.nodes.iter().find(|other| other.id == node) else { return false };
        let [cpu, memory, slots] = self.used(node.id);
        let (share, capacity) = (&job.spec.demand.resources, &node.registration.capacity);
        let holds = |test: &LabelTest, value: Option<&String>| match test {
            LabelTest::Is(wanted) => value == Some(wanted),
            LabelTest::IsNot(unwanted) => value != Some(unwanted),
            LabelTest::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
            LabelTest::Exists => value.is_some(),
        };
        node.up
            && node.drain.is_none()
            && node.disk == DiskLevel::Fine
            && job.spec.demand.constraints.iter().all(|one| holds(&one.test, node.label(&one.label)))
            && cpu + share.cpu.0 <= capacity.cpu.0
            && memory + share.memory.0 <= capacity.memory.0
            && slots + u64::from(share.slots) <= u64::from(capacity.slots)
    }

    fn used(&self, node: u32) -> [u64; 3] {
        let shares = self.jobs.iter().filter(|job| job.node() == Some(node)).map(|job| &job.spec.demand.resources);
        shares.fold([0; 3], |[cpu, memory, slots], share| {
            [cpu + share.cpu.0, memory + share.memory.0, slots + u64::from(share.slots)]
        })
    }

    /// Whether the node is kept free for somebody ahead of this job.
    pub(super) fn barred(&self, job: &Job, node: u32) -> bool {
        let Some(id) = self.reserved.get(&node) else { return false };
        if let Some(array) = self.arrays.iter().find(|array| array.id == *id) {
            let rank = |priority, order| (u8::MAX - priority, order);
            return rank(array.spec.priority, array.order) < rank(job.spec.priority, job.order);
        }
        let holder = self.jobs.iter().find(|other| other.id == *id);
        holder.is_some_and(|holder| holder.id != job.id && ahead(holder, job))
    }

    fn queued(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| matches!(job.state, State::Queued(_)))
    }

    fn can_start(&self, job: &Job, node: u32) -> bool {
        self.fits(job, node) && !self.barred(job, node) && self.may_run(job) && !self.is_held(job)
    }

    /// R19: nobody ahead of a newcomer could use the node that it got.
    pub(super) fn check_no_overtaking(&self, id: u128, node: u32) {
        let newcomer = self.jobs.iter().find(|job| job.id == id).expect("just accepted");
        let robbed = self.queued().find(|job| ahead(job, newcomer) && self.can_start(job, node));
        assert!(robbed.is_none(), "R19: {id:x} overtook {robbed:?} on node {node}");
    }

    /// A newcomer waits only where no node can take it, or somebody waits already.
    pub(super) fn check_must_wait(&self, id: u128) {
        let newcomer = self.jobs.iter().find(|job| job.id == id).expect("just accepted");
        let alone = self.queued().filter(|job| !self.is_held(job)).count() == 1;
        let fits = self.nodes.iter().any(|node| self.can_start(newcomer, node.id));
        assert!(!(alone && fits), "{id:x} waits though a place is free and nobody is ahead");
    }

    pub(super) fn check_most_urgent(&self, id: u128, node: u32) {
        let next = self.jobs.iter().find(|job| job.id == id).expect("only accepted jobs start");
        assert!(self.can_start(next, node), "the refill may take that node");
        let robbed = self.queued().find(|job| ahead(job, next) && self.can_start(job, node));
        assert!(robbed.is_none(), "the refill {id:x} overtook {robbed:?}");
    }

    pub(super) fn check_nobody_fits(&self, node: u32) {
        let left = self.queued().find(|job| self.can_start(job, node));
        assert!(left.is_none(), "{left:?} could have had the freed place on {node}");
    }

    /// After the planner has nothing more to say, nothing more can start.
    pub(crate) fn check_all_placed(&self) {
        self.nodes.iter().for_each(|node| self.check_nobody_fits(node.id));
    }

    pub(super) fn compare(&self, sight: &Sight) {
        assert_eq!(self.jobs.len() + self.arrays.len(), sight.len(), "the same jobs");
        for array in &self.arrays {
            let placed = self.jobs.iter().filter(|job| job.array == Some(array.id) && job.node().is_some()).count();
            assert!(array.cap.is_none_or(|cap| placed <= cap as usize), "I8: {placed} of {:?} run", array.cap);
            let waits = self.queued().any(|job| job.array == Some(array.id) && self.may_run(job));
            assert!(sight[&array.id].reserved.is_none() || waits, "only who waits reserves");
        }
        for job in &self.jobs {
            let seen = sight.get(&job.id).unwrap_or_else(|| panic!("job {:x} is gone", job.id));
            let place = job.node().map(|node| (node, job.attempts.last().expect("placed").0));
            let (state, until) = match job.state {
                State::Delayed(until) => ("delayed", Some(until)),
                State::Queued(_) => ("queued", None),
                State::Running { .. } => ("running", None),
                State::Stopping { .. } => ("stopping", None),
                State::BackingOff { to, .. } => ("backing off", Some(to)),
                State::Ended(how) => (how, None),
            };
            assert_eq!((seen.state, seen.until, seen.place), (state, until, place), "job {:x}", job.id);
            let may_reserve = state == "queued" && !self.is_held(job);
            assert!(seen.reserved.is_none() || may_reserve, "only who waits reserves");
        }
        for node in &self.nodes {
            let (used, capacity) = (self.used(node.id), &node.registration.capacity);
            let capacity = [capacity.cpu.0, capacity.memory.0, u64::from(capacity.slots)];
            assert!(
                used.iter().zip(capacity).all(|(used, capacity)| *used <= capacity),
                "I7: {used:?} of {capacity:?}"
            );
        }
        let reserved: Vec<u32> = sight.values().filter_map(|seen| seen.reserved).collect();
        let nodes: BTreeSet<&u32> = reserved.iter().collect();
        assert_eq!(nodes.len(), reserved.len(), "a node is kept free for one job");
    }
}

fn ahead(one: &Job, other: &Job) -> bool {
    let rank = |job: &Job| (u8::MAX - job.spec.priority, job.order, job.fresh, job.id);
    rank(one) < rank(other)
}
