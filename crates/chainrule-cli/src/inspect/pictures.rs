//! `inspect --output`: the files of what was seen.

use std::path::Path;

use anyhow::{Context, Result};
use chainrule::inspect::{Excited, Histogram, LayerMoment, Moment};
use chainrule_io::{TableEncoding, write_atomically};
use chainrule_report::weights_image::{WHITE, grid, row};
use chainrule_report::{
    Bitmap, ExcitedLayer, ExcitedSample, ExcitedUnit, Heat, InsideReport, Picture, RidgePanel, Ridges,
    TextTable, inside_html, ridge_chart,
};

use super::inside::{TEXT_COLUMNS, is_silent};
use super::replay::Inside;
use crate::report::{features_text, picture_shape};
use crate::terminal::{figure, thousands};

/// First-layer units drawn.
const UNITS: usize = 100;
/// Units of a layer whose samples are drawn.
const EXCITED: usize = 128;
/// Samples drawn of each; `inspect.json` has all.
const DRAWN: usize = 12;
/// Rows and columns of a table of weights.
const HEAT: (usize, usize) = (60, 32);
/// Equal parts of the axis of a histogram, at least and at most: few numbers need wide ones.
const PARTS: (usize, usize) = (12, 80);
/// Share of all numbers beyond either end of an axis.
const BEYOND: f64 = 0.005;
/// Powers of ten on an axis, at most.
const DECADES: f64 = 8.0;
/// Pixels of the longer side of a drawn tile, about; no larger picture is drawn.
const TILE: usize = 96;
/// Inputs drawn that are no pictures, and pixels of the longer side of their drawing, about.
const WIDEST: usize = 1000;
const MATRIX: usize = 320;
/// The line around a tile.
const LINE: [u8; 3] = [223, 227, 232];

/// Writes everything to `folder`; gives the names of the files.
pub fn write(inside: &Inside, folder: &Path, name: &str, json: &str) -> Result<Vec<String>> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let report = report(inside, name);
    let mut files = vec![("inspect.html".to_string(), inside_html(&report).into_bytes())];
    for (ridges, _) in &report.ridges {
        files.push((format!("{}.svg", ridges.title.to_lowercase()), ridge_chart(ridges).into_bytes()));
    }
    if !report.first_layer.is_empty() {
        let weight: Vec<f64> = inside.network.layout().export_weight(0, &inside.params);
        let picture = first_layer(&inside.network.spec().input_shape, &weight, TILE);
        files.push(("first-layer.png".into(), picture.png()));
    }
    for (layer, (l, _)) in report.excited.iter().zip(&inside.excited) {
        if let Some(picture) = exciting(layer) {
            files.push((format!("exciting-{}.png", l + 1), picture.png()));
        }
    }
    files.push(("inspect.json".into(), json.as_bytes().to_vec()));
    for (name, bytes) in &files {
        write_atomically(&folder.join(name), bytes)?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

fn report(inside: &Inside, name: &str) -> InsideReport {
    let spec = inside.network.spec();
    let shape = picture_shape(&spec.input_shape);
    let first = inside.layers.contains(&0);
    let weight: Vec<f64> = inside.network.layout().export_weight(0, &inside.params);
    let bitmap = |values: &[f64]| {
        shape.map(|(rows, columns)| Bitmap::new(rows, columns, values.to_vec()).shrunk(TILE, TILE))
    };
    let first_layer: Vec<Bitmap> =
        weight.chunks_exact(spec.inputs()).filter(|_| first).take(UNITS).filter_map(bitmap).collect();
    let heat = (first && shape.is_none()).then(|| heat(inside, &weight));
    let layer = |(l, units): &(usize, Vec<Vec<Excited>>)| ExcitedLayer {
        name: inside.layer_title(*l),
        total: units.len(),
        units: units
            .iter()
            .take(EXCITED)
            .enumerate()
            .map(|(at, unit)| ExcitedUnit {
                unit: at + 1,
                weights: (*l == 0).then(|| bitmap(&weight[at * spec.inputs()..][..spec.inputs()])).flatten(),
                samples: if is_silent(unit) {
                    Vec::new()
                } else {
                    unit.iter().map(|excited| sample(inside, excited)).collect()
                },
            })
            .collect(),
    };
    let figures = TextTable {
        header: Inside::header().map(ToString::to_string).to_vec(),
        rows: inside.rows(),
        text_columns: TEXT_COLUMNS,
    };
    InsideReport {
        title: format!("{name}: {}", spec.sizes()),
        summary: summary(inside),
        notes: inside.notes(),
        figures: Some(figures),
        ridges: ridges(inside),
        first_layer_total: spec.layers[0].units,
        first_layer,
        heat,
        excited: inside.excited.iter().map(layer).collect(),
    }
}

fn summary(inside: &Inside) -> Vec<(String, String)> {
    let mut rows = vec![("network".to_string(), inside.network.spec().sizes())];
    if let Some(last) = inside.moments.last() {
        rows.push(("epochs".into(), inside.when(last)));
        rows.push(("loss of the samples".into(), figure(last.figures.loss)));
        if let Some(accuracy) = last.figures.accuracy {
            rows.push(("their accuracy".into(), format!("{:.2} %", 100.0 * accuracy)));
        }
    }
    rows.push(("samples looked at".into(), thousands(inside.samples as f64)));
    rows
}

fn sample(inside: &Inside, excited: &Excited) -> ExcitedSample {
    let data = &inside.prepared.train;
    let values = data.row(excited.sample);
    let shape = picture_shape(data.shape());
    ExcitedSample {
        sample: excited.sample,
        target: inside.target(excited.sample),
        activation: excited.a,
        features: if shape.is_some() {
            String::new()
        } else {
            features_text(&values, &inside.prepared.preprocessing)
        },
        bitmap: shape.map(|(rows, columns)| Bitmap::new(rows, columns, values).shrunk(TILE, TILE)),
    }
}

/// The first layer's weights with the names of the inputs.
fn heat(inside: &Inside, weight: &[f64]) -> Heat {
    let spec = inside.network.spec();
    let (inputs_total, units_total) = (spec.inputs(), spec.layers[0].units);
    let (inputs, units) = (inputs_total.min(HEAT.0), units_total.min(HEAT.1));
    let names = inside.prepared.preprocessing.encoding.as_ref().map(TableEncoding::input_names);
    let name = |i: usize| {
        names.as_ref().and_then(|names| names.get(i).cloned()).unwrap_or(format!("input {}", i + 1))
    };
    Heat {
        inputs: (0..inputs).map(name).collect(),
        units: (1..=units).collect(),
        weights: (0..inputs).flat_map(|i| (0..units).map(move |j| weight[j * inputs_total + i])).collect(),
        inputs_total,
        units_total,
    }
}

/// Histograms over time of each kind, with how to read them.
fn ridges(inside: &Inside) -> Vec<(Ridges, String)> {
    let (row_label, names) = ("epochs".to_string(), ["Activations", "Deltas", "Gradients", "Weights"]);
    let panels = |panel: &dyn Fn(usize) -> RidgePanel| inside.layers.iter().map(|&l| panel(l)).collect();
    let of_sizes = |kind: usize| panels(&|l| sizes(inside, kind, l));
    let each = [
        (
            panels(&|l| activations(inside, l)),
            "What each unit passes on, over samples and units, without zeros. Heights are square roots of counts: few show too.",
        ),
        (
            of_sizes(1),
            "The size of dL/dz, over samples and units, without zeros, on a logarithmic scale: how much of the error \
             reaches a layer.",
        ),
        (of_sizes(2), "The size of the gradient by each weight, without zeros, on a logarithmic scale."),
        (panels(&|l| weights(inside, l)), "The weights themselves."),
    ];
    let same = "All ridges have the same height; the latest is in front.";
    let ridges = |(kind, (panels, note)): (usize, (Vec<RidgePanel>, &str))| {
        let log = kind == 1 || kind == 2;
        let ridges = Ridges { title: names[kind].into(), row_label: row_label.clone(), log, panels };
        (ridges, format!("{note} {same}"))
    };
    each.into_iter().enumerate().map(ridges).collect()
}

/// A panel of layer `l` on an axis, with what a moment has on each part of it.
fn panel(
    inside: &Inside,
    l: usize,
    (low, high): (f64, f64),
    counts: impl Fn(&LayerMoment) -> Vec<f64>,
) -> RidgePanel {
    let row = |m: &Moment| (m.figures.epochs.to_string(), counts(&m.layers[l]));
    let rows = inside.moments.iter().map(row).collect();
    RidgePanel { name: inside.layer_title(l), low, high, rows }
}

fn activations(inside: &Inside, l: usize) -> RidgePanel {
    let seen: Vec<Histogram> =
        inside.moments.iter().map(|moment| moment.layers[l].activations.without_zeros()).collect();
    let (low, high) = range(&seen.iter().collect::<Vec<_>>());
    // Where outputs end, the axis ends.
    let near = (high - low) / 50.0;
    let end = |v: f64| [-1.0, 0.0, 1.0].into_iter().find(|end| (v - end).abs() <= near).unwrap_or(v);
    let (low, high) = (end(low), end(high));
    panel(inside, l, (low, high), |layer| {
        let counts = layer.activations.without_zeros().spread(low, high, parts(&layer.activations));
        counts.into_iter().map(f64::sqrt).collect()
    })
}

fn weights(inside: &Inside, l: usize) -> RidgePanel {
    let (low, high) =
        range(&inside.moments.iter().map(|moment| &moment.layers[l].weights).collect::<Vec<_>>());
    panel(inside, l, (low, high), |layer| layer.weights.spread(low, high, parts(&layer.weights)))
}

fn sizes(inside: &Inside, kind: usize, l: usize) -> RidgePanel {
    let (low, high) = log_range(inside, kind);
    panel(inside, l, (low, high), |layer| {
        let seen = layer.kinds()[kind];
        seen.spread_sizes(low, high, parts(seen))
    })
}

/// Parts for so many numbers.
fn parts(seen: &Histogram) -> usize {
    (2.0 * (seen.count as f64).sqrt()).clamp(PARTS.0 as f64, PARTS.1 as f64) as usize
}

/// The axis that shows all of `histograms`, but for a few numbers at either end.
fn range(histograms: &[&Histogram]) -> (f64, f64) {
    let low = histograms.iter().map(|h| h.quantile(BEYOND)).fold(f64::INFINITY, f64::min);
    let high = histograms.iter().map(|h| h.quantile(1.0 - BEYOND)).fold(f64::NEG_INFINITY, f64::max);
    if low < high { (low, high) } else { (low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0)) }
}

/// The powers of ten that show the sizes of all layers' numbers at all moments: layers are compared by them.
fn log_range(inside: &Inside, kind: usize) -> (f64, f64) {
    let all =
        || inside.layers.iter().flat_map(|&l| inside.moments.iter().map(move |m| m.layers[l].kinds()[kind]));
    let high = all().filter_map(|h| h.size_quantile(1.0)).fold(f64::NEG_INFINITY, f64::max);
    let low = all().filter_map(|h| h.size_quantile(0.02)).fold(f64::INFINITY, f64::min);
    if !(low.is_finite() && high.is_finite()) {
        return (-1.0, 0.0); // nothing but zeros
    }
    let high = high.ceil();
    (low.floor().max(high - DECADES).min(high - 1.0), high)
}

/// The weights of the first units of a first layer, W `(units, inputs)`: as tiles of about `side` pixels with their numbers
/// if inputs are pictures, else a row of pixels for each unit.
pub fn first_layer(input_shape: &[usize], weight: &[f64], side: usize) -> Picture {
    let inputs: usize = input_shape.iter().product();
    let units = weight.chunks_exact(inputs).take(UNITS);
    let Some((rows, columns)) = picture_shape(input_shape) else {
        let columns = inputs.min(WIDEST);
        let values: Vec<f64> = units.flat_map(|unit| &unit[..columns]).copied().collect();
        let matrix = Picture::of_weights(&Bitmap::new(values.len() / columns, columns, values));
        return matrix.enlarged((MATRIX / matrix.rows.max(columns)).max(1));
    };
    let tiles: Vec<Picture> = units
        .enumerate()
        .map(|(at, unit)| {
            let weights = tile(&Bitmap::new(rows, columns, unit.to_vec()), Picture::of_weights, side);
            let number = Picture::of_words(&(at + 1).to_string(), if side < TILE { 1 } else { 2 });
            let mut numbered =
                Picture::plain(weights.rows + 3 + number.rows, weights.columns.max(number.columns), WHITE);
            numbered.draw(&weights, 0, 0);
            numbered.draw(&number, weights.rows + 3, 0);
            numbered
        })
        .collect();
    grid(&tiles, (tiles.len() as f64).sqrt().ceil() as usize, 8)
}

/// The units of a layer in two columns: number, weights if they are a picture, and the most exciting samples.
fn exciting(layer: &ExcitedLayer) -> Option<Picture> {
    layer.units.iter().flat_map(|unit| &unit.samples).find(|sample| sample.bitmap.is_some())?;
    let strip = |unit: &ExcitedUnit| {
        let mut label = Picture::plain(16, 34, WHITE);
        label.draw(&Picture::of_words(&unit.unit.to_string(), 2), 1, 2);
        let weights = unit.weights.as_ref().map(|weights| tile(weights, Picture::of_weights, TILE));
        let samples = unit.samples.iter().filter_map(|sample| sample.bitmap.as_ref()).take(DRAWN);
        let samples = samples.map(|bitmap| tile(bitmap, Picture::of_ink, TILE));
        let gap = weights.is_some().then(|| Picture::plain(1, 6, WHITE));
        let tiles: Vec<Picture> = [label].into_iter().chain(weights).chain(gap).chain(samples).collect();
        row(&tiles, 4)
    };
    let strips: Vec<Picture> = layer.units.iter().map(strip).collect();
    Some(grid(&strips, if strips.len() > 4 { 2 } else { 1 }, 10))
}

/// A bitmap as a picture with a line around it: enlarged to at most `side` pixels if it is smaller, shrunk to a tile if it
/// is larger than one.
fn tile(bitmap: &Bitmap, paint: fn(&Bitmap) -> Picture, side: usize) -> Picture {
    let picture = paint(&bitmap.shrunk(TILE, TILE));
    let longer = picture.rows.max(picture.columns).max(1);
    picture.enlarged((side / longer).max(1)).framed(LINE)
}
