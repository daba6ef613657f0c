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
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Reader, Writer as _};

pub(super) fn cuDeviceGetTexture1DLinearMaxWidth(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let format = r.u32()?;
    let numChannels = r.u32()?;
    let dev = cx.device(r.i32()?)?;
    r.end()?;
    let mut maxWidthInElements: usize = 0;
    let call = cx.driver.cuDeviceGetTexture1DLinearMaxWidth.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut maxWidthInElements, format, numChannels, dev) })?;
    cx.reply.usize(maxWidthInElements);
    Ok(())
}

pub(super) fn cuDeviceSetMemPool(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dev = cx.device(r.i32()?)?;
    let pool = cx.handle(Kind::MemPool, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuDeviceSetMemPool.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dev, pool) })?;
    Ok(())
}

pub(super) fn cuDeviceGetMemPool(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dev = cx.device(r.i32()?)?;
    r.end()?;
    let mut pool = 0u64;
    let call = cx.driver.cuDeviceGetMemPool.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pool, dev) })?;
    let pool = if pool == 0 { 0 } else { cx.found(Kind::MemPool, pool)? };
    cx.reply.u64(pool);
    Ok(())
}

pub(super) fn cuDeviceGetDefaultMemPool(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dev = cx.device(r.i32()?)?;
    r.end()?;
    let mut pool_out = 0u64;
    let call = cx.driver.cuDeviceGetDefaultMemPool.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pool_out, dev) })?;
    let pool_out = if pool_out == 0 { 0 } else { cx.found(Kind::MemPool, pool_out)? };
    cx.reply.u64(pool_out);
    Ok(())
}

pub(super) fn cuDeviceGetExecAffinitySupport(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let kind = r.u32()?;
    let dev = cx.device(r.i32()?)?;
    r.end()?;
    let mut pi: i32 = 0;
    let call = cx.driver.cuDeviceGetExecAffinitySupport.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pi, kind, dev) })?;
    cx.reply.i32(pi);
    Ok(())
}

pub(super) fn cuFlushGPUDirectRDMAWrites(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let target = r.u32()?;
    let scope = r.u32()?;
    r.end()?;
    let call = cx.driver.cuFlushGPUDirectRDMAWrites.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(target, scope) })?;
    Ok(())
}
