//! A training run: epochs of steps, evaluation, early stopping, and a state that can be saved at any step.

use crate::batch::Batch;
use crate::config::{Order, StopMetric, TrainConfig};
use crate::dataset::Dataset;
use crate::evaluate::{Evaluator, count_correct};
use crate::lbfgs::{self, Memory};
use crate::metrics::Score;
use crate::network::{Network, Workspace};
use crate::observer::{Observer, Signal};
use crate::optimizer::{Optimizer, OptimizerState};
use crate::reduce::Alone;
use crate::rng::{self, Rng, Stream};
use crate::schedule::PlateauState;
use crate::step::{self, StepContext, StepLoss};
use crate::{Error, Real, Result};
use serde::{Deserialize, Serialize};

/// The data sets of a run. The test set is only ever looked at: it chooses nothing.
#[derive(Clone, Copy, Debug)]
pub struct Sets<'d> {
    /// What is learned from.
    pub train: &'d Dataset,
    /// What early stopping and reduce-on-plateau watch.
    pub validation: Option<&'d Dataset>,
    /// What the result is measured on.
    pub test: Option<&'d Dataset>,
}

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
struct Running {
    loss: f64,
    weight: f64,
    correct: f64,
    samples: usize,
    last_batch_loss: f64,
    learning_rate: f64,
}

/// What early stopping has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Best {
    value: Option<f64>,
    epoch: u64,
    waited: u64,
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
    order_rng: Rng,
    dropout_rng: Rng,
    running: Running,
    plateau: PlateauState,
    best: Best,
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

/// A run.
pub struct Trainer<'d, T: Real> {
    net: Network,
    config: TrainConfig,
    sets: Sets<'d>,
    params: Vec<T>,
    best_params: Option<Vec<T>>,
    progress: Progress,
    optimizer: OptimizerState<T>,
    memory: Memory<T>,
    order: Vec<usize>,
    next_order_rng: Rng,
    batch: Batch<T>,
    ws: Workspace<T>,
    grads: Vec<T>,
    train_evaluator: Option<Evaluator<T>>,
    validation_evaluator: Option<Evaluator<T>>,
    test_evaluator: Option<Evaluator<T>>,
}

impl<'d, T: Real> Trainer<'d, T> {
    /// A run from `params`, or from the spec's own initial parameters.
    ///
    /// # Errors
    /// If network, settings and data do not fit each other.
    pub fn new(net: Network, config: TrainConfig, sets: Sets<'d>, params: Option<Vec<T>>) -> Result<Self> {
        config.check(net.spec())?;
        for data in [Some(sets.train), sets.validation, sets.test].into_iter().flatten() {
            if data.inputs() != net.spec().inputs() {
                let what = format!("inputs of '{}'", data.name());
                return Err(Error::shape(what, net.spec().inputs(), data.inputs()));
            }
        }
        let params = match params {
            Some(params) if params.len() != net.layout().len() => {
                return Err(Error::shape("initial parameters", net.layout().len(), params.len()));
            }
            Some(params) => params,
            None => net.init(config.seed)?,
        };
        let order_rng = rng::stream(config.seed, Stream::Shuffle);
        let progress = Progress {
            epoch: 0,
            step: 0,
            position: 0,
            history: Vec::new(),
            ending: None,
            order_rng: order_rng.clone(),
            dropout_rng: rng::stream(config.seed, Stream::Dropout),
            running: Running::default(),
            plateau: PlateauState::default(),
            best: Best::default(),
        };
        let capacity = config.batch_size.of(sets.train.len());
        let evaluator = |data: &Dataset| Evaluator::new(&net, data, config.threads);
        Ok(Self {
            optimizer: OptimizerState::new(config.optimizer, params.len()),
            memory: Memory::default(),
            order: (0..sets.train.len()).collect(),
            next_order_rng: order_rng,
            batch: Batch::new(sets.train, net.spec().outputs(), capacity),
            ws: Workspace::new(&net, capacity, config.threads),
            grads: vec![T::default(); params.len()],
            train_evaluator: config.evaluate_train.then(|| evaluator(sets.train)),
            validation_evaluator: sets.validation.map(evaluator),
            test_evaluator: sets.test.map(evaluator),
            best_params: None,
            net,
            config,
            sets,
            params,
            progress,
        })
    }

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
            self.optimizer.slots = optimizer.into_iter().map(|(_, vector)| vector).collect();
        }
        self.optimizer.t = optimizer_steps;
        (self.params, self.best_params, self.progress) = (params, best, progress);
        self.next_order_rng = self.progress.order_rng.clone();
        if self.progress.position > 0 {
            self.draw_order();
        }
        Ok(())
    }

    /// The complete state after the last step.
    pub fn snapshot(&self) -> Snapshot<T> {
        let named = |(name, slot): (&&str, &Vec<T>)| ((*name).to_string(), slot.clone());
        let slots = self.config.optimizer.slots().iter().zip(&self.optimizer.slots).map(named);
        let pairs = self.memory.pairs.iter().enumerate().flat_map(|(i, (s, y))| {
            [(format!("lbfgs.s.{i}"), s.clone()), (format!("lbfgs.y.{i}"), y.clone())]
        });
        Snapshot {
            progress: self.progress.clone(),
            params: self.params.clone(),
            optimizer: slots.chain(pairs).collect(),
            optimizer_steps: self.optimizer.t,
            best: self.best_params.clone(),
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.net
    }

    /// How it is trained.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The current weights and biases.
    pub fn params(&self) -> &[T] {
        &self.params
    }

    /// The weights and biases to keep: the best with early stopping, else the current ones.
    pub fn result(&self) -> &[T] {
        self.best_params.as_deref().unwrap_or(&self.params)
    }

    /// The epoch whose weights are [`Trainer::result`], with early stopping.
    pub fn best_epoch(&self) -> Option<u64> {
        self.best_params.as_ref().map(|_| self.progress.best.epoch)
    }

    /// Steps planned in all, before early stopping.
    pub fn total_steps(&self) -> u64 {
        self.config.total_steps(self.sets.train.len())
    }

    /// Samples of the training set.
    pub fn samples(&self) -> usize {
        self.sets.train.len()
    }

    /// Running loss and accuracy of the current epoch so far.
    pub fn running(&self) -> Score {
        let running = &self.progress.running;
        let accuracy = self.config.accuracy.rate(running.correct, running.samples as f64);
        Score { loss: running.loss / running.weight, accuracy }
    }

    /// Trains to the end, or until the observer stops it.
    ///
    /// # Errors
    /// [`Error::NonFinite`] names step, epoch and layer; the parameters are those before that step.
    pub fn run(&mut self, observer: &mut dyn Observer<T>) -> Result<Ending> {
        while self.progress.ending.is_none() {
            if self.progress.step >= self.total_steps() {
                self.progress.ending = Some(Ending::Finished);
                break;
            }
            let converged = self.step()?;
            let epoch_over = self.progress.position >= self.samples();
            let last_step = converged || self.progress.step >= self.total_steps();
            if epoch_over || last_step {
                let record = self.end_epoch(last_step);
                if converged {
                    self.progress.ending = Some(Ending::Converged);
                }
                if observer.on_epoch(self, &record) == Signal::Stop && self.progress.ending.is_none() {
                    return Ok(Ending::Interrupted);
                }
            }
            if observer.on_step(self) == Signal::Stop && self.progress.ending.is_none() {
                return Ok(Ending::Interrupted);
            }
        }
        Ok(self.progress.ending.unwrap_or(Ending::Finished))
    }

    /// One step; true if L-BFGS found a minimum.
    fn step(&mut self) -> Result<bool> {
        if self.progress.position == 0 {
            self.progress.order_rng = self.next_order_rng.clone();
            self.draw_order();
        }
        let start = self.progress.position;
        let end = (start + self.ws.capacity()).min(self.samples());
        let indices = self.order[start..end].iter().copied();
        self.batch.gather(self.sets.train, self.config.coding, &self.config.class_weights, indices);
        let (epoch, step, total) = (self.progress.epoch, self.progress.step, self.total_steps());
        let factor = self.config.schedule.factor(step, epoch, total, &self.progress.plateau);
        let learning_rate = self.config.learning_rate * factor;

        let mut converged = false;
        let result = if let Optimizer::Lbfgs { history } = self.config.optimizer {
            self.lbfgs_step(history, learning_rate).map(|(loss, done)| {
                converged = done;
                loss
            })
        } else {
            let context = StepContext {
                net: &self.net,
                config: &self.config,
                samples: self.sets.train.len(),
                learning_rate,
            };
            step::step(
                &context,
                &mut self.params,
                &self.batch,
                &mut self.ws,
                &mut self.grads,
                &mut self.optimizer,
                &mut Alone,
                &mut self.progress.dropout_rng,
            )
        };
        let loss = result.map_err(|error| located(error, step + 1, epoch))?;
        let running = &mut self.progress.running;
        running.loss += loss.sum;
        running.weight += loss.weight;
        running.correct += count_correct(self.config.accuracy, &self.batch, &self.ws);
        running.samples += self.batch.len();
        running.last_batch_loss = loss.sum / loss.weight;
        running.learning_rate = learning_rate;
        self.progress.position = end;
        self.progress.step += 1;
        Ok(converged)
    }

    /// One iteration of L-BFGS on the gathered (full) batch. The loss reported is the one before it.
    fn lbfgs_step(&mut self, history: usize, first_step: f64) -> Result<(StepLoss, bool)> {
        let (net, batch, ws) = (&self.net, &self.batch, &mut self.ws);
        let (regularize, samples) = (&self.config.regularize, self.sets.train.len());
        let n = batch.total_weight();
        let layout = net.layout();
        let mut first = None;
        let progress =
            lbfgs::step(&mut self.params, &mut self.memory, history, first_step, |params, grads| {
                net.forward(params, batch.x(), ws);
                let sum = net.loss(batch, ws);
                if first.is_none() && !sum.is_finite() {
                    return Err(step::forward_fault(net, ws, sum)); // later ones are trial points: not yet steps
                }
                first.get_or_insert(sum);
                net.backward(params, batch.x(), ws, grads);
                for l in 0..layout.layers() {
                    regularize.add_penalties(layout, l, params, grads, n, samples);
                }
                let mut trained = vec![T::default(); grads.len()]; // frozen parameters have no direction
                for range in (0..layout.layers()).flat_map(|l| layout.trainable(l)) {
                    for (mean, &sum) in trained[range.clone()].iter_mut().zip(&grads[range]) {
                        *mean = sum / T::from_f64(n);
                    }
                }
                grads.copy_from_slice(&trained);
                Ok(sum / n + regularize.value(layout, params, samples))
            })?;
        // The buffers hold a trial point: the running accuracy is that of the point reported.
        net.forward(&self.params, batch.x(), ws);
        self.optimizer.t += 1;
        let loss = StepLoss { sum: first.unwrap_or(f64::NAN), weight: n };
        Ok((loss, progress == lbfgs::Progress::Converged))
    }

    /// Draws the order of an epoch.
    fn draw_order(&mut self) {
        let rng = &mut self.next_order_rng;
        let samples = self.order.len();
        match self.config.order {
            Order::File => {}
            Order::Shuffle => {
                // From the same start every epoch, so that an order depends on its generator alone.
                self.order.iter_mut().enumerate().for_each(|(at, sample)| *sample = at);
                rng::shuffle(&mut self.order, rng);
            }
            Order::Random => self.order.iter_mut().for_each(|sample| *sample = rng::below(samples, rng)),
        }
    }

    /// Evaluates and records an epoch, and decides on early stopping.
    fn end_epoch(&mut self, last_step: bool) -> EpochRecord {
        let (net, params, config) = (&self.net, &self.params, &self.config);
        let (coding, accuracy) = (config.evaluation_coding, config.accuracy);
        let epoch = self.progress.epoch;
        let score = |evaluator: &mut Option<Evaluator<T>>, data: Option<&Dataset>, coding| {
            evaluator.as_mut().zip(data).map(|(e, data)| e.score(net, params, data, coding, accuracy))
        };
        let validation = score(&mut self.validation_evaluator, self.sets.validation, coding);
        let evaluated_train = score(&mut self.train_evaluator, Some(self.sets.train), config.coding);
        let train = self.running();

        let mut stop = false;
        if let Some(stopping) = config.early_stopping {
            let value = match stopping.metric {
                StopMetric::ValidationLoss => validation.map(|score| score.loss),
                StopMetric::ValidationAccuracy => validation.and_then(|score| score.accuracy).map(|a| -a),
                StopMetric::TrainLoss => Some(train.loss),
            };
            let best = &mut self.progress.best;
            if value.is_some_and(|value| best.value.is_none_or(|best| value < best)) {
                *best = Best { value, epoch, waited: 0 };
                self.best_params.get_or_insert_default().clone_from(&self.params);
            } else {
                best.waited += 1;
            }
            stop = best.waited >= stopping.patience;
        }
        let last = stop || last_step;
        let due = last || (config.evaluate_every > 0 && (epoch + 1).is_multiple_of(config.evaluate_every));
        let test = if due { score(&mut self.test_evaluator, self.sets.test, coding) } else { None };
        let record = EpochRecord {
            epoch,
            step: self.progress.step,
            train,
            last_batch_loss: self.progress.running.last_batch_loss,
            evaluated_train,
            validation,
            test,
            learning_rate: self.progress.running.learning_rate,
        };
        config.schedule.observe(validation.unwrap_or(train).loss, &mut self.progress.plateau);
        let progress = &mut self.progress;
        progress.history.push(record.clone());
        progress.running = Running::default();
        progress.order_rng = self.next_order_rng.clone();
        progress.position = 0;
        progress.epoch += 1;
        if stop {
            progress.ending = Some(Ending::Stopped);
        } else if last_step {
            progress.ending = Some(Ending::Finished);
        }
        record
    }
}

/// The error with the step and epoch where it arose.
fn located(error: Error, at_step: u64, at_epoch: u64) -> Error {
    match error {
        Error::NonFinite { quantity, value, layer, .. } => {
            Error::NonFinite { step: at_step, epoch: at_epoch, quantity, value, layer }
        }
        other => other,
    }
}
