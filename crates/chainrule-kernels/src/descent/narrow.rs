//! Steps of one sample on networks none of whose layers is wider than a panel: here time is latency and bookkeeping, so a
//! step is written out from end to end. The sums are those of [`super::layers`]; an update multiplies by the rate first.

use super::layers::{a_row, delta_row, load, look_ahead, store, sum};
use super::{Batches, Layer, Phase, Step, output};
use crate::dense::PANEL;
use crate::panel::{Panel, with_vectors};
use crate::simd::{kernel, mul_add};
use crate::sparse::{add_to_rows, scaled, sum_rows};
use pulp::Simd;

/// Whether all steps can be made here.
pub(super) fn fits(layers: &[Layer], batches: &Batches) -> bool {
    let plain = |layer: &Layer| {
        (1..=PANEL).contains(&layer.units)
            && layer.bias.len() == layer.units
            && layer.train_weights
            && layer.train_bias
    };
    batches.batch_size == 1 && layers.iter().all(plain) && batches.rates.iter().all(|rate| rate.keep == 1.0)
}

/// A layer's numbers: W, W by outputs, b, a, delta.
#[derive(Clone, Copy)]
struct Place {
    w: *mut f32,
    turned: *mut f32,
    bias: *mut f32,
    a: *mut f32,
    delta: *mut f32,
}

/// All steps, on this thread; returns how many were made. Tells `ended`, if it is given, of the end of every phase.
pub(super) fn run(
    step: Step,
    batches: Batches,
    loss_sums: &mut [f64],
    ended: Option<&mut dyn FnMut(Phase)>,
) -> usize {
    match ended {
        Some(ended) => run_by_phases(step, batches, loss_sums, ended),
        None => run_whole(step, batches, loss_sums),
    }
}

kernel! {
    fn run_whole<'a>(simd, step: Step<'a>, batches: Batches<'a>, loss_sums: &'a mut [f64]) -> usize {
        with_vectors!(S, V, { steps::<S, V>(simd, step, batches, loss_sums, #[inline(always)] |_| ()) })
    }
}

kernel! {
    fn run_by_phases<'a>(simd, step: Step<'a>, batches: Batches<'a>, loss_sums: &'a mut [f64], ended: &'a mut dyn FnMut(Phase)) -> usize {
        with_vectors!(S, V, { steps::<S, V>(simd, step, batches, loss_sums, ended) })
    }
}

#[inline(always)]
fn steps<S: Simd, const V: usize>(
    simd: S,
    step: Step,
    batches: Batches,
    loss_sums: &mut [f64],
    mut ended: impl FnMut(Phase),
) -> usize {
    let layers = step.layers;
    let last = layers.len() - 1;
    // SAFETY (all): `Descent::run` has checked every size, and this thread alone uses the buffers.
    let places: Vec<Place> = (0..=last)
        .map(|l| unsafe {
            Place {
                w: step.rest.get().add(layers[l].weight),
                turned: step.turned.get().add(step.turned_at[l]),
                bias: step.rest.get().add(layers[l].bias.start),
                a: a_row(&step, l, 0),
                delta: delta_row(&step, l, 0),
            }
        })
        .collect();
    for (b, (&sample, loss_sum)) in batches.samples.iter().zip(loss_sums.iter_mut()).enumerate() {
        look_ahead(&step, b); // `upcoming` are all samples
        unsafe {
            let [mut z] = sum_rows(simd, step.rows, sample, places[0].w, [load(simd, places[0].bias)]);
            activate::<S, V>(simd, &layers[0], z, places[0].a);
            ended(Phase::FirstForward);
            for l in 1..=last {
                let (below, place) = (&places[l - 1], &places[l]);
                [z] = sum(simd, layers[l].inputs, below.a, PANEL, place.w, load(simd, place.bias));
                activate::<S, V>(simd, &layers[l], z, place.a);
            }
            let z_row = std::slice::from_raw_parts_mut(step.z.get(), PANEL);
            crate::panel::store::<S, V>(z_row, z);
            let a = std::slice::from_raw_parts_mut(places[last].a, PANEL);
            let delta = std::slice::from_raw_parts_mut(places[last].delta, PANEL);
            let answer = step.answers.map(|answers| answers.get().add(b * layers[last].units));
            let mut loss = output::finish(simd, &step, sample, z_row, a, delta, answer);
            let mut first_delta: Panel<S, V> = load(simd, places[last].delta);
            for l in (1..=last).rev() {
                let check;
                (first_delta, check) =
                    back::<S, V>(simd, &layers[l - 1], &layers[l], &places[l - 1], &places[l]);
                loss += check;
            }
            *loss_sum = f64::from(loss);
            ended(Phase::Through);
            if !loss.is_finite() {
                return b;
            }
            let rate = -batches.rates[b].learning_rate as f32;
            for l in (1..=last).rev() {
                update::<S, V>(simd, rate, &layers[l], &places[l - 1], &places[l]);
            }
            ended(Phase::RestUpdate);
            let by = descend_bias::<S, V>(simd, rate, &places[0], first_delta);
            add_to_rows(simd, step.rows, sample, places[0].w, [by]);
            ended(Phase::FirstUpdate);
        }
    }
    loss_sums.len()
}

/// a = f(z), and 0 beyond the units.
///
/// # Safety
/// `a` is writable for 16 numbers.
#[inline(always)]
unsafe fn activate<S: Simd, const V: usize>(simd: S, layer: &Layer, z: Panel<S, V>, a: *mut f32) {
    let mut value = z;
    for (v, value) in value.iter_mut().enumerate() {
        let count = layer.units.saturating_sub(v * S::F32_LANES).min(S::F32_LANES);
        let units = simd.mask_between_m32s(0, count as u32).mask();
        *value = simd.select_f32s(units, layer.f.value(simd, *value), simd.splat_f32s(0.0));
    }
    // SAFETY: the caller's promise.
    unsafe { store::<S, V>(a, value) };
}

/// BP2: delta of the layer below; returns it, and 0, or NaN if it is not finite.
///
/// # Safety
/// The places are readable, and delta below writable, for the layers' sizes.
#[inline(always)]
unsafe fn back<S: Simd, const V: usize>(
    simd: S,
    below: &Layer,
    layer: &Layer,
    low: &Place,
    high: &Place,
) -> (Panel<S, V>, f32) {
    let zero = simd.splat_f32s(0.0);
    let mut check = zero;
    // SAFETY: the caller's promise.
    unsafe {
        let [mut out]: [Panel<S, V>; 1] = sum(simd, layer.units, high.delta, PANEL, high.turned, [zero; V]);
        let a: Panel<S, V> = load(simd, low.a);
        for (out, a) in out.iter_mut().zip(a) {
            *out = output::times_slope(simd, below.f, a, *out);
            check = mul_add(simd, *out, zero, check);
        }
        store::<S, V>(low.delta, out);
        (out, simd.reduce_sum_f32s(check))
    }
}

/// b += rate delta, which is kept in delta's place, and returned.
///
/// # Safety
/// The place is writable.
#[inline(always)]
unsafe fn descend_bias<S: Simd, const V: usize>(
    simd: S,
    rate: f32,
    place: &Place,
    delta: Panel<S, V>,
) -> Panel<S, V> {
    // SAFETY: the caller's promise.
    unsafe {
        let by = scaled::<S, V>(simd, rate, delta);
        let mut bias: Panel<S, V> = load(simd, place.bias);
        for (b, by) in bias.iter_mut().zip(by) {
            *b = simd.add_f32s(*b, by);
        }
        store::<S, V>(place.bias, bias);
        store::<S, V>(place.delta, by);
        by
    }
}

/// BP3 and BP4 of a layer, and the update: W, W by outputs, b.
///
/// # Safety
/// The places are readable, and W and delta writable, for the layer's sizes.
#[inline(always)]
unsafe fn update<S: Simd, const V: usize>(simd: S, rate: f32, layer: &Layer, low: &Place, high: &Place) {
    // SAFETY: the caller's promise.
    unsafe {
        let by = descend_bias::<S, V>(simd, rate, high, load(simd, high.delta));
        add_outer::<S, V>(simd, layer.inputs, low.a, by, high.w);
        add_outer::<S, V>(simd, layer.units, high.delta, load(simd, low.a), high.turned);
    }
}

/// w(i) += x(i) d for k rows.
///
/// # Safety
/// `x` is readable for k numbers, `w` writable for k rows.
#[inline(always)]
unsafe fn add_outer<S: Simd, const V: usize>(simd: S, k: usize, x: *const f32, d: Panel<S, V>, w: *mut f32) {
    for i in 0..k {
        // SAFETY: the caller's promise.
        unsafe {
            let (x, at) = (simd.splat_f32s(*x.add(i)), w.add(i * PANEL));
            let mut row: Panel<S, V> = load(simd, at);
            for (w, d) in row.iter_mut().zip(d) {
                *w = mul_add(simd, x, d, *w);
            }
            store::<S, V>(at, row);
        }
    }
}
