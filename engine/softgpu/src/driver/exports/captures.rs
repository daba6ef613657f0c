//! Stream capture.

use crate::driver::abi::*;
use crate::driver::capture;
use crate::driver::entry::export;
use crate::driver::graph::GRAPHS;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::{find, resolve};

export! {
    cuStreamBeginCapture [cuStreamBeginCapture_v2] [cuStreamBeginCapture_v2_ptsz] |d| (hStream: CUstream, mode: u32) {
        capture::begin(&resolve(hStream, d)?.0, mode, None)
    }
    cuStreamBeginCapture_v1 [cuStreamBeginCapture] [cuStreamBeginCapture_ptsz] |d| (hStream: CUstream) {
        capture::begin(&resolve(hStream, d)?.0, capture::GLOBAL, None)
    }
    cuStreamBeginCaptureToGraph [cuStreamBeginCaptureToGraph] [cuStreamBeginCaptureToGraph_ptsz] |d| (hStream: CUstream, hGraph: CUgraph, dependencies: In<CUgraphNode>,
        _dependencyData: In<CUgraphEdgeData>, numDependencies: usize, mode: u32) {
        let graph = GRAPHS.get(hGraph.0)?;
        let deps = dependencies.list(numDependencies)?.into_iter().map(|n| n.0).collect();
        capture::begin(&resolve(hStream, d)?.0, mode, Some((graph, deps)))
    }
    cuStreamEndCapture [cuStreamEndCapture] [cuStreamEndCapture_ptsz] |d| (hStream: CUstream, phGraph: Out<CUgraph>) {
        phGraph.put(CUgraph(0))?;
        let graph = capture::end(&find(hStream, d)?)?;
        phGraph.put(CUgraph(graph.handle))
    }
    cuStreamIsCapturing [cuStreamIsCapturing] [cuStreamIsCapturing_ptsz] |d| (hStream: CUstream, captureStatus: Out<u32>) {
        captureStatus.put(capture::status(&find(hStream, d)?))
    }
    cuThreadExchangeStreamCaptureMode [cuThreadExchangeStreamCaptureMode] [] |_d| (mode: Out<u32>) {
        let wanted = mode.current().ok_or(CUresult::INVALID_VALUE)?;
        mode.put(capture::exchange_mode(wanted)?)
    }
    cuStreamGetCaptureInfo_v1 [cuStreamGetCaptureInfo] [cuStreamGetCaptureInfo_ptsz] |d| (hStream: CUstream, captureStatus_out: Out<u32>, id_out: Out<u64>) {
        captureStatus_out.required()?;
        info(hStream, d, captureStatus_out, id_out, Out::NULL, Out::NULL, Out::NULL, Out::NULL)
    }
    cuStreamGetCaptureInfo_v2 [cuStreamGetCaptureInfo_v2] [cuStreamGetCaptureInfo_v2_ptsz] |d| (hStream: CUstream, captureStatus_out: Out<u32>, id_out: Out<u64>,
        graph_out: Out<CUgraph>, dependencies_out: Out<Host>, numDependencies_out: Out<usize>) {
        captureStatus_out.required()?;
        info(hStream, d, captureStatus_out, id_out, graph_out, dependencies_out, Out::NULL, numDependencies_out)
    }
    cuStreamGetCaptureInfo [cuStreamGetCaptureInfo_v3] [cuStreamGetCaptureInfo_v3_ptsz] |d| (hStream: CUstream, captureStatus_out: Out<u32>, id_out: Out<u64>,
        graph_out: Out<CUgraph>, dependencies_out: Out<Host>, edgeData_out: Out<Host>, numDependencies_out: Out<usize>) {
        captureStatus_out.required()?;
        info(hStream, d, captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out, numDependencies_out)
    }
    cuStreamUpdateCaptureDependencies [cuStreamUpdateCaptureDependencies] [cuStreamUpdateCaptureDependencies_ptsz] |d| (hStream: CUstream, dependencies: In<CUgraphNode>, numDependencies: usize, flags: u32) {
        update(hStream, d, dependencies, numDependencies, flags)
    }
    cuStreamUpdateCaptureDependencies_v2 [cuStreamUpdateCaptureDependencies_v2] [cuStreamUpdateCaptureDependencies_v2_ptsz] |d| (hStream: CUstream, dependencies: In<CUgraphNode>, _dependencyData: In<CUgraphEdgeData>, numDependencies: usize, flags: u32) {
        update(hStream, d, dependencies, numDependencies, flags)
    }
}

fn update(handle: CUstream, default: CUstream, dependencies: In<CUgraphNode>, count: usize, flags: u32) -> R {
    ensure(flags <= 1, CUresult::INVALID_VALUE)?;
    let deps = dependencies.list(count)?.into_iter().map(|n| n.0).collect();
    capture::update(&find(handle, default)?, deps, flags == 1)
}

#[allow(clippy::too_many_arguments)]
fn info(handle: CUstream, default: CUstream, status: Out<u32>, id: Out<u64>, graph: Out<CUgraph>, deps: Out<Host>, edges: Out<Host>, count: Out<usize>) -> R {
    let stream = find(handle, default)?;
    let state = capture::status(&stream);
    status.put(state)?;
    if state != 1 {
        return Ok(());
    }
    let mut capture = stream.capture.lock();
    let Some(capture) = capture.as_mut() else { return status.put(0) };
    id.give(capture.session.id);
    graph.give(CUgraph(capture.session.graph.handle));
    capture.exposed = (capture.deps.clone(), vec![CUgraphEdgeData::default(); capture.deps.len()]);
    deps.give(Host::of(capture.exposed.0.as_ptr()));
    edges.give(Host::of(capture.exposed.1.as_ptr()));
    count.give(capture.deps.len());
    Ok(())
}
