//! Initialisation, versions, errors, entry points.

use super::put;
use crate::generated;
use core::ffi::{CStr, c_char, c_void};
use parking_lot::Mutex;
use ringway_api::{CudaError, result_name, result_text};
use ringway_client::say::Line;
use ringway_client::session;
use std::collections::BTreeMap;
use std::ffi::CString;

/// `CU_GET_PROC_ADDRESS_*` status values.
const FOUND: u32 = 0;
const SYMBOL_NOT_FOUND: u32 = 1;
const VERSION_NOT_SUFFICIENT: u32 = 2;
/// `CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM`.
const PER_THREAD: u64 = 2;

/// Texts with a terminator, made once each and kept.
fn constant(text: &'static str) -> *const c_char {
    static TEXTS: Mutex<BTreeMap<&'static str, CString>> = Mutex::new(BTreeMap::new());
    let mut texts = TEXTS.lock();
    let entry = texts
        .entry(text)
        .or_insert_with(|| CString::new(text).unwrap_or_default());
    // The string's bytes are on the heap and are never freed.
    entry.as_ptr()
}

pub unsafe fn cuGetErrorString(error: u32, pStr: *mut c_void) -> Result<(), CudaError> {
    match result_text(error) {
        Some(text) => unsafe { put(pStr.cast(), constant(text)) },
        None => {
            unsafe { put(pStr.cast(), core::ptr::null::<c_char>()) }?;
            Err(CudaError::INVALID_VALUE)
        }
    }
}

pub unsafe fn cuGetErrorName(error: u32, pStr: *mut c_void) -> Result<(), CudaError> {
    match result_name(error) {
        Some(text) => unsafe { put(pStr.cast(), constant(text)) },
        None => {
            unsafe { put(pStr.cast(), core::ptr::null::<c_char>()) }?;
            Err(CudaError::INVALID_VALUE)
        }
    }
}

pub unsafe fn cuInit(Flags: u32) -> Result<(), CudaError> {
    if Flags != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    session::open().map(|_| ())
}

pub unsafe fn cuDriverGetVersion(driverVersion: *mut i32) -> Result<(), CudaError> {
    // Works before cuInit: it opens the session, since the version is the server's.
    let version = session::open()?.driver_version;
    unsafe { put(driverVersion, version) }
}

/// The rule for both forms: the newest symbol that came in at or before the version asked for.
unsafe fn entry(
    symbol: *const c_char,
    pfn: *mut c_void,
    cudaVersion: i32,
    flags: u64,
) -> Result<u32, CudaError> {
    if symbol.is_null() || pfn.is_null() || flags > PER_THREAD {
        return Err(CudaError::INVALID_VALUE);
    }
    let name = unsafe { CStr::from_ptr(symbol) }
        .to_str()
        .unwrap_or_default();
    let version = u32::try_from(cudaVersion).unwrap_or(0);
    if name.is_empty() {
        unsafe { put(pfn.cast(), core::ptr::null::<c_void>()) }?;
        return Ok(SYMBOL_NOT_FOUND);
    }
    let found = ringway_api::resolve(name, version, flags & PER_THREAD != 0)
        .and_then(|export| generated::address(export.symbol));
    match found {
        Some(address) => {
            unsafe { put(pfn.cast(), address) }?;
            Ok(FOUND)
        }
        None => {
            unsafe { put(pfn.cast(), core::ptr::null::<c_void>()) }?;
            Ok(if ringway_api::is_known(name) {
                VERSION_NOT_SUFFICIENT
            } else {
                SYMBOL_NOT_FOUND
            })
        }
    }
}

pub unsafe fn cuGetProcAddress(
    symbol: *const c_char,
    pfn: *mut c_void,
    cudaVersion: i32,
    flags: u64,
) -> Result<(), CudaError> {
    match unsafe { entry(symbol, pfn, cudaVersion, flags) }? {
        FOUND => Ok(()),
        _ => Err(CudaError::NOT_FOUND),
    }
}

pub unsafe fn cuGetProcAddress_v2(
    symbol: *const c_char,
    pfn: *mut c_void,
    cudaVersion: i32,
    flags: u64,
    symbolStatus: *mut u32,
) -> Result<(), CudaError> {
    let status = unsafe { entry(symbol, pfn, cudaVersion, flags) }?;
    unsafe { super::put_if(symbolStatus, status) };
    if status == FOUND {
        Ok(())
    } else {
        Err(CudaError::NOT_FOUND)
    }
}

/// First bytes of the tables that NVIDIA's own runtime asks a driver for, the second to make it prove itself. None is answered.
const RUNTIME_TABLES: [[u8; 4]; 2] = [[0x6b, 0xd5, 0xfb, 0x6c], [0xd4, 0x08, 0x20, 0x55]];
static STATIC_RUNTIME: Line = Line::new();

pub unsafe fn cuGetExportTable(
    ppExportTable: *mut c_void,
    pExportTableId: *const c_void,
) -> Result<(), CudaError> {
    if ppExportTable.is_null() || pExportTableId.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let uuid = unsafe { pExportTableId.cast::<[u8; 16]>().read_unaligned() };
    unsafe { put(ppExportTable.cast(), core::ptr::null::<c_void>()) }?;
    if let Some(table) = crate::profiling::refusing_table(&uuid) {
        return unsafe { put(ppExportTable.cast(), table) };
    }
    if RUNTIME_TABLES.iter().any(|first| uuid.starts_with(first)) {
        STATIC_RUNTIME.say(format_args!(
            "this program has NVIDIA's CUDA runtime linked into it, which works with NVIDIA's own driver only; \
             build it with the shared runtime (nvcc -cudart shared), which Ringway replaces"
        ));
    }
    Err(CudaError::NOT_FOUND)
}
