//! The journal: one JSON line per driver call, for comparing a program run directly with the same program run through Ringway.
//!
//! A line is `{"seq":N,"thread":T,"fn":"cuMemAlloc","in":{...},"out":{...},"result":0}`. Handles are written as kind#ordinal, device
//! addresses as mem#ordinal+offset, both in order of creation; host addresses only as `host` (or `pinned#n+offset`). Notes that a function
//! adds (payload hashes, kernel parameters) follow in `"data"`. Data that an asynchronous copy delivers later is a line `{"of":N,"fn":...,"dtoh":hash}`.
//! Off (the default) it costs one relaxed load per call.

use super::abi::{CUdevice, CUdeviceptr, Host, In, List, Out, Text};
use super::result::CUresult;
use super::settings::settings;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Journal {
    file: Mutex<std::fs::File>,
    seq: AtomicU64,
    threads: AtomicU64,
}

fn journal() -> Option<&'static Journal> {
    static JOURNAL: OnceLock<Option<Journal>> = OnceLock::new();
    JOURNAL
        .get_or_init(|| {
            let path = settings().journal.as_ref()?.replace("%p", &std::process::id().to_string());
            match std::fs::File::create(&path) {
                Ok(file) => Some(Journal { file: Mutex::new(file), seq: AtomicU64::new(0), threads: AtomicU64::new(0) }),
                Err(error) => {
                    tracing::error!("cannot write the journal {path}: {error}");
                    None
                }
            }
        })
        .as_ref()
}

/// Whether a journal is written.
pub fn on() -> bool {
    journal().is_some()
}

thread_local! {
    static NOTES: RefCell<String> = const { RefCell::new(String::new()) };
    static SEQ: Cell<u64> = const { Cell::new(0) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The part of a line known before the call.
pub struct Line {
    seq: u64,
    inputs: String,
}

/// Starts a line: `inputs` is the text of the argument object.
pub fn begin(inputs: String) -> Line {
    let seq = journal().map_or(0, |j| j.seq.fetch_add(1, Ordering::Relaxed));
    SEQ.set(seq);
    NOTES.with_borrow_mut(String::clear);
    Line { seq, inputs }
}

/// Ends a line and writes it.
pub fn end(line: Line, function: &str, outputs: String, result: CUresult) {
    let Some(journal) = journal() else { return };
    if THREAD.get() == 0 {
        THREAD.set(journal.threads.fetch_add(1, Ordering::Relaxed) + 1);
    }
    let mut text = format!("{{\"seq\":{},\"thread\":{},\"fn\":\"{function}\",\"in\":{{{}}},\"out\":{{{outputs}}}", line.seq, THREAD.get(), line.inputs);
    NOTES.with_borrow_mut(|notes| {
        if !notes.is_empty() {
            let _ = write!(text, ",\"data\":{{{notes}}}");
        }
        notes.clear();
    });
    let _ = writeln!(text, ",\"result\":{}}}", result.0);
    let _ = journal.file.lock().write_all(text.as_bytes());
}

/// Adds `"name":value` to the line of the call in progress on this thread. `value` is JSON text.
pub fn note(name: &str, value: impl FnOnce() -> String) {
    if on() {
        NOTES.with_borrow_mut(|notes| {
            if !notes.is_empty() {
                notes.push(',');
            }
            let _ = write!(notes, "\"{name}\":{}", value());
        });
    }
}

/// Adds a hash of host data that the call gave or returned.
pub fn note_bytes(name: &str, bytes: &[u8]) {
    note(name, || hash(bytes));
}

/// The number of the call in progress on this thread, to be named by [`later`].
pub fn current_seq() -> u64 {
    SEQ.get()
}

/// Writes the hash of data that call `seq` delivered after it had returned.
pub fn later(seq: u64, name: &str, bytes: &[u8]) {
    if let Some(journal) = journal() {
        let text = format!("{{\"of\":{seq},\"{name}\":{}}}\n", hash(bytes));
        let _ = journal.file.lock().write_all(text.as_bytes());
    }
}

/// 16 hex digits of BLAKE3, quoted.
pub fn hash(bytes: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..16])
}

/// A value that a journal line can show.
pub trait Describe {
    /// Appends JSON.
    fn describe(self, out: &mut String);
}

/// Writes a handle as kind#ordinal.
pub fn handle(out: &mut String, kind: &str, value: u64) {
    match value {
        0 => out.push_str("null"),
        1 | 2 => drop(write!(out, "\"{kind}:{}\"", if value == 1 { "legacy" } else { "thread" })),
        _ => drop(write!(out, "\"{kind}#{}\"", super::registry::Registry::<()>::ordinal(value))),
    }
}

/// A structure whose content the function notes itself, where it matters.
pub fn opaque(out: &mut String) {
    out.push_str("\"struct\"");
}

/// An address as allocation#ordinal+offset; `host` if it is none of ours.
pub fn address(value: u64) -> String {
    if value == 0 {
        return "null".to_owned();
    }
    match super::memory::space().locate(value) {
        Some((kind, ordinal, offset)) => format!("\"{kind}#{ordinal}+{offset}\""),
        None => "\"host\"".to_owned(),
    }
}

impl Describe for CUdeviceptr {
    fn describe(self, out: &mut String) {
        out.push_str(&address(self.0));
    }
}
impl Describe for Host {
    fn describe(self, out: &mut String) {
        out.push_str(&address(self.0));
    }
}
impl Describe for CUdevice {
    fn describe(self, out: &mut String) {
        let _ = write!(out, "{}", self.0);
    }
}
impl Describe for CUresult {
    fn describe(self, out: &mut String) {
        let _ = write!(out, "{}", self.0);
    }
}

macro_rules! numbers { ($($t:ty)*) => {$(
    impl Describe for $t { fn describe(self, out: &mut String) { let _ = write!(out, "{self}"); } }
)*} }
numbers! { u8 u16 u32 u64 usize i8 i16 i32 i64 }

impl Describe for f32 {
    fn describe(self, out: &mut String) {
        // Only ever an elapsed time, which differs between runs.
        out.push_str("\"time\"");
    }
}

macro_rules! functions { ($($t:ty)*) => {$(
    impl Describe for $t { fn describe(self, out: &mut String) { out.push_str("\"function\""); } }
)*} }
functions! { super::abi::CUhostFn super::abi::CUstreamCallback super::abi::CUoccupancyB2DSize }

/// An argument of an exported function: what it says before the call and after it.
pub trait Argument: Copy {
    /// Appends `"name":value` if the argument is an input.
    fn input(self, name: &str, out: &mut String);
    /// Appends `"name":value` if the argument is an output.
    fn output(self, _name: &str, _out: &mut String) {}
}

fn field(name: &str, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    let _ = write!(out, "\"{name}\":");
}

impl<T: Copy + Describe> Argument for T {
    fn input(self, name: &str, out: &mut String) {
        field(name, out);
        self.describe(out);
    }
}
impl<T: Copy + Describe> Argument for Out<T> {
    fn input(self, _name: &str, _out: &mut String) {}
    fn output(self, name: &str, out: &mut String) {
        if self.0.addr() >= 4096
            && let Some(value) = self.current()
        {
            field(name, out);
            value.describe(out);
        }
    }
}
/// Never read here: with a count of zero beside it the pointer may lead nowhere. Functions note what they read.
impl<T: Copy> Argument for In<T> {
    fn input(self, _name: &str, _out: &mut String) {}
}
impl<T: Copy> Argument for List<T> {
    fn input(self, _name: &str, _out: &mut String) {}
}
impl Argument for Text {
    fn input(self, name: &str, out: &mut String) {
        field(name, out);
        match self.get() {
            Ok(text) => drop(write!(out, "{}", serde_json::Value::String(text))),
            Err(_) => out.push_str("null"),
        }
    }
}
