//! The snapshot of live allocations that every access of a kernel is checked against.

/// One live allocation, or a host range mapped for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRange {
    /// First address.
    pub start: u64,
    /// Address after the last byte.
    pub end: u64,
    /// Stores and atomics are allowed.
    pub writable: bool,
}

/// Sorted, disjoint ranges.
#[derive(Debug, Clone, Default)]
pub struct MemoryMap {
    ranges: Vec<MemoryRange>,
}

impl MemoryMap {
    /// Sorts `ranges`; empty ones are dropped. Ranges must not overlap and must be readable (and writable, if so
    /// marked) host memory for as long as a launch uses the map.
    pub fn new(mut ranges: Vec<MemoryRange>) -> Self {
        ranges.retain(|r| r.end > r.start);
        ranges.sort_by_key(|r| r.start);
        MemoryMap { ranges }
    }

    /// All ranges, ascending.
    pub fn ranges(&self) -> &[MemoryRange] {
        &self.ranges
    }

    /// The range that holds `address`.
    pub fn find(&self, address: u64) -> Option<MemoryRange> {
        let i = self.ranges.partition_point(|r| r.end <= address);
        self.ranges.get(i).copied().filter(|r| r.start <= address)
    }

    /// The range closest to `address`.
    pub fn nearest(&self, address: u64) -> Option<MemoryRange> {
        let i = self.ranges.partition_point(|r| r.end <= address);
        let below = i.checked_sub(1).and_then(|j| self.ranges.get(j));
        let above = self.ranges.get(i);
        match (below, above) {
            (Some(b), Some(a)) => {
                if address - (b.end - 1) <= a.start.saturating_sub(address) { Some(*b) } else { Some(*a) }
            }
            (b, a) => b.or(a).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_and_ranks_ranges() {
        let r = |start, end| MemoryRange { start, end, writable: true };
        let m = MemoryMap::new(vec![r(0x3000, 0x4000), r(0x1000, 0x1100), r(5, 5)]);
        assert_eq!(m.ranges().len(), 2);
        assert_eq!(m.find(0x10ff), Some(r(0x1000, 0x1100)));
        assert_eq!(m.find(0x1100), None);
        assert_eq!(m.find(0xfff), None);
        assert_eq!(m.nearest(0x1200), Some(r(0x1000, 0x1100)));
        assert_eq!(m.nearest(0x2fff), Some(r(0x3000, 0x4000)));
        assert_eq!(m.nearest(0x9000), Some(r(0x3000, 0x4000)));
        assert_eq!(MemoryMap::default().nearest(1), None);
    }
}
