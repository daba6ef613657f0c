//! Copies past the ring, over RDMA: the server reads memory that the program pinned, or writes it, on its own (WIRE.md, W25 to W28).
//!
//! Pinned memory is registered with a lane's link when it first takes part in such a copy, and for as long as it is pinned;
//! [`release`] ends that before the memory is the program's again. What cannot go this way goes by the ring, and so does a
//! transfer that the server could not make: it asks for the bytes.

use crate::contexts::Target;
use crate::memory::{self, Allocation, Origin, Place};
use crate::say::Line;
use crate::session::{Session, block_signals, session};
use crate::submit::{called, called_with, flush, posted, posted_with, take_back};
use crate::{notices, servers, stats};
use parking_lot::Mutex;
use ringway_api::{CudaError, op};
use ringway_link::rdma::Registration;
use ringway_wire::call::{COPY_PIECE_BYTES, FLAG_TRANSFER, TAG_TRANSFER_DATA, TRANSFER_BYTES_MAX, TRANSFERS_MAX, TransferCall};
use ringway_wire::codec::Writer as _;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Shorter copies go by the ring, where a copy takes no turn of a host function in the stream: over Soft-RoCE the two are
/// equally fast at this size, and at a MiB this one is about twice as fast.
const BYTES_MIN: usize = 256 << 10;
/// Transfers that this process has under way at the most; further copies go by the ring.
const UNDER_WAY_MAX: usize = TRANSFERS_MAX / 2;
/// Allocations registered with a link at the most; beyond it those that are not in use are given up.
const LENT_MAX: usize = 4096;
/// Number of a link that there never is.
const NO_LINK: u64 = u64::MAX;

/// Which copies are asked for as transfers: `RINGWAY_RDMA_COPIES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// None.
    Never,
    /// Those for which the link has the means.
    Usual,
    /// On links without the means too, where the server asks for the bytes: for testing.
    Always,
}

impl Mode {
    /// As the environment says.
    pub fn from_environment() -> Self {
        match std::env::var("RINGWAY_RDMA_COPIES").as_deref() {
            Ok("0") => Self::Never,
            Ok("always") => Self::Always,
            _ => Self::Usual,
        }
    }
}

/// A transfer to the device that is under way.
struct Upload {
    from: usize,
    bytes: usize,
    target: Target,
    /// The server has asked for the bytes.
    wanted: bool,
    /// Keeps the source registered.
    _lent: Option<Arc<Registration>>,
}

/// What is registered with a lane's link.
#[derive(Default)]
struct Lent {
    link: u64,
    by_base: HashMap<u64, Arc<Registration>>,
    /// Numbers of allocations that could not be registered.
    refused: HashSet<u64>,
    /// The server makes no transfers on this lane.
    off: bool,
}

static UPLOADS: Mutex<Option<HashMap<u64, Upload>>> = Mutex::new(None);
static LENT: Mutex<Option<HashMap<u32, Lent>>> = Mutex::new(None);
/// There was a transfer.
static USED: AtomicBool = AtomicBool::new(false);
static SENDER: Mutex<Option<Sender<u64>>> = Mutex::new(None);
static WHY_NOT: Line = Line::new();

fn is_pinned(place: Place) -> bool {
    matches!(place, Place::PinnedHost(_) | Place::RegisteredHost(_))
}

/// Memory of the program that the server may reach: where it lies as the adapter counts, key, link.
struct Reach {
    lent: Option<Arc<Registration>>,
    host: u64,
    key: u32,
    link: u64,
}

/// How the server reaches `host` for a copy of `bytes`, if the copy can go past the ring.
fn reach(session: &Session, lane: u32, device: u64, host: u64, bytes: usize) -> Option<Reach> {
    if bytes < BYTES_MIN || session.transfers == Mode::Never {
        return None;
    }
    let allocation = memory::find(host).filter(|found| is_pinned(found.place))?;
    let to = memory::find(device)?;
    if to.place != Place::Device || to.origin == Origin::Pool || to.gpu != lane || under_way() >= UNDER_WAY_MAX {
        return None;
    }
    if !can_send() {
        return None;
    }
    match lend(session, lane, &allocation) {
        Some((lent, link)) => Some(Reach {
            host: lent.address() + (host - allocation.base),
            key: lent.key(),
            lent: Some(lent),
            link,
        }),
        None if session.transfers == Mode::Always => Some(Reach { lent: None, host, key: 0, link: NO_LINK }),
        None => None,
    }
}

fn under_way() -> usize {
    UPLOADS.lock().as_ref().map_or(0, HashMap::len) + notices::transfers()
}

/// The registration of an allocation with the link in use, and the link's number.
fn lend(session: &Session, lane: u32, allocation: &Allocation) -> Option<(Arc<Registration>, u64)> {
    let transfers = session.lanes.get(lane as usize)?.transfers()?;
    let link = transfers.number();
    {
        let mut all = LENT.lock();
        let lent = all.get_or_insert_default().entry(lane).or_default();
        if lent.link != link {
            // Registrations with a link that has ended are of no use to anybody.
            lent.link = link;
            lent.by_base.clear();
        }
        if lent.off || lent.refused.contains(&allocation.number) {
            return None;
        }
        if let Some(found) = lent.by_base.get(&allocation.base) {
            return Some((Arc::clone(found), link));
        }
    }
    // Not under the lock: it takes milliseconds for large memory.
    // SAFETY: pinned memory stays mapped until the program frees or unregisters it, and before that ends `release` drops the
    // registration. The program expects its contents to change by the copies that it asks for; a server that writes
    // anything else does what SECURITY.md says it may.
    let registered = unsafe { transfers.lend(allocation.base as *mut u8, allocation.bytes as usize) };
    let mut all = LENT.lock();
    let lent = all.get_or_insert_default().entry(lane).or_default();
    match registered {
        Ok(_) if lent.link != link => None,
        Ok(registered) => {
            if lent.by_base.len() >= LENT_MAX {
                lent.by_base.retain(|_, kept| Arc::strong_count(kept) > 1);
            }
            let registered = Arc::new(registered);
            let kept = lent.by_base.entry(allocation.base).or_insert(registered);
            USED.store(true, Ordering::Release);
            Some((Arc::clone(kept), link))
        }
        Err(why) => {
            lent.refused.insert(allocation.number);
            explain(format_args!("pinned memory is copied by the ring: {why}"));
            None
        }
    }
}

fn explain(text: std::fmt::Arguments<'_>) {
    if std::env::var_os("RINGWAY_LOG").is_some_and(|level| level != "off") {
        WHY_NOT.say(text);
    }
}

/// Copies to the device past the ring, if it can be; None: it must go by the ring. `wait`: until the bytes are in device memory.
///
/// # Safety
/// `src` must be readable for `bytes` until the copy is done: CUDA's own rule for pinned memory.
pub unsafe fn to_device(
    opcode: u32,
    target: Target,
    stream: u64,
    dst: u64,
    src: *const u8,
    bytes: usize,
    wait: bool,
) -> Option<Result<(), CudaError>> {
    let reach = reach(session().ok()?, target.lane, dst, src as u64, bytes)?;
    for offset in (0..bytes).step_by(TRANSFER_BYTES_MAX) {
        let part = (bytes - offset).min(TRANSFER_BYTES_MAX);
        let id = notices::next_id();
        let upload = Upload {
            from: src as usize + offset,
            bytes: part,
            target,
            wanted: false,
            _lent: reach.lent.clone(),
        };
        UPLOADS.lock().get_or_insert_default().insert(id, upload);
        USED.store(true, Ordering::Release);
        let call = call(&reach, stream, dst, offset, part, id);
        stats::up_beside(part);
        let result = submit(opcode, target, &call, wait && offset + part == bytes);
        if let Err(code) = result {
            ended(id);
            return Some(Err(code));
        }
    }
    Some(Ok(()))
}

/// Copies to the host past the ring, if it can be; None: it must go by the ring. `wait`: until the bytes are there.
///
/// # Safety
/// `dst` must be writable for `bytes` until the copy is done: CUDA's own rule for pinned memory.
pub unsafe fn to_host(
    opcode: u32,
    target: Target,
    stream: u64,
    dst: *mut u8,
    src: u64,
    bytes: usize,
    wait: bool,
) -> Option<Result<(), CudaError>> {
    let reach = reach(session().ok()?, target.lane, src, dst as u64, bytes)?;
    for offset in (0..bytes).step_by(TRANSFER_BYTES_MAX) {
        let part = (bytes - offset).min(TRANSFER_BYTES_MAX);
        // SAFETY: within the destination that the program described, and writable as the caller promises.
        let id = unsafe { notices::begin_transfer(dst.add(offset), part, target, reach.lent.clone()) };
        USED.store(true, Ordering::Release);
        let call = call(&reach, stream, src, offset, part, id);
        let result = submit(opcode, target, &call, wait && offset + part == bytes);
        if let Err(code) = result {
            notices::end_download(id);
            return Some(Err(code));
        }
    }
    Some(Ok(()))
}

fn call(reach: &Reach, stream: u64, device: u64, offset: usize, bytes: usize, id: u64) -> TransferCall {
    TransferCall {
        stream,
        device: device + offset as u64,
        bytes: bytes as u64,
        id,
        host: reach.host + offset as u64,
        link: reach.link,
        key: reach.key,
    }
}

fn submit(opcode: u32, target: Target, call: &TransferCall, wait: bool) -> Result<(), CudaError> {
    if wait {
        called_with(FLAG_TRANSFER, opcode, target, TransferCall::SIZE, |w| call.write(w), |_| Ok(()))
    } else {
        posted_with(FLAG_TRANSFER, opcode, target, TransferCall::SIZE, |w| call.write(w))
    }
}

/// The server of a lane is done with the source of a transfer.
pub(crate) fn ended_by(lane: u32, id: u64) {
    if is_its_own(lane, id) {
        ended(id);
    }
}

/// Whether a transfer, if it is under way, is made by the server of a lane.
fn is_its_own(lane: u32, id: u64) -> bool {
    let uploads = UPLOADS.lock();
    let upload = uploads.as_ref().and_then(|uploads| uploads.get(&id));
    upload.is_none_or(|upload| servers::is_its_own(lane, upload.target.lane))
}

fn ended(id: u64) {
    let upload = UPLOADS.lock().as_mut().and_then(|uploads| uploads.remove(&id));
    if let Some(upload) = upload {
        stats::past_ring_up(upload.bytes, upload.wanted);
    }
}

/// The server wants the bytes of a transfer by the ring: another thread sends them, since this one may be waiting for space in the
/// ring. Asking for what is not under way, or twice, brings nothing.
pub(crate) fn wanted(lane: u32, id: u64) {
    if !is_its_own(lane, id) {
        return;
    }
    {
        let mut uploads = UPLOADS.lock();
        let upload = uploads.as_mut().and_then(|uploads| uploads.get_mut(&id));
        match upload {
            Some(upload) if !upload.wanted => upload.wanted = true,
            _ => return,
        }
    }
    if let Some(sender) = SENDER.lock().as_ref() {
        // The receiving thread lives as long as the process.
        let _ = sender.send(id);
    }
}

/// Starts the thread that sends bytes by the ring, once; false if it cannot be had, and then there are no transfers.
fn can_send() -> bool {
    let mut sender = SENDER.lock();
    if sender.is_some() {
        return true;
    }
    let (ids, wanted) = channel();
    let started = std::thread::Builder::new().name("ringway-copies".into()).spawn(move || {
        block_signals();
        for id in wanted {
            send(id);
        }
    });
    if let Err(error) = started {
        explain(format_args!("pinned memory is copied by the ring: no thread for transfers could be started: {error}"));
        return false;
    }
    *sender = Some(ids);
    true
}

/// Sends the bytes of a transfer by the ring.
fn send(id: u64) {
    let mut offset = 0;
    let mut lane = None;
    loop {
        let (piece, target) = {
            let uploads = UPLOADS.lock();
            let Some(upload) = uploads.as_ref().and_then(|uploads| uploads.get(&id)) else {
                return;
            };
            if offset >= upload.bytes {
                break;
            }
            let bytes = (upload.bytes - offset).min(COPY_PIECE_BYTES);
            // SAFETY: within the source, which is readable while the transfer is under way, and it is for as long as the lock
            // is held: `release` takes it out before the program's memory goes.
            let piece = unsafe { std::slice::from_raw_parts((upload.from + offset) as *const u8, bytes) }.to_vec();
            // The context stands still behind the transfer: nothing may wait for it.
            (piece, Target { context: 0, lane: upload.target.lane, stream: 0 })
        };
        let sent = posted(TAG_TRANSFER_DATA, target, 16 + piece.len(), |w| {
            w.u64(id);
            w.usize(offset);
            w.put(&piece);
        });
        if sent.is_err() {
            // The link is lost, which the program's own calls report.
            return;
        }
        offset += piece.len();
        lane = Some(target);
    }
    if let Some(target) = lane {
        let _ = flush(target);
    }
}

/// The server makes no transfers on a lane any more.
pub(crate) fn turn_off(lane: u32, why: &[u8]) {
    LENT.lock().get_or_insert_default().entry(lane).or_default().off = true;
    let why: String = String::from_utf8_lossy(why).chars().filter(|c| !c.is_control()).take(300).collect();
    explain(format_args!("pinned memory is copied by the ring: {why}"));
}

/// Pinned memory is about to be freed or unregistered: returns when no copy uses it any more and the server cannot reach it.
pub fn release(base: u64, bytes: u64) {
    take_back(base, bytes);
    if !USED.load(Ordering::Acquire) {
        return;
    }
    let start = base as usize;
    let end = start.saturating_add(bytes as usize);
    let overlaps = |from: usize, bytes: usize| from < end && from.saturating_add(bytes) > start;
    let mut targets = notices::transfers_within(start, end);
    if let Some(uploads) = UPLOADS.lock().as_ref() {
        let within = uploads.values().filter(|upload| overlaps(upload.from, upload.bytes));
        targets.extend(within.map(|upload| upload.target));
    }
    let mut done: Vec<u32> = Vec::new();
    for target in targets {
        if !done.contains(&target.context) {
            done.push(target.context);
            // A context in which nothing can be waited for has no transfers that could succeed.
            let _ = called(op::CU_CTX_SYNCHRONIZE, target, 0, |_| (), |_| Ok(()));
        }
    }
    // What is left is of contexts that have failed, or of a lost session.
    notices::end_transfers_within(start, end);
    let left = UPLOADS.lock().as_mut().map(|uploads| {
        let ids: Vec<u64> =
            uploads.iter().filter(|(_, upload)| overlaps(upload.from, upload.bytes)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| uploads.remove(id)).collect::<Vec<_>>()
    });
    drop(left);
    let gone: Vec<_> = {
        let mut all = LENT.lock();
        let lanes = all.get_or_insert_default().values_mut();
        lanes.filter_map(|lent| lent.by_base.remove(&base)).collect()
    };
    // Deregisters, outside of the lock.
    drop(gone);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(id: u64, from: usize, bytes: usize) {
        let target = Target { context: 1, lane: 0, stream: 0 };
        let upload = Upload { from, bytes, target, wanted: false, _lent: None };
        UPLOADS.lock().get_or_insert_default().insert(id, upload);
    }

    fn is_wanted(id: u64) -> Option<bool> {
        UPLOADS.lock().as_ref().and_then(|uploads| uploads.get(&id)).map(|upload| upload.wanted)
    }

    #[test]
    fn a_server_that_names_transfers_that_are_not_under_way_gets_nothing() {
        let id = 1 << 40;
        // Neither of these may start a thread, touch memory or leave anything behind.
        wanted(0, id);
        ended(id);
        assert_eq!(is_wanted(id), None);
        begin(id, 0x1000, 10);
        assert_eq!(is_wanted(id), Some(false));
        ended(id);
        ended(id);
        wanted(0, id);
        assert_eq!(is_wanted(id), None);
    }

    #[test]
    fn releasing_memory_forgets_what_overlaps_and_nothing_else() {
        let ids = [1 << 41, (1 << 41) + 1, (1 << 41) + 2];
        begin(ids[0], 0x10_0000, 0x1000);
        begin(ids[1], 0x10_1000, 0x1000);
        begin(ids[2], 0x10_2000, 0x1000);
        USED.store(true, Ordering::Release);
        // There is no session, so nothing can be waited for.
        release(0x10_0800, 0x1000);
        assert_eq!(ids.map(is_wanted), [None, None, Some(false)]);
        ended(ids[2]);
    }
}
