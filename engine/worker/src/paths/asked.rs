//! The end of a path that is asked: it moves what the client has announced, and nothing else.

use super::mover::Mover;
use super::{Announced, Paths};
use crate::orders::Line;
use crate::session::Session;
use ringway_api::CudaError;
use ringway_link::path::{Closer, Path, out_of_place};
use ringway_wire::control::{self, Reply};
use ringway_wire::path::PathMessage;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A path by which another server asks.
#[derive(Debug)]
pub(super) struct Asked {
    peer: u32,
    attempt: u64,
    closer: Closer,
    over: AtomicBool,
}

impl Asked {
    pub(super) fn peer(&self) -> u32 {
        self.peer
    }

    pub(super) fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Whether it is given up.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Gives it up; its thread moves nothing any more when it is gone from [`Paths`].
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Release);
        self.closer.close();
    }
}

/// Serves a connection by which another server wants to ask, until it ends. The one before is given up first: what it had under way
/// must not be written when the same copy is made again.
pub(super) fn begin(session: &Arc<Session>, peer: u32, attempt: u64, line: Line) -> Result<(), String> {
    let paths = &session.paths;
    let mut socket = line.socket(true).map_err(|error| error.to_string())?;
    let is_new = paths.change(|state| {
        let last = state.attempts.entry(peer).or_insert(0);
        let is_new = attempt > *last;
        *last = attempt.max(*last);
        is_new
    });
    if !is_new {
        return Err(format!("attempt {attempt} was made before"));
    }
    if !paths.end_asked(peer, attempt) {
        return Err("the path before does not end".into());
    }
    control::send(&mut socket, &Reply::Path).map_err(|error| error.to_string())?;
    let mut path = Path::new(socket).map_err(|error| error.to_string())?;
    let closer = path.closer().map_err(|error| error.to_string())?;
    let asked = Arc::new(Asked { peer, attempt, closer, over: AtomicBool::new(false) });
    let is_last = paths.change(|state| {
        let is_last = !state.asked.contains_key(&peer);
        if is_last {
            state.asked.insert(peer, Arc::clone(&asked));
        }
        is_last
    });
    if !is_last {
        return Err("another path was made meanwhile".into());
    }
    let ended = serve(session, &asked, &mut path);
    // Whoever waits for its end may go on: nothing is moved any more.
    paths.change(|state| state.asked.remove(&peer));
    match ended {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof && !asked.is_over() => {
            tracing::info!("the path from server {peer} of the program ended: {error}");
        }
        _ => {}
    }
    Ok(())
}

fn serve(session: &Arc<Session>, asked: &Asked, path: &mut Path) -> io::Result<()> {
    let mut mover = Mover::new(session);
    loop {
        path.set_patient(true)?;
        let message = path.receive()?;
        path.set_patient(false)?;
        let (copy, bytes, is_source) = match message {
            PathMessage::Write { copy, bytes } => (copy, bytes, false),
            PathMessage::Read { copy, bytes } => (copy, bytes, true),
            other => return Err(out_of_place(&other)),
        };
        let announced = announced(&session.paths, asked, copy, bytes, is_source)?;
        let memory = (announced.memory.address, bytes);
        if is_source {
            // Its result is part of what was sent.
            let _: Result<(), CudaError> = mover.send(path, copy, announced.context, memory)?;
        } else {
            let result = mover.receive(path, copy, announced.context, memory)?;
            path.send(PathMessage::End { copy, result: result.err().map_or(0, CudaError::code) })?;
        }
    }
}

/// What the client said of a copy; an error if it did not, or something else.
fn announced(paths: &Paths, asked: &Asked, copy: u64, bytes: u64, is_source: bool) -> io::Result<Announced> {
    let not_so = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("rule W38: copy {copy} {what}"));
    let announced = paths.take_announced(asked, copy).ok_or_else(|| not_so("was not announced"))?;
    let memory = announced.memory;
    if memory.bytes != bytes || memory.is_source != is_source {
        return Err(not_so("is another than was announced"));
    }
    Ok(announced)
}
