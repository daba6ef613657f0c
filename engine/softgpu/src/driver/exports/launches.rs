//! Launches and occupancy.

use crate::driver::abi::*;
use crate::driver::context::current;
use crate::driver::entry::export;
use crate::driver::exports::modules::function;
use crate::driver::launch::{Attributes, KernelLaunch, ParamSource, occupancy, pack, read_attributes};
use crate::driver::op::Op;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::{capture, journal, module, stream};

export! {
    cuLaunchKernel [cuLaunchKernel] [cuLaunchKernel_ptsz] |d| (f: CUfunction, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32,
        sharedMemBytes: u32, hStream: CUstream, kernelParams: In<Host>, extra: In<Host>) {
        launch(f, [gridDimX, gridDimY, gridDimZ], [blockDimX, blockDimY, blockDimZ], sharedMemBytes, hStream, d, ParamSource { kernel_params: kernelParams, extra }, Attributes::default())
    }
    cuLaunchCooperativeKernel [cuLaunchCooperativeKernel] [cuLaunchCooperativeKernel_ptsz] |d| (f: CUfunction, gridDimX: u32, gridDimY: u32, gridDimZ: u32,
        blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: CUstream, kernelParams: In<Host>) {
        let source = ParamSource { kernel_params: kernelParams, extra: In::NULL };
        launch(f, [gridDimX, gridDimY, gridDimZ], [blockDimX, blockDimY, blockDimZ], sharedMemBytes, hStream, d, source, Attributes { cooperative: true, priority: None })
    }
    cuLaunchKernelEx [cuLaunchKernelEx] [cuLaunchKernelEx_ptsz] |d| (config: In<CUlaunchConfig>, f: CUfunction, kernelParams: In<Host>, extra: In<Host>) {
        let c = config.get()?;
        ensure(c.numAttrs <= 64, CUresult::INVALID_VALUE)?;
        let attributes = read_attributes(&c.attrs.list(c.numAttrs as usize)?)?;
        let (grid, block) = ([c.gridDimX, c.gridDimY, c.gridDimZ], [c.blockDimX, c.blockDimY, c.blockDimZ]);
        launch(f, grid, block, c.sharedMemBytes, c.hStream, d, ParamSource { kernel_params: kernelParams, extra }, attributes)
    }
    cuOccupancyMaxActiveBlocksPerMultiprocessor [cuOccupancyMaxActiveBlocksPerMultiprocessor] [] |_d| (numBlocks: Out<i32>, func: CUfunction, blockSize: i32, dynamicSMemSize: usize) {
        active_blocks(numBlocks, func, blockSize, dynamicSMemSize)
    }
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags [cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags] [] |_d| (numBlocks: Out<i32>, func: CUfunction, blockSize: i32, dynamicSMemSize: usize, flags: u32) {
        ensure(flags <= 1, CUresult::INVALID_VALUE)?;
        active_blocks(numBlocks, func, blockSize, dynamicSMemSize)
    }
    cuOccupancyMaxPotentialBlockSize [cuOccupancyMaxPotentialBlockSize] [] |_d| (minGridSize: Out<i32>, blockSize: Out<i32>, func: CUfunction, toDynamic: CUoccupancyB2DSize, dynamicSMemSize: usize, blockSizeLimit: i32) {
        block_size(minGridSize, blockSize, func, toDynamic, dynamicSMemSize, blockSizeLimit)
    }
    cuOccupancyMaxPotentialBlockSizeWithFlags [cuOccupancyMaxPotentialBlockSizeWithFlags] [] |_d| (minGridSize: Out<i32>, blockSize: Out<i32>, func: CUfunction, toDynamic: CUoccupancyB2DSize, dynamicSMemSize: usize, blockSizeLimit: i32, flags: u32) {
        ensure(flags <= 1, CUresult::INVALID_VALUE)?;
        block_size(minGridSize, blockSize, func, toDynamic, dynamicSMemSize, blockSizeLimit)
    }
    cuOccupancyAvailableDynamicSMemPerBlock [cuOccupancyAvailableDynamicSMemPerBlock] [] |_d| (dynamicSmemSize: Out<usize>, func: CUfunction, numBlocks: i32, _blockSize: i32) {
        let (ctx, f) = (current()?, function(func)?);
        ensure(numBlocks > 0, CUresult::INVALID_VALUE)?;
        let share = ctx.device.shared_per_multiprocessor() / numBlocks as u32;
        let reserved = if ctx.device.cc.0 >= 8 { 1024 } else { 0 };
        dynamicSmemSize.put(share.min(ctx.device.shared_optin()).saturating_sub(f.kernel.static_shared_bytes + reserved) as usize)
    }
    cuOccupancyMaxPotentialClusterSize [cuOccupancyMaxPotentialClusterSize] [] |_d| (clusterSize: Out<i32>, func: CUfunction, config: In<CUlaunchConfig>) {
        function(func)?;
        config.get()?;
        clusterSize.put(1)
    }
    cuOccupancyMaxActiveClusters [cuOccupancyMaxActiveClusters] [] |_d| (numClusters: Out<i32>, func: CUfunction, config: In<CUlaunchConfig>) {
        let (ctx, f, c) = (current()?, function(func)?, config.get()?);
        ensure(c.numAttrs <= 64, CUresult::INVALID_VALUE)?;
        // Larger clusters than of one block are refused here as they are in a launch.
        read_attributes(&c.attrs.list(c.numAttrs as usize)?)?;
        let threads = [c.blockDimX, c.blockDimY, c.blockDimZ].iter().fold(1u32, |n, &d| n.saturating_mul(d));
        ensure(threads > 0, CUresult::INVALID_VALUE)?;
        numClusters.put((occupancy(ctx.device, &f.kernel, threads, u64::from(c.sharedMemBytes)) * crate::driver::device::MULTIPROCESSORS) as i32)
    }
}

#[allow(clippy::too_many_arguments)]
fn launch(f: CUfunction, grid: [u32; 3], block: [u32; 3], shared: u32, handle: CUstream, default: CUstream, source: ParamSource, attributes: Attributes) -> R {
    let (stream, ctx) = stream::resolve(handle, default)?;
    let function = module::function(f.0, &ctx)?;
    ensure(function.module.ctx == ctx.handle, CUresult::INVALID_CONTEXT)?;
    let params = pack(&function.kernel, source)?;
    let launch = KernelLaunch { function, grid, block, shared, params, cooperative: attributes.cooperative, priority: attributes.priority };
    launch.check(ctx.device)?;
    launch.note();
    // cuLaunchKernelEx has it in a structure
    journal::note("stream", || {
        let mut text = String::new();
        journal::handle(&mut text, "stream", handle.0);
        text
    });
    let op = Op::Kernel(launch.into());
    if !capture::add(&stream, &op)? {
        stream.submit(op, Vec::new());
    }
    Ok(())
}

fn active_blocks(out: Out<i32>, func: CUfunction, block: i32, shared: usize) -> R {
    let (ctx, f) = (current()?, function(func)?);
    ensure(block > 0, CUresult::INVALID_VALUE)?;
    out.put(occupancy(ctx.device, &f.kernel, block as u32, shared as u64) as i32)
}

fn block_size(min_grid: Out<i32>, block: Out<i32>, func: CUfunction, to_dynamic: CUoccupancyB2DSize, shared: usize, limit: i32) -> R {
    let (ctx, f) = (current()?, function(func)?);
    let most = f.kernel.max_threads_per_block.min(if limit > 0 { limit as u32 } else { 1024 }).max(1);
    let mut best = (0u32, 0u32, 0u32);
    for threads in (1..=most.div_ceil(32)).rev().map(|warps| (warps * 32).min(most)) {
        let dynamic = match to_dynamic {
            // SAFETY: the program passed this function to be called with block sizes.
            Some(size) => unsafe { size(threads as i32) },
            None => shared,
        };
        let blocks = occupancy(ctx.device, &f.kernel, threads, dynamic as u64);
        if blocks * threads > best.0 {
            best = (blocks * threads, threads, blocks);
        }
    }
    min_grid.put((best.2 * crate::driver::device::MULTIPROCESSORS) as i32)?;
    block.put(best.1 as i32)
}
