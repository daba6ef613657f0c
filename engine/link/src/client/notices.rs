//! What the server sends without being asked, and the client's service thread.

use super::ClientLane;
use crate::link::{Area, Sleeper, corrupt_rule};
use crate::{LinkError, NoticeLander, Payload, Result};
use crossbeam::utils::CachePadded;
use ringway_shm_ring::{Consumer, Span, is_committed};
use ringway_wire::layout::{CONTROL_NOTICE_RELEASED, LEADER_SERVICE};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What a notice is handed to: tag and payload, in ring order, one at a time, on whichever thread drains
/// (a waiter or the service thread). It must not wait on this lane, and it should be short.
pub type NoticeSink = Box<dyn Fn(u32, Payload<'_>) + Send + Sync>;

/// While waiters do the work, the service thread looks after the lane once in so long, or in [`SERVICE_NAP_WAKES`] times what
/// waking takes on this machine if that is longer.
const SERVICE_NAP: Duration = Duration::from_millis(1);
const SERVICE_NAP_WAKES: u32 = 20;
/// Longest sleep of the service thread while somebody else leads.
const SERVICE_SLEEP: Duration = Duration::from_millis(100);
/// How much trust it takes not to wake the service thread for what a commit left behind, since a wait will send it: one for each wait that
/// lately did, up to the second number, and half of all is gone when the service thread came first.
const WAITS_TRUSTED: (u32, u32) = (4, 64);
/// Notices handed over before the drainer looks after other things.
const DRAIN_BATCH: usize = 64;

const AWAKE: u32 = 0;
const NAPPING: u32 = 1;
const SLEEPING: u32 = 2;

pub(super) struct Notices {
    ring: Span,
    key: u64,
    consumer: Mutex<Consumer>,
    /// The consumer's head, for those without the lock.
    drained: CachePadded<AtomicU64>,
    /// How much was received when the drainer last found nothing whole. Only where bytes travel.
    looked_at: AtomicU64,
    sink: OnceLock<NoticeSink>,
    service: Mutex<Option<Thread>>,
    service_state: AtomicU32,
    /// Records are left for the service thread to send.
    service_wanted: AtomicBool,
    /// How much it is trusted that a thread which then waits sends them itself.
    waits_sent: AtomicU32,
}

impl Notices {
    pub(super) fn new(ring: Span, key: u64) -> Notices {
        Notices {
            consumer: Mutex::new(Consumer::new(ring.clone(), key)),
            ring,
            key,
            drained: CachePadded::new(AtomicU64::new(0)),
            looked_at: AtomicU64::new(0),
            sink: OnceLock::new(),
            service: Mutex::new(None),
            service_state: AtomicU32::new(AWAKE),
            service_wanted: AtomicBool::new(false),
            waits_sent: AtomicU32::new(0),
        }
    }

    #[cold]
    pub(super) fn wake_service(&self) {
        if let Some(thread) = &*self.service.lock().unwrap_or_else(|e| e.into_inner()) {
            thread.unpark();
        }
    }

    pub(super) fn wake_sleeping_service(&self) {
        if self.service_state.load(Ordering::SeqCst) == SLEEPING {
            self.wake_service();
        }
    }

    /// Makes sure that somebody sends what a commit left behind: a leader will, when it hears that earlier records
    /// arrived; if there is none, the service thread must. It is woken for that, unless it looks soon by itself and a wait has lately
    /// always come first.
    pub(super) fn want_service(&self, lane: &ClientLane) {
        if lane.leader() != 0 {
            return;
        }
        let state = self.service_state.load(Ordering::SeqCst);
        if state != AWAKE && !self.service_wanted.swap(true, Ordering::SeqCst) {
            let trusted = self.waits_sent.load(Ordering::Relaxed) >= WAITS_TRUSTED.0;
            // Store "wanted", then look whether it still naps; who stops napping says so, then looks at "wanted".
            if !(trusted && self.service_state.load(Ordering::SeqCst) == NAPPING) {
                self.wake_service();
            }
        }
    }

    /// A thread that is about to wait will send what was left behind until now.
    #[inline]
    pub(super) fn sends_itself(&self) {
        if self.service_wanted.load(Ordering::Relaxed) && self.service_wanted.swap(false, Ordering::SeqCst) {
            // A count that is lost between threads does no harm.
            let trust = self.waits_sent.load(Ordering::Relaxed);
            self.waits_sent.store((trust + 1).min(WAITS_TRUSTED.1), Ordering::Relaxed);
        }
    }
}

impl ClientLane {
    /// Where notices go; set once, before the first wait. Until then notices stay in their ring.
    /// Errors: `Misuse` if already set.
    pub fn set_notice_sink(&self, sink: NoticeSink) -> Result<()> {
        self.notices
            .sink
            .set(sink)
            .map_err(|_| LinkError::Misuse("the notice sink is already set"))
    }

    /// Who says where long payloads of notices belong, so that they can be received there; set once. The sink gets such a notice as
    /// every other, and [`Payload::landed`] tells it what is in place already.
    /// Errors: `Misuse` if already set.
    pub fn set_notice_lander(&self, lander: NoticeLander) -> Result<()> {
        match self.links.windows.landing.set(lander) {
            true => Ok(()),
            false => Err(LinkError::Misuse("the notice lander is already set")),
        }
    }

    #[inline]
    pub(super) fn notices_ready(&self) -> bool {
        let notices = &self.notices;
        let drained = notices.drained.load(Ordering::Relaxed);
        is_committed(&notices.ring, notices.key, drained)
            && self.links.link().received() > drained.max(notices.looked_at.load(Ordering::Relaxed))
            && notices.sink.get().is_some()
    }

    /// Hands notices that are there to the sink, without waiting; how many. 0 also if another thread is draining. Whoever calls
    /// this again and again serves the lane, and the service thread stays out of its way.
    /// Errors: `Down`.
    pub fn drain_notices(&self) -> Result<usize> {
        self.waiters.waits.fetch_add(1, Ordering::Relaxed);
        let progress = self.links.link().progress();
        self.dispatch(progress);
        let drained = self.drain_some();
        if drained == 0 {
            self.links.look()?;
        }
        Ok(drained)
    }

    #[cold]
    pub(super) fn drain_some(&self) -> usize {
        let Some(sink) = self.notices.sink.get() else {
            return 0;
        };
        let Ok(mut consumer) = self.notices.consumer.try_lock() else {
            return 0;
        };
        let mut count = 0;
        while count < DRAIN_BATCH {
            let received = self.links.link().received();
            match consumer.poll(received) {
                Ok(Some(record)) => {
                    let ptr = consumer.span().ptr(record.payload_offset);
                    // SAFETY: the consumer checked that the payload lies in the ring, which is mapped while `self`
                    // lives; the payload value does not outlive the call.
                    let payload = unsafe { Payload::new(ptr, record.len as usize) };
                    sink(record.tag, payload.with_landed(self.links.windows.landing.hole(record.position_end)));
                    if let Some(position) = consumer.release(record.position_end) {
                        // [SYNC release]
                        self.peer
                            .store_u64(CONTROL_NOTICE_RELEASED, position, Ordering::Release);
                        self.links.written(Area::Released);
                    }
                    self.notices
                        .drained
                        .store(record.position_end, Ordering::Release);
                    count += 1;
                }
                Ok(None) => {
                    if received != u64::MAX {
                        // A record may be there in part: nothing to do until more of it comes.
                        self.notices.looked_at.store(received, Ordering::Relaxed);
                    }
                    // Also past padding.
                    self.notices
                        .drained
                        .store(consumer.head(), Ordering::Release);
                    break;
                }
                Err(corrupt) => {
                    let (rule, what) = corrupt_rule(corrupt);
                    self.links.misbehaved(rule, what);
                    break;
                }
            }
        }
        count
    }

    /// Waits until every notice before `position` was handed over, by this thread or another.
    #[inline]
    pub(super) fn wait_drained(
        &self,
        position: u64,
        start: Instant,
        timeout: Duration,
    ) -> Result<()> {
        if self.notices.drained.load(Ordering::Acquire) >= position
            || self.notices.sink.get().is_none()
        {
            return Ok(());
        }
        self.wait_drained_slowly(position, start, timeout)
    }

    #[cold]
    fn wait_drained_slowly(&self, position: u64, start: Instant, timeout: Duration) -> Result<()> {
        let mut start = start;
        let mut turns = 0u32;
        while self.notices.drained.load(Ordering::Acquire) < position {
            self.pump();
            turns += 1;
            if turns.is_multiple_of(64) {
                self.links.link().check_peer();
                self.links.check()?;
                if self.links.is_suspended() {
                    start = Instant::now();
                    std::thread::sleep(Duration::from_millis(1));
                }
                if start.elapsed() > timeout {
                    return Err(LinkError::Timeout {
                        what: "notices before a reply",
                        after: timeout,
                    });
                }
                // Another thread is handing them over, or they are on their way.
                if turns > 1024 {
                    std::thread::sleep(Duration::from_micros(50));
                } else {
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }

    /// For the client's one service thread, in a loop: sleeps until there are notices (or the transport wants
    /// work, or `timeout` has passed), drains them, returns how many. No CPU while the lane is idle.
    /// Errors: `Down`, after which the thread should end; `Suspended`, after which it should see to another link.
    pub fn wait_notices(&self, timeout: Duration) -> Result<usize> {
        let notices = &self.notices;
        {
            let me = std::thread::current();
            let mut service = notices.service.lock().unwrap_or_else(|e| e.into_inner());
            if service.as_ref().is_none_or(|thread| thread.id() != me.id()) {
                *service = Some(me);
            }
        }
        let start = Instant::now();
        let mut waits_seen = self.waiters.waits.load(Ordering::Relaxed).wrapping_sub(1);
        loop {
            self.pump();
            let drained = self.drain_some();
            if drained > 0 {
                return Ok(drained);
            }
            self.links.look()?;
            if let Some((how, _)) = self
                .links
                .suspension()
                .filter(|_| self.links.is_suspended())
            {
                return Err(LinkError::Suspended(how));
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(0);
            }
            let wanted = notices.service_wanted.swap(false, Ordering::SeqCst);
            if wanted {
                let trust = notices.waits_sent.load(Ordering::Relaxed);
                notices.waits_sent.store(trust / 2, Ordering::Relaxed);
            }
            let waits = self.waiters.waits.load(Ordering::Relaxed);
            if waits != waits_seen && !wanted {
                // Waiters are at work and serve the lane: stay out of their way.
                waits_seen = waits;
                let nap = SERVICE_NAP.max(SERVICE_NAP_WAKES * crate::spin::longest());
                self.service_sleep(NAPPING, left.min(nap));
            } else if self.try_lead(LEADER_SERVICE) {
                if wanted {
                    self.links.link().flush();
                }
                let mut came = false;
                if !(self.notices_ready() || self.links.is_still()) {
                    came = self
                        .links
                        .sleep(Sleeper::Service, left, || self.notices_ready());
                }
                self.leave_lead(LEADER_SERVICE, came);
            } else {
                self.service_sleep(SLEEPING, left.min(SERVICE_SLEEP));
            }
        }
    }

    fn service_sleep(&self, state: u32, nap: Duration) {
        // Store the state, then look; who wants service stores that, then looks at the state.
        self.notices.service_state.store(state, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !self.notices.service_wanted.load(Ordering::SeqCst)
            && !(state == SLEEPING && self.leader() == 0)
        {
            std::thread::park_timeout(nap);
        }
        self.notices.service_state.store(AWAKE, Ordering::SeqCst);
    }
}
