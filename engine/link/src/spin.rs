//! Spin, then park. How long to spin is learnt: polling beats a wake-up eightfold while cores are free, and is
//! worse than useless when they are not.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest spin, in nanoseconds; about what a wake-up costs on a virtual machine.
const SPIN_NS_MAX: u32 = 50_000;
/// Spin where waits have lately been longer than that.
const SPIN_NS_MIN: u32 = 3_000;
/// One wait in so many spins to the full even then, to notice that the peer became fast.
const PROBE_EVERY: u32 = 32;

/// Threads of this process that spin right now.
static SPINNERS: AtomicU32 = AtomicU32::new(0);

fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        std::thread::available_parallelism().map_or(1, |n| n.get().min(4096) as u32)
    })
}

/// What one end of a lane has learnt about its waits.
pub(crate) struct SpinPolicy {
    /// Moving average of recent waits, in nanoseconds.
    expected_ns: AtomicU32,
    waits: AtomicU32,
}

impl SpinPolicy {
    pub(crate) fn new() -> SpinPolicy {
        SpinPolicy {
            expected_ns: AtomicU32::new(10_000),
            waits: AtomicU32::new(0),
        }
    }

    fn budget(&self) -> Duration {
        if cores() < 2 {
            return Duration::ZERO;
        }
        let expected = self.expected_ns.load(Ordering::Relaxed);
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        let ns = if expected <= SPIN_NS_MAX || waits.is_multiple_of(PROBE_EVERY) {
            (expected.saturating_mul(3) + SPIN_NS_MIN).min(SPIN_NS_MAX)
        } else {
            SPIN_NS_MIN
        };
        Duration::from_nanos(ns.into())
    }

    /// Tells how long a wait took from its beginning, and whether spinning sufficed.
    pub(crate) fn learn(&self, took: Duration, by_spinning: bool) {
        let ns = u32::try_from(took.as_nanos())
            .unwrap_or(u32::MAX)
            .min(1_000_000);
        let old = self.expected_ns.load(Ordering::Relaxed);
        // A spin that sufficed is strong evidence; a wait that slept includes the wake-up and says less.
        let new = if by_spinning {
            old / 2 + ns / 2
        } else {
            old - old / 8 + ns / 8
        };
        self.expected_ns.store(new, Ordering::Relaxed);
    }

    /// Calls `ready` until it says so or the learnt time is over.
    pub(crate) fn spin(&self, mut ready: impl FnMut() -> bool) -> bool {
        if ready() {
            return true;
        }
        let budget = self.budget();
        if budget.is_zero() {
            return false;
        }
        // Half of the cores at most: the peer may live on this machine, and needs one to answer.
        if SPINNERS.fetch_add(1, Ordering::Relaxed) >= (cores() / 2).max(1) {
            SPINNERS.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let start = Instant::now();
        let done = 'spin: loop {
            for _ in 0..16 {
                if ready() {
                    break 'spin true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= budget {
                break false;
            }
        };
        SPINNERS.fetch_sub(1, Ordering::Relaxed);
        done
    }
}
