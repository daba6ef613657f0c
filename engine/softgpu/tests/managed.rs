//! Managed memory and variables, registered host memory: what host and kernels both reach.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_DEVICES", "2");
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "64");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", "quiet");
    });
}

fn managed(len: usize) -> CUdeviceptr {
    let mut p = CUdeviceptr(0);
    ok!(cuMemAllocManaged((&mut p).into(), len, 1));
    p
}

unsafe fn words<'a>(p: CUdeviceptr, n: usize) -> &'a mut [u32] {
    unsafe { std::slice::from_raw_parts_mut(p.0 as *mut u32, n) }
}

const VARIABLES: &str = "
.version 7.0
.target sm_75
.address_size 64
.visible .global .attribute(.managed) .align 4 .u32 counters[4] = {5, 6, 7, 8};
.visible .global .attribute(.managed) .align 8 .u64 where = counters;
.visible .global .align 4 .u32 plain = 3;
.visible .entry bump()
{
    .reg .b32 %r<4>; .reg .b64 %rd<4>;
    ld.global.u64 %rd1, [where];
    mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; add.u64 %rd3, %rd1, %rd2;
    ld.global.u32 %r2, [plain]; ld.global.u32 %r3, [%rd3]; add.u32 %r3, %r3, %r2; st.global.u32 [%rd3], %r3;
    ret;
}
";

#[test]
fn managed_variables_belong_to_host_and_device() {
    setup();
    let _ctx = Ctx::new(0);
    let module = load(VARIABLES);
    let (mut p, mut size, mut is_managed) = (CUdeviceptr(0), 0usize, 0u32);
    ok!(cuModuleGetGlobal_v2((&mut p).into(), (&mut size).into(), module, Text(c"counters".as_ptr())));
    assert_eq!(size, 16);
    ok!(cuPointerGetAttribute(Host::of(&raw mut is_managed), 8, p));
    assert_eq!(is_managed, 1);
    let mine = unsafe { words(p, 4) };
    assert_eq!(mine, [5, 6, 7, 8]);
    mine[2] = 100;
    let bump = function(module, "bump");
    assert_eq!(launch(bump, 1, 4, CUstream(0), &[]), CUresult::SUCCESS);
    ok!(cuCtxSynchronize());
    assert_eq!(unsafe { words(p, 4) }, [8, 9, 103, 11]);
    gives!(INVALID_VALUE, cuMemFree_v2(p));
    ok!(cuModuleUnload(module));
    gives!(INVALID_VALUE, cuPointerGetAttribute(Host::of(&raw mut is_managed), 8, p));
}

#[test]
fn a_library_has_one_managed_variable_for_all_contexts() {
    setup();
    let text = std::ffi::CString::new(VARIABLES).unwrap();
    let a = Ctx::new(0);
    let (mut library, mut kernel) = (CUlibrary(0), CUkernel(0));
    ok!(cuLibraryLoadData((&mut library).into(), Host(text.as_ptr() as u64), In::NULL, List::NULL, 0, In::NULL, List::NULL, 0));
    ok!(cuLibraryGetKernel((&mut kernel).into(), library, Text(c"bump".as_ptr())));
    let (mut p, mut q, mut size) = (CUdeviceptr(0), CUdeviceptr(0), 0usize);
    ok!(cuLibraryGetManaged((&mut p).into(), (&mut size).into(), library, Text(c"counters".as_ptr())));
    gives!(NOT_FOUND, cuLibraryGetManaged((&mut q).into(), (&mut size).into(), library, Text(c"plain".as_ptr())));
    assert_eq!(launch(CUfunction(kernel.0), 1, 4, CUstream(0), &[]), CUresult::SUCCESS);
    ok!(cuCtxSynchronize());
    // In another context of another device: one more round on the same words.
    let b = Ctx::new(1);
    ok!(cuLibraryGetManaged((&mut q).into(), (&mut size).into(), library, Text(c"counters".as_ptr())));
    assert_eq!(p, q);
    assert_eq!(launch(CUfunction(kernel.0), 1, 4, CUstream(0), &[]), CUresult::SUCCESS);
    ok!(cuCtxSynchronize());
    assert_eq!(unsafe { words(p, 4) }, [11, 12, 13, 14]);
    drop(b);
    assert_eq!(unsafe { words(p, 4) }, [11, 12, 13, 14]);
    ok!(cuLibraryUnload(library));
    drop(a);
}

#[test]
fn host_and_kernel_share_managed_memory() {
    setup();
    let _ctx = Ctx::new(0);
    let p = managed(4 * 1000);
    unsafe { words(p, 1000) }.iter_mut().enumerate().for_each(|(i, w)| *w = i as u32);
    step(p, 1000, 2, CUstream(0));
    ok!(cuCtxSynchronize());
    assert!(unsafe { words(p, 1000) }.iter().enumerate().all(|(i, w)| *w == i as u32 * 3 + 2));
    // Both devices reach it without peer access.
    let other = Ctx::new(1);
    step(p, 1000, 0, CUstream(0));
    ok!(cuCtxSynchronize());
    assert_eq!(unsafe { words(p, 1000) }[999], (999 * 3 + 2) * 3);
    drop(other);
    ok!(cuMemFree_v2(p));
}

#[test]
fn advice_and_prefetches_are_answered_page_by_page() {
    setup();
    let _ctx = Ctx::new(0);
    const PAGE: usize = 4096;
    let p = managed(8 * PAGE);
    let at = |page: usize| CUdeviceptr(p.0 + (page * PAGE) as u64);
    let ask = |attribute: u32, from: usize, pages: usize| {
        let mut value = 77i32;
        ok!(cuMemRangeGetAttribute(Host::of(&raw mut value), 4, attribute, at(from), pages * PAGE));
        value
    };
    let users = |from: usize, pages: usize| {
        let mut value = [77i32; 4];
        ok!(cuMemRangeGetAttribute(Host::of(&raw mut value), 16, 3, at(from), pages * PAGE));
        value
    };
    assert_eq!((ask(1, 0, 8), ask(2, 0, 8), ask(4, 0, 8), users(0, 8)), (0, -2, -2, [-2; 4]));
    ok!(cuMemAdvise(at(0), 4 * PAGE, 1, CUdevice(0)));
    assert_eq!((ask(1, 0, 4), ask(1, 0, 5), ask(1, 4, 1)), (1, 0, 0));
    ok!(cuMemAdvise(at(1), PAGE, 2, CUdevice(0)));
    assert_eq!((ask(1, 0, 1), ask(1, 0, 2), ask(1, 2, 2)), (1, 0, 1));
    let (device1, host_place) = (CUmemLocation { kind: 1, id: 1 }, CUmemLocation { kind: 2, id: 0 });
    ok!(cuMemAdvise_v2(at(0), 8 * PAGE, 3, device1));
    ok!(cuMemAdvise(at(7), PAGE, 3, CUdevice(-1)));
    assert_eq!((ask(2, 0, 7), ask(2, 7, 1), ask(2, 6, 2)), (1, -1, -2));
    assert_eq!((ask(5, 0, 7), ask(6, 0, 7), ask(5, 7, 1)), (1, 1, 2));
    ok!(cuMemAdvise(at(0), 8 * PAGE, 5, CUdevice(0)));
    ok!(cuMemAdvise(at(0), 2 * PAGE, 5, CUdevice(1)));
    ok!(cuMemAdvise_v2(at(0), 8 * PAGE, 5, host_place));
    assert_eq!((users(0, 2), users(0, 3)), ([0, 1, -1, -2], [0, -1, -2, -2]));
    ok!(cuMemAdvise(at(0), 8 * PAGE, 6, CUdevice(0)));
    assert_eq!(users(0, 2), [1, -1, -2, -2]);
    let s = stream(1);
    ok!(cuMemPrefetchAsync(at(0), 2 * PAGE, CUdevice(1), s));
    ok!(cuMemPrefetchAsync_v2(at(2), 6 * PAGE, host_place, 0, s));
    assert_eq!((ask(4, 0, 2), ask(4, 2, 6), ask(4, 1, 2), ask(7, 3, 1)), (1, -1, -2, 2));
    let (places, sizes, to, from) = ([at(0), at(3), at(5)], [PAGE, PAGE, 3 * PAGE], [device1, CUmemLocation { kind: 1, id: 0 }], [0usize, 2]);
    ok!(cuMemPrefetchBatchAsync(In(places.as_ptr()), In(sizes.as_ptr()), 3, In(to.as_ptr()), In(from.as_ptr()), 2, 0, s));
    assert_eq!((ask(4, 3, 1), ask(4, 5, 3), ask(4, 4, 1)), (1, 0, -1));
    gives!(INVALID_VALUE, cuMemPrefetchBatchAsync(In(places.as_ptr()), In(sizes.as_ptr()), 3, In(to.as_ptr()), In(from.as_ptr()), 2, 0, CUstream(0)));
    gives!(INVALID_DEVICE, cuMemPrefetchAsync(p, PAGE, CUdevice(5), s));
    gives!(INVALID_DEVICE, cuMemAdvise(p, PAGE, 3, CUdevice(9)));
    gives!(INVALID_VALUE, cuMemAdvise(p, 9 * PAGE, 1, CUdevice(0)));
    gives!(INVALID_VALUE, cuMemAdvise(alloc(PAGE), PAGE, 1, CUdevice(0)));
    // Several at once.
    let (mut mostly, mut last) = (0i32, 0i32);
    let outs = [Host::of(&raw mut mostly), Host::of(&raw mut last)];
    ok!(cuMemRangeGetAttributes(In(outs.as_ptr()), In([4usize, 4].as_ptr()), In([1u32, 4].as_ptr()), 2, at(0), PAGE));
    assert_eq!((mostly, last), (1, 1));
    // Discarded pages read as zero here, the others stay.
    ok!(cuMemsetD8Async(p, 0x11, 8 * PAGE, s));
    ok!(cuMemDiscardBatchAsync(In(places.as_ptr()), In(sizes.as_ptr()), 2, 0, s));
    ok!(cuStreamSynchronize(s));
    let bytes = download::<u8>(p, 8 * PAGE);
    assert!((0..8).all(|page| bytes[page * PAGE..][..PAGE].iter().all(|b| *b == if page == 0 || page == 3 { 0 } else { 0x11 })));
    ok!(cuStreamAttachMemAsync(s, p, 0, 4));
    gives!(INVALID_VALUE, cuStreamAttachMemAsync(CUstream(0), p, 0, 4));
    gives!(INVALID_VALUE, cuStreamAttachMemAsync(s, p, 4096, 1));
    ok!(cuMemFree_v2(p));
    // The next allocation there knows nothing of it.
    let q = managed(8 * PAGE);
    let mut value = 5i32;
    ok!(cuMemRangeGetAttribute(Host::of(&raw mut value), 4, 4, q, PAGE));
    assert_eq!(value, -2);
}

#[test]
fn registered_memory_is_checked_and_can_be_read_only() {
    setup();
    let ctx = Ctx::new(0);
    let mut data: Vec<u32> = (0..4096).collect();
    let place = host_mut(&mut data);
    ok!(cuMemHostRegister_v2(place, 4 * 4096, 2));
    let mut p = CUdeviceptr(0);
    ok!(cuMemHostGetDevicePointer_v2((&mut p).into(), place, 0));
    step(p, 4096, 1, CUstream(0));
    ok!(cuCtxSynchronize());
    assert!(data.iter().enumerate().all(|(i, v)| *v == i as u32 * 3 + 1));
    ok!(cuMemHostUnregister(place));
    // Pages that are not there, or not to be written.
    let map = |rights: i32| unsafe { libc::mmap(std::ptr::null_mut(), 8192, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    let fixed = map(libc::PROT_READ);
    gives!(INVALID_VALUE, cuMemHostRegister_v2(Host(fixed as u64), 8192, 0));
    ok!(cuMemHostRegister_v2(Host(fixed as u64), 8192, 8));
    ok!(cuMemHostUnregister(Host(fixed as u64)));
    gives!(INVALID_VALUE, cuMemHostRegister_v2(Host(map(libc::PROT_NONE) as u64), 8192, 8));
    gives!(NOT_SUPPORTED, cuMemHostRegister_v2(place, 4096, 4));
    gives!(INVALID_VALUE, cuMemHostRegister_v2(place, 4096, 32));
    // A kernel that writes to read-only memory faults.
    ok!(cuMemHostRegister_v2(place, 4 * 4096, 8));
    let mut access = 0u32;
    ok!(cuPointerGetAttribute(Host::of(&raw mut access), 16, CUdeviceptr(place.0)));
    assert_eq!(access, 1);
    step(CUdeviceptr(place.0), 4096, 1, CUstream(0));
    gives!(ILLEGAL_ADDRESS, cuCtxSynchronize());
    drop(ctx);
}
