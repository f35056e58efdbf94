//! Random histories: the ledger against the naive model, replicas against each other, batches against single commands.

mod history;
mod operators;
mod uploads;

use proptest::{
    collection::vec,
    prelude::{ProptestConfig, proptest},
};
use quorla_ledger::{
    array::{ArrayRecord, kept},
    codec,
    command::Command,
    ids::JobId,
    memory::MemoryTables,
    record::{JobRecord, JobState, MetaRecord},
    reply::Reply,
    tables::Table,
    units::Bytes,
};

use self::history::{History, Op, op};
use crate::{
    model::{Model, Seen, Sight},
    world::World,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_history_is_as_the_model_says(ops in vec(op(), 1..120)) {
        let told = tell(&ops);
        let mut replica = World::new();
        for (time, command) in &told.commands {
            replica.now = *time;
            replica.apply_bytes(&[codec::encode_command(command)]);
        }
        assert_eq!(replica.ledger, told.world.ledger, "I13: the same entries, the same state and chain");
        assert_eq!(replica.tables, told.world.tables, "I13: and the same records");
    }

    #[test]
    fn batching_changes_nothing_but_the_chain(ops in vec(op(), 1..120), size in 2_usize..20) {
        let ops: Vec<Op> = ops.into_iter().filter(|op| !matches!(op, Op::ExpireEvents(_))).collect();
        let told = tell(&ops);
        let mut batched = World::new();
        let mut replies = Vec::new();
        let same_time = told.commands.chunk_by(|(one, _), (other, _)| one == other);
        for batch in same_time.flat_map(|commands| commands.chunks(size)) {
            batched.now = batch[0].0;
            let commands: Vec<Command> = batch.iter().map(|(_, command)| command.clone()).collect();
            replies.extend(batched.apply(&commands).replies);
        }
        assert_eq!(replies, told.replies);
        assert_eq!(batched.events(), told.world.events());
        assert_eq!(content(&batched), content(&told.world));
        assert_eq!(counters(&batched), counters(&told.world));
    }
}

/// A history with all that it led to.
struct Told {
    world: World,
    commands: Vec<(u64, Command)>,
    replies: Vec<Reply>,
    seen: Sight,
}

fn tell(ops: &[Op]) -> Told {
    let mut told = Told { world: World::new(), commands: Vec::new(), replies: Vec::new(), seen: Sight::new() };
    let (mut model, mut history) = (Model::default(), History::default());
    for op in ops {
        for command in history.commands(op, &mut told.world) {
            told.follow(&mut model, command);
        }
        if matches!(op, Op::Plan(_)) && told.world.ledger.plan(9).is_empty() {
            model.check_all_placed();
        }
    }
    told
}

impl Told {
    fn follow(&mut self, model: &mut Model, command: Command) {
        let applied = self.world.apply(std::slice::from_ref(&command));
        let reply = applied.replies.into_iter().next().unwrap();
        let after = sight(&self.world);
        let before = std::mem::take(&mut self.seen);
        if let Reply::Refused(_) = reply {
            assert_eq!(before, after, "a refusal changes nothing");
        }
        for (job, seen) in &before {
            assert!(is_live(seen) || after.get(job).is_none_or(|now| now == seen), "I3, I6: an end is final");
        }
        for (job, seen) in &after {
            if seen.state == ARRAY {
                continue;
            }
            let waits = self.world.ledger.why_waiting(JobId(*job), &self.world.tables);
            assert_eq!(waits.is_some(), is_live(seen), "I16: {waits:?}");
        }
        model.step(self.world.now, &command, &reply, &after);
        self.seen = after;
        self.commands.push((self.world.now, command));
        self.replies.push(reply);
    }
}

/// The state under which an array itself is seen, beside its tasks.
const ARRAY: &str = "array";

fn is_live(seen: &Seen) -> bool {
    !matches!(seen.state, "succeeded" | "failed" | "cancelled" | "deadline")
}

/// What the stored records show of every job, in plain values.
fn sight(world: &World) -> Sight {
    let tables = [Table::Live, Table::Ended].into_iter();
    let records = tables.flat_map(|table| world.all::<JobRecord>(table));
    let read = |key: &[u8]| quorla_ledger::Records::read(&world.tables, key);
    let mut arrays = world.all::<ArrayRecord>(Table::Arrays);
    // One that is being removed is gone to whoever looks.
    arrays.retain(|array| kept(&read, array.id).is_some());
    let tasks = arrays.iter().flat_map(|array| (array.first..=array.last).map(|index| array.id.task(index)));
    let records = records.chain(tasks.filter_map(|task| world.task(task)));
    let seen = records.map(|record| {
        let (state, until) = match &record.state {
            JobState::Delayed { until } => ("delayed", Some(until.0)),
            JobState::Queued { .. } => ("queued", None),
            JobState::Running(_) => ("running", None),
            JobState::Stopping { .. } => ("stopping", None),
            JobState::BackingOff { until } => ("backing off", Some(until.0)),
            JobState::Succeeded { .. } => ("succeeded", None),
            JobState::Failed { .. } => ("failed", None),
            JobState::Cancelled { .. } => ("cancelled", None),
            JobState::DeadlineExceeded { .. } => ("deadline", None),
        };
        let place = record.state.placed().map(|placed| (placed.node.0, placed.fence.0));
        (record.id.0, Seen { state, until, place, reserved: record.reserved.map(|node| node.0) })
    });
    let of_array = |array: &ArrayRecord| {
        let reserved = world.array(array.id).progress.reserved.map(|node| node.0);
        (array.id.0, Seen { state: ARRAY, until: None, place: None, reserved })
    };
    let seen_arrays: Vec<_> = arrays.iter().map(of_array).collect();
    seen.chain(seen_arrays).collect()
}

/// All records but those whose shape follows the batches: pages of events, and the counters.
fn content(world: &World) -> MemoryTables {
    let mut content = world.content();
    let pages = world.pages().into_iter().map(|page| (quorla_ledger::tables::event_page(page.first), None));
    content.absorb(pages.collect());
    content
}

fn counters(world: &World) -> MetaRecord {
    MetaRecord { event_bytes: Bytes(0), ..world.counters() }
}
