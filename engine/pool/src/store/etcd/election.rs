//! Which node of a pool leads.
//!
//! A key of etcd's, `leader`, is made by whoever finds none, and lives as long as a lease of etcd's of [`TTL_SECONDS`], which its maker
//! renews. A leader that cannot renew it takes its own time for over [`MARGIN`] before etcd does, by this machine's clock alone, which
//! goes on while the machine sleeps; so it needs nobody to tell it. What it writes has the key as a condition in any case.
//!
//! The key is looked at, not watched: a look that is answered was answered by most of etcd's members, while a watch through a
//! member that is cut off from the others is just silent.

use super::gateway::{CALL_TIMEOUT, CallError};
use super::messages::{Done, Found, Granted, Outcome, Streamed, get, get_operation, put_operation, transaction, was_made_at};
use super::{Etcd, RETRY_PAUSE};
use crate::scheduler::NAME_BYTES_MAX;
use crate::store::StoreError;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long etcd takes a leader for one that it has not heard of, in seconds.
pub const TTL_SECONDS: u32 = 5;
/// So much earlier a leader takes itself for none.
const MARGIN: Duration = Duration::from_millis(500);
/// Time between renewals.
const RENEWED_EVERY: Duration = Duration::from_millis(1500);
/// Time between looks at who leads.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// After this long without an answer it is not known who leads.
const UNKNOWN_AFTER: Duration = Duration::from_secs(2 * TTL_SECONDS as u64);
/// Addresses of a leader, and bytes of each, at the most.
const ADDRESSES_MAX: usize = 16;
const ADDRESS_BYTES_MAX: usize = 256;

/// Time since this machine was started, sleep included.
fn now() -> Duration {
    // The clock is there on every Linux; were it not, nobody would lead.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}

/// A node that leads, as it tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub addresses: Vec<String>,
}

impl Leader {
    fn is_sound(&self) -> bool {
        let name = !self.name.is_empty() && self.name.len() <= NAME_BYTES_MAX;
        name && self.addresses.len() <= ADDRESSES_MAX && self.addresses.iter().all(|address| address.len() <= ADDRESS_BYTES_MAX)
    }
}

/// What was seen of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Unknown,
    Nobody,
    /// None: what it says of itself is not understood.
    Somebody(Option<Leader>),
}

#[derive(Debug)]
struct State {
    seen: Seen,
    /// When etcd answered last.
    answered: Duration,
    /// Why it does not let this node look.
    refused: Option<String>,
    is_stopped: bool,
}

#[derive(Debug)]
struct Shared {
    etcd: Etcd,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    fn see(&self, seen: Seen) {
        let mut state = self.locked();
        if state.seen != seen {
            state.seen = seen;
            self.changed.notify_all();
        }
    }

    /// Looks at the key again and again until this is stopped.
    fn look(&self) {
        let (key, mut was_answered) = (self.etcd.0.keys.leader(), true);
        loop {
            let found = self.etcd.0.gateway.call::<Found>("kv/range", &get(&key), Instant::now() + CALL_TIMEOUT);
            match &found {
                Ok(found) => {
                    let leader = |value: &[u8]| serde_json::from_slice(value).ok().filter(Leader::is_sound);
                    self.see(found.kvs.first().map_or(Seen::Nobody, |kv| Seen::Somebody(leader(&kv.value))));
                    let mut state = self.locked();
                    (state.answered, state.refused) = (now(), None);
                }
                Err(error) => {
                    if let CallError::Refused(why, _) = error {
                        self.locked().refused = Some(why.clone());
                        self.changed.notify_all();
                    }
                    if was_answered {
                        tracing::warn!("etcd {}; who leads the pool is asked again and again", error.text());
                    }
                    let silent = now().saturating_sub(self.locked().answered);
                    if silent > UNKNOWN_AFTER {
                        self.see(Seen::Unknown);
                    }
                }
            }
            was_answered = found.is_ok();
            let until = Instant::now() + LOOKED_EVERY;
            let mut state = self.locked();
            while !state.is_stopped && Instant::now() < until {
                state = self.wait(state, until.saturating_duration_since(Instant::now()));
            }
            if state.is_stopped {
                return;
            }
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Election {
    shared: Arc<Shared>,
    me: Leader,
    looker: Option<JoinHandle<()>>,
}

impl Election {
    /// Begins to look at who leads. `me` is what others are told if this node does.
    ///
    /// # Errors
    /// [`StoreError::Settings`]: `me` has no name, or too much of something.
    pub fn new(etcd: &Etcd, me: Leader) -> Result<Self, StoreError> {
        if !me.is_sound() {
            let bounds =
                format!("a name of 1 to {NAME_BYTES_MAX} bytes and {ADDRESSES_MAX} addresses of {ADDRESS_BYTES_MAX} bytes at the most");
            return Err(StoreError::Settings(format!("the node has to have {bounds}")));
        }
        let state = Mutex::new(State { seen: Seen::Unknown, answered: now(), refused: None, is_stopped: false });
        let shared = Arc::new(Shared { etcd: etcd.clone(), state, changed: Condvar::new() });
        let looker = Arc::clone(&shared);
        let looker = std::thread::Builder::new().name("election".into()).spawn(move || looker.look());
        let looker = looker.map_err(|error| StoreError::Etcd(format!("cannot be looked at: {error}")))?;
        Ok(Self { shared, me, looker: Some(looker) })
    }

    /// Who leads, as far as it is known.
    pub fn leader(&self) -> Option<Leader> {
        match &self.shared.locked().seen {
            Seen::Somebody(leader) => leader.clone(),
            Seen::Unknown | Seen::Nobody => None,
        }
    }

    /// Waits until another one leads than `known`, or nobody, or for `timeout` at the most, or until this is stopped; who leads then.
    pub fn watch(&self, known: Option<&Leader>, timeout: Duration) -> Option<Leader> {
        let until = Instant::now() + timeout;
        let mut state = self.shared.locked();
        loop {
            let leader = if let Seen::Somebody(leader) = &state.seen { leader.as_ref() } else { None };
            let left = until.saturating_duration_since(Instant::now());
            if leader != known || left.is_zero() || state.is_stopped {
                return leader.cloned();
            }
            state = self.shared.wait(state, left);
        }
    }

    /// Waits until this node leads. None: this was stopped.
    ///
    /// # Errors
    /// etcd refused it, and will again unless something is changed there: [`StoreError::Etcd`].
    pub fn campaign(&self) -> Result<Option<Leadership>, StoreError> {
        loop {
            let mut state = self.shared.locked();
            while !state.is_stopped && state.refused.is_none() && state.seen != Seen::Nobody {
                state = self.shared.wait(state, LOOKED_EVERY);
            }
            if state.is_stopped {
                return Ok(None);
            }
            if let Some(why) = state.refused.take() {
                return Err(StoreError::Etcd(why));
            }
            drop(state);
            if let Some(leadership) = self.try_to_lead()? {
                self.shared.see(Seen::Somebody(Some(self.me.clone())));
                return Ok(Some(leadership));
            }
            // Until it has been looked at again.
            self.shared.see(Seen::Unknown);
        }
    }

    fn try_to_lead(&self) -> Result<Option<Leadership>, StoreError> {
        let inner = &self.shared.etcd.0;
        let asked = now();
        let granted = inner.gateway.call("lease/grant", &json!({ "TTL": TTL_SECONDS.to_string() }), Instant::now() + CALL_TIMEOUT);
        let Granted { id, ttl_s } = match granted {
            Ok(granted) => granted,
            Err(CallError::Unknown(_)) => return Ok(None),
            Err(refused) => return Err(refused.into()),
        };
        let until = Tenure::until(asked, ttl_s);
        let key = inner.keys.leader();
        let me = serde_json::to_vec(&self.me).map_err(|error| StoreError::Etcd(error.to_string()))?;
        let request = transaction(&[was_made_at(&key, 0)], vec![put_operation(&key, &me, id)], vec![get_operation(&key)]);
        while now() < until && !self.shared.locked().is_stopped {
            let outcome: Outcome = match inner.gateway.call("kv/txn", &request, Instant::now() + CALL_TIMEOUT) {
                Ok(outcome) => outcome,
                Err(CallError::Unknown(_)) => {
                    std::thread::sleep(RETRY_PAUSE);
                    continue;
                }
                Err(CallError::Refused(why, _)) if why.contains("lease not found") => return Ok(None),
                Err(refused) => return Err(refused.into()),
            };
            let made_at = if outcome.succeeded {
                Some(outcome.header.revision)
            } else {
                // Made by an earlier try of this loop that was not answered, if the lease is this one.
                outcome.found().first().filter(|kv| kv.lease == id).map(|kv| kv.create_revision)
            };
            let Some(create_revision) = made_at else { break };
            return Leadership::begin(&self.shared.etcd, id, create_revision, until).map(Some);
        }
        revoke(&self.shared.etcd, id);
        Ok(None)
    }

    /// Ends a [`Election::campaign`] and a [`Election::watch`] that are waiting. Whoever leads goes on to.
    pub fn stop(&self) {
        self.shared.locked().is_stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.stop();
        if let Some(looker) = self.looker.take() {
            let _ = looker.join();
        }
    }
}

/// Gives a lease of etcd's back, if etcd can be reached; else it runs out.
fn revoke(etcd: &Etcd, lease: i64) {
    let _ = etcd.0.gateway.call::<Done>("lease/revoke", &json!({ "ID": lease.to_string() }), Instant::now() + CALL_TIMEOUT);
}

/// The time for which a node leads.
#[derive(Debug)]
pub(super) struct Tenure {
    etcd: Etcd,
    /// Lease of etcd's.
    lease: i64,
    /// Revision of etcd's that made the key.
    create_revision: i64,
    /// Until when it lasts, by [`now`]; None: it is over.
    until: Mutex<Option<Duration>>,
    changed: Condvar,
}

impl Tenure {
    /// Until when a lease of etcd's lasts that was asked for at a time.
    fn until(asked: Duration, ttl_s: i64) -> Duration {
        asked.saturating_add(Duration::from_secs(ttl_s.clamp(0, 3600).unsigned_abs())).saturating_sub(MARGIN)
    }

    fn locked(&self) -> MutexGuard<'_, Option<Duration>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn create_revision(&self) -> i64 {
        self.create_revision
    }

    /// How much longer it lasts for certain; None: it is over.
    pub(super) fn left(&self) -> Option<Duration> {
        (*self.locked())?.checked_sub(now()).filter(|left| !left.is_zero())
    }

    /// It is over.
    pub(super) fn end(&self) {
        *self.locked() = None;
        self.changed.notify_all();
    }

    /// Waits until it is over, or for `timeout` at the most; whether it goes on.
    fn wait(&self, timeout: Duration) -> bool {
        let give_up = Instant::now() + timeout;
        let mut until = self.locked();
        loop {
            let Some(left) = until.and_then(|until| until.checked_sub(now())).filter(|left| !left.is_zero()) else { return false };
            let patience = give_up.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return true;
            }
            until = self.changed.wait_timeout(until, left.min(patience)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Renews the lease until it is over, then gives it back.
    fn keep(&self) {
        let mut pause = RENEWED_EVERY;
        while self.wait(pause) {
            let asked = now();
            match self.renew() {
                Ok(Some(ttl_s)) => {
                    // It is not begun anew if it was over meanwhile.
                    let mut until = self.locked();
                    *until = until.map(|until| until.max(Self::until(asked, ttl_s)));
                    pause = RENEWED_EVERY;
                }
                Ok(None) | Err(CallError::Refused(..)) => self.end(),
                Err(CallError::Unknown(why)) => {
                    tracing::warn!("etcd {why}; leading the pool ends unless it answers");
                    pause = RETRY_PAUSE;
                }
            }
        }
        self.end();
        revoke(&self.etcd, self.lease);
    }

    /// Seconds that the lease lasts from now on; None: it has run out, or somebody has removed the key.
    fn renew(&self) -> Result<Option<i64>, CallError> {
        let gateway = &self.etcd.0.gateway;
        let Streamed { result: Granted { ttl_s, .. } } =
            gateway.call("lease/keepalive", &json!({ "ID": self.lease.to_string() }), Instant::now() + CALL_TIMEOUT)?;
        let key = self.etcd.0.keys.leader();
        let found = gateway.call::<Found>("kv/range", &get(&key), Instant::now() + CALL_TIMEOUT)?;
        let is_there = found.kvs.first().is_some_and(|kv| kv.create_revision == self.create_revision);
        Ok((ttl_s > 0 && is_there).then_some(ttl_s))
    }
}

/// This node leads, until this says otherwise or is dropped.
#[derive(Debug)]
pub struct Leadership {
    tenure: Arc<Tenure>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Leadership {
    fn begin(etcd: &Etcd, lease: i64, create_revision: i64, until: Duration) -> Result<Self, StoreError> {
        let until = Mutex::new(Some(until));
        let tenure = Arc::new(Tenure { etcd: etcd.clone(), lease, create_revision, until, changed: Condvar::new() });
        let keeper = Arc::clone(&tenure);
        let keeper = std::thread::Builder::new().name("leadership".into()).spawn(move || keeper.keep());
        let keeper = keeper.map_err(|error| StoreError::Etcd(format!("cannot be kept in touch with: {error}")))?;
        Ok(Self { tenure, keeper: Mutex::new(Some(keeper)) })
    }

    pub(super) fn tenure(&self) -> Arc<Tenure> {
        Arc::clone(&self.tenure)
    }

    /// Whether this node leads still. No other one does as long as this is true.
    pub fn is_valid(&self) -> bool {
        self.tenure.left().is_some()
    }

    /// Waits until this node does not lead any more, or for `timeout` at the most; whether it does still.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.tenure.wait(timeout)
    }

    /// Leads no more, so that another one may at once. Returns when etcd knows, or has not answered.
    pub fn resign(&self) {
        self.tenure.end();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            let _ = keeper.join();
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.tenure.end();
    }
}
