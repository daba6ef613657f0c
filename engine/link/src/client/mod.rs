//! The client's end of a lane: many threads post records and wait for replies.
//!
//! `mod.rs` is the submit path and the board; `wait.rs` the reply slots and waiting; `notices.rs` what comes the
//! other way and the service thread.

mod notices;
mod wait;

pub use notices::NoticeSink;
pub use wait::{ReplyHead, SlotGuard};

use crate::lane::{Links, NotResumed, Patience, Resumption, Windows};
use crate::link::{Link, Progress, Sleeper, Slept};
use crate::rdma::Transfers;
use crate::spin::SpinPolicy;
use crate::{DownCause, LinkError, LinkKind, Position, Result};
use crossbeam::utils::CachePadded;
use notices::Notices;
use ringway_shm_ring::{Producer, ReserveError, Reserved, Span, futex};
use ringway_wire::layout::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};
use wait::Waiters;

/// A producer without space sleeps this long at a time, should nobody wake it.
const SPACE_NAP: Duration = Duration::from_millis(1);
/// The same while the lane is suspended: it is woken when it goes on.
const SUSPENDED_NAP: Duration = Duration::from_millis(100);

/// The client's end of a lane. Shared by all threads of the program.
pub struct ClientLane {
    producer: Producer,
    links: Links,
    /// The window that the server writes.
    own: Span,
    /// The window that this end writes.
    peer: Span,
    notices: Notices,
    waiters: Waiters,
    spin: CachePadded<SpinPolicy>,
    down_announced: AtomicBool,
}

/// One record of the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedError {
    /// End position of the record that failed.
    pub position: Position,
    /// Its opcode (tag).
    pub opcode: u32,
    /// The CUresult.
    pub result: u32,
}

impl ClientLane {
    pub(crate) fn new(link: Box<dyn Link>, windows: Windows) -> ClientLane {
        let (ring, key) = windows.outgoing();
        ClientLane {
            producer: Producer::new(ring, windows.own.sub(BOARD_RELEASED, 8), key),
            notices: Notices::new(windows.incoming(), notice_key(windows.config.lane_key)),
            waiters: Waiters::new(),
            spin: CachePadded::new(SpinPolicy::new()),
            down_announced: AtomicBool::new(false),
            own: windows.own.clone(),
            peer: windows.peer.clone(),
            links: Links::new(link, windows),
        }
    }

    /// How the bytes travel.
    pub fn kind(&self) -> LinkKind {
        self.links.link().kind()
    }

    /// Transfers past the ring on the link in use; None where it has none.
    pub fn transfers(&self) -> Option<Arc<Transfers>> {
        self.links.link().transfers().filter(|it| !it.have_ended()).cloned()
    }

    /// From now on a broken link suspends the lane instead of ending it: calls wait, records are kept. Then
    /// [`ClientLane::wait_notices`] returns `Suspended`, and whoever calls it has to continue the lane
    /// ([`ClientLane::begin_resume`]) or to end it ([`ClientLane::give_up`]). No effect on shm.
    pub fn keep(&self) {
        self.links.keep(Patience {
            grace: None,
            grace_after_end: None,
        });
    }

    /// Begins to continue a suspended lane; then [`Resumption::positions`] is for the server, and
    /// [`tcp::resume`](crate::tcp::resume) or its like takes the resumption.
    ///
    /// # Errors
    /// [`NotResumed`]; the lane is as it was.
    pub fn begin_resume(&self) -> Result<Resumption<'_>, NotResumed> {
        self.links.begin(None, || self.producer.tail())
    }

    /// How the link broke, in words, and when, while the lane is suspended.
    pub fn suspended(&self) -> Option<(String, Instant)> {
        self.links.suspension()
    }

    /// The link broke because its connection was closed in order, though without a farewell: the server's process ended, or
    /// something between the two did.
    pub fn closed_in_order(&self) -> bool {
        self.links.closed_in_order()
    }

    /// Ends a suspended lane: every wait ends with `Down` of `cause`.
    pub fn give_up(&self, cause: DownCause) {
        self.links.fail(cause);
        self.announce_down();
    }

    /// Says that this end is about to end, so that the end of the connection, however it comes, is not taken for a break.
    /// The lane goes on.
    pub fn farewell(&self) {
        self.links.link().farewell();
    }

    /// Longest payload of a record, in bytes.
    pub fn payload_max(&self) -> usize {
        self.producer.payload_max()
    }

    /// Reserves a record of `payload_len` bytes; waits up to `timeout` for ring space.
    /// Records are executed in the order of reservation, and none after it before this one is committed or dropped:
    /// fill it at once. Dropping the reservation posts nothing.
    /// Errors: `TooLarge`, `Timeout`, `Down`, `Misuse` (the tag of padding).
    #[inline]
    pub fn reserve(
        &self,
        tag: u32,
        payload_len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_>> {
        self.links.check()?;
        match self.producer.try_reserve(tag, payload_len) {
            Ok(reserved) => Ok(Reservation {
                lane: self,
                reserved: Some(reserved),
            }),
            Err(error) => self.reserve_slowly(tag, payload_len, timeout, error),
        }
    }

    /// As [`ClientLane::reserve`], but never waits.
    /// Errors: `Full`, and those of `reserve` but `Timeout`.
    pub fn try_reserve(&self, tag: u32, payload_len: usize) -> Result<Reservation<'_>> {
        self.links.check()?;
        let error = match self.producer.try_reserve(tag, payload_len) {
            Ok(reserved) => {
                return Ok(Reservation {
                    lane: self,
                    reserved: Some(reserved),
                });
            }
            Err(error) => error,
        };
        if error == ReserveError::Full {
            self.links.link().flush();
            self.pump();
            self.links.check()?;
        }
        match self.producer.try_reserve(tag, payload_len) {
            Ok(reserved) => Ok(Reservation {
                lane: self,
                reserved: Some(reserved),
            }),
            Err(error) => Err(self.reserve_error(error, payload_len)),
        }
    }

    #[cold]
    fn reserve_error(&self, error: ReserveError, len: usize) -> LinkError {
        match error {
            ReserveError::Full => LinkError::Full,
            ReserveError::TooLarge => LinkError::TooLarge {
                len,
                max: self.producer.payload_max(),
            },
            ReserveError::BadTag => LinkError::Misuse("the tag of padding"),
            ReserveError::PeerReleasedTooMuch => self
                .links
                .misbehaved("W7", "released what was never written"),
        }
    }

    #[cold]
    fn reserve_slowly(
        &self,
        tag: u32,
        payload_len: usize,
        timeout: Duration,
        mut error: ReserveError,
    ) -> Result<Reservation<'_>> {
        let mut start = Instant::now();
        let retry = |error: &mut ReserveError| match self.producer.try_reserve(tag, payload_len) {
            Ok(reserved) => Some(Reservation {
                lane: self,
                reserved: Some(reserved),
            }),
            Err(e) => {
                *error = e;
                None
            }
        };
        let mut naps = 0;
        loop {
            if error != ReserveError::Full {
                return Err(self.reserve_error(error, payload_len));
            }
            self.links.link().flush();
            self.pump();
            if naps > 0 {
                self.links.link().check_peer();
            }
            self.links.check()?;
            if self.links.is_suspended() {
                // Whether there will be space is not known before it goes on.
                start = Instant::now();
            }
            let mut found = None;
            self.spin.spin(|| {
                self.pump();
                found = retry(&mut error);
                found.is_some() || error != ReserveError::Full || self.links.is_still()
            });
            if let Some(reservation) = found {
                return Ok(reservation);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(LinkError::Timeout {
                    what: "ring space",
                    after: timeout,
                });
            }
            naps += 1;
            // Store "wanted", then look; the server releases, then looks at "wanted". [SYNC space]
            self.peer
                .fetch_add_u32(CONTROL_SPACE_WANTED, 1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let released = self.own.load_u32(BOARD_RELEASED, Ordering::SeqCst);
            let found = retry(&mut error);
            if found.is_none() && error == ReserveError::Full {
                self.sleep_for_space(released, left.min(SPACE_NAP));
            }
            self.peer
                .fetch_add_u32(CONTROL_SPACE_WANTED, 1u32.wrapping_neg(), Ordering::SeqCst);
            if let Some(reservation) = found {
                return Ok(reservation);
            }
        }
    }

    fn sleep_for_space(&self, released: u32, nap: Duration) {
        let nap = if self.links.is_suspended() {
            nap.max(SUSPENDED_NAP)
        } else {
            nap
        };
        if self.kind() != LinkKind::Shm && self.try_lead(LEADER_PRODUCER) {
            // What releases space comes over the connection: sleep there.
            let came = self.links.park(Sleeper::Leader, nap) == Slept::Came;
            self.leave_lead(LEADER_PRODUCER, came);
        } else {
            futex::wait(&self.own, BOARD_RELEASED, released, nap);
        }
    }

    /// Whether payloads can be sent from where they are, [`Reservation::lend`]. May change at any time.
    pub fn lends(&self) -> bool {
        self.links.windows.lent.is_open()
    }

    /// Nothing of the records between these positions is read from where it was lent any more, when this returns.
    pub fn take_back(&self, from: Position, to: Position) {
        self.links.windows.lent.take_back(from, to);
    }

    /// Nothing of this memory is read any more, when this returns.
    pub fn take_back_memory(&self, base: usize, bytes: usize) {
        self.links.windows.lent.take_back_memory(base, bytes);
    }

    /// Hands everything committed to the transport now; nothing to do on shm. Waiting calls do it themselves.
    /// Errors: `Down`.
    pub fn flush(&self) -> Result<()> {
        self.links.link().flush();
        self.links.check()
    }

    /// Takes in what has come and serves whoever waits for it. Never blocks.
    #[inline]
    fn pump(&self) {
        let progress = self.links.link().progress();
        if progress != Progress::default() {
            self.dispatch(progress);
        }
        if self.notices_ready() {
            self.drain_some();
        }
        if self.links.is_still() {
            self.stopped();
        }
    }

    /// The link broke, or the lane ended.
    #[cold]
    fn stopped(&self) {
        if self.links.look().is_err() {
            self.announce_down();
        } else if self.links.is_suspended() {
            // It is the service thread that brings the lane back.
            self.notices.wake_sleeping_service();
        }
    }

    #[cold]
    fn dispatch(&self, progress: Progress) {
        if progress.slots != 0 {
            self.wake_slots(progress.slots);
        }
        if progress.board {
            fence(Ordering::SeqCst);
            if self.peer.load_u32(CONTROL_SPACE_WANTED, Ordering::Relaxed) != 0 {
                futex::wake_all(&self.own, BOARD_RELEASED);
                if self.leader() == LEADER_PRODUCER {
                    self.links.wake(Sleeper::Leader);
                }
            }
        }
    }

    /// Wakes everyone once the lane is down.
    #[cold]
    fn announce_down(&self) {
        if !self.down_announced.swap(true, Ordering::SeqCst) {
            for slot in 0..REPLY_SLOTS {
                futex::wake_all(&self.own, reply_slot_at(slot) + REPLY_POSITION);
            }
            futex::wake_all(&self.own, BOARD_RELEASED);
            self.links.wake(Sleeper::Leader);
            self.links.wake(Sleeper::Service);
            self.notices.wake_service();
        }
    }

    /// End of the last record reserved so far.
    pub fn reserved(&self) -> Position {
        self.producer.tail()
    }

    /// The server has read every record before this position. One memory load.
    pub fn consumed(&self) -> Position {
        self.own.load_u64(BOARD_CONSUMED, Ordering::Acquire)
    }

    /// Every record before this position has been executed. One memory load.
    pub fn executed(&self) -> Position {
        self.own.load_u64(BOARD_EXECUTED, Ordering::Acquire)
    }

    /// The sticky CUresult, 0 while none. One memory load.
    pub fn sticky_error(&self) -> u32 {
        self.own.load_u64(BOARD_STICKY, Ordering::Acquire) as u32
    }

    /// Word `index` that the worker publishes; 0 beyond the 64 there are. One memory load.
    pub fn word(&self, index: usize) -> u64 {
        if index < BOARD_WORDS {
            self.own
                .load_u64(BOARD_WORDS_AT + index * 8, Ordering::Acquire)
        } else {
            0
        }
    }

    /// How many errors of posted calls were ever logged. One memory load.
    pub fn errors_logged(&self) -> u64 {
        self.own.load_u64(BOARD_ERRORS, Ordering::Acquire)
    }

    /// The `nth` error (from 0); `None` if not logged yet or overwritten since.
    pub fn logged_error(&self, nth: u64) -> Option<LoggedError> {
        let within = |logged: u64| nth < logged && logged - nth <= ERROR_LOG_ENTRIES as u64;
        if !within(self.errors_logged()) {
            return None;
        }
        let at = ERROR_LOG_AT + (nth % ERROR_LOG_ENTRIES as u64) as usize * ERROR_LOG_ENTRY_BYTES;
        let position = self.own.load_u64(at, Ordering::Acquire);
        let word = self.own.load_u64(at + 8, Ordering::Acquire);
        // The entry is written before it is counted, so one that is being overwritten may be counted as intact;
        // its neighbour in the count is the first to go.
        let logged = self.errors_logged();
        (within(logged) && logged - nth < ERROR_LOG_ENTRIES as u64).then_some(LoggedError {
            position,
            opcode: word as u32,
            result: (word >> 32) as u32,
        })
    }

    /// Why the lane is down, if it is.
    pub fn down(&self) -> Option<DownCause> {
        self.links.health().cause()
    }

    /// Closes this end: every wait, here and at the peer, ends with `Down`.
    pub fn close(&self) {
        self.links.close();
        self.announce_down();
    }
}

/// Space for one record. `commit` posts it; dropped without, the space becomes padding.
#[must_use = "dropped, it posts nothing"]
pub struct Reservation<'a> {
    lane: &'a ClientLane,
    /// Taken by `commit`.
    reserved: Option<Reserved>,
}

impl<'a> Reservation<'a> {
    #[inline]
    fn reserved(&self) -> &Reserved {
        match &self.reserved {
            Some(reserved) => reserved,
            None => unreachable!("taken by commit, which consumes the reservation"),
        }
    }

    /// Bytes of payload reserved.
    #[inline]
    pub fn payload_len(&self) -> usize {
        self.reserved().payload_len()
    }

    /// Where the payload goes; 16-byte aligned, writable for `payload_len` bytes until `commit`.
    /// It may be shared memory that the server reads or even writes: write only, and no references.
    #[inline]
    pub fn payload_ptr(&mut self) -> *mut u8 {
        self.lane
            .producer
            .span()
            .ptr(self.reserved().payload_offset())
    }

    /// Copies `bytes` to `offset`. Panics if they do not fit: a bug of the caller.
    #[inline]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let reserved = self.reserved();
        assert!(
            offset <= reserved.payload_len() && bytes.len() <= reserved.payload_len() - offset,
            "beyond the record"
        );
        self.lane
            .producer
            .span()
            .write(reserved.payload_offset() + offset, bytes);
    }

    /// Has the payload from `offset` on taken from where it is, where the link can do that; else copies it. Panics if it does not fit: a
    /// bug of the caller.
    ///
    /// # Safety
    /// `len` bytes at `from` stay readable, and as they are, until the record was executed or they were taken back
    /// ([`ClientLane::take_back`]).
    pub unsafe fn lend(&mut self, offset: usize, from: *const u8, len: usize) {
        let reserved = self.reserved();
        assert!(offset <= reserved.payload_len() && len <= reserved.payload_len() - offset, "beyond the record");
        let position = reserved.payload_position() + offset as u64;
        // SAFETY: the caller's promise; the range is this reservation's.
        if !unsafe { self.lane.links.windows.lent.lend(position, len, from) } {
            // SAFETY: readable by the caller's promise; the place is inside the payload, which nobody else writes.
            unsafe { std::ptr::copy_nonoverlapping(from, self.payload_ptr().add(offset), len) };
        }
    }

    /// Posts the record; its end position, which also names the call in its reply.
    #[inline]
    pub fn commit(mut self) -> Position {
        let Some(reserved) = self.reserved.take() else {
            unreachable!("committed once")
        };
        let lane = self.lane;
        let end = lane.producer.commit(reserved);
        if lane.links.ring_committed(end) {
            lane.notices.want_service(lane);
        }
        end
    }

    /// Posts a call whose answer goes to `slot`. As `commit`, and the slot knows what it waits for, so that it is
    /// not reused before the answer came even if nobody waits for it. Whoever waits, or drops the slot, sends it.
    #[inline]
    pub fn commit_call(mut self, slot: &mut SlotGuard<'a>) -> Position {
        slot.expect(self.reserved().position_end());
        let Some(reserved) = self.reserved.take() else {
            unreachable!("committed once")
        };
        let end = self.lane.producer.commit(reserved);
        let _ = self.lane.links.ring_committed(end);
        self.lane.links.link().answer_acknowledges(end);
        end
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            self.lane.producer.abandon(reserved);
        }
    }
}
