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

/// `cuTexObjectCreate`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTexObjectCreate(pTexObject: *mut u64, pResDesc: *const c_void, pTexDesc: *const c_void, pResViewDesc: *const c_void) -> u32 {
    guard(op::CU_TEX_OBJECT_CREATE, || unsafe { crate::driver::texture::cuTexObjectCreate(pTexObject, pResDesc, pTexDesc, pResViewDesc) })
}

pub(crate) unsafe fn auto_cuTexObjectCreate(pTexObject: *mut u64, pResDesc: *const c_void, pTexDesc: *const c_void, pResViewDesc: *const c_void) -> Result<(), CudaError> {
    if pTexObject.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if pResDesc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_TEX_OBJECT_CREATE, aim, 362, |w| {
        w.put(&pResDesc.cast::<[u8; 144]>().read());
        w.u8(u8::from(!pTexDesc.is_null()));
        w.put(&if pTexDesc.is_null() { [0; 104] } else { pTexDesc.cast::<[u8; 104]>().read() });
        w.u8(u8::from(!pResViewDesc.is_null()));
        w.put(&if pResViewDesc.is_null() { [0; 112] } else { pResViewDesc.cast::<[u8; 112]>().read() });
    }, |r| {
        let v = r.u64()?;
        pTexObject.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuTexObjectDestroy`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTexObjectDestroy(texObject: u64) -> u32 {
    guard(op::CU_TEX_OBJECT_DESTROY, || unsafe { crate::driver::texture::cuTexObjectDestroy(texObject) })
}

pub(crate) unsafe fn auto_cuTexObjectDestroy(texObject: u64) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_TEX_OBJECT_DESTROY, aim, 8, |w| {
        w.u64(texObject);
    })?;
    Ok(())
}

/// `cuTexObjectGetResourceDesc`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTexObjectGetResourceDesc(pResDesc: *mut c_void, texObject: u64) -> u32 {
    guard(op::CU_TEX_OBJECT_GET_RESOURCE_DESC, || unsafe { crate::driver::texture::cuTexObjectGetResourceDesc(pResDesc, texObject) })
}

/// `cuTexObjectGetTextureDesc`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTexObjectGetTextureDesc(pTexDesc: *mut c_void, texObject: u64) -> u32 {
    guard(op::CU_TEX_OBJECT_GET_TEXTURE_DESC, || unsafe { auto_cuTexObjectGetTextureDesc(pTexDesc, texObject) })
}

unsafe fn auto_cuTexObjectGetTextureDesc(pTexDesc: *mut c_void, texObject: u64) -> Result<(), CudaError> {
    if pTexDesc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_TEX_OBJECT_GET_TEXTURE_DESC, aim, 8, |w| {
        w.u64(texObject);
    }, |r| {
        let v = r.array::<104>()?;
        pTexDesc.cast::<[u8; 104]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuTexObjectGetResourceViewDesc`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTexObjectGetResourceViewDesc(pResViewDesc: *mut c_void, texObject: u64) -> u32 {
    guard(op::CU_TEX_OBJECT_GET_RESOURCE_VIEW_DESC, || unsafe { auto_cuTexObjectGetResourceViewDesc(pResViewDesc, texObject) })
}

unsafe fn auto_cuTexObjectGetResourceViewDesc(pResViewDesc: *mut c_void, texObject: u64) -> Result<(), CudaError> {
    if pResViewDesc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_TEX_OBJECT_GET_RESOURCE_VIEW_DESC, aim, 8, |w| {
        w.u64(texObject);
    }, |r| {
        let v = r.array::<112>()?;
        pResViewDesc.cast::<[u8; 112]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuSurfObjectCreate`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuSurfObjectCreate(pSurfObject: *mut u64, pResDesc: *const c_void) -> u32 {
    guard(op::CU_SURF_OBJECT_CREATE, || unsafe { crate::driver::texture::cuSurfObjectCreate(pSurfObject, pResDesc) })
}

pub(crate) unsafe fn auto_cuSurfObjectCreate(pSurfObject: *mut u64, pResDesc: *const c_void) -> Result<(), CudaError> {
    if pSurfObject.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if pResDesc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_SURF_OBJECT_CREATE, aim, 144, |w| {
        w.put(&pResDesc.cast::<[u8; 144]>().read());
    }, |r| {
        let v = r.u64()?;
        pSurfObject.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuSurfObjectDestroy`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuSurfObjectDestroy(surfObject: u64) -> u32 {
    guard(op::CU_SURF_OBJECT_DESTROY, || unsafe { crate::driver::texture::cuSurfObjectDestroy(surfObject) })
}

pub(crate) unsafe fn auto_cuSurfObjectDestroy(surfObject: u64) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_SURF_OBJECT_DESTROY, aim, 8, |w| {
        w.u64(surfObject);
    })?;
    Ok(())
}

/// `cuSurfObjectGetResourceDesc`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuSurfObjectGetResourceDesc(pResDesc: *mut c_void, surfObject: u64) -> u32 {
    guard(op::CU_SURF_OBJECT_GET_RESOURCE_DESC, || unsafe { crate::driver::texture::cuSurfObjectGetResourceDesc(pResDesc, surfObject) })
}
