//! The output layer of one sample: its loss, and delta(L), BP1.

use super::Step;
use crate::activation::{self, Nonlinearity};
use crate::memory::prefetch_lines;
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

    /// Asks for the target of `sample`, of `outputs` numbers, to be brought near.
    #[inline(always)]
    pub(super) fn prefetch(&self, sample: usize, outputs: usize) {
        match self {
            Self::Labels(labels) => prefetch_lines(&raw const labels[sample], 1),
            Self::Values(values) => prefetch_lines(&raw const values[sample * outputs], 1),
        }
    }

    /// y of the outputs from `left` on, of a sample with m of them; 0 beyond.
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, sample: usize, m: usize, left: usize) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        match self {
            Self::Labels(labels) => {
                let lane = (labels[sample] as usize).wrapping_sub(left);
                if lane >= S::F32_LANES {
                    return zero;
                }
                let lane = lane as u32;
                simd.select_f32s(simd.mask_between_m32s(lane, lane + 1).mask(), simd.splat_f32s(1.0), zero)
            }
            Self::Values(values) if left < m => {
                simd.partial_load_f32s(&values[sample * m..][left..m.min(left + S::F32_LANES)])
            }
            Self::Values(_) => zero,
        }
    }
}

/// The loss of a sample; NaN if a delta is not finite. `z`, `a` and `delta` are its padded rows of the output layer. Writes a
/// (for softmax), delta and the answer.
///
/// # Safety
/// `answer` is writable for the outputs.
#[inline(always)]
pub(super) unsafe fn finish<S: Simd>(
    simd: S,
    step: &Step,
    sample: usize,
    z: &[f32],
    a: &mut [f32],
    delta: &mut [f32],
    answer: Option<*mut f32>,
) -> f32 {
    let output = &step.layers[step.layers.len() - 1];
    let m = output.units;
    let mut check = simd.splat_f32s(0.0); // NaN unless all deltas are finite
    let deltas = (0..).step_by(S::F32_LANES).zip(S::as_mut_simd_f32s(delta).0);
    let loss = match step.loss {
        Loss::Squares { value } => {
            let slope = simd.splat_f32s(2.0 * value as f32);
            let mut squares = simd.splat_f32s(0.0);
            for ((left, delta), &a) in deltas.zip(S::as_simd_f32s(a).0) {
                let error = simd.sub_f32s(a, step.targets.load(simd, sample, m, left)); // 0 - 0 in the padding
                squares = mul_add(simd, error, error, squares);
                *delta = times_slope(simd, output.f, a, simd.mul_f32s(slope, error));
                check = mul_add(simd, *delta, simd.splat_f32s(0.0), check);
            }
            // One sum across lanes, not two.
            check = mul_add(simd, simd.splat_f32s(value as f32), squares, check);
            0.0
        }
        Loss::CrossEntropy => {
            let (max, rest, tops) = activation::softmax_row(simd, &z[..m], &mut a[..m]);
            let log_sum = (rest + (tops - 1.0)).ln_1p();
            let total: f32 = match step.targets {
                Targets::Labels(_) => 1.0,
                Targets::Values(values) => values[sample * m..(sample + 1) * m].iter().sum(),
            };
            for ((left, delta), &a) in deltas.zip(S::as_simd_f32s(a).0) {
                let error = simd.sub_f32s(
                    simd.mul_f32s(a, simd.splat_f32s(total)),
                    step.targets.load(simd, sample, m, left),
                );
                *delta = activation::without_tiny(simd, error);
                check = mul_add(simd, *delta, simd.splat_f32s(0.0), check);
            }
            let of_class = |(y, z): (f32, f32)| y * ((max - z) + log_sum);
            match step.targets {
                Targets::Labels(labels) => of_class((1.0, z[labels[sample] as usize])),
                Targets::Values(values) => values[sample * m..(sample + 1) * m]
                    .iter()
                    .zip(z)
                    .fold(0.0, |sum, (&y, &z)| sum + of_class((y, z))),
            }
        }
        Loss::BinaryCrossEntropy => {
            for ((left, delta), &a) in deltas.zip(S::as_simd_f32s(a).0) {
                *delta = activation::without_tiny(
                    simd,
                    simd.sub_f32s(a, step.targets.load(simd, sample, m, left)),
                );
                check = mul_add(simd, *delta, simd.splat_f32s(0.0), check);
            }
            let mut loss = 0.0;
            for (j, &z) in z[..m].iter().enumerate() {
                let y = match step.targets {
                    Targets::Labels(labels) => f32::from(labels[sample] as usize == j),
                    Targets::Values(values) => values[sample * m + j],
                };
                loss += if z > 0.0 { (1.0 - y) * z } else { -y * z } + (-z.abs()).exp().ln_1p();
            }
            loss
        }
    };
    if let Some(answer) = answer {
        // SAFETY: the caller's promise.
        copy(simd, &a[..m], unsafe { std::slice::from_raw_parts_mut(answer, m) });
    }
    loss + simd.reduce_sum_f32s(check)
}

/// delta f'(z); unlike [`Nonlinearity::times_derivative`] tiny results become 0 for the identity, too.
#[inline(always)]
pub(super) fn times_slope<S: Simd>(simd: S, f: Nonlinearity, a: S::f32s, delta: S::f32s) -> S::f32s {
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
