//! Taking in what the peer's writes say that came.

use super::{COMPLETIONS, POSITIONS, RdmaLink, Receiving};
use super::super::ends::RECEIVES;
use crate::link::Progress;
use ringway_verbs::Completions;
use ringway_wire::immediate::{Immediate, call_of, position};
use ringway_wire::layout::*;
use std::sync::atomic::Ordering;

/// Receives put back at a time.
const RECEIVES_A_POST: u32 = 16;

impl RdmaLink {
    /// Takes in what has come.
    pub(super) fn receive(&self, receiving: &mut Receiving) -> Progress {
        let mut progress = Progress::default();
        let Some(end) = &mut receiving.end else {
            return progress;
        };
        for _ in 0..RECEIVES as usize / COMPLETIONS {
            let mut room = Completions::<COMPLETIONS>::new();
            let came = match end.completions.poll(&mut room) {
                Ok(came) => came,
                Err(error) => {
                    self.broke(error);
                    return progress;
                }
            };
            for completion in came {
                let immediate = match end.queue.reap(completion) {
                    Ok(work) => work.immediate,
                    Err(error) => {
                        self.broke(error);
                        return progress;
                    }
                };
                receiving.taken += 1;
                progress.any = true;
                if let Err((rule, what)) = self.came(immediate, &mut progress) {
                    self.condition.misbehaved(rule, what);
                    return progress;
                }
            }
            if receiving.taken >= RECEIVES_A_POST {
                if let Err(error) = end.queue.post_empty(receiving.taken, 0) {
                    self.broke(error);
                    return progress;
                }
                self.put_back.fetch_add(receiving.taken.into(), Ordering::Release);
                receiving.taken = 0;
            }
            if came.len() < COMPLETIONS {
                break;
            }
        }
        progress
    }

    /// One immediate of the peer.
    pub(super) fn came(&self, immediate: Option<u32>, progress: &mut Progress) -> Result<(), (&'static str, &'static str)> {
        let Some(bits) = immediate else {
            return Err(("W22", "a message without an immediate"));
        };
        match (Immediate::decode(bits), self.server) {
            (Ok(Immediate::Ring { lines }), _) => {
                let received = self.received.load(Ordering::Relaxed);
                let Some(end) = position(received, lines, self.incoming_bytes) else {
                    return Err(("W20", "ring bytes that cannot be"));
                };
                if end.saturating_sub(self.released_here()) > self.incoming_bytes {
                    return Err(("W7", "ring bytes over space that was not released"));
                }
                self.received.store(end, Ordering::Release);
            }
            (Ok(Immediate::Slot { slot, call }), false) => {
                let at = reply_slot_at(slot.into());
                for (index, word) in POSITIONS.into_iter().enumerate() {
                    let position = self.own.load_u64(at + REPLY_POSITIONS + index * 8, Ordering::Acquire);
                    self.own.fetch_max_u64(word, position, Ordering::AcqRel);
                }
                let position = self.own.load_u64(at + REPLY_LANDED, Ordering::Acquire);
                // Another call's answer may be landing: a link that continues puts answers again, so a call may have been
                // answered, and its slot taken by the next, before this message came. Then only that call's own says that it is whole.
                if call_of(position) == call {
                    // Release: the answer before its position. [SYNC reply]
                    self.own.store_u64(at + REPLY_POSITION, position, Ordering::Release);
                    progress.slots |= 1 << slot;
                }
                progress.board = true;
            }
            (Ok(Immediate::Words), false) => progress.board = true,
            (Ok(_), true) => return Err(("W20", "a server's immediate from the client")),
            (Err(rule), _) => return Err((rule, "an immediate without a meaning")),
        }
        Ok(())
    }
}
