//! `chainrule inspect`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chainrule::network::Network;
use chainrule::recipe::Dtype;
use chainrule::train::Progress;
use chainrule::{Real, spec::NetworkSpec};
use chainrule_io::recipes::{find_recipe, read_recipe, settings_of};
use chainrule_io::{Model, ModelInfo, load_checkpoint, prepare};
use serde_json::Value;

use crate::report::bias_text;
use crate::run_folder::model_file;
use crate::table::table;
use crate::terminal::{count, list, pairs, shape, thousands, width};
use crate::watch::say;
use args::InspectArgs;
use replay::Inside;

pub mod args;
mod inside;
mod json;
pub mod pictures;
mod plan;
mod preprocessing;
mod replay;
mod run;
mod weights;

/// A network with its numbers, from a model file or the checkpoint of a run that has not ended.
pub struct Subject {
    /// Where the numbers are from.
    file: PathBuf,
    info: ModelInfo,
    network: Network,
    dtype: Dtype,
    /// Weights and biases, flat, widened exactly.
    params: Vec<f64>,
    /// `summary.json` of the run folder.
    summary: Option<Value>,
    /// How far a run that has not ended has come.
    progress: Option<Progress>,
}

/// Shows a model or a run.
pub fn run(args: &InspectArgs) -> Result<()> {
    if args.plan {
        return plan::run(args);
    }
    let subject = Subject::open(&args.model, args.data_dir.as_deref())?;
    let inside = inside(args)?;
    let mut document = json::document(&subject, args.weights)?;
    if let Some(inside) = &inside {
        document["inside"] = inside.json();
    }
    let files = match (&args.output, &inside) {
        (Some(folder), Some(inside)) => {
            pictures::write(inside, folder, &args.model.display().to_string(), &document.to_string())?
        }
        _ => Vec::new(),
    };
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        return Ok(out.flush()?);
    }
    write!(out, "{}", pairs(&subject.summary_rows(), width()))?;
    writeln!(out, "\n{}", subject.layer_table())?;
    if let Some(columns) = preprocessing::column_table(&subject.info.preprocessing) {
        writeln!(out, "\n{columns}")?;
    }
    if args.weights {
        weights::write(&mut out, &subject)?;
    }
    if let Some(inside) = &inside {
        // The page has all moments and samples.
        let brief = args.output.is_some() && args.checkpoint.is_empty();
        writeln!(out, "\n{}", inside.figures_text(width(), brief))?;
        if args.samples.is_some() {
            write!(out, "{}", inside.exciting_text())?;
        }
    }
    if let Some(folder) = &args.output {
        writeln!(out, "\nwritten to {}: {}", folder.display(), files.join(", "))?;
    }
    Ok(out.flush()?)
}

/// What is seen inside: always if it is asked for, else the last state of a run if its data can be read.
fn inside(args: &InspectArgs) -> Result<Option<Inside>> {
    if args.looks_inside() {
        return replay::look(args).map(Some);
    }
    if args.json || args.weights || !args.model.join("config.toml").is_file() {
        return Ok(None);
    }
    let inside = replay::look(args);
    Ok(inside.map_err(|error| say(&format!("note: not seen inside: {}", crate::message(&error)))).ok())
}

impl Subject {
    fn open(path: &Path, data_dir: Option<&Path>) -> Result<Self> {
        let has_checkpoint = path.join("config.toml").is_file() && !path.join("model.safetensors").exists();
        if path.is_dir() && has_checkpoint {
            return Self::of_checkpoint(path, data_dir);
        }
        let file = model_file(path)?;
        if !file.exists() {
            refuse_name(path)?;
        }
        let model = Model::load(&file)?;
        let summary = if path.is_dir() { run::read_json(&path.join("summary.json"))? } else { None };
        let params = model.params();
        let Model { info, network, dtype, .. } = model;
        Ok(Self { file, info, network, dtype, params, summary, progress: None })
    }

    /// The state of a run without a model yet. Its data is read again: the network's inputs come from it.
    fn of_checkpoint(path: &Path, data_dir: Option<&Path>) -> Result<Self> {
        let file = path.join("checkpoint").join("state.safetensors");
        let shown = path.display();
        if !file.exists() {
            bail!(
                "{shown}: expected a model or a checkpoint, found neither yet \
                 (the run has only begun: chainrule train --resume {shown})"
            );
        }
        let config = path.join("config.toml");
        let mut settings = settings_of(read_recipe(&config)?, &config.display().to_string())?;
        if let Some(folder) = data_dir {
            settings.data_dir = Some(folder.display().to_string());
        }
        let prepared = prepare(&settings).with_context(|| format!("{shown}: the run has not ended"))?;
        let network = Network::new(prepared.resolved.spec.clone())?;
        let dtype = settings.dtype.unwrap_or_default();
        let (progress, params) = match dtype {
            Dtype::F32 | Dtype::Bf16 => read::<f32>(&file, &network)?,
            Dtype::F64 => read::<f64>(&file, &network)?,
        };
        let info = prepared.model_info();
        Ok(Self { file, info, network, dtype, params, summary: None, progress: Some(progress) })
    }

    fn spec(&self) -> &NetworkSpec {
        self.network.spec()
    }

    /// All but the layers, in words.
    fn summary_rows(&self) -> Vec<(String, String)> {
        let (spec, info) = (self.spec(), &self.info);
        let mut rows = Vec::new();
        let mut put = |name: &str, value: String| rows.push((name.to_string(), value));
        let what = if self.progress.is_some() { "checkpoint" } else { "model" };
        put(what, self.file.display().to_string());
        if let Some(progress) = &self.progress {
            let recipe = &info.recipe;
            let of =
                |all: Option<u64>| all.map_or(String::new(), |all| format!(" of {}", thousands(all as f64)));
            put(
                "run",
                format!(
                    "not ended: {}{} epochs complete, {}{} steps",
                    progress.history.len(),
                    of(recipe.epochs),
                    thousands(progress.step as f64),
                    of(recipe.steps)
                ),
            );
        }
        if let Some(summary) = &self.summary {
            put("run", run::run_text(summary));
            for (name, set) in [("test", "test"), ("validation", "validation")] {
                if let Some(text) = summary.get(set).and_then(run::score_text) {
                    put(name, text);
                }
            }
        }
        if let Some(description) = &info.recipe.description {
            put("recipe", description.clone());
        }
        let parameters = thousands(spec.parameters() as f64);
        put("network", format!("{} ({parameters} parameters, {})", spec.sizes(), self.dtype_name()));
        put("input", format!("{} numbers{}", shape(&spec.input_shape), flattened(&spec.input_shape)));
        put("reading", preprocessing::words(&info.preprocessing));
        put("weights", "(units, inputs); layers count from 1, in the file from 0 (layers.0.weight)".into());
        put("loss", format!("{}: {}", spec.loss, spec.loss.reduction()));
        put("answers", self.answers());
        rows
    }

    /// What the outputs stand for.
    fn answers(&self) -> String {
        use chainrule::batch::TargetCoding;
        let (info, outputs) = (&self.info, self.spec().outputs());
        let classes = &info.classes;
        let targets = || {
            let encoding = info.preprocessing.encoding.as_ref();
            encoding.map_or(Vec::new(), |e| e.targets.iter().map(|column| column.name.clone()).collect())
        };
        match info.target_coding {
            TargetCoding::Input => "its own inputs (an auto-encoder)".into(),
            TargetCoding::OneHot => {
                format!("{} classes, an output each: {}", classes.len(), list(classes, 20))
            }
            TargetCoding::Label if classes.len() == 2 && outputs == 1 => {
                format!("2 classes, one output for the second: {}", list(classes, 2))
            }
            TargetCoding::Label => format!("one number, the index of the class: {}", list(classes, 20)),
            TargetCoding::Values | TargetCoding::Constant(_) => {
                let names: Vec<String> = targets();
                let named = if names.is_empty() { String::new() } else { format!(": {}", list(&names, 20)) };
                format!("{}{named}", count(outputs, "number"))
            }
        }
    }

    fn layer_table(&self) -> String {
        let spec = self.spec();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (l, layer) in spec.layers.iter().enumerate() {
            let (units, inputs) = self.network.layout().weight_shape(l);
            let mut bias = bias_text(layer.bias).to_string();
            if !layer.train_bias {
                bias += ", fixed";
            }
            let fixed = if layer.train_weights { "" } else { ", fixed" };
            let dropout =
                if layer.dropout > 0.0 { format!(", dropout {}", layer.dropout) } else { String::new() };
            rows.push(vec![
                format!("{} {}", l + 1, if l + 1 == spec.layers.len() { "output" } else { "hidden" }),
                units.to_string(),
                format!("{}{dropout}", layer.activation),
                format!("({units}, {inputs}){fixed}"),
                bias,
                layer.init.to_string(),
                thousands(spec.parameters_of(l) as f64),
            ]);
        }
        let header = ["layer", "units", "activation", "weights", "bias", "init", "parameters"];
        table(&header, rows, &[1, 6])
    }

    fn dtype_name(&self) -> &'static str {
        match self.dtype {
            Dtype::F32 | Dtype::Bf16 => f32::NAME,
            Dtype::F64 => f64::NAME,
        }
    }
}

/// Refuses the name of a recipe or data set where a model is expected.
fn refuse_name(path: &Path) -> Result<()> {
    let name = path.display().to_string();
    if find_recipe(&name).is_none() {
        return Ok(());
    }
    bail!(
        "{name}: expected a model or a run folder, found the name of a recipe (what its runs would be: chainrule inspect \
         --plan {name}; to have a run: chainrule train {name})"
    )
}

fn read<T: Real>(file: &Path, network: &Network) -> Result<(Progress, Vec<f64>)> {
    let snapshot = load_checkpoint::<T>(file, network.layout())?.snapshot;
    Ok((snapshot.progress, snapshot.params.into_iter().map(Real::to_f64).collect()))
}

/// `hidden 1` or `output`.
fn layer_name(spec: &NetworkSpec, l: usize) -> String {
    if l + 1 == spec.layers.len() { "output".into() } else { format!("hidden {}", l + 1) }
}

fn flattened(shape: &[usize]) -> &'static str {
    if shape.len() > 1 { ", row by row" } else { "" }
}
