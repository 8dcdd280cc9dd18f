use super::tables::scrolling;
use crate::image::{Bitmap, Palette, png_data_uri};
use crate::run::{Mistake, RunReport};
use crate::text::{clean, clean_line, fixed, grouped, shorten};
use maud::{Markup, html};

/// Pictures are reduced to this many pixels on a side.
const LARGEST: usize = 64;
/// How many mistakes are shown.
const MOST_MISTAKES: usize = 48;
/// How many units of the first layer are shown.
const MOST_UNITS: usize = 64;

/// The mistakes: those with a picture in a grid, those without in a table.
pub(super) fn mistakes(report: &RunReport) -> Option<Markup> {
    let shown = &report.mistakes[..report.mistakes.len().min(MOST_MISTAKES)];
    let total = report.mistakes_total.max(report.mistakes.len());
    let on = clean_line(&report.evaluated_on);
    if total == 0 {
        // Without classes there is nothing to mistake.
        report.confusion.as_ref()?;
        return Some(html! { p { "None" @if !on.is_empty() { " on " (on) } "." } });
    }
    let (drawn, told): (Vec<&Mistake>, Vec<&Mistake>) = shown.iter().partition(|m| picture(m).is_some());
    Some(html! {
        p.note {
            (grouped(total)) @if total == 1 { " mistake" } @else { " mistakes" }
            @if !on.is_empty() { " on " (on) }
            @if shown.is_empty() { "." }
            @else if shown.len() < total { "; the worst " (shown.len()) " are shown, worst first." }
            @else { ", worst first." }
            @if !drawn.is_empty() { " In brackets, the probability the network gave." }
        }
        @if !drawn.is_empty() {
            ul.gallery { @for mistake in drawn { (figure(mistake)) } }
        }
        @if !told.is_empty() { (table(&told)) }
    })
}

fn picture(mistake: &Mistake) -> Option<&Bitmap> {
    mistake.bitmap.as_ref().filter(|bitmap| bitmap.size() != (0, 0))
}

fn figure(mistake: &Mistake) -> Markup {
    let actual = shorten(&clean_line(&mistake.actual), 40);
    let predicted = shorten(&clean_line(&mistake.predicted), 40);
    let alt = format!("sample {}: {actual}, read as {predicted}", mistake.sample);
    html! {
        li {
            figure {
                @if let Some(bitmap) = picture(mistake) {
                    img.ink src=(png_data_uri(&bitmap.shrunk(LARGEST, LARGEST), Palette::Grey)) alt=(alt);
                }
                figcaption {
                    strong { (actual) } " read as " strong { (predicted) }
                    @if mistake.predicted_probability.is_finite() { " (" (fixed(mistake.predicted_probability, 2)) ")" }
                    span.detail {
                        "sample " (mistake.sample)
                        @if mistake.actual_probability.is_finite() {
                            ", " (actual) " (" (fixed(mistake.actual_probability, 2)) ")"
                        }
                    }
                }
            }
        }
    }
}

fn table(mistakes: &[&Mistake]) -> Markup {
    let body = html! {
        table.wide {
            caption.unseen { "The worst mistakes" }
            thead {
                tr {
                    th.number scope="col" { "Sample" }
                    th scope="col" { "Actual" }
                    th.number scope="col" { "Probability" }
                    th scope="col" { "Read as" }
                    th.number scope="col" { "Probability" }
                    th scope="col" { "Features" }
                }
            }
            tbody {
                @for mistake in mistakes {
                    tr {
                        th.number scope="row" { (mistake.sample) }
                        td { (clean(&mistake.actual)) }
                        td.number { (fixed(mistake.actual_probability, 3)) }
                        td { (clean(&mistake.predicted)) }
                        td.number { (fixed(mistake.predicted_probability, 3)) }
                        td.features { (shorten(&clean_line(&mistake.features), 400)) }
                    }
                }
            }
        }
    };
    scrolling("Worst mistakes", &body)
}

/// The weights of the first layer, a picture for each unit.
pub(super) fn first_layer(units: &[Bitmap], total: usize) -> Option<Markup> {
    let shown: Vec<&Bitmap> =
        units.iter().filter(|bitmap| bitmap.size() != (0, 0)).take(MOST_UNITS).collect();
    if shown.is_empty() {
        return None;
    }
    let total = total.max(shown.len());
    Some(html! {
        p.note {
            "The weights of " @if shown.len() < total { "the first " (shown.len()) " of " (grouped(total)) }
            @else if total == 1 { "the only" } @else { "all " (total) }
            @if total == 1 { " unit" } @else { " units" }
            ", each laid out as its input: " span.key.negative { "blue" } " is negative, white zero, "
            span.key.positive { "red" } " positive; each unit has its own scale."
        }
        ul.gallery.units {
            @for (unit, bitmap) in shown.iter().enumerate() {
                li {
                    img src=(png_data_uri(&bitmap.shrunk(LARGEST, LARGEST), Palette::Diverging))
                        alt={ "weights of unit " (unit + 1) } title={ "unit " (unit + 1) };
                }
            }
        }
    })
}
