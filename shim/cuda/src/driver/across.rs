//! Copies where the memory at one end, or at both, is on another server than the stream.
//!
//! Bytes of device memory go straight from server to server where there is a path between these (`ringway_client::paths`). Others come here
//! and go on, a few MiB at a time; such a copy in stream order is put off as `late` puts copies off: the stream stalls, the copy is made
//! here on streams of ours, one at each end, and the stream goes on.

use super::array_copy::ArrayPlace;
use super::copy::{Region, copy_region};
use super::late;
use super::stream::cuStreamSynchronize;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target};
use ringway_client::memory::{self, Place};
use ringway_client::objects::{self, Object};
use ringway_client::paths::{self, Ends};
use ringway_client::servers::{are_apart, are_several};
use ringway_client::{handle, stream};

/// Bytes that are here at a time, at the most, unless a single row is longer.
const STAGED_BYTES_MAX: usize = 16 << 20;

/// Context (its number) of one end of a copy, if that is device memory that is known.
fn context_of(from: u32, device: bool, address: u64, array: Option<ArrayPlace>) -> Option<u32> {
    match array {
        _ if !device => None,
        Some(place) => handle(Kind::Array, place.handle).ok().map(|array| array.target.context),
        None => memory::find_from(from, address)
            .filter(|found| matches!(found.place, Place::Device | Place::Reserved))
            .map(|found| found.context),
    }
}

/// Handle of the live context with a number.
fn context_handle(number: u32) -> Result<u64, CudaError> {
    let current = contexts::current_handle();
    if contexts::number(current) == Ok(number) {
        return Ok(current);
    }
    let live = objects::of_context(Kind::Context, 0);
    live.into_iter().find(|handle| *handle as u32 == number).ok_or(CudaError::CONTEXT_IS_DESTROYED)
}

/// Makes a copy of a run of bytes, as [`copy`]. Each end: an address, and whether it is the device's.
///
/// # Safety
/// As [`copy_region`].
#[cold]
#[inline(never)]
pub(crate) unsafe fn run(dst: (u64, bool), src: (u64, bool), bytes: usize, on: Object, asynchronous: bool) -> Option<Result<(), CudaError>> {
    // SAFETY: the caller's promise, which is this function's own.
    unsafe { copy(&Region::run(dst.0, dst.1, src.0, src.1, bytes), on, asynchronous) }
}

/// Makes a copy in `on` if one of its ends is on another server than that, or one end than the other; None: it is none of this module's.
///
/// # Safety
/// As [`copy_region`].
pub(crate) unsafe fn copy(r: &Region, on: Object, asynchronous: bool) -> Option<Result<(), CudaError>> {
    if !are_several() {
        return None;
    }
    let lane = on.target.lane;
    let ends = [(r.dst_device, r.dst, r.dst_array), (r.src_device, r.src, r.src_array)].map(|(d, at, a)| context_of(lane, d, at, a));
    if !ends.iter().flatten().any(|number| are_apart(lane, Target::of_context(*number).lane)) {
        return None;
    }
    // Device memory that is not known (a module's variable, say) is taken to be where the stream is.
    let of = |device: bool, end: Option<u32>| if device { context_handle(end.unwrap_or(on.target.context)) } else { Ok(0) };
    let contexts = of(r.dst_device, ends[0]).and_then(|dst| Ok([dst, of(r.src_device, ends[1])?]));
    // SAFETY: the caller's promise, which is this function's own.
    Some(contexts.and_then(|contexts| unsafe { between(r, contexts, on, asynchronous) }))
}

/// Makes a copy between two contexts, each 0 where that end is host memory, in the order of `on`.
///
/// # Safety
/// As [`copy_region`].
pub(crate) unsafe fn between(r: &Region, contexts: [u64; 2], on: Object, asynchronous: bool) -> Result<(), CudaError> {
    let r = Region { contexts, ..*r };
    if let Some(result) = straight_in(&r, on, asynchronous) {
        return result;
    }
    let is_pinned = |address| memory::find(address).is_some_and(|f| matches!(f.place, Place::PinnedHost(_) | Place::RegisteredHost(_)));
    // What is not pinned is read and written within the call.
    let may_be_late = (r.src_device || is_pinned(r.src)) && (r.dst_device || is_pinned(r.dst));
    if asynchronous && may_be_late && !late::is_making() {
        return late::put_off(on, r);
    }
    // SAFETY: follows no pointer of the program's.
    unsafe { cuStreamSynchronize(on.id) }?;
    unsafe { make(&r) }
}

/// Whether rows have no gaps, at one end of a copy.
fn is_run(r: &Region, array: Option<ArrayPlace>, pitch: usize, height: usize) -> bool {
    array.is_none() && pitch == r.width && height == r.height
}

/// Whether both ends are runs of bytes.
fn is_flat(r: &Region) -> bool {
    is_run(r, r.dst_array, r.dst_pitch, r.dst_height) && is_run(r, r.src_array, r.src_pitch, r.src_height)
}

/// The ends of a copy between two servers' device memory, as the server of `lane` sees it; None: it has neither, or they are no runs.
fn ends_of(r: &Region, lane: u32) -> Option<Ends> {
    let [dst, src] = r.contexts;
    if dst == 0 || src == 0 || !is_flat(r) {
        return None;
    }
    let place = |context: u64| contexts::number(context).ok().map(Target::of_context);
    let (dst, src) = (place(dst)?, place(src)?);
    let bytes = (r.width * r.height * r.depth) as u64;
    match (are_apart(lane, src.lane), are_apart(lane, dst.lane)) {
        (false, true) => Some(Ends { near: r.src, far: dst, far_address: r.dst, bytes, near_is_source: true }),
        (true, false) => Some(Ends { near: r.dst, far: src, far_address: r.src, bytes, near_is_source: false }),
        _ => None,
    }
}

/// Makes a copy in `on` by a path; None: it has to go another way.
fn straight_in(r: &Region, on: Object, asynchronous: bool) -> Option<Result<(), CudaError>> {
    if late::captures(on) {
        return None;
    }
    let ends = ends_of(r, on.target.lane)?;
    let found = paths::find(on.target, ends.far)?;
    if !asynchronous {
        return match paths::call(found, on, &ends) {
            Ok(Ok(())) => Some(Ok(())),
            Ok(Err(copy)) => paths::give_up(found, ends.far, copy).err().map(Err),
            Err(code) => Some(Err(code)),
        };
    }
    if late::is_making() {
        return None;
    }
    let (r, target) = (*r, on.target);
    let instead = move |copy| {
        // SAFETY: device memory at both ends.
        let made = late::making(|| paths::give_up(found, ends.far, copy).and_then(|()| unsafe { make(&r) }));
        if let Err(code) = made {
            paths::failed(target, op::CU_MEMCPY_PEER_ASYNC, code);
        }
    };
    match paths::post(found, on, &ends, instead) {
        Ok(true) => Some(Ok(())),
        Ok(false) => None,
        Err(code) => Some(Err(code)),
    }
}

/// Makes a copy between two servers' device memory by a path, now, on a stream of ours; None: it has to go another way.
fn straight(r: &Region) -> Option<Result<(), CudaError>> {
    let [dst, src] = r.contexts;
    // A path that has just broken is made again once.
    for context in [src, src, dst] {
        let near = Target::of_context(contexts::number(context).ok()?);
        let ends = ends_of(r, near.lane)?;
        let Some(found) = paths::find(near, ends.far) else { continue };
        let mut broken = None;
        let made = late::with_stream_of(context, |id| {
            broken = paths::call(found, stream(id)?, &ends)?.err();
            Ok(())
        });
        match (made, broken) {
            (Ok(()), None) => return Some(Ok(())),
            (Ok(()), Some(copy)) => {
                if let Err(code) = paths::give_up(found, ends.far, copy) {
                    return Some(Err(code));
                }
            }
            (Err(code), _) => return Some(Err(code)),
        }
    }
    None
}

/// Copies between the contexts that the region names, now; returns when the last byte is there.
///
/// # Safety
/// As [`copy_region`].
pub(crate) unsafe fn make(r: &Region) -> Result<(), CudaError> {
    if let Some(result) = straight(r) {
        return result;
    }
    let [dst, src] = r.contexts;
    let one = Region { contexts: [0; 2], ..*r };
    if dst == 0 || src == 0 {
        // SAFETY: the caller's promise, which is this function's own.
        return late::with_stream_of(if dst == 0 { src } else { dst }, |stream| unsafe { copy_region(&one, stream, false) });
    }
    // Rows without a gap are cut anywhere, others between rows.
    let is_flat = is_flat(r);
    let (width, height, depth) = if is_flat { (r.width * r.height * r.depth, 1, 1) } else { (r.width, r.height, r.depth) };
    let piece = if is_flat { width.min(STAGED_BYTES_MAX) } else { width };
    let rows_max = (STAGED_BYTES_MAX / width.max(1)).clamp(1, height);
    let mut staged = vec![0u8; piece * rows_max];
    let here = staged.as_mut_ptr() as u64;
    for z in 0..depth {
        for y in (0..height).step_by(rows_max) {
            for x in (0..width).step_by(piece) {
                let (bytes, rows) = (piece.min(width - x), rows_max.min(height - y));
                let place = |array: Option<ArrayPlace>| {
                    array.map(|p| ArrayPlace { at: [p.at[0] + x, p.at[1] + y, p.at[2] + z], ..p })
                };
                let at = |base: u64, pitch: usize, slice: usize| base + ((z * slice + y) * pitch + x) as u64;
                let tight = Region { width: bytes, height: rows, depth: 1, contexts: [0; 2], ..*r };
                let down = Region {
                    src: at(r.src, r.src_pitch, r.src_height),
                    src_array: place(r.src_array),
                    dst: here,
                    dst_device: false,
                    dst_array: None,
                    dst_pitch: bytes,
                    dst_height: rows,
                    ..tight
                };
                let up = Region {
                    dst: at(r.dst, r.dst_pitch, r.dst_height),
                    dst_array: place(r.dst_array),
                    src: here,
                    src_device: false,
                    src_array: None,
                    src_pitch: bytes,
                    src_height: rows,
                    ..tight
                };
                // SAFETY: both: the buffer here has room for the piece, and the other end lies within the region, as the caller promises.
                late::with_stream_of(src, |stream| unsafe { copy_region(&down, stream, false) })?;
                late::with_stream_of(dst, |stream| unsafe { copy_region(&up, stream, false) })?;
            }
        }
    }
    Ok(())
}

/// The context in which a call without a stream has to be made that names `address`, if that is on another server than the current one.
#[cold]
pub(crate) fn owner(address: u64) -> Result<Option<u64>, CudaError> {
    if !are_several() {
        return Ok(None);
    }
    let lane = contexts::current()?.lane;
    match context_of(lane, true, address, None) {
        Some(number) if are_apart(lane, Target::of_context(number).lane) => context_handle(number).map(Some),
        _ => Ok(None),
    }
}

/// Makes `context` the current one for `call`.
pub(crate) fn within<T>(context: u64, call: impl FnOnce() -> Result<T, CudaError>) -> Result<T, CudaError> {
    contexts::push(context);
    let result = call();
    contexts::pop()?;
    result
}
