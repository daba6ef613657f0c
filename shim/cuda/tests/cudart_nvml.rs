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

#[test]
fn the_runtime_and_nvml_ask_the_driver_for_nothing_that_is_not_in_its_table() {
    let known: BTreeSet<&str> = ringway_api::TABLE
        .iter()
        .flat_map(|row| row.exports)
        .map(|export| export.symbol)
        .collect();
    let unknown: Vec<_> = ringway_shim::driver_table::Driver::NAMES
        .iter()
        .filter(|name| !known.contains(**name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The page that lists what is served and what is not. `RINGWAY_WRITE_PAGES=1 cargo test` writes it anew.
#[test]
fn the_coverage_page_is_the_tables() {
    use runtime::table::Support;
    use std::fmt::Write;
    let mut page = String::from(
        "# What the CUDA runtime and NVML answer\n\nMade from the tables in `shim/cuda/src/runtime/table.rs` and \
         `shim/cuda/src/nvml/table.rs`. Variants for per-thread default streams (`_ptds`, `_ptsz`) are counted and not listed. A call \
         that is not served returns `cudaErrorNotSupported` (801) or `NVML_ERROR_NOT_SUPPORTED` (3).\n",
    );
    let libraries = [
        (
            "The CUDA runtime",
            runtime::table::ROWS
                .iter()
                .map(|row| (row.name, row.support))
                .collect::<Vec<_>>(),
        ),
        (
            "NVML",
            nvml::table::ROWS
                .iter()
                .map(|row| (row.name, row.support))
                .collect(),
        ),
    ];
    for (library, rows) in libraries {
        let served = rows
            .iter()
            .filter(|(_, support)| *support == Support::Full)
            .count();
        writeln!(
            page,
            "\n## {library}\n\n{served} of {} names are served.\n",
            rows.len()
        )
        .unwrap();
        writeln!(page, "| answer | names |\n|---|---|").unwrap();
        let mut answers = Vec::new();
        for (_, support) in &rows {
            if !answers.contains(support) {
                answers.push(*support);
            }
        }
        answers.sort_by_key(|support| matches!(support, Support::Full));
        answers.reverse();
        for answer in answers {
            let names: Vec<_> = rows
                .iter()
                .filter(|(name, support)| {
                    *support == answer && !name.ends_with("_ptds") && !name.ends_with("_ptsz")
                })
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let title = match answer {
                Support::Full => "served".to_owned(),
                Support::Refused(reason) => format!("not served: {reason}"),
            };
            writeln!(page, "| {title} | {} |", names.join(" ")).unwrap();
        }
    }
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/cuda-runtime-coverage.md");
    if std::env::var_os("RINGWAY_WRITE_PAGES").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/cuda-runtime-coverage.md is not what the tables say; RINGWAY_WRITE_PAGES=1 writes it"
    );
}
