//! Two processes and one device's memory: IPC handles of memory and events, shared physical memory, shared pools.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::os::fd::RawFd;

/// Before the first driver call of this process. One test at a time: some compare how much memory is free.
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

fn handle_of(memory: CUdeviceptr) -> CUipcHandle {
    let mut handle = CUipcHandle { bytes: [0; 64] };
    ok!(cuIpcGetMemHandle((&mut handle).into(), memory));
    handle
}

fn handle_from(name: &str) -> CUipcHandle {
    CUipcHandle { bytes: unhex(&given(name)).try_into().unwrap() }
}

/// Lets a child have a descriptor under the same number.
fn inherit(fd: RawFd) -> RawFd {
    let copy = unsafe { libc::dup(fd) };
    assert!(copy >= 0);
    copy
}

const N: u32 = 5000;

#[test]
fn memory_of_another_process() {
    let _turn = setup();
    let me = "memory_of_another_process";
    if is_child(me) {
        let _other_device = Ctx::new(1);
        let (a, mut p, mut again) = (Ctx::new(0), CUdeviceptr(0), CUdeviceptr(0));
        let handle = handle_from("MEMORY");
        gives!(INVALID_VALUE, cuIpcOpenMemHandle_v2((&mut p).into(), handle, 0));
        ok!(cuIpcOpenMemHandle_v2((&mut p).into(), handle, 1));
        ok!(cuIpcOpenMemHandle_v2((&mut again).into(), handle, 1));
        assert_eq!(p, again);
        let (mut base, mut size) = (CUdeviceptr(0), 0usize);
        ok!(cuMemGetAddressRange_v2((&mut base).into(), (&mut size).into(), CUdeviceptr(p.0 + 40)));
        assert_eq!((base, size), (p, 4 * N as usize));
        assert_eq!(download::<u32>(p, N as usize), (0..N).collect::<Vec<_>>());
        // A kernel here, on memory there.
        step(p, N, 1, CUstream(0));
        ok!(cuCtxSynchronize());
        gives!(INVALID_VALUE, cuMemFree_v2(p));
        ok!(cuIpcCloseMemHandle(p));
        assert_eq!(download::<u32>(p, 2), [1, 4]);
        ok!(cuIpcCloseMemHandle(p));
        gives!(INVALID_VALUE, cuIpcCloseMemHandle(p));
        let mut word = [0u32];
        gives!(INVALID_VALUE, cuMemcpyDtoH_v2(host_mut(&mut word), p, 4));
        // Bytes that were changed lead nowhere.
        for at in [0, 8, 12, 16, 24, 32, 40, 55, 63] {
            let mut bad = handle;
            bad.bytes[at] ^= 0x41;
            assert_ne!(unsafe { cuIpcOpenMemHandle_v2((&mut p).into(), bad, 1) }, CUresult::SUCCESS, "byte {at}");
        }
        gives!(INVALID_HANDLE, cuIpcOpenMemHandle_v2((&mut p).into(), CUipcHandle { bytes: [0xff; 64] }, 1));
        gives!(INVALID_HANDLE, cuIpcOpenMemHandle_v2((&mut p).into(), handle_from("FREED"), 1));
        drop(a);
        return;
    }
    let _ctx = Ctx::new(0);
    // Not at the start of a page.
    let _before = alloc(600);
    let p = upload(&(0..N).collect::<Vec<u32>>());
    let after = upload(&[77u32; 100]);
    let freed = alloc(4096);
    let gone = handle_of(freed);
    ok!(cuMemFree_v2(freed));
    let handle = handle_of(p);
    assert_eq!(handle.bytes, handle_of(p).bytes);
    assert_ne!(handle.bytes, gone.bytes);
    let mut q = CUdeviceptr(0);
    gives!(INVALID_CONTEXT, cuIpcOpenMemHandle_v2((&mut q).into(), handle, 1));
    let mut managed = CUdeviceptr(0);
    ok!(cuMemAllocManaged((&mut managed).into(), 64, 1));
    let mut none = CUipcHandle { bytes: [0; 64] };
    gives!(INVALID_VALUE, cuIpcGetMemHandle((&mut none).into(), managed));
    let mut capable = 0u32;
    ok!(cuPointerGetAttribute(Host::of(&raw mut capable), 10, p));
    assert_eq!(capable, 1);
    finish(child(me, &[("MEMORY", hex(&handle.bytes)), ("FREED", hex(&gone.bytes))]));
    assert_eq!(download::<u32>(p, N as usize), (0..N).map(|i| i * 3 + 1).collect::<Vec<_>>());
    assert_eq!(download::<u32>(after, 100), [77; 100]);
}

#[test]
fn events_of_another_process() {
    let _turn = setup();
    let me = "events_of_another_process";
    if is_child(me) {
        let _ctx = Ctx::new(0);
        let (mut e, mut p) = (CUevent(0), CUdeviceptr(0));
        ok!(cuIpcOpenEventHandle((&mut e).into(), handle_from("EVENT")));
        ok!(cuIpcOpenMemHandle_v2((&mut p).into(), handle_from("MEMORY"), 1));
        gives!(NOT_READY, cuEventQuery(e));
        let (s, out) = (stream(1), alloc(4));
        ok!(cuStreamWaitEvent(s, e, 0));
        ok!(cuMemcpyDtoDAsync_v2(out, p, 4, s));
        gives!(NOT_READY, cuStreamQuery(s));
        // The parent may go on.
        unsafe { ((p.0 + 4) as *mut u32).write_volatile(1) };
        ok!(cuEventSynchronize(e));
        ok!(cuStreamSynchronize(s));
        assert_eq!(download::<u32>(out, 1), [5]);
        // Recorded here, waited for there.
        let gate = Gate::close(s);
        ok!(cuMemsetD32Async(CUdeviceptr(p.0 + 8), 9, 1, s));
        ok!(cuEventRecord(e, s));
        unsafe { ((p.0 + 4) as *mut u32).write_volatile(2) };
        await_word(p.0 + 4, 3);
        gate.open();
        ok!(cuEventSynchronize(e));
        let mut ms = 0f32;
        gives!(INVALID_HANDLE, cuEventElapsedTime((&mut ms).into(), e, e));
        gives!(INVALID_HANDLE, cuIpcOpenEventHandle((&mut e).into(), handle_from("MEMORY")));
        return;
    }
    let _ctx = Ctx::new(0);
    let (e, s, p) = (event(2 | 4), stream(1), alloc(16));
    let mut plain = CUipcHandle { bytes: [0; 64] };
    gives!(INVALID_VALUE, cuIpcGetEventHandle((&mut plain).into(), event(2)));
    let mut handle = CUipcHandle { bytes: [0; 64] };
    ok!(cuIpcGetEventHandle((&mut handle).into(), e));
    let mut own = CUevent(0);
    gives!(INVALID_CONTEXT, cuIpcOpenEventHandle((&mut own).into(), handle));
    ok!(cuEventQuery(e));
    let gate = Gate::close(s);
    ok!(cuMemsetD32Async(p, 5, 1, s));
    ok!(cuEventRecord(e, s));
    gives!(NOT_READY, cuEventQuery(e));
    let other = child(me, &[("EVENT", hex(&handle.bytes)), ("MEMORY", hex(&handle_of(p).bytes))]);
    await_word(p.0 + 4, 1);
    gate.open();
    await_word(p.0 + 4, 2);
    gives!(NOT_READY, cuEventQuery(e));
    ok!(cuStreamWaitEvent(s, e, 0));
    let out = alloc(4);
    ok!(cuMemcpyDtoDAsync_v2(out, CUdeviceptr(p.0 + 8), 4, s));
    unsafe { ((p.0 + 4) as *mut u32).write_volatile(3) };
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(out, 1), [9]);
    finish(other);
}

#[test]
fn a_process_that_ends_does_not_hold_up_whoever_waits_for_it() {
    let _turn = setup();
    let me = "a_process_that_ends_does_not_hold_up_whoever_waits_for_it";
    if is_child(me) {
        let _ctx = Ctx::new(0);
        let (mut e, s) = (CUevent(0), stream(1));
        ok!(cuIpcOpenEventHandle((&mut e).into(), handle_from("EVENT")));
        let _never = Gate::close(s);
        ok!(cuEventRecord(e, s));
        std::process::exit(0);
    }
    let _ctx = Ctx::new(0);
    let e = event(2 | 4);
    let mut handle = CUipcHandle { bytes: [0; 64] };
    ok!(cuIpcGetEventHandle((&mut handle).into(), e));
    finish(child(me, &[("EVENT", hex(&handle.bytes))]));
    gives!(NOT_READY, cuEventQuery(e));
    ok!(cuEventSynchronize(e));
    // Recorded anew, it works as before.
    ok!(cuEventRecord(e, CUstream(0)));
    ok!(cuEventSynchronize(e));
    ok!(cuEventQuery(e));
}

const M: usize = 2 << 20;

#[test]
fn physical_memory_by_descriptor() {
    let _turn = setup();
    let me = "physical_memory_by_descriptor";
    let access = CUmemAccessDesc { location: CUmemLocation { kind: 1, id: 0 }, flags: 3 };
    let map = |handle: CUmemGenericAllocationHandle| {
        let mut va = CUdeviceptr(0);
        ok!(cuMemAddressReserve((&mut va).into(), M, 0, CUdeviceptr(0), 0));
        ok!(cuMemMap(va, M, 0, handle, 0));
        ok!(cuMemSetAccess(va, M, (&access).into(), 1));
        va
    };
    let import = |fd: RawFd| {
        let mut handle = CUmemGenericAllocationHandle(0);
        ok!(cuMemImportFromShareableHandle((&mut handle).into(), Host(fd as u64), 1));
        handle
    };
    let _ctx = Ctx::new(0);
    if is_child(me) {
        let handle = import(given("PHYSICAL").parse().unwrap());
        let mut prop = CUmemAllocationProp::default();
        ok!(cuMemGetAllocationPropertiesFromHandle((&mut prop).into(), handle));
        assert_eq!((prop.kind, prop.location.kind, prop.location.id, prop.requestedHandleTypes), (1, 1, 0, 1));
        let va = map(handle);
        assert_eq!(download::<u32>(va, 4), [1, 2, 3, 4]);
        step(va, 4, 7, CUstream(0));
        ok!(cuCtxSynchronize());
        return;
    }
    let prop = CUmemAllocationProp { kind: 1, requestedHandleTypes: 1, location: CUmemLocation { kind: 1, id: 0 }, ..Default::default() };
    let free = || {
        let (mut free, mut total) = (0usize, 0usize);
        ok!(cuMemGetInfo_v2((&mut free).into(), (&mut total).into()));
        free
    };
    let mut private = CUmemGenericAllocationHandle(0);
    let mut handle = CUmemGenericAllocationHandle(0);
    ok!(cuMemCreate((&mut private).into(), M, (&CUmemAllocationProp { requestedHandleTypes: 0, ..prop }).into(), 0));
    let before = free();
    ok!(cuMemCreate((&mut handle).into(), M, (&prop).into(), 0));
    let mut fd = -1;
    gives!(INVALID_VALUE, cuMemExportToShareableHandle((&mut fd).into(), private, 1, 0));
    gives!(INVALID_VALUE, cuMemExportToShareableHandle((&mut fd).into(), handle, 2, 0));
    ok!(cuMemExportToShareableHandle((&mut fd).into(), handle, 1, 0));
    let va = map(handle);
    let mut kinds = 9u64;
    ok!(cuPointerGetAttribute(Host::of(&raw mut kinds), 14, va));
    assert_eq!(kinds, 1);
    ok!(cuMemcpyHtoD_v2(va, host(&[1u32, 2, 3, 4]), 16));
    // Imported in the same process: the same memory.
    let twin = map(import(fd));
    assert_eq!(download::<u32>(twin, 2), [1, 2]);
    let inherited = inherit(fd);
    finish(child(me, &[("PHYSICAL", inherited.to_string())]));
    assert_eq!(download::<u32>(va, 4), [10, 13, 16, 19]);
    // Read only, for the device.
    let looks = CUmemAccessDesc { flags: 1, ..access };
    ok!(cuMemSetAccess(twin, M, (&looks).into(), 1));
    let mut flags = 0u64;
    ok!(cuMemGetAccess((&mut flags).into(), (&looks.location).into(), twin));
    assert_eq!(flags, 1);
    // Files that are not ours are refused, and numbers that are no files.
    let mut imported = CUmemGenericAllocationHandle(0);
    for bad in [0, 1_000_000, unsafe { libc::memfd_create(c"ringway-softgpu-physical:0".as_ptr(), 0) }] {
        gives!(INVALID_VALUE, cuMemImportFromShareableHandle((&mut imported).into(), Host(bad as u64), 1));
    }
    gives!(NOT_SUPPORTED, cuMemImportFromShareableHandle((&mut imported).into(), Host(fd as u64), 8));
    assert_eq!(free(), before - M);
    ok!(cuMemUnmap(va, M));
    ok!(cuMemRelease(handle));
    assert_eq!(free(), before);
    // What was imported stays while it is mapped.
    assert_eq!(download::<u32>(twin, 1), [10]);
    unsafe { (libc::close(fd), libc::close(inherited)) };
}

#[test]
fn pools_by_descriptor() {
    let _turn = setup();
    let me = "pools_by_descriptor";
    let ctx = Ctx::new(0);
    let s = stream(1);
    if is_child(me) {
        let (mut pool, mut p) = (CUmemoryPool(0), CUdeviceptr(0));
        ok!(cuMemPoolImportFromShareableHandle((&mut pool).into(), Host(given("POOL").parse().unwrap()), 1, 0));
        let mut data = CUmemPoolPtrExportData { bytes: unhex(&given("POINTER")).try_into().unwrap() };
        ok!(cuMemPoolImportPointer((&mut p).into(), pool, (&data).into()));
        gives!(INVALID_VALUE, cuMemPoolImportPointer((&mut p).into(), pool, (&data).into()));
        assert_eq!(download::<u32>(p, 3), [7, 8, 9]);
        step(p, 3, 0, s);
        gives!(INVALID_VALUE, cuMemAllocFromPoolAsync((&mut p).into(), 64, pool, s));
        gives!(INVALID_VALUE, cuDeviceSetMemPool(CUdevice(0), pool));
        ok!(cuMemFreeAsync(p, s));
        ok!(cuStreamSynchronize(s));
        gives!(INVALID_VALUE, cuMemFree_v2(p));
        // A place outside the pool, and data of another pool.
        for (at, value) in [(23, 0x7f), (31, 0x7f), (8, data.bytes[8] ^ 1), (0, 0)] {
            let old = std::mem::replace(&mut data.bytes[at], value);
            gives!(INVALID_VALUE, cuMemPoolImportPointer((&mut p).into(), pool, (&data).into()));
            data.bytes[at] = old;
        }
        ok!(cuMemPoolDestroy(pool));
        return;
    }
    let props = CUmemPoolProps { allocType: 1, handleTypes: 1, location: CUmemLocation { kind: 1, id: 0 }, ..Default::default() };
    let (mut pool, mut plain, mut p, mut fd) = (CUmemoryPool(0), CUmemoryPool(0), CUdeviceptr(0), -1);
    ok!(cuMemPoolCreate((&mut pool).into(), (&props).into()));
    ok!(cuDeviceGetDefaultMemPool((&mut plain).into(), CUdevice(0)));
    gives!(INVALID_VALUE, cuMemPoolExportToShareableHandle((&mut fd).into(), plain, 1, 0));
    ok!(cuMemPoolExportToShareableHandle((&mut fd).into(), pool, 1, 0));
    let mut kinds = 0u32;
    ok!(cuMemPoolGetAttribute(pool, 10, Host::of(&raw mut kinds)));
    assert_eq!(kinds, 1);
    let mut first = CUdeviceptr(0);
    ok!(cuMemAllocFromPoolAsync((&mut first).into(), 1000, pool, s));
    ok!(cuMemAllocFromPoolAsync((&mut p).into(), 12, pool, s));
    ok!(cuMemcpyHtoDAsync_v2(p, host(&[7u32, 8, 9]), 12, s));
    ok!(cuMemsetD8Async(first, 0x5a, 1000, s));
    ok!(cuStreamSynchronize(s));
    let mut data = CUmemPoolPtrExportData { bytes: [0; 64] };
    ok!(cuMemPoolExportPointer((&mut data).into(), p));
    gives!(INVALID_VALUE, cuMemPoolExportPointer((&mut data).into(), alloc(4)));
    let inherited = inherit(fd);
    finish(child(me, &[("POOL", inherited.to_string()), ("POINTER", hex(&data.bytes))]));
    assert_eq!(download::<u32>(p, 3), [21, 24, 27]);
    assert_eq!(download::<u8>(first, 1000), [0x5a; 1000]);
    ok!(cuMemPoolDestroy(pool));
    // Memory of a pool that is gone stays until it is freed.
    assert_eq!(download::<u32>(p, 1), [21]);
    ok!(cuMemFreeAsync(p, s));
    ok!(cuMemFreeAsync(first, s));
    ok!(cuStreamSynchronize(s));
    let (mut free, mut total) = (0usize, 0usize);
    ok!(cuMemGetInfo_v2((&mut free).into(), (&mut total).into()));
    assert!(free <= total);
    unsafe { (libc::close(fd), libc::close(inherited)) };
    drop(ctx);
}
