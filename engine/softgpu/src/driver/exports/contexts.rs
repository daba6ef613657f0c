//! Primary contexts, contexts and their stack, limits, peers.

use crate::driver::abi::*;
use crate::driver::context::{self, CONTEXTS, current, current_any};
use crate::driver::device::{device, driver};
use crate::driver::entry::export;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::GREATEST_PRIORITY;
use std::sync::atomic::Ordering;
use std::sync::Arc;

fn of(handle: CUcontext) -> R<Arc<context::Context>> {
    if handle.0 == 0 { current_any() } else { CONTEXTS.find(handle.0).ok_or(CUresult::INVALID_CONTEXT) }
}

export! {
    cuDevicePrimaryCtxRetain [cuDevicePrimaryCtxRetain] [] |_d| (pctx: Out<CUcontext>, dev: CUdevice) {
        pctx.required()?;
        pctx.put(CUcontext(context::primary_retain(dev.0)?))
    }
    cuDevicePrimaryCtxRelease [cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2] [] |_d| (dev: CUdevice) { context::primary_release(dev.0) }
    cuDevicePrimaryCtxReset [cuDevicePrimaryCtxReset cuDevicePrimaryCtxReset_v2] [] |_d| (dev: CUdevice) { context::primary_reset(dev.0) }
    cuDevicePrimaryCtxSetFlags [cuDevicePrimaryCtxSetFlags cuDevicePrimaryCtxSetFlags_v2] [] |_d| (dev: CUdevice, flags: u32) {
        ensure(flags & !0xff == 0, CUresult::INVALID_VALUE)?;
        let mut primary = device(dev.0)?.primary.lock();
        primary.flags = flags;
        if let Some(ctx) = &primary.context {
            ctx.flags.store(flags, Ordering::Relaxed);
        }
        Ok(())
    }
    cuDevicePrimaryCtxGetState [cuDevicePrimaryCtxGetState] [] |_d| (dev: CUdevice, flags: Out<u32>, active: Out<i32>) {
        let primary = device(dev.0)?.primary.lock();
        flags.put(primary.flags)?;
        active.put(i32::from(primary.context.is_some()))
    }
    cuCtxCreate [cuCtxCreate cuCtxCreate_v2] [] |_d| (pctx: Out<CUcontext>, flags: u32, dev: CUdevice) {
        pctx.required()?;
        pctx.put(CUcontext(context::create(dev.0, flags)?))
    }
    cuCtxCreate_v3 [cuCtxCreate_v3] [] |_d| (pctx: Out<CUcontext>, _params: Host, numParams: i32, flags: u32, dev: CUdevice) {
        pctx.required()?;
        ensure(numParams == 0, CUresult::UNSUPPORTED_EXEC_AFFINITY)?;
        pctx.put(CUcontext(context::create(dev.0, flags)?))
    }
    cuCtxCreate_v4 [cuCtxCreate_v4] [] |_d| (pctx: Out<CUcontext>, params: In<CUctxCreateParams>, flags: u32, dev: CUdevice) {
        pctx.required()?;
        if let Some(p) = params.opt() {
            ensure(p.numExecAffinityParams == 0, CUresult::UNSUPPORTED_EXEC_AFFINITY)?;
            ensure(p.cigParams.0 == 0, CUresult::NOT_SUPPORTED)?;
        }
        pctx.put(CUcontext(context::create(dev.0, flags)?))
    }
    cuCtxDestroy [cuCtxDestroy cuCtxDestroy_v2] [] |_d| (ctx: CUcontext) {
        driver()?;
        context::destroy(ctx.0)
    }
    cuCtxDetach [cuCtxDetach] [] |_d| (ctx: CUcontext) { context::destroy(ctx.0) }
    cuCtxAttach [cuCtxAttach] [] |_d| (pctx: Out<CUcontext>, _flags: u32) { pctx.put(CUcontext(current_any()?.handle)) }
    cuCtxPushCurrent [cuCtxPushCurrent cuCtxPushCurrent_v2] [] |_d| (ctx: CUcontext) {
        driver()?;
        context::push(ctx.0)
    }
    cuCtxPopCurrent [cuCtxPopCurrent cuCtxPopCurrent_v2] [] |_d| (pctx: Out<CUcontext>) {
        driver()?;
        let handle = context::pop()?;
        pctx.give(CUcontext(handle));
        Ok(())
    }
    cuCtxSetCurrent [cuCtxSetCurrent] [] |_d| (ctx: CUcontext) {
        driver()?;
        context::set_current(ctx.0)
    }
    cuCtxGetCurrent [cuCtxGetCurrent] [] |_d| (pctx: Out<CUcontext>) {
        driver()?;
        pctx.put(CUcontext(context::current_handle()))
    }
    cuCtxGetDevice [cuCtxGetDevice] [] |_d| (dev: Out<CUdevice>) { dev.put(CUdevice(current_any()?.device.ordinal as i32)) }
    cuCtxGetDevice_v2 [cuCtxGetDevice_v2] [] |_d| (dev: Out<CUdevice>, ctx: CUcontext) { dev.put(CUdevice(of(ctx)?.device.ordinal as i32)) }
    cuCtxGetFlags [cuCtxGetFlags] [] |_d| (flags: Out<u32>) { flags.put(current_any()?.flags.load(Ordering::Relaxed)) }
    cuCtxSetFlags [cuCtxSetFlags] [] |_d| (flags: u32) {
        current()?.flags.store(flags, Ordering::Relaxed);
        Ok(())
    }
    cuCtxGetId [cuCtxGetId] [] |_d| (ctx: CUcontext, ctxId: Out<u64>) { ctxId.put(of(ctx)?.id) }
    cuCtxSynchronize [cuCtxSynchronize] [] |_d| () { synchronize(&current()?) }
    cuCtxSynchronize_v2 [cuCtxSynchronize_v2] [] |_d| (ctx: CUcontext) { synchronize(&of(ctx)?) }
    cuCtxSetLimit [cuCtxSetLimit] [] |_d| (limit: u32, value: usize) { current()?.set_limit(limit, value) }
    cuCtxGetLimit [cuCtxGetLimit] [] |_d| (pvalue: Out<usize>, limit: u32) {
        pvalue.required()?;
        pvalue.put(current()?.limit(limit)?)
    }
    cuCtxGetCacheConfig [cuCtxGetCacheConfig] [] |_d| (pconfig: Out<u32>) { pconfig.put(current()?.cache_config.load(Ordering::Relaxed)) }
    cuCtxSetCacheConfig [cuCtxSetCacheConfig] [] |_d| (config: u32) {
        ensure(config <= 3, CUresult::INVALID_VALUE)?;
        current()?.cache_config.store(config, Ordering::Relaxed);
        Ok(())
    }
    cuCtxGetSharedMemConfig [cuCtxGetSharedMemConfig] [] |_d| (pConfig: Out<u32>) { pConfig.put(current()?.shared_config.load(Ordering::Relaxed)) }
    cuCtxSetSharedMemConfig [cuCtxSetSharedMemConfig] [] |_d| (config: u32) {
        ensure(config <= 2, CUresult::INVALID_VALUE)?;
        current()?.shared_config.store(config.max(1), Ordering::Relaxed);
        Ok(())
    }
    cuCtxGetApiVersion [cuCtxGetApiVersion] [] |_d| (ctx: CUcontext, version: Out<u32>) {
        of(ctx)?;
        version.put(3020)
    }
    cuCtxGetStreamPriorityRange [cuCtxGetStreamPriorityRange] [] |_d| (leastPriority: Out<i32>, greatestPriority: Out<i32>) {
        current()?;
        leastPriority.give(0);
        greatestPriority.give(GREATEST_PRIORITY);
        Ok(())
    }
    cuCtxResetPersistingL2Cache [cuCtxResetPersistingL2Cache] [] |_d| () { current().map(drop) }
    cuCtxGetExecAffinity [cuCtxGetExecAffinity] [] |_d| (_pExecAffinity: Host, _kind: u32) { Err(CUresult::UNSUPPORTED_EXEC_AFFINITY) }
    cuCtxRecordEvent [cuCtxRecordEvent] [] |_d| (ctx: CUcontext, event: CUevent) {
        let ctx = of(ctx)?;
        ctx.healthy()?;
        let after = ctx.all_streams().iter().map(|s| s.mark()).collect();
        crate::driver::exports::events::record_after(event, &ctx.legacy, after)
    }
    cuCtxWaitEvent [cuCtxWaitEvent] [] |_d| (ctx: CUcontext, event: CUevent) {
        let ctx = of(ctx)?;
        ctx.healthy()?;
        let event = crate::driver::event::EVENTS.get(event.0)?;
        ctx.all_streams().iter().try_for_each(|stream| event.wait_in(stream))
    }
    cuCtxEnablePeerAccess [cuCtxEnablePeerAccess] [] |_d| (peerContext: CUcontext, flags: u32) {
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        let ctx = current()?;
        let peer = CONTEXTS.find(peerContext.0).ok_or(CUresult::INVALID_CONTEXT)?;
        ensure(peer.handle != ctx.handle, CUresult::INVALID_CONTEXT)?;
        ensure(peer.device.ordinal != ctx.device.ordinal, CUresult::PEER_ACCESS_UNSUPPORTED)?;
        let mut peers = ctx.peers.lock();
        ensure(!peers.contains(&peer.handle), CUresult::PEER_ACCESS_ALREADY_ENABLED)?;
        peers.push(peer.handle);
        Ok(())
    }
    cuCtxDisablePeerAccess [cuCtxDisablePeerAccess] [] |_d| (peerContext: CUcontext) {
        let ctx = current()?;
        CONTEXTS.find(peerContext.0).ok_or(CUresult::INVALID_CONTEXT)?;
        let mut peers = ctx.peers.lock();
        let at = peers.iter().position(|&p| p == peerContext.0).ok_or(CUresult::PEER_ACCESS_NOT_ENABLED)?;
        peers.remove(at);
        Ok(())
    }
}

fn synchronize(ctx: &Arc<context::Context>) -> R {
    crate::driver::capture::forbid_unsafe()?;
    ctx.synchronize()
}
