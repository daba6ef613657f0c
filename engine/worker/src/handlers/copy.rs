//! Copies. To the device: straight from the ring. To the client: by `downloads`, inside the reply where the copy is short
//! and soon done. Within the device: as they are.

use crate::cx::{Cx, Failure, Handled, Outcome, Pending, Target};
use crate::driver_call;
use ringway_api::CudaError;
use ringway_wire::codec::{CallHeader, Reader};
use std::ffi::c_void;

/// Copies to the client are staged whole; the client splits larger ones.
const DOWNLOAD_BYTES_MAX: usize = 64 << 20;
/// Copies of up to this many bytes are looked at by the GPU thread for a while: they may be inside the reply.
const INLINE_BYTES_MAX: usize = ringway_wire::layout::REPLY_INLINE_MAX;

/// Host memory of the server is not the client's: a copy with it cannot become part of a graph.
fn refuse_capture(cx: &Cx<'_>, stream: u64) -> Result<(), CudaError> {
    if cx.session.capturing() {
        let mut status = 0u32;
        driver_call!(cx.driver, cuStreamIsCapturing(stream, &raw mut status))?;
        if status != 0 {
            tracing::warn!(
                "a copy with host memory was captured into a graph, which is not supported"
            );
            return Err(CudaError::NOT_SUPPORTED);
        }
    }
    Ok(())
}

fn to_device(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let stream = cx.stream(r.u64()?)?;
    let address = r.u64()?;
    refuse_capture(cx, stream)?;
    let Some(data) = cx.payload.from_offset(CallHeader::SIZE + 16) else {
        return Ok(Outcome::Done);
    };
    // The source is the ring itself, which the driver reads before the call returns: it is pageable memory to it
    // (CUDA driver API, "API synchronization behavior").
    driver_call!(
        cx.driver,
        cuMemcpyHtoDAsync(address, data.as_ptr().cast::<c_void>(), data.len(), stream)
    )?;
    let reply = cx.reply_to();
    if !reply.wanted() {
        return Ok(Outcome::Done);
    }
    let context = cx.context()?.raw;
    cx.pending.push(Pending { target: Target::Stream(stream), context, reply });
    Ok(Outcome::Later)
}

pub fn cuMemcpyHtoD(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_device(cx, r).into()
}

pub fn cuMemcpyHtoDAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_device(cx, r).into()
}

fn to_client(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let stream = cx.stream(r.u64()?)?;
    let (address, bytes, id) = (r.u64()?, r.usize()?, r.u64()?);
    r.end()?;
    if bytes == 0 || bytes > DOWNLOAD_BYTES_MAX {
        return Err(CudaError::INVALID_VALUE.into());
    }
    refuse_capture(cx, stream)?;
    let context = cx.context()?.raw;
    let download = cx
        .session
        .downloads
        .begin(cx.driver, context, id, address, bytes, stream)?;
    let reply = cx.reply_to();
    if reply.wanted() && bytes <= INLINE_BYTES_MAX {
        cx.pending.push(Pending {
            target: Target::Copy(download),
            context,
            reply,
        });
        return Ok(Outcome::Later);
    }
    cx.offload(move |session, reply| {
        let result = session
            .downloads
            .send(&session.driver, reply.lane(), &download);
        if reply.wanted() {
            reply.send_synchronised(session, result, &[]);
        } else {
            reply.result(session, result);
        }
    })
}

pub fn cuMemcpyDtoH(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_client(cx, r).into()
}

pub fn cuMemcpyDtoHAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_client(cx, r).into()
}

fn on_device(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let stream = cx.stream(r.u64()?)?;
    let (to, from, bytes) = (r.u64()?, r.u64()?, r.usize()?);
    r.end()?;
    Ok(driver_call!(
        cx.driver,
        cuMemcpyDtoDAsync(to, from, bytes, stream)
    )?)
}

pub fn cuMemcpyDtoD(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    on_device(cx, r).into()
}

pub fn cuMemcpyDtoDAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    on_device(cx, r).into()
}

/// Ordered with all work of both contexts (CUDA driver API, cuMemcpyPeer), so it may wait.
pub fn cuMemcpyPeer(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Handled {
        let _stream = cx.stream(r.u64()?)?;
        let to = r.u64()?;
        let to_context = cx.session.context(r.u32()?)?.raw;
        let from = r.u64()?;
        let from_context = cx.session.context(r.u32()?)?.raw;
        let bytes = r.usize()?;
        r.end()?;
        cx.offload(move |session, reply| {
            let result = driver_call!(session.driver, cuMemcpyPeer(to, to_context, from, from_context, bytes));
            reply.send_synchronised(session, result, &[]);
        })
    };
    body(cx, r).into()
}

pub fn cuMemcpyPeerAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let to = r.u64()?;
        let to_context = cx.session.context(r.u32()?)?.raw;
        let from = r.u64()?;
        let from_context = cx.session.context(r.u32()?)?.raw;
        let bytes = r.usize()?;
        r.end()?;
        Ok(driver_call!(
            cx.driver,
            cuMemcpyPeerAsync(to, to_context, from, from_context, bytes, stream)
        )?)
    };
    body(cx, r).into()
}

/// `CUDA_MEMCPY3D` within device memory.
#[repr(C)]
pub(super) struct Memcpy3D {
    src_x: usize,
    src_y: usize,
    src_z: usize,
    src_lod: usize,
    src_kind: u32,
    src_host: u64,
    src_device: u64,
    src_array: u64,
    reserved0: u64,
    src_pitch: usize,
    src_height: usize,
    dst_x: usize,
    dst_y: usize,
    dst_z: usize,
    dst_lod: usize,
    dst_kind: u32,
    dst_host: u64,
    dst_device: u64,
    dst_array: u64,
    reserved1: u64,
    dst_pitch: usize,
    dst_height: usize,
    width: usize,
    height: usize,
    depth: usize,
}

/// Reads a box of bytes within device memory.
pub(super) fn region(r: &mut Reader<'_>) -> Result<Memcpy3D, Failure> {
    const DEVICE: u32 = 2;
    let (dst_device, dst_pitch, dst_height) = (r.u64()?, r.usize()?, r.usize()?);
    let (src_device, src_pitch, src_height) = (r.u64()?, r.usize()?, r.usize()?);
    let (width, height, depth) = (r.usize()?, r.usize()?, r.usize()?);
    Ok(Memcpy3D {
        src_x: 0,
        src_y: 0,
        src_z: 0,
        src_lod: 0,
        src_kind: DEVICE,
        src_host: 0,
        src_device,
        src_array: 0,
        reserved0: 0,
        src_pitch,
        src_height,
        dst_x: 0,
        dst_y: 0,
        dst_z: 0,
        dst_lod: 0,
        dst_kind: DEVICE,
        dst_host: 0,
        dst_device,
        dst_array: 0,
        reserved1: 0,
        dst_pitch,
        dst_height,
        width,
        height,
        depth,
    })
}

pub fn cuMemcpy3DAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let stream = cx.stream(r.u64()?)?;
        let copy = region(r)?;
        r.end()?;
        Ok(driver_call!(
            cx.driver,
            cuMemcpy3DAsync((&raw const copy).cast(), stream)
        )?)
    };
    body(cx, r).into()
}
