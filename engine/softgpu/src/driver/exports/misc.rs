//! Profiler control, the error log.

use crate::driver::abi::*;
use crate::driver::context::current;
use crate::driver::entry::export;
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
}
