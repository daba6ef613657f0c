//! What both ends of a lane have in common, and what stays when a link is replaced.
//!
//! The windows, the rings' positions and everything that waits belong to the lane; a link only carries bytes between
//! the windows. When a link that may be continued breaks ([`Break::may_resume`]), the lane is *suspended*: calls wait,
//! records fill the ring, answers fill their slots. Then the two ends agree on a new connection outside of this
//! crate, tell each other how many ring bytes they have received ([`Positions`]), and each makes another link over
//! the same windows ([`Windows`], [`Start`]), of any kind. That one puts again what the other end lacks, and the lane
//! goes on. Every record is there once, because a ring byte has one place and one position.
//!
//! The link in use is read with one load. Those of the past are kept, retired and empty, until the lane ends, so that a
//! thread that took one a moment ago can still call it.

use crate::landing::Landing;
use crate::lent::Lent;
use crate::link::{Area, Break, Health, Link, Sleeper, Slept, Told, corrupt_rule};
use crate::sleep::{Wakers, until_readable};
use crate::{DownCause, LaneConfig, LinkError, LinkKind, Result};
use ringway_shm_ring::{Consumer, LINE, Region, Span, futex};
use ringway_wire::layout::*;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// Links that one lane may have had; each leaves about a kilobyte until the lane ends.
const LINKS_MAX: usize = 10_000;

/// The windows of a lane at one end, and what a link needs to know of them.
#[derive(Clone)]
pub(crate) struct Windows {
    /// This is the server's end.
    pub server: bool,
    /// What the peer writes.
    pub own: Span,
    /// What this end writes: the peer's window, or its shadow.
    pub peer: Span,
    pub config: LaneConfig,
    /// Who sleeps at this end, whichever link it sleeps on. Kinds of link that sleep in poll(2) use these.
    pub wakers: Arc<Wakers>,
    /// Payloads of the outgoing ring that lie elsewhere.
    pub lent: Arc<Lent>,
    /// Payloads of the incoming ring that lie elsewhere. Only a client receives such.
    pub landing: Arc<Landing>,
}

impl Windows {
    pub(crate) fn new(server: bool, own: Span, peer: Span, config: &LaneConfig) -> Result<Windows> {
        let ring = outgoing_ring(server, &peer, config);
        let read = if server { CONTROL_NOTICE_RELEASED } else { BOARD_CONSUMED };
        let lent = Arc::new(Lent::new(ring, own.sub(read, 8)));
        let landing = Arc::new(Landing::new(incoming_ring(server, &own, config), notice_key(config.lane_key)));
        Ok(Windows {
            server,
            own,
            peer,
            config: *config,
            wakers: Arc::new(Wakers::new()?),
            lent,
            landing,
        })
    }

    /// Over private memory: the peer's window is a shadow.
    pub(crate) fn private(server: bool, config: &LaneConfig) -> Result<Windows> {
        let region = |bytes| match Region::anonymous(bytes) {
            Ok(region) => Ok(region.span()),
            Err(error) => Err(LinkError::System {
                what: "window",
                error: error.to_string(),
            }),
        };
        let servers = region(config.geometry.server_window_bytes())?;
        let clients = region(config.geometry.client_window_bytes())?;
        if server {
            Windows::new(true, servers, clients, config)
        } else {
            Windows::new(false, clients, servers, config)
        }
    }

    /// The ring that this end fills, in the peer's window, and its key.
    pub(crate) fn outgoing(&self) -> (Span, u64) {
        let key = if self.server {
            notice_key(self.config.lane_key)
        } else {
            submit_key(self.config.lane_key)
        };
        (outgoing_ring(self.server, &self.peer, &self.config), key)
    }

    /// The ring that the peer fills, in the own window.
    pub(crate) fn incoming(&self) -> Span {
        incoming_ring(self.server, &self.own, &self.config)
    }

    /// How far this end has told, or is about to tell, the peer that it has released what it receives.
    pub(crate) fn released_here(&self) -> u64 {
        let at = if self.server {
            BOARD_RELEASED
        } else {
            CONTROL_NOTICE_RELEASED
        };
        self.peer.load_u64(at, Ordering::Acquire)
    }

    /// How far the peer says that it has released what this end sent: a record begins there, and everything from there
    /// on is intact in the outgoing ring.
    pub(crate) fn released_by_peer(&self) -> u64 {
        let at = if self.server {
            CONTROL_NOTICE_RELEASED
        } else {
            BOARD_RELEASED
        };
        self.own.load_u64(at, Ordering::Acquire)
    }
}

/// The ring that this end fills, in the peer's window or its shadow.
fn outgoing_ring(server: bool, peer: &Span, config: &LaneConfig) -> Span {
    if server {
        peer.sub(NOTICE_RING_AT, config.geometry.notice_bytes())
    } else {
        peer.sub(SUBMIT_RING_AT, config.geometry.ring_bytes())
    }
}

/// The ring that the peer fills, in the own window.
fn incoming_ring(server: bool, own: &Span, config: &LaneConfig) -> Span {
    if server {
        own.sub(SUBMIT_RING_AT, config.geometry.ring_bytes())
    } else {
        own.sub(NOTICE_RING_AT, config.geometry.notice_bytes())
    }
}

/// Where a link begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    /// Incoming ring bytes that are in the own window already.
    pub received: u64,
    /// Outgoing ring bytes that the peer has: send from here on.
    pub peer_received: u64,
    /// The link continues another one: [`Link::start`] puts everything again.
    pub again: bool,
    /// Number of the link, the same at both ends: that of the attempt that made it, 0 for the first.
    pub number: u64,
}

/// What one end of a lane tells the other before a new link: rule W17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Ring bytes received without a gap.
    pub received: u64,
}

/// Why a lane was not resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotResumed {
    /// Its link works, as far as this end knows. May change: an end learns later than the other that a link broke.
    #[error("the lane's link is up")]
    Up,
    /// Another attempt is under way.
    #[error("another attempt to resume the lane is under way")]
    Busy,
    /// An attempt with this number or a later one was made before: this one is a repetition.
    #[error("the attempt is out of date")]
    Stale,
    /// The lane cannot be resumed: its memory is shared, or the session does not want it.
    #[error("the lane cannot be resumed")]
    Never,
    /// The lane has ended.
    #[error("the lane has ended: {0}")]
    Down(DownCause),
}

impl NotResumed {
    /// Whether a later attempt may succeed.
    pub fn may_change(&self) -> bool {
        matches!(self, NotResumed::Up | NotResumed::Busy)
    }
}

/// What happened to a lane's link, for whoever shows it.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// It broke; the lane is suspended.
    Broke {
        /// How, in words.
        how: String,
    },
    /// Another one continues.
    Resumed {
        /// Of this kind.
        kind: LinkKind,
        /// How the link before it broke, in words.
        how: String,
        /// How long the lane was suspended.
        pause: Duration,
    },
}

/// How long a suspended lane is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// `None`: until somebody gives up.
    pub grace: Option<Duration>,
    /// The same after the end of the stream without a farewell, which is what a killed process leaves.
    pub grace_after_end: Option<Duration>,
}

struct Suspension {
    how: Break,
    since: Instant,
    until: Option<Instant>,
}

type Watcher = Box<dyn Fn(&LinkEvent) + Send + Sync>;

#[derive(Default)]
struct State {
    /// Every link there was; the last is the current one.
    holders: Vec<Arc<Holder>>,
    patience: Option<Patience>,
    suspension: Option<Suspension>,
    resuming: bool,
    /// Number of the last attempt.
    attempt: u64,
}

struct Holder(Box<dyn Link>);

/// The links of a lane, one after the other, and the lane's state.
pub(crate) struct Links {
    /// Into the last of `State::holders`.
    current: AtomicPtr<Holder>,
    suspended: AtomicBool,
    health: Health,
    pub(crate) windows: Windows,
    state: Mutex<State>,
    watcher: OnceLock<Watcher>,
}

impl Links {
    pub(crate) fn new(link: Box<dyn Link>, windows: Windows) -> Links {
        let holder = Arc::new(Holder(link));
        let links = Links {
            current: AtomicPtr::new(Arc::as_ptr(&holder).cast_mut()),
            suspended: AtomicBool::new(false),
            health: Health::default(),
            windows,
            state: Mutex::new(State {
                holders: vec![holder],
                ..State::default()
            }),
            watcher: OnceLock::new(),
        };
        links.link().start();
        links
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The link in use.
    #[inline]
    pub(crate) fn link(&self) -> &dyn Link {
        // SAFETY: points into a holder of `State::holders`, of which none is removed while `self` lives.
        unsafe { &*(*self.current.load(Ordering::Acquire)).0 }
    }

    /// Whether the lane is down; a suspended one is not.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        self.health.check()
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Down, or suspended: nothing comes now.
    #[inline]
    pub(crate) fn is_still(&self) -> bool {
        self.link().condition().is_broken() || self.health.is_down()
    }

    #[inline]
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    /// Notices that the link broke. Errors: `Down`.
    #[inline]
    pub(crate) fn look(&self) -> Result<()> {
        if self.link().condition().is_broken() {
            self.broke();
        }
        self.check()
    }

    /// The link is broken: suspends the lane or ends it. True if that is news.
    #[cold]
    pub(crate) fn broke(&self) -> bool {
        if self.suspended.load(Ordering::Acquire) || self.health.is_down() {
            return false;
        }
        let (how, told) = {
            let mut state = self.lock();
            let link = self.link();
            let Some(how) = link.condition().how() else {
                // Replaced meanwhile.
                return false;
            };
            if state.suspension.is_some() {
                return false;
            }
            // A peer that ended its stream knows; a reset would look to it like a break.
            let tells = how != Break::EndOfStream;
            let suspended = match state.patience.filter(|_| how.may_resume()) {
                None => {
                    self.health.fail(how.cause());
                    None
                }
                Some(patience) => {
                    let since = Instant::now();
                    let grace = if how == Break::EndOfStream {
                        patience.grace_after_end
                    } else {
                        patience.grace
                    };
                    let words = how.to_string();
                    state.suspension = Some(Suspension {
                        how,
                        since,
                        until: grace.map(|grace| since + grace),
                    });
                    self.suspended.store(true, Ordering::SeqCst);
                    Some(words)
                }
            };
            (suspended, tells.then_some(link))
        };
        if let (Some(_), Some(link)) = (&how, told) {
            link.tell_broken();
        }
        if let (Some(how), Some(watcher)) = (how, self.watcher.get()) {
            watcher(&LinkEvent::Broke { how });
        }
        self.wake_all();
        true
    }

    /// Ends the lane; the first cause stays.
    #[cold]
    pub(crate) fn fail(&self, cause: DownCause) {
        self.health.fail(cause);
        self.wake_all();
    }

    /// Ends the lane because the peer broke `rule`.
    #[cold]
    pub(crate) fn misbehaved(&self, rule: &'static str, what: &'static str) -> LinkError {
        self.fail(DownCause::PeerMisbehaved { rule, what });
        self.health.error()
    }

    /// A suspended lane whose time is over ends.
    pub(crate) fn expire(&self) {
        if !self.is_suspended() {
            return;
        }
        let state = self.lock();
        let Some(suspension) = state.suspension.as_ref().filter(|_| !state.resuming) else {
            return;
        };
        if suspension
            .until
            .is_some_and(|until| until <= Instant::now())
        {
            let cause = match &suspension.how {
                Break::EndOfStream => DownCause::PeerClosed,
                how => DownCause::Transport(format!(
                    "{how}, and the peer did not come back within {:.0?}",
                    suspension.since.elapsed()
                )),
            };
            drop(state);
            self.fail(cause);
        }
    }

    /// Sleeps on the link in use, or, while there is none, until there is another, the lane ends, `wake` is called or
    /// the time has passed.
    pub(crate) fn park(&self, sleeper: Sleeper, timeout: Duration) -> Slept {
        let link = self.link();
        if !link.condition().is_broken() {
            return link.park(sleeper, timeout);
        }
        self.broke();
        let left = match &self.lock().suspension {
            Some(Suspension {
                until: Some(until), ..
            }) => {
                // A resumption that is under way at the end has a little more.
                let left = until.saturating_duration_since(Instant::now());
                timeout.min(left.max(Duration::from_millis(10)))
            }
            _ => timeout,
        };
        let slept = if self.health.is_down() || !self.link().condition().is_broken() {
            Slept::Woken
        } else {
            until_readable(-1, false, self.windows.wakers.of(sleeper), left)
        };
        self.expire();
        slept
    }

    /// Sleeps on the link, in two parts where needed. `ready` is looked at between them. True if something came.
    pub(crate) fn sleep(
        &self,
        sleeper: Sleeper,
        timeout: Duration,
        ready: impl Fn() -> bool,
    ) -> bool {
        let first = self.link().first_sleep();
        if first.is_zero() || timeout <= first {
            return self.park(sleeper, timeout) == Slept::Came;
        }
        match self.park(sleeper, first) {
            Slept::Came => true,
            Slept::Woken => false,
            Slept::TimedOut if ready() => false,
            Slept::TimedOut => self.park(sleeper, timeout - first) == Slept::Came,
        }
    }

    /// Tells the link what was written, and the next one if it was replaced meanwhile.
    #[inline]
    pub(crate) fn written(&self, area: Area) {
        let link = self.link();
        if link.written(area) == Told::Retired {
            self.tell_again(link, |link| link.written(area));
        }
    }

    /// As [`Links::written`], of a record; true if it is left for later.
    #[inline]
    pub(crate) fn ring_committed(&self, end: u64) -> bool {
        let link = self.link();
        match link.ring_committed(end) {
            Told::Done => false,
            Told::Later => true,
            Told::Retired => self.tell_again(link, |link| link.ring_committed(end)),
        }
    }

    /// Tells the link in use; true if it leaves that for later.
    #[cold]
    fn tell_again(&self, told: &dyn Link, tell: impl Fn(&dyn Link) -> Told) -> bool {
        let mut told = told;
        loop {
            // What is told of was written before the look at the link in use; who replaces that looks for what was
            // written afterwards. [SYNC replace]
            fence(Ordering::SeqCst);
            let link = self.link();
            if std::ptr::addr_eq(link, told) {
                return false;
            }
            told = link;
            match tell(link) {
                Told::Done => return false,
                Told::Later => return true,
                Told::Retired => {}
            }
        }
    }

    /// Wakes a sleeper of this end, now or at its next `park`.
    pub(crate) fn wake(&self, sleeper: Sleeper) {
        let mut link = self.link();
        loop {
            link.wake(sleeper);
            fence(Ordering::SeqCst);
            let now = self.link();
            if std::ptr::addr_eq(link, now) {
                break;
            }
            link = now;
        }
        if self.is_suspended() {
            self.windows.wakers.of(sleeper).wake();
        }
    }

    fn wake_all(&self) {
        self.wake(Sleeper::Leader);
        self.wake(Sleeper::Service);
        self.windows.wakers.wake_all();
    }

    /// Ends connection and lane.
    pub(crate) fn close(&self) {
        self.link().close();
        self.fail(DownCause::ClosedHere);
    }

    /// From now on a broken link suspends the lane. Does nothing where memory is shared: a peer that is gone there is
    /// gone for good.
    pub(crate) fn keep(&self, patience: Patience) {
        if self.link().kind() != LinkKind::Shm {
            self.lock().patience = Some(patience);
        }
    }

    /// Who is told when a link breaks and when another continues; once.
    pub(crate) fn watch(&self, watcher: Watcher) -> Result<()> {
        self.watcher
            .set(watcher)
            .map_err(|_| LinkError::Misuse("the lane is watched already"))
    }

    /// Begins to replace a broken link: retires it. `attempt` must be greater than every one before; `tail` says where
    /// what was written into the outgoing ring ends.
    pub(crate) fn begin(
        &self,
        attempt: Option<u64>,
        tail: impl FnOnce() -> u64,
    ) -> Result<Resumption<'_>, NotResumed> {
        // The thread whose affair it is may be at work elsewhere, and not have heard of the end.
        if !self.link().condition().is_broken() {
            self.link().progress();
            self.link().check_peer();
        }
        let _ = self.look();
        let mut state = self.lock();
        if let Some(cause) = self.health.cause() {
            return Err(NotResumed::Down(cause));
        }
        if state.patience.is_none() || state.holders.len() >= LINKS_MAX {
            return Err(NotResumed::Never);
        }
        let attempt = attempt.unwrap_or(state.attempt + 1);
        if attempt <= state.attempt {
            return Err(NotResumed::Stale);
        }
        if state.resuming {
            return Err(NotResumed::Busy);
        }
        if state.suspension.is_none() {
            return Err(NotResumed::Up);
        }
        state.attempt = attempt;
        state.resuming = true;
        drop(state);
        // A record is complete, and may have been released, before the bytes that fill it up to the next line have come.
        let received = self.link().retire().max(self.windows.released_here());
        Ok(Resumption {
            received,
            links: self,
            attempt,
            // The retired link sends nothing any more. Until then it may: an end that hears late of the break still fills its ring, and
            // the peer has it.
            tail: tail(),
        })
    }

    /// Makes `link` the lane's; how long the lane was suspended.
    fn replace(&self, link: Box<dyn Link>) -> Result<Duration> {
        let holder = Arc::new(Holder(link));
        let kind = holder.0.kind();
        let mut state = self.lock();
        self.health.check()?;
        let Some(suspension) = state.suspension.take() else {
            return Err(LinkError::Misuse("the lane is not suspended"));
        };
        self.current
            .store(Arc::as_ptr(&holder).cast_mut(), Ordering::SeqCst);
        state.holders.push(holder);
        self.suspended.store(false, Ordering::SeqCst);
        drop(state);
        // [SYNC replace]
        fence(Ordering::SeqCst);
        self.link().start();
        self.wake_all();
        if !self.windows.server {
            futex::wake_all(&self.windows.own, BOARD_RELEASED);
        }
        let pause = suspension.since.elapsed();
        if let Some(watcher) = self.watcher.get() {
            watcher(&LinkEvent::Resumed {
                kind,
                how: suspension.how.to_string(),
                pause,
            });
        }
        Ok(pause)
    }

    /// The lane is suspended because the stream ended.
    pub(crate) fn closed_in_order(&self) -> bool {
        let state = self.lock();
        let suspension = state.suspension.as_ref();
        suspension.is_some_and(|suspension| suspension.how == Break::EndOfStream)
    }

    /// How the link broke, while the lane is suspended.
    pub(crate) fn suspension(&self) -> Option<(String, Instant)> {
        let state = self.lock();
        let suspension = state.suspension.as_ref()?;
        Some((suspension.how.to_string(), suspension.since))
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        // A lane that is given up is at its end: what is left of it must not be waited for.
        self.link().farewell();
    }
}

/// A broken link that is about to be replaced. Dropped without, the lane stays suspended and another attempt may be made.
pub struct Resumption<'a> {
    links: &'a Links,
    received: u64,
    attempt: u64,
    tail: u64,
}

impl Resumption<'_> {
    /// What the other end must be told.
    pub fn positions(&self) -> Positions {
        Positions {
            received: self.received,
        }
    }

    /// Number of this attempt; greater than those of all before.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Checks what the other end says, rule W17.
    /// Errors: `Down` (the peer broke the rule).
    pub fn check(&self, peer: Positions) -> Result<()> {
        let released = self.links.windows.released_by_peer();
        if !released.is_multiple_of(LINE as u64) || released > self.tail {
            return Err(LinkError::misbehaved(
                "W7",
                "released what was never written",
            ));
        }
        if peer.received < released {
            return Err(LinkError::misbehaved("W17", "a position that was released"));
        }
        if peer.received > self.tail {
            return Err(LinkError::misbehaved("W17", "a position that was never sent"));
        }
        Ok(())
    }

    /// Replaces the link by the one that `make` makes; how long the lane was suspended.
    /// Errors: what `make` says; `Down` (the lane ended meanwhile, or `peer` breaks rule W17).
    pub(crate) fn with(
        self,
        peer: Positions,
        make: impl FnOnce(&Windows, Start) -> Result<Box<dyn Link>>,
    ) -> Result<Duration> {
        self.check(peer)?;
        let start = Start {
            received: self.received,
            peer_received: peer.received,
            again: true,
            number: self.attempt,
        };
        let link = make(&self.links.windows, start)?;
        self.links.replace(link)
    }
}

impl Drop for Resumption<'_> {
    fn drop(&mut self) {
        self.links.lock().resuming = false;
    }
}

/// Moves the scanner over what is committed, until `limit` or a little beyond. It consumes nothing: the shadow is not
/// emptied by being sent; the producer knows when it may be overwritten.
pub(crate) fn scan(scanner: &mut Consumer, limit: u64) -> Result<(), &'static str> {
    while scanner.head() < limit {
        let polled = scanner.poll(u64::MAX);
        scanner.release(scanner.head());
        match polled {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(corrupt) => return Err(corrupt_rule(corrupt).1),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
