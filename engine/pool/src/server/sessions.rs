//! Sessions and the worker processes that serve them.

use super::paths::Attempts;
use super::shares::{self, Keeping, ThisMachine};
use super::worker_user::WorkerUser;
use super::{ServeError, Server, not_resumed};
use crate::door::{REQUEST_TIMEOUT, Stream, check_link, random_hex, refused, same_secret};
use crate::identity::Scope;
use ringway_link::account::ACCOUNT_SLOTS;
use ringway_wire::control::{self, DeviceSnapshot, Identity, LaneKeys, LinkAsk, ORDERS_VERSION, Reply, SERVERS_MAX, Share, WorkerOrder};
use sendfd::SendWithFd;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
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

/// The program to start as a worker. Where an upgrade has put another one in the place of the one that this process runs, that is still
/// the one that this process runs: the new one need not understand its orders.
fn program_of(worker: &WorkerProgram) -> PathBuf {
    const OWN: &str = "/proc/self/exe";
    match std::fs::read_link(OWN) {
        Ok(own) if is_replaced(&own, &worker.exe) => OWN.into(),
        _ => worker.exe.clone(),
    }
}

/// Whether `own`, as the kernel names the program of a process, is `exe`, and its file is gone from there.
fn is_replaced(own: &Path, exe: &Path) -> bool {
    let (own, exe) = (own.as_os_str().as_bytes(), exe.as_os_str().as_bytes());
    // dpkg may have renamed it first: `ringway.dpkg-tmp (deleted)`.
    own.starts_with(exe) && own.ends_with(b" (deleted)")
}

fn worker_command(worker: &WorkerProgram) -> Command {
    let mut command = Command::new(program_of(worker));
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
    pub(super) seat: u32,
    /// When it was opened, on the clock of [`ringway_link::shares::now`].
    pub(super) since: u64,
    pub(super) orders: UnixStream,
    /// Version of the orders that its worker understands.
    pub(super) orders_version: u32,
    /// Which of its program's sessions it is.
    pub(super) share: Share,
    pub(super) paths: Attempts,
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
        (id, secret): (&str, &str),
        identity: &Identity,
        share: Share,
        asked: &Asked,
    ) -> Result<(), Reply> {
        if !share.is_possible() {
            return Err(refused(
                format!("session {} of {} cannot be: a program has 1 to {SERVERS_MAX} servers", share.number, share.of),
                "this is a fault of the client",
            ));
        }
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
        let state = &mut *state;
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
        let Some(seat) = state.places.take_seat() else {
            return Err(refused("the server has no seat left for a worker", "wait until others end"));
        };
        lease.slots_taken |= 1 << slot;
        let keeping = shares::keeping(&ThisMachine { devices: state.inventory.devices() }, &lease.slices, &lease.terms);
        let (slices, account) = (lease.slices.clone(), Arc::clone(&lease.account));
        let configure = WorkerOrder::Configure {
            session,
            secret: session_secret.clone(),
            slices: slices.clone(),
            account_slot: slot,
            cores: self.options.cores.clone(),
            grace_ms: self.options.grace.as_millis() as u64,
            share,
        };
        let started = state.places.block(keeping).and_then(|(block, gpus)| {
            let shares = WorkerOrder::Shares { gpus, seat, lease: lease.place };
            let first = [(&configure, account.as_fd()), (&shares, block.as_fd())];
            // What is in the environment of its own worker, a spare one has not.
            let fits = share.is_alone() && !matches!(keeping, Keeping::MultiProcess { .. });
            let spare = self.spares.take(fits).filter(|spare| {
                let given = begin_session(&spare.orders, &first, asked);
                given.inspect_err(|error| tracing::warn!(worker = spare.pid, "a spare worker takes no session: {error}")).is_ok()
            });
            spare.map_or_else(|| self.start_worker(keeping, share, &first, asked), |spare| Ok((spare.pid, spare.orders, true)))
        });
        match started {
            Ok((pid, orders, was_spare)) => {
                tracing::info!(
                    session,
                    lease = id,
                    worker = pid,
                    was_spare,
                    program = identity.program,
                    pid = identity.pid,
                    "session opened"
                );
                state.others.remove(&pid);
                state.sessions.insert(
                    session,
                    Session {
                        lease: id.to_owned(),
                        secret: session_secret,
                        lanes: slices.len() as u32,
                        pid,
                        slot,
                        seat,
                        since: ringway_link::shares::now(),
                        orders,
                        orders_version: ORDERS_VERSION,
                        share,
                        paths: Attempts::default(),
                    },
                );
                if !was_spare {
                    let server = Arc::clone(self);
                    std::thread::spawn(move || server.reap(pid));
                }
                Ok(())
            }
            Err(error) => {
                lease.slots_taken &= !(1 << slot);
                state.places.clear_seat(seat);
                Err(internal(error))
            }
        }
    }

    /// Starts a worker that only answers on a lane.
    pub(super) fn measure(self: &Arc<Self>, token: &str, asked: &Asked) -> Result<(), Reply> {
        self.door.admit(token, &asked.stream, Scope::may_read)?;
        check_link(asked.link, &asked.stream)?;
        if self.measuring.fetch_add(1, Ordering::AcqRel) >= MEASURING_MAX {
            self.measuring.fetch_sub(1, Ordering::AcqRel);
            return Err(refused(
                format!("the server has its limit of {MEASURING_MAX} measurements"),
                "try again when others have ended",
            ));
        }
        let started = || -> io::Result<u32> {
            let mut state = self.lock();
            let (child, orders) = start_process(&self.options.worker, |_| ())?;
            state.others.insert(child.id());
            drop(state);
            let measure = WorkerOrder::Measure { link: asked.link, keys: asked.keys.clone() };
            if let Err(error) = order(&orders, &measure, asked.fd()) {
                // It has ended, or does so with its connection.
                let server = Arc::clone(self);
                std::thread::spawn(move || server.reap(child.id()));
                return Err(error);
            }
            Ok(child.id())
        };
        match started() {
            Ok(pid) => {
                let server = Arc::clone(self);
                std::thread::spawn(move || {
                    // It ends with its client, or when its time is over.
                    server.reap(pid);
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

    /// Starts a worker for a session; a process whose orders it does not take ends with its connection.
    fn start_worker(
        &self,
        keeping: Keeping,
        share: Share,
        first: &[(&WorkerOrder, BorrowedFd<'_>)],
        asked: &Asked,
    ) -> io::Result<(u32, UnixStream, bool)> {
        let (child, orders) = start_process(&self.options.worker, |command| {
            if share.of > 1 {
                // The software GPU gives out addresses of this part then; NVIDIA's driver has none to choose.
                command.env("RINGWAY_SOFTGPU_SHARE", format!("{}/{}", share.number, share.of));
            }
            if let Keeping::MultiProcess { percent } = keeping {
                command.env("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", percent.to_string());
            }
        })?;
        begin_session(&orders, first, asked)?;
        Ok((child.id(), orders, false))
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

    /// Waits for the end of a child, and takes back what it had if it was a session's worker.
    pub(super) fn reap(&self, pid: u32) {
        while wait_for(pid, libc::WEXITED | libc::WNOWAIT).is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
        let mut state = self.lock();
        // Unlisted and reaped at once: no signal is ever sent to a process id that may have been given to another, and nobody who takes
        // this server's place is left with a child that it does not know.
        let status = reap_now(pid);
        let state = &mut *state;
        state.others.remove(&pid);
        self.spares.ended(pid);
        let Some(number) = state.sessions.iter().find_map(|(number, session)| (session.pid == pid).then_some(*number)) else { return };
        if let Some(session) = state.sessions.remove(&number) {
            state.places.clear_seat(session.seat);
            if let Some(lease) = state.leases.get_mut(&session.lease) {
                super::usage::session_ended(lease, session.slot);
                lease.account.clear_slot(session.slot);
                lease.used = ringway_link::shares::now();
                lease.slots_taken &= !(1 << session.slot);
            }
        }
        match status {
            Ok(status) if status.success() => {
                tracing::info!(session = number, worker = pid, "session closed")
            }
            // A lease that ends takes its workers with it.
            Ok(status) if status.signal() == Some(libc::SIGTERM) => {
                tracing::info!(session = number, worker = pid, "session closed with its lease");
            }
            Ok(status) => tracing::warn!(session = number, worker = pid, "the worker ended: {status}"),
            Err(error) => tracing::error!(session = number, worker = pid, "waiting for the worker: {error}"),
        }
    }
}

/// Starts a worker process with the connection for its orders.
pub(super) fn start_process(worker: &WorkerProgram, with: impl FnOnce(&mut Command)) -> io::Result<(Child, UnixStream)> {
    let (orders, theirs) = UnixStream::pair()?;
    orders.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let mut command = worker_command(worker);
    with(&mut command);
    let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).spawn()?;
    Ok((child, orders))
}

/// Gives a worker its first orders.
fn begin_session(orders: &UnixStream, first: &[(&WorkerOrder, BorrowedFd<'_>)], asked: &Asked) -> io::Result<()> {
    for (what, with) in first {
        order(orders, what, with.as_raw_fd())?;
    }
    order(orders, &asked.attach(0), asked.fd())
}

/// Whether a process is a child of this one that has not been reaped.
pub(super) fn is_child(pid: u32) -> bool {
    wait_for(pid, libc::WEXITED | libc::WNOWAIT | libc::WNOHANG).is_ok()
}

/// Whether a child has ended, and was not reaped.
pub(super) fn has_ended(pid: u32) -> bool {
    wait_for(pid, libc::WEXITED | libc::WNOWAIT | libc::WNOHANG).is_ok_and(|ended| ended)
}

/// Waits for a child, without reaping it; whether it has ended.
fn wait_for(pid: u32, options: libc::c_int) -> io::Result<bool> {
    // SAFETY: waits for a process by its id; `info` is a valid place for the answer, in which there is 0 if there was none.
    let (result, ended) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let result = libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, options);
        (result, info.si_pid() != 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(ended) }
}

/// Reaps a child that has ended.
fn reap_now(pid: u32) -> io::Result<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: waits for a process by its id; `status` is a valid place for the answer.
        if unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, 0) } >= 0 {
            return Ok(ExitStatus::from_raw(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends a worker an order: one byte that carries the descriptor, then the frame.
pub(super) fn order(to: &UnixStream, what: &WorkerOrder, fd: i32) -> io::Result<()> {
    if to.send_with_fd(&[0], &[fd])? != 1 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    control::send(&mut &*to, what).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::is_replaced;
    use std::path::Path;

    #[test]
    fn a_program_is_replaced_when_its_file_is_gone_from_its_place() {
        let of = |own: &str| is_replaced(Path::new(own), Path::new("/usr/bin/ringway"));
        assert!(of("/usr/bin/ringway (deleted)") && of("/usr/bin/ringway.dpkg-tmp (deleted)"));
        assert!(!of("/usr/bin/ringway") && !of("/usr/bin/other (deleted)"));
    }
}
