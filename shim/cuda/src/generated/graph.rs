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

/// `cuGraphCreate`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphCreate(phGraph: *mut u64, flags: u32) -> u32 {
    guard(op::CU_GRAPH_CREATE, || unsafe { auto_cuGraphCreate(phGraph, flags) })
}

unsafe fn auto_cuGraphCreate(phGraph: *mut u64, flags: u32) -> Result<(), CudaError> {
    if phGraph.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if flags & !0x0 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let phGraph_new = client::create(Kind::Graph, aim)?;
    client::posted(op::CU_GRAPH_CREATE, aim, 12, |w| {
        w.u64(phGraph_new.id());
        w.u32(flags);
    })?;
    phGraph.write_unaligned(phGraph_new.keep());
    Ok(())
}

/// `cuDeviceGraphMemTrim`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGraphMemTrim(device: i32) -> u32 {
    guard(op::CU_DEVICE_GRAPH_MEM_TRIM, || unsafe { auto_cuDeviceGraphMemTrim(device) })
}

unsafe fn auto_cuDeviceGraphMemTrim(device: i32) -> Result<(), CudaError> {
    let device = client::device(device)?;
    let aim = device.target;
    client::posted(op::CU_DEVICE_GRAPH_MEM_TRIM, aim, 4, |w| {
        w.i32(device.ordinal);
    })?;
    Ok(())
}

/// `cuDeviceGetGraphMemAttribute`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetGraphMemAttribute(device: i32, attr: u32, value: *mut c_void) -> u32 {
    guard(op::CU_DEVICE_GET_GRAPH_MEM_ATTRIBUTE, || unsafe { auto_cuDeviceGetGraphMemAttribute(device, attr, value) })
}

unsafe fn auto_cuDeviceGetGraphMemAttribute(device: i32, attr: u32, value: *mut c_void) -> Result<(), CudaError> {
    let device = client::device(device)?;
    if value.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = device.target;
    client::called(op::CU_DEVICE_GET_GRAPH_MEM_ATTRIBUTE, aim, 8, |w| {
        w.i32(device.ordinal);
        w.u32(attr);
    }, |r| {
        let v = r.array::<8>()?;
        value.cast::<[u8; 8]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuDeviceSetGraphMemAttribute`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceSetGraphMemAttribute(device: i32, attr: u32, value: *const c_void) -> u32 {
    guard(op::CU_DEVICE_SET_GRAPH_MEM_ATTRIBUTE, || unsafe { auto_cuDeviceSetGraphMemAttribute(device, attr, value) })
}

unsafe fn auto_cuDeviceSetGraphMemAttribute(device: i32, attr: u32, value: *const c_void) -> Result<(), CudaError> {
    let device = client::device(device)?;
    if value.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = device.target;
    client::called(op::CU_DEVICE_SET_GRAPH_MEM_ATTRIBUTE, aim, 16, |w| {
        w.i32(device.ordinal);
        w.u32(attr);
        w.put(&value.cast::<[u8; 8]>().read());
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuGraphClone`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphClone(phGraphClone: *mut u64, originalGraph: u64) -> u32 {
    guard(op::CU_GRAPH_CLONE, || unsafe { auto_cuGraphClone(phGraphClone, originalGraph) })
}

unsafe fn auto_cuGraphClone(phGraphClone: *mut u64, originalGraph: u64) -> Result<(), CudaError> {
    if phGraphClone.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let originalGraph = client::handle(Kind::Graph, originalGraph)?;
    let aim = originalGraph.target;
    let phGraphClone_new = client::create(Kind::Graph, aim)?;
    client::called(op::CU_GRAPH_CLONE, aim, 16, |w| {
        w.u64(phGraphClone_new.id());
        w.u64(originalGraph.id);
    }, |_| Ok(()))?;
    phGraphClone.write_unaligned(phGraphClone_new.keep());
    Ok(())
}

/// `cuGraphGetId`, CUDA 13.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetId(hGraph: u64, graphId: *mut u32) -> u32 {
    guard(op::CU_GRAPH_GET_ID, || unsafe { auto_cuGraphGetId(hGraph, graphId) })
}

unsafe fn auto_cuGraphGetId(hGraph: u64, graphId: *mut u32) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if graphId.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraph.target;
    client::called(op::CU_GRAPH_GET_ID, aim, 8, |w| {
        w.u64(hGraph.id);
    }, |r| {
        let v = r.u32()?;
        graphId.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphExecGetId`, CUDA 13.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecGetId(hGraphExec: u64, graphId: *mut u32) -> u32 {
    guard(op::CU_GRAPH_EXEC_GET_ID, || unsafe { auto_cuGraphExecGetId(hGraphExec, graphId) })
}

unsafe fn auto_cuGraphExecGetId(hGraphExec: u64, graphId: *mut u32) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    if graphId.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraphExec.target;
    client::called(op::CU_GRAPH_EXEC_GET_ID, aim, 8, |w| {
        w.u64(hGraphExec.id);
    }, |r| {
        let v = r.u32()?;
        graphId.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphGetNodes`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetNodes(hGraph: u64, nodes: *mut u64, numNodes: *mut usize) -> u32 {
    guard(op::CU_GRAPH_GET_NODES, || unsafe { auto_cuGraphGetNodes(hGraph, nodes, numNodes) })
}

unsafe fn auto_cuGraphGetNodes(hGraph: u64, nodes: *mut u64, numNodes: *mut usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let nodes_room = if nodes.is_null() || numNodes.is_null() { 0 } else { numNodes.read_unaligned() };
    if numNodes.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraph.target;
    client::called(op::CU_GRAPH_GET_NODES, aim, 17, |w| {
        w.u64(hGraph.id);
        w.u8(u8::from(!nodes.is_null()));
        w.usize(numNodes.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < nodes_room {
                nodes.add(i).write_unaligned(v);
            }
        }
        for i in count..nodes_room {
            let v = 0;
            nodes.add(i).write_unaligned(v);
        }
        let v = r.usize()?;
        numNodes.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphGetRootNodes`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetRootNodes(hGraph: u64, rootNodes: *mut u64, numRootNodes: *mut usize) -> u32 {
    guard(op::CU_GRAPH_GET_ROOT_NODES, || unsafe { auto_cuGraphGetRootNodes(hGraph, rootNodes, numRootNodes) })
}

unsafe fn auto_cuGraphGetRootNodes(hGraph: u64, rootNodes: *mut u64, numRootNodes: *mut usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let rootNodes_room = if rootNodes.is_null() || numRootNodes.is_null() { 0 } else { numRootNodes.read_unaligned() };
    if numRootNodes.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraph.target;
    client::called(op::CU_GRAPH_GET_ROOT_NODES, aim, 17, |w| {
        w.u64(hGraph.id);
        w.u8(u8::from(!rootNodes.is_null()));
        w.usize(numRootNodes.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < rootNodes_room {
                rootNodes.add(i).write_unaligned(v);
            }
        }
        for i in count..rootNodes_room {
            let v = 0;
            rootNodes.add(i).write_unaligned(v);
        }
        let v = r.usize()?;
        numRootNodes.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphGetEdges`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetEdges(hGraph: u64, from: *mut u64, to: *mut u64, numEdges: *mut usize) -> u32 {
    guard(op::CU_GRAPH_GET_EDGES, || unsafe { auto_cuGraphGetEdges(hGraph, from, to, numEdges) })
}

unsafe fn auto_cuGraphGetEdges(hGraph: u64, from: *mut u64, to: *mut u64, numEdges: *mut usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let from_room = if from.is_null() || numEdges.is_null() { 0 } else { numEdges.read_unaligned() };
    let to_room = if to.is_null() || numEdges.is_null() { 0 } else { numEdges.read_unaligned() };
    if numEdges.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraph.target;
    client::called(op::CU_GRAPH_GET_EDGES, aim, 18, |w| {
        w.u64(hGraph.id);
        w.u8(u8::from(!from.is_null()));
        w.u8(u8::from(!to.is_null()));
        w.usize(numEdges.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < from_room {
                from.add(i).write_unaligned(v);
            }
        }
        for i in count..from_room {
            let v = 0;
            from.add(i).write_unaligned(v);
        }
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < to_room {
                to.add(i).write_unaligned(v);
            }
        }
        for i in count..to_room {
            let v = 0;
            to.add(i).write_unaligned(v);
        }
        let v = r.usize()?;
        numEdges.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphGetEdges_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetEdges_v2(hGraph: u64, from: *mut u64, to: *mut u64, edgeData: *mut c_void, numEdges: *mut usize) -> u32 {
    guard(op::CU_GRAPH_GET_EDGES_V2, || unsafe { auto_cuGraphGetEdges_v2(hGraph, from, to, edgeData, numEdges) })
}

unsafe fn auto_cuGraphGetEdges_v2(hGraph: u64, from: *mut u64, to: *mut u64, edgeData: *mut c_void, numEdges: *mut usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let from_room = if from.is_null() || numEdges.is_null() { 0 } else { numEdges.read_unaligned() };
    let to_room = if to.is_null() || numEdges.is_null() { 0 } else { numEdges.read_unaligned() };
    let edgeData_room = if edgeData.is_null() || numEdges.is_null() { 0 } else { numEdges.read_unaligned() };
    if numEdges.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraph.target;
    client::called(op::CU_GRAPH_GET_EDGES_V2, aim, 19, |w| {
        w.u64(hGraph.id);
        w.u8(u8::from(!from.is_null()));
        w.u8(u8::from(!to.is_null()));
        w.u8(u8::from(!edgeData.is_null()));
        w.usize(numEdges.read_unaligned());
    }, |r| {
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < from_room {
                from.add(i).write_unaligned(v);
            }
        }
        for i in count..from_room {
            let v = 0;
            from.add(i).write_unaligned(v);
        }
        let count = r.u32()? as usize;
        for i in 0..count {
            let v = match r.u64()? {
                0 => 0,
                v => client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))?,
            };
            if i < to_room {
                to.add(i).write_unaligned(v);
            }
        }
        for i in count..to_room {
            let v = 0;
            to.add(i).write_unaligned(v);
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
        numEdges.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphAddDependencies`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddDependencies(hGraph: u64, from: *const u64, to: *const u64, numDependencies: usize) -> u32 {
    guard(op::CU_GRAPH_ADD_DEPENDENCIES, || unsafe { auto_cuGraphAddDependencies(hGraph, from, to, numDependencies) })
}

unsafe fn auto_cuGraphAddDependencies(hGraph: u64, from: *const u64, to: *const u64, numDependencies: usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if from.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let from_in = client::slice(from, numDependencies as usize)?;
    let from_in = from_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    if to.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let to_in = client::slice(to, numDependencies as usize)?;
    let to_in = to_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let aim = hGraph.target;
    client::posted(op::CU_GRAPH_ADD_DEPENDENCIES, aim, 16 + 4 + from_in.len().saturating_mul(8) + 4 + to_in.len().saturating_mul(8), |w| {
        w.u64(hGraph.id);
        w.u32(u32::try_from(from_in.len()).unwrap_or(u32::MAX));
        for v in from_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(to_in.len()).unwrap_or(u32::MAX));
        for v in to_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
    })?;
    Ok(())
}

/// `cuGraphAddDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphAddDependencies_v2(hGraph: u64, from: *const u64, to: *const u64, edgeData: *const c_void, numDependencies: usize) -> u32 {
    guard(op::CU_GRAPH_ADD_DEPENDENCIES_V2, || unsafe { auto_cuGraphAddDependencies_v2(hGraph, from, to, edgeData, numDependencies) })
}

unsafe fn auto_cuGraphAddDependencies_v2(hGraph: u64, from: *const u64, to: *const u64, edgeData: *const c_void, numDependencies: usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if from.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let from_in = client::slice(from, numDependencies as usize)?;
    let from_in = from_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    if to.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let to_in = client::slice(to, numDependencies as usize)?;
    let to_in = to_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let edgeData_in = client::slice(edgeData.cast::<[u8; 8]>(), numDependencies as usize)?;
    let edgeData_in = if edgeData.is_null() { &[][..] } else { edgeData_in };
    let aim = hGraph.target;
    client::posted(op::CU_GRAPH_ADD_DEPENDENCIES_V2, aim, 16 + 4 + from_in.len().saturating_mul(8) + 4 + to_in.len().saturating_mul(8) + 4 + edgeData_in.len().saturating_mul(8), |w| {
        w.u64(hGraph.id);
        w.u32(u32::try_from(from_in.len()).unwrap_or(u32::MAX));
        for v in from_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(to_in.len()).unwrap_or(u32::MAX));
        for v in to_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(edgeData_in.len()).unwrap_or(u32::MAX));
        for v in edgeData_in.iter() {
            w.put(v);
        }
        w.usize(numDependencies);
    })?;
    Ok(())
}

/// `cuGraphRemoveDependencies`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphRemoveDependencies(hGraph: u64, from: *const u64, to: *const u64, numDependencies: usize) -> u32 {
    guard(op::CU_GRAPH_REMOVE_DEPENDENCIES, || unsafe { auto_cuGraphRemoveDependencies(hGraph, from, to, numDependencies) })
}

unsafe fn auto_cuGraphRemoveDependencies(hGraph: u64, from: *const u64, to: *const u64, numDependencies: usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if from.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let from_in = client::slice(from, numDependencies as usize)?;
    let from_in = from_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    if to.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let to_in = client::slice(to, numDependencies as usize)?;
    let to_in = to_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let aim = hGraph.target;
    client::posted(op::CU_GRAPH_REMOVE_DEPENDENCIES, aim, 16 + 4 + from_in.len().saturating_mul(8) + 4 + to_in.len().saturating_mul(8), |w| {
        w.u64(hGraph.id);
        w.u32(u32::try_from(from_in.len()).unwrap_or(u32::MAX));
        for v in from_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(to_in.len()).unwrap_or(u32::MAX));
        for v in to_in.iter() {
            w.u64(*v);
        }
        w.usize(numDependencies);
    })?;
    Ok(())
}

/// `cuGraphRemoveDependencies_v2`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphRemoveDependencies_v2(hGraph: u64, from: *const u64, to: *const u64, edgeData: *const c_void, numDependencies: usize) -> u32 {
    guard(op::CU_GRAPH_REMOVE_DEPENDENCIES_V2, || unsafe { auto_cuGraphRemoveDependencies_v2(hGraph, from, to, edgeData, numDependencies) })
}

unsafe fn auto_cuGraphRemoveDependencies_v2(hGraph: u64, from: *const u64, to: *const u64, edgeData: *const c_void, numDependencies: usize) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    if from.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let from_in = client::slice(from, numDependencies as usize)?;
    let from_in = from_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    if to.is_null() && numDependencies != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let to_in = client::slice(to, numDependencies as usize)?;
    let to_in = to_in.iter().map(|v| Ok(client::handle(Kind::GraphNode, *v)?.id)).collect::<Result<Vec<u64>, CudaError>>()?;
    let edgeData_in = client::slice(edgeData.cast::<[u8; 8]>(), numDependencies as usize)?;
    let edgeData_in = if edgeData.is_null() { &[][..] } else { edgeData_in };
    let aim = hGraph.target;
    client::posted(op::CU_GRAPH_REMOVE_DEPENDENCIES_V2, aim, 16 + 4 + from_in.len().saturating_mul(8) + 4 + to_in.len().saturating_mul(8) + 4 + edgeData_in.len().saturating_mul(8), |w| {
        w.u64(hGraph.id);
        w.u32(u32::try_from(from_in.len()).unwrap_or(u32::MAX));
        for v in from_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(to_in.len()).unwrap_or(u32::MAX));
        for v in to_in.iter() {
            w.u64(*v);
        }
        w.u32(u32::try_from(edgeData_in.len()).unwrap_or(u32::MAX));
        for v in edgeData_in.iter() {
            w.put(v);
        }
        w.usize(numDependencies);
    })?;
    Ok(())
}

/// `cuGraphInstantiateWithFlags`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(phGraphExec: *mut u64, hGraph: u64, flags: u64) -> u32 {
    guard(op::CU_GRAPH_INSTANTIATE_WITH_FLAGS, || unsafe { auto_cuGraphInstantiateWithFlags(phGraphExec, hGraph, flags) })
}

unsafe fn auto_cuGraphInstantiateWithFlags(phGraphExec: *mut u64, hGraph: u64, flags: u64) -> Result<(), CudaError> {
    if phGraphExec.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let aim = hGraph.target;
    let phGraphExec_new = client::create(Kind::GraphExec, aim)?;
    client::called(op::CU_GRAPH_INSTANTIATE_WITH_FLAGS, aim, 24, |w| {
        w.u64(phGraphExec_new.id());
        w.u64(hGraph.id);
        w.u64(flags);
    }, |_| Ok(()))?;
    phGraphExec.write_unaligned(phGraphExec_new.keep());
    Ok(())
}

/// `cuGraphInstantiateWithParams`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithParams(phGraphExec: *mut u64, hGraph: u64, instantiateParams: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_INSTANTIATE_WITH_PARAMS, || unsafe { crate::driver::graph::cuGraphInstantiateWithParams(phGraphExec, hGraph, instantiateParams, false) })
}

/// `cuGraphInstantiateWithParams`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithParams_ptsz(phGraphExec: *mut u64, hGraph: u64, instantiateParams: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_INSTANTIATE_WITH_PARAMS, || unsafe { crate::driver::graph::cuGraphInstantiateWithParams(phGraphExec, hGraph, instantiateParams, true) })
}

/// `cuGraphExecGetFlags`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecGetFlags(hGraphExec: u64, flags: *mut u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_GET_FLAGS, || unsafe { auto_cuGraphExecGetFlags(hGraphExec, flags) })
}

unsafe fn auto_cuGraphExecGetFlags(hGraphExec: u64, flags: *mut u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    if flags.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hGraphExec.target;
    client::called(op::CU_GRAPH_EXEC_GET_FLAGS, aim, 8, |w| {
        w.u64(hGraphExec.id);
    }, |r| {
        let v = r.u64()?;
        flags.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphUpload`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphUpload(hGraphExec: u64, hStream: u64) -> u32 {
    guard(op::CU_GRAPH_UPLOAD, || unsafe { auto_cuGraphUpload(hGraphExec, stream_arg(hStream, false)) })
}

/// `cuGraphUpload`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphUpload_ptsz(hGraphExec: u64, hStream: u64) -> u32 {
    guard(op::CU_GRAPH_UPLOAD, || unsafe { auto_cuGraphUpload(hGraphExec, stream_arg(hStream, true)) })
}

unsafe fn auto_cuGraphUpload(hGraphExec: u64, hStream: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_GRAPH_UPLOAD, aim, 16, |w| {
        w.u64(hGraphExec.id);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuGraphLaunch`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch(hGraphExec: u64, hStream: u64) -> u32 {
    guard(op::CU_GRAPH_LAUNCH, || unsafe { auto_cuGraphLaunch(hGraphExec, stream_arg(hStream, false)) })
}

/// `cuGraphLaunch`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch_ptsz(hGraphExec: u64, hStream: u64) -> u32 {
    guard(op::CU_GRAPH_LAUNCH, || unsafe { auto_cuGraphLaunch(hGraphExec, stream_arg(hStream, true)) })
}

unsafe fn auto_cuGraphLaunch(hGraphExec: u64, hStream: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_GRAPH_LAUNCH, aim, 16, |w| {
        w.u64(hGraphExec.id);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuGraphExecDestroy`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecDestroy(hGraphExec: u64) -> u32 {
    guard(op::CU_GRAPH_EXEC_DESTROY, || unsafe { auto_cuGraphExecDestroy(hGraphExec) })
}

unsafe fn auto_cuGraphExecDestroy(hGraphExec: u64) -> Result<(), CudaError> {
    let hGraphExec = client::handle(Kind::GraphExec, hGraphExec)?;
    let aim = hGraphExec.target;
    client::posted(op::CU_GRAPH_EXEC_DESTROY, aim, 8, |w| {
        w.u64(hGraphExec.id);
    })?;
    client::destroyed(Kind::GraphExec, hGraphExec.id);
    Ok(())
}

/// `cuGraphDestroy`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroy(hGraph: u64) -> u32 {
    guard(op::CU_GRAPH_DESTROY, || unsafe { auto_cuGraphDestroy(hGraph) })
}

unsafe fn auto_cuGraphDestroy(hGraph: u64) -> Result<(), CudaError> {
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let aim = hGraph.target;
    client::posted(op::CU_GRAPH_DESTROY, aim, 8, |w| {
        w.u64(hGraph.id);
    })?;
    client::destroyed(Kind::Graph, hGraph.id);
    Ok(())
}

/// `cuGraphExecUpdate`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecUpdate(hGraphExec: u64, hGraph: u64, hErrorNode_out: *mut u64, updateResult_out: *mut u32) -> u32 {
    guard(op::CU_GRAPH_EXEC_UPDATE, || unsafe { crate::driver::graph::cuGraphExecUpdate(hGraphExec, hGraph, hErrorNode_out, updateResult_out) })
}

/// `cuGraphExecUpdate_v2`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecUpdate_v2(hGraphExec: u64, hGraph: u64, resultInfo: *mut c_void) -> u32 {
    guard(op::CU_GRAPH_EXEC_UPDATE_V2, || unsafe { crate::driver::graph::cuGraphExecUpdate_v2(hGraphExec, hGraph, resultInfo) })
}

/// `cuGraphDebugDotPrint`, CUDA 11.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphDebugDotPrint() -> u32 {
    refused(op::CU_GRAPH_DEBUG_DOT_PRINT)
}

/// `cuUserObjectCreate`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuUserObjectCreate(object_out: *mut u64, ptr: *const c_void, destroy: *const c_void, initialRefcount: u32, flags: u32) -> u32 {
    guard(op::CU_USER_OBJECT_CREATE, || unsafe { crate::driver::graph::cuUserObjectCreate(object_out, ptr, destroy, initialRefcount, flags) })
}

/// `cuUserObjectRetain`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuUserObjectRetain(object: u64, count: u32) -> u32 {
    guard(op::CU_USER_OBJECT_RETAIN, || unsafe { crate::driver::graph::cuUserObjectRetain(object, count) })
}

/// `cuUserObjectRelease`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuUserObjectRelease(object: u64, count: u32) -> u32 {
    guard(op::CU_USER_OBJECT_RELEASE, || unsafe { crate::driver::graph::cuUserObjectRelease(object, count) })
}

/// `cuGraphRetainUserObject`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphRetainUserObject(graph: u64, object: u64, count: u32, flags: u32) -> u32 {
    guard(op::CU_GRAPH_RETAIN_USER_OBJECT, || unsafe { crate::driver::graph::cuGraphRetainUserObject(graph, object, count, flags) })
}

/// `cuGraphReleaseUserObject`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphReleaseUserObject(graph: u64, object: u64, count: u32) -> u32 {
    guard(op::CU_GRAPH_RELEASE_USER_OBJECT, || unsafe { crate::driver::graph::cuGraphReleaseUserObject(graph, object, count) })
}

/// `cuGraphConditionalHandleCreate`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphConditionalHandleCreate(pHandle_out: *mut u64, hGraph: u64, ctx: u64, defaultLaunchValue: u32, flags: u32) -> u32 {
    guard(op::CU_GRAPH_CONDITIONAL_HANDLE_CREATE, || unsafe { auto_cuGraphConditionalHandleCreate(pHandle_out, hGraph, ctx, defaultLaunchValue, flags) })
}

unsafe fn auto_cuGraphConditionalHandleCreate(pHandle_out: *mut u64, hGraph: u64, ctx: u64, defaultLaunchValue: u32, flags: u32) -> Result<(), CudaError> {
    if pHandle_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let ctx = client::handle(Kind::Context, ctx)?;
    let aim = hGraph.target;
    client::called(op::CU_GRAPH_CONDITIONAL_HANDLE_CREATE, aim, 24, |w| {
        w.u64(hGraph.id);
        w.u64(ctx.id);
        w.u32(defaultLaunchValue);
        w.u32(flags);
    }, |r| {
        let v = r.u64()?;
        pHandle_out.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuGraphInstantiate`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiate(phGraphExec: *mut u64, hGraph: u64, phErrorNode: *mut u64, logBuffer: *mut u8, bufferSize: usize) -> u32 {
    guard(op::CU_GRAPH_INSTANTIATE, || unsafe { auto_cuGraphInstantiate(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize) })
}

/// `cuGraphInstantiate`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiate_v2(phGraphExec: *mut u64, hGraph: u64, phErrorNode: *mut u64, logBuffer: *mut u8, bufferSize: usize) -> u32 {
    guard(op::CU_GRAPH_INSTANTIATE, || unsafe { auto_cuGraphInstantiate(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize) })
}

unsafe fn auto_cuGraphInstantiate(phGraphExec: *mut u64, hGraph: u64, phErrorNode: *mut u64, logBuffer: *mut u8, bufferSize: usize) -> Result<(), CudaError> {
    if phGraphExec.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hGraph = client::handle(Kind::Graph, hGraph)?;
    let aim = hGraph.target;
    let phGraphExec_new = client::create(Kind::GraphExec, aim)?;
    client::called(op::CU_GRAPH_INSTANTIATE, aim, 24, |w| {
        w.u64(phGraphExec_new.id());
        w.u64(hGraph.id);
        w.usize(bufferSize);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::GraphNode, v, aim).map_err(|_| Malformed::Value(v))? };
        if !phErrorNode.is_null() {
            phErrorNode.write_unaligned(v);
        }
        let v = r.take(bufferSize as usize)?;
        if !logBuffer.is_null() {
            logBuffer.copy_from_nonoverlapping(v.as_ptr(), v.len());
        }
        Ok(())
    })?;
    phGraphExec.write_unaligned(phGraphExec_new.keep());
    Ok(())
}
