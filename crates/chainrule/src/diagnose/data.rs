//! What is measured of the training set, once.

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::{Real, batch::TargetCoding};
use serde::{Deserialize, Serialize};

/// At most so many samples are read, at equal distances.
const SAMPLES: usize = 256;

/// The training set as the network sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFigures {
    /// Root mean square of the input that has the largest one; 1 for a standardized input.
    pub largest_input: f64,
    /// That input, from 0.
    pub largest_input_at: usize,
    /// Root mean square over all inputs.
    pub inputs_rms: f64,
    /// Share of samples whose label is that of the sample before; nothing for numbers.
    pub same_label_as_before: Option<f64>,
    /// What that share would be in a random order.
    pub same_label_at_random: Option<f64>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Samples per class.
    pub class_samples: Vec<usize>,
}

impl DataFigures {
    /// Measures `data`.
    pub fn measure<T: Real>(data: &Dataset) -> Self {
        let count = data.len().min(SAMPLES);
        let mut row = Batch::<T>::new(data, 1, 1);
        let mut squares = vec![0.0; data.inputs()];
        for s in 0..count {
            let sample = s * data.len() / count;
            row.gather(data, TargetCoding::Constant(0.0), &[], std::iter::once(sample));
            squares.iter_mut().zip(row.x()).for_each(|(sum, x)| *sum += x.to_f64().powi(2));
        }
        let (at, largest) = squares
            .iter()
            .copied()
            .enumerate()
            .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        let mean = squares.iter().sum::<f64>() / (count * squares.len()) as f64;
        let mut figures = Self {
            largest_input: (largest / count as f64).sqrt(),
            largest_input_at: at,
            inputs_rms: mean.sqrt(),
            ..Self::default()
        };
        if let Some(labels) = data.labels() {
            figures.classes = data.class_names().to_vec();
            figures.class_samples = vec![0; figures.classes.len()];
            labels.iter().for_each(|&label| figures.class_samples[label as usize] += 1);
            let n = labels.len() as f64;
            let repeats = labels.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
            figures.same_label_as_before = Some(repeats / (n - 1.0).max(1.0));
            figures.same_label_at_random =
                Some(figures.class_samples.iter().map(|&c| (c as f64 / n).powi(2)).sum());
        }
        figures
    }
}
