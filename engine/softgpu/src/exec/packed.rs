//! Rare integer forms: pairs of halfwords, results held above zero, saturated packing.

use super::code::ScalarFn;

/// add, min, max of two halfwords in a register, or of one word. imm: bits 0..2 operation (0 add, 1 min, 2 max),
/// 2 signed, 3 relu, 4 one word.
fn halfwords(v: &[u64; 4], imm: u64) -> u64 {
    let (lanes, bits) = if imm >> 4 & 1 != 0 { (1, 32) } else { (2, 16) };
    let keep = (1u64 << bits) - 1;
    let get = |x: u64, k: u32| {
        let x = x >> (bits * k) & keep;
        if imm >> 2 & 1 != 0 { (x << (64 - bits)) as i64 >> (64 - bits) } else { x as i64 }
    };
    (0..lanes).fold(0, |r, k| {
        let (a, b) = (get(v[0], k), get(v[1], k));
        let x = match imm & 3 {
            0 => a + b,
            1 => a.min(b),
            _ => a.max(b),
        };
        let x = if imm >> 3 & 1 != 0 { x.max(0) } else { x };
        r | (x as u64 & keep) << (bits * k)
    })
}

pub(crate) fn halfword_op() -> ScalarFn {
    halfwords
}

/// mad24.hi.sat.s32.
fn mad24_saturated(v: &[u64; 4], _imm: u64) -> u64 {
    let x = |v: u64| i64::from((v as u32) << 8) << 32 >> 40;
    let hi = (x(v[0]) * x(v[1])) >> 16;
    u64::from((hi + i64::from(v[2] as i32)).clamp(i32::MIN.into(), i32::MAX.into()) as u32)
}

pub(crate) fn mad24_hi_sat() -> ScalarFn {
    mad24_saturated
}

/// cvt.pack.sat: a and b as numbers of few bits, a upper, below the bits of c. imm: bits of one | signed << 8 |
/// source signed << 9.
fn pack_saturated(v: &[u64; 4], imm: u64) -> u64 {
    let bits = (imm & 31) as u32;
    let (lo, hi) = if imm >> 8 & 1 != 0 { (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1) } else { (0, (1i64 << bits) - 1) };
    let one = |x: u64| {
        let x = if imm >> 9 & 1 != 0 { i64::from(x as i32) } else { i64::from(x as u32) };
        x.clamp(lo, hi) as u64 & ((1 << bits) - 1)
    };
    (v[2] << (2 * bits) | one(v[0]) << bits | one(v[1])) & 0xffff_ffff
}

pub(crate) fn pack_saturated_fn() -> ScalarFn {
    pack_saturated
}
