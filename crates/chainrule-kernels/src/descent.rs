//! Whole steps of plain gradient descent on networks of small layers, without a call, a decision or an allocation between.
//!
//! The products of such a network take about as long as calling them. Here a step is one function: the samples of a batch
//! go through all layers and back, then every row of weights that was used is updated where it lies.
//!
//! ```text
//!  for each sample:   sparse inputs --W1--> a1 --W2--> … aL        z = W a + b, a = f(z)
//!                     delta1 <--W2^T-- delta2 <-- … deltaL         BP1, BP2: weights are read by output, too
//!  for the batch:     w(l) -= rate * sum of a(l-1) delta(l)^T      BP4; rows of the first layer as in `sparse`
//! ```
//!
//! On several threads, each owns units of the first layer, whose weights stay in its core's cache, and goes through the other
//! layers for itself, with weights and buffers of its own: those layers are small, and computing them twice takes less time than
//! sending results about. The threads wait for each other once a step, for a of the first layer; in large batches twice, as there they
//! share the samples on their way through the other layers.
//!
//! BP2 needs W by rows of outputs: `turned` holds such a copy of all layers but the first, which is updated along with W by
//! the same multiply-adds, or in large batches made anew, so that both stay the same to the bit.
//!
//! Letters: `n` samples of a batch, `k` inputs and `m` units of a layer. Rows are padded with zeros to multiples of 16.

mod layers;
mod narrow;
mod output;
mod pace;
mod phases;
mod threads;
mod update;

pub use output::{Loss, Targets};
pub use phases::Phase;

use crate::activation::Nonlinearity;
use crate::dense::PANEL;
use crate::memory::Aligned;
use crate::pool::{self, Shared};
use crate::sparse::SparseRows;
use pace::Pace;
use std::ops::Range;
use threads::{Own, alone};

/// One layer: its sizes, and where its weights and biases lie in the flat vector of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Inputs k.
    pub inputs: usize,
    /// Units m.
    pub units: usize,
    /// f; of the output layer [`Nonlinearity::Identity`] if the loss is [`Loss::CrossEntropy`], which has softmax in it.
    pub f: Nonlinearity,
    /// Start of W `(k, m)`, in panels of 16 units ([`crate::dense`]).
    pub weight: usize,
    /// The biases: m, 1 or 0; a bias of m is followed by padding up to a multiple of 16.
    pub bias: Range<usize>,
    /// Whether W is updated.
    pub train_weights: bool,
    /// Whether b is updated.
    pub train_bias: bool,
}

impl Layer {
    /// Numbers of a row of a or delta, padding included.
    fn width(&self) -> usize {
        self.units.next_multiple_of(PANEL)
    }
}

/// How each step changes the parameters: w = keep w - rate / n * (sum of gradients).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The learning rate.
    pub learning_rate: f64,
    /// What weights, not biases, are multiplied by before: 1 - learning_rate * l2.
    pub keep: f64,
}

/// A network with the buffers of its steps.
#[derive(Debug)]
pub struct Descent {
    layers: Vec<Layer>,
    loss: Loss,
    capacity: usize,
    /// Where the rows of each layer begin in `Own::a` and `Own::delta`.
    at: Vec<usize>,
    /// Where W of each layer begins in `Own::turned`.
    turned_at: Vec<usize>,
    /// a of the first layer, `(KEPT, capacity, width)`: of this batch and those before, in turn.
    first_a: Aligned<f32>,
    /// One for each thread.
    own: Vec<Own>,
    pace: Pace,
}

/// What a batch works on.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    layers: &'a [Layer],
    loss: Loss,
    capacity: usize,
    at: &'a [usize],
    turned_at: &'a [usize],
    /// Of the first layer W, and a bias for each unit: a thread reads and writes those of its units.
    params: Shared<f32>,
    /// All other parameters.
    rest: Shared<f32>,
    /// a of the first layer: of this batch, and of all that are kept.
    first_a: Shared<f32>,
    kept_first_a: Shared<f32>,
    a: Shared<f32>,
    delta: Shared<f32>,
    z: Shared<f32>,
    turned: Shared<f32>,
    losses: Shared<f32>,
    /// Where each sample is one thread's, that thread writes its answer; else only one thread writes answers.
    answers: Option<Shared<f32>>,
    rows: &'a SparseRows,
    targets: Targets<'a>,
    samples: &'a [usize],
    /// The samples of this batch and all after it.
    upcoming: &'a [usize],
    rate: f32,
    keep: f32,
}

/// Several batches, one step each.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    /// The samples of all batches in their order.
    pub samples: &'a [usize],
    /// Samples of a batch; the last may be smaller.
    pub batch_size: usize,
    /// One for each batch.
    pub rates: &'a [Rate],
}

impl Descent {
    /// A network for batches of up to `capacity` samples.
    ///
    /// # Panics
    /// If there are no layers, a layer's inputs are not the units of the one before, the places of parameters overlap, or a slope
    /// needs z ([`Nonlinearity::needs_z`]).
    pub fn new(layers: Vec<Layer>, loss: Loss, capacity: usize) -> Self {
        assert!(!layers.is_empty() && layers.windows(2).all(|pair| pair[0].units == pair[1].inputs));
        assert!(are_apart(&layers), "layers lie in each other's parameters");
        assert!(layers.iter().all(|layer| !layer.f.needs_z()), "a step keeps a, not z");
        let (mut at, mut turned_at) = (Vec::new(), Vec::new());
        let (mut buffers, mut turned) = (0, 0);
        for (l, layer) in layers.iter().enumerate() {
            at.push(buffers);
            buffers += capacity * layer.width();
            turned_at.push(turned);
            turned += if l > 0 { layer.units * layer.inputs.next_multiple_of(PANEL) } else { 0 };
        }
        let params = layers
            .iter()
            .map(|layer| (layer.weight + layer.inputs * layer.width()).max(layer.bias.start + layer.width()));
        let params = params.max().unwrap_or(0);
        // A single layer has nothing beyond the first that a thread could do for itself.
        let most = if layers.len() == 1 { 1 } else { layers[0].units.div_ceil(PANEL).max(1) };
        let own = |thread| Own {
            a: Aligned::zeros(buffers),
            delta: Aligned::zeros(buffers),
            z: Aligned::zeros(buffers - at[at.len() - 1]),
            turned: Aligned::zeros(turned),
            losses: vec![0.0; capacity],
            params: Aligned::zeros(if thread == 0 { 0 } else { params }),
        };
        Self {
            first_a: Aligned::zeros(KEPT * capacity * layers[0].width()),
            own: (0..most.min(pool::available_threads())).map(own).collect(),
            layers,
            loss,
            capacity,
            at,
            turned_at,
            pace: Pace::default(),
        }
    }

    /// One step for each batch, in order. `loss_sums` gets the summed loss of each batch before its update, `answers`
    /// `(samples, outputs)` the outputs of every sample then.
    ///
    /// Stops before the first step whose loss or deltas are not finite, having changed nothing of it, and returns the number
    /// of steps made.
    ///
    /// # Panics
    /// If the sizes of the parts do not agree, or a batch is larger than the capacity.
    #[allow(clippy::too_many_arguments)] // what it changes, what it reads, what it answers
    pub fn run(
        &mut self,
        params: &mut [f32],
        rows: &SparseRows,
        targets: Targets,
        batches: Batches,
        loss_sums: &mut [f64],
        answers: &mut [f32],
        threads: usize,
    ) -> usize {
        self.run_by_phases(params, rows, targets, batches, loss_sums, answers, threads, None)
    }

    /// [`Descent::run`], to the same bits; tells `ended`, if it is given, of the end of every phase. That separates what is one
    /// function otherwise, and takes longer.
    ///
    /// # Panics
    /// As [`Descent::run`].
    #[allow(clippy::too_many_arguments)] // as there
    pub fn run_by_phases(
        &mut self,
        params: &mut [f32],
        rows: &SparseRows,
        targets: Targets,
        batches: Batches,
        loss_sums: &mut [f64],
        answers: &mut [f32],
        threads: usize,
        ended: Option<&mut dyn FnMut(Phase)>,
    ) -> usize {
        let Batches { samples, batch_size, rates } = batches;
        let steps = samples.len().div_ceil(batch_size);
        self.turn(params);
        let (first, output) = (&self.layers[0], &self.layers[self.layers.len() - 1]);
        assert!(batch_size <= self.capacity && rates.len() == steps && loss_sums.len() == steps);
        assert!(first.inputs == rows.inputs() && answers.len() >= samples.len() * output.units);
        assert!(samples.iter().all(|&s| s < rows.len() && targets.holds(s, output.units)));
        for layer in &self.layers {
            assert!(
                layer.weight + layer.inputs * layer.width() <= params.len() && layer.bias.end <= params.len()
            );
            let padded = layer.bias.len() != layer.units || layer.bias.start + layer.width() <= params.len();
            assert!(padded && (layer.bias.len() <= 1 || layer.bias.len() == layer.units));
        }
        let units = first.units;
        let nonzeros = rows.nonzeros() / rows.len().max(1) * batch_size;
        let parts = if nonzeros * units < PARALLEL_FROM { 1 } else { threads.clamp(1, self.own.len()) };
        let (own, others) = self.own[..parts].split_at_mut(1);
        let own = &mut own[0];
        // One pointer each: a second borrow would end the first.
        let (params, first_a) = (Shared::new(params), Shared::new(&mut self.first_a));
        let step = Step {
            layers: &self.layers,
            loss: self.loss,
            capacity: self.capacity,
            at: &self.at,
            turned_at: &self.turned_at,
            params,
            rest: params,
            first_a,
            kept_first_a: first_a,
            a: Shared::new(&mut own.a),
            delta: Shared::new(&mut own.delta),
            z: Shared::new(&mut own.z),
            turned: Shared::new(&mut own.turned),
            losses: Shared::new(&mut own.losses),
            answers: Some(Shared::new(answers)),
            rows,
            targets,
            samples,
            upcoming: samples,
            rate: 0.0,
            keep: 1.0,
        };
        match (ended, parts) {
            (ended, 1) if narrow::fits(&self.layers, &batches) => {
                narrow::run(step, batches, loss_sums, ended)
            }
            (Some(ended), _) => phases::run(step, batches, loss_sums, parts, ended),
            (None, 1) => alone(step, batches, loss_sums),
            (None, _) => self.pace.run(step, batches, loss_sums, others, nonzeros * units),
        }
    }

    /// Copies W of all layers but the first by outputs.
    fn turn(&mut self, params: &[f32]) {
        let turned = &mut self.own[0].turned;
        for (layer, &at) in self.layers.iter().zip(&self.turned_at).skip(1) {
            let w = &params[layer.weight..layer.weight + layer.inputs * layer.width()];
            update::turn(w, layer.inputs, layer.units, &mut turned[at..]);
        }
    }
}

/// Whether every layer's W and padded biases lie in a place of their own: threads rely on it.
fn are_apart(layers: &[Layer]) -> bool {
    let mut places: Vec<Range<usize>> = Vec::new();
    for layer in layers {
        let padded = if layer.bias.len() > 1 { layer.width() } else { layer.bias.len() };
        places.push(layer.weight..layer.weight + layer.inputs * layer.width());
        places.push(layer.bias.start..layer.bias.start + padded);
    }
    places.retain(|place| !place.is_empty());
    places.sort_by_key(|place| place.start);
    places.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

/// Batches whose a of the first layer are kept: while a thread still updates by the last but one, another, which has made the
/// last step, may already write those of the next.
const KEPT: usize = 3;

/// Multiply-adds of a batch in the first layer from which a second thread can pay off; whether it does, [`Pace`] finds out.
const PARALLEL_FROM: usize = 1 << 14;

impl<'a> Step<'a> {
    /// For batches whose first sample is number `samples` of all.
    fn from(mut self, samples: usize) -> Self {
        let outputs = self.layers[self.layers.len() - 1].units;
        // SAFETY: `run` has found answers to hold all samples.
        self.answers = self.answers.map(|answers| unsafe { answers.offset(samples * outputs) });
        self
    }

    /// The step of batch `b`, whose answers go to their own place.
    #[inline(always)]
    fn of_batch(mut self, batches: &Batches<'a>, b: usize) -> Self {
        let from = b * batches.batch_size;
        self.upcoming = &batches.samples[from..];
        self.samples = &batches.samples[from..(from + batches.batch_size).min(batches.samples.len())];
        self = self.from(from);
        self.rate = (batches.rates[b].learning_rate / self.samples.len() as f64) as f32;
        self.keep = batches.rates[b].keep as f32;
        // SAFETY: there are so many of them.
        self.first_a = unsafe { self.kept_first_a.offset(b % KEPT * self.capacity * self.layers[0].width()) };
        self
    }

    /// The loss of the batch in the order of its samples.
    #[inline(always)]
    fn loss_sum(&self) -> f64 {
        // SAFETY: `losses` has the capacity of a batch, and every sample's has been written.
        (0..self.samples.len()).map(|s| f64::from(unsafe { *self.losses.get().add(s) })).sum()
    }
}
