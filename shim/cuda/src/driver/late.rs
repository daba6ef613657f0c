//! Copies that must reach host memory when the stream gets to them, not when the call is made.
//!
//! Usually a copy to the device reads its source at once. Two cases need the source as it is later: a copy behind a host function
//! that has not run yet and may write that source, and a copy in a graph, which runs at each launch. A copy between servers (`across`) is
//! made here, too. They travel as host functions: the stream stalls, the copy is made here on a stream of its own and waited for, the stream
//! goes on.

use super::{across, capture};
use super::copy::{Region, copy_region};
use super::stream::cuStreamSynchronize;
use crate::generated::stream::cuStreamCreate;
use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::host_functions::{self, Function};
use ringway_client::memory::{self, Place};
use ringway_client::objects::{self, Object};
use ringway_client::contexts::{self, Target};
use ringway_client::{paths, posted};
use ringway_wire::codec::Writer as _;
use std::collections::HashMap;

/// A copy and the context that it belongs to.
struct Late {
    context: u64,
    region: Region,
}

thread_local! {
    /// Whether this thread is making a late copy, which must not be put off again.
    static MAKING: Cell<bool> = const { Cell::new(false) };
    /// The stream for late copies of each context.
    static STREAMS: RefCell<HashMap<u64, u64>> = RefCell::new(HashMap::new());
}

/// Whether a copy that reads (`source`) or writes host memory in `stream` must be made late.
pub(crate) fn needed(stream: Object, source: Option<u64>) -> bool {
    if MAKING.get() {
        return false;
    }
    if captures(stream) {
        return true;
    }
    // Memory that is not pinned is read by the call itself, on a real driver too.
    source.is_some_and(|source| {
        host_functions::waiting(stream.id)
            && memory::find(source).is_some_and(|found| {
                matches!(found.place, Place::PinnedHost(_) | Place::RegisteredHost(_))
            })
    })
}

/// Whether a stream is being captured. The legacy stream never is.
pub(crate) fn captures(stream: Object) -> bool {
    const ACTIVE: u32 = 1;
    let stream = stream.id;
    let mut status = 0u32;
    // SAFETY: one output.
    capture::any()
        && stream > 2
        && unsafe { capture::cuStreamIsCapturing(stream, &raw mut status) }.is_ok()
        && status == ACTIVE
}

/// A host function that makes a copy, and its argument. A graph's is called at each launch.
pub(crate) fn function(region: Region, repeats: bool) -> (host_functions::HostFn, *mut c_void) {
    let late = Box::into_raw(Box::new(Late {
        context: contexts::current_handle(),
        region,
    }));
    // A graph's copy is kept as long as the process: graphs may be cloned, and nobody tells when the last is gone.
    (if repeats { each } else { once }, late.cast())
}

/// Puts a copy into a stream, to be made when the stream gets there.
///
/// # Errors
/// Those of a host function.
pub(crate) fn put_off(stream: Object, region: Region) -> Result<(), CudaError> {
    let repeats = capture::any();
    let (call, late) = function(region, repeats);
    let id = host_functions::register(Function::Host(call, late as usize), repeats, stream.id, stream.target.lane);
    posted(op::CU_LAUNCH_HOST_FUNC, stream.target, 16, |w| {
        w.u64(stream.id);
        w.u64(id);
    })
    .inspect_err(|_| host_functions::forget(id))?;
    ringway_client::submit::flush(stream.target)
}

unsafe extern "C" fn once(late: *mut c_void) {
    // SAFETY: made by `function`, for this one call.
    let late = unsafe { Box::from_raw(late.cast::<Late>()) };
    make(&late);
}

unsafe extern "C" fn each(late: *mut c_void) {
    // SAFETY: made by `function`, never freed.
    make(unsafe { &*late.cast::<Late>() });
}

fn make(late: &Late) {
    let result = making(|| copy(late));
    if let (Err(code), Ok(number)) = (result, contexts::number(late.context)) {
        // The call that asked for the copy returned long ago; a fault is the context's from now on.
        contexts::note(number, code);
        if late.region.contexts != [0; 2] {
            paths::failed(Target::of_context(number), op::CU_MEMCPY_PEER_ASYNC, code);
        }
    }
}

/// Makes copies that were put off, on this thread.
pub(crate) fn making<T>(make: impl FnOnce() -> T) -> T {
    let before = MAKING.replace(true);
    let made = make();
    MAKING.set(before);
    made
}

fn copy(late: &Late) -> Result<(), CudaError> {
    if late.region.contexts != [0; 2] {
        // SAFETY: the program promised the host memory until the copy is done.
        return unsafe { across::make(&late.region) };
    }
    // SAFETY: as above.
    with_stream_of(late.context, |stream| unsafe {
        copy_region(&late.region, stream, true)?;
        cuStreamSynchronize(stream)
    })
}

/// Whether this thread is making a copy that was put off.
pub(crate) fn is_making() -> bool {
    MAKING.get()
}

/// Makes copies in a context, on a stream there that is this thread's own.
pub(crate) fn with_stream_of(context: u64, copy: impl FnOnce(u64) -> Result<(), CudaError>) -> Result<(), CudaError> {
    /// `CU_STREAM_NON_BLOCKING`: the stream that waits for this copy may be the legacy one.
    const NON_BLOCKING: u32 = 1;
    let known = STREAMS.with_borrow(|streams| streams.get(&context).copied());
    across::within(context, || {
        let stream = match known {
            Some(stream) if objects::handle(Kind::Stream, stream).is_ok() => stream,
            _ => {
                let mut stream = 0u64;
                // SAFETY: one output.
                CudaError::check(unsafe { cuStreamCreate(&raw mut stream, NON_BLOCKING) })?;
                STREAMS.with_borrow_mut(|streams| streams.insert(context, stream));
                stream
            }
        };
        copy(stream)
    })
}
