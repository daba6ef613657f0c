//! Device memory, counted against the slice.

use crate::cx::{Cx, Failure, Handled, Outcome};
use crate::driver_call;
use ringway_api::CudaError;
use ringway_wire::call::Status;
use ringway_wire::codec::{Reader, Writer as _};

/// What an allocation takes of the slice: drivers give memory in multiples of this many bytes.
const GRAIN: u64 = 512;

/// Bytes that an allocation is charged.
pub(super) fn charged(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(GRAIN).unwrap_or(u64::MAX)
}

pub fn cuMemGetInfo(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        r.end()?;
        let gpu = cx.context()?.gpu;
        if cx.session.is_unloading() {
            // Modules that were unloaded before have no memory any more.
            return cx.offload(move |session, reply| {
                session.wait_for_unloads();
                let (free, total) = session.memory(gpu);
                let mut answer = Cx::answer();
                answer.u64(free);
                answer.u64(total);
                reply.send(session, Status::of(0), answer.as_slice());
            });
        }
        let (free, total) = cx.session.memory(gpu);
        cx.reply.u64(free);
        cx.reply.u64(total);
        Ok(Outcome::Done)
    };
    body(cx, r).into()
}

/// Reserves, allocates by `allocate`, and charges the result.
pub(super) fn allocate(
    cx: &mut Cx<'_>,
    bytes: u64,
    allocate: impl FnOnce(&mut Cx<'_>) -> Result<u64, CudaError>,
) -> Result<u64, CudaError> {
    let gpu = cx.context()?.gpu;
    let charge = charged(bytes);
    if !cx.session.reserve(gpu, charge) {
        return Err(CudaError::OUT_OF_MEMORY);
    }
    match allocate(cx) {
        Ok(address) => {
            cx.session.charge(address, cx.header.ctx, gpu, charge);
            Ok(address)
        }
        Err(code) => {
            cx.session.unreserve(gpu, charge);
            Err(code)
        }
    }
}

pub fn cuMemAlloc(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let bytes = r.usize()?;
        r.end()?;
        let address = allocate(cx, bytes as u64, |cx| {
            let mut address = 0u64;
            driver_call!(cx.driver, cuMemAlloc(&raw mut address, bytes))?;
            let gpu = cx.context()?.gpu;
            let device = cx.device(gpu as i32)?;
            cx.session.transfers.allocated(cx.driver, device, (cx.header.ctx, gpu), address, bytes as u64);
            Ok(address)
        })?;
        cx.reply.u64(address);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuMemFree(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let address = r.u64()?;
        r.end()?;
        let registered = cx.session.transfers.forget(address);
        // Freeing waits for the work that uses the memory.
        cx.offload(move |session, reply| {
            session.transfers.end(&session.driver, registered);
            let result = driver_call!(session.driver, cuMemFree(address));
            if result.is_ok() {
                session.discharge(address);
            }
            reply.send_synchronised(session, result, &[]);
        })
    };
    body(cx, r).into()
}
