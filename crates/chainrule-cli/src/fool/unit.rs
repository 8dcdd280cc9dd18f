//! What inputs are measured in, and what they may be.

use chainrule::Dataset;
use chainrule::attack::Limits;
use chainrule_io::{Model, Standardization};

/// The inputs of a model, as the network sees them.
pub struct Unit {
    /// What each may be.
    pub limits: Limits,
    /// Epsilon's unit, in words.
    pub words: &'static str,
    /// The largest epsilon that a search tries.
    pub largest: f64,
    /// Names of a table's inputs.
    pub names: Option<Vec<String>>,
    /// What turns an input back into its own unit.
    figures: Option<Standardization>,
}

/// The search goes up to as many standard deviations.
const DEVIATIONS: f64 = 4.0;

impl Unit {
    /// Pixels lie between 0 and 1; columns of a table have no limits, and words stay words.
    pub fn of(model: &Model, data: &Dataset) -> Self {
        let preprocessing = &model.info.preprocessing;
        let figures = preprocessing.standardization.clone();
        let inputs = data.inputs();
        let encoding = preprocessing.encoding.as_ref();
        let mut limits =
            if encoding.is_some() { Limits::none(inputs) } else { Limits::range(inputs, 0.0, 1.0) };
        if let Some(encoding) = encoding {
            for (fixed, numeric) in limits.fixed.iter_mut().zip(encoding.numeric_inputs()) {
                *fixed = !numeric;
            }
        }
        if let Some(figures) = &figures {
            for (bounds, (mean, std)) in
                limits.low.iter_mut().zip(&mut limits.high).zip(figures.mean.iter().zip(&figures.std))
            {
                (*bounds.0, *bounds.1) = ((*bounds.0 - mean) / std, (*bounds.1 - mean) / std);
            }
        }
        let (words, largest) = match (&figures, encoding) {
            (Some(_), _) => ("in standard deviations", DEVIATIONS),
            (None, None) => ("of the range 0 to 1", 1.0),
            (None, Some(_)) => ("in the columns' own unit", widest(data)),
        };
        Self {
            limits,
            words,
            largest,
            names: encoding.map(chainrule_io::TableEncoding::input_names),
            figures,
        }
    }

    /// Inputs in their own unit: pixels of 0 to 1, columns as in the file.
    pub fn restored(&self, x: &[f64]) -> Vec<f64> {
        match &self.figures {
            None => x.to_vec(),
            Some(figures) => {
                let figures = figures.mean.iter().zip(&figures.std);
                x.iter().zip(figures).map(|(x, (mean, std))| x * std + mean).collect()
            }
        }
    }

    /// Whether inputs as the network sees them are in another unit than their own.
    pub fn is_standardized(&self) -> bool {
        self.figures.is_some()
    }
}

/// The widest range of an input over the data; 1 if all are constant.
fn widest(data: &Dataset) -> f64 {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); data.inputs()];
    for sample in 0..data.len() {
        for ((low, high), x) in ranges.iter_mut().zip(data.row(sample)) {
            (*low, *high) = (low.min(x), high.max(x));
        }
    }
    let widest = ranges.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
    if widest > 0.0 { widest } else { 1.0 }
}
