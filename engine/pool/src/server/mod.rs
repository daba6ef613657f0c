//! `ringway serve`: accepts control connections, grants leases, starts one worker process per session and hands it the
//! client's connections.
//!
//! Clients come in by the [door](crate::door); what they want is read here; `leases.rs` and `sessions.rs` do it.
//!
//! Plain threads: a lease costs one for its life. Nothing here calls CUDA: the inventory is read by a short-lived worker process.

mod handover;
mod idle;
mod leases;
mod membership;
mod paths;
mod restart;
mod sessions;
mod shares;
mod spares;
mod usage;
mod worker_user;

pub use handover::{Handover, HandoverError, Kept, inherited};
pub(crate) use leases::check_terms;
pub use membership::MembershipOptions;
pub use paths::PEERS_MAX;
pub(crate) use paths::ticket_peer;
pub use restart::{RESTART_SIGNAL, Successor, agreement, keep_restart_signal_back, let_restart_signal_in};
pub use sessions::{MEASURING_MAX, SESSIONS_MAX, WorkerProgram, read_inventory};
pub use spares::SPARES_MAX;
pub use worker_user::WorkerUser;

use crate::door::{Busy, Door, DoorError, DoorOptions, Host, Listener, Stream, answer, bound, rdma_state, refused};
use crate::identity::Scope;
use crate::health;
use crate::lease::Inventory;
use leases::{Holder, Lease, links_of};
use membership::Membership;
use paths::Wanted;
use ringway_link::endpoint::Endpoint;
use ringway_wire::control::{ControlError, GpuStatus, LeaseStatus, LinkAsk, Reply, Request, WorkerOrder};
use sessions::{Asked, Session};
use shares::Places;
use spares::Spares;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where clients come in.
    pub door: DoorOptions,
    /// What is started for each session.
    pub worker: WorkerProgram,
    /// Name shown to users.
    pub name: String,
    /// Cores for GPU threads; empty: not pinned.
    pub cores: Vec<u32>,
    /// How long sessions and leases are kept when their connection breaks; zero: not at all.
    pub grace: Duration,
    /// The pool that gives its GPUs out; None: it does that itself.
    pub pool: Option<MembershipOptions>,
    /// Other servers to which programs may make it connect, for copies straight between them, where no pool says which.
    pub peers: Vec<Endpoint>,
    /// Leases that say nothing about it end when they were not used for this long; zero: they do not.
    pub idle: Duration,
    /// Workers that wait for sessions, at most [`SPARES_MAX`].
    pub spares: u32,
    /// Whether a spare worker that was taken is replaced.
    pub replaces_spares: bool,
}

/// Why a server did not start; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Clients could not come in.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The GPUs could not be read.
    #[error("cannot read this machine's GPUs: {cause}; {cure}")]
    Inventory {
        /// What happened.
        cause: String,
        /// What to do.
        cure: &'static str,
    },
    /// Workers cannot run as the user that was asked for.
    #[error("--worker-user {name}: {cause}; {cure}")]
    WorkerUser {
        /// The name.
        name: String,
        /// What is wrong.
        cause: String,
        /// What to do.
        cure: &'static str,
    },
    /// What the server before this one left cannot be taken over.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// Another system call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct State {
    inventory: Inventory,
    leases: HashMap<String, Lease>,
    sessions: HashMap<u64, Session>,
    /// Leases whose holder is gone and whose memory is being freed.
    ending: u32,
    /// Children that have no session.
    others: HashSet<u32>,
    /// Holders are being sent away, to come back to the server after this one.
    restarting: bool,
    /// Who has which part of the GPUs' time.
    places: Places,
}

/// A running server.
pub struct Server {
    options: ServeOptions,
    driver: String,
    boot_id: String,
    unix_path: Option<String>,
    door: Door,
    /// The sockets on which it listens, by the address that was asked for.
    sockets: Vec<(Endpoint, OwnedFd)>,
    measuring: AtomicU32,
    making_paths: AtomicU32,
    state: Mutex<State>,
    /// A lease was released.
    released: Condvar,
    /// A holder came back.
    held: Condvar,
    /// A lease was granted to a token.
    leased: Condvar,
    membership: Option<Membership>,
    /// A lease was granted that ends when it is not used.
    idling: Condvar,
    spares: Spares,
}

/// Identity of the running kernel; equal on both ends means the same host.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|s| s.trim().to_owned())
        .unwrap_or_default()
}

impl Server {
    /// Binds the addresses and reads the GPUs; [`Server::run`] then serves.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start(options: ServeOptions) -> Result<(Arc<Self>, Vec<Listener>), ServeError> {
        let (door, listeners) = Door::open(&options.door, |_| None)?;
        let (driver, devices) = read_inventory(&options.worker)?;
        let membership = options.pool.clone().map(Membership::new).transpose()?;
        let state = State {
            places: Places::new(devices.len())?,
            inventory: Inventory::new(devices),
            leases: HashMap::new(),
            sessions: HashMap::new(),
            ending: 0,
            others: HashSet::new(),
            restarting: false,
        };
        Ok((Self::with(options, driver, door, &listeners, membership, state)?, listeners))
    }

    fn with(
        options: ServeOptions,
        driver: String,
        door: Door,
        listeners: &[Listener],
        membership: Option<Membership>,
        state: State,
    ) -> Result<Arc<Self>, ServeError> {
        let unix_path = options.door.listen.iter().find_map(|endpoint| match endpoint {
            Endpoint::Unix(path) => Some(path.display().to_string()),
            Endpoint::Tcp(..) => None,
        });
        let sockets = options.door.listen.iter().zip(listeners).map(|(endpoint, listener)| Ok((endpoint.clone(), listener.fd().try_clone_to_owned()?)));
        Ok(Arc::new(Self {
            sockets: sockets.collect::<io::Result<_>>()?,
            driver,
            boot_id: boot_id(),
            unix_path,
            door,
            measuring: AtomicU32::new(0),
            making_paths: AtomicU32::new(0),
            released: Condvar::new(),
            held: Condvar::new(),
            leased: Condvar::new(),
            membership,
            idling: Condvar::new(),
            spares: Spares::new(options.spares.min(SPARES_MAX), options.replaces_spares),
            state: Mutex::new(state),
            options,
        }))
    }

    /// Name shown to users: its pool's for it, else its own.
    pub(crate) fn name(&self) -> &str {
        self.membership.as_ref().and_then(Membership::name).unwrap_or(&self.options.name)
    }

    /// Text for people: GPUs and their driver.
    pub fn describe(&self) -> String {
        let gpus = self.lock().inventory.status();
        let names: Vec<String> = gpus
            .iter()
            .map(|gpu| format!("{} ({} MiB)", gpu.name, gpu.memory_bytes >> 20))
            .collect();
        format!(
            "{}: {} by {}",
            self.options.name,
            names.join(", "),
            self.driver
        )
    }

    /// Accepts connections on every listener, for ever.
    pub fn run(self: Arc<Self>, listeners: Vec<Listener>) {
        if self.options.door.state.is_some() {
            let server = Arc::clone(&self);
            let spawned = std::thread::Builder::new().name("tokens".into()).spawn(move || server.watch_tokens());
            if let Err(error) = spawned {
                tracing::error!("leases of revoked tokens will not be ended, for want of a thread: {error}");
            }
        }
        if self.membership.is_some() {
            let server = Arc::clone(&self);
            let addresses = bound(&listeners).unwrap_or_default();
            let spawned = std::thread::Builder::new().name("pool".into()).spawn(move || server.keep_membership(&addresses));
            if let Err(error) = spawned {
                tracing::error!("the pool will not hear of this server, for want of a thread: {error}");
            }
        }
        if self.options.spares > 0 {
            let server = Arc::clone(&self);
            let spawned = std::thread::Builder::new().name("spares".into()).spawn(move || server.keep_spares());
            if let Err(error) = spawned {
                tracing::error!("there will be no spare workers, for want of a thread: {error}");
            }
        }
        let server = Arc::clone(&self);
        let spawned = std::thread::Builder::new().name("idle".into()).spawn(move || server.watch_idle());
        if let Err(error) = spawned {
            tracing::error!("leases that are not used will not be ended, for want of a thread: {error}");
        }
        let server = Arc::clone(&self);
        let spawned = std::thread::Builder::new().name("use".into()).spawn(move || server.watch_use());
        if let Err(error) = spawned {
            tracing::error!("what leases do will not be measured, for want of a thread: {error}");
        }
        Door::serve(&self, listeners);
    }

    /// Ends the workers that have no session: before the folder goes in which they find the driver. Sessions go on.
    pub fn end_spares(&self) {
        self.spares.kill(&self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request for a lane or a path: behind it the connection is that, and what answers may be another process.
    fn converse_about_lane(self: &Arc<Self>, stream: Stream, request: Result<Request, ControlError>, link: LinkAsk) {
        let mut asked = match stream.into_lane() {
            Ok((stream, keys)) => Asked { stream, keys, link },
            Err(error) => {
                tracing::info!("connection refused: {error}");
                return;
            }
        };
        let done = match request {
            Ok(Request::Measure { token, .. }) => self.measure(&token, &asked),
            Ok(Request::Open { lease, secret, identity, share, .. }) => self.open((&lease, &secret), &identity, share, &asked),
            Ok(Request::Join { session, secret, lane, .. }) => self.join(session, &secret, lane, &asked),
            Ok(Request::Resume { session, secret, lane, attempt, received, .. }) => {
                let resume = WorkerOrder::Resume { lane, link, attempt, received, keys: asked.keys.clone() };
                self.resume(session, &secret, &resume, &asked)
            }
            Ok(Request::Path { session, secret, from, attempt }) => self.path(session, &secret, (from, attempt), &asked),
            _ => Err(refused("a request that is none for a lane", "this is a fault of the server")),
        };
        if let Err(reply) = done {
            answer(&mut asked.stream, &reply);
        }
    }

    fn inventory(&self, token: &str, stream: &Stream) -> Reply {
        if let Err(reply) = self.door.admit(token, stream, Scope::may_read) {
            return reply;
        }
        let (gpus, leases) = self.status();
        Reply::Inventory {
            server: self.name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            driver: self.driver.clone(),
            gpus,
            leases,
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma: rdma_state(stream),
            trusted_network: self.options.door.trusted_network,
        }
    }

    /// GPUs and leases, as they are now.
    pub(crate) fn status(&self) -> (Vec<GpuStatus>, Vec<LeaseStatus>) {
        let state = self.lock();
        let now = ringway_link::shares::now();
        let used = usage::of_leases(&state);
        let leases = state
            .leases
            .iter()
            .map(|(id, lease)| LeaseStatus {
                lease: id.clone(),
                identity: lease.identity.clone(),
                slices: lease.slices.clone(),
                sessions: state
                    .sessions
                    .values()
                    .filter(|session| session.lease == *id)
                    .count() as u32,
                age_s: lease.since.elapsed().as_secs(),
                orphaned: matches!(lease.holder, Holder::Awaited(_)),
                links: links_of(&state, id, lease),
                terms: lease.terms,
                unused_ms: idle::unused(&state, id, lease, now).as_millis() as u64,
                used: used.get(id.as_str()).cloned().unwrap_or_default(),
            })
            .collect();
        let (mut gpus, by_gpu) = (state.inventory.status(), usage::of_gpus(&state, &used));
        for gpu in &mut gpus {
            gpu.used = by_gpu.get(&gpu.ordinal).copied().unwrap_or_default();
        }
        (gpus, leases)
    }

    fn health(&self, token: &str, stream: &Stream) -> Reply {
        if let Err(reply) = self.door.admit(token, stream, Scope::may_read) {
            return reply;
        }
        let devices = self.lock().inventory.devices().to_vec();
        Reply::Health {
            server: self.name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            checks: health::check(health::Role::Server, Ok((&self.driver, &devices))),
            unix_ms: ringway_secure::unix_now_ms(),
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma: rdma_state(stream),
            trusted_network: self.options.door.trusted_network,
        }
    }

}

impl Host for Server {
    fn door(&self) -> &Door {
        &self.door
    }

    /// One control connection: one request; a lease keeps it open.
    fn converse(self: Arc<Self>, mut stream: Stream, request: Result<Request, ControlError>, busy: Busy) {
        let reply = match request {
            Err(error) => refused(
                error.to_string(),
                "use the ringway program of the same release",
            ),
            Ok(Request::Open { link, .. } | Request::Join { link, .. } | Request::Measure { link, .. } | Request::Resume { link, .. }) => {
                self.converse_about_lane(stream, request, link);
                return;
            }
            Ok(Request::Path { .. }) => {
                self.converse_about_lane(stream, request, LinkAsk::Tcp);
                return;
            }
            Ok(Request::TakePath { session, secret, attempt, peer, peer_session, peer_secret, address, authority }) => self.take_path(&Wanted {
                session,
                secret: &secret,
                attempt,
                peer,
                peer_session,
                peer_secret: &peer_secret,
                address: &address,
                authority: authority.as_deref(),
            }),
            Ok(Request::Inventory { token }) => self.inventory(&token, &stream),
            Ok(Request::Health { token }) => self.health(&token, &stream),
            Ok(Request::Lease {
                token,
                gpus,
                memory,
                identity,
                terms,
                wishes: _,
            }) => match self.lease(&token, gpus, (memory, terms), identity, &stream) {
                Ok((id, reply)) => {
                    self.hold(&id, stream, &reply, busy);
                    return;
                }
                Err(reply) => reply,
            },
            Ok(Request::Redeem { ticket, identity }) => match self.redeem(&ticket, identity, &stream) {
                Ok((id, reply)) => {
                    self.hold(&id, stream, &reply, busy);
                    return;
                }
                Err(reply) => reply,
            },
            Ok(Request::Pool { .. }) => refused(
                "this is a server of GPUs, not a pool",
                "name the pool's address with --server, or its token file",
            ),
            Ok(Request::Hold { lease, secret }) => match self.hold_again(&lease, &secret, stream) {
                Ok(()) => return,
                Err((mut stream, reply)) => {
                    answer(&mut stream, &reply);
                    return;
                }
            },
            Ok(Request::Farewell) => refused(
                "a farewell without a lease",
                "this is a fault of the client",
            ),
        };
        answer(&mut stream, &reply);
    }
}

fn not_resumed(reason: impl Into<String>, cure: impl Into<String>, again: bool) -> Reply {
    Reply::NotResumed {
        reason: reason.into(),
        cure: cure.into(),
        again,
    }
}
