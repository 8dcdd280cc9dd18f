//! The metrics that figures name, as recipes/README.md lists them.

use anyhow::{Result, bail};

/// What a figure is a figure of.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// Running figures of an epoch, each batch before its own update.
    Running(Running),
    /// A pass over the training set.
    EvaluatedTrainLoss,
    EvaluatedTrainAccuracy,
    /// The evaluated training loss times the number of samples.
    TotalLoss,
    TestLoss,
    TestAccuracy,
    /// Number of right answers on the test set.
    Correct,
    ValidationLoss,
    ValidationAccuracy,
    /// The best of all epochs so far; of the test set, those at which it was looked at.
    BestValidationAccuracy,
    BestTestAccuracy,
    /// Right answers among the test samples of a class, and their number.
    Right(usize),
    Of(usize),
    /// Classes that no test sample is answered with.
    Unanswered,
    /// Share of the test outputs above or below a number.
    Above(f64),
    Below(f64),
    /// Figures of the first training sample.
    Sample(OfSample),
    /// The loss of one training sample.
    SampleLoss(usize),
    /// Parameters: layer, unit, input.
    Weight(usize, usize, usize),
    Bias(usize, usize),
    /// Groups of a layer of which no two are alike: units with different incoming weights.
    DistinctUnits(usize),
    /// Mean |f'(z)| of a layer, and the norm of its gradient, over the first training samples.
    MeanSlope(usize),
    GradientNorm(usize),
    /// The gradient check on three samples, per group (`weight_0`, `bias_0`).
    MaxRelativeError(String),
    MeanAbsoluteDifference(String),
    /// Seconds of training.
    Seconds,
}

/// Running figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Mean loss.
    TrainLoss,
    /// Share of right answers.
    TrainAccuracy,
    /// Loss of the last batch.
    LastLoss,
}

/// A figure of the first training sample; layers, units and outputs count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfSample {
    /// Output j.
    Output(usize),
    /// The part of the loss that output j has.
    OutputLoss(usize),
    /// dL/da of output j.
    OutputSlope(usize),
    /// z of layer l, unit j.
    Z(usize, usize),
    /// a of layer l, unit j.
    A(usize, usize),
    /// f'(z) of layer l, unit j.
    Slope(usize, usize),
    /// dL/dz of layer l, unit j.
    Delta(usize, usize),
    /// dL/da of layer l, unit j; with k, the part through unit k of the next layer.
    Carried(usize, usize, Option<usize>),
    /// dL/dW of layer l, unit j, input i.
    Gradient(usize, usize, usize),
}

/// The names, with what belongs behind them: shown when one is unknown.
const NAMES: &str = "train_loss, train_accuracy, last_loss, evaluated_train_loss, evaluated_train_accuracy, \
    total_loss, test_loss, test_accuracy, correct, validation_loss, validation_accuracy, best_validation_accuracy, \
    best_test_accuracy, right_CLASS, of_CLASS, unanswered, above_X, below_X, output_J, output_loss_J, output_slope_J, z_L_J, a_L_J, \
    slope_L_J, delta_L_J, carried_L_J, carried_L_J_K, gradient_L_J_I, sample_loss_I, weight_L_J_I, bias_L_J, distinct_units_L, \
    mean_slope_L, gradient_norm_L, max_relative_error_GROUP, mean_absolute_difference_GROUP, seconds";

impl Metric {
    /// The metric of this name.
    ///
    /// # Errors
    /// If there is none: lists them.
    pub fn parse(text: &str) -> Result<Self> {
        use OfSample::{A, Carried, Delta, Gradient, Output, OutputLoss, OutputSlope, Slope, Z};
        for (prefix, make) in [("above_", Self::Above as fn(f64) -> Self), ("below_", Self::Below)] {
            if let Some(bound) = text.strip_prefix(prefix).and_then(|bound| bound.parse().ok()) {
                return Ok(make(bound));
            }
        }
        for (prefix, make) in [
            ("max_relative_error_", Self::MaxRelativeError as fn(String) -> Self),
            ("mean_absolute_difference_", Self::MeanAbsoluteDifference),
        ] {
            if let Some((kind @ ("weight" | "bias"), layer)) =
                text.strip_prefix(prefix).and_then(|group| group.rsplit_once('_'))
                && layer.parse::<usize>().is_ok()
            {
                return Ok(make(format!("layers.{layer}.{kind}")));
            }
        }
        let mut name = text;
        let mut indices = Vec::new();
        while let Some((rest, index)) = name.rsplit_once('_')
            && let Ok(index) = index.parse::<usize>()
        {
            indices.insert(0, index);
            name = rest;
        }
        Ok(match (name, indices.as_slice()) {
            ("train_loss", []) => Self::Running(Running::TrainLoss),
            ("train_accuracy", []) => Self::Running(Running::TrainAccuracy),
            ("last_loss", []) => Self::Running(Running::LastLoss),
            ("evaluated_train_loss", []) => Self::EvaluatedTrainLoss,
            ("evaluated_train_accuracy", []) => Self::EvaluatedTrainAccuracy,
            ("total_loss", []) => Self::TotalLoss,
            ("test_loss", []) => Self::TestLoss,
            ("test_accuracy", []) => Self::TestAccuracy,
            ("correct", []) => Self::Correct,
            ("validation_loss", []) => Self::ValidationLoss,
            ("validation_accuracy", []) => Self::ValidationAccuracy,
            ("best_validation_accuracy", []) => Self::BestValidationAccuracy,
            ("best_test_accuracy", []) => Self::BestTestAccuracy,
            ("right", &[class]) => Self::Right(class),
            ("of", &[class]) => Self::Of(class),
            ("unanswered", []) => Self::Unanswered,
            ("output", &[j]) => Self::Sample(Output(j)),
            ("output_loss", &[j]) => Self::Sample(OutputLoss(j)),
            ("output_slope", &[j]) => Self::Sample(OutputSlope(j)),
            ("z", &[l, j]) => Self::Sample(Z(l, j)),
            ("a", &[l, j]) => Self::Sample(A(l, j)),
            ("slope", &[l, j]) => Self::Sample(Slope(l, j)),
            ("delta", &[l, j]) => Self::Sample(Delta(l, j)),
            ("carried", &[l, j]) => Self::Sample(Carried(l, j, None)),
            ("carried", &[l, j, k]) => Self::Sample(Carried(l, j, Some(k))),
            ("gradient", &[l, j, i]) => Self::Sample(Gradient(l, j, i)),
            ("sample_loss", &[index]) => Self::SampleLoss(index),
            ("weight", &[l, j, i]) => Self::Weight(l, j, i),
            ("bias", &[l, j]) => Self::Bias(l, j),
            ("distinct_units", &[l]) => Self::DistinctUnits(l),
            ("mean_slope", &[l]) => Self::MeanSlope(l),
            ("gradient_norm", &[l]) => Self::GradientNorm(l),
            ("seconds", []) => Self::Seconds,
            _ => bail!("no metric '{text}' (known: {NAMES})"),
        })
    }
}

/// When a figure is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After this many steps; 0 is before training.
    Step(u64),
    /// After this epoch, from 0.
    Epoch(u64),
    /// With the weights that training ends with.
    End,
}

/// A metric at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What.
    pub metric: Metric,
    /// When.
    pub at: Moment,
}

impl Wanted {
    /// `test_accuracy`, `train_accuracy@88` (after epoch 88), `mean_slope_0@step0`; `at` when nothing else is said.
    ///
    /// # Errors
    /// If metric or moment are unknown, or do not go together.
    pub fn parse(text: &str, at: Moment) -> Result<Self> {
        let (metric, moment) = text.split_once('@').map_or((text, None), |(m, at)| (m, Some(at)));
        let number = |digits: &str| digits.parse::<u64>().ok();
        let at = match moment {
            None => at,
            Some("end") => Moment::End,
            Some(moment) => {
                let of_step = moment.strip_prefix("step").map(|digits| number(digits).map(Moment::Step));
                match of_step.unwrap_or_else(|| number(moment).map(Moment::Epoch)) {
                    Some(at) => at,
                    None => bail!("'{text}': expected METRIC@EPOCH, METRIC@stepN or METRIC@end"),
                }
            }
        };
        Self::new(Metric::parse(metric)?, at)
    }

    /// A metric at a moment.
    ///
    /// # Errors
    /// If a running figure is asked for at a step.
    pub fn new(metric: Metric, at: Moment) -> Result<Self> {
        if let (Metric::Running(_), Moment::Step(step)) = (&metric, at) {
            bail!(
                "step {step} of a running figure: it belongs to an epoch (evaluated_train_loss exists at a step)"
            );
        }
        Ok(Self { metric, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_explains_every_metric() {
        let readme = include_str!("../../../../recipes/README.md");
        let section = readme.split("\n## ").find(|section| section.starts_with("Metrics")).unwrap();
        let names: String = NAMES.split_whitespace().collect();
        for name in names.split(',') {
            assert!(section.contains(&format!("`{name}`")), "recipes/README.md does not explain {name}");
        }
    }

    #[test]
    fn names_with_indices_and_moments() {
        assert_eq!(Metric::parse("carried_0_1_2").unwrap(), Metric::Sample(OfSample::Carried(0, 1, Some(2))));
        assert_eq!(Metric::parse("above_0.99").unwrap(), Metric::Above(0.99));
        let group = Metric::parse("mean_absolute_difference_weight_1").unwrap();
        assert_eq!(group, Metric::MeanAbsoluteDifference("layers.1.weight".into()));
        let wanted = Wanted::parse("train_accuracy@88", Moment::End).unwrap();
        assert_eq!(wanted.at, Moment::Epoch(88));
        assert_eq!(Wanted::parse("mean_slope_0@step0", Moment::End).unwrap().at, Moment::Step(0));
        for bad in ["accuracy", "output", "output_x", "z_0", "test_accuracy@x", "train_loss@step1", ""] {
            assert!(Wanted::parse(bad, Moment::End).is_err(), "{bad}");
        }
    }
}
