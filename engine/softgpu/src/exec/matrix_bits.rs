//! Products of matrices with elements of four bits and of one bit, and movmatrix (PTX ISA 9.7.14.5, 9.7.14.6).
//!
//! Fragments of `wmma` of these types are laid out like those of `mma`, whose words lie in memory as they are; that of the
//! sum is in row order, as for the other types.

use super::FaultKind;
use super::code::{Inst, OpFn};
use super::lane::{Lanes, Op, lane32, next, pick, set_lane};
use super::mem::{address, resolve};
use super::warp::{Wait, Warp};

/// Elements of the factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Small {
    S4,
    U4,
    B1,
}

impl Small {
    pub fn from_name(name: &str) -> Option<Small> {
        Some(match name {
            "s4" => Small::S4,
            "u4" => Small::U4,
            "b1" => Small::B1,
            _ => return None,
        })
    }

    pub fn bits(self) -> u32 {
        if self == Small::B1 { 1 } else { 4 }
    }
}

/// A product of m x k and k x 8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SmallProduct {
    pub m: u32,
    pub k: u32,
    pub a: Small,
    pub b: Small,
    /// One-bit elements are joined with and (else xor) and counted.
    pub and: bool,
    pub saturate: bool,
    /// The sum lies in row order.
    pub linear: bool,
}

impl SmallProduct {
    /// Words of a fragment of a and of b.
    pub fn words(&self) -> (u32, u32) {
        (self.m * self.k * self.a.bits() / 1024, self.k * 8 * self.b.bits() / 1024)
    }

    pub fn pack(self) -> u64 {
        u64::from(self.m)
            | u64::from(self.k) << 8
            | u64::from(self.a == Small::S4) << 20
            | u64::from(self.b == Small::S4) << 21
            | u64::from(self.a == Small::B1) << 22
            | u64::from(self.and) << 23
            | u64::from(self.saturate) << 24
            | u64::from(self.linear) << 25
    }
}

/// The whole warp is here; else where to go on, or null after a fault.
unsafe fn gathered(w: &mut Warp, i: &Inst) -> Result<(), *const Inst> {
    if w.mask == !0 {
        return Ok(());
    }
    if w.dead == 0 {
        w.suspend(i, Wait::Sync(!0));
        return Err(w.pick());
    }
    Err(w.fail(FaultKind::IllegalInstruction, i, w.leader(), "matrix operation with exited lanes".into()))
}

/// side[x..]: registers of d, a, b, c; imm: [`SmallProduct::pack`].
struct SmallMultiply;
impl Op for SmallMultiply {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: instruction selection counted the registers, all of 32 bits.
        unsafe {
            if let Err(p) = gathered(w, i) {
                return p;
            }
            let (m, k) = ((i.imm & 255) as usize, (i.imm >> 8 & 0xfff) as usize);
            let has = |bit: u32| i.imm >> bit & 1 != 0;
            let bits = if has(22) { 1 } else { 4 };
            let (na, nb, nc) = (m * k * bits / 1024, k * 8 * bits / 1024, m / 4);
            let side = &w.launch().code.side[i.x as usize..][..2 * nc + na + nb];
            let (d, rest) = side.split_at(nc);
            let (a, rest) = rest.split_at(na);
            let (b, c) = rest.split_at(nb);
            // Rows of a and columns of b as words: register r of thread t of a group holds word t + 4 * (its place in k).
            let words = k * bits / 32;
            let mut rows = [[0u32; 8]; 16];
            let mut cols = [[0u32; 8]; 8];
            for lane in 0..32 {
                let (group, thread) = (lane / 4, lane % 4);
                for (r, reg) in a.iter().enumerate() {
                    let (row, part) = if m == 16 { (group + 8 * (r & 1), r / 2) } else { (group, r) };
                    rows[row][(thread + 4 * part) & 7] = lane32(w, *reg, lane);
                }
                for (r, reg) in b.iter().enumerate() {
                    cols[group][(thread + 4 * r) & 7] = lane32(w, *reg, lane);
                }
            }
            let element = |word: u32, n: u32, signed: bool| {
                let v = word >> (4 * n) & 15;
                if signed && v >= 8 { i64::from(v) - 16 } else { i64::from(v) }
            };
            for lane in 0..32 {
                let mut out = [0u32; 4];
                for (n, slot) in out.iter_mut().enumerate().take(nc) {
                    let (row, col) = if has(25) {
                        let at = lane * nc + n;
                        (at / 8, at % 8)
                    } else {
                        (lane / 4 + 8 * (n / 2), lane % 4 * 2 + n % 2)
                    };
                    let mut sum = 0i64;
                    for q in 0..words {
                        let (x, y) = (rows[row][q], cols[col][q]);
                        sum += if bits == 1 {
                            i64::from(if has(23) { x & y } else { x ^ y }.count_ones())
                        } else {
                            (0..8).map(|e| element(x, e, has(20)) * element(y, e, has(21))).sum()
                        };
                    }
                    let total = sum + i64::from(lane32(w, c[n], lane) as i32);
                    let total = if has(24) { total.clamp(i32::MIN.into(), i32::MAX.into()) } else { total };
                    *slot = total as u32;
                }
                for (reg, v) in d.iter().zip(out) {
                    set_lane(w, *reg, false, lane, v.into());
                }
            }
            next(i)
        }
    }
}

/// wmma.load of words of such a factor: row or column lane / 4, word lane % 4 of it; address a + imm, stride b in
/// elements of e >> 8 bits; side[x]: the register; e: space | bits << 8.
struct LoadWords;
impl Op for LoadWords {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: 32-bit slots; addresses are checked.
        unsafe {
            let reg = w.launch().code.side[i.x as usize];
            let bits = u64::from(i.e >> 8);
            for lane in Lanes(w.mask) {
                let stride = u64::from(lane32(w, i.b, lane)) * bits / 8;
                let at = address(w, i, lane).wrapping_add(lane as u64 / 4 * stride + lane as u64 % 4 * 4);
                let p = resolve(w, i, i.e as u8, lane, at, 4, false);
                if p.is_null() {
                    return std::ptr::null();
                }
                set_lane(w, reg, false, lane, p.cast::<u32>().read().into());
            }
            next(i)
        }
    }
}

/// movmatrix.sync.aligned.m8n8.trans.b16: an 8 x 8 matrix of halves in the fragments of register a, transposed into d.
struct MoveMatrix;
impl Op for MoveMatrix {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: 32-bit slots.
        unsafe {
            if let Err(p) = gathered(w, i) {
                return p;
            }
            let word: [u32; 32] = std::array::from_fn(|lane| lane32(w, i.a, lane));
            // Lane l holds row l / 4, columns 2 (l % 4) and the next.
            let half = |row: usize, col: usize| word[row * 4 + col / 2] >> (col % 2 * 16) & 0xffff;
            for lane in 0..32 {
                let (row, col) = (lane / 4, lane % 4 * 2);
                set_lane(w, i.d, false, lane, u64::from(half(col, row) | half(col + 1, row) << 16));
            }
            next(i)
        }
    }
}

pub(crate) fn multiply() -> OpFn {
    pick::<SmallMultiply>()
}
pub(crate) fn load_words() -> OpFn {
    pick::<LoadWords>()
}
pub(crate) fn move_matrix() -> OpFn {
    pick::<MoveMatrix>()
}
