//! A disk that takes no output and reports no error: an attempt that has ended gives its place back all the same.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorla_actors::output::{Bounds, OutputStore};
use quorla_actors::process::outcome::{Exit, ProcessOutcome};
use quorla_consensus::Clock;
use quorla_consensus::failpoints::{Action, arm, disarm, fired};
use quorla_ledger::ids::{Fence, JobId};
use quorla_ledger::units::Millis;

use crate::setting::{Setting, eventually, setting_with, shell, text};

const POINT: &str = "output.write";
const FORCE: i32 = 9;

struct Fixed;

impl Clock for Fixed {
    fn wall_ms(&self) -> u64 {
        1_000
    }

    fn boot_ms(&self) -> u64 {
        0
    }
}

fn store(directory: &Path) -> Arc<OutputStore> {
    let bounds = Bounds { job_bytes_max: 1 << 30, node_bytes_max: 1 << 30, age_max: Millis(u64::MAX) };
    Arc::new(OutputStore::open(directory, bounds, Arc::new(Fixed)).unwrap())
}

/// Runs it over a disk that hangs at its first write; acts once it does.
async fn hung(script: &str, act: impl AsyncFnOnce(&Setting, u64)) -> ProcessOutcome {
    let setting = setting_with(|settings| settings.settle_max = Duration::from_millis(20)).await;
    let directory = setting.scratch.join("output");
    let store = store(&directory);
    arm(POINT, &directory, Action::Hang, 1);
    let spec = shell(&script.replace("READY", &setting.scratch.join("ready").display().to_string()));
    let fence = spec.identity.fence;
    let attempt = setting.agent.run(spec).unwrap().recorded_by(store.begin(JobId(1), Fence(fence)));
    let acting = async {
        eventually("the disk hangs", || fired(POINT, &directory)).await;
        act(&setting, fence).await;
    };
    let patience = Duration::from_secs(60); // Only a guard against hanging.
    let ended = tokio::time::timeout(patience, async { tokio::join!(attempt.wait(), acting).0 }).await;
    disarm(POINT, &directory);
    assert_eq!(setting.agent.running(), 0);
    ended.expect("the attempt ends")
}

#[tokio::test]
async fn an_attempt_that_ends_waits_a_bounded_time_for_a_hung_disk() {
    let outcome = hung("echo printed; exit 3", async |_, _| {}).await;
    assert_eq!((outcome.exit, text(&outcome.stdout)), (Exit::Exited(3), "printed\n".to_owned()));
    let reason = outcome.unrecorded.expect("it was not recorded");
    assert_eq!(reason, "write its output: the disk did not take it within 20ms");
}

#[tokio::test]
async fn a_killed_attempt_whose_output_finds_no_room_gives_its_place_back() {
    // A page more than may wait for the disk and fits a pipe: once it is written, the node waits for room.
    let script = format!("head -c {} /dev/zero; echo > READY; sleep 1000", (8 << 20) + 64 * 1_024 + 4_096);
    let outcome = hung(&script, async |setting, fence| {
        eventually("no room is left", || setting.scratch.join("ready").exists()).await;
        setting.agent.kill(fence, FORCE, 0).unwrap();
    });
    let outcome = outcome.await;
    assert_eq!(outcome.exit, Exit::Signaled(FORCE));
    assert!(outcome.unrecorded.is_some());
}
