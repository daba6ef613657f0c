//! Graphs: instantiation, and what is asked of a graph.

use super::{put, put_if};
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, handle, user_objects};
use ringway_wire::codec::Writer as _;

pub unsafe fn cuGraphInstantiateWithParams(
    phGraphExec: *mut u64,
    hGraph: u64,
    instantiateParams: *mut c_void,
    _per_thread: bool,
) -> Result<(), CudaError> {
    if instantiateParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // CUDA_GRAPH_INSTANTIATE_PARAMS: flags, upload stream, error node, result.
    let flags = unsafe { instantiateParams.cast::<u64>().read_unaligned() };
    // CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD is a hint.
    let code = unsafe {
        crate::generated::graph::cuGraphInstantiateWithFlags(phGraphExec, hGraph, flags & !2)
    };
    let result = CudaError::check(code);
    unsafe {
        instantiateParams.cast::<u64>().add(2).write_unaligned(0);
        // CUDA_GRAPH_INSTANTIATE_SUCCESS or CUDA_GRAPH_INSTANTIATE_ERROR
        instantiateParams
            .cast::<u32>()
            .add(6)
            .write_unaligned(u32::from(result.is_err()));
    }
    result
}

/// `CUgraphExecUpdateResultInfo`: result, error node, error's other node.
pub unsafe fn cuGraphExecUpdate_v2(
    hGraphExec: u64,
    hGraph: u64,
    resultInfo: *mut c_void,
) -> Result<(), CudaError> {
    let exec = handle(Kind::GraphExec, hGraphExec)?;
    let graph = handle(Kind::Graph, hGraph)?;
    if resultInfo.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let (code, result) = called(
        op::CU_GRAPH_EXEC_UPDATE_V2,
        exec.target,
        16,
        |w| {
            w.u64(exec.id);
            w.u64(graph.id);
        },
        |r| Ok((r.u32()?, r.u32()?)),
    )?;
    unsafe {
        resultInfo.cast::<u32>().write_unaligned(result);
        resultInfo.cast::<u64>().add(1).write_unaligned(0);
        resultInfo.cast::<u64>().add(2).write_unaligned(0);
    }
    CudaError::check(code)
}

pub unsafe fn cuGraphExecUpdate(
    hGraphExec: u64,
    hGraph: u64,
    hErrorNode_out: *mut u64,
    updateResult_out: *mut u32,
) -> Result<(), CudaError> {
    let mut info = [0u64; 3];
    let result = unsafe { cuGraphExecUpdate_v2(hGraphExec, hGraph, info.as_mut_ptr().cast()) };
    unsafe { put_if(hErrorNode_out, 0) };
    unsafe { put(updateResult_out, info[0] as u32) }?;
    result
}

/// `CU_USER_OBJECT_NO_DESTRUCTOR_SYNC` is the only flag, and must be given; `CU_GRAPH_USER_OBJECT_MOVE` moves references.
const NO_DESTRUCTOR_SYNC: u32 = 1;
const MOVE: u32 = 1;

pub unsafe fn cuUserObjectCreate(
    object_out: *mut u64,
    ptr: *const c_void,
    destroy: *const c_void,
    initialRefcount: u32,
    flags: u32,
) -> Result<(), CudaError> {
    if object_out.is_null() || destroy.is_null() || initialRefcount == 0 || flags != NO_DESTRUCTOR_SYNC {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: the program says that this is a CUhostFn.
    let destroy = unsafe { core::mem::transmute::<*const c_void, user_objects::Destroy>(destroy) };
    unsafe { put(object_out, user_objects::create(ptr as usize, destroy, initialRefcount)) }
}

pub unsafe fn cuUserObjectRetain(object: u64, count: u32) -> Result<(), CudaError> {
    user_objects::retain(object, count)
}

pub unsafe fn cuUserObjectRelease(object: u64, count: u32) -> Result<(), CudaError> {
    user_objects::release(object, count)
}

pub unsafe fn cuGraphRetainUserObject(graph: u64, object: u64, count: u32, flags: u32) -> Result<(), CudaError> {
    handle(Kind::Graph, graph)?;
    if flags & !MOVE != 0 || count == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    user_objects::hold(graph, object, count, flags & MOVE != 0)
}

pub unsafe fn cuGraphReleaseUserObject(graph: u64, object: u64, count: u32) -> Result<(), CudaError> {
    handle(Kind::Graph, graph)?;
    user_objects::let_go(graph, object, count)
}
