//! Graphs: the update of an executable one, which answers in its result. Everything else about whole graphs is generated.

use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Reader, Writer as _};

pub fn cuGraphExecUpdate_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let exec = cx.handle(Kind::GraphExec, r.u64()?)?;
        let graph = cx.handle(Kind::Graph, r.u64()?)?;
        r.end()?;
        // CUgraphExecUpdateResultInfo: result, error node, error's other node.
        let mut info = [0u64; 3];
        let result = driver_call!(
            cx.driver,
            cuGraphExecUpdate_v2(exec, graph, info.as_mut_ptr().cast())
        );
        cx.reply.u32(result.err().map_or(0, CudaError::code));
        cx.reply.u32(info[0] as u32);
        Ok(())
    };
    body(cx, r).into()
}
