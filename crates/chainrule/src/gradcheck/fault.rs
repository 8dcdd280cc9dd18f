//! Where a wrong gradient starts, and which classic slip makes it: each is computed and compared with what was given.

use super::cause::Cause;
use super::group::{Compared, GroupCheck, Place, distance, norm};
use super::{Problem, TOLERANCE};
use crate::activation::{Activation, softmax};
use crate::network::Workspace;
use crate::regularize::Regularize;
use serde::Serialize;
use std::ops::Range;

/// A wrong gradient, located.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// The last layer with a wrong group, from 1: backpropagation goes from the output down, so there it starts.
    pub layer: usize,
    /// Whether its weights are wrong.
    pub weights: bool,
    /// Whether its biases are wrong.
    pub biases: bool,
    /// The slip that makes exactly this gradient, if a classic one does.
    pub classic: Option<Classic>,
    /// All of it in words, with numbers.
    pub words: String,
}

/// The classic slips of a homemade backpropagation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Classic {
    /// f'(z) is left out of BP2, or of BP1.
    MissingSlope,
    /// BP2 reads W where it needs its transpose.
    TransposedWeights,
    /// BP4 stores the transpose of the weights' gradient.
    TransposedGradient,
    /// The sum over the batch is not divided by n.
    NotDivided,
    /// The gradient of the biases stays 0.
    BiasForgotten,
    /// Softmax divides by the sum over the whole batch, not of each sample.
    SoftmaxOverBatch,
    /// Every group is the same number times the right gradient.
    ConstantFactor,
}

/// Finds where the wrong gradient starts, and what makes it. `groups` has at least one that is wrong.
pub(super) fn locate(
    problem: &Problem<f64>,
    groups: &[GroupCheck],
    compared: &[Compared],
    resolution: f64,
) -> Fault {
    let spec = problem.net.spec();
    let wrong = |group: &&GroupCheck| matches!(group.cause, Cause::Wrong { .. });
    let layer = groups.iter().filter(wrong).map(|group| group.layer).max().unwrap_or(1);
    let part = |part: &str| {
        groups.iter().filter(wrong).any(|group| group.name == format!("layers.{}.{part}", layer - 1))
    };
    let (weights, biases) = (part("weight"), part("bias"));
    let what = match (weights, biases) {
        (true, true) => "weights and biases are",
        (true, false) => "weights are",
        _ => "biases are",
    };
    let above_agree = groups.iter().filter(|group| group.layer > layer).all(|group| group.passed);
    let after = match spec.layers.len() - layer {
        0 => "it is the output layer".to_string(),
        _ if !above_agree => "of the layers after it not all can be told".to_string(),
        1 => format!("layer {} agrees", layer + 1),
        _ => format!("layers {} to {} agree", layer + 1, spec.layers.len()),
    };
    let mut words = format!("It starts in {}: its {what} wrong; {after}.", spec.layer_name(layer - 1));
    let found =
        factor(problem, compared, resolution).or_else(|| slip(problem, layer - 1, compared, resolution));
    let classic = found.as_ref().map(|(classic, _)| *classic);
    words += " ";
    words += &found.map_or_else(|| pattern(groups), |(_, words)| words);
    Fault { layer, weights, biases, classic, words }
}

/// One number times the right gradient, in every group; of the penalties' part, which a forgotten division by n does not
/// scale, the same number or 1.
fn factor(problem: &Problem<f64>, compared: &[Compared], resolution: f64) -> Option<(Classic, String)> {
    let n = problem.batch.total_weight();
    let right = plain_gradient(problem, None, &(0..0));
    let smooth = Problem { regularize: &Regularize::default(), ..*problem };
    let of_data = plain_gradient(&smooth, None, &(0..0));
    let ratio_of = |part: &[f64]| {
        // g - (right - part) = ratio * part
        let places = || compared.iter().flat_map(|g| g.places.places.iter().zip(&g.analytic));
        let rest = |index: usize| right[index] - part[index];
        let above: f64 = places().map(|(p, g)| (g - rest(p.index)) * part[p.index]).sum();
        let below: f64 = places().map(|(p, _)| part[p.index] * part[p.index]).sum();
        let ratio = above / below;
        let fits = |group: &Compared| {
            let scaled = |p: &Place| rest(p.index) + ratio * part[p.index];
            let scaled: Vec<f64> = group.places.places.iter().map(scaled).collect();
            same(&group.analytic, &scaled, resolution)
        };
        (compared.iter().all(fits) && ratio != 0.0).then_some(ratio)
    };
    let ratio = ratio_of(&of_data).or_else(|| ratio_of(&right))?;
    let is = |value: f64| (ratio / value - 1.0).abs() <= 1e-6;
    let times = format!("Every group is {ratio:.6} times the right gradient");
    Some(match () {
        () if n != 1.0 && is(n) => (
            Classic::NotDivided,
            format!("{times}, and the batch has {n} samples: the sum is not divided by n."),
        ),
        () if n != 1.0 && is(1.0 / n) => {
            (Classic::ConstantFactor, format!("{times}, 1/n: it is divided by n = {n} twice."))
        }
        () if is(-1.0) => {
            (Classic::ConstantFactor, format!("{times}: the sign is wrong, as of y - a for a - y."))
        }
        () => (
            Classic::ConstantFactor,
            format!("{times}: a constant factor of the loss, such as the 1/2 of a square."),
        ),
    })
}

/// The slip whose own gradient is the one given, in every group.
fn slip(
    problem: &Problem<f64>,
    start: usize,
    compared: &[Compared],
    resolution: f64,
) -> Option<(Classic, String)> {
    use Classic::{BiasForgotten, MissingSlope, SoftmaxOverBatch, TransposedGradient, TransposedWeights};
    let spec = problem.net.spec();
    let last = spec.layers.len() - 1;
    let layers = [start..start + 1, 0..last, 0..last + 1];
    let softmaxes = spec.layers[last].activation == Activation::Softmax;
    for classic in [BiasForgotten, SoftmaxOverBatch, MissingSlope, TransposedWeights, TransposedGradient] {
        for affected in &layers {
            let is_start = affected.contains(&start);
            if !is_start || affected.is_empty() || (classic == SoftmaxOverBatch && !softmaxes) {
                continue;
            }
            let made = plain_gradient(problem, Some(classic), affected);
            let here =
                |group: &Compared| group.places.places.iter().map(|p| made[p.index]).collect::<Vec<f64>>();
            if !compared.iter().all(|group| same(&group.analytic, &here(group), resolution)) {
                continue;
            }
            let all = |values: &dyn Fn(&Compared) -> Vec<f64>| {
                compared.iter().flat_map(values).collect::<Vec<f64>>()
            };
            let to = distance(&all(&|group| group.analytic.clone()), &all(&here));
            return Some((classic, in_words(problem, classic, affected, to, compared)));
        }
    }
    None
}

fn in_words(
    problem: &Problem<f64>,
    classic: Classic,
    affected: &Range<usize>,
    to: f64,
    compared: &[Compared],
) -> String {
    let last = problem.net.spec().layers.len() - 1;
    let layers = match affected.len() {
        1 => format!("layer {}", affected.start + 1),
        _ => format!("layers {} to {}", affected.start + 1, affected.end),
    };
    let made = format!("such a backward pass makes this very gradient, to {to:.1e}");
    match classic {
        Classic::MissingSlope if affected.contains(&last) => {
            format!("Likely slip: f'(z) is left out of BP1, in {layers}: {made}.")
        }
        Classic::MissingSlope => format!("Likely slip: f'(z) is left out of BP2, in {layers}: {made}."),
        Classic::TransposedWeights => {
            format!("Likely slip: BP2 reads W where it needs W transposed, into {layers}: {made}.")
        }
        Classic::TransposedGradient => {
            format!("Likely slip: BP4 stores the gradient of W transposed, in {layers}: {made}.")
        }
        Classic::BiasForgotten => {
            let of_biases = compared.iter().filter(|g| g.places.places.iter().all(|p| p.input.is_none()));
            let found = norm(of_biases.flat_map(|group| group.numeric.iter().copied()));
            format!(
                "Likely slip: BP3 is forgotten: the biases of {layers} have gradient 0, differences find a norm of {found:.3e}."
            )
        }
        _ => {
            let n = problem.batch.len();
            format!("Likely slip: softmax is divided by the sum over all {n} samples, not of each: {made}.")
        }
    }
}

/// The same but for rounding.
fn same(a: &[f64], b: &[f64], resolution: f64) -> bool {
    let between = norm(a.iter().zip(b).map(|(a, b)| a - b));
    distance(a, b) <= TOLERANCE || between <= resolution * (a.len() as f64).sqrt()
}

/// The gradient of the mean loss, penalties included, that a backward pass with this slip, or none, makes: plain loops.
fn plain_gradient(problem: &Problem<f64>, slip: Option<Classic>, affected: &Range<usize>) -> Vec<f64> {
    let (net, batch, layout) = (problem.net, problem.batch, problem.net.layout());
    let spec = net.spec();
    let (n, last) = (batch.len(), spec.layers.len() - 1);
    let mut ws = Workspace::new(net, n, 1);
    net.forward(problem.params, batch.input(), &mut ws);
    let units = |l: usize| spec.layers[l].units;
    let slope = |l: usize, at: usize| match (slip, affected.contains(&l)) {
        (Some(Classic::MissingSlope), true) => 1.0,
        _ => spec.layers[l].activation.derivative(ws.z(l)[at], ws.a(l)[at]),
    };

    // BP1, (n, outputs)
    let outputs = units(last);
    let mut a = ws.output().to_vec();
    if slip == Some(Classic::SoftmaxOverBatch) {
        softmax(ws.z(last), &mut a); // as if the batch were one row
    }
    let mut delta = vec![0.0; n * outputs];
    for s in 0..n {
        let row = s * outputs..(s + 1) * outputs;
        let (z, y) = (&ws.z(last)[row.clone()], &batch.y()[row.clone()]);
        // Without f': the derivative of the loss by a, which it is for identity.
        let missing = slip == Some(Classic::MissingSlope) && affected.contains(&last);
        let f = if missing { Activation::Identity } else { spec.layers[last].activation };
        spec.loss.output_delta(f, z, &a[row.clone()], y, &mut delta[row.clone()]);
        let weight = batch.weights().map_or(1.0, |weights| weights[s]);
        delta[row].iter_mut().for_each(|d| *d *= weight);
    }

    let mut grads = vec![0.0; problem.params.len()];
    for l in (0..=last).rev() {
        let (m, k) = layout.weight_shape(l);
        let input = if l == 0 { batch.x() } else { ws.a(l - 1) };
        for s in 0..n {
            for j in 0..m {
                let d = delta[s * m + j];
                for i in 0..k {
                    // BP4; transposed, the place (j, i) of a buffer in file order holds another entry.
                    let flat = j * k + i;
                    let (to_j, to_i) = match (slip, affected.contains(&l)) {
                        (Some(Classic::TransposedGradient), true) => {
                            let moved = i * m + j;
                            (moved / k, moved % k)
                        }
                        _ => (flat / k, flat % k),
                    };
                    grads[layout.weight_at(l, to_j, to_i)] += d * input[s * k + i];
                }
                // BP3
                let bias = layout.bias(l);
                let forgotten = slip == Some(Classic::BiasForgotten) && affected.contains(&l);
                if !bias.is_empty() && !forgotten {
                    grads[bias.start + if bias.len() == 1 { 0 } else { j }] += d;
                }
            }
        }
        if l > 0 {
            // BP2, (n, k)
            let transposed = slip == Some(Classic::TransposedWeights) && affected.contains(&(l - 1));
            let mut below = vec![0.0; n * k];
            for s in 0..n {
                for i in 0..k {
                    let sum: f64 = (0..m)
                        .map(|j| {
                            let flat = if transposed { i * m + j } else { j * k + i };
                            problem.params[layout.weight_at(l, flat / k, flat % k)] * delta[s * m + j]
                        })
                        .sum();
                    below[s * k + i] = sum * slope(l - 1, s * k + i);
                }
            }
            delta = below;
        }
    }
    for l in 0..=last {
        let n = batch.total_weight();
        problem.regularize.add_penalties(layout, l, problem.params, &mut grads, n, problem.samples);
    }
    grads.iter_mut().for_each(|g| *g /= batch.total_weight());
    grads
}

/// What is known of a gradient that no classic slip makes.
fn pattern(groups: &[GroupCheck]) -> String {
    let ratio = |group: &GroupCheck| format!("{} {:.4}", group.title(), group.norm / group.numerical_norm);
    let wrong = groups.iter().filter(|group| matches!(group.cause, Cause::Wrong { .. }));
    let ratios: Vec<String> = wrong.map(ratio).collect();
    format!(
        "No classic slip makes this gradient. Its norm as a share of that of the differences: {}.",
        ratios.join(", ")
    )
}
