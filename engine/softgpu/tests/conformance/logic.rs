//! Logic, shifts, permutation, selection and comparison of integers (PTX ISA 9.7.6 to 9.7.8).

use crate::harness::*;

pub fn bitwise() {
    for bits in [16, 32, 64] {
        let v = integers(bits, 16);
        let (a, b) = pairs(&v, &v);
        let i: [(u32, &[u64]); 2] = [(bits, &a), (bits, &b)];
        check_bits(&format!("and.b{bits}"), &i, bits, |v| v[0] & v[1]);
        check_bits(&format!("or.b{bits}"), &i, bits, |v| v[0] | v[1]);
        check_bits(&format!("xor.b{bits}"), &i, bits, |v| v[0] ^ v[1]);
        check_bits(&format!("not.b{bits}"), &[(bits, &v)], bits, |v| !v[0] & mask(bits));
        check_bits(&format!("cnot.b{bits}"), &[(bits, &v)], bits, |v| u64::from(v[0] == 0));
    }
    // Predicates: all inputs of every operation, operands negated or not.
    let (a, b) = pairs(&[0, 1], &[0, 1]);
    for (op, f) in [("and", (|p, q| p & q) as fn(u64, u64) -> u64), ("or", |p, q| p | q), ("xor", |p, q| p ^ q)] {
        let decl = ".reg .pred %p, %q, %r;";
        let set = "setp.ne.u32 %p, %in0, 0; setp.ne.u32 %q, %in1, 0;";
        check_body(op, decl, &format!("{set} {op}.pred %r, %p, %q; selp.b32 %out, 1, 0, %r;"), &[(32, &a), (32, &b)], 32, |v| Want::Bits(f(v[0], v[1])));
        check_body(op, decl, &format!("{set} {op}.pred %r, !%p, %q; selp.b32 %out, 1, 0, %r;"), &[(32, &a), (32, &b)], 32, |v| Want::Bits(f(v[0] ^ 1, v[1])));
    }
    check_body("not", ".reg .pred %p;", "setp.ne.u32 %p, %in0, 0; not.pred %p, %p; selp.b32 %out, 1, 0, %p;", &[(32, &a)], 32, |v| Want::Bits(v[0] ^ 1));
    check_body("mov", ".reg .pred %p, %q;", "setp.ne.u32 %p, %in0, 0; mov.pred %q, %p; selp.b32 %out, 1, 0, %q;", &[(32, &a)], 32, |v| Want::Bits(v[0]));
}

pub fn look_up_tables() {
    let v = integers(32, 8);
    let [a, b, c] = triples(&v, &v, &v, 700);
    for table in 0..=255u64 {
        check_body("lop3.b32", "", &format!("lop3.b32 %out, %in0, %in1, %in2, {table};"), &[(32, &a), (32, &b), (32, &c)], 32, |v| {
            Want::Bits((0..32).fold(0, |r, k| {
                let at = (v[0] >> k & 1) << 2 | (v[1] >> k & 1) << 1 | v[2] >> k & 1;
                r | (table >> at & 1) << k
            }))
        });
    }
    // With a predicate: whether the result is not zero, joined with another.
    for (op, f) in [("and", (|p, q| p & q) as fn(bool, bool) -> bool), ("or", |p, q| p | q)] {
        for not in ["", "!"] {
            let body = format!(
                "setp.lt.u32 %q, %in2, 256; lop3.{op}.b32 %x|%p, %in0, %in1, %in2, 0x80, {not}%q; selp.b32 %y, 0x100000, 0, %p; and.b32 %x, %x, 0xfffff; or.b32 %out, %x, %y;"
            );
            check_body("lop3", ".reg .pred %p, %q; .reg .b32 %x, %y;", &body, &[(32, &a), (32, &b), (32, &c)], 32, |v| {
                let x = v[0] & v[1] & v[2];
                let q = (v[2] < 256) != (not == "!");
                Want::Bits(x & 0xfffff | if f(x != 0, q) { 0x10_0000 } else { 0 })
            });
        }
    }
}

const COUNTS: [u64; 18] = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 0x8000_0000, 0xffff_ffff];

pub fn shifts() {
    for bits in [16u32, 32, 64] {
        let (a, n) = pairs(&integers(bits, 30), &COUNTS);
        let i: [(u32, &[u64]); 2] = [(bits, &a), (32, &n)];
        let far = u64::from(bits);
        check_bits(&format!("shl.b{bits}"), &i, bits, |v| if v[1] >= far { 0 } else { v[0] << v[1] & mask(bits) });
        for t in ["b", "u"] {
            check_bits(&format!("shr.{t}{bits}"), &i, bits, |v| if v[1] >= far { 0 } else { v[0] >> v[1] });
        }
        check_bits(&format!("shr.s{bits}"), &i, bits, |v| (number(v[0], bits, true) >> v[1].min(far)) as u64 & mask(bits));
    }
    let w = integers(32, 8);
    let [a, b, n] = triples(&w, &w, &COUNTS, 8000);
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &n)];
    for wrapped in [false, true] {
        let count = move |n: u64| if wrapped { n & 31 } else { n.min(32) };
        let mode = if wrapped { "wrap" } else { "clamp" };
        check_bits(&format!("shf.l.{mode}.b32"), &i, 32, |v| ((u128::from(v[1] << 32 | v[0]) << count(v[2])) >> 32) as u64 & mask(32));
        check_bits(&format!("shf.r.{mode}.b32"), &i, 32, |v| (v[1] << 32 | v[0]) >> count(v[2]) & mask(32));
    }
}

pub fn permute_bytes() {
    let w = integers(32, 6);
    let selectors: Vec<u64> = [0x3210, 0x0123, 0x7654, 0x0000, 0xffff, 0xba98, 0x8421, 0x5140, 0xfedc, 1, 2, 3, 0xabcd_1234].to_vec();
    let [a, b, c] = triples(&w, &w, &selectors, 8000);
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &c)];
    let byte = |v: &[u64], n: u64| (v[1] << 32 | v[0]) >> (8 * (n & 7)) & 255;
    check_bits("prmt.b32", &i, 32, |v| {
        (0..4).fold(0, |r, k| {
            let n = v[2] >> (4 * k) & 15;
            let x = byte(v, n);
            r | if n >= 8 { if x >= 128 { 255 } else { 0 } } else { x } << (8 * k)
        })
    });
    // The tables of the manual: bytes 3, 2, 1, 0 of the result for the selector's low two bits.
    let modes: [(&str, [[u64; 4]; 4]); 6] = [
        ("f4e", [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]]),
        ("b4e", [[5, 6, 7, 0], [6, 7, 0, 1], [7, 0, 1, 2], [0, 1, 2, 3]]),
        ("rc8", [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]]),
        ("ecl", [[3, 2, 1, 0], [3, 2, 1, 1], [3, 2, 2, 2], [3, 3, 3, 3]]),
        ("ecr", [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 1, 0], [3, 2, 1, 0]]),
        ("rc16", [[1, 0, 1, 0], [3, 2, 3, 2], [1, 0, 1, 0], [3, 2, 3, 2]]),
    ];
    for (mode, table) in modes {
        check_bits(&format!("prmt.b32.{mode}"), &i, 32, |v| table[v[2] as usize & 3].iter().fold(0, |r, n| r << 8 | byte(v, *n)));
    }
}

type Test = fn(i128, i128) -> bool;
const ORDERS: [(&str, Test); 6] =
    [("eq", |p, q| p == q), ("ne", |p, q| p != q), ("lt", |p, q| p < q), ("le", |p, q| p <= q), ("gt", |p, q| p > q), ("ge", |p, q| p >= q)];
const UNSIGNED_ORDERS: [(&str, Test); 4] = [("lo", |p, q| p < q), ("ls", |p, q| p <= q), ("hi", |p, q| p > q), ("hs", |p, q| p >= q)];

pub fn compare_integers() {
    for bits in [16u32, 32, 64] {
        let v = integers(bits, 10);
        let (a, b) = pairs(&v, &v);
        let odd: Vec<u64> = (0..a.len() as u64).map(|k| k * 7 % 3 % 2).collect();
        let i: [(u32, &[u64]); 3] = [(bits, &a), (bits, &b), (32, &odd)];
        for (t, signed) in [('u', false), ('s', true), ('b', false)] {
            let list: Vec<(&str, Test)> = ORDERS.iter().chain(if t == 'u' { &UNSIGNED_ORDERS[..] } else { &[] }).copied().filter(|(n, _)| t != 'b' || matches!(*n, "eq" | "ne")).collect();
            for (cmp, f) in list {
                let holds = |v: &[u64]| f(number(v[0], bits, signed), number(v[1], bits, signed));
                let op = format!("setp.{cmp}.{t}{bits}");
                check_body(&op, ".reg .pred %p, %q; .reg .b32 %x;", &format!("{op} %p|%q, %in0, %in1; selp.b32 %out, 1, 0, %p; selp.b32 %x, 2, 0, %q; or.b32 %out, %out, %x;"), &i, 32, |v| {
                    Want::Bits(if holds(v) { 1 } else { 2 })
                });
                for (join, g) in [("and", (|p, q| p & q) as fn(bool, bool) -> bool), ("or", |p, q| p | q), ("xor", |p, q| p ^ q)] {
                    for not in ["", "!"] {
                        let op = format!("setp.{cmp}.{join}.{t}{bits}");
                        let body = format!("setp.ne.u32 %r, %in2, 0; {op} %p|%q, %in0, %in1, {not}%r; selp.b32 %out, 1, 0, %p; selp.b32 %x, 2, 0, %q; or.b32 %out, %out, %x;");
                        check_body(&op, ".reg .pred %p, %q, %r; .reg .b32 %x;", &body, &i, 32, |v| {
                            let c = (v[2] != 0) != (not == "!");
                            Want::Bits(u64::from(g(holds(v), c)) | u64::from(g(!holds(v), c)) << 1)
                        });
                    }
                }
                for (to, width, one) in [("u32", 32, 0xffff_ffffu64), ("s32", 32, 0xffff_ffff), ("f32", 32, 0x3f80_0000)] {
                    check_bits(&format!("set.{cmp}.{to}.{t}{bits}"), &i[..2], width, |v| if holds(v) { one } else { 0 });
                }
                let body = format!("setp.ne.u32 %r, %in2, 0; set.{cmp}.and.u32.{t}{bits} %out, %in0, %in1, %r;");
                check_body("set", ".reg .pred %r;", &body, &i, 32, |v| Want::Bits(if holds(v) && v[2] != 0 { 0xffff_ffff } else { 0 }));
            }
        }
    }
}

pub fn select() {
    for bits in [16u32, 32, 64] {
        let v = integers(bits, 6);
        let (a, b) = pairs(&v, &v);
        let c: Vec<u64> = (0..a.len() as u64).map(|k| [0, 1, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff, 0xbf80_0000, 0x3f80_0000, 0x7fc0_0000, 0xff80_0000, 0x8000_0001][k as usize % 10]).collect();
        let i: [(u32, &[u64]); 3] = [(bits, &a), (bits, &b), (32, &c)];
        let types: &[&str] = match bits {
            16 => &["b16", "u16", "s16"],
            32 => &["b32", "u32", "s32", "f32"],
            _ => &["b64", "u64", "s64", "f64"],
        };
        for t in types {
            check_body(&format!("selp.{t}"), ".reg .pred %p;", &format!("setp.lt.s32 %p, %in2, 0; selp.{t} %out, %in0, %in1, %p;"), &i, bits, |v| Want::Bits(if v[2] >> 31 != 0 { v[0] } else { v[1] }));
            check_bits(&format!("slct.{t}.s32"), &i, bits, |v| if v[2] as u32 as i32 >= 0 { v[0] } else { v[1] });
            check_bits(&format!("slct.{t}.f32"), &i, bits, |v| if f32::from_bits(v[2] as u32) >= 0.0 { v[0] } else { v[1] });
            // A subnormal number, flushed, is not below zero.
            check_bits(&format!("slct.ftz.{t}.f32"), &i, bits, |v| {
                let x = f32::from_bits(v[2] as u32);
                if x >= 0.0 || x.is_subnormal() { v[0] } else { v[1] }
            });
        }
    }
}

pub fn moves() {
    for bits in [16u32, 32, 64] {
        let v = integers(bits, 10);
        let types: &[&str] = match bits {
            16 => &["b16", "u16", "s16"],
            32 => &["b32", "u32", "s32", "f32"],
            _ => &["b64", "u64", "s64", "f64"],
        };
        for t in types {
            check_bits(&format!("mov.{t}"), &[(bits, &v)], bits, |v| v[0]);
        }
    }
    let w = integers(64, 30);
    let i: [(u32, &[u64]); 1] = [(64, &w)];
    let swap = |v: u64, n: u32| v.rotate_right(n);
    check_body("mov", ".reg .b32 %x, %y;", "mov.b64 {%x, %y}, %in0; mov.b64 %out, {%y, %x};", &i, 64, |v| Want::Bits(swap(v[0], 32)));
    check_body("mov", ".reg .b16 %h<4>;", "mov.b64 {%h0, %h1, %h2, %h3}, %in0; mov.b64 %out, {%h1, %h2, %h3, %h0};", &i, 64, |v| Want::Bits(swap(v[0], 16)));
    check_body("mov", ".reg .b16 %h<2>; .reg .b32 %x, %y, %z;", "mov.b64 {%x, _}, %in0; mov.b32 {%h0, %h1}, %x; mov.b32 %y, {%h1, %h0}; mov.b64 %out, {%y, %x};", &i, 64, |v| {
        let x = v[0] as u32;
        Want::Bits(u64::from(x.rotate_right(16)) | u64::from(x) << 32)
    });
    check_body("mov", ".reg .b32 %x; .reg .b8 %c<4>;", "cvt.u32.u64 %x, %in0; mov.b32 {%c0, %c1, %c2, %c3}, %x; mov.b32 %x, {%c3, %c0, %c1, %c2}; cvt.u64.u32 %out, %x;", &i, 64, |v| {
        Want::Bits(u64::from((v[0] as u32).rotate_left(8)))
    });
    check_body("mov", ".reg .b128 %q; .reg .b64 %x, %y;", "mov.b128 %q, {%in0, %in0}; add.u64 %y, %in0, 5; mov.b128 {%x, _}, %q; mov.b128 %q, {%y, %x}; mov.b128 {%x, %y}, %q; sub.u64 %out, %x, %y;", &i, 64, |_| Want::Bits(5));
}
