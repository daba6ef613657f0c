//! What a worker gives up before it reads the first byte of a client: a client's code runs in the driver, in this process, and who
//! takes the process over by a fault of the driver (or of ours) must find as little as possible here.
//!
//! In this order: [`begin`] when the process starts, [`drop_privileges`] when the driver's library is loaded and no other
//! thread runs, [`filter::install`] when the driver is initialised. SECURITY.md says what remains.

pub mod filter;
mod syscalls;

use std::io;

/// The only capability that is kept, where the worker has it: memory is registered with an adapter in excess of `RLIMIT_MEMLOCK`.
const CAP_IPC_LOCK: u32 = 14;
/// Version of the kernel's interface for capabilities: two words of 32 bits for each set (capset(2)).
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// How far a worker is confined.
#[derive(Debug, Clone, Default)]
pub struct Confinement {
    /// As whom it runs; None: as whoever started it.
    pub user: Option<User>,
    /// Not at all, but for the user.
    pub off: bool,
}

/// A user by numbers.
#[derive(Debug, Clone)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// All other groups: what the devices belong to.
    pub groups: Vec<u32>,
}

fn check(what: &'static str, result: libc::c_long) -> io::Result<()> {
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(io::Error::new(error.kind(), format!("{what}: {error}")))
}

/// What costs the driver nothing: no new privileges by any program, no core dump, files for this user alone, no descriptors but the
/// three standard ones.
///
/// # Errors
/// What the kernel says.
pub fn begin() -> io::Result<()> {
    // SAFETY: sets attributes of this process; no memory is passed.
    check("no_new_privs", unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is a valid structure for the time of the call.
    check("RLIMIT_CORE", unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) }.into())?;
    // SAFETY: cannot fail and passes no memory.
    unsafe { libc::umask(0o077) };
    close_others()
}

/// Closes all descriptors but standard input, output and error. Nothing in this process may have opened one.
fn close_others() -> io::Result<()> {
    // SAFETY: descriptors above the standard ones belong to nothing here: this is the first thing that the process does.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) } == 0 {
        return Ok(());
    }
    // Before Linux 5.9.
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // SAFETY: as above; the one of the listing itself is closed already, which is an error that does nothing.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Becomes `user`, keeps no capability but that to lock memory, and is no longer to be traced or read by other processes of
/// its user. Capabilities are a thread's own: no other thread may run yet.
///
/// # Errors
/// What the kernel says; the process must not go on then.
pub fn drop_privileges(user: Option<&User>) -> io::Result<()> {
    let kept = permitted()? & (1 << CAP_IPC_LOCK);
    if let Some(user) = user {
        // SAFETY: sets an attribute of this thread; no memory is passed.
        check("PR_SET_KEEPCAPS", unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }.into())?;
        become_user(user)?;
    }
    let mut sets = [CapabilitySet { effective: kept, permitted: kept, inheritable: 0 }, CapabilitySet::default()];
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    // SAFETY: both structures have the kernel's layout and live for the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_mut_ptr()) };
    check("capset", result)?;
    // SAFETY: sets an attribute of this process; no memory is passed.
    check("PR_SET_DUMPABLE", unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into())
}

/// The first word of the permitted capabilities of this thread.
fn permitted() -> io::Result<u32> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [CapabilitySet::default(); 2];
    // SAFETY: both structures have the kernel's layout, which for this version fills two sets.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    check("capget", result)?;
    Ok(sets[0].permitted)
}

/// Groups and user of the whole process.
///
/// # Errors
/// What the kernel says.
pub fn become_user(user: &User) -> io::Result<()> {
    // SAFETY: the list lives for the call.
    check("setgroups", unsafe { libc::setgroups(user.groups.len(), user.groups.as_ptr()) }.into())?;
    // SAFETY: sets attributes of this process; no memory is passed.
    unsafe {
        check("setresgid", libc::setresgid(user.gid, user.gid, user.gid).into())?;
        check("setresuid", libc::setresuid(user.uid, user.uid, user.uid).into())
    }
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilitySet {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}
