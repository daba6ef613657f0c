//! The forms that serve a whole warp at once: every pattern of addresses, width and space against the same done lane by
//! lane here, faults included.

mod support;
use ringway_softgpu::exec::FaultKind;
use support::*;

/// Index of an element by thread, in PTX (to %i, with scratch %g and %j) and in Rust.
const PATTERNS: [(&str, &str, fn(u32) -> u32); 9] = [
    ("one place", "mov.u32 %i, 5;", |_| 5),
    ("a place for each half", "shr.u32 %j, %t, 4; mad.lo.u32 %i, %j, 3, 2;", |t| (t >> 4) * 3 + 2),
    ("consecutive", "add.u32 %i, %t, 7;", |t| t + 7),
    ("halves consecutive", "and.b32 %g, %t, 15; shr.u32 %j, %t, 4; mad.lo.u32 %i, %j, 40, %g;", |t| (t & 15) + (t >> 4) * 40),
    ("halves overlap", "and.b32 %g, %t, 15; shr.u32 %j, %t, 4; mad.lo.u32 %i, %j, 8, %g;", |t| (t & 15) + (t >> 4) * 8),
    ("every other", "shl.b32 %i, %t, 1;", |t| t * 2),
    ("reversed", "sub.u32 %i, 31, %t;", |t| 31 - t),
    ("quarters", "and.b32 %g, %t, 7; shr.u32 %j, %t, 3; mad.lo.u32 %i, %j, 16, %g;", |t| (t & 7) + (t >> 3) * 16),
    ("nearly consecutive", "xor.b32 %g, %t, 1; setp.lt.u32 %q, %t, 30; selp.b32 %i, %t, %g, %q;", |t| if t < 30 { t } else { t ^ 1 }),
];

const ELEMENTS: usize = 128;

fn element(size: usize, k: usize) -> u64 {
    (k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 8 * size)
}

fn stored(size: usize, t: u32) -> u64 {
    (u64::from(t) * 0x0301_0701_0501 + 9) & (!0 >> (64 - 8 * size))
}

/// Accesses array x by one pattern, with the index known ahead or read from memory.
fn access(pattern: &str, size: usize, space: &str, plain: bool, ahead: bool, store: bool) -> String {
    let wide = size == 8;
    let (v, bits) = (if wide { "%v8" } else { "%v" }, size * 8);
    let find = if ahead {
        pattern.to_string()
    } else {
        "ld.param.u64 %a, [pi]; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o; ld.global.u32 %i, [%a];".into()
    };
    let shared = space == "shared";
    let place = if shared {
        format!("mov.u32 %m, s; mad.lo.u32 %c, %i, {size}, %m;")
    } else {
        let hide = if plain { "xor.b64 %a, %a, 0;" } else { "" };
        format!("ld.param.u64 %a, [px]; mul.wide.u32 %o, %i, {size}; add.u64 %a, %a, %o; {hide}")
    };
    let base = if shared { "%c" } else { "%a" };
    let narrow = if wide { "" } else { "cvt.u32.u64 %v, %v8;" };
    let act = if store {
        format!(
            "cvt.u64.u32 %v8, %t; mul.lo.u64 %v8, %v8, {}; add.u64 %v8, %v8, 9; {narrow} st.{space}.b{bits} [{base}], {v};",
            0x0301_0701_0501u64
        )
    } else {
        let widen = if wide { "" } else { "cvt.u64.u32 %v8, %v;" };
        format!(
            "ld.{space}.b{bits} {v}, [{base}]; {widen} ld.param.u64 %a, [po]; mul.wide.u32 %o, %t, 8; add.u64 %a, %a, %o; st.global.u64 [%a], %v8;"
        )
    };
    // Shared memory starts as x and ends in x.
    let copy = |to_shared: bool| {
        let mut text = String::new();
        for k in 0..4 {
            text += &format!(
                "add.u32 %k, %t, {}; ld.param.u64 %a, [px]; mul.wide.u32 %o, %k, {size}; add.u64 %a, %a, %o; mov.u32 %d, s; mad.lo.u32 %d, %k, {size}, %d;",
                32 * k
            );
            text += &if to_shared {
                format!("ld.global.b{bits} {v}, [%a]; st.shared.b{bits} [%d], {v};\n")
            } else {
                format!("ld.shared.b{bits} {v}, [%d]; st.global.b{bits} [%a], {v};\n")
            };
        }
        text
    };
    let (before, after) = if shared { (copy(true), copy(false)) } else { Default::default() };
    format!(
        "{HEAD}.visible .entry k(.param .u64 px, .param .u64 po, .param .u64 pi, .param .u32 pn) {{
 .reg .b32 %t, %g, %i, %j, %k, %n, %v, %c, %d, %m; .reg .b64 %a, %o, %v8; .reg .pred %p, %q; .shared .align 8 .b8 s[{}];
 mov.u32 %t, %tid.x; {before} bar.sync 0;
 ld.param.u32 %n, [pn]; setp.ge.u32 %p, %t, %n; @%p bra DONE;
 {find}
 {place}
 {act}
 DONE: bar.sync 0; {after} ret; }}",
        ELEMENTS * size
    )
}

#[test]
fn every_pattern_width_and_space_is_as_lane_by_lane() {
    for (name, pattern, index) in PATTERNS {
        for size in [1usize, 2, 4, 8] {
            for (space, plain) in [("global", false), ("global", true), ("shared", false)] {
                for bits in 0..4 {
                    let (ahead, store) = (bits & 1 != 0, bits & 2 != 0);
                    let l = load(&access(pattern, size, space, plain, ahead, store));
                    for active in [32u32, 20] {
                        let mut bytes: Vec<u8> =
                            (0..ELEMENTS).flat_map(|k| element(size, k).to_le_bytes()[..size].to_vec()).collect();
                        let x = Buffer::from(&bytes);
                        let out = Buffer::from(&[0u64; 32]);
                        let indices = Buffer::from(&(0..32).map(index).collect::<Vec<u32>>());
                        let p = Params::new().u64(x.address()).u64(out.address()).u64(indices.address()).u32(active);
                        l.run("k", &Run::default(), &p, &[&x, &out, &indices]);
                        let mut wanted = [0u64; 32];
                        for t in 0..active {
                            let k = index(t) as usize;
                            if store {
                                bytes[k * size..(k + 1) * size].copy_from_slice(&stored(size, t).to_le_bytes()[..size]);
                            } else {
                                wanted[t as usize] = element(size, k);
                            }
                        }
                        let what = format!("{name}, {size} bytes, {space}, plain {plain}, ahead {ahead}, store {store}, {active} lanes");
                        assert_eq!(x.read::<u8>(), bytes, "{what}");
                        assert_eq!(out.read::<u64>(), wanted, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn vectors_of_words_are_as_lane_by_lane() {
    for (name, pattern, index) in PATTERNS {
        for (count, space) in [(2u32, "global"), (4, "global"), (2, "shared"), (4, "shared")] {
            let regs = ["%a0, %a1", "%a0, %a1, %a2, %a3"][usize::from(count == 4)];
            let bytes = count * 4;
            let sum = if count == 4 { "add.u32 %a2, %a2, %a3; xor.b32 %a0, %a0, %a2;" } else { "" };
            // The vectors are moved to place 100 + index as well.
            let l = load(&format!(
                "{HEAD}.visible .entry k(.param .u64 px, .param .u64 po) {{
 .reg .b32 %t, %g, %i, %j, %k, %m, %a<4>; .reg .b64 %a, %o, %b; .reg .pred %q; .shared .align 16 .b8 s[{}];
 mov.u32 %t, %tid.x; {pattern}
 ld.param.u64 %a, [px]; mul.wide.u32 %o, %i, {bytes}; add.u64 %b, %a, %o;
 ld.global.v{count}.u32 {{{regs}}}, [%b];
 mov.u32 %m, s; mad.lo.u32 %k, %i, {bytes}, %m;
 st.shared.v{count}.u32 [%k], {{{regs}}};
 bar.sync 0;
 {}
 st.global.v{count}.u32 [%b+{}], {{{regs}}};
 {sum} mad.lo.u32 %a0, %a1, 3, %a0;
 ld.param.u64 %a, [po]; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o; st.global.u32 [%a], %a0; ret; }}",
                128 * bytes,
                if space == "shared" { format!("mov.u32 %a1, 0; ld.shared.v{count}.u32 {{{regs}}}, [%k];") } else { String::new() },
                100 * bytes,
            ));
            let n = (count * 256) as usize;
            let mut words: Vec<u32> = (0..n as u32).map(|k| k.wrapping_mul(0x9e37_79b9)).collect();
            let (x, out) = (Buffer::from(&words), Buffer::from(&[0u32; 32]));
            l.run("k", &Run::default(), &Params::new().u64(x.address()).u64(out.address()), &[&x, &out]);
            let mut wanted = [0u32; 32];
            for t in 0..32 {
                let at = (index(t) * count) as usize;
                let v: Vec<u32> = words[at..at + count as usize].to_vec();
                let high = if count == 4 { v[2].wrapping_add(v[3]) } else { 0 };
                wanted[t as usize] = (v[0] ^ high).wrapping_add(v[1].wrapping_mul(3));
                let to = at + 100 * count as usize;
                words[to..to + count as usize].copy_from_slice(&v);
            }
            assert_eq!(out.read::<u32>(), wanted, "{name}, {count}, {space}");
            assert_eq!(x.read::<u32>(), words, "{name}, {count}, {space}");
        }
    }
}

#[test]
fn faults_name_the_first_lane_its_address_and_line() {
    let x = Buffer::from(&[1u32; 100]);
    for ahead in [true, false] {
        for (factor, first) in [(1u32, 5u64), (2, 3), (0, 0)] {
            // Lane t reads element 95 + factor * t of 100; with factor 0 all lanes read element 100.
            let start: u32 = if factor == 0 { 100 } else { 95 };
            let hide = if ahead { "" } else { "xor.b64 %a, %a, 0;" };
            let l = load(&format!(
                "{HEAD}.visible .entry k(.param .u64 px) {{
 .reg .b32 %t, %i, %v; .reg .b64 %a, %o;
 mov.u32 %t, %tid.x; mad.lo.u32 %i, %t, {factor}, {start};
 ld.param.u64 %a, [px]; mul.wide.u32 %o, %i, 4; add.u64 %a, %a, %o; {hide}

 ld.global.u32 %v, [%a];
 st.global.u32 [%a], %v; ret; }}"
            ));
            let (r, _) = l.launch("k", &Run::default(), &Params::new().u64(x.address()), &[&x]);
            let f = r.unwrap_err();
            assert_eq!((f.kind, f.thread, f.ptx_line), (FaultKind::IllegalAddress, [first as u32, 0, 0], 9), "{f}");
            let at = x.address() + 4 * (u64::from(start) + first * u64::from(factor));
            assert_eq!(f.address, Some(at), "{f}");
        }
    }
}

#[test]
fn joined_instructions_fault_where_they_stand() {
    // Products of two values from shared memory; `y` runs out of it in the second pair.
    for (x, y, line, lane) in [("%r1", "%r2", None, 0), ("%r1", "%r3", Some(12), 0), ("%r1", "%r4", Some(12), 3)] {
        let text = format!(
            "{HEAD}.visible .entry k(.param .u64 po) {{
 .reg .b32 %r<6>; .reg .f32 %f<12>; .reg .b64 %a, %o; .shared .align 4 .b8 s[256];
 mov.u32 %r0, %tid.x; mov.u32 %r1, s; mad.lo.u32 %r2, %r0, 4, %r1; add.u32 %r3, %r1, 256; mad.lo.u32 %r4, %r0, 4, 244; add.u32 %r4, %r4, %r1;
 cvt.rn.f32.u32 %f0, %r0; st.shared.f32 [%r2], %f0; st.shared.f32 [%r2+128], %f0; bar.sync 0; mov.f32 %f9, 0f3F800000;
 ld.shared.f32 %f1, [%r1+8];
 ld.shared.f32 %f2, [%r2+4];
 fma.rn.f32 %f9, %f1, %f2, %f9;
 ld.shared.f32 %f3, [{x}+12];
 ld.shared.f32 %f4, [{y}];
 fma.rn.f32 %f9, %f3, %f4, %f9;
 ld.param.u64 %a, [po]; mul.wide.u32 %o, %r0, 4; add.u64 %a, %a, %o; st.global.f32 [%a], %f9; ret; }}"
        );
        let l = load(&text);
        let out = Buffer::from(&[0f32; 32]);
        let (r, _) = l.launch("k", &Run::default(), &Params::new().u64(out.address()), &[&out]);
        match line {
            None => {
                r.unwrap();
                let wanted: Vec<f32> = (0..32).map(|t| 1.0 + 2.0 * ((t + 1) % 32) as f32 + 3.0 * t as f32).collect();
                assert_eq!(out.read::<f32>(), wanted);
            }
            Some(line) => {
                let f = r.unwrap_err();
                assert_eq!((f.kind, f.thread, f.ptx_line), (FaultKind::IllegalAddress, [lane, 0, 0], line), "{f}");
            }
        }
    }
}

#[test]
fn shuffles_by_constants_are_those_by_registers() {
    for mode in ["up", "down", "bfly", "idx"] {
        for b in [0u32, 1, 7, 16, 31] {
            for c in [0u32, 31, 0x181f, 0x1800] {
                let body = |b: &str, c: &str| {
                    format!(
                        "{HEAD}.visible .entry k(.param .u64 po) {{
 .reg .b32 %t, %v, %b, %c, %d; .reg .b64 %a, %o; .reg .pred %p;
 mov.u32 %t, %tid.x; mul.lo.u32 %v, %t, 10; mov.u32 %b, {b}; mov.u32 %c, {c};
 shfl.sync.{mode}.b32 %d|%p, %v, {b}, {c}, -1; @!%p add.u32 %d, %d, 1;
 ld.param.u64 %a, [po]; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o; st.global.u32 [%a], %d; ret; }}"
                    )
                };
                let result = |text: &str| {
                    let out = Buffer::from(&[0u32; 32]);
                    load(text).run("k", &Run::default(), &Params::new().u64(out.address()), &[&out]);
                    out.read::<u32>()
                };
                let constants = body(&b.to_string(), &c.to_string());
                let registers = constants.replace(&format!("%v, {b}, {c}, -1"), "%v, %b, %c, -1");
                assert_eq!(result(&constants), result(&registers), "{mode} {b} {c:#x}");
            }
        }
    }
}

#[test]
fn only_what_never_changes_is_computed_ahead() {
    // %x is written twice, %y under a guard, %z in a loop, %w from the block's index.
    let l = load(&format!(
        "{HEAD}.visible .entry k(.param .u64 po, .param .u32 pn) {{
 .reg .b32 %t, %n, %x, %y, %z, %w, %b, %c; .reg .b64 %a, %o; .reg .pred %p, %q;
 mov.u32 %t, %tid.x; mov.u32 %b, %ctaid.x; ld.param.u32 %n, [pn];
 mov.u32 %x, 5; mov.u32 %z, 0; mov.u32 %c, 0; add.u32 %w, %b, %n;
 setp.lt.u32 %p, %t, 10; mov.u32 %y, 1; @%p mov.u32 %y, 100;
 @%p bra SKIP; add.u32 %x, %x, %t;
 SKIP: add.u32 %z, %z, %w; add.u32 %c, %c, 1; setp.lt.u32 %q, %c, %t; @%q bra SKIP;
 add.u32 %x, %x, %y; add.u32 %x, %x, %z;
 mad.lo.u32 %c, %b, 32, %t;
 ld.param.u64 %a, [po]; mul.wide.u32 %o, %c, 4; add.u64 %a, %a, %o; st.global.u32 [%a], %x; ret; }}"
    ));
    let out = Buffer::from(&[0u32; 96]);
    for deterministic in [true, false] {
        let run = Run { grid: [3, 1, 1], deterministic, ..Run::default() };
        l.run("k", &run, &Params::new().u64(out.address()).u32(7), &[&out]);
        for (k, v) in out.read::<u32>().into_iter().enumerate() {
            let (b, t) = (k as u32 / 32, k as u32 % 32);
            let x = 5 + if t < 10 { 100 } else { t + 1 } + t.max(1) * (b + 7);
            assert_eq!(v, x, "block {b}, thread {t}");
        }
    }
}

/// Three operations in a row, the middle one `middle` (with %a, %b and %c for its operands), whose operands are the
/// result of the first where `taken` says so. Labels between them keep each in a basic block of its own.
fn row(middle: &str, float: bool, taken: u32, keep: bool, apart: bool) -> String {
    let (first, last) = if float { ("add.rn.f32", "sub.rn.f32") } else { ("add.u32", "xor.b32") };
    let operand = |k: u32, other: &str| if taken >> k & 1 != 0 { "%t1".to_string() } else { other.to_string() };
    let middle = middle.replace("%a", &operand(0, "%x")).replace("%b", &operand(1, "%y")).replace("%c", &operand(2, "%z"));
    let label = |name: &str| if apart { format!("{name}:") } else { String::new() };
    let kept = if keep { "xor.b32 %t3, %t3, %t1; shl.b32 %t2, %t2, 1; add.u32 %t3, %t3, %t2;" } else { "" };
    format!(
        "{HEAD}.visible .entry k(.param .u64 pi, .param .u64 po, .param .u32 pn) {{
 .reg .b32 %t, %n, %x, %y, %z, %t1, %t2, %t3; .reg .b64 %d, %o; .reg .pred %p, %q;
 mov.u32 %t, %tid.x; ld.param.u32 %n, [pn]; setp.lt.u32 %q, %t, 9; setp.ge.u32 %p, %t, %n; @%p bra DONE;
 ld.param.u64 %d, [pi]; mul.wide.u32 %o, %t, 4; add.u64 %d, %d, %o;
 ld.global.u32 %y, [%d+128]; ld.global.u32 %z, [%d+256]; ld.global.u32 %x, [%d];
 {} {first} %t1, %x, %y;
 {} {middle}
 {} {last} %t3, %t2, %y;
 {kept}
 ld.param.u64 %d, [po]; add.u64 %d, %d, %o; st.global.u32 [%d], %t3;
 DONE: ret; }}",
        label("L0"),
        label("L1"),
        label("L2"),
    )
}

#[test]
fn results_passed_on_are_those_kept() {
    let floats = ["add", "sub", "mul", "add.ftz", "sub.ftz", "mul.ftz", "min", "max"].map(|o| format!("{o}.f32 %t2, %a, %b;"));
    let more = [
        "fma.rn.f32 %t2, %a, %b, %c;",
        "fma.rn.ftz.f32 %t2, %a, %b, %c;",
        "div.rn.f32 %t2, %a, %b;",
        "neg.f32 %t2, %a;",
        "abs.ftz.f32 %t2, %a;",
        "sqrt.rn.f32 %t2, %a;",
        "rcp.rn.f32 %t2, %a;",
        "rsqrt.approx.f32 %t2, %a;",
        "ex2.approx.f32 %t2, %a;",
        "ex2.approx.ftz.f32 %t2, %a;",
        "selp.b32 %t2, %a, %b, %q;",
        "mov.b32 %t2, %a;",
    ];
    let whole = ["add.u32", "sub.u32", "mul.lo.u32", "mul.hi.u32", "mul.hi.s32", "and.b32", "or.b32", "xor.b32", "shl.b32", "shr.u32", "shr.s32"]
        .map(|o| format!("{o} %t2, %a, %b;"));
    let mut all: Vec<(String, bool)> = floats.into_iter().map(|s| (s, true)).collect();
    all.extend(more.iter().map(|s| (s.to_string(), true)));
    all.extend(whole.into_iter().map(|s| (s, false)));
    all.push(("mad.lo.u32 %t2, %a, %b, %c;".into(), false));
    all.push(("mov.b32 %t2, %a;".into(), false));
    for mode in ["up", "down", "bfly", "idx"] {
        for b in [1, 4, 8, 13, 16, 31] {
            let c = if mode == "up" { 0 } else { 31 };
            all.push((format!("shfl.sync.{mode}.b32 %t2, %a, {b}, {c}, 0xfffff;"), false));
        }
    }
    for ty in ["s32", "u32", "f32"] {
        for op in ["eq", "ne", "lt", "le", "gt", "ge"] {
            let flush = if ty == "f32" && op < "gt" { ".ftz" } else { "" };
            all.push((format!("setp.{op}{flush}.{ty} %q, %a, %b; selp.b32 %t2, %x, 5, %q;"), ty == "f32"));
        }
    }
    let special = [
        0u32, 0x8000_0000, 1, 0x8000_0001, 0x7f_ffff, 0x80_0000, 0x3f80_0000, 0xbf80_0000, 0x4049_0fdb, 0x7f80_0000, 0xff80_0000,
        0x7fc0_0000, 0x7f7f_ffff, 0xc2c8_0000, 0x4316_0000, 31, 33, 0xffff_ffff,
    ];
    let mut input = Vec::new();
    for k in 0..96u32 {
        input.push(if k % 3 == 0 { 0x3f00_0000 + k * 0x1_2345 } else { special[(k * 7 + k / 18) as usize % special.len()] });
    }
    // Which of two NaNs a sum has is not defined: where results go on as integers there are none.
    let numbers: Vec<u32> = input.iter().map(|v| if f32::from_bits(*v).is_nan() { 0x3fc0_0000 } else { *v }).collect();
    let (input, numbers) = (Buffer::from(&input), Buffer::from(&numbers));
    for (middle, float) in all {
        let places = ["%a", "%b", "%c"].iter().filter(|p| middle.contains(**p)).count();
        for taken in 0..1u32 << places {
            for (keep, lanes) in [(false, 32u32), (true, 32), (false, 20), (true, 20)] {
                let input = if float && keep { &numbers } else { &input };
                let result = |apart: bool| {
                    let out = Buffer::from(&[7u32; 32]);
                    let p = Params::new().u64(input.address()).u64(out.address()).u32(lanes);
                    load(&row(&middle, float, taken, keep, apart)).run("k", &Run::default(), &p, &[input, &out]);
                    let nan = |v: u32| float && !keep && f32::from_bits(v).is_nan();
                    out.read::<u32>().into_iter().map(|v| if nan(v) { 0x7fff_ffff } else { v }).collect::<Vec<_>>()
                };
                assert_eq!(result(false), result(true), "{middle} taken {taken}, keep {keep}, {lanes} lanes");
            }
        }
    }
}

#[test]
fn a_store_of_a_passed_result_faults_at_its_lane() {
    let x = Buffer::from(&[1u32; 100]);
    // Lane t writes element 90 + t of 100.
    let l = load(&format!(
        "{HEAD}.visible .entry k(.param .u64 px) {{
 .reg .b32 %t, %i, %v; .reg .b64 %a, %o;
 mov.u32 %t, %tid.x; add.u32 %i, %t, 90;
 ld.param.u64 %a, [px]; mul.wide.u32 %o, %i, 4; add.u64 %a, %a, %o;
 add.u32 %v, %t, 50;
 xor.b32 %v, %v, 1;
 st.global.u32 [%a], %v; ret; }}"
    ));
    let (r, _) = l.launch("k", &Run::default(), &Params::new().u64(x.address()), &[&x]);
    let f = r.unwrap_err();
    assert_eq!((f.kind, f.thread, f.ptx_line), (FaultKind::IllegalAddress, [10, 0, 0], 10), "{f}");
    assert_eq!(f.address, Some(x.address() + 400), "{f}");
    let wanted: Vec<u32> = (0..10).map(|t| (t + 50) ^ 1).collect();
    assert_eq!(x.read::<u32>()[90..], wanted);
}

#[test]
fn lanes_that_wait_at_a_shuffle_keep_what_they_were_passed() {
    // Lanes from 12 on come to the shuffles late, by a way behind them; the others wait there.
    let l = load(&format!(
        "{HEAD}.visible .entry k(.param .u64 po) {{
 .reg .b32 %t, %v, %w, %c, %r; .reg .b64 %a, %o; .reg .pred %p;
 mov.u32 %t, %tid.x; mov.u32 %c, 0; setp.ge.u32 %p, %t, 12; @%p bra LATE;
 MEET: add.u32 %v, %t, 100;
 shfl.sync.bfly.b32 %w, %v, 16, 31, -1;
 shfl.sync.bfly.b32 %r, %w, 3, 31, -1;
 add.u32 %r, %r, %w; add.u32 %r, %r, %c;
 ld.param.u64 %a, [po]; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o; st.global.u32 [%a], %r; ret;
 LATE: add.u32 %c, %c, 1; setp.lt.u32 %p, %c, %t; @%p bra LATE; bra MEET; }}"
    ));
    let out = Buffer::from(&[0u32; 32]);
    l.run("k", &Run::default(), &Params::new().u64(out.address()), &[&out]);
    let wanted: Vec<u32> = (0..32).map(|t: u32| (t ^ 16 ^ 3) + 100 + (t ^ 16) + 100 + if t >= 12 { t } else { 0 }).collect();
    assert_eq!(out.read::<u32>(), wanted);
}

#[test]
fn copies_are_read_where_neither_register_was_written_again() {
    let l = load(&format!(
        "{HEAD}.visible .entry k(.param .u64 po) {{
 .reg .b32 %t, %a, %b, %c, %d, %r; .reg .b64 %e, %o; .reg .pred %p;
 mov.u32 %t, %tid.x; mul.lo.u32 %a, %t, 3; mov.b32 %b, %a; mov.b32 %c, %b;
 add.u32 %a, %a, 1; add.u32 %r, %b, %c; mov.b32 %b, %a;
 setp.lt.u32 %p, %t, 7; @%p mov.b32 %c, %a; mov.b32 %d, %c; @%p add.u32 %d, %d, 1000;
 add.u32 %r, %r, %d; @%p bra NEXT; mov.b32 %c, %r; add.u32 %b, %c, 5;
 NEXT: add.u32 %r, %r, %b; add.u32 %r, %r, %c;
 ld.param.u64 %e, [po]; mul.wide.u32 %o, %t, 4; add.u64 %e, %e, %o; st.global.u32 [%e], %r; ret; }}"
    ));
    let out = Buffer::from(&[0u32; 32]);
    l.run("k", &Run::default(), &Params::new().u64(out.address()), &[&out]);
    for (t, got) in out.read::<u32>().into_iter().enumerate() {
        let t = t as u32;
        let (a, mut b, mut c) = (3 * t + 1, 3 * t + 1, 3 * t);
        let mut r = 6 * t;
        let mut d = c;
        if t < 7 {
            c = a;
            d = c + 1000;
        }
        r += d;
        if t >= 7 {
            c = r;
            b = c + 5;
        }
        assert_eq!(got, r + b + c, "{t}");
    }
}
