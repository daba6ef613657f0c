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
use crate::translate::Aligned;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{Reader, Writer as _};

pub(super) fn cuStreamCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phStream_id = r.u64()?;
    let Flags = r.u32()?;
    r.end()?;
    let mut phStream = 0u64;
    let call = cx.driver.cuStreamCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phStream, Flags) })?;
    cx.insert(Kind::Stream, phStream_id, phStream)?;
    Ok(())
}

pub(super) fn cuStreamCreateWithPriority(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phStream_id = r.u64()?;
    let flags = r.u32()?;
    let priority = r.i32()?;
    r.end()?;
    let mut phStream = 0u64;
    let call = cx.driver.cuStreamCreateWithPriority.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phStream, flags, priority) })?;
    cx.insert(Kind::Stream, phStream_id, phStream)?;
    Ok(())
}

pub(super) fn cuStreamGetPriority(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let mut priority: i32 = 0;
    let call = cx.driver.cuStreamGetPriority.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hStream, &mut priority) })?;
    cx.reply.i32(priority);
    Ok(())
}

pub(super) fn cuStreamGetFlags(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let mut flags: u32 = 0;
    let call = cx.driver.cuStreamGetFlags.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hStream, &mut flags) })?;
    cx.reply.u32(flags);
    Ok(())
}

pub(super) fn cuStreamGetId(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let mut streamId: u64 = 0;
    let call = cx.driver.cuStreamGetId.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hStream, &mut streamId) })?;
    cx.reply.u64(streamId);
    Ok(())
}

pub(super) fn cuStreamWaitEvent(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStream = cx.stream(r.u64()?)?;
    let hEvent = cx.handle(Kind::Event, r.u64()?)?;
    let Flags = r.u32()?;
    r.end()?;
    let call = cx.driver.cuStreamWaitEvent.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hStream, hEvent, Flags) })?;
    Ok(())
}

pub(super) fn cuStreamCopyAttributes(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dst = cx.stream(r.u64()?)?;
    let src = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuStreamCopyAttributes.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dst, src) })?;
    Ok(())
}

pub(super) fn cuStreamGetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStream = cx.stream(r.u64()?)?;
    let attr = r.u32()?;
    r.end()?;
    let mut value_out = Aligned([0u64; 8]);
    let call = cx.driver.cuStreamGetAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hStream, attr, value_out.0.as_mut_ptr().cast()) })?;
    cx.reply.put(crate::cx::bytes_of(&value_out.0).get(..64).unwrap_or_default());
    Ok(())
}

pub(super) fn cuStreamSetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStream = cx.stream(r.u64()?)?;
    let attr = r.u32()?;
    let mut value = Aligned(crate::cx::aligned::<8>(r.take(64)?));
    r.end()?;
    let call = cx.driver.cuStreamSetAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hStream, attr, value.0.as_ptr().cast()) })?;
    Ok(())
}
