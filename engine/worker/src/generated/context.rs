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

use crate::cx::{Cx, Failure};
use crate::translate::{self, Aligned};
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Reader, Writer as _};

pub(super) fn cuCtxSetLimit(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let limit = r.u32()?;
    let value = r.usize()?;
    r.end()?;
    let call = cx.driver.cuCtxSetLimit.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(limit, value) })?;
    Ok(())
}

pub(super) fn cuCtxGetLimit(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let limit = r.u32()?;
    r.end()?;
    let mut pvalue: usize = 0;
    let call = cx.driver.cuCtxGetLimit.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pvalue, limit) })?;
    cx.reply.usize(pvalue);
    Ok(())
}

pub(super) fn cuCtxGetCacheConfig(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    r.end()?;
    let mut pconfig: u32 = 0;
    let call = cx.driver.cuCtxGetCacheConfig.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pconfig) })?;
    cx.reply.u32(pconfig);
    Ok(())
}

pub(super) fn cuCtxSetCacheConfig(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let config = r.u32()?;
    r.end()?;
    let call = cx.driver.cuCtxSetCacheConfig.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(config) })?;
    Ok(())
}

pub(super) fn cuCtxGetStreamPriorityRange(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    r.end()?;
    let mut leastPriority: i32 = 0;
    let mut greatestPriority: i32 = 0;
    let call = cx.driver.cuCtxGetStreamPriorityRange.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut leastPriority, &mut greatestPriority) })?;
    cx.reply.i32(leastPriority);
    cx.reply.i32(greatestPriority);
    Ok(())
}

pub(super) fn cuCtxResetPersistingL2Cache(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    r.end()?;
    let call = cx.driver.cuCtxResetPersistingL2Cache.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call() })?;
    Ok(())
}

pub(super) fn cuCtxGetExecAffinity(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let kind = r.u32()?;
    r.end()?;
    let mut pExecAffinity = Aligned([0u64; 1]);
    let call = cx.driver.cuCtxGetExecAffinity.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pExecAffinity.0.as_mut_ptr().cast(), kind) })?;
    cx.reply.put(crate::cx::bytes_of(&pExecAffinity.0).get(..8).unwrap_or_default());
    Ok(())
}

pub(super) fn cuCtxRecordEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hCtx = translate::context(cx, r.u64()?)?;
    let hEvent = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuCtxRecordEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hCtx, hEvent) })?;
    Ok(())
}

pub(super) fn cuCtxWaitEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hCtx = translate::context(cx, r.u64()?)?;
    let hEvent = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuCtxWaitEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hCtx, hEvent) })?;
    Ok(())
}

pub(super) fn cuCtxGetSharedMemConfig(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    r.end()?;
    let mut pConfig: u32 = 0;
    let call = cx.driver.cuCtxGetSharedMemConfig.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pConfig) })?;
    cx.reply.u32(pConfig);
    Ok(())
}

pub(super) fn cuCtxSetSharedMemConfig(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let config = r.u32()?;
    r.end()?;
    let call = cx.driver.cuCtxSetSharedMemConfig.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(config) })?;
    Ok(())
}
