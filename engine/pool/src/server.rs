//! `ringway serve`: accepts control connections, grants leases, starts one worker process per session and hands it the
//! client's connections.
//!
//! Plain threads: a connection costs one for the time it says something (bounded by [`REQUEST_TIMEOUT`]), a lease costs
//! one for its life. Nothing here calls CUDA: the inventory is read by a short-lived worker process.

use crate::health;
use crate::lease::{Inventory, LeaseError};
use ringway_link::account::{ACCOUNT_SLOTS, Account};
use ringway_link::endpoint::Endpoint;
use ringway_link::tcp::bound_silence;
use ringway_wire::control::{
    self, ControlError, DeviceSnapshot, Identity, LeaseStatus, LinkAsk, LinkStatus, MemoryAsk,
    RdmaState, Reply, Request, Slice, WorkerOrder,
};
use sendfd::SendWithFd;
use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{IpAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A client must have said what it wants within this time of connecting.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that have not yet said what they want, at the most.
pub const PENDING_MAX: u32 = 256;
/// A lease that asks for memory which others are giving back waits this long for it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
/// Sessions of one server at the most.
pub const SESSIONS_MAX: usize = 1024;
/// Measurements of links (`ringway netperf`) at a time.
pub const MEASURING_MAX: u32 = 8;

/// The process that calls the driver.
#[derive(Debug, Clone)]
pub struct WorkerProgram {
    /// The `ringway` program, started as `ringway worker`.
    pub exe: PathBuf,
    /// Folder that holds the `libcuda.so.1` to use; None: the system's.
    pub driver_dir: Option<PathBuf>,
}

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

struct Lease {
    secret: String,
    slices: Vec<Slice>,
    identity: Identity,
    account: Arc<Account>,
    slots_taken: u64,
    since: Instant,
    holder: Holder,
}

/// Who holds a lease.
enum Holder {
    /// Its connection is open, as far as is known.
    There,
    /// Its connection broke: it may come back.
    Awaited,
    /// It came back over this connection, which the lease's thread takes.
    Back(Stream),
}

/// How a holder's connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HolderEnd {
    /// The lease is not wanted any more.
    Released,
    /// The connection was closed in order: the holder died, or something between closed.
    EndOfStream,
    /// It broke.
    Broken,
}

struct Session {
    lease: String,
    secret: String,
    lanes: u32,
    pid: u32,
    slot: u32,
    orders: UnixStream,
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

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn time_out(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(s) => s.set_read_timeout(limit).and(s.set_write_timeout(limit)),
            Self::Tcp(s) => s.set_read_timeout(limit).and(s.set_write_timeout(limit)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.read(into),
            Self::Tcp(s) => s.read(into),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.write(from),
            Self::Tcp(s) => s.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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

/// The GPUs that a libcuda shows, read by a worker process so that a faulty driver harms nothing else.
///
/// # Errors
/// [`ServeError::Inventory`] with the process's own words.
pub fn read_inventory(worker: &WorkerProgram) -> Result<(String, Vec<DeviceSnapshot>), ServeError> {
    const CURE: &str = "install a driver, or name the folder of a libcuda.so.1 with --driver";
    let fail = |cause: String| ServeError::Inventory { cause, cure: CURE };
    let mut command = worker_command(worker);
    let output = command
        .arg("--inventory")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| fail(format!("{}: {error}", worker.exe.display())))?;
    if !output.status.success() {
        return Err(fail(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let found: (String, Vec<DeviceSnapshot>) = serde_json::from_slice(&output.stdout)
        .map_err(|error| fail(format!("the worker's answer is malformed: {error}")))?;
    if found.1.is_empty() {
        return Err(fail("the driver shows no GPU".into()));
    }
    Ok(found)
}

fn worker_command(worker: &WorkerProgram) -> Command {
    let mut command = Command::new(&worker.exe);
    command.arg("worker");
    if let Some(dir) = &worker.driver_dir {
        let mut path = dir.clone().into_os_string();
        if let Some(old) = std::env::var_os("LD_LIBRARY_PATH").filter(|old| !old.is_empty()) {
            path.push(":");
            path.push(old);
        }
        command.env("LD_LIBRARY_PATH", path);
    }
    // The shim's own settings must not reach the worker's libraries, nor the server's secret a process that runs a
    // stranger's code.
    for name in [
        "LD_PRELOAD",
        "LD_AUDIT",
        "RINGWAY_LEASE",
        "RINGWAY_DIRECT",
        "RINGWAY_TOKEN",
    ] {
        command.env_remove(name);
    }
    command
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

    fn lease(
        &self,
        token: &str,
        gpus: u32,
        memory: MemoryAsk,
        identity: Identity,
        rdma: RdmaState,
    ) -> Result<(String, Reply), Reply> {
        self.check_token(token)?;
        let internal = |error: io::Error| {
            refused(
                format!("the server could not make the lease: {error}"),
                "see the server's log",
            )
        };
        let id = random_hex(8).map_err(internal)?;
        let secret = random_hex(32).map_err(internal)?;
        let account =
            Arc::new(Account::create(gpus.clamp(1, control::LEASE_GPUS_MAX)).map_err(internal)?);
        let mut state = self.lock();
        // Memory that is being freed right now is waited for: it is as good as free.
        let deadline = Instant::now() + RELEASE_TIMEOUT;
        let granted = loop {
            let granted = state.inventory.grant(gpus, memory);
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(granted, Err(LeaseError::NoMemory { .. }))
                || state.ending == 0
                || left.is_zero()
            {
                break granted;
            }
            state = self
                .released
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        let slices = granted.map_err(|error| {
            refused(
                error.to_string(),
                "ask for less with -n, -p or -m, or wait until others release (ringway list)",
            )
        })?;
        tracing::info!(
            lease = id,
            user = identity.user,
            host = identity.host,
            program = identity.program,
            gpus,
            "lease granted"
        );
        let reply = Reply::Leased {
            lease: id.clone(),
            secret: secret.clone(),
            slices: slices.clone(),
            server: self.options.name.clone(),
            boot_id: self.boot_id.clone(),
            unix_path: self.unix_path.clone(),
            rdma,
            grace_ms: self.options.grace.as_millis() as u64,
        };
        state.leases.insert(
            id.clone(),
            Lease {
                secret,
                slices,
                identity,
                account,
                slots_taken: 0,
                since: Instant::now(),
                holder: Holder::There,
            },
        );
        Ok((id, reply))
    }

    /// Answers, then waits for the holder to release (or die, or stay away for too long after its connection broke); then ends
    /// the lease's sessions and takes the slices back.
    fn hold(&self, id: &str, mut stream: Stream, reply: &Reply) {
        let mut end = if control::send(&mut stream, reply).is_ok() {
            held_until(&mut stream)
        } else {
            HolderEnd::Released
        };
        while let Some(mut back) = self.await_holder(id, end) {
            end = if control::send(&mut back, &Reply::Held).is_ok() {
                held_until(&mut back)
            } else {
                HolderEnd::Broken
            };
            // The last connection stays open: its holder may wait for the end of the lease.
            stream = back;
        }
        self.lock().ending += 1;
        for session in self.lock().sessions.values().filter(|s| s.lease == id) {
            // SAFETY: a signal to a child that has not been reaped: its session is listed, the lock is held, and a session
            // is unlisted before its worker is reaped.
            unsafe { libc::kill(session.pid as libc::pid_t, libc::SIGTERM) };
        }
        // Workers end within their own bound; the slices must not be granted again before their memory is free.
        self.wait_for_workers(id);
        for session in self.lock().sessions.values().filter(|s| s.lease == id) {
            // SAFETY: as above.
            unsafe { libc::kill(session.pid as libc::pid_t, libc::SIGKILL) };
        }
        self.wait_for_workers(id);
        let mut state = self.lock();
        if let Some(lease) = state.leases.remove(id) {
            state.inventory.release(&lease.slices);
            tracing::info!(
                lease = id,
                held_s = lease.since.elapsed().as_secs(),
                "lease released"
            );
        }
        state.ending -= 1;
        self.released.notify_all();
        // Now the holder, should it wait, sees that all is free.
        drop(stream);
    }

    /// Waits for the holder of a lease to come back; None if it does not.
    fn await_holder(&self, id: &str, end: HolderEnd) -> Option<Stream> {
        let patience = match end {
            HolderEnd::Released => return None,
            HolderEnd::EndOfStream => self.grace_after_end(),
            HolderEnd::Broken => self.options.grace,
        };
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        // What is most probably about to be freed is waited for by those who want it.
        let ending = u32::from(end == HolderEnd::EndOfStream);
        state.ending += ending;
        state.leases.get_mut(id)?.holder = Holder::Awaited;
        tracing::info!(
            lease = id,
            "the connection of the lease's holder broke; waiting for it for {patience:.1?}"
        );
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let lease = state.leases.get_mut(id)?;
            if left.is_zero() || matches!(lease.holder, Holder::Back(_)) {
                // After this nobody can come back any more.
                let holder = std::mem::replace(&mut lease.holder, Holder::There);
                state.ending -= ending;
                self.released.notify_all();
                return match holder {
                    Holder::Back(stream) => Some(stream),
                    Holder::There | Holder::Awaited => None,
                };
            }
            state = self
                .held
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// How long to wait after a connection that was closed in order, without a word.
    fn grace_after_end(&self) -> Duration {
        self.options
            .grace
            .min(Duration::from_millis(control::GRACE_AFTER_END_MS))
    }

    /// Gives a lease's thread the connection over which its holder came back.
    fn hold_again(&self, id: &str, secret: &str, stream: Stream) -> Result<(), (Stream, Reply)> {
        let mut state = self.lock();
        let found = state
            .leases
            .get_mut(id)
            .filter(|lease| same_secret(&lease.secret, secret));
        match found {
            None => Err((
                stream,
                not_resumed(
                    "there is no such lease",
                    "it ended, or the server was restarted; start the program again with ringway run",
                    false,
                ),
            )),
            Some(lease) if matches!(lease.holder, Holder::Awaited) => {
                lease.holder = Holder::Back(stream);
                self.held.notify_all();
                Ok(())
            }
            Some(_) => Err((
                stream,
                not_resumed(
                    "the lease has a holder",
                    "if its connection broke, the server will know in some seconds",
                    true,
                ),
            )),
        }
    }

    /// Waits until the lease has no worker any more, for at most ten seconds.
    fn wait_for_workers(&self, id: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && self.lock().sessions.values().any(|s| s.lease == id) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn open(
        self: &Arc<Self>,
        id: &str,
        secret: &str,
        identity: &Identity,
        link: LinkAsk,
        stream: &Stream,
    ) -> Result<(), Reply> {
        let internal = |error: io::Error| {
            refused(
                format!("the server could not start a worker: {error}"),
                "see the server's log",
            )
        };
        let session_secret = random_hex(32).map_err(internal)?;
        let mut number = [0u8; 8];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut f| f.read_exact(&mut number))
            .map_err(internal)?;
        let session = u64::from_le_bytes(number);
        check_link(link, stream)?;
        let mut state = self.lock();
        if state.sessions.len() >= SESSIONS_MAX {
            return Err(refused(
                format!("the server has its limit of {SESSIONS_MAX} sessions"),
                "wait until others end",
            ));
        }
        let Some(lease) = state
            .leases
            .get_mut(id)
            .filter(|lease| same_secret(&lease.secret, secret))
        else {
            return Err(refused(
                "there is no such lease",
                "it ended, or the server was restarted; start the program again with ringway run",
            ));
        };
        let slot = lease.slots_taken.trailing_ones();
        if slot >= ACCOUNT_SLOTS {
            return Err(refused(
                format!("the lease has its limit of {ACCOUNT_SLOTS} processes with a session"),
                "start fewer processes in one ringway run",
            ));
        }
        lease.slots_taken |= 1 << slot;
        let (slices, account) = (lease.slices.clone(), Arc::clone(&lease.account));
        let configure = WorkerOrder::Configure {
            session,
            secret: session_secret.clone(),
            slices: slices.clone(),
            account_slot: slot,
            cores: self.options.cores.clone(),
            grace_ms: self.options.grace.as_millis() as u64,
        };
        let started = self.start_worker(&configure, &account, link, stream);
        match started {
            Ok((child, orders)) => {
                let pid = child.id();
                tracing::info!(
                    session,
                    lease = id,
                    worker = pid,
                    program = identity.program,
                    pid = identity.pid,
                    "session opened"
                );
                state.sessions.insert(
                    session,
                    Session {
                        lease: id.to_owned(),
                        secret: session_secret,
                        lanes: slices.len() as u32,
                        pid,
                        slot,
                        orders,
                    },
                );
                let server = Arc::clone(self);
                let id = id.to_owned();
                std::thread::spawn(move || server.reap(child, session, &id, slot, &account));
                Ok(())
            }
            Err(error) => {
                lease.slots_taken &= !(1 << slot);
                Err(internal(error))
            }
        }
    }

    /// Starts a worker that only answers on a lane.
    fn measure(self: &Arc<Self>, token: &str, link: LinkAsk, stream: &Stream) -> Result<(), Reply> {
        self.check_token(token)?;
        check_link(link, stream)?;
        if self.measuring.fetch_add(1, Ordering::AcqRel) >= MEASURING_MAX {
            self.measuring.fetch_sub(1, Ordering::AcqRel);
            return Err(refused(
                format!("the server has its limit of {MEASURING_MAX} measurements"),
                "try again when others have ended",
            ));
        }
        let started = || -> io::Result<Child> {
            let (orders, theirs) = UnixStream::pair()?;
            orders.set_write_timeout(Some(REQUEST_TIMEOUT))?;
            let child = worker_command(&self.options.worker)
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .spawn()?;
            order(&orders, &WorkerOrder::Measure { link }, raw(stream))?;
            Ok(child)
        };
        match started() {
            Ok(mut child) => {
                let server = Arc::clone(self);
                std::thread::spawn(move || {
                    // It ends with its client, or when its time is over.
                    if let Err(error) = child.wait() {
                        tracing::error!("waiting for a measurement: {error}");
                    }
                    server.measuring.fetch_sub(1, Ordering::AcqRel);
                });
                Ok(())
            }
            Err(error) => {
                self.measuring.fetch_sub(1, Ordering::AcqRel);
                Err(refused(
                    format!("the server could not start a worker: {error}"),
                    "see the server's log",
                ))
            }
        }
    }

    fn start_worker(
        &self,
        configure: &WorkerOrder,
        account: &Account,
        link: LinkAsk,
        stream: &Stream,
    ) -> io::Result<(Child, UnixStream)> {
        let (orders, theirs) = UnixStream::pair()?;
        orders.set_write_timeout(Some(REQUEST_TIMEOUT))?;
        let child = worker_command(&self.options.worker)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        order(&orders, configure, account.as_fd().as_raw_fd())?;
        order(&orders, &WorkerOrder::Attach { lane: 0, link }, raw(stream))?;
        Ok((child, orders))
    }

    fn join(
        &self,
        session: u64,
        secret: &str,
        lane: u32,
        link: LinkAsk,
        stream: &Stream,
    ) -> Result<(), Reply> {
        check_link(link, stream)?;
        let state = self.lock();
        let Some(found) = state
            .sessions
            .get(&session)
            .filter(|found| same_secret(&found.secret, secret))
        else {
            return Err(refused(
                "there is no such session",
                "its worker ended; see the server's log",
            ));
        };
        if lane == 0 || lane >= found.lanes {
            return Err(refused(
                format!("lane {lane} is not one of the session's"),
                "this is a fault of the client",
            ));
        }
        order(
            &found.orders,
            &WorkerOrder::Attach { lane, link },
            raw(stream),
        )
        .map_err(|error| {
            refused(
                format!("the worker did not take the connection: {error}"),
                "see the server's log",
            )
        })
    }

    /// Gives a session's worker a connection to continue a lane with.
    fn resume(
        &self,
        session: u64,
        secret: &str,
        link: LinkAsk,
        resume: &WorkerOrder,
        stream: &Stream,
    ) -> Result<(), Reply> {
        check_link(link, stream)?;
        let state = self.lock();
        let Some(found) = state
            .sessions
            .get(&session)
            .filter(|found| same_secret(&found.secret, secret))
        else {
            return Err(not_resumed(
                "there is no such session",
                "its worker ended; see the server's log",
                false,
            ));
        };
        order(&found.orders, resume, raw(stream)).map_err(|error| {
            // The worker has just ended: the next attempt is told that there is no such session.
            not_resumed(
                format!("the worker did not take the connection: {error}"),
                "see the server's log",
                true,
            )
        })
    }

    fn reap(&self, mut child: Child, session: u64, lease: &str, slot: u32, account: &Account) {
        // Unlist first, so that no signal is ever sent to a process id that may have been given to another.
        let pid = child.id() as libc::pid_t;
        // SAFETY: waits for our own child without reaping it; `info` is a valid place for the answer.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            while libc::waitid(
                libc::P_PID,
                pid as libc::id_t,
                &raw mut info,
                libc::WEXITED | libc::WNOWAIT,
            ) < 0
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
        }
        let mut state = self.lock();
        state.sessions.remove(&session);
        account.clear_slot(slot);
        if let Some(lease) = state.leases.get_mut(lease) {
            lease.slots_taken &= !(1 << slot);
        }
        drop(state);
        match child.wait() {
            Ok(status) if status.success() => {
                tracing::info!(session, worker = pid, "session closed")
            }
            // A lease that ends takes its workers with it.
            Ok(status) if status.signal() == Some(libc::SIGTERM) => {
                tracing::info!(session, worker = pid, "session closed with its lease");
            }
            Ok(status) => tracing::warn!(session, worker = pid, "the worker ended: {status}"),
            Err(error) => tracing::error!(session, worker = pid, "waiting for the worker: {error}"),
        }
    }
}

/// Reads a holder's connection until it ends.
fn held_until(stream: &mut Stream) -> HolderEnd {
    if stream.time_out(None).is_err() {
        return HolderEnd::Broken;
    }
    if let Stream::Tcp(tcp) = &stream
        && let Err(error) = bound_silence(tcp)
    {
        tracing::warn!("a holder that is silent may stay unnoticed: {error}");
    }
    let mut meant = false;
    loop {
        match control::receive::<Request>(stream) {
            Ok(Request::Farewell) => meant = true,
            Err(ControlError::Io(_)) if meant => return HolderEnd::Released,
            Err(ControlError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return HolderEnd::EndOfStream;
            }
            Err(ControlError::Io(_)) => return HolderEnd::Broken,
            // Nobody can say what the holder wants.
            _ => return HolderEnd::Released,
        }
    }
}

fn answer(stream: &mut Stream, reply: &Reply) {
    if let Err(error) = control::send(stream, reply) {
        tracing::debug!("answer not delivered: {error}");
    }
}

fn not_resumed(reason: impl Into<String>, cure: impl Into<String>, again: bool) -> Reply {
    Reply::NotResumed {
        reason: reason.into(),
        cure: cure.into(),
        again,
    }
}

/// State of the links of a lease, over all its sessions.
fn links_of(state: &State, id: &str, lease: &Lease) -> LinkStatus {
    let mut sum = LinkStatus::default();
    for session in state.sessions.values().filter(|s| s.lease == id) {
        let links = lease.account.links(session.slot);
        sum.suspended += links.suspended;
        sum.resumed += links.resumed;
        if links.resumed > 0 {
            sum.pause_ms_last = links.pause_ms_last;
            sum.kind_last = links.kind_last;
        }
    }
    sum
}

fn raw(stream: &Stream) -> i32 {
    match stream {
        Stream::Unix(s) => s.as_raw_fd(),
        Stream::Tcp(s) => s.as_raw_fd(),
    }
}

/// Whether RDMA can be had at the address that a client reached.
fn rdma_state(stream: &Stream) -> RdmaState {
    let Stream::Tcp(stream) = stream else {
        return RdmaState::Unusable("the server was not reached over IP".into());
    };
    match stream.local_addr().map(|address| ringway_link::rdma::usable_at(address.ip())) {
        Ok(Ok(device)) => RdmaState::Usable(device),
        Ok(Err(why)) => RdmaState::Unusable(why),
        Err(error) => RdmaState::Unusable(error.to_string()),
    }
}

fn check_link(link: LinkAsk, stream: &Stream) -> Result<(), Reply> {
    match (link, stream) {
        (LinkAsk::Shm, Stream::Unix(_))
        | (LinkAsk::Tcp | LinkAsk::Rdma | LinkAsk::RdmaOnly, Stream::Tcp(_)) => Ok(()),
        (LinkAsk::Shm, Stream::Tcp(_)) => Err(refused(
            "shared memory was asked for over TCP",
            "connect to the server's Unix socket, or use --link tcp",
        )),
        (LinkAsk::Tcp | LinkAsk::Rdma | LinkAsk::RdmaOnly, Stream::Unix(_)) => Err(refused(
            "a network link was asked for over a Unix socket",
            "connect to the server's TCP address, or use --link shm",
        )),
    }
}

/// Sends a worker an order: one byte that carries the descriptor, then the frame.
fn order(to: &UnixStream, what: &WorkerOrder, fd: i32) -> io::Result<()> {
    if to.send_with_fd(&[0], &[fd])? != 1 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    control::send(&mut &*to, what).map_err(io::Error::other)
}

/// A bound address.
pub enum Listener {
    /// Unix socket and its path, removed when dropped.
    Unix(UnixListener, PathBuf),
    /// TCP.
    Tcp(TcpListener),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Nothing to do if it is gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind(endpoint: &Endpoint, options: &ServeOptions) -> Result<Listener, ServeError> {
    let fail = |cause: io::Error| {
        let cure = match cause.kind() {
            io::ErrorKind::AddrInUse => {
                "another program has it; stop that one or choose another address with --listen"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; see `ip address`",
            io::ErrorKind::PermissionDenied => {
                "choose a port above 1023, or a folder that you may write to"
            }
            _ => "choose another address with --listen",
        };
        ServeError::Listen {
            endpoint: endpoint.to_string(),
            cause,
            cure,
        }
    };
    match endpoint {
        Endpoint::Unix(path) => {
            // A socket that nobody answers on was left by a server that is gone.
            if path.exists()
                && UnixStream::connect(path)
                    .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
            {
                std::fs::remove_file(path).map_err(fail)?;
            }
            let listener = UnixListener::bind(path).map_err(fail)?;
            let mode = if options.token.is_some() {
                0o666
            } else {
                0o600
            };
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(fail)?;
            Ok(Listener::Unix(listener, path.clone()))
        }
        Endpoint::Tcp(host, port) => {
            let addresses: Vec<_> = (host.as_str(), *port)
                .to_socket_addrs()
                .map_err(fail)?
                .collect();
            let loopback = |ip: IpAddr| ip.is_loopback();
            let beyond = addresses.iter().any(|address| !loopback(address.ip()));
            if beyond && !(options.trusted_network && options.token.is_some()) {
                return Err(ServeError::Beyond(endpoint.to_string()));
            }
            let listener = TcpListener::bind(addresses.as_slice()).map_err(fail)?;
            Ok(Listener::Tcp(listener))
        }
    }
}

/// The addresses that listeners really have (a port of 0 was chosen by the kernel).
///
/// # Errors
/// What the kernel says.
pub fn bound(listeners: &[Listener]) -> io::Result<Vec<String>> {
    listeners
        .iter()
        .map(|listener| match listener {
            Listener::Unix(_, path) => Ok(format!("unix:{}", path.display())),
            Listener::Tcp(l) => Ok(l.local_addr()?.to_string()),
        })
        .collect()
}
