//! What the program has allocated: device memory by address, and host memory that it pinned.
//!
//! Device addresses are equal at both ends, and kept from the program's other memory by reserving the range here, so a
//! pointer tells by itself where it points.

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
    /// Allocated by stream order or from a pool.
    pub pooled: bool,
}

#[derive(Default)]
struct Map {
    by_base: BTreeMap<u64, Allocation>,
    count: u64,
}

static MAP: RwLock<Map> = RwLock::new(Map {
    by_base: BTreeMap::new(),
    count: 0,
});

/// Notes an allocation (its `number` is given here).
pub fn insert(mut allocation: Allocation) {
    let mut map = MAP.write();
    map.count += 1;
    allocation.number = map.count;
    if matches!(allocation.place, Place::Device | Place::Reserved) {
        reserve(allocation.base, allocation.bytes);
    }
    map.by_base.insert(allocation.base, allocation);
}

/// The allocation that holds an address.
pub fn find(address: u64) -> Option<Allocation> {
    let map = MAP.read();
    let (_, allocation) = map.by_base.range(..=address).next_back()?;
    (address - allocation.base < allocation.bytes.max(1)).then_some(*allocation)
}

/// Forgets the allocation that begins at an address.
pub fn remove(base: u64) -> Option<Allocation> {
    let mut map = MAP.write();
    let gone = map.by_base.remove(&base)?;
    if gone.place == Place::Device {
        unreserve(gone.base, gone.bytes);
    }
    Some(gone)
}

/// Forgets every device allocation of a context.
pub fn remove_context(context: u32) {
    let mut map = MAP.write();
    map.by_base.retain(|_, allocation| {
        let gone = allocation.context == context && matches!(allocation.place, Place::Device);
        if gone {
            unreserve(allocation.base, allocation.bytes);
        }
        !gone
    });
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

const PAGE: u64 = 4096;

/// Keeps the range from being used for anything else in this process. That fails only where something is there already,
/// which then is a range that an earlier allocation on the same page holds.
fn reserve(base: u64, bytes: u64) {
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
            pooled: false,
        };
        insert(allocation(0x5000_0000_0000, 100));
        insert(allocation(0x5000_0000_1000, 50));
        assert_eq!(find(0x5000_0000_0063).unwrap().base, 0x5000_0000_0000);
        assert_eq!(find(0x5000_0000_0064), None);
        assert_eq!(find(0x4fff_ffff_ffff), None);
        assert!(exceeds(0x5000_0000_0060, 5));
        assert!(!exceeds(0x5000_0000_0060, 4));
        assert!(!exceeds(0x6000_0000_0000, u64::MAX));
        assert!(remove(0x5000_0000_0000).is_some());
        assert_eq!(find(0x5000_0000_0000), None);
        assert!(remove(0x5000_0000_1000).is_some());
    }
}
