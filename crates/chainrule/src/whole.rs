//! Whole steps: runs of plain gradient descent on small networks, made by one kernel ([`chainrule_kernels::descent`]).
//!
//! The same steps as [`crate::step`] makes, tested against it; sums run in another order, so the last bits differ.

use crate::batch::TargetCoding;
use crate::config::TrainConfig;
use crate::dataset::{Dataset, Features, Targets};
use crate::loss::Loss;
use crate::metrics::{Accuracy, is_argmax};
use crate::network::Network;
use crate::profile::{Part, Profile};
use crate::state::Running;
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::descent::{self, Batches, Descent, Layer, Phase, Rate};
use chainrule_kernels::sparse::SparseRows;
use std::sync::Arc;

/// The most samples of one call: their answers are kept until they are counted.
const SAMPLES: usize = 1 << 13;

/// The kernel with what it reads and writes; sized once.
#[derive(Debug)]
pub(crate) struct WholeSteps {
    kernel: Descent,
    lists: Arc<SparseRows>,
    /// Targets that are no labels, `(samples, outputs)`.
    values: Vec<f32>,
    outputs: usize,
    rates: Vec<Rate>,
    losses: Vec<f64>,
    answers: Vec<f32>,
}

impl WholeSteps {
    /// For runs whose plan says so ([`crate::plan::Way::WholeSteps`]).
    pub fn new(net: &Network, config: &TrainConfig, data: &Dataset) -> Option<Self> {
        let lists = data.lists().cloned().or_else(|| full_lists(data))?;
        let spec = net.spec();
        let outputs = spec.outputs();
        let loss = match spec.loss {
            Loss::Quadratic => descent::Loss::Squares { value: 0.5 },
            Loss::MeanSquaredError => descent::Loss::Squares { value: 1.0 / outputs as f64 },
            Loss::CrossEntropy { .. } => descent::Loss::CrossEntropy,
            Loss::BinaryCrossEntropy { .. } => descent::Loss::BinaryCrossEntropy,
            Loss::MeanAbsoluteError | Loss::Huber { .. } => return None,
        };
        let layer = |(l, layer): (usize, &crate::spec::LayerSpec)| Layer {
            inputs: spec.inputs_of(l),
            units: layer.units,
            f: layer.activation.fused().unwrap_or(Nonlinearity::Identity),
            weight: net.layout().weight(l).start,
            bias: net.layout().bias(l),
            train_weights: layer.train_weights,
            train_bias: layer.train_bias,
        };
        let batch_size = config.batch_size.of(data.len());
        let samples = SAMPLES.next_multiple_of(batch_size);
        Some(Self {
            kernel: Descent::new(spec.layers.iter().enumerate().map(layer).collect(), loss, batch_size),
            lists,
            values: values(data, config.coding, outputs),
            outputs,
            rates: vec![Rate { learning_rate: 0.0, keep: 1.0 }; samples / batch_size],
            losses: vec![0.0; samples / batch_size],
            answers: vec![0.0; samples * outputs],
        })
    }

    /// Steps of one call at most.
    pub fn most_steps(&self) -> usize {
        self.rates.len()
    }

    /// One step for each batch of `samples`, at most [`WholeSteps::most_steps`]; `rate` gives the rate of each. Returns how many
    /// were made: fewer if the next one's loss or deltas are not finite.
    ///
    /// `profile` learns what the kernel took; counting is left to the caller's next lap. `running` grows step by step, so that its bits do not tell how many steps a call made.
    #[allow(clippy::too_many_arguments)] // what it changes, what it reads, what it tells
    pub fn run(
        &mut self,
        params: &mut [f32],
        data: &Dataset,
        config: &TrainConfig,
        samples: &[usize],
        rate: impl Fn(usize) -> f64,
        running: &mut Running,
        mut profile: Option<&mut Profile>,
    ) -> usize {
        let batch_size = config.batch_size.of(data.len());
        let steps = samples.len().div_ceil(batch_size);
        let (_, l2) = config.regularize.penalties(data.len());
        for (step, to) in self.rates[..steps].iter_mut().enumerate() {
            let learning_rate = rate(step);
            *to = Rate { learning_rate, keep: 1.0 - learning_rate * l2 };
        }
        let targets = match data.labels() {
            Some(labels) if self.values.is_empty() => descent::Targets::Labels(labels),
            _ => descent::Targets::Values(&self.values),
        };
        let batches = Batches { samples, batch_size, rates: &self.rates[..steps] };
        let losses = &mut self.losses[..steps];
        let (rows, answers) = (&*self.lists, &mut self.answers[..]);
        let mut by_phases =
            profile.as_deref_mut().and_then(|profile| profile.wants_phases().then_some(profile));
        let mut ended = by_phases.as_mut().map(|profile| |phase| profile.phase(phase));
        let ended = ended.as_mut().map(|ended| ended as &mut dyn FnMut(Phase));
        let threads = config.threads;
        let made = self.kernel.run_by_phases(params, rows, targets, batches, losses, answers, threads, ended);
        if let Some(profile) = profile {
            profile.lap(Part::WholeSteps);
        }
        let used = (made * batch_size).min(samples.len());
        let rows = self.answers.chunks_exact(self.outputs).zip(&samples[..used]);
        running.correct = match targets {
            descent::Targets::Labels(labels) if config.accuracy == Accuracy::Argmax => {
                // Finite: the kernel stops before an answer that is not.
                running.correct
                    + rows.filter(|(a, sample)| is_argmax(a, labels[**sample] as usize)).count() as f64
            }
            descent::Targets::Values(values) if config.accuracy != Accuracy::None => {
                rows.fold(running.correct, |sum, (a, &s)| {
                    sum + config.accuracy.correct(a, &values[s * self.outputs..(s + 1) * self.outputs])
                })
            }
            _ => running.correct,
        };
        if let Some(last) = made.checked_sub(1) {
            running.loss = self.losses[..made].iter().fold(running.loss, |sum, loss| sum + loss);
            running.weight += used as f64;
            running.samples += used;
            running.last_batch_loss = self.losses[last] / (used - last * batch_size) as f64;
            running.learning_rate = self.rates[last].learning_rate;
        }
        made
    }
}

/// Lists of all inputs, for data that is small or not sparse enough to have lists of its own.
fn full_lists(data: &Dataset) -> Option<Arc<SparseRows>> {
    match data.features() {
        Features::Bytes { values, scale } => SparseRows::from_bytes(values, data.inputs(), *scale),
        Features::Reals(values) => SparseRows::from_reals(values, data.inputs()),
    }
    .map(Arc::new)
}

/// Targets as numbers, or none where the labels of one-hot classes say it all.
fn values(data: &Dataset, coding: TargetCoding, outputs: usize) -> Vec<f32> {
    match (coding, data.targets()) {
        (TargetCoding::OneHot | TargetCoding::Input, _) => Vec::new(),
        (TargetCoding::Constant(value), _) => vec![value as f32; data.len() * outputs],
        (_, Targets::Classes { labels, .. }) => labels.iter().map(|&label| label as f32).collect(),
        (_, Targets::Values { values, .. }) => values.iter().map(|&value| value as f32).collect(),
    }
}
