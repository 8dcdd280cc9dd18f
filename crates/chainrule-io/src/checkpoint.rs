//! Checkpoints: the complete state of a run, from which it continues to the same bits.
//!
//! A safetensors file: `layers.{l}.weight` and `.bias` as in a model, the same under `best.` with early stopping, and
//! `optimizer.*`, flat in the order of the parameters in memory. Everything else is JSON in the bytes of a tensor `state`:
//! the history of a long run would not fit into the header.

use std::path::Path;

use chainrule::Real;
use chainrule::diagnose::Record;
use chainrule::layout::Layout;
use chainrule::train::{Progress, Snapshot};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::model::to_json;
use crate::tensors::{self, Place, TensorFile};

/// A state to save, or one that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint<T> {
    /// The trainer's state.
    pub snapshot: Snapshot<T>,
    /// What belongs to it beside the trainer.
    pub extra: Extra,
}

/// What a checkpoint keeps beside the trainer's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Extra {
    /// Seconds of training at the end of each epoch.
    pub seconds: Vec<f64>,
    /// Seconds of training in all.
    pub elapsed: f64,
    /// Fingerprint of the training set: at a resume it must be the same.
    pub fingerprint: String,
    /// The SIMD path that computed so far; on another one the last bits may differ.
    pub simd: String,
    /// What was measured of the run so far.
    #[serde(default)]
    pub diagnosis: Option<Record>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    progress: Progress,
    optimizer: Vec<String>,
    optimizer_steps: u64,
    has_best: bool,
    extra: Extra,
}

/// 2: XXH3 as fingerprint, parameters in panels.
const VERSION: u32 = 2;

/// Writes a checkpoint, whole or not at all.
///
/// # Errors
/// If the file cannot be written; the one before it stays.
pub fn save_checkpoint<T: Real>(path: &Path, layout: &Layout, checkpoint: &Checkpoint<T>) -> Result<()> {
    let Checkpoint { snapshot, extra } = checkpoint;
    let mut all = tensors::export("", layout, &snapshot.params);
    if let Some(best) = &snapshot.best {
        all.extend(tensors::export("best.", layout, best));
    }
    for (name, vector) in &snapshot.optimizer {
        all.push((format!("optimizer.{name}"), vec![vector.len()], vector.clone()));
    }
    let document = Document {
        version: VERSION,
        progress: snapshot.progress.clone(),
        optimizer: snapshot.optimizer.iter().map(|(name, _)| name.clone()).collect(),
        optimizer_steps: snapshot.optimizer_steps,
        has_best: snapshot.best.is_some(),
        extra: extra.clone(),
    };
    tensors::write(path, &all, Place::Tensor, to_json(&document)?)
}

/// Reads a checkpoint of a network with this layout.
///
/// # Errors
/// If it is none, is damaged, or belongs to another network.
pub fn load_checkpoint<T: Real>(path: &Path, layout: &Layout) -> Result<Checkpoint<T>> {
    let file = TensorFile::open(path)?;
    let wanted = format!("a checkpoint of version {VERSION}");
    let document = file.document(Place::Tensor)?;
    let document = document.ok_or_else(|| file.refuse(&wanted, "a file without a state"))?;
    let document: Document =
        serde_json::from_str(&document).map_err(|error| file.refuse(&wanted, error.to_string()))?;
    if document.version != VERSION {
        return Err(file.refuse(&wanted, format!("version {}", document.version)));
    }
    let optimizer = document
        .optimizer
        .into_iter()
        .map(|name| {
            let vector = file.vector(&format!("optimizer.{name}"), layout.len())?;
            Ok((name, vector))
        })
        .collect::<Result<Vec<_>>>()?;
    let best = document.has_best.then(|| file.params("best.", layout)).transpose()?;
    let snapshot = Snapshot {
        progress: document.progress,
        params: file.params("", layout)?,
        optimizer,
        optimizer_steps: document.optimizer_steps,
        best,
    };
    Ok(Checkpoint { snapshot, extra: document.extra })
}
