//! How full this node's disk is, told to the ledger: a pure step (R22).
//!
//! Level-triggered: what the node's own replica says is compared with what was measured, so a lost or late command is put
//! right by a later look. Refuses to know what measures, and where the thresholds lie.

use quorla_ledger::{
    command::Command,
    disk::DiskLevel,
    ids::{Epoch, NodeId},
    units::Millis,
};

/// Between two looks at the same level: by then a command that was answered is in the node's own replica.
const PAUSE: Millis = Millis(1_000);

/// See the module.
#[derive(Debug, Default)]
pub struct Guard {
    looked_for: Option<(Epoch, DiskLevel)>,
    again_at: Millis,
}

impl Guard {
    /// What to propose, if anything; `recorded` is asked for at most once each second and change.
    pub fn look(
        &mut self,
        tenure: Option<(NodeId, Epoch)>,
        level: DiskLevel,
        now: Millis,
        recorded: impl FnOnce() -> Option<(Epoch, DiskLevel)>,
    ) -> Option<Command> {
        let (node, epoch) = tenure?;
        if self.looked_for == Some((epoch, level)) && now < self.again_at {
            return None;
        }
        (self.looked_for, self.again_at) = (Some((epoch, level)), now.after(PAUSE));
        let differs = recorded().is_some_and(|(known, told)| known == epoch && told != level);
        differs.then_some(Command::GuardNode { node, epoch, level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENURE: Option<(NodeId, Epoch)> = Some((NodeId(1), Epoch(2)));

    fn told(guard: &mut Guard, level: DiskLevel, now: u64, recorded: (u64, DiskLevel)) -> bool {
        let command = guard.look(TENURE, level, Millis(now), || Some((Epoch(recorded.0), recorded.1)));
        let expected = Command::GuardNode { node: NodeId(1), epoch: Epoch(2), level };
        assert!(command.as_ref().is_none_or(|command| *command == expected), "{command:?}");
        command.is_some()
    }

    #[test]
    fn a_level_is_told_until_the_ledger_has_it() {
        let mut guard = Guard::default();
        let (fine, low) = (DiskLevel::Fine, DiskLevel::Low);
        assert!(told(&mut guard, low, 0, (2, fine)), "at once");
        assert!(!told(&mut guard, low, 999, (2, fine)), "it is on its way");
        assert!(told(&mut guard, low, 1_000, (2, fine)), "it was lost");
        assert!(!told(&mut guard, low, 2_000, (2, low)), "it is there");
        assert!(told(&mut guard, fine, 2_001, (2, low)), "a change waits for nothing");
        assert!(told(&mut guard, fine, 3_001, (2, low)), "a late copy of what was told before is put right");
    }

    #[test]
    fn nothing_is_told_without_an_epoch_that_the_replica_knows() {
        let mut guard = Guard::default();
        assert!(!told(&mut guard, DiskLevel::Low, 0, (1, DiskLevel::Fine)));
        assert_eq!(guard.look(None, DiskLevel::Low, Millis(9_000), || None), None);
    }
}
