//! The arguments of `chainrule check`.

use clap::{Args, value_parser};
use std::path::PathBuf;

use crate::flags::RunFlags;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
Both ways are computed in 64 bits; with --dtype f32 in 32, as training does. Exit code 1 if a group disagrees. What \
disagrees is explained by measurement: kinks within 2h, the error over h, saturated units, 32 bits; what nothing explains \
is called wrong, with the layer where it starts.\n\
Start with: chainrule check mazur --plot")]
pub struct CheckArgs {
    /// A recipe, data (for its default recipe), or a model; then data for a model, or settings as KEY=VALUE
    #[arg(value_name = "RECIPE | DATA | MODEL | KEY=VALUE")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub flags: RunFlags,
    /// Number of samples, the first that lie at no kink
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..=10_000), help_heading = "Check")]
    pub samples: u64,
    /// These samples instead, from 0, even if they lie at a kink
    #[arg(
        long,
        value_name = "I[,I…]",
        value_delimiter = ',',
        conflicts_with = "samples",
        help_heading = "Check"
    )]
    pub sample: Vec<usize>,
    /// Step of the differences
    #[arg(long, default_value_t = chainrule::gradcheck::H, help_heading = "Check")]
    pub h: f64,
    /// Check N parameters, drawn with --seed, as many of each group; or `all`
    /// [default: all, of large networks as many as take seconds]
    #[arg(long, value_name = "N|all", value_parser = limit, help_heading = "Check")]
    pub parameters: Option<Limit>,
    /// Draw the error over h even if all agrees; with =FILE also to an SVG file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = "Check")]
    pub plot: Option<Option<PathBuf>>,
    /// Instead, measure how long both ways take, on this network and a list of growing ones
    #[arg(long, conflicts_with_all = ["parameters", "plot", "h", "sample"], help_heading = "Check")]
    pub time: bool,
    /// Print JSON
    #[arg(long, help_heading = "Check")]
    pub json: bool,
}

/// How many parameters are checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    All,
    Count(usize),
}

fn limit(text: &str) -> Result<Limit, String> {
    match text.parse() {
        _ if text == "all" => Ok(Limit::All),
        Ok(count) if count > 0 => Ok(Limit::Count(count)),
        _ => Err("expected a number of parameters above 0, or all".into()),
    }
}
