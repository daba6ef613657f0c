//! Clocks that std has no words for.

use std::time::Duration;

fn read(clock: libc::clockid_t) -> Duration {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the structure given; the clocks asked for here exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut t) };
    Duration::new(
        u64::try_from(t.tv_sec).unwrap_or(0),
        u32::try_from(t.tv_nsec).unwrap_or(0),
    )
}

/// CPU time of this thread, which other programs on the machine hardly change.
pub fn thread_cpu() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of all threads of this process.
pub fn process_cpu() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Time since the machine started, the same for all its processes.
pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}
