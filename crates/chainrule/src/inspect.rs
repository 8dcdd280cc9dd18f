//! The numbers inside a network: how activations, deltas, gradients and weights are spread in each layer, and which samples
//! excite a unit most.
//!
//! They are read off the library's own forward and backward pass over a fixed sample of the training set ([`Probe`]).

use crate::batch::TargetCoding;
use crate::dataset::Dataset;
use crate::diagnose::{Measurement, Probe};
use crate::metrics::Accuracy;
use crate::network::Network;
use crate::train::Trainer;
use crate::{Error, Real};

mod exciting;
mod histogram;

pub use exciting::{Excited, exciting};
pub use histogram::{Bin, Histogram};

/// Training samples that are looked at, at most.
pub const SAMPLES: usize = 1024;

/// A sample of the training set, and the buffers to pass it through a network.
#[derive(Clone, Debug)]
pub struct Inspector<T> {
    probe: Probe<T>,
}

/// A network at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When it was, its loss, and the figures of its layers.
    pub figures: Measurement,
    /// The layers, from the first hidden one to the output.
    pub layers: Vec<LayerMoment>,
}

/// How the numbers of one layer are spread.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMoment {
    /// a(l) of every sample and unit; no unit is dropped.
    pub activations: Histogram,
    /// delta(l) = dL/dz(l) of every sample and unit, L the loss of that sample times its weight.
    pub deltas: Histogram,
    /// The gradient of the mean loss by W(l), without penalties.
    pub gradients: Histogram,
    /// The same by b(l); empty without biases.
    pub bias_gradients: Histogram,
    /// W(l).
    pub weights: Histogram,
    /// b(l).
    pub biases: Histogram,
}

/// Names of what [`LayerMoment::kinds`] gives, in its order.
pub const KINDS: [&str; 4] = ["activations", "deltas", "gradients", "weights"];

impl LayerMoment {
    /// Activations, deltas, gradients by the weights, weights.
    pub fn kinds(&self) -> [&Histogram; 4] {
        [&self.activations, &self.deltas, &self.gradients, &self.weights]
    }
}

impl<T: Real> Inspector<T> {
    /// Looks at up to [`SAMPLES`] samples of `data`: every k-th, in the order of the classes if there are any.
    pub fn new(net: &Network, data: &Dataset, coding: TargetCoding, accuracy: Accuracy) -> Self {
        Self { probe: Probe::of_samples(SAMPLES, net, data, coding, accuracy) }
    }

    /// For the network and the training set of a run.
    pub fn of(trainer: &Trainer<T>) -> Self {
        let config = trainer.config();
        Self::new(trainer.network(), trainer.sets.train, config.coding, config.accuracy)
    }

    /// Number of samples looked at.
    pub fn samples(&self) -> usize {
        self.probe.samples()
    }

    /// Looks at the network of `params` after `step` steps and `epochs` whole epochs.
    ///
    /// # Errors
    /// If `params` is not of this network.
    pub fn look(&mut self, net: &Network, params: &[T], step: u64, epochs: u64) -> crate::Result<Moment> {
        let layout = net.layout();
        if params.len() != layout.len() {
            return Err(Error::shape("parameters looked at", layout.len(), params.len()));
        }
        let figures = self.probe.measure(net, params, step, epochs);
        let (ws, gradient, weight) =
            (self.probe.workspace(), self.probe.gradient(), self.probe.total_weight());
        let layer = |l| LayerMoment {
            activations: Histogram::of(ws.a(l).iter().map(|a| a.to_f64())),
            deltas: Histogram::of(ws.delta(l).iter().map(|d| d.to_f64())),
            gradients: Histogram::of(layout.export_weight(l, gradient).iter().map(|g| g.to_f64() / weight)),
            bias_gradients: Histogram::of(gradient[layout.bias(l)].iter().map(|g| g.to_f64() / weight)),
            weights: Histogram::of(layout.export_weight(l, params).iter().map(|w| w.to_f64())),
            biases: Histogram::of(params[layout.bias(l)].iter().map(|b| b.to_f64())),
        };
        Ok(Moment { figures, layers: (0..layout.layers()).map(layer).collect() })
    }
}
