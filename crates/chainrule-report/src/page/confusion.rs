use super::tables::scrolling;
use crate::run::Confusion;
use crate::text::{clean, clean_line, fixed, shorten};
use maud::{Markup, html};

/// A matrix of more classes than this is shown as its most confused pairs.
const LARGEST_MATRIX: usize = 30;
/// Names of columns longer than this stand upright where there are many.
const UPRIGHT: usize = 4;
/// How many pairs are shown.
const MOST_PAIRS: usize = 20;
/// A cell of more ink than this has its text in another colour.
const DARK: f64 = 0.75;

/// What was taken for what: a matrix, or the most confused pairs of many classes.
pub(super) fn confusion(confusion: &Confusion) -> Option<Markup> {
    match confusion.names.len() {
        0 => None,
        1..=LARGEST_MATRIX => Some(matrix(confusion)),
        _ => Some(pairs(confusion)),
    }
}

fn matrix(confusion: &Confusion) -> Markup {
    let classes = confusion.names.len();
    let names: Vec<String> = confusion.names.iter().map(|name| shorten(&clean_line(name), 28)).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let upright = widest > UPRIGHT && classes * widest > 60;
    let table = html! {
        table.matrix.upright[upright] {
            caption.unseen { "Confusion matrix: rows are the actual class, columns the predicted one" }
            thead {
                tr {
                    td.corner {}
                    th.axis scope="colgroup" colspan=(classes) { "predicted" }
                }
                tr {
                    th.axis scope="col" { "actual" }
                    @for name in &names { th scope="col" { span { (name) } } }
                }
            }
            tbody {
                @for (actual, name) in names.iter().enumerate() {
                    tr {
                        th scope="row" { (name) }
                        @for predicted in 0..classes { (cell(confusion, actual, predicted)) }
                    }
                }
            }
        }
    };
    html! {
        (scrolling("Confusion matrix", &table))
        p.note {
            "A row holds the samples of one class. " span.key.hit { "Blue" } " is the share read correctly, "
            span.key.miss { "orange" } " the share read as another class, drawn stronger than its share so that single mistakes show."
        }
    }
}

/// One count, shaded by its share of the row: as it is on the diagonal, by its root beside it.
fn cell(confusion: &Confusion, actual: usize, predicted: usize) -> Markup {
    let count = confusion.count(actual, predicted);
    if count == 0 {
        return html! { td.zero { "0" } };
    }
    let share = count as f64 / confusion.samples(actual).max(1) as f64;
    let (kind, ink) = if actual == predicted { ("hit", share) } else { ("miss", share.sqrt()) };
    let kind = if ink > DARK { format!("{kind} dark") } else { kind.to_owned() };
    html! { td class=(kind) style={ "--ink:" (fixed(ink, 2)) } { (count) } }
}

fn pairs(confusion: &Confusion) -> Markup {
    let pairs = confusion.confused_pairs();
    if pairs.is_empty() {
        return html! { p { "No class was taken for another." } };
    }
    let shown = pairs.len().min(MOST_PAIRS);
    let name = |class: usize| clean(confusion.names.get(class).map_or("", String::as_str));
    let share = |actual: usize, count: u64| 100.0 * count as f64 / confusion.samples(actual).max(1) as f64;
    let table = html! {
        table {
            caption.unseen { "The most confused pairs of classes" }
            thead {
                tr {
                    th scope="col" { "Actual" }
                    th scope="col" { "Read as" }
                    th.number scope="col" { "Samples" }
                    th.number scope="col" { "Share of the class" }
                }
            }
            tbody {
                @for &(actual, predicted, count) in &pairs[..shown] {
                    tr {
                        th scope="row" { (name(actual)) }
                        td { (name(predicted)) }
                        td.number { (count) }
                        td.number { (fixed(share(actual, count), 1)) " %" }
                    }
                }
            }
        }
    };
    html! {
        p.note {
            @if shown < pairs.len() { "The " (shown) " most frequent of " (pairs.len()) " confused pairs of classes." }
            @else { "All pairs of classes that were confused." }
        }
        (scrolling("Confused pairs", &table))
    }
}
