//! Events: recording, waiting and asking. What is known of each without asking is `ringway_client::completion`'s.

use super::capture;
use crate::generated::{event as generated, graph_node as nodes};
use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, completion, handle};
use ringway_wire::codec::Writer as _;

/// `CU_EVENT_RECORD_EXTERNAL`: where the stream is captured, a graph will record the event.
const EXTERNAL: u32 = 1;

pub unsafe fn cuEventRecord(hEvent: u64, hStream: u64) -> Result<(), CudaError> {
    completion::recorded(hEvent, !capture::any(), || unsafe { generated::auto_cuEventRecord(hEvent, hStream) })
}

pub unsafe fn cuEventRecordWithFlags(hEvent: u64, hStream: u64, flags: u32) -> Result<(), CudaError> {
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
