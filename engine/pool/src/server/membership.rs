//! A server's place in a pool: it registers, reports what runs on it, and lets in who brings the pool's tickets.
//!
//! The pool decides, the server executes: while it belongs to a pool it grants nothing itself. What runs does so whether the pool is there or
//! not; when the pool is back, it learns from the reports what runs. Tickets are checked without asking the pool ([`Gate`]).

use super::leases::{Holder, pool_lease_name};
use super::{Server, links_of, usage};
use crate::door::{Stream, refused};
use crate::health::gpu;
use crate::identity::check_name;
use crate::lease::compute_capability;
use crate::ticket::{Claims, Gate, Remembered};
use ringway_link::endpoint::{Connection, Target};
use ringway_secure::{random, unix_now_ms};
use ringway_wire::control::{self, ControlError, Reply, Request};
use ringway_wire::pool::{
    GpuInfo, LINE_FRAME_BYTES_MAX, Lease, LeasedSlice, PoolReply, PoolRequest, PoolSays, REPORT_MS, Registration, Running, ServerInfo,
    ServerSays,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Bound on reaching the pool, and on its answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// First and longest wait between two attempts to reach the pool.
const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Reports that follow each other sooner are put together: programs that start and end in a burst are told of at once.
const REPORT_GAP: Duration = Duration::from_millis(5);

/// Ends of leases that wait to be told at the most.
const ENDED_MAX: usize = 10_000;

/// How a server joins a pool.
#[derive(Debug, Clone)]
pub struct MembershipOptions {
    /// Where the pool is: the first that answers.
    pub pool: Vec<Target>,
    /// Token of the pool that lets servers in; empty: it needs none.
    pub token: String,
    /// What the administrator says of the server.
    pub labels: BTreeMap<String, String>,
    /// Where programs reach this server; empty: where it listens.
    pub advertise: Vec<String>,
    /// Name of this host.
    pub hostname: String,
}

/// What of a membership goes with a server that restarts in place: the pool takes it for the same server then, and its tickets are good
/// still, each once.
#[derive(Serialize, Deserialize)]
pub(super) struct CarriedMembership {
    registration: u64,
    /// Name and public key of the pool, and what was let in by its tickets; None: not joined yet.
    joined: Option<(String, Vec<u8>, Remembered)>,
    ended: Vec<u64>,
}

/// See the module.
pub(super) struct Membership {
    options: MembershipOptions,
    /// Tickets are bound to it.
    registration: u64,
    /// None: not joined yet. Kept while the pool is out of reach, with the tickets that were used.
    gate: Mutex<Option<(Vec<u8>, Gate)>>,
    /// Name by which the pool knows this server.
    name: OnceLock<String>,
    /// Leases that have ended and of which the pool has not been told.
    ended: Mutex<Vec<u64>>,
    /// Something changed that the pool has not been told.
    news: Mutex<bool>,
    told: Condvar,
}

impl Membership {
    pub(super) fn new(options: MembershipOptions) -> io::Result<Self> {
        Ok(Self {
            options,
            registration: u64::from_le_bytes(random::<8>()?),
            gate: Mutex::new(None),
            name: OnceLock::new(),
            ended: Mutex::new(Vec::new()),
            news: Mutex::new(false),
            told: Condvar::new(),
        })
    }

    /// The same server again.
    pub(super) fn after(options: MembershipOptions, carried: CarriedMembership) -> Self {
        let CarriedMembership { registration, joined, mut ended } = carried;
        ended.truncate(ENDED_MAX);
        let (name, gate) = match joined {
            None => (OnceLock::new(), None),
            Some((name, key, remembered)) => {
                let gate = Gate::new(name.clone(), registration, key.clone()).with(remembered);
                (OnceLock::from(name), Some((key, gate)))
            }
        };
        Self { options, registration, gate: Mutex::new(gate), name, ended: Mutex::new(ended), news: Mutex::new(false), told: Condvar::new() }
    }

    /// What the server after this one needs to be the same for the pool.
    pub(super) fn carried(&self) -> CarriedMembership {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        CarriedMembership {
            registration: self.registration,
            joined: gate.as_ref().and_then(|(key, gate)| Some((self.name.get()?.clone(), key.clone(), gate.remembered()))),
            ended: self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Name by which the pool knows this server; None before it has joined.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    fn pool(&self) -> String {
        self.options.pool.first().map(Target::to_string).unwrap_or_default()
    }

    /// Waits until there is something to report, or it is time to.
    fn wait_for_news(&self) {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(news, Duration::from_millis(REPORT_MS), |news| !*news);
        let (mut news, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *news = false;
    }
}

impl Server {
    /// Has the pool told soon what runs here.
    pub(super) fn tell_pool(&self) {
        if let Some(membership) = &self.membership {
            *membership.news.lock().unwrap_or_else(PoisonError::into_inner) = true;
            membership.told.notify_all();
        }
    }

    /// Has the pool told soon that a lease of it has ended here. It is not left to the next report to show that: the lease may never have
    /// been in one.
    pub(super) fn tell_pool_of_end(&self, lease: u64) {
        if let Some(membership) = &self.membership {
            let mut ended = membership.ended.lock().unwrap_or_else(PoisonError::into_inner);
            // Of those that it is not told of, because it was away for long, the pool learns from reports.
            if ended.len() < ENDED_MAX {
                ended.push(lease);
            }
            drop(ended);
            self.tell_pool();
        }
    }

    /// Why a server of a pool grants nothing itself.
    pub(super) fn refuse_for_pool(&self) -> Option<Reply> {
        let membership = self.membership.as_ref()?;
        Some(refused(
            format!("the GPUs of this server are given out by the pool at {}", membership.pool()),
            "ask the pool: name it with --server, or use a token file of it",
        ))
    }

    /// What a ticket is good for here; once.
    pub(super) fn admit_ticket(&self, ticket: &str, stream: &Stream) -> Result<Claims, Reply> {
        let Some(membership) = &self.membership else {
            return Err(refused("this server belongs to no pool, and takes no tickets", "start it with `ringway serve --pool`"));
        };
        let mut gate = membership.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, gate)) = gate.as_mut() else {
            return Err(refused("this server has not joined its pool yet", "try again in some seconds"));
        };
        gate.admit(ticket, unix_now_ms()).map_err(|error| {
            self.door.failed(stream);
            refused(error.to_string(), "ask the pool again: start the program anew with ringway run")
        })
    }

    /// Joins the pool, again and again, for ever.
    pub(super) fn keep_membership(self: &Arc<Self>, listening: &[String]) {
        let Some(membership) = &self.membership else { return };
        let mut wait = WAIT_FIRST;
        let mut said = String::new();
        loop {
            for target in &membership.options.pool {
                match self.join_pool(membership, target, listening) {
                    Ok(joined) => {
                        wait = WAIT_FIRST;
                        said.clear();
                        tracing::warn!("the line to the pool at {target} ended: {joined}; what runs goes on");
                    }
                    Err(why) => {
                        let why = why.to_string();
                        if why != said {
                            tracing::warn!("cannot join the pool at {target}: {why}; trying again");
                            said = why;
                        }
                    }
                }
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Joins the pool and stays until the line breaks; how that came, or why it did not join.
    fn join_pool(self: &Arc<Self>, membership: &Membership, target: &Target, listening: &[String]) -> Result<ControlError, ControlError> {
        let mut line = target.connect(ANSWER_TIMEOUT)?;
        let ask = Request::Pool { token: membership.options.token.clone(), ask: PoolRequest::Join(Box::new(self.registration(membership, listening))) };
        control::send_within(&mut line, &ask, LINE_FRAME_BYTES_MAX)?;
        let reply = control::receive_reply(&mut line)?;
        let Reply::Pool(reply) = reply else {
            return Err(ControlError::Unexpected("something else than a pool answered".into()));
        };
        let PoolReply::Joined { pool, name, key, silence_s } = *reply else {
            return Err(ControlError::Unexpected("the pool said something else than that the server has joined".into()));
        };
        check_name("name of a server", &name).map_err(|error| ControlError::Unexpected(error.to_string()))?;
        // A pool that calls it otherwise later is obeyed there, and not here.
        let _ = membership.name.set(name.clone());
        {
            let mut gate = membership.gate.lock().unwrap_or_else(PoisonError::into_inner);
            // Another gate would let in those again whose tickets were used.
            if gate.as_ref().is_none_or(|(known, _)| *known != key) {
                let new = Gate::new(name.clone(), membership.registration, key.clone());
                *gate = Some((key, new));
            }
        }
        tracing::info!("joined the pool {pool} at {target} as {name}");
        line.set_read_timeout(Some(Duration::from_secs(silence_s.clamp(5, 120))))?;
        line.bound_silence()?;
        let over = Arc::new(AtomicBool::new(false));
        let reader = {
            let (server, line, over) = (Arc::clone(self), line.try_clone()?, Arc::clone(&over));
            std::thread::Builder::new().name("pool-orders".into()).spawn(move || {
                let why = server.take_orders(line);
                over.store(true, Ordering::Release);
                server.tell_pool();
                why
            })?
        };
        let mut last = Instant::now();
        let ended = loop {
            membership.wait_for_news();
            if over.load(Ordering::Acquire) {
                break None;
            }
            std::thread::sleep(REPORT_GAP.saturating_sub(last.elapsed()));
            last = Instant::now();
            let over = std::mem::take(&mut *membership.ended.lock().unwrap_or_else(PoisonError::into_inner));
            let reports = [(!over.is_empty()).then_some(ServerSays::Ended(over)), Some(ServerSays::Running(self.running(&name)))];
            let said = reports.iter().flatten().try_for_each(|report| control::send_within(&mut line, report, LINE_FRAME_BYTES_MAX));
            if let Err(error) = said {
                break Some(error);
            }
        };
        // Its reader ends with it.
        line.shut();
        let read = reader.join().unwrap_or_else(|_| ControlError::Unexpected("its reader panicked".into()));
        Ok(ended.unwrap_or(read))
    }

    /// Does what the pool says, until its line ends; why.
    fn take_orders(&self, mut line: Connection) -> ControlError {
        loop {
            match control::receive::<PoolSays>(&mut line) {
                Ok(PoolSays::Heard) => {}
                Ok(PoolSays::End { lease, why }) => {
                    if let Some(membership) = &self.membership
                        && let Some((_, gate)) = membership.gate.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
                    {
                        gate.revoke(lease, unix_now_ms());
                    }
                    self.end_lease(&pool_lease_name(lease), &why, "ask the pool again: start the program anew");
                }
                Err(error) => return error,
            }
        }
    }

    fn registration(&self, membership: &Membership, listening: &[String]) -> Registration {
        let options = &membership.options;
        let addresses: Vec<String> = if options.advertise.is_empty() { listening.to_vec() } else { options.advertise.clone() };
        let devices = self.lock().inventory.devices().to_vec();
        let gpus = devices.iter().map(|device| GpuInfo {
            name: device.name.clone(),
            memory_bytes: device.memory_bytes,
            compute_capability: compute_capability(device),
        });
        let info = ServerInfo {
            name: self.options.name.clone(),
            address: addresses.first().cloned().unwrap_or_default(),
            hostname: options.hostname.clone(),
            has_rdma: gpu::has_adapter(),
            driver_version: gpu::driver_version().unwrap_or_default(),
            cuda_version: gpu::cuda_version(&self.driver).unwrap_or_default(),
            labels: options.labels.clone(),
            gpus: gpus.collect(),
        };
        Registration {
            running: self.running(&info.name),
            info,
            registration: membership.registration,
            addresses,
            authority: self.door.authority(),
            version: env!("CARGO_PKG_VERSION").into(),
            driver: self.driver.clone(),
        }
    }

    /// What of the pool's leases runs here.
    fn running(&self, name: &str) -> Vec<Running> {
        let state = self.lock();
        let used = usage::of_leases(&state);
        let leases = state.leases.iter().filter_map(|(id, lease)| Some((id, lease, lease.pool.as_ref()?)));
        leases
            .map(|(id, lease, claims)| Running {
                lease: Lease {
                    id: claims.lease,
                    user: claims.user.clone(),
                    group: claims.group.clone(),
                    since_ms: claims.since_ms,
                    slices: lease
                        .slices
                        .iter()
                        .map(|slice| LeasedSlice { server: name.into(), ordinal: slice.server_ordinal, memory_bytes: slice.memory_bytes })
                        .collect(),
                    token: claims.token.clone(),
                },
                identity: lease.identity.clone(),
                sessions: state.sessions.values().filter(|session| session.lease == *id).count() as u32,
                orphaned: matches!(lease.holder, Holder::Awaited(_)),
                terms: lease.terms,
                links: links_of(&state, id, lease),
                used: used.get(id.as_str()).cloned().unwrap_or_default(),
            })
            .collect()
    }
}
