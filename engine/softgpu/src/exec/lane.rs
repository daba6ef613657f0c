//! Lane types, register access and the generic shapes of operations: one function over 32 lanes each, compiled twice
//! (baseline and AVX2 with FMA) and chosen at run time.

use std::marker::PhantomData;

use half::{bf16, f16};

use super::code::{Inst, NONE, OpFn, flag};
use super::warp::Warp;

/// Lanes processed together inside an operation.
pub(super) const CHUNK: usize = 8;

/// Storage of a register slot lane.
pub(super) trait Slot: Copy + Default + 'static {
    /// `new` where `mask` is all ones, `old` where it is zero.
    fn blend(new: Self, old: Self, mask: u32) -> Self;
}
impl Slot for u32 {
    #[inline(always)]
    fn blend(new: u32, old: u32, mask: u32) -> u32 {
        new & mask | old & !mask
    }
}
impl Slot for u64 {
    #[inline(always)]
    fn blend(new: u64, old: u64, mask: u32) -> u64 {
        let mask = mask as i32 as u64;
        new & mask | old & !mask
    }
}

/// By eight bits of a mask: all ones for each lane whose bit is set. A table, because what the compiler makes of a
/// comparison here is the processor's masked store, which takes many times as long as reading, blending and writing.
pub(super) static LANE_MASKS: [[u32; CHUNK]; 256] = {
    let mut table = [[0; CHUNK]; 256];
    let mut m = 0;
    while m < 256 {
        let mut l = 0;
        while l < CHUNK {
            table[m][l] = if m >> l & 1 != 0 { !0 } else { 0 };
            l += 1;
        }
        m += 1;
    }
    table
};

/// A lane value and how it lies in its slot. Values of fewer than 32 bits are stored zero-extended.
pub(super) trait Elem: Copy + Default + 'static {
    type S: Slot;
    fn get(s: Self::S) -> Self;
    fn put(self) -> Self::S;
}

macro_rules! elem {
    ($t:ty, $s:ty, |$g:ident| $get:expr, |$p:ident| $put:expr) => {
        impl Elem for $t {
            type S = $s;
            #[inline(always)]
            fn get($g: $s) -> Self {
                $get
            }
            #[inline(always)]
            fn put(self) -> $s {
                let $p = self;
                $put
            }
        }
    };
}
elem!(u8, u32, |s| s as u8, |v| v as u32);
elem!(i8, u32, |s| s as i8, |v| v as u8 as u32);
elem!(u16, u32, |s| s as u16, |v| v as u32);
elem!(i16, u32, |s| s as i16, |v| v as u16 as u32);
elem!(u32, u32, |s| s, |v| v);
elem!(i32, u32, |s| s as i32, |v| v as u32);
elem!(f32, u32, |s| f32::from_bits(s), |v| v.to_bits());
elem!(u64, u64, |s| s, |v| v);
elem!(i64, u64, |s| s as i64, |v| v as u64);
elem!(f64, u64, |s| f64::from_bits(s), |v| v.to_bits());
elem!(f16, u32, |s| f16::from_bits(s as u16), |v| v.to_bits() as u32);
elem!(bf16, u32, |s| bf16::from_bits(s as u16), |v| v.to_bits() as u32);

/// Reads `CHUNK` lanes of the register at `off`.
///
/// # Safety
/// `off` is a slot of the class of `T` in the current frame; `c < 4`.
#[inline(always)]
pub(super) unsafe fn load<T: Elem>(w: &Warp, off: u32, c: usize) -> [T; CHUNK] {
    // SAFETY: the slot holds 32 lanes of T::S (caller).
    let raw = unsafe { w.base.add(off as usize).cast::<[T::S; CHUNK]>().add(c).read() };
    let mut v = [T::default(); CHUNK];
    for l in 0..CHUNK {
        v[l] = T::get(raw[l]);
    }
    v
}

/// Writes `CHUNK` lanes.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub(super) unsafe fn store<T: Elem>(w: &Warp, off: u32, c: usize, v: [T; CHUNK]) {
    let mut raw = [T::S::default(); CHUNK];
    for l in 0..CHUNK {
        raw[l] = v[l].put();
    }
    // SAFETY: as load.
    unsafe { w.base.add(off as usize).cast::<[T::S; CHUNK]>().add(c).write(raw) }
}

/// Writes those of `CHUNK` lanes whose bit in `m` is set.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub(super) unsafe fn store_masked<T: Elem>(w: &Warp, off: u32, c: usize, v: [T; CHUNK], m: u32) {
    // SAFETY: as load.
    let p = unsafe { w.base.add(off as usize).cast::<[T::S; CHUNK]>().add(c) };
    // SAFETY: as load.
    let mut raw = unsafe { p.read() };
    let mask = &LANE_MASKS[m as usize & 255];
    for l in 0..CHUNK {
        raw[l] = T::S::blend(v[l].put(), raw[l], mask[l]);
    }
    // SAFETY: as load.
    unsafe { p.write(raw) }
}

/// Runs `f` for the four chunks and writes the results of the active lanes.
///
/// # Safety
/// `d` is a slot of the class of `T`.
#[inline(always)]
pub(super) unsafe fn for_chunks<T: Elem>(w: &mut Warp, d: u32, mut f: impl FnMut(&Warp, usize) -> [T; CHUNK]) {
    if w.full() {
        for c in 0..32 / CHUNK {
            let r = f(w, c);
            // SAFETY: caller.
            unsafe { store(w, d, c, r) };
        }
    } else {
        for c in 0..32 / CHUNK {
            let m = w.mask >> (c * CHUNK) & 255;
            if m != 0 {
                let r = f(w, c);
                // SAFETY: caller.
                unsafe { store_masked(w, d, c, r, m) };
            }
        }
    }
}

/// Reads a predicate register: bit per lane.
///
/// # Safety
/// `off` is a predicate slot of the current frame.
#[inline(always)]
pub(super) unsafe fn pred(w: &Warp, off: u32) -> u32 {
    // SAFETY: caller.
    unsafe { w.base.add(off as usize).cast::<u32>().read() }
}

/// Writes the active lanes of a predicate register.
///
/// # Safety
/// As [`pred`]; `NONE` is allowed and ignored.
#[inline(always)]
pub(super) unsafe fn set_pred(w: &Warp, off: u32, bits: u32) {
    if off != NONE {
        // SAFETY: caller.
        unsafe {
            let p = w.base.add(off as usize).cast::<u32>();
            p.write(p.read() & !w.mask | bits & w.mask);
        }
    }
}

/// One lane of a 32-bit register.
///
/// # Safety
/// `off` is a 32-bit slot, `lane < 32`.
#[inline(always)]
pub(super) unsafe fn lane32(w: &Warp, off: u32, lane: usize) -> u32 {
    // SAFETY: caller.
    unsafe { w.base.add(off as usize).cast::<u32>().add(lane).read() }
}

/// One lane of a 64-bit register.
///
/// # Safety
/// `off` is a 64-bit slot, `lane < 32`.
#[inline(always)]
pub(super) unsafe fn lane64(w: &Warp, off: u32, lane: usize) -> u64 {
    // SAFETY: caller.
    unsafe { w.base.add(off as usize).cast::<u64>().add(lane).read() }
}

/// Writes one lane.
///
/// # Safety
/// `off` is a slot of the stated class, `lane < 32`.
#[inline(always)]
pub(super) unsafe fn set_lane(w: &Warp, off: u32, wide: bool, lane: usize, v: u64) {
    // SAFETY: caller.
    unsafe {
        if wide {
            w.base.add(off as usize).cast::<u64>().add(lane).write(v);
        } else {
            w.base.add(off as usize).cast::<u32>().add(lane).write(v as u32);
        }
    }
}

/// Set bits of a mask, ascending.
pub(super) struct Lanes(pub u32);

impl Iterator for Lanes {
    type Item = usize;
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let l = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(l)
    }
}

/// Bit per lane of sixteen all-ones or zero words.
#[inline(always)]
fn mask_of_16(r: &[i32; 16]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: SSE2 is part of x86-64; the array holds four 16-byte vectors.
        unsafe {
            let p = r.as_ptr().cast::<__m128i>();
            let a = _mm_packs_epi32(_mm_loadu_si128(p), _mm_loadu_si128(p.add(1)));
            let b = _mm_packs_epi32(_mm_loadu_si128(p.add(2)), _mm_loadu_si128(p.add(3)));
            _mm_movemask_epi8(_mm_packs_epi16(a, b)) as u32
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        r.iter().enumerate().fold(0, |m, (l, v)| m | ((*v as u32 & 1) << l))
    }
}

/// Bit per lane of 32 all-ones or zero words.
#[inline(always)]
pub(super) fn mask_of_32(r: &[u32; 32]) -> u32 {
    let half = |k: usize| -> [i32; 16] { std::array::from_fn(|l| r[k * 16 + l] as i32) };
    mask_of_16(&half(0)) | mask_of_16(&half(1)) << 16
}

/// An operation on a warp.
pub(super) trait Op {
    /// Goes straight to the next instruction instead of through the loop of [`Warp::run`].
    const CHAINS: bool = false;
    /// # Safety
    /// As [`RunFn`](super::code::RunFn).
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst;
}

/// # Safety
/// As [`RunFn`](super::code::RunFn).
unsafe extern "C-unwind" fn entry_base<O: Op>(w: &mut Warp, i: *const Inst) -> *const Inst {
    // SAFETY: caller.
    unsafe {
        let n = O::run(w, &*i);
        if O::CHAINS && n as usize & w.chain != 0 {
            return ((*n).f)(w, n);
        }
        n
    }
}

/// # Safety
/// As [`RunFn`](super::code::RunFn); the processor has the features ([`pick`] asks).
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe extern "C-unwind" fn entry_avx2<O: Op>(w: &mut Warp, i: *const Inst) -> *const Inst {
    // SAFETY: caller.
    unsafe {
        let n = O::run(w, &*i);
        if O::CHAINS && n as usize & w.chain != 0 {
            return ((*n).f)(w, n);
        }
        n
    }
}

/// Whether the AVX2+FMA forms are used on this machine.
pub(crate) fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::sync::OnceLock;
        static HAS: OnceLock<bool> = OnceLock::new();
        *HAS.get_or_init(|| {
            std::env::var_os("RINGWAY_SOFTGPU_BASELINE").is_none_or(|v| v != "1")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The best form of an operation for this machine.
pub(super) fn pick<O: Op>() -> OpFn {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        return OpFn { run: entry_avx2::<O>, shape: None };
    }
    OpFn { run: entry_base::<O>, shape: None }
}

/// The instruction after `i`.
///
/// # Safety
/// `i` is not the last instruction (code ends with a control transfer).
#[inline(always)]
pub(super) unsafe fn next(i: &Inst) -> *const Inst {
    // SAFETY: caller.
    unsafe { (i as *const Inst).add(1) }
}

/// d = f(a)
pub(super) trait F1 {
    type A: Elem;
    type D: Elem;
    fn f(a: Self::A) -> Self::D;
}
/// d = f(a, b)
pub(super) trait F2 {
    type A: Elem;
    type B: Elem;
    type D: Elem;
    fn f(a: Self::A, b: Self::B) -> Self::D;
}
/// d = f(a, b, c)
pub(super) trait F3 {
    type A: Elem;
    type B: Elem;
    type C: Elem;
    type D: Elem;
    fn f(a: Self::A, b: Self::B, c: Self::C) -> Self::D;
}
/// Comparison.
pub(super) trait Compare {
    type A: Elem;
    fn f(a: Self::A, b: Self::A) -> bool;
}

pub(super) struct Op1<F>(PhantomData<F>);
pub(super) struct Op2<F>(PhantomData<F>);
pub(super) struct Op3<F>(PhantomData<F>);
/// setp without combination: d = predicate, e = its complement or NONE.
pub(super) struct OpCompare<F>(PhantomData<F>);

/// An operation that makes each lane of d from the same lane of its operands.
///
/// A trait and not a closure: its code must become part of the caller, or it would not be compiled for AVX2.
trait Lanewise {
    type D: Elem;
    /// Chunk `c` of the result; operands as in [`Inst`].
    ///
    /// # Safety
    /// The places are slots of the classes of the operation.
    unsafe fn chunk(w: &Warp, places: [u32; 3], c: usize) -> [Self::D; CHUNK];
}

/// Runs a lanewise operation.
///
/// # Safety
/// Operand slots are of the classes of the operation (instruction selection).
#[inline(always)]
unsafe fn lanewise<L: Lanewise>(w: &mut Warp, i: &Inst) -> *const Inst {
    // Operand places are read once: the compiler cannot know that registers and code do not overlap.
    let (places, d) = ([i.a, i.b, i.c], i.d);
    // SAFETY: caller.
    unsafe {
        if w.full() {
            for c in 0..32 / CHUNK {
                let r = L::chunk(w, places, c);
                store(w, d, c, r);
            }
        } else {
            for c in 0..32 / CHUNK {
                let m = w.mask >> (c * CHUNK) & 255;
                if m != 0 {
                    let r = L::chunk(w, places, c);
                    store_masked(w, d, c, r, m);
                }
            }
        }
        next(i)
    }
}

impl<F: F1> Lanewise for Op1<F> {
    type D = F::D;
    #[inline(always)]
    unsafe fn chunk(w: &Warp, [a, ..]: [u32; 3], c: usize) -> [F::D; CHUNK] {
        // SAFETY: caller.
        let a = unsafe { load::<F::A>(w, a, c) };
        let mut r = [F::D::default(); CHUNK];
        for l in 0..CHUNK {
            r[l] = F::f(a[l]);
        }
        r
    }
}

impl<F: F2> Lanewise for Op2<F> {
    type D = F::D;
    #[inline(always)]
    unsafe fn chunk(w: &Warp, [a, b, _]: [u32; 3], c: usize) -> [F::D; CHUNK] {
        // SAFETY: caller.
        let (a, b) = unsafe { (load::<F::A>(w, a, c), load::<F::B>(w, b, c)) };
        let mut r = [F::D::default(); CHUNK];
        for l in 0..CHUNK {
            r[l] = F::f(a[l], b[l]);
        }
        r
    }
}

impl<F: F3> Lanewise for Op3<F> {
    type D = F::D;
    #[inline(always)]
    unsafe fn chunk(w: &Warp, [a, b, x]: [u32; 3], c: usize) -> [F::D; CHUNK] {
        // SAFETY: caller.
        let (a, b, x) = unsafe { (load::<F::A>(w, a, c), load::<F::B>(w, b, c), load::<F::C>(w, x, c)) };
        let mut r = [F::D::default(); CHUNK];
        for l in 0..CHUNK {
            r[l] = F::f(a[l], b[l], x[l]);
        }
        r
    }
}

impl<F: F1> Op for Op1<F> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: caller.
        unsafe { lanewise::<Self>(w, i) }
    }
}

impl<F: F2> Op for Op2<F> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: caller.
        unsafe { lanewise::<Self>(w, i) }
    }
}

impl<F: F3> Op for Op3<F> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: caller.
        unsafe { lanewise::<Self>(w, i) }
    }
}

/// Bit per lane of a comparison.
///
/// # Safety
/// `a` and `b` are slots of the class of `F::A`.
#[inline(always)]
unsafe fn compare<F: Compare>(w: &Warp, a: u32, b: u32) -> u32 {
    let mut bits = 0;
    for half in 0..2 {
        let mut r = [0i32; 16];
        for q in 0..2 {
            let c = half * 2 + q;
            // SAFETY: caller.
            let (x, y) = unsafe { (load::<F::A>(w, a, c), load::<F::A>(w, b, c)) };
            for l in 0..CHUNK {
                r[q * CHUNK + l] = -i32::from(F::f(x[l], y[l]));
            }
        }
        bits |= mask_of_16(&r) << (half * 16);
    }
    bits
}

impl<F: Compare> Op for OpCompare<F> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as Op1; d and e are predicate slots.
        unsafe {
            let bits = compare::<F>(w, i.a, i.b);
            set_pred(w, i.d, bits);
            set_pred(w, i.e, !bits);
            next(i)
        }
    }
}

/// setp with a boolean combination: imm bits 0..2 the operation (0 and, 1 or, 2 xor), bit 2: c is negated.
pub(super) struct OpCompareCombine<F>(PhantomData<F>);

impl<F: Compare> Op for OpCompareCombine<F> {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as OpCompare; c is a predicate slot.
        unsafe {
            let bits = compare::<F>(w, i.a, i.b);
            let c = pred(w, i.c) ^ if i.imm & 4 != 0 { !0 } else { 0 };
            let join = |t: u32| match i.imm & 3 {
                0 => t & c,
                1 => t | c,
                _ => t ^ c,
            };
            let (p, q) = (join(bits), join(!bits));
            set_pred(w, i.d, p);
            set_pred(w, i.e, q);
            next(i)
        }
    }
}

/// d = predicate c ? a : b over slots.
pub(super) struct Select<T>(PhantomData<T>);

impl<T: Elem> Op for Select<T> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as Op1; c is a predicate slot.
        unsafe {
            let p = pred(w, i.c);
            let (at, bt, d) = (i.a, i.b, i.d);
            for_chunks::<T>(w, d, |w, c| {
                let a = load::<T>(w, at, c);
                let b = load::<T>(w, bt, c);
                let m = p >> (c * CHUNK);
                let mut r = [T::default(); CHUNK];
                for l in 0..CHUNK {
                    r[l] = if m >> l & 1 != 0 { a[l] } else { b[l] };
                }
                r
            });
            next(i)
        }
    }
}

/// A rare operation: one call of `i.s` per active lane.
pub(super) struct Scalar;

impl Op for Scalar {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: flags state the classes of the operands (instruction selection).
        unsafe {
            let mut bits = 0u32;
            for lane in Lanes(w.mask) {
                let mut v = [0u64; 4];
                for (k, off) in [i.a, i.b, i.c, i.e].into_iter().enumerate() {
                    if off != NONE {
                        v[k] = if i.flags & flag::A64 << k != 0 {
                            lane64(w, off, lane)
                        } else if i.flags & flag::A_PRED << k != 0 {
                            u64::from(pred(w, off) >> lane & 1)
                        } else {
                            u64::from(lane32(w, off, lane))
                        };
                    }
                }
                let r = (i.s)(&v, i.imm);
                if i.flags & flag::D_PRED != 0 {
                    bits |= (r as u32 & 1) << lane;
                } else {
                    set_lane(w, i.d, i.flags & flag::D64 != 0, lane, r);
                }
            }
            if i.flags & flag::D_PRED != 0 {
                set_pred(w, i.d, bits);
            }
            next(i)
        }
    }
}

/// Runs `i.g` with the lanes whose guard holds.
pub(super) struct Guarded;

impl Op for Guarded {
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: guard is a predicate slot, g was selected for this instruction.
        unsafe {
            let p = pred(w, i.guard & 0x7fff_ffff) ^ if i.guard >> 31 != 0 { !0 } else { 0 };
            let outer = w.mask;
            let m = outer & p;
            if m == 0 {
                return next(i);
            }
            w.mask = m;
            // The instruction alone: the next one has another mask.
            let chain = std::mem::take(&mut w.chain);
            let r = (i.g)(w, i);
            w.chain = chain;
            w.mask = outer;
            r
        }
    }
}

pub(crate) fn scalar() -> OpFn {
    pick::<Scalar>()
}

pub(crate) fn guarded() -> OpFn {
    pick::<Guarded>()
}
