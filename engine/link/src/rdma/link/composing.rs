//! What goes into a chain: credits, board, answers, and the committed prefix of the ring, in this order.

use super::super::chain::Chain;
use super::super::ends::RECEIVES;
use super::{DIRTY_LOG, DIRTY_POSITIONS, DIRTY_WORDS, POSITIONS, RdmaLink, Sender};
use crate::lane::scan;
use crate::link::Break;
use ringway_shm_ring::is_committed;
use ringway_wire::immediate::{Immediate, call_of, lines};
use ringway_wire::layout::*;
use std::sync::atomic::Ordering;

/// Release is told to the peer once this fraction of the ring is due; until then it goes with whatever else is sent.
const RELEASE_FRACTION: u64 = 8;
/// Ring bytes under way at the most, so that slots and board do not wait behind them.
const UNDER_WAY_MAX: u64 = 1 << 20;
/// Ring bytes in one work request at the most.
const WRITE_BYTES_MAX: u64 = 256 << 10;
/// The peer is told of receives put back once so many are due; until then it goes with whatever else is sent.
const CREDITS_DUE: u64 = RECEIVES as u64 / 4;
/// Immediates kept for messages that only tell how many receives were put back: so those can always be sent.
const RESERVED: u64 = 8;

/// Board bytes from the first word to the last of the head; and to the last of the positions that an answer carries too.
const BOARD_HEAD_END: usize = BOARD_ERRORS + 8;
const BOARD_POSITIONS_END: usize = BOARD_EXECUTED + 8;

const _: () = assert!(BOARD_RELEASED == 0 && BOARD_CONSUMED == 8 && BOARD_POSITIONS_END <= BOARD_HEAD_END);

impl RdmaLink {
    /// How far this end has released what it receives; the word lies in the shadow, nobody else writes it.
    pub(super) fn released_here(&self) -> u64 {
        let at = if self.server { BOARD_RELEASED } else { CONTROL_NOTICE_RELEASED };
        self.peer.load_u64(at, Ordering::Acquire)
    }

    pub(super) fn release_is_due(&self) -> bool {
        let released = self.released_here();
        let told = self.released_sent.load(Ordering::Relaxed).min(released);
        released - told >= self.incoming_bytes / RELEASE_FRACTION
    }

    #[inline]
    pub(super) fn credits_are_due(&self) -> bool {
        let told = self.put_back_told.load(Ordering::Relaxed);
        self.put_back.load(Ordering::Relaxed).saturating_sub(told) >= CREDITS_DUE
    }

    #[inline]
    pub(super) fn has_unsent_records(&self) -> bool {
        is_committed(&self.outgoing, self.outgoing_key, self.sent.load(Ordering::Relaxed))
    }

    pub(super) fn has_urgent(&self) -> bool {
        self.send_blocked.load(Ordering::Relaxed) || self.has_unsent_records() || self.credits_are_due()
    }

    /// Where this end's count of receives put back lies, in the peer's window.
    pub(super) fn credits_there(&self) -> usize {
        if self.server { BOARD_PUT_BACK } else { CONTROL_PUT_BACK }
    }

    /// Where the peer's count lies, in the own window.
    pub(super) fn credits_here(&self) -> usize {
        if self.server { CONTROL_PUT_BACK } else { BOARD_PUT_BACK }
    }

    /// Collects what changed into one chain that ends with an immediate, of which `credits` may be sent; false if
    /// something is left.
    pub(super) fn compose(&self, sender: &mut Sender, chain: &mut Chain, credits: u64) -> bool {
        let usual = credits.saturating_sub(RESERVED);
        if usual == 0 {
            // Only how many receives were put back, so that the two ends cannot wait for each other.
            if credits > 0 && self.credits_are_due() {
                self.put_credits(chain);
                chain.tell(self.nothing_new(sender));
            }
            return !self.has_something(sender);
        }
        let put_back = self.put_back.load(Ordering::Relaxed);
        if put_back != self.put_back_told.load(Ordering::Relaxed)
            && (self.credits_are_due() || self.has_something(sender))
        {
            self.put_credits(chain);
        }
        let mut all = true;
        if self.server {
            self.compose_board(chain);
            all &= self.compose_replies(chain, usual);
        } else {
            self.compose_released(sender, chain);
        }
        all &= if chain.immediates < usual {
            self.compose_ring(sender, chain)
        } else {
            !self.has_something(sender)
        };
        if chain.len > 0 && !chain.tells() {
            chain.tell(self.nothing_new(sender));
        }
        all
    }

    /// An immediate that says only that words came.
    pub(super) fn nothing_new(&self, sender: &Sender) -> Immediate {
        if self.server {
            Immediate::Words
        } else {
            Immediate::Ring {
                lines: lines(sender.ring_posted),
            }
        }
    }

    pub(super) fn has_something(&self, sender: &Sender) -> bool {
        sender.ring_posted < sender.scanner.head()
            || is_committed(&self.outgoing, self.outgoing_key, sender.scanner.head())
            || if self.server {
                self.slots_dirty.load(Ordering::Relaxed) != 0 || self.has_board_news()
            } else {
                self.release_is_due() || self.release_again.load(Ordering::Relaxed)
            }
    }

    /// Server: words of the board changed.
    #[inline]
    pub(super) fn has_board_news(&self) -> bool {
        self.board_dirty.load(Ordering::Relaxed) != 0 || self.consumed_is_news()
    }

    pub(super) fn put_credits(&self, chain: &mut Chain) {
        let put_back = self.put_back.load(Ordering::Acquire);
        self.peer.store_u64(self.credits_there(), put_back, Ordering::Release);
        self.put_back_told.store(put_back, Ordering::Relaxed);
        chain.put(self.credits_there(), 8);
    }

    pub(super) fn compose_released(&self, sender: &Sender, chain: &mut Chain) {
        let records = sender.ring_posted < sender.scanner.head()
            || is_committed(&self.outgoing, self.outgoing_key, sender.scanner.head());
        let again = self.release_again.swap(false, Ordering::SeqCst);
        let released = self.released_here();
        if again || released != self.released_sent.load(Ordering::Relaxed) && (records || self.release_is_due()) {
            self.released_sent.store(released, Ordering::Relaxed);
            chain.put(CONTROL_NOTICE_RELEASED, 8);
        }
    }

    pub(super) fn compose_board(&self, chain: &mut Chain) {
        let dirty = self.board_dirty.swap(0, Ordering::SeqCst);
        // What the head counts is sent before the head.
        if dirty & DIRTY_LOG != 0 {
            chain.put(ERROR_LOG_AT, BOARD_END - ERROR_LOG_AT);
        }
        if dirty & DIRTY_WORDS != 0 {
            chain.put(BOARD_WORDS_AT, ERROR_LOG_AT - BOARD_WORDS_AT);
        }
        let end = if dirty & !DIRTY_POSITIONS != 0 {
            BOARD_HEAD_END
        } else if (dirty != 0 || self.consumed_is_news()) && self.slots_dirty.load(Ordering::Relaxed) == 0 {
            BOARD_POSITIONS_END
        } else {
            // Answers take the positions along.
            return;
        };
        // At least what is sent: they may grow meanwhile.
        self.released_sent.store(self.released_here(), Ordering::Relaxed);
        self.consumed_sent
            .store(self.peer.load_u64(BOARD_CONSUMED, Ordering::Relaxed), Ordering::Relaxed);
        chain.put(0, end);
    }

    /// Server: the client was not told how far its records are consumed.
    #[inline]
    pub(super) fn consumed_is_news(&self) -> bool {
        self.peer.load_u64(BOARD_CONSUMED, Ordering::Relaxed) != self.consumed_sent.load(Ordering::Relaxed)
    }

    /// Answers, as many as `credits` and the chain allow, room for the ring kept; false if some are left.
    pub(super) fn compose_replies(&self, chain: &mut Chain, credits: u64) -> bool {
        let mut slots = self.slots_dirty.swap(0, Ordering::SeqCst);
        while slots != 0 && chain.immediates < credits && chain.room() > 2 {
            let slot = slots.trailing_zeros() as u16;
            slots &= slots - 1;
            let at = reply_slot_at(slot.into());
            let position = self.peer.load_u64(at + REPLY_POSITION, Ordering::Acquire);
            let status_len = self.peer.load_u64(at + REPLY_STATUS_LEN, Ordering::Relaxed);
            let len = ((status_len >> 32) as usize).min(REPLY_INLINE_MAX);
            // The position that the waiter looks at is written by its own end, when all of the answer is there.
            self.peer.store_u64(at + REPLY_LANDED, position, Ordering::Relaxed);
            let positions = POSITIONS.map(|word| self.peer.load_u64(word, Ordering::Acquire));
            for (index, position) in positions.into_iter().enumerate() {
                self.peer.store_u64(at + REPLY_POSITIONS + index * 8, position, Ordering::Relaxed);
            }
            self.released_sent.fetch_max(positions[0], Ordering::Relaxed);
            self.consumed_sent.fetch_max(positions[1], Ordering::Relaxed);
            let until = if len == 0 { REPLY_POSITIONS + 24 } else { REPLY_HEADER + len };
            chain.put(at + REPLY_STATUS_LEN, until - REPLY_STATUS_LEN);
            chain.tell(Immediate::Slot { slot, call: call_of(position) });
        }
        if slots != 0 {
            self.slots_dirty.fetch_or(slots, Ordering::SeqCst);
        }
        slots == 0
    }

    /// The committed prefix of the ring, as far as it may be under way; false if some is left.
    pub(super) fn compose_ring(&self, sender: &mut Sender, chain: &mut Chain) -> bool {
        let limit = sender.ring_posted.saturating_add(WRITE_BYTES_MAX);
        if let Err(what) = scan(&mut sender.scanner, limit) {
            self.fail(Break::Damaged(what));
            return true;
        }
        let head = sender.scanner.head();
        let before = sender.ring_posted;
        let ring_bytes = self.outgoing.len() as u64;
        while sender.ring_posted < head
            && chain.room() > 0
            && sender.ring_posted - sender.ring_arrived < UNDER_WAY_MAX
        {
            let offset = sender.ring_posted & (ring_bytes - 1);
            let len = (head - sender.ring_posted)
                .min(ring_bytes - offset)
                .min(WRITE_BYTES_MAX);
            chain.put(self.outgoing_at + offset as usize, len as usize);
            sender.ring_posted += len;
        }
        if sender.ring_posted != before {
            chain.tell(Immediate::Ring {
                lines: lines(sender.ring_posted),
            });
            chain.signalled = true;
            self.sent.store(sender.ring_posted, Ordering::Release);
        }
        sender.ring_posted == head && !is_committed(&self.outgoing, self.outgoing_key, head)
    }
}
