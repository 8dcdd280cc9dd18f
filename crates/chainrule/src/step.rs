//! One training step: the five calls.

use crate::batch::Batch;
use crate::config::{TrainConfig, UpdateOrder};
use crate::network::{Network, Workspace};
use crate::optimizer::OptimizerState;
use crate::reduce::Reduce;
use crate::rng::Rng;
use crate::{Error, Real, Result};

/// What a step found out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLoss {
    /// The batch's loss before the update, summed over samples.
    pub sum: f64,
    /// What that sum is divided by: the number of samples, or the sum of their weights.
    pub weight: f64,
}

/// What a step is given beside the numbers it changes.
pub struct StepContext<'a> {
    /// The network.
    pub net: &'a Network,
    /// How it is trained.
    pub config: &'a TrainConfig,
    /// Size of the training set.
    pub samples: usize,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// One update from one batch: forward, loss, backward, reduce, update.
///
/// # Errors
/// If the loss, a gradient or an updated parameter is not finite. A loss or gradient is found before anything is updated
/// (with [`UpdateOrder::OutputFirst`], before the layer named is).
#[allow(clippy::too_many_arguments)] // the step's own: what it reads, then what it changes
pub fn step<T: Real>(
    c: &StepContext,
    params: &mut [T],
    batch: &Batch<T>,
    ws: &mut Workspace<T>,
    grads: &mut [T],
    optimizer: &mut OptimizerState<T>,
    reduce: &mut dyn Reduce<T>,
    rng: &mut Rng,
) -> Result<StepLoss> {
    let (net, config) = (c.net, c.config);
    net.forward_dropping(params, batch.x(), ws, rng);
    let mut loss = net.loss(batch, ws);
    let mut n = batch.total_weight();
    let layers = net.layout().layers();
    if config.update_order == UpdateOrder::OutputFirst {
        reduce.sum(&mut [], &mut loss, &mut n)?;
    } else {
        net.backward(params, batch.x(), ws, grads);
        reduce.sum(grads, &mut loss, &mut n)?;
    }
    if !loss.is_finite() {
        return Err(forward_fault(net, ws, loss));
    }
    if n == 0.0 {
        return Ok(StepLoss { sum: loss, weight: n }); // every sample of the batch weighs nothing
    }
    config.optimizer.begin(optimizer);
    if config.update_order == UpdateOrder::OutputFirst {
        for l in (0..layers).rev() {
            net.layer_gradient(l, batch.x(), ws, grads);
            // Loss and n are summed already.
            reduce.sum(&mut grads[net.layout().layer(l)], &mut 0.0, &mut 0.0)?;
            check_finite(net, l, "gradient", grads)?;
            config.regularize.add_penalties(net.layout(), l, params, grads, n, c.samples);
            update_layer(c, l, params, grads, optimizer, n)?;
            if l > 0 {
                net.carry_back(l, params, ws);
            }
        }
        return Ok(StepLoss { sum: loss, weight: n });
    }
    for l in (0..layers).rev() {
        check_finite(net, l, "gradient", grads)?;
        config.regularize.add_penalties(net.layout(), l, params, grads, n, c.samples);
    }
    config.regularize.clip(net.layout(), grads, n);
    for l in 0..layers {
        update_layer(c, l, params, grads, optimizer, n)?;
    }
    Ok(StepLoss { sum: loss, weight: n })
}

fn update_layer<T: Real>(
    c: &StepContext,
    l: usize,
    params: &mut [T],
    grads: &[T],
    optimizer: &mut OptimizerState<T>,
    n: f64,
) -> Result<()> {
    for range in c.net.layout().trainable(l) {
        c.config.optimizer.update(optimizer, params, grads, range, n, c.learning_rate);
    }
    if c.net.spec().layers[l].train_weights {
        c.config.regularize.limit_norms(c.net.layout(), l, params);
    }
    check_finite(c.net, l, "after the update", params)
}

/// The error of a loss that is not finite: the first layer whose z or a is not.
pub(crate) fn forward_fault<T: Real>(net: &Network, ws: &Workspace<T>, loss: f64) -> Error {
    let bad = |values: &[T]| values.iter().find(|v| !v.is_finite()).map(|v| v.to_f64());
    for l in 0..net.layout().layers() {
        for (quantity, values) in [("pre-activation z", ws.z(l)), ("activation a", ws.a(l))] {
            if let Some(value) = bad(values) {
                return fault(quantity, value, net.spec().layer_name(l));
            }
        }
    }
    fault("loss", loss, net.spec().layer_name(net.layout().layers() - 1))
}

/// Fails if a gradient, or a parameter, of layer `l` is not finite. For gradients, callers go from the output down, as
/// gradients do.
pub(crate) fn check_finite<T: Real>(net: &Network, l: usize, what: &str, values: &[T]) -> Result<()> {
    for (part, range) in [("weight", net.layout().weight(l)), ("bias", net.layout().bias(l))] {
        // Without an early exit inside a chunk the test runs as vectors.
        let finite = |chunk: &[T]| chunk.iter().fold(true, |all, v| all & v.is_finite());
        if !values[range.clone()].chunks(256).all(finite)
            && let Some(value) = values[range].iter().find(|v| !v.is_finite())
        {
            return Err(fault(&format!("{part} {what}"), value.to_f64(), net.spec().layer_name(l)));
        }
    }
    Ok(())
}

/// The trainer adds step and epoch.
fn fault(quantity: &str, value: f64, layer: String) -> Error {
    Error::NonFinite { step: 0, epoch: 0, quantity: quantity.into(), value: value.to_string(), layer }
}
