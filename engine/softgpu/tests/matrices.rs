//! mma, wmma, ldmatrix, cp.async and mbarrier. Fragments are laid out here by the formulas of the ISA manual.

mod support;
use half::f16;
use support::*;

/// Runs `instr` with per-lane register fragments of 32-bit words; returns the words of d.
fn run_fragments(instr: &str, a: &[Vec<u32>], b: &[Vec<u32>], c: &[Vec<u32>], d_words: usize) -> Vec<Vec<u32>> {
    let (na, nb, nc) = (a[0].len(), b[0].len(), c[0].len());
    let per = na + nb + nc;
    let mut text = format!("{HEAD}.visible .entry k(.param .u64 po, .param .u64 pi) {{ .reg .b32 %t, %x<64>; .reg .b64 %o, %i, %s;
 ld.param.u64 %o, [po]; ld.param.u64 %i, [pi]; mov.u32 %t, %tid.x;
 mul.wide.u32 %s, %t, {}; add.u64 %i, %i, %s; mul.wide.u32 %s, %t, {}; add.u64 %o, %o, %s;\n", per * 4, d_words * 4);
    for k in 0..per {
        text += &format!("ld.global.b32 %x{k}, [%i+{}];\n", k * 4);
    }
    let list = |from: usize, n: usize| (from..from + n).map(|k| format!("%x{k}")).collect::<Vec<_>>().join(", ");
    text += &format!("{instr} {{{}}}, {{{}}}, {{{}}}, {{{}}};\n", list(per, d_words), list(0, na), list(na, nb), list(na + nb, nc));
    for k in 0..d_words {
        text += &format!("st.global.b32 [%o+{}], %x{};\n", k * 4, per + k);
    }
    text += "ret; }";
    let l = load(&text);
    let mut words: Vec<u32> = Vec::new();
    for lane in 0..32 {
        words.extend(a[lane].iter().chain(&b[lane]).chain(&c[lane]));
    }
    let (bi, bo) = (Buffer::from(&words), Buffer::new(32 * d_words * 4));
    l.run("k", &Run::default(), &Params::new().u64(bo.address()).u64(bi.address()), &[&bi, &bo]);
    bo.read::<u32>().chunks(d_words).map(<[u32]>::to_vec).collect()
}

fn value(r: usize, c: usize) -> f32 {
    ((r * 5 + c * 3) % 17) as f32 - 8.0
}

#[test]
fn half_precision_16x8x16() {
    let h = |x: f32| u32::from(f16::from_f32(x).to_bits());
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for lane in 0..32usize {
        let (g, t) = (lane / 4, lane % 4);
        let ai = |i: usize| {
            let row = if matches!(i, 0 | 1 | 4 | 5) { g } else { g + 8 };
            h(value(row, t * 2 + (i & 1) + if i >= 4 { 8 } else { 0 }))
        };
        let bi = |i: usize| h(value(t * 2 + (i & 1) + if i >= 2 { 8 } else { 0 }, g + 40));
        a.push((0..4).map(|k| ai(2 * k) | ai(2 * k + 1) << 16).collect());
        b.push((0..2).map(|k| bi(2 * k) | bi(2 * k + 1) << 16).collect());
        c.push((0..4).map(|i| ((i * 10 + lane) as f32).to_bits()).collect::<Vec<u32>>());
    }
    let d = run_fragments("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", &a, &b, &c, 4);
    for lane in 0..32 {
        for i in 0..4 {
            let (row, col) = (lane / 4 + if i >= 2 { 8 } else { 0 }, lane % 4 * 2 + (i & 1));
            let w: f32 = (0..16).map(|k| value(row, k) * value(k, col + 40)).sum::<f32>() + (i * 10 + lane) as f32;
            assert_eq!(f32::from_bits(d[lane][i]), w, "{lane} {i}");
        }
    }
}

#[test]
fn tf32_16x8x8_and_int8_16x8x32() {
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for lane in 0..32usize {
        let (g, t) = (lane / 4, lane % 4);
        a.push(vec![value(g, t).to_bits(), value(g + 8, t).to_bits(), value(g, t + 4).to_bits(), value(g + 8, t + 4).to_bits()]);
        b.push(vec![value(t, g + 40).to_bits(), value(t + 4, g + 40).to_bits()]);
        c.push(vec![0u32; 4]);
    }
    let d = run_fragments("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", &a, &b, &c, 4);
    for lane in 0..32 {
        for i in 0..4 {
            let (row, col) = (lane / 4 + if i >= 2 { 8 } else { 0 }, lane % 4 * 2 + (i & 1));
            let w: f32 = (0..8).map(|k| value(row, k) * value(k, col + 40)).sum();
            assert_eq!(f32::from_bits(d[lane][i]), w);
        }
    }
    let byte = |r: usize, c: usize| value(r, c) as i8 as u8;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for lane in 0..32usize {
        let (g, t) = (lane / 4, lane % 4);
        let ai = |i: usize| byte(if i < 4 || (8..12).contains(&i) { g } else { g + 8 }, t * 4 + (i & 3) + if i >= 8 { 16 } else { 0 });
        let bi = |i: usize| byte(t * 4 + (i & 3) + if i >= 4 { 16 } else { 0 }, g + 40);
        let word = |f: &dyn Fn(usize) -> u8, k: usize| u32::from_le_bytes(std::array::from_fn(|j| f(4 * k + j)));
        a.push((0..4).map(|k| word(&ai, k)).collect());
        b.push((0..2).map(|k| word(&bi, k)).collect());
    }
    let d = run_fragments("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", &a, &b, &c, 4);
    for lane in 0..32 {
        for i in 0..4 {
            let (row, col) = (lane / 4 + if i >= 2 { 8 } else { 0 }, lane % 4 * 2 + (i & 1));
            let w: i32 = (0..32).map(|k| value(row, k) as i32 * value(k, col + 40) as i32).sum();
            assert_eq!(d[lane][i] as i32, w);
        }
    }
}

#[test]
fn wmma_through_memory() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc) {{
 .reg .b64 %a, %b, %c; .reg .b32 %x<16>; .reg .f32 %f<16>; .shared .align 32 .b8 s[1024];
 ld.param.u64 %a, [pa]; ld.param.u64 %b, [pb]; ld.param.u64 %c, [pc];
 wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {{%x0,%x1,%x2,%x3,%x4,%x5,%x6,%x7}}, [%a], 24;
 wmma.load.b.sync.aligned.col.m16n16k16.global.f16 {{%x8,%x9,%x10,%x11,%x12,%x13,%x14,%x15}}, [%b], 16;
 wmma.load.c.sync.aligned.row.m16n16k16.global.f32 {{%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7}}, [%c], 16;
 wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32 {{%f8,%f9,%f10,%f11,%f12,%f13,%f14,%f15}}, {{%x0,%x1,%x2,%x3,%x4,%x5,%x6,%x7}}, {{%x8,%x9,%x10,%x11,%x12,%x13,%x14,%x15}}, {{%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7}};
 wmma.store.d.sync.aligned.col.m16n16k16.global.f32 [%c], {{%f8,%f9,%f10,%f11,%f12,%f13,%f14,%f15}}, 16;
 ret; }}"
    );
    let l = load(&text);
    let h = |x: f32| f16::from_f32(x).to_bits();
    let a: Vec<u16> = (0..16 * 24).map(|k| h(value(k / 24, k % 24))).collect();
    let b: Vec<u16> = (0..256).map(|k| h(value(k % 16, k / 16 + 40))).collect();
    let c: Vec<f32> = (0..256).map(|k| k as f32).collect();
    let (ba, bb, bc) = (Buffer::from(&a), Buffer::from(&b), Buffer::from(&c));
    l.run("k", &Run::default(), &Params::new().u64(ba.address()).u64(bb.address()).u64(bc.address()), &[&ba, &bb, &bc]);
    let d = bc.read::<f32>();
    for i in 0..16 {
        for j in 0..16 {
            let w: f32 = (0..16).map(|k| value(i, k) * value(k, j + 40)).sum::<f32>() + (i * 16 + j) as f32;
            assert_eq!(d[j * 16 + i], w, "{i} {j}");
        }
    }
}

#[test]
fn asynchronous_copies_matrix_rows_and_mbarriers() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 po, .param .u64 pi) {{
 .reg .b64 %o, %i, %s, %st; .reg .b32 %t, %a, %r<8>, %bar; .reg .pred %p; .shared .align 128 .b8 s[1024]; .shared .align 8 .b64 m;
 ld.param.u64 %o, [po]; ld.param.u64 %i, [pi]; mov.u32 %t, %tid.x; mov.u32 %bar, m;
 setp.eq.u32 %p, %t, 0; @%p mbarrier.init.shared.b64 [%bar], 64; bar.sync 0;
 mul.wide.u32 %s, %t, 16; add.u64 %i, %i, %s; mov.u32 %a, s; mad.lo.u32 %a, %t, 16, %a;
 cp.async.cg.shared.global [%a], [%i], 16; cp.async.commit_group; cp.async.wait_group 0;
 mbarrier.arrive.shared.b64 %st, [%bar];
 W: mbarrier.test_wait.shared.b64 %p, [%bar], %st; @!%p bra W;
 setp.ge.u32 %p, %t, 32; @%p bra X;
 ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%r0, %r1, %r2, %r3}}, [%a];
 ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {{%r4, %r5}}, [%a+512];
 mul.wide.u32 %s, %t, 24; add.u64 %o, %o, %s;
 st.global.v2.b32 [%o], {{%r0, %r1}}; st.global.v2.b32 [%o+8], {{%r2, %r3}}; st.global.v2.b32 [%o+16], {{%r4, %r5}};
 X: ret; }}"
    );
    let l = load(&text);
    let data: Vec<u16> = (0..512).map(|k| k * 3 + 1).collect();
    let (bi, bo) = (Buffer::from(&data), Buffer::new(32 * 24));
    l.run("k", &Run { block: [64, 1, 1], ..Run::default() }, &Params::new().u64(bo.address()).u64(bi.address()), &[&bi, &bo]);
    let got = bo.read::<u32>();
    let at = |m: usize, r: usize, c: usize| u32::from(data[m * 64 + r * 8 + c]);
    for lane in 0..32 {
        let (g, t) = (lane / 4, lane % 4);
        for m in 0..4 {
            assert_eq!(got[lane * 6 + m], at(m, g, 2 * t) | at(m, g, 2 * t + 1) << 16);
        }
        for m in 0..2 {
            assert_eq!(got[lane * 6 + 4 + m], at(m + 4, 2 * t, g) | at(m + 4, 2 * t + 1, g) << 16);
        }
    }
}
