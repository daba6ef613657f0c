//! The heap behind malloc and free of kernels.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Serves malloc and free called by kernels. Addresses must lie in a range of the launch's memory map.
pub trait DeviceHeap: Sync {
    /// Address of `bytes` fresh bytes, 16-byte aligned, or 0 when the heap is exhausted.
    fn malloc(&self, bytes: u64) -> u64;
    /// Returns a block; false if `address` was not handed out.
    fn free(&self, address: u64) -> bool;
}

/// A device without heap: every malloc returns null.
pub struct NoHeap;

impl DeviceHeap for NoHeap {
    fn malloc(&self, _bytes: u64) -> u64 {
        0
    }
    fn free(&self, _address: u64) -> bool {
        false
    }
}

/// First-fit heap over one range of device memory.
pub struct FreeListHeap {
    state: Mutex<FreeList>,
}

struct FreeList {
    /// start -> end, disjoint, never adjacent.
    free: BTreeMap<u64, u64>,
    /// start -> end of blocks handed out.
    used: BTreeMap<u64, u64>,
}

impl FreeListHeap {
    /// A heap over `start..end`.
    pub fn new(start: u64, end: u64) -> Self {
        let start = start.next_multiple_of(16);
        let mut free = BTreeMap::new();
        if end > start {
            free.insert(start, end);
        }
        FreeListHeap { state: Mutex::new(FreeList { free, used: BTreeMap::new() }) }
    }
}

impl DeviceHeap for FreeListHeap {
    fn malloc(&self, bytes: u64) -> u64 {
        let Some(bytes) = bytes.max(1).checked_next_multiple_of(16) else { return 0 };
        let mut s = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let Some((start, end)) = s.free.iter().find(|(s, e)| **e - **s >= bytes).map(|(s, e)| (*s, *e)) else {
            return 0;
        };
        s.free.remove(&start);
        if start + bytes < end {
            s.free.insert(start + bytes, end);
        }
        s.used.insert(start, start + bytes);
        start
    }

    fn free(&self, address: u64) -> bool {
        let mut s = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let Some(mut end) = s.used.remove(&address) else { return false };
        let mut start = address;
        if let Some(next_end) = s.free.remove(&end) {
            end = next_end;
        }
        if let Some((prev, prev_end)) = s.free.range(..start).next_back().map(|(a, b)| (*a, *b))
            && prev_end == start
        {
            start = prev;
        }
        s.free.insert(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_merges_and_refuses() {
        let h = FreeListHeap::new(0x1000, 0x1100);
        let a = h.malloc(100);
        let b = h.malloc(100);
        assert_eq!((a, b), (0x1000, 0x1070));
        assert_eq!(h.malloc(100), 0);
        assert!(h.free(a));
        assert!(!h.free(a));
        assert!(h.free(b));
        assert_eq!(h.malloc(256), 0x1000);
        assert_eq!(h.malloc(u64::MAX), 0);
    }
}
