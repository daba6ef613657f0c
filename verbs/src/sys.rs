//! What all modules need around raw calls.

use crate::{Error, Result};

/// `errno` of the calling thread.
pub(crate) fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// For calls that return null and set `errno`.
pub(crate) fn not_null<T>(call: &'static str, pointer: *mut T) -> Result<*mut T> {
    if pointer.is_null() {
        Err(Error::system(call, last_errno()))
    } else {
        Ok(pointer)
    }
}

/// For calls that return 0 or an `errno` value, as most of verbs do. Some return -1 and set `errno` instead.
pub(crate) fn zero(call: &'static str, result: i32) -> Result<()> {
    match result {
        0 => Ok(()),
        -1 => Err(Error::system(call, last_errno())),
        errno => Err(Error::system(call, errno.abs())),
    }
}

/// Makes reads of a descriptor return `EAGAIN` instead of waiting.
pub(crate) fn set_nonblocking(fd: i32) -> Result<()> {
    // SAFETY: plain system calls on a descriptor that the caller owns.
    let result = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags < 0 {
            -1
        } else {
            libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK)
        }
    };
    zero("fcntl(O_NONBLOCK)", result)
}

/// Waits until a descriptor can be read. False if the time passed first.
///
/// `poll(2)` counts milliseconds; a shorter time that is not zero is rounded up, so that no caller spins by rounding.
pub(crate) fn wait_readable(fd: i32, timeout: std::time::Duration) -> Result<bool> {
    let deadline = std::time::Instant::now().checked_add(timeout);
    let mut entry = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        let left =
            deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
        let milliseconds = match left {
            None => i32::MAX,
            Some(left) => i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX),
        };
        // SAFETY: one entry, as counted.
        match unsafe { libc::poll(&raw mut entry, 1, milliseconds) } {
            0 if left.is_none() => {}
            0 => return Ok(false),
            n if n > 0 => return Ok(true),
            _ if last_errno() == libc::EINTR => {}
            _ => return Err(Error::system("poll", last_errno())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn waiting_ends_when_something_comes_or_time_passes() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        assert!(!wait_readable(mine.as_raw_fd(), Duration::from_micros(10)).unwrap());
        assert!(!wait_readable(mine.as_raw_fd(), Duration::ZERO).unwrap());
        theirs.write_all(b"x").unwrap();
        assert!(wait_readable(mine.as_raw_fd(), Duration::MAX).unwrap());
    }

    #[test]
    fn both_conventions_of_errors_are_understood() {
        assert!(zero("x", 0).is_ok());
        for result in [libc::EINVAL, -libc::EINVAL] {
            assert_eq!(zero("x", result).unwrap_err().errno(), Some(libc::EINVAL));
        }
    }
}
