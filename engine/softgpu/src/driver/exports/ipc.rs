//! Device memory of other processes. (Events of other processes are in the events' family.)

use crate::driver::abi::*;
use crate::driver::entry::export;
use crate::driver::ipc;
use crate::driver::result::{CUresult, R};

export! {
    cuIpcGetMemHandle [cuIpcGetMemHandle] [] |_d| (pHandle: Out<CUipcHandle>, dptr: CUdeviceptr) {
        pHandle.required()?;
        pHandle.put(CUipcHandle { bytes: ipc::export_memory(dptr.0)? })
    }
    cuIpcOpenMemHandle [cuIpcOpenMemHandle cuIpcOpenMemHandle_v2] [] |_d| (pdptr: Out<CUdeviceptr>, handle: CUipcHandle, flags: u32) {
        pdptr.required()?;
        pdptr.put(CUdeviceptr(ipc::open_memory(&handle.bytes, flags)?))
    }
    cuIpcCloseMemHandle [cuIpcCloseMemHandle] [] |_d| (dptr: CUdeviceptr) { ipc::close_memory(dptr.0) }
}
