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
use ringway_wire::codec::{Reader};

pub(super) fn cuMemsetD8(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let uc = r.u8()?;
    let N = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemsetD8.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, uc, N) })?;
    Ok(())
}

pub(super) fn cuMemsetD16(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let us = r.u16()?;
    let N = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemsetD16.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, us, N) })?;
    Ok(())
}

pub(super) fn cuMemsetD32(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let ui = r.u32()?;
    let N = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemsetD32.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, ui, N) })?;
    Ok(())
}

pub(super) fn cuMemsetD2D8(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let dstPitch = r.usize()?;
    let uc = r.u8()?;
    let Width = r.usize()?;
    let Height = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemsetD2D8.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, dstPitch, uc, Width, Height) })?;
    Ok(())
}

pub(super) fn cuMemsetD2D16(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let dstPitch = r.usize()?;
    let us = r.u16()?;
    let Width = r.usize()?;
    let Height = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemsetD2D16.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, dstPitch, us, Width, Height) })?;
    Ok(())
}

pub(super) fn cuMemsetD2D32(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let dstPitch = r.usize()?;
    let ui = r.u32()?;
    let Width = r.usize()?;
    let Height = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemsetD2D32.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, dstPitch, ui, Width, Height) })?;
    Ok(())
}

pub(super) fn cuMemsetD8Async(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let uc = r.u8()?;
    let N = r.usize()?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemsetD8Async.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, uc, N, hStream) })?;
    Ok(())
}

pub(super) fn cuMemsetD16Async(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let us = r.u16()?;
    let N = r.usize()?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemsetD16Async.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, us, N, hStream) })?;
    Ok(())
}

pub(super) fn cuMemsetD32Async(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let ui = r.u32()?;
    let N = r.usize()?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemsetD32Async.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, ui, N, hStream) })?;
    Ok(())
}

pub(super) fn cuMemsetD2D8Async(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let dstPitch = r.usize()?;
    let uc = r.u8()?;
    let Width = r.usize()?;
    let Height = r.usize()?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemsetD2D8Async.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, dstPitch, uc, Width, Height, hStream) })?;
    Ok(())
}

pub(super) fn cuMemsetD2D16Async(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let dstPitch = r.usize()?;
    let us = r.u16()?;
    let Width = r.usize()?;
    let Height = r.usize()?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemsetD2D16Async.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, dstPitch, us, Width, Height, hStream) })?;
    Ok(())
}

pub(super) fn cuMemsetD2D32Async(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let dstDevice = r.u64()?;
    let dstPitch = r.usize()?;
    let ui = r.u32()?;
    let Width = r.usize()?;
    let Height = r.usize()?;
    let hStream = cx.stream(r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemsetD2D32Async.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(dstDevice, dstPitch, ui, Width, Height, hStream) })?;
    Ok(())
}
