//! Sleeping on a descriptor and a waker.

use crate::link::{Sleeper, Slept};
use ringway_shm_ring::Waker;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Descriptors that one sleeper can watch, its waker among them.
const POLLED_MAX: usize = 6;

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
    until_any([(fd, events)], waker, timeout)
}

/// Sleeps until one of `wanted` (descriptor, events of poll(2)) is there, `waker` was woken, or `timeout` has passed.
pub(crate) fn until_any<const N: usize>(
    wanted: [(i32, i16); N],
    waker: &Waker,
    timeout: Duration,
) -> Slept {
    let pollfd = |(fd, events)| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    const { assert!(N < POLLED_MAX) };
    let mut all = [pollfd((-1, 0)); POLLED_MAX];
    all[..N].copy_from_slice(&wanted.map(pollfd));
    all[N] = pollfd((waker.as_raw_fd(), libc::POLLIN));
    let timespec = libc::timespec {
        tv_sec: timeout.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: as many valid pollfd; a null signal mask changes nothing. An error leaves revents zero.
    let n = unsafe {
        libc::ppoll(
            all.as_mut_ptr(),
            N as libc::nfds_t + 1,
            &raw const timespec,
            std::ptr::null(),
        )
    };
    if n > 0 && all[N].revents != 0 {
        waker.reset();
    }
    match n {
        0 => Slept::TimedOut,
        1.. if all[..N].iter().any(|fd| fd.revents != 0) => Slept::Came,
        // The waker, or a signal.
        _ => Slept::Woken,
    }
}
