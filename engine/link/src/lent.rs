//! Payloads of records that stay where they are, in the program's memory or a worker's staging memory, instead of in the shadow
//! of the ring.
//!
//! A record's space in the ring is reserved as ever, so flow control and positions do not know of this; only its bytes are
//! taken from elsewhere when they are sent. They are copied to their place in the shadow after all when the lender wants its
//! memory back before the peer has them, and when the link ends, so that the next one finds everything in the ring.

use ringway_shm_ring::Span;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Ring bytes that lie elsewhere: positions, and where the first of them is.
#[derive(Clone, Copy)]
struct Range {
    from: u64,
    to: u64,
    at: usize,
}

#[derive(Default)]
struct State {
    /// A link is there that takes bytes from where they are.
    open: bool,
    /// In the order of positions.
    ranges: VecDeque<Range>,
}

/// What is lent to one lane's links.
pub(crate) struct Lent {
    /// The ring's shadow.
    ring: Span,
    /// How far the peer says that it has read it: one word.
    read: Span,
    state: Mutex<State>,
    /// There may be ranges; for the sender's first look.
    any: AtomicBool,
    /// Copy of `State::open` for lenders' first look.
    open: AtomicBool,
}

/// The next ring bytes to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Run {
    /// Up to this position they lie in the shadow.
    Shadow(u64),
    /// Up to this position they are lent.
    Lent(u64),
}

impl Lent {
    /// Of the ring with this shadow; `read` is the word with which the peer says how far it has read it.
    pub(crate) fn new(ring: Span, read: Span) -> Lent {
        Lent {
            ring,
            read,
            state: Mutex::default(),
            any: AtomicBool::new(false),
            open: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether a lender's bytes would be taken from where they are, at this moment.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// A link begins that takes bytes from where they are.
    pub(crate) fn open(&self) {
        self.lock().open = true;
        self.open.store(true, Ordering::Relaxed);
    }

    /// The link ends: what the peer may lack goes to the shadow, and so does what is lent from now on.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        self.open.store(false, Ordering::Relaxed);
        self.settle(&mut state, |_| true);
    }

    /// Lends `len` bytes for the ring from `position` on, before the record is committed; false if they must be copied instead.
    ///
    /// # Safety
    /// The bytes stay readable, and as they are, until the peer has read them or they were taken back; the range lies inside one
    /// reservation that the caller holds.
    pub(crate) unsafe fn lend(&self, position: u64, len: usize, from: *const u8) -> bool {
        let mut state = self.lock();
        if !state.open {
            return false;
        }
        let read = self.read.load_u64(0, Ordering::Acquire);
        while state.ranges.front().is_some_and(|first| first.to <= read) {
            state.ranges.pop_front();
        }
        let range = Range { from: position, to: position + len as u64, at: from as usize };
        // Threads reserve in one order and come here in another.
        let behind = state.ranges.iter().rev().take_while(|other| other.from > position).count();
        let index = state.ranges.len() - behind;
        state.ranges.insert(index, range);
        self.any.store(true, Ordering::Release);
        true
    }

    /// The lender wants the bytes of the ring positions `from` to `to` back: they are not read any more when this returns.
    pub(crate) fn take_back(&self, from: u64, to: u64) {
        self.settle(&mut self.lock(), |range| range.from < to && range.to > from);
    }

    /// The same of everything that lies in this memory.
    pub(crate) fn take_back_memory(&self, base: usize, bytes: usize) {
        let end = base.saturating_add(bytes);
        let within = |range: &Range| range.at < end && range.at + (range.to - range.from) as usize > base;
        self.settle(&mut self.lock(), within);
    }

    fn settle(&self, state: &mut State, which: impl Fn(&Range) -> bool) {
        let read = self.read.load_u64(0, Ordering::Acquire);
        state.ranges.retain(|range| {
            if range.to > read && !which(range) {
                return true;
            }
            if range.to > read {
                let len = (range.to - range.from) as usize;
                let offset = self.offset(range.from);
                // SAFETY: readable until this lock is let go, by the promise made to `lend`; the place in the shadow belongs to
                // the record, whose space is not given to another before the server has released it, which it has not read.
                unsafe { std::ptr::copy_nonoverlapping(range.at as *const u8, self.ring.ptr(offset), len) };
            }
            false
        });
        self.any.store(!state.ranges.is_empty(), Ordering::Release);
    }

    fn offset(&self, position: u64) -> usize {
        (position & (self.ring.len() as u64 - 1)) as usize
    }

    /// What the committed ring bytes from `from` up to `to` begin with.
    #[inline]
    pub(crate) fn run(&self, from: u64, to: u64) -> Run {
        // Who lends says so before it commits, and `to` is committed.
        if !self.any.load(Ordering::Acquire) {
            return Run::Shadow(to);
        }
        let state = self.lock();
        match state.ranges.iter().find(|range| range.to > from) {
            Some(range) if range.from <= from => Run::Lent(range.to.min(to)),
            Some(range) => Run::Shadow(range.from.min(to)),
            None => Run::Shadow(to),
        }
    }

    /// Calls `send` with the place of ring bytes from `position` on, which stay there meanwhile.
    pub(crate) fn with<R>(&self, position: u64, send: impl FnOnce(*mut u8) -> R) -> R {
        let state = self.lock();
        let range = state.ranges.iter().find(|range| range.from <= position && position < range.to);
        match range {
            Some(range) => send((range.at + (position - range.from) as usize) as *mut u8),
            // Taken back meanwhile, so it lies in the shadow.
            None => send(self.ring.ptr(self.offset(position))),
        }
    }
}
