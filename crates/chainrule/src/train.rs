//! A training run: epochs of steps, evaluation, early stopping, and a state that can be saved at any step.

pub use crate::state::{Ending, EpochRecord, Progress, Snapshot};

mod newton;

use crate::batch::Batch;
use crate::compiled::Compiled;
use crate::config::{Order, StopMetric, TrainConfig};
use crate::dataset::Dataset;
use crate::evaluate::{Evaluator, count_correct};
use crate::lbfgs::{Memory, trace::Trace};
use crate::metrics::Score;
use crate::network::{Network, Workspace};
use crate::observer::{Observer, Signal};
use crate::optimizer::{Optimizer, OptimizerState};
use crate::plan::{self, Plan, Way};
use crate::profile::{Clock, Part, Profile};
use crate::reduce::Alone;
use crate::rng::{self, Rng};
use crate::state::{Best, Running};
use crate::step::{self, StepContext};
use crate::whole::WholeSteps;
use crate::{Error, Real, Result};
use chainrule_kernels::memory::Aligned;

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

/// A run.
pub struct Trainer<'d, T: Real> {
    pub(crate) net: Network,
    pub(crate) config: TrainConfig,
    pub(crate) sets: Sets<'d>,
    pub(crate) params: Aligned<T>,
    pub(crate) plan: Plan,
    pub(crate) whole: Option<WholeSteps>,
    pub(crate) best_params: Option<Vec<T>>,
    pub(crate) progress: Progress,
    pub(crate) optimizer: OptimizerState<T>,
    pub(crate) memory: Memory<T>,
    /// Filled by each step of L-BFGS, if somebody wants its numbers.
    pub(crate) trace: Option<Box<Trace<Vec<T>>>>,
    pub(crate) order: Vec<usize>,
    pub(crate) next_order_rng: Rng,
    pub(crate) batch: Batch<T>,
    pub(crate) ws: Workspace<T>,
    pub(crate) grads: Aligned<T>,
    pub(crate) train_evaluator: Option<Evaluator<T>>,
    pub(crate) validation_evaluator: Option<Evaluator<T>>,
    pub(crate) test_evaluator: Option<Evaluator<T>>,
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
        let progress = Progress::new(config.seed);
        let plan = Plan::new::<T>(&net, &config, sets.train);
        let whole =
            (plan.way == Way::WholeSteps).then(|| WholeSteps::new(&net, &config, sets.train)).flatten();
        let params = Aligned::from(&*params);
        let capacity = config.batch_size.of(sets.train.len());
        let evaluator = |data: &Dataset| Evaluator::new(&net, data, config.how());
        Ok(Self {
            optimizer: OptimizerState::new(config.optimizer, params.len()),
            memory: Memory::default(),
            trace: None,
            order: (0..sets.train.len()).collect(),
            next_order_rng: progress.order_rng.clone(),
            batch: plan::batch(&net, sets.train, capacity),
            whole,
            plan,
            ws: Workspace::new(&net, capacity, config.how()),
            grads: Aligned::zeros(params.len()),
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

    /// The network.
    pub fn network(&self) -> &Network {
        &self.net
    }

    /// How it is trained.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Which kernels its steps use.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// From now on, measures by `clock` where the time of [`Trainer::run`] goes. No bit of the run depends on it.
    pub fn profile_by(&mut self, clock: Clock) {
        self.ws.profile = Some(Box::new(Profile::new(clock, self.net.layout().layers())));
    }

    /// Where the time went, if it was measured.
    pub fn profile(&self) -> Option<&Profile> {
        self.ws.profile.as_deref()
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

    /// Whether a test set is looked at.
    pub fn has_test(&self) -> bool {
        self.sets.test.is_some()
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
    /// [`Error::NonFinite`] names step, epoch and layer; what was saved before that step is sound.
    pub fn run(&mut self, observer: &mut dyn Observer<T>) -> Result<Ending> {
        (Compiled::get().run)(self, observer)
    }

    pub(crate) fn run_here(&mut self, observer: &mut dyn Observer<T>) -> Result<Ending> {
        if let Some(profile) = &mut self.ws.profile {
            profile.restart();
        }
        while self.progress.ending.is_none() {
            if self.progress.step >= self.total_steps() {
                self.progress.ending = Some(Ending::Finished);
                break;
            }
            let converged = self.steps(observer.patience(self.progress.step))?;
            let epoch_over = self.progress.position >= self.samples();
            let last_step = converged || self.progress.step >= self.total_steps();
            if self.plan.way != Way::FiveCalls && (epoch_over || last_step) {
                self.check_weights()?;
                self.ws.lap(Part::Check);
            }
            if epoch_over || last_step {
                let record = self.end_epoch(last_step);
                self.ws.lap(Part::Evaluation);
                if converged {
                    self.progress.ending = Some(Ending::Converged);
                }
                let signal = observer.on_epoch(self, &record);
                self.ws.lap(Part::Observer);
                if signal == Signal::Stop && self.progress.ending.is_none() {
                    return Ok(Ending::Interrupted);
                }
            }
            let signal = observer.on_step(self);
            self.ws.lap(Part::Observer);
            if signal == Signal::Stop && self.progress.ending.is_none() {
                return Ok(Ending::Interrupted);
            }
        }
        Ok(self.progress.ending.unwrap_or(Ending::Finished))
    }

    /// Finds weights that overflowed in a step which changed them in place, without looking at each.
    fn check_weights(&self) -> Result<()> {
        let check = |l| step::check_finite(&self.net, l, "after the update", &self.params, 1);
        let checked = (0..self.net.layout().layers()).try_for_each(check);
        checked.map_err(|error| located(error, self.progress.step, self.progress.epoch))
    }

    /// Up to `most` steps of the current epoch; true if L-BFGS found a minimum.
    fn steps(&mut self, most: u64) -> Result<bool> {
        if self.progress.position == 0 {
            self.progress.order_rng = self.next_order_rng.clone();
            self.draw_order();
            self.ws.lap(Part::Order);
        }
        if self.whole_steps(most) {
            return Ok(false);
        }
        self.step()
    }

    /// As many steps as one call of the kernel makes, if the plan has it; false if it made none.
    fn whole_steps(&mut self, most: u64) -> bool {
        let (planned, samples) = (self.total_steps(), self.samples());
        let (Some(whole), Some(params)) = (&mut self.whole, T::as_f32_mut(&mut self.params)) else {
            return false;
        };
        let (config, progress) = (&self.config, &mut self.progress);
        let steps = most.min(planned - progress.step).min(whole.most_steps() as u64) as usize;
        let start = progress.position;
        let batch_size = self.ws.capacity();
        let end = start.saturating_add(steps.saturating_mul(batch_size)).min(samples);
        let (epoch, step, plateau) = (progress.epoch, progress.step, progress.plateau);
        let rate = |at: usize| {
            config.learning_rate * config.schedule.factor(step + at as u64, epoch, planned, &plateau)
        };
        let order = &self.order[start..end];
        let (running, profile) = (&mut progress.running, self.ws.profile.as_deref_mut());
        let made = whole.run(params, self.sets.train, config, order, rate, running, profile);
        self.ws.lap(Part::Count);
        self.optimizer.t += made as u64;
        progress.position = start.saturating_add(made.saturating_mul(batch_size)).min(samples);
        progress.step += made as u64;
        made > 0 // else the step finds out what is not finite
    }

    /// One step; true if L-BFGS found a minimum.
    fn step(&mut self) -> Result<bool> {
        let start = self.progress.position;
        let end = (start + self.ws.capacity()).min(self.samples());
        let indices = self.order[start..end].iter().copied();
        self.batch.gather(self.sets.train, self.config.coding, &self.config.class_weights, indices);
        self.ws.lap(Part::Gather);
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
                way: self.plan.way,
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
        running.last_batch_loss = if loss.weight > 0.0 { loss.sum / loss.weight } else { 0.0 };
        running.learning_rate = learning_rate;
        self.progress.position = end;
        self.progress.step += 1;
        self.ws.lap(Part::Count);
        Ok(converged)
    }

    /// Draws the order of an epoch.
    pub(crate) fn draw_order(&mut self) {
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
            let better = |value: f64| value.is_finite() && best.value.is_none_or(|best| value < best);
            if value.is_some_and(better) {
                *best = Best { value, epoch, waited: 0 };
                self.best_params.get_or_insert_default().clone_from(&self.params.to_vec());
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
