//! Figures of one training sample: what a forward and a backward pass compute on the way.

use anyhow::{Context, Result, anyhow, ensure};
use chainrule::Real;
use chainrule::batch::Batch;
use chainrule::loss::Loss;
use chainrule::network::{Network, Workspace};
use chainrule_io::Prepared;

use super::metric::OfSample;

/// `l`, if the network has this layer.
pub fn layer(net: &Network, l: usize) -> Result<usize> {
    let layers = net.spec().layers.len();
    if l < layers {
        Ok(l)
    } else {
        Err(anyhow!("there is no layer {l}: they count from 0 to {}", layers - 1))
    }
}

/// Where the weight from input `i` to unit `j` of layer `l` lies.
pub fn weight_at(net: &Network, l: usize, j: usize, i: usize) -> Result<usize> {
    let (units, inputs) = net.layout().weight_shape(layer(net, l)?);
    if j < units && i < inputs {
        return Ok(net.layout().weight_at(l, j, i));
    }
    Err(anyhow!("layer {l} has {units} units of {inputs} inputs: there is no weight {j}, {i}"))
}

/// A batch of one training sample, and the network's answer to it.
fn answer<T: Real>(
    prepared: &Prepared,
    net: &Network,
    params: &[T],
    index: usize,
) -> Result<(Batch<T>, Workspace<T>)> {
    let data = &prepared.train;
    if index >= data.len() {
        return Err(anyhow!("there is no training sample {index}: they count from 0 to {}", data.len() - 1));
    }
    let mut batch = Batch::<T>::new(data, net.spec().outputs(), 1);
    batch.gather(data, prepared.resolved.config.coding, &[], std::iter::once(index));
    let mut ws = Workspace::new(net, 1, 1);
    net.forward(params, batch.x(), &mut ws);
    Ok((batch, ws))
}

/// The loss of one training sample.
///
/// # Errors
/// If there is no such sample.
pub fn loss<T: Real>(prepared: &Prepared, net: &Network, params: &[T], index: usize) -> Result<f64> {
    let (batch, mut ws) = answer(prepared, net, params, index)?;
    Ok(net.loss(&batch, &mut ws))
}

/// A figure of the first training sample.
///
/// # Errors
/// If the network has no such layer, unit or input.
pub fn figure<T: Real>(prepared: &Prepared, net: &Network, params: &[T], what: OfSample) -> Result<f64> {
    let spec = net.spec();
    let (batch, mut ws) = answer(prepared, net, params, 0)?;
    let mut grads = vec![T::default(); net.layout().len()];
    net.loss(&batch, &mut ws);
    net.backward(params, batch.x(), &mut ws, &mut grads);
    let last = spec.layers.len() - 1;
    let unit = |values: &[T], l: usize, j: usize| {
        values.get(j).map(|v| v.to_f64()).with_context(|| format!("layer {l} has no unit {j}"))
    };
    let slope = |l: usize, j: usize| -> Result<f64> {
        let z = unit(ws.z(layer(net, l)?), l, j)?;
        Ok(spec.layers[l].activation.derivative(z, unit(ws.a(l), l, j)?))
    };
    Ok(match what {
        OfSample::Output(j) => unit(ws.output(), last, j)?,
        OfSample::OutputLoss(j) => {
            unit(ws.output(), last, j)?;
            ensure!(
                !matches!(spec.loss, Loss::CrossEntropy { .. }),
                "output_loss_{j}: no output has a part of cross_entropy of its own; take the loss of all"
            );
            spec.loss.value(&ws.z(last)[j..=j], &ws.output()[j..=j], &batch.y()[j..=j]).to_f64()
        }
        OfSample::OutputSlope(j) => unit(ws.delta(last), last, j)? / slope(last, j)?,
        OfSample::Z(l, j) => unit(ws.z(layer(net, l)?), l, j)?,
        OfSample::A(l, j) => unit(ws.a(layer(net, l)?), l, j)?,
        OfSample::Slope(l, j) => slope(l, j)?,
        OfSample::Delta(l, j) => unit(ws.delta(layer(net, l)?), l, j)?,
        OfSample::Carried(l, j, through) => {
            let above = layer(net, l + 1)?;
            let part =
                |k| Ok(unit(ws.delta(above), above, k)? * params[weight_at(net, above, k, j)?].to_f64());
            match through {
                Some(k) => part(k)?,
                None => (0..spec.layers[above].units).map(part).sum::<Result<f64>>()?,
            }
        }
        OfSample::Gradient(l, j, i) => grads[weight_at(net, l, j, i)?].to_f64(),
    })
}
