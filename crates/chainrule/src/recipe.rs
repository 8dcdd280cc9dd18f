//! Recipes: the settings of a run as a user writes them, and how everything left open is decided.

use crate::activation::Activation;
use crate::batch::TargetCoding;
use crate::config::{BatchSize, ClassWeight, EarlyStopping, Order, StopMetric, TrainConfig, UpdateOrder};
use crate::dataset::{Dataset, Targets};
use crate::init::Init;
use crate::loss::Loss;
use crate::metrics::Accuracy;
use crate::optimizer::Optimizer;
use crate::regularize::{PenaltyScale, Regularize};
use crate::schedule::Schedule;
use crate::spec::{BiasMode, LayerSpec, NetworkSpec};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

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

/// The settings of a run; what is left out is decided by [`Settings::resolve`].
///
/// The same names serve as keys of a TOML recipe, as `key=value` words and, with dashes, as flags.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What the recipe is, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Training data: a name or a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// A folder that holds `mnist/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,
    /// Test data, if it does not come with the training data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Share of the training data held out as test set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_split: Option<f64>,
    /// Validation data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// Share of the training data held out as validation set, at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_split: Option<f64>,
    /// Number of samples held out as validation set: the last ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_last: Option<usize>,
    /// Use only the first samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Target columns; `input` makes an auto-encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<OneOrMany<String>>,
    /// Column of sample weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_weight: Option<String>,
    /// Whether columns are shifted and scaled to mean 0 and standard deviation 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardize: Option<bool>,
    /// How classes become numbers: `one_hot` or `label`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_coding: Option<TargetCoding>,
    /// Train every output towards this number instead of its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_target: Option<f64>,

    /// Units of the hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Vec<usize>>,
    /// Activation of the hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<OneOrMany<Activation>>,
    /// Activation of the output layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_activation: Option<Activation>,
    /// The loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// How weights start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// How biases start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<Init>,
    /// Which biases layers have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<BiasMode>,
    /// Whether weights are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_weights: Option<bool>,
    /// Whether biases are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_bias: Option<bool>,
    /// Share of dropped units in hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// A safetensors file with initial weights and biases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<String>,

    /// The update rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
    /// Its learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Momentum of sgd or rmsprop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// The learning rate over time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Samples per step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<BatchSize>,
    /// Passes over the training set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Order of the samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// L1 penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l1: Option<f64>,
    /// L2 penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    /// What l1 and l2 are stated for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2_scale: Option<PenaltyScale>,
    /// Largest norm of a unit's incoming weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
    /// Largest norm of the gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Factors per class, or `balanced`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// Epochs without improvement after which training stops; 0 for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<u64>,
    /// The figure watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_metric: Option<StopMetric>,
    /// Whether all layers are updated at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_order: Option<UpdateOrder>,
    /// Distance up to which a real answer counts as correct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Whether the training set is passed once more after each epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate_train: Option<bool>,
    /// Epochs between looks at the test set; 0: once, at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<u64>,
    /// Seed of everything random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// `f32` or `f64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Dtype>,
    /// Threads for large products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,

    /// Seeds over which the published figures are compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Whether `reproduce --quick` runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick: Option<bool>,
    /// Where the recipe's system is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The layers one by one, instead of `hidden` and what belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
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
}

/// A layer of a recipe; what is left out comes from the recipe's general settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerSettings {
    /// Number of units; of the output layer by default what the targets need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// Activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// How the weights start: text, or rows of own numbers, one per unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// How the biases start: text, or own numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<Init>,
    /// Which biases the layer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<BiasMode>,
    /// Whether the weights are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_weights: Option<bool>,
    /// Whether the biases are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_bias: Option<bool>,
    /// Share of dropped units.
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it is, in words.
    pub name: String,
    /// The metric: see the list in the recipes' README.
    pub metric: String,
    /// The epoch it belongs to, from 0; the end of the run if neither epoch nor step is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The step after which it is taken, counted from 1; 0 is before training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The published value; none if nothing was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<f64>,
    /// Distance from it up to which ours reproduces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Whether more or less is better; without it, neither is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<Better>,
    /// Which value of several seeds is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_seeds: Option<OverSeeds>,
    /// What explains a difference, with `{…}` for what was measured: see the recipes' README.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is said beside the figure in any case, with `{…}` as in `reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// Settings with every choice made.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The network.
    pub spec: NetworkSpec,
    /// How it is trained.
    pub config: TrainConfig,
    /// The same as a complete recipe.
    pub settings: Settings,
    /// The choices made for the user, one sentence each.
    pub choices: Vec<String>,
}

impl Settings {
    /// Whether the target is the input.
    pub fn is_autoencoder(&self) -> bool {
        self.target.as_ref().is_some_and(|target| target.to_vec() == ["input"])
    }

    /// Decides everything left open, for this training set.
    ///
    /// # Errors
    /// If settings and data do not fit each other; names both.
    pub fn resolve(&self, data: &Dataset) -> Result<Resolved> {
        let mut choices = Vec::new();
        let (outputs, is_classes) = match data.targets() {
            _ if self.is_autoencoder() => (data.inputs(), false),
            Targets::Classes { .. } if self.target_coding == Some(TargetCoding::Label) => (1, false),
            Targets::Classes { names, .. } => (names.len(), true),
            Targets::Values { names, .. } => (names.len(), false),
        };
        let (loss, output_activation) = self.task(data, is_classes, &mut choices)?;
        let spec = NetworkSpec {
            input_shape: data.shape().to_vec(),
            layers: self.layer_specs(outputs, output_activation, &mut choices)?,
            loss,
        };
        spec.check()?;

        let evaluation_coding = if self.is_autoencoder() {
            if spec.outputs() != data.inputs() {
                return Err(Error::shape("output units of an auto-encoder", data.inputs(), spec.outputs()));
            }
            TargetCoding::Input
        } else {
            TargetCoding::fit(data, spec.outputs())?
        };
        let binary = |values: &[f64]| values.iter().all(|&v| v == 0.0 || v == 1.0);
        let output = spec.layers.last().map(|layer| layer.activation);
        let accuracy = match (evaluation_coding, data.targets(), self.tolerance) {
            (TargetCoding::OneHot, _, _) => Accuracy::Argmax,
            (_, _, Some(tolerance)) if tolerance >= 0.0 => Accuracy::Within(tolerance),
            (_, _, Some(tolerance)) => {
                return Err(Error::setting("tolerance", "a number of at least 0", tolerance));
            }
            (TargetCoding::Label, Targets::Classes { names, .. }, _)
                if names.len() == 2 && output == Some(Activation::Sigmoid) =>
            {
                Accuracy::Threshold
            }
            (TargetCoding::Values, Targets::Values { values, .. }, _)
                if output == Some(Activation::Sigmoid) && binary(values) =>
            {
                Accuracy::Threshold
            }
            _ => Accuracy::None,
        };
        let config = self.train_config(data, evaluation_coding, accuracy, &mut choices)?;
        if matches!(loss, Loss::BinaryCrossEntropy { .. }) {
            check_binary_targets(data, evaluation_coding)?;
        }
        config.check(&spec)?;
        let settings = self.complete(&spec, &config);
        Ok(Resolved { spec, config, settings, choices })
    }

    /// Loss and output activation: from each other, or from the targets.
    fn task(
        &self,
        data: &Dataset,
        is_classes: bool,
        choices: &mut Vec<String>,
    ) -> Result<(Loss, Activation)> {
        let cross_entropy = Loss::CrossEntropy { label_smoothing: 0.0 };
        let binary_cross_entropy = Loss::BinaryCrossEntropy { label_smoothing: 0.0 };
        let last = self.layers.as_ref().and_then(|layers| layers.last()).and_then(|layer| layer.activation);
        let given = last.or(self.output_activation);
        let kind =
            if is_classes { format!("{} classes", data.class_names().len()) } else { "numbers".to_string() };
        let pair = match (self.loss, given) {
            (Some(loss), Some(f)) => return loss.accepts(f).map(|()| (loss, f)),
            (Some(loss @ Loss::CrossEntropy { .. }), None) => (loss, Activation::Softmax),
            (Some(loss @ Loss::BinaryCrossEntropy { .. }), None) => (loss, Activation::Sigmoid),
            (Some(loss), None) if is_classes => (loss, Activation::Sigmoid),
            (Some(loss), None) => (loss, Activation::Identity),
            (None, Some(Activation::Softmax)) => (cross_entropy, Activation::Softmax),
            (None, Some(Activation::Sigmoid)) if is_classes => (binary_cross_entropy, Activation::Sigmoid),
            (None, Some(f)) => (Loss::MeanSquaredError, f),
            (None, None) if is_classes => (cross_entropy, Activation::Softmax),
            (None, None) => (Loss::MeanSquaredError, Activation::Identity),
        };
        choices.push(format!("task: the targets are {kind}, so {} outputs and the loss {}", pair.1, pair.0));
        Ok(pair)
    }

    fn layer_specs(
        &self,
        outputs: usize,
        output_activation: Activation,
        choices: &mut Vec<String>,
    ) -> Result<Vec<LayerSpec>> {
        let layers = match (&self.layers, &self.hidden) {
            (Some(_), Some(_)) => {
                return Err(Error::incompatible("layers and hidden both given", "leave out one of them"));
            }
            (Some(layers), None) if layers.is_empty() => {
                return Err(Error::setting("layers", "at least one layer", "none"));
            }
            (Some(layers), None) => layers.clone(),
            (None, hidden) => {
                let hidden = hidden.clone().unwrap_or_else(|| {
                    choices.push("network: one hidden layer of 64 units (hidden)".into());
                    vec![64]
                });
                let layer = |units| LayerSettings { units, ..LayerSettings::default() };
                hidden.into_iter().map(Some).chain([None]).map(layer).collect()
            }
        };
        let last = layers.len() - 1;
        let general = self.activation.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
        if general.len() > 1 && general.len() != last {
            let expected = format!("1, or {last} for {last} hidden layers");
            return Err(Error::shape("activation: number of names", expected, general.len()));
        }
        let specs = layers.iter().enumerate().map(|(l, layer)| {
            let units = layer.units.or((l == last).then_some(outputs)).ok_or_else(|| {
                Error::setting(format!("units of layer {}", l + 1), "a number of at least 1", "none")
            })?;
            let hidden_activation = general.get(l).or(general.first()).copied().unwrap_or(Activation::Relu);
            let activation =
                layer.activation.unwrap_or(if l == last { output_activation } else { hidden_activation });
            let bias = layer.bias.or(self.bias).unwrap_or_default();
            let zeros = Init::Constant { value: 0.0 };
            Ok(LayerSpec {
                units,
                activation,
                init: layer.init.clone().or_else(|| self.init.clone()).unwrap_or(default_init(activation)),
                bias_init: layer.bias_init.clone().or_else(|| self.bias_init.clone()).unwrap_or(zeros),
                bias,
                train_weights: layer.train_weights.or(self.train_weights).unwrap_or(true),
                train_bias: layer.train_bias.or(self.train_bias).unwrap_or(true),
                dropout: layer.dropout.or(self.dropout.filter(|_| l < last)).unwrap_or(0.0),
            })
        });
        specs.collect()
    }

    fn train_config(
        &self,
        data: &Dataset,
        evaluation_coding: TargetCoding,
        accuracy: Accuracy,
        choices: &mut Vec<String>,
    ) -> Result<TrainConfig> {
        let mut optimizer = self.optimizer.unwrap_or(Optimizer::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        });
        if let Some(given) = self.momentum {
            if !(0.0..1.0).contains(&given) {
                return Err(Error::setting("momentum", "a share of 0 to below 1", given));
            }
            match &mut optimizer {
                Optimizer::Sgd { momentum, .. } | Optimizer::RmsProp { momentum, .. } => *momentum = given,
                other => {
                    let what = format!("momentum with {other}");
                    return Err(Error::incompatible(what, "optimizer = \"sgd\", or set beta1 of adam"));
                }
            }
        }
        let lbfgs = matches!(optimizer, Optimizer::Lbfgs { .. });
        let batch_size =
            self.batch_size.unwrap_or(if lbfgs { BatchSize::Full } else { BatchSize::Count(32) });
        let learning_rate = self.learning_rate.unwrap_or(optimizer.default_learning_rate());
        if self.optimizer.is_none() && self.learning_rate.is_none() {
            choices.push("training: adam with learning_rate 0.001".into());
        }
        let steps_per_epoch = data.len().div_ceil(batch_size.of(data.len())) as u64;
        let epochs = match (self.epochs, self.steps) {
            (Some(epochs), _) => epochs,
            (None, Some(steps)) => steps.div_ceil(steps_per_epoch),
            (None, None) => {
                let epochs = 4000u64.div_ceil(steps_per_epoch).clamp(10, 200);
                choices.push(format!("training: {epochs} epochs of {steps_per_epoch} steps (epochs)"));
                epochs
            }
        };
        if epochs == 0 {
            return Err(Error::setting("epochs or steps", "at least 1", 0));
        }
        let class_weights = match &self.class_weight {
            Some(weight) => weight.resolve(data)?,
            None => Vec::new(),
        };
        let early_stopping = self.early_stopping.filter(|&patience| patience > 0).map(|patience| {
            EarlyStopping { metric: self.early_stopping_metric.unwrap_or_default(), patience }
        });
        Ok(TrainConfig {
            batch_size,
            epochs,
            steps: self.steps,
            order: self.order.unwrap_or_default(),
            seed: self.seed.unwrap_or(0),
            optimizer,
            learning_rate,
            schedule: self.schedule.unwrap_or_default(),
            regularize: Regularize {
                l1: self.l1.unwrap_or(0.0),
                l2: self.l2.unwrap_or(0.0),
                l2_scale: self.l2_scale.unwrap_or_default(),
                max_norm: self.max_norm,
                clip_norm: self.clip_norm,
            },
            class_weights,
            early_stopping,
            update_order: self.update_order.unwrap_or_default(),
            coding: self.train_target.map_or(evaluation_coding, TargetCoding::Constant),
            evaluation_coding,
            accuracy,
            evaluate_train: self.evaluate_train.unwrap_or(false),
            evaluate_every: self.evaluate_every.unwrap_or(1),
            threads: self.threads.unwrap_or(1),
        })
    }

    /// These settings with every choice written out.
    fn complete(&self, spec: &NetworkSpec, config: &TrainConfig) -> Self {
        let layer = |layer: &LayerSpec| LayerSettings {
            units: Some(layer.units),
            activation: Some(layer.activation),
            init: Some(layer.init.clone()),
            bias_init: Some(layer.bias_init.clone()),
            bias: Some(layer.bias),
            train_weights: Some(layer.train_weights),
            train_bias: Some(layer.train_bias),
            dropout: Some(layer.dropout),
        };
        Self {
            hidden: None,
            activation: None,
            output_activation: None,
            init: None,
            bias_init: None,
            bias: None,
            train_weights: None,
            train_bias: None,
            dropout: None,
            momentum: None,
            layers: Some(spec.layers.iter().map(layer).collect()),
            loss: Some(spec.loss),
            optimizer: Some(config.optimizer),
            learning_rate: Some(config.learning_rate),
            schedule: Some(config.schedule),
            batch_size: Some(config.batch_size),
            epochs: Some(config.epochs),
            order: Some(config.order),
            l1: Some(config.regularize.l1),
            l2: Some(config.regularize.l2),
            l2_scale: Some(config.regularize.l2_scale),
            early_stopping: Some(config.early_stopping.map_or(0, |stopping| stopping.patience)),
            update_order: Some(config.update_order),
            evaluate_train: Some(config.evaluate_train),
            evaluate_every: Some(config.evaluate_every),
            seed: Some(config.seed),
            dtype: Some(self.dtype.unwrap_or_default()),
            ..self.clone()
        }
    }
}

/// The init that suits an activation: He for those of the ReLU family, Xavier for the others.
fn default_init(activation: Activation) -> Init {
    match activation {
        Activation::Relu
        | Activation::LeakyRelu { .. }
        | Activation::Elu { .. }
        | Activation::Gelu
        | Activation::Silu
        | Activation::Softplus => Init::HeNormal,
        Activation::Identity | Activation::Sigmoid | Activation::Tanh | Activation::Softmax => {
            Init::XavierUniform
        }
    }
}

/// Binary cross-entropy is defined for targets of 0 to 1.
fn check_binary_targets(data: &Dataset, coding: TargetCoding) -> Result<()> {
    let outside = match (coding, data.targets()) {
        (TargetCoding::Label, Targets::Classes { names, .. }) if names.len() > 2 => {
            Some(names.len() as f64 - 1.0)
        }
        (TargetCoding::Values, Targets::Values { values, .. }) => {
            values.iter().copied().find(|v| !(0.0..=1.0).contains(v))
        }
        (TargetCoding::Input, _) => {
            (0..data.len()).flat_map(|s| data.row(s)).find(|v| !(0.0..=1.0).contains(v))
        }
        _ => None,
    };
    match outside {
        None => Ok(()),
        Some(value) => Err(Error::incompatible(
            format!("binary_cross_entropy with a target of {value}: it is defined for targets of 0 to 1"),
            "loss = \"mse\"",
        )),
    }
}
