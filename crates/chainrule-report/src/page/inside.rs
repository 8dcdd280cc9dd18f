use super::{Section, frame, pictures, tables};
use crate::image::{Bitmap, Palette, png_data_uri};
use crate::inside::{ExcitedLayer, ExcitedSample, ExcitedUnit, Heat, InsideReport};
use crate::ridges::{self, Ground};
use crate::text::{clean, clean_line, fixed, grouped, shorten};
use maud::{Markup, PreEscaped, html};

/// Pictures are reduced to this many pixels on a side.
const LARGEST: usize = 64;

/// What was seen inside a network as one page of HTML that needs nothing else.
pub fn inside_html(report: &InsideReport) -> String {
    let first = pictures::first_layer(&report.first_layer, report.first_layer_total);
    let sections: Vec<Section> = [
        ("histograms", "Histograms over time", histograms(report)),
        ("first-layer", "First layer", first.or_else(|| report.heat.as_ref().and_then(heat))),
        ("exciting", "What excites a unit", exciting(&report.excited)),
        ("figures", "Layer by layer", figures(report)),
    ]
    .into_iter()
    .filter_map(|(id, heading, body)| Some(Section { id, heading, body: body? }))
    .collect();
    frame("Inside a network", &report.title, &report.summary, &sections, "Nothing was looked at.")
}

fn figures(report: &InsideReport) -> Option<Markup> {
    let table = tables::text(report.figures.as_ref(), "Figures by layer and moment");
    (table.is_some() || !report.notes.is_empty()).then(|| {
        html! {
            @for note in &report.notes { p.note { (clean(note)) } }
            @if let Some(table) = table { (table) }
        }
    })
}

fn histograms(report: &InsideReport) -> Option<Markup> {
    let shown: Vec<_> = report.ridges.iter().filter(|(ridges, _)| !ridges.is_empty()).collect();
    (!shown.is_empty()).then(|| {
        html! {
            @for (ridges, note) in shown {
                @let panels = ridges.panels.len().clamp(1, 3);
                div.group {
                    h3 { (clean(&ridges.title)) }
                    p.note { (clean(note)) }
                    figure.ridges style=(format!("max-width: {}rem", 22 * panels)) {
                        (PreEscaped(ridges::render(ridges, Ground::Page)))
                    }
                }
            }
        }
    })
}

/// A coloured table of weights: a row for each input, a column for each unit.
fn heat(heat: &Heat) -> Option<Markup> {
    if heat.inputs.is_empty()
        || heat.units.is_empty()
        || heat.weights.len() < heat.inputs.len() * heat.units.len()
    {
        return None;
    }
    let largest = heat.weights.iter().filter(|w| w.is_finite()).fold(0.0, |m: f64, w| m.max(w.abs()));
    let table = html! {
        table.heat {
            caption.unseen { "Weights of the first layer" }
            thead {
                tr {
                    th scope="col" { "Input" }
                    @for unit in &heat.units { th.number scope="col" { (unit) } }
                }
            }
            tbody {
                @for (name, row) in heat.inputs.iter().zip(heat.weights.chunks(heat.units.len())) {
                    tr {
                        th scope="row" { (shorten(&clean_line(name), 40)) }
                        @for &weight in row { (cell(weight, largest)) }
                    }
                }
            }
        }
    };
    Some(html! {
        p.note {
            "The weight from each input (row) to each unit (column)"
            @if heat.units.len() < heat.units_total {
                "; the first " (heat.units.len()) " of " (grouped(heat.units_total)) " units"
            }
            @if heat.inputs.len() < heat.inputs_total {
                "; the first " (heat.inputs.len()) " of " (grouped(heat.inputs_total)) " inputs"
            }
            ": " span.key.negative { "blue" } " is negative, " span.key.positive { "red" } " positive, on one scale."
        }
        (tables::scrolling("Weights of the first layer", &table))
    })
}

fn cell(weight: f64, largest: f64) -> Markup {
    let share = if largest > 0.0 { (weight / largest).abs().min(1.0) } else { 0.0 };
    let ink = format!("--ink: {:.2}", 0.6 * share);
    html! {
        td.number.minus[weight < 0.0].plus[weight > 0.0] style=(ink) { (fixed(weight, 2)) }
    }
}

fn exciting(layers: &[ExcitedLayer]) -> Option<Markup> {
    let layers: Vec<_> = layers.iter().filter(|layer| !layer.units.is_empty()).collect();
    (!layers.is_empty()).then(|| {
        html! {
            @for layer in layers {
                div.group {
                    h3 { (clean(&layer.name)) }
                    p.note {
                        @if layer.units.len() < layer.total {
                            "The first " (layer.units.len()) " of " (grouped(layer.total)) " units: the"
                        } @else { "The" }
                        " training samples with the largest activation, largest first, each with its target and the "
                        "activation."
                        @if layer.units.len() < layer.total { " Those of all units are in inspect.json." }
                    }
                    @if layer.units.iter().any(|unit| unit.samples.iter().any(|s| s.bitmap.is_some())) {
                        @for unit in &layer.units { (strip(unit)) }
                    } @else { (told(layer)) }
                }
            }
        }
    })
}

fn image(bitmap: &Bitmap, palette: Palette) -> String {
    png_data_uri(&bitmap.shrunk(LARGEST, LARGEST), palette)
}

/// A unit and its samples in a row.
fn strip(unit: &ExcitedUnit) -> Markup {
    html! {
        div.strip {
            figure {
                @if let Some(weights) = &unit.weights {
                    img.weights src=(image(weights, Palette::Diverging)) alt={ "weights of unit " (unit.unit) };
                }
                figcaption { strong { "unit " (unit.unit) } }
            }
            @if unit.samples.is_empty() { p.note { "No training sample excites it." } }
            @else { @for sample in &unit.samples { (picture(sample)) } }
        }
    }
}

fn picture(sample: &ExcitedSample) -> Markup {
    let target = shorten(&clean_line(&sample.target), 24);
    html! {
        figure {
            @if let Some(bitmap) = &sample.bitmap {
                img.ink src=(image(bitmap, Palette::Grey)) alt={ "sample " (sample.sample) ": " (target) }
                    title={ "sample " (sample.sample) };
            }
            figcaption { strong { (target) } " " span.detail { (activation(sample.activation)) } }
        }
    }
}

fn activation(value: f64) -> String {
    if value.abs() >= 1e4 || (value != 0.0 && value.abs() < 1e-3) {
        format!("{value:.1e}")
    } else {
        format!("{value:.3}")
    }
}

/// Units whose samples are rows of features, as a table.
fn told(layer: &ExcitedLayer) -> Markup {
    let table = html! {
        table.wide {
            caption.unseen { "The most exciting samples of each unit" }
            thead {
                tr {
                    th.number scope="col" { "Unit" }
                    th.number scope="col" { "Sample" }
                    th.number scope="col" { "Activation" }
                    th scope="col" { "Target" }
                    th scope="col" { "Features" }
                }
            }
            tbody {
                @for unit in &layer.units {
                    @if unit.samples.is_empty() {
                        tr { th.number scope="row" { (unit.unit) } td colspan="4" { "No training sample excites it." } }
                    } @else {
                        @for (at, sample) in unit.samples.iter().enumerate() {
                            tr {
                                th.number scope="row" { @if at == 0 { (unit.unit) } }
                                td.number { (sample.sample) }
                                td.number { (activation(sample.activation)) }
                                td { (shorten(&clean_line(&sample.target), 40)) }
                                td.features { (shorten(&clean_line(&sample.features), 400)) }
                            }
                        }
                    }
                }
            }
        }
    };
    tables::scrolling("Most exciting samples", &table)
}
