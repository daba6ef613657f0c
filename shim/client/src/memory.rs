//! What the program has allocated: device memory by address, and host memory that it pinned.
//!
//! Device addresses are equal at both ends, and kept from the program's other memory by reserving the range here, so a
//! pointer tells by itself where it points.

use crate::contexts;
use crate::servers;
use crate::session::session;
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// What a range of addresses is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Device memory.
    Device,
    /// Host memory allocated by cuMemHostAlloc or cuMemAllocHost; flags as given.
    PinnedHost(u32),
    /// Host memory of the program, registered by cuMemHostRegister; flags as given.
    RegisteredHost(u32),
    /// Reserved by cuMemAddressReserve; mapped or not.
    Reserved,
}

/// How device memory came about, and so how it is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By the server's cuMemAlloc.
    Server,
    /// Out of a slab (`memory_ranges`).
    Slab,
    /// In the order of a stream, or from a pool.
    Pool,
    /// A module's variable, an address range, or host memory.
    Other,
}

/// One allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// What it is.
    pub place: Place,
    /// Number of the context in which it was made.
    pub context: u32,
    /// Handle of that context.
    pub context_handle: u64,
    /// Ordinal of the GPU.
    pub gpu: u32,
    /// Distinguishes allocations over time, as CU_POINTER_ATTRIBUTE_BUFFER_ID asks.
    pub number: u64,
    /// Where it is from.
    pub origin: Origin,
}

#[derive(Default)]
struct Map {
    by_base: BTreeMap<u64, Allocation>,
    /// Device memory of the servers behind the first, one map for each: two servers may give out the same address.
    beside: Vec<BTreeMap<u64, Allocation>>,
    count: u64,
}

static MAP: RwLock<Map> = RwLock::new(Map {
    by_base: BTreeMap::new(),
    beside: Vec::new(),
    count: 0,
});

#[inline(always)]
fn holding(map: &BTreeMap<u64, Allocation>, address: u64) -> Option<Allocation> {
    let (_, allocation) = map.range(..=address).next_back()?;
    (address - allocation.base < allocation.bytes.max(1)).then_some(*allocation)
}

impl Map {
    /// Map of the device memory of a server.
    fn of_server(&mut self, number: usize) -> &mut BTreeMap<u64, Allocation> {
        match number.checked_sub(1) {
            None => &mut self.by_base,
            Some(index) => {
                if self.beside.len() <= index {
                    self.beside.resize_with(index + 1, BTreeMap::new);
                }
                &mut self.beside[index]
            }
        }
    }

    /// Where an address is that several servers may have given out: the program's own memory goes before, then that of the server of
    /// `lane`.
    #[cold]
    fn find_among(&self, address: u64, lane: Option<u32>) -> Option<Allocation> {
        let first = holding(&self.by_base, address);
        if first.is_some_and(|found| !matches!(found.place, Place::Device | Place::Reserved)) {
            return first;
        }
        let near = match lane.map_or(0, server_number) {
            0 => first,
            number => self.beside.get(number - 1).and_then(|map| holding(map, address)),
        };
        near.or(first).or_else(|| self.beside.iter().find_map(|map| holding(map, address)))
    }
}

fn server_number(lane: u32) -> usize {
    session().map_or(0, |session| session.server_number(lane))
}

fn is_device(allocation: &Allocation) -> bool {
    matches!(allocation.place, Place::Device | Place::Reserved)
}

/// Notes an allocation (its `number` is given here).
pub fn insert(mut allocation: Allocation) {
    let server = if is_device(&allocation) && servers::are_several() { server_number(allocation.gpu) } else { 0 };
    let mut map = MAP.write();
    map.count += 1;
    allocation.number = map.count;
    if is_device(&allocation) && allocation.origin != Origin::Slab {
        reserve(allocation.base, allocation.bytes);
    }
    map.of_server(server).insert(allocation.base, allocation);
}

/// The allocation that holds an address. Where several servers have given it out, that of the current context's server.
pub fn find(address: u64) -> Option<Allocation> {
    if servers::are_several() {
        let lane = contexts::current().ok().map(|target| target.lane);
        return MAP.read().find_among(address, lane);
    }
    holding(&MAP.read().by_base, address)
}

/// The allocation that holds an address. Where several servers have given it out, that of the server of `lane`.
#[inline]
pub fn find_from(lane: u32, address: u64) -> Option<Allocation> {
    if servers::are_several() {
        return MAP.read().find_among(address, Some(lane));
    }
    find(address)
}

/// Forgets an allocation that was found.
pub fn remove(allocation: &Allocation) -> Option<Allocation> {
    let server = if is_device(allocation) && servers::are_several() { server_number(allocation.gpu) } else { 0 };
    let mut map = MAP.write();
    let gone = map.of_server(server).remove(&allocation.base)?;
    if gone.place == Place::Device {
        unreserve(gone.base, gone.bytes);
    }
    Some(gone)
}

/// Forgets every device allocation of a context.
pub fn remove_context(context: u32) {
    let mut map = MAP.write();
    let Map { by_base, beside, .. } = &mut *map;
    for map in std::iter::once(by_base).chain(beside) {
        map.retain(|_, allocation| {
            let gone = allocation.context == context && matches!(allocation.place, Place::Device);
            if gone {
                unreserve(allocation.base, allocation.bytes);
            }
            !gone
        });
    }
}

/// Host memory that was pinned in a context: allocated or registered, in the order of addresses.
pub fn pinned_in(context: u32) -> Vec<Allocation> {
    let is_pinned = |allocation: &&Allocation| {
        allocation.context == context && matches!(allocation.place, Place::PinnedHost(_) | Place::RegisteredHost(_))
    };
    MAP.read().by_base.values().filter(is_pinned).copied().collect()
}

/// Whether `bytes` at `address` go beyond the allocation that holds `address`. Unknown addresses (a module's variables,
/// say) are for the driver to judge.
pub fn exceeds(address: u64, bytes: u64) -> bool {
    find(address).is_some_and(|allocation| bytes > allocation.bytes - (address - allocation.base))
}

/// As [`exceeds`], as [`find_from`] finds it.
#[inline]
pub fn exceeds_from(lane: u32, address: u64, bytes: u64) -> bool {
    if !servers::are_several() {
        return exceeds(address, bytes);
    }
    find_from(lane, address).is_some_and(|allocation| bytes > allocation.bytes - (address - allocation.base))
}

const PAGE: u64 = 4096;

/// Keeps the range from being used for anything else in this process. That fails only where something is there already,
/// which then is a range that an earlier allocation on the same page holds.
pub(crate) fn reserve(base: u64, bytes: u64) {
    let (start, end) = (base / PAGE * PAGE, (base + bytes).div_ceil(PAGE) * PAGE);
    // SAFETY: MAP_FIXED_NOREPLACE maps only where nothing is mapped; the pages cannot be accessed.
    unsafe {
        libc::mmap(
            start as *mut libc::c_void,
            (end - start) as usize,
            libc::PROT_NONE,
            libc::MAP_PRIVATE
                | libc::MAP_ANONYMOUS
                | libc::MAP_NORESERVE
                | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        );
    }
}

/// Device addresses come back, and a page may hold several small allocations: the reservation stays, which costs only
/// address space.
fn unreserve(_base: u64, _bytes: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_holds_an_address() {
        let allocation = |base, bytes| Allocation {
            base,
            bytes,
            place: Place::PinnedHost(0),
            context: 1,
            context_handle: 1,
            gpu: 0,
            number: 0,
            origin: Origin::Other,
        };
        insert(allocation(0x5000_0000_0000, 100));
        insert(allocation(0x5000_0000_1000, 50));
        assert_eq!(find(0x5000_0000_0063).unwrap().base, 0x5000_0000_0000);
        assert_eq!(find(0x5000_0000_0064), None);
        assert_eq!(find(0x4fff_ffff_ffff), None);
        assert!(exceeds(0x5000_0000_0060, 5));
        assert!(!exceeds(0x5000_0000_0060, 4));
        assert!(!exceeds(0x6000_0000_0000, u64::MAX));
        assert!(remove(&find(0x5000_0000_0000).unwrap()).is_some());
        assert_eq!(find(0x5000_0000_0000), None);
        assert!(remove(&find(0x5000_0000_1000).unwrap()).is_some());
    }

    #[test]
    fn the_same_address_on_two_servers() {
        let at = |gpu, base, place| Allocation {
            base,
            bytes: 64,
            place,
            context: gpu + 1,
            context_handle: 0,
            gpu,
            number: 0,
            origin: Origin::Other,
        };
        let mut map = Map::default();
        map.of_server(0).insert(0x1000, at(0, 0x1000, Place::Device));
        map.of_server(1).insert(0x1000, at(1, 0x1000, Place::Device));
        map.of_server(1).insert(0x2000, at(1, 0x2000, Place::Device));
        map.of_server(2).insert(0x3000, at(2, 0x3000, Place::Device));
        map.of_server(0).insert(0x3000, at(0, 0x3000, Place::PinnedHost(0)));
        // Without a session every lane is the first server's.
        assert_eq!(map.find_among(0x1010, Some(0)).unwrap().gpu, 0);
        assert_eq!(map.find_among(0x2010, Some(0)).unwrap().gpu, 1, "there is no other");
        assert_eq!(map.find_among(0x3010, Some(0)).unwrap().place, Place::PinnedHost(0));
        assert_eq!(map.find_among(0x1040, None), None);
    }
}
