//! Which update is explained: of a recipe's run, of a run folder, or one that starts from a model.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use chainrule::Real;
use chainrule::batch::TargetCoding;
use chainrule::explain::{Record, advance};
use chainrule::network::Network;
use chainrule::recipe::{Dtype, OneOrMany, Settings};
use chainrule::train::{Sets, Trainer};
use chainrule_io::recipes::{read_recipe, settings_of};
use chainrule_io::{Model, Part, Prepared, SourceOptions, load_checkpoint, load_with, prepare};

use super::args::ExplainArgs;
use crate::check::subject::is_model;
use crate::run_folder::model_file;
use crate::train::same_data;
use crate::{Usage, setup};

/// An update, and what it is one of.
pub struct Subject {
    /// `mazur`
    pub name: String,
    /// `mazur: step 1`
    pub title: String,
    /// Every number of it.
    pub record: Record,
    /// What else must be said.
    pub notes: Vec<(String, String)>,
}

fn usage(error: anyhow::Error) -> anyhow::Error {
    Usage(error).into()
}

fn no_such_step(step: u64, steps: u64) -> anyhow::Error {
    usage(anyhow!("--step {step}: expected 1 to {steps}, the steps of the run"))
}

/// The update that the arguments ask for; `change` has the last word on the settings.
pub fn subject(args: &ExplainArgs, change: impl Fn(&mut Settings)) -> Result<Subject> {
    if let Some(folder) = &args.run {
        return of_run(args, folder, change);
    }
    if let Some(word) = args.words.first().filter(|word| is_model(word)) {
        return of_model(args, word, change);
    }
    let mut settings = setup::settings(&args.words, &args.flags)?;
    if let Some(data) = &args.data {
        settings.data = Some(data.clone());
    }
    change(&mut settings);
    let name = match (args.words.first(), &args.flags.config) {
        (Some(word), _) if !word.contains('=') => word.clone(),
        (_, Some(file)) => file.display().to_string(),
        _ => settings.data.clone().unwrap_or_default(),
    };
    let prepared = prepare(&settings).map_err(setup::refused)?;
    let step = args.step.unwrap_or(1);
    let record = match settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => of_recipe::<f32>(args, &prepared, step)?,
        Dtype::F64 => of_recipe::<f64>(args, &prepared, step)?,
    };
    Ok(Subject { title: format!("{name}: step {step}"), name, record, notes: Vec::new() })
}

/// A trainer before its first step. What only looks at the network is left out: it changes no number.
fn trainer<'d, T: Real>(prepared: &'d Prepared) -> Result<Trainer<'d, T>> {
    let network = Network::new(prepared.resolved.spec.clone())?;
    let initial = prepared.initial_params::<T>(&network)?;
    let mut config = prepared.resolved.config.clone();
    (config.evaluate_train, config.threads) = (false, 1);
    let sets = Sets { test: None, ..prepared.sets() };
    Ok(Trainer::new(network, config, sets, initial)?)
}

fn of_recipe<T: Real>(args: &ExplainArgs, prepared: &Prepared, step: u64) -> Result<Record> {
    record_at(&mut trainer::<T>(prepared)?, step, &args.sample)
}

/// Step `step` of a run, or the one that the samples asked for would make there.
fn record_at<T: Real>(trainer: &mut Trainer<T>, step: u64, samples: &[usize]) -> Result<Record> {
    let planned = trainer.total_steps();
    if step > planned {
        return Err(usage(anyhow!("--step {step}: expected 1 to {planned}, the steps of the run")));
    }
    advance(trainer, step - 1).with_context(|| format!("cannot reach step {step}"))?;
    if samples.is_empty() {
        return Ok(Record::next_step(trainer)?);
    }
    let count = trainer.samples();
    if let Some(bad) = samples.iter().find(|&&sample| sample >= count) {
        let last = count - 1;
        return Err(usage(anyhow!("--sample {bad}: expected 0 to {last}, the samples of the training set")));
    }
    Ok(Record::step_on(trainer, samples)?)
}

/// A step of a run folder: from its checkpoint if that lies before it, else from the beginning.
fn of_run(args: &ExplainArgs, folder: &Path, change: impl Fn(&mut Settings)) -> Result<Subject> {
    let file = folder.join("config.toml");
    if !file.is_file() {
        bail!(
            "{}: expected a run folder, found none (runs are written by: chainrule train)",
            folder.display()
        );
    }
    let fixed = args.flags.table().map_err(usage)?;
    if let Some(key) = fixed.keys().find(|key| !["data_dir", "threads"].contains(&key.as_str())) {
        return Err(usage(anyhow!("--run: a run keeps its settings, found also {key}")));
    }
    let mut settings = settings_of(read_recipe(&file)?, &file.display().to_string())?;
    if let Some(folder) = fixed.get("data_dir").and_then(|value| value.as_str()) {
        settings.data_dir = Some(folder.into());
    }
    change(&mut settings);
    let prepared = prepare(&settings).map_err(setup::refused)?;
    let (step, record) = match settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => run_step::<f32>(args, folder, &prepared)?,
        Dtype::F64 => run_step::<f64>(args, folder, &prepared)?,
    };
    let name = folder.display().to_string();
    Ok(Subject { title: format!("{name}: step {step}"), name, record, notes: Vec::new() })
}

fn run_step<T: Real>(args: &ExplainArgs, folder: &Path, prepared: &Prepared) -> Result<(u64, Record)> {
    let file = folder.join("checkpoint").join("state.safetensors");
    let network = Network::new(prepared.resolved.spec.clone())?;
    let saved = file.is_file().then(|| load_checkpoint::<T>(&file, network.layout())).transpose()?;
    if let Some(saved) = &saved {
        same_data(&saved.extra.fingerprint, prepared, folder)?;
    }
    let made = saved.as_ref().map_or(0, |saved| saved.snapshot.progress.step);
    let step = args.step.unwrap_or(made.max(1));
    let mut trainer = trainer::<T>(prepared)?;
    if let Some(saved) = saved.filter(|_| made < step) {
        if saved.snapshot.progress.ending.is_some() {
            return Err(no_such_step(step, made));
        }
        trainer.restore(saved.snapshot)?;
    }
    Ok((step, record_at(&mut trainer, step, &args.sample)?))
}

/// The step that training would make if it began at a model.
fn of_model(args: &ExplainArgs, word: &str, change: impl Fn(&mut Settings)) -> Result<Subject> {
    if args.step.is_some() {
        return Err(usage(anyhow!(
            "--step with a model: a model keeps no steps, a run does (--run RUN --step K)"
        )));
    }
    let flags = args.flags.table().map_err(usage)?;
    let own = flags.keys().find(|key| !["data_dir", "threads", "update_order"].contains(&key.as_str()));
    if let Some(other) = args.words.get(1).or(own) {
        let expected = "MODEL [--data DATA] (a model brings its own settings)";
        return Err(usage(anyhow!("expected {expected}, found also {other}")));
    }
    let model = Model::load(&model_file(Path::new(word))?)?;
    let mut recipe = model.info.recipe.clone();
    if let Some(order) = flags.get("update_order") {
        let table = [("update_order".to_string(), order.clone())].into_iter().collect();
        recipe.update_order =
            settings_of(table, "settings").map_err(|error| usage(error.into()))?.update_order;
    }
    change(&mut recipe);
    let source = args.data.clone().or(recipe.data.clone());
    let source = source.context("the model does not say its data: chainrule explain MODEL --data DATA")?;
    let options = SourceOptions {
        data_dir: flags.get("data_dir").and_then(|value| value.as_str().map(Into::into)),
        target: recipe.target.as_ref().map(OneOrMany::to_vec).unwrap_or_default(),
        sample_weight: recipe.sample_weight.clone(),
    };
    let (data, _) = load_with(&source, &model.info.preprocessing, &options, Part::Train, true)?;
    let mut config = recipe.resolve(&data)?.config;
    config.coding = recipe.train_target.map_or(model.info.target_coding, TargetCoding::Constant);
    (config.evaluate_train, config.threads, config.early_stopping) = (false, 1, None);
    let sets = Sets { train: &data, validation: None, test: None };
    let first = [0];
    let samples = if args.sample.is_empty() { &first[..] } else { &args.sample };
    let network = model.network.clone();
    let record = match model.dtype {
        Dtype::F32 | Dtype::Bf16 => {
            record_at(&mut Trainer::<f32>::new(network, config, sets, Some(model.params()))?, 1, samples)?
        }
        Dtype::F64 => {
            record_at(&mut Trainer::<f64>::new(network, config, sets, Some(model.params()))?, 1, samples)?
        }
    };
    let note = "nothing remembered yet: a model keeps none of it, a run does (--run)";
    let notes =
        if record.layers[0].state.is_empty() { Vec::new() } else { vec![("optimizer".into(), note.into())] };
    Ok(Subject { title: format!("{word}: one step on"), name: word.into(), record, notes })
}
