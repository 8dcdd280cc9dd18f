//! The plan of a run: which kernels its steps use, decided once from network, settings and data. Never by a clock.
//!
//! Three ways to make a step, all of them the same mathematics:
//!
//! - [`Way::FiveCalls`]: forward, loss, backward, reduce, update: the reference ([`crate::step`]).
//! - [`Way::InPlace`]: the same calls, but BP4 of plain gradient descent is subtracted from the weights as it is computed:
//!   gradients never lie in memory.
//! - [`Way::WholeSteps`]: networks of small layers, f32: one kernel makes many steps (`whole.rs`).

use crate::activation::Activation;
use crate::batch::{Batch, TargetCoding};
use crate::config::{TrainConfig, UpdateOrder};
use crate::dataset::{Dataset, Targets};
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::spec::{LayerSpec, NetworkSpec};
use crate::{Real, simd};
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::bf16;
use chainrule_kernels::dense::{LARGEST_DESCENT, ROWWISE_BATCH};
use chainrule_kernels::product::LISTS_FROM;
use serde::Serialize;
use std::any::TypeId;

/// How a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Forward, loss, backward, reduce, update.
    FiveCalls,
    /// The same, but weights are updated where their gradient is computed.
    InPlace,
    /// Many steps in one kernel.
    WholeSteps,
}

/// How a layer's products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Over lists of nonzero inputs.
    Sparse,
    /// Row by row of the weights, for a few samples.
    Rows,
    /// The packed, tiled product.
    Tiles,
    /// Beside a ReLU or much dropout: tiles, or where many activations or deltas are 0, lists of those that are not, made in each
    /// product.
    TilesOrLists,
    /// Loops and the `gemm` crate (f64).
    Loops,
}

/// One layer of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerPlan {
    /// Inputs.
    pub inputs: usize,
    /// Units.
    pub units: usize,
    /// Its products.
    pub kernel: Kernel,
    /// Multiply-adds of a step in its products. Zeros in lists of inputs are not counted, those beside a ReLU are: their number
    /// changes with every step.
    pub multiply_adds: f64,
    /// The part of a step's time that it is expected to take.
    pub predicted_share: f64,
}

/// What a run computes with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// How steps are made.
    pub way: Way,
    /// Why not in a faster way, in a few words; empty for the fastest.
    pub because: String,
    /// The layers, from the first hidden one to the output.
    pub layers: Vec<LayerPlan>,
    /// The part of a step's time that the optimizer's own pass over all parameters is expected to take.
    pub predicted_update_share: f64,
    /// The instruction set.
    pub simd: &'static str,
    /// Number type.
    pub dtype: &'static str,
    /// The most threads that a product is split over; small ones use fewer.
    pub threads: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Share of inputs that are not zero.
    pub density: f64,
}

/// Weights of the layers after the first up to which whole steps pay off (measured): they stay in the first cache levels.
const WHOLE_WEIGHTS: usize = 1 << 14;

/// Weights of a first layer up to which lists serve even data without zeros: there is less to compute than to call.
const TINY_WEIGHTS: usize = 1 << 10;

/// Samples of a batch up to which whole steps pay off (measured): beyond, tiles reuse what rows read again.
const WHOLE_BATCH: usize = 512;

impl Plan {
    /// The plan of a run of number type `T`.
    pub fn new<T: Real>(net: &Network, config: &TrainConfig, data: &Dataset) -> Self {
        let spec = net.spec();
        let f32s = TypeId::of::<T>() == TypeId::of::<f32>();
        let batch_size = config.batch_size.of(data.len());
        let (way, because) = match obstacle_to_whole_steps(spec, config, data, f32s, batch_size) {
            None => (Way::WholeSteps, String::new()),
            Some(because) => match obstacle_to_updates_in_place(config, f32s, batch_size) {
                None => (Way::InPlace, because.to_string()),
                Some(other) => (Way::FiveCalls, other.to_string()),
            },
        };
        let lists = f32s && (way == Way::WholeSteps || data.lists().is_some());
        let density = data.density(); // known once there are lists
        let n = batch_size as f64;
        let mut cycles = Vec::new();
        let mut layers = Vec::new();
        for (l, layer) in spec.layers.iter().enumerate() {
            let (k, m) = (spec.inputs_of(l), layer.units);
            let zeros_come_in = m >= LISTS_FROM
                && l.checked_sub(1).map_or(density <= 0.5, |below| makes_zeros(&spec.layers[below]));
            let zeros_go_back = k >= LISTS_FROM && l > 0 && makes_zeros(layer);
            let kernel = match () {
                () if !f32s => Kernel::Loops,
                () if l == 0 && lists => Kernel::Sparse,
                () if batch_size <= ROWWISE_BATCH || way == Way::WholeSteps => Kernel::Rows,
                () if !config.bf16 && (zeros_come_in || zeros_go_back) => Kernel::TilesOrLists,
                () => Kernel::Tiles,
            };
            let products = if l == 0 { 2.0 } else { 3.0 }; // forward, BP4, and BP2 of all but the first
            let inputs = if kernel == Kernel::Sparse { k as f64 * density } else { k as f64 };
            let multiply_adds = products * n * inputs * m as f64;
            // Vectors of 16, and how many cycles each takes: lists wait for memory, rows read weights for every sample.
            let vectors = n * inputs * (m as f64 / 16.0).ceil();
            let of_product = |zeros: bool| match kernel {
                Kernel::TilesOrLists if zeros => 0.75, // with two fifths that are not
                Kernel::Tiles | Kernel::TilesOrLists => 1.1,
                Kernel::Sparse | Kernel::Rows | Kernel::Loops => 2.5,
            };
            let of_all = 2.0 * of_product(zeros_come_in) + (products - 2.0) * of_product(zeros_go_back);
            cycles.push(vectors * of_all);
            layers.push(LayerPlan { inputs: k, units: m, kernel, multiply_adds, predicted_share: 0.0 });
        }
        let own_pass = way == Way::FiveCalls;
        let slots = config.optimizer.slots().len() as f64;
        // Each vector more is read and written from beyond the core's own caches (measured on networks of 0.1 to 2 M parameters).
        let update = if own_pass { spec.parameters() as f64 / 16.0 * (6.0 + 20.0 * slots) } else { 0.0 };
        let total: f64 = cycles.iter().sum::<f64>() + update;
        for (layer, cycles) in layers.iter_mut().zip(cycles) {
            layer.predicted_share = cycles / total;
        }
        Self {
            way,
            because,
            layers,
            predicted_update_share: update / total,
            simd: simd::Level::current().name(),
            dtype: if config.bf16 {
                bf16::level().map_or("bf16 as f32", bf16::Bf16Level::name)
            } else {
                T::NAME
            },
            threads: config.threads,
            batch_size,
            density,
        }
    }
}

/// A batch for forward passes of `net` over `data`: from lists where those are faster.
pub(crate) fn batch<T: Real>(net: &Network, data: &Dataset, capacity: usize) -> Batch<T> {
    let outputs = net.spec().outputs();
    match data.lists() {
        Some(lists) if TypeId::of::<T>() == TypeId::of::<f32>() => {
            Batch::of_lists(data, lists, outputs, capacity)
        }
        _ => Batch::new(data, outputs, capacity),
    }
}

/// Whether many of a layer's activations and deltas are 0: a ReLU or dropout of half the units makes them so.
fn makes_zeros(layer: &LayerSpec) -> bool {
    layer.activation == Activation::Relu || layer.dropout >= 0.5
}

/// Whether the update is w -= rate * gradient and nothing else, but for an l2 penalty.
fn obstacle_to_descent(config: &TrainConfig) -> Option<&'static str> {
    let regularize = &config.regularize;
    if !matches!(config.optimizer, Optimizer::Sgd { momentum: 0.0, .. }) {
        Some("the optimizer keeps vectors of its own")
    } else if config.update_order != UpdateOrder::Simultaneous {
        Some("layers are updated one after another")
    } else if regularize.l1 != 0.0 || regularize.max_norm.is_some() || regularize.clip_norm.is_some() {
        Some("l1, max_norm and clip_norm need the whole gradient")
    } else {
        None
    }
}

fn obstacle_to_updates_in_place(config: &TrainConfig, f32s: bool, batch_size: usize) -> Option<&'static str> {
    if !f32s {
        Some("f64 takes the reference steps")
    } else if config.regularize.l2 != 0.0 {
        Some("l2 needs the whole gradient")
    } else if batch_size > LARGEST_DESCENT {
        Some("the batch is too large for sums to be finished at once")
    } else {
        obstacle_to_descent(config)
    }
}

fn obstacle_to_whole_steps(
    spec: &NetworkSpec,
    config: &TrainConfig,
    data: &Dataset,
    f32s: bool,
    batch_size: usize,
) -> Option<&'static str> {
    let (first, rest) = spec.layers.split_first()?;
    let inner: usize = (1..spec.layers.len()).map(|l| spec.inputs_of(l) * spec.layers[l].units).sum();
    let smoothed = match spec.loss {
        Loss::CrossEntropy { label_smoothing } | Loss::BinaryCrossEntropy { label_smoothing } => {
            label_smoothing != 0.0
        }
        Loss::Quadratic | Loss::MeanSquaredError => false,
        Loss::MeanAbsoluteError | Loss::Huber { .. } => return Some("the loss has no kernel of its own"),
    };
    let softmax = matches!(spec.loss, Loss::CrossEntropy { .. });
    let unfused = spec
        .layers
        .iter()
        .enumerate()
        .filter(|(l, _)| !(softmax && l + 1 == spec.layers.len()))
        .any(|(_, layer)| layer.activation.fused().is_none_or(Nonlinearity::needs_z));
    if !f32s {
        Some("f64 takes the reference steps")
    } else if config.bf16 {
        Some("bf16 is for large products")
    } else if smoothed {
        Some("label smoothing")
    } else if unfused {
        Some("the slope of an activation follows from z alone")
    } else if spec.layers.iter().any(|layer| layer.dropout > 0.0) {
        Some("dropout")
    } else if data.sample_weights().is_some() || !config.class_weights.is_empty() {
        Some("samples have weights")
    } else if config.coding == TargetCoding::Input {
        Some("the inputs are the targets")
    } else if matches!((config.coding, data.targets()), (TargetCoding::OneHot, Targets::Values { .. })) {
        Some("one-hot targets that are no classes")
    } else if batch_size > WHOLE_BATCH {
        Some("large batches")
    } else if !rest.is_empty() && inner > WHOLE_WEIGHTS {
        Some("large layers")
    } else if spec.inputs() * first.units > TINY_WEIGHTS && data.lists().is_none() {
        Some("inputs are mostly not zero")
    } else {
        obstacle_to_descent(config)
    }
}
