//! Stream capture. Always relaxed: the stricter modes forbid calls that this process makes for other threads of the
//! program at the same time.

use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Malformed, Reader, Writer as _};
use std::sync::atomic::Ordering;

/// `CU_STREAM_CAPTURE_MODE_RELAXED`.
const RELAXED: u32 = 2;

pub fn cuStreamBeginCapture(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let mode = r.u32()?;
        r.end()?;
        if mode > RELAXED {
            return Err(Malformed::Value(u64::from(mode)).into());
        }
        driver_call!(cx.driver, cuStreamBeginCapture(stream, RELAXED))?;
        cx.session.captures.fetch_add(1, Ordering::AcqRel);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuStreamEndCapture(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let id = r.u64()?;
        r.end()?;
        let mut graph = 0u64;
        let result = driver_call!(cx.driver, cuStreamEndCapture(stream, &raw mut graph));
        if result != Err(CudaError::ILLEGAL_STATE) {
            let _ =
                cx.session
                    .captures
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                        count.checked_sub(1)
                    });
        }
        result?;
        Ok(cx.insert(Kind::Graph, id, graph)?)
    };
    body(cx, r).into()
}

pub fn cuStreamGetCaptureInfo(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        r.end()?;
        let (mut status, mut id) = (0u32, 0u64);
        driver_call!(
            cx.driver,
            cuStreamGetCaptureInfo(stream, &raw mut status, &raw mut id)
        )?;
        cx.reply.u32(status);
        cx.reply.u64(id);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuStreamGetCaptureInfo_v3(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        r.end()?;
        let (mut status, mut id, mut graph, mut count) = (0u32, 0u64, 0u64, 0usize);
        let mut nodes: *const u64 = std::ptr::null();
        // The second form has no edge data, which older drivers lack.
        driver_call!(
            cx.driver,
            cuStreamGetCaptureInfo_v2(
                stream,
                &raw mut status,
                &raw mut id,
                &raw mut graph,
                (&raw mut nodes).cast(),
                &raw mut count
            )
        )?;
        cx.reply.u32(status);
        cx.reply.u64(id);
        if status != 1 {
            cx.reply.u64(0);
            cx.reply.u32(0);
            return Ok(());
        }
        let graph = cx.found(Kind::Graph, graph)?;
        cx.reply.u64(graph);
        cx.reply.u32(count as u32);
        for index in 0..count {
            // SAFETY: the driver gave `count` nodes there, valid until the next call on the stream.
            let node = unsafe { nodes.add(index).read() };
            let node = cx.found(Kind::GraphNode, node)?;
            cx.reply.u64(node);
        }
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuStreamUpdateCaptureDependencies(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let flags = r.u32()?;
        let count = r.u32()? as usize;
        if r.left() / 8 < count {
            return Err(Malformed::TooShort { wanted: count.saturating_mul(8), left: r.left() }.into());
        }
        let mut nodes = (0..count)
            .map(|_| Ok(cx.handle(Kind::GraphNode, r.u64()?)?))
            .collect::<Result<Vec<u64>, Failure>>()?;
        r.end()?;
        Ok(driver_call!(cx.driver, cuStreamUpdateCaptureDependencies(stream, nodes.as_mut_ptr(), nodes.len(), flags))?)
    };
    body(cx, r).into()
}
