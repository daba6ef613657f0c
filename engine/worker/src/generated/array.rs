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

pub(super) fn cuArrayGetDescriptor(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hArray = cx.handle(Kind::Array, r.u64()?)?;
    r.end()?;
    let mut pArrayDescriptor = Aligned([0u64; 3]);
    let call = cx.driver.cuArrayGetDescriptor.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pArrayDescriptor.0.as_mut_ptr().cast(), hArray) })?;
    cx.reply.put(crate::cx::bytes_of(&pArrayDescriptor.0).get(..24).unwrap_or_default());
    Ok(())
}

pub(super) fn cuArrayGetSparseProperties(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let array = cx.handle(Kind::Array, r.u64()?)?;
    r.end()?;
    let mut sparseProperties = Aligned([0u64; 6]);
    let call = cx.driver.cuArrayGetSparseProperties.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(sparseProperties.0.as_mut_ptr().cast(), array) })?;
    cx.reply.put(crate::cx::bytes_of(&sparseProperties.0).get(..48).unwrap_or_default());
    Ok(())
}

pub(super) fn cuMipmappedArrayGetSparseProperties(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mipmap = cx.handle(Kind::MipmappedArray, r.u64()?)?;
    r.end()?;
    let mut sparseProperties = Aligned([0u64; 6]);
    let call = cx.driver.cuMipmappedArrayGetSparseProperties.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(sparseProperties.0.as_mut_ptr().cast(), mipmap) })?;
    cx.reply.put(crate::cx::bytes_of(&sparseProperties.0).get(..48).unwrap_or_default());
    Ok(())
}

pub(super) fn cuArrayGetMemoryRequirements(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let array = cx.handle(Kind::Array, r.u64()?)?;
    let device = cx.device(r.i32()?)?;
    r.end()?;
    let mut memoryRequirements = Aligned([0u64; 4]);
    let call = cx.driver.cuArrayGetMemoryRequirements.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(memoryRequirements.0.as_mut_ptr().cast(), array, device) })?;
    cx.reply.put(crate::cx::bytes_of(&memoryRequirements.0).get(..32).unwrap_or_default());
    Ok(())
}

pub(super) fn cuMipmappedArrayGetMemoryRequirements(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mipmap = cx.handle(Kind::MipmappedArray, r.u64()?)?;
    let device = cx.device(r.i32()?)?;
    r.end()?;
    let mut memoryRequirements = Aligned([0u64; 4]);
    let call = cx.driver.cuMipmappedArrayGetMemoryRequirements.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(memoryRequirements.0.as_mut_ptr().cast(), mipmap, device) })?;
    cx.reply.put(crate::cx::bytes_of(&memoryRequirements.0).get(..32).unwrap_or_default());
    Ok(())
}

pub(super) fn cuArrayGetPlane(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hArray = cx.handle(Kind::Array, r.u64()?)?;
    let planeIdx = r.u32()?;
    r.end()?;
    let mut pPlaneArray = 0u64;
    let call = cx.driver.cuArrayGetPlane.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pPlaneArray, hArray, planeIdx) })?;
    let pPlaneArray = if pPlaneArray == 0 { 0 } else { cx.found(Kind::Array, pPlaneArray)? };
    cx.reply.u64(pPlaneArray);
    Ok(())
}

pub(super) fn cuArray3DGetDescriptor(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hArray = cx.handle(Kind::Array, r.u64()?)?;
    r.end()?;
    let mut pArrayDescriptor = Aligned([0u64; 5]);
    let call = cx.driver.cuArray3DGetDescriptor.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pArrayDescriptor.0.as_mut_ptr().cast(), hArray) })?;
    cx.reply.put(crate::cx::bytes_of(&pArrayDescriptor.0).get(..40).unwrap_or_default());
    Ok(())
}
