//! Small blocks of device memory out of larger ranges (slabs), by numbers alone: nothing here knows of servers or waits.
//!
//! Blocks lie at multiples of [`GRAIN`]. The smallest free piece that is large enough is taken, so large ones stay; neighbours join when
//! they are given back, inside one slab.

use std::collections::{BTreeMap, BTreeSet};

/// What allocations are multiples of, as those of the drivers are.
pub(crate) const GRAIN: u64 = 512;

/// Bytes that an allocation takes.
pub(crate) fn taken(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(GRAIN).unwrap_or(u64::MAX)
}

struct Slab {
    bytes: u64,
    /// Bytes that nobody has, those that are held back too.
    free: u64,
}

/// Slabs and what is free of them.
#[derive(Default)]
pub(crate) struct Slabs {
    by_base: BTreeMap<u64, Slab>,
    /// Pieces that may be given out, by address and by size.
    pieces: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
    /// Blocks that were given back and may still be used by work under way.
    held_back: Vec<(u64, u64)>,
    /// Bytes of slabs of which nobody has anything.
    unused: u64,
}

impl Slabs {
    /// Takes in a range, all of which is free; false if that cannot be: it overlaps another one, or ends nowhere.
    pub(crate) fn add(&mut self, base: u64, bytes: u64) -> bool {
        let Some(end) = base.checked_add(bytes) else { return false };
        if self.by_base.range(..end).next_back().is_some_and(|(other, slab)| other + slab.bytes > base) {
            return false;
        }
        self.by_base.insert(base, Slab { bytes, free: bytes });
        self.unused += bytes;
        self.insert(base, bytes);
        true
    }

    /// A block of so many bytes, a multiple of the grain.
    pub(crate) fn take(&mut self, bytes: u64) -> Option<u64> {
        let &(length, base) = self.by_size.range((bytes, 0)..).next()?;
        self.remove(base, length);
        if length > bytes {
            self.insert(base + bytes, length - bytes);
        }
        let (_, slab) = self.slab_of(base)?;
        let of_whole = if slab.free == slab.bytes { slab.bytes } else { 0 };
        slab.free -= bytes;
        self.unused -= of_whole;
        Some(base)
    }

    /// Gives a block back. `held`: it must not be given out before [`Slabs::release`].
    pub(crate) fn give(&mut self, base: u64, bytes: u64, held: bool) {
        let Some((_, slab)) = self.slab_of(base) else { return };
        slab.free += bytes;
        let of_whole = if slab.free == slab.bytes { slab.bytes } else { 0 };
        self.unused += of_whole;
        if held {
            self.held_back.push((base, bytes));
        } else {
            self.join(base, bytes);
        }
    }

    /// No work uses what was held back any more.
    pub(crate) fn release(&mut self) {
        for (base, bytes) in std::mem::take(&mut self.held_back) {
            self.join(base, bytes);
        }
    }

    /// Whether blocks are held back.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Bytes that nobody has.
    pub(crate) fn free(&self) -> u64 {
        self.by_base.values().map(|slab| slab.free).sum()
    }

    /// Bytes of slabs of which nobody has anything.
    pub(crate) fn unused(&self) -> u64 {
        self.unused
    }

    /// Gives up a slab of which nobody has anything, held back or not.
    pub(crate) fn take_unused(&mut self) -> Option<(u64, u64)> {
        let (&base, slab) = self.by_base.iter().find(|(_, slab)| slab.free == slab.bytes)?;
        let (bytes, end) = (slab.bytes, base + slab.bytes);
        self.by_base.remove(&base);
        self.unused -= bytes;
        self.held_back.retain(|(at, _)| !(base..end).contains(at));
        let pieces: Vec<_> = self.pieces.range(base..end).map(|(&at, &length)| (at, length)).collect();
        for (at, length) in pieces {
            self.remove(at, length);
        }
        Some((base, bytes))
    }

    fn slab_of(&mut self, address: u64) -> Option<(u64, &mut Slab)> {
        let (&base, slab) = self.by_base.range_mut(..=address).next_back()?;
        (address - base < slab.bytes).then_some((base, slab))
    }

    /// Joins a piece with its neighbours in the same slab.
    fn join(&mut self, mut base: u64, mut bytes: u64) {
        let Some((slab_base, slab)) = self.slab_of(base) else { return };
        let slab_end = slab_base + slab.bytes;
        if let Some((&before, &length)) = self.pieces.range(slab_base..base).next_back()
            && before + length == base
        {
            self.remove(before, length);
            (base, bytes) = (before, bytes + length);
        }
        let end = base + bytes;
        if end < slab_end
            && let Some(&length) = self.pieces.get(&end)
        {
            self.remove(end, length);
            bytes += length;
        }
        self.insert(base, bytes);
    }

    fn insert(&mut self, base: u64, bytes: u64) {
        self.pieces.insert(base, bytes);
        self.by_size.insert((bytes, base));
    }

    fn remove(&mut self, base: u64, bytes: u64) {
        self.pieces.remove(&base);
        self.by_size.remove(&(bytes, base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLAB: u64 = 64 * GRAIN;

    #[derive(Debug, Clone)]
    enum Step {
        Take(u64),
        /// Of the blocks that are taken the one at this place, held back or not.
        Give(usize, bool),
        Release,
        GiveUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..SLAB / 4).prop_map(Step::Take),
            3 => (any::<usize>(), any::<bool>()).prop_map(|(at, held)| Step::Give(at, held)),
            1 => Just(Step::Release),
            1 => Just(Step::GiveUp),
        ]
    }

    proptest! {
        #[test]
        fn blocks_lie_apart_and_everything_comes_back(steps in prop::collection::vec(step(), 1..300)) {
            let mut slabs = Slabs::default();
            // Slabs that touch, which must not become one, and one by itself.
            let mut unleased = vec![(10 * SLAB, SLAB), (SLAB, SLAB), (2 * SLAB, SLAB)];
            let mut leased = Vec::new();
            let mut taken_blocks: Vec<(u64, u64)> = Vec::new();
            let mut held: Vec<(u64, u64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Take(bytes) => {
                        let bytes = taken(bytes);
                        let block = slabs.take(bytes).or_else(|| {
                            let (base, length) = unleased.pop()?;
                            leased.push((base, length));
                            assert!(slabs.add(base, length) && !slabs.add(base, length) && !slabs.add(base + GRAIN, 2 * length));
                            slabs.take(bytes)
                        });
                        if let Some(base) = block {
                            prop_assert_eq!(base % GRAIN, 0);
                            prop_assert!(leased.iter().any(|&(at, length)| at <= base && base + bytes <= at + length), "inside one slab");
                            for &(at, length) in taken_blocks.iter().chain(&held) {
                                prop_assert!(base + bytes <= at || at + length <= base, "apart from what others have, or work may use");
                            }
                            taken_blocks.push((base, bytes));
                        }
                    }
                    Step::Give(at, is_held) => if !taken_blocks.is_empty() {
                        let (base, bytes) = taken_blocks.swap_remove(at % taken_blocks.len());
                        slabs.give(base, bytes, is_held);
                        if is_held {
                            held.push((base, bytes));
                        }
                    },
                    Step::Release => {
                        slabs.release();
                        held.clear();
                    }
                    Step::GiveUp => if let Some((base, length)) = slabs.take_unused() {
                        prop_assert!(taken_blocks.iter().all(|&(at, bytes)| at + bytes <= base || base + length <= at), "nobody has anything of it");
                        held.retain(|&(at, _)| !(base..base + length).contains(&at));
                        leased.retain(|&(at, _)| at != base);
                        unleased.push((base, length));
                    },
                }
                let used: u64 = taken_blocks.iter().map(|(_, bytes)| bytes).sum();
                let all: u64 = leased.iter().map(|(_, length)| length).sum();
                prop_assert_eq!(slabs.free(), all - used);
                prop_assert_eq!(slabs.holds_back(), !held.is_empty());
                prop_assert_eq!(slabs.unused(), slabs.by_base.values().filter(|slab| slab.free == slab.bytes).map(|slab| slab.bytes).sum::<u64>());
            }
            for (base, bytes) in taken_blocks {
                slabs.give(base, bytes, false);
            }
            slabs.release();
            // Each slab is one piece again.
            let pieces: Vec<_> = slabs.pieces.iter().map(|(&base, &bytes)| (base, bytes)).collect();
            leased.sort_unstable();
            prop_assert_eq!(pieces, leased.clone());
            prop_assert_eq!(slabs.unused(), SLAB * leased.len() as u64);
            while slabs.take_unused().is_some() {}
            prop_assert!(slabs.by_base.is_empty() && slabs.pieces.is_empty() && slabs.by_size.is_empty());
        }
    }

    #[test]
    fn the_smallest_piece_that_is_large_enough_is_taken() {
        let mut slabs = Slabs::default();
        assert!(slabs.add(0x10000, 8 * GRAIN) && !slabs.add(u64::MAX - GRAIN, 2 * GRAIN));
        let blocks = [1, 2, 1, 4].map(|grains| slabs.take(grains * GRAIN).unwrap());
        assert_eq!(slabs.take(GRAIN), None);
        slabs.give(blocks[3], 4 * GRAIN, false);
        slabs.give(blocks[1], 2 * GRAIN, false);
        assert_eq!(slabs.take(2 * GRAIN), Some(blocks[1]));
        slabs.give(blocks[0], GRAIN, true);
        assert_eq!(slabs.take(GRAIN), Some(blocks[3]), "what is held back is not given out");
        slabs.release();
        assert_eq!(slabs.take(GRAIN), Some(blocks[0]));
    }

    #[test]
    fn sizes() {
        assert_eq!([1, 512, 513].map(taken), [512, 512, 1024]);
        assert_eq!(taken(u64::MAX), u64::MAX);
    }
}
