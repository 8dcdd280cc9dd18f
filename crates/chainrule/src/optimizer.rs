//! Optimizers: what is done with the gradient. Formulas and option names as in PyTorch.

use crate::call::{Call, serde_as_text};
use crate::{Error, Real, Result};
use chainrule_kernels::memory::Aligned;
use chainrule_kernels::{pool, simd};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The rule that turns gradients g into updates of the parameters w, with learning rate lr.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// v = momentum v + g; w -= lr v, or w -= lr (g + momentum v) with `nesterov`.
    Sgd {
        /// By default 0: plain gradient descent.
        momentum: f64,
        /// Look ahead along v (Nesterov 1983).
        nesterov: bool,
    },
    /// s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt s + eps) (Tieleman and Hinton 2012).
    RmsProp {
        /// By default 0.99.
        alpha: f64,
        /// By default 1e-8.
        eps: f64,
        /// v = momentum v + g / (sqrt s + eps); w -= lr v. By default 0.
        momentum: f64,
    },
    /// s += g^2; w -= lr g / (sqrt s + eps) (Duchi et al. 2011).
    AdaGrad {
        /// By default 1e-10.
        eps: f64,
    },
    /// m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g^2;
    /// w -= lr (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps) (Kingma and Ba 2015).
    ///
    /// With `weight_decay`, w is first multiplied by 1 - lr weight_decay: AdamW (Loshchilov and Hutter 2019).
    Adam {
        /// By default 0.9.
        beta1: f64,
        /// By default 0.999.
        beta2: f64,
        /// By default 1e-8.
        eps: f64,
        /// 0 for `adam`; for `adamw` by default 0.01, of all parameters as in PyTorch.
        weight_decay: f64,
    },
    /// Limited-memory BFGS on the full batch with a strong Wolfe line search: [`crate::lbfgs`].
    Lbfgs {
        /// Pairs of differences kept, by default 10.
        history: usize,
    },
}

/// The names that settings accept.
pub const NAMES: [&str; 6] = ["sgd", "rmsprop", "adagrad", "adam", "adamw", "lbfgs"];

/// What an optimizer remembers between steps: flat vectors with the layout of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<T> {
    /// Steps taken.
    pub t: u64,
    /// Named vectors, in the order of [`Optimizer::slots`].
    pub slots: Vec<Aligned<T>>,
}

impl<T: Real> OptimizerState<T> {
    /// The state before the first step: zeros.
    pub fn new(optimizer: Optimizer, parameters: usize) -> Self {
        Self { t: 0, slots: optimizer.slots().iter().map(|_| Aligned::zeros(parameters)).collect() }
    }
}

impl Optimizer {
    /// Names of the vectors it remembers, as PyTorch calls them.
    pub fn slots(self) -> &'static [&'static str] {
        match self {
            Self::Sgd { momentum, .. } if momentum != 0.0 => &["momentum_buffer"],
            Self::RmsProp { momentum, .. } if momentum != 0.0 => &["square_avg", "momentum_buffer"],
            Self::RmsProp { .. } => &["square_avg"],
            Self::AdaGrad { .. } => &["sum"],
            Self::Adam { .. } => &["exp_avg", "exp_avg_sq"],
            Self::Sgd { .. } | Self::Lbfgs { .. } => &[],
        }
    }

    /// The learning rate that users of this optimizer start from.
    pub fn default_learning_rate(self) -> f64 {
        match self {
            Self::Sgd { .. } => 0.1,
            Self::RmsProp { .. } | Self::Adam { .. } => 0.001,
            Self::AdaGrad { .. } => 0.01,
            Self::Lbfgs { .. } => 1.0,
        }
    }

    /// Begins a step; each of the parameters is then updated once by [`Optimizer::update`].
    pub fn begin<T>(self, state: &mut OptimizerState<T>) {
        state.t += 1;
    }

    /// Updates the parameters in `range` by their gradients: `grads` are sums, divided here, once, by `n`. One pass over the
    /// vectors, split over threads where that pays off. Returns whether all these parameters are finite now.
    ///
    /// # Panics
    /// If the range lies outside the vectors.
    #[allow(clippy::too_many_arguments)]
    pub fn update<T: Real>(
        self,
        state: &mut OptimizerState<T>,
        params: &mut [T],
        grads: &[T],
        range: Range<usize>,
        n: f64,
        lr: f64,
        threads: usize,
    ) -> bool {
        let w = &mut params[range.clone()];
        let g = &grads[range.clone()];
        let mut slots = state.slots.iter_mut().map(|slot| &mut slot[range.clone()]);
        let powers = match self {
            Self::Adam { beta1, beta2, .. } => [beta1, beta2].map(|beta| beta.powi(state.t as i32)),
            _ => [0.0; 2],
        };
        let rule = Rule { optimizer: self, powers, share: T::from_f64(1.0 / n), lr };
        let finite = AtomicBool::new(true);
        // What was updated is looked at while it is near.
        let look = |w: &[T]| {
            if !simd::all_finite(w) {
                finite.store(false, Ordering::Relaxed);
            }
        };
        match (slots.next(), slots.next()) {
            (None, _) => pool::shares_mut([w], threads, |[w], at| {
                rule.plain(w, &g[at..]);
                look(w);
            }),
            (Some(first), None) => pool::shares_mut([w, first], threads, |[w, first], at| {
                rule.one_slot(w, first, &g[at..]);
                look(w);
            }),
            (Some(first), Some(second)) => {
                pool::shares_mut([w, first, second], threads, |[w, first, second], at| {
                    rule.two_slots(w, first, second, &g[at..]);
                    look(w);
                });
            }
        }
        finite.into_inner()
    }
}

/// An optimizer at one step: how it changes the parameters of a share, whose vectors begin together.
#[derive(Clone, Copy)]
struct Rule<T> {
    optimizer: Optimizer,
    /// beta1^t and beta2^t of Adam
    powers: [f64; 2],
    /// 1 / n: what turns a sum into a mean, by a product instead of a division.
    share: T,
    lr: f64,
}

impl<T: Real> Rule<T> {
    /// w -= lr g
    fn plain(self, w: &mut [T], g: &[T]) {
        let (share, step) = (self.share, T::from_f64(self.lr));
        simd::vectorized(
            #[inline(always)]
            || w.iter_mut().zip(g).for_each(|(w, &sum)| *w -= step * (sum * share)),
        );
    }

    /// SGD with momentum, RMSprop without, AdaGrad.
    fn one_slot(self, w: &mut [T], slot: &mut [T], g: &[T]) {
        let real = T::from_f64;
        let (share, step) = (self.share, real(self.lr));
        let all = w.iter_mut().zip(g).zip(slot);
        match self.optimizer {
            Optimizer::Sgd { momentum, nesterov } => {
                let mu = real(momentum);
                simd::vectorized(
                    #[inline(always)]
                    || {
                        for ((w, &sum), v) in all {
                            let g = sum * share;
                            *v = (mu * *v + g).without_subnormal();
                            *w -= step * if nesterov { g + mu * *v } else { *v };
                        }
                    },
                );
            }
            Optimizer::RmsProp { alpha, eps, .. } => {
                let (alpha, keep, eps) = (real(alpha), real(1.0 - alpha), real(eps));
                simd::vectorized(
                    #[inline(always)]
                    || {
                        for ((w, &sum), s) in all {
                            let g = sum * share;
                            *s = (alpha * *s + keep * g * g).without_subnormal();
                            *w -= step * (g / (s.sqrt() + eps));
                        }
                    },
                );
            }
            Optimizer::AdaGrad { eps } => {
                let eps = real(eps);
                simd::vectorized(
                    #[inline(always)]
                    || {
                        for ((w, &sum), s) in all {
                            let g = sum * share;
                            *s += g * g;
                            *w -= step * g / (s.sqrt() + eps);
                        }
                    },
                );
            }
            Optimizer::Adam { .. } | Optimizer::Lbfgs { .. } => unreachable!("they have two slots, or none"),
        }
    }

    /// RMSprop with momentum, Adam.
    fn two_slots(self, w: &mut [T], first: &mut [T], second: &mut [T], g: &[T]) {
        let real = T::from_f64;
        let share = self.share;
        let all = w.iter_mut().zip(g).zip(first).zip(second);
        match self.optimizer {
            Optimizer::RmsProp { alpha, eps, momentum } => {
                let (alpha, keep, eps, mu) = (real(alpha), real(1.0 - alpha), real(eps), real(momentum));
                let step = real(self.lr);
                simd::vectorized(
                    #[inline(always)]
                    || {
                        for (((w, &sum), s), v) in all {
                            let g = sum * share;
                            *s = (alpha * *s + keep * g * g).without_subnormal();
                            *v = (mu * *v + g / (s.sqrt() + eps)).without_subnormal();
                            *w -= step * *v;
                        }
                    },
                );
            }
            Optimizer::Adam { beta1, beta2, eps, weight_decay } => {
                let (b1, b2, eps) = (real(beta1), real(beta2), real(eps));
                let (keep1, keep2) = (real(1.0 - beta1), real(1.0 - beta2));
                let step = real(self.lr / (1.0 - self.powers[0]));
                let correction = real(1.0 / (1.0 - self.powers[1]).sqrt());
                let shrink = real(1.0) - real(self.lr * weight_decay);
                simd::vectorized(
                    #[inline(always)]
                    || {
                        for (((w, &sum), m), s) in all {
                            let g = sum * share;
                            *m = (b1 * *m + keep1 * g).without_subnormal();
                            *s = (b2 * *s + keep2 * g * g).without_subnormal();
                            *w = *w * shrink - step * *m / (s.sqrt() * correction + eps);
                        }
                    },
                );
            }
            _ => unreachable!("they have one slot, or none"),
        }
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut call = Call::parse("optimizer", text)?;
        let share = |v: f64| (0.0..1.0).contains(&v);
        let (below_one, positive) = ("a share of 0 to below 1", "a number above 0");
        let value = match call.name.as_str() {
            "sgd" => {
                let momentum = call.take_if("momentum", 0.0, below_one, share)?;
                Self::Sgd { momentum, nesterov: call.take("nesterov", 0.0) != 0.0 }
            }
            "rmsprop" => Self::RmsProp {
                alpha: call.take_if("alpha", 0.99, below_one, share)?,
                eps: call.take_if("eps", 1e-8, positive, |v| v > 0.0)?,
                momentum: call.take_if("momentum", 0.0, below_one, share)?,
            },
            "adagrad" => Self::AdaGrad { eps: call.take_if("eps", 1e-10, positive, |v| v > 0.0)? },
            name @ ("adam" | "adamw") => {
                let decoupled = name == "adamw";
                Self::Adam {
                    beta1: call.take_if("beta1", 0.9, below_one, share)?,
                    beta2: call.take_if("beta2", 0.999, below_one, share)?,
                    eps: call.take_if("eps", 1e-8, positive, |v| v > 0.0)?,
                    weight_decay: if decoupled {
                        call.take_if("weight_decay", 0.01, "a number of at least 0", |v| v >= 0.0)?
                    } else {
                        0.0
                    },
                }
            }
            "lbfgs" | "l_bfgs" => {
                let whole = |v: f64| (1.0..=1000.0).contains(&v) && v.fract() == 0.0;
                let history = call.take_if("history", 10.0, "a whole number of 1 to 1000", whole)?;
                Self::Lbfgs { history: history as usize }
            }
            _ => return Err(call.unknown(&NAMES)),
        };
        call.finish(value)
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Sgd { momentum, .. } if *momentum == 0.0 => f.write_str("sgd"),
            Self::Sgd { momentum, nesterov: false } => write!(f, "sgd(momentum={momentum})"),
            Self::Sgd { momentum, .. } => write!(f, "sgd(momentum={momentum}, nesterov=true)"),
            Self::RmsProp { alpha, eps, momentum } => {
                write!(f, "rmsprop(alpha={alpha}, eps={eps:e}, momentum={momentum})")
            }
            Self::AdaGrad { eps } => write!(f, "adagrad(eps={eps:e})"),
            Self::Adam { beta1, beta2, eps, weight_decay } if *weight_decay == 0.0 => {
                write!(f, "adam(beta1={beta1}, beta2={beta2}, eps={eps:e})")
            }
            Self::Adam { beta1, beta2, eps, weight_decay } => {
                write!(f, "adamw(beta1={beta1}, beta2={beta2}, eps={eps:e}, weight_decay={weight_decay})")
            }
            Self::Lbfgs { history } => write!(f, "lbfgs(history={history})"),
        }
    }
}

serde_as_text!(Optimizer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for text in NAMES.iter().copied().chain([
            "sgd(0.9)",
            "sgd(momentum=0.9,nesterov=true)",
            "rmsprop(momentum=0.5)",
        ]) {
            let optimizer: Optimizer = text.parse().unwrap();
            assert_eq!(optimizer.to_string().parse::<Optimizer>().unwrap(), optimizer, "{text}");
        }
        assert!("sgd(momentum=1.5)".parse::<Optimizer>().is_err());
        assert!("adam(weight_decay=0.1)".parse::<Optimizer>().is_err());
    }

    /// First steps worked by hand: with g = 2 (a sum of 8 over n = 4) and w = 1.
    #[test]
    fn first_steps() {
        let after = |text: &str, lr: f64, steps: usize| {
            let optimizer: Optimizer = text.parse().unwrap();
            let mut state = OptimizerState::new(optimizer, 1);
            let mut w = [1.0f64];
            for _ in 0..steps {
                optimizer.begin(&mut state);
                assert!(optimizer.update(&mut state, &mut w, &[8.0], 0..1, 4.0, lr, 1));
            }
            w[0]
        };
        let near = |text, lr, steps, want: f64| {
            let got = after(text, lr, steps);
            assert!((got - want).abs() <= 1e-7, "{text}: {got} is not {want}");
        };
        near("sgd", 0.1, 1, 0.8);
        near("sgd(momentum=0.5)", 0.1, 2, 1.0 - 0.2 - 0.3);
        near("sgd(momentum=0.5,nesterov=true)", 0.1, 1, 1.0 - 0.1 * (2.0 + 0.5 * 2.0));
        near("adagrad", 0.1, 2, 1.0 - 0.1 - 0.1 / 2f64.sqrt());
        near("rmsprop(alpha=0.75)", 0.1, 1, 1.0 - 0.1 * 2.0 / 1.0);
        near("adam", 0.1, 3, 0.7); // a constant gradient moves w by lr each step
        near("adamw(weight_decay=0.5)", 0.1, 1, 0.95 - 0.1);
    }
}
