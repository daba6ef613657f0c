//! `ringway serve`: accepts control connections, grants leases, starts one worker process per session and hands it the
//! client's connections.
//!
//! Clients come in by `connection.rs`; what they want is read here; `leases.rs` and `sessions.rs` do it.
//!
//! Plain threads: a connection costs one for the time it says something (bounded by [`REQUEST_TIMEOUT`]), a lease costs
//! one for its life. Nothing here calls CUDA: the inventory is read by a short-lived worker process.

mod connection;
mod leases;
mod sessions;

pub use connection::{Listener, bound};
pub use sessions::{MEASURING_MAX, SESSIONS_MAX, WorkerProgram, read_inventory};

use crate::health;
use crate::lease::Inventory;
use connection::{Stream, answer, bind, rdma_state};
use leases::{Holder, Lease, links_of};
use ringway_link::endpoint::Endpoint;
use ringway_wire::control::{self, ControlError, LeaseStatus, RdmaState, Reply, Request, WorkerOrder};
use sessions::Session;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A client must have said what it wants within this time of connecting.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that have not yet said what they want, at the most.
pub const PENDING_MAX: u32 = 256;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where to listen; a Unix socket is what makes shared memory possible.
    pub listen: Vec<Endpoint>,
    /// Shared secret that a lease must bring; None: none is asked for.
    pub token: Option<String>,
    /// Allow listening beyond loopback although connections are not encrypted.
    pub trusted_network: bool,
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
        "{0} is reachable from other machines and connections are not encrypted in this release; \
         listen on 127.0.0.1, or add --trusted-network with --token if the network is trusted"
    )]
    Beyond(String),
    /// The GPUs could not be read.
    #[error("cannot read this machine's GPUs: {cause}; {cure}")]
    Inventory {
        /// What happened.
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
    pending: AtomicU32,
    measuring: AtomicU32,
    state: Mutex<State>,
    /// A lease was released.
    released: Condvar,
    /// A holder came back.
    held: Condvar,
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
        let mut listeners = Vec::new();
        let mut unix_path = None;
        for endpoint in &options.listen {
            listeners.push(bind(endpoint, &options)?);
            if let Endpoint::Unix(path) = endpoint {
                unix_path = Some(path.display().to_string());
            }
        }
        let (driver, devices) = read_inventory(&options.worker)?;
        let server = Arc::new(Self {
            driver,
            boot_id: boot_id(),
            unix_path,
            pending: AtomicU32::new(0),
            measuring: AtomicU32::new(0),
            released: Condvar::new(),
            held: Condvar::new(),
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
                Ok(stream) => {
                    if self.pending.fetch_add(1, Ordering::AcqRel) >= PENDING_MAX {
                        self.pending.fetch_sub(1, Ordering::AcqRel);
                        tracing::warn!("too many connections that say nothing; one was closed");
                        continue;
                    }
                    let server = Arc::clone(self);
                    let spawned = std::thread::Builder::new()
                        .name("control".into())
                        .spawn(move || server.converse(stream));
                    if let Err(error) = spawned {
                        self.pending.fetch_sub(1, Ordering::AcqRel);
                        tracing::error!("no thread for a connection: {error}");
                    }
                }
                Err(error) => {
                    tracing::warn!("accept: {error}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    /// One control connection: one request; a lease keeps it open.
    fn converse(self: Arc<Self>, mut stream: Stream) {
        let request = stream
            .time_out(Some(REQUEST_TIMEOUT))
            .map_err(ControlError::from)
            .and_then(|()| control::receive::<Request>(&mut stream));
        self.pending.fetch_sub(1, Ordering::AcqRel);
        let reply = match request {
            Err(error) => {
                // Clients on the same host look whether the socket can be opened, and say nothing.
                if matches!(&error, ControlError::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof)
                {
                    tracing::debug!("connection without a request: {error}");
                } else {
                    tracing::info!("connection refused: {error}");
                }
                refused(
                    error.to_string(),
                    "use the ringway program of the same release",
                )
            }
            Ok(Request::Inventory { token }) => self.inventory(&token, rdma_state(&stream)),
            Ok(Request::Health { token }) => self.health(&token, rdma_state(&stream)),
            Ok(Request::Lease {
                token,
                gpus,
                memory,
                identity,
            }) => match self.lease(&token, gpus, memory, identity, rdma_state(&stream)) {
                Ok((id, reply)) => {
                    self.hold(&id, stream, &reply);
                    return;
                }
                Err(reply) => reply,
            },
            Ok(Request::Measure { token, link }) => match self.measure(&token, link, &stream) {
                Ok(()) => return,
                Err(reply) => reply,
            },
            Ok(Request::Open {
                lease,
                secret,
                identity,
                link,
            }) => match self.open(&lease, &secret, &identity, link, &stream) {
                Ok(()) => return,
                Err(reply) => reply,
            },
            Ok(Request::Join {
                session,
                secret,
                lane,
                link,
            }) => match self.join(session, &secret, lane, link, &stream) {
                Ok(()) => return,
                Err(reply) => reply,
            },
            Ok(Request::Resume {
                session,
                secret,
                lane,
                link,
                attempt,
                received,
            }) => {
                let resume = WorkerOrder::Resume {
                    lane,
                    link,
                    attempt,
                    received,
                };
                match self.resume(session, &secret, link, &resume, &stream) {
                    Ok(()) => return,
                    Err(reply) => reply,
                }
            }
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

    fn check_token(&self, token: &str) -> Result<(), Reply> {
        match &self.options.token {
            Some(own) if !same_secret(own, token) => Err(refused(
                "the server did not accept the token",
                "set RINGWAY_TOKEN to the token that the server was started with",
            )),
            _ => Ok(()),
        }
    }

    fn inventory(&self, token: &str, rdma: RdmaState) -> Reply {
        if let Err(reply) = self.check_token(token) {
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
            rdma,
        }
    }

    fn health(&self, token: &str, rdma: RdmaState) -> Reply {
        if let Err(reply) = self.check_token(token) {
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
            rdma,
        }
    }

}

fn not_resumed(reason: impl Into<String>, cure: impl Into<String>, again: bool) -> Reply {
    Reply::NotResumed {
        reason: reason.into(),
        cure: cure.into(),
        again,
    }
}
