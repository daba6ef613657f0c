//! Nodes of graphs: parameters of every kind read back, edges with data, conditional nodes, memory nodes, updates.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe { std::env::set_var("RINGWAY_SOFTGPU_DEVICES", "2") });
}

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

/// Parameters of a kind with a structure as the union's member.
fn params<T: Copy>(kind: u32, member: T) -> CUgraphNodeParams {
    params_at(kind, 0, member)
}

fn params_at<T: Copy>(kind: u32, word: usize, member: T) -> CUgraphNodeParams {
    let mut p = CUgraphNodeParams { kind, ..Default::default() };
    assert!(size_of::<T>() + 8 * word <= 232);
    unsafe { p.words.as_mut_ptr().add(word).cast::<T>().write_unaligned(member) };
    p
}

fn member<T: Copy>(p: &CUgraphNodeParams, word: usize) -> T {
    unsafe { p.words.as_ptr().add(word).cast::<T>().read_unaligned() }
}

fn add(graph: CUgraph, after: &[CUgraphNode], p: &mut CUgraphNodeParams) -> CUgraphNode {
    let mut node = CUgraphNode(0);
    ok!(cuGraphAddNode_v2((&mut node).into(), graph, In(after.as_ptr()), In::NULL, after.len(), p.into()));
    node
}

fn get(node: CUgraphNode) -> CUgraphNodeParams {
    let mut p = CUgraphNodeParams { kind: 99, ..Default::default() };
    ok!(cuGraphNodeGetParams(node, (&mut p).into()));
    p
}

fn fill(dst: CUdeviceptr, value: u32, width: usize) -> CUgraphNodeParams {
    params(2, CUDA_MEMSET_NODE_PARAMS { dst, pitch: 0, value, elementSize: 4, width, height: 1 })
}

fn copy(dst: CUdeviceptr, src: CUdeviceptr, len: usize) -> CUgraphNodeParams {
    let p = CUDA_MEMCPY3D { srcMemoryType: 2, srcDevice: src, dstMemoryType: 2, dstDevice: dst, WidthInBytes: len, Height: 1, Depth: 1, ..Default::default() };
    params_at(1, 2, p)
}

fn kernel_params(f: CUfunction, params: &[Host]) -> CUDA_KERNEL_NODE_PARAMS {
    CUDA_KERNEL_NODE_PARAMS { func: f, gridDimX: 1, gridDimY: 1, gridDimZ: 1, blockDimX: 32, blockDimY: 1, blockDimZ: 1, kernelParams: In(params.as_ptr()), ..Default::default() }
}

unsafe extern "C" fn count(user: *mut c_void) {
    unsafe { (*user.cast::<AtomicU32>()).fetch_add(1, Ordering::SeqCst) };
}

#[test]
fn every_kind_of_node_by_one_function() {
    setup();
    let _ctx = Ctx::new(0);
    let (p, q) = (alloc(64), alloc(64));
    let g = graph();
    let counter = AtomicU32::new(0);
    let set = add(g, &[], &mut fill(p, 5, 16));
    let (n, k) = (16u32, 2u32);
    let arguments = [Host::of(&p), Host::of(&n), Host::of(&k)];
    let f = function(load(STEP), "step");
    let kernel = add(g, &[set], &mut params(0, kernel_params(f, &arguments)));
    let moved = add(g, &[kernel], &mut copy(q, p, 64));
    let call = add(g, &[moved], &mut params(3, CUDA_HOST_NODE_PARAMS { function: Some(count), userData: Host::of(&counter) }));
    let inner = graph();
    add(inner, &[], &mut fill(p, 9, 1));
    let child = add(g, &[call], &mut params(4, [inner.0, 0]));
    let e = event(0);
    let record = add(g, &[child], &mut params(7, [e.0, 0]));
    let wait = add(g, &[record], &mut params(6, [event(0).0]));
    let empty = add(g, &[wait], &mut params(5, 0u64));
    let ops = [CUstreamBatchMemOpParams { operation: 2, address: CUdeviceptr(q.0 + 4), value: 77, ..Default::default() }, CUstreamBatchMemOpParams { operation: 1, address: CUdeviceptr(q.0 + 4), value: 77, flags: 1, ..Default::default() }];
    let batch = add(g, &[empty], &mut params(12, CUDA_BATCH_MEM_OP_NODE_PARAMS { ctx: CUcontext(0), count: 2, paramArray: In(ops.as_ptr()), flags: 0 }));
    let exec = instantiate(g);
    ok!(cuGraphLaunch(exec, CUstream(0)));
    ok!(cuCtxSynchronize());
    assert_eq!(download::<u32>(q, 3), [17, 77, 17]);
    assert_eq!(download::<u32>(p, 2), [9, 17]);
    assert_eq!(counter.load(Ordering::SeqCst), 1);
    ok!(cuEventQuery(e));
    // What they are, read back.
    let kinds: Vec<u32> = [set, kernel, moved, call, child, record, wait, empty, batch].iter().map(|&n| get(n).kind).collect();
    assert_eq!(kinds, [2, 0, 1, 3, 4, 7, 6, 5, 12]);
    let m: CUDA_MEMSET_NODE_PARAMS = member(&get(set), 0);
    assert_eq!((m.dst, m.value, m.elementSize, m.width, m.height), (p, 5, 4, 16, 1));
    let kept: CUDA_KERNEL_NODE_PARAMS = member(&get(kernel), 0);
    assert_eq!((kept.func, kept.blockDimX), (f, 32));
    assert_eq!(In(kept.kernelParams.list(3).unwrap()[2].0 as *const u32).get().unwrap(), 2);
    let c: CUDA_MEMCPY3D = member(&get(moved), 2);
    assert_eq!((c.srcDevice, c.dstDevice, c.WidthInBytes), (p, q, 64));
    let h: CUDA_HOST_NODE_PARAMS = member(&get(call), 0);
    assert_eq!(h.userData, Host::of(&counter));
    let embedded: u64 = member(&get(child), 0);
    assert_ne!(embedded, inner.0);
    let mut nodes = 0usize;
    ok!(cuGraphGetNodes(CUgraph(embedded), List::NULL, (&mut nodes).into()));
    assert_eq!(nodes, 1);
    assert_eq!(member::<u64>(&get(record), 0), e.0);
    let b: CUDA_BATCH_MEM_OP_NODE_PARAMS = member(&get(batch), 0);
    let list = b.paramArray.list(b.count as usize).unwrap();
    assert_eq!((list.len(), list[0].operation, list[0].value, list[1].operation, list[1].flags), (2, 2, 77, 1, 1));
    let mut by_name = CUDA_BATCH_MEM_OP_NODE_PARAMS::default();
    ok!(cuGraphBatchMemOpNodeGetParams(batch, (&mut by_name).into()));
    assert_eq!(by_name.count, 2);
    // Set: in the graph, and in what was made of it.
    ok!(cuGraphNodeSetParams(set, (&fill(p, 6, 16)).into()));
    gives!(INVALID_VALUE, cuGraphNodeSetParams(set, (&copy(q, p, 64)).into()));
    ok!(cuGraphExecNodeSetParams(exec, set, (&fill(p, 1, 16)).into()));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(q, 3), [5, 77, 5]);
    assert_eq!(member::<CUDA_MEMSET_NODE_PARAMS>(&get(set), 0).value, 6);
    // A graph that is moved into a node is the node's own.
    let own = graph();
    add(own, &[], &mut fill(p, 3, 1));
    let mover = add(g, &[batch], &mut params(4, [own.0, 1]));
    assert_eq!(member::<u64>(&get(mover), 0), own.0);
    gives!(INVALID_VALUE, cuGraphAddNode_v2((&mut CUgraphNode(0)).into(), g, In::NULL, In::NULL, 0, (&mut params(4, [g.0, 0])).into()));
}

#[test]
fn edges_carry_data() {
    setup();
    let _ctx = Ctx::new(0);
    let g = graph();
    let p = alloc(64);
    let (n, k) = (16u32, 2u32);
    let arguments = [Host::of(&p), Host::of(&n), Host::of(&k)];
    let f = function(load(STEP), "step");
    let a = add(g, &[], &mut params(0, kernel_params(f, &arguments)));
    let programmatic = CUgraphEdgeData { from_port: 1, to_port: 0, kind: 1, reserved: [0; 5] };
    let mut b = CUgraphNode(0);
    ok!(cuGraphAddNode_v2((&mut b).into(), g, (&a).into(), (&programmatic).into(), 1, (&mut params(0, kernel_params(f, &arguments))).into()));
    let set = add(g, &[b], &mut fill(p, 5, 16));
    let (mut from, mut to, mut data, mut room) = ([CUgraphNode(0); 4], [CUgraphNode(0); 4], [CUgraphEdgeData::default(); 4], 4usize);
    ok!(cuGraphGetEdges_v2(g, (&mut from[0]).into(), (&mut to[0]).into(), (&mut data[0]).into(), (&mut room).into()));
    assert_eq!((room, from[0], to[0], data[0].kind, data[0].from_port, data[1].kind), (2, a, b, 1, 1, 0));
    room = 4;
    gives!(LOSSY_QUERY, cuGraphGetEdges(g, (&mut from[0]).into(), (&mut to[0]).into(), (&mut room).into()));
    room = 4;
    gives!(LOSSY_QUERY, cuGraphNodeGetDependencies(b, (&mut from[0]).into(), (&mut room).into()));
    room = 4;
    ok!(cuGraphNodeGetDependentNodes_v2(a, (&mut to[0]).into(), (&mut data[0]).into(), (&mut room).into()));
    assert_eq!((room, to[0], data[0].kind), (1, b, 1));
    // Only between kernels, and only what was said can be taken back.
    gives!(INVALID_VALUE, cuGraphAddDependencies_v2(g, (&a).into(), (&set).into(), (&programmatic).into(), 1));
    gives!(INVALID_VALUE, cuGraphRemoveDependencies_v2(g, (&a).into(), (&b).into(), (&CUgraphEdgeData::default()).into(), 1));
    let mut clone = CUgraph(0);
    ok!(cuGraphClone((&mut clone).into(), g));
    room = 4;
    ok!(cuGraphGetEdges_v2(clone, (&mut from[0]).into(), (&mut to[0]).into(), (&mut data[0]).into(), (&mut room).into()));
    assert!(room == 2 && data[..2].iter().filter(|d| d.kind == 1).count() == 1);
    ok!(cuGraphRemoveDependencies_v2(g, (&a).into(), (&b).into(), (&programmatic).into(), 1));
    room = 4;
    ok!(cuGraphGetEdges(g, (&mut from[0]).into(), (&mut to[0]).into(), (&mut room).into()));
    assert_eq!((room, from[0], to[0]), (1, b, set));
}

/// Kernels that decide: `countdown(handle, word)` takes one off the word and sets the condition to it; `choose(handle, value)` sets it.
const DECIDE: &str = ".version 7.0\n.target sm_75\n.address_size 64
.visible .entry countdown(.param .u64 handle, .param .u64 word)
{
    .reg .b32 %r<3>; .reg .b64 %rd<3>;
    ld.param.u64 %rd1, [handle]; ld.param.u64 %rd2, [word];
    ld.global.u32 %r1, [%rd2]; sub.u32 %r2, %r1, 1; st.global.u32 [%rd2], %r2;
    st.global.u32 [%rd1], %r2;
    ret;
}
.visible .entry choose(.param .u64 handle, .param .u32 value)
{
    .reg .b32 %r<2>; .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [handle]; ld.param.u32 %r1, [value];
    st.global.u32 [%rd1], %r1;
    ret;
}
";

fn one(f: CUfunction, params: &[Host]) -> CUDA_KERNEL_NODE_PARAMS {
    CUDA_KERNEL_NODE_PARAMS { blockDimX: 1, ..kernel_params(f, params) }
}

fn condition(g: CUgraph, value: u32, flags: u32) -> u64 {
    let mut handle = 0u64;
    ok!(cuGraphConditionalHandleCreate((&mut handle).into(), g, CUcontext(0), value, flags));
    handle
}

fn conditional(g: CUgraph, after: &[CUgraphNode], handle: u64, kind: u32, size: u32) -> (CUgraphNode, Vec<CUgraph>) {
    let mut p = params(13, CUDA_CONDITIONAL_NODE_PARAMS { handle, kind, size, ..Default::default() });
    let node = add(g, after, &mut p);
    let made: CUDA_CONDITIONAL_NODE_PARAMS = member(&p, 0);
    (node, made.phGraph_out.list(size as usize).unwrap())
}

#[test]
fn loops_branches_and_switches() {
    setup();
    let _ctx = Ctx::new(0);
    let m = load(DECIDE);
    let (countdown, choose) = (function(m, "countdown"), function(m, "choose"));
    let (word, data) = (upload(&[7u32]), upload(&[1u32; 4]));
    let g = graph();
    // While the word is not zero: data = data * 3 + 1.
    let again = condition(g, 1, 1);
    let (node, bodies) = conditional(g, &[], again, 1, 1);
    let f = function(load(STEP), "step");
    let (n, k) = (4u32, 1u32);
    let step_arguments = [Host::of(&data), Host::of(&n), Host::of(&k)];
    let work = add(bodies[0], &[], &mut params(0, kernel_params(f, &step_arguments)));
    let count_arguments = [Host::of(&again), Host::of(&word)];
    add(bodies[0], &[work], &mut params(0, one(countdown, &count_arguments)));
    let read: CUDA_CONDITIONAL_NODE_PARAMS = member(&get(node), 0);
    assert_eq!((read.handle, read.kind, read.size), (again, 1, 1));
    // Then, by a kernel's choice, one of three fills; and an IF with an ELSE.
    let which = condition(g, 9, 1);
    let value = 2u32;
    let choice_arguments = [Host::of(&which), Host::of(&value)];
    let chooser = add(g, &[node], &mut params(0, one(choose, &choice_arguments)));
    let (switch, cases) = conditional(g, &[chooser], which, 2, 3);
    let outs = alloc(16);
    for (i, &case) in cases.iter().enumerate() {
        add(case, &[], &mut fill(outs, 10 + i as u32, 1));
    }
    let never = condition(g, 0, 1);
    let (_, halves) = conditional(g, &[switch], never, 0, 2);
    add(halves[0], &[], &mut fill(CUdeviceptr(outs.0 + 4), 1, 1));
    add(halves[1], &[], &mut fill(CUdeviceptr(outs.0 + 4), 2, 1));
    let exec = instantiate(g);
    ok!(cuGraphLaunch(exec, CUstream(0)));
    ok!(cuCtxSynchronize());
    let stepped = |times: u32| (0..times).fold(1u32, |v, _| v * 3 + 1);
    assert_eq!(download::<u32>(data, 4), [stepped(7); 4]);
    assert_eq!(download::<u32>(word, 1), [0]);
    assert_eq!(download::<u32>(outs, 2), [12, 2]);
    // Again: the conditions begin anew. A node within a branch can be changed.
    ok!(cuMemcpyHtoD_v2(word, host(&[2u32]), 4));
    let other = 0u32;
    let choice_arguments = [Host::of(&which), Host::of(&other)];
    ok!(cuGraphExecNodeSetParams(exec, chooser, (&params(0, one(choose, &choice_arguments))).into()));
    let mut first_case = CUgraphNode(0);
    let mut one_node = 1usize;
    ok!(cuGraphGetNodes(cases[0], (&mut first_case).into(), (&mut one_node).into()));
    ok!(cuGraphExecNodeSetParams(exec, first_case, (&fill(outs, 55, 1)).into()));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    ok!(cuCtxSynchronize());
    assert_eq!(download::<u32>(data, 1), [stepped(9)]);
    assert_eq!(download::<u32>(outs, 2), [55, 2]);
}

#[test]
fn conditionals_that_are_wrong() {
    setup();
    let _ctx = Ctx::new(0);
    let g = graph();
    let handle = condition(g, 0, 0);
    let mut p = CUDA_GRAPH_INSTANTIATE_PARAMS::default();
    let mut exec = CUgraphExec(0);
    gives!(INVALID_VALUE, cuGraphInstantiateWithParams((&mut exec).into(), g, (&mut p).into()));
    assert_eq!(p.result_out, 5);
    for (kind, size) in [(0, 0), (0, 3), (1, 2), (2, 0), (3, 1)] {
        let mut params = params(13, CUDA_CONDITIONAL_NODE_PARAMS { handle, kind, size, ..Default::default() });
        gives!(INVALID_VALUE, cuGraphAddNode_v2((&mut CUgraphNode(0)).into(), g, In::NULL, In::NULL, 0, (&mut params).into()));
    }
    let mut made_up = params(13, CUDA_CONDITIONAL_NODE_PARAMS { handle: handle + 8, size: 1, ..Default::default() });
    gives!(INVALID_VALUE, cuGraphAddNode_v2((&mut CUgraphNode(0)).into(), g, In::NULL, In::NULL, 0, (&mut made_up).into()));
    let (_, bodies) = conditional(g, &[], handle, 0, 1);
    let counter = AtomicU32::new(0);
    let call = add(bodies[0], &[], &mut params(3, CUDA_HOST_NODE_PARAMS { function: Some(count), userData: Host::of(&counter) }));
    gives!(NOT_SUPPORTED, cuGraphInstantiateWithParams((&mut exec).into(), g, (&mut p).into()));
    assert_eq!((p.result_out, p.hErrNode_out), (3, call));
    gives!(INVALID_VALUE, cuGraphConditionalHandleCreate((&mut 0u64).into(), g, CUcontext(0), 0, 2));
}

#[test]
fn memory_nodes_are_kept_account_of() {
    setup();
    let _ctx = Ctx::new(0);
    let figure = |which: u32| {
        let mut value = 0u64;
        ok!(cuDeviceGetGraphMemAttribute(CUdevice(0), which, Host::of(&raw mut value)));
        value
    };
    let (used, reserved) = (figure(0), figure(2));
    let g = graph();
    let mut request = CUDA_MEM_ALLOC_NODE_PARAMS { bytesize: 4000, ..Default::default() };
    request.poolProps.allocType = 1;
    request.poolProps.location = CUmemLocation { kind: 1, id: 0 };
    let peer = CUmemAccessDesc { location: CUmemLocation { kind: 1, id: 1 }, flags: 3 };
    (request.accessDescs, request.accessDescCount) = (In(&peer), 1);
    let mut p = params(10, request);
    let node = add(g, &[], &mut p);
    let memory = member::<CUDA_MEM_ALLOC_NODE_PARAMS>(&p, 0).dptr;
    let back: CUDA_MEM_ALLOC_NODE_PARAMS = member(&get(node), 0);
    assert_eq!((back.dptr, back.bytesize, back.accessDescCount), (memory, 4000, 1));
    assert_eq!(back.accessDescs.get().unwrap().location.id, 1);
    add(g, &[node], &mut fill(memory, 4, 1000));
    assert_eq!((figure(0), figure(2)), (used, reserved + 4000));
    let exec = instantiate(g);
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(figure(0), used + 4000);
    // Not twice without a free.
    gives!(INVALID_VALUE, cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(memory, 1000), [4; 1000]);
    ok!(cuMemFreeAsync(memory, CUstream(0)));
    gives!(INVALID_VALUE, cuMemFreeAsync(memory, CUstream(0)));
    assert_eq!(figure(0), used);
    ok!(cuGraphLaunch(exec, CUstream(0)));
    // Or with the flag that frees by itself.
    let mut by_itself = CUgraphExec(0);
    ok!(cuGraphInstantiateWithFlags((&mut by_itself).into(), g, 1));
    ok!(cuGraphLaunch(by_itself, CUstream(0)));
    ok!(cuGraphLaunch(by_itself, CUstream(0)));
    ok!(cuCtxSynchronize());
    assert!(figure(1) >= used + 4000);
    let mut zero = 0u64;
    ok!(cuDeviceSetGraphMemAttribute(CUdevice(0), 1, Host::of(&raw mut zero)));
    gives!(INVALID_VALUE, cuDeviceSetGraphMemAttribute(CUdevice(0), 0, Host::of(&raw mut zero)));
    ok!(cuGraphExecDestroy(exec));
    ok!(cuGraphExecDestroy(by_itself));
    ok!(cuGraphDestroy(g));
    assert_eq!((figure(0), figure(2)), (used, reserved));
}

#[test]
fn updates_say_what_differs() {
    setup();
    let _ctx = Ctx::new(0);
    let p = alloc(64);
    let build = |second: bool, value: u32| {
        let g = graph();
        let a = add(g, &[], &mut fill(p, value, 1));
        let b = add(g, if second { std::slice::from_ref(&a) } else { &[] }, &mut fill(CUdeviceptr(p.0 + 4), value, 1));
        (g, a, b)
    };
    let (g, ..) = build(true, 1);
    let exec = instantiate(g);
    let mut info = CUgraphExecUpdateResultInfo::default();
    ok!(cuGraphExecUpdate_v2(exec, build(true, 2).0, (&mut info).into()));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(p, 2), [2, 2]);
    let (unlinked, _, b) = build(false, 3);
    gives!(GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, unlinked, (&mut info).into()));
    assert_eq!((info.result, info.errorNode), (2, b));
    let (other, a, _) = build(true, 3);
    let more = add(other, &[a], &mut params(5, 0u64));
    gives!(GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, other, (&mut info).into()));
    assert_eq!(info.result, 2);
    ok!(cuGraphDestroyNode(more));
    ok!(cuGraphExecUpdate_v2(exec, other, (&mut info).into()));
    let kinds = graph();
    let first = add(kinds, &[], &mut params(5, 0u64));
    add(kinds, &[first], &mut fill(p, 1, 1));
    gives!(GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, kinds, (&mut info).into()));
    assert_eq!((info.result, info.errorNode), (3, first));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(p, 2), [3, 3]);
}

#[test]
fn a_launch_in_a_captured_stream_becomes_a_graph_in_the_graph() {
    setup();
    let _ctx = Ctx::new(0);
    let (p, s) = (upload(&[1u32]), stream(1));
    let inner = graph();
    let (n, k) = (1u32, 1u32);
    let arguments = [Host::of(&p), Host::of(&n), Host::of(&k)];
    add(inner, &[], &mut params(0, kernel_params(function(load(STEP), "step"), &arguments)));
    let exec = instantiate(inner);
    ok!(cuStreamBeginCapture_v2(s, 2));
    ok!(cuGraphLaunch(exec, s));
    ok!(cuGraphLaunch(exec, s));
    let mut outer = CUgraph(0);
    ok!(cuStreamEndCapture(s, (&mut outer).into()));
    assert_eq!(download::<u32>(p, 1), [1]);
    let both = instantiate(outer);
    ok!(cuGraphLaunch(both, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(p, 1), [13]);
    let path = std::env::temp_dir().join(format!("softgpu-dot-{}", std::process::id()));
    let text = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    ok!(cuGraphDebugDotPrint(outer, Text(text.as_ptr()), 1));
    let dot = std::fs::read_to_string(&path).unwrap();
    assert!(dot.starts_with("digraph dot {") && dot.matches("subgraph").count() == 3 && dot.matches("->").count() == 1 && dot.contains("step"), "{dot}");
    let _ = std::fs::remove_file(path);
}
