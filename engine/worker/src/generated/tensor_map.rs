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
use ringway_api::CudaError;
use ringway_wire::codec::{Malformed, Reader, Writer as _};

pub(super) fn cuTensorMapEncodeTiled(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let tensorDataType = r.u32()?;
    let tensorRank = r.u32()?;
    let globalAddress = r.u64()?;
    let globalDim_count = r.u32()?;
    if (r.left() / 8) < globalDim_count as usize {
        return Err(Malformed::TooShort { wanted: (globalDim_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut globalDim = Vec::with_capacity(globalDim_count as usize);
    for _ in 0..globalDim_count {
        globalDim.push(r.u64()?);
    }
    let globalStrides_count = r.u32()?;
    if (r.left() / 8) < globalStrides_count as usize {
        return Err(Malformed::TooShort { wanted: (globalStrides_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut globalStrides = Vec::with_capacity(globalStrides_count as usize);
    for _ in 0..globalStrides_count {
        globalStrides.push(r.u64()?);
    }
    let boxDim_count = r.u32()?;
    if (r.left() / 4) < boxDim_count as usize {
        return Err(Malformed::TooShort { wanted: (boxDim_count as usize).saturating_mul(4), left: r.left() }.into());
    }
    let mut boxDim = Vec::with_capacity(boxDim_count as usize);
    for _ in 0..boxDim_count {
        boxDim.push(r.u32()?);
    }
    let elementStrides_count = r.u32()?;
    if (r.left() / 4) < elementStrides_count as usize {
        return Err(Malformed::TooShort { wanted: (elementStrides_count as usize).saturating_mul(4), left: r.left() }.into());
    }
    let mut elementStrides = Vec::with_capacity(elementStrides_count as usize);
    for _ in 0..elementStrides_count {
        elementStrides.push(r.u32()?);
    }
    let interleave = r.u32()?;
    let swizzle = r.u32()?;
    let l2Promotion = r.u32()?;
    let oobFill = r.u32()?;
    r.end()?;
    if u64::from(globalDim_count) != tensorRank as u64 {
        return Err(Malformed::Count { count: u64::from(globalDim_count), limit: tensorRank as u64 }.into());
    }
    if u64::from(globalStrides_count) != tensorRank.saturating_sub(1) as u64 {
        return Err(Malformed::Count { count: u64::from(globalStrides_count), limit: tensorRank.saturating_sub(1) as u64 }.into());
    }
    if u64::from(boxDim_count) != tensorRank as u64 {
        return Err(Malformed::Count { count: u64::from(boxDim_count), limit: tensorRank as u64 }.into());
    }
    if u64::from(elementStrides_count) != tensorRank as u64 {
        return Err(Malformed::Count { count: u64::from(elementStrides_count), limit: tensorRank as u64 }.into());
    }
    let mut tensorMap = Aligned([0u64; 16]);
    let call = cx.driver.cuTensorMapEncodeTiled.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(tensorMap.0.as_mut_ptr().cast(), tensorDataType, tensorRank, globalAddress, if globalDim.is_empty() { core::ptr::null() } else { globalDim.as_ptr() }, if globalStrides.is_empty() { core::ptr::null() } else { globalStrides.as_ptr() }, if boxDim.is_empty() { core::ptr::null() } else { boxDim.as_ptr() }, if elementStrides.is_empty() { core::ptr::null() } else { elementStrides.as_ptr() }, interleave, swizzle, l2Promotion, oobFill) })?;
    cx.reply.put(crate::cx::bytes_of(&tensorMap.0).get(..128).unwrap_or_default());
    Ok(())
}

pub(super) fn cuTensorMapEncodeIm2colWide(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let tensorDataType = r.u32()?;
    let tensorRank = r.u32()?;
    let globalAddress = r.u64()?;
    let globalDim_count = r.u32()?;
    if (r.left() / 8) < globalDim_count as usize {
        return Err(Malformed::TooShort { wanted: (globalDim_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut globalDim = Vec::with_capacity(globalDim_count as usize);
    for _ in 0..globalDim_count {
        globalDim.push(r.u64()?);
    }
    let globalStrides_count = r.u32()?;
    if (r.left() / 8) < globalStrides_count as usize {
        return Err(Malformed::TooShort { wanted: (globalStrides_count as usize).saturating_mul(8), left: r.left() }.into());
    }
    let mut globalStrides = Vec::with_capacity(globalStrides_count as usize);
    for _ in 0..globalStrides_count {
        globalStrides.push(r.u64()?);
    }
    let pixelBoxLowerCornerWidth = r.i32()?;
    let pixelBoxUpperCornerWidth = r.i32()?;
    let channelsPerPixel = r.u32()?;
    let pixelsPerColumn = r.u32()?;
    let elementStrides_count = r.u32()?;
    if (r.left() / 4) < elementStrides_count as usize {
        return Err(Malformed::TooShort { wanted: (elementStrides_count as usize).saturating_mul(4), left: r.left() }.into());
    }
    let mut elementStrides = Vec::with_capacity(elementStrides_count as usize);
    for _ in 0..elementStrides_count {
        elementStrides.push(r.u32()?);
    }
    let interleave = r.u32()?;
    let mode = r.u32()?;
    let swizzle = r.u32()?;
    let l2Promotion = r.u32()?;
    let oobFill = r.u32()?;
    r.end()?;
    if u64::from(globalDim_count) != tensorRank as u64 {
        return Err(Malformed::Count { count: u64::from(globalDim_count), limit: tensorRank as u64 }.into());
    }
    if u64::from(globalStrides_count) != tensorRank.saturating_sub(1) as u64 {
        return Err(Malformed::Count { count: u64::from(globalStrides_count), limit: tensorRank.saturating_sub(1) as u64 }.into());
    }
    if u64::from(elementStrides_count) != tensorRank as u64 {
        return Err(Malformed::Count { count: u64::from(elementStrides_count), limit: tensorRank as u64 }.into());
    }
    let mut tensorMap = Aligned([0u64; 16]);
    let call = cx.driver.cuTensorMapEncodeIm2colWide.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(tensorMap.0.as_mut_ptr().cast(), tensorDataType, tensorRank, globalAddress, if globalDim.is_empty() { core::ptr::null() } else { globalDim.as_ptr() }, if globalStrides.is_empty() { core::ptr::null() } else { globalStrides.as_ptr() }, pixelBoxLowerCornerWidth, pixelBoxUpperCornerWidth, channelsPerPixel, pixelsPerColumn, if elementStrides.is_empty() { core::ptr::null() } else { elementStrides.as_ptr() }, interleave, mode, swizzle, l2Promotion, oobFill) })?;
    cx.reply.put(crate::cx::bytes_of(&tensorMap.0).get(..128).unwrap_or_default());
    Ok(())
}

pub(super) fn cuTensorMapReplaceAddress(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut tensorMap = Aligned(crate::cx::aligned::<16>(r.take(128)?));
    let globalAddress = r.u64()?;
    r.end()?;
    let call = cx.driver.cuTensorMapReplaceAddress.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(tensorMap.0.as_mut_ptr().cast(), globalAddress) })?;
    cx.reply.put(crate::cx::bytes_of(&tensorMap.0).get(..128).unwrap_or_default());
    Ok(())
}
