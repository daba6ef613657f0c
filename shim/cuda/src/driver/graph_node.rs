//! Graph nodes whose parameters hold pointers: kernels, copies, host functions.

use super::array_copy;
pub use super::event::{cuGraphAddEventRecordNode, cuGraphEventRecordNodeSetEvent, cuGraphExecEventRecordNodeSetEvent};
use super::copy::{Memcpy3D, Region, region_3d};
use super::late;
use super::launch::{Params, Shape};
use super::put;
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target};
use ringway_client::functions;
use ringway_client::host_functions::{self, Function as HostFunction, HostFn};
use ringway_client::objects::{self, Object};
use ringway_client::{called, create, handle, posted};
use ringway_wire::codec::{Malformed, SliceWriter, Writer as _};

/// `CUDA_KERNEL_NODE_PARAMS`, version 2; version 1 ends before `kernel`.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelNodeParams {
    function: u64,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    kernel_params: *mut c_void,
    extra: *mut c_void,
    kernel: u64,
    context: u64,
}

unsafe fn kernel_params(at: *const c_void, second: bool) -> Result<KernelNodeParams, CudaError> {
    if at.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let mut params = KernelNodeParams {
        function: 0,
        grid: [0; 3],
        block: [0; 3],
        shared: 0,
        kernel_params: core::ptr::null_mut(),
        extra: core::ptr::null_mut(),
        kernel: 0,
        context: 0,
    };
    let bytes = size_of::<KernelNodeParams>() - if second { 0 } else { 16 };
    // SAFETY: the program gives a structure of that version.
    unsafe {
        (&raw mut params)
            .cast::<u8>()
            .copy_from_nonoverlapping(at.cast(), bytes)
    };
    if params.function == 0 {
        params.function = params.kernel;
    }
    Ok(params)
}

/// The list of nodes that a new one depends on.
unsafe fn dependencies(at: *const c_void, count: usize) -> Result<Vec<u64>, CudaError> {
    let list = unsafe { ringway_client::slice(at.cast::<u64>(), count) }?;
    list.iter()
        .map(|node| handle(Kind::GraphNode, *node).map(|object| object.id))
        .collect()
}

/// Where the records of a graph go: its context, with the current one for graphs made without.
fn target_of(object: Object) -> Result<Target, CudaError> {
    if object.target.context == 0 {
        contexts::current()
    } else {
        Ok(object.target)
    }
}

fn head(w: &mut SliceWriter<'_>, new: u64, graph: u64, dependencies: &[u64]) {
    w.u64(new);
    w.u64(graph);
    w.u32(dependencies.len() as u32);
    for node in dependencies {
        w.u64(*node);
    }
}

unsafe fn add_kernel(
    node: *mut u64,
    hGraph: u64,
    dep: *const c_void,
    count: usize,
    params: KernelNodeParams,
) -> Result<(), CudaError> {
    let graph = handle(Kind::Graph, hGraph)?;
    let target = target_of(graph)?;
    if node.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let function = functions::get(params.function)?;
    let shape = Shape {
        grid: params.grid,
        block: params.block,
        shared: params.shared,
    };
    shape.check(function, target.lane)?;
    let given = unsafe { Params::read(params.kernel_params, params.extra) }?;
    let bytes = given.bytes(function)?;
    let after = unsafe { dependencies(dep, count) }?;
    let new = create(Kind::GraphNode, target)?;
    posted(
        op::CU_GRAPH_ADD_KERNEL_NODE_V2,
        target,
        20 + 8 * after.len() + 8 + Shape::BYTES + 4 + bytes,
        |w| {
            head(w, new.id(), graph.id, &after);
            w.u64(params.function);
            shape.write(w);
            w.u32(bytes as u32);
            unsafe { given.write(function, bytes, w) };
        },
    )?;
    unsafe { put(node, new.keep()) }
}

pub unsafe fn cuGraphAddKernelNode(
    phGraphNode: *mut u64,
    hGraph: u64,
    dependencies: *const c_void,
    numDependencies: usize,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    unsafe {
        add_kernel(
            phGraphNode,
            hGraph,
            dependencies,
            numDependencies,
            kernel_params(nodeParams, false)?,
        )
    }
}

pub unsafe fn cuGraphAddKernelNode_v2(
    phGraphNode: *mut u64,
    hGraph: u64,
    dependencies: *const c_void,
    numDependencies: usize,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    unsafe {
        add_kernel(
            phGraphNode,
            hGraph,
            dependencies,
            numDependencies,
            kernel_params(nodeParams, true)?,
        )
    }
}

unsafe fn set_kernel(
    opcode: u32,
    of: Object,
    node: u64,
    params: KernelNodeParams,
) -> Result<(), CudaError> {
    let target = target_of(of)?;
    let node = handle(Kind::GraphNode, node)?;
    let function = functions::get(params.function)?;
    let shape = Shape {
        grid: params.grid,
        block: params.block,
        shared: params.shared,
    };
    shape.check(function, target.lane)?;
    let given = unsafe { Params::read(params.kernel_params, params.extra) }?;
    let bytes = given.bytes(function)?;
    posted(opcode, target, 24 + Shape::BYTES + 4 + bytes, |w| {
        w.u64(of.id);
        w.u64(node.id);
        w.u64(params.function);
        shape.write(w);
        w.u32(bytes as u32);
        unsafe { given.write(function, bytes, w) };
    })
}

pub unsafe fn cuGraphKernelNodeSetParams(
    hNode: u64,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    let node = handle(Kind::GraphNode, hNode)?;
    unsafe {
        set_kernel(
            op::CU_GRAPH_KERNEL_NODE_SET_PARAMS_V2,
            node,
            hNode,
            kernel_params(nodeParams, false)?,
        )
    }
}

pub unsafe fn cuGraphKernelNodeSetParams_v2(
    hNode: u64,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    let node = handle(Kind::GraphNode, hNode)?;
    unsafe {
        set_kernel(
            op::CU_GRAPH_KERNEL_NODE_SET_PARAMS_V2,
            node,
            hNode,
            kernel_params(nodeParams, true)?,
        )
    }
}

pub unsafe fn cuGraphExecKernelNodeSetParams(
    hGraphExec: u64,
    hNode: u64,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    let exec = handle(Kind::GraphExec, hGraphExec)?;
    unsafe {
        set_kernel(
            op::CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS_V2,
            exec,
            hNode,
            kernel_params(nodeParams, false)?,
        )
    }
}

pub unsafe fn cuGraphExecKernelNodeSetParams_v2(
    hGraphExec: u64,
    hNode: u64,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    let exec = handle(Kind::GraphExec, hGraphExec)?;
    unsafe {
        set_kernel(
            op::CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS_V2,
            exec,
            hNode,
            kernel_params(nodeParams, true)?,
        )
    }
}

/// A copy node's box of bytes; only copies within device memory, as host memory is not where the graph runs.
unsafe fn write_copy(w: &mut SliceWriter<'_>, copy: *const c_void) {
    // SAFETY: checked by `check_copy` before.
    if let Ok(r) = region_3d(&unsafe { copy.cast::<Memcpy3D>().read_unaligned() }) {
        array_copy::write_box(w, &r);
    }
}

unsafe fn check_copy(copy: *const c_void) -> Result<(), CudaError> {
    match unsafe { host_copy(copy) }? {
        None => Ok(()),
        Some(_) => Err(CudaError::NOT_SUPPORTED),
    }
}

/// The box of a copy node that reads or writes host memory: such a node runs here, as a host function.
unsafe fn host_copy(copy: *const c_void) -> Result<Option<Region>, CudaError> {
    if copy.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let r = region_3d(&unsafe { copy.cast::<Memcpy3D>().read_unaligned() })?;
    array_copy::check(&r)?;
    Ok(if r.dst_device && r.src_device {
        None
    } else {
        Some(r)
    })
}

const COPY_BYTES: usize = array_copy::BOX_BYTES;

/// Number of the context that a copy node names.
fn copy_context(ctx: u64, target: Target) -> Result<u32, CudaError> {
    if ctx == 0 {
        Ok(target.context)
    } else {
        contexts::number(ctx)
    }
}

pub unsafe fn cuGraphAddMemcpyNode(
    phGraphNode: *mut u64,
    hGraph: u64,
    deps: *const c_void,
    numDependencies: usize,
    copyParams: *const c_void,
    ctx: u64,
) -> Result<(), CudaError> {
    let graph = handle(Kind::Graph, hGraph)?;
    let target = target_of(graph)?;
    if phGraphNode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if let Some(region) = unsafe { host_copy(copyParams) }? {
        let (call, late) = late::function(region, true);
        let params = [call as usize, late as usize];
        return unsafe {
            cuGraphAddHostNode(
                phGraphNode,
                hGraph,
                deps,
                numDependencies,
                params.as_ptr().cast(),
            )
        };
    }
    let context = copy_context(ctx, target)?;
    let after = unsafe { dependencies(deps, numDependencies) }?;
    let new = create(Kind::GraphNode, target)?;
    posted(
        op::CU_GRAPH_ADD_MEMCPY_NODE,
        target,
        20 + 8 * after.len() + 4 + COPY_BYTES,
        |w| {
            head(w, new.id(), graph.id, &after);
            w.u32(context);
            unsafe { write_copy(w, copyParams) };
        },
    )?;
    unsafe { put(phGraphNode, new.keep()) }
}

pub unsafe fn cuGraphExecMemcpyNodeSetParams(
    hGraphExec: u64,
    hNode: u64,
    copyParams: *const c_void,
    ctx: u64,
) -> Result<(), CudaError> {
    let exec = handle(Kind::GraphExec, hGraphExec)?;
    let node = handle(Kind::GraphNode, hNode)?;
    let target = target_of(exec)?;
    unsafe { check_copy(copyParams) }?;
    let context = copy_context(ctx, target)?;
    posted(
        op::CU_GRAPH_EXEC_MEMCPY_NODE_SET_PARAMS,
        target,
        20 + COPY_BYTES,
        |w| {
            w.u64(exec.id);
            w.u64(node.id);
            w.u32(context);
            unsafe { write_copy(w, copyParams) };
        },
    )
}

pub unsafe fn cuGraphAddHostNode(
    phGraphNode: *mut u64,
    hGraph: u64,
    deps: *const c_void,
    numDependencies: usize,
    nodeParams: *const c_void,
) -> Result<(), CudaError> {
    let graph = handle(Kind::Graph, hGraph)?;
    let target = target_of(graph)?;
    if phGraphNode.is_null() || nodeParams.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // CUDA_HOST_NODE_PARAMS: function, argument.
    let words = unsafe { nodeParams.cast::<[usize; 2]>().read_unaligned() };
    if words[0] == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: the program says that this is a CUhostFn.
    let function =
        unsafe { core::mem::transmute::<*const c_void, HostFn>(words[0] as *const c_void) };
    let after = unsafe { dependencies(deps, numDependencies) }?;
    let new = create(Kind::GraphNode, target)?;
    let id = host_functions::register(HostFunction::Host(function, words[1]), true, 0, target.lane);
    posted(
        op::CU_GRAPH_ADD_HOST_NODE,
        target,
        20 + 8 * after.len() + 8,
        |w| {
            head(w, new.id(), graph.id, &after);
            w.u64(id);
        },
    )?;
    objects::set_data(Kind::GraphNode, new.id(), id);
    unsafe { put(phGraphNode, new.keep()) }
}

/// `CUgraphNodeParams`: a kind, and the parameters of that kind.
#[repr(C)]
struct NodeParams {
    kind: u32,
    reserved: [u32; 3],
    words: [u64; 29],
    end: u64,
}

const _: () = assert!(size_of::<NodeParams>() == 256);

/// `CUgraphNodeType`.
mod kind {
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

/// Bodies that one conditional node may have.
const BODIES_MAX: u32 = 1024;

/// A conditional node: condition, kind, number of bodies; gives the bodies' graphs in an array that lasts as long as the node.
unsafe fn add_conditional(
    phGraphNode: *mut u64,
    hGraph: u64,
    deps: *const c_void,
    count: usize,
    words: &mut [u64; 29],
) -> Result<(), CudaError> {
    let graph = handle(Kind::Graph, hGraph)?;
    let target = target_of(graph)?;
    let [condition, how, _, ctx, ..] = *words;
    let (choice, size) = (how as u32, (how >> 32) as u32);
    if phGraphNode.is_null() || choice > 2 || !(1..=BODIES_MAX).contains(&size) {
        return Err(CudaError::INVALID_VALUE);
    }
    let context = copy_context(ctx, target)?;
    let after = unsafe { dependencies(deps, count) }?;
    let new = create(Kind::GraphNode, target)?;
    let bodies = called(
        op::CU_GRAPH_ADD_NODE,
        target,
        20 + 8 * after.len() + 20,
        |w| {
            head(w, new.id(), graph.id, &after);
            w.u64(condition);
            w.u32(choice);
            w.u32(size);
            w.u32(context);
        },
        |r| {
            (0..size)
                .map(|_| {
                    let body = r.u64()?;
                    objects::found(Kind::Graph, body, target).map_err(|_| Malformed::Value(body))
                })
                .collect::<Result<Box<[u64]>, _>>()
        },
    )?;
    // Kept until the process ends: nothing says here when a graph's nodes go, which the program may look into until then.
    words[2] = Box::leak(bodies).as_ptr() as u64;
    unsafe { put(phGraphNode, new.keep()) }
}

pub unsafe fn cuGraphAddNode(
    phGraphNode: *mut u64,
    hGraph: u64,
    deps: *const c_void,
    count: usize,
    nodeParams: *mut c_void,
) -> Result<(), CudaError> {
    use crate::generated::graph_node as by_kind;
    // SAFETY: the program's structure.
    let params = unsafe { nodeParams.cast::<NodeParams>().as_mut() }.ok_or(CudaError::INVALID_VALUE)?;
    let words = &mut params.words;
    let (node, graph, after) = (phGraphNode, hGraph, deps.cast::<u64>());
    let at = words.as_mut_ptr();
    // SAFETY: the parameters of each kind begin with those of its own call; a copy's have flags and a context before them.
    let code = unsafe {
        match params.kind {
            kind::KERNEL => return cuGraphAddKernelNode_v2(node, graph, deps, count, at.cast()),
            kind::MEMCPY => {
                return cuGraphAddMemcpyNode(node, graph, deps, count, at.add(2).cast(), words[1]);
            }
            kind::HOST => return cuGraphAddHostNode(node, graph, deps, count, at.cast()),
            kind::CONDITIONAL => return add_conditional(node, graph, deps, count, words),
            kind::MEMSET => {
                let context = match words[5] {
                    0 => contexts::current_handle(),
                    context => context,
                };
                by_kind::cuGraphAddMemsetNode(node, graph, after, count, at.cast(), context)
            }
            kind::GRAPH => by_kind::cuGraphAddChildGraphNode(node, graph, after, count, words[0]),
            kind::EMPTY => by_kind::cuGraphAddEmptyNode(node, graph, after, count),
            kind::WAIT_EVENT => by_kind::cuGraphAddEventWaitNode(node, graph, after, count, words[0]),
            kind::EVENT_RECORD => by_kind::cuGraphAddEventRecordNode(node, graph, after, count, words[0]),
            kind::MEM_FREE => by_kind::cuGraphAddMemFreeNode(node, graph, after, count, words[0]),
            8..=13 => return Err(CudaError::NOT_SUPPORTED),
            _ => return Err(CudaError::INVALID_VALUE),
        }
    };
    CudaError::check(code)
}

pub unsafe fn cuGraphAddNode_v2(
    phGraphNode: *mut u64,
    hGraph: u64,
    deps: *const c_void,
    dependencyData: *const c_void,
    count: usize,
    nodeParams: *mut c_void,
) -> Result<(), CudaError> {
    // Edge data of zeros is an ordinary edge.
    if !dependencyData.is_null() {
        let data = unsafe { ringway_client::slice(dependencyData.cast::<[u8; 8]>(), count) }?;
        if data.iter().any(|edge| *edge != [0; 8]) {
            return Err(CudaError::NOT_SUPPORTED);
        }
    }
    unsafe { cuGraphAddNode(phGraphNode, hGraph, deps, count, nodeParams) }
}
