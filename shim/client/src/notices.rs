//! What the server sends unasked: data of copies, text that kernels printed, host functions to run, long answers.
//!
//! The server is not trusted with addresses: data names a download that this process began, and is bounded by it.

use crate::contexts::Target;
use crate::say::Line;
use crate::{completion, gates, host_functions, paths, servers, stats, transfers};
use parking_lot::Mutex;
use ringway_link::{NoticeLander, NoticeSink, Payload, Position};
use ringway_link::rdma::Registration;
use ringway_wire::call::{
    FINISHED_DONE, NOTICE_DATA, NOTICE_DATA_END, NOTICE_FINISHED, NOTICE_HOST_FUNCTION, NOTICE_LONG_REPLY, NOTICE_NO_TRANSFERS, NOTICE_OUTPUT, NOTICE_PATH_COPY_ENDED,
    NOTICE_TRANSFER_ENDED, NOTICE_TRANSFER_WANTED,
};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Long answers that nobody has taken yet, at the most.
const LONG_REPLIES_MAX: usize = 256;

struct Download {
    to: usize,
    bytes: usize,
    /// Lane of the copy: another server has no say in it.
    lane: u32,
    /// The server was asked to place the bytes itself.
    transfer: Option<Transfer>,
}

struct Transfer {
    target: Target,
    /// The bytes came as notices after all.
    fell_back: bool,
    /// Keeps the destination registered.
    _lent: Option<Arc<Registration>>,
}

static DOWNLOADS: Mutex<Option<HashMap<u64, Download>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);
static LONG_REPLIES: Mutex<Option<HashMap<(u32, Position), Vec<u8>>>> = Mutex::new(None);
static MALFORMED: Line = Line::new();

/// Begins a download by `lane` into `bytes` bytes at `to` and gives its number. It ends by itself when its data has come.
///
/// # Safety
/// `to` must be writable for `bytes` bytes until the download has ended: CUDA's own rule for the destination of a copy.
pub unsafe fn begin_download(to: *mut u8, bytes: usize, lane: u32) -> u64 {
    begin(to, bytes, lane, None)
}

/// As [`begin_download`], of a copy that the server may make itself, by `lent`.
///
/// # Safety
/// As [`begin_download`].
pub(crate) unsafe fn begin_transfer(to: *mut u8, bytes: usize, target: Target, lent: Option<Arc<Registration>>) -> u64 {
    begin(to, bytes, target.lane, Some(Transfer { target, fell_back: false, _lent: lent }))
}

fn begin(to: *mut u8, bytes: usize, lane: u32, transfer: Option<Transfer>) -> u64 {
    let id = next_id();
    let download = Download { to: to as usize, bytes, lane, transfer };
    DOWNLOADS
        .lock()
        .get_or_insert_default()
        .insert(id, download);
    id
}

/// A number for something that the server sends or fetches.
pub(crate) fn next_id() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many transfers to the host are under way.
pub(crate) fn transfers() -> usize {
    let downloads = DOWNLOADS.lock();
    downloads.as_ref().map_or(0, |all| all.values().filter(|one| one.transfer.is_some()).count())
}

/// Where transfers to memory between two addresses are under way.
pub(crate) fn transfers_within(start: usize, end: usize) -> Vec<Target> {
    let downloads = DOWNLOADS.lock();
    let all = downloads.iter().flat_map(HashMap::values);
    let within = all.filter(|one| one.to < end && one.to.saturating_add(one.bytes) > start);
    within.filter_map(|one| one.transfer.as_ref().map(|transfer| transfer.target)).collect()
}

/// Forgets transfers to memory between two addresses.
pub(crate) fn end_transfers_within(start: usize, end: usize) {
    if let Some(downloads) = DOWNLOADS.lock().as_mut() {
        downloads.retain(|_, one| one.transfer.is_none() || one.to >= end || one.to.saturating_add(one.bytes) <= start);
    }
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

/// Where data that a lane brings belongs.
pub fn lander(lane: usize) -> NoticeLander {
    let lane = lane as u32;
    Box::new(move |tag, head, len, place| {
        if tag != NOTICE_DATA {
            return;
        }
        let [id, offset] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|i| head[at + i])));
        let downloads = DOWNLOADS.lock();
        if let Some(download) = downloads.as_ref().and_then(|downloads| downloads.get(&id))
            && servers::is_its_own(lane, download.lane)
            && usize::try_from(offset).is_ok_and(|offset| offset.checked_add(len).is_some_and(|end| end <= download.bytes))
        {
            // Inside the destination, which is writable until the download ends; the lock keeps it from ending during the call.
            place((download.to as *mut u8).wrapping_add(offset as usize));
        }
    })
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
            let mut downloads = DOWNLOADS.lock();
            // One that was forgotten meanwhile (its copy failed in part) is no fault.
            let Some(download) = downloads.as_mut().and_then(|downloads| downloads.get_mut(&id)) else {
                return Some(());
            };
            if !servers::is_its_own(lane, download.lane) {
                return None;
            }
            if let Some(transfer) = &mut download.transfer {
                transfer.fell_back = true;
            }
            if offset.checked_add(data.len())? > download.bytes {
                return None;
            }
            // What is in place already was put there by the `lander`.
            let landed = data.landed();
            for part in [0..landed.start, landed.end..data.len()] {
                // SAFETY: inside the destination, which is writable until the download ends by the promise made to
                // `begin_download`; the lock keeps it from ending meanwhile. The source is readable for `data.len()`.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        data.as_ptr().add(part.start),
                        (download.to as *mut u8).add(offset + part.start),
                        part.len(),
                    )
                };
            }
        }
        NOTICE_DATA_END => {
            let id = word(&payload, 0)?;
            let ended = {
                let mut downloads = DOWNLOADS.lock();
                let is_its_own = |one: &Download| servers::is_its_own(lane, one.lane);
                downloads.as_mut().and_then(|all| if all.get(&id).is_some_and(is_its_own) { all.remove(&id) } else { None })
            };
            if let Some(Download { bytes, transfer: Some(transfer), .. }) = ended {
                stats::past_ring_down(bytes, transfer.fell_back);
            }
        }
        NOTICE_TRANSFER_WANTED => transfers::wanted(lane, word(&payload, 0)?),
        NOTICE_TRANSFER_ENDED => transfers::ended_by(lane, word(&payload, 0)?),
        NOTICE_NO_TRANSFERS => transfers::turn_off(lane, &payload.to_vec()),
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
        NOTICE_FINISHED => {
            let done = half(&payload, 20)? == FINISHED_DONE;
            let (object, context, ticket) = (word(&payload, 0)?, half(&payload, 16)?, word(&payload, 8)?);
            if servers::is_its_own(lane, Target::of_context(context).lane) {
                completion::finished(object, context, ticket, done);
                gates::finished(lane, object, ticket, done);
            }
        }
        NOTICE_PATH_COPY_ENDED => paths::ended_by(lane, word(&payload, 0)?, half(&payload, 8)? == 1),
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
