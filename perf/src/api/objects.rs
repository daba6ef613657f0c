//! Calls about devices, contexts, modules, functions, launches, streams, events, captures and graphs.

use super::Given;
use super::calls::{Calls, cycles};
use crate::driver::PTX;
use std::ffi::{c_char, c_int, c_uint, c_void};

type P = *mut c_void;
type Name = *const c_char;

extern "C" fn nothing(_: P) {}

/// Adds them.
pub fn add(calls: &mut Calls<'_>, given: &Given<'_>) {
    start_and_devices(calls, given);
    contexts(calls, given);
    modules_and_functions(calls, given);
    launches(calls, given);
    streams_and_events(calls, given);
    graphs(calls, given);
}

fn start_and_devices(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, b) = (given.scratch.slot(), given.scratch.slot());
    let (pool, bus) = (given.pool, given.bus_id);
    let name: Name = c"cuLaunchKernel".as_ptr();
    cycles!(calls;
        [cuGetErrorString(2 => c_uint, a => P)],
        [cuGetErrorName(2 => c_uint, a => P)],
        [cuInit(0 => c_uint)],
        [cuDriverGetVersion(a => P)],
        [cuGetProcAddress(name => Name, a => P, 12000 => c_int, 0 => u64)],
        [cuGetProcAddress_v2(name => Name, a => P, 12000 => c_int, 0 => u64, b => P)],
        [cuDeviceGet(a => P, 0 => c_int)],
        [cuDeviceGetCount(a => P)],
        [cuDeviceGetName(a => P, 128 => c_int, 0 => c_int)],
        [cuDeviceGetUuid_v2(a => P, 0 => c_int)],
        [cuDeviceTotalMem_v2(a => P, 0 => c_int)],
        [cuDeviceGetTexture1DLinearMaxWidth(a => P, 0x20 => c_uint, 1 => c_uint, 0 => c_int)],
        [cuDeviceGetAttribute(a => P, 16 => c_uint, 0 => c_int)],
        [cuDeviceSetMemPool(0 => c_int, pool => P)],
        [cuDeviceGetMemPool(a => P, 0 => c_int)],
        [cuDeviceGetDefaultMemPool(a => P, 0 => c_int)],
        [cuDeviceGetExecAffinitySupport(a => P, 0 => c_uint, 0 => c_int)],
        [cuFlushGPUDirectRDMAWrites(0 => c_uint, 100 => c_uint)],
        [cuDeviceGetProperties(a => P, 0 => c_int)],
        [cuDeviceComputeCapability(a => P, b => P, 0 => c_int)],
        [cuDeviceGetByPCIBusId(a => P, bus.cast() => Name)],
        [cuDeviceGetPCIBusId(a => P, 32 => c_int, 0 => c_int)],
        [cuDeviceCanAccessPeer(a => P, 0 => c_int, 0 => c_int)],
        [cuDeviceGraphMemTrim(0 => c_int)],
        [cuDeviceGetGraphMemAttribute(0 => c_int, 0 => c_uint, a => P)],
        [cuProfilerStart()],
        [cuProfilerStop()],
        [cuLogsCurrent(a => P, 0 => c_uint)],
    );
}

fn contexts(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, b) = (given.scratch.slot(), given.scratch.slot());
    let (context, event) = (given.context, given.event);
    cycles!(calls;
        [cuDevicePrimaryCtxRetain(a => P, 0 => c_int), cuDevicePrimaryCtxRelease_v2(0 => c_int)],
        [cuDevicePrimaryCtxGetState(0 => c_int, a => P, b => P)],
        [cuCtxPushCurrent_v2(context => P), cuCtxPopCurrent_v2(a => P)],
        [cuCtxSetCurrent(context => P)],
        [cuCtxGetCurrent(a => P)],
        [cuCtxGetDevice(a => P)],
        [cuCtxGetDevice_v2(a => P, context => P)],
        [cuCtxGetFlags(a => P)],
        [cuCtxGetId(context => P, a => P)],
        [cuCtxSynchronize()],
        [cuCtxSynchronize_v2(context => P)],
        [cuCtxSetLimit(0 => c_uint, 1024 => usize)],
        [cuCtxGetLimit(a => P, 0 => c_uint)],
        [cuCtxSetCacheConfig(0 => c_uint)],
        [cuCtxGetCacheConfig(a => P)],
        [cuCtxSetSharedMemConfig(0 => c_uint)],
        [cuCtxGetSharedMemConfig(a => P)],
        [cuCtxGetApiVersion(context => P, a => P)],
        [cuCtxGetStreamPriorityRange(a => P, b => P)],
        [cuCtxResetPersistingL2Cache()],
        [cuCtxGetExecAffinity(a => P, 0 => c_uint)],
        [cuCtxRecordEvent(context => P, event => P)],
        [cuCtxWaitEvent(context => P, event => P)],
    );
}

fn modules_and_functions(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, b, made) = (
        given.scratch.slot(),
        given.scratch.slot(),
        given.scratch.slot().cast::<P>(),
    );
    let other = given.scratch.slot().cast::<P>();
    let (library, kernel) = (given.library, given.kernel);
    let (module, function, null) = (given.module, given.function, std::ptr::null_mut::<c_void>());
    let (image, name): (P, Name) = (PTX.as_ptr().cast_mut().cast(), c"empty4".as_ptr());
    cycles!(calls;
        [cuModuleLoadData(made.cast() => P, image => P), cuModuleUnload(*made => P)],
        [cuModuleLoadDataEx(made.cast() => P, image => P, 0 => c_uint, null => P, null => P), @aside cuModuleUnload(*made => P)],
        [cuModuleGetLoadingMode(a => P)],
        [cuModuleGetFunction(a => P, module => P, name => Name)],
        [cuModuleGetFunctionCount(a => P, module => P)],
        [cuModuleEnumerateFunctions(a => P, 1 => c_uint, module => P)],
        [
            cuLibraryLoadData(made.cast() => P, image => P, null => P, null => P, 0 => c_uint, null => P, null => P, 0 => c_uint),
            cuLibraryUnload(*made => P),
        ],
        [cuLibraryGetKernel(other.cast() => P, *library => P, name => Name)],
        [cuLibraryGetKernelCount(a => P, *library => P)],
        [cuLibraryEnumerateKernels(a => P, 1 => c_uint, *library => P)],
        [cuLibraryGetModule(other.cast() => P, *library => P)],
        [cuKernelGetFunction(other.cast() => P, *kernel => P)],
        [cuKernelGetLibrary(other.cast() => P, *kernel => P)],
        [cuKernelGetAttribute(a => P, 0 => c_uint, *kernel => P, 0 => c_int)],
        [cuKernelSetCacheConfig(*kernel => P, 0 => c_uint, 0 => c_int)],
        [cuKernelGetName(a => P, *kernel => P)],
        [cuKernelGetParamInfo(*kernel => P, 0 => usize, a => P, b => P)],
        [cuFuncGetAttribute(a => P, 0 => c_uint, function => P)],
        [cuFuncSetAttribute(function => P, 8 => c_uint, 0 => c_int)],
        [cuFuncSetCacheConfig(function => P, 0 => c_uint)],
        [cuFuncGetModule(a => P, function => P)],
        [cuFuncGetName(a => P, function => P)],
        [cuFuncGetParamInfo(function => P, 0 => usize, a => P, b => P)],
        [cuFuncGetParamCount(function => P, a => P)],
        [cuFuncIsLoaded(a => P, function => P)],
        [cuFuncLoad(function => P)],
        [cuOccupancyMaxActiveBlocksPerMultiprocessor(a => P, function => P, 128 => c_int, 0 => usize)],
        [cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(a => P, function => P, 128 => c_int, 0 => usize, 0 => c_uint)],
        [cuOccupancyMaxPotentialBlockSize(a => P, b => P, function => P, null => P, 0 => usize, 0 => c_int)],
        [cuOccupancyMaxPotentialBlockSizeWithFlags(a => P, b => P, function => P, null => P, 0 => usize, 0 => c_int, 0 => c_uint)],
        [cuOccupancyAvailableDynamicSMemPerBlock(a => P, function => P, 1 => c_int, 128 => c_int)],
    );
}

/// CUlaunchConfig.
#[repr(C)]
struct LaunchConfig {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared_bytes: c_uint,
    stream: P,
    attributes: P,
    attributes_count: c_uint,
}

fn launches(calls: &mut Calls<'_>, given: &Given<'_>) {
    let value = given.scratch.slot();
    let params: P = given.scratch.words(&[value as u64; 4]);
    let (function, stream, null) = (given.function, given.stream, std::ptr::null_mut::<c_void>());
    let config = given.scratch.slot().cast::<LaunchConfig>();
    // SAFETY: a slot is larger than the structure, and aligned to 8 bytes.
    unsafe {
        config.write(LaunchConfig {
            grid: [1; 3],
            block: [1; 3],
            shared_bytes: 0,
            stream,
            attributes: null,
            attributes_count: 0,
        });
    }
    cycles!(calls;
        [cuLaunchKernel(
            function => P, 1 => c_uint, 1 => c_uint, 1 => c_uint, 1 => c_uint, 1 => c_uint, 1 => c_uint, 0 => c_uint,
            stream => P, params => P, null => P,
        )],
        [cuLaunchKernelEx(config.cast() => P, function => P, params => P, null => P)],
        [cuLaunchCooperativeKernel(
            function => P, 1 => c_uint, 1 => c_uint, 1 => c_uint, 1 => c_uint, 1 => c_uint, 1 => c_uint, 0 => c_uint,
            stream => P, params => P,
        )],
        [cuLaunchHostFunc(stream => P, nothing => extern "C" fn(P), null => P)],
    );
}

fn streams_and_events(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, b) = (given.scratch.slot(), given.scratch.slot());
    let made = given.scratch.slot().cast::<P>();
    let value = given.scratch.words(&[1]);
    let (stream, other, event) = (given.stream, given.other_stream, given.event);
    let [first, last] = given.timed_events;
    let (word, null) = (given.device, std::ptr::null_mut::<c_void>());
    cycles!(calls;
        [cuStreamCreate(made.cast() => P, 1 => c_uint), cuStreamDestroy_v2(*made => P)],
        [cuStreamCreateWithPriority(made.cast() => P, 1 => c_uint, 0 => c_int), @aside cuStreamDestroy_v2(*made => P)],
        [cuStreamGetPriority(stream => P, a => P)],
        [cuStreamGetDevice(stream => P, a => P)],
        [cuStreamGetFlags(stream => P, a => P)],
        [cuStreamGetId(stream => P, a => P)],
        [cuStreamGetCtx(stream => P, a => P)],
        [cuStreamGetCtx_v2(stream => P, a => P, b => P)],
        [cuStreamWaitEvent(stream => P, event => P, 0 => c_uint)],
        [cuStreamQuery(stream => P)],
        [cuStreamSynchronize(stream => P)],
        [cuStreamCopyAttributes(stream => P, other => P)],
        [cuStreamSetAttribute(stream => P, 3 => c_uint, value => P)],
        [cuStreamGetAttribute(stream => P, 3 => c_uint, a => P)],
        [cuStreamIsCapturing(stream => P, a => P)],
        [cuStreamGetCaptureInfo(stream => P, a => P, b => P)],
        [cuStreamGetCaptureInfo_v2(stream => P, a => P, b => P, null => P, null => P, null => P)],
        [cuStreamGetCaptureInfo_v3(stream => P, a => P, b => P, null => P, null => P, null => P, null => P)],
        [cuThreadExchangeStreamCaptureMode(value => P), @aside cuThreadExchangeStreamCaptureMode(value => P)],
        [cuStreamWriteValue32_v2(stream => P, word => u64, 1 => c_uint, 0 => c_uint)],
        [cuStreamWriteValue64_v2(stream => P, word => u64, 1 => u64, 0 => c_uint)],
        [cuEventCreate(made.cast() => P, 2 => c_uint), cuEventDestroy_v2(*made => P)],
        [cuEventRecord(event => P, stream => P)],
        [cuEventRecordWithFlags(event => P, stream => P, 0 => c_uint)],
        [cuEventQuery(event => P)],
        [cuEventSynchronize(event => P)],
        [cuEventElapsedTime(a => P, first => P, last => P)],
    );
}

fn graphs(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, null) = (given.scratch.slot(), std::ptr::null_mut::<c_void>());
    let (stream, other) = (given.stream, given.other_stream);
    let slot = || given.scratch.slot().cast::<P>();
    let (captured, graph, node, next, clone, exec) =
        (slot(), slot(), slot(), slot(), slot(), slot());
    let count = given.scratch.slot();
    cycles!(calls;
        [
            cuStreamBeginCapture_v2(other => P, 0 => c_uint),
            cuStreamEndCapture(other => P, captured.cast() => P),
            @aside cuGraphDestroy(*captured => P),
        ],
        [
            cuGraphCreate(graph.cast() => P, 0 => c_uint),
            cuGraphAddEmptyNode(node.cast() => P, *graph => P, null => P, 0 => usize),
            @aside cuGraphAddEmptyNode(next.cast() => P, *graph => P, null => P, 0 => usize),
            cuGraphAddDependencies(*graph => P, node.cast() => P, next.cast() => P, 1 => usize),
            cuGraphGetNodes(*graph => P, null => P, count => P),
            cuGraphGetRootNodes(*graph => P, null => P, count => P),
            cuGraphGetEdges(*graph => P, null => P, null => P, count => P),
            cuGraphNodeGetType(*node => P, a => P),
            cuGraphClone(clone.cast() => P, *graph => P),
            @aside cuGraphDestroy(*clone => P),
            cuGraphInstantiateWithFlags(exec.cast() => P, *graph => P, 0 => u64),
            cuGraphExecGetFlags(*exec => P, a => P),
            cuGraphUpload(*exec => P, stream => P),
            cuGraphLaunch(*exec => P, stream => P),
            @aside cuStreamSynchronize(stream => P),
            cuGraphExecDestroy(*exec => P),
            cuGraphDestroy(*graph => P),
        ],
    );
}
