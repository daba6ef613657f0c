//! Requests in their order, such that the place of each is found without counting all before it.
//!
//! Blocks of some hundred entries each, in order: a place is the sum of the lengths of the blocks before plus the place in its block.

use super::queue::Order;
use super::request::RequestId;

/// Entries of a block at the most; one that has more becomes two.
const BLOCK_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Ranking {
    /// None is empty.
    blocks: Vec<Vec<(Order, RequestId)>>,
}

impl Ranking {
    /// The block in which an entry is, or belongs.
    fn block_of(&self, order: Order) -> usize {
        let after = self.blocks.partition_point(|block| block.last().is_some_and(|(last, _)| *last < order));
        after.min(self.blocks.len().saturating_sub(1))
    }

    pub(super) fn insert(&mut self, order: Order, id: RequestId) {
        if self.blocks.is_empty() {
            self.blocks.push(Vec::new());
        }
        let index = self.block_of(order);
        let block = &mut self.blocks[index];
        block.insert(block.partition_point(|(there, _)| *there < order), (order, id));
        if block.len() > BLOCK_MAX {
            let second = block.split_off(BLOCK_MAX / 2);
            self.blocks.insert(index + 1, second);
        }
    }

    pub(super) fn remove(&mut self, order: Order) {
        let index = self.block_of(order);
        let Some(block) = self.blocks.get_mut(index) else { return };
        if let Ok(place) = block.binary_search_by_key(&order, |(there, _)| *there) {
            block.remove(place);
            if block.is_empty() {
                self.blocks.remove(index);
            }
        }
    }

    /// How many are before an entry.
    pub(super) fn count_before(&self, order: Order) -> usize {
        let index = self.block_of(order);
        let within = self.blocks.get(index).map_or(0, |block| block.partition_point(|(there, _)| *there < order));
        self.blocks[..index].iter().map(Vec::len).sum::<usize>() + within
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = RequestId> {
        self.blocks.iter().flatten().map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn places_are_those_of_a_sorted_map() {
        let (mut ranking, mut model, mut seed) = (Ranking::default(), BTreeMap::new(), 1u64);
        let mut below = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        // Grows far over one block, then goes down to nothing.
        for step in 0..24_000u64 {
            let grows = if step < 12_000 { below(4) != 0 } else { below(4) == 0 && step < 20_000 };
            if grows {
                let order = Order::new(below(5) as i32, step);
                ranking.insert(order, step);
                model.insert(order, step);
            } else if let Some((&order, _)) = model.iter().nth(below(model.len().max(1) as u64) as usize) {
                ranking.remove(order);
                model.remove(&order);
            }
            if step % 997 == 0 || model.len() < 3 {
                assert_eq!(ranking.iter().collect::<Vec<_>>(), model.values().copied().collect::<Vec<_>>());
                for (place, order) in model.keys().enumerate() {
                    assert_eq!(ranking.count_before(*order), place);
                }
            }
        }
        assert!(model.is_empty() && ranking.blocks.is_empty());
        ranking.remove(Order::new(0, 1));
        assert_eq!(ranking.count_before(Order::new(0, 1)), 0);
    }
}
