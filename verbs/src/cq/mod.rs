//! Completion queues: what has been done, and how to sleep until something is.

mod channel;
pub(crate) mod poll;

pub use channel::CompletionChannel;
pub use poll::Completions;

use crate::sys::{not_null, zero};
use crate::{Context, Error, Result};
use rdma_mummy_sys as ffi;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A completion queue. Cheap to clone; destroyed when the last queue pair and handle are gone.
///
/// It cannot be overrun: queue pairs reserve room in it for all that they may have under way, and are not made if there
/// is none left. The room of a queue pair that is gone comes back when the queue was polled empty.
#[derive(Clone)]
pub struct CompletionQueue(pub(crate) Arc<CqInner>);

pub(crate) struct CqInner {
    pub(crate) raw: *mut ffi::ibv_cq,
    depth: u32,
    /// Entries promised to queue pairs.
    reserved: AtomicU32,
    /// All entries that had ever been promised to queue pairs which are gone. Some devices leave their completions in the
    /// queue, so these entries are not free before the queue was seen empty.
    left_behind: AtomicU64,
    /// As `left_behind` was when the queue was last seen empty.
    settled: AtomicU64,
    context: Context,
    /// None if the queue has no events. Dropped after the queue.
    channel: Option<CompletionChannel>,
}

// SAFETY: verbs are thread-safe; the pointer is valid until drop.
unsafe impl Send for CqInner {}
// SAFETY: as above.
unsafe impl Sync for CqInner {}

impl Drop for CqInner {
    fn drop(&mut self) {
        if self.context.is_ours() {
            // SAFETY: made in `new`; queue pairs hold this value, so none is left.
            unsafe { ffi::ibv_destroy_cq(self.raw) };
        }
    }
}

impl Context {
    /// A completion queue of `depth` entries that is only polled. `ibv_create_cq(3)`.
    pub fn completion_queue(&self, depth: u32) -> Result<CompletionQueue> {
        CompletionQueue::new(self, depth, None, 0)
    }

    /// A completion queue of `depth` entries that can also be slept on, with a channel of its own.
    pub fn completion_queue_with_events(&self, depth: u32, vector: u32) -> Result<CompletionQueue> {
        self.completion_queue_on(&self.completion_channel()?, depth, vector)
    }
}

impl CompletionQueue {
    pub(crate) fn new(
        context: &Context,
        depth: u32,
        channel: Option<&CompletionChannel>,
        vector: u32,
    ) -> Result<CompletionQueue> {
        let max = context.limits().completions_max;
        let entries = match i32::try_from(depth) {
            Ok(entries) if entries > 0 && depth <= max => entries,
            _ => {
                return Err(Error::Limit {
                    what: "entries of a completion queue",
                    asked: depth.into(),
                    max: max.into(),
                });
            }
        };
        // SAFETY: an open device, and a channel of it or none.
        let raw = unsafe {
            let vectors = (*context.raw()).num_comp_vectors.max(1);
            ffi::ibv_create_cq(
                context.raw(),
                entries,
                std::ptr::null_mut(),
                channel.map_or(std::ptr::null_mut(), |channel| channel.0.raw),
                (vector % vectors.unsigned_abs()).cast_signed(),
            )
        };
        Ok(CompletionQueue(Arc::new(CqInner {
            raw: not_null("ibv_create_cq", raw)?,
            depth,
            reserved: AtomicU32::new(0),
            left_behind: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            context: context.clone(),
            channel: channel.cloned(),
        })))
    }

    /// A queue of nothing. It must never be dropped.
    #[cfg(test)]
    pub(crate) fn pretend(context: &Context) -> CompletionQueue {
        CompletionQueue(Arc::new(CqInner {
            raw: std::ptr::null_mut(),
            depth: 0,
            reserved: AtomicU32::new(0),
            left_behind: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            context: context.clone(),
            channel: None,
        }))
    }

    /// Entries, as asked for.
    pub fn depth(&self) -> u32 {
        self.0.depth
    }

    /// The device.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Puts events off until `count` completions are there or `period_us` microseconds have passed since the first:
    /// fewer interrupts for more latency. `ibv_modify_cq(3)`. Errors: unsupported where the device does not offer it.
    pub fn moderate(&self, count: u16, period_us: u16) -> Result<()> {
        let limits = self.0.context.limits();
        let what = "moderation of completion events";
        if limits.moderation_count_max == 0 {
            return Err(Error::Unsupported { what });
        }
        for (asked, max) in [
            (count, limits.moderation_count_max),
            (period_us, limits.moderation_period_us_max),
        ] {
            if asked > max {
                return Err(Error::Limit {
                    what,
                    asked: asked.into(),
                    max: max.into(),
                });
            }
        }
        let mut attr = ffi::ibv_modify_cq_attr {
            attr_mask: ffi::ibv_cq_attr_mask::IBV_CQ_ATTR_MODERATE.0,
            moderate: ffi::ibv_moderate_cq {
                cq_count: count,
                cq_period: period_us,
            },
        };
        // SAFETY: a live queue and a complete attribute.
        zero("ibv_modify_cq", unsafe {
            ffi::ibv_modify_cq(self.0.raw, &raw mut attr)
        })
    }

    /// Asks for one event at the next completion, or, with `solicited_only`, at the next receive that the peer marked,
    /// or error. Completions that are there already do not count: poll again after arming, before waiting.
    /// `ibv_req_notify_cq(3)`.
    #[inline]
    pub fn arm(&self, solicited_only: bool) -> Result<()> {
        // SAFETY: a live queue.
        let result = unsafe { ffi::ibv_req_notify_cq(self.0.raw, solicited_only.into()) };
        zero("ibv_req_notify_cq", result)
    }

    /// Where its events come; None for a queue without events.
    pub fn channel(&self) -> Option<&CompletionChannel> {
        self.0.channel.as_ref()
    }

    /// Polls; if nothing is there, arms the queue, polls again, and sleeps for at most `timeout`. An empty result means
    /// that the time passed, or that an event came whose completions somebody else has polled.
    pub fn poll_or_wait<'b, const N: usize>(
        &self,
        into: &'b mut Completions<N>,
        timeout: Duration,
    ) -> Result<&'b [Completion]> {
        let mut count = self.poll_count(into)?;
        if count == 0 {
            let channel = self.channel();
            let channel = channel.ok_or(Error::Misuse(
                "waiting on a completion queue without events",
            ))?;
            self.arm(false)?;
            count = self.poll_count(into)?;
            if count == 0 && channel.wait(timeout)? {
                count = self.poll_count(into)?;
            }
        }
        Ok(into.filled(count))
    }

    /// Promises `entries` of the queue to a queue pair.
    pub(crate) fn reserve(&self, entries: u32) -> Result<()> {
        let settled = self.0.settled.load(Ordering::Acquire);
        let left = self
            .0
            .left_behind
            .load(Ordering::Acquire)
            .saturating_sub(settled);
        let room = u64::from(self.0.depth).saturating_sub(left) as u32;
        let reserved = |have: u32| have.checked_add(entries).filter(|&all| all <= room);
        self.0
            .reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserved)
            .map(|_| ())
            .map_err(|have| Error::Limit {
                what: "entries of the completion queue for this queue pair",
                asked: entries.into(),
                max: room.saturating_sub(have).into(),
            })
    }

    /// Takes back a promise of which nothing was used.
    pub(crate) fn release(&self, entries: u32) {
        self.0.reserved.fetch_sub(entries, Ordering::Relaxed);
    }

    /// Takes back the promise to a queue pair that has been destroyed.
    pub(crate) fn leave_behind(&self, entries: u32) {
        self.0
            .left_behind
            .fetch_add(entries.into(), Ordering::AcqRel);
        self.release(entries);
    }

    /// The queue was seen empty after `left_behind` had that value: those entries are free.
    #[cold]
    fn settle(&self, left_behind: u64) {
        self.0.settled.fetch_max(left_behind, Ordering::AcqRel);
    }
}

/// Which queue a work request was posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// A send queue: sends, writes, reads, atomics.
    Send,
    /// A receive queue.
    Receive,
    /// A shared receive queue.
    SharedReceive,
}

/// What `wr_id` holds: the position in the queue (30 bits), the queue (2 bits), the caller's tag (32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkId(pub(crate) u64);

/// Positions count modulo this.
pub(crate) const POSITION_MASK: u32 = (1 << 30) - 1;

impl WorkId {
    #[inline]
    pub(crate) fn new(queue: Queue, position: u32, tag: u32) -> WorkId {
        let queue = match queue {
            Queue::Send => 1,
            Queue::Receive => 2,
            Queue::SharedReceive => 3,
        };
        WorkId(u64::from(tag) << 32 | queue << 30 | u64::from(position & POSITION_MASK))
    }

    #[inline]
    pub(crate) fn position(self) -> u32 {
        self.0 as u32 & POSITION_MASK
    }

    #[inline]
    pub(crate) fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// None for an identifier that is not ours.
    #[inline]
    pub(crate) fn queue(self) -> Option<Queue> {
        match self.0 >> 30 & 3 {
            1 => Some(Queue::Send),
            2 => Some(Queue::Receive),
            3 => Some(Queue::SharedReceive),
            _ => None,
        }
    }
}

/// One entry of a completion queue. What it says of the work is only there if the status is success.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Completion(pub(crate) ffi::ibv_wc);

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A send has been received by the peer.
    Send,
    /// A write has been placed at the peer.
    Write,
    /// A read has arrived.
    Read,
    /// A compare-and-swap; the former value has arrived.
    CompareSwap,
    /// A fetch-and-add; the former value has arrived.
    FetchAdd,
    /// A send of the peer has arrived.
    Receive,
    /// A write of the peer that carried immediate data, and all its writes before it, are in place.
    ReceiveWithWrite,
    /// Another one, by its number.
    Other(u32),
}

/// A work request that has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// What it was.
    pub opcode: Opcode,
    /// The tag it was posted with.
    pub tag: u32,
    /// Bytes received, for receives and reads; a device may leave it 0 for others.
    pub bytes: u32,
    /// Immediate data of the peer, for receives that have it.
    pub immediate: Option<u32>,
}

impl Completion {
    /// The queue pair it is about, by its number.
    #[inline]
    pub fn qp_number(&self) -> u32 {
        self.0.qp_num
    }

    /// The queue it was posted to; None if it was not posted through this crate.
    #[inline]
    pub fn queue(&self) -> Option<Queue> {
        self.id().queue()
    }

    /// The tag it was posted with; valid for errors too.
    #[inline]
    pub fn tag(&self) -> u32 {
        self.id().tag()
    }

    #[inline]
    pub(crate) fn id(&self) -> WorkId {
        WorkId(self.0.wr_id)
    }

    /// What was done. Errors: the status, if it is not success. A queue's `reap` gives the same and also frees its place.
    #[inline]
    pub fn result(&self) -> Result<Work, CompletionError> {
        if self.0.status != ffi::ibv_wc_status::IBV_WC_SUCCESS {
            return Err(self.failed());
        }
        let with_immediate = self.0.wc_flags & ffi::ibv_wc_flags::IBV_WC_WITH_IMM.0 != 0;
        Ok(Work {
            opcode: Opcode::from_raw(self.0.opcode),
            tag: self.id().tag(),
            bytes: self.0.byte_len,
            immediate: with_immediate.then(|| {
                // SAFETY: both variants are plain numbers; the flag says that this one is meant.
                u32::from_be(unsafe { self.0.imm_data_invalidated_rkey_union.imm_data })
            }),
        })
    }

    #[cold]
    fn failed(&self) -> CompletionError {
        CompletionError::Failed {
            status: Status(self.0.status),
            vendor: self.0.vendor_err,
            queue: self.queue(),
            tag: self.tag(),
            qp_number: self.0.qp_num,
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut show = f.debug_struct("Completion");
        show.field("qp_number", &self.qp_number());
        show.field("queue", &self.queue());
        show.field("result", &self.result()).finish()
    }
}

impl Opcode {
    #[inline]
    fn from_raw(opcode: ffi::ibv_wc_opcode::Type) -> Opcode {
        use ffi::ibv_wc_opcode::*;
        match opcode {
            IBV_WC_SEND => Opcode::Send,
            IBV_WC_RDMA_WRITE => Opcode::Write,
            IBV_WC_RDMA_READ => Opcode::Read,
            IBV_WC_COMP_SWAP => Opcode::CompareSwap,
            IBV_WC_FETCH_ADD => Opcode::FetchAdd,
            IBV_WC_RECV => Opcode::Receive,
            IBV_WC_RECV_RDMA_WITH_IMM => Opcode::ReceiveWithWrite,
            other => Opcode::Other(other),
        }
    }
}

/// A status that is not success (`enum ibv_wc_status`, `ibv_poll_cq(3)`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

/// Verbs' name, and what it usually means.
const STATUSES: [(&str, &str); 24] = [
    ("success", ""),
    (
        "local length error",
        "the message is longer than the receive's memory, or than the port allows",
    ),
    (
        "local QP operation error",
        "the request does not fit the queue pair's settings",
    ),
    ("local EE context operation error", ""),
    (
        "local protection error",
        "local memory is not registered, in another protection domain, or too short",
    ),
    (
        "Work Request Flushed Error",
        "the queue pair had failed before; the first error tells the cause",
    ),
    ("memory bind operation error", ""),
    (
        "bad response error",
        "the peer answered what it should not have",
    ),
    (
        "local access error",
        "local memory is not registered for being written",
    ),
    (
        "remote invalid request error",
        "the peer cannot take the request: its receive is too short, or atomics are off",
    ),
    (
        "remote access error",
        "the peer's region does not allow this access: wrong key, outside the region, or deregistered",
    ),
    ("remote operation error", "the peer failed in its own work"),
    (
        "transport retry counter exceeded",
        "the peer does not answer: it is gone, or packets are lost",
    ),
    (
        "RNR retry counter exceeded",
        "the peer has no receive posted",
    ),
    ("local RDD violation error", ""),
    ("remote invalid RD request", ""),
    ("aborted error", "the request was aborted"),
    ("invalid EE context number", ""),
    ("invalid EE context state", ""),
    ("fatal error", "the device has failed"),
    ("response timeout error", "the peer did not answer in time"),
    ("general error", ""),
    ("TM error", ""),
    ("TM software rendezvous", ""),
];

impl Status {
    /// Requests that were given up because the queue pair had failed or was closed.
    pub const FLUSHED: Status = Status(ffi::ibv_wc_status::IBV_WC_WR_FLUSH_ERR);
    /// The peer's region does not allow it.
    pub const REMOTE_ACCESS: Status = Status(ffi::ibv_wc_status::IBV_WC_REM_ACCESS_ERR);
    /// The peer did not answer.
    pub const RETRY_EXCEEDED: Status = Status(ffi::ibv_wc_status::IBV_WC_RETRY_EXC_ERR);
    /// The peer had no receive posted.
    pub const RNR_RETRY_EXCEEDED: Status = Status(ffi::ibv_wc_status::IBV_WC_RNR_RETRY_EXC_ERR);
    /// Local memory does not fit the request.
    pub const LOCAL_PROTECTION: Status = Status(ffi::ibv_wc_status::IBV_WC_LOC_PROT_ERR);

    /// As `ibv_wc_status_str(3)` calls it.
    pub fn name(self) -> &'static str {
        STATUSES.get(self.0 as usize).map_or("unknown", |row| row.0)
    }

    /// What it usually means; empty if there is no more to say.
    pub fn meaning(self) -> &'static str {
        STATUSES.get(self.0 as usize).map_or("", |row| row.1)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)?;
        match self.meaning() {
            "" => Ok(()),
            meaning => write!(f, ": {meaning}"),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({}, {})", self.0, self.name())
    }
}

/// A completion that is not a success, or not one of this queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompletionError {
    /// The request failed. The queue pair is in the error state, and what is still posted will be flushed.
    #[error("queue pair {qp_number}, tag {tag}: {status} [vendor error {vendor:#x}]")]
    Failed {
        /// Why.
        status: Status,
        /// The device's own code.
        vendor: u32,
        /// The queue it was posted to.
        queue: Option<Queue>,
        /// The tag it was posted with.
        tag: u32,
        /// The queue pair.
        qp_number: u32,
    },
    /// It belongs to another queue, or was given to `reap` before.
    #[error(
        "a completion of queue pair {qp_number} was reaped by a queue that it does not belong to, or twice"
    )]
    Foreign {
        /// The queue pair it is about.
        qp_number: u32,
    },
}

impl CompletionError {
    /// The status, if the request failed.
    pub fn status(&self) -> Option<Status> {
        match self {
            CompletionError::Failed { status, .. } => Some(*status),
            CompletionError::Foreign { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn completion(id: WorkId, status: u32, qp_number: u32) -> Completion {
        // SAFETY: a structure of plain numbers, for which zeros are valid.
        let mut raw: ffi::ibv_wc = unsafe { std::mem::zeroed() };
        raw.wr_id = id.0;
        raw.status = status;
        raw.qp_num = qp_number;
        Completion(raw)
    }

    #[test]
    fn work_ids_hold_position_queue_and_tag() {
        for queue in [Queue::Send, Queue::Receive, Queue::SharedReceive] {
            let id = WorkId::new(queue, 0xffff_fffe, 0xdead_beef);
            assert_eq!(id.queue(), Some(queue));
            assert_eq!(id.position(), POSITION_MASK - 1);
            assert_eq!(id.tag(), 0xdead_beef);
        }
        assert_eq!(WorkId(7).queue(), None);
    }

    #[test]
    fn nothing_is_said_of_failed_work_but_why() {
        let id = WorkId::new(Queue::Send, 3, 9);
        let error = completion(id, 10, 17).result().unwrap_err();
        assert_eq!(error.status(), Some(Status::REMOTE_ACCESS));
        let text = error.to_string();
        assert!(
            text.contains("queue pair 17, tag 9: remote access error (10)"),
            "{text}"
        );
        let error = completion(id, 99, 17).result().unwrap_err().to_string();
        assert!(error.contains("unknown (99)"), "{error}");
    }

    #[test]
    fn immediate_data_is_in_network_order_and_only_there_if_flagged() {
        let mut it = completion(WorkId::new(Queue::Receive, 0, 0), 0, 1);
        it.0.opcode = ffi::ibv_wc_opcode::IBV_WC_RECV_RDMA_WITH_IMM;
        it.0.imm_data_invalidated_rkey_union.imm_data = 0x0102_0304u32.to_be();
        let work = it.result().unwrap();
        assert_eq!(
            (work.opcode, work.immediate),
            (Opcode::ReceiveWithWrite, None)
        );
        it.0.wc_flags = ffi::ibv_wc_flags::IBV_WC_WITH_IMM.0;
        assert_eq!(it.result().unwrap().immediate, Some(0x0102_0304));
    }
}
