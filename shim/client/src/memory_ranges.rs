//! Ranges of device memory that this process keeps, so that cuMemAlloc and cuMemFree need not wait for the server: slabs, out of which
//! small blocks are given, and larger ranges that the program has freed. All of them were allocated by the server's cuMemAlloc, in the context
//! to whose program they are given.
//!
//! cuMemFree waits for work that may use the memory, as CUDA's does, unless all contexts are known to be at rest
//! (`contexts::are_at_rest`). What is freed is given out again only when they are. Nobody waits for the server with the lock held.

use crate::completion;
use crate::contexts::{self, Target};
use crate::memory::{self, Allocation, Origin};
use crate::servers;
use crate::session::{Session, lost, session};
use crate::slabs::{GRAIN, Slabs, taken};
use crate::stats;
use crate::submit::called;
use parking_lot::Mutex;
use ringway_api::{CudaError, op};
use ringway_wire::codec::Writer as _;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of a slab: NVIDIA's drivers give small blocks out of as much.
const SLAB_MAX: u64 = 2 << 20;
const SLAB_MIN: u64 = 64 << 10;
/// Of a device's memory (the slice's) one part in so many is a slab at the most.
const SLABS_OF_A_SLICE: u64 = 64;
/// Of a slab a small block is less than one part in so many.
const BLOCKS_OF_A_SLAB: u64 = 8;
/// Bytes that are kept and not used at the most, for a device.
const KEPT_MAX: u64 = 64 << 20;
/// And the part of its memory.
const KEPT_OF_A_SLICE: u64 = 16;

/// What is kept for a context.
#[derive(Default)]
struct Kept {
    lane: u32,
    slabs: Slabs,
    /// Ranges that the program has freed and no work uses, the oldest first: base and bytes.
    ranges: VecDeque<(u64, u64)>,
}

impl Kept {
    /// Bytes of what could be given back to the server.
    fn unused(&self) -> u64 {
        self.ranges.iter().map(|(_, bytes)| bytes).sum::<u64>() + self.slabs.unused()
    }

    fn take_range(&mut self, bytes: u64) -> Option<u64> {
        let at = self.ranges.iter().rposition(|(_, length)| *length == bytes)?;
        self.ranges.remove(at).map(|(base, _)| base)
    }
}

static KEPT: Mutex<BTreeMap<u32, Kept>> = Mutex::new(BTreeMap::new());

/// Bytes of a slab on a device with so much memory.
fn slab_bytes(memory: u64) -> u64 {
    let most = (memory / SLABS_OF_A_SLICE).clamp(SLAB_MIN, SLAB_MAX);
    1 << most.ilog2()
}

fn kept_max(memory: u64) -> u64 {
    KEPT_MAX.min(memory / KEPT_OF_A_SLICE)
}

/// Whether memory is kept at all. Between servers copies are under way that no context here knows of.
fn is_on(session: &Session) -> bool {
    session.keeps_memory && !servers::are_several()
}

fn memory_of(session: &Session, lane: u32) -> u64 {
    session.devices.get(lane as usize).map_or(0, |device| device.memory_bytes)
}

/// What a call that is answered here would have been told by the server.
fn usable(session: &Session, target: Target) -> Result<(), CudaError> {
    if let Some(fault) = contexts::fault(target.context) {
        return Err(fault);
    }
    match session.lanes.get(target.lane as usize).and_then(|lane| lane.down()) {
        Some(cause) => Err(lost(target.lane, &ringway_link::LinkError::Down(cause))),
        None => Ok(()),
    }
}

fn from_server(target: Target, bytes: u64) -> Result<u64, CudaError> {
    called(op::CU_MEM_ALLOC, target.without_work(), 8, |w| w.u64(bytes), |r| r.u64())
}

fn to_server(target: Target, base: u64) -> Result<(), CudaError> {
    called(op::CU_MEM_FREE, target.without_work(), 8, |w| w.u64(base), |_| Ok(()))
}

/// cuMemAlloc: the address, and whose it is.
///
/// # Errors
/// Those of [`called`].
pub fn allocate(target: Target, bytes: u64) -> Result<(u64, Origin), CudaError> {
    let session = session()?;
    if !is_on(session) {
        return from_server(target, bytes).map(|base| (base, Origin::Server));
    }
    usable(session, target)?;
    let memory = memory_of(session, target.lane);
    let (bytes_taken, slab) = (taken(bytes), slab_bytes(memory));
    // What may be kept serves any allocation that takes as much.
    let asked = if bytes_taken <= kept_max(memory) { bytes_taken } else { bytes };
    let is_small = bytes_taken < slab / BLOCKS_OF_A_SLAB;
    if let Some(found) = from_kept(target, bytes_taken, is_small.then_some(slab)) {
        stats::count_answered(op::CU_MEM_ALLOC);
        return Ok(found);
    }
    if !is_small {
        return from_server(target, asked).map(|base| (base, Origin::Server));
    }
    match from_server(target, slab) {
        Ok(base) => {
            let mut all = KEPT.lock();
            let slabs = &mut kept(&mut all, target).slabs;
            // An address that cannot be is the server's fault.
            let is_possible = slabs.add(base, slab);
            if is_possible {
                memory::reserve(base, slab);
            }
            // There is room: the slab was added under the same lock.
            slabs.take(bytes_taken).filter(|_| is_possible).map(|base| (base, Origin::Slab)).ok_or(CudaError::UNKNOWN)
        }
        // There may be room for the block, if not for a slab.
        Err(CudaError::OUT_OF_MEMORY) => from_server(target, asked).map(|base| (base, Origin::Server)),
        Err(code) => Err(code),
    }
}

fn kept(all: &mut BTreeMap<u32, Kept>, target: Target) -> &mut Kept {
    let kept = all.entry(target.context).or_default();
    kept.lane = target.lane;
    kept
}

/// Memory out of what is kept; `slab`: bytes of one, for small blocks.
fn from_kept(target: Target, bytes: u64, slab: Option<u64>) -> Option<(u64, Origin)> {
    let mut all = KEPT.lock();
    let kept = kept(&mut all, target);
    let Some(slab) = slab else {
        return kept.take_range(bytes).map(|base| (base, Origin::Server));
    };
    let block = kept.slabs.take(bytes).or_else(|| {
        if kept.slabs.holds_back() && contexts::are_at_rest() {
            kept.slabs.release();
        }
        kept.slabs.take(bytes)
    });
    let block = block.or_else(|| {
        let base = kept.take_range(slab)?;
        memory::reserve(base, slab);
        if kept.slabs.add(base, slab) { kept.slabs.take(bytes) } else { None }
    });
    block.map(|base| (base, Origin::Slab))
}

/// cuMemFree of an allocation that was forgotten just now. `captures`: whether some stream is being captured.
///
/// # Errors
/// Those of [`called`]; an earlier call's, where the wait reports it.
pub fn free(found: &Allocation, captures: bool) -> Result<(), CudaError> {
    let session = session()?;
    let target = Target { context: found.context, lane: found.gpu, stream: 0 };
    let (bytes, limit) = (taken(found.bytes), kept_max(memory_of(session, found.gpu)));
    match found.origin {
        Origin::Slab => {
            usable(session, target)?;
            let waited = wait(target, captures);
            give_block(target, found.base, bytes);
            waited?;
            trim(target, limit)
        }
        Origin::Server if is_on(session) && bytes <= limit && !captures => {
            usable(session, target)?;
            let waited = wait(target, false);
            if !contexts::are_at_rest() {
                // Other contexts have work, or the wait failed: the driver knows when it may have the memory.
                let freed = to_server(target, found.base);
                return waited.and(freed);
            }
            kept(&mut KEPT.lock(), target).ranges.push_back((found.base, bytes));
            waited?;
            trim(target, limit)
        }
        _ => to_server(target, found.base),
    }
}

/// Takes a block of a slab back that the program has freed in the order of a stream.
pub fn free_in_order(found: &Allocation) {
    stats::count_answered(op::CU_MEM_FREE_ASYNC);
    give_block(Target { context: found.context, lane: found.gpu, stream: 0 }, found.base, taken(found.bytes));
}

fn give_block(target: Target, base: u64, bytes: u64) {
    let mut all = KEPT.lock();
    let slabs = &mut kept(&mut all, target).slabs;
    let at_rest = contexts::are_at_rest();
    if at_rest {
        slabs.release();
    }
    slabs.give(base, bytes, !at_rest);
}

/// Waits until the work of a context is done that may use memory of it.
fn wait(target: Target, captures: bool) -> Result<(), CudaError> {
    if contexts::are_at_rest() {
        stats::count_answered(op::CU_MEM_FREE);
        return Ok(());
    }
    if captures {
        // To synchronise a context would end its captures; the driver's own cuMemFree waits and does not.
        return from_server(target, GRAIN).and_then(|base| to_server(target, base));
    }
    completion::wait_for_context(op::CU_MEM_FREE, target)
}

/// Gives ranges back until what a device's contexts keep and do not use is within the limit.
fn trim(target: Target, limit: u64) -> Result<(), CudaError> {
    loop {
        let excess = {
            let mut all = KEPT.lock();
            let unused: u64 = all.values().filter(|kept| kept.lane == target.lane).map(Kept::unused).sum();
            if unused <= limit {
                return Ok(());
            }
            let kept = kept(&mut all, target);
            kept.ranges.pop_front().or_else(|| kept.slabs.take_unused())
        };
        match excess {
            Some((base, _)) => to_server(target, base)?,
            // Other contexts have it.
            None => return Ok(()),
        }
    }
}

/// Gives all that is kept on a lane and not used back to the server; whether there was anything.
///
/// # Errors
/// Those of [`called`], in the target's own context.
fn give_back(target: Target) -> Result<bool, CudaError> {
    let lane = target.lane;
    let unused: Vec<(u32, u64)> = {
        let mut all = KEPT.lock();
        let ranges = all.iter_mut().filter(|(_, kept)| kept.lane == lane).flat_map(|(context, kept)| {
            let slabs = std::iter::from_fn(|| kept.slabs.take_unused()).collect::<Vec<_>>();
            kept.ranges.drain(..).chain(slabs).map(|(base, _)| (*context, base))
        });
        ranges.collect()
    };
    for (context, base) in &unused {
        let given = to_server(Target { context: *context, lane, stream: 0 }, *base);
        // What is wrong in other contexts is reported there.
        if *context == target.context {
            given?;
        }
    }
    Ok(!unused.is_empty())
}

/// Runs `body`, and where there is not enough memory once more, when what is kept and not used was given back.
///
/// # Errors
/// Those of `body` and of [`called`].
pub fn with_room<T>(target: Target, mut body: impl FnMut() -> Result<T, CudaError>) -> Result<T, CudaError> {
    match body() {
        Err(CudaError::OUT_OF_MEMORY) if give_back(target)? => body(),
        result => result,
    }
}

/// Bytes on a lane that are kept and that the program does not have: free memory to it.
pub fn free_bytes(lane: u32) -> u64 {
    let all = KEPT.lock();
    all.values().filter(|kept| kept.lane == lane).map(|kept| kept.slabs.free() + kept.ranges.iter().map(|(_, bytes)| bytes).sum::<u64>()).sum()
}

/// A context's memory is gone with it.
pub(crate) fn forget_context(context: u32) {
    KEPT.lock().remove(&context);
}

const _: () = assert!(SLAB_MIN / BLOCKS_OF_A_SLAB > GRAIN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_slice_has_small_slabs() {
        let mib = 1 << 20;
        assert_eq!(slab_bytes(64 * 1024 * mib), 2 * mib);
        assert_eq!(slab_bytes(128 * mib), 2 * mib);
        assert_eq!(slab_bytes(127 * mib), mib);
        assert_eq!(slab_bytes(mib), 64 << 10);
        assert_eq!(kept_max(64 * 1024 * mib), 64 * mib);
        assert_eq!(kept_max(64 * mib), 4 * mib);
        for memory in [64 * mib, 100 * mib, 4096 * mib] {
            assert!(slab_bytes(memory) <= kept_max(memory), "an empty slab can be kept");
        }
    }

    #[test]
    fn ranges_are_given_again_for_their_size() {
        let mut kept = Kept { ranges: [(0x1000, 1024), (0x2000, 2048), (0x3000, 1024)].into(), ..Kept::default() };
        assert_eq!(kept.unused(), 4096);
        assert_eq!(kept.take_range(512), None);
        assert_eq!(kept.take_range(1024), Some(0x3000), "the one that was used last");
        assert_eq!(kept.take_range(1024), Some(0x1000));
        assert_eq!(kept.take_range(1024), None);
        assert_eq!(kept.unused(), 2048);
    }
}
