//! Columns with mean 0 and standard deviation 1, by the figures of the training set.

use chainrule::{Dataset, Features, Targets};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Mean and standard deviation (of the population: divided by n) of each input, and of each target that is a number.
///
/// Inputs that stand for a word (one-hot) keep mean 0 and deviation 1; a constant column has deviation 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardization {
    /// `(inputs)`, in the input's unit.
    pub mean: Vec<f64>,
    /// `(inputs)`, above 0.
    pub std: Vec<f64>,
    /// `(outputs)`, empty if targets are classes or kept as they are.
    pub target_mean: Vec<f64>,
    /// `(outputs)`, above 0.
    pub target_std: Vec<f64>,
}

impl Standardization {
    /// The figures of a training set. Inputs beyond the end of `is_numeric` count as numbers; `targets` says whether
    /// targets that are numbers are standardized too.
    pub fn fit(train: &Dataset, is_numeric: &[bool], targets: bool) -> Self {
        let inputs = train.inputs();
        let mut moments = Moments::new(inputs);
        let mut row = vec![0.0; inputs];
        for sample in 0..train.len() {
            train.write_row(sample, &mut row);
            moments.add(&row);
        }
        let (mut mean, mut std) = moments.finish();
        for (input, _) in
            is_numeric.iter().enumerate().filter(|(input, numeric)| *input < inputs && !**numeric)
        {
            (mean[input], std[input]) = (0.0, 1.0);
        }
        let (target_mean, target_std) = match train.targets() {
            Targets::Values { values, names } if targets => {
                let mut moments = Moments::new(names.len());
                values.chunks_exact(names.len()).for_each(|row| moments.add(row));
                moments.finish()
            }
            _ => (Vec::new(), Vec::new()),
        };
        Self { mean, std, target_mean, target_std }
    }

    /// The data set as the network sees it: `(x - mean) / std` for each input, and for the targets if fitted.
    ///
    /// # Errors
    /// If the number of inputs or targets differs, or the figures are no means and deviations.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        let what = |part: &str| format!("standardizing the {part} of '{}'", data.name());
        if self.mean.len() != data.inputs() || self.std.len() != data.inputs() {
            let expected = format!("{} inputs", self.mean.len());
            return Err(Error::disagree(what("inputs"), expected, data.inputs().to_string()));
        }
        let usable = |mean: &[f64], std: &[f64]| {
            mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0)
        };
        if !usable(&self.mean, &self.std) || !usable(&self.target_mean, &self.target_std) {
            let expected = "finite means and finite deviations above 0";
            let hint = "values are too large to be squared, or the figures were damaged";
            return Err(Error::disagree(what("columns"), expected, "others").hint(hint));
        }
        let mut values = vec![0.0; data.len() * data.inputs()];
        for (sample, row) in values.chunks_exact_mut(data.inputs()).enumerate() {
            data.write_row(sample, row);
            standardize(row, &self.mean, &self.std);
        }
        let targets = match data.targets() {
            Targets::Values { values, names } if !self.target_mean.is_empty() => {
                if names.len() != self.target_mean.len() || names.len() != self.target_std.len() {
                    let expected = self.target_mean.len().to_string();
                    return Err(Error::disagree(what("targets"), expected, names.len().to_string()));
                }
                let mut values = values.clone();
                for row in values.chunks_exact_mut(names.len()) {
                    standardize(row, &self.target_mean, &self.target_std);
                }
                Targets::Values { values, names: names.clone() }
            }
            targets => targets.clone(),
        };
        let result = Dataset::new(data.name(), data.shape().to_vec(), Features::Reals(values), targets)?;
        Ok(match data.sample_weights() {
            Some(weights) => result.with_sample_weights(weights.to_vec())?,
            None => result,
        })
    }

    /// Turns outputs of the network, `(samples, outputs)` row-major, back into the target's unit.
    pub fn restore_target(&self, outputs: &mut [f64]) {
        if self.target_mean.is_empty() {
            return;
        }
        for row in outputs.chunks_mut(self.target_mean.len()) {
            for (value, (mean, std)) in row.iter_mut().zip(self.target_mean.iter().zip(&self.target_std)) {
                *value = *value * std + mean;
            }
        }
    }
}

fn standardize(row: &mut [f64], mean: &[f64], std: &[f64]) {
    for (value, (mean, std)) in row.iter_mut().zip(mean.iter().zip(std)) {
        *value = (*value - mean) / std;
    }
}

/// Mean and squared distance from it, updated sample by sample (Welford 1962), which loses no digits to large means.
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
    range: Vec<(f64, f64)>,
}

impl Moments {
    fn new(width: usize) -> Self {
        let range = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
        Self { count: 0.0, mean: vec![0.0; width], squares: vec![0.0; width], range }
    }

    fn add(&mut self, row: &[f64]) {
        self.count += 1.0;
        for (column, &value) in row.iter().enumerate() {
            let before = value - self.mean[column];
            self.mean[column] += before / self.count;
            self.squares[column] += before * (value - self.mean[column]);
            let (low, high) = &mut self.range[column];
            (*low, *high) = (low.min(value), high.max(value));
        }
    }

    fn finish(mut self) -> (Vec<f64>, Vec<f64>) {
        let mut std = Vec::with_capacity(self.squares.len());
        for (column, squares) in self.squares.iter().enumerate() {
            let (low, high) = self.range[column];
            if low == high {
                // Rounding may leave a constant column a tiny deviation, which would blow it up.
                self.mean[column] = low;
                std.push(1.0);
            } else {
                std.push((squares / self.count).sqrt());
            }
        }
        (self.mean, std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(values: &[f64], targets: &[f64]) -> Dataset {
        let names = vec!["y".to_string()];
        let targets = Targets::Values { values: targets.to_vec(), names };
        let inputs = values.len() / targets.len();
        Dataset::new("t", vec![inputs], Features::Reals(values.to_vec()), targets).unwrap()
    }

    #[test]
    fn columns_get_mean_0_and_deviation_1() {
        // Columns: 1 2 3 4 (mean 2.5, std sqrt(1.25)), constant 7, a one-hot input.
        let set = data(&[1., 7., 1., 2., 7., 0., 3., 7., 0., 4., 7., 1.], &[10., 20., 30., 40.]);
        let fitted = Standardization::fit(&set, &[true, true, false], true);
        assert_eq!(fitted.mean, [2.5, 7.0, 0.0]);
        assert_eq!(fitted.std, [1.25_f64.sqrt(), 1.0, 1.0]);
        assert_eq!(fitted.target_mean, [25.0]);
        let applied = fitted.apply(&set).unwrap();
        assert_eq!(applied.row(0), [-1.5 / 1.25_f64.sqrt(), 0.0, 1.0]);
        let Targets::Values { values, .. } = applied.targets() else { panic!() };
        let mut restored = values.clone();
        fitted.restore_target(&mut restored);
        for (restored, wanted) in restored.iter().zip([10., 20., 30., 40.]) {
            assert!((restored - wanted).abs() <= 1e-12);
        }
    }

    #[test]
    fn a_large_mean_does_not_eat_the_deviation() {
        let set = data(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0], &[0.0, 1.0, 2.0]);
        let fitted = Standardization::fit(&set, &[], false);
        assert!((fitted.std[0] - (2.0_f64 / 3.0).sqrt()).abs() <= 1e-9);
        assert!(fitted.target_mean.is_empty());
    }

    #[test]
    fn other_widths_and_overflow_are_refused() {
        let set = data(&[1., 2., 3.], &[0., 1., 2.]);
        let fitted = Standardization::fit(&set, &[], false);
        let other = data(&[1., 2., 3., 4., 5., 6.], &[0., 1., 2.]);
        let message = fitted.apply(&other).unwrap_err().to_string();
        assert!(message.contains("expected 1 inputs, found 2"), "{message}");
        let huge = data(&[1e300, -1e300, 0.0], &[0., 1., 2.]);
        assert!(Standardization::fit(&huge, &[], false).apply(&huge).is_err());
    }
}
