//! Sleeping on a word of shared memory.

use crate::Span;
use std::time::Duration;

/// Sleeps while the u32 at `offset` equals `expected`, at most `timeout`. Returns early on any wake-up, also a
/// spurious one: the caller looks at its condition again.
pub fn wait(span: &Span, offset: usize, expected: u32, timeout: Duration) {
    let timespec = libc::timespec {
        tv_sec: timeout.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: the word is mapped and aligned (`word_ptr` checks); the kernel only reads it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            span.word_ptr(offset),
            libc::FUTEX_WAIT,
            expected,
            &raw const timespec,
        );
    }
}

/// Wakes all that sleep on the u32 at `offset`, in this process or another that maps the same file.
pub fn wake_all(span: &Span, offset: usize) {
    // SAFETY: as in `wait`; the word is used as a key only.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            span.word_ptr(offset),
            libc::FUTEX_WAKE,
            i32::MAX,
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Region;
    use std::sync::atomic::Ordering::SeqCst;

    #[test]
    fn a_wake_ends_the_wait_across_two_mappings() {
        let (mine, fd) = Region::memfd(4096).unwrap();
        let theirs = Region::from_fd(fd, 4096).unwrap();
        let waiter = std::thread::spawn(move || {
            let span = theirs.span();
            let mut naps = 0;
            while span.load_u32(64, SeqCst) == 0 && naps < 10_000 {
                wait(&span, 64, 0, Duration::from_secs(10));
                naps += 1;
            }
            span.load_u32(64, SeqCst)
        });
        mine.span().store_u32(64, 7, SeqCst);
        wake_all(&mine.span(), 64);
        assert_eq!(waiter.join().unwrap(), 7);
    }

    #[test]
    fn a_changed_word_does_not_sleep_and_time_passes_otherwise() {
        let region = Region::anonymous(4096).unwrap();
        wait(&region.span(), 0, 1, Duration::from_secs(3600));
        wait(&region.span(), 0, 0, Duration::from_millis(1));
    }
}
