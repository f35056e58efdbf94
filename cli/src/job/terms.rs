//! What a job was submitted with, as rows: what differs from the defaults, and what it occupies.

use quorla_client::{Backoff, JobRequest, JobTerms, KillSignal, RetryPolicy};

use crate::output::{Table, date, span};

/// Adds the rows to those of the job.
pub(super) fn add_to(table: &mut Table, terms: &JobTerms) {
    let usual = JobRequest::new([""]);
    for (name, value) in &terms.env {
        table.pair("env", format!("{name}={value}"));
    }
    table.maybe("directory", terms.working_directory.as_ref());
    table.maybe("stdin", (terms.stdin_bytes > 0).then(|| format!("{} bytes", terms.stdin_bytes)));
    table.pair("occupies", occupied(terms));
    add_limits(table, terms);
    for constraint in &terms.constraints {
        table.pair("constraint", constraint);
    }
    table.maybe("retry", (terms.retry != usual.retry).then(|| retry(&terms.retry)));
    let timeouts = &terms.timeouts;
    table.maybe("queue timeout", timeouts.queue_ms.map(span));
    table.maybe("attempt timeout", timeouts.attempt_ms.map(span));
    table.maybe("job timeout", timeouts.job_ms.map(span));
    table.maybe("not before", terms.not_before_ms.map(date));
    if terms.kill_signal != Some(usual.kill_signal) || terms.kill_grace_ms != usual.kill_grace_ms {
        let signal = terms.kill_signal.map_or("another signal", KillSignal::as_str);
        table.pair("stopped by", format!("{signal}, SIGKILL {} later", span(terms.kill_grace_ms)));
    }
    if terms.output_tail_bytes != u64::from(usual.output_tail_bytes) {
        table.pair("output kept", format!("{} bytes of each stream", terms.output_tail_bytes));
    }
}

fn add_limits(table: &mut Table, terms: &JobTerms) {
    let limits = &terms.limits;
    table.maybe("CPU limit", limits.cpu_milli.map(|milli| format!("{milli}m")));
    for (row, bytes) in [
        ("memory limit", limits.memory_bytes),
        ("file size limit", limits.file_bytes),
        ("core size limit", limits.core_bytes),
    ] {
        table.maybe(row, bytes.map(|bytes| format!("{bytes} bytes")));
    }
    table.maybe("process limit", limits.processes);
    table.maybe("open file limit", limits.open_files);
    table.maybe("runs as", terms.run_as.as_ref());
}

fn occupied(terms: &JobTerms) -> String {
    let resources = &terms.resources;
    let mut parts = vec![match resources.slots {
        1 => "1 slot".to_owned(),
        slots => format!("{slots} slots"),
    }];
    if resources.cpu_milli > 0 {
        parts.push(format!("{}m CPU", resources.cpu_milli));
    }
    if resources.memory_bytes > 0 {
        parts.push(format!("{} bytes of memory", resources.memory_bytes));
    }
    parts.join(", ")
}

fn retry(policy: &RetryPolicy) -> String {
    let backoff = match policy.backoff {
        Backoff::Fixed { delay_ms } => format!("every {}", span(delay_ms)),
        Backoff::Exponential { base_ms, delay_ms_max } => {
            format!("after {} and twice that each time, at most {}", span(base_ms), span(delay_ms_max))
        }
    };
    let mut text = format!("{} attempts, {backoff}, give or take {} %", policy.attempts_max, policy.jitter_percent);
    if !policy.retryable_exit_codes.is_empty() {
        let codes: Vec<String> = policy.retryable_exit_codes.iter().map(u8::to_string).collect();
        text.push_str(&format!(", on exit code {} only", codes.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use quorla_client::{Backoff, JobTerms, KillSignal, Limits, Resources, RetryPolicy, Timeouts};

    use super::{Table, add_to};

    fn usual() -> JobTerms {
        JobTerms {
            env: Default::default(),
            working_directory: None,
            stdin_bytes: 0,
            resources: Resources::default(),
            limits: Limits::default(),
            run_as: None,
            constraints: Vec::new(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            not_before_ms: None,
            kill_signal: Some(KillSignal::Term),
            kill_grace_ms: 10_000,
            output_tail_bytes: 8 * 1024,
        }
    }

    fn rows(terms: &JobTerms) -> String {
        let mut table = Table::pairs();
        add_to(&mut table, terms);
        table.render(false, false)
    }

    #[test]
    fn what_was_not_set_is_not_shown() {
        assert_eq!(rows(&usual()), "occupies\t1 slot\n");
    }

    #[test]
    fn everything_that_was_set_is_shown() {
        let terms = JobTerms {
            env: [("A".to_owned(), "b c".to_owned())].into(),
            working_directory: Some("/srv".into()),
            stdin_bytes: 3,
            resources: Resources { cpu_milli: 500, memory_bytes: 1_024, slots: 2 },
            limits: Limits {
                cpu_milli: Some(250),
                memory_bytes: Some(4_096),
                processes: Some(7),
                open_files: Some(8),
                file_bytes: Some(9),
                core_bytes: Some(0),
            },
            run_as: Some("web".into()),
            constraints: vec!["zone in (a, b)".parse().unwrap()],
            retry: RetryPolicy {
                attempts_max: 3,
                backoff: Backoff::Fixed { delay_ms: 2_000 },
                retryable_exit_codes: vec![7, 8],
                ..RetryPolicy::default()
            },
            timeouts: Timeouts { queue_ms: Some(1_000), attempt_ms: Some(60_000), job_ms: Some(3_600_000) },
            not_before_ms: Some(0),
            kill_signal: Some(KillSignal::Int),
            kill_grace_ms: 500,
            output_tail_bytes: 100,
        };
        let shown = rows(&terms);
        for row in [
            "env\tA=b c\n",
            "directory\t/srv\n",
            "stdin\t3 bytes\n",
            "occupies\t2 slots, 500m CPU, 1024 bytes of memory\n",
            "CPU limit\t250m\nmemory limit\t4096 bytes\nfile size limit\t9 bytes\ncore size limit\t0 bytes\n",
            "process limit\t7\nopen file limit\t8\nruns as\tweb\n",
            "constraint\tzone in (a, b)\n",
            "retry\t3 attempts, every 2.0s, give or take 20 %, on exit code 7, 8 only\n",
            "queue timeout\t1.0s\nattempt timeout\t1m00s\njob timeout\t1h00m\n",
            "not before\t1970-01-01 00:00:00\n",
            "stopped by\tSIGINT, SIGKILL 500ms later\n",
            "output kept\t100 bytes of each stream\n",
        ] {
            assert!(shown.contains(row), "{row} in {shown}");
        }
    }
}
