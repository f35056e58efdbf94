//! Random operations, and the commands that they come to in a given world: mostly sensible, often late, repeated or stale.

use proptest::{
    prelude::{Just, Strategy, any},
    prop_oneof,
};
use quorla_ledger::{
    command::{Assign, Command, EndAttempt, PutItems, Tasks},
    ids::{Epoch, Fence, JobId, NodeId},
    limits::DEDUP_WINDOW,
    outcome::{Exit, Tail, Tails},
    spec::{Backoff, JobSpec, LabelTest},
    tables::Table,
    units::{Bytes, MilliCpu, Millis},
};

use super::operators;
use crate::{
    build::{ALICE, BOB, bound_to, ended, labels, plain, registration, slots},
    world::World,
};

/// One thing that happens to a cluster; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Submit {
        shape: u8,
        priority: u8,
        key: Option<u8>,
        bob: bool,
        age_ms: u16,
    },
    SubmitArray {
        shape: u8,
        priority: u8,
        tasks: u8,
        cap: u8,
    },
    /// An earlier request once more: as it was, with another seed, specification, id or key.
    Repeat {
        which: u8,
        change: u8,
    },
    Retry(u8),
    Cancel(u8),
    End {
        which: u8,
        stale: bool,
        exit: u8,
        refill: bool,
        output: u8,
    },
    Register {
        n: u8,
        again: bool,
        width: u8,
    },
    Lapse {
        n: u8,
        stale: bool,
    },
    Drain {
        n: u8,
        draining: bool,
        /// Milliseconds, where it is even.
        deadline: u8,
        leaves: bool,
    },
    PauseJob {
        which: u8,
        paused: bool,
    },
    PauseQueue {
        which: u8,
        paused: bool,
    },
    Guard {
        n: u8,
        stale: bool,
        level: u8,
    },
    StopDrained(u8),
    Label {
        n: u8,
        label: u8,
        value: u8,
    },
    Remove(u8),
    Assign {
        job: u8,
        n: u8,
    },
    Plan(u8),
    Fire {
        max: u8,
        ahead: bool,
    },
    Pass(i16),
    PassWindow,
    ExpireJobs(u8),
    ExpireRequests(u8),
    ExpireEvents(u8),
    /// Items for a new upload, or once more for an earlier one: the same, others, or those that follow.
    Put {
        which: u8,
        change: u8,
        items: u8,
    },
    /// An array of an upload's items, or of one more than there are.
    SubmitItems {
        which: u8,
        shape: u8,
        key: Option<u8>,
        wrong: bool,
    },
    PassIdle,
    ExpireUpload(u8),
    ExpireArray(u8),
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let submit = (any::<u8>(), 0_u8..102, proptest::option::weighted(0.3, 0_u8..4), any::<bool>(), 0_u16..20)
        .prop_map(|(shape, priority, key, bob, age_ms)| Op::Submit { shape, priority, key, bob, age_ms });
    let array = (any::<u8>(), 0_u8..100, 1_u8..6, 0_u8..4).prop_map(|(shape, priority, tasks, cap)| Op::SubmitArray {
        shape,
        priority,
        tasks,
        cap,
    });
    let end = (any::<u8>(), proptest::bool::weighted(0.15), any::<u8>(), any::<bool>(), 0_u8..20)
        .prop_map(|(which, stale, exit, refill, output)| Op::End { which, stale, exit, refill, output });
    let register = (0_u8..4, proptest::bool::weighted(0.3), 1_u8..6).prop_map(|(n, again, width)| Op::Register {
        n,
        again,
        width,
    });
    let drain = (0_u8..5, any::<bool>(), 0_u8..100, proptest::bool::weighted(0.3))
        .prop_map(|(n, draining, deadline, leaves)| Op::Drain { n, draining, deadline, leaves });
    prop_oneof![
        12 => submit,
        3 => array,
        3 => (any::<u8>(), 0_u8..6).prop_map(|(which, change)| Op::Repeat { which, change }),
        1 => any::<u8>().prop_map(Op::Retry),
        3 => any::<u8>().prop_map(Op::Cancel),
        12 => end,
        4 => register,
        1 => (0_u8..4, proptest::bool::weighted(0.3)).prop_map(|(n, stale)| Op::Lapse { n, stale }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, paused)| Op::PauseJob { which, paused }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, paused)| Op::PauseQueue { which, paused }),
        2 => (0_u8..5, proptest::bool::weighted(0.2), 0_u8..3).prop_map(|(n, stale, level)| Op::Guard { n, stale, level }),
        2 => drain,
        2 => (0_u8..5).prop_map(Op::StopDrained),
        2 => (0_u8..5, 0_u8..3, 0_u8..4).prop_map(|(n, label, value)| Op::Label { n, label, value }),
        1 => (0_u8..5).prop_map(Op::Remove),
        2 => (any::<u8>(), 0_u8..5).prop_map(|(job, n)| Op::Assign { job, n }),
        5 => (1_u8..9).prop_map(Op::Plan),
        4 => (0_u8..5, any::<bool>()).prop_map(|(max, ahead)| Op::Fire { max, ahead }),
        4 => (-40_i16..120).prop_map(Op::Pass),
        1 => Just(Op::PassWindow),
        1 => any::<u8>().prop_map(Op::ExpireJobs),
        1 => any::<u8>().prop_map(Op::ExpireRequests),
        1 => any::<u8>().prop_map(Op::ExpireEvents),
        3 => (any::<u8>(), 0_u8..6, 1_u8..5).prop_map(|(which, change, items)| Op::Put { which, change, items }),
        3 => (any::<u8>(), any::<u8>(), proptest::option::weighted(0.5, 0_u8..2), proptest::bool::weighted(0.2))
            .prop_map(|(which, shape, key, wrong)| Op::SubmitItems { which, shape, key, wrong }),
        1 => Just(Op::PassIdle),
        1 => any::<u8>().prop_map(Op::ExpireUpload),
        4 => any::<u8>().prop_map(Op::ExpireArray),
    ]
}

/// The queues that jobs are spread over.
const QUEUES: [&str; 3] = ["default", "batch", "batch-2"];

/// What was asked so far, to be repeated or referred to.
#[derive(Default)]
pub(crate) struct History {
    asked: Vec<Command>,
    jobs: Vec<JobId>,
    ends: Vec<(JobId, Fence)>,
    boots: u128,
    pub(super) puts: Vec<PutItems>,
    pub(super) arrays: Vec<JobId>,
}

impl History {
    pub(crate) fn commands(&mut self, op: &Op, world: &mut World) -> Vec<Command> {
        match *op {
            Op::Submit { shape, priority, key, bob, age_ms } => {
                let mut submit = world.submission(shaped(shape, world.now));
                submit.spec.priority = priority;
                submit.request.principal = if bob { BOB } else { ALICE };
                submit.request.key = key.map(|key| format!("key {key}"));
                let born = Millis(world.now - u64::from(age_ms));
                submit.request.id = JobId::new(born, submit.request.id.random());
                self.asked(Command::Submit(submit))
            }
            Op::SubmitArray { shape, priority, tasks, cap } => {
                let mut submit = world.submission_of_array(shaped(shape, world.now), tasks.into());
                (submit.spec.priority, submit.running_max) = (priority, (cap > 0).then_some(cap.into()));
                self.asked(Command::SubmitArray(submit))
            }
            Op::Repeat { which, change } => self.repeat(which, change, world),
            Op::Retry(which) => match pick(&self.jobs, which) {
                Some(job) => self.asked(world.retry(job)),
                None => vec![],
            },
            Op::Cancel(which) => self.cancel(which, world),
            Op::Drain { .. } | Op::StopDrained(_) | Op::Label { .. } | Op::Remove(_) => {
                let command = operators::command(op, world);
                self.asked(command)
            }
            Op::PauseJob { which, paused } => self.pause_job(which, paused, world),
            Op::PauseQueue { which, paused } => self.pause_queue(which, paused, world),
            Op::End { which, stale, exit, refill, output } => self.end(world, which, stale, exit, refill, output),
            Op::Register { n, again, width } => vec![self.register(n, again, width)],
            Op::Lapse { n, stale } => {
                let node = NodeId(u32::from(n) + 1);
                let epoch = world.ledger.node(node).map_or(0, |node| node.record().epoch.0);
                vec![Command::LapseNode { node, epoch: Epoch(epoch - u64::from(stale && epoch > 0)) }]
            }
            Op::Guard { n, stale, level } => vec![operators::guard(n, stale, level, world)],
            Op::Assign { job, n } => {
                let node = NodeId(u32::from(n) + 1);
                let epoch = world.ledger.node(node).map_or(Epoch(0), |node| node.record().epoch);
                pick(&self.jobs, job).map(|job| Command::Assign(Assign { job, node, epoch })).into_iter().collect()
            }
            Op::Plan(max) => world.ledger.plan(usize::from(max)).into_iter().map(Command::Assign).collect(),
            Op::Fire { max, ahead } => {
                let upto = Millis(world.now + if ahead { 1_000 } else { 0 });
                vec![Command::FireTimers { upto, max: u32::from(max) }]
            }
            Op::Pass(ms) => {
                world.now = world.now.saturating_add_signed(i64::from(ms));
                vec![]
            }
            Op::PassWindow => {
                world.now += DEDUP_WINDOW.0 + 1;
                vec![]
            }
            Op::ExpireJobs(count) => {
                let jobs = self.jobs.iter().filter(|job| world.find(**job).is_some());
                let ended = jobs.filter(|job| count % 8 == 0 || !world.ledger.is_live(**job));
                vec![Command::ExpireJobs { jobs: ended.take(usize::from(count % 8)).copied().collect() }]
            }
            Op::ExpireRequests(count) => vec![expire_requests(world, count)],
            Op::ExpireEvents(count) => {
                let pages = world.pages().into_iter().take(usize::from(count % 16)).map(|page| page.first);
                vec![Command::ExpireEvents { pages: pages.collect() }]
            }
            _ => self.of_arrays(op, world),
        }
    }

    fn cancel(&mut self, which: u8, world: &mut World) -> Vec<Command> {
        let Some(job) = pick(&self.jobs, which) else { return vec![] };
        let request = world.request();
        self.asked(Command::Cancel { request, job, reason: None })
    }

    fn pause_job(&mut self, which: u8, paused: bool, world: &mut World) -> Vec<Command> {
        let Some(job) = pick(&self.jobs, which) else { return vec![] };
        let request = world.request();
        self.asked(Command::PauseJob { request, job, paused, reason: None })
    }

    fn pause_queue(&mut self, which: u8, paused: bool, world: &mut World) -> Vec<Command> {
        let request = world.request();
        let queue = QUEUES[usize::from(which) % QUEUES.len()].to_owned();
        self.asked(Command::PauseQueue { request, queue, paused, reason: None })
    }

    pub(super) fn asked(&mut self, command: Command) -> Vec<Command> {
        if let Command::Submit(submit) = &command {
            self.jobs.push(submit.request.id);
        }
        if let Command::SubmitArray(submit) = &command {
            let (array, last) = match submit.tasks {
                Tasks::Range { last, .. } => (submit.request.id, last),
                Tasks::Items { count, .. } => (submit.request.id, count - 1),
            };
            self.jobs.push(array);
            self.jobs.extend((0..=last).map(|index| array.task(index)));
            self.arrays.push(array);
        }
        if let Command::Retry { request, .. } = &command {
            self.jobs.push(request.id);
            self.arrays.extend(request.id.is_array().then_some(request.id));
        }
        self.asked.push(command.clone());
        vec![command]
    }

    fn repeat(&mut self, which: u8, change: u8, world: &mut World) -> Vec<Command> {
        let Some(mut command) = pick(&self.asked, which) else { return vec![] };
        let fresh = world.request();
        if let Command::Submit(submit) = &mut command {
            match change {
                1 => submit.seed += 1,
                2 => submit.spec.command.push("more".into()),
                3 => submit.request.id = fresh.id,
                4 => submit.request.key = Some("key 0".into()),
                5 => submit.request.principal = BOB,
                _ => {}
            }
        }
        self.asked(command)
    }

    fn end(&mut self, world: &World, which: u8, stale: bool, exit: u8, refill: bool, output: u8) -> Vec<Command> {
        let held: Vec<(JobId, Fence)> =
            world.ledger.nodes().flat_map(|node| node.held().iter().map(|(fence, job)| (*job, *fence))).collect();
        let target = if stale { pick(&self.ends, which) } else { pick(&held, which) };
        let Some((job, fence)) = target else { return vec![] };
        self.ends.push((job, fence));
        let exit = match exit % 8 {
            0..4 => Exit::Code(0),
            4 | 5 => Exit::Code(1),
            6 => Exit::Signal(9),
            _ => Exit::GivenUp,
        };
        let stdout = Tail { bytes: vec![b'x'; usize::from(output)], dropped: Bytes(0) };
        let tails = Tails { stdout, stderr: Tail::default() };
        vec![Command::EndAttempt(EndAttempt { job, fence, end: ended(exit), tails, refill })]
    }

    fn register(&mut self, n: u8, again: bool, width: u8) -> Command {
        self.boots += u128::from(!again);
        let mut capacity = slots(u32::from(width));
        (capacity.cpu, capacity.memory) = (MilliCpu(3_000), Bytes(3_000));
        // A repetition is the latest registration, or a late copy of one before it.
        let boot = self.boots.saturating_sub(u128::from(again && width == 1));
        let mut registration = registration(n, boot, capacity);
        if n.is_multiple_of(2) {
            registration.labels = labels(&[("zone", "eu")]);
        }
        Command::RegisterNode(registration)
    }
}

fn expire_requests(world: &World, count: u8) -> Command {
    let mut requests = Vec::new();
    quorla_ledger::Tables::scan(&world.tables, &Table::Requests.prefix(), &mut |key, _| {
        requests.extend(quorla_ledger::tables::request_of(key));
    });
    requests.truncate(usize::from(count % 16));
    if count > 240 {
        requests.reverse();
    }
    Command::ExpireRequests { requests }
}

pub(super) fn pick<T: Clone>(from: &[T], which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(which) % from.len()].clone())
}

pub(super) fn shaped(shape: u8, now: u64) -> JobSpec {
    let mut spec = match shape % 7 {
        0 => bound_to("zone", LabelTest::Is("eu".into())),
        1 => bound_to("zone", LabelTest::IsNot("eu".into())),
        _ => plain(),
    };
    spec.queue = QUEUES[usize::from(shape / 7) % QUEUES.len()].to_owned();
    let resources = &mut spec.demand.resources;
    match shape % 5 {
        0 => resources.slots = 3,
        1 => resources.cpu = MilliCpu(1_500),
        2 => resources.memory = Bytes(1_000),
        _ => {}
    }
    let timeout = |bit: u8, span| (shape & bit != 0).then_some(Millis(span));
    (spec.timeouts.queue, spec.timeouts.attempt, spec.timeouts.job) =
        (timeout(8, 90), timeout(16, 60), timeout(32, 150));
    spec.not_before = (shape > 220).then_some(Millis(now + 50));
    spec.retry.attempts_max = u32::from(shape % 3) + 1;
    spec.retry.jitter_percent = if shape & 64 == 0 { 0 } else { 100 };
    spec.retry.backoff = match shape % 4 {
        0 => Backoff::Fixed(Millis(0)),
        1 => Backoff::Fixed(Millis(20)),
        _ => Backoff::Exponential { base: Millis(5), max: Millis(30) },
    };
    spec
}
