//! The layers of a step: forward and back.
//!
//! Every function takes its rows as pointers into buffers that [`super::Descent::run`] has found large enough. Rows of a and
//! delta are whole multiples of 16 numbers, of which those beyond the units are 0; weights lie in panels of 16 units.

use super::{Step, output};
use crate::dense::PANEL;
use crate::panel::{self, Panel};
use crate::simd::mul_add;
use crate::sparse::{self, FAR_AHEAD, sum_rows};
use pulp::Simd;
use std::ops::Range;

/// Samples that go through a small layer together: as many chains of multiply-adds overlap. Threads take whole groups, so
/// that a sample is summed in the same way whatever their number.
pub(super) const TOGETHER: usize = 4;

/// Asks for what samples after number `s` of the batch need.
#[inline(always)]
pub(super) fn look_ahead(step: &Step, s: usize) {
    step.rows.look_ahead(step.upcoming, s);
    if let Some(&later) = step.upcoming.get(s + FAR_AHEAD) {
        step.targets.prefetch(later, step.layers[step.layers.len() - 1].units);
    }
}

/// Row `s` of a batch among layer `l`'s rows of a.
///
/// # Safety
/// There is such a row.
#[inline(always)]
pub(super) unsafe fn a_row(step: &Step, l: usize, s: usize) -> *mut f32 {
    let (a, at) = if l == 0 { (step.first_a, 0) } else { (step.a, step.at[l]) };
    // SAFETY: the caller's promise.
    unsafe { a.get().add(at + s * step.layers[l].width()) }
}

/// Row `s` of a batch among layer `l`'s rows of delta.
///
/// # Safety
/// There is such a row.
#[inline(always)]
pub(super) unsafe fn delta_row(step: &Step, l: usize, s: usize) -> *mut f32 {
    // SAFETY: the caller's promise.
    unsafe { step.delta.get().add(step.at[l] + s * step.layers[l].width()) }
}

/// A row of 16 numbers.
///
/// # Safety
/// They lie within the allocation of `from`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, const V: usize>(simd: S, from: *const f32) -> Panel<S, V> {
    // SAFETY: the caller's promise.
    panel::load(simd, unsafe { std::slice::from_raw_parts(from, PANEL) })
}

/// Stores a row of 16 numbers.
///
/// # Safety
/// They lie within the allocation of `to`, and are this thread's.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const V: usize>(to: *mut f32, row: Panel<S, V>) {
    // SAFETY: the caller's promise.
    panel::store::<S, V>(unsafe { std::slice::from_raw_parts_mut(to, PANEL) }, row);
}

/// The biases of a panel of layer `l`, from unit `left` on: one for each unit, one for all, or none.
///
/// # Safety
/// Nobody writes them now.
#[inline(always)]
unsafe fn biases<S: Simd, const V: usize>(simd: S, step: &Step, l: usize, left: usize) -> Panel<S, V> {
    let bias = &step.layers[l].bias;
    // SAFETY: they lie within the parameters, with their padding, as `run` has checked.
    unsafe {
        let of_units = l == 0 && bias.len() == step.layers[0].units;
        let start = if of_units { step.params } else { step.rest }.get().add(bias.start);
        match bias.len() {
            0 => [simd.splat_f32s(0.0); V],
            1 => [simd.splat_f32s(*start); V],
            _ => load(simd, start.add(left)),
        }
    }
}

/// z and a of `units` of the first layer, for every sample of the batch.
///
/// # Safety
/// The buffers are as `run` has checked, and no other thread uses these units.
#[inline(always)]
pub(super) unsafe fn first_forward<S: Simd, const V: usize>(simd: S, step: &Step, units: Range<usize>) {
    let layer = &step.layers[0];
    let first = units.start;
    sparse::panels(
        units,
        #[inline(always)]
        |left, two| {
            // SAFETY: panels of W have `inputs` rows; row s of a and z is one of the batch.
            unsafe {
                let w = step.params.get().add(layer.weight + left * layer.inputs);
                let right = if two { left + PANEL } else { left };
                let bias: [Panel<S, V>; 2] = [biases(simd, step, 0, left), biases(simd, step, 0, right)];
                for (s, &sample) in step.samples.iter().enumerate() {
                    if left == first {
                        look_ahead(step, s);
                    }
                    if two {
                        let [z, z_right] = sum_rows(simd, step.rows, sample, w, bias);
                        write_activations(simd, step, 0, s, left, z);
                        write_activations(simd, step, 0, s, left + PANEL, z_right);
                    } else {
                        let [z] = sum_rows(simd, step.rows, sample, w, [bias[0]]);
                        write_activations(simd, step, 0, s, left, z);
                    }
                }
            }
        },
    );
}

/// a = f(z) of the panel from unit `left` on, and in the output layer z, too.
///
/// # Safety
/// Row `s` of layer `l` is this thread's, at least this panel of it.
#[inline(always)]
unsafe fn write_activations<S: Simd, const V: usize>(
    simd: S,
    step: &Step,
    l: usize,
    s: usize,
    left: usize,
    z: Panel<S, V>,
) {
    let layer = &step.layers[l];
    let mut a = z;
    for a in &mut a {
        *a = layer.f.value(simd, *a);
    }
    if layer.units - left < PANEL {
        // What lies beyond the units is 0: the update takes whole rows.
        for (v, a) in a.iter_mut().enumerate() {
            let count = (layer.units - left).saturating_sub(v * S::F32_LANES).min(S::F32_LANES);
            let mask = simd.mask_between_m32s(0, count as u32).mask();
            *a = simd.select_f32s(mask, *a, simd.splat_f32s(0.0));
        }
    }
    // SAFETY: the caller's promise; z holds as many rows of the output layer.
    unsafe {
        if l + 1 == step.layers.len() {
            store::<S, V>(step.z.get().add(s * layer.width() + left), z);
        }
        store::<S, V>(a_row(step, l, s).add(left), a);
    }
}

/// The rest of the way through the network and back, for `samples` of the batch.
///
/// # Safety
/// The buffers are as `run` has checked; nobody writes a of the first layer, no other thread uses these samples' other rows.
#[inline(always)]
pub(super) unsafe fn through<S: Simd, const V: usize>(simd: S, step: &Step, samples: Range<usize>) {
    let last = step.layers.len() - 1;
    let (mut s, end) = (samples.start, samples.end);
    while s < end {
        let group = [TOGETHER, 2, 1].into_iter().find(|&group| group <= end - s).unwrap_or(1);
        // SAFETY: samples s .. s + group of the batch.
        unsafe {
            for l in 1..=last {
                match group {
                    TOGETHER => forward::<S, V, TOGETHER>(simd, step, l, s),
                    2 => forward::<S, V, 2>(simd, step, l, s),
                    _ => forward::<S, V, 1>(simd, step, l, s),
                }
            }
            let width = step.layers[last].width();
            for s in s..s + group {
                let a = std::slice::from_raw_parts_mut(a_row(step, last, s), width);
                let delta = std::slice::from_raw_parts_mut(delta_row(step, last, s), width);
                let z = std::slice::from_raw_parts(step.z.get().add(s * width), width);
                let answer = step.answers.map(|answers| answers.get().add(s * step.layers[last].units));
                *step.losses.get().add(s) = output::finish(simd, step, step.samples[s], z, a, delta, answer);
            }
            for l in (1..=last).rev() {
                match group {
                    TOGETHER => back::<S, V, TOGETHER>(simd, step, l, s),
                    2 => back::<S, V, 2>(simd, step, l, s),
                    _ => back::<S, V, 1>(simd, step, l, s),
                }
            }
        }
        s += group;
    }
}

/// Rows from which a single sum is worth being split in chains, which must be added in the end.
const CHAINED: usize = 8;

/// start + x w for N samples and one panel of k rows; `x` has `width` numbers from sample to sample. A single sample is
/// summed in four chains if it is long: each multiply-add would else wait for the one before.
///
/// # Safety
/// `x` is readable for k numbers of N samples, `w` for k rows of 16.
#[inline(always)]
pub(super) unsafe fn sum<S: Simd, const V: usize, const N: usize>(
    simd: S,
    k: usize,
    x: *const f32,
    width: usize,
    w: *const f32,
    start: Panel<S, V>,
) -> [Panel<S, V>; N] {
    let mut sums = [start; N];
    if N > 1 || k < CHAINED {
        for i in 0..k {
            // SAFETY: the caller's promise.
            let w: Panel<S, V> = unsafe { load(simd, w.add(i * PANEL)) };
            for (s, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                let x = simd.splat_f32s(unsafe { *x.add(s * width + i) });
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = mul_add(simd, x, w, *sum);
                }
            }
        }
        return sums;
    }
    let mut others = [[simd.splat_f32s(0.0); V]; 3];
    let mut i = 0;
    while i + 4 <= k {
        // SAFETY (all): the caller's promise.
        unsafe { add_row(simd, i, x, w, &mut sums[0]) };
        for (chain, sum) in others.iter_mut().enumerate() {
            unsafe { add_row(simd, i + 1 + chain, x, w, sum) };
        }
        i += 4;
    }
    while i < k {
        unsafe { add_row(simd, i, x, w, &mut sums[0]) };
        i += 1;
    }
    let [one, two, three] = others;
    for (v, sum) in sums[0].iter_mut().enumerate() {
        *sum = simd.add_f32s(simd.add_f32s(*sum, one[v]), simd.add_f32s(two[v], three[v]));
    }
    sums
}

/// sum += x(i) w(i)
///
/// # Safety
/// Number i of `x` and row i of `w` are readable.
#[inline(always)]
unsafe fn add_row<S: Simd, const V: usize>(
    simd: S,
    i: usize,
    x: *const f32,
    w: *const f32,
    sum: &mut Panel<S, V>,
) {
    // SAFETY: the caller's promise.
    let (x, w): (_, Panel<S, V>) = unsafe { (simd.splat_f32s(*x.add(i)), load(simd, w.add(i * PANEL))) };
    for (sum, w) in sum.iter_mut().zip(w) {
        *sum = mul_add(simd, x, w, *sum);
    }
}

/// a(l) of samples s .. s + N from a(l-1).
///
/// # Safety
/// As [`through`].
#[inline(always)]
unsafe fn forward<S: Simd, const V: usize, const N: usize>(simd: S, step: &Step, l: usize, s: usize) {
    let (below, layer) = (&step.layers[l - 1], &step.layers[l]);
    for left in (0..layer.units).step_by(PANEL) {
        // SAFETY: rows s .. s + N of a(l-1) and a(l), and W, all as `run` has checked.
        unsafe {
            let bias: Panel<S, V> = biases(simd, step, l, left);
            let x = a_row(step, l - 1, s);
            let w = step.rest.get().add(layer.weight + left * layer.inputs);
            let sums: [_; N] = sum(simd, layer.inputs, x, below.width(), w, bias);
            for (at, z) in sums.into_iter().enumerate() {
                write_activations(simd, step, l, s + at, left, z);
            }
        }
    }
}

/// delta(l-1) of samples s .. s + N from delta(l): BP2.
///
/// # Safety
/// As [`through`].
#[inline(always)]
unsafe fn back<S: Simd, const V: usize, const N: usize>(simd: S, step: &Step, l: usize, s: usize) {
    let (below, layer) = (&step.layers[l - 1], &step.layers[l]);
    let zero = simd.splat_f32s(0.0);
    let mut checks = [zero; N]; // NaN unless all are finite
    for left in (0..layer.inputs).step_by(PANEL) {
        // SAFETY: rows s .. s + N of delta(l), delta(l-1) and a(l-1), and W by outputs, all as `run` has checked.
        unsafe {
            let delta = delta_row(step, l, s);
            let w = step.turned.get().add(step.turned_at[l] + left * layer.units);
            let sums: [Panel<S, V>; N] = sum(simd, layer.units, delta, layer.width(), w, [zero; V]);
            for ((offset, mut out), check) in sums.into_iter().enumerate().zip(&mut checks) {
                let a: Panel<S, V> = load(simd, a_row(step, l - 1, s + offset).add(left));
                for (out, a) in out.iter_mut().zip(a) {
                    *out = output::times_slope(simd, below.f, a, *out);
                    *check = mul_add(simd, *out, zero, *check);
                }
                store::<S, V>(delta_row(step, l - 1, s + offset).add(left), out);
            }
        }
    }
    for (offset, check) in checks.into_iter().enumerate() {
        // SAFETY: as above; `losses` has a place for every sample.
        unsafe { *step.losses.get().add(s + offset) += simd.reduce_sum_f32s(check) }; // 0, or NaN
    }
}
