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

/// `cuProfilerInitialize`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuProfilerInitialize() -> u32 {
    refused(op::CU_PROFILER_INITIALIZE)
}

/// `cuProfilerStart`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuProfilerStart() -> u32 {
    guard(op::CU_PROFILER_START, || unsafe { auto_cuProfilerStart() })
}

unsafe fn auto_cuProfilerStart() -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_PROFILER_START, aim, 0, |_| (), |_| Ok(()))?;
    Ok(())
}

/// `cuProfilerStop`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuProfilerStop() -> u32 {
    guard(op::CU_PROFILER_STOP, || unsafe { auto_cuProfilerStop() })
}

unsafe fn auto_cuProfilerStop() -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_PROFILER_STOP, aim, 0, |_| (), |_| Ok(()))?;
    Ok(())
}
