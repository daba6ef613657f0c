//! Memory pools and stream-ordered allocation.
//!
//! An address is chosen and charged when `cuMemAllocAsync` is called and freed when the stream reaches the `cuMemFreeAsync`. What a pool
//! holds back after a free is only a figure here (release threshold, reserved memory): pages always go back to the system.
//!
//! A pool made for sharing has a memory file of its own. Another process imports the file as a pool, and single allocations of it as places in
//! that file; the memory stays on the account of the process that made it.

use super::arena::{ALIGNMENT, Arena, round_up};
use super::shared::{Content, SharedFile};
use super::vmm::{FILE_DESCRIPTOR, Mapping};
use super::{Backing, Kind, New, space};
use crate::driver::capture;
use crate::driver::context::{Context, current};
use crate::driver::device::{Device, device};
use crate::driver::graph_memory;
use crate::driver::op::Op;
use crate::driver::registry::Registry;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::Stream;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// All live pools.
pub static POOLS: Registry<Pool> = Registry::new(4);

/// A pool.
pub struct Pool {
    /// Its handle.
    pub handle: u64,
    /// Its device.
    pub device: u32,
    /// Whether `cuMemPoolDestroy` is refused.
    pub is_default: bool,
    /// Devices that may touch its memory without peer access, as a bit mask.
    pub visible: AtomicU32,
    /// Most bytes it may hold; 0 is no limit.
    pub limit: u64,
    /// Where its memory lies if other processes may share it; else in the device's own file.
    pub memory: Option<Arc<PoolMemory>>,
    state: Mutex<State>,
}

/// The memory file of a pool that processes share, mapped here as a whole.
pub struct PoolMemory {
    arena: Arena,
    mapping: Mapping,
    /// The device that accounts for what is allocated; None in a process that imported the pool and allocates nothing.
    owner: Option<&'static Device>,
}

impl PoolMemory {
    fn create(device: &'static Device) -> R<PoolMemory> {
        // Addresses cost nothing; twice the device's memory leaves room for holes.
        let len = device.arena.capacity_and_free().0.next_power_of_two() * 2;
        Self::map(SharedFile::create(Content::Pool, device.ordinal, len)?, Some(device))
    }

    fn map(file: SharedFile, owner: Option<&'static Device>) -> R<PoolMemory> {
        let mapping = Mapping::new(file.raw(), 0, file.len)?;
        Ok(PoolMemory { arena: Arena::over(file, mapping.base), mapping, owner })
    }

    fn allocate(&self, len: u64) -> R<u64> {
        let owner = self.owner.ok_or(CUresult::INVALID_VALUE)?;
        let size = round_up(len, ALIGNMENT).ok_or(CUresult::OUT_OF_MEMORY)?;
        owner.arena.charge(size)?;
        self.arena.allocate(len, 0).inspect_err(|_| owner.arena.discharge(size))
    }

    /// Frees what was allocated; of an imported pool, only forgets it.
    pub fn release(&self, start: u64, len: u64) {
        if let Some(owner) = self.owner {
            self.arena.release(start, len);
            owner.arena.discharge(round_up(len, ALIGNMENT).unwrap_or(len));
        }
    }

    /// The file's number in the system: the same in every process that has it.
    fn number(&self) -> R<u64> {
        // SAFETY: an all-zero stat is valid and fstat only fills it in; a system call on our own descriptor.
        unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            ensure(libc::fstat(self.arena.file().raw(), &raw mut stat) == 0, CUresult::OPERATING_SYSTEM)?;
            Ok(stat.st_ino)
        }
    }
}

#[derive(Default)]
struct State {
    reuse: [u32; 3],
    threshold: u64,
    reserved: u64,
    reserved_high: u64,
    used: u64,
    used_high: u64,
}

/// The pools a device has from the start.
#[derive(Default)]
pub struct DevicePools {
    default: OnceLock<u64>,
    current: AtomicU64,
}

impl DevicePools {
    /// The default pool.
    pub fn default_pool(&self, device: &Device) -> u64 {
        *self.default.get_or_init(|| enter(device.ordinal, true, 0, None))
    }

    /// The pool that `cuMemAllocAsync` uses.
    pub fn current_pool(&self, device: &Device) -> u64 {
        match self.current.load(Ordering::Acquire) {
            0 => self.default_pool(device),
            pool => pool,
        }
    }

    /// `cuDeviceSetMemPool`.
    pub fn set_current(&self, device: &Device, handle: u64) -> R {
        let pool = POOLS.get(handle)?;
        ensure(pool.device == device.ordinal && !pool.imported(), CUresult::INVALID_VALUE)?;
        self.current.store(handle, Ordering::Release);
        Ok(())
    }
}

/// Makes a pool of a device; `shared` lets other processes use its memory.
pub fn create(device: &'static Device, limit: u64, shared: bool) -> R<u64> {
    let memory = if shared { Some(Arc::new(PoolMemory::create(device)?)) } else { None };
    Ok(enter(device.ordinal, false, limit, memory))
}

fn enter(device: u32, is_default: bool, limit: u64, memory: Option<Arc<PoolMemory>>) -> u64 {
    let handle = POOLS.reserve();
    let state = Mutex::new(State { reuse: [1; 3], ..State::default() });
    POOLS.insert(handle, Arc::new(Pool { handle, device, is_default, visible: AtomicU32::new(0), limit, memory, state }));
    handle
}

/// `cuMemPoolExportToShareableHandle`: a file descriptor. CUDA_ERROR_INVALID_VALUE for a pool that was not made for it.
pub fn export(handle: u64, kind: u32, flags: u64) -> R<libc::c_int> {
    ensure(kind == FILE_DESCRIPTOR && flags == 0, CUresult::INVALID_VALUE)?;
    POOLS.get(handle)?.memory.as_ref().ok_or(CUresult::INVALID_VALUE)?.arena.file().export()
}

/// `cuMemPoolImportFromShareableHandle`. The descriptor stays the caller's.
pub fn import(descriptor: libc::c_int, kind: u32, flags: u64) -> R<u64> {
    crate::driver::device::driver()?;
    ensure(kind == FILE_DESCRIPTOR && flags == 0, CUresult::INVALID_VALUE)?;
    let file = SharedFile::adopt_copy(Content::Pool, descriptor)?;
    let device = file.device;
    Ok(enter(device, false, 0, Some(Arc::new(PoolMemory::map(file, None)?))))
}

/// What `cuMemPoolExportPointer` gives: the file, the place in it, the length.
pub type PointerData = [u8; 64];

const MAGIC: u64 = u64::from_le_bytes(*b"RWPOOL\0\x01");

/// `cuMemPoolExportPointer`.
pub fn export_pointer(address: u64) -> R<PointerData> {
    crate::driver::device::driver()?;
    let allocation = space().find(address).filter(|a| a.kind == Kind::Pool).ok_or(CUresult::INVALID_VALUE)?;
    let Backing::Pool(memory) = &allocation.backing else { return Err(CUresult::INVALID_VALUE) };
    let words = [MAGIC, memory.number()?, allocation.start - memory.mapping.base, allocation.len];
    let mut bytes = [0; 64];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    Ok(bytes)
}

/// `cuMemPoolImportPointer`: CUDA_ERROR_INVALID_VALUE for data of another pool, or of memory that is imported already.
pub fn import_pointer(handle: u64, data: &PointerData) -> R<u64> {
    let ctx = current()?;
    let pool = POOLS.get(handle)?;
    let memory = pool.memory.as_ref().filter(|_| pool.imported()).ok_or(CUresult::INVALID_VALUE)?;
    let word = |i: usize| u64::from_le_bytes(data[i * 8..][..8].try_into().unwrap_or_default());
    let (offset, len) = (word(2), word(3));
    ensure(word(0) == MAGIC && word(1) == memory.number()? && len > 0 && offset.is_multiple_of(ALIGNMENT), CUresult::INVALID_VALUE)?;
    ensure(offset.checked_add(len).is_some_and(|end| end <= memory.arena.file().len), CUresult::INVALID_VALUE)?;
    let start = memory.mapping.base + offset;
    let mut clash = false;
    space().each(|a| clash |= a.start < start + len && start < a.end());
    ensure(!clash, CUresult::INVALID_VALUE)?;
    pool.charge(len)?;
    let new = New { start, len, kind: Kind::Pool, device: pool.device, ctx: ctx.handle, flags: 0, pool: handle };
    let new = space().insert_backed(new, Backing::Pool(Arc::clone(memory)));
    space().set_visible(&new, pool.visible.load(Ordering::Relaxed));
    Ok(start)
}

/// `cuMemPoolDestroy`. Memory still allocated from it stays valid.
pub fn destroy(handle: u64) -> R {
    let pool = POOLS.get(handle)?;
    ensure(!pool.is_default, CUresult::INVALID_VALUE)?;
    let pools = &device(pool.device as i32)?.pools;
    let _ = pools.current.compare_exchange(handle, 0, Ordering::AcqRel, Ordering::Acquire);
    POOLS.remove(handle).map(drop)
}

impl Pool {
    /// Whether another process made it: nothing can be allocated from it here.
    pub fn imported(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.owner.is_none())
    }

    fn charge(&self, len: u64) -> R {
        let mut state = self.state.lock();
        ensure(self.limit == 0 || state.used + len <= self.limit, CUresult::OUT_OF_MEMORY)?;
        state.used += len;
        state.used_high = state.used_high.max(state.used);
        state.reserved = state.reserved.max(state.used);
        state.reserved_high = state.reserved_high.max(state.reserved);
        Ok(())
    }

    fn discharge(&self, len: u64) {
        let mut state = self.state.lock();
        state.used = state.used.saturating_sub(len);
        state.reserved = state.used.max(state.reserved.min(state.threshold));
    }

    /// `cuMemPoolTrimTo`.
    pub fn trim(&self, keep: u64) {
        let mut state = self.state.lock();
        state.reserved = state.used.max(state.reserved.min(keep));
    }

    /// A `CUmemPool_attribute`; see [`wide`] for its size.
    pub fn attribute(&self, attribute: u32) -> R<u64> {
        let state = self.state.lock();
        Ok(match attribute {
            1..=3 => u64::from(state.reuse[attribute as usize - 1]),
            4 => state.threshold,
            5 => state.reserved,
            6 => state.reserved_high,
            7 => state.used,
            8 => state.used_high,
            9 => 1,                                         // allocation type: pinned
            10 => u64::from(u32::from(self.memory.is_some()) * FILE_DESCRIPTOR),
            11 => u64::from(self.device),                   // location: the device
            12 => 1,
            13 => self.limit,
            14 => 0,                                        // hardware decompression
            _ => return Err(CUresult::INVALID_VALUE),
        })
    }

    /// Sets one; of the figures only the high-water marks, and those only to zero.
    pub fn set_attribute(&self, attribute: u32, value: u64) -> R {
        let mut state = self.state.lock();
        match attribute {
            1..=3 => state.reuse[attribute as usize - 1] = u32::from(value != 0),
            4 => state.threshold = value,
            6 if value == 0 => state.reserved_high = state.reserved,
            8 if value == 0 => state.used_high = state.used,
            _ => return Err(CUresult::INVALID_VALUE),
        }
        Ok(())
    }
}

/// Whether a `CUmemPool_attribute` is 64 bits wide, not 32.
pub fn wide(attribute: u32) -> bool {
    matches!(attribute, 4..=8 | 13)
}

/// Allocates device memory; when there is none, waits for frees on their way and tries again.
pub fn allocate_or_wait(ctx: &Context, device: &Device, len: u64, align: u64) -> R<u64> {
    once_more(ctx, || device.arena.allocate(len, align))
}

fn once_more(ctx: &Context, allocate: impl Fn() -> R<u64>) -> R<u64> {
    match allocate() {
        Err(CUresult::OUT_OF_MEMORY) => {
            ctx.all_streams().iter().for_each(|s| s.mark().wait());
            allocate()
        }
        other => other,
    }
}

/// Memory from a pool, owned by the pool's device.
pub fn allocate(ctx: &Context, handle: u64, len: u64) -> R<u64> {
    ensure(len > 0, CUresult::INVALID_VALUE)?;
    let pool = POOLS.get(handle)?;
    let owner = device(pool.device as i32)?;
    pool.charge(len)?;
    let (start, backing) = match &pool.memory {
        None => (allocate_or_wait(ctx, owner, len, 0), Backing::Usual),
        Some(memory) => (once_more(ctx, || memory.allocate(len)), Backing::Pool(Arc::clone(memory))),
    };
    let start = start.inspect_err(|_| pool.discharge(len))?;
    let new = New { start, len, kind: Kind::Pool, device: pool.device, ctx: ctx.handle, flags: 0, pool: handle };
    let new = space().insert_backed(new, backing);
    let visible = pool.visible.load(Ordering::Relaxed);
    if visible != 0 {
        space().set_visible(&new, visible);
    }
    Ok(start)
}

/// `cuMemFreeAsync`.
pub fn free_async(address: u64, stream: &Arc<Stream>) -> R {
    let fits = space().find(address).is_some_and(|a| a.start == address && matches!(a.kind, Kind::Device | Kind::Pool | Kind::Graph));
    ensure(fits, CUresult::INVALID_VALUE)?;
    let of_graph = space().find(address).is_some_and(|a| a.kind == Kind::Graph);
    if capture::add(stream, &Op::Free(address))? {
        return Ok(());
    }
    if of_graph {
        ensure(graph_memory::is_allocated(address), CUresult::INVALID_VALUE)?;
        graph_memory::freed(address);
    }
    stream.submit(Op::Free(address), Vec::new());
    Ok(())
}

/// Frees at once: what a stream does when it reaches the free.
pub fn free_now(address: u64) {
    if let Some(gone) = space().remove(address, |a| matches!(a.kind, Kind::Device | Kind::Pool)) {
        super::free_backing(&gone);
        if let Some(pool) = POOLS.find(gone.pool) {
            pool.discharge(gone.len);
        }
    }
}

/// Takes an allocation that became a graph's off its pool's account.
pub fn forget(allocation: &super::Allocation) {
    if let Some(pool) = POOLS.find(allocation.pool) {
        pool.discharge(allocation.len);
    }
}

/// `cuMemFree`: waits for the context's work first, since it may use the memory.
pub fn free(address: u64) -> R {
    let ctx = current()?;
    let allocation = space().find(address).filter(|a| a.start == address).ok_or(CUresult::INVALID_VALUE)?;
    ensure(matches!(allocation.kind, Kind::Device | Kind::Pool | Kind::Managed | Kind::Graph), CUresult::INVALID_VALUE)?;
    ensure(allocation.kind != Kind::Managed || allocation.flags != super::VARIABLE, CUresult::INVALID_VALUE)?;
    let owner = crate::driver::context::CONTEXTS.find(allocation.ctx).unwrap_or(ctx);
    owner.all_streams().iter().for_each(|s| s.mark().wait());
    match allocation.kind {
        Kind::Graph => {
            ensure(graph_memory::is_allocated(address), CUresult::INVALID_VALUE)?;
            graph_memory::freed(address);
        }
        Kind::Managed => {
            if let Some(gone) = space().remove(address, |a| a.kind == Kind::Managed) {
                super::free_backing(&gone);
            }
        }
        _ => free_now(address),
    }
    owner.healthy()
}
