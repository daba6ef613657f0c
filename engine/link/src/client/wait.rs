//! Reply slots, and waiting on them: spin as long as it is worth it, then park.
//!
//! Of the threads that park, one at a time is the *leader*: it sleeps on the connection and serves the others, which
//! sleep on their own slot's futex word. A leader that leaves wakes one of them to take its place. The service
//! thread leads while nobody waits; a waiter takes the lead from it.
//!
//! Where memory is shared no waiter leads: the server wakes each by that word, which costs half of what the connection does, and
//! wakes one thread instead of two.

use super::ClientLane;
use crate::link::{FIRST_SLEEP, Sleeper};
use crate::{LinkError, Position, Result};
use crossbeam::utils::CachePadded;
use ringway_shm_ring::futex;
use ringway_wire::layout::*;
use std::sync::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

/// A leader looks at its conditions at least this often.
const LEADER_NAP: Duration = Duration::from_secs(1);
/// A follower does, should a wake-up be lost with a dying process.
const FOLLOWER_NAP: Duration = Duration::from_millis(100);

/// Head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// Status given by the worker (a CUresult).
    pub status: u32,
    /// Bytes of the answer; the first of them, as many as fit, were copied out.
    pub len: usize,
}

/// Who leads, and what the service thread does meanwhile.
#[derive(Default)]
struct Lead {
    /// 0, 1 + slot, or one of the `LEADER_` constants; the same as in the peer's window.
    id: u32,
    /// The number of its sleep; there, too.
    sleep: u32,
    /// The service thread has become the leader, and has not left since, though a waiter may have taken its place.
    service_sleeps: bool,
    /// A waiter who did so has it hear nothing.
    service_is_deaf: bool,
}

pub(super) struct Waiters {
    /// One bit for each slot that nobody holds.
    free: CachePadded<AtomicU64>,
    /// Slots given up before their answer came; free once it has.
    abandoned: AtomicU64,
    /// What each slot waits for: end position of the call, 0 nothing.
    expected: [AtomicU64; REPLY_SLOTS],
    lead: Mutex<Lead>,
    /// Copy of the leader for those who only look.
    leader_seen: AtomicU32,
    /// Counts waits, so that the service thread knows whether somebody is at work.
    pub(super) waits: CachePadded<AtomicU32>,
}

impl Waiters {
    pub(super) fn new() -> Waiters {
        Waiters {
            free: CachePadded::new(AtomicU64::new(u64::MAX >> (64 - REPLY_SLOTS))),
            abandoned: AtomicU64::new(0),
            expected: [const { AtomicU64::new(0) }; REPLY_SLOTS],
            lead: Mutex::default(),
            leader_seen: AtomicU32::new(0),
            waits: CachePadded::new(AtomicU32::new(0)),
        }
    }
}

impl ClientLane {
    /// Takes a reply slot, waiting up to `timeout` for one (there are 64).
    /// Errors: `Timeout`, `Down`.
    #[inline]
    pub fn acquire_slot(&self, timeout: Duration) -> Result<SlotGuard<'_>> {
        if let Some(index) = self.try_slot() {
            return Ok(SlotGuard { lane: self, index });
        }
        self.acquire_slot_slowly(timeout)
    }

    fn try_slot(&self) -> Option<u32> {
        let free = &self.waiters.free;
        let mut bits = free.load(Ordering::Relaxed);
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            // Acquire: after the last holder's reads of the slot.
            match free.compare_exchange_weak(
                bits,
                bits & !bit,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(bit.trailing_zeros()),
                Err(seen) => bits = seen,
            }
        }
        None
    }

    #[cold]
    fn acquire_slot_slowly(&self, timeout: Duration) -> Result<SlotGuard<'_>> {
        let mut start = Instant::now();
        let mut nap = Duration::from_micros(50);
        loop {
            self.links.check()?;
            self.pump();
            self.reclaim_slots();
            if let Some(index) = self.try_slot() {
                return Ok(SlotGuard { lane: self, index });
            }
            if self.links.is_suspended() {
                start = Instant::now();
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(LinkError::Timeout {
                    what: "reply slot",
                    after: timeout,
                });
            }
            std::thread::sleep(nap.min(left));
            nap = (nap * 2).min(Duration::from_millis(2));
        }
    }

    /// Frees abandoned slots whose late answer has come.
    fn reclaim_slots(&self) {
        let mut bits = self.waiters.abandoned.load(Ordering::Acquire);
        while bits != 0 {
            let index = bits.trailing_zeros();
            bits &= bits - 1;
            let expected = self.waiters.expected[index as usize].load(Ordering::Relaxed);
            if self.slot_has(index, expected)
                && self
                    .waiters
                    .abandoned
                    .fetch_and(!(1 << index), Ordering::AcqRel)
                    >> index
                    & 1
                    == 1
            {
                self.waiters.expected[index as usize].store(0, Ordering::Relaxed);
                self.waiters.free.fetch_or(1 << index, Ordering::Release);
            }
        }
    }

    #[inline]
    fn slot_has(&self, index: u32, position: Position) -> bool {
        // Acquire: the answer was written before its position. [SYNC reply]
        self.own.load_u64(
            reply_slot_at(index as usize) + REPLY_POSITION,
            Ordering::Acquire,
        ) == position
    }

    /// Wakes the waiters of slots that this thread has just seen filled.
    pub(super) fn wake_slots(&self, filled: u64) {
        fence(Ordering::SeqCst);
        let mut bits = filled & self.peer.load_u64(CONTROL_PARKED_SLOTS, Ordering::Relaxed);
        while bits != 0 {
            let slot = bits.trailing_zeros();
            bits &= bits - 1;
            if self.leader() == slot + 1 {
                self.links.wake(Sleeper::Leader);
            } else {
                futex::wake_all(&self.own, reply_slot_at(slot as usize) + REPLY_POSITION);
            }
        }
    }

    /// Who sleeps on the connection: 0, 1 + slot, or one of the `LEADER_` constants.
    pub(super) fn leader(&self) -> u32 {
        self.waiters.leader_seen.load(Ordering::SeqCst)
    }

    fn lock_lead(&self) -> MutexGuard<'_, Lead> {
        self.waiters.lead.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Says who leads, here and to the peer.
    fn set_leader(&self, lead: &mut Lead, id: u32) {
        lead.id = id;
        if id != 0 {
            lead.sleep = lead.sleep.wrapping_add(1);
        }
        self.waiters.leader_seen.store(id, Ordering::SeqCst);
        // [SYNC leader]
        let sleep = if id == 0 { 0 } else { lead.sleep };
        self.peer.store_u64(CONTROL_LEADER, u64::from(id) | u64::from(sleep) << 32, Ordering::SeqCst);
    }

    /// Becomes the one who may `link.park`; then look at the conditions once more, and sleep. A waiter takes the place of the service thread,
    /// which sleeps on and hears nothing meanwhile, where the link can do that.
    pub(super) fn try_lead(&self, id: u32) -> bool {
        let mut lead = self.lock_lead();
        if lead.id != 0 && (lead.id != LEADER_SERVICE || id == LEADER_SERVICE) {
            return false;
        }
        if id == LEADER_SERVICE {
            lead.service_sleeps = true;
            self.let_service_hear(&mut lead);
        } else if lead.id == LEADER_SERVICE {
            lead.service_is_deaf = self.links.link().set_service_deaf(true);
        }
        self.set_leader(&mut lead, id);
        fence(Ordering::SeqCst);
        true
    }

    fn let_service_hear(&self, lead: &mut Lead) {
        if std::mem::take(&mut lead.service_is_deaf) {
            self.links.link().set_service_deaf(false);
        }
    }

    /// Stops leading, unless a waiter took the lead already, and wakes a successor; the service thread, whose place a waiter had taken,
    /// leads again in its sleep. `came`: something came while it slept; doorbells that are meant for another leader stay where they are.
    pub(super) fn leave_lead(&self, id: u32, came: bool) {
        let mut service_leads = false;
        {
            let mut lead = self.lock_lead();
            if id == LEADER_SERVICE {
                lead.service_sleeps = false;
            }
            if lead.id != id {
                return;
            }
            if came {
                self.links.link().drain_doorbell();
            }
            if lead.service_sleeps && lead.service_is_deaf {
                service_leads = true;
                self.set_leader(&mut lead, LEADER_SERVICE);
                self.let_service_hear(&mut lead);
            } else {
                self.set_leader(&mut lead, 0);
            }
        }
        fence(Ordering::SeqCst);
        let parked = self.peer.load_u64(CONTROL_PARKED_SLOTS, Ordering::Relaxed);
        if parked != 0 {
            futex::wake_all(
                &self.own,
                reply_slot_at(parked.trailing_zeros() as usize) + REPLY_POSITION,
            );
        }
        if service_leads {
            if self.notices_ready() || self.links.is_still() {
                self.links.wake(Sleeper::Service);
            }
        } else if parked == 0 && id != LEADER_SERVICE {
            self.notices.wake_sleeping_service();
        }
    }
}

/// One reply slot, owned by the thread that waits.
pub struct SlotGuard<'a> {
    lane: &'a ClientLane,
    index: u32,
}

impl SlotGuard<'_> {
    /// Index to write into the call's header.
    #[inline]
    pub fn index(&self) -> u16 {
        self.index as u16
    }

    #[inline]
    pub(super) fn expect(&mut self, position: Position) {
        self.lane.waiters.expected[self.index as usize].store(position, Ordering::Relaxed);
    }

    /// Waits for the answer to the record that ended at `position`, copies it to `out` (as much as fits), after
    /// every notice that the server sent before it was handed to the sink. Drains notices while it waits.
    /// After a timeout the slot stays taken until the late answer came, so it cannot be mistaken for another.
    /// Errors: `Timeout`, `Down`.
    pub fn wait(
        &mut self,
        position: Position,
        timeout: Duration,
        out: &mut [u8],
    ) -> Result<ReplyHead> {
        let lane = self.lane;
        self.expect(position);
        lane.waiters.waits.fetch_add(1, Ordering::Relaxed);
        // First: what is left behind from now on is not in this flush.
        lane.notices.sends_itself();
        lane.links.link().flush();
        let start = Instant::now();
        let ready = || lane.slot_has(self.index, position);
        lane.spin.spin(|| {
            ready() || {
                lane.pump();
                ready() || lane.links.is_still()
            }
        });
        while !ready() {
            lane.links.check()?;
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(LinkError::Timeout {
                    what: "reply",
                    after: timeout,
                });
            }
            self.park(position, left);
        }
        self.take(position, start, timeout, out)
    }

    /// Sleeps once, as leader or follower.
    fn park(&self, position: Position, left: Duration) {
        let lane = self.lane;
        let word = reply_slot_at(self.index as usize) + REPLY_POSITION;
        let id = self.index + 1;
        let bit = 1u64 << self.index;
        // Set the bit, then look; the server writes the answer, then looks at the bit. [SYNC parked]
        lane.peer
            .fetch_or_u64(CONTROL_PARKED_SLOTS, bit, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let before = lane.own.load_u32(word, Ordering::SeqCst);
        let must_wait = || !lane.slot_has(self.index, position) && lane.links.check().is_ok();
        let nothing = || must_wait() && !lane.notices_ready();
        let link = lane.links.link();
        if link.wakes_waiters() {
            // In two parts, as `sleep_on`.
            for nap in [FIRST_SLEEP, FOLLOWER_NAP] {
                if nothing() {
                    futex::wait(&lane.own, word, before, left.min(nap));
                }
            }
            if nothing() {
                // The service thread may be busy with what the program wants of it.
                link.check_peer();
            }
            lane.peer
                .fetch_and_u64(CONTROL_PARKED_SLOTS, !bit, Ordering::SeqCst);
            lane.pump();
            return;
        }
        // The bit is set before the lead is tried: a leader that leaves after this attempt failed sees it.
        if lane.try_lead(id) {
            let mut came = false;
            if nothing() {
                came = lane.links.sleep(Sleeper::Leader, left.min(LEADER_NAP), || !nothing());
            }
            lane.peer
                .fetch_and_u64(CONTROL_PARKED_SLOTS, !bit, Ordering::SeqCst);
            lane.pump();
            lane.leave_lead(id, came);
        } else {
            for nap in [FIRST_SLEEP, FOLLOWER_NAP] {
                if must_wait() && lane.leader() != 0 {
                    futex::wait(&lane.own, word, before, left.min(nap));
                }
            }
            lane.peer
                .fetch_and_u64(CONTROL_PARKED_SLOTS, !bit, Ordering::SeqCst);
            lane.pump();
        }
    }

    /// Copies the answer out. The slot's position was seen with Acquire.
    fn take(
        &self,
        position: Position,
        start: Instant,
        timeout: Duration,
        out: &mut [u8],
    ) -> Result<ReplyHead> {
        let lane = self.lane;
        let slot = reply_slot_at(self.index as usize);
        let word = lane
            .own
            .load_u64(slot + REPLY_STATUS_LEN, Ordering::Relaxed);
        let (status, len) = (word as u32, (word >> 32) as usize);
        let notice_position = lane
            .own
            .load_u64(slot + REPLY_NOTICE_POSITION, Ordering::Relaxed);
        if len > REPLY_INLINE_MAX {
            return Err(lane
                .links
                .misbehaved("W9", "an answer longer than its slot"));
        }
        let copied = len.min(out.len());
        lane.own.read(slot + REPLY_HEADER, &mut out[..copied]);
        debug_assert!(lane.slot_has(self.index, position));
        lane.wait_drained(notice_position, start, timeout)?;
        lane.waiters.expected[self.index as usize].store(0, Ordering::Relaxed);
        Ok(ReplyHead { status, len })
    }
}

impl Drop for SlotGuard<'_> {
    fn drop(&mut self) {
        let waiters = &self.lane.waiters;
        if waiters.expected[self.index as usize].load(Ordering::Relaxed) == 0 {
            waiters.free.fetch_or(1 << self.index, Ordering::Release);
        } else {
            // Perhaps nobody has sent the call yet.
            self.lane.links.link().flush();
            waiters
                .abandoned
                .fetch_or(1 << self.index, Ordering::Release);
        }
    }
}
