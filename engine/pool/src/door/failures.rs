//! Addresses that fail too often (wrong tokens, handshakes that lead nowhere, garbage) are not listened to for a while.
//!
//! Not to make guessing harder, a secret of 256 bits needs no help, but to bound what failures cost: work and lines in the log.
//! 127.0.0.1 and ::1 are left out: one user of the machine must not be able to lock the others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures of an address within [`WINDOW`] from which on it is not listened to until that has passed.
pub const FAILURES_MAX: u32 = 30;
/// How long failures count, from the first of them.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered at the most.
const ADDRESSES_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Failures {
    seen: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// Who is counted together: an address, of IPv6 the 64 bits that name a network.
fn counted(from: IpAddr) -> Option<IpAddr> {
    match from.to_canonical() {
        from if from == IpAddr::from([127, 0, 0, 1]) || from == IpAddr::from(Ipv6Addr::LOCALHOST) => None,
        IpAddr::V6(from) => Some(Ipv6Addr::from_bits(from.to_bits() >> 64 << 64).into()),
        from => Some(from),
    }
}

impl Failures {
    /// Counts one. True when with this one the address is not listened to any more.
    pub(super) fn count(&self, from: IpAddr, now: Instant) -> bool {
        let Some(from) = counted(from) else {
            return false;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        if seen.len() >= ADDRESSES_MAX && !seen.contains_key(&from) {
            let oldest = seen.iter().min_by_key(|(_, (since, _))| *since).map(|(address, _)| *address);
            oldest.map(|address| seen.remove(&address));
        }
        let (_, count) = seen.entry(from).or_insert((now, 0));
        *count = count.saturating_add(1);
        *count == FAILURES_MAX
    }

    /// Whether an address is not listened to.
    pub(super) fn is_barred(&self, from: IpAddr, now: Instant) -> bool {
        let Some(from) = counted(from) else {
            return false;
        };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&from).is_some_and(|(since, count)| *count >= FAILURES_MAX && now.duration_since(*since) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_is_barred_for_a_while() {
        let (failures, start) = (Failures::default(), Instant::now());
        let (bad, good) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for i in 1..=FAILURES_MAX {
            assert!(!failures.is_barred(bad, start));
            assert_eq!(failures.count(bad, start), i == FAILURES_MAX);
        }
        assert!(failures.is_barred(bad, start) && !failures.is_barred(good, start));
        assert!(failures.is_barred("::ffff:10.0.0.1".parse().unwrap(), start));
        assert!(!failures.is_barred(bad, start + WINDOW));
        failures.count(bad, start + WINDOW);
        assert!(!failures.is_barred(bad, start + WINDOW));
    }

    #[test]
    fn this_machine_is_not_barred_and_memory_is_bounded() {
        let (failures, start) = (Failures::default(), Instant::now());
        for _ in 0..2 * FAILURES_MAX {
            assert!(!failures.count([127, 0, 0, 1].into(), start));
        }
        assert!(!failures.is_barred([127, 0, 0, 1].into(), start));
        for i in 0..5000u32 {
            failures.count(IpAddr::from((0x0a00_0000 + i).to_be_bytes()), start + Duration::from_millis(i.into()));
        }
        assert_eq!(failures.seen.lock().unwrap().len(), ADDRESSES_MAX);
        for host in 0..FAILURES_MAX {
            failures.count(IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host as u16)), start + Duration::from_secs(6));
        }
        assert!(failures.is_barred("2001:db8:0:1::ffff".parse().unwrap(), start + Duration::from_secs(6)));
        assert!(!failures.is_barred("2001:db8:0:2::1".parse().unwrap(), start + Duration::from_secs(6)));
    }
}
