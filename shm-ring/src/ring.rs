//! The ring: many producers, one consumer, records in the order of reservation. HOT: no allocation, lock, system
//! call or formatting in this file.
//!
//! Positions are bytes since the ring began and never wrap (2^64 bytes last for centuries). A record is a header of
//! 16 bytes and its payload, contiguous, the whole padded to 64 bytes. The header is one commit word and one word
//! of length (low half) and tag (high half).
//!
//! The commit word of a record that starts at position `p` is `p ^ key`. It is stored last. Since `p` grows for
//! ever, what earlier laps left in the memory never equals it; and since `key` is random, payload bytes do not
//! either. So the consumer needs no tail: the ring's memory alone tells how far it is filled.
//!
//! A producer needs to know how far the consumer has released; that word lies wherever the link puts it
//! (`released` below), written by the consumer's side.

use crate::Span;
use crate::mem::{AtomicU64, Ordering};
use crossbeam::utils::CachePadded;

/// Alignment of records.
pub const LINE: usize = 64;
/// Bytes of a record's header.
pub const RECORD_HEADER: usize = 16;
/// Tag of padding.
pub const TAG_PAD: u32 = 0xffff_ffff;

const COMMIT: usize = 0;
const LEN_TAG: usize = 8;

/// A record is at most this fraction of the ring.
const RING_TO_RECORD: u64 = 4;

/// More padding records than this in a row are nonsense: an honest producer pads once a lap and where a thread
/// abandoned its reservation.
const PADS_IN_A_ROW_MAX: u32 = 4096;

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveError {
    /// No space until the consumer releases more.
    Full,
    /// Longer than a record can be.
    TooLarge,
    /// The tag of padding was asked for.
    BadTag,
    /// The consumer's side claims to have released what was never written.
    PeerReleasedTooMuch,
}

/// What is wrong with the memory the producer's side wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// A record reaches beyond the ring's end or is longer than a record can be.
    Length,
    /// A record lies in space that was not released.
    NotReleased,
    /// Endless padding.
    Padding,
}

#[inline]
const fn aligned(bytes: u64) -> u64 {
    (bytes + (LINE as u64 - 1)) & !(LINE as u64 - 1)
}

/// Space for one record; must be given to [`Producer::commit`] or [`Producer::abandon`], or the ring stops there.
#[must_use = "an uncommitted reservation stops the ring"]
#[derive(Debug)]
pub struct Reserved {
    position: u64,
    offset: usize,
    len: u32,
    tag: u32,
}

impl Reserved {
    /// Offset of the payload in the ring's span.
    #[inline]
    pub fn payload_offset(&self) -> usize {
        self.offset + RECORD_HEADER
    }

    /// Bytes of payload.
    #[inline]
    pub fn payload_len(&self) -> usize {
        self.len as usize
    }

    /// Position of the payload.
    #[inline]
    pub fn payload_position(&self) -> u64 {
        self.position + RECORD_HEADER as u64
    }

    /// Position after the record.
    #[inline]
    pub fn position_end(&self) -> u64 {
        self.position + aligned(RECORD_HEADER as u64 + u64::from(self.len))
    }
}

/// The producers' end. Shared by reference between threads.
pub struct Producer {
    ring: Span,
    released: Span,
    mask: u64,
    key: u64,
    record_max: u64,
    /// Next position to be reserved.
    tail: CachePadded<AtomicU64>,
    /// What `released` said last, so that the peer's cache line is read once a lap instead of once a record.
    released_seen: CachePadded<AtomicU64>,
}

impl Producer {
    /// Over `ring`, whose length must be a power of two of at least 4096; `released` is the 8-byte span in which the
    /// consumer's side publishes. Zero memory to begin with.
    pub fn new(ring: Span, released: Span, key: u64) -> Producer {
        let bytes = ring.len() as u64;
        assert!(
            bytes.is_power_of_two() && bytes >= 4 * LINE as u64,
            "ring size"
        );
        assert!(released.len() == 8);
        Producer {
            ring,
            released,
            mask: bytes - 1,
            key: key | 1,
            record_max: bytes / RING_TO_RECORD,
            tail: CachePadded::new(AtomicU64::new(0)),
            released_seen: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// End of what was reserved so far.
    #[inline]
    pub fn tail(&self) -> u64 {
        self.tail.load(Ordering::Acquire)
    }

    /// The ring's memory.
    #[inline]
    pub fn span(&self) -> &Span {
        &self.ring
    }

    /// Longest payload.
    #[inline]
    pub fn payload_max(&self) -> usize {
        self.record_max as usize - RECORD_HEADER
    }

    /// Reserves the next record. Wait-free but for contention between producers.
    #[inline]
    pub fn try_reserve(&self, tag: u32, len: usize) -> Result<Reserved, ReserveError> {
        let need = aligned(RECORD_HEADER as u64 + len as u64);
        if len as u64 > self.record_max - RECORD_HEADER as u64 {
            return Err(ReserveError::TooLarge);
        }
        if tag == TAG_PAD {
            return Err(ReserveError::BadTag);
        }
        let capacity = self.mask + 1;
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            let to_end = capacity - (tail & self.mask);
            let pad = if need > to_end { to_end } else { 0 };
            let end = tail + pad + need;
            // Acquire: the consumer's reads of the space happened before its release of it, also when another
            // producer is the one who saw the release. [SYNC release]
            if end - self.released_seen.load(Ordering::Acquire) > capacity {
                self.refresh_released()?;
                if end - self.released_seen.load(Ordering::Acquire) > capacity {
                    return Err(ReserveError::Full);
                }
            }
            match self
                .tail
                .compare_exchange_weak(tail, end, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => {
                    if pad != 0 {
                        self.publish(tail, TAG_PAD, (pad - RECORD_HEADER as u64) as u32);
                    }
                    let position = tail + pad;
                    let offset = (position & self.mask) as usize;
                    return Ok(Reserved {
                        position,
                        offset,
                        len: len as u32,
                        tag,
                    });
                }
                Err(seen) => tail = seen,
            }
        }
    }

    /// Publishes a record whose payload is written; its end position.
    #[inline]
    pub fn commit(&self, reserved: Reserved) -> u64 {
        self.publish(reserved.position, reserved.tag, reserved.len);
        reserved.position_end()
    }

    /// Turns a reservation into padding.
    pub fn abandon(&self, reserved: Reserved) {
        self.publish(reserved.position, TAG_PAD, reserved.len);
    }

    #[inline]
    fn publish(&self, position: u64, tag: u32, len: u32) {
        let offset = (position & self.mask) as usize;
        self.ring.store_u64(
            offset + LEN_TAG,
            u64::from(len) | u64::from(tag) << 32,
            Ordering::Relaxed,
        );
        // Release: header and payload before the commit word. [SYNC commit]
        self.ring
            .store_u64(offset + COMMIT, position ^ self.key, Ordering::Release);
    }

    #[cold]
    fn refresh_released(&self) -> Result<(), ReserveError> {
        // [SYNC release]
        let released = self.released.load_u64(0, Ordering::Acquire);
        // The tail is loaded after it: an honest peer never released beyond.
        if released > self.tail.load(Ordering::Acquire) {
            return Err(ReserveError::PeerReleasedTooMuch);
        }
        self.released_seen.fetch_max(released, Ordering::AcqRel);
        Ok(())
    }
}

/// Whether a record at `position` is committed in `ring`; for threads other than the consumer's, as a hint.
#[inline]
pub fn is_committed(ring: &Span, key: u64, position: u64) -> bool {
    let offset = (position & (ring.len() as u64 - 1)) as usize;
    ring.load_u64(offset + COMMIT, Ordering::Acquire) == position ^ (key | 1)
}

/// Length and tag of a record at `position`, if it is committed; unchecked. For threads other than the consumer's.
pub fn header_at(ring: &Span, key: u64, position: u64) -> Option<(u32, u32)> {
    let offset = (position & (ring.len() as u64 - 1)) as usize;
    is_committed(ring, key, position).then(|| {
        let word = ring.load_u64(offset + LEN_TAG, Ordering::Relaxed);
        (word as u32, (word >> 32) as u32)
    })
}

/// A record found by [`Consumer::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Position after the record.
    pub position_end: u64,
    /// Its tag.
    pub tag: u32,
    /// Bytes of payload.
    pub len: u32,
    /// Offset of the payload in the ring's span.
    pub payload_offset: usize,
}

/// The consumer's end. Owned by one thread. Trusts nothing it reads.
pub struct Consumer {
    ring: Span,
    mask: u64,
    key: u64,
    record_max: u64,
    head: u64,
    released: u64,
}

impl Consumer {
    /// Over the same memory and key as the producer.
    pub fn new(ring: Span, key: u64) -> Consumer {
        Consumer::at(ring, key, 0)
    }

    /// One that begins at `position`, where a record must begin and everything before must be released.
    /// Panics if that is no multiple of [`LINE`].
    pub fn at(ring: Span, key: u64, position: u64) -> Consumer {
        assert!(position.is_multiple_of(LINE as u64), "no record begins here");
        let bytes = ring.len() as u64;
        assert!(
            bytes.is_power_of_two() && bytes >= 4 * LINE as u64,
            "ring size"
        );
        Consumer {
            ring,
            mask: bytes - 1,
            key: key | 1,
            record_max: bytes / RING_TO_RECORD,
            head: position,
            released: position,
        }
    }

    /// Every record before this position was returned by `poll`.
    #[inline]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// What was released so far.
    #[inline]
    pub fn released(&self) -> u64 {
        self.released
    }

    /// The ring's memory.
    #[inline]
    pub fn span(&self) -> &Span {
        &self.ring
    }

    /// Whether a record is there, without taking it. May say yes for padding.
    #[inline]
    pub fn is_ready(&self) -> bool {
        is_committed(&self.ring, self.key, self.head)
    }

    /// The next record, if it is committed and all of it lies before `limit` (`u64::MAX` where the memory is shared;
    /// the bytes received so far where it is filled by a stream).
    #[inline]
    pub fn poll(&mut self, limit: u64) -> Result<Option<Record>, Corrupt> {
        let capacity = self.mask + 1;
        let mut pads = 0;
        loop {
            let head = self.head;
            if limit.saturating_sub(head) < RECORD_HEADER as u64 {
                return Ok(None);
            }
            let offset = (head & self.mask) as usize;
            // Acquire: header and payload after the commit word. [SYNC commit]
            if self.ring.load_u64(offset + COMMIT, Ordering::Acquire) != head ^ self.key {
                return Ok(None);
            }
            // Copied out once; everything below works on the copy.
            let word = self.ring.load_u64(offset + LEN_TAG, Ordering::Relaxed);
            let (len, tag) = (word as u32, (word >> 32) as u32);
            let bytes = RECORD_HEADER as u64 + u64::from(len);
            let end = head + aligned(bytes);
            if end - head > capacity - offset as u64 || (tag != TAG_PAD && bytes > self.record_max)
            {
                return Err(Corrupt::Length);
            }
            if end - self.released > capacity {
                return Err(Corrupt::NotReleased);
            }
            if limit - head < bytes {
                return Ok(None);
            }
            self.head = end;
            if tag != TAG_PAD {
                return Ok(Some(Record {
                    position_end: end,
                    tag,
                    len,
                    payload_offset: offset + RECORD_HEADER,
                }));
            }
            pads += 1;
            if pads > PADS_IN_A_ROW_MAX {
                return Err(Corrupt::Padding);
            }
        }
    }

    /// Makes the record that `poll` gave last the next one again. `len` is its payload's length.
    /// Panics if it is not the last one, or was released: a bug of the caller.
    pub fn put_back(&mut self, position_end: u64, len: usize) {
        let start = position_end - aligned((RECORD_HEADER + len) as u64);
        assert!(position_end == self.head && start >= self.released, "not the last record");
        self.head = start;
    }

    /// Gives space back, up to `position`; the caller publishes the returned value where the producers read it,
    /// with Release ordering [SYNC release]. `None`, and nothing happens, if `position` was released before.
    /// Panics beyond what was polled: a bug of the caller.
    #[inline]
    pub fn release(&mut self, position: u64) -> Option<u64> {
        assert!(position <= self.head, "released before it was read");
        if position <= self.released {
            return None;
        }
        self.released = position;
        Some(position)
    }
}
