//! Copies with arrays: within the device as they are; from the client straight out of the ring; to the client by `downloads`.

use super::copy::{DOWNLOAD_BYTES_MAX, Memcpy3D, deliver, kind, refuse_capture};
use crate::cx::{Cx, Failure, Handled, Outcome};
use crate::driver_call;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::{CallHeader, Reader};

/// Bytes of the arguments before the data of a copy to an array.
const TO_ARRAY_BYTES: usize = 56;

/// One side of a copy within the device.
struct Side {
    kind: u32,
    address: u64,
    array: u64,
    at: [usize; 3],
    pitch: usize,
    height: usize,
}

fn triple(r: &mut Reader<'_>) -> Result<[usize; 3], Failure> {
    Ok([r.usize()?, r.usize()?, r.usize()?])
}

fn side(cx: &Cx<'_>, r: &mut Reader<'_>) -> Result<Side, Failure> {
    let (memory, base, at) = (r.u64()?, r.u64()?, triple(r)?);
    let (pitch, height) = (r.usize()?, r.usize()?);
    if memory == u64::from(kind::ARRAY) {
        let array = cx.handle(Kind::Array, base)?;
        return Ok(Side { kind: kind::ARRAY, address: 0, array, at, pitch: 0, height: 0 });
    }
    Ok(Side { kind: kind::DEVICE, address: base, array: 0, at: [0; 3], pitch, height })
}

/// A box within the device, with arrays at any end.
pub(super) fn read_box(cx: &Cx<'_>, r: &mut Reader<'_>) -> Result<Memcpy3D, Failure> {
    let (dst, src) = (side(cx, r)?, side(cx, r)?);
    let [width, height, depth] = triple(r)?;
    Ok(Memcpy3D {
        src_x: src.at[0],
        src_y: src.at[1],
        src_z: src.at[2],
        src_kind: src.kind,
        src_device: src.address,
        src_array: src.array,
        src_pitch: src.pitch,
        src_height: src.height,
        dst_x: dst.at[0],
        dst_y: dst.at[1],
        dst_z: dst.at[2],
        dst_kind: dst.kind,
        dst_device: dst.address,
        dst_array: dst.array,
        dst_pitch: dst.pitch,
        dst_height: dst.height,
        width,
        height,
        depth,
        ..Memcpy3D::default()
    })
}

fn on_device(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let copy = read_box(cx, r)?;
    r.end()?;
    Ok(driver_call!(cx.driver, cuMemcpy3DAsync((&raw const copy).cast(), stream))?)
}

pub fn cuMemcpyDtoA(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    on_device(cx, r).into()
}

pub fn cuMemcpyAtoD(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    on_device(cx, r).into()
}

pub fn cuMemcpyAtoA(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    on_device(cx, r).into()
}

fn to_array(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let stream = cx.stream(r.u64()?)?;
    let array = cx.handle(Kind::Array, r.u64()?)?;
    let [x, y, z] = triple(r)?;
    let (width, height) = (r.usize()?, r.usize()?);
    refuse_capture(cx, stream)?;
    let data = cx.payload.from_offset(CallHeader::SIZE + TO_ARRAY_BYTES).ok_or(CudaError::INVALID_VALUE)?;
    // Rows follow each other without gaps; there must be no fewer bytes than the box has.
    if width.checked_mul(height) != Some(data.len()) {
        return Err(CudaError::INVALID_VALUE.into());
    }
    let copy = Memcpy3D {
        src_kind: kind::HOST,
        src_host: data.as_ptr() as u64,
        src_pitch: width,
        src_height: height,
        dst_kind: kind::ARRAY,
        dst_array: array,
        dst_x: x,
        dst_y: y,
        dst_z: z,
        width,
        height,
        depth: 1,
        ..Memcpy3D::default()
    };
    // The source is the ring itself, pageable memory that the driver reads before the call returns (see `copy::to_device`).
    driver_call!(cx.driver, cuMemcpy3DAsync((&raw const copy).cast(), stream))?;
    cx.answer_after(stream)
}

pub fn cuMemcpyHtoA(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_array(cx, r).into()
}

pub fn cuMemcpyHtoAAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_array(cx, r).into()
}

fn to_client(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let stream = cx.stream(r.u64()?)?;
    let array = cx.handle(Kind::Array, r.u64()?)?;
    let [x, y, z] = triple(r)?;
    let [width, height, depth] = triple(r)?;
    let id = r.u64()?;
    r.end()?;
    let bytes = width
        .checked_mul(height)
        .and_then(|bytes| bytes.checked_mul(depth))
        .filter(|bytes| (1..=DOWNLOAD_BYTES_MAX).contains(bytes))
        .ok_or(CudaError::INVALID_VALUE)?;
    refuse_capture(cx, stream)?;
    let context = cx.context()?.raw;
    let driver = cx.driver;
    let download = cx.session.downloads.begin(driver, cx.lane, context, id, bytes, stream, |offset, _, to| {
        // A box cannot be cut at any byte: the first piece brings all of it.
        if offset > 0 {
            return Ok(());
        }
        let copy = Memcpy3D {
            src_kind: kind::ARRAY,
            src_array: array,
            src_x: x,
            src_y: y,
            src_z: z,
            dst_kind: kind::HOST,
            dst_host: to,
            dst_pitch: width,
            dst_height: height,
            width,
            height,
            depth,
            ..Memcpy3D::default()
        };
        driver_call!(driver, cuMemcpy3DAsync((&raw const copy).cast(), stream))
    })?;
    deliver(cx, download, bytes)
}

pub fn cuMemcpyAtoH(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_client(cx, r).into()
}

pub fn cuMemcpyAtoHAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_client(cx, r).into()
}
