//! What a pool decides and what it remembers, together: the scheduler, the store, and what servers say of themselves.
//!
//! Nothing here waits, listens or looks at a clock. A grant is on the disk before it is returned, so whoever was told of a lease finds it
//! there after a crash of the pool. What servers report goes before what the pool remembers: a lease that a server reports
//! and the pool does not know is taken in (the pool was restored from an older file), one that the pool knows and the server does not
//! report has ended. Nothing that runs is ever taken away by this, but for what the pool has ended itself: that is in the history, and
//! its server is told again.

use crate::scheduler::{
    Conflict, Decision, Ended, Lease, Limits, Principal, Refusal, Request, RequestId, Scheduler, ServerInfo, ServerState,
};
use crate::store::{Change, Contents, ServerRecord, Store, StoreError, UserRecord};
use crate::ticket;
use prometheus::Histogram;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A server that has not been heard of for this long is down, in milliseconds.
pub const SILENCE_MS: u64 = 15_000;
/// A lease that no server has reported for this long since it was granted has not come to be, in milliseconds: its ticket has
/// expired.
pub const CONFIRM_MS: u64 = 2 * ticket::LIFETIME_MS;
/// One that was granted before this pool began, by this node or another one, has so long in all, in milliseconds. Its program's connection
/// to the pool has ended, so it has the tickets and is on its way to the servers, or will never come.
pub const INHERITED_CONFIRM_MS: u64 = 10_000;
/// Clocks of a pool's nodes, which date starts and ends of leases, differ by no more.
const CLOCKS_APART_MS: u64 = 3_600_000;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It contradicts what is known.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// What came of a server's report.
#[derive(Debug, Default)]
pub struct Heard {
    /// Leases that ended, as the report shows.
    pub ended: Vec<Ended>,
    /// Leases that were taken in.
    pub adopted: Vec<RequestId>,
    /// Leases that the server reports and that have ended: it is to end them, too.
    pub over: Vec<RequestId>,
    /// Leases that the server reports and that cannot be accounted for; they are left alone.
    pub conflicts: Vec<Conflict>,
    /// The store failed: all this is so nevertheless, and will be written with the next change.
    pub unwritten: Option<StoreError>,
    /// The store failed: leases that are not known were left alone, and will be looked at when they are reported again.
    pub unread: Option<StoreError>,
}

/// Hears of leases that have ended, and why: when that is kept, or false: when the store cannot say whether it is, and whoever leads
/// next will know. Of what is not kept nobody hears: the lease ends again, by this node or the next one.
pub type Ends = Box<dyn Fn(&Lease, &str, bool) + Send>;

/// A change that is to be written and, of the end of a lease, what is told then.
#[derive(Debug, Clone)]
struct Due {
    change: Change,
    ended: Option<(Lease, String)>,
}

impl From<Change> for Due {
    fn from(change: Change) -> Self {
        Self { change, ended: None }
    }
}

/// A server as it is known now.
#[derive(Debug)]
struct Presence {
    record: ServerRecord,
    /// When it was heard of last; None: not since this pool began.
    heard_ms: Option<u64>,
}

/// See the module.
pub struct Ledger {
    store: Store,
    scheduler: Scheduler,
    servers: BTreeMap<String, Presence>,
    users: BTreeMap<String, UserRecord>,
    /// Leases by server.
    on_server: HashMap<String, BTreeSet<RequestId>>,
    /// Leases that a server has reported since this pool began, and which server.
    confirmed: HashSet<(RequestId, String)>,
    /// Leases that were granted before this pool began.
    inherited: HashSet<RequestId>,
    /// Leases that ended lately, and when: servers may report them still.
    over: HashMap<RequestId, u64>,
    /// Changes that are true and that the store did not take yet.
    owed: Vec<Due>,
    /// Where it is counted how long the store took; nothing depends on it.
    commit_seconds: Option<Histogram>,
    /// Nothing depends on it either.
    ends: Option<Ends>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("store", &self.store).field("scheduler", &self.scheduler).field("owed", &self.owed).finish_non_exhaustive()
    }
}

impl Ledger {
    /// From what a store has. Servers are down until they are heard of. Leases that could not be taken in are told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(store: Store) -> Result<(Self, Vec<Conflict>), StoreError> {
        let contents: Contents = store.contents()?;
        let (scheduler, conflicts) = contents.scheduler();
        let mut on_server: HashMap<String, BTreeSet<RequestId>> = HashMap::new();
        for lease in scheduler.leases() {
            for slice in &lease.slices {
                on_server.entry(slice.server.clone()).or_default().insert(lease.id);
            }
        }
        let inherited = scheduler.leases().map(|lease| lease.id).collect();
        let servers = contents.servers.into_iter().map(|(name, record)| (name, Presence { record, heard_ms: None }));
        let ledger = Self {
            store,
            scheduler,
            servers: servers.collect(),
            users: contents.users,
            on_server,
            confirmed: HashSet::new(),
            inherited,
            over: HashMap::new(),
            owed: Vec::new(),
            commit_seconds: None,
            ends: None,
        };
        Ok((ledger, conflicts))
    }

    /// From now on it is counted there how long each write to the store took.
    pub fn measure_commits(&mut self, seconds: Histogram) {
        self.commit_seconds = Some(seconds);
    }

    /// From now on that is told when leases end.
    pub fn tell_ends(&mut self, ends: Ends) {
        self.ends = Some(ends);
    }

    fn tell(&self, due: &Due, is_kept: bool) {
        if let (Some(ends), Some((lease, why))) = (&self.ends, &due.ended) {
            ends(lease, why, is_kept);
        }
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let _timer = self.commit_seconds.as_ref().map(Histogram::start_timer);
        self.store.apply(changes)
    }

    /// What is decided on.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// What is remembered.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Settings of users.
    pub fn users(&self) -> &BTreeMap<String, UserRecord> {
        &self.users
    }

    /// What a server said of itself last.
    pub fn server(&self, name: &str) -> Option<&ServerInfo> {
        self.servers.get(name).map(|presence| &presence.record.info)
    }

    /// When a server was heard of last, in milliseconds since 1970.
    pub fn heard_ms(&self, server: &str) -> Option<u64> {
        self.servers.get(server)?.heard_ms
    }

    /// Writes changes in their order, in as few transactions as the store takes: each of them is true by itself. How many were written.
    fn write_in_order(&self, changes: &[Change]) -> (usize, Result<(), StoreError>) {
        match self.apply(changes) {
            Ok(()) => (changes.len(), Ok(())),
            Err(StoreError::TooLarge(_)) if changes.len() > 1 => {
                let (first, second) = changes.split_at(changes.len() / 2);
                match self.write_in_order(first) {
                    (done, Ok(())) => {
                        let (more, result) = self.write_in_order(second);
                        (done + more, result)
                    }
                    failed => failed,
                }
            }
            Err(error) => (0, Err(error)),
        }
    }

    /// Writes changes, after those that are owed; on failure which of them were not written.
    fn write(&mut self, due: Vec<Due>) -> Result<(), (StoreError, Vec<Due>)> {
        let owed = self.owed.len();
        let mut all = std::mem::take(&mut self.owed);
        all.extend(due);
        let changes: Vec<Change> = all.iter().map(|due| due.change.clone()).collect();
        let (done, result) = if all.is_empty() { (0, Ok(())) } else { self.write_in_order(&changes) };
        let mut rest = all.split_off(done);
        all.iter().for_each(|due| self.tell(due, true));
        let Err(error) = result else { return Ok(()) };
        if matches!(error, StoreError::Unresolved) {
            for due in &mut rest {
                self.tell(due, false);
                due.ended = None;
            }
        }
        let unwritten = rest.split_off(owed.saturating_sub(done));
        self.owed = rest;
        Err((error, unwritten))
    }

    fn write_one(&mut self, change: Change) -> Result<(), StoreError> {
        self.write(vec![change.into()]).map_err(|(error, _)| error)
    }

    /// Writes changes that are true whether they can be written or not: they are owed if they cannot.
    fn note(&mut self, due: Vec<Due>) -> Result<(), StoreError> {
        self.write(due).map_err(|(error, unwritten)| {
            self.owed.extend(unwritten);
            error
        })
    }

    /// A server registered, or says what it has and what runs on it. Of the leases named those count that are on this server alone:
    /// no server has a say in others'.
    ///
    /// # Errors
    /// [`Conflict`]: what it says of its GPUs cannot be, or they have changed while leases are on them.
    pub fn hear(&mut self, info: ServerInfo, running: &[Lease], now_ms: u64) -> Result<Heard, Conflict> {
        let name = info.name.clone();
        let known = self.servers.get(&name);
        let is_draining = known.is_some_and(|known| known.record.is_draining);
        let is_news = known.is_none_or(|known| known.record.info != info);
        let is_here = known.is_some_and(|known| known.heard_ms.is_some());
        // Before its own word for it the GPUs cannot be others than before: leases that it does not report any more are ended first.
        let mut heard = Heard::default();
        let reported: HashSet<RequestId> = running.iter().map(|lease| lease.id).collect();
        let mut gone = Vec::new();
        for id in self.on_server.get(&name).into_iter().flatten() {
            let patience_ms = if self.inherited.contains(id) { INHERITED_CONFIRM_MS } else { CONFIRM_MS };
            let is_awaited = self.scheduler.lease(*id).is_some_and(|lease| now_ms < lease.since_ms.saturating_add(patience_ms));
            if !reported.contains(id) && (self.confirmed.contains(&(*id, name.clone())) || !is_awaited) {
                gone.push(*id);
            }
        }
        let mut changes = Vec::new();
        for id in gone {
            heard.ended.extend(self.forget(id, "its program ended", now_ms, &mut changes));
        }
        heard.unwritten = self.note(changes).err();
        let state = if is_draining { ServerState::Draining } else { ServerState::Up };
        // What changes nothing must cost nothing: each server says this again and again.
        if is_news || !is_here {
            self.scheduler.put_server(info.clone(), state)?;
        }
        let record = ServerRecord { info, is_draining };
        let mut changes: Vec<Due> = if is_news { vec![Change::PutServer(record.clone()).into()] } else { Vec::new() };
        let unknown: Vec<&Lease> = running.iter().filter(|lease| self.scheduler.lease(lease.id).is_none()).collect();
        let ended = match self.ended_before(&unknown, now_ms) {
            Ok(ended) => ended,
            Err(error) => {
                // Nothing is taken in, and nothing ended, before that is known; the server will report again.
                heard.unread = Some(error);
                unknown.iter().map(|lease| lease.id).collect()
            }
        };
        for lease in running {
            if self.scheduler.lease(lease.id).is_some() {
                if self.on_server.get(&name).is_some_and(|ids| ids.contains(&lease.id)) {
                    self.confirmed.insert((lease.id, name.clone()));
                }
                continue;
            }
            if ended.contains(&lease.id) {
                if self.over.contains_key(&lease.id) {
                    heard.over.push(lease.id);
                }
                continue;
            }
            if lease.slices.iter().any(|slice| slice.server != name) {
                heard.conflicts.push(Conflict::NotFree(lease.id, name.clone()));
                continue;
            }
            match self.scheduler.adopt(lease.clone()) {
                Ok(()) => {
                    self.hold(lease);
                    self.confirmed.insert((lease.id, name.clone()));
                    changes.push(Change::Begin(lease.clone()).into());
                    heard.adopted.push(lease.id);
                }
                Err(conflict) => heard.conflicts.push(conflict),
            }
        }
        self.servers.insert(name, Presence { record, heard_ms: Some(now_ms) });
        // What runs, runs, whether that can be written or not.
        heard.unwritten = self.note(changes).err().or(heard.unwritten);
        Ok(heard)
    }

    /// Marks the servers as down that have been silent for [`SILENCE_MS`]; which. Their leases stay.
    pub fn find_silent(&mut self, now_ms: u64) -> Vec<String> {
        self.over.retain(|_, ended_ms| now_ms < ended_ms.saturating_add(CONFIRM_MS));
        let mut silent = Vec::new();
        for (name, presence) in &mut self.servers {
            if presence.heard_ms.is_some_and(|heard_ms| heard_ms.saturating_add(SILENCE_MS) <= now_ms) {
                presence.heard_ms = None;
                // It is known to the scheduler: it was heard of.
                let _ = self.scheduler.set_state(name, ServerState::Down);
                silent.push(name.clone());
            }
        }
        silent
    }

    /// The connection of a server ended: it is down until it is heard of again. Its leases stay.
    pub fn lose(&mut self, name: &str) {
        if let Some(presence) = self.servers.get_mut(name)
            && presence.heard_ms.take().is_some()
        {
            // It is known to the scheduler: it was heard of.
            let _ = self.scheduler.set_state(name, ServerState::Down);
        }
    }

    /// Whether each of its servers has reported a lease since this pool began.
    pub fn is_confirmed(&self, id: RequestId) -> bool {
        self.scheduler.lease(id).is_some_and(|lease| {
            lease.slices.iter().all(|slice| self.confirmed.contains(&(id, slice.server.clone())))
        })
    }

    /// Puts a request into the queue, with its user's group and priority.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn submit(&mut self, mut request: Request) -> Result<(), Refusal> {
        let settings = self.users.get(&request.user).cloned().unwrap_or_default();
        if settings.is_disabled {
            return Err(Refusal::Disabled(request.user));
        }
        request.group = settings.group;
        request.priority = settings.priority;
        self.scheduler.submit(request)
    }

    /// Takes a request back; whether it was waiting.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        self.scheduler.cancel(id)
    }

    /// Takes those requests out whose time to wait is over; which.
    pub fn expire(&mut self, now_ms: u64) -> Vec<RequestId> {
        self.scheduler.expire(now_ms)
    }

    /// Grants what can be granted now; it is on the disk when this returns.
    ///
    /// # Errors
    /// The store failed, and these requests, which would have got these leases, are out of the queue without one.
    pub fn decide(&mut self, now_ms: u64) -> Result<Decision, (StoreError, Vec<Lease>)> {
        let decision = self.scheduler.decide(now_ms);
        let begun = decision.granted.iter().cloned().map(|lease| Change::Begin(lease).into()).collect();
        if let Err((error, _)) = self.write(begun) {
            for lease in &decision.granted {
                self.scheduler.release(lease.id, now_ms);
                // It may be in the file nevertheless.
                self.owed.push(Change::End { id: lease.id, end_ms: now_ms, gpu_time: 0 }.into());
            }
            return Err((error, decision.granted));
        }
        for lease in &decision.granted {
            self.hold(lease);
        }
        Ok(decision)
    }

    fn hold(&mut self, lease: &Lease) {
        for slice in &lease.slices {
            self.on_server.entry(slice.server.clone()).or_default().insert(lease.id);
        }
    }

    fn forget(&mut self, id: RequestId, why: &str, now_ms: u64, changes: &mut Vec<Due>) -> Option<Ended> {
        let ended = self.scheduler.release(id, now_ms)?;
        for slice in &ended.lease.slices {
            self.confirmed.remove(&(id, slice.server.clone()));
            if let Some(ids) = self.on_server.get_mut(&slice.server) {
                ids.remove(&id);
            }
        }
        self.inherited.remove(&id);
        self.over.insert(id, now_ms);
        changes.push(Due { change: Change::End { id, end_ms: now_ms, gpu_time: ended.gpu_time }, ended: Some((ended.lease.clone(), why.into())) });
        Some(ended)
    }

    /// Ends a lease, because its server says so, somebody wants it, or it never came to be; None: there is none. And whether that could be
    /// written: if not it has ended all the same, and will be written with the next change. `why` is told when it is.
    pub fn end(&mut self, id: RequestId, why: &str, now_ms: u64) -> (Option<Ended>, Result<(), StoreError>) {
        let mut changes = Vec::new();
        let ended = self.forget(id, why, now_ms, &mut changes);
        (ended, self.note(changes))
    }

    /// Which of these leases, which a server reports and the pool does not have, have ended: the end was not heard of there yet, or never.
    /// What this node did not end itself is in the history.
    ///
    /// # Errors
    /// [`StoreError`]: it is not known.
    fn ended_before(&mut self, unknown: &[&Lease], now_ms: u64) -> Result<HashSet<RequestId>, StoreError> {
        let mut ended: HashSet<RequestId> = unknown.iter().map(|lease| lease.id).filter(|id| self.over.contains_key(id)).collect();
        let others: Vec<&&Lease> = unknown.iter().filter(|lease| !ended.contains(&lease.id)).collect();
        if let Some(since_ms) = others.iter().map(|lease| lease.since_ms).min() {
            let history = self.store.history(since_ms.saturating_sub(CLOCKS_APART_MS), now_ms.saturating_add(CLOCKS_APART_MS))?;
            let in_history: HashSet<RequestId> = history.iter().map(|row| row.lease.id).collect();
            for lease in others.iter().filter(|lease| in_history.contains(&lease.id)) {
                self.over.insert(lease.id, now_ms);
                ended.insert(lease.id);
            }
        }
        Ok(ended)
    }

    /// Has a server take no new leases, or take them again.
    ///
    /// # Errors
    /// [`LedgerError`]: there is no such server, or the store failed; nothing has changed then.
    pub fn set_draining(&mut self, name: &str, is_draining: bool) -> Result<(), LedgerError> {
        let presence = self.servers.get(name).ok_or_else(|| Conflict::NoServer(name.into()))?;
        let (record, is_here) = (ServerRecord { is_draining, ..presence.record.clone() }, presence.heard_ms.is_some());
        self.write_one(Change::PutServer(record.clone()))?;
        let state = match (is_here, is_draining) {
            (false, _) => ServerState::Down,
            (true, true) => ServerState::Draining,
            (true, false) => ServerState::Up,
        };
        self.scheduler.set_state(name, state)?;
        if let Some(presence) = self.servers.get_mut(name) {
            presence.record = record;
        }
        Ok(())
    }

    /// Forgets a server that has no leases.
    ///
    /// # Errors
    /// [`LedgerError`]: it has leases, there is none, or the store failed; then it comes back when the pool is started anew.
    pub fn remove_server(&mut self, name: &str) -> Result<(), LedgerError> {
        self.scheduler.remove_server(name)?;
        self.servers.remove(name);
        self.on_server.remove(name);
        Ok(self.note(vec![Change::RemoveServer(name.into()).into()])?)
    }

    /// Sets the limits of a user, a group, or all.
    ///
    /// # Errors
    /// [`StoreError`]: nothing has changed.
    pub fn set_limits(&mut self, principal: Principal, limits: Option<Limits>) -> Result<(), StoreError> {
        self.write_one(Change::Limits(principal.clone(), limits))?;
        self.scheduler.set_limits(principal, limits);
        Ok(())
    }

    /// Sets a user's group and priority, for requests to come.
    ///
    /// # Errors
    /// [`StoreError`]: nothing has changed.
    pub fn set_user(&mut self, name: &str, record: Option<UserRecord>) -> Result<(), StoreError> {
        self.write_one(Change::User(name.into(), record.clone()))?;
        match record {
            Some(record) => self.users.insert(name.into(), record),
            None => self.users.remove(name),
        };
        Ok(())
    }
}
