//! The ring: reserve, write, commit; poll and release.

use super::Part;
use ringway_shm_ring::{Consumer, Producer, Region};
use std::hint::black_box;
use std::sync::atomic::Ordering::Release;

const RING_BYTES: usize = 1 << 20;
const KEY: u64 = 77;

/// A record there and taken, by one thread.
pub fn parts() -> Vec<Part> {
    [48, 256]
        .map(|bytes| {
            let memory = Region::anonymous(RING_BYTES + 4096)
                .expect("a MiB of memory")
                .span();
            let released = memory.sub(RING_BYTES, 8);
            let ring = memory.sub(0, RING_BYTES);
            let producer = Producer::new(ring.clone(), released.clone(), KEY);
            let mut consumer = Consumer::new(ring, KEY);
            let payload = vec![7u8; bytes];
            Part::new(&format!("ring: post and take {bytes} bytes"), move || {
                let reserved = producer
                    .try_reserve(1, payload.len())
                    .expect("the last record was released");
                producer
                    .span()
                    .write(reserved.payload_offset(), black_box(&payload));
                producer.commit(reserved);
                let record = consumer
                    .poll(u64::MAX)
                    .expect("a sound record")
                    .expect("one that was just committed");
                if let Some(position) = consumer.release(black_box(record).position_end) {
                    released.store_u64(0, position, Release);
                }
            })
        })
        .into()
}
