//! What arrays that have not ended may keep of their tasks' output, each and all together.

use quorla_ledger::{
    Ledger,
    array::ArrayProgress,
    codec,
    command::{Command, EndAttempt},
    ids::JobId,
    limits::{ARRAY_OUTPUT_BYTES_MAX, ATTEMPTS_KEPT_MAX, LIVE_ARRAY_OUTPUT_BYTES_MAX, LIVE_TASKS_MAX, Limit},
    outcome::{Exit, Tail, Tails},
    record::Stored,
    reply::Refusal,
    tables::{self, Table},
    units::Bytes,
};

use crate::{
    build::{ended, plain, retried},
    world::World,
};

const PRINTED: usize = 100;

impl World {
    /// An array as it is once its tasks have printed so much.
    fn having_printed(&mut self, array: JobId, bytes: u64) {
        let mut progress: ArrayProgress = self.array(array).progress;
        progress.tail_bytes = Bytes(bytes);
        self.tables.absorb(vec![(tables::live_array(array), Some(codec::encode(&Stored::V1(progress))))]);
        self.ledger = Ledger::rebuild(&self.tables).unwrap();
    }

    /// Ends the running attempt of a task that printed, and gives what is kept of that.
    fn print(&mut self, task: JobId, exit: Exit) -> Tail {
        let fence = self.task(task).unwrap().state.placed().expect("it runs").fence;
        let stdout = Tail { bytes: vec![b'x'; PRINTED], dropped: Bytes(1) };
        let tails = Tails { stdout, stderr: Tail::default() };
        self.run(Command::EndAttempt(EndAttempt { job: task, fence, end: ended(exit), tails, refill: true }));
        let bytes = quorla_ledger::Records::read(&self.tables, &tables::tails(task, fence)).expect("at least a size");
        let Stored::V1(Tails { stdout, .. }) = codec::decode(&bytes).unwrap();
        stdout
    }

    fn tail_bytes_stored(&self) -> u64 {
        let mut bytes = 0;
        quorla_ledger::Tables::scan(&self.tables, &Table::Tails.prefix(), &mut |_, value| bytes += value.len() as u64);
        bytes
    }
}

fn only_the_size() -> Tail {
    Tail { bytes: Vec::new(), dropped: Bytes(1 + PRINTED as u64) }
}

#[test]
fn output_beyond_an_arrays_budget_is_only_a_size() {
    let (mut world, ..) = World::with_node(2);
    let array = world.submit_array(plain(), 3);
    world.plan_all();
    assert_eq!(world.print(array.task(0), Exit::Code(0)).bytes.len(), PRINTED);
    world.having_printed(array, ARRAY_OUTPUT_BYTES_MAX - 99);
    assert_eq!(world.print(array.task(1), Exit::Code(0)), only_the_size());
}

#[test]
fn output_beyond_the_budget_of_all_arrays_is_only_a_size() {
    let (mut world, ..) = World::with_node(4);
    let chatty = world.submit_array(plain(), 2);
    let quiet = world.submit_array(plain(), 3);
    world.plan_all();
    world.having_printed(chatty, LIVE_ARRAY_OUTPUT_BYTES_MAX - 99);
    assert_eq!(world.print(quiet.task(0), Exit::Code(0)), only_the_size(), "the others took it all");
    for index in 0..2 {
        world.print(chatty.task(index), Exit::Code(0));
    }
    assert_eq!(world.print(quiet.task(1), Exit::Code(0)).bytes.len(), PRINTED, "an array that ended counts no more");
}

#[test]
fn an_attempt_that_is_forgotten_gives_its_output_back() {
    let (mut world, ..) = World::with_node(1);
    let tries = u32::try_from(ATTEMPTS_KEPT_MAX).unwrap() + 2;
    let array = world.submit_array(retried(tries, 0), 1);
    for _ in 1..tries {
        world.plan_all();
        world.print(array.task(0), Exit::Code(1));
    }
    assert_eq!(world.array(array).progress.tail_bytes.0, world.tail_bytes_stored());
    world.plan_all();
    assert_eq!(world.array(array).progress.tail_bytes.0, world.tail_bytes_stored(), "another attempt is forgotten");
}

#[test]
fn the_tasks_of_live_arrays_are_bounded_together() {
    let mut world = World::new();
    let each = u32::try_from(Limit::Tasks.max()).unwrap();
    let arrays: Vec<JobId> = (0..LIVE_TASKS_MAX / u64::from(each)).map(|_| world.submit_array(plain(), each)).collect();
    let one_more = Command::SubmitArray(world.submission_of_array(plain(), 1));
    assert_eq!(world.refused(one_more.clone()), Refusal::ArraysAreExhausted);
    world.cancel(arrays[0]);
    assert!(matches!(world.run(one_more), quorla_ledger::reply::Reply::Submitted { .. }), "there is room again");
}
