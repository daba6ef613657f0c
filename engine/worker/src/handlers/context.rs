//! Contexts: made and destroyed under the client's numbers. What lived in one (handles, charges, events for copies) is
//! forgotten with it. Which one is current is the client's affair; `Cx::enter` follows it record by record.

use crate::cx::{Cx, Failure, Handled, Outcome, Target};
use crate::driver_call;
use crate::overhead::When;
use crate::session::{Context, Session};
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::Reader;

/// Contexts are numbered by the client below this.
const NUMBERS: u32 = 4096;

fn number(r: &mut Reader<'_>) -> Result<u32, Failure> {
    let number = r.u32()?;
    if number == 0 || number >= NUMBERS {
        return Err(CudaError::INVALID_CONTEXT.into());
    }
    Ok(number)
}

pub fn cuDevicePrimaryCtxRetain(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let ordinal = r.i32()?;
        let device = cx.device(ordinal)?;
        let (number, flags) = (number(r)?, r.u32()?);
        r.end()?;
        if flags != 0 {
            // Refused where the context is active already with others; CUDA's own rule, and no reason to fail here.
            let _ = driver_call!(cx.driver, cuDevicePrimaryCtxSetFlags(device, flags));
        }
        let mut raw = 0u64;
        driver_call!(cx.driver, cuDevicePrimaryCtxRetain(&raw mut raw, device))?;
        if !cx.session.has_room(ordinal as usize) {
            let _ = driver_call!(cx.driver, cuDevicePrimaryCtxRelease(device));
            cx.session.count_overhead(ordinal as usize, When::Now);
            return Err(CudaError::OUT_OF_MEMORY.into());
        }
        cx.session.put_context(
            number,
            Context {
                raw,
                gpu: ordinal as usize,
                primary: true,
            },
        );
        Ok(())
    };
    body(cx, r).into()
}

/// What lived in a context is forgotten with it.
/// Before a context is destroyed: waits for its copies, whose memory goes with it, so that none finds it afterwards.
fn end_copies(session: &Session, number: u32, context: &Context) {
    session.transfers.end_context(&session.driver, number, context.raw);
    if driver_call!(session.driver, cuCtxSetCurrent(context.raw)).is_ok() {
        session.downloads.end_context(&session.driver, context.raw);
        let _ = driver_call!(session.driver, cuCtxSetCurrent(0));
    } else {
        session.downloads.end_context(&session.driver, context.raw);
    }
}

fn forget(session: &Session, number: u32, context: &Context) {
    for kind in Kind::ALL {
        session.handles.take_context(kind, number);
    }
    session.downloads.forget_context(context.raw);
    session.discharge_context(number);
    session.count_overhead(context.gpu, When::Now);
    session.levels.forget_context(number);
}

pub fn cuDevicePrimaryCtxReset(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let device = cx.device(r.i32()?)?;
        let number = number(r)?;
        r.end()?;
        let context = cx.session.take_context(number)?;
        cx.session.watches.forget_context(number);
        *cx.current = 0;
        cx.offload(move |session, reply| {
            end_copies(session, number, &context);
            // Retained once by this session; reset ends it whatever else holds it.
            let result = driver_call!(session.driver, cuDevicePrimaryCtxReset(device))
                .and_then(|()| driver_call!(session.driver, cuDevicePrimaryCtxRelease(device)));
            forget(session, number, &context);
            reply.result(session, result);
        })
    };
    body(cx, r).into()
}

pub fn cuCtxCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let ordinal = r.i32()?;
        let device = cx.device(ordinal)?;
        let (number, flags) = (number(r)?, r.u32()?);
        r.end()?;
        let mut raw = 0u64;
        driver_call!(cx.driver, cuCtxCreate(&raw mut raw, flags, device))?;
        if !cx.session.has_room(ordinal as usize) {
            let _ = driver_call!(cx.driver, cuCtxDestroy(raw));
            *cx.current = 0;
            cx.session.count_overhead(ordinal as usize, When::Now);
            return Err(CudaError::OUT_OF_MEMORY.into());
        }
        // Creation pushed it on this thread.
        *cx.current = raw;
        cx.session.put_context(
            number,
            Context {
                raw,
                gpu: ordinal as usize,
                primary: false,
            },
        );
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuCtxDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let number = number(r)?;
        r.end()?;
        let context = cx.session.take_context(number)?;
        if context.primary {
            cx.session.put_context(number, context);
            return Err(CudaError::INVALID_CONTEXT.into());
        }
        cx.session.watches.forget_context(number);
        *cx.current = 0;
        driver_call!(cx.driver, cuCtxSetCurrent(0))?;
        cx.offload(move |session, reply| {
            end_copies(session, number, &context);
            let result = driver_call!(session.driver, cuCtxDestroy(context.raw));
            forget(session, number, &context);
            reply.result(session, result);
        })
    };
    body(cx, r).into()
}

pub fn cuCtxSynchronize(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        r.end()?;
        let number = cx.header.ctx;
        if let Some(left) = cx.session.left_work(number) {
            // Work of streams that are gone: only the driver knows of it.
            return cx.offload(move |session, reply| {
                let result = driver_call!(session.driver, cuCtxSynchronize());
                if result.is_ok() {
                    session.left_work_is_done(number, left);
                }
                reply.send_synchronised(session, result, &[]);
            });
        }
        let mut streams = cx.session.handles.of_context(Kind::Stream, cx.header.ctx);
        streams.push(0);
        cx.wait_for(Target::Context(streams))
    };
    body(cx, r).into()
}
