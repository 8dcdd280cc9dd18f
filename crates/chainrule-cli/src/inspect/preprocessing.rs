//! How a model reads data, in words.

use chainrule_io::Preprocessing;
use chainrule_io::encode::{ColumnKind, TableEncoding};

use crate::table::table;
use crate::terminal::{count, figure, list, shortened};

/// Columns shown of a table.
const COLUMNS: usize = 40;

/// From a file to the inputs of the network, in a sentence.
pub fn words(preprocessing: &Preprocessing) -> String {
    let scaling = match &preprocessing.standardization {
        Some(_) => "; numbers standardized: (x - mean) / deviation of the training set",
        None => "",
    };
    match &preprocessing.encoding {
        Some(encoding) => {
            let separator = match encoding.delimiter {
                '\t' => "tabs".to_string(),
                ',' => "commas".to_string(),
                other => format!("'{other}'"),
            };
            let header = if encoding.has_header { "a header" } else { "no header" };
            let columns = count(encoding.inputs.len(), "column");
            let words = if has_words(encoding) { "; an input for each word of a text column" } else { "" };
            format!("a table with {columns} as inputs, separated by {separator}, {header}{words}{scaling}")
        }
        None if preprocessing.scale == 1.0 => format!("values as they are{scaling}"),
        None => {
            let factor = 1.0 / preprocessing.scale;
            let nearest = factor.round();
            let is_whole = (factor - nearest).abs() <= 1e-9;
            let by = if is_whole {
                format!("divided by {nearest}")
            } else {
                format!("times {}", preprocessing.scale)
            };
            format!("bytes {by}{scaling}")
        }
    }
}

fn has_words(encoding: &TableEncoding) -> bool {
    encoding.inputs.iter().any(|column| column.kind != ColumnKind::Numeric)
}

/// The columns of a table, what each holds and by what it is standardized.
pub fn column_table(preprocessing: &Preprocessing) -> Option<String> {
    let encoding = preprocessing.encoding.as_ref()?;
    let figures = preprocessing.standardization.as_ref();
    let dash = || "-".to_string();
    let mut rows = Vec::new();
    let mut input = 0;
    for column in encoding.inputs.iter().take(COLUMNS) {
        let name = shortened(&column.name, 32);
        match &column.kind {
            ColumnKind::Numeric => {
                let shown = |values: Option<&f64>| values.map_or_else(dash, |value| figure(*value));
                let mean = shown(figures.and_then(|figures| figures.mean.get(input)));
                let std = shown(figures.and_then(|figures| figures.std.get(input)));
                rows.push(vec![name, "number".into(), mean, std]);
                input += 1;
            }
            ColumnKind::Categories(words) => {
                rows.push(vec![name, format!("one of {}", list(words, 8)), dash(), dash()]);
                input += words.len();
            }
        }
    }
    for (at, column) in encoding.targets.iter().enumerate() {
        let (name, dash) = (shortened(&column.name, 32), dash());
        let shown = |values: Option<&f64>| values.map_or(dash.clone(), |value| figure(*value));
        let mean = shown(figures.and_then(|figures| figures.target_mean.get(at)));
        let std = shown(figures.and_then(|figures| figures.target_std.get(at)));
        rows.push(vec![name, "the target".into(), mean, std]);
    }
    let more = encoding.inputs.len().saturating_sub(COLUMNS);
    let more = if more > 0 { format!("\n{} more", count(more, "column")) } else { String::new() };
    Some(format!("{}{more}", table(&["column", "holds", "mean", "deviation"], rows, &[2, 3])))
}
