//! Control flow, calls, barriers, operations between lanes, special registers (PTX ISA 9.7.9, 9.7.12, 9.7.13, 10).

use crate::harness::*;
use crate::support::{Buffer, Loaded, Params, Run, load};
use ringway_softgpu::exec::{Fault, FaultKind};

/// One kernel of whole blocks: word %t of the output is what each thread leaves in %out.
fn threads(name: &str, module: &str, decl: &str, body: &str, grid: u32, block: [u32; 3], inputs: &[u32]) -> Vec<u32> {
    note(name);
    let n = (grid * block.iter().product::<u32>()) as usize;
    let text = format!(
        "{HEAD}{module}\n.visible .entry k(.param .u64 po, .param .u64 pi) {{
 .reg .b64 %po, %pi, %ad; .reg .b32 %out, %t, %lane, %in, %x<8>; .reg .pred %p, %q; {decl}
 ld.param.u64 %po, [po]; ld.param.u64 %pi, [pi];
 mov.u32 %t, %tid.z; mov.u32 %x0, %ntid.y; mul.lo.u32 %t, %t, %x0; mov.u32 %x0, %tid.y; add.u32 %t, %t, %x0; mov.u32 %x0, %ntid.x; mul.lo.u32 %t, %t, %x0; mov.u32 %x0, %tid.x; add.u32 %t, %t, %x0;
 mov.u32 %lane, %laneid; mov.u32 %out, 0;
 mov.u32 %x0, %ctaid.x; mov.u32 %x1, %ntid.x; mul.lo.u32 %x0, %x0, %x1; mov.u32 %x1, %ntid.y; mul.lo.u32 %x0, %x0, %x1; mov.u32 %x1, %ntid.z; mul.lo.u32 %x0, %x0, %x1; 
 .reg .b32 %global; add.u32 %global, %x0, %t;
 mad.wide.u32 %pi, %global, 4, %pi; ld.global.u32 %in, [%pi]; mad.wide.u32 %po, %global, 4, %po;
 {body}
 END: st.global.u32 [%po], %out; ret; }}"
    );
    let l = load(&text);
    let mut words = inputs.to_vec();
    words.resize(n, 0);
    let (bi, bo) = (Buffer::from(&words), Buffer::new(n * 4));
    l.run("k", &Run { grid: [grid, 1, 1], block, ..Run::default() }, &Params::new().u64(bo.address()).u64(bi.address()), &[&bi, &bo]);
    bo.read()
}

/// One warp.
fn warp(name: &str, decl: &str, body: &str, inputs: &[u32]) -> Vec<u32> {
    threads(name, "", decl, body, 1, [32, 1, 1], inputs)
}

fn noise(seed: u64) -> Vec<u32> {
    let mut r = Random::new(seed);
    (0..32).map(|_| r.next() as u32).collect()
}

pub fn shuffles() {
    let v = noise(1);
    for width in [32u32, 16, 8, 2, 1] {
        for (mode, clamp) in [("up", 0u32), ("down", 31), ("bfly", 31), ("idx", 31)] {
            let c = (32 - width) << 8 | clamp;
            for b in [0u32, 1, 2, 5, 15, 16, 31, 33] {
                let got = warp("shfl", "", &format!("shfl.sync.{mode}.b32 %x0|%p, %in, {b}, {c}, -1; @!%p add.u32 %x0, %x0, 1; mov.u32 %out, %x0;"), &v);
                for lane in 0..32u32 {
                    let first = lane / width * width;
                    let b = b & 31;
                    let (from, ok) = match mode {
                        "up" => (lane.wrapping_sub(b), lane >= first + b),
                        "down" => (lane + b, lane + b < first + width),
                        "bfly" => (lane ^ b, (lane ^ b) < first + width),
                        _ => (first | b & (width - 1), true),
                    };
                    let want = if ok { v[from as usize] } else { v[lane as usize].wrapping_add(1) };
                    // A butterfly may reach below its segment; that lane is valid.
                    assert_eq!(got[lane as usize], want, "shfl.{mode} {b} width {width} lane {lane}");
                }
            }
        }
    }
    // Only half of the warp takes part; lanes differ in what they ask for.
    let got = warp("shfl", "", "setp.ge.u32 %p, %lane, 16; @%p bra END; xor.b32 %x1, %lane, 3; shfl.sync.idx.b32 %out, %in, %x1, 31, 0xffff;", &v);
    for lane in 0..32 {
        assert_eq!(got[lane], if lane < 16 { v[lane ^ 3] } else { 0 });
    }
}

pub fn votes() {
    let v: Vec<u32> = (0..32).map(|k| u32::from(k % 3 == 0)).collect();
    let bits = v.iter().enumerate().fold(0u32, |m, (k, x)| m | x << k);
    for mask in [!0u32, 0xffff, 0x249, 0x9249_2491] {
        let guard = format!("shr.u32 %x0, {mask}, %lane; and.b32 %x0, %x0, 1; setp.eq.u32 %p, %x0, 0; @%p bra END; setp.ne.u32 %q, %in, 0;");
        for (mode, f) in [("all", (|b, m| b & m == m) as fn(u32, u32) -> bool), ("any", |b, m| b & m != 0), ("uni", |b, m| b & m == 0 || b & m == m)] {
            for not in ["", "!"] {
                let b = if not == "!" { !bits } else { bits };
                let got = warp("vote", "", &format!("{guard} vote.sync.{mode}.pred %p, {not}%q, {mask}; selp.b32 %out, 1, 2, %p;"), &v);
                for lane in 0..32 {
                    let want = if mask >> lane & 1 == 0 { 0 } else if f(b, mask) { 1 } else { 2 };
                    assert_eq!(got[lane], want, "vote.{mode} {not}{mask:x}");
                }
            }
        }
        let got = warp("vote", "", &format!("{guard} vote.sync.ballot.b32 %out, %q, {mask};"), &v);
        assert!((0..32).all(|l| got[l] == if mask >> l & 1 != 0 { bits & mask } else { 0 }));
        let got = warp("activemask", "", &format!("{guard} activemask.b32 %out;"), &v);
        assert!((0..32).all(|l| got[l] == if mask >> l & 1 != 0 { mask } else { 0 }));
        let got = warp("elect", "", &format!("{guard} elect.sync %x0|%p, {mask}; selp.b32 %out, 100, 200, %p; add.u32 %out, %out, %x0;"), &v);
        let leader = mask.trailing_zeros();
        assert!((0..32u32).all(|l| got[l as usize] == if mask >> l & 1 == 0 { 0 } else if l == leader { 100 + leader } else { 200 + leader }));
    }
    // The forms without .sync act on the lanes that are there.
    let got = warp("vote", "", "setp.ne.u32 %q, %in, 0; vote.ballot.b32 %out, %q;", &v);
    assert!(got.iter().all(|g| *g == bits));
}

pub fn matches() {
    let v: Vec<u32> = (0..32).map(|k| [5, 5, 9, 0, 5, 0xffff_ffff, 9][k % 7]).collect();
    let group = |l: usize| (0..32).filter(|k| v[*k] == v[l]).fold(0u32, |m, k| m | 1 << k);
    let got = warp("match", "", "match.any.sync.b32 %out, %in, -1;", &v);
    assert!((0..32).all(|l| got[l] == group(l)));
    let got = warp("match", ".reg .b64 %w;", "mov.b64 %w, {%x7, %in}; match.any.sync.b64 %out, %w, -1;".replace("%x7", "7").as_str(), &v);
    assert!((0..32).all(|l| got[l] == group(l)));
    let got = warp("match", "", "match.all.sync.b32 %x0|%p, %in, -1; selp.b32 %out, %x0, 77, %p;", &v);
    assert!(got.iter().all(|g| *g == 77));
    let got = warp("match", "", "match.all.sync.b32 %out|%p, 6, -1; @!%p mov.u32 %out, 1;", &v);
    assert!(got.iter().all(|g| *g == !0));
}

pub fn reductions() {
    let v = noise(3);
    for mask in [!0u32, 0xff00_00ff, 0x10] {
        let list: Vec<u32> = (0..32).filter(|k| mask >> k & 1 != 0).map(|k| v[k]).collect();
        let guard = format!("shr.u32 %x0, {mask}, %lane; and.b32 %x0, %x0, 1; setp.eq.u32 %p, %x0, 0; @%p bra END;");
        let signed = |f: fn(i32, i32) -> i32| list.iter().map(|x| *x as i32).reduce(f).unwrap() as u32;
        let plain = |f: fn(u32, u32) -> u32| list.iter().copied().reduce(f).unwrap();
        for (op, want) in [
            ("add.s32", plain(u32::wrapping_add)), ("add.u32", plain(u32::wrapping_add)), ("min.u32", plain(u32::min)), ("max.u32", plain(u32::max)), ("min.s32", signed(i32::min)),
            ("max.s32", signed(i32::max)), ("and.b32", plain(|a, b| a & b)), ("or.b32", plain(|a, b| a | b)), ("xor.b32", plain(|a, b| a ^ b)),
        ] {
            let got = warp("redux", "", &format!("{guard} redux.sync.{op} %out, %in, {mask};"), &v);
            assert!((0..32).all(|l| got[l] == if mask >> l & 1 != 0 { want } else { 0 }), "redux {op} {mask:x}");
        }
    }
    // Single precision: NaN loses, or wins with .NaN.
    let mut f: Vec<f32> = (0..32).map(|k| (k as f32 - 10.5) * 1.5).collect();
    let bits = |f: &[f32]| f.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let run = |op: &str, f: &[f32]| f32::from_bits(warp("redux", "", &format!("redux.sync.{op}.f32 %out, %in, -1;"), &bits(f))[7]);
    assert_eq!((run("min", &f), run("max", &f)), (-15.75, 30.75));
    assert_eq!((run("min.abs", &f), run("max.abs", &f)), (0.75, 30.75));
    f[4] = f32::NAN;
    assert_eq!((run("min", &f), run("max", &f)), (-15.75, 30.75));
    assert!(run("min.NaN", &f).is_nan() && run("max.abs.NaN", &f).is_nan());
    f[0] = -0.0;
    for x in &mut f[1..] {
        *x = 0.0;
    }
    assert_eq!((run("min", &f).to_bits(), run("max", &f).to_bits()), (0x8000_0000, 0));
}

pub fn branches() {
    let v: Vec<u32> = (0..32).collect();
    let got = warp("bra", "", "and.b32 %x0, %lane, 1; setp.eq.u32 %p, %x0, 0; @%p bra EVEN; add.u32 %out, %in, 100; bra.uni END; EVEN: add.u32 %out, %in, 200; bra END;", &v);
    assert!((0..32).all(|l| got[l as usize] == l + if l % 2 == 0 { 200 } else { 100 }));
    // A loop that each lane leaves at another time.
    let got = warp("bra", "", "mov.u32 %x0, 0; LOOP: add.u32 %out, %out, %x0; add.u32 %x0, %x0, 1; setp.le.u32 %p, %x0, %lane; @%p bra LOOP;", &v);
    assert!((0..32).all(|l| got[l as usize] == l * (l + 1) / 2));
    let got = warp("brx", "", "TS: .branchtargets L0, L1, L2, L0; and.b32 %x0, %lane, 3; brx.idx %x0, TS; L0: add.u32 %out, %out, 1; bra END; L1: add.u32 %out, %out, 10; L2: add.u32 %out, %out, 100; bra END;", &v);
    assert!((0..32).all(|l| got[l] == [1, 110, 100, 1][l % 4]));
    let got = warp("exit", "", "st.global.u32 [%po], 9; setp.lt.u32 %p, %lane, 5; @%p exit; mov.u32 %out, 4;", &v);
    assert!((0..32).all(|l| got[l] == if l < 5 { 9 } else { 4 }));
    let got = warp("ret", "", "st.global.u32 [%po], 8; setp.lt.u32 %p, %lane, 5; @%p ret; mov.u32 %out, 4;", &v);
    assert!((0..32).all(|l| got[l] == if l < 5 { 8 } else { 4 }));
}

pub fn calls() {
    let v: Vec<u32> = (0..32).collect();
    let module = "
.func (.param .b32 r) twice(.param .b32 a) { .reg .b32 %a; ld.param.b32 %a, [a]; add.u32 %a, %a, %a; st.param.b32 [r], %a; ret; }
.func (.param .b32 r) square(.param .b32 a) { .reg .b32 %a; ld.param.b32 %a, [a]; mul.lo.u32 %a, %a, %a; st.param.b32 [r], %a; ret; }
.func (.reg .b32 %r) plus(.reg .b32 %a, .reg .b32 %b) { add.u32 %r, %a, %b; ret.uni; }
.func (.param .b64 r) sum(.param .align 8 .b8 a[24]) { .reg .b64 %x, %y; ld.param.b64 %x, [a]; ld.param.b64 %y, [a+8]; add.u64 %x, %x, %y; ld.param.b64 %y, [a+16]; add.u64 %x, %x, %y; st.param.b64 [r], %x; ret; }
.func (.param .b32 r) fib(.param .b32 n) { .reg .b32 %n, %x, %y; .reg .pred %p; ld.param.b32 %n, [n]; setp.lt.u32 %p, %n, 2; @%p bra SMALL;
 { .param .b32 a; .param .b32 q; sub.u32 %x, %n, 1; st.param.b32 [a], %x; call.uni (q), fib, (a); ld.param.b32 %x, [q]; }
 { .param .b32 a; .param .b32 q; sub.u32 %y, %n, 2; st.param.b32 [a], %y; call (q), fib, (a); ld.param.b32 %y, [q]; }
 add.u32 %n, %x, %y; SMALL: st.param.b32 [r], %n; ret; }
.global .u64 table[2] = {twice, square};";
    let got = threads("call", module, "", "{ .param .b32 a; .param .b32 r; st.param.b32 [a], %in; call (r), square, (a); ld.param.b32 %out, [r]; }", 1, [32, 1, 1], &v);
    assert!((0..32).all(|l| got[l as usize] == l * l));
    let got = threads("call", module, "", "call (%out), plus, (%in, 5); call (%out), plus, (%out, %in);", 1, [32, 1, 1], &v);
    assert!((0..32).all(|l| got[l as usize] == 2 * l + 5));
    let got = threads("call", module, ".reg .b64 %w;", "cvt.u64.u32 %w, %in; { .param .align 8 .b8 a[24]; .param .b64 r; st.param.b64 [a], %w; st.param.b64 [a+8], 7; st.param.b64 [a+16], %w; call (r), sum, (a); ld.param.b64 %w, [r]; } cvt.u32.u64 %out, %w;", 1, [32, 1, 1], &v);
    assert!((0..32).all(|l| got[l as usize] == 2 * l + 7));
    let got = threads("call", module, "", "rem.u32 %in, %in, 12; { .param .b32 a; .param .b32 r; st.param.b32 [a], %in; call (r), fib, (a); ld.param.b32 %out, [r]; }", 1, [32, 1, 1], &v);
    assert!((0..32).all(|l| got[l] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89][l % 12]));
    // Through pointers: from a table in memory, by lane, with a prototype or a list of targets.
    for (label, decl) in [("P", "P: .callprototype (.param .b32 _) _ (.param .b32 _);"), ("T", "T: .calltargets twice, square;")] {
        let body = format!("and.b32 %x0, %lane, 1; mov.u64 %ad, table; mad.wide.u32 %ad, %x0, 8, %ad; ld.global.u64 %ad, [%ad]; {{ .param .b32 a; .param .b32 r; st.param.b32 [a], %in; {decl} call (r), %ad, (a), {label}; ld.param.b32 %out, [r]; }}");
        let got = threads("call", module, "", &body, 1, [32, 1, 1], &v);
        assert!((0..32).all(|l| got[l as usize] == if l % 2 == 0 { 2 * l } else { l * l }));
    }
    let body = "mov.u64 %ad, twice; setp.gt.u32 %p, %lane, 9; @%p mov.u64 %ad, square; { .param .b32 a; .param .b32 r; st.param.b32 [a], %in; P: .callprototype (.param .b32 _) _ (.param .b32 _); call (r), %ad, (a), P; ld.param.b32 %out, [r]; }";
    let got = threads("call", module, "", body, 1, [32, 1, 1], &v);
    assert!((0..32).all(|l| got[l as usize] == if l <= 9 { 2 * l } else { l * l }));
}

fn fault_of(body: &str) -> Box<Fault> {
    let l: Loaded = load(&format!("{HEAD}.visible .entry k() {{ .reg .pred %p; .reg .b32 %t; mov.u32 %t, %tid.x; setp.eq.u32 %p, %t, 3;\n{body}\nret; }}"));
    l.launch("k", &Run::default(), &Params::new(), &[]).0.expect_err("the kernel must fault")
}

pub fn traps() {
    for op in ["trap", "brkpt"] {
        note(op);
        let f = fault_of(&format!("@%p {op};"));
        assert_eq!((f.kind, f.thread, f.ptx_line), (FaultKind::Trap, [3, 0, 0], 5), "{f}");
    }
}

pub fn barriers() {
    let v: Vec<u32> = (0..128).collect();
    let decl = ".shared .b32 s[128]; .reg .b32 %a;";
    let address = "mov.u32 %a, s; mad.lo.u32 %x1, %t, 4, %a;";
    for bar in ["bar.sync 0;", "barrier.sync 3;", "barrier.cta.sync 2, 128;", "bar.sync %x6, %x7;", "barrier.sync.aligned 15;", "barrier.cluster.arrive; barrier.cluster.wait;", "barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;"] {
        // Every thread reads what the thread opposite wrote, twice with the roles swapped.
        let body = format!("mov.u32 %x6, 7; mov.u32 %x7, 128; {address} st.shared.u32 [%x1], %in; {bar} sub.u32 %x2, 127, %t; mad.lo.u32 %x2, %x2, 4, %a; ld.shared.u32 %x3, [%x2]; {bar} st.shared.u32 [%x2], %x3; {bar} ld.shared.u32 %out, [%x1];");
        let got = threads(bar, "", decl, &body, 1, [128, 1, 1], &v);
        assert!((0..128).all(|t| got[t] == t as u32), "{bar}");
    }
    for (op, want) in [("popc", 43), ("and", 0), ("or", 1)] {
        let kind = if op == "popc" { "u32 %out" } else { "pred %q" };
        let after = if op == "popc" { "" } else { "selp.b32 %out, 1, 0, %q;" };
        let got = threads("barrier", "", "", &format!("rem.u32 %x0, %t, 3; setp.eq.u32 %p, %x0, 0; barrier.red.{op}.{kind}, 1, %p; {after}"), 1, [128, 1, 1], &v);
        assert!(got.iter().all(|g| *g == want), "{op}");
        let got = threads("bar", "", "", &format!("rem.u32 %x0, %t, 3; setp.eq.u32 %p, %x0, 0; bar.red.{op}.{kind}, 1, 128, !%p; {after}"), 1, [128, 1, 1], &v);
        assert!(got.iter().all(|g| *g == match op { "popc" => 85, "and" => 0, _ => 1 }));
    }
    // A producer warp that only arrives, consumers that wait.
    let body = format!("{address} setp.ge.u32 %p, %t, 64; @%p bra PRODUCER; bar.sync 4, 128; sub.u32 %x2, 127, %t; mad.lo.u32 %x2, %x2, 4, %a; ld.shared.u32 %out, [%x2]; bra END; PRODUCER: st.shared.u32 [%x1], %in; membar.cta; bar.arrive 4, 128;");
    let got = threads("bar", "", decl, &body, 1, [128, 1, 1], &v);
    assert!((0..64).all(|t| got[t] == 127 - t as u32));
    // Lanes of one warp apart and together again.
    let body = format!("{address} and.b32 %x0, %lane, 1; setp.eq.u32 %p, %x0, 0; @%p bra EVEN; st.shared.u32 [%x1], 5; EVEN: bar.warp.sync -1; xor.b32 %x2, %x1, 4; @%p ld.shared.u32 %out, [%x2];");
    let got = threads("bar", "", decl, &body, 1, [128, 1, 1], &v);
    assert!((0..128).all(|t| got[t] == if t % 2 == 0 { 5 } else { 0 }));
}

pub fn special_registers() {
    let block = [8u32, 4, 2];
    let of = |register: &str| threads("mov", "", "", &format!("mov.u32 %out, %{register};"), 3, block, &[]);
    let check = |register: &str, want: &dyn Fn(u32) -> u32| {
        let got = of(register);
        for (k, g) in got.iter().enumerate() {
            assert_eq!(*g, want(k as u32), "%{register} of thread {k}");
        }
    };
    check("tid.x", &|k| k % 64 % 8);
    check("tid.y", &|k| k % 64 / 8 % 4);
    check("tid.z", &|k| k % 64 / 32);
    check("ntid.x", &|_| 8);
    check("ntid.y", &|_| 4);
    check("ntid.z", &|_| 2);
    check("ctaid.x", &|k| k / 64);
    check("ctaid.y", &|_| 0);
    check("nctaid.x", &|_| 3);
    check("nctaid.z", &|_| 1);
    check("laneid", &|k| k % 32);
    check("warpid", &|k| k % 64 / 32);
    check("nwarpid", &|_| 2);
    check("lanemask_eq", &|k| 1 << (k % 32));
    check("lanemask_lt", &|k| (1u32 << (k % 32)) - 1);
    check("lanemask_le", &|k| (1u32 << (k % 32)) | ((1u32 << (k % 32)) - 1));
    check("lanemask_gt", &|k| !((1u32 << (k % 32)) | ((1u32 << (k % 32)) - 1)));
    check("lanemask_ge", &|k| !((1u32 << (k % 32)) - 1));
    check("cluster_ctarank", &|_| 0);
    check("cluster_nctarank", &|_| 1);
    check("cluster_nctaid.x", &|_| 1);
    check("cluster_ctaid.y", &|_| 0);
    check("clusterid.x", &|k| k / 64);
    check("nclusterid.x", &|_| 3);
    check("dynamic_smem_size", &|_| 0);
    check("total_smem_size", &|_| 0);
    assert!(of("smid").iter().all(|g| *g < 16) && of("nsmid").iter().all(|g| *g == 16));
    // Clocks go forward.
    let got = warp("mov", ".reg .b64 %a, %b;", "mov.u64 %a, %clock64; mov.u64 %b, %clock64; setp.ge.u64 %p, %b, %a; selp.b32 %out, 1, 0, %p; mov.u64 %a, %globaltimer; mov.u64 %b, %globaltimer; setp.ge.u64 %p, %b, %a; @!%p mov.u32 %out, 0; mov.u32 %x0, %clock; mov.u32 %x1, %clock_hi;", &[]);
    assert!(got.iter().all(|g| *g == 1));
}
