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

/// `cuArrayCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuArrayCreate() -> u32 {
    refused_legacy(op::CU_ARRAY_CREATE, "cuArrayCreate")
}

/// `cuArrayCreate`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArrayCreate_v2(pHandle: *mut u64, pAllocateArray: *const c_void) -> u32 {
    guard(op::CU_ARRAY_CREATE, || unsafe { crate::driver::array::cuArrayCreate(pHandle, pAllocateArray) })
}

pub(crate) unsafe fn auto_cuArrayCreate(pHandle: *mut u64, pAllocateArray: *const c_void) -> Result<(), CudaError> {
    if pHandle.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if pAllocateArray.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let pHandle_new = client::create(Kind::Array, aim)?;
    client::called(op::CU_ARRAY_CREATE, aim, 32, |w| {
        w.u64(pHandle_new.id());
        w.put(&pAllocateArray.cast::<[u8; 24]>().read());
    }, |_| Ok(()))?;
    pHandle.write_unaligned(pHandle_new.keep());
    Ok(())
}

/// `cuArrayGetDescriptor`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuArrayGetDescriptor() -> u32 {
    refused_legacy(op::CU_ARRAY_GET_DESCRIPTOR, "cuArrayGetDescriptor")
}

/// `cuArrayGetDescriptor`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArrayGetDescriptor_v2(pArrayDescriptor: *mut c_void, hArray: u64) -> u32 {
    guard(op::CU_ARRAY_GET_DESCRIPTOR, || unsafe { auto_cuArrayGetDescriptor(pArrayDescriptor, hArray) })
}

unsafe fn auto_cuArrayGetDescriptor(pArrayDescriptor: *mut c_void, hArray: u64) -> Result<(), CudaError> {
    if pArrayDescriptor.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hArray = client::handle(Kind::Array, hArray)?;
    let aim = hArray.target;
    client::called(op::CU_ARRAY_GET_DESCRIPTOR, aim, 8, |w| {
        w.u64(hArray.id);
    }, |r| {
        let v = r.array::<24>()?;
        pArrayDescriptor.cast::<[u8; 24]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuArrayGetSparseProperties`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArrayGetSparseProperties(sparseProperties: *mut c_void, array: u64) -> u32 {
    guard(op::CU_ARRAY_GET_SPARSE_PROPERTIES, || unsafe { auto_cuArrayGetSparseProperties(sparseProperties, array) })
}

unsafe fn auto_cuArrayGetSparseProperties(sparseProperties: *mut c_void, array: u64) -> Result<(), CudaError> {
    if sparseProperties.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let array = client::handle(Kind::Array, array)?;
    let aim = array.target;
    client::called(op::CU_ARRAY_GET_SPARSE_PROPERTIES, aim, 8, |w| {
        w.u64(array.id);
    }, |r| {
        let v = r.array::<48>()?;
        sparseProperties.cast::<[u8; 48]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMipmappedArrayGetSparseProperties`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMipmappedArrayGetSparseProperties(sparseProperties: *mut c_void, mipmap: u64) -> u32 {
    guard(op::CU_MIPMAPPED_ARRAY_GET_SPARSE_PROPERTIES, || unsafe { auto_cuMipmappedArrayGetSparseProperties(sparseProperties, mipmap) })
}

unsafe fn auto_cuMipmappedArrayGetSparseProperties(sparseProperties: *mut c_void, mipmap: u64) -> Result<(), CudaError> {
    if sparseProperties.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let mipmap = client::handle(Kind::MipmappedArray, mipmap)?;
    let aim = mipmap.target;
    client::called(op::CU_MIPMAPPED_ARRAY_GET_SPARSE_PROPERTIES, aim, 8, |w| {
        w.u64(mipmap.id);
    }, |r| {
        let v = r.array::<48>()?;
        sparseProperties.cast::<[u8; 48]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuArrayGetMemoryRequirements`, CUDA 11.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArrayGetMemoryRequirements(memoryRequirements: *mut c_void, array: u64, device: i32) -> u32 {
    guard(op::CU_ARRAY_GET_MEMORY_REQUIREMENTS, || unsafe { auto_cuArrayGetMemoryRequirements(memoryRequirements, array, device) })
}

unsafe fn auto_cuArrayGetMemoryRequirements(memoryRequirements: *mut c_void, array: u64, device: i32) -> Result<(), CudaError> {
    if memoryRequirements.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let array = client::handle(Kind::Array, array)?;
    let device = client::device(device)?;
    let aim = array.target;
    client::called(op::CU_ARRAY_GET_MEMORY_REQUIREMENTS, aim, 12, |w| {
        w.u64(array.id);
        w.i32(device.ordinal);
    }, |r| {
        let v = r.array::<32>()?;
        memoryRequirements.cast::<[u8; 32]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMipmappedArrayGetMemoryRequirements`, CUDA 11.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMipmappedArrayGetMemoryRequirements(memoryRequirements: *mut c_void, mipmap: u64, device: i32) -> u32 {
    guard(op::CU_MIPMAPPED_ARRAY_GET_MEMORY_REQUIREMENTS, || unsafe { auto_cuMipmappedArrayGetMemoryRequirements(memoryRequirements, mipmap, device) })
}

unsafe fn auto_cuMipmappedArrayGetMemoryRequirements(memoryRequirements: *mut c_void, mipmap: u64, device: i32) -> Result<(), CudaError> {
    if memoryRequirements.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let mipmap = client::handle(Kind::MipmappedArray, mipmap)?;
    let device = client::device(device)?;
    let aim = mipmap.target;
    client::called(op::CU_MIPMAPPED_ARRAY_GET_MEMORY_REQUIREMENTS, aim, 12, |w| {
        w.u64(mipmap.id);
        w.i32(device.ordinal);
    }, |r| {
        let v = r.array::<32>()?;
        memoryRequirements.cast::<[u8; 32]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuArrayGetPlane`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArrayGetPlane(pPlaneArray: *mut u64, hArray: u64, planeIdx: u32) -> u32 {
    guard(op::CU_ARRAY_GET_PLANE, || unsafe { auto_cuArrayGetPlane(pPlaneArray, hArray, planeIdx) })
}

unsafe fn auto_cuArrayGetPlane(pPlaneArray: *mut u64, hArray: u64, planeIdx: u32) -> Result<(), CudaError> {
    if pPlaneArray.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hArray = client::handle(Kind::Array, hArray)?;
    let aim = hArray.target;
    client::called(op::CU_ARRAY_GET_PLANE, aim, 12, |w| {
        w.u64(hArray.id);
        w.u32(planeIdx);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::Array, v, aim).map_err(|_| Malformed::Value(v))? };
        pPlaneArray.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuArrayDestroy`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArrayDestroy(hArray: u64) -> u32 {
    guard(op::CU_ARRAY_DESTROY, || unsafe { crate::driver::array::cuArrayDestroy(hArray) })
}

pub(crate) unsafe fn auto_cuArrayDestroy(hArray: u64) -> Result<(), CudaError> {
    let hArray = client::handle(Kind::Array, hArray)?;
    let aim = hArray.target;
    client::called(op::CU_ARRAY_DESTROY, aim, 8, |w| {
        w.u64(hArray.id);
    }, |_| Ok(()))?;
    client::destroyed(Kind::Array, hArray.id);
    Ok(())
}

/// `cuArray3DCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuArray3DCreate() -> u32 {
    refused_legacy(op::CU_ARRAY3D_CREATE, "cuArray3DCreate")
}

/// `cuArray3DCreate`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArray3DCreate_v2(pHandle: *mut u64, pAllocateArray: *const c_void) -> u32 {
    guard(op::CU_ARRAY3D_CREATE, || unsafe { crate::driver::array::cuArray3DCreate(pHandle, pAllocateArray) })
}

pub(crate) unsafe fn auto_cuArray3DCreate(pHandle: *mut u64, pAllocateArray: *const c_void) -> Result<(), CudaError> {
    if pHandle.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if pAllocateArray.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let pHandle_new = client::create(Kind::Array, aim)?;
    client::called(op::CU_ARRAY3D_CREATE, aim, 48, |w| {
        w.u64(pHandle_new.id());
        w.put(&pAllocateArray.cast::<[u8; 40]>().read());
    }, |_| Ok(()))?;
    pHandle.write_unaligned(pHandle_new.keep());
    Ok(())
}

/// `cuArray3DGetDescriptor`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuArray3DGetDescriptor() -> u32 {
    refused_legacy(op::CU_ARRAY3D_GET_DESCRIPTOR, "cuArray3DGetDescriptor")
}

/// `cuArray3DGetDescriptor`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuArray3DGetDescriptor_v2(pArrayDescriptor: *mut c_void, hArray: u64) -> u32 {
    guard(op::CU_ARRAY3D_GET_DESCRIPTOR, || unsafe { auto_cuArray3DGetDescriptor(pArrayDescriptor, hArray) })
}

unsafe fn auto_cuArray3DGetDescriptor(pArrayDescriptor: *mut c_void, hArray: u64) -> Result<(), CudaError> {
    if pArrayDescriptor.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hArray = client::handle(Kind::Array, hArray)?;
    let aim = hArray.target;
    client::called(op::CU_ARRAY3D_GET_DESCRIPTOR, aim, 8, |w| {
        w.u64(hArray.id);
    }, |r| {
        let v = r.array::<40>()?;
        pArrayDescriptor.cast::<[u8; 40]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMipmappedArrayCreate`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMipmappedArrayCreate(pHandle: *mut u64, pMipmappedArrayDesc: *const c_void, numMipmapLevels: u32) -> u32 {
    guard(op::CU_MIPMAPPED_ARRAY_CREATE, || unsafe { crate::driver::array::cuMipmappedArrayCreate(pHandle, pMipmappedArrayDesc, numMipmapLevels) })
}

pub(crate) unsafe fn auto_cuMipmappedArrayCreate(pHandle: *mut u64, pMipmappedArrayDesc: *const c_void, numMipmapLevels: u32) -> Result<(), CudaError> {
    if pHandle.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if pMipmappedArrayDesc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let pHandle_new = client::create(Kind::MipmappedArray, aim)?;
    client::called(op::CU_MIPMAPPED_ARRAY_CREATE, aim, 52, |w| {
        w.u64(pHandle_new.id());
        w.put(&pMipmappedArrayDesc.cast::<[u8; 40]>().read());
        w.u32(numMipmapLevels);
    }, |_| Ok(()))?;
    pHandle.write_unaligned(pHandle_new.keep());
    Ok(())
}

/// `cuMipmappedArrayGetLevel`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMipmappedArrayGetLevel(pLevelArray: *mut u64, hMipmappedArray: u64, level: u32) -> u32 {
    guard(op::CU_MIPMAPPED_ARRAY_GET_LEVEL, || unsafe { crate::driver::array::cuMipmappedArrayGetLevel(pLevelArray, hMipmappedArray, level) })
}

pub(crate) unsafe fn auto_cuMipmappedArrayGetLevel(pLevelArray: *mut u64, hMipmappedArray: u64, level: u32) -> Result<(), CudaError> {
    if pLevelArray.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hMipmappedArray = client::handle(Kind::MipmappedArray, hMipmappedArray)?;
    let aim = hMipmappedArray.target;
    client::called(op::CU_MIPMAPPED_ARRAY_GET_LEVEL, aim, 12, |w| {
        w.u64(hMipmappedArray.id);
        w.u32(level);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::Array, v, aim).map_err(|_| Malformed::Value(v))? };
        pLevelArray.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMipmappedArrayDestroy`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMipmappedArrayDestroy(hMipmappedArray: u64) -> u32 {
    guard(op::CU_MIPMAPPED_ARRAY_DESTROY, || unsafe { crate::driver::array::cuMipmappedArrayDestroy(hMipmappedArray) })
}

pub(crate) unsafe fn auto_cuMipmappedArrayDestroy(hMipmappedArray: u64) -> Result<(), CudaError> {
    let hMipmappedArray = client::handle(Kind::MipmappedArray, hMipmappedArray)?;
    let aim = hMipmappedArray.target;
    client::called(op::CU_MIPMAPPED_ARRAY_DESTROY, aim, 8, |w| {
        w.u64(hMipmappedArray.id);
    }, |_| Ok(()))?;
    client::destroyed(Kind::MipmappedArray, hMipmappedArray.id);
    Ok(())
}
