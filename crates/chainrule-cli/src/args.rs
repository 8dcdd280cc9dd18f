//! The command line: subcommands, flags, and how flags become settings.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chainrule_io::recipes::parse_word;
use clap::{Args, Parser, Subcommand, ValueEnum};
use toml::{Table, Value};

/// Trains fully-connected networks on a CPU, and shows its work.
#[derive(Debug, Parser)]
#[command(name = "chainrule", version, about, arg_required_else_help = true, max_term_width = 100)]
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
    /// Show the layers, shapes and parameters of a model or run
    Inspect(InspectArgs),
    /// Check the gradients of a recipe or model against finite differences
    Check(CheckArgs),
    /// Train the published systems again and compare the figures
    Reproduce(ReproduceArgs),
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
    /// Print one JSON document on stdout at the end
    #[arg(long, help_heading = "Run")]
    pub json: bool,
    /// No progress, no summary
    #[arg(long, short, help_heading = "Run")]
    pub quiet: bool,
}

/// Settings of a run, as flags. What is left out comes from the recipe, or is decided from the data.
#[derive(Debug, Default, Args)]
pub struct RunFlags {
    /// Recipe file (TOML of the same settings); flags win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    data_dir: Option<String>,
    /// Test data: a name or a path
    #[arg(long, value_name = "DATA", help_heading = "Data")]
    test: Option<String>,
    /// Share of the training data held out as test set, seeded and stratified [default: 0.2 for tables]
    #[arg(long, value_name = "F", help_heading = "Data")]
    test_split: Option<f64>,
    /// Share of the training data held out as validation set [default: 0; 0.1 with early stopping]
    #[arg(long, value_name = "F", help_heading = "Data")]
    validation_split: Option<f64>,
    /// Use only the first N samples
    #[arg(long, value_name = "N", help_heading = "Data")]
    limit: Option<u64>,
    /// Target columns of a table, by name or number; `input` makes an auto-encoder [default: the last column]
    #[arg(long, value_name = "NAME[,NAME…]", help_heading = "Data")]
    target: Option<String>,
    /// Shift and scale columns to mean 0 and deviation 1 [default: true for tables]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Data")]
    standardize: Option<bool>,

    /// Units of the hidden layers, or `none` [default: 64]
    #[arg(long, value_name = "N[,N…]", help_heading = "Network")]
    hidden: Option<String>,
    /// Activation of all hidden layers, or of each: identity, sigmoid, tanh, relu, leaky_relu, elu, gelu, silu, softplus
    /// [default: relu]
    #[arg(long, value_name = "A[,A…]", help_heading = "Network")]
    activation: Option<String>,
    /// Activation of the outputs [default: softmax for classes, identity for numbers]
    #[arg(long, value_name = "A", help_heading = "Network")]
    output_activation: Option<String>,
    /// Loss: quadratic, mse, mae, huber, cross_entropy, binary_cross_entropy
    /// [default: cross_entropy for classes, mse for numbers]
    #[arg(long, value_name = "L", help_heading = "Network")]
    loss: Option<String>,
    /// Initial weights: normal(std), uniform(low, high), constant(v), zeros, ones, xavier_…, he_…, lecun_normal
    /// [default: he_normal for relu and its like, else xavier_uniform]
    #[arg(long, value_name = "I", help_heading = "Network")]
    init: Option<String>,
    /// Initial biases [default: zeros]
    #[arg(long, value_name = "I", help_heading = "Network")]
    bias_init: Option<String>,
    /// Biases: per-unit, shared (one per layer), none [default: per-unit]
    #[arg(long, value_name = "MODE", help_heading = "Network")]
    bias: Option<String>,
    /// Share of hidden units dropped in each training step [default: 0]
    #[arg(long, value_name = "F", help_heading = "Network")]
    dropout: Option<f64>,
    /// Initial weights and biases from a safetensors file (layers.0.weight, layers.0.bias, …)
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    init_from: Option<String>,

    /// Optimizer: sgd, rmsprop, adagrad, adam, adamw, lbfgs, with options as in `sgd(momentum=0.9, nesterov=true)`
    /// [default: adam]
    #[arg(long, value_name = "O", help_heading = "Training")]
    optimizer: Option<String>,
    /// Learning rate [default: 0.001 for adam, 0.1 for sgd]
    #[arg(long, value_name = "F", help_heading = "Training")]
    learning_rate: Option<f64>,
    /// Momentum of sgd or rmsprop
    #[arg(long, value_name = "F", help_heading = "Training")]
    momentum: Option<f64>,
    /// Learning rate over time: constant, step(epochs, factor), exponential(factor), cosine, plateau(factor, patience),
    /// after a warm-up: warmup(steps)+cosine [default: constant]
    #[arg(long, value_name = "S", help_heading = "Training")]
    schedule: Option<String>,
    /// L1 penalty on weights [default: 0]
    #[arg(long, value_name = "F", help_heading = "Training")]
    l1: Option<f64>,
    /// L2 penalty on weights: adds L2/2 times the sum of their squares to the mean loss [default: 0]
    #[arg(long, value_name = "F", help_heading = "Training")]
    l2: Option<f64>,
    /// Scale the gradient down to this norm
    #[arg(long, value_name = "F", help_heading = "Training")]
    clip_norm: Option<f64>,
    /// Scale the incoming weights of each unit down to this norm
    #[arg(long, value_name = "F", help_heading = "Training")]
    max_norm: Option<f64>,
    /// Samples per step, or `full` [default: 32]
    #[arg(long, value_name = "N|full", help_heading = "Training")]
    batch_size: Option<String>,
    /// Passes over the training set
    #[arg(long, value_name = "N", help_heading = "Training")]
    epochs: Option<u64>,
    /// Updates
    #[arg(long, value_name = "N", help_heading = "Training")]
    steps: Option<u64>,
    /// Stop after N epochs without improvement of the validation loss; 0: never [default: 0]
    #[arg(long, value_name = "N", help_heading = "Training")]
    early_stopping: Option<u64>,
    /// Take the samples in the order of the file
    #[arg(long, help_heading = "Training")]
    no_shuffle: bool,
    /// `simultaneous`, or `output-first`: the output layer is updated before it carries the error back
    #[arg(long, value_name = "ORDER", help_heading = "Training")]
    update_order: Option<String>,
    /// Pass the training set once more after each epoch
    #[arg(long, help_heading = "Training")]
    evaluate_train: bool,
    /// Seed of everything random [default: 0]
    #[arg(long, value_name = "N", help_heading = "Training")]
    seed: Option<u64>,
    /// Number type: f32 or f64 [default: f32]
    #[arg(long, value_name = "TYPE", help_heading = "Training")]
    dtype: Option<String>,
    /// Threads [default: one per core]; never changes the result
    #[arg(long, value_name = "N", help_heading = "Training")]
    threads: Option<u64>,
}

impl RunFlags {
    /// As if only `--config FILE` was given.
    pub fn of_config(file: PathBuf) -> Self {
        Self { config: Some(file), ..Self::default() }
    }

    /// The flags given, as settings.
    pub fn table(&self) -> Result<Table> {
        let mut table = Table::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                table.insert(key.to_string(), value);
            }
        };
        let text = |flag: &Option<String>| flag.clone().map(Value::String);
        let float = |flag: Option<f64>| flag.map(Value::Float);
        let whole = |name: &str, flag: Option<u64>| {
            let number = |n| {
                i64::try_from(n).map(Value::Integer).with_context(|| format!("--{name} {n} is too large"))
            };
            flag.map(number).transpose()
        };
        put("data_dir", text(&self.data_dir));
        put("test", text(&self.test));
        put("test_split", float(self.test_split));
        put("validation_split", float(self.validation_split));
        put("limit", whole("limit", self.limit)?);
        put("target", self.target.as_deref().map(|t| strings(t.split(',').map(str::trim))));
        put("standardize", self.standardize.map(Value::Boolean));
        put("hidden", self.hidden.as_deref().map(sizes).transpose()?);
        put(
            "activation",
            self.activation.as_deref().map(|a| strings(split_outside_parentheses(a).into_iter())),
        );
        put("output_activation", text(&self.output_activation));
        put("loss", text(&self.loss));
        put("init", text(&self.init));
        put("bias_init", text(&self.bias_init));
        put("bias", text(&self.bias));
        put("dropout", float(self.dropout));
        put("init_from", text(&self.init_from));
        put("optimizer", text(&self.optimizer));
        put("learning_rate", float(self.learning_rate));
        put("momentum", float(self.momentum));
        put("schedule", text(&self.schedule));
        put("l1", float(self.l1));
        put("l2", float(self.l2));
        put("clip_norm", float(self.clip_norm));
        put("max_norm", float(self.max_norm));
        let number_or_text = |text: &String| text.parse().map_or(Value::String(text.clone()), Value::Integer);
        put("batch_size", self.batch_size.as_ref().map(number_or_text));
        put("epochs", whole("epochs", self.epochs)?);
        put("steps", whole("steps", self.steps)?);
        put("early_stopping", whole("early-stopping", self.early_stopping)?);
        put("order", self.no_shuffle.then(|| Value::String("file".into())));
        put("update_order", text(&self.update_order));
        put("evaluate_train", self.evaluate_train.then_some(Value::Boolean(true)));
        put("seed", whole("seed", self.seed)?);
        put("dtype", text(&self.dtype));
        put("threads", whole("threads", self.threads)?);
        Ok(table)
    }
}

/// Separates DATA from `key=value` words.
pub fn split_words(words: &[String]) -> Result<(Option<&str>, Table)> {
    let mut table = Table::new();
    let mut data = None;
    for word in words {
        if data.is_none() && (!word.contains('=') || std::path::Path::new(word).exists()) {
            data = Some(word.as_str());
        } else {
            let (key, value) = parse_word(word)?;
            table.insert(key, value);
        }
    }
    Ok((data, table))
}

fn sizes(text: &str) -> Result<Value> {
    let sizes = text.split(',').map(str::trim).filter(|size| !size.is_empty() && *size != "none");
    let number = |size: &str| {
        let parsed = size
            .parse::<u32>()
            .with_context(|| format!("--hidden {text}: expected numbers of units, found '{size}'"));
        parsed.map(|n| Value::Integer(n.into()))
    };
    Ok(Value::Array(sizes.map(number).collect::<Result<_>>()?))
}

fn strings<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    Value::Array(items.map(|item| Value::String(item.to_string())).collect())
}

/// `leaky_relu(0.1),elu(1)` is two names.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let split = text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    split.map(str::trim).collect()
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
Samples count from 0. Columns of targets may be there or not.")]
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
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
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
pub struct InspectArgs {
    /// A model.safetensors file, or a run folder
    pub model: PathBuf,
    /// Print every weight and bias
    #[arg(long)]
    pub weights: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct CheckArgs {
    /// A recipe, data (for its default recipe), or a model; then data for a model, or settings as KEY=VALUE
    #[arg(value_name = "RECIPE | DATA | MODEL | KEY=VALUE")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub flags: RunFlags,
    /// Number of samples
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub samples: u64,
    /// Step of the differences
    #[arg(long, default_value_t = chainrule::gradcheck::H)]
    pub h: f64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// Target columns of a table; `input` for an auto-encoder [default: the last column]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
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
