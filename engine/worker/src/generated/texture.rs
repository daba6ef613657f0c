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
use ringway_api::CudaError;
use ringway_wire::codec::{Reader, Writer as _};

pub(super) fn cuTexObjectCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut pResDesc = Aligned(crate::cx::aligned::<18>(r.take(144)?));
    translate::resource(cx, &mut pResDesc.0)?;
    let pTexDesc_given = r.u8()? != 0;
    let mut pTexDesc = Aligned(crate::cx::aligned::<13>(r.take(104)?));
    let pResViewDesc_given = r.u8()? != 0;
    let mut pResViewDesc = Aligned(crate::cx::aligned::<14>(r.take(112)?));
    r.end()?;
    let mut pTexObject: u64 = 0;
    let call = cx.driver.cuTexObjectCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pTexObject, pResDesc.0.as_ptr().cast(), if pTexDesc_given { pTexDesc.0.as_ptr().cast() } else { core::ptr::null() }, if pResViewDesc_given { pResViewDesc.0.as_ptr().cast() } else { core::ptr::null() }) })?;
    cx.reply.u64(pTexObject);
    Ok(())
}

pub(super) fn cuTexObjectDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let texObject = r.u64()?;
    r.end()?;
    let call = cx.driver.cuTexObjectDestroy.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(texObject) })?;
    Ok(())
}

pub(super) fn cuTexObjectGetTextureDesc(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let texObject = r.u64()?;
    r.end()?;
    let mut pTexDesc = Aligned([0u64; 13]);
    let call = cx.driver.cuTexObjectGetTextureDesc.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pTexDesc.0.as_mut_ptr().cast(), texObject) })?;
    cx.reply.put(crate::cx::bytes_of(&pTexDesc.0).get(..104).unwrap_or_default());
    Ok(())
}

pub(super) fn cuTexObjectGetResourceViewDesc(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let texObject = r.u64()?;
    r.end()?;
    let mut pResViewDesc = Aligned([0u64; 14]);
    let call = cx.driver.cuTexObjectGetResourceViewDesc.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pResViewDesc.0.as_mut_ptr().cast(), texObject) })?;
    cx.reply.put(crate::cx::bytes_of(&pResViewDesc.0).get(..112).unwrap_or_default());
    Ok(())
}

pub(super) fn cuSurfObjectCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut pResDesc = Aligned(crate::cx::aligned::<18>(r.take(144)?));
    translate::resource(cx, &mut pResDesc.0)?;
    r.end()?;
    let mut pSurfObject: u64 = 0;
    let call = cx.driver.cuSurfObjectCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pSurfObject, pResDesc.0.as_ptr().cast()) })?;
    cx.reply.u64(pSurfObject);
    Ok(())
}

pub(super) fn cuSurfObjectDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let surfObject = r.u64()?;
    r.end()?;
    let call = cx.driver.cuSurfObjectDestroy.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(surfObject) })?;
    Ok(())
}
