//! The submit path, from the program's call to its return:
//!
//!     target/release/ringway run -- cargo bench --manifest-path perf/benches/Cargo.toml --bench submit
//!
//! By itself it measures the driver that the machine has, if any.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringway_perf::driver::Driver;

/// Calls of a batch; few beside what the ring holds, so that none waits for space.
const CALLS: u32 = 256;

fn submit(c: &mut Criterion) {
    let driver = match Driver::open() {
        Ok(driver) => driver,
        Err(why) => {
            eprintln!("submit: no CUDA driver ({why}); run this under `ringway run --`");
            return;
        }
    };
    let ready = || driver.synchronize().expect("a device that works");
    let mut group = c.benchmark_group("submit");
    group.throughput(criterion::Throughput::Elements(CALLS.into()));
    let mut bench = |name: &str, call: &dyn Fn()| {
        group.bench_function(name, |b| {
            b.iter_batched(ready, |()| (0..CALLS).for_each(|_| call()), BatchSize::PerIteration);
        });
    };
    for params in [0, 4, 16] {
        let kernel = driver.kernel(params).expect("a kernel of the module");
        bench(&format!("launch, {params} parameters"), &|| driver.launch(&kernel).expect("a launch"));
    }
    let record = driver.event_recorder().expect("an event");
    bench("event record", &|| record().expect("a record"));
    group.finish();
}

criterion_group!(benches, submit);
criterion_main!(benches);
