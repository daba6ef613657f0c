//! What is put together before it is posted, and what was taken in before somebody asks.

use crate::link::Progress;
use ringway_wire::immediate::Immediate;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Longest chain of work requests: credits, log, words, head, both parts of a ring that wraps, and answers.
pub(super) const CHAIN: usize = 12;

/// A part of the shadow that goes to the same place in the peer's window.
#[derive(Clone, Copy, Default)]
pub(super) struct Put {
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) immediate: Option<Immediate>,
}

/// A chain of work requests being put together.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) puts: [Put; CHAIN],
    pub(super) len: usize,
    pub(super) immediates: u64,
    /// A completion is wanted for the last of it.
    pub(super) signalled: bool,
}

impl Chain {
    pub(super) fn room(&self) -> usize {
        CHAIN - self.len
    }

    pub(super) fn put(&mut self, at: usize, len: usize) {
        self.puts[self.len] = Put {
            at,
            len,
            immediate: None,
        };
        self.len += 1;
    }

    /// The last one put tells the peer.
    pub(super) fn tell(&mut self, immediate: Immediate) {
        self.puts[self.len - 1].immediate = Some(immediate);
        self.immediates += 1;
    }

    pub(super) fn tells(&self) -> bool {
        self.puts[self.len - 1].immediate.is_some()
    }
}

/// A [`Progress`] that threads add to.
#[derive(Default)]
pub(super) struct Seen {
    any: AtomicBool,
    slots: AtomicU64,
    board: AtomicBool,
}

impl Seen {
    pub(super) fn add(&self, progress: Progress) {
        if progress.any {
            self.slots.fetch_or(progress.slots, Ordering::SeqCst);
            self.board.fetch_or(progress.board, Ordering::SeqCst);
            self.any.store(true, Ordering::SeqCst);
        }
    }

    #[inline]
    pub(super) fn take(&self, into: &mut Progress) {
        if self.any.load(Ordering::Relaxed) && self.any.swap(false, Ordering::SeqCst) {
            into.any = true;
            into.slots |= self.slots.swap(0, Ordering::SeqCst);
            into.board |= self.board.swap(false, Ordering::SeqCst);
        }
    }
}
