//! Sleeping on a descriptor and a waker.

use crate::link::{Sleeper, Slept};
use ringway_shm_ring::Waker;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// One waker for each kind of sleeper.
pub(crate) struct Wakers {
    leader: Waker,
    service: Waker,
}

impl Wakers {
    pub(crate) fn new() -> crate::Result<Wakers> {
        let waker = || Waker::new().map_err(|e| crate::LinkError::system("eventfd", e));
        Ok(Wakers {
            leader: waker()?,
            service: waker()?,
        })
    }

    pub(crate) fn of(&self, sleeper: Sleeper) -> &Waker {
        match sleeper {
            Sleeper::Leader => &self.leader,
            Sleeper::Service => &self.service,
        }
    }

    pub(crate) fn wake_all(&self) {
        self.leader.wake();
        self.service.wake();
    }
}

/// Sleeps until `fd` is readable or closed (or writable, if asked for), `waker` was woken, or `timeout` has passed.
pub(crate) fn until_readable(
    fd: i32,
    or_writable: bool,
    waker: &Waker,
    timeout: Duration,
) -> Slept {
    let events = libc::POLLIN | libc::POLLRDHUP | if or_writable { libc::POLLOUT } else { 0 };
    let mut fds = [
        libc::pollfd {
            fd,
            events,
            revents: 0,
        },
        libc::pollfd {
            fd: waker.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        },
    ];
    let timespec = libc::timespec {
        tv_sec: timeout.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: two valid pollfd; a null signal mask changes nothing. An error leaves revents zero.
    let n = unsafe { libc::ppoll(fds.as_mut_ptr(), 2, &raw const timespec, std::ptr::null()) };
    if n > 0 && fds[1].revents != 0 {
        waker.reset();
    }
    match n {
        0 => Slept::TimedOut,
        1.. if fds[0].revents != 0 => Slept::Came,
        // The waker, or a signal.
        _ => Slept::Woken,
    }
}
