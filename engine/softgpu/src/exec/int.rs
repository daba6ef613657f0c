//! Integer and bitwise operations (PTX ISA 9.7.1, 9.7.2, 9.7.8).

use std::marker::PhantomData;

use super::code::{Inst, OpFn, ScalarFn, flag};
use super::lane::*;
use super::shape::{self, Integer, Long, Shape};
use super::warp::Warp;
use crate::ptx::Type;

macro_rules! f1 {
    ($name:ident: $($t:ty),*; |$a:ident| $e:expr) => {
        pub(super) struct $name<T>(PhantomData<T>);
        $(impl F1 for $name<$t> {
            type A = $t;
            type D = $t;
            #[inline(always)]
            fn f($a: $t) -> $t { $e }
        })*
    };
}
macro_rules! f2 {
    ($name:ident: $($t:ty),*; |$a:ident, $b:ident| $e:expr) => {
        pub(super) struct $name<T>(PhantomData<T>);
        $(impl F2 for $name<$t> {
            type A = $t;
            type B = $t;
            type D = $t;
            #[inline(always)]
            fn f($a: $t, $b: $t) -> $t { $e }
        })*
    };
}
macro_rules! shift {
    ($name:ident: $($t:ty),*; |$a:ident, $b:ident| $e:expr) => {
        struct $name<T>(PhantomData<T>);
        $(impl F2 for $name<$t> {
            type A = $t;
            type B = u32;
            type D = $t;
            #[inline(always)]
            fn f($a: $t, $b: u32) -> $t { $e }
        })*
    };
}
macro_rules! wide {
    ($($t:ty => $d:ty),*) => {
        struct MulWide<T>(PhantomData<T>);
        struct MadWide<T>(PhantomData<T>);
        struct MulHi<T>(PhantomData<T>);
        $(impl F2 for MulWide<$t> {
            type A = $t;
            type B = $t;
            type D = $d;
            #[inline(always)]
            fn f(a: $t, b: $t) -> $d { (a as $d).wrapping_mul(b as $d) }
        }
        impl F3 for MadWide<$t> {
            type A = $t;
            type B = $t;
            type C = $d;
            type D = $d;
            #[inline(always)]
            fn f(a: $t, b: $t, c: $d) -> $d { (a as $d).wrapping_mul(b as $d).wrapping_add(c) }
        }
        impl F2 for MulHi<$t> {
            type A = $t;
            type B = $t;
            type D = $t;
            #[inline(always)]
            fn f(a: $t, b: $t) -> $t { ((a as $d).wrapping_mul(b as $d) >> <$t>::BITS) as $t }
        })*
    };
}
macro_rules! mad {
    ($($t:ty),*) => {
        struct MadLo<T>(PhantomData<T>);
        $(impl F3 for MadLo<$t> {
            type A = $t;
            type B = $t;
            type C = $t;
            type D = $t;
            #[inline(always)]
            fn f(a: $t, b: $t, c: $t) -> $t { a.wrapping_mul(b).wrapping_add(c) }
        })*
    };
}
macro_rules! cmp {
    ($name:ident: $($t:ty),*; |$a:ident, $b:ident| $e:expr) => {
        struct $name<T>(PhantomData<T>);
        $(impl Compare for $name<$t> {
            type A = $t;
            #[inline(always)]
            fn f($a: $t, $b: $t) -> bool { $e }
        })*
    };
}

f1!(Copy: u32, u64; |a| a);
f1!(Not: u16, u32, u64; |a| !a);
f1!(Neg: i16, i32, i64; |a| a.wrapping_neg());
f1!(Abs: i16, i32, i64; |a| a.wrapping_abs());
f2!(Add: u16, u32, u64; |a, b| a.wrapping_add(b));
f2!(Sub: u16, u32, u64; |a, b| a.wrapping_sub(b));
f2!(MulLo: u16, u32, u64; |a, b| a.wrapping_mul(b));
f2!(AddSat: i32; |a, b| a.saturating_add(b));
f2!(SubSat: i32; |a, b| a.saturating_sub(b));
f2!(And: u32, u64; |a, b| a & b);
f2!(Or: u32, u64; |a, b| a | b);
f2!(Xor: u32, u64; |a, b| a ^ b);
f2!(Min: u16, i16, u32, i32, u64, i64; |a, b| a.min(b));
f2!(Max: u16, i16, u32, i32, u64, i64; |a, b| a.max(b));
f2!(DivU: u16, u32, u64; |a, b| a.checked_div(b).unwrap_or(!0));
f2!(RemU: u16, u32, u64; |a, b| a.checked_rem(b).unwrap_or(a));
f2!(DivS: i16, i32, i64; |a, b| if b == 0 { -1 } else { a.wrapping_div(b) });
f2!(RemS: i16, i32, i64; |a, b| if b == 0 { a } else { a.wrapping_rem(b) });
shift!(Shl: u16, u32, u64; |a, b| a.checked_shl(b).unwrap_or(0));
shift!(ShrU: u16, u32, u64; |a, b| a.checked_shr(b).unwrap_or(0));
shift!(ShrS: i16; |a, b| a >> b.min(15));
struct ShrS32;
impl F2 for ShrS32 {
    type A = i32;
    type B = u32;
    type D = i32;
    #[inline(always)]
    fn f(a: i32, b: u32) -> i32 {
        a >> b.min(31)
    }
}
struct ShrS64;
impl F2 for ShrS64 {
    type A = i64;
    type B = u32;
    type D = i64;
    #[inline(always)]
    fn f(a: i64, b: u32) -> i64 {
        a >> b.min(63)
    }
}
wide!(u16 => u32, i16 => i32, u32 => u64, i32 => i64);
struct MulHi64U;
impl F2 for MulHi64U {
    type A = u64;
    type B = u64;
    type D = u64;
    #[inline(always)]
    fn f(a: u64, b: u64) -> u64 {
        ((u128::from(a) * u128::from(b)) >> 64) as u64
    }
}
struct MulHi64S;
impl F2 for MulHi64S {
    type A = i64;
    type B = i64;
    type D = i64;
    #[inline(always)]
    fn f(a: i64, b: i64) -> i64 {
        ((i128::from(a) * i128::from(b)) >> 64) as i64
    }
}
mad!(u16, u32, u64);
cmp!(Eq: u16, u32, u64; |a, b| a == b);
cmp!(Ne: u16, u32, u64; |a, b| a != b);
cmp!(Lt: u16, i16, u32, i32, u64, i64; |a, b| a < b);
cmp!(Le: u16, i16, u32, i32, u64, i64; |a, b| a <= b);
cmp!(Gt: u16, i16, u32, i32, u64, i64; |a, b| a > b);
cmp!(Ge: u16, i16, u32, i32, u64, i64; |a, b| a >= b);

struct Popc32;
impl F1 for Popc32 {
    type A = u32;
    type D = u32;
    #[inline(always)]
    fn f(a: u32) -> u32 {
        a.count_ones()
    }
}
struct Popc64;
impl F1 for Popc64 {
    type A = u64;
    type D = u32;
    #[inline(always)]
    fn f(a: u64) -> u32 {
        a.count_ones()
    }
}
struct Clz32;
impl F1 for Clz32 {
    type A = u32;
    type D = u32;
    #[inline(always)]
    fn f(a: u32) -> u32 {
        a.leading_zeros()
    }
}
struct Clz64;
impl F1 for Clz64 {
    type A = u64;
    type D = u32;
    #[inline(always)]
    fn f(a: u64) -> u32 {
        a.leading_zeros()
    }
}
f1!(Brev: u32, u64; |a| a.reverse_bits());

/// Funnel shifts: the 64-bit value c:... is b:a (a low).
struct ShfL<const WRAP: bool>;
impl<const WRAP: bool> F3 for ShfL<WRAP> {
    type A = u32;
    type B = u32;
    type C = u32;
    type D = u32;
    #[inline(always)]
    fn f(a: u32, b: u32, c: u32) -> u32 {
        let n = if WRAP { c & 31 } else { c.min(32) };
        ((((u64::from(b)) << 32 | u64::from(a)) << n) >> 32) as u32
    }
}
struct ShfR<const WRAP: bool>;
impl<const WRAP: bool> F3 for ShfR<WRAP> {
    type A = u32;
    type B = u32;
    type C = u32;
    type D = u32;
    #[inline(always)]
    fn f(a: u32, b: u32, c: u32) -> u32 {
        let n = if WRAP { c & 31 } else { c.min(32) };
        ((u64::from(b) << 32 | u64::from(a)) >> n) as u32
    }
}

/// lop3: imm is the look-up table.
struct Lop3;
impl Op for Lop3 {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: four 32-bit slots.
        unsafe {
            let t: [u32; 8] = std::array::from_fn(|k| (i.imm as u32 >> k & 1).wrapping_neg());
            for_chunks::<u32>(w, i.d, |w, ch| {
                let a = load::<u32>(w, i.a, ch);
                let b = load::<u32>(w, i.b, ch);
                let c = load::<u32>(w, i.c, ch);
                let mut r = [0; CHUNK];
                for l in 0..CHUNK {
                    let (a, b, c) = (a[l], b[l], c[l]);
                    let lo = (!a & ((!b & (!c & t[0] | c & t[1])) | (b & (!c & t[2] | c & t[3]))))
                        | (a & ((!b & (!c & t[4] | c & t[5])) | (b & (!c & t[6] | c & t[7]))));
                    r[l] = lo;
                }
                r
            });
            next(i)
        }
    }
}

/// Boolean operations on predicates: imm 0 and, 1 or, 2 xor, 3 not a, 4 copy a; bit 8 negates a, bit 9 negates b.
struct PredLogic;
impl Op for PredLogic {
    const CHAINS: bool = true;
    #[inline(always)]
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: predicate slots; b exists for the binary operations.
        unsafe {
            let a = pred(w, i.a) ^ ((i.imm >> 8 & 1) as u32).wrapping_neg();
            let b = || pred(w, i.b) ^ ((i.imm >> 9 & 1) as u32).wrapping_neg();
            let r = match i.imm & 255 {
                0 => a & b(),
                1 => a | b(),
                2 => a ^ b(),
                3 => !a,
                _ => a,
            };
            set_pred(w, i.d, r);
            next(i)
        }
    }
}

/// Predicate from an immediate.
struct PredSet;
impl Op for PredSet {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: predicate slot.
        unsafe {
            set_pred(w, i.d, if i.imm != 0 { !0 } else { 0 });
            next(i)
        }
    }
}

/// d (any class) = constant imm, or symbol table entry x if e is 1 (functions only).
struct LoadConstant;
impl Op for LoadConstant {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        let v = if i.e == 1 { w.launch().symbols[i.x as usize] } else { i.imm };
        // SAFETY: d is a slot of the class the flags state.
        unsafe {
            for lane in Lanes(w.mask) {
                set_lane(w, i.d, i.flags & flag::D64 != 0, lane, v);
            }
            next(i)
        }
    }
}

/// Extended-precision arithmetic through the carry flag: d = a + b, a - b or (lo or hi of a * b) + c.
/// imm: bits 0..2 kind (0 add, 1 sub, 2 mad.lo, 3 mad.hi), bit 2 carry in, bit 3 carry out, bit 4 64-bit,
/// bit 5 signed.
struct Carry;
impl Op for Carry {
    unsafe fn run(w: &mut Warp, i: &Inst) -> *const Inst {
        // SAFETY: slots of the stated width.
        unsafe {
            let wide = i.imm & 16 != 0;
            let get = |w: &Warp, off, lane| if wide { lane64(w, off, lane) } else { u64::from(lane32(w, off, lane)) };
            let bits = if wide { 64 } else { 32 };
            let top = (1u128 << bits) - 1;
            for lane in Lanes(w.mask) {
                let (a, b) = (get(w, i.a, lane), get(w, i.b, lane));
                let cin = u128::from(i.imm & 4 != 0 && w.carry >> lane & 1 != 0);
                let (x, y) = match i.imm & 3 {
                    0 | 1 => (u128::from(a), u128::from(b)),
                    k => {
                        let product = if i.imm & 32 != 0 {
                            let s = |v: u64| if wide { i128::from(v as i64) } else { i128::from(v as i32) };
                            (s(a) * s(b)) as u128
                        } else {
                            u128::from(a) * u128::from(b)
                        };
                        let part = if k == 2 { product } else { product >> bits };
                        (part & top, u128::from(get(w, i.c, lane)))
                    }
                };
                // The flag after a subtraction is the carry of a + !b + 1, that is 1 when there is no borrow: code that
                // follows sub.cc with addc (128-bit division by nvcc) relies on it.
                let (r, out) = if i.imm & 3 == 1 {
                    let r = x + (!y & top) + if i.imm & 4 != 0 { cin } else { 1 };
                    (r & top, r > top)
                } else {
                    let r = x + y + cin;
                    (r & top, r > top)
                };
                set_lane(w, i.d, wide, lane, r as u64);
                if i.imm & 8 != 0 {
                    w.carry = w.carry & !(1 << lane) | u32::from(out) << lane;
                }
            }
            next(i)
        }
    }
}

struct Pack64;
impl F2 for Pack64 {
    type A = u32;
    type B = u32;
    type D = u64;
    #[inline(always)]
    fn f(a: u32, b: u32) -> u64 {
        u64::from(a) | u64::from(b) << 32
    }
}
struct High32;
impl F1 for High32 {
    type A = u64;
    type D = u32;
    #[inline(always)]
    fn f(a: u64) -> u32 {
        (a >> 32) as u32
    }
}
struct Low32;
impl F1 for Low32 {
    type A = u64;
    type D = u32;
    #[inline(always)]
    fn f(a: u64) -> u32 {
        a as u32
    }
}

/// 64 bits from two halves.
pub(crate) fn pack64() -> OpFn {
    pick::<Op2<Pack64>>().shaped(Some(Shape::Long(Long::Pack)))
}
/// Upper or lower half of 64 bits.
pub(crate) fn half64(high: bool) -> OpFn {
    if high {
        pick::<Op1<High32>>().shaped(Some(Shape::Integer(Integer::High)))
    } else {
        pick::<Op1<Low32>>().shaped(Some(Shape::Integer(Integer::Low)))
    }
}

/// Up to four elements of imm bits, the first lowest.
fn pack(v: &[u64; 4], imm: u64) -> u64 {
    (0..4).fold(0, |r, k| r | extend(v[k], imm as u32, false).checked_shl(k as u32 * imm as u32).unwrap_or(0))
}

/// Bits of a: imm = width | position << 8.
fn unpack(v: &[u64; 4], imm: u64) -> u64 {
    extend(v[0] >> (imm >> 8 & 63), (imm & 255) as u32, false)
}

pub(crate) fn lop3() -> OpFn {
    pick::<Lop3>()
}
pub(crate) fn pred_logic() -> OpFn {
    pick::<PredLogic>().shaped(Some(Shape::Predicates))
}
pub(crate) fn pred_set() -> OpFn {
    pick::<PredSet>()
}
pub(crate) fn load_constant() -> OpFn {
    pick::<LoadConstant>()
}
pub(crate) fn carry() -> OpFn {
    pick::<Carry>()
}
pub(crate) fn copy(wide: bool) -> OpFn {
    if wide {
        pick::<Op1<Copy<u64>>>().shaped(Some(Shape::Long(Long::Copy)))
    } else {
        pick::<Op1<Copy<u32>>>().shaped(Some(Shape::Integer(Integer::Copy)))
    }
}
pub(crate) fn select(wide: bool) -> OpFn {
    let form = if wide { pick::<Select<u64>>() } else { pick::<Select<u32>>() };
    form.shaped(Some(Shape::Select))
}
pub(crate) fn funnel(left: bool, wrap: bool) -> OpFn {
    match (left, wrap) {
        (true, true) => pick::<Op3<ShfL<true>>>(),
        (true, false) => pick::<Op3<ShfL<false>>>(),
        (false, true) => pick::<Op3<ShfR<true>>>(),
        (false, false) => pick::<Op3<ShfR<false>>>(),
    }
}

macro_rules! by_width {
    ($ty:expr, $w:ident, $f:ident) => {
        match $ty.size() {
            2 => pick::<$w<$f<u16>>>(),
            4 => pick::<$w<$f<u32>>>(),
            8 => pick::<$w<$f<u64>>>(),
            _ => return None,
        }
    };
}
macro_rules! by_sign {
    ($ty:expr, $w:ident, $f:ident) => {
        match ($ty.size(), $ty.is_signed()) {
            (2, false) => pick::<$w<$f<u16>>>(),
            (4, false) => pick::<$w<$f<u32>>>(),
            (8, false) => pick::<$w<$f<u64>>>(),
            (2, true) => pick::<$w<$f<i16>>>(),
            (4, true) => pick::<$w<$f<i32>>>(),
            (8, true) => pick::<$w<$f<i64>>>(),
            _ => return None,
        }
    };
}

/// Two operands of one integer type.
pub(crate) fn binary(op: &str, ty: Type) -> Option<OpFn> {
    let form = match op {
        "add" => by_width!(ty, Op2, Add),
        "sub" => by_width!(ty, Op2, Sub),
        "mul.lo" => by_width!(ty, Op2, MulLo),
        "add.sat" if ty == Type::S32 => pick::<Op2<AddSat<i32>>>(),
        "sub.sat" if ty == Type::S32 => pick::<Op2<SubSat<i32>>>(),
        // Zero-extended storage makes the narrow forms the 32-bit ones.
        "and" if ty.size() <= 4 => pick::<Op2<And<u32>>>(),
        "or" if ty.size() <= 4 => pick::<Op2<Or<u32>>>(),
        "xor" if ty.size() <= 4 => pick::<Op2<Xor<u32>>>(),
        "and" => pick::<Op2<And<u64>>>(),
        "or" => pick::<Op2<Or<u64>>>(),
        "xor" => pick::<Op2<Xor<u64>>>(),
        "min" => by_sign!(ty, Op2, Min),
        "max" => by_sign!(ty, Op2, Max),
        "div" | "rem" => {
            let div = op == "div";
            match (ty.size(), ty.is_signed(), div) {
                (2, false, true) => pick::<Op2<DivU<u16>>>(),
                (4, false, true) => pick::<Op2<DivU<u32>>>(),
                (8, false, true) => pick::<Op2<DivU<u64>>>(),
                (2, true, true) => pick::<Op2<DivS<i16>>>(),
                (4, true, true) => pick::<Op2<DivS<i32>>>(),
                (8, true, true) => pick::<Op2<DivS<i64>>>(),
                (2, false, false) => pick::<Op2<RemU<u16>>>(),
                (4, false, false) => pick::<Op2<RemU<u32>>>(),
                (8, false, false) => pick::<Op2<RemU<u64>>>(),
                (2, true, false) => pick::<Op2<RemS<i16>>>(),
                (4, true, false) => pick::<Op2<RemS<i32>>>(),
                (8, true, false) => pick::<Op2<RemS<i64>>>(),
                _ => return None,
            }
        }
        "mul.hi" => match (ty.size(), ty.is_signed()) {
            (2, false) => pick::<Op2<MulHi<u16>>>(),
            (2, true) => pick::<Op2<MulHi<i16>>>(),
            (4, false) => pick::<Op2<MulHi<u32>>>(),
            (4, true) => pick::<Op2<MulHi<i32>>>(),
            (8, false) => pick::<Op2<MulHi64U>>(),
            (8, true) => pick::<Op2<MulHi64S>>(),
            _ => return None,
        },
        "mul.wide" => match ty {
            Type::U16 => pick::<Op2<MulWide<u16>>>(),
            Type::S16 => pick::<Op2<MulWide<i16>>>(),
            Type::U32 => pick::<Op2<MulWide<u32>>>(),
            Type::S32 => pick::<Op2<MulWide<i32>>>(),
            _ => return None,
        },
        "shl" => by_width!(ty, Op2, Shl),
        "shr" => match (ty.size(), ty.is_signed()) {
            (2, false) => pick::<Op2<ShrU<u16>>>(),
            (4, false) => pick::<Op2<ShrU<u32>>>(),
            (8, false) => pick::<Op2<ShrU<u64>>>(),
            (2, true) => pick::<Op2<ShrS<i16>>>(),
            (4, true) => pick::<Op2<ShrS32>>(),
            (8, true) => pick::<Op2<ShrS64>>(),
            _ => return None,
        },
        _ => return None,
    };
    Some(form.shaped(shape::integer(op, ty.size(), ty.is_signed())))
}

/// mad.lo, mad.wide.
pub(crate) fn ternary(op: &str, ty: Type) -> Option<OpFn> {
    let form = match op {
        "mad.lo" => by_width!(ty, Op3, MadLo),
        "mad.wide" => match ty {
            Type::U16 => pick::<Op3<MadWide<u16>>>(),
            Type::S16 => pick::<Op3<MadWide<i16>>>(),
            Type::U32 => pick::<Op3<MadWide<u32>>>(),
            Type::S32 => pick::<Op3<MadWide<i32>>>(),
            _ => return None,
        },
        _ => return None,
    };
    Some(form.shaped(shape::integer(op, ty.size(), ty.is_signed())))
}

/// One operand.
pub(crate) fn unary(op: &str, ty: Type) -> Option<OpFn> {
    let form = match op {
        "not" => by_width!(ty, Op1, Not),
        "neg" | "abs" => match (ty.size(), op == "neg") {
            (2, true) => pick::<Op1<Neg<i16>>>(),
            (4, true) => pick::<Op1<Neg<i32>>>(),
            (8, true) => pick::<Op1<Neg<i64>>>(),
            (2, false) => pick::<Op1<Abs<i16>>>(),
            (4, false) => pick::<Op1<Abs<i32>>>(),
            (8, false) => pick::<Op1<Abs<i64>>>(),
            _ => return None,
        },
        "popc" if ty.size() == 4 => pick::<Op1<Popc32>>(),
        "popc" if ty.size() == 8 => pick::<Op1<Popc64>>(),
        "clz" if ty.size() == 4 => pick::<Op1<Clz32>>(),
        "clz" if ty.size() == 8 => pick::<Op1<Clz64>>(),
        "brev" if ty.size() == 4 => pick::<Op1<Brev<u32>>>(),
        "brev" if ty.size() == 8 => pick::<Op1<Brev<u64>>>(),
        _ => return None,
    };
    Some(if ty.size() == 4 { form.shaped(shape::integer(op, 4, ty.is_signed())) } else { form })
}

/// Integer comparison; `combine` for the form with a boolean operand.
pub(crate) fn compare(op: &str, ty: Type, combine: bool) -> Option<OpFn> {
    macro_rules! form {
        ($by:ident, $f:ident) => {
            if combine { $by!(ty, OpCompareCombine, $f) } else { $by!(ty, OpCompare, $f) }
        };
    }
    let form = match op {
        "eq" => form!(by_width, Eq),
        "ne" => form!(by_width, Ne),
        "lt" | "lo" => form!(by_sign, Lt),
        "le" | "ls" => form!(by_sign, Le),
        "gt" | "hi" => form!(by_sign, Gt),
        "ge" | "hs" => form!(by_sign, Ge),
        _ => return None,
    };
    Some(if combine { form } else { form.shaped(shape::compare_integer(op, ty.size(), ty.is_signed())) })
}

/// Sign- or zero-extends the low `bits` bits.
fn extend(v: u64, bits: u32, signed: bool) -> u64 {
    if bits >= 64 {
        return v;
    }
    if signed { (((v << (64 - bits)) as i64) >> (64 - bits)) as u64 } else { v & ((1 << bits) - 1) }
}

/// bfe; imm: bits | signed << 8.
fn bfe(v: &[u64; 4], imm: u64) -> u64 {
    let (width, signed) = ((imm & 255) as u32, imm >> 8 & 1 != 0);
    let a = extend(v[0], width, false);
    let (pos, len) = ((v[1] & 255) as u32, (v[2] & 255) as u32);
    let msb = width - 1;
    let sign = if !signed || len == 0 { 0 } else { a >> (pos + len - 1).min(msb) & 1 };
    let mut d = 0;
    for k in 0..width {
        let bit = if k < len && pos + k <= msb { a >> (pos + k) & 1 } else { sign };
        d |= bit << k;
    }
    d
}

/// bfi: a into b at c, length e; imm: bits.
fn bfi(v: &[u64; 4], imm: u64) -> u64 {
    let width = (imm & 255) as u32;
    let (pos, len) = ((v[2] & 255) as u32, (v[3] & 255) as u32);
    let mut d = v[1];
    for k in 0..len {
        if pos + k >= width {
            break;
        }
        d = d & !(1 << (pos + k)) | (v[0] >> k & 1) << (pos + k);
    }
    d
}

/// bfind; imm: bits | signed << 8 | shiftamt << 9.
fn bfind(v: &[u64; 4], imm: u64) -> u64 {
    let (width, signed) = ((imm & 255) as u32, imm >> 8 & 1 != 0);
    let mut a = extend(v[0], width, signed);
    if signed && (a as i64) < 0 {
        a = !a;
    }
    let a = extend(a, width, false);
    if a == 0 {
        return u64::from(u32::MAX);
    }
    let at = 63 - a.leading_zeros();
    u64::from(if imm >> 9 & 1 != 0 { width - 1 - at } else { at })
}

/// bmsk; imm: 1 wrap.
fn bmsk(v: &[u64; 4], imm: u64) -> u64 {
    let (a, b) = (v[0] as u32, v[1] as u32);
    let (a, b) = if imm & 1 != 0 { (a & 31, b & 31) } else { (a, b) };
    if a >= 32 || b == 0 {
        return 0;
    }
    let ones = if b >= 32 { u32::MAX } else { (1 << b) - 1 };
    u64::from(ones << a)
}

/// szext; imm: 1 wrap, 2 signed.
fn szext(v: &[u64; 4], imm: u64) -> u64 {
    let n = if imm & 1 != 0 { v[1] as u32 & 31 } else { (v[1] as u32).min(32) };
    if n == 0 {
        return 0;
    }
    u64::from(extend(v[0], n, imm & 2 != 0) as u32)
}

/// prmt; imm: mode (0 default, 1 f4e, 2 b4e, 3 rc8, 4 ecl, 5 ecr, 6 rc16).
fn prmt(v: &[u64; 4], imm: u64) -> u64 {
    let bytes = (v[0] & 0xffff_ffff) | v[1] << 32;
    let sel = v[2] as u32;
    let byte = |n: u32| (bytes >> (8 * (n & 7))) as u8;
    let s = sel & 3;
    let pick = |ns: [u32; 4]| u32::from_le_bytes(ns.map(byte));
    u64::from(match imm {
        0 => {
            let one = |k: u32| {
                let n = sel >> (4 * k) & 15;
                let b = byte(n);
                if n & 8 != 0 { (b as i8 >> 7) as u8 } else { b }
            };
            u32::from_le_bytes([one(0), one(1), one(2), one(3)])
        }
        1 => pick([s, s + 1, s + 2, s + 3]),
        2 => pick([s, s.wrapping_sub(1), s.wrapping_sub(2), s.wrapping_sub(3)]),
        3 => pick([s; 4]),
        4 => pick([s, s.max(1), s.max(2), 3]),
        5 => pick([0, s.min(1), s.min(2), s]),
        _ => {
            let h = (s & 1) * 2;
            pick([h, h + 1, h, h + 1])
        }
    })
}

/// sad; imm: bits | signed << 8.
fn sad(v: &[u64; 4], imm: u64) -> u64 {
    let (width, signed) = ((imm & 255) as u32, imm >> 8 & 1 != 0);
    let (a, b) = (extend(v[0], width, signed), extend(v[1], width, signed));
    let d = if signed { (a as i64).abs_diff(b as i64) } else { a.abs_diff(b) };
    extend(v[2].wrapping_add(d), width, false)
}

/// mul.hi + c; imm as sad. The saturating form (mad.hi.sat.s32): bit 9.
fn mad_hi(v: &[u64; 4], imm: u64) -> u64 {
    let (width, signed) = ((imm & 255) as u32, imm >> 8 & 1 != 0);
    let (a, b) = (extend(v[0], width, signed), extend(v[1], width, signed));
    let hi = if signed {
        ((i128::from(a as i64) * i128::from(b as i64)) >> width) as u64
    } else {
        ((u128::from(a) * u128::from(b)) >> width) as u64
    };
    if imm >> 9 & 1 != 0 {
        return u64::from((hi as i32).saturating_add(v[2] as i32) as u32);
    }
    extend(hi.wrapping_add(v[2]), width, false)
}

/// mul24/mad24; imm: 1 hi, 2 signed, 4 add c.
fn mul24(v: &[u64; 4], imm: u64) -> u64 {
    let signed = imm & 2 != 0;
    let (a, b) = (extend(v[0], 24, signed), extend(v[1], 24, signed));
    let p = a.wrapping_mul(b);
    let r = if imm & 1 != 0 { p >> 16 } else { p } as u32;
    u64::from(if imm & 4 != 0 { r.wrapping_add(v[2] as u32) } else { r })
}

/// dp4a, dp2a; imm: 1 a signed, 2 b signed, 4 dp2a, 8 hi.
fn dot(v: &[u64; 4], imm: u64) -> u64 {
    let byte = |x: u64, k: u32, signed: bool| extend(x >> (8 * k), 8, signed) as i64;
    let mut sum = v[2] as u32 as i32;
    if imm & 4 == 0 {
        for k in 0..4 {
            sum = sum.wrapping_add((byte(v[0], k, imm & 1 != 0) * byte(v[1], k, imm & 2 != 0)) as i32);
        }
    } else {
        for k in 0..2 {
            let a = extend(v[0] >> (16 * k), 16, imm & 1 != 0) as i64;
            let b = byte(v[1], k + if imm & 8 != 0 { 2 } else { 0 }, imm & 2 != 0);
            sum = sum.wrapping_add(a.wrapping_mul(b) as i32);
        }
    }
    u64::from(sum as u32)
}

/// fns: n-th set bit from base.
fn fns(v: &[u64; 4], _imm: u64) -> u64 {
    let (mask, base, offset) = (v[0] as u32, v[1] as u32, v[2] as i32);
    if base > 31 {
        return u64::from(u32::MAX);
    }
    if offset == 0 {
        return u64::from(if mask >> base & 1 != 0 { base } else { u32::MAX });
    }
    let mut pos = base as i32;
    let step = offset.signum();
    let mut count = if mask >> base & 1 != 0 { 1 } else { 0 };
    while count < offset.unsigned_abs() {
        pos += step;
        if !(0..32).contains(&pos) {
            return u64::from(u32::MAX);
        }
        count += u32::from(mask >> pos & 1 != 0);
    }
    u64::from(pos as u32)
}

/// Rare integer operations by name; the meaning of the immediate is stated at each function.
pub(crate) fn scalar(name: &str) -> Option<ScalarFn> {
    Some(match name {
        "pack" => pack,
        "unpack" => unpack,
        "bfe" => bfe,
        "bfi" => bfi,
        "bfind" => bfind,
        "bmsk" => bmsk,
        "szext" => szext,
        "prmt" => prmt,
        "sad" => sad,
        "mad.hi" => mad_hi,
        "mul24" => mul24,
        "dot" => dot,
        "fns" => fns,
        _ => return None,
    })
}
