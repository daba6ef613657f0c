//! Leases that nobody uses, and their end.
//!
//! A lease is used while one of its sessions has something to do: a call to execute, or work under way on a GPU. Workers say so in the
//! lease's account.

use super::leases::{Holder, Lease};
use super::{Server, State};
use ringway_link::shares;
use std::sync::PoisonError;
use std::time::Duration;

/// Shortest and longest time without use after which a lease can end, in milliseconds.
pub(super) const MS_MIN: u64 = 1000;
pub(super) const MS_MAX: u64 = 365 * 86_400_000;
/// How often it is looked whether leases are used, at least and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How long a lease has not been used; `now` is that of [`shares::now`].
pub(super) fn unused(state: &State, id: &str, lease: &Lease, now: u64) -> Duration {
    let sessions = state.sessions.values().filter(|session| session.lease == id);
    let used = sessions.map(|session| lease.account.worked(session.slot, now).max(session.since)).fold(lease.used, u64::max);
    Duration::from_nanos(now.saturating_sub(used))
}

/// A time for people, exact to the second.
fn text(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts: Vec<String> = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    parts.join(" ")
}

impl Server {
    /// Ends leases that were not used for as long as their terms say, again and again.
    pub(super) fn watch_idle(&self) {
        loop {
            let mut state = self.lock();
            let shortest = loop {
                let limits = state.leases.values().filter(|lease| !lease.ended).filter_map(limit);
                if let Some(shortest) = limits.min() {
                    break shortest;
                }
                state = self.idling.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            let now = shares::now();
            let over: Vec<(String, Duration)> = state
                .leases
                .iter()
                // A holder that is about to come back is told then.
                .filter(|(_, lease)| !lease.ended && !matches!(lease.holder, Holder::Awaited(_)))
                .filter_map(|(id, lease)| Some((id.clone(), limit(lease).filter(|limit| unused(&state, id, lease, now) >= *limit)?)))
                .collect();
            for (id, limit) in over {
                let Some(lease) = state.leases.get_mut(&id) else { continue };
                tracing::info!(lease = id, unused_s = limit.as_secs(), "the lease was not used: it ends");
                lease.end(
                    format!("the lease was released after {} without use", text(limit)),
                    "start the program again, and ask for a longer time with --idle, or for none with --idle 0".into(),
                );
            }
            self.held.notify_all();
            drop(state);
            std::thread::sleep((shortest / 8).clamp(LOOK.0, LOOK.1));
        }
    }
}

/// The time without use after which a lease ends.
fn limit(lease: &Lease) -> Option<Duration> {
    lease.terms.idle_ms.filter(|limit| *limit > 0).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        assert_eq!(text(Duration::from_secs(5)), "5 s");
        assert_eq!(text(Duration::from_secs(3600)), "1 h");
        assert_eq!(text(Duration::from_secs(7325)), "2 h 2 min 5 s");
    }
}
