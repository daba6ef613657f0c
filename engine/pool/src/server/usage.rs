//! What the sessions of leases do: from the accounts in which workers write it down, added up over those that ended, and by the second.

use super::leases::Lease;
use super::{Server, State};
use ringway_link::account::Done;
use ringway_link::shares;
use ringway_wire::control::{LeaseUse, SliceUse};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

/// Time over which it is measured how much is done.
const SECOND: Duration = Duration::from_secs(1);

/// What is kept of a lease, by slice, as numbers: it goes with a server that restarts in place.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CarriedUse {
    ended: Vec<[u64; 4]>,
    last: Vec<[u64; 4]>,
    looked: u64,
    by_second: Vec<[u64; 4]>,
}

/// What is kept of a lease; by slice.
#[derive(Debug, Default)]
pub(super) struct Use {
    /// What sessions did that have ended.
    ended: Vec<Done>,
    /// What all had done at the last look, and when that was, on the clock of [`shares::now`].
    last: Vec<Done>,
    looked: u64,
    /// Between the last two looks, for a second.
    by_second: Vec<Done>,
}

impl Use {
    /// Of a lease with so many slices that begins now.
    pub(super) fn new(slices: usize) -> Self {
        let none = vec![Done::default(); slices];
        Self { ended: none.clone(), last: none.clone(), looked: shares::now(), by_second: none }
    }

    /// Of a lease with so many slices that the server before this one had.
    pub(super) fn after(slices: usize, carried: &CarriedUse) -> Self {
        let all = |numbers: &[[u64; 4]]| {
            let done = |[busy_ns, up_bytes, down_bytes, waits]: [u64; 4]| Done { busy_ns, up_bytes, down_bytes, waits };
            (0..slices).map(|slice| numbers.get(slice).copied().map(done).unwrap_or_default()).collect()
        };
        Self { ended: all(&carried.ended), last: all(&carried.last), looked: carried.looked, by_second: all(&carried.by_second) }
    }

    /// What the server after this one is to know.
    pub(super) fn carried(&self) -> CarriedUse {
        let all = |done: &[Done]| done.iter().map(|done| [done.busy_ns, done.up_bytes, done.down_bytes, done.waits]).collect();
        CarriedUse { ended: all(&self.ended), last: all(&self.last), looked: self.looked, by_second: all(&self.by_second) }
    }

    fn look(&mut self, done: Vec<Done>, now: u64) {
        let ns = u128::from(now.saturating_sub(self.looked).max(1));
        let a_second = |count: u64| u64::try_from(u128::from(count) * SECOND.as_nanos() / ns).unwrap_or(u64::MAX);
        let by_second = done.iter().zip(&self.last).map(|(done, last)| {
            let new = done.since(*last);
            Done {
                busy_ns: a_second(new.busy_ns),
                up_bytes: a_second(new.up_bytes),
                down_bytes: a_second(new.down_bytes),
                waits: a_second(new.waits),
            }
        });
        self.by_second = by_second.collect();
        (self.last, self.looked) = (done, now);
    }
}

/// Sums over the slices of each lease what its sessions did until `now`.
fn done(state: &State, now: u64) -> HashMap<&str, Vec<Done>> {
    let mut all: HashMap<&str, Vec<Done>> = state.leases.iter().map(|(id, lease)| (id.as_str(), lease.used_by.ended.clone())).collect();
    for session in state.sessions.values() {
        let (Some(lease), Some(sums)) = (state.leases.get(&session.lease), all.get_mut(session.lease.as_str())) else { continue };
        for (gpu, sum) in sums.iter_mut().enumerate() {
            *sum = sum.plus(lease.account.done(gpu, session.slot, now));
        }
    }
    all
}

/// What is to be shown of each lease.
pub(super) fn of_leases(state: &State) -> HashMap<&str, LeaseUse> {
    let used = |(id, done): (&'_ str, Vec<Done>)| state.leases.get_key_value(id).map(|(id, lease)| (id.as_str(), of_lease(lease, &done)));
    done(state, shares::now()).into_iter().filter_map(used).collect()
}

fn of_lease(lease: &Lease, done: &[Done]) -> LeaseUse {
    let sum = |all: &[Done]| all.iter().fold(Done::default(), |sum, one| sum.plus(*one));
    let (all, by_second) = (sum(done), sum(&lease.used_by.by_second));
    let slices = lease.used_by.by_second.iter().enumerate().map(|(gpu, by_second)| SliceUse {
        allocated_bytes: lease.account.used(gpu),
        busy_thousandths: (by_second.busy_ns / 1_000_000).min(1000) as u32,
    });
    LeaseUse {
        slices: slices.collect(),
        up_bytes: all.up_bytes,
        down_bytes: all.down_bytes,
        waits: all.waits,
        up_bytes_per_s: by_second.up_bytes,
        down_bytes_per_s: by_second.down_bytes,
        waits_per_s: by_second.waits,
    }
}

/// What all leases do with the GPUs of this server, by ordinal.
pub(super) fn of_gpus(state: &State, leases: &HashMap<&str, LeaseUse>) -> HashMap<u32, SliceUse> {
    let mut all: HashMap<u32, SliceUse> = HashMap::new();
    for (id, used) in leases {
        let slices = state.leases.get(*id).map_or(&[][..], |lease| &lease.slices);
        for (slice, of_slice) in slices.iter().zip(&used.slices) {
            let gpu = all.entry(slice.server_ordinal).or_default();
            *gpu = gpu.plus(*of_slice);
        }
    }
    all
}

/// A session is about to end: what it did is added to that of those before.
pub(super) fn session_ended(lease: &mut Lease, slot: u32) {
    let now = shares::now();
    for (gpu, ended) in lease.used_by.ended.iter_mut().enumerate() {
        *ended = ended.plus(lease.account.done(gpu, slot, now));
    }
}

impl Server {
    /// Looks each second what leases do, for as long as there are any.
    pub(super) fn watch_use(&self) {
        loop {
            let mut state = self.lock();
            while state.leases.is_empty() {
                state = self.leased.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let now = shares::now();
            let looks: Vec<(String, Vec<Done>)> = done(&state, now).into_iter().map(|(id, done)| (id.to_owned(), done)).collect();
            for (id, done) in looks {
                if let Some(lease) = state.leases.get_mut(&id) {
                    lease.used_by.look(done, now);
                }
            }
            drop(state);
            std::thread::sleep(SECOND);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_goes_on_in_the_next_server() {
        let mut used = Use::new(2);
        let done = |count| Done { busy_ns: count, up_bytes: count + 1, down_bytes: count + 2, waits: count + 3 };
        used.ended = vec![done(10), done(20)];
        used.look(vec![done(30), done(40)], used.looked + SECOND.as_nanos() as u64);
        let text = serde_json::to_string(&used.carried()).unwrap();
        let next = Use::after(2, &serde_json::from_str(&text).unwrap());
        assert_eq!((&next.ended, &next.last, next.looked, &next.by_second), (&used.ended, &used.last, used.looked, &used.by_second));
        assert_eq!(Use::after(3, &CarriedUse::default()).ended.len(), 3);
    }

    #[test]
    fn what_was_done_between_two_looks_is_told_for_a_second() {
        let mut used = Use::new(1);
        let begin = used.looked;
        let at = |half_seconds: u64| vec![Done { busy_ns: half_seconds * 125_000_000, up_bytes: 1000 * half_seconds, down_bytes: 0, waits: half_seconds }];
        used.look(at(1), begin + 500_000_000);
        assert_eq!(used.by_second[0], Done { busy_ns: 250_000_000, up_bytes: 2000, down_bytes: 0, waits: 2 });
        used.look(at(1), begin + 1_500_000_000);
        assert_eq!(used.by_second[0], Done::default());
        // Two looks at one moment, and a clock that went back.
        used.look(at(2), begin + 1_500_000_000);
        used.look(at(2), begin);
        assert_eq!(used.by_second[0], Done::default());
    }
}
