//! The built shared object as programs see it: exported names, entry points by version, errors, devices.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;

fn path() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let deps = exe.parent().unwrap();
    [deps, deps.parent().unwrap()].iter().map(|d| d.join("libringway_softgpu.so")).find(|p| p.exists()).expect("the shared object is built beside its tests")
}

struct Library(*mut c_void);

impl Library {
    fn open() -> Library {
        let name = CString::new(path().to_str().unwrap()).unwrap();
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null());
        Library(handle)
    }

    fn address(&self, name: &str) -> u64 {
        let name = CString::new(name).unwrap();
        unsafe { libc::dlsym(self.0, name.as_ptr()) as u64 }
    }
}

#[test]
fn every_export_of_the_table_is_a_symbol() {
    let library = Library::open();
    for row in ringway_api::TABLE.iter() {
        for export in row.exports {
            assert_ne!(library.address(export.symbol), 0, "{}", export.symbol);
        }
    }
}

#[test]
fn no_other_driver_symbol_is_exported() {
    let output = std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(path()).output();
    let Ok(output) = output else { return };
    let text = String::from_utf8(output.stdout).unwrap();
    let found: BTreeSet<&str> = text.lines().filter_map(|l| l.split_whitespace().nth(2)).filter(|n| n.starts_with("cu")).collect();
    let table: BTreeSet<&str> = ringway_api::TABLE.iter().flat_map(|row| row.exports.iter().map(|e| e.symbol)).collect();
    assert_eq!(found, table);
}

#[test]
fn entry_points_by_version_and_stream() {
    let library = Library::open();
    let get: unsafe extern "C" fn(*const c_char, *mut u64, i32, u64, *mut u32) -> u32 = unsafe { std::mem::transmute(library.address("cuGetProcAddress_v2")) };
    let ask = |name: &str, version: i32, flags: u64| {
        let name = CString::new(name).unwrap();
        let (mut address, mut status) = (1u64, 9u32);
        let code = unsafe { get(name.as_ptr(), &mut address, version, flags, &mut status) };
        (code, address, status)
    };
    assert_eq!(ask("cuMemAlloc", 13000, 0), (0, library.address("cuMemAlloc_v2"), 0));
    assert_eq!(ask("cuMemAlloc", 3000, 0), (0, library.address("cuMemAlloc"), 0));
    assert_eq!(ask("cuStreamGetCaptureInfo", 11030, 0), (0, library.address("cuStreamGetCaptureInfo_v2"), 0));
    assert_eq!(ask("cuStreamGetCaptureInfo", 13000, 2), (0, library.address("cuStreamGetCaptureInfo_v3_ptsz"), 0));
    assert_eq!(ask("cuMemcpyHtoD", 12000, 2), (0, library.address("cuMemcpyHtoD_v2_ptds"), 0));
    assert_eq!(ask("cuDeviceGet", 12000, 2), (0, library.address("cuDeviceGet"), 0));
    assert_eq!(ask("cuNoSuchThing", 13000, 0), (500, 0, 1));
    assert_eq!(ask("cuMemAllocAsync", 11000, 0), (500, 0, 2));
    assert_eq!(ask("cuMemAllocAsync", 11020, 0), (0, library.address("cuMemAllocAsync"), 0));
}

#[test]
fn a_call_through_the_shared_object() {
    let library = Library::open();
    let init: unsafe extern "C" fn(u32) -> u32 = unsafe { std::mem::transmute(library.address("cuInit")) };
    let refused: unsafe extern "C" fn(*mut u64, *const u8) -> u32 = unsafe { std::mem::transmute(library.address("cuImportExternalMemory")) };
    // Device memory has an agreed address, so only one copy of the driver can live in a process: this test runs in its own.
    if std::env::var_os("RINGWAY_TEST_CHILD").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_call_through_the_shared_object"])
            .env("RINGWAY_TEST_CHILD", "1")
            .env("RINGWAY_SOFTGPU_DEVICES", "3")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let count: unsafe extern "C" fn(*mut i32) -> u32 = unsafe { std::mem::transmute(library.address("cuDeviceGetCount")) };
    let mut devices = 0;
    assert_eq!(unsafe { count(&mut devices) }, 3, "not initialised");
    assert_eq!(unsafe { init(0) }, 0);
    assert_eq!(unsafe { init(1) }, 1);
    assert_eq!(unsafe { count(&mut devices) }, 0);
    assert_eq!(devices, 3);
    assert_eq!(unsafe { refused(std::ptr::null_mut(), std::ptr::null()) }, 801);
}

#[test]
fn export_tables_are_refused() {
    let mut table = Host(1);
    let runtime = CUuuid { bytes: [0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1, 0xf2] };
    gives!(NOT_FOUND, cuGetExportTable((&mut table).into(), (&runtime).into()));
    assert_eq!(table, Host(0));
}

#[test]
fn errors_have_names_and_sentences() {
    for (code, name) in [(0u32, "CUDA_SUCCESS"), (700, "CUDA_ERROR_ILLEGAL_ADDRESS"), (209, "CUDA_ERROR_NO_BINARY_FOR_GPU"), (999, "CUDA_ERROR_UNKNOWN")] {
        let mut text = StaticText(std::ptr::null());
        ok!(cuGetErrorName(CUresult(code), (&mut text).into()));
        assert_eq!(unsafe { CStr::from_ptr(text.0) }.to_str().unwrap(), name);
        ok!(cuGetErrorString(CUresult(code), (&mut text).into()));
        assert!(!unsafe { CStr::from_ptr(text.0) }.is_empty());
    }
    let mut text = StaticText(std::ptr::null());
    gives!(INVALID_VALUE, cuGetErrorName(CUresult(12345), (&mut text).into()));
}

#[test]
fn a_device_is_consistent() {
    ok!(cuInit(0));
    let attribute = |number: i32| {
        let mut value = -7;
        ok!(cuDeviceGetAttribute((&mut value).into(), number, CUdevice(0)));
        value
    };
    assert_eq!((attribute(75), attribute(76)), (8, 0));
    assert!(attribute(97) >= attribute(8) && attribute(81) > attribute(97));
    assert_eq!(attribute(39) % attribute(10), 0);
    let mut name = [0 as c_char; 64];
    ok!(cuDeviceGetName(List(Out(name.as_mut_ptr())), 64, CUdevice(0)));
    assert_eq!(unsafe { CStr::from_ptr(name.as_ptr()) }, c"Ringway Software GPU");
    ok!(cuDeviceGetName(List(Out(name.as_mut_ptr())), 5, CUdevice(0)));
    assert_eq!(unsafe { CStr::from_ptr(name.as_ptr()) }, c"Ring");
    let mut bus = [0 as c_char; 32];
    ok!(cuDeviceGetPCIBusId(List(Out(bus.as_mut_ptr())), 32, CUdevice(0)));
    let mut found = CUdevice(9);
    ok!(cuDeviceGetByPCIBusId((&mut found).into(), Text(bus.as_ptr())));
    assert_eq!(found, CUdevice(0));
    gives!(INVALID_DEVICE, cuDeviceGet((&mut found).into(), 1));
    let mut value = 0;
    gives!(INVALID_VALUE, cuDeviceGetAttribute((&mut value).into(), 5000, CUdevice(0)));
}
