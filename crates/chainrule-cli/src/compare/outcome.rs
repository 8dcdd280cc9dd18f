//! What one run gave: `result.json` in its folder.

use chainrule::diagnose::{Finding, Record};
use chainrule::metrics::Score;
use chainrule::train::EpochRecord;
use serde::{Deserialize, Serialize};

/// How far a run came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To its end.
    Done,
    /// Successive halving goes on with others.
    Halted,
    /// A number was no longer finite.
    Diverged(String),
}

/// The document of `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How far it came.
    pub state: State,
    /// The network's sizes, `1024-16-16-10`.
    pub network: String,
    /// Number of its parameters.
    pub parameters: usize,
    /// Steps made.
    pub steps: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Epoch whose weights are kept, with early stopping.
    pub best_epoch: Option<u64>,
    /// Figures of every epoch.
    pub history: Vec<EpochRecord>,
    /// Seconds of training at the end of each epoch.
    pub seconds_at: Vec<f64>,
    /// What was measured.
    pub record: Record,
    /// What the rules say of it.
    pub findings: Vec<Finding>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// A set of samples whose figures a history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// The training set, each batch before its own update.
    Train,
    /// The validation set.
    Validation,
    /// The test set.
    Test,
}

impl Set {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Its figures in an epoch.
    pub fn of(self, record: &EpochRecord) -> Option<Score> {
        match self {
            Self::Train => Some(record.train),
            Self::Validation => record.validation,
            Self::Test => record.test,
        }
    }
}

/// The figure that is compared: accuracy, where larger is better, or loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Of these samples.
    pub set: Set,
    /// Whether it is accuracy.
    pub accuracy: bool,
}

impl Watched {
    /// In words.
    pub fn name(self) -> String {
        format!("{} {}", self.set.name(), if self.accuracy { "accuracy" } else { "loss" })
    }

    /// Its value in an epoch.
    pub fn of(self, record: &EpochRecord) -> Option<f64> {
        let score = self.set.of(record)?;
        if self.accuracy { score.accuracy } else { Some(score.loss) }
    }

    /// Whether `a` is better than `b`. NaN is worse than anything.
    pub fn better(self, a: f64, b: f64) -> bool {
        if self.accuracy {
            a > b || (b.is_nan() && !a.is_nan())
        } else {
            a < b || (b.is_nan() && !a.is_nan())
        }
    }

    /// The best value and the epoch of it, the first of equals.
    pub fn best(self, history: &[EpochRecord]) -> Option<(u64, f64)> {
        let values = history.iter().filter_map(|record| Some((record.epoch, self.of(record)?)));
        values.reduce(|best, next| if self.better(next.1, best.1) { next } else { best })
    }
}

impl Outcome {
    /// The figures that stand for the run: those of the weights that are kept.
    pub fn final_record(&self) -> Option<&EpochRecord> {
        match self.best_epoch {
            Some(epoch) => self.history.iter().find(|record| record.epoch == epoch),
            None => self.history.last(),
        }
    }

    /// The first epoch whose figure is at least as good as `value`, and the seconds it took.
    pub fn reached(&self, watched: Watched, value: f64) -> Option<(u64, f64)> {
        let is = |record: &&EpochRecord| watched.of(record).is_some_and(|v| !watched.better(value, v));
        let record = self.history.iter().find(is)?;
        Some((record.epoch + 1, *self.seconds_at.get(record.epoch as usize)?))
    }
}
