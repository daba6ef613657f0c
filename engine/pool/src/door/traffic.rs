//! Connections that are being answered, and whether more are let in: so that a server can stop between two answers, and not within one.

use super::connection::Stream;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct State {
    busy: usize,
    stopped: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Traffic {
    state: Mutex<State>,
    changed: Condvar,
}

/// A connection that is being answered, for as long as this is there.
pub(crate) struct Busy(Arc<Traffic>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        self.0.changed.notify_all();
    }
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, when any may be; `accept` must not block.
    pub(super) fn enter(self: &Arc<Self>, accept: impl FnOnce() -> io::Result<Stream>) -> io::Result<(Stream, Busy)> {
        let mut state = self.changed.wait_while(self.lock(), |state| state.stopped).unwrap_or_else(PoisonError::into_inner);
        let stream = accept()?;
        state.busy += 1;
        Ok((stream, Busy(Arc::clone(self))))
    }

    /// Nobody is taken in from now on. Waits until those who were are answered; whether they are.
    pub(super) fn stop(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        state.stopped = true;
        let (state, _) = self.changed.wait_timeout_while(state, limit, |state| state.busy > 0).unwrap_or_else(PoisonError::into_inner);
        state.busy == 0
    }

    pub(super) fn go_on(&self) {
        self.lock().stopped = false;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    fn one() -> io::Result<Stream> {
        Ok(Stream::Unix(UnixStream::pair()?.0))
    }

    #[test]
    fn those_who_are_in_are_waited_for_and_others_wait() {
        let traffic = Arc::new(Traffic::default());
        let (_stream, busy) = traffic.enter(one).unwrap();
        assert!(!traffic.stop(Duration::from_millis(1)));
        let (entered, told) = channel();
        let other = Arc::clone(&traffic);
        let thread = std::thread::spawn(move || {
            let _in = other.enter(one).unwrap();
            entered.send(()).unwrap();
        });
        drop(busy);
        assert!(traffic.stop(Duration::from_secs(60)));
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "somebody was let in by a door that is closed");
        traffic.go_on();
        told.recv_timeout(Duration::from_secs(60)).unwrap();
        thread.join().unwrap();
        assert!(traffic.stop(Duration::from_secs(60)));
    }

    #[test]
    fn who_could_not_be_taken_in_is_not_waited_for() {
        let traffic = Arc::new(Traffic::default());
        assert!(traffic.enter(|| Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert!(traffic.stop(Duration::ZERO));
    }
}
