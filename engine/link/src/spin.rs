//! Spin, then park. How long to spin is learnt: polling beats a wake-up eightfold while cores are free, and is
//! worse than useless when they are not.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest spin; about what a wake-up costs on a virtual machine.
const SPIN_MAX: Duration = Duration::from_micros(50);
/// Spin where spinning has lately been in vain.
const SPIN_MIN: Duration = Duration::from_micros(3);
/// One wait in so many spins to the full in any case, to notice that the peer became fast or a core free.
const PROBE_EVERY: u32 = 32;

/// The score goes from 0 to this.
const SCORE_MAX: u32 = 16;
/// At least this: spin. Spinning gains about as much when it suffices as it costs when it does not, so it pays when
/// it suffices more often than not; the counter tends to one end or the other, and single outliers change nothing.
const SCORE_SPINS: u32 = 6;
/// What a probe gains that found spinning to suffice.
const PROBE_GAIN: u32 = 3;

/// Threads of this process that spin right now.
static SPINNERS: AtomicU32 = AtomicU32::new(0);

fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        std::thread::available_parallelism().map_or(1, |n| n.get().min(4096) as u32)
    })
}

/// What has been learnt about the waits of one end of a lane.
///
/// `budget` says how long to spin; afterwards `sufficed` or `was_in_vain` is told. A thread that spins where its peer
/// waits for the same core makes the wait longer, and learns not to.
#[derive(Debug)]
pub struct SpinPolicy {
    /// How well spinning has lately done.
    score: AtomicU32,
    waits: AtomicU32,
}

impl Default for SpinPolicy {
    fn default() -> SpinPolicy {
        SpinPolicy::new()
    }
}

impl SpinPolicy {
    /// Knows nothing, and spins.
    pub fn new() -> SpinPolicy {
        SpinPolicy {
            score: AtomicU32::new(SCORE_MAX / 2),
            waits: AtomicU32::new(0),
        }
    }

    /// How long to spin in the wait that begins now; zero on a machine of one core.
    pub fn budget(&self) -> Duration {
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        if cores() < 2 {
            Duration::ZERO
        } else if self.score.load(Ordering::Relaxed) >= SCORE_SPINS
            || waits.is_multiple_of(PROBE_EVERY)
        {
            SPIN_MAX
        } else {
            SPIN_MIN
        }
    }

    /// What was waited for came while spinning with `budget`.
    pub fn sufficed(&self, budget: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if budget == SPIN_MAX && score < SCORE_MAX {
            let gain = if score < SCORE_SPINS { PROBE_GAIN } else { 1 };
            self.score
                .store((score + gain).min(SCORE_MAX), Ordering::Relaxed);
        }
    }

    /// It did not come within `budget`. (Within the shortest budget that says nothing.)
    pub fn was_in_vain(&self, budget: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if budget == SPIN_MAX && score > 0 {
            self.score.store(score - 1, Ordering::Relaxed);
        }
    }

    /// Calls `ready` until it says so or the learnt time is over.
    #[inline]
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
        if done {
            self.sufficed(budget)
        } else {
            self.was_in_vain(budget)
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_habit_follows_what_pays() {
        if cores() < 2 {
            return;
        }
        let policy = SpinPolicy::new();
        let spins = |policy: &SpinPolicy| policy.score.load(Ordering::Relaxed) >= SCORE_SPINS;
        assert!(spins(&policy));
        for _ in 0..20 {
            policy.was_in_vain(SPIN_MAX);
        }
        assert!(!spins(&policy));
        let full = (0..320).filter(|_| policy.budget() == SPIN_MAX).count();
        assert_eq!(full, 10, "only probes");
        policy.sufficed(SPIN_MIN);
        policy.was_in_vain(SPIN_MIN);
        assert_eq!(policy.score.load(Ordering::Relaxed), 0);
        policy.sufficed(SPIN_MAX);
        policy.sufficed(SPIN_MAX);
        assert!(spins(&policy), "two probes bring it back");
        for n in 0..200 {
            policy.sufficed(SPIN_MAX);
            if n % 5 == 4 {
                policy.was_in_vain(SPIN_MAX);
            }
            assert!(spins(&policy), "outliers change nothing");
        }
    }
}
