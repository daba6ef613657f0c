//! Copies with an array at one end or both. Arrays have no addresses, so their end of a copy is a box in the array; host memory is
//! read here and sent row after row without gaps, or comes back that way.

use super::array;
use super::copy::{Region, copy_region, default_stream};
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::memory::{self, Place};
use ringway_client::notices;
use ringway_client::objects::Object;
use ringway_client::{called, handle, posted, stats};
use ringway_wire::call::COPY_PIECE_BYTES;
use ringway_wire::codec::{SliceWriter, Writer as _};

/// Bytes of one record's data: what is left of a piece behind the arguments, a multiple of every element's size.
const PIECE: usize = COPY_PIECE_BYTES - 64;
/// Bytes of one copy to the host: the server stages it whole.
const DOWNLOAD_BYTES_MAX: usize = 64 << 20;
/// Copies of at most this many bytes to the host come inside the reply.
const INLINE_BYTES_MAX: usize = ringway_wire::layout::REPLY_INLINE_MAX;
/// `CU_MEMORYTYPE_*`.
const DEVICE: u64 = 2;
const ARRAY: u64 = 3;

/// Where in an array a copy begins: bytes of a row, rows, slices.
#[derive(Clone, Copy)]
pub(crate) struct ArrayPlace {
    pub handle: u64,
    pub at: [usize; 3],
}

impl ArrayPlace {
    /// The array, if the box lies in it.
    fn object(&self, extent: [usize; 3]) -> Result<Object, CudaError> {
        let object = handle(Kind::Array, self.handle)?;
        if array::holds(self.handle, self.at, extent) {
            Ok(object)
        } else {
            Err(CudaError::INVALID_VALUE)
        }
    }

    fn moved(&self, by: [usize; 3]) -> [usize; 3] {
        [self.at[0] + by[0], self.at[1] + by[1], self.at[2] + by[2]]
    }
}

fn write_place(w: &mut SliceWriter<'_>, array: Object, at: [usize; 3]) {
    w.u64(array.id);
    for n in at {
        w.usize(n);
    }
}

/// Checks the boxes in arrays.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`; `CUDA_ERROR_INVALID_VALUE` for a box that is not inside its array.
pub(crate) fn check(r: &Region) -> Result<(), CudaError> {
    for place in [r.dst_array, r.src_array].into_iter().flatten() {
        place.object([r.width, r.height, r.depth])?;
    }
    Ok(())
}

/// Bytes of a box within the device.
pub(crate) const BOX_BYTES: usize = 136;

/// Writes a box within the device, whose arrays were checked.
pub(crate) fn write_box(w: &mut SliceWriter<'_>, r: &Region) {
    let side = |array: Option<ArrayPlace>, address: u64, pitch: usize, height: usize| match array {
        Some(place) => (ARRAY, place.handle, place.at, 0, 0),
        None => (DEVICE, address, [0; 3], pitch, height),
    };
    for (kind, base, at, pitch, height) in [
        side(r.dst_array, r.dst, r.dst_pitch, r.dst_height),
        side(r.src_array, r.src, r.src_pitch, r.src_height),
    ] {
        w.u64(kind);
        w.u64(base);
        for n in at {
            w.usize(n);
        }
        w.usize(pitch);
        w.usize(height);
    }
    for n in [r.width, r.height, r.depth] {
        w.usize(n);
    }
}

/// Within the device: posted as it is.
pub(crate) fn on_device(r: &Region, on: Object) -> Result<(), CudaError> {
    let opcode = match (r.dst_array.is_some(), r.src_array.is_some()) {
        (true, true) => op::CU_MEMCPY_ATOA,
        (true, false) => op::CU_MEMCPY_DTOA,
        _ => op::CU_MEMCPY_ATOD,
    };
    posted(opcode, on.target, 8 + BOX_BYTES, |w| {
        w.u64(on.id);
        write_box(w, r);
    })
}

/// From host memory, which is read now. `wait`: until the last byte is in the array.
///
/// # Safety
/// The source is readable as the region says.
pub(crate) unsafe fn to_array(r: &Region, to: ArrayPlace, on: Object, wait: bool) -> Result<(), CudaError> {
    let array = to.object([r.width, r.height, r.depth])?;
    if r.src == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    stats::up(r.width * r.height * r.depth);
    let width = r.width.min(PIECE);
    let rows_max = (PIECE / width).max(1);
    for z in 0..r.depth {
        let mut y = 0;
        while y < r.height {
            let rows = if width < r.width { 1 } else { rows_max.min(r.height - y) };
            let mut x = 0;
            while x < r.width {
                let piece = width.min(r.width - x);
                let write = |w: &mut SliceWriter<'_>| {
                    w.u64(on.id);
                    write_place(w, array, to.moved([x, y, z]));
                    w.usize(piece);
                    w.usize(rows);
                    for row in y..y + rows {
                        let from = r.src as usize + (z * r.src_height + row) * r.src_pitch + x;
                        // SAFETY: inside the source that the program described.
                        w.put(unsafe { core::slice::from_raw_parts(from as *const u8, piece) });
                    }
                };
                let size = 56 + piece * rows;
                let last = z + 1 == r.depth && y + rows == r.height && x + piece == r.width;
                if wait && last {
                    called(op::CU_MEMCPY_HTOA, on.target, size, write, |_| Ok(()))?;
                } else {
                    posted(op::CU_MEMCPY_HTOA_ASYNC, on.target, size, write)?;
                }
                x += piece;
            }
            y += rows;
        }
    }
    Ok(())
}

/// A box of an array to host memory without gaps.
///
/// # Safety
/// The destination is writable for the whole box.
unsafe fn box_to_host(to: *mut u8, array: Object, at: [usize; 3], extent: [usize; 3], on: Object, wait: bool) -> Result<(), CudaError> {
    let bytes: usize = extent.iter().product();
    // SAFETY: writable until the copy has ended: CUDA's own rule.
    let id = unsafe { notices::begin_download(to, bytes, on.target.lane) };
    let write = |w: &mut SliceWriter<'_>| {
        w.u64(on.id);
        write_place(w, array, at);
        for n in extent {
            w.usize(n);
        }
        w.u64(id);
    };
    let result = if wait {
        called(op::CU_MEMCPY_ATOH, on.target, 72, write, |r| {
            if bytes <= INLINE_BYTES_MAX && r.left() == bytes {
                notices::inline_download(id, r.take(bytes)?);
            }
            Ok(())
        })
    } else {
        posted(op::CU_MEMCPY_ATOH_ASYNC, on.target, 72, write)
    };
    if wait || result.is_err() {
        notices::end_download(id);
    }
    result
}

/// To host memory.
///
/// # Safety
/// The destination is writable as the region says, until the copy is done.
pub(crate) unsafe fn to_host(r: &Region, from: ArrayPlace, on: Object, asynchronous: bool) -> Result<(), CudaError> {
    let array = from.object([r.width, r.height, r.depth])?;
    if r.dst == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    stats::down(r.width * r.height * r.depth);
    let pinned = memory::find(r.dst).is_some_and(|found| matches!(found.place, Place::PinnedHost(_) | Place::RegisteredHost(_)));
    let wait = !(asynchronous && pinned);
    let rows_fit = (DOWNLOAD_BYTES_MAX / r.width).max(1);
    let tight_rows = r.dst_pitch == r.width || r.height == 1;
    if tight_rows && (r.depth == 1 || r.dst_height == r.height && r.dst_pitch == r.width) && r.height.saturating_mul(r.depth) <= rows_fit {
        return unsafe { box_to_host(r.dst as *mut u8, array, from.at, [r.width, r.height, r.depth], on, wait) };
    }
    let mut rows_of_slice = Vec::new();
    for z in 0..r.depth {
        let mut y = 0;
        while y < r.height {
            let to = (r.dst as usize + (z * r.dst_height + y) * r.dst_pitch) as *mut u8;
            let at = from.moved([0, y, z]);
            // Without gaps as many rows as may be staged; with gaps as many by way of memory of ours if the call waits anyway, else one.
            let rows = if tight_rows || wait { rows_fit.min(r.height - y) } else { 1 };
            if tight_rows || rows == 1 {
                unsafe { box_to_host(to, array, at, [r.width, rows, 1], on, wait) }?;
            } else {
                rows_of_slice.resize(r.width * rows, 0u8);
                unsafe { box_to_host(rows_of_slice.as_mut_ptr(), array, at, [r.width, rows, 1], on, true) }?;
                for (row, bytes) in rows_of_slice.chunks_exact(r.width).enumerate() {
                    // SAFETY: inside the destination that the program described.
                    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to.add(row * r.dst_pitch), r.width) };
                }
            }
            y += rows;
        }
    }
    Ok(())
}

fn place(handle: u64, offset: usize) -> Option<ArrayPlace> {
    Some(ArrayPlace { handle, at: [offset, 0, 0] })
}

pub unsafe fn cuMemcpyDtoA(dstArray: u64, dstOffset: usize, srcDevice: u64, ByteCount: usize, per_thread: bool) -> Result<(), CudaError> {
    if memory::exceeds(srcDevice, ByteCount as u64) {
        return Err(CudaError::INVALID_VALUE);
    }
    let region = Region { dst_array: place(dstArray, dstOffset), ..Region::run(0, true, srcDevice, true, ByteCount) };
    unsafe { copy_region(&region, default_stream(per_thread), false) }
}

pub unsafe fn cuMemcpyAtoD(dstDevice: u64, srcArray: u64, srcOffset: usize, ByteCount: usize, per_thread: bool) -> Result<(), CudaError> {
    if memory::exceeds(dstDevice, ByteCount as u64) {
        return Err(CudaError::INVALID_VALUE);
    }
    let region = Region { src_array: place(srcArray, srcOffset), ..Region::run(dstDevice, true, 0, true, ByteCount) };
    unsafe { copy_region(&region, default_stream(per_thread), false) }
}

pub unsafe fn cuMemcpyAtoA(dstArray: u64, dstOffset: usize, srcArray: u64, srcOffset: usize, ByteCount: usize, per_thread: bool) -> Result<(), CudaError> {
    let region = Region { dst_array: place(dstArray, dstOffset), src_array: place(srcArray, srcOffset), ..Region::run(0, true, 0, true, ByteCount) };
    unsafe { copy_region(&region, default_stream(per_thread), false) }
}

unsafe fn host_to_array(dstArray: u64, dstOffset: usize, srcHost: *const c_void, bytes: usize, stream: u64, asynchronous: bool) -> Result<(), CudaError> {
    let region = Region { dst_array: place(dstArray, dstOffset), ..Region::run(0, true, srcHost as u64, false, bytes) };
    unsafe { copy_region(&region, stream, asynchronous) }
}

unsafe fn array_to_host(dstHost: *const c_void, srcArray: u64, srcOffset: usize, bytes: usize, stream: u64, asynchronous: bool) -> Result<(), CudaError> {
    let region = Region { src_array: place(srcArray, srcOffset), ..Region::run(dstHost as u64, false, 0, true, bytes) };
    unsafe { copy_region(&region, stream, asynchronous) }
}

pub unsafe fn cuMemcpyHtoA(dstArray: u64, dstOffset: usize, srcHost: *const c_void, ByteCount: usize, per_thread: bool) -> Result<(), CudaError> {
    unsafe { host_to_array(dstArray, dstOffset, srcHost, ByteCount, default_stream(per_thread), false) }
}

pub unsafe fn cuMemcpyAtoH(dstHost: *const c_void, srcArray: u64, srcOffset: usize, ByteCount: usize, per_thread: bool) -> Result<(), CudaError> {
    unsafe { array_to_host(dstHost, srcArray, srcOffset, ByteCount, default_stream(per_thread), false) }
}

pub unsafe fn cuMemcpyHtoAAsync(dstArray: u64, dstOffset: usize, srcHost: *const c_void, ByteCount: usize, hStream: u64) -> Result<(), CudaError> {
    unsafe { host_to_array(dstArray, dstOffset, srcHost, ByteCount, hStream, true) }
}

pub unsafe fn cuMemcpyAtoHAsync(dstHost: *const c_void, srcArray: u64, srcOffset: usize, ByteCount: usize, hStream: u64) -> Result<(), CudaError> {
    unsafe { array_to_host(dstHost, srcArray, srcOffset, ByteCount, hStream, true) }
}
