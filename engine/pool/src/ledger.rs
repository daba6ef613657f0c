//! What a pool decides and what it remembers, together: the scheduler, the store, and what servers say of themselves.
//!
//! Nothing here waits, listens or looks at a clock. A grant is on the disk before it is returned, so whoever was told of a lease finds it
//! there after a crash of the pool. What servers report goes before what the pool remembers: a lease that a server reports
//! and the pool does not know is taken in (the pool was restored from an older file), one that the pool knows and the server does not
//! report has ended. Nothing that runs is ever taken away by this.

use crate::scheduler::{
    Conflict, Decision, Ended, Lease, Limits, Principal, Refusal, Request, RequestId, Scheduler, ServerInfo, ServerState,
};
use crate::store::{Change, Contents, ServerRecord, Store, StoreError, UserRecord};
use crate::ticket;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A server that has not been heard of for this long is down, in milliseconds.
pub const SILENCE_MS: u64 = 15_000;
/// A lease that no server has reported for this long since it was granted has not come to be, in milliseconds: its ticket has
/// expired.
pub const CONFIRM_MS: u64 = 2 * ticket::LIFETIME_MS;

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
    /// Leases that the server reports and that cannot be accounted for; they are left alone.
    pub conflicts: Vec<Conflict>,
    /// The store failed: all this is so nevertheless, and will be written with the next change.
    pub unwritten: Option<StoreError>,
}

/// A server as it is known now.
#[derive(Debug)]
struct Presence {
    record: ServerRecord,
    /// When it was heard of last; None: not since this pool began.
    heard_ms: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    scheduler: Scheduler,
    servers: BTreeMap<String, Presence>,
    users: BTreeMap<String, UserRecord>,
    /// Leases by server.
    on_server: HashMap<String, BTreeSet<RequestId>>,
    /// Leases that a server has reported since this pool began.
    confirmed: HashSet<RequestId>,
    /// Changes that are true and that the store did not take yet.
    owed: Vec<Change>,
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
        let servers = contents.servers.into_iter().map(|(name, record)| (name, Presence { record, heard_ms: None }));
        let ledger = Self {
            store,
            scheduler,
            servers: servers.collect(),
            users: contents.users,
            on_server,
            confirmed: HashSet::new(),
            owed: Vec::new(),
        };
        Ok((ledger, conflicts))
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

    /// When a server was heard of last, in milliseconds since 1970.
    pub fn heard_ms(&self, server: &str) -> Option<u64> {
        self.servers.get(server)?.heard_ms
    }

    /// Writes changes, after those that are owed.
    fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        if self.owed.is_empty() {
            return if changes.is_empty() { Ok(()) } else { self.store.apply(&changes) };
        }
        let all: Vec<Change> = self.owed.iter().cloned().chain(changes).collect();
        self.store.apply(&all)?;
        self.owed.clear();
        Ok(())
    }

    /// Writes changes that are true whether they can be written or not: they are owed if they cannot.
    fn note(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.write(changes.clone()).inspect_err(|_| self.owed.extend(changes))
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
        // Before its own word for it the GPUs cannot be others than before: leases that it does not report any more are ended first.
        let mut heard = Heard::default();
        let reported: HashSet<RequestId> = running.iter().map(|lease| lease.id).collect();
        let mut gone = Vec::new();
        for id in self.on_server.get(&name).into_iter().flatten() {
            let is_awaited = self.scheduler.lease(*id).is_some_and(|lease| now_ms < lease.since_ms.saturating_add(CONFIRM_MS));
            if !reported.contains(id) && (self.confirmed.contains(id) || !is_awaited) {
                gone.push(*id);
            }
        }
        let mut changes = Vec::new();
        for id in gone {
            heard.ended.extend(self.forget(id, now_ms, &mut changes));
        }
        heard.unwritten = self.note(changes).err();
        let state = if is_draining { ServerState::Draining } else { ServerState::Up };
        self.scheduler.put_server(info.clone(), state)?;
        let record = ServerRecord { info, is_draining };
        let mut changes = if is_news { vec![Change::PutServer(record.clone())] } else { Vec::new() };
        for lease in running {
            if self.scheduler.lease(lease.id).is_some() {
                if self.on_server.get(&name).is_some_and(|ids| ids.contains(&lease.id)) {
                    self.confirmed.insert(lease.id);
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
                    self.confirmed.insert(lease.id);
                    changes.push(Change::Begin(lease.clone()));
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

    /// Puts a request into the queue, with its user's group and priority.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn submit(&mut self, mut request: Request) -> Result<(), Refusal> {
        let settings = self.users.get(&request.user).cloned().unwrap_or_default();
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
    /// The store failed, and these requests, which would have been granted, are out of the queue without a lease.
    pub fn decide(&mut self, now_ms: u64) -> Result<Decision, (StoreError, Vec<RequestId>)> {
        let decision = self.scheduler.decide(now_ms);
        let begun = decision.granted.iter().cloned().map(Change::Begin).collect();
        if let Err(error) = self.write(begun) {
            let ids: Vec<RequestId> = decision.granted.iter().map(|lease| lease.id).collect();
            for id in &ids {
                self.scheduler.release(*id, now_ms);
                // It may be in the file nevertheless.
                self.owed.push(Change::End { id: *id, end_ms: now_ms, gpu_time: 0 });
            }
            return Err((error, ids));
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

    fn forget(&mut self, id: RequestId, now_ms: u64, changes: &mut Vec<Change>) -> Option<Ended> {
        let ended = self.scheduler.release(id, now_ms)?;
        for slice in &ended.lease.slices {
            if let Some(ids) = self.on_server.get_mut(&slice.server) {
                ids.remove(&id);
            }
        }
        self.confirmed.remove(&id);
        changes.push(Change::End { id, end_ms: now_ms, gpu_time: ended.gpu_time });
        Some(ended)
    }

    /// Ends a lease, because its server says so or it never came to be; None: there is none.
    ///
    /// # Errors
    /// [`StoreError`]: it has ended, and that will be written with the next change.
    pub fn end(&mut self, id: RequestId, now_ms: u64) -> Result<Option<Ended>, StoreError> {
        let mut changes = Vec::new();
        let ended = self.forget(id, now_ms, &mut changes);
        self.note(changes)?;
        Ok(ended)
    }

    /// Has a server take no new leases, or take them again.
    ///
    /// # Errors
    /// [`LedgerError`]: there is no such server, or the store failed; nothing has changed then.
    pub fn set_draining(&mut self, name: &str, is_draining: bool) -> Result<(), LedgerError> {
        let presence = self.servers.get(name).ok_or_else(|| Conflict::NoServer(name.into()))?;
        let (record, is_here) = (ServerRecord { is_draining, ..presence.record.clone() }, presence.heard_ms.is_some());
        self.write(vec![Change::PutServer(record.clone())])?;
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
        Ok(self.note(vec![Change::RemoveServer(name.into())])?)
    }

    /// Sets the limits of a user, a group, or all.
    ///
    /// # Errors
    /// [`StoreError`]: nothing has changed.
    pub fn set_limits(&mut self, principal: Principal, limits: Option<Limits>) -> Result<(), StoreError> {
        self.write(vec![Change::Limits(principal.clone(), limits)])?;
        self.scheduler.set_limits(principal, limits);
        Ok(())
    }

    /// Sets a user's group and priority, for requests to come.
    ///
    /// # Errors
    /// [`StoreError`]: nothing has changed.
    pub fn set_user(&mut self, name: &str, record: Option<UserRecord>) -> Result<(), StoreError> {
        self.write(vec![Change::User(name.into(), record.clone())])?;
        match record {
            Some(record) => self.users.insert(name.into(), record),
            None => self.users.remove(name),
        };
        Ok(())
    }
}
