//! Measures a network on a fixed sample of its training set, in buffers of its own.

use crate::Real;
use crate::batch::{Batch, TargetCoding};
use crate::dataset::{Dataset, Targets};
use crate::diagnose::record::{LayerFigures, Measurement};
use crate::diagnose::units::rows;
use crate::evaluate::count_correct;
use crate::loss::Loss;
use crate::metrics::{Accuracy, answer};
use crate::network::{Network, Workspace};

/// A slope |f'(z)| below this lets next to nothing through. Of a sigmoid: |z| above 6.9.
pub const FLAT: f64 = 1e-3;
/// Samples of the probe: at most, at least (if there are as many), and as a part of the training set.
const MOST: usize = 256;
const LEAST: usize = 64;
const PART: usize = 16;

/// A sample of the training set and the buffers to pass it through a network.
#[derive(Clone, Debug)]
pub struct Probe<T> {
    batch: Batch<T>,
    ws: Workspace<T>,
    grads: Vec<T>,
    accuracy: Accuracy,
    /// Whether outputs are answers of classes.
    classes: usize,
}

impl<T: Real> Probe<T> {
    /// A sample of `data`, at most 256: every k-th, in the order of the classes if there are any, so that each class
    /// has its share.
    pub fn new(net: &Network, data: &Dataset, coding: TargetCoding, accuracy: Accuracy) -> Self {
        let count = (data.len() / PART).clamp(LEAST, MOST);
        Self::of_samples(count, net, data, coding, accuracy)
    }

    /// As [`Probe::new`], with `count` samples, or all if there are fewer.
    pub fn of_samples(
        count: usize,
        net: &Network,
        data: &Dataset,
        coding: TargetCoding,
        accuracy: Accuracy,
    ) -> Self {
        let count = count.min(data.len());
        let mut order: Vec<usize> = (0..data.len()).collect();
        let mut classes = 0;
        if let Targets::Classes { labels, names } = data.targets() {
            order.sort_by_key(|&sample| labels[sample]);
            let outputs = net.spec().outputs();
            let answered =
                accuracy == Accuracy::Argmax || (names.len() == 2 && accuracy == Accuracy::Threshold);
            classes = if answered && coding != TargetCoding::Input { names.len().max(outputs) } else { 0 };
        }
        let picked: Vec<usize> = (0..count).map(|s| order[s * data.len() / count]).collect();
        let mut batch = Batch::new(data, net.spec().outputs(), count);
        batch.gather(data, coding, &[], picked.iter().copied());
        let (ws, grads) = (Workspace::new(net, count, 1), vec![T::default(); net.layout().len()]);
        Self { batch, ws, grads, accuracy, classes }
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.batch.len()
    }

    /// z, a and delta of the last measurement.
    pub fn workspace(&self) -> &Workspace<T> {
        &self.ws
    }

    /// The gradient of the summed loss of the last measurement, flat.
    pub fn gradient(&self) -> &[T] {
        &self.grads
    }

    /// What sums over the samples are divided by.
    pub fn total_weight(&self) -> f64 {
        self.batch.total_weight().max(f64::MIN_POSITIVE)
    }

    /// Measures the network of `params` after `step` steps.
    ///
    /// # Panics
    /// If `params` is not of this network.
    pub fn measure(&mut self, net: &Network, params: &[T], step: u64, epochs: u64) -> Measurement {
        net.forward(params, self.batch.x(), &mut self.ws);
        let weight = self.total_weight();
        let loss = net.loss(&self.batch, &mut self.ws) / weight;
        net.backward(params, self.batch.x(), &mut self.ws, &mut self.grads);
        let mut answers = vec![0; self.classes];
        if self.classes > 0 {
            let rows = self.ws.output().chunks_exact(net.spec().outputs());
            rows.for_each(|row| answers[answer(row)] += 1);
        }
        let correct = count_correct(self.accuracy, &self.batch, &self.ws);
        Measurement {
            step,
            epochs,
            loss,
            accuracy: self.accuracy.rate(correct, self.samples() as f64),
            stuck_outputs: self.stuck_outputs(net),
            answers,
            layers: (0..net.layout().layers()).map(|l| self.layer(net, params, l, weight)).collect(),
        }
    }

    fn layer(&self, net: &Network, params: &[T], l: usize, weight: f64) -> LayerFigures {
        let layout = net.layout();
        let f = net.spec().layers[l].activation;
        let units = net.spec().layers[l].units;
        let (mut sum, mut flat) = (0.0, 0usize);
        let mut lives = vec![false; units];
        for (z, a) in self.ws.z(l).chunks_exact(units).zip(self.ws.a(l).chunks_exact(units)) {
            for ((&z, &a), lives) in z.iter().zip(a).zip(&mut lives) {
                let slope = f.derivative(z, a).to_f64().abs();
                sum += slope;
                flat += usize::from(slope < FLAT);
                *lives |= slope > 0.0;
            }
        }
        let pairs = (units * self.samples()) as f64;
        let (weights, gradient) = (rows(layout, l, params), rows(layout, l, &self.grads));
        LayerFigures {
            mean_slope: sum / pairs,
            flat: flat as f64 / pairs,
            dead: lives.iter().filter(|lives| !**lives).count() as f64 / units as f64,
            weight_norm: weights.weight_norm,
            gradient_norm: gradient.norm / weight,
            update_ratio: None,
            units,
            distinct_units: weights.distinct,
            row_distance: Some(weights.distance),
            row_spread: Some(weights.spread),
            gradient_row_distance: Some(gradient.distance),
            gradient_row_spread: Some(gradient.spread),
        }
    }

    fn stuck_outputs(&self, net: &Network) -> f64 {
        let spec = net.spec();
        let last = spec.layers.len() - 1;
        // These losses see z: their delta has no factor f'.
        if matches!(spec.loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. }) {
            return 0.0;
        }
        let f = spec.layers[last].activation;
        let outputs = spec.outputs();
        let (z, a) = (self.ws.z(last), self.ws.a(last));
        let is_stuck = |at: usize| {
            let wrong = (a[at] - self.batch.y()[at]).abs().to_f64() > 0.5;
            wrong && f.derivative(z[at], a[at]).to_f64().abs() < FLAT
        };
        let stuck = |s: &usize| (s * outputs..(s + 1) * outputs).any(is_stuck);
        (0..self.samples()).filter(stuck).count() as f64 / self.samples() as f64
    }
}
