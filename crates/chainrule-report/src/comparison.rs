use crate::chart::{Curve, Scale};
use crate::run::FindingRow;

/// All that the page of a comparison shows, from which [`crate::comparison_html`] makes it. A part left empty is left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparisonReport {
    /// What was compared: `digits-online: init`.
    pub title: String,
    /// Headline figures, name and value.
    pub summary: Vec<(String, String)>,
    /// Sentences on how to read the table.
    pub notes: Vec<String>,
    /// Names of the table's columns; the first is that of the combinations.
    pub header: Vec<String>,
    /// A row per combination.
    pub rows: Vec<ComparisonRow>,
    /// Curves of all combinations over each other.
    pub charts: Vec<NamedChart>,
    /// What the rules say of each combination.
    pub diagnosis: Vec<Group>,
    /// Sentences on how to read what was measured inside the networks.
    pub inside_notes: Vec<String>,
    /// What was measured inside the networks, by combination and layer.
    pub inside: Option<TextTable>,
    /// The same over time.
    pub inside_charts: Vec<NamedChart>,
    /// The plan, as the program reads it back.
    pub plan_toml: String,
}

/// A combination in the table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparisonRow {
    /// Its cells, the first its name.
    pub cells: Vec<String>,
    /// What is wrong with it, in a few words; may be empty.
    pub diagnosis: String,
    /// Whether it was found to be the best.
    pub best: bool,
}

/// A chart and what it shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NamedChart {
    /// What its y axis is.
    pub name: String,
    /// How values are laid out along it.
    pub scale: Scale,
    /// Its curves.
    pub curves: Vec<Curve>,
}

/// The findings of a combination.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// The combination.
    pub name: String,
    /// How it went, in a sentence.
    pub result: String,
    /// What is wrong with it; may be empty.
    pub findings: Vec<FindingRow>,
}

/// A table of text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextTable {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
    /// Columns that hold text; the others hold numbers.
    pub text_columns: usize,
}
