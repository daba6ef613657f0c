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

/// `cuTensorMapEncodeTiled`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTensorMapEncodeTiled(tensorMap: *mut c_void, tensorDataType: u32, tensorRank: u32, globalAddress: u64, globalDim: *const u64, globalStrides: *const u64, boxDim: *const u32, elementStrides: *const u32, interleave: u32, swizzle: u32, l2Promotion: u32, oobFill: u32) -> u32 {
    guard(op::CU_TENSOR_MAP_ENCODE_TILED, || unsafe { auto_cuTensorMapEncodeTiled(tensorMap, tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, boxDim, elementStrides, interleave, swizzle, l2Promotion, oobFill) })
}

unsafe fn auto_cuTensorMapEncodeTiled(tensorMap: *mut c_void, tensorDataType: u32, tensorRank: u32, globalAddress: u64, globalDim: *const u64, globalStrides: *const u64, boxDim: *const u32, elementStrides: *const u32, interleave: u32, swizzle: u32, l2Promotion: u32, oobFill: u32) -> Result<(), CudaError> {
    if tensorMap.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if globalDim.is_null() && tensorRank != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let globalDim_in = client::slice(globalDim, tensorRank as usize)?;
    if globalStrides.is_null() && tensorRank.saturating_sub(1) != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let globalStrides_in = client::slice(globalStrides, tensorRank.saturating_sub(1) as usize)?;
    if boxDim.is_null() && tensorRank != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let boxDim_in = client::slice(boxDim, tensorRank as usize)?;
    if elementStrides.is_null() && tensorRank != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let elementStrides_in = client::slice(elementStrides, tensorRank as usize)?;
    let aim = client::current()?;
    client::called(op::CU_TENSOR_MAP_ENCODE_TILED, aim, 32 + 4 + globalDim_in.len().saturating_mul(8) + 4 + globalStrides_in.len().saturating_mul(8) + 4 + boxDim_in.len().saturating_mul(4) + 4 + elementStrides_in.len().saturating_mul(4), |w| {
        w.u32(tensorDataType);
        w.u32(tensorRank);
        w.u64(globalAddress);
        w.u32(u32::try_from(globalDim_in.len()).unwrap_or(u32::MAX));
        for v in globalDim_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(globalStrides_in.len()).unwrap_or(u32::MAX));
        for v in globalStrides_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(boxDim_in.len()).unwrap_or(u32::MAX));
        for v in boxDim_in.iter() {
            w.u32(*v);
        }
        w.u32(u32::try_from(elementStrides_in.len()).unwrap_or(u32::MAX));
        for v in elementStrides_in.iter() {
            w.u32(*v);
        }
        w.u32(interleave);
        w.u32(swizzle);
        w.u32(l2Promotion);
        w.u32(oobFill);
    }, |r| {
        let v = r.array::<128>()?;
        tensorMap.cast::<[u8; 128]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuTensorMapEncodeIm2col`, CUDA 12.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTensorMapEncodeIm2col() -> u32 {
    refused(op::CU_TENSOR_MAP_ENCODE_IM2COL)
}

/// `cuTensorMapEncodeIm2colWide`, CUDA 12.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTensorMapEncodeIm2colWide(tensorMap: *mut c_void, tensorDataType: u32, tensorRank: u32, globalAddress: u64, globalDim: *const u64, globalStrides: *const u64, pixelBoxLowerCornerWidth: i32, pixelBoxUpperCornerWidth: i32, channelsPerPixel: u32, pixelsPerColumn: u32, elementStrides: *const u32, interleave: u32, mode: u32, swizzle: u32, l2Promotion: u32, oobFill: u32) -> u32 {
    guard(op::CU_TENSOR_MAP_ENCODE_IM2COL_WIDE, || unsafe { auto_cuTensorMapEncodeIm2colWide(tensorMap, tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, pixelBoxLowerCornerWidth, pixelBoxUpperCornerWidth, channelsPerPixel, pixelsPerColumn, elementStrides, interleave, mode, swizzle, l2Promotion, oobFill) })
}

unsafe fn auto_cuTensorMapEncodeIm2colWide(tensorMap: *mut c_void, tensorDataType: u32, tensorRank: u32, globalAddress: u64, globalDim: *const u64, globalStrides: *const u64, pixelBoxLowerCornerWidth: i32, pixelBoxUpperCornerWidth: i32, channelsPerPixel: u32, pixelsPerColumn: u32, elementStrides: *const u32, interleave: u32, mode: u32, swizzle: u32, l2Promotion: u32, oobFill: u32) -> Result<(), CudaError> {
    if tensorMap.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if globalDim.is_null() && tensorRank != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let globalDim_in = client::slice(globalDim, tensorRank as usize)?;
    if globalStrides.is_null() && tensorRank.saturating_sub(1) != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let globalStrides_in = client::slice(globalStrides, tensorRank.saturating_sub(1) as usize)?;
    if elementStrides.is_null() && tensorRank != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let elementStrides_in = client::slice(elementStrides, tensorRank as usize)?;
    let aim = client::current()?;
    client::called(op::CU_TENSOR_MAP_ENCODE_IM2COL_WIDE, aim, 52 + 4 + globalDim_in.len().saturating_mul(8) + 4 + globalStrides_in.len().saturating_mul(8) + 4 + elementStrides_in.len().saturating_mul(4), |w| {
        w.u32(tensorDataType);
        w.u32(tensorRank);
        w.u64(globalAddress);
        w.u32(u32::try_from(globalDim_in.len()).unwrap_or(u32::MAX));
        for v in globalDim_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(globalStrides_in.len()).unwrap_or(u32::MAX));
        for v in globalStrides_in.iter() {
            w.u64(*v);
        }
        w.i32(pixelBoxLowerCornerWidth);
        w.i32(pixelBoxUpperCornerWidth);
        w.u32(channelsPerPixel);
        w.u32(pixelsPerColumn);
        w.u32(u32::try_from(elementStrides_in.len()).unwrap_or(u32::MAX));
        for v in elementStrides_in.iter() {
            w.u32(*v);
        }
        w.u32(interleave);
        w.u32(mode);
        w.u32(swizzle);
        w.u32(l2Promotion);
        w.u32(oobFill);
    }, |r| {
        let v = r.array::<128>()?;
        tensorMap.cast::<[u8; 128]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuTensorMapReplaceAddress`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTensorMapReplaceAddress(tensorMap: *mut c_void, globalAddress: u64) -> u32 {
    guard(op::CU_TENSOR_MAP_REPLACE_ADDRESS, || unsafe { auto_cuTensorMapReplaceAddress(tensorMap, globalAddress) })
}

unsafe fn auto_cuTensorMapReplaceAddress(tensorMap: *mut c_void, globalAddress: u64) -> Result<(), CudaError> {
    if tensorMap.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_TENSOR_MAP_REPLACE_ADDRESS, aim, 136, |w| {
        w.put(&tensorMap.cast::<[u8; 128]>().read());
        w.u64(globalAddress);
    }, |r| {
        let v = r.array::<128>()?;
        tensorMap.cast::<[u8; 128]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuTensorMapSetAllocationClass`, CUDA 13.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuTensorMapSetAllocationClass() -> u32 {
    refused(op::CU_TENSOR_MAP_SET_ALLOCATION_CLASS)
}
