//! What a kind of link must do. Everything above works on windows of memory; a link makes what was written at one
//! end visible at the other.
//!
//! Each end has its *own* window, which the peer writes, and a view of the *peer's* window, which it writes itself:
//! the real one where memory is shared, a shadow where bytes travel. All writes go to that view first, then the
//! link is told which area changed. Since positions only grow and the shadow keeps what the peer may lack, whatever
//! was lost can be put again.

use crate::{DownCause, LinkError, LinkKind, Result};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A part of the peer's window that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Reply slot of this index (server).
    Slot(u16),
    /// Head words of the completion board (server).
    Board,
    /// The session's words, and the head (server).
    Words,
    /// The error log, and the head (server).
    ErrorLog,
    /// How far incoming ring space was released (both).
    Released,
}

/// Who sleeps on the connection. At the client's end both may for a moment: a waiter takes the lead from a service
/// thread that sleeps and is left asleep, so each has a waker of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleeper {
    /// The server's GPU thread, or the client's leader but the service thread.
    Leader,
    /// The client's service thread.
    Service,
}

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Something came, or the peer went.
    Came,
    /// `wake` was called.
    Woken,
    /// The time passed.
    TimedOut,
}

/// First sleep of somebody who has just said that it sleeps.
///
/// The other side writes, then looks whether to ring, without a full fence between the two: a fence would make every
/// commit wait for the peer's cache line. So its look may come a store buffer's delay before its write is seen, and
/// the doorbell be missed. The sleeper therefore looks again after this long, when what was written before is long
/// visible, and only then sleeps for good.
pub(crate) const FIRST_SLEEP: Duration = Duration::from_millis(1);

/// What [`Link::progress`] brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Anything at all.
    pub any: bool,
    /// Reply slots that were filled, one bit each. Always 0 where the peer writes the memory itself.
    pub slots: u64,
    /// The board was written.
    pub board: bool,
}

/// A kind of link, at one end of a lane.
pub(crate) trait Link: Send + Sync {
    fn kind(&self) -> LinkKind;

    /// A record that ends at `end` was committed to the outgoing ring. True if it is left for later, because earlier
    /// ones are still under way: then somebody must call `progress` when they have arrived.
    fn ring_committed(&self, end: u64) -> bool;

    /// An area of the peer's window was written. May leave it for `flush`, except for reply slots.
    fn written(&self, area: Area);

    /// Hands everything to the transport now, as far as it takes it.
    fn flush(&self);

    /// The server's poll found nothing: a chance to send what is not urgent. Called very often.
    fn idle(&self);

    /// Incoming ring bytes before this position are in the own window.
    fn received(&self) -> u64;

    /// Takes in what has come, sends what could not be sent before. Never blocks.
    fn progress(&self) -> Progress;

    /// Finds out whether the peer is still there, where `progress` alone does not. Never blocks.
    fn check_peer(&self);

    /// Sleeps until something comes, `wake` is called, the peer goes or `timeout` has passed.
    fn park(&self, sleeper: Sleeper, timeout: Duration) -> Slept;

    /// How long a first sleep is before the sleeper looks again; zero if the peer's doorbells cannot be missed.
    fn first_sleep(&self) -> Duration;

    /// Forgets doorbells so far. Only by the one sleeper they are meant for: after a `park` that ended because
    /// something came, and if it is the leader still.
    fn drain_doorbell(&self);

    /// Wakes a sleeper of this end, now or at its next `park`.
    fn wake(&self, sleeper: Sleeper);

    /// Ends the connection.
    fn close(&self);

    /// Whether the lane is down.
    fn health(&self) -> &Health;
}

/// Sleeps on the link, in two parts where needed. `ready` is looked at between them. True if something came.
pub(crate) fn sleep_on(
    link: &dyn Link,
    sleeper: Sleeper,
    timeout: Duration,
    ready: impl Fn() -> bool,
) -> bool {
    let first = link.first_sleep();
    if first.is_zero() || timeout <= first {
        return link.park(sleeper, timeout) == Slept::Came;
    }
    match link.park(sleeper, first) {
        Slept::Came => true,
        Slept::Woken => false,
        Slept::TimedOut if ready() => false,
        Slept::TimedOut => link.park(sleeper, timeout - first) == Slept::Came,
    }
}

/// Whether and why a lane is down. Set once.
#[derive(Default)]
pub(crate) struct Health {
    failed: AtomicBool,
    cause: OnceLock<DownCause>,
}

impl Health {
    /// Marks the lane down; the first cause stays.
    #[cold]
    pub(crate) fn fail(&self, cause: DownCause) {
        let _ = self.cause.set(cause);
        self.failed.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_down(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn cause(&self) -> Option<DownCause> {
        if self.failed.load(Ordering::SeqCst) {
            self.cause.get().cloned()
        } else {
            None
        }
    }

    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_down() {
            Err(self.error())
        } else {
            Ok(())
        }
    }

    #[cold]
    pub(crate) fn error(&self) -> LinkError {
        LinkError::Down(self.cause.get().cloned().unwrap_or(DownCause::PeerClosed))
    }

    /// Marks the lane down because the peer broke `rule`.
    #[cold]
    pub(crate) fn misbehaved(&self, rule: &'static str, what: &'static str) -> LinkError {
        self.fail(DownCause::PeerMisbehaved { rule, what });
        self.error()
    }
}

/// Rule and wording for a corrupt ring.
pub(crate) fn corrupt_rule(corrupt: ringway_shm_ring::Corrupt) -> (&'static str, &'static str) {
    use ringway_shm_ring::Corrupt;
    match corrupt {
        Corrupt::Length => ("W6", "a record longer than the ring allows"),
        Corrupt::NotReleased => ("W7", "a record in space that was not released"),
        Corrupt::Padding => ("W5", "endless padding"),
    }
}
