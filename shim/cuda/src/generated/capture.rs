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
pub extern "C" fn cuStreamBeginCapture_v2() -> u32 {
    refused(op::CU_STREAM_BEGIN_CAPTURE)
}

/// `cuStreamBeginCapture`, CUDA 10.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCapture_v2_ptsz() -> u32 {
    refused(op::CU_STREAM_BEGIN_CAPTURE)
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
pub extern "C" fn cuThreadExchangeStreamCaptureMode() -> u32 {
    refused(op::CU_THREAD_EXCHANGE_STREAM_CAPTURE_MODE)
}

/// `cuStreamEndCapture`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamEndCapture() -> u32 {
    refused(op::CU_STREAM_END_CAPTURE)
}

/// `cuStreamEndCapture`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamEndCapture_ptsz() -> u32 {
    refused(op::CU_STREAM_END_CAPTURE)
}

/// `cuStreamIsCapturing`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamIsCapturing() -> u32 {
    refused(op::CU_STREAM_IS_CAPTURING)
}

/// `cuStreamIsCapturing`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamIsCapturing_ptsz() -> u32 {
    refused(op::CU_STREAM_IS_CAPTURING)
}

/// `cuStreamGetCaptureInfo`, CUDA 10.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetCaptureInfo() -> u32 {
    refused(op::CU_STREAM_GET_CAPTURE_INFO)
}

/// `cuStreamGetCaptureInfo`, CUDA 10.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetCaptureInfo_ptsz() -> u32 {
    refused(op::CU_STREAM_GET_CAPTURE_INFO)
}

/// `cuStreamGetCaptureInfo_v2`, CUDA 11.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetCaptureInfo_v2() -> u32 {
    refused(op::CU_STREAM_GET_CAPTURE_INFO_V2)
}

/// `cuStreamGetCaptureInfo_v2`, CUDA 11.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetCaptureInfo_v2_ptsz() -> u32 {
    refused(op::CU_STREAM_GET_CAPTURE_INFO_V2)
}

/// `cuStreamGetCaptureInfo_v3`, CUDA 12.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetCaptureInfo_v3() -> u32 {
    refused(op::CU_STREAM_GET_CAPTURE_INFO_V3)
}

/// `cuStreamGetCaptureInfo_v3`, CUDA 12.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetCaptureInfo_v3_ptsz() -> u32 {
    refused(op::CU_STREAM_GET_CAPTURE_INFO_V3)
}

/// `cuStreamUpdateCaptureDependencies`, CUDA 11.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamUpdateCaptureDependencies() -> u32 {
    refused(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES)
}

/// `cuStreamUpdateCaptureDependencies`, CUDA 11.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamUpdateCaptureDependencies_ptsz() -> u32 {
    refused(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES)
}

/// `cuStreamUpdateCaptureDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamUpdateCaptureDependencies_v2() -> u32 {
    refused(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES_V2)
}

/// `cuStreamUpdateCaptureDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamUpdateCaptureDependencies_v2_ptsz() -> u32 {
    refused(op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES_V2)
}
