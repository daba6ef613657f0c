//! Processes that use a device: this one, where it does. What other users of a server's GPU run is none of a client's business.
//!
//! Source: NVML API Reference Guide, "Device Queries" (`nvmlDeviceGetComputeRunningProcesses` and relatives).

use super::device::{in_use, index_of, memory};
use super::{INSUFFICIENT_SIZE, INVALID_ARGUMENT, Outcome, api, driver};

/// `nvmlProcessInfo_t`, first version.
#[repr(C)]
pub struct ProcessV1 {
    pid: u32,
    used_bytes: u64,
}

/// `nvmlProcessInfo_t`, second and third version.
#[repr(C)]
pub struct Process {
    pid: u32,
    used_bytes: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

const _: () = {
    assert!(size_of::<ProcessV1>() == 16);
    assert!(size_of::<Process>() == 24);
};

/// No partition of a GPU (multi-instance) is involved.
const NO_INSTANCE: u32 = u32::MAX;

/// Lists this process if it uses the device. `count` holds the room for entries, and afterwards the entries there are.
///
/// # Safety
/// `count` is null or valid, and `list` is valid for as many entries as it says.
unsafe fn list<T>(
    handle: u64,
    count: *mut u32,
    list: *mut T,
    entry: impl FnOnce(u32, u64) -> T,
) -> Outcome {
    let driver = driver()?;
    let device = index_of(driver, handle)?;
    if count.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the caller's promise.
    unsafe {
        let room = count.read();
        if !in_use(driver, device)? {
            count.write(0);
            return Ok(());
        }
        count.write(1);
        if room == 0 {
            return Err(INSUFFICIENT_SIZE);
        }
        if list.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        let (_, _, used) = memory(driver, device)?;
        list.write(entry(std::process::id(), used));
    }
    Ok(())
}

unsafe fn none(handle: u64, count: *mut u32) -> Outcome {
    index_of(driver()?, handle)?;
    // SAFETY: the caller's output.
    unsafe { super::put(count, 0) }
}

fn process(pid: u32, used_bytes: u64) -> Process {
    Process {
        pid,
        used_bytes,
        gpu_instance: NO_INSTANCE,
        compute_instance: NO_INSTANCE,
    }
}

api! {
    fn nvmlDeviceGetComputeRunningProcesses(handle: u64, count: *mut u32, processes: *mut ProcessV1) {
        list(handle, count, processes, |pid, used_bytes| ProcessV1 { pid, used_bytes })
    }

    fn nvmlDeviceGetComputeRunningProcesses_v2(handle: u64, count: *mut u32, processes: *mut Process) {
        list(handle, count, processes, process)
    }

    fn nvmlDeviceGetComputeRunningProcesses_v3(handle: u64, count: *mut u32, processes: *mut Process) {
        list(handle, count, processes, process)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses(handle: u64, count: *mut u32, _processes: *mut ProcessV1) {
        none(handle, count)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses_v2(handle: u64, count: *mut u32, _processes: *mut Process) {
        none(handle, count)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses_v3(handle: u64, count: *mut u32, _processes: *mut Process) {
        none(handle, count)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses(handle: u64, count: *mut u32, _processes: *mut ProcessV1) {
        none(handle, count)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v2(handle: u64, count: *mut u32, _processes: *mut Process) {
        none(handle, count)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v3(handle: u64, count: *mut u32, _processes: *mut Process) {
        none(handle, count)
    }
}
