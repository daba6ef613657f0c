//! Graphs: instantiation, and what is asked of a graph.

use super::{put, put_if};
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, create, found, handle};
use ringway_wire::codec::Writer as _;

fn instantiate(phGraphExec: *mut u64, hGraph: u64, flags: u64) -> Result<(), CudaError> {
    let graph = handle(Kind::Graph, hGraph)?;
    if phGraphExec.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let exec = create(Kind::GraphExec, graph.target)?;
    called(op::CU_GRAPH_INSTANTIATE, graph.target, 24, |w| {
        w.u64(exec.id());
        w.u64(graph.id);
        w.u64(flags);
    }, |_| Ok(()))?;
    unsafe { put(phGraphExec, exec.keep()) }
}

pub unsafe fn cuGraphInstantiate(
    phGraphExec: *mut u64,
    hGraph: u64,
    phErrorNode: *mut u64,
    logBuffer: *mut c_void,
    bufferSize: usize,
) -> Result<(), CudaError> {
    unsafe { put_if(phErrorNode, 0) };
    if bufferSize > 0 {
        unsafe { put_if(logBuffer.cast(), 0u8) };
    }
    instantiate(phGraphExec, hGraph, 0)
}

pub unsafe fn cuGraphInstantiateWithParams(phGraphExec: *mut u64, hGraph: u64, instantiateParams: *mut c_void) -> Result<(), CudaError> {
    if instantiateParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // CUDA_GRAPH_INSTANTIATE_PARAMS: flags, upload stream, error node, result.
    let flags = unsafe { instantiateParams.cast::<u64>().read_unaligned() };
    let result = instantiate(phGraphExec, hGraph, flags & !2);
    unsafe {
        instantiateParams.cast::<u64>().add(2).write_unaligned(0);
        // CUDA_GRAPH_INSTANTIATE_SUCCESS or CUDA_GRAPH_INSTANTIATE_ERROR
        instantiateParams.cast::<u32>().add(6).write_unaligned(u32::from(result.is_err()));
    }
    result
}

/// A list of nodes into the program's array, in the form of CUDA's count queries: a null array asks for the count.
unsafe fn nodes(opcode: u32, of: u64, kind: Kind, to: *mut u64, count: *mut usize) -> Result<(), CudaError> {
    let object = handle(kind, of)?;
    if count.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let all = called(opcode, object.target, 8, |w| w.u64(object.id), |r| {
        let count = r.u32()?;
        (0..count).map(|_| r.u64()).collect::<Result<Vec<_>, _>>()
    })?;
    if to.is_null() {
        return unsafe { put(count, all.len()) };
    }
    let room = unsafe { count.read_unaligned() };
    for index in 0..room {
        let id = match all.get(index) {
            Some(id) => found(Kind::GraphNode, *id, object.target)?,
            None => 0,
        };
        // SAFETY: the program has room for `room` handles.
        unsafe { to.add(index).write_unaligned(id) };
    }
    unsafe { put(count, all.len().min(room)) }
}

pub unsafe fn cuGraphGetNodes(hGraph: u64, nodes_: *mut u64, numNodes: *mut usize) -> Result<(), CudaError> {
    unsafe { nodes(op::CU_GRAPH_GET_NODES, hGraph, Kind::Graph, nodes_, numNodes) }
}

pub unsafe fn cuGraphGetRootNodes(hGraph: u64, rootNodes: *mut u64, numRootNodes: *mut usize) -> Result<(), CudaError> {
    unsafe { nodes(op::CU_GRAPH_GET_ROOT_NODES, hGraph, Kind::Graph, rootNodes, numRootNodes) }
}

/// `CUgraphExecUpdateResultInfo`: result, error node, error's other node.
pub unsafe fn cuGraphExecUpdate_v2(hGraphExec: u64, hGraph: u64, resultInfo: *mut c_void) -> Result<(), CudaError> {
    let exec = handle(Kind::GraphExec, hGraphExec)?;
    let graph = handle(Kind::Graph, hGraph)?;
    if resultInfo.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let (code, result) = called(op::CU_GRAPH_EXEC_UPDATE_V2, exec.target, 16, |w| {
        w.u64(exec.id);
        w.u64(graph.id);
    }, |r| Ok((r.u32()?, r.u32()?)))?;
    unsafe {
        resultInfo.cast::<u32>().write_unaligned(result);
        resultInfo.cast::<u64>().add(1).write_unaligned(0);
        resultInfo.cast::<u64>().add(2).write_unaligned(0);
    }
    CudaError::check(code)
}

pub unsafe fn cuGraphExecUpdate(hGraphExec: u64, hGraph: u64, hErrorNode_out: *mut u64, updateResult_out: *mut u32) -> Result<(), CudaError> {
    let mut info = [0u64; 3];
    let result = unsafe { cuGraphExecUpdate_v2(hGraphExec, hGraph, info.as_mut_ptr().cast()) };
    unsafe { put_if(hErrorNode_out, 0) };
    unsafe { put(updateResult_out, info[0] as u32) }?;
    result
}
