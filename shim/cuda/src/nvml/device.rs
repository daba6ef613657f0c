//! Devices: handles, identity, memory, capability.
//!
//! Source: NVML API Reference Guide, "Device Queries". Sizes in bytes, clocks in MHz.

use super::{
    ARGUMENT_VERSION_MISMATCH, GPU_NOT_FOUND, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, Outcome,
    api, check, driver, put, put_text,
};
use crate::driver_table::Driver;
use std::ffi::{CStr, c_char};

/// `nvmlDevice_t`: an opaque word. Ours are the device's index above this base, so that 0 and stray pointers are refused.
const HANDLE_BASE: u64 = 0x4e56_4d4c_0000_0000;

/// The index that a handle stands for.
///
/// # Errors
/// `NVML_ERROR_INVALID_ARGUMENT` for anything that is not a handle.
pub fn index_of(driver: &Driver, handle: u64) -> Outcome<i32> {
    let index = i32::try_from(handle.wrapping_sub(HANDLE_BASE)).map_err(|_| INVALID_ARGUMENT)?;
    if index < count(driver)? {
        Ok(index)
    } else {
        Err(INVALID_ARGUMENT)
    }
}

/// The driver and the device that a handle stands for.
fn target(handle: u64) -> Outcome<(&'static Driver, i32)> {
    let driver = driver()?;
    Ok((driver, index_of(driver, handle)?))
}

fn handle_of(index: i32) -> u64 {
    HANDLE_BASE + u64::try_from(index).unwrap_or(0)
}

fn count(driver: &Driver) -> Outcome<i32> {
    let mut count = 0;
    // SAFETY: one output.
    check(unsafe { (driver.cuDeviceGetCount)(&raw mut count) })?;
    Ok(count)
}

/// An attribute (`CUdevice_attribute`).
///
/// # Errors
/// `NVML_ERROR_NOT_SUPPORTED` where the driver does not know it.
fn attribute(driver: &Driver, device: i32, attribute: i32) -> Outcome<i32> {
    let mut value = 0;
    // SAFETY: one output.
    match unsafe { (driver.cuDeviceGetAttribute)(&raw mut value, attribute, device) } {
        0 => Ok(value),
        _ => Err(NOT_SUPPORTED),
    }
}

/// An attribute that is a positive quantity.
fn quantity(driver: &Driver, device: i32, which: i32) -> Outcome<u32> {
    match u32::try_from(attribute(driver, device, which)?) {
        Ok(0) | Err(_) => Err(NOT_SUPPORTED),
        Ok(value) => Ok(value),
    }
}

/// `CUdevice_attribute` values.
mod attr {
    pub const CLOCK_RATE_KHZ: i32 = 13;
    pub const MULTIPROCESSORS: i32 = 16;
    pub const COMPUTE_MODE: i32 = 20;
    pub const ECC: i32 = 32;
    pub const PCI_BUS: i32 = 33;
    pub const PCI_DEVICE: i32 = 34;
    pub const MEMORY_CLOCK_RATE_KHZ: i32 = 36;
    pub const MEMORY_BUS_BITS: i32 = 37;
    pub const PCI_DOMAIN: i32 = 50;
    pub const MAJOR: i32 = 75;
    pub const MINOR: i32 = 76;
    pub const MULTI_GPU_BOARD: i32 = 84;
    pub const PCI_DEVICE_ID: i32 = 139;
    pub const PCI_SUBSYSTEM_ID: i32 = 140;
}

/// Total, free and used memory of the lease on a device.
pub fn memory(driver: &Driver, device: i32) -> Outcome<(u64, u64, u64)> {
    let (mut free, mut total) = (0usize, 0usize);
    let (mut before, mut context) = (0, 0);
    // SAFETY: outputs and live handles. The primary context is retained for the question only, and the thread gets back the
    // context that was current to it.
    unsafe {
        check((driver.cuCtxGetCurrent)(&raw mut before))?;
        check((driver.cuDevicePrimaryCtxRetain)(&raw mut context, device))?;
        let mut outcome = check((driver.cuCtxSetCurrent)(context));
        if outcome.is_ok() {
            outcome = check((driver.cuMemGetInfo_v2)(&raw mut free, &raw mut total));
        }
        let restored = check((driver.cuCtxSetCurrent)(before));
        let released = check((driver.cuDevicePrimaryCtxRelease_v2)(device));
        outcome.and(restored).and(released)?;
    }
    Ok((total as u64, free as u64, total.saturating_sub(free) as u64))
}

/// Whether the calling program itself uses the device: its primary context is active.
pub fn in_use(driver: &Driver, device: i32) -> Outcome<bool> {
    let (mut flags, mut active) = (0, 0);
    // SAFETY: two outputs.
    check(unsafe { (driver.cuDevicePrimaryCtxGetState)(device, &raw mut flags, &raw mut active) })?;
    Ok(active != 0)
}

fn uuid(driver: &Driver, device: i32) -> Outcome<String> {
    let mut bytes = [0u8; 16];
    // SAFETY: sixteen bytes.
    check(unsafe { (driver.cuDeviceGetUuid_v2)(bytes.as_mut_ptr(), device) })?;
    let hex = |range: std::ops::Range<usize>| {
        bytes[range]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    Ok(format!(
        "GPU-{}-{}-{}-{}-{}",
        hex(0..4),
        hex(4..6),
        hex(6..8),
        hex(8..10),
        hex(10..16)
    ))
}

/// Domain, bus and device number.
fn pci_place(driver: &Driver, device: i32) -> Outcome<(u32, u32, u32)> {
    let place = |which| {
        attribute(driver, device, which)
            .and_then(|value| u32::try_from(value).map_err(|_| NOT_SUPPORTED))
    };
    Ok((
        place(attr::PCI_DOMAIN)?,
        place(attr::PCI_BUS)?,
        place(attr::PCI_DEVICE)?,
    ))
}

/// A PCI address in any of the spellings tools use: with a domain of four or eight digits, or without.
fn parse_pci(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split(':').rev();
    let slot = parts.next()?.split('.').next()?;
    let bus = parts.next()?;
    let domain = parts.next().unwrap_or("0");
    if parts.next().is_some() {
        return None;
    }
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
    Some((number(domain)?, number(bus)?, number(slot)?))
}

/// `nvmlMemory_t`.
#[repr(C)]
pub struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
pub struct MemoryV2 {
    version: u32,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

/// `nvmlPciInfo_t`, third version.
#[repr(C)]
pub struct PciInfo {
    bus_id_legacy: [u8; 16],
    domain: u32,
    bus: u32,
    device: u32,
    pci_device_id: u32,
    pci_subsystem_id: u32,
    bus_id: [u8; 32],
}

/// `nvmlPciInfo_t`, first two versions.
#[repr(C)]
pub struct PciInfoV2 {
    bus_id: [u8; 16],
    domain: u32,
    bus: u32,
    device: u32,
    pci_device_id: u32,
    pci_subsystem_id: u32,
    reserved: [u32; 4],
}

/// `nvmlPciInfoExt_v1_t`.
#[repr(C)]
pub struct PciInfoExt {
    version: u32,
    domain: u32,
    bus: u32,
    device: u32,
    pci_device_id: u32,
    pci_subsystem_id: u32,
    base_class: u32,
    sub_class: u32,
    bus_id: [u8; 32],
}

/// `nvmlFieldValue_t`.
#[repr(C)]
pub struct FieldValue {
    field: u32,
    scope: u32,
    timestamp_us: i64,
    latency_us: i64,
    value_type: u32,
    result: u32,
    value: u64,
}

const _: () = {
    assert!(size_of::<MemoryV2>() == 40);
    assert!(size_of::<PciInfo>() == 68);
    assert!(size_of::<PciInfoV2>() == 52);
    assert!(size_of::<PciInfoExt>() == 64);
    assert!(size_of::<FieldValue>() == 40);
};

/// A structure's version word: its size, and its version in the top byte.
const fn version_word(size: usize, version: u32) -> u32 {
    #[allow(clippy::cast_possible_truncation)]
    let size = size as u32;
    size | version << 24
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let len = text.len().min(N - 1);
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    bytes
}

fn pci_info(driver: &Driver, device: i32) -> Outcome<PciInfo> {
    let (domain, bus, slot) = pci_place(driver, device)?;
    // Identifiers of maker and board; older drivers do not tell them.
    let id = |which| attribute(driver, device, which).map_or(0, i32::cast_unsigned);
    Ok(PciInfo {
        bus_id_legacy: padded(&format!("{domain:04X}:{bus:02X}:{slot:02X}.0")),
        domain,
        bus,
        device: slot,
        pci_device_id: id(attr::PCI_DEVICE_ID),
        pci_subsystem_id: id(attr::PCI_SUBSYSTEM_ID),
        bus_id: padded(&format!("{domain:08X}:{bus:02X}:{slot:02X}.0")),
    })
}

fn by_index(index: u32, handle: *mut u64) -> Outcome {
    let driver = driver()?;
    let index = i32::try_from(index).map_err(|_| INVALID_ARGUMENT)?;
    if index >= count(driver)? {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the caller's output.
    unsafe { put(handle, handle_of(index)) }
}

unsafe fn by_pci(id: *const c_char, handle: *mut u64) -> Outcome {
    let driver = driver()?;
    if id.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the caller's C string.
    let text = unsafe { CStr::from_ptr(id) }
        .to_str()
        .map_err(|_| INVALID_ARGUMENT)?;
    let wanted = parse_pci(text).ok_or(INVALID_ARGUMENT)?;
    for index in 0..count(driver)? {
        if pci_place(driver, index) == Ok(wanted) {
            // SAFETY: the caller's output.
            return unsafe { put(handle, handle_of(index)) };
        }
    }
    Err(NOT_FOUND)
}

unsafe fn count_out(out: *mut u32) -> Outcome {
    let count = match driver().and_then(count) {
        Ok(count) => count,
        Err(GPU_NOT_FOUND) => 0,
        Err(code) => return Err(code),
    };
    // SAFETY: the caller's output.
    unsafe { put(out, u32::try_from(count).unwrap_or(0)) }
}

/// `nvmlClockType_t`: graphics, multiprocessor, memory.
fn clock_mhz_max(driver: &Driver, device: i32, kind: u32) -> Outcome<u32> {
    let khz = match kind {
        0 | 1 => quantity(driver, device, attr::CLOCK_RATE_KHZ)?,
        2 => quantity(driver, device, attr::MEMORY_CLOCK_RATE_KHZ)?,
        _ => return Err(NOT_SUPPORTED),
    };
    Ok(khz / 1000)
}

/// `nvmlDeviceArchitecture_t` of a compute capability.
fn architecture(major: i32, minor: i32) -> Outcome<u32> {
    Ok(match (major, minor) {
        (3, _) => 2,
        (5, _) => 3,
        (6, _) => 4,
        (7, 5) => 6,
        (7, _) => 5,
        (8, 9) => 8,
        (8, _) => 7,
        (9, _) => 9,
        (10..=12, _) => 10,
        _ => return Err(NOT_SUPPORTED),
    })
}

/// Single-precision lanes of a multiprocessor (CUDA C++ Programming Guide, "Arithmetic Instructions").
fn cores_per_multiprocessor(major: i32, minor: i32) -> Outcome<u32> {
    Ok(match (major, minor) {
        (3, _) => 192,
        (6, 0) | (7, _) | (8, 0) => 64,
        (5..=6, _) | (8..=12, _) => 128,
        _ => return Err(NOT_SUPPORTED),
    })
}

fn capability(driver: &Driver, device: i32) -> Outcome<(i32, i32)> {
    Ok((
        attribute(driver, device, attr::MAJOR)?,
        attribute(driver, device, attr::MINOR)?,
    ))
}

api! {
    fn nvmlDeviceGetCount(out: *mut u32) {
        count_out(out)
    }

    fn nvmlDeviceGetCount_v2(out: *mut u32) {
        count_out(out)
    }

    fn nvmlDeviceGetHandleByIndex(index: u32, handle: *mut u64) {
        by_index(index, handle)
    }

    fn nvmlDeviceGetHandleByIndex_v2(index: u32, handle: *mut u64) {
        by_index(index, handle)
    }

    fn nvmlDeviceGetHandleByPciBusId(id: *const c_char, handle: *mut u64) {
        by_pci(id, handle)
    }

    fn nvmlDeviceGetHandleByPciBusId_v2(id: *const c_char, handle: *mut u64) {
        by_pci(id, handle)
    }

    fn nvmlDeviceGetHandleByUUID(text: *const c_char, handle: *mut u64) {
        let driver = driver()?;
        if text.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        let wanted = CStr::from_ptr(text).to_str().map_err(|_| INVALID_ARGUMENT)?;
        for index in 0..count(driver)? {
            if uuid(driver, index)?.eq_ignore_ascii_case(wanted) {
                return put(handle, handle_of(index));
            }
        }
        Err(NOT_FOUND)
    }

    fn nvmlDeviceGetIndex(handle: u64, index: *mut u32) {
        let (_, device) = target(handle)?;
        put(index, device.cast_unsigned())
    }

    fn nvmlDeviceGetName(handle: u64, text: *mut c_char, len: u32) {
        let (driver, device) = target(handle)?;
        let mut name = [0u8; 256];
        check((driver.cuDeviceGetName)(name.as_mut_ptr().cast(), 256, device))?;
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| super::UNKNOWN)?;
        put_text(text, len, &name.to_string_lossy())
    }

    fn nvmlDeviceGetUUID(handle: u64, text: *mut c_char, len: u32) {
        let (driver, device) = target(handle)?;
        put_text(text, len, &uuid(driver, device)?)
    }

    fn nvmlDeviceGetMemoryInfo(handle: u64, out: *mut Memory) {
        let (driver, device) = target(handle)?;
        let (total, free, used) = memory(driver, device)?;
        put(out, Memory { total, free, used })
    }

    fn nvmlDeviceGetMemoryInfo_v2(handle: u64, out: *mut MemoryV2) {
        let (driver, device) = target(handle)?;
        if out.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        if (*out).version != version_word(size_of::<MemoryV2>(), 2) {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        let (total, free, used) = memory(driver, device)?;
        put(out, MemoryV2 { version: (*out).version, total, reserved: 0, free, used })
    }

    fn nvmlDeviceGetCudaComputeCapability(handle: u64, major: *mut i32, minor: *mut i32) {
        let (driver, device) = target(handle)?;
        let capability = capability(driver, device)?;
        put(major, capability.0)?;
        put(minor, capability.1)
    }

    fn nvmlDeviceGetArchitecture(handle: u64, out: *mut u32) {
        let (driver, device) = target(handle)?;
        let (major, minor) = capability(driver, device)?;
        put(out, architecture(major, minor)?)
    }

    fn nvmlDeviceGetNumGpuCores(handle: u64, out: *mut u32) {
        let (driver, device) = target(handle)?;
        let (major, minor) = capability(driver, device)?;
        let multiprocessors = quantity(driver, device, attr::MULTIPROCESSORS)?;
        put(out, multiprocessors.saturating_mul(cores_per_multiprocessor(major, minor)?))
    }

    fn nvmlDeviceGetMemoryBusWidth(handle: u64, out: *mut u32) {
        let (driver, device) = target(handle)?;
        put(out, quantity(driver, device, attr::MEMORY_BUS_BITS)?)
    }

    fn nvmlDeviceGetMaxClockInfo(handle: u64, kind: u32, out: *mut u32) {
        let (driver, device) = target(handle)?;
        put(out, clock_mhz_max(driver, device, kind)?)
    }

    fn nvmlDeviceGetComputeMode(handle: u64, out: *mut u32) {
        let (driver, device) = target(handle)?;
        put(out, attribute(driver, device, attr::COMPUTE_MODE)?.cast_unsigned())
    }

    fn nvmlDeviceGetEccMode(handle: u64, current: *mut u32, pending: *mut u32) {
        let (driver, device) = target(handle)?;
        let enabled = attribute(driver, device, attr::ECC)?.cast_unsigned();
        put(current, enabled)?;
        put(pending, enabled)
    }

    fn nvmlDeviceGetMultiGpuBoard(handle: u64, out: *mut u32) {
        let (driver, device) = target(handle)?;
        put(out, attribute(driver, device, attr::MULTI_GPU_BOARD)?.cast_unsigned())
    }

    /// The driver's name does not tell the brand for certain.
    fn nvmlDeviceGetBrand(handle: u64, out: *mut u32) {
        /// `NVML_BRAND_UNKNOWN`.
        const UNKNOWN_BRAND: u32 = 0;
        target(handle)?;
        put(out, UNKNOWN_BRAND)
    }

    fn nvmlDeviceIsMigDeviceHandle(handle: u64, out: *mut u32) {
        target(handle)?;
        put(out, 0)
    }

    fn nvmlDeviceGetPciInfo(handle: u64, out: *mut PciInfoV2) {
        let (driver, device) = target(handle)?;
        put(out, pci_info_v2(driver, device)?)
    }

    fn nvmlDeviceGetPciInfo_v2(handle: u64, out: *mut PciInfoV2) {
        let (driver, device) = target(handle)?;
        put(out, pci_info_v2(driver, device)?)
    }

    fn nvmlDeviceGetPciInfo_v3(handle: u64, out: *mut PciInfo) {
        let (driver, device) = target(handle)?;
        put(out, pci_info(driver, device)?)
    }

    fn nvmlDeviceGetPciInfoExt(handle: u64, out: *mut PciInfoExt) {
        /// The PCI class of a display controller, and the subclass of one without a display.
        const CLASS: (u32, u32) = (3, 2);
        let (driver, device) = target(handle)?;
        if out.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        if (*out).version != version_word(size_of::<PciInfoExt>(), 1) {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        let info = pci_info(driver, device)?;
        put(out, PciInfoExt { version: (*out).version, domain: info.domain, bus: info.bus, device: info.device,
            pci_device_id: info.pci_device_id, pci_subsystem_id: info.pci_subsystem_id, base_class: CLASS.0, sub_class: CLASS.1,
            bus_id: info.bus_id })
    }

    /// Each field says for itself that it is not supported, as the documentation has it.
    fn nvmlDeviceGetFieldValues(handle: u64, len: i32, values: *mut FieldValue) {
        target(handle)?;
        if values.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        for index in 0..usize::try_from(len).map_err(|_| INVALID_ARGUMENT)? {
            (*values.add(index)).result = NOT_SUPPORTED;
        }
        Ok(())
    }
}

fn pci_info_v2(driver: &Driver, device: i32) -> Outcome<PciInfoV2> {
    let info = pci_info(driver, device)?;
    Ok(PciInfoV2 {
        bus_id: info.bus_id_legacy,
        domain: info.domain,
        bus: info.bus,
        device: info.device,
        pci_device_id: info.pci_device_id,
        pci_subsystem_id: info.pci_subsystem_id,
        reserved: [0; 4],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_read_in_every_spelling() {
        for text in ["00000000:3B:00.0", "0000:3b:00.0", "3B:00.0", "3b:00"] {
            assert_eq!(parse_pci(text), Some((0, 0x3b, 0)), "{text}");
        }
        assert_eq!(parse_pci("00000002:C1:1f.0"), Some((2, 0xc1, 0x1f)));
        for text in ["", "3b", "0:0:3b:00.0", "zz:00.0"] {
            assert_eq!(parse_pci(text), None, "{text}");
        }
    }

    #[test]
    fn architectures_follow_the_compute_capability() {
        assert_eq!(architecture(8, 0), Ok(7));
        assert_eq!(architecture(8, 9), Ok(8));
        assert_eq!(architecture(9, 0), Ok(9));
        assert_eq!(architecture(12, 1), Ok(10));
        assert_eq!(architecture(1, 0), Err(NOT_SUPPORTED));
        assert_eq!(cores_per_multiprocessor(8, 6), Ok(128));
        assert_eq!(cores_per_multiprocessor(8, 0), Ok(64));
    }
}
