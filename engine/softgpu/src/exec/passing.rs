//! Results passed from one instruction to the next in the processor's registers.
//!
//! A value of 32 lanes of 32 bits is four vector registers. Forms of the common operations take operands from there
//! instead of the register file, and leave their result there; [`crate::ir`] chooses them for instructions that
//! follow each other. An operation exists in every combination of what it takes and what it does with its result, so
//! that any of them may follow any other. Inactive lanes of what is passed hold anything: registers are written under
//! the mask, as ever.
//!
//! A form that takes operands has another signature and is only called by the instruction before it ([`flag::TAKES`]).
//! Of those only shuffles can stop the warp; they write what they were passed to its register then, and
//! [`Warp::run`] continues with the plain form. Faults end the launch.
//!
//! All of this is for AVX2; other processors use the plain forms.

// C's calling convention is used because it passes vectors in registers; no foreign code is called.
#![allow(improper_ctypes_definitions)]

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::access::{Halves, Place, Plain, halves, load_irregular, look_ahead, store_irregular};
use super::code::{Give, Inst, OpFn, PassingFn, RunFn};
use super::lane::{LANE_MASKS, has_avx2, next, pred, set_pred};
use super::mem::{space, window};
use super::warp::Warp;
use super::warp_ops::{WHOLE, whole_valid};

type V = __m256i;
/// 32 lanes.
type Value = [V; 4];

/// As [`RunFn`], with what the instruction before passes.
type PassFn = unsafe extern "C-unwind" fn(&mut Warp, *const Inst, V, V, V, V) -> *const Inst;

const STORE: u8 = Give::Store as u8;
const BOTH: u8 = Give::Both as u8;
const PASS: u8 = Give::Pass as u8;

/// Operands that are taken, as in [`PassingFn`].
const A: u32 = 1;
const B: u32 = 2;
const AB: u32 = 3;
const C: u32 = 4;

fn taking(f: PassFn) -> RunFn {
    // SAFETY: function pointers have one size. Only `pass_on!` calls it, with its own signature (flag::TAKES).
    unsafe { std::mem::transmute::<PassFn, RunFn>(f) }
}

/// An operation with its passing forms, where the processor has what they need.
fn with(op: OpFn, passing: PassingFn) -> OpFn {
    OpFn { passing: has_avx2().then_some(passing), ..op }
}

/// Reads a register.
///
/// # Safety
/// `off` is a 32-bit slot; the processor has AVX2, as for everything below.
#[inline(always)]
unsafe fn get(w: &Warp, off: u32) -> Value {
    // SAFETY: 128 bytes lie there.
    unsafe {
        let p = w.base.add(off as usize).cast::<V>();
        [_mm256_loadu_si256(p), _mm256_loadu_si256(p.add(1)), _mm256_loadu_si256(p.add(2)), _mm256_loadu_si256(p.add(3))]
    }
}

/// Writes the active lanes of a register.
///
/// # Safety
/// As [`get`].
#[inline(always)]
unsafe fn put(w: &Warp, off: u32, v: Value) {
    // SAFETY: 128 bytes lie there.
    unsafe {
        let p = w.base.add(off as usize).cast::<V>();
        if w.full() {
            for c in 0..4 {
                _mm256_storeu_si256(p.add(c), v[c]);
            }
        } else {
            for c in 0..4 {
                let m = LANE_MASKS[(w.mask >> (c * 8) & 255) as usize].as_ptr().cast::<V>();
                let old = _mm256_loadu_si256(p.add(c));
                _mm256_storeu_si256(p.add(c), _mm256_blendv_epi8(old, v[c], _mm256_loadu_si256(m)));
            }
        }
    }
}

/// Goes to the next instruction, which takes nothing.
///
/// # Safety
/// As [`RunFn`].
#[inline(always)]
unsafe fn go_on(w: &mut Warp, i: &Inst) -> *const Inst {
    // SAFETY: caller.
    unsafe {
        let n = next(i);
        if n as usize & w.chain != 0 {
            return ((*n).f)(w, n);
        }
        n
    }
}

/// Goes to the next instruction, which takes `$v` and so has [`flag::TAKES`](super::code::flag::TAKES). A macro, because
/// only functions compiled for AVX2 may pass vectors.
macro_rules! pass_on {
    ($w:ident, $i:ident, $v:expr) => {{
        let v: Value = $v;
        let n = next($i);
        // Such an instruction's `f` was made by `taking`.
        let f = std::mem::transmute::<RunFn, PassFn>((*n).f);
        f($w, n, v[0], v[1], v[2], v[3])
    }};
}

/// Does with the result what the form says.
macro_rules! finish {
    ($give:ident, $w:ident, $i:ident, $v:expr) => {{
        let v: Value = $v;
        if $give != PASS {
            put($w, $i.d, v);
        }
        if $give == STORE { go_on($w, $i) } else { pass_on!($w, $i, v) }
    }};
}

/// Defines a form that reads its operands from the register file and one that takes some from the instruction before.
macro_rules! forms {
    ($first:ident, $taking:ident, [$($g:tt)*], |$w:ident, $i:ident, $v:ident, $taken:ident| $body:block) => {
        #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
        unsafe extern "C-unwind" fn $first<$($g)*>($w: &mut Warp, i: *const Inst) -> *const Inst {
            // SAFETY: as RunFn.
            unsafe {
                let $i = &*i;
                let $v: Value = [_mm256_setzero_si256(); 4];
                const $taken: u32 = 0;
                $body
            }
        }
        #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
        unsafe extern "C-unwind" fn $taking<$($g)*, const $taken: u32>(
            $w: &mut Warp,
            i: *const Inst,
            v0: V,
            v1: V,
            v2: V,
            v3: V,
        ) -> *const Inst {
            // SAFETY: as RunFn.
            unsafe {
                let $i = &*i;
                let $v: Value = [v0, v1, v2, v3];
                $body
            }
        }
    };
}

/// A lane operation on a vector; each must give the bits of the plain form.
trait Unary {
    unsafe fn of(a: V) -> V;
}
trait Binary {
    unsafe fn of(a: V, b: V) -> V;
}
trait Ternary {
    unsafe fn of(a: V, b: V, c: V) -> V;
}

forms!(unary_first, unary_taking, [F: Unary, const GIVE: u8], |w, i, v, TAKEN| {
    let a = if TAKEN & A != 0 { v } else { get(w, i.a) };
    finish!(GIVE, w, i, [F::of(a[0]), F::of(a[1]), F::of(a[2]), F::of(a[3])])
});
forms!(binary_first, binary_taking, [F: Binary, const GIVE: u8], |w, i, v, TAKEN| {
    let a = if TAKEN & A != 0 { v } else { get(w, i.a) };
    let b = if TAKEN & B != 0 { v } else { get(w, i.b) };
    finish!(GIVE, w, i, [F::of(a[0], b[0]), F::of(a[1], b[1]), F::of(a[2], b[2]), F::of(a[3], b[3])])
});
forms!(ternary_first, ternary_taking, [F: Ternary, const GIVE: u8], |w, i, v, TAKEN| {
    let a = if TAKEN & A != 0 { v } else { get(w, i.a) };
    let b = if TAKEN & B != 0 { v } else { get(w, i.b) };
    let c = if TAKEN & C != 0 { v } else { get(w, i.c) };
    let f = |k: usize| F::of(a[k], b[k], c[k]);
    finish!(GIVE, w, i, [f(0), f(1), f(2), f(3)])
});

fn unary<F: Unary>(taken: u32, give: Give) -> Option<RunFn> {
    Some(match (taken, give) {
        (0, Give::Both) => unary_first::<F, BOTH>,
        (0, Give::Pass) => unary_first::<F, PASS>,
        (A, Give::Store) => taking(unary_taking::<F, STORE, A>),
        (A, Give::Both) => taking(unary_taking::<F, BOTH, A>),
        (A, Give::Pass) => taking(unary_taking::<F, PASS, A>),
        _ => return None,
    })
}
fn binary<F: Binary>(taken: u32, give: Give) -> Option<RunFn> {
    Some(match (taken, give) {
        (0, Give::Both) => binary_first::<F, BOTH>,
        (0, Give::Pass) => binary_first::<F, PASS>,
        (A, Give::Store) => taking(binary_taking::<F, STORE, A>),
        (A, Give::Both) => taking(binary_taking::<F, BOTH, A>),
        (A, Give::Pass) => taking(binary_taking::<F, PASS, A>),
        (B, Give::Store) => taking(binary_taking::<F, STORE, B>),
        (B, Give::Both) => taking(binary_taking::<F, BOTH, B>),
        (B, Give::Pass) => taking(binary_taking::<F, PASS, B>),
        (AB, Give::Store) => taking(binary_taking::<F, STORE, AB>),
        (AB, Give::Both) => taking(binary_taking::<F, BOTH, AB>),
        (AB, Give::Pass) => taking(binary_taking::<F, PASS, AB>),
        _ => return None,
    })
}
fn ternary<F: Ternary>(taken: u32, give: Give) -> Option<RunFn> {
    Some(match (taken, give) {
        (0, Give::Both) => ternary_first::<F, BOTH>,
        (0, Give::Pass) => ternary_first::<F, PASS>,
        (A, Give::Store) => taking(ternary_taking::<F, STORE, A>),
        (A, Give::Both) => taking(ternary_taking::<F, BOTH, A>),
        (A, Give::Pass) => taking(ternary_taking::<F, PASS, A>),
        (B, Give::Store) => taking(ternary_taking::<F, STORE, B>),
        (B, Give::Both) => taking(ternary_taking::<F, BOTH, B>),
        (B, Give::Pass) => taking(ternary_taking::<F, PASS, B>),
        (AB, Give::Store) => taking(ternary_taking::<F, STORE, AB>),
        (AB, Give::Both) => taking(ternary_taking::<F, BOTH, AB>),
        (AB, Give::Pass) => taking(ternary_taking::<F, PASS, AB>),
        (C, Give::Store) => taking(ternary_taking::<F, STORE, C>),
        (C, Give::Both) => taking(ternary_taking::<F, BOTH, C>),
        (C, Give::Pass) => taking(ternary_taking::<F, PASS, C>),
        _ => return None,
    })
}

#[inline(always)]
unsafe fn ps(v: V) -> __m256 {
    // SAFETY: as get.
    unsafe { _mm256_castsi256_ps(v) }
}
#[inline(always)]
unsafe fn bits(v: __m256) -> V {
    // SAFETY: as get.
    unsafe { _mm256_castps_si256(v) }
}
#[inline(always)]
unsafe fn all(x: f32) -> __m256 {
    // SAFETY: as get.
    unsafe { _mm256_set1_ps(x) }
}

/// Subnormals to zeros of the same sign, where F says so.
#[inline(always)]
unsafe fn ftz<const F: bool>(v: V) -> V {
    if !F {
        return v;
    }
    // SAFETY: as get.
    unsafe {
        let exponent = _mm256_and_si256(v, _mm256_set1_epi32(0x7f80_0000));
        let small = _mm256_cmpeq_epi32(exponent, _mm256_setzero_si256());
        _mm256_andnot_si256(_mm256_and_si256(small, _mm256_set1_epi32(0x7fff_ffff)), v)
    }
}

macro_rules! lanes {
    ($name:ident, $shape:ident, ($($a:ident),*), $e:expr) => {
        struct $name;
        impl $shape for $name {
            #[inline(always)]
            unsafe fn of($($a: V),*) -> V {
                // SAFETY: as get.
                unsafe { $e }
            }
        }
    };
}
macro_rules! single {
    ($name:ident, $shape:ident, ($($a:ident),*), $e:expr) => {
        struct $name<const F: bool>;
        impl<const F: bool> $shape for $name<F> {
            #[inline(always)]
            unsafe fn of($($a: V),*) -> V {
                // SAFETY: as get.
                unsafe {
                    $(let $a = ps(ftz::<F>($a));)*
                    ftz::<F>(bits($e))
                }
            }
        }
    };
}
single!(Add, Binary, (a, b), _mm256_add_ps(a, b));
single!(Sub, Binary, (a, b), _mm256_sub_ps(a, b));
single!(Mul, Binary, (a, b), _mm256_mul_ps(a, b));
single!(Div, Binary, (a, b), _mm256_div_ps(a, b));
single!(Fma, Ternary, (a, b, c), _mm256_fmadd_ps(a, b, c));
single!(Neg, Unary, (a), _mm256_xor_ps(a, all(-0.0)));
single!(Abs, Unary, (a), _mm256_andnot_ps(all(-0.0), a));
single!(Sqrt, Unary, (a), _mm256_sqrt_ps(a));
single!(Rcp, Unary, (a), _mm256_div_ps(all(1.0), a));
single!(Rsqrt, Unary, (a), _mm256_div_ps(all(1.0), _mm256_sqrt_ps(a)));
single!(Ex2, Unary, (a), super::approx::exp2_of_8(a));

lanes!(IntAdd, Binary, (a, b), _mm256_add_epi32(a, b));
lanes!(IntSub, Binary, (a, b), _mm256_sub_epi32(a, b));
lanes!(IntMul, Binary, (a, b), _mm256_mullo_epi32(a, b));
lanes!(IntMad, Ternary, (a, b, c), _mm256_add_epi32(_mm256_mullo_epi32(a, b), c));
lanes!(And, Binary, (a, b), _mm256_and_si256(a, b));
lanes!(Or, Binary, (a, b), _mm256_or_si256(a, b));
lanes!(Xor, Binary, (a, b), _mm256_xor_si256(a, b));
lanes!(Shl, Binary, (a, b), _mm256_sllv_epi32(a, b));
lanes!(ShrU, Binary, (a, b), _mm256_srlv_epi32(a, b));
lanes!(ShrS, Binary, (a, b), _mm256_srav_epi32(a, b));
lanes!(MulHiU, Binary, (a, b), {
    let even = _mm256_srli_epi64::<32>(_mm256_mul_epu32(a, b));
    let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
    _mm256_blend_epi32::<0b1010_1010>(even, odd)
});

/// A single-precision operation of this name.
pub(crate) fn float(op: OpFn, name: &str, flush: bool) -> OpFn {
    macro_rules! form {
        ($shape:ident, $f:ident) => {
            if flush { with(op, $shape::<$f<true>>) } else { with(op, $shape::<$f<false>>) }
        };
    }
    match name {
        "add" => form!(binary, Add),
        "sub" => form!(binary, Sub),
        "mul" => form!(binary, Mul),
        "div" => form!(binary, Div),
        "fma" => form!(ternary, Fma),
        "neg" => form!(unary, Neg),
        "abs" => form!(unary, Abs),
        "sqrt" => form!(unary, Sqrt),
        "rcp" => form!(unary, Rcp),
        "rsqrt" => form!(unary, Rsqrt),
        "ex2" => form!(unary, Ex2),
        _ => op,
    }
}

/// A 32-bit integer operation of this name.
pub(crate) fn integer(op: OpFn, name: &str, signed: bool) -> OpFn {
    match (name, signed) {
        ("add", _) => with(op, binary::<IntAdd>),
        ("sub", _) => with(op, binary::<IntSub>),
        ("mul.lo", _) => with(op, binary::<IntMul>),
        ("mad.lo", _) => with(op, ternary::<IntMad>),
        ("mul.hi", false) => with(op, binary::<MulHiU>),
        ("and", _) => with(op, binary::<And>),
        ("or", _) => with(op, binary::<Or>),
        ("xor", _) => with(op, binary::<Xor>),
        ("shl", _) => with(op, binary::<Shl>),
        ("shr", false) => with(op, binary::<ShrU>),
        ("shr", true) => with(op, binary::<ShrS>),
        _ => op,
    }
}

// Comparisons only take.

#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe extern "C-unwind" fn compare_taking<F: Binary, const TAKEN: u32>(
    w: &mut Warp,
    i: *const Inst,
    v0: V,
    v1: V,
    v2: V,
    v3: V,
) -> *const Inst {
    // SAFETY: as RunFn; d and e are predicate slots.
    unsafe {
        let i = &*i;
        let v = [v0, v1, v2, v3];
        let a = if TAKEN == A { v } else { get(w, i.a) };
        let b = if TAKEN == B { v } else { get(w, i.b) };
        let part = |k: usize| (_mm256_movemask_ps(ps(F::of(a[k], b[k]))) as u32) << (k * 8);
        let yes = part(0) | part(1) | part(2) | part(3);
        set_pred(w, i.d, yes);
        set_pred(w, i.e, !yes);
        go_on(w, i)
    }
}
fn compare<F: Binary>(taken: u32, give: Give) -> Option<RunFn> {
    Some(match (taken, give) {
        (A, Give::Store) => taking(compare_taking::<F, A>),
        (B, Give::Store) => taking(compare_taking::<F, B>),
        _ => return None,
    })
}

macro_rules! ordered {
    ($name:ident, $k:ident) => {
        struct $name<const F: bool>;
        impl<const F: bool> Binary for $name<F> {
            #[inline(always)]
            unsafe fn of(a: V, b: V) -> V {
                // SAFETY: as get.
                unsafe { bits(_mm256_cmp_ps::<$k>(ps(ftz::<F>(a)), ps(ftz::<F>(b)))) }
            }
        }
    };
}
ordered!(FloatEq, _CMP_EQ_OQ);
ordered!(FloatNe, _CMP_NEQ_OQ);
ordered!(FloatLt, _CMP_LT_OQ);
ordered!(FloatLe, _CMP_LE_OQ);
ordered!(FloatGt, _CMP_GT_OQ);
ordered!(FloatGe, _CMP_GE_OQ);

/// Turns the order of unsigned numbers into that of signed ones.
#[inline(always)]
unsafe fn biased<const SIGNED: bool>(v: V) -> V {
    // SAFETY: as get.
    unsafe { if SIGNED { v } else { _mm256_xor_si256(v, _mm256_set1_epi32(i32::MIN)) } }
}
#[inline(always)]
unsafe fn not(v: V) -> V {
    // SAFETY: as get.
    unsafe { _mm256_xor_si256(v, _mm256_set1_epi32(-1)) }
}
lanes!(IntEq, Binary, (a, b), _mm256_cmpeq_epi32(a, b));
lanes!(IntNe, Binary, (a, b), not(_mm256_cmpeq_epi32(a, b)));
struct IntGt<const SIGNED: bool, const SWAP: bool, const NOT: bool>;
impl<const SIGNED: bool, const SWAP: bool, const NOT: bool> Binary for IntGt<SIGNED, SWAP, NOT> {
    #[inline(always)]
    unsafe fn of(a: V, b: V) -> V {
        // SAFETY: as get.
        unsafe {
            let (a, b) = (biased::<SIGNED>(a), biased::<SIGNED>(b));
            let r = if SWAP { _mm256_cmpgt_epi32(b, a) } else { _mm256_cmpgt_epi32(a, b) };
            if NOT { not(r) } else { r }
        }
    }
}

/// setp without combination on single-precision numbers.
pub(crate) fn compare_float(op: OpFn, name: &str, flush: bool) -> OpFn {
    macro_rules! form {
        ($f:ident) => {
            if flush { with(op, compare::<$f<true>>) } else { with(op, compare::<$f<false>>) }
        };
    }
    match name {
        "eq" => form!(FloatEq),
        "ne" => form!(FloatNe),
        "lt" => form!(FloatLt),
        "le" => form!(FloatLe),
        "gt" => form!(FloatGt),
        "ge" => form!(FloatGe),
        _ => op,
    }
}

/// The same on 32-bit integers.
pub(crate) fn compare_integer(op: OpFn, name: &str, signed: bool) -> OpFn {
    macro_rules! form {
        ($swap:literal, $not:literal) => {
            if signed { with(op, compare::<IntGt<true, $swap, $not>>) } else { with(op, compare::<IntGt<false, $swap, $not>>) }
        };
    }
    match name {
        "eq" => with(op, compare::<IntEq>),
        "ne" => with(op, compare::<IntNe>),
        "gt" | "hi" => form!(false, false),
        "le" | "ls" => form!(false, true),
        "lt" | "lo" => form!(true, false),
        "ge" | "hs" => form!(true, true),
        _ => op,
    }
}

forms!(select_first, select_taking, [const GIVE: u8], |w, i, v, TAKEN| {
    let a = if TAKEN & A != 0 { v } else { get(w, i.a) };
    let b = if TAKEN & B != 0 { v } else { get(w, i.b) };
    let p = pred(w, i.c);
    let f = |k: usize| {
        let m = LANE_MASKS[(p >> (k * 8) & 255) as usize].as_ptr().cast::<V>();
        _mm256_blendv_epi8(b[k], a[k], _mm256_loadu_si256(m))
    };
    finish!(GIVE, w, i, [f(0), f(1), f(2), f(3)])
});

/// d = predicate c ? a : b.
pub(crate) fn select(op: OpFn) -> OpFn {
    fn forms(taken: u32, give: Give) -> Option<RunFn> {
        Some(match (taken, give) {
            (0, Give::Both) => select_first::<BOTH>,
            (0, Give::Pass) => select_first::<PASS>,
            (A, Give::Store) => taking(select_taking::<STORE, A>),
            (A, Give::Both) => taking(select_taking::<BOTH, A>),
            (A, Give::Pass) => taking(select_taking::<PASS, A>),
            (B, Give::Store) => taking(select_taking::<STORE, B>),
            (B, Give::Both) => taking(select_taking::<BOTH, B>),
            (B, Give::Pass) => taking(select_taking::<PASS, B>),
            _ => return None,
        })
    }
    with(op, forms)
}

/// As [`super::access::Load`] for words.
///
/// # Safety
/// As [`RunFn`].
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe extern "C-unwind" fn load_first<P: Place, const KIND: u8, const EXACT: bool, const GIVE: u8>(w: &mut Warp, i: *const Inst) -> *const Inst {
    // SAFETY: operand slots of the classes of the access; host ranges are checked before use.
    unsafe {
        let i = &*i;
        if w.mask == !0
            && let Some(Halves { first, equal }) = halves::<u32, P, true>(w, i)
            && (EXACT || equal)
            && let Some(win) = window::<KIND>(w, i, first[0], false)
        {
            let bytes = if equal { 4 } else { 64 };
            if let (Some(low), Some(high)) = (win.at(first[0], bytes, 4), win.at(first[1], bytes, 4)) {
                look_ahead::<KIND>(w, i, first[0], 2 * bytes);
                let v = if equal {
                    let low = _mm256_set1_epi32(low.cast::<i32>().read());
                    let high = _mm256_set1_epi32(high.cast::<i32>().read());
                    [low, low, high, high]
                } else {
                    let (low, high) = (low.cast::<V>(), high.cast::<V>());
                    [
                        _mm256_loadu_si256(low),
                        _mm256_loadu_si256(low.add(1)),
                        _mm256_loadu_si256(high),
                        _mm256_loadu_si256(high.add(1)),
                    ]
                };
                return finish!(GIVE, w, i, v);
            }
        }
        if load_irregular::<u32, P, KIND>(w, i).is_null() {
            return std::ptr::null();
        }
        let v = get(w, i.d);
        pass_on!(w, i, v)
    }
}

/// The forms of a load of words.
struct Loads<P, const KIND: u8, const EXACT: bool>(PhantomData<P>);
impl<P: Place, const KIND: u8, const EXACT: bool> Loads<P, KIND, EXACT> {
    fn forms(taken: u32, give: Give) -> Option<RunFn> {
        Some(match (taken, give) {
            (0, Give::Both) => load_first::<P, KIND, EXACT, BOTH>,
            (0, Give::Pass) => load_first::<P, KIND, EXACT, PASS>,
            _ => return None,
        })
    }
}

/// As [`super::access::Store`] for words.
///
/// # Safety
/// As [`PassFn`].
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe extern "C-unwind" fn store_taking<P: Place, const KIND: u8, const EXACT: bool>(
    w: &mut Warp,
    i: *const Inst,
    v0: V,
    v1: V,
    v2: V,
    v3: V,
) -> *const Inst {
    // SAFETY: as load_first.
    unsafe {
        let i = &*i;
        if EXACT
            && w.mask == !0
            && let Some(Halves { first, equal: false }) = halves::<u32, P, true>(w, i)
            && let Some(win) = window::<KIND>(w, i, first[0], true)
            && let (Some(low), Some(high)) = (win.at(first[0], 64, 4), win.at(first[1], 64, 4))
        {
            // Where the halves overlap the higher lanes win, as lane by lane.
            let (low, high) = (low.cast::<V>(), high.cast::<V>());
            _mm256_storeu_si256(low, v0);
            _mm256_storeu_si256(low.add(1), v1);
            _mm256_storeu_si256(high, v2);
            _mm256_storeu_si256(high.add(1), v3);
            return go_on(w, i);
        }
        put(w, i.b, [v0, v1, v2, v3]);
        if store_irregular::<u32, P, KIND>(w, i).is_null() {
            return std::ptr::null();
        }
        go_on(w, i)
    }
}

/// The forms of a store of words.
struct Stores<P, const KIND: u8, const EXACT: bool>(PhantomData<P>);
impl<P: Place, const KIND: u8, const EXACT: bool> Stores<P, KIND, EXACT> {
    fn forms(taken: u32, give: Give) -> Option<RunFn> {
        match (taken, give) {
            (B, Give::Store) => Some(taking(store_taking::<P, KIND, EXACT>)),
            _ => None,
        }
    }
}

/// A load or store of words through an address register.
pub(crate) fn word_access(op: OpFn, store: bool, wide_address: bool, kind: u8) -> OpFn {
    macro_rules! form {
        ($a:ty, $space:block) => {
            if store { with(op, Stores::<Plain<$a>, $space, true>::forms) } else { with(op, Loads::<Plain<$a>, $space, true>::forms) }
        };
    }
    match (kind, wide_address) {
        (space::GLOBAL, true) => form!(u64, { space::GLOBAL }),
        (space::SHARED, true) => form!(u64, { space::SHARED }),
        (space::SHARED, false) => form!(u32, { space::SHARED }),
        _ => op,
    }
}

/// A load or store of words in global memory through base and index of place P.
pub(super) fn indexed_access<P: Place, const EXACT: bool>(op: OpFn, store: bool) -> OpFn {
    if store {
        with(op, Stores::<P, { space::GLOBAL }, EXACT>::forms)
    } else {
        with(op, Loads::<P, { space::GLOBAL }, EXACT>::forms)
    }
}

/// What lanes get in a shuffle of the whole warp by a constant.
///
/// # Safety
/// As [`get`]; `i` is such a shuffle.
#[inline(always)]
unsafe fn shuffled(i: &Inst, v: Value) -> Value {
    let (mode, b) = ((i.imm & 3) as usize, (i.imm >> 8 & 31) as usize);
    let mut r = v;
    // SAFETY: reads of eight bytes inside the table.
    unsafe {
        if mode == 2 {
            let v = match b >> 3 {
                0 => v,
                1 => [v[1], v[0], v[3], v[2]],
                2 => [v[2], v[3], v[0], v[1]],
                _ => [v[3], v[2], v[1], v[0]],
            };
            let at = _mm256_cvtepu8_epi32(_mm_loadl_epi64(WHOLE[2][b & 7].as_ptr().cast()));
            for k in 0..4 {
                r[k] = _mm256_permutevar8x32_epi32(v[k], at);
            }
            return r;
        }
        for k in 0..4 {
            let at = _mm256_cvtepu8_epi32(_mm_loadl_epi64(WHOLE[mode][b].as_ptr().add(k * 8).cast()));
            // Bits 3 and 4 of the lane say which part, as signs for the blends.
            let odd = ps(_mm256_slli_epi32::<28>(at));
            let high = ps(_mm256_slli_epi32::<27>(at));
            let p0 = ps(_mm256_permutevar8x32_epi32(v[0], at));
            let p1 = ps(_mm256_permutevar8x32_epi32(v[1], at));
            let p2 = ps(_mm256_permutevar8x32_epi32(v[2], at));
            let p3 = ps(_mm256_permutevar8x32_epi32(v[3], at));
            let (low, up) = (_mm256_blendv_ps(p0, p1, odd), _mm256_blendv_ps(p2, p3, odd));
            r[k] = bits(_mm256_blendv_ps(low, up, high));
        }
        r
    }
}

forms!(shuffle_first, shuffle_taking, [const GIVE: u8], |w, i, v, TAKEN| {
    if w.full() {
        // Every lane that there is comes along: nobody has to be waited for.
        let a = if TAKEN & A != 0 { v } else { get(w, i.a) };
        set_pred(w, i.e, whole_valid(i));
        let r = shuffled(i, a);
        return finish!(GIVE, w, i, r);
    }
    if TAKEN & A != 0 {
        put(w, i.a, v);
    }
    // The instruction alone: it may stop here, and what follows takes its result.
    let chain = std::mem::take(&mut w.chain);
    let n = (i.g)(w, i);
    w.chain = chain;
    if n != next(i) {
        return n;
    }
    if GIVE == STORE {
        return n;
    }
    let r = get(w, i.d);
    pass_on!(w, i, r)
});

/// A shuffle of the whole warp by a constant.
pub(crate) fn shuffle(op: OpFn) -> OpFn {
    fn forms(taken: u32, give: Give) -> Option<RunFn> {
        Some(match (taken, give) {
            (0, Give::Both) => shuffle_first::<BOTH>,
            (0, Give::Pass) => shuffle_first::<PASS>,
            (A, Give::Store) => taking(shuffle_taking::<STORE, A>),
            (A, Give::Both) => taking(shuffle_taking::<BOTH, A>),
            (A, Give::Pass) => taking(shuffle_taking::<PASS, A>),
            _ => return None,
        })
    }
    with(op, forms)
}
