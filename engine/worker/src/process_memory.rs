//! Memory that this process has on a GPU, as NVML counts it: contexts, modules, local memory and what pools keep included.
//!
//! (NVML API Reference, "Device Queries": nvmlDeviceGetComputeRunningProcesses.) Loaded beside the driver, before the filter of system calls.

use libloading::Library;
use ringway_wire::control::uuid_text;
use std::ffi::{CString, c_char, c_void};

const LIBRARY: &str = "libnvidia-ml.so.1";
const SUCCESS: u32 = 0;
const INSUFFICIENT_SIZE: u32 = 7;
/// Processes on one GPU that are looked at, first and at the most.
const PROCESSES: (usize, usize) = (64, 4096);

/// nvmlProcessInfo_t of the function's third version.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct ProcessInfo {
    pid: u32,
    used_bytes: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

type Init = unsafe extern "C" fn() -> u32;
type ByUuid = unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> u32;
type Processes = unsafe extern "C" fn(*mut c_void, *mut u32, *mut ProcessInfo) -> u32;

/// NVML, loaded and initialised.
#[derive(Debug)]
pub struct Nvml {
    by_uuid: ByUuid,
    processes: Processes,
    library: Library,
}

/// See the module.
#[derive(Debug)]
pub struct ProcessMemory {
    processes: Processes,
    /// NVML's handles, in the order of the lease's GPUs.
    devices: Vec<*mut c_void>,
    _library: Library,
}

// SAFETY: NVML is thread-safe (NVML API Reference, "NVML is thread-safe"), and its handles are the process's.
unsafe impl Send for ProcessMemory {}
// SAFETY: as above.
unsafe impl Sync for ProcessMemory {}

fn checked(what: &str, code: u32) -> Result<(), String> {
    if code == SUCCESS { Ok(()) } else { Err(format!("{what} gave {code}")) }
}

impl Nvml {
    /// The library that is found under its name.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load() -> Result<Self, String> {
        // SAFETY: loads a shared library and runs its initialisers, as is done with the driver beside it.
        let library = unsafe { Library::new(LIBRARY) }.map_err(|error| error.to_string())?;
        // SAFETY: each symbol is asked for by its own name, with the type that NVML's documentation gives; the library stays loaded with them.
        let (init, by_uuid, processes): (Init, ByUuid, Processes) = unsafe {
            let failed = |error: libloading::Error| error.to_string();
            (
                *library.get(b"nvmlInit_v2").map_err(failed)?,
                *library.get(b"nvmlDeviceGetHandleByUUID").map_err(failed)?,
                *library.get(b"nvmlDeviceGetComputeRunningProcesses_v3").map_err(failed)?,
            )
        };
        // SAFETY: has no arguments.
        checked("nvmlInit", unsafe { init() })?;
        Ok(Self { by_uuid, processes, library })
    }

    /// For GPUs by their UUIDs.
    ///
    /// # Errors
    /// Why NVML does not tell of one.
    pub fn of(self, uuids: &[[u8; 16]]) -> Result<ProcessMemory, String> {
        let mut devices = Vec::new();
        for uuid in uuids {
            let text = CString::new(uuid_text(uuid)).map_err(|error| error.to_string())?;
            let mut device = std::ptr::null_mut();
            // SAFETY: a terminated text and a place for a handle.
            checked("nvmlDeviceGetHandleByUUID", unsafe { (self.by_uuid)(text.as_ptr(), &raw mut device) })?;
            devices.push(device);
        }
        Ok(ProcessMemory { processes: self.processes, devices, _library: self.library })
    }
}

impl ProcessMemory {
    /// Bytes that this process has on a GPU of the lease; None: NVML does not say (it does not know the process before its first context,
    /// nor one that is in a container without the host's process numbers).
    pub fn bytes(&self, gpu: usize) -> Option<u64> {
        let device = *self.devices.get(gpu)?;
        let mut room = PROCESSES.0;
        while room <= PROCESSES.1 {
            let mut infos = vec![ProcessInfo::default(); room];
            let mut count = room as u32;
            // SAFETY: `infos` has room for `count` entries.
            match unsafe { (self.processes)(device, &raw mut count, infos.as_mut_ptr()) } {
                SUCCESS => {
                    let own = infos.iter().take(count as usize).filter(|info| info.pid == std::process::id());
                    // NVML_VALUE_NOT_AVAILABLE is the greatest number.
                    return own.map(|info| info.used_bytes).filter(|bytes| *bytes != u64::MAX).reduce(u64::saturating_add);
                }
                INSUFFICIENT_SIZE => room *= 4,
                _ => return None,
            }
        }
        None
    }
}
