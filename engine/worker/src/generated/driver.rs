//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! `Driver` holds the functions of the server's libcuda.so.1, one field a described row, named as the row. Integers
//! and pointers only: handles are `u64`. A symbol that the installed driver lacks is `None`.
#![allow(non_snake_case)]
// Rows that the client answers by itself have their field too: attach and tests use some of them.
#![allow(dead_code)]

use core::ffi::{c_char, c_void};

/// The functions of the server's driver library.
#[derive(Default, Clone, Copy)]
pub struct Driver {
    /// `cuArrayCreate_v2`.
    pub cuArrayCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
    /// `cuArrayGetDescriptor_v2`.
    pub cuArrayGetDescriptor: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuArrayGetSparseProperties`.
    pub cuArrayGetSparseProperties: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuMipmappedArrayGetSparseProperties`.
    pub cuMipmappedArrayGetSparseProperties: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuArrayGetMemoryRequirements`.
    pub cuArrayGetMemoryRequirements: Option<unsafe extern "C" fn(*mut c_void, u64, i32) -> u32>,
    /// `cuMipmappedArrayGetMemoryRequirements`.
    pub cuMipmappedArrayGetMemoryRequirements: Option<unsafe extern "C" fn(*mut c_void, u64, i32) -> u32>,
    /// `cuArrayGetPlane`.
    pub cuArrayGetPlane: Option<unsafe extern "C" fn(*mut u64, u64, u32) -> u32>,
    /// `cuArrayDestroy`.
    pub cuArrayDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuArray3DCreate_v2`.
    pub cuArray3DCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
    /// `cuArray3DGetDescriptor_v2`.
    pub cuArray3DGetDescriptor: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuMipmappedArrayCreate`.
    pub cuMipmappedArrayCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void, u32) -> u32>,
    /// `cuMipmappedArrayGetLevel`.
    pub cuMipmappedArrayGetLevel: Option<unsafe extern "C" fn(*mut u64, u64, u32) -> u32>,
    /// `cuMipmappedArrayDestroy`.
    pub cuMipmappedArrayDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuStreamBeginCapture_v2`.
    pub cuStreamBeginCapture: Option<unsafe extern "C" fn(u64, u32) -> u32>,
    /// `cuStreamBeginCaptureToGraph`.
    pub cuStreamBeginCaptureToGraph: Option<unsafe extern "C" fn(u64, u64, *const c_void, *const c_void, usize, u32) -> u32>,
    /// `cuThreadExchangeStreamCaptureMode`.
    pub cuThreadExchangeStreamCaptureMode: Option<unsafe extern "C" fn(*mut u32) -> u32>,
    /// `cuStreamEndCapture`.
    pub cuStreamEndCapture: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuStreamIsCapturing`.
    pub cuStreamIsCapturing: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuStreamGetCaptureInfo`.
    pub cuStreamGetCaptureInfo: Option<unsafe extern "C" fn(u64, *mut u32, *mut u64) -> u32>,
    /// `cuStreamGetCaptureInfo_v2`.
    pub cuStreamGetCaptureInfo_v2: Option<unsafe extern "C" fn(u64, *mut u32, *mut u64, *mut u64, *mut c_void, *mut usize) -> u32>,
    /// `cuStreamGetCaptureInfo_v3`.
    pub cuStreamGetCaptureInfo_v3: Option<unsafe extern "C" fn(u64, *mut u32, *mut u64, *mut u64, *mut c_void, *mut c_void, *mut usize) -> u32>,
    /// `cuStreamUpdateCaptureDependencies`.
    pub cuStreamUpdateCaptureDependencies: Option<unsafe extern "C" fn(u64, *mut u64, usize, u32) -> u32>,
    /// `cuStreamUpdateCaptureDependencies_v2`.
    pub cuStreamUpdateCaptureDependencies_v2: Option<unsafe extern "C" fn(u64, *mut u64, *const c_void, usize, u32) -> u32>,
    /// `cuDevicePrimaryCtxRetain`.
    pub cuDevicePrimaryCtxRetain: Option<unsafe extern "C" fn(*mut u64, i32) -> u32>,
    /// `cuDevicePrimaryCtxRelease_v2`.
    pub cuDevicePrimaryCtxRelease: Option<unsafe extern "C" fn(i32) -> u32>,
    /// `cuDevicePrimaryCtxSetFlags_v2`.
    pub cuDevicePrimaryCtxSetFlags: Option<unsafe extern "C" fn(i32, u32) -> u32>,
    /// `cuDevicePrimaryCtxGetState`.
    pub cuDevicePrimaryCtxGetState: Option<unsafe extern "C" fn(i32, *mut u32, *mut i32) -> u32>,
    /// `cuDevicePrimaryCtxReset_v2`.
    pub cuDevicePrimaryCtxReset: Option<unsafe extern "C" fn(i32) -> u32>,
    /// `cuCtxCreate_v2`.
    pub cuCtxCreate: Option<unsafe extern "C" fn(*mut u64, u32, i32) -> u32>,
    /// `cuCtxCreate_v3`.
    pub cuCtxCreate_v3: Option<unsafe extern "C" fn(*mut u64, *mut c_void, i32, u32, i32) -> u32>,
    /// `cuCtxCreate_v4`.
    pub cuCtxCreate_v4: Option<unsafe extern "C" fn(*mut u64, *mut c_void, u32, i32) -> u32>,
    /// `cuCtxDestroy_v2`.
    pub cuCtxDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuCtxPushCurrent_v2`.
    pub cuCtxPushCurrent: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuCtxPopCurrent_v2`.
    pub cuCtxPopCurrent: Option<unsafe extern "C" fn(*mut u64) -> u32>,
    /// `cuCtxSetCurrent`.
    pub cuCtxSetCurrent: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuCtxGetCurrent`.
    pub cuCtxGetCurrent: Option<unsafe extern "C" fn(*mut u64) -> u32>,
    /// `cuCtxGetDevice`.
    pub cuCtxGetDevice: Option<unsafe extern "C" fn(*mut i32) -> u32>,
    /// `cuCtxGetDevice_v2`.
    pub cuCtxGetDevice_v2: Option<unsafe extern "C" fn(*mut i32, u64) -> u32>,
    /// `cuCtxGetFlags`.
    pub cuCtxGetFlags: Option<unsafe extern "C" fn(*mut u32) -> u32>,
    /// `cuCtxSetFlags`.
    pub cuCtxSetFlags: Option<unsafe extern "C" fn(u32) -> u32>,
    /// `cuCtxGetId`.
    pub cuCtxGetId: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuCtxSynchronize`.
    pub cuCtxSynchronize: Option<unsafe extern "C" fn() -> u32>,
    /// `cuCtxSynchronize_v2`.
    pub cuCtxSynchronize_v2: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuCtxSetLimit`.
    pub cuCtxSetLimit: Option<unsafe extern "C" fn(u32, usize) -> u32>,
    /// `cuCtxGetLimit`.
    pub cuCtxGetLimit: Option<unsafe extern "C" fn(*mut usize, u32) -> u32>,
    /// `cuCtxGetCacheConfig`.
    pub cuCtxGetCacheConfig: Option<unsafe extern "C" fn(*mut u32) -> u32>,
    /// `cuCtxSetCacheConfig`.
    pub cuCtxSetCacheConfig: Option<unsafe extern "C" fn(u32) -> u32>,
    /// `cuCtxGetApiVersion`.
    pub cuCtxGetApiVersion: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuCtxGetStreamPriorityRange`.
    pub cuCtxGetStreamPriorityRange: Option<unsafe extern "C" fn(*mut i32, *mut i32) -> u32>,
    /// `cuCtxResetPersistingL2Cache`.
    pub cuCtxResetPersistingL2Cache: Option<unsafe extern "C" fn() -> u32>,
    /// `cuCtxGetExecAffinity`.
    pub cuCtxGetExecAffinity: Option<unsafe extern "C" fn(*mut c_void, u32) -> u32>,
    /// `cuCtxRecordEvent`.
    pub cuCtxRecordEvent: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuCtxWaitEvent`.
    pub cuCtxWaitEvent: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuCtxAttach`.
    pub cuCtxAttach: Option<unsafe extern "C" fn(*mut u64, u32) -> u32>,
    /// `cuCtxDetach`.
    pub cuCtxDetach: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuCtxGetSharedMemConfig`.
    pub cuCtxGetSharedMemConfig: Option<unsafe extern "C" fn(*mut u32) -> u32>,
    /// `cuCtxSetSharedMemConfig`.
    pub cuCtxSetSharedMemConfig: Option<unsafe extern "C" fn(u32) -> u32>,
    /// `cuMemcpy`.
    pub cuMemcpy: Option<unsafe extern "C" fn(u64, u64, usize) -> u32>,
    /// `cuMemcpyPeer`.
    pub cuMemcpyPeer: Option<unsafe extern "C" fn(u64, u64, u64, u64, usize) -> u32>,
    /// `cuMemcpyHtoD_v2`.
    pub cuMemcpyHtoD: Option<unsafe extern "C" fn(u64, *const c_void, usize) -> u32>,
    /// `cuMemcpyDtoH_v2`.
    pub cuMemcpyDtoH: Option<unsafe extern "C" fn(*const c_void, u64, usize) -> u32>,
    /// `cuMemcpyDtoD_v2`.
    pub cuMemcpyDtoD: Option<unsafe extern "C" fn(u64, u64, usize) -> u32>,
    /// `cuMemcpyDtoA_v2`.
    pub cuMemcpyDtoA: Option<unsafe extern "C" fn(u64, usize, u64, usize) -> u32>,
    /// `cuMemcpyAtoD_v2`.
    pub cuMemcpyAtoD: Option<unsafe extern "C" fn(u64, u64, usize, usize) -> u32>,
    /// `cuMemcpyHtoA_v2`.
    pub cuMemcpyHtoA: Option<unsafe extern "C" fn(u64, usize, *const c_void, usize) -> u32>,
    /// `cuMemcpyAtoH_v2`.
    pub cuMemcpyAtoH: Option<unsafe extern "C" fn(*const c_void, u64, usize, usize) -> u32>,
    /// `cuMemcpyAtoA_v2`.
    pub cuMemcpyAtoA: Option<unsafe extern "C" fn(u64, usize, u64, usize, usize) -> u32>,
    /// `cuMemcpy2D_v2`.
    pub cuMemcpy2D: Option<unsafe extern "C" fn(*const c_void) -> u32>,
    /// `cuMemcpy2DUnaligned_v2`.
    pub cuMemcpy2DUnaligned: Option<unsafe extern "C" fn(*const c_void) -> u32>,
    /// `cuMemcpy3D_v2`.
    pub cuMemcpy3D: Option<unsafe extern "C" fn(*const c_void) -> u32>,
    /// `cuMemcpy3DPeer`.
    pub cuMemcpy3DPeer: Option<unsafe extern "C" fn(*const c_void) -> u32>,
    /// `cuMemcpyAsync`.
    pub cuMemcpyAsync: Option<unsafe extern "C" fn(u64, u64, usize, u64) -> u32>,
    /// `cuMemcpyPeerAsync`.
    pub cuMemcpyPeerAsync: Option<unsafe extern "C" fn(u64, u64, u64, u64, usize, u64) -> u32>,
    /// `cuMemcpyHtoDAsync_v2`.
    pub cuMemcpyHtoDAsync: Option<unsafe extern "C" fn(u64, *const c_void, usize, u64) -> u32>,
    /// `cuMemcpyDtoHAsync_v2`.
    pub cuMemcpyDtoHAsync: Option<unsafe extern "C" fn(*const c_void, u64, usize, u64) -> u32>,
    /// `cuMemcpyDtoDAsync_v2`.
    pub cuMemcpyDtoDAsync: Option<unsafe extern "C" fn(u64, u64, usize, u64) -> u32>,
    /// `cuMemcpyHtoAAsync_v2`.
    pub cuMemcpyHtoAAsync: Option<unsafe extern "C" fn(u64, usize, *const c_void, usize, u64) -> u32>,
    /// `cuMemcpyAtoHAsync_v2`.
    pub cuMemcpyAtoHAsync: Option<unsafe extern "C" fn(*const c_void, u64, usize, usize, u64) -> u32>,
    /// `cuMemcpy2DAsync_v2`.
    pub cuMemcpy2DAsync: Option<unsafe extern "C" fn(*const c_void, u64) -> u32>,
    /// `cuMemcpy3DAsync_v2`.
    pub cuMemcpy3DAsync: Option<unsafe extern "C" fn(*const c_void, u64) -> u32>,
    /// `cuMemcpy3DPeerAsync`.
    pub cuMemcpy3DPeerAsync: Option<unsafe extern "C" fn(*const c_void, u64) -> u32>,
    /// `cuMemcpyBatchAsync`.
    pub cuMemcpyBatchAsync: Option<unsafe extern "C" fn(*mut u64, *mut u64, *mut usize, usize, *mut c_void, *mut usize, usize, *mut usize, u64) -> u32>,
    /// `cuMemcpyBatchAsync_v2`.
    pub cuMemcpyBatchAsync_v2: Option<unsafe extern "C" fn(*mut u64, *mut u64, *mut usize, usize, *mut c_void, *mut usize, usize, u64) -> u32>,
    /// `cuMemcpyWithAttributesAsync`.
    pub cuMemcpyWithAttributesAsync: Option<unsafe extern "C" fn(u64, u64, usize, *mut c_void, u64) -> u32>,
    /// `cuDeviceGet`.
    pub cuDeviceGet: Option<unsafe extern "C" fn(*mut i32, i32) -> u32>,
    /// `cuDeviceGetCount`.
    pub cuDeviceGetCount: Option<unsafe extern "C" fn(*mut i32) -> u32>,
    /// `cuDeviceGetName`.
    pub cuDeviceGetName: Option<unsafe extern "C" fn(*mut c_void, i32, i32) -> u32>,
    /// `cuDeviceGetUuid_v2`.
    pub cuDeviceGetUuid: Option<unsafe extern "C" fn(*mut c_void, i32) -> u32>,
    /// `cuDeviceTotalMem_v2`.
    pub cuDeviceTotalMem: Option<unsafe extern "C" fn(*mut usize, i32) -> u32>,
    /// `cuDeviceGetTexture1DLinearMaxWidth`.
    pub cuDeviceGetTexture1DLinearMaxWidth: Option<unsafe extern "C" fn(*mut usize, u32, u32, i32) -> u32>,
    /// `cuDeviceGetAttribute`.
    pub cuDeviceGetAttribute: Option<unsafe extern "C" fn(*mut i32, u32, i32) -> u32>,
    /// `cuDeviceSetMemPool`.
    pub cuDeviceSetMemPool: Option<unsafe extern "C" fn(i32, u64) -> u32>,
    /// `cuDeviceGetMemPool`.
    pub cuDeviceGetMemPool: Option<unsafe extern "C" fn(*mut u64, i32) -> u32>,
    /// `cuDeviceGetDefaultMemPool`.
    pub cuDeviceGetDefaultMemPool: Option<unsafe extern "C" fn(*mut u64, i32) -> u32>,
    /// `cuDeviceGetExecAffinitySupport`.
    pub cuDeviceGetExecAffinitySupport: Option<unsafe extern "C" fn(*mut i32, u32, i32) -> u32>,
    /// `cuFlushGPUDirectRDMAWrites`.
    pub cuFlushGPUDirectRDMAWrites: Option<unsafe extern "C" fn(u32, u32) -> u32>,
    /// `cuDeviceGetProperties`.
    pub cuDeviceGetProperties: Option<unsafe extern "C" fn(*mut c_void, i32) -> u32>,
    /// `cuDeviceComputeCapability`.
    pub cuDeviceComputeCapability: Option<unsafe extern "C" fn(*mut i32, *mut i32, i32) -> u32>,
    /// `cuDeviceGetByPCIBusId`.
    pub cuDeviceGetByPCIBusId: Option<unsafe extern "C" fn(*mut i32, *const c_char) -> u32>,
    /// `cuDeviceGetPCIBusId`.
    pub cuDeviceGetPCIBusId: Option<unsafe extern "C" fn(*mut c_void, i32, i32) -> u32>,
    /// `cuEventCreate`.
    pub cuEventCreate: Option<unsafe extern "C" fn(*mut u64, u32) -> u32>,
    /// `cuEventRecord`.
    pub cuEventRecord: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuEventRecordWithFlags`.
    pub cuEventRecordWithFlags: Option<unsafe extern "C" fn(u64, u64, u32) -> u32>,
    /// `cuEventQuery`.
    pub cuEventQuery: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuEventSynchronize`.
    pub cuEventSynchronize: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuEventDestroy_v2`.
    pub cuEventDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuEventElapsedTime_v2`.
    pub cuEventElapsedTime: Option<unsafe extern "C" fn(*mut f32, u64, u64) -> u32>,
    /// `cuFuncGetAttribute`.
    pub cuFuncGetAttribute: Option<unsafe extern "C" fn(*mut i32, u32, u64) -> u32>,
    /// `cuFuncSetAttribute`.
    pub cuFuncSetAttribute: Option<unsafe extern "C" fn(u64, u32, i32) -> u32>,
    /// `cuFuncSetCacheConfig`.
    pub cuFuncSetCacheConfig: Option<unsafe extern "C" fn(u64, u32) -> u32>,
    /// `cuFuncGetModule`.
    pub cuFuncGetModule: Option<unsafe extern "C" fn(*mut u64, u64) -> u32>,
    /// `cuFuncGetName`.
    pub cuFuncGetName: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuFuncGetParamInfo`.
    pub cuFuncGetParamInfo: Option<unsafe extern "C" fn(u64, usize, *mut usize, *mut usize) -> u32>,
    /// `cuFuncGetParamCount`.
    pub cuFuncGetParamCount: Option<unsafe extern "C" fn(u64, *mut usize) -> u32>,
    /// `cuFuncIsLoaded`.
    pub cuFuncIsLoaded: Option<unsafe extern "C" fn(*mut u32, u64) -> u32>,
    /// `cuFuncLoad`.
    pub cuFuncLoad: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuGraphCreate`.
    pub cuGraphCreate: Option<unsafe extern "C" fn(*mut u64, u32) -> u32>,
    /// `cuDeviceGraphMemTrim`.
    pub cuDeviceGraphMemTrim: Option<unsafe extern "C" fn(i32) -> u32>,
    /// `cuDeviceGetGraphMemAttribute`.
    pub cuDeviceGetGraphMemAttribute: Option<unsafe extern "C" fn(i32, u32, *mut c_void) -> u32>,
    /// `cuDeviceSetGraphMemAttribute`.
    pub cuDeviceSetGraphMemAttribute: Option<unsafe extern "C" fn(i32, u32, *const c_void) -> u32>,
    /// `cuGraphClone`.
    pub cuGraphClone: Option<unsafe extern "C" fn(*mut u64, u64) -> u32>,
    /// `cuGraphGetId`.
    pub cuGraphGetId: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuGraphExecGetId`.
    pub cuGraphExecGetId: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuGraphGetNodes`.
    pub cuGraphGetNodes: Option<unsafe extern "C" fn(u64, *mut u64, *mut usize) -> u32>,
    /// `cuGraphGetRootNodes`.
    pub cuGraphGetRootNodes: Option<unsafe extern "C" fn(u64, *mut u64, *mut usize) -> u32>,
    /// `cuGraphGetEdges`.
    pub cuGraphGetEdges: Option<unsafe extern "C" fn(u64, *mut u64, *mut u64, *mut usize) -> u32>,
    /// `cuGraphGetEdges_v2`.
    pub cuGraphGetEdges_v2: Option<unsafe extern "C" fn(u64, *mut u64, *mut u64, *mut c_void, *mut usize) -> u32>,
    /// `cuGraphAddDependencies`.
    pub cuGraphAddDependencies: Option<unsafe extern "C" fn(u64, *const u64, *const u64, usize) -> u32>,
    /// `cuGraphAddDependencies_v2`.
    pub cuGraphAddDependencies_v2: Option<unsafe extern "C" fn(u64, *const u64, *const u64, *const c_void, usize) -> u32>,
    /// `cuGraphRemoveDependencies`.
    pub cuGraphRemoveDependencies: Option<unsafe extern "C" fn(u64, *const u64, *const u64, usize) -> u32>,
    /// `cuGraphRemoveDependencies_v2`.
    pub cuGraphRemoveDependencies_v2: Option<unsafe extern "C" fn(u64, *const u64, *const u64, *const c_void, usize) -> u32>,
    /// `cuGraphInstantiateWithFlags`.
    pub cuGraphInstantiateWithFlags: Option<unsafe extern "C" fn(*mut u64, u64, u64) -> u32>,
    /// `cuGraphInstantiateWithParams`.
    pub cuGraphInstantiateWithParams: Option<unsafe extern "C" fn(*mut u64, u64, *mut c_void) -> u32>,
    /// `cuGraphExecGetFlags`.
    pub cuGraphExecGetFlags: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuGraphUpload`.
    pub cuGraphUpload: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuGraphLaunch`.
    pub cuGraphLaunch: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuGraphExecDestroy`.
    pub cuGraphExecDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuGraphDestroy`.
    pub cuGraphDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuGraphExecUpdate`.
    pub cuGraphExecUpdate: Option<unsafe extern "C" fn(u64, u64, *mut u64, *mut u32) -> u32>,
    /// `cuGraphExecUpdate_v2`.
    pub cuGraphExecUpdate_v2: Option<unsafe extern "C" fn(u64, u64, *mut c_void) -> u32>,
    /// `cuGraphDebugDotPrint`.
    pub cuGraphDebugDotPrint: Option<unsafe extern "C" fn(u64, *const c_char, u32) -> u32>,
    /// `cuUserObjectCreate`.
    pub cuUserObjectCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void, *const c_void, u32, u32) -> u32>,
    /// `cuUserObjectRetain`.
    pub cuUserObjectRetain: Option<unsafe extern "C" fn(u64, u32) -> u32>,
    /// `cuUserObjectRelease`.
    pub cuUserObjectRelease: Option<unsafe extern "C" fn(u64, u32) -> u32>,
    /// `cuGraphRetainUserObject`.
    pub cuGraphRetainUserObject: Option<unsafe extern "C" fn(u64, u64, u32, u32) -> u32>,
    /// `cuGraphReleaseUserObject`.
    pub cuGraphReleaseUserObject: Option<unsafe extern "C" fn(u64, u64, u32) -> u32>,
    /// `cuGraphConditionalHandleCreate`.
    pub cuGraphConditionalHandleCreate: Option<unsafe extern "C" fn(*mut u64, u64, u64, u32, u32) -> u32>,
    /// `cuGraphInstantiate_v2`.
    pub cuGraphInstantiate: Option<unsafe extern "C" fn(*mut u64, u64, *mut u64, *mut u8, usize) -> u32>,
    /// `cuGraphAddKernelNode`.
    pub cuGraphAddKernelNode: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, usize, *const c_void) -> u32>,
    /// `cuGraphAddKernelNode_v2`.
    pub cuGraphAddKernelNode_v2: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, usize, *const c_void) -> u32>,
    /// `cuGraphKernelNodeGetParams`.
    pub cuGraphKernelNodeGetParams: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphKernelNodeGetParams_v2`.
    pub cuGraphKernelNodeGetParams_v2: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphKernelNodeSetParams`.
    pub cuGraphKernelNodeSetParams: Option<unsafe extern "C" fn(u64, *const c_void) -> u32>,
    /// `cuGraphKernelNodeSetParams_v2`.
    pub cuGraphKernelNodeSetParams_v2: Option<unsafe extern "C" fn(u64, *const c_void) -> u32>,
    /// `cuGraphAddMemcpyNode`.
    pub cuGraphAddMemcpyNode: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, usize, *const c_void, u64) -> u32>,
    /// `cuGraphMemcpyNodeGetParams`.
    pub cuGraphMemcpyNodeGetParams: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphMemcpyNodeSetParams`.
    pub cuGraphMemcpyNodeSetParams: Option<unsafe extern "C" fn(u64, *const c_void) -> u32>,
    /// `cuGraphAddMemsetNode`.
    pub cuGraphAddMemsetNode: Option<unsafe extern "C" fn(*mut u64, u64, *const u64, usize, *const c_void, u64) -> u32>,
    /// `cuGraphMemsetNodeGetParams`.
    pub cuGraphMemsetNodeGetParams: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphMemsetNodeSetParams`.
    pub cuGraphMemsetNodeSetParams: Option<unsafe extern "C" fn(u64, *const c_void) -> u32>,
    /// `cuGraphAddHostNode`.
    pub cuGraphAddHostNode: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, usize, *const c_void) -> u32>,
    /// `cuGraphHostNodeGetParams`.
    pub cuGraphHostNodeGetParams: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphHostNodeSetParams`.
    pub cuGraphHostNodeSetParams: Option<unsafe extern "C" fn(u64, *const c_void) -> u32>,
    /// `cuGraphAddChildGraphNode`.
    pub cuGraphAddChildGraphNode: Option<unsafe extern "C" fn(*mut u64, u64, *const u64, usize, u64) -> u32>,
    /// `cuGraphChildGraphNodeGetGraph`.
    pub cuGraphChildGraphNodeGetGraph: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuGraphAddEmptyNode`.
    pub cuGraphAddEmptyNode: Option<unsafe extern "C" fn(*mut u64, u64, *const u64, usize) -> u32>,
    /// `cuGraphAddEventRecordNode`.
    pub cuGraphAddEventRecordNode: Option<unsafe extern "C" fn(*mut u64, u64, *const u64, usize, u64) -> u32>,
    /// `cuGraphEventRecordNodeGetEvent`.
    pub cuGraphEventRecordNodeGetEvent: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuGraphEventRecordNodeSetEvent`.
    pub cuGraphEventRecordNodeSetEvent: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuGraphAddEventWaitNode`.
    pub cuGraphAddEventWaitNode: Option<unsafe extern "C" fn(*mut u64, u64, *const u64, usize, u64) -> u32>,
    /// `cuGraphEventWaitNodeGetEvent`.
    pub cuGraphEventWaitNodeGetEvent: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuGraphEventWaitNodeSetEvent`.
    pub cuGraphEventWaitNodeSetEvent: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuGraphAddMemAllocNode`.
    pub cuGraphAddMemAllocNode: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, usize, *mut c_void) -> u32>,
    /// `cuGraphMemAllocNodeGetParams`.
    pub cuGraphMemAllocNodeGetParams: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphAddMemFreeNode`.
    pub cuGraphAddMemFreeNode: Option<unsafe extern "C" fn(*mut u64, u64, *const u64, usize, u64) -> u32>,
    /// `cuGraphMemFreeNodeGetParams`.
    pub cuGraphMemFreeNodeGetParams: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuGraphNodeFindInClone`.
    pub cuGraphNodeFindInClone: Option<unsafe extern "C" fn(*mut u64, u64, u64) -> u32>,
    /// `cuGraphNodeGetType`.
    pub cuGraphNodeGetType: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuGraphNodeGetContainingGraph`.
    pub cuGraphNodeGetContainingGraph: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuGraphNodeGetLocalId`.
    pub cuGraphNodeGetLocalId: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuGraphNodeGetDependencies`.
    pub cuGraphNodeGetDependencies: Option<unsafe extern "C" fn(u64, *mut u64, *mut usize) -> u32>,
    /// `cuGraphNodeGetDependencies_v2`.
    pub cuGraphNodeGetDependencies_v2: Option<unsafe extern "C" fn(u64, *mut u64, *mut c_void, *mut usize) -> u32>,
    /// `cuGraphNodeGetDependentNodes`.
    pub cuGraphNodeGetDependentNodes: Option<unsafe extern "C" fn(u64, *mut u64, *mut usize) -> u32>,
    /// `cuGraphNodeGetDependentNodes_v2`.
    pub cuGraphNodeGetDependentNodes_v2: Option<unsafe extern "C" fn(u64, *mut u64, *mut c_void, *mut usize) -> u32>,
    /// `cuGraphDestroyNode`.
    pub cuGraphDestroyNode: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuGraphExecKernelNodeSetParams`.
    pub cuGraphExecKernelNodeSetParams: Option<unsafe extern "C" fn(u64, u64, *const c_void) -> u32>,
    /// `cuGraphExecKernelNodeSetParams_v2`.
    pub cuGraphExecKernelNodeSetParams_v2: Option<unsafe extern "C" fn(u64, u64, *const c_void) -> u32>,
    /// `cuGraphExecMemcpyNodeSetParams`.
    pub cuGraphExecMemcpyNodeSetParams: Option<unsafe extern "C" fn(u64, u64, *const c_void, u64) -> u32>,
    /// `cuGraphExecMemsetNodeSetParams`.
    pub cuGraphExecMemsetNodeSetParams: Option<unsafe extern "C" fn(u64, u64, *const c_void, u64) -> u32>,
    /// `cuGraphExecHostNodeSetParams`.
    pub cuGraphExecHostNodeSetParams: Option<unsafe extern "C" fn(u64, u64, *const c_void) -> u32>,
    /// `cuGraphExecChildGraphNodeSetParams`.
    pub cuGraphExecChildGraphNodeSetParams: Option<unsafe extern "C" fn(u64, u64, u64) -> u32>,
    /// `cuGraphExecEventRecordNodeSetEvent`.
    pub cuGraphExecEventRecordNodeSetEvent: Option<unsafe extern "C" fn(u64, u64, u64) -> u32>,
    /// `cuGraphExecEventWaitNodeSetEvent`.
    pub cuGraphExecEventWaitNodeSetEvent: Option<unsafe extern "C" fn(u64, u64, u64) -> u32>,
    /// `cuGraphNodeSetEnabled`.
    pub cuGraphNodeSetEnabled: Option<unsafe extern "C" fn(u64, u64, u32) -> u32>,
    /// `cuGraphNodeGetEnabled`.
    pub cuGraphNodeGetEnabled: Option<unsafe extern "C" fn(u64, u64, *mut u32) -> u32>,
    /// `cuGraphKernelNodeCopyAttributes`.
    pub cuGraphKernelNodeCopyAttributes: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuGraphKernelNodeGetAttribute`.
    pub cuGraphKernelNodeGetAttribute: Option<unsafe extern "C" fn(u64, u32, *mut c_void) -> u32>,
    /// `cuGraphKernelNodeSetAttribute`.
    pub cuGraphKernelNodeSetAttribute: Option<unsafe extern "C" fn(u64, u32, *const c_void) -> u32>,
    /// `cuGraphAddNode`.
    pub cuGraphAddNode: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, usize, *mut c_void) -> u32>,
    /// `cuGraphAddNode_v3`.
    pub cuGraphAddNode_v2: Option<unsafe extern "C" fn(*mut u64, u64, *const c_void, *const c_void, usize, *mut c_void) -> u32>,
    /// `cuGraphNodeSetParams_v2`.
    pub cuGraphNodeSetParams: Option<unsafe extern "C" fn(u64, *mut c_void) -> u32>,
    /// `cuGraphExecNodeSetParams`.
    pub cuGraphExecNodeSetParams: Option<unsafe extern "C" fn(u64, u64, *mut c_void) -> u32>,
    /// `cuGetErrorString`.
    pub cuGetErrorString: Option<unsafe extern "C" fn(u32, *mut c_void) -> u32>,
    /// `cuGetErrorName`.
    pub cuGetErrorName: Option<unsafe extern "C" fn(u32, *mut c_void) -> u32>,
    /// `cuInit`.
    pub cuInit: Option<unsafe extern "C" fn(u32) -> u32>,
    /// `cuDriverGetVersion`.
    pub cuDriverGetVersion: Option<unsafe extern "C" fn(*mut i32) -> u32>,
    /// `cuGetProcAddress`.
    pub cuGetProcAddress: Option<unsafe extern "C" fn(*const c_char, *mut c_void, i32, u64) -> u32>,
    /// `cuGetProcAddress_v2`.
    pub cuGetProcAddress_v2: Option<unsafe extern "C" fn(*const c_char, *mut c_void, i32, u64, *mut u32) -> u32>,
    /// `cuGetExportTable`.
    pub cuGetExportTable: Option<unsafe extern "C" fn(*mut c_void, *const c_void) -> u32>,
    /// `cuLaunchKernel`.
    pub cuLaunchKernel: Option<unsafe extern "C" fn(u64, u32, u32, u32, u32, u32, u32, u32, u64, *mut c_void, *mut c_void) -> u32>,
    /// `cuLaunchKernelEx`.
    pub cuLaunchKernelEx: Option<unsafe extern "C" fn(*const c_void, u64, *mut c_void, *mut c_void) -> u32>,
    /// `cuLaunchCooperativeKernel`.
    pub cuLaunchCooperativeKernel: Option<unsafe extern "C" fn(u64, u32, u32, u32, u32, u32, u32, u32, u64, *mut c_void) -> u32>,
    /// `cuLaunchHostFunc`.
    pub cuLaunchHostFunc: Option<unsafe extern "C" fn(u64, *const c_void, *const c_void) -> u32>,
    /// `cuLaunchHostFunc_v2`.
    pub cuLaunchHostFunc_v2: Option<unsafe extern "C" fn(u64, *const c_void, *const c_void, u32) -> u32>,
    /// `cuFuncSetSharedMemConfig`.
    pub cuFuncSetSharedMemConfig: Option<unsafe extern "C" fn(u64, u32) -> u32>,
    /// `cuLibraryLoadData`.
    pub cuLibraryLoadData: Option<unsafe extern "C" fn(*mut u64, *const c_void, *mut u32, *mut c_void, u32, *mut u32, *mut c_void, u32) -> u32>,
    /// `cuLibraryLoadFromFile`.
    pub cuLibraryLoadFromFile: Option<unsafe extern "C" fn(*mut u64, *const c_char, *mut u32, *mut c_void, u32, *mut u32, *mut c_void, u32) -> u32>,
    /// `cuLibraryUnload`.
    pub cuLibraryUnload: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuLibraryGetKernel`.
    pub cuLibraryGetKernel: Option<unsafe extern "C" fn(*mut u64, u64, *const c_char) -> u32>,
    /// `cuLibraryGetKernelCount`.
    pub cuLibraryGetKernelCount: Option<unsafe extern "C" fn(*mut u32, u64) -> u32>,
    /// `cuLibraryEnumerateKernels`.
    pub cuLibraryEnumerateKernels: Option<unsafe extern "C" fn(*mut u64, u32, u64) -> u32>,
    /// `cuLibraryGetModule`.
    pub cuLibraryGetModule: Option<unsafe extern "C" fn(*mut u64, u64) -> u32>,
    /// `cuKernelGetFunction`.
    pub cuKernelGetFunction: Option<unsafe extern "C" fn(*mut u64, u64) -> u32>,
    /// `cuKernelGetLibrary`.
    pub cuKernelGetLibrary: Option<unsafe extern "C" fn(*mut u64, u64) -> u32>,
    /// `cuLibraryGetGlobal`.
    pub cuLibraryGetGlobal: Option<unsafe extern "C" fn(*mut u64, *mut usize, u64, *const c_char) -> u32>,
    /// `cuLibraryGetManaged`.
    pub cuLibraryGetManaged: Option<unsafe extern "C" fn(*mut u64, *mut usize, u64, *const c_char) -> u32>,
    /// `cuLibraryGetUnifiedFunction`.
    pub cuLibraryGetUnifiedFunction: Option<unsafe extern "C" fn(*mut c_void, u64, *const c_char) -> u32>,
    /// `cuKernelGetAttribute`.
    pub cuKernelGetAttribute: Option<unsafe extern "C" fn(*mut i32, u32, u64, i32) -> u32>,
    /// `cuKernelSetAttribute`.
    pub cuKernelSetAttribute: Option<unsafe extern "C" fn(u32, i32, u64, i32) -> u32>,
    /// `cuKernelSetCacheConfig`.
    pub cuKernelSetCacheConfig: Option<unsafe extern "C" fn(u64, u32, i32) -> u32>,
    /// `cuKernelGetName`.
    pub cuKernelGetName: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuKernelGetParamInfo`.
    pub cuKernelGetParamInfo: Option<unsafe extern "C" fn(u64, usize, *mut usize, *mut usize) -> u32>,
    /// `cuKernelGetParamCount`.
    pub cuKernelGetParamCount: Option<unsafe extern "C" fn(u64, *mut usize) -> u32>,
    /// `cuLinkCreate_v2`.
    pub cuLinkCreate: Option<unsafe extern "C" fn(u32, *mut u32, *mut c_void, *mut u64) -> u32>,
    /// `cuLinkAddData_v2`.
    pub cuLinkAddData: Option<unsafe extern "C" fn(u64, u32, *const c_void, usize, *const c_char, u32, *mut u32, *mut c_void) -> u32>,
    /// `cuLinkAddFile_v2`.
    pub cuLinkAddFile: Option<unsafe extern "C" fn(u64, u32, *const c_char, u32, *mut u32, *mut c_void) -> u32>,
    /// `cuLinkComplete`.
    pub cuLinkComplete: Option<unsafe extern "C" fn(u64, *mut c_void, *mut usize) -> u32>,
    /// `cuLinkDestroy`.
    pub cuLinkDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuLogsRegisterCallback`.
    pub cuLogsRegisterCallback: Option<unsafe extern "C" fn(*const c_void, *const c_void, *mut u64) -> u32>,
    /// `cuLogsUnregisterCallback`.
    pub cuLogsUnregisterCallback: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuLogsCurrent`.
    pub cuLogsCurrent: Option<unsafe extern "C" fn(*mut u32, u32) -> u32>,
    /// `cuLogsDumpToFile`.
    pub cuLogsDumpToFile: Option<unsafe extern "C" fn(*mut u32, *const c_char, u32) -> u32>,
    /// `cuLogsDumpToMemory`.
    pub cuLogsDumpToMemory: Option<unsafe extern "C" fn(*mut u32, *mut c_void, *mut usize, u32) -> u32>,
    /// `cuStreamWaitValue32_v2`.
    pub cuStreamWaitValue32: Option<unsafe extern "C" fn(u64, u64, u32, u32) -> u32>,
    /// `cuStreamWaitValue64_v2`.
    pub cuStreamWaitValue64: Option<unsafe extern "C" fn(u64, u64, u64, u32) -> u32>,
    /// `cuStreamWriteValue32_v2`.
    pub cuStreamWriteValue32: Option<unsafe extern "C" fn(u64, u64, u32, u32) -> u32>,
    /// `cuStreamWriteValue64_v2`.
    pub cuStreamWriteValue64: Option<unsafe extern "C" fn(u64, u64, u64, u32) -> u32>,
    /// `cuStreamBatchMemOp_v2`.
    pub cuStreamBatchMemOp: Option<unsafe extern "C" fn(u64, u32, *const c_void, u32) -> u32>,
    /// `cuMemGetInfo_v2`.
    pub cuMemGetInfo: Option<unsafe extern "C" fn(*mut usize, *mut usize) -> u32>,
    /// `cuMemAlloc_v2`.
    pub cuMemAlloc: Option<unsafe extern "C" fn(*mut u64, usize) -> u32>,
    /// `cuMemAllocPitch_v2`.
    pub cuMemAllocPitch: Option<unsafe extern "C" fn(*mut u64, *mut usize, usize, usize, u32) -> u32>,
    /// `cuMemFree_v2`.
    pub cuMemFree: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuMemGetAddressRange_v2`.
    pub cuMemGetAddressRange: Option<unsafe extern "C" fn(*mut u64, *mut usize, u64) -> u32>,
    /// `cuMemAllocHost_v2`.
    pub cuMemAllocHost: Option<unsafe extern "C" fn(*mut c_void, usize) -> u32>,
    /// `cuMemFreeHost`.
    pub cuMemFreeHost: Option<unsafe extern "C" fn(*const c_void) -> u32>,
    /// `cuMemHostAlloc`.
    pub cuMemHostAlloc: Option<unsafe extern "C" fn(*mut c_void, usize, u32) -> u32>,
    /// `cuMemHostGetDevicePointer_v2`.
    pub cuMemHostGetDevicePointer: Option<unsafe extern "C" fn(*mut u64, *const c_void, u32) -> u32>,
    /// `cuMemHostGetFlags`.
    pub cuMemHostGetFlags: Option<unsafe extern "C" fn(*mut u32, *const c_void) -> u32>,
    /// `cuMemAllocManaged`.
    pub cuMemAllocManaged: Option<unsafe extern "C" fn(*mut u64, usize, u32) -> u32>,
    /// `cuMemHostRegister_v2`.
    pub cuMemHostRegister: Option<unsafe extern "C" fn(*const c_void, usize, u32) -> u32>,
    /// `cuMemHostUnregister`.
    pub cuMemHostUnregister: Option<unsafe extern "C" fn(*const c_void) -> u32>,
    /// `cuMemFreeAsync`.
    pub cuMemFreeAsync: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuMemAllocAsync`.
    pub cuMemAllocAsync: Option<unsafe extern "C" fn(*mut u64, usize, u64) -> u32>,
    /// `cuMemPoolTrimTo`.
    pub cuMemPoolTrimTo: Option<unsafe extern "C" fn(u64, usize) -> u32>,
    /// `cuMemPoolSetAttribute`.
    pub cuMemPoolSetAttribute: Option<unsafe extern "C" fn(u64, u32, *const c_void) -> u32>,
    /// `cuMemPoolGetAttribute`.
    pub cuMemPoolGetAttribute: Option<unsafe extern "C" fn(u64, u32, *const c_void) -> u32>,
    /// `cuMemPoolSetAccess`.
    pub cuMemPoolSetAccess: Option<unsafe extern "C" fn(u64, *const c_void, usize) -> u32>,
    /// `cuMemPoolGetAccess`.
    pub cuMemPoolGetAccess: Option<unsafe extern "C" fn(*mut u32, u64, *const c_void) -> u32>,
    /// `cuMemPoolCreate`.
    pub cuMemPoolCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
    /// `cuMemPoolDestroy`.
    pub cuMemPoolDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuMemGetDefaultMemPool`.
    pub cuMemGetDefaultMemPool: Option<unsafe extern "C" fn(*mut u64, *const c_void, u32) -> u32>,
    /// `cuMemGetMemPool`.
    pub cuMemGetMemPool: Option<unsafe extern "C" fn(*mut u64, *const c_void, u32) -> u32>,
    /// `cuMemSetMemPool`.
    pub cuMemSetMemPool: Option<unsafe extern "C" fn(*const c_void, u32, u64) -> u32>,
    /// `cuMemAllocFromPoolAsync`.
    pub cuMemAllocFromPoolAsync: Option<unsafe extern "C" fn(*mut u64, usize, u64, u64) -> u32>,
    /// `cuMemsetD8_v2`.
    pub cuMemsetD8: Option<unsafe extern "C" fn(u64, u8, usize) -> u32>,
    /// `cuMemsetD16_v2`.
    pub cuMemsetD16: Option<unsafe extern "C" fn(u64, u16, usize) -> u32>,
    /// `cuMemsetD32_v2`.
    pub cuMemsetD32: Option<unsafe extern "C" fn(u64, u32, usize) -> u32>,
    /// `cuMemsetD2D8_v2`.
    pub cuMemsetD2D8: Option<unsafe extern "C" fn(u64, usize, u8, usize, usize) -> u32>,
    /// `cuMemsetD2D16_v2`.
    pub cuMemsetD2D16: Option<unsafe extern "C" fn(u64, usize, u16, usize, usize) -> u32>,
    /// `cuMemsetD2D32_v2`.
    pub cuMemsetD2D32: Option<unsafe extern "C" fn(u64, usize, u32, usize, usize) -> u32>,
    /// `cuMemsetD8Async`.
    pub cuMemsetD8Async: Option<unsafe extern "C" fn(u64, u8, usize, u64) -> u32>,
    /// `cuMemsetD16Async`.
    pub cuMemsetD16Async: Option<unsafe extern "C" fn(u64, u16, usize, u64) -> u32>,
    /// `cuMemsetD32Async`.
    pub cuMemsetD32Async: Option<unsafe extern "C" fn(u64, u32, usize, u64) -> u32>,
    /// `cuMemsetD2D8Async`.
    pub cuMemsetD2D8Async: Option<unsafe extern "C" fn(u64, usize, u8, usize, usize, u64) -> u32>,
    /// `cuMemsetD2D16Async`.
    pub cuMemsetD2D16Async: Option<unsafe extern "C" fn(u64, usize, u16, usize, usize, u64) -> u32>,
    /// `cuMemsetD2D32Async`.
    pub cuMemsetD2D32Async: Option<unsafe extern "C" fn(u64, usize, u32, usize, usize, u64) -> u32>,
    /// `cuModuleLoad`.
    pub cuModuleLoad: Option<unsafe extern "C" fn(*mut u64, *const c_char) -> u32>,
    /// `cuModuleLoadData`.
    pub cuModuleLoadData: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
    /// `cuModuleLoadDataEx`.
    pub cuModuleLoadDataEx: Option<unsafe extern "C" fn(*mut u64, *const c_void, u32, *mut u32, *mut c_void) -> u32>,
    /// `cuModuleLoadFatBinary`.
    pub cuModuleLoadFatBinary: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
    /// `cuModuleUnload`.
    pub cuModuleUnload: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuModuleGetLoadingMode`.
    pub cuModuleGetLoadingMode: Option<unsafe extern "C" fn(*mut u32) -> u32>,
    /// `cuModuleGetFunction`.
    pub cuModuleGetFunction: Option<unsafe extern "C" fn(*mut u64, u64, *const c_char) -> u32>,
    /// `cuModuleGetFunctionCount`.
    pub cuModuleGetFunctionCount: Option<unsafe extern "C" fn(*mut u32, u64) -> u32>,
    /// `cuModuleEnumerateFunctions`.
    pub cuModuleEnumerateFunctions: Option<unsafe extern "C" fn(*mut u64, u32, u64) -> u32>,
    /// `cuModuleGetGlobal_v2`.
    pub cuModuleGetGlobal: Option<unsafe extern "C" fn(*mut u64, *mut usize, u64, *const c_char) -> u32>,
    /// `cuOccupancyMaxActiveBlocksPerMultiprocessor`.
    pub cuOccupancyMaxActiveBlocksPerMultiprocessor: Option<unsafe extern "C" fn(*mut i32, u64, i32, usize) -> u32>,
    /// `cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags`.
    pub cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags: Option<unsafe extern "C" fn(*mut i32, u64, i32, usize, u32) -> u32>,
    /// `cuOccupancyMaxPotentialBlockSize`.
    pub cuOccupancyMaxPotentialBlockSize: Option<unsafe extern "C" fn(*mut i32, *mut i32, u64, *const c_void, usize, i32) -> u32>,
    /// `cuOccupancyMaxPotentialBlockSizeWithFlags`.
    pub cuOccupancyMaxPotentialBlockSizeWithFlags: Option<unsafe extern "C" fn(*mut i32, *mut i32, u64, *const c_void, usize, i32, u32) -> u32>,
    /// `cuOccupancyAvailableDynamicSMemPerBlock`.
    pub cuOccupancyAvailableDynamicSMemPerBlock: Option<unsafe extern "C" fn(*mut usize, u64, i32, i32) -> u32>,
    /// `cuOccupancyMaxPotentialClusterSize`.
    pub cuOccupancyMaxPotentialClusterSize: Option<unsafe extern "C" fn(*mut i32, u64, *const c_void) -> u32>,
    /// `cuOccupancyMaxActiveClusters`.
    pub cuOccupancyMaxActiveClusters: Option<unsafe extern "C" fn(*mut i32, u64, *const c_void) -> u32>,
    /// `cuDeviceCanAccessPeer`.
    pub cuDeviceCanAccessPeer: Option<unsafe extern "C" fn(*mut i32, i32, i32) -> u32>,
    /// `cuCtxEnablePeerAccess`.
    pub cuCtxEnablePeerAccess: Option<unsafe extern "C" fn(u64, u32) -> u32>,
    /// `cuCtxDisablePeerAccess`.
    pub cuCtxDisablePeerAccess: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuDeviceGetP2PAttribute`.
    pub cuDeviceGetP2PAttribute: Option<unsafe extern "C" fn(*mut i32, u32, i32, i32) -> u32>,
    /// `cuProfilerStart`.
    pub cuProfilerStart: Option<unsafe extern "C" fn() -> u32>,
    /// `cuProfilerStop`.
    pub cuProfilerStop: Option<unsafe extern "C" fn() -> u32>,
    /// `cuStreamCreate`.
    pub cuStreamCreate: Option<unsafe extern "C" fn(*mut u64, u32) -> u32>,
    /// `cuStreamCreateWithPriority`.
    pub cuStreamCreateWithPriority: Option<unsafe extern "C" fn(*mut u64, u32, i32) -> u32>,
    /// `cuStreamGetPriority`.
    pub cuStreamGetPriority: Option<unsafe extern "C" fn(u64, *mut i32) -> u32>,
    /// `cuStreamGetDevice`.
    pub cuStreamGetDevice: Option<unsafe extern "C" fn(u64, *mut i32) -> u32>,
    /// `cuStreamGetFlags`.
    pub cuStreamGetFlags: Option<unsafe extern "C" fn(u64, *mut u32) -> u32>,
    /// `cuStreamGetId`.
    pub cuStreamGetId: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuStreamGetCtx`.
    pub cuStreamGetCtx: Option<unsafe extern "C" fn(u64, *mut u64) -> u32>,
    /// `cuStreamGetCtx_v2`.
    pub cuStreamGetCtx_v2: Option<unsafe extern "C" fn(u64, *mut u64, *mut c_void) -> u32>,
    /// `cuStreamWaitEvent`.
    pub cuStreamWaitEvent: Option<unsafe extern "C" fn(u64, u64, u32) -> u32>,
    /// `cuStreamAddCallback`.
    pub cuStreamAddCallback: Option<unsafe extern "C" fn(u64, *const c_void, *const c_void, u32) -> u32>,
    /// `cuStreamAttachMemAsync`.
    pub cuStreamAttachMemAsync: Option<unsafe extern "C" fn(u64, u64, usize, u32) -> u32>,
    /// `cuStreamQuery`.
    pub cuStreamQuery: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuStreamSynchronize`.
    pub cuStreamSynchronize: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuStreamDestroy_v2`.
    pub cuStreamDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuStreamCopyAttributes`.
    pub cuStreamCopyAttributes: Option<unsafe extern "C" fn(u64, u64) -> u32>,
    /// `cuStreamGetAttribute`.
    pub cuStreamGetAttribute: Option<unsafe extern "C" fn(u64, u32, *mut c_void) -> u32>,
    /// `cuStreamSetAttribute`.
    pub cuStreamSetAttribute: Option<unsafe extern "C" fn(u64, u32, *const c_void) -> u32>,
    /// `cuTensorMapEncodeTiled`.
    pub cuTensorMapEncodeTiled: Option<unsafe extern "C" fn(*mut c_void, u32, u32, u64, *const u64, *const u64, *const u32, *const u32, u32, u32, u32, u32) -> u32>,
    /// `cuTensorMapEncodeIm2col`.
    pub cuTensorMapEncodeIm2col: Option<unsafe extern "C" fn(*mut c_void, u32, u32, *const c_void, *const c_void, *const c_void, *const c_void, *const c_void, u32, u32, *const c_void, u32, u32, u32, u32) -> u32>,
    /// `cuTensorMapEncodeIm2colWide`.
    pub cuTensorMapEncodeIm2colWide: Option<unsafe extern "C" fn(*mut c_void, u32, u32, u64, *const u64, *const u64, i32, i32, u32, u32, *const u32, u32, u32, u32, u32, u32) -> u32>,
    /// `cuTensorMapReplaceAddress`.
    pub cuTensorMapReplaceAddress: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuTexObjectCreate`.
    pub cuTexObjectCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void, *const c_void, *const c_void) -> u32>,
    /// `cuTexObjectDestroy`.
    pub cuTexObjectDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuTexObjectGetResourceDesc`.
    pub cuTexObjectGetResourceDesc: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuTexObjectGetTextureDesc`.
    pub cuTexObjectGetTextureDesc: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuTexObjectGetResourceViewDesc`.
    pub cuTexObjectGetResourceViewDesc: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuSurfObjectCreate`.
    pub cuSurfObjectCreate: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
    /// `cuSurfObjectDestroy`.
    pub cuSurfObjectDestroy: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuSurfObjectGetResourceDesc`.
    pub cuSurfObjectGetResourceDesc: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuPointerGetAttribute`.
    pub cuPointerGetAttribute: Option<unsafe extern "C" fn(*const c_void, u32, u64) -> u32>,
    /// `cuMemPrefetchAsync`.
    pub cuMemPrefetchAsync: Option<unsafe extern "C" fn(u64, usize, i32, u64) -> u32>,
    /// `cuMemPrefetchAsync_v2`.
    pub cuMemPrefetchAsync_v2: Option<unsafe extern "C" fn(u64, usize, u64, u32, u64) -> u32>,
    /// `cuMemAdvise`.
    pub cuMemAdvise: Option<unsafe extern "C" fn(u64, usize, u32, i32) -> u32>,
    /// `cuMemAdvise_v2`.
    pub cuMemAdvise_v2: Option<unsafe extern "C" fn(u64, usize, u32, u64) -> u32>,
    /// `cuMemRangeGetAttribute`.
    pub cuMemRangeGetAttribute: Option<unsafe extern "C" fn(*const c_void, usize, u32, u64, usize) -> u32>,
    /// `cuMemRangeGetAttributes`.
    pub cuMemRangeGetAttributes: Option<unsafe extern "C" fn(*mut c_void, *mut usize, *mut u32, usize, u64, usize) -> u32>,
    /// `cuPointerSetAttribute`.
    pub cuPointerSetAttribute: Option<unsafe extern "C" fn(*const c_void, u32, u64) -> u32>,
    /// `cuPointerGetAttributes`.
    pub cuPointerGetAttributes: Option<unsafe extern "C" fn(u32, *mut u32, *mut c_void, u64) -> u32>,
    /// `cuMemAddressReserve`.
    pub cuMemAddressReserve: Option<unsafe extern "C" fn(*mut u64, usize, usize, u64, u64) -> u32>,
    /// `cuMemAddressFree`.
    pub cuMemAddressFree: Option<unsafe extern "C" fn(u64, usize) -> u32>,
    /// `cuMemCreate`.
    pub cuMemCreate: Option<unsafe extern "C" fn(*mut u64, usize, *const c_void, u64) -> u32>,
    /// `cuMemRelease`.
    pub cuMemRelease: Option<unsafe extern "C" fn(u64) -> u32>,
    /// `cuMemMap`.
    pub cuMemMap: Option<unsafe extern "C" fn(u64, usize, usize, u64, u64) -> u32>,
    /// `cuMemUnmap`.
    pub cuMemUnmap: Option<unsafe extern "C" fn(u64, usize) -> u32>,
    /// `cuMemSetAccess`.
    pub cuMemSetAccess: Option<unsafe extern "C" fn(u64, usize, *const c_void, usize) -> u32>,
    /// `cuMemGetAccess`.
    pub cuMemGetAccess: Option<unsafe extern "C" fn(*mut u64, *const c_void, u64) -> u32>,
    /// `cuMemGetAllocationGranularity`.
    pub cuMemGetAllocationGranularity: Option<unsafe extern "C" fn(*mut usize, *const c_void, u32) -> u32>,
    /// `cuMemGetAllocationPropertiesFromHandle`.
    pub cuMemGetAllocationPropertiesFromHandle: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// `cuMemRetainAllocationHandle`.
    pub cuMemRetainAllocationHandle: Option<unsafe extern "C" fn(*mut u64, *const c_void) -> u32>,
}

impl Driver {
    /// Fills every field from `get`, which gives the address of a symbol, or `None` where the library lacks it.
    ///
    /// # Safety
    /// Each address must be that of the CUDA driver API's function of that name, and stay valid.
    pub unsafe fn load(mut get: impl FnMut(&'static str) -> Option<*const c_void>) -> Self {
        // SAFETY: by the caller's promise each address is a function of the field's signature.
        unsafe {
            Self {
                cuArrayCreate: get("cuArrayCreate_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuArrayGetDescriptor: get("cuArrayGetDescriptor_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuArrayGetSparseProperties: get("cuArrayGetSparseProperties").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMipmappedArrayGetSparseProperties: get("cuMipmappedArrayGetSparseProperties").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuArrayGetMemoryRequirements: get("cuArrayGetMemoryRequirements").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMipmappedArrayGetMemoryRequirements: get("cuMipmappedArrayGetMemoryRequirements").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuArrayGetPlane: get("cuArrayGetPlane").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuArrayDestroy: get("cuArrayDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuArray3DCreate: get("cuArray3DCreate_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuArray3DGetDescriptor: get("cuArray3DGetDescriptor_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMipmappedArrayCreate: get("cuMipmappedArrayCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMipmappedArrayGetLevel: get("cuMipmappedArrayGetLevel").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMipmappedArrayDestroy: get("cuMipmappedArrayDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuStreamBeginCapture: get("cuStreamBeginCapture_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamBeginCaptureToGraph: get("cuStreamBeginCaptureToGraph").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuThreadExchangeStreamCaptureMode: get("cuThreadExchangeStreamCaptureMode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuStreamEndCapture: get("cuStreamEndCapture").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamIsCapturing: get("cuStreamIsCapturing").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetCaptureInfo: get("cuStreamGetCaptureInfo").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuStreamGetCaptureInfo_v2: get("cuStreamGetCaptureInfo_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuStreamGetCaptureInfo_v3: get("cuStreamGetCaptureInfo_v3").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _) -> u32>(p)),
                cuStreamUpdateCaptureDependencies: get("cuStreamUpdateCaptureDependencies").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamUpdateCaptureDependencies_v2: get("cuStreamUpdateCaptureDependencies_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuDevicePrimaryCtxRetain: get("cuDevicePrimaryCtxRetain").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDevicePrimaryCtxRelease: get("cuDevicePrimaryCtxRelease_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuDevicePrimaryCtxSetFlags: get("cuDevicePrimaryCtxSetFlags_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDevicePrimaryCtxGetState: get("cuDevicePrimaryCtxGetState").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuDevicePrimaryCtxReset: get("cuDevicePrimaryCtxReset_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxCreate: get("cuCtxCreate_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuCtxCreate_v3: get("cuCtxCreate_v3").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuCtxCreate_v4: get("cuCtxCreate_v4").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuCtxDestroy: get("cuCtxDestroy_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxPushCurrent: get("cuCtxPushCurrent_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxPopCurrent: get("cuCtxPopCurrent_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxSetCurrent: get("cuCtxSetCurrent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxGetCurrent: get("cuCtxGetCurrent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxGetDevice: get("cuCtxGetDevice").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxGetDevice_v2: get("cuCtxGetDevice_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxGetFlags: get("cuCtxGetFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxSetFlags: get("cuCtxSetFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxGetId: get("cuCtxGetId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxSynchronize: get("cuCtxSynchronize").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn() -> u32>(p)),
                cuCtxSynchronize_v2: get("cuCtxSynchronize_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxSetLimit: get("cuCtxSetLimit").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxGetLimit: get("cuCtxGetLimit").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxGetCacheConfig: get("cuCtxGetCacheConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxSetCacheConfig: get("cuCtxSetCacheConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxGetApiVersion: get("cuCtxGetApiVersion").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxGetStreamPriorityRange: get("cuCtxGetStreamPriorityRange").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxResetPersistingL2Cache: get("cuCtxResetPersistingL2Cache").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn() -> u32>(p)),
                cuCtxGetExecAffinity: get("cuCtxGetExecAffinity").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxRecordEvent: get("cuCtxRecordEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxWaitEvent: get("cuCtxWaitEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxAttach: get("cuCtxAttach").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxDetach: get("cuCtxDetach").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxGetSharedMemConfig: get("cuCtxGetSharedMemConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuCtxSetSharedMemConfig: get("cuCtxSetSharedMemConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemcpy: get("cuMemcpy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemcpyPeer: get("cuMemcpyPeer").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemcpyHtoD: get("cuMemcpyHtoD_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemcpyDtoH: get("cuMemcpyDtoH_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemcpyDtoD: get("cuMemcpyDtoD_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemcpyDtoA: get("cuMemcpyDtoA_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyAtoD: get("cuMemcpyAtoD_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyHtoA: get("cuMemcpyHtoA_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyAtoH: get("cuMemcpyAtoH_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyAtoA: get("cuMemcpyAtoA_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemcpy2D: get("cuMemcpy2D_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemcpy2DUnaligned: get("cuMemcpy2DUnaligned_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemcpy3D: get("cuMemcpy3D_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemcpy3DPeer: get("cuMemcpy3DPeer").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemcpyAsync: get("cuMemcpyAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyPeerAsync: get("cuMemcpyPeerAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuMemcpyHtoDAsync: get("cuMemcpyHtoDAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyDtoHAsync: get("cuMemcpyDtoHAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyDtoDAsync: get("cuMemcpyDtoDAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemcpyHtoAAsync: get("cuMemcpyHtoAAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemcpyAtoHAsync: get("cuMemcpyAtoHAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemcpy2DAsync: get("cuMemcpy2DAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemcpy3DAsync: get("cuMemcpy3DAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemcpy3DPeerAsync: get("cuMemcpy3DPeerAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemcpyBatchAsync: get("cuMemcpyBatchAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _, _) -> u32>(p)),
                cuMemcpyBatchAsync_v2: get("cuMemcpyBatchAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _) -> u32>(p)),
                cuMemcpyWithAttributesAsync: get("cuMemcpyWithAttributesAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuDeviceGet: get("cuDeviceGet").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetCount: get("cuDeviceGetCount").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuDeviceGetName: get("cuDeviceGetName").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuDeviceGetUuid: get("cuDeviceGetUuid_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceTotalMem: get("cuDeviceTotalMem_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetTexture1DLinearMaxWidth: get("cuDeviceGetTexture1DLinearMaxWidth").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuDeviceGetAttribute: get("cuDeviceGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuDeviceSetMemPool: get("cuDeviceSetMemPool").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetMemPool: get("cuDeviceGetMemPool").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetDefaultMemPool: get("cuDeviceGetDefaultMemPool").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetExecAffinitySupport: get("cuDeviceGetExecAffinitySupport").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuFlushGPUDirectRDMAWrites: get("cuFlushGPUDirectRDMAWrites").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetProperties: get("cuDeviceGetProperties").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceComputeCapability: get("cuDeviceComputeCapability").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuDeviceGetByPCIBusId: get("cuDeviceGetByPCIBusId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGetPCIBusId: get("cuDeviceGetPCIBusId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuEventCreate: get("cuEventCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuEventRecord: get("cuEventRecord").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuEventRecordWithFlags: get("cuEventRecordWithFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuEventQuery: get("cuEventQuery").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuEventSynchronize: get("cuEventSynchronize").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuEventDestroy: get("cuEventDestroy_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuEventElapsedTime: get("cuEventElapsedTime_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuFuncGetAttribute: get("cuFuncGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuFuncSetAttribute: get("cuFuncSetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuFuncSetCacheConfig: get("cuFuncSetCacheConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuFuncGetModule: get("cuFuncGetModule").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuFuncGetName: get("cuFuncGetName").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuFuncGetParamInfo: get("cuFuncGetParamInfo").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuFuncGetParamCount: get("cuFuncGetParamCount").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuFuncIsLoaded: get("cuFuncIsLoaded").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuFuncLoad: get("cuFuncLoad").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuGraphCreate: get("cuGraphCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuDeviceGraphMemTrim: get("cuDeviceGraphMemTrim").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuDeviceGetGraphMemAttribute: get("cuDeviceGetGraphMemAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuDeviceSetGraphMemAttribute: get("cuDeviceSetGraphMemAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphClone: get("cuGraphClone").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphGetId: get("cuGraphGetId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphExecGetId: get("cuGraphExecGetId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphGetNodes: get("cuGraphGetNodes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphGetRootNodes: get("cuGraphGetRootNodes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphGetEdges: get("cuGraphGetEdges").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphGetEdges_v2: get("cuGraphGetEdges_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphAddDependencies: get("cuGraphAddDependencies").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphAddDependencies_v2: get("cuGraphAddDependencies_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphRemoveDependencies: get("cuGraphRemoveDependencies").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphRemoveDependencies_v2: get("cuGraphRemoveDependencies_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphInstantiateWithFlags: get("cuGraphInstantiateWithFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphInstantiateWithParams: get("cuGraphInstantiateWithParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphExecGetFlags: get("cuGraphExecGetFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphUpload: get("cuGraphUpload").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphLaunch: get("cuGraphLaunch").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphExecDestroy: get("cuGraphExecDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuGraphDestroy: get("cuGraphDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuGraphExecUpdate: get("cuGraphExecUpdate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphExecUpdate_v2: get("cuGraphExecUpdate_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphDebugDotPrint: get("cuGraphDebugDotPrint").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuUserObjectCreate: get("cuUserObjectCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuUserObjectRetain: get("cuUserObjectRetain").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuUserObjectRelease: get("cuUserObjectRelease").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphRetainUserObject: get("cuGraphRetainUserObject").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphReleaseUserObject: get("cuGraphReleaseUserObject").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphConditionalHandleCreate: get("cuGraphConditionalHandleCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphInstantiate: get("cuGraphInstantiate_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphAddKernelNode: get("cuGraphAddKernelNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphAddKernelNode_v2: get("cuGraphAddKernelNode_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphKernelNodeGetParams: get("cuGraphKernelNodeGetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphKernelNodeGetParams_v2: get("cuGraphKernelNodeGetParams_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphKernelNodeSetParams: get("cuGraphKernelNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphKernelNodeSetParams_v2: get("cuGraphKernelNodeSetParams_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddMemcpyNode: get("cuGraphAddMemcpyNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuGraphMemcpyNodeGetParams: get("cuGraphMemcpyNodeGetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphMemcpyNodeSetParams: get("cuGraphMemcpyNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddMemsetNode: get("cuGraphAddMemsetNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuGraphMemsetNodeGetParams: get("cuGraphMemsetNodeGetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphMemsetNodeSetParams: get("cuGraphMemsetNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddHostNode: get("cuGraphAddHostNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphHostNodeGetParams: get("cuGraphHostNodeGetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphHostNodeSetParams: get("cuGraphHostNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddChildGraphNode: get("cuGraphAddChildGraphNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphChildGraphNodeGetGraph: get("cuGraphChildGraphNodeGetGraph").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddEmptyNode: get("cuGraphAddEmptyNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphAddEventRecordNode: get("cuGraphAddEventRecordNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphEventRecordNodeGetEvent: get("cuGraphEventRecordNodeGetEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphEventRecordNodeSetEvent: get("cuGraphEventRecordNodeSetEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddEventWaitNode: get("cuGraphAddEventWaitNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphEventWaitNodeGetEvent: get("cuGraphEventWaitNodeGetEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphEventWaitNodeSetEvent: get("cuGraphEventWaitNodeSetEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddMemAllocNode: get("cuGraphAddMemAllocNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphMemAllocNodeGetParams: get("cuGraphMemAllocNodeGetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphAddMemFreeNode: get("cuGraphAddMemFreeNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphMemFreeNodeGetParams: get("cuGraphMemFreeNodeGetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphNodeFindInClone: get("cuGraphNodeFindInClone").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphNodeGetType: get("cuGraphNodeGetType").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphNodeGetContainingGraph: get("cuGraphNodeGetContainingGraph").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphNodeGetLocalId: get("cuGraphNodeGetLocalId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphNodeGetDependencies: get("cuGraphNodeGetDependencies").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphNodeGetDependencies_v2: get("cuGraphNodeGetDependencies_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphNodeGetDependentNodes: get("cuGraphNodeGetDependentNodes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphNodeGetDependentNodes_v2: get("cuGraphNodeGetDependentNodes_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphDestroyNode: get("cuGraphDestroyNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuGraphExecKernelNodeSetParams: get("cuGraphExecKernelNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphExecKernelNodeSetParams_v2: get("cuGraphExecKernelNodeSetParams_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphExecMemcpyNodeSetParams: get("cuGraphExecMemcpyNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphExecMemsetNodeSetParams: get("cuGraphExecMemsetNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGraphExecHostNodeSetParams: get("cuGraphExecHostNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphExecChildGraphNodeSetParams: get("cuGraphExecChildGraphNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphExecEventRecordNodeSetEvent: get("cuGraphExecEventRecordNodeSetEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphExecEventWaitNodeSetEvent: get("cuGraphExecEventWaitNodeSetEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphNodeSetEnabled: get("cuGraphNodeSetEnabled").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphNodeGetEnabled: get("cuGraphNodeGetEnabled").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphKernelNodeCopyAttributes: get("cuGraphKernelNodeCopyAttributes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphKernelNodeGetAttribute: get("cuGraphKernelNodeGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphKernelNodeSetAttribute: get("cuGraphKernelNodeSetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGraphAddNode: get("cuGraphAddNode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGraphAddNode_v2: get("cuGraphAddNode_v3").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuGraphNodeSetParams: get("cuGraphNodeSetParams_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGraphExecNodeSetParams: get("cuGraphExecNodeSetParams").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuGetErrorString: get("cuGetErrorString").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuGetErrorName: get("cuGetErrorName").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuInit: get("cuInit").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuDriverGetVersion: get("cuDriverGetVersion").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuGetProcAddress: get("cuGetProcAddress").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuGetProcAddress_v2: get("cuGetProcAddress_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuGetExportTable: get("cuGetExportTable").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuLaunchKernel: get("cuLaunchKernel").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _, _) -> u32>(p)),
                cuLaunchKernelEx: get("cuLaunchKernelEx").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuLaunchCooperativeKernel: get("cuLaunchCooperativeKernel").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _) -> u32>(p)),
                cuLaunchHostFunc: get("cuLaunchHostFunc").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuLaunchHostFunc_v2: get("cuLaunchHostFunc_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuFuncSetSharedMemConfig: get("cuFuncSetSharedMemConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuLibraryLoadData: get("cuLibraryLoadData").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _) -> u32>(p)),
                cuLibraryLoadFromFile: get("cuLibraryLoadFromFile").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _) -> u32>(p)),
                cuLibraryUnload: get("cuLibraryUnload").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuLibraryGetKernel: get("cuLibraryGetKernel").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuLibraryGetKernelCount: get("cuLibraryGetKernelCount").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuLibraryEnumerateKernels: get("cuLibraryEnumerateKernels").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuLibraryGetModule: get("cuLibraryGetModule").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuKernelGetFunction: get("cuKernelGetFunction").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuKernelGetLibrary: get("cuKernelGetLibrary").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuLibraryGetGlobal: get("cuLibraryGetGlobal").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuLibraryGetManaged: get("cuLibraryGetManaged").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuLibraryGetUnifiedFunction: get("cuLibraryGetUnifiedFunction").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuKernelGetAttribute: get("cuKernelGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuKernelSetAttribute: get("cuKernelSetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuKernelSetCacheConfig: get("cuKernelSetCacheConfig").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuKernelGetName: get("cuKernelGetName").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuKernelGetParamInfo: get("cuKernelGetParamInfo").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuKernelGetParamCount: get("cuKernelGetParamCount").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuLinkCreate: get("cuLinkCreate_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuLinkAddData: get("cuLinkAddData_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _) -> u32>(p)),
                cuLinkAddFile: get("cuLinkAddFile_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuLinkComplete: get("cuLinkComplete").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuLinkDestroy: get("cuLinkDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuLogsRegisterCallback: get("cuLogsRegisterCallback").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuLogsUnregisterCallback: get("cuLogsUnregisterCallback").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuLogsCurrent: get("cuLogsCurrent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuLogsDumpToFile: get("cuLogsDumpToFile").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuLogsDumpToMemory: get("cuLogsDumpToMemory").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamWaitValue32: get("cuStreamWaitValue32_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamWaitValue64: get("cuStreamWaitValue64_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamWriteValue32: get("cuStreamWriteValue32_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamWriteValue64: get("cuStreamWriteValue64_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamBatchMemOp: get("cuStreamBatchMemOp_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemGetInfo: get("cuMemGetInfo_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemAlloc: get("cuMemAlloc_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemAllocPitch: get("cuMemAllocPitch_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemFree: get("cuMemFree_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemGetAddressRange: get("cuMemGetAddressRange_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemAllocHost: get("cuMemAllocHost_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemFreeHost: get("cuMemFreeHost").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemHostAlloc: get("cuMemHostAlloc").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemHostGetDevicePointer: get("cuMemHostGetDevicePointer_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemHostGetFlags: get("cuMemHostGetFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemAllocManaged: get("cuMemAllocManaged").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemHostRegister: get("cuMemHostRegister_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemHostUnregister: get("cuMemHostUnregister").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemFreeAsync: get("cuMemFreeAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemAllocAsync: get("cuMemAllocAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemPoolTrimTo: get("cuMemPoolTrimTo").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemPoolSetAttribute: get("cuMemPoolSetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemPoolGetAttribute: get("cuMemPoolGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemPoolSetAccess: get("cuMemPoolSetAccess").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemPoolGetAccess: get("cuMemPoolGetAccess").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemPoolCreate: get("cuMemPoolCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemPoolDestroy: get("cuMemPoolDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemGetDefaultMemPool: get("cuMemGetDefaultMemPool").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemGetMemPool: get("cuMemGetMemPool").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemSetMemPool: get("cuMemSetMemPool").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemAllocFromPoolAsync: get("cuMemAllocFromPoolAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemsetD8: get("cuMemsetD8_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemsetD16: get("cuMemsetD16_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemsetD32: get("cuMemsetD32_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemsetD2D8: get("cuMemsetD2D8_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemsetD2D16: get("cuMemsetD2D16_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemsetD2D32: get("cuMemsetD2D32_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemsetD8Async: get("cuMemsetD8Async").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemsetD16Async: get("cuMemsetD16Async").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemsetD32Async: get("cuMemsetD32Async").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemsetD2D8Async: get("cuMemsetD2D8Async").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuMemsetD2D16Async: get("cuMemsetD2D16Async").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuMemsetD2D32Async: get("cuMemsetD2D32Async").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuModuleLoad: get("cuModuleLoad").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuModuleLoadData: get("cuModuleLoadData").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuModuleLoadDataEx: get("cuModuleLoadDataEx").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuModuleLoadFatBinary: get("cuModuleLoadFatBinary").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuModuleUnload: get("cuModuleUnload").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuModuleGetLoadingMode: get("cuModuleGetLoadingMode").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuModuleGetFunction: get("cuModuleGetFunction").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuModuleGetFunctionCount: get("cuModuleGetFunctionCount").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuModuleEnumerateFunctions: get("cuModuleEnumerateFunctions").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuModuleGetGlobal: get("cuModuleGetGlobal_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuOccupancyMaxActiveBlocksPerMultiprocessor: get("cuOccupancyMaxActiveBlocksPerMultiprocessor").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags: get("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuOccupancyMaxPotentialBlockSize: get("cuOccupancyMaxPotentialBlockSize").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuOccupancyMaxPotentialBlockSizeWithFlags: get("cuOccupancyMaxPotentialBlockSizeWithFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _) -> u32>(p)),
                cuOccupancyAvailableDynamicSMemPerBlock: get("cuOccupancyAvailableDynamicSMemPerBlock").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuOccupancyMaxPotentialClusterSize: get("cuOccupancyMaxPotentialClusterSize").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuOccupancyMaxActiveClusters: get("cuOccupancyMaxActiveClusters").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuDeviceCanAccessPeer: get("cuDeviceCanAccessPeer").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuCtxEnablePeerAccess: get("cuCtxEnablePeerAccess").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuCtxDisablePeerAccess: get("cuCtxDisablePeerAccess").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuDeviceGetP2PAttribute: get("cuDeviceGetP2PAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuProfilerStart: get("cuProfilerStart").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn() -> u32>(p)),
                cuProfilerStop: get("cuProfilerStop").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn() -> u32>(p)),
                cuStreamCreate: get("cuStreamCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamCreateWithPriority: get("cuStreamCreateWithPriority").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuStreamGetPriority: get("cuStreamGetPriority").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetDevice: get("cuStreamGetDevice").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetFlags: get("cuStreamGetFlags").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetId: get("cuStreamGetId").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetCtx: get("cuStreamGetCtx").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetCtx_v2: get("cuStreamGetCtx_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuStreamWaitEvent: get("cuStreamWaitEvent").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuStreamAddCallback: get("cuStreamAddCallback").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamAttachMemAsync: get("cuStreamAttachMemAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuStreamQuery: get("cuStreamQuery").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuStreamSynchronize: get("cuStreamSynchronize").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuStreamDestroy: get("cuStreamDestroy_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuStreamCopyAttributes: get("cuStreamCopyAttributes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuStreamGetAttribute: get("cuStreamGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuStreamSetAttribute: get("cuStreamSetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuTensorMapEncodeTiled: get("cuTensorMapEncodeTiled").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _, _, _) -> u32>(p)),
                cuTensorMapEncodeIm2col: get("cuTensorMapEncodeIm2col").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _, _, _, _, _, _) -> u32>(p)),
                cuTensorMapEncodeIm2colWide: get("cuTensorMapEncodeIm2colWide").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _) -> u32>(p)),
                cuTensorMapReplaceAddress: get("cuTensorMapReplaceAddress").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuTexObjectCreate: get("cuTexObjectCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuTexObjectDestroy: get("cuTexObjectDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuTexObjectGetResourceDesc: get("cuTexObjectGetResourceDesc").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuTexObjectGetTextureDesc: get("cuTexObjectGetTextureDesc").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuTexObjectGetResourceViewDesc: get("cuTexObjectGetResourceViewDesc").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuSurfObjectCreate: get("cuSurfObjectCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuSurfObjectDestroy: get("cuSurfObjectDestroy").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuSurfObjectGetResourceDesc: get("cuSurfObjectGetResourceDesc").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuPointerGetAttribute: get("cuPointerGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemPrefetchAsync: get("cuMemPrefetchAsync").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemPrefetchAsync_v2: get("cuMemPrefetchAsync_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemAdvise: get("cuMemAdvise").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemAdvise_v2: get("cuMemAdvise_v2").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemRangeGetAttribute: get("cuMemRangeGetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemRangeGetAttributes: get("cuMemRangeGetAttributes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _, _) -> u32>(p)),
                cuPointerSetAttribute: get("cuPointerSetAttribute").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuPointerGetAttributes: get("cuPointerGetAttributes").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemAddressReserve: get("cuMemAddressReserve").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemAddressFree: get("cuMemAddressFree").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemCreate: get("cuMemCreate").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemRelease: get("cuMemRelease").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_) -> u32>(p)),
                cuMemMap: get("cuMemMap").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _, _) -> u32>(p)),
                cuMemUnmap: get("cuMemUnmap").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemSetAccess: get("cuMemSetAccess").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _, _) -> u32>(p)),
                cuMemGetAccess: get("cuMemGetAccess").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemGetAllocationGranularity: get("cuMemGetAllocationGranularity").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _, _) -> u32>(p)),
                cuMemGetAllocationPropertiesFromHandle: get("cuMemGetAllocationPropertiesFromHandle").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
                cuMemRetainAllocationHandle: get("cuMemRetainAllocationHandle").map(|p| core::mem::transmute::<*const c_void, unsafe extern "C" fn(_, _) -> u32>(p)),
            }
        }
    }
}
