//! What was measured, as plain data.

use crate::diagnose::data::DataFigures;
use serde::{Deserialize, Serialize};

/// All that was measured of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The training set.
    pub data: DataFigures,
    /// The network, at moments in rising order; the first is before training.
    pub measurements: Vec<Measurement>,
}

/// The network at one moment, on the probe's samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Steps made so far; 0 is before training.
    pub step: u64,
    /// Epochs finished so far.
    pub epochs: u64,
    /// Mean loss.
    #[serde(with = "crate::number")]
    pub loss: f64,
    /// Share of correct answers, if that has a meaning.
    pub accuracy: Option<f64>,
    /// Share of samples with an output that is wrong by more than 1/2 where |f'| is below
    /// [`FLAT`](crate::diagnose::probe::FLAT): the loss is felt through f', so that nothing is learned from them. 0 for
    /// losses that are computed from z.
    pub stuck_outputs: f64,
    /// Answers per class, if the network answers with classes.
    pub answers: Vec<usize>,
    /// The layers, from the first hidden one to the output.
    pub layers: Vec<LayerFigures>,
}

/// One layer at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerFigures {
    /// Mean of |f'(z)| over samples and units.
    #[serde(with = "crate::number")]
    pub mean_slope: f64,
    /// Share of (sample, unit) with |f'(z)| below [`FLAT`](crate::diagnose::probe::FLAT).
    pub flat: f64,
    /// Share of units with f'(z) = 0 for every sample.
    pub dead: f64,
    /// Norm of W(l).
    #[serde(with = "crate::number")]
    pub weight_norm: f64,
    /// Norm of the layer's part, weights and biases, of the gradient of the mean loss, without penalties.
    #[serde(with = "crate::number")]
    pub gradient_norm: f64,
    /// Norm of the change of W(l) in one step over the norm of W(l) before it; nothing where no step was looked at.
    pub update_ratio: Option<f64>,
    /// Number of units.
    pub units: usize,
    /// Units whose incoming weights differ from those of all units counted before; biases are left out.
    pub distinct_units: usize,
    /// Mean distance of the units' rows of W from their mean row, over the root mean square of the rows' norms.
    pub row_distance: Option<f64>,
    /// The same of the rows scaled to length 1: 0 if all point one way, near 1 if each points elsewhere.
    pub row_spread: Option<f64>,
    /// [`row_distance`](Self::row_distance) of the gradient.
    pub gradient_row_distance: Option<f64>,
    /// [`row_spread`](Self::row_spread) of the gradient.
    pub gradient_row_spread: Option<f64>,
}

impl Record {
    /// The last measurement.
    pub fn last(&self) -> Option<&Measurement> {
        self.measurements.last()
    }

    /// The one before training.
    pub fn before(&self) -> Option<&Measurement> {
        self.measurements.first().filter(|first| first.step == 0)
    }

    /// Those after step 0.
    pub fn trained(&self) -> impl DoubleEndedIterator<Item = &Measurement> {
        self.measurements.iter().filter(|m| m.step > 0)
    }
}
