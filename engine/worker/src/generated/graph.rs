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

pub(super) fn cuGraphCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraph_id = r.u64()?;
    let flags = r.u32()?;
    r.end()?;
    let mut phGraph = 0u64;
    let call = cx.driver.cuGraphCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraph, flags) })?;
    cx.insert(Kind::Graph, phGraph_id, phGraph)?;
    Ok(())
}

pub(super) fn cuDeviceGraphMemTrim(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let device = cx.device(r.i32()?)?;
    r.end()?;
    let call = cx.driver.cuDeviceGraphMemTrim.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(device) })?;
    Ok(())
}

pub(super) fn cuDeviceGetGraphMemAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let device = cx.device(r.i32()?)?;
    let attr = r.u32()?;
    r.end()?;
    let mut value = Aligned([0u64; 1]);
    let call = cx.driver.cuDeviceGetGraphMemAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(device, attr, value.0.as_mut_ptr().cast()) })?;
    cx.reply.put(crate::cx::bytes_of(&value.0).get(..8).unwrap_or_default());
    Ok(())
}

pub(super) fn cuDeviceSetGraphMemAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let device = cx.device(r.i32()?)?;
    let attr = r.u32()?;
    let mut value = Aligned(crate::cx::aligned::<1>(r.take(8)?));
    r.end()?;
    let call = cx.driver.cuDeviceSetGraphMemAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(device, attr, value.0.as_ptr().cast()) })?;
    Ok(())
}

pub(super) fn cuGraphClone(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphClone_id = r.u64()?;
    let originalGraph = cx.handle(Kind::Graph, r.u64()?)?;
    r.end()?;
    let mut phGraphClone = 0u64;
    let call = cx.driver.cuGraphClone.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphClone, originalGraph) })?;
    cx.insert(Kind::Graph, phGraphClone_id, phGraphClone)?;
    Ok(())
}

pub(super) fn cuGraphGetId(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    r.end()?;
    let mut graphId: u32 = 0;
    let call = cx.driver.cuGraphGetId.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, &mut graphId) })?;
    cx.reply.u32(graphId);
    Ok(())
}

pub(super) fn cuGraphExecGetId(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    r.end()?;
    let mut graphId: u32 = 0;
    let call = cx.driver.cuGraphExecGetId.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, &mut graphId) })?;
    cx.reply.u32(graphId);
    Ok(())
}

pub(super) fn cuGraphGetNodes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let nodes_given = r.u8()? != 0;
    let mut numNodes = r.usize()?;
    r.end()?;
    if nodes_given {
        numNodes = numNodes.min(REPLY_SIZE_MAX / 32);
    }
    let mut nodes = vec![0u64; if nodes_given { numNodes } else { 0 }];
    let call = cx.driver.cuGraphGetNodes.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if nodes_given { nodes.as_mut_ptr() } else { core::ptr::null_mut() }, &mut numNodes) })?;
    nodes.truncate(numNodes);
    cx.reply.u32(nodes.len() as u32);
    for v in &nodes {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    cx.reply.usize(numNodes);
    Ok(())
}

pub(super) fn cuGraphGetRootNodes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let rootNodes_given = r.u8()? != 0;
    let mut numRootNodes = r.usize()?;
    r.end()?;
    if rootNodes_given {
        numRootNodes = numRootNodes.min(REPLY_SIZE_MAX / 32);
    }
    let mut rootNodes = vec![0u64; if rootNodes_given { numRootNodes } else { 0 }];
    let call = cx.driver.cuGraphGetRootNodes.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if rootNodes_given { rootNodes.as_mut_ptr() } else { core::ptr::null_mut() }, &mut numRootNodes) })?;
    rootNodes.truncate(numRootNodes);
    cx.reply.u32(rootNodes.len() as u32);
    for v in &rootNodes {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    cx.reply.usize(numRootNodes);
    Ok(())
}

pub(super) fn cuGraphGetEdges(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let from_given = r.u8()? != 0;
    let to_given = r.u8()? != 0;
    let mut numEdges = r.usize()?;
    r.end()?;
    if from_given {
        numEdges = numEdges.min(REPLY_SIZE_MAX / 32);
    }
    let mut from = vec![0u64; if from_given { numEdges } else { 0 }];
    if to_given {
        numEdges = numEdges.min(REPLY_SIZE_MAX / 32);
    }
    let mut to = vec![0u64; if to_given { numEdges } else { 0 }];
    let call = cx.driver.cuGraphGetEdges.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if from_given { from.as_mut_ptr() } else { core::ptr::null_mut() }, if to_given { to.as_mut_ptr() } else { core::ptr::null_mut() }, &mut numEdges) })?;
    from.truncate(numEdges);
    cx.reply.u32(from.len() as u32);
    for v in &from {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    to.truncate(numEdges);
    cx.reply.u32(to.len() as u32);
    for v in &to {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    cx.reply.usize(numEdges);
    Ok(())
}

pub(super) fn cuGraphGetEdges_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let from_given = r.u8()? != 0;
    let to_given = r.u8()? != 0;
    let edgeData_given = r.u8()? != 0;
    let mut numEdges = r.usize()?;
    r.end()?;
    if from_given {
        numEdges = numEdges.min(REPLY_SIZE_MAX / 32);
    }
    let mut from = vec![0u64; if from_given { numEdges } else { 0 }];
    if to_given {
        numEdges = numEdges.min(REPLY_SIZE_MAX / 32);
    }
    let mut to = vec![0u64; if to_given { numEdges } else { 0 }];
    if edgeData_given {
        numEdges = numEdges.min(REPLY_SIZE_MAX / 32);
    }
    let mut edgeData = vec![[0u8; 8]; if edgeData_given { numEdges } else { 0 }];
    let call = cx.driver.cuGraphGetEdges_v2.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if from_given { from.as_mut_ptr() } else { core::ptr::null_mut() }, if to_given { to.as_mut_ptr() } else { core::ptr::null_mut() }, if edgeData_given { edgeData.as_mut_ptr().cast() } else { core::ptr::null_mut() }, &mut numEdges) })?;
    from.truncate(numEdges);
    cx.reply.u32(from.len() as u32);
    for v in &from {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    to.truncate(numEdges);
    cx.reply.u32(to.len() as u32);
    for v in &to {
        let id = if *v == 0 { 0 } else { cx.found(Kind::GraphNode, *v)? };
        cx.reply.u64(id);
    }
    edgeData.truncate(numEdges);
    cx.reply.u32(edgeData.len() as u32);
    for v in &edgeData {
        cx.reply.put(v);
    }
    cx.reply.usize(numEdges);
    Ok(())
}

pub(super) fn cuGraphAddDependencies(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let from_count = r.u32()?;
    if (r.left() / 8) < from_count as usize {
        return Err(Malformed::TooShort { wanted: (from_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut from = Vec::with_capacity(from_count as usize);
    for _ in 0..from_count {
        from.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let to_count = r.u32()?;
    if (r.left() / 8) < to_count as usize {
        return Err(Malformed::TooShort { wanted: (to_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut to = Vec::with_capacity(to_count as usize);
    for _ in 0..to_count {
        to.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    r.end()?;
    if u64::from(from_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(from_count), limit: numDependencies as u64 }.into());
    }
    if u64::from(to_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(to_count), limit: numDependencies as u64 }.into());
    }
    let call = cx.driver.cuGraphAddDependencies.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if from.is_empty() { core::ptr::null() } else { from.as_ptr() }, if to.is_empty() { core::ptr::null() } else { to.as_ptr() }, numDependencies) })?;
    Ok(())
}

pub(super) fn cuGraphAddDependencies_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let from_count = r.u32()?;
    if (r.left() / 8) < from_count as usize {
        return Err(Malformed::TooShort { wanted: (from_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut from = Vec::with_capacity(from_count as usize);
    for _ in 0..from_count {
        from.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let to_count = r.u32()?;
    if (r.left() / 8) < to_count as usize {
        return Err(Malformed::TooShort { wanted: (to_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut to = Vec::with_capacity(to_count as usize);
    for _ in 0..to_count {
        to.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let edgeData_count = r.u32()?;
    if (r.left() / 8) < edgeData_count as usize {
        return Err(Malformed::TooShort { wanted: (edgeData_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut edgeData = Vec::with_capacity(edgeData_count as usize);
    for _ in 0..edgeData_count {
        edgeData.push(r.array::<8>()?);
    }
    let numDependencies = r.usize()?;
    r.end()?;
    if u64::from(from_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(from_count), limit: numDependencies as u64 }.into());
    }
    if u64::from(to_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(to_count), limit: numDependencies as u64 }.into());
    }
    if edgeData_count != 0 && u64::from(edgeData_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(edgeData_count), limit: numDependencies as u64 }.into());
    }
    let call = cx.driver.cuGraphAddDependencies_v2.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if from.is_empty() { core::ptr::null() } else { from.as_ptr() }, if to.is_empty() { core::ptr::null() } else { to.as_ptr() }, if edgeData.is_empty() { core::ptr::null() } else { edgeData.as_ptr().cast() }, numDependencies) })?;
    Ok(())
}

pub(super) fn cuGraphRemoveDependencies(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let from_count = r.u32()?;
    if (r.left() / 8) < from_count as usize {
        return Err(Malformed::TooShort { wanted: (from_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut from = Vec::with_capacity(from_count as usize);
    for _ in 0..from_count {
        from.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let to_count = r.u32()?;
    if (r.left() / 8) < to_count as usize {
        return Err(Malformed::TooShort { wanted: (to_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut to = Vec::with_capacity(to_count as usize);
    for _ in 0..to_count {
        to.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let numDependencies = r.usize()?;
    r.end()?;
    if u64::from(from_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(from_count), limit: numDependencies as u64 }.into());
    }
    if u64::from(to_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(to_count), limit: numDependencies as u64 }.into());
    }
    let call = cx.driver.cuGraphRemoveDependencies.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if from.is_empty() { core::ptr::null() } else { from.as_ptr() }, if to.is_empty() { core::ptr::null() } else { to.as_ptr() }, numDependencies) })?;
    Ok(())
}

pub(super) fn cuGraphRemoveDependencies_v2(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let from_count = r.u32()?;
    if (r.left() / 8) < from_count as usize {
        return Err(Malformed::TooShort { wanted: (from_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut from = Vec::with_capacity(from_count as usize);
    for _ in 0..from_count {
        from.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let to_count = r.u32()?;
    if (r.left() / 8) < to_count as usize {
        return Err(Malformed::TooShort { wanted: (to_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut to = Vec::with_capacity(to_count as usize);
    for _ in 0..to_count {
        to.push(cx.handle(Kind::GraphNode, r.u64()?)?);
    }
    let edgeData_count = r.u32()?;
    if (r.left() / 8) < edgeData_count as usize {
        return Err(Malformed::TooShort { wanted: (edgeData_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut edgeData = Vec::with_capacity(edgeData_count as usize);
    for _ in 0..edgeData_count {
        edgeData.push(r.array::<8>()?);
    }
    let numDependencies = r.usize()?;
    r.end()?;
    if u64::from(from_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(from_count), limit: numDependencies as u64 }.into());
    }
    if u64::from(to_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(to_count), limit: numDependencies as u64 }.into());
    }
    if edgeData_count != 0 && u64::from(edgeData_count) != numDependencies as u64 {
        return Err(Malformed::Count { count: u64::from(edgeData_count), limit: numDependencies as u64 }.into());
    }
    let call = cx.driver.cuGraphRemoveDependencies_v2.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph, if from.is_empty() { core::ptr::null() } else { from.as_ptr() }, if to.is_empty() { core::ptr::null() } else { to.as_ptr() }, if edgeData.is_empty() { core::ptr::null() } else { edgeData.as_ptr().cast() }, numDependencies) })?;
    Ok(())
}

pub(super) fn cuGraphInstantiateWithFlags(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphExec_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let flags = r.u64()?;
    r.end()?;
    let mut phGraphExec = 0u64;
    let call = cx.driver.cuGraphInstantiateWithFlags.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphExec, hGraph, flags) })?;
    cx.insert(Kind::GraphExec, phGraphExec_id, phGraphExec)?;
    Ok(())
}

pub(super) fn cuGraphExecGetFlags(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    r.end()?;
    let mut flags: u64 = 0;
    let call = cx.driver.cuGraphExecGetFlags.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, &mut flags) })?;
    cx.reply.u64(flags);
    Ok(())
}

pub(super) fn cuGraphUpload(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphUpload.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hStream) })?;
    Ok(())
}

pub(super) fn cuGraphLaunch(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec = cx.handle(Kind::GraphExec, r.u64()?)?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuGraphLaunch.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec, hStream) })?;
    Ok(())
}

pub(super) fn cuGraphExecDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraphExec_id = r.u64()?;
    let hGraphExec = cx.handle(Kind::GraphExec, hGraphExec_id)?;
    r.end()?;
    let call = cx.driver.cuGraphExecDestroy.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraphExec) })?;
    cx.remove(Kind::GraphExec, hGraphExec_id);
    Ok(())
}

pub(super) fn cuGraphDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, hGraph_id)?;
    r.end()?;
    let call = cx.driver.cuGraphDestroy.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hGraph) })?;
    cx.remove(Kind::Graph, hGraph_id);
    Ok(())
}

pub(super) fn cuGraphConditionalHandleCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let ctx = translate::context(cx, r.u64()?)?;
    let defaultLaunchValue = r.u32()?;
    let flags = r.u32()?;
    r.end()?;
    let mut pHandle_out: u64 = 0;
    let call = cx.driver.cuGraphConditionalHandleCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pHandle_out, hGraph, ctx, defaultLaunchValue, flags) })?;
    cx.reply.u64(pHandle_out);
    Ok(())
}

pub(super) fn cuGraphInstantiate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phGraphExec_id = r.u64()?;
    let hGraph = cx.handle(Kind::Graph, r.u64()?)?;
    let bufferSize = r.usize()?;
    r.end()?;
    if bufferSize as u64 > (REPLY_SIZE_MAX / 1) as u64 {
        return Err(Malformed::Count { count: bufferSize as u64, limit: (REPLY_SIZE_MAX / 1) as u64 }.into());
    }
    let mut phGraphExec = 0u64;
    let mut phErrorNode = 0u64;
    let mut logBuffer = vec![0u8; bufferSize as usize];
    let call = cx.driver.cuGraphInstantiate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phGraphExec, hGraph, &mut phErrorNode, if logBuffer.is_empty() { core::ptr::null_mut() } else { logBuffer.as_mut_ptr() }, bufferSize) })?;
    cx.insert(Kind::GraphExec, phGraphExec_id, phGraphExec)?;
    let phErrorNode = if phErrorNode == 0 { 0 } else { cx.found(Kind::GraphNode, phErrorNode)? };
    cx.reply.u64(phErrorNode);
    cx.reply.put(&logBuffer);
    Ok(())
}
