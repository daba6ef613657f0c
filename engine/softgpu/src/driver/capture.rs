//! Stream capture: while a stream is captured, what is submitted to it becomes nodes of a graph.

use super::abi::CUgraphEdgeData;
use super::context::thread_number;
use super::event::{Event, Recorded};
use super::graph::{Body, Graph};
use super::graph_memory::GraphMemory;
use super::op::Op;
use super::result::{CUresult, R, ensure};
use super::stream::{NON_BLOCKING, Stream};
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// `CU_STREAM_CAPTURE_MODE_GLOBAL`.
pub const GLOBAL: u32 = 0;
/// `CU_STREAM_CAPTURE_MODE_RELAXED`.
pub const RELAXED: u32 = 2;

/// One capture, from begin to end.
pub struct Session {
    /// Unique number.
    pub id: u64,
    /// The graph it builds.
    pub graph: Arc<Graph>,
    mode: u32,
    thread: u64,
    origin: u64,
    invalid: AtomicBool,
    ended: AtomicBool,
    streams: Mutex<Vec<Weak<Stream>>>,
}

/// A stream's part in a capture.
pub struct StreamCapture {
    /// The capture.
    pub session: Arc<Session>,
    /// Nodes that the next one comes after.
    pub deps: Vec<u64>,
    /// Copies of `deps` handed out by `cuStreamGetCaptureInfo`; valid until the stream's capture goes on.
    pub exposed: (Vec<u64>, Vec<CUgraphEdgeData>),
}

/// An event recorded in a capture.
#[derive(Clone)]
pub struct CapturedEvent {
    session: Arc<Session>,
    deps: Vec<u64>,
}

static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static SESSIONS: Mutex<Vec<Weak<Session>>> = Mutex::new(Vec::new());

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(GLOBAL) };
}

/// `cuThreadExchangeStreamCaptureMode`.
pub fn exchange_mode(mode: u32) -> R<u32> {
    ensure(mode <= RELAXED, CUresult::INVALID_VALUE)?;
    Ok(MODE.replace(mode))
}

impl Session {
    fn invalidate(&self) {
        self.invalid.store(true, Ordering::Release);
    }

    /// CUDA_ERROR_STREAM_CAPTURE_INVALIDATED after an error in the capture.
    pub fn valid(&self) -> R {
        ensure(!self.invalid.load(Ordering::Acquire), CUresult::STREAM_CAPTURE_INVALIDATED)
    }

    fn join(self: &Arc<Self>, stream: &Arc<Stream>, deps: Vec<u64>) {
        self.streams.lock().push(Arc::downgrade(stream));
        *stream.capture.lock() = Some(StreamCapture { session: Arc::clone(self), deps, exposed: Default::default() });
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        for stream in self.streams.lock().drain(..).filter_map(|weak| weak.upgrade()) {
            *stream.capture.lock() = None;
        }
        ACTIVE.fetch_sub(1, Ordering::AcqRel);
        SESSIONS.lock().retain(|weak| weak.upgrade().is_some_and(|s| !s.ended.load(Ordering::Acquire)));
    }
}

/// Begins a capture into a new graph, or into `graph` after the given nodes.
pub fn begin(stream: &Arc<Stream>, mode: u32, graph: Option<(Arc<Graph>, Vec<u64>)>) -> R {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ensure(mode <= RELAXED, CUresult::INVALID_VALUE)?;
    ensure(!stream.legacy, CUresult::STREAM_CAPTURE_UNSUPPORTED)?;
    ensure(!capturing(stream), CUresult::ILLEGAL_STATE)?;
    let (graph, deps) = graph.unwrap_or_else(|| (Graph::create(), Vec::new()));
    let session = Arc::new(Session {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        graph,
        mode,
        thread: thread_number(),
        origin: stream.id,
        invalid: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        streams: Mutex::default(),
    });
    SESSIONS.lock().push(Arc::downgrade(&session));
    ACTIVE.fetch_add(1, Ordering::AcqRel);
    session.join(stream, deps);
    Ok(())
}

/// Ends the capture that began in this stream and gives its graph.
pub fn end(stream: &Arc<Stream>) -> R<Arc<Graph>> {
    let (session, deps) = match &*stream.capture.lock() {
        Some(capture) => (Arc::clone(&capture.session), capture.deps.clone()),
        None => return Err(CUresult::ILLEGAL_STATE),
    };
    ensure(session.origin == stream.id, CUresult::STREAM_CAPTURE_UNMATCHED)?;
    ensure(session.mode == RELAXED || session.thread == thread_number(), CUresult::STREAM_CAPTURE_WRONG_THREAD)?;
    let reached = session.graph.ancestors(&deps);
    let others: Vec<Arc<Stream>> = session.streams.lock().iter().filter_map(Weak::upgrade).collect();
    let joined = others.iter().all(|s| s.capture.lock().as_ref().is_none_or(|c| c.deps.iter().all(|d| reached.contains(d))));
    session.end();
    let valid = session.valid().and(ensure(joined, CUresult::STREAM_CAPTURE_UNJOINED));
    if let Err(code) = valid {
        let _ = super::graph::GRAPHS.remove(session.graph.handle);
        return Err(code);
    }
    Ok(Arc::clone(&session.graph))
}

/// Whether the stream is captured.
pub fn capturing(stream: &Arc<Stream>) -> bool {
    ACTIVE.load(Ordering::Acquire) > 0 && stream.capture.lock().is_some()
}

/// Adds an operation if the stream is captured; false means that the caller must submit it.
pub fn add(stream: &Arc<Stream>, op: &Op) -> R<bool> {
    if ACTIVE.load(Ordering::Acquire) == 0 {
        return Ok(false);
    }
    add_body(stream, || Body::from_op(op))
}

/// As [`add`], for what is no operation of a stream.
pub fn add_body(stream: &Arc<Stream>, body: impl FnOnce() -> R<Body>) -> R<bool> {
    let mut capture = stream.capture.lock();
    let Some(capture) = capture.as_mut() else {
        return implicit(stream).map(|()| false);
    };
    capture.session.valid()?;
    let node = body().and_then(|body| capture.session.graph.add(body, &capture.deps)).inspect_err(|_| capture.session.invalidate())?;
    capture.deps = vec![node.handle];
    Ok(true)
}

/// The legacy stream would wait for blocking streams, of which none may be captured.
fn implicit(stream: &Arc<Stream>) -> R {
    if !stream.legacy || ACTIVE.load(Ordering::Acquire) == 0 {
        return Ok(());
    }
    let Some(ctx) = stream.ctx.upgrade() else { return Ok(()) };
    for other in ctx.all_streams().iter().filter(|s| !s.legacy && s.flags & NON_BLOCKING == 0) {
        if let Some(capture) = &*other.capture.lock() {
            capture.session.invalidate();
            return Err(CUresult::STREAM_CAPTURE_IMPLICIT);
        }
    }
    Ok(())
}

/// Fails for calls that wait for a captured stream.
pub fn forbid_sync(stream: &Arc<Stream>) -> R {
    if ACTIVE.load(Ordering::Acquire) == 0 {
        return Ok(());
    }
    if let Some(capture) = &*stream.capture.lock() {
        capture.session.invalidate();
        return Err(CUresult::STREAM_CAPTURE_UNSUPPORTED);
    }
    implicit(stream)
}

/// Fails for calls that may be unsafe during a capture, by the modes of the capture and of this thread.
pub fn forbid_unsafe() -> R {
    if ACTIVE.load(Ordering::Acquire) == 0 || MODE.get() == RELAXED {
        return Ok(());
    }
    let sessions: Vec<Arc<Session>> = SESSIONS.lock().iter().filter_map(Weak::upgrade).collect();
    for session in sessions.iter().filter(|s| s.mode != RELAXED && !s.ended.load(Ordering::Acquire)) {
        if session.thread == thread_number() || (session.mode == GLOBAL && MODE.get() == GLOBAL) {
            session.invalidate();
            return Err(CUresult::STREAM_CAPTURE_UNSUPPORTED);
        }
    }
    Ok(())
}

/// Stream-ordered memory of a captured stream belongs to the graph: its address was just chosen.
pub fn note_alloc(stream: &Arc<Stream>, start: u64, len: u64) -> R {
    if !capturing(stream) {
        return Ok(());
    }
    add_body(stream, || Ok(Body::Alloc(GraphMemory::adopt(start, len, Vec::new())))).map(drop)
}

/// Records an event in a captured stream; `external` makes it a node.
pub fn record_event(stream: &Arc<Stream>, event: &Arc<Event>, external: bool) -> R<bool> {
    if ACTIVE.load(Ordering::Acquire) == 0 {
        return Ok(false);
    }
    if external {
        return add_body(stream, || Ok(Body::EventRecord(Arc::clone(event))));
    }
    let capture = stream.capture.lock();
    let Some(capture) = capture.as_ref() else {
        return implicit(stream).map(|()| false);
    };
    capture.session.valid()?;
    *event.state.lock() = Recorded::Captured(CapturedEvent { session: Arc::clone(&capture.session), deps: capture.deps.clone() });
    Ok(true)
}

/// Waits for an event in a captured stream, or brings the stream into the event's capture.
pub fn wait_event(stream: &Arc<Stream>, event: &Arc<Event>, external: bool) -> R<bool> {
    if ACTIVE.load(Ordering::Acquire) == 0 {
        return Ok(false);
    }
    let captured = match &*event.state.lock() {
        Recorded::Captured(captured) => Some(captured.clone()),
        _ => None,
    };
    let own = stream.capture.lock().as_ref().map(|c| Arc::clone(&c.session));
    match (own, captured) {
        (None, None) => Ok(false),
        (Some(_), _) if external => add_body(stream, || Ok(Body::EventWait(Arc::clone(event)))),
        (Some(session), None) => {
            session.invalidate();
            Err(CUresult::STREAM_CAPTURE_ISOLATION)
        }
        (own, Some(captured)) => {
            ensure(!captured.session.ended.load(Ordering::Acquire), CUresult::CAPTURED_EVENT)?;
            captured.session.valid()?;
            match own {
                Some(session) if Arc::ptr_eq(&session, &captured.session) => {
                    if let Some(capture) = stream.capture.lock().as_mut() {
                        let more = captured.deps.iter().filter(|d| !capture.deps.contains(d)).copied().collect::<Vec<_>>();
                        capture.deps.extend(more);
                    }
                }
                Some(session) => {
                    session.invalidate();
                    captured.session.invalidate();
                    return Err(CUresult::STREAM_CAPTURE_MERGE);
                }
                None if stream.legacy => {
                    captured.session.invalidate();
                    return Err(CUresult::STREAM_CAPTURE_IMPLICIT);
                }
                None => captured.session.join(stream, captured.deps),
            }
            Ok(true)
        }
    }
}

/// The status (0 none, 1 active, 2 invalidated) of a stream's capture.
pub fn status(stream: &Arc<Stream>) -> u32 {
    if ACTIVE.load(Ordering::Acquire) == 0 {
        return 0;
    }
    stream.capture.lock().as_ref().map_or(0, |c| if c.session.valid().is_ok() { 1 } else { 2 })
}

/// `cuStreamUpdateCaptureDependencies`: adds to the nodes that the next one comes after, or replaces them.
pub fn update(stream: &Arc<Stream>, deps: Vec<u64>, replace: bool) -> R {
    let mut capture = stream.capture.lock();
    let capture = capture.as_mut().ok_or(CUresult::ILLEGAL_STATE)?;
    capture.session.valid()?;
    for &dep in &deps {
        let node = super::graph::NODES.find(dep).ok_or(CUresult::INVALID_VALUE)?;
        ensure(node.graph_handle == capture.session.graph.handle, CUresult::INVALID_VALUE)?;
    }
    if replace {
        capture.deps = deps;
    } else {
        capture.deps.extend(deps.into_iter().filter(|d| !capture.deps.contains(d)).collect::<Vec<_>>());
    }
    Ok(())
}
