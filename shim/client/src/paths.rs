//! Copies straight between servers (WIRE.md, W35 to W39): the paths that they take, made when they are first needed, and what becomes of
//! them.
//!
//! 1. A path is asked for at the server whose streams need it: it connects to the other, if it may. Both workers then say that it is there.
//! 2. A copy is announced to the other server, and posted to the stream's. The stream stops there until the copy is made; nothing
//!    comes by this process.
//! 3. Where the path is not there or breaks, the server has a host function run, which makes the copy in another way; a call that waits is told.

use crate::contexts::Target;
use crate::host_functions::{self, Function};
use crate::objects::Object;
use crate::say::Line;
use crate::servers::{Server, is_its_own};
use crate::session::{Session, session};
use crate::submit::{called, flush, posted};
use crate::{completion, stats};
use core::ffi::c_void;
use parking_lot::Mutex;
use ringway_api::CudaError;
use ringway_link::endpoint::Connection;
use ringway_secure::path_secret;
use ringway_wire::call::{PathAnnouncement, PathAsk, PathCopy, PathMemory, TAG_KEEP_ERROR, TAG_PATH_ANNOUNCE, TAG_PATH_COPY, TAG_PATH_END, TAG_PATH_READY};
use ringway_wire::codec::Writer as _;
use ringway_wire::control::{self, ControlError, Reply, Request, SERVERS_MAX};
use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Copies that are posted and have not ended, at the most; those beyond go another way. Below what a server takes.
const POSTED_MAX: usize = 256;
/// Bound on a server's making a path.
const MAKE_TIMEOUT: Duration = Duration::from_secs(12);
/// A path that breaks is made again at once; if it breaks soon again, after a wait that doubles between these.
const WAIT_MIN: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// With such waits between attempts the program is told.
const SAID_AT: Duration = Duration::from_millis(500);
/// An attempt that takes longer is a slow one.
const SLOW: Duration = Duration::from_secs(1);
/// A path that has been there for so long is a good one.
const GOOD: Duration = Duration::from_secs(1);
const SERVERS: usize = SERVERS_MAX as usize;

/// The way from one server to another.
#[derive(Debug, Clone, Copy)]
enum Way {
    Unknown,
    /// There, by this attempt.
    Up { attempt: u64, since: Instant, wait: Duration },
    /// It broke; it may be made again from then on.
    Down { until: Instant, wait: Duration },
    /// It cannot be made.
    Never,
}

/// From the first to the second, which is asked.
static WAYS: [[Mutex<Way>; SERVERS]; SERVERS] = [const { [const { Mutex::new(Way::Unknown) }; SERVERS] }; SERVERS];
/// Numbers of attempts and of copies.
static NEXT: AtomicU64 = AtomicU64::new(1);
static NONE: Line = Line::new();

/// One copy, as the server of its stream sees it.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Memory of the stream's server.
    pub near: u64,
    /// Context of the other server, and memory of its.
    pub far: Target,
    /// See `far`.
    pub far_address: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// The stream's server has the source.
    pub near_is_source: bool,
}

/// A path that is there.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Numbers of the servers: of the streams, and the other.
    from: usize,
    to: usize,
    attempt: u64,
}

struct Posted {
    instead: Option<Box<dyn FnOnce() + Send>>,
    function: u64,
    lane: u32,
    bytes: u64,
}

static POSTED: Mutex<Option<HashMap<u64, Posted>>> = Mutex::new(None);

/// Whether paths are used at all: `RINGWAY_PATHS=0` says no.
fn are_wanted() -> bool {
    static WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("RINGWAY_PATHS").is_none_or(|value| value != "0"));
    *WANTED
}

/// The path by which streams of `near` copy from and to memory of `far`; made if it is not there. None: it cannot be had now.
pub fn find(near: Target, far: Target) -> Option<Found> {
    if !are_wanted() {
        return None;
    }
    let session = session().ok()?;
    let (from, to) = (session.server_number(near.lane), session.server_number(far.lane));
    let mut way = WAYS[from][to].lock();
    let wait = match *way {
        Way::Up { attempt, .. } => return Some(Found { from, to, attempt }),
        Way::Never => return None,
        Way::Down { until, .. } if Instant::now() < until => return None,
        Way::Down { wait, .. } => wait,
        Way::Unknown => Duration::ZERO,
    };
    let attempt = NEXT.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    match make(session, (from, to), (near, far), attempt) {
        Ok(()) => {
            *way = Way::Up { attempt, since: Instant::now(), wait };
            Some(Found { from, to, attempt })
        }
        Err(error) => {
            let was_there = !matches!(*way, Way::Unknown);
            *way = match &error {
                ControlError::Refused { .. } if !was_there => Way::Never,
                ControlError::Refused { .. } => later(WAIT_MAX.max(after(begun.elapsed()))),
                _ => later(wait.max(after(begun.elapsed()))),
            };
            if matches!(*way, Way::Never) || wait >= SAID_AT {
                NONE.say(format_args!(
                    "copies from GPU to GPU between {} and {} go by this machine, not straight: {error}",
                    session.servers[from].target, session.servers[to].target
                ));
            }
            None
        }
    }
}

/// How long to wait after an attempt that took so long: the program waits for attempts, so slow ones are a small part of its time.
fn after(took: Duration) -> Duration {
    if took > SLOW { 10 * took } else { Duration::ZERO }
}

fn later(wait: Duration) -> Way {
    Way::Down { until: Instant::now() + wait, wait: (2 * wait).clamp(WAIT_MIN, WAIT_MAX) }
}

/// Has a path made.
fn make(session: &Session, (from, to): (usize, usize), (near, far): (Target, Target), attempt: u64) -> Result<(), ControlError> {
    take(&session.servers[from], &session.servers[to], (from as u32, to as u32), attempt)?;
    for (target, peer, comes_in) in [(near, to, false), (far, from, true)] {
        let ask = PathAsk { peer: peer as u32, attempt, comes_in };
        let answer = called(TAG_PATH_READY, target.without_work(), PathAsk::SIZE, |w| ask.write(w), |r| {
            let up = r.u8()? == 1;
            let why = String::from_utf8_lossy(r.take(r.left())?).into_owned();
            Ok(if up { Ok(()) } else { Err(why) })
        });
        let up = answer.unwrap_or_else(|code| Err(format!("a worker does not answer: {code}")));
        up.map_err(ControlError::Unexpected)?;
    }
    Ok(())
}

/// Has the server `from` take a path to the server `to`.
fn take(from: &Server, to: &Server, (number, peer): (u32, u32), attempt: u64) -> Result<(), ControlError> {
    let request = Request::TakePath {
        session: from.session,
        secret: from.secret.clone(),
        attempt,
        peer,
        peer_session: to.session,
        peer_secret: path_secret(&to.secret, number, attempt),
        address: to.target.endpoint.to_string(),
        authority: to.target.trust.as_ref().map(|trust| trust.ca().to_vec()),
    };
    let mut connection: Connection = from.target.connect(MAKE_TIMEOUT)?;
    control::send(&mut connection, &request)?;
    match control::receive_reply(&mut connection)? {
        Reply::PathTaken => Ok(()),
        _ => Err(ControlError::Unexpected("something else than a path".into())),
    }
}

/// The path is broken: when this returns, nothing of the copy that it did not make is read or written at the other end.
///
/// # Errors
/// The other end is lost, or does not come to an end.
pub fn give_up(found: Found, far: Target, copy: u64) -> Result<(), CudaError> {
    let mut way = WAYS[found.from][found.to].lock();
    if let Way::Up { attempt, since, wait } = *way
        && attempt <= found.attempt
    {
        *way = later(if since.elapsed() > GOOD { Duration::ZERO } else { wait });
    }
    drop(way);
    let ask = PathAsk { peer: found.from as u32, attempt: found.attempt, comes_in: true };
    let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
        ask.write(w);
        w.u64(copy);
    };
    called(TAG_PATH_END, far.without_work(), PathAsk::SIZE + 8, write, |_| Ok(()))
}

/// Tells the other end of a copy, and gives it a number.
fn announce(found: Found, ends: &Ends) -> Result<u64, CudaError> {
    let copy = NEXT.fetch_add(1, Ordering::Relaxed);
    let memory =
        PathMemory { copy, peer: found.from as u32, is_source: !ends.near_is_source, address: ends.far_address, bytes: ends.bytes };
    posted(TAG_PATH_ANNOUNCE, ends.far.without_work(), PathAnnouncement::SIZE, |w| PathAnnouncement(memory).write(w))?;
    flush(ends.far)?;
    Ok(copy)
}

fn call_of(found: Found, ends: &Ends, stream: u64, copy: u64, instead: u64) -> PathCopy {
    let memory = PathMemory { copy, peer: found.to as u32, is_source: ends.near_is_source, address: ends.near, bytes: ends.bytes };
    PathCopy { stream, instead, memory }
}

/// Puts a copy into a stream. `instead` makes it, given its number, if the path does not. Gives false, having done nothing, where too many
/// are under way.
///
/// # Errors
/// Those of posting at either end.
pub fn post(found: Found, stream: Object, ends: &Ends, instead: impl FnOnce(u64) + Send + 'static) -> Result<bool, CudaError> {
    if POSTED.lock().as_ref().is_some_and(|posted| posted.len() >= POSTED_MAX) {
        return Ok(false);
    }
    let copy = announce(found, ends)?;
    let function = host_functions::register_beside(Function::Host(run_instead, copy as usize), stream.target.lane);
    let one = Posted { instead: Some(Box::new(move || instead(copy))), function, lane: stream.target.lane, bytes: ends.bytes };
    POSTED.lock().get_or_insert_default().insert(copy, one);
    let call = call_of(found, ends, stream.id, copy, function);
    if let Err(code) = posted(TAG_PATH_COPY, stream.target, PathCopy::SIZE, |w| call.write(w)) {
        forget(copy);
        return Err(code);
    }
    flush(stream.target)?;
    Ok(true)
}

/// Makes a copy in a stream and waits for it. Gives its number where the path did not make it.
///
/// # Errors
/// Those of the copy.
pub fn call(found: Found, stream: Object, ends: &Ends) -> Result<Result<(), u64>, CudaError> {
    let copy = announce(found, ends)?;
    let call = call_of(found, ends, stream.id, copy, 0);
    let made = completion::waited_for_stream(stream, |target| {
        let made = called(TAG_PATH_COPY, target, PathCopy::SIZE, |w| call.write(w), |r| Ok(r.u8()? == 1))?;
        if made {
            return Ok(());
        }
        // Not an error, but nothing is known of the stream then.
        Err(CudaError::NOT_READY)
    });
    match made {
        Ok(()) => {
            stats::between(ends.bytes);
            Ok(Ok(()))
        }
        Err(CudaError::NOT_READY) => Ok(Err(copy)),
        Err(code) => Err(code),
    }
}

fn forget(copy: u64) -> Option<Posted> {
    let gone = POSTED.lock().as_mut().and_then(|posted| posted.remove(&copy))?;
    host_functions::forget(gone.function);
    Some(gone)
}

/// The server of lane `lane` says that a posted copy has ended.
pub(crate) fn ended_by(lane: u32, copy: u64, made: bool) {
    let is_its = POSTED.lock().as_ref().and_then(|posted| posted.get(&copy)).is_some_and(|one| is_its_own(lane, one.lane));
    if is_its
        && let Some(gone) = forget(copy)
        && made
    {
        stats::between(gone.bytes);
    }
}

/// Nothing more comes from a server.
pub(crate) fn server_lost(number: usize) {
    let Ok(session) = session() else { return };
    for other in 0..session.servers.len() {
        for way in [&WAYS[number][other], &WAYS[other][number]] {
            // Held only while a path is being made, of which the server's end is told by its calls.
            if let Some(mut way) = way.try_lock() {
                *way = Way::Never;
            }
        }
    }
    let gone: Vec<u64> = {
        let all = POSTED.lock();
        let of_server = all.iter().flatten().filter(|(_, one)| session.server_number(one.lane) == number);
        of_server.map(|(copy, _)| *copy).collect()
    };
    for copy in gone {
        forget(copy);
    }
}

unsafe extern "C" fn run_instead(copy: *mut c_void) {
    let instead = POSTED.lock().as_mut().and_then(|posted| posted.get_mut(&(copy as u64))).and_then(|one| one.instead.take());
    if let Some(instead) = instead {
        instead();
    }
}

/// An asynchronous call of a context failed here: the context's next call that waits reports it.
pub fn failed(target: Target, opcode: u32, code: CudaError) {
    // Of a server that is lost the program's own calls tell.
    let _ = posted(TAG_KEEP_ERROR, target.without_work(), 8, |w| {
        w.u32(opcode);
        w.u32(code.code());
    });
}
