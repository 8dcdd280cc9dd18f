//! Losses: the value of one sample, and delta(L) = dL/dz of the output layer (BP1).
//!
//! Everything is a *sum over samples*; the one division by their number (or summed weight) comes later.
//! Cross-entropies are computed from the pre-activations z, and softmax's own exponentials, where nothing overflows or cancels.

use crate::activation::Activation;
use crate::call::{Call, serde_as_text};
use crate::metrics::argmax;
use crate::{Error, Real, Result};
use std::fmt;
use std::str::FromStr;

/// What training makes small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// 1/2 sum over outputs of (a - y)^2
    Quadratic,
    /// mean over outputs of (a - y)^2
    MeanSquaredError,
    /// mean over outputs of |a - y|
    MeanAbsoluteError,
    /// mean over outputs of e^2/2 where |e| <= delta, else delta (|e| - delta/2), with e = a - y (Huber 1964)
    Huber {
        /// Where the parabola ends, by default 1.
        delta: f64,
    },
    /// -sum over classes of y ln a, a = softmax(z); y is one-hot or any distribution.
    CrossEntropy {
        /// Share of each target spread over all classes, by default 0: y' = (1 - s) y + s / classes.
        label_smoothing: f64,
    },
    /// -sum over outputs of y ln a + (1 - y) ln(1 - a), a = sigmoid(z); outputs may be independent labels.
    BinaryCrossEntropy {
        /// Share of each target drawn to 1/2, by default 0: y' = (1 - s) y + s / 2.
        label_smoothing: f64,
    },
}

/// The names that settings accept.
pub const NAMES: [&str; 6] = ["quadratic", "mse", "mae", "huber", "cross_entropy", "binary_cross_entropy"];

impl Loss {
    /// The loss of one sample; `z`, `a` = f(z) and `y` hold all its outputs.
    pub fn value<T: Real>(self, z: &[T], a: &[T], y: &[T]) -> T {
        let half = T::from_f64(0.5);
        let outputs = T::from_f64(a.len() as f64);
        let errors = a.iter().zip(y).map(|(&a, &y)| a - y);
        match self {
            Self::Quadratic => half * errors.map(|e| e * e).sum::<T>(),
            Self::MeanSquaredError => errors.map(|e| e * e).sum::<T>() / outputs,
            Self::MeanAbsoluteError => errors.map(T::abs).sum::<T>() / outputs,
            Self::Huber { delta } => {
                let delta = T::from_f64(delta);
                let huber = |e: T| {
                    if e.abs() <= delta { half * e * e } else { delta * (e.abs() - half * delta) }
                };
                errors.map(huber).sum::<T>() / outputs
            }
            Self::CrossEntropy { .. } => {
                // -sum y ln a = sum y ((max - z) + ln sum e^(z - max)), where e^(z - max) = a / max a; the largest is 1
                let top = argmax(z);
                let others = a.iter().enumerate().filter(|&(j, _)| j != top);
                let log_sum = (others.map(|(_, &a)| a).sum::<T>() / a[top]).ln_1p();
                z.iter().zip(y).map(|(&v, &y)| self.smoothed(y, a.len()) * ((z[top] - v) + log_sum)).sum()
            }
            Self::BinaryCrossEntropy { .. } => {
                // -y ln a - (1 - y) ln(1 - a) = ln(1 + e^z) - y z, with |z| taken out of the logarithm
                let one = T::from_f64(1.0);
                let term = |z: T, y: T| {
                    let linear = if z > T::default() { (one - y) * z } else { -y * z };
                    linear + (-z.abs()).exp().ln_1p()
                };
                z.iter().zip(y).map(|(&z, &y)| term(z, self.smoothed(y, a.len()))).sum()
            }
        }
    }

    /// BP1: delta(L) = dL/da ⊙ f'(z) of one sample, for the output activation f.
    pub fn output_delta<T: Real>(self, f: Activation, z: &[T], a: &[T], y: &[T], delta: &mut [T]) {
        let outputs = T::from_f64(a.len() as f64);
        let two = T::from_f64(2.0);
        match self {
            Self::CrossEntropy { .. } => {
                // d/dz(j) of sum y (ln sum e^z - z) = softmax(z)(j) sum y - y(j)
                let total: T = y.iter().map(|&y| self.smoothed(y, a.len())).sum();
                for ((delta, &a), &y) in delta.iter_mut().zip(a).zip(y) {
                    *delta = (a * total - self.smoothed(y, z.len())).without_tiny();
                }
            }
            Self::BinaryCrossEntropy { .. } => {
                for ((delta, &a), &y) in delta.iter_mut().zip(a).zip(y) {
                    *delta = (a - self.smoothed(y, z.len())).without_tiny();
                }
            }
            _ => {
                for (((delta, &z), &a), &y) in delta.iter_mut().zip(z).zip(a).zip(y) {
                    let e = a - y;
                    let slope = match self {
                        Self::MeanSquaredError => two * e / outputs,
                        Self::MeanAbsoluteError => sign(e) / outputs,
                        Self::Huber { delta } => {
                            let delta = T::from_f64(delta);
                            (if e.abs() <= delta { e } else { delta * sign(e) }) / outputs
                        }
                        _ => e,
                    };
                    *delta = (slope * f.derivative(z, a)).without_tiny();
                }
            }
        }
    }

    /// The target after label smoothing.
    fn smoothed<T: Real>(self, y: T, outputs: usize) -> T {
        let (s, spread) = match self {
            Self::CrossEntropy { label_smoothing } => (label_smoothing, label_smoothing / outputs as f64),
            Self::BinaryCrossEntropy { label_smoothing } => (label_smoothing, label_smoothing / 2.0),
            _ => (0.0, 0.0),
        };
        if s == 0.0 { y } else { T::from_f64(1.0 - s) * y + T::from_f64(spread) }
    }

    /// Whether this loss is defined on the outputs of `f`.
    ///
    /// # Errors
    /// Names the pair and the activation that fits.
    pub fn accepts(self, f: Activation) -> Result<()> {
        let wanted = match self {
            Self::CrossEntropy { .. } => Some(Activation::Softmax),
            Self::BinaryCrossEntropy { .. } => Some(Activation::Sigmoid),
            _ => None,
        };
        match wanted {
            Some(wanted) if f != wanted => Err(Error::incompatible(
                format!("loss {self} on {f} outputs: it is defined for {wanted} outputs"),
                format!("output_activation = \"{wanted}\""),
            )),
            None if f == Activation::Softmax => Err(Error::incompatible(
                format!("loss {self} on softmax outputs: softmax goes with cross_entropy"),
                "loss = \"cross_entropy\", or output_activation = \"sigmoid\"",
            )),
            _ => Ok(()),
        }
    }

    /// How the loss of a batch is formed, in words: printed, never assumed.
    pub fn reduction(self) -> &'static str {
        match self {
            Self::Quadratic => "mean over samples of 1/2 the sum over outputs of (a - y)^2",
            Self::MeanSquaredError => "mean over samples and outputs of (a - y)^2",
            Self::MeanAbsoluteError => "mean over samples and outputs of |a - y|",
            Self::Huber { .. } => "mean over samples and outputs of the Huber function of a - y",
            Self::CrossEntropy { .. } => "mean over samples of -sum over classes of y ln a",
            Self::BinaryCrossEntropy { .. } => {
                "mean over samples of -sum over outputs of y ln a + (1 - y) ln(1 - a)"
            }
        }
    }
}

/// -1, 0 or 1; NaN stays NaN.
pub(crate) fn sign<T: Real>(v: T) -> T {
    let one = T::from_f64(1.0);
    if v > T::default() {
        one
    } else if v < T::default() {
        -one
    } else {
        v * T::default()
    }
}

impl FromStr for Loss {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut call = Call::parse("loss", text)?;
        let share = |s: f64| (0.0..1.0).contains(&s);
        let value = match call.name.as_str() {
            "quadratic" => Self::Quadratic,
            "mse" | "mean_squared_error" => Self::MeanSquaredError,
            "mae" | "mean_absolute_error" => Self::MeanAbsoluteError,
            "huber" => Self::Huber { delta: call.take_if("delta", 1.0, "a number above 0", |d| d > 0.0)? },
            "cross_entropy" => Self::CrossEntropy {
                label_smoothing: call.take_if("label_smoothing", 0.0, "a share of 0 to below 1", share)?,
            },
            "binary_cross_entropy" | "bce" => Self::BinaryCrossEntropy {
                label_smoothing: call.take_if("label_smoothing", 0.0, "a share of 0 to below 1", share)?,
            },
            _ => return Err(call.unknown(&NAMES)),
        };
        call.finish(value)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Quadratic => f.write_str("quadratic"),
            Self::MeanSquaredError => f.write_str("mse"),
            Self::MeanAbsoluteError => f.write_str("mae"),
            Self::Huber { delta } => write!(f, "huber({delta})"),
            Self::CrossEntropy { label_smoothing: s } if *s == 0.0 => f.write_str("cross_entropy"),
            Self::CrossEntropy { label_smoothing } => {
                write!(f, "cross_entropy(label_smoothing={label_smoothing})")
            }
            Self::BinaryCrossEntropy { label_smoothing: s } if *s == 0.0 => {
                f.write_str("binary_cross_entropy")
            }
            Self::BinaryCrossEntropy { label_smoothing } => {
                write!(f, "binary_cross_entropy(label_smoothing={label_smoothing})")
            }
        }
    }
}

serde_as_text!(Loss);

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{got} is not {want}");
    }

    #[test]
    fn values_from_their_definitions() {
        let (a, y) = ([0.7, 0.2], [1.0, 0.0]);
        near(Loss::Quadratic.value(&a, &a, &y), 0.065);
        near(Loss::MeanSquaredError.value(&a, &a, &y), 0.065);
        near(Loss::MeanAbsoluteError.value(&a, &a, &y), 0.25);
        near(Loss::Huber { delta: 0.25 }.value(&a, &a, &y), (0.25 * (0.3 - 0.125) + 0.02) / 2.0);
        let z: [f64; 3] = [1.0, 2.0, 3.0];
        let mut p = [0.0; 3];
        crate::activation::softmax(&z, &mut p);
        near(Loss::CrossEntropy { label_smoothing: 0.0 }.value(&z, &p, &[0.0, 1.0, 0.0]), -p[1].ln());
        let smooth = -(0.1 / 3.0) * (p[0].ln() + p[2].ln()) - (0.9 + 0.1 / 3.0) * p[1].ln();
        near(Loss::CrossEntropy { label_smoothing: 0.1 }.value(&z, &p, &[0.0, 1.0, 0.0]), smooth);
        let s = crate::activation::sigmoid(1.5);
        near(Loss::BinaryCrossEntropy { label_smoothing: 0.0 }.value(&[1.5], &[s], &[0.0]), -(1.0 - s).ln());
    }

    /// Nearly right answers cost little, but not nothing, in f32 too. Expected: ln(1 + e^-x) for a margin of x.
    #[test]
    fn small_losses_do_not_cancel() {
        let close = |got: f32, want: f64| {
            assert!((f64::from(got) / want - 1.0).abs() <= 1e-5, "{got} is not {want}");
        };
        let bce = Loss::BinaryCrossEntropy { label_smoothing: 0.0 };
        close(bce.value(&[17.0f32], &[1.0], &[1.0]), (-17.0f64).exp().ln_1p());
        close(bce.value(&[-10.0f32], &[0.0], &[0.0]), (-10.0f64).exp().ln_1p());
        let ce = Loss::CrossEntropy { label_smoothing: 0.0 };
        let (z, mut a) = ([20.0f32, 5.0], [0.0; 2]);
        crate::activation::softmax(&z, &mut a);
        close(ce.value(&z, &a, &[1.0, 0.0]), (-15.0f64).exp().ln_1p());
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let ce = Loss::CrossEntropy { label_smoothing: 0.0 };
        near(ce.value(&[1e4, -1e4], &[1.0, 0.0], &[0.0, 1.0]), 2e4);
        let bce = Loss::BinaryCrossEntropy { label_smoothing: 0.0 };
        near(bce.value(&[-1e4], &[0.0], &[1.0]), 1e4);
        let (z, mut a) = ([f64::NAN, 0.0], [0.0; 2]);
        crate::activation::softmax(&z, &mut a);
        assert!(ce.value(&z, &a, &[0.0, 1.0]).is_nan());
    }

    #[test]
    fn names_round_trip_and_bad_pairs_are_named() {
        for name in NAMES {
            let loss: Loss = name.parse().unwrap();
            assert_eq!(loss.to_string().parse::<Loss>().unwrap(), loss);
        }
        let error = Loss::Quadratic.accepts(Activation::Softmax).unwrap_err().to_string();
        assert!(error.contains("quadratic") && error.contains("cross_entropy"), "{error}");
        let ce = Loss::CrossEntropy { label_smoothing: 0.0 };
        assert!(ce.accepts(Activation::Relu).is_err() && ce.accepts(Activation::Softmax).is_ok());
    }
}
