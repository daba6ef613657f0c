//! How long a GPU thread asks the driver itself for what the client waits for.
//!
//! Asking again and again answers a wait a wake-up or two sooner than a thread that sleeps in the driver, and takes a processor meanwhile.
//! That is what CUDA's own waits do where there are processors enough (`CU_CTX_SCHED_AUTO`; CUDA Driver API, cuCtxCreate). Here it is learnt:
//! waits that lately took longer are not asked for, nor does a thread ask that others had to be given its processor meanwhile.

use ringway_link::SpinPolicy;
use std::time::Duration;

/// The longest that is asked.
const LONGEST: Duration = Duration::from_millis(2);

/// What has been learnt about a GPU thread's waits.
#[derive(Debug)]
pub struct Patience {
    policy: SpinPolicy,
    /// The time for the wait under way, and how often this thread had been displaced when it began.
    asking: Option<(Duration, i64)>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { policy: SpinPolicy::up_to(LONGEST), asking: None }
    }
}

impl Patience {
    /// How long to ask, for the wait under way.
    pub fn limit(&mut self) -> Duration {
        self.asking.get_or_insert_with(|| (self.policy.budget(), displaced())).0
    }

    /// The wait came to its end meanwhile.
    pub fn sufficed(&mut self) {
        if let Some((limit, before)) = self.asking.take() {
            if displaced() == before {
                self.policy.sufficed(limit);
            } else {
                self.policy.was_in_vain(limit);
            }
        }
    }

    /// It did not.
    pub fn was_in_vain(&mut self) {
        if let Some((limit, _)) = self.asking.take() {
            self.policy.was_in_vain(limit);
        }
    }
}

/// How often the kernel gave this thread's processor to another though it had more to do.
fn displaced() -> i64 {
    // SAFETY: all zero is a rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes the rusage. It fails for arguments only, which are right.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    usage.ru_nivcsw
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
