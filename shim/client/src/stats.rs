//! Counts of calls and waits, written as JSON when the process ends if `RINGWAY_STATS_DIR` asks for them.

use crate::session;
use ringway_api::TABLE;
use std::fmt::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const OPCODES: usize = 2048;

struct Count {
    calls: AtomicU64,
    waits: AtomicU64,
}

static ON: AtomicBool = AtomicBool::new(false);
static COUNTS: [Count; OPCODES] = [const {
    Count {
        calls: AtomicU64::new(0),
        waits: AtomicU64::new(0),
    }
}; OPCODES];
/// Bytes copied to and from devices.
static UP: AtomicU64 = AtomicU64::new(0);
static DOWN: AtomicU64 = AtomicU64::new(0);
/// Those of them that went past the ring; and transfers that were meant to and did not.
static PAST_RING_UP: AtomicU64 = AtomicU64::new(0);
static PAST_RING_DOWN: AtomicU64 = AtomicU64::new(0);
static FELL_BACK: AtomicU64 = AtomicU64::new(0);

/// Counts a call that goes to the server.
#[inline]
pub fn count(opcode: u32, waits: bool) {
    if ON.load(Ordering::Relaxed)
        && let Some(count) = COUNTS.get(opcode as usize)
    {
        count.calls.fetch_add(1, Ordering::Relaxed);
        if waits {
            count.waits.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts bytes to the server.
#[inline]
pub fn up(bytes: usize) {
    if ON.load(Ordering::Relaxed) {
        UP.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Counts bytes from the server.
#[inline]
pub fn down(bytes: usize) {
    if ON.load(Ordering::Relaxed) {
        DOWN.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Counts a transfer to the server that has ended.
pub(crate) fn past_ring_up(bytes: usize, fell_back: bool) {
    past_ring(&PAST_RING_UP, bytes, fell_back);
}

/// Counts a transfer from the server that has ended.
pub(crate) fn past_ring_down(bytes: usize, fell_back: bool) {
    past_ring(&PAST_RING_DOWN, bytes, fell_back);
}

fn past_ring(count: &AtomicU64, bytes: usize, fell_back: bool) {
    if fell_back {
        FELL_BACK.fetch_add(1, Ordering::Relaxed);
    } else {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Waiting calls so far, for programs that measure themselves.
pub fn waits() -> u64 {
    COUNTS
        .iter()
        .map(|count| count.waits.load(Ordering::Relaxed))
        .sum()
}

/// Registers what happens at the end of the process; called when the session opens.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        ON.store(
            std::env::var_os("RINGWAY_STATS_DIR").is_some(),
            Ordering::Relaxed,
        );
        // SAFETY: registers a function that lives as long as the process: the object is never unloaded.
        unsafe { libc::atexit(at_exit) };
    });
}

extern "C" fn at_exit() {
    let wrote = std::panic::catch_unwind(|| {
        session::ending();
        write();
    });
    // Nothing can be reported any more.
    let _ = wrote;
}

fn write() {
    let Some(dir) = std::env::var_os("RINGWAY_STATS_DIR") else {
        return;
    };
    let (mut calls, mut waits, mut by) = (0, 0, String::new());
    for row in TABLE {
        let Some(count) = COUNTS.get(row.opcode as usize) else {
            continue;
        };
        let (made, waited) = (
            count.calls.load(Ordering::Relaxed),
            count.waits.load(Ordering::Relaxed),
        );
        if made > 0 {
            calls += made;
            waits += waited;
            let comma = if by.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(
                by,
                "{comma}\"{}\":{{\"calls\":{made},\"waits\":{waited}}}",
                row.name
            );
        }
    }
    let text = format!(
        "{{\"calls\":{calls},\"waiting_calls\":{waits},\"bytes_up\":{},\"bytes_down\":{},\"bytes_up_past_ring\":{},\"bytes_down_past_ring\":{},\"transfers_fallen_back\":{},\"by_function\":{{{by}}}}}\n",
        UP.load(Ordering::Relaxed),
        DOWN.load(Ordering::Relaxed),
        PAST_RING_UP.load(Ordering::Relaxed),
        PAST_RING_DOWN.load(Ordering::Relaxed),
        FELL_BACK.load(Ordering::Relaxed)
    );
    let file = std::path::Path::new(&dir).join(format!("{}.json", std::process::id()));
    // `ringway run` notices a missing file; the program's own exit must not suffer.
    let _ = std::fs::write(file, text);
}
