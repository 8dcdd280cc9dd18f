//! The description of a network: plain data, checked once, then trusted.

use crate::activation::Activation;
use crate::init::Init;
use crate::loss::Loss;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A network as a list of dense layers and a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Shape of one sample, such as `[28, 28]`; flattened for the first layer.
    pub input_shape: Vec<usize>,
    /// The layers from the first hidden one to the output.
    pub layers: Vec<LayerSpec>,
    /// What training makes small.
    pub loss: Loss,
}

/// One dense layer: a = f(W a' + b).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Number of units.
    pub units: usize,
    /// f
    pub activation: Activation,
    /// How W starts.
    pub init: Init,
    /// How b starts.
    #[serde(default = "zeros")]
    pub bias_init: Init,
    /// Whether each unit has a bias.
    #[serde(default)]
    pub bias: BiasMode,
    /// Whether training changes W.
    #[serde(default = "yes")]
    pub train_weights: bool,
    /// Whether training changes b.
    #[serde(default = "yes")]
    pub train_bias: bool,
    /// Share of this layer's activations set to 0 in each training step; the others are scaled by 1/(1 - dropout)
    /// (Srivastava et al. 2014, inverted).
    #[serde(default)]
    pub dropout: f64,
}

/// Which biases a layer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BiasMode {
    /// One for each unit.
    #[default]
    PerUnit,
    /// One for the whole layer.
    Shared,
    /// None.
    None,
}

fn zeros() -> Init {
    Init::Constant { value: 0.0 }
}

fn yes() -> bool {
    true
}

impl LayerSpec {
    /// A layer with one zero bias per unit, everything trained, no dropout.
    pub fn new(units: usize, activation: Activation, init: Init) -> Self {
        Self {
            units,
            activation,
            init,
            bias_init: zeros(),
            bias: BiasMode::PerUnit,
            train_weights: true,
            train_bias: true,
            dropout: 0.0,
        }
    }

    /// Number of biases: units, 1 or 0.
    pub fn biases(&self) -> usize {
        match self.bias {
            BiasMode::PerUnit => self.units,
            BiasMode::Shared => 1,
            BiasMode::None => 0,
        }
    }
}

impl NetworkSpec {
    /// Number of inputs, flattened.
    pub fn inputs(&self) -> usize {
        self.input_shape.iter().product()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.units)
    }

    /// Number of inputs of layer `l`.
    pub fn inputs_of(&self, l: usize) -> usize {
        if l == 0 { self.inputs() } else { self.layers[l - 1].units }
    }

    /// Number of weights and biases of layer `l`, without the padding that they have in memory.
    pub fn parameters_of(&self, l: usize) -> usize {
        let layer = &self.layers[l];
        layer.units * self.inputs_of(l) + layer.biases()
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        (0..self.layers.len()).map(|l| self.parameters_of(l)).sum()
    }

    /// Sizes joined by dashes, such as `784-30-10`.
    pub fn sizes(&self) -> String {
        let sizes = std::iter::once(self.inputs()).chain(self.layers.iter().map(|layer| layer.units));
        sizes.map(|size| size.to_string()).collect::<Vec<_>>().join("-")
    }

    /// What layer `l` is called in messages: `layer 1 of 3 (16 sigmoid units)`, counted from 1 as equations do.
    pub fn layer_name(&self, l: usize) -> String {
        let layer = &self.layers[l];
        format!("layer {} of {} ({} {} units)", l + 1, self.layers.len(), layer.units, layer.activation)
    }

    /// Checks everything that does not depend on data.
    ///
    /// # Errors
    /// Names the layer and setting, what was expected and what was found.
    pub fn check(&self) -> Result<()> {
        if self.inputs() == 0 {
            return Err(Error::setting(
                "input_shape",
                "at least one input",
                format!("{:?}", self.input_shape),
            ));
        }
        let Some(output) = self.layers.last() else {
            return Err(Error::setting("layers", "at least one layer", "none"));
        };
        let last = self.layers.len() - 1;
        let mut count = 0usize;
        for (l, layer) in self.layers.iter().enumerate() {
            let name = |setting: &str| format!("{setting} of layer {}", l + 1);
            if layer.units == 0 {
                return Err(Error::setting(name("units"), "at least 1", 0));
            }
            if !(0.0..1.0).contains(&layer.dropout) {
                return Err(Error::setting(name("dropout"), "a share of 0 to below 1", layer.dropout));
            }
            if l < last && layer.activation == Activation::Softmax {
                let what = format!("softmax in layer {}, which is not the output layer", l + 1);
                return Err(Error::incompatible(what, "use it last, with cross_entropy"));
            }
            count = layer
                .units
                .checked_mul(self.inputs_of(l))
                .and_then(|weights| count.checked_add(weights + layer.biases()))
                .filter(|&total| total <= MAX_PARAMETERS)
                .ok_or_else(|| {
                    let expected = format!("at most {MAX_PARAMETERS} parameters, which fit in memory");
                    Error::setting(name("units"), expected, format!("{} units", layer.units))
                })?;
        }
        if output.dropout > 0.0 {
            let what = "dropout on the output layer: it would drop answers";
            return Err(Error::incompatible(what, "set it on hidden layers"));
        }
        self.loss.accepts(output.activation)
    }
}

/// Above this many parameters (with Adam's vectors and gradients 8 GB of f32) a spec is taken for a slip.
const MAX_PARAMETERS: usize = 1 << 29;

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(layers: &[(usize, &str)], loss: &str) -> NetworkSpec {
        let layer = |&(units, activation): &(usize, &str)| {
            LayerSpec::new(units, activation.parse().unwrap(), "normal".parse().unwrap())
        };
        NetworkSpec {
            input_shape: vec![28, 28],
            layers: layers.iter().map(layer).collect(),
            loss: loss.parse().unwrap(),
        }
    }

    #[test]
    fn counts() {
        let spec = spec(&[(30, "sigmoid"), (10, "sigmoid")], "quadratic");
        assert_eq!((spec.inputs(), spec.outputs(), spec.parameters()), (784, 10, 23_860));
        assert_eq!((spec.parameters_of(0), spec.parameters_of(1)), (784 * 30 + 30, 30 * 10 + 10));
        assert_eq!(spec.sizes(), "784-30-10");
        assert!(spec.check().is_ok());
    }

    #[test]
    fn bad_specs_are_refused_by_name() {
        let refused = |spec: &NetworkSpec, word: &str| {
            let error = spec.check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(&spec(&[], "quadratic"), "layers");
        refused(&spec(&[(0, "relu")], "quadratic"), "units of layer 1");
        refused(&spec(&[(3, "softmax"), (3, "softmax")], "cross_entropy"), "layer 1");
        refused(&spec(&[(3, "relu")], "cross_entropy"), "softmax");
        refused(&spec(&[(usize::MAX, "relu")], "mse"), "memory");
        let mut with_dropout = spec(&[(3, "relu")], "mse");
        with_dropout.layers[0].dropout = 0.5;
        refused(&with_dropout, "output layer");
        with_dropout.layers[0].dropout = f64::NAN;
        refused(&with_dropout, "dropout");
    }
}
