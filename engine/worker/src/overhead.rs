//! What the driver takes of a slice beside allocations: for contexts, modules, local memory, and what pools keep of what was freed.
//!
//! It is what NVML counts for this process, less what its allocations were charged. Nobody can know it before, so it is counted when
//! it is there: what was just made is undone where the slice has no room for it, and where nothing can be undone (a first launch) the slice
//! gives nothing more until there is room again.

use crate::process_memory::ProcessMemory;
use parking_lot::Mutex;
use ringway_link::account::Account;
use std::time::{Duration, Instant};

/// Asking NVML costs some ten microseconds and more: at allocations it is asked at most so often.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// When to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// If the last look was some time ago.
    Due,
    /// In any case.
    Now,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Bytes that are in the account.
    bytes: u64,
    at: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub struct Overhead {
    memory: Option<ProcessMemory>,
    slot: u32,
    /// By GPU.
    seen: Mutex<Vec<Seen>>,
}

impl Overhead {
    /// Of a worker in a slot of the account, with so many GPUs. Without NVML, nothing is counted.
    pub fn new(memory: Option<ProcessMemory>, slot: u32, gpus: usize) -> Self {
        Self { memory, slot, seen: Mutex::new(vec![Seen::default(); gpus]) }
    }

    /// Bytes that are in the account for a GPU.
    pub fn bytes(&self, gpu: usize) -> u64 {
        self.seen.lock().get(gpu).map_or(0, |seen| seen.bytes)
    }

    /// Counts what is there on a GPU; `charged` says what allocations were charged there. `room`: only if the slice, of so many bytes, has room
    /// for more than before; false: it has not, and the count is as before.
    pub fn count(&self, account: &Account, gpu: usize, when: When, room: Option<u64>, charged: impl FnOnce() -> u64) -> bool {
        let Some(memory) = &self.memory else { return true };
        let mut seen = self.seen.lock();
        let Some(seen) = seen.get_mut(gpu) else { return true };
        if when == When::Due && seen.at.is_some_and(|at| at.elapsed() < ASKED_EVERY) {
            return true;
        }
        let Some(bytes) = memory.bytes(gpu) else { return true };
        seen.at = Some(Instant::now());
        let now = bytes.saturating_sub(charged());
        if now < seen.bytes {
            account.release(gpu, self.slot, seen.bytes - now);
        } else if now > seen.bytes {
            let more = now - seen.bytes;
            match room {
                None => account.take(gpu, self.slot, more),
                Some(limit) if account.reserve(gpu, self.slot, more, limit) => {}
                Some(_) => return false,
            }
        }
        seen.bytes = now;
        true
    }
}
