//! Order between servers: a stream on one waits for an event on another (cuStreamWaitEvent).
//!
//! 1. A gate is closed in the stream (`TAG_GATE`): the driver there waits, and no thread does.
//! 2. Where the event is, a stream of ours waits for it as recorded now, and an event of ours is recorded behind. The server says by a
//!    notice when that is finished (`TAG_WATCH`, with the gate's number as ticket). The program may record or destroy its event meanwhile.
//! 3. The notice opens the gate (`TAG_OPEN_GATE`), by a thread for each server, so that no server holds up another.
//!
//! If the event's server is lost, its gates are opened with an error, which the next call that waits in the stream's context returns.

use crate::contexts::Target;
use crate::objects::{self, Object};
use crate::say::Line;
use crate::session::{block_signals, session};
use crate::submit::{called, flush, posted, posted_in_lane};
use crate::completion;
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind, op};
use ringway_wire::call::{GATES_MAX, TAG_GATE, TAG_OPEN_GATE, TAG_WATCH};
use ringway_wire::codec::Writer as _;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Gates of a process that are closed at a time; with more, the caller waits. Below what a server watches at a time.
const CLOSED_MAX: usize = GATES_MAX / 8;
/// CU_STREAM_NON_BLOCKING: ours must not wait for the program's default stream.
const NON_BLOCKING: u32 = 1;
/// CU_EVENT_DISABLE_TIMING.
const NO_TIMING: u32 = 2;

/// A stream and an event of ours in a context.
#[derive(Debug, Clone, Copy)]
struct Pair {
    stream: u64,
    event: u64,
}

/// A gate that is closed.
#[derive(Debug, Clone, Copy)]
struct Closed {
    /// Where the stream is that waits.
    waits: Target,
    /// Where the event is.
    event: Target,
    pair: Pair,
}

#[derive(Default)]
struct State {
    closed: HashMap<u64, Closed>,
    /// Pairs that no gate uses, by context.
    free: HashMap<u32, Vec<Pair>>,
    /// Threads that open gates, by number of the server.
    openers: HashMap<usize, Sender<(u64, Target, u32)>>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static USED: AtomicBool = AtomicBool::new(false);
static NEXT: AtomicU64 = AtomicU64::new(1);
static NO_THREAD: Line = Line::new();

/// Makes work in `stream` from now on wait for `event` as recorded last, which is on another server.
///
/// # Errors
/// Those of posting on either server.
pub fn wait_event(stream: Object, event: Object) -> Result<(), CudaError> {
    if completion::is_known_done(event)? {
        return Ok(());
    }
    // With RINGWAY_SYNC=1 a closed gate would be waited for before anybody is asked to open it.
    let waits = session()?.synchronous;
    let full = STATE.lock().as_ref().is_some_and(|state| state.closed.len() >= CLOSED_MAX);
    if waits || full || !can_open(stream.target)? {
        return completion::waited_for_event(event, |target| {
            called(op::CU_EVENT_SYNCHRONIZE, target, 8, |w| w.u64(event.id), |_| Ok(()))
        });
    }
    let gate = NEXT.fetch_add(1, Ordering::Relaxed);
    let pair = pair(event.target.context)?;
    // Closed before anybody can know that it may be opened.
    posted(TAG_GATE, stream.target, 16, |w| {
        w.u64(stream.id);
        w.u64(gate);
    })?;
    let (waits, target) = (stream.target.without_work(), event.target.without_work());
    let closed = Closed { waits, event: target, pair };
    STATE.lock().get_or_insert_default().closed.insert(gate, closed);
    USED.store(true, Ordering::Release);
    let asked = ask(event, pair, gate);
    if let Err(code) = asked {
        open(gate, code.code());
    }
    // A server that is lost says nothing more; that may have become known while this gate was not in the list.
    if session()?.lanes[event.target.lane as usize].flush().is_err() {
        open(gate, CudaError::SYSTEM_NOT_READY.code());
    }
    flush(stream.target)?;
    asked
}

/// Has the event's server say when what the event stands for now is finished.
fn ask(event: Object, pair: Pair, gate: u64) -> Result<(), CudaError> {
    let target = event.target.without_work();
    posted_in_lane(op::CU_STREAM_WAIT_EVENT, target, 20, |w| {
        w.u64(pair.stream);
        w.u64(event.id);
        w.u32(0);
    })?;
    posted(op::CU_EVENT_RECORD, target, 16, |w| {
        w.u64(pair.event);
        w.u64(pair.stream);
    })?;
    posted(TAG_WATCH, target, 16, |w| {
        w.u64(pair.event);
        w.u64(gate);
    })
}

/// A pair in a context that no gate uses. They are kept until the context ends.
fn pair(context: u32) -> Result<Pair, CudaError> {
    let mut state = STATE.lock();
    let free = state.get_or_insert_default().free.entry(context).or_default();
    while let Some(pair) = free.pop() {
        // Those of a context that was reset are gone.
        if objects::handle(Kind::Event, pair.event).is_ok() && objects::handle(Kind::Stream, pair.stream).is_ok() {
            return Ok(pair);
        }
    }
    drop(state);
    let target = Target::of_context(context).without_work();
    let stream = objects::create(Kind::Stream, target)?;
    posted(op::CU_STREAM_CREATE, target, 12, |w| {
        w.u64(stream.id());
        w.u32(NON_BLOCKING);
    })?;
    let event = objects::create(Kind::Event, target)?;
    posted(op::CU_EVENT_CREATE, target, 12, |w| {
        w.u64(event.id());
        w.u32(NO_TIMING);
    })?;
    Ok(Pair { stream: stream.keep(), event: event.keep() })
}

/// The server of lane `lane` says that what was watched is finished, or that it must be asked.
pub(crate) fn finished(lane: u32, object: u64, ticket: u64, done: bool) {
    if !USED.load(Ordering::Acquire) {
        return;
    }
    let found = STATE.lock().as_ref().and_then(|state| state.closed.get(&ticket).copied());
    let Some(closed) = found.filter(|closed| closed.pair.event == object && closed.event.lane == lane) else {
        return;
    };
    if done {
        open(ticket, 0);
        return;
    }
    // There is an error, or the server watches too much: a call that waits tells. Not by this thread, which takes its answer in.
    let asks = move || {
        block_signals();
        let result = called(op::CU_EVENT_SYNCHRONIZE, closed.event, 8, |w| w.u64(object), |_| Ok(()));
        open(ticket, result.err().map_or(0, CudaError::code));
    };
    if std::thread::Builder::new().name("ringway-gate".into()).spawn(asks).is_err() {
        open(ticket, CudaError::UNKNOWN.code());
    }
}

/// Nothing more comes from a server: what waits for it waits no longer.
pub(crate) fn server_lost(number: usize) {
    let Ok(session) = session() else { return };
    let gates: Vec<u64> = {
        let state = STATE.lock();
        let closed = state.iter().flat_map(|state| &state.closed);
        closed.filter(|(_, closed)| session.server_number(closed.event.lane) == number).map(|(gate, _)| *gate).collect()
    };
    for gate in gates {
        open(gate, CudaError::SYSTEM_NOT_READY.code());
    }
}

/// Has a gate opened, once.
fn open(gate: u64, result: u32) {
    let Ok(session) = session() else { return };
    let mut state = STATE.lock();
    let Some(state) = state.as_mut() else { return };
    let Some(closed) = state.closed.remove(&gate) else { return };
    state.free.entry(closed.event.context).or_default().push(closed.pair);
    if let Some(opener) = state.openers.get(&session.server_number(closed.waits.lane)) {
        // The receiving thread lives as long as the process.
        let _ = opener.send((gate, closed.waits, result));
    }
}

/// Starts the thread that opens gates on a server, once; false if it cannot be had.
fn can_open(target: Target) -> Result<bool, CudaError> {
    let server = session()?.server_number(target.lane);
    let mut state = STATE.lock();
    let openers = &mut state.get_or_insert_default().openers;
    if openers.contains_key(&server) {
        return Ok(true);
    }
    let (sender, gates) = channel::<(u64, Target, u32)>();
    let started = std::thread::Builder::new().name("ringway-gates".into()).spawn(move || {
        block_signals();
        for (gate, waits, result) in gates {
            // In no context: one that has failed must not keep its gates closed.
            let target = Target { context: 0, lane: waits.lane, stream: Target::NO_WORK };
            // A link that is lost is reported by the program's own calls.
            let _ = posted(TAG_OPEN_GATE, target, 12, |w| {
                w.u64(gate);
                w.u32(result);
            })
            .and_then(|()| flush(target));
        }
    });
    if let Err(error) = started {
        NO_THREAD.say(format_args!("no thread could be started that lets streams wait for other servers, so the program waits: {error}"));
        return Ok(false);
    }
    openers.insert(server, sender);
    Ok(true)
}
