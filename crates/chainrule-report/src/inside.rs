use crate::comparison::TextTable;
use crate::image::Bitmap;
use crate::ridges::Ridges;

/// All that the page on the inside of a network shows, from which [`crate::inside_html`] makes it. A part left empty is left
/// out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InsideReport {
    /// What was looked at: `runs/digits-1: 1024-64-10`.
    pub title: String,
    /// Headline figures, name and value.
    pub summary: Vec<(String, String)>,
    /// Sentences on what was looked at.
    pub notes: Vec<String>,
    /// Figures by layer and moment.
    pub figures: Option<TextTable>,
    /// Histograms over time, each with a sentence on how to read it.
    pub ridges: Vec<(Ridges, String)>,
    /// The weights of the units of the first layer, laid out as their input.
    pub first_layer: Vec<Bitmap>,
    /// How many units the first layer has in all.
    pub first_layer_total: usize,
    /// The same as numbers, for inputs with names.
    pub heat: Option<Heat>,
    /// What excites the units of each layer.
    pub excited: Vec<ExcitedLayer>,
}

/// Weights as a table of coloured cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heat {
    /// Names of the inputs shown, a row each.
    pub inputs: Vec<String>,
    /// Numbers of the units shown, a column each.
    pub units: Vec<usize>,
    /// `(inputs, units)`
    pub weights: Vec<f64>,
    /// How many inputs there are in all.
    pub inputs_total: usize,
    /// How many units there are in all.
    pub units_total: usize,
}

/// The units of one layer and their most exciting samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExcitedLayer {
    /// `hidden 1`
    pub name: String,
    /// How many units it has in all.
    pub total: usize,
    /// Those shown.
    pub units: Vec<ExcitedUnit>,
}

/// A unit and its most exciting samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExcitedUnit {
    /// Its number, from 1.
    pub unit: usize,
    /// Its weights, if they are laid out as a picture.
    pub weights: Option<Bitmap>,
    /// The most exciting first; none for a unit that gives 0 for all.
    pub samples: Vec<ExcitedSample>,
}

/// A sample and how much it excites a unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExcitedSample {
    /// Its number in the training set, from 0.
    pub sample: usize,
    /// Its class, or its target.
    pub target: String,
    /// The unit's activation.
    pub activation: f64,
    /// The sample, if it is a picture.
    pub bitmap: Option<Bitmap>,
    /// Its features in words, if it is none.
    pub features: String,
}
