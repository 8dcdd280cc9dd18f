//! A few rows of a table, as it was read.

use chainrule::{Dataset, Targets};
use chainrule_io::TableEncoding;
use chainrule_io::encode::ColumnKind;

use super::show::label;
use crate::table::table;
use crate::terminal::{count, shortened, width};

/// Longest cell of a row that is shown.
const CELL: usize = 16;

/// A few rows with the names of their columns, as many columns as fit.
pub fn few(encoding: &TableEncoding, data: &Dataset, samples: &[usize]) -> String {
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    let inputs: Vec<Vec<f64>> = samples.iter().map(|&sample| data.row(sample)).collect();
    let mut input = 0;
    for column in &encoding.inputs {
        let wide = match &column.kind {
            ColumnKind::Numeric => 1,
            ColumnKind::Categories(words) => words.len(),
        };
        let cell = |row: &Vec<f64>| match &column.kind {
            ColumnKind::Numeric => row[input].to_string(),
            ColumnKind::Categories(words) => {
                let word = row[input..input + wide].iter().position(|&x| x == 1.0);
                word.map_or(String::new(), |word| words[word].clone())
            }
        };
        columns.push((column.name.clone(), inputs.iter().map(cell).collect()));
        input += wide;
    }
    if !encoding.targets.is_empty() {
        match data.targets() {
            Targets::Classes { .. } => {
                let name = encoding.targets[0].name.clone();
                columns.push((name, samples.iter().map(|&sample| label(data, sample)).collect()));
            }
            Targets::Values { values, names } => {
                columns.extend(names.iter().enumerate().map(|(at, name)| {
                    let cell = |&sample: &usize| values[sample * names.len() + at].to_string();
                    (name.clone(), samples.iter().map(cell).collect())
                }));
            }
        }
    }
    let columns: Vec<(String, Vec<String>)> = columns
        .into_iter()
        .map(|(name, cells)| (shortened(&name, CELL), cells.iter().map(|c| shortened(c, CELL)).collect()))
        .collect();
    let (kept, left_out) = fitting(&columns, width());
    let header: Vec<&str> =
        std::iter::once("sample").chain(kept.iter().map(|&at| columns[at].0.as_str())).collect();
    let row = |(place, sample): (usize, &usize)| {
        let cells = kept.iter().map(|&at| columns[at].1[place].clone());
        std::iter::once(sample.to_string()).chain(cells).collect()
    };
    let shown = table(&header, samples.iter().enumerate().map(row).collect(), &[0]);
    let note =
        if left_out > 0 { format!("\n{} not shown", count(left_out, "column")) } else { String::new() };
    format!("{shown}{note}")
}

/// Which columns fit into a width, the last one (the target) always among them; and how many do not.
fn fitting(columns: &[(String, Vec<String>)], width: usize) -> (Vec<usize>, usize) {
    let wide = |at: usize| {
        let cells = columns[at].1.iter().chain([&columns[at].0]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + 2
    };
    let Some(last) = columns.len().checked_sub(1) else { return (Vec::new(), 0) };
    let mut used = 8 + wide(last);
    let mut kept = Vec::new();
    for at in 0..last {
        used += wide(at);
        if used > width {
            break;
        }
        kept.push(at);
    }
    kept.push(last);
    let left_out = columns.len() - kept.len();
    (kept, left_out)
}
