//! The arguments of `chainrule explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::flags::RunFlags;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
Small networks are written out line by line, in the order of the mathematics; large ones are summarised, and any part is \
written out when asked for by name. Layers, units and weights count from 1 as equations do; samples from 0, steps from 1.\n\
Start with: chainrule explain mazur")]
pub struct ExplainArgs {
    /// A recipe, data (for its default recipe), or a model; then settings as KEY=VALUE
    #[arg(value_name = "RECIPE | DATA | MODEL | KEY=VALUE")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub flags: RunFlags,
    /// Data to take samples from: a name or a path [default: that of the recipe or model]
    #[arg(long, value_name = "DATA", help_heading = "What is explained")]
    pub data: Option<String>,
    /// Samples of the training set, from 0, as one batch [default: those of the step; of a model, 0]
    #[arg(long, value_name = "I[,I…]", value_delimiter = ',', help_heading = "What is explained")]
    pub sample: Vec<usize>,
    /// The K-th update [default: 1; with --run the last one]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..), help_heading = "What is explained")]
    pub step: Option<u64>,
    /// A run folder: its recipe, data, number type and checkpoint, replayed to the step
    #[arg(long, value_name = "RUN", conflicts_with_all = ["words", "config", "data"], help_heading = "What is explained")]
    pub run: Option<PathBuf>,
    /// A layer in matrix form
    #[arg(long, value_name = "L", help_heading = "What is explained")]
    pub layer: Vec<usize>,
    /// A unit: h1, o2, or L,J
    #[arg(long, value_name = "NAME", help_heading = "What is explained")]
    pub unit: Vec<String>,
    /// The chain-rule path of a weight: w5, or L,I,J from unit I to unit J of layer L
    #[arg(long, value_name = "NAME", help_heading = "What is explained")]
    pub weight: Vec<String>,
    /// Both update orders side by side
    #[arg(long, help_heading = "What is explained")]
    pub both_orders: bool,
    /// Symbols only: every derivative derived, then in matrix form
    #[arg(long, conflicts_with_all = ["layer", "unit", "weight", "both_orders", "expect", "step", "sample"], help_heading = "What is explained")]
    pub symbolic: bool,
    /// Form of the derivation [default: text; of a worksheet by the ending of its name]
    #[arg(long, value_enum, help_heading = "Output")]
    pub format: Option<Format>,
    /// Decimals of numbers near 1 [default: 9 in f64, else 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=17), help_heading = "Output")]
    pub digits: Option<u8>,
    /// Check homework: CSV with the columns symbol,value, or JSON; symbols as explain writes them
    #[arg(long, value_name = "FILE", conflicts_with = "blank", help_heading = "Homework")]
    pub expect: Option<PathBuf>,
    /// Write a worksheet with the results left out, and beside it FILE's name with .answers.csv
    #[arg(long, value_name = "FILE", help_heading = "Homework")]
    pub blank: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text of at most 80 columns
    Text,
    /// Markdown with LaTeX
    Markdown,
    /// One page with MathML and a drawing, without script
    Html,
    /// Every term: symbol, formula, operands, value
    Json,
}
