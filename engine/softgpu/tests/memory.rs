//! Device, host, managed, pool and virtual memory.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

/// Two devices of 64 MiB; before the first driver call of this process. One test at a time: they free addresses twice on purpose, and in the
/// meantime another test could have got the same one.
fn setup() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_DEVICES", "2");
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "64");
    });
    turn
}

#[test]
fn bytes_go_there_and_back_and_bounds_are_checked() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let data: Vec<u8> = (0..10_000).map(|i| (i * 7) as u8).collect();
    let p = upload(&data);
    assert_eq!(p.0 % 512, 0);
    assert_eq!(download::<u8>(p, data.len()), data);
    assert_eq!(download::<u8>(CUdeviceptr(p.0 + 5000), 100), data[5000..5100]);
    let mut out = vec![0u8; 10_001];
    gives!(INVALID_VALUE, cuMemcpyDtoH_v2(host_mut(&mut out), p, 10_001));
    gives!(INVALID_VALUE, cuMemcpyDtoH_v2(host_mut(&mut out), CUdeviceptr(0x3000_4000_0000), 1));
    let (mut base, mut size) = (CUdeviceptr(0), 0usize);
    ok!(cuMemGetAddressRange_v2((&mut base).into(), (&mut size).into(), CUdeviceptr(p.0 + 9999)));
    assert_eq!((base, size), (p, 10_000));
    ok!(cuMemFree_v2(p));
    gives!(INVALID_VALUE, cuMemFree_v2(p));
}

#[test]
fn memory_given_out_again_is_zero() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    for len in [100usize, 5000, 1 << 20] {
        for _ in 0..20 {
            let p = alloc(len);
            assert!(download::<u8>(p, len).iter().all(|&b| b == 0), "{len} bytes not wiped");
            ok!(cuMemsetD8_v2(p, 0xab, len));
            ok!(cuMemFree_v2(p));
        }
    }
}

#[test]
fn out_of_memory_is_an_error_that_passes() {
    let _turn = setup();
    let _ctx = Ctx::new(1);
    let (mut free, mut total) = (0usize, 0usize);
    ok!(cuMemGetInfo_v2((&mut free).into(), (&mut total).into()));
    assert_eq!(total, 64 << 20);
    let mut p = CUdeviceptr(0);
    gives!(OUT_OF_MEMORY, cuMemAlloc_v2((&mut p).into(), total + 1));
    let mut held = Vec::new();
    while unsafe { cuMemAlloc_v2((&mut p).into(), 8 << 20) } == CUresult::SUCCESS {
        held.push(p);
    }
    assert!((6..=8).contains(&held.len()));
    gives!(OUT_OF_MEMORY, cuMemAlloc_v2((&mut p).into(), 8 << 20));
    ok!(cuMemFree_v2(held[0]));
    ok!(cuMemAlloc_v2((&mut p).into(), 8 << 20));
    // What a context owned is free when it is gone.
    drop(_ctx);
    let _ctx = Ctx::new(1);
    ok!(cuMemGetInfo_v2((&mut free).into(), (&mut total).into()));
    assert!(free >= 63 << 20);
}

#[test]
fn two_dimensional_copies_and_fills() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let (mut p, mut pitch) = (CUdeviceptr(0), 0usize);
    ok!(cuMemAllocPitch_v2((&mut p).into(), (&mut pitch).into(), 100, 20, 4));
    assert!(pitch >= 100);
    ok!(cuMemsetD8_v2(p, 0, pitch * 20));
    ok!(cuMemsetD2D32_v2(p, pitch, 0x0102_0304, 25, 20));
    let source: Vec<u8> = (0..60).collect();
    let copy = CUDA_MEMCPY2D {
        srcMemoryType: 1,
        srcHost: host(&source),
        srcPitch: 10,
        dstMemoryType: 2,
        dstDevice: p,
        dstPitch: pitch,
        dstXInBytes: 8,
        dstY: 3,
        WidthInBytes: 10,
        Height: 6,
        ..Default::default()
    };
    ok!(cuMemcpy2D_v2((&copy).into()));
    let mut out = vec![0u8; 100 * 20];
    let back = CUDA_MEMCPY2D { srcMemoryType: 2, srcDevice: p, srcPitch: pitch, dstMemoryType: 1, dstHost: host_mut(&mut out), dstPitch: 100, WidthInBytes: 100, Height: 20, ..Default::default() };
    ok!(cuMemcpy2D_v2((&back).into()));
    for y in 0..20 {
        for x in 0..100 {
            let inside = (3..9).contains(&y) && (8..18).contains(&x);
            let want = if inside { source[(y - 3) * 10 + x - 8] } else { [4, 3, 2, 1][x % 4] };
            assert_eq!(out[y * 100 + x], want, "row {y} column {x}");
        }
    }
    let array = CUDA_MEMCPY2D { srcMemoryType: 3, ..copy };
    gives!(INVALID_HANDLE, cuMemcpy2D_v2((&array).into()));
}

#[test]
fn three_dimensional_copy() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let volume: Vec<u16> = (0..4 * 5 * 6).collect();
    let p = upload(&volume);
    let mut out = vec![0u16; 2 * 3 * 4];
    let copy = CUDA_MEMCPY3D {
        srcMemoryType: 2,
        srcDevice: p,
        srcPitch: 12,
        srcHeight: 5,
        srcXInBytes: 2,
        srcY: 1,
        srcZ: 1,
        dstMemoryType: 1,
        dstHost: host_mut(&mut out),
        dstPitch: 8,
        dstHeight: 3,
        WidthInBytes: 8,
        Height: 3,
        Depth: 2,
        ..Default::default()
    };
    ok!(cuMemcpy3D_v2((&copy).into()));
    let want: Vec<u16> = (0..2).flat_map(|z| (0..3).flat_map(move |y| (0..4).map(move |x| ((z + 1) * 30 + (y + 1) * 6 + x + 1) as u16))).collect();
    assert_eq!(out, want);
}

#[test]
fn pinned_registered_and_managed_memory_are_told_apart() {
    let _turn = setup();
    let ctx = Ctx::new(0);
    let (mut pinned, mut managed) = (Host(0), CUdeviceptr(0));
    ok!(cuMemHostAlloc((&mut pinned).into(), 4096, 2));
    ok!(cuMemAllocManaged((&mut managed).into(), 4096, 1));
    let mut plain = vec![1u8; 8192];
    ok!(cuMemHostRegister_v2(host_mut(&mut plain), 8192, 0));
    gives!(HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(Host(host(&plain).0 + 100), 10, 0));
    let device = alloc(64);
    for (address, kind, is_managed) in [(pinned.0, 1u32, 0u32), (host(&plain).0, 1, 0), (managed.0, 2, 1), (device.0, 2, 0)] {
        let (mut got, mut got_managed, mut owner) = (0u32, 9u32, CUcontext(0));
        ok!(cuPointerGetAttribute(Host::of(&raw mut got), 2, CUdeviceptr(address)));
        ok!(cuPointerGetAttribute(Host::of(&raw mut got_managed), 8, CUdeviceptr(address)));
        ok!(cuPointerGetAttribute(Host::of(&raw mut owner), 1, CUdeviceptr(address)));
        assert_eq!((got, got_managed, owner), (kind, is_managed, ctx.0));
    }
    let nothing = [0u8; 8];
    let mut got = 7u32;
    gives!(INVALID_VALUE, cuPointerGetAttribute(Host::of(&raw mut got), 2, CUdeviceptr(host(&nothing).0)));
    let places = [Host::of(&raw mut got)];
    ok!(cuPointerGetAttributes(1, In(&2u32), In(places.as_ptr()), CUdeviceptr(host(&nothing).0)));
    assert_eq!(got, 0);
    // Managed memory is the program's own as well.
    unsafe { (managed.0 as *mut u32).write(77) };
    assert_eq!(download::<u32>(managed, 1), [77]);
    ok!(cuMemHostUnregister(host_mut(&mut plain)));
    gives!(HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(host_mut(&mut plain)));
    ok!(cuMemFreeHost(pinned));
    gives!(INVALID_VALUE, cuMemFreeHost(pinned));
    ok!(cuMemFree_v2(managed));
}

#[test]
fn copies_between_devices() {
    let _turn = setup();
    let a = Ctx::new(0);
    let p = upload(&[1u32, 2, 3]);
    let b = Ctx::new(1);
    let q = alloc(12);
    assert_ne!(p.0 >> 40, q.0 >> 40);
    ok!(cuMemcpyPeer(q, b.0, p, a.0, 12));
    assert_eq!(download::<u32>(q, 3), [1, 2, 3]);
    let mut can = 0;
    ok!(cuDeviceCanAccessPeer((&mut can).into(), CUdevice(0), CUdevice(1)));
    assert_eq!(can, 1);
    ok!(cuCtxEnablePeerAccess(a.0, 0));
    gives!(PEER_ACCESS_ALREADY_ENABLED, cuCtxEnablePeerAccess(a.0, 0));
    ok!(cuCtxDisablePeerAccess(a.0));
    gives!(PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(a.0));
    drop(b);
    drop(a);
}

#[test]
fn stream_ordered_memory() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let s = stream(1);
    let (mut pool, mut p) = (CUmemoryPool(0), CUdeviceptr(0));
    ok!(cuDeviceGetDefaultMemPool((&mut pool).into(), CUdevice(0)));
    let mut threshold = 1u64 << 20;
    ok!(cuMemPoolSetAttribute(pool, 4, Host::of(&raw mut threshold)));
    let used = || {
        let mut value = 0u64;
        ok!(cuMemPoolGetAttribute(pool, 7, Host::of(&raw mut value)));
        value
    };
    let before = used();
    ok!(cuMemAllocAsync((&mut p).into(), 1000, s));
    assert_eq!(used(), before + 1000);
    ok!(cuMemsetD32Async(p, 5, 250, s));
    let gate = Gate::close(s);
    ok!(cuMemFreeAsync(p, s));
    // Not freed before the stream gets there.
    assert_eq!(used(), before + 1000);
    gate.open();
    ok!(cuStreamSynchronize(s));
    assert_eq!(used(), before);
    gives!(INVALID_VALUE, cuMemFreeAsync(p, s));
    let props = CUmemPoolProps { allocType: 1, location: CUmemLocation { kind: 1, id: 0 }, ..Default::default() };
    let mut own = CUmemoryPool(0);
    ok!(cuMemPoolCreate((&mut own).into(), (&props).into()));
    ok!(cuMemAllocFromPoolAsync((&mut p).into(), 64, own, s));
    ok!(cuMemFree_v2(p));
    ok!(cuMemPoolDestroy(own));
    gives!(INVALID_VALUE, cuMemPoolDestroy(pool));
    ok!(cuStreamDestroy_v2(s));
}

#[test]
fn virtual_memory() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    const M: usize = 2 << 20;
    let prop = CUmemAllocationProp { kind: 1, location: CUmemLocation { kind: 1, id: 0 }, ..Default::default() };
    let mut granularity = 0usize;
    ok!(cuMemGetAllocationGranularity((&mut granularity).into(), (&prop).into(), 0));
    assert_eq!(granularity, M);
    let (mut va, mut a, mut b) = (CUdeviceptr(0), CUmemGenericAllocationHandle(0), CUmemGenericAllocationHandle(0));
    ok!(cuMemAddressReserve((&mut va).into(), 4 * M, 0, CUdeviceptr(0), 0));
    ok!(cuMemCreate((&mut a).into(), M, (&prop).into(), 0));
    ok!(cuMemCreate((&mut b).into(), M, (&prop).into(), 0));
    gives!(INVALID_VALUE, cuMemCreate((&mut b).into(), M + 1, (&prop).into(), 0));
    ok!(cuMemMap(va, M, 0, a, 0));
    ok!(cuMemMap(CUdeviceptr(va.0 + M as u64), M, 0, b, 0));
    gives!(INVALID_VALUE, cuMemMap(va, M, 0, b, 0));
    let access = CUmemAccessDesc { location: CUmemLocation { kind: 1, id: 0 }, flags: 3 };
    ok!(cuMemSetAccess(va, 2 * M, (&access).into(), 1));
    // One copy over both mappings.
    let data: Vec<u32> = (0..M as u32 / 2).collect();
    ok!(cuMemcpyHtoD_v2(va, host(&data), 2 * M));
    assert_eq!(download::<u32>(va, data.len()), data);
    // The same physical memory at another address.
    let again = CUdeviceptr(va.0 + 3 * M as u64);
    ok!(cuMemMap(again, M, 0, a, 0));
    ok!(cuMemSetAccess(again, M, (&access).into(), 1));
    assert_eq!(download::<u32>(again, 4), [0, 1, 2, 3]);
    gives!(INVALID_VALUE, cuMemAddressFree(va, 4 * M));
    ok!(cuMemRelease(a));
    ok!(cuMemRelease(b));
    ok!(cuMemUnmap(va, 2 * M));
    let mut out = [0u8; 4];
    gives!(INVALID_VALUE, cuMemcpyDtoH_v2(host_mut(&mut out), va, 4));
    assert_eq!(download::<u32>(again, 2), [0, 1]);
    ok!(cuMemUnmap(again, M));
    ok!(cuMemAddressFree(va, 4 * M));
}

#[test]
fn fills_of_all_widths() {
    let _turn = setup();
    let _ctx = Ctx::new(0);
    let p = alloc(1024);
    ok!(cuMemsetD8_v2(p, 1, 1024));
    ok!(cuMemsetD16_v2(CUdeviceptr(p.0 + 256), 0x0203, 128));
    ok!(cuMemsetD32_v2(CUdeviceptr(p.0 + 512), 0x0405_0607, 64));
    let out = download::<u8>(p, 1024);
    assert!(out[..256].iter().all(|&b| b == 1));
    assert!(out[256..512].chunks(2).all(|c| c == [3, 2]));
    assert!(out[512..768].chunks(4).all(|c| c == [7, 6, 5, 4]));
    assert!(out[768..].iter().all(|&b| b == 1));
    gives!(INVALID_VALUE, cuMemsetD16_v2(CUdeviceptr(p.0 + 1), 0, 4));
    gives!(INVALID_VALUE, cuMemsetD8_v2(p, 0, 1025));
}
