//! Activations a = f(z), each with its derivative beside it.

use crate::call::{Call, serde_as_text};
use crate::{Error, Real, Result};
use chainrule_kernels::activation::Nonlinearity;
use std::fmt;
use std::str::FromStr;

/// The function that a layer applies to its pre-activation z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// a = z
    Identity,
    /// a = 1 / (1 + e^-z)
    Sigmoid,
    /// a = tanh z
    Tanh,
    /// a = max(z, 0); the derivative at 0 is 0.
    Relu,
    /// a = z for z > 0, `slope` z otherwise.
    LeakyRelu {
        /// Slope left of 0, by default 0.01.
        slope: f64,
    },
    /// a = z for z > 0, `alpha` (e^z - 1) otherwise (Clevert et al. 2015).
    Elu {
        /// The value approached at minus infinity, negated; by default 1.
        alpha: f64,
    },
    /// a = z Phi(z) with the normal distribution's Phi, exactly, not its tanh approximation (Hendrycks and Gimpel 2016).
    Gelu,
    /// a = z sigmoid(z), also called swish.
    Silu,
    /// a = ln(1 + e^z)
    Softplus,
    /// a(j) = e^z(j) / sum over units of e^z: the output layer of `cross_entropy` only.
    Softmax,
}

/// The names that settings accept.
pub const NAMES: [&str; 10] =
    ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "softmax"];

/// 1 / (1 + e^-z) without overflow.
#[inline]
pub fn sigmoid<T: Real>(z: T) -> T {
    let one = T::from_f64(1.0);
    if z >= T::default() {
        one / (one + (-z).exp())
    } else {
        let e = z.exp();
        e / (one + e)
    }
}

/// ln(1 + e^z) without overflow.
#[inline]
pub fn softplus<T: Real>(z: T) -> T {
    z.max(T::default()) + (-z.abs()).exp().ln_1p()
}

/// a(j) = e^(z(j) - max z) / sum: one sample's row, without overflow.
pub fn softmax<T: Real>(z: &[T], a: &mut [T]) {
    T::softmax(z, a, z.len());
}

impl Activation {
    /// The kernels' name for it, if products compute it in passing. Softmax follows on its own, and so does what falls left of 0
    /// (a slope or an alpha that is not positive).
    pub fn fused(self) -> Option<Nonlinearity> {
        match self {
            Self::Identity => Some(Nonlinearity::Identity),
            Self::Sigmoid => Some(Nonlinearity::Sigmoid),
            Self::Tanh => Some(Nonlinearity::Tanh),
            Self::Relu => Some(Nonlinearity::Relu),
            Self::LeakyRelu { slope } if slope > 0.0 => Some(Nonlinearity::LeakyRelu(slope)),
            Self::Elu { alpha } if alpha > 0.0 => Some(Nonlinearity::Elu(alpha)),
            Self::Gelu => Some(Nonlinearity::Gelu),
            Self::Silu => Some(Nonlinearity::Silu),
            Self::Softplus => Some(Nonlinearity::Softplus),
            Self::LeakyRelu { .. } | Self::Elu { .. } | Self::Softmax => None,
        }
    }

    /// f(z) of one unit; softmax needs its whole row: [`softmax`].
    #[inline]
    pub fn value<T: Real>(self, z: T) -> T {
        let (zero, one, half) = (T::default(), T::from_f64(1.0), T::from_f64(0.5));
        match self {
            Self::Identity | Self::Softmax => z,
            Self::Sigmoid => sigmoid(z),
            Self::Tanh => z.tanh(),
            Self::Relu => {
                if z < zero {
                    zero
                } else {
                    z
                }
            } // NaN stays NaN
            Self::LeakyRelu { slope } => {
                if z > zero {
                    z
                } else {
                    T::from_f64(slope) * z
                }
            }
            Self::Elu { alpha } => {
                if z > zero {
                    z
                } else {
                    T::from_f64(alpha) * z.exp_m1()
                }
            }
            Self::Gelu => half * z * (one + (z * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf()),
            Self::Silu => z * sigmoid(z),
            Self::Softplus => softplus(z),
        }
    }

    /// f'(z) of one unit, from z and a = f(z), whichever is cheaper; softmax's lies in its loss.
    #[inline]
    pub fn derivative<T: Real>(self, z: T, a: T) -> T {
        let (zero, one, half) = (T::default(), T::from_f64(1.0), T::from_f64(0.5));
        match self {
            Self::Identity | Self::Softmax => one,
            Self::Sigmoid => a * (one - a),
            Self::Tanh => one - a * a,
            Self::Relu => {
                if z > zero {
                    one
                } else {
                    zero
                }
            }
            Self::LeakyRelu { slope } => {
                if z > zero {
                    one
                } else {
                    T::from_f64(slope)
                }
            }
            Self::Elu { alpha } => {
                if z > zero {
                    one
                } else {
                    a + T::from_f64(alpha)
                }
            }
            Self::Gelu => {
                let phi = half * (one + (z * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf());
                let density = (-half * z * z).exp() * T::from_f64(0.398_942_280_401_432_7); // 1/sqrt(2 pi)
                phi + z * density
            }
            Self::Silu => {
                let s = sigmoid(z);
                s * (one + z * (one - s))
            }
            Self::Softplus => sigmoid(z),
        }
    }

    /// a = f(z) for a batch, `z` and `a (n, units)`, where no product has done it ([`Activation::fused`]).
    pub fn forward<T: Real>(self, z: &[T], a: &mut [T], units: usize) {
        match self {
            Self::Identity => a.copy_from_slice(z),
            Self::Softmax => T::softmax(z, a, units),
            _ => {
                for (a, &z) in a.iter_mut().zip(z) {
                    *a = self.value(z);
                }
            }
        }
    }

    /// delta = delta ⊙ f'(z) for a batch, all `(n, units)`: the last factor of BP2. Tiny f32 become 0.
    pub fn backward<T: Real>(self, z: &[T], a: &[T], delta: &mut [T]) {
        if matches!(self, Self::Identity | Self::Softmax) {
            return;
        }
        for ((delta, &z), &a) in delta.iter_mut().zip(z).zip(a) {
            *delta = (*delta * self.derivative(z, a)).without_tiny();
        }
    }

    /// Whether f' or f'' jumps at z = 0, where finite differences do not approximate it.
    pub fn has_kink(self) -> bool {
        matches!(self, Self::Relu | Self::LeakyRelu { .. } | Self::Elu { .. })
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut call = Call::parse("activation", text)?;
        let value = match call.name.as_str() {
            "identity" | "linear" | "none" => Self::Identity,
            "sigmoid" | "logistic" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "relu" => Self::Relu,
            "leaky_relu" => Self::LeakyRelu { slope: call.take("slope", 0.01) },
            "elu" => Self::Elu { alpha: call.take_if("alpha", 1.0, "a number above 0", |a| a > 0.0)? },
            "gelu" => Self::Gelu,
            "silu" | "swish" => Self::Silu,
            "softplus" => Self::Softplus,
            "softmax" => Self::Softmax,
            _ => return Err(call.unknown(&NAMES)),
        };
        call.finish(value)
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Sigmoid => f.write_str("sigmoid"),
            Self::Tanh => f.write_str("tanh"),
            Self::Relu => f.write_str("relu"),
            Self::LeakyRelu { slope } => write!(f, "leaky_relu({slope})"),
            Self::Elu { alpha } => write!(f, "elu({alpha})"),
            Self::Gelu => f.write_str("gelu"),
            Self::Silu => f.write_str("silu"),
            Self::Softplus => f.write_str("softplus"),
            Self::Softmax => f.write_str("softmax"),
        }
    }
}

serde_as_text!(Activation);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in NAMES {
            let activation: Activation = name.parse().unwrap();
            assert_eq!(activation.to_string().parse::<Activation>().unwrap(), activation);
        }
        assert!("elu(-1)".parse::<Activation>().is_err());
    }

    #[test]
    fn values_at_known_points() {
        // Published values: sigmoid(0.3775) of the worked example; gelu(1), silu(1), softplus(0) = ln 2.
        let near = |got: f64, want: f64| assert!((got - want).abs() <= 1e-9, "{got} {want}");
        near(Activation::Sigmoid.value(0.3775), 0.593_269_992);
        near(Activation::Gelu.value(1.0), 0.841_344_746);
        near(Activation::Silu.value(1.0), 0.731_058_579);
        near(Activation::Softplus.value(0.0), std::f64::consts::LN_2);
        near(Activation::Elu { alpha: 1.0 }.value(-1.0), -0.632_120_559);
    }

    #[test]
    fn extremes_do_not_overflow() {
        for name in NAMES {
            let activation: Activation = name.parse().unwrap();
            for z in [-1e4, -100.0, 0.0, 100.0, 1e4] {
                let a = activation.value(z);
                assert!(a.is_finite() && activation.derivative(z, a).is_finite(), "{name} at {z}");
            }
        }
        let mut a = [0.0; 3];
        softmax(&[1e4, -1e4, 1e4], &mut a);
        assert_eq!(a, [0.5, 0.0, 0.5]);
    }

    #[test]
    fn nan_is_not_hidden() {
        for name in NAMES {
            let activation: Activation = name.parse().unwrap();
            assert!(activation.value(f64::NAN).is_nan(), "{name}");
        }
    }
}
