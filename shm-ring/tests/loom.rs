//! Model of the ring under every interleaving and every outcome of weak memory that loom finds.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway-shm-ring --release --test loom`
#![cfg(loom)]

use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread;
use ringway_shm_ring::{Consumer, Producer, ReserveError, Span};
use std::sync::Arc;

const KEY: u64 = 0x5bd1_e995_0000_0001;

fn post(producer: &Producer, tag: u32, value: u64) -> bool {
    match producer.try_reserve(tag, 8) {
        Ok(reserved) => {
            producer
                .span()
                .write_payload(reserved.payload_offset(), value);
            producer.commit(reserved);
            true
        }
        Err(ReserveError::Full) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Takes `count` records, each released and published at once.
fn take(consumer: &mut Consumer, released: &Span, count: usize) -> Vec<(u32, u64)> {
    let mut got = Vec::new();
    while got.len() < count {
        match consumer.poll(u64::MAX).expect("corrupt") {
            Some(record) => {
                got.push((
                    record.tag,
                    consumer.span().read_payload(record.payload_offset),
                ));
                if let Some(position) = consumer.release(record.position_end) {
                    released.store_u64(0, position, Release);
                }
            }
            None => thread::yield_now(),
        }
    }
    got
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

#[test]
fn two_producers_lose_and_mix_nothing() {
    model(|| {
        let ring = Span::model(256);
        let released = Span::model(8);
        let producer = Arc::new(Producer::new(ring.clone(), released.clone(), KEY));
        let mut consumer = Consumer::new(ring, KEY);
        let threads: Vec<_> = (1..=2)
            .map(|id| {
                let producer = producer.clone();
                thread::spawn(move || assert!(post(&producer, id, u64::from(id) * 1000)))
            })
            .collect();
        let mut got = take(&mut consumer, &released, 2);
        got.sort_unstable();
        assert_eq!(got, [(1, 1000), (2, 2000)]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_full_ring_wraps_without_overwriting() {
    model(|| {
        let ring = Span::model(256);
        let released = Span::model(8);
        let producer = Arc::new(Producer::new(ring.clone(), released.clone(), KEY));
        let mut consumer = Consumer::new(ring, KEY);
        // Four records fill the ring; the fifth and sixth reuse the memory of the first two.
        for n in 0..3 {
            assert!(post(&producer, 7, n));
        }
        let thread = {
            let producer = producer.clone();
            thread::spawn(move || {
                for n in 3..6 {
                    while !post(&producer, 7, n) {
                        thread::yield_now();
                    }
                }
            })
        };
        let got = take(&mut consumer, &released, 6);
        assert_eq!(got, (0..6).map(|n| (7, n)).collect::<Vec<_>>());
        thread.join().unwrap();
        assert_eq!(released.load_u64(0, Acquire), producer.tail());
    });
}

#[test]
fn two_producers_on_a_full_ring() {
    model(|| {
        let ring = Span::model(256);
        let released = Span::model(8);
        let producer = Arc::new(Producer::new(ring.clone(), released.clone(), KEY));
        let mut consumer = Consumer::new(ring, KEY);
        for _ in 0..3 {
            assert!(post(&producer, 9, 0));
        }
        let threads: Vec<_> = (1..=2u32)
            .map(|id| {
                let producer = producer.clone();
                thread::spawn(move || {
                    while !post(&producer, id, u64::from(id)) {
                        thread::yield_now();
                    }
                })
            })
            .collect();
        let got = take(&mut consumer, &released, 5);
        assert_eq!(&got[..3], &[(9, 0); 3]);
        let mut rest = got[3..].to_vec();
        rest.sort_unstable();
        assert_eq!(rest, [(1, 1), (2, 2)]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn an_abandoned_reservation_is_skipped() {
    model(|| {
        let ring = Span::model(256);
        let released = Span::model(8);
        let producer = Arc::new(Producer::new(ring.clone(), released.clone(), KEY));
        let mut consumer = Consumer::new(ring, KEY);
        let thread = {
            let producer = producer.clone();
            thread::spawn(move || {
                let reserved = producer.try_reserve(1, 8).unwrap();
                producer.abandon(reserved);
                assert!(post(&producer, 2, 22));
            })
        };
        assert_eq!(take(&mut consumer, &released, 1), [(2, 22)]);
        thread.join().unwrap();
    });
}

/// One producer looks how far the consumer has released, the other relies on what it saw.
#[test]
fn a_release_seen_by_one_producer_holds_for_the_other() {
    model(|| {
        let ring = Span::model(256);
        let released = Span::model(8);
        let producer = Arc::new(Producer::new(ring.clone(), released.clone(), KEY));
        let mut consumer = Consumer::new(ring, KEY);
        for n in 0..4 {
            assert!(post(&producer, 9, n));
        }
        let threads: Vec<_> = (1..=2u32)
            .map(|id| {
                let producer = producer.clone();
                // Where there is no space yet nothing is posted: waiting adds interleavings and nothing else.
                thread::spawn(move || post(&producer, id, 0))
            })
            .collect();
        for n in 0..2 {
            let record = consumer.poll(u64::MAX).expect("sound").expect("there");
            assert_eq!(consumer.span().read_payload(record.payload_offset), n);
        }
        released.store_u64(0, 128, Release);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
