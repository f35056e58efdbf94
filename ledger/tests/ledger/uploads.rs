//! Items that come in pieces, become an array's, and go with it.

use quorla_ledger::{
    array::item,
    command::{Command, PutItems, SubmitArray, Tasks},
    ids::{JobId, Principal},
    limits::{ITEMS_PER_BLOCK, Limit, UPLOAD_IDLE_MAX, UPLOADS_MAX, UPLOADS_OF_ONE_MAX},
    outcome::Exit,
    reply::{Refusal, Reply},
    spec::check::SpecFault,
    tables::Table,
    units::{Bytes, Millis},
};

use crate::{
    build::{ALICE, BOB, plain, spec},
    world::World,
};

fn named(from: u32, count: u32) -> Vec<String> {
    (from..from + count).map(|number| format!("item {number}")).collect()
}

impl World {
    fn upload_id(&mut self) -> JobId {
        let id = self.request().id;
        JobId::array(id.born_at(), id.random() << 20)
    }

    fn put(&mut self, upload: JobId, first: u32, items: Vec<String>) -> Reply {
        self.run(Command::PutItems(PutItems { principal: ALICE, upload, first, items }))
    }

    fn uploaded(&mut self, upload: JobId, items: Vec<String>) -> Tasks {
        match self.put(upload, 0, items) {
            Reply::ItemsPut { items: count, digest } => Tasks::Items { count, digest },
            other => panic!("{other:?}"),
        }
    }

    fn array_of(&mut self, upload: JobId, tasks: Tasks) -> SubmitArray {
        let mut submit = self.submission_of_array(plain(), 1);
        (submit.request.id, submit.tasks) = (upload, tasks);
        submit
    }

    fn item(&self, array: JobId, index: u32) -> Option<String> {
        let read = |key: &[u8]| quorla_ledger::Records::read(&self.tables, key);
        item(&read, &self.array(array).record, index)
    }
}

#[test]
fn pieces_become_one_array() {
    let (mut world, ..) = World::with_node(1);
    let upload = world.upload_id();
    let block = ITEMS_PER_BLOCK;
    let first = world.put(upload, 0, named(0, 2 * block));
    assert_eq!(world.put(upload, 0, named(0, 2 * block)), first, "R10: the same piece again");
    assert_eq!(world.refused_put(upload, 0, named(7, 1)), Refusal::UploadIsAt { items: 2 * block });
    assert_eq!(world.refused_put(upload, 3 * block, named(0, 1)), Refusal::UploadIsAt { items: 2 * block });
    let Reply::ItemsPut { items, digest } = world.put(upload, 2 * block, named(2 * block, 3)) else {
        panic!("refused")
    };
    assert_eq!(items, 2 * block + 3);
    let short = world.array_of(upload, Tasks::Items { count: items - 1, digest });
    assert_eq!(world.refused(Command::SubmitArray(short)), Refusal::UploadIsAt { items });
    let submit = world.array_of(upload, Tasks::Items { count: items, digest });
    let array = world.accept_array(submit.clone());
    assert_eq!(world.accept_array(submit), array, "R10: the same submission again");
    assert_eq!(world.count(Table::Uploads), 0);
    for index in [0, block, 2 * block + 2] {
        assert_eq!(world.item(array, index), Some(format!("item {index}")));
    }
    assert_eq!(world.item(array, 2 * block + 3), None);
    assert_eq!(world.refused_put(upload, 0, named(0, 1)), Refusal::KeyConflicts { first: upload });
}

impl World {
    fn refused_put(&mut self, upload: JobId, first: u32, items: Vec<String>) -> Refusal {
        self.refused(Command::PutItems(PutItems { principal: ALICE, upload, first, items }))
    }
}

#[test]
fn an_upload_is_its_owners() {
    let mut world = World::new();
    let upload = world.upload_id();
    let tasks = world.uploaded(upload, named(0, 1));
    let put = PutItems { principal: BOB, upload, first: 0, items: named(0, 1) };
    assert_eq!(world.refused(Command::PutItems(put)), Refusal::KeyConflicts { first: upload });
    let mut submit = world.array_of(upload, tasks);
    submit.request.principal = BOB;
    assert_eq!(world.refused(Command::SubmitArray(submit)), Refusal::KeyConflicts { first: upload });
}

#[test]
fn an_upload_that_nobody_goes_on_with_is_removed() {
    let mut world = World::new();
    let before = (world.content(), world.ledger.meta().live_bytes);
    let upload = world.upload_id();
    for piece in 0..40 {
        let first = piece * 32 * ITEMS_PER_BLOCK;
        world.put(upload, first, named(first, 32 * ITEMS_PER_BLOCK));
    }
    assert_eq!(world.refused(Command::ExpireUpload { upload }), Refusal::ExpiryIsStale);
    world.pass(UPLOAD_IDLE_MAX.0 + 1);
    assert_eq!(world.ledger.upload_to_expire(Millis(world.now)), Some(upload));
    world.run(Command::ExpireUpload { upload });
    let refused = world.refused_put(upload, 380 * ITEMS_PER_BLOCK, named(0, 1));
    assert_eq!(refused, Refusal::UploadIsAt { items: 380 * ITEMS_PER_BLOCK }, "it is going");
    world.run(Command::ExpireUpload { upload });
    assert_eq!(world.ledger.upload_to_expire(Millis(world.now)), None);
    assert_eq!((world.content(), world.ledger.meta().live_bytes), before, "nothing is left");
}

#[test]
fn uploads_are_bounded() {
    let mut world = World::new();
    for number in 0..UPLOADS_MAX {
        let upload = world.upload_id();
        let principal = Principal([u8::try_from(number / UPLOADS_OF_ONE_MAX).unwrap(); 32]);
        let put = PutItems { principal, upload, first: 0, items: named(0, 1) };
        assert!(matches!(world.run(Command::PutItems(put)), Reply::ItemsPut { .. }));
    }
    let upload = world.upload_id();
    assert_eq!(world.refused_put(upload, 0, named(0, 1)), Refusal::UploadsAreExhausted);
    let long = vec!["x".repeat(4_097)];
    let fault = SpecFault::TooMuch { limit: Limit::ItemBytes, actual: 4_097 };
    assert_eq!(world.refused_put(upload, 0, long), Refusal::SpecIsInvalid(fault));
    assert_eq!(world.refused_put(upload, 1, named(0, 1)), Refusal::SpecIsInvalid(SpecFault::TasksAreEmpty));
    let nul = vec!["a\0b".to_owned()];
    assert_eq!(world.refused_put(upload, 0, nul), Refusal::SpecIsInvalid(SpecFault::HasNul));
}

#[test]
fn one_client_leaves_room_for_the_uploads_of_others() {
    let mut world = World::new();
    for _ in 0..UPLOADS_OF_ONE_MAX {
        let upload = world.upload_id();
        world.put(upload, 0, named(0, 1));
    }
    let upload = world.upload_id();
    assert_eq!(world.refused_put(upload, 0, named(0, 1)), Refusal::UploadsAreExhausted);
    let put = PutItems { principal: BOB, upload, first: 0, items: named(0, 1) };
    assert!(matches!(world.run(Command::PutItems(put)), Reply::ItemsPut { .. }));
}

#[test]
fn the_items_of_a_submission_that_is_only_answered_again_are_removed_at_once() {
    let (mut world, ..) = World::with_node(1);
    let submit = |world: &mut World| {
        let upload = world.upload_id();
        let tasks = world.uploaded(upload, named(0, 1));
        let mut submit = world.array_of(upload, tasks);
        submit.request.key = Some("once".into());
        Command::SubmitArray(submit)
    };
    let first = submit(&mut world);
    let answer = world.run(first.clone());
    assert!(matches!(answer, Reply::Submitted { .. }));
    let bytes = world.ledger.meta().live_bytes;
    let again = submit(&mut world);
    assert_eq!(world.run(again), answer, "the same key names the same array");
    let upload = world.ledger.upload_to_expire(Millis(world.now)).expect("nobody needs it");
    world.run(Command::ExpireUpload { upload });
    assert_eq!((world.count(Table::Uploads), world.ledger.meta().live_bytes), (0, bytes));
    assert_eq!(world.run(first), answer, "without an upload there is nothing to give up");
}

#[test]
fn items_must_fit_the_command_that_they_become_part_of() {
    let mut world = World::new();
    let upload = world.upload_id();
    let tasks = world.uploaded(upload, vec!["x".repeat(4_096)]);
    let mut submit = world.array_of(upload, tasks);
    submit.spec = spec(|spec| spec.command = vec!["echo".into(), "{}".repeat(65)]);
    let refused = world.refused(Command::SubmitArray(submit));
    assert!(matches!(refused, Refusal::SpecIsInvalid(SpecFault::TooMuch { limit: Limit::ArgumentBytes, .. })));
}

#[test]
fn an_ended_array_is_removed_in_pieces_and_wholly() {
    let (mut world, ..) = World::with_node(3);
    let anchor = world.submit_array(plain(), 1);
    world.plan_all();
    world.expire(anchor, true);
    let before = world.content_apart_from_history();
    let upload = world.upload_id();
    let tasks = world.uploaded(upload, named(0, 2_000));
    let submit = world.array_of(upload, tasks);
    let array = world.accept_array(submit);
    world.finish(array, 1_950);
    assert_eq!(world.count(Table::ArrayEndedAt), 1, "retention sees it");
    let retry = world.retry_of(array);
    assert_eq!(world.count(Table::ArrayEndedAt), 0, "while its items are read, it stands in nobody's way");
    world.finish(retry, 2_000);
    assert_eq!(world.count(Table::ArrayEndedAt), 1, "only the retry is to be seen");
    assert_eq!(world.refused(Command::ExpireArray { array }), Refusal::ExpiryIsStale, "its items are read");
    world.expire(retry, false);
    assert_eq!(world.count(Table::ArrayEndedAt), 1, "once the last reader has gone, it is seen again");
    world.expire(array, false);
    assert_eq!(world.content_apart_from_history(), before, "nothing is left");
    let meta = world.ledger.meta();
    assert_eq!((meta.ended_arrays, meta.ended_tasks, meta.ended_array_bytes), (0, 0, Bytes(0)));
}

impl World {
    /// Runs an array's tasks to their end; those from this index on fail. Each writes something.
    fn finish(&mut self, array: JobId, failing_from: u32) {
        self.plan_all();
        loop {
            let held: Vec<_> = self.ledger.nodes().flat_map(|node| node.held().clone()).collect();
            let ends: Vec<Command> = held
                .into_iter()
                .map(|(fence, job)| {
                    let (_, index) = job.of_task().unwrap();
                    let end = crate::build::ended(Exit::Code(u8::from(index >= failing_from)));
                    let mut tails = quorla_ledger::outcome::Tails::default();
                    tails.stdout.bytes = vec![b'x'; 3];
                    Command::EndAttempt(quorla_ledger::command::EndAttempt { job, fence, end, tails, refill: true })
                })
                .collect();
            if ends.is_empty() {
                break;
            }
            self.apply(&ends);
        }
        assert!(self.ledger.array(array).is_none(), "it has ended");
    }

    fn retry_of(&mut self, of: JobId) -> JobId {
        let id = self.upload_id();
        let mut request = self.request();
        request.id = id;
        assert_eq!(self.run(Command::Retry { request, job: of, seed: 1 }), Reply::Submitted { job: id });
        id
    }

    fn expire(&mut self, array: JobId, finish: bool) {
        if finish {
            self.finish(array, 1);
        }
        while quorla_ledger::Records::read(&self.tables, &quorla_ledger::tables::ended_array(array)).is_some() {
            assert!(matches!(self.run(Command::ExpireArray { array }), Reply::Expired { .. }));
        }
    }

    /// What is stored of arrays and jobs.
    fn content_apart_from_history(&self) -> Vec<Vec<u8>> {
        let history = [Table::Events, Table::Requests, Table::Meta];
        let mut keys = Vec::new();
        quorla_ledger::Tables::scan(&self.tables, &[], &mut |key, _| {
            if !history.iter().any(|table| key.starts_with(&table.prefix())) {
                keys.push(key.to_vec());
            }
        });
        keys
    }
}
