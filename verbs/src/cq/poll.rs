//! Polling a completion queue. Hot path: no lock of ours, no allocation, no logging, one cold error exit.

use super::{Completion, CompletionQueue};
use crate::{Error, Result};
use rdma_mummy_sys as ffi;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

/// Room for a batch of completions, on the caller's stack.
pub struct Completions<const N: usize>([MaybeUninit<Completion>; N]);

impl<const N: usize> Completions<N> {
    /// Empty.
    #[inline]
    pub const fn new() -> Self {
        const { assert!(N > 0 && N <= 1024) };
        Completions([const { MaybeUninit::uninit() }; N])
    }

    /// The first `count`, which a poll has just filled.
    #[inline]
    pub(super) fn filled(&self, count: usize) -> &[Completion] {
        let part = &self.0[..count];
        // SAFETY: filled by `ibv_poll_cq`, as `poll_count` said; the layout is the same.
        unsafe { &*(std::ptr::from_ref(part) as *const [Completion]) }
    }
}

impl<const N: usize> Default for Completions<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl CompletionQueue {
    /// The next completions, at most `N`, in the order in which the work of each queue was posted. Never waits.
    /// `ibv_poll_cq(3)`, through the device's own function as the manual's inline function does.
    #[inline]
    pub fn poll<'b, const N: usize>(
        &self,
        into: &'b mut Completions<N>,
    ) -> Result<&'b [Completion]> {
        let count = self.poll_count(into)?;
        Ok(into.filled(count))
    }

    #[inline]
    pub(super) fn poll_count<const N: usize>(&self, into: &mut Completions<N>) -> Result<usize> {
        let left_behind = self.0.left_behind.load(Ordering::Acquire);
        // SAFETY: a live queue, and room for N entries; `Completion` is transparent over `ibv_wc`. N fits (see `new`).
        let count = unsafe { ffi::ibv_poll_cq(self.0.raw, N as i32, into.0.as_mut_ptr().cast()) };
        match usize::try_from(count) {
            Ok(0) => {
                if left_behind != self.0.settled.load(Ordering::Relaxed) {
                    self.settle(left_behind);
                }
                Ok(0)
            }
            Ok(count) if count <= N => Ok(count),
            _ => Err(poll_failed(count)),
        }
    }
}

#[cold]
fn poll_failed(result: i32) -> Error {
    let errno = match result {
        -1 => libc::EIO,
        errno => errno.saturating_abs(),
    };
    Error::system("ibv_poll_cq", errno)
}
