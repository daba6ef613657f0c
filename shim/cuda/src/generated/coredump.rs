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

/// `cuCoredumpGetAttribute`, CUDA 12.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpGetAttribute() -> u32 {
    refused(op::CU_COREDUMP_GET_ATTRIBUTE)
}

/// `cuCoredumpGetAttributeGlobal`, CUDA 12.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpGetAttributeGlobal() -> u32 {
    refused(op::CU_COREDUMP_GET_ATTRIBUTE_GLOBAL)
}

/// `cuCoredumpSetAttribute`, CUDA 12.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpSetAttribute() -> u32 {
    refused(op::CU_COREDUMP_SET_ATTRIBUTE)
}

/// `cuCoredumpSetAttributeGlobal`, CUDA 12.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpSetAttributeGlobal() -> u32 {
    refused(op::CU_COREDUMP_SET_ATTRIBUTE_GLOBAL)
}

/// `cuCoredumpRegisterStartCallback`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpRegisterStartCallback() -> u32 {
    refused(op::CU_COREDUMP_REGISTER_START_CALLBACK)
}

/// `cuCoredumpRegisterCompleteCallback`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpRegisterCompleteCallback() -> u32 {
    refused(op::CU_COREDUMP_REGISTER_COMPLETE_CALLBACK)
}

/// `cuCoredumpDeregisterStartCallback`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpDeregisterStartCallback() -> u32 {
    refused(op::CU_COREDUMP_DEREGISTER_START_CALLBACK)
}

/// `cuCoredumpDeregisterCompleteCallback`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuCoredumpDeregisterCompleteCallback() -> u32 {
    refused(op::CU_COREDUMP_DEREGISTER_COMPLETE_CALLBACK)
}
