//! Spin, then park. How long to spin is learnt: polling beats a wake-up eightfold while cores are free, and is
//! worse than useless when they are not.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Bounds of the longest spin, which is what putting two threads to sleep and waking them costs on this machine.
const LONGEST: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));
/// Where that cannot be measured.
const LONGEST_UNKNOWN: Duration = Duration::from_micros(50);
/// Rounds of the measurement.
const ROUNDS: u32 = 12;
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

/// The longest spin that can pay: what it takes two threads of this machine to wake each other in turn, some 10 us on
/// hardware, 50 us in a virtual machine, 1 ms under emulation. Measured once in a process.
pub fn longest() -> Duration {
    static MEASURED: OnceLock<Duration> = OnceLock::new();
    *MEASURED.get_or_init(|| {
        wake_round_trip().unwrap_or(LONGEST_UNKNOWN).clamp(LONGEST.0, LONGEST.1)
    })
}

/// A quick one of some rounds of two threads that wake each other: of those that nothing else delayed.
fn wake_round_trip() -> Option<Duration> {
    let turn = Arc::new(AtomicU32::new(0));
    let wait_for = |turn: &AtomicU32, n: u32| {
        while turn.load(Ordering::Acquire) < n {
            std::thread::park();
        }
    };
    let (theirs, asker) = (Arc::clone(&turn), std::thread::current());
    let answers = std::thread::Builder::new().name("wake-up".into()).spawn(move || {
        for round in 0..ROUNDS {
            wait_for(&theirs, 2 * round + 1);
            theirs.store(2 * round + 2, Ordering::Release);
            asker.unpark();
        }
    });
    let answers = answers.ok()?;
    let mut rounds = [Duration::MAX; ROUNDS as usize];
    for (n, round) in (0..).zip(&mut rounds) {
        let start = Instant::now();
        turn.store(2 * n + 1, Ordering::Release);
        answers.thread().unpark();
        wait_for(&turn, 2 * n + 2);
        *round = start.elapsed();
    }
    answers.join().ok()?;
    rounds.sort_unstable();
    Some(rounds[rounds.len() / 4])
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
    longest: Duration,
}

impl Default for SpinPolicy {
    fn default() -> SpinPolicy {
        SpinPolicy::new()
    }
}

impl SpinPolicy {
    /// Knows nothing, and spins.
    pub fn new() -> SpinPolicy {
        SpinPolicy::up_to(longest())
    }

    /// One whose longest spin is another.
    pub fn up_to(longest: Duration) -> SpinPolicy {
        SpinPolicy {
            score: AtomicU32::new(SCORE_MAX / 2),
            waits: AtomicU32::new(0),
            longest,
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
            self.longest
        } else if self.score.load(Ordering::Relaxed) == 0 {
            // The peer may wait for this core.
            Duration::ZERO
        } else {
            SPIN_MIN
        }
    }

    /// What was waited for came while spinning with `budget`.
    pub fn sufficed(&self, budget: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if budget == self.longest && score < SCORE_MAX {
            let gain = if score < SCORE_SPINS { PROBE_GAIN } else { 1 };
            self.score
                .store((score + gain).min(SCORE_MAX), Ordering::Relaxed);
        }
    }

    /// It did not come within `budget`. (Within the shortest budget that says nothing.)
    pub fn was_in_vain(&self, budget: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if budget == self.longest && score > 0 {
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
            policy.was_in_vain(longest());
        }
        assert!(!spins(&policy));
        let full = (0..320).filter(|_| policy.budget() == longest()).count();
        assert_eq!(full, 10, "only probes");
        policy.sufficed(SPIN_MIN);
        policy.was_in_vain(SPIN_MIN);
        assert_eq!(policy.score.load(Ordering::Relaxed), 0);
        policy.sufficed(longest());
        policy.sufficed(longest());
        assert!(spins(&policy), "two probes bring it back");
        for n in 0..200 {
            policy.sufficed(longest());
            if n % 5 == 4 {
                policy.was_in_vain(longest());
            }
            assert!(spins(&policy), "outliers change nothing");
        }
    }
}
