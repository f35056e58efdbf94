//! The key bytes of every table.

use quorla_ledger::{
    ids::{Fence, JobId, NodeId, StorageId},
    tables::{self, CLUSTER, META, Table},
    units::Millis,
};

use super::{Golden, commands::job};

/// Adding a table breaks this match: give it a key below and a line in the file.
fn name(table: Table) -> &'static str {
    match table {
        Table::Meta => "Meta",
        Table::Cluster => "Cluster",
        Table::Nodes => "Nodes",
        Table::Storages => "Storages",
        Table::Live => "Live",
        Table::Ended => "Ended",
        Table::EndedAt => "EndedAt",
        Table::Specs => "Specs",
        Table::Tails => "Tails",
        Table::Requests => "Requests",
        Table::Keys => "Keys",
        Table::Events => "Events",
    }
}

#[test]
fn keys_keep_their_bytes() {
    let mut golden = Golden::read("keys_v1.hex", include_str!("keys_v1.hex"));
    for (table, key) in [
        (Table::Meta, META.to_vec()),
        (Table::Cluster, CLUSTER.to_vec()),
        (Table::Nodes, tables::node(NodeId(0x0102_0304))),
        (Table::Storages, tables::storage(StorageId(5))),
        (Table::Live, tables::live(job())),
        (Table::Ended, tables::ended(job())),
        (Table::EndedAt, tables::ended_at(Millis(0x0102), job())),
        (Table::Specs, tables::spec(job())),
        (Table::Tails, tables::tails(job(), Fence::new(1, 2))),
        (Table::Requests, tables::request(job())),
        (Table::Keys, tables::idempotency_key(&[6; 16])),
        (Table::Events, tables::event_page(0x0102)),
    ] {
        assert!(key.starts_with(&table.prefix()));
        assert!(table.prefix() < [0xf0], "tags from 0xf0 on belong to the storage");
        golden.check_bytes(name(table), &key);
    }
    golden.finish();
}

#[test]
fn keys_say_what_they_are_of() {
    assert_eq!(tables::job_of_ended_at(&tables::ended_at(Millis(9), job())), Some((Millis(9), job())));
    assert_eq!(tables::job_of_spec(&tables::spec(job())), Some(job()));
    assert_eq!(tables::request_of(&tables::request(job())), Some(job()));
    for foreign in [tables::live(job()), Vec::new()] {
        assert_eq!(tables::job_of_ended_at(&foreign), None);
        assert_eq!(tables::job_of_spec(&foreign), None);
        assert_eq!(tables::request_of(&foreign), None);
    }
}

#[test]
fn an_ids_text_begins_with_its_random_part() {
    let text = job().to_string();
    assert_eq!(text, "04hmasw9nf6yy093-01hf7yat00");
    assert_eq!(text.split_once('-').map(|(random, time)| (random.len(), time.len())), Some((16, 10)));
    assert_eq!(JobId::new(job().born_at(), job().random()), job());
}
