//! Every name that the public runtime library exports, in versions 12.9 and 13.5, and what becomes of each.
//!
//! This is the one list: the functions that refuse are made from it, the served ones are checked against the code when it compiles,
//! and the exports of the built object are checked against it in `tests/exports.rs`. Names that have a signature in each version
//! are bound in `symbol_versions`.

use super::entry::refused;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Served.
    Full,
    /// Answered with `cudaErrorNotSupported`, for the reason given.
    Refused(&'static str),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The exported name.
    pub name: &'static str,
    /// Major versions of the library that have it.
    pub versions: &'static [u32],
    /// What becomes of a call.
    pub support: Support,
}

macro_rules! table {
    ($( served $module:ident { $( $served:ident: $($served_version:literal)+; )* } )*
     versioned { $( $versioned:ident: $($versioned_version:literal)+; )* }
     $( refused $reason:literal { $( $refused:ident: $($refused_version:literal)+; )* } )*) => {
        /// The table.
        pub const ROWS: &[Row] = &[
            $($( Row { name: stringify!($served), versions: &[$($served_version),+], support: Support::Full }, )*)*
            $( Row { name: stringify!($versioned), versions: &[$($versioned_version),+], support: Support::Full }, )*
            $($( Row { name: stringify!($refused), versions: &[$($refused_version),+], support: Support::Refused($reason) }, )*)*
        ];

        /// A served row without its function does not compile.
        const _: &[*const ()] = &[$($( super::$module::$served as *const (), )*)*];

        $($(
            /// Refused; the table says why.
            #[unsafe(no_mangle)]
            pub extern "C" fn $refused() -> u32 {
                refused(stringify!($refused), $reason)
            }
        )*)*
    };
}

table! {
    served array {
        cudaArrayGetInfo: 12 13;
        cudaFreeArray: 12 13;
        cudaFreeMipmappedArray: 12 13;
        cudaGetChannelDesc: 12 13;
        cudaGetMipmappedArrayLevel: 12 13;
        cudaMalloc3DArray: 12 13;
        cudaMallocArray: 12 13;
        cudaMallocMipmappedArray: 12 13;
    }
    served copy {
        cudaMemcpy: 12 13;
        cudaMemcpy2D: 12 13;
        cudaMemcpy2DArrayToArray: 12 13;
        cudaMemcpy2DArrayToArray_ptds: 12 13;
        cudaMemcpy2DAsync: 12 13;
        cudaMemcpy2DAsync_ptsz: 12 13;
        cudaMemcpy2DFromArray: 12 13;
        cudaMemcpy2DFromArrayAsync: 12 13;
        cudaMemcpy2DFromArrayAsync_ptsz: 12 13;
        cudaMemcpy2DFromArray_ptds: 12 13;
        cudaMemcpy2DToArray: 12 13;
        cudaMemcpy2DToArrayAsync: 12 13;
        cudaMemcpy2DToArrayAsync_ptsz: 12 13;
        cudaMemcpy2DToArray_ptds: 12 13;
        cudaMemcpy2D_ptds: 12 13;
        cudaMemcpy3D: 12 13;
        cudaMemcpy3DAsync: 12 13;
        cudaMemcpy3DAsync_ptsz: 12 13;
        cudaMemcpy3DPeer: 12 13;
        cudaMemcpy3DPeerAsync: 12 13;
        cudaMemcpy3DPeerAsync_ptsz: 12 13;
        cudaMemcpy3DPeer_ptds: 12 13;
        cudaMemcpy3D_ptds: 12 13;
        cudaMemcpyAsync: 12 13;
        cudaMemcpyAsync_ptsz: 12 13;
        cudaMemcpyFromSymbol: 12 13;
        cudaMemcpyFromSymbolAsync: 12 13;
        cudaMemcpyFromSymbolAsync_ptsz: 12 13;
        cudaMemcpyFromSymbol_ptds: 12 13;
        cudaMemcpyPeer: 12 13;
        cudaMemcpyPeerAsync: 12 13;
        cudaMemcpyToSymbol: 12 13;
        cudaMemcpyToSymbolAsync: 12 13;
        cudaMemcpyToSymbolAsync_ptsz: 12 13;
        cudaMemcpyToSymbol_ptds: 12 13;
        cudaMemcpy_ptds: 12 13;
    }
    served device {
        cudaChooseDevice: 12 13;
        cudaCreateChannelDesc: 12 13;
        cudaDeviceCanAccessPeer: 12 13;
        cudaDeviceDisablePeerAccess: 12 13;
        cudaDeviceEnablePeerAccess: 12 13;
        cudaDeviceFlushGPUDirectRDMAWrites: 12 13;
        cudaDeviceGetAttribute: 12 13;
        cudaDeviceGetByPCIBusId: 12 13;
        cudaDeviceGetCacheConfig: 12 13;
        cudaDeviceGetLimit: 12 13;
        cudaDeviceGetP2PAttribute: 12 13;
        cudaDeviceGetPCIBusId: 12 13;
        cudaDeviceGetSharedMemConfig: 12 13;
        cudaDeviceGetStreamPriorityRange: 12 13;
        cudaDeviceGetTexture1DLinearMaxWidth: 12 13;
        cudaDeviceReset: 12 13;
        cudaDeviceSetCacheConfig: 12 13;
        cudaDeviceSetLimit: 12 13;
        cudaDeviceSetSharedMemConfig: 12 13;
        cudaDeviceSynchronize: 12 13;
        cudaDriverGetVersion: 12 13;
        cudaGetDevice: 12 13;
        cudaGetDeviceCount: 12 13;
        cudaGetDeviceFlags: 12 13;
        cudaGetDeviceProperties_v2: 12;
        cudaGetErrorName: 12 13;
        cudaGetErrorString: 12 13;
        cudaGetLastError: 12 13;
        cudaInitDevice: 12 13;
        cudaPeekAtLastError: 12 13;
        cudaRuntimeGetVersion: 12 13;
        cudaSetDevice: 12 13;
        cudaSetDeviceFlags: 12 13;
        cudaSetValidDevices: 12 13;
        cudaThreadExit: 12;
        cudaThreadGetCacheConfig: 12;
        cudaThreadGetLimit: 12;
        cudaThreadSetCacheConfig: 12;
        cudaThreadSetLimit: 12;
        cudaThreadSynchronize: 12;
    }
    served graph {
        cudaGraphAddNode_v2: 12;
        cudaGraphAddChildGraphNode: 12 13;
        cudaGraphAddDependencies_v2: 12;
        cudaGraphAddEmptyNode: 12 13;
        cudaGraphAddEventRecordNode: 12 13;
        cudaGraphAddEventWaitNode: 12 13;
        cudaGraphAddHostNode: 12 13;
        cudaGraphAddKernelNode: 12 13;
        cudaGraphAddMemAllocNode: 12 13;
        cudaGraphAddMemFreeNode: 12 13;
        cudaGraphConditionalHandleCreate: 12 13;
        cudaGraphAddMemcpyNode: 12 13;
        cudaGraphAddMemcpyNode1D: 12 13;
        cudaGraphAddMemcpyNodeFromSymbol: 12 13;
        cudaGraphAddMemcpyNodeToSymbol: 12 13;
        cudaGraphAddMemsetNode: 12 13;
        cudaGraphChildGraphNodeGetGraph: 12 13;
        cudaGraphClone: 12 13;
        cudaGraphCreate: 12 13;
        cudaGraphDebugDotPrint: 12 13;
        cudaGraphDestroy: 12 13;
        cudaGraphDestroyNode: 12 13;
        cudaGraphEventRecordNodeGetEvent: 12 13;
        cudaGraphEventRecordNodeSetEvent: 12 13;
        cudaGraphEventWaitNodeGetEvent: 12 13;
        cudaGraphEventWaitNodeSetEvent: 12 13;
        cudaGraphExecChildGraphNodeSetParams: 12 13;
        cudaGraphExecDestroy: 12 13;
        cudaGraphExecEventRecordNodeSetEvent: 12 13;
        cudaGraphExecEventWaitNodeSetEvent: 12 13;
        cudaGraphExecGetFlags: 12 13;
        cudaGraphExecHostNodeSetParams: 12 13;
        cudaGraphExecKernelNodeSetParams: 12 13;
        cudaGraphExecMemcpyNodeSetParams: 12 13;
        cudaGraphExecMemcpyNodeSetParams1D: 12 13;
        cudaGraphExecMemcpyNodeSetParamsFromSymbol: 12 13;
        cudaGraphExecMemcpyNodeSetParamsToSymbol: 12 13;
        cudaGraphExecMemsetNodeSetParams: 12 13;
        cudaGraphExecUpdate: 12 13;
        cudaGraphGetEdges_v2: 12;
        cudaGraphGetNodes: 12 13;
        cudaGraphGetRootNodes: 12 13;
        cudaGraphHostNodeGetParams: 12 13;
        cudaGraphHostNodeSetParams: 12 13;
        cudaGraphInstantiate: 12 13;
        cudaGraphInstantiateWithFlags: 12 13;
        cudaGraphInstantiateWithParams: 12 13;
        cudaGraphInstantiateWithParams_ptsz: 12 13;
        cudaGraphKernelNodeCopyAttributes: 12 13;
        cudaGraphKernelNodeGetAttribute: 12 13;
        cudaGraphKernelNodeGetParams: 12 13;
        cudaGraphKernelNodeSetAttribute: 12 13;
        cudaGraphKernelNodeSetParams: 12 13;
        cudaGraphLaunch: 12 13;
        cudaGraphLaunch_ptsz: 12 13;
        cudaGraphMemAllocNodeGetParams: 12 13;
        cudaGraphMemFreeNodeGetParams: 12 13;
        cudaGraphMemcpyNodeGetParams: 12 13;
        cudaGraphMemcpyNodeSetParams: 12 13;
        cudaGraphMemcpyNodeSetParams1D: 12 13;
        cudaGraphMemcpyNodeSetParamsFromSymbol: 12 13;
        cudaGraphMemcpyNodeSetParamsToSymbol: 12 13;
        cudaGraphMemsetNodeGetParams: 12 13;
        cudaGraphMemsetNodeSetParams: 12 13;
        cudaGraphNodeFindInClone: 12 13;
        cudaGraphNodeGetDependencies_v2: 12;
        cudaGraphNodeGetDependentNodes_v2: 12;
        cudaGraphNodeGetEnabled: 12 13;
        cudaGraphNodeGetType: 12 13;
        cudaGraphNodeSetEnabled: 12 13;
        cudaGraphReleaseUserObject: 12 13;
        cudaGraphRemoveDependencies_v2: 12;
        cudaGraphRetainUserObject: 12 13;
        cudaGraphUpload: 12 13;
        cudaGraphUpload_ptsz: 12 13;
        cudaUserObjectCreate: 12 13;
        cudaUserObjectRelease: 12 13;
        cudaUserObjectRetain: 12 13;
    }
    served launch {
        __cudaLaunchKernel: 12 13;
        __cudaLaunchKernel_ptsz: 12 13;
        __cudaPopCallConfiguration: 12 13;
        __cudaPushCallConfiguration: 12 13;
        cudaFuncGetAttributes: 12 13;
        cudaFuncGetName: 12 13;
        cudaFuncGetParamCount: 13;
        cudaFuncGetParamInfo: 12 13;
        cudaFuncSetAttribute: 12 13;
        cudaFuncSetCacheConfig: 12 13;
        cudaFuncSetSharedMemConfig: 12 13;
        cudaGetDriverEntryPoint: 12 13;
        cudaGetDriverEntryPointByVersion: 12 13;
        cudaGetDriverEntryPointByVersion_ptsz: 12 13;
        cudaGetDriverEntryPoint_ptsz: 12 13;
        cudaGetKernel: 12 13;
        cudaKernelSetAttributeForDevice: 12 13;
        cudaLaunchCooperativeKernel: 12 13;
        cudaLaunchCooperativeKernel_ptsz: 12 13;
        cudaLaunchHostFunc: 12 13;
        cudaLaunchHostFunc_ptsz: 12 13;
        cudaLaunchKernel: 12 13;
        cudaLaunchKernelExC: 12 13;
        cudaLaunchKernelExC_ptsz: 12 13;
        cudaLaunchKernel_ptsz: 12 13;
        cudaLibraryEnumerateKernels: 12 13;
        cudaLibraryGetGlobal: 12 13;
        cudaLibraryGetKernel: 12 13;
        cudaLibraryGetKernelCount: 12 13;
        cudaLibraryGetManaged: 12 13;
        cudaLibraryGetUnifiedFunction: 12 13;
        cudaLibraryLoadData: 12 13;
        cudaLibraryLoadFromFile: 12 13;
        cudaLibraryUnload: 12 13;
        cudaOccupancyAvailableDynamicSMemPerBlock: 12 13;
        cudaOccupancyMaxActiveBlocksPerMultiprocessor: 12 13;
        cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags: 12 13;
        cudaOccupancyMaxActiveClusters: 12 13;
        cudaOccupancyMaxPotentialClusterSize: 12 13;
        cudaProfilerStart: 12 13;
        cudaProfilerStop: 12 13;
        cudaSetDoubleForDevice: 12;
        cudaSetDoubleForHost: 12;
    }
    served memory {
        cudaIpcOpenMemHandle: 12 13;
        cudaIpcOpenEventHandle: 12 13;
        cudaDeviceGetDefaultMemPool: 12 13;
        cudaDeviceGetGraphMemAttribute: 12 13;
        cudaDeviceGetMemPool: 12 13;
        cudaDeviceGraphMemTrim: 12 13;
        cudaDeviceSetGraphMemAttribute: 12 13;
        cudaDeviceSetMemPool: 12 13;
        cudaFree: 12 13;
        cudaFreeAsync: 12 13;
        cudaFreeAsync_ptsz: 12 13;
        cudaFreeHost: 12 13;
        cudaHostAlloc: 12 13;
        cudaHostGetDevicePointer: 12 13;
        cudaHostGetFlags: 12 13;
        cudaHostRegister: 12 13;
        cudaHostUnregister: 12 13;
        cudaIpcCloseMemHandle: 12 13;
        cudaIpcGetEventHandle: 12 13;
        cudaIpcGetMemHandle: 12 13;
        cudaMalloc: 12 13;
        cudaMalloc3D: 12 13;
        cudaMallocAsync: 12 13;
        cudaMallocAsync_ptsz: 12 13;
        cudaMallocFromPoolAsync: 12 13;
        cudaMallocFromPoolAsync_ptsz: 12 13;
        cudaMallocHost: 12 13;
        cudaMallocManaged: 12 13;
        cudaMallocPitch: 12 13;
        cudaMemAdvise_v2: 12;
        cudaMemGetInfo: 12 13;
        cudaMemPoolCreate: 12 13;
        cudaMemPoolDestroy: 12 13;
        cudaMemPoolExportPointer: 12 13;
        cudaMemPoolExportToShareableHandle: 12 13;
        cudaMemPoolGetAccess: 12 13;
        cudaMemPoolGetAttribute: 12 13;
        cudaMemPoolImportFromShareableHandle: 12 13;
        cudaMemPoolImportPointer: 12 13;
        cudaMemPoolSetAccess: 12 13;
        cudaMemPoolSetAttribute: 12 13;
        cudaMemPoolTrimTo: 12 13;
        cudaMemPrefetchAsync_v2: 12;
        cudaMemPrefetchAsync_v2_ptsz: 12;
        cudaMemRangeGetAttribute: 12 13;
        cudaMemRangeGetAttributes: 12 13;
        cudaMemset: 12 13;
        cudaMemset2D: 12 13;
        cudaMemset2DAsync: 12 13;
        cudaMemset2DAsync_ptsz: 12 13;
        cudaMemset2D_ptds: 12 13;
        cudaMemset3D: 12 13;
        cudaMemset3DAsync: 12 13;
        cudaMemset3DAsync_ptsz: 12 13;
        cudaMemset3D_ptds: 12 13;
        cudaMemsetAsync: 12 13;
        cudaMemsetAsync_ptsz: 12 13;
        cudaMemset_ptds: 12 13;
        cudaPointerGetAttributes: 12 13;
        cudaStreamAttachMemAsync: 12 13;
        cudaStreamAttachMemAsync_ptsz: 12 13;
    }
    served registry {
        __cudaGetKernel: 12 13;
        __cudaInitModule: 12 13;
        __cudaRegisterFatBinary: 12 13;
        __cudaRegisterFatBinaryEnd: 12 13;
        __cudaRegisterFunction: 12 13;
        __cudaRegisterHostVar: 12 13;
        __cudaRegisterManagedVar: 12 13;
        __cudaRegisterUnifiedTable: 12 13;
        __cudaRegisterVar: 12 13;
        __cudaUnregisterFatBinary: 12 13;
        cudaGetFuncBySymbol: 12 13;
        cudaGetSymbolAddress: 12 13;
        cudaGetSymbolSize: 12 13;
    }
    served stream {
        cudaCtxResetPersistingL2Cache: 12 13;
        cudaEventCreate: 12 13;
        cudaEventCreateWithFlags: 12 13;
        cudaEventDestroy: 12 13;
        cudaEventElapsedTime: 12 13;
        cudaEventElapsedTime_v2: 12;
        cudaEventQuery: 12 13;
        cudaEventRecord: 12 13;
        cudaEventRecordWithFlags: 12 13;
        cudaEventRecordWithFlags_ptsz: 12 13;
        cudaEventRecord_ptsz: 12 13;
        cudaEventSynchronize: 12 13;
        cudaStreamAddCallback: 12 13;
        cudaStreamAddCallback_ptsz: 12 13;
        cudaStreamBeginCapture: 12 13;
        cudaStreamBeginCaptureToGraph: 12 13;
        cudaStreamBeginCaptureToGraph_ptsz: 12 13;
        cudaStreamBeginCapture_ptsz: 12 13;
        cudaStreamCopyAttributes: 12 13;
        cudaStreamCopyAttributes_ptsz: 12 13;
        cudaStreamCreate: 12 13;
        cudaStreamCreateWithFlags: 12 13;
        cudaStreamCreateWithPriority: 12 13;
        cudaStreamDestroy: 12 13;
        cudaStreamEndCapture: 12 13;
        cudaStreamEndCapture_ptsz: 12 13;
        cudaStreamGetAttribute: 12 13;
        cudaStreamGetAttribute_ptsz: 12 13;
        cudaStreamGetCaptureInfo_v2: 12;
        cudaStreamGetCaptureInfo_v2_ptsz: 12;
        cudaStreamGetCaptureInfo_v3: 12;
        cudaStreamGetCaptureInfo_v3_ptsz: 12;
        cudaStreamGetDevice: 12 13;
        cudaStreamGetDevice_ptsz: 12 13;
        cudaStreamGetFlags: 12 13;
        cudaStreamGetFlags_ptsz: 12 13;
        cudaStreamGetId: 12 13;
        cudaStreamGetId_ptsz: 12 13;
        cudaStreamGetPriority: 12 13;
        cudaStreamGetPriority_ptsz: 12 13;
        cudaStreamIsCapturing: 12 13;
        cudaStreamIsCapturing_ptsz: 12 13;
        cudaStreamQuery: 12 13;
        cudaStreamQuery_ptsz: 12 13;
        cudaStreamSetAttribute: 12 13;
        cudaStreamSetAttribute_ptsz: 12 13;
        cudaStreamSynchronize: 12 13;
        cudaStreamSynchronize_ptsz: 12 13;
        cudaStreamUpdateCaptureDependencies_v2: 12;
        cudaStreamUpdateCaptureDependencies_v2_ptsz: 12;
        cudaStreamWaitEvent: 12 13;
        cudaStreamWaitEvent_ptsz: 12 13;
        cudaThreadExchangeStreamCaptureMode: 12 13;
    }
    served texture {
        cudaCreateTextureObject: 12 13;
        cudaDestroyTextureObject: 12 13;
        cudaGetTextureObjectResourceDesc: 12 13;
        cudaGetTextureObjectTextureDesc: 12 13;
        cudaGetTextureObjectResourceViewDesc: 12 13;
        cudaCreateSurfaceObject: 12 13;
        cudaDestroySurfaceObject: 12 13;
        cudaGetSurfaceObjectResourceDesc: 12 13;
    }
    versioned {
        cudaGraphAddNode: 12 13;
        cudaMemcpyBatchAsync: 12 13;
        cudaMemcpyBatchAsync_ptsz: 12 13;
        cudaGetDeviceProperties: 12 13;
        cudaGraphAddDependencies: 12 13;
        cudaGraphGetEdges: 12 13;
        cudaGraphNodeGetDependencies: 12 13;
        cudaGraphNodeGetDependentNodes: 12 13;
        cudaGraphRemoveDependencies: 12 13;
        cudaMemAdvise: 12 13;
        cudaMemPrefetchAsync: 12 13;
        cudaMemPrefetchAsync_ptsz: 12 13;
        cudaStreamGetCaptureInfo: 12 13;
        cudaStreamGetCaptureInfo_ptsz: 12 13;
        cudaStreamUpdateCaptureDependencies: 12 13;
        cudaStreamUpdateCaptureDependencies_ptsz: 12 13;
    }
    refused "undocumented interface between NVIDIA's own libraries" {
        __cudaGetProcAddress: 13;
        cudaGetExportTable: 12 13;
    }
    refused "planar and sparse arrays, and those with deferred mapping, are not translated yet" {
        cudaArrayGetMemoryRequirements: 12 13;
        cudaArrayGetPlane: 12 13;
        cudaArrayGetSparseProperties: 12 13;
        cudaMipmappedArrayGetMemoryRequirements: 12 13;
        cudaMipmappedArrayGetSparseProperties: 12 13;
    }
    refused "memory and semaphores of other programs live in this machine, the GPU in another" {
        cudaDestroyExternalMemory: 12 13;
        cudaDestroyExternalSemaphore: 12 13;
        cudaDeviceGetNvSciSyncAttributes: 12 13;
        cudaExternalMemoryGetMappedBuffer: 12 13;
        cudaExternalMemoryGetMappedMipmappedArray: 12 13;
        cudaGraphAddExternalSemaphoresSignalNode: 12 13;
        cudaGraphAddExternalSemaphoresWaitNode: 12 13;
        cudaGraphExecExternalSemaphoresSignalNodeSetParams: 12 13;
        cudaGraphExecExternalSemaphoresWaitNodeSetParams: 12 13;
        cudaGraphExternalSemaphoresSignalNodeGetParams: 12 13;
        cudaGraphExternalSemaphoresSignalNodeSetParams: 12 13;
        cudaGraphExternalSemaphoresWaitNodeGetParams: 12 13;
        cudaGraphExternalSemaphoresWaitNodeSetParams: 12 13;
        cudaImportExternalMemory: 12 13;
        cudaImportExternalSemaphore: 12 13;
        cudaSignalExternalSemaphoresAsync: 12 13;
        cudaSignalExternalSemaphoresAsync_ptsz: 12 13;
        cudaSignalExternalSemaphoresAsync_v2: 12;
        cudaSignalExternalSemaphoresAsync_v2_ptsz: 12;
        cudaWaitExternalSemaphoresAsync: 12 13;
        cudaWaitExternalSemaphoresAsync_ptsz: 12 13;
        cudaWaitExternalSemaphoresAsync_v2: 12;
        cudaWaitExternalSemaphoresAsync_v2_ptsz: 12;
    }
    refused "green contexts are not served" {
        cudaDevResourceGenerateDesc: 13;
        cudaDevSmResourceSplit: 13;
        cudaDevSmResourceSplitByCount: 13;
        cudaDeviceGetDevResource: 13;
        cudaDeviceGetExecutionCtx: 13;
        cudaExecutionCtxDestroy: 13;
        cudaExecutionCtxGetDevResource: 13;
        cudaExecutionCtxGetDevice: 13;
        cudaExecutionCtxGetId: 13;
        cudaExecutionCtxRecordEvent: 13;
        cudaExecutionCtxStreamCreate: 13;
        cudaExecutionCtxSynchronize: 13;
        cudaExecutionCtxWaitEvent: 13;
        cudaGreenCtxCreate: 13;
        cudaStreamGetDevResource: 13;
        cudaStreamGetDevResource_ptsz: 13;
        cudaSubgridCreate: 13;
        cudaSubgridWorkerGridCreate: 13;
        cudaSubgridWorksetCreate: 13;
    }
    refused "new in CUDA 13 and not translated yet" {
        cudaDeviceGetHostAtomicCapabilities: 13;
        cudaDeviceGetP2PAtomicCapabilities: 13;
        cudaLaunchHostFunc_v2: 13;
        cudaLaunchHostFunc_v2_ptsz: 13;
        cudaMemGetDefaultMemPool: 13;
        cudaMemGetLocationInfo: 13;
        cudaMemGetMemPool: 13;
        cudaMemSetMemPool: 13;
        cudaStreamBeginRecaptureToGraph: 13;
        cudaStreamBeginRecaptureToGraph_ptsz: 13;
    }
    refused "the serving machine's notifications do not travel" {
        cudaDeviceRegisterAsyncNotification: 12 13;
        cudaDeviceUnregisterAsyncNotification: 12 13;
    }
    refused "graphics interoperation needs a display's GPU in this machine" {
        cudaEGLStreamConsumerAcquireFrame: 12 13;
        cudaEGLStreamConsumerConnect: 12 13;
        cudaEGLStreamConsumerConnectWithFlags: 12 13;
        cudaEGLStreamConsumerDisconnect: 12 13;
        cudaEGLStreamConsumerReleaseFrame: 12 13;
        cudaEGLStreamProducerConnect: 12 13;
        cudaEGLStreamProducerDisconnect: 12 13;
        cudaEGLStreamProducerPresentFrame: 12 13;
        cudaEGLStreamProducerReturnFrame: 12 13;
        cudaEventCreateFromEGLSync: 12 13;
        cudaGLGetDevices: 12 13;
        cudaGLMapBufferObject: 12 13;
        cudaGLMapBufferObjectAsync: 12 13;
        cudaGLRegisterBufferObject: 12 13;
        cudaGLSetBufferObjectMapFlags: 12 13;
        cudaGLSetGLDevice: 12 13;
        cudaGLUnmapBufferObject: 12 13;
        cudaGLUnmapBufferObjectAsync: 12 13;
        cudaGLUnregisterBufferObject: 12 13;
        cudaGraphicsEGLRegisterImage: 12 13;
        cudaGraphicsGLRegisterBuffer: 12 13;
        cudaGraphicsGLRegisterImage: 12 13;
        cudaGraphicsMapResources: 12 13;
        cudaGraphicsResourceGetMappedEglFrame: 12 13;
        cudaGraphicsResourceGetMappedMipmappedArray: 12 13;
        cudaGraphicsResourceGetMappedPointer: 12 13;
        cudaGraphicsResourceSetMapFlags: 12 13;
        cudaGraphicsSubResourceGetMappedArray: 12 13;
        cudaGraphicsUnmapResources: 12 13;
        cudaGraphicsUnregisterResource: 12 13;
        cudaGraphicsVDPAURegisterOutputSurface: 12 13;
        cudaGraphicsVDPAURegisterVideoSurface: 12 13;
        cudaVDPAUGetDevice: 12 13;
        cudaVDPAUSetVDPAUDevice: 12 13;
    }
    refused "the union of all node kinds is not translated; the calls for each kind are" {
        cudaGraphExecNodeSetParams: 12 13;
        cudaGraphNodeGetParams: 13;
        cudaGraphNodeSetParams: 12 13;
    }
    refused "execution contexts are not served" {
        cudaGraphConditionalHandleCreate_v2: 13;
    }
    refused "identifiers for tools are not kept" {
        cudaGraphExecGetId: 13;
        cudaGraphGetId: 13;
        cudaGraphNodeGetContainingGraph: 13;
        cudaGraphNodeGetLocalId: 13;
        cudaGraphNodeGetToolsId: 13;
    }
    refused "removed in CUDA 13" {
        cudaLaunchCooperativeKernelMultiDevice: 12;
    }
    refused "the driver's log belongs to the serving machine" {
        cudaLogsCurrent: 13;
        cudaLogsDumpToFile: 13;
        cudaLogsDumpToMemory: 13;
        cudaLogsRegisterCallback: 13;
        cudaLogsUnregisterCallback: 13;
    }
    refused "only plain batches of copies are translated; single copies and prefetches are" {
        cudaMemDiscardAndPrefetchBatchAsync: 13;
        cudaMemDiscardAndPrefetchBatchAsync_ptsz: 13;
        cudaMemDiscardBatchAsync: 13;
        cudaMemDiscardBatchAsync_ptsz: 13;
        cudaMemPrefetchBatchAsync: 13;
        cudaMemPrefetchBatchAsync_ptsz: 13;
        cudaMemcpy3DBatchAsync: 12 13;
        cudaMemcpy3DBatchAsync_ptsz: 12 13;
        cudaMemcpy3DWithAttributesAsync: 13;
        cudaMemcpy3DWithAttributesAsync_ptsz: 13;
        cudaMemcpyWithAttributesAsync: 13;
        cudaMemcpyWithAttributesAsync_ptsz: 13;
    }
    refused "deprecated copies of arrays by byte offset; the two-dimensional ones are served" {
        cudaMemcpyArrayToArray: 12 13;
        cudaMemcpyArrayToArray_ptds: 12 13;
        cudaMemcpyFromArray: 12 13;
        cudaMemcpyFromArrayAsync: 12 13;
        cudaMemcpyFromArrayAsync_ptsz: 12 13;
        cudaMemcpyFromArray_ptds: 12 13;
        cudaMemcpyToArray: 12 13;
        cudaMemcpyToArrayAsync: 12 13;
        cudaMemcpyToArrayAsync_ptsz: 12 13;
        cudaMemcpyToArray_ptds: 12 13;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_stands_once_and_versioned_ones_have_a_function_for_each_version() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for name in super::super::symbol_versions::NAMES {
            let row = ROWS.iter().find(|row| row.name == *name).expect("a row");
            assert_eq!(row.versions, [12, 13], "{name}");
        }
    }
}
