//! The driver's error log. Ringway says errors in its own log, with the call that failed; this one stays empty.

use super::{put, put_if};
use core::ffi::c_void;
use ringway_api::CudaError;
use std::sync::atomic::{AtomicU64, Ordering};

static CALLBACKS: AtomicU64 = AtomicU64::new(0);

pub unsafe fn cuLogsRegisterCallback(
    callbackFunc: *const c_void,
    _userData: *const c_void,
    callback_out: *mut u64,
) -> Result<(), CudaError> {
    if callbackFunc.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    unsafe { put_if(callback_out, CALLBACKS.fetch_add(1, Ordering::Relaxed) + 1) };
    Ok(())
}

pub unsafe fn cuLogsUnregisterCallback(callback: u64) -> Result<(), CudaError> {
    if callback == 0 || callback > CALLBACKS.load(Ordering::Relaxed) {
        return Err(CudaError::INVALID_VALUE);
    }
    Ok(())
}

pub unsafe fn cuLogsCurrent(iterator_out: *mut u32, flags: u32) -> Result<(), CudaError> {
    if flags != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    unsafe { put(iterator_out, 0) }
}

pub unsafe fn cuLogsDumpToMemory(
    iterator: *mut u32,
    buffer: *mut c_void,
    size: *mut usize,
    flags: u32,
) -> Result<(), CudaError> {
    if flags != 0 || buffer.is_null() || size.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    unsafe { put_if(iterator, 0) };
    unsafe { put(size, 0) }
}
