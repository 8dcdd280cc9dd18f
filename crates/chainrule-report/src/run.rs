use crate::chart::Curve;
use crate::comparison::TextTable;
use crate::image::Bitmap;

/// All that the page of a run shows, from which [`crate::html`] makes it. A part left empty is left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunReport {
    /// What was run: `digits: 1024-64-10, 20 epochs`.
    pub title: String,
    /// Headline figures, name and value: test accuracy, loss, time, parameters.
    pub summary: Vec<(String, String)>,
    /// What is wrong with the run, and on what number that rests.
    pub findings: Vec<FindingRow>,
    /// Sentences on what the program chose by itself.
    pub choices: Vec<String>,
    /// Conventions in force, name and statement: loss reduction, factor 1/2, weight orientation, L2 scaling.
    pub conventions: Vec<(String, String)>,
    /// The layers, from the input on.
    pub layers: Vec<LayerRow>,
    /// Where the time went, if it was measured.
    pub profile: Option<TextTable>,
    /// How to read that.
    pub profile_note: String,
    /// Every resolved setting, as the program reads it back.
    pub config_toml: String,
    /// Loss by epoch.
    pub loss: Vec<Curve>,
    /// Accuracy by epoch.
    pub accuracy: Vec<Curve>,
    /// All metrics, name and value.
    pub metrics: Vec<(String, String)>,
    /// What was taken for what.
    pub confusion: Option<Confusion>,
    /// Precision and recall of each class.
    pub class_table: Vec<ClassRow>,
    /// The worst mistakes, worst first.
    pub mistakes: Vec<Mistake>,
    /// How many mistakes there are in all.
    pub mistakes_total: usize,
    /// What the metrics, the confusion and the mistakes were taken on: `946 test samples`.
    pub evaluated_on: String,
    /// The weights of first-layer units as pictures; empty where inputs are no pictures.
    pub first_layer: Vec<Bitmap>,
    /// How many units the first layer has.
    pub first_layer_total: usize,
}

/// Something wrong with a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FindingRow {
    /// What it is: `saturated units`.
    pub name: String,
    /// Where, the number measured, its threshold, and what belongs to it; one for each place.
    pub cases: Vec<String>,
    /// What it means.
    pub meaning: String,
    /// What to try.
    pub advice: String,
}

/// One layer of the network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerRow {
    /// Its name: `hidden 1`, `output`.
    pub name: String,
    /// How many units it has.
    pub units: usize,
    /// Its activation.
    pub activation: String,
    /// How its weights began.
    pub init: String,
    /// The shape of its weights, (out, in): `64 × 1024`.
    pub weights: String,
    /// How its biases are kept: `per unit`, `shared`, `none`.
    pub bias: String,
    /// How many parameters it has, biases included.
    pub parameters: usize,
}

/// How often each class was taken for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Confusion {
    /// The classes.
    pub names: Vec<String>,
    /// `counts[actual][predicted]`.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// The count at a place, 0 where there is none.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        self.counts.get(actual).and_then(|row| row.get(predicted)).copied().unwrap_or(0)
    }

    /// The samples of a class.
    pub fn samples(&self, actual: usize) -> u64 {
        self.counts
            .get(actual)
            .map_or(0, |row| row.iter().take(self.names.len()).fold(0, |sum: u64, &n| sum.saturating_add(n)))
    }

    /// The pairs of different classes that were confused, as `(actual, predicted, count)`, the most frequent
    /// first and equals in the order of the classes.
    pub fn confused_pairs(&self) -> Vec<(usize, usize, u64)> {
        let classes = self.names.len();
        let mut pairs: Vec<(usize, usize, u64)> = (0..classes.min(self.counts.len()))
            .flat_map(|actual| (0..classes).map(move |predicted| (actual, predicted)))
            .filter(|(actual, predicted)| actual != predicted)
            .map(|(actual, predicted)| (actual, predicted, self.count(actual, predicted)))
            .filter(|&(_, _, count)| count > 0)
            .collect();
        pairs.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
        pairs
    }
}

/// How well one class was told from the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassRow {
    /// The class.
    pub name: String,
    /// Share of the samples taken for this class that are of it; NaN where there are none.
    pub precision: f64,
    /// Share of the samples of this class that were recognised; NaN where there are none.
    pub recall: f64,
    /// Harmonic mean of the two; NaN where there is none.
    pub f1: f64,
    /// Samples of this class.
    pub support: usize,
}

/// A sample that was taken for something else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mistake {
    /// Its index in the data it was evaluated on.
    pub sample: usize,
    /// Its picture, where it is one.
    pub bitmap: Option<Bitmap>,
    /// Its features as text, where it is none: `width 4.1, height 2.0`.
    pub features: String,
    /// What it is.
    pub actual: String,
    /// What it was taken for.
    pub predicted: String,
    /// The probability given to what it is; NaN where there is none.
    pub actual_probability: f64,
    /// The probability given to what it was taken for; NaN where there is none.
    pub predicted_probability: f64,
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    #[test]
    fn pairs_are_ordered_and_ragged_counts_are_zero() {
        let confusion = Confusion {
            names: ["a", "b", "c"].map(String::from).to_vec(),
            counts: vec![vec![5, 1, 3], vec![1], vec![9, 0, 4, 99]],
        };
        assert_eq!(confusion.confused_pairs(), [(2, 0, 9), (0, 2, 3), (0, 1, 1), (1, 0, 1)]);
        assert_eq!((confusion.samples(2), confusion.samples(7), confusion.count(1, 2)), (13, 0, 0));
        assert_eq!(Confusion::default().confused_pairs(), []);
    }
}
