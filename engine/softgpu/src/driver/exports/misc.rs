//! Profiler control, the error log, batched copies.

use crate::driver::abi::*;
use crate::driver::context::current;
use crate::driver::entry::export;
use crate::driver::memory::copy::{Copy3D, Wait, submit};
use crate::driver::result::{CUresult, R, ensure};

export! {
    cuProfilerInitialize [cuProfilerInitialize] [] |_d| (_configFile: Text, _outputFile: Text, _outputMode: u32) { Err(CUresult::PROFILER_DISABLED) }
    cuProfilerStart [cuProfilerStart] [] |_d| () { current().map(drop) }
    cuProfilerStop [cuProfilerStop] [] |_d| () { current().map(drop) }
    cuLogsRegisterCallback [cuLogsRegisterCallback] [] |_d| (callbackFunc: Host, _userData: Host, callback_out: Out<Host>) {
        // This driver writes no entries to CUDA's error log, so a registered function is never called.
        ensure(callbackFunc.0 != 0, CUresult::INVALID_VALUE)?;
        callback_out.give(Host(1));
        Ok(())
    }
    cuLogsUnregisterCallback [cuLogsUnregisterCallback] [] |_d| (callback: Host) { ensure(callback.0 == 1, CUresult::INVALID_VALUE) }
    cuLogsCurrent [cuLogsCurrent] [] |_d| (iterator_out: Out<u32>, flags: u32) {
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        iterator_out.put(0)
    }
    cuLogsDumpToMemory [cuLogsDumpToMemory] [] |_d| (_iterator: Out<u32>, buffer: List<std::ffi::c_char>, size: Out<usize>, flags: u32) {
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        let room = size.current().ok_or(CUresult::INVALID_VALUE)?;
        buffer.put_text("", room)?;
        size.put(0)
    }
    cuMemcpyBatchAsync_v1 [cuMemcpyBatchAsync] [cuMemcpyBatchAsync_ptsz] |d| (dsts: In<CUdeviceptr>, srcs: In<CUdeviceptr>, sizes: In<usize>, count: usize, _attrs: Host, _attrsIdxs: In<usize>,
        _numAttrs: usize, failIdx: Out<usize>, hStream: CUstream) {
        batch(dsts, srcs, sizes, count, hStream, d).map_err(|(at, code)| {
            failIdx.give(at);
            code
        })
    }
    cuMemcpyBatchAsync [cuMemcpyBatchAsync_v2] [cuMemcpyBatchAsync_v2_ptsz] |d| (dsts: In<CUdeviceptr>, srcs: In<CUdeviceptr>, sizes: In<usize>, count: usize, _attrs: Host, _attrsIdxs: In<usize>,
        _numAttrs: usize, hStream: CUstream) {
        batch(dsts, srcs, sizes, count, hStream, d).map_err(|(_, code)| code)
    }
}

fn batch(dsts: In<CUdeviceptr>, srcs: In<CUdeviceptr>, sizes: In<usize>, count: usize, stream: CUstream, default: CUstream) -> Result<(), (usize, CUresult)> {
    let all = |code| (usize::MAX, code);
    let (dsts, srcs, sizes) = (dsts.list(count).map_err(all)?, srcs.list(count).map_err(all)?, sizes.list(count).map_err(all)?);
    if stream.0 == 0 || count == 0 {
        return Err(all(CUresult::INVALID_VALUE));
    }
    for (i, ((dst, src), size)) in dsts.into_iter().zip(srcs).zip(sizes).enumerate() {
        submit(Copy3D::linear(dst.0, src.0, size as u64), false, false, stream, default, Wait::Submitted).map_err(|code| (i, code))?;
    }
    Ok(())
}
