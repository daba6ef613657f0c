//! The end of a path that asks: for copies that the client has put into streams here, one after the other as the streams get there.

use super::mover::Mover;
use crate::cx::ReplyTo;
use crate::gates::Stop;
use crate::handlers::launch::run_host_function;
use crate::session::Session;
use parking_lot::{Condvar, Mutex};
use ringway_api::{CudaError, op};
use ringway_link::path::{Path, out_of_place};
use ringway_link::{LinkError, ServerHandle};
use ringway_wire::call::{NOTICE_PATH_COPY_ENDED, PathCopy, Status};
use ringway_wire::path::PathMessage;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// The client must take a notice within this time.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Queue {
    /// Copies whose streams stand still for them.
    copies: VecDeque<Arc<Copy>>,
    /// The path, unless the thread has it or there is none, and the attempt by which it was made.
    path: Option<(u64, Path)>,
    /// Attempt by which the path was made that is there or in the thread's hands.
    attempt: Option<u64>,
}

/// The way to one other server.
pub(super) struct Asking {
    peer: u32,
    queue: Mutex<Queue>,
    more: Condvar,
}

/// A copy that the path did not make.
pub(super) type Question = Arc<Copy>;

/// The way to a server; its thread is started with it.
pub(super) fn of(session: &Arc<Session>, peer: u32) -> Result<Arc<Asking>, String> {
    let mut state = session.paths.state.lock();
    if let Some(asking) = state.asking.get(&peer) {
        return Ok(Arc::clone(asking));
    }
    let asking = Arc::new(Asking { peer, queue: Mutex::default(), more: Condvar::new() });
    let (own, of) = (Arc::clone(&asking), Arc::clone(session));
    let started = std::thread::Builder::new().name("path".into()).spawn(move || own.work(&of));
    started.map_err(|error| format!("no thread for copies to server {peer} of the program: {error}"))?;
    state.asking.insert(peer, Arc::clone(&asking));
    Ok(asking)
}

impl Asking {
    /// The attempt by which the path that is there was made.
    pub(super) fn attempt(&self) -> Option<u64> {
        self.queue.lock().attempt
    }

    /// A path is there, in the place of the one before.
    pub(super) fn connect(&self, attempt: u64, path: Path) {
        let mut queue = self.queue.lock();
        if queue.attempt.is_none_or(|now| now < attempt) {
            (queue.attempt, queue.path) = (Some(attempt), Some((attempt, path)));
        }
    }

    fn push(&self, copy: Arc<Copy>) {
        self.queue.lock().copies.push_back(copy);
        self.more.notify_one();
    }

    /// Makes copies for as long as the process lives.
    fn work(&self, session: &Arc<Session>) {
        let mut mover = Mover::new(session);
        loop {
            let mut queue = self.queue.lock();
            let copy = loop {
                match queue.copies.pop_front() {
                    Some(copy) => break copy,
                    None => self.more.wait(&mut queue),
                }
            };
            let path = queue.path.take();
            drop(queue);
            let Some((attempt, mut path)) = path else {
                copy.ask_client();
                continue;
            };
            let made = copy.make(&mut mover, &mut path);
            let mut queue = self.queue.lock();
            let is_newest = queue.attempt == Some(attempt);
            match made {
                Ok(result) => {
                    if is_newest {
                        queue.path = Some((attempt, path));
                    }
                    drop(queue);
                    copy.end(result);
                }
                Err(error) => {
                    if is_newest {
                        queue.attempt = None;
                    }
                    drop((queue, path));
                    tracing::info!("the path to server {} of the program broke: {error}", self.peer);
                    copy.ask_client();
                }
            }
        }
    }
}

/// A copy in a stream.
pub(super) struct Copy {
    session: Arc<Session>,
    lane: ServerHandle,
    call: PathCopy,
    context: u32,
    /// Where the answer goes, if the client waits for one.
    reply: Option<ReplyTo>,
    asking: Arc<Asking>,
    stop: Mutex<Standing>,
    arrival: Condvar,
}

/// How the stream is held for a copy.
enum Standing {
    /// It is not known yet.
    Unknown,
    Stopped(Stop),
    /// It is not.
    Free,
}

impl Copy {
    pub(super) fn new(session: &Arc<Session>, lane: &ServerHandle, call: &PathCopy, reply: ReplyTo, asking: Arc<Asking>, context: u32) -> Self {
        Self {
            session: Arc::clone(session),
            lane: lane.clone(),
            call: *call,
            context,
            reply: reply.wanted().then_some(reply),
            asking,
            stop: Mutex::new(Standing::Unknown),
            arrival: Condvar::new(),
        }
    }

    /// The stream is stopped for it.
    pub(super) fn stopped(&self, stop: Stop) {
        *self.stop.lock() = Standing::Stopped(stop);
        self.arrival.notify_all();
    }

    /// The stream could not be stopped, so it is not made. Whoever put it there is told otherwise.
    pub(super) fn give_up(&self) {
        *self.stop.lock() = Standing::Free;
        self.arrival.notify_all();
        self.session.paths.change(|state| state.under_way -= 1);
    }

    /// Whether the stream waits for it. The stream may have got there before that was known.
    fn is_standing(&self) -> bool {
        let mut stop = self.stop.lock();
        while matches!(*stop, Standing::Unknown) {
            self.arrival.wait(&mut stop);
        }
        matches!(*stop, Standing::Stopped(_))
    }

    /// Makes it by a path.
    ///
    /// # Errors
    /// The path broke; it may be made again from its beginning.
    fn make(&self, mover: &mut Mover, path: &mut Path) -> io::Result<Result<(), CudaError>> {
        if !self.is_standing() {
            return Ok(Ok(()));
        }
        let memory = self.call.memory;
        let (copy, bytes) = (memory.copy, memory.bytes);
        let place = (memory.address, bytes);
        path.set_patient(false)?;
        if !memory.is_source {
            path.send(PathMessage::Read { copy, bytes })?;
            return mover.receive(path, copy, self.context, place);
        }
        path.send(PathMessage::Write { copy, bytes })?;
        let sent = mover.send(path, copy, self.context, place)?;
        match path.receive()? {
            PathMessage::End { copy: of, result } if of == copy => Ok(sent.and(CudaError::check(result))),
            other => Err(out_of_place(&other)),
        }
    }

    /// It has ended.
    fn end(self: Arc<Self>, result: Result<(), CudaError>) {
        if let Err(code) = result
            && self.reply.is_none()
        {
            self.session.keep(self.context, code, op::CU_MEMCPY_PEER_ASYNC);
        }
        self.let_go(true, result);
    }

    /// The path does not make it. The client makes it then, or the call that waits is told.
    fn ask_client(self: Arc<Self>) {
        if !self.is_standing() || self.reply.is_some() {
            return self.let_go(false, Ok(()));
        }
        // One after the other on a thread of its own: the client makes them one after the other too, and the path's thread may be
        // needed for that.
        let mut questions = self.session.paths.questions.lock();
        let sender = questions.get_or_insert_with(|| {
            let (sender, copies) = channel::<Question>();
            let started = std::thread::Builder::new().name("instead".into()).spawn(move || {
                for copy in copies {
                    if run_host_function(&copy.session, &copy.lane, copy.call.instead) {
                        copy.let_go(false, Ok(()));
                    } else {
                        copy.end(Err(CudaError::UNKNOWN));
                    }
                }
            });
            if let Err(error) = started {
                tracing::error!("no thread to ask the client for copies: {error}");
            }
            sender
        });
        if let Err(failed) = sender.send(Arc::clone(&self)) {
            *questions = None;
            drop(questions);
            failed.0.end(Err(CudaError::OUT_OF_MEMORY));
        }
    }

    /// Lets the stream go on, and tells the client.
    fn let_go(self: Arc<Self>, made: bool, result: Result<(), CudaError>) {
        let stop = std::mem::replace(&mut *self.stop.lock(), Standing::Free);
        if let Standing::Stopped(stop) = stop {
            self.session.gates.go(stop);
            self.session.paths.change(|state| state.under_way -= 1);
        } else {
            return;
        }
        let Some(reply) = &self.reply else {
            let (copy, made) = (self.call.memory.copy.to_le_bytes(), u32::from(made).to_le_bytes());
            if let Err(LinkError::Full) = self.lane.try_notice(NOTICE_PATH_COPY_ENDED, &[&copy, &made]) {
                let lane = self.lane.clone();
                // A client that is gone needs no word of it.
                self.session.waiters.run(move || drop(lane.notice(NOTICE_PATH_COPY_ENDED, &[&copy, &made], PATIENCE)));
            }
            return;
        };
        if !made {
            return reply.send(&self.session, Status::of(0), &[0]);
        }
        // What the stream copied to the client before comes first, and this thread must not wait for it.
        if self.session.downloads.any() {
            let (session, reply) = (Arc::clone(&self.session), reply.clone());
            Arc::clone(&session).waiters.run(move || reply.send_synchronised(&session, result, &[1]));
        } else {
            reply.send_synchronised(&self.session, result, &[1]);
        }
    }
}

/// What the driver calls when the stream gets to a copy: it only says so.
pub(super) unsafe extern "C" fn reached(copy: *mut c_void) {
    let run = std::panic::catch_unwind(|| {
        // SAFETY: an `Arc` that was given away for this one call.
        let copy = unsafe { Arc::from_raw(copy.cast::<Copy>().cast_const()) };
        let asking = Arc::clone(&copy.asking);
        asking.push(copy);
    });
    if run.is_err() {
        std::process::abort();
    }
}
