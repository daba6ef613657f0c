//! The built object has exactly the symbols of the driver API that the table lists.

use ringway_api::TABLE;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// The shared object that belongs to this test's build.
fn object() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    [
        folder.join("libringway_shim.so"),
        folder.join("../libringway_shim.so"),
    ]
    .into_iter()
    .find(|path| path.exists())
    .expect("libringway_shim.so is built with its tests")
}

/// Defined dynamic symbols, without their versions.
fn symbols() -> BTreeSet<String> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(object())
        .output()
        .expect("nm comes with the linker");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(|name| name.split('@').next().unwrap_or(name).to_string())
        .collect()
}

/// Whether a name is of the driver API: `cu` and a capital, which no other family of names has.
fn is_driver_api(name: &str) -> bool {
    name.strip_prefix("cu")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

#[test]
fn exports_are_the_tables() {
    let built: BTreeSet<String> = symbols()
        .into_iter()
        .filter(|name| is_driver_api(name))
        .collect();
    let listed: BTreeSet<String> = TABLE
        .iter()
        .flat_map(|r| r.exports)
        .map(|e| e.symbol.to_string())
        .collect();
    let missing: Vec<_> = listed.difference(&built).collect();
    let extra: Vec<_> = built.difference(&listed).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:?}, not in the table {extra:?}"
    );
}
