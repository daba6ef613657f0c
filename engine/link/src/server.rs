//! The server's end of a lane: one GPU thread polls, any thread may answer.

use crate::{DownCause, LinkKind, Payload, Position, Result};
use std::time::Duration;

/// The server's end of a lane, owned by its GPU thread.
pub struct ServerLane {
    _private: (),
}

/// What other threads of the worker may do with the lane: answer, send notices, publish, wake.
#[derive(Clone)]
pub struct ServerHandle {
    _private: (),
}

/// One record, in place.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// End of the record: release up to it, answer with it.
    pub position_end: Position,
    /// The opcode.
    pub tag: u32,
    /// The payload, in the window, until `release(position_end)`.
    pub payload: Payload<'a>,
}

impl ServerLane {
    /// The next record in ring order, `None` if there is none now. Never blocks.
    /// The payload stays valid until [`ServerLane::release`] of its position, which may come much later
    /// (use `payload.as_ptr()` to keep it beyond the borrow).
    /// Errors: `Down` (the peer is gone or broke a rule).
    #[inline]
    pub fn poll(&mut self) -> Result<Option<RecordView<'_>>> {
        unreachable!("no lane can be made yet")
    }

    /// Gives the ring space before `position` back to the client. Positions may not go back.
    #[inline]
    pub fn release(&mut self, _position: Position) {
        unreachable!("no lane can be made yet")
    }

    /// Sleeps until the client posts, [`ServerHandle::wake`] is called, the peer is gone or `timeout` has passed.
    /// Spinning before is the caller's choice.
    pub fn park(&mut self, _timeout: Duration) -> Result<()> {
        unreachable!("no lane can be made yet")
    }

    /// For other threads of the worker.
    pub fn handle(&self) -> &ServerHandle {
        unreachable!("no lane can be made yet")
    }
}

impl ServerHandle {
    /// How the bytes travel.
    pub fn kind(&self) -> LinkKind {
        unreachable!("no lane can be made yet")
    }

    /// Answers the call that ended at `position` in reply slot `slot`, with up to 448 bytes.
    /// Notices committed before this call are seen by the waiter before the answer.
    /// Errors: `TooLarge`, `Down` (also `PeerMisbehaved` for a slot that does not exist).
    pub fn reply(&self, _slot: u16, _position: Position, _status: u32, _bytes: &[u8]) -> Result<()> {
        unreachable!("no lane can be made yet")
    }

    /// Sends a notice made of `parts`; `Full` if there is no space now. For the GPU thread. Returns its end position.
    pub fn try_notice(&self, _tag: u32, _parts: &[&[u8]]) -> Result<Position> {
        unreachable!("no lane can be made yet")
    }

    /// Sends a notice, waiting up to `timeout` for space. Not for the GPU thread.
    pub fn notice(&self, _tag: u32, _parts: &[&[u8]], _timeout: Duration) -> Result<Position> {
        unreachable!("no lane can be made yet")
    }

    /// Longest payload of a notice, in bytes.
    pub fn notice_payload_max(&self) -> usize {
        unreachable!("no lane can be made yet")
    }

    /// Publishes: every record before `position` has been executed. Seen by the client with the next flush or reply.
    pub fn set_executed(&self, _position: Position) {
        unreachable!("no lane can be made yet")
    }

    /// Publishes word `index` (below 64).
    pub fn set_word(&self, _index: usize, _value: u64) {
        unreachable!("no lane can be made yet")
    }

    /// Publishes the sticky error.
    pub fn set_sticky_error(&self, _result: u32) {
        unreachable!("no lane can be made yet")
    }

    /// Logs the failure of the posted call that ended at `position`.
    pub fn log_error(&self, _position: Position, _opcode: u32, _result: u32) {
        unreachable!("no lane can be made yet")
    }

    /// Makes what was published visible to the client now (at once on shm; `poll` does it when the ring is empty).
    pub fn flush(&self) -> Result<()> {
        unreachable!("no lane can be made yet")
    }

    /// Wakes the GPU thread out of [`ServerLane::park`].
    pub fn wake(&self) {
        unreachable!("no lane can be made yet")
    }

    /// Why the lane is down, if it is.
    pub fn down(&self) -> Option<DownCause> {
        unreachable!("no lane can be made yet")
    }

    /// Closes this end.
    pub fn close(&self) {
        unreachable!("no lane can be made yet")
    }
}
