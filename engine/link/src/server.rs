//! The server's end of a lane: one GPU thread polls, any thread may answer.

use crate::lane::{Links, NotResumed, Patience, Resumption, Windows};
use crate::link::{Area, Link, Sleeper, corrupt_rule};
use crate::rdma::{Job, TransferError, Transfers};
use crate::{DownCause, LinkError, LinkEvent, LinkKind, Payload, Position, Result};
use ringway_shm_ring::{Consumer, Producer, ReserveError, Span};
use ringway_wire::layout::*;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Shorter data is copied into the ring, though it could be sent from where it is: all of a notice goes at once then.
const LENT_BYTES_MIN: usize = 4 << 10;
/// Empty polls between two looks at whether the peer is still there.
const POLLS_PER_CHECK: u32 = 4096;

/// The server's end of a lane, owned by its GPU thread. Dropping it ends the connection.
pub struct ServerLane {
    handle: ServerHandle,
    consumer: Consumer,
    /// What the board says of `consumer.head()`.
    consumed_published: Position,
    /// Ring bytes between two looks at producers that want space.
    space_step: u64,
    sleeps: u32,
    empty_polls: u32,
}

/// What other threads of the worker may do with the lane: answer, send notices, publish, wake.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerHandle({:?})", self.kind())
    }
}

struct Shared {
    links: Links,
    /// The window that the client writes.
    own: Span,
    /// The window that this end writes.
    peer: Span,
    notices: Producer,
    errors_logged: Mutex<u64>,
}

/// What was lent to a lane for its notices. When it ends, nothing of that is read any more; what the client has not read by then is
/// copied, so it is cheap only some time later.
#[derive(Debug)]
pub struct Loan {
    lane: ServerHandle,
    from: Position,
    to: Position,
}

impl Loan {
    /// Nothing more is lent.
    pub fn complete(&mut self) {
        self.to = self.lane.shared.notices.tail();
    }
}

/// See [`ServerHandle::cork`].
#[must_use = "dropped at once, it does nothing"]
pub struct Cork<'a>(&'a dyn Link);

impl Drop for Cork<'_> {
    fn drop(&mut self) {
        self.0.uncork();
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lane.shared.links.windows.lent.take_back(self.from, self.to);
    }
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
    pub(crate) fn new(link: Box<dyn Link>, windows: Windows) -> ServerLane {
        let ring = windows.incoming();
        let key = submit_key(windows.config.lane_key);
        let (notice_ring, notice_key) = windows.outgoing();
        let released = windows.own.sub(CONTROL_NOTICE_RELEASED, 8);
        let shared = Shared {
            own: windows.own.clone(),
            peer: windows.peer.clone(),
            links: Links::new(link, windows),
            notices: Producer::new(notice_ring, released, notice_key),
            errors_logged: Mutex::new(0),
        };
        ServerLane {
            handle: ServerHandle {
                shared: Arc::new(shared),
            },
            space_step: (ring.len() / 16) as u64,
            consumer: Consumer::new(ring, key),
            consumed_published: 0,
            sleeps: 0,
            empty_polls: 0,
        }
    }

    /// The next record in ring order, `None` if there is none now. Never blocks.
    /// The payload stays valid until [`ServerLane::release`] of its position, which may come much later
    /// (use `payload.as_ptr()` to keep it beyond the borrow).
    /// While the lane is suspended there is none, after those that had arrived.
    /// Errors: `Down` (the peer is gone, after everything it posted was polled; or it broke a rule).
    #[inline]
    pub fn poll(&mut self) -> Result<Option<RecordView<'_>>> {
        let shared = &*self.handle.shared;
        let link = shared.links.link();
        let mut polled = self.consumer.poll(link.received());
        if matches!(polled, Ok(None)) {
            link.progress();
            polled = self.consumer.poll(link.received());
        }
        match polled {
            Ok(Some(record)) => {
                shared
                    .peer
                    .store_u64(BOARD_CONSUMED, record.position_end, Ordering::Release);
                self.consumed_published = record.position_end;
                let ptr = self.consumer.span().ptr(record.payload_offset);
                // SAFETY: the consumer checked that the payload lies in the ring, which stays mapped while the lane
                // lives.
                let payload = unsafe { Payload::new(ptr, record.len as usize) };
                Ok(Some(RecordView {
                    position_end: record.position_end,
                    tag: record.tag,
                    payload,
                }))
            }
            Ok(None) => self.idle(),
            Err(corrupt) => {
                let (rule, what) = corrupt_rule(corrupt);
                Err(shared.links.misbehaved(rule, what))
            }
        }
    }

    /// Nothing there: let the client know how far everything is.
    #[inline]
    fn idle(&mut self) -> Result<Option<RecordView<'_>>> {
        let shared = &*self.handle.shared;
        let head = self.consumer.head();
        if head != self.consumed_published {
            // Past padding, which counts as consumed too.
            self.consumed_published = head;
            shared
                .peer
                .store_u64(BOARD_CONSUMED, head, Ordering::Release);
        }
        shared.links.link().idle();
        self.empty_polls = self.empty_polls.wrapping_add(1);
        if self.empty_polls.is_multiple_of(POLLS_PER_CHECK) {
            shared.links.link().check_peer();
        }
        shared.links.look()?;
        Ok(None)
    }

    /// Makes the record that `poll` gave last the next one again: it is not to be executed yet. `len` is its payload's length.
    /// Panics if it is not the last one, or was released: a bug of the caller.
    pub fn put_back(&mut self, position_end: Position, len: usize) {
        self.consumer.put_back(position_end, len);
        self.consumed_published = self.consumer.head();
    }

    /// Gives the ring space before `position` back to the client. Positions that were released before do nothing.
    /// Panics beyond what was polled: a bug of the caller.
    #[inline]
    pub fn release(&mut self, position: Position) {
        let before = self.consumer.released();
        let Some(position) = self.consumer.release(position) else {
            return;
        };
        let shared = &*self.handle.shared;
        // [SYNC release]
        shared
            .peer
            .store_u64(BOARD_RELEASED, position, Ordering::Release);
        if position == self.consumer.head()
            || before / self.space_step != position / self.space_step
        {
            shared.links.written(Area::Released);
        }
    }

    /// The record that ended at `position` is a call: the client waits for its answer, and not for its acknowledgement.
    #[inline]
    pub fn answer_acknowledges(&self, position: Position) {
        self.handle.shared.links.link().answer_acknowledges(position);
    }

    /// Sleeps until the client posts, [`ServerHandle::wake`] is called, the peer is gone or `timeout` has passed. A lane that
    /// is suspended for longer than it is kept ends here.
    /// Spinning before is the caller's choice.
    /// Errors: `Down`.
    pub fn park(&mut self, timeout: Duration) -> Result<()> {
        let shared = &*self.handle.shared;
        self.sleeps = self.sleeps.wrapping_add(2) | 1;
        // Store "parked", then look; the client commits, then looks at "parked". [SYNC server parked]
        shared
            .peer
            .store_u32(BOARD_SERVER_PARKED, self.sleeps, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !self.ready() && shared.links.check().is_ok() {
            shared.links.link().flush();
            if shared
                .links
                .sleep(Sleeper::Leader, timeout, || self.ready())
            {
                shared.links.link().drain_doorbell();
            }
        }
        shared
            .peer
            .store_u32(BOARD_SERVER_PARKED, self.sleeps & !1, Ordering::Relaxed);
        shared.links.link().progress();
        if self.ready() {
            Ok(())
        } else {
            shared.links.look()
        }
    }

    fn ready(&self) -> bool {
        self.consumer.is_ready()
            && self.handle.shared.links.link().received() > self.consumer.head()
    }

    /// Bytes of the two rings that were used so far, records' heads and padding included: from the client, and to it.
    pub fn traffic(&self) -> (u64, u64) {
        (self.consumer.head(), self.handle.shared.notices.tail())
    }

    /// For other threads of the worker.
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }
}

impl std::ops::Deref for ServerLane {
    type Target = ServerHandle;

    fn deref(&self) -> &ServerHandle {
        &self.handle
    }
}

impl Drop for ServerLane {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl ServerHandle {
    /// How the bytes travel.
    pub fn kind(&self) -> LinkKind {
        self.shared.links.link().kind()
    }

    /// From now on a broken link suspends the lane instead of ending it: for `grace`, or for `grace_after_end` if the
    /// connection ended in order but without a farewell, which is what a killed process leaves. No effect on shm.
    pub fn keep(&self, grace: Duration, grace_after_end: Duration) {
        self.shared.links.keep(Patience {
            grace: Some(grace),
            grace_after_end: Some(grace_after_end),
        });
    }

    /// Who is told when the link breaks and when another one continues; called by any thread, and must not wait.
    /// Errors: `Misuse` if there is one.
    pub fn watch(&self, watcher: impl Fn(&LinkEvent) + Send + Sync + 'static) -> Result<()> {
        self.shared.links.watch(Box::new(watcher))
    }

    /// Begins to continue a suspended lane; then [`Resumption::positions`] is for the client, and
    /// [`tcp::resume`](crate::tcp::resume) or its like takes the resumption. `attempt` must be greater than every number that was accepted
    /// before.
    ///
    /// # Errors
    /// [`NotResumed`]; the lane is as it was.
    pub fn begin_resume(&self, attempt: u64) -> Result<Resumption<'_>, NotResumed> {
        self.shared.links.begin(Some(attempt), || self.shared.notices.tail())
    }

    /// Transfers past the ring on the link in use; None where it has none.
    pub fn transfers(&self) -> Option<Arc<Transfers>> {
        self.shared.links.link().transfers().filter(|it| !it.have_ended()).cloned()
    }

    /// Makes a transfer past the ring and waits for its end, which is bounded. Where it fails on the way, the link is given up;
    /// what is sent afterwards goes by the next one.
    ///
    /// # Errors
    /// [`TransferError`]: the bytes are not, or not all, in place; but nothing of the transfer happens any more, at the client
    /// either once it has the next link.
    pub fn transfer(&self, transfers: &Transfers, job: &Job<'_>) -> Result<(), TransferError> {
        let result = transfers.run(job);
        if let Err(error @ (TransferError::Broken(_) | TransferError::Refused(_))) = &result {
            self.give_up(transfers, error);
        }
        result
    }

    /// Gives up the link of these transfers, at both ends, if it is in use: the client takes another.
    pub fn give_up(&self, transfers: &Transfers, why: &TransferError) {
        transfers.stop();
        let link = self.shared.links.link();
        if link.transfers().is_some_and(|current| std::ptr::eq(&**current, transfers)) {
            link.break_off(why.to_string());
        }
    }

    /// Answers the call that ended at `position` in reply slot `slot`, with up to 448 bytes.
    /// Notices committed before this call are seen by the waiter before the answer.
    /// Errors: `TooLarge`, `Down` (also `PeerMisbehaved` for a slot that does not exist).
    pub fn reply(&self, slot: u16, position: Position, status: u32, bytes: &[u8]) -> Result<()> {
        let Shared {
            links,
            peer,
            notices,
            ..
        } = &*self.shared;
        if usize::from(slot) >= REPLY_SLOTS {
            return Err(links.misbehaved("W8", "a reply slot that does not exist"));
        }
        if bytes.len() > REPLY_INLINE_MAX {
            return Err(LinkError::TooLarge {
                len: bytes.len(),
                max: REPLY_INLINE_MAX,
            });
        }
        links.check()?;
        let at = reply_slot_at(slot.into());
        peer.write(at + REPLY_HEADER, bytes);
        let status_len = u64::from(status) | (bytes.len() as u64) << 32;
        peer.store_u64(at + REPLY_STATUS_LEN, status_len, Ordering::Relaxed);
        peer.store_u64(
            at + REPLY_NOTICE_POSITION,
            notices.tail(),
            Ordering::Relaxed,
        );
        // Release: the answer before its position. [SYNC reply]
        peer.store_u64(at + REPLY_POSITION, position, Ordering::Release);
        links.written(Area::Slot(slot));
        Ok(())
    }

    /// Sends a notice made of `parts`; `Full` if there is no space now. For the GPU thread. Returns its end position.
    /// Errors: `Full`, `TooLarge`, `Down`, `Misuse`.
    pub fn try_notice(&self, tag: u32, parts: &[&[u8]]) -> Result<Position> {
        // SAFETY: nothing is lent.
        unsafe { self.try_notice_lending(tag, parts, &[]) }
    }

    /// As [`Self::try_notice`], and `data` behind the parts: taken from where it is, where the link can do that.
    /// Errors: `Full`, `TooLarge`, `Down`, `Misuse`.
    ///
    /// # Safety
    /// As [`Self::notice_lending`].
    pub unsafe fn try_notice_lending(&self, tag: u32, parts: &[&[u8]], data: &[u8]) -> Result<Position> {
        let Shared {
            links,
            peer,
            notices,
            ..
        } = &*self.shared;
        links.check()?;
        let len = parts.iter().map(|part| part.len()).sum::<usize>() + data.len();
        let reserved = match notices.try_reserve(tag, len) {
            Err(ReserveError::Full) => {
                // Store "wanted", then look; the client releases, then looks at "wanted".
                peer.store_u32(BOARD_NOTICE_WANTED, 1, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                notices.try_reserve(tag, len)
            }
            other => other,
        };
        let reserved = reserved.map_err(|error| match error {
            ReserveError::Full => LinkError::Full,
            ReserveError::TooLarge => LinkError::TooLarge {
                len,
                max: notices.payload_max(),
            },
            ReserveError::BadTag => LinkError::Misuse("the tag of padding"),
            ReserveError::PeerReleasedTooMuch => {
                links.misbehaved("W7", "released what was never written")
            }
        })?;
        if peer.load_u32(BOARD_NOTICE_WANTED, Ordering::Relaxed) != 0 {
            peer.store_u32(BOARD_NOTICE_WANTED, 0, Ordering::Relaxed);
        }
        let mut at = reserved.payload_offset();
        for part in parts {
            notices.span().write(at, part);
            at += part.len();
        }
        if !data.is_empty() {
            let position = reserved.payload_position() + (at - reserved.payload_offset()) as u64;
            // SAFETY: the caller's promise; the range is this reservation's.
            if data.len() < LENT_BYTES_MIN || !unsafe { links.windows.lent.lend(position, data.len(), data.as_ptr()) } {
                notices.span().write(at, data);
            }
        }
        let end = notices.commit(reserved);
        // The GPU thread looks for acknowledgements, and sends then.
        links.ring_committed(end);
        Ok(end)
    }

    /// Sends a notice, waiting up to `timeout` for space; time in which the lane is suspended does not count. Not for the GPU thread, which keeps the lane moving.
    /// Errors: `Timeout`, `TooLarge`, `Down`, `Misuse`.
    pub fn notice(&self, tag: u32, parts: &[&[u8]], timeout: Duration) -> Result<Position> {
        // SAFETY: nothing is lent.
        unsafe { self.notice_lending(tag, parts, &[], timeout) }
    }

    /// As [`Self::notice`], and `data` behind the parts: taken from where it is, where the link can do that.
    /// Errors: `Timeout`, `TooLarge`, `Down`, `Misuse`.
    ///
    /// # Safety
    /// `data` stays readable, and as it is, until a [`Loan`] that began before this call has ended.
    pub unsafe fn notice_lending(&self, tag: u32, parts: &[&[u8]], data: &[u8], timeout: Duration) -> Result<Position> {
        let mut start = Instant::now();
        let mut nap = Duration::from_micros(20);
        loop {
            // SAFETY: the caller's promise.
            match unsafe { self.try_notice_lending(tag, parts, data) } {
                Err(LinkError::Full) => {}
                other => return other,
            }
            if self.shared.links.is_suspended() {
                start = Instant::now();
            }
            if start.elapsed() >= timeout {
                return Err(LinkError::Timeout {
                    what: "notice ring space",
                    after: timeout,
                });
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(1));
        }
    }

    /// Whether data is taken from where it is, [`Self::notice_lending`]. May change at any time.
    pub fn lends(&self) -> bool {
        self.shared.links.windows.lent.is_open()
    }

    /// Begins a loan: what is lent from now on until [`Loan::complete`].
    pub fn loan(&self) -> Loan {
        let at = self.shared.notices.tail();
        Loan { lane: self.clone(), from: at, to: Position::MAX }
    }

    /// Longest payload of a notice, in bytes.
    pub fn notice_payload_max(&self) -> usize {
        self.shared.notices.payload_max()
    }

    /// Publishes: every record before `position` has been executed. Positions that go back do nothing.
    /// Where bytes travel, it goes with the next reply, or when `poll` finds nothing or `flush` is called.
    pub fn set_executed(&self, position: Position) {
        if self
            .shared
            .peer
            .fetch_max_u64(BOARD_EXECUTED, position, Ordering::AcqRel)
            < position
        {
            self.shared.links.written(Area::Executed);
        }
    }

    /// Publishes word `index`. Panics if it is not below 64.
    pub fn set_word(&self, index: usize, value: u64) {
        assert!(index < BOARD_WORDS, "no such word");
        self.shared
            .peer
            .store_u64(BOARD_WORDS_AT + index * 8, value, Ordering::Release);
        self.shared.links.written(Area::Words);
    }

    /// Publishes the sticky error.
    pub fn set_sticky_error(&self, result: u32) {
        self.shared
            .peer
            .store_u64(BOARD_STICKY, result.into(), Ordering::Release);
        self.shared.links.written(Area::Board);
    }

    /// Logs the failure of the posted call that ended at `position`.
    pub fn log_error(&self, position: Position, opcode: u32, result: u32) {
        let mut logged = self
            .shared
            .errors_logged
            .lock()
            .unwrap_or_else(|e| e.into_inner());
        let at =
            ERROR_LOG_AT + (*logged % ERROR_LOG_ENTRIES as u64) as usize * ERROR_LOG_ENTRY_BYTES;
        self.shared.peer.store_u64(at, position, Ordering::Release);
        self.shared.peer.store_u64(
            at + 8,
            u64::from(opcode) | u64::from(result) << 32,
            Ordering::Release,
        );
        *logged += 1;
        self.shared
            .peer
            .store_u64(BOARD_ERRORS, *logged, Ordering::Release);
        self.shared.links.written(Area::ErrorLog);
    }

    /// While the result is there, answers and notices may wait for each other, and go together when it is dropped.
    pub fn cork(&self) -> Cork<'_> {
        let link = self.shared.links.link();
        link.cork();
        Cork(link)
    }

    /// Makes what was published visible to the client now (at once on shm; `poll` does it when the ring is empty).
    /// Errors: `Down`.
    pub fn flush(&self) -> Result<()> {
        self.shared.links.link().flush();
        self.shared.links.check()
    }

    /// Wakes the GPU thread out of [`ServerLane::park`], or out of its next one.
    pub fn wake(&self) {
        self.shared.links.wake(Sleeper::Leader);
    }

    /// Bytes of the two windows, as mapped at this end.
    pub fn window_bytes(&self) -> usize {
        self.shared.own.len() + self.shared.peer.len()
    }

    /// Why the lane is down, if it is.
    pub fn down(&self) -> Option<DownCause> {
        self.shared.links.health().cause()
    }

    /// Says that this end is about to end, so that the end of the connection is not taken for a break. The lane goes on.
    pub fn farewell(&self) {
        self.shared.links.link().farewell();
    }

    /// Closes this end: every wait, here and at the peer, ends with `Down`.
    pub fn close(&self) {
        self.shared.links.close();
    }
}
