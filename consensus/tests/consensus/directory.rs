//! What a data directory refuses (R1, R28).

use quorla_consensus::directory::{FORMAT_VERSION, FORMAT_VERSION_MIN, set_aside};
use quorla_consensus::{DataDirectory, FOUNDING_RAFT_ID, Identity, StartError, Storage};
use quorla_ledger::ids::{ClusterId, RaftId, StorageId};

fn identity(cluster: u128) -> Identity {
    Identity { cluster: ClusterId(cluster), storage: StorageId(5), raft_id: FOUNDING_RAFT_ID }
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let first = DataDirectory::open(root.path()).unwrap();
    assert!(matches!(DataDirectory::open(root.path()), Err(StartError::Locked { .. })));
    drop(first);
    assert!(DataDirectory::open(root.path()).is_ok());
}

#[test]
fn a_newer_format_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("format"), format!("quorla-data {}\n", FORMAT_VERSION + 1)).unwrap();
    let refused = DataDirectory::open(root.path()).unwrap_err();
    assert!(matches!(refused, StartError::NewerFormat { known: FORMAT_VERSION, .. }));
    assert!(!refused.refuses_directory(), "an upgrade mends this, not a new storage");
}

#[test]
fn a_format_that_is_not_read_any_more_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let text = format!("quorla-data {}\n", FORMAT_VERSION_MIN - 1);
    std::fs::write(root.path().join("format"), &text).unwrap();
    let refused = DataDirectory::open(root.path()).unwrap_err();
    assert!(matches!(refused, StartError::OlderFormat { oldest: FORMAT_VERSION_MIN, .. }));
    assert!(!refused.refuses_directory(), "the version that wrote it reads it still");
    assert_eq!(std::fs::read_to_string(root.path().join("format")).unwrap(), text);
}

#[test]
fn a_directory_of_another_cluster_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(root.path()).unwrap();
    directory.adopt(identity(1)).unwrap();
    assert!(directory.check_cluster(ClusterId(1)).is_ok());
    assert!(matches!(directory.check_cluster(ClusterId(2)), Err(StartError::OtherCluster { .. })));
    let other = Identity { raft_id: RaftId(9), ..identity(1) };
    assert!(matches!(directory.adopt(other), Err(StartError::OtherIdentity { .. })));
}

#[test]
fn a_directory_without_identity_can_not_be_started() {
    let root = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(root.path()).unwrap();
    assert!(directory.identity().is_none());
    assert!(matches!(Storage::open(directory), Err(StartError::NoIdentity { .. })));
}

#[test]
fn a_flipped_bit_in_the_identity_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(root.path()).unwrap();
    directory.adopt(identity(1)).unwrap();
    drop(directory);
    let path = root.path().join("identity");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let refused = DataDirectory::open(root.path()).unwrap_err();
    assert!(refused.refuses_directory(), "{refused}");
}

#[test]
fn a_refused_directory_is_kept_aside() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    drop(DataDirectory::open(&path).unwrap());
    let aside = set_aside(&path, 1_234).unwrap();
    assert!(aside.ends_with("data.refused-1234") && aside.join("format").exists() && !path.exists());
    assert!(DataDirectory::open(&path).unwrap().identity().is_none());
}
