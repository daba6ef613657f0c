//! Posting: whoever commits or answers sends, and one thread at a time does.

use super::super::chain::{CHAIN, Chain};
use super::super::ends::{RECEIVES, SENDS};
use super::{CHAINS_UNDER_WAY, COMPLETIONS, RdmaLink, Sender, lock};
use crate::link::{Break, Link as _, Told};
use ringway_verbs::{Completions, Local, Options};
use ringway_wire::immediate::{lines, lines_between};
use ringway_wire::layout::LINE;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

/// How long closing waits for what was posted to arrive.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Chains that one caller posts before it leaves the rest to the next: a posting thread is not a sender for life.
const CHAINS_A_TURN: u32 = 8;
/// Bytes of one chain that may be copied to go inline.
const INLINE_BYTES: usize = 512;

impl RdmaLink {
    /// As [`RdmaLink::kick`], where nothing depends on it: the link that follows sends what it finds.
    pub(super) fn kick_if_current(&self) {
        let _ = self.kick();
    }

    /// Sends what there is, or makes the thread that is sending do it.
    pub(super) fn kick(&self) -> Told {
        self.send_wanted.store(true, Ordering::SeqCst);
        // Who retires the link says so, and the one that follows looks into the windows afterwards. [SYNC replace]
        fence(Ordering::SeqCst);
        if self.retired.load(Ordering::SeqCst) {
            return Told::Retired;
        }
        while self.send_wanted.load(Ordering::SeqCst) {
            let Ok(mut sender) = self.sender.try_lock() else {
                return Told::Done;
            };
            if self.retired.load(Ordering::SeqCst) {
                return Told::Retired;
            }
            let mut chains = 0;
            while self.send_wanted.swap(false, Ordering::SeqCst) && chains < CHAINS_A_TURN {
                self.reap(&mut sender);
                chains += self.send(&mut sender, CHAINS_A_TURN - chains);
            }
            if chains >= CHAINS_A_TURN {
                self.leave_blocked();
                return Told::Done;
            }
        }
        Told::Done
    }

    /// What is left is sent when completions or receives come back, by whoever sleeps on them or calls `progress`.
    #[cold]
    pub(super) fn leave_blocked(&self) {
        self.send_blocked.store(true, Ordering::SeqCst);
        // [SYNC blocked]
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            // They ask for completions of sends only if they know of the need.
            self.wakers.wake_all();
        }
    }

    /// Takes completions of sends in.
    pub(super) fn reap(&self, sender: &mut Sender) {
        let Some(end) = &mut sender.end else {
            return;
        };
        while end.queue.under_way() != 0 {
            let mut room = Completions::<COMPLETIONS>::new();
            let came = match end.completions.poll(&mut room) {
                Ok(came) => came,
                Err(error) => return self.broke(error),
            };
            for completion in came {
                match end.queue.reap(completion) {
                    Ok(work) => {
                        let behind = lines_between(work.tag, lines(sender.ring_posted));
                        let arrived = sender.ring_posted.saturating_sub(u64::from(behind) * LINE as u64);
                        sender.ring_arrived = sender.ring_arrived.max(arrived);
                    }
                    Err(error) => return self.broke(error),
                }
            }
            if !self.server {
                // Each of a client's chains asks for one completion.
                self.chains_under_way.fetch_sub(came.len() as u64, Ordering::Relaxed);
            }
            if came.len() < COMPLETIONS {
                return;
            }
        }
    }

    /// Posts chains until there is nothing, something must be waited for, or `chains_max` went; how many.
    pub(super) fn send(&self, sender: &mut Sender, chains_max: u32) -> u32 {
        self.send_blocked.store(false, Ordering::Relaxed);
        for chains in 0..chains_max {
            let room = sender.end.as_ref().map_or(0, |end| end.queue.room());
            if self.condition.is_broken() || sender.end.is_none() {
                return chains;
            }
            let put_back = self.own.load_u64(self.credits_here(), Ordering::Acquire);
            let under_way = sender.immediates.saturating_sub(put_back);
            let mut credits = u64::from(RECEIVES).saturating_sub(under_way);
            if (room as usize) < CHAIN {
                credits = 0;
            }
            let mut chain = Chain::default();
            let all = self.compose(sender, &mut chain, credits);
            if chain.len == 0 {
                if !all {
                    self.leave_blocked();
                }
                return chains;
            }
            self.post(sender, &mut chain);
        }
        chains_max
    }

    /// Hands a chain to the adapter. Asks for its completion where that clocks or frees something; else the queue does
    /// now and then.
    pub(super) fn post(&self, sender: &mut Sender, chain: &mut Chain) {
        sender.immediates += chain.immediates;
        chain.signalled |= !self.server;
        let tag = lines(sender.ring_posted);
        let Some(end) = &mut sender.end else {
            return;
        };
        let mut copies = [0u8; INLINE_BYTES];
        let mut copies = &mut copies[..];
        let inline_max = end.queue.inline_bytes_max() as usize;
        let mut batch = end.queue.batch();
        for (index, put) in chain.puts[..chain.len].iter().enumerate() {
            let local = if put.len <= inline_max.min(copies.len()) {
                let (copy, rest) = copies.split_at_mut(put.len);
                copies = rest;
                self.peer.read(put.at, copy);
                Local::Inline(copy)
            } else {
                match end.shadow.slice(put.at..put.at + put.len) {
                    Some(slice) => slice.into(),
                    None => return self.fail(Break::Damaged("a put beyond the window")),
                }
            };
            let Some(to) = end.window.slice(put.at as u64, put.len as u64) else {
                return self.fail(Break::Damaged("a put beyond the peer's window"));
            };
            let mut options = Options::new().tag(tag);
            if chain.signalled && index + 1 == chain.len {
                options = options.signalled();
            }
            let put = match put.immediate {
                Some(immediate) => batch.write_with_immediate(local, to, immediate.encode(), options),
                None => batch.write(local, to, options),
            };
            if let Err(error) = put {
                return self.broke(error);
            }
        }
        if let Err(error) = batch.post() {
            return self.broke(error);
        }
        if !self.server {
            self.chains_under_way.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Client: posts what was left behind if what was under way has arrived meanwhile.
    pub(super) fn send_if_arrived(&self) -> Told {
        let few = || self.chains_under_way.load(Ordering::Relaxed) < CHAINS_UNDER_WAY;
        if let Ok(mut sender) = self.sender.try_lock() {
            self.reap(&mut sender);
            if !few()
                && self.sleepers.load(Ordering::Relaxed) != 0
                && !self.send_armed.swap(true, Ordering::SeqCst)
                && let Some(end) = &sender.end
            {
                // Nobody may look at completions again before the next commit: let one of them wake who sleeps.
                if let Err(error) = end.completions.arm(false) {
                    self.broke(error);
                }
                self.reap(&mut sender);
            }
        }
        if few() || self.send_wanted.load(Ordering::SeqCst) || self.retired.load(Ordering::SeqCst) {
            return self.kick();
        }
        Told::Later
    }

    /// What was committed or answered before still goes, as far as the peer takes it in time: a queue pair that is destroyed
    /// sends nothing more.
    #[cold]
    pub(super) fn drain(&self) {
        let end = Instant::now() + CLOSE_WAIT;
        let mut last = false;
        while !self.condition.is_broken() && Instant::now() < end {
            self.flush();
            let mut sender = lock(&self.sender);
            self.reap(&mut sender);
            let under_way = sender.end.as_ref().map_or(0, |end| end.queue.under_way());
            if !self.has_something(&sender) {
                if under_way == 0 {
                    break;
                }
                if !last && under_way as usize + CHAIN < SENDS as usize {
                    // Done when everything before it is.
                    let mut chain = Chain::default();
                    self.put_credits(&mut chain);
                    chain.signalled = true;
                    self.post(&mut sender, &mut chain);
                    last = true;
                }
            }
            drop(sender);
            std::thread::yield_now();
        }
    }
}
