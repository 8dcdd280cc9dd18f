//! Checkpoints: the complete state of a run, from which it continues to the same bits.
//!
//! A safetensors file: `layers.{l}.weight` and `.bias` as in a model, the same under `best.` with early stopping, and
//! `optimizer.*`, flat in the order of the parameters in memory. Everything small is JSON in the metadata.

use std::path::Path;

use chainrule::Real;
use chainrule::layout::Layout;
use chainrule::train::{EpochRecord, Progress, Snapshot};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::model::to_json;
use crate::tensors::{self, TensorFile};

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
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    progress: Progress,
    optimizer: Vec<String>,
    optimizer_steps: u64,
    has_best: bool,
    extra: Extra,
    /// Losses in the history that JSON cannot write, such as a test loss of `inf`: (which of them all, what it is).
    #[serde(default)]
    not_finite: Vec<(usize, String)>,
}

/// All losses of a history, in a fixed order.
fn losses(progress: &mut Progress) -> impl Iterator<Item = &mut f64> {
    progress.history.iter_mut().flat_map(|record| {
        let EpochRecord { train, evaluated_train, validation, test, last_batch_loss, .. } = record;
        let scores = [Some(train), evaluated_train.as_mut(), validation.as_mut(), test.as_mut()];
        scores.into_iter().flatten().map(|score| &mut score.loss).chain([last_batch_loss])
    })
}

const VERSION: u32 = 1;

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
    let (mut progress, mut not_finite) = (snapshot.progress.clone(), Vec::new());
    for (at, loss) in losses(&mut progress).enumerate().filter(|(_, loss)| !loss.is_finite()) {
        not_finite.push((at, loss.to_string()));
        *loss = 0.0;
    }
    let document = Document {
        version: VERSION,
        progress,
        optimizer: snapshot.optimizer.iter().map(|(name, _)| name.clone()).collect(),
        optimizer_steps: snapshot.optimizer_steps,
        has_best: snapshot.best.is_some(),
        extra: extra.clone(),
        not_finite,
    };
    tensors::write(path, &all, to_json(&document)?)
}

/// Reads a checkpoint of a network with this layout.
///
/// # Errors
/// If it is none, is damaged, or belongs to another network.
pub fn load_checkpoint<T: Real>(path: &Path, layout: &Layout) -> Result<Checkpoint<T>> {
    let file = TensorFile::open(path)?;
    let wanted = format!("a checkpoint of version {VERSION}");
    let document = file.document()?.ok_or_else(|| file.refuse(&wanted, "a file without a state"))?;
    let mut document: Document =
        serde_json::from_str(&document).map_err(|error| file.refuse(&wanted, error.to_string()))?;
    if document.version != VERSION {
        return Err(file.refuse(&wanted, format!("version {}", document.version)));
    }
    for (at, text) in &document.not_finite {
        if let (Some(loss), Ok(value)) = (losses(&mut document.progress).nth(*at), text.parse()) {
            *loss = value;
        }
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
