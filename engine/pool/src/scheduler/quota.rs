//! Quotas: what users and groups may have at a time, and over time.
//!
//! GPU time is kept in thousandths of a GPU times milliseconds: a slice counts by its share of the GPU's memory.

use super::inventory::Part;
use ringway_wire::pool::{Limits, Principal};
use std::collections::HashMap;

/// Thousandths of a GPU times milliseconds in one GPU-hour.
pub const GPU_HOUR: u64 = 1000 * 1000 * 3600;

/// What a user or a group has now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Slices of GPUs.
    pub gpus: u32,
    /// Bytes of GPU memory.
    pub memory_bytes: u64,
    /// Leases.
    pub sessions: u32,
    /// GPU time used in all (thousandths of a GPU times milliseconds), running leases included.
    pub gpu_time: u64,
}

/// What a lease or a request takes of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Take {
    pub(super) gpus: u32,
    pub(super) memory_bytes: u64,
    /// Thousandths of a GPU, at least one for each slice.
    pub(super) thousandths: u64,
}

impl Take {
    pub(super) fn of(parts: &[Part], total_bytes: impl Fn(usize) -> u64) -> Self {
        let mut take = Self { gpus: parts.len() as u32, ..Self::default() };
        for part in parts {
            take.memory_bytes = take.memory_bytes.saturating_add(part.bytes);
            take.thousandths += thousandths(part.bytes, total_bytes(part.gpu));
        }
        take
    }
}

/// The share of a GPU that a slice is, in thousandths, rounded up.
pub(super) fn thousandths(bytes: u64, total_bytes: u64) -> u64 {
    (u128::from(bytes) * 1000).div_ceil(u128::from(total_bytes.max(1))).clamp(1, 1000) as u64
}

#[derive(Debug, Default)]
struct Account {
    gpus: u32,
    memory_bytes: u64,
    sessions: u32,
    /// GPU time of leases that have ended.
    settled: u64,
    /// Thousandths of GPUs that running leases have, and the same multiplied with the times of their starts.
    rate: u64,
    rate_starts: u128,
}

impl Account {
    fn usage(&self, now_ms: u64) -> Usage {
        let running = (u128::from(self.rate) * u128::from(now_ms)).saturating_sub(self.rate_starts);
        Usage {
            gpus: self.gpus,
            memory_bytes: self.memory_bytes,
            sessions: self.sessions,
            gpu_time: self.settled.saturating_add(u64::try_from(running).unwrap_or(u64::MAX)),
        }
    }
}

/// Number of an account.
pub(super) type AccountIndex = usize;

/// Whose accounts a request counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owners {
    user: AccountIndex,
    group: Option<AccountIndex>,
}

impl Owners {
    /// Each of the accounts.
    pub(super) fn each(self) -> impl Iterator<Item = AccountIndex> {
        std::iter::once(self.user).chain(self.group)
    }

    /// Whether what one takes may be missing for the other.
    pub(super) fn shares_with(self, other: Self) -> bool {
        self.user == other.user || (self.group.is_some() && self.group == other.group)
    }
}

/// The accounts and limits of all.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    names: HashMap<Principal, AccountIndex>,
    accounts: Vec<(Principal, Account)>,
    limits: HashMap<Principal, Limits>,
}

impl Accounts {
    fn account(&mut self, principal: Principal) -> AccountIndex {
        if let Some(index) = self.names.get(&principal) {
            return *index;
        }
        self.accounts.push((principal.clone(), Account::default()));
        self.names.insert(principal, self.accounts.len() - 1);
        self.accounts.len() - 1
    }

    pub(super) fn owners(&mut self, user: &str, group: &str) -> Owners {
        Owners {
            user: self.account(Principal::User(user.into())),
            group: (!group.is_empty()).then(|| self.account(Principal::Group(group.into()))),
        }
    }

    pub(super) fn set(&mut self, principal: Principal, limits: Option<Limits>) {
        match limits {
            Some(limits) => self.limits.insert(principal, limits),
            None => self.limits.remove(&principal),
        };
    }

    pub(super) fn limits(&self) -> impl Iterator<Item = (&Principal, &Limits)> {
        self.limits.iter()
    }

    /// GPU time that was used before this scheduler began.
    pub(super) fn settle(&mut self, principal: Principal, gpu_time: u64) {
        let index = self.account(principal);
        let settled = &mut self.accounts[index].1.settled;
        *settled = settled.saturating_add(gpu_time);
    }

    pub(super) fn usages(&self, now_ms: u64) -> impl Iterator<Item = (&Principal, Usage)> {
        self.accounts.iter().map(move |(principal, account)| (principal, account.usage(now_ms)))
    }

    pub(super) fn begin(&mut self, owners: Owners, take: Take, since_ms: u64) {
        for index in owners.each() {
            let account = &mut self.accounts[index].1;
            account.gpus += take.gpus;
            account.memory_bytes = account.memory_bytes.saturating_add(take.memory_bytes);
            account.sessions += 1;
            account.rate += take.thousandths;
            account.rate_starts += u128::from(take.thousandths) * u128::from(since_ms);
        }
    }

    /// Ends a lease; its GPU time.
    pub(super) fn end(&mut self, owners: Owners, take: Take, since_ms: u64, now_ms: u64) -> u64 {
        let gpu_time = take.thousandths.saturating_mul(now_ms.saturating_sub(since_ms));
        for index in owners.each() {
            let account = &mut self.accounts[index].1;
            account.gpus -= take.gpus;
            account.memory_bytes = account.memory_bytes.saturating_sub(take.memory_bytes);
            account.sessions -= 1;
            account.rate -= take.thousandths;
            account.rate_starts -= u128::from(take.thousandths) * u128::from(since_ms);
            account.settled = account.settled.saturating_add(gpu_time);
        }
        gpu_time
    }

    fn limits_of(&self, index: AccountIndex) -> (Option<&Limits>, &Principal) {
        let principal = &self.accounts[index].0;
        let default = if matches!(principal, Principal::Group(_)) { Principal::EachGroup } else { Principal::EachUser };
        (self.limits.get(principal).or_else(|| self.limits.get(&default)), principal)
    }

    /// Whether a request would stay within the quotas of its user and group. `empty`: if they had nothing else now. Which bound
    /// it would break, else.
    pub(super) fn check(&self, owners: Owners, take: Take, now_ms: u64, empty: bool) -> Result<(), String> {
        if self.limits.is_empty() {
            return Ok(());
        }
        for index in owners.each() {
            let (Some(limits), principal) = self.limits_of(index) else { continue };
            let mut have = self.accounts[index].1.usage(now_ms);
            if empty {
                have = Usage { gpu_time: have.gpu_time, ..Usage::default() };
            }
            let broken = |what: String| Err(format!("the quota of {} {what}", named(principal)));
            if let Some(max) = limits.gpus
                && have.gpus.saturating_add(take.gpus) > max
            {
                return broken(format!("is {max} GPUs at a time; {} are in use and {} were asked for", have.gpus, take.gpus));
            }
            if let Some(max) = limits.memory_bytes
                && have.memory_bytes.saturating_add(take.memory_bytes) > max
            {
                let (max, have, asked) = (max >> 20, have.memory_bytes >> 20, take.memory_bytes >> 20);
                return broken(format!("is {max} MiB of GPU memory at a time; {have} are in use and {asked} were asked for"));
            }
            if let Some(max) = limits.sessions
                && have.sessions >= max
            {
                return broken(format!("is {max} sessions at a time; {} are running", have.sessions));
            }
            if let Some(max) = limits.gpu_hours
                && have.gpu_time >= u64::from(max).saturating_mul(GPU_HOUR)
            {
                return broken(format!("of {max} GPU-hours is used up"));
            }
        }
        Ok(())
    }

    /// Bytes of GPU memory that a request may take still.
    pub(super) fn bytes_left(&self, owners: Owners) -> u64 {
        let left = owners.each().filter_map(|index| {
            let max = self.limits_of(index).0?.memory_bytes?;
            Some(max.saturating_sub(self.accounts[index].1.memory_bytes))
        });
        left.min().unwrap_or(u64::MAX)
    }

    /// As [`Accounts::check`], without words: this is asked often. The first account whose quota it would break.
    ///
    /// An account that holds a request back does so until it has less ([`Accounts::end`]) or gets other limits.
    pub(super) fn holder(&self, owners: Owners, take: Take, now_ms: u64) -> Option<AccountIndex> {
        if self.limits.is_empty() {
            return None;
        }
        owners.each().find(|index| {
            let (Some(limits), _) = self.limits_of(*index) else { return false };
            let have = self.accounts[*index].1.usage(now_ms);
            limits.gpus.is_some_and(|max| have.gpus.saturating_add(take.gpus) > max)
                || limits.memory_bytes.is_some_and(|max| have.memory_bytes.saturating_add(take.memory_bytes) > max)
                || limits.sessions.is_some_and(|max| have.sessions >= max)
                || limits.gpu_hours.is_some_and(|max| have.gpu_time >= u64::from(max).saturating_mul(GPU_HOUR))
        })
    }

    pub(super) fn allows(&self, owners: Owners, take: Take, now_ms: u64) -> bool {
        self.holder(owners, take, now_ms).is_none()
    }

    pub(super) fn find(&self, principal: &Principal) -> Option<AccountIndex> {
        self.names.get(principal).copied()
    }
}

fn named(principal: &Principal) -> String {
    match principal {
        Principal::User(name) => format!("user '{}'", name.escape_default()),
        Principal::Group(name) => format!("group '{}'", name.escape_default()),
        Principal::EachUser => "each user".into(),
        Principal::EachGroup => "each group".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKE: Take = Take { gpus: 2, memory_bytes: 8 << 30, thousandths: 1000 };

    #[test]
    fn own_limits_go_before_those_of_everyone() {
        let mut accounts = Accounts::default();
        let (alice, bob) = (accounts.owners("alice", ""), accounts.owners("bob", "lab"));
        assert!(accounts.allows(alice, TAKE, 0));
        accounts.set(Principal::EachUser, Some(Limits { gpus: Some(1), ..Limits::default() }));
        assert!(!accounts.allows(alice, TAKE, 0) && !accounts.allows(bob, TAKE, 0));
        accounts.set(Principal::User("alice".into()), Some(Limits { gpus: Some(2), ..Limits::default() }));
        assert!(accounts.allows(alice, TAKE, 0) && !accounts.allows(bob, TAKE, 0));
        accounts.set(Principal::User("bob".into()), Some(Limits::default()));
        assert!(accounts.allows(bob, TAKE, 0));
        accounts.set(Principal::Group("lab".into()), Some(Limits { memory_bytes: Some(7 << 30), ..Limits::default() }));
        let why = accounts.check(bob, TAKE, 0, false).unwrap_err();
        assert!(why.contains("group 'lab'") && why.contains("7168 MiB"), "{why}");
        accounts.set(Principal::Group("lab".into()), None);
        assert!(accounts.allows(bob, TAKE, 0));
    }

    #[test]
    fn hours_count_shares_of_gpus_and_running_leases() {
        let mut accounts = Accounts::default();
        let alice = accounts.owners("alice", "");
        accounts.set(Principal::User("alice".into()), Some(Limits { gpu_hours: Some(2), ..Limits::default() }));
        let hour = 3_600_000;
        accounts.begin(alice, TAKE, 10 * hour);
        assert!(accounts.allows(alice, TAKE, 12 * hour - 1));
        assert!(!accounts.allows(alice, TAKE, 12 * hour));
        assert_eq!(accounts.end(alice, TAKE, 10 * hour, 11 * hour), GPU_HOUR);
        assert!(accounts.allows(alice, TAKE, 99 * hour));
        accounts.settle(Principal::User("alice".into()), GPU_HOUR);
        assert!(!accounts.allows(alice, TAKE, 0));
        assert!(accounts.check(alice, TAKE, 0, true).unwrap_err().contains("used up"));
        assert_eq!((thousandths(1, 1 << 40), thousandths(1 << 30, 4 << 30), thousandths(5, 5)), (1, 250, 1000));
    }
}
