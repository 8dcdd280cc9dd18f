//! A data set in memory: features, targets, and what they are called.

use crate::rng::{self, Stream};
use crate::{Error, Real, Result};
use chainrule_kernels::sparse::{self, SparseRows};
use std::sync::{Arc, OnceLock};

/// The inputs of all samples, row-major `(samples, inputs)`, stored as compactly as the source allows.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Pixels or bits; the network sees `value * scale`.
    Bytes {
        /// `(samples, inputs)`
        values: Vec<u8>,
        /// 1/255 for grey pixels, 1 for bits.
        scale: f64,
    },
    /// Measured columns, `(samples, inputs)`.
    Reals(Vec<f64>),
}

/// What the network is to answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One of several classes per sample.
    Classes {
        /// Class index per sample.
        labels: Vec<u32>,
        /// Class names; labels are indices into it.
        names: Vec<String>,
    },
    /// One or more numbers per sample.
    Values {
        /// `(samples, names.len())`
        values: Vec<f64>,
        /// Column names.
        names: Vec<String>,
    },
}

/// Samples with their targets. [`Dataset::new`] checks that all parts agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    shape: Vec<usize>,
    features: Features,
    targets: Targets,
    sample_weights: Option<Vec<f64>>,
    /// Made when somebody first asks, then shared by all copies.
    lists: OnceLock<Option<Arc<SparseRows>>>,
}

/// Share of nonzero inputs up to which lists of them beat rows of numbers (measured: `docs/speed.md`).
pub const SPARSE_BELOW: f64 = 0.4;

impl Features {
    fn len(&self) -> usize {
        match self {
            Self::Bytes { values, .. } => values.len(),
            Self::Reals(values) => values.len(),
        }
    }
}

impl Dataset {
    /// A data set from its parts. `shape` is the shape of one sample, such as `[28, 28]`; networks see it flattened.
    ///
    /// # Errors
    /// If it is empty, sizes disagree, a label has no name, or a number is not finite.
    pub fn new(
        name: impl Into<String>,
        shape: Vec<usize>,
        features: Features,
        targets: Targets,
    ) -> Result<Self> {
        let name = name.into();
        let inputs: usize = shape.iter().product();
        let samples = targets.len();
        if samples == 0 || inputs == 0 {
            return Err(Error::data(
                name,
                format!("holds {samples} samples of {inputs} inputs"),
                "at least one of each",
            ));
        }
        if features.len() != samples * inputs {
            let expected = format!("{samples} samples x {inputs} inputs = {}", samples * inputs);
            return Err(Error::shape(format!("features of '{name}'"), expected, features.len()));
        }
        if let Features::Reals(values) = &features
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            let problem = format!("sample {}, input {} is {}", at / inputs, at % inputs, values[at]);
            return Err(Error::data(name, problem, "remove the sample or fill in a number"));
        }
        match &targets {
            Targets::Classes { labels, names } => {
                if let Some(at) = labels.iter().position(|&label| label as usize >= names.len()) {
                    let problem = format!("sample {at} has label {} of {} classes", labels[at], names.len());
                    return Err(Error::data(name, problem, "labels count from 0"));
                }
            }
            Targets::Values { values, names } => {
                if values.len() != samples * names.len() {
                    let expected = samples * names.len();
                    return Err(Error::shape(format!("targets of '{name}'"), expected, values.len()));
                }
                if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                    let problem = format!("the target of sample {} is {}", at / names.len(), values[at]);
                    return Err(Error::data(name, problem, "remove the sample or fill in a number"));
                }
            }
        }
        Ok(Self { name, shape, features, targets, sample_weights: None, lists: OnceLock::new() })
    }

    /// Gives each sample a weight in loss and gradient.
    ///
    /// # Errors
    /// If the count differs, a weight is negative or not finite, or all are zero.
    pub fn with_sample_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        if weights.len() != self.len() {
            let what = format!("sample weights of '{}'", self.name);
            return Err(Error::shape(what, self.len(), weights.len()));
        }
        if let Some(at) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            let problem = format!("the weight of sample {at} is {}", weights[at]);
            return Err(Error::data(self.name, problem, "weights are finite and not negative"));
        }
        if weights.iter().all(|&w| w == 0.0) {
            return Err(Error::data(self.name, "all sample weights are 0", ""));
        }
        self.sample_weights = Some(weights);
        Ok(self)
    }

    /// The same samples under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same features with other targets.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn with_targets(self, targets: Targets) -> Result<Self> {
        let weights = self.sample_weights;
        let mut data = Self::new(self.name, self.shape, self.features, targets)?;
        data.sample_weights = weights;
        Ok(data)
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of samples, never 0.
    #[allow(clippy::len_without_is_empty)] // `new` refuses an empty one
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Number of inputs of one sample, flattened.
    pub fn inputs(&self) -> usize {
        self.shape.iter().product()
    }

    /// Shape of one sample, such as `[28, 28]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The inputs as stored.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Share of inputs that are not zero in f32.
    pub fn density(&self) -> f64 {
        let nonzeros = match (self.lists.get(), &self.features) {
            (Some(Some(lists)), _) => lists.nonzeros(),
            (_, Features::Bytes { values, .. }) => sparse::count_nonzeros(values, |byte| byte),
            (_, Features::Reals(values)) => sparse::count_nonzeros(values, |value| value as f32),
        };
        nonzeros as f64 / self.features.len() as f64
    }

    /// Lists of the nonzero inputs for f32, if those are few enough ([`SPARSE_BELOW`]) for lists to be faster.
    pub fn lists(&self) -> Option<&Arc<SparseRows>> {
        let make = || {
            let inputs = self.inputs();
            let lists = match &self.features {
                Features::Bytes { values, scale } => {
                    SparseRows::from_bytes_up_to(SPARSE_BELOW, values, inputs, *scale)
                }
                Features::Reals(values) => SparseRows::from_reals_up_to(SPARSE_BELOW, values, inputs),
            };
            lists.map(Arc::new)
        };
        self.lists.get_or_init(make).as_ref()
    }

    /// The targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Weights per sample, if any.
    pub fn sample_weights(&self) -> Option<&[f64]> {
        self.sample_weights.as_deref()
    }

    /// Class names, empty if the targets are numbers.
    pub fn class_names(&self) -> &[String] {
        match &self.targets {
            Targets::Classes { names, .. } => names,
            Targets::Values { .. } => &[],
        }
    }

    /// Class index per sample, if the targets are classes.
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.targets {
            Targets::Classes { labels, .. } => Some(labels),
            Targets::Values { .. } => None,
        }
    }

    /// Writes the inputs of `sample` into `row (inputs)`, as the network sees them.
    pub fn write_row<T: Real>(&self, sample: usize, row: &mut [T]) {
        let at = sample * row.len()..(sample + 1) * row.len();
        match &self.features {
            Features::Bytes { values, scale } => {
                for (x, &byte) in row.iter_mut().zip(&values[at]) {
                    *x = scaled(byte, *scale);
                }
            }
            Features::Reals(values) => {
                for (x, &value) in row.iter_mut().zip(&values[at]) {
                    *x = T::from_f64(value);
                }
            }
        }
    }

    /// The inputs of `sample`, as the network sees them.
    pub fn row(&self, sample: usize) -> Vec<f64> {
        let mut row = vec![0.0; self.inputs()];
        self.write_row(sample, &mut row);
        row
    }

    /// The samples at `indices`, in that order.
    ///
    /// # Errors
    /// If `indices` is empty.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let inputs = self.inputs();
        fn pick<V: Copy>(values: &[V], width: usize, indices: &[usize]) -> Vec<V> {
            indices.iter().flat_map(|&i| &values[i * width..(i + 1) * width]).copied().collect()
        }
        let features = match &self.features {
            Features::Bytes { values, scale } => {
                Features::Bytes { values: pick(values, inputs, indices), scale: *scale }
            }
            Features::Reals(values) => Features::Reals(pick(values, inputs, indices)),
        };
        let targets = match &self.targets {
            Targets::Classes { labels, names } => {
                Targets::Classes { labels: pick(labels, 1, indices), names: names.clone() }
            }
            Targets::Values { values, names } => {
                Targets::Values { values: pick(values, names.len(), indices), names: names.clone() }
            }
        };
        let mut data = Self::new(self.name.clone(), self.shape.clone(), features, targets)?;
        data.sample_weights = self.sample_weights.as_ref().map(|weights| pick(weights, 1, indices));
        Ok(data)
    }

    /// The first `count` samples (all, if there are fewer).
    ///
    /// # Errors
    /// If `count` is 0.
    pub fn limit(&self, count: usize) -> Result<Self> {
        self.subset(&(0..self.len().min(count)).collect::<Vec<_>>())
    }

    /// Splits off a seeded random share as (rest, held out), each in the original order.
    ///
    /// With classes the split is *stratified*: every class gives its share, rounded, and keeps at least one sample
    /// in the rest.
    ///
    /// # Errors
    /// If the fraction is not between 0 and 1, or leaves one side empty.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::setting("split", "a fraction above 0 and below 1", fraction));
        }
        let mut held_out = vec![false; self.len()];
        for group in self.shuffled_groups(seed) {
            let share = (group.len() as f64 * fraction).round() as usize;
            for &sample in &group[..share.min(group.len().saturating_sub(1))] {
                held_out[sample] = true;
            }
        }
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&sample| held_out[sample]);
        if held.is_empty() || rest.is_empty() {
            let problem = format!("{} samples are too few to hold out {fraction}", self.len());
            return Err(Error::data(&self.name, problem, "give a test set, or a larger fraction"));
        }
        Ok((self.subset(&rest)?, self.subset(&held)?))
    }

    /// Part `part` of `of` equal ones for cross-validation, as (rest, held out), each in the original order. Over all
    /// parts every sample is held out once; with classes the parts are stratified.
    ///
    /// # Errors
    /// If a side is empty.
    pub fn fold(&self, part: usize, of: usize, seed: u64) -> Result<(Self, Self)> {
        let dealt: Vec<usize> = self.shuffled_groups(seed).concat();
        let mut held_out = vec![false; self.len()];
        dealt.iter().skip(part).step_by(of).for_each(|&sample| held_out[sample] = true);
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&sample| held_out[sample]);
        Ok((self.subset(&rest)?, self.subset(&held)?))
    }

    /// The samples of each class, or all of them, in a seeded random order.
    fn shuffled_groups(&self, seed: u64) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = match &self.targets {
            Targets::Classes { labels, names } => {
                let mut groups = vec![Vec::new(); names.len()];
                for (sample, &label) in labels.iter().enumerate() {
                    groups[label as usize].push(sample);
                }
                groups
            }
            Targets::Values { .. } => vec![(0..self.len()).collect()],
        };
        let mut rng = rng::stream(seed, Stream::Split);
        groups.iter_mut().for_each(|group| rng::shuffle(group, &mut rng));
        groups
    }
}

impl Targets {
    /// Number of samples.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self {
            Self::Classes { labels, .. } => labels.len(),
            Self::Values { values, names } => values.len() / names.len().max(1),
        }
    }
}

/// A byte as the network sees it: the exact product, rounded once.
#[inline]
pub(crate) fn scaled<T: Real>(byte: u8, scale: f64) -> T {
    T::from_f64(f64::from(byte) * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(labels: &[u32]) -> Dataset {
        let names = vec!["a".into(), "b".into(), "c".into()];
        let features = Features::Reals((0..labels.len()).map(|i| i as f64).collect());
        Dataset::new("t", vec![1], features, Targets::Classes { labels: labels.to_vec(), names }).unwrap()
    }

    #[test]
    fn split_is_stratified_seeded_and_complete() {
        let labels: Vec<u32> = (0..100)
            .map(|i| {
                if i < 50 {
                    0
                } else if i < 80 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let data = classes(&labels);
        let (rest, held) = data.split(0.2, 5).unwrap();
        let count = |data: &Dataset, class| data.labels().unwrap().iter().filter(|&&l| l == class).count();
        assert_eq!([count(&held, 0), count(&held, 1), count(&held, 2)], [10, 6, 4]);
        let mut all: Vec<f64> =
            (0..80).map(|i| rest.row(i)[0]).chain((0..20).map(|i| held.row(i)[0])).collect();
        all.sort_by(f64::total_cmp);
        assert_eq!(all, (0..100).map(f64::from).collect::<Vec<_>>());
        assert_eq!(data.split(0.2, 5).unwrap().1, held);
        assert_ne!(data.split(0.2, 6).unwrap().1, held);
    }

    #[test]
    fn split_keeps_one_sample_of_each_class_for_training() {
        let (rest, held) = classes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).split(0.9, 0).unwrap();
        assert!(rest.labels().unwrap().contains(&1) && !held.labels().unwrap().contains(&1));
        assert!(classes(&[0]).split(0.5, 0).is_err());
        assert!(classes(&[0, 0]).split(f64::NAN, 0).is_err());
    }

    #[test]
    fn folds_hold_out_every_sample_once_and_are_stratified() {
        let data = classes(&[0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
        let mut all = Vec::new();
        for part in 0..3 {
            let (rest, held) = data.fold(part, 3, 4).unwrap();
            assert_eq!(rest.len() + held.len(), 11);
            let of = |class| held.labels().unwrap().iter().filter(|&&label| label == class).count();
            assert!(of(0) == 2 && of(1) == 1 && of(2) <= 1, "{:?}", held.labels());
            all.extend((0..held.len()).map(|i| held.row(i)[0]));
        }
        all.sort_by(f64::total_cmp);
        assert_eq!(all, (0..11).map(f64::from).collect::<Vec<_>>());
        assert!(classes(&[0, 1]).fold(2, 3, 0).is_err());
    }

    #[test]
    fn parts_that_disagree_are_refused() {
        let names = vec!["a".to_string()];
        let class = |label| Targets::Classes { labels: vec![label], names: names.clone() };
        let reals = |v: &[f64]| Features::Reals(v.to_vec());
        assert!(Dataset::new("t", vec![2], reals(&[1.0]), class(0)).is_err());
        assert!(Dataset::new("t", vec![1], reals(&[1.0]), class(1)).is_err());
        assert!(Dataset::new("t", vec![1], reals(&[f64::NAN]), class(0)).is_err());
        assert!(Dataset::new("t", vec![0], reals(&[]), class(0)).is_err());
        let data = Dataset::new("t", vec![1], reals(&[1.0]), class(0)).unwrap();
        assert!(data.clone().with_sample_weights(vec![-1.0]).is_err());
        assert!(data.clone().with_sample_weights(vec![0.0]).is_err());
        assert!(data.with_sample_weights(vec![2.0]).is_ok());
    }
}
