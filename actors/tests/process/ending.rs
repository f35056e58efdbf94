//! How attempts are ended: by signal, by force, by the end of their main process, by the lease.

use quorla_actors::process::agent::{ProcessError, SpecRefusal};
use quorla_actors::process::outcome::Exit;

use crate::setting::{Setting, boot_ms, eventually, marked, marker, program, setting, shell, text};

const TERM: i32 = 15;
const NEVER_MS: u64 = 3_600_000;

/// Runs a script that writes to `ready` once it is set up; acts then; gives the outcome.
async fn when_ready(
    setting: &Setting,
    script: &str,
    act: impl FnOnce(u64),
) -> quorla_actors::process::outcome::ProcessOutcome {
    let ready = setting.scratch.join("ready");
    let spec = shell(&script.replace("READY", &format!("echo > {}", ready.display())));
    let fence = spec.identity.fence;
    let acting = async {
        eventually("the script is ready", || ready.exists()).await;
        std::fs::remove_file(&ready).unwrap();
        act(fence);
    };
    tokio::join!(setting.run(spec), acting).0
}

#[tokio::test]
async fn the_signal_of_choice_reaches_the_whole_group() {
    let setting = setting().await;
    let script = "(trap 'echo child; exit' USR1; READY; while :; do sleep 0.01; done) & trap 'wait; echo main; exit 3' USR1; wait";
    let outcome = when_ready(&setting, script, |fence| setting.agent.kill(fence, 10, NEVER_MS).unwrap()).await;
    assert_eq!((outcome.exit, text(&outcome.stdout)), (Exit::Exited(3), "child\nmain\n".into()));
}

#[tokio::test]
async fn who_ignores_the_signal_is_killed_after_the_grace() {
    let setting = setting().await;
    let script = "trap '' TERM; READY; while :; do sleep 0.01; done";
    let outcome = when_ready(&setting, script, |fence| setting.agent.kill(fence, TERM, 50).unwrap()).await;
    assert_eq!(outcome.exit, Exit::Signaled(9));
}

#[tokio::test]
async fn a_later_kill_can_shorten_the_grace() {
    let setting = setting().await;
    let outcome = when_ready(&setting, "trap '' TERM; READY; while :; do sleep 0.01; done", |fence| {
        setting.agent.kill(fence, TERM, NEVER_MS).unwrap();
        setting.agent.kill(fence, TERM, 10).unwrap();
        setting.agent.kill(fence, TERM, NEVER_MS).unwrap();
    });
    assert_eq!(outcome.await.exit, Exit::Signaled(9));
}

#[tokio::test]
async fn a_kill_right_after_the_start_is_not_lost() {
    let setting = setting().await;
    for _ in 0..50 {
        let attempt = setting.agent.run(program("sleep", &["1000"])).unwrap();
        attempt.killer().kill(TERM, NEVER_MS).unwrap();
        assert_eq!(attempt.wait().await.exit, Exit::Signaled(TERM));
    }
}

#[tokio::test]
async fn descendants_end_with_their_attempt_however_they_hide() {
    let setting = setting().await;
    let marker = marker();
    let other = setting.agent.run(program("sleep", &["1000"])).unwrap();
    let killer = other.killer();
    for script in [
        "sleep MARK & exit 5",
        "set -m; sleep MARK & exit 5",
        "setsid sleep MARK & exit 5",
        "(setsid sh -c 'sleep MARK & sleep MARK' &) ; (setsid sleep MARK >/dev/null 2>&1 &); exit 5",
        "(setsid sh -c '(setsid sleep MARK &) & sleep MARK' &); sleep 0.05; exit 5",
        "trap '' TERM HUP; nohup setsid sh -c 'trap \"\" TERM; sleep MARK; sleep MARK' & exit 5",
    ] {
        let outcome = setting.run_script(&script.replace("MARK", &marker)).await;
        assert_eq!(outcome.exit, Exit::Exited(5), "{script}");
        assert_eq!(marked(&marker), [], "{script}");
    }
    assert!(killer.pid().is_some(), "another attempt was taken along");
    killer.kill(TERM, 0).unwrap();
    other.wait().await;
}

#[tokio::test]
async fn a_descendant_without_a_trace_ends_with_the_attempts_it_may_belong_to() {
    let setting = setting().await;
    let marker = marker();
    let script = format!("(env -i /usr/bin/setsid /bin/sleep {marker} &); sleep 0.05; exit 5");
    assert_eq!(setting.run_script(&script).await.exit, Exit::Exited(5));
    eventually("it is gone", || marked(&marker).is_empty()).await;
}

#[tokio::test]
async fn a_descendant_that_holds_the_output_does_not_delay_the_end() {
    let setting = setting().await;
    let outcome = setting.run_script("echo early; (setsid sleep 1000 &); exit 0").await;
    assert_eq!((outcome.exit, text(&outcome.stdout)), (Exit::Exited(0), "early\n".into()));
}

#[tokio::test]
async fn a_passed_lease_kills_everything_and_a_new_one_serves_again() {
    let setting = setting().await;
    let marker = marker();
    let script = format!("trap '' TERM; (setsid sleep {marker} &); READY; sleep {marker}");
    let outcome = when_ready(&setting, &script, |_| setting.agent.set_lease_deadline(boot_ms() + 50)).await;
    assert_eq!(outcome.exit, Exit::Lapsed);
    assert!(outcome.ended_boot_ms > outcome.started_boot_ms);
    eventually("all is gone", || marked(&marker).is_empty()).await;
    assert_eq!(setting.run(program("true", &[])).await.exit, Exit::Lapsed, "started without a lease");
    setting.agent.set_lease_deadline(boot_ms() + NEVER_MS);
    let mut exit = setting.run(program("true", &[])).await.exit;
    while exit == Exit::Lapsed {
        exit = setting.run(program("true", &[])).await.exit; // The last of the old ones was still dying.
    }
    assert_eq!(exit, Exit::Exited(0));
}

#[tokio::test]
async fn a_renewed_lease_kills_nothing() {
    let setting = setting().await;
    setting.agent.set_lease_deadline(boot_ms() + NEVER_MS);
    let renewing = async {
        for _ in 0..20 {
            setting.agent.set_lease_deadline(boot_ms() + NEVER_MS);
            tokio::task::yield_now().await;
        }
        setting.agent.set_lease_deadline(0);
    };
    let (outcome, ()) = tokio::join!(setting.run(program("sleep", &["0.1"])), renewing);
    assert_eq!(outcome.exit, Exit::Exited(0));
}

#[tokio::test]
async fn a_dropped_attempt_is_killed() {
    let setting = setting().await;
    let marker = marker();
    let attempt = setting.agent.run(program("sleep", &[&marker])).unwrap();
    eventually("it runs", || !marked(&marker).is_empty()).await;
    drop(attempt);
    eventually("it is gone", || marked(&marker).is_empty() && setting.agent.running() == 0).await;
}

#[tokio::test]
async fn a_fence_in_use_and_too_many_attempts_are_refused() {
    let setting = setting().await;
    let spec = program("sleep", &["1000"]);
    let mut held = vec![setting.agent.run(spec.clone()).unwrap()];
    let refused = |spec| match setting.agent.run(spec) {
        Err(ProcessError::Refused(refusal)) => refusal,
        _ => panic!("not refused"),
    };
    assert_eq!(refused(spec.clone()), SpecRefusal::FenceIsInUse(spec.identity.fence));
    held.extend((1..256).map(|_| setting.agent.run(program("sleep", &["1000"])).unwrap()));
    assert_eq!(refused(program("true", &[])), SpecRefusal::TooManyAttempts { attempts_max: 256 });
    assert_eq!(setting.agent.kill(1, 0, 0), Err(SpecRefusal::SignalIsUnknown(0)));
}
