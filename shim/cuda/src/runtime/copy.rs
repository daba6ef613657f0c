//! Copies of every kind.
//!
//! Source: CUDA Runtime API, "Memory Management" and "API synchronization behavior". Sizes in bytes. The `_ptds` variants copy on
//! the per-thread default stream and wait for it, which is what the legacy calls do on theirs.

use super::context::{primary, ready, ready_context, valid_device};
use super::entry::{api, present, stream_or};
use super::error::{self, Outcome, check};
use super::registry::variable;
use super::types::{Copy3D, Copy3DPeer, DriverCopy2D, DriverCopy3D, Extent, memory_type};
use crate::driver_table::Driver;
use std::ffi::c_void;

/// `cudaMemcpyKind`.
pub mod kind {
    pub const HOST_TO_HOST: u32 = 0;
    pub const HOST_TO_DEVICE: u32 = 1;
    pub const DEVICE_TO_HOST: u32 = 2;
    pub const DEVICE_TO_DEVICE: u32 = 3;
    pub const DEFAULT: u32 = 4;
}

/// Where a copy waits: a call that returns when its data has arrived, or one that only queues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The synchronous driver call, on the legacy default stream.
    Legacy,
    /// Queue on the stream, then wait for it.
    For(u64),
    /// Queue on the stream.
    No(u64),
}

impl Wait {
    fn synchronous(default: u64) -> Wait {
        if default == 0 {
            Wait::Legacy
        } else {
            Wait::For(default)
        }
    }
}

api! {
    fn cudaMemcpy + cudaMemcpy_ptds [default](destination: u64, source: u64, bytes: usize, kind: u32) {
        copy(ready()?, destination, source, bytes, kind, Wait::synchronous(default))
    }

    fn cudaMemcpyAsync + cudaMemcpyAsync_ptsz [default](destination: u64, source: u64, bytes: usize, kind: u32, stream: u64) {
        copy(ready()?, destination, source, bytes, kind, Wait::No(stream_or(stream, default)))
    }

    fn cudaMemcpyToSymbol + cudaMemcpyToSymbol_ptds [default]
        (symbol: *const c_void, source: u64, bytes: usize, offset: usize, kind: u32) {
        to_symbol(symbol, source, bytes, offset, kind, Wait::synchronous(default))
    }

    fn cudaMemcpyToSymbolAsync + cudaMemcpyToSymbolAsync_ptsz [default]
        (symbol: *const c_void, source: u64, bytes: usize, offset: usize, kind: u32, stream: u64) {
        to_symbol(symbol, source, bytes, offset, kind, Wait::No(stream_or(stream, default)))
    }

    fn cudaMemcpyFromSymbol + cudaMemcpyFromSymbol_ptds [default]
        (destination: u64, symbol: *const c_void, bytes: usize, offset: usize, kind: u32) {
        from_symbol(destination, symbol, bytes, offset, kind, Wait::synchronous(default))
    }

    fn cudaMemcpyFromSymbolAsync + cudaMemcpyFromSymbolAsync_ptsz [default]
        (destination: u64, symbol: *const c_void, bytes: usize, offset: usize, kind: u32, stream: u64) {
        from_symbol(destination, symbol, bytes, offset, kind, Wait::No(stream_or(stream, default)))
    }

    fn cudaMemcpyPeer
        (destination: u64, destination_device: i32, source: u64, source_device: i32, bytes: usize) {
        peer(destination, destination_device, source, source_device, bytes, Wait::Legacy)
    }

    fn cudaMemcpyPeerAsync
        (destination: u64, destination_device: i32, source: u64, source_device: i32, bytes: usize, stream: u64) {
        peer(destination, destination_device, source, source_device, bytes, Wait::No(stream))
    }

    fn cudaMemcpy2D + cudaMemcpy2D_ptds [default]
        (destination: u64, destination_pitch: usize, source: u64, source_pitch: usize, width: usize, height: usize, kind: u32) {
        let side = |address, pitch| Plane { address, pitch, array: 0, x_bytes: 0, y: 0 };
        copy_2d(side(destination, destination_pitch), side(source, source_pitch), width, height, kind, Wait::synchronous(default))
    }

    fn cudaMemcpy2DAsync + cudaMemcpy2DAsync_ptsz [default](destination: u64, destination_pitch: usize, source: u64,
        source_pitch: usize, width: usize, height: usize, kind: u32, stream: u64) {
        let side = |address, pitch| Plane { address, pitch, array: 0, x_bytes: 0, y: 0 };
        let wait = Wait::No(stream_or(stream, default));
        copy_2d(side(destination, destination_pitch), side(source, source_pitch), width, height, kind, wait)
    }

    fn cudaMemcpy2DToArray + cudaMemcpy2DToArray_ptds [default]
        (array: u64, x_bytes: usize, y: usize, source: u64, pitch: usize, width: usize, height: usize, kind: u32) {
        let to = Plane { address: 0, pitch: 0, array, x_bytes, y };
        copy_2d(to, Plane::memory(source, pitch), width, height, kind, Wait::synchronous(default))
    }

    fn cudaMemcpy2DToArrayAsync + cudaMemcpy2DToArrayAsync_ptsz [default]
        (array: u64, x_bytes: usize, y: usize, source: u64, pitch: usize, width: usize, height: usize, kind: u32, stream: u64) {
        let to = Plane { address: 0, pitch: 0, array, x_bytes, y };
        copy_2d(to, Plane::memory(source, pitch), width, height, kind, Wait::No(stream_or(stream, default)))
    }

    fn cudaMemcpy2DFromArray + cudaMemcpy2DFromArray_ptds [default]
        (destination: u64, pitch: usize, array: u64, x_bytes: usize, y: usize, width: usize, height: usize, kind: u32) {
        let from = Plane { address: 0, pitch: 0, array, x_bytes, y };
        copy_2d(Plane::memory(destination, pitch), from, width, height, kind, Wait::synchronous(default))
    }

    fn cudaMemcpy2DFromArrayAsync + cudaMemcpy2DFromArrayAsync_ptsz [default]
        (destination: u64, pitch: usize, array: u64, x_bytes: usize, y: usize, width: usize, height: usize, kind: u32, stream: u64) {
        let from = Plane { address: 0, pitch: 0, array, x_bytes, y };
        copy_2d(Plane::memory(destination, pitch), from, width, height, kind, Wait::No(stream_or(stream, default)))
    }

    fn cudaMemcpy2DArrayToArray + cudaMemcpy2DArrayToArray_ptds [default](destination: u64, to_x: usize, to_y: usize, source: u64,
        from_x: usize, from_y: usize, width: usize, height: usize, kind: u32) {
        let to = Plane { address: 0, pitch: 0, array: destination, x_bytes: to_x, y: to_y };
        let from = Plane { address: 0, pitch: 0, array: source, x_bytes: from_x, y: from_y };
        copy_2d(to, from, width, height, kind, Wait::synchronous(default))
    }

    fn cudaMemcpy3D + cudaMemcpy3D_ptds [default](params: *const Copy3D) {
        present(params)?;
        copy_3d(&*params, Wait::synchronous(default))
    }

    fn cudaMemcpy3DAsync + cudaMemcpy3DAsync_ptsz [default](params: *const Copy3D, stream: u64) {
        present(params)?;
        copy_3d(&*params, Wait::No(stream_or(stream, default)))
    }

    fn cudaMemcpy3DPeer + cudaMemcpy3DPeer_ptds [default](params: *const Copy3DPeer) {
        present(params)?;
        copy_3d_peer(&*params, Wait::synchronous(default))
    }

    fn cudaMemcpy3DPeerAsync + cudaMemcpy3DPeerAsync_ptsz [default](params: *const Copy3DPeer, stream: u64) {
        present(params)?;
        copy_3d_peer(&*params, Wait::No(stream_or(stream, default)))
    }
}

/// Waits for the stream where the call is a synchronous one.
fn finish(driver: &Driver, wait: Wait) -> Outcome {
    match wait {
        // SAFETY: a stream handle.
        Wait::For(stream) => check(unsafe { (driver.cuStreamSynchronize)(stream) }),
        Wait::Legacy | Wait::No(_) => Ok(()),
    }
}

/// A copy of `bytes` between two addresses.
///
/// # Safety
/// Host addresses must be valid for `bytes`, and stay so until an asynchronous copy is done.
unsafe fn copy(
    driver: &Driver,
    destination: u64,
    source: u64,
    bytes: usize,
    kind: u32,
    wait: Wait,
) -> Outcome {
    if kind > kind::DEFAULT {
        return Err(error::INVALID_MEMCPY_DIRECTION);
    }
    if bytes == 0 {
        return Ok(());
    }
    if destination == 0 || source == 0 {
        return Err(error::INVALID_VALUE);
    }
    let host_source = source as *const c_void;
    let host_destination = destination as *mut c_void;
    // SAFETY: the caller's promise.
    let result = unsafe {
        match (kind, wait) {
            (kind::HOST_TO_DEVICE, Wait::Legacy) => {
                (driver.cuMemcpyHtoD_v2)(destination, host_source, bytes)
            }
            (kind::DEVICE_TO_HOST, Wait::Legacy) => {
                (driver.cuMemcpyDtoH_v2)(host_destination, source, bytes)
            }
            (kind::DEVICE_TO_DEVICE, Wait::Legacy) => {
                (driver.cuMemcpyDtoD_v2)(destination, source, bytes)
            }
            (_, Wait::Legacy) => (driver.cuMemcpy)(destination, source, bytes),
            (kind::HOST_TO_DEVICE, Wait::For(stream) | Wait::No(stream)) => {
                (driver.cuMemcpyHtoDAsync_v2)(destination, host_source, bytes, stream)
            }
            (kind::DEVICE_TO_HOST, Wait::For(stream) | Wait::No(stream)) => {
                (driver.cuMemcpyDtoHAsync_v2)(host_destination, source, bytes, stream)
            }
            (kind::DEVICE_TO_DEVICE, Wait::For(stream) | Wait::No(stream)) => {
                (driver.cuMemcpyDtoDAsync_v2)(destination, source, bytes, stream)
            }
            (_, Wait::For(stream) | Wait::No(stream)) => {
                (driver.cuMemcpyAsync)(destination, source, bytes, stream)
            }
        }
    };
    check(result)?;
    finish(driver, wait)
}

/// The part of a variable that a copy touches.
fn inside(
    driver: &Driver,
    context: u64,
    symbol: *const c_void,
    bytes: usize,
    offset: usize,
) -> Outcome<u64> {
    let (address, size) = variable(driver, context, symbol)?;
    let end = offset.checked_add(bytes).ok_or(error::INVALID_VALUE)?;
    if end > size {
        return Err(error::INVALID_VALUE);
    }
    Ok(address + offset as u64)
}

unsafe fn to_symbol(
    symbol: *const c_void,
    source: u64,
    bytes: usize,
    offset: usize,
    kind: u32,
    wait: Wait,
) -> Outcome {
    if !matches!(
        kind,
        kind::HOST_TO_DEVICE | kind::DEVICE_TO_DEVICE | kind::DEFAULT
    ) {
        return Err(error::INVALID_MEMCPY_DIRECTION);
    }
    let (driver, context) = ready_context()?;
    let address = inside(driver, context, symbol, bytes, offset)?;
    // SAFETY: the variable is large enough; the source is the caller's promise.
    unsafe { copy(driver, address, source, bytes, kind, wait) }
}

unsafe fn from_symbol(
    destination: u64,
    symbol: *const c_void,
    bytes: usize,
    offset: usize,
    kind: u32,
    wait: Wait,
) -> Outcome {
    if !matches!(
        kind,
        kind::DEVICE_TO_HOST | kind::DEVICE_TO_DEVICE | kind::DEFAULT
    ) {
        return Err(error::INVALID_MEMCPY_DIRECTION);
    }
    let (driver, context) = ready_context()?;
    let address = inside(driver, context, symbol, bytes, offset)?;
    // SAFETY: the variable is large enough; the destination is the caller's promise.
    unsafe { copy(driver, destination, address, bytes, kind, wait) }
}

unsafe fn peer(
    destination: u64,
    to_device: i32,
    source: u64,
    from_device: i32,
    bytes: usize,
    wait: Wait,
) -> Outcome {
    let driver = ready()?;
    valid_device(driver, to_device)?;
    valid_device(driver, from_device)?;
    if bytes == 0 {
        return Ok(());
    }
    let (to, from) = (primary(driver, to_device)?, primary(driver, from_device)?);
    // SAFETY: device addresses and contexts.
    check(unsafe {
        match wait {
            Wait::Legacy => (driver.cuMemcpyPeer)(destination, to, source, from, bytes),
            Wait::For(stream) | Wait::No(stream) => {
                (driver.cuMemcpyPeerAsync)(destination, to, source, from, bytes, stream)
            }
        }
    })?;
    finish(driver, wait)
}

/// One side of a two-dimensional copy: rows in memory, or a place in an array.
#[derive(Clone, Copy)]
struct Plane {
    address: u64,
    pitch: usize,
    array: u64,
    x_bytes: usize,
    y: usize,
}

impl Plane {
    fn memory(address: u64, pitch: usize) -> Plane {
        Plane {
            address,
            pitch,
            array: 0,
            x_bytes: 0,
            y: 0,
        }
    }
}

/// The driver's memory types for source and destination of a `cudaMemcpyKind`.
fn sides(kind: u32) -> Outcome<(u32, u32)> {
    use memory_type::{DEVICE, HOST, UNIFIED};
    Ok(match kind {
        kind::HOST_TO_HOST => (HOST, HOST),
        kind::HOST_TO_DEVICE => (HOST, DEVICE),
        kind::DEVICE_TO_HOST => (DEVICE, HOST),
        kind::DEVICE_TO_DEVICE => (DEVICE, DEVICE),
        kind::DEFAULT => (UNIFIED, UNIFIED),
        _ => return Err(error::INVALID_MEMCPY_DIRECTION),
    })
}

unsafe fn copy_2d(
    to: Plane,
    from: Plane,
    width: usize,
    height: usize,
    kind: u32,
    wait: Wait,
) -> Outcome {
    let (from_type, to_type) = sides(kind)?;
    let driver = ready()?;
    if width == 0 || height == 0 {
        return Ok(());
    }
    if (to.array == 0 && (to.address == 0 || width > to.pitch))
        || (from.array == 0 && (from.address == 0 || width > from.pitch))
    {
        let pitch_short =
            (to.array == 0 && width > to.pitch) || (from.array == 0 && width > from.pitch);
        return Err(if pitch_short {
            error::INVALID_PITCH_VALUE
        } else {
            error::INVALID_VALUE
        });
    }
    let from_type = if from.array != 0 {
        memory_type::ARRAY
    } else {
        from_type
    };
    let to_type = if to.array != 0 {
        memory_type::ARRAY
    } else {
        to_type
    };
    let copy = DriverCopy2D {
        src_x_bytes: from.x_bytes,
        src_y: from.y,
        src_memory_type: from_type,
        src_host: from.address,
        src_device: from.address,
        src_array: from.array,
        src_pitch: from.pitch,
        dst_x_bytes: to.x_bytes,
        dst_y: to.y,
        dst_memory_type: to_type,
        dst_host: to.address,
        dst_device: to.address,
        dst_array: to.array,
        dst_pitch: to.pitch,
        width_bytes: width,
        height,
    };
    let copy: *const DriverCopy2D = &raw const copy;
    // SAFETY: a complete description; the host side is the caller's promise.
    check(unsafe {
        match wait {
            Wait::Legacy => (driver.cuMemcpy2DUnaligned_v2)(copy.cast()),
            Wait::For(stream) | Wait::No(stream) => {
                (driver.cuMemcpy2DAsync_v2)(copy.cast(), stream)
            }
        }
    })?;
    finish(driver, wait)
}

/// Bytes of one element of an array.
pub fn element_bytes(driver: &Driver, array: u64) -> Outcome<usize> {
    let descriptor = super::array::descriptor(driver, array)?;
    super::array::element_bytes(&descriptor)
}

/// The driver's description of a three-dimensional copy. Positions and extents count elements where an array takes part and
/// bytes where none does.
pub fn driver_copy_3d(driver: &Driver, params: &Copy3D) -> Outcome<DriverCopy3D> {
    let (from_type, to_type) = sides(params.kind)?;
    if (params.src_array == 0) == (params.src_ptr.ptr == 0)
        || (params.dst_array == 0) == (params.dst_ptr.ptr == 0)
    {
        return Err(error::INVALID_VALUE);
    }
    let element = match (params.src_array, params.dst_array) {
        (0, 0) => 1,
        (0, array) | (array, _) => element_bytes(driver, array)?,
    };
    let scaled = |count: usize| count.checked_mul(element).ok_or(error::INVALID_VALUE);
    Ok(DriverCopy3D {
        src_x_bytes: if params.src_array == 0 {
            params.src_pos.x
        } else {
            scaled(params.src_pos.x)?
        },
        src_y: params.src_pos.y,
        src_z: params.src_pos.z,
        src_memory_type: if params.src_array == 0 {
            from_type
        } else {
            memory_type::ARRAY
        },
        src_host: params.src_ptr.ptr,
        src_device: params.src_ptr.ptr,
        src_array: params.src_array,
        src_pitch: params.src_ptr.pitch,
        src_height: params.src_ptr.ysize,
        dst_x_bytes: if params.dst_array == 0 {
            params.dst_pos.x
        } else {
            scaled(params.dst_pos.x)?
        },
        dst_y: params.dst_pos.y,
        dst_z: params.dst_pos.z,
        dst_memory_type: if params.dst_array == 0 {
            to_type
        } else {
            memory_type::ARRAY
        },
        dst_host: params.dst_ptr.ptr,
        dst_device: params.dst_ptr.ptr,
        dst_array: params.dst_array,
        dst_pitch: params.dst_ptr.pitch,
        dst_height: params.dst_ptr.ysize,
        width_bytes: scaled(params.extent.width)?,
        height: params.extent.height,
        depth: params.extent.depth,
        ..DriverCopy3D::default()
    })
}

fn is_empty(extent: Extent) -> bool {
    extent.width == 0 || extent.height == 0 || extent.depth == 0
}

unsafe fn copy_3d(params: &Copy3D, wait: Wait) -> Outcome {
    let driver = ready()?;
    if is_empty(params.extent) {
        return Ok(());
    }
    let copy = driver_copy_3d(driver, params)?;
    let copy: *const DriverCopy3D = &raw const copy;
    // SAFETY: a complete description; the host side is the caller's promise.
    check(unsafe {
        match wait {
            Wait::Legacy => (driver.cuMemcpy3D_v2)(copy.cast()),
            Wait::For(stream) | Wait::No(stream) => {
                (driver.cuMemcpy3DAsync_v2)(copy.cast(), stream)
            }
        }
    })?;
    finish(driver, wait)
}

unsafe fn copy_3d_peer(params: &Copy3DPeer, wait: Wait) -> Outcome {
    let driver = ready()?;
    if is_empty(params.extent) {
        return Ok(());
    }
    let plain = Copy3D {
        src_array: params.src_array,
        src_pos: params.src_pos,
        src_ptr: params.src_ptr,
        dst_array: params.dst_array,
        dst_pos: params.dst_pos,
        dst_ptr: params.dst_ptr,
        extent: params.extent,
        kind: kind::DEVICE_TO_DEVICE,
    };
    let mut copy = driver_copy_3d(driver, &plain)?;
    copy.src_context = primary(driver, params.src_device)?;
    copy.dst_context = primary(driver, params.dst_device)?;
    let copy: *const DriverCopy3D = &raw const copy;
    // SAFETY: a complete description of device memory.
    check(unsafe {
        match wait {
            Wait::Legacy => (driver.cuMemcpy3DPeer)(copy.cast()),
            Wait::For(stream) | Wait::No(stream) => {
                (driver.cuMemcpy3DPeerAsync)(copy.cast(), stream)
            }
        }
    })?;
    finish(driver, wait)
}

/// Many copies by one call, each queued as if it were called alone: no order among them is promised, so any will do. The attributes
/// are hints about where memory lies and when a source is read; a copy made by its own call needs none.
///
/// # Safety
/// The three lists hold `count` entries.
unsafe fn batch(
    destinations: *const u64,
    sources: *const u64,
    sizes: *const usize,
    count: usize,
    failed: *mut usize,
    stream: u64,
) -> Outcome {
    let driver = ready()?;
    if count == 0 || destinations.is_null() || sources.is_null() || sizes.is_null() {
        return Err(error::INVALID_VALUE);
    }
    for index in 0..count {
        // SAFETY: within the lists; the memory is the caller's promise.
        let outcome = unsafe {
            let (to, from, bytes) = (
                *destinations.add(index),
                *sources.add(index),
                *sizes.add(index),
            );
            copy(driver, to, from, bytes, kind::DEFAULT, Wait::No(stream))
        };
        if outcome.is_err() && !failed.is_null() {
            // SAFETY: the caller's output.
            unsafe { failed.write(index) };
        }
        outcome?;
    }
    Ok(())
}

macro_rules! batches {
    ($( $v12:ident, $v13:ident, $default:expr; )*) => { $(
        /// `cudaMemcpyBatchAsync` of CUDA 12, which tells the copy that failed.
        ///
        /// # Safety
        /// As the CUDA documentation asks.
        pub unsafe extern "C" fn $v12(destinations: *const u64, sources: *const u64, sizes: *const usize, count: usize,
            _attributes: *const c_void, _attribute_indices: *const usize, _attribute_count: usize, failed: *mut usize,
            stream: u64) -> u32 {
            // SAFETY: the caller's promise.
            super::entry::guard(|| unsafe {
                batch(destinations, sources, sizes, count, failed, stream_or(stream, $default))
            })
        }

        /// `cudaMemcpyBatchAsync` of CUDA 13.
        ///
        /// # Safety
        /// As the CUDA documentation asks.
        pub unsafe extern "C" fn $v13(destinations: *const u64, sources: *const u64, sizes: *const usize, count: usize,
            _attributes: *const c_void, _attribute_indices: *const usize, _attribute_count: usize, stream: u64) -> u32 {
            // SAFETY: the caller's promise.
            super::entry::guard(|| unsafe {
                batch(destinations, sources, sizes, count, std::ptr::null_mut(), stream_or(stream, $default))
            })
        }
    )* };
}

batches! {
    batch_v12, batch_v13, 0;
    batch_v12_ptsz, batch_v13_ptsz, super::entry::PER_THREAD;
}
