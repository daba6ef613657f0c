//! Streams, host functions, memory operations in streams.

use crate::driver::abi::*;
use crate::driver::capture;
use crate::driver::context::current;
use crate::driver::entry::export;
use crate::driver::event::EVENTS;
use crate::driver::memory::space;
use crate::driver::op::{Op, WaitValue};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::{self, find, resolve};

export! {
    cuStreamCreate [cuStreamCreate] [] |_d| (phStream: Out<CUstream>, flags: u32) {
        phStream.required()?;
        phStream.put(CUstream(stream::create(flags, 0)?))
    }
    cuStreamCreateWithPriority [cuStreamCreateWithPriority] [] |_d| (phStream: Out<CUstream>, flags: u32, priority: i32) {
        phStream.required()?;
        phStream.put(CUstream(stream::create(flags, priority)?))
    }
    cuStreamDestroy [cuStreamDestroy cuStreamDestroy_v2] [] |_d| (hStream: CUstream) { stream::destroy(hStream.0) }
    cuStreamGetPriority [cuStreamGetPriority] [cuStreamGetPriority_ptsz] |d| (hStream: CUstream, priority: Out<i32>) { priority.put(find(hStream, d)?.priority()) }
    cuStreamGetFlags [cuStreamGetFlags] [cuStreamGetFlags_ptsz] |d| (hStream: CUstream, flags: Out<u32>) { flags.put(find(hStream, d)?.flags) }
    cuStreamGetId [cuStreamGetId] [cuStreamGetId_ptsz] |d| (hStream: CUstream, streamId: Out<u64>) { streamId.put(find(hStream, d)?.id) }
    cuStreamGetCtx [cuStreamGetCtx] [cuStreamGetCtx_ptsz] |d| (hStream: CUstream, pctx: Out<CUcontext>) {
        pctx.put(CUcontext(find(hStream, d)?.ctx.upgrade().ok_or(CUresult::CONTEXT_IS_DESTROYED)?.handle))
    }
    cuStreamGetCtx_v2 [cuStreamGetCtx_v2] [cuStreamGetCtx_v2_ptsz] |d| (hStream: CUstream, pCtx: Out<CUcontext>, pGreenCtx: Out<Host>) {
        pCtx.put(CUcontext(find(hStream, d)?.ctx.upgrade().ok_or(CUresult::CONTEXT_IS_DESTROYED)?.handle))?;
        pGreenCtx.give(Host(0));
        Ok(())
    }
    cuStreamGetDevice [cuStreamGetDevice] [cuStreamGetDevice_ptsz] |d| (hStream: CUstream, dev: Out<CUdevice>) {
        dev.put(CUdevice(find(hStream, d)?.ctx.upgrade().ok_or(CUresult::CONTEXT_IS_DESTROYED)?.device.ordinal as i32))
    }
    cuStreamQuery [cuStreamQuery] [cuStreamQuery_ptsz] |d| (hStream: CUstream) {
        let (stream, ctx) = resolve(hStream, d)?;
        capture::forbid_sync(&stream)?;
        let mut idle = stream.idle();
        if stream.legacy {
            idle &= ctx.all_streams().iter().all(|s| s.flags & stream::NON_BLOCKING != 0 || s.idle());
        }
        ctx.healthy()?;
        ensure(idle, CUresult::NOT_READY)
    }
    cuStreamSynchronize [cuStreamSynchronize] [cuStreamSynchronize_ptsz] |d| (hStream: CUstream) {
        let (stream, ctx) = resolve(hStream, d)?;
        capture::forbid_sync(&stream)?;
        if stream.legacy {
            let blocking: Vec<_> = ctx.all_streams().iter().filter(|s| s.flags & stream::NON_BLOCKING == 0).map(|s| s.mark()).collect();
            blocking.iter().for_each(|m| m.wait());
        } else {
            stream.mark().wait();
        }
        ctx.flush_printf();
        ctx.healthy()
    }
    cuStreamWaitEvent [cuStreamWaitEvent] [cuStreamWaitEvent_ptsz] |d| (hStream: CUstream, hEvent: CUevent, flags: u32) {
        ensure(flags & !1 == 0, CUresult::INVALID_VALUE)?;
        let (stream, _ctx) = resolve(hStream, d)?;
        let event = EVENTS.get(hEvent.0)?;
        if capture::wait_event(&stream, &event, flags & 1 == 1)? {
            return Ok(());
        }
        event.wait_in(&stream)
    }
    cuStreamAddCallback [cuStreamAddCallback] [cuStreamAddCallback_ptsz] |d| (hStream: CUstream, callback: CUstreamCallback, userData: Host, flags: u32) {
        ensure(flags == 0 && callback.is_some(), CUresult::INVALID_VALUE)?;
        let (stream, _ctx) = resolve(hStream, d)?;
        ensure(!capture::capturing(&stream), CUresult::STREAM_CAPTURE_UNSUPPORTED)?;
        stream.submit(Op::Callback(callback, userData), Vec::new());
        Ok(())
    }
    cuLaunchHostFunc [cuLaunchHostFunc] [cuLaunchHostFunc_ptsz] |d| (hStream: CUstream, function: CUhostFn, userData: Host) { host_function(hStream, d, function, userData) }
    cuLaunchHostFunc_v2 [cuLaunchHostFunc_v2] [cuLaunchHostFunc_v2_ptsz] |d| (hStream: CUstream, function: CUhostFn, userData: Host, _syncMode: u32) { host_function(hStream, d, function, userData) }
    cuStreamWaitValue32 [cuStreamWaitValue32_v2 cuStreamWaitValue32] [cuStreamWaitValue32_v2_ptsz cuStreamWaitValue32_ptsz] |d| (stream: CUstream, addr: CUdeviceptr, value: u32, flags: u32) {
        put(stream, d, &wait_value(addr, u64::from(value), flags, false)?)
    }
    cuStreamWaitValue64 [cuStreamWaitValue64_v2 cuStreamWaitValue64] [cuStreamWaitValue64_v2_ptsz cuStreamWaitValue64_ptsz] |d| (stream: CUstream, addr: CUdeviceptr, value: u64, flags: u32) {
        put(stream, d, &wait_value(addr, value, flags, true)?)
    }
    cuStreamWriteValue32 [cuStreamWriteValue32_v2 cuStreamWriteValue32] [cuStreamWriteValue32_v2_ptsz cuStreamWriteValue32_ptsz] |d| (stream: CUstream, addr: CUdeviceptr, value: u32, flags: u32) {
        put(stream, d, &write_value(addr, u64::from(value), flags, false)?)
    }
    cuStreamWriteValue64 [cuStreamWriteValue64_v2 cuStreamWriteValue64] [cuStreamWriteValue64_v2_ptsz cuStreamWriteValue64_ptsz] |d| (stream: CUstream, addr: CUdeviceptr, value: u64, flags: u32) {
        put(stream, d, &write_value(addr, value, flags, true)?)
    }
    cuStreamBatchMemOp [cuStreamBatchMemOp_v2 cuStreamBatchMemOp] [cuStreamBatchMemOp_v2_ptsz cuStreamBatchMemOp_ptsz] |d| (stream: CUstream, count: u32, paramArray: In<CUstreamBatchMemOpParams>, flags: u32) {
        ensure(flags == 0 && count <= 256, CUresult::INVALID_VALUE)?;
        put(stream, d, &batch(&paramArray.list(count as usize)?)?)
    }
    cuStreamCopyAttributes [cuStreamCopyAttributes] [cuStreamCopyAttributes_ptsz] |d| (dst: CUstream, src: CUstream) {
        let (to, from) = (find(dst, d)?, find(src, d)?);
        if to.id != from.id {
            to.copy_attributes(&from);
        }
        Ok(())
    }
    cuStreamGetAttribute [cuStreamGetAttribute] [cuStreamGetAttribute_ptsz] |d| (hStream: CUstream, attr: u32, value_out: Out<CUattributeValue>) {
        value_out.put(CUattributeValue { bytes: find(hStream, d)?.attribute(attr)? })
    }
    cuStreamSetAttribute [cuStreamSetAttribute] [cuStreamSetAttribute_ptsz] |d| (hStream: CUstream, attr: u32, value: In<CUattributeValue>) {
        find(hStream, d)?.set_attribute(attr, value.get()?.bytes)
    }
}

fn host_function(handle: CUstream, default: CUstream, function: CUhostFn, data: Host) -> R {
    ensure(function.is_some(), CUresult::INVALID_VALUE)?;
    put(handle, default, &Op::Host(function, data))
}

/// Adds to the capture or submits.
pub fn put(handle: CUstream, default: CUstream, op: &Op) -> R {
    let (stream, _ctx) = resolve(handle, default)?;
    if !capture::add(&stream, op)? {
        stream.submit(op.clone(), Vec::new());
    }
    Ok(())
}

fn word(address: CUdeviceptr, wide: bool) -> R {
    let size = if wide { 8 } else { 4 };
    ensure(address.0.is_multiple_of(size), CUresult::INVALID_VALUE)?;
    space().check(address.0, size)
}

fn wait_value(address: CUdeviceptr, value: u64, flags: u32, wide: bool) -> R<Op> {
    current()?;
    word(address, wide)?;
    ensure(flags & !(3 | 1 << 30) == 0, CUresult::INVALID_VALUE)?;
    Ok(Op::WaitValue(WaitValue { address: address.0, value, compare: flags & 3, wide }))
}

fn write_value(address: CUdeviceptr, value: u64, flags: u32, wide: bool) -> R<Op> {
    current()?;
    word(address, wide)?;
    ensure(flags & !1 == 0, CUresult::INVALID_VALUE)?;
    Ok(Op::WriteValue { address: address.0, value, wide })
}

/// One operation of several stream memory operations.
pub fn batch(list: &[CUstreamBatchMemOpParams]) -> R<Op> {
    let mut ops = Vec::with_capacity(list.len());
    for p in list {
        ops.push(match p.operation {
            1 => wait_value(p.address, p.value, p.flags, false)?,
            2 => write_value(p.address, p.value, p.flags, false)?,
            4 => wait_value(p.address, p.value, p.flags, true)?,
            5 => write_value(p.address, p.value, p.flags, true)?,
            3 | 6 => Op::Empty,     // flush remote writes, barrier: order is kept anyway
            _ => return Err(CUresult::INVALID_VALUE),
        });
    }
    Ok(Op::Batch(ops.into()))
}
