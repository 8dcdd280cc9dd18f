//! What was measured inside the networks of a comparison, beside each other: why they differ.

use chainrule::diagnose::{LayerFigures, Measurement};
use chainrule_report::{Curve, NamedChart, Scale, TextTable, choose_scale};

use super::outcome::Outcome;
use super::table::{Row, Table, short};

/// Layers whose gradients are drawn.
const LAYERS: usize = 4;

/// How the table is read.
pub const NOTES: [&str; 3] = [
    "Measured on at most 256 training samples, before training and at its end; medians over the runs of a combination. Layers count \
     from 1, the last is the output.",
    "A layer learns by its gradient, and every gradient on its way back is multiplied by f'(z): where the mean of |f'(z)| is next to 0 \
     (a sigmoid has at most 0.25), little arrives. Units with the same weights and the same gradient stay the same unit.",
    "The step is the change of W in one update over W itself, in norms: about 0.001 is usual.",
];

/// A line per combination and layer.
pub fn table(table: &Table) -> TextTable {
    let header = [
        "combination",
        "layer",
        "mean |f'(z)| before",
        "after",
        "flat units before",
        "after",
        "gradient before",
        "after",
        "step",
        "different units",
    ];
    let mut rows = Vec::new();
    for row in &table.rows {
        let layers =
            row.runs.iter().map(|run| run.record.last().map_or(0, |m| m.layers.len())).min().unwrap_or(0);
        for l in 0..layers {
            let before =
                |of: fn(&LayerFigures) -> f64| median(row, |run| Some(of(&run.record.before()?.layers[l])));
            let after =
                |of: fn(&LayerFigures) -> f64| median(row, |run| Some(of(&run.record.last()?.layers[l])));
            let stride = median(row, |run| {
                let steps = run.record.trained().filter_map(|m| m.layers[l].update_ratio);
                middle(steps.collect())
            });
            let percent =
                |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.1} %", 100.0 * share));
            let number = |value: Option<f64>| value.map_or("–".into(), |value| short(value, 3));
            let units = row.runs[0].record.last().map_or(0, |m| m.layers[l].units);
            rows.push(vec![
                row.label.clone(),
                (l + 1).to_string(),
                number(before(|layer| layer.mean_slope)),
                number(after(|layer| layer.mean_slope)),
                percent(before(|layer| layer.flat)),
                percent(after(|layer| layer.flat)),
                number(before(|layer| layer.gradient_norm)),
                number(after(|layer| layer.gradient_norm)),
                number(stride),
                format!("{} of {units}", number(after(|layer| layer.distinct_units as f64))),
            ]);
        }
    }
    TextTable { header: header.map(String::from).to_vec(), rows, text_columns: 2 }
}

/// What the layers were like before training, in a sentence.
pub fn sentence(row: &Row) -> String {
    let layers = row.runs.first().and_then(|run| run.record.before()).map_or(0, |m| m.layers.len());
    let list = |of: fn(&LayerFigures) -> f64| {
        let figure = |l: usize| median(row, |run| run.record.before()?.layers.get(l).map(of));
        let texts = (0..layers).map(|l| figure(l).map_or("–".into(), |value| short(value, 3)));
        texts.collect::<Vec<String>>().join(", ")
    };
    let (slopes, norms) = (list(|layer| layer.mean_slope), list(|layer| layer.gradient_norm));
    format!(
        "Before training, from the first layer to the output: mean |f'(z)| {slopes}; norm of the gradient {norms}."
    )
}

/// The norm of each layer's gradient over time, and the accuracy with the weights of the moment.
pub fn charts(table: &Table) -> Vec<NamedChart> {
    let layers = table
        .rows
        .iter()
        .filter_map(|row| Some(row.runs.first()?.record.last()?.layers.len()))
        .max()
        .unwrap_or(0);
    let mut charts = Vec::new();
    let mut put = |name: String, of: &dyn Fn(&Measurement) -> Option<f64>| {
        let curves: Vec<Curve> =
            table.rows.iter().map(|row| Curve::new(&row.short, points(row, of))).collect();
        let scale = if name.contains("gradient") { choose_scale(&curves) } else { Scale::Linear };
        charts.push(NamedChart { name, scale, curves });
    };
    for l in 0..layers.min(LAYERS) {
        put(format!("Norm of the gradient of layer {}", l + 1), &|m| Some(m.layers.get(l)?.gradient_norm));
    }
    put("Accuracy on training samples, with the weights of the moment".into(), &|m| m.accuracy);
    charts
}

/// Of the first run: at the ends of epochs.
fn points(row: &Row, of: &dyn Fn(&Measurement) -> Option<f64>) -> Vec<(f64, f64)> {
    let measured = row.runs.first().map(|run| run.record.measurements.iter()).into_iter().flatten();
    let whole = measured.filter(|m| m.step == 0 || m.epochs > 0);
    whole.filter_map(|m| Some((m.epochs as f64, of(m)?))).collect()
}

fn median(row: &Row, of: impl Fn(&Outcome) -> Option<f64>) -> Option<f64> {
    middle(row.runs.iter().filter_map(|run| of(run)).collect())
}

/// The middle of these values, or the mean of the two in the middle.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (n, half) = (values.len(), values.len() / 2);
    match n {
        0 => None,
        _ if n.is_multiple_of(2) => Some((values[half - 1] + values[half]) / 2.0),
        _ => Some(values[half]),
    }
}
