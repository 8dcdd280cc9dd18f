//! A derivation as one page of HTML that needs nothing else: MathML, a drawing, its style; no script.

use super::number::number;
use super::{Look, cut, is_bare, mathml, network, numbers};
use crate::text::clean_line;
use chainrule::explain::{Block, Derivation, Section, Summary, Term};
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

const STYLE: &str = include_str!("style.css");
/// A summary's numbers have so many digits.
const FEW: usize = 5;

/// The derivation as a page.
pub fn html(derivation: &Derivation, look: &Look) -> String {
    let title = clean_line(&derivation.title);
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "Chainrule " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kind { "Chainrule derivation" }
                    h1 { (title) }
                    dl {
                        @for (name, statement) in &derivation.given {
                            div { dt { (clean_line(name)) } dd { (clean_line(statement)) } }
                        }
                    }
                    @if let Some(picture) = &derivation.picture {
                        div.scrolling tabindex="0" { (network::network(picture)) }
                    }
                    nav aria-label="Parts of this page" {
                        @for (at, section) in derivation.sections.iter().enumerate() {
                            a href={ "#part-" (at + 1) } { (section.title) }
                        }
                    }
                }
                main {
                    @for (at, one) in derivation.sections.iter().enumerate() { (section(at + 1, one, look.digits)) }
                }
            }
        }
    }
    .into_string()
}

fn section(at: usize, section: &Section, digits: usize) -> Markup {
    markup! {
        section id={ "part-" (at) } aria-labelledby={ "heading-" (at) } {
            h2 id={ "heading-" (at) } { (section.title) }
            @if let Some(law) = section.law {
                p.law { (math(&mathml::law(law))) }
            }
            @for block in &section.blocks {
                @match block {
                    Block::Text { text } => p { (clean_line(text)) },
                    Block::Term(one) => (term(one, digits)),
                    Block::Chain { symbol, steps } => {
                        @let steps: Vec<Vec<String>> = steps.iter().map(|e| mathml::addends(e, digits)).collect();
                        (chain(symbol, &steps, None))
                    },
                    Block::Equation { parts } => p.equation { @for piece in mathml::equation(parts, digits) { (math(&piece)) " " } },
                    Block::Summaries { rows } => (summaries(rows)),
                    Block::Table { header, rows } => (table(header, rows, digits)),
                }
            }
        }
    }
}

fn math(inner: &str) -> Markup {
    PreEscaped(mathml::math(inner))
}

fn term(term: &Term, digits: usize) -> Markup {
    let formula = cut(&term.formula);
    let mut steps: Vec<Vec<String>> = term.aliases.iter().map(|alias| vec![mathml::symbol(alias)]).collect();
    steps.push(mathml::addends(&formula, digits));
    if let Some(filled) = numbers(&formula).filter(|_| !is_bare(term)) {
        let filled = mathml::addends(&filled, digits);
        if steps.last() != Some(&filled) {
            steps.push(filled);
        }
    }
    let result = match term.value {
        Some(value) => {
            let value = mathml::value(value, digits);
            if steps.last() == Some(&vec![value.clone()]) {
                steps.pop();
            }
            markup! { b { (math(&value)) } }
        }
        None => markup! { span.blank { "" } },
    };
    markup! {
        (chain(&term.symbol, &steps, Some(result)))
        @if let Some(note) = &term.note { p.note { (clean_line(note)) } }
    }
}

/// symbol = step = step …: pieces between which the browser may break the line, never right after an equals sign.
fn chain(symbol: &str, steps: &[Vec<String>], result: Option<Markup>) -> Markup {
    let equals = || math("<mo form=\"infix\">=</mo>");
    markup! {
        p.term {
            (math(&mathml::symbol(symbol)))
            @for step in steps {
                @for (at, addend) in step.iter().enumerate() {
                    " " span.whole { @if at == 0 { (equals()) } (math(addend)) }
                }
            }
            @if let Some(result) = result { " " span.whole { (equals()) (result) } }
        }
    }
}

fn summaries(rows: &[Summary]) -> Markup {
    markup! {
        div.scrolling tabindex="0" {
            table {
                thead { tr { th {} th { "shape" } @for name in ["mean", "min", "max", "norm"] { th.number { (name) } } th { "largest" } } }
                tbody {
                    @for s in rows {
                        tr {
                            th scope="row" { (s.symbol) span.what { " " (s.name) } }
                            td { (s.shape.0) " × " (s.shape.1) }
                            @for value in [s.mean, s.min, s.max, s.norm] { td.number { (number(value, FEW)) } }
                            td.top { @for top in &s.top { span { (top.symbol) " = " (number(top.value.unwrap_or(f64::NAN), FEW)) } " " } }
                        }
                    }
                }
            }
        }
    }
}

fn table(header: &[String], rows: &[(String, Vec<f64>)], digits: usize) -> Markup {
    markup! {
        div.scrolling tabindex="0" {
            table {
                thead { tr { @for name in header { th { (name) } } } }
                tbody {
                    @for (name, values) in rows {
                        tr { th scope="row" { (name) } @for value in values { td.number { (number(*value, digits)) } } }
                    }
                }
            }
        }
    }
}
