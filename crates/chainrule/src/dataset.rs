//! A data set in memory: features, targets, and what they are called.

mod parts;

use crate::{Error, Real, Result};
use chainrule_kernels::sparse::{self, ByteLists, SparseRows};
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
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    shape: Vec<usize>,
    features: Features,
    targets: Targets,
    sample_weights: Option<Vec<f64>>,
    /// Made while the bytes were unpacked, or when somebody first asks; then shared by all copies.
    lists: OnceLock<Option<Arc<SparseRows>>>,
}

/// By what it says: whether lists have been made of it yet plays no part.
impl PartialEq for Dataset {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, shape, features, targets, sample_weights, lists: _ } = self;
        (name, shape, features, targets, sample_weights)
            == (&other.name, &other.shape, &other.features, &other.targets, &other.sample_weights)
    }
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

    /// Gives it the lists of its nonzero inputs, made while its bytes were unpacked: those of [`Dataset::listing`], pushed whole; `None`
    /// if they were refused.
    ///
    /// # Errors
    /// If they are lists of another number of samples or inputs, or the features are no bytes.
    pub fn with_lists(self, lists: Option<ByteLists>) -> Result<Self> {
        let lists = match (lists, &self.features) {
            (None, _) => None,
            (Some(lists), Features::Bytes { scale, .. }) => Some(Arc::new(lists.finish(*scale))),
            (Some(_), Features::Reals(_)) => {
                return Err(Error::shape(format!("lists of '{}'", self.name), "features of bytes", "reals"));
            }
        };
        if let Some(lists) = &lists
            && (lists.len(), lists.inputs()) != (self.len(), self.inputs())
        {
            let expected = format!("{} samples x {} inputs", self.len(), self.inputs());
            let found = format!("{} x {}", lists.len(), lists.inputs());
            return Err(Error::shape(format!("lists of '{}'", self.name), expected, found));
        }
        debug_assert!(lists.as_ref().is_none_or(|lists| lists.nonzeros() == self.count_nonzeros()));
        Ok(Self { lists: OnceLock::from(lists), ..self })
    }

    /// Lists to be filled while bytes are unpacked, for [`Dataset::with_lists`]: they refuse what [`Dataset::lists`] would not list.
    pub fn listing(samples: usize, inputs: usize) -> Option<ByteLists> {
        ByteLists::new(samples, inputs, SPARSE_BELOW)
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
        let Self { name, shape, features, sample_weights, lists, targets: _ } = self;
        Ok(Self { sample_weights, lists, ..Self::new(name, shape, features, targets)? })
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
        let nonzeros = match self.lists.get() {
            Some(Some(lists)) => lists.nonzeros(),
            _ => self.count_nonzeros(),
        };
        nonzeros as f64 / self.features.len() as f64
    }

    fn count_nonzeros(&self) -> usize {
        match &self.features {
            Features::Bytes { values, .. } => sparse::count_nonzeros(values, |byte| byte),
            Features::Reals(values) => sparse::count_nonzeros(values, |value| value as f32),
        }
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

    #[test]
    fn lists_made_beforehand_are_those_made_when_asked() {
        let data = |values: &[u8]| {
            let features = Features::Bytes { values: values.to_vec(), scale: 0.5 };
            let targets = Targets::Classes { labels: vec![0; values.len() / 4], names: vec!["a".into()] };
            Dataset::new("t", vec![4], features, targets).unwrap()
        };
        let few = [0, 0, 0, 9, 0, 3, 0, 0];
        let mut lists = Dataset::listing(2, 4).unwrap();
        assert!(lists.push(&few[..4]) && lists.push(&few[4..]));
        let given = data(&few).with_lists(Some(lists)).unwrap();
        assert_eq!(given.lists(), data(&few).lists());
        assert!(given.lists().is_some());
        let targets = Targets::Values { values: vec![0.0; 2], names: vec!["y".into()] };
        let other = given.clone().with_targets(targets).unwrap();
        assert!(other.lists().is_some_and(|lists| Arc::ptr_eq(lists, given.lists().unwrap())));
        assert!(!Dataset::listing(2, 4).unwrap().push(&[1; 8]));
        assert!(data(&[1; 8]).with_lists(None).unwrap().lists().is_none());
        assert!(data(&few).with_lists(Dataset::listing(2, 4)).is_err());
    }

    #[test]
    fn lists_made_on_the_way_are_no_difference() {
        let features = |scale| Features::Bytes { values: vec![0, 0, 0, 9], scale };
        let data = |scale| {
            let targets = Targets::Classes { labels: vec![0], names: vec!["a".into()] };
            Dataset::new("t", vec![4], features(scale), targets).unwrap()
        };
        let asked = data(1.0);
        assert!(asked.lists().is_some());
        assert_eq!(asked, data(1.0));
        assert_ne!(asked, data(0.5));
        assert_ne!(asked, data(1.0).with_sample_weights(vec![2.0]).unwrap());
    }
}
