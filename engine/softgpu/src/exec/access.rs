//! Loads and stores of one element per lane, and of two or four words: the common forms, served for the warp together.
//!
//! Compilers make lanes read one place, consecutive places, or (with blocks sixteen threads wide) one of both in each
//! half of the warp. Both halves are tested for that at once, then two copies or two reads serve 32 lanes. Anything
//! else is read lane by lane after one bounds test for all.

use std::marker::PhantomData;

use super::code::{Inst, NONE, OpFn, flag};
use super::lane::{CHUNK, Elem, Lanes, Op, has_avx2, lane64, load, next, pick, pred, store};
use super::mem::{Access, Window, address, range_slot, resolve, space, window};
use super::warp::Warp;

/// Half a warp, for which addresses are looked at together.
const HALF: usize = 16;

/// A value as it lies in memory, and the register value it becomes.
pub(super) trait Mem: Copy + Default + 'static {
    type D: Elem;
    const SIZE: u64 = size_of::<Self>() as u64;
    fn widen(self) -> Self::D;
    fn narrow(d: Self::D) -> Self;
}
macro_rules! mem {
    ($m:ty, $d:ty) => {
        impl Mem for $m {
            type D = $d;
            #[inline(always)]
            fn widen(self) -> $d {
                self as $d
            }
            #[inline(always)]
            fn narrow(d: $d) -> $m {
                d as $m
            }
        }
    };
}
mem!(u8, u32);
mem!(u16, u32);
mem!(u32, u32);
mem!(u64, u64);

/// Register type of an address or index.
pub(super) trait Raw: Elem {
    fn from_u64(v: u64) -> Self;
    fn plus(self, b: Self) -> Self;
}
macro_rules! raw {
    ($t:ty) => {
        impl Raw for $t {
            #[inline(always)]
            fn from_u64(v: u64) -> Self {
                v as $t
            }
            #[inline(always)]
            fn plus(self, b: Self) -> Self {
                self.wrapping_add(b)
            }
        }
    };
}
raw!(u32);
raw!(u64);

/// How register a gives the address of a lane.
pub(super) trait Place {
    type R: Raw;
    /// Register difference of lanes that lie `size` bytes apart.
    fn step(size: u64) -> u64;
    /// What all lanes add.
    ///
    /// # Safety
    /// `i` is an access of this form.
    unsafe fn base(w: &Warp, i: &Inst) -> u64;
    /// Address that register value `r` gives.
    fn address(i: &Inst, base: u64, r: Self::R) -> u64;
    /// Whether the addresses of `r` and the fifteen values after it are consecutive.
    fn straight(r: Self::R) -> bool;
}

/// The register holds the address.
pub(super) struct Plain<R>(PhantomData<R>);
impl Place for Plain<u64> {
    type R = u64;
    #[inline(always)]
    fn step(size: u64) -> u64 {
        size
    }
    #[inline(always)]
    unsafe fn base(_w: &Warp, i: &Inst) -> u64 {
        i.imm
    }
    #[inline(always)]
    fn address(_i: &Inst, base: u64, r: u64) -> u64 {
        base.wrapping_add(r)
    }
    #[inline(always)]
    fn straight(_r: u64) -> bool {
        true
    }
}
impl Place for Plain<u32> {
    type R = u32;
    #[inline(always)]
    fn step(size: u64) -> u64 {
        size
    }
    #[inline(always)]
    unsafe fn base(_w: &Warp, i: &Inst) -> u64 {
        i.imm
    }
    #[inline(always)]
    fn address(_i: &Inst, base: u64, r: u32) -> u64 {
        u64::from((base as u32).wrapping_add(r))
    }
    /// Addresses that wrap are beyond the end of shared memory, which the bounds test says.
    #[inline(always)]
    fn straight(_r: u32) -> bool {
        true
    }
}
/// The register holds an index ([`flag::INDEXED`]).
pub(super) struct Indexed<const SIGNED: bool>;
impl<const SIGNED: bool> Place for Indexed<SIGNED> {
    type R = u32;
    #[inline(always)]
    fn step(_size: u64) -> u64 {
        1
    }
    #[inline(always)]
    unsafe fn base(w: &Warp, i: &Inst) -> u64 {
        // SAFETY: c is a 64-bit slot whose lanes are all equal and written (the prologue did).
        unsafe { lane64(w, i.c, 0) }.wrapping_add(i.imm)
    }
    #[inline(always)]
    fn address(i: &Inst, base: u64, r: u32) -> u64 {
        let index = if SIGNED { r as i32 as u64 } else { u64::from(r) };
        base.wrapping_add(index << (i.flags >> flag::INDEX_SHIFT & 15))
    }
    #[inline(always)]
    fn straight(r: u32) -> bool {
        if SIGNED { (r as i32).checked_add(HALF as i32).is_some() } else { r.checked_add(HALF as u32).is_some() }
    }
}

/// Whether lanes 0 to 15 hold p[0], p[0] + step and so on, and lanes 16 to 31 the same from p[16].
///
/// # Safety
/// `p` points to the 32 lanes of a register of the class of `R`.
#[inline(always)]
unsafe fn halves_regular<R: Raw, const AVX2: bool>(p: *const R, step: u64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        // SAFETY: this form is only selected on processors with AVX2.
        return unsafe { halves_regular_avx2(p, step) };
    }
    let mut wrong = false;
    for half in 0..2 {
        // SAFETY: caller.
        let p = unsafe { p.add(half * HALF) };
        // SAFETY: caller.
        let mut want = unsafe { p.read() };
        for l in 0..HALF {
            // SAFETY: caller.
            wrong |= differ(unsafe { p.add(l).read() }, want);
            want = want.plus(R::from_u64(step));
        }
    }
    !wrong
}

#[inline(always)]
fn differ<R: Raw>(a: R, b: R) -> bool {
    let (mut x, mut y) = ([0u8; 8], [0u8; 8]);
    // SAFETY: R is u32 or u64.
    unsafe {
        x.as_mut_ptr().cast::<R>().write_unaligned(a);
        y.as_mut_ptr().cast::<R>().write_unaligned(b);
    }
    x != y
}

/// # Safety
/// As [`halves_regular`], and the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn halves_regular_avx2<R: Raw>(p: *const R, step: u64) -> bool {
    use std::arch::x86_64::*;
    // SAFETY: reads stay inside the 32 lanes.
    unsafe {
        let q = p.cast::<__m256i>();
        let mut wrong = _mm256_setzero_si256();
        if size_of::<R>() == 4 {
            let s = step as i32;
            let iota = _mm256_setr_epi32(0, s, 2 * s, 3 * s, 4 * s, 5 * s, 6 * s, 7 * s);
            let eight = _mm256_set1_epi32(8 * s);
            for half in 0..2 {
                let first = _mm256_set1_epi32(p.cast::<i32>().add(half * HALF).read());
                let want = _mm256_add_epi32(first, iota);
                let low = _mm256_xor_si256(_mm256_loadu_si256(q.add(half * 2)), want);
                let high = _mm256_loadu_si256(q.add(half * 2 + 1));
                let high = _mm256_xor_si256(high, _mm256_add_epi32(want, eight));
                wrong = _mm256_or_si256(wrong, _mm256_or_si256(low, high));
            }
        } else {
            let s = step as i64;
            let iota = _mm256_setr_epi64x(0, s, 2 * s, 3 * s);
            let four = _mm256_set1_epi64x(4 * s);
            for half in 0..2 {
                let mut want = _mm256_add_epi64(_mm256_set1_epi64x(p.cast::<i64>().add(half * HALF).read()), iota);
                for k in 0..4 {
                    let v = _mm256_loadu_si256(q.add(half * 4 + k));
                    wrong = _mm256_or_si256(wrong, _mm256_xor_si256(v, want));
                    want = _mm256_add_epi64(want, four);
                }
            }
        }
        _mm256_testz_si256(wrong, wrong) == 1
    }
}

/// What a regular access touches: the first address of each half, and whether its lanes share one place.
pub(super) struct Halves {
    pub first: [u64; 2],
    pub equal: bool,
}

/// Patterns of [`Classify`].
const IRREGULAR: u32 = 0;
const EQUAL: u32 = 1;
pub(super) const CONSECUTIVE: u32 = 2;

/// Reads the addresses of a full warp, if they are regular.
///
/// # Safety
/// As [`Place::base`]; all lanes are active.
#[inline(always)]
pub(super) unsafe fn halves<M: Mem, P: Place, const AVX2: bool>(w: &Warp, i: &Inst) -> Option<Halves> {
    // SAFETY: caller.
    unsafe { halves_of::<P, AVX2>(w, i, M::SIZE) }
}

/// As [`halves`] for elements of `size` bytes.
///
/// # Safety
/// As [`halves`].
#[inline(always)]
pub(super) unsafe fn halves_of<P: Place, const AVX2: bool>(w: &Warp, i: &Inst, size: u64) -> Option<Halves> {
    // SAFETY: a is a slot of the class of P::R.
    unsafe {
        if i.flags & flag::PATTERN != 0 {
            // The prologue has looked.
            let p = w.base.add(i.a as usize).cast::<P::R>();
            let base = P::base(w, i);
            let first = [P::address(i, base, p.read()), P::address(i, base, p.add(HALF).read())];
            return match pred(w, i.c) {
                IRREGULAR => None,
                k => Some(Halves { first, equal: k == EQUAL }),
            };
        }
        let p = w.base.add(i.a as usize).cast::<P::R>();
        let (r0, r1, r16) = (p.read(), p.add(1).read(), p.add(HALF).read());
        let base = P::base(w, i);
        let first = [P::address(i, base, r0), P::address(i, base, r16)];
        if !differ(r0, r1) {
            return halves_regular::<P::R, AVX2>(p, 0).then_some(Halves { first, equal: true });
        }
        let step = P::step(size);
        let consecutive = !differ(r0.plus(P::R::from_u64(step)), r1) && P::straight(r0) && P::straight(r16);
        if consecutive && halves_regular::<P::R, AVX2>(p, step) {
            return Some(Halves { first, equal: false });
        }
        None
    }
}

/// How many steps ahead [`look_ahead`] fetches.
const AHEAD: u64 = 2;
/// Steps that the processor's own fetching follows.
const STEP_SMALL: u64 = 512;

/// Asks for the memory that instruction `i` will access next, `bytes` of it, if the warp goes on as it has: the loops
/// of kernels over their grid go further at once than the processor follows.
#[inline(always)]
pub(super) fn look_ahead<const KIND: u8>(w: &mut Warp, i: &Inst, first: u64, bytes: u64) {
    look_ahead_of::<KIND>(w, range_slot(i), first, bytes);
}

/// As [`look_ahead`], the last access remembered in `slot`.
#[inline(always)]
pub(super) fn look_ahead_of<const KIND: u8>(w: &mut Warp, slot: usize, first: u64, bytes: u64) {
    #[cfg(target_arch = "x86_64")]
    if KIND == space::GLOBAL {
        use std::arch::x86_64::*;
        let recent = &mut w.recent[slot];
        let step = first.wrapping_sub(*recent);
        *recent = first;
        if step.wrapping_add(STEP_SMALL) > 2 * STEP_SMALL {
            let next = first.wrapping_add(step.wrapping_mul(AHEAD));
            let mut line = 0;
            while line < bytes {
                // SAFETY: only advice; it may name any address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(next.wrapping_add(line) as usize)) };
                line += 64;
            }
        }
    }
}

/// d = how the addresses in register a lie, for elements of the size of `M`; in the prologue.
struct Classify<M, P, const AVX2: bool>(PhantomData<(M, P)>);

impl<M: Mem, P: Place, const AVX2: bool> Op for Classify<M, P, AVX2> {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: a is a slot of the class of P::R, d a predicate slot; in the prologue all lanes are active.
        unsafe {
            let pattern = match halves::<M, P, AVX2>(w, i) {
                None => IRREGULAR,
                Some(h) if h.equal => EQUAL,
                Some(_) => CONSECUTIVE,
            };
            w.base.add(i.d as usize).cast::<u32>().write(pattern);
            next(i)
        }
    }
}

/// Finds out in the prologue how the addresses of accesses of `size` bytes through a register lie.
pub(crate) fn classify(size: u32, wide_address: bool) -> Option<OpFn> {
    macro_rules! form {
        ($m:ty) => {
            match (wide_address, has_avx2()) {
                (false, false) => pick::<Classify<$m, Plain<u32>, false>>(),
                (false, true) => pick::<Classify<$m, Plain<u32>, true>>(),
                (true, false) => pick::<Classify<$m, Plain<u64>, false>>(),
                (true, true) => pick::<Classify<$m, Plain<u64>, true>>(),
            }
        };
    }
    Some(match size {
        1 => form!(u8),
        2 => form!(u16),
        4 => form!(u32),
        8 => form!(u64),
        _ => return None,
    })
}

/// The addresses of all lanes, active or not.
///
/// # Safety
/// As [`Place::base`].
#[inline(always)]
pub(super) unsafe fn addresses<P: Place>(w: &Warp, i: &Inst) -> [u64; 32] {
    let mut all = [0; 32];
    // SAFETY: a is a slot of the class of P::R.
    unsafe {
        let base = P::base(w, i);
        for c in 0..32 / CHUNK {
            let r = load::<P::R>(w, i.a, c);
            for l in 0..CHUNK {
                all[c * CHUNK + l] = P::address(i, base, r[l]);
            }
        }
    }
    all
}

/// Whether `bytes` at each address lie in the window, at multiples of `bytes`.
#[inline(always)]
pub(super) fn all_inside(all: &[u64; 32], win: &Window, bytes: u64) -> bool {
    if win.len < bytes {
        return false;
    }
    let limit = win.len - bytes;
    // Differences are compared as signed numbers (there is no unsigned comparison in AVX2): windows are shorter than
    // 2^63, and what lies before a window or far behind it is negative.
    let mut bad = 0u64;
    for a in all {
        let off = a.wrapping_sub(win.first);
        bad |= off | limit.wrapping_sub(off);
    }
    bad >> 63 == 0 && all.iter().fold(0, |m, a| m | *a) & (bytes - 1) == 0
}

/// d = [place], one element per lane. EXACT: consecutive registers mean consecutive elements.
pub(super) struct Load<M, P, const KIND: u8, const EXACT: bool, const AVX2: bool>(PhantomData<(M, P)>);

impl<M: Mem, P: Place, const KIND: u8, const EXACT: bool, const AVX2: bool> Op for Load<M, P, KIND, EXACT, AVX2> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: operand slots of the classes of P and M::D; host ranges are checked before use.
        unsafe {
            if w.mask == !0
                && let Some(h) = halves::<M, P, AVX2>(w, i)
                && (EXACT || h.equal)
                && let Some(win) = window::<KIND>(w, i, h.first[0], false)
            {
                let bytes = if h.equal { M::SIZE } else { HALF as u64 * M::SIZE };
                if let (Some(low), Some(high)) =
                    (win.at(h.first[0], bytes, M::SIZE), win.at(h.first[1], bytes, M::SIZE))
                {
                    let d = i.d;
                    look_ahead::<KIND>(w, i, h.first[0], 2 * bytes);
                    if h.equal {
                        let v = [low.cast::<M>().read().widen(), high.cast::<M>().read().widen()];
                        for c in 0..4 {
                            store(w, d, c, [v[c / 2]; CHUNK]);
                        }
                    } else {
                        for c in 0..4 {
                            let p = if c < 2 { low } else { high };
                            let m = p.cast::<[M; CHUNK]>().add(c % 2).read_unaligned();
                            store(w, d, c, m.map(M::widen));
                        }
                    }
                    return next(i);
                }
            }
            load_irregular::<M, P, KIND>(w, i)
        }
    }
}

#[inline(never)]
unsafe fn load_irregular<M: Mem, P: Place, const KIND: u8>(w: &mut Warp, i: &Inst) -> *const Inst {
    // SAFETY: as Load.
    unsafe {
        let lead = address(w, i, w.leader());
        let win = window::<KIND>(w, i, lead, false);
        if w.mask == !0
            && let Some(win) = win
        {
            let all = addresses::<P>(w, i);
            if all_inside(&all, &win, M::SIZE) {
                let mut r = [M::default(); 32];
                for l in 0..32 {
                    r[l] = win.host.add(all[l].wrapping_sub(win.first) as usize).cast::<M>().read();
                }
                for c in 0..32 / CHUNK {
                    let mut v = [M::D::default(); CHUNK];
                    for l in 0..CHUNK {
                        v[l] = r[c * CHUNK + l].widen();
                    }
                    store(w, i.d, c, v);
                }
                return next(i);
            }
        }
        let base = P::base(w, i);
        for lane in Lanes(w.mask) {
            let r = P::R::get(w.base.add(i.a as usize).cast::<<P::R as Elem>::S>().add(lane).read());
            let addr = P::address(i, base, r);
            let p = match win.and_then(|win| win.at(addr, M::SIZE, M::SIZE)) {
                Some(p) => p,
                None => resolve(w, i, KIND, lane, addr, M::SIZE as u32, false),
            };
            if p.is_null() {
                return std::ptr::null();
            }
            let v = p.cast::<M>().read().widen();
            w.base.add(i.d as usize).cast::<<M::D as Elem>::S>().add(lane).write(v.put());
        }
        next(i)
    }
}

/// [place] = b, one element per lane.
pub(super) struct Store<M, P, const KIND: u8, const EXACT: bool, const AVX2: bool>(PhantomData<(M, P)>);

impl<M: Mem, P: Place, const KIND: u8, const EXACT: bool, const AVX2: bool> Op for Store<M, P, KIND, EXACT, AVX2> {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: as Load.
        unsafe {
            if EXACT
                && w.mask == !0
                && let Some(h) = halves::<M, P, AVX2>(w, i)
                && !h.equal
                && let Some(win) = window::<KIND>(w, i, h.first[0], true)
            {
                let bytes = HALF as u64 * M::SIZE;
                if let (Some(low), Some(high)) =
                    (win.at(h.first[0], bytes, M::SIZE), win.at(h.first[1], bytes, M::SIZE))
                {
                    // Where the halves overlap the higher lanes win, as lane by lane.
                    for c in 0..4 {
                        let v = load::<M::D>(w, i.b, c);
                        let p = if c < 2 { low } else { high };
                        p.cast::<[M; CHUNK]>().add(c % 2).write_unaligned(v.map(M::narrow));
                    }
                    return next(i);
                }
            }
            store_irregular::<M, P, KIND>(w, i)
        }
    }
}

#[inline(never)]
unsafe fn store_irregular<M: Mem, P: Place, const KIND: u8>(w: &mut Warp, i: &Inst) -> *const Inst {
    // SAFETY: as Load.
    unsafe {
        let lead = address(w, i, w.leader());
        let win = window::<KIND>(w, i, lead, true);
        let values = w.base.add(i.b as usize).cast::<<M::D as Elem>::S>();
        if w.mask == !0
            && let Some(win) = win
        {
            let all = addresses::<P>(w, i);
            if all_inside(&all, &win, M::SIZE) {
                for l in 0..32 {
                    let p = win.host.add(all[l].wrapping_sub(win.first) as usize);
                    p.cast::<M>().write(M::narrow(M::D::get(values.add(l).read())));
                }
                return next(i);
            }
        }
        let base = P::base(w, i);
        for lane in Lanes(w.mask) {
            let r = P::R::get(w.base.add(i.a as usize).cast::<<P::R as Elem>::S>().add(lane).read());
            let addr = P::address(i, base, r);
            let p = match win.and_then(|win| win.at(addr, M::SIZE, M::SIZE)) {
                Some(p) => p,
                None => resolve(w, i, KIND, lane, addr, M::SIZE as u32, true),
            };
            if p.is_null() {
                return std::ptr::null();
            }
            p.cast::<M>().write(M::narrow(M::D::get(values.add(lane).read())));
        }
        next(i)
    }
}

/// Rows to columns.
#[inline(always)]
fn transpose(rows: [[u32; 4]; 4]) -> [[u32; 4]; 4] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: SSE2 is part of x86-64; arrays and vectors have the same size and no invalid values.
        unsafe {
            let [a, b, c, d]: [__m128i; 4] = std::mem::transmute(rows);
            let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
            std::mem::transmute([
                _mm_unpacklo_epi64(ab, cd),
                _mm_unpackhi_epi64(ab, cd),
                _mm_unpacklo_epi64(ab_high, cd_high),
                _mm_unpackhi_epi64(ab_high, cd_high),
            ])
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::array::from_fn(|n| std::array::from_fn(|l| rows[l][n]))
}

/// Host addresses of `bytes` for each of 32 active lanes that lie in one window; None if they do not.
///
/// # Safety
/// `i` is an access of space `kind`.
#[inline(always)]
unsafe fn places(w: &mut Warp, i: &Inst, kind: u8, bytes: u64, write: bool) -> Option<([u64; 32], Window)> {
    // SAFETY: caller.
    unsafe {
        let all: [u64; 32] = if i.flags & flag::INDEXED != 0 {
            if i.flags & flag::INDEX_SIGNED != 0 {
                addresses::<Indexed<true>>(w, i)
            } else {
                addresses::<Indexed<false>>(w, i)
            }
        } else if i.a == NONE {
            return None;
        } else if i.flags & flag::A64 != 0 {
            addresses::<Plain<u64>>(w, i)
        } else {
            addresses::<Plain<u32>>(w, i)
        };
        let win = match kind {
            space::SHARED => window::<{ space::SHARED }>(w, i, all[0], write),
            space::GLOBAL => window::<{ space::GLOBAL }>(w, i, all[0], write),
            space::GENERIC => window::<{ space::GENERIC }>(w, i, all[0], write),
            _ => None,
        }?;
        all_inside(&all, &win, bytes).then_some((all, win))
    }
}

/// The first host addresses of both halves, for `bytes` in each of 32 active lanes that lie regularly, and whether the
/// lanes of a half share one place.
///
/// # Safety
/// `i` is an access of space `kind`.
#[inline(always)]
unsafe fn regular_places<const AVX2: bool>(w: &mut Warp, i: &Inst, kind: u8, bytes: u64) -> Option<([*mut u8; 2], bool)> {
    // SAFETY: caller.
    unsafe {
        let h = if i.flags & flag::INDEXED != 0 {
            let h = if i.flags & flag::INDEX_SIGNED != 0 {
                halves_of::<Indexed<true>, AVX2>(w, i, bytes)
            } else {
                halves_of::<Indexed<false>, AVX2>(w, i, bytes)
            }?;
            if !h.equal && 1 << (i.flags >> flag::INDEX_SHIFT & 15) != bytes {
                return None;
            }
            h
        } else if i.a == NONE {
            return None;
        } else if i.flags & flag::A64 != 0 {
            halves_of::<Plain<u64>, AVX2>(w, i, bytes)?
        } else {
            halves_of::<Plain<u32>, AVX2>(w, i, bytes)?
        };
        let win = match kind {
            space::SHARED => window::<{ space::SHARED }>(w, i, h.first[0], false),
            space::GLOBAL => window::<{ space::GLOBAL }>(w, i, h.first[0], false),
            space::GENERIC => window::<{ space::GENERIC }>(w, i, h.first[0], false),
            _ => None,
        }?;
        let len = if h.equal { bytes } else { HALF as u64 * bytes };
        Some(([win.at(h.first[0], len, bytes)?, win.at(h.first[1], len, bytes)?], h.equal))
    }
}

/// Loads two or four words for each of 32 active lanes; false if it could not (nothing is written then).
///
/// # Safety
/// `i` is the current instruction, described by `k`; `regs` holds its registers, 32-bit slots.
#[inline(always)]
pub(super) unsafe fn load_words<const AVX2: bool>(w: &mut Warp, i: &Inst, k: Access, regs: *const u32) -> bool {
    // SAFETY: caller; addresses are checked.
    unsafe {
        let bytes = u64::from(k.count) * 4;
        let count = k.count as usize;
        let regular = regular_places::<AVX2>(w, i, k.space, bytes);
        if let Some(([low, high], true)) = regular {
            let (low, high) = (low.cast::<u32>(), high.cast::<u32>());
            for n in 0..count {
                let r = *regs.add(n);
                if r != NONE {
                    let v = [low.add(n).read(), high.add(n).read()];
                    for c in 0..32 / CHUNK {
                        store(w, r, c, [v[c / 2]; CHUNK]);
                    }
                }
            }
            return true;
        }
        // Registers not wanted are read into a place that nobody reads.
        let mut sink = [0u32; 32];
        let to: [*mut u32; 4] = std::array::from_fn(|n| match if n < count { *regs.add(n) } else { NONE } {
            NONE => sink.as_mut_ptr(),
            r => w.base.add(r as usize).cast::<u32>(),
        });
        if let Some((first, _)) = regular {
            if k.space == space::GLOBAL {
                look_ahead::<{ space::GLOBAL }>(w, i, first[0] as u64, 32 * bytes);
            }
            for half in 0..2 {
                let to = to.map(|p| if p == sink.as_mut_ptr() { p } else { p.add(half * HALF) });
                words_of_half(count, to, |l| first[half].add(l * bytes as usize));
            }
            return true;
        }
        let Some((all, win)) = places(w, i, k.space, bytes, false) else { return false };
        for half in 0..2 {
            let to = to.map(|p| if p == sink.as_mut_ptr() { p } else { p.add(half * HALF) });
            words_of_half(count, to, |l| win.host.add(all[half * HALF + l].wrapping_sub(win.first) as usize));
        }
        true
    }
}

/// Copies two or four words from each of sixteen places to the lanes of two or four registers.
///
/// # Safety
/// The words are readable, sixteen lanes writable.
#[inline(always)]
pub(super) unsafe fn words_of_half(count: usize, to: [*mut u32; 4], from: impl Fn(usize) -> *mut u8) {
    // SAFETY: caller.
    unsafe {
        if count == 4 {
            for g in (0..HALF).step_by(4) {
                let row = |l: usize| from(g + l).cast::<[u32; 4]>().read_unaligned();
                let rows = transpose([row(0), row(1), row(2), row(3)]);
                for n in 0..4 {
                    to[n].add(g).cast::<[u32; 4]>().write_unaligned(rows[n]);
                }
            }
        } else {
            for l in 0..HALF {
                let q = from(l).cast::<[u32; 2]>().read_unaligned();
                to[0].add(l).write(q[0]);
                to[1].add(l).write(q[1]);
            }
        }
    }
}

/// Stores two or four words for each of 32 active lanes; false if it could not (nothing is written then).
///
/// # Safety
/// As [`load_words`]; every register exists.
#[inline(always)]
pub(super) unsafe fn store_words(w: &mut Warp, i: &Inst, k: Access, regs: *const u32) -> bool {
    // SAFETY: caller; addresses are checked.
    unsafe {
        let bytes = u64::from(k.count) * 4;
        let Some((all, win)) = places(w, i, k.space, bytes, true) else { return false };
        let host = |l: usize| win.host.add(all[l].wrapping_sub(win.first) as usize).cast::<u32>();
        let slot = |n: usize| w.base.add(*regs.add(n) as usize).cast::<u32>().cast_const();
        if k.count == 4 {
            let from = [slot(0), slot(1), slot(2), slot(3)];
            for g in (0..32).step_by(4) {
                let rows = transpose(std::array::from_fn(|n| from[n].add(g).cast::<[u32; 4]>().read()));
                for l in 0..4 {
                    host(g + l).cast::<[u32; 4]>().write_unaligned(rows[l]);
                }
            }
        } else {
            let from = [slot(0), slot(1)];
            for l in 0..32 {
                host(l).cast::<[u32; 2]>().write_unaligned([from[0].add(l).read(), from[1].add(l).read()]);
            }
        }
        true
    }
}

/// The fast form of a one-element load or store through an address register, if there is one.
pub(crate) fn fast(store: bool, size: u32, wide_value: bool, wide_address: bool, kind: u8) -> Option<OpFn> {
    macro_rules! form {
        ($op:ident, $m:ty, $a:ty, $space:block) => {
            if has_avx2() {
                pick::<$op<$m, Plain<$a>, $space, true, true>>()
            } else {
                pick::<$op<$m, Plain<$a>, $space, true, false>>()
            }
        };
    }
    macro_rules! by_space {
        ($op:ident, $m:ty) => {
            match (kind, wide_address) {
                (space::GLOBAL, true) => form!($op, $m, u64, { space::GLOBAL }),
                (space::GENERIC, true) => form!($op, $m, u64, { space::GENERIC }),
                (space::SHARED, true) => form!($op, $m, u64, { space::SHARED }),
                (space::SHARED, false) => form!($op, $m, u32, { space::SHARED }),
                (space::LOCAL, true) => form!($op, $m, u64, { space::LOCAL }),
                (space::LOCAL, false) => form!($op, $m, u32, { space::LOCAL }),
                _ => return None,
            }
        };
    }
    Some(match (store, size, wide_value) {
        (false, 1, false) => by_space!(Load, u8),
        (false, 2, false) => by_space!(Load, u16),
        (false, 4, false) => by_space!(Load, u32),
        (false, 8, true) => by_space!(Load, u64),
        (true, 1, false) => by_space!(Store, u8),
        (true, 2, false) => by_space!(Store, u16),
        (true, 4, false) => by_space!(Store, u32),
        (true, 8, true) => by_space!(Store, u64),
        _ => return None,
    })
}

/// The same through base and index ([`flag::INDEXED`]); `exact`: the index counts elements of `size`.
pub(crate) fn indexed(store: bool, size: u32, wide: bool, signed: bool, exact: bool, kind: u8) -> Option<OpFn> {
    macro_rules! form {
        ($op:ident, $m:ty, $space:block, $signed:literal, $exact:literal) => {
            if has_avx2() {
                pick::<$op<$m, Indexed<$signed>, $space, $exact, true>>()
            } else {
                pick::<$op<$m, Indexed<$signed>, $space, $exact, false>>()
            }
        };
    }
    macro_rules! by_form {
        ($op:ident, $m:ty, $space:block) => {
            match (signed, exact) {
                (false, false) => form!($op, $m, $space, false, false),
                (false, true) => form!($op, $m, $space, false, true),
                (true, false) => form!($op, $m, $space, true, false),
                (true, true) => form!($op, $m, $space, true, true),
            }
        };
    }
    macro_rules! by_space {
        ($op:ident, $m:ty) => {
            match kind {
                space::GLOBAL => by_form!($op, $m, { space::GLOBAL }),
                space::GENERIC => by_form!($op, $m, { space::GENERIC }),
                _ => return None,
            }
        };
    }
    Some(match (store, size, wide) {
        (false, 1, false) => by_space!(Load, u8),
        (false, 2, false) => by_space!(Load, u16),
        (false, 4, false) => by_space!(Load, u32),
        (false, 8, true) => by_space!(Load, u64),
        (true, 1, false) => by_space!(Store, u8),
        (true, 2, false) => by_space!(Store, u16),
        (true, 4, false) => by_space!(Store, u32),
        (true, 8, true) => by_space!(Store, u64),
        _ => return None,
    })
}
