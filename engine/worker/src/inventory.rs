//! Loading the driver, and what its devices are.

use crate::WorkerError;
use crate::confine::{User, become_user};
use crate::driver_call;
use crate::generated::Driver;
use libloading::Library;
use ringway_api::CudaError;
use ringway_wire::control::{DeviceSnapshot, Slice};
use std::ffi::{CStr, c_char, c_void};
use std::io::Write;

/// One more than the largest CUdevice_attribute that is asked for.
const ATTRIBUTES: u32 = 160;

/// Loads libcuda (which one: `LD_LIBRARY_PATH`); [`initialise`] is still to be called.
///
/// # Errors
/// [`WorkerError::Driver`]: there is none, or it cannot be loaded.
pub fn load_driver() -> Result<Driver, WorkerError> {
    // SAFETY: loads a shared library and runs its initialisers, which is what a worker is for.
    let library = unsafe { Library::new("libcuda.so.1") };
    let library = library.map_err(|error| WorkerError::Driver(format!("the driver cannot be loaded: {error}; install NVIDIA's driver, or use --driver softgpu")))?;
    // SAFETY: each symbol is asked for under its own name.
    let driver = unsafe { Driver::load(|symbol| library.get::<*const c_void>(symbol.as_bytes()).ok().map(|found| *found)) };
    // Its functions may be called for the rest of the process's life.
    std::mem::forget(library);
    Ok(driver)
}

/// Calls cuInit.
///
/// # Errors
/// [`WorkerError::Driver`] with what it gave.
pub fn initialise(driver: &Driver) -> Result<(), WorkerError> {
    driver_call!(driver, cuInit(0)).map_err(|code| WorkerError::Driver(format!("cuInit of libcuda.so.1 gave {code}")))
}

/// What there is to know about one device of the driver.
fn snapshot(driver: &Driver, ordinal: i32) -> Result<DeviceSnapshot, CudaError> {
    let mut device = 0i32;
    driver_call!(driver, cuDeviceGet(&raw mut device, ordinal))?;
    let mut name = [0 as c_char; 256];
    driver_call!(
        driver,
        cuDeviceGetName(name.as_mut_ptr().cast(), 256, device)
    )?;
    let mut uuid = [0u8; 16];
    driver_call!(driver, cuDeviceGetUuid(uuid.as_mut_ptr().cast(), device))?;
    let mut memory_bytes = 0usize;
    driver_call!(driver, cuDeviceTotalMem(&raw mut memory_bytes, device))?;
    let mut bus = [0 as c_char; 64];
    driver_call!(
        driver,
        cuDeviceGetPCIBusId(bus.as_mut_ptr().cast(), 64, device)
    )?;
    let attributes = (0..ATTRIBUTES)
        .map(|attribute| {
            let mut value = 0i32;
            // 0 is no attribute.
            (attribute > 0)
                .then(|| {
                    driver_call!(
                        driver,
                        cuDeviceGetAttribute(&raw mut value, attribute, device)
                    )
                    .ok()
                    .map(|()| value)
                })
                .flatten()
        })
        .collect();
    let text = |array: &[c_char]| {
        // SAFETY: both arrays are zero-terminated: they were zero and the driver writes a terminated string.
        unsafe { CStr::from_ptr(array.as_ptr()) }
            .to_string_lossy()
            .into_owned()
    };
    Ok(DeviceSnapshot {
        name: text(&name),
        uuid,
        pci_bus_id: text(&bus),
        memory_bytes: memory_bytes as u64,
        attributes,
        stream_priorities: (0, 0),
    })
}

/// All devices of the driver.
///
/// # Errors
/// [`WorkerError::Driver`].
pub fn all(driver: &Driver) -> Result<(String, Vec<DeviceSnapshot>), WorkerError> {
    let fail =
        |code: CudaError| WorkerError::Driver(format!("reading the GPUs failed with {code}"));
    let mut version = 0i32;
    driver_call!(driver, cuDriverGetVersion(&raw mut version)).map_err(fail)?;
    let mut count = 0i32;
    driver_call!(driver, cuDeviceGetCount(&raw mut count)).map_err(fail)?;
    let devices = (0..count)
        .map(|ordinal| snapshot(driver, ordinal))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    Ok((
        format!("CUDA {}.{}", version / 1000, version % 1000 / 10),
        devices,
    ))
}

/// The devices of a lease, with the slices' memory.
///
/// # Errors
/// [`WorkerError::Driver`].
pub fn leased(
    driver: &Driver,
    slices: &[Slice],
) -> Result<(i32, Vec<DeviceSnapshot>), WorkerError> {
    let fail =
        |code: CudaError| WorkerError::Driver(format!("reading the GPUs failed with {code}"));
    let mut version = 0i32;
    driver_call!(driver, cuDriverGetVersion(&raw mut version)).map_err(fail)?;
    let devices = slices
        .iter()
        .map(|slice| {
            let mut found = snapshot(driver, slice.server_ordinal as i32)?;
            found.memory_bytes = slice.memory_bytes;
            Ok(found)
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    Ok((version, devices))
}

/// `ringway worker --inventory`: prints the driver's version and devices as JSON, as `user` sees them. It runs nobody's code, so it is
/// not confined: a driver may have to make its devices.
///
/// # Errors
/// [`WorkerError`].
pub fn print_inventory(user: Option<&User>) -> Result<(), WorkerError> {
    let driver = load_driver()?;
    if let Some(user) = user {
        become_user(user)?;
    }
    initialise(&driver)?;
    let found = all(&driver)?;
    let text = serde_json::to_string(&found).map_err(std::io::Error::other)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
