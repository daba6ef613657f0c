//! Every family of operations over its types, edge values included, against references computed here.

mod support;
use support::*;

fn edges(bits: u32) -> Vec<u64> {
    let m = if bits == 64 { !0 } else { (1u64 << bits) - 1 };
    let mut v = vec![0, 1, 2, 3, 7, 31, 32, 33, m, m - 1, m >> 1, (m >> 1) + 1, (m >> 1) - 1, 0x5555_5555_5555_5555 & m, 0x1234_5678_9abc_def0 & m];
    let mut s = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..10 {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        v.push(s & m);
        v.push((s >> 40) & m);
    }
    v
}

fn floats32() -> Vec<u64> {
    let mut v: Vec<u64> = [
        0.0f32, -0.0, 1.0, -1.0, 1.5, 2.5, -2.5, 0.5, 3.0, 1e-40, -1e-40, f32::MIN_POSITIVE, f32::MAX, f32::MIN,
        f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e10, -1e10, 0.1, 123456.79, 8388608.5, 2147483648.0, -2147483904.0, 1e-20,
        4294967296.0, 255.5, -0.75,
    ]
    .iter()
    .map(|x| u64::from(x.to_bits()))
    .collect();
    let mut s = 0x1357_9bdf_2468_ace0u64;
    for _ in 0..12 {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        v.push(s & 0xffff_ffff);
        v.push(u64::from(((s as i32 as f32) / 65536.0).to_bits()));
    }
    v
}

fn floats64() -> Vec<u64> {
    let mut v: Vec<u64> = [
        0.0f64, -0.0, 1.0, -1.0, 1.5, 2.5, 3.0, 1e-310, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::INFINITY,
        f64::NEG_INFINITY, f64::NAN, 0.1, 1e300, 1e-300, 123456.789, -9.3e18, 1e19,
    ]
    .iter()
    .map(|x| x.to_bits())
    .collect();
    let mut s = 0x1357_9bdf_2468_ace1u64;
    for _ in 0..16 {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        v.push(s);
        v.push((s as i64 as f64 / 1e12).to_bits());
    }
    v
}

fn pairs(v: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let mut a = Vec::new();
    let mut b = Vec::new();
    for x in v {
        for y in v {
            a.push(*x);
            b.push(*y);
        }
    }
    (a, b)
}

fn check2(instr: &str, ta: &str, va: &[u64], tb: &str, vb: &[u64], out: &str, want: impl Fn(u64, u64) -> u64) {
    let got = evaluate("", &format!("{instr} %out, %in0, %in1;"), &[(ta, va.to_vec()), (tb, vb.to_vec())], out);
    for k in 0..va.len() {
        let w = want(va[k], vb[k]);
        assert_eq!(got[k], w, "{instr} {:#x}, {:#x}: got {:#x}, want {w:#x}", va[k], vb[k], got[k]);
    }
}

fn check1(instr: &str, ta: &str, va: &[u64], out: &str, want: impl Fn(u64) -> u64) {
    let got = evaluate("", &format!("{instr} %out, %in0;"), &[(ta, va.to_vec())], out);
    for k in 0..va.len() {
        let w = want(va[k]);
        assert_eq!(got[k], w, "{instr} {:#x}: got {:#x}, want {w:#x}", va[k], got[k]);
    }
}

fn same_f32(a: u64, b: u64) -> bool {
    let (x, y) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
    a == b || (x.is_nan() && y.is_nan())
}
fn same_f64(a: u64, b: u64) -> bool {
    a == b || (f64::from_bits(a).is_nan() && f64::from_bits(b).is_nan())
}

fn sext(v: u64, bits: u32) -> i128 {
    i128::from(((v << (64 - bits)) as i64) >> (64 - bits))
}
fn mask(bits: u32) -> u128 {
    (1u128 << bits) - 1
}

#[test]
fn integer_binary() {
    for bits in [16u32, 32, 64] {
        let (a, b) = pairs(&edges(bits));
        let t = format!("b{bits}");
        let m = mask(bits);
        for signed in [false, true] {
            let ty = format!("{}{bits}", if signed { 's' } else { 'u' });
            let x = move |v: u64| if signed { sext(v, bits) } else { i128::from(v) };
            let check = |name: &str, f: &dyn Fn(i128, i128) -> i128| {
                check2(&format!("{name}.{ty}"), &t, &a, &t, &b, &t, |p, q| (f(x(p), x(q)) as u128 & m) as u64);
            };
            check("add", &|p, q| p + q);
            check("sub", &|p, q| p - q);
            check("mul.lo", &|p, q| p.wrapping_mul(q));
            if !(bits == 64 && !signed) {
                check("mul.hi", &|p, q| (p * q) >> bits);
            } else {
                check("mul.hi", &|p, q| ((p as u128 * q as u128) >> 64) as i128);
            }
            check("min", &|p, q| p.min(q));
            check("max", &|p, q| p.max(q));
            check("div", &|p, q| if q == 0 { -1 } else { p / q });
            check("rem", &|p, q| if q == 0 { p } else { p % q });
        }
        check2(&format!("and.b{bits}"), &t, &a, &t, &b, &t, |p, q| p & q);
        check2(&format!("or.b{bits}"), &t, &a, &t, &b, &t, |p, q| p | q);
        check2(&format!("xor.b{bits}"), &t, &a, &t, &b, &t, |p, q| p ^ q);
        check1(&format!("not.b{bits}"), &t, &edges(bits), &t, |p| (u128::from(!p) & m) as u64);
        check1(&format!("neg.s{bits}"), &t, &edges(bits), &t, |p| (-sext(p, bits) as u128 & m) as u64);
        check1(&format!("abs.s{bits}"), &t, &edges(bits), &t, |p| (sext(p, bits).unsigned_abs() & m) as u64);
        check1(&format!("cnot.b{bits}"), &t, &edges(bits), &t, |p| u64::from(p == 0));
        // Shift counts beyond the width clamp.
        let (a, s) = pairs(&edges(bits));
        let s: Vec<u64> = s.iter().map(|v| v & 0xff).collect();
        check2(&format!("shl.b{bits}"), &t, &a, "b32", &s, &t, |p, n| if n >= u64::from(bits) { 0 } else { (u128::from(p << n) & m) as u64 });
        check2(&format!("shr.u{bits}"), &t, &a, "b32", &s, &t, |p, n| if n >= u64::from(bits) { 0 } else { p >> n });
        check2(&format!("shr.s{bits}"), &t, &a, "b32", &s, &t, |p, n| ((sext(p, bits) >> n.min(u64::from(bits) - 1)) as u128 & m) as u64);
    }
    for bits in [16u32, 32] {
        let (a, b) = pairs(&edges(bits));
        let (t, d) = (format!("b{bits}"), format!("b{}", bits * 2));
        check2(&format!("mul.wide.u{bits}"), &t, &a, &t, &b, &d, |p, q| p * q);
        check2(&format!("mul.wide.s{bits}"), &t, &a, &t, &b, &d, |p, q| ((sext(p, bits) * sext(q, bits)) as u128 & mask(bits * 2)) as u64);
    }
    let (a, b) = pairs(&edges(32));
    check2("add.sat.s32", "b32", &a, "b32", &b, "b32", |p, q| u64::from((p as i32).saturating_add(q as i32) as u32));
    check2("sub.sat.s32", "b32", &a, "b32", &b, "b32", |p, q| u64::from((p as i32).saturating_sub(q as i32) as u32));
    check2("mul24.lo.s32", "b32", &a, "b32", &b, "b32", |p, q| (sext(p & 0xff_ffff, 24) * sext(q & 0xff_ffff, 24)) as u32 as u64);
    check2("mul24.hi.u32", "b32", &a, "b32", &b, "b32", |p, q| u64::from((((p & 0xff_ffff) * (q & 0xff_ffff)) >> 16) as u32));
}

#[test]
fn integer_ternary_and_carry() {
    let (a, b) = pairs(&edges(32));
    let c: Vec<u64> = a.iter().rev().copied().collect();
    let run3 = |instr: &str, want: &dyn Fn(u32, u32, u32) -> u32| {
        let got = evaluate("", &format!("{instr} %out, %in0, %in1, %in2;"), &[("b32", a.clone()), ("b32", b.clone()), ("b32", c.clone())], "b32");
        for k in 0..a.len() {
            let w = want(a[k] as u32, b[k] as u32, c[k] as u32);
            assert_eq!(got[k] as u32, w, "{instr} {:#x} {:#x} {:#x}", a[k], b[k], c[k]);
        }
    };
    run3("mad.lo.s32", &|x, y, z| x.wrapping_mul(y).wrapping_add(z));
    run3("mad.hi.u32", &|x, y, z| (((u64::from(x) * u64::from(y)) >> 32) as u32).wrapping_add(z));
    run3("mad.hi.s32", &|x, y, z| (((i64::from(x as i32) * i64::from(y as i32)) >> 32) as u32).wrapping_add(z));
    run3("sad.s32", &|x, y, z| z.wrapping_add((x as i32).abs_diff(y as i32)));
    run3("sad.u32", &|x, y, z| z.wrapping_add(x.abs_diff(y)));
    run3("shf.l.wrap.b32", &|x, y, z| if z & 31 == 0 { y } else { y << (z & 31) | x >> (32 - (z & 31)) });
    run3("shf.r.wrap.b32", &|x, y, z| if z & 31 == 0 { x } else { x >> (z & 31) | y << (32 - (z & 31)) });
    run3("shf.l.clamp.b32", &|x, y, z| match z.min(32) { 0 => y, 32 => x, n => y << n | x >> (32 - n) });
    run3("shf.r.clamp.b32", &|x, y, z| match z.min(32) { 0 => x, 32 => y, n => x >> n | y << (32 - n) });
    run3("dp4a.s32.u32", &|x, y, z| {
        let mut s = z as i32;
        for k in 0..4 {
            s = s.wrapping_add(i32::from(x.to_le_bytes()[k] as i8) * i32::from(y.to_le_bytes()[k]));
        }
        s as u32
    });
    run3("dp2a.hi.u32.s32", &|x, y, z| {
        let mut s = z as i32;
        for k in 0..2 {
            s = s.wrapping_add((x >> (16 * k) & 0xffff) as i32 * i32::from(y.to_le_bytes()[k + 2] as i8));
        }
        s as u32
    });
    run3("prmt.b32", &|x, y, z| {
        let bytes = (u64::from(y) << 32 | u64::from(x)).to_le_bytes();
        let mut r = [0u8; 4];
        for k in 0..4 {
            let n = z >> (4 * k) & 15;
            let v = bytes[n as usize & 7];
            r[k] = if n >= 8 { if v >= 128 { 255 } else { 0 } } else { v };
        }
        u32::from_le_bytes(r)
    });
    for table in [0x96u32, 0xe8, 0xca, 0x1b, 0, 0xff] {
        let got = evaluate("", &format!("lop3.b32 %out, %in0, %in1, %in2, {table};"), &[("b32", a.clone()), ("b32", b.clone()), ("b32", c.clone())], "b32");
        for k in 0..a.len() {
            let mut w = 0u32;
            for bit in 0..32 {
                let index = (a[k] >> bit & 1) << 2 | (b[k] >> bit & 1) << 1 | (c[k] >> bit & 1);
                w |= (table >> index & 1) << bit;
            }
            assert_eq!(got[k] as u32, w, "lop3 {table:#x}");
        }
    }
    // 128-bit addition, subtraction and the full 64 x 64 product through the carry flag.
    let (x, y) = pairs(&edges(64));
    let got = evaluate(
        ".reg .b64 %lo; .reg .b64 %hi;",
        "add.cc.u64 %lo, %in0, %in1; addc.u64 %hi, %in0, %in1; xor.b64 %out, %lo, %hi;",
        &[("b64", x.clone()), ("b64", y.clone())],
        "b64",
    );
    for k in 0..x.len() {
        let s = u128::from(x[k]) + u128::from(y[k]);
        let hi = x[k].wrapping_add(y[k]).wrapping_add((s >> 64) as u64);
        assert_eq!(got[k], s as u64 ^ hi);
    }
    let got = evaluate(
        ".reg .b32 %a0, %a1, %b0, %b1, %r0, %r1, %r2, %r3; .reg .b64 %p, %q;",
        "mov.b64 {%a0, %a1}, %in0; mov.b64 {%b0, %b1}, %in1;
         mul.lo.u32 %r0, %a0, %b0; mul.hi.u32 %r1, %a0, %b0;
         mad.lo.cc.u32 %r1, %a0, %b1, %r1; madc.hi.u32 %r2, %a0, %b1, 0;
         mad.lo.cc.u32 %r1, %a1, %b0, %r1; madc.hi.cc.u32 %r2, %a1, %b0, %r2; addc.u32 %r3, 0, 0;
         mad.lo.cc.u32 %r2, %a1, %b1, %r2; madc.hi.u32 %r3, %a1, %b1, %r3;
         mov.b64 %p, {%r0, %r1}; mov.b64 %q, {%r2, %r3}; xor.b64 %out, %p, %q;",
        &[("b64", x.clone()), ("b64", y.clone())],
        "b64",
    );
    for k in 0..x.len() {
        let p = u128::from(x[k]) * u128::from(y[k]);
        assert_eq!(got[k], p as u64 ^ (p >> 64) as u64, "{:#x} * {:#x}", x[k], y[k]);
    }
    let got = evaluate(
        ".reg .b64 %lo, %hi;",
        "sub.cc.u64 %lo, %in0, %in1; subc.u64 %out, %in1, %in0;",
        &[("b64", x.clone()), ("b64", y.clone())],
        "b64",
    );
    for k in 0..x.len() {
        assert_eq!(got[k], y[k].wrapping_sub(x[k]).wrapping_sub(u64::from(x[k] < y[k])));
    }
}

#[test]
fn bit_fields() {
    let e = edges(32);
    check1("popc.b32", "b32", &e, "b32", |v| u64::from((v as u32).count_ones()));
    check1("clz.b32", "b32", &e, "b32", |v| u64::from((v as u32).leading_zeros()));
    check1("brev.b32", "b32", &e, "b32", |v| u64::from((v as u32).reverse_bits()));
    let e64 = edges(64);
    check1("popc.b64", "b64", &e64, "b32", |v| u64::from(v.count_ones()));
    check1("clz.b64", "b64", &e64, "b32", |v| u64::from(v.leading_zeros()));
    check1("brev.b64", "b64", &e64, "b64", |v| v.reverse_bits());
    let none = u64::from(u32::MAX);
    check1("bfind.u32", "b32", &e, "b32", |v| if v == 0 { none } else { 31 - u64::from((v as u32).leading_zeros()) });
    check1("bfind.s32", "b32", &e, "b32", |v| {
        let x = v as i32;
        let x = if x < 0 { !x } else { x };
        if x == 0 { none } else { 31 - u64::from(x.leading_zeros()) }
    });
    check1("bfind.shiftamt.u32", "b32", &e, "b32", |v| if v == 0 { none } else { u64::from((v as u32).leading_zeros()) });
    check1("bfind.u64", "b64", &e64, "b32", |v| if v == 0 { none } else { 63 - u64::from(v.leading_zeros()) });
    let (a, pos) = pairs(&e);
    let pos: Vec<u64> = pos.iter().map(|v| v % 40).collect();
    let len: Vec<u64> = a.iter().map(|v| v % 37).collect();
    let got = evaluate("", "bfe.u32 %out, %in0, %in1, %in2;", &[("b32", a.clone()), ("b32", pos.clone()), ("b32", len.clone())], "b32");
    for k in 0..a.len() {
        let w = ((u128::from(a[k]) >> pos[k]) & mask(len[k] as u32)) as u64;
        assert_eq!(got[k], w & 0xffff_ffff, "bfe.u32 {:#x} {} {}", a[k], pos[k], len[k]);
    }
    let got = evaluate("", "bfe.s32 %out, %in0, %in1, %in2;", &[("b32", a.clone()), ("b32", pos.clone()), ("b32", len.clone())], "b32");
    for k in 0..a.len() {
        // A field beyond the top is filled with the sign of the word.
        let w = if len[k] == 0 { 0 } else {
            let wide = sext(a[k], 32) >> pos[k].min(63);
            if len[k] >= 64 { wide } else { wide << (128 - len[k]) >> (128 - len[k]) }
        };
        assert_eq!(got[k] as u32, w as u32, "bfe.s32 {:#x} {} {}", a[k], pos[k], len[k]);
    }
    let b: Vec<u64> = a.iter().rev().copied().collect();
    let got = evaluate("", "bfi.b32 %out, %in0, %in1, %in2, %in3;", &[("b32", a.clone()), ("b32", b.clone()), ("b32", pos.clone()), ("b32", len.clone())], "b32");
    for k in 0..a.len() {
        let m = ((mask(len[k] as u32)) << pos[k]) as u64 & 0xffff_ffff;
        let w = b[k] & !m | ((u128::from(a[k]) << pos[k]) as u64) & m;
        assert_eq!(got[k], w, "bfi {:#x} {:#x} {} {}", a[k], b[k], pos[k], len[k]);
    }
    let got = evaluate("", "bmsk.clamp.b32 %out, %in0, %in1;", &[("b32", pos.clone()), ("b32", len.clone())], "b32");
    for k in 0..a.len() {
        let w = if pos[k] >= 32 { 0 } else { (mask(len[k] as u32) << pos[k]) as u32 };
        assert_eq!(got[k] as u32, w, "bmsk {} {}", pos[k], len[k]);
    }
}

#[test]
fn comparisons_and_selection() {
    for (ty, bits, values) in [("s16", 16, edges(16)), ("u16", 16, edges(16)), ("s32", 32, edges(32)), ("u32", 32, edges(32)), ("s64", 64, edges(64)), ("u64", 64, edges(64))] {
        let (a, b) = pairs(&values);
        let t = format!("b{bits}");
        let x = |v: u64| if ty.starts_with('s') { sext(v, bits) } else { i128::from(v) };
        for (op, f) in [("eq", (|p, q| p == q) as fn(i128, i128) -> bool), ("ne", |p, q| p != q), ("lt", |p, q| p < q), ("le", |p, q| p <= q), ("gt", |p, q| p > q), ("ge", |p, q| p >= q)] {
            let got = evaluate(".reg .pred %p, %q;", &format!("setp.{op}.{ty} %p|%q, %in0, %in1; selp.u32 %out, 3, 4, %p; @%q add.u32 %out, %out, 16;"), &[(&t, a.clone()), (&t, b.clone())], "b32");
            for k in 0..a.len() {
                assert_eq!(got[k], if f(x(a[k]), x(b[k])) { 3 } else { 20 }, "{op}.{ty} {:#x} {:#x}", a[k], b[k]);
            }
        }
    }
    let ops: [(&str, fn(f64, f64) -> bool); 14] = [
        ("eq", |p, q| p == q), ("ne", |p, q| p != q && !p.is_nan() && !q.is_nan()), ("lt", |p, q| p < q), ("le", |p, q| p <= q),
        ("gt", |p, q| p > q), ("ge", |p, q| p >= q), ("equ", |p, q| p.is_nan() || q.is_nan() || p == q), ("neu", |p, q| p != q),
        ("ltu", |p, q| p.is_nan() || q.is_nan() || p < q), ("leu", |p, q| p.is_nan() || q.is_nan() || p <= q), ("gtu", |p, q| p.is_nan() || q.is_nan() || p > q),
        ("geu", |p, q| p.is_nan() || q.is_nan() || p >= q), ("num", |p, q| !p.is_nan() && !q.is_nan()), ("nan", |p, q| p.is_nan() || q.is_nan()),
    ];
    let (a, b) = pairs(&floats32());
    let (c, d) = pairs(&floats64());
    for (op, f) in ops {
        let got = evaluate(".reg .pred %p;", &format!("setp.{op}.f32 %p, %in0, %in1; selp.u32 %out, 1, 0, %p;"), &[("b32", a.clone()), ("b32", b.clone())], "b32");
        for k in 0..a.len() {
            let (x, y) = (f64::from(f32::from_bits(a[k] as u32)), f64::from(f32::from_bits(b[k] as u32)));
            assert_eq!(got[k] == 1, f(x, y), "{op}.f32 {x} {y}");
        }
        let got = evaluate(".reg .pred %p;", &format!("setp.{op}.f64 %p, %in0, %in1; selp.u32 %out, 1, 0, %p;"), &[("b64", c.clone()), ("b64", d.clone())], "b32");
        for k in 0..c.len() {
            assert_eq!(got[k] == 1, f(f64::from_bits(c[k]), f64::from_bits(d[k])), "{op}.f64");
        }
    }
    // Boolean combinations, complements, set and slct.
    let (a, b) = pairs(&edges(32));
    for (join, f) in [("and", (|p, q| p & q) as fn(bool, bool) -> bool), ("or", |p, q| p | q), ("xor", |p, q| p ^ q)] {
        for not in ["", "!"] {
            let body = format!("setp.lt.u32 %c, %in0, 100; setp.gt.{join}.s32 %p|%q, %in0, %in1, {not}%c; selp.u32 %out, 1, 0, %p; @%q add.u32 %out, %out, 2;");
            let got = evaluate(".reg .pred %p, %q, %c;", &body, &[("b32", a.clone()), ("b32", b.clone())], "b32");
            for k in 0..a.len() {
                let c = (a[k] < 100) ^ (not == "!");
                let t = (a[k] as i32) > (b[k] as i32);
                assert_eq!(got[k], u64::from(f(t, c)) + 2 * u64::from(f(!t, c)), "{join}");
            }
        }
    }
    check2("set.lt.u32.s32", "b32", &a, "b32", &b, "b32", |p, q| if (p as i32) < q as i32 { 0xffff_ffff } else { 0 });
    check2("set.lt.f32.u32", "b32", &a, "b32", &b, "b32", |p, q| if p < q { 0x3f80_0000 } else { 0 });
    let got = evaluate("", "slct.b32.s32 %out, %in0, %in1, %in0;", &[("b32", a.clone()), ("b32", b.clone())], "b32");
    for k in 0..a.len() {
        assert_eq!(got[k], if (a[k] as i32) >= 0 { a[k] } else { b[k] });
    }
}

/// Rounds an exact value (as a pair of doubles whose sum it is) by brute force over neighbours.
fn directed(nearest: f32, exact_minus: f64, mode: &str) -> f32 {
    match mode {
        "rz" if nearest > 0.0 && exact_minus < 0.0 => nearest.next_down(),
        "rz" if nearest < 0.0 && exact_minus > 0.0 => nearest.next_up(),
        "rm" if exact_minus < 0.0 => nearest.next_down(),
        "rp" if exact_minus > 0.0 => nearest.next_up(),
        _ => nearest,
    }
}

#[test]
fn single_precision() {
    let (a, b) = pairs(&floats32());
    let f = |v: u64| f32::from_bits(v as u32);
    let check = |instr: &str, want: &dyn Fn(f32, f32) -> f32| {
        let got = evaluate("", &format!("{instr} %out, %in0, %in1;"), &[("b32", a.clone()), ("b32", b.clone())], "b32");
        for k in 0..a.len() {
            let w = want(f(a[k]), f(b[k]));
            assert!(same_f32(got[k], u64::from(w.to_bits())), "{instr} {:e}, {:e}: got {:e}, want {w:e}", f(a[k]), f(b[k]), f(got[k]));
        }
    };
    let ftz = |x: f32| if x.is_subnormal() { 0f32.copysign(x) } else { x };
    check("add.f32", &|x, y| x + y);
    check("add.rn.ftz.f32", &|x, y| ftz(ftz(x) + ftz(y)));
    check("sub.f32", &|x, y| x - y);
    check("mul.f32", &|x, y| x * y);
    check("mul.ftz.f32", &|x, y| ftz(ftz(x) * ftz(y)));
    check("div.rn.f32", &|x, y| x / y);
    check("div.full.f32", &|x, y| x / y);
    let sat = |x: f32| if x > 0.0 { x.min(1.0) } else { 0.0 };
    check("add.sat.f32", &|x, y| sat(x + y));
    let order = |x: f32, y: f32, min: bool| {
        if x.is_nan() { return y; }
        if y.is_nan() { return x; }
        if x == y { return if x.is_sign_negative() == min { x } else { y }; }
        if (x < y) == min { x } else { y }
    };
    check("min.f32", &|x, y| order(x, y, true));
    check("max.f32", &|x, y| order(x, y, false));
    check("max.NaN.f32", &|x, y| if x.is_nan() || y.is_nan() { f32::NAN } else { order(x, y, false) });
    check("copysign.f32", &|x, y| y.copysign(x));
    for mode in ["rz", "rm", "rp"] {
        // Finite results only: the exact value is known in double precision.
        let finite = |x: f32, y: f32, r: f32| x.is_finite() && y.is_finite() && r.is_finite() && r != 0.0;
        check(&format!("mul.{mode}.f32"), &|x, y| {
            let r = x * y;
            if !finite(x, y, r) {
                return match mode {
                    _ if !r.is_infinite() || !x.is_finite() || !y.is_finite() => {
                        if r == 0.0 && x != 0.0 && y != 0.0 {
                            // Underflow: the exact product has a sign.
                            let up = (x > 0.0) == (y > 0.0);
                            if up && mode == "rp" { f32::from_bits(1) } else if !up && mode == "rm" { -f32::from_bits(1) } else { r }
                        } else { r }
                    }
                    "rz" => f32::MAX.copysign(r),
                    "rm" => if r > 0.0 { f32::MAX } else { r },
                    _ => if r < 0.0 { f32::MIN } else { r },
                };
            }
            directed(r, f64::from(x) * f64::from(y) - f64::from(r), mode)
        });
        for (x, y) in [(1.0f32, 3.0f32), (2.0, 7.0), (-1.0, 3.0), (10.0, -0.7)] {
            let v = vec![u64::from(x.to_bits())];
            let w = vec![u64::from(y.to_bits())];
            let got = f(evaluate("", &format!("div.{mode}.f32 %out, %in0, %in1;"), &[("b32", v.clone()), ("b32", w.clone())], "b32")[0]);
            let want = directed(x / y, f64::from(x) / f64::from(y) - f64::from(x / y), mode);
            assert_eq!(got, want, "div.{mode} {x} {y}");
            let got = f(evaluate("", &format!("add.{mode}.f32 %out, %in0, %in1;"), &[("b32", vec![u64::from((x * 1e7).to_bits())]), ("b32", w)], "b32")[0]);
            let s = x * 1e7 + y;
            assert_eq!(got, directed(s, f64::from(x * 1e7) + f64::from(y) - f64::from(s), mode), "add.{mode}");
        }
        let got = f(evaluate("", &format!("sqrt.{mode}.f32 %out, %in0;"), &[("b32", vec![u64::from(2f32.to_bits())])], "b32")[0]);
        assert_eq!(got, directed(2f32.sqrt(), 2f64.sqrt() - f64::from(2f32.sqrt()), mode));
    }
    let c: Vec<u64> = a.iter().rev().copied().collect();
    let got = evaluate("", "fma.rn.f32 %out, %in0, %in1, %in2;", &[("b32", a.clone()), ("b32", b.clone()), ("b32", c.clone())], "b32");
    for k in 0..a.len() {
        assert!(same_f32(got[k], u64::from(f(a[k]).mul_add(f(b[k]), f(c[k])).to_bits())));
    }
    let one = floats32();
    for (op, g) in [("sin", f64::sin as fn(f64) -> f64), ("cos", f64::cos), ("ex2", f64::exp2), ("lg2", f64::log2), ("tanh", f64::tanh), ("sqrt", f64::sqrt), ("rcp", f64::recip), ("rsqrt", |x| 1.0 / x.sqrt())] {
        let got = evaluate("", &format!("{op}.approx.f32 %out, %in0;"), &[("b32", one.clone())], "b32");
        for k in 0..one.len() {
            let x = f64::from(f(one[k]));
            if matches!(op, "sin" | "cos") && x.abs() > 1000.0 { continue; }
            let (w, r) = (g(x), f64::from(f(got[k])));
            let w32 = w as f32;
            let close = (w.is_nan() && r.is_nan()) || f64::from(w32) == r || (r - w).abs() <= w.abs() * 2f64.powi(-21) || w.abs() < 1e-37;
            assert!(close, "{op} {x}: got {r}, want {w}");
        }
    }
    check1("neg.f32", "b32", &[0x3f80_0000, 0], "b32", |v| v ^ 0x8000_0000);
    check1("abs.f32", "b32", &[0xbf80_0000, 0x8000_0000], "b32", |v| v & 0x7fff_ffff);
}

#[test]
fn double_precision() {
    let (a, b) = pairs(&floats64());
    for (instr, f) in [("add.f64", (|x, y| x + y) as fn(f64, f64) -> f64), ("sub.rn.f64", |x, y| x - y), ("mul.f64", |x, y| x * y), ("div.rn.f64", |x, y| x / y)] {
        let got = evaluate("", &format!("{instr} %out, %in0, %in1;"), &[("b64", a.clone()), ("b64", b.clone())], "b64");
        for k in 0..a.len() {
            assert!(same_f64(got[k], f(f64::from_bits(a[k]), f64::from_bits(b[k])).to_bits()), "{instr}");
        }
    }
    let got = evaluate("", "fma.rn.f64 %out, %in0, %in1, %in0;", &[("b64", a.clone()), ("b64", b.clone())], "b64");
    for k in 0..a.len() {
        let (x, y) = (f64::from_bits(a[k]), f64::from_bits(b[k]));
        assert!(same_f64(got[k], x.mul_add(y, x).to_bits()));
    }
    let v = |x: f64| vec![x.to_bits()];
    let third = |m: &str| f64::from_bits(evaluate("", &format!("div.{m}.f64 %out, %in0, %in1;"), &[("b64", v(1.0)), ("b64", v(3.0))], "b64")[0]);
    assert_eq!(third("rp"), third("rm").next_up());
    assert_eq!(third("rz"), third("rm"));
    let got = evaluate("", "rcp.approx.ftz.f64 %out, %in0;", &[("b64", vec![3f64.to_bits(), 0.1f64.to_bits(), 0f64.to_bits()])], "b64");
    assert_eq!(got[0] & 0xffff_ffff, 0);
    assert!((f64::from_bits(got[0]) * 3.0 - 1.0).abs() < 2f64.powi(-19));
    assert!((f64::from_bits(got[1]) * 0.1 - 1.0).abs() < 2f64.powi(-19));
    assert_eq!(f64::from_bits(got[2]), f64::INFINITY);
}

#[test]
fn half_precision() {
    use half::{bf16, f16};
    let values: Vec<u64> = [0u16, 0x8000, 0x3c00, 0xbc00, 0x3555, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x7c00, 0xfc00, 0x7e00, 0x4248, 0x5640, 0x1234, 0xd678].iter().map(|v| u64::from(*v)).collect();
    let (a, b) = pairs(&values);
    let same = |x: u64, y: u16, bf: bool| {
        let nan = |v: u16| if bf { bf16::from_bits(v).is_nan() } else { f16::from_bits(v).is_nan() };
        x as u16 == y || (nan(x as u16) && nan(y))
    };
    for (op, f) in [("add", (|x, y| x + y) as fn(f32, f32) -> f32), ("sub", |x, y| x - y), ("mul", |x, y| x * y)] {
        let got = evaluate("", &format!("{op}.f16 %out, %in0, %in1;"), &[("b16", a.clone()), ("b16", b.clone())], "b16");
        let gotb = evaluate("", &format!("{op}.rn.bf16 %out, %in0, %in1;"), &[("b16", a.clone()), ("b16", b.clone())], "b16");
        for k in 0..a.len() {
            // Single precision holds sums and products of f16 well enough for one more rounding to be exact.
            let w = f16::from_f32(f(f16::from_bits(a[k] as u16).to_f32(), f16::from_bits(b[k] as u16).to_f32()));
            assert!(same(got[k], w.to_bits(), false), "{op}.f16 {:#x} {:#x}", a[k], b[k]);
            let w = bf16::from_f32(f(bf16::from_bits(a[k] as u16).to_f32(), bf16::from_bits(b[k] as u16).to_f32()));
            assert!(same(gotb[k], w.to_bits(), true), "{op}.bf16 {:#x} {:#x}: {:#x} {:#x}", a[k], b[k], gotb[k], w.to_bits());
        }
        let x2: Vec<u64> = a.iter().zip(&b).map(|(p, q)| p | q << 16).collect();
        let y2: Vec<u64> = a.iter().zip(&b).map(|(p, q)| q | p << 16).collect();
        let got = evaluate("", &format!("{op}.f16x2 %out, %in0, %in1;"), &[("b32", x2.clone()), ("b32", y2.clone())], "b32");
        for k in 0..a.len() {
            let one = |s: u32| {
                let g = |v: u64| f16::from_bits((v >> s) as u16).to_f32();
                f16::from_f32(f(g(x2[k]), g(y2[k])))
            };
            assert!(same(got[k], one(0).to_bits(), false) && same(got[k] >> 16, one(16).to_bits(), false));
        }
    }
    // A fused multiply-add whose single-precision sum would lie on a tie.
    let t = |x: f32| u64::from(f16::from_f32(x).to_bits());
    let got = evaluate("", "fma.rn.f16 %out, %in0, %in1, %in2;", &[("b16", vec![t(1.0 + 1.0 / 1024.0)]), ("b16", vec![t(1.0 + 1.0 / 1024.0)]), ("b16", vec![t(5.9604645e-8)])], "b16");
    let exact = (1.0 + 1.0 / 1024.0f64) * (1.0 + 1.0 / 1024.0) + 5.9604645e-8;
    assert_eq!(got[0] as u16, f16::from_f64(exact).to_bits());
    // Every f16 to f32 and back; f32 to f16 and bf16.
    let all: Vec<u64> = (0..=0xffffu64).collect();
    let got = evaluate(".reg .f32 %f;", "cvt.f32.f16 %f, %in0; mov.b32 %out, %f;", &[("b16", all.clone())], "b32");
    for k in 0..all.len() {
        assert!(same_f32(got[k], u64::from(f16::from_bits(k as u16).to_f32().to_bits())));
    }
    let fs = floats32();
    let got = evaluate("", "cvt.rn.f16.f32 %out, %in0;", &[("b32", fs.clone())], "b16");
    let gotb = evaluate("", "cvt.rn.bf16.f32 %out, %in0;", &[("b32", fs.clone())], "b16");
    let gotz = evaluate("", "cvt.rz.f16.f32 %out, %in0;", &[("b32", fs.clone())], "b16");
    let got2 = evaluate("", "cvt.rn.f16x2.f32 %out, %in0, 0f3F800000;", &[("b32", fs.clone())], "b32");
    for k in 0..fs.len() {
        let x = f32::from_bits(fs[k] as u32);
        let w = f16::from_f32(x);
        assert!(same(got[k], w.to_bits(), false), "{x:e}");
        assert!(same(gotb[k], bf16::from_f32(x).to_bits(), true), "{x:e}");
        assert!(same(got2[k] >> 16, w.to_bits(), false) && got2[k] & 0xffff == 0x3c00);
        if x.is_finite() {
            let z = f16::from_bits(gotz[k] as u16).to_f32();
            assert!(z.abs() <= x.abs() && (w.to_f32() == z || w.to_f32().abs() > x.abs()), "{x:e} {z:e}");
        }
    }
    let got = evaluate(".reg .pred %p, %q;", "setp.lt.f16x2 %p|%q, %in0, %in1; selp.u32 %out, 1, 0, %p; @%q add.u32 %out, %out, 2;", &[("b32", vec![0x3c00_0000]), ("b32", vec![0x0000_3c00])], "b32");
    assert_eq!(got[0], 1);
    let got = evaluate("", "set.lt.f16x2.f16x2 %out, %in0, %in1;", &[("b32", vec![0x3c00_0000]), ("b32", vec![0x0000_3c00])], "b32");
    assert_eq!(got[0], 0x3c00);
}

#[test]
fn conversions() {
    // Integers among each other, with and without saturation.
    let ints = [("u8", 8u32), ("s8", 8), ("u16", 16), ("s16", 16), ("u32", 32), ("s32", 32), ("u64", 64), ("s64", 64)];
    let value = |t: &str, bits: u32, v: u64| if t.starts_with('s') { sext(v, bits) } else { i128::from(v) };
    for (s, sb) in ints {
        for (d, db) in ints {
            let v = edges(sb);
            let (st, dt) = (format!("b{sb}"), format!("b{db}"));
            let (lo, hi) = if d.starts_with('s') { (-(1i128 << (db - 1)), (1i128 << (db - 1)) - 1) } else { (0, (1i128 << db) - 1) };
            check1(&format!("cvt.{d}.{s}"), &st, &v, &dt, |x| (value(s, sb, x) as u128 & mask(db)) as u64);
            check1(&format!("cvt.sat.{d}.{s}"), &st, &v, &dt, |x| (value(s, sb, x).clamp(lo, hi) as u128 & mask(db)) as u64);
        }
        for (f, bits) in [("f32", 32u32), ("f64", 64)] {
            let v = edges(sb);
            for mode in ["rn", "rz", "rm", "rp"] {
                check1(&format!("cvt.{mode}.{f}.{s}"), &format!("b{sb}"), &v, &format!("b{bits}"), |x| {
                    let x = value(s, sb, x);
                    let (r, exact): (f64, i128) = if bits == 32 { (f64::from(x as f32), x as f32 as i128) } else { (x as f64, x as f64 as i128) };
                    let step = |up: bool| if bits == 32 {
                        let r = r as f32;
                        f64::from(if up { r.next_up() } else { r.next_down() })
                    } else if up { r.next_up() } else { r.next_down() };
                    let r = match mode {
                        "rm" if exact > x => step(false),
                        "rp" if exact < x => step(true),
                        "rz" if exact > x && x > 0 => step(false),
                        "rz" if exact < x && x < 0 => step(true),
                        _ => r,
                    };
                    if bits == 32 { u64::from((r as f32).to_bits()) } else { r.to_bits() }
                });
            }
        }
        // Floats to integers.
        for (f, bits, values) in [("f32", 32u32, floats32()), ("f64", 64, floats64())] {
            for mode in ["rni", "rzi", "rmi", "rpi"] {
                check1(&format!("cvt.{mode}.{s}.{f}"), &format!("b{bits}"), &values, &format!("b{sb}"), |x| {
                    let x = if bits == 32 { f64::from(f32::from_bits(x as u32)) } else { f64::from_bits(x) };
                    let (lo, hi) = if s.starts_with('s') { (-(1i128 << (sb - 1)), (1i128 << (sb - 1)) - 1) } else { (0, (1i128 << sb) - 1) };
                    if x.is_nan() {
                        return if bits == 32 && sb < 64 { 0 } else { 1 << (sb - 1) };
                    }
                    let r = match mode { "rni" => x.round_ties_even(), "rzi" => x.trunc(), "rmi" => x.floor(), _ => x.ceil() };
                    ((r as i128).clamp(lo, hi) as u128 & mask(sb)) as u64
                });
            }
        }
    }
    let d = floats64();
    let got = evaluate("", "cvt.rn.f32.f64 %out, %in0;", &[("b64", d.clone())], "b32");
    let down = evaluate("", "cvt.rm.f32.f64 %out, %in0;", &[("b64", d.clone())], "b32");
    for k in 0..d.len() {
        let x = f64::from_bits(d[k]);
        assert!(same_f32(got[k], u64::from((x as f32).to_bits())));
        let m = f64::from(f32::from_bits(down[k] as u32));
        assert!(x.is_nan() || (m <= x && (m == x || f64::from((m as f32).next_up()) > x)), "{x:e} {m:e}");
    }
    let f = floats32();
    let got = evaluate("", "cvt.f64.f32 %out, %in0;", &[("b32", f.clone())], "b64");
    for k in 0..f.len() {
        assert!(same_f64(got[k], f64::from(f32::from_bits(f[k] as u32)).to_bits()));
    }
    // Narrow results in wider registers are extended.
    let got = evaluate("", "cvt.s8.s32 %out, %in0;", &[("b32", vec![0x80, 0x7f, 0x1ff])], "b32");
    assert_eq!(got, vec![0xffff_ff80, 0x7f, 0xffff_ffff]);
    let got = evaluate("", "cvt.s32.s8 %out, %in0;", &[("b32", vec![0x1280, 0x7f])], "b32");
    assert_eq!(got, vec![0xffff_ff80, 0x7f]);
    let got = evaluate("", "cvt.rna.tf32.f32 %out, %in0;", &[("b32", vec![0x3f80_1000, 0x3f80_0fff])], "b32");
    assert_eq!(got, vec![0x3f80_2000, 0x3f80_0000]);
    let got = evaluate("", "cvt.rn.satfinite.e4m3x2.f32 %out, %in0, 0f3F800000;", &[("b32", vec![u64::from(1000f32.to_bits()), u64::from((-1.5f32).to_bits())])], "b16");
    assert_eq!(got, vec![0x7e38, 0xbc38]);
    let got = evaluate("", "cvt.rn.f16x2.e4m3x2 %out, %in0;", &[("b16", vec![0x7e38, 0xbc01])], "b32");
    assert_eq!(got, vec![u64::from(half::f16::from_f32(448.0).to_bits()) << 16 | 0x3c00, u64::from(half::f16::from_f32(-1.5).to_bits()) << 16 | u64::from(half::f16::from_f32(1.0 / 512.0).to_bits())]);
}

#[test]
fn constants_are_told_from_global_memory() {
    let text = format!(
        "{HEAD}.const .align 4 .b8 c[12] = {{1,2,3}}; .const .align 8 .u64 d = 9; .global .align 4 .u32 g;
.visible .entry k(.param .u64 po) {{ .reg .b64 %o, %a; .reg .b32 %r, %s; .reg .pred %p, %q; .shared .align 4 .b32 w;
 ld.param.u64 %o, [po]; mov.u32 %s, 0;
 {}
 st.global.u32 [%o], %s; ret; }}",
        [("c", "const", 0), ("c", "const", 11), ("c", "const", 12), ("d", "const", 0), ("g", "const", 0), ("w", "shared", 0)]
            .iter()
            .map(|(name, space, offset)| format!(
                "mov.u64 %a, {name}; cvta.{}.u64 %a, %a; add.u64 %a, %a, {offset};
 isspacep.const %p, %a; isspacep.global %q, %a; selp.u32 %r, 1, 0, %p; mad.lo.u32 %s, %s, 4, %r; selp.u32 %r, 2, 0, %q; add.u32 %s, %s, %r;",
                if *name == "g" { "global" } else { *space }
            ))
            .collect::<String>()
    );
    let l = load(&text);
    let out = Buffer::new(4);
    l.run("k", &Run { block: [1, 1, 1], ..Run::default() }, &Params::new().u64(out.address()), &[&out]);
    // Two bits each: constant 1, global 2, shared 0. Behind the end of c lies nothing constant.
    assert_eq!(out.read::<u32>()[0], 0b01_01_10_01_10_00);
}

#[test]
fn atomics_of_vectors() {
    // The first destination is the source of the second element.
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 po, .param .u32 skew) {{ .reg .b64 %o, %w; .reg .f32 %f<8>; .reg .b32 %t, %h<4>; .reg .b16 %x<4>;
 ld.param.u64 %o, [po]; ld.param.u32 %t, [skew]; cvt.u64.u32 %w, %t; add.u64 %o, %o, %w; mov.u32 %t, %tid.x; mad.lo.u32 %t, %t, 3, 5;
 cvt.rn.f32.u32 %f0, %t; mov.f32 %f1, 0f3F800000;
 atom.global.add.v2.f32 {{%f0, %f1}}, [%o], {{%f1, %f0}};
 red.relaxed.gpu.global.add.v4.f32 [%o+16], {{0f3F800000, %f0, %f1, 0f40000000}};
 mov.u32 %h0, 0x3c003800; red.global.add.noftz.v2.f16x2 [%o+32], {{%h0, %h0}};
 mov.u16 %x0, 0x3f80; atom.global.add.noftz.v2.bf16 {{_, %x1}}, [%o+40], {{%x0, %x0}};
 ret; }}"
    );
    let l = load(&text);
    let out = Buffer::new(64);
    let p = |skew| Params::new().u64(out.address()).u32(skew);
    l.run("k", &Run { block: [2, 1, 1], ..Run::default() }, &p(0), &[&out]);
    // Thread 0 adds 1 and 5 and sees zeros; thread 1 adds 1 and 8 and sees what thread 0 made.
    let f = out.read::<f32>();
    assert_eq!((f[0], f[1]), (2.0, 13.0));
    assert_eq!(f[4..8], [2.0, 1.0, 5.0, 4.0]);
    assert_eq!(out.read::<u32>()[8..11], [0x4000_3c00, 0x4000_3c00, 0x4000_4000]);
    let (r, _) = l.launch("k", &Run { block: [1, 1, 1], ..Run::default() }, &p(4), &[&out]);
    assert_eq!(r.unwrap_err().kind, ringway_softgpu::exec::FaultKind::MisalignedAddress);
}
