//! Kernels' attributes and parameters, from what was learnt when they were looked up.

use super::{put, put_if};
use core::ffi::c_void;
use ringway_api::{CudaError, op};
use ringway_client::{functions, posted};
use ringway_wire::codec::Writer as _;
use std::sync::atomic::Ordering;

pub unsafe fn cuFuncGetAttribute(pi: *mut i32, attrib: u32, hfunc: u64) -> Result<(), CudaError> {
    let value = functions::get(hfunc)?.attribute(attrib)?;
    unsafe { put(pi, value) }
}

/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES` and `CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES`.
const DYNAMIC_SHARED: u32 = 8;
const STATIC_SHARED: u32 = 1;
/// `CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN`.
const SHARED_OPTIN: u32 = 97;

pub unsafe fn cuFuncSetAttribute(hfunc: u64, attrib: u32, value: i32) -> Result<(), CudaError> {
    let object = functions::object(hfunc)?;
    let function = functions::get(hfunc)?;
    let settable = matches!(attrib, 8..=15);
    if !settable || value < 0 && attrib != 9 {
        return Err(CudaError::INVALID_VALUE);
    }
    if attrib == DYNAMIC_SHARED {
        let limit =
            super::device::attribute(object.target.lane as i32, SHARED_OPTIN).unwrap_or(48 << 10);
        if value.saturating_add(function.attribute(STATIC_SHARED).unwrap_or(0)) > limit {
            return Err(CudaError::INVALID_VALUE);
        }
    }
    posted(op::CU_FUNC_SET_ATTRIBUTE, object.target, 16, |w| {
        w.u64(object.id);
        w.u32(attrib);
        w.i32(value);
    })?;
    if let Some(known) = function.attributes.get(attrib as usize) {
        known.store(value, Ordering::Relaxed);
    }
    Ok(())
}

pub unsafe fn cuFuncGetModule(hmod: *mut u64, hfunc: u64) -> Result<(), CudaError> {
    let module = functions::get(hfunc)?.module;
    unsafe { put(hmod, module) }
}

pub unsafe fn cuFuncGetName(name: *mut c_void, hfunc: u64) -> Result<(), CudaError> {
    let function = functions::get(hfunc)?;
    unsafe { put(name.cast(), function.name.as_ptr()) }
}

pub unsafe fn cuFuncGetParamInfo(
    func: u64,
    paramIndex: usize,
    paramOffset: *mut usize,
    paramSize: *mut usize,
) -> Result<(), CudaError> {
    let param = *functions::get(func)?
        .params
        .get(paramIndex)
        .ok_or(CudaError::INVALID_VALUE)?;
    unsafe { put(paramOffset, param.offset as usize) }?;
    unsafe { put_if(paramSize, param.bytes as usize) };
    Ok(())
}

pub unsafe fn cuFuncGetParamCount(func: u64, paramCount: *mut usize) -> Result<(), CudaError> {
    let count = functions::get(func)?.params.len();
    unsafe { put(paramCount, count) }
}
