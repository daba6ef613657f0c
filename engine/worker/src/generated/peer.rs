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
use ringway_wire::codec::{Reader, Writer as _};

pub(super) fn cuDeviceCanAccessPeer(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dev = cx.device(r.i32()?)?;
    let peerDev = cx.device(r.i32()?)?;
    r.end()?;
    let mut canAccessPeer: i32 = 0;
    let call = cx.driver.cuDeviceCanAccessPeer.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut canAccessPeer, dev, peerDev) })?;
    cx.reply.i32(canAccessPeer);
    Ok(())
}

pub(super) fn cuDeviceGetP2PAttribute(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let attrib = r.u32()?;
    let srcDevice = cx.device(r.i32()?)?;
    let dstDevice = cx.device(r.i32()?)?;
    r.end()?;
    let mut value: i32 = 0;
    let call = cx.driver.cuDeviceGetP2PAttribute.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut value, attrib, srcDevice, dstDevice) })?;
    cx.reply.i32(value);
    Ok(())
}
