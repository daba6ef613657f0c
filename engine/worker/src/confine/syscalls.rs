//! The system calls that a worker may make: what client programs of the test suite were seen to need over each link, and what else a
//! C library or a driver uses on its own memory, files, devices and threads.
//!
//! Left out is what makes a taken-over process worse: programs (execve), other processes (ptrace, process_vm_*, pidfd_*, fork),
//! namespaces and mounts, the kernel itself (bpf, modules, kexec, perf_event_open, io_uring, userfaultfd, keys, clocks), new
//! connections, and System V objects, which other workers of the user could reach.

use libc::*;

/// The newest call that this list knows of: `mseal`, Linux 6.10.
pub const NEWEST: u32 = 462;
/// clone3, which gives `ENOSYS`: the C library then uses clone.
pub const CLONE3: u32 = SYS_clone3 as u32;

/// futex_wake, futex_wait and futex_requeue (Linux 6.7), mseal: the C library's headers do not have them all. The numbers are
/// the same on all processors.
const NEW: [c_long; 5] = [454, 455, 456, 453, 462];

/// Allowed whatever their arguments; `filter.rs` has those that are allowed with some.
pub const FREELY: &[c_long] = &join();

/// All lists as one.
const fn join() -> [c_long; LENGTH] {
    let lists = [MEMORY, FILES, THREADS, SIGNALS, TIME, WAITING, SOCKETS, SELF, LEGACY, &NEW];
    let mut all = [0; LENGTH];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            all[count] = lists[list][index];
            count += 1;
            index += 1;
        }
        list += 1;
    }
    all
}

const LENGTH: usize = MEMORY.len()
    + FILES.len()
    + THREADS.len()
    + SIGNALS.len()
    + TIME.len()
    + WAITING.len()
    + SOCKETS.len()
    + SELF.len()
    + LEGACY.len()
    + NEW.len();

/// The process's own memory and where it lies.
const MEMORY: &[c_long] = &[
    SYS_brk, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_madvise, SYS_msync, SYS_mincore, SYS_mlock, SYS_mlock2, SYS_munlock,
    SYS_mlockall, SYS_munlockall, SYS_memfd_create, SYS_membarrier, SYS_get_mempolicy, SYS_set_mempolicy, SYS_mbind, SYS_move_pages,
    SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect,
];

/// Files and devices: libraries that are loaded later, `/proc` and `/sys`, devices, a driver's cache of compiled kernels.
const FILES: &[c_long] = &[
    SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek,
    SYS_openat, SYS_openat2, SYS_close, SYS_close_range, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat,
    SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_getcwd, SYS_dup, SYS_dup3, SYS_flock, SYS_ftruncate, SYS_fallocate,
    SYS_fsync, SYS_fdatasync, SYS_fadvise64, SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_utimensat, SYS_pipe2,
    SYS_sendfile, SYS_copy_file_range, SYS_umask,
];

const THREADS: &[c_long] = &[
    SYS_exit, SYS_exit_group, SYS_futex, SYS_futex_waitv, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_set_tid_address,
    SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_sched_getattr, SYS_getpriority, SYS_getcpu, SYS_gettid, SYS_seccomp,
];

const SIGNALS: &[c_long] = &[
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack,
    SYS_restart_syscall, SYS_signalfd4, SYS_wait4, SYS_waitid,
];

/// Reading clocks, and waiting for them.
const TIME: &[c_long] = &[
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_times, SYS_getrusage,
    SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete, SYS_setitimer, SYS_getitimer,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime,
];

const WAITING: &[c_long] = &[
    SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_inotify_init1,
    SYS_inotify_add_watch, SYS_inotify_rm_watch,
];

/// Of sockets that came from serve.
const SOCKETS: &[c_long] = &[
    SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_shutdown, SYS_getsockopt, SYS_setsockopt,
    SYS_getsockname, SYS_getpeername,
];

/// What the process is, and of what machine.
const SELF: &[c_long] = &[
    SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getgroups, SYS_getresuid, SYS_getresgid, SYS_getpgid,
    SYS_getsid, SYS_capget, SYS_uname, SYS_sysinfo, SYS_getrandom,
];

/// Older forms of the calls above, which other processors do not have.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[c_long] = &[
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents, SYS_dup2, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename,
    SYS_renameat, SYS_pipe, SYS_poll, SYS_select, SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_inotify_init, SYS_time, SYS_alarm,
    SYS_pause, SYS_getpgrp, SYS_getrlimit, SYS_setrlimit, SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c_long] = &[];
