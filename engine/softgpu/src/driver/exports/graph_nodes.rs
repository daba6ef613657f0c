//! Nodes of graphs and their parameters: each kind by its own functions, and all kinds by `cuGraphAddNode`.

use super::graphs::{context_of, edge_data, exec, graph, node};
use crate::driver::abi::*;
use crate::driver::condition::Conditional;
use crate::driver::context::{CONTEXTS, current};
use crate::driver::device::device;
use crate::driver::entry::export;
use crate::driver::event::EVENTS;
use crate::driver::exports::memory::Any;
use crate::driver::exports::streams::batch;
use crate::driver::graph::{Body, GRAPHS, Graph, Node};
use crate::driver::graph_exec::Entry;
use crate::driver::graph_memory::{self, GraphMemory};
use crate::driver::journal::{self, Describe};
use crate::driver::launch::{KernelLaunch, ParamSource, pack};
use crate::driver::memory::copy::{Copy3D, Fill};
use crate::driver::memory::{Kind, pool, space};
use crate::driver::module;
use crate::driver::op::Op;
use crate::driver::result::{CUresult, R, ensure};
use std::sync::Arc;

export! {
    cuGraphAddKernelNode_v1 [cuGraphAddKernelNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_KERNEL_NODE_PARAMS_v1>) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || kernel(&widen(&nodeParams.get()?)))
    }
    cuGraphAddKernelNode [cuGraphAddKernelNode_v2] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_KERNEL_NODE_PARAMS>) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || kernel(&nodeParams.get()?))
    }
    cuGraphKernelNodeGetParams_v1 [cuGraphKernelNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUDA_KERNEL_NODE_PARAMS_v1>) {
        let p = kernel_params(&*node(hNode)?)?;
        nodeParams.put(CUDA_KERNEL_NODE_PARAMS_v1 { func: p.func, gridDimX: p.gridDimX, gridDimY: p.gridDimY, gridDimZ: p.gridDimZ, blockDimX: p.blockDimX,
            blockDimY: p.blockDimY, blockDimZ: p.blockDimZ, sharedMemBytes: p.sharedMemBytes, kernelParams: p.kernelParams, extra: p.extra })
    }
    cuGraphKernelNodeGetParams [cuGraphKernelNodeGetParams_v2] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUDA_KERNEL_NODE_PARAMS>) { nodeParams.put(kernel_params(&*node(hNode)?)?) }
    cuGraphKernelNodeSetParams_v1 [cuGraphKernelNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_KERNEL_NODE_PARAMS_v1>) { set(hNode, kernel(&widen(&nodeParams.get()?))?) }
    cuGraphKernelNodeSetParams [cuGraphKernelNodeSetParams_v2] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_KERNEL_NODE_PARAMS>) { set(hNode, kernel(&nodeParams.get()?)?) }
    cuGraphExecKernelNodeSetParams_v1 [cuGraphExecKernelNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUDA_KERNEL_NODE_PARAMS_v1>) {
        exec_set(hGraphExec, hNode, kernel(&widen(&nodeParams.get()?))?)
    }
    cuGraphExecKernelNodeSetParams [cuGraphExecKernelNodeSetParams_v2] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUDA_KERNEL_NODE_PARAMS>) {
        exec_set(hGraphExec, hNode, kernel(&nodeParams.get()?)?)
    }
    cuGraphKernelNodeCopyAttributes [cuGraphKernelNodeCopyAttributes] [] |_d| (dst: CUgraphNode, src: CUgraphNode) {
        let all = node(src)?.attributes.lock().clone();
        *node(dst)?.attributes.lock() = all;
        Ok(())
    }
    cuGraphKernelNodeGetAttribute [cuGraphKernelNodeGetAttribute] [] |_d| (hNode: CUgraphNode, attr: u32, value_out: Out<CUattributeValue>) {
        ensure(attr <= 16, CUresult::INVALID_VALUE)?;
        let bytes = node(hNode)?.attributes.lock().get(&attr).copied().unwrap_or([0; 64]);
        value_out.put(CUattributeValue { bytes })
    }
    cuGraphKernelNodeSetAttribute [cuGraphKernelNodeSetAttribute] [] |_d| (hNode: CUgraphNode, attr: u32, value: In<CUattributeValue>) {
        let (n, value) = (node(hNode)?, value.get()?.bytes);
        let read = crate::driver::launch::read_attributes(&[CUlaunchAttribute { id: attr, pad: [0; 4], value }])?;
        if let Body::Kernel(launch) = &mut *n.body.lock() {
            match attr {
                2 => *launch = Arc::new(KernelLaunch { cooperative: read.cooperative, ..(**launch).clone() }),
                8 => *launch = Arc::new(KernelLaunch { priority: read.priority, ..(**launch).clone() }),
                _ => {}
            }
        }
        n.attributes.lock().insert(attr, value);
        Ok(())
    }
    cuGraphAddMemcpyNode [cuGraphAddMemcpyNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, copyParams: In<CUDA_MEMCPY3D>, _ctx: CUcontext) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || memcpy(&copyParams.get()?))
    }
    cuGraphMemcpyNodeGetParams [cuGraphMemcpyNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUDA_MEMCPY3D>) {
        match &*node(hNode)?.body.lock() {
            Body::Memcpy(copy) => nodeParams.put(copy.to_3d()),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphMemcpyNodeSetParams [cuGraphMemcpyNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_MEMCPY3D>) { set(hNode, memcpy(&nodeParams.get()?)?) }
    cuGraphExecMemcpyNodeSetParams [cuGraphExecMemcpyNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, copyParams: In<CUDA_MEMCPY3D>, _ctx: CUcontext) {
        exec_set(hGraphExec, hNode, memcpy(&copyParams.get()?)?)
    }
    cuGraphAddMemsetNode [cuGraphAddMemsetNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, memsetParams: In<CUDA_MEMSET_NODE_PARAMS>, _ctx: CUcontext) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || memset(&memsetParams.get()?))
    }
    cuGraphMemsetNodeGetParams [cuGraphMemsetNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUDA_MEMSET_NODE_PARAMS>) {
        match &*node(hNode)?.body.lock() {
            Body::Memset(fill) => nodeParams.put(memset_params(fill)),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphMemsetNodeSetParams [cuGraphMemsetNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_MEMSET_NODE_PARAMS>) { set(hNode, memset(&nodeParams.get()?)?) }
    cuGraphExecMemsetNodeSetParams [cuGraphExecMemsetNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, memsetParams: In<CUDA_MEMSET_NODE_PARAMS>, _ctx: CUcontext) {
        exec_set(hGraphExec, hNode, memset(&memsetParams.get()?)?)
    }
    cuGraphAddHostNode [cuGraphAddHostNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_HOST_NODE_PARAMS>) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || host(&nodeParams.get()?))
    }
    cuGraphHostNodeGetParams [cuGraphHostNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUDA_HOST_NODE_PARAMS>) {
        match &*node(hNode)?.body.lock() {
            Body::Host(function, data) => nodeParams.put(CUDA_HOST_NODE_PARAMS { function: *function, userData: *data }),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphHostNodeSetParams [cuGraphHostNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_HOST_NODE_PARAMS>) { set(hNode, host(&nodeParams.get()?)?) }
    cuGraphExecHostNodeSetParams [cuGraphExecHostNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUDA_HOST_NODE_PARAMS>) {
        exec_set(hGraphExec, hNode, host(&nodeParams.get()?)?)
    }
    cuGraphAddChildGraphNode [cuGraphAddChildGraphNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, childGraph: CUgraph) {
        ensure(hGraph != childGraph, CUresult::INVALID_VALUE)?;
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || Ok(Body::Child(graph(childGraph)?.duplicate())))
    }
    cuGraphChildGraphNodeGetGraph [cuGraphChildGraphNodeGetGraph] [] |_d| (hNode: CUgraphNode, phGraph: Out<CUgraph>) { phGraph.put(CUgraph(child(hNode)?.handle)) }
    cuGraphExecChildGraphNodeSetParams [cuGraphExecChildGraphNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, childGraph: CUgraph) {
        exec(hGraphExec)?.update_child(&*child(hNode)?, &*graph(childGraph)?)
    }
    cuGraphAddEmptyNode [cuGraphAddEmptyNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || Ok(Body::Empty))
    }
    cuGraphAddEventRecordNode [cuGraphAddEventRecordNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, event: CUevent) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || Ok(Body::EventRecord(EVENTS.get(event.0)?)))
    }
    cuGraphEventRecordNodeGetEvent [cuGraphEventRecordNodeGetEvent] [] |_d| (hNode: CUgraphNode, event_out: Out<CUevent>) {
        match &*node(hNode)?.body.lock() {
            Body::EventRecord(event) => event_out.put(CUevent(event.handle)),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphEventRecordNodeSetEvent [cuGraphEventRecordNodeSetEvent] [] |_d| (hNode: CUgraphNode, event: CUevent) { set(hNode, Body::EventRecord(EVENTS.get(event.0)?)) }
    cuGraphExecEventRecordNodeSetEvent [cuGraphExecEventRecordNodeSetEvent] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, event: CUevent) {
        exec_set(hGraphExec, hNode, Body::EventRecord(EVENTS.get(event.0)?))
    }
    cuGraphAddEventWaitNode [cuGraphAddEventWaitNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, event: CUevent) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || Ok(Body::EventWait(EVENTS.get(event.0)?)))
    }
    cuGraphEventWaitNodeGetEvent [cuGraphEventWaitNodeGetEvent] [] |_d| (hNode: CUgraphNode, event_out: Out<CUevent>) {
        match &*node(hNode)?.body.lock() {
            Body::EventWait(event) => event_out.put(CUevent(event.handle)),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphEventWaitNodeSetEvent [cuGraphEventWaitNodeSetEvent] [] |_d| (hNode: CUgraphNode, event: CUevent) { set(hNode, Body::EventWait(EVENTS.get(event.0)?)) }
    cuGraphExecEventWaitNodeSetEvent [cuGraphExecEventWaitNodeSetEvent] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, event: CUevent) {
        exec_set(hGraphExec, hNode, Body::EventWait(EVENTS.get(event.0)?))
    }
    cuGraphAddBatchMemOpNode [cuGraphAddBatchMemOpNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_BATCH_MEM_OP_NODE_PARAMS>) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || batch_body(&nodeParams.get()?))
    }
    cuGraphBatchMemOpNodeSetParams [cuGraphBatchMemOpNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_BATCH_MEM_OP_NODE_PARAMS>) { set(hNode, batch_body(&nodeParams.get()?)?) }
    cuGraphExecBatchMemOpNodeSetParams [cuGraphExecBatchMemOpNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUDA_BATCH_MEM_OP_NODE_PARAMS>) {
        exec_set(hGraphExec, hNode, batch_body(&nodeParams.get()?)?)
    }
    cuGraphBatchMemOpNodeGetParams [cuGraphBatchMemOpNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams_out: Out<CUDA_BATCH_MEM_OP_NODE_PARAMS>) {
        nodeParams_out.required()?;
        nodeParams_out.put(batch_params(&*node(hNode)?)?)
    }
    cuGraphAddMemAllocNode [cuGraphAddMemAllocNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: Out<CUDA_MEM_ALLOC_NODE_PARAMS>) {
        let mut p = nodeParams.current().ok_or(CUresult::INVALID_VALUE)?;
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || alloc(&mut p))?;
        nodeParams.put(p)
    }
    cuGraphMemAllocNodeGetParams [cuGraphMemAllocNodeGetParams] [] |_d| (hNode: CUgraphNode, params_out: Out<CUDA_MEM_ALLOC_NODE_PARAMS>) {
        params_out.required()?;
        params_out.put(alloc_params(&*node(hNode)?)?)
    }
    cuGraphAddMemFreeNode [cuGraphAddMemFreeNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, dptr: CUdeviceptr) {
        add(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, || free(dptr))
    }
    cuGraphMemFreeNodeGetParams [cuGraphMemFreeNodeGetParams] [] |_d| (hNode: CUgraphNode, dptr_out: Out<CUdeviceptr>) {
        match &*node(hNode)?.body.lock() {
            Body::Free(address) => dptr_out.put(CUdeviceptr(*address)),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuDeviceGraphMemTrim [cuDeviceGraphMemTrim] [] |_d| (dev: CUdevice) { device(dev.0).map(drop) }
    cuDeviceGetGraphMemAttribute [cuDeviceGetGraphMemAttribute] [] |_d| (dev: CUdevice, attr: u32, value: Any) {
        Out(value.0 as *mut u64).put(graph_memory::attribute(device(dev.0)?.ordinal, attr)?)
    }
    cuDeviceSetGraphMemAttribute [cuDeviceSetGraphMemAttribute] [] |_d| (dev: CUdevice, attr: u32, value: Any) {
        graph_memory::reset(device(dev.0)?.ordinal, attr, In(value.0 as *const u64).get()?)
    }
    cuGraphAddNode_v1 [cuGraphAddNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: Out<CUgraphNodeParams>) {
        add_any(phGraphNode, hGraph, dependencies, In::NULL, numDependencies, nodeParams)
    }
    cuGraphAddNode [cuGraphAddNode_v2 cuGraphAddNode_v3] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, dependencyData: In<CUgraphEdgeData>, numDependencies: usize, nodeParams: Out<CUgraphNodeParams>) {
        add_any(phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams)
    }
    cuGraphNodeSetParams [cuGraphNodeSetParams cuGraphNodeSetParams_v2] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUgraphNodeParams>) {
        let mut p = nodeParams.get()?;
        let now = node(hNode)?.body.lock().kind();
        ensure(p.kind == now, CUresult::INVALID_VALUE)?;
        // What a node owns cannot be given to it twice.
        ensure(!matches!(now, 10 | 11 | 13), CUresult::NOT_SUPPORTED)?;
        set(hNode, any_body(&mut p, None)?)
    }
    cuGraphNodeGetParams [cuGraphNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUgraphNodeParams>) {
        nodeParams.required()?;
        nodeParams.put(any_params(&*node(hNode)?)?)
    }
    cuGraphExecNodeSetParams [cuGraphExecNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUgraphNodeParams>) {
        let mut p = nodeParams.get()?;
        match p.kind {
            10 | 11 | 13 => Err(CUresult::NOT_SUPPORTED),
            4 => exec(hGraphExec)?.update_child(&*child(hNode)?, &*graph(CUgraph(p.words[0]))?),
            _ => exec_set(hGraphExec, hNode, any_body(&mut p, None)?),
        }
    }
}

fn child(handle: CUgraphNode) -> R<Arc<Graph>> {
    match &*node(handle)?.body.lock() {
        Body::Child(graph) => Ok(Arc::clone(graph)),
        _ => Err(CUresult::INVALID_VALUE),
    }
}

fn add(out: Out<CUgraphNode>, handle: CUgraph, deps: In<CUgraphNode>, data: In<CUgraphEdgeData>, count: usize, body: impl FnOnce() -> R<Body>) -> R {
    out.required()?;
    let graph = graph(handle)?;
    let data = edge_data(data, count)?;
    let deps: Vec<u64> = deps.list(count)?.into_iter().map(|n| n.0).collect();
    journal::note("after", || {
        let mut text = String::from("[");
        for &dep in &deps {
            text.push_str(if text.len() > 1 { "," } else { "" });
            CUgraphNode(dep).describe(&mut text);
        }
        text + "]"
    });
    out.put(CUgraphNode(graph.add_with(body()?, &deps, &data)?.handle))
}

fn set(handle: CUgraphNode, body: Body) -> R {
    let n = node(handle)?;
    let mut now = n.body.lock();
    ensure(now.kind() == body.kind(), CUresult::INVALID_VALUE)?;
    let old = std::mem::replace(&mut *now, body);
    old.inner().iter().for_each(|graph| drop(GRAPHS.remove(graph.handle)));
    Ok(())
}

fn exec_set(handle: CUgraphExec, node: CUgraphNode, body: Body) -> R {
    exec(handle)?.change(node.0, |entry: &mut Entry| {
        ensure(entry.body.kind() == body.kind(), CUresult::INVALID_VALUE)?;
        entry.body = body;
        Ok(())
    })
}

fn widen(p: &CUDA_KERNEL_NODE_PARAMS_v1) -> CUDA_KERNEL_NODE_PARAMS {
    CUDA_KERNEL_NODE_PARAMS {
        func: p.func,
        gridDimX: p.gridDimX,
        gridDimY: p.gridDimY,
        gridDimZ: p.gridDimZ,
        blockDimX: p.blockDimX,
        blockDimY: p.blockDimY,
        blockDimZ: p.blockDimZ,
        sharedMemBytes: p.sharedMemBytes,
        kernelParams: p.kernelParams,
        extra: p.extra,
        kern: CUkernel(0),
        ctx: CUcontext(0),
    }
}

fn kernel(p: &CUDA_KERNEL_NODE_PARAMS) -> R<Body> {
    let ctx = context_of(p.ctx)?;
    let handle = if p.func.0 != 0 { p.func.0 } else { p.kern.0 };
    let function = module::function(handle, &ctx)?;
    let owner = CONTEXTS.find(function.module.ctx).ok_or(CUresult::CONTEXT_IS_DESTROYED)?;
    let params = pack(&function.kernel, ParamSource { kernel_params: p.kernelParams, extra: p.extra })?;
    let launch = KernelLaunch {
        function,
        grid: [p.gridDimX, p.gridDimY, p.gridDimZ],
        block: [p.blockDimX, p.blockDimY, p.blockDimZ],
        shared: p.sharedMemBytes,
        params,
        cooperative: false,
        priority: None,
    };
    launch.check(owner.device)?;
    launch.note();
    Ok(Body::Kernel(launch.into()))
}

/// A kernel node's parameters, with buffers that live as long as the node.
fn kernel_params(node: &Node) -> R<CUDA_KERNEL_NODE_PARAMS> {
    let body = node.body.lock();
    let Body::Kernel(launch) = &*body else { return Err(CUresult::INVALID_VALUE) };
    let bytes = launch.params.clone();
    let base = bytes.as_ptr() as u64;
    let places: Vec<u64> = launch.function.kernel.params.iter().map(|p| base + u64::from(p.offset)).collect();
    let kept = Arc::new((bytes, places));
    let kernel_params = if kept.1.is_empty() { In::NULL } else { In(kept.1.as_ptr().cast()) };
    node.keep(kept);
    Ok(CUDA_KERNEL_NODE_PARAMS {
        func: CUfunction(launch.function.handle),
        gridDimX: launch.grid[0],
        gridDimY: launch.grid[1],
        gridDimZ: launch.grid[2],
        blockDimX: launch.block[0],
        blockDimY: launch.block[1],
        blockDimZ: launch.block[2],
        sharedMemBytes: launch.shared,
        kernelParams: kernel_params,
        extra: In::NULL,
        kern: CUkernel(0),
        ctx: CUcontext(launch.function.module.ctx),
    })
}

fn memcpy(p: &CUDA_MEMCPY3D) -> R<Body> {
    let copy = Copy3D::from_3d(p)?;
    copy.check(p.srcMemoryType == 2, p.dstMemoryType == 2)?;
    copy.note();
    Ok(Body::Memcpy(copy.into()))
}

fn memset(p: &CUDA_MEMSET_NODE_PARAMS) -> R<Body> {
    let fill = Fill { dst: p.dst.0, pitch: p.pitch as u64, value: p.value, element: p.elementSize, width: p.width as u64, height: p.height as u64 };
    fill.check()?;
    crate::driver::journal::note("fill", || format!("[{},{},{},{}]", fill.value, fill.element, fill.width, fill.height));
    Ok(Body::Memset(fill))
}

fn memset_params(f: &Fill) -> CUDA_MEMSET_NODE_PARAMS {
    CUDA_MEMSET_NODE_PARAMS { dst: CUdeviceptr(f.dst), pitch: f.pitch as usize, value: f.value, elementSize: f.element, width: f.width as usize, height: f.height as usize }
}

fn host(p: &CUDA_HOST_NODE_PARAMS) -> R<Body> {
    ensure(p.function.is_some(), CUresult::INVALID_VALUE)?;
    Ok(Body::Host(p.function, p.userData))
}

fn batch_body(p: &CUDA_BATCH_MEM_OP_NODE_PARAMS) -> R<Body> {
    ensure(p.count <= 256, CUresult::INVALID_VALUE)?;
    Body::from_op(&batch(&p.paramArray.list(p.count as usize)?)?)
}

/// Stream memory operations as the program gave them.
fn batch_params(node: &Node) -> R<CUDA_BATCH_MEM_OP_NODE_PARAMS> {
    let body = node.body.lock();
    let Body::Batch(ops) = &*body else { return Err(CUresult::INVALID_VALUE) };
    let list: Vec<_> = ops.iter().map(|op| match *op {
        Op::WaitValue(w) => {
            CUstreamBatchMemOpParams { operation: if w.wide { 4 } else { 1 }, address: CUdeviceptr(w.address), value: w.value, flags: w.compare, ..Default::default() }
        }
        Op::WriteValue { address, value, wide } => {
            CUstreamBatchMemOpParams { operation: if wide { 5 } else { 2 }, address: CUdeviceptr(address), value, ..Default::default() }
        }
        _ => CUstreamBatchMemOpParams { operation: 6, ..Default::default() },
    }).collect();
    let list = Arc::new(list);
    let p = CUDA_BATCH_MEM_OP_NODE_PARAMS { ctx: CUcontext(0), count: list.len() as u32, paramArray: In(list.as_ptr()), flags: 0 };
    node.keep(list);
    Ok(p)
}

fn alloc(p: &mut CUDA_MEM_ALLOC_NODE_PARAMS) -> R<Body> {
    let ctx = current()?;
    ensure(p.poolProps.allocType == 1 && p.bytesize > 0, CUresult::INVALID_VALUE)?;
    ensure(p.poolProps.location.kind == 1 && p.poolProps.handleTypes == 0, CUresult::NOT_SUPPORTED)?;
    let owner = device(p.poolProps.location.id)?;
    let mut peers = Vec::new();
    ensure(p.accessDescCount <= 16, CUresult::INVALID_VALUE)?;
    for access in p.accessDescs.list(p.accessDescCount)? {
        ensure(access.location.kind == 1 && access.flags == 3, CUresult::INVALID_VALUE)?;
        peers.push(device(access.location.id)?.ordinal);
    }
    let start = pool::allocate(&ctx, owner.pools.default_pool(owner), p.bytesize as u64)?;
    p.dptr = CUdeviceptr(start);
    Ok(Body::Alloc(GraphMemory::adopt(start, p.bytesize as u64, peers)))
}

fn alloc_params(node: &Node) -> R<CUDA_MEM_ALLOC_NODE_PARAMS> {
    let Body::Alloc(memory) = &*node.body.lock() else { return Err(CUresult::INVALID_VALUE) };
    let descriptions = Arc::new(memory.descriptions());
    let p = memory.params(&descriptions);
    node.keep(descriptions);
    Ok(p)
}

fn free(address: CUdeviceptr) -> R<Body> {
    ensure(space().find(address.0).is_some_and(|a| a.start == address.0 && matches!(a.kind, Kind::Graph | Kind::Pool)), CUresult::INVALID_VALUE)?;
    Ok(Body::Free(address.0))
}

fn conditional(p: &mut CUDA_CONDITIONAL_NODE_PARAMS, graph: &Graph) -> R<Body> {
    let condition = graph.condition(p.handle).ok_or(CUresult::INVALID_VALUE)?;
    ensure(p.ctx.0 == 0 || p.ctx.0 == condition.ctx, CUresult::INVALID_CONTEXT)?;
    let node = Conditional::create(condition, p.kind, p.size)?;
    p.phGraph_out = In(node.handles.as_ptr());
    Ok(Body::Conditional(node))
}

fn add_any(out: Out<CUgraphNode>, handle: CUgraph, deps: In<CUgraphNode>, data: In<CUgraphEdgeData>, count: usize, params: Out<CUgraphNodeParams>) -> R {
    let mut p = params.current().ok_or(CUresult::INVALID_VALUE)?;
    let graph = graph(handle)?;
    add(out, handle, deps, data, count, || any_body(&mut p, Some(&graph)))?;
    params.put(p)
}

/// The union of `CUgraphNodeParams` as the structure that its tag names, `skip` words in.
fn member<T: Copy>(p: &mut CUgraphNodeParams, skip: usize) -> Out<T> {
    Out(p.words.as_mut_ptr().wrapping_add(skip).cast())
}

fn read<T: Copy>(p: &mut CUgraphNodeParams, skip: usize) -> R<T> {
    member::<T>(p, skip).current().ok_or(CUresult::INVALID_VALUE)
}

/// Reads the member of `CUgraphNodeParams` that its tag names. `graph` is the one that gets the node.
fn any_body(p: &mut CUgraphNodeParams, graph_of_node: Option<&Graph>) -> R<Body> {
    match p.kind {
        0 => kernel(&read(p, 0)?),
        // Flags and the copy's context come before the copy.
        1 => memcpy(&read(p, 2)?),
        2 => memset(&read(p, 0)?),
        3 => host(&read(p, 0)?),
        4 => {
            let child = graph(CUgraph(p.words[0]))?;
            ensure(graph_of_node.is_none_or(|graph| graph.handle != child.handle), CUresult::INVALID_VALUE)?;
            // Ownership: 0 clones the graph, 1 moves it into the node.
            match p.words[1] as u32 {
                0 => Ok(Body::Child(child.duplicate())),
                1 => Ok(Body::Child(child)),
                _ => Err(CUresult::INVALID_VALUE),
            }
        }
        5 => Ok(Body::Empty),
        6 => Ok(Body::EventWait(EVENTS.get(p.words[0])?)),
        7 => Ok(Body::EventRecord(EVENTS.get(p.words[0])?)),
        10 => {
            let mut params = read(p, 0)?;
            let body = alloc(&mut params)?;
            member(p, 0).put(params)?;
            Ok(body)
        }
        11 => free(CUdeviceptr(p.words[0])),
        12 => batch_body(&read(p, 0)?),
        13 => {
            let mut params = read(p, 0)?;
            let body = conditional(&mut params, graph_of_node.ok_or(CUresult::NOT_SUPPORTED)?)?;
            member(p, 0).put(params)?;
            Ok(body)
        }
        _ => Err(CUresult::NOT_SUPPORTED),
    }
}

/// Fills in the member of `CUgraphNodeParams` that belongs to a node.
fn any_params(node: &Node) -> R<CUgraphNodeParams> {
    let body = node.body.lock().clone();
    let mut p = CUgraphNodeParams { kind: body.kind(), ..Default::default() };
    match &body {
        Body::Kernel(_) => member(&mut p, 0).give(kernel_params(node)?),
        Body::Memcpy(copy) => member(&mut p, 2).give(copy.to_3d()),
        Body::Memset(fill) => member(&mut p, 0).give(memset_params(fill)),
        Body::Host(function, data) => member(&mut p, 0).give(CUDA_HOST_NODE_PARAMS { function: *function, userData: *data }),
        Body::Child(graph) => p.words[0] = graph.handle,
        Body::Empty => {}
        Body::EventWait(event) | Body::EventRecord(event) => p.words[0] = event.handle,
        Body::Alloc(_) => member(&mut p, 0).give(alloc_params(node)?),
        Body::Free(address) => p.words[0] = *address,
        Body::Batch(_) => member(&mut p, 0).give(batch_params(node)?),
        Body::Conditional(node) => member(&mut p, 0).give(CUDA_CONDITIONAL_NODE_PARAMS {
            handle: node.condition.address,
            kind: node.kind(),
            size: node.bodies.len() as u32,
            phGraph_out: In(node.handles.as_ptr()),
            ctx: CUcontext(node.condition.ctx),
        }),
    }
    Ok(p)
}
