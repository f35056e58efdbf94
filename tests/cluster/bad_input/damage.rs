//! Files of a node's log and state, cut short or with one bit flipped: noticed at the next start, set aside and kept, and
//! the node comes back as another incarnation with what its peers have, while they go on.

use std::fs;
use std::path::{Path, PathBuf};

use quorla_client::{JobId, JobRequest};
use quorla_tests::disk::set_aside;
use quorla_tests::trial::{Trial, settings};

/// What is done to a data directory.
type Hurt = fn(&Path);

const DAMAGES: [(&str, Hurt); 7] = [
    ("a bit of the log's newest file", |data| flip(&newest(&data.join("log/rocks"), ".log"), 64)),
    ("the log's newest file cut short", |data| cut(&newest(&data.join("log/rocks"), ".log"), 100)),
    ("a bit of a sorted file of the log", |data| flip(&newest(&data.join("log/rocks"), ".sst"), 50)),
    ("a bit of a sorted file of the state", |data| flip(&newest(&generation(data), ".sst"), 50)),
    ("a sorted file of the state cut short", |data| cut(&newest(&generation(data), ".sst"), 700)),
    ("a bit of the name of the state in use", |data| flip(&data.join("state/0/CURRENT_STATE"), 17)),
    ("a bit of the identity", |data| flip(&data.join("identity"), 20)),
];

#[tokio::test]
async fn damage_on_a_disk_is_noticed_set_aside_and_rebuilt_from_the_others() {
    let mut trial = Trial::start(settings(3)).await;
    let mut jobs = Vec::new();
    // A second start leaves every kind of file behind.
    for position in 0..3 {
        jobs.extend(submit(&trial).await);
        trial.node(position).stop().await.unwrap();
        trial.cluster.restart(position).await.unwrap();
    }
    for (number, (what, hurt)) in DAMAGES.into_iter().enumerate() {
        is_rebuilt(&mut trial, number % 3, what, hurt, &mut jobs).await;
    }
    trial.all_have_one_result(&jobs).await;
    trial.stop().await;
}

async fn submit(trial: &Trial) -> Vec<JobId> {
    let outcomes = trial.client.submit_many((0..4).map(|_| JobRequest::new(["true"]))).await;
    let jobs: Vec<JobId> = outcomes.into_iter().map(|outcome| outcome.unwrap().job_id).collect();
    trial.all_have_one_result(&jobs).await;
    jobs
}

async fn is_rebuilt(trial: &mut Trial, position: usize, what: &str, hurt: Hurt, jobs: &mut Vec<JobId>) {
    jobs.extend(submit(trial).await);
    // The node has all of that: what it loses is something that it had.
    trial.replicas_agree().await;
    let former = trial.view_of(position).await.raft_id;
    trial.node(position).stop().await.unwrap();
    let data = trial.cluster.nodes()[position].data_dir.clone();
    let kept_before = set_aside(&data).len();
    hurt(&data);
    jobs.extend(submit(trial).await);

    trial.cluster.restart(position).await.unwrap();
    let kept = set_aside(&data);
    assert_eq!(kept.len(), kept_before + 1, "{what}: set aside and kept");
    assert!(kept.iter().all(|kept| kept.join("log").is_dir()), "{what}: as a whole");
    trial.comes_back_anew(position, former).await;
    trial.replicas_agree().await;
}

fn generation(data: &Path) -> PathBuf {
    newest(&data.join("state/0"), "")
}

/// The entry with this ending, or without one of the others, that was named last: RocksDB and we count up.
fn newest(directory: &Path, ending: &str) -> PathBuf {
    let entries = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ending.is_empty() { name.starts_with("generation-") } else { name.ends_with(ending) }
    };
    entries.filter(wanted).max().unwrap_or_else(|| panic!("{} has no {ending:?}", directory.display()))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    replace(path, &bytes);
}

fn cut(path: &Path, to: usize) {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.len() > to, "{} has {} bytes", path.display(), bytes.len());
    replace(path, &bytes[..to]);
}

/// Another file in its place: a snapshot may share the old one.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}
