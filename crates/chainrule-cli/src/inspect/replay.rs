//! The states of a run: the last from its checkpoint, earlier ones by training again.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use chainrule::inspect::{Excited, Inspector, Moment, exciting};
use chainrule::network::Network;
use chainrule::observer::{Observer, Signal};
use chainrule::recipe::Dtype;
use chainrule::train::{EpochRecord, Sets, Trainer};
use chainrule::{Real, simd};
use chainrule_io::recipes::{read_recipe, settings_of};
use chainrule_io::{Checkpoint, Prepared, load_checkpoint, prepare};

use super::args::{InspectArgs, When};
use crate::terminal::count;
use crate::train::same_data;
use crate::watch::say;
use crate::{Usage, setup};

/// Moments of `all`.
const MOMENTS: u64 = 12;
/// A replay that takes longer than this is spoken of.
const LONG: f64 = 2.0;

/// What was seen inside a run.
pub struct Inside {
    pub prepared: Prepared,
    pub network: Network,
    /// Training samples that were passed through it.
    pub samples: usize,
    /// Layers looked at, from 0.
    pub layers: Vec<usize>,
    /// By rising time; at least one.
    pub moments: Vec<Moment>,
    /// Weights and biases at the last of them, widened exactly.
    pub params: Vec<f64>,
    /// For each layer named, its units' most exciting samples at that moment.
    pub excited: Vec<(usize, Vec<Vec<Excited>>)>,
}

/// Looks into the run of a folder.
pub fn look(args: &InspectArgs) -> Result<Inside> {
    let folder = &args.model;
    let config = folder.join("config.toml");
    let shown = folder.display();
    if !config.is_file() {
        bail!(
            "{shown}: expected a run folder, found another file or folder (a model keeps no data and no epochs; \
             runs are written by: chainrule train)"
        );
    }
    let file = folder.join("checkpoint").join("state.safetensors");
    if !file.is_file() {
        bail!("{shown}: expected a checkpoint, found none (the run has only begun, or lost it)");
    }
    let mut settings = settings_of(read_recipe(&config)?, &config.display().to_string())?;
    settings.threads = Some(setup::threads(None));
    if let Some(folder) = &args.data_dir {
        settings.data_dir = Some(folder.display().to_string());
    }
    let prepared = prepare(&settings).with_context(|| format!("{shown}: its data is needed"))?;
    setup::start_threads(prepared.resolved.config.threads)?;
    match settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => look_as::<f32>(args, &file, prepared),
        Dtype::F64 => look_as::<f64>(args, &file, prepared),
    }
}

fn look_as<T: Real>(args: &InspectArgs, file: &Path, prepared: Prepared) -> Result<Inside> {
    let network = Network::new(prepared.resolved.spec.clone())?;
    let layers = layers(args.layer, &network)?;
    let saved = load_checkpoint::<T>(file, network.layout())?;
    same_data(&saved.extra.fingerprint, &prepared, &args.model)?;
    let (earlier, last) = choose(&args.when(), &saved)?;
    let config = &prepared.resolved.config;
    let mut inspector = Inspector::new(&network, &prepared.train, config.coding, config.accuracy);
    let (mut moments, mut params) = replay(&earlier, &saved, &prepared, &network, &mut inspector)?;
    if last {
        let progress = &saved.snapshot.progress;
        moments.push(inspector.look(&network, &saved.snapshot.params, progress.step, progress.epoch)?);
        params = saved.snapshot.params;
    }
    let hidden =
        layers.iter().copied().filter(|&l| args.layer.is_some() || l + 1 < network.layout().layers());
    let hidden: Vec<usize> = if args.exciting() > 0 { hidden.collect() } else { Vec::new() };
    let excited = exciting(&network, &params, &prepared.train, config.coding, &hidden, args.exciting());
    Ok(Inside {
        samples: inspector.samples(),
        layers,
        moments,
        params: params.into_iter().map(Real::to_f64).collect(),
        excited: hidden.into_iter().zip(excited).collect(),
        prepared,
        network,
    })
}

/// The layers to look at, from 0.
fn layers(asked: Option<usize>, network: &Network) -> Result<Vec<usize>> {
    let count = network.layout().layers();
    match asked {
        None => Ok((0..count).collect()),
        Some(layer) if (1..=count).contains(&layer) => Ok(vec![layer - 1]),
        Some(other) => {
            let error =
                anyhow!("--layer {other}: expected 1 to {count}, the layers of {}", network.spec().sizes());
            Err(Usage(error).into())
        }
    }
}

/// Which epochs to train again, and whether the saved state is looked at.
fn choose<T>(when: &[When], saved: &Checkpoint<T>) -> Result<(BTreeSet<u64>, bool)> {
    let progress = &saved.snapshot.progress;
    let made = progress.history.len() as u64;
    let (mut epochs, mut last) = (BTreeSet::new(), false);
    for &when in when {
        match when {
            When::Last => last = true,
            When::All => {
                let steps = made.min(MOMENTS - 1);
                epochs.extend((0..=steps).map(|at| (at * made + steps / 2).checked_div(steps).unwrap_or(0)));
                last = true;
            }
            When::Epoch(epoch) if epoch <= made => {
                epochs.insert(epoch);
            }
            When::Epoch(epoch) => {
                let error = anyhow!(
                    "--checkpoint {epoch}: expected 0 (before training) to {made}, the epochs that the run has made, \
                     last or all"
                );
                return Err(Usage(error).into());
            }
        }
    }
    // The end of the last epoch is the saved state, unless the run stands within another.
    if progress.position == 0 && epochs.remove(&made) {
        last = true;
    }
    Ok((epochs, last))
}

/// Watches a run that is trained again.
struct Watcher<'a, T> {
    inspector: &'a mut Inspector<T>,
    wanted: &'a BTreeSet<u64>,
    history: &'a [EpochRecord],
    moments: Vec<Moment>,
    params: Vec<T>,
    /// The first epoch that went otherwise.
    differs: Option<u64>,
    error: Option<chainrule::Error>,
}

impl<T: Real> Watcher<'_, T> {
    fn look(&mut self, trainer: &Trainer<T>) -> Signal {
        let (step, epochs) = (trainer.progress().step, trainer.progress().epoch);
        if self.wanted.contains(&epochs) {
            self.params = trainer.params().to_vec();
            match self.inspector.look(trainer.network(), trainer.params(), step, epochs) {
                Ok(moment) => self.moments.push(moment),
                Err(error) => self.error = Some(error),
            }
        }
        let is_over = self.error.is_some() || self.wanted.last().is_none_or(|&last| epochs >= last);
        if is_over { Signal::Stop } else { Signal::Continue }
    }
}

impl<T: Real> Observer<T> for Watcher<'_, T> {
    fn patience(&mut self, _step: u64) -> u64 {
        u64::MAX
    }

    fn on_epoch(&mut self, trainer: &Trainer<T>, record: &EpochRecord) -> Signal {
        let saved = self.history.get(record.epoch as usize).map(|saved| saved.train);
        if saved != Some(record.train) {
            self.differs.get_or_insert(record.epoch + 1);
        }
        self.look(trainer)
    }
}

/// Trains again, and looks after each of the epochs `wanted`; gives the weights after the last of them too.
fn replay<T: Real>(
    wanted: &BTreeSet<u64>,
    saved: &Checkpoint<T>,
    prepared: &Prepared,
    network: &Network,
    inspector: &mut Inspector<T>,
) -> Result<(Vec<Moment>, Vec<T>)> {
    let Some(&last) = wanted.last() else { return Ok((Vec::new(), Vec::new())) };
    let progress = &saved.snapshot.progress;
    let seconds = (last as usize).checked_sub(1).and_then(|at| saved.extra.seconds.get(at)).copied();
    if let Some(seconds) = seconds.filter(|&seconds| seconds > LONG) {
        say(&format!("training {} again, which took {seconds:.0} s", count(last as usize, "epoch")));
    }
    let initial = prepared.initial_params::<T>(network)?;
    let mut config = prepared.resolved.config.clone();
    config.evaluate_train = false; // what only looks at the network changes no number
    let sets = Sets { test: None, ..prepared.sets() };
    let mut trainer = Trainer::<T>::new(network.clone(), config, sets, initial)?;
    let mut watcher = Watcher {
        inspector,
        wanted,
        history: &progress.history,
        moments: Vec::new(),
        params: Vec::new(),
        differs: None,
        error: None,
    };
    if watcher.look(&trainer) == Signal::Continue {
        trainer.run(&mut watcher).context("the run could not be trained again")?;
    }
    let Watcher { moments, params, differs, error, .. } = watcher;
    if let Some(error) = error {
        return Err(error.into());
    }
    if moments.len() < wanted.len() {
        bail!(
            "trained again, the run ended after {}, before epoch {last}",
            count(trainer.progress().history.len(), "epoch")
        );
    }
    if let Some(epoch) = differs {
        let (then, now) = (&saved.extra.simd, simd::Level::current().name());
        let why = if then == now {
            "its settings were changed by a resume, or another version trained it".to_string()
        } else {
            format!("it ran on {then}, this CPU computes with {now}")
        };
        say(&format!(
            "note: trained again, the run differs from epoch {epoch} on ({why}); what is shown is the run anew"
        ));
    }
    Ok((moments, params))
}
