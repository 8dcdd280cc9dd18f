use crate::chart::{self, Chart, Curve, Look, Scale, choose_scale};
use crate::run::RunReport;
use crate::text::clean;
use maud::{DOCTYPE, Markup, PreEscaped, html};

mod comparison;
mod confusion;
mod diagnosis;
mod inside;
mod pictures;
mod tables;

pub use comparison::comparison_html;
pub use inside::inside_html;

const STYLE: &str = include_str!("page/style.css");

/// A part of the page: its anchor, its heading, and what it holds.
struct Section {
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// The report of a run as one page of HTML that needs nothing else: its style, charts and pictures are inside,
/// and it has no script.
pub fn html(report: &RunReport) -> String {
    let sections: Vec<Section> = [
        ("diagnosis", "Diagnosis", diagnosis::findings(&report.findings)),
        ("curves", "Learning curves", curves(report)),
        ("metrics", "Metrics", metrics(report)),
        ("confusion", "Confusion", report.confusion.as_ref().and_then(confusion::confusion)),
        ("mistakes", "Worst mistakes", pictures::mistakes(report)),
        ("first-layer", "First layer", pictures::first_layer(&report.first_layer, report.first_layer_total)),
        ("network", "Network", tables::layers(&report.layers)),
        ("profile", "Where the time went", profile(report)),
        ("choices", "What was chosen for you", choices(&report.choices)),
        (
            "conventions",
            "Conventions",
            tables::pairs("Conventions of the figures on this page", &report.conventions),
        ),
        (
            "configuration",
            "Configuration",
            configuration("Every setting of this run, as", "config.toml", &report.config_toml),
        ),
    ]
    .into_iter()
    .filter_map(|(id, heading, body)| Some(Section { id, heading, body: body? }))
    .collect();
    let title = if report.title.trim().is_empty() { "A run of Chainrule" } else { &report.title };
    frame("Chainrule run report", title, &report.summary, &sections, "This run has recorded nothing yet.")
}

/// A whole page: the head of the document, the headline figures, and the sections.
fn frame(
    kind: &str,
    title: &str,
    summary: &[(String, String)],
    sections: &[Section],
    nothing: &str,
) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "Chainrule " (env!("CARGO_PKG_VERSION")) };
                title { (clean(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kind { (kind) }
                    h1 { (clean(title)) }
                    (tables::summary(summary))
                    @if sections.len() > 1 {
                        nav aria-label="Parts of this page" {
                            @for section in sections {
                                a href={ "#" (section.id) } { (section.heading) }
                            }
                        }
                    }
                }
                main {
                    @for section in sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-heading" } {
                            h2 id={ (section.id) "-heading" } { (section.heading) }
                            (section.body)
                        }
                    }
                    @if sections.is_empty() {
                        p.note { (nothing) }
                    }
                }
            }
        }
    }
    .into_string()
}

fn curves(report: &RunReport) -> Option<Markup> {
    let loss = chart("Loss", &report.title, choose_scale(&report.loss), &report.loss);
    let accuracy = chart("Accuracy", &report.title, Scale::Linear, &report.accuracy);
    charts(loss.into_iter().chain(accuracy).collect())
}

/// Curves over epochs, with what they show below; nothing without points.
fn chart(name: &str, title: &str, y_scale: Scale, curves: &[Curve]) -> Option<Markup> {
    if curves.iter().all(|c| c.points.is_empty()) {
        return None;
    }
    let svg =
        chart::render(&Chart { title, x_label: "epoch", y_label: name, y_scale, curves, look: Look::Page });
    Some(html! {
        figure.chart {
            (PreEscaped(svg))
            figcaption {
                (clean(name)) " by epoch"
                @if y_scale == Scale::Log { ", on a logarithmic scale" }
            }
        }
    })
}

/// Charts beside each other.
fn charts(charts: Vec<Markup>) -> Option<Markup> {
    if charts.is_empty() { None } else { Some(html! { div.charts { @for chart in &charts { (chart) } } }) }
}

fn metrics(report: &RunReport) -> Option<Markup> {
    let pairs = tables::pairs("Metrics", &report.metrics);
    let classes = tables::classes(&report.class_table);
    if pairs.is_none() && classes.is_none() {
        return None;
    }
    Some(html! {
        @if !report.evaluated_on.is_empty() { p.note { "On " (clean(&report.evaluated_on)) "." } }
        div.columns {
            @if let Some(pairs) = pairs { (pairs) }
            @if let Some(classes) = classes { (classes) }
        }
    })
}

fn profile(report: &RunReport) -> Option<Markup> {
    let table = tables::text(report.profile.as_ref(), "Where the time went")?;
    Some(html! {
        @if !report.profile_note.is_empty() { p.note { (clean(&report.profile_note)) "." } }
        (table)
    })
}

fn choices(sentences: &[String]) -> Option<Markup> {
    (!sentences.is_empty()).then(|| html! { ul { @for sentence in sentences { li { (clean(sentence)) } } } })
}

fn configuration(what: &str, file: &str, toml: &str) -> Option<Markup> {
    (!toml.trim().is_empty()).then(|| {
        html! {
            details {
                summary { (what) " " code { (file) } }
                pre tabindex="0" { code { (clean(toml)) } }
            }
        }
    })
}
