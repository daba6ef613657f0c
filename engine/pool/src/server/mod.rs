//! `ringway serve`: accepts control connections, grants leases, starts one worker process per session and hands it the
//! client's connections.
//!
//! Clients come in by `connection.rs`, those that say nothing wait in `pending.rs`, `admission.rs` lets them in; what they want
//! is read here; `leases.rs` and `sessions.rs` do it.
//!
//! Plain threads: a connection costs one for the time it says something (bounded by [`REQUEST_TIMEOUT`]), a lease costs
//! one for its life. Nothing here calls CUDA: the inventory is read by a short-lived worker process.

mod admission;
mod connection;
mod failures;
mod leases;
mod pending;
mod sessions;
mod worker_user;

pub use connection::{Listener, bound};
pub use sessions::{MEASURING_MAX, SESSIONS_MAX, WorkerProgram, read_inventory};
pub use worker_user::WorkerUser;

use crate::health;
use crate::lease::Inventory;
use admission::Admission;
use connection::{Stream, Until, answer, bind, rdma_state};
use leases::{Holder, Lease, links_of};
use crate::identity::IdentityError;
use pending::{Pending, Place};
use ringway_link::endpoint::Endpoint;
use ringway_secure::tls::{FIRST_BYTE, TlsStream};
use ringway_wire::control::{self, ControlError, LeaseStatus, LinkAsk, Reply, Request, WorkerOrder};
use sessions::{Asked, Session};
use std::collections::HashMap;
use std::io::{self, Read};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A client must have said what it wants within this time of connecting.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that have not yet said what they want, at the most.
pub const PENDING_MAX: usize = 256;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where to listen; a Unix socket is what makes shared memory possible.
    pub listen: Vec<Endpoint>,
    /// Shared secret that a lease must bring; None: none is asked for.
    pub token: Option<String>,
    /// Take connections in clear text from other machines, and let what RDMA carries go in clear text without being asked for.
    pub trusted_network: bool,
    /// Folder of the server's identity and tokens; None: it has neither.
    pub state: Option<PathBuf>,
    /// What is started for each session.
    pub worker: WorkerProgram,
    /// Name shown to users.
    pub name: String,
    /// Cores for GPU threads; empty: not pinned.
    pub cores: Vec<u32>,
    /// How long sessions and leases are kept when their connection breaks; zero: not at all.
    pub grace: Duration,
}

/// Why a server did not start; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listening address could not be had.
    #[error("cannot listen on {endpoint}: {cause}; {cure}")]
    Listen {
        /// The address.
        endpoint: String,
        /// What the kernel said.
        cause: io::Error,
        /// What to do.
        cure: &'static str,
    },
    /// An address beyond loopback without leave.
    #[error(
        "{0} is reachable from other machines, and a shared token would cross the network in clear text; \
         make token files with `ringway token create` instead, or add --trusted-network if the network is trusted"
    )]
    Beyond(String),
    /// The server's identity or its tokens are not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
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
}

/// A running server.
pub struct Server {
    options: ServeOptions,
    driver: String,
    boot_id: String,
    unix_path: Option<String>,
    admission: Admission,
    pending: Arc<Pending>,
    measuring: AtomicU32,
    state: Mutex<State>,
    /// A lease was released.
    released: Condvar,
    /// A holder came back.
    held: Condvar,
    /// A lease was granted to a token.
    leased: Condvar,
}

fn random_hex(bytes: usize) -> io::Result<String> {
    let mut raw = vec![0u8; bytes];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut raw)?;
    Ok(raw.iter().map(|b| format!("{b:02x}")).collect())
}

/// Compares without telling by its duration where the first difference is.
fn same_secret(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |differs, (x, y)| differs | (x ^ y))
            == 0
}

fn refused(reason: impl Into<String>, cure: impl Into<String>) -> Reply {
    Reply::Refused {
        reason: reason.into(),
        cure: cure.into(),
    }
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
        let admission = Admission::new(&options)?;
        let mut listeners = Vec::new();
        let mut unix_path = None;
        for endpoint in &options.listen {
            listeners.push(bind(endpoint, &admission)?);
            if let Endpoint::Unix(path) = endpoint {
                unix_path = Some(path.display().to_string());
            }
        }
        let (driver, devices) = read_inventory(&options.worker)?;
        let server = Arc::new(Self {
            driver,
            boot_id: boot_id(),
            unix_path,
            admission,
            pending: Arc::default(),
            measuring: AtomicU32::new(0),
            released: Condvar::new(),
            held: Condvar::new(),
            leased: Condvar::new(),
            state: Mutex::new(State {
                inventory: Inventory::new(devices),
                leases: HashMap::new(),
                sessions: HashMap::new(),
                ending: 0,
            }),
            options,
        });
        Ok((server, listeners))
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
        let threads: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let server = Arc::clone(&self);
                std::thread::spawn(move || server.accept(&listener))
            })
            .collect();
        if self.options.state.is_some() {
            let server = Arc::clone(&self);
            let spawned = std::thread::Builder::new().name("tokens".into()).spawn(move || server.watch_tokens());
            if let Err(error) = spawned {
                tracing::error!("leases of revoked tokens will not be ended, for want of a thread: {error}");
            }
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a listener thread ended by a panic");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &Listener) {
        loop {
            let accepted = match listener {
                Listener::Unix(l, _) => l.accept().map(|(stream, _)| Stream::Unix(stream)),
                Listener::Tcp(l) => l.accept().map(|(stream, _)| Stream::Tcp(stream)),
            };
            match accepted {
                Ok(stream) => self.welcome(stream),
                Err(error) => {
                    tracing::warn!("accept: {error}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    /// Gives a new connection a thread; never blocks.
    fn welcome(self: &Arc<Self>, stream: Stream) {
        let from = stream.from();
        if from.is_some_and(|from| self.admission.is_barred(from)) {
            return;
        }
        let place = match stream.handle() {
            Ok(handle) => {
                let (place, full) = self.pending.enter(handle, from, PENDING_MAX);
                if full {
                    tracing::warn!("too many connections that say nothing; one was closed");
                }
                place
            }
            Err(error) => {
                tracing::error!("no descriptor for a connection: {error}");
                return;
            }
        };
        let server = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || server.converse(stream, place));
        if let Err(error) = spawned {
            tracing::error!("no thread for a connection: {error}");
        }
    }

    /// Finds out whether a connection begins with TLS, and shakes hands if it does.
    fn secure(&self, stream: Stream, deadline: Instant) -> io::Result<Stream> {
        let Stream::Tcp(socket) = stream else {
            return Ok(stream);
        };
        socket.set_read_timeout(Some(REQUEST_TIMEOUT))?;
        let mut first = [0];
        if socket.peek(&mut first)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[0] != FIRST_BYTE {
            return Ok(Stream::Tcp(socket));
        }
        let identity = match self.admission.identity() {
            Ok(identity) => identity,
            Err(why) => {
                say_no_tls(socket, &why);
                return Err(io::Error::other(why));
            }
        };
        socket.set_nodelay(true)?;
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        Ok(Stream::Tls(Box::new(TlsStream::accept(socket, &identity, left)?)))
    }

    /// What a connection wants; None if that was not to be had, and it is closed.
    fn hear(&self, stream: Stream) -> Option<(Stream, Result<Request, ControlError>)> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let from = stream.from();
        let failed = |error: &dyn std::fmt::Display| {
            if let Some(from) = from {
                self.admission.failed(from);
                tracing::info!("connection of {from} refused: {error}");
            } else {
                tracing::info!("connection refused: {error}");
            }
        };
        // Clients on the same host look whether the socket can be opened, and say nothing.
        let is_silent = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        let mut stream = match self.secure(stream, deadline) {
            Ok(stream) => stream,
            Err(error) => {
                if is_silent(&error) {
                    tracing::debug!("connection without a request: {error}");
                } else {
                    failed(&error);
                }
                return None;
            }
        };
        let request = control::receive::<Request>(&mut Until(&mut stream, deadline));
        match &request {
            Err(ControlError::Io(error)) if is_silent(error) => tracing::debug!("connection without a request: {error}"),
            Err(error) => failed(error),
            Ok(_) => {}
        }
        stream.time_out(Some(REQUEST_TIMEOUT)).ok()?;
        Some((stream, request))
    }

    /// One control connection: one request; a lease keeps it open.
    fn converse(self: Arc<Self>, stream: Stream, place: Place) {
        let heard = self.hear(stream);
        drop(place);
        let Some((mut stream, request)) = heard else {
            return;
        };
        if let Err(reply) = self.admission.check_clear(&stream) {
            answer(&mut stream, &reply);
            return;
        }
        let reply = match request {
            Err(error) => refused(
                error.to_string(),
                "use the ringway program of the same release",
            ),
            Ok(Request::Open { link, .. } | Request::Join { link, .. } | Request::Measure { link, .. } | Request::Resume { link, .. }) => {
                self.converse_about_lane(stream, request, link);
                return;
            }
            Ok(Request::Inventory { token }) => self.inventory(&token, &stream),
            Ok(Request::Health { token }) => self.health(&token, &stream),
            Ok(Request::Lease {
                token,
                gpus,
                memory,
                identity,
            }) => match self.lease(&token, gpus, memory, identity, &stream) {
                Ok((id, reply)) => {
                    self.hold(&id, stream, &reply);
                    return;
                }
                Err(reply) => reply,
            },
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

    /// A request for a lane: behind it the connection is the lane's, and what answers may be another process.
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
            Ok(Request::Open { lease, secret, identity, .. }) => self.open(&lease, &secret, &identity, &asked),
            Ok(Request::Join { session, secret, lane, .. }) => self.join(session, &secret, lane, &asked),
            Ok(Request::Resume { session, secret, lane, attempt, received, .. }) => {
                let resume = WorkerOrder::Resume { lane, link, attempt, received, keys: asked.keys.clone() };
                self.resume(session, &secret, &resume, &asked)
            }
            _ => Err(refused("a request that is none for a lane", "this is a fault of the server")),
        };
        if let Err(reply) = done {
            answer(&mut asked.stream, &reply);
        }
    }

    fn inventory(&self, token: &str, stream: &Stream) -> Reply {
        if let Err(reply) = self.admission.admit(token, stream) {
            return reply;
        }
        let state = self.lock();
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
                orphaned: matches!(lease.holder, Holder::Awaited),
                links: links_of(&state, id, lease),
            })
            .collect();
        Reply::Inventory {
            server: self.options.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            driver: self.driver.clone(),
            gpus: state.inventory.status(),
            leases,
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma: rdma_state(stream),
            trusted_network: self.options.trusted_network,
        }
    }

    fn health(&self, token: &str, stream: &Stream) -> Reply {
        if let Err(reply) = self.admission.admit(token, stream) {
            return reply;
        }
        let devices = self.lock().inventory.devices().to_vec();
        Reply::Health {
            server: self.options.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            checks: health::check(health::Role::Server, Ok((&self.driver, &devices))),
            unix_ms: health::unix_ms(),
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma: rdma_state(stream),
            trusted_network: self.options.trusted_network,
        }
    }

}

/// Tells a client that asks for TLS, in clear text, that there is none. What it said is read first: closing a socket with unread
/// bytes would take the answer back.
fn say_no_tls(mut socket: TcpStream, why: &str) {
    let briefly = Some(Duration::from_millis(200));
    if socket.set_read_timeout(briefly).and_then(|()| socket.set_write_timeout(briefly)).is_ok() {
        let _ = socket.read(&mut [0; 4096]);
        answer(&mut Stream::Tcp(socket), &refused(why, "make a token on the server"));
    }
}

fn not_resumed(reason: impl Into<String>, cure: impl Into<String>, again: bool) -> Reply {
    Reply::NotResumed {
        reason: reason.into(),
        cure: cure.into(),
        again,
    }
}
