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

/// `cuGraphAddKernelNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddKernelNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, numDependencies: usize, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_ADD_KERNEL_NODE, || unsafe { crate::driver::graph_node::cuGraphAddKernelNode(phGraphNode, hGraph, dependencies, numDependencies, nodeParams) })
}

/// `cuGraphAddKernelNode_v2`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddKernelNode_v2(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, numDependencies: usize, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_ADD_KERNEL_NODE_V2, || unsafe { crate::driver::graph_node::cuGraphAddKernelNode_v2(phGraphNode, hGraph, dependencies, numDependencies, nodeParams) })
}

/// `cuGraphKernelNodeGetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphKernelNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_KERNEL_NODE_GET_PARAMS)
}

/// `cuGraphKernelNodeGetParams_v2`, CUDA 12.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphKernelNodeGetParams_v2() -> u32 {
    refused(op::CU_GRAPH_KERNEL_NODE_GET_PARAMS_V2)
}

/// `cuGraphKernelNodeSetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphKernelNodeSetParams(hNode: u64, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_KERNEL_NODE_SET_PARAMS, || unsafe { crate::driver::graph_node::cuGraphKernelNodeSetParams(hNode, nodeParams) })
}

/// `cuGraphKernelNodeSetParams_v2`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphKernelNodeSetParams_v2(hNode: u64, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_KERNEL_NODE_SET_PARAMS_V2, || unsafe { crate::driver::graph_node::cuGraphKernelNodeSetParams_v2(hNode, nodeParams) })
}

/// `cuGraphAddMemcpyNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddMemcpyNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, numDependencies: usize, copyParams: *const c_void, ctx: u64) -> u32 {
    guard(op::CU_GRAPH_ADD_MEMCPY_NODE, || unsafe { crate::driver::graph_node::cuGraphAddMemcpyNode(phGraphNode, hGraph, dependencies, numDependencies, copyParams, ctx) })
}

/// `cuGraphMemcpyNodeGetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphMemcpyNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_MEMCPY_NODE_GET_PARAMS)
}

/// `cuGraphMemcpyNodeSetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphMemcpyNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_MEMCPY_NODE_SET_PARAMS)
}

/// `cuGraphAddMemsetNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddMemsetNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, memsetParams: *const c_void, ctx: u64) -> u32 {
    guard(op::CU_GRAPH_ADD_MEMSET_NODE, || unsafe { auto_cuGraphAddMemsetNode(phGraphNode, hGraph, dependencies, numDependencies, memsetParams, ctx) })
}

unsafe fn auto_cuGraphAddMemsetNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, memsetParams: *const c_void, ctx: u64) -> Result<(), CudaError> {
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if dependencies.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let dependencies_in = client::slice(dependencies, numDependencies as usize)?;
    let dependencies_in = dependencies_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    if memsetParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let ctx = client::handle(Kind::Context, ctx)?;
    let aim = hGraph.target;
    let phGraphNode_new = client::create(Kind::GraphNode, aim)?;
    client::posted(op::CU_GRAPH_ADD_MEMSET_NODE, aim, 72 + 4 + dependencies_in.len().saturating_mul(8), |w| {
        w.u64(phGraphNode_new.id());
        w.u64(hGraph.id);
        w.u32(u32::try_from(dependencies_in.len()).unwrap_or(u32::MAX));
        for v in dependencies_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
        w.put(&memsetParams.cast::<[u8; 40]>().read());
        w.u64(ctx.id);
    })?;
    phGraphNode.write_unaligned(phGraphNode_new.keep());
    Ok(())
}

/// `cuGraphMemsetNodeGetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphMemsetNodeGetParams(hNode: u64, nodeParams: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_MEMSET_NODE_GET_PARAMS, || unsafe { auto_cuGraphMemsetNodeGetParams(hNode, nodeParams) })
}

unsafe fn auto_cuGraphMemsetNodeGetParams(hNode: u64, nodeParams: *mut c_void) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if nodeParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_MEMSET_NODE_GET_PARAMS, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.array::<40>()?;
        nodeParams.cast::<[u8; 40]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphMemsetNodeSetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphMemsetNodeSetParams(hNode: u64, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_MEMSET_NODE_SET_PARAMS, || unsafe { auto_cuGraphMemsetNodeSetParams(hNode, nodeParams) })
}

unsafe fn auto_cuGraphMemsetNodeSetParams(hNode: u64, nodeParams: *const c_void) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if nodeParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::posted(op::CU_GRAPH_MEMSET_NODE_SET_PARAMS, aim, 48, |w| {
        w.u64(hNode.id);
        w.put(&nodeParams.cast::<[u8; 40]>().read());
    })?;
    Ok(())
}

/// `cuGraphAddHostNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddHostNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, numDependencies: usize, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_ADD_HOST_NODE, || unsafe { crate::driver::graph_node::cuGraphAddHostNode(phGraphNode, hGraph, dependencies, numDependencies, nodeParams) })
}

/// `cuGraphHostNodeGetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphHostNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_HOST_NODE_GET_PARAMS)
}

/// `cuGraphHostNodeSetParams`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphHostNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_HOST_NODE_SET_PARAMS)
}

/// `cuGraphAddChildGraphNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddChildGraphNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, childGraph: u64) -> u32 {
    guard(op::CU_GRAPH_ADD_CHILD_GRAPH_NODE, || unsafe { auto_cuGraphAddChildGraphNode(phGraphNode, hGraph, dependencies, numDependencies, childGraph) })
}

unsafe fn auto_cuGraphAddChildGraphNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, childGraph: u64) -> Result<(), CudaError> {
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if dependencies.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let dependencies_in = client::slice(dependencies, numDependencies as usize)?;
    let dependencies_in = dependencies_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let childGraph = client::handle(Kind::Graph, childGraph)?;
    let aim = hGraph.target;
    let phGraphNode_new = client::create(Kind::GraphNode, aim)?;
    client::posted(op::CU_GRAPH_ADD_CHILD_GRAPH_NODE, aim, 32 + 4 + dependencies_in.len().saturating_mul(8), |w| {
        w.u64(phGraphNode_new.id());
        w.u64(hGraph.id);
        w.u32(u32::try_from(dependencies_in.len()).unwrap_or(u32::MAX));
        for v in dependencies_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
        w.u64(childGraph.id);
    })?;
    phGraphNode.write_unaligned(phGraphNode_new.keep());
    Ok(())
}

/// `cuGraphChildGraphNodeGetGraph`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphChildGraphNodeGetGraph(hNode: u64, phGraph: *mut u64) -> u32 {
    guard(op::CU_GRAPH_CHILD_GRAPH_NODE_GET_GRAPH, || unsafe { auto_cuGraphChildGraphNodeGetGraph(hNode, phGraph) })
}

unsafe fn auto_cuGraphChildGraphNodeGetGraph(hNode: u64, phGraph: *mut u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if phGraph.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_CHILD_GRAPH_NODE_GET_GRAPH, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::Graph, v, aim).map_err(|_| Malformed::Value(v))? };
        phGraph.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphAddEmptyNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddEmptyNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize) -> u32 {
    guard(op::CU_GRAPH_ADD_EMPTY_NODE, || unsafe { auto_cuGraphAddEmptyNode(phGraphNode, hGraph, dependencies, numDependencies) })
}

unsafe fn auto_cuGraphAddEmptyNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize) -> Result<(), CudaError> {
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if dependencies.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let dependencies_in = client::slice(dependencies, numDependencies as usize)?;
    let dependencies_in = dependencies_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let aim = hGraph.target;
    let phGraphNode_new = client::create(Kind::GraphNode, aim)?;
    client::posted(op::CU_GRAPH_ADD_EMPTY_NODE, aim, 24 + 4 + dependencies_in.len().saturating_mul(8), |w| {
        w.u64(phGraphNode_new.id());
        w.u64(hGraph.id);
        w.u32(u32::try_from(dependencies_in.len()).unwrap_or(u32::MAX));
        for v in dependencies_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
    })?;
    phGraphNode.write_unaligned(phGraphNode_new.keep());
    Ok(())
}

/// `cuGraphAddEventRecordNode`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddEventRecordNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, event: u64) -> u32 {
    guard(op::CU_GRAPH_ADD_EVENT_RECORD_NODE, || unsafe { crate::driver::graph_node::cuGraphAddEventRecordNode(phGraphNode, hGraph, dependencies, numDependencies, event) })
}

pub(crate) unsafe fn auto_cuGraphAddEventRecordNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, event: u64) -> Result<(), CudaError> {
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if dependencies.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let dependencies_in = client::slice(dependencies, numDependencies as usize)?;
    let dependencies_in = dependencies_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let event = client::handle(Kind::Event, event)?;
    let aim = hGraph.target;
    let phGraphNode_new = client::create(Kind::GraphNode, aim)?;
    client::posted(op::CU_GRAPH_ADD_EVENT_RECORD_NODE, aim, 32 + 4 + dependencies_in.len().saturating_mul(8), |w| {
        w.u64(phGraphNode_new.id());
        w.u64(hGraph.id);
        w.u32(u32::try_from(dependencies_in.len()).unwrap_or(u32::MAX));
        for v in dependencies_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
        w.u64(event.id);
    })?;
    phGraphNode.write_unaligned(phGraphNode_new.keep());
    Ok(())
}

/// `cuGraphEventRecordNodeGetEvent`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphEventRecordNodeGetEvent(hNode: u64, event_out: *mut u64) -> u32 {
    guard(op::CU_GRAPH_EVENT_RECORD_NODE_GET_EVENT, || unsafe { auto_cuGraphEventRecordNodeGetEvent(hNode, event_out) })
}

unsafe fn auto_cuGraphEventRecordNodeGetEvent(hNode: u64, event_out: *mut u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if event_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_EVENT_RECORD_NODE_GET_EVENT, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::Event, v, aim).map_err(|_| Malformed::Value(v))? };
        event_out.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphEventRecordNodeSetEvent`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphEventRecordNodeSetEvent(hNode: u64, event: u64) -> u32 {
    guard(op::CU_GRAPH_EVENT_RECORD_NODE_SET_EVENT, || unsafe { crate::driver::graph_node::cuGraphEventRecordNodeSetEvent(hNode, event) })
}

pub(crate) unsafe fn auto_cuGraphEventRecordNodeSetEvent(hNode: u64, event: u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let event = client::handle(Kind::Event, event)?;
    let aim = hNode.target;
    client::posted(op::CU_GRAPH_EVENT_RECORD_NODE_SET_EVENT, aim, 16, |w| {
        w.u64(hNode.id);
        w.u64(event.id);
    })?;
    Ok(())
}

/// `cuGraphAddEventWaitNode`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddEventWaitNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, event: u64) -> u32 {
    guard(op::CU_GRAPH_ADD_EVENT_WAIT_NODE, || unsafe { auto_cuGraphAddEventWaitNode(phGraphNode, hGraph, dependencies, numDependencies, event) })
}

unsafe fn auto_cuGraphAddEventWaitNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, event: u64) -> Result<(), CudaError> {
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if dependencies.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let dependencies_in = client::slice(dependencies, numDependencies as usize)?;
    let dependencies_in = dependencies_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let event = client::handle(Kind::Event, event)?;
    let aim = hGraph.target;
    let phGraphNode_new = client::create(Kind::GraphNode, aim)?;
    client::posted(op::CU_GRAPH_ADD_EVENT_WAIT_NODE, aim, 32 + 4 + dependencies_in.len().saturating_mul(8), |w| {
        w.u64(phGraphNode_new.id());
        w.u64(hGraph.id);
        w.u32(u32::try_from(dependencies_in.len()).unwrap_or(u32::MAX));
        for v in dependencies_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
        w.u64(event.id);
    })?;
    phGraphNode.write_unaligned(phGraphNode_new.keep());
    Ok(())
}

/// `cuGraphEventWaitNodeGetEvent`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphEventWaitNodeGetEvent(hNode: u64, event_out: *mut u64) -> u32 {
    guard(op::CU_GRAPH_EVENT_WAIT_NODE_GET_EVENT, || unsafe { auto_cuGraphEventWaitNodeGetEvent(hNode, event_out) })
}

unsafe fn auto_cuGraphEventWaitNodeGetEvent(hNode: u64, event_out: *mut u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if event_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_EVENT_WAIT_NODE_GET_EVENT, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::Event, v, aim).map_err(|_| Malformed::Value(v))? };
        event_out.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphEventWaitNodeSetEvent`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphEventWaitNodeSetEvent(hNode: u64, event: u64) -> u32 {
    guard(op::CU_GRAPH_EVENT_WAIT_NODE_SET_EVENT, || unsafe { auto_cuGraphEventWaitNodeSetEvent(hNode, event) })
}

unsafe fn auto_cuGraphEventWaitNodeSetEvent(hNode: u64, event: u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let event = client::handle(Kind::Event, event)?;
    let aim = hNode.target;
    client::posted(op::CU_GRAPH_EVENT_WAIT_NODE_SET_EVENT, aim, 16, |w| {
        w.u64(hNode.id);
        w.u64(event.id);
    })?;
    Ok(())
}

/// `cuGraphAddExternalSemaphoresSignalNode`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphAddExternalSemaphoresSignalNode() -> u32 {
    refused(op::CU_GRAPH_ADD_EXTERNAL_SEMAPHORES_SIGNAL_NODE)
}

/// `cuGraphExternalSemaphoresSignalNodeGetParams`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExternalSemaphoresSignalNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_EXTERNAL_SEMAPHORES_SIGNAL_NODE_GET_PARAMS)
}

/// `cuGraphExternalSemaphoresSignalNodeSetParams`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExternalSemaphoresSignalNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXTERNAL_SEMAPHORES_SIGNAL_NODE_SET_PARAMS)
}

/// `cuGraphAddExternalSemaphoresWaitNode`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphAddExternalSemaphoresWaitNode() -> u32 {
    refused(op::CU_GRAPH_ADD_EXTERNAL_SEMAPHORES_WAIT_NODE)
}

/// `cuGraphExternalSemaphoresWaitNodeGetParams`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExternalSemaphoresWaitNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_EXTERNAL_SEMAPHORES_WAIT_NODE_GET_PARAMS)
}

/// `cuGraphExternalSemaphoresWaitNodeSetParams`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExternalSemaphoresWaitNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXTERNAL_SEMAPHORES_WAIT_NODE_SET_PARAMS)
}

/// `cuGraphAddBatchMemOpNode`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphAddBatchMemOpNode() -> u32 {
    refused(op::CU_GRAPH_ADD_BATCH_MEM_OP_NODE)
}

/// `cuGraphBatchMemOpNodeGetParams`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphBatchMemOpNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_BATCH_MEM_OP_NODE_GET_PARAMS)
}

/// `cuGraphBatchMemOpNodeSetParams`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphBatchMemOpNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_BATCH_MEM_OP_NODE_SET_PARAMS)
}

/// `cuGraphExecBatchMemOpNodeSetParams`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecBatchMemOpNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXEC_BATCH_MEM_OP_NODE_SET_PARAMS)
}

/// `cuGraphAddMemAllocNode`, CUDA 11.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphAddMemAllocNode() -> u32 {
    refused(op::CU_GRAPH_ADD_MEM_ALLOC_NODE)
}

/// `cuGraphMemAllocNodeGetParams`, CUDA 11.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphMemAllocNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_MEM_ALLOC_NODE_GET_PARAMS)
}

/// `cuGraphAddMemFreeNode`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddMemFreeNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, dptr: u64) -> u32 {
    guard(op::CU_GRAPH_ADD_MEM_FREE_NODE, || unsafe { auto_cuGraphAddMemFreeNode(phGraphNode, hGraph, dependencies, numDependencies, dptr) })
}

unsafe fn auto_cuGraphAddMemFreeNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const u64, numDependencies: usize, dptr: u64) -> Result<(), CudaError> {
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if dependencies.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let dependencies_in = client::slice(dependencies, numDependencies as usize)?;
    let dependencies_in = dependencies_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let aim = hGraph.target;
    let phGraphNode_new = client::create(Kind::GraphNode, aim)?;
    client::posted(op::CU_GRAPH_ADD_MEM_FREE_NODE, aim, 32 + 4 + dependencies_in.len().saturating_mul(8), |w| {
        w.u64(phGraphNode_new.id());
        w.u64(hGraph.id);
        w.u32(u32::try_from(dependencies_in.len()).unwrap_or(u32::MAX));
        for v in dependencies_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
        w.u64(dptr);
    })?;
    phGraphNode.write_unaligned(phGraphNode_new.keep());
    Ok(())
}

/// `cuGraphMemFreeNodeGetParams`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphMemFreeNodeGetParams(hNode: u64, dptr_out: *mut u64) -> u32 {
    guard(op::CU_GRAPH_MEM_FREE_NODE_GET_PARAMS, || unsafe { auto_cuGraphMemFreeNodeGetParams(hNode, dptr_out) })
}

unsafe fn auto_cuGraphMemFreeNodeGetParams(hNode: u64, dptr_out: *mut u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if dptr_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_MEM_FREE_NODE_GET_PARAMS, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u64()?;
        dptr_out.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeFindInClone`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeFindInClone(phNode: *mut u64, hOriginalNode: u64, hClonedGraph: u64) -> u32 {
    guard(op::CU_GRAPH_NODE_FIND_IN_CLONE, || unsafe { auto_cuGraphNodeFindInClone(phNode, hOriginalNode, hClonedGraph) })
}

unsafe fn auto_cuGraphNodeFindInClone(phNode: *mut u64, hOriginalNode: u64, hClonedGraph: u64) -> Result<(), CudaError> {
    if phNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hOriginalNode = client::handle(Kind::GraphNode, hOriginalNode)?;
    let hClonedGraph = client::handle(Kind::Graph, hClonedGraph)?;
    let aim = hOriginalNode.target;
    client::called(op::CU_GRAPH_NODE_FIND_IN_CLONE, aim, 16, |w| {
        w.u64(hOriginalNode.id);
        w.u64(hClonedGraph.id);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))? };
        phNode.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetType`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetType(hNode: u64, kind: *mut u32) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_TYPE, || unsafe { auto_cuGraphNodeGetType(hNode, kind) })
}

unsafe fn auto_cuGraphNodeGetType(hNode: u64, kind: *mut u32) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if kind.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_TYPE, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u32()?;
        kind.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetContainingGraph`, CUDA 13.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetContainingGraph(hNode: u64, phGraph: *mut u64) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_CONTAINING_GRAPH, || unsafe { auto_cuGraphNodeGetContainingGraph(hNode, phGraph) })
}

unsafe fn auto_cuGraphNodeGetContainingGraph(hNode: u64, phGraph: *mut u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if phGraph.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_CONTAINING_GRAPH, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::Graph, v, aim).map_err(|_| Malformed::Value(v))? };
        phGraph.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetLocalId`, CUDA 13.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetLocalId(hNode: u64, nodeId: *mut u32) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_LOCAL_ID, || unsafe { auto_cuGraphNodeGetLocalId(hNode, nodeId) })
}

unsafe fn auto_cuGraphNodeGetLocalId(hNode: u64, nodeId: *mut u32) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if nodeId.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_LOCAL_ID, aim, 8, |w| {
        w.u64(hNode.id);
    }, |r| {
        let v = r.u32()?;
        nodeId.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetToolsId`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphNodeGetToolsId() -> u32 {
    refused(op::CU_GRAPH_NODE_GET_TOOLS_ID)
}

/// `cuGraphNodeGetDependencies`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetDependencies(hNode: u64, dependencies: *mut u64, numDependencies: *mut usize) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_DEPENDENCIES, || unsafe { auto_cuGraphNodeGetDependencies(hNode, dependencies, numDependencies) })
}

unsafe fn auto_cuGraphNodeGetDependencies(hNode: u64, dependencies: *mut u64, numDependencies: *mut usize) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let dependencies_room = if dependencies.is_null() || numDependencies.is_null() { 0 } else { numDependencies.read_unaligned() };
    if numDependencies.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_DEPENDENCIES, aim, 17, |w| {
        w.u64(hNode.id);
        w.u8(u8::from(!dependencies.is_null()));
        w.usize(numDependencies.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < dependencies_room {
                dependencies.add(i).write_unaligned(v);
            }
        }
        for i in count..dependencies_room {
            let v = 0;
            dependencies.add(i).write_unaligned(v);
        }
        let v = r.usize()?;
        numDependencies.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetDependencies_v2(hNode: u64, dependencies: *mut u64, edgeData: *mut c_void, numDependencies: *mut usize) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_DEPENDENCIES_V2, || unsafe { auto_cuGraphNodeGetDependencies_v2(hNode, dependencies, edgeData, numDependencies) })
}

unsafe fn auto_cuGraphNodeGetDependencies_v2(hNode: u64, dependencies: *mut u64, edgeData: *mut c_void, numDependencies: *mut usize) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let dependencies_room = if dependencies.is_null() || numDependencies.is_null() { 0 } else { numDependencies.read_unaligned() };
    let edgeData_room = if edgeData.is_null() || numDependencies.is_null() { 0 } else { numDependencies.read_unaligned() };
    if numDependencies.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_DEPENDENCIES_V2, aim, 18, |w| {
        w.u64(hNode.id);
        w.u8(u8::from(!dependencies.is_null()));
        w.u8(u8::from(!edgeData.is_null()));
        w.usize(numDependencies.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < dependencies_room {
                dependencies.add(i).write_unaligned(v);
            }
        }
        for i in count..dependencies_room {
            let v = 0;
            dependencies.add(i).write_unaligned(v);
        }
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = r.array::<8>()?;
            if i < edgeData_room {
                edgeData.cast::<[u8; 8]>().add(i).write(v);
            }
        }
        for i in count..edgeData_room {
            let v = [0; 8];
            edgeData.cast::<[u8; 8]>().add(i).write(v);
        }
        let v = r.usize()?;
        numDependencies.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetDependentNodes`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetDependentNodes(hNode: u64, dependentNodes: *mut u64, numDependentNodes: *mut usize) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_DEPENDENT_NODES, || unsafe { auto_cuGraphNodeGetDependentNodes(hNode, dependentNodes, numDependentNodes) })
}

unsafe fn auto_cuGraphNodeGetDependentNodes(hNode: u64, dependentNodes: *mut u64, numDependentNodes: *mut usize) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let dependentNodes_room = if dependentNodes.is_null() || numDependentNodes.is_null() { 0 } else { numDependentNodes.read_unaligned() };
    if numDependentNodes.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_DEPENDENT_NODES, aim, 17, |w| {
        w.u64(hNode.id);
        w.u8(u8::from(!dependentNodes.is_null()));
        w.usize(numDependentNodes.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < dependentNodes_room {
                dependentNodes.add(i).write_unaligned(v);
            }
        }
        for i in count..dependentNodes_room {
            let v = 0;
            dependentNodes.add(i).write_unaligned(v);
        }
        let v = r.usize()?;
        numDependentNodes.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphNodeGetDependentNodes_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetDependentNodes_v2(hNode: u64, dependentNodes: *mut u64, edgeData: *mut c_void, numDependentNodes: *mut usize) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_DEPENDENT_NODES_V2, || unsafe { auto_cuGraphNodeGetDependentNodes_v2(hNode, dependentNodes, edgeData, numDependentNodes) })
}

unsafe fn auto_cuGraphNodeGetDependentNodes_v2(hNode: u64, dependentNodes: *mut u64, edgeData: *mut c_void, numDependentNodes: *mut usize) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let dependentNodes_room = if dependentNodes.is_null() || numDependentNodes.is_null() { 0 } else { numDependentNodes.read_unaligned() };
    let edgeData_room = if edgeData.is_null() || numDependentNodes.is_null() { 0 } else { numDependentNodes.read_unaligned() };
    if numDependentNodes.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_NODE_GET_DEPENDENT_NODES_V2, aim, 18, |w| {
        w.u64(hNode.id);
        w.u8(u8::from(!dependentNodes.is_null()));
        w.u8(u8::from(!edgeData.is_null()));
        w.usize(numDependentNodes.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < dependentNodes_room {
                dependentNodes.add(i).write_unaligned(v);
            }
        }
        for i in count..dependentNodes_room {
            let v = 0;
            dependentNodes.add(i).write_unaligned(v);
        }
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = r.array::<8>()?;
            if i < edgeData_room {
                edgeData.cast::<[u8; 8]>().add(i).write(v);
            }
        }
        for i in count..edgeData_room {
            let v = [0; 8];
            edgeData.cast::<[u8; 8]>().add(i).write(v);
        }
        let v = r.usize()?;
        numDependentNodes.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphDestroyNode`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroyNode(hNode: u64) -> u32 {
    guard(op::CU_GRAPH_DESTROY_NODE, || unsafe { auto_cuGraphDestroyNode(hNode) })
}

unsafe fn auto_cuGraphDestroyNode(hNode: u64) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let aim = hNode.target;
    client::posted(op::CU_GRAPH_DESTROY_NODE, aim, 8, |w| {
        w.u64(hNode.id);
    })?;
    client::destroyed(Kind::GraphNode, hNode.id);
    Ok(())
}

/// `cuGraphExecKernelNodeSetParams`, CUDA 10.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecKernelNodeSetParams(hGraphExec: u64, hNode: u64, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS, || unsafe { crate::driver::graph_node::cuGraphExecKernelNodeSetParams(hGraphExec, hNode, nodeParams) })
}

/// `cuGraphExecKernelNodeSetParams_v2`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecKernelNodeSetParams_v2(hGraphExec: u64, hNode: u64, nodeParams: *const c_void) -> u32 {
    guard(op::CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS_V2, || unsafe { crate::driver::graph_node::cuGraphExecKernelNodeSetParams_v2(hGraphExec, hNode, nodeParams) })
}

/// `cuGraphExecMemcpyNodeSetParams`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecMemcpyNodeSetParams(hGraphExec: u64, hNode: u64, copyParams: *const c_void, ctx: u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_MEMCPY_NODE_SET_PARAMS, || unsafe { crate::driver::graph_node::cuGraphExecMemcpyNodeSetParams(hGraphExec, hNode, copyParams, ctx) })
}

/// `cuGraphExecMemsetNodeSetParams`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecMemsetNodeSetParams(hGraphExec: u64, hNode: u64, memsetParams: *const c_void, ctx: u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_MEMSET_NODE_SET_PARAMS, || unsafe { auto_cuGraphExecMemsetNodeSetParams(hGraphExec, hNode, memsetParams, ctx) })
}

unsafe fn auto_cuGraphExecMemsetNodeSetParams(hGraphExec: u64, hNode: u64, memsetParams: *const c_void, ctx: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if memsetParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let ctx = client::handle(Kind::Context, ctx)?;
    let aim = hGraphExec.target;
    client::posted(op::CU_GRAPH_EXEC_MEMSET_NODE_SET_PARAMS, aim, 64, |w| {
        w.u64(hGraphExec.id);
        w.u64(hNode.id);
        w.put(&memsetParams.cast::<[u8; 40]>().read());
        w.u64(ctx.id);
    })?;
    Ok(())
}

/// `cuGraphExecHostNodeSetParams`, CUDA 10.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecHostNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXEC_HOST_NODE_SET_PARAMS)
}

/// `cuGraphExecChildGraphNodeSetParams`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecChildGraphNodeSetParams(hGraphExec: u64, hNode: u64, childGraph: u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_CHILD_GRAPH_NODE_SET_PARAMS, || unsafe { auto_cuGraphExecChildGraphNodeSetParams(hGraphExec, hNode, childGraph) })
}

unsafe fn auto_cuGraphExecChildGraphNodeSetParams(hGraphExec: u64, hNode: u64, childGraph: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let childGraph = client::handle(Kind::Graph, childGraph)?;
    let aim = hGraphExec.target;
    client::posted(op::CU_GRAPH_EXEC_CHILD_GRAPH_NODE_SET_PARAMS, aim, 24, |w| {
        w.u64(hGraphExec.id);
        w.u64(hNode.id);
        w.u64(childGraph.id);
    })?;
    Ok(())
}

/// `cuGraphExecEventRecordNodeSetEvent`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecEventRecordNodeSetEvent(hGraphExec: u64, hNode: u64, event: u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_EVENT_RECORD_NODE_SET_EVENT, || unsafe { crate::driver::graph_node::cuGraphExecEventRecordNodeSetEvent(hGraphExec, hNode, event) })
}

pub(crate) unsafe fn auto_cuGraphExecEventRecordNodeSetEvent(hGraphExec: u64, hNode: u64, event: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let event = client::handle(Kind::Event, event)?;
    let aim = hGraphExec.target;
    client::posted(op::CU_GRAPH_EXEC_EVENT_RECORD_NODE_SET_EVENT, aim, 24, |w| {
        w.u64(hGraphExec.id);
        w.u64(hNode.id);
        w.u64(event.id);
    })?;
    Ok(())
}

/// `cuGraphExecEventWaitNodeSetEvent`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecEventWaitNodeSetEvent(hGraphExec: u64, hNode: u64, event: u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_EVENT_WAIT_NODE_SET_EVENT, || unsafe { auto_cuGraphExecEventWaitNodeSetEvent(hGraphExec, hNode, event) })
}

unsafe fn auto_cuGraphExecEventWaitNodeSetEvent(hGraphExec: u64, hNode: u64, event: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let event = client::handle(Kind::Event, event)?;
    let aim = hGraphExec.target;
    client::posted(op::CU_GRAPH_EXEC_EVENT_WAIT_NODE_SET_EVENT, aim, 24, |w| {
        w.u64(hGraphExec.id);
        w.u64(hNode.id);
        w.u64(event.id);
    })?;
    Ok(())
}

/// `cuGraphExecExternalSemaphoresSignalNodeSetParams`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecExternalSemaphoresSignalNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXEC_EXTERNAL_SEMAPHORES_SIGNAL_NODE_SET_PARAMS)
}

/// `cuGraphExecExternalSemaphoresWaitNodeSetParams`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecExternalSemaphoresWaitNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXEC_EXTERNAL_SEMAPHORES_WAIT_NODE_SET_PARAMS)
}

/// `cuGraphNodeSetEnabled`, CUDA 11.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeSetEnabled(hGraphExec: u64, hNode: u64, isEnabled: u32) -> u32 {
    guard(op::CU_GRAPH_NODE_SET_ENABLED, || unsafe { auto_cuGraphNodeSetEnabled(hGraphExec, hNode, isEnabled) })
}

unsafe fn auto_cuGraphNodeSetEnabled(hGraphExec: u64, hNode: u64, isEnabled: u32) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    let aim = hGraphExec.target;
    client::posted(op::CU_GRAPH_NODE_SET_ENABLED, aim, 20, |w| {
        w.u64(hGraphExec.id);
        w.u64(hNode.id);
        w.u32(isEnabled);
    })?;
    Ok(())
}

/// `cuGraphNodeGetEnabled`, CUDA 11.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetEnabled(hGraphExec: u64, hNode: u64, isEnabled: *mut u32) -> u32 {
    guard(op::CU_GRAPH_NODE_GET_ENABLED, || unsafe { auto_cuGraphNodeGetEnabled(hGraphExec, hNode, isEnabled) })
}

unsafe fn auto_cuGraphNodeGetEnabled(hGraphExec: u64, hNode: u64, isEnabled: *mut u32) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if isEnabled.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraphExec.target;
    client::called(op::CU_GRAPH_NODE_GET_ENABLED, aim, 16, |w| {
        w.u64(hGraphExec.id);
        w.u64(hNode.id);
    }, |r| {
        let v = r.u32()?;
        isEnabled.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphKernelNodeCopyAttributes`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphKernelNodeCopyAttributes(dst: u64, src: u64) -> u32 {
    guard(op::CU_GRAPH_KERNEL_NODE_COPY_ATTRIBUTES, || unsafe { auto_cuGraphKernelNodeCopyAttributes(dst, src) })
}

unsafe fn auto_cuGraphKernelNodeCopyAttributes(dst: u64, src: u64) -> Result<(), CudaError> {
    let dst = client::handle(Kind::GraphNode, dst)?;
    let src = client::handle(Kind::GraphNode, src)?;
    let aim = dst.target;
    client::posted(op::CU_GRAPH_KERNEL_NODE_COPY_ATTRIBUTES, aim, 16, |w| {
        w.u64(dst.id);
        w.u64(src.id);
    })?;
    Ok(())
}

/// `cuGraphKernelNodeGetAttribute`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphKernelNodeGetAttribute(hNode: u64, attr: u32, value_out: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_KERNEL_NODE_GET_ATTRIBUTE, || unsafe { auto_cuGraphKernelNodeGetAttribute(hNode, attr, value_out) })
}

unsafe fn auto_cuGraphKernelNodeGetAttribute(hNode: u64, attr: u32, value_out: *mut c_void) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if value_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::called(op::CU_GRAPH_KERNEL_NODE_GET_ATTRIBUTE, aim, 12, |w| {
        w.u64(hNode.id);
        w.u32(attr);
    }, |r| {
        let v = r.array::<64>()?;
        value_out.cast::<[u8; 64]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphKernelNodeSetAttribute`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphKernelNodeSetAttribute(hNode: u64, attr: u32, value: *const c_void) -> u32 {
    guard(op::CU_GRAPH_KERNEL_NODE_SET_ATTRIBUTE, || unsafe { auto_cuGraphKernelNodeSetAttribute(hNode, attr, value) })
}

unsafe fn auto_cuGraphKernelNodeSetAttribute(hNode: u64, attr: u32, value: *const c_void) -> Result<(), CudaError> {
    let hNode = client::handle(Kind::GraphNode, hNode)?;
    if value.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hNode.target;
    client::posted(op::CU_GRAPH_KERNEL_NODE_SET_ATTRIBUTE, aim, 76, |w| {
        w.u64(hNode.id);
        w.u32(attr);
        w.put(&value.cast::<[u8; 64]>().read());
    })?;
    Ok(())
}

/// `cuGraphAddNode`, CUDA 12.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddNode(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, numDependencies: usize, nodeParams: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_ADD_NODE, || unsafe { crate::driver::graph_node::cuGraphAddNode(phGraphNode, hGraph, dependencies, numDependencies, nodeParams) })
}

/// `cuGraphAddNode_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddNode_v2(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, dependencyData: *const c_void, numDependencies: usize, nodeParams: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_ADD_NODE_V2, || unsafe { crate::driver::graph_node::cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams) })
}

/// `cuGraphAddNode_v2`, CUDA 13.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddNode_v3(phGraphNode: *mut u64, hGraph: u64, dependencies: *const c_void, dependencyData: *const c_void, numDependencies: usize, nodeParams: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_ADD_NODE_V2, || unsafe { crate::driver::graph_node::cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams) })
}

/// `cuGraphNodeSetParams`, CUDA 12.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_NODE_SET_PARAMS)
}

/// `cuGraphNodeSetParams`, CUDA 13.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphNodeSetParams_v2() -> u32 {
    refused(op::CU_GRAPH_NODE_SET_PARAMS)
}

/// `cuGraphNodeGetParams`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphNodeGetParams() -> u32 {
    refused(op::CU_GRAPH_NODE_GET_PARAMS)
}

/// `cuGraphExecNodeSetParams`, CUDA 12.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecNodeSetParams() -> u32 {
    refused(op::CU_GRAPH_EXEC_NODE_SET_PARAMS)
}
