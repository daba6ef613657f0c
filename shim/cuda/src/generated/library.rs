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

/// `cuLibraryLoadData`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryLoadData(library: *mut u64, code: *const c_void, jitOptions: *mut u32, jitOptionsValues: *mut c_void, numJitOptions: u32, libraryOptions: *mut u32, libraryOptionValues: *mut c_void, numLibraryOptions: u32) -> u32 {
    guard(op::CU_LIBRARY_LOAD_DATA, || unsafe { crate::driver::library::cuLibraryLoadData(library, code, jitOptions, jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions) })
}

/// `cuLibraryLoadFromFile`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryLoadFromFile(library: *mut u64, fileName: *const c_char, jitOptions: *mut u32, jitOptionsValues: *mut c_void, numJitOptions: u32, libraryOptions: *mut u32, libraryOptionValues: *mut c_void, numLibraryOptions: u32) -> u32 {
    guard(op::CU_LIBRARY_LOAD_FROM_FILE, || unsafe { crate::driver::library::cuLibraryLoadFromFile(library, fileName, jitOptions, jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions) })
}

/// `cuLibraryUnload`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryUnload(library: u64) -> u32 {
    guard(op::CU_LIBRARY_UNLOAD, || unsafe { crate::driver::library::cuLibraryUnload(library) })
}

/// `cuLibraryGetKernel`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetKernel(pKernel: *mut u64, library: u64, name: *const c_char) -> u32 {
    guard(op::CU_LIBRARY_GET_KERNEL, || unsafe { crate::driver::library::cuLibraryGetKernel(pKernel, library, name) })
}

/// `cuLibraryGetKernelCount`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetKernelCount(count: *mut u32, lib: u64) -> u32 {
    guard(op::CU_LIBRARY_GET_KERNEL_COUNT, || unsafe { auto_cuLibraryGetKernelCount(count, lib) })
}

unsafe fn auto_cuLibraryGetKernelCount(count: *mut u32, lib: u64) -> Result<(), CudaError> {
    if count.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let lib = client::handle(Kind::Library, lib)?;
    let aim = lib.target;
    client::called(op::CU_LIBRARY_GET_KERNEL_COUNT, aim, 8, |w| {
        w.u64(lib.id);
    }, |r| {
        let v = r.u32()?;
        count.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuLibraryEnumerateKernels`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryEnumerateKernels(kernels: *mut u64, numKernels: u32, lib: u64) -> u32 {
    guard(op::CU_LIBRARY_ENUMERATE_KERNELS, || unsafe { crate::driver::library::cuLibraryEnumerateKernels(kernels, numKernels, lib) })
}

/// `cuLibraryGetModule`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetModule(pMod: *mut u64, library: u64) -> u32 {
    guard(op::CU_LIBRARY_GET_MODULE, || unsafe { crate::driver::library::cuLibraryGetModule(pMod, library) })
}

/// `cuKernelGetFunction`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetFunction(pFunc: *mut u64, kernel: u64) -> u32 {
    guard(op::CU_KERNEL_GET_FUNCTION, || unsafe { crate::driver::library::cuKernelGetFunction(pFunc, kernel) })
}

/// `cuKernelGetLibrary`, CUDA 12.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetLibrary(pLib: *mut u64, kernel: u64) -> u32 {
    guard(op::CU_KERNEL_GET_LIBRARY, || unsafe { crate::driver::library::cuKernelGetLibrary(pLib, kernel) })
}

/// `cuLibraryGetGlobal`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetGlobal(dptr: *mut u64, bytes: *mut usize, library: u64, name: *const c_char) -> u32 {
    guard(op::CU_LIBRARY_GET_GLOBAL, || unsafe { crate::driver::library::cuLibraryGetGlobal(dptr, bytes, library, name) })
}

/// `cuLibraryGetManaged`, CUDA 12.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLibraryGetManaged() -> u32 {
    refused(op::CU_LIBRARY_GET_MANAGED)
}

/// `cuLibraryGetUnifiedFunction`, CUDA 12.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLibraryGetUnifiedFunction() -> u32 {
    refused(op::CU_LIBRARY_GET_UNIFIED_FUNCTION)
}

/// `cuKernelGetAttribute`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetAttribute(pi: *mut i32, attrib: u32, kernel: u64, dev: i32) -> u32 {
    guard(op::CU_KERNEL_GET_ATTRIBUTE, || unsafe { crate::driver::library::cuKernelGetAttribute(pi, attrib, kernel, dev) })
}

pub(crate) unsafe fn auto_cuKernelGetAttribute(pi: *mut i32, attrib: u32, kernel: u64, dev: i32) -> Result<(), CudaError> {
    if pi.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let kernel = client::handle(Kind::Kernel, kernel)?;
    let dev = client::device(dev)?;
    let aim = kernel.target;
    client::called(op::CU_KERNEL_GET_ATTRIBUTE, aim, 16, |w| {
        w.u32(attrib);
        w.u64(kernel.id);
        w.i32(dev.ordinal);
    }, |r| {
        let v = r.i32()?;
        pi.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuKernelSetAttribute`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelSetAttribute(attrib: u32, val: i32, kernel: u64, dev: i32) -> u32 {
    guard(op::CU_KERNEL_SET_ATTRIBUTE, || unsafe { crate::driver::library::cuKernelSetAttribute(attrib, val, kernel, dev) })
}

/// `cuKernelSetCacheConfig`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelSetCacheConfig(kernel: u64, config: u32, dev: i32) -> u32 {
    guard(op::CU_KERNEL_SET_CACHE_CONFIG, || unsafe { crate::driver::library::cuKernelSetCacheConfig(kernel, config, dev) })
}

pub(crate) unsafe fn auto_cuKernelSetCacheConfig(kernel: u64, config: u32, dev: i32) -> Result<(), CudaError> {
    let kernel = client::handle(Kind::Kernel, kernel)?;
    let dev = client::device(dev)?;
    let aim = kernel.target;
    client::posted(op::CU_KERNEL_SET_CACHE_CONFIG, aim, 16, |w| {
        w.u64(kernel.id);
        w.u32(config);
        w.i32(dev.ordinal);
    })?;
    Ok(())
}

/// `cuKernelGetName`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetName(name: *mut c_void, hfunc: u64) -> u32 {
    guard(op::CU_KERNEL_GET_NAME, || unsafe { crate::driver::library::cuKernelGetName(name, hfunc) })
}

/// `cuKernelGetParamInfo`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetParamInfo(kernel: u64, paramIndex: usize, paramOffset: *mut usize, paramSize: *mut usize) -> u32 {
    guard(op::CU_KERNEL_GET_PARAM_INFO, || unsafe { crate::driver::library::cuKernelGetParamInfo(kernel, paramIndex, paramOffset, paramSize) })
}

/// `cuKernelGetParamCount`, CUDA 13.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetParamCount(kernel: u64, paramCount: *mut usize) -> u32 {
    guard(op::CU_KERNEL_GET_PARAM_COUNT, || unsafe { crate::driver::library::cuKernelGetParamCount(kernel, paramCount) })
}
