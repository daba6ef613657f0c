//! Sessions and the worker processes that serve them.

use super::connection::{Stream, check_link};
use super::worker_user::WorkerUser;
use super::{REQUEST_TIMEOUT, ServeError, Server, not_resumed, random_hex, refused, same_secret};
use ringway_link::account::{ACCOUNT_SLOTS, Account};
use ringway_wire::control::{self, DeviceSnapshot, Identity, LaneKeys, LinkAsk, Reply, WorkerOrder};
use sendfd::SendWithFd;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    /// As whom it runs; None: as this process.
    pub user: Option<WorkerUser>,
    /// Whether a worker keeps what it does not need: system calls and privileges.
    pub unconfined: bool,
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
    if let Some(WorkerUser { uid, gid, groups }) = &worker.user {
        let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
        command.args([format!("--uid={uid}"), format!("--gid={gid}"), format!("--groups={}", groups.join(","))]);
    }
    if worker.unconfined {
        command.arg("--unconfined");
    }
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
        "RINGWAY_TOKEN_FILE",
        "RINGWAY_STATE",
    ] {
        command.env_remove(name);
    }
    command
}

pub(super) struct Session {
    pub(super) lease: String,
    pub(super) secret: String,
    pub(super) lanes: u32,
    pub(super) pid: u32,
    pub(super) slot: u32,
    pub(super) orders: UnixStream,
}

/// A connection on which a lane was asked for. Either it is handed to a worker, or this process answers on it: what answers
/// seals with its keys, and nobody else may.
pub(super) struct Asked {
    pub(super) stream: Stream,
    pub(super) keys: Option<LaneKeys>,
    pub(super) link: LinkAsk,
}

impl Asked {
    fn fd(&self) -> i32 {
        self.stream.fd().as_raw_fd()
    }

    fn attach(&self, lane: u32) -> WorkerOrder {
        WorkerOrder::Attach { lane, link: self.link, keys: self.keys.clone() }
    }
}

impl Server {
    pub(super) fn open(
        self: &Arc<Self>,
        id: &str,
        secret: &str,
        identity: &Identity,
        asked: &Asked,
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
        check_link(asked.link, &asked.stream)?;
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
            .filter(|lease| same_secret(&lease.secret, secret) && !lease.ended)
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
        let started = self.start_worker(&configure, &account, asked);
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
    pub(super) fn measure(self: &Arc<Self>, token: &str, asked: &Asked) -> Result<(), Reply> {
        self.admission.admit(token, &asked.stream)?;
        check_link(asked.link, &asked.stream)?;
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
            let measure = WorkerOrder::Measure { link: asked.link, keys: asked.keys.clone() };
            order(&orders, &measure, asked.fd())?;
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
        asked: &Asked,
    ) -> io::Result<(Child, UnixStream)> {
        let (orders, theirs) = UnixStream::pair()?;
        orders.set_write_timeout(Some(REQUEST_TIMEOUT))?;
        let child = worker_command(&self.options.worker)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        order(&orders, configure, account.as_fd().as_raw_fd())?;
        order(&orders, &asked.attach(0), asked.fd())?;
        Ok((child, orders))
    }

    pub(super) fn join(
        &self,
        session: u64,
        secret: &str,
        lane: u32,
        asked: &Asked,
    ) -> Result<(), Reply> {
        check_link(asked.link, &asked.stream)?;
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
        order(&found.orders, &asked.attach(lane), asked.fd())
        .map_err(|error| {
            refused(
                format!("the worker did not take the connection: {error}"),
                "see the server's log",
            )
        })
    }

    /// Gives a session's worker a connection to continue a lane with.
    pub(super) fn resume(
        &self,
        session: u64,
        secret: &str,
        resume: &WorkerOrder,
        asked: &Asked,
    ) -> Result<(), Reply> {
        check_link(asked.link, &asked.stream)?;
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
        order(&found.orders, resume, asked.fd()).map_err(|error| {
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

/// Sends a worker an order: one byte that carries the descriptor, then the frame.
fn order(to: &UnixStream, what: &WorkerOrder, fd: i32) -> io::Result<()> {
    if to.send_with_fd(&[0], &[fd])? != 1 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    control::send(&mut &*to, what).map_err(io::Error::other)
}
