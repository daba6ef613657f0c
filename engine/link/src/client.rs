//! The client's end of a lane: many threads post records and wait for replies.

use crate::{DownCause, LinkKind, Payload, Position, Result};
use std::time::Duration;

/// What a notice is handed to: tag and payload, in ring order, one at a time, on whichever thread drains
/// (a waiter or the service thread). It must not wait on this lane.
pub type NoticeSink = Box<dyn Fn(u32, Payload<'_>) + Send + Sync>;

/// The client's end of a lane. Shared by all threads of the program.
pub struct ClientLane {
    _private: (),
}

/// Head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// Status given by the worker (a CUresult).
    pub status: u32,
    /// Bytes of answer that were copied out.
    pub len: usize,
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
    /// How the bytes travel.
    pub fn kind(&self) -> LinkKind {
        unreachable!("no lane can be made yet")
    }

    /// Where notices go; set once, before the first wait. Until then notices stay in their ring.
    /// Errors: `Misuse` if already set.
    pub fn set_notice_sink(&self, _sink: NoticeSink) -> Result<()> {
        unreachable!("no lane can be made yet")
    }

    /// Reserves a record of `payload_len` bytes; waits up to `timeout` for ring space.
    /// Records are executed in the order of reservation; dropping the reservation posts nothing.
    /// Errors: `TooLarge`, `Timeout`, `Down`.
    #[inline]
    pub fn reserve(&self, _tag: u32, _payload_len: usize, _timeout: Duration) -> Result<Reservation<'_>> {
        unreachable!("no lane can be made yet")
    }

    /// Hands everything committed to the transport now; nothing to do on shm. Waiting calls do it themselves.
    pub fn flush(&self) -> Result<()> {
        unreachable!("no lane can be made yet")
    }

    /// Takes a reply slot, waiting up to `timeout` for one (there are 64).
    pub fn acquire_slot(&self, _timeout: Duration) -> Result<SlotGuard<'_>> {
        unreachable!("no lane can be made yet")
    }

    /// Hands notices that are there to the sink, without waiting; how many. 0 also if another thread is draining.
    pub fn drain_notices(&self) -> Result<usize> {
        unreachable!("no lane can be made yet")
    }

    /// For the client's one service thread, in a loop: sleeps until there are notices (or the transport wants
    /// work, or `timeout` has passed), drains them, returns how many. No CPU while the lane is idle.
    /// Errors: `Down`, after which the thread should end.
    pub fn wait_notices(&self, _timeout: Duration) -> Result<usize> {
        unreachable!("no lane can be made yet")
    }

    /// End of the last record reserved so far.
    pub fn reserved(&self) -> Position {
        unreachable!("no lane can be made yet")
    }

    /// The server has read every record before this position. One memory load.
    pub fn consumed(&self) -> Position {
        unreachable!("no lane can be made yet")
    }

    /// Every record before this position has been executed. One memory load.
    pub fn executed(&self) -> Position {
        unreachable!("no lane can be made yet")
    }

    /// The sticky CUresult, 0 while none. One memory load.
    pub fn sticky_error(&self) -> u32 {
        unreachable!("no lane can be made yet")
    }

    /// Word `index` (below 64) that the worker publishes. One memory load.
    pub fn word(&self, _index: usize) -> u64 {
        unreachable!("no lane can be made yet")
    }

    /// How many errors of posted calls were ever logged. One memory load.
    pub fn errors_logged(&self) -> u64 {
        unreachable!("no lane can be made yet")
    }

    /// The `nth` error (from 0); `None` if not logged yet or overwritten since.
    pub fn logged_error(&self, _nth: u64) -> Option<LoggedError> {
        unreachable!("no lane can be made yet")
    }

    /// Why the lane is down, if it is.
    pub fn down(&self) -> Option<DownCause> {
        unreachable!("no lane can be made yet")
    }

    /// Closes this end: every wait, here and at the peer, ends with `Down`.
    pub fn close(&self) {
        unreachable!("no lane can be made yet")
    }
}

/// Space for one record. `commit` posts it; dropped without, the space becomes padding.
pub struct Reservation<'a> {
    _lane: &'a ClientLane,
}

impl Reservation<'_> {
    /// Bytes of payload reserved.
    pub fn payload_len(&self) -> usize {
        unreachable!("no lane can be made yet")
    }

    /// Where the payload goes; 16-byte aligned, writable for `payload_len` bytes until `commit`.
    #[inline]
    pub fn payload_ptr(&mut self) -> *mut u8 {
        unreachable!("no lane can be made yet")
    }

    /// Copies `bytes` to `offset`. Panics if they do not fit: a bug of the caller.
    #[inline]
    pub fn write_at(&mut self, _offset: usize, _bytes: &[u8]) {
        unreachable!("no lane can be made yet")
    }

    /// Posts the record; its end position, which also names the call in its reply.
    #[inline]
    pub fn commit(self) -> Position {
        unreachable!("no lane can be made yet")
    }
}

/// One reply slot, owned by the thread that waits.
pub struct SlotGuard<'a> {
    _lane: &'a ClientLane,
}

impl SlotGuard<'_> {
    /// Index to write into the call's header.
    pub fn index(&self) -> u16 {
        unreachable!("no lane can be made yet")
    }

    /// Waits for the answer to the record that ended at `position`, copies it to `out` (as much as fits), after
    /// every notice that the server sent before it was handed to the sink. Drains notices while it waits.
    /// After a timeout the slot stays taken until the late answer came, so it cannot be mistaken for another.
    /// Errors: `Timeout`, `Down`.
    pub fn wait(&mut self, _position: Position, _timeout: Duration, _out: &mut [u8]) -> Result<ReplyHead> {
        unreachable!("no lane can be made yet")
    }
}
