//! What is told of a pool, and what is changed in it.

use super::{Caller, Pool, State, user_of};
use crate::door::{Stream, refused};
use crate::identity::{Grant, Scope};
use crate::ledger::LedgerError;
use crate::scheduler::{Limits, Principal, Usage};
use crate::store::{HISTORY_ROWS_MAX, UserRecord};
use ringway_secure::unix_now_ms;
use ringway_wire::control::{Identity, Reply};
use ringway_wire::pool::{
    AdminRequest, GpuRow, LeaseRow, PoolReply, PoolRequest, QueueRow, QuotaRow, ROWS_MAX, ServerRow, UsageRow,
};
use std::collections::{BTreeMap, HashMap};

impl Pool {
    /// Answers one question of the control protocol.
    pub(super) fn answer(&self, stream: &Stream, token: &str, ask: PoolRequest) -> Result<Reply, Reply> {
        let caller = self.admit(token, stream, Self::scope_for(&ask))?;
        self.reply(ask, &caller).map(|reply| Reply::Pool(Box::new(reply)))
    }

    /// Which scope a question takes.
    fn scope_for(ask: &PoolRequest) -> fn(Scope) -> bool {
        match ask {
            PoolRequest::Admin(_) | PoolRequest::Audit { .. } => |scope| scope == Scope::Admin,
            PoolRequest::Release { .. } => Scope::may_use,
            _ => Scope::may_read,
        }
    }

    /// Answers one question of one who may ask it, in whichever protocol it came.
    pub(crate) fn reply(&self, ask: PoolRequest, caller: &Caller) -> Result<PoolReply, Reply> {
        let grant = &caller.grant;
        Ok(match ask {
            PoolRequest::Servers { after } => self.servers(after.as_deref()),
            PoolRequest::Leases { after } => self.leases(after),
            PoolRequest::Queue { from } => self.queue(from as usize),
            PoolRequest::Quotas { after } => self.quotas(after.as_ref()),
            PoolRequest::Usage { from_ms, until_ms } => self.usage(from_ms, until_ms)?,
            PoolRequest::Who => PoolReply::Who {
                user: grant.user.clone().or_else(|| grant.token.as_ref().map(|_| grant.name.clone())),
                scope: grant.scope.name().into(),
            },
            PoolRequest::Release { lease } => self.recorded(caller, "lease.release", &format!("{lease:016x}"), "", || self.release(lease, grant))?,
            PoolRequest::Audit { after } => self.audit(after)?,
            PoolRequest::Admin(ask) => {
                let (act, subject) = named(&ask);
                self.recorded(caller, act, &subject, &format!("{ask:?}"), || self.administer(ask.clone(), grant))?
            }
            PoolRequest::Join(_) => return Err(refused("a line is no question", "this is a fault of the client")),
        })
    }

    fn servers(&self, after: Option<&str>) -> PoolReply {
        let state = self.lock();
        let now_ms = unix_now_ms();
        let mut all: Vec<_> = state.ledger.scheduler().servers().filter(|(info, ..)| after.is_none_or(|after| info.name.as_str() > after)).collect();
        all.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        let more = all.len() > ROWS_MAX;
        let row = |(info, server_state, gpus): (&crate::scheduler::ServerInfo, _, Vec<crate::scheduler::GpuUse>)| ServerRow {
            state: server_state,
            silent_ms: state.ledger.heard_ms(&info.name).map(|heard| now_ms.saturating_sub(heard)),
            version: state.lines.get(&info.name).map(|line| line.version.clone()).unwrap_or_default(),
            gpus: gpus
                .iter()
                .zip(state.use_on(&info.name, gpus.len()))
                .map(|(gpu, used)| GpuRow { leased_bytes: gpu.leased_bytes, kept_bytes: gpu.kept_bytes, leases: gpu.leases, used })
                .collect(),
            info: info.clone(),
        };
        let rows = all.into_iter().take(ROWS_MAX).map(row).collect();
        PoolReply::Servers { pool: self.options.name.clone(), version: env!("CARGO_PKG_VERSION").into(), rows, more }
    }

    fn leases(&self, after: Option<u64>) -> PoolReply {
        let state = self.lock();
        let mut all: Vec<_> = state.ledger.scheduler().leases().filter(|lease| after.is_none_or(|after| lease.id > after)).collect();
        all.sort_by_key(|lease| lease.id);
        let more = all.len() > ROWS_MAX;
        let rows = all.into_iter().take(ROWS_MAX).map(|lease| {
            let running: Vec<_> = state.lines.values().filter_map(|line| line.running.get(&lease.id)).collect();
            let ask = state.asks.get(&lease.id);
            LeaseRow {
                identity: ask.map(|ask| &ask.identity).or(running.first().map(|one| &one.identity)).cloned().unwrap_or_default(),
                terms: ask.map(|ask| ask.terms).or(running.first().map(|one| one.terms)).unwrap_or_default(),
                sessions: running.iter().map(|one| one.sessions).sum(),
                is_confirmed: state.ledger.is_confirmed(lease.id),
                orphaned: running.iter().any(|one| one.orphaned),
                used: state.use_of(lease),
                lease: lease.clone(),
            }
        });
        PoolReply::Leases { rows: rows.collect(), more }
    }

    fn queue(&self, from: usize) -> PoolReply {
        let state = self.lock();
        let scheduler = state.ledger.scheduler();
        let now_ms = unix_now_ms();
        let rows = scheduler.waiting().skip(from).take(ROWS_MAX).map(|request| {
            let ask = state.asks.get(&request.id);
            QueueRow {
                id: request.id,
                user: request.user.clone(),
                group: request.group.clone(),
                priority: request.priority,
                gpus: request.gpus,
                memory: request.memory,
                filters: ask.map(|ask| ask.filters.clone()).unwrap_or_default(),
                identity: ask.map_or_else(Identity::default, |ask| ask.identity.clone()),
                since_ms: ask.map_or(0, |ask| ask.since_ms),
                why: scheduler.why_waiting(request.id, now_ms).unwrap_or_default(),
            }
        });
        PoolReply::Queue { rows: rows.collect(), waiting: scheduler.waiting_count() as u32 }
    }

    fn quotas(&self, after: Option<&Principal>) -> PoolReply {
        let state = self.lock();
        let mut all: BTreeMap<Principal, (Option<Limits>, Usage)> = BTreeMap::new();
        for (principal, limits) in state.ledger.scheduler().limits() {
            all.entry(principal.clone()).or_default().0 = Some(*limits);
        }
        for (principal, usage) in state.ledger.scheduler().usages(unix_now_ms()) {
            all.entry(principal.clone()).or_default().1 = usage;
        }
        for name in state.ledger.users().keys() {
            all.entry(Principal::User(name.clone())).or_default();
        }
        all.retain(|principal, _| after.is_none_or(|after| principal > after));
        let more = all.len() > ROWS_MAX;
        let rows = all.into_iter().take(ROWS_MAX).map(|(principal, (limits, usage))| {
            let settings = match &principal {
                Principal::User(name) => state.ledger.users().get(name).cloned(),
                _ => None,
            };
            QuotaRow {
                principal,
                limits,
                settings,
                gpus: usage.gpus,
                memory_bytes: usage.memory_bytes,
                sessions: usage.sessions,
                gpu_time: usage.gpu_time,
            }
        });
        PoolReply::Quotas { rows: rows.collect(), more }
    }

    fn usage(&self, from_ms: u64, until_ms: u64) -> Result<PoolReply, Reply> {
        let history = self.lock().ledger.store().history(from_ms, until_ms).map_err(|error| refused(error.to_string(), "see the pool's log"))?;
        let cut = history.len() >= HISTORY_ROWS_MAX;
        let mut sums: HashMap<(String, String), UsageRow> = HashMap::new();
        for row in history {
            let key = (row.lease.user.clone(), row.lease.group.clone());
            let sum = sums.entry(key).or_insert_with(|| UsageRow {
                user: row.lease.user.clone(),
                group: row.lease.group.clone(),
                leases: 0,
                gpu_time: 0,
                lease_ms: 0,
            });
            sum.leases += 1;
            sum.gpu_time = sum.gpu_time.saturating_add(row.gpu_time);
            sum.lease_ms = sum.lease_ms.saturating_add(row.end_ms.saturating_sub(row.lease.since_ms));
        }
        let mut rows: Vec<UsageRow> = sums.into_values().collect();
        rows.sort_by(|a, b| b.gpu_time.cmp(&a.gpu_time).then_with(|| a.user.cmp(&b.user)));
        rows.truncate(ROWS_MAX);
        Ok(PoolReply::Usage { rows, cut })
    }

    fn release(&self, id: u64, grant: &Grant) -> Result<PoolReply, Reply> {
        let unknown = || refused(format!("there is no lease and no request {id:016x}"), "`ringway ps` shows those there are");
        let mut state = self.lock();
        let scheduler = state.ledger.scheduler();
        let lease = scheduler.lease(id);
        let is_lease = lease.is_some();
        let owner = match lease {
            Some(lease) => lease.user.clone(),
            None => scheduler.waiting().find(|request| request.id == id).map(|request| request.user.clone()).ok_or_else(unknown)?,
        };
        if grant.scope != Scope::Admin && owner != user_of(grant, &Identity::default()) {
            return Err(refused(format!("the lease {id:016x} is {owner}'s"), "ask its owner, or an administrator"));
        }
        tracing::info!(lease = format!("{id:016x}"), by = grant.name, "released on request");
        if is_lease {
            state.end(id, "it was released by hand", unix_now_ms());
        } else {
            withdraw(&mut state, id, "the request was taken back by hand");
        }
        self.stir(state);
        Ok(PoolReply::Done)
    }

    fn administer(&self, ask: AdminRequest, grant: &Grant) -> Result<PoolReply, Reply> {
        let failed = |error: LedgerError| refused(error.to_string(), "`ringway server list` shows the pool's servers");
        tracing::info!(by = grant.name, "administration: {ask:?}");
        let mut state = self.lock();
        match ask {
            AdminRequest::SetLimits { principal, limits } => {
                if let Principal::User(name) | Principal::Group(name) = &principal {
                    check_text(name)?;
                }
                state.ledger.set_limits(principal, limits).map_err(|error| failed(error.into()))?;
            }
            AdminRequest::SetUser { user, settings } => {
                check_text(&user)?;
                let is_disabled = state.ledger.users().get(&user).is_some_and(|record| record.is_disabled);
                let record = settings.map(|(group, priority)| UserRecord { group, priority, is_disabled });
                // Who is forgotten is not let in by that.
                let record = record.or_else(|| is_disabled.then(|| UserRecord { is_disabled, ..UserRecord::default() }));
                if let Some(record) = &record
                    && !record.group.is_empty()
                {
                    check_text(&record.group)?;
                }
                state.ledger.set_user(&user, record).map_err(|error| failed(error.into()))?;
            }
            AdminRequest::EnableUser { user, enable } => {
                check_text(&user)?;
                let known = state.ledger.users().get(&user).cloned().unwrap_or_default();
                let record = Some(UserRecord { is_disabled: !enable, ..known }).filter(|record| *record != UserRecord::default());
                state.ledger.set_user(&user, record).map_err(|error| failed(error.into()))?;
                if !enable {
                    let requests: Vec<u64> = state.ledger.scheduler().waiting().filter(|request| request.user == user).map(|request| request.id).collect();
                    for id in requests {
                        withdraw(&mut state, id, "its user was disabled in this pool");
                    }
                }
            }
            AdminRequest::Drain { server, drain } => {
                state.ledger.set_draining(&server, drain).map_err(failed)?;
                self.watch.administered(if drain { "server.drained" } else { "server.undrained" }, &server);
            }
            AdminRequest::RemoveServer { server } => {
                if state.lines.contains_key(&server) {
                    return Err(refused(format!("the server '{server}' is connected"), "stop `ringway serve` there first"));
                }
                state.ledger.remove_server(&server).map_err(failed)?;
                self.watch.administered("server.removed", &server);
            }
        }
        self.stir(state);
        Ok(PoolReply::Done)
    }
}

/// Takes a waiting request back, and tells whoever waits.
fn withdraw(state: &mut State, id: u64, why: &str) {
    if state.ledger.cancel(id)
        && let Some(ask) = state.asks.get_mut(&id)
    {
        ask.settle(super::asks::Outcome::Failed { reason: why.into(), cure: "ask whoever did it" });
    }
}

/// What an administrator's act is called in the audit log, and what it is done to.
fn named(ask: &AdminRequest) -> (&'static str, String) {
    match ask {
        AdminRequest::SetLimits { principal, limits } => {
            let subject = match principal {
                Principal::User(name) => format!("user {name}"),
                Principal::Group(name) => format!("group {name}"),
                Principal::EachUser => "each user".into(),
                Principal::EachGroup => "each group".into(),
            };
            (if limits.is_some() { "quota.set" } else { "quota.unset" }, subject)
        }
        AdminRequest::SetUser { user, settings } => (if settings.is_some() { "user.set" } else { "user.remove" }, user.clone()),
        AdminRequest::EnableUser { user, enable } => (if *enable { "user.enable" } else { "user.disable" }, user.clone()),
        AdminRequest::Drain { server, drain } => (if *drain { "server.drain" } else { "server.undrain" }, server.clone()),
        AdminRequest::RemoveServer { server } => ("server.remove", server.clone()),
    }
}

fn check_text(name: &str) -> Result<(), Reply> {
    crate::identity::check_name("name of a user or a group", name).map_err(|error| refused(error.to_string(), "choose another name"))
}
