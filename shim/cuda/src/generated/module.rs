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

/// `cuModuleLoad`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleLoad() -> u32 {
    refused(op::CU_MODULE_LOAD)
}

/// `cuModuleLoadData`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleLoadData() -> u32 {
    refused(op::CU_MODULE_LOAD_DATA)
}

/// `cuModuleLoadDataEx`, CUDA 2.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleLoadDataEx() -> u32 {
    refused(op::CU_MODULE_LOAD_DATA_EX)
}

/// `cuModuleLoadFatBinary`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleLoadFatBinary() -> u32 {
    refused(op::CU_MODULE_LOAD_FAT_BINARY)
}

/// `cuModuleUnload`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleUnload() -> u32 {
    refused(op::CU_MODULE_UNLOAD)
}

/// `cuModuleGetLoadingMode`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetLoadingMode() -> u32 {
    refused(op::CU_MODULE_GET_LOADING_MODE)
}

/// `cuModuleGetFunction`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetFunction() -> u32 {
    refused(op::CU_MODULE_GET_FUNCTION)
}

/// `cuModuleGetFunctionCount`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunctionCount(count: *mut u32, mod_: u64) -> u32 {
    guard(op::CU_MODULE_GET_FUNCTION_COUNT, || unsafe { auto_cuModuleGetFunctionCount(count, mod_) })
}

unsafe fn auto_cuModuleGetFunctionCount(count: *mut u32, mod_: u64) -> Result<(), CudaError> {
    if count.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let mod_ = client::handle(Kind::Module, mod_)?;
    let aim = mod_.target;
    client::called(op::CU_MODULE_GET_FUNCTION_COUNT, aim, 8, |w| {
        w.u64(mod_.id);
    }, |r| {
        let v = r.u32()?;
        count.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuModuleEnumerateFunctions`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleEnumerateFunctions() -> u32 {
    refused(op::CU_MODULE_ENUMERATE_FUNCTIONS)
}

/// `cuModuleGetGlobal`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetGlobal() -> u32 {
    refused_legacy(op::CU_MODULE_GET_GLOBAL, "cuModuleGetGlobal")
}

/// `cuModuleGetGlobal`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetGlobal_v2() -> u32 {
    refused(op::CU_MODULE_GET_GLOBAL)
}

/// `cuModuleGetTexRef`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetTexRef() -> u32 {
    refused(op::CU_MODULE_GET_TEX_REF)
}

/// `cuModuleGetSurfRef`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetSurfRef() -> u32 {
    refused(op::CU_MODULE_GET_SURF_REF)
}
