//! Recipes: the settings of a run as a user writes them. What is left out is decided in [`crate::resolve`].

use crate::activation::Activation;
use crate::batch::TargetCoding;
use crate::config::{BatchSize, ClassWeight, Order, StopMetric, UpdateOrder};
use crate::init::Init;
use crate::loss::Loss;
use crate::optimizer::Optimizer;
use crate::regularize::PenaltyScale;
use crate::schedule::Schedule;
use crate::spec::BiasMode;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// One value or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// For all.
    One(T),
    /// One for each.
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    /// All values given.
    pub fn to_vec(&self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value.clone()],
            Self::Many(values) => values.clone(),
        }
    }
}

/// The settings of a run; what is left out is decided by [`Settings::resolve`](crate::resolve).
///
/// The same names serve as keys of a TOML recipe, as `key=value` words and, with dashes, as flags.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What the recipe is, in a sentence.
    pub description: Option<String>,
    /// Training data: a name or a path.
    pub data: Option<String>,
    /// A folder that holds `mnist/`.
    pub data_dir: Option<String>,
    /// Test data, if it does not come with the training data.
    pub test: Option<String>,
    /// Share of the training data held out as test set.
    pub test_split: Option<f64>,
    /// Validation data.
    pub validation: Option<String>,
    /// Share of the training data held out as validation set, at random.
    pub validation_split: Option<f64>,
    /// Number of samples held out as validation set: the last ones.
    pub validation_last: Option<usize>,
    /// Use only the first samples.
    pub limit: Option<usize>,
    /// Target columns, by name or number from 1; `input` makes an auto-encoder.
    #[serde(deserialize_with = "columns")]
    pub target: Option<OneOrMany<String>>,
    /// Column of sample weights, by name or number from 1.
    #[serde(deserialize_with = "column")]
    pub sample_weight: Option<String>,
    /// Whether columns are shifted and scaled to mean 0 and standard deviation 1.
    pub standardize: Option<bool>,
    /// How classes become numbers: `one_hot` or `label`.
    pub target_coding: Option<TargetCoding>,
    /// Train every output towards this number instead of its target.
    pub train_target: Option<f64>,

    /// Units of the hidden layers.
    #[serde(deserialize_with = "one_or_many")]
    pub hidden: Option<Vec<usize>>,
    /// Activation of the hidden layers.
    pub activation: Option<OneOrMany<Activation>>,
    /// Activation of the output layer.
    pub output_activation: Option<Activation>,
    /// The loss.
    pub loss: Option<Loss>,
    /// How weights start.
    pub init: Option<Init>,
    /// How biases start.
    pub bias_init: Option<Init>,
    /// Which biases layers have.
    pub bias: Option<BiasMode>,
    /// Whether weights are trained.
    pub train_weights: Option<bool>,
    /// Whether biases are trained.
    pub train_bias: Option<bool>,
    /// Share of dropped units in hidden layers.
    pub dropout: Option<f64>,
    /// A safetensors file with initial weights and biases.
    pub init_from: Option<String>,

    /// The update rule.
    pub optimizer: Option<Optimizer>,
    /// Its learning rate.
    pub learning_rate: Option<f64>,
    /// Momentum of sgd or rmsprop.
    pub momentum: Option<f64>,
    /// The learning rate over time.
    pub schedule: Option<Schedule>,
    /// Samples per step.
    pub batch_size: Option<BatchSize>,
    /// Passes over the training set.
    pub epochs: Option<u64>,
    /// Updates.
    pub steps: Option<u64>,
    /// Order of the samples.
    pub order: Option<Order>,
    /// L1 penalty.
    pub l1: Option<f64>,
    /// L2 penalty.
    pub l2: Option<f64>,
    /// What l1 and l2 are stated for.
    pub l2_scale: Option<PenaltyScale>,
    /// Largest norm of a unit's incoming weights.
    pub max_norm: Option<f64>,
    /// Largest norm of the gradient.
    pub clip_norm: Option<f64>,
    /// Factors per class, or `balanced`.
    pub class_weight: Option<ClassWeight>,
    /// Epochs without improvement after which training stops; 0 for never.
    pub early_stopping: Option<u64>,
    /// The figure watched.
    pub early_stopping_metric: Option<StopMetric>,
    /// Whether all layers are updated at once.
    pub update_order: Option<UpdateOrder>,
    /// Distance up to which a real answer counts as correct.
    pub tolerance: Option<f64>,
    /// Whether the training set is passed once more after each epoch.
    pub evaluate_train: Option<bool>,
    /// Epochs between looks at the test set; 0: once, at the end.
    pub evaluate_every: Option<u64>,
    /// Seed of everything random.
    pub seed: Option<u64>,
    /// `f32` or `f64`.
    pub dtype: Option<Dtype>,
    /// Threads for large products.
    pub threads: Option<usize>,

    /// Seeds over which the published figures are compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Whether `reproduce --quick` runs it.
    pub quick: Option<bool>,
    /// Where the recipe's system is published.
    pub source: Option<Source>,
    /// The layers one by one, instead of `hidden` and what belongs to it.
    pub layers: Option<Vec<LayerSettings>>,
    /// Published figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
}

/// The number type of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32 bits: for training.
    #[default]
    F32,
    /// 64 bits: for explaining and checking.
    F64,
    /// 32 bits, but products read their operands rounded to 16: for training large networks where the CPU has such
    /// instructions. Models are those of f32.
    Bf16,
}

/// A layer of a recipe; what is left out comes from the recipe's general settings.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerSettings {
    /// Number of units; of the output layer by default what the targets need.
    pub units: Option<usize>,
    /// Activation.
    pub activation: Option<Activation>,
    /// How the weights start: text, or rows of own numbers, one per unit.
    pub init: Option<Init>,
    /// How the biases start: text, or own numbers.
    pub bias_init: Option<Init>,
    /// Which biases the layer has.
    pub bias: Option<BiasMode>,
    /// Whether the weights are trained.
    pub train_weights: Option<bool>,
    /// Whether the biases are trained.
    pub train_bias: Option<bool>,
    /// Share of dropped units.
    pub dropout: Option<f64>,
}

/// Where a recipe's system is published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Short name, such as `S2`.
    pub id: String,
    /// Author and title.
    pub title: String,
}

/// A published figure and how it is compared.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it is, in words.
    pub name: String,
    /// The metric: see the list in the recipes' README.
    pub metric: String,
    /// The epoch it belongs to, from 0; the end of the run if neither epoch nor step is given.
    pub epoch: Option<u64>,
    /// The step after which it is taken, counted from 1; 0 is before training.
    pub step: Option<u64>,
    /// The published value; none if nothing was published.
    pub published: Option<f64>,
    /// Distance from it up to which ours reproduces it.
    pub tolerance: Option<f64>,
    /// Whether more or less is better; without it, neither is.
    pub better: Option<Better>,
    /// Which value of several seeds is compared.
    pub over_seeds: Option<OverSeeds>,
    /// What explains a difference, with `{…}` for what was measured: see the recipes' README.
    pub reason: Option<String>,
    /// What is said beside the figure in any case, with `{…}` as in `reason`.
    pub note: Option<String>,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Accuracy.
    Higher,
    /// Loss.
    Lower,
}

/// The value that stands for those of several seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverSeeds {
    /// The middle one, or the mean of the two in the middle.
    #[default]
    Median,
    /// The smallest: what every seed reaches.
    Min,
    /// The largest.
    Max,
}

/// A column by its name, or by its number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Column {
    Name(String),
    Number(i64),
}

impl From<Column> for String {
    fn from(column: Column) -> Self {
        match column {
            Column::Name(name) => name,
            Column::Number(number) => number.to_string(),
        }
    }
}

fn column<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Column>::deserialize(deserializer)?.map(String::from))
}

fn columns<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<OneOrMany<String>>, D::Error> {
    Ok(Option::<OneOrMany<Column>>::deserialize(deserializer)?.map(|columns| match columns {
        OneOrMany::One(column) => OneOrMany::One(column.into()),
        OneOrMany::Many(columns) => OneOrMany::Many(columns.into_iter().map(String::from).collect()),
    }))
}

/// `hidden = 8` is one layer.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<usize>>, D::Error> {
    Ok(Option::<OneOrMany<usize>>::deserialize(deserializer)?.map(|sizes| sizes.to_vec()))
}
