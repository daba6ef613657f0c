//! Streams, events and stream capture.
//!
//! Source: CUDA Runtime API, "Stream Management" and "Event Management". Times in milliseconds.

use super::context::{driver, ready};
use super::entry::{api, present, put, stream_or};
use super::error::{self, check};
use std::ffi::c_void;

/// `cudaStreamCallback_t`.
type Callback = unsafe extern "C" fn(stream: u64, status: u32, data: *mut c_void);

/// A callback on its way: the driver's status becomes a `cudaError_t` when it runs.
struct Pending {
    callback: Callback,
    data: *mut c_void,
    stream: u64,
}

unsafe extern "C" fn run_callback(_stream: u64, status: u32, pending: *mut c_void) {
    // SAFETY: `pending` was made by `cudaStreamAddCallback`, which gave it to this one run.
    let pending = unsafe { Box::from_raw(pending.cast::<Pending>()) };
    let status = if status == 0 {
        0
    } else {
        error::from_driver(status)
    };
    // SAFETY: the program's function, with the arguments it asked for.
    unsafe { (pending.callback)(pending.stream, status, pending.data) };
}

api! {
    fn cudaStreamCreate(stream: *mut u64) {
        present(stream)?;
        check((ready()?.cuStreamCreate)(stream, 0))
    }

    fn cudaStreamCreateWithFlags(stream: *mut u64, flags: u32) {
        present(stream)?;
        check((ready()?.cuStreamCreate)(stream, flags))
    }

    fn cudaStreamCreateWithPriority(stream: *mut u64, flags: u32, priority: i32) {
        present(stream)?;
        check((ready()?.cuStreamCreateWithPriority)(stream, flags, priority))
    }

    fn cudaStreamDestroy(stream: u64) {
        if stream == 0 {
            return Err(error::INVALID_RESOURCE_HANDLE);
        }
        check((ready()?.cuStreamDestroy_v2)(stream))
    }

    fn cudaStreamSynchronize + cudaStreamSynchronize_ptsz [default](stream: u64) {
        check((ready()?.cuStreamSynchronize)(stream_or(stream, default)))
    }

    fn cudaStreamQuery + cudaStreamQuery_ptsz [default](stream: u64) {
        check((ready()?.cuStreamQuery)(stream_or(stream, default)))
    }

    fn cudaStreamWaitEvent + cudaStreamWaitEvent_ptsz [default](stream: u64, event: u64, flags: u32) {
        check((ready()?.cuStreamWaitEvent)(stream_or(stream, default), event, flags))
    }

    fn cudaStreamGetFlags + cudaStreamGetFlags_ptsz [default](stream: u64, flags: *mut u32) {
        check((ready()?.cuStreamGetFlags)(stream_or(stream, default), flags))
    }

    fn cudaStreamGetPriority + cudaStreamGetPriority_ptsz [default](stream: u64, priority: *mut i32) {
        check((ready()?.cuStreamGetPriority)(stream_or(stream, default), priority))
    }

    fn cudaStreamGetId + cudaStreamGetId_ptsz [default](stream: u64, id: *mut u64) {
        check((ready()?.cuStreamGetId)(stream_or(stream, default), id))
    }

    fn cudaStreamGetDevice + cudaStreamGetDevice_ptsz [default](stream: u64, device: *mut i32) {
        check((ready()?.cuStreamGetDevice)(stream_or(stream, default), device))
    }

    fn cudaStreamAddCallback + cudaStreamAddCallback_ptsz [default](stream: u64, callback: *mut c_void, data: *mut c_void, flags: u32) {
        present(callback)?;
        let driver = ready()?;
        // SAFETY: a function of the documented type.
        let callback = std::mem::transmute::<*mut c_void, Callback>(callback);
        let pending = Box::into_raw(Box::new(Pending { callback, data, stream }));
        let run = run_callback as *mut c_void;
        let result = (driver.cuStreamAddCallback)(stream_or(stream, default), run, pending.cast(), flags);
        if result != 0 {
            // SAFETY: the driver refused it and will not run it.
            drop(Box::from_raw(pending));
        }
        check(result)
    }

    fn cudaStreamCopyAttributes + cudaStreamCopyAttributes_ptsz [default](destination: u64, source: u64) {
        check((ready()?.cuStreamCopyAttributes)(stream_or(destination, default), stream_or(source, default)))
    }

    fn cudaStreamGetAttribute + cudaStreamGetAttribute_ptsz [default](stream: u64, attribute: u32, value: *mut c_void) {
        check((ready()?.cuStreamGetAttribute)(stream_or(stream, default), attribute, value))
    }

    fn cudaStreamSetAttribute + cudaStreamSetAttribute_ptsz [default](stream: u64, attribute: u32, value: *const c_void) {
        check((ready()?.cuStreamSetAttribute)(stream_or(stream, default), attribute, value))
    }

    fn cudaStreamBeginCapture + cudaStreamBeginCapture_ptsz [default](stream: u64, mode: u32) {
        check((ready()?.cuStreamBeginCapture_v2)(stream_or(stream, default), mode))
    }

    fn cudaStreamBeginCaptureToGraph + cudaStreamBeginCaptureToGraph_ptsz [default]
        (stream: u64, graph: u64, dependencies: *const u64, edges: *const c_void, count: usize, mode: u32) {
        check((ready()?.cuStreamBeginCaptureToGraph)(stream_or(stream, default), graph, dependencies, edges, count, mode))
    }

    fn cudaStreamEndCapture + cudaStreamEndCapture_ptsz [default](stream: u64, graph: *mut u64) {
        check((ready()?.cuStreamEndCapture)(stream_or(stream, default), graph))
    }

    fn cudaStreamIsCapturing + cudaStreamIsCapturing_ptsz [default](stream: u64, status: *mut u32) {
        present(status)?;
        check((ready()?.cuStreamIsCapturing)(stream_or(stream, default), status))
    }

    fn cudaStreamGetCaptureInfo_v2 + cudaStreamGetCaptureInfo_v2_ptsz [default]
        (stream: u64, status: *mut u32, id: *mut u64, graph: *mut u64, dependencies: *mut *const u64, count: *mut usize) {
        check((ready()?.cuStreamGetCaptureInfo_v2)(stream_or(stream, default), status, id, graph, dependencies, count))
    }

    fn cudaStreamGetCaptureInfo_v3 + cudaStreamGetCaptureInfo_v3_ptsz [default](stream: u64, status: *mut u32, id: *mut u64,
        graph: *mut u64, dependencies: *mut *const u64, edges: *mut *const c_void, count: *mut usize) {
        let driver = ready()?;
        let stream = stream_or(stream, default);
        let result = (driver.cuStreamGetCaptureInfo_v3)(stream, status, id, graph, dependencies, edges, count);
        if result == error::NOT_SUPPORTED && edges.is_null() {
            // A driver from before edge data; without edge data the older call says the same.
            return check((driver.cuStreamGetCaptureInfo_v2)(stream, status, id, graph, dependencies, count));
        }
        check(result)
    }

    fn cudaStreamUpdateCaptureDependencies_v2 + cudaStreamUpdateCaptureDependencies_v2_ptsz [default]
        (stream: u64, dependencies: *mut u64, edges: *const c_void, count: usize, flags: u32) {
        let driver = ready()?;
        let stream = stream_or(stream, default);
        if edges.is_null() {
            return check((driver.cuStreamUpdateCaptureDependencies)(stream, dependencies, count, flags));
        }
        check((driver.cuStreamUpdateCaptureDependencies_v2)(stream, dependencies, edges, count, flags))
    }

    fn cudaThreadExchangeStreamCaptureMode(mode: *mut u32) {
        present(mode)?;
        check((driver()?.cuThreadExchangeStreamCaptureMode)(mode))
    }

    fn cudaCtxResetPersistingL2Cache() {
        check((ready()?.cuCtxResetPersistingL2Cache)())
    }

    fn cudaEventCreate(event: *mut u64) {
        present(event)?;
        check((ready()?.cuEventCreate)(event, 0))
    }

    fn cudaEventCreateWithFlags(event: *mut u64, flags: u32) {
        present(event)?;
        check((ready()?.cuEventCreate)(event, flags))
    }

    fn cudaEventDestroy(event: u64) {
        check((ready()?.cuEventDestroy_v2)(event))
    }

    fn cudaEventRecord + cudaEventRecord_ptsz [default](event: u64, stream: u64) {
        check((ready()?.cuEventRecord)(event, stream_or(stream, default)))
    }

    fn cudaEventRecordWithFlags + cudaEventRecordWithFlags_ptsz [default](event: u64, stream: u64, flags: u32) {
        let driver = ready()?;
        if flags == 0 {
            return check((driver.cuEventRecord)(event, stream_or(stream, default)));
        }
        check((driver.cuEventRecordWithFlags)(event, stream_or(stream, default), flags))
    }

    fn cudaEventQuery(event: u64) {
        check((ready()?.cuEventQuery)(event))
    }

    fn cudaEventSynchronize(event: u64) {
        check((ready()?.cuEventSynchronize)(event))
    }

    fn cudaEventElapsedTime(milliseconds: *mut f32, start: u64, end: u64) {
        present(milliseconds)?;
        check((ready()?.cuEventElapsedTime)(milliseconds, start, end))
    }

    fn cudaEventElapsedTime_v2(milliseconds: *mut f32, start: u64, end: u64) {
        let mut value = 0.0;
        check((ready()?.cuEventElapsedTime)(&raw mut value, start, end))?;
        put(milliseconds, value)
    }
}

/// `cudaStreamGetCaptureInfo` of CUDA 12: status and id only.
///
/// # Safety
/// Outputs are null or valid.
pub unsafe extern "C" fn capture_info(stream: u64, status: *mut u32, id: *mut u64) -> u32 {
    let none = std::ptr::null_mut();
    // SAFETY: the caller's outputs; the others are not wanted.
    unsafe {
        cudaStreamGetCaptureInfo_v2(
            stream,
            status,
            id,
            none,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    }
}

/// The per-thread twin of [`capture_info`].
///
/// # Safety
/// As there.
pub unsafe extern "C" fn capture_info_ptsz(stream: u64, status: *mut u32, id: *mut u64) -> u32 {
    let none = std::ptr::null_mut();
    // SAFETY: as above.
    unsafe {
        cudaStreamGetCaptureInfo_v2_ptsz(
            stream,
            status,
            id,
            none,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    }
}

/// `cudaStreamUpdateCaptureDependencies` of CUDA 12: no edge data.
///
/// # Safety
/// `dependencies` holds `count` nodes.
pub unsafe extern "C" fn update_dependencies(
    stream: u64,
    dependencies: *mut u64,
    count: usize,
    flags: u32,
) -> u32 {
    // SAFETY: the caller's promise.
    unsafe {
        cudaStreamUpdateCaptureDependencies_v2(stream, dependencies, std::ptr::null(), count, flags)
    }
}

/// The per-thread twin of [`update_dependencies`].
///
/// # Safety
/// As there.
pub unsafe extern "C" fn update_dependencies_ptsz(
    stream: u64,
    dependencies: *mut u64,
    count: usize,
    flags: u32,
) -> u32 {
    // SAFETY: the caller's promise.
    unsafe {
        cudaStreamUpdateCaptureDependencies_v2_ptsz(
            stream,
            dependencies,
            std::ptr::null(),
            count,
            flags,
        )
    }
}
