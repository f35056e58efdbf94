//! What a queued job costs in memory: everything that dropping the hot state frees, divided by the jobs. Counted by the
//! allocator of this binary, so that the trees' own overhead is in it.

use quorla_ledger::{Ledger, codec, command::Command, defect::Defect, spec::JobSpec, units::Millis};

use crate::{
    build::{plain, spec},
    counting::held_bytes,
    world::World,
};

const QUEUED_JOB_BYTES_MAX: i64 = 300;
const JOBS: u32 = 8_192;

fn check(what: &str, wanted: impl Fn(u32) -> JobSpec) {
    let mut world = World::new();
    for batch in 0..JOBS / 256 {
        let submits: Vec<_> = (0..256)
            .map(|n| codec::encode_command(&Command::Submit(world.submission(wanted(batch * 256 + n)))))
            .collect();
        world.apply_bytes(&submits);
    }
    assert_eq!(world.ledger.queued_jobs(), JOBS as usize);
    let rebuilt = Ledger::rebuild(&world.tables).unwrap();
    let applied = std::mem::replace(&mut world.ledger, Ledger::founding(Defect::None));
    for (how, ledger) in [("applied", applied), ("rebuilt", rebuilt)] {
        let before = held_bytes();
        drop(ledger);
        let each = (before - held_bytes()) / i64::from(JOBS);
        println!("{what}, {how}: {each} bytes for each queued job");
        assert!(each <= QUEUED_JOB_BYTES_MAX, "{what}, {how}: {each} bytes");
    }
}

#[test]
fn a_queued_job_costs_little_memory() {
    check("plain", |_| plain());
    check("with every timeout, of all priorities", |n| {
        spec(|spec| {
            spec.priority = u8::try_from(n % 101).unwrap();
            spec.timeouts.queue = Some(Millis(60_000));
            spec.timeouts.job = Some(Millis(90_000));
            spec.name = "a name of some length: it stays on disk".into();
            spec.stdin = vec![0; 100];
        })
    });
    check("with a thousand different demands", |n| spec(|spec| spec.demand.resources.memory.0 = u64::from(n % 1_000)));
}
