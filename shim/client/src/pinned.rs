//! Pinned memory that lies in memory of both ends, over shared memory: the server copies with it as the driver does with memory of its
//! own process (WIRE.md, W29, W30).
//!
//! [`allocate`] gives ranges of the session's memory to cuMemHostAlloc, and has the server pin them. Where there is no such memory, or no
//! room in it, pinned memory is the program's own, and is copied by the ring.

use crate::contexts::Target;
use crate::memory::{self, Place};
use crate::session::{Session, session};
use crate::submit::{called, called_with, posted_with};
use crate::stats;
use parking_lot::Mutex;
use ringway_api::CudaError;
use ringway_link::shm::SharedMemory;
use ringway_wire::call::{FLAG_SHARED, SharedCall, TAG_PIN};
use ringway_wire::codec::Writer as _;
use std::collections::BTreeMap;

/// Shorter copies go by the ring, which takes the bytes along, or the answer to one does; but for those to the host that nobody waits for: their
/// bytes would need a message of their own, and somebody to wake for it.
const BYTES_MIN: usize = 64 << 10;
/// Ranges begin and end at multiples of this.
const PAGE: usize = 4096;

/// The session's memory, and what of it is free.
#[derive(Debug)]
pub struct Pool {
    memory: SharedMemory,
    free: Mutex<Free>,
}

/// Free ranges by where they begin, with their lengths; no two touch.
#[derive(Debug)]
struct Free(BTreeMap<usize, usize>);

impl Free {
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let (&start, &length) = self.0.iter().find(|(_, length)| **length >= bytes)?;
        self.0.remove(&start);
        if length > bytes {
            self.0.insert(start + bytes, length - bytes);
        }
        Some(start)
    }

    fn give(&mut self, mut start: usize, mut bytes: usize) {
        if let Some((&before, &length)) = self.0.range(..start).next_back()
            && before + length == start
        {
            self.0.remove(&before);
            (start, bytes) = (before, length + bytes);
        }
        if let Some(length) = self.0.remove(&(start + bytes)) {
            bytes += length;
        }
        self.0.insert(start, bytes);
    }
}

impl Pool {
    /// Of the memory that came with the lanes of a session, if it is one and the same, and unless `RINGWAY_SHARED_PINNED=0`.
    pub(crate) fn of(lanes: Vec<Option<SharedMemory>>) -> Option<Pool> {
        if std::env::var_os("RINGWAY_SHARED_PINNED").is_some_and(|value| value == "0") {
            return None;
        }
        let mut lanes = lanes.into_iter();
        let memory = lanes.next()??;
        if !lanes.all(|other| other.is_some_and(|other| other.is_same(&memory))) {
            return None;
        }
        let free = Mutex::new(Free(BTreeMap::from([(0, memory.len())])));
        Some(Pool { memory, free })
    }

    /// Where an address lies in it.
    fn offset(&self, address: u64) -> Option<usize> {
        let offset = (address as usize).checked_sub(self.memory.address() as usize)?;
        (offset < self.memory.len()).then_some(offset)
    }
}

/// Pinned memory of `bytes`, zeroed, that the server has pinned in the context; None: it must be memory of the program alone.
pub fn allocate(target: Target, bytes: usize) -> Option<*mut u8> {
    let pool = session().ok()?.server(target.lane).pinned.as_ref()?;
    let length = bytes.checked_next_multiple_of(PAGE)?;
    let offset = pool.free.lock().take(length)?;
    match pin(target, offset, length) {
        // SAFETY: within the mapping.
        Ok(()) => Some(unsafe { pool.memory.address().add(offset) }),
        Err(_) => {
            pool.free.lock().give(offset, length);
            None
        }
    }
}

fn pin(target: Target, offset: usize, bytes: usize) -> Result<(), CudaError> {
    let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
        w.usize(offset);
        w.usize(bytes);
    };
    called(TAG_PIN, target, 16, write, |_| Ok(()))
}

/// Gives back what [`allocate`] gave, of which the program uses nothing any more; false if that is memory of another kind. `context`: in
/// which it was pinned, unless that is gone.
pub fn free(address: u64, bytes: usize, context: Option<Target>) -> bool {
    let Ok(session) = session() else {
        return false;
    };
    let pools = session.servers.iter().filter_map(|server| server.pinned.as_ref());
    let Some((pool, offset)) = pools.filter_map(|pool| Some((pool, pool.offset(address)?))).next() else {
        return false;
    };
    let length = bytes.next_multiple_of(PAGE);
    if let Some(target) = context
        && pin(target, offset, 0).is_err()
    {
        // Still pinned as far as the server knows, or the session is lost: the range serves nobody any more.
        return true;
    }
    // SAFETY: a range of the mapping that nobody uses; its pages go back to the system, and the next who has it finds zeros.
    unsafe { libc::madvise(pool.memory.address().add(offset).cast(), length, libc::MADV_REMOVE) };
    pool.free.lock().give(offset, length);
    true
}

/// Where `bytes` from `host` on lie in the session's memory, if a copy of them can be the driver's own. `bytes_min`: shorter ones only if they
/// must.
fn place(session: &Session, host: u64, bytes: usize, bytes_min: usize, how: &How) -> Option<u64> {
    let offset = session.server(how.target.lane).pinned.as_ref()?.offset(host)?;
    if bytes < bytes_min && !(how.in_order)(how.stream) {
        return None;
    }
    let found = memory::find(host)?;
    (matches!(found.place, Place::PinnedHost(_)) && host + bytes as u64 <= found.base + found.bytes).then_some(offset as u64)
}

/// How a copy is asked for.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// CUDA's function.
    pub opcode: u32,
    /// Context and lane of the stream.
    pub target: Target,
    /// The stream.
    pub stream: u64,
    /// The call returns when the bytes are in place.
    pub wait: bool,
    /// Whether a copy in this stream may become part of a graph, or must wait for a host function, however short it is. Asked for
    /// short copies with shared memory only.
    pub in_order: fn(u64) -> bool,
}

/// A copy to the device, if it can be the driver's own; None: it must go by the ring.
pub fn to_device(how: How, dst: u64, src: u64, bytes: usize) -> Option<Result<(), CudaError>> {
    let offset = place(session().ok()?, src, bytes, BYTES_MIN, &how)?;
    stats::up(bytes);
    stats::past_ring_up(bytes, false);
    stats::up_beside(bytes);
    Some(copy(how, SharedCall { stream: how.stream, device: dst, bytes: bytes as u64, offset }))
}

/// A copy to the host, as [`to_device`].
pub fn to_host(how: How, dst: u64, src: u64, bytes: usize) -> Option<Result<(), CudaError>> {
    let bytes_min = if how.wait { BYTES_MIN } else { 0 };
    let offset = place(session().ok()?, dst, bytes, bytes_min, &how)?;
    stats::down(bytes);
    stats::past_ring_down(bytes, false);
    Some(copy(how, SharedCall { stream: how.stream, device: src, bytes: bytes as u64, offset }))
}

fn copy(how: How, call: SharedCall) -> Result<(), CudaError> {
    let How { opcode, target, .. } = how;
    if how.wait {
        called_with(FLAG_SHARED, opcode, target, SharedCall::SIZE, |w| call.write(w), |_| Ok(()))
    } else {
        posted_with(FLAG_SHARED, opcode, target, SharedCall::SIZE, |w| call.write(w))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_given_once_and_join_when_they_come_back() {
        let mut free = Free(BTreeMap::from([(0, 10 * PAGE)]));
        let taken: Vec<_> = [3, 2, 4].map(|pages| free.take(pages * PAGE).expect("room")).into();
        assert_eq!(taken, [0, 3 * PAGE, 5 * PAGE]);
        assert_eq!(free.take(2 * PAGE), None);
        free.give(0, 3 * PAGE);
        free.give(5 * PAGE, 4 * PAGE);
        assert_eq!(free.0, BTreeMap::from([(0, 3 * PAGE), (5 * PAGE, 5 * PAGE)]));
        assert_eq!(free.take(4 * PAGE), Some(5 * PAGE));
        free.give(5 * PAGE, 4 * PAGE);
        free.give(3 * PAGE, 2 * PAGE);
        assert_eq!(free.0, BTreeMap::from([(0, 10 * PAGE)]));
    }
}
