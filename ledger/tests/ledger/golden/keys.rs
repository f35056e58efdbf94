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
        Table::Arrays => "Arrays",
        Table::LiveArrays => "LiveArrays",
        Table::EndedArrays => "EndedArrays",
        Table::ArrayEndedAt => "ArrayEndedAt",
        Table::LiveTasks => "LiveTasks",
        Table::EndedTasks => "EndedTasks",
        Table::Holes => "Holes",
        Table::Unsucceeded => "Unsucceeded",
        Table::Items => "Items",
        Table::Uploads => "Uploads",
        Table::Queues => "Queues",
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
        (Table::Arrays, tables::array(array())),
        (Table::LiveArrays, tables::live_array(array())),
        (Table::EndedArrays, tables::ended_array(array())),
        (Table::ArrayEndedAt, tables::array_ended_at(Millis(0x0102), array())),
        (Table::LiveTasks, tables::live_task(array().task(9))),
        (Table::EndedTasks, tables::ended_task(array().task(9))),
        (Table::Holes, tables::holes(array(), 0x0102)),
        (Table::Unsucceeded, tables::unsucceeded(array(), 0x0102)),
        (Table::Items, tables::items(array(), 0x0102)),
        (Table::Uploads, tables::upload(array())),
        (Table::Queues, tables::queue("batch")),
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
    assert_eq!(tables::array_of_ended_at(&tables::array_ended_at(Millis(9), array())), Some((Millis(9), array())));
    assert_eq!(tables::task_of_live(&tables::live_task(array().task(9))), Some(array().task(9)));
    for foreign in [tables::live(job()), Vec::new()] {
        assert_eq!(tables::array_of_ended_at(&foreign), None);
        assert_eq!(tables::task_of_live(&foreign), None);
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

fn array() -> JobId {
    JobId::array(job().born_at(), job().random())
}

#[test]
fn a_tasks_id_is_its_arrays_and_its_index() {
    let task = array().task(17);
    assert_eq!(task.to_string(), format!("{}/17", array()));
    assert_eq!(task.of_task(), Some((array(), 17)));
    assert!(array().is_array() && !task.is_array() && !task.is_plain());
    assert_eq!((array().of_task(), job().of_task()), (None, None));
    assert!(job().is_plain() && JobId::new(Millis(1), u128::MAX).is_plain());
}
