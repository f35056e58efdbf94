//! The cluster's founding, its storages, and the agreement of its replicas.

use quorla_ledger::{
    codec,
    command::{AdmitStorage, Command, FoundCluster},
    ids::{ChainHash, ClusterId, NodeKey, RaftId, StorageId},
    ledger::Divergence,
    limits::{HASH_KEPT_EVERY, STORAGES_MAX},
    reply::{Refusal, Reply},
    tables::Table,
};

use crate::{build::plain, world::World};

fn found() -> Command {
    let (cluster, storage) = (ClusterId(1), StorageId(1));
    Command::FoundCluster(FoundCluster { cluster, ca_certificate: vec![1, 2], node: NodeKey([1; 32]), storage })
}

fn admit(node: u8, storage: u128) -> Command {
    Command::AdmitStorage(AdmitStorage { node: NodeKey([node; 32]), storage: StorageId(storage) })
}

#[test]
fn a_cluster_is_founded_once() {
    let mut world = World::new();
    assert_eq!(world.run(found()), Reply::Founded);
    assert_eq!(world.refused(found()), Refusal::ClusterIsFounded);
    assert_eq!(world.count(Table::Cluster), 1);
}

#[test]
fn a_storages_id_is_the_index_that_admitted_it() {
    let mut world = World::new();
    world.run(found());
    assert_eq!(world.run(admit(1, 1)), Reply::StorageAdmitted(RaftId(1)), "the founding one, by definition");
    world.index = 40;
    assert_eq!(world.run(admit(2, 2)), Reply::StorageAdmitted(RaftId(41)));
    assert_eq!(world.run(admit(2, 2)), Reply::StorageAdmitted(RaftId(41)), "again, the same");
    assert_eq!(world.run(admit(2, 3)), Reply::StorageAdmitted(RaftId(43)), "an emptied directory is a new one");
    assert_eq!(world.refused(admit(3, 2)), Refusal::StorageIsTaken);
}

#[test]
fn one_entry_gives_one_storage_its_id() {
    let mut world = World::new();
    world.run(found());
    let replies = world.apply(&[admit(2, 2), admit(3, 3), admit(2, 2)]).replies;
    let id = RaftId(world.index);
    let expected =
        [Reply::StorageAdmitted(id), Reply::Refused(Refusal::EntryAdmittedAnother), Reply::StorageAdmitted(id)];
    assert_eq!(replies, expected);
    assert_eq!(world.run(admit(3, 3)), Reply::StorageAdmitted(RaftId(world.index)));
}

#[test]
fn no_index_repeats_the_founding_id() {
    let mut world = World::new();
    world.index = 0;
    assert_eq!(world.refused(admit(2, 2)), Refusal::EntryAdmittedAnother);
}

#[test]
fn a_storage_that_was_admitted_cannot_found() {
    let mut world = World::new();
    world.run(admit(1, 1));
    assert_eq!(world.refused(found()), Refusal::StorageIsTaken);
}

#[test]
fn one_storage_too_many_is_refused() {
    let mut world = World::new();
    for storage in 0..STORAGES_MAX {
        world.apply_bytes(&[codec::encode_command(&admit(1, u128::from(storage)))]);
    }
    assert_eq!(world.refused(admit(1, u128::from(STORAGES_MAX))), Refusal::StoragesAreExhausted);
    assert!(matches!(world.run(admit(1, 3)), Reply::StorageAdmitted(_)), "those inside are known");
}

#[test]
fn a_chain_that_differs_is_signalled() {
    let mut world = World::new();
    world.index = HASH_KEPT_EVERY;
    world.submit(plain());
    let (index, hash) = world.ledger.meta().kept_link;
    assert_eq!(index, HASH_KEPT_EVERY + 1);
    world.submit(plain());
    assert_eq!(world.ledger.meta().kept_link, (index, hash), "kept until the next one");
    let agrees = world.apply(&[Command::AssertHash { index, hash }]);
    assert_eq!((agrees.replies.as_slice(), agrees.signals.divergence), ([Reply::HashAgrees].as_slice(), None));
    let other = ChainHash([9; 32]);
    let differs = world.apply(&[Command::AssertHash { index, hash: other }]);
    assert_eq!(differs.replies, [Reply::HashDiffers { actual: hash }]);
    assert_eq!(differs.signals.divergence, Some(Divergence { index, expected: other, actual: hash }));
    let forgotten = world.apply(&[Command::AssertHash { index: index - 1, hash: other }]);
    assert_eq!((forgotten.replies.as_slice(), forgotten.signals.divergence), ([Reply::HashAgrees].as_slice(), None));
}

#[test]
fn equal_entries_give_an_equal_chain() {
    let mut worlds = [World::new(), World::new()];
    for world in &mut worlds {
        world.submit(plain());
    }
    assert_eq!(worlds[0].ledger.meta().chain, worlds[1].ledger.meta().chain, "I13");
    let [one, other] = &mut worlds;
    one.submit(plain());
    other.pass(1);
    other.submit(plain());
    assert_ne!(one.ledger.meta().chain, other.ledger.meta().chain);
}

#[test]
fn a_content_hash_is_asked_for() {
    let mut world = World::new();
    let applied = world.apply(&[Command::MarkContentHash]);
    assert_eq!(applied.replies, [Reply::ContentHashMarked { index: world.index }]);
    assert!(applied.signals.content_hash_wanted);
}
