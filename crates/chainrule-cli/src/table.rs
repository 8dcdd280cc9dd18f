//! Tables as a terminal shows them: no wider than it, and no number or word is ever broken.
//!
//! What does not fit is first wrapped at spaces: headings, and cells of text. If that is not enough the columns are
//! divided among several tables below each other, each of which begins with the columns that name a row.

use console::measure_text_width;

use crate::terminal::{one_line, width};

/// Spaces between columns.
const GAP: usize = 2;
/// Text is not wrapped into columns narrower than this while there is another way.
const READABLE: usize = 24;

/// Paints a cell, already laid out: row, column, text.
type Paint<'p> = &'p dyn Fn(usize, usize, &str) -> String;

/// A table without frames. `right` numbers the columns that hold numbers.
pub fn table(header: &[&str], rows: Vec<Vec<String>>, right: &[usize]) -> String {
    lay_out(header, rows, right, width(), &|_, _, text| text.to_string())
}

/// A table with whole lines, however wide.
pub fn unbroken(header: &[&str], rows: Vec<Vec<String>>, right: &[usize]) -> String {
    lay_out(header, rows, right, usize::MAX, &|_, _, text| text.to_string())
}

/// A table of which `paint` colours cells.
pub fn painted(header: &[&str], rows: Vec<Vec<String>>, right: &[usize], paint: Paint) -> String {
    lay_out(header, rows, right, width(), paint)
}

/// A column and the widths it can have.
struct Column {
    name: String,
    is_number: bool,
    cells: Vec<String>,
    /// With nothing wrapped.
    full: usize,
    /// With text still readable.
    readable: usize,
    /// With every space a new line.
    least: usize,
}

impl Column {
    fn new(name: &str, is_number: bool, cells: Vec<String>) -> Self {
        let widest = |of: &dyn Fn(&str) -> usize| cells.iter().map(|cell| of(cell)).max().unwrap_or(0);
        let whole = widest(&measure_text_width);
        let wrapped = if is_number { whole } else { widest(&longest_word) };
        let least = wrapped.max(longest_word(name));
        Self {
            full: whole.max(measure_text_width(name)),
            readable: least.max(if is_number { 0 } else { whole.min(READABLE) }),
            least,
            name: name.to_string(),
            is_number,
            cells,
        }
    }
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(measure_text_width).max().unwrap_or(0)
}

fn lay_out(header: &[&str], rows: Vec<Vec<String>>, right: &[usize], width: usize, paint: Paint) -> String {
    let cell = |row: &Vec<String>, at: usize| row.get(at).map_or_else(String::new, |cell| one_line(cell));
    let column = |(at, name): (usize, &&str)| {
        Column::new(&one_line(name), right.contains(&at), rows.iter().map(|row| cell(row, at)).collect())
    };
    let columns: Vec<Column> = header.iter().enumerate().map(column).collect();
    let tables: Vec<String> = divided(&columns, width)
        .iter()
        .map(|shown| draw(&columns, shown, &widths(&columns, shown, width), rows.len(), paint))
        .collect();
    tables.join("\n\n")
}

/// The width of these columns beside each other.
fn total(columns: &[Column], shown: &[usize], of: impl Fn(&Column) -> usize) -> usize {
    shown.iter().map(|&at| of(&columns[at])).sum::<usize>() + GAP * shown.len().saturating_sub(1)
}

/// The columns of each table: one if it fits, else several that repeat the columns before the first number.
fn divided(columns: &[Column], width: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..columns.len()).collect();
    if total(columns, &all, |c| c.readable) <= width {
        return vec![all];
    }
    let is_text = columns.iter().all(|column| !column.is_number);
    if is_text && total(columns, &all, |c| c.least) <= width {
        return vec![all];
    }
    let names = columns.iter().take_while(|column| !column.is_number).count();
    let mut keys: Vec<usize> = (0..if is_text { 1 } else { names.clamp(1, columns.len()) }).collect();
    while keys.len() > 1 && 2 * total(columns, &keys, |c| c.readable) > width {
        keys.pop();
    }
    let mut tables: Vec<Vec<usize>> = Vec::new();
    for at in keys.len()..columns.len() {
        match tables.last_mut() {
            Some(last) if total(columns, &[&last[..], &[at]].concat(), |c| c.readable) <= width => {
                last.push(at);
            }
            _ => tables.push([&keys[..], &[at]].concat()),
        }
    }
    if tables.is_empty() { vec![keys] } else { tables }
}

/// The width of each of these columns: what is missing is taken from those that can be wrapped, the widest first.
fn widths(columns: &[Column], shown: &[usize], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = shown.iter().map(|&at| columns[at].full).collect();
    let mut over = (widths.iter().sum::<usize>() + GAP * shown.len().saturating_sub(1)).saturating_sub(width);
    for least in [|c: &Column| c.readable, |c: &Column| c.least] {
        while over > 0 {
            let can_shrink = (0..shown.len()).filter(|&i| widths[i] > least(&columns[shown[i]]));
            let Some(widest) = can_shrink.max_by_key(|&i| widths[i]) else { break };
            widths[widest] -= 1;
            over -= 1;
        }
    }
    widths
}

fn draw(columns: &[Column], shown: &[usize], widths: &[usize], rows: usize, paint: Paint) -> String {
    let wrapped = |text: &str, i: usize| crate::terminal::wrapped(text.split(' '), widths[i]);
    let mut lines = Vec::new();
    let headings: Vec<Vec<String>> =
        shown.iter().enumerate().map(|(i, &at)| wrapped(&columns[at].name, i)).collect();
    let height = headings.iter().map(Vec::len).max().unwrap_or(0);
    let bottom = |heading: Vec<String>| [vec![String::new(); height - heading.len()], heading].concat();
    let headings: Vec<Vec<String>> = headings.into_iter().map(bottom).collect();
    let plain = |_: usize, text: &str| text.to_string();
    push(&mut lines, columns, shown, widths, &headings, &plain);
    lines.push("─".repeat(widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)));
    for row in 0..rows {
        let cells: Vec<Vec<String>> =
            shown.iter().enumerate().map(|(i, &at)| wrapped(&columns[at].cells[row], i)).collect();
        push(&mut lines, columns, shown, widths, &cells, &|at, text| paint(row, at, text));
    }
    lines.join("\n")
}

/// The lines of a row, whose cells may have several.
fn push(
    lines: &mut Vec<String>,
    columns: &[Column],
    shown: &[usize],
    widths: &[usize],
    cells: &[Vec<String>],
    paint: &dyn Fn(usize, &str) -> String,
) {
    for at in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
        let (mut line, mut owed) = (String::new(), 0);
        for (i, cell) in cells.iter().enumerate() {
            let text = cell.get(at).map_or("", String::as_str);
            let space = widths[i].saturating_sub(measure_text_width(text));
            let (before, after) = if columns[shown[i]].is_number { (space, 0) } else { (0, space) };
            if !text.is_empty() {
                line += &" ".repeat(owed + before);
                line += &paint(shown[i], text);
                owed = after + GAP;
            } else {
                owed += widths[i] + GAP; // no line ends in spaces
            }
        }
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(header: &[&str], rows: &[&[&str]], right: &[usize], width: usize) -> String {
        let rows = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        lay_out(header, rows, right, width, &|_, _, text| text.to_string())
    }

    const GROUPS: &[&[&str]] =
        &[&["layer 1 W", "1,605,632", "5.453e-12", "two words"], &["layer 2 b", "1", "0", "x"]];

    #[test]
    fn what_fits_is_one_table() {
        let text = plain(&["group", "count", "error", "verdict"], GROUPS, &[1, 2], 80);
        let lines = [
            "group          count      error  verdict",
            "──────────────────────────────────────────",
            "layer 1 W  1,605,632  5.453e-12  two words",
            "layer 2 b          1          0  x",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn headings_wrap_and_columns_move_below() {
        let text = plain(&["group", "count", "relative error", "verdict"], GROUPS, &[1, 2], 44);
        assert!(text.starts_with("                         relative\ngroup"), "{text}");
        let text = plain(&["group", "count", "error", "verdict"], GROUPS, &[1, 2], 24);
        let lines = [
            "group          count",
            "────────────────────",
            "layer 1 W  1,605,632",
            "layer 2 b          1",
            "",
            "group          error",
            "────────────────────",
            "layer 1 W  5.453e-12",
            "layer 2 b          0",
            "",
            "group      verdict",
            "────────────────────",
            "layer 1 W  two words",
            "layer 2 b  x",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn cells_are_painted_where_they_stand() {
        let rows = vec![vec!["a".to_string(), "1".to_string()]];
        let text = lay_out(&["name", "n"], rows, &[1], 80, &|row, at, text| format!("<{row},{at} {text}>"));
        assert_eq!(text.lines().last(), Some("<0,0 a>     <0,1 1>"));
    }

    /// Whatever the table and the width: no line is wider unless a single cell is, and every word of every cell stands
    /// in the text as it is.
    #[test]
    fn no_word_is_broken_at_any_width() {
        let words =
            ["5.4532e-12", "layers.0.weight", "±", "0.31", "日本語", "a", "1,863,690", "diagnosis", "–"];
        let mut state = 7u64;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        for _ in 0..300 {
            let count = 1 + next(12);
            let mut phrase = |most: usize| -> String {
                let length = next(most + 1);
                (0..length).map(|_| words[next(words.len())]).collect::<Vec<_>>().join(" ")
            };
            let header: Vec<String> = (0..count).map(|_| phrase(3)).collect();
            let rows: Vec<Vec<String>> = (0..5).map(|_| (0..count).map(|_| phrase(8)).collect()).collect();
            let right: Vec<usize> = (0..count).filter(|at| at % 3 == 1).collect();
            let names: Vec<&str> = header.iter().map(String::as_str).collect();
            for width in [20, 40, 80, 100] {
                let text = lay_out(&names, rows.clone(), &right, width, &|_, _, text| text.to_string());
                // Numbers stand whole; the columns that name a row leave room for one more beside them.
                let numbers = right.iter().flat_map(|&at| rows.iter().map(move |row| &row[at]));
                let widest = numbers.clone().map(|cell| measure_text_width(cell)).max().unwrap_or(0);
                for line in text.lines() {
                    assert!(
                        measure_text_width(line) <= width.max(widest.max(15) + 15 + GAP),
                        "{width}: {line}"
                    );
                    for word in line.split(' ').filter(|word| !word.is_empty() && !word.starts_with('─')) {
                        assert!(words.contains(&word), "{width}: '{word}' in\n{text}");
                    }
                }
                for cell in numbers {
                    assert!(text.contains(cell.as_str()), "{width}: '{cell}' is broken in\n{text}");
                }
                let all = |text: &str| words.map(|word| text.matches(word).count());
                let joined = rows.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
                let pairs = all(&text).into_iter().zip(all(&joined));
                assert!(pairs.clone().all(|(shown, had)| shown >= had), "{width}: a word is lost in\n{text}");
            }
        }
    }
}
