//! Binary floating point from integers alone: every format of PTX, every rounding, exact until the one rounding at the
//! end. Nothing of the executor is used here.

/// 256-bit unsigned integer, as far as the references need it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Wide {
    hi: u128,
    lo: u128,
}

impl Wide {
    pub fn from(v: u128) -> Wide {
        Wide { hi: 0, lo: v }
    }
    pub fn is_zero(self) -> bool {
        self.hi == 0 && self.lo == 0
    }
    /// Number of significant bits.
    pub fn bits(self) -> u32 {
        if self.hi != 0 { 256 - self.hi.leading_zeros() } else { 128 - self.lo.leading_zeros() }
    }
    pub fn shl(self, n: u32) -> Wide {
        assert!(self.is_zero() || self.bits() + n <= 256, "reference overflow");
        match n {
            0 => self,
            1..=127 => Wide { hi: self.hi << n | self.lo >> (128 - n), lo: self.lo << n },
            128..=255 => Wide { hi: self.lo << (n - 128), lo: 0 },
            _ => Wide::default(),
        }
    }
    pub fn shr(self, n: u32) -> Wide {
        match n {
            0 => self,
            1..=127 => Wide { hi: self.hi >> n, lo: self.lo >> n | self.hi << (128 - n) },
            128..=255 => Wide { hi: 0, lo: self.hi >> (n - 128) },
            _ => Wide::default(),
        }
    }
    /// The low `n` bits.
    pub fn low(self, n: u32) -> Wide {
        if n >= 256 { self } else { self.sub(self.shr(n).shl(n)) }
    }
    pub fn add(self, o: Wide) -> Wide {
        let (lo, carry) = self.lo.overflowing_add(o.lo);
        Wide { hi: self.hi + o.hi + u128::from(carry), lo }
    }
    pub fn sub(self, o: Wide) -> Wide {
        let (lo, borrow) = self.lo.overflowing_sub(o.lo);
        Wide { hi: self.hi - o.hi - u128::from(borrow), lo }
    }
    pub fn to_u128(self) -> u128 {
        assert_eq!(self.hi, 0);
        self.lo
    }
}

/// A format: exponent and stored mantissa bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub exp: u32,
    pub mant: u32,
    /// No infinities; all ones is NaN (e4m3).
    pub finite_only: bool,
}

pub const F16: Format = Format { exp: 5, mant: 10, finite_only: false };
pub const BF16: Format = Format { exp: 8, mant: 7, finite_only: false };
pub const F32: Format = Format { exp: 8, mant: 23, finite_only: false };
pub const F64: Format = Format { exp: 11, mant: 52, finite_only: false };
pub const TF32: Format = Format { exp: 8, mant: 10, finite_only: false };
pub const E5M2: Format = Format { exp: 5, mant: 2, finite_only: false };
pub const E4M3: Format = Format { exp: 4, mant: 3, finite_only: true };

/// Rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Rn,
    Rz,
    Rm,
    Rp,
    /// Nearest, ties away from zero.
    Rna,
}

pub const MODES: [(&str, Mode); 4] = [("rn", Mode::Rn), ("rz", Mode::Rz), ("rm", Mode::Rm), ("rp", Mode::Rp)];

/// A value; finite ones are mant * 2^exp, the lowest bit of mant may stand for "and a little more".
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    Nan,
    Inf(bool),
    Zero(bool),
    Finite { neg: bool, mant: Wide, exp: i32 },
}
use Value::*;

impl Format {
    pub fn bits(self) -> u32 {
        1 + self.exp + self.mant
    }
    pub fn bias(self) -> i32 {
        (1 << (self.exp - 1)) - 1
    }
    pub fn sign(self, b: u64) -> bool {
        b >> (self.exp + self.mant) & 1 != 0
    }
    pub fn sign_bit(self) -> u64 {
        1 << (self.exp + self.mant)
    }
    pub fn inf(self) -> u64 {
        ((1u64 << self.exp) - 1) << self.mant
    }
    /// Largest finite value.
    pub fn max(self) -> u64 {
        if self.finite_only { (1 << (self.exp + self.mant)) - 2 } else { self.inf() - 1 }
    }
    pub fn is_nan(self, b: u64) -> bool {
        let m = b & (self.sign_bit() - 1);
        if self.finite_only { m == self.sign_bit() - 1 } else { m > self.inf() }
    }
    pub fn is_subnormal(self, b: u64) -> bool {
        b & self.inf() == 0 && b & (self.sign_bit() - 1) != 0
    }
    /// Subnormal numbers become zeros of their sign.
    pub fn flush(self, b: u64) -> u64 {
        if self.is_subnormal(b) { b & self.sign_bit() } else { b }
    }
    pub fn decode(self, b: u64) -> Value {
        let b = b & (self.sign_bit() | (self.sign_bit() - 1));
        let neg = self.sign(b);
        let m = b & (self.sign_bit() - 1);
        let (e, f) = ((m >> self.mant) as i32, m & ((1 << self.mant) - 1));
        if self.is_nan(b) {
            Nan
        } else if !self.finite_only && m == self.inf() {
            Inf(neg)
        } else if m == 0 {
            Zero(neg)
        } else {
            let f = if e == 0 { f } else { f | 1 << self.mant };
            Finite { neg, mant: Wide::from(u128::from(f)), exp: e.max(1) - self.bias() - self.mant as i32 }
        }
    }
    /// The bits of a value rounded once; NaN is all ones but the sign.
    pub fn encode(self, v: Value, mode: Mode) -> u64 {
        let (neg, mant, exp) = match v {
            Nan => return self.sign_bit() - 1,
            Inf(n) => return if n { self.sign_bit() } else { 0 } | if self.finite_only { self.max() } else { self.inf() },
            Zero(n) => return if n { self.sign_bit() } else { 0 },
            Finite { neg, mant, exp } => (neg, mant, exp),
        };
        let sign = if neg { self.sign_bit() } else { 0 };
        // Exponent of the quantum of the result.
        let quantum = (exp + mant.bits() as i32 - 1 - self.mant as i32).max(1 - self.bias() - self.mant as i32);
        let n = if quantum <= exp {
            mant.shl((exp - quantum) as u32).to_u128() as u64
        } else {
            let drop = (quantum - exp) as u32;
            let kept = if drop >= 256 { 0 } else { mant.shr(drop).to_u128() as u64 };
            let rest = if drop >= 256 { mant } else { mant.low(drop) };
            let half = if drop > 256 { std::cmp::Ordering::Less } else { rest.cmp(&Wide::from(1).shl((drop - 1).min(255))) };
            let up = match mode {
                Mode::Rz => false,
                Mode::Rm => neg && !rest.is_zero(),
                Mode::Rp => !neg && !rest.is_zero(),
                Mode::Rn => half.is_gt() || half.is_eq() && kept & 1 == 1,
                Mode::Rna => half.is_ge(),
            };
            kept + u64::from(up)
        };
        // The quantum of subnormal numbers is that of the lowest binade; carries move on into the exponent by themselves.
        let e = quantum + self.bias() + self.mant as i32;
        let field = if n >= 1 << self.mant { ((e - 1).max(0) as u128) << self.mant } else { 0 } + u128::from(n);
        let most = u128::from(self.max());
        if field > most {
            let away = match mode {
                Mode::Rn | Mode::Rna => true,
                Mode::Rz => false,
                Mode::Rm => neg,
                Mode::Rp => !neg,
            };
            return sign | if away && !self.finite_only { self.inf() } else { self.max() };
        }
        sign | field as u64
    }
}

fn sum(an: bool, am: Wide, ae: i32, bn: bool, bm: Wide, be: i32, mode: Mode) -> Value {
    // The first is the one whose lowest bit weighs more.
    let ((an, am, ae), (bn, bm, be)) = if ae >= be { ((an, am, ae), (bn, bm, be)) } else { ((bn, bm, be), (an, am, ae)) };
    let gap = (ae - be) as u32;
    let (am, bm, exp) = if gap <= 140 {
        (am.shl(gap), bm, be)
    } else {
        // Too far below to matter but for its presence.
        (am.shl(140), Wide::from(1), ae - 140)
    };
    let (neg, mant) = if an == bn {
        (an, am.add(bm))
    } else if am >= bm {
        (an, am.sub(bm))
    } else {
        (bn, bm.sub(am))
    };
    if mant.is_zero() { Zero(mode == Mode::Rm) } else { Finite { neg, mant, exp } }
}

pub fn add(a: Value, b: Value, mode: Mode) -> Value {
    match (a, b) {
        (Nan, _) | (_, Nan) => Nan,
        (Inf(x), Inf(y)) => if x == y { a } else { Nan },
        (Inf(_), _) => a,
        (_, Inf(_)) => b,
        (Zero(x), Zero(y)) => Zero(if x == y { x } else { mode == Mode::Rm }),
        (Zero(_), _) => b,
        (_, Zero(_)) => a,
        (Finite { neg: an, mant: am, exp: ae }, Finite { neg: bn, mant: bm, exp: be }) => sum(an, am, ae, bn, bm, be, mode),
    }
}

pub fn neg(a: Value) -> Value {
    match a {
        Nan => Nan,
        Inf(n) => Inf(!n),
        Zero(n) => Zero(!n),
        Finite { neg, mant, exp } => Finite { neg: !neg, mant, exp },
    }
}

fn is_neg(a: Value) -> bool {
    match a {
        Nan => false,
        Inf(n) | Zero(n) => n,
        Finite { neg, .. } => neg,
    }
}

pub fn mul(a: Value, b: Value) -> Value {
    let s = is_neg(a) != is_neg(b);
    match (a, b) {
        (Nan, _) | (_, Nan) | (Inf(_), Zero(_)) | (Zero(_), Inf(_)) => Nan,
        (Inf(_), _) | (_, Inf(_)) => Inf(s),
        (Zero(_), _) | (_, Zero(_)) => Zero(s),
        (Finite { mant: am, exp: ae, .. }, Finite { mant: bm, exp: be, .. }) => {
            Finite { neg: s, mant: Wide::from(am.to_u128() * bm.to_u128()), exp: ae + be }
        }
    }
}

pub fn fma(a: Value, b: Value, c: Value, mode: Mode) -> Value {
    add(mul(a, b), c, mode)
}

pub fn div(a: Value, b: Value) -> Value {
    let s = is_neg(a) != is_neg(b);
    match (a, b) {
        (Nan, _) | (_, Nan) | (Inf(_), Inf(_)) | (Zero(_), Zero(_)) => Nan,
        (Inf(_), _) | (_, Zero(_)) => Inf(s),
        (Zero(_), _) | (_, Inf(_)) => Zero(s),
        (Finite { mant: am, exp: ae, .. }, Finite { mant: bm, exp: be, .. }) => {
            // At least 60 bits of quotient whatever the lengths of the two.
            let shift = 127 - am.bits();
            let (n, d) = (am.to_u128() << shift, bm.to_u128());
            let q = (n / d) << 1 | u128::from(n % d != 0);
            Finite { neg: s, mant: Wide::from(q), exp: ae - shift as i32 - be - 1 }
        }
    }
}

/// Whole part of the square root.
fn isqrt(n: u128) -> u128 {
    let mut r = 0u128;
    for k in (0..64).rev() {
        let t = r | 1 << k;
        if t * t <= n {
            r = t;
        }
    }
    r
}

pub fn sqrt(a: Value) -> Value {
    match a {
        Nan | Inf(true) | Finite { neg: true, .. } => Nan,
        Inf(false) | Zero(_) => a,
        Finite { mant, exp, .. } => {
            let mut shift = 127 - mant.bits();
            if (exp - shift as i32) % 2 != 0 {
                shift -= 1;
            }
            let n = mant.to_u128() << shift;
            let r = isqrt(n);
            Finite { neg: false, mant: Wide::from(r << 1 | u128::from(r * r != n)), exp: (exp - shift as i32) / 2 - 1 }
        }
    }
}

pub fn from_int(v: i128) -> Value {
    if v == 0 { Zero(false) } else { Finite { neg: v < 0, mant: Wide::from(v.unsigned_abs()), exp: 0 } }
}

/// Rounded to an integer, kept in [-2^100, 2^100]; None for NaN.
pub fn to_int(v: Value, mode: Mode) -> Option<i128> {
    const FAR: i128 = 1 << 100;
    let (neg, mant, exp) = match v {
        Nan => return None,
        Inf(n) => return Some(if n { -FAR } else { FAR }),
        Zero(_) => return Some(0),
        Finite { neg, mant, exp } => (neg, mant, exp),
    };
    if exp >= 0 {
        let big = mant.bits() as i32 + exp > 100;
        let m = if big { FAR } else { (mant.to_u128() << exp) as i128 };
        return Some(if neg { -m } else { m });
    }
    let drop = exp.unsigned_abs();
    let kept = if drop >= 256 { 0 } else { mant.shr(drop).to_u128() as i128 };
    let rest = if drop >= 256 { mant } else { mant.low(drop) };
    let half = if drop > 256 { std::cmp::Ordering::Less } else { rest.cmp(&Wide::from(1).shl((drop - 1).min(255))) };
    let up = match mode {
        Mode::Rz => false,
        Mode::Rm => neg && !rest.is_zero(),
        Mode::Rp => !neg && !rest.is_zero(),
        Mode::Rn => half.is_gt() || half.is_eq() && kept & 1 == 1,
        Mode::Rna => half.is_ge(),
    };
    let m = kept + i128::from(up);
    Some(if neg { -m } else { m })
}

/// Ordering of two values, None if one is NaN; zeros are equal.
pub fn order(a: Value, b: Value) -> Option<std::cmp::Ordering> {
    match add(a, neg(b), Mode::Rn) {
        _ if a == Nan || b == Nan => None,
        // Equal infinities.
        Nan => Some(std::cmp::Ordering::Equal),
        Zero(_) => Some(std::cmp::Ordering::Equal),
        x => Some(if is_neg(x) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }),
    }
}

/// The value as a double; exact for every format but those with more bits than a double.
pub fn to_f64(v: Value) -> f64 {
    f64::from_bits(F64.encode(v, Mode::Rn))
}

#[test]
fn the_references_agree_with_the_processor() {
    let mut s = 0x853c_49e6_748f_ea9bu64;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        s
    };
    let same = |got: u64, want: f64, what: &str| {
        assert!(got == want.to_bits() || want.is_nan() && f64::from_bits(got).is_nan(), "{what}: {got:x} {:x}", want.to_bits());
    };
    for k in 0..20_000 {
        let pick = |r: u64| match k % 4 {
            0 => r,
            1 => r & 0xbfff_ffff_ffff_ffff | 0x3ff0_0000_0000_0000,
            2 => r & 0x800f_ffff_ffff_ffff,
            _ => r & !0xffff_ffff,
        };
        let (x, y, z) = (f64::from_bits(pick(next())), f64::from_bits(pick(next())), f64::from_bits(pick(next())));
        let (a, b, c) = (F64.decode(x.to_bits()), F64.decode(y.to_bits()), F64.decode(z.to_bits()));
        same(F64.encode(a, Mode::Rz), x, "decode");
        same(F64.encode(add(a, b, Mode::Rn), Mode::Rn), x + y, "add");
        same(F64.encode(mul(a, b), Mode::Rn), x * y, "mul");
        same(F64.encode(div(a, b), Mode::Rn), x / y, "div");
        same(F64.encode(sqrt(a), Mode::Rn), x.sqrt(), "sqrt");
        same(F64.encode(fma(a, b, c, Mode::Rn), Mode::Rn), x.mul_add(y, z), "fma");
        let narrow = F32.encode(a, Mode::Rn) as u32;
        assert!(narrow == (x as f32).to_bits() || x.is_nan());
        if let Some(n) = to_int(a, Mode::Rz) {
            assert_eq!(n.clamp(i64::MIN.into(), i64::MAX.into()), i128::from(x as i64));
        }
        assert_eq!(order(a, b), x.partial_cmp(&y));
    }
}
