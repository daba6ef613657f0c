//! Keeping a lease: its holder's end of the connection that it lives by, which is made again when it breaks.

use crate::endpoint::{Connection, Target};
use ringway_wire::control::{self, ControlError, GRACE_AFTER_END_MS, RESTART_PATIENCE_MS_MAX, Reply, Request};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bound on one attempt to reach the server again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// First and longest wait between two attempts.
const WAIT_FIRST: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_millis(500);

/// Why a lease is not held any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The server has ended it: its words, cause and cure.
    Ended(String),
    /// It could not be held; why.
    Broken(String),
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended(why) => f.write_str(why),
            Self::Broken(why) => write!(f, "the lease is gone ({why})"),
        }
    }
}

/// Waits between attempts: doubling, bounded, and over at a deadline.
#[derive(Debug)]
pub struct BackOff {
    wait: Duration,
    deadline: Instant,
}

impl BackOff {
    /// Attempts until `patience` has passed.
    pub fn new(patience: Duration) -> BackOff {
        BackOff {
            wait: WAIT_FIRST,
            deadline: Instant::now() + patience,
        }
    }

    /// How long to wait before the next attempt; None when there is to be none.
    pub fn next_wait(&mut self) -> Option<Duration> {
        let wait = self.wait;
        self.wait = (wait * 2).min(WAIT_MAX);
        (Instant::now() + wait < self.deadline).then_some(wait)
    }

    /// Bound of an attempt that begins now.
    pub fn attempt_timeout(&self) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .clamp(Duration::from_millis(50), ATTEMPT_TIMEOUT)
    }
}

struct State {
    connection: Connection,
    /// The holder is about to end the lease.
    ending: bool,
    /// Nobody holds the lease any more.
    over: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    server: Target,
    lease: String,
    secret: String,
    grace: Duration,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a lease on a thread of its own.
pub struct Keeper {
    shared: Arc<Shared>,
}

impl Keeper {
    /// Takes over the connection on which the lease was granted. `lost` is called once if the lease cannot be held any more,
    /// with the reason; `grace` is how long the server keeps it when the connection breaks.
    ///
    /// # Errors
    /// What the kernel says when there is no thread or descriptor left.
    pub fn start(
        connection: Connection,
        server: Target,
        (lease, secret): (String, String),
        grace: Duration,
        prepare: impl FnOnce() + Send + 'static,
        lost: impl FnOnce(Lost) + Send + 'static,
    ) -> io::Result<Keeper> {
        connection.set_read_timeout(None)?;
        connection.bound_silence()?;
        let mut reading = connection.try_clone()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                connection,
                ending: false,
                over: false,
            }),
            changed: Condvar::new(),
            server,
            lease,
            secret,
            grace,
        });
        let keeping = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("lease".into())
            .spawn(move || {
                prepare();
                let why = keeping.keep(&mut reading);
                let mut state = keeping.lock();
                state.over = true;
                let ending = state.ending;
                drop(state);
                keeping.changed.notify_all();
                if !ending {
                    lost(why);
                }
            })?;
        Ok(Keeper { shared })
    }

    /// Tells the server that the end of this process will be the end of the lease. Until then the lease is held.
    pub fn announce_end(&self) {
        let mut state = self.shared.lock();
        state.ending = true;
        // If the connection is broken, the server will notice by itself.
        let _ = control::send(&mut state.connection, &Request::Farewell);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Gives the lease back, without waiting for that.
    fn say_release(&self) {
        self.announce_end();
        let _ = self.shared.lock().connection.end_writing();
    }

    /// Gives the lease back and waits, at most `timeout`, until the server has freed what was leased.
    pub fn release(self, timeout: Duration) {
        self.say_release();
        let state = self.shared.lock();
        let _ = self
            .shared
            .changed
            .wait_timeout_while(state, timeout, |state| !state.over);
    }

    /// Whether nobody holds the lease any more.
    pub fn is_over(&self) -> bool {
        self.shared.lock().over
    }

    fn is_ending(&self) -> bool {
        self.shared.lock().ending
    }

    /// Lets go of the lease without a word: its server is about to be stopped.
    pub fn abandon(&self) {
        self.shared.lock().ending = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !self.is_ending() {
            self.say_release();
        }
    }
}

impl Shared {
    /// Until the lease is over; why.
    fn keep(&self, reading: &mut Connection) -> Lost {
        let brief = Duration::from_millis(GRACE_AFTER_END_MS);
        loop {
            // What the server said of its restart.
            let mut restart = None;
            let (how, patience) = loop {
                match control::receive::<Reply>(reading) {
                    Ok(Reply::Ended { reason, cure }) => return Lost::Ended(format!("{reason}; {cure}")),
                    Ok(Reply::Restarting { back_ms }) => restart = Some(Duration::from_millis(back_ms.min(RESTART_PATIENCE_MS_MAX))),
                    Ok(_) => {}
                    // As with lanes: the server ended, or something on the way did, and then is soon back.
                    Err(ControlError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        break ("the server closed its connection".to_owned(), brief);
                    }
                    Err(ControlError::Io(error)) => break (error.to_string(), self.grace),
                    Err(error) => break (error.to_string(), brief),
                }
            };
            match self.again(restart.unwrap_or(patience.min(self.grace)), restart.is_some()) {
                Ok(connection) => *reading = connection,
                Err(why) => return Lost::Broken(format!("{how}; {why}")),
            }
        }
    }

    /// Holds the lease again. A server that restarts keeps it until it is held, be it to be told that it is not wanted any more.
    fn again(&self, patience: Duration, restarts: bool) -> Result<Connection, String> {
        let mut attempts = BackOff::new(patience);
        loop {
            if self.lock().ending && !restarts {
                return Err("released".into());
            }
            let why = match self.attempt(attempts.attempt_timeout()) {
                Ok(connection) => return Ok(connection),
                Err((why, false)) => return Err(why),
                Err((why, true)) => why,
            };
            let Some(wait) = attempts.next_wait() else {
                return Err(why);
            };
            let state = self.lock();
            let _ = self
                .changed
                .wait_timeout_while(state, wait, |state| !state.ending || restarts);
        }
    }

    /// One attempt; why not, and whether another may succeed.
    fn attempt(&self, timeout: Duration) -> Result<Connection, (String, bool)> {
        let failed = |error: io::Error| (error.to_string(), true);
        let mut connection = self.server.connect(timeout).map_err(failed)?;
        let request = Request::Hold {
            lease: self.lease.clone(),
            secret: self.secret.clone(),
        };
        let reply = control::send(&mut connection, &request)
            .and_then(|()| control::receive::<Reply>(&mut connection));
        match reply {
            Ok(Reply::Held) => {}
            Ok(Reply::NotResumed { reason, again, .. }) => return Err((reason, again)),
            Ok(_) => return Err(("the server does not hold leases again".into(), false)),
            Err(ControlError::Io(error)) => return Err(failed(error)),
            Err(error) => return Err((error.to_string(), false)),
        }
        connection
            .set_read_timeout(None)
            .and_then(|()| connection.bound_silence())
            .map_err(failed)?;
        let reading = connection.try_clone().map_err(failed)?;
        let mut state = self.lock();
        state.connection = connection;
        if state.ending {
            let _ = control::send(&mut state.connection, &Request::Farewell);
            let _ = state.connection.end_writing();
        }
        Ok(reading)
    }
}
