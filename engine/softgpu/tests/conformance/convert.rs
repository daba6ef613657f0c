//! cvt between all types (PTX ISA 9.7.9.21, .22).

use crate::exact::*;
use crate::float::saturate;
use crate::harness::*;

const INTEGERS: [(&str, u32, bool); 8] =
    [("u8", 8, false), ("s8", 8, true), ("u16", 16, false), ("s16", 16, true), ("u32", 32, false), ("s32", 32, true), ("u64", 64, false), ("s64", 64, true)];
const FLOATS: [(&str, Format); 4] = [("f16", F16), ("bf16", BF16), ("f32", F32), ("f64", F64)];
const INTEGRAL: [(&str, Mode); 4] = [("rni", Mode::Rn), ("rzi", Mode::Rz), ("rmi", Mode::Rm), ("rpi", Mode::Rp)];

fn range(bits: u32, signed: bool) -> (i128, i128) {
    if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// 8-bit sources are read from registers of 16 bits whose upper half is noise.
fn source(bits: u32) -> (u32, Vec<u64>) {
    if bits == 8 { (16, integers(16, 60)) } else { (bits, integers(bits, 60)) }
}

pub fn integers_to_integers() {
    for (st, sb, ss) in INTEGERS {
        let (width, values) = source(sb);
        for (dt, db, ds) in INTEGERS {
            for sat in [false, true] {
                let convert = |v: u64| {
                    let x = number(v, sb, ss);
                    let (lo, hi) = range(db, ds);
                    if sat { x.clamp(lo, hi) as u64 & mask(db) } else { x as u64 & mask(db) }
                };
                let m = if sat { ".sat" } else { "" };
                // Into a register of the type's width, and into wider ones, to which the result is extended by its sign.
                for out in [16u32, 32, 64].into_iter().filter(|w| *w >= db) {
                    check_bits(&format!("cvt{m}.{dt}.{st}"), &[(width, &values)], out, |v| number(convert(v[0]), db, ds) as u64 & mask(out));
                }
            }
        }
    }
}

pub fn integers_to_floats() {
    for (st, sb, ss) in INTEGERS {
        let (width, values) = source(sb);
        for (dt, f) in FLOATS {
            for (m, mode) in MODES {
                for sat in [false, true] {
                    let s = if sat { ".sat" } else { "" };
                    check_bits(&format!("cvt.{m}{s}.{dt}.{st}"), &[(width, &values)], f.bits(), |v| {
                        let r = f.encode(from_int(number(v[0], sb, ss)), mode);
                        if sat { f.encode(saturate(f.decode(r)), Mode::Rn) } else { r }
                    });
                }
            }
        }
    }
}

pub fn floats_to_integers() {
    for (st, f) in FLOATS {
        let mut values = floats(f, 500);
        // Around the ends of the integer ranges.
        for k in [7, 8, 15, 16, 31, 32, 63, 64] {
            for d in [-1, 0, 1] {
                let b = f.encode(from_int((1i128 << k) + d), Mode::Rn);
                values.extend([b, b | f.sign_bit(), b.wrapping_sub(1) & mask(f.bits()), b + 1]);
            }
        }
        for (dt, db, ds) in INTEGERS {
            for (m, mode) in INTEGRAL {
                for (z, ftz) in [("", false), (".ftz", true)] {
                    for sat in ["", ".sat"] {
                        if ftz && f != F32 {
                            continue;
                        }
                        check_bits(&format!("cvt.{m}{z}{sat}.{dt}.{st}"), &[(f.bits(), &values)], db.max(16), |v| {
                            let x = f.decode(if ftz { f.flush(v[0]) } else { v[0] });
                            let (lo, hi) = range(db, ds);
                            // NaN: zero, but for doubles and 64-bit results the value with only the top bit set.
                            let r = match to_int(x, mode) {
                                Some(n) => n.clamp(lo, hi),
                                None if f != F64 && db < 64 => 0,
                                None => 1 << (db - 1),
                            };
                            number(r as u64 & mask(db), db, ds) as u64 & mask(db.max(16))
                        });
                    }
                }
            }
        }
    }
}

pub fn floats_to_floats() {
    for (st, s) in FLOATS {
        let mut values = floats(s, 800);
        // Ties and neighbours of ties of the narrower formats.
        let mut r = Random::new(7);
        for (_, d) in FLOATS {
            if d.mant < s.mant {
                for _ in 0..200 {
                    let tie = s.encode(d.decode(r.next() & mask(d.bits())), Mode::Rn) & !mask(s.mant - d.mant) | 1 << (s.mant - d.mant - 1);
                    values.extend([tie, tie + 1, tie - 1]);
                }
            }
        }
        for (dt, d) in FLOATS {
            let narrowing = d.mant < s.mant || d.exp < s.exp;
            let modes: Vec<(String, Mode)> =
                if narrowing { MODES.iter().map(|(n, m)| (format!(".{n}"), *m)).collect() } else { vec![(String::new(), Mode::Rn)] };
            for (m, mode) in &modes {
                for sat in [false, true] {
                    for ftz in [false, true] {
                        // .ftz belongs to conversions with a single-precision side.
                        if ftz && s != F32 && d != F32 {
                            continue;
                        }
                        let z = if ftz { ".ftz" } else { "" };
                        let t = if sat { ".sat" } else { "" };
                        check(&format!("cvt{m}{z}{t}.{dt}.{st}"), &[(s.bits(), &values)], d.bits(), |v| {
                            let x = s.decode(if ftz && s == F32 { s.flush(v[0]) } else { v[0] });
                            let r = d.encode(x, *mode);
                            let r = if sat { d.encode(saturate(d.decode(r)), Mode::Rn) } else { r };
                            exactly(d, if ftz && d == F32 { d.flush(r) } else { r })
                        });
                    }
                }
            }
        }
        // To an integral value of the same type.
        for (m, mode) in INTEGRAL {
            check(&format!("cvt.{m}.{st}.{st}"), &[(s.bits(), &values)], s.bits(), |v| {
                let x = s.decode(v[0]);
                match x {
                    Value::Finite { neg, .. } => match to_int(x, mode) {
                        Some(0) => Want::Bits(s.encode(Value::Zero(neg), mode)),
                        Some(n) if n.abs() < 1 << 90 => Want::Bits(s.encode(from_int(n), Mode::Rn)),
                        _ => Want::Bits(v[0]),
                    },
                    _ => exactly(s, v[0]),
                }
            });
        }
    }
}

/// relu, satfinite, pairs, tf32 and eight-bit floats.
pub fn narrow_forms() {
    let v = floats(F32, 800);
    let mut near = v.clone();
    for f in [F16, BF16, E4M3, E5M2] {
        for b in 0..mask(f.bits()).min(4000) {
            let x = f.decode((b * 13) & mask(f.bits()));
            let bits = F32.encode(x, Mode::Rn);
            near.extend([bits, bits + 1, bits.wrapping_sub(1) & 0xffff_ffff, bits + (1 << (22 - f.mant)), (bits + (1 << (22 - f.mant))) ^ 1]);
        }
    }
    let b: Vec<u64> = near.iter().rev().copied().collect();
    let relu = |f: Format, r: u64| if f.sign(r) && !f.is_nan(r) { 0 } else { r };
    let finite = |f: Format, r: u64| if !f.finite_only && r & !f.sign_bit() == f.inf() { f.max() | r & f.sign_bit() } else { r };
    for (t, f) in [("f16", F16), ("bf16", BF16)] {
        for (m, mode) in [("rn", Mode::Rn), ("rz", Mode::Rz)] {
            for (r, s) in [(false, false), (true, false), (false, true), (true, true)] {
                let mods = format!("{}{}", if r { ".relu" } else { "" }, if s { ".satfinite" } else { "" });
                let one = |x: u64| {
                    let y = f.encode(F32.decode(x), mode);
                    let y = if s { finite(f, y) } else { y };
                    if r { relu(f, y) } else { y }
                };
                check_bits(&format!("cvt.{m}{mods}.{t}.f32"), &[(32, &near)], 16, |v| one(v[0]));
                check_bits(&format!("cvt.{m}{mods}.{t}x2.f32"), &[(32, &near), (32, &b)], 32, |v| one(v[0]) << 16 | one(v[1]));
            }
        }
    }
    for (m, mode) in [("rna", Mode::Rna), ("rn", Mode::Rn), ("rz", Mode::Rz)] {
        for (r, s) in [(false, false), (true, false), (false, true), (true, true)] {
            if m == "rna" && r {
                continue;
            }
            let mods = format!("{}{}", if r { ".relu" } else { "" }, if s { ".satfinite" } else { "" });
            check(&format!("cvt.{m}{mods}.tf32.f32"), &[(32, &near)], 32, |v| {
                let y = TF32.encode(F32.decode(v[0]), mode);
                let y = if s { finite(TF32, y) } else { y };
                let y = if r { relu(TF32, y) } else { y };
                if TF32.is_nan(y) { Want::Nan(F32) } else { Want::Bits(y << 13) }
            });
        }
    }
    let h = floats(F16, 600);
    let pairs16: Vec<u64> = (0..near.len()).map(|k| F16.encode(F32.decode(near[k]), Mode::Rn) | h[k % h.len()] << 16).collect();
    let bytes: Vec<u64> = (0..65536).collect();
    for (t, f) in [("e4m3", E4M3), ("e5m2", E5M2)] {
        for r in [false, true] {
            let mods = if r { ".relu" } else { "" };
            let one = |x: Value| {
                let y = finite(f, f.encode(x, Mode::Rn));
                if r { relu(f, y) } else { y }
            };
            check_bits(&format!("cvt.rn.satfinite{mods}.{t}x2.f32"), &[(32, &near), (32, &b)], 16, |v| one(F32.decode(v[0])) << 8 | one(F32.decode(v[1])));
            check_bits(&format!("cvt.rn.satfinite{mods}.{t}x2.f16x2"), &[(32, &pairs16)], 16, |v| one(F16.decode(v[0] >> 16)) << 8 | one(F16.decode(v[0] & 0xffff)));
            let back = |x: u64| {
                let y = F16.encode(f.decode(x), Mode::Rn);
                if r { relu(F16, y) } else { y }
            };
            for (shift, unpack) in [(0, "mov.b32 {%out, %x}, %r;"), (8, "mov.b32 {%x, %out}, %r;")] {
                check_body(&format!("cvt.rn{mods}.f16x2.{t}x2"), ".reg .b32 %r; .reg .b16 %x;", &format!("cvt.rn{mods}.f16x2.{t}x2 %r, %in0; {unpack}"), &[(16, &bytes)], 16, |v| {
                    exactly(F16, back(v[0] >> shift & 255))
                });
            }
        }
    }
}

/// cvt.pack: two saturated integers joined, and shifted into a third.
pub fn pack() {
    let v = integers(32, 20);
    let [a, b, c] = triples(&v, &v, &v, 6000);
    for (dt, db, ds) in [("u16", 16, false), ("s16", 16, true)] {
        let (lo, hi) = range(db, ds);
        let one = |x: u64| number(x, 32, true).clamp(lo, hi) as u64 & mask(db);
        check_bits(&format!("cvt.pack.sat.{dt}.s32"), &[(32, &a), (32, &b)], 32, |v| one(v[0]) << 16 | one(v[1]));
    }
    for (dt, db, ds) in [("u8", 8, false), ("s8", 8, true), ("u4", 4, false), ("s4", 4, true), ("u2", 2, false), ("s2", 2, true)] {
        let (lo, hi) = range(db, ds);
        let one = |x: u64| number(x, 32, true).clamp(lo, hi) as u64 & mask(db);
        check_bits(&format!("cvt.pack.sat.{dt}.s32.b32"), &[(32, &a), (32, &b), (32, &c)], 32, |v| {
            // The pair is the low part; the third operand moves up by its width.
            (v[2] << (2 * db) | one(v[0]) << db | one(v[1])) & 0xffff_ffff
        });
    }
}
