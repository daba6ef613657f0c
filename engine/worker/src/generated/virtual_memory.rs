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
use ringway_wire::codec::{Malformed, Reader, Writer as _};

pub(super) fn cuMemAddressReserve(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let size = r.usize()?;
    let alignment = r.usize()?;
    let addr = r.u64()?;
    let flags = r.u64()?;
    r.end()?;
    let mut ptr: u64 = 0;
    let call = cx.driver.cuMemAddressReserve.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut ptr, size, alignment, addr, flags) })?;
    cx.reply.u64(ptr);
    Ok(())
}

pub(super) fn cuMemAddressFree(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let ptr = r.u64()?;
    let size = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemAddressFree.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(ptr, size) })?;
    Ok(())
}

pub(super) fn cuMemSetAccess(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let ptr = r.u64()?;
    let size = r.usize()?;
    let desc_count = r.u32()?;
    if (r.left() / 12) < desc_count as usize {
        return Err(Malformed::TooShort { wanted: (desc_count as usize).saturating_mul(12), left: r.left() }.into());
    }
    let mut desc = Vec::with_capacity(desc_count as usize);
    for _ in 0..desc_count {
        desc.push(r.array::<12>()?);
    }
    for v in &mut desc {
        translate::to_driver(cx, v, 0)?;
    }
    let count = r.usize()?;
    r.end()?;
    if u64::from(desc_count) != count as u64 {
        return Err(Malformed::Count { count: u64::from(desc_count), limit: count as u64 }.into());
    }
    let call = cx.driver.cuMemSetAccess.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(ptr, size, if desc.is_empty() { core::ptr::null() } else { desc.as_ptr().cast() }, count) })?;
    Ok(())
}

pub(super) fn cuMemGetAccess(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut location = r.array::<8>()?;
    translate::to_driver(cx, &mut location, 0)?;
    let mut location = Aligned(crate::cx::aligned::<1>(&location));
    let ptr = r.u64()?;
    r.end()?;
    let mut flags: u64 = 0;
    let call = cx.driver.cuMemGetAccess.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut flags, location.0.as_ptr().cast(), ptr) })?;
    cx.reply.u64(flags);
    Ok(())
}

pub(super) fn cuMemGetAllocationGranularity(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut prop = r.array::<32>()?;
    translate::to_driver(cx, &mut prop, 8)?;
    let mut prop = Aligned(crate::cx::aligned::<4>(&prop));
    let option = r.u32()?;
    r.end()?;
    let mut granularity: usize = 0;
    let call = cx.driver.cuMemGetAllocationGranularity.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut granularity, prop.0.as_ptr().cast(), option) })?;
    cx.reply.usize(granularity);
    Ok(())
}

pub(super) fn cuMemGetAllocationPropertiesFromHandle(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let handle = cx.handle(Kind::Allocation, r.u64()?)?;
    r.end()?;
    let mut prop = Aligned([0u64; 4]);
    let call = cx.driver.cuMemGetAllocationPropertiesFromHandle.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(prop.0.as_mut_ptr().cast(), handle) })?;
    let mut prop = crate::cx::bytes_of(&prop.0);
    translate::to_client(cx, &mut prop, 8);
    cx.reply.put(prop.get(..32).unwrap_or_default());
    Ok(())
}
