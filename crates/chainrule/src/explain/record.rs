//! One update of a run with every number of it: what a derivation writes out.
//!
//! The update is made by the trainer itself. Forward pass, loss and gradients are then read off the same library calls
//! on the same batch, from the parameters before it.

use crate::batch::Batch;
use crate::config::{BatchSize, TrainConfig, UpdateOrder};
use crate::layout::Layout;
use crate::lbfgs::trace::Trace;
use crate::network::Workspace;
use crate::observer::{Observer, Signal};
use crate::optimizer::Optimizer;
use crate::regularize::PenaltyScale;
use crate::spec::NetworkSpec;
use crate::train::{Sets, Snapshot, Trainer};
use crate::{Error, Real, Result};
use chainrule_kernels::dense::{Input, ROWWISE_BATCH};

/// An update and all that led to it. Matrices are row by row, all numbers widened exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The network.
    pub spec: NetworkSpec,
    /// How it is trained.
    pub config: TrainConfig,
    /// Number type of the computation: `f32`, `f64` or `bf16`.
    pub dtype: &'static str,
    /// Size of the training set.
    pub set_size: usize,
    /// Which update of the run it is, from 1.
    pub step: u64,
    /// Updates that the optimizer has made, this one included.
    pub t: u64,
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// The samples of the batch, as indices into the training set.
    pub samples: Vec<usize>,
    /// Inputs, `(n, inputs)`.
    pub x: Vec<f64>,
    /// Targets, `(n, outputs)`.
    pub y: Vec<f64>,
    /// Weight of each sample, if any differ from 1.
    pub weights: Option<Vec<f64>>,
    /// What sums over the batch are divided by.
    pub total_weight: f64,
    /// Layer by layer.
    pub layers: Vec<LayerRecord>,
    /// The iteration of L-BFGS, if it made the update: vectors layer by layer.
    pub newton: Option<Trace<Vec<Parameters>>>,
    /// Mean loss of the batch before and after the update, and the penalties.
    pub loss: BeforeAfter<f64>,
    /// Penalty on the mean loss.
    pub penalty: BeforeAfter<f64>,
}

/// A number, or many, before and after the update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BeforeAfter<T> {
    /// Before.
    pub before: T,
    /// After.
    pub after: T,
}

/// Weights `(units, inputs)` and biases of one layer, or what belongs to each of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// For each weight, row by row.
    pub w: Vec<f64>,
    /// For each bias.
    pub b: Vec<f64>,
}

/// One layer in an update.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRecord {
    /// Whether its products round their operands to bf16: W, and a below it, forward; delta and a in BP4; delta and W in BP2
    /// of the layer below.
    pub bf16: bool,
    /// Weights and biases.
    pub params: BeforeAfter<Parameters>,
    /// z, `(n, units)`.
    pub z: BeforeAfter<Vec<f64>>,
    /// a, `(n, units)`, before dropout.
    pub a: BeforeAfter<Vec<f64>>,
    /// The factor of dropout, `(n, units)`; empty without.
    pub keep: Vec<f64>,
    /// delta, `(n, units)`, times the sample's weight.
    pub delta: Vec<f64>,
    /// Mean gradient of the loss.
    pub gradient: Parameters,
    /// The same with penalties, clipped: what the optimizer is given.
    pub given: Parameters,
    /// What the optimizer remembers, by its names.
    pub state: Vec<(String, BeforeAfter<Parameters>)>,
}

impl LayerRecord {
    /// What the next layer reads: a, or a ⊙ keep.
    pub fn out(&self, at: usize) -> f64 {
        self.keep.get(at).map_or(self.a.before[at], |keep| self.a.before[at] * keep)
    }
}

/// Stops a run once it has made so many steps.
struct StopAt(u64);

impl<T: Real> Observer<T> for StopAt {
    fn on_step(&mut self, trainer: &Trainer<T>) -> Signal {
        if trainer.progress().step >= self.0 { Signal::Stop } else { Signal::Continue }
    }
}

/// Trains until `steps` steps are made in all.
///
/// # Errors
/// If the run ends before, or a step fails.
pub fn advance<T: Real>(trainer: &mut Trainer<T>, steps: u64) -> Result<()> {
    if trainer.progress().step < steps {
        trainer.run(&mut StopAt(steps))?;
    }
    let made = trainer.progress().step;
    if made == steps {
        return Ok(());
    }
    let found = format!("a run of {made} steps");
    Err(Error::setting("step", format!("a run that reaches step {steps}"), found))
}

impl Record {
    /// Lets `trainer` make its next step, and records it.
    ///
    /// # Errors
    /// If the run has ended, the step fails, or every sample of its batch weighs nothing.
    pub fn next_step<T: Real>(trainer: &mut Trainer<T>) -> Result<Self> {
        let before = trainer.snapshot();
        trainer.trace =
            matches!(trainer.config.optimizer, Optimizer::Lbfgs { .. }).then(Box::<Trace<Vec<T>>>::default);
        let made = advance(trainer, before.progress.step + 1);
        let trace = trainer.trace.take();
        made?;
        let start = before.progress.position;
        let set = trainer.sets.train.len();
        let end = (start + trainer.config.batch_size.of(set)).min(set);
        let layout = trainer.net.layout();
        let of_layers =
            |vector: &Vec<T>| (0..layout.layers()).map(|l| parameters(layout, l, vector)).collect();
        let newton = trace.map(|trace| trace.map(&of_layers));
        Ok(Self { newton, ..Self::of(trainer, &before, trainer.order[start..end].to_vec())? })
    }

    /// The step that `trainer` would make from where it stands, were these samples its batch.
    ///
    /// # Errors
    /// If a sample does not exist, or as [`Record::next_step`].
    pub fn step_on<T: Real>(trainer: &Trainer<T>, samples: &[usize]) -> Result<Self> {
        let set = trainer.sets.train;
        let chosen = set.subset(samples)?;
        let mut snapshot = trainer.snapshot();
        let (l1, l2) = trainer.config.regularize.penalties(set.len());
        let learning_rate = learning_rate(trainer, &snapshot);
        let mut config = TrainConfig {
            batch_size: BatchSize::Full,
            steps: None,
            epochs: u64::MAX,
            order: crate::config::Order::File,
            learning_rate,
            schedule: crate::schedule::Schedule::default(),
            early_stopping: None,
            evaluate_train: false,
            ..trainer.config.clone()
        };
        // The penalties of the whole set, whatever the size of the batch.
        (config.regularize.l1, config.regularize.l2) = (l1, l2);
        config.regularize.l2_scale = PenaltyScale::PerSample;
        (snapshot.progress.position, snapshot.progress.ending) = (0, None);
        let sets = Sets { train: &chosen, validation: None, test: None };
        let params = snapshot.params.clone();
        let mut one = Trainer::new(trainer.net.clone(), config, sets, Some(params))?;
        one.restore(snapshot)?;
        let record = Self::next_step(&mut one)?;
        let samples = samples.to_vec();
        Ok(Self { config: trainer.config.clone(), set_size: set.len(), samples, learning_rate, ..record })
    }

    fn of<T: Real>(trainer: &Trainer<T>, before: &Snapshot<T>, samples: Vec<usize>) -> Result<Self> {
        let (net, config) = (&trainer.net, &trainer.config);
        let layout = net.layout();
        let (set, after) = (trainer.sets.train, trainer.snapshot());
        let mut batch = Batch::new(set, net.spec().outputs(), samples.len());
        batch.gather(set, config.coding, &config.class_weights, samples.iter().copied());
        // In bf16 it matters which kernel a layer has: lists of inputs are not rounded, nor are batches of few samples.
        let mut lists = config.bf16.then(|| crate::plan::batch::<T>(net, set, samples.len()));
        if let Some(lists) = &mut lists {
            lists.gather(set, config.coding, &config.class_weights, samples.iter().copied());
        }
        let input = lists.as_ref().unwrap_or(&batch).input();
        let rounds = config.bf16 && samples.len() > ROWWISE_BATCH;
        let first_rounds = rounds && matches!(input, Input::Dense(_));
        let n = batch.total_weight();
        if n == 0.0 {
            let problem = format!("samples {samples:?} weigh nothing: there is no update");
            return Err(Error::data(set.name(), problem, "choose others"));
        }
        let mut ws = Workspace::new(net, batch.len(), config.how());
        let mut rng = before.progress.dropout_rng.clone();
        net.forward_dropping(&before.params, input, &mut ws, &mut rng);
        let loss = net.loss(&batch, &mut ws);
        let mut sums = vec![T::default(); layout.len()];
        // Updated from the output down, every layer is carried back through once its weights are new.
        let carrying =
            if config.update_order == UpdateOrder::OutputFirst { &after.params } else { &before.params };
        net.backward(carrying, input, &mut ws, &mut sums);
        let mut given = sums.clone();
        for l in 0..layout.layers() {
            config.regularize.add_penalties(layout, l, &before.params, &mut given, n, set.len());
        }
        config.regularize.clip(layout, &mut given, n);
        for sum in sums.iter_mut().chain(&mut given) {
            *sum /= T::from_f64(n);
        }
        let mut ws_after = Workspace::new(net, batch.len(), config.how());
        let mut rng = before.progress.dropout_rng.clone();
        net.forward_dropping(&after.params, input, &mut ws_after, &mut rng);
        let loss_after = net.loss(&batch, &mut ws_after);

        let of = |l, vector: &[T]| parameters(layout, l, vector);
        let layers = (0..layout.layers()).map(|l| LayerRecord {
            bf16: if l == 0 { first_rounds } else { rounds },
            params: BeforeAfter { before: of(l, &before.params), after: of(l, &after.params) },
            z: BeforeAfter { before: wide(ws.z(l)), after: wide(ws_after.z(l)) },
            a: BeforeAfter { before: wide(ws.a(l)), after: wide(ws_after.a(l)) },
            keep: wide(&ws.layers[l].keep),
            delta: wide(ws.delta(l)),
            gradient: of(l, &sums),
            given: of(l, &given),
            state: state(trainer, before, &after, l),
        });
        let penalty = |params| config.regularize.value(layout, params, set.len());
        Ok(Self {
            spec: net.spec().clone(),
            config: config.clone(),
            dtype: if config.bf16 { "bf16" } else { T::NAME },
            set_size: set.len(),
            step: after.progress.step,
            t: after.optimizer_steps,
            learning_rate: learning_rate(trainer, before),
            x: wide(batch.x()),
            y: wide(batch.y()),
            weights: batch.weights().map(wide),
            total_weight: n,
            layers: layers.collect(),
            newton: None,
            loss: BeforeAfter { before: loss / n, after: loss_after / n },
            penalty: BeforeAfter { before: penalty(&before.params), after: penalty(&after.params) },
            samples,
        })
    }

    /// Number of samples.
    pub fn n(&self) -> usize {
        self.samples.len()
    }

    /// What layer `l` reads of sample `s` from input `i`.
    pub fn input(&self, l: usize, s: usize, i: usize) -> f64 {
        let at = s * self.spec.inputs_of(l) + i;
        if l == 0 { self.x[at] } else { self.layers[l - 1].out(at) }
    }

    /// Whether units of layer `l` are dropped.
    pub fn drops(&self, l: usize) -> bool {
        !self.layers[l].keep.is_empty()
    }
}

fn wide<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.to_f64()).collect()
}

fn parameters<T: Real>(layout: &Layout, l: usize, vector: &[T]) -> Parameters {
    Parameters { w: wide(&layout.export_weight(l, vector)), b: wide(&vector[layout.bias(l)]) }
}

fn learning_rate<T: Real>(trainer: &Trainer<T>, before: &Snapshot<T>) -> f64 {
    let (config, progress) = (&trainer.config, &before.progress);
    let total = trainer.total_steps();
    config.learning_rate * config.schedule.factor(progress.step, progress.epoch, total, &progress.plateau)
}

/// What the optimizer remembers of layer `l`; what L-BFGS does, [`Record::newton`] has.
fn state<T: Real>(
    trainer: &Trainer<T>,
    before: &Snapshot<T>,
    after: &Snapshot<T>,
    l: usize,
) -> Vec<(String, BeforeAfter<Parameters>)> {
    if matches!(trainer.config.optimizer, Optimizer::Lbfgs { .. }) {
        return Vec::new();
    }
    let of = |vector: &[T]| parameters(trainer.net.layout(), l, vector);
    let names = before.optimizer.iter().map(|(name, _)| name.clone());
    let slots = before.optimizer.iter().zip(&after.optimizer);
    names
        .zip(slots.map(|(before, after)| BeforeAfter { before: of(&before.1), after: of(&after.1) }))
        .collect()
}

#[cfg(test)]
mod tests;
