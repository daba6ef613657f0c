//! Spare workers: started ahead of the sessions that take them, with the driver loaded and initialised, so that a program need not wait for
//! that. A spare has no context, so no memory of a GPU, and belongs to nobody; it is taken once, and never given back.
//!
//! What must be in a worker's environment before the driver is initialised depends on the session; those that need such a thing get a
//! worker of their own, as do those that come while no spare is ready.

use super::sessions::{has_ended, start_process};
use super::Server;
use ringway_wire::control::SPARE_IS_READY;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Spares at the most.
pub const SPARES_MAX: u32 = 16;
/// A spare must be ready within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// After a session has begun, its program has the machine for itself for this long; others that come meanwhile do not make it longer.
const SETTLE: Duration = Duration::from_millis(200);
/// First and longest wait after a spare that was not to be had, or has died.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A worker that waits.
pub(super) struct Spare {
    pub(super) pid: u32,
    pub(super) orders: UnixStream,
}

struct State {
    ready: Vec<Spare>,
    /// The one that gets ready. Better for a session than one that has not begun to.
    starting: Option<Spare>,
    /// How many there are to be now.
    wanted: u32,
    /// None is started before.
    not_before: Instant,
    /// Before the next one after one that failed.
    wait: Duration,
}

/// See the module.
pub(super) struct Spares {
    /// How many there are to be.
    count: u32,
    /// Whether one that was taken is replaced.
    replaced: bool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Spares {
    pub(super) fn new(count: u32, replaced: bool) -> Self {
        let state = State { ready: Vec::new(), starting: None, wanted: count, not_before: Instant::now(), wait: WAIT.0 };
        Self { count, replaced, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins: a spare for it, if there is one.
    pub(super) fn take(&self, fits: bool) -> Option<Spare> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.not_before <= now {
            state.not_before = now + SETTLE;
        }
        if !fits {
            return None;
        }
        let spare = loop {
            let spare = state.ready.pop().or_else(|| state.starting.take())?;
            // One that has just died is not offered to anybody.
            if !has_ended(spare.pid) {
                break spare;
            }
        };
        if !self.replaced {
            state.wanted = state.wanted.saturating_sub(1);
        }
        self.changed.notify_all();
        Some(spare)
    }

    /// Ends those that wait, and starts none until [`Spares::go_on`].
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.wanted = 0;
        // They end with their connections.
        state.ready.clear();
        state.starting = None;
    }

    pub(super) fn go_on(&self) {
        self.lock().wanted = self.count;
        self.changed.notify_all();
    }

    /// As [`Spares::stop`], and at once. The state is locked, so that none of them has been reaped.
    pub(super) fn kill(&self, _: &MutexGuard<'_, super::State>) {
        let mut state = self.lock();
        state.wanted = 0;
        let State { ready, starting, .. } = &mut *state;
        for spare in ready.drain(..).chain(starting.take()) {
            // SAFETY: sends a signal to a child of this process that has not been waited for, so that its number is nobody else's.
            unsafe { libc::kill(spare.pid as libc::pid_t, libc::SIGKILL) };
        }
    }

    /// A child has ended: it may have been a spare.
    pub(super) fn ended(&self, pid: u32) {
        let mut state = self.lock();
        let before = state.ready.len();
        state.ready.retain(|spare| spare.pid != pid);
        if state.ready.len() < before {
            tracing::warn!(worker = pid, "a spare worker ended");
            state.back_off();
            self.changed.notify_all();
        }
    }

    /// Waits until another one is to be started.
    fn wait(&self) {
        let mut state = self.lock();
        loop {
            let left = state.not_before.saturating_duration_since(Instant::now());
            if state.ready.len() as u32 >= state.wanted {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if left.is_zero() {
                return;
            } else {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

impl State {
    fn back_off(&mut self) {
        self.not_before = self.not_before.max(Instant::now() + self.wait);
        self.wait = (self.wait * 2).min(WAIT.1);
    }
}

impl Server {
    /// Keeps spare workers, for ever.
    pub(super) fn keep_spares(self: &Arc<Self>) {
        loop {
            self.spares.wait();
            match self.start_spare() {
                Ok(()) => {
                    let mut state = self.spares.lock();
                    // Unless it was taken, or is not wanted any more.
                    if let Some(spare) = state.starting.take() {
                        state.ready.push(spare);
                    }
                    state.wait = WAIT.0;
                }
                Err(error) => {
                    let mut state = self.spares.lock();
                    state.starting = None;
                    tracing::warn!("no spare worker: {error}; the next attempt is in {:?}, sessions start their own", state.wait);
                    state.back_off();
                }
            }
        }
    }

    /// Starts a spare worker and waits until it is ready.
    fn start_spare(self: &Arc<Self>) -> io::Result<()> {
        let (pid, mut orders) = {
            // Whoever takes this server's place must know of it.
            let mut state = self.lock();
            let mut spares = self.spares.lock();
            if spares.wanted == 0 {
                return Ok(());
            }
            let (child, orders) = start_process(&self.options.worker, |command| {
                command.arg("--spare");
            })?;
            let heard = orders.try_clone();
            state.others.insert(child.id());
            spares.starting = heard.is_ok().then_some(Spare { pid: child.id(), orders });
            (child.id(), heard)
        };
        let server = Arc::clone(self);
        std::thread::Builder::new().name("worker".into()).spawn(move || server.reap(pid))?;
        let orders = orders.as_mut().map_err(|error| io::Error::from(error.kind()))?;
        orders.set_read_timeout(Some(READY_TIMEOUT))?;
        let mut word = [0];
        if let Err(error) = orders.read_exact(&mut word) {
            return match error.kind() {
                // Its session has ended already, or it is not wanted any more.
                _ if self.spares.lock().starting.is_none() => Ok(()),
                io::ErrorKind::UnexpectedEof => Err(io::Error::other("it ended before it was ready, and has said why above")),
                _ => Err(error),
            };
        }
        if word[0] != SPARE_IS_READY {
            return Err(io::Error::other(format!("it said {word:?}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare() -> Spare {
        let (orders, _) = UnixStream::pair().unwrap();
        // A process that has not ended.
        Spare { pid: std::process::id(), orders }
    }

    #[test]
    fn a_spare_is_taken_once() {
        let spares = Spares::new(2, true);
        assert!(spares.take(true).is_none());
        spares.lock().ready.push(spare());
        assert!(spares.take(false).is_none());
        spares.lock().starting = Some(spare());
        assert!(spares.take(true).is_some() && spares.lock().starting.is_some());
        assert!(spares.take(true).is_some() && spares.take(true).is_none());
        assert_eq!(spares.lock().wanted, 2);
        let spares = Spares::new(2, false);
        spares.lock().ready.push(spare());
        assert!(spares.take(true).is_some());
        assert_eq!(spares.lock().wanted, 1);
    }

    #[test]
    fn stopped_there_are_none() {
        let spares = Spares::new(1, true);
        spares.lock().ready.push(spare());
        spares.stop();
        assert!(spares.take(true).is_none());
        assert_eq!(spares.lock().wanted, 0);
        spares.go_on();
        assert_eq!(spares.lock().wanted, 1);
    }

    #[test]
    fn one_that_died_is_replaced_later_and_later() {
        let spares = Spares::new(1, true);
        for _ in 0..20 {
            spares.lock().ready.push(spare());
            spares.ended(std::process::id());
        }
        let state = spares.lock();
        assert!(state.ready.is_empty() && state.wait == WAIT.1 && state.not_before > Instant::now());
    }
}
