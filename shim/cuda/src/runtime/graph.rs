//! Graphs: building, instantiation, launch, update.
//!
//! Source: CUDA Runtime API, "Graph Management". Nodes and graphs are the driver's handles; what differs between runtime and driver
//! is how kernels and copies are described, and that is translated here.

use super::context::{driver, ready, ready_context};
use super::copy::driver_copy_3d;
use super::entry::{api, present, put, refuse, stream_or};
use super::error::{self, Outcome, check};
use super::registry::{function, stub_of, variable};
use super::types::{
    Copy3D, Dim3, DriverCopy3D, DriverKernelNode, Extent, KernelNode, PitchedPtr, Pos, memory_type,
};
use crate::driver_table::Driver;
use std::ffi::{c_char, c_void};

unsafe fn kernel_node(
    driver: &Driver,
    context: u64,
    params: *const KernelNode,
) -> Outcome<DriverKernelNode> {
    present(params)?;
    // SAFETY: present, and otherwise the caller's promise.
    let params = unsafe { &*params };
    Ok(DriverKernelNode {
        function: function(driver, context, params.function)?,
        grid: params.grid,
        block: params.block,
        shared_bytes: params.shared_bytes,
        params: params.params,
        extra: params.extra,
        kernel: 0,
        context: 0,
    })
}

unsafe fn copy_node(driver: &Driver, params: *const Copy3D) -> Outcome<DriverCopy3D> {
    present(params)?;
    // SAFETY: present, and otherwise the caller's promise.
    driver_copy_3d(driver, unsafe { &*params })
}

/// A copy of plain bytes, as a three-dimensional copy of one row.
fn row(destination: u64, source: u64, bytes: usize, kind: u32) -> Copy3D {
    let side = |ptr| PitchedPtr {
        ptr,
        pitch: bytes,
        xsize: bytes,
        ysize: 1,
    };
    let origin = Pos { x: 0, y: 0, z: 0 };
    Copy3D {
        src_array: 0,
        src_pos: origin,
        src_ptr: side(source),
        dst_array: 0,
        dst_pos: origin,
        dst_ptr: side(destination),
        extent: Extent {
            width: bytes,
            height: 1,
            depth: 1,
        },
        kind,
    }
}

/// The address of a part of a variable.
fn symbol_part(
    driver: &Driver,
    context: u64,
    symbol: *const c_void,
    bytes: usize,
    offset: usize,
) -> Outcome<u64> {
    let (address, size) = variable(driver, context, symbol)?;
    if offset.checked_add(bytes).is_none_or(|end| end > size) {
        return Err(error::INVALID_VALUE);
    }
    Ok(address + offset as u64)
}

api! {
    fn cudaGraphCreate(graph: *mut u64, flags: u32) {
        present(graph)?;
        check((ready()?.cuGraphCreate)(graph, flags))
    }

    fn cudaGraphDestroy(graph: u64) {
        check((ready()?.cuGraphDestroy)(graph))
    }

    fn cudaGraphClone(clone: *mut u64, graph: u64) {
        present(clone)?;
        check((ready()?.cuGraphClone)(clone, graph))
    }

    fn cudaGraphAddKernelNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const KernelNode) {
        present(node)?;
        let (driver, context) = ready_context()?;
        let params = kernel_node(driver, context, params)?;
        check((driver.cuGraphAddKernelNode_v2)(node, graph, dependencies, count, (&raw const params).cast()))
    }

    fn cudaGraphKernelNodeGetParams(node: u64, params: *mut KernelNode) {
        present(params)?;
        let driver = ready()?;
        let none = Dim3 { x: 0, y: 0, z: 0 };
        let mut read = DriverKernelNode { function: 0, grid: none, block: none, shared_bytes: 0, params: std::ptr::null_mut(),
            extra: std::ptr::null_mut(), kernel: 0, context: 0 };
        check((driver.cuGraphKernelNodeGetParams_v2)(node, (&raw mut read).cast()))?;
        let function = if read.function == 0 { read.kernel } else { read.function };
        put(params, KernelNode { function: stub_of(function) as *const c_void, grid: read.grid, block: read.block,
            shared_bytes: read.shared_bytes, params: read.params, extra: read.extra })
    }

    fn cudaGraphKernelNodeSetParams(node: u64, params: *const KernelNode) {
        let (driver, context) = ready_context()?;
        let params = kernel_node(driver, context, params)?;
        check((driver.cuGraphKernelNodeSetParams_v2)(node, (&raw const params).cast()))
    }

    fn cudaGraphExecKernelNodeSetParams(exec: u64, node: u64, params: *const KernelNode) {
        let (driver, context) = ready_context()?;
        let params = kernel_node(driver, context, params)?;
        check((driver.cuGraphExecKernelNodeSetParams_v2)(exec, node, (&raw const params).cast()))
    }

    fn cudaGraphAddNode_v2(node: *mut u64, graph: u64, dependencies: *const u64, edges: *const u64, count: usize,
        params: *mut NodeParams) {
        // Edge data of zeros is an ordinary edge; anything else asks for programmatic dependent launch.
        if !edges.is_null() && (0..count).any(|index| *edges.add(index) != 0) {
            return Err(refuse("cudaGraphAddNode_v2", "edges with data are not translated"));
        }
        add_node(node, graph, dependencies, count, params)
    }

    fn cudaGraphConditionalHandleCreate(condition: *mut u64, graph: u64, value: u32, flags: u32) {
        present(condition)?;
        let (driver, context) = ready_context()?;
        check((driver.cuGraphConditionalHandleCreate)(condition, graph, context, value, flags))
    }

    fn cudaGraphKernelNodeCopyAttributes(destination: u64, source: u64) {
        check((ready()?.cuGraphKernelNodeCopyAttributes)(destination, source))
    }

    fn cudaGraphKernelNodeGetAttribute(node: u64, attribute: u32, value: *mut c_void) {
        check((ready()?.cuGraphKernelNodeGetAttribute)(node, attribute, value))
    }

    fn cudaGraphKernelNodeSetAttribute(node: u64, attribute: u32, value: *const c_void) {
        check((ready()?.cuGraphKernelNodeSetAttribute)(node, attribute, value))
    }

    fn cudaGraphAddMemcpyNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const Copy3D) {
        present(node)?;
        let (driver, context) = ready_context()?;
        let copy = copy_node(driver, params)?;
        check((driver.cuGraphAddMemcpyNode)(node, graph, dependencies, count, (&raw const copy).cast(), context))
    }

    fn cudaGraphAddMemcpyNode1D(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, destination: u64, source: u64,
        bytes: usize, kind: u32) {
        present(node)?;
        let (driver, context) = ready_context()?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphAddMemcpyNode)(node, graph, dependencies, count, (&raw const copy).cast(), context))
    }

    fn cudaGraphAddMemcpyNodeToSymbol(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, symbol: *const c_void,
        source: u64, bytes: usize, offset: usize, kind: u32) {
        present(node)?;
        let (driver, context) = ready_context()?;
        let destination = symbol_part(driver, context, symbol, bytes, offset)?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphAddMemcpyNode)(node, graph, dependencies, count, (&raw const copy).cast(), context))
    }

    fn cudaGraphAddMemcpyNodeFromSymbol(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, destination: u64,
        symbol: *const c_void, bytes: usize, offset: usize, kind: u32) {
        present(node)?;
        let (driver, context) = ready_context()?;
        let source = symbol_part(driver, context, symbol, bytes, offset)?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphAddMemcpyNode)(node, graph, dependencies, count, (&raw const copy).cast(), context))
    }

    fn cudaGraphMemcpyNodeGetParams(node: u64, params: *mut Copy3D) {
        present(params)?;
        let driver = ready()?;
        let mut copy = DriverCopy3D::default();
        check((driver.cuGraphMemcpyNodeGetParams)(node, (&raw mut copy).cast()))?;
        put(params, runtime_copy(driver, &copy)?)
    }

    fn cudaGraphMemcpyNodeSetParams(node: u64, params: *const Copy3D) {
        let driver = ready()?;
        let copy = copy_node(driver, params)?;
        check((driver.cuGraphMemcpyNodeSetParams)(node, (&raw const copy).cast()))
    }

    fn cudaGraphMemcpyNodeSetParams1D(node: u64, destination: u64, source: u64, bytes: usize, kind: u32) {
        let driver = ready()?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphMemcpyNodeSetParams)(node, (&raw const copy).cast()))
    }

    fn cudaGraphMemcpyNodeSetParamsToSymbol(node: u64, symbol: *const c_void, source: u64, bytes: usize, offset: usize, kind: u32) {
        let (driver, context) = ready_context()?;
        let destination = symbol_part(driver, context, symbol, bytes, offset)?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphMemcpyNodeSetParams)(node, (&raw const copy).cast()))
    }

    fn cudaGraphMemcpyNodeSetParamsFromSymbol
        (node: u64, destination: u64, symbol: *const c_void, bytes: usize, offset: usize, kind: u32) {
        let (driver, context) = ready_context()?;
        let source = symbol_part(driver, context, symbol, bytes, offset)?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphMemcpyNodeSetParams)(node, (&raw const copy).cast()))
    }

    fn cudaGraphExecMemcpyNodeSetParams(exec: u64, node: u64, params: *const Copy3D) {
        let (driver, context) = ready_context()?;
        let copy = copy_node(driver, params)?;
        check((driver.cuGraphExecMemcpyNodeSetParams)(exec, node, (&raw const copy).cast(), context))
    }

    fn cudaGraphExecMemcpyNodeSetParams1D(exec: u64, node: u64, destination: u64, source: u64, bytes: usize, kind: u32) {
        let (driver, context) = ready_context()?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphExecMemcpyNodeSetParams)(exec, node, (&raw const copy).cast(), context))
    }

    fn cudaGraphExecMemcpyNodeSetParamsToSymbol
        (exec: u64, node: u64, symbol: *const c_void, source: u64, bytes: usize, offset: usize, kind: u32) {
        let (driver, context) = ready_context()?;
        let destination = symbol_part(driver, context, symbol, bytes, offset)?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphExecMemcpyNodeSetParams)(exec, node, (&raw const copy).cast(), context))
    }

    fn cudaGraphExecMemcpyNodeSetParamsFromSymbol
        (exec: u64, node: u64, destination: u64, symbol: *const c_void, bytes: usize, offset: usize, kind: u32) {
        let (driver, context) = ready_context()?;
        let source = symbol_part(driver, context, symbol, bytes, offset)?;
        let copy = driver_copy_3d(driver, &row(destination, source, bytes, kind))?;
        check((driver.cuGraphExecMemcpyNodeSetParams)(exec, node, (&raw const copy).cast(), context))
    }

    fn cudaGraphAddMemsetNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const c_void) {
        present(node)?;
        present(params)?;
        let (driver, context) = ready_context()?;
        check((driver.cuGraphAddMemsetNode)(node, graph, dependencies, count, params, context))
    }

    fn cudaGraphMemsetNodeGetParams(node: u64, params: *mut c_void) {
        present(params)?;
        check((ready()?.cuGraphMemsetNodeGetParams)(node, params))
    }

    fn cudaGraphMemsetNodeSetParams(node: u64, params: *const c_void) {
        present(params)?;
        check((ready()?.cuGraphMemsetNodeSetParams)(node, params))
    }

    fn cudaGraphExecMemsetNodeSetParams(exec: u64, node: u64, params: *const c_void) {
        present(params)?;
        let (driver, context) = ready_context()?;
        check((driver.cuGraphExecMemsetNodeSetParams)(exec, node, params, context))
    }

    fn cudaGraphAddHostNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *const c_void) {
        present(node)?;
        present(params)?;
        check((ready()?.cuGraphAddHostNode)(node, graph, dependencies, count, params))
    }

    fn cudaGraphHostNodeGetParams(node: u64, params: *mut c_void) {
        present(params)?;
        check((ready()?.cuGraphHostNodeGetParams)(node, params))
    }

    fn cudaGraphHostNodeSetParams(node: u64, params: *const c_void) {
        present(params)?;
        check((ready()?.cuGraphHostNodeSetParams)(node, params))
    }

    fn cudaGraphExecHostNodeSetParams(exec: u64, node: u64, params: *const c_void) {
        present(params)?;
        check((ready()?.cuGraphExecHostNodeSetParams)(exec, node, params))
    }

    fn cudaGraphAddChildGraphNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, child: u64) {
        present(node)?;
        check((ready()?.cuGraphAddChildGraphNode)(node, graph, dependencies, count, child))
    }

    fn cudaGraphChildGraphNodeGetGraph(node: u64, graph: *mut u64) {
        present(graph)?;
        check((ready()?.cuGraphChildGraphNodeGetGraph)(node, graph))
    }

    fn cudaGraphExecChildGraphNodeSetParams(exec: u64, node: u64, child: u64) {
        check((ready()?.cuGraphExecChildGraphNodeSetParams)(exec, node, child))
    }

    fn cudaGraphAddEmptyNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize) {
        present(node)?;
        check((ready()?.cuGraphAddEmptyNode)(node, graph, dependencies, count))
    }

    fn cudaGraphAddEventRecordNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, event: u64) {
        present(node)?;
        check((ready()?.cuGraphAddEventRecordNode)(node, graph, dependencies, count, event))
    }

    fn cudaGraphEventRecordNodeGetEvent(node: u64, event: *mut u64) {
        present(event)?;
        check((ready()?.cuGraphEventRecordNodeGetEvent)(node, event))
    }

    fn cudaGraphEventRecordNodeSetEvent(node: u64, event: u64) {
        check((ready()?.cuGraphEventRecordNodeSetEvent)(node, event))
    }

    fn cudaGraphExecEventRecordNodeSetEvent(exec: u64, node: u64, event: u64) {
        check((ready()?.cuGraphExecEventRecordNodeSetEvent)(exec, node, event))
    }

    fn cudaGraphAddEventWaitNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, event: u64) {
        present(node)?;
        check((ready()?.cuGraphAddEventWaitNode)(node, graph, dependencies, count, event))
    }

    fn cudaGraphEventWaitNodeGetEvent(node: u64, event: *mut u64) {
        present(event)?;
        check((ready()?.cuGraphEventWaitNodeGetEvent)(node, event))
    }

    fn cudaGraphEventWaitNodeSetEvent(node: u64, event: u64) {
        check((ready()?.cuGraphEventWaitNodeSetEvent)(node, event))
    }

    fn cudaGraphExecEventWaitNodeSetEvent(exec: u64, node: u64, event: u64) {
        check((ready()?.cuGraphExecEventWaitNodeSetEvent)(exec, node, event))
    }

    fn cudaGraphAddMemAllocNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, params: *mut c_void) {
        present(node)?;
        present(params)?;
        check((ready()?.cuGraphAddMemAllocNode)(node, graph, dependencies, count, params))
    }

    fn cudaGraphMemAllocNodeGetParams(node: u64, params: *mut c_void) {
        present(params)?;
        check((ready()?.cuGraphMemAllocNodeGetParams)(node, params))
    }

    fn cudaGraphAddMemFreeNode(node: *mut u64, graph: u64, dependencies: *const u64, count: usize, address: u64) {
        present(node)?;
        check((ready()?.cuGraphAddMemFreeNode)(node, graph, dependencies, count, address))
    }

    fn cudaGraphMemFreeNodeGetParams(node: u64, address: *mut u64) {
        present(address)?;
        check((ready()?.cuGraphMemFreeNodeGetParams)(node, address))
    }

    fn cudaGraphNodeFindInClone(node: *mut u64, original: u64, clone: u64) {
        present(node)?;
        check((ready()?.cuGraphNodeFindInClone)(node, original, clone))
    }

    fn cudaGraphNodeGetType(node: u64, kind: *mut u32) {
        present(kind)?;
        check((ready()?.cuGraphNodeGetType)(node, kind))
    }

    fn cudaGraphGetNodes(graph: u64, nodes: *mut u64, count: *mut usize) {
        present(count)?;
        check((ready()?.cuGraphGetNodes)(graph, nodes, count))
    }

    fn cudaGraphGetRootNodes(graph: u64, nodes: *mut u64, count: *mut usize) {
        present(count)?;
        check((ready()?.cuGraphGetRootNodes)(graph, nodes, count))
    }

    fn cudaGraphGetEdges_v2(graph: u64, from: *mut u64, to: *mut u64, edges: *mut c_void, count: *mut usize) {
        present(count)?;
        if edges.is_null() {
            return check((ready()?.cuGraphGetEdges)(graph, from, to, count));
        }
        check((ready()?.cuGraphGetEdges_v2)(graph, from, to, edges, count))
    }

    fn cudaGraphNodeGetDependencies_v2(node: u64, nodes: *mut u64, edges: *mut c_void, count: *mut usize) {
        present(count)?;
        if edges.is_null() {
            return check((ready()?.cuGraphNodeGetDependencies)(node, nodes, count));
        }
        check((ready()?.cuGraphNodeGetDependencies_v2)(node, nodes, edges, count))
    }

    fn cudaGraphNodeGetDependentNodes_v2(node: u64, nodes: *mut u64, edges: *mut c_void, count: *mut usize) {
        present(count)?;
        if edges.is_null() {
            return check((ready()?.cuGraphNodeGetDependentNodes)(node, nodes, count));
        }
        check((ready()?.cuGraphNodeGetDependentNodes_v2)(node, nodes, edges, count))
    }

    fn cudaGraphAddDependencies_v2(graph: u64, from: *const u64, to: *const u64, edges: *const c_void, count: usize) {
        if edges.is_null() {
            return check((ready()?.cuGraphAddDependencies)(graph, from, to, count));
        }
        check((ready()?.cuGraphAddDependencies_v2)(graph, from, to, edges, count))
    }

    fn cudaGraphRemoveDependencies_v2(graph: u64, from: *const u64, to: *const u64, edges: *const c_void, count: usize) {
        if edges.is_null() {
            return check((ready()?.cuGraphRemoveDependencies)(graph, from, to, count));
        }
        check((ready()?.cuGraphRemoveDependencies_v2)(graph, from, to, edges, count))
    }

    fn cudaGraphDestroyNode(node: u64) {
        check((ready()?.cuGraphDestroyNode)(node))
    }

    fn cudaGraphInstantiate(exec: *mut u64, graph: u64, flags: u64) {
        present(exec)?;
        check((ready()?.cuGraphInstantiateWithFlags)(exec, graph, flags))
    }

    fn cudaGraphInstantiateWithFlags(exec: *mut u64, graph: u64, flags: u64) {
        present(exec)?;
        check((ready()?.cuGraphInstantiateWithFlags)(exec, graph, flags))
    }

    fn cudaGraphInstantiateWithParams + cudaGraphInstantiateWithParams_ptsz [default](exec: *mut u64, graph: u64, params: *mut c_void) {
        present(exec)?;
        present(params)?;
        let driver = ready()?;
        // The stream for an upload is the structure's second word.
        let upload: *mut u64 = params.cast::<u64>().add(1);
        let given = *upload;
        *upload = stream_or(given, default);
        let outcome = check((driver.cuGraphInstantiateWithParams)(exec, graph, params));
        *upload = given;
        outcome
    }

    fn cudaGraphExecGetFlags(exec: u64, flags: *mut u64) {
        present(flags)?;
        check((ready()?.cuGraphExecGetFlags)(exec, flags))
    }

    fn cudaGraphExecUpdate(exec: u64, graph: u64, info: *mut c_void) {
        present(info)?;
        check((ready()?.cuGraphExecUpdate_v2)(exec, graph, info))
    }

    fn cudaGraphExecDestroy(exec: u64) {
        check((ready()?.cuGraphExecDestroy)(exec))
    }

    fn cudaGraphLaunch + cudaGraphLaunch_ptsz [default](exec: u64, stream: u64) {
        check((ready()?.cuGraphLaunch)(exec, stream_or(stream, default)))
    }

    fn cudaGraphUpload + cudaGraphUpload_ptsz [default](exec: u64, stream: u64) {
        check((ready()?.cuGraphUpload)(exec, stream_or(stream, default)))
    }

    fn cudaGraphDebugDotPrint(graph: u64, path: *const c_char, flags: u32) {
        present(path)?;
        check((ready()?.cuGraphDebugDotPrint)(graph, path, flags))
    }

    fn cudaGraphNodeSetEnabled(exec: u64, node: u64, enabled: u32) {
        check((ready()?.cuGraphNodeSetEnabled)(exec, node, enabled))
    }

    fn cudaGraphNodeGetEnabled(exec: u64, node: u64, enabled: *mut u32) {
        present(enabled)?;
        check((ready()?.cuGraphNodeGetEnabled)(exec, node, enabled))
    }

    fn cudaUserObjectCreate(object: *mut u64, data: *mut c_void, destroy: *mut c_void, references: u32, flags: u32) {
        present(object)?;
        check((driver()?.cuUserObjectCreate)(object, data, destroy, references, flags))
    }

    fn cudaUserObjectRetain(object: u64, count: u32) {
        check((driver()?.cuUserObjectRetain)(object, count))
    }

    fn cudaUserObjectRelease(object: u64, count: u32) {
        check((driver()?.cuUserObjectRelease)(object, count))
    }

    fn cudaGraphRetainUserObject(graph: u64, object: u64, count: u32, flags: u32) {
        check((driver()?.cuGraphRetainUserObject)(graph, object, count, flags))
    }

    fn cudaGraphReleaseUserObject(graph: u64, object: u64, count: u32) {
        check((driver()?.cuGraphReleaseUserObject)(graph, object, count))
    }
}

/// `cudaGraphNodeParams`: a kind, and the parameters of that kind.
#[repr(C)]
pub struct NodeParams {
    kind: u32,
    reserved: [i32; 3],
    params: [u64; 29],
    reserved_end: i64,
}

/// `cudaGraphNodeType`.
mod node_type {
    pub const KERNEL: u32 = 0;
    pub const MEMCPY: u32 = 1;
    pub const MEMSET: u32 = 2;
    pub const HOST: u32 = 3;
    pub const GRAPH: u32 = 4;
    pub const EMPTY: u32 = 5;
    pub const WAIT_EVENT: u32 = 6;
    pub const EVENT_RECORD: u32 = 7;
    pub const MEM_FREE: u32 = 11;
    pub const CONDITIONAL: u32 = 13;
}

/// Adds a node of the kind that the parameters name. The structure begins with the fields that the kind's own call takes, except
/// that a copy has two words of flags and context before them.
///
/// # Safety
/// As the calls for the single kinds.
unsafe fn add_node(
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *mut NodeParams,
) -> Outcome {
    present(params)?;
    // SAFETY: present; the parameters of each kind lie within the structure.
    let result = unsafe {
        let of_kind: *const u64 = (&raw const (*params).params).cast();
        match (*params).kind {
            node_type::KERNEL => {
                cudaGraphAddKernelNode(node, graph, dependencies, count, of_kind.cast())
            }
            node_type::MEMCPY => {
                cudaGraphAddMemcpyNode(node, graph, dependencies, count, of_kind.add(2).cast())
            }
            node_type::MEMSET => {
                cudaGraphAddMemsetNode(node, graph, dependencies, count, of_kind.cast())
            }
            node_type::HOST => {
                cudaGraphAddHostNode(node, graph, dependencies, count, of_kind.cast())
            }
            node_type::GRAPH => {
                cudaGraphAddChildGraphNode(node, graph, dependencies, count, *of_kind)
            }
            node_type::EMPTY => cudaGraphAddEmptyNode(node, graph, dependencies, count),
            node_type::WAIT_EVENT => {
                cudaGraphAddEventWaitNode(node, graph, dependencies, count, *of_kind)
            }
            node_type::EVENT_RECORD => {
                cudaGraphAddEventRecordNode(node, graph, dependencies, count, *of_kind)
            }
            node_type::MEM_FREE => {
                cudaGraphAddMemFreeNode(node, graph, dependencies, count, *of_kind)
            }
            // As the driver's own, but that the context may be left out.
            node_type::CONDITIONAL => {
                let (driver, context) = ready_context()?;
                (*params).params[3] = context;
                (driver.cuGraphAddNode)(node, graph, dependencies, count, params.cast())
            }
            _ => refuse(
                "cudaGraphAddNode",
                "allocation and semaphore nodes are not translated",
            ),
        }
    };
    if result == 0 { Ok(()) } else { Err(result) }
}

/// A driver's copy description in the runtime's words.
fn runtime_copy(driver: &Driver, copy: &DriverCopy3D) -> Outcome<Copy3D> {
    use super::copy::kind;
    let element = if copy.src_array != 0 {
        super::copy::element_bytes(driver, copy.src_array)?
    } else if copy.dst_array != 0 {
        super::copy::element_bytes(driver, copy.dst_array)?
    } else {
        1
    };
    let element = element.max(1);
    let side = |ptr, pitch, rows| PitchedPtr {
        ptr,
        pitch,
        xsize: copy.width_bytes,
        ysize: rows,
    };
    let pick = |which: u32, host: u64, device: u64| match which {
        memory_type::HOST => host,
        memory_type::ARRAY => 0,
        _ => device,
    };
    let kind = match (copy.src_memory_type, copy.dst_memory_type) {
        (memory_type::HOST, memory_type::HOST) => kind::HOST_TO_HOST,
        (memory_type::HOST, memory_type::DEVICE | memory_type::ARRAY) => kind::HOST_TO_DEVICE,
        (memory_type::DEVICE | memory_type::ARRAY, memory_type::HOST) => kind::DEVICE_TO_HOST,
        (memory_type::DEVICE | memory_type::ARRAY, memory_type::DEVICE | memory_type::ARRAY) => {
            kind::DEVICE_TO_DEVICE
        }
        _ => kind::DEFAULT,
    };
    let x = |bytes: usize, array: u64| if array == 0 { bytes } else { bytes / element };
    Ok(Copy3D {
        src_array: copy.src_array,
        src_pos: Pos {
            x: x(copy.src_x_bytes, copy.src_array),
            y: copy.src_y,
            z: copy.src_z,
        },
        src_ptr: side(
            pick(copy.src_memory_type, copy.src_host, copy.src_device),
            copy.src_pitch,
            copy.src_height,
        ),
        dst_array: copy.dst_array,
        dst_pos: Pos {
            x: x(copy.dst_x_bytes, copy.dst_array),
            y: copy.dst_y,
            z: copy.dst_z,
        },
        dst_ptr: side(
            pick(copy.dst_memory_type, copy.dst_host, copy.dst_device),
            copy.dst_pitch,
            copy.dst_height,
        ),
        extent: Extent {
            width: copy.width_bytes / element,
            height: copy.height,
            depth: copy.depth,
        },
        kind,
    })
}

/// The older forms of calls that gained edge data: the same without it.
///
/// Source: CUDA Runtime API 12, "Graph Management". The exported names that lead here are bound in `symbol_versions`.
pub mod without_edges {
    use std::ptr::{null, null_mut};

    /// `cudaGraphAddNode` of CUDA 12.
    ///
    /// # Safety
    /// As the call it restates.
    pub unsafe extern "C" fn add_node(
        node: *mut u64,
        graph: u64,
        dependencies: *const u64,
        count: usize,
        params: *mut super::NodeParams,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { super::cudaGraphAddNode_v2(node, graph, dependencies, null(), count, params) }
    }

    /// `cudaGraphGetEdges` of CUDA 12.
    ///
    /// # Safety
    /// As the call it restates.
    pub unsafe extern "C" fn get_edges(
        graph: u64,
        from: *mut u64,
        to: *mut u64,
        count: *mut usize,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { super::cudaGraphGetEdges_v2(graph, from, to, null_mut(), count) }
    }

    /// `cudaGraphNodeGetDependencies` of CUDA 12.
    ///
    /// # Safety
    /// As the call it restates.
    pub unsafe extern "C" fn get_dependencies(
        node: u64,
        nodes: *mut u64,
        count: *mut usize,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { super::cudaGraphNodeGetDependencies_v2(node, nodes, null_mut(), count) }
    }

    /// `cudaGraphNodeGetDependentNodes` of CUDA 12.
    ///
    /// # Safety
    /// As the call it restates.
    pub unsafe extern "C" fn get_dependent_nodes(
        node: u64,
        nodes: *mut u64,
        count: *mut usize,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { super::cudaGraphNodeGetDependentNodes_v2(node, nodes, null_mut(), count) }
    }

    /// `cudaGraphAddDependencies` of CUDA 12.
    ///
    /// # Safety
    /// As the call it restates.
    pub unsafe extern "C" fn add_dependencies(
        graph: u64,
        from: *const u64,
        to: *const u64,
        count: usize,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { super::cudaGraphAddDependencies_v2(graph, from, to, null(), count) }
    }

    /// `cudaGraphRemoveDependencies` of CUDA 12.
    ///
    /// # Safety
    /// As the call it restates.
    pub unsafe extern "C" fn remove_dependencies(
        graph: u64,
        from: *const u64,
        to: *const u64,
        count: usize,
    ) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { super::cudaGraphRemoveDependencies_v2(graph, from, to, null(), count) }
    }
}
