//! Managed memory: allocation, advice, prefetches, range attributes.

use crate::driver::abi::*;
use crate::driver::capture;
use crate::driver::context::current;
use crate::driver::device::driver;
use crate::driver::entry::export;
use crate::driver::exports::memory::Any;
use crate::driver::memory::copy::{Fill, Wait, submit_fill};
use crate::driver::memory::managed::{self, location_of};
use crate::driver::memory::{Kind, New, space};
use crate::driver::op::Op;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream;

export! {
    cuMemAllocManaged [cuMemAllocManaged] [] |_d| (dptr: Out<CUdeviceptr>, bytesize: usize, flags: u32) {
        dptr.required()?;
        let ctx = current()?;
        ensure(matches!(flags, 1 | 2) && bytesize > 0, CUresult::INVALID_VALUE)?;
        capture::forbid_unsafe()?;
        let start = driver()?.managed.allocate(bytesize as u64, 4096)?;
        space().insert(New { start, len: bytesize as u64, kind: Kind::Managed, device: ctx.device.ordinal, ctx: ctx.handle, flags, pool: 0 });
        dptr.put(CUdeviceptr(start))
    }
    cuMemAdvise [cuMemAdvise] [] |_d| (devPtr: CUdeviceptr, count: usize, advice: u32, dev: CUdevice) { managed::advise(devPtr.0, count as u64, advice, location_of(dev.0)) }
    cuMemAdvise_v2 [cuMemAdvise_v2] [] |_d| (devPtr: CUdeviceptr, count: usize, advice: u32, location: CUmemLocation) { managed::advise(devPtr.0, count as u64, advice, location) }
    cuMemPrefetchAsync [cuMemPrefetchAsync] [cuMemPrefetchAsync_ptsz] |d| (devPtr: CUdeviceptr, count: usize, dstDevice: CUdevice, hStream: CUstream) {
        prefetch(&[(devPtr, count, location_of(dstDevice.0))], 0, hStream, d)
    }
    cuMemPrefetchAsync_v2 [cuMemPrefetchAsync_v2] [cuMemPrefetchAsync_v2_ptsz] |d| (devPtr: CUdeviceptr, count: usize, location: CUmemLocation, flags: u32, hStream: CUstream) {
        prefetch(&[(devPtr, count, location)], u64::from(flags), hStream, d)
    }
    cuMemPrefetchBatchAsync [cuMemPrefetchBatchAsync] [cuMemPrefetchBatchAsync_ptsz] |d| (dptrs: In<CUdeviceptr>, sizes: In<usize>, count: usize, prefetchLocs: In<CUmemLocation>,
        prefetchLocIdxs: In<usize>, numPrefetchLocs: usize, flags: u64, hStream: CUstream) {
        not_legacy(hStream, d)?;
        prefetch(&located(&ranges(dptrs, sizes, count)?, prefetchLocs, prefetchLocIdxs, numPrefetchLocs)?, flags, hStream, d)
    }
    cuMemDiscardBatchAsync [cuMemDiscardBatchAsync] [cuMemDiscardBatchAsync_ptsz] |d| (dptrs: In<CUdeviceptr>, sizes: In<usize>, count: usize, flags: u64, hStream: CUstream) {
        not_legacy(hStream, d)?;
        discard(&ranges(dptrs, sizes, count)?, flags, hStream, d)
    }
    cuMemDiscardAndPrefetchBatchAsync [cuMemDiscardAndPrefetchBatchAsync] [cuMemDiscardAndPrefetchBatchAsync_ptsz] |d| (dptrs: In<CUdeviceptr>, sizes: In<usize>, count: usize,
        prefetchLocs: In<CUmemLocation>, prefetchLocIdxs: In<usize>, numPrefetchLocs: usize, flags: u64, hStream: CUstream) {
        not_legacy(hStream, d)?;
        let list = ranges(dptrs, sizes, count)?;
        let located = located(&list, prefetchLocs, prefetchLocIdxs, numPrefetchLocs)?;
        discard(&list, flags, hStream, d)?;
        prefetch(&located, flags, hStream, d)
    }
    cuMemRangeGetAttribute [cuMemRangeGetAttribute] [] |_d| (data: Any, dataSize: usize, attribute: u32, devPtr: CUdeviceptr, count: usize) {
        range_attribute(data, dataSize, attribute, devPtr, count)
    }
    cuMemRangeGetAttributes [cuMemRangeGetAttributes] [] |_d| (data: In<Host>, dataSizes: In<usize>, attributes: In<u32>, numAttributes: usize, devPtr: CUdeviceptr, count: usize) {
        let (places, sizes) = (data.list(numAttributes)?, dataSizes.list(numAttributes)?);
        ensure(numAttributes > 0, CUresult::INVALID_VALUE)?;
        for ((place, size), attribute) in places.into_iter().zip(sizes).zip(attributes.list(numAttributes)?) {
            range_attribute(place, size, attribute, devPtr, count)?;
        }
        Ok(())
    }
    cuStreamAttachMemAsync [cuStreamAttachMemAsync] [cuStreamAttachMemAsync_ptsz] |d| (hStream: CUstream, dptr: CUdeviceptr, length: usize, flags: u32) {
        let (stream, _ctx) = stream::resolve(hStream, d)?;
        capture::forbid_sync(&stream)?;
        // Attached to one stream means to one that has a name.
        ensure(matches!(flags, 1 | 2) || (flags == 4 && !stream.legacy), CUresult::INVALID_VALUE)?;
        let a = space().find(dptr.0).filter(|a| a.kind == Kind::Managed).ok_or(CUresult::INVALID_VALUE)?;
        ensure(a.start == dptr.0 && (length == 0 || length as u64 == a.len), CUresult::INVALID_VALUE)
    }
}

type Range = (CUdeviceptr, usize);

fn not_legacy(handle: CUstream, default: CUstream) -> R {
    ensure(!stream::resolve(handle, default)?.0.legacy, CUresult::INVALID_VALUE)
}

fn ranges(addresses: In<CUdeviceptr>, sizes: In<usize>, count: usize) -> R<Vec<Range>> {
    ensure(count > 0, CUresult::INVALID_VALUE)?;
    Ok(addresses.list(count)?.into_iter().zip(sizes.list(count)?).collect())
}

/// Pairs the ranges with locations, of which entry `k` stands for the ranges from `firsts[k]` to before `firsts[k + 1]`.
fn located(ranges: &[Range], locations: In<CUmemLocation>, firsts: In<usize>, count: usize) -> R<Vec<(CUdeviceptr, usize, CUmemLocation)>> {
    ensure(count > 0 && count <= ranges.len(), CUresult::INVALID_VALUE)?;
    let (locations, firsts) = (locations.list(count)?, firsts.list(count)?);
    let rising = firsts.windows(2).all(|w| w[0] < w[1]) && firsts[0] == 0 && firsts[count - 1] < ranges.len();
    ensure(rising, CUresult::INVALID_VALUE)?;
    Ok(ranges.iter().enumerate().map(|(i, &(address, len))| (address, len, locations[firsts.partition_point(|&f| f <= i) - 1])).collect())
}

fn prefetch(list: &[(CUdeviceptr, usize, CUmemLocation)], flags: u64, handle: CUstream, default: CUstream) -> R {
    let (stream, _ctx) = stream::resolve(handle, default)?;
    ensure(flags == 0, CUresult::INVALID_VALUE)?;
    capture::forbid_sync(&stream)?;
    list.iter().try_for_each(|(address, len, _)| managed::check(address.0, *len as u64))?;
    list.iter().try_for_each(|&(address, len, location)| managed::prefetch(address.0, len as u64, location))?;
    stream.submit(Op::Empty, Vec::new());
    Ok(())
}

/// What is discarded reads as zero.
fn discard(list: &[Range], flags: u64, handle: CUstream, default: CUstream) -> R {
    let (stream, _ctx) = stream::resolve(handle, default)?;
    ensure(flags == 0, CUresult::INVALID_VALUE)?;
    capture::forbid_sync(&stream)?;
    list.iter().try_for_each(|(address, len)| managed::check(address.0, *len as u64))?;
    list.iter().try_for_each(|&(address, len)| {
        let fill = Fill { dst: address.0, pitch: 0, value: 0, element: 1, width: len as u64, height: 1 };
        submit_fill(fill, handle, default, Wait::Submitted)
    })
}

fn range_attribute(data: Any, size: usize, attribute: u32, address: CUdeviceptr, count: usize) -> R {
    let words = managed::attribute(address.0, count as u64, attribute, size)?;
    let out = Out(data.0 as *mut i32);
    out.required()?;
    words.into_iter().enumerate().for_each(|(i, word)| out.put_at(i, word));
    Ok(())
}
