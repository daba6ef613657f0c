//! Divergence, barriers, lane operations, calls, device functions and faults.

mod support;
use ringway_softgpu::exec::*;
use support::*;

const IDX: &str = "mov.u32 %idx, %ctaid.x; mov.u32 %t, %ntid.x; mov.u32 %u, %tid.x; mad.lo.u32 %idx, %idx, %t, %u;
 ld.param.u64 %po, [po]; mul.wide.u32 %ad, %idx, 4; add.u64 %ad, %ad, %po;";

/// A kernel with a result buffer `po`; the body leaves its result in %out.
fn kernel(decl: &str, body: &str) -> String {
    format!(
        "{HEAD}.visible .entry k(.param .u64 po, .param .u64 p1) {{
 .reg .b32 %idx, %t, %u, %out; .reg .b64 %po, %ad; {decl}
 {IDX}
 {body}
 st.global.u32 [%ad], %out;
 ret; }}"
    )
}

fn results(text: &str, run: &Run, extra: &[&Buffer]) -> Vec<u32> {
    let l = load(text);
    let n = run.grid[0] * run.block[0];
    let out = Buffer::new(n as usize * 4);
    let mut p = Params::new().u64(out.address());
    for b in extra {
        p = p.u64(b.address());
    }
    let mut all = extra.to_vec();
    all.push(&out);
    l.run("k", run, &p, &all);
    out.read()
}

#[test]
fn divergent_loops_and_branches() {
    // Collatz steps: every lane loops a different number of times.
    let text = kernel(
        ".reg .b32 %x, %b; .reg .pred %p, %q;",
        "add.u32 %x, %idx, 1; mov.u32 %out, 0;
 LOOP: setp.eq.u32 %p, %x, 1; @%p bra DONE;
 and.b32 %b, %x, 1; setp.eq.u32 %q, %b, 0; @%q bra EVEN;
 mad.lo.u32 %x, %x, 3, 1; bra NEXT;
 EVEN: shr.u32 %x, %x, 1;
 NEXT: add.u32 %out, %out, 1; bra LOOP;
 DONE:",
    );
    let got = results(&text, &Run { grid: [3, 1, 1], block: [100, 1, 1], ..Run::default() }, &[]);
    for (k, g) in got.iter().enumerate() {
        let (mut x, mut n) = (k as u64 + 1, 0);
        while x != 1 {
            x = if x % 2 == 0 { x / 2 } else { 3 * x + 1 };
            n += 1;
        }
        assert_eq!(*g, n, "{k}");
    }
}

#[test]
fn spin_lock_per_lane() {
    // Each lane takes the lock in turn; the lock holder is in the same warp as the spinners.
    let text = kernel(
        ".reg .b32 %x, %old; .reg .b64 %lock; .reg .pred %p;",
        "ld.param.u64 %lock, [p1];
 TRY: atom.global.cas.b32 %old, [%lock], 0, 1; setp.ne.u32 %p, %old, 0; @%p bra TRY;
 ld.volatile.global.u32 %x, [%lock+4]; add.u32 %x, %x, 1; st.volatile.global.u32 [%lock+4], %x;
 membar.gl; atom.global.exch.b32 %old, [%lock], 0;
 mov.u32 %out, %x;",
    );
    let lock = Buffer::new(8);
    let run = Run { grid: [4, 1, 1], block: [64, 1, 1], ..Run::default() };
    let mut got = results(&text, &run, &[&lock]);
    assert_eq!(lock.read::<u32>(), [0, 256]);
    got.sort_unstable();
    assert_eq!(got, (1..=256).collect::<Vec<u32>>());
}

#[test]
fn barriers_and_shared_memory() {
    // Reverse a block of 256 through shared memory, three rounds with barriers; a partial last warp too.
    for block in [256u32, 250, 33, 1] {
        let text = kernel(
            ".shared .align 4 .b8 s[1024]; .reg .b32 %a, %b, %k, %n; .reg .pred %p;",
            "mov.u32 %a, s; mad.lo.u32 %a, %u, 4, %a; mov.u32 %n, %ntid.x; sub.u32 %n, %n, 1; sub.u32 %b, %n, %u;
 mov.u32 %k, s; mad.lo.u32 %b, %b, 4, %k; mov.u32 %k, 0; mov.u32 %out, %idx;
 L: st.shared.u32 [%a], %out; bar.sync 0; ld.shared.u32 %out, [%b]; bar.sync 0;
 add.u32 %k, %k, 1; setp.lt.u32 %p, %k, 3; @%p bra L;",
        );
        let got = results(&text, &Run { grid: [2, 1, 1], block: [block, 1, 1], ..Run::default() }, &[]);
        for k in 0..2 * block {
            assert_eq!(got[k as usize], k / block * block + (block - 1 - k % block));
        }
    }
    // Producer and consumer warps on named barriers, and a reduction.
    let text = kernel(
        ".shared .align 4 .b8 s[256]; .reg .b32 %a, %c; .reg .pred %p, %q, %r;",
        "mov.u32 %a, s; setp.ge.u32 %p, %u, 32; and.b32 %c, %u, 31; mad.lo.u32 %a, %c, 4, %a; mov.u32 %out, 0;
 @%p bra CONSUME;
 mad.lo.u32 %c, %u, 7, 5; st.shared.u32 [%a], %c; membar.cta; barrier.arrive 1, 64; bra JOIN;
 CONSUME: barrier.sync 1, 64; ld.shared.u32 %out, [%a];
 JOIN: setp.lt.u32 %q, %u, 10; bar.red.popc.u32 %c, 0, %q; add.u32 %out, %out, %c;
 bar.red.and.pred %r, 0, %q; @%r add.u32 %out, %out, 1000; bar.red.or.pred %r, 0, !%q; @%r add.u32 %out, %out, 2000;",
    );
    let got = results(&text, &Run { block: [64, 1, 1], ..Run::default() }, &[]);
    for k in 0..64u32 {
        let v = if k >= 32 { (k - 32) * 7 + 5 } else { 0 };
        assert_eq!(got[k as usize], v + 10 + 2000);
    }
}

#[test]
fn threads_that_exit_do_not_hold_up_barriers() {
    let text = kernel(
        ".shared .align 4 .b8 s[4]; .reg .pred %p; .reg .b32 %x;",
        "mov.u32 %out, 7; st.global.u32 [%ad], %out; setp.lt.u32 %p, %u, 40; @%p exit; bar.sync 0; mov.u32 %out, 9;",
    );
    let got = results(&text, &Run { block: [96, 1, 1], ..Run::default() }, &[]);
    assert!(got[..40].iter().all(|v| *v == 7) && got[40..].iter().all(|v| *v == 9));
}

#[test]
fn shuffles_votes_and_matches() {
    let run = Run { block: [32, 1, 1], ..Run::default() };
    let shuffle = |mode: &str, b: &str, c: u32| {
        let text = kernel(
            ".reg .b32 %v, %b; .reg .pred %p;",
            &format!("mul.lo.u32 %v, %u, 10; {b}; shfl.sync.{mode}.b32 %out|%p, %v, %b, {c}, -1; @!%p add.u32 %out, %out, 1;"),
        );
        results(&text, &run, &[])
    };
    let up = shuffle("up", "mov.u32 %b, 3", 0);
    let down = shuffle("down", "mov.u32 %b, 5", 31);
    let bfly = shuffle("bfly", "mov.u32 %b, 6", 31);
    let idx = shuffle("idx", "mul.lo.u32 %b, %u, 3", 31);
    let seg = shuffle("down", "mov.u32 %b, 2", 0x181f);
    for l in 0..32u32 {
        assert_eq!(up[l as usize], if l >= 3 { (l - 3) * 10 } else { l * 10 + 1 });
        assert_eq!(down[l as usize], if l + 5 < 32 { (l + 5) * 10 } else { l * 10 + 1 });
        assert_eq!(bfly[l as usize], (l ^ 6) * 10);
        assert_eq!(idx[l as usize], ((l * 3) & 31) * 10);
        // Segments of eight lanes.
        assert_eq!(seg[l as usize], if l % 8 + 2 < 8 { (l + 2) * 10 } else { l * 10 + 1 });
    }
    let text = kernel(
        ".reg .pred %p, %q, %r; .reg .b32 %b, %m;",
        "and.b32 %b, %u, 3; setp.eq.u32 %p, %b, 1; vote.sync.ballot.b32 %out, %p, -1;
 vote.sync.any.pred %q, %p, -1; vote.sync.all.pred %r, %p, -1; @%q add.u32 %out, %out, 1; @%r add.u32 %out, %out, 4;
 match.any.sync.b32 %m, %b, -1; add.u32 %out, %out, %m; redux.sync.add.u32 %m, %u, -1; add.u32 %out, %out, %m;
 redux.sync.max.s32 %m, %u, -1; add.u32 %out, %out, %m; activemask.b32 %m; xor.b32 %out, %out, %m;",
    );
    let got = results(&text, &run, &[]);
    for l in 0..32u32 {
        let same = 0x1111_1111u32 << (l & 3);
        let want = 0x2222_2222u32.wrapping_add(1).wrapping_add(same).wrapping_add(496).wrapping_add(31) ^ !0;
        assert_eq!(got[l as usize], want);
    }
    // Lanes that come from two sides of a branch meet in a full-mask shuffle; a half mask works inside the branch.
    let text = kernel(
        ".reg .pred %p; .reg .b32 %v;",
        "setp.lt.u32 %p, %u, 16; mov.u32 %out, 0; @%p bra LOW;
 redux.sync.add.u32 %out, %u, 0xffff0000; bra MEET;
 LOW: redux.sync.add.u32 %out, %u, 0x0000ffff; bar.warp.sync 0xffff;
 MEET: shfl.sync.bfly.b32 %v, %out, 16, 31, -1; mad.lo.u32 %out, %v, 1000, %out;",
    );
    let got = results(&text, &run, &[]);
    for l in 0..32 {
        let (lo, hi) = (120, 376);
        assert_eq!(got[l], if l < 16 { hi * 1000 + lo } else { lo * 1000 + hi });
    }
}

#[test]
fn functions_recursion_and_pointers_to_functions() {
    let text = format!(
        "{HEAD}
.func (.param .b32 r) fib(.param .b32 n) {{
 .reg .b32 %n, %a, %b; .reg .pred %p;
 ld.param.u32 %n, [n]; setp.lt.u32 %p, %n, 2; @%p bra SMALL;
 sub.u32 %a, %n, 1;
 {{ .param .b32 x; .param .b32 y; st.param.b32 [x+0], %a; call.uni (y), fib, (x); ld.param.b32 %b, [y+0]; }}
 sub.u32 %a, %n, 2;
 {{ .param .b32 x; .param .b32 y; st.param.b32 [x+0], %a; call.uni (y), fib, (x); ld.param.b32 %a, [y+0]; }}
 add.u32 %b, %b, %a; st.param.b32 [r+0], %b; ret;
 SMALL: st.param.b32 [r+0], %n; ret; }}
.func (.reg .b32 r) twice(.reg .b32 x) {{ shl.b32 r, x, 1; ret; }}
.func (.reg .b32 r) thrice(.reg .b32 x) {{ mul.lo.u32 r, x, 3; ret; }}
.global .align 8 .u64 table[2] = {{ twice, thrice }};
.visible .entry k(.param .u64 po) {{
 .reg .b32 %idx, %t, %u, %out, %m, %v; .reg .b64 %po, %ad, %fp, %o; .reg .pred %p;
 {IDX}
 rem.u32 %m, %u, 12;
 {{ .param .b32 x; .param .b32 y; st.param.b32 [x], %m; call (y), fib, (x); ld.param.b32 %out, [y]; }}
 and.b32 %m, %u, 1; mul.wide.u32 %o, %m, 8; mov.u64 %fp, table; add.u64 %fp, %fp, %o; ld.global.u64 %fp, [%fp];
 proto: .callprototype (.param .b32 _) _ (.param .b32 _);
 call (%v), %fp, (%u), proto;
 mad.lo.u32 %out, %out, 1000, %v;
 st.global.u32 [%ad], %out; ret; }}"
    );
    let got = results(&text, &Run { block: [64, 1, 1], ..Run::default() }, &[]);
    let fib = |n: u32| (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0;
    for l in 0..64u32 {
        assert_eq!(got[l as usize], fib(l % 12) * 1000 + l * (2 + (l & 1)), "{l}");
    }
    // Endless recursion ends with the stack.
    let text = format!(
        "{HEAD}.func deep(.param .b32 n) {{ .local .align 4 .b8 d[64]; .reg .b32 %n; ld.param.u32 %n, [n]; st.local.u32 [d], %n;
 {{ .param .b32 x; st.param.b32 [x], %n; call deep, (x); }} ret; }}
.visible .entry k() {{ .param .b32 x; st.param.b32 [x], 1; call deep, (x); ret; }}"
    );
    let l = load(&text);
    let (r, _) = l.launch("k", &Run::default(), &Params::new(), &[]);
    assert_eq!(r.unwrap_err().kind, FaultKind::HardwareStackError);
}

#[test]
fn local_memory_and_generic_addresses() {
    let text = kernel(
        ".local .align 8 .b8 d[64]; .shared .align 4 .b8 s[512]; .reg .b64 %l, %g, %sh, %i, %o; .reg .b32 %x, %k; .reg .pred %p, %q, %r;",
        "mov.u64 %l, d; cvta.local.u64 %g, %l; mov.u32 %k, 0;
 L: mul.wide.u32 %o, %k, 4; add.u64 %i, %g, %o; mad.lo.u32 %x, %k, 100, %u; st.u32 [%i], %x; add.u32 %k, %k, 1; setp.lt.u32 %p, %k, 16; @%p bra L;
 rem.u32 %k, %u, 16; mul.wide.u32 %o, %k, 4; add.u64 %i, %l, %o; ld.local.u32 %out, [%i];
 mov.u64 %sh, s; cvta.shared.u64 %sh, %sh; mul.wide.u32 %o, %u, 4; add.u64 %sh, %sh, %o; st.u32 [%sh], %out; ld.u32 %x, [%sh]; add.u32 %out, %out, %x;
 isspacep.shared %p, %sh; isspacep.local %q, %g; isspacep.global %r, %ad; and.pred %p, %p, %q; and.pred %p, %p, %r; isspacep.global %q, %g; not.pred %q, %q; and.pred %p, %p, %q;
 @%p add.u32 %out, %out, 1;
 st.local.v2.u32 [%l+8], {%out, %k}; ld.local.v4.u32 {_, %t, %x, %k}, [%l]; add.u32 %out, %x, %k;",
    );
    let got = results(&text, &Run { block: [128, 1, 1], ..Run::default() }, &[]);
    for u in 0..128u32 {
        let v = u % 16 * 100 + u;
        assert_eq!(got[u as usize], 2 * v + 1 + u % 16);
    }
}

#[test]
fn vectors_parameters_and_dynamic_shared() {
    let text = format!(
        "{HEAD}.extern .shared .align 16 .b8 dyn[];
.visible .entry k(.param .u64 po, .param .align 16 .b8 box[32]) {{
 .reg .b32 %r<12>; .reg .b16 %h<4>; .reg .b64 %po, %ad, %x, %pb; .reg .f32 %f<8>;
 .shared .align 4 .b8 fixed[20];
 ld.param.u64 %po, [po]; mov.u32 %r0, %tid.x; mul.wide.u32 %ad, %r0, 16; add.u64 %ad, %ad, %po;
 ld.param.v4.u32 {{%r1, %r2, %r3, %r4}}, [box]; ld.param.v2.u16 {{%h1, %h2}}, [box+16]; ld.param.s8 %r5, [box+20];
 mov.b64 %pb, box; ld.param.u32 %r6, [%pb+24];
 mov.u32 %r7, dyn; mad.lo.u32 %r7, %r0, 4, %r7; st.shared.u32 [%r7], %r6; ld.shared.u32 %r6, [%r7];
 cvt.u32.u16 %r8, %h2; add.u32 %r8, %r8, %r5; mov.u32 %r9, fixed; sub.u32 %r10, %r7, %r9;
 st.global.v4.u32 [%ad], {{%r2, %r8, %r6, %r10}}; ret; }}"
    );
    let l = load(&text);
    let out = Buffer::new(64 * 16);
    let mut p = Params::new().u64(out.address()).u64(0);
    for v in [1u32, 22, 3, 4, 0x0007_0005, 0xfe, 99, 0] {
        p = p.u32(v);
    }
    l.run("k", &Run { block: [64, 1, 1], shared: 256, ..Run::default() }, &p, &[&out]);
    let got = out.read::<u32>();
    for t in 0..64u32 {
        assert_eq!(got[t as usize * 4..][..4], [22, 5, 99, 32 + 4 * t]);
    }
}

#[test]
fn dynamic_shared_memory_is_aligned_as_declared() {
    let text = kernel(".reg .b32 %a; .shared .align 4 .b8 few[20];", "mov.u32 %out, few; mov.u32 %a, wide; sub.u32 %out, %a, %out; st.shared.u32 [wide+60], %a;")
        .replacen(".visible .entry", ".extern .shared .align 64 .b8 wide[];\n.visible .entry", 1);
    let run = Run { shared: 64, ..Run::default() };
    assert_eq!(results(&text, &run, &[]), vec![64; 32]);
}

#[test]
fn globals_constants_and_relocations() {
    let text = format!(
        "{HEAD}.global .align 4 .u32 values[4] = {{10, 20, 30, 40}};
.const .align 4 .f32 scale[2] = {{0f3F800000, 2.5}};
.global .align 8 .u64 pointer[2] = {{generic(values)+8, values}};
.common .global .align 4 .u32 counter;
.visible .entry k(.param .u64 po) {{
 .reg .b32 %idx, %t, %u, %out, %x; .reg .b64 %po, %ad, %p, %q; .reg .f32 %f;
 {IDX}
 ld.global.u64 %p, [pointer]; ld.global.u32 %out, [%p]; ld.global.u32 %x, [values+12]; add.u32 %out, %out, %x;
 ld.const.f32 %f, [scale+4]; cvt.rzi.u32.f32 %x, %f; add.u32 %out, %out, %x;
 red.global.add.u32 [counter], 1; atom.global.inc.u32 %x, [values], 12;
 st.global.u32 [%ad], %out; ret; }}"
    );
    let l = load(&text);
    let out = Buffer::new(64 * 4);
    l.run("k", &Run { grid: [2, 1, 1], ..Run::default() }, &Params::new().u64(out.address()), &[&out]);
    assert!(out.read::<u32>().iter().all(|v| *v == 72));
    assert_eq!(l.global("counter").read::<u32>(), [64]);
    // 64 increments from 10 with wrap after 12: 11, 12, 0, 1, ...
    assert_eq!(l.global("values").read::<u32>(), [(10 + 64) % 13, 20, 30, 40]);
}

#[test]
fn atomics_of_all_kinds() {
    let text = kernel(
        ".reg .b64 %m; .reg .b32 %o; .reg .b64 %d; .reg .f32 %f; .reg .f64 %g; .reg .b32 %h; .reg .b64 %w;",
        "ld.param.u64 %m, [p1]; mov.f32 %f, 0f3F800000; mov.f64 %g, 0d3FE0000000000000; cvt.u64.u32 %w, %u;
 red.global.add.f32 [%m], %f; red.global.add.f64 [%m+8], %g; red.global.min.s32 [%m+16], %u; red.global.max.u32 [%m+20], %u;
 red.global.or.b32 [%m+24], %u; red.global.and.b32 [%m+28], %u; red.global.xor.b32 [%m+32], %u; atom.global.add.u64 %d, [%m+40], %w;
 mov.b32 %h, 0x3c003c00; red.global.add.noftz.f16x2 [%m+48], %h; atom.global.dec.u32 %o, [%m+52], 1000; red.global.max.s64 [%m+56], %w;
 mov.u32 %out, %o;",
    );
    let mut m = Buffer::new(64);
    m.write(&[0u32, 0, 0, 0, 1000, 0, 0, !0, 0, 0, 0, 0, 0, 5, 0, 0]);
    results(&text, &Run { grid: [4, 1, 1], block: [64, 1, 1], ..Run::default() }, &[&m]);
    let v = m.read::<u32>();
    assert_eq!(f32::from_bits(v[0]), 256.0);
    assert_eq!(f64::from_bits(m.read::<u64>()[1]), 128.0);
    assert_eq!(v[4..9], [0, 63, 63, 0, 0]);
    assert_eq!(m.read::<u64>()[5], 4 * 2016);
    assert_eq!(v[12], u32::from(half::f16::from_f32(256.0).to_bits()) * 0x10001);
    // dec from 5: 5 steps to 0, then wraps to 1000.
    assert_eq!(v[13], 1000 - (256 - 6));
    assert_eq!(m.read::<u64>()[7], 63);
}

#[test]
fn printf_malloc_and_assert() {
    let text = format!(
        "{HEAD}.extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);
.extern .func (.param .b64 r) malloc(.param .b64 a);
.extern .func free(.param .b64 a);
.extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);
.global .align 1 .b8 fmt[40] = {{37,100,32,37,53,46,50,102,32,37,115,32,37,108,108,120,32,37,99,37,37,10,0}};
.global .align 1 .b8 word[3] = {{104,105,0}};
.visible .entry k() {{
 .local .align 8 .b8 args[40]; .reg .b64 %l, %g, %s, %f; .reg .b32 %t, %n; .reg .f64 %d; .reg .pred %p;
 mov.u32 %t, %tid.x; mov.u64 %l, args; cvta.local.u64 %g, %l; sub.s32 %n, %t, 1;
 st.local.u32 [%l], %n; mov.f64 %d, 0d400921FB54442D18; st.local.f64 [%l+8], %d; mov.u64 %s, word; cvta.global.u64 %s, %s; st.local.u64 [%l+16], %s;
 mov.u64 %f, 0x123456789ab; st.local.u64 [%l+24], %f; mov.u32 %n, 65; st.local.u32 [%l+32], %n;
 {{ .param .b64 a; .param .b64 b; .param .b32 r; mov.u64 %f, fmt; cvta.global.u64 %f, %f; st.param.b64 [a], %f; st.param.b64 [b], %g; call.uni (r), vprintf, (a, b); ld.param.b32 %n, [r]; }}
 setp.ne.s32 %p, %n, 5; @%p trap; // the number of arguments
 {{ .param .b64 a; .param .b64 r; mov.u64 %f, 100; st.param.b64 [a], %f; call.uni (r), malloc, (a); ld.param.b64 %f, [r]; }}
 st.u32 [%f], %t; st.u32 [%f+96], %t;
 {{ .param .b64 a; st.param.b64 [a], %f; call.uni free, (a); }}
 ret; }}
.visible .entry fails() {{
 .reg .b64 %s; .reg .pred %p; .reg .b32 %t; mov.u32 %t, %tid.x; setp.ne.u32 %p, %t, 5; @%p bra OK;
 {{ .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e; mov.u64 %s, word; cvta.global.u64 %s, %s;
 st.param.b64 [a], %s; st.param.b64 [b], %s; st.param.b32 [c], 42; st.param.b64 [d], %s; st.param.b64 [e], 1; call.uni __assertfail, (a, b, c, d, e); }}
 OK: ret; }}"
    );
    let l = load(&text);
    let arena = Buffer::new(1 << 14);
    let heap = FreeListHeap::new(arena.address(), arena.address() + (1 << 14));
    let out = l.run("k", &Run { block: [2, 1, 1], heap: &heap, ..Run::default() }, &Params::new(), &[&arena]);
    assert_eq!(out, "-1  3.14 hi 123456789ab A%\n0  3.14 hi 123456789ab A%\n");
    let (r, text) = l.launch("fails", &Run::default(), &Params::new(), &[]);
    let f = r.unwrap_err();
    assert_eq!((f.kind, f.kind.cuda_code(), f.thread), (FaultKind::Assert, 710, [5, 0, 0]));
    assert_eq!(text, "hi:42: hi: block: [0,0,0], thread: [5,0,0] Assertion `hi` failed.\n");
}

#[test]
fn faults_name_the_place() {
    let text = format!(
        "{HEAD}
.visible .entry k(.param .u64 p) {{
 .reg .b64 %a, %o; .reg .b32 %t;
 ld.param.u64 %a, [p]; mov.u32 %t, %tid.x; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o;
 st.global.u32 [%a], %t;
 ret; }}
.visible .entry t() {{ .reg .pred %p; .reg .b32 %t; mov.u32 %t, %tid.x; setp.eq.u32 %p, %t, 9; @%p trap; ret; }}
.visible .entry endless() {{ L: bra L; }}
.visible .entry stuck() {{ .reg .pred %p; .reg .b32 %t; mov.u32 %t, %tid.x; setp.lt.u32 %p, %t, 32; @%p bar.sync 0, 64; ret; }}
.visible .entry shared() {{ .shared .align 4 .b8 s[64]; .reg .b32 %t; mov.u32 %t, %tid.x; shl.b32 %t, %t, 2; st.shared.u32 [%t], %t; ret; }}"
    );
    let l = load(&text);
    let b = Buffer::new(100 * 4);
    let run = Run { grid: [1; 3], block: [128, 1, 1], ..Run::default() };
    let fail = |k: &str, p: Params, run: &Run| *l.launch(k, run, &p, &[&b]).0.unwrap_err();
    let f = fail("k", Params::new().u64(b.address()), &run);
    assert_eq!((f.kind, f.thread, f.address), (FaultKind::IllegalAddress, [100, 0, 0], Some(b.address() + 400)));
    assert_eq!((f.kind.cuda_code(), f.ptx_line, f.nearest), (700, 8, Some(b.range())));
    let f = fail("k", Params::new().u64(b.address() + 2), &run);
    assert_eq!((f.kind, f.kind.cuda_code(), f.thread), (FaultKind::MisalignedAddress, 716, [0, 0, 0]));
    let f = fail("k", Params::new().u64(0), &run);
    assert_eq!((f.kind, f.address), (FaultKind::IllegalAddress, Some(0)));
    let f = fail("t", Params::new(), &run);
    assert_eq!((f.kind, f.kind.cuda_code(), f.thread), (FaultKind::Trap, 719, [9, 0, 0]));
    let f = fail("endless", Params::new(), &Run { limits: Limits { max_back_edges: 100_000, ..Limits::default() }, ..Run::default() });
    assert_eq!((f.kind, f.kind.cuda_code()), (FaultKind::Timeout, 702));
    let f = fail("stuck", Params::new(), &run);
    assert_eq!(f.kind, FaultKind::Timeout);
    assert!(f.message.contains("deadlock"), "{}", f.message);
    let f = fail("shared", Params::new(), &run);
    assert_eq!((f.kind, f.thread), (FaultKind::IllegalAddress, [16, 0, 0]));
    let f = fail("t", Params::new(), &Run { block: [2000, 1, 1], ..Run::default() });
    assert_eq!(f.kind, FaultKind::InvalidLaunch);
    let f = fail("t", Params::new(), &Run { shared: 1 << 20, ..Run::default() });
    assert_eq!(f.kind.cuda_code(), 701);
}

#[test]
fn blocks_that_wait_for_each_other() {
    // A grid barrier by counting: every block must be resident. 40 blocks, whatever the number of threads.
    let text = kernel(
        ".reg .b64 %m; .reg .b32 %o, %n; .reg .pred %p;",
        "ld.param.u64 %m, [p1]; mov.u32 %n, %nctaid.x; bar.sync 0; setp.ne.u32 %p, %u, 0; @%p bra WAIT;
 membar.gl; atom.global.add.u32 %o, [%m], 1;
 SPIN: ld.acquire.gpu.global.u32 %o, [%m]; setp.lt.u32 %p, %o, %n; @%p bra SPIN;
 WAIT: bar.sync 0; ld.volatile.global.u32 %out, [%m];",
    );
    for cooperative in [true, false] {
        let m = Buffer::new(8);
        let run = Run { grid: [40, 1, 1], block: [64, 1, 1], cooperative, ..Run::default() };
        assert!(results(&text, &run, &[&m]).iter().all(|v| *v == 40));
    }
}

#[test]
fn one_bad_kernel_does_not_spoil_the_module() {
    let text = format!(
        "{HEAD}.visible .entry good() {{ ret; }}
.visible .entry bad() {{ .reg .b32 %r;
 frobnicate.b32 %r, %r; ret; }}
.visible .entry worse() {{ .reg .b32 %r; add.f32 %r, %r, %nothing; ret; }}"
    );
    let p = compile_text(&text, &options()).unwrap();
    assert!(p.kernels["good"].is_ok());
    let e = p.kernels["bad"].as_ref().unwrap_err();
    assert_eq!((e.kind, e.line), (CompileErrorKind::Unsupported, 6));
    assert!(e.message.contains("frobnicate.b32"), "{}", e.message);
    assert_eq!(p.kernels["worse"].as_ref().unwrap_err().kind, CompileErrorKind::InvalidPtx);
    let newer = compile_text(".version 8.4\n.target sm_100\n", &CompileOptions::default()).unwrap_err();
    assert_eq!(newer.kind, CompileErrorKind::UnsupportedVersion);
}

#[test]
fn special_registers() {
    let text = kernel(
        ".reg .b32 %a, %b; .reg .b64 %c, %d; .reg .pred %p;",
        "mov.u32 %out, %laneid; mov.u32 %a, %warpid; mad.lo.u32 %out, %a, 100, %out; mov.u32 %a, %nctaid.y; mad.lo.u32 %out, %a, 10000, %out;
 mov.u32 %a, %lanemask_lt; popc.b32 %a, %a; mov.u32 %b, %laneid; setp.ne.u32 %p, %a, %b; @%p mov.u32 %out, 0;
 mov.u64 %c, %clock64; mov.u64 %d, %clock64; setp.lt.u64 %p, %d, %c; @%p mov.u32 %out, 1;
 mov.u64 %c, %globaltimer; setp.eq.u64 %p, %c, 0; @%p mov.u32 %out, 2; mov.u32 %a, %dynamic_smem_size; setp.ne.u32 %p, %a, 48; @%p mov.u32 %out, 3;
 mov.u32 %a, %ntid.y; setp.ne.u32 %p, %a, 1; @%p mov.u32 %out, 4;",
    );
    let got = results(&text, &Run { block: [96, 1, 1], shared: 48, ..Run::default() }, &[]);
    for t in 0..96u32 {
        assert_eq!(got[t as usize], 10000 + t / 32 * 100 + t % 32);
    }
}

#[test]
fn parameters_of_calls_share_their_place() {
    // A function with many call sites, each with parameters of its own, fits a small stack as it does on hardware.
    let mut body = String::new();
    for k in 0..12 {
        body += &format!(
            "setp.eq.u32 %p, %n, {k}; @%p bra S{k};\n
 {{ .param .b32 a; .param .b64 b; .param .b32 r; sub.u32 %m, %n, 1; st.param.b32 [a], %m; st.param.b64 [b], %w; call.uni (r), f, (a, b); ld.param.b32 %m, [r]; }}
 add.u32 %s, %m, %s; bra DONE; S{k}:\n"
        );
    }
    let text = format!(
        "{HEAD}.func (.param .b32 r) f(.param .b32 a, .param .b64 b) {{
 .reg .b32 %n, %m, %s; .reg .b64 %w; .reg .pred %p;
 ld.param.b32 %n, [a]; ld.param.b64 %w, [b]; cvt.u32.u64 %s, %w; add.u32 %s, %s, %n;
 setp.eq.u32 %p, %n, 0; @%p bra DONE; {body}
 DONE: st.param.b32 [r], %s; ret; }}
.visible .entry k(.param .u64 po) {{ .reg .b64 %o; .reg .b32 %v; .reg .b64 %w; .reg .b32 %t;
 ld.param.u64 %o, [po]; mov.u32 %t, %tid.x; mul.wide.u32 %w, %t, 4; add.u64 %o, %o, %w; mov.u64 %w, 7;
 {{ .param .b32 a; .param .b64 b; .param .b32 r; mov.u32 %v, 15; st.param.b32 [a], %v; st.param.b64 [b], %w; call.uni (r), f, (a, b); ld.param.b32 %v, [r]; }}
 st.global.u32 [%o], %v; ret; }}"
    );
    let l = load(&text);
    let out = Buffer::new(128);
    let limits = Limits { stack_bytes: 1024, ..Limits::default() };
    l.run("k", &Run { limits, ..Run::default() }, &Params::new().u64(out.address()), &[&out]);
    // 15 + 14 + ... + 0, and 7 at each of 16 levels
    assert!(out.read::<u32>().iter().all(|v| *v == 120 + 112));
}

#[test]
fn functions_that_run_by_turns_keep_their_registers() {
    // Lanes in two functions of different layout, each long enough to yield to the other in the middle.
    let text = format!(
        "{HEAD}.func (.param .b64 r) wide(.param .b64 a) {{
 .reg .b64 %a, %s, %x<12>; .reg .pred %p; .reg .b32 %i; ld.param.b64 %a, [a]; mov.u64 %s, 0; mov.u32 %i, 0;
 {}
 L: add.u64 %s, %s, %a; {} add.u32 %i, %i, 1; setp.lt.u32 %p, %i, 2000; @%p bra L;
 {}
 st.param.b64 [r], %s; ret; }}
.func (.param .b32 r) narrow(.param .b32 a) {{
 .reg .b32 %a, %s, %i, %y<20>; .reg .pred %p, %q; ld.param.b32 %a, [a]; mov.u32 %s, 0; mov.u32 %i, 0;
 {}
 L: setp.gt.u32 %q, %a, 5; @%q add.u32 %s, %s, %a; @!%q add.u32 %s, %s, 1; {} add.u32 %i, %i, 1; setp.lt.u32 %p, %i, 1500; @%p bra L;
 {}
 st.param.b32 [r], %s; ret; }}
.visible .entry k(.param .u64 po) {{
 .reg .b64 %o, %w; .reg .b32 %t, %v; .reg .pred %p;
 ld.param.u64 %o, [po]; mov.u32 %t, %tid.x; mul.wide.u32 %w, %t, 8; add.u64 %o, %o, %w; cvt.u64.u32 %w, %t;
 and.b32 %v, %t, 1; setp.eq.u32 %p, %v, 0; @%p bra EVEN;
 {{ .param .b32 a; .param .b32 r; st.param.b32 [a], %t; call.uni (r), narrow, (a); ld.param.b32 %v, [r]; }}
 cvt.u64.u32 %w, %v; bra DONE;
 EVEN: {{ .param .b64 a; .param .b64 r; st.param.b64 [a], %w; call.uni (r), wide, (a); ld.param.b64 %w, [r]; }}
 DONE: st.global.u64 [%o], %w; ret; }}",
        (0..12).map(|k| format!("mul.lo.u64 %x{k}, %a, {};", k + 3)).collect::<String>(),
        (0..12).map(|k| format!("add.u64 %x{k}, %x{k}, 1;")).collect::<String>(),
        (0..12).map(|k| format!("add.u64 %s, %s, %x{k};")).collect::<String>(),
        (0..20).map(|k| format!("mul.lo.u32 %y{k}, %a, {};", k + 5)).collect::<String>(),
        (0..20).map(|k| format!("add.u32 %y{k}, %y{k}, 2;")).collect::<String>(),
        (0..20).map(|k| format!("add.u32 %s, %s, %y{k};")).collect::<String>(),
    );
    let l = load(&text);
    let out = Buffer::new(256);
    l.run("k", &Run::default(), &Params::new().u64(out.address()), &[&out]);
    let want: Vec<u64> = (0..32u64)
        .map(|t| match t % 2 {
            0 => 2000 * t + (0..12).map(|k| t * (k + 3) + 2000).sum::<u64>(),
            _ => 1500 * if t > 5 { t } else { 1 } + (0..20).map(|k| t * (k + 5) + 3000).sum::<u64>(),
        })
        .collect();
    assert_eq!(out.read::<u64>(), want);
}
