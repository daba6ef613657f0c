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
    cuDeviceGetLuid cuDeviceGetHostAtomicCapabilities cuDeviceGetNvSciSyncAttributes cuDeviceTotalMem
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
    cuMemcpyDtoA_v2_ptds cuMemcpyAtoD_v2_ptds cuMemcpyHtoA_v2_ptds cuMemcpyAtoH_v2_ptds
    cuMemcpyAtoA_v2_ptds cuMemcpyHtoAAsync_v2_ptsz cuMemcpyAtoHAsync_v2_ptsz
    cuArrayCreate_v2 cuArrayGetDescriptor_v2
    cuArrayGetSparseProperties cuMipmappedArrayGetSparseProperties cuArrayGetMemoryRequirements cuMipmappedArrayGetMemoryRequirements
    cuArrayGetPlane cuArrayDestroy cuArray3DCreate_v2 cuArray3DGetDescriptor_v2 cuMipmappedArrayCreate cuMipmappedArrayGetLevel
    cuMipmappedArrayDestroy cuMemGetHandleForAddressRange cuMemBatchDecompressAsync_ptsz cuMemGetLocationInfo cuMemHostRegister
    cuMemGetInfo cuMemAlloc cuMemAllocPitch cuMemFree cuMemGetAddressRange cuMemAllocHost cuMemHostGetDevicePointer cuMemcpyHtoD
    cuMemcpyDtoH cuMemcpyDtoD cuMemcpyDtoA cuMemcpyAtoD cuMemcpyHtoA cuMemcpyAtoH cuMemcpyAtoA cuMemcpyHtoAAsync cuMemcpyAtoHAsync
    cuMemcpy2D cuMemcpy2DUnaligned cuMemcpy3D cuMemcpyHtoDAsync cuMemcpyDtoHAsync cuMemcpyDtoDAsync cuMemcpy2DAsync cuMemcpy3DAsync
    cuMemsetD8 cuMemsetD16 cuMemsetD32 cuMemsetD2D8 cuMemsetD2D16 cuMemsetD2D32 cuArrayCreate cuArrayGetDescriptor cuArray3DCreate
    cuArray3DGetDescriptor cuMemcpyDtoA_v2 cuMemcpyAtoD_v2 cuMemcpyHtoA_v2 cuMemcpyAtoH_v2 cuMemcpyAtoA_v2 cuMemcpyHtoAAsync_v2
    cuMemcpyAtoHAsync_v2
    cuMemBatchDecompressAsync
    // modules+linker
    cuModuleGetGlobal
    // modules-deprecated
    cuModuleGetTexRef cuModuleGetSurfRef
    // multicast
    cuMulticastCreate cuMulticastAddDevice cuMulticastBindMem cuMulticastBindMem_v2 cuMulticastBindAddr cuMulticastBindAddr_v2
    cuMulticastUnbind cuMulticastGetGranularity
    // peer-access
    cuDeviceGetP2PAtomicCapabilities
    // streams
    cuStreamBeginCaptureToCig_ptsz cuStreamEndCaptureToCig_ptsz cuStreamBeginRecaptureToGraph_ptsz cuStreamBeginRecaptureToGraph
    cuStreamBeginCaptureToCig cuStreamEndCaptureToCig
    // surface-objects
    cuSurfObjectCreate cuSurfObjectDestroy cuSurfObjectGetResourceDesc
    // surface-refs-deprecated
    cuSurfRefSetArray cuSurfRefGetArray
    // tensor-maps
    cuTensorMapEncodeTiled cuTensorMapEncodeIm2col cuTensorMapEncodeIm2colWide cuTensorMapReplaceAddress cuTensorMapSetAllocationClass
    // texture-objects
    cuTexObjectCreate cuTexObjectDestroy cuTexObjectGetResourceDesc cuTexObjectGetTextureDesc cuTexObjectGetResourceViewDesc
    // texture-refs-deprecated
    cuTexRefSetArray cuTexRefSetMipmappedArray cuTexRefSetAddress_v2 cuTexRefSetAddress2D_v3 cuTexRefSetFormat cuTexRefSetAddressMode
    cuTexRefSetFilterMode cuTexRefSetMipmapFilterMode cuTexRefSetMipmapLevelBias cuTexRefSetMipmapLevelClamp cuTexRefSetMaxAnisotropy
    cuTexRefSetBorderColor cuTexRefSetFlags cuTexRefGetAddress_v2 cuTexRefGetArray cuTexRefGetMipmappedArray cuTexRefGetAddressMode
    cuTexRefGetFilterMode cuTexRefGetFormat cuTexRefGetMipmapFilterMode cuTexRefGetMipmapLevelBias cuTexRefGetMipmapLevelClamp
    cuTexRefGetMaxAnisotropy cuTexRefGetBorderColor cuTexRefGetFlags cuTexRefCreate cuTexRefDestroy cuTexRefSetAddress2D_v2
    cuTexRefSetAddress cuTexRefSetAddress2D cuTexRefGetAddress
    // vdpau-interop
    cuVDPAUGetDevice cuVDPAUCtxCreate cuGraphicsVDPAURegisterVideoSurface cuGraphicsVDPAURegisterOutputSurface
    // virtual-memory
    cuMemMapArrayAsync_ptsz cuMemMapArrayAsync
}
