//! Payloads of notices that are received straight to where they belong, instead of into the ring.
//!
//! A record's place in the ring stays its own, so positions, flow control and what a link continues do not know of this: where its
//! payload would lie is a hole, which the drainer is told of. Whoever receives walks along the records, by their heads in the ring,
//! which is private memory here, and asks for the place of a long payload once its first bytes have come.

use ringway_shm_ring::{LINE, RECORD_HEADER, Span, TAG_PAD, header_at};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// First bytes of a payload, which say where the rest belongs.
pub const LANDING_HEAD: usize = 16;
/// Shorter payloads are received into the ring.
const LANDED_MIN: usize = 32 << 10;

/// Who knows where payloads belong: gets the tag, the first bytes of the payload and how many bytes follow them, and calls the last with
/// their place, if there is one; it is written only during that call. It must not wait, nor use the lane.
pub type NoticeLander = Box<dyn Fn(u32, [u8; LANDING_HEAD], usize, &mut dyn FnMut(*mut u8)) + Send + Sync>;

/// A payload that does not lie in the ring, or not all of it.
struct Hole {
    /// End of the record.
    end: u64,
    /// Offsets in its payload.
    bytes: Range<usize>,
}

#[derive(Default)]
struct State {
    /// Where the record begins that is being received.
    record: u64,
    /// The records' heads could not be followed: everything goes into the ring from now on.
    lost: bool,
    /// In the order of positions.
    holes: VecDeque<Hole>,
}

/// What is received past the ring of one lane.
pub(crate) struct Landing {
    ring: Span,
    key: u64,
    lander: OnceLock<NoticeLander>,
    state: Mutex<State>,
    /// How many holes there are, for the drainer's first look.
    count: AtomicUsize,
}

/// The next bytes of a payload that may be received where they belong.
pub(crate) struct Place {
    tag: u32,
    head: [u8; LANDING_HEAD],
    /// Bytes behind the head.
    len: usize,
    /// Offset in those of the next byte.
    offset: usize,
    /// So many can be taken.
    pub(crate) space: usize,
    end: u64,
}

impl Landing {
    /// For the ring that is received into.
    pub(crate) fn new(ring: Span, key: u64) -> Landing {
        Landing {
            ring,
            key,
            lander: OnceLock::new(),
            state: Mutex::default(),
            count: AtomicUsize::new(0),
        }
    }

    /// Sets who knows where payloads belong; false if that is set already.
    pub(crate) fn set(&self, lander: NoticeLander) -> bool {
        self.lander.set(lander).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether the ring bytes from `at` on, up to `end`, may go elsewhere; all before `at` are there.
    pub(crate) fn next(&self, at: u64, end: u64) -> Option<Place> {
        self.lander.get()?;
        let mut state = self.lock();
        while !state.lost && at >= state.record + (RECORD_HEADER + LANDING_HEAD) as u64 {
            let record = state.record;
            let offset = (record & (self.ring.len() as u64 - 1)) as usize;
            let Some((len, tag)) = header_at(&self.ring, self.key, record).filter(|(len, _)| {
                RECORD_HEADER + *len as usize <= self.ring.len() - offset
            }) else {
                // What is wrong, if anything is, the drainer finds out.
                state.lost = true;
                return None;
            };
            let len = len as usize;
            let record_end = record + (RECORD_HEADER + len).next_multiple_of(LINE) as u64;
            if at >= record_end {
                state.record = record_end;
                continue;
            }
            let data = record + (RECORD_HEADER + LANDING_HEAD) as u64;
            let data_end = record + (RECORD_HEADER + len) as u64;
            if tag == TAG_PAD || len < LANDED_MIN || at >= data_end {
                return None;
            }
            let offset_now = (at - data) as usize;
            // A record has one hole.
            if state.holes.back().is_some_and(|hole| hole.end == record_end && hole.bytes.end != offset_now + LANDING_HEAD) {
                return None;
            }
            let mut head = [0; LANDING_HEAD];
            self.ring.read(offset + RECORD_HEADER, &mut head);
            return Some(Place {
                tag,
                head,
                len: len - LANDING_HEAD,
                offset: offset_now,
                space: (end.min(data_end) - at) as usize,
                end: record_end,
            });
        }
        None
    }

    /// Calls `receive` with the place's address, and notes how many bytes of the place it says were written; None if there is no such
    /// place any more.
    pub(crate) fn land<E>(&self, place: &Place, mut receive: impl FnMut(*mut u8) -> Result<usize, E>) -> Option<Result<usize, E>> {
        let mut result = None;
        self.lander.get()?(place.tag, place.head, place.len, &mut |to| {
            // Within the `len` bytes that begin at `to`.
            result = Some(receive(to.wrapping_add(place.offset)));
        });
        if let Some(Ok(received)) = &result {
            self.note(place, *received.min(&place.space));
        }
        result
    }

    fn note(&self, place: &Place, landed: usize) {
        if landed == 0 {
            return;
        }
        let mut state = self.lock();
        match state.holes.back_mut() {
            Some(hole) if hole.end == place.end => hole.bytes.end += landed,
            _ => {
                let from = LANDING_HEAD + place.offset;
                state.holes.push_back(Hole { end: place.end, bytes: from..from + landed });
                self.count.store(state.holes.len(), Ordering::Release);
            }
        }
    }

    /// What of the payload of the record that ends at `end` is elsewhere. Records are asked for in order.
    #[inline]
    pub(crate) fn hole(&self, end: u64) -> Range<usize> {
        // The hole was counted before its record was received.
        if self.count.load(Ordering::Acquire) == 0 {
            return 0..0;
        }
        let mut state = self.lock();
        while state.holes.front().is_some_and(|hole| hole.end < end) {
            state.holes.pop_front();
        }
        let hole = state.holes.pop_front_if(|hole| hole.end == end).map_or(0..0, |hole| hole.bytes);
        self.count.store(state.holes.len(), Ordering::Release);
        hole
    }
}
