//! Which device and context a thread's calls go to.
//!
//! Source: CUDA Runtime API, "Interactions with the CUDA Driver API". The runtime uses the context that is current to the calling
//! thread, whoever made it; where none is current, it makes the primary context of the thread's device current.

use super::error::{self, Outcome, check, from_driver};
use crate::driver_table::Driver;
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// The device that `cudaSetDevice` chose; 0 until then.
    static DEVICE: Cell<i32> = const { Cell::new(0) };
    /// The epoch in which this thread last made a context current.
    static SEEN_EPOCH: Cell<u64> = const { Cell::new(0) };
}

/// Advances whenever handles that threads may have kept (contexts, functions) stop being valid.
static EPOCH: AtomicU64 = AtomicU64::new(1);

/// The primary contexts that the runtime retains, by device; 0 where it does not.
static PRIMARY: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// Primary contexts that were destroyed by a device reset.
static RETIRED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// The present epoch; see [`new_epoch`].
#[inline]
pub fn epoch() -> u64 {
    EPOCH.load(Ordering::Acquire)
}

/// Invalidates what threads keep about contexts and functions.
pub fn new_epoch() {
    EPOCH.fetch_add(1, Ordering::AcqRel);
}

/// The driver, initialised. No context is needed or made.
pub fn driver() -> Outcome<&'static Driver> {
    Driver::get().map_err(from_driver)
}

/// The driver, with a context current to this thread.
#[inline]
pub fn ready() -> Outcome<&'static Driver> {
    ready_context().map(|(driver, _)| driver)
}

/// The driver and the context that is current to this thread, made so where none was.
#[inline]
pub fn ready_context() -> Outcome<(&'static Driver, u64)> {
    let driver = driver()?;
    let mut context = 0;
    // SAFETY: the driver writes one handle.
    check(unsafe { (driver.cuCtxGetCurrent)(&raw mut context) })?;
    if context != 0 && SEEN_EPOCH.get() == epoch() {
        return Ok((driver, context));
    }
    adopt(driver, context)
}

#[cold]
fn adopt(driver: &'static Driver, current: u64) -> Outcome<(&'static Driver, u64)> {
    let now = epoch();
    let context = if current != 0 && !is_retired(current) {
        current
    } else {
        bind(driver, DEVICE.get())?
    };
    SEEN_EPOCH.set(now);
    Ok((driver, context))
}

/// Whether a context went with a device reset. Other threads may still have it current; one that the program made itself, or that
/// came back under the same handle, stays in use.
fn is_retired(context: u64) -> bool {
    RETIRED.lock().contains(&context) && !PRIMARY.lock().contains(&context)
}

/// The primary context of a device, retained once for the process.
pub fn primary(driver: &Driver, device: i32) -> Outcome<u64> {
    let index = usize::try_from(device).map_err(|_| error::INVALID_DEVICE)?;
    if device >= count(driver)? {
        return Err(error::INVALID_DEVICE);
    }
    let mut primary = PRIMARY.lock();
    if primary.len() <= index {
        primary.resize(index + 1, 0);
    }
    if primary[index] == 0 {
        // SAFETY: the driver writes one handle.
        check(unsafe { (driver.cuDevicePrimaryCtxRetain)(&raw mut primary[index], device) })?;
    }
    Ok(primary[index])
}

fn bind(driver: &Driver, device: i32) -> Outcome<u64> {
    let context = primary(driver, device)?;
    // SAFETY: a live context.
    check(unsafe { (driver.cuCtxSetCurrent)(context) })?;
    Ok(context)
}

/// Devices that the driver shows. An absent driver or device is an error, as `cudaGetDeviceCount` documents.
pub fn count(driver: &Driver) -> Outcome<i32> {
    let mut count = 0;
    // SAFETY: the driver writes one integer.
    check(unsafe { (driver.cuDeviceGetCount)(&raw mut count) })?;
    if count == 0 {
        Err(error::NO_DEVICE)
    } else {
        Ok(count)
    }
}

/// `cudaSetDevice`: later calls of this thread go to the device's primary context.
pub fn set_device(device: i32) -> Outcome {
    let driver = driver()?;
    bind(driver, device)?;
    DEVICE.set(device);
    SEEN_EPOCH.set(epoch());
    Ok(())
}

/// `cudaGetDevice`: the device of the current context, or the one that would be used.
pub fn device() -> Outcome<i32> {
    let driver = driver()?;
    let mut context = 0;
    // SAFETY: the driver writes one handle.
    check(unsafe { (driver.cuCtxGetCurrent)(&raw mut context) })?;
    if context == 0 || (SEEN_EPOCH.get() != epoch() && is_retired(context)) {
        count(driver)?;
        return Ok(DEVICE.get());
    }
    let mut device = 0;
    // SAFETY: the driver writes one integer.
    check(unsafe { (driver.cuCtxGetDevice)(&raw mut device) })?;
    Ok(device)
}

/// Fails with `cudaErrorInvalidDevice` where the driver has no such device.
pub fn valid_device(driver: &Driver, device: i32) -> Outcome {
    if (0..count(driver)?).contains(&device) {
        Ok(())
    } else {
        Err(error::INVALID_DEVICE)
    }
}

/// `cudaDeviceReset`: destroys the current device's primary context and everything in it.
pub fn reset() -> Outcome {
    let driver = driver()?;
    let device = device()?;
    let retained = {
        let mut primary = PRIMARY.lock();
        usize::try_from(device)
            .ok()
            .and_then(|index| primary.get_mut(index))
            .map_or(0, std::mem::take)
    };
    if retained != 0 {
        let mut retired = RETIRED.lock();
        if !retired.contains(&retained) {
            retired.push(retained);
        }
    }
    new_epoch();
    error::reset();
    super::registry::forget_context(retained);
    // SAFETY: plain integers; the context is left before it goes.
    unsafe {
        check((driver.cuCtxSetCurrent)(0))?;
        let outcome = check((driver.cuDevicePrimaryCtxReset_v2)(device));
        if retained != 0 {
            // The reset does not give back the runtime's own reference.
            let _ = (driver.cuDevicePrimaryCtxRelease_v2)(device);
        }
        outcome
    }
}
