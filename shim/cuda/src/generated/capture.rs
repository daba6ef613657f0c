//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::guard(op, || -> Result<(), CudaError>) -> u32`: runs a body, turns a panic into CUDA_ERROR_UNKNOWN.
//! - `crate::refused(op) -> u32`: result of a function that is refused or planned; says the reason once.
//! - `crate::refused_legacy(op, symbol) -> u32`: the same for a form of CUDA 3.1 and before.
//! - `crate::stream_arg(stream, per_thread) -> u64`: a null stream handle of a per-thread variant becomes 2.
//! - `crate::driver::<family>::<function>`: handwritten bodies, `unsafe fn` with the same arguments (a stream already
//!   through `stream_arg`; `per_thread: bool` behind them where there are per-thread variants and no stream).
//! - `ringway_client::{posted, called, current, handle, handle_or_null, stream, device, create, destroyed, found}`, `ringway_client::functions::object`: of a CUfunction or CUkernel.
#![allow(non_snake_case, unsafe_op_in_unsafe_fn, unused_imports, clippy::missing_safety_doc, clippy::too_many_arguments)]
// Every block here is sound if the program keeps CUDA's contract for the call: each pointer is null or valid for what
// CUDA says the call reads and writes there. Null is checked before use.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::{guard, refused, refused_legacy, stream_arg};
use core::ffi::{CStr, c_char, c_void};
use ringway_api::{CudaError, Kind, op};
use ringway_client as client;
use ringway_wire::codec::{Malformed, Writer as _};

/// `cuStreamBeginCaptureToCig`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCaptureToCig() -> u32 {
    refused(op::CU_STREAM_BEGIN_CAPTURE_TO_CIG)
}

/// `cuStreamBeginCaptureToCig`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCaptureToCig_ptsz() -> u32 {
    refused(op::CU_STREAM_BEGIN_CAPTURE_TO_CIG)
}

/// `cuStreamEndCaptureToCig`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamEndCaptureToCig() -> u32 {
    refused(op::CU_STREAM_END_CAPTURE_TO_CIG)
}

/// `cuStreamEndCaptureToCig`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamEndCaptureToCig_ptsz() -> u32 {
    refused(op::CU_STREAM_END_CAPTURE_TO_CIG)
}

/// `cuStreamBeginCapture`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCapture() -> u32 {
    refused_legacy(op::CU_STREAM_BEGIN_CAPTURE, "cuStreamBeginCapture")
}

/// `cuStreamBeginCapture`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCapture_ptsz() -> u32 {
    refused_legacy(op::CU_STREAM_BEGIN_CAPTURE, "cuStreamBeginCapture_ptsz")
}

/// `cuStreamBeginCapture`, CUDA 10.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2(hStream: u64, mode: u32) -> u32 {
    guard(op::CU_STREAM_BEGIN_CAPTURE, || unsafe { crate::driver::capture::cuStreamBeginCapture(stream_arg(hStream, false), mode) })
}

/// `cuStreamBeginCapture`, CUDA 10.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2_ptsz(hStream: u64, mode: u32) -> u32 {
    guard(op::CU_STREAM_BEGIN_CAPTURE, || unsafe { crate::driver::capture::cuStreamBeginCapture(stream_arg(hStream, true), mode) })
}

/// `cuStreamBeginCaptureToGraph`, CUDA 12.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCaptureToGraph() -> u32 {
    refused(op::CU_STREAM_BEGIN_CAPTURE_TO_GRAPH)
}

/// `cuStreamBeginCaptureToGraph`, CUDA 12.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCaptureToGraph_ptsz() -> u32 {
    refused(op::CU_STREAM_BEGIN_CAPTURE_TO_GRAPH)
}

/// `cuThreadExchangeStreamCaptureMode`, CUDA 10.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuThreadExchangeStreamCaptureMode(mode: *mut u32) -> u32 {
    guard(op::CU_THREAD_EXCHANGE_STREAM_CAPTURE_MODE, || unsafe { crate::driver::capture::cuThreadExchangeStreamCaptureMode(mode) })
}

/// `cuStreamEndCapture`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(hStream: u64, phGraph: *mut u64) -> u32 {
    guard(op::CU_STREAM_END_CAPTURE, || unsafe { crate::driver::capture::cuStreamEndCapture(stream_arg(hStream, false), phGraph) })
}

/// `cuStreamEndCapture`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture_ptsz(hStream: u64, phGraph: *mut u64) -> u32 {
    guard(op::CU_STREAM_END_CAPTURE, || unsafe { crate::driver::capture::cuStreamEndCapture(stream_arg(hStream, true), phGraph) })
}

/// `cuStreamIsCapturing`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing(hStream: u64, captureStatus: *mut u32) -> u32 {
    guard(op::CU_STREAM_IS_CAPTURING, || unsafe { crate::driver::capture::cuStreamIsCapturing(stream_arg(hStream, false), captureStatus) })
}

/// `cuStreamIsCapturing`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing_ptsz(hStream: u64, captureStatus: *mut u32) -> u32 {
    guard(op::CU_STREAM_IS_CAPTURING, || unsafe { crate::driver::capture::cuStreamIsCapturing(stream_arg(hStream, true), captureStatus) })
}

/// `cuStreamGetCaptureInfo`, CUDA 10.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo(hStream: u64, captureStatus_out: *mut u32, id_out: *mut u64) -> u32 {
    guard(op::CU_STREAM_GET_CAPTURE_INFO, || unsafe { crate::driver::capture::cuStreamGetCaptureInfo(stream_arg(hStream, false), captureStatus_out, id_out) })
}

/// `cuStreamGetCaptureInfo`, CUDA 10.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_ptsz(hStream: u64, captureStatus_out: *mut u32, id_out: *mut u64) -> u32 {
    guard(op::CU_STREAM_GET_CAPTURE_INFO, || unsafe { crate::driver::capture::cuStreamGetCaptureInfo(stream_arg(hStream, true), captureStatus_out, id_out) })
}

/// `cuStreamGetCaptureInfo_v2`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v2(hStream: u64, captureStatus_out: *mut u32, id_out: *mut u64, graph_out: *mut u64, dependencies_out: *mut c_void, numDependencies_out: *mut usize) -> u32 {
    guard(op::CU_STREAM_GET_CAPTURE_INFO_V2, || unsafe { crate::driver::capture::cuStreamGetCaptureInfo_v2(stream_arg(hStream, false), captureStatus_out, id_out, graph_out, dependencies_out, numDependencies_out) })
}

/// `cuStreamGetCaptureInfo_v2`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v2_ptsz(hStream: u64, captureStatus_out: *mut u32, id_out: *mut u64, graph_out: *mut u64, dependencies_out: *mut c_void, numDependencies_out: *mut usize) -> u32 {
    guard(op::CU_STREAM_GET_CAPTURE_INFO_V2, || unsafe { crate::driver::capture::cuStreamGetCaptureInfo_v2(stream_arg(hStream, true), captureStatus_out, id_out, graph_out, dependencies_out, numDependencies_out) })
}

/// `cuStreamGetCaptureInfo_v3`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v3(hStream: u64, captureStatus_out: *mut u32, id_out: *mut u64, graph_out: *mut u64, dependencies_out: *mut c_void, edgeData_out: *mut c_void, numDependencies_out: *mut usize) -> u32 {
    guard(op::CU_STREAM_GET_CAPTURE_INFO_V3, || unsafe { crate::driver::capture::cuStreamGetCaptureInfo_v3(stream_arg(hStream, false), captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out, numDependencies_out) })
}

/// `cuStreamGetCaptureInfo_v3`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v3_ptsz(hStream: u64, captureStatus_out: *mut u32, id_out: *mut u64, graph_out: *mut u64, dependencies_out: *mut c_void, edgeData_out: *mut c_void, numDependencies_out: *mut usize) -> u32 {
    guard(op::CU_STREAM_GET_CAPTURE_INFO_V3, || unsafe { crate::driver::capture::cuStreamGetCaptureInfo_v3(stream_arg(hStream, true), captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out, numDependencies_out) })
}

/// `cuStreamUpdateCaptureDependencies`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamUpdateCaptureDependencies(hStream: u64, dependencies: *mut u64, numDependencies: usize, flags: u32) -> u32 {
    guard(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES, || unsafe { crate::driver::capture::cuStreamUpdateCaptureDependencies(stream_arg(hStream, false), dependencies, numDependencies, flags) })
}

/// `cuStreamUpdateCaptureDependencies`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamUpdateCaptureDependencies_ptsz(hStream: u64, dependencies: *mut u64, numDependencies: usize, flags: u32) -> u32 {
    guard(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES, || unsafe { crate::driver::capture::cuStreamUpdateCaptureDependencies(stream_arg(hStream, true), dependencies, numDependencies, flags) })
}

/// `cuStreamUpdateCaptureDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamUpdateCaptureDependencies_v2(hStream: u64, dependencies: *mut u64, dependencyData: *const c_void, numDependencies: usize, flags: u32) -> u32 {
    guard(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES_V2, || unsafe { crate::driver::capture::cuStreamUpdateCaptureDependencies_v2(stream_arg(hStream, false), dependencies, dependencyData, numDependencies, flags) })
}

/// `cuStreamUpdateCaptureDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamUpdateCaptureDependencies_v2_ptsz(hStream: u64, dependencies: *mut u64, dependencyData: *const c_void, numDependencies: usize, flags: u32) -> u32 {
    guard(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES_V2, || unsafe { crate::driver::capture::cuStreamUpdateCaptureDependencies_v2(stream_arg(hStream, true), dependencies, dependencyData, numDependencies, flags) })
}
