//! Copies. To the device: straight from the ring. To the client: by `downloads`, inside the reply where the copy is short
//! and soon done. Past the ring, either way: by `transfers`, or with memory of both ends by `pinned`. Within the device: as they are.

use crate::cx::{Cx, Failure, Handled, Outcome, Target};
use crate::downloads::Download;
use crate::{driver_call, pinned, transfers};
use ringway_api::CudaError;
use ringway_link::rdma::Direction;
use ringway_wire::call::{FLAG_SHARED, FLAG_TRANSFER};
use ringway_wire::codec::{CallHeader, Reader};
use std::ffi::c_void;
use std::sync::Arc;

/// Copies to the client are staged whole; the client splits larger ones.
pub(super) const DOWNLOAD_BYTES_MAX: usize = 64 << 20;
/// Copies of up to this many bytes are looked at by the GPU thread for a while: they may be inside the reply.
const INLINE_BYTES_MAX: usize = ringway_wire::layout::REPLY_INLINE_MAX;
/// Bytes that the GPU thread sends itself where nobody waits and they are copied for that: copying more would keep others waiting.
const DELIVERED_BYTES_MAX: usize = 32 << 10;

/// Host memory of the server is not the client's: a copy with it cannot become part of a graph.
pub(crate) fn refuse_capture(cx: &Cx<'_>, stream: u64) -> Result<(), CudaError> {
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
    if cx.header.flags & FLAG_TRANSFER != 0 {
        return transfers::begin(cx, r, Direction::ToDevice);
    }
    if cx.header.flags & FLAG_SHARED != 0 {
        return pinned::copy(cx, r, Direction::ToDevice);
    }
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
    cx.answer_after(stream)
}

pub fn cuMemcpyHtoD(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_device(cx, r).into()
}

pub fn cuMemcpyHtoDAsync(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    to_device(cx, r).into()
}

fn to_client(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    if cx.header.flags & FLAG_TRANSFER != 0 {
        return transfers::begin(cx, r, Direction::ToHost);
    }
    if cx.header.flags & FLAG_SHARED != 0 {
        return pinned::copy(cx, r, Direction::ToHost);
    }
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
        .begin(cx.driver, cx.lane, context, id, bytes, stream, |offset, piece, to| {
            driver_call!(
                cx.driver,
                cuMemcpyDtoHAsync(to as *mut c_void, address + offset as u64, piece, stream)
            )
        })?;
    deliver(cx, download, bytes)
}

/// Sends a download's bytes when they are there: a short copy's by the GPU thread, inside the reply where there is one, and any that
/// the link takes from where they are; else a long one's by a waiter thread.
pub(super) fn deliver(cx: &mut Cx<'_>, download: Arc<Download>, bytes: usize) -> Handled {
    let wanted = cx.reply_to().wanted();
    if wanted && bytes <= INLINE_BYTES_MAX {
        return cx.wait_for(Target::Copy(download));
    }
    if !wanted && bytes <= DELIVERED_BYTES_MAX || cx.lane.lends() {
        return cx.wait_for(Target::Delivery(download));
    }
    cx.offload(move |session, reply| {
        let result = session.downloads.send(&session.driver, &download);
        if reply.wanted() {
            reply.send_synchronised(session, result, &[]);
        } else {
            reply.result(session, result);
        }
        session.downloads.trim(&session.driver);
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

/// `CUDA_MEMCPY3D`.
#[repr(C)]
#[derive(Default)]
pub(super) struct Memcpy3D {
    pub src_x: usize,
    pub src_y: usize,
    pub src_z: usize,
    pub src_lod: usize,
    pub src_kind: u32,
    pub src_host: u64,
    pub src_device: u64,
    pub src_array: u64,
    pub reserved0: u64,
    pub src_pitch: usize,
    pub src_height: usize,
    pub dst_x: usize,
    pub dst_y: usize,
    pub dst_z: usize,
    pub dst_lod: usize,
    pub dst_kind: u32,
    pub dst_host: u64,
    pub dst_device: u64,
    pub dst_array: u64,
    pub reserved1: u64,
    pub dst_pitch: usize,
    pub dst_height: usize,
    pub width: usize,
    pub height: usize,
    pub depth: usize,
}

/// `CU_MEMORYTYPE_*`.
pub(super) mod kind {
    pub const HOST: u32 = 1;
    pub const DEVICE: u32 = 2;
    pub const ARRAY: u32 = 3;
}

/// Reads a box of bytes within device memory.
fn region(r: &mut Reader<'_>) -> Result<Memcpy3D, Failure> {
    let (dst_device, dst_pitch, dst_height) = (r.u64()?, r.usize()?, r.usize()?);
    let (src_device, src_pitch, src_height) = (r.u64()?, r.usize()?, r.usize()?);
    let (width, height, depth) = (r.usize()?, r.usize()?, r.usize()?);
    Ok(Memcpy3D {
        src_kind: kind::DEVICE,
        src_device,
        src_pitch,
        src_height,
        dst_kind: kind::DEVICE,
        dst_device,
        dst_pitch,
        dst_height,
        width,
        height,
        depth,
        ..Memcpy3D::default()
    })
}

pub use super::array_copy::{cuMemcpyAtoA, cuMemcpyAtoD, cuMemcpyAtoH, cuMemcpyAtoHAsync, cuMemcpyDtoA, cuMemcpyHtoA, cuMemcpyHtoAAsync};

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
