//! Copies straight between device memory of this server and of another of the program (WIRE.md, W35 to W39).
//!
//! `ringway serve` makes the connections, a worker may not. At one end of a path a thread makes the copies that the client has put into
//! streams here (`asking`); at the other a thread moves what it is asked for, if the client has announced it (`asked`). Both move
//! bytes by `mover`.

mod asked;
mod asking;
mod mover;

use crate::cx::{Cx, Failure, Handled};
use crate::driver_call;
use crate::handlers::copy::refuse_capture;
use crate::orders::Line;
use crate::session::Session;
use asked::Asked;
use asking::{Asking, Copy, Question};
use mover::Staging;
use parking_lot::{Condvar, Mutex};
use ringway_api::CudaError;
use ringway_link::path::Path;
use ringway_wire::call::{PATH_COPIES_MAX, PathAnnouncement, PathAsk, PathCopy, PathMemory, Status};
use ringway_wire::codec::{Malformed, Reader, Writer as _};
use ringway_wire::control::{self, Reply};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The other end of a path that is being made answers within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A path that a client asks about is there within this time, or will not be.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// What the client says of a copy is here within this time of the other end's asking for it.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(20);
/// A path that is given up moves nothing any more within this time.
const ENDED_WITHIN: Duration = Duration::from_secs(180);

/// Memory of this session that a copy may read or write.
#[derive(Debug, Clone, Copy)]
struct Announced {
    /// The client's number of the context.
    context: u32,
    memory: PathMemory,
}

#[derive(Default)]
struct State {
    /// Paths by which copies are made for streams here, by number of the other server.
    asking: HashMap<u32, Arc<Asking>>,
    /// Paths by which other servers ask, by number of the server.
    asked: HashMap<u32, Arc<Asked>>,
    /// The last attempt of each: one that comes again, or late, is none.
    attempts: HashMap<u32, u64>,
    /// By number of the other server and of the copy.
    announced: HashMap<(u32, u64), Announced>,
    /// Copies that were put into streams here and have not ended.
    under_way: usize,
    /// Why the last attempt that failed did, by number of the other server.
    failed: HashMap<u32, (u64, String)>,
    /// Memory for pieces that no path uses.
    staging: Vec<Staging>,
}

/// The paths of a session.
#[derive(Default)]
pub struct Paths {
    state: Mutex<State>,
    changed: Condvar,
    questions: Mutex<Option<std::sync::mpsc::Sender<Question>>>,
}

impl Paths {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock());
        self.changed.notify_all();
        changed
    }

    /// Waits until `look` finds something, or the time is over.
    fn wait_for<T>(&self, limit: Duration, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        loop {
            let found = look(&mut state);
            if found.is_some() || self.changed.wait_until(&mut state, deadline).timed_out() {
                return found;
            }
        }
    }

    /// Memory for pieces; not pinned, if none was made ready.
    fn staging(&self) -> Staging {
        let kept = self.state.lock().staging.pop();
        kept.unwrap_or_else(Staging::new)
    }

    /// What the client has announced of a copy, once it has; once.
    fn take_announced(&self, asked: &Asked, copy: u64) -> Option<Announced> {
        let found = self.wait_for(ANNOUNCED_WITHIN, |state| match state.announced.remove(&(asked.peer(), copy)) {
            Some(announced) => Some(Some(announced)),
            None => asked.is_over().then_some(None),
        });
        found.flatten()
    }

    /// Ends the path by which a server asks, if it is of this attempt or one before; false: it does not end in time.
    fn end_asked(&self, peer: u32, attempt: u64) -> bool {
        let Some(asked) = self.state.lock().asked.get(&peer).filter(|asked| asked.attempt() <= attempt).cloned() else {
            return true;
        };
        asked.close();
        self.changed.notify_all();
        let is_gone = |state: &mut State| (!state.asked.get(&peer).is_some_and(|now| Arc::ptr_eq(now, &asked))).then_some(());
        self.wait_for(ENDED_WITHIN, is_gone).is_some()
    }
}

/// Whether the program has another server of this number.
fn check_peer(session: &Session, peer: u32) -> Result<(), Malformed> {
    if peer < session.share.of && peer != session.share.number { Ok(()) } else { Err(Malformed::Value(u64::from(peer))) }
}

/// A connection from serve for a path; on a thread of its own.
pub fn connected(session: &Arc<Session>, peer: u32, attempt: u64, comes_in: bool, line: Line) {
    if check_peer(session, peer).is_err() {
        tracing::warn!("a path with server {peer} of {}: there is none such", session.share.of);
        return;
    }
    let made = if comes_in { asked::begin(session, peer, attempt, line) } else { take(session, peer, attempt, line) };
    if let Err(why) = made {
        tracing::info!("the path with server {peer} of the program: {why}");
        session.paths.change(|state| state.failed.insert(peer, (attempt, why)));
    }
}

/// Asks the other end, by the request that serve has sent there, whether the connection is a path.
fn take(session: &Arc<Session>, peer: u32, attempt: u64, line: Line) -> Result<(), String> {
    let mut socket = line.socket(false).map_err(|error| error.to_string())?;
    socket.set_timeouts(Some(ANSWER_TIMEOUT)).map_err(|error| error.to_string())?;
    match control::receive_reply(&mut socket).map_err(|error| error.to_string())? {
        Reply::Path => {}
        other => return Err(format!("the other server answered with something else than a path: {other:?}").chars().take(200).collect()),
    }
    let path = Path::new(socket).map_err(|error| error.to_string())?;
    asking::of(session, peer)?.connect(attempt, path);
    session.paths.changed.notify_all();
    Ok(())
}

/// [`TAG_PATH_READY`](ringway_wire::call::TAG_PATH_READY): waits until a path is there. The memory for its pieces is registered now, while no
/// stream waits for a copy.
pub fn ready(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let ask = PathAsk::read(r)?;
    r.end()?;
    check_peer(cx.session, ask.peer)?;
    cx.offload(move |session, reply| {
        let paths = &session.paths;
        let needed = paths.state.lock().staging.is_empty();
        if needed {
            let staging = Staging::registered(&session.driver);
            paths.state.lock().staging.push(staging);
        }
        let up = paths.wait_for(READY_WITHIN, |state| {
            let attempt = match ask.comes_in {
                true => state.asked.get(&ask.peer).map(|asked| asked.attempt()),
                false => state.asking.get(&ask.peer).and_then(|asking| asking.attempt()),
            };
            if attempt.is_some_and(|attempt| attempt >= ask.attempt) {
                return Some(Ok(()));
            }
            state.failed.get(&ask.peer).filter(|failed| failed.0 >= ask.attempt).map(|failed| Err(failed.1.clone()))
        });
        let why = match up {
            Some(Ok(())) => String::new(),
            Some(Err(why)) => why,
            None => "the path was not made in time".into(),
        };
        let mut answer = Cx::answer();
        answer.u8(u8::from(why.is_empty()));
        answer.put(why.chars().take(100).collect::<String>().as_bytes());
        reply.send(session, Status::of(0), answer.as_slice());
    })
}

/// [`TAG_PATH_ANNOUNCE`](ringway_wire::call::TAG_PATH_ANNOUNCE): the other end may ask for a copy.
pub fn announce(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let PathAnnouncement(memory) = PathAnnouncement::read(r)?;
    check_peer(cx.session, memory.peer)?;
    let announced = Announced { context: cx.header.ctx, memory };
    cx.session.paths.change(|state| {
        if state.announced.len() >= PATH_COPIES_MAX {
            return Err(Malformed::Count { count: PATH_COPIES_MAX as u64 + 1, limit: PATH_COPIES_MAX as u64 }.into());
        }
        state.announced.insert((memory.peer, memory.copy), announced);
        Ok(())
    })
}

/// [`TAG_PATH_END`](ringway_wire::call::TAG_PATH_END): when it is answered, nothing of the copy is read or written here any more.
pub fn end(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let (ask, copy) = (PathAsk::read(r)?, r.u64()?);
    r.end()?;
    check_peer(cx.session, ask.peer)?;
    cx.offload(move |session, reply| {
        let ended = session.paths.end_asked(ask.peer, ask.attempt);
        session.paths.change(|state| state.announced.remove(&(ask.peer, copy)));
        reply.result(session, if ended { Ok(()) } else { Err(CudaError::TIMEOUT) });
    })
}

/// [`TAG_PATH_COPY`](ringway_wire::call::TAG_PATH_COPY): the stream stands still when it gets there, until the copy has ended.
pub fn copy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let call = PathCopy::read(r)?;
    check_peer(cx.session, call.memory.peer)?;
    cx.enter()?;
    let stream = cx.stream(call.stream)?;
    refuse_capture(cx, stream)?;
    let reply = cx.reply_to();
    if reply.wanted() != (call.instead == 0) {
        return Err(Malformed::Value(call.instead).into());
    }
    let asking = match asking::of(cx.session, call.memory.peer) {
        Ok(asking) => asking,
        Err(why) => {
            tracing::warn!("{why}");
            return Err(CudaError::OUT_OF_MEMORY.into());
        }
    };
    cx.session.paths.change(|state| {
        if state.under_way >= PATH_COPIES_MAX {
            return Err(Failure::from(Malformed::Count { count: PATH_COPIES_MAX as u64 + 1, limit: PATH_COPIES_MAX as u64 }));
        }
        state.under_way += 1;
        Ok(())
    })?;
    let copy = Arc::new(Copy::new(cx.session, cx.lane, &call, reply, asking, cx.header.ctx));
    let argument = Arc::into_raw(Arc::clone(&copy)).cast_mut().cast::<c_void>();
    let mut is_taken = false;
    let stopped = cx.session.gates.stop(cx.session, stream, || {
        driver_call!(cx.driver, cuLaunchHostFunc(stream, asking::reached as *const c_void, argument))?;
        is_taken = true;
        Ok(())
    });
    if !is_taken {
        // SAFETY: made just above; the driver did not take it.
        drop(unsafe { Arc::from_raw(argument.cast::<Copy>().cast_const()) });
    }
    match stopped {
        Ok(stop) => {
            copy.stopped(stop);
            Ok(crate::cx::Outcome::Later)
        }
        Err(failure) => {
            copy.give_up();
            Err(failure)
        }
    }
}
