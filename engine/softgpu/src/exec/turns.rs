//! Whose blocks start first: a launch does not start further blocks while one of higher priority has blocks that have not been started.
//!
//! That is what hardware does with the priorities of streams: blocks that run are left alone, and of those that wait the ones of the higher
//! priority go first. The processors are what all launches of a process share, so there is one account for all devices.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Levels: CUDA's priorities 0 to -5.
const LEVELS: usize = 6;

/// By level: launches that have blocks not yet started. Nothing is below level 0, so it needs no count.
static WAITING: [AtomicU32; LEVELS] = [const { AtomicU32::new(0) }; LEVELS];

/// The level of a stream's priority: higher goes first.
pub(super) fn level(priority: i32) -> usize {
    (-priority).clamp(0, LEVELS as i32 - 1) as usize
}

/// One launch's place.
pub(super) struct Turn {
    level: usize,
    waiting: AtomicBool,
}

impl Turn {
    /// A launch with blocks to start.
    pub fn new(priority: i32) -> Turn {
        let level = level(priority);
        if level > 0 {
            WAITING[level].fetch_add(1, Ordering::Relaxed);
        }
        Turn { level, waiting: AtomicBool::new(level > 0) }
    }

    /// Whether nobody goes first.
    pub fn may_start(&self) -> bool {
        WAITING[self.level + 1..].iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }

    /// Its level.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The last block was started.
    pub fn all_started(&self) {
        if self.waiting.swap(false, Ordering::Relaxed) {
            WAITING[self.level].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all_started();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_goes_first_until_all_its_blocks_have_started() {
        let (low, middle) = (Turn::new(0), Turn::new(-2));
        assert!(!low.may_start() && middle.may_start());
        let high = Turn::new(-9);
        assert!(!middle.may_start() && high.may_start());
        high.all_started();
        high.all_started();
        assert!(middle.may_start() && !low.may_start());
        drop(middle);
        assert!(low.may_start());
    }
}
