//! Protection domains: what may be used together.

use crate::memory::Memory;
use crate::qp::{QueuePair, QueuePairOptions, Reset};
use crate::sys::{not_null, zero};
use crate::{Access, CompletionQueue, Context, Error, MemoryRegion, Result, SharedReceiveQueue};
use rdma_mummy_sys as ffi;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// A protection domain. Cheap to clone; freed when the last object made in it is gone.
#[derive(Clone)]
pub struct ProtectionDomain(pub(crate) Arc<PdInner>);

pub(crate) struct PdInner {
    pub(crate) raw: *mut ffi::ibv_pd,
    pub(crate) context: Context,
}

// SAFETY: verbs are thread-safe; the pointer is valid until drop.
unsafe impl Send for PdInner {}
// SAFETY: as above.
unsafe impl Sync for PdInner {}

impl Drop for PdInner {
    fn drop(&mut self) {
        if self.context.is_ours() {
            // SAFETY: allocated in `new`; regions and queue pairs hold this value, so none is left.
            unsafe { ffi::ibv_dealloc_pd(self.raw) };
        }
    }
}

impl ProtectionDomain {
    pub(crate) fn new(context: &Context) -> Result<ProtectionDomain> {
        // SAFETY: an open device.
        let raw = not_null("ibv_alloc_pd", unsafe { ffi::ibv_alloc_pd(context.raw()) })?;
        Ok(ProtectionDomain(Arc::new(PdInner {
            raw,
            context: context.clone(),
        })))
    }

    /// The device.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Registers memory that the region then owns. `ibv_reg_mr(3)`.
    ///
    /// Errors: [`WhyNot::LockedMemory`](crate::WhyNot::LockedMemory) if the limit is too small.
    pub fn register(&self, memory: impl Memory, access: Access) -> Result<MemoryRegion> {
        MemoryRegion::register(self, Arc::new(memory), access)
    }

    /// Registers memory that somebody else keeps too.
    pub fn register_shared(&self, memory: Arc<dyn Memory>, access: Access) -> Result<MemoryRegion> {
        MemoryRegion::register(self, memory, access)
    }

    /// Registers a range that this crate does not own: memory of the program, or device memory that a peer-memory
    /// module (`nvidia-peermem`) makes known to the kernel. `ibv_reg_mr(3)`.
    ///
    /// # Safety
    ///
    /// The range stays mapped until the region is dropped, and with an access that lets the device write it, nobody
    /// relies on its contents (by a reference, say) meanwhile.
    pub unsafe fn register_raw(
        &self,
        start: *mut u8,
        len: usize,
        access: Access,
    ) -> Result<MemoryRegion> {
        // SAFETY: handed on.
        unsafe { MemoryRegion::register_raw(self, start, len, access) }
    }

    /// Registers `len` bytes of a dma-buf from `offset` on: device memory without a peer-memory module. Slices of the
    /// region count from its start; there is no address in this process. `ibv_reg_dmabuf_mr(3)`.
    pub fn register_dmabuf(
        &self,
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        access: Access,
    ) -> Result<MemoryRegion> {
        MemoryRegion::register_dmabuf(self, fd, offset, len, access)
    }

    /// A new queue pair for a reliable connection. `ibv_create_qp(3)`. Both completion queues may be the same.
    pub fn queue_pair(
        &self,
        options: &QueuePairOptions,
        send_completions: &CompletionQueue,
        receive_completions: &CompletionQueue,
    ) -> Result<QueuePair<Reset>> {
        QueuePair::new(self, options, send_completions, receive_completions, None)
    }

    /// A new queue pair that takes its receives from `shared`; [`QueuePairOptions::receive_depth`] does not count.
    pub fn queue_pair_with_shared_receives(
        &self,
        options: &QueuePairOptions,
        send_completions: &CompletionQueue,
        receive_completions: &CompletionQueue,
        shared: &SharedReceiveQueue,
    ) -> Result<QueuePair<Reset>> {
        QueuePair::new(
            self,
            options,
            send_completions,
            receive_completions,
            Some(shared),
        )
    }

    /// A receive queue for several queue pairs. `ibv_create_srq(3)`.
    pub fn shared_receive_queue(&self, depth: u32, segments: u32) -> Result<SharedReceiveQueue> {
        SharedReceiveQueue::new(self, depth, segments)
    }

    /// Frees the domain now. Errors: something made in it, or another handle of it, is still there; it is freed with
    /// the last of them then.
    pub fn close(self) -> Result<()> {
        match Arc::try_unwrap(self.0) {
            Err(_) => Err(Error::Misuse(
                "a protection domain was closed that is still in use",
            )),
            Ok(inner) => {
                let inner = std::mem::ManuallyDrop::new(inner);
                // SAFETY: as in drop, which does not run for this value any more.
                let result = zero("ibv_dealloc_pd", unsafe { ffi::ibv_dealloc_pd(inner.raw) });
                // SAFETY: read out once, of a value that is never dropped.
                drop(unsafe { std::ptr::read(&raw const inner.context) });
                result
            }
        }
    }
}
