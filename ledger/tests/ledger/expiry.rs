//! Retention: bounded pieces, by command, and nothing is left behind (R24).

use quorla_ledger::{
    command::Command,
    ids::JobId,
    limits::{ATTEMPTS_KEPT_MAX, DEDUP_WINDOW, EXPIRED_JOBS_MAX, EXPIRED_RECORDS_MAX},
    outcome::Exit,
    reply::{Refusal, Reply},
    tables::Table,
    units::Bytes,
};

use crate::{
    build::{plain, retried},
    world::World,
};

fn succeeded(world: &mut World) -> JobId {
    let job = world.running(plain());
    let mut report = world.report(job, Exit::Code(0));
    report.tails.stdout.bytes = b"out".to_vec();
    world.run(Command::EndAttempt(report));
    job
}

#[test]
fn an_expired_job_leaves_nothing_behind() {
    let (mut world, ..) = World::with_node(1);
    let jobs = vec![succeeded(&mut world), succeeded(&mut world)];
    assert_eq!(world.ledger.meta().ended_jobs, 2);
    assert!(world.ledger.meta().ended_bytes > Bytes(0));
    assert_eq!(world.run(Command::ExpireJobs { jobs: jobs.clone() }), Reply::Expired { records: 2 });
    for table in [Table::Live, Table::Ended, Table::EndedAt, Table::Specs, Table::Tails] {
        assert_eq!(world.count(table), 0, "{table:?}");
    }
    let meta = world.ledger.meta();
    assert_eq!((meta.ended_jobs, meta.ended_bytes), (0, Bytes(0)));
    assert_eq!(world.refused(Command::ExpireJobs { jobs }), Refusal::ExpiryIsStale, "again");
}

#[test]
fn retention_counts_the_bytes_that_are_stored() {
    let (mut world, ..) = World::with_node(1);
    succeeded(&mut world);
    let mut stored = 0;
    for table in [Table::Ended, Table::Specs, Table::Tails] {
        quorla_ledger::Tables::scan(&world.tables, &table.prefix(), &mut |_, value| stored += value.len() as u64);
    }
    assert_eq!(world.ledger.meta().ended_bytes, Bytes(stored));
}

#[test]
fn only_ended_jobs_expire_each_once() {
    let (mut world, ..) = World::with_node(1);
    let ended = succeeded(&mut world);
    let live = world.running(plain());
    for jobs in [vec![live], vec![ended, live], vec![ended, ended], vec![JobId(1)]] {
        assert_eq!(world.refused(Command::ExpireJobs { jobs }), Refusal::ExpiryIsStale);
    }
}

#[test]
fn an_expiry_larger_than_its_bound_is_refused() {
    let mut world = World::new();
    let ids = |count: usize| (1..=count as u128).map(JobId).collect::<Vec<_>>();
    let pages = (0..=EXPIRED_RECORDS_MAX as u64).collect();
    for command in [
        Command::ExpireJobs { jobs: ids(EXPIRED_JOBS_MAX + 1) },
        Command::ExpireRequests { requests: ids(EXPIRED_RECORDS_MAX + 1) },
        Command::ExpireEvents { pages },
    ] {
        assert_eq!(world.refused(command), Refusal::CommandIsTooLarge);
    }
}

/// The largest expiry of jobs: as many as allowed, each with all the attempts that are kept.
#[test]
fn the_largest_expiry_of_jobs_stays_within_the_bound_of_one_command() {
    let (mut world, node, _) = World::with_node(1);
    let mut jobs = Vec::new();
    for _ in 0..EXPIRED_JOBS_MAX {
        let job = world.submit(retried(u32::try_from(ATTEMPTS_KEPT_MAX).unwrap(), 0));
        jobs.push(job);
        while world.ledger.is_live(job) {
            world.assign(job, node);
            let mut report = world.report(job, Exit::Code(1));
            report.tails.stdout.bytes = vec![1];
            world.run(Command::EndAttempt(report));
        }
    }
    assert_eq!(world.count(Table::Tails), EXPIRED_JOBS_MAX * ATTEMPTS_KEPT_MAX);
    world.run(Command::ExpireJobs { jobs });
    assert_eq!(world.count(Table::Tails), 0);
}

#[test]
fn requests_expire_in_order_when_they_are_old() {
    let mut world = World::new();
    let jobs: Vec<JobId> = (0..3).map(|_| world.submit(plain())).collect();
    let expire = |jobs: &[JobId]| Command::ExpireRequests { requests: jobs.to_vec() };
    assert_eq!(world.refused(expire(&jobs)), Refusal::ExpiryIsStale, "too young");
    world.pass(DEDUP_WINDOW.0 + 1);
    for wrong in [vec![jobs[1], jobs[0]], vec![jobs[0], jobs[0]], vec![jobs[0], JobId(jobs[0].0 + (1 << 90))]] {
        assert_eq!(world.refused(expire(&wrong)), Refusal::ExpiryIsStale);
    }
    assert_eq!(world.run(expire(&[])), Reply::Expired { records: 0 });
    assert_eq!(world.run(expire(&jobs[..2])), Reply::Expired { records: 2 });
    let meta = world.ledger.meta();
    assert_eq!((meta.requests, meta.request_horizon), (1, Some(jobs[1])));
    assert_eq!(world.count(Table::Requests), 1);
}

#[test]
fn the_horizon_moves_only_to_what_was_remembered() {
    let mut world = World::new();
    let job = world.submit(plain());
    world.pass(DEDUP_WINDOW.0 + 1);
    let unknown = JobId(job.0 - 1);
    assert_eq!(world.refused(Command::ExpireRequests { requests: vec![unknown] }), Refusal::ExpiryIsStale);
}

#[test]
fn the_largest_expiry_of_requests_stays_within_the_bound_of_one_command() {
    let mut world = World::new();
    let mut requests = Vec::new();
    for _ in 0..2 {
        let submits: Vec<Command> = (0..EXPIRED_RECORDS_MAX / 2)
            .map(|n| {
                let mut submit = world.submission(plain());
                submit.request.key = Some(format!("{}-{n}", requests.len()));
                requests.push(submit.request.id);
                Command::Submit(submit)
            })
            .collect();
        world.apply(&submits);
    }
    assert_eq!(world.count(Table::Keys), EXPIRED_RECORDS_MAX);
    world.pass(DEDUP_WINDOW.0 + 1);
    world.run(Command::ExpireRequests { requests });
    assert_eq!((world.count(Table::Keys), world.count(Table::Requests)), (0, 0));
}

#[test]
fn events_expire_from_the_front_without_a_gap() {
    let mut world = World::new();
    for _ in 0..4 {
        world.submit(plain());
    }
    let pages: Vec<u64> = world.pages().iter().map(|page| page.first).collect();
    let expire = |pages: &[u64]| Command::ExpireEvents { pages: pages.to_vec() };
    for wrong in [&pages[1..2], &[pages[0], pages[2]], &[pages[0], pages[0]], &[99]] {
        assert_eq!(world.refused(expire(wrong)), Refusal::ExpiryIsStale, "I14");
    }
    assert_eq!(world.run(expire(&pages[..2])), Reply::Expired { records: 2 });
    assert_eq!(world.ledger.meta().event_first, pages[2]);
    assert_eq!(world.run(expire(&pages[2..])), Reply::Expired { records: 2 });
    let meta = world.ledger.meta();
    assert_eq!((meta.event_bytes, meta.event_first), (Bytes(0), meta.event_next));
    world.submit(plain());
    assert_eq!(world.pages()[0].first, world.ledger.meta().event_first, "the sequence goes on");
}
