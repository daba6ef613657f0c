//! What the server sends unasked: data of copies, text that kernels printed, host functions to run, long answers.
//!
//! The server is not trusted with addresses: data names a download that this process began, and is bounded by it.

use crate::host_functions;
use crate::say::Line;
use parking_lot::Mutex;
use ringway_link::{NoticeSink, Payload, Position};
use ringway_wire::call::{
    NOTICE_DATA, NOTICE_DATA_END, NOTICE_HOST_FUNCTION, NOTICE_LONG_REPLY, NOTICE_OUTPUT,
};
use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Long answers that nobody has taken yet, at the most.
const LONG_REPLIES_MAX: usize = 256;

struct Download {
    to: usize,
    bytes: usize,
}

static DOWNLOADS: Mutex<Option<HashMap<u64, Download>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);
static LONG_REPLIES: Mutex<Option<HashMap<(u32, Position), Vec<u8>>>> = Mutex::new(None);
static MALFORMED: Line = Line::new();

/// Begins a download into `bytes` bytes at `to` and gives its number. It ends by itself when its data has come.
///
/// # Safety
/// `to` must be writable for `bytes` bytes until the download has ended: CUDA's own rule for the destination of a copy.
pub unsafe fn begin_download(to: *mut u8, bytes: usize) -> u64 {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let download = Download {
        to: to as usize,
        bytes,
    };
    DOWNLOADS
        .lock()
        .get_or_insert_default()
        .insert(id, download);
    id
}

/// Forgets a download whose copy was refused, or whose data came inside the reply.
pub fn end_download(id: u64) {
    if let Some(downloads) = DOWNLOADS.lock().as_mut() {
        downloads.remove(&id);
    }
}

/// Copies what came inside a reply to a download's destination, and ends it.
pub fn inline_download(id: u64, bytes: &[u8]) {
    let found = DOWNLOADS
        .lock()
        .as_mut()
        .and_then(|downloads| downloads.remove(&id));
    if let Some(download) = found {
        let length = bytes.len().min(download.bytes);
        // SAFETY: the destination is writable for `download.bytes` by the promise made to `begin_download`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), download.to as *mut u8, length) };
    }
}

/// Takes the long answer to the call that ended at `position` of a lane.
pub fn take_long_reply(lane: u32, position: Position) -> Option<Vec<u8>> {
    LONG_REPLIES
        .lock()
        .as_mut()
        .and_then(|replies| replies.remove(&(lane, position)))
}

/// What a lane's notices are handed to.
pub fn sink(lane: usize) -> NoticeSink {
    let lane = lane as u32;
    Box::new(move |tag, payload| {
        if take(lane, tag, payload).is_none() {
            MALFORMED.say(format_args!(
                "the server sent a malformed notice (kind {tag}); it was ignored"
            ));
        }
    })
}

fn word(payload: &Payload<'_>, offset: usize) -> Option<u64> {
    let mut bytes = [0u8; 8];
    payload
        .read_at(offset, &mut bytes)
        .then(|| u64::from_le_bytes(bytes))
}

fn half(payload: &Payload<'_>, offset: usize) -> Option<u32> {
    let mut bytes = [0u8; 4];
    payload
        .read_at(offset, &mut bytes)
        .then(|| u32::from_le_bytes(bytes))
}

fn take(lane: u32, tag: u32, payload: Payload<'_>) -> Option<()> {
    match tag {
        NOTICE_DATA => {
            let (id, offset) = (
                word(&payload, 0)?,
                usize::try_from(word(&payload, 8)?).ok()?,
            );
            let data = payload.from_offset(16)?;
            let downloads = DOWNLOADS.lock();
            // One that was forgotten meanwhile (its copy failed in part) is no fault.
            let Some(download) = downloads.as_ref().and_then(|downloads| downloads.get(&id)) else {
                return Some(());
            };
            if offset.checked_add(data.len())? > download.bytes {
                return None;
            }
            // SAFETY: inside the destination, which is writable until the download ends by the promise made to
            // `begin_download`; the lock keeps it from ending meanwhile. The source is readable for `data.len()`.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    data.as_ptr(),
                    (download.to as *mut u8).add(offset),
                    data.len(),
                )
            };
        }
        NOTICE_DATA_END => {
            end_download(word(&payload, 0)?);
        }
        NOTICE_OUTPUT => {
            let text = payload.to_vec();
            // The program's own buffered text comes first, as it was written first.
            // SAFETY: flushes the C library's streams.
            unsafe { libc::fflush(std::ptr::null_mut()) };
            // A closed standard output is the program's business.
            let _ = std::io::stdout()
                .write_all(&text)
                .and_then(|()| std::io::stdout().flush());
        }
        NOTICE_HOST_FUNCTION => host_functions::run(lane, word(&payload, 0)?, half(&payload, 8)?),
        NOTICE_LONG_REPLY => {
            let position = word(&payload, 0)?;
            let bytes = payload.from_offset(8)?.to_vec();
            let mut replies = LONG_REPLIES.lock();
            let replies = replies.get_or_insert_default();
            if replies.len() >= LONG_REPLIES_MAX {
                return None;
            }
            replies.insert((lane, position), bytes);
        }
        _ => return None,
    }
    Some(())
}
