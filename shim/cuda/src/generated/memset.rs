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

/// `cuMemsetD8`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8() -> u32 {
    refused_legacy(op::CU_MEMSET_D8, "cuMemsetD8")
}

/// `cuMemsetD8`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8_v2(dstDevice: u64, uc: u8, N: usize) -> u32 {
    guard(op::CU_MEMSET_D8, || unsafe { crate::driver::memset::cuMemsetD8(dstDevice, uc, N) })
}

/// `cuMemsetD8`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8_v2_ptds(dstDevice: u64, uc: u8, N: usize) -> u32 {
    guard(op::CU_MEMSET_D8, || unsafe { crate::driver::memset::cuMemsetD8Async(dstDevice, uc, N, stream_arg(0, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD8(dstDevice: u64, uc: u8, N: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_MEMSET_D8, aim, 17, |w| {
        w.u64(dstDevice);
        w.u8(uc);
        w.usize(N);
    })?;
    Ok(())
}

/// `cuMemsetD16`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD16() -> u32 {
    refused_legacy(op::CU_MEMSET_D16, "cuMemsetD16")
}

/// `cuMemsetD16`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16_v2(dstDevice: u64, us: u16, N: usize) -> u32 {
    guard(op::CU_MEMSET_D16, || unsafe { crate::driver::memset::cuMemsetD16(dstDevice, us, N) })
}

/// `cuMemsetD16`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16_v2_ptds(dstDevice: u64, us: u16, N: usize) -> u32 {
    guard(op::CU_MEMSET_D16, || unsafe { crate::driver::memset::cuMemsetD16Async(dstDevice, us, N, stream_arg(0, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD16(dstDevice: u64, us: u16, N: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_MEMSET_D16, aim, 18, |w| {
        w.u64(dstDevice);
        w.u16(us);
        w.usize(N);
    })?;
    Ok(())
}

/// `cuMemsetD32`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD32() -> u32 {
    refused_legacy(op::CU_MEMSET_D32, "cuMemsetD32")
}

/// `cuMemsetD32`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32_v2(dstDevice: u64, ui: u32, N: usize) -> u32 {
    guard(op::CU_MEMSET_D32, || unsafe { crate::driver::memset::cuMemsetD32(dstDevice, ui, N) })
}

/// `cuMemsetD32`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32_v2_ptds(dstDevice: u64, ui: u32, N: usize) -> u32 {
    guard(op::CU_MEMSET_D32, || unsafe { crate::driver::memset::cuMemsetD32Async(dstDevice, ui, N, stream_arg(0, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD32(dstDevice: u64, ui: u32, N: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_MEMSET_D32, aim, 20, |w| {
        w.u64(dstDevice);
        w.u32(ui);
        w.usize(N);
    })?;
    Ok(())
}

/// `cuMemsetD2D8`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD2D8() -> u32 {
    refused_legacy(op::CU_MEMSET_D2D8, "cuMemsetD2D8")
}

/// `cuMemsetD2D8`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D8_v2(dstDevice: u64, dstPitch: usize, uc: u8, Width: usize, Height: usize) -> u32 {
    guard(op::CU_MEMSET_D2D8, || unsafe { crate::driver::memset::cuMemsetD2D8(dstDevice, dstPitch, uc, Width, Height) })
}

/// `cuMemsetD2D8`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D8_v2_ptds(dstDevice: u64, dstPitch: usize, uc: u8, Width: usize, Height: usize) -> u32 {
    guard(op::CU_MEMSET_D2D8, || unsafe { crate::driver::memset::cuMemsetD2D8Async(dstDevice, dstPitch, uc, Width, Height, stream_arg(0, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD2D8(dstDevice: u64, dstPitch: usize, uc: u8, Width: usize, Height: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_MEMSET_D2D8, aim, 33, |w| {
        w.u64(dstDevice);
        w.usize(dstPitch);
        w.u8(uc);
        w.usize(Width);
        w.usize(Height);
    })?;
    Ok(())
}

/// `cuMemsetD2D16`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD2D16() -> u32 {
    refused_legacy(op::CU_MEMSET_D2D16, "cuMemsetD2D16")
}

/// `cuMemsetD2D16`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D16_v2(dstDevice: u64, dstPitch: usize, us: u16, Width: usize, Height: usize) -> u32 {
    guard(op::CU_MEMSET_D2D16, || unsafe { crate::driver::memset::cuMemsetD2D16(dstDevice, dstPitch, us, Width, Height) })
}

/// `cuMemsetD2D16`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D16_v2_ptds(dstDevice: u64, dstPitch: usize, us: u16, Width: usize, Height: usize) -> u32 {
    guard(op::CU_MEMSET_D2D16, || unsafe { crate::driver::memset::cuMemsetD2D16Async(dstDevice, dstPitch, us, Width, Height, stream_arg(0, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD2D16(dstDevice: u64, dstPitch: usize, us: u16, Width: usize, Height: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_MEMSET_D2D16, aim, 34, |w| {
        w.u64(dstDevice);
        w.usize(dstPitch);
        w.u16(us);
        w.usize(Width);
        w.usize(Height);
    })?;
    Ok(())
}

/// `cuMemsetD2D32`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD2D32() -> u32 {
    refused_legacy(op::CU_MEMSET_D2D32, "cuMemsetD2D32")
}

/// `cuMemsetD2D32`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D32_v2(dstDevice: u64, dstPitch: usize, ui: u32, Width: usize, Height: usize) -> u32 {
    guard(op::CU_MEMSET_D2D32, || unsafe { crate::driver::memset::cuMemsetD2D32(dstDevice, dstPitch, ui, Width, Height) })
}

/// `cuMemsetD2D32`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D32_v2_ptds(dstDevice: u64, dstPitch: usize, ui: u32, Width: usize, Height: usize) -> u32 {
    guard(op::CU_MEMSET_D2D32, || unsafe { crate::driver::memset::cuMemsetD2D32Async(dstDevice, dstPitch, ui, Width, Height, stream_arg(0, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD2D32(dstDevice: u64, dstPitch: usize, ui: u32, Width: usize, Height: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_MEMSET_D2D32, aim, 36, |w| {
        w.u64(dstDevice);
        w.usize(dstPitch);
        w.u32(ui);
        w.usize(Width);
        w.usize(Height);
    })?;
    Ok(())
}

/// `cuMemsetD8Async`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(dstDevice: u64, uc: u8, N: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D8_ASYNC, || unsafe { crate::driver::memset::cuMemsetD8Async(dstDevice, uc, N, stream_arg(hStream, false)) })
}

/// `cuMemsetD8Async`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async_ptsz(dstDevice: u64, uc: u8, N: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D8_ASYNC, || unsafe { crate::driver::memset::cuMemsetD8Async(dstDevice, uc, N, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD8Async(dstDevice: u64, uc: u8, N: usize, hStream: u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_MEMSET_D8_ASYNC, aim, 25, |w| {
        w.u64(dstDevice);
        w.u8(uc);
        w.usize(N);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuMemsetD16Async`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16Async(dstDevice: u64, us: u16, N: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D16_ASYNC, || unsafe { crate::driver::memset::cuMemsetD16Async(dstDevice, us, N, stream_arg(hStream, false)) })
}

/// `cuMemsetD16Async`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16Async_ptsz(dstDevice: u64, us: u16, N: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D16_ASYNC, || unsafe { crate::driver::memset::cuMemsetD16Async(dstDevice, us, N, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD16Async(dstDevice: u64, us: u16, N: usize, hStream: u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_MEMSET_D16_ASYNC, aim, 26, |w| {
        w.u64(dstDevice);
        w.u16(us);
        w.usize(N);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuMemsetD32Async`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32Async(dstDevice: u64, ui: u32, N: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D32_ASYNC, || unsafe { crate::driver::memset::cuMemsetD32Async(dstDevice, ui, N, stream_arg(hStream, false)) })
}

/// `cuMemsetD32Async`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32Async_ptsz(dstDevice: u64, ui: u32, N: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D32_ASYNC, || unsafe { crate::driver::memset::cuMemsetD32Async(dstDevice, ui, N, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD32Async(dstDevice: u64, ui: u32, N: usize, hStream: u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_MEMSET_D32_ASYNC, aim, 28, |w| {
        w.u64(dstDevice);
        w.u32(ui);
        w.usize(N);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuMemsetD2D8Async`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D8Async(dstDevice: u64, dstPitch: usize, uc: u8, Width: usize, Height: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D2D8_ASYNC, || unsafe { crate::driver::memset::cuMemsetD2D8Async(dstDevice, dstPitch, uc, Width, Height, stream_arg(hStream, false)) })
}

/// `cuMemsetD2D8Async`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D8Async_ptsz(dstDevice: u64, dstPitch: usize, uc: u8, Width: usize, Height: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D2D8_ASYNC, || unsafe { crate::driver::memset::cuMemsetD2D8Async(dstDevice, dstPitch, uc, Width, Height, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD2D8Async(dstDevice: u64, dstPitch: usize, uc: u8, Width: usize, Height: usize, hStream: u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_MEMSET_D2D8_ASYNC, aim, 41, |w| {
        w.u64(dstDevice);
        w.usize(dstPitch);
        w.u8(uc);
        w.usize(Width);
        w.usize(Height);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuMemsetD2D16Async`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D16Async(dstDevice: u64, dstPitch: usize, us: u16, Width: usize, Height: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D2D16_ASYNC, || unsafe { crate::driver::memset::cuMemsetD2D16Async(dstDevice, dstPitch, us, Width, Height, stream_arg(hStream, false)) })
}

/// `cuMemsetD2D16Async`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D16Async_ptsz(dstDevice: u64, dstPitch: usize, us: u16, Width: usize, Height: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D2D16_ASYNC, || unsafe { crate::driver::memset::cuMemsetD2D16Async(dstDevice, dstPitch, us, Width, Height, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD2D16Async(dstDevice: u64, dstPitch: usize, us: u16, Width: usize, Height: usize, hStream: u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_MEMSET_D2D16_ASYNC, aim, 42, |w| {
        w.u64(dstDevice);
        w.usize(dstPitch);
        w.u16(us);
        w.usize(Width);
        w.usize(Height);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuMemsetD2D32Async`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D32Async(dstDevice: u64, dstPitch: usize, ui: u32, Width: usize, Height: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D2D32_ASYNC, || unsafe { crate::driver::memset::cuMemsetD2D32Async(dstDevice, dstPitch, ui, Width, Height, stream_arg(hStream, false)) })
}

/// `cuMemsetD2D32Async`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D32Async_ptsz(dstDevice: u64, dstPitch: usize, ui: u32, Width: usize, Height: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMSET_D2D32_ASYNC, || unsafe { crate::driver::memset::cuMemsetD2D32Async(dstDevice, dstPitch, ui, Width, Height, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuMemsetD2D32Async(dstDevice: u64, dstPitch: usize, ui: u32, Width: usize, Height: usize, hStream: u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_MEMSET_D2D32_ASYNC, aim, 44, |w| {
        w.u64(dstDevice);
        w.usize(dstPitch);
        w.u32(ui);
        w.usize(Width);
        w.usize(Height);
        w.u64(hStream.id);
    })?;
    Ok(())
}
