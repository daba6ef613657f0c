//! Occupancy with a callback of the program: searched here, each block size asked of the server.

use super::put;
use core::ffi::c_void;
use ringway_api::CudaError;
use ringway_client::functions;

type SizeFn = unsafe extern "C" fn(i32) -> usize;

pub unsafe fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    minGridSize: *mut i32,
    blockSize: *mut i32,
    func: u64,
    blockSizeToDynamicSMemSize: *const c_void,
    dynamicSMemSize: usize,
    blockSizeLimit: i32,
    flags: u32,
) -> Result<(), CudaError> {
    let object = functions::object(func)?;
    let function = functions::get(func)?;
    let device = object.target.lane as i32;
    let warp = 32;
    let limit = super::device::attribute(device, 1)?.min(function.attribute(0).unwrap_or(1024));
    let limit = if blockSizeLimit > 0 {
        limit.min(blockSizeLimit)
    } else {
        limit
    };
    let processors = super::device::attribute(device, 16)?;
    let (mut best, mut best_block, mut best_blocks) = (0, 0, 0);
    let mut block = limit;
    while block > 0 {
        let shared = if blockSizeToDynamicSMemSize.is_null() {
            dynamicSMemSize
        } else {
            // SAFETY: the program says that this is a CUoccupancyB2DSize.
            let size = unsafe {
                core::mem::transmute::<*const c_void, SizeFn>(blockSizeToDynamicSMemSize)
            };
            unsafe { size(block) }
        };
        let mut blocks = 0i32;
        let code = unsafe {
            crate::generated::occupancy::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
                &raw mut blocks,
                func,
                block,
                shared,
                flags,
            )
        };
        CudaError::check(code)?;
        let threads = blocks * block;
        if threads > best {
            (best, best_block, best_blocks) = (threads, block, blocks);
        }
        block = (block - 1) / warp * warp;
    }
    unsafe { put(minGridSize, best_blocks * processors) }?;
    unsafe { put(blockSize, best_block) }
}

pub unsafe fn cuOccupancyMaxPotentialBlockSize(
    minGridSize: *mut i32,
    blockSize: *mut i32,
    func: u64,
    blockSizeToDynamicSMemSize: *const c_void,
    dynamicSMemSize: usize,
    blockSizeLimit: i32,
) -> Result<(), CudaError> {
    unsafe {
        cuOccupancyMaxPotentialBlockSizeWithFlags(
            minGridSize,
            blockSize,
            func,
            blockSizeToDynamicSMemSize,
            dynamicSMemSize,
            blockSizeLimit,
            0,
        )
    }
}
