//! Graphs.

use crate::cx::{Cx, Failure, Handled, Outcome};
use crate::driver_call;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Reader, Writer as _};

/// Nodes of a graph at the most that are listed.
const NODES_MAX: usize = 60_000;

pub fn cuGraphInstantiate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let id = r.u64()?;
        let graph = cx.handle(Kind::Graph, r.u64()?)?;
        let flags = r.u64()?;
        r.end()?;
        let context = cx.header.ctx;
        cx.offload(move |session, reply| {
            let mut exec = 0u64;
            let result = driver_call!(session.driver, cuGraphInstantiateWithFlags(&raw mut exec, graph, flags))
                .and_then(|()| session.handles.insert(Kind::GraphExec, id, exec, context));
            reply.result(session, result);
        })
    };
    body(cx, r).into()
}

fn list(cx: &mut Cx<'_>, r: &mut Reader<'_>, roots: bool) -> Result<(), Failure> {
    let graph = cx.handle(Kind::Graph, r.u64()?)?;
    r.end()?;
    let driver = cx.driver;
    let get = |to: *mut u64, count: &mut usize| {
        if roots { driver_call!(driver, cuGraphGetRootNodes(graph, to, count)) } else { driver_call!(driver, cuGraphGetNodes(graph, to, count)) }
    };
    let mut count = 0usize;
    get(std::ptr::null_mut(), &mut count)?;
    if count > NODES_MAX {
        return Err(CudaError::NOT_SUPPORTED.into());
    }
    let mut nodes = vec![0u64; count];
    get(nodes.as_mut_ptr(), &mut count)?;
    nodes.truncate(count);
    cx.reply.u32(nodes.len() as u32);
    for node in nodes {
        let id = cx.found(Kind::GraphNode, node)?;
        cx.reply.u64(id);
    }
    Ok(())
}

pub fn cuGraphGetNodes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    list(cx, r, false).into()
}

pub fn cuGraphGetRootNodes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    list(cx, r, true).into()
}

pub fn cuGraphExecUpdate_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let exec = cx.handle(Kind::GraphExec, r.u64()?)?;
        let graph = cx.handle(Kind::Graph, r.u64()?)?;
        r.end()?;
        // CUgraphExecUpdateResultInfo: result, error node, error's other node.
        let mut info = [0u64; 3];
        let result = driver_call!(cx.driver, cuGraphExecUpdate_v2(exec, graph, info.as_mut_ptr().cast()));
        cx.reply.u32(result.err().map_or(0, CudaError::code));
        cx.reply.u32(info[0] as u32);
        Ok(())
    };
    body(cx, r).into()
}
