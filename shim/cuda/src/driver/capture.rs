//! Stream capture. The server captures; here it is only known whether any capture is under way, so that asking waits for
//! nothing while there is none.

use super::{put, put_if};
use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, create, found, handle, stream};
use ringway_wire::codec::Writer as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// Captures under way.
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// Whether any capture is under way in this process.
pub(crate) fn any() -> bool {
    ACTIVE.load(Ordering::Relaxed) > 0
}

pub unsafe fn cuStreamBeginCapture(hStream: u64, mode: u32) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    if mode > 2 {
        return Err(CudaError::INVALID_VALUE);
    }
    called(
        op::CU_STREAM_BEGIN_CAPTURE,
        on.target,
        12,
        |w| {
            w.u64(on.id);
            w.u32(mode);
        },
        |_| Ok(()),
    )?;
    ACTIVE.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(0) };
}

pub unsafe fn cuThreadExchangeStreamCaptureMode(mode: *mut u32) -> Result<(), CudaError> {
    if mode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let new = unsafe { mode.read_unaligned() };
    if new > 2 {
        return Err(CudaError::INVALID_VALUE);
    }
    unsafe { put(mode, MODE.replace(new)) }
}

pub unsafe fn cuStreamEndCapture(hStream: u64, phGraph: *mut u64) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    if phGraph.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let graph = create(Kind::Graph, on.target)?;
    let ended = called(
        op::CU_STREAM_END_CAPTURE,
        on.target,
        16,
        |w| {
            w.u64(on.id);
            w.u64(graph.id());
        },
        |_| Ok(()),
    );
    if !matches!(
        ended,
        Err(CudaError::ILLEGAL_STATE
            | CudaError::STREAM_CAPTURE_WRONG_THREAD
            | CudaError::STREAM_CAPTURE_UNMATCHED)
    ) {
        let _ = ACTIVE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |active| {
            active.checked_sub(1)
        });
    }
    ended?;
    unsafe { put(phGraph, graph.keep()) }
}

fn status(hStream: u64) -> Result<(u32, u64), CudaError> {
    let on = stream(hStream)?;
    if !any() {
        return Ok((0, 0));
    }
    called(
        op::CU_STREAM_GET_CAPTURE_INFO,
        on.target,
        8,
        |w| w.u64(on.id),
        |r| Ok((r.u32()?, r.u64()?)),
    )
}

pub unsafe fn cuStreamIsCapturing(hStream: u64, captureStatus: *mut u32) -> Result<(), CudaError> {
    let (state, _) = status(hStream)?;
    unsafe { put(captureStatus, state) }
}

pub unsafe fn cuStreamGetCaptureInfo(
    hStream: u64,
    captureStatus_out: *mut u32,
    id_out: *mut u64,
) -> Result<(), CudaError> {
    let (state, id) = status(hStream)?;
    unsafe { put(captureStatus_out, state) }?;
    unsafe { put_if(id_out, id) };
    Ok(())
}

thread_local! {
    /// Where the arrays are that the last question of this thread was answered with.
    static ANSWER: RefCell<(Vec<u64>, Vec<u64>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

pub unsafe fn cuStreamGetCaptureInfo_v3(
    hStream: u64,
    captureStatus_out: *mut u32,
    id_out: *mut u64,
    graph_out: *mut u64,
    dependencies_out: *mut c_void,
    edgeData_out: *mut c_void,
    numDependencies_out: *mut usize,
) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    if captureStatus_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let (state, id, graph, nodes) = if any() {
        called(
            op::CU_STREAM_GET_CAPTURE_INFO_V3,
            on.target,
            8,
            |w| w.u64(on.id),
            |r| {
                let (state, id, graph, count) = (r.u32()?, r.u64()?, r.u64()?, r.u32()?);
                let nodes = (0..count).map(|_| r.u64()).collect::<Result<Vec<_>, _>>()?;
                Ok((state, id, graph, nodes))
            },
        )?
    } else {
        (0, 0, 0, Vec::new())
    };
    unsafe { put(captureStatus_out, state) }?;
    if state != 1 {
        return Ok(());
    }
    let graph = found(Kind::Graph, graph, on.target)?;
    let nodes = nodes.into_iter().map(|node| found(Kind::GraphNode, node, on.target)).collect::<Result<Vec<_>, _>>()?;
    unsafe {
        put_if(id_out, id);
        put_if(graph_out, graph);
        put_if(numDependencies_out, nodes.len());
    }
    // The arrays belong to the driver until the next call on the stream (CUDA driver API, cuStreamGetCaptureInfo).
    ANSWER.with_borrow_mut(|(list, edges)| {
        // CUgraphEdgeData is eight bytes, all zero for a plain dependency.
        *edges = vec![0; nodes.len()];
        *list = nodes;
        unsafe {
            put_if(dependencies_out.cast(), list.as_ptr());
            put_if(edgeData_out.cast(), edges.as_ptr());
        }
    });
    Ok(())
}

pub unsafe fn cuStreamGetCaptureInfo_v2(
    hStream: u64,
    captureStatus_out: *mut u32,
    id_out: *mut u64,
    graph_out: *mut u64,
    dependencies_out: *mut c_void,
    numDependencies_out: *mut usize,
) -> Result<(), CudaError> {
    let none = core::ptr::null_mut();
    unsafe {
        cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, graph_out, dependencies_out, none, numDependencies_out)
    }
}

pub unsafe fn cuStreamUpdateCaptureDependencies(
    hStream: u64,
    dependencies: *mut u64,
    numDependencies: usize,
    flags: u32,
) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    let list = unsafe { ringway_client::slice(dependencies.cast_const(), numDependencies) }?;
    for node in list {
        handle(Kind::GraphNode, *node)?;
    }
    called(
        op::CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES,
        on.target,
        16 + 8 * list.len(),
        |w| {
            w.u64(on.id);
            w.u32(flags);
            w.u32(list.len() as u32);
            for node in list {
                w.u64(*node);
            }
        },
        |_| Ok(()),
    )
}

pub unsafe fn cuStreamUpdateCaptureDependencies_v2(
    hStream: u64,
    dependencies: *mut u64,
    dependencyData: *const c_void,
    numDependencies: usize,
    flags: u32,
) -> Result<(), CudaError> {
    let edges = unsafe { ringway_client::slice(dependencyData.cast::<[u8; 8]>(), if dependencyData.is_null() { 0 } else { numDependencies }) }?;
    if edges.iter().any(|edge| *edge != [0; 8]) {
        // Programmatic dependencies.
        return Err(CudaError::NOT_SUPPORTED);
    }
    unsafe { cuStreamUpdateCaptureDependencies(hStream, dependencies, numDependencies, flags) }
}
