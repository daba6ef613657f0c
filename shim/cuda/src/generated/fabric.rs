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

/// `cuDeviceGetFabricClusterUuid`, CUDA 13.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetFabricClusterUuid() -> u32 {
    refused(op::CU_DEVICE_GET_FABRIC_CLUSTER_UUID)
}

/// `cuDeviceGetCliqueCount`, CUDA 13.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetCliqueCount() -> u32 {
    refused(op::CU_DEVICE_GET_CLIQUE_COUNT)
}

/// `cuDeviceGetCliqueInfo`, CUDA 13.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetCliqueInfo() -> u32 {
    refused(op::CU_DEVICE_GET_CLIQUE_INFO)
}

/// `cuLogicalEndpointIdReserve`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointIdReserve() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_ID_RESERVE)
}

/// `cuLogicalEndpointIdRelease`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointIdRelease() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_ID_RELEASE)
}

/// `cuLogicalEndpointCreate`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointCreate() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_CREATE)
}

/// `cuLogicalEndpointAddDevice`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointAddDevice() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_ADD_DEVICE)
}

/// `cuLogicalEndpointDestroy`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointDestroy() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_DESTROY)
}

/// `cuLogicalEndpointBindAddr`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointBindAddr() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_BIND_ADDR)
}

/// `cuLogicalEndpointBindMem`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointBindMem() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_BIND_MEM)
}

/// `cuLogicalEndpointUnbind`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointUnbind() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_UNBIND)
}

/// `cuLogicalEndpointExport`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointExport() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_EXPORT)
}

/// `cuLogicalEndpointImport`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointImport() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_IMPORT)
}

/// `cuLogicalEndpointGetLimits`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointGetLimits() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_GET_LIMITS)
}

/// `cuLogicalEndpointQuery`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogicalEndpointQuery() -> u32 {
    refused(op::CU_LOGICAL_ENDPOINT_QUERY)
}

/// `cuFabricCpyBatchAsync`, CUDA 13.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuFabricCpyBatchAsync() -> u32 {
    refused(op::CU_FABRIC_CPY_BATCH_ASYNC)
}

/// `cuFabricCpyBatchAsync`, CUDA 13.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuFabricCpyBatchAsync_ptsz() -> u32 {
    refused(op::CU_FABRIC_CPY_BATCH_ASYNC)
}
