//! What was seen inside a run: as tables in the terminal, and as JSON.

use chainrule::Targets;
use chainrule::batch::TargetCoding;
use chainrule::inspect::{Excited, Histogram, KINDS, Moment};
use serde_json::{Value, json};

use super::layer_name;
use super::replay::Inside;
use crate::table::table;
use crate::terminal::{count, figure, shortened, width, wrapped};

/// Bins per octave in JSON.
const PARTS: u32 = 8;
/// Columns of the table of figures that hold words.
pub const TEXT_COLUMNS: usize = 2;

impl Inside {
    /// `hidden 1: 64 relu units`
    pub fn layer_title(&self, l: usize) -> String {
        let layer = &self.network.spec().layers[l];
        let units = count(layer.units, &format!("{} unit", layer.activation));
        format!("{}: {units}", layer_name(self.network.spec(), l))
    }

    /// Sentences on what the figures are of.
    pub fn notes(&self) -> Vec<String> {
        let classes = if self.prepared.train.labels().is_some() { ", each class with its share" } else { "" };
        vec![
            format!(
                "Activations, deltas and gradients of {}{classes}; no unit dropped. A delta is dL/dz of one sample's \
                 loss; gradients are of the mean loss by the weights, without penalties.",
                count(self.samples, "training sample")
            ),
            "Flat: share of samples and units where |f'(z)| is below 0.001. Dead: share of units where f'(z) is 0 for \
             every sample. Epochs: finished so far; 0 is before training."
                .into(),
        ]
    }

    /// When a moment was: the epochs finished, and within one also the steps made.
    pub fn when(&self, moment: &Moment) -> String {
        let figures = &moment.figures;
        let steps = self.network_steps(figures.epochs);
        if figures.step == steps {
            figures.epochs.to_string()
        } else {
            format!("{} ({} steps)", figures.epochs, figures.step)
        }
    }

    /// Steps of so many whole epochs; a run ends within its last.
    fn network_steps(&self, epochs: u64) -> u64 {
        let config = &self.prepared.resolved.config;
        let samples = self.prepared.train.len();
        let all = epochs * samples.div_ceil(config.batch_size.of(samples)) as u64;
        all.min(config.total_steps(samples))
    }

    /// Names of the columns of [`Inside::rows`].
    pub fn header() -> [&'static str; 9] {
        ["layer", "numbers", "epochs", "mean", "deviation", "min", "max", "flat", "dead"]
    }

    /// Figures by layer, kind and moment, every one of them.
    pub fn rows(&self) -> Vec<Vec<String>> {
        self.rows_of(&self.moments.iter().collect::<Vec<_>>(), false)
    }

    /// The same of some moments. If `brief`, a layer is its number, and a cell that says the same as the one above it is
    /// empty.
    fn rows_of(&self, moments: &[&Moment], brief: bool) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for (at, &l) in self.layers.iter().enumerate() {
            for (kind, name) in KINDS.iter().enumerate() {
                for (time, &moment) in moments.iter().enumerate() {
                    let histogram = moment.layers[l].kinds()[kind];
                    let figures = &moment.figures.layers[l];
                    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
                    // The output's f' is part of its loss.
                    let has_slope = kind == 0 && l + 1 < self.network.layout().layers();
                    let of_slope = |share: f64| if has_slope { percent(share) } else { String::new() };
                    let layer = match brief {
                        true => (l + 1).to_string(),
                        false => layer_name(self.network.spec(), l),
                    };
                    let digits = |value: f64| significant(value, if brief { 3 } else { 4 });
                    let repeated = brief && time > 0;
                    rows.push(vec![
                        if brief && (kind, time) != (0, 0) { String::new() } else { layer },
                        if repeated { String::new() } else { (*name).to_string() },
                        self.when(moment),
                        digits(histogram.mean()),
                        digits(histogram.deviation()),
                        digits(histogram.min),
                        digits(histogram.max),
                        of_slope(figures.flat),
                        of_slope(figures.dead),
                    ]);
                }
            }
            if brief && at + 1 < self.layers.len() && moments.len() > 1 {
                rows.push(vec![String::new(); 9]);
            }
        }
        rows
    }

    /// The figures for the terminal; of the moments only the first and the last if `ends`.
    pub fn figures_text(&self, width: usize, ends: bool) -> String {
        let shown: Vec<&Moment> = match &self.moments[..] {
            [first, .., last] if ends => vec![first, last],
            all => all.iter().collect(),
        };
        let mut header = Self::header();
        header[4] = "dev.";
        let mut text = table(&header, self.rows_of(&shown, true), &[2, 3, 4, 5, 6, 7, 8]) + "\n";
        for note in self.notes() {
            text += "\n";
            text += &wrapped(note.split(' '), width).join("\n");
        }
        text
    }

    /// The most exciting samples of each unit for the terminal.
    pub fn exciting_text(&self) -> String {
        let samples = |unit: &Vec<Excited>| -> String {
            if is_silent(unit) {
                return "none: its activation is 0 for every training sample".into();
            }
            let one = |e: &Excited| format!("{} ({})", self.named(e), four(e.a));
            unit.iter().map(one).collect::<Vec<_>>().join("  ")
        };
        let mut text = String::new();
        for (l, units) in &self.excited {
            let rows = units.iter().enumerate().map(|(at, unit)| vec![(at + 1).to_string(), samples(unit)]);
            let title = self.layer_title(*l);
            let title = format!("{title}; the most exciting samples of each, with their activation");
            text += &format!("\n{}\n", wrapped(title.split(' '), width()).join("\n"));
            text += &(table(&["unit", "samples"], rows.collect(), &[0]) + "\n");
        }
        text
    }

    /// `7 #1234`: the target of a sample and its number.
    fn named(&self, excited: &Excited) -> String {
        let target = shortened(&self.target(excited.sample), 16);
        let space = if target.is_empty() { "" } else { " " };
        format!("{target}{space}#{}", excited.sample)
    }

    /// The class of a training sample, or its targets in their own unit; of an auto-encoder nothing.
    pub fn target(&self, sample: usize) -> String {
        let data = &self.prepared.train;
        match data.targets() {
            _ if self.prepared.resolved.config.evaluation_coding == TargetCoding::Input => String::new(),
            Targets::Classes { labels, names } => names[labels[sample] as usize].clone(),
            Targets::Values { values, names } => {
                let mut row = values[sample * names.len()..(sample + 1) * names.len()].to_vec();
                if let Some(figures) = &self.prepared.preprocessing.standardization
                    && self.prepared.resolved.config.evaluation_coding == TargetCoding::Values
                {
                    figures.restore_target(&mut row);
                }
                row.iter().map(|&v| figure(v)).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// All of it as JSON.
    pub fn json(&self) -> Value {
        let layer = |moment: &Moment, l: usize| {
            let figures = &moment.figures.layers[l];
            let mut layer = json!({
                "layer": l + 1,
                "name": layer_name(self.network.spec(), l),
                "flat": figures.flat,
                "dead": figures.dead,
                "weight_norm": figures.weight_norm,
                "gradient_norm": figures.gradient_norm,
            });
            let seen = &moment.layers[l];
            for (name, histogram) in KINDS.iter().zip(seen.kinds()) {
                layer[*name] = described(histogram);
            }
            layer["biases"] = described(&seen.biases);
            layer["bias_gradients"] = described(&seen.bias_gradients);
            layer
        };
        let moments = self.moments.iter().map(|moment| {
            let figures = &moment.figures;
            json!({
                "epochs": figures.epochs,
                "step": figures.step,
                "loss": figures.loss,
                "accuracy": figures.accuracy,
                "layers": self.layers.iter().map(|&l| layer(moment, l)).collect::<Vec<_>>(),
            })
        });
        let sample = |e: &Excited| json!({ "sample": e.sample, "target": self.target(e.sample), "activation": e.a, "z": e.z });
        let unit = |(at, unit): (usize, &Vec<Excited>)| json!({ "unit": at + 1, "samples": unit.iter().map(sample).collect::<Vec<_>>() });
        let excited = self.excited.iter().map(|(l, units)| {
            let units: Vec<Value> = units.iter().enumerate().map(unit).collect();
            json!({ "layer": l + 1, "name": layer_name(self.network.spec(), *l), "units": units })
        });
        json!({
            "samples": self.samples,
            "notes": self.notes(),
            "moments": moments.collect::<Vec<_>>(),
            "exciting": excited.collect::<Vec<_>>(),
        })
    }
}

/// Whether a unit gives 0 for every sample.
pub fn is_silent(unit: &[Excited]) -> bool {
    !unit.is_empty() && unit.iter().all(|excited| excited.a == 0.0)
}

fn described(histogram: &Histogram) -> Value {
    let bins: Vec<(f64, f64, u64)> =
        histogram.bins(PARTS).iter().map(|bin| (bin.low, bin.high, bin.count)).collect();
    json!({
        "count": histogram.count,
        "zeros": histogram.zeros(),
        "mean": histogram.mean(),
        "deviation": histogram.deviation(),
        "min": histogram.min,
        "max": histogram.max,
        "bins": bins,
    })
}

/// Four digits.
fn four(value: f64) -> String {
    significant(value, 4)
}

/// So many digits that count.
fn significant(value: f64, digits: i32) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        "0".to_string().repeat(usize::from(value == 0.0))
    } else if (1e-3..1e5).contains(&size) {
        format!("{value:.*}", (f64::from(digits - 1) - size.log10().floor()).max(0.0) as usize)
    } else {
        format!("{value:.2e}")
    }
}
