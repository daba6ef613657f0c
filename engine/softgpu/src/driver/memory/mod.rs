//! All memory that a device can reach: which ranges are live, what they are and to whom they belong.

pub mod arena;
pub mod array;
pub mod copy;
pub mod managed;
pub mod pool;
pub mod shared;
pub mod vmm;

use super::result::{CUresult, R};
use crate::exec::{MemoryMap, MemoryRange};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What a live range is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `cuMemAlloc` and its like.
    Device,
    /// `cuMemAllocAsync`: from a pool.
    Pool,
    /// Of an allocation node of a graph.
    Graph,
    /// A global variable of a module.
    Global,
    /// The heap of kernels' malloc, and the place where a cooperative launch's blocks meet.
    Heap,
    /// Mapped by `cuMemMap`.
    Mapped,
    /// `cuMemHostAlloc`.
    Pinned,
    /// `cuMemHostRegister`.
    Registered,
    /// `cuMemAllocManaged`.
    Managed,
    /// Of another process: `cuIpcOpenMemHandle`.
    Imported,
}

/// `CU_MEMHOSTREGISTER_READ_ONLY`.
pub const REGISTERED_READ_ONLY: u32 = 8;
/// Flags of managed memory that is a module's variable, not an allocation.
pub const VARIABLE: u32 = 0;

/// A live range of memory.
#[derive(Debug)]
pub struct Allocation {
    /// First address.
    pub start: u64,
    /// Bytes asked for.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
    /// Device that owns it (for host memory: the device of the context that made it).
    pub device: u32,
    /// Context that owns it; 0 if it outlives contexts (mapped and pool memory).
    pub ctx: u64,
    /// Flags of `cuMemHostAlloc` or `cuMemHostRegister`.
    pub flags: u32,
    /// Pool it came from, or 0.
    pub pool: u64,
    /// Devices that may touch it without peer access, as a bit mask (`cuMemSetAccess`, `cuMemPoolSetAccess`).
    pub visible: AtomicU32,
    /// Of those devices, which may only read it.
    pub read_only: AtomicU32,
    /// CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, as the program set it.
    pub sync_memops: AtomicBool,
    /// Position in order of creation, for the journal.
    pub ordinal: u64,
    /// Unique for the process: CU_POINTER_ATTRIBUTE_BUFFER_ID.
    pub id: u64,
    /// What its addresses lead to.
    pub backing: Backing,
}

/// What the addresses of a range lead to, as far as it is not said by [`Kind`].
#[derive(Default, Clone)]
pub enum Backing {
    /// The usual: the device's own memory, the host's, or whatever `cuMemMap` put there.
    #[default]
    Usual,
    /// The file of a pool that other processes may share.
    Pool(Arc<pool::PoolMemory>),
    /// A mapping that goes when nobody needs it.
    Mapping(#[allow(dead_code, reason = "held for its drop")] Arc<vmm::Mapping>),
}

impl std::fmt::Debug for Backing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Backing::Usual => "Usual",
            Backing::Pool(_) => "Pool",
            Backing::Mapping(_) => "Mapping",
        })
    }
}

impl Kind {
    /// What it is, in words for a report.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Device => "allocation",
            Kind::Pool => "stream-ordered allocation",
            Kind::Graph => "graph's allocation",
            Kind::Global => "module's variable",
            Kind::Heap => "heap of the kernels' malloc",
            Kind::Mapped => "mapped memory",
            Kind::Pinned => "pinned host memory",
            Kind::Registered => "registered host memory",
            Kind::Managed => "managed memory",
            Kind::Imported => "another process's allocation",
        }
    }
}

impl Allocation {
    /// Whether the memory is the host's own.
    pub fn on_host(&self) -> bool {
        matches!(self.kind, Kind::Pinned | Kind::Registered)
    }

    /// One past the last address.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// The live ranges of this process.
#[derive(Default)]
pub struct Space {
    map: RwLock<BTreeMap<u64, Arc<Allocation>>>,
    version: AtomicU64,
    ids: AtomicU64,
    ordinals: [AtomicU64; 2],
    cache: Mutex<Vec<(u64, u32, u32, Snapshot)>>,
}

/// Live ranges that one device may touch, sorted by address: what the memory checker checks against.
pub type Snapshot = Arc<MemoryMap>;

/// The live ranges of this process.
pub fn space() -> &'static Space {
    static SPACE: OnceLock<Space> = OnceLock::new();
    SPACE.get_or_init(Space::default)
}

/// What a caller says about a new range; see [`Allocation`].
pub struct New {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
    /// Owner.
    pub device: u32,
    /// Owner.
    pub ctx: u64,
    /// Flags.
    pub flags: u32,
    /// Pool or 0.
    pub pool: u64,
}

impl Space {
    /// Enters a range.
    pub fn insert(&self, new: New) -> Arc<Allocation> {
        self.insert_backed(new, Backing::Usual)
    }

    /// Enters a range with what keeps its memory.
    pub fn insert_backed(&self, new: New, backing: Backing) -> Arc<Allocation> {
        let New { start, len, kind, device, ctx, flags, pool } = new;
        let host = usize::from(matches!(kind, Kind::Pinned | Kind::Registered));
        let ordinal = self.ordinals[host].fetch_add(1, Ordering::Relaxed) + 1;
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let allocation = Arc::new(Allocation { start, len, kind, device, ctx, flags, pool, visible: AtomicU32::new(0), read_only: AtomicU32::new(0), sync_memops: AtomicBool::new(false), ordinal, id, backing });
        self.map.write().insert(start, Arc::clone(&allocation));
        self.version.fetch_add(1, Ordering::Release);
        allocation
    }

    /// Takes out the range that starts at `start`, if `fits` agrees.
    pub fn remove(&self, start: u64, fits: impl FnOnce(&Allocation) -> bool) -> Option<Arc<Allocation>> {
        let mut map = self.map.write();
        if !fits(map.get(&start)?) {
            return None;
        }
        let gone = map.remove(&start);
        self.version.fetch_add(1, Ordering::Release);
        gone
    }

    /// Takes out all ranges for which `doomed` says so.
    pub fn remove_where(&self, mut doomed: impl FnMut(&Allocation) -> bool) -> Vec<Arc<Allocation>> {
        let mut gone = Vec::new();
        self.map.write().retain(|_, allocation| {
            let goes = doomed(allocation);
            if goes {
                gone.push(Arc::clone(allocation));
            }
            !goes
        });
        self.version.fetch_add(1, Ordering::Release);
        gone
    }

    /// The live range that holds `address`.
    pub fn find(&self, address: u64) -> Option<Arc<Allocation>> {
        let map = self.map.read();
        let (_, allocation) = map.range(..=address).next_back()?;
        (address < allocation.end()).then(|| Arc::clone(allocation))
    }

    /// The live range nearest to `address`, for reports.
    pub fn nearest(&self, address: u64) -> Option<Arc<Allocation>> {
        let map = self.map.read();
        let below = map.range(..=address).next_back().map(|(_, a)| a);
        let above = map.range(address..).next().map(|(_, a)| a);
        let distance = |a: &Arc<Allocation>| if a.start > address { a.start - address } else { address.saturating_sub(a.end()) };
        below.into_iter().chain(above).min_by_key(|a| distance(a)).cloned()
    }

    /// Whether `address .. address + len` lies in live ranges without a gap (several only where mappings adjoin).
    pub fn covers(&self, address: u64, len: u64) -> bool {
        let Some(end) = address.checked_add(len) else { return false };
        let mut at = address;
        loop {
            match self.find(at) {
                Some(allocation) if allocation.end() >= end => return true,
                Some(allocation) => at = allocation.end(),
                None => return false,
            }
        }
    }

    /// CUDA_ERROR_INVALID_VALUE unless the whole range is live device-reachable memory. An empty range is always right.
    pub fn check(&self, address: u64, len: u64) -> R {
        super::result::ensure(len == 0 || self.covers(address, len), CUresult::INVALID_VALUE)
    }

    /// Kind name, ordinal and offset of an address, for the journal.
    pub fn locate(&self, address: u64) -> Option<(&'static str, u64, u64)> {
        let allocation = self.find(address)?;
        Some((if allocation.on_host() { "pinned" } else { "mem" }, allocation.ordinal, address - allocation.start))
    }

    /// Runs over all live ranges.
    pub fn each(&self, mut f: impl FnMut(&Arc<Allocation>)) {
        self.map.read().values().for_each(&mut f);
    }

    /// Changes which devices see a range without peer access.
    pub fn set_visible(&self, allocation: &Allocation, mask: u32) {
        allocation.visible.store(mask, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes which devices see a mapped range, and which of them may only read it.
    pub fn set_access(&self, allocation: &Allocation, visible: u32, read_only: u32) {
        allocation.read_only.store(read_only, Ordering::Relaxed);
        self.set_visible(allocation, visible);
    }

    /// The ranges that device `own` may touch, when peer access lets it reach the devices in `reachable` (a bit mask that includes itself).
    /// Kept until the ranges change.
    pub fn snapshot(&self, own: u32, reachable: u32) -> Snapshot {
        let version = self.version.load(Ordering::Acquire);
        let mut cache = self.cache.lock();
        if let Some((.., snapshot)) = cache.iter().find(|(v, o, r, _)| (*v, *o, *r) == (version, own, reachable)) {
            return Arc::clone(snapshot);
        }
        let seen = |a: &Allocation| match a.kind {
            Kind::Pinned | Kind::Registered | Kind::Managed => true,
            Kind::Mapped | Kind::Imported => a.visible.load(Ordering::Relaxed) >> own & 1 == 1,
            _ => (reachable >> a.device | a.visible.load(Ordering::Relaxed) >> own) & 1 == 1,
        };
        let writable = |a: &Allocation| match a.kind {
            Kind::Registered => a.flags & REGISTERED_READ_ONLY == 0,
            _ => a.read_only.load(Ordering::Relaxed) >> own & 1 == 0,
        };
        let mut list: Vec<MemoryRange> = Vec::new();
        for a in self.map.read().values().filter(|a| seen(a)) {
            match list.last_mut() {
                // Adjoining mappings are one range: an access may span them.
                Some(last) if last.end == a.start && a.kind == Kind::Mapped && last.writable == writable(a) => last.end = a.end(),
                _ => list.push(MemoryRange { start: a.start, end: a.end(), writable: writable(a) }),
            }
        }
        let snapshot = Arc::new(MemoryMap::new(list));
        cache.retain(|(v, ..)| *v == version);
        cache.push((version, own, reachable, Arc::clone(&snapshot)));
        snapshot
    }
}

/// Page-aligned zeroed host memory for `cuMemHostAlloc`.
pub fn map_host(len: u64) -> R<u64> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice.
    let at = unsafe {
        libc::mmap(std::ptr::null_mut(), len as usize, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    if at == libc::MAP_FAILED { Err(CUresult::OUT_OF_MEMORY) } else { Ok(at as u64) }
}

/// Whether the host's memory from `start` to before `end` is all mapped, and may be read (and written).
pub fn host_mapped(start: u64, end: u64, writable: bool) -> bool {
    let Ok(text) = std::fs::read_to_string("/proc/self/maps") else { return true };
    let mut at = start;
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else { continue };
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let Some((from, to)) = range.split_once('-').and_then(|(a, b)| Some((number(a)?, number(b)?))) else { continue };
        if from <= at && at < to {
            if !rights.starts_with('r') || (writable && !rights.starts_with("rw")) {
                return false;
            }
            at = to;
        }
        if at >= end {
            return true;
        }
    }
    false
}

/// Gives back what an allocation that was taken out of the [`Space`] holds.
pub fn free_backing(allocation: &Allocation) {
    let Ok(driver) = super::device::driver() else { return };
    if allocation.kind == Kind::Imported {
        super::ipc::forget_opened(allocation);
    }
    match &allocation.backing {
        Backing::Usual => {}
        Backing::Pool(memory) => return memory.release(allocation.start, allocation.len),
        Backing::Mapping(_) => return,
    }
    match allocation.kind {
        Kind::Device => {
            super::ipc::forget(allocation.id);
            driver.devices[allocation.device as usize].arena.release(allocation.start, allocation.len);
        }
        Kind::Pool | Kind::Global | Kind::Heap | Kind::Graph => driver.devices[allocation.device as usize].arena.release(allocation.start, allocation.len),
        Kind::Managed => {
            managed::forget(allocation.start, allocation.len);
            driver.managed.release(allocation.start, allocation.len);
        }
        Kind::Pinned => {
            // SAFETY: the mapping was made by `map_host` with this length and is no longer listed as live.
            unsafe { libc::munmap(allocation.start as *mut libc::c_void, allocation.len as usize) };
        }
        Kind::Registered | Kind::Mapped | Kind::Imported => {}
    }
}
