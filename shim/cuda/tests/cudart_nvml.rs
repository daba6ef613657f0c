//! The built object exports exactly the names of the runtime's and NVML's tables, in the versions that programs ask for.

use ringway_shim::{nvml, runtime};
use std::collections::BTreeSet;
use std::ffi::{CString, c_void};
use std::path::PathBuf;

/// The object that cargo built beside this test.
fn object() -> PathBuf {
    let deps = std::env::current_exe()
        .expect("a path")
        .parent()
        .expect("a folder")
        .to_path_buf();
    let beside = deps.join("libringway_shim.so");
    if beside.exists() {
        beside
    } else {
        deps.parent().expect("a folder").join("libringway_shim.so")
    }
}

fn word(bytes: &[u8], at: usize, size: usize) -> usize {
    let mut value = [0; 8];
    value[..size].copy_from_slice(&bytes[at..at + size]);
    usize::try_from(u64::from_le_bytes(value)).expect("a 64-bit machine")
}

/// The names of the dynamic symbols that an ELF file defines (System V ABI, "Symbol Table").
fn defined(file: &[u8]) -> BTreeSet<String> {
    const SHT_DYNSYM: usize = 11;
    let (table, size, count) = (
        word(file, 0x28, 8),
        word(file, 0x3a, 2),
        word(file, 0x3c, 2),
    );
    let section = |index: usize| table + index * size;
    let dynsym = (0..count)
        .map(section)
        .find(|&header| word(file, header + 4, 4) == SHT_DYNSYM)
        .expect("dynamic symbols");
    let strings = word(file, section(word(file, dynsym + 0x28, 4)) + 0x18, 8);
    let (start, bytes) = (word(file, dynsym + 0x18, 8), word(file, dynsym + 0x20, 8));
    (start..start + bytes)
        .step_by(24)
        .filter(|&symbol| word(file, symbol + 6, 2) != 0)
        .map(|symbol| {
            let name = &file[strings + word(file, symbol, 4)..];
            let end = name.iter().position(|&byte| byte == 0).expect("a string");
            String::from_utf8_lossy(&name[..end]).into_owned()
        })
        .collect()
}

#[test]
fn the_object_exports_the_tables_names_and_no_others() {
    let names = defined(&std::fs::read(object()).expect("the built object"));
    let exported = |prefix: &str| {
        names
            .iter()
            .filter(|name| name.trim_start_matches("__").starts_with(prefix))
            .cloned()
            .collect()
    };
    let runtime: BTreeSet<String> = exported("cuda");
    let table: BTreeSet<String> = runtime::table::ROWS
        .iter()
        .map(|row| row.name.to_owned())
        .collect();
    assert_eq!(
        runtime.symmetric_difference(&table).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "runtime"
    );
    let nvml: BTreeSet<String> = exported("nvml");
    let table: BTreeSet<String> = nvml::table::ROWS
        .iter()
        .map(|row| row.name.to_owned())
        .collect();
    assert_eq!(
        nvml.symmetric_difference(&table).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "NVML"
    );
}

#[test]
fn a_name_with_two_meanings_leads_to_the_one_that_the_program_was_built_for() {
    let path = CString::new(object().into_os_string().into_encoded_bytes()).expect("a path");
    // SAFETY: our own object, whose constructors do nothing that the test would notice.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
    assert!(!library.is_null());
    for name in runtime::symbol_versions::NAMES {
        let symbol = CString::new(*name).expect("a name");
        // SAFETY: a live handle and C strings.
        let (v12, v13, plain): (*mut c_void, *mut c_void, *mut c_void) = unsafe {
            (
                libc::dlvsym(library, symbol.as_ptr(), c"libcudart.so.12".as_ptr()),
                libc::dlvsym(library, symbol.as_ptr(), c"libcudart.so.13".as_ptr()),
                libc::dlsym(library, symbol.as_ptr()),
            )
        };
        assert!(!v12.is_null() && !v13.is_null(), "{name}");
        assert_ne!(v12, v13, "{name}");
        assert_eq!(plain, v13, "{name}");
    }
}
