//! Contexts: made at the server, kept current per thread here.

use super::device::snapshot;
use super::{put, put_if};
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target, with_primary};
use ringway_client::{called, completion, device, handle, memory, objects, transfers};
use ringway_wire::codec::Writer as _;

/// Flags that cuCtxCreate takes: scheduling, mapped host memory, local memory resize, core dumps, memory synchronisation.
const FLAGS: u32 = 0x1ff;

/// Makes the primary context of a GPU at the server if it is not there; gives its handle.
pub fn activate_primary(dev: i32) -> Result<u64, CudaError> {
    let gpu = device(dev)?;
    with_primary(dev as usize, |primary| {
        if primary.handle == 0 {
            primary.handle = contexts::create(gpu.target.lane)?.keep();
        }
        if !primary.active {
            let number = contexts::number(primary.handle)?;
            contexts::heal(number);
            called(
                op::CU_DEVICE_PRIMARY_CTX_RETAIN,
                gpu.target,
                12,
                |w| {
                    w.i32(gpu.ordinal);
                    w.u32(number);
                    w.u32(primary.flags);
                },
                |_| Ok(()),
            )?;
            primary.active = true;
        }
        Ok(primary.handle)
    })
}

pub unsafe fn cuDevicePrimaryCtxRetain(pctx: *mut u64, dev: i32) -> Result<(), CudaError> {
    if pctx.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let context = activate_primary(dev)?;
    with_primary(dev as usize, |primary| primary.retained += 1);
    unsafe { put(pctx, context) }
}

/// Forgets what lived in a context that is gone.
fn forget(context: u64) {
    let Ok(number) = contexts::number(context) else {
        return;
    };
    memory::remove_context(number);
    for kind in Kind::ALL {
        if kind != Kind::Context {
            for id in objects::of_context(kind, number) {
                objects::destroyed(kind, id);
            }
        }
    }
}

/// Ends a context by `end`, which waits for its work; the host memory that was pinned in it is freed with it (CUDA driver API,
/// cuCtxDestroy).
fn ending(number: u32, end: impl FnOnce() -> Result<(), CudaError>) -> Result<(), CudaError> {
    let pinned = memory::pinned_in(number);
    for one in &pinned {
        transfers::release(one.base, one.bytes);
    }
    end()?;
    pinned.iter().for_each(|one| super::memory::unpin(one, None));
    Ok(())
}

fn end_primary(dev: i32) -> Result<(), CudaError> {
    let gpu = device(dev)?;
    with_primary(dev as usize, |primary| {
        if !primary.active {
            return Ok(());
        }
        let number = contexts::number(primary.handle)?;
        primary.active = false;
        forget(primary.handle);
        ending(number, || {
            called(
                op::CU_DEVICE_PRIMARY_CTX_RESET,
                gpu.target,
                8,
                |w| {
                    w.i32(gpu.ordinal);
                    w.u32(number);
                },
                |_| Ok(()),
            )
        })?;
        contexts::heal(number);
        Ok(())
    })
}

pub unsafe fn cuDevicePrimaryCtxRelease(dev: i32) -> Result<(), CudaError> {
    snapshot(dev)?;
    let last = with_primary(dev as usize, |primary| match primary.retained {
        0 => Err(CudaError::INVALID_CONTEXT),
        count => {
            primary.retained = count - 1;
            Ok(count == 1)
        }
    })?;
    if last { end_primary(dev) } else { Ok(()) }
}

pub unsafe fn cuDevicePrimaryCtxReset(dev: i32) -> Result<(), CudaError> {
    end_primary(dev)
}

pub unsafe fn cuDevicePrimaryCtxSetFlags(dev: i32, flags: u32) -> Result<(), CudaError> {
    snapshot(dev)?;
    if flags & !FLAGS != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    with_primary(dev as usize, |primary| primary.flags = flags);
    Ok(())
}

pub unsafe fn cuDevicePrimaryCtxGetState(
    dev: i32,
    flags: *mut u32,
    active: *mut i32,
) -> Result<(), CudaError> {
    snapshot(dev)?;
    let (set, on) = with_primary(dev as usize, |primary| (primary.flags, primary.active));
    unsafe { put_if(flags, set) };
    unsafe { put(active, i32::from(on)) }
}

fn create(flags: u32, dev: i32) -> Result<u64, CudaError> {
    let gpu = device(dev)?;
    if flags & !FLAGS != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let new = contexts::create(gpu.target.lane)?;
    let number = contexts::number(new.id())?;
    called(
        op::CU_CTX_CREATE,
        gpu.target,
        12,
        |w| {
            w.i32(gpu.ordinal);
            w.u32(number);
            w.u32(flags);
        },
        |_| Ok(()),
    )?;
    objects::set_data(Kind::Context, new.id(), u64::from(flags) | 1 << 63);
    let context = new.keep();
    contexts::push(context);
    Ok(context)
}

pub unsafe fn cuCtxCreate(pctx: *mut u64, flags: u32, dev: i32) -> Result<(), CudaError> {
    if pctx.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let context = create(flags, dev)?;
    unsafe { put(pctx, context) }
}

pub unsafe fn cuCtxCreate_v3(
    pctx: *mut u64,
    _params: *mut c_void,
    numParams: i32,
    flags: u32,
    dev: i32,
) -> Result<(), CudaError> {
    if numParams != 0 {
        // Execution affinity is a property of MPS servers.
        return Err(CudaError::UNSUPPORTED_EXEC_AFFINITY);
    }
    unsafe { cuCtxCreate(pctx, flags, dev) }
}

pub unsafe fn cuCtxCreate_v4(
    pctx: *mut u64,
    params: *mut c_void,
    flags: u32,
    dev: i32,
) -> Result<(), CudaError> {
    if !params.is_null() {
        // CUctxCreateParams: execution affinity parameters, their number, a CIG parameter.
        let words = unsafe { params.cast::<[u64; 3]>().read_unaligned() };
        if words[1] as u32 != 0 || words[2] != 0 {
            return Err(CudaError::NOT_SUPPORTED);
        }
    }
    unsafe { cuCtxCreate(pctx, flags, dev) }
}

pub unsafe fn cuCtxDestroy(ctx: u64) -> Result<(), CudaError> {
    let object = handle(Kind::Context, ctx)?;
    if objects::data(Kind::Context, ctx)? >> 63 == 0 {
        // A primary context is released, not destroyed.
        return Err(CudaError::INVALID_CONTEXT);
    }
    let number = contexts::number(ctx)?;
    let target = Target {
        context: 0,
        lane: Target::of_context(number).lane,
        stream: 0,
    };
    let _ = object;
    if contexts::current_handle() == ctx {
        contexts::pop()?;
    }
    forget(ctx);
    let result = ending(number, || called(op::CU_CTX_DESTROY, target, 4, |w| w.u32(number), |_| Ok(())));
    contexts::heal(number);
    objects::destroyed(Kind::Context, ctx);
    result
}

pub unsafe fn cuCtxPushCurrent(ctx: u64) -> Result<(), CudaError> {
    handle(Kind::Context, ctx)?;
    contexts::push(ctx);
    Ok(())
}

pub unsafe fn cuCtxPopCurrent(pctx: *mut u64) -> Result<(), CudaError> {
    let context = contexts::pop()?;
    unsafe { put_if(pctx, context) };
    Ok(())
}

pub unsafe fn cuCtxSetCurrent(ctx: u64) -> Result<(), CudaError> {
    if ctx != 0 {
        handle(Kind::Context, ctx)?;
    } else {
        ringway_client::session()?;
    }
    contexts::set_current(ctx);
    Ok(())
}

pub unsafe fn cuCtxGetCurrent(pctx: *mut u64) -> Result<(), CudaError> {
    ringway_client::session()?;
    unsafe { put(pctx, contexts::current_handle()) }
}

pub unsafe fn cuCtxGetDevice(device: *mut i32) -> Result<(), CudaError> {
    let target = contexts::current()?;
    unsafe { put(device, target.lane as i32) }
}

pub unsafe fn cuCtxGetDevice_v2(device: *mut i32, ctx: u64) -> Result<(), CudaError> {
    let target = if ctx == 0 {
        contexts::current()?
    } else {
        Target::of_context(contexts::number(ctx)?)
    };
    unsafe { put(device, target.lane as i32) }
}

/// Flags with which a context was made.
fn flags_of(context: u64) -> Result<u32, CudaError> {
    let data = objects::data(Kind::Context, context)?;
    if data >> 63 != 0 {
        return Ok(data as u32);
    }
    let lane = Target::of_context(contexts::number(context)?).lane;
    Ok(with_primary(lane as usize, |primary| primary.flags))
}

pub unsafe fn cuCtxGetFlags(flags: *mut u32) -> Result<(), CudaError> {
    contexts::current()?;
    let set = flags_of(contexts::current_handle())?;
    unsafe { put(flags, set) }
}

pub unsafe fn cuCtxSetFlags(flags: u32) -> Result<(), CudaError> {
    let target = contexts::current()?;
    if flags & !FLAGS != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let context = contexts::current_handle();
    if objects::data(Kind::Context, context)? >> 63 != 0 {
        objects::set_data(Kind::Context, context, u64::from(flags) | 1 << 63);
    } else {
        with_primary(target.lane as usize, |primary| primary.flags = flags);
    }
    Ok(())
}

pub unsafe fn cuCtxGetId(ctx: u64, ctxId: *mut u64) -> Result<(), CudaError> {
    let context = if ctx == 0 {
        contexts::current_handle()
    } else {
        ctx
    };
    handle(Kind::Context, context)?;
    // Index and generation name a context for the life of the process.
    unsafe { put(ctxId, context & 0xffff_ffff_ffff) }
}

pub unsafe fn cuCtxSynchronize() -> Result<(), CudaError> {
    synchronize(contexts::current()?)
}

pub unsafe fn cuCtxSynchronize_v2(ctx: u64) -> Result<(), CudaError> {
    synchronize(Target::of_context(contexts::number(ctx)?))
}

fn synchronize(target: Target) -> Result<(), CudaError> {
    completion::waited_for_context(target, |target| called(op::CU_CTX_SYNCHRONIZE, target, 0, |_| (), |_| Ok(())))
}

pub unsafe fn cuCtxRecordEvent(hCtx: u64, hEvent: u64) -> Result<(), CudaError> {
    completion::recorded_elsewhere(hEvent)?;
    unsafe { crate::generated::context::auto_cuCtxRecordEvent(hCtx, hEvent) }
}

pub unsafe fn cuCtxGetApiVersion(ctx: u64, version: *mut u32) -> Result<(), CudaError> {
    if ctx == 0 {
        contexts::current().map(|_| ())?
    } else {
        handle(Kind::Context, ctx).map(|_| ())?
    }
    unsafe { put(version, 3020) }
}

pub unsafe fn cuCtxAttach(pctx: *mut u64, flags: u32) -> Result<(), CudaError> {
    if flags != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    contexts::current()?;
    unsafe { put(pctx, contexts::current_handle()) }
}

pub unsafe fn cuCtxDetach(ctx: u64) -> Result<(), CudaError> {
    handle(Kind::Context, ctx).map(|_| ())
}
