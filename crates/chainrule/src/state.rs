//! Where a run stands, complete: saved and restored, it continues to the same bits.

use crate::metrics::Score;
use crate::optimizer::Optimizer;
use crate::rng::{self, Rng, Stream};
use crate::schedule::PlateauState;
use crate::train::Trainer;
use crate::{Error, Real, Result};
use chainrule_kernels::memory::Aligned;
use serde::{Deserialize, Serialize};

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 0.
    pub epoch: u64,
    /// Steps made in all, this epoch included.
    pub step: u64,
    /// Running figures: each batch before its own update.
    pub train: Score,
    /// Mean loss of the epoch's last batch, before its update.
    #[serde(with = "crate::number")]
    pub last_batch_loss: f64,
    /// The training set with the epoch's final weights, if asked for.
    pub evaluated_train: Option<Score>,
    /// The validation set.
    pub validation: Option<Score>,
    /// The test set.
    pub test: Option<Score>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All epochs or steps were made.
    Finished,
    /// Early stopping.
    Stopped,
    /// L-BFGS found a minimum.
    Converged,
    /// The observer asked to stop; the run can be resumed.
    Interrupted,
}

/// Running figures of an unfinished epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub loss: f64,
    pub weight: f64,
    pub correct: f64,
    pub samples: usize,
    pub last_batch_loss: f64,
    pub learning_rate: f64,
}

/// What early stopping has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub value: Option<f64>,
    pub epoch: u64,
    pub waited: u64,
}

/// Where a run stands, without its large vectors: with them ([`Snapshot`]) it resumes to the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The current epoch, from 0.
    pub epoch: u64,
    /// Steps made.
    pub step: u64,
    /// Samples of the current epoch already used.
    pub position: usize,
    /// Epochs finished.
    pub history: Vec<EpochRecord>,
    /// Set once the run has ended.
    pub ending: Option<Ending>,
    /// Generator as it was before it drew the current epoch's order, or between epochs as it will draw the next.
    pub(crate) order_rng: Rng,
    pub(crate) dropout_rng: Rng,
    pub(crate) running: Running,
    pub(crate) plateau: PlateauState,
    pub(crate) best: Best,
}

/// A complete state of a run: saved, it resumes to the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<T> {
    /// Everything small.
    pub progress: Progress,
    /// Weights and biases, flat.
    pub params: Vec<T>,
    /// Vectors of the optimizer with their names: `exp_avg`, or `lbfgs.s.0`, `lbfgs.y.0`, …
    pub optimizer: Vec<(String, Vec<T>)>,
    /// Updates the optimizer has made.
    pub optimizer_steps: u64,
    /// Weights and biases of the best epoch, with early stopping.
    pub best: Option<Vec<T>>,
}

impl Progress {
    /// Before the first step.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            epoch: 0,
            step: 0,
            position: 0,
            history: Vec::new(),
            ending: None,
            order_rng: rng::stream(seed, Stream::Shuffle),
            dropout_rng: rng::stream(seed, Stream::Dropout),
            running: Running::default(),
            plateau: PlateauState::default(),
            best: Best::default(),
        }
    }
}

impl<T: Real> Trainer<'_, T> {
    /// Continues from a snapshot of the same run.
    ///
    /// # Errors
    /// If the snapshot is not one of this network and optimizer.
    pub fn restore(&mut self, snapshot: Snapshot<T>) -> Result<()> {
        let parameters = self.net.layout().len();
        let Snapshot { progress, params, optimizer, optimizer_steps, best } = snapshot;
        let vectors = optimizer.iter().map(|(_, vector)| vector).chain([&params]).chain(&best);
        if let Some(other) = vectors.into_iter().find(|vector| vector.len() != parameters) {
            return Err(Error::shape("parameters of the checkpoint", parameters, other.len()));
        }
        let lbfgs = matches!(self.config.optimizer, Optimizer::Lbfgs { .. });
        let expected: Vec<String> = if lbfgs {
            let pair = |i: usize| [format!("lbfgs.s.{i}"), format!("lbfgs.y.{i}")];
            (0..optimizer.len() / 2).flat_map(pair).collect()
        } else {
            self.config.optimizer.slots().iter().map(ToString::to_string).collect()
        };
        if !optimizer.iter().map(|(name, _)| name).eq(&expected) {
            let found: Vec<&String> = optimizer.iter().map(|(name, _)| name).collect();
            let what = "optimizer state of the checkpoint";
            return Err(Error::shape(what, format!("{expected:?}"), format!("{found:?}")));
        }
        if progress.position > self.sets.train.len() {
            let what = "position in the epoch of the checkpoint";
            return Err(Error::shape(what, format!("at most {}", self.sets.train.len()), progress.position));
        }
        if lbfgs {
            let mut vectors = optimizer.into_iter().map(|(_, vector)| vector);
            while let (Some(s), Some(y)) = (vectors.next(), vectors.next()) {
                self.memory.pairs.push_back((s, y));
            }
        } else {
            for (slot, (_, vector)) in self.optimizer.slots.iter_mut().zip(&optimizer) {
                slot.copy_from_slice(vector);
            }
        }
        self.optimizer.t = optimizer_steps;
        self.params.copy_from_slice(&params);
        (self.best_params, self.progress) = (best, progress);
        self.next_order_rng = self.progress.order_rng.clone();
        if self.progress.position > 0 {
            self.draw_order();
        }
        Ok(())
    }

    /// The complete state after the last step.
    pub fn snapshot(&self) -> Snapshot<T> {
        let named = |(name, slot): (&&str, &Aligned<T>)| ((*name).to_string(), slot.to_vec());
        let slots = self.config.optimizer.slots().iter().zip(&self.optimizer.slots).map(named);
        let pairs = self.memory.pairs.iter().enumerate().flat_map(|(i, (s, y))| {
            [(format!("lbfgs.s.{i}"), s.clone()), (format!("lbfgs.y.{i}"), y.clone())]
        });
        Snapshot {
            progress: self.progress.clone(),
            params: self.params.to_vec(),
            optimizer: slots.chain(pairs).collect(),
            optimizer_steps: self.optimizer.t,
            best: self.best_params.clone(),
        }
    }
}
