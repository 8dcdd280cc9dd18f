use super::{Section, chart, charts, configuration, diagnosis, frame, tables};
use crate::comparison::{ComparisonReport, NamedChart};
use crate::text::clean;
use maud::{Markup, html};

/// The report of a comparison as one page of HTML that needs nothing else: its style and charts are inside, and it has
/// no script.
pub fn comparison_html(report: &ComparisonReport) -> String {
    let overlaid = |all: &[NamedChart]| {
        charts(all.iter().filter_map(|c| chart(&c.name, &report.title, c.scale, &c.curves)).collect())
    };
    let inside = tables::text(report.inside.as_ref(), "What was measured inside the networks");
    let inside_charts = overlaid(&report.inside_charts);
    let seen = (inside.is_some() || inside_charts.is_some()).then(|| {
        html! {
            (notes(&report.inside_notes))
            @if let Some(table) = inside { (table) }
            @if let Some(charts) = inside_charts { (charts) }
        }
    });
    let sections: Vec<Section> = [
        ("table", "Side by side", table(report)),
        ("curves", "Curves", overlaid(&report.charts)),
        ("diagnosis", "Why they differ", groups(report)),
        ("inside", "Seen inside", seen),
        ("plan", "Plan", configuration("Everything that was run, as", "compare.toml", &report.plan_toml)),
    ]
    .into_iter()
    .filter_map(|(id, heading, body)| Some(Section { id, heading, body: body? }))
    .collect();
    frame("Chainrule comparison", &report.title, &report.summary, &sections, "Nothing was compared.")
}

fn notes(sentences: &[String]) -> Markup {
    html! { @for sentence in sentences { p.note { (clean(sentence)) } } }
}

fn table(report: &ComparisonReport) -> Option<Markup> {
    if report.rows.is_empty() {
        return None;
    }
    let table = html! {
        table.wide.figures {
            caption.unseen { "Final and best figures of each combination" }
            thead {
                tr {
                    @for (at, name) in report.header.iter().enumerate() {
                        th.number[at > 0] scope="col" { (clean(name)) }
                    }
                }
            }
            tbody {
                @for row in &report.rows {
                    tr.best[row.best] {
                        @for (at, cell) in row.cells.iter().enumerate() {
                            @if at == 0 {
                                th scope="row" {
                                    (clean(cell))
                                    @if !row.diagnosis.is_empty() { span.detail { (clean(&row.diagnosis)) } }
                                }
                            } @else {
                                td.number { (clean(cell)) }
                            }
                        }
                    }
                }
            }
        }
    };
    Some(html! { (notes(&report.notes)) (tables::scrolling("Side by side", &table)) })
}

fn groups(report: &ComparisonReport) -> Option<Markup> {
    (!report.diagnosis.is_empty()).then(|| {
        html! {
            @for group in &report.diagnosis {
                div.group {
                    h3 { (clean(&group.name)) }
                    @if !group.result.is_empty() { p { (clean(&group.result)) } }
                    @match diagnosis::findings(&group.findings) {
                        Some(findings) => (findings),
                        None => p.note { "No rule found anything wrong." }
                    }
                }
            }
        }
    })
}
