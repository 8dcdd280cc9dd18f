//! `train --tensorboard`: what TensorBoard shows of a run.
//!
//! A step of TensorBoard is the number of epochs finished; 0 is before training.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chainrule::Real;
use chainrule::inspect::Inspector;
use chainrule::metrics::Score;
use chainrule::spec::NetworkSpec;
use chainrule::train::{EpochRecord, Trainer};
use chainrule_io::tensorboard::{EventFile, Value, has_events};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::args::TrainArgs;
use crate::inspect::pictures::first_layer;
use crate::run_folder::RunFolder;

/// Histograms and pictures of so many epochs are written one by one, then ever more rarely: a long run stays small.
const HISTOGRAMS: u64 = 64;
const PICTURES: u64 = 8;
/// Side of a tile of the picture, about: TensorBoard enlarges it.
const TILE: usize = 32;

/// The event file of a run, and what looks into its network.
pub struct Board<T> {
    file: EventFile,
    inspector: Inspector<T>,
}

/// In a run's folder: where its event files are, if that is elsewhere.
pub const ELSEWHERE: &str = "tensorboard.toml";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    /// Absolute, so that a run resumes from any folder.
    folder: PathBuf,
}

/// The folder that the arguments name; a resumed run goes on where it wrote before. A folder elsewhere is remembered in
/// that of the run.
pub fn folder(args: &TrainArgs, run: &RunFolder) -> Result<Option<PathBuf>> {
    let (own, remembered) = (run.file("tensorboard"), run.file(ELSEWHERE));
    match &args.tensorboard {
        Some(Some(folder)) => {
            let cannot = || format!("--tensorboard={}: not a folder", folder.display());
            let elsewhere = Elsewhere { folder: std::path::absolute(folder).with_context(cannot)? };
            let what = "# Where the event files of this run are: --resume goes on there.\n";
            run.write(ELSEWHERE, &format!("{what}{}", toml::to_string(&elsewhere)?))?;
            Ok(Some(folder.clone()))
        }
        Some(None) => {
            if remembered.is_file() {
                std::fs::remove_file(&remembered)
                    .with_context(|| format!("cannot remove {}", remembered.display()))?;
            }
            Ok(Some(own))
        }
        None if args.resume.is_some() && remembered.is_file() => {
            let text = std::fs::read_to_string(&remembered);
            let text = text.with_context(|| format!("cannot read {}", remembered.display()))?;
            let elsewhere: Elsewhere = toml::from_str(&text).with_context(|| {
                let expected = "expected folder = \"…\", the folder of the run's event files";
                format!("{}: {expected} (or name it: --tensorboard=DIR)", remembered.display())
            })?;
            Ok(Some(elsewhere.folder))
        }
        None => Ok((args.resume.is_some() && has_events(&own)).then_some(own)),
    }
}

/// Refuses to mix a run with another.
pub fn check(args: &TrainArgs) -> Result<()> {
    match &args.tensorboard {
        Some(Some(folder)) if args.resume.is_none() && has_events(folder) => {
            let error = anyhow::anyhow!(
                "--tensorboard={}: expected a folder without event files, found those of another run \
                 (a folder for each, such as logs/1 and logs/2; tensorboard --logdir logs shows them together)",
                folder.display()
            );
            Err(Usage(error).into())
        }
        _ => Ok(()),
    }
}

impl<T: Real> Board<T> {
    /// Begins a file, and shows the network before training; after a resume it goes on with the next epoch.
    pub fn new(folder: &Path, trainer: &Trainer<T>) -> Result<Self> {
        let progress = trainer.progress();
        let next = if progress.step == 0 { 0 } else { progress.history.len() as u64 + 1 };
        let mut board = Self { file: EventFile::create(folder, next)?, inspector: Inspector::of(trainer) };
        if next == 0 {
            board.write(trainer, 0, Vec::new())?;
        }
        Ok(board)
    }

    /// Writes the figures of an epoch, and now and then what is inside the network.
    pub fn epoch(&mut self, trainer: &Trainer<T>, record: &EpochRecord) -> Result<()> {
        let mut scalars = vec![("learning_rate".to_string(), Value::Scalar(record.learning_rate))];
        let mut put = |set: &str, score: Option<Score>| {
            let Some(score) = score else { return };
            scalars.push((format!("loss/{set}"), Value::Scalar(score.loss)));
            scalars.extend(score.accuracy.map(|a| (format!("accuracy/{set}"), Value::Scalar(a))));
        };
        put("train", Some(record.train));
        put("train_after_epoch", record.evaluated_train);
        put("validation", record.validation);
        put("test", record.test);
        let epochs = record.epoch + 1;
        if is_due(epochs, HISTOGRAMS) || trainer.progress().ending.is_some() {
            self.write(trainer, epochs, scalars)
        } else {
            Ok(self.file.write(epochs, &scalars)?)
        }
    }

    /// Writes what is inside the network, after other values of the same moment.
    fn write(
        &mut self,
        trainer: &Trainer<T>,
        epochs: u64,
        scalars: Vec<(String, Value<'static>)>,
    ) -> Result<()> {
        let (network, params) = (trainer.network(), trainer.params());
        let moment = self.inspector.look(network, params, trainer.progress().step, epochs)?;
        let mut values: Vec<(String, Value)> = scalars;
        for (l, (seen, figures)) in moment.layers.iter().zip(&moment.figures.layers).enumerate() {
            let name = layer_tag(network.spec(), l);
            values.push((format!("gradient_norm/{name}"), Value::Scalar(figures.gradient_norm)));
            for (kind, histogram) in [
                ("weights", &seen.weights),
                ("biases", &seen.biases),
                ("gradients", &seen.gradients),
                ("bias_gradients", &seen.bias_gradients),
                ("activations", &seen.activations),
                ("deltas", &seen.deltas),
            ] {
                if histogram.count > 0 {
                    values.push((format!("{kind}/{name}"), Value::Histogram(histogram)));
                }
            }
        }
        let png;
        if is_due(epochs, PICTURES) || trainer.progress().ending.is_some() {
            let weight = network.layout().export_weight(0, params);
            let weight: Vec<f64> = weight.iter().map(|w| w.to_f64()).collect();
            let picture = first_layer(&network.spec().input_shape, &weight, TILE);
            png = picture.png();
            let image = Value::Image { rows: picture.rows, columns: picture.columns, png: &png };
            values.push(("first_layer/weights".into(), image));
        }
        Ok(self.file.write(epochs, &values)?)
    }
}

/// Whether a moment is shown: the first `each` epochs, then half as many to as many while a run doubles.
fn is_due(epochs: u64, each: u64) -> bool {
    epochs.is_multiple_of(epochs.div_ceil(each).next_power_of_two())
}

/// `hidden_1` or `output`.
fn layer_tag(spec: &NetworkSpec, l: usize) -> String {
    if l + 1 == spec.layers.len() { "output".into() } else { format!("hidden_{}", l + 1) }
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn long_runs_are_looked_at_more_rarely() {
        assert!((0..=64).all(|epochs| is_due(epochs, 64)));
        let due: Vec<u64> = (65..=256).filter(|&epochs| is_due(epochs, 64)).collect();
        assert_eq!(due.len(), 32 + 32);
        assert!(due.iter().all(|epochs| epochs % 2 == 0) && due.ends_with(&[248, 252, 256]));
        let long = |each| (1..=10_000).filter(|&epochs| is_due(epochs, each)).count();
        assert!(long(64) < 300 && long(8) < 60, "{} {}", long(64), long(8));
    }
}
