//! What a server leaves to the program that takes its place ([`restart`](super::restart)): leases, sessions, and the numbers of the
//! descriptors that both have. A text in a memory file that nobody can change any more; it holds secrets, and never touches a disk.
//!
//! It is believed no further than need be: who reads it checks every number before anything is done by it.

use super::leases::{Holder, Lease};
use super::membership::CarriedMembership;
use super::paths::Attempts;
use super::sessions::{SESSIONS_MAX, Session, is_child};
use super::shares::Places;
use super::usage::{CarriedUse, Use};
use super::{Server, ServeOptions, State};
use crate::door::{DoorError, Listener, REQUEST_TIMEOUT};
use crate::identity::Grant;
use crate::lease::Inventory;
use crate::ticket::Claims;
use ringway_link::account::{ACCOUNT_SLOTS, Account};
use ringway_link::endpoint::Endpoint;
use ringway_link::shares::{LEASES, SEATS};
use ringway_wire::control::{DeviceSnapshot, Identity, LEASE_GPUS_MAX, ORDERS_VERSION, RESTART_PATIENCE_MS, Reply, Share, Slice, Terms};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Version of the state that this program writes, and the only one that it reads.
pub const STATE_VERSION: u32 = 1;
/// Bytes of it at the most.
const STATE_BYTES_MAX: u64 = 64 << 20;
/// Its first line, up to the version.
const HEAD: &str = "ringway serve state ";
/// Listening addresses, and children without a session, at the most.
const COUNT_MAX: usize = 4096;
const SEALS: libc::c_int = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
const CURE: &str = "start the server anew";

/// Why the state of a server cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// It is none, or makes no sense.
    #[error("the state that the server before this one left is of no use: {0}; {CURE}")]
    Useless(String),
    /// Of another version.
    #[error(
        "the state that the server before this one left has version {theirs}, this program reads {STATE_VERSION}; {CURE}, or install a \
         release between the two first"
    )]
    Version {
        /// The version.
        theirs: String,
    },
    /// The settings were changed in a way that takes more than this.
    #[error("{0}; that takes a restart that ends sessions")]
    Settings(String),
    /// An address could not be had.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// A system call failed.
    #[error("taking over the state of the server before this one: {0}")]
    Io(#[from] io::Error),
}

fn useless(what: impl Into<String>) -> HandoverError {
    HandoverError::Useless(what.into())
}

/// What whoever runs a server wants to find again: in this order its private folder and the libcuda of its workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Folder of the server's own files.
    pub folder: PathBuf,
    /// The libcuda that workers load.
    pub driver: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct CarriedListener {
    endpoint: String,
    fd: RawFd,
}

#[derive(Serialize, Deserialize)]
struct CarriedLease {
    id: String,
    secret: String,
    slices: Vec<Slice>,
    identity: Identity,
    account: RawFd,
    age_ms: u64,
    /// How long its holder is waited for.
    patience_ms: u64,
    grant: Grant,
    ended: bool,
    closing: bool,
    last_word: Option<Reply>,
    terms: Terms,
    place: u32,
    used: u64,
    used_by: CarriedUse,
    pool: Option<Claims>,
}

#[derive(Serialize, Deserialize)]
struct CarriedSession {
    session: u64,
    lease: String,
    secret: String,
    lanes: u32,
    pid: u32,
    slot: u32,
    seat: u32,
    since: u64,
    orders: RawFd,
    orders_version: u32,
    share: Share,
    paths: Attempts,
}

#[derive(Serialize, Deserialize)]
struct Carried {
    /// For people.
    release: String,
    kept: Kept,
    driver: String,
    devices: Vec<DeviceSnapshot>,
    listeners: Vec<CarriedListener>,
    metrics: Option<CarriedListener>,
    shares: RawFd,
    leases: Vec<CarriedLease>,
    sessions: Vec<CarriedSession>,
    /// Children without a session.
    others: Vec<u32>,
    pool: Vec<String>,
    membership: Option<CarriedMembership>,
}

/// The state of a server, as the next one finds it.
pub struct Handover {
    carried: Carried,
    version: u32,
}

/// A descriptor that this process has inherited under a number that it was told.
///
/// # Errors
/// There is none with this number.
pub fn inherited(number: RawFd) -> Result<OwnedFd, HandoverError> {
    // SAFETY: asks for the flags of a number, whatever it is.
    if number <= libc::STDERR_FILENO || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(useless(format!("this process has inherited no descriptor {number}")));
    }
    // SAFETY: it is open, and nothing in this process owns it: it was inherited, and whoever asks has been told so by the program that
    // was executed in this process before.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    close_on_exec(fd.as_raw_fd(), true)?;
    Ok(fd)
}

/// Whether a descriptor stays behind when another program is executed.
pub(super) fn close_on_exec(fd: RawFd, closes: bool) -> io::Result<()> {
    // SAFETY: sets the flags of an open descriptor; no memory is passed.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, if closes { libc::FD_CLOEXEC } else { 0 }) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A text in a memory file that nobody can change any more.
fn sealed(text: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: the name is a valid C string; the result is checked.
    let fd = unsafe { libc::memfd_create(c"ringway-state".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor just made, owned by nobody else.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text)?;
    // SAFETY: plain system call on an owned descriptor.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file.into())
}

impl Server {
    /// What this server is, as it is now, in a memory file.
    pub(super) fn state_file(&self, state: &State, kept: &Kept, metrics: Option<(String, RawFd)>) -> io::Result<OwnedFd> {
        let now = Instant::now();
        let patience = |holder: &Holder| match holder {
            Holder::Awaited(until) => until.saturating_duration_since(now),
            Holder::There | Holder::Back(_) => Duration::from_millis(RESTART_PATIENCE_MS),
        };
        let leases = state.leases.iter().map(|(id, lease)| CarriedLease {
            id: id.clone(),
            secret: lease.secret.clone(),
            slices: lease.slices.clone(),
            identity: lease.identity.clone(),
            account: std::os::fd::AsFd::as_fd(&*lease.account).as_raw_fd(),
            age_ms: lease.since.elapsed().as_millis() as u64,
            patience_ms: patience(&lease.holder).as_millis() as u64,
            grant: lease.grant.clone(),
            ended: lease.ended,
            closing: lease.closing,
            last_word: lease.last_word.clone(),
            terms: lease.terms,
            place: lease.place,
            used: lease.used,
            used_by: lease.used_by.carried(),
            pool: lease.pool.clone(),
        });
        let sessions = state.sessions.iter().map(|(number, session)| CarriedSession {
            session: *number,
            lease: session.lease.clone(),
            secret: session.secret.clone(),
            lanes: session.lanes,
            pid: session.pid,
            slot: session.slot,
            seat: session.seat,
            since: session.since,
            orders: session.orders.as_raw_fd(),
            orders_version: session.orders_version,
            share: session.share,
            paths: session.paths.clone(),
        });
        let carried = Carried {
            release: env!("CARGO_PKG_VERSION").into(),
            kept: kept.clone(),
            driver: self.driver.clone(),
            devices: state.inventory.devices().to_vec(),
            listeners: self.sockets.iter().map(|(endpoint, fd)| CarriedListener { endpoint: endpoint.to_string(), fd: fd.as_raw_fd() }).collect(),
            metrics: metrics.map(|(endpoint, fd)| CarriedListener { endpoint, fd }),
            shares: state.places.fd().as_raw_fd(),
            leases: leases.collect(),
            sessions: sessions.collect(),
            others: state.others.iter().copied().collect(),
            pool: pool_of(&self.options),
            membership: self.membership.as_ref().map(super::Membership::carried),
        };
        let mut text = format!("{HEAD}{STATE_VERSION}\n").into_bytes();
        serde_json::to_writer(&mut text, &carried)?;
        if text.len() as u64 > STATE_BYTES_MAX {
            return Err(io::Error::other(format!("the state has {} bytes, more than {STATE_BYTES_MAX}", text.len())));
        }
        sealed(&text)
    }

    /// The descriptors that go with a state file.
    pub(super) fn carried_fds(&self, state: &State) -> Vec<RawFd> {
        let sockets = self.sockets.iter().map(|(_, fd)| fd.as_raw_fd());
        let accounts = state.leases.values().map(|lease| std::os::fd::AsFd::as_fd(&*lease.account).as_raw_fd());
        let orders = state.sessions.values().map(|session| session.orders.as_raw_fd());
        sockets.chain(accounts).chain(orders).chain([state.places.fd().as_raw_fd()]).collect()
    }
}

fn pool_of(options: &ServeOptions) -> Vec<String> {
    options.pool.iter().flat_map(|membership| membership.pool.iter().map(ToString::to_string)).collect()
}

impl Handover {
    /// Reads a state file and checks what can be checked without its descriptors.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub fn read(file: OwnedFd) -> Result<Self, HandoverError> {
        // SAFETY: plain system call on an owned descriptor.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 || seals & SEALS != SEALS {
            return Err(useless("it is not in a memory file that is sealed"));
        }
        let file = File::from(file);
        let bytes = file.metadata()?.len();
        if bytes > STATE_BYTES_MAX {
            return Err(useless(format!("it has {bytes} bytes; at most {STATE_BYTES_MAX} are read")));
        }
        let mut text = vec![0; bytes as usize];
        file.read_exact_at(&mut text, 0)?;
        Self::parse(&text)
    }

    fn parse(text: &[u8]) -> Result<Self, HandoverError> {
        let (head, body) = text.iter().position(|byte| *byte == b'\n').map(|at| text.split_at(at + 1)).ok_or_else(|| useless("it has no first line"))?;
        let version = std::str::from_utf8(head).ok().and_then(|head| head.strip_prefix(HEAD)).ok_or_else(|| useless("its first line is another"))?;
        let version = version.trim_end();
        if version != STATE_VERSION.to_string() {
            return Err(HandoverError::Version { theirs: version.chars().take(20).collect() });
        }
        let carried: Carried = serde_json::from_slice(body).map_err(|error| useless(error.to_string()))?;
        carried.check()?;
        Ok(Self { carried, version: STATE_VERSION })
    }

    /// What whoever runs the server wanted to find again.
    pub fn kept(&self) -> &Kept {
        &self.carried.kept
    }

    /// Release of the server that wrote it.
    pub fn release(&self) -> &str {
        &self.carried.release
    }

    /// Version of the state.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Leases and sessions in it.
    pub fn counts(&self) -> (usize, usize) {
        (self.carried.leases.len(), self.carried.sessions.len())
    }

    /// Whether there is a socket that listens at this address.
    pub fn listens_at(&self, endpoint: &Endpoint) -> bool {
        let endpoint = endpoint.to_string();
        self.carried.listeners.iter().chain(&self.carried.metrics).any(|listener| listener.endpoint == endpoint)
    }

    /// Whether a server with these options can take the state over.
    ///
    /// # Errors
    /// [`HandoverError::Settings`].
    pub fn suits(&self, options: &ServeOptions, kept: &Kept) -> Result<(), HandoverError> {
        let Carried { kept: before, leases, pool, membership, .. } = &self.carried;
        if kept.driver != before.driver {
            let (is, was) = (kept.driver.display(), before.driver.display());
            return Err(HandoverError::Settings(format!("the driver of the settings is {is} now, and that of the GPUs that are leased is {was}")));
        }
        let is_same = *pool == pool_of(options) && membership.is_some() == options.pool.is_some();
        if !is_same && leases.iter().any(|lease| lease.pool.is_some() || options.pool.is_some()) {
            return Err(HandoverError::Settings("the settings name another pool now, or none any more, and there are leases".into()));
        }
        Ok(())
    }

    /// The descriptor of the socket for metrics that listens at this address.
    ///
    /// # Errors
    /// The state names one that this process has not inherited.
    pub fn metrics(&mut self, endpoint: &Endpoint) -> Result<Option<OwnedFd>, HandoverError> {
        let carried = self.carried.metrics.take();
        let fd = carried.map(|listener| Ok::<_, HandoverError>((socket(inherited(listener.fd)?)?, listener.endpoint))).transpose()?;
        // One that is not wanted any more is closed here.
        Ok(fd.filter(|(_, at)| *at == endpoint.to_string()).map(|(fd, _)| fd))
    }

    /// Takes the descriptors, and makes of it all what a server is.
    pub(super) fn take(self) -> Result<Taken, HandoverError> {
        let Carried { driver, devices, listeners, metrics, shares, leases, sessions, others, membership, .. } = self.carried;
        // Not asked for, so not wanted.
        metrics.map(|listener| inherited(listener.fd)).transpose()?;
        let listeners = listeners
            .into_iter()
            .map(|CarriedListener { endpoint, fd }| {
                let endpoint: Endpoint = endpoint.parse().map_err(|error| useless(format!("{error}")))?;
                let listener = Listener::adopt(&endpoint, socket(inherited(fd)?)?);
                Ok((endpoint, listener))
            })
            .collect::<Result<Vec<_>, HandoverError>>()?;
        let seats = sessions.iter().map(|session| session.seat);
        let places = Places::adopt(devices.len(), regular(inherited(shares)?)?, seats, leases.iter().map(|lease| lease.place))?;
        let mut inventory = Inventory::new(devices);
        let now = Instant::now();
        let mut all_leases = HashMap::new();
        for carried in leases {
            let wanted: Vec<(u32, u64)> = carried.slices.iter().map(|slice| (slice.server_ordinal, slice.memory_bytes)).collect();
            let slices = inventory.take(&wanted).map_err(|error| useless(format!("the lease {}: {error}", carried.id)))?;
            let account = Account::map(regular(inherited(carried.account)?)?, slices.len() as u32)?;
            let slots_taken = sessions.iter().filter(|session| session.lease == carried.id).fold(0, |slots, session| slots | 1 << session.slot);
            let used_by = Use::after(slices.len(), &carried.used_by);
            let lease = Lease {
                secret: carried.secret,
                slices,
                identity: carried.identity,
                account: Arc::new(account),
                slots_taken,
                since: now.checked_sub(Duration::from_millis(carried.age_ms)).unwrap_or(now),
                holder: Holder::Awaited(now + Duration::from_millis(carried.patience_ms.max(1))),
                grant: carried.grant,
                line: None,
                ended: carried.ended,
                closing: carried.closing,
                last_word: carried.last_word,
                terms: carried.terms,
                place: carried.place,
                used: carried.used,
                used_by,
                pool: carried.pool,
            };
            all_leases.insert(carried.id, lease);
        }
        let mut all_sessions = HashMap::new();
        for carried in sessions {
            if !is_child(carried.pid) {
                return Err(useless(format!("the worker {} is no child of this process", carried.pid)));
            }
            let orders = UnixStream::from(socket(inherited(carried.orders)?)?);
            orders.set_write_timeout(Some(REQUEST_TIMEOUT))?;
            let session = Session {
                lease: carried.lease,
                secret: carried.secret,
                lanes: carried.lanes,
                pid: carried.pid,
                slot: carried.slot,
                seat: carried.seat,
                since: carried.since,
                orders,
                orders_version: carried.orders_version,
                share: carried.share,
                paths: carried.paths,
            };
            all_sessions.insert(carried.session, session);
        }
        let state = State {
            inventory,
            leases: all_leases,
            sessions: all_sessions,
            ending: 0,
            others: others.into_iter().filter(|pid| is_child(*pid)).collect(),
            restarting: false,
            places,
        };
        Ok(Taken { driver, listeners, state, membership })
    }
}

/// What was taken over.
pub(super) struct Taken {
    pub(super) driver: String,
    pub(super) listeners: Vec<(Endpoint, Listener)>,
    pub(super) state: State,
    pub(super) membership: Option<CarriedMembership>,
}

fn socket(fd: OwnedFd) -> Result<OwnedFd, HandoverError> {
    of_kind(fd, "socket", |kind| kind.is_socket())
}

fn regular(fd: OwnedFd) -> Result<OwnedFd, HandoverError> {
    of_kind(fd, "memory file", |kind| kind.is_file())
}

fn of_kind(fd: OwnedFd, what: &str, is: fn(&std::fs::FileType) -> bool) -> Result<OwnedFd, HandoverError> {
    let file = File::from(fd);
    if is(&file.metadata()?.file_type()) {
        Ok(file.into())
    } else {
        Err(useless(format!("the descriptor {} is no {what}", file.as_raw_fd())))
    }
}

impl Carried {
    /// Whether it makes sense.
    fn check(&self) -> Result<(), HandoverError> {
        let Self { devices, listeners, metrics, shares, leases, sessions, others, .. } = self;
        if devices.is_empty() {
            return Err(useless("it has no GPUs"));
        }
        if leases.len() > LEASES as usize || sessions.len() > SESSIONS_MAX || listeners.len() > COUNT_MAX || others.len() > COUNT_MAX {
            return Err(useless(format!("it has {} leases, {} sessions, {} addresses", leases.len(), sessions.len(), listeners.len())));
        }
        let fds = listeners.iter().chain(metrics).map(|listener| listener.fd).chain([*shares]);
        let fds = fds.chain(leases.iter().map(|lease| lease.account)).chain(sessions.iter().map(|session| session.orders));
        unique("descriptor", fds.clone())?;
        if let Some(fd) = fds.clone().find(|fd| *fd <= libc::STDERR_FILENO) {
            return Err(useless(format!("it has the descriptor {fd}")));
        }
        unique("lease", leases.iter().map(|lease| &lease.id))?;
        unique("session", sessions.iter().map(|session| session.session))?;
        unique("process", sessions.iter().map(|session| session.pid).chain(others.iter().copied()))?;
        if sessions.iter().map(|session| session.pid).chain(others.iter().copied()).any(|pid| pid <= 1 || pid > i32::MAX as u32) {
            return Err(useless("a process of it cannot be a worker"));
        }
        unique("slot", sessions.iter().map(|session| (&session.lease, session.slot)))?;
        for lease in leases {
            let gpus = lease.slices.len();
            let is_possible = (1..=LEASE_GPUS_MAX as usize).contains(&gpus) && lease.place < LEASES && super::check_terms(&lease.terms).is_ok();
            if !is_possible || lease.id.is_empty() || lease.secret.is_empty() {
                return Err(useless(format!("the lease {} cannot be", lease.id.escape_debug())));
            }
        }
        for session in sessions {
            if session.orders_version != ORDERS_VERSION {
                return Err(useless(format!(
                    "a worker takes orders of version {}, and this program gives those of version {ORDERS_VERSION}",
                    session.orders_version
                )));
            }
            let lease = leases.iter().find(|lease| lease.id == session.lease);
            let lanes_fit = lease.is_none_or(|lease| lease.slices.len() == session.lanes as usize);
            if !lanes_fit || !session.share.is_possible() || session.slot >= ACCOUNT_SLOTS || session.seat >= SEATS || session.secret.is_empty() {
                return Err(useless(format!("the session {} cannot be", session.session)));
            }
        }
        Ok(())
    }
}

/// Each only once.
fn unique<T: std::hash::Hash + Eq + std::fmt::Debug>(what: &str, all: impl Iterator<Item = T>) -> Result<(), HandoverError> {
    let mut seen = HashSet::new();
    for one in all {
        if seen.contains(&one) {
            return Err(useless(format!("it has the {what} {one:?} twice")));
        }
        seen.insert(one);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
