//! Graphs made by hand and by capture, without kernels.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

fn graph() -> CUgraph {
    let mut graph = CUgraph(0);
    ok!(cuGraphCreate((&mut graph).into(), 0));
    graph
}

fn instantiate(graph: CUgraph) -> CUgraphExec {
    let mut exec = CUgraphExec(0);
    ok!(cuGraphInstantiateWithFlags((&mut exec).into(), graph, 0));
    exec
}

fn fill(graph: CUgraph, deps: &[CUgraphNode], dst: CUdeviceptr, value: u32, count: usize) -> CUgraphNode {
    let params = CUDA_MEMSET_NODE_PARAMS { dst, pitch: 0, value, elementSize: 4, width: count, height: 1 };
    let mut node = CUgraphNode(0);
    ok!(cuGraphAddMemsetNode((&mut node).into(), graph, In(deps.as_ptr()), deps.len(), (&params).into(), CUcontext(0)));
    node
}

fn copy_params(dst: CUdeviceptr, src: CUdeviceptr, len: usize) -> CUDA_MEMCPY3D {
    CUDA_MEMCPY3D { srcMemoryType: 2, srcDevice: src, srcPitch: len, srcHeight: 1, dstMemoryType: 2, dstDevice: dst, dstPitch: len, dstHeight: 1, WidthInBytes: len, Height: 1, Depth: 1, ..Default::default() }
}

unsafe extern "C" fn count(user: *mut c_void) {
    unsafe { &*user.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn nodes_run_after_what_they_depend_on() {
    let _ctx = Ctx::new(0);
    let (p, q) = (alloc(64), alloc(64));
    let g = graph();
    // Entered in the wrong order on purpose: the copy first, its source's fill later.
    let mut copy = CUgraphNode(0);
    ok!(cuGraphAddMemcpyNode((&mut copy).into(), g, In::NULL, 0, (&copy_params(q, p, 64)).into(), CUcontext(0)));
    let first = fill(g, &[], p, 5, 16);
    ok!(cuGraphAddDependencies(g, (&first).into(), (&copy).into(), 1));
    gives!(INVALID_VALUE, cuGraphAddDependencies(g, (&first).into(), (&copy).into(), 1));
    gives!(INVALID_VALUE, cuGraphAddDependencies(g, (&copy).into(), (&first).into(), 1));
    let counter = AtomicU32::new(0);
    let host = CUDA_HOST_NODE_PARAMS { function: Some(count), userData: Host::of(&counter) };
    let mut node = CUgraphNode(0);
    ok!(cuGraphAddHostNode((&mut node).into(), g, (&copy).into(), 1, (&host).into()));
    let (mut nodes, mut edges, mut roots) = (0usize, 0usize, 0usize);
    ok!(cuGraphGetNodes(g, List::NULL, (&mut nodes).into()));
    ok!(cuGraphGetEdges(g, List::NULL, List::NULL, (&mut edges).into()));
    ok!(cuGraphGetRootNodes(g, List::NULL, (&mut roots).into()));
    assert_eq!((nodes, edges, roots), (3, 2, 1));
    let exec = instantiate(g);
    ok!(cuGraphDestroy(g));
    let s = stream(1);
    for _ in 0..3 {
        ok!(cuGraphLaunch(exec, s));
    }
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(q, 16), [5; 16]);
    assert_eq!(counter.load(Ordering::SeqCst), 3);
    ok!(cuGraphExecDestroy(exec));
    gives!(INVALID_VALUE, cuGraphLaunch(exec, s));
}

#[test]
fn parameters_of_an_executable_graph_change_without_the_graph() {
    let _ctx = Ctx::new(0);
    let (p, q) = (alloc(16), alloc(16));
    let g = graph();
    let a = fill(g, &[], p, 1, 4);
    let mut copy = CUgraphNode(0);
    ok!(cuGraphAddMemcpyNode((&mut copy).into(), g, (&a).into(), 1, (&copy_params(q, p, 16)).into(), CUcontext(0)));
    let exec = instantiate(g);
    let params = CUDA_MEMSET_NODE_PARAMS { dst: p, pitch: 0, value: 2, elementSize: 4, width: 4, height: 1 };
    ok!(cuGraphExecMemsetNodeSetParams(exec, a, (&params).into(), CUcontext(0)));
    gives!(INVALID_VALUE, cuGraphExecMemsetNodeSetParams(exec, copy, (&params).into(), CUcontext(0)));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(q, 4), [2; 4]);
    let mut kept = CUDA_MEMSET_NODE_PARAMS::default();
    ok!(cuGraphMemsetNodeGetParams(a, (&mut kept).into()));
    assert_eq!(kept.value, 1);
    ok!(cuGraphNodeSetEnabled(exec, copy, 0));
    ok!(cuMemsetD32_v2(q, 0, 4));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(q, 4), [0; 4]);
    // A clone of another value updates the whole.
    let mut clone = CUgraph(0);
    ok!(cuGraphClone((&mut clone).into(), g));
    let mut twin = CUgraphNode(0);
    ok!(cuGraphNodeFindInClone((&mut twin).into(), a, clone));
    ok!(cuGraphMemsetNodeSetParams(twin, (&CUDA_MEMSET_NODE_PARAMS { value: 8, ..params }).into()));
    let mut info = CUgraphExecUpdateResultInfo::default();
    ok!(cuGraphExecUpdate_v2(exec, clone, (&mut info).into()));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(p, 4), [8; 4]);
    fill(clone, &[], q, 1, 4);
    gives!(GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, clone, (&mut info).into()));
    assert_eq!(info.result, 2);
}

#[test]
fn child_graphs_and_event_nodes() {
    let _ctx = Ctx::new(0);
    let p = alloc(16);
    let inner = graph();
    let inner_fill = fill(inner, &[], p, 3, 4);
    let outer = graph();
    let (mut child, mut record, mut embedded) = (CUgraphNode(0), CUgraphNode(0), CUgraph(0));
    ok!(cuGraphAddChildGraphNode((&mut child).into(), outer, In::NULL, 0, inner));
    let done = event(0);
    ok!(cuGraphAddEventRecordNode((&mut record).into(), outer, (&child).into(), 1, done));
    // Changes of the original do not reach the copy inside the node.
    ok!(cuGraphDestroyNode(inner_fill));
    ok!(cuGraphChildGraphNodeGetGraph(child, (&mut embedded).into()));
    let exec = instantiate(outer);
    let s = stream(1);
    let gate = Gate::close(s);
    ok!(cuGraphLaunch(exec, s));
    gives!(NOT_READY, cuEventQuery(done));
    gate.open();
    ok!(cuEventSynchronize(done));
    assert_eq!(download::<u32>(p, 4), [3; 4]);
    let mut kind = 0;
    ok!(cuGraphNodeGetType(record, (&mut kind).into()));
    assert_eq!(kind, 7);
}

#[test]
fn capture_of_two_streams() {
    let _ctx = Ctx::new(0);
    let (a, b) = (stream(1), stream(1));
    let (p, q) = (alloc(16), alloc(16));
    let (fork, join) = (event(2), event(2));
    // Thread-local mode: the global one would forbid allocations to the other tests of this process.
    ok!(cuStreamBeginCapture_v2(a, 1));
    gives!(ILLEGAL_STATE, cuStreamBeginCapture_v2(a, 1));
    ok!(cuMemsetD32Async(p, 6, 4, a));
    ok!(cuEventRecord(fork, a));
    ok!(cuStreamWaitEvent(b, fork, 0));
    let (mut status, mut id, mut graph, mut deps, mut count) = (0u32, 0u64, CUgraph(0), Host(0), 0usize);
    ok!(cuStreamGetCaptureInfo_v2(b, (&mut status).into(), (&mut id).into(), (&mut graph).into(), (&mut deps).into(), (&mut count).into()));
    assert_eq!((status, count), (1, 1));
    ok!(cuMemcpyDtoDAsync_v2(q, p, 16, b));
    gives!(CAPTURED_EVENT, cuEventQuery(fork));
    ok!(cuEventRecord(join, b));
    ok!(cuStreamWaitEvent(a, join, 0));
    ok!(cuStreamEndCapture(a, (&mut graph).into()));
    ok!(cuStreamIsCapturing(b, (&mut status).into()));
    assert_eq!(status, 0);
    // Nothing has run.
    assert_eq!(download::<u32>(q, 4), [0; 4]);
    let exec = instantiate(graph);
    ok!(cuGraphLaunch(exec, a));
    ok!(cuStreamSynchronize(a));
    assert_eq!(download::<u32>(q, 4), [6; 4]);
}

#[test]
fn captures_that_go_wrong() {
    let _ctx = Ctx::new(0);
    let (a, b) = (stream(1), stream(0));
    let p = alloc(16);
    let mut graph = CUgraph(0);
    gives!(ILLEGAL_STATE, cuStreamEndCapture(a, (&mut graph).into()));
    gives!(STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(CUstream(0), 0));
    // Waiting for a captured stream.
    ok!(cuStreamBeginCapture_v2(a, 2));
    gives!(STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(a));
    gives!(STREAM_CAPTURE_INVALIDATED, cuMemsetD32Async(p, 1, 4, a));
    gives!(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(a, (&mut graph).into()));
    assert_eq!(graph, CUgraph(0));
    // Work left in another stream.
    let e = event(2);
    ok!(cuStreamBeginCapture_v2(a, 2));
    ok!(cuMemsetD32Async(p, 1, 4, a));
    ok!(cuEventRecord(e, a));
    ok!(cuStreamWaitEvent(b, e, 0));
    ok!(cuMemsetD32Async(p, 2, 4, b));
    gives!(STREAM_CAPTURE_UNMATCHED, cuStreamEndCapture(b, (&mut graph).into()));
    gives!(STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(a, (&mut graph).into()));
    // The legacy stream would have to wait for a captured one.
    ok!(cuStreamBeginCapture_v2(b, 2));
    gives!(STREAM_CAPTURE_IMPLICIT, cuMemsetD32Async(p, 1, 4, CUstream(0)));
    gives!(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(b, (&mut graph).into()));
    // Streams work as before.
    ok!(cuMemsetD32Async(p, 3, 4, a));
    ok!(cuStreamSynchronize(a));
    assert_eq!(download::<u32>(p, 4), [3; 4]);
}

#[test]
fn memory_nodes_and_captured_allocations() {
    let _ctx = Ctx::new(0);
    // A blocking stream: it must come after the fill in the legacy stream.
    let s = stream(0);
    let mut p = CUdeviceptr(0);
    let q = alloc(16);
    let mut graph = CUgraph(0);
    ok!(cuStreamBeginCapture_v2(s, 2));
    ok!(cuMemAllocAsync((&mut p).into(), 16, s));
    ok!(cuMemsetD32Async(p, 11, 4, s));
    ok!(cuMemcpyDtoDAsync_v2(q, p, 16, s));
    ok!(cuMemFreeAsync(p, s));
    ok!(cuStreamEndCapture(s, (&mut graph).into()));
    let exec = instantiate(graph);
    for _ in 0..2 {
        ok!(cuMemsetD32_v2(q, 0, 4));
        ok!(cuGraphLaunch(exec, s));
        ok!(cuStreamSynchronize(s));
        assert_eq!(download::<u32>(q, 4), [11; 4]);
    }
    let mut used = 0u64;
    ok!(cuDeviceGetGraphMemAttribute(CUdevice(0), 2, Host::of(&raw mut used)));
    assert!(used >= 16);
    ok!(cuGraphDestroy(graph));
    ok!(cuGraphExecDestroy(exec));
}
