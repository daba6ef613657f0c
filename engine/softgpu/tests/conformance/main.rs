//! Conformance of the executor with the PTX ISA: kernels generated here, over every type and modifier of every opcode,
//! against references made from integers and exact floating point of this suite's own.
//!
//! [`coverage`] compares the opcodes that ran with the list from which the compiler selects instructions.
#![allow(clippy::undocumented_unsafe_blocks)]

#[path = "../support/mod.rs"]
mod support;

mod atomics;
mod control;
mod convert;
mod exact;
mod float;
mod half_precision;
mod harness;
mod integer;
mod logic;
mod memory;
mod tensor;
mod video;

/// Makes one test of each function, and a list of them all; each runs once, whoever asks first.
macro_rules! families {
    ($($family:ident: $($case:ident),* $(,)?;)*) => {
        mod cases {
            $(pub mod $family {
                $(#[test]
                fn $case() {
                    super::super::once(concat!(stringify!($family), "::", stringify!($case)), crate::$family::$case);
                })*
            })*
        }
        const ALL: &[(&str, fn())] = &[$($((concat!(stringify!($family), "::", stringify!($case)), $family::$case as fn()),)*)*];
    };
}

families! {
    integer: add_and_subtract, packed_halfwords, multiply, divide, order_and_magnitude, count_and_reverse_bits, bit_fields, dot_products, carries;
    logic: bitwise, look_up_tables, shifts, permute_bytes, compare_integers, select, moves;
    float: sums_and_products, quotients_and_roots, extremes, signs_and_properties, compare, approximations, approximate_quotients, packed_pairs;
    half_precision: arithmetic, signs_and_extremes, functions, compare, mixed;
    convert: integers_to_integers, integers_to_floats, floats_to_integers, floats_to_floats, narrow_forms, pack;
    video: scalar_arithmetic, scalar_comparison, multiply_add, packed_arithmetic;
    memory: every_type_and_space, vectors, qualifiers, constants_and_parameters, address_spaces, stack;
    atomics: integers_alone, floats_alone, compare_and_swap, vectors, contended;
    control: shuffles, votes, matches, reductions, branches, calls, traps, barriers, special_registers;
    tensor: products, small_elements, matrix_moves, products_through_memory, asynchronous_copies;
}

/// Runs a case unless it ran before; other callers wait for the one that does.
fn once(name: &'static str, case: fn()) {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, OnceLock};
    type Slot = Arc<OnceLock<bool>>;
    static DONE: Mutex<BTreeMap<&str, Slot>> = Mutex::new(BTreeMap::new());
    let slot = Arc::clone(DONE.lock().unwrap().entry(name).or_default());
    let passed = *slot.get_or_init(|| {
        harness::attempt(name, case);
        let failures = harness::take_failures();
        for f in &failures {
            eprintln!("{name}: {f}");
        }
        failures.is_empty()
    });
    assert!(passed, "{name} failed");
}

/// Opcodes with suites of their own.
const ELSEWHERE: &[(&str, &str)] = &[
    ("istypep", "textures"),
    ("suld", "surfaces"),
    ("suq", "surfaces"),
    ("sured", "surfaces"),
    ("sust", "surfaces"),
    ("tex", "textures"),
    ("tld4", "textures"),
    ("txq", "textures"),
];

#[test]
fn coverage() {
    for (name, case) in ALL {
        once(name, *case);
    }
    let ran = harness::ran();
    let missing: Vec<&str> =
        ringway_softgpu::ir::OPCODES.iter().map(|(o, _)| *o).filter(|o| !ran.contains(*o) && !ELSEWHERE.iter().any(|(e, _)| e == o)).collect();
    assert!(missing.is_empty(), "opcodes without a case: {missing:?}");
    let unknown: Vec<&String> = ran.iter().filter(|o| !ringway_softgpu::ir::OPCODES.iter().any(|(k, _)| k == o)).collect();
    assert!(unknown.is_empty(), "cases of opcodes that are not in the table: {unknown:?}");
    assert!(ELSEWHERE.iter().all(|(e, _)| ringway_softgpu::ir::OPCODES.iter().any(|(k, _)| k == e)));
}

/// The cases in a process of their own, with a variable that is read once per process.
fn cases_with(variable: &str, value: &str) {
    if std::env::var_os(variable).is_some() {
        return;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["cases::", "--test-threads", "2"])
        .env(variable, value)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}

/// The forms for processors without AVX2 give the same results.
#[test]
fn without_avx2() {
    cases_with("RINGWAY_SOFTGPU_BASELINE", "1");
}

/// So does the interpreter alone.
#[test]
fn without_the_native_tier() {
    cases_with("RINGWAY_SOFTGPU_NATIVE", "0");
}
