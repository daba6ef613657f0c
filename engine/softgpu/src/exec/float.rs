//! Floating-point operations (PTX ISA 9.7.3 to 9.7.5).
//!
//! Single and double precision round-to-nearest forms are vector code. Directed rounding uses the processor's own
//! rounding mode on x86-64, set and restored inside one assembly block. Half-precision types compute in wider types
//! so that the one rounding back is the correct one.

use std::marker::PhantomData;

use half::{bf16, f16};

use super::approx;
use super::code::{OpFn, ScalarFn};
use super::lane::*;
use super::shape;
use crate::ptx::Type;

/// Rounding of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    Nearest = 0,
    Zero = 1,
    Down = 2,
    Up = 3,
}

/// Subnormal to zero of the same sign.
#[inline(always)]
pub(super) fn flush(x: f32) -> f32 {
    let b = x.to_bits();
    f32::from_bits(if b & 0x7f80_0000 == 0 { b & 0x8000_0000 } else { b })
}

#[inline(always)]
pub(super) fn ftz<const F: bool>(x: f32) -> f32 {
    if F { flush(x) } else { x }
}

/// PTX minimum: a NaN operand loses, -0 is below +0.
macro_rules! min_max {
    ($min:ident, $max:ident, $t:ty) => {
        #[inline(always)]
        pub(super) fn $min(a: $t, b: $t) -> $t {
            let r = if a < b { a } else { b };
            let r = if a == b { <$t>::from_bits(a.to_bits() | b.to_bits()) } else { r };
            let r = if b.is_nan() { a } else { r };
            if a.is_nan() { b } else { r }
        }
        #[inline(always)]
        pub(super) fn $max(a: $t, b: $t) -> $t {
            let r = if a > b { a } else { b };
            let r = if a == b { <$t>::from_bits(a.to_bits() & b.to_bits()) } else { r };
            let r = if b.is_nan() { a } else { r };
            if a.is_nan() { b } else { r }
        }
    };
}
min_max!(min32, max32, f32);
min_max!(min64, max64, f64);

macro_rules! single {
    ($name:ident, $shape:ident, ($($a:ident),*), $e:expr) => {
        struct $name<const F: bool>;
        impl<const F: bool> $shape for $name<F> {
            single!(@types $shape);
            #[inline(always)]
            fn f($($a: f32),*) -> f32 {
                $(let $a = ftz::<F>($a);)*
                ftz::<F>($e)
            }
        }
    };
    (@types F1) => { type A = f32; type D = f32; };
    (@types F2) => { type A = f32; type B = f32; type D = f32; };
    (@types F3) => { type A = f32; type B = f32; type C = f32; type D = f32; };
}
single!(Add, F2, (a, b), a + b);
single!(Sub, F2, (a, b), a - b);
single!(Mul, F2, (a, b), a * b);
single!(Div, F2, (a, b), a / b);
single!(Min, F2, (a, b), min32(a, b));
single!(Max, F2, (a, b), max32(a, b));
single!(Fma, F3, (a, b, c), a.mul_add(b, c));
single!(Neg, F1, (a), -a);
single!(Abs, F1, (a), a.abs());
single!(Sqrt, F1, (a), a.sqrt());
single!(Rcp, F1, (a), 1.0 / a);
// Two roundings: within the 2^-22.9 that the PTX ISA allows.
single!(Rsqrt, F1, (a), 1.0 / a.sqrt());
single!(Ex2, F1, (a), approx::exp2(a));
single!(Lg2, F1, (a), approx::log2(a));
single!(Sin, F1, (a), a.sin());
single!(Cos, F1, (a), a.cos());
single!(Tanh, F1, (a), a.tanh());

macro_rules! double {
    ($name:ident, $shape:ident, ($($a:ident),*), $e:expr) => {
        struct $name;
        impl $shape for $name {
            double!(@types $shape);
            #[inline(always)]
            fn f($($a: f64),*) -> f64 { $e }
        }
    };
    (@types F1) => { type A = f64; type D = f64; };
    (@types F2) => { type A = f64; type B = f64; type D = f64; };
    (@types F3) => { type A = f64; type B = f64; type C = f64; type D = f64; };
}
double!(Add64, F2, (a, b), a + b);
double!(Sub64, F2, (a, b), a - b);
double!(Mul64, F2, (a, b), a * b);
double!(Div64, F2, (a, b), a / b);
double!(Min64, F2, (a, b), min64(a, b));
double!(Max64, F2, (a, b), max64(a, b));
double!(Fma64, F3, (a, b, c), a.mul_add(b, c));
double!(Neg64, F1, (a), -a);
double!(Abs64, F1, (a), a.abs());
double!(Sqrt64, F1, (a), a.sqrt());
double!(Rcp64, F1, (a), 1.0 / a);

macro_rules! ordered {
    ($name:ident, |$a:ident, $b:ident| $e:expr) => {
        struct $name<T, const F: bool>(PhantomData<T>);
        impl<const F: bool> Compare for $name<f32, F> {
            type A = f32;
            #[inline(always)]
            fn f($a: f32, $b: f32) -> bool {
                let ($a, $b) = (ftz::<F>($a), ftz::<F>($b));
                $e
            }
        }
        impl Compare for $name<f64, false> {
            type A = f64;
            #[inline(always)]
            fn f($a: f64, $b: f64) -> bool {
                $e
            }
        }
    };
}
ordered!(Eq, |a, b| a == b);
ordered!(Ne, |a, b| a < b || a > b);
ordered!(Lt, |a, b| a < b);
ordered!(Le, |a, b| a <= b);
ordered!(Gt, |a, b| a > b);
ordered!(Ge, |a, b| a >= b);
#[rustfmt::skip]
mod unordered {
    #![allow(clippy::neg_cmp_op_on_partial_ord, clippy::nonminimal_bool)]
    use super::*;
    macro_rules! unordered {
        ($name:ident, |$a:ident, $b:ident| $e:expr) => { ordered_pub!($name, |$a, $b| $e); };
    }
    macro_rules! ordered_pub {
        ($name:ident, |$a:ident, $b:ident| $e:expr) => {
            pub(super) struct $name<T, const F: bool>(PhantomData<T>);
            impl<const F: bool> Compare for $name<f32, F> {
                type A = f32;
                #[inline(always)]
                fn f($a: f32, $b: f32) -> bool { let ($a, $b) = (ftz::<F>($a), ftz::<F>($b)); $e }
            }
            impl Compare for $name<f64, false> {
                type A = f64;
                #[inline(always)]
                fn f($a: f64, $b: f64) -> bool { $e }
            }
        };
    }
    unordered!(Equ, |a, b| !(a < b) && !(a > b));
    unordered!(Neu, |a, b| a != b);
    unordered!(Ltu, |a, b| !(a >= b));
    unordered!(Leu, |a, b| !(a > b));
    unordered!(Gtu, |a, b| !(a <= b));
    unordered!(Geu, |a, b| !(a < b));
    unordered!(Num, |a, b| !a.is_nan() && !b.is_nan());
    unordered!(Nan, |a, b| a.is_nan() || b.is_nan());
}
use unordered::*;

/// setp on f32 and f64.
pub(crate) fn compare(op: &str, ty: Type, flush: bool, combine: bool) -> Option<OpFn> {
    macro_rules! form {
        ($f:ident) => {
            match (ty, flush, combine) {
                (Type::F32, false, false) => pick::<OpCompare<$f<f32, false>>>(),
                (Type::F32, true, false) => pick::<OpCompare<$f<f32, true>>>(),
                (Type::F32, false, true) => pick::<OpCompareCombine<$f<f32, false>>>(),
                (Type::F32, true, true) => pick::<OpCompareCombine<$f<f32, true>>>(),
                (Type::F64, _, false) => pick::<OpCompare<$f<f64, false>>>(),
                (Type::F64, _, true) => pick::<OpCompareCombine<$f<f64, false>>>(),
                _ => return None,
            }
        };
    }
    let form = match op {
        "eq" => form!(Eq),
        "ne" => form!(Ne),
        "lt" => form!(Lt),
        "le" => form!(Le),
        "gt" => form!(Gt),
        "ge" => form!(Ge),
        "equ" => form!(Equ),
        "neu" => form!(Neu),
        "ltu" => form!(Ltu),
        "leu" => form!(Leu),
        "gtu" => form!(Gtu),
        "geu" => form!(Geu),
        "num" => form!(Num),
        "nan" => form!(Nan),
        _ => return None,
    };
    Some(if ty == Type::F32 && !combine { form.shaped(shape::compare_float(op, flush)) } else { form })
}

/// Round-to-nearest or approximate operation on f32 or f64 in vector form.
pub(crate) fn vector(op: &str, ty: Type, flush: bool) -> Option<OpFn> {
    macro_rules! f {
        ($w:ident, $s:ident) => {
            if flush { pick::<$w<$s<true>>>() } else { pick::<$w<$s<false>>>() }
        };
    }
    let form = match (ty, op) {
        (Type::F32, "add") => f!(Op2, Add),
        (Type::F32, "sub") => f!(Op2, Sub),
        (Type::F32, "mul") => f!(Op2, Mul),
        (Type::F32, "div") => f!(Op2, Div),
        (Type::F32, "min") => f!(Op2, Min),
        (Type::F32, "max") => f!(Op2, Max),
        (Type::F32, "fma") => f!(Op3, Fma),
        (Type::F32, "neg") => f!(Op1, Neg),
        (Type::F32, "abs") => f!(Op1, Abs),
        (Type::F32, "sqrt") => f!(Op1, Sqrt),
        (Type::F32, "rcp") => f!(Op1, Rcp),
        (Type::F32, "rsqrt") => f!(Op1, Rsqrt),
        (Type::F32, "ex2") => f!(Op1, Ex2),
        (Type::F32, "lg2") => f!(Op1, Lg2),
        (Type::F32, "sin") => f!(Op1, Sin),
        (Type::F32, "cos") => f!(Op1, Cos),
        (Type::F32, "tanh") => f!(Op1, Tanh),
        (Type::F64, "add") => pick::<Op2<Add64>>(),
        (Type::F64, "sub") => pick::<Op2<Sub64>>(),
        (Type::F64, "mul") => pick::<Op2<Mul64>>(),
        (Type::F64, "div") => pick::<Op2<Div64>>(),
        (Type::F64, "min") => pick::<Op2<Min64>>(),
        (Type::F64, "max") => pick::<Op2<Max64>>(),
        (Type::F64, "fma") => pick::<Op3<Fma64>>(),
        (Type::F64, "neg") => pick::<Op1<Neg64>>(),
        (Type::F64, "abs") => pick::<Op1<Abs64>>(),
        (Type::F64, "sqrt") => pick::<Op1<Sqrt64>>(),
        (Type::F64, "rcp") => pick::<Op1<Rcp64>>(),
        _ => return None,
    };
    Some(if ty == Type::F32 { form.shaped(shape::float(op, flush)) } else { form })
}

/// div.approx: the divisor's reciprocal is taken for zero where it would be subnormal.
struct DivApprox<const F: bool>;
impl<const F: bool> F2 for DivApprox<F> {
    type A = f32;
    type B = f32;
    type D = f32;
    #[inline(always)]
    fn f(a: f32, b: f32) -> f32 {
        let (a, b) = (ftz::<F>(a), ftz::<F>(b));
        let m = b.abs();
        let r = if m > f32::from_bits(0x7e80_0000) && m < f32::INFINITY { a * 0.0 } else { a / b };
        ftz::<F>(r)
    }
}

pub(crate) fn divide_approximately(flush: bool) -> OpFn {
    if flush { pick::<Op2<DivApprox<true>>>() } else { pick::<Op2<DivApprox<false>>>() }
}

/// Arithmetic whose rounding direction is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    /// f64 to f32, the result widened again.
    Narrow,
}

#[cfg(target_arch = "x86_64")]
mod directed {
    use super::{Arith, Round};
    use std::arch::asm;

    fn control(round: Round) -> u32 {
        // MXCSR: all exceptions masked, rounding field in bits 13 and 14.
        let field = match round {
            Round::Nearest => 0,
            Round::Down => 1,
            Round::Up => 2,
            Round::Zero => 3,
        };
        0x1f80 | field << 13
    }

    macro_rules! with_mode {
        ($instr:literal, $round:expr, $a:ident, $b:ident) => {{
            let new = control($round);
            let mut old = 0u32;
            // SAFETY: the control register is restored before the block ends; SSE2 is part of x86-64.
            unsafe {
                asm!(
                    "stmxcsr [{old}]",
                    "ldmxcsr [{new}]",
                    $instr,
                    "ldmxcsr [{old}]",
                    old = in(reg) &raw mut old,
                    new = in(reg) &raw const new,
                    a = inout(xmm_reg) $a,
                    b = in(xmm_reg) $b,
                    options(nostack)
                );
            }
            $a
        }};
    }

    pub fn f64_op(op: Arith, round: Round, mut a: f64, b: f64) -> f64 {
        match op {
            Arith::Add => with_mode!("addsd {a}, {b}", round, a, b),
            Arith::Sub => with_mode!("subsd {a}, {b}", round, a, b),
            Arith::Mul => with_mode!("mulsd {a}, {b}", round, a, b),
            Arith::Div => with_mode!("divsd {a}, {b}", round, a, b),
            Arith::Sqrt => with_mode!("sqrtsd {a}, {b}", round, a, a),
            Arith::Narrow => {
                let mut r = 0f32;
                let x = with_mode!("cvtsd2ss {a}, {b}", round, r, a);
                f64::from(x)
            }
        }
    }

    pub fn f32_op(op: Arith, round: Round, mut a: f32, b: f32) -> f32 {
        match op {
            Arith::Add => with_mode!("addss {a}, {b}", round, a, b),
            Arith::Sub => with_mode!("subss {a}, {b}", round, a, b),
            Arith::Mul => with_mode!("mulss {a}, {b}", round, a, b),
            Arith::Div => with_mode!("divss {a}, {b}", round, a, b),
            Arith::Sqrt => with_mode!("sqrtss {a}, {b}", round, a, a),
            Arith::Narrow => a,
        }
    }

    pub fn f64_fma(round: Round, a: f64, b: f64, c: f64) -> Option<f64> {
        if !super::super::lane::has_avx2() {
            return None;
        }
        let new = control(round);
        let mut old = 0u32;
        let mut r = a;
        // SAFETY: as above; FMA is present.
        unsafe {
            asm!(
                "stmxcsr [{old}]",
                "ldmxcsr [{new}]",
                "vfmadd213sd {a}, {b}, {c}",
                "ldmxcsr [{old}]",
                old = in(reg) &raw mut old,
                new = in(reg) &raw const new,
                a = inout(xmm_reg) r,
                b = in(xmm_reg) b,
                c = in(xmm_reg) c,
                options(nostack)
            );
        }
        Some(r)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod directed {
    use super::{Arith, Round};

    /// Moves a nearest-rounded result by the sign of its error (exact minus rounded).
    fn adjust(r: f64, error: f64, round: Round) -> f64 {
        match round {
            Round::Up if error > 0.0 => r.next_up(),
            Round::Down if error < 0.0 => r.next_down(),
            Round::Zero if r > 0.0 && error < 0.0 => r.next_down(),
            Round::Zero if r < 0.0 && error > 0.0 => r.next_up(),
            _ => r,
        }
    }

    pub fn f64_op(op: Arith, round: Round, a: f64, b: f64) -> f64 {
        let (r, e) = match op {
            Arith::Add | Arith::Sub => {
                let b = if op == Arith::Sub { -b } else { b };
                let s = a + b;
                let t = s - a;
                (s, (a - (s - t)) + (b - t))
            }
            Arith::Mul => (a * b, a.mul_add(b, -(a * b))),
            Arith::Div => {
                let q = a / b;
                let rem = (-q).mul_add(b, a);
                (q, if b < 0.0 { -rem } else { rem })
            }
            Arith::Sqrt => {
                let s = a.sqrt();
                (s, (-s).mul_add(s, a))
            }
            Arith::Narrow => {
                let s = a as f32;
                let e = a - f64::from(s);
                return f64::from(match round {
                    Round::Up if e > 0.0 => s.next_up(),
                    Round::Down if e < 0.0 => s.next_down(),
                    Round::Zero if s > 0.0 && e < 0.0 => s.next_down(),
                    Round::Zero if s < 0.0 && e > 0.0 => s.next_up(),
                    _ => s,
                });
            }
        };
        if e.is_nan() { r } else { adjust(r, e, round) }
    }

    pub fn f32_op(op: Arith, round: Round, a: f32, b: f32) -> f32 {
        let r = f64_op(op, round, f64::from(a), f64::from(b));
        f64_op(Arith::Narrow, round, r, 0.0) as f32
    }

    pub fn f64_fma(_round: Round, _a: f64, _b: f64, _c: f64) -> Option<f64> {
        None
    }
}

/// f64 to f32 in the given direction.
pub(super) fn narrow(x: f64, round: Round) -> f32 {
    if round == Round::Nearest { x as f32 } else { directed::f64_op(Arith::Narrow, round, x, 0.0) as f32 }
}

/// Whether directed fused multiply-add of doubles can be done on this machine.
pub(crate) fn has_directed_fma64() -> bool {
    directed::f64_fma(Round::Zero, 1.0, 1.0, 1.0).is_some()
}

/// Immediate of the scalar floating-point forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloatForm {
    pub round: Round,
    pub ftz: bool,
    pub sat: bool,
    pub relu: bool,
    pub nan: bool,
    pub xorsign: bool,
    /// Two packed halves.
    pub packed: bool,
    pub bf16: bool,
    pub op: u8,
}

impl FloatForm {
    pub fn pack(self) -> u64 {
        self.round as u64
            | u64::from(self.ftz) << 2
            | u64::from(self.sat) << 3
            | u64::from(self.relu) << 4
            | u64::from(self.nan) << 5
            | u64::from(self.xorsign) << 6
            | u64::from(self.packed) << 7
            | u64::from(self.bf16) << 8
            | u64::from(self.op) << 16
    }

    fn unpack(v: u64) -> FloatForm {
        FloatForm {
            round: match v & 3 {
                0 => Round::Nearest,
                1 => Round::Zero,
                2 => Round::Down,
                _ => Round::Up,
            },
            ftz: v >> 2 & 1 != 0,
            sat: v >> 3 & 1 != 0,
            relu: v >> 4 & 1 != 0,
            nan: v >> 5 & 1 != 0,
            xorsign: v >> 6 & 1 != 0,
            packed: v >> 7 & 1 != 0,
            bf16: v >> 8 & 1 != 0,
            op: (v >> 16) as u8,
        }
    }
}

/// Operations of [`FloatForm`].
pub(crate) mod op {
    pub const ADD: u8 = 0;
    pub const SUB: u8 = 1;
    pub const MUL: u8 = 2;
    pub const DIV: u8 = 3;
    pub const SQRT: u8 = 4;
    pub const FMA: u8 = 5;
    pub const MIN: u8 = 6;
    pub const MAX: u8 = 7;
    pub const NEG: u8 = 8;
    pub const ABS: u8 = 9;
    pub const RCP: u8 = 10;
    pub const EX2: u8 = 11;
    pub const TANH: u8 = 12;
    pub const COPYSIGN: u8 = 13;
    pub const RSQRT: u8 = 14;
    pub const LG2: u8 = 15;
}

/// [0, 1], NaN to +0.
pub(super) fn saturate(x: f64) -> f64 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

fn f32_form(v: &[u64; 4], imm: u64) -> u64 {
    let k = FloatForm::unpack(imm);
    let get = |n: usize| {
        let x = f32::from_bits(v[n] as u32);
        if k.ftz { flush(x) } else { x }
    };
    let (a, b, c) = (get(0), get(1), get(2));
    let r = match k.op {
        op::ADD => directed::f32_op(Arith::Add, k.round, a, b),
        op::SUB => directed::f32_op(Arith::Sub, k.round, a, b),
        op::MUL => directed::f32_op(Arith::Mul, k.round, a, b),
        op::DIV => directed::f32_op(Arith::Div, k.round, a, b),
        op::RCP => directed::f32_op(Arith::Div, k.round, 1.0, a),
        op::SQRT => directed::f32_op(Arith::Sqrt, k.round, a, a),
        op::FMA if k.round == Round::Nearest => a.mul_add(b, c),
        op::FMA => {
            // The product is exact in double precision; two roundings in one direction equal one.
            let s = directed::f64_op(Arith::Add, k.round, f64::from(a) * f64::from(b), f64::from(c));
            narrow(s, k.round)
        }
        op::MIN | op::MAX => {
            let (x, y) = if k.xorsign { (a.abs(), b.abs()) } else { (a, b) };
            let r = if k.nan && (x.is_nan() || y.is_nan()) {
                f32::from_bits(0x7fff_ffff)
            } else if k.op == op::MIN {
                min32(x, y)
            } else {
                max32(x, y)
            };
            if k.xorsign && !r.is_nan() { f32::from_bits(r.to_bits() | (a.to_bits() ^ b.to_bits()) & 1 << 31) } else { r }
        }
        op::COPYSIGN => b.copysign(a),
        _ => a,
    };
    let r = if k.sat { saturate(f64::from(r)) as f32 } else { r };
    let r = if k.relu && !(r > 0.0) && !r.is_nan() { 0.0 } else { r };
    u64::from(if k.ftz { flush(r) } else { r }.to_bits())
}

fn f64_form(v: &[u64; 4], imm: u64) -> u64 {
    let k = FloatForm::unpack(imm);
    let (a, b, c) = (f64::from_bits(v[0]), f64::from_bits(v[1]), f64::from_bits(v[2]));
    match k.op {
        op::ADD => directed::f64_op(Arith::Add, k.round, a, b),
        op::SUB => directed::f64_op(Arith::Sub, k.round, a, b),
        op::MUL => directed::f64_op(Arith::Mul, k.round, a, b),
        op::DIV => directed::f64_op(Arith::Div, k.round, a, b),
        op::RCP => directed::f64_op(Arith::Div, k.round, 1.0, a),
        op::SQRT => directed::f64_op(Arith::Sqrt, k.round, a, a),
        op::FMA => directed::f64_fma(k.round, a, b, c).unwrap_or(f64::NAN),
        op::COPYSIGN => b.copysign(a),
        _ => a,
    }
    .to_bits()
}

/// Gross approximations whose low 32 bits are zero (rcp.approx.ftz.f64, rsqrt.approx.ftz.f64); imm: 1 rsqrt,
/// 2 ftz, 4 keep all bits.
fn f64_approx(v: &[u64; 4], imm: u64) -> u64 {
    let mut a = f64::from_bits(v[0]);
    let flush64 = |x: f64| if x.is_subnormal() { 0f64.copysign(x) } else { x };
    if imm & 2 != 0 {
        a = flush64(a);
    }
    let r = if imm & 1 != 0 { 1.0 / a.sqrt() } else { 1.0 / a };
    let r = if imm & 2 != 0 { flush64(r) } else { r };
    if r.is_nan() {
        return 0x7fff_ffff_0000_0000;
    }
    if imm & 4 != 0 { r.to_bits() } else { r.to_bits() & !0xffff_ffff }
}

/// a + b rounded to odd: rounding it again to at most 51 bits gives the correctly rounded sum.
fn add_to_odd(a: f64, b: f64) -> f64 {
    let s = a + b;
    let t = s - a;
    let e = (a - (s - t)) + (b - t);
    if !s.is_finite() || e == 0.0 || e.is_nan() || s.to_bits() & 1 != 0 {
        return s;
    }
    // The exact sum lies strictly between s and a neighbour; both neighbours of an even s are odd.
    if e > 0.0 { s.next_up() } else { s.next_down() }
}

/// f64 (already exact or rounded to odd) to half precision, nearest even.
pub(super) fn to_half(x: f64, bf: bool) -> u16 {
    if bf { bf16_from_f64(x) } else { f16_from_f64(x) }
}

fn f16_from_f64(x: f64) -> u16 {
    if x.is_nan() {
        return 0x7fff;
    }
    round_to(x, 10, 15, 5)
}

fn bf16_from_f64(x: f64) -> u16 {
    if x.is_nan() {
        return 0x7fff;
    }
    round_to(x, 7, 127, 8)
}

/// Rounds to nearest even with `mant` stored mantissa bits, exponent bias `bias` and `exp_bits` exponent bits.
fn round_to(x: f64, mant: u32, bias: i32, exp_bits: u32) -> u16 {
    let sign = ((x.to_bits() >> 63) as u16) << 15;
    let m = x.abs();
    let inf = (((1u32 << exp_bits) - 1) << mant) as u16;
    if m.is_infinite() {
        return sign | inf;
    }
    // The quantum of the result's binade.
    let e = (((m.to_bits() >> 52) as i32) - 1023).max(1 - bias);
    let quantum = e - mant as i32;
    let scaled = m * pow2(-quantum);
    let n = scaled.round_ties_even() as u32;
    // n has at most mant + 2 bits; adding it to the exponent field carries as it should.
    let field = (e + bias) as u32;
    let bits = if n >= 1 << mant { ((field - 1) << mant) + n } else { n };
    if bits >= u32::from(inf) { sign | inf } else { sign | bits as u16 }
}

fn pow2(e: i32) -> f64 {
    // Inside the normal range for every half type (|e| < 200).
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// Half-precision value of 16 bits.
pub(super) fn from_half(bits: u16, bf: bool) -> f64 {
    if bf { f64::from(bf16::from_bits(bits).to_f32()) } else { f64::from(f16::from_bits(bits).to_f32()) }
}

fn half_one(k: FloatForm, x: [u16; 3]) -> u16 {
    let get = |n: usize| {
        let v = from_half(x[n], k.bf16);
        if k.ftz && v.abs() < pow2(-14) && !k.bf16 { 0f64.copysign(v) } else { v }
    };
    let (a, b, c) = (get(0), get(1), get(2));
    let nan = 0x7fff;
    let r = match k.op {
        op::ADD => add_to_odd(a, b),
        op::SUB => add_to_odd(a, -b),
        // Products of two 11-bit or 8-bit mantissas are exact.
        op::MUL => a * b,
        op::FMA => add_to_odd(a * b, c),
        op::DIV => a / b,
        op::RCP => 1.0 / a,
        op::SQRT => a.sqrt(),
        op::RSQRT => 1.0 / a.sqrt(),
        op::EX2 => a.exp2(),
        op::LG2 => a.log2(),
        op::TANH => a.tanh(),
        op::NEG => if a.is_nan() { return nan } else { -a },
        op::ABS => if a.is_nan() { return nan } else { a.abs() },
        op::MIN | op::MAX => {
            let (p, q) = if k.xorsign { (a.abs(), b.abs()) } else { (a, b) };
            let r = if k.nan && (p.is_nan() || q.is_nan()) {
                return nan;
            } else if k.op == op::MIN {
                min64(p, q)
            } else {
                max64(p, q)
            };
            if r.is_nan() {
                return nan;
            }
            if k.xorsign { if (x[0] ^ x[1]) >> 15 != 0 { -r } else { r } } else { r }
        }
        op::COPYSIGN => b.copysign(a),
        _ => a,
    };
    let r = if k.sat { saturate(r) } else { r };
    let r = if k.relu && !(r > 0.0) && !r.is_nan() { 0.0 } else { r };
    let h = to_half(r, k.bf16);
    if k.ftz && !k.bf16 && h & 0x7c00 == 0 { h & 0x8000 } else { h }
}

fn half_form(v: &[u64; 4], imm: u64) -> u64 {
    let k = FloatForm::unpack(imm);
    let part = |s: u32| half_one(k, [(v[0] >> s) as u16, (v[1] >> s) as u16, (v[2] >> s) as u16]);
    if k.packed { u64::from(part(0)) | u64::from(part(16)) << 16 } else { u64::from(part(0)) }
}

/// Two packed single-precision values (add.f32x2 and so on); round to nearest only.
fn f32x2_form(v: &[u64; 4], imm: u64) -> u64 {
    let lo = f32_form(&v.map(|x| x & 0xffff_ffff), imm);
    let hi = f32_form(&v.map(|x| x >> 32), imm);
    lo | hi << 32
}

/// The general scalar form for a type; the immediate is a packed [`FloatForm`].
pub(crate) fn scalar(ty: Type) -> Option<ScalarFn> {
    Some(match ty {
        Type::F32 => f32_form,
        Type::F32x2 => f32x2_form,
        Type::F64 => f64_form,
        Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2 => half_form,
        _ => return None,
    })
}

pub(crate) fn approx64() -> ScalarFn {
    f64_approx
}

/// testp; imm: 0 finite, 1 infinite, 2 number, 3 notanumber, 4 normal, 5 subnormal; bit 8: f64.
fn testp(v: &[u64; 4], imm: u64) -> u64 {
    let (x, subnormal, normal) = if imm >> 8 & 1 != 0 {
        let x = f64::from_bits(v[0]);
        (x, x.is_subnormal(), x.is_normal())
    } else {
        let x = f32::from_bits(v[0] as u32);
        (f64::from(x), x.is_subnormal(), x.is_normal())
    };
    u64::from(match imm & 255 {
        0 => x.is_finite(),
        1 => x.is_infinite(),
        2 => !x.is_nan(),
        3 => x.is_nan(),
        4 => normal,
        _ => subnormal,
    })
}

pub(crate) fn test_property() -> ScalarFn {
    testp
}

/// Comparison by code for the rare types; see [`compare_code`].
fn compare_halves(v: &[u64; 4], imm: u64) -> u64 {
    let bf = imm >> 8 & 1 != 0;
    let shift = (imm >> 16 & 255) as u32;
    let flush = |x: f64| if imm >> 9 & 1 != 0 && !bf && x.abs() < pow2(-14) { 0.0 } else { x };
    let a = flush(from_half((v[0] >> shift) as u16, bf));
    let b = flush(from_half((v[1] >> shift) as u16, bf));
    u64::from(compare_f64(imm & 255, a, b))
}

fn compare_f64(code: u64, a: f64, b: f64) -> bool {
    let u = a.is_nan() || b.is_nan();
    match code {
        0 => a == b,
        1 => a < b || a > b,
        2 => a < b,
        3 => a <= b,
        4 => a > b,
        5 => a >= b,
        6 => u || a == b,
        7 => a != b,
        8 => u || a < b,
        9 => u || a <= b,
        10 => u || a > b,
        11 => u || a >= b,
        12 => !u,
        _ => u,
    }
}

/// Number of a comparison operator for [`half_compare`].
pub(crate) fn compare_code(op: &str) -> Option<u64> {
    ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"]
        .iter()
        .position(|o| *o == op)
        .map(|k| k as u64)
}

/// Comparison of halves: imm = code | bf16 << 8 | ftz << 9 | bit offset << 16.
pub(crate) fn half_compare() -> ScalarFn {
    compare_halves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_as_the_half_crate_does() {
        for bits in 0..=u16::MAX {
            let x = f16::from_bits(bits);
            if !x.is_nan() {
                assert_eq!(to_half(f64::from(x.to_f32()), false), bits);
            }
            let y = bf16::from_bits(bits);
            if !y.is_nan() {
                assert_eq!(to_half(f64::from(y.to_f32()), true), bits);
            }
        }
        let mut s = 0x1234_5678_9abc_def1u64;
        for _ in 0..200_000 {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            let x = f32::from_bits(s as u32);
            if x.is_nan() {
                continue;
            }
            assert_eq!(to_half(f64::from(x), false), f16::from_f32(x).to_bits(), "{x:e}");
            assert_eq!(to_half(f64::from(x), true), bf16::from_f32(x).to_bits(), "{x:e}");
        }
    }

    #[test]
    fn directed_rounding_brackets_the_exact_value() {
        use Round::*;
        let third = |r| directed::f64_op(Arith::Div, r, 1.0, 3.0);
        assert_eq!(third(Up), third(Down).next_up());
        assert_eq!(third(Zero), third(Down));
        assert_eq!(directed::f64_op(Arith::Add, Up, 1.0, 1e-300), 1.0f64.next_up());
        assert_eq!(directed::f64_op(Arith::Add, Zero, 1.0, -1e-300), 1.0f64.next_down());
        assert_eq!(directed::f32_op(Arith::Mul, Zero, f32::MAX, 2.0), f32::MAX);
        assert_eq!(directed::f32_op(Arith::Mul, Down, -f32::MAX, 2.0), f32::NEG_INFINITY);
        assert_eq!(narrow(1.0 + 1e-12, Up), 1.0f32.next_up());
        assert_eq!(narrow(-1.0 - 1e-12, Zero), -1.0);
        // The mode is back to nearest afterwards.
        assert_eq!(std::hint::black_box(1.0f64) / std::hint::black_box(3.0), 1.0 / 3.0);
    }
}
