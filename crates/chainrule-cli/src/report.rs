//! The charts and the page of a run, from what was measured.

use anyhow::Result;
use chainrule::metrics::Score;
use chainrule::train::{EpochRecord, Trainer};
use chainrule::{Dataset, Real};
use chainrule_io::recipes::to_toml;
use chainrule_io::{Prepared, Preprocessing};
use chainrule_report::{
    Bitmap, ClassRow, Confusion, Curve, LayerRow, Mistake, RunReport, Scale, choose_scale, html, line_chart,
};

use crate::diagnosis;
use crate::finish::{Measured, Summary};
use crate::terminal::count;

/// Mistakes shown.
const MISTAKES: usize = 48;
/// First-layer units shown.
const UNITS: usize = 64;

/// Curves over epochs: (loss, accuracy). Sets that were never evaluated have none.
pub fn curves(history: &[EpochRecord]) -> (Vec<Curve>, Vec<Curve>) {
    type Of = fn(&EpochRecord) -> Option<Score>;
    let sets: [(&str, Of); 4] = [
        ("train (running)", |record| Some(record.train)),
        ("train (after the epoch)", |record| record.evaluated_train),
        ("validation", |record| record.validation),
        ("test", |record| record.test),
    ];
    let (mut loss, mut accuracy) = (Vec::new(), Vec::new());
    for (name, score) in sets {
        let points = |value: fn(Score) -> Option<f64>| -> Vec<(f64, f64)> {
            history.iter().filter_map(|r| Some((r.epoch as f64, score(r).and_then(value)?))).collect()
        };
        for (curves, points) in
            [(&mut loss, points(|score| Some(score.loss))), (&mut accuracy, points(|score| score.accuracy))]
        {
            if !points.is_empty() {
                curves.push(Curve::new(name, points));
            }
        }
    }
    (loss, accuracy)
}

/// `loss.svg`
pub fn loss_chart(curves: &[Curve]) -> String {
    line_chart("Loss", "epoch", "loss", choose_scale(curves), curves)
}

/// `accuracy.svg`
pub fn accuracy_chart(curves: &[Curve]) -> String {
    line_chart("Accuracy", "epoch", "accuracy", Scale::Linear, curves)
}

/// `report.html`
pub fn page<T: Real>(
    trainer: &Trainer<T>,
    prepared: &Prepared,
    summary: &Summary,
    headline: &[(String, String)],
    loss: Vec<Curve>,
    accuracy: Vec<Curve>,
) -> Result<String> {
    let test = summary.test.as_ref();
    let (spec, layout) = (trainer.network().spec(), trainer.network().layout());
    let resolved = &prepared.resolved;
    let layers = spec.layers.iter().enumerate().map(|(l, layer)| LayerRow {
        name: if l + 1 == spec.layers.len() { "output".into() } else { format!("hidden {}", l + 1) },
        units: layer.units,
        activation: layer.activation.to_string(),
        init: layer.init.to_string(),
        weights: format!("{} × {}", layer.units, spec.inputs_of(l)),
        bias: bias_text(layer.bias).into(),
        parameters: spec.parameters_of(l),
    });
    let findings = summary.findings.iter();
    let findings: Vec<_> =
        findings.map(|f| (f.rule, diagnosis::case(f, prepared.train.class_names()))).collect();
    let data = resolved.settings.data.as_deref().unwrap_or("data");
    let classification = test.and_then(|test| test.classification.as_ref());
    let (mistakes, mistakes_total) = match (test, &prepared.test) {
        (Some(test), Some(data)) => mistakes(test, data, &prepared.preprocessing),
        _ => (Vec::new(), 0),
    };
    let first = &spec.layers[0];
    let images = picture_shape(&spec.input_shape).map_or(Vec::new(), |(rows, columns)| {
        let weight = layout.export_weight(0, trainer.result());
        let units = weight.chunks_exact(rows * columns).take(UNITS);
        units
            .map(|unit| Bitmap { rows, columns, values: unit.iter().map(|w| w.to_f64()).collect() })
            .collect()
    });
    Ok(html(&RunReport {
        title: format!("{data}: {}, {}", spec.sizes(), count(trainer.progress().history.len(), "epoch")),
        summary: headline.to_vec(),
        findings: diagnosis::rows(&findings),
        choices: resolved.choices.clone(),
        conventions: summary.conventions.clone(),
        layers: layers.collect(),
        config_toml: to_toml(&resolved.settings)?,
        profile: summary.profile.as_ref().map(crate::profile::Profile::table),
        profile_note: summary.profile.as_ref().map_or(String::new(), |profile| profile.note().into()),
        loss,
        accuracy,
        metrics: test.map(metric_rows).unwrap_or_default(),
        confusion: classification.map(|c| Confusion {
            names: c.classes.iter().map(|c| c.name.clone()).collect(),
            counts: c.confusion.clone(),
        }),
        class_table: classification.map(class_rows).unwrap_or_default(),
        mistakes,
        mistakes_total,
        evaluated_on: test.map_or(String::new(), |test| format!("{} test samples", test.samples)),
        first_layer_total: if images.is_empty() { 0 } else { first.units },
        first_layer: images,
    }))
}

/// The words for a layer's biases.
pub fn bias_text(bias: chainrule::spec::BiasMode) -> &'static str {
    match bias {
        chainrule::spec::BiasMode::PerUnit => "per unit",
        chainrule::spec::BiasMode::Shared => "shared",
        chainrule::spec::BiasMode::None => "none",
    }
}

/// Rows and columns, if samples are pictures.
pub fn picture_shape(shape: &[usize]) -> Option<(usize, usize)> {
    match shape {
        &[rows, columns] if rows > 1 && columns > 1 => Some((rows, columns)),
        _ => None,
    }
}

/// Every metric of a measurement, in words.
pub fn metric_rows(measured: &Measured) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut put = |name: String, value: String| rows.push((name, value));
    put("loss".into(), format!("{:.6}", measured.score.loss));
    if let Some(accuracy) = measured.score.accuracy {
        put("accuracy".into(), format!("{accuracy:.4}"));
    }
    if let Some(c) = &measured.classification {
        for (k, share) in &c.top_k {
            put(format!("top-{k} accuracy"), format!("{share:.4}"));
        }
        if let Some(log_loss) = c.log_loss {
            put("log loss".into(), format!("{log_loss:.6}"));
        }
    }
    if let Some(r) = &measured.regression {
        put("MSE".into(), format!("{:.6}", r.mse));
        put("RMSE".into(), format!("{:.6}", r.rmse));
        put("MAE".into(), format!("{:.6}", r.mae));
        put("R²".into(), r.r2.map_or("undefined (constant targets)".into(), |r2| format!("{r2:.6}")));
    }
    rows
}

fn class_rows(c: &chainrule::metrics::Classification) -> Vec<ClassRow> {
    let all = c.classes.iter().chain([&c.macro_average, &c.weighted_average]);
    all.map(|class| ClassRow {
        name: class.name.clone(),
        precision: class.precision,
        recall: class.recall,
        f1: class.f1,
        support: class.support as usize,
    })
    .collect()
}

/// The wrong answers with the largest loss, and how many there are in all.
fn mistakes(test: &Measured, data: &Dataset, preprocessing: &Preprocessing) -> (Vec<Mistake>, usize) {
    let (Some(labels), true) = (data.labels(), test.classification.is_some()) else { return (Vec::new(), 0) };
    let width = test.outputs.len() / data.len();
    let row = |s: usize| &test.outputs[s * width..(s + 1) * width];
    let probabilities =
        |s: usize| if width == 1 { vec![1.0 - row(s)[0], row(s)[0]] } else { row(s).to_vec() };
    let mut wrong: Vec<(usize, usize, Vec<f64>)> = (0..data.len())
        .map(|s| (s, chainrule::metrics::answer(row(s)), probabilities(s)))
        .filter(|(s, class, _)| *class != labels[*s] as usize)
        .collect();
    wrong.sort_by(|a, b| test.losses[b.0].total_cmp(&test.losses[a.0]));
    let total = wrong.len();
    let shown = wrong.into_iter().take(MISTAKES).map(|(sample, class, p)| {
        let (actual, row) = (labels[sample] as usize, data.row(sample));
        let bitmap = picture_shape(data.shape());
        Mistake {
            sample,
            bitmap: bitmap.map(|(rows, columns)| Bitmap { rows, columns, values: row.clone() }),
            features: if bitmap.is_some() { String::new() } else { features_text(&row, preprocessing) },
            actual: data.class_names()[actual].clone(),
            predicted: data.class_names()[class].clone(),
            actual_probability: p[actual],
            predicted_probability: p[class],
        }
    });
    (shown.collect(), total)
}

/// `petal length = 4.9, colour = red`, in the table's own units.
pub fn features_text(row: &[f64], preprocessing: &Preprocessing) -> String {
    let names =
        preprocessing.encoding.as_ref().map(chainrule_io::TableEncoding::input_names).unwrap_or_default();
    let mut parts = Vec::new();
    for (i, &x) in row.iter().enumerate() {
        let value = preprocessing.standardization.as_ref().map_or(x, |s| x * s.std[i] + s.mean[i]);
        match names.get(i) {
            Some(name) if name.contains('=') && value == 0.0 => {}
            Some(name) if name.contains('=') => parts.push(name.clone()),
            Some(name) => parts.push(format!("{name} = {value:.4}")),
            None => parts.push(format!("{value:.4}")),
        }
    }
    parts.join(", ")
}
