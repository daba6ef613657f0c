//! A cache of registrations: pinning memory costs a system call and, for large ranges, milliseconds.

use crate::{Access, MemoryRegion, ProtectionDomain, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How much a cache keeps registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Regions.
    pub regions: usize,
    /// Bytes of all regions together.
    pub bytes: usize,
}

/// What [`RegistrationCache::invalidate`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Invalidated {
    /// Registrations that were forgotten.
    pub removed: usize,
    /// So many of them are still held by somebody: they stay registered until given back.
    pub in_use: usize,
}

/// Registrations of memory that this crate does not own, by range. The least recently used ones are given up when a
/// limit is reached; one that somebody holds stays registered until it is given back.
///
/// The cache cannot see memory being freed. Whoever uses it says so with [`RegistrationCache::invalidate`], before the
/// memory is unmapped.
pub struct RegistrationCache {
    domain: ProtectionDomain,
    access: Access,
    ranges: Mutex<Ranges<Arc<MemoryRegion>>>,
}

impl RegistrationCache {
    /// An empty cache of regions with one access.
    pub fn new(domain: &ProtectionDomain, access: Access, limits: CacheLimits) -> Self {
        RegistrationCache {
            domain: domain.clone(),
            access,
            ranges: Mutex::new(Ranges::new(limits)),
        }
    }

    /// A region that covers `len` bytes from `start`: one that is there, or a new one. With it, how far into the region
    /// the range begins.
    ///
    /// # Safety
    ///
    /// The range is mapped and stays so until [`RegistrationCache::invalidate`] was called for it and returned with
    /// nothing in use, or the cache and all regions got from it are gone. While it is registered for being written by the
    /// device, nobody relies on its contents.
    pub unsafe fn get(&self, start: *mut u8, len: usize) -> Result<(Arc<MemoryRegion>, usize)> {
        let key = start as usize;
        let lock = || self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((region, from)) = lock().find(key, len) {
            return Ok((region, key - from));
        }
        // Not under the lock: registering may take long. Two threads may do so for the same range; both regions are good.
        // SAFETY: handed on.
        let region = Arc::new(unsafe { self.domain.register_raw(start, len, self.access) }?);
        let given_up = lock().insert(key, len, region.clone());
        drop(given_up);
        Ok((region, 0))
    }

    /// Forgets all registrations that overlap the range.
    pub fn invalidate(&self, start: *mut u8, len: usize) -> Invalidated {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = ranges.remove_overlapping(start as usize, len);
        drop(ranges);
        Invalidated {
            removed: removed.len(),
            in_use: removed
                .iter()
                .filter(|region| Arc::strong_count(region) > 1)
                .count(),
        }
    }

    /// Regions and bytes in the cache.
    pub fn usage(&self) -> (usize, usize) {
        let ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        (ranges.by_start.len(), ranges.bytes)
    }
}

struct Entry<V> {
    len: usize,
    used: u64,
    value: V,
}

/// Values by ranges of addresses, bounded, the least recently used ones given up first.
///
/// Ranges may overlap, but no two begin at the same place: the longer one replaces the shorter.
struct Ranges<V> {
    by_start: BTreeMap<usize, Entry<V>>,
    /// Longest length ever put in, so that a search backwards knows where to stop.
    len_max: usize,
    bytes: usize,
    clock: u64,
    limits: CacheLimits,
}

impl<V: Clone> Ranges<V> {
    fn new(limits: CacheLimits) -> Self {
        Ranges {
            by_start: BTreeMap::new(),
            len_max: 0,
            bytes: 0,
            clock: 0,
            limits,
        }
    }

    /// A value whose range covers `len` bytes from `start`, and where its range begins.
    fn find(&mut self, start: usize, len: usize) -> Option<(V, usize)> {
        let end = start.checked_add(len)?;
        let lowest = start.saturating_sub(self.len_max);
        let mut before = self.by_start.range_mut(lowest..=start).rev();
        let (&from, entry) = before.find(|(from, entry)| **from + entry.len >= end)?;
        self.clock += 1;
        entry.used = self.clock;
        Some((entry.value.clone(), from))
    }

    /// Puts a value in. Gives back those that had to go; the value itself, if it alone is above a limit.
    fn insert(&mut self, start: usize, len: usize, value: V) -> Vec<V> {
        if len > self.limits.bytes || self.limits.regions == 0 || start.checked_add(len).is_none() {
            return vec![value];
        }
        let mut gone = Vec::new();
        match self.by_start.get(&start) {
            Some(longer) if longer.len > len => return vec![value],
            Some(_) => gone.extend(self.remove(start)),
            None => {}
        }
        while self.by_start.len() >= self.limits.regions || self.bytes + len > self.limits.bytes {
            let oldest = self.by_start.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(&start, _)| start) else {
                break;
            };
            gone.extend(self.remove(oldest));
        }
        self.clock += 1;
        self.bytes += len;
        self.len_max = self.len_max.max(len);
        let used = self.clock;
        self.by_start.insert(start, Entry { len, used, value });
        gone
    }

    fn remove_overlapping(&mut self, start: usize, len: usize) -> Vec<V> {
        let end = start.saturating_add(len);
        let lowest = start.saturating_sub(self.len_max);
        let overlapping = self.by_start.range(lowest..end);
        let overlapping = overlapping.filter(|(from, entry)| **from + entry.len > start);
        let starts: Vec<usize> = overlapping.map(|(&from, _)| from).collect();
        starts
            .into_iter()
            .filter_map(|from| self.remove(from))
            .collect()
    }

    fn remove(&mut self, start: usize) -> Option<V> {
        let entry = self.by_start.remove(&start)?;
        self.bytes -= entry.len;
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CacheLimits = CacheLimits {
        regions: 3,
        bytes: 1000,
    };

    #[test]
    fn a_range_that_covers_is_a_hit() {
        let mut ranges = Ranges::new(LIMITS);
        ranges.insert(100, 100, 'a');
        assert_eq!(ranges.find(100, 100), Some(('a', 100)));
        assert_eq!(ranges.find(150, 50), Some(('a', 100)));
        assert_eq!(ranges.find(150, 51), None);
        assert_eq!(ranges.find(99, 2), None);
        assert_eq!(ranges.find(usize::MAX, 2), None);
    }

    #[test]
    fn a_long_range_is_found_behind_short_ones() {
        let mut ranges = Ranges::new(LIMITS);
        ranges.insert(100, 500, 'a');
        ranges.insert(200, 10, 'b');
        assert_eq!(ranges.find(300, 10), Some(('a', 100)));
        assert_eq!(ranges.find(205, 5), Some(('b', 200)));
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut ranges = Ranges::new(LIMITS);
        for (start, value) in [(0, 'a'), (100, 'b'), (200, 'c')] {
            assert!(ranges.insert(start, 100, value).is_empty());
        }
        ranges.find(0, 1);
        assert_eq!(ranges.insert(300, 100, 'd'), ['b']);
        // bytes are bounded too
        assert_eq!(ranges.insert(1000, 850, 'e'), ['c', 'a']);
        assert_eq!((ranges.by_start.len(), ranges.bytes), (2, 950));
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let mut ranges = Ranges::new(LIMITS);
        ranges.insert(0, 10, 'a');
        assert_eq!(ranges.insert(5000, 1001, 'b'), ['b']);
        assert_eq!(ranges.insert(usize::MAX, 2, 'c'), ['c']);
        assert_eq!(ranges.find(0, 10), Some(('a', 0)));
    }

    #[test]
    fn the_longer_of_two_that_begin_together_stays() {
        let mut ranges = Ranges::new(LIMITS);
        ranges.insert(0, 10, 'a');
        assert_eq!(ranges.insert(0, 20, 'b'), ['a']);
        assert_eq!(ranges.insert(0, 5, 'c'), ['c']);
        assert_eq!(ranges.bytes, 20);
    }

    #[test]
    fn all_that_overlap_are_forgotten_and_no_others() {
        let mut ranges = Ranges::new(LIMITS);
        ranges.insert(0, 100, 'a');
        ranges.insert(100, 100, 'b');
        ranges.insert(200, 100, 'c');
        assert_eq!(ranges.remove_overlapping(99, 2), ['a', 'b']);
        assert!(ranges.remove_overlapping(0, 200).is_empty());
        assert_eq!(ranges.find(250, 50), Some(('c', 200)));
        assert_eq!(ranges.bytes, 100);
    }

    /// Against a plain list, with a fixed seed.
    #[test]
    fn agrees_with_a_plain_list() {
        let limits = CacheLimits {
            regions: 1000,
            bytes: 1 << 30,
        };
        let mut ranges = Ranges::new(limits);
        let mut list: Vec<(usize, usize, u32)> = Vec::new();
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        for i in 0..3000 {
            let (start, len) = (random(500), 1 + random(60));
            match random(3) {
                0 if list.iter().all(|it| it.0 != start) => {
                    ranges.insert(start, len, i);
                    list.push((start, len, i));
                }
                1 => {
                    let hit = ranges.find(start, len);
                    let covers =
                        |it: &&(usize, usize, u32)| it.0 <= start && it.0 + it.1 >= start + len;
                    assert_eq!(hit.is_some(), list.iter().any(|it| covers(&it)));
                    if let Some((value, from)) = hit {
                        assert!(
                            list.iter()
                                .filter(covers)
                                .any(|it| (it.2, it.0) == (value, from))
                        );
                    }
                }
                _ if random(10) == 0 => {
                    let overlaps =
                        |it: &(usize, usize, u32)| it.0 < start + len && it.0 + it.1 > start;
                    let mut gone = ranges.remove_overlapping(start, len);
                    let mut wanted: Vec<u32> = list
                        .iter()
                        .filter(|it| overlaps(it))
                        .map(|it| it.2)
                        .collect();
                    list.retain(|it| !overlaps(it));
                    gone.sort_unstable();
                    wanted.sort_unstable();
                    assert_eq!(gone, wanted);
                }
                _ => {}
            }
        }
    }
}
