//! Rules on one layer.

use super::{Run, figure, percent};
use crate::activation::Activation;
use crate::diagnose::finding::{Finding, Place, Rule};
use crate::diagnose::record::{LayerFigures, Measurement};

impl Run<'_> {
    /// The first measurement of which layer `l` satisfies `is`.
    fn first(
        &self,
        l: usize,
        is: impl Fn(&Measurement, &LayerFigures) -> bool,
    ) -> Option<(&Measurement, &LayerFigures)> {
        self.record.measurements.iter().map(|m| (m, &m.layers[l])).find(|(m, layer)| is(m, layer))
    }

    /// Mean loss on the probe before training.
    pub(super) fn initial_loss(&self) -> Option<f64> {
        self.record.before().map(|m| m.loss)
    }
}

/// As long as this part of the units or fewer are different.
const DISTINCT: f64 = 0.5;
/// Gradients whose rows lie closer to each other than this, relative to their norms, keep equal rows equal.
const SAME_GRADIENT: f64 = 0.01;

/// Rows of W, scaled to length 1, lie closer to their mean than this before training and still do. Random rows lie
/// about 0.97 from it, those of U[0, 1) 0.49; sixteen units that began at 0 with different biases 0.04 after 10,000 steps.
const ONE_WAY: f64 = 0.1;
/// Rows of fewer numbers than this may well point one way by chance.
const DIRECTIONS: usize = 4;

pub(super) fn identical_units(run: &Run, l: usize) -> Option<Finding> {
    let finding = |m: &Measurement, layer: &LayerFigures, quantity: &str, value, threshold| Finding {
        rule: Rule::IdenticalUnits,
        place: Place::Layer(l),
        step: m.step,
        quantity: quantity.into(),
        value,
        threshold,
        evidence: format!(
            "{} of {} units have other weights than those before them; relative distance between the rows of W {}, of its \
             gradient {}; of the rows scaled to length 1 {} and {}",
            layer.distinct_units,
            layer.units,
            figure(layer.row_distance.unwrap_or(f64::NAN)),
            figure(layer.gradient_row_distance.unwrap_or(f64::NAN)),
            figure(layer.row_spread.unwrap_or(f64::NAN)),
            figure(layer.gradient_row_spread.unwrap_or(f64::NAN))
        ),
    };
    let share = |layer: &LayerFigures| layer.distinct_units as f64 / layer.units as f64;
    let equal = run.first(l, |m, layer| {
        let same_gradient = layer.gradient_row_distance.is_some_and(|distance| distance <= SAME_GRADIENT);
        let alike = layer.units > 1 && share(layer) <= DISTINCT;
        alike && m.step > 0 && (same_gradient || m.epochs > 0)
    });
    if let Some((m, layer)) = equal {
        return Some(finding(m, layer, "share of units that are different", share(layer), DISTINCT));
    }
    // Different biases set equal rows apart in size, not in direction: all units still look at the same thing.
    let one_way = |layer: &LayerFigures| layer.row_spread.is_some_and(|spread| spread < ONE_WAY);
    let began = run.record.before().is_some_and(|m| one_way(&m.layers[l]));
    if !began || run.spec.inputs_of(l) < DIRECTIONS {
        return None;
    }
    let trained = |m: &Measurement, layer: &LayerFigures| {
        let gradient = layer.gradient_row_spread.is_some_and(|spread| spread < ONE_WAY);
        layer.units > 1 && m.step > 0 && one_way(layer) && (gradient || m.epochs > 0)
    };
    let (m, layer) = run.first(l, trained)?;
    let spread = layer.row_spread?;
    Some(finding(
        m,
        layer,
        "distance of the units' rows of W, scaled to length 1, from their mean",
        spread,
        ONE_WAY,
    ))
}

/// Above this share of (sample, unit) with next to no slope, within the first epoch. Networks that learn well from
/// N(0, 1) over few inputs that are not 0 (Nielsen's) have 0.44 to 0.59 there, those that hardly learn from it 0.68 to 0.77.
const SATURATED: f64 = 0.65;
/// Above this one for functions that are flat on one side only, and later, if the loss has not even halved: units of a
/// trained network may well be saturated.
const SATURATED_FAR: f64 = 0.9;

pub(super) fn saturation(run: &Run, l: usize) -> Option<Finding> {
    use Activation::{Elu, Sigmoid, Softplus, Tanh};
    let early = match run.spec.layers[l].activation {
        Sigmoid | Tanh => SATURATED,
        Softplus | Elu { .. } => SATURATED_FAR,
        _ => return None,
    };
    let threshold = |m: &Measurement| if m.epochs == 0 { early } else { SATURATED_FAR };
    let initial = run.initial_loss();
    let (m, layer) = run.first(l, |m, layer| {
        let bad = initial.is_some_and(|initial| m.loss > 0.5 * initial);
        layer.flat > threshold(m) && (m.epochs == 0 || bad)
    })?;
    Some(Finding {
        rule: Rule::Saturation,
        place: Place::Layer(l),
        step: m.step,
        quantity: "share of units with |f'(z)| < 0.001".into(),
        value: layer.flat,
        threshold: threshold(m),
        evidence: format!("mean |f'(z)| {}", figure(layer.mean_slope)),
    })
}

/// Above this share of units.
const DEAD: f64 = 0.5;

pub(super) fn dead_units(run: &Run, l: usize) -> Option<Finding> {
    if run.spec.layers[l].activation != Activation::Relu {
        return None;
    }
    let (m, layer) = run.first(l, |m, layer| m.step > 0 && layer.dead > DEAD)?;
    let before = run.record.before().map_or(0.0, |m| m.layers[l].dead);
    Some(Finding {
        rule: Rule::DeadUnits,
        place: Place::Layer(l),
        step: m.step,
        quantity: "share of units that are 0 for every sample".into(),
        value: layer.dead,
        threshold: DEAD,
        evidence: format!("before training {}", percent(before)),
    })
}

/// Below this part of the output layer's norm, at two measurements in a row.
const VANISHED: f64 = 1e-4;

pub(super) fn vanishing_gradient(run: &Run, l: usize) -> Option<Finding> {
    let initial = run.initial_loss()?;
    let ratio = |m: &Measurement| {
        let output = m.layers.last().map_or(0.0, |layer| layer.gradient_norm);
        if output > 0.0 { m.layers[l].gradient_norm / output } else { f64::NAN }
    };
    // A network that has learned has no gradients left to compare.
    let vanished = |m: &&Measurement| m.loss > 0.01 * initial && ratio(m) < VANISHED;
    let trained: Vec<&Measurement> = run.record.trained().collect();
    let at = trained.windows(2).find(|pair| pair.iter().all(vanished))?[1];
    Some(Finding {
        rule: Rule::VanishingGradient,
        place: Place::Layer(l),
        step: at.step,
        quantity: "norm of the gradient over that of the output layer".into(),
        value: ratio(at),
        threshold: VANISHED,
        evidence: format!(
            "norm {}, of the output layer {}; over that of the output layer when last measured {}",
            figure(at.layers[l].gradient_norm),
            figure(at.layers.last()?.gradient_norm),
            figure(ratio(run.record.last()?))
        ),
    })
}

/// Above so many times the norm of the weights, or 1 if that is larger.
const EXPLODED: f64 = 100.0;

pub(super) fn exploding_gradient(run: &Run, l: usize) -> Option<Finding> {
    let ratio = |layer: &LayerFigures| layer.gradient_norm / layer.weight_norm.max(1.0);
    let (m, layer) = run.first(l, |_, layer| ratio(layer) > EXPLODED)?;
    Some(Finding {
        rule: Rule::ExplodingGradient,
        place: Place::Layer(l),
        step: m.step,
        quantity: "norm of the gradient over that of the weights".into(),
        value: ratio(layer),
        threshold: EXPLODED,
        evidence: format!(
            "norm {}, of the weights {}",
            figure(layer.gradient_norm),
            figure(layer.weight_norm)
        ),
    })
}

/// Above this share of samples.
const STUCK: f64 = 0.5;

pub(super) fn stuck_outputs(run: &Run) -> Option<Finding> {
    let m = run.record.measurements.iter().find(|m| m.stuck_outputs > STUCK)?;
    let output = m.layers.last()?;
    Some(Finding {
        rule: Rule::StuckOutputs,
        place: Place::Layer(m.layers.len() - 1),
        step: m.step,
        quantity: "share of samples with an output that is wrong by more than 1/2 where |f'(z)| < 0.001"
            .into(),
        value: m.stuck_outputs,
        threshold: STUCK,
        evidence: format!(
            "mean |f'(z)| of the outputs {}, norm of their gradient {}, mean loss {}",
            figure(output.mean_slope),
            figure(output.gradient_norm),
            figure(m.loss)
        ),
    })
}
