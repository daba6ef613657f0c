//! This worker's part in sharing a GPU's time (`ringway_link::shares`): for one GPU thread, which asks before it executes a launch.
//!
//! Alone, it has the turn for as long as there is work in its streams, and a launch costs a look at one word. While others wait, or
//! did lately, each launch is put between two events of the driver: what passes between them is charged to the lease. No more is
//! submitted then than what fits the rest of the turn, by the mean of the kernels before; a lease ahead of others waits for its next one.
//!
//! Nothing here waits: a launch that may not be executed yet stays in the ring, and the GPU thread does what else there is to do.

use crate::driver_call;
use crate::session::Session;
use ringway_api::{CudaError, Kind, op};
use ringway_link::shares::{QUANTUM, Tenant, Turn, now};
use ringway_wire::codec::Reader;
use std::collections::VecDeque;
use std::time::Duration;

/// Launches that are under way at the most while the GPU's time is shared and they are measured.
const FLIGHTS_MAX: usize = 256;
/// After others have waited, launches are measured and bounded for this long.
const CAREFUL_NS: u64 = 200_000_000;
/// A turn is not given up at once when nothing is under way, if the program's next launch mostly comes this soon: else those that
/// wait for each kernel would never come to their share. Longer where the lease is behind its share, whatever that leaves unused.
const LINGER_NS: u64 = 1_000_000;
const LINGER_BEHIND_NS: u64 = 5_000_000;
/// A launch that has not begun after this time waits for something else than the GPU: a copy, a function of the program, another stream.
const STALL_NS: u64 = 2_000_000;
/// A launch is held back by launches of its own session for at most this long: it may be what they wait for.
const HELD_NS_MAX: u64 = 1_000_000_000;
/// What a launch that could not be measured is charged, at the least.
const UNMEASURED_NS: u64 = 1_000_000;
/// Shortest and longest sleep of a GPU thread that waits for a turn, or for its own kernels.
const NAP: (Duration, Duration) = (Duration::from_micros(50), Duration::from_micros(500));
/// Longest where nothing else is to be done, and so many wait for the turn that looking takes the processors from who has it: so long for
/// each of them, and at the most. Who is next is woken.
const NAP_EACH: Duration = Duration::from_micros(250);
const NAP_MAX: Duration = Duration::from_millis(20);
/// Longest sleep while others wait for the turn, or may come to.
const WATCHING_NAP: Duration = Duration::from_millis(2);

/// A launch between two events.
#[derive(Debug, Clone, Copy)]
struct Flight {
    context: u64,
    start: u64,
    end: u64,
}

/// How a GPU thread stands with the GPU when nothing is left to do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing of this session is under way.
    Idle,
    /// Kernels are: look again after this time at the latest.
    Busy(Duration),
}

/// See the module's text.
#[derive(Debug)]
pub struct Turns {
    tenant: Tenant,
    /// Ordinal of the GPU in the lease.
    gpu: usize,
    turn: Option<Turn>,
    /// While the turn is this, launches pass without a question.
    passes: Option<Turn>,
    /// Others waited at this time.
    shared_at: u64,
    /// Launches from before others waited are under way since then, as far as it counts.
    unmeasured_since: Option<u64>,
    flights: VecDeque<Flight>,
    spare: Vec<Flight>,
    /// The last launch that ended: until when time is charged.
    last: Option<Flight>,
    /// Since when the foremost launch has not begun.
    stalled_since: Option<u64>,
    /// Since when the record at the head of the ring is held back.
    held_since: Option<u64>,
    /// Mean length of the kernels, and of the time from the end of the last one to the next launch.
    mean_ns: u64,
    gap_ns: u64,
    /// When nothing was left under way.
    ended_at: Option<u64>,
    contexts_ended: u64,
    /// A context that is on this GPU, and how many had ended when it was.
    here: (u32, u64),
    nap: Duration,
}

impl Turns {
    /// For GPU `gpu` of the lease.
    pub fn new(tenant: Tenant, gpu: usize) -> Turns {
        Turns {
            tenant,
            gpu,
            turn: None,
            passes: None,
            shared_at: 0,
            unmeasured_since: None,
            flights: VecDeque::new(),
            spare: Vec::new(),
            last: None,
            stalled_since: None,
            held_since: None,
            mean_ns: QUANTUM.as_nanos() as u64,
            gap_ns: 0,
            ended_at: None,
            contexts_ended: 0,
            here: (u32::MAX, 0),
            nap: NAP.0,
        }
    }

    /// Whether the launch at the head of the ring may be executed now.
    #[inline]
    pub fn may_launch(&mut self, session: &Session, current: &mut u64) -> bool {
        Some(self.tenant.turn()) == self.passes || self.may_launch_shared(session, current)
    }

    #[cold]
    fn may_launch_shared(&mut self, session: &Session, current: &mut u64) -> bool {
        let at = now();
        if let Some(ended) = self.ended_at.take() {
            self.gap_ns = (3 * self.gap_ns + (at - ended).min(2 * LINGER_BEHIND_NS)) / 4;
        }
        let since = *self.held_since.get_or_insert(at);
        let may = self.decide(session, current, at, since);
        if may {
            self.held_since = None;
            self.nap = NAP.0;
        }
        may
    }

    fn decide(&mut self, session: &Session, current: &mut u64, at: u64, held_since: u64) -> bool {
        self.look_at(session, current, at, true);
        let turn = match self.turn {
            Some(turn) => turn,
            None => {
                let Some(turn) = self.tenant.enter(at) else {
                    self.shared_at = at;
                    return false;
                };
                self.turn = Some(turn);
                if turn.is_waited_for() {
                    self.shared_at = at;
                }
                turn
            }
        };
        if !turn.is_waited_for() && at - self.shared_at > CAREFUL_NS {
            self.passes = Some(turn);
            return true;
        }
        let quantum = QUANTUM.as_nanos() as u64;
        let used = if turn.is_waited_for() { at.saturating_sub(self.tenant.began()) } else { 0 };
        if self.unmeasured_since.is_some() || used >= quantum {
            return false;
        }
        let ahead = self.flights.len() as u64 * self.mean_ns;
        ahead == 0 || ahead < quantum - used || self.is_stalled(at) || at - held_since > HELD_NS_MAX
    }

    /// Before a launch: an event in its stream, where launches are measured. The call's context is current, and `reader` stands
    /// before the arguments: all launches have their stream in the second place.
    #[inline]
    pub fn before_launch(&mut self, session: &Session, context: u64, reader: &Reader<'_>) -> Option<(u64, u64)> {
        if self.passes.is_some() {
            return None;
        }
        self.begin(session, context, reader.clone())
    }

    /// Behind it.
    #[inline]
    pub fn after_launch(&mut self, session: &Session, begun: Option<(u64, u64)>) {
        if let Some((stream, end)) = begun {
            self.end(session, stream, end);
        }
    }

    /// Whether a context (the client's number) is on this GPU: launches for others are not this thread's to make.
    #[inline]
    pub fn is_here(&mut self, session: &Session, context: u32) -> bool {
        self.here == (context, session.contexts_ended()) || self.find_here(session, context)
    }

    #[cold]
    fn find_here(&mut self, session: &Session, context: u32) -> bool {
        let ended = session.contexts_ended();
        let here = session.context(context).is_ok_and(|found| found.gpu == self.gpu);
        if here {
            self.here = (context, ended);
        }
        here
    }

    #[cold]
    fn begin(&mut self, session: &Session, context: u64, mut reader: Reader<'_>) -> Option<(u64, u64)> {
        let (_, stream) = (reader.u64().ok()?, reader.u64().ok()?);
        let raw = if stream <= 1 { stream } else { session.handles.get(Kind::Stream, stream).ok()?.raw };
        if session.capturing() {
            let mut status = 0u32;
            // What is captured is not executed now, and events would be captured with it.
            if driver_call!(session.driver, cuStreamIsCapturing(raw, &raw mut status)) != Ok(()) || status != 0 {
                return None;
            }
        }
        let flight = (self.flights.len() < FLIGHTS_MAX).then(|| self.pair(session, context)).flatten();
        let Some(flight) = flight.filter(|flight| driver_call!(session.driver, cuEventRecord(flight.start, raw)).is_ok()) else {
            self.tenant.charge(self.mean_ns.max(UNMEASURED_NS));
            return None;
        };
        self.flights.push_back(flight);
        Some((raw, flight.end))
    }

    #[cold]
    fn end(&mut self, session: &Session, stream: u64, end: u64) {
        if driver_call!(session.driver, cuEventRecord(end, stream)).is_err() {
            self.flights.pop_back();
            self.tenant.charge(self.mean_ns.max(UNMEASURED_NS));
        }
    }

    /// Two events of the context.
    fn pair(&mut self, session: &Session, context: u64) -> Option<Flight> {
        if let Some(index) = self.spare.iter().rposition(|flight| flight.context == context) {
            return Some(self.spare.swap_remove(index));
        }
        let (mut start, mut end) = (0u64, 0u64);
        driver_call!(session.driver, cuEventCreate(&raw mut start, 0)).ok()?;
        if driver_call!(session.driver, cuEventCreate(&raw mut end, 0)).is_err() {
            let _ = driver_call!(session.driver, cuEventDestroy(start));
            return None;
        }
        Some(Flight { context, start, end })
    }

    /// The turn's state when there was nothing to execute, or when the head of the ring is held back.
    #[inline]
    pub fn look(&mut self, session: &Session, current: &mut u64) {
        if self.turn.is_some() && Some(self.tenant.turn()) != self.passes || !self.flights.is_empty() {
            self.look_at(session, current, now(), false);
        }
    }

    #[cold]
    fn look_at(&mut self, session: &Session, current: &mut u64, at: u64, more: bool) {
        self.collect(session, at);
        let Some(mine) = self.turn else { return };
        let is = self.tenant.turn();
        if !is.is_same(mine) {
            // It took too long for others.
            self.lose(at);
            return;
        }
        self.turn = Some(is);
        if !is.is_waited_for() {
            return;
        }
        if self.passes.take().is_some() {
            self.unmeasured_since = Some(at);
        }
        self.shared_at = at;
        if let Some(since) = self.unmeasured_since {
            if !self.streams_are_idle(session, current) {
                return;
            }
            self.unmeasured_since = None;
            self.tenant.charge(at - since);
            self.ended_at.get_or_insert(at);
        }
        if !self.flights.is_empty() && !(self.is_stalled(at) && self.nothing_runs(session)) {
            return;
        }
        let over = at.saturating_sub(self.tenant.began()) >= QUANTUM.as_nanos() as u64;
        if more && over {
            self.tenant.pass_on(is, at);
            (self.turn, self.passes) = (None, None);
        } else if !more && !self.lingers(at, over) {
            self.leave(is, at);
        }
    }

    /// Whether it pays to wait for the program's next launch.
    fn lingers(&self, at: u64, over: bool) -> bool {
        let limit = if self.tenant.is_behind() { LINGER_BEHIND_NS } else { LINGER_NS };
        self.gap_ns < limit / 2 && self.ended_at.is_some_and(|ended| at - ended < limit) && (!over || self.tenant.is_next(at))
    }

    fn leave(&mut self, turn: Turn, at: u64) {
        self.tenant.leave(turn, at);
        (self.turn, self.passes) = (None, None);
    }

    fn lose(&mut self, at: u64) {
        if let Some(since) = self.unmeasured_since.take() {
            self.tenant.charge(at - since);
        }
        (self.turn, self.passes) = (None, None);
        self.shared_at = at;
    }

    /// A context is about to end, and its events with it.
    #[cold]
    pub fn forget_events(&mut self, session: &Session) {
        self.tenant.charge(self.flights.len() as u64 * self.mean_ns);
        for flight in self.flights.drain(..).chain(self.spare.drain(..)).chain(self.last.take()) {
            for event in [flight.start, flight.end] {
                let _ = driver_call!(session.driver, cuEventDestroy(event));
            }
        }
    }

    /// Charges the launches that have ended: the time in which at least one of them was under way.
    fn collect(&mut self, session: &Session, at: u64) {
        let driver = &session.driver;
        let ended = session.contexts_ended();
        if self.contexts_ended != ended {
            // At another lane a context was ended, which no honest client asks for there. Its events may be among these.
            self.contexts_ended = ended;
            self.tenant.charge(self.flights.len() as u64 * self.mean_ns);
            self.flights.clear();
            self.spare.clear();
            self.last = None;
        }
        while let Some(flight) = self.flights.front().copied() {
            match driver_call!(driver, cuEventQuery(flight.end)) {
                Err(CudaError::NOT_READY) => break,
                Ok(()) => {}
                Err(_) => {
                    // A fault of the program's; the context is lost with it.
                    self.tenant.charge(self.mean_ns.max(UNMEASURED_NS));
                    self.flights.pop_front();
                    continue;
                }
            }
            self.flights.pop_front();
            self.stalled_since = None;
            let elapsed = |from: u64| {
                let mut ms = 0f32;
                driver_call!(driver, cuEventElapsedTime(&raw mut ms, from, flight.end)).ok().map(|()| (f64::from(ms) * 1e6) as i64)
            };
            let length = elapsed(flight.start).unwrap_or(0).max(0);
            let beyond = self.last.filter(|last| last.context == flight.context).and_then(|last| elapsed(last.end));
            let busy = beyond.map_or(length, |beyond| beyond.clamp(0, length));
            self.tenant.charge(busy as u64);
            self.mean_ns = (7 * self.mean_ns + length as u64) / 8;
            // The later end is kept.
            match self.last {
                Some(last) if beyond.is_some_and(|beyond| beyond < 0) => {
                    self.spare.push(flight);
                    self.last = Some(last);
                }
                last => {
                    self.spare.extend(last);
                    self.last = Some(flight);
                }
            }
            if self.flights.is_empty() {
                self.ended_at = Some(at);
            }
        }
        if let Some(front) = self.flights.front()
            && driver_call!(driver, cuEventQuery(front.start)) == Err(CudaError::NOT_READY)
        {
            self.stalled_since.get_or_insert(at);
        } else {
            self.stalled_since = None;
        }
    }

    fn is_stalled(&self, at: u64) -> bool {
        self.stalled_since.is_some_and(|since| at - since > STALL_NS)
    }

    /// Whether each launch has ended or not begun.
    fn nothing_runs(&self, session: &Session) -> bool {
        let reached = |event| driver_call!(session.driver, cuEventQuery(event)) != Err(CudaError::NOT_READY);
        self.flights.iter().all(|flight| reached(flight.end) || !reached(flight.start))
    }

    /// Whether nothing is left in the streams of this GPU, as far as they can be asked.
    fn streams_are_idle(&self, session: &Session, current: &mut u64) -> bool {
        let driver = &session.driver;
        let capturing = session.capturing();
        session.contexts_of(self.gpu).into_iter().all(|(number, context)| {
            if *current != context.raw {
                if driver_call!(driver, cuCtxSetCurrent(context.raw)).is_err() {
                    return true;
                }
                *current = context.raw;
            }
            let mut streams = session.handles.of_context(Kind::Stream, number);
            if !capturing {
                streams.push(0);
            }
            streams.into_iter().all(|stream| {
                let mut status = 0u32;
                // A question to a stream that is captured would spoil that.
                capturing && (driver_call!(driver, cuStreamIsCapturing(stream, &raw mut status)).is_err() || status != 0)
                    || driver_call!(driver, cuStreamQuery(stream)) != Err(CudaError::NOT_READY)
            })
        })
    }

    /// The GPU thread has nothing to do. Without kernels under way the turn is over.
    pub fn rest(&mut self, session: &Session, current: &mut u64) -> Rest {
        let at = now();
        self.look_at(session, current, at, false);
        let Some(turn) = self.turn else {
            return if self.flights.is_empty() { Rest::Idle } else { Rest::Busy(WATCHING_NAP) };
        };
        if self.flights.is_empty() && self.streams_are_idle(session, current) {
            self.ended_at.get_or_insert(at);
            if !turn.is_waited_for() {
                self.leave(turn, at);
                return Rest::Idle;
            }
            return Rest::Busy(NAP.1);
        }
        Rest::Busy(if at - self.shared_at > CAREFUL_NS { WATCHING_NAP } else { NAP.1 })
    }

    /// Sleeps a little while a launch is held back: until a turn is free for this worker, or kernels may have ended. `alone`: there is
    /// nothing else to look after.
    pub fn nap(&mut self, alone: bool) {
        let bell = self.tenant.bell();
        let own = self.flights.len() as u64 * self.mean_ns / 4;
        let nap = if self.turn.is_some() { Duration::from_nanos(own).clamp(NAP.0, NAP.1) } else { self.nap };
        let longest = if alone { (NAP_EACH * self.tenant.waiting_count()).clamp(NAP.1, NAP_MAX) } else { NAP.1 };
        self.nap = (self.nap * 2).min(longest);
        self.tenant.sleep(bell, nap.min(longest));
    }
}

/// Whether a record makes the GPU compute.
#[inline]
pub fn is_launch(opcode: u32) -> bool {
    matches!(
        opcode,
        op::CU_LAUNCH_KERNEL | op::CU_LAUNCH_KERNEL_EX | op::CU_LAUNCH_COOPERATIVE_KERNEL | op::CU_GRAPH_LAUNCH
    )
}

/// Whether a record ends a context.
#[inline]
pub fn ends_context(opcode: u32) -> bool {
    matches!(opcode, op::CU_CTX_DESTROY | op::CU_DEVICE_PRIMARY_CTX_RESET)
}
