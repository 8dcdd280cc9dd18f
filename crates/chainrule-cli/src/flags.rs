//! The settings of a run as flags, and how flags and words become settings.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chainrule_io::recipes::parse_word;
use clap::Args;
use toml::{Table, Value};

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
    /// Target columns of a table, by name or number from 1; `input` makes an auto-encoder [default: the last column]
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
    /// Number type: f32, f64, or bf16 (f32 weights, products of rounded operands) [default: f32]
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
        put("target", text(&self.target));
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
