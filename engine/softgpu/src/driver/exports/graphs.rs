//! Graphs: structure, nodes and their parameters, executable graphs.

use crate::driver::abi::*;
use crate::driver::capture::graph_memory;
use crate::driver::context::{CONTEXTS, Context, current};
use crate::driver::device::device;
use crate::driver::entry::export;
use crate::driver::event::EVENTS;
use crate::driver::exports::memory::Any;
use crate::driver::exports::streams::batch;
use crate::driver::graph::{Body, EXECS, Entry, Exec, GRAPHS, Graph, NODES, Node, USER_OBJECTS, UserObject};
use crate::driver::journal::{self, Describe};
use crate::driver::launch::{KernelLaunch, ParamSource, pack};
use crate::driver::memory::copy::{Copy3D, Fill};
use crate::driver::memory::{Kind, pool, space};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::{module, stream};
use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

export! {
    cuGraphCreate [cuGraphCreate] [] |_d| (phGraph: Out<CUgraph>, flags: u32) {
        phGraph.required()?;
        crate::driver::device::driver()?;
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        phGraph.put(CUgraph(Graph::create().handle))
    }
    cuGraphDestroy [cuGraphDestroy] [] |_d| (hGraph: CUgraph) { GRAPHS.remove(hGraph.0).map(drop).map_err(|_| CUresult::INVALID_VALUE) }
    cuGraphClone [cuGraphClone] [] |_d| (phGraphClone: Out<CUgraph>, originalGraph: CUgraph) {
        phGraphClone.required()?;
        phGraphClone.put(CUgraph(graph(originalGraph)?.duplicate().handle))
    }
    cuGraphGetId [cuGraphGetId] [] |_d| (hGraph: CUgraph, graphId: Out<u32>) { graphId.put(graph(hGraph)?.id) }
    cuGraphExecGetId [cuGraphExecGetId] [] |_d| (hGraphExec: CUgraphExec, graphId: Out<u32>) { graphId.put(exec(hGraphExec)?.id) }
    cuGraphNodeFindInClone [cuGraphNodeFindInClone] [] |_d| (phNode: Out<CUgraphNode>, hOriginalNode: CUgraphNode, hClonedGraph: CUgraph) {
        let found = graph(hClonedGraph)?.nodes().into_iter().find(|n| n.original == hOriginalNode.0 && n.original != 0);
        phNode.put(CUgraphNode(found.ok_or(CUresult::INVALID_VALUE)?.handle))
    }
    cuGraphNodeGetType [cuGraphNodeGetType] [] |_d| (hNode: CUgraphNode, kind: Out<u32>) { kind.put(node(hNode)?.body.lock().kind()) }
    cuGraphNodeGetContainingGraph [cuGraphNodeGetContainingGraph] [] |_d| (hNode: CUgraphNode, phGraph: Out<CUgraph>) { phGraph.put(CUgraph(node(hNode)?.graph_handle)) }
    cuGraphNodeGetLocalId [cuGraphNodeGetLocalId] [] |_d| (hNode: CUgraphNode, nodeId: Out<u32>) { nodeId.put(node(hNode)?.local_id) }
    cuGraphNodeGetToolsId [cuGraphNodeGetToolsId] [] |_d| (hNode: CUgraphNode, toolsNodeId: Out<u64>) {
        let n = node(hNode)?;
        let id = n.graph.upgrade().map_or(0, |g| u64::from(g.id));
        toolsNodeId.put(id << 32 | u64::from(n.local_id))
    }
    cuGraphGetNodes [cuGraphGetNodes] [] |_d| (hGraph: CUgraph, nodes: List<CUgraphNode>, numNodes: Out<usize>) {
        nodes.fill(numNodes, &graph(hGraph)?.nodes().iter().map(|n| CUgraphNode(n.handle)).collect::<Vec<_>>())
    }
    cuGraphGetRootNodes [cuGraphGetRootNodes] [] |_d| (hGraph: CUgraph, rootNodes: List<CUgraphNode>, numRootNodes: Out<usize>) {
        let roots: Vec<_> = graph(hGraph)?.nodes().iter().filter(|n| n.deps.lock().is_empty()).map(|n| CUgraphNode(n.handle)).collect();
        rootNodes.fill(numRootNodes, &roots)
    }
    cuGraphGetEdges [cuGraphGetEdges] [] |_d| (hGraph: CUgraph, from: List<CUgraphNode>, to: List<CUgraphNode>, numEdges: Out<usize>) { edges(hGraph, *from, *to, Out::NULL, numEdges) }
    cuGraphGetEdges_v2 [cuGraphGetEdges_v2] [] |_d| (hGraph: CUgraph, from: List<CUgraphNode>, to: List<CUgraphNode>, edgeData: List<CUgraphEdgeData>, numEdges: Out<usize>) { edges(hGraph, *from, *to, *edgeData, numEdges) }
    cuGraphNodeGetDependencies [cuGraphNodeGetDependencies] [] |_d| (hNode: CUgraphNode, dependencies: List<CUgraphNode>, numDependencies: Out<usize>) {
        neighbours(hNode, false, *dependencies, Out::NULL, numDependencies)
    }
    cuGraphNodeGetDependencies_v2 [cuGraphNodeGetDependencies_v2] [] |_d| (hNode: CUgraphNode, dependencies: List<CUgraphNode>, edgeData: List<CUgraphEdgeData>, numDependencies: Out<usize>) {
        neighbours(hNode, false, *dependencies, *edgeData, numDependencies)
    }
    cuGraphNodeGetDependentNodes [cuGraphNodeGetDependentNodes] [] |_d| (hNode: CUgraphNode, dependentNodes: List<CUgraphNode>, numDependentNodes: Out<usize>) {
        neighbours(hNode, true, *dependentNodes, Out::NULL, numDependentNodes)
    }
    cuGraphNodeGetDependentNodes_v2 [cuGraphNodeGetDependentNodes_v2] [] |_d| (hNode: CUgraphNode, dependentNodes: List<CUgraphNode>, edgeData: List<CUgraphEdgeData>, numDependentNodes: Out<usize>) {
        neighbours(hNode, true, *dependentNodes, *edgeData, numDependentNodes)
    }
    cuGraphAddDependencies [cuGraphAddDependencies] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, numDependencies: usize) {
        graph(hGraph)?.connect(&pairs(from, to, numDependencies)?)
    }
    cuGraphAddDependencies_v2 [cuGraphAddDependencies_v2] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, _edgeData: In<CUgraphEdgeData>, numDependencies: usize) {
        graph(hGraph)?.connect(&pairs(from, to, numDependencies)?)
    }
    cuGraphRemoveDependencies [cuGraphRemoveDependencies] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, numDependencies: usize) {
        graph(hGraph)?.disconnect(&pairs(from, to, numDependencies)?)
    }
    cuGraphRemoveDependencies_v2 [cuGraphRemoveDependencies_v2] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, _edgeData: In<CUgraphEdgeData>, numDependencies: usize) {
        graph(hGraph)?.disconnect(&pairs(from, to, numDependencies)?)
    }
    cuGraphDestroyNode [cuGraphDestroyNode] [] |_d| (hNode: CUgraphNode) {
        let n = node(hNode)?;
        n.graph.upgrade().ok_or(CUresult::INVALID_VALUE)?.remove(n.handle)
    }
    cuGraphAddKernelNode_v1 [cuGraphAddKernelNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_KERNEL_NODE_PARAMS_v1>) {
        add(phGraphNode, hGraph, dependencies, numDependencies, || kernel(&widen(&nodeParams.get()?)))
    }
    cuGraphAddKernelNode [cuGraphAddKernelNode_v2] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_KERNEL_NODE_PARAMS>) {
        add(phGraphNode, hGraph, dependencies, numDependencies, || kernel(&nodeParams.get()?))
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
        let cooperative = crate::driver::launch::read_attributes(&[CUlaunchAttribute { id: attr, pad: [0; 4], value }])?;
        if attr == 2 && let Body::Kernel(launch) = &mut *n.body.lock() {
            *launch = Arc::new(KernelLaunch { cooperative, ..(**launch).clone() });
        }
        n.attributes.lock().insert(attr, value);
        Ok(())
    }
    cuGraphAddMemcpyNode [cuGraphAddMemcpyNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, copyParams: In<CUDA_MEMCPY3D>, _ctx: CUcontext) {
        add(phGraphNode, hGraph, dependencies, numDependencies, || memcpy(&copyParams.get()?))
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
        add(phGraphNode, hGraph, dependencies, numDependencies, || memset(&memsetParams.get()?))
    }
    cuGraphMemsetNodeGetParams [cuGraphMemsetNodeGetParams] [] |_d| (hNode: CUgraphNode, nodeParams: Out<CUDA_MEMSET_NODE_PARAMS>) {
        match &*node(hNode)?.body.lock() {
            Body::Memset(f) => nodeParams.put(CUDA_MEMSET_NODE_PARAMS { dst: CUdeviceptr(f.dst), pitch: f.pitch as usize, value: f.value, elementSize: f.element, width: f.width as usize, height: f.height as usize }),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphMemsetNodeSetParams [cuGraphMemsetNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_MEMSET_NODE_PARAMS>) { set(hNode, memset(&nodeParams.get()?)?) }
    cuGraphExecMemsetNodeSetParams [cuGraphExecMemsetNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, memsetParams: In<CUDA_MEMSET_NODE_PARAMS>, _ctx: CUcontext) {
        exec_set(hGraphExec, hNode, memset(&memsetParams.get()?)?)
    }
    cuGraphAddHostNode [cuGraphAddHostNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: In<CUDA_HOST_NODE_PARAMS>) {
        add(phGraphNode, hGraph, dependencies, numDependencies, || host(&nodeParams.get()?))
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
        add(phGraphNode, hGraph, dependencies, numDependencies, || Ok(Body::Child(graph(childGraph)?.duplicate())))
    }
    cuGraphChildGraphNodeGetGraph [cuGraphChildGraphNodeGetGraph] [] |_d| (hNode: CUgraphNode, phGraph: Out<CUgraph>) { phGraph.put(CUgraph(child(hNode)?.handle)) }
    cuGraphExecChildGraphNodeSetParams [cuGraphExecChildGraphNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, childGraph: CUgraph) {
        exec(hGraphExec)?.update_child(&*child(hNode)?, &*graph(childGraph)?)
    }
    cuGraphAddEmptyNode [cuGraphAddEmptyNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize) {
        add(phGraphNode, hGraph, dependencies, numDependencies, || Ok(Body::Empty))
    }
    cuGraphAddEventRecordNode [cuGraphAddEventRecordNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, event: CUevent) {
        add(phGraphNode, hGraph, dependencies, numDependencies, || Ok(Body::EventRecord(EVENTS.get(event.0)?)))
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
        add(phGraphNode, hGraph, dependencies, numDependencies, || Ok(Body::EventWait(EVENTS.get(event.0)?)))
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
        add(phGraphNode, hGraph, dependencies, numDependencies, || batch_body(&nodeParams.get()?))
    }
    cuGraphBatchMemOpNodeSetParams [cuGraphBatchMemOpNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUDA_BATCH_MEM_OP_NODE_PARAMS>) { set(hNode, batch_body(&nodeParams.get()?)?) }
    cuGraphExecBatchMemOpNodeSetParams [cuGraphExecBatchMemOpNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUDA_BATCH_MEM_OP_NODE_PARAMS>) {
        exec_set(hGraphExec, hNode, batch_body(&nodeParams.get()?)?)
    }
    cuGraphAddMemAllocNode [cuGraphAddMemAllocNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: Out<CUDA_MEM_ALLOC_NODE_PARAMS>) {
        let mut p = nodeParams.current().ok_or(CUresult::INVALID_VALUE)?;
        add(phGraphNode, hGraph, dependencies, numDependencies, || alloc(&mut p))?;
        nodeParams.put(p)
    }
    cuGraphMemAllocNodeGetParams [cuGraphMemAllocNodeGetParams] [] |_d| (hNode: CUgraphNode, params_out: Out<CUDA_MEM_ALLOC_NODE_PARAMS>) {
        match &*node(hNode)?.body.lock() {
            Body::Alloc(memory) => {
                let mut p = CUDA_MEM_ALLOC_NODE_PARAMS { bytesize: memory.len as usize, dptr: CUdeviceptr(memory.start), ..Default::default() };
                p.poolProps.allocType = 1;
                p.poolProps.location = CUmemLocation { kind: 1, id: space().find(memory.start).map_or(0, |a| a.device as i32) };
                params_out.put(p)
            }
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuGraphAddMemFreeNode [cuGraphAddMemFreeNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, dptr: CUdeviceptr) {
        ensure(space().find(dptr.0).is_some_and(|a| a.start == dptr.0 && matches!(a.kind, Kind::Graph | Kind::Pool)), CUresult::INVALID_VALUE)?;
        add(phGraphNode, hGraph, dependencies, numDependencies, || Ok(Body::Free(dptr.0)))
    }
    cuGraphMemFreeNodeGetParams [cuGraphMemFreeNodeGetParams] [] |_d| (hNode: CUgraphNode, dptr_out: Out<CUdeviceptr>) {
        match &*node(hNode)?.body.lock() {
            Body::Free(address) => dptr_out.put(CUdeviceptr(*address)),
            _ => Err(CUresult::INVALID_VALUE),
        }
    }
    cuDeviceGraphMemTrim [cuDeviceGraphMemTrim] [] |_d| (dev: CUdevice) { device(dev.0).map(drop) }
    cuDeviceGetGraphMemAttribute [cuDeviceGetGraphMemAttribute] [] |_d| (dev: CUdevice, attr: u32, value: Any) {
        let ordinal = device(dev.0)?.ordinal;
        ensure(attr <= 3, CUresult::INVALID_VALUE)?;
        let mut sum = 0u64;
        space().each(|a| if a.kind == Kind::Graph && a.device == ordinal { sum += a.len });
        Out(value.0 as *mut u64).put(sum)
    }
    cuDeviceSetGraphMemAttribute [cuDeviceSetGraphMemAttribute] [] |_d| (dev: CUdevice, attr: u32, _value: Any) {
        device(dev.0)?;
        ensure(attr == 1 || attr == 3, CUresult::INVALID_VALUE)
    }
    cuGraphAddNode [cuGraphAddNode] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, numDependencies: usize, nodeParams: Out<CUgraphNodeParams>) {
        add_any(phGraphNode, hGraph, dependencies, numDependencies, nodeParams)
    }
    cuGraphAddNode_v2 [cuGraphAddNode_v2] [] |_d| (phGraphNode: Out<CUgraphNode>, hGraph: CUgraph, dependencies: In<CUgraphNode>, _dependencyData: In<CUgraphEdgeData>, numDependencies: usize, nodeParams: Out<CUgraphNodeParams>) {
        add_any(phGraphNode, hGraph, dependencies, numDependencies, nodeParams)
    }
    cuGraphNodeSetParams [cuGraphNodeSetParams] [] |_d| (hNode: CUgraphNode, nodeParams: In<CUgraphNodeParams>) {
        let mut p = nodeParams.get()?;
        set(hNode, any_body(&mut p)?)
    }
    cuGraphExecNodeSetParams [cuGraphExecNodeSetParams] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, nodeParams: In<CUgraphNodeParams>) {
        let mut p = nodeParams.get()?;
        exec_set(hGraphExec, hNode, any_body(&mut p)?)
    }
    cuGraphInstantiateWithFlags [cuGraphInstantiateWithFlags] [] |_d| (phGraphExec: Out<CUgraphExec>, hGraph: CUgraph, flags: u64) {
        phGraphExec.required()?;
        phGraphExec.put(CUgraphExec(Exec::instantiate(&*graph(hGraph)?, flags)?.handle))
    }
    cuGraphInstantiate [cuGraphInstantiate cuGraphInstantiate_v2] [] |_d| (phGraphExec: Out<CUgraphExec>, hGraph: CUgraph, phErrorNode: Out<CUgraphNode>, logBuffer: List<c_char>, bufferSize: usize) {
        phGraphExec.required()?;
        phErrorNode.give(CUgraphNode(0));
        if bufferSize > 0 {
            logBuffer.give(0);
        }
        phGraphExec.put(CUgraphExec(Exec::instantiate(&*graph(hGraph)?, 0)?.handle))
    }
    cuGraphInstantiateWithParams [cuGraphInstantiateWithParams] [cuGraphInstantiateWithParams_ptsz] |_d| (phGraphExec: Out<CUgraphExec>, hGraph: CUgraph, instantiateParams: Out<CUDA_GRAPH_INSTANTIATE_PARAMS>) {
        phGraphExec.required()?;
        let mut p = instantiateParams.current().ok_or(CUresult::INVALID_VALUE)?;
        let made = Exec::instantiate(&*graph(hGraph)?, p.flags & !2);
        p.hErrNode_out = CUgraphNode(0);
        p.result_out = match &made {
            Ok(_) => 0,
            Err(code) if *code == CUresult::INVALID_VALUE => 2,
            Err(_) => 1,
        };
        instantiateParams.put(p)?;
        phGraphExec.put(CUgraphExec(made?.handle))
    }
    cuGraphExecGetFlags [cuGraphExecGetFlags] [] |_d| (hGraphExec: CUgraphExec, flags: Out<u64>) { flags.put(exec(hGraphExec)?.flags) }
    cuGraphNodeSetEnabled [cuGraphNodeSetEnabled] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, isEnabled: u32) {
        exec(hGraphExec)?.change(hNode.0, |entry: &mut Entry| {
            ensure(entry.body.kind() <= 2, CUresult::INVALID_VALUE)?;
            entry.enabled = isEnabled != 0;
            Ok(())
        })
    }
    cuGraphNodeGetEnabled [cuGraphNodeGetEnabled] [] |_d| (hGraphExec: CUgraphExec, hNode: CUgraphNode, isEnabled: Out<u32>) { isEnabled.put(u32::from(exec(hGraphExec)?.enabled(hNode.0)?)) }
    cuGraphUpload [cuGraphUpload] [cuGraphUpload_ptsz] |d| (hGraphExec: CUgraphExec, hStream: CUstream) {
        exec(hGraphExec)?;
        stream::resolve(hStream, d).map(drop)
    }
    cuGraphLaunch [cuGraphLaunch] [cuGraphLaunch_ptsz] |d| (hGraphExec: CUgraphExec, hStream: CUstream) {
        let exec = exec(hGraphExec)?;
        let (stream, _ctx) = stream::resolve(hStream, d)?;
        crate::driver::capture::forbid_sync(&stream)?;
        exec.launch(&stream)
    }
    cuGraphExecDestroy [cuGraphExecDestroy] [] |_d| (hGraphExec: CUgraphExec) { EXECS.remove(hGraphExec.0).map(drop).map_err(|_| CUresult::INVALID_VALUE) }
    cuGraphExecUpdate_v1 [cuGraphExecUpdate] [] |_d| (hGraphExec: CUgraphExec, hGraph: CUgraph, hErrorNode_out: Out<CUgraphNode>, updateResult_out: Out<u32>) {
        let done = exec(hGraphExec)?.update(&*graph(hGraph)?);
        let (at, result) = done.err().unwrap_or((0, 0));
        hErrorNode_out.give(CUgraphNode(at));
        updateResult_out.give(result);
        ensure(result == 0, CUresult::GRAPH_EXEC_UPDATE_FAILURE)
    }
    cuGraphExecUpdate [cuGraphExecUpdate_v2] [] |_d| (hGraphExec: CUgraphExec, hGraph: CUgraph, resultInfo: Out<CUgraphExecUpdateResultInfo>) {
        let done = exec(hGraphExec)?.update(&*graph(hGraph)?);
        let (at, result) = done.err().unwrap_or((0, 0));
        resultInfo.put(CUgraphExecUpdateResultInfo { result, errorNode: CUgraphNode(at), errorFromNode: CUgraphNode(0) })?;
        ensure(result == 0, CUresult::GRAPH_EXEC_UPDATE_FAILURE)
    }
    cuGraphDebugDotPrint [cuGraphDebugDotPrint] [] |_d| (hGraph: CUgraph, path: Text, _flags: u32) {
        let g = graph(hGraph)?;
        let mut text = format!("digraph graph_{} {{\n", g.id);
        for n in g.nodes() {
            text.push_str(&format!("  n{} [label=\"{} type {}\"];\n", n.local_id, n.local_id, n.body.lock().kind()));
        }
        for (from, to) in g.edges() {
            if let (Some(a), Some(b)) = (NODES.find(from), NODES.find(to)) {
                text.push_str(&format!("  n{} -> n{};\n", a.local_id, b.local_id));
            }
        }
        std::fs::write(path.get()?, text + "}\n").map_err(|_| CUresult::OPERATING_SYSTEM)
    }
    cuUserObjectCreate [cuUserObjectCreate] [] |_d| (object_out: Out<CUuserObject>, ptr: Host, destroy: CUhostFn, initialRefcount: u32, flags: u32) {
        object_out.required()?;
        ensure(destroy.is_some() && initialRefcount > 0 && flags == 1, CUresult::INVALID_VALUE)?;
        let handle = USER_OBJECTS.reserve();
        USER_OBJECTS.insert(handle, Arc::new(UserObject { handle, destroy, data: ptr, count: AtomicU32::new(initialRefcount) }));
        object_out.put(CUuserObject(handle))
    }
    cuUserObjectRetain [cuUserObjectRetain] [] |_d| (object: CUuserObject, count: u32) {
        USER_OBJECTS.get(object.0)?.retain(count);
        Ok(())
    }
    cuUserObjectRelease [cuUserObjectRelease] [] |_d| (object: CUuserObject, count: u32) {
        USER_OBJECTS.get(object.0)?.release(count);
        Ok(())
    }
    cuGraphRetainUserObject [cuGraphRetainUserObject] [] |_d| (hGraph: CUgraph, object: CUuserObject, count: u32, flags: u32) {
        ensure(flags <= 1 && count > 0, CUresult::INVALID_VALUE)?;
        graph(hGraph)?.retain_user(&USER_OBJECTS.get(object.0)?, count, flags == 1);
        Ok(())
    }
    cuGraphReleaseUserObject [cuGraphReleaseUserObject] [] |_d| (hGraph: CUgraph, object: CUuserObject, count: u32) { graph(hGraph)?.release_user(object.0, count) }
}

fn graph(handle: CUgraph) -> R<Arc<Graph>> {
    GRAPHS.find(handle.0).ok_or(CUresult::INVALID_VALUE)
}

fn node(handle: CUgraphNode) -> R<Arc<Node>> {
    NODES.find(handle.0).ok_or(CUresult::INVALID_VALUE)
}

fn exec(handle: CUgraphExec) -> R<Arc<Exec>> {
    EXECS.find(handle.0).ok_or(CUresult::INVALID_VALUE)
}

fn child(handle: CUgraphNode) -> R<Arc<Graph>> {
    match &*node(handle)?.body.lock() {
        Body::Child(graph) => Ok(Arc::clone(graph)),
        _ => Err(CUresult::INVALID_VALUE),
    }
}

fn pairs(from: In<CUgraphNode>, to: In<CUgraphNode>, count: usize) -> R<Vec<(u64, u64)>> {
    Ok(from.list(count)?.into_iter().zip(to.list(count)?).map(|(a, b)| (a.0, b.0)).collect())
}

fn edges(handle: CUgraph, from: Out<CUgraphNode>, to: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) -> R {
    let all = graph(handle)?.edges();
    ensure(from.is_null() == to.is_null(), CUresult::INVALID_VALUE)?;
    let room = count.current().unwrap_or(0);
    if !from.is_null() {
        for (i, (a, b)) in all.iter().take(room).enumerate() {
            from.put_at(i, CUgraphNode(*a));
            to.put_at(i, CUgraphNode(*b));
            data.put_at(i, CUgraphEdgeData::default());
        }
        return count.put(room.min(all.len()));
    }
    count.put(all.len())
}

fn neighbours(handle: CUgraphNode, after: bool, out: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) -> R {
    let n = node(handle)?;
    let list: Vec<CUgraphNode> = if after {
        let g = n.graph.upgrade().ok_or(CUresult::INVALID_VALUE)?;
        g.edges().into_iter().filter(|e| e.0 == n.handle).map(|e| CUgraphNode(e.1)).collect()
    } else {
        n.deps.lock().iter().map(|&d| CUgraphNode(d)).collect()
    };
    if !out.is_null() {
        for i in 0..list.len().min(count.current().unwrap_or(0)) {
            data.put_at(i, CUgraphEdgeData::default());
        }
    }
    out.fill(count, &list)
}

fn add(out: Out<CUgraphNode>, handle: CUgraph, deps: In<CUgraphNode>, count: usize, body: impl FnOnce() -> R<Body>) -> R {
    out.required()?;
    let graph = graph(handle)?;
    let deps: Vec<u64> = deps.list(count)?.into_iter().map(|n| n.0).collect();
    journal::note("after", || {
        let mut text = String::from("[");
        for &dep in &deps {
            text.push_str(if text.len() > 1 { "," } else { "" });
            CUgraphNode(dep).describe(&mut text);
        }
        text + "]"
    });
    out.put(CUgraphNode(graph.add(body()?, &deps)?.handle))
}

fn set(handle: CUgraphNode, body: Body) -> R {
    let n = node(handle)?;
    let mut now = n.body.lock();
    ensure(now.kind() == body.kind(), CUresult::INVALID_VALUE)?;
    *now = body;
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

fn context_of(handle: CUcontext) -> R<Arc<Context>> {
    if handle.0 == 0 { current() } else { CONTEXTS.find(handle.0).ok_or(CUresult::INVALID_CONTEXT) }
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
    node.exposed.lock().push(kept);
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

fn host(p: &CUDA_HOST_NODE_PARAMS) -> R<Body> {
    ensure(p.function.is_some(), CUresult::INVALID_VALUE)?;
    Ok(Body::Host(p.function, p.userData))
}

fn batch_body(p: &CUDA_BATCH_MEM_OP_NODE_PARAMS) -> R<Body> {
    ensure(p.count <= 256, CUresult::INVALID_VALUE)?;
    Body::from_op(&batch(&p.paramArray.list(p.count as usize)?)?)
}

fn alloc(p: &mut CUDA_MEM_ALLOC_NODE_PARAMS) -> R<Body> {
    let ctx = current()?;
    ensure(p.poolProps.allocType == 1 && p.bytesize > 0, CUresult::INVALID_VALUE)?;
    ensure(p.poolProps.location.kind == 1 && p.poolProps.handleTypes == 0, CUresult::NOT_SUPPORTED)?;
    let owner = device(p.poolProps.location.id)?;
    let start = pool::allocate(&ctx, owner.pools.default_pool(owner), p.bytesize as u64)?;
    p.dptr = CUdeviceptr(start);
    Ok(Body::Alloc(graph_memory(start, p.bytesize as u64)))
}

fn add_any(out: Out<CUgraphNode>, handle: CUgraph, deps: In<CUgraphNode>, count: usize, params: Out<CUgraphNodeParams>) -> R {
    let mut p = params.current().ok_or(CUresult::INVALID_VALUE)?;
    add(out, handle, deps, count, || any_body(&mut p))?;
    params.put(p)
}

/// Reads the member of `CUgraphNodeParams` that its tag names.
fn any_body(p: &mut CUgraphNodeParams) -> R<Body> {
    let at = p.words.as_mut_ptr();
    match p.kind {
        0 => kernel(&In(at.cast_const().cast::<CUDA_KERNEL_NODE_PARAMS>()).get()?),
        // Flags and the copy's context come before the copy.
        1 => memcpy(&In(at.wrapping_add(2).cast_const().cast::<CUDA_MEMCPY3D>()).get()?),
        2 => memset(&In(at.cast_const().cast::<CUDA_MEMSET_NODE_PARAMS>()).get()?),
        3 => host(&In(at.cast_const().cast::<CUDA_HOST_NODE_PARAMS>()).get()?),
        4 => Ok(Body::Child(graph(CUgraph(p.words[0]))?.duplicate())),
        5 => Ok(Body::Empty),
        6 => Ok(Body::EventWait(EVENTS.get(p.words[0])?)),
        7 => Ok(Body::EventRecord(EVENTS.get(p.words[0])?)),
        10 => {
            let place = Out(at.cast::<CUDA_MEM_ALLOC_NODE_PARAMS>());
            let mut params = place.current().ok_or(CUresult::INVALID_VALUE)?;
            let body = alloc(&mut params)?;
            place.put(params)?;
            Ok(body)
        }
        11 => Ok(Body::Free(p.words[0])),
        12 => batch_body(&In(at.cast_const().cast::<CUDA_BATCH_MEM_OP_NODE_PARAMS>()).get()?),
        _ => Err(CUresult::NOT_SUPPORTED),
    }
}
