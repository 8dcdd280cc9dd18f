//! Parameter groups: which parameters are checked, and the figures of their two gradients.

use super::cause::Cause;
use super::{Options, TOLERANCE};
use crate::Real;
use crate::explain::Names;
use crate::layout::Layout;
use crate::rng::{Stream, below, stream};
use serde::Serialize;
use std::collections::BTreeSet;

/// As many parameters of a group are named.
pub(super) const NAMED: usize = 3;

/// Both gradients g (backpropagation) and g' (differences) of one parameter group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupCheck {
    /// `layers.{l}.weight` or `layers.{l}.bias`, as the tensor in a file, l from 0.
    pub name: String,
    /// Its layer, from 1 as in equations.
    pub layer: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// How many of them were checked; the figures are theirs.
    pub checked: usize,
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
    /// Euclidean norm of g'.
    pub numerical_norm: f64,
    /// The relative error is within the tolerance, or the difference within the round-off of the differences.
    pub passed: bool,
    /// The parameters that differ most, the worst first.
    pub worst: Vec<ParameterCheck>,
    /// Why the two differ, or that they do not.
    #[serde(flatten)]
    pub cause: Cause,
    /// That, in words.
    pub verdict: String,
}

impl GroupCheck {
    /// `layer 1 W` or `layer 1 b`: what it is called where people read, counted from 1 as its parameters are.
    pub fn title(&self) -> String {
        format!("layer {} {}", self.layer, if self.name.ends_with(".weight") { "W" } else { "b" })
    }
}

/// Both gradients of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterCheck {
    /// As `explain` names it: `w5`, `w[1,3,2]`, `b[2,1]`.
    pub name: String,
    /// The parameter.
    pub value: f64,
    /// g
    pub backpropagated: f64,
    /// g'
    pub numerical: f64,
    /// |g - g'|
    pub difference: f64,
    /// |g - g'| / (|g| + |g'|); 0 if both are zero.
    pub relative_error: f64,
}

/// Where a parameter lies, all counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub layer: usize,
    /// The unit it leads to; 0 for a shared bias.
    pub unit: usize,
    /// The input it comes from; none for a bias.
    pub input: Option<usize>,
    /// In the flat vector.
    pub index: usize,
}

impl Place {
    pub fn name(&self, names: &Names) -> String {
        match self.input {
            Some(i) => names.weight(self.layer, self.unit, i),
            None => names.bias(self.layer, self.unit).unwrap_or_default(),
        }
    }
}

/// The parameters of a group that are checked.
pub(super) struct Places {
    pub name: String,
    pub layer: usize,
    pub total: usize,
    pub places: Vec<Place>,
}

impl Places {
    /// All parameters, or a share of each group: small groups whole, the rest in equal numbers.
    pub fn choose(layout: &Layout, options: &Options) -> Vec<Self> {
        let groups = layout.groups();
        let mut counts: Vec<usize> = groups.iter().map(|(_, indices)| indices.len()).collect();
        let total: usize = counts.iter().sum();
        if let Some(limit) = options.parameters.filter(|&limit| limit < total) {
            let mut by_size: Vec<usize> = (0..counts.len()).collect();
            by_size.sort_by_key(|&at| counts[at]);
            let mut left = limit.max(counts.len());
            for (done, &at) in by_size.iter().enumerate() {
                counts[at] = counts[at].min(left / (by_size.len() - done));
                left -= counts[at];
            }
        }
        let mut rng = stream(options.seed, Stream::Check);
        let mut chosen = Vec::new();
        let mut rest = groups.into_iter().zip(counts).peekable();
        for layer in 0..layout.layers() {
            let of_layer = layout.layer(layer);
            while let Some(((name, indices), count)) =
                rest.next_if(|((_, indices), _)| of_layer.contains(&indices[0]))
            {
                let total = indices.len();
                let (_, inputs) = layout.weight_shape(layer);
                let is_weight = layout.weight(layer).contains(&indices[0]);
                // Floyd's choice of `count` from `total` without repetition.
                let mut drawn = BTreeSet::new();
                for last in total - count..total {
                    let at = below(last + 1, &mut rng);
                    drawn.insert(if drawn.contains(&at) { last } else { at });
                }
                let place = |at: usize| Place {
                    layer,
                    unit: if is_weight { at / inputs } else { at },
                    input: is_weight.then_some(at % inputs),
                    index: indices[at],
                };
                chosen.push(Self { name, layer, total, places: drawn.into_iter().map(place).collect() });
            }
        }
        chosen
    }
}

/// Both gradients of the parameters of a group.
pub(super) struct Compared {
    pub places: Places,
    pub analytic: Vec<f64>,
    pub numeric: Vec<f64>,
}

impl Compared {
    /// Indices of the parameters with the largest |g - g'|, the worst first; NaN is worse than all.
    pub fn worst(&self) -> Vec<usize> {
        let difference = |&at: &usize| (self.analytic[at] - self.numeric[at]).abs();
        let mut order: Vec<usize> = (0..self.analytic.len()).collect();
        order.sort_by(|a, b| difference(b).total_cmp(&difference(a)));
        order.truncate(NAMED);
        order
    }

    /// The figures; the cause is still open.
    pub fn figures<T: Real>(&self, names: &Names, params: &[T], resolution: f64) -> GroupCheck {
        let (g, numeric) = (&self.analytic, &self.numeric);
        let differences = || g.iter().zip(numeric).map(|(a, b)| (a - b).abs());
        let sizes = || g.iter().zip(numeric).map(|(a, b)| a.abs() + b.abs());
        // `f64::max` drops NaN; this keeps it.
        let keep = |m: f64, v: f64| if m.is_nan() || v <= m { m } else { v };
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, keep);
        let count = g.len() as f64;
        let distance = norm(differences());
        let (norm, numerical_norm) = (norm(g.iter().copied()), norm(numeric.iter().copied()));
        let relative_error = relative(distance, norm + numerical_norm);
        let floor = largest(&mut sizes()) * 1e-3;
        let parameter = |at: usize| {
            let difference = (g[at] - numeric[at]).abs();
            ParameterCheck {
                name: self.places.places[at].name(names),
                value: params[self.places.places[at].index].to_f64(),
                backpropagated: g[at],
                numerical: numeric[at],
                difference,
                relative_error: relative(difference, g[at].abs() + numeric[at].abs()),
            }
        };
        GroupCheck {
            name: self.places.name.clone(),
            layer: self.places.layer + 1,
            parameters: self.places.total,
            checked: g.len(),
            relative_error,
            max_relative_error: largest(
                &mut differences().zip(sizes()).map(|(d, s)| relative(d, s.max(floor))),
            ),
            mean_absolute_difference: differences().sum::<f64>() / count,
            max_absolute_difference: largest(&mut differences()),
            norm,
            numerical_norm,
            passed: relative_error <= TOLERANCE || distance <= resolution * count.sqrt(),
            worst: self.worst().into_iter().map(parameter).collect(),
            cause: Cause::Same,
            verdict: String::new(),
        }
    }
}

/// Euclidean.
pub(super) fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// A difference as a share of a size; 0 of nothing is 0.
pub(super) fn relative(difference: f64, size: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / size }
}

/// |a - b| / (|a| + |b|) in Euclidean norms.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    let between = norm(a.iter().zip(b).map(|(a, b)| a - b));
    relative(between, norm(a.iter().copied()) + norm(b.iter().copied()))
}
