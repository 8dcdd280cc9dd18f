//! Adversarial inputs: small changes of an input, made with the gradient of the loss, that change the answer.
//!
//! - *Fast gradient sign*: x' = x + epsilon sign(dE/dx), every input moved by the same amount, in the direction that
//!   raises the loss (Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", 2014, section 4).
//! - *Iterated*: several smaller such steps, each with the gradient where the one before arrived, kept within epsilon of x
//!   (Kurakin, Goodfellow, Bengio, "Adversarial Examples in the Physical World", 2016, section 2.2: the basic iterative method).
//! - *Random signs*: x' = x ± epsilon by the toss of a coin. As large as the first, and blind: what size alone does.
//! - Towards a class: the loss of the wanted class is lowered instead, x' = x - epsilon sign(dE/dx) (the same, section 2.3).
//!
//! Dimensions: n samples, `inputs` numbers each.

use crate::Real;
use crate::batch::{Batch, TargetCoding};
use crate::dataset::Dataset;
use crate::input_gradient::input_gradient;
use crate::loss::sign;
use crate::metrics;
use crate::network::{Network, Workspace};
use crate::rng::{self, Stream};
use rand::RngExt;
use std::ops::Range;

/// Steps of the iterated method unless said otherwise.
pub const STEPS: usize = 10;
/// Samples that are attacked together: buffers stay in cache.
pub const CHUNK: usize = 256;
/// The search for the smallest epsilon begins at this share of the largest, ...
const SEARCH_FROM: f64 = 1.0 / 1024.0;
/// ... goes up by this factor to the first that succeeds, and halves the interval before it until ...
const SEARCH_FACTOR: f64 = std::f64::consts::SQRT_2;
/// ... it is this share of its upper end.
const SEARCH_TO: f64 = 0.01;
/// Where it ends if ever smaller ones succeed, as on an exact tie: this share of the largest.
const SEARCH_LEAST: f64 = 1e-9;

/// How an input is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// One step of epsilon.
    Fgsm,
    /// Several smaller ones.
    Iterated {
        /// How many.
        steps: usize,
        /// How far an input moves in each; 2.5 epsilon / steps if not given, so that a step in vain can be made good
        /// (Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2017, appendix).
        step_size: Option<f64>,
    },
    /// One step of epsilon, without a look at the network.
    Random {
        /// Of the coin.
        seed: u64,
    },
}

/// What y in a batch stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The answer to get away from: its loss is raised.
    Away,
    /// The answer to arrive at: its loss is lowered.
    Towards,
}

/// What an input may be, beside staying within epsilon.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The smallest valid value of each input, `(inputs)`; minus infinity where none is known.
    pub low: Vec<f64>,
    /// The largest, `(inputs)`.
    pub high: Vec<f64>,
    /// Whether the input is left as it is, `(inputs)`.
    pub fixed: Vec<bool>,
}

impl Limits {
    /// The same range for every input, such as 0 to 1 for pixels.
    pub fn range(inputs: usize, low: f64, high: f64) -> Self {
        Self { low: vec![low; inputs], high: vec![high; inputs], fixed: vec![false; inputs] }
    }

    /// No limits.
    pub fn none(inputs: usize) -> Self {
        Self::range(inputs, f64::NEG_INFINITY, f64::INFINITY)
    }
}

impl Method {
    /// The number of steps and how far each goes.
    pub fn steps(self, epsilon: f64) -> (usize, f64) {
        match self {
            Self::Fgsm | Self::Random { .. } => (1, epsilon),
            Self::Iterated { steps, step_size } => {
                (steps, step_size.unwrap_or(2.5 * epsilon / steps.max(1) as f64))
            }
        }
    }
}

/// Changes inputs of a network, in buffers sized once.
#[derive(Clone, Debug)]
pub struct Attacker<'a, T> {
    net: &'a Network,
    params: &'a [T],
    limits: &'a Limits,
    ws: Workspace<T>,
    /// `(capacity, inputs)`
    dx: Vec<T>,
    /// The smallest and largest allowed value of each input: of the ball around x and the limits.
    low: Vec<T>,
    high: Vec<T>,
}

impl<'a, T: Real> Attacker<'a, T> {
    /// For batches of up to `capacity` samples.
    pub fn new(net: &'a Network, params: &'a [T], limits: &'a Limits, capacity: usize) -> Self {
        let zeros = || vec![T::default(); capacity * net.spec().inputs()];
        let ws = Workspace::new(net, capacity, 1);
        Self { net, params, limits, ws, dx: zeros(), low: zeros(), high: zeros() }
    }

    /// Changes the inputs of `batch` by at most epsilon each, within the limits.
    ///
    /// # Panics
    /// If the batch is larger than the capacity, of another width than the network, or reads its inputs from lists.
    pub fn attack(&mut self, batch: &mut Batch<T>, aim: Aim, method: Method, epsilon: f64) {
        let inputs = self.net.spec().inputs();
        let size = batch.len() * inputs;
        assert_eq!(batch.x().len(), size, "attack: inputs of the batch");
        for (i, &x) in batch.x().iter().enumerate() {
            let (input, x) = (i % inputs, x.to_f64());
            let reach = if self.limits.fixed[input] { 0.0 } else { epsilon };
            // A value beyond its limits is left where it is rather than moved by more than epsilon.
            self.low[i] = T::from_f64((x - reach).max(self.limits.low[input].min(x)));
            self.high[i] = T::from_f64((x + reach).min(self.limits.high[input].max(x)));
        }
        let (steps, step) = method.steps(epsilon);
        let step = T::from_f64(if aim == Aim::Away { step } else { -step });
        for _ in 0..steps {
            let dx = &mut self.dx[..size];
            if let Method::Random { seed } = method {
                let mut coin = rng::stream(seed, Stream::Attack);
                dx.fill_with(|| T::from_f64(if coin.random() { 1.0 } else { -1.0 }));
            } else {
                input_gradient(self.net, self.params, batch, &mut self.ws, dx);
            }
            let bounds = self.low.iter().zip(&self.high);
            for ((x, &dx), (&low, &high)) in batch.x_mut().iter_mut().zip(&self.dx).zip(bounds) {
                let moved = *x + step * sign(dx);
                *x = if moved < low {
                    low
                } else if moved > high {
                    high
                } else {
                    moved
                };
            }
        }
    }

    /// The network's outputs for a batch, `(n, outputs)`.
    pub fn outputs(&mut self, batch: &Batch<T>) -> &[T] {
        self.net.forward(self.params, batch.input(), &mut self.ws);
        self.ws.output()
    }

    /// The smallest epsilon up to `largest` with which `fooled` holds of the outputs for the one sample of `batch`, to one
    /// per cent; None if there is none. Leaves the batch as it was.
    ///
    /// Found by going up in steps of the square root of 2, then halving: a still smaller one can exist, since
    /// success does not always grow with epsilon.
    pub fn smallest_epsilon(
        &mut self,
        batch: &Batch<T>,
        aim: Aim,
        method: Method,
        largest: f64,
        fooled: impl Fn(&[T]) -> bool,
    ) -> Option<f64> {
        let mut succeeds = |epsilon: f64| {
            let mut moved = batch.clone();
            self.attack(&mut moved, aim, method, epsilon);
            fooled(self.outputs(&moved))
        };
        let (mut low, mut high) = (0.0, largest * SEARCH_FROM);
        while !succeeds(high) {
            if high >= largest {
                return None;
            }
            (low, high) = (high, (high * SEARCH_FACTOR).min(largest));
        }
        while high - low > SEARCH_TO * high && high > largest * SEARCH_LEAST {
            let middle = 0.5 * (low + high);
            if succeeds(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    /// How many of these samples, at most [`CHUNK`], are answered with their class after an attack away from it.
    /// `batch` holds as many, with inputs as numbers ([`Batch::new`]).
    ///
    /// # Panics
    /// If there are more samples than the capacity, or targets are not classes.
    pub fn correct(
        &mut self,
        batch: &mut Batch<T>,
        data: &Dataset,
        coding: TargetCoding,
        samples: Range<usize>,
        method: Method,
        epsilon: f64,
    ) -> usize {
        let labels = &data.labels().expect("classes as targets")[samples.clone()];
        let method = match method {
            Method::Random { seed } => Method::Random { seed: seed.wrapping_add(samples.start as u64) },
            method => method,
        };
        batch.gather(data, coding, &[], samples);
        if epsilon > 0.0 {
            self.attack(batch, Aim::Away, method, epsilon);
        }
        let outputs = self.net.spec().outputs();
        let answers = self.outputs(batch).chunks_exact(outputs).map(metrics::answer);
        answers.zip(labels).filter(|&(answer, &label)| answer == label as usize).count()
    }
}
