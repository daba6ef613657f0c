//! Streams, events, host functions and captures: order is what is asked for, and no more.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::ffi::c_void;
use std::sync::Mutex;

#[test]
fn a_stream_keeps_order_and_streams_do_not_wait_for_each_other() {
    let _ctx = Ctx::new(0);
    let (a, b) = (stream(1), stream(1));
    let p = alloc(4);
    let gate = Gate::close(a);
    ok!(cuMemsetD32Async(p, 1, 1, a));
    ok!(cuMemsetD32Async(p, 2, 1, a));
    gives!(NOT_READY, cuStreamQuery(a));
    let q = alloc(4);
    ok!(cuMemsetD32Async(q, 9, 1, b));
    ok!(cuStreamSynchronize(b));
    ok!(cuStreamQuery(b));
    gives!(NOT_READY, cuStreamQuery(a));
    gate.open();
    ok!(cuStreamSynchronize(a));
    ok!(cuStreamQuery(a));
    assert_eq!(download::<u32>(p, 1), [2]);
    assert_eq!(download::<u32>(q, 1), [9]);
    ok!(cuStreamDestroy_v2(a));
    gives!(INVALID_HANDLE, cuStreamQuery(a));
}

#[test]
fn the_legacy_stream_waits_for_blocking_streams_and_they_for_it() {
    let _ctx = Ctx::new(0);
    let (blocking, free) = (stream(0), stream(1));
    let p = alloc(4);
    let gate = Gate::close(blocking);
    ok!(cuMemsetD32Async(p, 1, 1, CUstream(0)));
    gives!(NOT_READY, cuStreamQuery(CUstream(0)));
    ok!(cuMemsetD32Async(p, 2, 1, blocking));
    let q = alloc(4);
    ok!(cuMemsetD32Async(q, 3, 1, free));
    ok!(cuStreamSynchronize(free));
    gate.open();
    ok!(cuCtxSynchronize());
    assert_eq!(download::<u32>(p, 1), [2]);
    // A stream made after the legacy work still waits for it.
    let gate = Gate::close(CUstream(1));
    let late = stream(0);
    ok!(cuMemsetD32Async(p, 7, 1, late));
    gives!(NOT_READY, cuStreamQuery(late));
    gate.open();
    ok!(cuStreamSynchronize(late));
    assert_eq!(download::<u32>(p, 1), [7]);
}

#[test]
fn threads_have_their_own_default_streams() {
    let ctx = Ctx::new(0);
    let handle = ctx.0;
    let p = alloc(8);
    let gate = Gate::close(CUstream(2));
    std::thread::spawn(move || {
        ok!(cuCtxSetCurrent(handle));
        ok!(cuMemsetD32Async_ptsz(p, 5, 1, CUstream(0)));
        ok!(cuStreamSynchronize_ptsz(CUstream(0)));
    })
    .join()
    .unwrap();
    gives!(NOT_READY, cuStreamQuery_ptsz(CUstream(0)));
    gate.open();
    ok!(cuStreamSynchronize(CUstream(2)));
    assert_eq!(download::<u32>(p, 1), [5]);
}

#[test]
fn events_order_streams_and_carry_time() {
    let _ctx = Ctx::new(0);
    let (a, b) = (stream(1), stream(1));
    let (start, end, untimed) = (event(0), event(0), event(2));
    ok!(cuEventQuery(start));
    let p = alloc(4);
    ok!(cuEventRecord(start, a));
    let gate = Gate::close(a);
    ok!(cuMemsetD32Async(p, 1, 1, a));
    ok!(cuEventRecord(end, a));
    ok!(cuEventRecord(untimed, a));
    ok!(cuStreamWaitEvent(b, end, 0));
    ok!(cuMemsetD32Async(p, 2, 1, b));
    gives!(NOT_READY, cuEventQuery(end));
    gives!(NOT_READY, cuStreamQuery(b));
    let mut ms = 0f32;
    gives!(NOT_READY, cuEventElapsedTime((&mut ms).into(), start, end));
    gate.open();
    ok!(cuStreamSynchronize(b));
    ok!(cuEventSynchronize(end));
    assert_eq!(download::<u32>(p, 1), [2]);
    ok!(cuEventElapsedTime((&mut ms).into(), start, end));
    assert!(ms >= 0.0);
    ok!(cuEventElapsedTime((&mut ms).into(), end, start));
    assert!(ms <= 0.0);
    gives!(INVALID_HANDLE, cuEventElapsedTime((&mut ms).into(), start, untimed));
    ok!(cuEventDestroy_v2(end));
    gives!(INVALID_HANDLE, cuEventQuery(end));
}

static ORDER: Mutex<Vec<u64>> = Mutex::new(Vec::new());

unsafe extern "C" fn note(user: *mut c_void) {
    ORDER.lock().unwrap().push(user as u64);
    // A host function must not call the driver.
    let mut p = CUdeviceptr(0);
    assert_eq!(unsafe { cuMemAlloc_v2((&mut p).into(), 4) }, CUresult::NOT_PERMITTED);
}

unsafe extern "C" fn note_callback(_stream: CUstream, status: CUresult, user: *mut c_void) {
    assert_eq!(status, CUresult::SUCCESS);
    ORDER.lock().unwrap().push(user as u64);
}

#[test]
fn host_functions_run_in_order() {
    let _ctx = Ctx::new(0);
    let s = stream(1);
    for i in 0..50 {
        if i % 3 == 0 {
            ok!(cuStreamAddCallback(s, Some(note_callback), Host(i), 0));
        } else {
            ok!(cuLaunchHostFunc(s, Some(note), Host(i)));
        }
    }
    ok!(cuStreamSynchronize(s));
    assert_eq!(*ORDER.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[test]
fn asynchronous_copies_take_pageable_memory_when_called_and_pinned_memory_when_executed() {
    let _ctx = Ctx::new(0);
    let s = stream(1);
    let (p, q) = (alloc(4), alloc(4));
    let mut pinned = Host(0);
    ok!(cuMemAllocHost_v2((&mut pinned).into(), 4));
    let word = pinned.0 as *mut u32;
    unsafe { word.write_volatile(1) };
    let mut pageable = [1u32];
    let gate = Gate::close(s);
    ok!(cuMemcpyHtoDAsync_v2(p, pinned, 4, s));
    ok!(cuMemcpyHtoDAsync_v2(q, host(&pageable), 4, s));
    unsafe { word.write_volatile(2) };
    pageable[0] = 2;
    std::hint::black_box(&pageable);
    gate.open();
    let mut back = [0u32];
    // To pageable memory the call itself waits.
    ok!(cuMemcpyDtoHAsync_v2(host_mut(&mut back), q, 4, s));
    assert_eq!(back, [1]);
    assert_eq!(download::<u32>(p, 1), [2]);
    let gate = Gate::close(s);
    ok!(cuMemsetD32Async(p, 9, 1, s));
    ok!(cuMemcpyDtoHAsync_v2(pinned, p, 4, s));
    assert_eq!(unsafe { word.read_volatile() }, 2);
    gate.open();
    ok!(cuStreamSynchronize(s));
    assert_eq!(unsafe { word.read_volatile() }, 9);
}

#[test]
fn memory_operations_in_streams() {
    let _ctx = Ctx::new(0);
    let (a, b) = (stream(1), stream(1));
    let (flag, p) = (alloc(8), alloc(4));
    ok!(cuStreamWaitValue32_v2(a, flag, 3, 0));
    ok!(cuMemsetD32Async(p, 1, 1, a));
    gives!(NOT_READY, cuStreamQuery(a));
    ok!(cuStreamWriteValue32_v2(b, flag, 2, 0));
    ok!(cuStreamSynchronize(b));
    gives!(NOT_READY, cuStreamQuery(a));
    ok!(cuStreamWriteValue64_v2(b, flag, 4, 0));
    ok!(cuStreamSynchronize(a));
    assert_eq!(download::<u32>(p, 1), [1]);
    gives!(INVALID_VALUE, cuStreamWriteValue32_v2(b, CUdeviceptr(flag.0 + 2), 4, 0));
}

#[test]
fn eight_threads_share_streams() {
    let ctx = Ctx::new(0);
    let handle = ctx.0;
    let streams: Vec<CUstream> = (0..3).map(|_| stream(1)).collect();
    let p = alloc(8 * 4096);
    std::thread::scope(|scope| {
        for t in 0..8u32 {
            let streams = &streams;
            scope.spawn(move || {
                ok!(cuCtxSetCurrent(handle));
                let mine = CUdeviceptr(p.0 + u64::from(t) * 4096);
                let event = event(2);
                for i in 0..200u32 {
                    // The next stream continues where the last one was, by event only.
                    let s = streams[(i + t) as usize % 3];
                    ok!(cuStreamWaitEvent(s, event, 0));
                    ok!(cuMemsetD32Async(mine, i, 1024, s));
                    ok!(cuEventRecord(event, s));
                }
                ok!(cuEventSynchronize(event));
                assert!(download::<u32>(mine, 1024).iter().all(|&v| v == 199));
            });
        }
    });
}

#[test]
fn destroyed_streams_finish_their_work() {
    let _ctx = Ctx::new(0);
    let p = alloc(4);
    let s = stream(1);
    let gate = Gate::close(s);
    ok!(cuMemsetD32Async(p, 4, 1, s));
    ok!(cuStreamDestroy_v2(s));
    gate.open();
    ok!(cuCtxSynchronize());
    assert_eq!(download::<u32>(p, 1), [4]);
}

#[test]
fn contexts_stack_and_end() {
    let a = Ctx::new(0);
    let b = Ctx::new(0);
    let mut now = CUcontext(0);
    ok!(cuCtxGetCurrent((&mut now).into()));
    assert_eq!(now, b.0);
    ok!(cuCtxPopCurrent_v2((&mut now).into()));
    assert_eq!(now, b.0);
    ok!(cuCtxGetCurrent((&mut now).into()));
    assert_eq!(now, a.0);
    ok!(cuCtxSetCurrent(b.0));
    let p = alloc(4);
    std::thread::spawn({
        let b = b.0;
        move || ok!(cuCtxDestroy_v2(b))
    })
    .join()
    .unwrap();
    gives!(CONTEXT_IS_DESTROYED, cuMemFree_v2(p));
    ok!(cuCtxSetCurrent(CUcontext(0)));
    gives!(INVALID_CONTEXT, cuMemFree_v2(p));
    gives!(INVALID_CONTEXT, cuCtxSetCurrent(b.0));
    // The primary context keeps its handle.
    let (mut first, mut second, mut flags, mut active) = (CUcontext(0), CUcontext(0), 0, 0);
    ok!(cuDevicePrimaryCtxRetain((&mut first).into(), CUdevice(0)));
    ok!(cuDevicePrimaryCtxGetState(CUdevice(0), (&mut flags).into(), (&mut active).into()));
    assert_eq!(active, 1);
    ok!(cuDevicePrimaryCtxRelease_v2(CUdevice(0)));
    ok!(cuDevicePrimaryCtxGetState(CUdevice(0), (&mut flags).into(), (&mut active).into()));
    assert_eq!(active, 0);
    ok!(cuDevicePrimaryCtxRetain((&mut second).into(), CUdevice(0)));
    assert_eq!(first, second);
    ok!(cuDevicePrimaryCtxRelease_v2(CUdevice(0)));
    gives!(INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(CUdevice(0)));
}
