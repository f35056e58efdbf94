//! `quorla array submit`: returns once the array is on a majority's disks, or with `--wait` once its last task has ended.

use std::path::PathBuf;

use clap::Args;
use quorla_client::{ArrayRequest, Error, TaskItems};
use serde_json::json;

use super::{items, wait};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::RequestFlags;
use crate::output::{Document, Output, Table, printed};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla array submit --tasks 0-9999 -- ./simulate --seed {}\n  \
    find /data -name '*.log' | quorla array submit --from-file - --max-running 8 --wait -- gzip {}\n  \
    quorla array submit --tasks 1-5 --attempts 3 -- sh -c 'echo task $QUORLA_ARRAY_INDEX'\n\n\
    Every {} of the command becomes the task's line of the file, or its index. A task finds its index in\n\
    QUORLA_ARRAY_INDEX as well; with --from-file the first line has index 0, and empty lines are left out.\n\
    A task is named ARRAY/INDEX wherever a job is: quorla job logs last/3. Retries and timeouts are each task's own.";

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// A task for each of these indices
    #[arg(long, value_name = "FIRST-LAST", value_parser = items::range, required_unless_present = "from_file",
          conflicts_with = "from_file")]
    tasks: Option<(u32, u32)>,
    /// A task for each line of a file; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Tasks that may run at once [default: as many as find a place]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_running: Option<u32>,
    /// Wait for the last task; exits with 0, 10, 11 or 12 as the worst of them ended. Ctrl-C leaves the array running
    #[arg(long)]
    wait: bool,
    /// Check everything that needs no cluster, and submit nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    request: RequestFlags,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(arguments: Submit, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let Submit { tasks, from_file, max_running, wait, dry_run, request, command } = arguments;
    // Read before connecting: a wrong file is told at once.
    let tasks = match (tasks, from_file) {
        (Some((first, last)), _) => TaskItems::Range(first, last),
        (None, Some(path)) => items::read(&path)?,
        (None, None) => return Err(Fault::usage("submit an array: name its tasks with --tasks or --from-file")),
    };
    let count = match &tasks {
        TaskItems::Range(first, last) => u64::from(last - first) + 1,
        TaskItems::Items(items) => u64::try_from(items.len()).unwrap_or(u64::MAX),
    };
    if dry_run {
        let job = request.request(command, quorla_client::clock::wall_ms())?;
        ArrayRequest { job, tasks, running_max: max_running }.check().map_err(Error::from)?;
        let mut table = Table::pairs();
        table.pair("well-formed tasks", count);
        output.document(&Document { json: json!({"well_formed": count}), table, ids: Vec::new() })?;
        output.say("nothing was submitted");
        return Ok(Exit::OK);
    }
    let connected = session.connect().await?;
    let job = request.request(command, connected.client.server_ms())?;
    let submitted = connected.client.submit_array(ArrayRequest { job, tasks, running_max: max_running }).await?;
    let array = submitted.job_id;
    connected.remember(array);
    if wait {
        output.say(format!("array {array}: {count} tasks"));
        return wait::until_ended(&connected.client, array, output).await;
    }
    let mut table = Table::pairs();
    table.pair(&array.to_string(), if submitted.existing { "existing" } else { "accepted" });
    let json = json!({"array_id": array, "tasks": count, "existing": submitted.existing});
    printed(output, &Document { json, table, ids: vec![array.to_string()] }, Exit::OK)
}
