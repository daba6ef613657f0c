//! Events: recording, waiting and asking. What is known of each without asking is `ringway_client::completion`'s.

use super::capture;
use crate::generated::{event as generated, graph_node as nodes};
use ringway_api::{CudaError, Kind, op};
use ringway_client::servers::{are_apart, are_several};
use ringway_client::{called, completion, handle, stream};
use ringway_wire::codec::Writer as _;

/// `CU_EVENT_RECORD_EXTERNAL`: where the stream is captured, a graph will record the event.
const EXTERNAL: u32 = 1;

/// An event is recorded in streams of its own context only; what another server has to do with it is known here.
#[cold]
fn check(event: u64, on: u64) -> Result<(), CudaError> {
    if are_apart(handle(Kind::Event, event)?.target.lane, stream(on)?.target.lane) {
        return Err(CudaError::INVALID_HANDLE);
    }
    Ok(())
}

pub unsafe fn cuEventRecord(hEvent: u64, hStream: u64) -> Result<(), CudaError> {
    if are_several() {
        check(hEvent, hStream)?;
    }
    completion::recorded(hEvent, !capture::any(), || unsafe { generated::auto_cuEventRecord(hEvent, hStream) })
}

pub unsafe fn cuEventRecordWithFlags(hEvent: u64, hStream: u64, flags: u32) -> Result<(), CudaError> {
    if are_several() {
        check(hEvent, hStream)?;
    }
    if flags & EXTERNAL != 0 {
        completion::recorded_elsewhere(hEvent)?;
    }
    completion::recorded(hEvent, !capture::any(), || unsafe { generated::auto_cuEventRecordWithFlags(hEvent, hStream, flags) })
}

pub unsafe fn cuEventQuery(hEvent: u64) -> Result<(), CudaError> {
    completion::query_event(handle(Kind::Event, hEvent)?)
}

pub unsafe fn cuEventSynchronize(hEvent: u64) -> Result<(), CudaError> {
    let event = handle(Kind::Event, hEvent)?;
    completion::waited_for_event(event, |target| {
        called(op::CU_EVENT_SYNCHRONIZE, target, 8, |w| w.u64(event.id), |_| Ok(()))
    })
}

// Graphs that record events, at each launch.

pub unsafe fn cuGraphAddEventRecordNode(
    phGraphNode: *mut u64,
    hGraph: u64,
    dependencies: *const u64,
    numDependencies: usize,
    event: u64,
) -> Result<(), CudaError> {
    completion::recorded_elsewhere(event)?;
    unsafe { nodes::auto_cuGraphAddEventRecordNode(phGraphNode, hGraph, dependencies, numDependencies, event) }
}

pub unsafe fn cuGraphEventRecordNodeSetEvent(hNode: u64, event: u64) -> Result<(), CudaError> {
    completion::recorded_elsewhere(event)?;
    unsafe { nodes::auto_cuGraphEventRecordNodeSetEvent(hNode, event) }
}

pub unsafe fn cuGraphExecEventRecordNodeSetEvent(hGraphExec: u64, hNode: u64, event: u64) -> Result<(), CudaError> {
    completion::recorded_elsewhere(event)?;
    unsafe { nodes::auto_cuGraphExecEventRecordNodeSetEvent(hGraphExec, hNode, event) }
}
