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
pub unsafe extern "C" fn cuModuleLoad(module: *mut u64, fname: *const c_char) -> u32 {
    guard(op::CU_MODULE_LOAD, || unsafe { crate::driver::module::cuModuleLoad(module, fname) })
}

/// `cuModuleLoadData`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut u64, image: *const c_void) -> u32 {
    guard(op::CU_MODULE_LOAD_DATA, || unsafe { crate::driver::module::cuModuleLoadData(module, image) })
}

/// `cuModuleLoadDataEx`, CUDA 2.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(module: *mut u64, image: *const c_void, numOptions: u32, options: *mut u32, optionValues: *mut c_void) -> u32 {
    guard(op::CU_MODULE_LOAD_DATA_EX, || unsafe { crate::driver::module::cuModuleLoadDataEx(module, image, numOptions, options, optionValues) })
}

/// `cuModuleLoadFatBinary`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadFatBinary(module: *mut u64, fatCubin: *const c_void) -> u32 {
    guard(op::CU_MODULE_LOAD_FAT_BINARY, || unsafe { crate::driver::module::cuModuleLoadFatBinary(module, fatCubin) })
}

/// `cuModuleUnload`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(hmod: u64) -> u32 {
    guard(op::CU_MODULE_UNLOAD, || unsafe { crate::driver::module::cuModuleUnload(hmod) })
}

/// `cuModuleGetLoadingMode`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetLoadingMode(mode: *mut u32) -> u32 {
    guard(op::CU_MODULE_GET_LOADING_MODE, || unsafe { crate::driver::module::cuModuleGetLoadingMode(mode) })
}

/// `cuModuleGetFunction`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(hfunc: *mut u64, hmod: u64, name: *const c_char) -> u32 {
    guard(op::CU_MODULE_GET_FUNCTION, || unsafe { crate::driver::module::cuModuleGetFunction(hfunc, hmod, name) })
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
pub unsafe extern "C" fn cuModuleEnumerateFunctions(functions: *mut u64, numFunctions: u32, mod_: u64) -> u32 {
    guard(op::CU_MODULE_ENUMERATE_FUNCTIONS, || unsafe { crate::driver::module::cuModuleEnumerateFunctions(functions, numFunctions, mod_) })
}

/// `cuModuleGetGlobal`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetGlobal() -> u32 {
    refused_legacy(op::CU_MODULE_GET_GLOBAL, "cuModuleGetGlobal")
}

/// `cuModuleGetGlobal`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetGlobal_v2(dptr: *mut u64, bytes: *mut usize, hmod: u64, name: *const c_char) -> u32 {
    guard(op::CU_MODULE_GET_GLOBAL, || unsafe { crate::driver::module::cuModuleGetGlobal(dptr, bytes, hmod, name) })
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
