//! Copies with attributes, and batches of them.

use crate::driver::abi::*;
use crate::driver::entry::export;
use crate::driver::memory::array::ARRAYS;
use crate::driver::memory::copy::{Copy3D, Order, submit_ordered};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::stream::{self, Stream};
use std::sync::Arc;

export! {
    cuMemcpyBatchAsync_v1 [cuMemcpyBatchAsync] [cuMemcpyBatchAsync_ptsz] |d| (dsts: In<CUdeviceptr>, srcs: In<CUdeviceptr>, sizes: In<usize>, count: usize, attrs: In<CUmemcpyAttributes>,
        attrsIdxs: In<usize>, numAttrs: usize, failIdx: Out<usize>, hStream: CUstream) {
        linear(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, hStream, d).map_err(|(at, code)| {
            failIdx.give(at);
            code
        })
    }
    cuMemcpyBatchAsync [cuMemcpyBatchAsync_v2] [cuMemcpyBatchAsync_v2_ptsz] |d| (dsts: In<CUdeviceptr>, srcs: In<CUdeviceptr>, sizes: In<usize>, count: usize, attrs: In<CUmemcpyAttributes>,
        attrsIdxs: In<usize>, numAttrs: usize, hStream: CUstream) {
        linear(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, hStream, d).map_err(|(_, code)| code)
    }
    cuMemcpy3DBatchAsync_v1 [cuMemcpy3DBatchAsync] [cuMemcpy3DBatchAsync_ptsz] |d| (numOps: usize, opList: In<CUDA_MEMCPY3D_BATCH_OP>, failIdx: Out<usize>, flags: u64, hStream: CUstream) {
        boxes(numOps, opList, flags, hStream, d).map_err(|(at, code)| {
            failIdx.give(at);
            code
        })
    }
    cuMemcpy3DBatchAsync [cuMemcpy3DBatchAsync_v2] [cuMemcpy3DBatchAsync_v2_ptsz] |d| (numOps: usize, opList: In<CUDA_MEMCPY3D_BATCH_OP>, flags: u64, hStream: CUstream) {
        boxes(numOps, opList, flags, hStream, d).map_err(|(_, code)| code)
    }
    cuMemcpyWithAttributesAsync [cuMemcpyWithAttributesAsync] [cuMemcpyWithAttributesAsync_ptsz] |d| (dst: CUdeviceptr, src: CUdeviceptr, size: usize, attr: In<CUmemcpyAttributes>, hStream: CUstream) {
        let (stream, _ctx) = stream::resolve(hStream, d)?;
        let order = order(&attr.get()?)?;
        let copy = checked(Copy3D::linear(dst.0, src.0, size as u64))?;
        submit_ordered(copy, order, &stream)
    }
    cuMemcpy3DWithAttributesAsync [cuMemcpy3DWithAttributesAsync] [cuMemcpy3DWithAttributesAsync_ptsz] |d| (op: In<CUDA_MEMCPY3D_BATCH_OP>, flags: u64, hStream: CUstream) {
        let (stream, _ctx) = stream::resolve(hStream, d)?;
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        let (copy, order) = boxed(&op.get()?)?;
        copy.note();
        submit_ordered(copy, order, &stream)
    }
}

/// Which entry was wrong (`usize::MAX` if none alone is to blame), and how.
type Failure = (usize, CUresult);

fn all(code: CUresult) -> Failure {
    (usize::MAX, code)
}

fn named_stream(handle: CUstream, default: CUstream) -> Result<Arc<Stream>, Failure> {
    let (stream, _ctx) = stream::resolve(handle, default).map_err(all)?;
    ensure(!stream.legacy, CUresult::INVALID_VALUE).map_err(all)?;
    Ok(stream)
}

/// `CUmemcpySrcAccessOrder`.
fn order_of(number: u32) -> R<Order> {
    match number {
        1 => Ok(Order::Stream),
        2 => Ok(Order::DuringCall),
        3 => Ok(Order::Any),
        _ => Err(CUresult::INVALID_VALUE),
    }
}

/// What the attributes say that matters here; location hints do not.
fn order(attributes: &CUmemcpyAttributes) -> R<Order> {
    ensure(attributes.flags & !1 == 0, CUresult::INVALID_VALUE)?;
    order_of(attributes.srcAccessOrder)
}

fn checked(copy: Copy3D) -> R<Copy3D> {
    copy.check(false, false)?;
    Ok(copy)
}

/// All entries are checked before the first is submitted.
#[allow(clippy::too_many_arguments)]
fn linear(dsts: In<CUdeviceptr>, srcs: In<CUdeviceptr>, sizes: In<usize>, count: usize, attributes: In<CUmemcpyAttributes>, firsts: In<usize>, attribute_count: usize,
    handle: CUstream, default: CUstream) -> Result<(), Failure> {
    let stream = named_stream(handle, default)?;
    ensure(count > 0 && attribute_count > 0 && attribute_count <= count, CUresult::INVALID_VALUE).map_err(all)?;
    let (dsts, srcs, sizes) = (dsts.list(count).map_err(all)?, srcs.list(count).map_err(all)?, sizes.list(count).map_err(all)?);
    let (attributes, firsts) = (attributes.list(attribute_count).map_err(all)?, firsts.list(attribute_count).map_err(all)?);
    let rising = firsts.windows(2).all(|w| w[0] < w[1]) && firsts[0] == 0 && firsts[attribute_count - 1] < count;
    ensure(rising, CUresult::INVALID_VALUE).map_err(all)?;
    let mut list = Vec::with_capacity(count);
    for (i, ((dst, src), size)) in dsts.into_iter().zip(srcs).zip(sizes).enumerate() {
        let attribute = &attributes[firsts.partition_point(|&first| first <= i) - 1];
        let copy = checked(Copy3D::linear(dst.0, src.0, size as u64)).and_then(|copy| Ok((copy, order(attribute)?)));
        list.push(copy.map_err(|code| (i, code))?);
    }
    submit_all(list, &stream)
}

fn boxes(count: usize, list: In<CUDA_MEMCPY3D_BATCH_OP>, flags: u64, handle: CUstream, default: CUstream) -> Result<(), Failure> {
    let stream = named_stream(handle, default)?;
    ensure(count > 0 && flags == 0, CUresult::INVALID_VALUE).map_err(all)?;
    let ops = list.list(count).map_err(all)?;
    let list = ops.iter().enumerate().map(|(i, op)| boxed(op).map_err(|code| (i, code))).collect::<Result<Vec<_>, _>>()?;
    submit_all(list, &stream)
}

fn submit_all(list: Vec<(Copy3D, Order)>, stream: &Arc<Stream>) -> Result<(), Failure> {
    for (i, (copy, order)) in list.into_iter().enumerate() {
        submit_ordered(copy, order, stream).map_err(|code| (i, code))?;
    }
    Ok(())
}

/// A copy of a box between two operands. Its extent counts elements: of the array, or bytes where there is none.
fn boxed(op: &CUDA_MEMCPY3D_BATCH_OP) -> R<(Copy3D, Order)> {
    ensure(op.extent.iter().all(|&n| n > 0) && op.flags & !1 == 0, CUresult::INVALID_VALUE)?;
    let [width, height, depth] = op.extent;
    let element = match (element_of(&op.src)?, element_of(&op.dst)?) {
        (Some(a), Some(b)) if a != b => return Err(CUresult::INVALID_VALUE),
        (a, b) => a.or(b).unwrap_or(1),
    };
    let bytes = |elements: usize| elements.checked_mul(element).ok_or(CUresult::INVALID_VALUE);
    let mut p = CUDA_MEMCPY3D { WidthInBytes: bytes(width)?, Height: height, Depth: depth, ..CUDA_MEMCPY3D::default() };
    let (src, dst) = (side(&op.src, width, height)?, side(&op.dst, width, height)?);
    (p.srcMemoryType, p.srcDevice, p.srcArray, p.srcHeight) = (src.kind, src.address, src.array, src.layer);
    (p.dstMemoryType, p.dstDevice, p.dstArray, p.dstHeight) = (dst.kind, dst.address, dst.array, dst.layer);
    (p.srcPitch, p.dstPitch) = (bytes(src.row)?, bytes(dst.row)?);
    (p.srcXInBytes, p.srcY, p.srcZ) = (bytes(src.at[0])?, src.at[1], src.at[2]);
    (p.dstXInBytes, p.dstY, p.dstZ) = (bytes(dst.at[0])?, dst.at[1], dst.at[2]);
    let order = order_of(op.srcAccessOrder)?;
    Ok((checked(Copy3D::from_3d(&p)?)?, order))
}

/// `CU_MEMCPY_OPERAND_TYPE_POINTER` and `_ARRAY`.
const POINTER: u32 = 1;
const ARRAY: u32 = 2;

/// Bytes of an element, if the operand is an array.
fn element_of(operand: &CUmemcpy3DOperand) -> R<Option<usize>> {
    match operand.kind {
        POINTER => Ok(None),
        ARRAY => Ok(Some(ARRAYS.get(operand.words[0])?.format.bytes() as usize)),
        _ => Err(CUresult::INVALID_VALUE),
    }
}

/// One operand in the terms of `cuMemcpy3D`, in elements.
#[derive(Default)]
struct Side {
    kind: u32,
    address: CUdeviceptr,
    array: CUarray,
    row: usize,
    layer: usize,
    at: [usize; 3],
}

/// A pointer has the length of its rows and the height of its layers (0: as the extent), an array an offset.
fn side(operand: &CUmemcpy3DOperand, width: usize, height: usize) -> R<Side> {
    let [first, x, y, z] = operand.words;
    let [x, y, z] = [x, y, z].map(|word| word as usize);
    if operand.kind == ARRAY {
        return Ok(Side { kind: 3, array: CUarray(first), at: [x, y, z], ..Side::default() });
    }
    ensure((x == 0 || x >= width) && (y == 0 || y >= height), CUresult::INVALID_VALUE)?;
    Ok(Side { kind: 4, address: CUdeviceptr(first), row: x, layer: y, ..Side::default() })
}
