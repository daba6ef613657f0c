//! Shared receive queues: one stock of receives for many queue pairs.

use crate::cq::WorkId;
use crate::pd::PdInner;
use crate::qp::post::{Local, PostError, ReceiveRoom};
use crate::sys::{not_null, zero};
use crate::{Completion, CompletionError, Error, ProtectionDomain, Queue, Result, Work};
use rdma_mummy_sys as ffi;
use std::sync::Arc;

pub(crate) struct SrqInner {
    raw: *mut ffi::ibv_srq,
    domain: Arc<PdInner>,
}

// SAFETY: verbs are thread-safe; the pointer is valid until drop.
unsafe impl Send for SrqInner {}
// SAFETY: as above.
unsafe impl Sync for SrqInner {}

impl Drop for SrqInner {
    fn drop(&mut self) {
        if self.domain.context.is_ours() {
            // SAFETY: made in `new`; queue pairs hold this value, so none is left.
            unsafe { ffi::ibv_destroy_srq(self.raw) };
        }
    }
}

/// A shared receive queue. Whoever has it mutably is its only poster.
///
/// Receives complete in any order, each on the completion queue of the queue pair that took it. So places are counted,
/// not kept in order.
pub struct SharedReceiveQueue {
    depth: u32,
    under_way: u32,
    posted: u32,
    room: ReceiveRoom,
    inner: Arc<SrqInner>,
}

// SAFETY: the pointers in `room` are only followed within `post`, which has filled them in just before.
unsafe impl Send for SharedReceiveQueue {}
// SAFETY: nothing can be done through a shared reference but read numbers.
unsafe impl Sync for SharedReceiveQueue {}

impl SharedReceiveQueue {
    pub(crate) fn new(domain: &ProtectionDomain, depth: u32, segments: u32) -> Result<Self> {
        let limits = domain.context().limits();
        for (what, asked, max) in [
            (
                "work requests of a shared receive queue",
                depth,
                limits.shared_receives_max,
            ),
            ("elements of a receive", segments, limits.segments_max),
        ] {
            if asked > max || asked == 0 {
                return Err(Error::Limit {
                    what,
                    asked: asked.into(),
                    max: max.into(),
                });
            }
        }
        let mut init = ffi::ibv_srq_init_attr {
            srq_context: std::ptr::null_mut(),
            attr: ffi::ibv_srq_attr {
                max_wr: depth,
                max_sge: segments,
                srq_limit: 0,
            },
        };
        // SAFETY: the domain is alive.
        let raw = unsafe { ffi::ibv_create_srq(domain.0.raw, &raw mut init) };
        Ok(SharedReceiveQueue {
            depth,
            under_way: 0,
            posted: 0,
            room: ReceiveRoom::new(depth, segments),
            inner: Arc::new(SrqInner {
                raw: not_null("ibv_create_srq", raw)?,
                domain: domain.0.clone(),
            }),
        })
    }

    pub(crate) fn raw(&self) -> *mut ffi::ibv_srq {
        self.inner.raw
    }

    pub(crate) fn inner(&self) -> &Arc<SrqInner> {
        &self.inner
    }

    /// Receives that it has room for.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Receives that are posted and not known to be done.
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    /// As asynchronous events name it.
    pub fn handle(&self) -> u32 {
        // SAFETY: a live queue.
        unsafe { (*self.inner.raw).handle }
    }

    /// Asks for one asynchronous event, [`AsyncEvent::RECEIVES_LOW`](crate::AsyncEvent::RECEIVES_LOW), when fewer than
    /// `receives` are left. `ibv_modify_srq(3)`.
    pub fn notify_below(&mut self, receives: u32) -> Result<()> {
        if receives > self.depth {
            return Err(Error::Limit {
                what: "limit of a shared receive queue",
                asked: receives.into(),
                max: self.depth.into(),
            });
        }
        let mut attr = ffi::ibv_srq_attr {
            max_wr: 0,
            max_sge: 0,
            srq_limit: receives,
        };
        let mask = ffi::ibv_srq_attr_mask::IBV_SRQ_LIMIT.0.cast_signed();
        // SAFETY: a live queue, and attributes that are set as the mask says.
        let result = unsafe { ffi::ibv_modify_srq(self.inner.raw, &raw mut attr, mask) };
        zero("ibv_modify_srq", result)
    }

    /// Posts receives, in one call: each a place for bytes and a tag. `ibv_post_srq_recv(3)`.
    ///
    /// Errors: nothing is posted if there is no room for all of them.
    pub fn post<'d>(
        &mut self,
        receives: impl IntoIterator<Item = (Local<'d>, u32)>,
    ) -> Result<(), PostError> {
        let mut count = 0;
        for (local, tag) in receives {
            if self.under_way + count >= self.depth {
                return Err(PostError::QueueFull);
            }
            let position = self.posted.wrapping_add(count);
            let id = WorkId::new(Queue::SharedReceive, position, tag);
            self.room.fill(count as usize, local, id)?;
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        let raw = self.inner.raw;
        // SAFETY: `count` requests are filled in, with memory that lives as long as 'd; the queue is alive, has the
        // room, and nobody else posts to it, since we have `&mut`.
        let (posted, errno) = unsafe {
            self.room.post(count as usize, |chain, bad| {
                ffi::ibv_post_srq_recv(raw, chain, bad)
            })
        };
        self.under_way += posted;
        self.posted = self.posted.wrapping_add(posted);
        match errno {
            0 => Ok(()),
            errno => Err(PostError::Refused { errno, posted }),
        }
    }

    /// Takes a completion of this queue, of whichever queue pair. Gives what came, or why it failed.
    pub fn reap(&mut self, completion: &Completion) -> Result<Work, CompletionError> {
        if completion.queue() != Some(Queue::SharedReceive) || self.under_way == 0 {
            return Err(CompletionError::Foreign {
                qp_number: completion.qp_number(),
            });
        }
        self.under_way -= 1;
        completion.result()
    }
}
