//! The ring on real memory: order, wrap, full, padding, and a consumer over arbitrary memory.
#![cfg(not(loom))]

use ringway_shm_ring::{Consumer, Corrupt, Producer, Region, ReserveError, Span, TAG_PAD};
use std::sync::atomic::Ordering::{Relaxed, Release};

const KEY: u64 = 0x9e37_79b9_7f4a_7c15;

fn ring(bytes: usize) -> (Producer, Consumer, Span) {
    let memory = Region::anonymous(bytes + 4096).unwrap().span();
    let released = memory.sub(bytes, 8);
    let ring = memory.sub(0, bytes);
    (
        Producer::new(ring.clone(), released.clone(), KEY),
        Consumer::new(ring, KEY),
        released,
    )
}

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn fill(seed: u64, bytes: &mut [u8]) {
    let mut random = Random(seed | 1);
    for b in bytes {
        *b = random.next() as u8;
    }
}

#[test]
fn records_of_every_size_survive_many_laps() {
    let (producer, mut consumer, released) = ring(4096);
    let mut random = Random(42);
    let (mut sent, mut received) = (0u64, 0u64);
    let mut in_ring = std::collections::VecDeque::new();
    while received < 20_000 {
        if random.below(2) == 0 {
            let len = random.below(producer.payload_max() as u64 + 1) as usize;
            match producer.try_reserve(sent as u32, len) {
                Ok(reserved) => {
                    let mut payload = vec![0; len];
                    fill(sent, &mut payload);
                    producer.span().write(reserved.payload_offset(), &payload);
                    let end = reserved.position_end();
                    assert_eq!(producer.commit(reserved), end);
                    in_ring.push_back(payload);
                    sent += 1;
                }
                Err(ReserveError::Full) => assert!(!in_ring.is_empty()),
                Err(other) => panic!("{other:?}"),
            }
        } else if let Some(record) = consumer.poll(u64::MAX).unwrap() {
            let want = in_ring.pop_front().expect("nothing was sent");
            assert_eq!(
                (record.tag, record.len as usize),
                (received as u32, want.len())
            );
            let mut got = vec![0; want.len()];
            consumer.span().read(record.payload_offset, &mut got);
            assert_eq!(got, want);
            // Lazily: only every third record is released, with those before it.
            if received.is_multiple_of(3)
                && let Some(position) = consumer.release(record.position_end)
            {
                released.store_u64(0, position, Release);
            }
            received += 1;
        } else {
            assert!(in_ring.is_empty());
            let head = consumer.head();
            if let Some(position) = consumer.release(head) {
                released.store_u64(0, position, Release);
            }
        }
    }
}

#[test]
fn limits_of_reservations() {
    let (producer, mut consumer, released) = ring(4096);
    assert_eq!(producer.payload_max(), 1008);
    assert!(matches!(
        producer.try_reserve(0, 1009),
        Err(ReserveError::TooLarge)
    ));
    assert!(matches!(
        producer.try_reserve(0, usize::MAX / 2),
        Err(ReserveError::TooLarge)
    ));
    assert!(matches!(
        producer.try_reserve(TAG_PAD, 0),
        Err(ReserveError::BadTag)
    ));
    for _ in 0..4 {
        let reserved = producer.try_reserve(1, 1008).unwrap();
        producer.commit(reserved);
    }
    assert!(matches!(
        producer.try_reserve(0, 0),
        Err(ReserveError::Full)
    ));
    // Read, but not released: still full.
    assert_eq!(consumer.poll(u64::MAX).unwrap().unwrap().position_end, 1024);
    assert!(matches!(
        producer.try_reserve(0, 0),
        Err(ReserveError::Full)
    ));
    released.store_u64(0, 1024, Release);
    assert!(
        producer
            .try_reserve(0, 0)
            .map(|r| producer.commit(r))
            .is_ok()
    );
    // A peer that claims more than was ever written is found out.
    released.store_u64(0, 1 << 40, Release);
    assert!(matches!(
        producer.try_reserve(0, 1008),
        Err(ReserveError::PeerReleasedTooMuch)
    ));
}

#[test]
fn what_a_stream_has_not_brought_yet_is_not_read() {
    let (producer, mut consumer, _) = ring(4096);
    let reserved = producer.try_reserve(5, 100).unwrap();
    producer.commit(reserved);
    for limit in 0..116 {
        assert_eq!(consumer.poll(limit), Ok(None), "{limit}");
    }
    assert!(consumer.poll(116).unwrap().is_some());
}

#[test]
fn bad_headers_are_corrupt() {
    for (len, tag, want) in [
        (1009, 0, Corrupt::Length),
        (u32::MAX, 0, Corrupt::Length),
        (u32::MAX, TAG_PAD, Corrupt::Length),
        (4081, TAG_PAD, Corrupt::Length),
    ] {
        let (_, mut consumer, _) = ring(4096);
        let span = consumer.span().clone();
        span.store_u64(8, u64::from(len) | u64::from(tag) << 32, Relaxed);
        span.store_u64(0, KEY | 1, Release);
        assert_eq!(consumer.poll(u64::MAX), Err(want), "{len} {tag:x}");
    }
    // The last line of the ring cannot hold a record of two lines.
    let (_, mut consumer, _) = ring(4096);
    let span = consumer.span().clone();
    for position in (0..4096u64).step_by(64) {
        let (len, tag) = if position == 4032 { (64, 1) } else { (0, 2) };
        span.store_u64(position as usize + 8, len | tag << 32, Relaxed);
        span.store_u64(position as usize, position ^ (KEY | 1), Release);
    }
    for _ in 0..63 {
        assert_eq!(consumer.poll(u64::MAX).unwrap().unwrap().tag, 2);
    }
    assert_eq!(consumer.poll(u64::MAX), Err(Corrupt::Length));
}

#[test]
fn a_producer_that_overtakes_is_corrupt() {
    let (_, mut consumer, _) = ring(4096);
    let span = consumer.span().clone();
    let write = |position: u64| {
        span.store_u64((position & 4095) as usize + 8, 3 << 32, Relaxed);
        span.store_u64((position & 4095) as usize, position ^ (KEY | 1), Release);
    };
    (0..64).for_each(|line| write(line * 64));
    for _ in 0..64 {
        assert!(consumer.poll(u64::MAX).unwrap().is_some());
    }
    write(4096);
    assert_eq!(consumer.poll(u64::MAX), Err(Corrupt::NotReleased));
    consumer.release(64);
    assert!(consumer.poll(u64::MAX).unwrap().is_some());
}

/// Bounded fuzz: whatever the memory holds, the consumer stays inside it and terminates.
#[test]
fn any_memory_is_survived() {
    let mut corrupt = 0;
    let mut records = 0;
    for seed in 1..=2000u64 {
        let (_, mut consumer, _) = ring(4096);
        let span = consumer.span().clone();
        let mut random = Random(seed);
        let mut memory = vec![0; 4096];
        fill(seed, &mut memory);
        span.write(0, &memory);
        // Plausible commit words here and there, of this lap and others, with arbitrary lengths.
        for line in 0..64u64 {
            if random.below(8) != 0 {
                let position = line * 64
                    + 4096
                        * if random.below(16) == 0 {
                            random.below(3)
                        } else {
                            0
                        };
                let len = if random.below(4) == 0 {
                    random.next() & 0xffff_ffff
                } else {
                    random.below(200)
                };
                let tag = if random.below(4) == 0 {
                    u64::from(TAG_PAD)
                } else {
                    random.below(500)
                };
                span.store_u64(line as usize * 64 + 8, len | tag << 32, Relaxed);
                span.store_u64(line as usize * 64, position ^ (KEY | 1), Release);
            }
        }
        loop {
            match consumer.poll(u64::MAX) {
                Ok(Some(record)) => {
                    records += 1;
                    assert!(
                        record.payload_offset + record.len as usize <= 4096,
                        "seed {seed}"
                    );
                    assert!(record.len <= 1008, "seed {seed}");
                }
                Ok(None) => break,
                Err(_) => {
                    corrupt += 1;
                    break;
                }
            }
        }
    }
    assert!(
        corrupt > 100 && records > 1000,
        "the generator reaches both: {corrupt} {records}"
    );
}

#[test]
fn threads_keep_their_own_order() {
    const PER_THREAD: u32 = 30_000;
    const THREADS: u32 = 3;
    let (producer, mut consumer, released) = ring(1 << 14);
    std::thread::scope(|scope| {
        for id in 0..THREADS {
            let producer = &producer;
            scope.spawn(move || {
                let backoff = crossbeam::utils::Backoff::new();
                for n in 0..PER_THREAD {
                    let len = 4 + (n % 90) as usize;
                    let reserved = loop {
                        match producer.try_reserve(id, len) {
                            Ok(reserved) => break reserved,
                            Err(ReserveError::Full) => backoff.snooze(),
                            Err(other) => panic!("{other:?}"),
                        }
                    };
                    producer
                        .span()
                        .write(reserved.payload_offset(), &n.to_le_bytes());
                    producer.commit(reserved);
                }
            });
        }
        let mut next = [0u32; THREADS as usize];
        let mut idle = 0u64;
        while next.iter().sum::<u32>() < THREADS * PER_THREAD {
            match consumer.poll(u64::MAX).unwrap() {
                Some(record) => {
                    let mut n = [0; 4];
                    consumer.span().read(record.payload_offset, &mut n);
                    let slot = &mut next[record.tag as usize];
                    assert_eq!(u32::from_le_bytes(n), *slot);
                    assert_eq!(record.len, 4 + *slot % 90);
                    *slot += 1;
                    if let Some(position) = consumer.release(record.position_end) {
                        released.store_u64(0, position, Release);
                    }
                    idle = 0;
                }
                None => {
                    idle += 1;
                    assert!(idle < 1_000_000_000, "stuck");
                    std::thread::yield_now();
                }
            }
        }
    });
}
