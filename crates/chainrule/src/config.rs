//! How a network is trained: plain data, every choice made.

use crate::batch::TargetCoding;
use crate::dataset::{Dataset, Targets};
use crate::metrics::Accuracy;
use crate::optimizer::Optimizer;
use crate::regularize::Regularize;
use crate::schedule::Schedule;
use crate::spec::NetworkSpec;
use crate::{Error, Result};
use chainrule_kernels::dense::How;
use serde::{Deserialize, Serialize};

/// Everything a training run needs beside the network and the data.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Samples per step; the last batch of an epoch may be smaller and is used in full.
    pub batch_size: BatchSize,
    /// Passes over the training set, if not ended earlier.
    pub epochs: u64,
    /// Updates after which training ends, if given.
    pub steps: Option<u64>,
    /// In which order samples come.
    pub order: Order,
    /// Seed of the initial weights, the order and the dropped units.
    pub seed: u64,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Its learning rate, before the schedule's factor.
    pub learning_rate: f64,
    /// The factor over time.
    pub schedule: Schedule,
    /// Penalties, clipping, max-norm.
    pub regularize: Regularize,
    /// A factor on loss and gradient per class; empty for none.
    pub class_weights: Vec<f64>,
    /// When to stop before the last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// Whether all layers are updated at once.
    pub update_order: UpdateOrder,
    /// What outputs are compared with in training.
    pub coding: TargetCoding,
    /// What outputs are compared with on the validation and test sets.
    pub evaluation_coding: TargetCoding,
    /// When an answer counts as correct.
    pub accuracy: Accuracy,
    /// Whether the training set is passed once more after each epoch, with the epoch's final weights.
    pub evaluate_train: bool,
    /// Epochs between evaluations of the test set; 0 evaluates it once, at the end.
    pub evaluate_every: u64,
    /// The most threads for products. Never changes the result.
    pub threads: usize,
    /// Whether operands of dense products are rounded to bf16: `dtype = "bf16"`. Weights and sums stay f32.
    pub bf16: bool,
}

/// Samples per step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BatchSizeForm", try_from = "BatchSizeForm")]
pub enum BatchSize {
    /// This many.
    Count(usize),
    /// The whole training set.
    Full,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum BatchSizeForm {
    Count(i64),
    Text(String),
}

impl From<BatchSize> for BatchSizeForm {
    fn from(size: BatchSize) -> Self {
        match size {
            BatchSize::Count(count) => Self::Count(count as i64),
            BatchSize::Full => Self::Text("full".into()),
        }
    }
}

impl TryFrom<BatchSizeForm> for BatchSize {
    type Error = Error;

    fn try_from(form: BatchSizeForm) -> Result<Self> {
        match form {
            BatchSizeForm::Count(count) if count > 0 => Ok(Self::Count(count as usize)),
            BatchSizeForm::Count(count) => {
                Err(Error::setting("batch_size", "at least 1, or \"full\"", count))
            }
            BatchSizeForm::Text(text) if text == "full" => Ok(Self::Full),
            BatchSizeForm::Text(text) => Err(Error::setting("batch_size", "a number, or \"full\"", text)),
        }
    }
}

impl BatchSize {
    /// Samples per step for a training set of `samples`.
    pub fn of(self, samples: usize) -> usize {
        match self {
            Self::Count(count) => count.min(samples),
            Self::Full => samples,
        }
    }
}

/// In which order samples come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A new seeded permutation every epoch.
    #[default]
    Shuffle,
    /// As in the data set.
    File,
    /// Each drawn at random from all, with replacement; an epoch is as many draws as there are samples.
    Random,
}

/// When parameters change within a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// All at once, from gradients at the same point: gradient descent.
    #[default]
    Simultaneous,
    /// The output layer first; the error is then carried back through its *new* weights, and so on down. Not gradient
    /// descent, but what the published figures of Mazur's example after 10,000 steps come from.
    OutputFirst,
}

/// When to stop before the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// The figure watched.
    pub metric: StopMetric,
    /// Epochs without improvement after which training stops.
    pub patience: u64,
}

/// The figure that early stopping watches. Never one of the test set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMetric {
    /// Lower is better.
    #[default]
    ValidationLoss,
    /// Higher is better.
    ValidationAccuracy,
    /// Lower is better; the running loss of the epoch.
    TrainLoss,
}

/// Weights of classes in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeight {
    /// One factor per class, in the order of the classes.
    Values(Vec<f64>),
    /// `balanced`: samples / (classes * samples of the class), as in scikit-learn.
    Named(String),
}

impl ClassWeight {
    /// The factor of each class of `data`.
    ///
    /// # Errors
    /// If the targets are no classes, the count differs, or a factor is negative.
    pub fn resolve(&self, data: &Dataset) -> Result<Vec<f64>> {
        let Targets::Classes { labels, names } = data.targets() else {
            let what = format!("class_weight with the numeric targets of '{}'", data.name());
            return Err(Error::incompatible(what, "use sample_weight"));
        };
        match self {
            Self::Named(name) if name == "balanced" => {
                let mut counts = vec![0usize; names.len()];
                labels.iter().for_each(|&label| counts[label as usize] += 1);
                let present = counts.iter().filter(|&&count| count > 0).count();
                let weight = |&count: &usize| labels.len() as f64 / (present * count.max(1)) as f64;
                Ok(counts.iter().map(weight).collect())
            }
            Self::Named(name) => {
                Err(Error::setting("class_weight", "\"balanced\" or a list of numbers", format!("'{name}'")))
            }
            Self::Values(values) if values.len() != names.len() => {
                Err(Error::shape(format!("class_weight for '{}'", data.name()), names.len(), values.len()))
            }
            Self::Values(values) => match values.iter().find(|v| !(v.is_finite() && **v >= 0.0)) {
                Some(bad) => Err(Error::setting("class_weight", "numbers of at least 0", bad)),
                None if labels.iter().all(|&label| values[label as usize] == 0.0) => {
                    Err(Error::setting("class_weight", "one above 0 for a class that occurs", "only zeros"))
                }
                None => Ok(values.clone()),
            },
        }
    }
}

impl TrainConfig {
    /// How its products are computed.
    pub fn how(&self) -> How {
        How { threads: self.threads, bf16: self.bf16 }
    }

    /// Steps of a full epoch over `samples` samples.
    pub fn steps_per_epoch(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch_size.of(samples)) as u64
    }

    /// Steps planned, before early stopping.
    pub fn total_steps(&self, samples: usize) -> u64 {
        let all = self.epochs.saturating_mul(self.steps_per_epoch(samples));
        self.steps.map_or(all, |steps| steps.min(all))
    }

    /// Checks settings that exclude each other.
    ///
    /// # Errors
    /// Names both and says what to change.
    pub fn check(&self, spec: &NetworkSpec) -> Result<()> {
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(Error::setting(name, "a number above 0", value))
            }
        };
        let not_negative = |name: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(Error::setting(name, "a number of at least 0", value))
            }
        };
        positive("learning_rate", self.learning_rate)?;
        not_negative("l1", self.regularize.l1)?;
        not_negative("l2", self.regularize.l2)?;
        self.regularize.max_norm.map_or(Ok(()), |v| positive("max_norm", v))?;
        self.regularize.clip_norm.map_or(Ok(()), |v| positive("clip_norm", v))?;
        if self.threads == 0 {
            return Err(Error::setting("threads", "at least 1", 0));
        }
        let lbfgs = matches!(self.optimizer, Optimizer::Lbfgs { .. });
        if lbfgs && self.batch_size != BatchSize::Full {
            let what = "lbfgs on mini-batches: its line search needs the same loss every time";
            return Err(Error::incompatible(what, "batch_size = \"full\""));
        }
        if lbfgs && spec.layers.iter().any(|layer| layer.dropout > 0.0) {
            return Err(Error::incompatible(
                "lbfgs with dropout: its line search needs the same loss every time",
                "dropout = 0",
            ));
        }
        if lbfgs && (self.regularize.max_norm.is_some() || self.regularize.clip_norm.is_some()) {
            return Err(Error::incompatible("lbfgs with max_norm or clip_norm", "l2 works with it"));
        }
        if lbfgs && (self.schedule != Schedule::default() || self.order == Order::Random) {
            let what = "lbfgs with a schedule or a random order: its line search finds its own steps on the whole set";
            return Err(Error::incompatible(what, "schedule = \"constant\", order = \"shuffle\""));
        }
        if matches!(self.optimizer, Optimizer::Sgd { momentum: 0.0, nesterov: true }) {
            return Err(Error::incompatible("sgd with nesterov but no momentum", "momentum = 0.9"));
        }
        let watched = self.early_stopping.map(|stopping| stopping.metric);
        if watched == Some(StopMetric::ValidationAccuracy) && self.accuracy == Accuracy::None {
            let what = "early_stopping_metric = \"validation_accuracy\" for targets that have no accuracy";
            return Err(Error::incompatible(
                what,
                "early_stopping_metric = \"validation_loss\", or a tolerance",
            ));
        }
        if self.update_order == UpdateOrder::OutputFirst {
            if lbfgs {
                return Err(Error::incompatible(
                    "update_order = \"output-first\" with lbfgs",
                    "optimizer = \"sgd\"",
                ));
            }
            if self.regularize.clip_norm.is_some() {
                let what =
                    "update_order = \"output-first\" with clip_norm: the whole gradient never exists at once";
                return Err(Error::incompatible(what, "leave out clip_norm"));
            }
        }
        Ok(())
    }
}
