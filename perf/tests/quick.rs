//! Every suite runs with `--quick` and gives rows of finite numbers. Nothing is said of how large they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(600);
/// Of each row.
const NUMBERS: [&str; 5] = ["p50", "p90", "p99", "p999", "max"];
/// Of some rows.
const NUMBERS_OR_NULL: [&str; 5] = ["floor", "ratio", "ratio_low", "ratio_high", "cpu_ns"];

fn perf() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringway-perf"))
}

/// Whether what programs under `ringway run` need was built too; `scripts/test` always has it.
fn ringway_is_there() -> bool {
    let files = [
        "ringway",
        "libringway_shim.so",
        "libringway_audit.so",
        "libringway_softgpu.so",
    ];
    let missing = files
        .iter()
        .find(|file| !perf().with_file_name(file).is_file());
    if let Some(missing) = missing {
        eprintln!("not tested: {missing} was not built (cargo build --workspace)");
    }
    missing.is_none()
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-perf-test-{}-{name}", std::process::id()))
}

/// The rows of a suite, and the page.
fn run(suite: &str) -> (Vec<serde_json::Value>, String) {
    let (json, html) = (
        file(&format!("{suite}.json")),
        file(&format!("{suite}.html")),
    );
    let mut child = Command::new(perf())
        .args([suite, "--quick", "--json"])
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        match child.try_wait().expect("the program can be waited for") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().expect("the program can be killed");
                child.wait().expect("the program ends");
                panic!("{suite} was not done in time");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(status.success(), "{suite} ended with {status}");
    let text = std::fs::read_to_string(&json).expect("rows were written");
    let page = std::fs::read_to_string(&html).expect("a page was written");
    for file in [&json, &html] {
        let _ = std::fs::remove_file(file);
    }
    (serde_json::from_str(&text).expect("rows are JSON"), page)
}

/// Checks the rows of a suite; the links they name.
fn check(suite: &str) -> Vec<String> {
    let (rows, page) = run(suite);
    assert!(!rows.is_empty(), "{suite} gave no row");
    let mut links = Vec::new();
    for row in &rows {
        assert_eq!(row["suite"], suite, "{row}");
        for name in NUMBERS {
            let number = row[name].as_f64();
            assert!(number.is_some_and(|x| x.is_finite() && x >= 0.0), "{row}");
        }
        for name in NUMBERS_OR_NULL {
            let number = row.get(name).expect("every row has every field");
            let finite = number.as_f64().is_some_and(|x| x.is_finite() && x >= 0.0);
            assert!(number.is_null() || finite, "{row}");
        }
        if row["unit"] == "ns" {
            let at = |name: &str| row[name].as_f64();
            assert!(at("p50") <= at("p99") && at("p99") <= at("max"), "{row}");
        }
        let link = row["link"].as_str().expect("a link").to_owned();
        if !links.contains(&link) {
            links.push(link);
        }
    }
    assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script"));
    assert!(
        page.contains(&format!("<small>{suite}</small>")),
        "{suite} has no section"
    );
    links
}

#[test]
fn every_suite_gives_finite_rows() {
    if !ringway_is_there() {
        return;
    }
    for suite in ["submit", "call", "copy", "idle", "scale"] {
        assert_eq!(check(suite), ["shm", "tcp"], "{suite}");
    }
    for suite in ["start", "app", "api"] {
        let mut links = check(suite);
        links.sort();
        assert_eq!(links, ["direct", "shm", "tcp"], "{suite}");
    }
    assert_eq!(check("networks"), ["200us,10Gbit", "5ms,10Gbit", "0us", "direct"]);
    assert_eq!(check("servers"), ["straight", "by the program"]);
}

#[test]
fn the_software_gpu_gives_finite_rows() {
    assert_eq!(check("softgpu"), ["one core", "all cores"]);
}
