//! From settings to a run: everything that a recipe leaves open is decided here, from the data.

use crate::activation::Activation;
use crate::batch::TargetCoding;
use crate::config::{BatchSize, EarlyStopping, TrainConfig};
use crate::dataset::{Dataset, Targets};
use crate::init::Init;
use crate::loss::Loss;
use crate::metrics::Accuracy;
use crate::optimizer::Optimizer;
use crate::recipe::{LayerSettings, OneOrMany, Settings};
use crate::regularize::Regularize;
use crate::spec::{LayerSpec, NetworkSpec};
use crate::{Error, Result};

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
            (TargetCoding::OneHot, _, Some(_)) => {
                let what = "tolerance with classes: an answer is right or wrong";
                return Err(Error::incompatible(what, "leave it out, or target_coding = \"label\""));
            }
            (TargetCoding::OneHot, _, None) => Accuracy::Argmax,
            (TargetCoding::Values, _, None) if output == Some(Activation::Softmax) => Accuracy::Argmax,
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
        if let Some(coding) = self.target_coding
            && !matches!(coding, TargetCoding::OneHot | TargetCoding::Label)
        {
            let found = format!("{coding:?}").to_lowercase();
            return Err(Error::setting("target_coding", "\"one_hot\" or \"label\"", found));
        }
        if matches!(loss, Loss::CrossEntropy { .. }) {
            check_distributions(data, evaluation_coding, spec.outputs())?;
        }
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
        if epochs == 0 || self.steps == Some(0) {
            return Err(Error::setting("epochs and steps", "at least 1", 0));
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
            bf16: self.dtype == Some(crate::recipe::Dtype::Bf16),
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

/// Cross-entropy is defined for targets that are distributions over two classes or more.
fn check_distributions(data: &Dataset, coding: TargetCoding, outputs: usize) -> Result<()> {
    let refuse = |found: String| {
        let what = format!(
            "cross_entropy with {found}: it is defined for classes, or for shares of them that sum to 1"
        );
        Err(Error::incompatible(what, "loss = \"mse\", or binary_cross_entropy for targets of 0 to 1"))
    };
    if outputs < 2 {
        return refuse(format!("{outputs} output"));
    }
    match (coding, data.targets()) {
        (TargetCoding::Values, Targets::Values { values, .. }) => {
            let distribution =
                |row: &[f64]| row.iter().all(|&v| v >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() <= 1e-6;
            match values.chunks_exact(outputs).position(|row| !distribution(row)) {
                Some(at) => refuse(format!(
                    "the targets {:?} of sample {at}",
                    &values[at * outputs..(at + 1) * outputs]
                )),
                None => Ok(()),
            }
        }
        (TargetCoding::Input, _) => refuse("the inputs as targets".into()),
        _ => Ok(()),
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
