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

pub(super) fn cuEventCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let phEvent_id = r.u64()?;
    let Flags = r.u32()?;
    r.end()?;
    let mut phEvent = 0u64;
    let call = cx.driver.cuEventCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut phEvent, Flags) })?;
    cx.insert(Kind::Event, phEvent_id, phEvent)?;
    Ok(())
}

pub(super) fn cuEventRecord(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hEvent = cx.handle(Kind::Event, r.u64()?)?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuEventRecord.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hEvent, hStream) })?;
    Ok(())
}

pub(super) fn cuEventRecordWithFlags(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hEvent = cx.handle(Kind::Event, r.u64()?)?;
    let hStream = cx.stream(r.u64()?)?;
    let flags = r.u32()?;
    r.end()?;
    let call = cx.driver.cuEventRecordWithFlags.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(hEvent, hStream, flags) })?;
    Ok(())
}

pub(super) fn cuEventElapsedTime(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hStart = cx.handle(Kind::Event, r.u64()?)?;
    let hEnd = cx.handle(Kind::Event, r.u64()?)?;
    r.end()?;
    let mut pMilliseconds: f32 = 0.0;
    let call = cx.driver.cuEventElapsedTime.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pMilliseconds, hStart, hEnd) })?;
    cx.reply.f32(pMilliseconds);
    Ok(())
}
