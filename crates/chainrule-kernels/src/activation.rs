//! exp and softmax over whole vectors, and the nonlinearities that products compute in passing.
//!
//! Largest errors against the exact value, in ulp, over all f32 (tests/accuracy.rs); values below 2^-126 may be 0, slopes below
//! 2^-60 are:
//!
//! | | value | slope | |
//! |---|---|---|---|
//! | exp | 1.1 | | x <= 0 |
//! | sigmoid | 2.1 | | |
//! | tanh | 1.6 | | |
//! | elu | 1.1 | 0.5 | with alpha 1, and the slope from a: a + alpha, absolute within the ulp of alpha |
//! | softplus | 1.8 | 1.1 | slope from a |
//! | silu | 2.7 | 6 | 0 for z below -87.3, where the exact value is within 1.03e-36 |
//! | gelu | 4.5 | 6 | by erfc, not tanh; relative to the last normal number, z = -13.1 |
//!
//! The slopes of silu and gelu cross 0 (at z = -1.28 and -0.75): there the errors are in ulp of sigmoid(z) and Phi(z), hence
//! absolute. Softmax, over rows of up to 100 numbers: 5 ulp of each term where z - max is exact; where it is rounded, which
//! magnifies any softmax's error, max - z ulp more.

mod smooth;

use crate::simd::{kernel, mul_add};
use pulp::Simd;

/// A nonlinearity a = f(z) that is computed while z is in registers. f' follows from a alone, or, where
/// [`Nonlinearity::needs_z`] says so, from z alone: whoever multiplies by f' hands over the one or the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// a = z
    Identity,
    /// a = 1 / (1 + e^-z)
    Sigmoid,
    /// a = tanh z
    Tanh,
    /// a = max(z, 0)
    Relu,
    /// a = z for z > 0, slope z otherwise; the slope is positive, so that a has the sign of z.
    LeakyRelu(f64),
    /// a = z for z > 0, alpha (e^z - 1) otherwise; alpha is positive, so that a has the sign of z.
    Elu(f64),
    /// a = ln(1 + e^z)
    Softplus,
    /// a = z / (1 + e^-z)
    Silu,
    /// a = z Phi(z) with the normal distribution's Phi.
    Gelu,
}

/// Deltas below this are 0: see [`crate::Real::without_tiny`].
pub(crate) const TINY: f32 = 8.673_617_4e-19;

impl Nonlinearity {
    /// Whether f' follows from z, not from a: silu and gelu fall before they rise, so that two z have the same a.
    pub fn needs_z(self) -> bool {
        matches!(self, Self::Silu | Self::Gelu)
    }

    /// a = f(z), lane by lane.
    #[inline(always)]
    pub(crate) fn value<S: Simd>(self, simd: S, z: S::f32s) -> S::f32s {
        match self {
            Self::Identity => z,
            Self::Sigmoid => sigmoid(simd, z),
            Self::Tanh => tanh(simd, z),
            Self::Relu => smooth::relu(simd, z),
            Self::LeakyRelu(slope) => {
                let scaled = simd.mul_f32s(simd.splat_f32s(slope as f32), z);
                simd.select_f32s(simd.greater_than_f32s(z, simd.splat_f32s(0.0)), z, scaled)
            }
            Self::Elu(alpha) => smooth::elu(simd, alpha, z),
            Self::Softplus => smooth::softplus(simd, z),
            Self::Silu => smooth::silu(simd, z),
            Self::Gelu => smooth::gelu(simd, z),
        }
    }

    /// f(z) in f64.
    pub(crate) fn value_f64(self, z: f64) -> f64 {
        match self {
            Self::Identity => z,
            Self::Sigmoid => sigmoid_f64(z),
            Self::Tanh => z.tanh(),
            Self::Relu if z < 0.0 => 0.0,
            Self::Relu => z, // NaN stays NaN
            Self::LeakyRelu(slope) if !(z > 0.0) => slope * z,
            Self::LeakyRelu(_) => z,
            Self::Elu(alpha) if !(z > 0.0) => alpha * z.exp_m1(),
            Self::Elu(_) => z,
            Self::Softplus => z.max(0.0) + (-z.abs()).exp().ln_1p(),
            // Bounded, as -infinity times 0 is NaN.
            Self::Silu => (if z < -800.0 { -800.0 } else { z }) * sigmoid_f64(z),
            Self::Gelu => (if z < -40.0 { -40.0 } else { z }) * normal_f64(z),
        }
    }

    /// f'(z) in f64, from a = f(z), or from z where the derivative needs that.
    pub(crate) fn derivative_f64(self, a: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Sigmoid => a * (1.0 - a),
            Self::Tanh => 1.0 - a * a,
            Self::Relu => f64::from(u8::from(a > 0.0)),
            Self::LeakyRelu(_) if a > 0.0 => 1.0,
            Self::LeakyRelu(slope) => slope,
            Self::Elu(_) if a > 0.0 => 1.0,
            Self::Elu(alpha) => a + alpha,
            Self::Softplus => -(-a).exp_m1(),
            Self::Silu => {
                let z = a.clamp(-800.0, 800.0);
                sigmoid_f64(z) * (1.0 + z * sigmoid_f64(-z))
            }
            Self::Gelu => {
                let z = a.clamp(-40.0, 40.0);
                normal_f64(z) + z * (-0.5 * z * z).exp() * 0.398_942_280_401_432_7 // 1 / sqrt(2 pi)
            }
        }
    }

    /// delta f'(z), lane by lane, from a = f(z), or from z where f' needs that; tiny results become 0.
    #[inline(always)]
    pub(crate) fn times_derivative<S: Simd>(self, simd: S, a: S::f32s, delta: S::f32s) -> S::f32s {
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let product = match self {
            Self::Identity => return delta,
            Self::Sigmoid => simd.mul_f32s(delta, simd.mul_f32s(a, simd.sub_f32s(one, a))),
            Self::Tanh => simd.mul_f32s(delta, simd.sub_f32s(one, simd.mul_f32s(a, a))),
            Self::Relu => simd.select_f32s(simd.greater_than_f32s(a, zero), delta, zero),
            Self::LeakyRelu(slope) => {
                let scaled = simd.mul_f32s(simd.splat_f32s(slope as f32), delta);
                simd.select_f32s(simd.greater_than_f32s(a, zero), delta, scaled)
            }
            Self::Elu(alpha) => simd.mul_f32s(delta, smooth::elu_slope(simd, alpha, a)),
            Self::Softplus => simd.mul_f32s(delta, smooth::softplus_slope(simd, a)),
            Self::Silu => simd.mul_f32s(delta, smooth::silu_slope(simd, a)),
            Self::Gelu => simd.mul_f32s(delta, smooth::gelu_slope(simd, a)),
        };
        without_tiny(simd, product)
    }
}

/// 1 / (1 + e^-z)
fn sigmoid_f64(z: f64) -> f64 {
    let e = (-z.abs()).exp();
    (if z < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// Phi(z) = erfc(-z / sqrt 2) / 2: unlike 1 + erf, it keeps its precision in the tail.
fn normal_f64(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// 0 where |x| is tiny, else x.
#[inline(always)]
pub(crate) fn without_tiny<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let tiny = simd.less_than_f32s(simd.abs_f32s(x), simd.splat_f32s(TINY));
    simd.select_f32s(tiny, simd.splat_f32s(0.0), x)
}

/// e^y in parts: y = n ln 2 + r with |r| <= ln 2 / 2, and e^y = 2^n (1 + q).
struct Exponential<S: Simd> {
    /// e^r - 1
    q: S::f32s,
    /// 2^n, where it is a normal number.
    power: S::f32s,
}

impl<S: Simd> Exponential<S> {
    /// Of y = sign x, `sign` being 1 or -1: with the sign among the constants, the chain that a small network waits for is
    /// shorter. Coefficients of the polynomial: Cephes, `expf` (Moshier 1989).
    #[inline(always)]
    fn new(simd: S, x: S::f32s, sign: f32) -> Self {
        let c = |value: f32| simd.splat_f32s(value);
        // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
        let shifter = c(12_582_912.0);
        let shifted = mul_add(simd, x, c(sign * std::f32::consts::LOG2_E), shifter);
        let n = simd.sub_f32s(shifted, shifter);
        let r = mul_add(simd, n, c(-sign * 0.693_359_4), x); // sign r; ln 2, its first 10 bits: the product is exact
        let r = mul_add(simd, n, c(sign * 2.121_944_4e-4), r); // and the rest
        Self::of_reduced(simd, shifted, r, sign)
    }

    /// Of y + rest, where |rest| is small (below 0.05).
    #[inline(always)]
    fn of_sum(simd: S, y: S::f32s, rest: S::f32s) -> Self {
        let c = |value: f32| simd.splat_f32s(value);
        let shifter = c(12_582_912.0);
        let shifted = mul_add(simd, simd.add_f32s(y, rest), c(std::f32::consts::LOG2_E), shifter);
        let n = simd.sub_f32s(shifted, shifter);
        let r = mul_add(simd, n, c(-0.693_359_4), y);
        let r = mul_add(simd, n, c(2.121_944_4e-4), simd.add_f32s(r, rest));
        Self::of_reduced(simd, shifted, r, 1.0)
    }

    /// Of n, as the low bits of `shifted`, and sign r.
    #[inline(always)]
    fn of_reduced(simd: S, shifted: S::f32s, r: S::f32s, sign: f32) -> Self {
        let c = |value: f32| simd.splat_f32s(value);
        // q = r + r^2 (c2 + c3 r + … + c7 r^5), in three short chains (Estrin).
        let square = simd.mul_f32s(r, r);
        let low = mul_add(simd, c(sign * 1.666_666_5e-1), r, c(0.5));
        let middle = mul_add(simd, c(sign * 8.333_452e-3), r, c(4.166_579_6e-2));
        let high = mul_add(simd, c(sign * 1.987_569_1e-4), r, c(1.398_2e-3));
        let p = mul_add(simd, mul_add(simd, high, square, middle), square, low);
        let q = mul_add(simd, p, square, simd.mul_f32s(r, c(sign)));
        // The bits of 2^n are n + 127 at the exponent's place.
        let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
        let power = simd.transmute_f32s_u32s(simd.add_u32s(exponent, simd.splat_u32s(127 << 23)));
        Self { q, power }
    }
}

/// The x from which e^x is a normal number.
const LEAST: f32 = -87.336_54;

/// e^x for x <= 0. Results below the smallest normal number are 0.
#[inline(always)]
pub(crate) fn exp_nonpositive<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let Exponential { q, power } = Exponential::new(simd, x, 1.0);
    let e = simd.mul_f32s(simd.add_f32s(q, simd.splat_f32s(1.0)), power); // a product: NaN stays NaN
    simd.select_f32s(simd.less_than_f32s(x, simd.splat_f32s(LEAST)), simd.splat_f32s(0.0), e)
}

/// 1 / (1 + e^-z) = 1 / (1 + 2^n + 2^n q). Results below the smallest normal number are 0.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    let Exponential { q, power } = Exponential::new(simd, z, -1.0);
    let denominator = mul_add(simd, q, power, simd.add_f32s(one, power));
    // Where 2^n or its inverse is no normal number the denominator is 1 or infinite. NaN stays NaN.
    let large = simd.select_f32s(simd.greater_than_f32s(z, zero), one, z);
    let other = simd.select_f32s(simd.less_than_f32s(z, zero), simd.splat_f32s(f32::INFINITY), large);
    let inside = simd.less_than_or_equal_f32s(simd.abs_f32s(z), simd.splat_f32s(-LEAST));
    simd.div_f32s(one, simd.select_f32s(inside, denominator, other))
}

/// tanh z: an odd polynomial near 0 (Cephes, `tanhf`), else (1 - e)/(1 + e) with e = e^-2|z| and the sign of z.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, z: S::f32s) -> S::f32s {
    let c = |value: f32| simd.splat_f32s(value);
    let magnitude = simd.abs_f32s(z);
    let square = simd.mul_f32s(z, z);
    let mut p = c(-5.704_988_7e-3);
    for coefficient in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
        p = mul_add(simd, p, square, c(coefficient));
    }
    let near = mul_add(simd, simd.mul_f32s(p, square), z, z);
    let e = exp_nonpositive(simd, simd.mul_f32s(magnitude, c(-2.0)));
    let far = simd.div_f32s(simd.sub_f32s(c(1.0), e), simd.add_f32s(c(1.0), e));
    let negative = simd.less_than_f32s(z, c(0.0));
    let far = simd.select_f32s(negative, simd.sub_f32s(c(0.0), far), far);
    simd.select_f32s(simd.less_than_f32s(magnitude, c(0.625)), near, far)
}

/// to = f(from), vector by vector.
#[inline(always)]
fn map_row<S: Simd>(simd: S, from: &[f32], to: &mut [f32], f: impl Fn(S::f32s) -> S::f32s) {
    let (from, from_tail) = S::as_simd_f32s(from);
    let (to, to_tail) = S::as_mut_simd_f32s(to);
    for (to, &from) in to.iter_mut().zip(from) {
        *to = f(from);
    }
    if !from_tail.is_empty() {
        simd.partial_store_f32s(to_tail, f(simd.partial_load_f32s(from_tail)));
    }
}

kernel! {
    /// y = e^x for x <= 0, element by element: what the others are made of, public for its test.
    ///
    /// # Panics
    /// If the lengths differ.
    #[doc(hidden)]
    pub fn exp<'a>(simd, x: &'a [f32], y: &'a mut [f32]) {
        assert_eq!(x.len(), y.len(), "exp: lengths differ");
        map_row::<S>(simd, x, y, #[inline(always)] |x| exp_nonpositive(simd, x));
    }
}

kernel! {
    /// a = f(z), element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn activate<'a>(simd, f: Nonlinearity, z: &'a [f32], a: &'a mut [f32]) {
        assert_eq!(z.len(), a.len(), "activate: lengths differ");
        match f { // one loop for each, without a branch inside
            Nonlinearity::Identity => a.copy_from_slice(z),
            Nonlinearity::Sigmoid => map_row::<S>(simd, z, a, #[inline(always)] |z| sigmoid(simd, z)),
            Nonlinearity::Tanh => map_row::<S>(simd, z, a, #[inline(always)] |z| tanh(simd, z)),
            Nonlinearity::Relu | Nonlinearity::LeakyRelu(_) => {
                map_row::<S>(simd, z, a, #[inline(always)] |z| f.value(simd, z));
            }
            Nonlinearity::Elu(alpha) => {
                map_row::<S>(simd, z, a, #[inline(always)] |z| smooth::elu(simd, alpha, z));
            }
            Nonlinearity::Softplus => map_row::<S>(simd, z, a, #[inline(always)] |z| smooth::softplus(simd, z)),
            Nonlinearity::Silu => map_row::<S>(simd, z, a, #[inline(always)] |z| smooth::silu(simd, z)),
            Nonlinearity::Gelu => map_row::<S>(simd, z, a, #[inline(always)] |z| smooth::gelu(simd, z)),
        }
    }
}

kernel! {
    /// delta = delta ⊙ f'(z), element by element, from a = f(z), or from z in its place where f' needs that
    /// ([`Nonlinearity::needs_z`]): the last factor of BP2. Tiny results become 0.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn times_derivative<'a>(simd, f: Nonlinearity, a: &'a [f32], delta: &'a mut [f32]) {
        assert_eq!(a.len(), delta.len(), "times_derivative: lengths differ");
        if f == Nonlinearity::Identity {
            return;
        }
        times_derivative_in(simd, f, a, delta);
    }
}

/// [`times_derivative`] within another kernel.
#[inline(always)]
pub(crate) fn times_derivative_in<S: Simd>(simd: S, f: Nonlinearity, a: &[f32], delta: &mut [f32]) {
    let (a, a_tail) = S::as_simd_f32s(a);
    let (delta, delta_tail) = S::as_mut_simd_f32s(delta);
    for (delta, &a) in delta.iter_mut().zip(a) {
        *delta = f.times_derivative(simd, a, *delta);
    }
    if !a_tail.is_empty() {
        let d = simd.partial_load_f32s(delta_tail);
        simd.partial_store_f32s(delta_tail, f.times_derivative(simd, simd.partial_load_f32s(a_tail), d));
    }
}

/// a(j) = e^(z(j) - max) / sum for one row; returns (max, the sum without the terms of the largest z, how many those are).
///
/// The sum is 1 for each largest term plus the rest, which alone tells a nearly certain answer's small loss.
#[inline(always)]
pub(crate) fn softmax_row<S: Simd>(simd: S, z: &[f32], a: &mut [f32]) -> (f32, f32, f32) {
    let (head, tail) = S::as_simd_f32s(z);
    let lowest = simd.splat_f32s(f32::NEG_INFINITY);
    // A tail's missing lanes repeat its first number: they must not count for the maximum, nor for the sum.
    let tail_lanes = simd.mask_between_m32s(0, tail.len() as u32).mask();
    let tail_z = simd.select_f32s(tail_lanes, simd.partial_load_f32s(tail), lowest);
    let mut top = tail_z;
    for &z in head {
        top = simd.max_f32s(top, z);
    }
    let max = simd.reduce_max_f32s(top);
    let top = simd.splat_f32s(max);
    let mut sums = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
    let (out, out_tail) = S::as_mut_simd_f32s(a);
    for (out, &z) in out.iter_mut().zip(head) {
        *out = softmax_term(simd, z, top, &mut sums);
    }
    if !tail.is_empty() {
        simd.partial_store_f32s(out_tail, softmax_term(simd, tail_z, top, &mut sums));
    }
    let (rest, tops) = (simd.reduce_sum_f32s(sums.0), simd.reduce_sum_f32s(sums.1));
    let scale = simd.splat_f32s(1.0 / (rest + tops));
    for out in out {
        *out = simd.mul_f32s(*out, scale);
    }
    if !out_tail.is_empty() {
        let e = simd.partial_load_f32s(out_tail);
        simd.partial_store_f32s(out_tail, simd.mul_f32s(e, scale));
    }
    (max, rest, tops)
}

/// e^(z - top); adds it to the first sum, or 1 to the second where z is the top itself.
#[inline(always)]
fn softmax_term<S: Simd>(simd: S, z: S::f32s, top: S::f32s, sums: &mut (S::f32s, S::f32s)) -> S::f32s {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    let e = exp_nonpositive(simd, simd.sub_f32s(z, top));
    let is_top = simd.equal_f32s(z, top);
    sums.0 = simd.add_f32s(sums.0, simd.select_f32s(is_top, zero, e));
    sums.1 = simd.add_f32s(sums.1, simd.select_f32s(is_top, one, zero));
    e
}

kernel! {
    /// Softmax of each row, `z` and `a (n, units)`, without overflow; a NaN makes its row NaN.
    ///
    /// # Panics
    /// If the lengths differ or are no whole number of rows.
    pub fn softmax<'a>(simd, z: &'a [f32], a: &'a mut [f32], units: usize) {
        assert!(z.len() == a.len() && z.len().is_multiple_of(units), "softmax: lengths differ");
        for (z, a) in z.chunks_exact(units).zip(a.chunks_exact_mut(units)) {
            softmax_row(simd, z, a);
        }
    }
}
