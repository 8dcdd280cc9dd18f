//! The two number types that networks compute in, behind one sealed trait.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` (for training) or `f64` (for explaining and checking).
pub trait Real:
    sealed::Sealed
    + crate::dense::Products
    + Copy
    + Default
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + 'static
{
    /// The type's name in settings and files: `f32` or `f64`.
    const NAME: &'static str;
    /// Distance from 1 to the next larger number.
    const EPSILON: f64;
    /// Size in bytes.
    const BYTES: usize;

    /// Rounds to the nearest representable number.
    fn from_f64(value: f64) -> Self;
    /// Exact widening.
    fn to_f64(self) -> f64;
    /// e^x
    fn exp(self) -> Self;
    /// e^x - 1, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger of two numbers; the other one if one is NaN.
    fn max(self, other: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Bits, zero-extended: equality of bits is equality of these.
    fn bits(self) -> u64;
    /// 0 for an f32 whose magnitude is below 2^-60, else the number itself.
    ///
    /// For deltas: saturated units make tiny ones, whose products are subnormal, and arithmetic on subnormal numbers
    /// takes many times as long. No weight would move by them. f64 is never changed.
    fn without_tiny(self) -> Self;
    /// 0 for a subnormal f32, else the number itself. For what optimizers remember of gradients long gone.
    fn without_subnormal(self) -> Self;
    /// The same slice, if the type is f32: what only f32 has a kernel for.
    fn as_f32_mut(slice: &mut [Self]) -> Option<&mut [f32]>;
    /// Little-endian bytes appended to `out`.
    fn write_le(self, out: &mut Vec<u8>);
    /// From exactly [`Real::BYTES`] little-endian bytes.
    fn read_le(bytes: &[u8]) -> Self;
}

macro_rules! real {
    ($t:ty, $name:literal, $erf:path, $tiny:expr, $subnormal:expr, $as_f32:expr) => {
        impl Real for $t {
            const NAME: &'static str = $name;
            const EPSILON: f64 = <$t>::EPSILON as f64;
            const BYTES: usize = size_of::<$t>();

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                self.exp()
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                self.exp_m1()
            }
            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                self.ln_1p()
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                self.tanh()
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                self.max(other)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
            #[inline(always)]
            fn without_tiny(self) -> Self {
                if self.abs() < $tiny { 0.0 } else { self }
            }
            #[inline(always)]
            fn without_subnormal(self) -> Self {
                if self.abs() < $subnormal { 0.0 } else { self }
            }
            fn as_f32_mut(slice: &mut [Self]) -> Option<&mut [f32]> {
                $as_f32(slice)
            }
            fn write_le(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read_le(bytes: &[u8]) -> Self {
                let mut le = [0; size_of::<$t>()];
                le.copy_from_slice(bytes);
                <$t>::from_le_bytes(le)
            }
        }
    };
}

real!(f32, "f32", libm::erff, crate::activation::TINY, f32::MIN_POSITIVE, Some);
real!(f64, "f64", libm::erf, 0.0, 0.0, |_| None);
