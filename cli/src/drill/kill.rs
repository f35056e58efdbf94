//! The kill: in the middle of the load, while the leader itself runs its share of the attempts.

use std::time::Duration;

use quorla_client::clock::Stopwatch;
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
/// When no job ends for so long, there is no load to kill in the middle of.
const QUIET_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// When to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    NotYet,
    /// As soon as the leader runs its share.
    WithItsShare,
    Now,
}

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
    let mut quiet = Stopwatch::start();
    let mut ended_last = 0;
    loop {
        let (ended, total) = progress.count();
        if ended != ended_last {
            (ended_last, quiet) = (ended, Stopwatch::start());
        }
        let when = when(ended, total, progress.is_first_half_over(), quiet.elapsed())?;
        if when != When::NotYet {
            let nodes = client.nodes().await?;
            let leader = nodes.iter().find(|node| node.role == NodeRole::Leader);
            let killed = leader.map(|leader| Killed {
                node: leader.name.clone(),
                running_on_it: leader.slots_used,
                running: running(&nodes),
                ended_before: ended,
            });
            if let Some(killed) = killed.filter(|killed| when == When::Now || killed.has_its_share()) {
                target.kill(&killed.node).await?;
                return Ok(killed);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether it is time, so many jobs having ended, the last of them so long ago.
fn when(ended: u32, total: u32, first_half_is_over: bool, quiet: Duration) -> Result<When, Fault> {
    let percent = ended.saturating_mul(100) / total.max(1);
    let fault = |why: String| Err(Fault::other("kill the leader in the middle of the load", why));
    if quiet > QUIET_MAX {
        return fault(format!("no job has ended for {} s, {ended} of {total} before", QUIET_MAX.as_secs()));
    }
    match (percent, first_half_is_over) {
        (0..ENDED_PERCENT_MIN, true) => fault(format!("the load is over, and only {ended} of {total} jobs have ended")),
        (0..ENDED_PERCENT_MIN, false) => Ok(When::NotYet),
        (ENDED_PERCENT_MIN..ENDED_PERCENT_MAX, false) => Ok(When::WithItsShare),
        _ => Ok(When::Now),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{QUIET_MAX, When, when};

    #[test]
    fn the_kill_comes_in_the_middle() {
        let rows = [
            (9, false, When::NotYet),
            (10, false, When::WithItsShare),
            (44, false, When::WithItsShare),
            (45, false, When::Now),
            (20, true, When::Now),
        ];
        for (ended, over, expected) in rows {
            assert_eq!(when(ended, 100, over, Duration::ZERO).unwrap(), expected, "{ended} {over}");
        }
    }

    #[test]
    fn a_load_that_stands_still_or_is_over_too_soon_is_a_fault() {
        assert!(when(5, 100, true, Duration::ZERO).is_err());
        for ended in [0, 30, 50] {
            assert!(when(ended, 100, false, QUIET_MAX + Duration::from_millis(1)).is_err(), "{ended}");
        }
    }
}
