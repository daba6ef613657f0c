//! Devices, from the snapshot that was taken when the session opened.

use super::{put, put_text};
use core::ffi::{CStr, c_char, c_void};
use ringway_api::CudaError;
use ringway_client::session;
use ringway_wire::control::DeviceSnapshot;

/// Attributes whose value is ours and not the driver's: `(attribute, value)`. Host memory cannot be mapped into the
/// device's address space and managed memory does not exist where the GPU is in another machine.
const OURS: &[(u32, i32)] = &[
    (19, 0),  // CAN_MAP_HOST_MEMORY
    (83, 0),  // MANAGED_MEMORY
    (86, 0),  // HOST_NATIVE_ATOMIC_SUPPORTED
    (88, 0),  // PAGEABLE_MEMORY_ACCESS
    (89, 0),  // CONCURRENT_MANAGED_ACCESS
    (91, 0),  // CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM
    (92, 0),  // CAN_USE_STREAM_MEM_OPS_V1
    (100, 0), // PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES
    (101, 0), // DIRECT_MANAGED_MEM_ACCESS_FROM_HOST
    (103, 0), // HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED
    (125, 0), // IPC_EVENT_SUPPORTED
    (132, 0), // MULTICAST_SUPPORTED
    (119, 0), // MEMPOOL_SUPPORTED_HANDLE_TYPES
];

/// The snapshot of a device.
///
/// # Errors
/// `CUDA_ERROR_INVALID_DEVICE`; `CUDA_ERROR_NOT_INITIALIZED`.
pub fn snapshot(dev: i32) -> Result<&'static DeviceSnapshot, CudaError> {
    let session = session()?;
    usize::try_from(dev)
        .ok()
        .and_then(|index| session.devices.get(index))
        .ok_or(CudaError::INVALID_DEVICE)
}

/// An attribute's value.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for one that the driver does not know.
pub fn attribute(dev: i32, attrib: u32) -> Result<i32, CudaError> {
    let device = snapshot(dev)?;
    if let Some((_, value)) = OURS.iter().find(|(ours, _)| *ours == attrib) {
        return Ok(*value);
    }
    device
        .attributes
        .get(attrib as usize)
        .copied()
        .flatten()
        .ok_or(CudaError::INVALID_VALUE)
}

pub unsafe fn cuDeviceGet(device: *mut i32, ordinal: i32) -> Result<(), CudaError> {
    snapshot(ordinal)?;
    unsafe { put(device, ordinal) }
}

pub unsafe fn cuDeviceGetCount(count: *mut i32) -> Result<(), CudaError> {
    let devices = session()?.devices.len() as i32;
    unsafe { put(count, devices) }
}

pub unsafe fn cuDeviceGetName(name: *mut c_void, len: i32, dev: i32) -> Result<(), CudaError> {
    let device = snapshot(dev)?;
    unsafe { put_text(name.cast(), len, &device.name) }
}

pub unsafe fn cuDeviceGetUuid(uuid: *mut c_void, dev: i32) -> Result<(), CudaError> {
    let device = snapshot(dev)?;
    unsafe { put(uuid.cast(), device.uuid) }
}

pub unsafe fn cuDeviceTotalMem(bytes: *mut usize, dev: i32) -> Result<(), CudaError> {
    let device = snapshot(dev)?;
    unsafe { put(bytes, device.memory_bytes as usize) }
}

pub unsafe fn cuDeviceGetAttribute(pi: *mut i32, attrib: u32, dev: i32) -> Result<(), CudaError> {
    let value = attribute(dev, attrib)?;
    unsafe { put(pi, value) }
}

/// `CUdevprop`, deprecated since CUDA 5.
#[repr(C)]
struct DevProp {
    maxThreadsPerBlock: i32,
    maxThreadsDim: [i32; 3],
    maxGridSize: [i32; 3],
    sharedMemPerBlock: i32,
    totalConstantMemory: i32,
    SIMDWidth: i32,
    memPitch: i32,
    regsPerBlock: i32,
    clockRate: i32,
    textureAlign: i32,
}

pub unsafe fn cuDeviceGetProperties(prop: *mut c_void, dev: i32) -> Result<(), CudaError> {
    let get = |attrib| attribute(dev, attrib).unwrap_or(0);
    snapshot(dev)?;
    let properties = DevProp {
        maxThreadsPerBlock: get(1),
        maxThreadsDim: [get(2), get(3), get(4)],
        maxGridSize: [get(5), get(6), get(7)],
        sharedMemPerBlock: get(8),
        totalConstantMemory: get(9),
        SIMDWidth: get(10),
        memPitch: get(11),
        regsPerBlock: get(12),
        clockRate: get(13),
        textureAlign: get(14),
    };
    unsafe { put(prop.cast(), properties) }
}

pub unsafe fn cuDeviceComputeCapability(
    major: *mut i32,
    minor: *mut i32,
    dev: i32,
) -> Result<(), CudaError> {
    let (high, low) = (attribute(dev, 75)?, attribute(dev, 76)?);
    unsafe { put(major, high) }?;
    unsafe { put(minor, low) }
}

pub unsafe fn cuDeviceGetByPCIBusId(
    dev: *mut i32,
    pciBusId: *const c_char,
) -> Result<(), CudaError> {
    if pciBusId.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let asked = unsafe { CStr::from_ptr(pciBusId) }
        .to_string_lossy()
        .to_ascii_lowercase();
    let devices = &session()?.devices;
    let short = |id: &str| {
        id.to_ascii_lowercase()
            .trim_start_matches("0000")
            .trim_start_matches(':')
            .to_owned()
    };
    let found = devices
        .iter()
        .position(|device| short(&device.pci_bus_id) == short(&asked))
        .ok_or(CudaError::INVALID_DEVICE)?;
    unsafe { put(dev, found as i32) }
}

pub unsafe fn cuDeviceGetPCIBusId(
    pciBusId: *mut c_void,
    len: i32,
    dev: i32,
) -> Result<(), CudaError> {
    let device = snapshot(dev)?;
    unsafe { put_text(pciBusId.cast(), len, &device.pci_bus_id) }
}
