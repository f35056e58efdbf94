//! What one entry of 256 commands costs the ledger, and what a look of the planner costs with a long queue.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quorla_benches::Bench;

/// Commands in one entry, as many as the proposer puts there.
const COMMANDS: usize = 256;

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(256));
    group.bench_function("submit, assigned at once", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut bench = Bench::with_nodes(3);
                let submits = bench.submits(COMMANDS);
                let entry = bench.entry(&submits);
                (bench, entry)
            },
            |(bench, entry)| bench.apply(entry),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("end of an attempt, its place taken by the next job", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut bench = Bench::with_nodes(1);
                let submits = bench.submits(COMMANDS);
                bench.apply(&bench.entry(&submits));
                let queued = bench.submits(COMMANDS);
                bench.apply(&bench.entry(&queued));
                let entry = bench.entry(&bench.ends(COMMANDS));
                (bench, entry)
            },
            |(bench, entry)| bench.apply(entry),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn plan(criterion: &mut Criterion) {
    let mut bench = Bench::with_nodes(0);
    for _ in 0..40 {
        let submits = bench.submits(COMMANDS);
        bench.apply(&bench.entry(&submits));
    }
    criterion.bench_function("plan nothing over 10,240 queued jobs", |bencher| bencher.iter(|| bench.plan(COMMANDS)));
}

criterion_group!(benches, apply, plan);
criterion_main!(benches);
