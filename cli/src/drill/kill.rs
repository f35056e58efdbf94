//! The kill: in the middle of the load, while the leader itself runs its share of the attempts.

use std::time::Duration;

use quorla_client::{Client, NodeRole, NodeView};

use super::progress::Progress;
use super::target::Target;
use crate::fault::Fault;

/// The kill waits until so many in a hundred jobs have ended ...
const ENDED_PERCENT_MIN: u32 = 10;
/// ... and no longer than until so many have, for then it would not be in the middle.
const ENDED_PERCENT_MAX: u32 = 45;
/// One attempt in so many must be on the leader.
pub(super) const LEADER_SHARE: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// What was killed, and what ran then.
#[derive(Clone, Debug)]
pub(super) struct Killed {
    pub(super) node: String,
    pub(super) running_on_it: u32,
    pub(super) running: u32,
    pub(super) ended_before: u32,
}

pub(super) async fn in_the_middle(target: &mut Target, client: &Client, progress: &Progress) -> Result<Killed, Fault> {
    let result = wait_and_kill(target, client, progress).await;
    progress.kill_is_over();
    if let Ok(killed) = &result {
        progress.step(&format!(
            "killed the leader {} with {} of {} running attempts on it",
            killed.node, killed.running_on_it, killed.running
        ));
    }
    result
}

async fn wait_and_kill(target: &mut Target, client: &Client, progress: &Progress) -> Result<Killed, Fault> {
    let percent = |ended: u32, total: u32| ended.saturating_mul(100) / total.max(1);
    loop {
        let (ended, total) = progress.count();
        if percent(ended, total) < ENDED_PERCENT_MIN {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        let nodes = client.nodes().await?;
        let Some(leader) = nodes.iter().find(|node| node.role == NodeRole::Leader) else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        let killed = Killed {
            node: leader.name.clone(),
            running_on_it: leader.slots_used,
            running: running(&nodes),
            ended_before: ended,
        };
        if killed.has_its_share() || percent(ended, total) >= ENDED_PERCENT_MAX {
            target.kill(&killed.node).await?;
            return Ok(killed);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn running(nodes: &[NodeView]) -> u32 {
    nodes.iter().map(|node| node.slots_used).sum()
}

impl Killed {
    /// Whether at least a fifth of what ran was on it.
    pub(super) fn has_its_share(&self) -> bool {
        self.running > 0 && self.running_on_it.saturating_mul(LEADER_SHARE) >= self.running
    }
}
