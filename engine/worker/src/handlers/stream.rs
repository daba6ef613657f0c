//! Streams: asking, waiting, callbacks. A question that is answered with "done" delivers first what the stream copied to
//! the client, as a wait does.

use crate::cx::{Cx, Failure, Handled, Outcome, Target};
use crate::driver_call;
use crate::handlers::launch::host_function;
use ringway_api::CudaError;
use ringway_wire::codec::Reader;

pub fn cuStreamSynchronize(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let stream = cx.stream(r.u64()?)?;
        r.end()?;
        cx.wait_for(Target::Stream(stream))
    };
    body(cx, r).into()
}

/// Answers a question for completion: success means that everything covered has been delivered.
pub(super) fn answer_query(cx: &mut Cx<'_>, result: Result<(), CudaError>) -> Outcome {
    if result == Err(CudaError::NOT_READY) || !cx.session.downloads.any() {
        let reply = cx.reply_to();
        if result == Err(CudaError::NOT_READY) {
            return Outcome::Failed(CudaError::NOT_READY);
        }
        reply.send_synchronised(cx.session, result, &[]);
        return Outcome::Later;
    }
    cx.offload(move |session, reply| reply.send_synchronised(session, result, &[]))
        .into()
}

pub fn cuStreamQuery(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let stream = cx.stream(r.u64()?)?;
        r.end()?;
        let result = driver_call!(cx.driver, cuStreamQuery(stream));
        Ok(answer_query(cx, result))
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
