//! The memory checker's reports as a program gets them: what they name, and that a wrong kernel harms its context alone.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

const TEXT: &std::ffi::CStr = c".version 7.0
.target sm_75
.address_size 64
.visible .entry store(.param .u64 p, .param .u32 n) {
 .reg .b64 %p; .reg .b32 %t, %n; .reg .pred %q;
 ld.param.u64 %p, [p]; ld.param.u32 %n, [n]; mov.u32 %t, %tid.x;
 setp.ge.u32 %q, %t, %n; @%q bra END; mad.wide.u32 %p, %t, 4, %p;
 st.global.u32 [%p], %t;
END: ret; }
.visible .entry racy(.param .u64 p) {
 .shared .b32 total; .reg .b64 %p; .reg .b32 %t;
 mov.u32 %t, %tid.x;
 st.shared.u32 [total], %t;
 ld.param.u64 %p, [p]; bar.sync 0; st.global.u32 [%p], %t;
 ret; }
.visible .entry vectors(.param .u64 p, .param .u32 how) {
 .reg .b64 %p, %l; .reg .b32 %t, %n, %a, %b, %c, %d; .reg .pred %q;
 ld.param.u64 %p, [p]; ld.param.u32 %n, [how]; mov.u32 %t, %tid.x;
 mad.wide.u32 %p, %t, 16, %p;
 setp.eq.u32 %q, %n, 1; @%q bra STORE; setp.eq.u32 %q, %n, 2; @%q bra LONG;
 ld.global.v4.u32 {%a, %b, %c, %d}, [%p];
 add.u32 %a, %a, %b; add.u32 %a, %a, %c; st.global.u32 [%p], %a; ret;
STORE: st.global.v4.u32 [%p], {%t, %t, %t, %t}; ret;
LONG: ld.global.u64 %l, [%p + 8]; st.global.u32 [%p], %t; ret; }
.visible .entry shared(.param .u32 at) {
 .shared .align 4 .b8 few[64]; .reg .b32 %a, %b;
 ld.param.u32 %a, [at]; mov.u32 %b, few; add.u32 %a, %a, %b;
 ld.shared.u32 %b, [%a]; st.shared.u32 [%a], %b;
 ret; }
";

fn function(name: &std::ffi::CStr) -> CUfunction {
    let (mut module, mut f) = (CUmodule(0), CUfunction(0));
    ok!(cuModuleLoadData((&mut module).into(), Host(TEXT.as_ptr() as u64)));
    ok!(cuModuleGetFunction((&mut f).into(), module, Text(name.as_ptr())));
    f
}

/// Launches with a pointer and a number, waits, and gives the result with what was reported.
fn run(f: CUfunction, threads: u32, first: u64, second: u32) -> (CUresult, String) {
    let path = std::env::var("RINGWAY_SOFTGPU_REPORT").unwrap();
    let before = std::fs::read_to_string(&path).unwrap_or_default().len();
    let params = [Host::of(&first), Host::of(&second)];
    ok!(cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, CUstream(0), In(params.as_ptr()), In::NULL));
    let result = unsafe { cuCtxSynchronize() };
    (result, std::fs::read_to_string(&path).unwrap_or_default()[before..].to_string())
}

#[test]
fn reports_and_what_they_leave_alone() {
    let path = std::env::temp_dir().join(format!("ringway-checker-{}", std::process::id()));
    unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", &path);
        std::env::set_var("RINGWAY_SOFTGPU_RACES", "1");
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "64");
    }
    // A context with data of its own, whose fate the others must not share.
    let bystander = Ctx::new(0);
    let kept = upload(&[1u32, 2, 3, 4]);
    let other = function(c"store");

    // Over the end: the 26th thread of 32 writes beyond 100 bytes.
    let wrong = Ctx::new(0);
    let p = alloc(100);
    let (result, report) = run(function(c"store"), 32, p.0, 32);
    assert_eq!(result, CUresult::ILLEGAL_ADDRESS);
    let at = p.0 + 100;
    for part in ["CUDA_ERROR_ILLEGAL_ADDRESS", "kernel store (PTX line 8)", "thread [25, 0, 0]", &format!("store of 4 bytes at {at:#x}"), &format!("{:#x}..{:#x}", p.0, p.0 + 100), "100 bytes"] {
        assert!(report.contains(part), "{part} in {report}");
    }
    // Its context keeps the error.
    gives!(ILLEGAL_ADDRESS, cuCtxSynchronize());
    drop(wrong);

    // After it was freed.
    let wrong = Ctx::new(0);
    let p = alloc(4096);
    let f = function(c"store");
    assert_eq!(run(f, 32, p.0, 32), (CUresult::SUCCESS, String::new()));
    ok!(cuMemFree_v2(p));
    let (result, report) = run(f, 32, p.0, 32);
    assert_eq!(result, CUresult::ILLEGAL_ADDRESS);
    assert!(report.contains(&format!("store of 4 bytes at {:#x} outside every live allocation", p.0)) && report.contains("thread [0, 0, 0]"), "{report}");
    drop(wrong);

    // Misaligned.
    let wrong = Ctx::new(0);
    let p = alloc(4096);
    let (result, report) = run(function(c"store"), 32, p.0 + 2, 1);
    assert_eq!(result, CUresult::MISALIGNED_ADDRESS);
    assert!(report.contains("CUDA_ERROR_MISALIGNED_ADDRESS") && report.contains("not a multiple of 4") && report.contains(&format!("{:#x}", p.0 + 2)), "{report}");
    drop(wrong);

    // The last three words of an array loaded as four, as compilers do; a store of four is none of theirs, nor is a scalar.
    let right = Ctx::new(0);
    let p = upload(&[1u32, 2, 3, 4, 5, 6, 7]);
    assert_eq!(run(function(c"vectors"), 2, p.0, 0), (CUresult::SUCCESS, String::new()));
    assert_eq!(download::<u32>(p, 7), [6, 2, 3, 4, 18, 6, 7]);
    let many: Vec<u32> = (0..127).collect();
    let p = upload(&many);
    assert_eq!(run(function(c"vectors"), 32, p.0, 0), (CUresult::SUCCESS, String::new()));
    let sums: Vec<u32> = many.iter().map(|&n| if n % 4 == 0 { 3 * n + 3 } else { n }).collect();
    assert_eq!(download::<u32>(p, 127), sums);
    drop(right);
    for (threads, how, part) in [(3, 0, "load of 16 bytes"), (2, 1, "store of 16 bytes"), (2, 2, "load of 8 bytes")] {
        let wrong = Ctx::new(0);
        let p = upload(&[1u32, 2, 3, 4, 5, 6, 7]);
        let (result, report) = run(function(c"vectors"), threads, p.0, how);
        assert_eq!(result, CUresult::ILLEGAL_ADDRESS, "{part}");
        assert!(report.contains(part), "{part} in {report}");
        drop(wrong);
    }

    // Beyond the block's shared memory.
    let wrong = Ctx::new(0);
    let at: u32 = 64 << 10;
    let f = function(c"shared");
    let params = [Host::of(&at)];
    ok!(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, CUstream(0), In(params.as_ptr()), In::NULL));
    gives!(ILLEGAL_ADDRESS, cuCtxSynchronize());
    let report = std::fs::read_to_string(&path).unwrap();
    assert!(report.lines().last().unwrap_or("").contains("kernel shared (PTX line 28)"), "{report}");
    drop(wrong);

    // A race is reported, and nothing else happens.
    let racing = Ctx::new(0);
    let p = alloc(4);
    let (result, report) = run(function(c"racy"), 64, p.0, 0);
    assert_eq!(result, CUresult::SUCCESS);
    for part in ["race in kernel racy, block [0, 0, 0]", "PTX line 13", "(total + 0)", "thread [0, 0, 0]"] {
        assert!(report.contains(part), "{part} in {report}");
    }
    assert_eq!(report.lines().count(), 1, "{report}");
    ok!(cuCtxSynchronize());
    drop(racing);

    // The first context never noticed: its memory is whole and its kernels run.
    ok!(cuCtxSetCurrent(bystander.0));
    assert_eq!(download::<u32>(kept, 4), [1, 2, 3, 4]);
    assert_eq!(run(other, 4, kept.0, 3), (CUresult::SUCCESS, String::new()));
    assert_eq!(download::<u32>(kept, 4), [0, 1, 2, 4]);

    // Memory ends where the setting says.
    let mut p = CUdeviceptr(0);
    gives!(OUT_OF_MEMORY, cuMemAlloc_v2((&mut p).into(), 65 << 20));
    let half = alloc(40 << 20);
    gives!(OUT_OF_MEMORY, cuMemAlloc_v2((&mut p).into(), 40 << 20));
    ok!(cuMemFree_v2(half));
    let _ = std::fs::remove_file(&path);
}
