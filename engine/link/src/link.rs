//! What a kind of link must do. Everything above works on windows of memory; a link makes what was written at one
//! end visible at the other.
//!
//! Each end has its *own* window, which the peer writes, and a view of the *peer's* window, which it writes itself:
//! the real one where memory is shared, a shadow where bytes travel. All writes go to that view first, then the
//! link is told which area changed. Since positions only grow and the shadow keeps what the peer may lack, whatever
//! was lost can be put again: by another link over the same windows, see [`crate::lane`].

use crate::rdma::Transfers;
use crate::{DownCause, LinkError, LinkKind, Result};
use std::sync::{Arc, OnceLock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A part of the peer's window that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Reply slot of this index (server).
    Slot(u16),
    /// Head words of the completion board (server).
    Board,
    /// The position executed, a head word too (server).
    Executed,
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

/// What a link did with what it was told.
#[must_use = "what is left for later or told to a link of the past must be seen to"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is sent, or will be by this link's own doing.
    Done,
    /// It waits for earlier ones: somebody must call `progress` when they have arrived.
    Later,
    /// The link was retired. Whoever told it tells the lane's current one, unless that is the same still: then the
    /// link that replaces it will find everything in the windows.
    Retired,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The peer is gone for good: it said farewell before, or this kind of link knows.
    Gone,
    /// The peer's end was closed without a farewell: its process was killed, or something between the two closed.
    EndOfStream,
    /// The connection was reset.
    Reset,
    /// The transport failed: silence past the bound, no route, a queue pair in error.
    Failed(String),
    /// The peer broke a rule of WIRE.md.
    Misbehaved {
        /// Its number.
        rule: &'static str,
        /// What was seen.
        what: &'static str,
    },
    /// This end's own ring was overwritten.
    Damaged(&'static str),
    /// This end closed it.
    Closed,
}

impl Break {
    /// Whether another link may continue.
    pub(crate) fn may_resume(&self) -> bool {
        matches!(self, Break::EndOfStream | Break::Reset | Break::Failed(_))
    }

    /// What the lane is down of if no other link continues.
    pub(crate) fn cause(&self) -> DownCause {
        match self {
            Break::Gone | Break::EndOfStream | Break::Reset => DownCause::PeerClosed,
            Break::Failed(why) => DownCause::Transport(why.clone()),
            Break::Misbehaved { rule, what } => DownCause::PeerMisbehaved { rule, what },
            Break::Damaged(what) => {
                DownCause::Transport(format!("this end's own ring was overwritten: {what}"))
            }
            Break::Closed => DownCause::ClosedHere,
        }
    }
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Break::EndOfStream => f.write_str("closed without a farewell"),
            Break::Reset => f.write_str("connection reset"),
            Break::Failed(why) => f.write_str(why),
            other => write!(f, "{}", other.cause()),
        }
    }
}

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

    /// A record that ends at `end` was committed to the outgoing ring.
    fn ring_committed(&self, end: u64) -> Told;

    /// An area of the peer's window was written. May leave it for `flush`, except for reply slots.
    fn written(&self, area: Area) -> Told;

    /// Hands everything to the transport now, as far as it takes it.
    fn flush(&self);

    /// The record that ends here is a call: its answer, or what is said of a later record, acknowledges it and all before it (W19), so that a
    /// client which sleeps until then is not woken twice.
    fn answer_acknowledges(&self, _end: u64) {}

    /// Until [`Link::uncork`], what is written may stay here: there is more to come at once, and all of it goes together. The server's.
    fn cork(&self) {}

    /// Ends the last [`Link::cork`], and sends.
    fn uncork(&self) {}

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

    /// Whether the server wakes a waiter itself, by the futex word of its reply slot, also when there is a notice that nobody else is
    /// awake for. Then no waiter sleeps on the connection.
    fn wakes_waiters(&self) -> bool {
        false
    }

    /// Whether the sleep of the client's service thread ends when something comes: not, while a waiter sleeps on the same connection, who would
    /// be woken beside it. False, and nothing is changed, where this kind of link cannot do that.
    fn set_service_deaf(&self, _deaf: bool) -> bool {
        false
    }

    /// How long a first sleep is before the sleeper looks again; zero if the peer's doorbells cannot be missed.
    fn first_sleep(&self) -> Duration;

    /// Forgets doorbells so far. Only by the one sleeper they are meant for: after a `park` that ended because
    /// something came, and if it is the leader still.
    fn drain_doorbell(&self);

    /// Wakes a sleeper of this end, now or at its next `park`.
    fn wake(&self, sleeper: Sleeper);

    /// Tells the peer that the end of the connection, whenever it comes, will be the end of the lane. The link goes on.
    fn farewell(&self);

    /// Ends the connection, with a farewell.
    fn close(&self);

    /// Called once, when the link has become its lane's. One that continues another ([`Start`]) puts again everything that
    /// the peer may lack: the ring from the position that the peer has received, every reply slot that was ever
    /// filled, the whole board, what was released. What was written before this call is visible to it.
    ///
    /// [`Start`]: crate::lane::Start
    fn start(&self);

    /// Ends the link for good, because another takes its place: when this returns, it writes nothing into the own window
    /// and reads nothing of the peer's for the transport any more, its sleepers have left `park`, its descriptors,
    /// buffers and registrations are given back, and the peer's end of the connection is broken by other means than an
    /// orderly end. Every method may be called still, by threads that took it for the lane's link a moment ago, and
    /// does nothing or answers [`Told::Retired`]. Returns what `received` says, for ever. May be called again.
    fn retire(&self) -> u64;

    /// Transfers past the ring, where this kind of link has them.
    fn transfers(&self) -> Option<&Arc<Transfers>> {
        None
    }

    /// A transfer failed: the link is given up, at both ends. When this returns, nothing that is written into the window
    /// from now on goes out by this link. Does nothing where there are no transfers.
    fn break_off(&self, _why: String) {}

    /// This end has found the link broken, and the lane waits for another: lets the peer know, where it might not notice by
    /// itself.
    fn tell_broken(&self) {}

    /// Whether and how the link ended. The link itself sets it, as soon as it knows.
    fn condition(&self) -> &Condition;
}

/// Whether and how a link ended. Set once.
#[derive(Default)]
pub(crate) struct Condition {
    broken: AtomicBool,
    how: OnceLock<Break>,
}

impl Condition {
    /// Marks the link broken; the first word stays.
    #[cold]
    pub(crate) fn fail(&self, how: Break) {
        let _ = self.how.set(how);
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Marks the link broken because the peer broke `rule`.
    #[cold]
    pub(crate) fn misbehaved(&self, rule: &'static str, what: &'static str) {
        self.fail(Break::Misbehaved { rule, what });
    }

    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub(crate) fn how(&self) -> Option<Break> {
        if self.broken.load(Ordering::SeqCst) {
            self.how.get().cloned()
        } else {
            None
        }
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
