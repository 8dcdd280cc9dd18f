//! Lane by lane: elu, softplus, silu, gelu and their slopes, and the e^y - 1 and ln(1 + x) that they are made of.
//!
//! Each is written so that a tail keeps its relative precision: the small number is computed by itself, and a large one added to it.

use super::{Exponential, LEAST, exp_nonpositive, sigmoid};
use crate::simd::mul_add;
use pulp::Simd;

/// max(z, 0); NaN stays NaN.
#[inline(always)]
pub(super) fn relu<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(z, zero), zero, z)
}

/// z, but no less than `least`; NaN stays NaN.
#[inline(always)]
fn at_least<S: Simd>(simd: S, z: S::f32s, least: f32) -> S::f32s {
    let least = simd.splat_f32s(least);
    simd.select_f32s(simd.less_than_f32s(z, least), least, z)
}

/// z, but no more than `most`; NaN stays NaN.
#[inline(always)]
fn at_most<S: Simd>(simd: S, z: S::f32s, most: f32) -> S::f32s {
    let most = simd.splat_f32s(most);
    simd.select_f32s(simd.greater_than_f32s(z, most), most, z)
}

/// e^y - 1 for y <= 0: (2^n - 1) + 2^n q, where the first term is exact, and 0 for small y.
#[inline(always)]
pub(super) fn exp_m1_nonpositive<S: Simd>(simd: S, y: S::f32s) -> S::f32s {
    let y = at_least(simd, y, -30.0); // from -17.4 down it is -1
    let Exponential { q, power } = Exponential::new(simd, y, 1.0);
    mul_add(simd, q, power, simd.sub_f32s(power, simd.splat_f32s(1.0)))
}

/// ln(1 + x) for 0 <= x <= 1: ln 2 + ln(1 + f) with f = (x - 1)/2 from sqrt 2 - 1 on, else f = x. Coefficients: Cephes, `logf`.
#[inline(always)]
pub(super) fn ln_1p_unit<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let c = |value: f32| simd.splat_f32s(value);
    let upper = simd.greater_than_f32s(x, c(std::f32::consts::SQRT_2 - 1.0));
    let f = simd.select_f32s(upper, simd.mul_f32s(simd.sub_f32s(x, c(1.0)), c(0.5)), x);
    let square = simd.mul_f32s(f, f);
    let mut p = c(7.037_683_6e-2);
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = mul_add(simd, p, f, c(coefficient));
    }
    let cube = simd.mul_f32s(f, square);
    let (zero, low, high) = (c(0.0), c(-2.121_944_4e-4), c(0.693_359_4)); // ln 2 in two parts
    let rest = mul_add(simd, p, cube, simd.select_f32s(upper, low, zero));
    let sum = simd.add_f32s(f, mul_add(simd, square, c(-0.5), rest));
    simd.add_f32s(sum, simd.select_f32s(upper, high, zero))
}

/// z for z > 0, else alpha (e^z - 1).
#[inline(always)]
pub(super) fn elu<S: Simd>(simd: S, alpha: f64, z: S::f32s) -> S::f32s {
    let negative = simd.mul_f32s(simd.splat_f32s(alpha as f32), exp_m1_nonpositive(simd, z));
    simd.select_f32s(simd.greater_than_f32s(z, simd.splat_f32s(0.0)), z, negative)
}

/// elu' from a: 1 for a > 0, else a + alpha.
#[inline(always)]
pub(super) fn elu_slope<S: Simd>(simd: S, alpha: f64, a: S::f32s) -> S::f32s {
    let negative = simd.add_f32s(a, simd.splat_f32s(alpha as f32));
    let positive = simd.greater_than_f32s(a, simd.splat_f32s(0.0));
    simd.select_f32s(positive, simd.splat_f32s(1.0), negative)
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|). Results below the smallest normal number are 0.
#[inline(always)]
pub(super) fn softplus<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let e = exp_nonpositive(simd, simd.neg_f32s(simd.abs_f32s(z)));
    simd.add_f32s(relu(simd, z), ln_1p_unit(simd, e))
}

/// softplus' from a: sigmoid(z) = 1 - e^-a.
#[inline(always)]
pub(super) fn softplus_slope<S: Simd>(simd: S, a: S::f32s) -> S::f32s {
    simd.neg_f32s(exp_m1_nonpositive(simd, simd.neg_f32s(a)))
}

/// z sigmoid(z); -0 from [`LEAST`] down.
#[inline(always)]
pub(super) fn silu<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    // Bounded, as -infinity times 0 is NaN.
    simd.mul_f32s(at_least(simd, z, -88.0), sigmoid(simd, z))
}

/// silu' from z: s (1 + z (1 - s)), s = sigmoid(z), where both s and 1 - s come from e^-|z|.
#[inline(always)]
pub(super) fn silu_slope<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let z = at_most(simd, at_least(simd, z, -88.0), 88.0);
    let e = exp_nonpositive(simd, simd.neg_f32s(simd.abs_f32s(z)));
    let large = simd.div_f32s(one, simd.add_f32s(one, e));
    let small = simd.mul_f32s(e, large);
    let negative = simd.less_than_f32s(z, simd.splat_f32s(0.0));
    let s = simd.select_f32s(negative, small, large);
    let other = simd.select_f32s(negative, large, small);
    mul_add(simd, simd.mul_f32s(z, other), s, s)
}

/// The normal distribution's tail: Phi(-t) = e^(-t^2/2) m(t).
struct Tail<S: Simd> {
    /// |z|, at most 14: there e^(-t^2/2) is 0.
    t: S::f32s,
    /// m(t) = e^(t^2/2) erfc(t / sqrt 2) / 2.
    mills: S::f32s,
    /// e^(-t^2/2)
    e: S::f32s,
}

/// m(t) (t + 2) as a polynomial in (t - 2)/(t + 2), highest power first: our own fit, within 3e-8 of it for t of 0 to 14.
///
/// Its constant outweighs the powers, so that their rounding counts for little.
const MILLS: [f32; 11] = [
    -7.325_216_6e-5,
    3.521_759e-5,
    7.215_043e-4,
    8.788_182e-4,
    -1.890_134_3e-3,
    -6.749_383e-3,
    -4.831_492_3e-4,
    3.672_126_7e-2,
    2.879_838_3e-2,
    -3.314_045_4e-1,
    6.724_08e-1,
];

impl<S: Simd> Tail<S> {
    #[inline(always)]
    fn new(simd: S, z: S::f32s) -> Self {
        let c = |value: f32| simd.splat_f32s(value);
        let t = at_most(simd, simd.abs_f32s(z), 14.0);
        let inverse = simd.div_f32s(c(1.0), simd.add_f32s(t, c(2.0)));
        let at = simd.mul_f32s(simd.sub_f32s(t, c(2.0)), inverse);
        let mut p = c(MILLS[0]);
        for &coefficient in &MILLS[1..] {
            p = mul_add(simd, p, at, c(coefficient));
        }
        let mills = simd.mul_f32s(p, inverse);
        // Rounding t^2 would cost 30 ulp of e. The square of a number of 12 bits is exact; t^2 = h^2 + (t - h)(t + h).
        let h = simd
            .transmute_f32s_u32s(simd.and_u32s(simd.transmute_u32s_f32s(t), simd.splat_u32s(0xffff_f000)));
        let y = simd.mul_f32s(simd.mul_f32s(h, h), c(-0.5));
        let rest = simd.mul_f32s(simd.mul_f32s(simd.sub_f32s(t, h), c(-0.5)), simd.add_f32s(t, h));
        let Exponential { q, power } = Exponential::of_sum(simd, y, rest);
        let e = mul_add(simd, q, power, power);
        let e = simd.select_f32s(simd.less_than_f32s(y, c(LEAST)), c(0.0), e);
        Self { t, mills, e }
    }
}

/// z Phi(z) = max(z, 0) - |z| Phi(-|z|).
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let Tail { t, mills, e } = Tail::new(simd, z);
    let tail = simd.mul_f32s(simd.mul_f32s(t, mills), e);
    simd.sub_f32s(relu(simd, z), tail)
}

/// gelu' from z: Phi(z) + z phi(z), which is 1 + d for z > 0, else -d, with d = e^(-t^2/2) (t / sqrt(2 pi) - m(t)), t = |z|.
#[inline(always)]
pub(super) fn gelu_slope<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let Tail { t, mills, e } = Tail::new(simd, z);
    let density = simd.splat_f32s(0.398_942_3); // 1 / sqrt(2 pi)
    let d = simd.mul_f32s(e, mul_add(simd, t, density, simd.neg_f32s(mills)));
    let negative = simd.less_than_f32s(z, simd.splat_f32s(0.0));
    simd.select_f32s(negative, simd.neg_f32s(d), simd.add_f32s(simd.splat_f32s(1.0), d))
}
