//! Host functions in a stream: the stream stalls at the server, the function runs here, the stream goes on.

use crate::contexts::Target;
use crate::say::Line;
use crate::session::block_signals;
use crate::servers;
use crate::submit::{flush, posted};
use parking_lot::Mutex;
use ringway_wire::call::TAG_HOST_FUNCTION_DONE;
use ringway_wire::codec::Writer as _;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

/// `CUhostFn`.
pub type HostFn = unsafe extern "C" fn(*mut std::ffi::c_void);
/// `CUstreamCallback`.
pub type StreamCallback = unsafe extern "C" fn(u64, u32, *mut std::ffi::c_void);

/// What to call.
#[derive(Debug, Clone, Copy)]
pub enum Function {
    /// cuLaunchHostFunc: not called if an error came before.
    Host(HostFn, usize),
    /// cuStreamAddCallback: always called, with the stream's status.
    Callback(StreamCallback, u64, usize),
}

struct Registered {
    function: Function,
    /// The stream that it was put into; 0 for a graph's.
    stream: u64,
    /// In a graph: called at each launch.
    repeats: bool,
    /// Lane of the stream or graph: another server has no say in it.
    lane: u32,
}

struct Job {
    lane: u32,
    /// The number of this call, by which the server knows that it has returned.
    call: u64,
    function: Option<Function>,
    /// The stream whose count of waiting functions it is part of; 0 for none.
    stream: u64,
    status: u32,
}

static REGISTERED: Mutex<Option<HashMap<u64, Registered>>> = Mutex::new(None);
/// Functions that have not returned yet, by the stream they were put into.
static WAITING: Mutex<Option<HashMap<u64, usize>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);
static RUNNER: Mutex<Option<Sender<Job>>> = Mutex::new(None);
static NO_THREAD: Line = Line::new();

/// Registers a function that was put into `stream` of `lane` and gives the number under which the server asks for it. One of a graph
/// belongs to no stream and `repeats`.
pub fn register(function: Function, repeats: bool, stream: u64, lane: u32) -> u64 {
    let stream = if repeats { 0 } else { count_as(stream) };
    if stream != 0 {
        *WAITING
            .lock()
            .get_or_insert_default()
            .entry(stream)
            .or_insert(0) += 1;
    }
    insert(Registered { function, stream, repeats, lane })
}

/// Registers a function of ours that a stream of `lane` may need, once, and the program knows nothing of.
pub(crate) fn register_beside(function: Function, lane: u32) -> u64 {
    insert(Registered { function, stream: 0, repeats: false, lane })
}

fn insert(registered: Registered) -> u64 {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    REGISTERED.lock().get_or_insert_default().insert(id, registered);
    id
}

/// Whether a function that was put into `stream` has not returned yet.
pub fn waiting(stream: u64) -> bool {
    WAITING
        .lock()
        .as_ref()
        .is_some_and(|waiting| waiting.contains_key(&count_as(stream)))
}

/// The number that a stream's functions are counted under: 0 means none, so the legacy stream goes by its other name.
fn count_as(stream: u64) -> u64 {
    stream.max(1)
}

fn returned(stream: u64) {
    if stream == 0 {
        return;
    }
    if let Some(waiting) = WAITING.lock().as_mut()
        && let Some(count) = waiting.get_mut(&stream)
    {
        *count -= 1;
        if *count == 0 {
            waiting.remove(&stream);
        }
    }
}

/// Forgets a function that will not be asked for.
pub fn forget(id: u64) {
    let forgotten = REGISTERED
        .lock()
        .as_mut()
        .and_then(|registered| registered.remove(&id));
    if let Some(forgotten) = forgotten {
        returned(forgotten.stream);
    }
}

/// The server asks for a call: it is made on a thread of its own, so that no lane waits for the program's code.
pub fn run(lane: u32, word: u64, status: u32) {
    // The word holds the function's number below and the number of the call above.
    let (id, call) = (word & 0xffff_ffff, word);
    let function = {
        let mut all = REGISTERED.lock();
        let all = all.get_or_insert_default();
        match all.get(&id) {
            Some(found) if !servers::is_its_own(lane, found.lane) => None,
            Some(found) if found.repeats => Some((found.function, 0)),
            Some(_) => all.remove(&id).map(|found| (found.function, found.stream)),
            None => None,
        }
    };
    let (function, stream) = match function {
        Some((function, stream)) => (Some(function), stream),
        None => (None, 0),
    };
    let mut runner = RUNNER.lock();
    if runner.is_none() {
        let (sender, jobs) = channel::<Job>();
        let started = std::thread::Builder::new()
            .name("ringway-host".into())
            .spawn(move || {
                block_signals();
                for job in jobs {
                    call_one(&job);
                }
            });
        if let Err(error) = started {
            NO_THREAD.say(format_args!(
                "no thread for host functions could be started: {error}"
            ));
            return;
        }
        *runner = Some(sender);
    }
    if let Some(sender) = runner.as_ref() {
        // The receiving thread lives as long as the process.
        let _ = sender.send(Job {
            lane,
            call,
            function,
            stream,
            status,
        });
    }
}

fn call_one(job: &Job) {
    match job.function {
        // SAFETY: the program gave the function and its argument for this very call (CUDA driver API, cuLaunchHostFunc).
        Some(Function::Host(function, data)) if job.status == 0 => unsafe {
            function(data as *mut std::ffi::c_void)
        },
        // SAFETY: as above (cuStreamAddCallback).
        Some(Function::Callback(function, stream, data)) => unsafe {
            function(stream, job.status, data as *mut std::ffi::c_void)
        },
        _ => {}
    }
    returned(job.stream);
    let target = Target {
        context: 0,
        lane: job.lane,
        stream: Target::NO_WORK,
    };
    // A link that is lost is reported by the program's own calls.
    let _ =
        posted(TAG_HOST_FUNCTION_DONE, target, 8, |w| w.u64(job.call)).and_then(|()| flush(target));
}
