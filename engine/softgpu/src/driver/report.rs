//! The two channels of a device that has no other: device printf, and the memory checker's report.

use super::settings::settings;
use parking_lot::Mutex;
use std::ffi::c_void;
use std::io::Write;

unsafe extern "C" {
    static stdout: *mut libc::FILE;
}

/// Receives device printf output: bytes, their count, and the pointer given with the function.
pub type PrintfSink = unsafe extern "C" fn(text: *const u8, len: usize, user: *mut c_void);

struct Sink(PrintfSink, *mut c_void);
// SAFETY: whoever sets a sink promises that it may be called from any thread (see `ringwaySoftgpuSetPrintfSink`).
unsafe impl Send for Sink {}

static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// Sends device printf output to `sink` instead of stdout; null restores stdout.
///
/// # Safety
/// `sink` must be callable from any thread with `user` until it is replaced.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn ringwaySoftgpuSetPrintfSink(sink: Option<PrintfSink>, user: *mut c_void) {
    *SINK.lock() = sink.map(|function| Sink(function, user));
}

/// Delivers device printf output.
pub fn print(text: &str) {
    let sink = SINK.lock();
    if let Some(Sink(function, user)) = &*sink {
        // SAFETY: the contract of `ringwaySoftgpuSetPrintfSink`.
        unsafe { function(text.as_ptr(), text.len(), *user) };
        return;
    }
    match &settings().printf {
        Some(path) => append(path, text),
        None => {
            // Through the C library's stdout, so that the program's own printf and the kernels' come out in the order in which they were made.
            // SAFETY: `stdout` is the C library's stream, which locks itself; the text is valid for its length.
            unsafe {
                libc::fwrite(text.as_ptr().cast(), 1, text.len(), stdout);
                libc::fflush(stdout);
            }
        }
    }
}

/// Delivers one report of the memory checker or the executor: this device's only channel to a person is stderr, unless the setting names a file.
pub fn fault(text: &str) {
    tracing::error!("{text}");
    match settings().report.as_deref() {
        Some("quiet") => {}
        Some(path) => append(path, &format!("{text}\n")),
        None => drop(writeln!(std::io::stderr().lock(), "ringway softgpu: {text}")),
    }
}

fn append(path: &str, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut f| f.write_all(text.as_bytes())) {
        tracing::error!("cannot write {path}: {error}");
    }
}
