//! How often somebody may ask: a bucket of tokens each, in a table of bounded size.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that one may make at once.
pub const BURST: f64 = 200.0;
/// And from then on, a second.
pub const PER_SECOND: f64 = 50.0;
/// Those that are remembered at the most.
const KEYS_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub struct Rates {
    buckets: Mutex<HashMap<String, (Instant, f64)>>,
}

impl Rates {
    /// Counts a request of somebody; else how long to wait for the next.
    ///
    /// # Errors
    /// They have asked too often.
    pub fn take(&self, who: &str, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS_MAX && !buckets.contains_key(who) {
            // Who has a full bucket need not be remembered.
            buckets.retain(|_, (since, left)| *left + now.duration_since(*since).as_secs_f64() * PER_SECOND < BURST);
            if buckets.len() >= KEYS_MAX {
                let oldest = buckets.iter().min_by_key(|(_, (since, _))| *since).map(|(who, _)| who.clone());
                oldest.map(|oldest| buckets.remove(&oldest));
            }
        }
        let (since, left) = buckets.entry(who.into()).or_insert((now, BURST));
        *left = (*left + now.duration_since(*since).as_secs_f64() * PER_SECOND).min(BURST);
        *since = now;
        if *left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - *left) / PER_SECOND));
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_rate() {
        let (rates, start) = (Rates::default(), Instant::now());
        for _ in 0..BURST as usize {
            rates.take("a", start).unwrap();
        }
        let wait = rates.take("a", start).unwrap_err();
        assert!(wait <= Duration::from_secs_f64(1.0 / PER_SECOND));
        rates.take("b", start).unwrap();
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| rates.take("a", later).is_ok()).count(), PER_SECOND as usize);
    }

    #[test]
    fn memory_is_bounded_and_the_busy_are_not_forgotten() {
        let (rates, start) = (Rates::default(), Instant::now());
        let now = |i: usize| start + Duration::from_micros(i as u64);
        for _ in 0..BURST as usize {
            rates.take("busy", start).unwrap();
        }
        for i in 0..2 * KEYS_MAX {
            rates.take(&i.to_string(), now(i)).unwrap();
            // It asks on, so it is never the oldest.
            let _ = rates.take("busy", now(i));
        }
        assert!(rates.buckets.lock().unwrap().len() <= KEYS_MAX);
        assert!(rates.take("busy", now(2 * KEYS_MAX)).is_err());
    }
}
