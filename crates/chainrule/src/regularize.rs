//! Penalties on the weights, clipping of the gradient, and max-norm.

use crate::Real;
use crate::layout::Layout;
use crate::loss::sign;
use serde::{Deserialize, Serialize};

/// What keeps weights or gradients small. Penalties concern weights, never biases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regularize {
    /// Adds l1 sum |w| to the mean loss.
    #[serde(default)]
    pub l1: f64,
    /// Adds l2/2 sum w^2 to the mean loss.
    #[serde(default)]
    pub l2: f64,
    /// Whether l1 and l2 are divided by the number of training samples, as Nielsen states lambda.
    #[serde(default)]
    pub l2_scale: PenaltyScale,
    /// After each update the incoming weights of each unit are scaled down to this norm (Srivastava et al. 2014).
    #[serde(default)]
    pub max_norm: Option<f64>,
    /// The gradient of the whole objective is scaled down to this norm (Pascanu et al. 2013).
    #[serde(default)]
    pub clip_norm: Option<f64>,
}

/// What l1 and l2 are stated for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyScale {
    /// The mean loss.
    #[default]
    PerSample,
    /// The loss summed over the training set: l1 and l2 are divided by its number of samples.
    PerDataset,
}

impl Regularize {
    /// (l1, l2) on the mean loss of `samples` training samples.
    pub fn penalties(&self, samples: usize) -> (f64, f64) {
        match self.l2_scale {
            PenaltyScale::PerSample => (self.l1, self.l2),
            PenaltyScale::PerDataset => (self.l1 / samples as f64, self.l2 / samples as f64),
        }
    }

    /// The penalty on the mean loss.
    pub fn value<T: Real>(&self, layout: &Layout, params: &[T], samples: usize) -> f64 {
        let (l1, l2) = self.penalties(samples);
        if l1 == 0.0 && l2 == 0.0 {
            return 0.0;
        }
        let weights = (0..layout.layers()).flat_map(|l| &params[layout.weight(l)]).map(|w| w.to_f64());
        weights.map(|w| l1 * w.abs() + 0.5 * l2 * w * w).sum()
    }

    /// Adds the penalties' gradient for layer `l` to `grads`, sums over a batch of total weight `n`.
    pub fn add_penalties<T: Real>(
        &self,
        layout: &Layout,
        l: usize,
        params: &[T],
        grads: &mut [T],
        n: f64,
        samples: usize,
    ) {
        let (l1, l2) = self.penalties(samples);
        if l1 == 0.0 && l2 == 0.0 {
            return;
        }
        let (l1, l2) = (T::from_f64(n * l1), T::from_f64(n * l2));
        for (g, &w) in grads[layout.weight(l)].iter_mut().zip(&params[layout.weight(l)]) {
            *g += l2 * w + l1 * sign(w);
        }
    }

    /// Scales the gradient down to `clip_norm`; `grads` are sums over a batch of total weight `n`.
    pub fn clip<T: Real>(&self, layout: &Layout, grads: &mut [T], n: f64) {
        let Some(limit) = self.clip_norm else { return };
        let trainable = || (0..layout.layers()).filter_map(|l| layout.trainable(l));
        let square_sum: f64 =
            trainable().flat_map(|range| &grads[range]).map(|g| (g.to_f64() / n).powi(2)).sum();
        let factor = limit / (square_sum.sqrt() + 1e-6); // 1e-6 as in PyTorch
        if factor < 1.0 {
            let factor = T::from_f64(factor);
            for range in trainable() {
                grads[range].iter_mut().for_each(|g| *g *= factor);
            }
        }
    }

    /// Scales the incoming weights of each unit of layer `l` down to `max_norm`.
    pub fn limit_norms<T: Real>(&self, layout: &Layout, l: usize, params: &mut [T]) {
        let Some(limit) = self.max_norm else { return };
        let (units, inputs) = layout.weight_shape(l);
        for j in 0..units {
            let at = |i| layout.weight_at(l, j, i);
            let norm = (0..inputs).map(|i| params[at(i)].to_f64().powi(2)).sum::<f64>().sqrt();
            if norm > limit {
                let factor = T::from_f64(limit / norm);
                (0..inputs).for_each(|i| params[at(i)] *= factor);
            }
        }
    }
}
