//! History under load stays within its bounds, in the ledger and on disk (R24).

use std::path::{Path, PathBuf};

use quorla_cli::local::Settings;
use quorla_client::{ArrayRequest, JobRequest, ListQuery};
use quorla_ledger::tables::Table;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::trial::{Trial, settings, with};
use rocksdb::{DB, IteratorMode, Options};

const ROUNDS: usize = 8;
const JOBS_A_ROUND: usize = 250;
const ARRAYS_A_ROUND: u32 = 4;
const JOBS_KEPT: usize = 150;
const ARRAYS_KEPT: usize = 10;
const TASKS: u32 = 5;
/// What the state may come to: what is kept of jobs and events is far below it, and all that ever was above.
const STATE_BYTES_MAX: u64 = 2 << 20;

#[tokio::test]
async fn history_under_load_stays_within_tight_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let mut tight = Settings { slots: Some(16), directory: Some(directory.path().to_path_buf()), ..settings(1) };
    for (key, value) in [("JOBS", "150"), ("ARRAYS", "10"), ("EVENTS_BYTES", "256KiB")] {
        tight = with(tight, &format!("QUORLA__RETENTION__{key}"), value);
    }
    let trial = Trial::start(tight).await;
    for _ in 0..ROUNDS {
        let jobs = trial.client.submit_many((0..JOBS_A_ROUND).map(|_| JobRequest::new(["true"]))).await;
        assert!(jobs.iter().all(Result::is_ok), "{jobs:?}");
        for _ in 0..ARRAYS_A_ROUND {
            trial.client.submit_array(ArrayRequest::range(JobRequest::new(["true"]), 0, TASKS - 1)).await.unwrap();
        }
        eventually_holds("the round is done", async || trial.client.status().await.unwrap().jobs_live == 0).await;
    }
    eventually_holds("what is beyond the bounds has gone", async || {
        let page = trial.client.list(ListQuery { limit: Some(1_000), ..ListQuery::default() }).await.unwrap();
        page.next.is_none() && page.jobs.len() <= JOBS_KEPT + ARRAYS_KEPT
    })
    .await;
    let state = trial.cluster.nodes()[0].data_dir.join("state/0");
    trial.stop().await;
    let database = DB::open(&Options::default(), generation(&state)).unwrap();
    database.compact_range(None::<&[u8]>, None::<&[u8]>);
    let count = |table: Table| {
        let mut prefix = vec![0, 0];
        prefix.extend(table.prefix());
        let from = IteratorMode::From(&prefix, rocksdb::Direction::Forward);
        database.iterator(from).take_while(|entry| entry.as_ref().unwrap().0.starts_with(&prefix)).count()
    };
    for (table, most) in [
        (Table::Ended, JOBS_KEPT),
        (Table::EndedAt, JOBS_KEPT),
        (Table::Specs, JOBS_KEPT + ARRAYS_KEPT),
        (Table::Tails, JOBS_KEPT),
        (Table::EndedArrays, ARRAYS_KEPT),
        (Table::ArrayEndedAt, ARRAYS_KEPT),
        (Table::EndedTasks, ARRAYS_KEPT * 5),
        (Table::Live, 0),
        (Table::LiveTasks, 0),
    ] {
        assert!(count(table) <= most, "{table:?}: {} records, {most} at most", count(table));
    }
    assert!(count(Table::Ended) > 0 && count(Table::Events) > 0, "what is within the bounds is kept");
    let files = database.live_files().unwrap();
    let bytes: u64 = files.iter().map(|file| u64::try_from(file.size).unwrap()).sum();
    assert!(bytes <= STATE_BYTES_MAX, "{bytes} bytes");
}

/// The database in use: the one directory of its kind.
fn generation(state: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(state).unwrap().flatten().map(|entry| entry.path());
    entries.find(|path| path.join("CURRENT").exists()).expect("a state has a database")
}
