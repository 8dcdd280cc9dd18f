//! Derivations: every number of an update, written out as the mathematics does.
//!
//! [`Record`] holds an update of a run, made by the trainer itself; [`explain`] writes it out as plain data, a
//! [`Derivation`]: terms with symbol, formula, operands and value. What renders it lies elsewhere.

pub mod derivation;
pub mod expr;
pub mod homework;
pub mod names;
pub mod record;

mod backward;
mod focus;
mod formulas;
mod line_search;
mod lines;
mod matrices;
mod newton;
mod softmax;
mod symbolic;
mod update;
mod whole;

pub use derivation::{Block, Derivation, Law, Matrix, Part, Picture, Rule, Section, Summary, Term};
pub use expr::{Expr, Function, Quantity};
pub use names::Names;
pub use record::{Record, advance};
pub use symbolic::symbolic;

use crate::config::UpdateOrder;
use crate::regularize::PenaltyScale;
use crate::spec::BiasMode;
use lines::Lines;

/// What of an update is written out. Layers, units and inputs count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A layer in matrix form.
    Layer(usize),
    /// Unit (layer, unit).
    Unit(usize, usize),
    /// The weight (layer, unit, input).
    Weight(usize, usize, usize),
}

/// The derivation of an update, called `title`: the parts wanted, or with none the whole, summarised where
/// the network or its batch is too large to be written out.
pub fn explain(title: &str, record: &Record, wanted: &[Wanted]) -> Derivation {
    let lines = Lines::new(record);
    let mut sections: Vec<Section> = wanted
        .iter()
        .flat_map(|wanted| match *wanted {
            Wanted::Layer(l) => lines.layer(l),
            Wanted::Unit(l, j) => lines.unit(l, j),
            Wanted::Weight(l, j, i) => lines.path(l, j, i),
        })
        .collect();
    if wanted.is_empty() {
        sections = if lines.fits() { lines.whole() } else { lines.figures() };
    }
    Derivation {
        title: format!("{title} of a {} network", record.spec.sizes()),
        dtype: record.dtype.into(),
        given: given(record),
        picture: lines.picture(),
        sections,
    }
}

/// What is given and what is agreed.
fn given(record: &Record) -> Vec<(String, String)> {
    let (spec, config) = (&record.spec, &record.config);
    let mut given = Vec::new();
    let mut say = |name: &str, text: String| given.push((name.to_string(), text));
    let layer = |l: usize| {
        let layer = &spec.layers[l];
        let bias = match layer.bias {
            BiasMode::PerUnit => "",
            BiasMode::Shared => ", one bias for all",
            BiasMode::None => ", no biases",
        };
        let fixed = match (layer.train_weights, layer.train_bias || layer.biases() == 0) {
            (true, true) => "",
            (true, false) => ", biases fixed",
            (false, true) => ", weights fixed",
            (false, false) => ", fixed",
        };
        let plural = if layer.units == 1 { "unit" } else { "units" };
        format!("{} {} {plural}{bias}{fixed}", layer.units, layer.activation)
    };
    for l in 0..spec.layers.len() {
        say(&format!("layer {}", l + 1), layer(l));
    }
    let shown: Vec<String> = record.samples.iter().take(8).map(ToString::to_string).collect();
    let more = record.n().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let plural = if record.n() == 1 { "sample" } else { "samples" };
    say(
        "batch",
        format!("{} {plural} of {}: number {}{more} (from 0)", record.n(), record.set_size, shown.join(", ")),
    );
    say("loss", format!("{}: {}", spec.loss, spec.loss.reduction()));
    say(
        "update",
        format!("{}, learning rate eta = {}", config.optimizer, crate::short(record.learning_rate)),
    );
    if config.update_order == UpdateOrder::OutputFirst {
        say("order", "output-first: each layer is updated before it carries the error back".into());
    }
    let scale = match config.regularize.l2_scale {
        PenaltyScale::PerSample => "on the mean loss",
        PenaltyScale::PerDataset => "divided by N, the size of the training set",
    };
    let regularize = &config.regularize;
    for (name, value) in [("l1", regularize.l1), ("l2", regularize.l2)] {
        if value != 0.0 {
            say(name, format!("{} {scale}, of weights only", crate::short(value)));
        }
    }
    for (name, limit) in [("clip_norm", regularize.clip_norm), ("max_norm", regularize.max_norm)] {
        if let Some(limit) = limit {
            say(name, crate::short(limit));
        }
    }
    if let Some(dropout) = spec.layers.iter().map(|layer| layer.dropout).find(|&share| share > 0.0) {
        say(
            "dropout",
            format!("{dropout}: a dropped unit has keep = 0, a kept one {}", 1.0 / (1.0 - dropout)),
        );
    }
    say(
        "numbers",
        format!("{}; W is (units, inputs); a + marks what is new after the update", number_type(record)),
    );
    given
}

/// The number type, and of bf16 which products round their operands here.
fn number_type(record: &Record) -> String {
    if record.dtype != "bf16" {
        return record.dtype.into();
    }
    let rounding: Vec<bool> = record.layers.iter().map(|layer| layer.bf16).collect();
    let where_ = if rounding.iter().all(|&rounds| rounds) {
        "bf16(x) is x rounded to 8 bits, as products read it; all else is f32"
    } else if rounding.contains(&true) {
        "bf16(x) is x rounded to 8 bits, as products read it from layer 2 on; layer 1, over lists of its nonzero inputs, and \
         all else is f32"
    } else {
        "but products of so few samples are not rounded: all is f32"
    };
    format!("bf16: {where_}")
}
