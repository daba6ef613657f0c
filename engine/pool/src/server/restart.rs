//! Restart in place: this process executes the program that now lies where its own did, and keeps its sockets, its workers and what it
//! knows ([`handover`](super::handover)). Running sessions do not notice: their data is between their program and their worker.
//!
//! 1. The other program is asked whether it would take the place, with the state as it is: if not, nothing happens.
//! 2. The door closes: who is in gets an answer, who comes waits in the listeners' queues.
//! 3. Holders of leases are told to come back. Their connections may have TLS, which cannot be handed on.
//! 4. The state is written into a memory file, and the other program executed. Until then everything can be undone.

use super::handover::{Handover, Kept, STATE_VERSION, Taken, close_on_exec};
use super::leases::{Holder, stop_reading};
use super::{HandoverError, Membership, Server, ServeError, ServeOptions, State};
use crate::door::{Door, Listener};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Bound on the other program's answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// Bound on what is being answered when the door closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(25);
/// Bound on telling holders.
const TELL_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of the other program's words that are repeated.
const WORDS_MAX: usize = 600;

/// The program that is to take a server's place.
#[derive(Debug)]
pub struct Successor {
    /// Where it lies.
    pub exe: PathBuf,
    /// The words with which this one was started, the program's name first.
    pub words: Vec<OsString>,
    /// What it finds again.
    pub kept: Kept,
    /// The socket for metrics, by the address that was asked for.
    pub metrics: Option<(String, OwnedFd)>,
}

impl Successor {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.exe);
        if let Some(name) = self.words.first() {
            command.arg0(name);
        }
        command.args(self.words.iter().skip(1));
        command
    }

    /// What tells whether another file lies there.
    fn stamp(&self) -> io::Result<(u64, u64, i64, i64)> {
        let file = std::fs::metadata(&self.exe)?;
        Ok((file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
    }

    /// Asks the program whether it would take over; why not.
    fn ask(&self, state: OwnedFd) -> Result<(), String> {
        let mut command = self.command();
        command.arg("--check-handover").stdin(Stdio::from(state)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let deadline = Instant::now() + CHECK_TIMEOUT;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                other => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(other.err().map_or_else(|| format!("it did not answer within {CHECK_TIMEOUT:?}"), |error| error.to_string()));
                }
            }
        };
        let words = |from: Option<&mut dyn Read>| {
            let mut text = String::new();
            // What is no text says nothing.
            let _ = from.map(|from| from.take(1 << 16).read_to_string(&mut text));
            text
        };
        let said = words(child.stdout.as_mut().map(|out| out as &mut dyn Read));
        let why = words(child.stderr.as_mut().map(|out| out as &mut dyn Read));
        if status.success() && said == agreement() {
            return Ok(());
        }
        let why: String = why.trim().chars().take(WORDS_MAX).collect();
        if status.success() { Err("it is no `ringway`, or one that knows nothing of this".into()) } else { Err(format!("{status}: {why}")) }
    }
}

/// The signal that asks a server to restart in place.
pub const RESTART_SIGNAL: libc::c_int = libc::SIGUSR2;

/// Has the signal kept back in this thread and those that it starts, and in a program that is executed: one that comes before anybody can
/// hear it does not end the process, and is not lost. Says what else is kept back here.
pub fn keep_restart_signal_back() -> libc::sigset_t {
    // SAFETY: both places live for the calls, which fill them and change the mask of this thread.
    unsafe {
        let (mut restart, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&raw mut restart);
        libc::sigaddset(&raw mut restart, RESTART_SIGNAL);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const restart, &raw mut before);
        before
    }
}

/// Lets this thread, and those that it starts, be told of the signal; there must be somebody who hears it.
pub fn let_restart_signal_in() {
    // SAFETY: as above.
    unsafe {
        let mut restart: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut restart);
        libc::sigaddset(&raw mut restart, RESTART_SIGNAL);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const restart, std::ptr::null_mut());
    }
}

/// What a program says that would take over.
pub fn agreement() -> String {
    format!("takes over state {STATE_VERSION}\n")
}

impl Server {
    /// Restarts in place; returns only if that cannot be, with the reason, and then everything goes on.
    pub fn restart(&self, successor: &Successor) -> String {
        let metrics = || successor.metrics.as_ref().map(|(endpoint, fd)| (endpoint.clone(), fd.as_raw_fd()));
        let asked = successor.stamp().map_err(|error| error.to_string()).and_then(|stamp| {
            let state = self.state_file(&self.lock(), &successor.kept, metrics()).map_err(|error| error.to_string())?;
            successor.ask(state).map(|()| stamp)
        });
        let stamp = match asked {
            Ok(stamp) => stamp,
            Err(why) => return format!("{} cannot take over: {why}", successor.exe.display()),
        };
        // Those of the next program are its own.
        self.spares.stop();
        let why = if self.door.close(CLOSE_TIMEOUT) {
            self.send_holders_away();
            let state = self.lock();
            let why = match successor.stamp() {
                Ok(now) if now == stamp => self.execute(successor, &state, metrics()).to_string(),
                Ok(_) => "it was replaced once more meanwhile; try again".into(),
                Err(error) => error.to_string(),
            };
            format!("{} could not take over: {why}", successor.exe.display())
        } else {
            format!("there are requests that were not answered within {CLOSE_TIMEOUT:?}")
        };
        self.lock().restarting = false;
        self.spares.go_on();
        self.door.reopen();
        why
    }

    /// Ends the connections of all holders, and waits until each was told.
    fn send_holders_away(&self) {
        let mut state = self.lock();
        state.restarting = true;
        for lease in state.leases.values() {
            if let Some(line) = &lease.line {
                stop_reading(line);
            }
        }
        let are_there = |state: &mut State| {
            let mut leases = state.leases.values().filter(|lease| !lease.closing && !lease.ended);
            leases.any(|lease| !matches!(lease.holder, Holder::Awaited(_)))
        };
        let waited = self.held.wait_timeout_while(state, TELL_TIMEOUT, are_there);
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        if timed_out {
            tracing::warn!("not all holders of leases could be told of the restart; their connections end without a word");
        }
    }

    /// Executes the other program; returns only if that cannot be.
    fn execute(&self, successor: &Successor, state: &State, metrics: Option<(String, RawFd)>) -> io::Error {
        let metrics_fd = metrics.as_ref().map(|(_, fd)| *fd);
        let file = match self.state_file(state, &successor.kept, metrics) {
            Ok(file) => file,
            Err(error) => return error,
        };
        let fds: Vec<RawFd> = self.carried_fds(state).into_iter().chain(metrics_fd).chain([file.as_raw_fd()]).collect();
        let before = keep_restart_signal_back();
        let error = match fds.iter().try_for_each(|fd| close_on_exec(*fd, false)) {
            Ok(()) => successor.command().arg(format!("--handover={}", file.as_raw_fd())).exec(),
            Err(error) => error,
        };
        // SAFETY: the mask that was there a moment ago.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
        for fd in fds {
            if let Err(error) = close_on_exec(fd, true) {
                tracing::error!("a descriptor may stay open in workers: {error}");
            }
        }
        error
    }

    /// Whether a server with these options can take the place of the one that left this state.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub fn check(options: &ServeOptions, kept: &Kept, handover: &Handover) -> Result<(), HandoverError> {
        handover.suits(options, kept)?;
        Ok(Door::check(&options.door, |endpoint| handover.listens_at(endpoint))?)
    }

    /// Takes the place of the server that left this state; [`Server::run`] then serves.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn take_over(options: ServeOptions, kept: &Kept, handover: Handover) -> Result<(Arc<Self>, Vec<Listener>), ServeError> {
        handover.suits(&options, kept)?;
        let Taken { driver, mut listeners, state, membership } = handover.take()?;
        let membership = match (options.pool.clone(), membership) {
            (Some(pool), Some(carried)) => Some(Membership::after(pool, carried)),
            (Some(pool), None) => Some(Membership::new(pool)?),
            (None, _) => None,
        };
        let (door, bound) = Door::open(&options.door, |endpoint| {
            let at = listeners.iter().position(|(at, _)| at == endpoint)?;
            Some(listeners.swap_remove(at).1)
        })?;
        // Addresses that the settings do not name any more.
        drop(listeners);
        let server = Self::with(options, driver, door, &bound, membership, state)?;
        server.go_on_with_all()?;
        Ok((server, bound))
    }

    /// A thread for each lease and each child.
    fn go_on_with_all(self: &Arc<Self>) -> io::Result<()> {
        let state = self.lock();
        let spawn = |name: &str, then: Box<dyn FnOnce(&Self) + Send>| {
            let server = Arc::clone(self);
            std::thread::Builder::new().name(name.into()).spawn(move || then(&server)).map(drop)
        };
        for id in state.leases.keys() {
            let id = id.clone();
            spawn("lease", Box::new(move |server| server.hold_after_restart(&id)))?;
        }
        for pid in state.sessions.values().map(|session| session.pid).chain(state.others.iter().copied()) {
            spawn("worker", Box::new(move |server| server.reap(pid)))?;
        }
        Ok(())
    }
}
