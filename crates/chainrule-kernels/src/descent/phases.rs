//! Steps phase by phase, for whoever wants to know where their time goes.

use super::{Batches, Step, first_layer, through_shared, update_rest};
use crate::dense::PANEL;
use crate::pool;

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
        pool::run(parts, |part| first_layer(None, Some(step), units(part)));
        ended(Phase::FirstForward);
        through_shared(step, parts);
        *loss_sum = step.loss_sum();
        ended(Phase::Through);
        if !loss_sum.is_finite() {
            return b;
        }
        update_rest(step);
        ended(Phase::RestUpdate);
        pool::run(parts, |part| first_layer(Some(step), None, units(part)));
        ended(Phase::FirstUpdate);
    }
    loss_sums.len()
}
