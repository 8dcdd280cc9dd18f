//! Steps phase by phase, for whoever wants to know where their time goes.

use super::{Batches, Step, layers, update};
use crate::dense::PANEL;
use crate::panel::with_vectors;
use crate::pool;
use crate::simd::kernel;
use std::ops::Range;

/// A part of a step, as [`super::Descent::run_by_phases`] tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// z and a of the first layer.
    FirstForward,
    /// The other layers, the loss, and deltas back to the first layer: BP1, BP2.
    Through,
    /// The weights of the other layers: BP3, BP4.
    RestUpdate,
    /// The weights of the first layer.
    FirstUpdate,
}

/// All steps, each phase of its own.
pub(super) fn run(
    step: Step,
    batches: Batches,
    loss_sums: &mut [f64],
    parts: usize,
    ended: &mut dyn FnMut(Phase),
) -> usize {
    let units = |part| pool::share(step.layers[0].units, PANEL, part, parts);
    for (b, loss_sum) in loss_sums.iter_mut().enumerate() {
        let step = step.of_batch(&batches, b);
        pool::run(parts, |part| first_forward(step, units(part)));
        ended(Phase::FirstForward);
        through(step);
        *loss_sum = step.loss_sum();
        ended(Phase::Through);
        if !loss_sum.is_finite() {
            return b;
        }
        update_rest(step);
        ended(Phase::RestUpdate);
        pool::run(parts, |part| first_update(step, units(part)));
        ended(Phase::FirstUpdate);
    }
    loss_sums.len()
}

// SAFETY (all): `run` has checked every size; parts have units of their own, whole panels; the rest runs on one thread.

kernel! {
    fn first_forward<'a>(simd, step: Step<'a>, units: Range<usize>) {
        with_vectors!(S, V, { unsafe { layers::first_forward::<S, V>(simd, &step, units) } });
    }
}

kernel! {
    fn through<'a>(simd, step: Step<'a>) {
        with_vectors!(S, V, { unsafe { layers::through::<S, V>(simd, &step, 0..step.samples.len()) } });
    }
}

kernel! {
    fn update_rest<'a>(simd, step: Step<'a>) {
        with_vectors!(S, V, {
            unsafe {
                update::first_shared_bias::<S, V>(simd, &step);
                update::update_rest::<S, V>(simd, &step);
            }
        });
    }
}

kernel! {
    fn first_update<'a>(simd, step: Step<'a>, units: Range<usize>) {
        with_vectors!(S, V, { unsafe { update::first_update::<S, V>(simd, &step, units) } });
    }
}
