//! One training step: the five calls, or four of them and an update in place.

use crate::batch::Batch;
use crate::config::{TrainConfig, UpdateOrder};
use crate::network::{Network, Workspace};
use crate::optimizer::OptimizerState;
use crate::plan::Way;
use crate::profile::Part;
use crate::reduce::Reduce;
use crate::rng::Rng;
use crate::{Error, Real, Result, simd};
use chainrule_kernels::dense::{self, Into as Destination};
use chainrule_kernels::pool;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// [`Way::InPlace`], or the five calls.
    pub way: Way,
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
    net.forward_dropping(params, batch.input(), ws, rng);
    let mut loss = net.loss(batch, ws);
    let mut n = batch.total_weight();
    let layers = net.layout().layers();
    if config.update_order == UpdateOrder::OutputFirst || c.way == Way::InPlace {
        reduce.sum(&mut [], &mut loss, &mut n)?;
    } else {
        net.backward(params, batch.input(), ws, grads);
        reduce.sum(grads, &mut loss, &mut n)?;
    }
    if !loss.is_finite() {
        return Err(forward_fault(net, ws, loss));
    }
    if n == 0.0 {
        return Ok(StepLoss { sum: loss, weight: n }); // every sample of the batch weighs nothing
    }
    config.optimizer.begin(optimizer);
    if c.way == Way::InPlace {
        descend_in_place(c, params, batch, ws, grads, n)?;
        return Ok(StepLoss { sum: loss, weight: n });
    }
    if config.update_order == UpdateOrder::OutputFirst {
        for l in (0..layers).rev() {
            net.layer_gradient(l, batch.input(), ws, grads);
            ws.lap(Part::Gradient(l));
            // Loss and n are summed already.
            reduce.sum(&mut grads[net.layout().layer(l)], &mut 0.0, &mut 0.0)?;
            check_finite(net, l, "gradient", grads, config.threads)?;
            config.regularize.add_penalties(net.layout(), l, params, grads, n, c.samples);
            update_layer(c, l, params, grads, optimizer, n)?;
            ws.lap(Part::Update);
            if l > 0 {
                net.carry_back(l, params, ws);
            }
        }
        return Ok(StepLoss { sum: loss, weight: n });
    }
    for l in (0..layers).rev() {
        check_finite(net, l, "gradient", grads, config.threads)?;
        config.regularize.add_penalties(net.layout(), l, params, grads, n, c.samples);
    }
    config.regularize.clip(net.layout(), grads, n);
    ws.lap(Part::Check);
    for l in 0..layers {
        update_layer(c, l, params, grads, optimizer, n)?;
    }
    ws.lap(Part::Update);
    Ok(StepLoss { sum: loss, weight: n })
}

/// Plain gradient descent: all deltas first (BP2), then each layer's BP4 is subtracted from its weights as it is computed.
/// A gradient is finite if its deltas are and nothing overflows; the latter shows in the next loss.
fn descend_in_place<T: Real>(
    c: &StepContext,
    params: &mut [T],
    batch: &Batch<T>,
    ws: &mut Workspace<T>,
    grads: &mut [T],
    n: f64,
) -> Result<()> {
    let (net, layout) = (c.net, c.net.layout());
    for l in (0..layout.layers()).rev() {
        if let Some(bad) = first_not_finite(ws.delta(l), c.config.threads) {
            return Err(fault("delta", bad.to_f64(), net.spec().layer_name(l)));
        }
        if l > 0 {
            net.carry_back(l, params, ws);
        }
    }
    let rate = c.learning_rate / n;
    for (l, layer) in net.spec().layers.iter().enumerate() {
        if layer.train_weights {
            net.weight_gradient(
                l,
                batch.input(),
                ws,
                Destination::Descent(rate),
                &mut params[layout.weight(l)],
            );
        }
        if layer.train_bias {
            let bias = layout.bias(l);
            let (d, delta) = (net.dims(l, ws.n), &ws.layers[l].delta);
            dense::bias_gradient(d, delta, &mut grads[bias.clone()], c.config.threads);
            for (b, &g) in params[bias.clone()].iter_mut().zip(&grads[bias]) {
                *b -= T::from_f64(rate) * g;
            }
        }
        ws.lap(Part::Gradient(l));
    }
    Ok(())
}

/// The first number that is infinite or NaN. All are tested, as vectors and on all threads: few ever look for the place.
fn first_not_finite<T: Real>(values: &[T], threads: usize) -> Option<T> {
    /// Numbers from which another thread pays off (measured).
    const UNIT: usize = 1 << 15;
    let parts = threads.min(values.len() / UNIT).clamp(1, pool::MAX_PARTS);
    let finite_parts = AtomicBool::new(true);
    pool::run(parts, |part| {
        let finite = simd::all_finite(&values[pool::share(values.len(), 64, part, parts)]);
        finite_parts.fetch_and(finite, Ordering::Relaxed);
    });
    if finite_parts.into_inner() { None } else { values.iter().copied().find(|v| !v.is_finite()) }
}

fn update_layer<T: Real>(
    c: &StepContext,
    l: usize,
    params: &mut [T],
    grads: &[T],
    optimizer: &mut OptimizerState<T>,
    n: f64,
) -> Result<()> {
    let Some(range) = c.net.layout().trainable(l) else { return Ok(()) };
    let threads = c.config.threads;
    let finite = c.config.optimizer.update(optimizer, params, grads, range, n, c.learning_rate, threads);
    if c.net.spec().layers[l].train_weights {
        c.config.regularize.limit_norms(c.net.layout(), l, params);
    }
    if finite { Ok(()) } else { check_finite(c.net, l, "after the update", params, threads) }
}

/// The error of a loss that is not finite: the first layer whose z or a is not.
pub(crate) fn forward_fault<T: Real>(net: &Network, ws: &Workspace<T>, loss: f64) -> Error {
    for l in 0..net.layout().layers() {
        for (quantity, values) in [("pre-activation z", ws.z(l)), ("activation a", ws.a(l))] {
            if let Some(value) = first_not_finite(values, 1) {
                return fault(quantity, value.to_f64(), net.spec().layer_name(l));
            }
        }
    }
    fault("loss", loss, net.spec().layer_name(net.layout().layers() - 1))
}

/// Fails if a gradient, or a parameter, of layer `l` is not finite. For gradients, callers go from the output down, as
/// gradients do.
pub(crate) fn check_finite<T: Real>(
    net: &Network,
    l: usize,
    what: &str,
    values: &[T],
    threads: usize,
) -> Result<()> {
    for (part, range) in [("weight", net.layout().weight(l)), ("bias", net.layout().bias(l))] {
        if let Some(value) = first_not_finite(&values[range], threads) {
            return Err(fault(&format!("{part} {what}"), value.to_f64(), net.spec().layer_name(l)));
        }
    }
    Ok(())
}

/// The trainer adds step and epoch.
fn fault(quantity: &str, value: f64, layer: String) -> Error {
    Error::NonFinite { step: 0, epoch: 0, quantity: quantity.into(), value: value.to_string(), layer }
}
