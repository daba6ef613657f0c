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

pub(super) fn cuLibraryGetKernelCount(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let lib = cx.handle(Kind::Library, r.u64()?)?;
    r.end()?;
    let mut count: u32 = 0;
    let call = cx.driver.cuLibraryGetKernelCount.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut count, lib) })?;
    cx.reply.u32(count);
    Ok(())
}

pub(super) fn cuKernelGetAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let attrib = r.u32()?;
    let kernel = cx.handle(Kind::Kernel, r.u64()?)?;
    let dev = cx.device(r.i32()?)?;
    r.end()?;
    let mut pi: i32 = 0;
    let call = cx.driver.cuKernelGetAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pi, attrib, kernel, dev) })?;
    cx.reply.i32(pi);
    Ok(())
}

pub(super) fn cuKernelSetCacheConfig(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let kernel = cx.handle(Kind::Kernel, r.u64()?)?;
    let config = r.u32()?;
    let dev = cx.device(r.i32()?)?;
    r.end()?;
    let call = cx.driver.cuKernelSetCacheConfig.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(kernel, config, dev) })?;
    Ok(())
}
