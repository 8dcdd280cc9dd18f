//! A batch: some samples of a data set, widened to the network's number type.

use crate::dataset::{Dataset, Features, Targets, scaled};
use crate::{Error, Real, Result};
use chainrule_kernels::dense::Input;
use chainrule_kernels::sparse::SparseRows;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a data set's targets become the numbers y that outputs are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetCoding {
    /// Class c of k: k numbers, 1 at place c and 0 elsewhere.
    OneHot,
    /// Class c: the one number c.
    Label,
    /// The target numbers as they are.
    Values,
    /// The inputs: an auto-encoder.
    Input,
    /// The same number for every output and sample.
    Constant(f64),
}

impl TargetCoding {
    /// The coding that fits a data set and a number of outputs.
    ///
    /// # Errors
    /// If none does: says how many outputs would.
    pub fn fit(data: &Dataset, outputs: usize) -> Result<Self> {
        let (expected, coding) = match data.targets() {
            Targets::Classes { names, .. } if outputs == 1 => (names.len(), Self::Label),
            Targets::Classes { names, .. } => (names.len(), Self::OneHot),
            Targets::Values { names, .. } => (names.len(), Self::Values),
        };
        if outputs == expected || coding == Self::Label {
            return Ok(coding);
        }
        let what = match coding {
            Self::OneHot => format!("output units for the classes of '{}'", data.name()),
            _ => format!("output units for the targets of '{}'", data.name()),
        };
        Err(Error::shape(what, expected, outputs))
    }
}

/// Inputs, targets and weights of some samples; its buffers are sized once.
#[derive(Clone, Debug)]
pub struct Batch<T> {
    x: Vec<T>,
    /// Instead of x: lists of nonzero inputs, of which these samples.
    lists: Option<Arc<SparseRows>>,
    samples: Vec<usize>,
    y: Vec<T>,
    weights: Vec<T>,
    weighted: bool,
    n: usize,
    inputs: usize,
    outputs: usize,
    /// `byte * scale` for every byte, rounded once.
    table: Vec<T>,
}

impl<T: Real> Batch<T> {
    /// Buffers for up to `capacity` samples of `data` with `outputs` numbers as target.
    pub fn new(data: &Dataset, outputs: usize, capacity: usize) -> Self {
        let inputs = data.inputs();
        let table = match data.features() {
            Features::Bytes { scale, .. } => (0..=255).map(|byte| scaled(byte, *scale)).collect(),
            Features::Reals(_) => Vec::new(),
        };
        Self {
            x: vec![T::default(); capacity * inputs],
            lists: None,
            samples: Vec::with_capacity(capacity),
            y: vec![T::default(); capacity * outputs],
            weights: vec![T::from_f64(1.0); capacity],
            weighted: false,
            n: 0,
            inputs,
            outputs,
            table,
        }
    }

    /// As [`Batch::new`], but the inputs are read from lists of the nonzero ones: [`Batch::x`] is empty.
    pub fn of_lists(data: &Dataset, lists: &Arc<SparseRows>, outputs: usize, capacity: usize) -> Self {
        Self { x: Vec::new(), lists: Some(Arc::clone(lists)), ..Self::new(data, outputs, capacity) }
    }

    /// A batch of the given numbers: `x (n, inputs)`, `y (n, outputs)`, without weights.
    pub fn from_parts(x: Vec<T>, y: Vec<T>, inputs: usize, outputs: usize) -> Self {
        let n = x.len() / inputs.max(1);
        let weights = vec![T::from_f64(1.0); n];
        Self {
            x,
            lists: None,
            samples: Vec::new(),
            y,
            weights,
            weighted: false,
            n,
            inputs,
            outputs,
            table: Vec::new(),
        }
    }

    /// Fills the batch with the samples at `indices`. `class_weights` holds a factor per class, or is empty.
    ///
    /// # Panics
    /// If there are more indices than the capacity, or one lies outside the data set.
    pub fn gather(
        &mut self,
        data: &Dataset,
        coding: TargetCoding,
        class_weights: &[f64],
        indices: impl ExactSizeIterator<Item = usize>,
    ) {
        self.n = indices.len();
        self.weighted = data.sample_weights().is_some() || !class_weights.is_empty();
        let one = T::from_f64(1.0);
        self.samples.clear();
        for (s, sample) in indices.enumerate() {
            self.samples.push(sample);
            let x = match &self.lists {
                Some(_) => &mut [][..],
                None => &mut self.x[s * self.inputs..(s + 1) * self.inputs],
            };
            match data.features() {
                _ if x.is_empty() => {}
                Features::Bytes { values, .. } => {
                    let bytes = &values[sample * self.inputs..(sample + 1) * self.inputs];
                    for (x, &byte) in x.iter_mut().zip(bytes) {
                        *x = self.table[usize::from(byte)];
                    }
                }
                Features::Reals(_) => data.write_row(sample, x),
            }
            let y = &mut self.y[s * self.outputs..(s + 1) * self.outputs];
            match (coding, data.targets()) {
                (TargetCoding::Input, _) if x.is_empty() => data.write_row(sample, y),
                (TargetCoding::Input, _) => y.copy_from_slice(x),
                (TargetCoding::Constant(value), _) => y.fill(T::from_f64(value)),
                (TargetCoding::OneHot, Targets::Classes { labels, .. }) => {
                    y.fill(T::default());
                    y[labels[sample] as usize] = one;
                }
                (_, Targets::Classes { labels, .. }) => y.fill(T::from_f64(f64::from(labels[sample]))),
                (_, Targets::Values { values, .. }) => {
                    let row = &values[sample * self.outputs..(sample + 1) * self.outputs];
                    y.iter_mut().zip(row).for_each(|(y, &value)| *y = T::from_f64(value));
                }
            }
            if self.weighted {
                let of_sample = data.sample_weights().map_or(1.0, |weights| weights[sample]);
                let of_class = match data.labels() {
                    Some(labels) if !class_weights.is_empty() => class_weights[labels[sample] as usize],
                    _ => 1.0,
                };
                self.weights[s] = T::from_f64(of_sample * of_class);
            }
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.n
    }

    /// The number in the data set of the sample at place `s`; of a batch that was not gathered, the place.
    pub fn sample(&self, s: usize) -> usize {
        self.samples.get(s).copied().unwrap_or(s)
    }

    /// Whether nothing has been gathered.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Inputs, `(n, inputs)`; empty if they are read from lists.
    pub fn x(&self) -> &[T] {
        if self.lists.is_some() { &[] } else { &self.x[..self.n * self.inputs] }
    }

    /// Inputs to be changed, `(n, inputs)`; empty if they are read from lists.
    pub fn x_mut(&mut self) -> &mut [T] {
        if self.lists.is_some() { &mut [] } else { &mut self.x[..self.n * self.inputs] }
    }

    /// The inputs as the first layer reads them.
    pub fn input(&self) -> Input<'_, T> {
        match &self.lists {
            Some(lists) => Input::Sparse(lists, &self.samples),
            None => Input::Dense(self.x()),
        }
    }

    /// Targets, `(n, outputs)`.
    pub fn y(&self) -> &[T] {
        &self.y[..self.n * self.outputs]
    }

    /// Weight per sample, if any differ from 1.
    pub fn weights(&self) -> Option<&[T]> {
        self.weighted.then(|| &self.weights[..self.n])
    }

    /// What sums over this batch are divided by: the number of samples, or the sum of their weights.
    pub fn total_weight(&self) -> f64 {
        match self.weights() {
            None => self.n as f64,
            Some(weights) => weights.iter().map(|w| w.to_f64()).sum(),
        }
    }
}
