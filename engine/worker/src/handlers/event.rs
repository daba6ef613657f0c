//! Events: asking, waiting and the end of one. A wait is polled by the GPU thread and never made there.

use super::stream::answer_query;
use crate::cx::{Cx, Failure, Handled, Outcome, Target};
use crate::driver_call;
use ringway_api::Kind;
use ringway_wire::codec::Reader;

pub fn cuEventQuery(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let (id, ticket) = (r.u64()?, r.u64()?);
        r.end()?;
        let event = cx.handle(Kind::Event, id)?;
        let result = driver_call!(cx.driver, cuEventQuery(event));
        answer_query(cx, (id, event, ticket), result)
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

pub fn cuEventDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        r.end()?;
        let event = cx.handle(Kind::Event, id)?;
        cx.session.watches.forget(id);
        driver_call!(cx.driver, cuEventDestroy(event))?;
        cx.remove(Kind::Event, id);
        Ok(())
    };
    body(cx, r).into()
}
