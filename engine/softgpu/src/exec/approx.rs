//! Approximate functions of single precision as straight-line code, which the compiler makes vectors of.
//!
//! Results differ from the correctly rounded ones by one unit in the last place at most, inside what the PTX ISA allows
//! (ex2: 2^-22.5 relative; lg2: 2^-22 absolute near 1, 2^-22.6 elsewhere).

/// Adding it rounds to an integer, which then stands in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;
/// Beyond it either way 2^x is infinite or zero.
pub(super) const EXP2_MAX: f32 = 160.0;
/// Powers of ln 2 over factorials, from the seventh: 2^f for |f| <= 1/2 within 2^-27.
pub(super) const EXP2_SERIES: [f32; 8] =
    [1.525_273_4e-5, 1.540_353_1e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 0.240_226_5, std::f32::consts::LN_2, 1.0];

/// Upper half of the square root of a half.
pub(super) const LOG2_LOW: i32 = 0x3fe6_a09e;
/// The series of the inverse hyperbolic tangent, from the thirteenth power.
pub(super) const LOG2_SERIES: [f64; 7] = [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0];

/// 2^x.
#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    // NaN compares false and stays.
    let x = if x > EXP2_MAX { EXP2_MAX } else { x };
    let x = if x < -EXP2_MAX { -EXP2_MAX } else { x };
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let mut p = EXP2_SERIES[0];
    for c in &EXP2_SERIES[1..] {
        p = p.mul_add(f, *c);
    }
    // In two steps: the first is exact, and only the second may round, to a subnormal number.
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    p * power(half) * power(n.wrapping_sub(half))
}

/// The logarithm of x to base 2.
#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    // Every single-precision subnormal is normal here.
    let bits = f64::from(x).to_bits();
    let exponent = ((bits >> 32) as i32).wrapping_sub(LOG2_LOW) >> 20;
    let m = f64::from_bits(bits.wrapping_sub((exponent as u32 as u64) << 52));
    // log(m) = 2 artanh((m - 1) / (m + 1)); the quotient is at most 0.1716.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = LOG2_SERIES[0];
    for c in &LOG2_SERIES[1..] {
        p = p * z + c;
    }
    let r = f64::from(exponent) + 2.0 * std::f64::consts::LOG2_E * s * p;
    let r = if x == 0.0 { f64::NEG_INFINITY } else { r };
    let r = if x == f32::INFINITY { f64::INFINITY } else { r };
    let r = if x < 0.0 || x.is_nan() { f64::NAN } else { r };
    r as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(a: f32, b: f32) -> u32 {
        (a.to_bits() as i32).abs_diff(b.to_bits() as i32)
    }

    #[test]
    fn powers_are_within_one_unit_everywhere() {
        assert_eq!(exp2(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp2(f32::NEG_INFINITY), 0.0);
        assert!(exp2(f32::NAN).is_nan());
        assert_eq!(exp2(-0.0), 1.0);
        for n in -149..128 {
            assert_eq!(exp2(n as f32), 2f64.powi(n) as f32, "{n}");
        }
        for bits in (0..=u32::MAX).step_by(9973) {
            let x = f32::from_bits(bits);
            if !x.is_nan() {
                let (got, wanted) = (exp2(x), f64::from(x).exp2() as f32);
                assert!(ulps(got, wanted) <= 1, "{x}: {got} {wanted}");
            }
        }
    }

    #[test]
    fn logarithms_are_within_one_unit_everywhere() {
        assert_eq!(log2(0.0), f32::NEG_INFINITY);
        assert_eq!(log2(-0.0), f32::NEG_INFINITY);
        assert_eq!(log2(f32::INFINITY), f32::INFINITY);
        assert!(log2(-1.0).is_nan() && log2(f32::NEG_INFINITY).is_nan() && log2(f32::NAN).is_nan());
        for n in -149..128 {
            assert_eq!(log2(2f64.powi(n) as f32), n as f32, "{n}");
        }
        for bits in (1..0x7f80_0000).step_by(9973) {
            let x = f32::from_bits(bits);
            let (got, wanted) = (log2(x), f64::from(x).log2() as f32);
            assert!(ulps(got, wanted) <= 1, "{x}: {got} {wanted}");
        }
    }
}
