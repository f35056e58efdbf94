//! `quorla job`: one file per verb.

mod cancel;
mod duration;
mod explain;
mod from_file;
mod history;
mod limits;
mod list;
mod logs;
pub(crate) mod pause;
mod printing;
mod request;
mod retry;
mod rows;
mod run;
mod show;
mod submit;
mod terms;
mod wait;

use clap::{Args, Subcommand};
use quorla_client::JobId;
use serde_json::Value;

pub(crate) use duration::span_ms;
pub(crate) use request::{RequestFlags, key};
pub(crate) use show::held;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Submit a job, wait for it, print its output and exit as it did
    #[command(after_help = run::EXAMPLES)]
    Run(run::Run),
    /// Submit jobs and return once they are accepted
    #[command(after_help = submit::EXAMPLES)]
    Submit(submit::Submit),
    /// List jobs, newest first, by state, queue, label, name, time or node
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Show one job in full
    #[command(after_help = "Examples:\n  quorla job info last\n  quorla job info 3f2k -o yaml\n\n\
                      Environment values are shown as they were given: pass what is secret in files that only the job may read.")]
    Info(Which),
    /// Say why a job does not run yet, where it runs, or how it ended
    #[command(after_help = explain::EXAMPLES)]
    Explain(Which),
    /// Wait until a job has ended; exits with 0, 10, 11 or 12 as it ended
    #[command(after_help = "Example:\n  quorla job wait last --timeout 30s || echo it did not succeed")]
    Wait(wait::Wait),
    /// Print a job's output, as it comes with -f
    #[command(after_help = logs::EXAMPLES)]
    Logs(logs::Logs),
    /// Stop a job
    #[command(after_help = "Example:\n  quorla job cancel 3f2k --reason 'wrong input'")]
    Cancel(cancel::Cancel),
    /// Submit an ended job anew
    #[command(after_help = "Example:\n  quorla job retry last")]
    Retry(retry::Retry),
    /// Hold jobs, so that they do not start until they are resumed
    #[command(after_help = pause::EXAMPLES)]
    Pause(pause::Pause),
    /// Let paused jobs go on
    #[command(after_help = "Example:\n  quorla job resume 3f2k")]
    Resume(pause::Resume),
    /// Show a job's attempts and events
    #[command(after_help = "Example:\n  quorla job history last -o jsonl")]
    History(Which),
}

/// One job.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its id, a unique prefix of it, or `last`
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
}

pub(crate) async fn run(command: JobCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    match command {
        JobCommand::Run(run) => run::run(run, session, output).await,
        JobCommand::Submit(submit) => submit::run(submit, session, output).await,
        JobCommand::List(list) => list::run(list, session, output).await,
        JobCommand::Info(which) => show::run(&which, session, output).await,
        JobCommand::Explain(which) => explain::run(&which, session, output).await,
        JobCommand::Wait(wait) => wait::run(&wait, session, output).await,
        JobCommand::Logs(logs) => logs::run(&logs, session, output).await,
        JobCommand::Cancel(cancel) => cancel::run(cancel, session, output).await,
        JobCommand::Retry(retry) => retry::run(retry, session, output).await,
        JobCommand::Pause(pause) => pause::pause(pause, session, output).await,
        JobCommand::Resume(resume) => pause::resume(resume, session, output).await,
        JobCommand::History(which) => history::run(&which, session, output).await,
    }
}

/// What became of several jobs, each with its id, words, and the same for programs; one that was alone stands alone.
fn told(jobs: Vec<(JobId, String, Value)>, only_one: bool) -> Document {
    let mut table = Table::pairs();
    let (mut rows, mut ids) = (Vec::new(), Vec::new());
    for (job, words, row) in jobs {
        table.pair(&job.to_string(), words);
        ids.push(job.to_string());
        rows.push(row);
    }
    let json = match only_one {
        true => rows.swap_remove(0),
        false => Value::Array(rows),
    };
    Document { json, table, ids }
}
