//! `quorla queue pause` and `resume`.

use clap::Args;
use quorla_client::{PauseTerms, QueueView};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::key;
use crate::output::{Document, Output, Table, date, json, printed};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla queue pause batch --reason 'the database is down'\n  \
    quorla queue pause batch --dry-run\n\n\
    Submits are still accepted and wait; what runs goes on; timeouts of queue and job go on counting. It lasts until\n\
    `quorla queue resume`, over restarts. Other queues are not kept waiting.";

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    which: Resume,
    /// Why, for whoever asks why a job waits
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The queue's name; it need not have jobs
    #[arg(value_name = "NAME")]
    queue: String,
    /// The same key again is the same request
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
    /// Show what is in the queue, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn pause(pause: Pause, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let Pause { which, reason } = pause;
    set(which, true, reason, session, output).await
}

pub(super) async fn resume(resume: Resume, session: &Session, output: &Output) -> Result<Exit, Fault> {
    set(resume, false, None, session, output).await
}

async fn set(
    which: Resume,
    paused: bool,
    reason: Option<String>,
    session: &Session,
    output: &Output,
) -> Result<Exit, Fault> {
    let Resume { queue, idempotency_key, dry_run } = which;
    let client = session.connect().await?.client;
    let terms = PauseTerms { reason, idempotency_key };
    let view = match (dry_run, paused) {
        (true, _) => client.queue(&queue).await?,
        (false, true) => client.pause_queue(&queue, terms).await?,
        (false, false) => client.resume_queue(&queue, terms).await?,
    };
    printed(output, &document(&view), Exit::OK)
}

fn document(queue: &QueueView) -> Document {
    let mut table = Table::pairs();
    table.pair("queue", &queue.name);
    table.pair("state", if queue.paused.is_some() { "paused" } else { "open" });
    if let Some(pause) = &queue.paused {
        table.pair("since", date(pause.since_ms));
        table.maybe("reason", pause.reason.as_ref());
    }
    for (name, jobs) in [
        ("waiting", queue.waiting),
        ("held", queue.held),
        ("later", queue.pausing),
        ("running", queue.running),
        ("stopping", queue.stopping),
    ] {
        table.pair(name, jobs);
    }
    Document { json: json(queue), table, ids: vec![queue.name.clone()] }
}
