//! A data set in figures, for `chainrule data show`.

use chainrule::{Dataset, Targets};
use serde::Serialize;

/// What a data set holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// Number of samples.
    pub samples: usize,
    /// Number of inputs of one sample.
    pub inputs: usize,
    /// Shape of one sample.
    pub shape: Vec<usize>,
    /// Classes in order, with their number of samples; empty if the targets are numbers.
    pub classes: Vec<ClassCount>,
    /// Targets that are numbers, with their range; empty if the targets are classes.
    pub targets: Vec<NamedRange>,
    /// Range of all inputs together, as the network sees them before any standardization.
    pub features: Range,
    /// Share of the inputs that are not 0, from 0 to 1.
    pub nonzero: f64,
}

/// A class and how many samples it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// Its samples.
    pub samples: usize,
}

/// Smallest, largest and mean value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// A column with its range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedRange {
    /// The column.
    pub name: String,
    /// Its range.
    #[serde(flatten)]
    pub range: Range,
}

/// Describes a data set in one pass over it.
pub fn describe(data: &Dataset) -> Description {
    let mut row = vec![0.0; data.inputs()];
    let mut features = Sum::default();
    let mut nonzero = 0_usize;
    for sample in 0..data.len() {
        data.write_row(sample, &mut row);
        // Sums by row first: the rounding error stays far below what is shown.
        features.add_all(row.iter().copied());
        nonzero += row.iter().filter(|&&value| value != 0.0).count();
    }
    let (mut classes, mut targets) = (Vec::new(), Vec::new());
    match data.targets() {
        Targets::Classes { labels, names } => {
            let mut counts = vec![0; names.len()];
            labels.iter().for_each(|&label| counts[label as usize] += 1);
            let pairs = names.iter().zip(counts);
            classes = pairs.map(|(name, samples)| ClassCount { name: name.clone(), samples }).collect();
        }
        Targets::Values { values, names } => {
            for (column, name) in names.iter().enumerate() {
                let mut sum = Sum::default();
                sum.add_all(values.iter().skip(column).step_by(names.len()).copied());
                targets.push(NamedRange { name: name.clone(), range: sum.range() });
            }
        }
    }
    Description {
        name: data.name().to_string(),
        samples: data.len(),
        inputs: data.inputs(),
        shape: data.shape().to_vec(),
        classes,
        targets,
        features: features.range(),
        nonzero: nonzero as f64 / (data.len() * data.inputs()) as f64,
    }
}

struct Sum {
    min: f64,
    max: f64,
    sum: f64,
    count: f64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0.0 }
    }
}

impl Sum {
    fn add_all(&mut self, values: impl Iterator<Item = f64>) {
        let mut part = 0.0;
        for value in values {
            part += value;
            self.count += 1.0;
            (self.min, self.max) = (self.min.min(value), self.max.max(value));
        }
        self.sum += part;
    }

    fn range(&self) -> Range {
        Range { min: self.min, max: self.max, mean: self.sum / self.count }
    }
}
