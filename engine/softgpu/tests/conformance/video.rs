//! Video instructions (PTX ISA 9.7.17).

use crate::harness::*;

fn operands() -> [Vec<u64>; 3] {
    let mut v = integers(32, 14);
    v.extend([0x7f80_ff01, 0x8000_7fff, 0x0102_0304, 0xfffe_0001]);
    triples(&v, &v, &v, 1500)
}

const SIGNS: [bool; 2] = [false, true];

fn name(signed: bool) -> &'static str {
    if signed { "s32" } else { "u32" }
}

/// Selectors of scalar operands: text, position, bits.
const PARTS: [(&str, u32, u32); 7] = [("", 0, 32), (".b0", 0, 8), (".b1", 8, 8), (".b2", 16, 8), (".b3", 24, 8), (".h0", 0, 16), (".h1", 16, 16)];

fn read(v: u64, (_, at, bits): (&str, u32, u32), signed: bool) -> i128 {
    number(v >> at, bits, signed)
}

fn limit(v: i128, bits: u32, signed: bool) -> i128 {
    let (lo, hi) = if signed { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) };
    v.clamp(lo, hi)
}

/// What follows the operation proper: saturation, then nothing, an operation with c, or a merge into c.
fn finish(r: i128, c: u64, signed: bool, sat: bool, second: &str, to: Option<(&str, u32, u32)>) -> u64 {
    let r = if sat { limit(r, to.map_or(32, |t| t.2), signed) } else { r } as u64 & mask(32);
    match (second, to) {
        ("add", _) => r.wrapping_add(c) & mask(32),
        ("min", _) => if number(r, 32, signed) < number(c, 32, signed) { r } else { c },
        ("max", _) => if number(r, 32, signed) > number(c, 32, signed) { r } else { c },
        (_, Some((_, at, bits))) => c & !(mask(bits) << at) & mask(32) | (r & mask(bits)) << at,
        _ => r,
    }
}

/// All forms of one scalar instruction for a choice of selectors.
fn scalar(op: &str, mode: &str, b_always_unsigned: bool, f: &dyn Fn(i128, i128) -> i128) {
    let [a, b, c] = operands();
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &c)];
    let mut turn = 0;
    for sd in SIGNS {
        for sa in SIGNS {
            for sb in SIGNS {
                if b_always_unsigned && sb {
                    continue;
                }
                for sat in SIGNS {
                    for (second, merged) in [("", false), ("add", false), ("min", false), ("max", false), ("", true)] {
                        // Selectors in turn: every one is used with every operand.
                        turn += 1;
                        let (pa, pb) = (PARTS[turn % 7], PARTS[turn / 3 % 7]);
                        let to = merged.then(|| PARTS[1 + turn % 6]);
                        let tail = if second.is_empty() { String::new() } else { format!(".{second}") };
                        let instr = format!("{op}.{}.{}.{}{}{mode}{tail}", name(sd), name(sa), name(sb), if sat { ".sat" } else { "" });
                        let third = if merged || !second.is_empty() { ", %in2" } else { "" };
                        let body = format!("{instr} %out{}, %in0{}, %in1{}{third};", to.map_or("", |t| t.0), pa.0, pb.0);
                        check_body(op, "", &body, &i, 32, |v| Want::Bits(finish(f(read(v[0], pa, sa), read(v[1], pb, sb)), v[2], sd, sat, second, to)));
                    }
                }
            }
        }
    }
}

pub fn scalar_arithmetic() {
    scalar("vadd", "", false, &|a, b| a + b);
    scalar("vsub", "", false, &|a, b| a - b);
    scalar("vabsdiff", "", false, &|a, b| (a - b).abs());
    scalar("vmin", "", false, &i128::min);
    scalar("vmax", "", false, &i128::max);
    scalar("vshl", ".clamp", true, &|a, b| a << b.clamp(0, 32));
    scalar("vshl", ".wrap", true, &|a, b| a << (b & 31));
    scalar("vshr", ".clamp", true, &|a, b| a >> b.clamp(0, 32));
    scalar("vshr", ".wrap", true, &|a, b| a >> (b & 31));
}

type Test = fn(i128, i128) -> bool;
const ORDERS: [(&str, Test); 6] =
    [("eq", |p, q| p == q), ("ne", |p, q| p != q), ("lt", |p, q| p < q), ("le", |p, q| p <= q), ("gt", |p, q| p > q), ("ge", |p, q| p >= q)];

pub fn scalar_comparison() {
    let [a, b, c] = operands();
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &c)];
    let mut turn = 0;
    for (cmp, f) in ORDERS {
        for sa in SIGNS {
            for sb in SIGNS {
                for (second, merged) in [("", false), ("add", false), ("min", false), ("max", false), ("", true)] {
                    turn += 1;
                    let (pa, pb) = (PARTS[turn % 7], PARTS[turn / 2 % 7]);
                    let to = merged.then(|| PARTS[1 + turn % 6]);
                    let tail = if second.is_empty() { String::new() } else { format!(".{second}") };
                    let third = if merged || !second.is_empty() { ", %in2" } else { "" };
                    let body = format!("vset.{}.{}.{cmp}{tail} %out{}, %in0{}, %in1{}{third};", name(sa), name(sb), to.map_or("", |t| t.0), pa.0, pb.0);
                    check_body("vset", "", &body, &i, 32, |v| Want::Bits(finish(f(read(v[0], pa, sa), read(v[1], pb, sb)).into(), v[2], false, false, second, to)));
                }
            }
        }
    }
}

pub fn multiply_add() {
    let [a, b, c] = operands();
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &c)];
    let mut turn = 0;
    for sa in SIGNS {
        for sb in SIGNS {
            for sat in SIGNS {
                for (scale, shift) in [("", 0), (".shr7", 7), (".shr15", 15)] {
                    for (po, na, nb, nc) in [(false, false, false, false), (true, false, false, false), (false, true, false, false), (false, false, true, false), (false, true, true, false), (false, false, false, true)] {
                        turn += 1;
                        let (pa, pb) = (PARTS[turn % 7], PARTS[turn / 3 % 7]);
                        let minus = |n| if n { "-" } else { "" };
                        let is_signed = sa || sb || na != nb || nc;
                        let body = format!(
                            "vmad.{}.{}.{}{}{}{scale} %out, {}%in0{}, {}%in1{}, {}%in2;",
                            name(is_signed), name(sa), name(sb), if po { ".po" } else { "" }, if sat { ".sat" } else { "" }, minus(na), pa.0, minus(nb), pb.0, minus(nc)
                        );
                        check_body("vmad", "", &body, &i, 32, |v| {
                            let product = read(v[0], pa, sa) * read(v[1], pb, sb) * if na != nb { -1 } else { 1 };
                            let c = number(v[2], 32, is_signed) * if nc { -1 } else { 1 };
                            let r = (product + c + i128::from(po)) >> shift;
                            Want::Bits(if sat { limit(r, 32, is_signed) } else { r } as u64 & mask(32))
                        });
                    }
                }
            }
        }
    }
}

/// Instructions on two or four parts of a register, with selectors, masks and accumulation.
fn packed(op: &str, types: &dyn Fn(bool, bool, bool) -> String, elements: u32, tail: &str, f: &dyn Fn(i128, i128) -> i128, sats: &[bool]) {
    let [a, b, c] = operands();
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &c)];
    let bits = 32 / elements;
    let instr = format!("{op}{elements}");
    let letter = if elements == 4 { "b" } else { "h" };
    let masks: &[u32] = if elements == 4 { &[15, 1, 5, 8, 14] } else { &[3, 1, 2] };
    let mut turn = 0usize;
    for sd in SIGNS {
        for sa in SIGNS {
            for sb in SIGNS {
                for sat in sats {
                    for accumulate in SIGNS {
                        turn += 1;
                        let m = masks[turn % masks.len()];
                        let selected = turn % 2 == 0;
                        // A selector names elements of a and b together, the highest first.
                        let list = |from: usize| -> Vec<u32> {
                            (0..elements).map(|k| if selected { ((turn * 3 + from * 5 + k as usize * 7) % (2 * elements as usize)) as u32 } else { k + from as u32 * elements }).collect()
                        };
                        let (la, lb) = (list(0), list(1));
                        let text = |l: &[u32]| if selected { format!(".{letter}{}", l.iter().rev().map(u32::to_string).collect::<String>()) } else { String::new() };
                        let full = m == (1 << elements) - 1;
                        let mask_text = if full { String::new() } else { format!(".{letter}{}", (0..elements).rev().filter(|k| m >> k & 1 != 0).map(|k| k.to_string()).collect::<String>()) };
                        let body = format!(
                            "{instr}{}{}{tail}{} %out{mask_text}, %in0{}, %in1{}, %in2;",
                            types(sd, sa, sb), if *sat { ".sat" } else { "" }, if accumulate { ".add" } else { "" }, text(&la), text(&lb)
                        );
                        check_body(&instr, "", &body, &i, 32, |v| {
                            let both = v[1] << 32 | v[0];
                            let mut d = v[2];
                            for k in (0..elements).filter(|k| m >> k & 1 != 0) {
                                let x = number(both >> (bits * la[k as usize]), bits, sa);
                                let y = number(both >> (bits * lb[k as usize]), bits, sb);
                                let r = f(x, y);
                                let r = if *sat { limit(r, bits, sd) } else { r } as u64;
                                d = if accumulate { d.wrapping_add(r) & mask(32) } else { d & !(mask(bits) << (bits * k)) | (r & mask(bits)) << (bits * k) };
                            }
                            Want::Bits(d)
                        });
                    }
                }
            }
        }
    }
}

pub fn packed_arithmetic() {
    let types = |d: bool, a: bool, b: bool| format!(".{}.{}.{}", name(d), name(a), name(b));
    for n in [2, 4] {
        packed("vadd", &types, n, "", &|a, b| a + b, &SIGNS);
        packed("vsub", &types, n, "", &|a, b| a - b, &SIGNS);
        packed("vavrg", &types, n, "", &|a, b| if a + b >= 0 { (a + b + 1) >> 1 } else { (a + b) >> 1 }, &SIGNS);
        packed("vabsdiff", &types, n, "", &|a, b| (a - b).abs(), &SIGNS);
        packed("vmin", &types, n, "", &i128::min, &SIGNS);
        packed("vmax", &types, n, "", &i128::max, &SIGNS);
        for (cmp, f) in ORDERS {
            packed("vset", &|_, a, b| format!(".{}.{}.{cmp}", name(a), name(b)), n, "", &|a, b| f(a, b).into(), &[false]);
        }
    }
}
