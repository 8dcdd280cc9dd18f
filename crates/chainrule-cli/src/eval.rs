//! `chainrule eval`

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use chainrule::batch::TargetCoding;
use chainrule::metrics::{Accuracy, Classification};
use chainrule::recipe::Dtype;
use chainrule::{Dataset, Real, Targets};
use chainrule_io::{Model, Part, SourceOptions, load_with};
use chainrule_kernels::dense::How;
use serde::Serialize;

use crate::args::EvalArgs;
use crate::finish::{Measured, measure};
use crate::run_folder::model_file;
use crate::table::{table, unbroken};
use crate::terminal::{count, figure, pairs, shortened, width};
use crate::watch::say;

/// Above this many classes the matrix gives way to the pairs confused most.
const MATRIX_CLASSES: usize = 20;
/// Pairs of confused classes shown in place of a matrix.
const PAIRS: usize = 20;
/// Longest class name in the matrix: the first of these with which it fits.
const NAMES: [usize; 4] = [24, 16, 12, 8];

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    model: String,
    data: &'a str,
    network: String,
    dtype: Dtype,
    loss_name: String,
    reduction: &'a str,
    #[serde(flatten)]
    measured: &'a Measured,
}

/// Measures a model on data with targets.
pub fn run(args: &EvalArgs) -> Result<()> {
    let file = model_file(&args.model)?;
    let model = Model::load(&file)?;
    let part = if args.train { Part::Train } else { Part::Test };
    let options = source_options(&model, args.data_dir.as_deref());
    let (data, _) = load_with(&args.data, &model.info.preprocessing, &options, part, true)?;
    check_targets(&model, &data)?;
    warn_of_training_data(&model, &args.data);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    crate::setup::start_threads(threads)?;
    let dtype = args.dtype.unwrap_or(model.dtype);
    let how = How { threads, bf16: dtype == Dtype::Bf16 };
    let measured = match dtype {
        Dtype::F32 | Dtype::Bf16 => measured::<f32>(&model, &data, how),
        Dtype::F64 => measured::<f64>(&model, &data, how),
    };
    let mut out = anstream::stdout().lock();
    if args.json {
        let spec = model.network.spec();
        let document = Document {
            model: file.display().to_string(),
            data: data.name(),
            network: spec.sizes(),
            dtype,
            loss_name: spec.loss.to_string(),
            reduction: spec.loss.reduction(),
            measured: &measured,
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        let samples = count(measured.samples, "sample");
        writeln!(out, "{} on {} ({samples})\n", file.display(), data.name())?;
        write!(out, "{}", pairs(&figures(&model, &data, &measured), width()))?;
        if let Some(classification) = &measured.classification {
            writeln!(out, "\n{}", class_table(classification))?;
            writeln!(out, "\n{}", confusion(classification))?;
        }
    }
    Ok(out.flush()?)
}

/// How data is read for a model: an auto-encoder's targets are its inputs.
pub fn source_options(model: &Model, data_dir: Option<&Path>) -> SourceOptions {
    let is_autoencoder = model.info.target_coding == TargetCoding::Input;
    SourceOptions {
        data_dir: data_dir.map(Into::into),
        target: if is_autoencoder { vec!["input".into()] } else { Vec::new() },
        sample_weight: None,
    }
}

fn measured<T: Real>(model: &Model, data: &Dataset, how: How) -> Measured {
    let info = &model.info;
    let (coding, accuracy) = (info.target_coding, info.accuracy);
    measure(&model.network, &model.params::<T>(), data, coding, accuracy, &info.preprocessing, how)
}

/// The outputs must be as many as the targets: data known by name is not read by the model's columns.
pub fn check_targets(model: &Model, data: &Dataset) -> Result<()> {
    let outputs = model.network.spec().outputs();
    let (expected, what) = match (model.info.target_coding, data.targets()) {
        (TargetCoding::OneHot, Targets::Classes { names, .. }) => (names.len(), "class"),
        (TargetCoding::Values, Targets::Values { names, .. }) => (names.len(), "target column"),
        (TargetCoding::Label, Targets::Classes { .. }) | (TargetCoding::Constant(_), _) => return Ok(()),
        (TargetCoding::Input, _) => (data.inputs(), "input"),
        (TargetCoding::OneHot | TargetCoding::Label, Targets::Values { .. }) => {
            bail!("data set '{}': expected classes as targets, found numbers", data.name())
        }
        (TargetCoding::Values, Targets::Classes { .. }) => {
            bail!("data set '{}': expected numbers as targets, found classes", data.name())
        }
    };
    if expected != outputs {
        bail!(
            "data set '{}': expected targets for the model's {}, found {} \
             (use the data the model was made for)",
            data.name(),
            count(outputs, "output"),
            count(expected, what)
        );
    }
    Ok(())
}

/// A table that was split for training holds the samples the model learned from.
pub fn warn_of_training_data(model: &Model, data: &str) {
    let recipe = &model.info.recipe;
    let same = |trained: &String| Path::new(trained).file_name() == Path::new(data).file_name();
    if let (Some(share), true) = (recipe.test_split, recipe.data.as_ref().is_some_and(same))
        && share > 0.0
    {
        say(&format!(
            "note: the model learned from {} % of '{data}': the figures on what it never saw are in summary.json",
            figure(100.0 * (1.0 - share))
        ));
    }
}

/// Every figure with its unit and meaning, in words.
fn figures(model: &Model, data: &Dataset, measured: &Measured) -> Vec<(String, String)> {
    let (spec, info) = (model.network.spec(), &model.info);
    let standardization = info.preprocessing.standardization.as_ref();
    let scaled_targets = match info.target_coding {
        TargetCoding::Values => standardization.is_some_and(|figures| !figures.target_mean.is_empty()),
        TargetCoding::Input => standardization.is_some(),
        _ => false,
    };
    let mut rows = Vec::new();
    let mut put = |name: &str, value: String, words: String| {
        rows.push((name.to_string(), format!("{value}  {words}").trim_end().to_string()));
    };
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    if let Some(accuracy) = measured.score.accuracy {
        let right = (accuracy * measured.samples as f64).round();
        let samples =
            format!("{} of {}", crate::terminal::thousands(right), count(measured.samples, "sample"));
        let words = match info.accuracy {
            Accuracy::Argmax => format!("{samples}: the largest output is the class"),
            Accuracy::Threshold => "share of outputs on their target's side of 1/2".into(),
            Accuracy::Within(tolerance) => {
                format!("{samples}: every output within {tolerance} of its target")
            }
            Accuracy::None => String::new(),
        };
        put("accuracy", percent(accuracy), words);
    }
    let mut reduction = format!("{}: {}", spec.loss, spec.loss.reduction());
    if scaled_targets {
        reduction += "; a and y standardized, in deviations of the training set";
    }
    if data.sample_weights().is_some() {
        reduction += "; weighted by the samples' weights";
    }
    put("loss", figure(measured.score.loss), reduction);
    if let Some(c) = &measured.classification {
        for (k, share) in &c.top_k {
            let words = format!("the class is among the {k} largest outputs");
            put(&format!("top-{k} accuracy"), percent(*share), words);
        }
        let words = "mean over samples of -ln of the share of the class in the sum of outputs";
        if let Some(log_loss) = c.log_loss {
            put("log loss", figure(log_loss), words.into());
        }
    }
    if let Some(r) = &measured.regression {
        let unit = if info.target_coding == TargetCoding::Input && scaled_targets {
            "deviations of the training set"
        } else {
            "the target's unit"
        };
        put("MSE", figure(r.mse), format!("mean squared error, in {unit}, squared"));
        put("RMSE", figure(r.rmse), format!("its root, in {unit}"));
        put("MAE", figure(r.mae), format!("mean absolute error, in {unit}"));
        let r2 = r.r2.map_or("undefined".into(), figure);
        let words = if r.r2.is_some() {
            "share of the targets' variance explained"
        } else {
            "the targets are constant, or some of them"
        };
        put("R²", r2, words.into());
    }
    rows
}

/// Precision, recall and F1 of each class, and their averages.
fn class_table(c: &Classification) -> String {
    let all = c.classes.iter().chain([&c.macro_average, &c.weighted_average]);
    let row = |class: &chainrule::metrics::ClassMetrics| {
        let share = |value: f64| format!("{value:.4}");
        let name = shortened(&class.name, 40);
        vec![name, share(class.precision), share(class.recall), share(class.f1), class.support.to_string()]
    };
    table(&["class", "precision", "recall", "F1", "samples"], all.map(row).collect(), &[1, 2, 3, 4])
}

/// How often each class was taken for each: a matrix if it fits, else the pairs confused most.
fn confusion(c: &Classification) -> String {
    let matrix = NAMES.iter().map(|&limit| matrix(c, limit)).find(|matrix| {
        c.classes.len() <= MATRIX_CLASSES && matrix.lines().all(|line| line.chars().count() <= width())
    });
    if let Some(matrix) = matrix {
        return format!("samples by true class (rows) and answer (columns)\n{matrix}");
    }
    let all = chainrule_report::Confusion {
        names: c.classes.iter().map(|class| class.name.clone()).collect(),
        counts: c.confusion.clone(),
    };
    let pairs = all.confused_pairs();
    if pairs.is_empty() {
        return "no class was taken for another".into();
    }
    let name = |class: usize| shortened(&all.names[class], 40);
    let rows = pairs.iter().take(PAIRS);
    let rows = rows.map(|&(actual, answer, samples)| vec![name(actual), name(answer), samples.to_string()]);
    let more = pairs.len().saturating_sub(PAIRS);
    let more = if more > 0 { format!("\nand {} more", count(more, "pair")) } else { String::new() };
    let shown = table(&["true class", "answer", "samples"], rows.collect(), &[2]);
    format!("classes taken for another, the most frequent first\n{shown}{more}")
}

/// The confusion matrix, with names of at most `limit` characters.
fn matrix(c: &Classification, limit: usize) -> String {
    let names: Vec<String> = c.classes.iter().map(|class| shortened(&class.name, limit)).collect();
    let header: Vec<&str> = std::iter::once("true").chain(names.iter().map(String::as_str)).collect();
    let cell = |&count: &u64| if count == 0 { "·".to_string() } else { count.to_string() };
    let row = |(name, row): (&String, &Vec<u64>)| {
        std::iter::once(name.clone()).chain(row.iter().map(cell)).collect()
    };
    let rows = names.iter().zip(&c.confusion).map(row).collect();
    let numbers: Vec<usize> = (1..=names.len()).collect();
    unbroken(&header, rows, &numbers)
}
