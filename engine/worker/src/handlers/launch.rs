//! Launches, with the parameters as one packed buffer; and host functions in streams, which the driver calls here and the
//! client runs.

use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use crate::session::Session;
use ringway_api::{CudaError, Kind};
use ringway_link::ServerHandle;
use ringway_wire::call::NOTICE_HOST_FUNCTION;
use ringway_wire::codec::Reader;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Grid, block and dynamic shared memory.
pub(super) struct Shape {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
}

pub(super) fn shape(r: &mut Reader<'_>) -> Result<Shape, Failure> {
    Ok(Shape {
        grid: [r.u32()?, r.u32()?, r.u32()?],
        block: [r.u32()?, r.u32()?, r.u32()?],
        shared: r.u32()?,
    })
}

/// The driver's function behind a function's or a kernel's id.
pub(super) fn function(cx: &Cx<'_>, id: u64) -> Result<u64, CudaError> {
    cx.handle(Kind::Function, id)
        .or_else(|_| cx.handle(Kind::Kernel, id))
}

/// `CU_LAUNCH_PARAM_*`: the packed form of parameters.
pub(super) const BUFFER_POINTER: usize = 1;
pub(super) const BUFFER_SIZE: usize = 2;

fn launch(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let function = function(cx, r.u64()?)?;
    let stream = cx.stream(r.u64()?)?;
    let cooperative = r.u32()? != 0;
    let Shape {
        grid,
        block,
        shared,
    } = shape(r)?;
    let params = r.bytes()?;
    r.end()?;
    let size = params.len();
    if cooperative {
        return cooperative_launch(
            cx,
            function,
            stream,
            &Shape {
                grid,
                block,
                shared,
            },
            params,
        );
    }
    let mut extra = [
        BUFFER_POINTER,
        params.as_ptr() as usize,
        BUFFER_SIZE,
        (&raw const size) as usize,
        0,
    ];
    Ok(driver_call!(
        cx.driver,
        cuLaunchKernel(
            function,
            grid[0],
            grid[1],
            grid[2],
            block[0],
            block[1],
            block[2],
            shared,
            stream,
            std::ptr::null_mut(),
            extra.as_mut_ptr().cast()
        )
    )?)
}

/// A cooperative launch takes no packed parameters: each is pointed to, by the layout that the driver tells.
fn cooperative_launch(
    cx: &mut Cx<'_>,
    function: u64,
    stream: u64,
    shape: &Shape,
    params: &[u8],
) -> Result<(), Failure> {
    let mut pointers: Vec<*const c_void> = Vec::new();
    for index in 0.. {
        let (mut offset, mut bytes) = (0usize, 0usize);
        match driver_call!(
            cx.driver,
            cuFuncGetParamInfo(function, index, &raw mut offset, &raw mut bytes)
        ) {
            Ok(())
                if offset
                    .checked_add(bytes)
                    .is_some_and(|end| end <= params.len()) =>
            {
                pointers.push(params[offset..].as_ptr().cast())
            }
            Ok(()) => return Err(CudaError::INVALID_VALUE.into()),
            Err(CudaError::INVALID_VALUE) => break,
            Err(code) => return Err(code.into()),
        }
    }
    let Shape {
        grid,
        block,
        shared,
    } = shape;
    Ok(driver_call!(
        cx.driver,
        cuLaunchCooperativeKernel(
            function,
            grid[0],
            grid[1],
            grid[2],
            block[0],
            block[1],
            block[2],
            *shared,
            stream,
            pointers.as_mut_ptr().cast()
        )
    )?)
}

pub fn cuLaunchKernel(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    launch(cx, r).into()
}

pub fn cuLaunchKernelEx(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    launch(cx, r).into()
}

pub fn cuLaunchCooperativeKernel(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    launch(cx, r).into()
}

/// What the driver calls in stream order: asks the client to run its function and waits until it has.
struct Request {
    session: Arc<Session>,
    lane: ServerHandle,
    id: u64,
    repeats: bool,
}

/// Bound on getting the question to a client that does not drain its notices.
const PATIENCE: Duration = Duration::from_secs(60);

impl Request {
    /// The client's function may look at what the stream copied to the host before, and at events: that goes first. Asking the driver
    /// what is done is not allowed within a host function, so a waiter thread does it.
    fn deliver_copies(&self) {
        if !self.session.downloads.any() && !self.session.watches.any() {
            return;
        }
        let session = Arc::clone(&self.session);
        let deliver = move || {
            let finished = session.watches.take_finished(&session, 0);
            session.downloads.deliver(&session.driver);
            session.watches.tell(&session, finished, true);
        };
        if !self.session.waiters.run_first(deliver) {
            tracing::warn!("no thread: a host function may run before the copies ahead of it");
        }
    }

    /// Gives false if the client could not be asked.
    fn ask(&self, status: u32) -> bool {
        self.deliver_copies();
        static CALLS: AtomicU64 = AtomicU64::new(1);
        // The function's number below, the number of this call above.
        let word = self.id & 0xffff_ffff | CALLS.fetch_add(1, Ordering::Relaxed) << 32;
        let asked = self.lane.notice(NOTICE_HOST_FUNCTION, &[&word.to_le_bytes(), &status.to_le_bytes()], PATIENCE).is_ok();
        if asked {
            self.session.wait_host_function(word);
        }
        asked
    }
}

/// Asks the client to run host function `id`, and waits until it has; false if the client could not be asked.
pub(crate) fn run_host_function(session: &Arc<Session>, lane: &ServerHandle, id: u64) -> bool {
    Request { session: Arc::clone(session), lane: lane.clone(), id, repeats: false }.ask(0)
}

unsafe extern "C" fn call_host(request: *mut c_void) {
    let run = std::panic::catch_unwind(|| {
        // SAFETY: a box that was leaked for this call (or, in a graph, for all its calls).
        let repeats = unsafe { &*request.cast::<Request>() }.repeats;
        if repeats {
            // SAFETY: as above.
            unsafe { &*request.cast::<Request>() }.ask(0);
        } else {
            // SAFETY: as above; this is the one call.
            unsafe { Box::from_raw(request.cast::<Request>()) }.ask(0);
        }
    });
    if run.is_err() {
        std::process::abort();
    }
}

unsafe extern "C" fn call_back(_stream: u64, status: u32, request: *mut c_void) {
    let run = std::panic::catch_unwind(|| {
        // SAFETY: a box that was leaked for this one call.
        unsafe { Box::from_raw(request.cast::<Request>()) }.ask(status);
    });
    if run.is_err() {
        std::process::abort();
    }
}

/// The function and argument that make the driver ask the client for host function `id`.
pub(super) fn host_request(cx: &Cx<'_>, id: u64, repeats: bool) -> (*const c_void, *mut c_void) {
    let request = Request {
        session: Arc::clone(cx.session),
        lane: cx.lane.clone(),
        id,
        repeats,
    };
    (
        call_host as *const c_void,
        Box::into_raw(Box::new(request)).cast(),
    )
}

/// Puts a host function (or, `callback`, a stream callback) in a stream.
pub(super) fn host_function(
    cx: &mut Cx<'_>,
    stream: u64,
    id: u64,
    callback: bool,
) -> Result<(), CudaError> {
    if callback {
        let request = Request {
            session: Arc::clone(cx.session),
            lane: cx.lane.clone(),
            id,
            repeats: false,
        };
        let argument = Box::into_raw(Box::new(request));
        return driver_call!(
            cx.driver,
            cuStreamAddCallback(
                stream,
                call_back as *const c_void,
                argument.cast::<c_void>(),
                0
            )
        );
    }
    let (function, argument) = host_request(cx, id, cx.session.capturing());
    driver_call!(cx.driver, cuLaunchHostFunc(stream, function, argument))
}

pub fn cuLaunchHostFunc(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let id = r.u64()?;
        r.end()?;
        Ok(host_function(cx, stream, id, false)?)
    };
    body(cx, r).into()
}
