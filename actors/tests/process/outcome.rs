//! What an attempt gives back: codes, signals, outputs, failures to start.

use std::os::unix::fs::PermissionsExt;

use quorla_actors::process::outcome::{Exit, SpawnFailureKind};
use quorla_actors::process::spec::{ProcessSpec, WorkingDirectory};

use crate::setting::{program, setting, shell, text};

#[tokio::test]
async fn exit_codes_and_signals_are_passed_on() {
    let setting = setting().await;
    for (script, expected) in [
        ("exit 0", Exit::Exited(0)),
        ("exit 7", Exit::Exited(7)),
        ("exit 255", Exit::Exited(255)),
        ("kill -TERM $$", Exit::Signaled(15)),
        ("kill -SEGV $$", Exit::Signaled(11)),
        ("kill -PIPE $$", Exit::Signaled(13)),
    ] {
        assert_eq!(setting.run_script(script).await.exit, expected, "{script}");
    }
}

#[tokio::test]
async fn the_outputs_are_captured_apart() {
    let outcome = setting().await.run_script("echo out; echo err >&2; printf more").await;
    assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), ("out\nmore".into(), "err\n".into()));
    assert_eq!(outcome.stdout.dropped_bytes(), 0);
    assert!(outcome.started_boot_ms.unwrap() <= outcome.ended_boot_ms.unwrap());
}

#[tokio::test]
async fn standard_input_arrives_whole() {
    let setting = setting().await;
    for bytes in [0, 1, 65_536, 1_048_576] {
        let mut spec = program("wc", &["-c"]);
        spec.stdin = vec![b'x'; bytes];
        assert_eq!(text(&setting.run(spec).await.stdout).trim(), bytes.to_string());
    }
    let mut unread = program("true", &[]);
    unread.stdin = vec![b'x'; 1_048_576];
    assert_eq!(setting.run(unread).await.exit, Exit::Exited(0));
}

#[tokio::test]
async fn ten_mebibytes_of_output_leave_a_bounded_tail() {
    let setting = setting().await;
    let script = "head -c 10485760 /dev/zero | tr '\\0' a; printf the-end";
    for tail_bytes_max in [8_192_u32, 65_536] {
        let mut spec = shell(script);
        spec.tail_bytes_max = tail_bytes_max;
        let tail = setting.run(spec).await.stdout;
        assert_eq!(tail.bytes.len(), usize::try_from(tail_bytes_max).unwrap());
        assert!(tail.bytes.ends_with(b"aaathe-end"));
        assert_eq!(tail.total_bytes, 10_485_760 + 7);
        assert_eq!(tail.dropped_bytes(), 10_485_767 - u64::from(tail_bytes_max));
    }
}

#[tokio::test]
async fn used_cpu_and_memory_are_counted() {
    let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let usage = setting().await.run_script(script).await.usage;
    assert!(usage.user_ms + usage.system_ms > 0 && usage.max_rss_bytes > 100_000, "{usage:?}");
}

#[tokio::test]
async fn what_the_warden_needed_for_its_start_is_not_told_as_an_attempts() {
    let usage = setting().await.run_script("exit 0").await.usage;
    assert!(usage.max_rss_bytes < 10 << 20, "{usage:?}");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let setting = setting().await;
    let plain = setting.scratch.join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    let plain_path = plain.to_str().unwrap();
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let missing_directory = setting.scratch.join("nowhere");
    let elsewhere =
        ProcessSpec { directory: WorkingDirectory::Named(missing_directory.clone()), ..program("true", &[]) };
    let in_a_file = ProcessSpec { directory: WorkingDirectory::Named(plain.clone()), ..program("true", &[]) };
    for (spec, kind, code, word) in [
        (program("no-such-program", &[]), SpawnFailureKind::NotFound, 127, "no-such-program"),
        (program("/no/such", &[]), SpawnFailureKind::NotFound, 127, "/no/such"),
        (program("", &[]), SpawnFailureKind::NotFound, 127, "not found"),
        (program(plain_path, &[]), SpawnFailureKind::NotExecutable, 126, plain_path),
        (program("/", &[]), SpawnFailureKind::NotExecutable, 126, "denied"),
        (elsewhere, SpawnFailureKind::WorkingDirectory, 126, "nowhere"),
        (in_a_file, SpawnFailureKind::WorkingDirectory, 126, "Not a directory"),
    ] {
        let Exit::SpawnFailed(failure) = setting.run(spec).await.exit else { panic!("{word}: started") };
        assert_eq!((failure.kind, failure.kind.shell_code()), (kind, code), "{failure:?}");
        assert!(failure.message.contains(word), "{failure:?}");
    }
    assert!(!missing_directory.exists());
    assert_eq!(setting.fresh_directories(), 0);
}
