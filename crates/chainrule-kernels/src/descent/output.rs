//! The output layer of one sample: its loss, and delta(L), BP1.

use super::Step;
use crate::activation::{self, Nonlinearity};
use crate::simd::mul_add;
use pulp::Simd;

/// A loss, and how its value and its delta are scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// value * sum (a - y)^2, whose derivative by a is 2 value (a - y): quadratic (value 1/2) and mse (1/outputs).
    Squares {
        /// The factor of the sum.
        value: f64,
    },
    /// Softmax with cross-entropy: -sum y ln a.
    CrossEntropy,
    /// Sigmoid with binary cross-entropy: -sum y ln a + (1 - y) ln (1 - a).
    BinaryCrossEntropy,
}

/// What outputs are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// The class of each sample: 1 at its place, 0 elsewhere.
    Labels(&'a [u32]),
    /// `(samples, outputs)`
    Values(&'a [f32]),
}

impl Targets<'_> {
    /// Whether there is a target of `outputs` numbers for `sample`.
    pub(super) fn holds(&self, sample: usize, outputs: usize) -> bool {
        match self {
            Self::Labels(labels) => labels.get(sample).is_some_and(|&label| (label as usize) < outputs),
            Self::Values(values) => values.len() >= (sample + 1) * outputs,
        }
    }

    /// y of `sample`, m numbers, in a padded row.
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, sample: usize, m: usize, y: &mut [f32]) {
        for y in S::as_mut_simd_f32s(y).0 {
            *y = simd.splat_f32s(0.0);
        }
        match self {
            Self::Labels(labels) => y[labels[sample] as usize] = 1.0,
            Self::Values(values) => copy(simd, &values[sample * m..(sample + 1) * m], y),
        }
    }
}

/// The loss of sample `s` of the batch; `z`, `a` and `delta` are its padded rows of the output layer. Writes a (for softmax)
/// and delta, and the answer.
///
/// # Safety
/// As [`super::layers::through`].
#[inline(always)]
pub(super) unsafe fn finish<S: Simd>(
    simd: S,
    step: &Step,
    s: usize,
    z: &[f32],
    a: &mut [f32],
    delta: &mut [f32],
) {
    let output = &step.layers[step.layers.len() - 1];
    let m = output.units;
    let sample = step.samples[s];
    let loss = match step.loss {
        Loss::Squares { value } => {
            step.targets.write(simd, sample, m, delta); // delta holds y first
            let slope = simd.splat_f32s(2.0 * value as f32);
            let mut squares = simd.splat_f32s(0.0);
            let (a, _) = S::as_simd_f32s(a);
            let (delta, _) = S::as_mut_simd_f32s(delta);
            for (delta, &a) in delta.iter_mut().zip(a) {
                let error = simd.sub_f32s(a, *delta); // 0 - 0 in the padding
                squares = mul_add(simd, error, error, squares);
                *delta = times_slope(simd, output.f, a, simd.mul_f32s(slope, error));
            }
            value as f32 * simd.reduce_sum_f32s(squares)
        }
        Loss::CrossEntropy => {
            let (max, rest, tops) = activation::softmax_row(simd, &z[..m], &mut a[..m]);
            let log_sum = (rest + (tops - 1.0)).ln_1p();
            match step.targets {
                Targets::Labels(labels) => {
                    let label = labels[sample] as usize;
                    copy(simd, a, delta); // 0 in the padding
                    delta[label] -= 1.0;
                    flush(&mut delta[..m]);
                    (max - z[label]) + log_sum
                }
                Targets::Values(values) => {
                    let y = &values[sample * m..(sample + 1) * m];
                    let total: f32 = y.iter().sum();
                    let (mut loss, a) = (0.0, &a[..m]);
                    for (j, delta) in delta[..m].iter_mut().enumerate() {
                        loss += y[j] * ((max - z[j]) + log_sum);
                        *delta = a[j] * total - y[j];
                    }
                    flush(&mut delta[..m]);
                    loss
                }
            }
        }
        Loss::BinaryCrossEntropy => {
            step.targets.write(simd, sample, m, delta);
            let mut loss = 0.0;
            for ((delta, &a), &z) in delta[..m].iter_mut().zip(&*a).zip(z) {
                let y = *delta;
                loss += if z > 0.0 { (1.0 - y) * z } else { -y * z } + (-z.abs()).exp().ln_1p();
                *delta = a - y;
            }
            flush(&mut delta[..m]);
            loss
        }
    };
    let finite = delta[..m].iter().fold(true, |all, d| all & d.is_finite());
    // SAFETY: s lies within the batch: `losses` has room for it, `answers` for m numbers of it.
    unsafe {
        *step.losses.get().add(s) = if finite { loss } else { f32::NAN };
        copy(simd, &a[..m], std::slice::from_raw_parts_mut(step.answers.get().add(s * m), m));
    }
}

/// delta f'(z); unlike [`Nonlinearity::times_derivative`] tiny results become 0 for the identity, too.
#[inline(always)]
fn times_slope<S: Simd>(simd: S, f: Nonlinearity, a: S::f32s, delta: S::f32s) -> S::f32s {
    match f {
        Nonlinearity::Identity => activation::without_tiny(simd, delta),
        f => f.times_derivative(simd, a, delta),
    }
}

/// Copies as many numbers as both have: rows are too short for a call.
#[inline(always)]
fn copy<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) {
    for (from, to) in from.chunks(S::F32_LANES).zip(to.chunks_mut(S::F32_LANES)) {
        simd.partial_store_f32s(&mut to[..from.len()], simd.partial_load_f32s(from));
    }
}

/// Tiny deltas become 0.
#[inline(always)]
fn flush(delta: &mut [f32]) {
    for d in delta {
        *d = crate::Real::without_tiny(*d);
    }
}
