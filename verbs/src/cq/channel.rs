//! Channels by which completion queues wake a sleeper.

use super::CompletionQueue;
use crate::sys::{last_errno, not_null, set_nonblocking, wait_readable};
use crate::{Context, Error, Result};
use rdma_mummy_sys as ffi;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A channel of completion events, for one completion queue or several. Cheap to clone; destroyed with the last queue.
#[derive(Clone)]
pub struct CompletionChannel(pub(crate) Arc<ChannelInner>);

pub(crate) struct ChannelInner {
    pub(crate) raw: *mut ffi::ibv_comp_channel,
    context: Context,
}

// SAFETY: verbs are thread-safe; the pointer is valid until drop.
unsafe impl Send for ChannelInner {}
// SAFETY: as above.
unsafe impl Sync for ChannelInner {}

impl Drop for ChannelInner {
    fn drop(&mut self) {
        if self.context.is_ours() {
            // SAFETY: made in `completion_channel`; queues hold this value, so none is left.
            unsafe { ffi::ibv_destroy_comp_channel(self.raw) };
        }
    }
}

impl Context {
    /// A new channel. `ibv_create_comp_channel(3)`.
    pub fn completion_channel(&self) -> Result<CompletionChannel> {
        // SAFETY: an open device.
        let raw = unsafe { ffi::ibv_create_comp_channel(self.raw()) };
        let channel = CompletionChannel(Arc::new(ChannelInner {
            raw: not_null("ibv_create_comp_channel", raw)?,
            context: self.clone(),
        }));
        set_nonblocking(channel.as_raw_fd())?;
        Ok(channel)
    }

    /// A completion queue of `depth` entries whose events come to `channel`, by the interrupt of completion vector
    /// `vector`, counted modulo what the device has. `ibv_create_cq(3)`.
    pub fn completion_queue_on(
        &self,
        channel: &CompletionChannel,
        depth: u32,
        vector: u32,
    ) -> Result<CompletionQueue> {
        if !Arc::ptr_eq(&channel.0.context.0, &self.0) {
            return Err(Error::Misuse("the channel is of another device"));
        }
        CompletionQueue::new(self, depth, Some(channel), vector)
    }
}

impl CompletionChannel {
    /// Sleeps until an event comes, and takes all events that are there. False if `timeout` passed first, or somebody
    /// else has taken them.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        Ok(wait_readable(self.as_raw_fd(), timeout)? && self.take_events()?)
    }

    /// Takes and acknowledges the events that are there, without waiting. True if there was any. Each queue that had
    /// one must be armed again for the next. `ibv_get_cq_event(3)`, `ibv_ack_cq_events(3)`.
    pub fn take_events(&self) -> Result<bool> {
        // Acknowledging takes a lock, so it is done once for a run of events of one queue. It is never left for later:
        // destroying a queue waits for it.
        let mut queue = std::ptr::null_mut();
        let mut events = 0;
        let mut any = false;
        let result = loop {
            let mut next = std::ptr::null_mut();
            let mut context = std::ptr::null_mut();
            // SAFETY: a live channel, whose descriptor does not block; out parameters.
            let got = unsafe { ffi::ibv_get_cq_event(self.0.raw, &raw mut next, &raw mut context) };
            if got != 0 {
                match last_errno() {
                    libc::EINTR => continue,
                    libc::EAGAIN => break Ok(()),
                    errno => break Err(Error::system("ibv_get_cq_event", errno)),
                }
            }
            if next != queue && events > 0 {
                // SAFETY: a queue with so many events that are not acknowledged yet, which keep it from being destroyed.
                unsafe { ffi::ibv_ack_cq_events(queue, events) };
                events = 0;
            }
            queue = next;
            events += 1;
            any = true;
        };
        if events > 0 {
            // SAFETY: as above.
            unsafe { ffi::ibv_ack_cq_events(queue, events) };
        }
        result.map(|()| any)
    }
}

impl AsRawFd for CompletionChannel {
    /// Readable when events are there; does not block.
    fn as_raw_fd(&self) -> RawFd {
        // SAFETY: a live channel.
        unsafe { (*self.0.raw).fd }
    }
}

impl AsFd for CompletionChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as the channel, which is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}
