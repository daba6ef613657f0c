//! Devices: selection, properties, limits, and the calls that concern a device as a whole. Errors and versions too.
//!
//! Source: CUDA Runtime API, "Device Management", "Error Handling", "Version Management", "Peer Device Memory Access". Sizes in
//! bytes, clocks in kHz.

use super::context::{self, driver, ready};
use super::device_prop::{DevicePropV12, DevicePropV13, legacy_bytes, read_v12, read_v13};
use super::entry::{api, present, put};
use super::error::{self, Outcome, check};
use std::ffi::{c_char, c_void};

/// `cudaGetLastError`: this thread's last error, which is then forgotten unless it ended the context.
#[unsafe(no_mangle)]
pub extern "C" fn cudaGetLastError() -> u32 {
    error::take()
}

/// `cudaPeekAtLastError`: this thread's last error.
#[unsafe(no_mangle)]
pub extern "C" fn cudaPeekAtLastError() -> u32 {
    error::peek()
}

/// `cudaGetErrorName`.
#[unsafe(no_mangle)]
pub extern "C" fn cudaGetErrorName(code: u32) -> *const c_char {
    error::name(code).as_ptr()
}

/// `cudaGetErrorString`.
#[unsafe(no_mangle)]
pub extern "C" fn cudaGetErrorString(code: u32) -> *const c_char {
    error::text(code).as_ptr()
}

/// `cudaCreateChannelDesc`: bits of each component, and their kind.
#[unsafe(no_mangle)]
pub extern "C" fn cudaCreateChannelDesc(
    x: i32,
    y: i32,
    z: i32,
    w: i32,
    kind: u32,
) -> super::array::ChannelDesc {
    super::array::ChannelDesc { x, y, z, w, kind }
}

api! {
    fn cudaRuntimeGetVersion(version: *mut i32) {
        put(version, super::VERSION)
    }

    fn cudaDriverGetVersion(version: *mut i32) {
        present(version)?;
        match driver() {
            Ok(driver) => check((driver.cuDriverGetVersion)(version)),
            // No driver is version 0, and not an error.
            Err(error::INSUFFICIENT_DRIVER) => put(version, 0),
            Err(code) => Err(code),
        }
    }

    fn cudaGetDeviceCount(count: *mut i32) {
        present(count)?;
        put(count, 0)?;
        put(count, context::count(driver()?)?)
    }

    fn cudaGetDevice(device: *mut i32) {
        put(device, context::device()?)
    }

    fn cudaSetDevice(device: i32) {
        context::set_device(device)
    }

    fn cudaInitDevice(device: i32, _device_flags: u32, _flags: u32) {
        let driver = driver()?;
        context::primary(driver, device).map(drop)
    }

    fn cudaSetValidDevices(devices: *const i32, count: i32) {
        let driver = driver()?;
        if count < 0 || (count > 0 && devices.is_null()) {
            return Err(error::INVALID_VALUE);
        }
        for index in 0..usize::try_from(count).unwrap_or(0) {
            context::valid_device(driver, *devices.add(index))?;
        }
        // The first of the list is what a thread without a device would use.
        if count > 0 { context::set_device(*devices) } else { Ok(()) }
    }

    fn cudaChooseDevice(device: *mut i32, wanted: *const c_void) {
        present(wanted)?;
        // All devices of a lease are alike as far as a program can ask here: the first one fits as well as any.
        context::count(driver()?)?;
        put(device, 0)
    }

    fn cudaSetDeviceFlags(flags: u32) {
        let driver = driver()?;
        check((driver.cuDevicePrimaryCtxSetFlags_v2)(context::device()?, flags & SCHEDULE_MASK))
    }

    fn cudaGetDeviceFlags(flags: *mut u32) {
        present(flags)?;
        let driver = driver()?;
        let mut active = 0;
        check((driver.cuDevicePrimaryCtxGetState)(context::device()?, flags, &raw mut active))?;
        // Mapped host memory is always on, as the documentation says of unified addressing.
        *flags |= MAP_HOST;
        Ok(())
    }

    fn cudaDeviceSynchronize() {
        check((ready()?.cuCtxSynchronize)())
    }

    fn cudaDeviceReset() {
        context::reset()
    }

    fn cudaThreadSynchronize() {
        check((ready()?.cuCtxSynchronize)())
    }

    fn cudaThreadExit() {
        context::reset()
    }

    fn cudaDeviceGetAttribute(value: *mut i32, attribute: i32, device: i32) {
        present(value)?;
        let driver = driver()?;
        context::valid_device(driver, device)?;
        check((driver.cuDeviceGetAttribute)(value, attribute, device))
    }

    fn cudaGetDeviceProperties_v2(properties: *mut DevicePropV12, device: i32) {
        present(properties)?;
        let driver = driver()?;
        context::valid_device(driver, device)?;
        put(properties, read_v12(driver, device)?)
    }

    fn cudaDeviceSetLimit(limit: u32, value: usize) {
        check((ready()?.cuCtxSetLimit)(limit, value))
    }

    fn cudaDeviceGetLimit(value: *mut usize, limit: u32) {
        present(value)?;
        check((ready()?.cuCtxGetLimit)(value, limit))
    }

    fn cudaThreadSetLimit(limit: u32, value: usize) {
        check((ready()?.cuCtxSetLimit)(limit, value))
    }

    fn cudaThreadGetLimit(value: *mut usize, limit: u32) {
        present(value)?;
        check((ready()?.cuCtxGetLimit)(value, limit))
    }

    fn cudaDeviceGetCacheConfig(config: *mut u32) {
        present(config)?;
        check((ready()?.cuCtxGetCacheConfig)(config))
    }

    fn cudaDeviceSetCacheConfig(config: u32) {
        check((ready()?.cuCtxSetCacheConfig)(config))
    }

    fn cudaThreadGetCacheConfig(config: *mut u32) {
        present(config)?;
        check((ready()?.cuCtxGetCacheConfig)(config))
    }

    fn cudaThreadSetCacheConfig(config: u32) {
        check((ready()?.cuCtxSetCacheConfig)(config))
    }

    fn cudaDeviceGetSharedMemConfig(config: *mut u32) {
        /// `cudaSharedMemBankSizeFourByte`: the only size since compute capability 5.0.
        const FOUR_BYTES: u32 = 1;
        ready()?;
        put(config, FOUR_BYTES)
    }

    fn cudaDeviceSetSharedMemConfig(_config: u32) {
        // Bank sizes are fixed since compute capability 5.0: documented as having no effect.
        ready().map(drop)
    }

    fn cudaDeviceGetStreamPriorityRange(least: *mut i32, greatest: *mut i32) {
        check((ready()?.cuCtxGetStreamPriorityRange)(least, greatest))
    }

    fn cudaDeviceGetPCIBusId(id: *mut c_char, len: i32, device: i32) {
        present(id)?;
        check((driver()?.cuDeviceGetPCIBusId)(id, len, device))
    }

    fn cudaDeviceGetByPCIBusId(device: *mut i32, id: *const c_char) {
        present(device)?;
        present(id)?;
        check((driver()?.cuDeviceGetByPCIBusId)(device, id))
    }

    fn cudaDeviceCanAccessPeer(can: *mut i32, device: i32, peer: i32) {
        present(can)?;
        let driver = driver()?;
        context::valid_device(driver, device)?;
        context::valid_device(driver, peer)?;
        check((driver.cuDeviceCanAccessPeer)(can, device, peer))
    }

    fn cudaDeviceEnablePeerAccess(peer: i32, flags: u32) {
        let driver = ready()?;
        check((driver.cuCtxEnablePeerAccess)(context::primary(driver, peer)?, flags))
    }

    fn cudaDeviceDisablePeerAccess(peer: i32) {
        let driver = ready()?;
        check((driver.cuCtxDisablePeerAccess)(context::primary(driver, peer)?))
    }

    fn cudaDeviceGetP2PAttribute(value: *mut i32, attribute: u32, source: i32, destination: i32) {
        present(value)?;
        check((driver()?.cuDeviceGetP2PAttribute)(value, attribute, source, destination))
    }

    fn cudaDeviceFlushGPUDirectRDMAWrites(target: u32, scope: u32) {
        check((ready()?.cuFlushGPUDirectRDMAWrites)(target, scope))
    }

    fn cudaDeviceGetTexture1DLinearMaxWidth(width: *mut usize, channels: *const super::array::ChannelDesc, device: i32) {
        present(channels)?;
        let (format, count) = super::array::driver_format(&*channels)?;
        check((driver()?.cuDeviceGetTexture1DLinearMaxWidth)(width, format, count, device))
    }
}

/// `cudaDeviceScheduleMask`: the flags that the driver knows too.
const SCHEDULE_MASK: u32 = 7;
/// `cudaDeviceMapHost`.
const MAP_HOST: u32 = 8;

/// `cudaGetDeviceProperties` of CUDA 13.
///
/// # Safety
/// `properties` is null or valid for a write.
pub unsafe extern "C" fn properties_v13(properties: *mut DevicePropV13, device: i32) -> u32 {
    // SAFETY: the caller's promise.
    super::entry::guard(|| unsafe {
        present(properties)?;
        let driver = driver()?;
        context::valid_device(driver, device)?;
        put(properties, read_v13(driver, device)?)
    })
}

/// `cudaGetDeviceProperties` as programs built before CUDA 12 know it: the first part of CUDA 12's structure.
///
/// # Safety
/// `properties` is null or valid for a write of the older structure.
pub unsafe extern "C" fn properties_v11(properties: *mut c_void, device: i32) -> u32 {
    // SAFETY: the caller's promise.
    super::entry::guard(|| unsafe {
        present(properties)?;
        let driver = driver()?;
        context::valid_device(driver, device)?;
        let full = read_v12(driver, device)?;
        std::ptr::copy_nonoverlapping(
            (&raw const full).cast::<u8>(),
            properties.cast::<u8>(),
            legacy_bytes(),
        );
        Outcome::Ok(())
    })
}
