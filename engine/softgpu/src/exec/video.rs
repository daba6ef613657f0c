//! Video instructions (PTX ISA 9.7.17): one word, two halfwords or four bytes at a time, with selection of parts,
//! saturation, and a second operation or a merge with the third operand.

use super::code::ScalarFn;

/// A selector: which bits of a register a scalar video operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub shift: u32,
    pub bits: u32,
}

impl Part {
    pub const WORD: Part = Part { shift: 0, bits: 32 };

    fn pack(self) -> u64 {
        u64::from(self.shift / 8) | u64::from(self.bits / 8) << 2
    }

    fn unpack(v: u64) -> Part {
        Part { shift: (v & 3) as u32 * 8, bits: ((v >> 2 & 7) as u32 * 8).clamp(8, 32) }
    }

    fn read(self, v: u64, signed: bool) -> i128 {
        let x = (v as u32 >> self.shift) & mask(self.bits);
        if signed { i128::from((x << (32 - self.bits)) as i32 >> (32 - self.bits)) } else { i128::from(x) }
    }
}

fn mask(bits: u32) -> u32 {
    if bits >= 32 { !0 } else { (1 << bits) - 1 }
}

/// What a video instruction computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Compute {
    Add,
    Sub,
    AbsDiff,
    Min,
    Max,
    ShlClamp,
    ShlWrap,
    ShrClamp,
    ShrWrap,
    Average,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

const COMPUTES: [Compute; 16] = {
    use Compute::*;
    [Add, Sub, AbsDiff, Min, Max, ShlClamp, ShlWrap, ShrClamp, ShrWrap, Average, Eq, Ne, Lt, Le, Gt, Ge]
};

impl Compute {
    fn of(self, a: i128, b: i128) -> i128 {
        use Compute::*;
        match self {
            Add => a + b,
            Sub => a - b,
            AbsDiff => (a - b).abs(),
            Min => a.min(b),
            Max => a.max(b),
            ShlClamp => a << b.clamp(0, 32),
            ShlWrap => a << (b & 31),
            ShrClamp => a >> b.clamp(0, 32),
            ShrWrap => a >> (b & 31),
            Average => if a + b >= 0 { (a + b + 1) >> 1 } else { (a + b) >> 1 },
            Eq => (a == b).into(),
            Ne => (a != b).into(),
            Lt => (a < b).into(),
            Le => (a <= b).into(),
            Gt => (a > b).into(),
            Ge => (a >= b).into(),
        }
    }
}

/// What happens to a result and the third operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Second {
    None,
    Add,
    Min,
    Max,
}

/// A scalar video instruction; the immediate of [`scalar`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar {
    pub compute: Compute,
    pub signed: [bool; 2],
    pub d_signed: bool,
    pub saturate: bool,
    pub second: Second,
    pub a: Part,
    pub b: Part,
    /// Part of the result that is replaced; the rest is the third operand.
    pub merge: Option<Part>,
}

fn clamp(v: i128, bits: u32, signed: bool) -> i128 {
    if signed { v.clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { v.clamp(0, (1 << bits) - 1) }
}

impl Scalar {
    pub fn pack(self) -> u64 {
        self.compute as u64
            | u64::from(self.signed[0]) << 4
            | u64::from(self.signed[1]) << 5
            | u64::from(self.d_signed) << 6
            | u64::from(self.saturate) << 7
            | (self.second as u64) << 8
            | self.a.pack() << 16
            | self.b.pack() << 24
            | self.merge.map_or(0, |p| p.pack() | 1 << 7) << 32
    }

    fn unpack(v: u64) -> Scalar {
        Scalar {
            compute: COMPUTES[(v & 15) as usize],
            signed: [v >> 4 & 1 != 0, v >> 5 & 1 != 0],
            d_signed: v >> 6 & 1 != 0,
            saturate: v >> 7 & 1 != 0,
            second: [Second::None, Second::Add, Second::Min, Second::Max][(v >> 8 & 3) as usize],
            a: Part::unpack(v >> 16),
            b: Part::unpack(v >> 24),
            merge: (v >> 39 & 1 != 0).then(|| Part::unpack(v >> 32)),
        }
    }
}

fn scalar_op(v: &[u64; 4], imm: u64) -> u64 {
    let k = Scalar::unpack(imm);
    let r = k.compute.of(k.a.read(v[0], k.signed[0]), k.b.read(v[1], k.signed[1]));
    let r = if k.saturate { clamp(r, k.merge.map_or(32, |p| p.bits), k.d_signed) } else { r };
    let c = v[2] as u32;
    let order = |x: u32| if k.d_signed { i64::from(x as i32) } else { i64::from(x) };
    let r = r as u32;
    let r = match k.second {
        Second::None => r,
        Second::Add => r.wrapping_add(c),
        Second::Min => if order(r) < order(c) { r } else { c },
        Second::Max => if order(r) > order(c) { r } else { c },
    };
    u64::from(match k.merge {
        Some(p) => c & !(mask(p.bits) << p.shift) | (r & mask(p.bits)) << p.shift,
        None => r,
    })
}

pub(crate) fn scalar() -> ScalarFn {
    scalar_op
}

/// vmad; immediate: parts of a and b in bits 16.. and 24.., and the flags below.
pub(crate) mod mad {
    pub const A_SIGNED: u64 = 1;
    pub const B_SIGNED: u64 = 2;
    pub const SATURATE: u64 = 4;
    /// The product is subtracted.
    pub const NEGATE_PRODUCT: u64 = 8;
    pub const NEGATE_C: u64 = 16;
    /// One is added (.po).
    pub const PLUS_ONE: u64 = 32;
    /// Bits 8..12: shift of the result.
    pub const SHIFT_AT: u32 = 8;
}

pub(crate) fn pack_mad(flags: u64, shift: u32, a: Part, b: Part) -> u64 {
    flags | u64::from(shift) << mad::SHIFT_AT | a.pack() << 16 | b.pack() << 24
}

fn mad_op(v: &[u64; 4], imm: u64) -> u64 {
    let has = |f: u64| imm & f != 0;
    let a = Part::unpack(imm >> 16).read(v[0], has(mad::A_SIGNED));
    let b = Part::unpack(imm >> 24).read(v[1], has(mad::B_SIGNED));
    let is_signed = has(mad::A_SIGNED | mad::B_SIGNED | mad::NEGATE_PRODUCT | mad::NEGATE_C);
    let c = v[2] as u32;
    let mut product = a * b;
    let mut c = if is_signed { i128::from(c as i32) } else { i128::from(c) };
    if has(mad::NEGATE_PRODUCT) {
        product = -product;
    }
    if has(mad::NEGATE_C) {
        c = -c;
    }
    let r = (product + c + i128::from(has(mad::PLUS_ONE))) >> (imm >> mad::SHIFT_AT & 15);
    let r = if !has(mad::SATURATE) {
        r
    } else if is_signed {
        r.clamp(i32::MIN.into(), i32::MAX.into())
    } else {
        r.clamp(0, u32::MAX.into())
    };
    u64::from(r as u32)
}

pub(crate) fn multiply_add() -> ScalarFn {
    mad_op
}

/// An instruction on two halfwords or four bytes; the immediate of [`packed`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed {
    pub compute: Compute,
    pub signed: [bool; 2],
    pub d_signed: bool,
    pub saturate: bool,
    /// Results are added to the third operand instead of replacing parts of it.
    pub accumulate: bool,
    /// Elements: 2 or 4.
    pub elements: u32,
    /// Elements of the result that count.
    pub mask: u32,
    /// For each element of the result which element of a and b together (a lower) each operand is.
    pub select: [[u8; 4]; 2],
}

impl Packed {
    pub fn pack(self) -> u64 {
        let list = |s: [u8; 4]| s.iter().enumerate().fold(0u64, |r, (k, v)| r | u64::from(*v & 7) << (3 * k));
        self.compute as u64
            | u64::from(self.signed[0]) << 4
            | u64::from(self.signed[1]) << 5
            | u64::from(self.d_signed) << 6
            | u64::from(self.saturate) << 7
            | u64::from(self.accumulate) << 8
            | u64::from(self.elements == 4) << 9
            | u64::from(self.mask) << 12
            | list(self.select[0]) << 16
            | list(self.select[1]) << 32
    }
}

fn packed_op(v: &[u64; 4], imm: u64) -> u64 {
    let compute = COMPUTES[(imm & 15) as usize];
    let (elements, bits) = if imm >> 9 & 1 != 0 { (4u32, 8u32) } else { (2, 16) };
    let both = v[0] & 0xffff_ffff | v[1] << 32;
    let pick = |list: u64, k: u32, signed: bool| {
        let at = (list >> (3 * k) & 7) as u32 * bits % 64;
        Part { shift: 0, bits }.read(both >> at, signed)
    };
    let c = v[2] as u32;
    let accumulate = imm >> 8 & 1 != 0;
    let mut d = c;
    for k in 0..elements {
        if imm >> (12 + k) & 1 == 0 {
            continue;
        }
        let r = compute.of(pick(imm >> 16, k, imm >> 4 & 1 != 0), pick(imm >> 32, k, imm >> 5 & 1 != 0));
        let r = if imm >> 7 & 1 != 0 { clamp(r, bits, imm >> 6 & 1 != 0) } else { r } as u32;
        if accumulate {
            d = d.wrapping_add(r);
        } else {
            d = d & !(mask(bits) << (bits * k)) | (r & mask(bits)) << (bits * k);
        }
    }
    u64::from(d)
}

pub(crate) fn packed() -> ScalarFn {
    packed_op
}
