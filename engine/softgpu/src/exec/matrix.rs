//! Matrix multiply-accumulate, matrix loads and stores (PTX ISA 9.7.14).
//!
//! Fragments of `mma` lie in registers as the ISA prescribes. Those of `wmma` are opaque to programs; here lane l holds
//! the elements l * n .. l * n + n of the matrix in row order. Products are exact and sums are made in double
//! precision (integers: in 64 bits), so a result differs from hardware by no more than its own accumulation error.

use super::FaultKind;
use super::code::{Inst, NONE, OpFn};
use super::float::{from_half, to_half};
use super::lane::{Lanes, Op, lane32, lane64, next, pick, set_lane};
use super::mem::{address, resolve, resolve_aligned};
use super::warp::Warp;

/// Element types of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Element {
    F16,
    Bf16,
    Tf32,
    F32,
    F64,
    S8,
    U8,
    S32,
    E4m3,
    E5m2,
}

const ELEMENTS: [Element; 10] = {
    use Element::*;
    [F16, Bf16, Tf32, F32, F64, S8, U8, S32, E4m3, E5m2]
};

impl Element {
    pub fn from_name(name: &str) -> Option<Element> {
        use Element::*;
        Some(match name {
            "f16" => F16,
            "bf16" => Bf16,
            "tf32" => Tf32,
            "f32" => F32,
            "f64" => F64,
            "s8" => S8,
            "u8" => U8,
            "s32" => S32,
            "e4m3" => E4m3,
            "e5m2" => E5m2,
            _ => return None,
        })
    }

    /// Bits in memory and registers.
    pub fn bits(self) -> u32 {
        match self {
            Element::F16 | Element::Bf16 => 16,
            Element::S8 | Element::U8 | Element::E4m3 | Element::E5m2 => 8,
            Element::F64 => 64,
            _ => 32,
        }
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Element::S8 | Element::U8 | Element::S32)
    }

    fn value(self, bits: u64) -> f64 {
        match self {
            Element::F16 => from_half(bits as u16, false),
            Element::Bf16 => from_half(bits as u16, true),
            Element::Tf32 => f64::from(f32::from_bits(bits as u32 & 0xffff_e000)),
            Element::F32 => f64::from(f32::from_bits(bits as u32)),
            Element::F64 => f64::from_bits(bits),
            Element::S8 => f64::from(bits as i8),
            Element::U8 => f64::from(bits as u8),
            Element::S32 => f64::from(bits as i32),
            Element::E5m2 => from_half((bits as u16 & 255) << 8, false),
            Element::E4m3 => {
                let b = bits as u8;
                let (e, m) = (i32::from(b >> 3 & 15), f64::from(b & 7));
                let x = match (e, b & 7) {
                    (15, 7) => f64::NAN,
                    (0, _) => m * 2f64.powi(-9),
                    _ => (8.0 + m) * 2f64.powi(e - 10),
                };
                if b >> 7 != 0 { -x } else { x }
            }
        }
    }

    fn bits_of(self, x: f64) -> u64 {
        match self {
            Element::F16 => u64::from(to_half(x, false)),
            Element::Bf16 => u64::from(to_half(x, true)),
            Element::F32 | Element::Tf32 => u64::from((x as f32).to_bits()),
            Element::F64 => x.to_bits(),
            _ => u64::from(x as i64 as u32),
        }
    }
}

/// A multiplication: m x k times k x n.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Multiply {
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub a: Element,
    pub b: Element,
    pub c: Element,
    pub d: Element,
    /// Fragments in the layout of wmma here.
    pub linear: bool,
    pub saturate: bool,
}

impl Multiply {
    pub fn pack(self) -> u64 {
        u64::from(self.m)
            | u64::from(self.n) << 8
            | u64::from(self.k) << 16
            | (self.a as u64) << 24
            | (self.b as u64) << 28
            | (self.c as u64) << 32
            | (self.d as u64) << 36
            | u64::from(self.linear) << 40
            | u64::from(self.saturate) << 41
    }

    fn unpack(v: u64) -> Multiply {
        let e = |s: u32| ELEMENTS[(v >> s & 15) as usize % ELEMENTS.len()];
        Multiply {
            m: v as u32 & 255,
            n: (v >> 8) as u32 & 255,
            k: (v >> 16) as u32 & 255,
            a: e(24),
            b: e(28),
            c: e(32),
            d: e(36),
            linear: v >> 40 & 1 != 0,
            saturate: v >> 41 & 1 != 0,
        }
    }
}

/// Which operand of a multiplication.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    A,
    B,
    C,
}

/// Row and column of element `i` of lane `lane`.
fn position(p: &Multiply, role: Role, bits: u32, lane: u32, i: u32) -> (usize, usize) {
    let (rows, cols) = match role {
        Role::A => (p.m, p.k),
        Role::B => (p.k, p.n),
        Role::C => (p.m, p.n),
    };
    let (row, col) = if p.linear {
        let each = rows * cols / 32;
        let at = lane * each + i % each;
        (at / cols, at % cols)
    } else {
        let (group, thread) = (lane >> 2, lane & 3);
        let packed = (32 / bits).max(1);
        let (r, sub) = (i / packed, i % packed);
        match role {
            Role::A if p.m == 16 => (group + 8 * (r & 1), thread * packed + sub + 4 * packed * (r >> 1)),
            Role::A => (group, thread * packed + sub + 4 * packed * r),
            Role::B => (thread * packed + sub + 4 * packed * r, group),
            Role::C => (group + 8 * (i >> 1), thread * 2 + (i & 1)),
        }
    };
    (row as usize, col as usize)
}

/// Registers a fragment takes for its own elements.
pub(crate) fn registers(rows: u32, cols: u32, e: Element) -> u32 {
    let each = rows * cols / 32;
    if e.bits() == 64 { each } else { (each * e.bits()).div_ceil(32) }
}

const SIDE: usize = 32;

/// Reads a fragment into a dense matrix.
unsafe fn read_fragment(w: &Warp, p: &Multiply, role: Role, e: Element, regs: &[u32], out: &mut [[f64; SIDE]; SIDE]) {
    let bits = e.bits();
    let (rows, cols) = match role {
        Role::A => (p.m, p.k),
        Role::B => (p.k, p.n),
        Role::C => (p.m, p.n),
    };
    let each = rows * cols / 32;
    for lane in 0..32 {
        for i in 0..each {
            // SAFETY: the registers are slots of the class of the element (instruction selection counts them).
            let v = unsafe {
                if bits == 64 {
                    lane64(w, regs[i as usize], lane)
                } else {
                    let per = 32 / bits;
                    u64::from(lane32(w, regs[(i / per) as usize], lane) >> (i % per * bits))
                }
            };
            let (r, c) = position(p, role, bits, lane as u32, i);
            out[r][c] = e.value(v);
        }
    }
}

/// mma and wmma.mma: side[x..] holds the registers of d, a, b, c; e their numbers, a byte each.
struct MultiplyOp;
impl Op for MultiplyOp {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: register counts and classes were checked by instruction selection.
        unsafe {
            if w.mask | w.dead != !0 || w.dead != 0 {
                if w.dead == 0 {
                    w.suspend(i, super::warp::Wait::Sync(!0));
                    return w.pick();
                }
                return w.fail(FaultKind::IllegalInstruction, i, w.leader(), "matrix operation with exited lanes".into());
            }
            let p = Multiply::unpack(i.imm);
            let count = |k: u32| (i.e >> (8 * k) & 255) as usize;
            let side = &w.launch().code.side[i.x as usize..];
            let (d, rest) = side.split_at(count(0));
            let (a, rest) = rest.split_at(count(1));
            let (b, rest) = rest.split_at(count(2));
            let c = &rest[..count(3)];
            let mut ma = [[0f64; SIDE]; SIDE];
            let mut mb = [[0f64; SIDE]; SIDE];
            let mut mc = [[0f64; SIDE]; SIDE];
            read_fragment(w, &p, Role::A, p.a, a, &mut ma);
            read_fragment(w, &p, Role::B, p.b, b, &mut mb);
            read_fragment(w, &p, Role::C, p.c, c, &mut mc);
            let n = p.n as usize;
            for r in 0..p.m as usize {
                let row = &mut mc[r];
                for k in 0..p.k as usize {
                    let x = ma[r][k];
                    for j in 0..n {
                        row[j] = x.mul_add(mb[k][j], row[j]);
                    }
                }
            }
            let bits = p.d.bits();
            let each = p.m * p.n / 32;
            for lane in 0..32usize {
                let mut word = 0u64;
                for q in 0..each {
                    let (r, col) = position(&p, Role::C, bits, lane as u32, q);
                    let mut x = mc[r][col];
                    // Sums of int8 products stay far below 2^53, so doubles hold them exactly.
                    if p.saturate && p.d == Element::S32 {
                        x = x.clamp(f64::from(i32::MIN), f64::from(i32::MAX));
                    }
                    let v = p.d.bits_of(x);
                    if bits >= 32 {
                        set_lane(w, d[q as usize], bits == 64, lane, v);
                    } else {
                        let per = 32 / bits;
                        word |= (v & ((1 << bits) - 1)) << (q % per * bits);
                        if q % per == per - 1 {
                            set_lane(w, d[(q / per) as usize], false, lane, word);
                            word = 0;
                        }
                    }
                }
            }
            next(i)
        }
    }
}

/// Packed description of wmma.load and wmma.store in `e`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    pub rows: u32,
    pub cols: u32,
    pub element: Element,
    pub column_major: bool,
    pub store: bool,
    pub space: u8,
    /// Registers the instruction names.
    pub registers: u32,
}

impl Transfer {
    pub fn pack(self) -> u32 {
        self.rows
            | self.cols << 6
            | (self.element as u32) << 12
            | u32::from(self.column_major) << 16
            | u32::from(self.store) << 17
            | u32::from(self.space) << 18
            | self.registers << 22
    }

    fn unpack(v: u32) -> Transfer {
        Transfer {
            rows: v & 63,
            cols: v >> 6 & 63,
            element: ELEMENTS[(v >> 12 & 15) as usize % ELEMENTS.len()],
            column_major: v >> 16 & 1 != 0,
            store: v >> 17 & 1 != 0,
            space: (v >> 18 & 15) as u8,
            registers: v >> 22 & 31,
        }
    }
}

/// wmma.load and wmma.store: address a + imm, stride in elements b or NONE, registers side[x..].
struct TransferOp;
impl Op for TransferOp {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: register counts and classes were checked by instruction selection; addresses are checked here.
        unsafe {
            let t = Transfer::unpack(i.e);
            let regs = w.launch().code.side[i.x as usize..][..t.registers as usize].to_vec();
            let bits = t.element.bits();
            let bytes = bits / 8;
            let each = t.rows * t.cols / 32;
            let per = (32 / bits).max(1);
            for lane in Lanes(w.mask) {
                let base = address(w, i, lane);
                let stride = if i.b == NONE {
                    if t.column_major { t.rows } else { t.cols }
                } else {
                    lane32(w, i.b, lane)
                };
                let slots = if t.store { each } else { t.registers * per };
                let mut words = [0u64; 32];
                for q in 0..slots {
                    let at = lane as u32 * each + q % each;
                    let (r, c) = (at / t.cols, at % t.cols);
                    let index = if t.column_major {
                        u64::from(c) * u64::from(stride) + u64::from(r)
                    } else {
                        u64::from(r) * u64::from(stride) + u64::from(c)
                    };
                    let addr = base.wrapping_add(index * u64::from(bytes));
                    let host = resolve(w, i, t.space, lane, addr, bytes, t.store);
                    if host.is_null() {
                        return std::ptr::null();
                    }
                    let (k, s) = ((q / per) as usize, q % per * bits);
                    if t.store {
                        let v = if bits == 64 { lane64(w, regs[k], lane) } else { u64::from(lane32(w, regs[k], lane)) >> s };
                        match bytes {
                            1 => host.write(v as u8),
                            2 => host.cast::<u16>().write(v as u16),
                            4 => host.cast::<u32>().write(v as u32),
                            _ => host.cast::<u64>().write(v),
                        }
                    } else {
                        let v = match bytes {
                            1 => u64::from(host.read()),
                            2 => u64::from(host.cast::<u16>().read()),
                            4 => u64::from(host.cast::<u32>().read()),
                            _ => host.cast::<u64>().read(),
                        };
                        words[k & 31] |= v << s;
                    }
                }
                if !t.store {
                    for (k, r) in regs.iter().enumerate() {
                        set_lane(w, *r, bits == 64, lane, words[k & 31]);
                    }
                }
            }
            next(i)
        }
    }
}

/// ldmatrix and stmatrix of 8 x 8 matrices of 16-bit elements: address a + imm per lane, registers side[x..];
/// e: their number, bit 8 transposed, bit 9 store, bits 16.. space.
struct MatrixRows;
impl Op for MatrixRows {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as TransferOp.
        unsafe {
            if w.dead != 0 || w.mask != !0 {
                if w.dead == 0 {
                    w.suspend(i, super::warp::Wait::Sync(!0));
                    return w.pick();
                }
                return w.fail(FaultKind::IllegalInstruction, i, w.leader(), "matrix operation with exited lanes".into());
            }
            let count = (i.e & 255) as usize;
            let (transposed, store) = (i.e >> 8 & 1 != 0, i.e >> 9 & 1 != 0);
            let regs = w.launch().code.side[i.x as usize..][..count].to_vec();
            let mut rows = [std::ptr::null_mut::<u8>(); 32];
            for (lane, row) in rows.iter_mut().enumerate().take(8 * count) {
                let addr = address(w, i, lane);
                *row = resolve_aligned(w, i, (i.e >> 16) as u8, lane, addr, 16, 16, store);
                if row.is_null() {
                    return std::ptr::null();
                }
            }
            let place = |m: usize, lane: usize, j: usize| {
                let (r, c) = if transposed { ((lane & 3) * 2 + j, lane >> 2) } else { (lane >> 2, (lane & 3) * 2 + j) };
                rows[m * 8 + r].add(c * 2).cast::<u16>()
            };
            for (m, reg) in regs.iter().enumerate() {
                for lane in 0..32 {
                    let (p, q) = (place(m, lane, 0), place(m, lane, 1));
                    if store {
                        let v = lane32(w, *reg, lane);
                        p.write(v as u16);
                        q.write((v >> 16) as u16);
                    } else {
                        set_lane(w, *reg, false, lane, u64::from(p.read()) | u64::from(q.read()) << 16);
                    }
                }
            }
            next(i)
        }
    }
}

pub(crate) fn op(name: &str) -> OpFn {
    match name {
        "multiply" => pick::<MultiplyOp>(),
        "transfer" => pick::<TransferOp>(),
        _ => pick::<MatrixRows>(),
    }
}
