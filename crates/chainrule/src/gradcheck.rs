//! Gradient check: central differences against backpropagation.
//!
//! dL/dw is approximated by D(h) = (L(w + h) - L(w - h)) / 2h, and two of them extrapolated to
//! (4 D(h) - D(2h)) / 3, which cancels the error of order h^2 (Richardson 1911): what is left is of order h^4, so
//! that h can be large enough for the round-off of order epsilon L / h to be small too.

use crate::activation::Activation;
use crate::batch::Batch;
use crate::loss::{Loss, sign};
use crate::network::{Network, Workspace};
use crate::regularize::Regularize;
use serde::Serialize;

/// The default step h, as in Saito, Deep Learning from Scratch, ch. 4.
pub const H: f64 = 1e-4;

/// The relative error up to which the two gradients of a group are taken for the same.
pub const TOLERANCE: f64 = 1e-7;

/// Both gradients of every parameter group compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientCheck {
    /// One for each of `layers.{l}.weight` and `layers.{l}.bias`.
    pub groups: Vec<GroupCheck>,
    /// The loss at the parameters checked, penalties included.
    pub loss: f64,
    /// The step of the differences.
    pub h: f64,
    /// The largest relative error of a group that passes.
    pub tolerance: f64,
    /// Samples whose ±2h interval crosses a kink, where differences mean nothing: indices into the batch.
    pub at_kink: Vec<usize>,
    /// Whether every group passes and no sample is at a kink.
    pub passed: bool,
}

/// Both gradients g (backpropagation) and g' (differences) of one parameter group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupCheck {
    /// `layers.{l}.weight` or `layers.{l}.bias`.
    pub name: String,
    /// Number of parameters.
    pub parameters: usize,
    /// |g - g'| / (|g| + |g'|) in Euclidean norms; 0 if both are zero.
    pub relative_error: f64,
    /// The largest |g - g'| / (|g| + |g'|) of a single parameter; those whose |g| + |g'| is below a thousandth of the
    /// group's largest are measured against that thousandth.
    pub max_relative_error: f64,
    /// Mean of |g - g'|, the figure of Saito's check.
    pub mean_absolute_difference: f64,
    /// Largest |g - g'|.
    pub max_absolute_difference: f64,
    /// Euclidean norm of g.
    pub norm: f64,
    /// The relative error is within the tolerance, or the difference within the round-off of the differences.
    pub passed: bool,
}

/// Compares the gradients of the mean loss of `batch`, penalties included (`samples`: size of the training set).
pub fn check(
    net: &Network,
    params: &[f64],
    batch: &Batch<f64>,
    regularize: &Regularize,
    samples: usize,
    h: f64,
) -> GradientCheck {
    let layout = net.layout();
    let n = batch.total_weight();
    let mut ws = Workspace::new(net, batch.len(), 1);
    let mut grads = vec![0.0; params.len()];
    net.forward(params, batch.x(), &mut ws);
    let loss = net.loss(batch, &mut ws) / n + regularize.value(layout, params, samples);
    net.backward(params, batch.x(), &mut ws, &mut grads);
    for l in 0..layout.layers() {
        regularize.add_penalties(layout, l, params, &mut grads, n, samples);
    }
    grads.iter_mut().for_each(|g| *g /= n);
    let sides = kink_sides(net, batch, &ws);
    let mut at_kink = vec![false; batch.len()];

    let mut moved = params.to_vec();
    // |w| has a kink at 0: within reach of it, the l1 penalty is left out of the differences and added exactly.
    let smooth = Regularize { l1: 0.0, ..*regularize };
    let l1 = regularize.penalties(samples).0;
    let at_zero = |index: usize| l1 > 0.0 && params[index].abs() <= 2.0 * h;
    // Mean loss with parameter `index` of layer `l` moved by `by`; layers below l are not affected.
    let mut loss_at = |l: usize, index: usize, by: f64| {
        moved[index] = params[index] + by;
        net.forward_from(l, &moved, batch.input(), &mut ws, None);
        let penalties = if at_zero(index) { &smooth } else { regularize };
        let value = net.loss(batch, &mut ws) / n + penalties.value(layout, &moved, samples);
        moved[index] = params[index];
        for (at_kink, (was, is)) in at_kink.iter_mut().zip(sides.iter().zip(kink_sides(net, batch, &ws))) {
            *at_kink |= *was != is;
        }
        value
    };
    let mut groups = Vec::new();
    let round_off = 8.0 * f64::EPSILON * loss.abs().max(1e-3) / h;
    let mut names = layout.groups().into_iter().peekable();
    for l in 0..layout.layers() {
        let of_layer = layout.layer(l);
        while let Some((name, indices)) = names.next_if(|(_, group)| of_layer.contains(&group[0])) {
            let numeric: Vec<f64> = indices
                .iter()
                .map(|&index| {
                    let near = (loss_at(l, index, h) - loss_at(l, index, -h)) / (2.0 * h);
                    let far = (loss_at(l, index, 2.0 * h) - loss_at(l, index, -2.0 * h)) / (4.0 * h);
                    let is_weight = layout.weight(l).contains(&index);
                    let exact = if at_zero(index) && is_weight { l1 * sign(params[index]) } else { 0.0 };
                    (4.0 * near - far) / 3.0 + exact
                })
                .collect();
            let analytic: Vec<f64> = indices.iter().map(|&index| grads[index]).collect();
            groups.push(compare(name, &analytic, &numeric, round_off));
        }
        // The layer moves every time, so the buffers above it must be those of the unmoved parameters again.
        loss_at(l, of_layer.start, 0.0);
    }
    let at_kink: Vec<usize> = (0..batch.len()).filter(|&s| at_kink[s]).collect();
    let passed = at_kink.is_empty() && groups.iter().all(|group| group.passed);
    GradientCheck { groups, loss, h, tolerance: TOLERANCE, at_kink, passed }
}

fn compare(name: String, g: &[f64], numeric: &[f64], round_off: f64) -> GroupCheck {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let differences = || g.iter().zip(numeric).map(|(a, b)| (a - b).abs());
    let sizes = || g.iter().zip(numeric).map(|(a, b)| a.abs() + b.abs());
    // `f64::max` drops NaN; this keeps it.
    let keep = |m: f64, v: f64| if m.is_nan() || v <= m { m } else { v };
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, keep);
    let relative = |difference: f64, size: f64| if difference == 0.0 { 0.0 } else { difference / size };
    let count = g.len() as f64;
    let distance = norm(&mut differences());
    let relative_error =
        relative(distance, norm(&mut g.iter().copied()) + norm(&mut numeric.iter().copied()));
    let floor = largest(&mut sizes()) * 1e-3;
    let max_relative_error = largest(
        &mut differences().zip(sizes()).map(|(difference, size)| relative(difference, size.max(floor))),
    );
    GroupCheck {
        name,
        parameters: g.len(),
        relative_error,
        max_relative_error,
        mean_absolute_difference: differences().sum::<f64>() / count,
        max_absolute_difference: largest(&mut differences()),
        norm: norm(&mut g.iter().copied()),
        passed: relative_error <= TOLERANCE || distance <= round_off * count.sqrt(),
    }
}

/// For each sample, on which side of every kink it lies: units of kinked activations, errors of mae and huber.
fn kink_sides(net: &Network, batch: &Batch<f64>, ws: &Workspace<f64>) -> Vec<Vec<bool>> {
    let spec = net.spec();
    let kinked = |f: Activation| f.has_kink();
    (0..batch.len())
        .map(|s| {
            let mut sides = Vec::new();
            for (l, layer) in spec.layers.iter().enumerate().filter(|(_, layer)| kinked(layer.activation)) {
                sides.extend(ws.z(l)[s * layer.units..(s + 1) * layer.units].iter().map(|&z| z > 0.0));
            }
            let row = s * spec.outputs()..(s + 1) * spec.outputs();
            let errors = ws.output()[row.clone()].iter().zip(&batch.y()[row]).map(|(a, y)| a - y);
            match spec.loss {
                Loss::MeanAbsoluteError => sides.extend(errors.map(|e| e > 0.0)),
                Loss::Huber { delta } => sides.extend(errors.map(|e| e.abs() > delta)),
                _ => {}
            }
            sides
        })
        .collect()
}
