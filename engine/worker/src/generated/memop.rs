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
use ringway_api::CudaError;
use ringway_wire::codec::{Malformed, Reader};

pub(super) fn cuStreamWaitValue32(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let addr = r.u64()?;
    let value = r.u32()?;
    let flags = r.u32()?;
    r.end()?;
    let call = cx.driver.cuStreamWaitValue32.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(stream, addr, value, flags) })?;
    Ok(())
}

pub(super) fn cuStreamWaitValue64(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let addr = r.u64()?;
    let value = r.u64()?;
    let flags = r.u32()?;
    r.end()?;
    let call = cx.driver.cuStreamWaitValue64.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(stream, addr, value, flags) })?;
    Ok(())
}

pub(super) fn cuStreamWriteValue32(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let addr = r.u64()?;
    let value = r.u32()?;
    let flags = r.u32()?;
    r.end()?;
    let call = cx.driver.cuStreamWriteValue32.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(stream, addr, value, flags) })?;
    Ok(())
}

pub(super) fn cuStreamWriteValue64(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let addr = r.u64()?;
    let value = r.u64()?;
    let flags = r.u32()?;
    r.end()?;
    let call = cx.driver.cuStreamWriteValue64.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(stream, addr, value, flags) })?;
    Ok(())
}

pub(super) fn cuStreamBatchMemOp(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let count = r.u32()?;
    let paramArray_count = r.u32()?;
    if (r.left() / 48) < paramArray_count as usize {
        return Err(Malformed::TooShort { wanted: (paramArray_count as usize).saturating_mul(48), left: r.left() }.into());
    }
    let mut paramArray = Vec::with_capacity(paramArray_count as usize);
    for _ in 0..paramArray_count {
        paramArray.push(r.array::<48>()?);
    }
    let flags = r.u32()?;
    r.end()?;
    if u64::from(paramArray_count) != count as u64 {
        return Err(Malformed::Count { count: u64::from(paramArray_count), limit: count as u64 }.into());
    }
    let call = cx.driver.cuStreamBatchMemOp.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(stream, count, if paramArray.is_empty() { core::ptr::null() } else { paramArray.as_ptr().cast() }, flags) })?;
    Ok(())
}
