//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::cx::Cx`, with the fields `driver: Driver` and `reply: VecWriter` (empty when an arm starts), and the
//!   methods `handle(Kind, id)`, `handle_or_null(Kind, id)`, `stream(id)`, `device(ordinal)`: what the driver calls it;
//!   `insert(Kind, id, raw)`: an object made under the client's id; `remove(Kind, id)`: a destroyed one;
//!   `found(Kind, raw) -> id`: the id of an object that the driver named. All but `remove` give `Result<_, CudaError>`.
//! - `crate::cx::{Outcome, Failure, REPLY_SIZE_MAX}`; `Failure` is from `CudaError` or `Malformed`, and
//!   `Outcome::from(Result<(), Failure>)` makes the outcome of an arm.
//! - `crate::translate`: what in an argument means something else to the driver than to the client.
//! - `crate::handlers::<family>::<function>(cx, r) -> Outcome`: handwritten arms.
//! The context of the call's header is current before an arm runs.
#![allow(non_snake_case, unused_mut)]
// Every call below passes live locals of the types in the table, and handles that the driver gave to this process.
// Structures in arrays are byte arrays in memory from the system's allocator, which aligns it for any of them.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::cx::{Cx, Failure, REPLY_SIZE_MAX};
use crate::translate::{self, Aligned};
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Malformed, Reader, Writer as _};

pub(super) fn cuGraphAddMemsetNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphNode_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let dependencies_count = r.u32()?;
    if (r.left() / 8) < dependencies_count as usize {
        return Err(Malformed::TooShort { wanted: (dependencies_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut dependencies = Vec::with_capacity(dependencies_count as usize);
    for _ in 0..dependencies_count {
        dependencies.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    let mut memsetParams = Aligned(crate::cx::aligned::<5>(r.take(40)?));
    let ctx = translate::context(cx, r.u64()?)?;
    r.end()?;
    if u64::from(dependencies_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(dependencies_count), limit: numDependencies as u64 }.into());
    }
    let mut phGraphNode = 0u64;
    let call = cx.driver.cuGraphAddMemsetNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphNode, hGraph, if dependencies.is_empty() { core::ptr::null() } else { dependencies.as_ptr() }, numDependencies, memsetParams.0.as_ptr().cast(), ctx) })?;
    cx.insert(Kind::GraphNode, phGraphNode_id, phGraphNode)?;
    Ok(())
}

pub(super) fn cuGraphMemsetNodeGetParams(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut nodeParams = Aligned([0u64; 5]);
    let call = cx.driver.cuGraphMemsetNodeGetParams.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, nodeParams.0.as_mut_ptr().cast()) })?;
    cx.reply.put(crate::cx::bytes_of(&nodeParams.0).get(..40).unwrap_or_default());
    Ok(())
}

pub(super) fn cuGraphMemsetNodeSetParams(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let mut nodeParams = Aligned(crate::cx::aligned::<5>(r.take(40)?));
    r.end()?;
    let call = cx.driver.cuGraphMemsetNodeSetParams.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, nodeParams.0.as_ptr().cast()) })?;
    Ok(())
}

pub(super) fn cuGraphAddChildGraphNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphNode_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let dependencies_count = r.u32()?;
    if (r.left() / 8) < dependencies_count as usize {
        return Err(Malformed::TooShort { wanted: (dependencies_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut dependencies = Vec::with_capacity(dependencies_count as usize);
    for _ in 0..dependencies_count {
        dependencies.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    let childGraph = cx.handle(Kind::Graph, r.u64()?)?;
    r.end()?;
    if u64::from(dependencies_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(dependencies_count), limit: numDependencies as u64 }.into());
    }
    let mut phGraphNode = 0u64;
    let call = cx.driver.cuGraphAddChildGraphNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphNode, hGraph, if dependencies.is_empty() { core::ptr::null() } else { dependencies.as_ptr() }, numDependencies, childGraph) })?;
    cx.insert(Kind::GraphNode, phGraphNode_id, phGraphNode)?;
    Ok(())
}

pub(super) fn cuGraphChildGraphNodeGetGraph(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut phGraph = 0u64;
    let call = cx.driver.cuGraphChildGraphNodeGetGraph.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut phGraph) })?;
    let phGraph = if phGraph == 0 { 0 } else { cx.found(Kind::Graph, phGraph)? };
    cx.reply.u64(phGraph);
    Ok(())
}

pub(super) fn cuGraphAddEmptyNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphNode_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let dependencies_count = r.u32()?;
    if (r.left() / 8) < dependencies_count as usize {
        return Err(Malformed::TooShort { wanted: (dependencies_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut dependencies = Vec::with_capacity(dependencies_count as usize);
    for _ in 0..dependencies_count {
        dependencies.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    r.end()?;
    if u64::from(dependencies_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(dependencies_count), limit: numDependencies as u64 }.into());
    }
    let mut phGraphNode = 0u64;
    let call = cx.driver.cuGraphAddEmptyNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphNode, hGraph, if dependencies.is_empty() { core::ptr::null() } else { dependencies.as_ptr() }, numDependencies) })?;
    cx.insert(Kind::GraphNode, phGraphNode_id, phGraphNode)?;
    Ok(())
}

pub(super) fn cuGraphAddEventRecordNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphNode_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let dependencies_count = r.u32()?;
    if (r.left() / 8) < dependencies_count as usize {
        return Err(Malformed::TooShort { wanted: (dependencies_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut dependencies = Vec::with_capacity(dependencies_count as usize);
    for _ in 0..dependencies_count {
        dependencies.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    let event = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    if u64::from(dependencies_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(dependencies_count), limit: numDependencies as u64 }.into());
    }
    let mut phGraphNode = 0u64;
    let call = cx.driver.cuGraphAddEventRecordNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphNode, hGraph, if dependencies.is_empty() { core::ptr::null() } else { dependencies.as_ptr() }, numDependencies, event) })?;
    cx.insert(Kind::GraphNode, phGraphNode_id, phGraphNode)?;
    Ok(())
}

pub(super) fn cuGraphEventRecordNodeGetEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut event_out = 0u64;
    let call = cx.driver.cuGraphEventRecordNodeGetEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut event_out) })?;
    let event_out = if event_out == 0 { 0 } else { cx.found(Kind::Event, event_out)? };
    cx.reply.u64(event_out);
    Ok(())
}

pub(super) fn cuGraphEventRecordNodeSetEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let event = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphEventRecordNodeSetEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, event) })?;
    Ok(())
}

pub(super) fn cuGraphAddEventWaitNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphNode_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let dependencies_count = r.u32()?;
    if (r.left() / 8) < dependencies_count as usize {
        return Err(Malformed::TooShort { wanted: (dependencies_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut dependencies = Vec::with_capacity(dependencies_count as usize);
    for _ in 0..dependencies_count {
        dependencies.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    let event = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    if u64::from(dependencies_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(dependencies_count), limit: numDependencies as u64 }.into());
    }
    let mut phGraphNode = 0u64;
    let call = cx.driver.cuGraphAddEventWaitNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphNode, hGraph, if dependencies.is_empty() { core::ptr::null() } else { dependencies.as_ptr() }, numDependencies, event) })?;
    cx.insert(Kind::GraphNode, phGraphNode_id, phGraphNode)?;
    Ok(())
}

pub(super) fn cuGraphEventWaitNodeGetEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut event_out = 0u64;
    let call = cx.driver.cuGraphEventWaitNodeGetEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut event_out) })?;
    let event_out = if event_out == 0 { 0 } else { cx.found(Kind::Event, event_out)? };
    cx.reply.u64(event_out);
    Ok(())
}

pub(super) fn cuGraphEventWaitNodeSetEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let event = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphEventWaitNodeSetEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, event) })?;
    Ok(())
}

pub(super) fn cuGraphAddMemFreeNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphNode_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let dependencies_count = r.u32()?;
    if (r.left() / 8) < dependencies_count as usize {
        return Err(Malformed::TooShort { wanted: (dependencies_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut dependencies = Vec::with_capacity(dependencies_count as usize);
    for _ in 0..dependencies_count {
        dependencies.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    let dptr = r.u64()?;
    r.end()?;
    if u64::from(dependencies_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(dependencies_count), limit: numDependencies as u64 }.into());
    }
    let mut phGraphNode = 0u64;
    let call = cx.driver.cuGraphAddMemFreeNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphNode, hGraph, if dependencies.is_empty() { core::ptr::null() } else { dependencies.as_ptr() }, numDependencies, dptr) })?;
    cx.insert(Kind::GraphNode, phGraphNode_id, phGraphNode)?;
    Ok(())
}

pub(super) fn cuGraphMemFreeNodeGetParams(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut dptr_out: u64 = 0;
    let call = cx.driver.cuGraphMemFreeNodeGetParams.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut dptr_out) })?;
    cx.reply.u64(dptr_out);
    Ok(())
}

pub(super) fn cuGraphNodeFindInClone(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hOriginalNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let hClonedGraph = cx.handle(Kind::Graph, r.u64()?)?;
    r.end()?;
    let mut phNode = 0u64;
    let call = cx.driver.cuGraphNodeFindInClone.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phNode, hOriginalNode, hClonedGraph) })?;
    let phNode = if phNode == 0 { 0 } else { cx.found(Kind::GraphNode, phNode)? };
    cx.reply.u64(phNode);
    Ok(())
}

pub(super) fn cuGraphNodeGetType(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut kind: u32 = 0;
    let call = cx.driver.cuGraphNodeGetType.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut kind) })?;
    cx.reply.u32(kind);
    Ok(())
}

pub(super) fn cuGraphNodeGetContainingGraph(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut phGraph = 0u64;
    let call = cx.driver.cuGraphNodeGetContainingGraph.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut phGraph) })?;
    let phGraph = if phGraph == 0 { 0 } else { cx.found(Kind::Graph, phGraph)? };
    cx.reply.u64(phGraph);
    Ok(())
}

pub(super) fn cuGraphNodeGetLocalId(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut nodeId: u32 = 0;
    let call = cx.driver.cuGraphNodeGetLocalId.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, &mut nodeId) })?;
    cx.reply.u32(nodeId);
    Ok(())
}

pub(super) fn cuGraphNodeGetDependencies(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let dependencies_given = r.u8()? != 0;
    let mut numDependencies = r.usize()?;
    r.end()?;
    if dependencies_given {
        numDependencies = numDependencies.min(REPLY_SIZE_MAX / 32);
    }
    let mut dependencies = vec![0u64; if dependencies_given { numDependencies } else { 0 }];
    let call = cx.driver.cuGraphNodeGetDependencies.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, if dependencies_given { dependencies.as_mut_ptr() } else { core::ptr::null_mut() }, &mut numDependencies) })?;
    dependencies.truncate(numDependencies);
    cx.reply.u32(dependencies.len() as u32);
    for v in &dependencies {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    cx.reply.usize(numDependencies);
    Ok(())
}

pub(super) fn cuGraphNodeGetDependencies_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let dependencies_given = r.u8()? != 0;
    let edgeData_given = r.u8()? != 0;
    let mut numDependencies = r.usize()?;
    r.end()?;
    if dependencies_given {
        numDependencies = numDependencies.min(REPLY_SIZE_MAX / 32);
    }
    let mut dependencies = vec![0u64; if dependencies_given { numDependencies } else { 0 }];
    if edgeData_given {
        numDependencies = numDependencies.min(REPLY_SIZE_MAX / 32);
    }
    let mut edgeData = vec![[0u8; 8]; if edgeData_given { numDependencies } else { 0 }];
    let call = cx.driver.cuGraphNodeGetDependencies_v2.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, if dependencies_given { dependencies.as_mut_ptr() } else { core::ptr::null_mut() }, if edgeData_given { edgeData.as_mut_ptr().cast() } else { core::ptr::null_mut() }, &mut numDependencies) })?;
    dependencies.truncate(numDependencies);
    cx.reply.u32(dependencies.len() as u32);
    for v in &dependencies {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    edgeData.truncate(numDependencies);
    cx.reply.u32(edgeData.len() as u32);
    for v in &edgeData {
        cx.reply.put(v);
    }
    cx.reply.usize(numDependencies);
    Ok(())
}

pub(super) fn cuGraphNodeGetDependentNodes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let dependentNodes_given = r.u8()? != 0;
    let mut numDependentNodes = r.usize()?;
    r.end()?;
    if dependentNodes_given {
        numDependentNodes = numDependentNodes.min(REPLY_SIZE_MAX / 32);
    }
    let mut dependentNodes = vec![0u64; if dependentNodes_given { numDependentNodes } else { 0 }];
    let call = cx.driver.cuGraphNodeGetDependentNodes.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, if dependentNodes_given { dependentNodes.as_mut_ptr() } else { core::ptr::null_mut() }, &mut numDependentNodes) })?;
    dependentNodes.truncate(numDependentNodes);
    cx.reply.u32(dependentNodes.len() as u32);
    for v in &dependentNodes {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    cx.reply.usize(numDependentNodes);
    Ok(())
}

pub(super) fn cuGraphNodeGetDependentNodes_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let dependentNodes_given = r.u8()? != 0;
    let edgeData_given = r.u8()? != 0;
    let mut numDependentNodes = r.usize()?;
    r.end()?;
    if dependentNodes_given {
        numDependentNodes = numDependentNodes.min(REPLY_SIZE_MAX / 32);
    }
    let mut dependentNodes = vec![0u64; if dependentNodes_given { numDependentNodes } else { 0 }];
    if edgeData_given {
        numDependentNodes = numDependentNodes.min(REPLY_SIZE_MAX / 32);
    }
    let mut edgeData = vec![[0u8; 8]; if edgeData_given { numDependentNodes } else { 0 }];
    let call = cx.driver.cuGraphNodeGetDependentNodes_v2.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, if dependentNodes_given { dependentNodes.as_mut_ptr() } else { core::ptr::null_mut() }, if edgeData_given { edgeData.as_mut_ptr().cast() } else { core::ptr::null_mut() }, &mut numDependentNodes) })?;
    dependentNodes.truncate(numDependentNodes);
    cx.reply.u32(dependentNodes.len() as u32);
    for v in &dependentNodes {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    edgeData.truncate(numDependentNodes);
    cx.reply.u32(edgeData.len() as u32);
    for v in &edgeData {
        cx.reply.put(v);
    }
    cx.reply.usize(numDependentNodes);
    Ok(())
}

pub(super) fn cuGraphDestroyNode(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode_id = r.u64()?;
    let hNode = cx.handle(Kind::GraphNode, hNode_id)?;
    r.end()?;
    let call = cx.driver.cuGraphDestroyNode.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode) })?;
    cx.remove(Kind::GraphNode, hNode_id);
    Ok(())
}

pub(super) fn cuGraphExecMemsetNodeSetParams(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let mut memsetParams = Aligned(crate::cx::aligned::<5>(r.take(40)?));
    let ctx = translate::context(cx, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphExecMemsetNodeSetParams.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hNode, memsetParams.0.as_ptr().cast(), ctx) })?;
    Ok(())
}

pub(super) fn cuGraphExecChildGraphNodeSetParams(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let childGraph = cx.handle(Kind::Graph, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphExecChildGraphNodeSetParams.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hNode, childGraph) })?;
    Ok(())
}

pub(super) fn cuGraphExecEventRecordNodeSetEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let event = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphExecEventRecordNodeSetEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hNode, event) })?;
    Ok(())
}

pub(super) fn cuGraphExecEventWaitNodeSetEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let event = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphExecEventWaitNodeSetEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hNode, event) })?;
    Ok(())
}

pub(super) fn cuGraphNodeSetEnabled(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let isEnabled = r.u32()?;
    r.end()?;
    let call = cx.driver.cuGraphNodeSetEnabled.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hNode, isEnabled) })?;
    Ok(())
}

pub(super) fn cuGraphNodeGetEnabled(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let mut isEnabled: u32 = 0;
    let call = cx.driver.cuGraphNodeGetEnabled.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hNode, &mut isEnabled) })?;
    cx.reply.u32(isEnabled);
    Ok(())
}

pub(super) fn cuGraphKernelNodeCopyAttributes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dst = cx.handle(Kind::GraphNode, r.u64()?)?;
    let src = cx.handle(Kind::GraphNode, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphKernelNodeCopyAttributes.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dst, src) })?;
    Ok(())
}

pub(super) fn cuGraphKernelNodeGetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let attr = r.u32()?;
    r.end()?;
    let mut value_out = Aligned([0u64; 8]);
    let call = cx.driver.cuGraphKernelNodeGetAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, attr, value_out.0.as_mut_ptr().cast()) })?;
    cx.reply.put(crate::cx::bytes_of(&value_out.0).get(..64).unwrap_or_default());
    Ok(())
}

pub(super) fn cuGraphKernelNodeSetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hNode = cx.handle(Kind::GraphNode, r.u64()?)?;
    let attr = r.u32()?;
    let mut value = Aligned(crate::cx::aligned::<8>(r.take(64)?));
    r.end()?;
    let call = cx.driver.cuGraphKernelNodeSetAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hNode, attr, value.0.as_ptr().cast()) })?;
    Ok(())
}
