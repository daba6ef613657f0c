//! Loads, stores, addresses, stack allocation, hints and fences (PTX ISA 9.7.9, 9.7.13, 9.7.15).

use crate::harness::*;

/// Slots of 64 bytes for every row, in each space.
const ROWS: usize = 512;
const MODULE: &str = ".global .align 128 .b8 gbuf[32768]; .const .align 16 .b32 cbuf[4] = {0x11223344, 0xfedcba98, 7, 0x80000000};";

/// State spaces as text, with what leaves the slot's address in %at.
fn places() -> Vec<(&'static str, &'static str)> {
    vec![
        (".global", "mov.u64 %at, gbuf; add.u64 %at, %at, %slot;"),
        ("", "mov.u64 %at, gbuf; cvta.global.u64 %at, %at; add.u64 %at, %at, %slot;"),
        (".shared", "mov.u64 %at, sbuf; rem.u64 %slot, %slot, 8192; add.u64 %at, %at, %slot;"),
        (".shared::cta", "mov.u64 %at, sbuf; rem.u64 %slot, %slot, 8192; add.u64 %at, %at, %slot;"),
        ("", "mov.u64 %at, sbuf; cvta.shared.u64 %at, %at; rem.u64 %slot, %slot, 8192; add.u64 %at, %at, %slot;"),
        (".local", "mov.u64 %at, lbuf;"),
        ("", "mov.u64 %at, lbuf; cvta.local.u64 %at, %at;"),
    ]
}

const DECL: &str = ".shared .align 128 .b8 sbuf[8192]; .local .align 64 .b8 lbuf[64]; .reg .b64 %at, %slot, %v<4>; .reg .b32 %x<8>; .reg .b16 %h<4>; .reg .pred %p;";

fn body(place: &str, rest: &str) -> String {
    format!("mul.wide.u32 %slot, %idx, 64;\n{place}\n{rest}")
}

fn rows(bits: u32) -> Vec<u64> {
    let mut v = integers(bits, ROWS);
    v.truncate(ROWS);
    v
}

pub fn every_type_and_space() {
    for (space, place) in places() {
        for (t, bits, signed) in [
            ("b8", 8, false), ("u8", 8, false), ("s8", 8, true), ("b16", 16, false), ("u16", 16, false), ("s16", 16, true), ("b32", 32, false),
            ("u32", 32, false), ("s32", 32, true), ("f32", 32, false), ("b64", 64, false), ("u64", 64, false), ("s64", 64, true), ("f64", 64, false),
        ] {
            let v = rows(64);
            let reg = match bits { 64 => "%v0", 32 => "%x0", _ => "%h0" };
            // Stored by the same type and read back; then widened into larger registers by its sign.
            let store = format!("cvt.u{0}.u64 {reg}, %in0; st{space}.{t} [%at+8], {reg};", bits.max(16));
            let store = if bits == 64 { format!("st{space}.{t} [%at+8], %in0;") } else { store };
            check_module("st", MODULE, DECL, &body(place, &format!("{store} ld{space}.{t} %out, [%at+8];")), &[(64, &v)], bits.max(16), |v| {
                Want::Bits(number(v[0], bits, signed) as u64 & mask(bits.max(16)))
            });
            if !t.starts_with('f') {
                check_module("ld", MODULE, DECL, &body(place, &format!("st{space}.b64 [%at], %in0; ld{space}.{t} %out, [%at];")), &[(64, &v)], 64, |v| {
                    Want::Bits(number(v[0], bits, signed) as u64)
                });
            }
            if bits < 32 {
                check_module("ld", MODULE, DECL, &body(place, &format!("st{space}.b64 [%at], %in0; ld{space}.{t} %out, [%at+{}];", bits / 8)), &[(64, &v)], 32, |v| {
                    Want::Bits(number(v[0] >> bits, bits, signed) as u64 & mask(32))
                });
            }
        }
    }
}

pub fn vectors() {
    let (a, b) = (rows(64), rows(64).into_iter().rev().collect::<Vec<_>>());
    let i: [(u32, &[u64]); 2] = [(64, &a), (64, &b)];
    for (space, place) in places() {
        let run = |name: &str, rest: &str, want: &dyn Fn(&[u64]) -> u64| check_module(name, MODULE, DECL, &body(place, rest), &i, 64, |v| Want::Bits(want(v)));
        run("ld", &format!("st{space}.v2.b64 [%at+16], {{%in0, %in1}}; ld{space}.v2.u64 {{%v0, %v1}}, [%at+16]; sub.u64 %out, %v0, %v1;"), &|v| v[0].wrapping_sub(v[1]));
        run("st", &format!("mov.b64 {{%x0, %x1}}, %in0; mov.b64 {{%x2, %x3}}, %in1; st{space}.v4.b32 [%at], {{%x3, %x0, %x1, %x2}}; ld{space}.v2.b64 {{%v0, %out}}, [%at];"), &|v| v[0] >> 32 | v[1] << 32);
        run("ld", &format!("st{space}.v2.u64 [%at], {{%in0, %in1}}; ld{space}.v4.u32 {{%x0, _, %x2, _}}, [%at]; mov.b64 %out, {{%x2, %x0}};"), &|v| v[1] & mask(32) | v[0] << 32);
        run("ld", &format!("st{space}.u64 [%at], %in0; ld{space}.v4.s16 {{%x0, %x1, %x2, %x3}}, [%at]; add.s32 %x0, %x0, %x1; add.s32 %x0, %x0, %x2; add.s32 %x0, %x0, %x3; cvt.s64.s32 %out, %x0;"), &|v| {
            (0..4).map(|k| number(v[0] >> (16 * k), 16, true)).sum::<i128>() as u64
        });
        run("ld", &format!("st{space}.u64 [%at], %in0; ld{space}.v4.u8 {{%x0, %x1, %x2, %x3}}, [%at+4]; shl.b32 %x1, %x1, 8; or.b32 %x0, %x0, %x1; shl.b32 %x3, %x3, 16; or.b32 %x0, %x0, %x3; cvt.u64.u32 %out, %x0;"), &|v| {
            let b = v[0] >> 32;
            b & 0xffff | (b >> 24 & 255) << 16
        });
        run("ld", &format!(".reg .b128 %q; mov.b128 %q, {{%in0, %in1}}; st{space}.b128 [%at+32], %q; ld{space}.b128 %q, [%at+32]; mov.b128 {{%v0, %v1}}, %q; xor.b64 %out, %v0, %v1;"), &|v| v[0] ^ v[1]);
        run("ld", &format!(".reg .v2 .b64 %w; st{space}.v2.b64 [%at], {{%in0, %in1}}; ld{space}.v2.b64 %w, [%at]; add.u64 %out, %w.x, %w.y;"), &|v| v[0].wrapping_add(v[1]));
    }
    // Eight words, four doublewords: global memory only.
    let place = places()[0].1;
    let rest = "mov.b64 {%x0, %x1}, %in0; mov.b64 {%x2, %x3}, %in1; st.global.v8.b32 [%at], {%x0, %x1, %x2, %x3, %x3, %x2, %x1, %x0}; ld.global.v4.b64 {%v0, %v1, %v2, %v3}, [%at]; sub.u64 %v0, %v0, %v2; sub.u64 %v1, %v1, %v3; xor.b64 %out, %v0, %v1;";
    check_module("ld", MODULE, DECL, &body(place, rest), &i, 64, |v| {
        let swap = |x: u64| x.rotate_left(32);
        Want::Bits(v[0].wrapping_sub(swap(v[1])) ^ v[1].wrapping_sub(swap(v[0])))
    });
}

/// Orders, scopes, cache operators and hints change no value.
pub fn qualifiers() {
    let v = rows(64);
    let loads = [
        "ld.global", "ld.weak.global", "ld.volatile.global", "ld.relaxed.cta.global", "ld.relaxed.gpu.global", "ld.acquire.sys.global", "ld.acquire.cluster.global", "ld.mmio.relaxed.sys.global",
        "ld.global.ca", "ld.global.cg", "ld.global.cs", "ld.global.lu", "ld.global.cv", "ld.global.nc", "ld.global.nc.L1::no_allocate", "ld.global.L1::evict_last",
        "ld.global.L2::64B", "ld.global.L2::128B", "ld.global.nc.L1::evict_first.L2::256B", "ldu.global", "ld.volatile", "ld.acquire.gpu", "ld.relaxed.sys",
    ];
    let stores = [
        "st.global", "st.weak.global", "st.volatile.global", "st.relaxed.cta.global", "st.release.gpu.global", "st.release.sys.global", "st.mmio.relaxed.sys.global",
        "st.global.wb", "st.global.cg", "st.global.cs", "st.global.wt", "st.global.L1::evict_last", "st.global.L1::no_allocate", "st.volatile", "st.release.cluster", "st.relaxed.sys",
    ];
    for l in loads {
        check_module(l, MODULE, DECL, &body(places()[0].1, &format!("st.global.u64 [%at], %in0; {l}.u64 %out, [%at];")), &[(64, &v)], 64, |v| Want::Bits(v[0]));
    }
    for s in stores {
        check_module(s, MODULE, DECL, &body(places()[0].1, &format!("{s}.u64 [%at], %in0; ld.global.u64 %out, [%at];")), &[(64, &v)], 64, |v| Want::Bits(v[0]));
    }
    let hinted = "createpolicy.fractional.L2::evict_last.b64 %v0, 1.0; st.global.L2::cache_hint.b64 [%at], %in0, %v0; ld.global.L2::cache_hint.b64 %out, [%at], %v0;";
    check_module("createpolicy", MODULE, DECL, &body(places()[0].1, hinted), &[(64, &v)], 64, |v| Want::Bits(v[0]));
    let hints = [
        "prefetch.global.L1 [%at];", "prefetch.global.L2 [%at];", "prefetch.local.L1 [lbuf];", "prefetch.L2 [%at];", "prefetchu.L1 [%at];", "prefetch.global.L2::evict_last [%at];",
        "applypriority.global.L2::evict_normal [%at], 128;", "createpolicy.range.global.L2::evict_last.L2::evict_first.b64 %v0, [%at], 64, 128;",
        "createpolicy.cvt.L2.b64 %v0, 5;", "createpolicy.fractional.L2::evict_first.L2::evict_unchanged.b64 %v0, 0.5;",
        "griddepcontrol.launch_dependents;", "griddepcontrol.wait;", "pmevent 3;", "pmevent.mask 0x11;", "setmaxnreg.inc.sync.aligned.u32 232;", "setmaxnreg.dec.sync.aligned.u32 40;",
        "fence.sc.cta;", "fence.acq_rel.gpu;", "fence.sys;", "fence.sc.cluster;", "fence.acquire.sync_restrict::shared::cluster.cluster;", "fence.proxy.alias;", "fence.proxy.async;", "fence.proxy.async.global;",
        "fence.mbarrier_init.release.cluster;", "fence.proxy.tensormap::generic.release.gpu;", "fence.proxy.async::generic.acquire.sync_restrict::shared::cluster.cluster;",
        "membar.cta;", "membar.gl;", "membar.sys;", "membar.proxy.alias;", "nanosleep.u32 20;", "nanosleep.u32 %x0;",
    ];
    for h in hints {
        let rest = format!("mov.u32 %x0, 10; st.global.u64 [%at], %in0; {h} ld.global.u64 %out, [%at];");
        check_module(h, MODULE, DECL, &body(places()[0].1, &rest), &[(64, &v)], 64, |v| Want::Bits(v[0]));
    }
    // What is discarded may be anything; it must only be there.
    let rest = "st.global.u64 [%at], %in0; mov.u64 %v0, gbuf; discard.global.L2 [%v0], 128; mov.u64 %out, %in0;";
    check_module("discard", MODULE, DECL, &body(places()[0].1, rest), &[(64, &v)], 64, |v| Want::Bits(v[0]));
}

pub fn constants_and_parameters() {
    let v: Vec<u64> = (0..4).collect();
    let table = [0x1122_3344u64, 0xfedc_ba98, 7, 0x8000_0000];
    let rest = "mov.u64 %at, cbuf; mad.wide.u32 %at, %in0, 4, %at; ld.const.u32 %out, [%at];";
    check_module("ld", MODULE, DECL, rest, &[(32, &v)], 32, |v| Want::Bits(table[v[0] as usize]));
    let rest = "mov.u64 %at, cbuf; cvta.const.u64 %at, %at; mad.wide.u32 %at, %in0, 4, %at; ld.u32 %out, [%at];";
    check_module("cvta", MODULE, DECL, rest, &[(32, &v)], 32, |v| Want::Bits(table[v[0] as usize]));
    check_module("ld", MODULE, DECL, "ld.const.u32 %out, [cbuf+4];", &[(32, &v)], 32, |_| Want::Bits(table[1]));
    check_module("ld", MODULE, DECL, "ld.const.v2.u32 {%x0, %out}, [cbuf+8];", &[(32, &v)], 32, |_| Want::Bits(table[3]));
    // The kernel's parameters through their generic address.
    let rest = "mov.u64 %at, pn; cvta.param.u64 %at, %at; ld.u32 %out, [%at]; sub.u32 %out, %out, %n; add.u32 %out, %out, %in0;";
    check_module("cvta", MODULE, DECL, rest, &[(32, &v)], 32, |v| Want::Bits(v[0]));
    check_module("ld", MODULE, DECL, "ld.param::entry.u32 %out, [pn]; sub.u32 %out, %out, %n;", &[(32, &v)], 32, |_| Want::Bits(0));
}

pub fn address_spaces() {
    let v: Vec<u64> = (0..64).collect();
    let of = [("global", "mov.u64 %at, gbuf; cvta.global.u64 %at, %at;"), ("shared", "mov.u64 %at, sbuf; cvta.shared.u64 %at, %at;"), ("local", "mov.u64 %at, lbuf; cvta.local.u64 %at, %at;"), ("param", "mov.u64 %at, pn; cvta.param.u64 %at, %at;"), ("const", "mov.u64 %at, cbuf; cvta.const.u64 %at, %at;")];
    for (space, place) in of {
        for (asked, _) in &of[..4] {
            let body = format!("{place} isspacep.{asked} %p, %at; selp.u32 %out, 1, 0, %p;");
            check_module("isspacep", MODULE, DECL, &body, &[(32, &v)], 32, |_| {
                // Constant memory lies among global memory.
                if space == "const" && *asked == "global" { Want::Anything } else { Want::Bits((*asked == space).into()) }
            });
        }
        let body = format!("{place} mov.u64 %v0, %at; cvta.to.{space}.u64 %v1, %v0; cvta.{space}.u64 %v1, %v1; sub.u64 %out, %v1, %v0;");
        check_module("cvta", MODULE, DECL, &body, &[(32, &v)], 64, |_| Want::Bits(0));
    }
    for asked in ["shared::cta", "shared::cluster", "param::entry"] {
        let place = of[if asked.starts_with("shared") { 1 } else { 3 }].1;
        check_module("isspacep", MODULE, DECL, &format!("{place} isspacep.{asked} %p, %at; selp.u32 %out, 1, 0, %p;"), &[(32, &v)], 32, |_| Want::Bits(1));
    }
    // A cluster of one block: addresses of rank 0 are the block's own.
    let body = "mov.u64 %at, sbuf; add.u64 %at, %at, 4; mapa.shared::cluster.u64 %v0, %at, 0; sub.u64 %out, %v0, %at;";
    check_module("mapa", MODULE, DECL, body, &[(32, &v)], 64, |_| Want::Bits(0));
    let body = "mov.u64 %at, sbuf; cvta.shared.u64 %at, %at; mapa.u64 %v0, %at, 0; sub.u64 %out, %v0, %at;";
    check_module("mapa", MODULE, DECL, body, &[(32, &v)], 64, |_| Want::Bits(0));
    let body = "mov.u32 %x0, sbuf; mapa.shared::cluster.u32 %x1, %x0, 0; sub.u32 %out, %x1, %x0;";
    check_module("mapa", MODULE, DECL, body, &[(32, &v)], 32, |_| Want::Bits(0));
    let body = "mov.u64 %at, sbuf; getctarank.shared::cluster.u32 %x0, %at; cvta.shared.u64 %at, %at; getctarank.u32 %x1, %at; or.b32 %out, %x0, %x1;";
    check_module("getctarank", MODULE, DECL, body, &[(32, &v)], 32, |_| Want::Bits(0));
}

pub fn stack() {
    let v: Vec<u64> = (1..65).collect();
    // An array as long as each lane asks, filled and added up; then given back, so that a loop of many fits.
    let body = "mov.u32 %x7, 0;
AGAIN: stacksave.u64 %v3; cvt.u64.u32 %v0, %in0; shl.b64 %v0, %v0, 3; alloca.u64 %v1, %v0, 16; cvta.local.u64 %v1, %v1;
mov.u32 %x0, 0; mov.u64 %v2, %v1;
FILL: st.u64 [%v2], %v2; add.u64 %v2, %v2, 8; add.u32 %x0, %x0, 1; setp.lt.u32 %p, %x0, %in0; @%p bra FILL;
mov.u32 %x0, 0; mov.u64 %v2, %v1; mov.u64 %out, 0;
SUM: ld.u64 %at, [%v2]; sub.u64 %at, %at, %v2; add.u64 %at, %at, 3; add.u64 %out, %out, %at; add.u64 %v2, %v2, 8; add.u32 %x0, %x0, 1; setp.lt.u32 %p, %x0, %in0; @%p bra SUM;
stackrestore.u64 %v3; add.u32 %x7, %x7, 1; setp.lt.u32 %p, %x7, 100; @%p bra AGAIN;";
    for op in ["alloca", "stacksave", "stackrestore"] {
        check_module(op, MODULE, DECL, body, &[(32, &v)], 64, |v| Want::Bits(3 * v[0]));
    }
    let body = "alloca.u32 %x0, 24, 8; alloca.u32 %x1, 24, 8; sub.u32 %x2, %x0, %x1; st.local.u32 [%x0], %in0; st.local.u32 [%x1], %x2; ld.local.u32 %out, [%x0]; and.b32 %x0, %x0, 7; add.u32 %out, %out, %x0;";
    check_module("alloca", MODULE, DECL, body, &[(32, &v)], 32, |v| Want::Bits(v[0]));
}
