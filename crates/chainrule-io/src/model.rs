//! The model file: `model.safetensors`.
//!
//! Tensors `layers.{l}.weight` (units, inputs) and `layers.{l}.bias`, l from 0, readable by any safetensors package.
//! The metadata holds, under the key `chainrule`, a JSON document: version, spec, classes, preprocessing, recipe.

use std::path::Path;

use chainrule::Real;
use chainrule::batch::TargetCoding;
use chainrule::metrics::Accuracy;
use chainrule::network::Network;
use chainrule::recipe::{Dtype, Settings};
use chainrule::spec::NetworkSpec;
use serde::{Deserialize, Serialize};

use crate::tensors::{self, Place, TensorFile};
use crate::{Preprocessing, Result};

/// What a model file says beside its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Version of the format, 1.
    pub version: u32,
    /// The network.
    pub spec: NetworkSpec,
    /// Class names in the order of the outputs; empty if it answers with numbers.
    pub classes: Vec<String>,
    /// From a file to its inputs.
    pub preprocessing: Preprocessing,
    /// What its outputs are compared with.
    pub target_coding: TargetCoding,
    /// When an answer counts as correct.
    pub accuracy: Accuracy,
    /// The complete recipe it was trained by.
    pub recipe: Settings,
}

/// A model: a network with its numbers, and all that is needed to use it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What the file says beside its numbers.
    pub info: ModelInfo,
    /// The network.
    pub network: Network,
    /// The type the numbers were trained and are stored in.
    pub dtype: Dtype,
    /// Weights and biases, flat, widened exactly.
    params: Vec<f64>,
}

const VERSION: u32 = 1;

impl ModelInfo {
    /// A description in the current version.
    pub fn new(
        spec: NetworkSpec,
        preprocessing: Preprocessing,
        target_coding: TargetCoding,
        accuracy: Accuracy,
        recipe: Settings,
    ) -> Self {
        let classes = preprocessing.class_names.clone();
        Self { version: VERSION, spec, classes, preprocessing, target_coding, accuracy, recipe }
    }
}

impl Model {
    /// The weights and biases in the number type they are computed in.
    pub fn params<T: Real>(&self) -> Vec<T> {
        self.params.iter().map(|&v| T::from_f64(v)).collect()
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// If it is no safetensors file, has no description, is of a newer version, or tensors do not fit the description.
    pub fn load(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let wanted = "a model written by chainrule (metadata 'chainrule')";
        if file.document(Place::Tensor)?.is_some() {
            let error = file.refuse("a model", "the checkpoint of a run");
            return Err(error.hint("the model is model.safetensors in the run folder"));
        }
        let document = file.document(Place::Metadata)?.ok_or_else(|| {
            file.refuse(wanted, "a safetensors file without it")
                .hint("as initial weights it can be used with: train DATA --init-from FILE")
        })?;
        let json: serde_json::Value = serde_json::from_str(&document)
            .map_err(|error| file.refuse(wanted, format!("metadata that is no JSON: {error}")))?;
        match json.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            version => {
                let found = version.map_or("none".into(), |version| version.to_string());
                return Err(file
                    .refuse(format!("version {VERSION} of the model format"), found)
                    .hint("a newer chainrule may read it"));
            }
        }
        let info: ModelInfo = serde_json::from_value(json)
            .map_err(|error| file.refuse("a complete description", error.to_string()))?;
        let network = Network::new(info.spec.clone())?;
        let params = file.params("", network.layout())?;
        let dtype = file.tensor("layers.0.weight")?.dtype;
        Ok(Self { info, network, dtype, params })
    }
}

/// Writes a model file, whole or not at all. Loading it gives the same bits.
///
/// # Errors
/// If the file cannot be written.
pub fn save_model<T: Real>(path: &Path, info: &ModelInfo, network: &Network, params: &[T]) -> Result<()> {
    tensors::write(path, &tensors::export("", network.layout(), params), Place::Metadata, to_json(info)?)
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| crate::Error::disagree("the description of the file", "JSON", error.to_string()))
}
