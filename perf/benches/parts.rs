//! Parts of Ringway by themselves: ring, codecs, the software GPU's interpreter.

use criterion::{Criterion, criterion_group, criterion_main};

fn parts(c: &mut Criterion) {
    for mut part in ringway_perf::parts::all().expect("parts that work") {
        let (group, case) = part.name.clone().split_once(": ").map(|(group, case)| (group.to_owned(), case.to_owned())).expect("a group's name");
        let mut group = c.benchmark_group(group);
        group.bench_function(case, |b| b.iter(|| part.once()));
        group.finish();
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);
