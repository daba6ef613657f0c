//! Counts of calls and waits, written as JSON when the process ends if `RINGWAY_STATS_DIR` asks for them; with
//! `RINGWAY_STATS_CALLS` each call besides, as it is made (`trace.rs`).

use crate::session::{self, Session};
use crate::trace;
use ringway_api::TABLE;
use std::fmt::Write;
use std::sync::Once;
use ringway_wire::layout::RING_BYTES_DEFAULT;
use ringway_wire::trace::header;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const OPCODES: usize = 2048;

struct Count {
    calls: AtomicU64,
    waits: AtomicU64,
}

const OFF: u8 = 0;
const COUNTS_ONLY: u8 = 1;
const EACH_CALL: u8 = 2;

/// What is written down: decided when the session opens.
static LEVEL: AtomicU8 = AtomicU8::new(OFF);
/// When the session began to open, nanoseconds.
static BEGUN_NS: AtomicU64 = AtomicU64::new(0);
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
/// Bytes copied straight between servers.
static BETWEEN: AtomicU64 = AtomicU64::new(0);

/// A call that goes to the server; dropped when the program goes on.
#[must_use = "dropped at once, the call took no time"]
#[derive(Debug)]
pub struct Counted(Option<trace::Begun>);

impl Drop for Counted {
    #[inline]
    fn drop(&mut self) {
        if let Some(begun) = &self.0 {
            trace::end(begun);
        }
    }
}

impl Counted {
    /// The record was written, behind a header of so many bytes.
    #[inline]
    pub(crate) fn wrote(&mut self, record: &[u8], header: usize) {
        if let Some(begun) = &mut self.0 {
            begun.arguments(record.get(header..).unwrap_or_default());
        }
    }
}

/// Counts a call that is answered here although it may go to the server.
#[inline]
pub fn count_answered(opcode: u32) {
    if LEVEL.load(Ordering::Relaxed) != OFF {
        add(opcode, false);
    }
}

fn add(opcode: u32, waits: bool) {
    if let Some(count) = COUNTS.get(opcode as usize) {
        count.calls.fetch_add(1, Ordering::Relaxed);
        if waits {
            count.waits.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts a call that goes to the server with so many bytes.
#[inline]
pub fn count(opcode: u32, waits: bool, bytes: usize) -> Counted {
    let level = LEVEL.load(Ordering::Relaxed);
    if level == OFF {
        return Counted(None);
    }
    add(opcode, waits);
    Counted((level == EACH_CALL).then(|| trace::begin(opcode, waits, bytes)))
}

/// Counts bytes to the server.
#[inline]
pub fn up(bytes: usize) {
    if LEVEL.load(Ordering::Relaxed) != OFF {
        UP.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Counts bytes from the server, which the next call of this thread asks for.
#[inline]
pub fn down(bytes: usize) {
    let level = LEVEL.load(Ordering::Relaxed);
    if level != OFF {
        DOWN.fetch_add(bytes as u64, Ordering::Relaxed);
        if level == EACH_CALL {
            trace::beside(0, bytes);
        }
    }
}

/// The next call of this thread takes so many bytes to the server without having them in its record; they are counted already.
#[inline]
pub fn up_beside(bytes: usize) {
    if LEVEL.load(Ordering::Relaxed) == EACH_CALL {
        trace::beside(bytes, 0);
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

/// Counts a copy straight between servers that has ended.
pub(crate) fn between(bytes: u64) {
    BETWEEN.fetch_add(bytes, Ordering::Relaxed);
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

/// Registers what happens at the end of the process; called when the session is to be opened.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        BEGUN_NS.store(trace::now_ns(), Ordering::Relaxed);
        if std::env::var_os("RINGWAY_STATS_DIR").is_some() {
            LEVEL.store(COUNTS_ONLY, Ordering::Relaxed);
        }
        // SAFETY: registers a function that lives as long as the process: the object is never unloaded.
        unsafe { libc::atexit(at_exit) };
    });
}

/// The session is open: from now on each call is written down, if that is asked for.
pub fn opened(session: &Session) {
    let asked = std::env::var_os("RINGWAY_STATS_CALLS").is_some_and(|value| value == "1");
    let Some(folder) = std::env::var_os("RINGWAY_STATS_DIR").filter(|_| asked) else {
        return;
    };
    let opened_ns = trace::now_ns();
    if !trace::start(folder.as_ref()) {
        return;
    }
    trace::opened(&[
        (header::BEGUN_NS, BEGUN_NS.load(Ordering::Relaxed)),
        (header::OPENED_NS, opened_ns),
        (header::OPENING_TRIPS, session.opening_trips()),
        (header::RING_BYTES, RING_BYTES_DEFAULT as u64),
    ]);
    LEVEL.store(EACH_CALL, Ordering::Relaxed);
}

extern "C" fn at_exit() {
    let wrote = std::panic::catch_unwind(|| {
        session::ending();
        trace::ended();
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
        "{{\"calls\":{calls},\"waiting_calls\":{waits},\"bytes_up\":{},\"bytes_down\":{},\"bytes_up_past_ring\":{},\"bytes_down_past_ring\":{},\"transfers_fallen_back\":{},\"bytes_between_servers\":{},\"by_function\":{{{by}}}}}\n",
        UP.load(Ordering::Relaxed),
        DOWN.load(Ordering::Relaxed),
        PAST_RING_UP.load(Ordering::Relaxed),
        PAST_RING_DOWN.load(Ordering::Relaxed),
        FELL_BACK.load(Ordering::Relaxed),
        BETWEEN.load(Ordering::Relaxed)
    );
    let file = std::path::Path::new(&dir).join(format!("{}.json", std::process::id()));
    // `ringway run` notices a missing file; the program's own exit must not suffer.
    let _ = std::fs::write(file, text);
}
