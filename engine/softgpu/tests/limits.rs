//! Limits of contexts: what can be set, what it changes, and what other contexts notice of a context that is lost.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_DEVICES", "2");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", "quiet");
    });
}

fn limit(number: u32) -> usize {
    let mut value = 0usize;
    ok!(cuCtxGetLimit((&mut value).into(), number));
    value
}

/// `grab(out, bytes)` stores what malloc returned; `deep(out, n)` recurses n times with 256 bytes of stack each.
const KERNELS: &str = ".version 7.0\n.target sm_75\n.address_size 64
.extern .func (.param .b64 r) malloc (.param .b64 n);
.visible .entry grab(.param .u64 out, .param .u64 bytes)
{
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [out]; ld.param.u64 %rd2, [bytes];
    {
    .param .b64 n; st.param.b64 [n], %rd2;
    .param .b64 r; call.uni (r), malloc, (n);
    ld.param.b64 %rd3, [r];
    }
    st.global.u64 [%rd1], %rd3;
    ret;
}
.visible .entry nothing() { ret; }
.visible .entry stop() { trap; }
";

#[test]
fn the_heap_has_the_size_that_was_set() {
    setup();
    let _ctx = Ctx::new(0);
    assert_eq!(limit(2), 8 << 20);
    let m = load(KERNELS);
    let (grab, nothing) = (function(m, "grab"), function(m, "nothing"));
    // A launch that does not allocate leaves the heap to be set.
    assert_eq!(launch(nothing, 1, 1, CUstream(0), &[]), CUresult::SUCCESS);
    ok!(cuCtxSetLimit(2, 32 << 20));
    let out = alloc(8);
    let ask = |bytes: u64| {
        assert_eq!(launch(grab, 1, 1, CUstream(0), &[Host::of(&out), Host::of(&bytes)]), CUresult::SUCCESS);
        download::<u64>(out, 1)[0]
    };
    assert_eq!(ask(33 << 20), 0);
    assert_ne!(ask(20 << 20), 0);
    assert_eq!(ask(20 << 20), 0);
    gives!(INVALID_VALUE, cuCtxSetLimit(2, 64 << 20));
    assert_eq!(limit(2), 32 << 20);
    // Another context has its own.
    let _other = Ctx::new(0);
    assert_eq!(limit(2), 8 << 20);
}

#[test]
fn limits_of_the_capability() {
    setup();
    let _ctx = Ctx::new(0);
    ok!(cuCtxSetLimit(0, 4096));
    assert_eq!(limit(0), 4096);
    gives!(INVALID_VALUE, cuCtxSetLimit(0, 1 << 20));
    ok!(cuCtxSetLimit(3, 4));
    ok!(cuCtxSetLimit(5, 64));
    gives!(INVALID_VALUE, cuCtxSetLimit(5, 129));
    ok!(cuCtxSetLimit(6, 1 << 20));
    gives!(INVALID_VALUE, cuCtxSetLimit(6, 1 << 30));
    ok!(cuCtxResetPersistingL2Cache());
    for none in [7u32, 8, 9, 10, 1000] {
        gives!(UNSUPPORTED_LIMIT, cuCtxSetLimit(none, 0));
        gives!(UNSUPPORTED_LIMIT, cuCtxGetLimit((&mut 0usize).into(), none));
    }
}

#[test]
fn what_devices_can_do_with_each_others_words() {
    setup();
    ok!(cuInit(0));
    let operations = [0u32, 3, 9, 10];
    let mut capabilities = [0u32; 4];
    ok!(cuDeviceGetP2PAtomicCapabilities((&mut capabilities[0]).into(), In(operations.as_ptr()), 4, CUdevice(0), CUdevice(1)));
    assert!(capabilities.iter().all(|&c| c & 8 != 0) && capabilities[0] & 3 == 3 && capabilities[2] & 4 == 0);
    gives!(INVALID_DEVICE, cuDeviceGetP2PAtomicCapabilities((&mut capabilities[0]).into(), In(operations.as_ptr()), 4, CUdevice(0), CUdevice(0)));
    ok!(cuDeviceGetHostAtomicCapabilities((&mut capabilities[0]).into(), In(operations.as_ptr()), 4, CUdevice(0)));
    gives!(INVALID_VALUE, cuDeviceGetHostAtomicCapabilities((&mut capabilities[0]).into(), (&13u32).into(), 1, CUdevice(0)));
    let attribute = |number: i32| {
        let mut value = -7;
        ok!(cuDeviceGetAttribute((&mut value).into(), number, CUdevice(0)));
        value
    };
    // Every number that CUDA 13 defines has an answer.
    (1..=161).filter(|n| !(22..=49).contains(n)).for_each(|n| { attribute(n); });
    assert_eq!((attribute(83), attribute(89), attribute(103), attribute(125), attribute(86)), (1, 1, 1, 1, 1));
}

#[test]
fn a_lost_context_takes_nothing_else_with_it() {
    setup();
    let (good, other_device) = (Ctx::new(0), Ctx::new(1));
    let kept = upload(&[1u32, 2]);
    ok!(cuCtxSetCurrent(good.0));
    let p = upload(&[3u32]);
    let s = stream(1);
    let gate = Gate::close(s);
    ok!(cuMemsetD32Async(p, 4, 1, s));
    let bad = Ctx::new(0);
    assert_eq!(launch(function(load(KERNELS), "stop"), 1, 1, CUstream(0), &[]), CUresult::SUCCESS);
    gives!(LAUNCH_FAILED, cuCtxSynchronize());
    gives!(LAUNCH_FAILED, cuStreamCreate((&mut CUstream(0)).into(), 0));
    // Work of another context of the same device that waited at that time goes on.
    gate.open();
    ok!(cuCtxSetCurrent(good.0));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(p, 1), [4]);
    step(p, 1, 1, s);
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(p, 1), [13]);
    ok!(cuCtxSetCurrent(other_device.0));
    assert_eq!(download::<u32>(kept, 2), [1, 2]);
    ok!(cuCtxSetCurrent(bad.0));
    gives!(LAUNCH_FAILED, cuMemFree_v2(p));
    drop(bad);
}
