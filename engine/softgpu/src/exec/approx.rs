//! Approximate functions of single precision as straight-line code, which the compiler makes vectors of.
//!
//! They compute in double precision and round once, so results are nearly always the correctly rounded ones, far
//! inside what the PTX ISA allows (ex2: 2^-22.5 relative; lg2: 2^-22 absolute near 1, 2^-22.6 elsewhere).

/// 2^x.
#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    // Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = f64::from(x);
    // Beyond these the result is zero or infinite; NaN compares false and stays.
    let x = if x > 160.0 { 160.0 } else { x };
    let x = if x < -160.0 { -160.0 } else { x };
    let shifted = x + ROUND;
    let f = (x - (shifted - ROUND)) * std::f64::consts::LN_2;
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let scale = f64::from_bits(n.wrapping_add(1023) << 52);
    // |f| <= 0.3466: the series ends below 2^-32.
    let p = 1.0 / 40_320.0;
    let p = p * f + 1.0 / 5040.0;
    let p = p * f + 1.0 / 720.0;
    let p = p * f + 1.0 / 120.0;
    let p = p * f + 1.0 / 24.0;
    let p = p * f + 1.0 / 6.0;
    let p = p * f + 0.5;
    let p = p * f + 1.0;
    let p = p * f + 1.0;
    (p * scale) as f32
}

/// The logarithm of x to base 2.
#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    // Upper half of the square root of a half.
    const LOW: i32 = 0x3fe6_a09e;
    // Every single-precision subnormal is normal here.
    let bits = f64::from(x).to_bits();
    let exponent = ((bits >> 32) as i32).wrapping_sub(LOW) >> 20;
    let m = f64::from_bits(bits.wrapping_sub((exponent as u32 as u64) << 52));
    // log(m) = 2 artanh((m - 1) / (m + 1)); the quotient is at most 0.1716.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let p = 1.0 / 13.0;
    let p = p * z + 1.0 / 11.0;
    let p = p * z + 1.0 / 9.0;
    let p = p * z + 1.0 / 7.0;
    let p = p * z + 1.0 / 5.0;
    let p = p * z + 1.0 / 3.0;
    let p = p * z + 1.0;
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
