//! What NVML says of the memory that processes have on a GPU (NVML API Reference, "Device Queries": nvmlDeviceGetComputeRunningProcesses),
//! as far as a worker asks for it: of this process. The memory of a software GPU is its process's own.

use crate::driver::device::driver;
use std::ffi::{CStr, c_char, c_void};
use std::panic::catch_unwind;

const SUCCESS: u32 = 0;
const UNINITIALIZED: u32 = 1;
const INVALID_ARGUMENT: u32 = 2;
const NOT_FOUND: u32 = 6;
const INSUFFICIENT_SIZE: u32 = 7;
const UNKNOWN: u32 = 999;

/// nvmlProcessInfo_t of the function's third version.
#[repr(C)]
pub struct ProcessInfo {
    pid: u32,
    used_bytes: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

fn guarded(body: impl FnOnce() -> u32 + std::panic::UnwindSafe) -> u32 {
    catch_unwind(body).unwrap_or(UNKNOWN)
}

/// nvmlInit.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> u32 {
    SUCCESS
}

/// nvmlDeviceGetHandleByUUID; cuInit must have been called.
///
/// # Safety
/// `uuid` is null or a terminated text, `device` null or a place for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut *mut c_void) -> u32 {
    guarded(|| {
        if uuid.is_null() || device.is_null() {
            return INVALID_ARGUMENT;
        }
        // SAFETY: not null, and terminated as the caller promises.
        let wanted = unsafe { CStr::from_ptr(uuid) }.to_bytes();
        let wanted: Vec<u8> = wanted.strip_prefix(b"GPU-").unwrap_or_default().iter().copied().filter(|byte| *byte != b'-').collect();
        let Ok(driver) = driver() else { return UNINITIALIZED };
        let is_wanted = |uuid: [u8; 16]| uuid.iter().map(|byte| format!("{byte:02x}")).collect::<String>().as_bytes() == wanted;
        let Some(place) = driver.devices.iter().position(|device| is_wanted(device.uuid())) else { return NOT_FOUND };
        // SAFETY: not null, and a place for a handle as the caller promises. Handles are numbers from 1.
        unsafe { *device = std::ptr::without_provenance_mut(place + 1) };
        SUCCESS
    })
}

/// nvmlDeviceGetComputeRunningProcesses: this process alone.
///
/// # Safety
/// `count` is null or says how many entries `infos` has room for, which may be null where that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(device: *mut c_void, count: *mut u32, infos: *mut ProcessInfo) -> u32 {
    guarded(|| {
        if count.is_null() {
            return INVALID_ARGUMENT;
        }
        let Ok(driver) = driver() else { return UNINITIALIZED };
        let Some(device) = device.addr().checked_sub(1).and_then(|place| driver.devices.get(place)) else { return INVALID_ARGUMENT };
        // SAFETY: not null, as the caller promises readable and writable.
        let room = unsafe { count.replace(1) };
        if room == 0 || infos.is_null() {
            return INSUFFICIENT_SIZE;
        }
        let (all, free) = device.arena.capacity_and_free();
        let info = ProcessInfo { pid: std::process::id(), used_bytes: all - free, gpu_instance: u32::MAX, compute_instance: u32::MAX };
        // SAFETY: there is room for one, as the caller promises.
        unsafe { infos.write(info) };
        SUCCESS
    })
}
