//! Streams: asking, waiting, callbacks. A question that is answered with "done" delivers first what the stream copied to
//! the client, as a wait does.

use crate::cx::{Cx, Failure, Handled, Outcome, Target};
use crate::driver_call;
use crate::handlers::launch::host_function;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::Reader;

pub fn cuStreamSynchronize(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let stream = cx.stream(r.u64()?)?;
        r.end()?;
        cx.wait_for(Target::Stream(stream))
    };
    body(cx, r).into()
}

/// Answers a question for completion: success means that everything covered has been delivered. Where the answer is "not ready" and
/// the client gave a ticket, it is told when that changes. `asked`: id, the driver's handle, and the ticket, 0 for none.
pub(super) fn answer_query(cx: &mut Cx<'_>, asked: (u64, u64, u64), result: Result<(), CudaError>) -> Handled {
    if result == Err(CudaError::NOT_READY) {
        let (id, raw, ticket) = asked;
        if ticket != 0 {
            cx.watch(id, raw, ticket)?;
        }
        return Err(CudaError::NOT_READY.into());
    }
    if !cx.session.downloads.any() {
        cx.reply_to().send_synchronised(cx.session, result, &[]);
        return Ok(Outcome::Later);
    }
    cx.offload(move |session, reply| reply.send_synchronised(session, result, &[]))
}

pub fn cuStreamQuery(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let (id, ticket) = (r.u64()?, r.u64()?);
        r.end()?;
        let stream = cx.stream(id)?;
        let result = driver_call!(cx.driver, cuStreamQuery(stream));
        answer_query(cx, (id, stream, ticket), result)
    };
    body(cx, r).into()
}

pub fn cuStreamDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        r.end()?;
        let stream = cx.handle(Kind::Stream, id)?;
        cx.session.watches.forget(id);
        let has_work = driver_call!(cx.driver, cuStreamQuery(stream)) == Err(CudaError::NOT_READY);
        if has_work {
            cx.session.leaves_work(cx.header.ctx);
        }
        cx.stream_ends(stream, has_work);
        driver_call!(cx.driver, cuStreamDestroy(stream))?;
        cx.remove(Kind::Stream, id);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuStreamAddCallback(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let id = r.u64()?;
        r.end()?;
        Ok(host_function(cx, stream, id, true)?)
    };
    body(cx, r).into()
}
