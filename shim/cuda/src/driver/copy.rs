//! Copies. Host memory is read when the call is made, so an asynchronous copy to the device is always posted; a copy to the
//! host is posted where the destination is pinned and the call asynchronous, else waited for. Long copies of pinned memory may
//! go past the ring (`ringway_client::transfers`): that memory is read in stream order.

use super::array_copy::{self, ArrayPlace};
use super::{across, capture, late};
use super::stream::cuStreamSynchronize;
use core::ffi::c_void;
use ringway_api::{CudaError, op};
use ringway_client::contexts::{self, Target};
use ringway_client::memory::{self, Place};
use ringway_client::servers::{are_apart, are_several};
use ringway_client::notices;
use ringway_client::objects::Object;
use ringway_client::submit::{self, Loan, called_lending, posted_lending};
use ringway_client::{called, completion, host_functions, pinned, posted, stats, stream, transfers};
use ringway_wire::call::COPY_PIECE_BYTES;
use ringway_wire::codec::Writer as _;

/// Bytes of one copy to the host: the server stages it whole.
const DOWNLOAD_BYTES_MAX: usize = 64 << 20;
/// Shorter copies to the device are copied into the ring, not sent from where they are: that takes a call of the system more.
const LENT_BYTES_MIN: usize = 64 << 10;
/// Copies of at most this many bytes to the host come inside the reply.
const INLINE_BYTES_MAX: usize = ringway_wire::layout::REPLY_INLINE_MAX;

pub(super) fn default_stream(per_thread: bool) -> u64 {
    if per_thread { 2 } else { 0 }
}

/// Whether an address is device memory.
fn is_device(address: u64) -> bool {
    memory::find(address)
        .is_some_and(|found| matches!(found.place, Place::Device | Place::Reserved))
}

/// Whether `bytes` at an address lie in one range of pinned memory.
fn is_pinned(address: u64, bytes: usize) -> bool {
    memory::find(address).is_some_and(|found| {
        matches!(found.place, Place::PinnedHost(_) | Place::RegisteredHost(_))
            && bytes as u64 <= found.base + found.bytes - address
    })
}

/// A copy with host memory, as `pinned` takes it.
fn how(opcode: u32, stream: Object, wait: bool) -> pinned::How {
    pinned::How {
        opcode,
        target: stream.target,
        stream: stream.id,
        wait,
        in_order: |stream| capture::any() || host_functions::waiting(stream),
    }
}

/// `wait`: until the last byte is in device memory. A synchronous copy promises less (only that the source may be written
/// again), but programs rely on more: work in streams that do not wait for the default stream sees the data.
/// Only pinned memory may be read later than in the call, and not by one that says so (`now`).
unsafe fn to_device(
    opcode: u32,
    dst: u64,
    src: *const u8,
    bytes: usize,
    stream: Object,
    wait: bool,
    now: bool,
) -> Result<(), CudaError> {
    if bytes == 0 {
        return Ok(());
    }
    if src.is_null()
        || memory::exceeds_from(stream.target.lane, dst, bytes as u64)
        || memory::exceeds_from(stream.target.lane, src as u64, bytes as u64)
    {
        return Err(CudaError::INVALID_VALUE);
    }
    if are_several()
        && let Some(result) = unsafe { across::run((dst, true), (src as u64, false), bytes, stream, !wait && !now) }
    {
        return result;
    }
    if !now
        && let Some(result) = pinned::to_device(how(opcode, stream, wait), dst, src as u64, bytes)
    {
        return result;
    }
    if opcode == op::CU_MEMCPY_HTOD_ASYNC && late::needed(stream, (!now).then_some(src as u64)) {
        return late::put_off(stream, Region::run(dst, true, src as u64, false, bytes));
    }
    stats::up(bytes);
    if !now {
        // SAFETY: the program's source, until the copy is done.
        let past = unsafe { transfers::to_device(opcode, stream.target, stream.id, dst, src, bytes, wait) };
        if let Some(result) = past {
            return result;
        }
    }
    // SAFETY: the program's source, as for `to_device`.
    if bytes >= LENT_BYTES_MIN && let Some(result) = unsafe { lend_to_device(opcode, dst, src, bytes, stream, wait, now) } {
        return result;
    }
    let mut offset = 0;
    while offset < bytes {
        let piece = (bytes - offset).min(COPY_PIECE_BYTES);
        // SAFETY: inside the source that the program described.
        let data = unsafe { core::slice::from_raw_parts(src.add(offset), piece) };
        let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
            w.u64(stream.id);
            w.u64(dst + offset as u64);
            w.put(data);
        };
        if wait && offset + piece == bytes {
            called(opcode, stream.target, 16 + piece, write, |_| Ok(()))?;
        } else {
            posted(opcode, stream.target, 16 + piece, write)?;
        }
        offset += piece;
    }
    Ok(())
}

/// A copy to the device whose bytes are sent from where they are; None if the link cannot do that, or they may not stay as they are.
#[cold]
unsafe fn lend_to_device(
    opcode: u32,
    dst: u64,
    src: *const u8,
    bytes: usize,
    stream: Object,
    wait: bool,
    now: bool,
) -> Option<Result<(), CudaError>> {
    // The source of a call that waits stays as it is until the call returns; pinned memory until the stream has come past the copy, or
    // it is freed or unregistered, which takes it back.
    let _loan = if wait {
        Some(Loan::begin(stream.target)?)
    } else if !now && submit::lends(stream.target) && is_pinned(src as u64, bytes) {
        None
    } else {
        return None;
    };
    let mut offset = 0;
    while offset < bytes {
        let piece = (bytes - offset).min(COPY_PIECE_BYTES);
        // SAFETY: inside the source that the program described.
        let data = unsafe { core::slice::from_raw_parts(src.add(offset), piece) };
        let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
            w.u64(stream.id);
            w.u64(dst + offset as u64);
        };
        // SAFETY: it stays as it is, see above.
        let result = unsafe {
            if wait && offset + piece == bytes {
                called_lending(0, opcode, stream.target, 16, data, write, |_| Ok(()))
            } else {
                posted_lending(0, opcode, stream.target, 16, data, write)
            }
        };
        if result.is_err() {
            return Some(result);
        }
        offset += piece;
    }
    Some(Ok(()))
}

unsafe fn to_host(
    opcode: u32,
    dst: *mut u8,
    src: u64,
    bytes: usize,
    stream: Object,
    asynchronous: bool,
) -> Result<(), CudaError> {
    if bytes == 0 {
        return Ok(());
    }
    if dst.is_null()
        || memory::exceeds_from(stream.target.lane, src, bytes as u64)
        || memory::exceeds_from(stream.target.lane, dst as u64, bytes as u64)
    {
        return Err(CudaError::INVALID_VALUE);
    }
    if are_several()
        && let Some(result) = unsafe { across::run((dst as u64, false), (src, true), bytes, stream, asynchronous) }
    {
        return result;
    }
    let wait = !(asynchronous && is_pinned(dst as u64, 0));
    if let Some(result) = pinned::to_host(how(opcode, stream, wait), dst as u64, src, bytes) {
        return result;
    }
    if opcode == op::CU_MEMCPY_DTOH_ASYNC && late::needed(stream, None) {
        return late::put_off(stream, Region::run(dst as u64, false, src, true, bytes));
    }
    stats::down(bytes);
    // SAFETY: the program's destination, until the copy is done.
    let past = unsafe { transfers::to_host(opcode, stream.target, stream.id, dst, src, bytes, wait) };
    if let Some(result) = past {
        return result;
    }
    let mut offset = 0;
    while offset < bytes {
        let part = (bytes - offset).min(DOWNLOAD_BYTES_MAX);
        // SAFETY: inside the destination that the program described.
        let to = unsafe { dst.add(offset) };
        // SAFETY: writable until the copy has ended: CUDA's own rule.
        let id = unsafe { notices::begin_download(to, part, stream.target.lane) };
        let write = |w: &mut ringway_wire::codec::SliceWriter<'_>| {
            w.u64(stream.id);
            w.u64(src + offset as u64);
            w.usize(part);
            w.u64(id);
        };
        let result = if wait {
            completion::waited_for_copy(stream, capture::any(), |target| {
                called(opcode, target, 32, write, |r| {
                    if part <= INLINE_BYTES_MAX && r.left() == part {
                        notices::inline_download(id, r.take(part)?);
                    }
                    Ok(())
                })
            })
        } else {
            posted(opcode, stream.target, 32, write)
        };
        if wait || result.is_err() {
            notices::end_download(id);
        }
        result?;
        offset += part;
    }
    Ok(())
}

fn on_device(
    opcode: u32,
    dst: u64,
    src: u64,
    bytes: usize,
    stream: Object,
    asynchronous: bool,
) -> Result<(), CudaError> {
    if bytes == 0 {
        return Ok(());
    }
    let lane = stream.target.lane;
    if memory::exceeds_from(lane, dst, bytes as u64) || memory::exceeds_from(lane, src, bytes as u64) {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: both ends are device memory.
    if are_several()
        && let Some(result) = unsafe { across::run((dst, true), (src, true), bytes, stream, asynchronous) }
    {
        return result;
    }
    posted(opcode, stream.target, 32, |w| {
        w.u64(stream.id);
        w.u64(dst);
        w.u64(src);
        w.usize(bytes);
    })
}

/// A copy whose direction the addresses tell (unified addressing).
unsafe fn any(
    dst: u64,
    src: u64,
    bytes: usize,
    hStream: u64,
    asynchronous: bool,
    now: bool,
) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    match (is_device(dst), is_device(src)) {
        (true, true) => on_device(op::CU_MEMCPY_DTOD_ASYNC, dst, src, bytes, on, asynchronous),
        (true, false) => unsafe {
            to_device(op::CU_MEMCPY_HTOD_ASYNC, dst, src as *const u8, bytes, on, !asynchronous, now)
        },
        (false, true) => unsafe {
            to_host(
                op::CU_MEMCPY_DTOH_ASYNC,
                dst as *mut u8,
                src,
                bytes,
                on,
                asynchronous,
            )
        },
        (false, false) => {
            if bytes > 0 && (dst == 0 || src == 0) {
                return Err(CudaError::INVALID_VALUE);
            }
            // Ordered after what the stream does; CUDA too makes such a copy synchronous.
            unsafe { cuStreamSynchronize(hStream) }?;
            unsafe { core::ptr::copy(src as *const u8, dst as *mut u8, bytes) };
            Ok(())
        }
    }
}

pub unsafe fn cuMemcpy(
    dst: u64,
    src: u64,
    ByteCount: usize,
    per_thread: bool,
) -> Result<(), CudaError> {
    unsafe { any(dst, src, ByteCount, default_stream(per_thread), false, false) }
}

pub unsafe fn cuMemcpyAsync(
    dst: u64,
    src: u64,
    ByteCount: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    unsafe { any(dst, src, ByteCount, hStream, true, false) }
}

/// `CUmemcpyAttributes`. The hints where both sides are wanted say nothing about the result.
#[repr(C)]
#[derive(Clone, Copy)]
struct Attributes {
    source_order: u32,
    source_hint: [u32; 2],
    destination_hint: [u32; 2],
    flags: u32,
}

const _: () = assert!(size_of::<Attributes>() == 24);

impl Attributes {
    /// CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL: the program may change the source when the call has returned, pinned or not.
    fn reads_now(&self) -> bool {
        self.source_order == 2
    }

    /// Every order is kept: the source is read within the call where that is asked for, else at the latest in stream order.
    fn check(&self) -> Result<(), CudaError> {
        // CU_MEMCPY_SRC_ACCESS_ORDER_STREAM, _DURING_API_CALL, _ANY; CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE
        if !(1..=3).contains(&self.source_order) || self.flags & !1 != 0 {
            return Err(CudaError::INVALID_VALUE);
        }
        Ok(())
    }
}

/// Several copies; an error is that of the entry given with it, or of no entry alone (`usize::MAX`). All entries are checked before the
/// first copy is made.
unsafe fn batch(
    [dsts, srcs]: [*mut u64; 2],
    sizes: *mut usize,
    count: usize,
    attributes: *mut c_void,
    firsts: *mut usize,
    attribute_count: usize,
    hStream: u64,
) -> Result<(), (usize, CudaError)> {
    let all = |code| (usize::MAX, code);
    // The legacy stream cannot take a batch.
    if hStream < 2 || count == 0 || !(1..=count).contains(&attribute_count) {
        return Err(all(CudaError::INVALID_VALUE));
    }
    // SAFETY: the program's arrays, of the lengths that it gives.
    let (dsts, srcs, sizes, attributes, firsts) = unsafe {
        (
            ringway_client::slice(dsts.cast_const(), count).map_err(all)?,
            ringway_client::slice(srcs.cast_const(), count).map_err(all)?,
            ringway_client::slice(sizes.cast_const(), count).map_err(all)?,
            ringway_client::slice(attributes.cast::<Attributes>().cast_const(), attribute_count)
                .map_err(all)?,
            ringway_client::slice(firsts.cast_const(), attribute_count).map_err(all)?,
        )
    };
    // Entry k of the attributes is that of the copies from firsts[k] to before firsts[k + 1].
    let is_rising = firsts.windows(2).all(|pair| pair[0] < pair[1]);
    if firsts[0] != 0 || !is_rising || firsts[attribute_count - 1] >= count {
        return Err(all(CudaError::INVALID_VALUE));
    }
    stream(hStream).map_err(all)?;
    for (attributes, &first) in attributes.iter().zip(firsts) {
        attributes.check().map_err(|code| (first, code))?;
    }
    for (at, ((&dst, &src), &bytes)) in dsts.iter().zip(srcs).zip(sizes).enumerate() {
        let is_wrong = |address| address == 0 || memory::exceeds(address, bytes as u64);
        if bytes == 0 || is_wrong(dst) || is_wrong(src) {
            return Err((at, CudaError::INVALID_VALUE));
        }
    }
    for (at, ((&dst, &src), &bytes)) in dsts.iter().zip(srcs).zip(sizes).enumerate() {
        // The last entry that begins at this copy or before it.
        let entry = firsts.partition_point(|&first| first <= at).saturating_sub(1);
        let now = attributes[entry].reads_now();
        unsafe { any(dst, src, bytes, hStream, true, now) }.map_err(|code| (at, code))?;
    }
    Ok(())
}

pub unsafe fn cuMemcpyBatchAsync(
    dsts: *mut u64,
    srcs: *mut u64,
    sizes: *mut usize,
    count: usize,
    attrs: *mut c_void,
    attrsIdxs: *mut usize,
    numAttrs: usize,
    failIdx: *mut usize,
    hStream: u64,
) -> Result<(), CudaError> {
    unsafe { batch([dsts, srcs], sizes, count, attrs, attrsIdxs, numAttrs, hStream) }.map_err(
        |(at, code)| {
            unsafe { super::put_if(failIdx, at) };
            code
        },
    )
}

pub unsafe fn cuMemcpyBatchAsync_v2(
    dsts: *mut u64,
    srcs: *mut u64,
    sizes: *mut usize,
    count: usize,
    attrs: *mut c_void,
    attrsIdxs: *mut usize,
    numAttrs: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    unsafe { batch([dsts, srcs], sizes, count, attrs, attrsIdxs, numAttrs, hStream) }
        .map_err(|(_, code)| code)
}

pub unsafe fn cuMemcpyWithAttributesAsync(
    dst: u64,
    src: u64,
    size: usize,
    attr: *mut c_void,
    hStream: u64,
) -> Result<(), CudaError> {
    // SAFETY: the program's attributes.
    let attributes = unsafe { attr.cast::<Attributes>().as_ref() };
    let attributes = attributes.ok_or(CudaError::INVALID_VALUE)?;
    attributes.check()?;
    unsafe { any(dst, src, size, hStream, true, attributes.reads_now()) }
}

pub unsafe fn cuMemcpyHtoD(
    dstDevice: u64,
    srcHost: *const c_void,
    ByteCount: usize,
    per_thread: bool,
) -> Result<(), CudaError> {
    unsafe {
        to_device(
            op::CU_MEMCPY_HTOD,
            dstDevice,
            srcHost.cast(),
            ByteCount,
            stream(default_stream(per_thread))?,
            true,
            false,
        )
    }
}

pub unsafe fn cuMemcpyHtoDAsync(
    dstDevice: u64,
    srcHost: *const c_void,
    ByteCount: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    unsafe {
        to_device(
            op::CU_MEMCPY_HTOD_ASYNC,
            dstDevice,
            srcHost.cast(),
            ByteCount,
            stream(hStream)?,
            false,
            false,
        )
    }
}

pub unsafe fn cuMemcpyDtoH(
    dstHost: *const c_void,
    srcDevice: u64,
    ByteCount: usize,
    per_thread: bool,
) -> Result<(), CudaError> {
    unsafe {
        to_host(
            op::CU_MEMCPY_DTOH,
            dstHost.cast_mut().cast(),
            srcDevice,
            ByteCount,
            stream(default_stream(per_thread))?,
            false,
        )
    }
}

pub unsafe fn cuMemcpyDtoHAsync(
    dstHost: *const c_void,
    srcDevice: u64,
    ByteCount: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    unsafe {
        to_host(
            op::CU_MEMCPY_DTOH_ASYNC,
            dstHost.cast_mut().cast(),
            srcDevice,
            ByteCount,
            stream(hStream)?,
            true,
        )
    }
}

pub unsafe fn cuMemcpyDtoD(
    dstDevice: u64,
    srcDevice: u64,
    ByteCount: usize,
    per_thread: bool,
) -> Result<(), CudaError> {
    on_device(
        op::CU_MEMCPY_DTOD,
        dstDevice,
        srcDevice,
        ByteCount,
        stream(default_stream(per_thread))?,
        false,
    )
}

pub unsafe fn cuMemcpyDtoDAsync(
    dstDevice: u64,
    srcDevice: u64,
    ByteCount: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    on_device(
        op::CU_MEMCPY_DTOD_ASYNC,
        dstDevice,
        srcDevice,
        ByteCount,
        stream(hStream)?,
        true,
    )
}

/// A copy between two contexts that is wrong, or that one server alone cannot make; None: it can.
unsafe fn peer(
    (dst, to): (u64, u64),
    (src, from): (u64, u64),
    bytes: usize,
    on: Object,
    asynchronous: bool,
) -> Option<Result<(), CudaError>> {
    let lane = |context| contexts::number(context).map_or(0, |number| Target::of_context(number).lane);
    let (to_lane, from_lane) = (lane(to), lane(from));
    if memory::exceeds_from(to_lane, dst, bytes as u64) || memory::exceeds_from(from_lane, src, bytes as u64) {
        return Some(Err(CudaError::INVALID_VALUE));
    }
    if !are_apart(on.target.lane, to_lane) && !are_apart(on.target.lane, from_lane) {
        return None;
    }
    if bytes == 0 {
        return Some(Ok(()));
    }
    let wait = |context| across::within(context, || unsafe { super::context::cuCtxSynchronize() });
    // Ordered with all work of both contexts.
    if !asynchronous && let Err(code) = wait(from).and_then(|()| wait(to)) {
        return Some(Err(code));
    }
    Some(unsafe { across::between(&Region::run(dst, true, src, true, bytes), [to, from], on, asynchronous) })
}

pub unsafe fn cuMemcpyPeer(
    dst: u64,
    dstContext: u64,
    src: u64,
    srcContext: u64,
    ByteCount: usize,
    per_thread: bool,
) -> Result<(), CudaError> {
    let (to, from) = (contexts::number(dstContext)?, contexts::number(srcContext)?);
    let on = stream(default_stream(per_thread))?;
    if let Some(result) = unsafe { peer((dst, dstContext), (src, srcContext), ByteCount, on, false) } {
        return result;
    }
    // Ordered with all work of both contexts, not of a stream alone; so it is waited for.
    called(
        op::CU_MEMCPY_PEER,
        on.target,
        40,
        |w| {
            w.u64(on.id);
            w.u64(dst);
            w.u32(to);
            w.u64(src);
            w.u32(from);
            w.usize(ByteCount);
        },
        |_| Ok(()),
    )
}

pub unsafe fn cuMemcpyPeerAsync(
    dst: u64,
    dstContext: u64,
    src: u64,
    srcContext: u64,
    ByteCount: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    let (to, from) = (contexts::number(dstContext)?, contexts::number(srcContext)?);
    let on = stream(hStream)?;
    if let Some(result) = unsafe { peer((dst, dstContext), (src, srcContext), ByteCount, on, true) } {
        return result;
    }
    posted(op::CU_MEMCPY_PEER_ASYNC, on.target, 40, |w| {
        w.u64(on.id);
        w.u64(dst);
        w.u32(to);
        w.u64(src);
        w.u32(from);
        w.usize(ByteCount);
    })
}

/// `CU_MEMORYTYPE_*`.
const HOST: u32 = 1;
const DEVICE: u32 = 2;
const ARRAY: u32 = 3;
const UNIFIED: u32 = 4;

/// One side of a copy of up to three dimensions.
#[derive(Clone, Copy)]
struct Side {
    x: usize,
    y: usize,
    z: usize,
    kind: u32,
    host: u64,
    device: u64,
    array: u64,
    pitch: usize,
    height: usize,
}

impl Side {
    /// Where in an array it is, if it is one.
    fn array(&self) -> Option<ArrayPlace> {
        (self.kind == ARRAY).then_some(ArrayPlace { handle: self.array, at: [self.x, self.y, self.z] })
    }

    /// Address of the first byte (0 for arrays), and whether it is the device's; None where that is nowhere.
    fn start(&self) -> Option<(u64, bool)> {
        let (base, device) = match self.kind {
            ARRAY => return Some((0, true)),
            HOST => (self.host, false),
            DEVICE => (self.device, true),
            UNIFIED => (self.device, is_device(self.device)),
            _ => return None,
        };
        let rows = self.z.checked_mul(self.height)?.checked_add(self.y)?;
        let offset = rows.checked_mul(self.pitch)?.checked_add(self.x)?;
        Some((base.checked_add(offset as u64)?, device))
    }
}

/// `CUDA_MEMCPY2D`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Memcpy2D {
    srcXInBytes: usize,
    srcY: usize,
    srcMemoryType: u32,
    srcHost: u64,
    srcDevice: u64,
    srcArray: u64,
    srcPitch: usize,
    dstXInBytes: usize,
    dstY: usize,
    dstMemoryType: u32,
    dstHost: u64,
    dstDevice: u64,
    dstArray: u64,
    dstPitch: usize,
    WidthInBytes: usize,
    Height: usize,
}

/// `CUDA_MEMCPY3D` (and, with contexts in the places that are reserved here, `CUDA_MEMCPY3D_PEER`).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Memcpy3D {
    srcXInBytes: usize,
    srcY: usize,
    srcZ: usize,
    srcLOD: usize,
    srcMemoryType: u32,
    srcHost: u64,
    srcDevice: u64,
    srcArray: u64,
    reserved0: u64,
    srcPitch: usize,
    srcHeight: usize,
    dstXInBytes: usize,
    dstY: usize,
    dstZ: usize,
    dstLOD: usize,
    dstMemoryType: u32,
    dstHost: u64,
    dstDevice: u64,
    dstArray: u64,
    reserved1: u64,
    dstPitch: usize,
    dstHeight: usize,
    WidthInBytes: usize,
    Height: usize,
    Depth: usize,
}

/// A box of bytes: both sides' addresses, pitches, and its size.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    pub dst: u64,
    pub dst_device: bool,
    pub dst_pitch: usize,
    pub dst_height: usize,
    pub src: u64,
    pub src_device: bool,
    pub src_pitch: usize,
    pub src_height: usize,
    pub width: usize,
    pub height: usize,
    pub depth: usize,
    /// The ends that are arrays; their addresses and pitches mean nothing.
    pub dst_array: Option<ArrayPlace>,
    pub src_array: Option<ArrayPlace>,
    /// Where the ends are if that is not the same server (`across`): handles of contexts of destination and source, 0 for host memory.
    pub contexts: [u64; 2],
}

impl Region {
    /// A run of bytes.
    pub(crate) fn run(
        dst: u64,
        dst_device: bool,
        src: u64,
        src_device: bool,
        bytes: usize,
    ) -> Self {
        Self {
            dst,
            dst_device,
            dst_pitch: bytes,
            dst_height: 1,
            src,
            src_device,
            src_pitch: bytes,
            src_height: 1,
            width: bytes,
            height: 1,
            depth: 1,
            dst_array: None,
            src_array: None,
            contexts: [0; 2],
        }
    }
}

fn region(
    dst: Side,
    src: Side,
    width: usize,
    height: usize,
    depth: usize,
) -> Result<Region, CudaError> {
    let (to, dst_device) = dst.start().ok_or(CudaError::INVALID_VALUE)?;
    let (from, src_device) = src.start().ok_or(CudaError::INVALID_VALUE)?;
    let fits = |side: &Side| {
        side.kind == ARRAY
            || (height <= 1 && depth <= 1 || side.pitch >= width.saturating_add(side.x))
            && (depth <= 1 || side.height >= height.saturating_add(side.y))
    };
    if !fits(&dst) || !fits(&src) {
        return Err(CudaError::INVALID_VALUE);
    }
    Ok(Region {
        dst: to,
        dst_device,
        dst_pitch: dst.pitch,
        dst_height: dst.height,
        src: from,
        src_device,
        src_pitch: src.pitch,
        src_height: src.height,
        width,
        height,
        depth,
        dst_array: dst.array(),
        src_array: src.array(),
        contexts: [0; 2],
    })
}

fn region_2d(c: &Memcpy2D) -> Result<Region, CudaError> {
    let side = |x, y, kind, host, device, array, pitch| Side {
        x,
        y,
        z: 0,
        kind,
        host,
        device,
        array,
        pitch: if pitch == 0 { c.WidthInBytes } else { pitch },
        height: c.Height,
    };
    let dst = side(
        c.dstXInBytes,
        c.dstY,
        c.dstMemoryType,
        c.dstHost,
        c.dstDevice,
        c.dstArray,
        c.dstPitch,
    );
    let src = side(
        c.srcXInBytes,
        c.srcY,
        c.srcMemoryType,
        c.srcHost,
        c.srcDevice,
        c.srcArray,
        c.srcPitch,
    );
    region(dst, src, c.WidthInBytes, c.Height, 1)
}

pub(crate) fn region_3d(c: &Memcpy3D) -> Result<Region, CudaError> {
    let side = |x, y, z, kind, host, device, array, pitch, height| Side {
        x,
        y,
        z,
        kind,
        host,
        device,
        array,
        pitch: if pitch == 0 { c.WidthInBytes } else { pitch },
        height: if height == 0 { c.Height } else { height },
    };
    let dst = side(
        c.dstXInBytes,
        c.dstY,
        c.dstZ,
        c.dstMemoryType,
        c.dstHost,
        c.dstDevice,
        c.dstArray,
        c.dstPitch,
        c.dstHeight,
    );
    let src = side(
        c.srcXInBytes,
        c.srcY,
        c.srcZ,
        c.srcMemoryType,
        c.srcHost,
        c.srcDevice,
        c.srcArray,
        c.srcPitch,
        c.srcHeight,
    );
    region(dst, src, c.WidthInBytes, c.Height, c.Depth)
}

pub(crate) unsafe fn copy_region(
    r: &Region,
    hStream: u64,
    asynchronous: bool,
) -> Result<(), CudaError> {
    if r.width == 0 || r.height == 0 || r.depth == 0 {
        return Ok(());
    }
    let on = stream(hStream)?;
    array_copy::check(r)?;
    if let Some(result) = unsafe { across::copy(r, on, asynchronous) } {
        return result;
    }
    if r.dst_device && r.src_device {
        if r.dst_array.is_some() || r.src_array.is_some() {
            return array_copy::on_device(r, on);
        }
        return posted(op::CU_MEMCPY3D_ASYNC, on.target, 80, |w| {
            w.u64(on.id);
            for word in [
                r.dst,
                r.dst_pitch as u64,
                r.dst_height as u64,
                r.src,
                r.src_pitch as u64,
                r.src_height as u64,
            ] {
                w.u64(word);
            }
            w.usize(r.width);
            w.usize(r.height);
            w.usize(r.depth);
        });
    }
    let source = (!r.src_device).then_some(r.src);
    if asynchronous && late::needed(on, source) {
        return late::put_off(on, *r);
    }
    if let Some(to) = r.dst_array {
        return unsafe { array_copy::to_array(r, to, on, !asynchronous) };
    }
    if let Some(from) = r.src_array {
        return unsafe { array_copy::to_host(r, from, on, asynchronous) };
    }
    if !r.dst_device && !r.src_device {
        unsafe { cuStreamSynchronize(hStream) }?;
    }
    // Rows without a gap are one run.
    let run = |pitch: usize, rows: usize| pitch == r.width && rows == r.height;
    let whole = run(r.dst_pitch, r.dst_height) && run(r.src_pitch, r.src_height);
    let (width, height, depth) = if whole {
        (r.width * r.height * r.depth, 1, 1)
    } else {
        (r.width, r.height, r.depth)
    };
    for z in 0..depth {
        for y in 0..height {
            let dst = r.dst + ((z * r.dst_height + y) * r.dst_pitch) as u64;
            let src = r.src + ((z * r.src_height + y) * r.src_pitch) as u64;
            match (r.dst_device, r.src_device) {
                (true, _) => unsafe {
                    to_device(op::CU_MEMCPY_HTOD_ASYNC, dst, src as *const u8, width, on, false, false)
                }?,
                (_, true) => unsafe {
                    to_host(
                        op::CU_MEMCPY_DTOH_ASYNC,
                        dst as *mut u8,
                        src,
                        width,
                        on,
                        asynchronous,
                    )
                }?,
                _ => unsafe { core::ptr::copy(src as *const u8, dst as *mut u8, width) },
            }
        }
    }
    if r.dst_device && !asynchronous {
        unsafe { cuStreamSynchronize(hStream) }?;
    }
    Ok(())
}

pub use array_copy::{cuMemcpyAtoA, cuMemcpyAtoD, cuMemcpyAtoH, cuMemcpyAtoHAsync, cuMemcpyDtoA, cuMemcpyHtoA, cuMemcpyHtoAAsync};

pub unsafe fn cuMemcpy2D(pCopy: *const c_void, per_thread: bool) -> Result<(), CudaError> {
    if pCopy.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let copy = unsafe { pCopy.cast::<Memcpy2D>().read_unaligned() };
    unsafe { copy_region(&region_2d(&copy)?, default_stream(per_thread), false) }
}

pub unsafe fn cuMemcpy2DUnaligned(pCopy: *const c_void, per_thread: bool) -> Result<(), CudaError> {
    unsafe { cuMemcpy2D(pCopy, per_thread) }
}

pub unsafe fn cuMemcpy2DAsync(pCopy: *const c_void, hStream: u64) -> Result<(), CudaError> {
    if pCopy.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let copy = unsafe { pCopy.cast::<Memcpy2D>().read_unaligned() };
    unsafe { copy_region(&region_2d(&copy)?, hStream, true) }
}

pub unsafe fn cuMemcpy3D(pCopy: *const c_void, per_thread: bool) -> Result<(), CudaError> {
    if pCopy.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let copy = unsafe { pCopy.cast::<Memcpy3D>().read_unaligned() };
    unsafe { copy_region(&region_3d(&copy)?, default_stream(per_thread), false) }
}

pub unsafe fn cuMemcpy3DAsync(pCopy: *const c_void, hStream: u64) -> Result<(), CudaError> {
    if pCopy.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let copy = unsafe { pCopy.cast::<Memcpy3D>().read_unaligned() };
    unsafe { copy_region(&region_3d(&copy)?, hStream, true) }
}
