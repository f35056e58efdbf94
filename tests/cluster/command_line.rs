//! The command line as a person meets it: `job run` with the job's output, its exit code, its input and Ctrl-C; commands
//! about several jobs; a look that is repeated; results as a program reads them.

use std::process::{Output, Stdio};

use quorla_client::{JobId, JobRequest, JobState};
use quorla_tests::children;
use quorla_tests::command::Shell;
use quorla_tests::eventually::eventually;
use quorla_tests::trial::{Trial, settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

#[tokio::test]
async fn job_run_is_as_good_as_running_the_command_here() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    prints_what_the_job_prints(&shell).await;
    exits_as_the_job_did(&shell).await;
    pipes_its_input_to_the_job(&shell).await;
    trial.stop().await;
}

async fn run(shell: &Shell, command: &[&str]) -> Output {
    shell.run(&[&["job", "run", "--"], command].concat()).output().await.unwrap()
}

async fn prints_what_the_job_prints(shell: &Shell) {
    let output = run(shell, &["sh", "-c", "echo hi; echo oh >&2"]).await;
    assert_eq!((output.stdout.as_slice(), output.status.code()), (b"hi\n".as_slice(), Some(0)), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "oh\n");
}

async fn exits_as_the_job_did(shell: &Shell) {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137)] {
        assert_eq!(run(shell, &["sh", "-c", script]).await.status.code(), Some(code), "{script}");
    }
    let missing = run(shell, &["no-such-program-anywhere"]).await;
    assert_eq!(missing.status.code(), Some(127), "{missing:?}");
    let not_executable = run(shell, &["/etc/passwd"]).await;
    assert_eq!(not_executable.status.code(), Some(126), "{not_executable:?}");
}

async fn pipes_its_input_to_the_job(shell: &Shell) {
    let mut piped = shell.run(&["job", "run", "--", "wc", "-c"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = piped.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 100_000]).await.unwrap();
    drop(input);
    let output = piped.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "100000", "{output:?}");
}

#[tokio::test]
async fn control_c_cancels_the_job_and_its_child_is_gone() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let mark = format!("MARK={}", trial.cluster.directory().display());
    let run = ["job", "run", "--env", &mark, "--", "sleep", "600"];
    let waiting = shell.run(&run).spawn().unwrap();
    let of_the_job = || children::having(std::slice::from_ref(&mark));
    eventually("the job's child runs", async || of_the_job().first().copied()).await;

    let process = waiting.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let output = waiting.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(of_the_job(), Vec::<u32>::new(), "a job that has ended has no child");
    trial.stop().await;
}

async fn submit(trial: &Trial, command: [&str; 2]) -> JobId {
    trial.client.submit(JobRequest::new(command)).await.unwrap().job_id
}

#[tokio::test]
async fn one_job_that_has_ended_keeps_no_other_from_being_cancelled() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let ended = submit(&trial, ["echo", "hi"]).await;
    trial.ended(ended).await;
    let lasting = [submit(&trial, ["sleep", "600"]).await, submit(&trial, ["sleep", "600"]).await];
    let ids = [ended, lasting[0], lasting[1]].map(|job| job.to_string());
    let output = shell.run(&["job", "cancel", &ids[0], &ids[1], &ids[2], "-o", "json"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cancelled: Vec<&str> = document.as_array().unwrap().iter().filter_map(|row| row["job_id"].as_str()).collect();
    assert_eq!(cancelled, ids[1..]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("1 of 3 failed") && words.contains(&ids[0]), "{words}");
    for job in lasting {
        assert_eq!(trial.ended(job).await.state, JobState::Cancelled);
    }
    reads_line_by_line(&shell, &ids[0]).await;
    reads_page_by_page(&shell, &ids).await;
    looks_again(&shell).await;
    trial.stop().await;
}

async fn reads_line_by_line(shell: &Shell, job: &str) {
    let output = shell.run(&["job", "history", job, "-o", "jsonl"]).output().await.unwrap();
    let lines: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines[0]["event"]["kind"], "job_submitted", "{lines:?}");
    let ended = lines.iter().find(|line| line["event"]["kind"] == "attempt_ended").unwrap();
    assert_eq!(
        (&ended["event"]["exit_code"], &ended["event"]["detail"]),
        (&0.into(), &"succeeded".into()),
        "{lines:?}"
    );
    assert!(ended["event"]["fence"].is_u64() && ended["event"]["node"].is_string(), "{lines:?}");
    assert_eq!(lines.last().unwrap()["attempt"]["number"], 1, "{lines:?}");
}

async fn reads_page_by_page(shell: &Shell, submitted: &[String]) {
    let mut cursor: Option<String> = None;
    let mut listed = Vec::new();
    for _ in submitted {
        let mut arguments = vec!["job", "list", "-o", "json", "--limit", "1"];
        arguments.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor]));
        let output = shell.run(&arguments).output().await.unwrap();
        let page: Value = serde_json::from_slice(&output.stdout).unwrap();
        listed.extend(page["jobs"][0]["id"].as_str().map(str::to_owned));
        cursor = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(cursor, None, "that was all");
    listed.sort();
    let mut expected = submitted.to_vec();
    expected.sort();
    assert_eq!(listed, expected);
}

async fn looks_again(shell: &Shell) {
    for command in [["node", "list"], ["cluster", "status"], ["job", "list"]] {
        let mut watching = shell.run(&[command[0], command[1], "--watch=10ms", "-o", "id"]).spawn().unwrap();
        let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        // One look at this cluster has fewer lines than that.
        while seen.len() < 8 {
            seen.push(lines.next_line().await.unwrap().unwrap());
        }
        assert!(seen[1..].contains(&seen[0]), "{command:?}: {seen:?}");
        watching.kill().await.unwrap();
    }
}
