//! Integer arithmetic, bit fields, dot products and carries (PTX ISA 9.7.1, 9.7.2).

use crate::harness::*;

const WIDTHS: [u32; 3] = [16, 32, 64];

fn ty(bits: u32, signed: bool) -> String {
    format!("{}{bits}", if signed { 's' } else { 'u' })
}

fn two(bits: u32) -> (Vec<u64>, Vec<u64>) {
    let v = integers(bits, 12);
    pairs(&v, &v)
}

fn three(bits: u32) -> [Vec<u64>; 3] {
    let v = integers(bits, 12);
    triples(&v, &v, &v, 6000)
}

/// The low bits of a number.
fn wrap(v: i128, bits: u32) -> u64 {
    v as u64 & mask(bits)
}

pub fn add_and_subtract() {
    for bits in WIDTHS {
        let (a, b) = two(bits);
        for signed in [false, true] {
            let x = |v: u64| number(v, bits, signed);
            let t = ty(bits, signed);
            check_bits(&format!("add.{t}"), &[(bits, &a), (bits, &b)], bits, |v| wrap(x(v[0]) + x(v[1]), bits));
            check_bits(&format!("sub.{t}"), &[(bits, &a), (bits, &b)], bits, |v| wrap(x(v[0]) - x(v[1]), bits));
        }
    }
    let (a, b) = two(32);
    let s = |v: u64| number(v, 32, true);
    let clamp = |v: i128| wrap(v.clamp(i32::MIN.into(), i32::MAX.into()), 32);
    check_bits("add.sat.s32", &[(32, &a), (32, &b)], 32, |v| clamp(s(v[0]) + s(v[1])));
    check_bits("sub.sat.s32", &[(32, &a), (32, &b)], 32, |v| clamp(s(v[0]) - s(v[1])));
}

fn halves(v: &[u64], f: impl Fn(&[u64]) -> u64) -> u64 {
    let part = |s: u32| f(&v.iter().map(|x| x >> s & 0xffff).collect::<Vec<_>>()) & 0xffff;
    part(0) | part(16) << 16
}

pub fn packed_halfwords() {
    let (a, b) = two(32);
    for signed in [false, true] {
        let t = if signed { "s16x2" } else { "u16x2" };
        let x = |v: u64| number(v, 16, signed);
        check_bits(&format!("add.{t}"), &[(32, &a), (32, &b)], 32, |v| halves(v, |v| wrap(x(v[0]) + x(v[1]), 16)));
        check_bits(&format!("min.{t}"), &[(32, &a), (32, &b)], 32, |v| halves(v, |v| wrap(x(v[0]).min(x(v[1])), 16)));
        check_bits(&format!("max.{t}"), &[(32, &a), (32, &b)], 32, |v| halves(v, |v| wrap(x(v[0]).max(x(v[1])), 16)));
    }
    let s = |v: u64| number(v, 16, true);
    check_bits("min.relu.s16x2", &[(32, &a), (32, &b)], 32, |v| halves(v, |v| wrap(s(v[0]).min(s(v[1])).max(0), 16)));
    check_bits("max.relu.s16x2", &[(32, &a), (32, &b)], 32, |v| halves(v, |v| wrap(s(v[0]).max(s(v[1])).max(0), 16)));
}

pub fn multiply() {
    for bits in WIDTHS {
        let (a, b) = two(bits);
        let [p, q, r] = three(bits);
        for signed in [false, true] {
            let x = |v: u64| number(v, bits, signed);
            // A product of two unsigned 64-bit numbers does not fit i128.
            let hi = |v: &[u64]| {
                if signed { ((x(v[0]) * x(v[1])) >> bits) as u64 & mask(bits) } else { ((u128::from(v[0]) * u128::from(v[1])) >> bits) as u64 }
            };
            let lo = |v: &[u64]| v[0].wrapping_mul(v[1]) & mask(bits);
            let t = ty(bits, signed);
            check_bits(&format!("mul.lo.{t}"), &[(bits, &a), (bits, &b)], bits, lo);
            check_bits(&format!("mul.hi.{t}"), &[(bits, &a), (bits, &b)], bits, hi);
            let abc: [(u32, &[u64]); 3] = [(bits, &p), (bits, &q), (bits, &r)];
            check_bits(&format!("mad.lo.{t}"), &abc, bits, |v| lo(v).wrapping_add(v[2]) & mask(bits));
            check_bits(&format!("mad.hi.{t}"), &abc, bits, |v| hi(v).wrapping_add(v[2]) & mask(bits));
            if bits < 64 {
                let wide = bits * 2;
                let product = |v: &[u64]| wrap(x(v[0]) * x(v[1]), wide);
                check_bits(&format!("mul.wide.{t}"), &[(bits, &a), (bits, &b)], wide, product);
                let c = triples(&integers(wide, 12), &[0], &[0], p.len())[0].iter().cycle().take(p.len()).copied().collect::<Vec<_>>();
                check_bits(&format!("mad.wide.{t}"), &[(bits, &p), (bits, &q), (wide, &c)], wide, |v| product(v).wrapping_add(v[2]) & mask(wide));
            }
        }
    }
    let [p, q, r] = three(32);
    let s = |v: u64| number(v, 32, true);
    check_bits("mad.hi.sat.s32", &[(32, &p), (32, &q), (32, &r)], 32, |v| {
        wrap((((s(v[0]) * s(v[1])) >> 32) + s(v[2])).clamp(i32::MIN.into(), i32::MAX.into()), 32)
    });
    for signed in [false, true] {
        let x = |v: u64| number(v, 24, signed);
        let t = ty(32, signed);
        for hi in [false, true] {
            let part = move |v: &[u64]| wrap(if hi { (x(v[0]) * x(v[1])) >> 16 } else { x(v[0]) * x(v[1]) }, 32);
            let half = if hi { "hi" } else { "lo" };
            check_bits(&format!("mul24.{half}.{t}"), &[(32, &p), (32, &q)], 32, part);
            check_bits(&format!("mad24.{half}.{t}"), &[(32, &p), (32, &q), (32, &r)], 32, |v| part(v).wrapping_add(v[2]) & mask(32));
        }
    }
    check_bits("mad24.hi.sat.s32", &[(32, &p), (32, &q), (32, &r)], 32, |v| {
        let product = (number(v[0], 24, true) * number(v[1], 24, true)) >> 16;
        wrap((product + s(v[2])).clamp(i32::MIN.into(), i32::MAX.into()), 32)
    });
}

pub fn divide() {
    for bits in WIDTHS {
        let (a, b) = two(bits);
        for signed in [false, true] {
            let x = |v: u64| number(v, bits, signed);
            let t = ty(bits, signed);
            // Division by zero gives "an unspecified, machine-specific value"; it must only not stop the kernel.
            let both = |f: fn(i128, i128) -> i128| move |v: &[u64]| if v[1] == 0 { Want::Anything } else { Want::Bits(wrap(f(x(v[0]), x(v[1])), bits)) };
            check(&format!("div.{t}"), &[(bits, &a), (bits, &b)], bits, both(|p, q| p / q));
            check(&format!("rem.{t}"), &[(bits, &a), (bits, &b)], bits, both(|p, q| p % q));
        }
    }
}

pub fn order_and_magnitude() {
    for bits in WIDTHS {
        let (a, b) = two(bits);
        let one = integers(bits, 60);
        let [p, q, r] = three(bits);
        for signed in [false, true] {
            let x = |v: u64| number(v, bits, signed);
            let t = ty(bits, signed);
            check_bits(&format!("min.{t}"), &[(bits, &a), (bits, &b)], bits, |v| wrap(x(v[0]).min(x(v[1])), bits));
            check_bits(&format!("max.{t}"), &[(bits, &a), (bits, &b)], bits, |v| wrap(x(v[0]).max(x(v[1])), bits));
            check_bits(&format!("sad.{t}"), &[(bits, &p), (bits, &q), (bits, &r)], bits, |v| wrap((x(v[0]) - x(v[1])).abs() + x(v[2]), bits));
        }
        let s = |v: u64| number(v, bits, true);
        check_bits(&format!("neg.s{bits}"), &[(bits, &one)], bits, |v| wrap(-s(v[0]), bits));
        check_bits(&format!("abs.s{bits}"), &[(bits, &one)], bits, |v| wrap(s(v[0]).abs(), bits));
    }
    let (a, b) = two(32);
    let s = |v: u64| number(v, 32, true);
    check_bits("min.relu.s32", &[(32, &a), (32, &b)], 32, |v| wrap(s(v[0]).min(s(v[1])).max(0), 32));
    check_bits("max.relu.s32", &[(32, &a), (32, &b)], 32, |v| wrap(s(v[0]).max(s(v[1])).max(0), 32));
}

pub fn count_and_reverse_bits() {
    for bits in [32, 64] {
        let v = integers(bits, 200);
        let i: [(u32, &[u64]); 1] = [(bits, &v)];
        let set = move |v: u64| (0..bits).filter(move |k| v >> k & 1 != 0);
        check_bits(&format!("popc.b{bits}"), &i, 32, |v| set(v[0]).count() as u64);
        check_bits(&format!("clz.b{bits}"), &i, 32, |v| set(v[0]).next_back().map_or(bits, |k| bits - 1 - k).into());
        check_bits(&format!("brev.b{bits}"), &i, bits, |v| set(v[0]).fold(0, |r, k| r | 1 << (bits - 1 - k)));
        for signed in [false, true] {
            let t = ty(bits, signed);
            let find = move |v: u64| {
                let flip = signed && v >> (bits - 1) & 1 != 0;
                (0..bits).rev().find(|k| (v >> k & 1 != 0) != flip)
            };
            check_bits(&format!("bfind.{t}"), &i, 32, |v| find(v[0]).map_or(0xffff_ffff, u64::from));
            check_bits(&format!("bfind.shiftamt.{t}"), &i, 32, |v| find(v[0]).map_or(0xffff_ffff, |k| u64::from(bits - 1 - k)));
        }
    }
}

/// Positions and lengths inside, at and beyond the width.
const PLACES: [u64; 14] = [0, 1, 5, 8, 15, 16, 31, 32, 33, 47, 63, 64, 100, 255];

pub fn bit_fields() {
    for bits in [32, 64] {
        let v = integers(bits, 10);
        let [a, pos, len] = triples(&v, &PLACES, &PLACES, 8000);
        for signed in [false, true] {
            check_bits(&format!("bfe.{}", ty(bits, signed)), &[(bits, &a), (32, &pos), (32, &len)], bits, |v| {
                let (pos, len) = (v[1] as u32, v[2] as u32);
                // "The sign bit of the extracted field ... if the bit field exceeds the width the most significant bit."
                let sign = signed && len > 0 && v[0] >> (pos + len - 1).min(bits - 1) & 1 != 0;
                (0..bits).fold(0, |r, k| {
                    let bit = if k < len && pos + k < bits { v[0] >> (pos + k) & 1 } else { u64::from(sign) };
                    r | bit << k
                })
            });
        }
        let b: Vec<u64> = a.iter().rev().copied().collect();
        check_bits(&format!("bfi.b{bits}"), &[(bits, &a), (bits, &b), (32, &pos), (32, &len)], bits, |v| {
            let (pos, len) = (v[2] as u32, v[3] as u32);
            (0..bits).fold(0, |r, k| r | if k >= pos && k - pos < len { v[0] >> (k - pos) & 1 } else { v[1] >> k & 1 } << k)
        });
        // Only the low eight bits of position and length count.
        let high: Vec<u64> = pos.iter().map(|p| p | 0x1200).collect();
        check_bits(&format!("bfi.b{bits}"), &[(bits, &a), (bits, &b), (32, &high), (32, &len)], bits, |v| {
            let (pos, len) = (v[2] as u32 & 255, v[3] as u32);
            (0..bits).fold(0, |r, k| r | if k >= pos && k - pos < len { v[0] >> (k - pos) & 1 } else { v[1] >> k & 1 } << k)
        });
    }
    let places: Vec<u64> = PLACES.iter().copied().chain([0xffff_ffff, 0x8000_0001]).collect();
    let (a, b) = pairs(&places, &places);
    for wrapped in [false, true] {
        let mode = if wrapped { "wrap" } else { "clamp" };
        check_bits(&format!("bmsk.{mode}.b32"), &[(32, &a), (32, &b)], 32, |v| {
            let (from, n) = if wrapped { (v[0] & 31, v[1] & 31) } else { (v[0].min(32), v[1].min(32)) };
            (0..32).filter(|k| *k >= from && *k < from + n).fold(0, |r, k| r | 1 << k)
        });
        let (x, n) = pairs(&integers(32, 10), &places);
        for signed in [false, true] {
            check_bits(&format!("szext.{mode}.{}", ty(32, signed)), &[(32, &x), (32, &n)], 32, |v| {
                let n = if wrapped { v[1] & 31 } else { v[1].min(32) } as u32;
                if n == 0 { 0 } else { wrap(number(v[0], n, signed), 32) }
            });
        }
    }
    // The n-th set bit from a place, upwards or downwards.
    let [m, base, n] = triples(&integers(32, 12), &(0..32).collect::<Vec<_>>(), &[0, 1, 2, 3, 9, 40, 0xffff_ffff, 0xffff_fffe, 0xffff_fff0], 6000);
    check_bits("fns.b32", &[(32, &m), (32, &base), (32, &n)], 32, |v| {
        let (base, n) = (v[1] as i64, v[2] as u32 as i32);
        let is_set = |k: &i64| v[0] >> k & 1 != 0;
        let found = match n {
            0 => Some(base).filter(is_set),
            1.. => (base..32).filter(is_set).nth(n as usize - 1),
            _ => (0..=base).rev().filter(is_set).nth(n.unsigned_abs() as usize - 1),
        };
        found.map_or(0xffff_ffff, |k| k as u64)
    });
}

pub fn dot_products() {
    let [a, b, c] = three(32);
    let i: [(u32, &[u64]); 3] = [(32, &a), (32, &b), (32, &c)];
    for sa in [false, true] {
        for sb in [false, true] {
            let types = format!("{}.{}", ty(32, sa), ty(32, sb));
            check_bits(&format!("dp4a.{types}"), &i, 32, |v| {
                let sum: i128 = (0..4).map(|k| number(v[0] >> (8 * k), 8, sa) * number(v[1] >> (8 * k), 8, sb)).sum();
                wrap(sum + v[2] as i128, 32)
            });
            for (half, skip) in [("lo", 0), ("hi", 2)] {
                check_bits(&format!("dp2a.{half}.{types}"), &i, 32, |v| {
                    let sum: i128 = (0..2).map(|k| number(v[0] >> (16 * k), 16, sa) * number(v[1] >> (8 * (k + skip)), 8, sb)).sum();
                    wrap(sum + v[2] as i128, 32)
                });
            }
        }
    }
}

/// Sums, differences and products of twice and four times the width through the carry flag.
pub fn carries() {
    for bits in [32u32, 64] {
        let v = integers(bits, 6);
        let [a, b, c] = triples(&v, &v, &v, 8000);
        let i: [(u32, &[u64]); 3] = [(bits, &a), (bits, &b), (bits, &c)];
        let m = mask(bits);
        for t in [ty(bits, false), ty(bits, true)] {
            let decl = format!(".reg .b{bits} %lo, %x;");
            // addc, with and without a further carry out: the carry of a + b, and that of c + c + carry.
            check_body("add.cc", &decl, &format!("add.cc.{t} %lo, %in0, %in1; addc.cc.{t} %x, %in2, %in2; addc.{t} %out, %lo, %x;"), &i, bits, |v| {
                let low = u128::from(v[0]) + u128::from(v[1]);
                let x = u128::from(v[2]) * 2 + (low >> bits);
                let (low, x, carry) = (low as u64 & m, x as u64 & m, (x >> bits) as u64);
                Want::Bits(low.wrapping_add(x).wrapping_add(carry) & m)
            });
            check_body("addc", &decl, &format!("add.cc.{t} %lo, %in0, %in1; addc.{t} %out, %in2, 0;"), &i, bits, |v| {
                let carry = (u128::from(v[0]) + u128::from(v[1])) >> bits;
                Want::Bits((u128::from(v[2]) + carry) as u64 & m)
            });
            check_body("sub.cc", &decl, &format!("sub.cc.{t} %lo, %in0, %in1; subc.cc.{t} %x, %in2, %in1; subc.{t} %out, %lo, %x;"), &i, bits, |v| {
                let (lo, borrow) = (v[0].wrapping_sub(v[1]) & m, u64::from(v[0] < v[1]));
                let x = v[2].wrapping_sub(v[1]).wrapping_sub(borrow) & m;
                let again = u128::from(v[2]) < u128::from(v[1]) + u128::from(borrow);
                Want::Bits(lo.wrapping_sub(x).wrapping_sub(u64::from(again)) & m)
            });
            check_body("subc", &decl, &format!("sub.cc.{t} %lo, %in0, %in1; subc.{t} %out, %in2, 0;"), &i, bits, |v| {
                Want::Bits(v[2].wrapping_sub(u64::from(v[0] < v[1])) & m)
            });
        }
        for signed in [false, true] {
            let t = ty(bits, signed);
            let x = |v: u64| number(v, bits, signed);
            let hi = move |v: &[u64]| if signed { ((x(v[0]) * x(v[1])) >> bits) as u64 & m } else { ((u128::from(v[0]) * u128::from(v[1])) >> bits) as u64 };
            let lo = |v: &[u64]| v[0].wrapping_mul(v[1]) & m;
            let decl = format!(".reg .b{bits} %lo;");
            for (half, part) in [("lo", &lo as &dyn Fn(&[u64]) -> u64), ("hi", &hi)] {
                check_body("mad.cc", &decl, &format!("mad.{half}.cc.{t} %lo, %in0, %in1, %in2; addc.{t} %out, 0, 0;"), &i, bits, |v| {
                    Want::Bits(((u128::from(part(v)) + u128::from(v[2])) >> bits) as u64)
                });
                check_body("madc", &decl, &format!("add.cc.{t} %lo, %in2, %in2; madc.{half}.cc.{t} %lo, %in0, %in1, %in2; addc.{t} %out, %lo, 0;"), &i, bits, |v| {
                    let carry = (u128::from(v[2]) * 2) >> bits;
                    let sum = u128::from(part(v)) + u128::from(v[2]) + carry;
                    Want::Bits(((sum as u64 & m).wrapping_add((sum >> bits) as u64)) & m)
                });
            }
        }
    }
}
