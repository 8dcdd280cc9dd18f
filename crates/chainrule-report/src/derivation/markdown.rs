//! A derivation as Markdown with LaTeX between `$$`, as GitHub, mdBook and notebooks show it.

use super::number::number;
use super::{Look, cut, is_bare, latex, numbers};
use crate::text::clean_line;
use chainrule::explain::{Block, Derivation, Section, Summary, Term};

/// What a worksheet has in place of a result.
const BLANK: &str = "\\underline{\\hspace{6em}}";
/// Addends on a line of a formula.
const A_LINE: usize = 4;
/// A summary's numbers have so many digits.
const FEW: usize = 5;

/// The derivation as Markdown.
pub fn markdown(derivation: &Derivation, look: &Look) -> String {
    let mut out = format!("# {}\n\n", escaped(&derivation.title));
    for (name, statement) in &derivation.given {
        out += &format!("- **{}**: {}\n", escaped(name), escaped(statement));
    }
    for section in &derivation.sections {
        out += &format!("\n## {}\n\n", escaped(&section.title));
        if let Some(law) = section.law {
            out += &format!("$$\n{}\n$$\n\n", latex::law(law));
        }
        out += &blocks(section, look.digits);
    }
    out
}

fn blocks(section: &Section, digits: usize) -> String {
    let block = |block: &Block| match block {
        Block::Text { text } => format!("{}\n\n", escaped(text)),
        Block::Term(one) => term(one, digits),
        Block::Chain { symbol, steps } => {
            let steps = steps.iter().map(|e| latex::addends(e, digits)).collect();
            aligned(&latex::symbol(symbol), steps)
        }
        Block::Equation { parts } => format!("$$\n{}\n$$\n\n", latex::equation(parts, digits)),
        Block::Summaries { rows } => summaries(rows),
        Block::Table { header, rows } => {
            let rows = rows.iter().map(|(name, values)| {
                std::iter::once(name.clone()).chain(values.iter().map(|v| number(*v, digits))).collect()
            });
            table(header, rows.collect())
        }
    };
    section.blocks.iter().map(block).collect()
}

fn term(term: &Term, digits: usize) -> String {
    let formula = cut(&term.formula);
    let mut steps: Vec<Vec<String>> = term.aliases.iter().map(|alias| vec![latex::symbol(alias)]).collect();
    steps.push(latex::addends(&formula, digits));
    if let Some(filled) = numbers(&formula).filter(|_| !is_bare(term)) {
        let filled = latex::addends(&filled, digits);
        if steps.last() != Some(&filled) {
            steps.push(filled);
        }
    }
    let value = vec![term.value.map_or(BLANK.into(), |value| latex::value(value, digits))];
    if steps.last() != Some(&value) {
        steps.push(value);
    }
    let note = term.note.as_ref().map(|note| format!("({})\n\n", escaped(note))).unwrap_or_default();
    aligned(&latex::symbol(&term.symbol), steps) + &note
}

/// symbol = step = step …, below each other; long sums are broken.
fn aligned(symbol: &str, steps: Vec<Vec<String>>) -> String {
    let step = |addends: Vec<String>| {
        addends.chunks(A_LINE).map(|line| line.join(" ")).collect::<Vec<_>>().join(" \\\\\n&\\quad ")
    };
    let steps: Vec<String> = steps.into_iter().map(step).collect();
    format!("$$\n\\begin{{aligned}}\n{symbol} &= {}\n\\end{{aligned}}\n$$\n\n", steps.join(" \\\\\n&= "))
}

fn summaries(rows: &[Summary]) -> String {
    let header = ["", "what", "shape", "mean", "min", "max", "norm", "largest"].map(String::from);
    let row = |s: &Summary| {
        let figures = [s.mean, s.min, s.max, s.norm].map(|v| number(v, FEW));
        let top =
            s.top.iter().map(|q| format!("{} = {}", q.symbol, number(q.value.unwrap_or(f64::NAN), FEW)));
        let shape = format!("({}, {})", s.shape.0, s.shape.1);
        let mut cells = vec![s.symbol.clone(), s.name.clone(), shape];
        cells.extend(figures);
        cells.push(top.collect::<Vec<_>>().join(", "));
        cells
    };
    table(&header, rows.iter().map(row).collect())
}

fn table(header: &[String], rows: Vec<Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|{}\n", " --- |".repeat(header.len()));
    line(header) + &rule + &rows.iter().map(|row| line(row)).collect::<String>() + "\n"
}

/// Text as it is, whatever Markdown would read into it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in clean_line(text).chars() {
        if "\\`*_{}[]<>#|$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
