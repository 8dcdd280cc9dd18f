//! The update of a step: BP3 and BP4, subtracted where the parameters lie.
//!
//! Pointers and rows as in [`super::layers`].

use super::layers::{a_row, delta_row, load, store};
use super::{Layer, Step};
use crate::dense::PANEL;
use crate::panel::Panel;
use crate::product::{Matrix, pack_b};
use crate::simd::{kernel, mul_add};
use crate::sparse::{self, add_to_rows, scaled};
use pulp::Simd;
use std::ops::Range;

/// w -= rate x^T delta for `units` of the first layer, sample by sample over its nonzero inputs; their biases, too.
///
/// # Safety
/// The buffers are as `run` has checked, and no other thread uses these units.
#[inline(always)]
pub(super) unsafe fn first_update<S: Simd, const V: usize>(simd: S, step: &Step, units: Range<usize>) {
    let layer = &step.layers[0];
    if layer.train_weights {
        sparse::panels(
            units.clone(),
            #[inline(always)]
            |left, two| {
                // SAFETY: panels of W have `inputs` rows; row s of delta is one of the batch.
                unsafe {
                    let w = step.params.get().add(layer.weight + left * layer.inputs);
                    if step.keep != 1.0 {
                        let width = PANEL * (1 + usize::from(two));
                        let panels = std::slice::from_raw_parts_mut(w, width * layer.inputs);
                        for w in S::as_mut_simd_f32s(panels).0 {
                            *w = simd.mul_f32s(*w, simd.splat_f32s(step.keep));
                        }
                    }
                    for (s, &sample) in step.samples.iter().enumerate() {
                        let delta = delta_row(step, 0, s).add(left);
                        let by = scaled::<S, V>(simd, -step.rate, load(simd, delta));
                        if two {
                            let right = scaled::<S, V>(simd, -step.rate, load(simd, delta.add(PANEL)));
                            add_to_rows(simd, step.rows, sample, w, [by, right]);
                        } else {
                            add_to_rows(simd, step.rows, sample, w, [by]);
                        }
                    }
                }
            },
        );
    }
    if !shares_bias(layer) {
        // SAFETY: as above.
        unsafe { update_bias::<S, V>(simd, step, 0, units) };
    }
}

/// A bias that all units of the first layer share: each thread has its own.
///
/// # Safety
/// The buffers are as `run` has checked, and no other thread uses this bias.
#[inline(always)]
pub(super) unsafe fn first_shared_bias<S: Simd, const V: usize>(simd: S, step: &Step) {
    if shares_bias(&step.layers[0]) {
        // SAFETY: the caller's promise.
        unsafe { update_bias::<S, V>(simd, step, 0, 0..step.layers[0].units) };
    }
}

/// Whether the units have one bias in common.
#[inline(always)]
fn shares_bias(layer: &Layer) -> bool {
    layer.bias.len() == 1 && layer.units > 1
}

/// b -= rate * the sum of delta over the batch, for `units` of layer `l`, or of all for a bias that they share: BP3.
///
/// # Safety
/// No other thread uses these units.
#[inline(always)]
unsafe fn update_bias<S: Simd, const V: usize>(simd: S, step: &Step, l: usize, units: Range<usize>) {
    let layer = &step.layers[l];
    let n = step.samples.len();
    if !layer.train_bias || layer.bias.is_empty() {
        return;
    }
    // SAFETY: rows of delta(l) and the biases, as `run` has checked.
    unsafe {
        if shares_bias(layer) {
            let of_row = |s| std::slice::from_raw_parts(delta_row(step, l, s), layer.units);
            let sum: f32 = (0..n).flat_map(of_row).sum();
            *step.rest.get().add(layer.bias.start) -= step.rate * sum;
            return;
        }
        let params = if l == 0 { step.params } else { step.rest };
        for left in units.step_by(PANEL) {
            let mut sums: Panel<S, V> = [simd.splat_f32s(0.0); V];
            for s in 0..n {
                let delta: Panel<S, V> = load(simd, delta_row(step, l, s).add(left));
                for (sum, delta) in sums.iter_mut().zip(delta) {
                    *sum = simd.add_f32s(*sum, delta);
                }
            }
            // Biases are padded like rows, and delta is 0 there.
            let at = params.get().add(layer.bias.start + left);
            let mut bias: Panel<S, V> = load(simd, at);
            for (b, sum) in bias.iter_mut().zip(sums) {
                *b = mul_add(simd, simd.splat_f32s(-step.rate), sum, *b);
            }
            store::<S, V>(at, bias);
        }
    }
}

kernel! {
    /// W by outputs, `turned (m, k)` in panels of 16 inputs, of `w (k, m)` in panels of 16 units.
    pub(super) fn turn<'a>(simd, w: &'a [f32], k: usize, m: usize, turned: &'a mut [f32]) {
        turn_panels(simd, w, k, m, turned);
    }
}

#[inline(always)]
fn turn_panels<S: Simd>(simd: S, w: &[f32], k: usize, m: usize, turned: &mut [f32]) {
    pack_b(simd, &Matrix::TransposedPanels(w, k), 0..m, 0..k, turned);
}

/// Samples of a batch from which turning W round takes less time than updating it once more by outputs (measured with AVX-512); the
/// bits are the same.
const TURNED_FROM: usize = 32;

/// The update of all layers but the first: W, W by outputs, b.
///
/// # Safety
/// The buffers are as `run` has checked; nobody writes a of the first layer, no other thread uses the others.
#[inline(always)]
pub(super) unsafe fn update_rest<S: Simd, const V: usize>(simd: S, step: &Step) {
    for l in 1..step.layers.len() {
        let (below, layer) = (&step.layers[l - 1], &step.layers[l]);
        // SAFETY: rows of a(l-1) and delta(l), W and W by outputs, as `run` has checked. The last two lie in buffers of their own,
        // and this thread's copies of them are nobody else's.
        unsafe {
            if layer.train_weights {
                let x = (a_row(step, l - 1, 0).cast_const(), below.width());
                let delta = (delta_row(step, l, 0).cast_const(), layer.width());
                let w = step.rest.get().add(layer.weight);
                update::<S, V>(simd, step, (layer.inputs, layer.units), x, delta, w);
                let turned = step.turned.get().add(step.turned_at[l]);
                if step.samples.len() < TURNED_FROM {
                    update::<S, V>(simd, step, (layer.units, layer.inputs), delta, x, turned);
                } else {
                    let w = std::slice::from_raw_parts(w, layer.inputs * layer.width());
                    let turned = std::slice::from_raw_parts_mut(turned, layer.units * below.width());
                    turn_panels(simd, w, layer.inputs, layer.units, turned);
                }
            }
            update_bias::<S, V>(simd, step, l, 0..layer.units);
        }
    }
}

/// w(i) = keep w(i) - rate * sum over samples of x(s, i) d(s), for panels of k rows and m units; rows of x and d as (start,
/// distance).
///
/// # Safety
/// `x` is readable for k numbers of n rows, `d` for m of n padded rows, `w` is writable for the panels.
#[inline(always)]
unsafe fn update<S: Simd, const V: usize>(
    simd: S,
    step: &Step,
    (k, m): (usize, usize),
    x: (*const f32, usize),
    d: (*const f32, usize),
    w: *mut f32,
) {
    for left in (0..m).step_by(PANEL) {
        // SAFETY (all): the caller's promise.
        unsafe {
            let (d, w) = ((d.0.add(left), d.1), w.add(left * k));
            let mut i = 0;
            while i + 4 <= k {
                update_rows::<S, V, 4>(simd, step, (x.0.add(i), x.1), d, w.add(i * PANEL));
                i += 4;
            }
            while i < k {
                update_rows::<S, V, 1>(simd, step, (x.0.add(i), x.1), d, w.add(i * PANEL));
                i += 1;
            }
        }
    }
}

/// [`update`] of R rows of a panel: each d is read once for all of them.
///
/// # Safety
/// As [`update`].
#[inline(always)]
unsafe fn update_rows<S: Simd, const V: usize, const R: usize>(
    simd: S,
    step: &Step,
    x: (*const f32, usize),
    d: (*const f32, usize),
    w: *mut f32,
) {
    let (rate, keep) = (simd.splat_f32s(-step.rate), simd.splat_f32s(step.keep));
    let mut sums: [Panel<S, V>; R] = [[simd.splat_f32s(0.0); V]; R];
    for s in 0..step.samples.len() {
        // SAFETY: the caller's promise.
        let d: Panel<S, V> = unsafe { load(simd, d.0.add(s * d.1)) };
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let x = simd.splat_f32s(unsafe { *x.0.add(s * x.1 + i) });
            for (sum, d) in sums.iter_mut().zip(d) {
                *sum = mul_add(simd, x, d, *sum);
            }
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe {
            let mut row: Panel<S, V> = load(simd, w.add(i * PANEL));
            for (w, sum) in row.iter_mut().zip(sums) {
                *w = mul_add(simd, rate, sum, simd.mul_f32s(keep, *w));
            }
            store::<S, V>(w.add(i * PANEL), row);
        }
    }
}
