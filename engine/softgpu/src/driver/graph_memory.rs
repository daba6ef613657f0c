//! Memory of allocation nodes: its address is fixed from the time the node is made, and it lives as long as any graph that names it.

use super::abi::{CUDA_MEM_ALLOC_NODE_PARAMS, CUmemAccessDesc, CUmemLocation, CUdeviceptr};
use super::memory::{self, Kind, New, space};
use super::result::{CUresult, R, ensure};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// See the module text.
pub struct GraphMemory {
    /// Address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    device: u32,
    /// Devices beside its own that may use it.
    pub peers: Vec<u32>,
    /// Whether a launch has allocated it and nobody has freed it since.
    allocated: AtomicBool,
}

/// All of it, by address.
static ALL: Mutex<Option<HashMap<u64, Weak<GraphMemory>>>> = Mutex::new(None);

/// Figures of one device: used and reserved, each now and at most.
#[derive(Default)]
struct Figures {
    used: [AtomicU64; 2],
    reserved: [AtomicU64; 2],
}

static FIGURES: [Figures; 16] = [const { Figures { used: [const { AtomicU64::new(0) }; 2], reserved: [const { AtomicU64::new(0) }; 2] } }; 16];

fn figures(device: u32) -> &'static Figures {
    &FIGURES[device as usize % FIGURES.len()]
}

fn grow(figure: &[AtomicU64; 2], len: u64) {
    let now = figure[0].fetch_add(len, Ordering::Relaxed) + len;
    figure[1].fetch_max(now, Ordering::Relaxed);
}

/// A `CUgraphMem_attribute` of a device.
pub fn attribute(device: u32, attribute: u32) -> R<u64> {
    let f = figures(device);
    let figure = match attribute {
        0 => &f.used[0],
        1 => &f.used[1],
        2 => &f.reserved[0],
        3 => &f.reserved[1],
        _ => return Err(CUresult::INVALID_VALUE),
    };
    Ok(figure.load(Ordering::Relaxed))
}

/// Sets a high-water mark back to what is now; only zero may be written.
pub fn reset(device: u32, attribute: u32, value: u64) -> R {
    ensure(value == 0, CUresult::INVALID_VALUE)?;
    let f = figures(device);
    let figure = match attribute {
        1 => &f.used,
        3 => &f.reserved,
        _ => return Err(CUresult::INVALID_VALUE),
    };
    figure[1].store(figure[0].load(Ordering::Relaxed), Ordering::Relaxed);
    Ok(())
}

impl GraphMemory {
    /// Turns memory that was just allocated into a graph's.
    pub fn adopt(start: u64, len: u64, peers: Vec<u32>) -> Arc<GraphMemory> {
        let mut device = 0;
        if let Some(old) = space().remove(start, |a| matches!(a.kind, Kind::Pool | Kind::Device)) {
            memory::pool::forget(&old);
            device = old.device;
            let new = New { start, len, kind: Kind::Graph, device, ctx: 0, flags: 0, pool: 0 };
            let new = space().insert_backed(new, old.backing.clone());
            let visible = peers.iter().fold(old.visible.load(Ordering::Relaxed), |mask, peer| mask | 1 << peer);
            space().set_visible(&new, visible);
        }
        grow(&figures(device).reserved, len);
        let memory = Arc::new(GraphMemory { start, len, device, peers, allocated: AtomicBool::new(false) });
        ALL.lock().get_or_insert_default().insert(start, Arc::downgrade(&memory));
        memory
    }

    /// A launch allocates it: false if it was allocated already.
    pub fn allocate(&self) -> bool {
        let fresh = !self.allocated.swap(true, Ordering::AcqRel);
        if fresh {
            grow(&figures(self.device).used, self.len);
        }
        fresh
    }

    /// Whether it is allocated and not freed.
    pub fn is_allocated(&self) -> bool {
        self.allocated.load(Ordering::Acquire)
    }

    fn free(&self) {
        if self.allocated.swap(false, Ordering::AcqRel) {
            figures(self.device).used[0].fetch_sub(self.len, Ordering::Relaxed);
        }
    }

    /// What `cuGraphMemAllocNodeGetParams` says; `descriptions` must live as long as the node.
    pub fn params(&self, descriptions: &Arc<Vec<CUmemAccessDesc>>) -> CUDA_MEM_ALLOC_NODE_PARAMS {
        let mut p = CUDA_MEM_ALLOC_NODE_PARAMS { bytesize: self.len as usize, dptr: CUdeviceptr(self.start), ..Default::default() };
        p.poolProps.allocType = 1;
        p.poolProps.location = CUmemLocation { kind: 1, id: self.device as i32 };
        if !descriptions.is_empty() {
            p.accessDescs.0 = descriptions.as_ptr();
            p.accessDescCount = descriptions.len();
        }
        p
    }

    /// What was said about peers, in CUDA's form.
    pub fn descriptions(&self) -> Vec<CUmemAccessDesc> {
        self.peers.iter().map(|&id| CUmemAccessDesc { location: CUmemLocation { kind: 1, id: id as i32 }, flags: 3 }).collect()
    }
}

impl Drop for GraphMemory {
    fn drop(&mut self) {
        self.free();
        figures(self.device).reserved[0].fetch_sub(self.len, Ordering::Relaxed);
        if let Some(all) = &mut *ALL.lock() {
            all.remove(&self.start);
        }
        if let Some(gone) = space().remove(self.start, |a| a.kind == Kind::Graph) {
            memory::free_backing(&gone);
        }
    }
}

/// A free of graph memory, by a node or by the program; false for other addresses.
pub fn freed(address: u64) -> bool {
    let found = ALL.lock().as_ref().and_then(|all| all.get(&address).and_then(Weak::upgrade));
    if let Some(memory) = &found {
        memory.free();
    }
    found.is_some()
}

/// Whether the address is that of graph memory which is allocated at present.
pub fn is_allocated(address: u64) -> bool {
    let found = ALL.lock().as_ref().and_then(|all| all.get(&address).and_then(Weak::upgrade));
    found.is_some_and(|memory| memory.is_allocated())
}
