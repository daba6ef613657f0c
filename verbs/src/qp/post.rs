//! Posting work requests. Hot path: no lock, no allocation, no logging, one cold error exit.
//!
//! A queue has room for all its work requests from the start. A [`Batch`] fills them in, chains them, and hands the
//! chain to the device in one call. Positions count up, modulo 2^30; `tail` is the first request that is not known to
//! be done, `head` the next to be posted, and `head - tail <= depth` always, so neither the queue nor its completion
//! queue can overrun.

use super::{QpInner, QueuePairOptions};
use crate::cq::{POSITION_MASK, WorkId};
use crate::mr::{LocalSlice, RemoteSlice};
use crate::{Completion, CompletionError, Queue, Work};
use rdma_mummy_sys as ffi;
use std::marker::PhantomData;
use std::sync::Arc;

/// Why nothing, or not all, was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// As many requests are under way as the queue has places: reap completions first.
    #[error("the queue is full: reap completions first")]
    QueueFull,
    /// More elements than the queue pair was made for.
    #[error("too many scatter/gather elements for this queue pair")]
    TooManySegments,
    /// More bytes inline than the queue pair was made for.
    #[error("too many bytes inline for this queue pair")]
    InlineTooLong,
    /// Local and remote part do not fit each other: sizes, or the alignment of an atomic operation.
    #[error("the local part does not fit the remote one")]
    DoesNotFit,
    /// Inline data where there can be none: a read, an atomic operation, a receive.
    #[error("this operation has no inline form")]
    NoInline,
    /// The device refused.
    #[error("the device refused: {} ({posted} requests of the batch are posted)", std::io::Error::from_raw_os_error(*.errno))]
    Refused {
        /// Its reason.
        errno: i32,
        /// So many of the batch were taken before.
        posted: u32,
    },
}

/// The local part of a work request.
#[derive(Clone, Copy)]
pub enum Local<'d> {
    /// No bytes: a write with immediate data may have none, and a receive for such a write.
    Nothing,
    /// A part of a region.
    Slice(LocalSlice<'d>),
    /// Several parts, gathered or scattered in this order.
    List(&'d [LocalSlice<'d>]),
    /// Bytes that are copied when the batch is posted; they need not be registered.
    Inline(&'d [u8]),
}

impl<'d> From<LocalSlice<'d>> for Local<'d> {
    #[inline]
    fn from(slice: LocalSlice<'d>) -> Self {
        Local::Slice(slice)
    }
}

impl<'d> From<&'d [LocalSlice<'d>]> for Local<'d> {
    #[inline]
    fn from(list: &'d [LocalSlice<'d>]) -> Self {
        Local::List(list)
    }
}

/// Details of a work request.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Options {
    tag: u32,
    flags: u32,
}

impl Options {
    /// Tag 0, signalled only if the queue needs it.
    #[inline]
    pub const fn new() -> Options {
        Options { tag: 0, flags: 0 }
    }

    /// A number that comes back with the completion.
    #[inline]
    pub const fn tag(self, tag: u32) -> Options {
        Options { tag, ..self }
    }

    /// A completion for this request, even if the queue does not need one.
    #[inline]
    pub const fn signalled(self) -> Options {
        self.with(ffi::ibv_send_flags::IBV_SEND_SIGNALED.0)
    }

    /// Not before all reads and atomics ahead of it are done.
    #[inline]
    pub const fn fenced(self) -> Options {
        self.with(ffi::ibv_send_flags::IBV_SEND_FENCE.0)
    }

    /// Wakes a peer that armed its completion queue for solicited events only.
    #[inline]
    pub const fn solicited(self) -> Options {
        self.with(ffi::ibv_send_flags::IBV_SEND_SOLICITED.0)
    }

    const fn with(self, flag: u32) -> Options {
        Options {
            flags: self.flags | flag,
            ..self
        }
    }
}

/// Positions of a queue: which requests are under way.
struct Window {
    head: u32,
    tail: u32,
    depth: u32,
}

impl Window {
    fn new(depth: u32) -> Window {
        Window {
            head: 0,
            tail: 0,
            depth,
        }
    }

    #[inline]
    fn under_way(&self) -> u32 {
        self.head.wrapping_sub(self.tail) & POSITION_MASK
    }

    #[inline]
    fn room(&self) -> u32 {
        self.depth - self.under_way()
    }

    #[inline]
    fn advance(&mut self, posted: u32) {
        self.head = self.head.wrapping_add(posted) & POSITION_MASK;
    }

    /// All up to and including `position` is done. False if that is not under way.
    #[inline]
    fn done(&mut self, position: u32) -> bool {
        let ahead = position.wrapping_sub(self.tail) & POSITION_MASK;
        let known = ahead < self.under_way();
        if known {
            self.tail = position.wrapping_add(1) & POSITION_MASK;
        }
        known
    }
}

/// The send queue of a connected queue pair. Whoever has it mutably is its only poster.
pub struct SendQueue {
    qp: *mut ffi::ibv_qp,
    window: Window,
    /// Requests since the last signalled one.
    unsignalled: u32,
    signal_every: u32,
    segments_max: u32,
    inline_max: u32,
    /// Work requests, as many as the queue has places, and an element for each.
    chain: Box<[ffi::ibv_send_wr]>,
    elements: Box<[ffi::ibv_sge]>,
    inner: Arc<QpInner>,
}

// SAFETY: the pointers in `chain` are only followed within `post`, which has filled them in just before.
unsafe impl Send for SendQueue {}
// SAFETY: nothing can be done through a shared reference but read numbers.
unsafe impl Sync for SendQueue {}

impl SendQueue {
    pub(super) fn new(
        inner: Arc<QpInner>,
        options: &QueuePairOptions,
        inline_max: u32,
        signal_every: u32,
    ) -> SendQueue {
        let depth = options.send_depth;
        // SAFETY: structures of plain numbers and pointers, for which zeros are valid.
        let empty = || -> (ffi::ibv_send_wr, ffi::ibv_sge) { unsafe { std::mem::zeroed() } };
        let (chain, elements): (Vec<_>, Vec<_>) = (0..depth).map(|_| empty()).unzip();
        SendQueue {
            qp: inner.raw,
            window: Window::new(depth),
            unsignalled: 0,
            signal_every,
            segments_max: options.send_segments,
            inline_max,
            chain: chain.into(),
            elements: elements.into(),
            inner,
        }
    }

    pub(crate) fn inner(&self) -> &Arc<QpInner> {
        &self.inner
    }

    /// Number of the queue pair.
    pub fn qp_number(&self) -> u32 {
        self.inner.number
    }

    /// Bytes that a request may carry inline.
    #[inline]
    pub fn inline_bytes_max(&self) -> u32 {
        self.inline_max
    }

    /// Requests that are posted and not known to be done.
    #[inline]
    pub fn under_way(&self) -> u32 {
        self.window.under_way()
    }

    /// Requests that can be posted now.
    #[inline]
    pub fn room(&self) -> u32 {
        self.window.room()
    }

    /// Begins a chain of work requests. Nothing is posted if it is dropped.
    #[inline]
    pub fn batch<'d>(&mut self) -> Batch<'_, 'd> {
        Batch {
            count: 0,
            unsignalled: self.unsignalled,
            queue: self,
            data: PhantomData,
        }
    }

    /// Takes a completion of this queue: its request, and all before it, are done. Gives what was done, or why it
    /// failed; the places are free either way.
    #[inline]
    pub fn reap(&mut self, completion: &Completion) -> Result<Work, CompletionError> {
        let ours = completion.queue() == Some(Queue::Send)
            && completion.qp_number() == self.inner.number
            && self.window.done(completion.id().position());
        if !ours {
            return Err(foreign(completion));
        }
        completion.result()
    }

    /// Ends the connection: everything posted is flushed.
    pub fn fail(&mut self) -> crate::Result<()> {
        self.inner.fail()
    }
}

#[cold]
fn foreign(completion: &Completion) -> CompletionError {
    CompletionError::Foreign {
        qp_number: completion.qp_number(),
    }
}

/// A chain of work requests that is being filled in; `'d` is how long the data must live.
#[must_use = "nothing is posted without `post`"]
pub struct Batch<'q, 'd> {
    queue: &'q mut SendQueue,
    count: u32,
    /// As in the queue, with this batch.
    unsignalled: u32,
    data: PhantomData<&'d [u8]>,
}

impl<'d> Batch<'_, 'd> {
    /// Requests in it.
    #[inline]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// RDMA WRITE: `local` is placed at `to`; the peer's processor does not notice.
    #[inline]
    pub fn write(
        &mut self,
        local: impl Into<Local<'d>>,
        to: RemoteSlice,
        options: Options,
    ) -> Result<(), PostError> {
        let request = self.fill(local.into(), Some(to.len), true, options)?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_RDMA_WRITE;
        request.wr.rdma = rdma(to);
        self.count += 1;
        Ok(())
    }

    /// RDMA WRITE WITH IMMEDIATE: as a write, and then a receive of the peer completes with `immediate`.
    #[inline]
    pub fn write_with_immediate(
        &mut self,
        local: impl Into<Local<'d>>,
        to: RemoteSlice,
        immediate: u32,
        options: Options,
    ) -> Result<(), PostError> {
        let request = self.fill(local.into(), Some(to.len), true, options)?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_RDMA_WRITE_WITH_IMM;
        request.wr.rdma = rdma(to);
        request.imm_data_invalidated_rkey_union.imm_data = immediate.to_be();
        self.count += 1;
        Ok(())
    }

    /// SEND: into the memory of the peer's next receive.
    #[inline]
    pub fn send(&mut self, local: impl Into<Local<'d>>, options: Options) -> Result<(), PostError> {
        let request = self.fill(local.into(), None, true, options)?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_SEND;
        self.count += 1;
        Ok(())
    }

    /// SEND WITH IMMEDIATE.
    #[inline]
    pub fn send_with_immediate(
        &mut self,
        local: impl Into<Local<'d>>,
        immediate: u32,
        options: Options,
    ) -> Result<(), PostError> {
        let request = self.fill(local.into(), None, true, options)?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_SEND_WITH_IMM;
        request.imm_data_invalidated_rkey_union.imm_data = immediate.to_be();
        self.count += 1;
        Ok(())
    }

    /// RDMA READ: `from` arrives in `local`, whose region must allow local writing. Signalled, since the bytes are
    /// there only when it has completed.
    #[inline]
    pub fn read(
        &mut self,
        local: impl Into<Local<'d>>,
        from: RemoteSlice,
        options: Options,
    ) -> Result<(), PostError> {
        let request = self.fill(local.into(), Some(from.len), false, options.signalled())?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_RDMA_READ;
        request.wr.rdma = rdma(from);
        self.count += 1;
        Ok(())
    }

    /// FETCH AND ADD on the 8 bytes at `at`, which must be aligned; the former value arrives in `local`. Signalled.
    #[inline]
    pub fn fetch_add(
        &mut self,
        local: LocalSlice<'d>,
        at: RemoteSlice,
        add: u64,
        options: Options,
    ) -> Result<(), PostError> {
        let request = self.atomic(local, at, add, 0, options)?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_ATOMIC_FETCH_AND_ADD;
        self.count += 1;
        Ok(())
    }

    /// COMPARE AND SWAP: the 8 bytes at `at`, which must be aligned, become `swap` if they are `compare`; the former
    /// value arrives in `local`. Signalled.
    #[inline]
    pub fn compare_swap(
        &mut self,
        local: LocalSlice<'d>,
        at: RemoteSlice,
        compare: u64,
        swap: u64,
        options: Options,
    ) -> Result<(), PostError> {
        let request = self.atomic(local, at, compare, swap, options)?;
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_ATOMIC_CMP_AND_SWP;
        self.count += 1;
        Ok(())
    }

    /// Hands the chain to the device, in one call. Does nothing if it is empty. `ibv_post_send(3)`.
    ///
    /// Errors: what the device refused is not posted, nor what follows; what was ahead of it is under way.
    #[inline]
    pub fn post(self) -> Result<(), PostError> {
        let count = self.count as usize;
        if count == 0 {
            return Ok(());
        }
        let queue = self.queue;
        let chain = queue.chain.as_mut_ptr();
        let mut bad = std::ptr::null_mut();
        // SAFETY: `count` requests are filled in, and no more than there are. Each points to the one behind it in the
        // same array, to its element there or to a list or bytes of the caller's that live as long as 'd, which is
        // not over. The queue pair is alive and has the room; nobody else posts to it, since we have `&mut`.
        let errno = unsafe {
            for i in 1..count {
                (*chain.add(i - 1)).next = chain.add(i);
            }
            (*chain.add(count - 1)).next = std::ptr::null_mut();
            ffi::ibv_post_send(queue.qp, chain, &raw mut bad)
        };
        if errno != 0 {
            return Err(queue.refused(errno, bad, self.count));
        }
        queue.window.advance(self.count);
        queue.unsignalled = self.unsignalled;
        Ok(())
    }

    /// Fills in the next request of the chain but for its operation.
    #[inline]
    fn fill(
        &mut self,
        local: Local<'d>,
        remote_len: Option<u64>,
        inline: bool,
        options: Options,
    ) -> Result<&mut ffi::ibv_send_wr, PostError> {
        let queue = &mut *self.queue;
        if self.count >= queue.window.room() {
            return Err(PostError::QueueFull);
        }
        let index = self.count as usize;
        let (request, element) = (&mut queue.chain[index], &mut queue.elements[index]);
        let mut flags = options.flags;
        let len;
        match local {
            Local::Nothing => {
                request.num_sge = 0;
                len = 0;
            }
            Local::Slice(slice) => {
                *element = slice.sge;
                request.sg_list = element;
                request.num_sge = 1;
                len = u64::from(slice.sge.length);
            }
            Local::List(list) => {
                if list.len() > queue.segments_max as usize {
                    return Err(PostError::TooManySegments);
                }
                request.sg_list = list.as_ptr().cast::<ffi::ibv_sge>().cast_mut();
                request.num_sge = list.len() as i32;
                len = list.iter().map(|slice| u64::from(slice.sge.length)).sum();
            }
            Local::Inline(bytes) => {
                if !inline {
                    return Err(PostError::NoInline);
                }
                if bytes.len() > queue.inline_max as usize {
                    return Err(PostError::InlineTooLong);
                }
                *element = ffi::ibv_sge {
                    addr: bytes.as_ptr() as u64,
                    length: bytes.len() as u32,
                    lkey: 0,
                };
                request.sg_list = element;
                request.num_sge = 1;
                flags |= ffi::ibv_send_flags::IBV_SEND_INLINE.0;
                len = bytes.len() as u64;
            }
        }
        if remote_len.is_some_and(|remote| remote != len) {
            return Err(PostError::DoesNotFit);
        }
        self.unsignalled += 1;
        if self.unsignalled >= queue.signal_every {
            flags |= ffi::ibv_send_flags::IBV_SEND_SIGNALED.0;
        }
        if flags & ffi::ibv_send_flags::IBV_SEND_SIGNALED.0 != 0 {
            self.unsignalled = 0;
        }
        let position = queue.window.head.wrapping_add(self.count);
        request.wr_id = WorkId::new(Queue::Send, position, options.tag).0;
        request.send_flags = flags;
        Ok(request)
    }

    #[inline]
    fn atomic(
        &mut self,
        local: LocalSlice<'d>,
        at: RemoteSlice,
        compare_add: u64,
        swap: u64,
        options: Options,
    ) -> Result<&mut ffi::ibv_send_wr, PostError> {
        if local.sge.length != 8 || !at.address.is_multiple_of(8) {
            return Err(PostError::DoesNotFit);
        }
        let request = self.fill(local.into(), Some(at.len), false, options.signalled())?;
        request.wr.atomic = ffi::atomic_t {
            remote_addr: at.address,
            compare_add,
            swap,
            rkey: at.key,
        };
        Ok(request)
    }
}

#[inline]
fn rdma(slice: RemoteSlice) -> ffi::rdma_t {
    ffi::rdma_t {
        remote_addr: slice.address,
        rkey: slice.key,
    }
}

impl SendQueue {
    /// Finds out how far the device got: up to `bad`, exclusively.
    #[cold]
    fn refused(&mut self, errno: i32, bad: *mut ffi::ibv_send_wr, count: u32) -> PostError {
        let taken = self
            .chain
            .iter()
            .position(|request| std::ptr::eq(request, bad));
        let posted = taken.map_or(0, |taken| taken as u32).min(count);
        let signalled = ffi::ibv_send_flags::IBV_SEND_SIGNALED.0;
        for request in &self.chain[..posted as usize] {
            self.unsignalled = match request.send_flags & signalled {
                0 => self.unsignalled + 1,
                _ => 0,
            };
        }
        self.window.advance(posted);
        PostError::Refused {
            errno: errno.saturating_abs(),
            posted,
        }
    }
}

/// The receive queue of a queue pair. Whoever has it mutably is its only poster.
pub struct ReceiveQueue {
    qp: *mut ffi::ibv_qp,
    window: Window,
    pub(crate) room: ReceiveRoom,
    inner: Arc<QpInner>,
}

/// Work requests of a receive queue that are being filled in.
pub(crate) struct ReceiveRoom {
    chain: Box<[ffi::ibv_recv_wr]>,
    elements: Box<[ffi::ibv_sge]>,
    segments_max: u32,
}

// SAFETY: the pointers in `room` are only followed within `post`, which has filled them in just before.
unsafe impl Send for ReceiveQueue {}
// SAFETY: nothing can be done through a shared reference but read numbers.
unsafe impl Sync for ReceiveQueue {}

impl ReceiveRoom {
    pub(crate) fn new(depth: u32, segments_max: u32) -> ReceiveRoom {
        // SAFETY: structures of plain numbers and pointers, for which zeros are valid.
        let empty = || -> (ffi::ibv_recv_wr, ffi::ibv_sge) { unsafe { std::mem::zeroed() } };
        let (chain, elements): (Vec<_>, Vec<_>) = (0..depth).map(|_| empty()).unzip();
        ReceiveRoom {
            chain: chain.into(),
            elements: elements.into(),
            segments_max,
        }
    }

    #[inline]
    pub(crate) fn fill(
        &mut self,
        index: usize,
        local: Local<'_>,
        id: WorkId,
    ) -> Result<(), PostError> {
        let (request, element) = (&mut self.chain[index], &mut self.elements[index]);
        match local {
            Local::Nothing => request.num_sge = 0,
            Local::Slice(slice) => {
                *element = slice.sge;
                request.sg_list = element;
                request.num_sge = 1;
            }
            Local::List(list) => {
                if list.len() > self.segments_max as usize {
                    return Err(PostError::TooManySegments);
                }
                request.sg_list = list.as_ptr().cast::<ffi::ibv_sge>().cast_mut();
                request.num_sge = list.len() as i32;
            }
            Local::Inline(_) => return Err(PostError::NoInline),
        }
        if request.num_sge as u32 > self.segments_max {
            return Err(PostError::TooManySegments);
        }
        request.wr_id = id.0;
        Ok(())
    }

    /// Links the first `count` requests and hands them to `post`. Gives how many were taken, and the error.
    ///
    /// # Safety
    ///
    /// They are filled in, with memory that is still there, and `post` posts them to a live queue.
    #[inline]
    pub(crate) unsafe fn post(
        &mut self,
        count: usize,
        post: impl FnOnce(*mut ffi::ibv_recv_wr, *mut *mut ffi::ibv_recv_wr) -> i32,
    ) -> (u32, i32) {
        let chain = self.chain.as_mut_ptr();
        let mut bad = std::ptr::null_mut();
        // SAFETY: within the array, as `fill` has checked each index.
        unsafe {
            for i in 1..count {
                (*chain.add(i - 1)).next = chain.add(i);
            }
            (*chain.add(count - 1)).next = std::ptr::null_mut();
        }
        match post(chain, &raw mut bad) {
            0 => (count as u32, 0),
            errno => {
                let taken = self
                    .chain
                    .iter()
                    .position(|request| std::ptr::eq(request, bad));
                (taken.unwrap_or(0).min(count) as u32, errno.saturating_abs())
            }
        }
    }
}

impl ReceiveQueue {
    pub(super) fn new(inner: Arc<QpInner>, depth: u32, segments_max: u32) -> ReceiveQueue {
        ReceiveQueue {
            qp: inner.raw,
            window: Window::new(depth),
            room: ReceiveRoom::new(depth, segments_max),
            inner,
        }
    }

    /// Number of the queue pair.
    pub fn qp_number(&self) -> u32 {
        self.inner.number
    }

    /// Receives that are posted and not known to be done.
    #[inline]
    pub fn under_way(&self) -> u32 {
        self.window.under_way()
    }

    /// Receives that can be posted now; none if the queue pair uses a shared receive queue.
    #[inline]
    pub fn room(&self) -> u32 {
        self.window.room()
    }

    /// Begins a chain of receives. Nothing is posted if it is dropped.
    #[inline]
    pub fn batch<'d>(&mut self) -> ReceiveBatch<'_, 'd> {
        ReceiveBatch {
            queue: self,
            count: 0,
            data: PhantomData,
        }
    }

    /// Posts one receive into `local`, whose region must allow local writing. `ibv_post_recv(3)`.
    #[inline]
    pub fn post<'d>(&mut self, local: impl Into<Local<'d>>, tag: u32) -> Result<(), PostError> {
        let mut batch = self.batch();
        batch.push(local, tag)?;
        batch.post()
    }

    /// Posts `count` receives without memory, in one call: for writes with immediate data.
    #[inline]
    pub fn post_empty(&mut self, count: u32, tag: u32) -> Result<(), PostError> {
        let mut batch = self.batch();
        for _ in 0..count {
            batch.push(Local::Nothing, tag)?;
        }
        batch.post()
    }

    /// Takes a completion of this queue. Gives what came, or why it failed; the place is free either way.
    #[inline]
    pub fn reap(&mut self, completion: &Completion) -> Result<Work, CompletionError> {
        let ours = completion.queue() == Some(Queue::Receive)
            && completion.qp_number() == self.inner.number
            && self.window.done(completion.id().position());
        if !ours {
            return Err(foreign(completion));
        }
        completion.result()
    }
}

/// A chain of receives that is being filled in.
#[must_use = "nothing is posted without `post`"]
pub struct ReceiveBatch<'q, 'd> {
    queue: &'q mut ReceiveQueue,
    count: u32,
    data: PhantomData<&'d [u8]>,
}

impl<'d> ReceiveBatch<'_, 'd> {
    /// One more receive, into `local`.
    #[inline]
    pub fn push(&mut self, local: impl Into<Local<'d>>, tag: u32) -> Result<(), PostError> {
        let queue = &mut *self.queue;
        if self.count >= queue.window.room() {
            return Err(PostError::QueueFull);
        }
        let position = queue.window.head.wrapping_add(self.count);
        let id = WorkId::new(Queue::Receive, position, tag);
        queue.room.fill(self.count as usize, local.into(), id)?;
        self.count += 1;
        Ok(())
    }

    /// Hands the chain to the device, in one call.
    #[inline]
    pub fn post(self) -> Result<(), PostError> {
        if self.count == 0 {
            return Ok(());
        }
        let queue = self.queue;
        let qp = queue.qp;
        // SAFETY: `count` requests are filled in, with memory that lives as long as 'd; the queue pair is alive, has the
        // room, and nobody else posts receives to it, since we have `&mut`.
        let (posted, errno) = unsafe {
            queue.room.post(self.count as usize, |chain, bad| {
                ffi::ibv_post_recv(qp, chain, bad)
            })
        };
        queue.window.advance(posted);
        match errno {
            0 => Ok(()),
            errno => Err(PostError::Refused { errno, posted }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::mem::ManuallyDrop;

    #[test]
    fn positions_wrap_and_are_bounded_by_the_depth() {
        let mut window = Window::new(4);
        window.head = POSITION_MASK - 1;
        window.tail = POSITION_MASK - 1;
        assert_eq!((window.under_way(), window.room()), (0, 4));
        window.advance(4);
        assert_eq!((window.under_way(), window.room()), (4, 0));
        // the third of four is done, and with it the two before
        assert!(window.done(0));
        assert_eq!((window.under_way(), window.tail), (1, 1));
        // not twice, and not what was never posted
        for position in [0, POSITION_MASK, 2, 7] {
            assert!(!window.done(position), "{position}");
        }
        assert!(window.done(1));
        assert_eq!(window.under_way(), 0);
        assert!(!window.done(1));
    }

    #[test]
    fn options_add_up() {
        let options = Options::new().tag(7).signalled().fenced().solicited();
        assert_eq!(options.tag, 7);
        let all = ffi::ibv_send_flags::IBV_SEND_SIGNALED
            | ffi::ibv_send_flags::IBV_SEND_FENCE
            | ffi::ibv_send_flags::IBV_SEND_SOLICITED;
        assert_eq!(options.flags, all.0);
        assert_eq!(Options::new().flags, 0);
    }

    /// What a device is given: operation, flags, elements, bytes, tag.
    type Seen = (u32, u32, i32, u64, u32);

    thread_local! {
        static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
        /// The request of a chain at which the device refuses.
        static REFUSES: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// A device that notes what it is given.
    unsafe extern "C" fn post_send(
        _: *mut ffi::ibv_qp,
        mut request: *mut ffi::ibv_send_wr,
        bad: *mut *mut ffi::ibv_send_wr,
    ) -> i32 {
        let mut index = 0;
        // SAFETY: a chain that ends with a null pointer, as the queue has made it.
        while let Some(it) = unsafe { request.as_ref() } {
            if REFUSES.get() == Some(index) {
                // SAFETY: an out parameter.
                unsafe { *bad = request };
                return libc::ENOMEM;
            }
            let elements = it.num_sge as usize;
            // SAFETY: as many elements as said.
            let bytes = (0..elements).map(|i| u64::from(unsafe { (*it.sg_list.add(i)).length }));
            let seen = (
                it.opcode,
                it.send_flags,
                it.num_sge,
                bytes.sum(),
                WorkId(it.wr_id).tag(),
            );
            SEEN.with_borrow_mut(|all| all.push(seen));
            request = it.next;
            index += 1;
        }
        0
    }

    unsafe extern "C" fn post_recv(
        _: *mut ffi::ibv_qp,
        mut request: *mut ffi::ibv_recv_wr,
        bad: *mut *mut ffi::ibv_recv_wr,
    ) -> i32 {
        let mut index = 0;
        // SAFETY: a chain that ends with a null pointer, as the queue has made it.
        while let Some(it) = unsafe { request.as_ref() } {
            if REFUSES.get() == Some(index) {
                // SAFETY: an out parameter.
                unsafe { *bad = request };
                return libc::ENOMEM;
            }
            let seen = (0, 0, it.num_sge, 0, WorkId(it.wr_id).tag());
            SEEN.with_borrow_mut(|all| all.push(seen));
            request = it.next;
            index += 1;
        }
        0
    }

    /// Queues on that device. They are never dropped: there is nothing that could be destroyed.
    fn pretended(
        options: &QueuePairOptions,
    ) -> (ManuallyDrop<SendQueue>, ManuallyDrop<ReceiveQueue>) {
        // SAFETY: structures of plain numbers, pointers and optional functions, for which zeros are valid.
        let (mut context, mut qp): (Box<ffi::ibv_context>, Box<ffi::ibv_qp>) =
            unsafe { (Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed())) };
        context.ops.post_send = Some(post_send);
        context.ops.post_recv = Some(post_recv);
        qp.context = Box::leak(context);
        let inner = QpInner::pretend(Box::leak(qp), 17);
        let send = SendQueue::new(inner.clone(), options, 64, options.signal_every);
        let receive = ReceiveQueue::new(inner, options.receive_depth, options.receive_segments);
        SEEN.with_borrow_mut(Vec::clear);
        REFUSES.set(None);
        (ManuallyDrop::new(send), ManuallyDrop::new(receive))
    }

    fn options(send_depth: u32, signal_every: u32) -> QueuePairOptions {
        QueuePairOptions {
            send_depth,
            receive_depth: 4,
            signal_every,
            ..Default::default()
        }
    }

    fn place(len: u64) -> RemoteSlice {
        let region = crate::RemoteRegion {
            address: 4096,
            len: 4096,
            key: 5,
        };
        region.slice(0, len).unwrap()
    }

    const SIGNALLED: u32 = ffi::ibv_send_flags::IBV_SEND_SIGNALED.0;
    const INLINE: u32 = ffi::ibv_send_flags::IBV_SEND_INLINE.0;

    #[test]
    fn a_chain_reaches_the_device_in_order_and_in_one_call() {
        let (mut queue, _) = pretended(&options(8, 4));
        let mut batch = queue.batch();
        assert!(batch.is_empty());
        batch
            .write(Local::Inline(b"abc"), place(3), Options::new().tag(1))
            .unwrap();
        batch
            .send(Local::Nothing, Options::new().tag(2).solicited())
            .unwrap();
        batch
            .write_with_immediate(Local::Nothing, place(0), 9, Options::new().tag(3))
            .unwrap();
        batch
            .write(Local::Inline(b"xy"), place(2), Options::new().tag(4))
            .unwrap();
        batch.post().unwrap();
        use ffi::ibv_wr_opcode::*;
        let solicited = ffi::ibv_send_flags::IBV_SEND_SOLICITED.0;
        let wanted = [
            (IBV_WR_RDMA_WRITE, INLINE, 1, 3, 1),
            (IBV_WR_SEND, solicited, 0, 0, 2),
            (IBV_WR_RDMA_WRITE_WITH_IMM, 0, 0, 0, 3),
            // the fourth is signalled, since nobody asked for a completion before
            (IBV_WR_RDMA_WRITE, INLINE | SIGNALLED, 1, 2, 4),
        ];
        assert_eq!(SEEN.take(), wanted);
        assert_eq!((queue.under_way(), queue.room()), (4, 4));
        queue.batch().post().unwrap();
        assert_eq!(SEEN.take(), []);
    }

    #[test]
    fn what_does_not_fit_is_not_posted() {
        let (mut queue, _) = pretended(&options(2, 1));
        let mut batch = queue.batch();
        let none = Options::new();
        assert_eq!(
            batch.write(Local::Inline(b"abc"), place(4), none),
            Err(PostError::DoesNotFit)
        );
        assert_eq!(
            batch.send(Local::Inline(&[0; 65]), none),
            Err(PostError::InlineTooLong)
        );
        assert_eq!(
            batch.read(Local::Inline(b"a"), place(1), none),
            Err(PostError::NoInline)
        );
        batch.send(Local::Nothing, none).unwrap();
        batch.send(Local::Nothing, none).unwrap();
        assert_eq!(batch.send(Local::Nothing, none), Err(PostError::QueueFull));
        // a batch that is dropped leaves no trace
        drop(batch);
        assert_eq!((queue.under_way(), SEEN.take()), (0, vec![]));
    }

    /// One in so many is signalled, however requests are spread over batches and whatever was refused.
    #[test]
    fn one_in_so_many_is_signalled_across_batches_and_refusals() {
        let (mut queue, _) = pretended(&options(64, 4));
        let mut batch = queue.batch();
        for _ in 0..3 {
            batch.send(Local::Nothing, Options::new()).unwrap();
        }
        batch.post().unwrap();
        assert!(SEEN.take().iter().all(|seen| seen.1 & SIGNALLED == 0));
        // of five the device takes one, the one that is signalled
        let mut batch = queue.batch();
        for tag in 0..5 {
            batch.send(Local::Nothing, Options::new().tag(tag)).unwrap();
        }
        REFUSES.set(Some(1));
        let refused = PostError::Refused {
            errno: libc::ENOMEM,
            posted: 1,
        };
        assert_eq!(batch.post(), Err(refused));
        assert_eq!(
            SEEN.take(),
            [(ffi::ibv_wr_opcode::IBV_WR_SEND, SIGNALLED, 0, 0, 0)]
        );
        assert_eq!((queue.under_way(), queue.unsignalled), (4, 0));
        // nothing is taken
        let mut batch = queue.batch();
        batch.send(Local::Nothing, Options::new()).unwrap();
        REFUSES.set(Some(0));
        assert!(matches!(
            batch.post(),
            Err(PostError::Refused { posted: 0, .. })
        ));
        assert_eq!((queue.under_way(), queue.unsignalled), (4, 0));
        REFUSES.set(None);
        let mut unsignalled = 0;
        for round in 0..15 {
            let mut batch = queue.batch();
            for _ in 0..1 + round % 5 {
                batch.send(Local::Nothing, Options::new()).unwrap();
            }
            batch.post().unwrap();
            for seen in SEEN.take() {
                unsignalled = if seen.1 & SIGNALLED == 0 {
                    unsignalled + 1
                } else {
                    0
                };
                assert!(unsignalled < 4);
            }
        }
        assert_eq!(queue.under_way(), 4 + 3 * (1 + 2 + 3 + 4 + 5));
    }

    #[test]
    fn a_completion_frees_its_place_and_all_before_but_only_once() {
        use crate::cq::tests::completion;
        let (mut queue, _) = pretended(&options(8, 4));
        let mut batch = queue.batch();
        for tag in 0..8 {
            batch.send(Local::Nothing, Options::new().tag(tag)).unwrap();
        }
        batch.post().unwrap();
        let done = completion(WorkId::new(Queue::Send, 3, 3), 0, 17);
        let other_pair = completion(WorkId::new(Queue::Send, 3, 3), 0, 18);
        let other_queue = completion(WorkId::new(Queue::Receive, 3, 3), 0, 17);
        let not_posted = completion(WorkId::new(Queue::Send, 8, 3), 0, 17);
        for foreign in [other_pair, other_queue, not_posted] {
            assert!(matches!(
                queue.reap(&foreign),
                Err(CompletionError::Foreign { .. })
            ));
            assert_eq!(queue.under_way(), 8);
        }
        assert_eq!(queue.reap(&done).unwrap().tag, 3);
        assert_eq!(queue.under_way(), 4);
        assert!(matches!(
            queue.reap(&done),
            Err(CompletionError::Foreign { .. })
        ));
        // a failed one frees its place too
        let failed = completion(WorkId::new(Queue::Send, 4, 4), 5, 17);
        let error = queue.reap(&failed).unwrap_err();
        assert_eq!(error.status(), Some(crate::Status::FLUSHED));
        assert_eq!(queue.under_way(), 3);
    }

    #[test]
    fn receives_are_chained_counted_and_bounded() {
        let (_, mut queue) = pretended(&options(8, 4));
        queue.post_empty(3, 6).unwrap();
        assert_eq!(SEEN.take(), [(0, 0, 0, 0, 6); 3]);
        assert_eq!(queue.post_empty(2, 6), Err(PostError::QueueFull));
        assert_eq!((queue.room(), SEEN.take()), (1, vec![]));
        REFUSES.set(Some(0));
        assert!(matches!(
            queue.post(Local::Nothing, 1),
            Err(PostError::Refused { posted: 0, .. })
        ));
        assert_eq!(queue.room(), 1);
    }

    #[test]
    fn receives_have_no_inline_data_and_few_segments() {
        let mut room = ReceiveRoom::new(2, 0);
        let id = WorkId::new(Queue::Receive, 0, 0);
        assert_eq!(room.fill(0, Local::Nothing, id), Ok(()));
        assert_eq!(
            room.fill(0, Local::Inline(b"x"), id),
            Err(PostError::NoInline)
        );
        assert_eq!(room.chain[0].wr_id, id.0);
    }
}
