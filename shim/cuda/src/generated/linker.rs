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

/// `cuLinkCreate`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkCreate(numOptions: u32, options: *mut u32, optionValues: *mut c_void, stateOut: *mut u64) -> u32 {
    guard(op::CU_LINK_CREATE, || unsafe { crate::driver::linker::cuLinkCreate(numOptions, options, optionValues, stateOut) })
}

/// `cuLinkCreate`, CUDA 6.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkCreate_v2(numOptions: u32, options: *mut u32, optionValues: *mut c_void, stateOut: *mut u64) -> u32 {
    guard(op::CU_LINK_CREATE, || unsafe { crate::driver::linker::cuLinkCreate(numOptions, options, optionValues, stateOut) })
}

/// `cuLinkAddData`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkAddData(state: u64, kind: u32, data: *const c_void, size: usize, name: *const c_char, numOptions: u32, options: *mut u32, optionValues: *mut c_void) -> u32 {
    guard(op::CU_LINK_ADD_DATA, || unsafe { crate::driver::linker::cuLinkAddData(state, kind, data, size, name, numOptions, options, optionValues) })
}

/// `cuLinkAddData`, CUDA 6.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkAddData_v2(state: u64, kind: u32, data: *const c_void, size: usize, name: *const c_char, numOptions: u32, options: *mut u32, optionValues: *mut c_void) -> u32 {
    guard(op::CU_LINK_ADD_DATA, || unsafe { crate::driver::linker::cuLinkAddData(state, kind, data, size, name, numOptions, options, optionValues) })
}

/// `cuLinkAddFile`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkAddFile(state: u64, kind: u32, path: *const c_char, numOptions: u32, options: *mut u32, optionValues: *mut c_void) -> u32 {
    guard(op::CU_LINK_ADD_FILE, || unsafe { crate::driver::linker::cuLinkAddFile(state, kind, path, numOptions, options, optionValues) })
}

/// `cuLinkAddFile`, CUDA 6.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkAddFile_v2(state: u64, kind: u32, path: *const c_char, numOptions: u32, options: *mut u32, optionValues: *mut c_void) -> u32 {
    guard(op::CU_LINK_ADD_FILE, || unsafe { crate::driver::linker::cuLinkAddFile(state, kind, path, numOptions, options, optionValues) })
}

/// `cuLinkComplete`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkComplete(state: u64, cubinOut: *mut c_void, sizeOut: *mut usize) -> u32 {
    guard(op::CU_LINK_COMPLETE, || unsafe { crate::driver::linker::cuLinkComplete(state, cubinOut, sizeOut) })
}

/// `cuLinkDestroy`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkDestroy(state: u64) -> u32 {
    guard(op::CU_LINK_DESTROY, || unsafe { crate::driver::linker::cuLinkDestroy(state) })
}
