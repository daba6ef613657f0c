//! Memory pools and stream-ordered allocation.
//!
//! An address is chosen and charged when `cuMemAllocAsync` is called and freed when the stream reaches the `cuMemFreeAsync`. What a pool
//! holds back after a free is only a figure here (release threshold, reserved memory): pages always go back to the system.

use super::{Kind, New, space};
use crate::driver::capture;
use crate::driver::context::{Context, current};
use crate::driver::device::{Device, device};
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
    state: Mutex<State>,
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
        *self.default.get_or_init(|| create(device.ordinal, true, 0))
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
        ensure(POOLS.get(handle)?.device == device.ordinal, CUresult::INVALID_VALUE)?;
        self.current.store(handle, Ordering::Release);
        Ok(())
    }
}

/// Makes a pool.
pub fn create(device: u32, is_default: bool, limit: u64) -> u64 {
    let handle = POOLS.reserve();
    let state = Mutex::new(State { reuse: [1; 3], ..State::default() });
    POOLS.insert(handle, Arc::new(Pool { handle, device, is_default, visible: AtomicU32::new(0), limit, state }));
    handle
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

    /// A `CUmemPool_attribute`: the first three are 32 bits wide, the others 64.
    pub fn attribute(&self, attribute: u32) -> R<u64> {
        let state = self.state.lock();
        Ok(match attribute {
            1..=3 => u64::from(state.reuse[attribute as usize - 1]),
            4 => state.threshold,
            5 => state.reserved,
            6 => state.reserved_high,
            7 => state.used,
            8 => state.used_high,
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

/// Allocates device memory; when there is none, waits for frees on their way and tries again.
pub fn allocate_or_wait(ctx: &Context, device: &Device, len: u64, align: u64) -> R<u64> {
    match device.arena.allocate(len, align) {
        Err(CUresult::OUT_OF_MEMORY) => {
            ctx.all_streams().iter().for_each(|s| s.mark().wait());
            device.arena.allocate(len, align)
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
    let start = allocate_or_wait(ctx, owner, len, 0).inspect_err(|_| pool.discharge(len))?;
    let new = space().insert(New { start, len, kind: Kind::Pool, device: pool.device, ctx: ctx.handle, flags: 0, pool: handle });
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
    if capture::add(stream, &Op::Free(address))? {
        return Ok(());
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
    let owner = crate::driver::context::CONTEXTS.find(allocation.ctx).unwrap_or(ctx);
    owner.all_streams().iter().for_each(|s| s.mark().wait());
    match allocation.kind {
        Kind::Managed => {
            if let Some(gone) = space().remove(address, |a| a.kind == Kind::Managed) {
                super::free_backing(&gone);
            }
        }
        _ => free_now(address),
    }
    owner.healthy()
}
