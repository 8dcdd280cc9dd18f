use crate::comparison::TextTable;
use crate::run::{ClassRow, LayerRow};
use crate::text::{clean, fixed, grouped};
use maud::{Markup, html};

/// A table of more rows than this is folded away.
const FOLD: usize = 30;

/// The headline figures.
pub(super) fn summary(figures: &[(String, String)]) -> Markup {
    html! {
        @if !figures.is_empty() {
            dl.summary {
                @for (name, value) in figures {
                    div { dt { (clean(name)) } dd { (clean(value)) } }
                }
            }
        }
    }
}

/// Names and what is said of them.
pub(super) fn pairs(caption: &str, pairs: &[(String, String)]) -> Option<Markup> {
    (!pairs.is_empty()).then(|| {
        html! {
            (scrolling(caption, &html! {
                table {
                    caption.unseen { (caption) }
                    tbody {
                        @for (name, value) in pairs {
                            tr { th scope="row" { (clean(name)) } td { (clean(value)) } }
                        }
                    }
                }
            }))
        }
    })
}

/// The layers of the network and their parameters.
pub(super) fn layers(layers: &[LayerRow]) -> Option<Markup> {
    if layers.is_empty() {
        return None;
    }
    let total = layers.iter().fold(0usize, |sum, layer| sum.saturating_add(layer.parameters));
    Some(scrolling(
        "Layers",
        &html! {
            table.wide {
                caption.unseen { "Layers, from the input on" }
                thead {
                    tr {
                        th scope="col" { "Layer" }
                        th.number scope="col" { "Units" }
                        th scope="col" { "Activation" }
                        th scope="col" { "Initialisation" }
                        th.number scope="col" { "Weights (out × in)" }
                        th scope="col" { "Biases" }
                        th.number scope="col" { "Parameters" }
                    }
                }
                tbody {
                    @for layer in layers {
                        tr {
                            th scope="row" { (clean(&layer.name)) }
                            td.number { (grouped(layer.units)) }
                            td { (clean(&layer.activation)) }
                            td { (clean(&layer.init)) }
                            td.number { (clean(&layer.weights)) }
                            td { (clean(&layer.bias)) }
                            td.number { (grouped(layer.parameters)) }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" colspan="6" { "All" }
                        td.number { (grouped(total)) }
                    }
                }
            }
        },
    ))
}

/// Precision, recall and F1 of each class.
pub(super) fn classes(rows: &[ClassRow]) -> Option<Markup> {
    if rows.is_empty() {
        return None;
    }
    let table = scrolling(
        "Classes",
        &html! {
            table {
                caption.unseen { "Precision, recall and F1 by class" }
                thead {
                    tr {
                        th scope="col" { "Class" }
                        th.number scope="col" { "Precision" }
                        th.number scope="col" { "Recall" }
                        th.number scope="col" { "F1" }
                        th.number scope="col" { "Samples" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (clean(&row.name)) }
                            td.number { (fixed(row.precision, 3)) }
                            td.number { (fixed(row.recall, 3)) }
                            td.number { (fixed(row.f1, 3)) }
                            td.number { (grouped(row.support)) }
                        }
                    }
                }
            }
        },
    );
    Some(folded(rows.len(), &format!("Precision, recall and F1 of {} classes", grouped(rows.len())), table))
}

/// A table of text; its first columns are words, the others numbers.
pub(super) fn text(table: Option<&TextTable>, caption: &str) -> Option<Markup> {
    let table = table.filter(|table| !table.rows.is_empty())?;
    let words = table.text_columns;
    Some(scrolling(
        caption,
        &html! {
            table.wide {
                caption.unseen { (caption) }
                thead {
                    tr {
                        @for (at, name) in table.header.iter().enumerate() {
                            th.number[at >= words] scope="col" { (clean(name)) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 {
                                    th scope="row" { (clean(cell)) }
                                } @else {
                                    td.number[at >= words] { (clean(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        },
    ))
}

/// What is long, folded away under a line that says what it is.
fn folded(rows: usize, what: &str, table: Markup) -> Markup {
    if rows <= FOLD {
        return table;
    }
    html! { details { summary { (what) } (table) } }
}

/// A box that scrolls by itself where its table is wider than the page, also with the keyboard.
pub(super) fn scrolling(name: &str, table: &Markup) -> Markup {
    html! { div.scrolling role="region" aria-label=(name) tabindex="0" { (table) } }
}
