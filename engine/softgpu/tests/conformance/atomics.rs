//! Atomic operations and reductions (PTX ISA 9.7.13.5 to 9.7.13.8): each alone, and many threads on one place.

use crate::exact::*;
use crate::harness::*;
use crate::support::{Buffer, Params, Run, load};

const MODULE: &str = ".global .align 128 .b8 gbuf[65536];";
const DECL: &str = ".shared .align 128 .b8 sbuf[2048]; .reg .b64 %at, %slot, %o<2>; .reg .b32 %o32; .reg .b16 %o16;";

/// Spaces as text, with what leaves the address of the row's slot of 16 bytes in %at.
const PLACES: [(&str, &str); 4] = [
    (".global", "mul.wide.u32 %slot, %idx, 16; mov.u64 %at, gbuf; add.u64 %at, %at, %slot;"),
    (".shared", "mov.u32 %o32, %tid.x; mul.wide.u32 %slot, %o32, 16; mov.u64 %at, sbuf; add.u64 %at, %at, %slot;"),
    ("", "mul.wide.u32 %slot, %idx, 16; mov.u64 %at, gbuf; cvta.global.u64 %at, %at; add.u64 %at, %at, %slot;"),
    ("", "mov.u32 %o32, %tid.x; mul.wide.u32 %slot, %o32, 16; mov.u64 %at, sbuf; cvta.shared.u64 %at, %at; add.u64 %at, %at, %slot;"),
];

const ORDERS: [&str; 6] = ["", ".relaxed.gpu", ".acquire.cta", ".release.sys", ".acq_rel.gpu", ".relaxed.cluster"];

fn rows(values: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (mut a, mut b) = pairs(values, values);
    // Slots for so many rows are there.
    let step = a.len().div_ceil(3000);
    a = a.into_iter().step_by(step).collect();
    b = b.into_iter().step_by(step).collect();
    (a, b)
}

/// One operation in every space: the old value, and the new one, by atom and by red.
fn alone(op: &str, t: &str, bits: u32, red: bool, values: &[u64], want: &dyn Fn(u64, u64) -> Want) {
    let (a, b) = rows(values);
    let i: [(u32, &[u64]); 2] = [(bits, &a), (bits, &b)];
    let old = match bits { 16 => "%o16", 32 => "%o32", _ => "%o0" };
    for (k, (space, place)) in PLACES.iter().enumerate() {
        let order = ORDERS[(k + op.len() + bits as usize) % ORDERS.len()];
        let atom = format!("atom{order}{space}.{op}.{t}");
        check_module("atom", MODULE, DECL, &format!("{place} st{space}.b{bits} [%at], %in0; {atom} %out, [%at], %in1;"), &i, bits, |v| Want::Bits(v[0]));
        check_module("atom", MODULE, DECL, &format!("{place} st{space}.b{bits} [%at], %in0; {atom} {old}, [%at], %in1; ld{space}.b{bits} %out, [%at];"), &i, bits, |v| want(v[0], v[1]));
        if red {
            let order = if order.starts_with(".ac") { ".release.gpu" } else { order };
            check_module("red", MODULE, DECL, &format!("{place} st{space}.b{bits} [%at], %in0; red{order}{space}.{op}.{t} [%at], %in1; ld{space}.b{bits} %out, [%at];"), &i, bits, |v| want(v[0], v[1]));
        }
    }
}

pub fn integers_alone() {
    for bits in [32u32, 64] {
        let v = integers(bits, 20);
        let m = mask(bits);
        alone("and", &format!("b{bits}"), bits, true, &v, &|a, b| Want::Bits(a & b));
        alone("or", &format!("b{bits}"), bits, true, &v, &|a, b| Want::Bits(a | b));
        alone("xor", &format!("b{bits}"), bits, true, &v, &|a, b| Want::Bits(a ^ b));
        alone("exch", &format!("b{bits}"), bits, false, &v, &|_, b| Want::Bits(b));
        alone("add", &format!("u{bits}"), bits, true, &v, &|a, b| Want::Bits(a.wrapping_add(b) & m));
        for signed in [false, true] {
            let t = format!("{}{bits}", if signed { 's' } else { 'u' });
            let x = |v| number(v, bits, signed);
            alone("min", &t, bits, true, &v, &|a, b| Want::Bits(if x(a) < x(b) { a } else { b }));
            alone("max", &t, bits, true, &v, &|a, b| Want::Bits(if x(a) > x(b) { a } else { b }));
        }
    }
    let v = integers(32, 20);
    alone("add", "s32", 32, true, &v, &|a, b| Want::Bits(a.wrapping_add(b) & mask(32)));
    alone("inc", "u32", 32, true, &v, &|a, b| Want::Bits(if a >= b { 0 } else { a + 1 }));
    alone("dec", "u32", 32, true, &v, &|a, b| Want::Bits(if a == 0 || a > b { b } else { a - 1 }));
}

pub fn floats_alone() {
    let sum = |f: Format| {
        move |a: u64, b: u64| {
            let r = f.encode(add(f.decode(a), f.decode(b), Mode::Rn), Mode::Rn);
            // Single precision in global memory may flush subnormal numbers.
            if f == F32 && [a, b, r].iter().any(|x| f.is_subnormal(*x)) { Want::Anything } else { exactly(f, r) }
        }
    };
    alone("add", "f32", 32, true, &floats(F32, 20), &sum(F32));
    alone("add", "f64", 64, true, &floats(F64, 20), &sum(F64));
    alone("add.noftz", "f16", 16, true, &floats(F16, 20), &sum(F16));
    alone("add.noftz", "bf16", 16, true, &floats(BF16, 20), &sum(BF16));
    for (t, f) in [("f16x2", F16), ("bf16x2", BF16)] {
        let h = floats(f, 20);
        let v: Vec<u64> = (0..h.len()).map(|k| h[k] | h[(k * 5 + 2) % h.len()] << 16).collect();
        alone("add.noftz", t, 32, true, &v, &|a, b| {
            let part = |s: u32| f.encode(add(f.decode(a >> s & 0xffff), f.decode(b >> s & 0xffff), Mode::Rn), Mode::Rn);
            Want::Bits(part(0) | part(16) << 16)
        });
    }
}

pub fn compare_and_swap() {
    for bits in [16u32, 32, 64] {
        let v = integers(bits, 6);
        let (a, b) = rows(&v);
        let c: Vec<u64> = b.iter().rev().copied().collect();
        let i: [(u32, &[u64]); 3] = [(bits, &a), (bits, &b), (bits, &c)];
        let old = match bits { 16 => "%o16", 32 => "%o32", _ => "%o0" };
        for (space, place) in PLACES {
            check_module("atom", MODULE, DECL, &format!("{place} st{space}.b{bits} [%at], %in0; atom{space}.cas.b{bits} %out, [%at], %in1, %in2;"), &i, bits, |v| Want::Bits(v[0]));
            check_module("atom", MODULE, DECL, &format!("{place} st{space}.b{bits} [%at], %in0; atom.acq_rel.gpu{space}.cas.b{bits} {old}, [%at], %in1, %in2; ld{space}.b{bits} %out, [%at];"), &i, bits, |v| {
                Want::Bits(if v[0] == v[1] { v[2] } else { v[0] })
            });
        }
    }
    // Of 128 bits.
    let v = integers(64, 4);
    let (a, b) = rows(&v);
    let i: [(u32, &[u64]); 2] = [(64, &a), (64, &b)];
    let decl = format!("{DECL} .reg .b128 %q, %r, %s; .reg .b64 %x, %y;");
    for (space, place) in PLACES {
        let set = format!("{place} st{space}.v2.b64 [%at], {{%in0, %y}}; mov.b128 %q, {{%in1, %y}}; mov.b128 %r, {{%in1, %in0}};");
        let set = format!("mov.b64 %y, 5; {set}");
        check_module("atom", MODULE, &decl, &format!("{set} atom{space}.cas.b128 %s, [%at], %q, %r; mov.b128 {{%out, %x}}, %s;"), &i, 64, |v| Want::Bits(v[0]));
        check_module("atom", MODULE, &decl, &format!("{set} atom{space}.cas.b128 %s, [%at], %q, %r; ld{space}.v2.b64 {{%x, %out}}, [%at];"), &i, 64, |v| Want::Bits(if v[0] == v[1] { v[0] } else { 5 }));
        check_module("atom", MODULE, &decl, &format!("{set} atom{space}.exch.b128 %s, [%at], %r; mov.b128 {{%x, %o0}}, %s; ld{space}.v2.b64 {{%slot, %y}}, [%at]; sub.u64 %x, %slot, %x; add.u64 %x, %x, %y; add.u64 %out, %x, %o0;"), &i, 64, |v| {
            Want::Bits(v[1].wrapping_sub(v[0]).wrapping_add(v[0]).wrapping_add(5))
        });
    }
}

/// Several elements in one instruction.
pub fn vectors() {
    let h = floats(F32, 12);
    let (a, b) = rows(&h);
    let i: [(u32, &[u64]); 2] = [(32, &a), (32, &b)];
    let decl = ".reg .b64 %at, %slot; .reg .b32 %f<8>; .reg .b16 %h<8>;";
    let place = PLACES[0].1;
    let sum = |f: Format, x: u64, y: u64| {
        let r = f.encode(add(f.decode(x), f.decode(y), Mode::Rn), Mode::Rn);
        if f == F32 && [x, y, r].iter().any(|x| f.is_subnormal(*x)) { Want::Anything } else { exactly(f, r) }
    };
    let set = format!("{place} st.global.v2.b32 [%at], {{%in0, %in1}};");
    check_module("atom", MODULE, decl, &format!("{set} atom.global.v2.f32.add {{%f0, %f1}}, [%at], {{%in1, %in0}}; ld.global.b32 %out, [%at+4];"), &i, 32, |v| sum(F32, v[0], v[1]));
    check_module("atom", MODULE, decl, &format!("{set} atom.global.v2.f32.add {{%out, %f1}}, [%at], {{%in1, %in0}};"), &i, 32, |v| Want::Bits(v[0]));
    check_module("red", MODULE, decl, &format!("{place} st.global.v4.b32 [%at], {{%in0, %in1, %in0, %in1}}; red.global.v4.f32.add [%at], {{%in0, %in0, %in1, %in1}}; ld.global.b32 %out, [%at+8];"), &i, 32, |v| sum(F32, v[0], v[1]));
    for (t, f) in [("f16", F16), ("bf16", BF16)] {
        let v: Vec<u64> = floats(f, 12);
        let (a, b) = rows(&v);
        let i: [(u32, &[u64]); 2] = [(16, &a), (16, &b)];
        for (op, nan) in [("add", 0), ("min", 1), ("max", 2)] {
            let set = format!("{place} st.global.v4.b16 [%at], {{%in0, %in1, %in0, %in1}};");
            let body = format!("{set} red.global.v4.{t}.{op}.noftz [%at], {{%in1, %in1, %in0, %in0}}; ld.global.b16 %out, [%at+6];");
            let want = |v: &[u64]| match nan {
                0 => sum(f, v[0], v[1]),
                n => Want::Bits(crate::float::extreme(f, n == 2, false, false, false, &[v[1], v[0]])),
            };
            check_module("red", MODULE, decl, &body, &i, 16, want);
        }
    }
}

/// Sums of many threads on few places come out whole.
pub fn contended() {
    note("atom");
    note("red");
    let text = format!(
        "{HEAD}.shared .align 8 .b32 s[4];
.visible .entry k(.param .u64 p) {{ .reg .b64 %p, %q; .reg .b32 %t, %i, %o, %a; .reg .pred %c; .reg .f64 %d; .reg .b16 %h;
 ld.param.u64 %p, [p]; mov.u32 %t, %tid.x; mov.u32 %a, s; setp.ge.u32 %c, %t, 4; @%c bra START; mad.lo.u32 %o, %t, 4, %a; st.shared.u32 [%o], 0;
START: bar.sync 0; mov.u32 %i, 0;
LOOP: atom.global.add.u32 %o, [%p], 3; red.global.add.u64 [%p+8], 0x100000001; atom.global.inc.u32 %o, [%p+16], 99; red.global.max.s32 [%p+20], %t; red.global.add.f64 [%p+24], 0d3FE0000000000000;
 atom.shared.add.u32 %o, [s], 1; red.shared.add.u32 [%a+4], %t; atom.global.or.b32 %o, [%p+32], %t; red.global.add.noftz.f16x2 [%p+36], 0x3c003c00;
SPIN: atom.global.cas.b32 %o, [%p+40], 0, 1; setp.ne.u32 %c, %o, 0; @%c bra SPIN;
 membar.gl; ld.volatile.global.u32 %o, [%p+44]; add.u32 %o, %o, 1; st.volatile.global.u32 [%p+44], %o; membar.gl; atom.global.exch.b32 %o, [%p+40], 0;
 add.u32 %i, %i, 1; setp.lt.u32 %c, %i, 5; @%c bra LOOP;
 bar.sync 0; setp.ne.u32 %c, %t, 0; @%c bra END; ld.shared.u32 %o, [s]; red.global.add.u32 [%p+48], %o; ld.shared.u32 %o, [s+4]; red.global.add.u32 [%p+52], %o;
END: ret; }}"
    );
    let l = load(&text);
    let b = Buffer::new(64);
    l.run("k", &Run { grid: [6, 1, 1], block: [96, 1, 1], ..Run::default() }, &Params::new().u64(b.address()), &[&b]);
    let w = b.read::<u32>();
    let n = 6 * 96 * 5u32;
    assert_eq!((w[0], w[2], w[3]), (3 * n, n, n));
    assert_eq!((w[4], w[5]), (n % 100, 95));
    assert_eq!(f64::from_bits(u64::from(w[6]) | u64::from(w[7]) << 32), f64::from(n) / 2.0);
    assert_eq!(w[8], 127);
    // Half precision holds 2048 exactly and stays there.
    assert_eq!(w[9], 0x6800_6800);
    assert_eq!((w[10], w[11]), (0, n));
    assert_eq!((w[12], w[13]), (n, 6 * 5 * (95 * 96 / 2)));
}
