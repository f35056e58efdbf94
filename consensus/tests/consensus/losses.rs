//! What was durable and is gone is noticed before raft starts, and never silently mended (R2).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorla_consensus::transport::memory::MemoryNetwork;
use quorla_consensus::{Consensus, DataDirectory, Settings, StartError, Storage};
use quorla_ledger::defect::Defect;

use crate::cluster::{Cluster, TestClock, fast, key};
use crate::commands;

/// A stopped node's directory, with some entries in its log.
async fn stopped() -> (tempfile::TempDir, PathBuf) {
    let mut cluster = Cluster::of(1, fast()).await;
    for number in 0..30 {
        cluster.do_at(0, commands::register(number)).await;
    }
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("data");
    let from = cluster.path(0);
    cluster.stop(0).await;
    copy(&from, &path);
    (kept, path)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

async fn start(path: &Path) -> Result<(), StartError> {
    let storage = Storage::open(DataDirectory::open(path)?)?;
    let (transport, _incoming) = MemoryNetwork::new(1).join(key(0));
    let settings = Settings {
        storage: Arc::clone(&storage),
        group: quorla_consensus::GroupId(0),
        node_key: key(0),
        address: String::new(),
        tuning: fast(),
        defect: Defect::None,
    };
    let consensus = Consensus::start(settings, Arc::new(transport), TestClock::new()).await?;
    consensus.shutdown().await;
    drop(consensus);
    tokio::task::spawn_blocking(move || storage.close()).await.unwrap();
    Ok(())
}

fn files_in(path: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| wanted(&file.file_name().unwrap().to_string_lossy()));
    files.sort();
    files
}

/// The WAL with the last record, and how long its content is.
fn wal(path: &Path) -> (PathBuf, usize) {
    let logs = files_in(&path.join("log").join("rocks"), |name| name.ends_with(".log"));
    let wal = logs.last().unwrap().clone();
    let bytes = std::fs::read(&wal).unwrap();
    (wal, bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untouched_directory_starts() {
    let (_kept, path) = stopped().await;
    start(&path).await.unwrap();
    start(&path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_short_by_a_record_is_noticed() {
    let (_kept, path) = stopped().await;
    let (wal, length) = wal(&path);
    let file = std::fs::OpenOptions::new().write(true).open(wal).unwrap();
    file.set_len(u64::try_from(length - 20).unwrap()).unwrap();
    let refused = start(&path).await.unwrap_err();
    assert!(matches!(refused, StartError::LogLost { .. }), "{refused}");
    assert!(refused.refuses_directory());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_the_log_is_noticed() {
    let (_kept, path) = stopped().await;
    let (wal, length) = wal(&path);
    let mut bytes = std::fs::read(&wal).unwrap();
    bytes[length / 2] ^= 4;
    std::fs::write(&wal, bytes).unwrap();
    let refused = start(&path).await.unwrap_err();
    assert!(refused.refuses_directory(), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_log_is_noticed() {
    let (_kept, path) = stopped().await;
    std::fs::remove_dir_all(path.join("log")).unwrap();
    assert!(matches!(start(&path).await, Err(StartError::LogLost { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_state_is_noticed() {
    let (_kept, path) = stopped().await;
    std::fs::remove_dir_all(path.join("state")).unwrap();
    assert!(matches!(start(&path).await, Err(StartError::LogLost { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_state_is_noticed() {
    let (_kept, path) = stopped().await;
    let generation = path.join("state").join("0").join("generation-1");
    let table = files_in(&generation, |name| name.ends_with(".sst")).pop().unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    for byte in &mut bytes {
        *byte ^= 1;
    }
    std::fs::write(&table, bytes).unwrap();
    let refused = start(&path).await.unwrap_err();
    assert!(refused.refuses_directory(), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_mark_leaves_the_other_one() {
    let (_kept, path) = stopped().await;
    let marks = files_in(&path.join("log"), |name| name.starts_with("mark."));
    let oldest = marks.iter().min_by_key(|mark| std::fs::metadata(mark).unwrap().modified().unwrap()).unwrap();
    std::fs::write(oldest, b"torn").unwrap();
    start(&path).await.unwrap();
}
