//! After a warden died: what it held comes to the node, the next subreaper, and is killed here.
//!
//! The main process of each attempt dies with the warden (its parent-death signal); this is for their descendants.
//! A process is taken for such a one when it is a child of the node in another session: attempts always have their
//! own, and none can come back into the node's.

use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};

use crate::process::cgroup::{self, CgroupSettings, Cgroups};
use crate::process::children::{Children, groups};

const ROUND: Duration = Duration::from_millis(5);
/// 5 seconds: what cannot be killed by then is not waited for, since the node must end.
const ROUNDS_MAX: u32 = 1_000;
/// 2 seconds.
const GROUP_ROUNDS_MAX: u32 = 400;

pub(super) async fn kill_adopted() {
    // None when the node runs in a PID namespace and the session in another: so has everything of that session.
    let own_session = groups(rustix::process::getpid()).map(|(_, session)| session);
    for _ in 0..ROUNDS_MAX {
        let adopted = adopted(own_session);
        if adopted.is_empty() {
            return;
        }
        for (pid, group) in adopted {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
        tokio::time::sleep(ROUND).await;
    }
    tracing::error!("processes of a dead warden could not be killed");
}

/// Removes the control groups that attempts of a warden before left, with what still lives in them. What can't be
/// removed is left: it keeps its limits, and the next start tries again.
pub(super) async fn clear_groups(cgroups: &Cgroups) {
    until_cleared(|| cgroups.clear()).await;
}

/// The same for those of earlier processes of this node, wherever they made them.
pub(super) async fn clear_leftovers(settings: &CgroupSettings, in_use: &Cgroups) {
    until_cleared(|| cgroup::clear_leftovers(settings, in_use)).await;
}

async fn until_cleared(clear: impl Fn() -> bool) {
    for _ in 0..GROUP_ROUNDS_MAX {
        if clear() {
            return;
        }
        tokio::time::sleep(ROUND).await;
    }
    tracing::warn!("control groups of an earlier warden could not be removed");
}

fn adopted(own_session: Option<Pid>) -> Vec<(Pid, Pid)> {
    let foreign = |pid| groups(pid).filter(|(_, session)| Some(*session) != own_session).map(|(group, _)| (pid, group));
    Children::new().list().into_iter().filter_map(foreign).collect()
}
