//! Operations between the lanes of a warp (PTX ISA 9.7.9.5 and 9.7.13).

use super::code::{Inst, NONE, OpFn, flag};
use super::float::{max32, min32};
use super::lane::{Lanes, Op, has_avx2, lane32, lane64, mask_of_32, next, pick, pred, set_lane, set_pred};
use super::shape::Shape;
use super::warp::{Wait, Warp};

/// Member mask of every active lane together; register x, NONE for the forms without `.sync`.
#[inline(always)]
unsafe fn members(w: &Warp, i: &Inst) -> u32 {
    if i.x == NONE {
        return w.mask;
    }
    // SAFETY: x is a 32-bit slot.
    unsafe {
        let first = lane32(w, i.x, w.leader());
        if first == !0 {
            return first;
        }
        Lanes(w.mask).fold(0, |m, l| m | lane32(w, i.x, l))
    }
}

/// Waits for the members that are elsewhere: Some(where to continue instead).
#[inline(always)]
unsafe fn gather(w: &mut Warp, i: &Inst) -> Option<*const Inst> {
    // SAFETY: caller is an operation of this shape.
    let member = unsafe { members(w, i) };
    if member & !w.dead & !w.mask == 0 {
        return None;
    }
    w.suspend(i, Wait::Sync(member));
    Some(w.pick())
}

/// Member mask of one lane among the active ones.
#[inline(always)]
unsafe fn lane_members(w: &Warp, i: &Inst, lane: usize) -> u32 {
    if i.x == NONE {
        w.mask
    } else {
        // SAFETY: x is a 32-bit slot.
        unsafe { lane32(w, i.x, lane) & w.mask }
    }
}

/// shfl: d = value, e = predicate or NONE, a value, b lane or offset, c clamp; imm 0 up, 1 down, 2 bfly, 3 idx.
struct Shuffle<const AVX2: bool>;
impl<const AVX2: bool> Op for Shuffle<AVX2> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: 32-bit slots, e a predicate slot.
        unsafe {
            if let Some(p) = gather(w, i) {
                return p;
            }
            let slot = |w: &Warp, off: u32| w.base.add(off as usize).cast::<[u32; 32]>().read();
            let (a, b, c) = (slot(w, i.a), slot(w, i.b), slot(w, i.c));
            // Lanes as signed numbers: `up` goes below zero.
            let mut from = [0u32; 32];
            let mut good = [0u32; 32];
            macro_rules! every {
                (|$lane:ident, $b:ident, $segment:ident, $max:ident| $f:expr) => {
                    for l in 0..32 {
                        let ($b, clamp, $lane) = ((b[l] & 31) as i32, c[l] as i32, l as i32);
                        let $segment = clamp >> 8 & 31;
                        let $max = $lane & $segment | clamp & 31 & !$segment;
                        let (j, ok) = $f;
                        from[l] = if ok { j } else { $lane } as u32;
                        good[l] = u32::from(ok).wrapping_neg();
                    }
                };
            }
            match i.imm {
                0 => every!(|lane, b, _segment, max| (lane - b, lane - b >= max)),
                1 => every!(|lane, b, _segment, max| (lane + b, lane + b <= max)),
                2 => every!(|lane, b, _segment, max| (lane ^ b, lane ^ b <= max)),
                _ => every!(|lane, b, segment, max| {
                    let j = lane & segment | b & !segment;
                    (j, j <= max)
                }),
            }
            let r = take_lanes::<AVX2>(&a, &from);
            if w.full() {
                w.base.add(i.d as usize).cast::<[u32; 32]>().write(r);
            } else {
                for l in Lanes(w.mask) {
                    set_lane(w, i.d, false, l, u64::from(r[l]));
                }
            }
            if i.e != NONE {
                set_pred(w, i.e, mask_of_32(&good));
            }
            next(i)
        }
    }
}

/// shfl with a constant lane or offset (bits 8 to 15 of imm) and segments of the whole warp.
struct ShuffleWhole<const AVX2: bool>;
impl<const AVX2: bool> Op for ShuffleWhole<AVX2> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: 32-bit slots, e a predicate slot.
        unsafe {
            if let Some(p) = gather(w, i) {
                return p;
            }
            let (mode, b) = ((i.imm & 3) as usize, (i.imm >> 8 & 31) as usize);
            let a = w.base.add(i.a as usize).cast::<[u32; 32]>().read();
            let from = WHOLE[mode][b].map(u32::from);
            let r = take_lanes::<AVX2>(&a, &from);
            if w.full() {
                w.base.add(i.d as usize).cast::<[u32; 32]>().write(r);
            } else {
                for l in Lanes(w.mask) {
                    set_lane(w, i.d, false, l, u64::from(r[l]));
                }
            }
            set_pred(w, i.e, whole_valid(i.imm));
            next(i)
        }
    }
}

/// The lanes that such a shuffle finds another lane for.
#[inline(always)]
pub(super) fn whole_valid(imm: u64) -> u32 {
    let b = imm >> 8 & 31;
    match imm & 3 {
        0 => !0u32 << b,
        1 => !0u32 >> b,
        _ => !0,
    }
}

/// By mode and constant: the lane that each lane reads.
pub(super) static WHOLE: [[[u8; 32]; 32]; 4] = {
    let mut table = [[[0; 32]; 32]; 4];
    let mut b = 0;
    while b < 32 {
        let mut lane = 0;
        while lane < 32 {
            table[0][b][lane] = if lane >= b { lane - b } else { lane } as u8;
            table[1][b][lane] = if lane + b < 32 { lane + b } else { lane } as u8;
            table[2][b][lane] = (lane ^ b) as u8;
            table[3][b][lane] = b as u8;
            lane += 1;
        }
        b += 1;
    }
    table
};

/// shfl in mode `imm` with constant operands b and c, if there is a form for them; and its immediate.
pub(crate) fn shuffle_whole(mode: u64, b: u64, c: u64) -> Option<(OpFn, u64)> {
    // Segments of 32 lanes, and the clamp that compilers write.
    let usual = if mode == 0 { 0 } else { 31 };
    let op = if has_avx2() { pick::<ShuffleWhole<true>>() } else { pick::<ShuffleWhole<false>>() };
    (mode < 4 && c & 0x1f1f == usual).then(|| (op.shaped(Some(Shape::Shuffle)), mode | (b & 31) << 8))
}

/// a[from[l] % 32] for each lane l.
#[inline(always)]
fn take_lanes<const AVX2: bool>(a: &[u32; 32], from: &[u32; 32]) -> [u32; 32] {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        // SAFETY: this form is only selected on processors with AVX2.
        return unsafe { take_lanes_avx2(a, from) };
    }
    std::array::from_fn(|l| a[from[l] as usize & 31])
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn take_lanes_avx2(a: &[u32; 32], from: &[u32; 32]) -> [u32; 32] {
    use std::arch::x86_64::*;
    let mut r = [0u32; 32];
    // SAFETY: reads and writes of 32 bytes inside the arrays.
    unsafe {
        let part = |k: usize| _mm256_loadu_si256(a.as_ptr().cast::<__m256i>().add(k));
        let parts = [part(0), part(1), part(2), part(3)];
        for k in 0..4 {
            let at = _mm256_loadu_si256(from.as_ptr().cast::<__m256i>().add(k));
            let pick = |n: usize| _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(parts[n], at));
            // Bits 3 and 4 of the lane say which part, as signs for the blends.
            let odd = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(at));
            let high = _mm256_castsi256_ps(_mm256_slli_epi32::<27>(at));
            let low = _mm256_blendv_ps(pick(0), pick(1), odd);
            let up = _mm256_blendv_ps(pick(2), pick(3), odd);
            let v = _mm256_castps_si256(_mm256_blendv_ps(low, up, high));
            _mm256_storeu_si256(r.as_mut_ptr().cast::<__m256i>().add(k), v);
        }
    }
    r
}

/// vote: a predicate (e 1: negated); imm 0 all, 1 any, 2 uni, 3 ballot.
struct Vote;
impl Op for Vote {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a is a predicate slot, d of the class the kind implies.
        unsafe {
            if let Some(p) = gather(w, i) {
                return p;
            }
            let p = pred(w, i.a) ^ i.e.wrapping_neg();
            let mut bits = 0;
            for lane in Lanes(w.mask) {
                let m = lane_members(w, i, lane);
                let yes = match i.imm {
                    0 => p & m == m,
                    1 => p & m != 0,
                    2 => p & m == m || p & m == 0,
                    _ => {
                        set_lane(w, i.d, false, lane, u64::from(p & m));
                        false
                    }
                };
                bits |= u32::from(yes) << lane;
            }
            if i.imm != 3 {
                set_pred(w, i.d, bits);
            }
            next(i)
        }
    }
}

/// match: a value (64-bit by flag), imm 0 any, 1 all; e predicate of all or NONE.
struct Match;
impl Op for Match {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a of the class the flags state.
        unsafe {
            if let Some(p) = gather(w, i) {
                return p;
            }
            let value = |w: &Warp, l: usize| {
                if i.flags & flag::A64 != 0 { lane64(w, i.a, l) } else { u64::from(lane32(w, i.a, l)) }
            };
            let values: [u64; 32] = std::array::from_fn(|l| value(w, l));
            let mut all = 0;
            for lane in Lanes(w.mask) {
                let m = lane_members(w, i, lane);
                let same = Lanes(m).fold(0u32, |s, l| s | u32::from(values[l] == values[lane]) << l);
                let r = if i.imm == 0 {
                    same
                } else if same == m {
                    all |= 1 << lane;
                    m
                } else {
                    0
                };
                if i.d != NONE {
                    set_lane(w, i.d, false, lane, u64::from(r));
                }
            }
            if i.imm == 1 {
                set_pred(w, i.e, all);
            }
            next(i)
        }
    }
}

/// redux: imm 0 add, 1 min.u, 2 max.u, 3 min.s, 4 max.s, 5 and, 6 or, 7 xor, 8 min.f32, 9 max.f32 (bit 4 abs,
/// bit 5 NaN wins).
struct Redux;
impl Op for Redux {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: 32-bit slots.
        unsafe {
            if let Some(p) = gather(w, i) {
                return p;
            }
            let v: [u32; 32] = std::array::from_fn(|l| lane32(w, i.a, l));
            let mut known = (0u32, 0u32);
            for lane in Lanes(w.mask) {
                let m = lane_members(w, i, lane);
                if m != known.0 {
                    let float = |x: u32| {
                        let x = f32::from_bits(x);
                        if i.imm & 16 != 0 { x.abs() } else { x }
                    };
                    let nan = i.imm & 32 != 0;
                    let r = Lanes(m).map(|l| v[l]).reduce(|x, y| match i.imm & 15 {
                        0 => x.wrapping_add(y),
                        1 => x.min(y),
                        2 => x.max(y),
                        3 => (x as i32).min(y as i32) as u32,
                        4 => (x as i32).max(y as i32) as u32,
                        5 => x & y,
                        6 => x | y,
                        7 => x ^ y,
                        k => {
                            let (a, b) = (float(x), float(y));
                            if nan && (a.is_nan() || b.is_nan()) {
                                0x7fff_ffff
                            } else if k == 8 {
                                min32(a, b).to_bits()
                            } else {
                                max32(a, b).to_bits()
                            }
                        }
                    });
                    let r = r.unwrap_or(0);
                    known = (m, if i.imm & 16 != 0 { float(r).to_bits() } else { r });
                }
                set_lane(w, i.d, false, lane, u64::from(known.1));
            }
            next(i)
        }
    }
}

/// elect.sync: d leader lane or NONE, e predicate.
struct Elect;
impl Op for Elect {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: d a 32-bit slot or NONE, e a predicate slot.
        unsafe {
            if let Some(p) = gather(w, i) {
                return p;
            }
            let leader = (members(w, i) & w.mask).trailing_zeros() & 31;
            if i.d != NONE {
                for l in Lanes(w.mask) {
                    set_lane(w, i.d, false, l, u64::from(leader));
                }
            }
            set_pred(w, i.e, 1 << leader);
            next(i)
        }
    }
}

/// activemask
struct ActiveMask;
impl Op for ActiveMask {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: d is a 32-bit slot.
        unsafe {
            for l in Lanes(w.mask) {
                set_lane(w, i.d, false, l, u64::from(w.mask));
            }
            next(i)
        }
    }
}

/// Warp operations by opcode.
pub(crate) fn op(name: &str) -> Option<OpFn> {
    Some(match name {
        "shfl" => if has_avx2() { pick::<Shuffle<true>>() } else { pick::<Shuffle<false>>() },
        "vote" => pick::<Vote>(),
        "match" => pick::<Match>(),
        "redux" => pick::<Redux>(),
        "elect" => pick::<Elect>(),
        "activemask" => pick::<ActiveMask>(),
        _ => return None,
    })
}
