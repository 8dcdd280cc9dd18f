//! The command line: subcommands and their arguments.

use std::path::PathBuf;

use chainrule::recipe::Dtype;
use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::args::BenchArgs;
use crate::check::args::CheckArgs;
use crate::explain::args::ExplainArgs;
use crate::flags::RunFlags;
use crate::fool::args::FoolArgs;
use crate::inspect::args::InspectArgs;

/// Trains fully-connected networks on a CPU, and shows its work.
#[derive(Debug, Parser)]
#[command(name = "chainrule", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Start with: chainrule train digits")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network; writes a run folder with model, history, charts and a report
    Train(TrainArgs),
    /// Measure a model on a data set
    Eval(EvalArgs),
    /// Answer for samples: class and probabilities, or numbers
    Predict(PredictArgs),
    /// Show the layers, shapes and parameters of a model or run, and look inside: histograms, weights, exciting samples
    Inspect(InspectArgs),
    /// Write out an update with every number: forward, loss, the four equations, the new weights
    Explain(ExplainArgs),
    /// Change inputs a little so that the network answers wrongly, and see how little it takes
    Fool(FoolArgs),
    /// Check the gradients of a recipe or model against finite differences, and explain what disagrees
    Check(CheckArgs),
    /// Train with every combination of settings, side by side, and say why one fails
    Compare(CompareArgs),
    /// Train the published systems again and compare the figures
    Reproduce(ReproduceArgs),
    /// Measure how fast this machine trains and answers
    Bench(BenchArgs),
    /// List the recipes, or print one
    Recipes(RecipesArgs),
    /// List, show or fetch data sets
    Data(DataArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct TrainArgs {
    /// Data: digits, mnist, xor, mazur, the name of a recipe, or a path to a CSV or TSV table, an IDX file, or a folder
    /// or zip of bitmaps. Then settings of a recipe as KEY=VALUE
    #[arg(value_name = "DATA | KEY=VALUE")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub flags: RunFlags,
    /// Folder to write the run to [default: runs/DATA-N, the next free N]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub run_dir: Option<PathBuf>,
    /// Continue a run that was interrupted, to the same bits
    #[arg(long, value_name = "RUN", conflicts_with = "run_dir", help_heading = "Run")]
    pub resume: Option<PathBuf>,
    /// Save the state every N steps [default: at most every 5 seconds]; it is saved on Ctrl-C and at the end too
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Run")]
    pub checkpoint_every: Option<u64>,
    /// Write event files for TensorBoard: scalars, histograms, first-layer weights [DIR: RUN/tensorboard]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, help_heading = "Run")]
    pub tensorboard: Option<Option<PathBuf>>,
    /// Measure where the time goes, beside what the plan predicted: printed at the end, in summary.json and the report
    #[arg(long, help_heading = "Run")]
    pub profile: bool,
    /// Print one JSON document on stdout at the end
    #[arg(long, help_heading = "Run")]
    pub json: bool,
    /// No progress, no summary
    #[arg(long, short, help_heading = "Run")]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct EvalArgs {
    /// The model: a model.safetensors file, or a run folder
    pub model: PathBuf,
    /// Data with targets: a name (its test set) or a path
    pub data: String,
    /// Measure on the training part of a data set that has two
    #[arg(long)]
    pub train: bool,
    /// Compute in f32, f64, or bf16: products of operands rounded to 16 bits, f32 sums [default: as the model is stored]
    #[arg(long, value_name = "TYPE", value_parser = dtype())]
    pub dtype: Option<Dtype>,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
Classes: the class with the largest output, and the outputs: probabilities of softmax outputs; of other outputs, \
such as sigmoid ones, the outputs as they are, which need not sum to 1. One sigmoid output for two classes is the \
probability of the second.\n\
Numbers: in the unit of the target. An auto-encoder answers with its outputs, in the unit of its inputs.\n\
Samples count from 0. Columns of targets may be there or not.\n\
A picture must be as those learned from: of their size, and light on dark as MNIST and digits are; to invert one: \
magick IN.png -negate OUT.png.")]
pub struct PredictArgs {
    /// The model: a model.safetensors file, or a run folder
    pub model: PathBuf,
    /// Data: a name (its test set), a path (a table, a PNG, a text bitmap, …), or - for standard input
    pub data: String,
    /// Form of the answers
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// JSON lines: the same as --format jsonl
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Only these samples, from 0
    #[arg(long, value_name = "I[,I…]", value_delimiter = ',')]
    pub sample: Vec<usize>,
    /// Also write dE/dx, how each input moves the loss with the true class (without targets: with the class answered): to
    /// a PNG file, a CSV file, or a folder, which gets a PNG for each sample
    #[arg(long, value_name = "FILE | DIR")]
    pub saliency: Option<PathBuf>,
    /// Compute in f32, f64, or bf16: products of operands rounded to 16 bits, f32 sums [default: as the model is stored]
    #[arg(long, value_name = "TYPE", value_parser = dtype())]
    pub dtype: Option<Dtype>,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// A number type by its name in recipes.
fn dtype() -> impl TypedValueParser<Value = Dtype> {
    let names = clap::builder::PossibleValuesParser::new(["f32", "f64", "bf16"]);
    names.map(|name| match name.as_str() {
        "f64" => Dtype::F64,
        "bf16" => Dtype::Bf16,
        _ => Dtype::F32,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header and a line per sample
    Csv,
    /// A JSON object per line
    Jsonl,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
Lists: --vary init=normal,uniform,zeros,ones --vary learning_rate=0.01,0.1 runs all 8 combinations. \
Settings joined by + vary together: --vary init+bias_init=normal,ones.\n\
Ranges, quoted for the shell: \"learning_rate=log(1e-4,1)\", dropout=linear(0,0.5), hidden=log(8,256); drawn at random, or --grid.\n\
Results are the same for any number of threads. A search, and --halving, choose by validation samples, never by the \
test set.")]
pub struct CompareArgs {
    /// A recipe, or data (for its default recipe); then settings as KEY=VALUE
    #[arg(value_name = "RECIPE | DATA | KEY=VALUE")]
    pub words: Vec<String>,
    /// A setting and its values, or a range: KEY=VALUE,VALUE… or KEY=log(LOW,HIGH) or KEY=linear(LOW,HIGH)
    #[arg(long, value_name = "KEY=VALUES", help_heading = "Comparison")]
    pub vary: Vec<String>,
    /// Runs of each combination, with the seeds from --seed on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Comparison")]
    pub repeat: u64,
    /// Cross-validation: K runs, each holding out another K-th of the training samples as validation set
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=1000), help_heading = "Comparison")]
    pub folds: Option<u64>,
    /// Combinations drawn at random from ranges and lists [default: 20 if there is a range]
    #[arg(long, value_name = "N", conflicts_with = "grid", value_parser = clap::value_parser!(u64).range(1..=10_000), help_heading = "Comparison")]
    pub trials: Option<u64>,
    /// Instead, N values of each range at equal distances, in all combinations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1000), help_heading = "Comparison")]
    pub grid: Option<u64>,
    /// Successive halving: begin with few epochs, and go on with the best 1/ETA of the combinations for ETA times as many
    #[arg(long, value_name = "ETA", num_args = 0..=1, default_missing_value = "3", value_parser = clap::value_parser!(u64).range(2..=10), help_heading = "Comparison")]
    pub halving: Option<u64>,
    /// The accuracy (or loss, if targets have none) to which epochs and seconds are counted
    /// [default: 95 % of the best accuracy, or 110 % of the best loss, of all combinations]
    #[arg(long, value_name = "VALUE", help_heading = "Comparison")]
    pub reach: Option<f64>,
    #[command(flatten)]
    pub flags: RunFlags,
    /// Folder to write to [default: runs/NAME-compare-N, the next free N]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub run_dir: Option<PathBuf>,
    /// Continue a comparison that was interrupted; what is finished is kept
    #[arg(long, value_name = "DIR", conflicts_with_all = ["words", "vary", "run_dir", "repeat", "folds", "trials", "grid", "halving"], help_heading = "Run")]
    pub resume: Option<PathBuf>,
    /// Print one JSON document on stdout at the end
    #[arg(long, help_heading = "Run")]
    pub json: bool,
    /// No progress, no summary
    #[arg(long, short, help_heading = "Run")]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Recipes by name [default: the quick ones]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The recipes that take seconds
    #[arg(long, conflicts_with_all = ["all", "names"])]
    pub quick: bool,
    /// All recipes with a source: takes minutes
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// A recipe file with figures
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "names", "quick"])]
    pub config: Option<PathBuf>,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RecipesArgs {
    /// Print the recipe of this name as TOML
    #[arg(value_parser = recipe_names())]
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The recipes that come with the program; clap names the closest to a slip.
fn recipe_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(chainrule_io::recipes::RECIPES.iter().map(|(name, _)| *name))
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// The data sets known by name, and where they lie
    List {
        /// A folder that holds mnist/ [env: CHAINRULE_DATA]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Shape, classes, counts and ranges of a data set, and a few samples
    Show(ShowArgs),
    /// Download a data set and check its SHA-256
    #[command(arg_required_else_help = true)]
    Fetch {
        /// The data set
        #[arg(value_parser = ["mnist"])]
        name: String,
        /// Folder to write mnist/ to [default: the user's cache]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ShowArgs {
    /// A name or a path
    pub data: String,
    /// Target columns of a table, by name or number from 1; `input` for an auto-encoder [default: the last column]
    #[arg(long, value_name = "NAME[,NAME…]")]
    pub target: Vec<String>,
    /// Number of samples to draw
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub samples: usize,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
