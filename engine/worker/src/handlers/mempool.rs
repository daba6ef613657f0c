//! Stream-ordered allocation, counted against the slice like any other; and attributes of pools.

use super::memory::allocate;
use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use ringway_api::Kind;
use ringway_wire::codec::{Reader, Writer as _};

pub fn cuMemAllocAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let (bytes, stream) = (r.usize()?, cx.stream(r.u64()?)?);
        r.end()?;
        let address = allocate(cx, bytes as u64, |cx| {
            let mut address = 0u64;
            driver_call!(cx.driver, cuMemAllocAsync(&raw mut address, bytes, stream))?;
            Ok(address)
        })?;
        cx.reply.u64(address);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuMemAllocFromPoolAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let bytes = r.usize()?;
        let pool = cx.handle(Kind::MemPool, r.u64()?)?;
        let stream = cx.stream(r.u64()?)?;
        r.end()?;
        let address = allocate(cx, bytes as u64, |cx| {
            let mut address = 0u64;
            driver_call!(
                cx.driver,
                cuMemAllocFromPoolAsync(&raw mut address, bytes, pool, stream)
            )?;
            Ok(address)
        })?;
        cx.reply.u64(address);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuMemFreeAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let (address, stream) = (r.u64()?, cx.stream(r.u64()?)?);
        r.end()?;
        driver_call!(cx.driver, cuMemFreeAsync(address, stream))?;
        // Counted as free when the free is in the stream: what comes later in the stream may have it.
        cx.session.discharge(address);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuMemPoolSetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let pool = cx.handle(Kind::MemPool, r.u64()?)?;
        let attribute = r.u32()?;
        let mut value = r.u64()?;
        r.end()?;
        // Four-byte values lie in the low half, which comes first in memory.
        Ok(driver_call!(
            cx.driver,
            cuMemPoolSetAttribute(pool, attribute, (&raw mut value).cast())
        )?)
    };
    body(cx, r).into()
}

pub fn cuMemPoolGetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let pool = cx.handle(Kind::MemPool, r.u64()?)?;
        let attribute = r.u32()?;
        r.end()?;
        let mut value = 0u64;
        driver_call!(
            cx.driver,
            cuMemPoolGetAttribute(pool, attribute, (&raw mut value).cast())
        )?;
        cx.reply.u64(value);
        Ok(())
    };
    body(cx, r).into()
}
