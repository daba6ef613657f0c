//! Initialisation, version, errors, devices, entry points.

use crate::driver::abi::*;
use crate::driver::device::{self, NAME, device, driver, initialise};
use crate::driver::entry::export;
use crate::driver::result::{CUresult, R, ensure};
use std::ffi::c_char;

/// What `cuDriverGetVersion` says: CUDA 13.1.
pub const DRIVER_VERSION: i32 = 13050;

/// Pointers to static text given out to programs.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct StaticText(pub *const c_char);
impl crate::driver::journal::Describe for StaticText {
    fn describe(self, out: &mut String) {
        out.push_str("\"text\"");
    }
}

export! {
    cuInit [cuInit] [] |_d| (flags: u32) {
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        initialise()
    }
    cuDriverGetVersion [cuDriverGetVersion] [] |_d| (driverVersion: Out<i32>) { driverVersion.put(DRIVER_VERSION) }
    cuGetErrorName [cuGetErrorName] [] |_d| (error: CUresult, pStr: Out<StaticText>) {
        let name = error.name();
        pStr.put(StaticText(name.map_or(std::ptr::null(), |n| n.as_ptr())))?;
        ensure(name.is_some(), CUresult::INVALID_VALUE)
    }
    cuGetErrorString [cuGetErrorString] [] |_d| (error: CUresult, pStr: Out<StaticText>) {
        let text = error.sentence();
        pStr.put(StaticText(text.map_or(std::ptr::null(), |n| n.as_ptr())))?;
        ensure(text.is_some(), CUresult::INVALID_VALUE)
    }
    cuDeviceGet [cuDeviceGet] [] |_d| (pdevice: Out<CUdevice>, ordinal: i32) {
        pdevice.required()?;
        pdevice.put(CUdevice(device(ordinal)?.ordinal as i32))
    }
    cuDeviceGetCount [cuDeviceGetCount] [] |_d| (count: Out<i32>) { count.put(driver()?.devices.len() as i32) }
    cuDeviceGetName [cuDeviceGetName] [] |_d| (name: List<c_char>, len: i32, dev: CUdevice) {
        device(dev.0)?;
        name.put_text(NAME, usize::try_from(len).map_err(|_| CUresult::INVALID_VALUE)?)
    }
    cuDeviceGetUuid [cuDeviceGetUuid cuDeviceGetUuid_v2] [] |_d| (uuid: Out<CUuuid>, dev: CUdevice) { uuid.put(CUuuid { bytes: device(dev.0)?.uuid() }) }
    cuDeviceTotalMem [cuDeviceTotalMem_v2] [] |_d| (bytes: Out<usize>, dev: CUdevice) { bytes.put(device(dev.0)?.arena.capacity_and_free().0 as usize) }
    cuDeviceGetTexture1DLinearMaxWidth [cuDeviceGetTexture1DLinearMaxWidth] [] |_d| (maxWidthInElements: Out<usize>, format: u32, numChannels: u32, dev: CUdevice) {
        maxWidthInElements.put(crate::driver::texture::linear_width_max(dev.0, format, numChannels)?)
    }
    cuDeviceGetAttribute [cuDeviceGetAttribute] [] |_d| (pi: Out<i32>, attrib: i32, dev: CUdevice) {
        pi.required()?;
        pi.put(device(dev.0)?.attribute(attrib)?)
    }
    cuDeviceGetProperties [cuDeviceGetProperties] [] |_d| (prop: Out<CUdevprop>, dev: CUdevice) {
        let d = device(dev.0)?;
        prop.put(CUdevprop {
            maxThreadsPerBlock: d.attribute(1)?,
            maxThreadsDim: [d.attribute(2)?, d.attribute(3)?, d.attribute(4)?],
            maxGridSize: [d.attribute(5)?, d.attribute(6)?, d.attribute(7)?],
            sharedMemPerBlock: d.attribute(8)?,
            totalConstantMemory: d.attribute(9)?,
            SIMDWidth: d.attribute(10)?,
            memPitch: d.attribute(11)?,
            regsPerBlock: d.attribute(12)?,
            clockRate: d.attribute(13)?,
            textureAlign: d.attribute(14)?,
        })
    }
    cuDeviceComputeCapability [cuDeviceComputeCapability] [] |_d| (major: Out<i32>, minor: Out<i32>, dev: CUdevice) {
        let (x, y) = device(dev.0)?.cc;
        major.put(x as i32)?;
        minor.put(y as i32)
    }
    cuDeviceGetByPCIBusId [cuDeviceGetByPCIBusId] [] |_d| (dev: Out<CUdevice>, pciBusId: Text) {
        let wanted = pciBusId.get()?.to_ascii_lowercase();
        let found = driver()?.devices.iter().find(|d| {
            let text = pci_text(d).to_ascii_lowercase();
            text == wanted || text.trim_end_matches(".0") == wanted
        });
        dev.put(CUdevice(found.ok_or(CUresult::INVALID_DEVICE)?.ordinal as i32))
    }
    cuDeviceGetPCIBusId [cuDeviceGetPCIBusId] [] |_d| (pciBusId: List<c_char>, len: i32, dev: CUdevice) {
        pciBusId.put_text(&pci_text(device(dev.0)?), usize::try_from(len).map_err(|_| CUresult::INVALID_VALUE)?)
    }
    cuDeviceCanAccessPeer [cuDeviceCanAccessPeer] [] |_d| (canAccessPeer: Out<i32>, dev: CUdevice, peerDev: CUdevice) {
        let (a, b) = (device(dev.0)?, device(peerDev.0)?);
        canAccessPeer.put(i32::from(a.ordinal != b.ordinal))
    }
    cuDeviceGetP2PAttribute [cuDeviceGetP2PAttribute] [] |_d| (value: Out<i32>, attrib: u32, srcDevice: CUdevice, dstDevice: CUdevice) {
        let (a, b) = (device(srcDevice.0)?, device(dstDevice.0)?);
        ensure(a.ordinal != b.ordinal, CUresult::INVALID_DEVICE)?;
        value.put(match attrib {
            1 => 0,             // performance rank
            2 | 3 => 1,         // access, native atomics
            4 | 5 => 0,         // arrays, partial atomics
            _ => return Err(CUresult::INVALID_VALUE),
        })
    }
    cuDeviceGetP2PAtomicCapabilities [cuDeviceGetP2PAtomicCapabilities] [] |_d| (capabilities: List<u32>, operations: In<u32>, count: u32, srcDevice: CUdevice, dstDevice: CUdevice) {
        let (a, b) = (device(srcDevice.0)?, device(dstDevice.0)?);
        ensure(a.ordinal != b.ordinal, CUresult::INVALID_DEVICE)?;
        atomic_capabilities(capabilities, operations, count)
    }
    cuDeviceGetHostAtomicCapabilities [cuDeviceGetHostAtomicCapabilities] [] |_d| (capabilities: List<u32>, operations: In<u32>, count: u32, dev: CUdevice) {
        device(dev.0)?;
        atomic_capabilities(capabilities, operations, count)
    }
    cuDeviceGetExecAffinitySupport [cuDeviceGetExecAffinitySupport] [] |_d| (pi: Out<i32>, _kind: u32, dev: CUdevice) {
        device(dev.0)?;
        pi.put(0)
    }
    cuFlushGPUDirectRDMAWrites [cuFlushGPUDirectRDMAWrites] [] |_d| (_target: u32, _scope: u32) { crate::driver::context::current().map(drop) }
    cuGetProcAddress [cuGetProcAddress_v2] [] |_d| (symbol: Text, pfn: Out<Host>, cudaVersion: i32, flags: u64, symbolStatus: Out<u32>) {
        proc_address(symbol, pfn, cudaVersion, flags, symbolStatus)
    }
    cuGetProcAddress_v1 [cuGetProcAddress] [] |_d| (symbol: Text, pfn: Out<Host>, cudaVersion: i32, flags: u64) {
        proc_address(symbol, pfn, cudaVersion, flags, Out::NULL)
    }
    cuGetExportTable [cuGetExportTable] [] |_d| (ppExportTable: Out<Host>, pExportTableId: In<CUuuid>) {
        ppExportTable.put(Host(0))?;
        if pExportTableId.get()?.bytes == PROFILER_TABLE {
            return ppExportTable.put(Host::of(&REFUSALS));
        }
        Err(CUresult::NOT_FOUND)
    }
}

/// What a `CUatomicOperation` does natively. Atomics of kernels are the processor's, on memory of every kind.
fn atomic_capabilities(out: List<u32>, operations: In<u32>, count: u32) -> R {
    const SIGNED: u32 = 1;
    const UNSIGNED: u32 = 2;
    const REDUCTION: u32 = 4;
    const WORDS: u32 = 8 | 16;
    ensure(count > 0 && count <= 1024, CUresult::INVALID_VALUE)?;
    out.required()?;
    for (i, operation) in operations.list(count as usize)?.into_iter().enumerate() {
        out.put_at(i, match operation {
            0..=2 => SIGNED | UNSIGNED | REDUCTION | WORDS,     // add, min, max
            3 | 4 => UNSIGNED | REDUCTION | 8,                  // increment, decrement
            5..=7 => UNSIGNED | REDUCTION | WORDS,              // and, or, exclusive or
            8 | 9 => UNSIGNED | WORDS,                          // exchange, compare and swap
            10 => SIGNED | REDUCTION | WORDS,                   // floating-point add
            11 | 12 => 0,                                       // floating-point min and max
            _ => return Err(CUresult::INVALID_VALUE),
        });
    }
    Ok(())
}

fn pci_text(d: &device::Device) -> String {
    let (domain, bus, slot) = d.pci();
    format!("{domain:04X}:{bus:02X}:{slot:02X}.0")
}

/// The one identifier that gets a table: refused, CUPTI calls itself until the process dies.
const PROFILER_TABLE: [u8; 16] = [0x7c, 0xb6, 0x3f, 0x9b, 0x9c, 0xa4, 0x8e, 0x42, 0xa4, 0x84, 0xbe, 0xb6, 0x6e, 0x6a, 0xed, 0x7f];

#[repr(C)]
struct Refusals {
    bytes: usize,
    slots: [extern "C" fn() -> CUresult; 63],
}
extern "C" fn refuse() -> CUresult {
    CUresult::NOT_SUPPORTED
}
static REFUSALS: Refusals = Refusals { bytes: size_of::<Refusals>(), slots: [refuse; 63] };

/// `CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM`.
const PER_THREAD: u64 = 2;

fn proc_address(symbol: Text, pfn: Out<Host>, version: i32, flags: u64, status: Out<u32>) -> R {
    pfn.required()?;
    let name = symbol.get()?;
    ensure(flags & !3 == 0 && version > 0, CUresult::INVALID_VALUE)?;
    let version = version as u32;
    let found = ringway_api::resolve(&name, version, flags & PER_THREAD != 0).and_then(|export| own_symbol(export.symbol));
    // Statuses: 0 found, 1 no such symbol, 2 the version asked is too old for it.
    let known = ringway_api::is_known(&name);
    status.give(if found.is_some() { 0 } else if known { 2 } else { 1 });
    pfn.give(Host(found.unwrap_or(0)));
    ensure(found.is_some(), CUresult::NOT_FOUND)
}

/// The address of an exported symbol of this very object, whatever else the process has loaded.
fn own_symbol(name: &str) -> Option<u64> {
    static SELF: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let handle = *SELF.get_or_init(|| {
        // SAFETY: an all-zero Dl_info is valid, dladdr only fills it in; dlopen with NOLOAD returns this object again by the name it was loaded under.
        unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            if libc::dladdr(refuse as *const libc::c_void, &mut info) == 0 || info.dli_fname.is_null() {
                return 0;
            }
            let by_name = libc::dlopen(info.dli_fname, libc::RTLD_NOLOAD | libc::RTLD_LAZY);
            by_name as u64
        }
    });
    let text = std::ffi::CString::new(name).ok()?;
    // SAFETY: a valid handle (null searches the program itself, where the symbols are when it was linked statically) and a valid string.
    let address = unsafe { libc::dlsym(handle as *mut libc::c_void, text.as_ptr()) } as u64;
    (address != 0).then_some(address)
}
