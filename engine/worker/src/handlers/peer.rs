//! Access of the current context to the memory of another.

use crate::cx::{Cx, Failure, Outcome};
use crate::{driver_call, translate};
use ringway_wire::codec::Reader;

pub fn cuCtxEnablePeerAccess(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let (peer, flags) = (translate::context(cx, r.u64()?)?, r.u32()?);
        r.end()?;
        Ok(driver_call!(cx.driver, cuCtxEnablePeerAccess(peer, flags))?)
    };
    body(cx, r).into()
}

pub fn cuCtxDisablePeerAccess(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let peer = translate::context(cx, r.u64()?)?;
        r.end()?;
        Ok(driver_call!(cx.driver, cuCtxDisablePeerAccess(peer))?)
    };
    body(cx, r).into()
}
