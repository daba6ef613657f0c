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

pub(super) fn cuMemPoolTrimTo(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let pool = cx.handle(Kind::MemPool, r.u64()?)?;
    let minBytesToKeep = r.usize()?;
    r.end()?;
    let call = cx.driver.cuMemPoolTrimTo.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pool, minBytesToKeep) })?;
    Ok(())
}

pub(super) fn cuMemPoolSetAccess(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let pool = cx.handle(Kind::MemPool, r.u64()?)?;
    let map_count = r.u32()?;
    if (r.left() / 12) < map_count as usize {
        return Err(Malformed::TooShort { wanted: (map_count as usize).saturating_mul(12), left: r.left() }.into());
    }
    let mut map = Vec::with_capacity(map_count as usize);
    for _ in 0..map_count {
        map.push(r.array::<12>()?);
    }
    for v in &mut map {
        translate::to_driver(cx, v, 0)?;
    }
    let count = r.usize()?;
    r.end()?;
    if u64::from(map_count) != count as u64 {
        return Err(Malformed::Count { count: u64::from(map_count), limit: count as u64 }.into());
    }
    let call = cx.driver.cuMemPoolSetAccess.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pool, if map.is_empty() { core::ptr::null() } else { map.as_ptr().cast() }, count) })?;
    Ok(())
}

pub(super) fn cuMemPoolGetAccess(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let memPool = cx.handle(Kind::MemPool, r.u64()?)?;
    let mut location = r.array::<8>()?;
    translate::to_driver(cx, &mut location, 0)?;
    let mut location = Aligned(crate::cx::aligned::<1>(&location));
    r.end()?;
    let mut flags: u32 = 0;
    let call = cx.driver.cuMemPoolGetAccess.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut flags, memPool, location.0.as_ptr().cast()) })?;
    cx.reply.u32(flags);
    Ok(())
}

pub(super) fn cuMemPoolCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let pool_id = r.u64()?;
    let mut poolProps = r.array::<88>()?;
    translate::to_driver(cx, &mut poolProps, 8)?;
    let mut poolProps = Aligned(crate::cx::aligned::<11>(&poolProps));
    r.end()?;
    let mut pool = 0u64;
    let call = cx.driver.cuMemPoolCreate.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pool, poolProps.0.as_ptr().cast()) })?;
    cx.insert(Kind::MemPool, pool_id, pool)?;
    Ok(())
}

pub(super) fn cuMemPoolDestroy(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let pool_id = r.u64()?;
    let pool = cx.handle(Kind::MemPool, pool_id)?;
    r.end()?;
    let call = cx.driver.cuMemPoolDestroy.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(pool) })?;
    cx.remove(Kind::MemPool, pool_id);
    Ok(())
}

pub(super) fn cuMemGetDefaultMemPool(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut location = r.array::<8>()?;
    translate::to_driver(cx, &mut location, 0)?;
    let mut location = Aligned(crate::cx::aligned::<1>(&location));
    let kind = r.u32()?;
    r.end()?;
    let mut pool_out = 0u64;
    let call = cx.driver.cuMemGetDefaultMemPool.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pool_out, location.0.as_ptr().cast(), kind) })?;
    let pool_out = if pool_out == 0 { 0 } else { cx.found(Kind::MemPool, pool_out)? };
    cx.reply.u64(pool_out);
    Ok(())
}

pub(super) fn cuMemGetMemPool(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut location = r.array::<8>()?;
    translate::to_driver(cx, &mut location, 0)?;
    let mut location = Aligned(crate::cx::aligned::<1>(&location));
    let kind = r.u32()?;
    r.end()?;
    let mut pool = 0u64;
    let call = cx.driver.cuMemGetMemPool.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(&mut pool, location.0.as_ptr().cast(), kind) })?;
    let pool = if pool == 0 { 0 } else { cx.found(Kind::MemPool, pool)? };
    cx.reply.u64(pool);
    Ok(())
}

pub(super) fn cuMemSetMemPool(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let mut location = r.array::<8>()?;
    translate::to_driver(cx, &mut location, 0)?;
    let mut location = Aligned(crate::cx::aligned::<1>(&location));
    let kind = r.u32()?;
    let pool = cx.handle(Kind::MemPool, r.u64()?)?;
    r.end()?;
    let call = cx.driver.cuMemSetMemPool.ok_or(CudaError::NOT_SUPPORTED)?;
    CudaError::check(unsafe { call(location.0.as_ptr().cast(), kind, pool) })?;
    Ok(())
}
