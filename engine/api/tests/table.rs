//! The table against the facts: every symbol is there with its version, and entry points resolve as CUDA's do.

use ringway_api::{
    Body, Class, Support, TABLE, Variant, coverage, is_known, name, op, resolve, row,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of measured facts beside the checkout; the tests do without where it is not there.
fn facts(file: &str) -> Option<String> {
    std::fs::read_to_string(root().join("../shared/data").join(file)).ok()
}

fn version(text: &str) -> u32 {
    let (major, minor) = text.split_once('.').unwrap();
    major.parse::<u32>().unwrap() * 1000 + minor.parse::<u32>().unwrap() * 10
}

#[test]
fn sizes_are_those_of_cuda_13_5() {
    let symbols: BTreeSet<&str> = TABLE
        .iter()
        .flat_map(|r| r.exports)
        .map(|e| e.symbol)
        .collect();
    assert_eq!(symbols.len(), 718);
    assert_eq!(
        TABLE.iter().flat_map(|r| r.exports).count(),
        718,
        "a symbol twice"
    );
    let bases: BTreeSet<&str> = TABLE
        .iter()
        .filter(|r| !r.exports.is_empty())
        .map(|r| r.base)
        .collect();
    assert_eq!(bases.len(), 516);
    let per_thread = TABLE
        .iter()
        .flat_map(|r| r.exports)
        .filter(|e| e.variant != Variant::Base)
        .count();
    assert_eq!(per_thread, 105);
}

#[test]
fn symbols_and_versions_are_the_listed_ones() {
    let Some(list) = facts("libcuda-entry-points.tsv") else {
        return;
    };
    let ours: BTreeMap<&str, (u32, &str)> = TABLE
        .iter()
        .flat_map(|r| r.exports.iter().map(|e| (e.symbol, (e.version, r.base))))
        .collect();
    let mut seen = 0;
    for line in list.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(
            ours.get(columns[0]),
            Some(&(version(columns[2]), columns[3])),
            "{line}"
        );
        seen += 1;
    }
    assert_eq!(seen, ours.len());
}

#[test]
fn what_clients_call_is_described() {
    let Some(list) = facts("libcuda-entry-points.tsv") else {
        return;
    };
    for line in list.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        if columns[5] == "-" {
            continue;
        }
        let described = TABLE.iter().filter(|r| r.base == columns[3]).any(|r| {
            !matches!(r.support, Support::Refused(..))
                && (r.class != Class::Local || r.body == Body::Hand)
        });
        assert!(
            described,
            "{} is called by {} and refused",
            columns[3], columns[5]
        );
    }
}

fn check_resolution(symbol: &str, cuda_version: u32, flags: u64, answer: Option<&str>) {
    let got = resolve(symbol, cuda_version, flags & 2 != 0).map(|e| e.symbol);
    assert_eq!(got, answer, "{symbol} {cuda_version} {flags}");
}

#[test]
fn entry_points_resolve_as_runtimes_expect() {
    let mut count = 0;
    for line in include_str!("data/getprocaddress.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let words: Vec<&str> = line.split(' ').collect();
        let symbol = if words[0] == "-" { "" } else { words[0] };
        let answer = (words[3] != "-").then_some(words[3]);
        check_resolution(
            symbol,
            words[1].parse().unwrap(),
            words[2].parse().unwrap(),
            answer,
        );
        count += 1;
    }
    assert!(count > 600);
}

#[test]
fn entry_points_resolve_as_measured() {
    let Some(list) = facts("cudart-getprocaddress-requests.tsv") else {
        return;
    };
    for line in list.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let symbol = if columns[1].starts_with('(') {
            ""
        } else {
            columns[1]
        };
        // Two texts in the list say that there is no answer.
        let answer = columns[4].starts_with("cu").then_some(columns[4]);
        check_resolution(
            symbol,
            columns[2].parse().unwrap(),
            columns[3].parse().unwrap(),
            answer,
        );
    }
}

#[test]
fn versions_bound_the_answer() {
    check_resolution("cuGetProcAddress", 11020, 0, None);
    check_resolution("cuGetProcAddress", 11990, 0, Some("cuGetProcAddress"));
    check_resolution("cuMemAlloc", 3010, 0, Some("cuMemAlloc"));
    check_resolution("cuMemAlloc", 99000, 0, Some("cuMemAlloc_v2"));
    check_resolution("cuMemcpyHtoD", 99000, 2, Some("cuMemcpyHtoD_v2_ptds"));
    // Older than the per-thread variants: the ordinary one.
    check_resolution("cuMemcpyHtoD", 6050, 2, Some("cuMemcpyHtoD_v2"));
    check_resolution("cuMemcpyHtoD_v2", 99000, 0, None);
    check_resolution("cuNothing", 99000, 0, None);
    assert!(is_known("cuMemAlloc") && !is_known("cuMemAlloc_v2") && !is_known(""));
}

#[test]
fn opcodes_name_their_rows() {
    let mut seen = BTreeSet::new();
    for r in TABLE {
        assert!(r.opcode != 0 && seen.insert(r.opcode), "{}", r.name);
        assert_eq!(row(r.opcode).map(|found| found.name), Some(r.name));
    }
    assert_eq!(name(op::CU_MEM_ALLOC), "cuMemAlloc");
    assert_eq!(name(0), "?");
    assert_eq!(name(u32::MAX), "?");
}

#[test]
fn refusals_give_a_reason() {
    for r in TABLE {
        match r.support {
            Support::Full => {}
            Support::Partial(why) | Support::Planned(why) | Support::Refused(_, why) => {
                assert!(why.len() > 8, "{}: {why:?}", r.name);
            }
        }
    }
}

#[test]
fn coverage_counts_every_form_once() {
    let coverage = coverage();
    assert_eq!(
        coverage.len(),
        TABLE.iter().filter(|r| !r.exports.is_empty()).count()
    );
    let alloc = coverage.iter().find(|c| c.name == "cuMemAlloc").unwrap();
    assert_eq!((alloc.family, alloc.since), ("memory", 2000));
}
