//! The arguments of `chainrule inspect`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
A run keeps its last state only. Any earlier one is reached by training again from its recipe: the same seed gives the same \
bits. That takes as long as training did.\n\
Activations, deltas and gradients are those of up to 1,024 training samples, every class with its share. Layers and units \
count from 1, samples from 0.\n\
Start with: chainrule inspect runs/digits-1 --output seen")]
pub struct InspectArgs {
    /// A model.safetensors file, or a run folder; with --plan also a recipe or data
    pub model: PathBuf,
    /// Settings, with --plan
    #[arg(value_name = "KEY=VALUE", requires = "plan")]
    pub words: Vec<String>,
    /// Show which kernels a run's steps use, and why
    #[arg(long)]
    pub plan: bool,
    /// Print every weight and bias
    #[arg(long)]
    pub weights: bool,
    /// Write histograms, first-layer weights, exciting samples and a page with all of them to this folder
    #[arg(long, value_name = "DIR", conflicts_with = "plan", help_heading = "Inside a run")]
    pub output: Option<PathBuf>,
    /// When to look: after so many epochs (0 is before training), `last`, or `all`: up to 12 moments at equal distances
    /// [default: last; with --output all]
    #[arg(
        long,
        value_name = "EPOCH[,EPOCH…]",
        value_delimiter = ',',
        conflicts_with = "plan",
        help_heading = "Inside a run"
    )]
    pub checkpoint: Vec<When>,
    /// Only this layer; 1 is the first hidden one
    #[arg(long, value_name = "L", conflicts_with = "plan", help_heading = "Inside a run")]
    pub layer: Option<usize>,
    /// Name this many training samples that excite each unit most [with --output: 8]
    #[arg(long, value_name = "K", conflicts_with = "plan", value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Inside a run")]
    pub samples: Option<u64>,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR", conflicts_with = "plan", help_heading = "Inside a run")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl InspectArgs {
    /// Whether something is asked for that takes the data of the run.
    pub fn looks_inside(&self) -> bool {
        self.output.is_some() || !self.checkpoint.is_empty() || self.layer.is_some() || self.samples.is_some()
    }

    /// The moments asked for.
    pub fn when(&self) -> Vec<When> {
        match (self.checkpoint.is_empty(), &self.output) {
            (false, _) => self.checkpoint.clone(),
            (true, Some(_)) => vec![When::All],
            (true, None) => vec![When::Last],
        }
    }

    /// Exciting samples of each unit.
    pub fn exciting(&self) -> usize {
        let usual = if self.output.is_some() { 8 } else { 0 };
        self.samples.unwrap_or(usual) as usize
    }
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// After so many epochs.
    Epoch(u64),
    /// As the run was left.
    Last,
    /// Moments of the whole run.
    All,
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "last" => Ok(Self::Last),
            "all" => Ok(Self::All),
            number => match number.parse() {
                Ok(epochs) => Ok(Self::Epoch(epochs)),
                Err(_) => Err("expected a number of epochs, last or all".into()),
            },
        }
    }
}
