//! A small network drawn as SVG: units in columns, the weights on the edges between them.

use super::number::number;
use chainrule::explain::{Picture, Quantity};
use maud::{Markup, html};

/// Size of a unit's box.
const BOX: (f64, f64) = (92.0, 44.0);
/// Distance of columns and rows.
const STEP: (f64, f64) = (300.0, 104.0);
/// Space around.
const MARGIN: (f64, f64) = (12.0, 18.0);
/// Up to this many edges between two columns carry their numbers; more could not be read.
const LABELLED: usize = 16;
/// Decimals in the drawing.
const DIGITS: usize = 5;

/// The network with its numbers: colours for the sign of a weight, width for its size.
pub fn network(picture: &Picture) -> Markup {
    let columns = &picture.columns;
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let width = 2.0 * MARGIN.0 + BOX.0 + STEP.0 * (columns.len() as f64 - 1.0);
    let height = 2.0 * MARGIN.1 + BOX.1 + STEP.1 * (tallest - 1.0) + 14.0;
    // The middle of a unit's box.
    let at = |column: usize, row: usize| {
        let gap = (tallest - columns[column].len() as f64) / 2.0;
        let x = MARGIN.0 + BOX.0 / 2.0 + STEP.0 * column as f64;
        (x, MARGIN.1 + BOX.1 / 2.0 + STEP.1 * (row as f64 + gap))
    };
    let largest =
        picture.weights.iter().flatten().filter_map(|w| w.value).fold(0.0, |m: f64, w| m.max(w.abs()));
    let sizes: Vec<String> = columns.iter().map(|column| column.len().to_string()).collect();
    html! {
        svg.network viewBox=(format!("0 0 {width} {height}")) role="img"
            aria-label={ "The network, " (sizes.join("-")) ", with its weights on the edges" } {
            @for (l, weights) in picture.weights.iter().enumerate() {
                @for (index, weight) in weights.iter().enumerate() {
                    @let inputs = columns[l].len();
                    @let (from, to) = (at(l, index % inputs), at(l + 1, index / inputs));
                    (line(weight, (from.0 + BOX.0 / 2.0, from.1), (to.0 - BOX.0 / 2.0, to.1), largest))
                }
            }
            @for (l, weights) in picture.weights.iter().enumerate() {
                @if weights.len() <= LABELLED {
                    @for (index, weight) in weights.iter().enumerate() {
                        @let inputs = columns[l].len();
                        @let (from, to) = (at(l, index % inputs), at(l + 1, index / inputs));
                        @let share = along(index / inputs, columns[l + 1].len());
                        (label(weight, share, (from.0 + BOX.0 / 2.0, from.1), (to.0 - BOX.0 / 2.0, to.1)))
                    }
                }
            }
            @for (column, units) in columns.iter().enumerate() {
                @for (row, unit) in units.iter().enumerate() {
                    @let (x, y) = at(column, row);
                    @let (left, top) = (x - BOX.0 / 2.0, y - BOX.1 / 2.0);
                    rect.unit x=(left) y=(top) width=(BOX.0) height=(BOX.1) rx="10" {}
                    text.name x=(x) y=(y - 5.0) { (unit.symbol) }
                    text.value x=(x) y=(y + 13.0) { (shown(unit)) }
                    @if let Some(bias) = bias(picture, column, row) {
                        text.bias x=(x) y=(y + BOX.1 / 2.0 + 15.0) { (bias.symbol) " " (shown(bias)) }
                    }
                }
            }
        }
    }
}

fn shown(quantity: &Quantity) -> String {
    quantity.value.map_or("?".into(), |value| number(value, DIGITS))
}

/// The bias of a unit, which its layer may share.
fn bias(picture: &Picture, column: usize, row: usize) -> Option<&Quantity> {
    let biases = picture.biases.get(column.checked_sub(1)?)?;
    biases.get(row.min(biases.len().checked_sub(1)?))
}

fn line(weight: &Quantity, from: (f64, f64), to: (f64, f64), largest: f64) -> Markup {
    let value = weight.value.unwrap_or(0.0);
    let width = if largest > 0.0 { 0.75 + 2.5 * value.abs() / largest } else { 1.0 };
    let class = if value < 0.0 { "edge minus" } else { "edge plus" };
    html! {
        line class=(class) x1=(from.0) y1=(from.1) x2=(to.0) y2=(to.1) stroke-width=(format!("{width:.2}")) {
            title { (weight.symbol) " = " (shown(weight)) }
        }
    }
}

/// Where on its edge the label of a weight into unit `j` of `units` stands: at another place for each unit, so that those
/// of neighbouring edges do not meet.
fn along(j: usize, units: usize) -> f64 {
    if units < 3 { 0.3 } else { 0.24 + 0.5 * j as f64 / (units - 1) as f64 }
}

/// A weight's name and number along its edge.
fn label(weight: &Quantity, share: f64, from: (f64, f64), to: (f64, f64)) -> Markup {
    let (x, y) = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
    let angle = (to.1 - from.1).atan2(to.0 - from.0).to_degrees();
    html! {
        text.weight transform=(format!("translate({x:.1} {y:.1}) rotate({angle:.1})")) y="-4" {
            (weight.symbol) " " (shown(weight))
        }
    }
}
