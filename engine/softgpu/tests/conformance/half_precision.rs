//! Half precision: f16, bf16 and their packed forms (PTX ISA 9.7.4, 9.7.5, 9.7.7), and mixed precision sums.

use crate::exact::*;
use crate::float::{RELATIONS, extreme, saturate};
use crate::harness::*;

const TYPES: [(&str, Format); 2] = [("f16", F16), ("bf16", BF16)];

/// Every modifier applied to the result of one half.
#[derive(Clone, Copy, Default)]
struct Mods {
    ftz: bool,
    sat: bool,
    relu: bool,
}

fn finish(f: Format, v: Value, m: Mods) -> u64 {
    let r = f.encode(v, Mode::Rn);
    let r = if m.sat { f.encode(saturate(f.decode(r)), Mode::Rn) } else { r };
    // Negative results become zero, NaN stays.
    let r = if m.relu && f.sign(r) && !f.is_nan(r) { 0 } else { r };
    if m.ftz { f.flush(r) } else { r }
}

/// The form of one half and the packed one; `reference` gives the bits of one half.
fn both(op: &str, mods: &str, t: &str, f: Format, inputs: &[Vec<u64>], reference: &dyn Fn(&[u64]) -> Want16) {
    let list: Vec<(u32, &[u64])> = inputs.iter().map(|v| (16, v.as_slice())).collect();
    check(&format!("{op}{mods}.{t}"), &list, 16, |v| match reference(v) {
        Want16::Bits(b) => Want::Bits(b),
        Want16::Near(value, absolute, relative) => Want::Near { format: f, value, absolute, relative },
    });
    // Two different halves in each register; the result is taken apart again.
    let n = inputs[0].len();
    let packed: Vec<Vec<u64>> = inputs.iter().map(|v| (0..n).map(|k| v[k] | v[(k * 5 + 1) % n] << 16).collect()).collect();
    let list: Vec<(u32, &[u64])> = packed.iter().map(|v| (32, v.as_slice())).collect();
    let operands: String = (0..inputs.len()).map(|k| format!(", %in{k}")).collect();
    for (shift, unpack) in [(0, "mov.b32 {%out, %x}, %r;"), (16, "mov.b32 {%x, %out}, %r;")] {
        check_body(&format!("{op}{mods}.{t}x2"), ".reg .b32 %r; .reg .b16 %x;", &format!("{op}{mods}.{t}x2 %r{operands}; {unpack}"), &list, 16, |v| {
            let part: Vec<u64> = v.iter().map(|x| x >> shift & 0xffff).collect();
            match reference(&part) {
                Want16::Bits(b) => Want::Bits(b),
                Want16::Near(value, absolute, relative) => Want::Near { format: f, value, absolute, relative },
            }
        });
    }
}

enum Want16 {
    Bits(u64),
    Near(f64, f64, f64),
}

fn two(f: Format) -> Vec<Vec<u64>> {
    let v = floats(f, 30);
    let (a, b) = pairs(&v, &v);
    vec![a, b]
}

pub fn arithmetic() {
    for (t, f) in TYPES {
        let lists = two(f);
        let v = floats(f, 40);
        let three = triples(&v, &v, &v, 9000).to_vec();
        let forms: &[(&str, Mods)] = &[
            ("", Mods { ftz: false, sat: false, relu: false }),
            (".ftz", Mods { ftz: true, sat: false, relu: false }),
            (".sat", Mods { ftz: false, sat: true, relu: false }),
            (".ftz.sat", Mods { ftz: true, sat: true, relu: false }),
        ];
        // bf16 has neither .ftz nor .sat.
        for (m, mods) in if f == F16 { forms } else { &forms[..1] } {
            let get = |x: u64| f.decode(if mods.ftz { f.flush(x) } else { x });
            for rn in ["", ".rn"] {
                let m = format!("{rn}{m}");
                both("add", &m, t, f, &lists, &|v| Want16::Bits(finish(f, add(get(v[0]), get(v[1]), Mode::Rn), *mods)));
                both("sub", &m, t, f, &lists, &|v| Want16::Bits(finish(f, add(get(v[0]), neg(get(v[1])), Mode::Rn), *mods)));
                both("mul", &m, t, f, &lists, &|v| Want16::Bits(finish(f, mul(get(v[0]), get(v[1])), *mods)));
            }
            both("fma", &format!(".rn{m}"), t, f, &three, &|v| Want16::Bits(finish(f, fma(get(v[0]), get(v[1]), get(v[2]), Mode::Rn), *mods)));
        }
        let relu: &[(&str, bool)] = if f == F16 { &[(".relu", false), (".ftz.relu", true)] } else { &[(".relu", false)] };
        for (m, ftz) in relu {
            let get = |x: u64| f.decode(if *ftz { f.flush(x) } else { x });
            let mods = Mods { ftz: *ftz, sat: false, relu: true };
            both("fma", &format!(".rn{m}"), t, f, &three, &|v| Want16::Bits(finish(f, fma(get(v[0]), get(v[1]), get(v[2]), Mode::Rn), mods)));
        }
    }
}

pub fn signs_and_extremes() {
    for (t, f) in TYPES {
        let one = vec![floats(f, 500)];
        let lists = two(f);
        for ftz in [false, true] {
            if ftz && f == BF16 {
                continue;
            }
            let z = if ftz { ".ftz" } else { "" };
            let flush = |x: u64| if ftz { f.flush(x) } else { x };
            let canonical = |x: u64| if f.is_nan(x) { 0x7fff } else { x };
            both("neg", z, t, f, &one, &|v| Want16::Bits(canonical(flush(v[0]) ^ 0x8000)));
            both("abs", z, t, f, &one, &|v| Want16::Bits(canonical(flush(v[0]) & 0x7fff)));
            for (op, max) in [("min", false), ("max", true)] {
                for nan in [false, true] {
                    for xorsign in [false, true] {
                        let m = format!("{z}{}{}", if nan { ".NaN" } else { "" }, if xorsign { ".xorsign.abs" } else { "" });
                        both(op, &m, t, f, &lists, &|v| {
                            let v: Vec<u64> = v.iter().map(|x| flush(*x)).collect();
                            Want16::Bits(extreme(f, max, nan, xorsign, xorsign, &v))
                        });
                    }
                }
            }
        }
    }
}

pub fn functions() {
    // ex2: f16 2^-9.9 relative; bf16 2^-7. tanh: f16 2^-10.987 absolute, bf16 2^-8.
    let v = vec![floats(F16, 2000)];
    let value = |f: Format, x: u64| to_f64(f.decode(x));
    both("ex2.approx", "", "f16", F16, &v, &|v| Want16::Near(value(F16, v[0]).exp2(), 2f64.powi(-25), 2f64.powf(-9.9)));
    both("tanh.approx", "", "f16", F16, &v, &|v| Want16::Near(value(F16, v[0]).tanh(), 2f64.powf(-10.987), 0.0));
    let v = vec![floats(BF16, 2000)];
    both("ex2.approx.ftz", "", "bf16", BF16, &v, &|v| {
        let y = value(BF16, BF16.flush(v[0])).exp2();
        if y < 1.18e-38 { Want16::Near(0.0, 1.18e-38, 0.0) } else { Want16::Near(y, 0.0, 2f64.powi(-7)) }
    });
    both("tanh.approx", "", "bf16", BF16, &v, &|v| Want16::Near(value(BF16, v[0]).tanh(), 2f64.powi(-8), 0.0));
}

pub fn compare() {
    for (t, f) in TYPES {
        let lists = two(f);
        let n = lists[0].len();
        let odd: Vec<u64> = (0..n as u64).map(|k| k * 5 % 3 % 2).collect();
        let i: [(u32, &[u64]); 3] = [(16, &lists[0]), (16, &lists[1]), (32, &odd)];
        let packed: Vec<Vec<u64>> = lists.iter().map(|v| (0..n).map(|k| v[k] | v[(k * 5 + 1) % n] << 16).collect()).collect();
        let ip: [(u32, &[u64]); 3] = [(32, &packed[0]), (32, &packed[1]), (32, &odd)];
        for (cmp, holds) in RELATIONS {
            for ftz in [false, true] {
                if ftz && f == BF16 {
                    continue;
                }
                let z = if ftz { ".ftz" } else { "" };
                let flush = |x: u64| f.decode(if ftz { f.flush(x) } else { x });
                let is = |v: &[u64]| holds(order(flush(v[0] & 0xffff), flush(v[1] & 0xffff)));
                let high = |v: &[u64]| holds(order(flush(v[0] >> 16), flush(v[1] >> 16)));
                let results = "selp.b32 %out, 1, 0, %p; selp.b32 %x, 2, 0, %q; or.b32 %out, %out, %x;";
                let decl = ".reg .pred %p, %q, %r; .reg .b32 %x;";
                let op = format!("setp.{cmp}{z}.{t}");
                check_body(&op, decl, &format!("{op} %p|%q, %in0, %in1; {results}"), &i, 32, |v| Want::Bits(if is(v) { 1 } else { 2 }));
                let op = format!("setp.{cmp}.or{z}.{t}");
                check_body(&op, decl, &format!("setp.ne.u32 %r, %in2, 0; {op} %p|%q, %in0, %in1, !%r; {results}"), &i, 32, |v| {
                    Want::Bits(u64::from(is(v) || v[2] == 0) | u64::from(!is(v) || v[2] == 0) << 1)
                });
                // Packed: p for the low halves, q for the high ones.
                let op = format!("setp.{cmp}{z}.{t}x2");
                check_body(&op, decl, &format!("{op} %p|%q, %in0, %in1; {results}"), &ip, 32, |v| Want::Bits(u64::from(is(v)) | u64::from(high(v)) << 1));
                let op = format!("setp.{cmp}.and{z}.{t}x2");
                check_body(&op, decl, &format!("setp.ne.u32 %r, %in2, 0; {op} %p|%q, %in0, %in1, %r; {results}"), &ip, 32, |v| {
                    Want::Bits(u64::from(is(v) && v[2] != 0) | u64::from(high(v) && v[2] != 0) << 1)
                });
                let one = if f == F16 { 0x3c00u64 } else { 0x3f80 };
                check_bits(&format!("set.{cmp}{z}.{t}.{t}"), &i[..2], 16, |v| if is(v) { one } else { 0 });
                check_bits(&format!("set.{cmp}{z}.u32.{t}"), &i[..2], 32, |v| if is(v) { 0xffff_ffff } else { 0 });
                check_bits(&format!("set.{cmp}{z}.s16.{t}"), &i[..2], 16, |v| if is(v) { 0xffff } else { 0 });
                check_bits(&format!("set.{cmp}{z}.{t}x2.{t}x2"), &ip[..2], 32, |v| if is(v) { one } else { 0 } | if high(v) { one << 16 } else { 0 });
                check_bits(&format!("set.{cmp}{z}.u32.{t}x2"), &ip[..2], 32, |v| if is(v) { 0xffff } else { 0 } | if high(v) { 0xffff_0000 } else { 0 });
            }
        }
    }
}

/// Sums and products of halves with a single-precision addend.
pub fn mixed() {
    for (t, f) in TYPES {
        let (h, s) = (floats(f, 20), floats(F32, 40));
        let (a, c) = pairs(&h, &s);
        let three = triples(&h, &h, &s, 8000);
        for (mode_name, mode) in MODES {
            for sat in [false, true] {
                let m = format!(".{mode_name}{}", if sat { ".sat" } else { "" });
                let round = |v: Value| {
                    let r = F32.encode(v, mode);
                    exactly(F32, if sat { F32.encode(saturate(F32.decode(r)), Mode::Rn) } else { r })
                };
                check(&format!("add{m}.f32.{t}"), &[(16, &a), (32, &c)], 32, |v| round(add(f.decode(v[0]), F32.decode(v[1]), mode)));
                check(&format!("sub{m}.f32.{t}"), &[(16, &a), (32, &c)], 32, |v| round(add(f.decode(v[0]), neg(F32.decode(v[1])), mode)));
                check(&format!("fma{m}.f32.{t}"), &[(16, &three[0]), (16, &three[1]), (32, &three[2])], 32, |v| round(fma(f.decode(v[0]), f.decode(v[1]), F32.decode(v[2]), mode)));
            }
        }
    }
}
