//! How long a GPU thread asks the driver itself for what the client waits for.
//!
//! Asking again and again answers a wait a wake-up or two sooner than a thread that sleeps in the driver, and takes a processor meanwhile.
//! That is what CUDA's own waits do where there are processors enough (`CU_CTX_SCHED_AUTO`; CUDA Driver API, cuCtxCreate). Here it is learnt:
//! waits that lately took longer are not asked for, nor does a thread ask whose processor others have meanwhile.

use ringway_link::SpinPolicy;
use std::time::{Duration, Instant};

/// The longest that is asked.
const LONGEST: Duration = Duration::from_millis(2);

/// What has been learnt about a GPU thread's waits.
#[derive(Debug)]
pub struct Patience {
    policy: SpinPolicy,
    /// The time for the wait under way, when that began, and this thread's processor time then.
    asking: Option<(Duration, Instant, Duration)>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { policy: SpinPolicy::up_to(LONGEST), asking: None }
    }
}

impl Patience {
    /// How long to ask, for the wait under way.
    pub fn limit(&mut self) -> Duration {
        self.asking.get_or_insert_with(|| (self.policy.budget(), Instant::now(), processor_time())).0
    }

    /// The wait came to its end meanwhile.
    pub fn sufficed(&mut self) {
        if let Some((limit, begun, before)) = self.asking.take() {
            // A quarter of the time is what wake-ups of others take now and then.
            if processor_time().saturating_sub(before) * 4 >= begun.elapsed() * 3 {
                self.policy.sufficed(limit);
            } else {
                self.policy.was_in_vain(limit);
            }
        }
    }

    /// It did not.
    pub fn was_in_vain(&mut self) {
        if let Some((limit, ..)) = self.asking.take() {
            self.policy.was_in_vain(limit);
        }
    }
}

/// What this thread has had of its processor.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the timespec. It fails for clocks only that there are not.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_are_not_asked_for() {
        if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
            return;
        }
        let mut patience = Patience::default();
        assert_eq!(patience.limit(), LONGEST);
        for _ in 0..20 {
            patience.limit();
            patience.was_in_vain();
        }
        let asked = (0..64).filter(|_| {
            let long = patience.limit() == LONGEST;
            patience.was_in_vain();
            long
        });
        assert_eq!(asked.count(), 2, "only now and then, to see whether that has changed");
    }
}
