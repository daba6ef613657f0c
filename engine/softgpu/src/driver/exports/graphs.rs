//! Graphs: structure, executable graphs, launches, user objects. Nodes and their parameters are in [`super::graph_nodes`].

use crate::driver::abi::*;
use crate::driver::capture;
use crate::driver::condition::Condition;
use crate::driver::context::{CONTEXTS, Context, current};
use crate::driver::entry::export;
use crate::driver::graph::{Body, GRAPHS, Graph, NODES, Node, USER_OBJECTS, UserObject, plain_edge};
use crate::driver::graph_exec::{EXECS, Entry, Exec, UPLOAD};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream;
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
        graph(hGraph)?.connect(&pairs(from, to, numDependencies)?, &[])
    }
    cuGraphAddDependencies_v2 [cuGraphAddDependencies_v2] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, edgeData: In<CUgraphEdgeData>, numDependencies: usize) {
        graph(hGraph)?.connect(&pairs(from, to, numDependencies)?, &edge_data(edgeData, numDependencies)?)
    }
    cuGraphRemoveDependencies [cuGraphRemoveDependencies] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, numDependencies: usize) {
        graph(hGraph)?.disconnect(&pairs(from, to, numDependencies)?, &[])
    }
    cuGraphRemoveDependencies_v2 [cuGraphRemoveDependencies_v2] [] |_d| (hGraph: CUgraph, from: In<CUgraphNode>, to: In<CUgraphNode>, edgeData: In<CUgraphEdgeData>, numDependencies: usize) {
        graph(hGraph)?.disconnect(&pairs(from, to, numDependencies)?, &edge_data(edgeData, numDependencies)?)
    }
    cuGraphDestroyNode [cuGraphDestroyNode] [] |_d| (hNode: CUgraphNode) {
        let n = node(hNode)?;
        n.graph.upgrade().ok_or(CUresult::INVALID_VALUE)?.remove(n.handle)
    }
    cuGraphInstantiateWithFlags [cuGraphInstantiateWithFlags] [] |_d| (phGraphExec: Out<CUgraphExec>, hGraph: CUgraph, flags: u64) {
        phGraphExec.required()?;
        ensure(flags & UPLOAD == 0, CUresult::INVALID_VALUE)?;
        phGraphExec.put(CUgraphExec(instantiate(hGraph, flags)?.handle))
    }
    cuGraphInstantiate [cuGraphInstantiate cuGraphInstantiate_v2] [] |_d| (phGraphExec: Out<CUgraphExec>, hGraph: CUgraph, phErrorNode: Out<CUgraphNode>, logBuffer: List<c_char>, bufferSize: usize) {
        phGraphExec.required()?;
        if bufferSize > 0 {
            logBuffer.give(0);
        }
        let made = Exec::instantiate(&*graph(hGraph)?, 0).map_err(|refusal| {
            phErrorNode.give(CUgraphNode(refusal.node));
            let text = format!("the graph cannot be instantiated: {}", REASONS.get(refusal.result as usize).unwrap_or(&"error"));
            let _ = logBuffer.put_text(&text, bufferSize);
            refusal.code
        })?;
        phErrorNode.give(CUgraphNode(0));
        phGraphExec.put(CUgraphExec(made.handle))
    }
    cuGraphInstantiateWithParams [cuGraphInstantiateWithParams] [cuGraphInstantiateWithParams_ptsz] |d| (phGraphExec: Out<CUgraphExec>, hGraph: CUgraph, instantiateParams: Out<CUDA_GRAPH_INSTANTIATE_PARAMS>) {
        phGraphExec.required()?;
        let mut p = instantiateParams.current().ok_or(CUresult::INVALID_VALUE)?;
        if p.flags & UPLOAD != 0 {
            stream::resolve(p.hUploadStream, d)?;
        }
        let made = Exec::instantiate(&*graph(hGraph)?, p.flags & !UPLOAD);
        let (node, result) = made.as_ref().err().map_or((0, 0), |refusal| (refusal.node, refusal.result));
        (p.hErrNode_out, p.result_out) = (CUgraphNode(node), result);
        instantiateParams.put(p)?;
        phGraphExec.put(CUgraphExec(made.map_err(|refusal| refusal.code)?.handle))
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
        // In a captured stream a launch is a graph within the graph.
        if !capture::add_body(&stream, || Ok(Body::Child(exec.as_graph()?)))? {
            exec.launch(&stream)?;
        }
        Ok(())
    }
    cuGraphExecDestroy [cuGraphExecDestroy] [] |_d| (hGraphExec: CUgraphExec) { EXECS.remove(hGraphExec.0).map(drop).map_err(|_| CUresult::INVALID_VALUE) }
    cuGraphExecUpdate_v1 [cuGraphExecUpdate] [] |_d| (hGraphExec: CUgraphExec, hGraph: CUgraph, hErrorNode_out: Out<CUgraphNode>, updateResult_out: Out<u32>) {
        let done = exec(hGraphExec)?.update(&*graph(hGraph)?);
        let (at, _, result) = done.err().unwrap_or((0, 0, 0));
        hErrorNode_out.give(CUgraphNode(at));
        updateResult_out.give(result);
        ensure(result == 0, CUresult::GRAPH_EXEC_UPDATE_FAILURE)
    }
    cuGraphExecUpdate [cuGraphExecUpdate_v2] [] |_d| (hGraphExec: CUgraphExec, hGraph: CUgraph, resultInfo: Out<CUgraphExecUpdateResultInfo>) {
        let done = exec(hGraphExec)?.update(&*graph(hGraph)?);
        let (at, from, result) = done.err().unwrap_or((0, 0, 0));
        resultInfo.put(CUgraphExecUpdateResultInfo { result, errorNode: CUgraphNode(at), errorFromNode: CUgraphNode(from) })?;
        ensure(result == 0, CUresult::GRAPH_EXEC_UPDATE_FAILURE)
    }
    cuGraphDebugDotPrint [cuGraphDebugDotPrint] [] |_d| (hGraph: CUgraph, path: Text, flags: u32) {
        let mut text = String::from("digraph dot {\n");
        dot(&*graph(hGraph)?, flags, &mut text);
        std::fs::write(path.get()?, text + "}\n").map_err(|_| CUresult::OPERATING_SYSTEM)
    }
    cuGraphConditionalHandleCreate [cuGraphConditionalHandleCreate] [] |_d| (pHandle_out: Out<u64>, hGraph: CUgraph, ctx: CUcontext, defaultLaunchValue: u32, flags: u32) {
        pHandle_out.required()?;
        let graph = graph(hGraph)?;
        let condition = Condition::create(&context_of(ctx)?, defaultLaunchValue, flags)?;
        let address = condition.address;
        graph.conditions.lock().push(condition);
        pHandle_out.put(address)
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

pub(super) fn graph(handle: CUgraph) -> R<Arc<Graph>> {
    GRAPHS.find(handle.0).ok_or(CUresult::INVALID_VALUE)
}

pub(super) fn node(handle: CUgraphNode) -> R<Arc<Node>> {
    NODES.find(handle.0).ok_or(CUresult::INVALID_VALUE)
}

pub(super) fn exec(handle: CUgraphExec) -> R<Arc<Exec>> {
    EXECS.find(handle.0).ok_or(CUresult::INVALID_VALUE)
}

fn pairs(from: In<CUgraphNode>, to: In<CUgraphNode>, count: usize) -> R<Vec<(u64, u64)>> {
    Ok(from.list(count)?.into_iter().zip(to.list(count)?).map(|(a, b)| (a.0, b.0)).collect())
}

pub(super) fn context_of(handle: CUcontext) -> R<Arc<Context>> {
    if handle.0 == 0 { current() } else { CONTEXTS.find(handle.0).ok_or(CUresult::INVALID_CONTEXT) }
}

/// Sentences for `CUgraphInstantiateResult`.
const REASONS: [&str; 6] = ["", "an error", "its structure is wrong", "a node's operation is not supported", "it has several contexts", "a conditional handle is not used"];

fn instantiate(handle: CUgraph, flags: u64) -> R<Arc<Exec>> {
    Exec::instantiate(&*graph(handle)?, flags).map_err(|refusal| refusal.code)
}

/// Data for `count` edges; null is the default for all.
pub(super) fn edge_data(data: In<CUgraphEdgeData>, count: usize) -> R<Vec<CUgraphEdgeData>> {
    if data.0.is_null() { Ok(Vec::new()) } else { data.list(count) }
}

/// CUDA_ERROR_LOSSY_QUERY where something was said about an edge and the caller has no place for it.
fn put_edges(list: &[CUgraphEdgeData], data: Out<CUgraphEdgeData>, room: usize) -> R {
    ensure(!data.is_null() || list.iter().all(plain_edge), CUresult::LOSSY_QUERY)?;
    list.iter().take(room).enumerate().for_each(|(i, edge)| data.put_at(i, *edge));
    Ok(())
}

fn edges(handle: CUgraph, from: Out<CUgraphNode>, to: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) -> R {
    let all = graph(handle)?.edges();
    ensure(from.is_null() == to.is_null(), CUresult::INVALID_VALUE)?;
    let room = count.current().unwrap_or(0);
    if !from.is_null() {
        let list: Vec<_> = all.iter().map(|&(a, b)| NODES.find(b).map_or_else(CUgraphEdgeData::default, |n| n.edge(a))).collect();
        put_edges(&list, data, room)?;
        for (i, (a, b)) in all.iter().take(room).enumerate() {
            from.put_at(i, CUgraphNode(*a));
            to.put_at(i, CUgraphNode(*b));
        }
        return count.put(room.min(all.len()));
    }
    count.put(all.len())
}

fn neighbours(handle: CUgraphNode, after: bool, out: Out<CUgraphNode>, data: Out<CUgraphEdgeData>, count: Out<usize>) -> R {
    let n = node(handle)?;
    let list: Vec<(CUgraphNode, CUgraphEdgeData)> = if after {
        let g = n.graph.upgrade().ok_or(CUresult::INVALID_VALUE)?;
        g.nodes().iter().filter(|m| m.deps.lock().contains(&n.handle)).map(|m| (CUgraphNode(m.handle), m.edge(n.handle))).collect()
    } else {
        n.deps.lock().iter().map(|&d| (CUgraphNode(d), n.edge(d))).collect()
    };
    if !out.is_null() {
        put_edges(&list.iter().map(|&(_, edge)| edge).collect::<Vec<_>>(), data, count.current().unwrap_or(0))?;
    }
    out.fill(count, &list.iter().map(|&(node, _)| node).collect::<Vec<_>>())
}

/// Describes a graph, and the graphs in it, in Graphviz's language. Bit 0 of the flags asks for everything, bit 2 for kernels' launches.
fn dot(graph: &Graph, flags: u32, text: &mut String) {
    use std::fmt::Write as _;
    let _ = writeln!(text, "subgraph cluster_{} {{\nlabel=\"graph_{}\";", graph.id, graph.id);
    let name = |n: &Node| format!("\"graph_{}_node_{}\"", graph.id, n.local_id);
    for n in graph.nodes() {
        let body = n.body.lock().clone();
        let mut label = format!("{}\\n{}", n.local_id, body.name());
        if let Body::Kernel(launch) = &body {
            let _ = write!(label, "\\n{}", launch.function.kernel.name.replace(['"', '\\'], "?"));
            if flags & 5 != 0 {
                let _ = write!(label, "\\ngrid {:?} block {:?} shared {}", launch.grid, launch.block, launch.shared);
            }
        }
        let _ = writeln!(text, "{}[shape=\"box\" label=\"{label}\"];", name(&n));
        for from in n.deps.lock().iter().filter_map(|&d| NODES.find(d)) {
            let _ = writeln!(text, "{} -> {};", name(&from), name(&n));
        }
        body.inner().iter().for_each(|inner| dot(inner, flags, text));
    }
    text.push_str("}\n");
}
