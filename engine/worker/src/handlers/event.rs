//! Events: asking and waiting. A wait is polled by the GPU thread and never made there.

use super::stream::answer_query;
use crate::cx::{Cx, Handled, Outcome, Target};
use crate::driver_call;
use ringway_api::Kind;
use ringway_wire::codec::Reader;

pub fn cuEventQuery(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let event = cx.handle(Kind::Event, r.u64()?)?;
        r.end()?;
        let result = driver_call!(cx.driver, cuEventQuery(event));
        Ok(answer_query(cx, result))
    };
    body(cx, r).into()
}

pub fn cuEventSynchronize(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let event = cx.handle(Kind::Event, r.u64()?)?;
        r.end()?;
        cx.wait_for(Target::Event(event))
    };
    body(cx, r).into()
}
