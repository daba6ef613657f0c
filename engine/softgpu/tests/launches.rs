//! Kernels through the driver surface: modules, parameters, limits, faults, printf, graphs.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::ffi::{CString, c_void};
use std::sync::Mutex;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_DEVICES", "2");
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "256");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", std::env::temp_dir().join(format!("softgpu-report-{}", std::process::id())));
    });
}

fn report() -> String {
    std::fs::read_to_string(std::env::temp_dir().join(format!("softgpu-report-{}", std::process::id()))).unwrap_or_default()
}

const PTX: &str = r#"
.version 7.0
.target sm_75
.address_size 64

.visible .global .align 4 .u32 counter = 41;
.visible .global .align 8 .u64 pointer = counter;
.const .align 4 .u32 table[4] = {10, 20, 30, 40};

// out[i] = in[i] + add, for i < n
.visible .entry add(.param .u64 out, .param .u64 in, .param .u32 n, .param .u32 add)
{
    .reg .pred %p<2>;
    .reg .b32 %r<8>;
    .reg .b64 %rd<6>;
    ld.param.u64 %rd1, [out];
    ld.param.u64 %rd2, [in];
    ld.param.u32 %r1, [n];
    ld.param.u32 %r2, [add];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.u32 %r6, %r3, %r4, %r5;
    setp.ge.u32 %p1, %r6, %r1;
    @%p1 bra done;
    mul.wide.u32 %rd3, %r6, 4;
    add.u64 %rd4, %rd2, %rd3;
    ld.global.u32 %r7, [%rd4];
    add.u32 %r7, %r7, %r2;
    add.u64 %rd5, %rd1, %rd3;
    st.global.u32 [%rd5], %r7;
done:
    ret;
}

.visible .entry count()
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.global.u64 %rd1, [pointer];
    atom.global.add.u32 %r1, [%rd1], 1;
    ret;
}

.visible .entry lookup(.param .u64 out)
{
    .reg .b32 %r<3>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd2, %r1, 4;
    mov.u64 %rd3, table;
    add.u64 %rd3, %rd3, %rd2;
    ld.const.u32 %r2, [%rd3];
    add.u64 %rd4, %rd1, %rd2;
    st.global.u32 [%rd4], %r2;
    ret;
}

.visible .entry stop() { trap; }

.visible .entry bounded() .maxntid 64, 1, 1 { ret; }

.visible .entry spin(.param .u64 flag)
{
    .reg .pred %p<2>;
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [flag];
again:
    ld.volatile.global.u32 %r1, [%rd1];
    setp.eq.u32 %p1, %r1, 0;
    @%p1 bra again;
    ret;
}

.extern .shared .align 4 .b8 dynamic[];
.visible .entry reverse(.param .u64 data)
{
    .reg .b32 %r<8>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [data];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %ntid.x;
    mul.wide.u32 %rd2, %r1, 4;
    add.u64 %rd3, %rd1, %rd2;
    ld.global.u32 %r3, [%rd3];
    sub.u32 %r4, %r2, 1;
    sub.u32 %r4, %r4, %r1;
    shl.b32 %r4, %r4, 2;
    mov.u32 %r5, dynamic;
    add.u32 %r5, %r5, %r4;
    st.shared.u32 [%r5], %r3;
    bar.sync 0;
    shl.b32 %r6, %r1, 2;
    mov.u32 %r5, dynamic;
    add.u32 %r6, %r6, %r5;
    ld.shared.u32 %r7, [%r6];
    st.global.u32 [%rd3], %r7;
    ret;
}

.extern .func (.param .b32 result) vprintf (.param .b64 format, .param .b64 values);
.global .align 1 .b8 format[13] = {118, 97, 108, 117, 101, 32, 61, 32, 37, 100, 10, 0, 0};
.visible .entry say(.param .u32 value)
{
    .local .align 8 .b8 values[8];
    .reg .b32 %r<3>;
    .reg .b64 %rd<5>;
    ld.param.u32 %r1, [value];
    mov.u64 %rd1, values;
    st.local.u32 [%rd1], %r1;
    cvta.local.u64 %rd2, %rd1;
    mov.u64 %rd3, format;
    cvta.global.u64 %rd4, %rd3;
    {
    .param .b64 a;
    st.param.b64 [a], %rd4;
    .param .b64 b;
    st.param.b64 [b], %rd2;
    .param .b32 r;
    call.uni (r), vprintf, (a, b);
    ld.param.b32 %r2, [r];
    }
    ret;
}
"#;

fn module() -> CUmodule {
    let text = CString::new(PTX).unwrap();
    let mut module = CUmodule(0);
    ok!(cuModuleLoadData((&mut module).into(), Host(text.as_ptr() as u64)));
    module
}

fn function(module: CUmodule, name: &str) -> CUfunction {
    let name = CString::new(name).unwrap();
    let mut function = CUfunction(0);
    ok!(cuModuleGetFunction((&mut function).into(), module, Text(name.as_ptr())));
    function
}

/// Launches with `kernelParams`.
fn launch(f: CUfunction, grid: u32, block: u32, shared: u32, stream: CUstream, params: &[Host]) -> CUresult {
    unsafe { cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, stream, In(params.as_ptr()), In::NULL) }
}

#[test]
fn parameters_in_both_forms() {
    setup();
    let _ctx = Ctx::new(0);
    let f = function(module(), "add");
    let input: Vec<u32> = (0..1000).collect();
    let (p, q) = (upload(&input), alloc(4000));
    let (n, add) = (1000u32, 7u32);
    let params = [Host::of(&q), Host::of(&p), Host::of(&n), Host::of(&add)];
    assert_eq!(launch(f, 8, 128, 0, CUstream(0), &params), CUresult::SUCCESS);
    assert_eq!(download::<u32>(q, 1000), input.iter().map(|v| v + 7).collect::<Vec<_>>());
    #[repr(C)]
    struct Packed(u64, u64, u32, u32);
    let packed = Packed(q.0, p.0, 1000, 100);
    let mut size = size_of::<Packed>();
    let extra = [Host(1), Host::of(&packed), Host(2), Host::of(&size), Host(0)];
    ok!(cuLaunchKernel(f, 8, 1, 1, 128, 1, 1, 0, CUstream(0), In::NULL, In(extra.as_ptr())));
    assert_eq!(download::<u32>(q, 1000), input.iter().map(|v| v + 100).collect::<Vec<_>>());
    size = 20;
    assert!(size < size_of::<Packed>());
    gives!(INVALID_VALUE, cuLaunchKernel(f, 8, 1, 1, 128, 1, 1, 0, CUstream(0), In::NULL, In(extra.as_ptr())));
    let (mut offset, mut bytes) = (0usize, 0usize);
    ok!(cuFuncGetParamInfo(f, 3, (&mut offset).into(), (&mut bytes).into()));
    assert_eq!((offset, bytes), (20, 4));
    gives!(INVALID_VALUE, cuFuncGetParamInfo(f, 4, (&mut offset).into(), (&mut bytes).into()));
}

#[test]
fn variables_of_modules() {
    setup();
    let _ctx = Ctx::new(0);
    let m = module();
    let (mut p, mut size) = (CUdeviceptr(0), 0usize);
    ok!(cuModuleGetGlobal_v2((&mut p).into(), (&mut size).into(), m, Text(c"counter".as_ptr())));
    assert_eq!(size, 4);
    assert_eq!(launch(function(m, "count"), 10, 32, 0, CUstream(0), &[]), CUresult::SUCCESS);
    assert_eq!(download::<u32>(p, 1), [41 + 320]);
    let q = alloc(16);
    assert_eq!(launch(function(m, "lookup"), 1, 4, 0, CUstream(0), &[Host::of(&q)]), CUresult::SUCCESS);
    assert_eq!(download::<u32>(q, 4), [10, 20, 30, 40]);
    gives!(NOT_FOUND, cuModuleGetGlobal_v2((&mut p).into(), (&mut size).into(), m, Text(c"nothing".as_ptr())));
    let mut f = CUfunction(0);
    gives!(NOT_FOUND, cuModuleGetFunction((&mut f).into(), m, Text(c"nothing".as_ptr())));
    ok!(cuModuleUnload(m));
    gives!(INVALID_HANDLE, cuModuleGetFunction((&mut f).into(), m, Text(c"count".as_ptr())));
}

#[test]
fn libraries_have_a_module_in_each_context() {
    setup();
    let text = CString::new(PTX).unwrap();
    let a = Ctx::new(0);
    let (mut library, mut kernel) = (CUlibrary(0), CUkernel(0));
    ok!(cuLibraryLoadData((&mut library).into(), Host(text.as_ptr() as u64), In::NULL, List::NULL, 0, In::NULL, List::NULL, 0));
    ok!(cuLibraryGetKernel((&mut kernel).into(), library, Text(c"count".as_ptr())));
    let counter = || {
        let (mut p, mut size) = (CUdeviceptr(0), 0usize);
        ok!(cuLibraryGetGlobal((&mut p).into(), (&mut size).into(), library, Text(c"counter".as_ptr())));
        p
    };
    // A kernel is accepted where a function is.
    assert_eq!(launch(CUfunction(kernel.0), 1, 1, 0, CUstream(0), &[]), CUresult::SUCCESS);
    let first = counter();
    assert_eq!(download::<u32>(first, 1), [42]);
    let b = Ctx::new(1);
    assert_eq!(download::<u32>(counter(), 1), [41]);
    assert_ne!(counter(), first);
    drop(b);
    ok!(cuLibraryUnload(library));
    gives!(INVALID_HANDLE, cuLibraryUnload(library));
    drop(a);
}

#[test]
fn limits_of_launches() {
    setup();
    let _ctx = Ctx::new(0);
    let m = module();
    let f = function(m, "count");
    assert_eq!(launch(f, 0, 32, 0, CUstream(0), &[]), CUresult::INVALID_VALUE);
    assert_eq!(launch(f, 1, 1025, 0, CUstream(0), &[]), CUresult::INVALID_VALUE);
    assert_eq!(launch(f, 1, 0, 0, CUstream(0), &[]), CUresult::INVALID_VALUE);
    let bounded = function(m, "bounded");
    assert_eq!(launch(bounded, 1, 64, 0, CUstream(0), &[]), CUresult::SUCCESS);
    assert_eq!(launch(bounded, 1, 65, 0, CUstream(0), &[]), CUresult::INVALID_VALUE);
    let r = function(m, "reverse");
    let data: Vec<u32> = (0..256).collect();
    let p = upload(&data);
    assert_eq!(launch(r, 1, 256, 1024, CUstream(0), &[Host::of(&p)]), CUresult::SUCCESS);
    assert_eq!(download::<u32>(p, 256), data.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(launch(r, 1, 256, 64 << 10, CUstream(0), &[Host::of(&p)]), CUresult::INVALID_VALUE);
    ok!(cuFuncSetAttribute(r, 8, 64 << 10));
    assert_eq!(launch(r, 1, 256, 64 << 10, CUstream(0), &[Host::of(&p)]), CUresult::SUCCESS);
    gives!(INVALID_VALUE, cuFuncSetAttribute(r, 8, 200 << 10));
    ok!(cuCtxSynchronize());
    let mut blocks = 0;
    ok!(cuOccupancyMaxActiveBlocksPerMultiprocessor((&mut blocks).into(), r, 256, 64 << 10));
    assert_eq!(blocks, 2);
    let (mut grid, mut block) = (0, 0);
    ok!(cuOccupancyMaxPotentialBlockSize((&mut grid).into(), (&mut block).into(), bounded, None, 0, 0));
    assert!(block <= 64 && block > 0 && grid > 0);
}

#[test]
fn faults_stay_until_the_context_goes() {
    setup();
    let a = Ctx::new(0);
    let m = module();
    let f = function(m, "add");
    let (p, q) = (alloc(4000), alloc(4000));
    let (n, add) = (1001u32, 1u32);
    let params = [Host::of(&q), Host::of(&p), Host::of(&n), Host::of(&add)];
    let (s, done) = (stream(1), event(0));
    let gate = Gate::close(s);
    assert_eq!(launch(f, 8, 128, 0, s, &params), CUresult::SUCCESS);
    ok!(cuEventRecord(done, s));
    gate.open();
    gives!(ILLEGAL_ADDRESS, cuStreamSynchronize(s));
    gives!(ILLEGAL_ADDRESS, cuEventSynchronize(done));
    gives!(ILLEGAL_ADDRESS, cuCtxSynchronize());
    let mut r = CUdeviceptr(0);
    gives!(ILLEGAL_ADDRESS, cuMemAlloc_v2((&mut r).into(), 4));
    assert_eq!(launch(f, 8, 128, 0, s, &params), CUresult::ILLEGAL_ADDRESS);
    let text = report();
    let line = text.lines().find(|l| l.contains("kernel add ")).expect("the memory checker reports");
    assert!(line.contains("CUDA_ERROR_ILLEGAL_ADDRESS") && line.contains("PTX line") && line.contains("4000 bytes"), "{line}");
    assert!(line.contains(&format!("{:#x}", p.0 + 4000)), "{line}");
    // Another context of the same device is not touched by it.
    let b = Ctx::new(0);
    let p = upload(&[5u32]);
    assert_eq!(download::<u32>(p, 1), [5]);
    assert_eq!(launch(function(module(), "stop"), 1, 1, 0, CUstream(0), &[]), CUresult::SUCCESS);
    gives!(LAUNCH_FAILED, cuCtxSynchronize());
    drop(b);
    drop(a);
    let _fresh = Ctx::new(0);
    assert_eq!(launch(function(module(), "count"), 1, 1, 0, CUstream(0), &[]), CUresult::SUCCESS);
    ok!(cuCtxSynchronize());
}

#[test]
fn the_primary_context_recovers_by_reset() {
    setup();
    let mut ctx = CUcontext(0);
    ok!(cuInit(0));
    ok!(cuDevicePrimaryCtxRetain((&mut ctx).into(), CUdevice(1)));
    ok!(cuCtxSetCurrent(ctx));
    assert_eq!(launch(function(module(), "stop"), 1, 1, 0, CUstream(0), &[]), CUresult::SUCCESS);
    gives!(LAUNCH_FAILED, cuCtxSynchronize());
    ok!(cuDevicePrimaryCtxReset_v2(CUdevice(1)));
    let p = upload(&[3u32]);
    assert_eq!(download::<u32>(p, 1), [3]);
    ok!(cuDevicePrimaryCtxRelease_v2(CUdevice(1)));
    gives!(CONTEXT_IS_DESTROYED, cuMemFree_v2(p));
}

#[test]
fn a_kernel_reads_what_the_host_writes_meanwhile() {
    setup();
    let _ctx = Ctx::new(0);
    let mut flag = Host(0);
    ok!(cuMemHostAlloc((&mut flag).into(), 4, 2));
    let mut mapped = CUdeviceptr(0);
    ok!(cuMemHostGetDevicePointer_v2((&mut mapped).into(), flag, 0));
    let s = stream(1);
    assert_eq!(launch(function(module(), "spin"), 1, 1, 0, s, &[Host::of(&mapped)]), CUresult::SUCCESS);
    gives!(NOT_READY, cuStreamQuery(s));
    unsafe { (flag.0 as *mut u32).write_volatile(1) };
    ok!(cuStreamSynchronize(s));
}

#[test]
fn peers_are_reached_only_when_enabled() {
    setup();
    let a = Ctx::new(0);
    let p = upload(&[1u32, 2, 3, 4]);
    let b = Ctx::new(1);
    let q = alloc(16);
    let (n, add) = (4u32, 10u32);
    let f = function(module(), "add");
    let params = [Host::of(&q), Host::of(&p), Host::of(&n), Host::of(&add)];
    ok!(cuCtxEnablePeerAccess(a.0, 0));
    assert_eq!(launch(f, 1, 32, 0, CUstream(0), &params), CUresult::SUCCESS);
    assert_eq!(download::<u32>(q, 4), [11, 12, 13, 14]);
    ok!(cuCtxDisablePeerAccess(a.0));
    assert_eq!(launch(f, 1, 32, 0, CUstream(0), &params), CUresult::SUCCESS);
    gives!(ILLEGAL_ADDRESS, cuCtxSynchronize());
    drop(b);
    drop(a);
}

static PRINTED: Mutex<String> = Mutex::new(String::new());

unsafe extern "C" fn sink(text: *const u8, len: usize, _user: *mut c_void) {
    PRINTED.lock().unwrap().push_str(std::str::from_utf8(unsafe { std::slice::from_raw_parts(text, len) }).unwrap());
}

#[test]
fn printf_is_delivered_when_waited_for() {
    setup();
    unsafe { ringway_softgpu::driver::report::ringwaySoftgpuSetPrintfSink(Some(sink), std::ptr::null_mut()) };
    let _ctx = Ctx::new(0);
    let f = function(module(), "say");
    let value = 1234u32;
    assert_eq!(launch(f, 1, 3, 0, CUstream(0), &[Host::of(&value)]), CUresult::SUCCESS);
    ok!(cuCtxSynchronize());
    assert_eq!(*PRINTED.lock().unwrap(), "value = 1234\n".repeat(3));
}

#[test]
fn kernels_in_graphs() {
    setup();
    let _ctx = Ctx::new(0);
    let f = function(module(), "add");
    let (p, q) = (upload(&[1u32, 2, 3, 4]), alloc(16));
    // The driver reads the parameter where it is, and it changes between.
    let (n, add) = (4u32, std::cell::Cell::new(10u32));
    let params = [Host::of(&q), Host::of(&p), Host::of(&n), Host::of(add.as_ptr())];
    let node_params = CUDA_KERNEL_NODE_PARAMS_v1 { func: f, gridDimX: 1, gridDimY: 1, gridDimZ: 1, blockDimX: 32, blockDimY: 1, blockDimZ: 1, sharedMemBytes: 0, kernelParams: In(params.as_ptr()), extra: In::NULL };
    let (mut graph, mut node, mut exec) = (CUgraph(0), CUgraphNode(0), CUgraphExec(0));
    ok!(cuGraphCreate((&mut graph).into(), 0));
    ok!(cuGraphAddKernelNode((&mut node).into(), graph, In::NULL, 0, (&node_params).into()));
    ok!(cuGraphInstantiate_v2((&mut exec).into(), graph, Out::NULL, List::NULL, 0));
    // Parameters were taken when the node was made.
    add.set(1000);
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(q, 4), [11, 12, 13, 14]);
    ok!(cuGraphExecKernelNodeSetParams(exec, node, (&node_params).into()));
    ok!(cuGraphLaunch(exec, CUstream(0)));
    assert_eq!(download::<u32>(q, 4), [1001, 1002, 1003, 1004]);
    let mut kept = CUDA_KERNEL_NODE_PARAMS::default();
    ok!(cuGraphKernelNodeGetParams_v2(node, (&mut kept).into()));
    assert_eq!(In(kept.kernelParams.list(4).unwrap()[3].0 as *const u32).get().unwrap(), 10);
    // And by capture.
    let s = stream(1);
    ok!(cuStreamBeginCapture_v2(s, 2));
    assert_eq!(launch(f, 1, 32, 0, s, &params), CUresult::SUCCESS);
    add.set(5);
    assert_eq!(launch(f, 1, 32, 0, s, &[Host::of(&q), Host::of(&q), Host::of(&n), Host::of(add.as_ptr())]), CUresult::SUCCESS);
    ok!(cuStreamEndCapture(s, (&mut graph).into()));
    ok!(cuGraphInstantiateWithFlags((&mut exec).into(), graph, 0));
    ok!(cuGraphLaunch(exec, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(q, 4), [1006, 1007, 1008, 1009]);
}

#[test]
fn errors_in_images_reach_the_log() {
    setup();
    let _ctx = Ctx::new(0);
    let bad = CString::new(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k( { ret; }\n").unwrap();
    let mut log = [0u8; 256];
    let options = [5u32, 6];
    let mut values = [host_mut(&mut log), Host(256)];
    let mut module = CUmodule(0);
    let code = unsafe { cuModuleLoadDataEx((&mut module).into(), Host(bad.as_ptr() as u64), 2, In(options.as_ptr()), List(Out(values.as_mut_ptr()))) };
    assert_eq!(code, CUresult::INVALID_PTX);
    let written = values[1].0 as usize;
    assert!(written > 0 && std::str::from_utf8(&log[..written]).unwrap().contains("line 4"), "{:?}", std::str::from_utf8(&log));
    gives!(INVALID_IMAGE, cuModuleLoadData((&mut module).into(), Host(c"not a module".as_ptr() as u64)));
    gives!(FILE_NOT_FOUND, cuModuleLoad((&mut module).into(), Text(c"/no/such/file.ptx".as_ptr())));
}

#[test]
fn linked_modules_see_each_other() {
    setup();
    let _ctx = Ctx::new(0);
    let a = CString::new(".version 7.0\n.target sm_75\n.address_size 64\n.extern .func (.param .b32 r) twice(.param .b32 v);\n.visible .entry go(.param .u64 out)\n{\n.reg .b32 %r<3>;\n.reg .b64 %rd<2>;\nld.param.u64 %rd1, [out];\nmov.u32 %r1, 21;\n{\n.param .b32 v;\nst.param.b32 [v], %r1;\n.param .b32 r;\ncall.uni (r), twice, (v);\nld.param.b32 %r2, [r];\n}\nst.global.u32 [%rd1], %r2;\nret;\n}\n").unwrap();
    let b = CString::new(".version 7.0\n.target sm_75\n.address_size 64\n.visible .func (.param .b32 r) twice(.param .b32 v)\n{\n.reg .b32 %r<3>;\nld.param.b32 %r1, [v];\nadd.u32 %r2, %r1, %r1;\nst.param.b32 [r], %r2;\nret;\n}\n").unwrap();
    let (mut state, mut image, mut size, mut module) = (CUlinkState(0), Host(0), 0usize, CUmodule(0));
    ok!(cuLinkCreate_v2(0, In::NULL, List::NULL, (&mut state).into()));
    for text in [&a, &b] {
        ok!(cuLinkAddData_v2(state, 1, Host(text.as_ptr() as u64), text.as_bytes_with_nul().len(), Text(c"part".as_ptr()), 0, In::NULL, List::NULL));
    }
    ok!(cuLinkComplete(state, (&mut image).into(), (&mut size).into()));
    assert!(size > 0);
    ok!(cuModuleLoadData((&mut module).into(), image));
    ok!(cuLinkDestroy(state));
    let p = alloc(4);
    assert_eq!(launch(function(module, "go"), 1, 1, 0, CUstream(0), &[Host::of(&p)]), CUresult::SUCCESS);
    assert_eq!(download::<u32>(p, 1), [42]);
}
