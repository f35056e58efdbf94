//! Jobs as rows of a table.

use quorla_client::{JobPage, JobSummary};
use serde_json::json;

use crate::output::{Document, Table, json, span};

/// A page of jobs, in the order given. Of a page for a program, the end says where the next begins; of lines, each is a job.
pub(super) fn page(page: &JobPage, now_ms: u64, lines: bool) -> Document {
    let mut table = Table::new(["ID", "NAME", "STATE", "QUEUE", "PRI", "NODE", "TRIES", "EXIT", "AGE", "RUN"]);
    for job in &page.jobs {
        table.row([
            job.id.short(),
            job.name.clone(),
            if job.paused { format!("{}, paused", job.state) } else { job.state.to_string() },
            job.queue.clone(),
            job.priority.to_string(),
            job.node.clone().unwrap_or_else(dash),
            job.tasks.map_or_else(|| job.attempts.to_string(), |tasks| format!("{}/{}", tasks.ended(), tasks.all())),
            job.exit_code.map_or_else(dash, |code| code.to_string()),
            span(now_ms.saturating_sub(job.submitted_ms)),
            run(job, now_ms),
        ]);
    }
    let ids = page.jobs.iter().map(|job| job.id.to_string()).collect();
    let json = if lines {
        json(&page.jobs)
    } else {
        json!({"jobs": json(&page.jobs), "next": page.next, "examined": page.examined})
    };
    Document { json, table, ids }
}

/// How long the latest attempt has run, or ran.
fn run(job: &JobSummary, now_ms: u64) -> String {
    let ran = |started_ms| span(job.attempt_ended_ms.unwrap_or(now_ms).saturating_sub(started_ms));
    job.started_ms.map_or_else(dash, ran)
}

/// From the start of an attempt to its end.
pub(super) fn took(started_ms: Option<u64>, ended_ms: Option<u64>) -> String {
    match (started_ms, ended_ms) {
        (Some(started), Some(ended)) => span(ended.saturating_sub(started)),
        _ => dash(),
    }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use quorla_client::{JobId, JobState};

    use super::{JobPage, JobSummary, page, run};

    fn job(started_ms: Option<u64>, attempt_ended_ms: Option<u64>, ended_ms: Option<u64>) -> JobSummary {
        JobSummary {
            id: JobId::from_parts(1, 1),
            name: "job".into(),
            state: JobState::BackingOff,
            queue: "default".into(),
            priority: 50,
            submitted_ms: 0,
            started_ms,
            attempt_ended_ms,
            ended_ms,
            node: None,
            attempts: 1,
            exit_code: None,
            tasks: None,
            paused: false,
        }
    }

    #[test]
    fn only_the_time_in_which_an_attempt_runs_is_shown_as_that() {
        for (job, expected) in [
            (job(None, None, None), "-"),
            (job(Some(1_000), None, None), "9.0s"),
            (job(Some(1_000), Some(3_000), None), "2.0s"),
            (job(Some(1_000), Some(3_000), Some(8_000)), "2.0s"),
        ] {
            assert_eq!(run(&job, 10_000), expected, "{job:?}");
        }
    }

    #[test]
    fn a_document_says_where_the_next_page_begins_and_lines_are_jobs_alone() {
        let first = JobPage { jobs: vec![job(None, None, None)], next: Some("x".into()), examined: 1 };
        let document = page(&first, 0, false).json;
        assert_eq!((&document["next"], &document["jobs"][0]["name"]), (&"x".into(), &"job".into()));
        assert_eq!(page(&first, 0, true).json[0]["name"], "job");
    }
}
