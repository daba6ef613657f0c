//! The driver API as the runtime and NVML see it: a table of functions.
//!
//! The CUDA runtime and NVML in this object are written on the public driver API and on nothing else. They reach it through
//! [`Driver`] only, which is filled once, on first use:
//!
//! * normally from this object's own exports, so that a runtime call becomes a remote driver call;
//! * where `RINGWAY_DIRECT` names a library, from that library. The runtime then runs on the software GPU, or on a real
//!   `libcuda.so.1`, with no network between: this is how it is developed and tested, and how a result seen through the network
//!   is compared with the same result without it.
//!
//! A name that the driver lacks becomes a function that returns `CUDA_ERROR_NOT_SUPPORTED`, so no caller has to ask.

use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::OnceLock;

/// `CUDA_SUCCESS`.
pub const SUCCESS: u32 = 0;
/// `CUDA_ERROR_NOT_SUPPORTED`.
pub const NOT_SUPPORTED: u32 = 801;

/// The result of looking for a driver: the table, or the `CUresult` that stands for its absence.
static DRIVER: OnceLock<Result<Driver, u32>> = OnceLock::new();

/// `CUipcMemHandle` and `CUipcEventHandle`: 64 bytes that mean something to the driver only, passed by value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IpcHandle {
    reserved: [u64; 8],
}

macro_rules! driver {
    ($( $(#[$doc:meta])* $name:ident ( $($arg:ident : $ty:ty),* $(,)? ) )*) => {
        /// Entry points of the driver, by the exact name of the exported symbol. Device pointers and handles are `u64`,
        /// results are `CUresult` as `u32`.
        #[allow(non_snake_case)]
        pub struct Driver { $( $(#[$doc])* pub $name: unsafe extern "C" fn($($ty),*) -> u32, )* }

        impl Driver {
            /// The names in the table.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Fills the table from `library`, a handle that `dlopen` returned.
            fn fill(library: *mut c_void) -> Driver {
                $(
                    #[allow(non_snake_case)]
                    unsafe extern "C" fn $name($(_: $ty),*) -> u32 { NOT_SUPPORTED }
                )*
                Driver { $( $name: {
                    let address = lookup(library, concat!(stringify!($name), "\0"));
                    if address.is_null() {
                        $name
                    } else {
                        // SAFETY: the symbol is the driver's function of that name, whose C prototype this row restates in
                        // plain integers and pointers; both have the same calling convention and register classes.
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($ty),*) -> u32>(address) }
                    }
                }, )* }
            }
        }
    };
}

driver! {
    cuInit(flags: u32)
    cuDriverGetVersion(version: *mut i32)
    cuGetProcAddress_v2(name: *const c_char, address: *mut *mut c_void, version: i32, flags: u64, status: *mut u32)
    cuGetErrorName(error: u32, name: *mut *const c_char)
    cuGetErrorString(error: u32, text: *mut *const c_char)

    cuDeviceGetCount(count: *mut i32)
    cuDeviceGet(device: *mut i32, ordinal: i32)
    cuDeviceGetName(name: *mut c_char, len: i32, device: i32)
    cuDeviceGetUuid_v2(uuid: *mut u8, device: i32)
    cuDeviceGetLuid(luid: *mut c_char, mask: *mut u32, device: i32)
    cuDeviceTotalMem_v2(bytes: *mut usize, device: i32)
    cuDeviceGetAttribute(value: *mut i32, attribute: i32, device: i32)
    cuDeviceGetPCIBusId(id: *mut c_char, len: i32, device: i32)
    cuDeviceGetByPCIBusId(device: *mut i32, id: *const c_char)
    cuDeviceCanAccessPeer(can: *mut i32, device: i32, peer: i32)
    cuDeviceGetP2PAttribute(value: *mut i32, attribute: u32, source: i32, destination: i32)
    cuDeviceGetDefaultMemPool(pool: *mut u64, device: i32)
    cuDeviceGetMemPool(pool: *mut u64, device: i32)
    cuDeviceSetMemPool(device: i32, pool: u64)
    cuDeviceGetTexture1DLinearMaxWidth(width: *mut usize, format: u32, channels: u32, device: i32)
    cuDeviceGetGraphMemAttribute(device: i32, attribute: u32, value: *mut c_void)
    cuDeviceSetGraphMemAttribute(device: i32, attribute: u32, value: *mut c_void)
    cuDeviceGraphMemTrim(device: i32)
    cuDevicePrimaryCtxRetain(context: *mut u64, device: i32)
    cuDevicePrimaryCtxRelease_v2(device: i32)
    cuDevicePrimaryCtxReset_v2(device: i32)
    cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32)
    cuDevicePrimaryCtxGetState(device: i32, flags: *mut u32, active: *mut i32)
    cuFlushGPUDirectRDMAWrites(target: u32, scope: u32)

    cuCtxGetCurrent(context: *mut u64)
    cuCtxSetCurrent(context: u64)
    cuCtxGetDevice(device: *mut i32)
    cuCtxGetFlags(flags: *mut u32)
    cuCtxSynchronize()
    cuCtxGetLimit(value: *mut usize, limit: u32)
    cuCtxSetLimit(limit: u32, value: usize)
    cuCtxGetCacheConfig(config: *mut u32)
    cuCtxSetCacheConfig(config: u32)
    cuCtxGetStreamPriorityRange(least: *mut i32, greatest: *mut i32)
    cuCtxResetPersistingL2Cache()
    cuCtxEnablePeerAccess(peer: u64, flags: u32)
    cuCtxDisablePeerAccess(peer: u64)

    cuModuleLoadData(module: *mut u64, image: *const c_void)
    cuModuleLoadDataEx(module: *mut u64, image: *const c_void, count: u32, options: *mut u32, values: *mut *mut c_void)
    cuModuleLoadFatBinary(module: *mut u64, image: *const c_void)
    cuModuleUnload(module: u64)
    cuModuleGetFunction(function: *mut u64, module: u64, name: *const c_char)
    cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: u64, name: *const c_char)
    cuLinkCreate_v2(count: u32, options: *mut u32, values: *mut *mut c_void, state: *mut u64)
    cuLinkAddData_v2(state: u64, kind: u32, data: *const c_void, bytes: usize, name: *const c_char, count: u32, options: *mut u32, values: *mut *mut c_void)
    cuLinkComplete(state: u64, image: *mut *const c_void, bytes: *mut usize)
    cuLinkDestroy(state: u64)
    cuLibraryLoadData(library: *mut u64, image: *const c_void, jit: *mut u32, jit_values: *mut *mut c_void, jit_count: u32, options: *mut u32, values: *mut *mut c_void, count: u32)
    cuLibraryLoadFromFile(library: *mut u64, file: *const c_char, jit: *mut u32, jit_values: *mut *mut c_void, jit_count: u32, options: *mut u32, values: *mut *mut c_void, count: u32)
    cuLibraryUnload(library: u64)
    cuLibraryGetKernel(kernel: *mut u64, library: u64, name: *const c_char)
    cuLibraryGetKernelCount(count: *mut u32, library: u64)
    cuLibraryEnumerateKernels(kernels: *mut u64, count: u32, library: u64)
    cuLibraryGetGlobal(address: *mut u64, bytes: *mut usize, library: u64, name: *const c_char)
    cuLibraryGetManaged(address: *mut u64, bytes: *mut usize, library: u64, name: *const c_char)
    cuLibraryGetUnifiedFunction(address: *mut *mut c_void, library: u64, name: *const c_char)
    cuKernelGetFunction(function: *mut u64, kernel: u64)
    cuKernelSetAttribute(attribute: u32, value: i32, kernel: u64, device: i32)

    cuFuncGetAttribute(value: *mut i32, attribute: u32, function: u64)
    cuFuncSetAttribute(function: u64, attribute: u32, value: i32)
    cuFuncSetCacheConfig(function: u64, config: u32)
    cuFuncGetName(name: *mut *const c_char, function: u64)
    cuFuncGetParamCount(function: u64, count: *mut usize)
    cuFuncGetParamInfo(function: u64, index: usize, offset: *mut usize, bytes: *mut usize)
    cuLaunchKernel(function: u64, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32, shared_bytes: u32, stream: u64, params: *mut *mut c_void, extra: *mut *mut c_void)
    cuLaunchCooperativeKernel(function: u64, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32, shared_bytes: u32, stream: u64, params: *mut *mut c_void)
    cuLaunchKernelEx(config: *const c_void, function: u64, params: *mut *mut c_void, extra: *mut *mut c_void)
    cuLaunchHostFunc(stream: u64, function: *mut c_void, data: *mut c_void)
    cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks: *mut i32, function: u64, block_size: i32, shared_bytes: usize)
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks: *mut i32, function: u64, block_size: i32, shared_bytes: usize, flags: u32)
    cuOccupancyAvailableDynamicSMemPerBlock(bytes: *mut usize, function: u64, blocks: i32, block_size: i32)
    cuOccupancyMaxActiveClusters(clusters: *mut i32, function: u64, config: *const c_void)
    cuOccupancyMaxPotentialClusterSize(size: *mut i32, function: u64, config: *const c_void)

    cuMemGetInfo_v2(free: *mut usize, total: *mut usize)
    cuMemAlloc_v2(address: *mut u64, bytes: usize)
    cuMemAllocPitch_v2(address: *mut u64, pitch: *mut usize, width_bytes: usize, height: usize, element_bytes: u32)
    cuMemFree_v2(address: u64)
    cuMemAllocManaged(address: *mut u64, bytes: usize, flags: u32)
    cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: u32)
    cuMemFreeHost(address: *mut c_void)
    cuMemHostRegister_v2(address: *mut c_void, bytes: usize, flags: u32)
    cuMemHostUnregister(address: *mut c_void)
    cuMemHostGetDevicePointer_v2(device: *mut u64, host: *mut c_void, flags: u32)
    cuMemHostGetFlags(flags: *mut u32, host: *mut c_void)
    cuMemAllocAsync(address: *mut u64, bytes: usize, stream: u64)
    cuMemAllocFromPoolAsync(address: *mut u64, bytes: usize, pool: u64, stream: u64)
    cuMemFreeAsync(address: u64, stream: u64)
    cuMemPoolCreate(pool: *mut u64, properties: *const c_void)
    cuMemPoolDestroy(pool: u64)
    cuMemPoolTrimTo(pool: u64, keep_bytes: usize)
    cuMemPoolSetAttribute(pool: u64, attribute: u32, value: *mut c_void)
    cuMemPoolGetAttribute(pool: u64, attribute: u32, value: *mut c_void)
    cuMemPoolSetAccess(pool: u64, access: *const c_void, count: usize)
    cuMemPoolGetAccess(flags: *mut u32, pool: u64, location: *mut c_void)
    cuMemPoolExportToShareableHandle(handle: *mut c_void, pool: u64, kind: u32, flags: u64)
    cuMemPoolImportFromShareableHandle(pool: *mut u64, handle: *mut c_void, kind: u32, flags: u64)
    cuMemPoolExportPointer(data: *mut c_void, address: u64)
    cuMemPoolImportPointer(address: *mut u64, pool: u64, data: *mut c_void)
    cuPointerGetAttributes(count: u32, attributes: *mut u32, data: *mut *mut c_void, address: u64)
    cuMemPrefetchAsync_v2(address: u64, bytes: usize, location: u64, flags: u32, stream: u64)
    cuMemAdvise_v2(address: u64, bytes: usize, advice: u32, location: u64)
    cuMemRangeGetAttribute(data: *mut c_void, data_bytes: usize, attribute: u32, address: u64, bytes: usize)
    cuMemRangeGetAttributes(data: *mut *mut c_void, data_bytes: *mut usize, attributes: *mut u32, count: usize, address: u64, bytes: usize)
    cuStreamAttachMemAsync(stream: u64, address: u64, bytes: usize, flags: u32)
    cuIpcGetMemHandle(handle: *mut c_void, address: u64)
    cuIpcCloseMemHandle(address: u64)
    cuIpcOpenMemHandle_v2(address: *mut u64, handle: IpcHandle, flags: u32)
    cuIpcGetEventHandle(handle: *mut c_void, event: u64)
    cuIpcOpenEventHandle(event: *mut u64, handle: IpcHandle)

    cuMemcpy(destination: u64, source: u64, bytes: usize)
    cuMemcpyAsync(destination: u64, source: u64, bytes: usize, stream: u64)
    cuMemcpyHtoD_v2(destination: u64, source: *const c_void, bytes: usize)
    cuMemcpyDtoH_v2(destination: *mut c_void, source: u64, bytes: usize)
    cuMemcpyDtoD_v2(destination: u64, source: u64, bytes: usize)
    cuMemcpyHtoDAsync_v2(destination: u64, source: *const c_void, bytes: usize, stream: u64)
    cuMemcpyDtoHAsync_v2(destination: *mut c_void, source: u64, bytes: usize, stream: u64)
    cuMemcpyDtoDAsync_v2(destination: u64, source: u64, bytes: usize, stream: u64)
    cuMemcpyPeer(destination: u64, destination_context: u64, source: u64, source_context: u64, bytes: usize)
    cuMemcpyPeerAsync(destination: u64, destination_context: u64, source: u64, source_context: u64, bytes: usize, stream: u64)
    cuMemcpy2DUnaligned_v2(copy: *const c_void)
    cuMemcpy2DAsync_v2(copy: *const c_void, stream: u64)
    cuMemcpy3D_v2(copy: *const c_void)
    cuMemcpy3DAsync_v2(copy: *const c_void, stream: u64)
    cuMemcpy3DPeer(copy: *const c_void)
    cuMemcpy3DPeerAsync(copy: *const c_void, stream: u64)
    cuMemsetD8_v2(address: u64, value: u8, count: usize)
    cuMemsetD8Async(address: u64, value: u8, count: usize, stream: u64)
    cuMemsetD2D8_v2(address: u64, pitch: usize, value: u8, width: usize, height: usize)
    cuMemsetD2D8Async(address: u64, pitch: usize, value: u8, width: usize, height: usize, stream: u64)

    cuArrayCreate_v2(array: *mut u64, descriptor: *const c_void)
    cuArray3DCreate_v2(array: *mut u64, descriptor: *const c_void)
    cuArray3DGetDescriptor_v2(descriptor: *mut c_void, array: u64)
    cuArrayDestroy(array: u64)
    cuMipmappedArrayCreate(mipmap: *mut u64, descriptor: *const c_void, levels: u32)
    cuMipmappedArrayGetLevel(array: *mut u64, mipmap: u64, level: u32)
    cuMipmappedArrayDestroy(mipmap: u64)
    cuTexObjectCreate(texture: *mut u64, resource: *const c_void, sampling: *const c_void, view: *const c_void)
    cuTexObjectDestroy(texture: u64)
    cuSurfObjectCreate(surface: *mut u64, resource: *const c_void)
    cuSurfObjectDestroy(surface: u64)

    cuStreamCreate(stream: *mut u64, flags: u32)
    cuStreamCreateWithPriority(stream: *mut u64, flags: u32, priority: i32)
    cuStreamDestroy_v2(stream: u64)
    cuStreamSynchronize(stream: u64)
    cuStreamQuery(stream: u64)
    cuStreamWaitEvent(stream: u64, event: u64, flags: u32)
    cuStreamGetFlags(stream: u64, flags: *mut u32)
    cuStreamGetPriority(stream: u64, priority: *mut i32)
    cuStreamGetId(stream: u64, id: *mut u64)
    cuStreamGetDevice(stream: u64, device: *mut i32)
    cuStreamAddCallback(stream: u64, callback: *mut c_void, data: *mut c_void, flags: u32)
    cuStreamCopyAttributes(destination: u64, source: u64)
    cuStreamGetAttribute(stream: u64, attribute: u32, value: *mut c_void)
    cuStreamSetAttribute(stream: u64, attribute: u32, value: *const c_void)
    cuStreamBeginCapture_v2(stream: u64, mode: u32)
    cuStreamBeginCaptureToGraph(stream: u64, graph: u64, dependencies: *const u64, edges: *const c_void, count: usize, mode: u32)
    cuStreamEndCapture(stream: u64, graph: *mut u64)
    cuStreamIsCapturing(stream: u64, status: *mut u32)
    cuStreamGetCaptureInfo_v2(stream: u64, status: *mut u32, id: *mut u64, graph: *mut u64, dependencies: *mut *const u64, count: *mut usize)
    cuStreamGetCaptureInfo_v3(stream: u64, status: *mut u32, id: *mut u64, graph: *mut u64, dependencies: *mut *const u64, edges: *mut *const c_void, count: *mut usize)
    cuStreamUpdateCaptureDependencies(stream: u64, dependencies: *mut u64, count: usize, flags: u32)
    cuStreamUpdateCaptureDependencies_v2(stream: u64, dependencies: *mut u64, edges: *const c_void, count: usize, flags: u32)
    cuThreadExchangeStreamCaptureMode(mode: *mut u32)

    cuEventCreate(event: *mut u64, flags: u32)
    cuEventDestroy_v2(event: u64)
    cuEventRecord(event: u64, stream: u64)
    cuEventRecordWithFlags(event: u64, stream: u64, flags: u32)
    cuEventQuery(event: u64)
    cuEventSynchronize(event: u64)
    cuEventElapsedTime(milliseconds: *mut f32, start: u64, end: u64)

    cuGraphCreate(graph: *mut u64, flags: u32)
    cuGraphDestroy(graph: u64)
    cuGraphClone(clone: *mut u64, graph: u64)
    cuGraphAddKernelNode_v2(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const c_void)
    cuGraphKernelNodeGetParams_v2(node: u64, params: *mut c_void)
    cuGraphKernelNodeSetParams_v2(node: u64, params: *const c_void)
    cuGraphExecKernelNodeSetParams_v2(exec: u64, node: u64, params: *const c_void)
    cuGraphKernelNodeCopyAttributes(destination: u64, source: u64)
    cuGraphKernelNodeGetAttribute(node: u64, attribute: u32, value: *mut c_void)
    cuGraphKernelNodeSetAttribute(node: u64, attribute: u32, value: *const c_void)
    cuGraphAddMemcpyNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, copy: *const c_void, context: u64)
    cuGraphMemcpyNodeGetParams(node: u64, copy: *mut c_void)
    cuGraphMemcpyNodeSetParams(node: u64, copy: *const c_void)
    cuGraphExecMemcpyNodeSetParams(exec: u64, node: u64, copy: *const c_void, context: u64)
    cuGraphAddMemsetNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const c_void, context: u64)
    cuGraphMemsetNodeGetParams(node: u64, params: *mut c_void)
    cuGraphMemsetNodeSetParams(node: u64, params: *const c_void)
    cuGraphExecMemsetNodeSetParams(exec: u64, node: u64, params: *const c_void, context: u64)
    cuGraphAddHostNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const c_void)
    cuGraphHostNodeGetParams(node: u64, params: *mut c_void)
    cuGraphHostNodeSetParams(node: u64, params: *const c_void)
    cuGraphExecHostNodeSetParams(exec: u64, node: u64, params: *const c_void)
    cuGraphAddChildGraphNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, child: u64)
    cuGraphChildGraphNodeGetGraph(node: u64, graph: *mut u64)
    cuGraphExecChildGraphNodeSetParams(exec: u64, node: u64, child: u64)
    cuGraphConditionalHandleCreate(condition: *mut u64, graph: u64, context: u64, value: u32, flags: u32)
    cuGraphAddNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *mut c_void)
    cuGraphAddEmptyNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize)
    cuGraphAddEventRecordNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, event: u64)
    cuGraphEventRecordNodeGetEvent(node: u64, event: *mut u64)
    cuGraphEventRecordNodeSetEvent(node: u64, event: u64)
    cuGraphExecEventRecordNodeSetEvent(exec: u64, node: u64, event: u64)
    cuGraphAddEventWaitNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, event: u64)
    cuGraphEventWaitNodeGetEvent(node: u64, event: *mut u64)
    cuGraphEventWaitNodeSetEvent(node: u64, event: u64)
    cuGraphExecEventWaitNodeSetEvent(exec: u64, node: u64, event: u64)
    cuGraphAddMemAllocNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *mut c_void)
    cuGraphMemAllocNodeGetParams(node: u64, params: *mut c_void)
    cuGraphAddMemFreeNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, address: u64)
    cuGraphMemFreeNodeGetParams(node: u64, address: *mut u64)
    cuGraphNodeFindInClone(node: *mut u64, original: u64, clone: u64)
    cuGraphNodeGetType(node: u64, kind: *mut u32)
    cuGraphGetNodes(graph: u64, nodes: *mut u64, count: *mut usize)
    cuGraphGetRootNodes(graph: u64, nodes: *mut u64, count: *mut usize)
    cuGraphGetEdges(graph: u64, from: *mut u64, to: *mut u64, count: *mut usize)
    cuGraphGetEdges_v2(graph: u64, from: *mut u64, to: *mut u64, edges: *mut c_void, count: *mut usize)
    cuGraphNodeGetDependencies(node: u64, nodes: *mut u64, count: *mut usize)
    cuGraphNodeGetDependencies_v2(node: u64, nodes: *mut u64, edges: *mut c_void, count: *mut usize)
    cuGraphNodeGetDependentNodes(node: u64, nodes: *mut u64, count: *mut usize)
    cuGraphNodeGetDependentNodes_v2(node: u64, nodes: *mut u64, edges: *mut c_void, count: *mut usize)
    cuGraphAddDependencies(graph: u64, from: *const u64, to: *const u64, count: usize)
    cuGraphAddDependencies_v2(graph: u64, from: *const u64, to: *const u64, edges: *const c_void, count: usize)
    cuGraphRemoveDependencies(graph: u64, from: *const u64, to: *const u64, count: usize)
    cuGraphRemoveDependencies_v2(graph: u64, from: *const u64, to: *const u64, edges: *const c_void, count: usize)
    cuGraphDestroyNode(node: u64)
    cuGraphInstantiateWithFlags(exec: *mut u64, graph: u64, flags: u64)
    cuGraphInstantiateWithParams(exec: *mut u64, graph: u64, params: *mut c_void)
    cuGraphExecGetFlags(exec: u64, flags: *mut u64)
    cuGraphExecUpdate_v2(exec: u64, graph: u64, info: *mut c_void)
    cuGraphExecDestroy(exec: u64)
    cuGraphLaunch(exec: u64, stream: u64)
    cuGraphUpload(exec: u64, stream: u64)
    cuGraphDebugDotPrint(graph: u64, path: *const c_char, flags: u32)
    cuGraphNodeSetEnabled(exec: u64, node: u64, enabled: u32)
    cuGraphNodeGetEnabled(exec: u64, node: u64, enabled: *mut u32)
    cuUserObjectCreate(object: *mut u64, data: *mut c_void, destroy: *mut c_void, references: u32, flags: u32)
    cuUserObjectRetain(object: u64, count: u32)
    cuUserObjectRelease(object: u64, count: u32)
    cuGraphRetainUserObject(graph: u64, object: u64, count: u32, flags: u32)
    cuGraphReleaseUserObject(graph: u64, object: u64, count: u32)
    cuProfilerStart()
    cuProfilerStop()
}

impl Driver {
    /// The driver, loaded and initialised (`cuInit`) on the first call.
    ///
    /// # Errors
    /// The `CUresult` of `cuInit`, or 34 (`CUDA_ERROR_STUB_LIBRARY`) where no driver library can be opened.
    pub fn get() -> Result<&'static Driver, u32> {
        DRIVER
            .get_or_init(Driver::open)
            .as_ref()
            .map_err(|&code| code)
    }

    fn open() -> Result<Driver, u32> {
        let library = match std::env::var_os("RINGWAY_DIRECT") {
            Some(path) => {
                let Ok(path) = CString::new(path.into_encoded_bytes()) else {
                    return Err(NO_DRIVER);
                };
                // SAFETY: `path` is a C string; loading it runs its constructors, which is what the user asked for.
                unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) }
            }
            None => this_object(),
        };
        if library.is_null() {
            return Err(NO_DRIVER);
        }
        if lookup(library, "cuInit\0").is_null() {
            return Err(NO_DRIVER);
        }
        let driver = Driver::fill(library);
        // SAFETY: cuInit takes one integer.
        match unsafe { (driver.cuInit)(0) } {
            SUCCESS => Ok(driver),
            code => Err(code),
        }
    }
}

/// No library that could be the driver.
const NO_DRIVER: u32 = 34;

/// A handle of the object that this code is part of.
fn this_object() -> *mut c_void {
    // SAFETY: an all-zero Dl_info is valid; dladdr fills it from an address inside this object, and dlopen with RTLD_NOLOAD only
    // takes another reference to an object that is already loaded.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let here = this_object as fn() -> *mut c_void as *const c_void;
        if libc::dladdr(here, &raw mut info) == 0 || info.dli_fname.is_null() {
            return std::ptr::null_mut();
        }
        libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD)
    }
}

/// The address of a symbol, or null. `name` ends in a zero byte.
fn lookup(library: *mut c_void, name: &str) -> *mut c_void {
    debug_assert!(CStr::from_bytes_with_nul(name.as_bytes()).is_ok());
    // SAFETY: `library` is a live handle and `name` is a C string.
    unsafe { libc::dlsym(library, name.as_ptr().cast()) }
}
