//! cvt between all types (PTX ISA 9.7.9.21).

use std::marker::PhantomData;

use half::{bf16, f16};

use super::code::{OpFn, ScalarFn};
use super::shape::{Integer, Long, Shape};
use super::float::{Round, flush, from_half, ftz, narrow, saturate, to_half};
use super::lane::*;
use crate::ptx::Type;

struct As<S, D>(PhantomData<(S, D)>);
macro_rules! cast {
    ($($s:ty => $d:ty),*) => {
        $(impl F1 for As<$s, $d> {
            type A = $s;
            type D = $d;
            #[inline(always)]
            fn f(a: $s) -> $d { a as $d }
        })*
    };
}
cast!(u8 => u16, i8 => u16, u8 => u32, i8 => u32, u8 => u64, i8 => u64, u16 => u32, i16 => u32, u16 => u64, i16 => u64,
      u32 => u64, i32 => u64, u32 => u8, u32 => u16, u64 => u8, u64 => u16, u64 => u32, u16 => u8,
      u32 => f32, i32 => f32, u64 => f32, i64 => f32, u32 => f64, i32 => f64, u64 => f64, i64 => f64,
      u16 => f32, i16 => f32, u8 => f32, i8 => f32);

macro_rules! float_cast {
    ($name:ident, $a:ty => $d:ty, |$x:ident| $e:expr) => {
        struct $name<const F: bool>;
        impl<const F: bool> F1 for $name<F> {
            type A = $a;
            type D = $d;
            #[inline(always)]
            fn f($x: $a) -> $d {
                $e
            }
        }
    };
}
float_cast!(F32ToF64, f32 => f64, |x| f64::from(ftz::<F>(x)));
float_cast!(F64ToF32, f64 => f32, |x| ftz::<F>(x as f32));
float_cast!(F32ToS32z, f32 => i32, |x| ftz::<F>(x) as i32);
float_cast!(F32ToU32z, f32 => u32, |x| ftz::<F>(x) as u32);
float_cast!(F32ToS32n, f32 => i32, |x| ftz::<F>(x).round_ties_even() as i32);
float_cast!(F32ToS32m, f32 => i32, |x| ftz::<F>(x).floor() as i32);
float_cast!(F32Rni, f32 => f32, |x| ftz::<F>(x).round_ties_even());
float_cast!(F32Rzi, f32 => f32, |x| ftz::<F>(x).trunc());
float_cast!(F32Rmi, f32 => f32, |x| ftz::<F>(x).floor());
float_cast!(F32Rpi, f32 => f32, |x| ftz::<F>(x).ceil());
float_cast!(F16ToF32, f16 => f32, |x| ftz::<F>(x.to_f32()));
float_cast!(F32ToF16, f32 => f16, |x| if x.is_nan() { f16::from_bits(0x7fff) } else { f16::from_f32(ftz::<F>(x)) });
float_cast!(Bf16ToF32, bf16 => f32, |x| ftz::<F>(f32::from_bits(u32::from(x.to_bits()) << 16)));
float_cast!(F32ToBf16, f32 => bf16, |x| if x.is_nan() { bf16::from_bits(0x7fff) } else { bf16::from_f32(ftz::<F>(x)) });
float_cast!(F32Sat, f32 => f32, |x| { let x = ftz::<F>(x); if x > 0.0 { x.min(1.0) } else { 0.0 } });

/// Rounding modifier of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CvtRound {
    None = 0,
    Rn = 1,
    Rz = 2,
    Rm = 3,
    Rp = 4,
    Rni = 5,
    Rzi = 6,
    Rmi = 7,
    Rpi = 8,
    Rna = 9,
}

impl CvtRound {
    fn from_bits(v: u64) -> CvtRound {
        use CvtRound::*;
        [None, Rn, Rz, Rm, Rp, Rni, Rzi, Rmi, Rpi, Rna][(v as usize).min(9)]
    }

    fn direction(self) -> Round {
        match self {
            CvtRound::Rz | CvtRound::Rzi => Round::Zero,
            CvtRound::Rm | CvtRound::Rmi => Round::Down,
            CvtRound::Rp | CvtRound::Rpi => Round::Up,
            _ => Round::Nearest,
        }
    }
}

/// A conversion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cvt {
    pub dst: Type,
    pub src: Type,
    pub round: CvtRound,
    pub sat: bool,
    pub ftz: bool,
    pub relu: bool,
    /// Bits of the destination register, to which signed results are extended.
    pub register_bits: u32,
}

const TYPES: [Type; 12] = [
    Type::U8, Type::S8, Type::U16, Type::S16, Type::U32, Type::S32, Type::U64, Type::S64, Type::F16, Type::Bf16,
    Type::F32, Type::F64,
];

fn code(t: Type) -> Option<u64> {
    TYPES.iter().position(|x| *x == t).map(|k| k as u64)
}

impl Cvt {
    /// The immediate of [`scalar`]; None if a type cannot take part.
    pub fn pack(self) -> Option<u64> {
        Some(
            code(self.dst)?
                | code(self.src)? << 8
                | (self.round as u64) << 16
                | u64::from(self.sat) << 20
                | u64::from(self.ftz) << 21
                | u64::from(self.relu) << 22
                | u64::from(self.register_bits) << 24,
        )
    }

    /// The vector form, for the common conversions.
    pub fn vector(self) -> Option<OpFn> {
        use Type::*;
        if self.relu {
            return Option::None;
        }
        let (s, d) = (self.src, self.dst);
        let int = |t: Type| !t.is_float();
        if int(s) && int(d) && !self.sat {
            if d.is_signed() && d.size() * 8 < self.register_bits {
                return Option::None;
            }
            return Some(match (s, d.size()) {
                (U8, 2) => pick::<Op1<As<u8, u16>>>(),
                (S8, 2) => pick::<Op1<As<i8, u16>>>(),
                (U8, 4) => pick::<Op1<As<u8, u32>>>(),
                (S8, 4) => pick::<Op1<As<i8, u32>>>(),
                (U8, 8) => pick::<Op1<As<u8, u64>>>(),
                (S8, 8) => pick::<Op1<As<i8, u64>>>(),
                (U16, 4) => pick::<Op1<As<u16, u32>>>(),
                (S16, 4) => pick::<Op1<As<i16, u32>>>(),
                (U16, 8) => pick::<Op1<As<u16, u64>>>(),
                (S16, 8) => pick::<Op1<As<i16, u64>>>(),
                (U32, 8) => pick::<Op1<As<u32, u64>>>().shaped(Some(Shape::Long(Long::Extend { signed: false }))),
                (S32, 8) => pick::<Op1<As<i32, u64>>>().shaped(Some(Shape::Long(Long::Extend { signed: true }))),
                (U32 | S32, 1) => pick::<Op1<As<u32, u8>>>(),
                (U32 | S32, 2) => pick::<Op1<As<u32, u16>>>(),
                (U64 | S64, 1) => pick::<Op1<As<u64, u8>>>(),
                (U64 | S64, 2) => pick::<Op1<As<u64, u16>>>(),
                (U64 | S64, 4) => pick::<Op1<As<u64, u32>>>().shaped(Some(Shape::Integer(Integer::Low))),
                (U16 | S16, 1) => pick::<Op1<As<u16, u8>>>(),
                (U32 | S32, 4) => super::int::copy(false),
                (U64 | S64, 8) => super::int::copy(true),
                _ => return Option::None,
            });
        }
        macro_rules! f {
            ($t:ident) => {
                if self.ftz { pick::<Op1<$t<true>>>() } else { pick::<Op1<$t<false>>>() }
            };
        }
        use CvtRound::*;
        if self.sat && !(int(d) || (s == F32 && d == F32 && self.round == None)) {
            return Option::None;
        }
        Some(match (s, d, self.round) {
            (U32, F32, Rn) => pick::<Op1<As<u32, f32>>>(),
            (S32, F32, Rn) => pick::<Op1<As<i32, f32>>>().shaped(Some(Shape::Integer(Integer::ToFloat))),
            (U64, F32, Rn) => pick::<Op1<As<u64, f32>>>(),
            (S64, F32, Rn) => pick::<Op1<As<i64, f32>>>(),
            (U16, F32, Rn) => pick::<Op1<As<u16, f32>>>(),
            (S16, F32, Rn) => pick::<Op1<As<i16, f32>>>(),
            (U8, F32, Rn) => pick::<Op1<As<u8, f32>>>(),
            (S8, F32, Rn) => pick::<Op1<As<i8, f32>>>(),
            (U32, F64, _) => pick::<Op1<As<u32, f64>>>(),
            (S32, F64, _) => pick::<Op1<As<i32, f64>>>(),
            (U64, F64, Rn) => pick::<Op1<As<u64, f64>>>(),
            (S64, F64, Rn) => pick::<Op1<As<i64, f64>>>(),
            (F32, F64, None) => f!(F32ToF64),
            (F64, F32, Rn) => f!(F64ToF32),
            (F32, S32, Rzi) => f!(F32ToS32z),
            (F32, U32, Rzi) => f!(F32ToU32z),
            (F32, S32, Rni) => f!(F32ToS32n),
            (F32, S32, Rmi) => f!(F32ToS32m),
            (F32, F32, Rni) => f!(F32Rni),
            (F32, F32, Rzi) => f!(F32Rzi),
            (F32, F32, Rmi) => f!(F32Rmi),
            (F32, F32, Rpi) => f!(F32Rpi),
            (F32, F32, None) if self.sat => f!(F32Sat),
            (F16, F32, None) => f!(F16ToF32),
            (F32, F16, Rn) => f!(F32ToF16),
            (Bf16, F32, None) => f!(Bf16ToF32),
            (F32, Bf16, Rn) => f!(F32ToBf16),
            _ => return Option::None,
        })
    }
}

fn int_range(t: Type) -> (i128, i128) {
    let bits = t.size() * 8;
    if t.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// Rounds to an integral value in the given direction.
fn integral(x: f64, round: CvtRound) -> f64 {
    match round.direction() {
        Round::Nearest => x.round_ties_even(),
        Round::Zero => x.trunc(),
        Round::Down => x.floor(),
        Round::Up => x.ceil(),
    }
}

/// Half from an exact double, in the given direction.
fn half_directed(x: f64, bf: bool, round: Round) -> u16 {
    let h = to_half(x, bf);
    if round == Round::Nearest || x.is_nan() {
        return h;
    }
    let v = from_half(h, bf);
    // Neighbours in magnitude differ by one in the low 15 bits.
    let toward_zero = |h: u16| h - 1;
    let away = |h: u16| h + 1;
    let (too_high, too_low) = (v > x, v < x);
    match round {
        Round::Zero if v.abs() > x.abs() => toward_zero(h),
        Round::Down if too_high && h == 0 => 0x8001,
        Round::Down if too_high => if h >> 15 == 0 { toward_zero(h) } else { away(h) },
        Round::Up if too_low && h == 0x8000 => 1,
        Round::Up if too_low => if h >> 15 == 0 { away(h) } else { toward_zero(h) },
        _ => h,
    }
}

/// i128 to a float type in the given direction, as bits.
fn int_to_float(v: i128, t: Type, round: Round) -> u64 {
    match t {
        Type::F64 => {
            let r = v as f64;
            let exact = r as i128;
            let r = match round {
                Round::Up if exact < v => r.next_up(),
                Round::Down if exact > v => r.next_down(),
                Round::Zero if exact.abs() > v.abs() => if r > 0.0 { r.next_down() } else { r.next_up() },
                _ => r,
            };
            r.to_bits()
        }
        Type::F32 => {
            let r = v as f32;
            let exact = r as i128;
            let r = match round {
                Round::Up if exact < v => r.next_up(),
                Round::Down if exact > v => r.next_down(),
                Round::Zero if exact.abs() > v.abs() => if r > 0.0 { r.next_down() } else { r.next_up() },
                _ => r,
            };
            u64::from(r.to_bits())
        }
        // More than 53 bits overflow f16 anyway; for bf16 a sticky bit keeps the rounding right.
        _ => {
            let m = v.unsigned_abs();
            let drop = (128 - m.leading_zeros()).saturating_sub(50);
            let kept = (m >> drop) << drop | if m & ((1 << drop) - 1) != 0 { 1 << drop } else { 0 };
            let x = kept as f64 * if v < 0 { -1.0 } else { 1.0 };
            u64::from(half_directed(x, t == Type::Bf16, round))
        }
    }
}

/// Any conversion, one lane.
fn convert(v: &[u64; 4], imm: u64) -> u64 {
    let dst = TYPES[(imm & 15) as usize % 12];
    let src = TYPES[(imm >> 8 & 15) as usize % 12];
    let round = CvtRound::from_bits(imm >> 16 & 15);
    let (sat, ftz, relu) = (imm >> 20 & 1 != 0, imm >> 21 & 1 != 0, imm >> 22 & 1 != 0);
    let register_bits = (imm >> 24 & 127) as u32;
    let extend = |r: i128| {
        let bits = if dst.is_signed() { register_bits.max(dst.size() * 8) } else { dst.size() * 8 };
        if bits >= 64 { r as u64 } else { r as u64 & ((1 << bits) - 1) }
    };
    let wrap = |r: i128| {
        let s = 128 - dst.size() * 8;
        if dst.is_signed() { r << s >> s } else { ((r as u128) << s >> s) as i128 }
    };
    if !src.is_float() {
        let s = 64 - src.size() * 8;
        let x = if src.is_signed() { i128::from((v[0] << s) as i64 >> s) } else { i128::from(v[0] << s >> s) };
        if dst.is_float() {
            let r = int_to_float(x, dst, round.direction());
            return if sat { saturate_bits(r, dst) } else { r };
        }
        let (lo, hi) = int_range(dst);
        return extend(if sat { x.clamp(lo, hi) } else { wrap(x) });
    }
    let x = match src {
        Type::F32 => {
            let x = f32::from_bits(v[0] as u32);
            f64::from(if ftz { flush(x) } else { x })
        }
        Type::F64 => f64::from_bits(v[0]),
        _ => from_half(v[0] as u16, src == Type::Bf16),
    };
    if !dst.is_float() {
        if x.is_nan() {
            let zero = src != Type::F64 && dst.size() < 8;
            return if zero { 0 } else { extend(wrap(1 << (dst.size() * 8 - 1))) };
        }
        let (lo, hi) = int_range(dst);
        // `as` saturates, far beyond the range of the destination.
        return extend((integral(x, round) as i128).clamp(lo, hi));
    }
    let x = match round {
        CvtRound::Rni | CvtRound::Rzi | CvtRound::Rmi | CvtRound::Rpi => integral(x, round),
        _ => x,
    };
    let x = if sat { saturate(x) } else { x };
    let x = if relu && !(x > 0.0) && !x.is_nan() { 0.0 } else { x };
    let direction = if matches!(round, CvtRound::Rni | CvtRound::Rzi | CvtRound::Rmi | CvtRound::Rpi) {
        Round::Nearest
    } else {
        round.direction()
    };
    match dst {
        Type::F64 => x.to_bits(),
        Type::F32 => {
            let r = narrow(x, direction);
            u64::from(if ftz { flush(r) } else { r }.to_bits())
        }
        _ => u64::from(half_directed(x, dst == Type::Bf16, direction)),
    }
}

fn saturate_bits(r: u64, t: Type) -> u64 {
    match t {
        Type::F64 => saturate(f64::from_bits(r)).to_bits(),
        Type::F32 => u64::from((saturate(f64::from(f32::from_bits(r as u32))) as f32).to_bits()),
        _ => u64::from(to_half(saturate(from_half(r as u16, t == Type::Bf16)), t == Type::Bf16)),
    }
}

/// cvt.{f16x2,bf16x2}.f32 d, a, b: a to the upper half. imm: 1 bf16, 2 relu, 4 rz, 8 ftz, 16 sat to finite.
fn pack_halves(v: &[u64; 4], imm: u64) -> u64 {
    let bf = imm & 1 != 0;
    let one = |bits: u64| {
        let x = f32::from_bits(bits as u32);
        let x = f64::from(if imm & 8 != 0 { flush(x) } else { x });
        let x = if imm & 2 != 0 && !(x > 0.0) && !x.is_nan() { 0.0 } else { x };
        let h = half_directed(x, bf, if imm & 4 != 0 { Round::Zero } else { Round::Nearest });
        let inf = if bf { 0x7f80 } else { 0x7c00 };
        u64::from(if imm & 16 != 0 && h & 0x7fff == inf { h - 1 } else { h })
    };
    one(v[0]) << 16 | one(v[1])
}

/// cvt to tf32; imm: 0 rna, 1 rn, 2 rz; bit 2: relu, bit 3: infinities become the largest finite value.
fn to_tf32(v: &[u64; 4], imm: u64) -> u64 {
    let b = v[0] as u32;
    if f32::from_bits(b).is_nan() {
        return 0x7fff_ffff;
    }
    let r = match imm & 3 {
        _ if b & 0x7f80_0000 == 0x7f80_0000 => b,
        0 => b.wrapping_add(0x1000),
        1 => b.wrapping_add(0xfff + (b >> 13 & 1)),
        _ => b,
    } & 0xffff_e000;
    let r = if imm & 8 != 0 && r & 0x7fff_ffff == 0x7f80_0000 { r - 0x2000 } else { r };
    u64::from(if imm & 4 != 0 && r >> 31 != 0 { 0 } else { r })
}

/// Eight-bit floats from two singles, a to the upper byte. imm: 1 e5m2 (else e4m3), 2 relu, 4: the source a holds
/// two f16 instead. Out-of-range values become the largest finite one (.satfinite).
fn pack_fp8(v: &[u64; 4], imm: u64) -> u64 {
    let e5m2 = imm & 1 != 0;
    let (mant, bias, max) = if e5m2 { (2, 15, 57344.0) } else { (3, 7, 448.0) };
    let one = |x: f64| -> u64 {
        if x.is_nan() {
            return 0x7f;
        }
        let x = if imm & 2 != 0 && x.is_sign_negative() { 0.0 } else { x };
        let sign = if x.is_sign_negative() { 0x80 } else { 0 };
        let m = x.abs().min(max);
        let e = (((m.to_bits() >> 52) as i32) - 1023).max(1 - bias);
        let n = (m * 2f64.powi(mant - e)).round_ties_even() as u64;
        let bits = if n >= 1 << mant { (((e + bias) as u64 - 1) << mant) + n } else { n };
        sign | bits.min(if e5m2 { 0x7b } else { 0x7e })
    };
    let (hi, lo) = if imm & 4 != 0 {
        (from_half((v[0] >> 16) as u16, false), from_half(v[0] as u16, false))
    } else {
        (f64::from(f32::from_bits(v[0] as u32)), f64::from(f32::from_bits(v[1] as u32)))
    };
    one(hi) << 8 | one(lo)
}

/// Two eight-bit floats to f16x2. imm: 1 e5m2, 2 relu.
fn unpack_fp8(v: &[u64; 4], imm: u64) -> u64 {
    let one = |b: u64| -> u64 {
        let b = b as u8;
        let h = if imm & 1 != 0 {
            u16::from(b) << 8
        } else if b & 0x7f == 0x7f {
            0x7fff
        } else {
            let (e, m) = (i32::from(b >> 3 & 15), f64::from(b & 7));
            let x = if e == 0 { m * 2f64.powi(-9) } else { (8.0 + m) * 2f64.powi(e - 10) };
            to_half(if b >> 7 != 0 { -x } else { x }, false)
        };
        u64::from(if imm & 2 != 0 && h >> 15 != 0 && h & 0x7fff <= 0x7c00 { 0 } else { h })
    };
    one(v[0] >> 8) << 16 | one(v[0])
}

/// Scalar forms by name: `any` takes [`Cvt::pack`]; the others state their immediate above.
pub(crate) fn scalar(name: &str) -> Option<ScalarFn> {
    Some(match name {
        "any" => convert,
        "pack" => pack_halves,
        "tf32" => to_tf32,
        "pack8" => pack_fp8,
        "unpack8" => unpack_fp8,
        _ => return None,
    })
}
