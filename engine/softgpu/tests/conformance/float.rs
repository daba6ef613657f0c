//! Single and double precision (PTX ISA 9.7.3): exact forms in every rounding, approximations within their stated error.

use crate::exact::*;
use crate::harness::*;

fn name(f: Format) -> &'static str {
    match (f.exp, f.mant) {
        (8, 23) => "f32",
        (11, 52) => "f64",
        (5, 10) => "f16",
        _ => "bf16",
    }
}

/// A value between 0 and 1, NaN is zero.
pub fn saturate(v: Value) -> Value {
    match v {
        Value::Nan | Value::Inf(true) | Value::Zero(_) | Value::Finite { neg: true, .. } => Value::Zero(false),
        v if order(v, from_int(1)) == Some(std::cmp::Ordering::Greater) => from_int(1),
        v => v,
    }
}

type Reference<'a> = &'a dyn Fn(&[Value], Mode) -> Value;

/// `op` in the roundings given, with and without .ftz and .sat where the type has them.
fn arithmetic(op: &str, f: Format, modes: &[(&str, Mode)], inputs: &[Vec<u64>], sat: bool, reference: Reference<'_>) {
    let list: Vec<(u32, &[u64])> = inputs.iter().map(|v| (f.bits(), v.as_slice())).collect();
    for (mode_name, mode) in modes {
        for ftz in [false, true] {
            for saturated in [false, true] {
                if (ftz && f != F32) || (saturated && !sat) {
                    continue;
                }
                let mode_name = if mode_name.is_empty() { String::new() } else { format!(".{mode_name}") };
                let instr = format!("{op}{mode_name}{}{}.{}", if ftz { ".ftz" } else { "" }, if saturated { ".sat" } else { "" }, name(f));
                check(&instr, &list, f.bits(), |v| {
                    let values: Vec<Value> = v.iter().map(|x| f.decode(if ftz { f.flush(*x) } else { *x })).collect();
                    let r = reference(&values, *mode);
                    // Results are rounded, then held between 0 and 1.
                    let r = f.encode(r, *mode);
                    let r = if saturated { f.encode(saturate(f.decode(r)), Mode::Rn) } else { r };
                    exactly(f, if ftz { f.flush(r) } else { r })
                });
            }
        }
    }
}

fn lists2(f: Format) -> Vec<Vec<u64>> {
    let v = floats(f, 24);
    let (a, b) = pairs(&v, &v);
    vec![a, b]
}

fn lists3(f: Format) -> Vec<Vec<u64>> {
    let v = floats(f, 40);
    triples(&v, &v, &v, 9000).to_vec()
}

pub fn sums_and_products() {
    for f in [F32, F64] {
        let two = lists2(f);
        let single = f == F32;
        let unnamed = [("", Mode::Rn)];
        for modes in [&MODES[..], &unnamed] {
            arithmetic("add", f, modes, &two, single, &|v, m| add(v[0], v[1], m));
            arithmetic("sub", f, modes, &two, single, &|v, m| add(v[0], neg(v[1]), m));
            arithmetic("mul", f, modes, &two, single, &|v, _| mul(v[0], v[1]));
        }
        let three = lists3(f);
        // Without the processor's own fused operations the directed forms in double precision are refused.
        let refused = f == F64 && std::env::var_os("RINGWAY_SOFTGPU_BASELINE").is_some();
        let modes = if refused { &MODES[..1] } else { &MODES };
        arithmetic("fma", f, modes, &three, single, &|v, m| fma(v[0], v[1], v[2], m));
        arithmetic("mad", f, modes, &three, single, &|v, m| fma(v[0], v[1], v[2], m));
    }
}

pub fn quotients_and_roots() {
    for f in [F32, F64] {
        arithmetic("div", f, &MODES, &lists2(f), false, &|v, _| div(v[0], v[1]));
        let one = vec![floats(f, 3000)];
        arithmetic("rcp", f, &MODES, &one, false, &|v, _| div(from_int(1), v[0]));
        arithmetic("sqrt", f, &MODES, &one, false, &|v, _| sqrt(v[0]));
    }
}

/// min or max: a NaN loses unless .NaN, -0 is below +0.
pub fn extreme(f: Format, max: bool, nan: bool, abs: bool, xorsign: bool, v: &[u64]) -> u64 {
    let magnitude = f.sign_bit() - 1;
    let sign = v.iter().fold(0, |s, x| s ^ x) & f.sign_bit();
    let v: Vec<u64> = v.iter().map(|x| if abs { x & magnitude } else { *x }).collect();
    if v.iter().all(|x| f.is_nan(*x)) || nan && v.iter().any(|x| f.is_nan(*x)) {
        return magnitude;
    }
    let r = v.iter().copied().filter(|x| !f.is_nan(*x)).reduce(|a, b| {
        let less = match order(f.decode(a), f.decode(b)) {
            Some(std::cmp::Ordering::Less) => true,
            Some(std::cmp::Ordering::Equal) => f.sign(a),
            _ => false,
        };
        if less != max { a } else { b }
    });
    let r = r.unwrap_or(0);
    if xorsign { r & magnitude | sign } else { r }
}

pub fn extremes() {
    for f in [F32, F64] {
        let two = lists2(f);
        let list: Vec<(u32, &[u64])> = two.iter().map(|v| (f.bits(), v.as_slice())).collect();
        for (op, max) in [("min", false), ("max", true)] {
            for ftz in [false, true] {
                for nan in [false, true] {
                    for xorsign in [false, true] {
                        if f == F64 && (ftz || nan || xorsign) {
                            continue;
                        }
                        let mods = [(ftz, ".ftz"), (nan, ".NaN"), (xorsign, ".xorsign.abs")].iter().filter(|m| m.0).map(|m| m.1).collect::<String>();
                        check(&format!("{op}{mods}.{}", name(f)), &list, f.bits(), |v| {
                            let v: Vec<u64> = v.iter().map(|x| if ftz { f.flush(*x) } else { *x }).collect();
                            exactly(f, extreme(f, max, nan, xorsign, xorsign, &v))
                        });
                    }
                }
            }
        }
    }
    // Of three.
    let three = lists3(F32);
    let list: Vec<(u32, &[u64])> = three.iter().map(|v| (32, v.as_slice())).collect();
    for (op, max) in [("min", false), ("max", true)] {
        for (mods, ftz, nan, abs) in [("", false, false, false), (".ftz", true, false, false), (".NaN", false, true, false), (".abs", false, false, true), (".NaN.abs", false, true, true)] {
            check(&format!("{op}{mods}.f32"), &list, 32, |v| {
                let v: Vec<u64> = v.iter().map(|x| if ftz { F32.flush(*x) } else { *x }).collect();
                exactly(F32, extreme(F32, max, nan, abs, false, &v))
            });
        }
    }
}

pub fn signs_and_properties() {
    for f in [F32, F64] {
        let v = floats(f, 400);
        let t = name(f);
        let bits = f.bits();
        for ftz in [false, true] {
            if ftz && f == F64 {
                continue;
            }
            let m = if ftz { ".ftz" } else { "" };
            let flush = |x: u64| if ftz { f.flush(x) } else { x };
            check(&format!("neg{m}.{t}"), &[(bits, &v)], bits, |v| exactly(f, flush(v[0]) ^ f.sign_bit()));
            check(&format!("abs{m}.{t}"), &[(bits, &v)], bits, |v| exactly(f, flush(v[0]) & !f.sign_bit()));
        }
        let two = lists2(f);
        check_bits(&format!("copysign.{t}"), &[(bits, &two[0]), (bits, &two[1])], bits, |v| v[0] & f.sign_bit() | v[1] & !f.sign_bit());
        type Property = fn(Format, u64) -> bool;
        let is_infinite: Property = |f, x| x & !f.sign_bit() == f.inf();
        let properties: [(&str, Property); 6] = [
            ("finite", |f, x| x & !f.sign_bit() < f.inf()),
            ("infinite", is_infinite),
            ("number", |f, x| !f.is_nan(x)),
            ("notanumber", |f, x| f.is_nan(x)),
            ("normal", |f, x| x & f.inf() != 0 && x & !f.sign_bit() < f.inf()),
            ("subnormal", |f, x| f.is_subnormal(x)),
        ];
        for (p, holds) in properties {
            let op = format!("testp.{p}.{t}");
            check_body(&op, ".reg .pred %p;", &format!("{op} %p, %in0; selp.b32 %out, 1, 0, %p;"), &[(bits, &v)], 32, |v| Want::Bits(holds(f, v[0]).into()));
        }
    }
}

type Relation = fn(Option<std::cmp::Ordering>) -> bool;
pub const RELATIONS: [(&str, Relation); 14] = [
    ("eq", |o| o.is_some_and(|o| o.is_eq())),
    ("ne", |o| o.is_some_and(|o| o.is_ne())),
    ("lt", |o| o.is_some_and(|o| o.is_lt())),
    ("le", |o| o.is_some_and(|o| o.is_le())),
    ("gt", |o| o.is_some_and(|o| o.is_gt())),
    ("ge", |o| o.is_some_and(|o| o.is_ge())),
    ("equ", |o| o.is_none_or(|o| o.is_eq())),
    ("neu", |o| o.is_none_or(|o| o.is_ne())),
    ("ltu", |o| o.is_none_or(|o| o.is_lt())),
    ("leu", |o| o.is_none_or(|o| o.is_le())),
    ("gtu", |o| o.is_none_or(|o| o.is_gt())),
    ("geu", |o| o.is_none_or(|o| o.is_ge())),
    ("num", |o| o.is_some()),
    ("nan", |o| o.is_none()),
];

pub fn compare() {
    for f in [F32, F64] {
        let two = lists2(f);
        let odd: Vec<u64> = (0..two[0].len() as u64).map(|k| k * 5 % 3 % 2).collect();
        let bits = f.bits();
        let i: [(u32, &[u64]); 3] = [(bits, &two[0]), (bits, &two[1]), (32, &odd)];
        for (cmp, holds) in RELATIONS {
            for ftz in [false, true] {
                if ftz && f == F64 {
                    continue;
                }
                let m = if ftz { ".ftz" } else { "" };
                let flush = |x: u64| f.decode(if ftz { f.flush(x) } else { x });
                let is = |v: &[u64]| holds(order(flush(v[0]), flush(v[1])));
                let op = format!("setp.{cmp}{m}.{}", name(f));
                check_body(&op, ".reg .pred %p, %q; .reg .b32 %x;", &format!("{op} %p|%q, %in0, %in1; selp.b32 %out, 1, 0, %p; selp.b32 %x, 2, 0, %q; or.b32 %out, %out, %x;"), &i, 32, |v| {
                    Want::Bits(if is(v) { 1 } else { 2 })
                });
                for (join, g) in [("and", (|p, q| p & q) as fn(bool, bool) -> bool), ("or", |p, q| p | q), ("xor", |p, q| p ^ q)] {
                    let op = format!("setp.{cmp}.{join}{m}.{}", name(f));
                    let body = format!("setp.ne.u32 %r, %in2, 0; {op} %p|%q, %in0, %in1, !%r; selp.b32 %out, 1, 0, %p; selp.b32 %x, 2, 0, %q; or.b32 %out, %out, %x;");
                    check_body(&op, ".reg .pred %p, %q, %r; .reg .b32 %x;", &body, &i, 32, |v| {
                        Want::Bits(u64::from(g(is(v), v[2] == 0)) | u64::from(g(!is(v), v[2] == 0)) << 1)
                    });
                }
                for (to, one) in [("u32", 0xffff_ffffu64), ("s32", 0xffff_ffff), ("f32", 0x3f80_0000)] {
                    check_bits(&format!("set.{cmp}{m}.{to}.{}", name(f)), &i[..2], 32, |v| if is(v) { one } else { 0 });
                }
            }
        }
    }
}

/// Moderate arguments for functions whose error is stated over a range.
fn moderate(random: usize) -> Vec<u64> {
    let mut v = floats(F32, 60);
    let mut r = Random::new(99);
    for k in 0..random {
        let x = (r.next() >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
        let scale = [1.0, 0.01, 6.3, 30.0, 126.0, 1e-6][k % 6];
        v.push(u64::from(((x * scale) as f32).to_bits()));
    }
    v
}

/// A function of one operand within an error.
fn approximate(op: &str, f: Format, inputs: &[u64], function: impl Fn(f64) -> f64, error: impl Fn(f64, f64) -> Option<(f64, f64)>) {
    for ftz in [false, true] {
        if ftz && f != F32 {
            continue;
        }
        let instr = format!("{op}{}.{}", if ftz { ".ftz" } else { "" }, name(f));
        check(&instr, &[(f.bits(), inputs)], f.bits(), |v| {
            let x = to_f64(f.decode(if ftz { f.flush(v[0]) } else { v[0] }));
            let y = function(x);
            let Some((absolute, relative)) = error(x, y) else { return Want::Anything };
            let tiny = to_f64(f.decode(1 << f.mant));
            if ftz && y.abs() < tiny * 1.000_001 {
                return Want::Near { format: f, value: 0.0, absolute: tiny * 1.000_001, relative: 0.0 };
            }
            // A subnormal result is no more exact than its quantum.
            let absolute = absolute.max(if f == F32 { 2f64.powi(-149) } else { 0.0 });
            Want::Near { format: f, value: y, absolute, relative }
        });
    }
}

pub fn approximations() {
    let v = moderate(3000);
    let ulp = 2f64.powi(-23);
    approximate("rcp.approx", F32, &v, |x| 1.0 / x, |_, _| Some((0.0, ulp)));
    approximate("sqrt.approx", F32, &v, f64::sqrt, |_, _| Some((0.0, ulp)));
    approximate("rsqrt.approx", F32, &v, |x| if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() }, |_, _| Some((0.0, 2f64.powf(-22.9))));
    let circle = |x: f64, _: f64| match x.abs() {
        a if a <= 6.283_185_4 => Some((2f64.powf(-20.5), 0.0)),
        a if a <= 314.0 => Some((2f64.powf(-14.7), 0.0)),
        a if a.is_finite() => None,
        _ => Some((0.0, 0.0)),
    };
    approximate("sin.approx", F32, &v, f64::sin, circle);
    approximate("cos.approx", F32, &v, f64::cos, circle);
    approximate("lg2.approx", F32, &v, |x| if x == 0.0 { f64::NEG_INFINITY } else { x.log2() }, |x, _| Some(if x > 0.5 && x < 2.0 { (2f64.powi(-22), 0.0) } else { (0.0, 2f64.powi(-22)) }));
    approximate("ex2.approx", F32, &v, f64::exp2, |_, _| Some((0.0, 2f64.powi(-22))));
    check("tanh.approx.f32", &[(32, &v)], 32, |v| Want::Near { format: F32, value: f64::from(f32::from_bits(v[0] as u32)).tanh(), absolute: 2f64.powi(-149), relative: 2f64.powi(-11) });
    let d = floats(F64, 2000);
    check("rsqrt.approx.f64", &[(64, &d)], 64, |v| {
        let x = f64::from_bits(v[0]);
        Want::Near { format: F64, value: if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() }, absolute: 0.0, relative: 2f64.powi(-51) }
    });
    // The low words of these results are zero, and subnormal numbers count as zeros.
    for (op, f) in [("rcp", (|x| 1.0 / x) as fn(f64) -> f64), ("rsqrt", |x| if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() })] {
        check(&format!("{op}.approx.ftz.f64"), &[(64, &d)], 64, |v| {
            let y = f(f64::from_bits(F64.flush(v[0])));
            if y.is_subnormal() || y.abs() < f64::MIN_POSITIVE * 1.001 {
                return Want::Near { format: F64, value: 0.0, absolute: f64::MIN_POSITIVE * 1.001, relative: 0.0 };
            }
            Want::Near { format: F64, value: y, absolute: 0.0, relative: 2f64.powi(-20) }
        });
        check_body(op, "", &format!("{op}.approx.ftz.f64 %out, %in0; shl.b64 %out, %out, 32;"), &[(64, &d)], 64, |_| Want::Bits(0));
    }
    // Special values that the manual's tables give.
    let specials = [0u64, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x1, 0x8000_0001];
    check("ex2.approx.f32", &[(32, &specials)], 32, |v| match v[0] {
        0x7f80_0000 => Want::Bits(0x7f80_0000),
        0xff80_0000 => Want::Bits(0),
        0x7fc0_0000 => Want::Nan(F32),
        _ => Want::Bits(0x3f80_0000),
    });
    check("rcp.approx.f32", &[(32, &specials[..4])], 32, |v| Want::Bits([0x7f80_0000u64, 0xff80_0000, 0, 0x8000_0000][specials.iter().position(|x| *x == v[0]).unwrap()]));
    check("sqrt.approx.f32", &[(32, &specials[..4])], 32, |v| match v[0] {
        0xff80_0000 => Want::Nan(F32),
        x => Want::Bits(x),
    });
    check("rsqrt.approx.f32", &[(32, &specials[..4])], 32, |v| match v[0] {
        0 => Want::Bits(0x7f80_0000),
        0x8000_0000 => Want::Bits(0xff80_0000),
        0x7f80_0000 => Want::Bits(0),
        _ => Want::Nan(F32),
    });
}

pub fn approximate_quotients() {
    let v = floats(F32, 40);
    let (a, b) = pairs(&v, &v);
    for ftz in [false, true] {
        for form in ["approx", "full"] {
            check(&format!("div.{form}{}.f32", if ftz { ".ftz" } else { "" }), &[(32, &a), (32, &b)], 32, |v| {
                let x = |k: usize| f64::from(f32::from_bits((if ftz { F32.flush(v[k]) } else { v[k] }) as u32));
                let (p, q) = (x(0), x(1));
                if form == "approx" && q.abs() > 2f64.powi(126) && q.is_finite() {
                    // "If a is infinity NaN, otherwise 0."
                    return if p.is_infinite() || p.is_nan() { Want::Nan(F32) } else { Want::Near { format: F32, value: 0.0, absolute: 0.0, relative: 0.0 } };
                }
                let y = p / q;
                let tiny = f64::from(f32::MIN_POSITIVE);
                if y.abs() < tiny * 1.001 && (ftz || form == "approx") {
                    return Want::Near { format: F32, value: 0.0, absolute: tiny * 1.001, relative: 0.0 };
                }
                Want::Near { format: F32, value: y, absolute: 2f64.powi(-148), relative: 2f64.powi(-22) }
            });
        }
    }
}

/// Two single-precision numbers in one register.
pub fn packed_pairs() {
    let v = floats(F32, 40);
    let [a, b, c] = triples(&v, &v, &v, 6000);
    let join = |x: &[u64]| -> Vec<u64> { (0..x.len()).map(|k| x[k] | x[(k * 7 + 3) % x.len()] << 32).collect() };
    let (a, b, c) = (join(&a), join(&b), join(&c));
    for (mode_name, mode) in MODES {
        for ftz in [false, true] {
            let m = format!("{mode_name}{}", if ftz { ".ftz" } else { "" });
            let lanes = |v: &[u64], f: &dyn Fn(&[Value]) -> Value, shift: u32| {
                let x: Vec<Value> = v.iter().map(|x| x >> shift & 0xffff_ffff).map(|x| F32.decode(if ftz { F32.flush(x) } else { x })).collect();
                let r = F32.encode(f(&x), mode);
                exactly(F32, if ftz { F32.flush(r) } else { r })
            };
            for (op, n, f) in [
                ("add", 2, &(|x: &[Value]| add(x[0], x[1], mode)) as &dyn Fn(&[Value]) -> Value),
                ("sub", 2, &|x| add(x[0], neg(x[1]), mode)),
                ("mul", 2, &|x| mul(x[0], x[1])),
                ("fma", 3, &|x| fma(x[0], x[1], x[2], mode)),
            ] {
                for (half, shift) in [("%out, %x", 0u32), ("%x, %out", 32)] {
                    let operands = ["%in0", "%in1", "%in2"][..n].join(", ");
                    check_body(&format!("{op}.{m}.f32x2"), ".reg .b64 %r; .reg .b32 %x;", &format!("{op}.{m}.f32x2 %r, {operands}; mov.b64 {{{half}}}, %r;"), &[(64, &a), (64, &b), (64, &c)], 32, |v| lanes(&v[..n], f, shift));
                }
            }
        }
    }
}
