//! A derivation as plain text of at most 80 columns.

use super::number::number;
use super::{Look, cut, is_bare, law, numbers};
use crate::text::clean_line;
use chainrule::explain::{Block, Derivation, Expr, Matrix, Part, Summary, Term};

const WIDTH: usize = 80;
const BLANK: &str = "____________";
/// A summary's numbers have so many digits.
const FEW: usize = 5;

/// The derivation as text. Lines have at most 80 columns.
pub fn text(derivation: &Derivation, look: &Look) -> String {
    let page = Page { look };
    let mut out = String::new();
    page.heading(&mut out, &clean_line(&derivation.title), '=');
    for (name, statement) in &derivation.given {
        let words = format!("{name:<10}{}", clean_line(statement));
        out += &wrapped(&words, 0, 10).join("\n");
        out.push('\n');
    }
    for section in &derivation.sections {
        out.push('\n');
        page.heading(&mut out, &section.title, '-');
        if let Some(of) = section.law {
            out += &format!("    {}\n", law(of));
        }
        for block in &section.blocks {
            match block {
                Block::Text { text } => {
                    out.push('\n');
                    out += &wrapped(text, 0, 0).join("\n");
                    out.push('\n');
                }
                Block::Term(term) => page.term(&mut out, term),
                Block::Chain { symbol, steps } => {
                    let steps = steps.iter().map(|e| cut(e).to_string()).collect();
                    page.line(&mut out, symbol, steps, false);
                }
                Block::Equation { parts } => page.equation(&mut out, parts),
                Block::Summaries { rows } => summaries(&mut out, rows),
                Block::Table { header, rows } => page.table(&mut out, header, rows),
            }
        }
    }
    out
}

/// One line of a derivation as text.
pub fn line(term: &Term, digits: usize) -> String {
    let mut out = String::new();
    Page { look: &Look { digits, colour: false } }.term(&mut out, term);
    out
}

struct Page<'a> {
    look: &'a Look,
}

impl Page<'_> {
    fn styled(&self, text: &str, code: &str) -> String {
        if self.look.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    fn heading(&self, out: &mut String, title: &str, rule: char) {
        for line in wrapped(title, 0, 0) {
            *out += &format!("{}\n", self.styled(&line, "1"));
        }
        let width = title.chars().count().min(WIDTH);
        *out += &format!("{}\n", rule.to_string().repeat(width));
    }

    fn leaf(&self, e: &Expr) -> String {
        match e {
            Expr::Number(value) => number(*value, self.look.digits),
            other => other.to_string(),
        }
    }

    fn term(&self, out: &mut String, term: &Term) {
        let formula = cut(&term.formula);
        let symbols = formula.addends(&|e| match e {
            Expr::Number(_) => self.leaf(e),
            other => other.to_string(),
        });
        let mut steps = term.aliases.clone();
        steps.push(symbols.join(" "));
        let value = term.value.map(|value| number(value, self.look.digits));
        if let Some(filled) = numbers(&formula).filter(|_| !is_bare(term)) {
            let filled = filled.addends(&|e| self.leaf(e)).join(" ");
            if steps.last() != Some(&filled) && value.as_ref() != Some(&filled) {
                steps.push(filled);
            }
        }
        match value {
            Some(value) if steps.last() == Some(&value) => {}
            Some(value) => steps.push(value),
            None => steps.push(BLANK.into()),
        }
        self.line(out, &term.symbol, steps, true);
        if let Some(note) = &term.note {
            *out += &wrapped(&format!("({note})"), 4, 5).join("\n");
            out.push('\n');
        }
    }

    /// symbol = step = step …: on one line if it fits, else a line for each step.
    fn line(&self, out: &mut String, symbol: &str, steps: Vec<String>, has_value: bool) {
        let whole = format!("{symbol} = {}", steps.join(" = "));
        let result = |text: &str| if has_value { self.styled(text, "32") } else { text.to_string() };
        if whole.chars().count() <= WIDTH {
            let (last, before) =
                steps.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
            let before: String = before.iter().map(|step| format!("{step} = ")).collect();
            *out += &format!("{} = {before}{}\n", self.styled(symbol, "1"), result(last));
            return;
        }
        let indent = symbol.chars().count().min(16) + 1;
        let mut lines: Vec<String> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let is_result = at + 1 == steps.len();
            let mut of_step = wrapped(&format!("= {step}"), indent, indent + 4);
            if is_result && of_step.len() == 1 {
                of_step[0] = format!("{}= {}", " ".repeat(indent), result(step));
            }
            lines.extend(of_step);
        }
        let first = lines[0].trim_start().to_string();
        if symbol.chars().count() + 1 == indent {
            lines[0] = format!("{} {first}", self.styled(symbol, "1"));
        } else {
            lines.insert(0, self.styled(symbol, "1"));
        }
        *out += &lines.join("\n");
        out.push('\n');
    }

    fn table(&self, out: &mut String, header: &[String], rows: &[(String, Vec<f64>)]) {
        let cells: Vec<Vec<String>> = std::iter::once(header.to_vec())
            .chain(rows.iter().map(|(name, values)| {
                let values = values.iter().map(|v| number(*v, self.look.digits));
                std::iter::once(name.clone()).chain(values).collect()
            }))
            .collect();
        out.push('\n');
        *out += &columns(&cells);
    }

    fn equation(&self, out: &mut String, parts: &[Part]) {
        out.push('\n');
        let blocks: Vec<Vec<String>> = parts.iter().map(|part| self.part(part)).collect();
        let width: usize = blocks.iter().map(|block| block_width(block) + 2).sum();
        if width <= WIDTH {
            *out += &side_by_side(&blocks);
            return;
        }
        // Too wide for one line: each matrix below the one before, the signs between them in front.
        let mut lead = String::new();
        for (part, block) in parts.iter().zip(&blocks) {
            if let Part::Sign(sign) = part {
                lead = format!("{lead} {sign}");
                continue;
            }
            let lead = std::mem::take(&mut lead);
            let indent = lead.chars().count() + 1;
            for (at, line) in block.iter().enumerate() {
                let lead = if at == 0 { lead.clone() } else { String::new() };
                *out += &wrapped(&format!("{lead:<indent$} {line}"), 0, indent + 3).join("\n");
                out.push('\n');
            }
        }
        if !lead.is_empty() {
            *out += &wrapped(lead.trim_start(), 2, 4).join("\n");
            out.push('\n');
        }
    }

    /// A part of an equation as lines: a matrix under its name and shape.
    fn part(&self, part: &Part) -> Vec<String> {
        let Part::Matrix(Matrix { symbol, shape: (rows, columns), cells }) = part else {
            let Part::Sign(sign) = part else { return Vec::new() };
            return vec![sign.clone()];
        };
        let name = format!("{symbol} ({rows}, {columns})");
        if cells.is_empty() {
            return vec![name];
        }
        let texts: Vec<String> = cells.iter().map(|e| e.addends(&|e| self.leaf(e)).join(" ")).collect();
        let widest = |column: usize| {
            let column = (0..*rows).map(|row| texts[row * columns + column].chars().count());
            column.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..*columns).map(widest).collect();
        let line = |row: usize| {
            let cells = (0..*columns).map(|c| format!("{:>1$}", texts[row * columns + c], widths[c]));
            format!("[ {} ]", cells.collect::<Vec<_>>().join("  "))
        };
        std::iter::once(name).chain((0..*rows).map(line)).collect()
    }
}

fn block_width(block: &[String]) -> usize {
    block.iter().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// Blocks next to each other: the middle rows of all matrices on one line, and the signs between them on it.
fn side_by_side(blocks: &[Vec<String>]) -> String {
    let height = blocks.iter().map(Vec::len).max().unwrap_or(1);
    let mut lines = vec![String::new(); height];
    for block in blocks {
        let width = block_width(block);
        // A matrix has a line for its name above its rows; a sign, or a name without numbers, is one line.
        let start = match block.len() {
            1 => height / 2,
            length => (height - length) / 2,
        };
        for (at, line) in lines.iter_mut().enumerate() {
            let text = at.checked_sub(start).and_then(|at| block.get(at)).map_or("", String::as_str);
            *line += &format!("  {text:<width$}");
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn summaries(out: &mut String, rows: &[Summary]) {
    let header = ["", "shape", "mean", "min", "max", "norm"].map(String::from).to_vec();
    let row = |s: &Summary| {
        let figures = [s.mean, s.min, s.max, s.norm].map(|v| number(v, FEW));
        [s.symbol.clone(), format!("({}, {})", s.shape.0, s.shape.1)].into_iter().chain(figures).collect()
    };
    let cells: Vec<Vec<String>> = std::iter::once(header).chain(rows.iter().map(row)).collect();
    out.push('\n');
    *out += &columns(&cells);
    out.push('\n');
    for s in rows {
        let top =
            s.top.iter().map(|q| format!("{} = {}", q.symbol, number(q.value.unwrap_or(f64::NAN), FEW)));
        let line = format!("largest {} of {}: {}", s.name, s.symbol, top.collect::<Vec<_>>().join(", "));
        *out += &wrapped(&line, 0, 4).join("\n");
        out.push('\n');
    }
}

/// Columns of cells, the first left-aligned, the others right-aligned.
fn columns(cells: &[Vec<String>]) -> String {
    let count = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| cells.iter().filter_map(|row| row.get(c)).map(|t| t.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|c| width(c).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (text, &width))| {
            if c == 0 { format!("{text:<width$}") } else { format!("  {text:>width$}") }
        });
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    cells.iter().map(line).collect()
}

/// Words as lines of at most 80 columns: the first indented by `first`, the others by `rest`. No line ends in an operator.
fn wrapped(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = vec![" ".repeat(first)];
    let mut fresh = true;
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        // Addends stay whole where they are short: an operator with what follows it, a product with its factors.
        let joins = |last: &str| {
            let open = ["+", "-", "*", "/", "^", "="]
                .iter()
                .any(|sign| last == *sign || last.ends_with(&format!(" {sign}")));
            open || (["*", "/", "^"].contains(&word) && last.chars().count() <= WIDTH / 3)
        };
        match words.last_mut() {
            Some(last) if joins(last) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_string()),
        }
    }
    for word in words {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if !fresh && used + 1 + word.chars().count() > WIDTH {
            lines.push(" ".repeat(rest));
            fresh = true;
        }
        if let Some(line) = lines.last_mut() {
            if !fresh {
                line.push(' ');
            }
            line.push_str(&word);
        }
        fresh = false;
    }
    lines.iter().map(|line| line.trim_end().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix of so many rows under its name.
    fn matrix(rows: usize) -> Vec<String> {
        std::iter::once("M".to_string()).chain((1..=rows).map(|row| format!("[{row}]"))).collect()
    }

    #[test]
    fn signs_stand_beside_a_row_of_every_matrix() {
        let sign = || vec!["=".to_string()];
        for (left, right) in [(1, 1), (2, 2), (1, 2), (2, 1), (3, 1), (3, 2), (4, 1), (4, 3), (5, 5)] {
            let text = side_by_side(&[matrix(left), sign(), matrix(right)]);
            let line = text.lines().find(|line| line.contains('=')).unwrap();
            assert_eq!(line.matches('[').count(), 2, "{left} and {right} rows:\n{text}");
        }
        assert_eq!(side_by_side(&[matrix(1), sign(), matrix(1)]), "  M       M\n  [1]  =  [1]\n");
    }
}
