//! Cost of the ring by itself: reserve, write 48 bytes, commit; and poll, release.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringway_shm_ring::{Consumer, Producer, Region, Span};
use std::hint::black_box;
use std::sync::atomic::Ordering::Release;

fn ring(bytes: usize) -> (Producer, Consumer, Span) {
    let memory = Region::anonymous(bytes + 4096).expect("memory").span();
    let released = memory.sub(bytes, 8);
    let ring = memory.sub(0, bytes);
    (
        Producer::new(ring.clone(), released.clone(), 77),
        Consumer::new(ring, 77),
        released,
    )
}

fn one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    group.throughput(Throughput::Elements(1));
    let payload = [7u8; 48];
    let (producer, mut consumer, released) = ring(1 << 20);
    group.bench_function("post and take 48 bytes", |b| {
        b.iter(|| {
            let reserved = producer.try_reserve(1, payload.len()).expect("space");
            producer
                .span()
                .write(reserved.payload_offset(), black_box(&payload));
            producer.commit(reserved);
            let record = consumer.poll(u64::MAX).expect("sound").expect("there");
            if let Some(position) = consumer.release(black_box(record).position_end) {
                released.store_u64(0, position, Release);
            }
        });
    });
    group.bench_function("post 48 bytes", |b| {
        b.iter_batched_ref(
            || ring(1 << 20),
            |(producer, _, _)| {
                for _ in 0..1000 {
                    let reserved = producer.try_reserve(1, payload.len()).expect("space");
                    producer
                        .span()
                        .write(reserved.payload_offset(), black_box(&payload));
                    producer.commit(reserved);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, one_thread);
criterion_main!(benches);
