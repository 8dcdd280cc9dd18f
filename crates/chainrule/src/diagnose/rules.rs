//! From what was measured to what it means. A rule is a function; its threshold stands above it.
//!
//! The thresholds are set so that no rule fires on healthy runs: the default recipes over many seeds. They are meant
//! for what breaks a run, not for what could be a little better.

use crate::config::TrainConfig;
use crate::diagnose::finding::Finding;
use crate::diagnose::record::Record;
use crate::spec::NetworkSpec;
use crate::train::Progress;

mod curves;
mod layers;

pub use curves::diverged;

/// What the rules look at.
pub(super) struct Run<'a> {
    record: &'a Record,
    spec: &'a NetworkSpec,
    config: &'a TrainConfig,
    progress: &'a Progress,
}

/// The findings of a run so far, each place of each rule once, in the order of the data's way through the network.
pub fn diagnose(
    record: &Record,
    spec: &NetworkSpec,
    config: &TrainConfig,
    progress: &Progress,
) -> Vec<Finding> {
    let run = Run { record, spec, config, progress };
    let hidden = 0..spec.layers.len().saturating_sub(1);
    let mut findings: Vec<Finding> = curves::unscaled_inputs(&run).into_iter().collect();
    for rule in [layers::identical_units, layers::saturation, layers::dead_units, layers::vanishing_gradient]
    {
        findings.extend(hidden.clone().filter_map(|l| rule(&run, l)));
    }
    findings.extend((0..spec.layers.len()).filter_map(|l| layers::exploding_gradient(&run, l)));
    findings.extend(layers::stuck_outputs(&run));
    findings.extend(curves::learning_rate_too_large(&run));
    // What holds gradients back also keeps steps small: then the learning rate is not the cause.
    if findings.is_empty() {
        findings.extend(curves::learning_rate_too_small(&run));
    }
    findings.extend(curves::label_order(&run));
    findings.extend(curves::classes_never_predicted(&run));
    findings.extend(curves::overfitting(&run));
    findings
}

/// A number of a sentence: four significant digits.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        value.to_string()
    } else if (1e-3..1e5).contains(&size) {
        let decimals = (3.0 - size.log10().floor()).max(0.0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.2e}")
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
