//! Steps of plain gradient descent, one equation after another.

use super::{bias_of, panel_index};
use crate::activation::Nonlinearity;
use crate::descent::{Batches, Layer, Loss, Targets};

/// The steps of [`crate::descent::Descent::run`] over dense samples `x (samples, inputs)`, in f64 within a step.
///
/// Returns the number of steps made, and the smallest |z| that a rectifier met: with one near 0 its slope, and so the whole
/// step, hangs on how z was rounded.
#[allow(clippy::too_many_arguments)] // as the kernel
pub fn descent(
    layers: &[Layer],
    loss: Loss,
    params: &mut [f32],
    x: &[f32],
    targets: Targets,
    batches: Batches,
    loss_sums: &mut [f64],
    answers: &mut [f32],
) -> (usize, f64) {
    let (inputs, outputs) = (layers[0].inputs, layers[layers.len() - 1].units);
    let mut nearest = f64::INFINITY;
    for (b, samples) in batches.samples.chunks(batches.batch_size).enumerate() {
        let passes: Vec<Pass> = samples
            .iter()
            .map(|&s| {
                Pass::new(
                    layers,
                    loss,
                    params,
                    &x[s * inputs..(s + 1) * inputs],
                    &target(&targets, s, outputs),
                )
            })
            .collect();
        for (s, pass) in passes.iter().enumerate() {
            let at = (b * batches.batch_size + s) * outputs;
            for (answer, &a) in answers[at..at + outputs].iter_mut().zip(&pass.a[layers.len()]) {
                *answer = a as f32;
            }
            nearest = nearest.min(pass.nearest);
        }
        loss_sums[b] = passes.iter().map(|pass| pass.loss).sum();
        let finite = passes.iter().all(|pass| pass.delta.iter().flatten().all(|d| d.is_finite()));
        if !finite || !loss_sums[b].is_finite() {
            return (b, nearest);
        }
        let rate = batches.rates[b].learning_rate / samples.len() as f64;
        update(layers, params, &passes, rate, batches.rates[b].keep);
    }
    (loss_sums.len(), nearest)
}

/// y of sample `s`.
fn target(targets: &Targets, s: usize, outputs: usize) -> Vec<f64> {
    match *targets {
        Targets::Labels(labels) => {
            (0..outputs).map(|j| f64::from(u8::from(labels[s] as usize == j))).collect()
        }
        Targets::Values(values) => {
            values[s * outputs..(s + 1) * outputs].iter().map(|&y| f64::from(y)).collect()
        }
    }
}

/// What one sample makes of a network.
struct Pass {
    /// a(0) = x, then a of each layer.
    a: Vec<Vec<f64>>,
    delta: Vec<Vec<f64>>,
    loss: f64,
    /// The smallest |z| of a rectifier.
    nearest: f64,
}

impl Pass {
    fn new(layers: &[Layer], loss: Loss, params: &[f32], x: &[f32], y: &[f64]) -> Self {
        let w = |layer: &Layer, i, j| f64::from(params[layer.weight + panel_index(layer.inputs, i, j)]);
        let mut a = vec![x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()];
        let mut nearest = f64::INFINITY;
        for (l, layer) in layers.iter().enumerate() {
            let bias = &params[layer.bias.clone()];
            let z: Vec<f64> = (0..layer.units)
                .map(|j| {
                    (0..layer.inputs).map(|i| a[l][i] * w(layer, i, j)).sum::<f64>()
                        + f64::from(bias_of(bias, j))
                })
                .collect();
            if matches!(layer.f, Nonlinearity::Relu | Nonlinearity::LeakyRelu(_)) {
                nearest = z.iter().filter(|&&z| z != 0.0).fold(nearest, |nearest, z| nearest.min(z.abs()));
            }
            let softmax = loss == Loss::CrossEntropy && l + 1 == layers.len();
            a.push(if softmax { softmax_of(&z) } else { z.iter().map(|&z| layer.f.value_f64(z)).collect() });
        }
        let output = &a[layers.len()];
        let pairs = || output.iter().zip(y);
        let f = layers[layers.len() - 1].f;
        let (loss, last): (f64, Vec<f64>) = match loss {
            Loss::Squares { value } => (
                value * pairs().map(|(a, y)| (a - y).powi(2)).sum::<f64>(),
                pairs().map(|(a, y)| 2.0 * value * (a - y) * f.derivative_f64(*a)).collect(),
            ),
            Loss::CrossEntropy => {
                let total: f64 = y.iter().sum();
                (
                    -pairs().map(|(a, y)| y * a.ln()).sum::<f64>(),
                    pairs().map(|(a, y)| a * total - y).collect(),
                )
            }
            Loss::BinaryCrossEntropy => (
                -pairs().map(|(a, y)| y * a.ln() + (1.0 - y) * (1.0 - a).ln()).sum::<f64>(),
                pairs().map(|(a, y)| a - y).collect(),
            ),
        };
        let mut delta = vec![last];
        for l in (1..layers.len()).rev() {
            let (layer, above) = (&layers[l], &delta[0]);
            let below = (0..layer.inputs)
                .map(|i| {
                    let sum: f64 = (0..layer.units).map(|j| above[j] * w(layer, i, j)).sum();
                    sum * layers[l - 1].f.derivative_f64(a[l][i])
                })
                .collect();
            delta.insert(0, below);
        }
        Self { a, delta, loss, nearest }
    }
}

fn softmax_of(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
    z.iter().map(|z| (z - max).exp() / sum).collect()
}

/// w = keep w - rate * sum over samples of a delta, b = b - rate * sum of delta.
fn update(layers: &[Layer], params: &mut [f32], passes: &[Pass], rate: f64, keep: f64) {
    for (l, layer) in layers.iter().enumerate() {
        if layer.train_weights {
            for i in 0..layer.inputs {
                for j in 0..layer.units {
                    let sum: f64 = passes.iter().map(|pass| pass.a[l][i] * pass.delta[l][j]).sum();
                    let w = &mut params[layer.weight + panel_index(layer.inputs, i, j)];
                    *w = (keep * f64::from(*w) - rate * sum) as f32;
                }
            }
        }
        if !layer.train_bias {
            continue;
        }
        for (j, b) in params[layer.bias.clone()].iter_mut().enumerate() {
            let shared = layer.bias.len() == 1;
            let sum_of = |pass: &Pass| if shared { pass.delta[l].iter().sum() } else { pass.delta[l][j] };
            *b = (f64::from(*b) - rate * passes.iter().map(sum_of).sum::<f64>()) as f32;
        }
    }
}
