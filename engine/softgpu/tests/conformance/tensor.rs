//! Matrix operations of a warp, asynchronous copies and mbarriers (PTX ISA 9.7.9.25, 9.7.13.15, 9.7.14). Layouts of
//! fragments are written here from the manual's tables.

use crate::harness::*;
use crate::support::{Buffer, Params, Run, load};
use half::{bf16, f16};

/// One warp whose lane holds `words` words before, and gives `out` words after `body`, which reads %x0.. and leaves %y0...
fn warp(module: &str, decl: &str, body: &str, words: usize, inputs: &[Vec<u32>], out: usize) -> Vec<Vec<u32>> {
    let mut text = format!(
        "{HEAD}{module}\n.visible .entry k(.param .u64 po, .param .u64 pi) {{ .reg .b32 %t, %x<64>, %y<64>; .reg .b64 %o, %i, %a; .reg .pred %p; {decl}
 ld.param.u64 %o, [po]; ld.param.u64 %i, [pi]; mov.u32 %t, %tid.x; mad.wide.u32 %i, %t, {}, %i; mad.wide.u32 %o, %t, {}, %o;\n",
        words * 4,
        out * 4
    );
    for k in 0..words {
        text += &format!("ld.global.b32 %x{k}, [%i+{}];\n", k * 4);
    }
    text += body;
    for k in 0..out {
        text += &format!("\nst.global.b32 [%o+{}], %y{k};", k * 4);
    }
    text += "\nret; }";
    let l = load(&text);
    let flat: Vec<u32> = inputs.concat();
    let (bi, bo) = (Buffer::from(&flat), Buffer::new(32 * out * 4));
    l.run("k", &Run::default(), &Params::new().u64(bo.address()).u64(bi.address()), &[&bi, &bo]);
    bo.read::<u32>().chunks(out).map(<[u32]>::to_vec).collect()
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum E {
    F16,
    Bf16,
    Tf32,
    F32,
    S8,
    U8,
    S4,
    U4,
    B1,
    S32,
}

impl E {
    fn bits(self) -> u32 {
        match self {
            E::F16 | E::Bf16 => 16,
            E::S8 | E::U8 => 8,
            E::S4 | E::U4 => 4,
            E::B1 => 1,
            _ => 32,
        }
    }
    /// A small number that every type of its kind holds exactly.
    fn sample(self, r: &mut Random) -> f64 {
        let n = r.next() % 1000;
        match self {
            E::U8 => (n % 256) as f64,
            E::S8 => (n % 256) as f64 - 128.0,
            E::U4 => (n % 16) as f64,
            E::S4 => (n % 16) as f64 - 8.0,
            E::B1 => (n % 2) as f64,
            E::S32 => n as f64 * 1000.0 - 500_000.0,
            _ => (n % 33) as f64 / 4.0 - 4.0,
        }
    }
    fn encode(self, v: f64) -> u32 {
        match self {
            E::F16 => f16::from_f64(v).to_bits().into(),
            E::Bf16 => bf16::from_f64(v).to_bits().into(),
            E::Tf32 | E::F32 => (v as f32).to_bits(),
            _ => v as i64 as u32 & if self.bits() == 32 { !0 } else { (1 << self.bits()) - 1 },
        }
    }
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Where element `i` of lane `lane` of A, B or C lies (mma of 8 or 16 rows, 8 columns): row, column.
fn place(which: char, m: u32, bits: u32, lane: u32, i: u32) -> (u32, u32) {
    let (group, thread) = (lane / 4, lane % 4);
    let per = 32 / bits;
    let (register, sub) = (i / per, i % per);
    match which {
        'a' if m == 16 => (group + register % 2 * 8, thread * per + sub + register / 2 * 4 * per),
        'a' => (group, thread * per + sub + register * 4 * per),
        'b' => (thread * per + sub + register * 4 * per, group),
        // Two neighbouring columns, then eight rows further.
        _ => (group + i / 2 * 8, thread * 2 + i % 2),
    }
}

type Matrix = Vec<Vec<f64>>;

fn random(rows: u32, cols: u32, e: E, seed: u64) -> Matrix {
    let mut r = Random::new(seed);
    (0..rows).map(|_| (0..cols).map(|_| e.sample(&mut r)).collect()).collect()
}

fn fragments(which: char, m: u32, rows: u32, cols: u32, e: E, matrix: &Matrix) -> Vec<Vec<u32>> {
    let bits = e.bits();
    let each = rows * cols / 32;
    (0..32)
        .map(|lane| {
            let mut words = vec![0u32; (each * bits).div_ceil(32) as usize];
            for i in 0..each {
                let (r, c) = place(which, m, bits, lane, i);
                words[(i * bits / 32) as usize] |= e.encode(matrix[r as usize][c as usize]) << (i * bits % 32);
            }
            words
        })
        .collect()
}

fn list(prefix: &str, from: usize, n: usize) -> String {
    let items: Vec<String> = (from..from + n).map(|k| format!("%{prefix}{k}")).collect();
    if n == 1 { items[0].clone() } else { format!("{{{}}}", items.join(", ")) }
}

fn multiply(m: u32, n: u32, k: u32, a: E, b: E, acc: E, tail: &str, product: &dyn Fn(f64, f64) -> f64) {
    let instr = format!("mma.sync.aligned.m{m}n{n}k{k}.row.col.{}.{}.{}.{}{tail}", acc.name(), a.name(), b.name(), acc.name());
    attempt(&instr, std::panic::AssertUnwindSafe(|| {
        let (ma, mb, mc) = (random(m, k, a, 1), random(k, n, b, 2), random(m, n, acc, 3));
        let (fa, fb, fc) = (fragments('a', m, m, k, a, &ma), fragments('b', m, k, n, b, &mb), fragments('c', m, m, n, acc, &mc));
        let (na, nb, nc) = (fa[0].len(), fb[0].len(), fc[0].len());
        let inputs: Vec<Vec<u32>> = (0..32).map(|l| [fa[l].clone(), fb[l].clone(), fc[l].clone()].concat()).collect();
        let vector = |p: &str, f, n| { let t = list(p, f, n); if t.starts_with('{') { t } else { format!("{{{t}}}") } };
        let body = format!("{instr} {}, {}, {}, {};", vector("y", 0, nc), vector("x", 0, na), vector("x", na, nb), vector("x", na + nb, nc));
        let got = warp("", "", &body, na + nb + nc, &inputs, nc);
        let mut want: Matrix = mc.clone();
        for r in 0..m as usize {
            for c in 0..n as usize {
                want[r][c] += (0..k as usize).map(|x| product(ma[r][x], mb[x][c])).sum::<f64>();
            }
        }
        assert_eq!(got, fragments('c', m, m, n, acc, &want), "{instr}");
        note("mma");
    }));
}

pub fn products() {
    let times = |a: f64, b: f64| a * b;
    for k in [8, 16] {
        multiply(16, 8, k, E::F16, E::F16, E::F32, "", &times);
        multiply(16, 8, k, E::F16, E::F16, E::F16, "", &times);
        multiply(16, 8, k, E::Bf16, E::Bf16, E::F32, "", &times);
    }
    for k in [4, 8] {
        multiply(16, 8, k, E::Tf32, E::Tf32, E::F32, "", &times);
    }
    for (a, b) in [(E::S8, E::S8), (E::U8, E::S8), (E::S8, E::U8), (E::U8, E::U8)] {
        for (m, k) in [(8, 16), (16, 16), (16, 32)] {
            multiply(m, 8, k, a, b, E::S32, "", &times);
        }
    }
}

/// Elements of four bits and of one bit.
pub fn small_elements() {
    let times = |a: f64, b: f64| a * b;
    for (a, b) in [(E::S4, E::S4), (E::U4, E::S4), (E::S4, E::U4), (E::U4, E::U4)] {
        for (m, k) in [(8, 32), (16, 32), (16, 64)] {
            multiply(m, 8, k, a, b, E::S32, "", &times);
        }
    }
    for (m, k) in [(8, 128), (16, 128), (16, 256)] {
        multiply(m, 8, k, E::B1, E::B1, E::S32, ".xor.popc", &|a, b| if a != b { 1.0 } else { 0.0 });
        multiply(m, 8, k, E::B1, E::B1, E::S32, ".and.popc", &times);
    }
    through_memory(8, 8, 32, E::S4, E::S4, E::S32, ["row", "col", "row"], ".global");
    through_memory(8, 8, 32, E::U4, E::U4, E::S32, ["row", "col", "col"], "");
}

/// ldmatrix, stmatrix and movmatrix.
pub fn matrix_moves() {
    let inputs: Vec<Vec<u32>> = (0..32).map(|l| (0..4).map(|k| (l * 4 + k) * 0x1_0003 + 7).collect()).collect();
    let got = warp("", "", "movmatrix.sync.aligned.m8n8.trans.b16 %y0, %x0;", 4, &inputs, 1);
    let at = |row: usize, col: usize| inputs[row * 4 + col / 2][0] >> (col % 2 * 16) & 0xffff;
    for lane in 0..32 {
        let (r, c) = (lane / 4, lane % 4 * 2);
        assert_eq!(got[lane][0], at(c, r) | at(c + 1, r) << 16, "movmatrix lane {lane}");
    }
    note("movmatrix");
    let half = |matrix: usize, row: usize, col: usize| {
        // Lane l of matrix m wrote word l / 8 of ... : rows of 8 halves, lane = matrix * 8 + row.
        let words = &inputs[matrix * 8 + row];
        words[col / 2] >> (col % 2 * 16) & 0xffff
    };
    let decl = ".shared .align 16 .b8 s[1024]; .reg .b32 %at;";
    let set = "mov.u32 %at, s; mad.lo.u32 %at, %t, 16, %at; st.shared.v4.b32 [%at], {%x0, %x1, %x2, %x3}; bar.warp.sync -1;";
    for (n, count) in [("x1", 1usize), ("x2", 2), ("x4", 4)] {
        for trans in [false, true] {
            let t = if trans { ".trans" } else { "" };
            let got = warp("", decl, &format!("{set} ldmatrix.sync.aligned.m8n8.{n}{t}.shared.b16 {{{}}}, [%at];", (0..count).map(|k| format!("%y{k}")).collect::<Vec<_>>().join(", ")), 4, &inputs, count);
            for lane in 0..32 {
                for m in 0..count {
                    let (r, c) = (lane / 4, lane % 4 * 2);
                    let want = if trans { half(m, c, r) | half(m, c + 1, r) << 16 } else { half(m, r, c) | half(m, r, c + 1) << 16 };
                    assert_eq!(got[lane][m], want, "ldmatrix {n}{t} lane {lane}");
                }
            }
            note("ldmatrix");
            // Stored and read back row by row.
            let got = warp("", decl, &format!("mov.u32 %at, s; mad.lo.u32 %at, %t, 16, %at; st.shared.v4.b32 [%at], {{0, 0, 0, 0}}; bar.warp.sync -1; stmatrix.sync.aligned.m8n8.{n}{t}.shared.b16 [%at], {{{}}}; bar.warp.sync -1; ld.shared.v4.b32 {{%y0, %y1, %y2, %y3}}, [%at];", (0..count).map(|k| format!("%x{k}")).collect::<Vec<_>>().join(", ")), 4, &inputs, 4);
            for lane in 0..8 * count {
                let (m, row) = (lane / 8, lane % 8);
                for col in 0..8 {
                    let (r, c) = if trans { (col, row) } else { (row, col) };
                    let want = inputs[r * 4 + c / 2][m] >> (c % 2 * 16) & 0xffff;
                    assert_eq!(got[lane][col / 2] >> (col % 2 * 16) & 0xffff, want, "stmatrix {n}{t} lane {lane}");
                }
            }
            note("stmatrix");
        }
    }
}

/// wmma: whole products through memory, as its fragments have no layout of their own.
fn through_memory(m: u32, n: u32, k: u32, a: E, b: E, acc: E, layouts: [&str; 3], space: &str) {
    let [la, lb, lc] = layouts;
    let (ma, mb, mc) = (random(m, k, a, 5), random(k, n, b, 6), random(m, n, acc, 7));
    // Strides longer than the matrix.
    let image = |matrix: &Matrix, e: E, layout: &str, pad: usize| -> (Vec<u8>, usize) {
        let (rows, cols) = (matrix.len(), matrix[0].len());
        let stride = if layout == "row" { cols } else { rows } + pad;
        let bits = e.bits() as usize;
        let mut out = vec![0u8; stride * if layout == "row" { rows } else { cols } * bits / 8];
        for (r, row) in matrix.iter().enumerate() {
            for (c, v) in row.iter().enumerate() {
                let at = (if layout == "row" { r * stride + c } else { c * stride + r }) * bits;
                let v = e.encode(*v);
                for b in 0..bits {
                    out[(at + b) / 8] |= ((v >> b & 1) as u8) << ((at + b) % 8);
                }
            }
        }
        (out, stride)
    };
    let pad = |e: E| 128 / e.bits() as usize;
    let ((ia, sa), (ib, sb), (ic, sc)) = (image(&ma, a, la, pad(a)), image(&mb, b, lb, pad(b)), image(&mc, acc, lc, pad(acc)));
    let shape = format!("m{m}n{n}k{k}");
    let registers = |rows: u32, cols: u32, e: E, factor: bool| -> usize {
        // The numbers that the manual's table gives.
        match e {
            E::F16 if factor => 8,
            _ => (rows * cols / 32 * e.bits()).div_ceil(32) as usize,
        }
    };
    let (na, nb, nc) = (registers(m, k, a, true), registers(k, n, b, true), registers(m, n, acc, false));
    let types = if a == E::F16 { format!("{}.{}", acc.name(), acc.name()) } else { format!("{}.{}.{}.{}", acc.name(), a.name(), b.name(), acc.name()) };
    let vector = |p: &str, from: usize, n: usize| format!("{{{}}}", (from..from + n).map(|k| format!("%{p}{k}")).collect::<Vec<_>>().join(", "));
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd) {{ .reg .b32 %f<64>; .reg .b64 %a, %b, %c, %d;
 ld.param.u64 %a, [pa]; ld.param.u64 %b, [pb]; ld.param.u64 %c, [pc]; ld.param.u64 %d, [pd];
 wmma.load.a.sync.aligned.{la}.{shape}{space}.{} {}, [%a], {sa};
 wmma.load.b.sync.aligned.{lb}.{shape}{space}.{} {}, [%b], {sb};
 wmma.load.c.sync.aligned.{lc}.{shape}{space}.{} {}, [%c], {sc};
 wmma.mma.sync.aligned.{la}.{lb}.{shape}.{types} {}, {}, {}, {};
 wmma.store.d.sync.aligned.{lc}.{shape}{space}.{} [%d], {}, {sc}; ret; }}",
        a.name(), vector("f", 0, na), b.name(), vector("f", na, nb), acc.name(), vector("f", na + nb, nc),
        vector("f", na + nb, nc), vector("f", 0, na), vector("f", na, nb), vector("f", na + nb, nc), acc.name(), vector("f", na + nb, nc)
    );
    attempt(&format!("wmma {shape} {types} {layouts:?}"), std::panic::AssertUnwindSafe(|| {
        let l = load(&text);
        let (ba, bb, bc, bd) = (Buffer::from(&ia), Buffer::from(&ib), Buffer::from(&ic), Buffer::new(ic.len()));
        l.run("k", &Run::default(), &Params::new().u64(ba.address()).u64(bb.address()).u64(bc.address()).u64(bd.address()), &[&ba, &bb, &bc, &bd]);
        let mut want = mc.clone();
        for r in 0..m as usize {
            for c in 0..n as usize {
                want[r][c] += (0..k as usize).map(|x| ma[r][x] * mb[x][c]).sum::<f64>();
            }
        }
        assert_eq!(bd.read::<u8>(), image(&want, acc, lc, pad(acc)).0);
        note("wmma");
    }));
}

pub fn products_through_memory() {
    for (m, n) in [(16, 16), (32, 8), (8, 32)] {
        for la in ["row", "col"] {
            for lb in ["row", "col"] {
                for lc in ["row", "col"] {
                    for acc in [E::F32, E::F16] {
                        through_memory(m, n, 16, E::F16, E::F16, acc, [la, lb, lc], ".global");
                    }
                    through_memory(m, n, 16, E::Bf16, E::Bf16, E::F32, [la, lb, lc], "");
                    through_memory(m, n, 16, E::S8, E::S8, E::S32, [la, lb, lc], ".global");
                    through_memory(m, n, 16, E::U8, E::U8, E::S32, [la, lb, lc], "");
                }
            }
        }
    }
    for l in [["row", "col", "row"], ["col", "row", "col"]] {
        through_memory(16, 16, 8, E::Tf32, E::Tf32, E::F32, l, ".global");
    }
}

/// cp.async with sizes, sources shorter than the copy, groups; and mbarriers.
pub fn asynchronous_copies() {
    let inputs: Vec<Vec<u32>> = (0..32).map(|l| (0..4).map(|k| l * 100 + k + 1).collect()).collect();
    let decl = ".shared .align 16 .b8 s[1024]; .reg .b32 %at; .reg .b64 %wide;";
    let start = "mov.u32 %at, s; mad.lo.u32 %at, %t, 16, %at; st.shared.v4.b32 [%at], {9, 9, 9, 9};";
    let end = "cp.async.commit_group; cp.async.wait_group 0; ld.shared.v4.b32 {%y0, %y1, %y2, %y3}, [%at];";
    for (copy, want) in [
        ("cp.async.ca.shared.global [%at], [%i], 4;", [1, 9, 9, 9]),
        ("cp.async.ca.shared.global [%at+8], [%i+8], 8;", [9, 9, 3, 4]),
        ("cp.async.cg.shared.global [%at], [%i], 16;", [1, 2, 3, 4]),
        ("cp.async.cg.shared.global.L2::128B [%at], [%i], 16, 8;", [1, 2, 0, 0]),
        ("cp.async.ca.shared::cta.global [%at], [%i], 16, 0;", [0, 0, 0, 0]),
        ("mov.u32 %x9, 4; cp.async.ca.shared.global [%at], [%i], 8, %x9;", [1, 0, 9, 9]),
    ] {
        let got = warp("", decl, &format!("{start} {copy} {end}"), 4, &inputs, 4);
        for lane in 0..32u32 {
            let want: Vec<u32> = want.iter().map(|w| if *w == 0 || *w == 9 { *w } else { lane * 100 + w }).collect();
            assert_eq!(got[lane as usize], want, "{copy}");
        }
        note("cp");
    }
    let got = warp("", decl, &format!("{start} cp.async.cg.shared.global [%at], [%i], 16; cp.async.wait_all; ld.shared.v4.b32 {{%y0, %y1, %y2, %y3}}, [%at];"), 4, &inputs, 4);
    assert!((0..32).all(|l| got[l] == inputs[l]));
    // Phases of an mbarrier: complete when all have arrived, by state and by parity.
    let decl = ".shared .align 8 .b64 m; .reg .b64 %s<4>; .reg .b32 %n; .reg .pred %q;";
    let body = "setp.eq.u32 %p, %t, 0; @%p mbarrier.init.shared.b64 [m], 32; bar.warp.sync -1; mov.u32 %y1, 0;
 mbarrier.test_wait.parity.shared.b64 %q, [m], 1; selp.b32 %y2, 1, 0, %q; mbarrier.test_wait.parity.shared.b64 %q, [m], 0; @%q add.u32 %y2, %y2, 2; bar.warp.sync -1;
 mbarrier.arrive.shared.b64 %s0, [m]; mbarrier.pending_count.b64 %y0, %s0;
WAIT: mbarrier.try_wait.shared.b64 %q, [m], %s0; @!%q bra WAIT;
 mbarrier.test_wait.parity.shared.b64 %q, [m], 0; selp.b32 %y1, 1, 0, %q; bar.warp.sync -1;
 mbarrier.arrive.shared.b64 %s1, [m];
WAIT2: mbarrier.try_wait.parity.shared.b64 %q, [m], 1; @!%q bra WAIT2; @%p mbarrier.inval.shared.b64 [m];";
    let got = warp("", decl, body, 1, &vec![vec![0]; 32], 3);
    let mut pending: Vec<u32> = got.iter().map(|g| g[0]).collect();
    pending.sort_unstable();
    assert_eq!(pending, (1..=32).collect::<Vec<_>>());
    assert!(got.iter().all(|g| g[1] == 1 && g[2] == 1));
    note("mbarrier");
}
