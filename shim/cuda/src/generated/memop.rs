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

/// `cuStreamWaitValue32`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue32(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE32, || unsafe { auto_cuStreamWaitValue32(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWaitValue32`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue32_ptsz(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE32, || unsafe { auto_cuStreamWaitValue32(stream_arg(stream, true), addr, value, flags) })
}

/// `cuStreamWaitValue32`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue32_v2(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE32, || unsafe { auto_cuStreamWaitValue32(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWaitValue32`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue32_v2_ptsz(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE32, || unsafe { auto_cuStreamWaitValue32(stream_arg(stream, true), addr, value, flags) })
}

unsafe fn auto_cuStreamWaitValue32(stream: u64, addr: u64, value: u32, flags: u32) -> Result<(), CudaError> {
    let stream = client::stream(stream)?;
    let aim = stream.target;
    client::posted(op::CU_STREAM_WAIT_VALUE32, aim, 24, |w| {
        w.u64(stream.id);
        w.u64(addr);
        w.u32(value);
        w.u32(flags);
    })?;
    Ok(())
}

/// `cuStreamWaitValue64`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue64(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE64, || unsafe { auto_cuStreamWaitValue64(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWaitValue64`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue64_ptsz(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE64, || unsafe { auto_cuStreamWaitValue64(stream_arg(stream, true), addr, value, flags) })
}

/// `cuStreamWaitValue64`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue64_v2(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE64, || unsafe { auto_cuStreamWaitValue64(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWaitValue64`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitValue64_v2_ptsz(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_VALUE64, || unsafe { auto_cuStreamWaitValue64(stream_arg(stream, true), addr, value, flags) })
}

unsafe fn auto_cuStreamWaitValue64(stream: u64, addr: u64, value: u64, flags: u32) -> Result<(), CudaError> {
    let stream = client::stream(stream)?;
    let aim = stream.target;
    client::posted(op::CU_STREAM_WAIT_VALUE64, aim, 28, |w| {
        w.u64(stream.id);
        w.u64(addr);
        w.u64(value);
        w.u32(flags);
    })?;
    Ok(())
}

/// `cuStreamWriteValue32`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue32(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE32, || unsafe { auto_cuStreamWriteValue32(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWriteValue32`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue32_ptsz(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE32, || unsafe { auto_cuStreamWriteValue32(stream_arg(stream, true), addr, value, flags) })
}

/// `cuStreamWriteValue32`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue32_v2(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE32, || unsafe { auto_cuStreamWriteValue32(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWriteValue32`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue32_v2_ptsz(stream: u64, addr: u64, value: u32, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE32, || unsafe { auto_cuStreamWriteValue32(stream_arg(stream, true), addr, value, flags) })
}

unsafe fn auto_cuStreamWriteValue32(stream: u64, addr: u64, value: u32, flags: u32) -> Result<(), CudaError> {
    let stream = client::stream(stream)?;
    let aim = stream.target;
    client::posted(op::CU_STREAM_WRITE_VALUE32, aim, 24, |w| {
        w.u64(stream.id);
        w.u64(addr);
        w.u32(value);
        w.u32(flags);
    })?;
    Ok(())
}

/// `cuStreamWriteValue64`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue64(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE64, || unsafe { auto_cuStreamWriteValue64(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWriteValue64`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue64_ptsz(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE64, || unsafe { auto_cuStreamWriteValue64(stream_arg(stream, true), addr, value, flags) })
}

/// `cuStreamWriteValue64`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue64_v2(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE64, || unsafe { auto_cuStreamWriteValue64(stream_arg(stream, false), addr, value, flags) })
}

/// `cuStreamWriteValue64`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWriteValue64_v2_ptsz(stream: u64, addr: u64, value: u64, flags: u32) -> u32 {
    guard(op::CU_STREAM_WRITE_VALUE64, || unsafe { auto_cuStreamWriteValue64(stream_arg(stream, true), addr, value, flags) })
}

unsafe fn auto_cuStreamWriteValue64(stream: u64, addr: u64, value: u64, flags: u32) -> Result<(), CudaError> {
    let stream = client::stream(stream)?;
    let aim = stream.target;
    client::posted(op::CU_STREAM_WRITE_VALUE64, aim, 28, |w| {
        w.u64(stream.id);
        w.u64(addr);
        w.u64(value);
        w.u32(flags);
    })?;
    Ok(())
}

/// `cuStreamBatchMemOp`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBatchMemOp(stream: u64, count: u32, paramArray: *const c_void, flags: u32) -> u32 {
    guard(op::CU_STREAM_BATCH_MEM_OP, || unsafe { auto_cuStreamBatchMemOp(stream_arg(stream, false), count, paramArray, flags) })
}

/// `cuStreamBatchMemOp`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBatchMemOp_ptsz(stream: u64, count: u32, paramArray: *const c_void, flags: u32) -> u32 {
    guard(op::CU_STREAM_BATCH_MEM_OP, || unsafe { auto_cuStreamBatchMemOp(stream_arg(stream, true), count, paramArray, flags) })
}

/// `cuStreamBatchMemOp`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBatchMemOp_v2(stream: u64, count: u32, paramArray: *const c_void, flags: u32) -> u32 {
    guard(op::CU_STREAM_BATCH_MEM_OP, || unsafe { auto_cuStreamBatchMemOp(stream_arg(stream, false), count, paramArray, flags) })
}

/// `cuStreamBatchMemOp`, CUDA 11.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBatchMemOp_v2_ptsz(stream: u64, count: u32, paramArray: *const c_void, flags: u32) -> u32 {
    guard(op::CU_STREAM_BATCH_MEM_OP, || unsafe { auto_cuStreamBatchMemOp(stream_arg(stream, true), count, paramArray, flags) })
}

unsafe fn auto_cuStreamBatchMemOp(stream: u64, count: u32, paramArray: *const c_void, flags: u32) -> Result<(), CudaError> {
    let stream = client::stream(stream)?;
    if paramArray.is_null() && count != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let paramArray_in = client::slice(paramArray.cast::<[u8; 48]>(), count as usize)?;
    let aim = stream.target;
    client::posted(op::CU_STREAM_BATCH_MEM_OP, aim, 16 + 4 + paramArray_in.len().saturating_mul(48), |w| {
        w.u64(stream.id);
        w.u32(count);
        w.u32(u32::try_from(paramArray_in.len()).unwrap_or(u32::MAX));
        for v in paramArray_in.iter() {
            w.put(v);
        }
        w.u32(flags);
    })?;
    Ok(())
}
