//! Each call that goes to the server, with its time and where the program made it, in a file that outlives the process
//! ([`ringway_wire::trace`]); for `ringway why`. Only where that asks for it: `stats` decides when the session opens.

use crate::say::Line;
use ringway_wire::trace::{CALLS_AT, CALLS_MAX, Call, FILE_BYTES, HEADER_BYTES, MAGIC, SITE_BYTES, SITE_TEXT_BYTES_MAX, SITES, header, opcode_of, site};
use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_int, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicU16, AtomicU64, Ordering};

/// The mapped file; null: nothing is traced. Never unmapped.
static MAP: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
/// This library in memory: from, to.
static OWN: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static THREADS: AtomicU16 = AtomicU16::new(0);
static FAILED: Line = Line::new();
/// Frames that are looked at for the first outside of this library.
const FRAMES_MAX: u32 = 64;

thread_local! {
    /// Number of this thread, once it made a call.
    static THREAD: Cell<Option<u16>> = const { Cell::new(None) };
    /// What the next record of this thread moves beside what it carries: to the server, from it.
    static BESIDE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    /// The last call site of this thread, and its index.
    static LAST_SITE: Cell<(u64, Option<u16>)> = const { Cell::new((0, None)) };
}

/// What is known of a call when it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    start_ns: u64,
    opcode: u16,
    waits: bool,
    site: Option<u16>,
    bytes_up: u32,
    object: u64,
}

/// The host's monotonic clock, nanoseconds; the same in all processes.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an out parameter; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A word of the mapped file. `at` must be a multiple of 8 below [`FILE_BYTES`].
fn word(map: *mut u8, at: usize) -> &'static AtomicU64 {
    debug_assert!(at.is_multiple_of(8) && at < FILE_BYTES);
    // SAFETY: within the mapping, which is never unmapped, and aligned; all access to it is atomic or to bytes that one thread has.
    unsafe { &*map.add(at).cast::<AtomicU64>() }
}

/// Makes the file in a folder. What cannot be had is said, and nothing is traced.
pub(crate) fn start(folder: &Path) -> bool {
    match map(&folder.join(format!("{}.calls", std::process::id()))) {
        Ok(map) => {
            find_own();
            MAP.store(map, Ordering::Release);
            true
        }
        Err(error) => {
            FAILED.say(format_args!("calls are not accounted for: {}: {error}", folder.display()));
            false
        }
    }
}

fn map(path: &Path) -> std::io::Result<*mut u8> {
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    // All of it now: a full disk must not end the program when a page is first written.
    // SAFETY: an owned descriptor.
    let refused = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, FILE_BYTES as libc::off_t) };
    if refused != 0 {
        let _ = std::fs::remove_file(path);
        return Err(std::io::Error::from_raw_os_error(refused));
    }
    // SAFETY: a new shared mapping of a file of this length, anywhere.
    let map = unsafe {
        libc::mmap(std::ptr::null_mut(), FILE_BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    if map == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(map.cast()) }
}

/// Fills the header; from then on the file counts.
pub(crate) fn opened(words: &[(usize, u64)]) {
    let map = MAP.load(Ordering::Acquire);
    if map.is_null() {
        return;
    }
    let mut name = [0u8; 16];
    // SAFETY: writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    for (at, half) in name.chunks_exact(8).enumerate() {
        let half = u64::from_le_bytes(half.try_into().unwrap_or_default());
        word(map, header::NAME + at * 8).store(half, Ordering::Relaxed);
    }
    word(map, header::PID).store(std::process::id().into(), Ordering::Relaxed);
    for (at, value) in words {
        word(map, *at).store(*value, Ordering::Relaxed);
    }
    word(map, header::READY_NS).store(now_ns(), Ordering::Relaxed);
    word(map, header::MAGIC).store(MAGIC, Ordering::Release);
}

/// The process ends in order.
pub(crate) fn ended() {
    let map = MAP.load(Ordering::Acquire);
    // A forked child shares the file, and has no say in it.
    if !map.is_null() && word(map, header::PID).load(Ordering::Relaxed) == u64::from(std::process::id()) {
        word(map, header::ENDED_NS).store(now_ns(), Ordering::Relaxed);
    }
}

/// The next record of this thread moves so many bytes beside what it carries: to the server, from it.
pub(crate) fn beside(up: usize, down: usize) {
    BESIDE.with(|beside| {
        let (before_up, before_down) = beside.get();
        beside.set((before_up + up as u64, before_down + down as u64));
    });
}

/// A call begins.
#[cold]
pub(crate) fn begin(opcode: u32, waits: bool, bytes_up: usize) -> Begun {
    let site = if waits { call_site() } else { None };
    let bytes_up = bytes_up.min(u32::MAX as usize) as u32;
    Begun { start_ns: now_ns(), opcode: opcode_of(opcode), waits, site, bytes_up, object: 0 }
}

impl Begun {
    /// The call's arguments, as they were written.
    #[cold]
    pub(crate) fn arguments(&mut self, bytes: &[u8]) {
        self.object = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    }
}

/// It goes on in the program.
#[cold]
pub(crate) fn end(begun: &Begun) {
    let now = now_ns();
    let map = MAP.load(Ordering::Acquire);
    if map.is_null() {
        return;
    }
    let thread = THREAD.with(|thread| {
        let number = thread.get().unwrap_or_else(|| THREADS.fetch_add(1, Ordering::Relaxed));
        thread.set(Some(number));
        number
    });
    let (up, down) = BESIDE.replace((0, 0));
    let index = word(map, header::CALLS).fetch_add(1, Ordering::Relaxed) as usize;
    if index >= CALLS_MAX {
        return;
    }
    let call = Call {
        start_ns: begun.start_ns,
        time_ns: now - begun.start_ns,
        opcode: begun.opcode,
        waits: begun.waits,
        thread,
        site: begun.site,
        bytes_up: begun.bytes_up.saturating_add(up.min(u32::MAX.into()) as u32),
        bytes_down: down,
        object: begun.object,
    };
    let at = CALLS_AT + index * ringway_wire::trace::CALL_BYTES;
    for (n, value) in call.encode().into_iter().enumerate() {
        // The last word says that the others are there.
        let order = if n == 5 { Ordering::Release } else { Ordering::Relaxed };
        word(map, at + n * 8).store(value, order);
    }
}

// The unwinder's interface (Itanium C++ ABI, "Exception Handling", level I), of the library that Rust's panics use.
unsafe extern "C" {
    fn _Unwind_Backtrace(each: extern "C" fn(*mut c_void, *mut c_void) -> c_int, arg: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

// dladdr(3), of the C library.
unsafe extern "C" {
    fn dladdr1(address: *const c_void, info: *mut libc::Dl_info, extra: *mut *mut c_void, flags: c_int) -> c_int;
}
const RTLD_DL_LINKMAP: c_int = 2;

const URC_NO_REASON: c_int = 0;
const URC_NORMAL_STOP: c_int = 4;

struct Walk {
    own: (u64, u64),
    frames: u32,
    found: u64,
}

extern "C" fn visit(context: *mut c_void, walk: *mut c_void) -> c_int {
    // SAFETY: the walk that `call_site` passed on; nobody else has it.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: the unwinder's own context.
    let address = unsafe { _Unwind_GetIP(context) } as u64;
    walk.frames += 1;
    if address == 0 || walk.frames > FRAMES_MAX {
        return URC_NORMAL_STOP;
    }
    if (walk.own.0..walk.own.1).contains(&address) {
        return URC_NO_REASON;
    }
    walk.found = address;
    URC_NORMAL_STOP
}

/// Where the program called this library: index in the table of sites.
fn call_site() -> Option<u16> {
    let own = (OWN[0].load(Ordering::Relaxed), OWN[1].load(Ordering::Relaxed));
    let mut walk = Walk { own, frames: 0, found: 0 };
    // SAFETY: `visit` gets the walk, which lives until the walk is over, and does not unwind.
    unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
    if walk.found == 0 {
        return None;
    }
    let (last, index) = LAST_SITE.get();
    if last == walk.found {
        return index;
    }
    let index = site_of(walk.found);
    LAST_SITE.set((walk.found, index));
    index
}

/// Finds a site in the table, or enters it.
fn site_of(address: u64) -> Option<u16> {
    let map = MAP.load(Ordering::Acquire);
    if map.is_null() {
        return None;
    }
    let first = (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SITES;
    for index in (first..SITES).chain(0..first) {
        let at = HEADER_BYTES + index * SITE_BYTES;
        match word(map, at + site::ADDRESS).compare_exchange(0, address, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                describe(map, at, address);
                return Some(index as u16);
            }
            Err(seen) if seen == address => return Some(index as u16),
            Err(_) => {}
        }
    }
    None
}

/// Writes down where an address is: now, as its object may be gone later.
fn describe(map: *mut u8, at: usize, address: u64) {
    // SAFETY: a structure of pointers, for which zeros are valid.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let mut map_of: *mut c_void = std::ptr::null_mut();
    // SAFETY: any address may be asked for; two out parameters.
    let found = unsafe { dladdr1(address as *const c_void, &raw mut info, &raw mut map_of, RTLD_DL_LINKMAP) } != 0;
    if found && !info.dli_fname.is_null() && !map_of.is_null() {
        // SAFETY: the loader's own string, of an object that is on the stack now.
        let path = unsafe { CStr::from_ptr(info.dli_fname) }.to_bytes();
        // The program's own name may be one that only the shell could find.
        let whole = std::fs::canonicalize(OsStr::from_bytes(path)).or_else(|_| std::fs::read_link("/proc/self/exe")).ok();
        let path = whole.as_deref().map_or(path, |whole| whole.as_os_str().as_bytes());
        let mut text = path.to_vec();
        if !info.dli_sname.is_null() {
            text.push(0);
            // SAFETY: as above.
            text.extend_from_slice(unsafe { CStr::from_ptr(info.dli_sname) }.to_bytes());
        }
        // Of what is too long the symbol's end is lost.
        text.truncate(SITE_TEXT_BYTES_MAX);
        // SAFETY: the place of this site's text, which only the thread that entered the site writes.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), map.add(at + site::TEXT), text.len()) };
        word(map, at + site::TEXT_BYTES).store(text.len() as u64, Ordering::Relaxed);
        // SAFETY: the loader's own structure, which begins with the difference between addresses in memory and in the file (link.h).
        let moved_by = unsafe { map_of.cast::<usize>().read() } as u64;
        word(map, at + site::OFFSET).store(address.wrapping_sub(moved_by), Ordering::Relaxed);
    }
    word(map, at + site::READY).store(1, Ordering::Release);
}

/// Finds where this library is, so that frames of it are told from the program's.
fn find_own() {
    extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, arg: *mut c_void) -> c_int {
        // SAFETY: the loader's own structure, and the range that `find_own` passed on.
        let (info, range) = unsafe { (&*info, &mut *arg.cast::<(u64, u64)>()) };
        // SAFETY: as many program headers as the loader says.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let loads = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let ends = loads.map(|header| (info.dlpi_addr + header.p_vaddr, info.dlpi_addr + header.p_vaddr + header.p_memsz));
        let (from, to) = ends.fold((u64::MAX, 0), |all, one| (all.0.min(one.0), all.1.max(one.1)));
        let here = find_own as fn() as usize as u64;
        if (from..to).contains(&here) {
            *range = (from, to);
            return 1;
        }
        0
    }
    let mut range = (0u64, 0u64);
    // SAFETY: `each` gets the range, which lives until the end of the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut range).cast()) };
    OWN[0].store(range.0, Ordering::Relaxed);
    OWN[1].store(range.1, Ordering::Relaxed);
}
