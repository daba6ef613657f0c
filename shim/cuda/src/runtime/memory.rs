//! Memory: allocation, release, pools, registration, fills, attributes of pointers.
//!
//! Source: CUDA Runtime API, "Memory Management", "Stream Ordered Memory Allocator", "Unified Addressing". Sizes in bytes.

use super::context::{self, driver, ready};
use super::entry::{PER_THREAD, api, present, put, stream_or};
use super::error::{self, Outcome, check};
use super::types::{Extent, PitchedPtr, PointerAttributes, memory_type};
use crate::driver_table::{Driver, IpcHandle};
use std::ffi::c_void;

api! {
    fn cudaMalloc(address: *mut u64, bytes: usize) {
        present(address)?;
        let driver = ready()?;
        if bytes == 0 {
            return put(address, 0);
        }
        check((driver.cuMemAlloc_v2)(address, bytes))
    }

    fn cudaMallocPitch(address: *mut u64, pitch: *mut usize, width: usize, height: usize) {
        present(address)?;
        present(pitch)?;
        pitched(address, pitch, width, height)
    }

    fn cudaMalloc3D(pitched_ptr: *mut PitchedPtr, extent: Extent) {
        present(pitched_ptr)?;
        let (mut address, mut pitch) = (0, 0);
        let rows = extent.height.checked_mul(extent.depth).ok_or(error::INVALID_VALUE)?;
        pitched(&raw mut address, &raw mut pitch, extent.width, rows)?;
        put(pitched_ptr, PitchedPtr { ptr: address, pitch, xsize: extent.width, ysize: extent.height })
    }

    fn cudaFree(address: u64) {
        let driver = ready()?;
        if address == 0 {
            return Ok(());
        }
        check((driver.cuMemFree_v2)(address))
    }

    fn cudaMallocManaged(address: *mut u64, bytes: usize, flags: u32) {
        present(address)?;
        let driver = ready()?;
        if bytes == 0 {
            return Err(error::INVALID_VALUE);
        }
        check((driver.cuMemAllocManaged)(address, bytes, flags))
    }

    fn cudaMallocHost(address: *mut *mut c_void, bytes: usize) {
        host_alloc(address, bytes, 0)
    }

    fn cudaHostAlloc(address: *mut *mut c_void, bytes: usize, flags: u32) {
        host_alloc(address, bytes, flags)
    }

    fn cudaFreeHost(address: *mut c_void) {
        let driver = ready()?;
        if address.is_null() {
            return Ok(());
        }
        check((driver.cuMemFreeHost)(address))
    }

    fn cudaHostRegister(address: *mut c_void, bytes: usize, flags: u32) {
        check((ready()?.cuMemHostRegister_v2)(address, bytes, flags))
    }

    fn cudaHostUnregister(address: *mut c_void) {
        check((ready()?.cuMemHostUnregister)(address))
    }

    fn cudaHostGetDevicePointer(device: *mut u64, host: *mut c_void, flags: u32) {
        present(device)?;
        check((ready()?.cuMemHostGetDevicePointer_v2)(device, host, flags))
    }

    fn cudaHostGetFlags(flags: *mut u32, host: *mut c_void) {
        present(flags)?;
        check((ready()?.cuMemHostGetFlags)(flags, host))
    }

    fn cudaMallocAsync + cudaMallocAsync_ptsz [default](address: *mut u64, bytes: usize, stream: u64) {
        present(address)?;
        let driver = ready()?;
        if bytes == 0 {
            return put(address, 0);
        }
        check((driver.cuMemAllocAsync)(address, bytes, stream_or(stream, default)))
    }

    fn cudaMallocFromPoolAsync + cudaMallocFromPoolAsync_ptsz [default](address: *mut u64, bytes: usize, pool: u64, stream: u64) {
        present(address)?;
        let driver = ready()?;
        if bytes == 0 {
            return put(address, 0);
        }
        check((driver.cuMemAllocFromPoolAsync)(address, bytes, pool, stream_or(stream, default)))
    }

    fn cudaFreeAsync + cudaFreeAsync_ptsz [default](address: u64, stream: u64) {
        let driver = ready()?;
        if address == 0 {
            return Ok(());
        }
        check((driver.cuMemFreeAsync)(address, stream_or(stream, default)))
    }

    fn cudaMemGetInfo(free: *mut usize, total: *mut usize) {
        present(free)?;
        present(total)?;
        check((ready()?.cuMemGetInfo_v2)(free, total))
    }

    fn cudaMemPoolCreate(pool: *mut u64, properties: *const c_void) {
        check((ready()?.cuMemPoolCreate)(pool, properties))
    }

    fn cudaMemPoolDestroy(pool: u64) {
        check((ready()?.cuMemPoolDestroy)(pool))
    }

    fn cudaMemPoolTrimTo(pool: u64, keep_bytes: usize) {
        check((ready()?.cuMemPoolTrimTo)(pool, keep_bytes))
    }

    fn cudaMemPoolSetAttribute(pool: u64, attribute: u32, value: *mut c_void) {
        present(value)?;
        check((ready()?.cuMemPoolSetAttribute)(pool, attribute, value))
    }

    fn cudaMemPoolGetAttribute(pool: u64, attribute: u32, value: *mut c_void) {
        present(value)?;
        check((ready()?.cuMemPoolGetAttribute)(pool, attribute, value))
    }

    fn cudaMemPoolSetAccess(pool: u64, access: *const c_void, count: usize) {
        check((ready()?.cuMemPoolSetAccess)(pool, access, count))
    }

    fn cudaMemPoolGetAccess(flags: *mut u32, pool: u64, location: *mut c_void) {
        check((ready()?.cuMemPoolGetAccess)(flags, pool, location))
    }

    fn cudaMemPoolExportToShareableHandle(handle: *mut c_void, pool: u64, kind: u32, flags: u32) {
        check((ready()?.cuMemPoolExportToShareableHandle)(handle, pool, kind, u64::from(flags)))
    }

    fn cudaMemPoolImportFromShareableHandle(pool: *mut u64, handle: *mut c_void, kind: u32, flags: u32) {
        check((ready()?.cuMemPoolImportFromShareableHandle)(pool, handle, kind, u64::from(flags)))
    }

    fn cudaMemPoolExportPointer(data: *mut c_void, address: u64) {
        check((ready()?.cuMemPoolExportPointer)(data, address))
    }

    fn cudaMemPoolImportPointer(address: *mut u64, pool: u64, data: *mut c_void) {
        check((ready()?.cuMemPoolImportPointer)(address, pool, data))
    }

    fn cudaDeviceGetDefaultMemPool(pool: *mut u64, device: i32) {
        check((driver()?.cuDeviceGetDefaultMemPool)(pool, device))
    }

    fn cudaDeviceGetMemPool(pool: *mut u64, device: i32) {
        check((driver()?.cuDeviceGetMemPool)(pool, device))
    }

    fn cudaDeviceSetMemPool(device: i32, pool: u64) {
        check((driver()?.cuDeviceSetMemPool)(device, pool))
    }

    fn cudaDeviceGetGraphMemAttribute(device: i32, attribute: u32, value: *mut c_void) {
        check((driver()?.cuDeviceGetGraphMemAttribute)(device, attribute, value))
    }

    fn cudaDeviceSetGraphMemAttribute(device: i32, attribute: u32, value: *mut c_void) {
        check((driver()?.cuDeviceSetGraphMemAttribute)(device, attribute, value))
    }

    fn cudaDeviceGraphMemTrim(device: i32) {
        check((driver()?.cuDeviceGraphMemTrim)(device))
    }

    fn cudaMemset + cudaMemset_ptds [default](address: u64, value: i32, count: usize) {
        let driver = ready()?;
        if count == 0 {
            return Ok(());
        }
        if default == 0 {
            return check((driver.cuMemsetD8_v2)(address, byte(value), count));
        }
        check((driver.cuMemsetD8Async)(address, byte(value), count, PER_THREAD))
    }

    fn cudaMemsetAsync + cudaMemsetAsync_ptsz [default](address: u64, value: i32, count: usize, stream: u64) {
        let driver = ready()?;
        if count == 0 {
            return Ok(());
        }
        check((driver.cuMemsetD8Async)(address, byte(value), count, stream_or(stream, default)))
    }

    fn cudaMemset2D + cudaMemset2D_ptds [default](address: u64, pitch: usize, value: i32, width: usize, height: usize) {
        let driver = ready()?;
        if width == 0 || height == 0 {
            return Ok(());
        }
        if default == 0 {
            return check((driver.cuMemsetD2D8_v2)(address, pitch, byte(value), width, height));
        }
        check((driver.cuMemsetD2D8Async)(address, pitch, byte(value), width, height, PER_THREAD))
    }

    fn cudaMemset2DAsync + cudaMemset2DAsync_ptsz [default]
        (address: u64, pitch: usize, value: i32, width: usize, height: usize, stream: u64) {
        let driver = ready()?;
        if width == 0 || height == 0 {
            return Ok(());
        }
        check((driver.cuMemsetD2D8Async)(address, pitch, byte(value), width, height, stream_or(stream, default)))
    }

    fn cudaMemset3D + cudaMemset3D_ptds [default](pitched_ptr: PitchedPtr, value: i32, extent: Extent) {
        let driver = ready()?;
        fill_3d(pitched_ptr, extent, |address, width, height| {
            if default == 0 {
                check((driver.cuMemsetD2D8_v2)(address, pitched_ptr.pitch, byte(value), width, height))
            } else {
                check((driver.cuMemsetD2D8Async)(address, pitched_ptr.pitch, byte(value), width, height, PER_THREAD))
            }
        })
    }

    fn cudaMemset3DAsync + cudaMemset3DAsync_ptsz [default](pitched_ptr: PitchedPtr, value: i32, extent: Extent, stream: u64) {
        let driver = ready()?;
        fill_3d(pitched_ptr, extent, |address, width, height| {
            check((driver.cuMemsetD2D8Async)(address, pitched_ptr.pitch, byte(value), width, height, stream_or(stream, default)))
        })
    }

    fn cudaPointerGetAttributes(attributes: *mut PointerAttributes, address: u64) {
        present(attributes)?;
        put(attributes, pointer_attributes(ready()?, address)?)
    }

    fn cudaMemPrefetchAsync_v2 + cudaMemPrefetchAsync_v2_ptsz [default]
        (address: u64, bytes: usize, location: u64, flags: u32, stream: u64) {
        check((ready()?.cuMemPrefetchAsync_v2)(address, bytes, location, flags, stream_or(stream, default)))
    }

    fn cudaMemAdvise_v2(address: u64, bytes: usize, advice: u32, location: u64) {
        check((ready()?.cuMemAdvise_v2)(address, bytes, advice, location))
    }

    fn cudaMemRangeGetAttribute(data: *mut c_void, data_bytes: usize, attribute: u32, address: u64, bytes: usize) {
        check((ready()?.cuMemRangeGetAttribute)(data, data_bytes, attribute, address, bytes))
    }

    fn cudaMemRangeGetAttributes
        (data: *mut *mut c_void, data_bytes: *mut usize, attributes: *mut u32, count: usize, address: u64, bytes: usize) {
        check((ready()?.cuMemRangeGetAttributes)(data, data_bytes, attributes, count, address, bytes))
    }

    fn cudaStreamAttachMemAsync + cudaStreamAttachMemAsync_ptsz [default](stream: u64, address: u64, bytes: usize, flags: u32) {
        check((ready()?.cuStreamAttachMemAsync)(stream_or(stream, default), address, bytes, flags))
    }

    fn cudaIpcGetMemHandle(handle: *mut c_void, address: u64) {
        check((ready()?.cuIpcGetMemHandle)(handle, address))
    }

    fn cudaIpcCloseMemHandle(address: u64) {
        check((ready()?.cuIpcCloseMemHandle)(address))
    }

    fn cudaIpcOpenMemHandle(address: *mut u64, handle: IpcHandle, flags: u32) {
        present(address)?;
        check((ready()?.cuIpcOpenMemHandle_v2)(address, handle, flags))
    }

    fn cudaIpcOpenEventHandle(event: *mut u64, handle: IpcHandle) {
        present(event)?;
        check((ready()?.cuIpcOpenEventHandle)(event, handle))
    }

    fn cudaIpcGetEventHandle(handle: *mut c_void, event: u64) {
        check((ready()?.cuIpcGetEventHandle)(handle, event))
    }
}

/// `cudaMemPrefetchAsync` of CUDA 12: the destination is a device's ordinal, or -1 for the host.
///
/// # Safety
/// None beyond the C interface's: all arguments are integers.
pub unsafe extern "C" fn prefetch_to_device(
    address: u64,
    bytes: usize,
    device: i32,
    stream: u64,
) -> u32 {
    // SAFETY: integers.
    unsafe { cudaMemPrefetchAsync_v2(address, bytes, location(device), 0, stream) }
}

/// The per-thread twin of [`prefetch_to_device`].
///
/// # Safety
/// As there.
pub unsafe extern "C" fn prefetch_to_device_ptsz(
    address: u64,
    bytes: usize,
    device: i32,
    stream: u64,
) -> u32 {
    // SAFETY: integers.
    unsafe { cudaMemPrefetchAsync_v2_ptsz(address, bytes, location(device), 0, stream) }
}

/// `cudaMemAdvise` of CUDA 12.
///
/// # Safety
/// As for [`prefetch_to_device`].
pub unsafe extern "C" fn advise_device(
    address: u64,
    bytes: usize,
    advice: u32,
    device: i32,
) -> u32 {
    // SAFETY: integers.
    unsafe { cudaMemAdvise_v2(address, bytes, advice, location(device)) }
}

/// A `CUmemLocation`, which is eight bytes and travels in one register: the type in the low half, the device in the high half.
fn location(device: i32) -> u64 {
    const DEVICE: u64 = 1;
    const HOST: u64 = 2;
    if device < 0 {
        HOST
    } else {
        DEVICE | u64::from(device.cast_unsigned()) << 32
    }
}

/// The fill value: the documentation takes an `int` and sets bytes.
#[allow(clippy::cast_possible_truncation)]
fn byte(value: i32) -> u8 {
    value as u8
}

/// Fills a box of bytes, slice by slice, or at once where the slices adjoin.
fn fill_3d(to: PitchedPtr, extent: Extent, fill: impl Fn(u64, usize, usize) -> Outcome) -> Outcome {
    if extent.width == 0 || extent.height == 0 || extent.depth == 0 {
        return Ok(());
    }
    if extent.width > to.pitch || extent.height > to.ysize {
        return Err(error::INVALID_VALUE);
    }
    if extent.height == to.ysize {
        let rows = extent
            .height
            .checked_mul(extent.depth)
            .ok_or(error::INVALID_VALUE)?;
        return fill(to.ptr, extent.width, rows);
    }
    let slice_bytes = to.pitch.checked_mul(to.ysize).ok_or(error::INVALID_VALUE)? as u64;
    for slice in 0..extent.depth as u64 {
        let offset = slice.checked_mul(slice_bytes).ok_or(error::INVALID_VALUE)?;
        fill(
            to.ptr.checked_add(offset).ok_or(error::INVALID_VALUE)?,
            extent.width,
            extent.height,
        )?;
    }
    Ok(())
}

unsafe fn pitched(address: *mut u64, pitch: *mut usize, width: usize, height: usize) -> Outcome {
    let driver = ready()?;
    // SAFETY: both outputs are present.
    unsafe {
        if width == 0 || height == 0 {
            pitch.write(0);
            return put(address, 0);
        }
        check((driver.cuMemAllocPitch_v2)(
            address, pitch, width, height, 4,
        ))
    }
}

unsafe fn host_alloc(address: *mut *mut c_void, bytes: usize, flags: u32) -> Outcome {
    present(address)?;
    let driver = ready()?;
    // SAFETY: the output is present.
    unsafe {
        if bytes == 0 {
            return put(address, std::ptr::null_mut());
        }
        check((driver.cuMemHostAlloc)(address, bytes, flags))
    }
}

/// What a pointer is. Memory that CUDA does not know is `cudaMemoryTypeUnregistered`, which is no error.
fn pointer_attributes(driver: &Driver, address: u64) -> Outcome<PointerAttributes> {
    /// `CU_POINTER_ATTRIBUTE_MEMORY_TYPE`, `_DEVICE_POINTER`, `_HOST_POINTER`, `_IS_MANAGED`, `_DEVICE_ORDINAL`.
    const ASKED: [u32; 5] = [2, 3, 4, 8, 9];
    const UNREGISTERED: u32 = 0;
    const MANAGED: u32 = 3;
    /// `cudaInvalidDeviceId`.
    const NO_DEVICE: i32 = -2;
    let (mut kind, mut device_pointer, mut host_pointer, mut managed, mut device) =
        (0u32, 0u64, 0u64, 0u32, NO_DEVICE);
    let mut asked = ASKED;
    let mut outputs: [*mut c_void; 5] = [
        (&raw mut kind).cast(),
        (&raw mut device_pointer).cast(),
        (&raw mut host_pointer).cast(),
        (&raw mut managed).cast(),
        (&raw mut device).cast(),
    ];
    // SAFETY: five attributes with five outputs of their documented types; the driver zeroes what does not apply.
    let result = unsafe {
        (driver.cuPointerGetAttributes)(5, asked.as_mut_ptr(), outputs.as_mut_ptr(), address)
    };
    if result == error::INVALID_VALUE || (result == 0 && kind == UNREGISTERED) {
        return Ok(PointerAttributes {
            kind: UNREGISTERED,
            device: NO_DEVICE,
            device_pointer: 0,
            host_pointer: address,
        });
    }
    check(result)?;
    let kind = if managed != 0 {
        MANAGED
    } else {
        kind.min(memory_type::DEVICE)
    };
    let device = if device < 0 {
        context::device()?
    } else {
        device
    };
    Ok(PointerAttributes {
        kind,
        device,
        device_pointer,
        host_pointer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_box_is_filled_at_once_where_its_slices_adjoin_and_slice_by_slice_where_not() {
        let to = PitchedPtr {
            ptr: 1000,
            pitch: 64,
            xsize: 60,
            ysize: 4,
        };
        let calls = RefCell::new(Vec::new());
        let fill = |address, width, height| {
            calls.borrow_mut().push((address, width, height));
            Ok(())
        };
        fill_3d(
            to,
            Extent {
                width: 60,
                height: 4,
                depth: 3,
            },
            fill,
        )
        .unwrap();
        assert_eq!(calls.take(), [(1000, 60, 12)]);
        fill_3d(
            to,
            Extent {
                width: 10,
                height: 2,
                depth: 2,
            },
            fill,
        )
        .unwrap();
        assert_eq!(calls.take(), [(1000, 10, 2), (1256, 10, 2)]);
        assert_eq!(
            fill_3d(
                to,
                Extent {
                    width: 65,
                    height: 1,
                    depth: 1
                },
                fill
            ),
            Err(error::INVALID_VALUE)
        );
    }

    #[test]
    fn a_location_is_its_structure_in_one_register() {
        assert_eq!(location(3).to_le_bytes(), [1, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(location(-1) & 0xffff_ffff, 2);
    }
}
