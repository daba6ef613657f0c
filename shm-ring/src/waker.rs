//! Waking a thread that sleeps in `poll(2)`.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An eventfd of this process: `wake` makes it readable, `reset` unreadable again.
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// A new one, not readable.
    pub fn new() -> io::Result<Waker> {
        // SAFETY: plain system call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Waker {
            // SAFETY: just made, owned by nobody else.
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
        })
    }

    /// Makes the sleeper, present or next, wake up. Never blocks; safe in any thread.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes. A full counter fails with EAGAIN, and then a wake-up is pending anyway.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Forgets wake-ups so far; the caller then looks at its conditions.
    pub fn reset(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes; an empty counter fails with EAGAIN.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}
