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

/// `cuOccupancyMaxActiveBlocksPerMultiprocessor`, CUDA 6.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks: *mut i32, func: u64, blockSize: i32, dynamicSMemSize: usize) -> u32 {
    guard(op::CU_OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR, || unsafe { auto_cuOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks, func, blockSize, dynamicSMemSize) })
}

unsafe fn auto_cuOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks: *mut i32, func: u64, blockSize: i32, dynamicSMemSize: usize) -> Result<(), CudaError> {
    if numBlocks.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let func = client::functions::object(func)?;
    let aim = func.target;
    client::called(op::CU_OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR, aim, 20, |w| {
        w.u64(func.id);
        w.i32(blockSize);
        w.usize(dynamicSMemSize);
    }, |r| {
        let v = r.i32()?;
        numBlocks.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks: *mut i32, func: u64, blockSize: i32, dynamicSMemSize: usize, flags: u32) -> u32 {
    guard(op::CU_OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR_WITH_FLAGS, || unsafe { auto_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize, dynamicSMemSize, flags) })
}

unsafe fn auto_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks: *mut i32, func: u64, blockSize: i32, dynamicSMemSize: usize, flags: u32) -> Result<(), CudaError> {
    if numBlocks.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let func = client::functions::object(func)?;
    let aim = func.target;
    client::called(op::CU_OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR_WITH_FLAGS, aim, 24, |w| {
        w.u64(func.id);
        w.i32(blockSize);
        w.usize(dynamicSMemSize);
        w.u32(flags);
    }, |r| {
        let v = r.i32()?;
        numBlocks.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuOccupancyMaxPotentialBlockSize`, CUDA 6.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialBlockSize(minGridSize: *mut i32, blockSize: *mut i32, func: u64, blockSizeToDynamicSMemSize: *const c_void, dynamicSMemSize: usize, blockSizeLimit: i32) -> u32 {
    guard(op::CU_OCCUPANCY_MAX_POTENTIAL_BLOCK_SIZE, || unsafe { crate::driver::occupancy::cuOccupancyMaxPotentialBlockSize(minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit) })
}

/// `cuOccupancyMaxPotentialBlockSizeWithFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize: *mut i32, blockSize: *mut i32, func: u64, blockSizeToDynamicSMemSize: *const c_void, dynamicSMemSize: usize, blockSizeLimit: i32, flags: u32) -> u32 {
    guard(op::CU_OCCUPANCY_MAX_POTENTIAL_BLOCK_SIZE_WITH_FLAGS, || unsafe { crate::driver::occupancy::cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit, flags) })
}

/// `cuOccupancyAvailableDynamicSMemPerBlock`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyAvailableDynamicSMemPerBlock(dynamicSmemSize: *mut usize, func: u64, numBlocks: i32, blockSize: i32) -> u32 {
    guard(op::CU_OCCUPANCY_AVAILABLE_DYNAMIC_S_MEM_PER_BLOCK, || unsafe { auto_cuOccupancyAvailableDynamicSMemPerBlock(dynamicSmemSize, func, numBlocks, blockSize) })
}

unsafe fn auto_cuOccupancyAvailableDynamicSMemPerBlock(dynamicSmemSize: *mut usize, func: u64, numBlocks: i32, blockSize: i32) -> Result<(), CudaError> {
    if dynamicSmemSize.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let func = client::functions::object(func)?;
    let aim = func.target;
    client::called(op::CU_OCCUPANCY_AVAILABLE_DYNAMIC_S_MEM_PER_BLOCK, aim, 16, |w| {
        w.u64(func.id);
        w.i32(numBlocks);
        w.i32(blockSize);
    }, |r| {
        let v = r.usize()?;
        dynamicSmemSize.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuOccupancyMaxPotentialClusterSize`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuOccupancyMaxPotentialClusterSize() -> u32 {
    refused(op::CU_OCCUPANCY_MAX_POTENTIAL_CLUSTER_SIZE)
}

/// `cuOccupancyMaxActiveClusters`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuOccupancyMaxActiveClusters() -> u32 {
    refused(op::CU_OCCUPANCY_MAX_ACTIVE_CLUSTERS)
}
