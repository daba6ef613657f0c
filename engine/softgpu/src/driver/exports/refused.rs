//! What this device does not do: each symbol exists, says so with CUDA_ERROR_NOT_SUPPORTED, and logs it once.
//!
//! The unversioned names of functions with a `_v2` are the forms of CUDA 3.1 and before, with 32-bit addresses and sizes; no 64-bit program calls them.

use crate::driver::entry::enter;
use crate::driver::result::CUresult;
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! refused {
    ($($(#[$family:meta])* $name:ident)*) => {$(
        /// Refused with CUDA_ERROR_NOT_SUPPORTED.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub extern "C" fn $name() -> CUresult {
            static SAID: AtomicBool = AtomicBool::new(false);
            enter(stringify!($name), |_| {}, |_| {}, || {
                if !SAID.swap(true, Ordering::Relaxed) {
                    tracing::debug!(concat!(stringify!($name), " is not supported by the software GPU"));
                }
                Err(CUresult::NOT_SUPPORTED)
            })
        }
    )*};
}

refused! {
    // checkpoint
    cuCheckpointProcessGetRestoreThreadId cuCheckpointProcessGetState cuCheckpointProcessLock cuCheckpointProcessCheckpoint
    cuCheckpointProcessRestore cuCheckpointOperationComplete cuCheckpointProcessUnlock
    // coredump
    cuCoredumpGetAttribute cuCoredumpGetAttributeGlobal cuCoredumpSetAttribute cuCoredumpSetAttributeGlobal
    cuCoredumpRegisterStartCallback cuCoredumpRegisterCompleteCallback cuCoredumpDeregisterStartCallback
    cuCoredumpDeregisterCompleteCallback
    // devices
    cuDeviceGetLuid cuDeviceGetNvSciSyncAttributes cuDeviceTotalMem
    // egl-interop
    cuGraphicsEGLRegisterImage cuEGLStreamConsumerConnect cuEGLStreamConsumerConnectWithFlags cuEGLStreamConsumerDisconnect
    cuEGLStreamConsumerAcquireFrame cuEGLStreamConsumerReleaseFrame cuEGLStreamProducerConnect cuEGLStreamProducerDisconnect
    cuEGLStreamProducerPresentFrame cuEGLStreamProducerReturnFrame cuGraphicsResourceGetMappedEglFrame cuEventCreateFromEGLSync
    // error-log
    cuLogsDumpToFile
    // execution-deprecated
    cuFuncSetBlockShape cuFuncSetSharedSize cuParamSetSize cuParamSeti cuParamSetf cuParamSetv cuLaunch cuLaunchGrid cuLaunchGridAsync
    cuLaunchCooperativeKernelMultiDevice cuParamSetTexRef
    // external-resources
    cuImportExternalMemory cuExternalMemoryGetMappedBuffer cuExternalMemoryGetMappedMipmappedArray cuDestroyExternalMemory
    cuImportExternalSemaphore cuSignalExternalSemaphoresAsync_ptsz cuWaitExternalSemaphoresAsync_ptsz cuDestroyExternalSemaphore
    cuSignalExternalSemaphoresAsync cuWaitExternalSemaphoresAsync
    // fabric-clique
    cuDeviceGetFabricClusterUuid cuDeviceGetCliqueCount cuDeviceGetCliqueInfo
    // fabric-copy
    cuFabricCpyBatchAsync_ptsz cuFabricCpyBatchAsync
    // gl-interop
    cuGraphicsGLRegisterBuffer cuGraphicsGLRegisterImage cuGLGetDevices cuGLCtxCreate cuGLInit cuGLRegisterBufferObject
    cuGLMapBufferObject cuGLUnmapBufferObject cuGLUnregisterBufferObject cuGLSetBufferObjectMapFlags cuGLMapBufferObjectAsync
    cuGLUnmapBufferObjectAsync cuGLMapBufferObject_v2 cuGLMapBufferObjectAsync_v2
    // graphics-interop
    cuGraphicsUnregisterResource cuGraphicsSubResourceGetMappedArray cuGraphicsResourceGetMappedMipmappedArray
    cuGraphicsResourceGetMappedPointer_v2 cuGraphicsResourceSetMapFlags_v2 cuGraphicsMapResources_ptsz cuGraphicsUnmapResources_ptsz
    cuGraphicsResourceSetMapFlags cuGraphicsResourceGetMappedPointer cuGraphicsMapResources cuGraphicsUnmapResources
    // graphs
    cuGraphAddExternalSemaphoresSignalNode cuGraphExternalSemaphoresSignalNodeGetParams cuGraphExternalSemaphoresSignalNodeSetParams
    cuGraphAddExternalSemaphoresWaitNode cuGraphExternalSemaphoresWaitNodeGetParams cuGraphExternalSemaphoresWaitNodeSetParams
    cuGraphExecExternalSemaphoresSignalNodeSetParams cuGraphExecExternalSemaphoresWaitNodeSetParams
    // green-contexts
    cuGreenCtxCreate cuGreenCtxDestroy cuCtxFromGreenCtx cuDeviceGetDevResource cuCtxGetDevResource cuGreenCtxGetDevResource
    cuDevSmResourceSplitByCount cuDevSmResourceSplit cuDevResourceGenerateDesc cuGreenCtxRecordEvent cuGreenCtxWaitEvent
    cuStreamGetGreenCtx cuGreenCtxStreamCreate cuGreenCtxGetId cuStreamGetDevResource_ptsz cuStreamGetDevResource
    // logical-endpoints
    cuLogicalEndpointIdReserve cuLogicalEndpointIdRelease cuLogicalEndpointCreate cuLogicalEndpointAddDevice cuLogicalEndpointDestroy
    cuLogicalEndpointBindAddr cuLogicalEndpointBindMem cuLogicalEndpointUnbind cuLogicalEndpointExport cuLogicalEndpointImport
    cuLogicalEndpointGetLimits cuLogicalEndpointQuery
    // memory
    cuDeviceRegisterAsyncNotification cuDeviceUnregisterAsyncNotification
    cuMemGetHandleForAddressRange cuMemBatchDecompressAsync_ptsz cuMemGetLocationInfo cuMemHostRegister
    cuMemGetInfo cuMemAlloc cuMemAllocPitch cuMemFree cuMemGetAddressRange cuMemAllocHost cuMemHostGetDevicePointer cuMemcpyHtoD
    cuMemcpyDtoH cuMemcpyDtoD cuMemcpyDtoA cuMemcpyAtoD cuMemcpyHtoA cuMemcpyAtoH cuMemcpyAtoA cuMemcpyHtoAAsync cuMemcpyAtoHAsync
    cuMemcpy2D cuMemcpy2DUnaligned cuMemcpy3D cuMemcpyHtoDAsync cuMemcpyDtoHAsync cuMemcpyDtoDAsync cuMemcpy2DAsync cuMemcpy3DAsync
    cuMemsetD8 cuMemsetD16 cuMemsetD32 cuMemsetD2D8 cuMemsetD2D16 cuMemsetD2D32 cuArrayCreate cuArrayGetDescriptor cuArray3DCreate
    cuArray3DGetDescriptor
    cuMemBatchDecompressAsync
    // modules+linker
    cuModuleGetGlobal
    // multicast
    cuMulticastCreate cuMulticastAddDevice cuMulticastBindMem cuMulticastBindMem_v2 cuMulticastBindAddr cuMulticastBindAddr_v2
    cuMulticastUnbind cuMulticastGetGranularity
    // streams
    cuStreamBeginCaptureToCig_ptsz cuStreamEndCaptureToCig_ptsz cuStreamBeginRecaptureToGraph_ptsz cuStreamBeginRecaptureToGraph
    cuStreamBeginCaptureToCig cuStreamEndCaptureToCig
    // tensor-maps
    cuTensorMapEncodeTiled cuTensorMapEncodeIm2col cuTensorMapEncodeIm2colWide cuTensorMapReplaceAddress cuTensorMapSetAllocationClass
    // texture-refs-deprecated
    cuTexRefSetAddress cuTexRefSetAddress2D cuTexRefGetAddress
    // vdpau-interop
    cuVDPAUGetDevice cuVDPAUCtxCreate cuGraphicsVDPAURegisterVideoSurface cuGraphicsVDPAURegisterOutputSurface
    // virtual-memory
    cuMemMapArrayAsync_ptsz cuMemMapArrayAsync
}
