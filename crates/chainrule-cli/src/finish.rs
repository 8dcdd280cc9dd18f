//! The end of a run: its results measured, written to the run folder, and printed.

use std::io::Write;

use anyhow::Result;
use chainrule::Real;
use chainrule::batch::TargetCoding;
use chainrule::config::TrainConfig;
use chainrule::diagnose::Finding;
use chainrule::evaluate::{Answers, Evaluator};
use chainrule::metrics::{self, Classification, Regression, Score};
use chainrule::network::Network;
use chainrule::plan::Plan;
use chainrule::regularize::PenaltyScale;
use chainrule::train::{Ending, Trainer};
use chainrule::{Dataset, Targets, simd};
use chainrule_io::{Prepared, Preprocessing, save_model};
use chainrule_kernels::dense::How;
use serde::Serialize;

use crate::args::TrainArgs;
use crate::profile::{Laps, Profile};
use crate::report;
use crate::run_folder::RunFolder;
use crate::terminal::count;
use crate::watch::{Watch, loss_text, say, thousands};

/// A network's answers on a data set, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Number of samples.
    pub samples: usize,
    /// Mean loss, and accuracy if it has a meaning.
    #[serde(flatten)]
    pub score: Score,
    /// For classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// For numbers, in the target's own unit; of an auto-encoder, in that of its (standardized) inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regression: Option<Regression>,
    /// `(samples, outputs)`, in the target's own unit.
    #[serde(skip)]
    pub outputs: Vec<f64>,
    /// Loss per sample.
    #[serde(skip)]
    pub losses: Vec<f64>,
}

/// Measures the network of `params` on `data`.
pub fn measure<T: Real>(
    network: &Network,
    params: &[T],
    data: &Dataset,
    coding: TargetCoding,
    accuracy: metrics::Accuracy,
    preprocessing: &Preprocessing,
    how: How,
) -> Measured {
    let mut evaluator = Evaluator::new(network, data, how);
    let Answers { score, outputs, losses } = evaluator.answers(network, params, data, coding, accuracy);
    let mut outputs: Vec<f64> = outputs.into_iter().map(Real::to_f64).collect();
    let width = network.spec().outputs();
    let binary = width == 1 && data.class_names().len() == 2;
    let classification = data
        .labels()
        .filter(|_| coding == TargetCoding::OneHot || (coding == TargetCoding::Label && binary))
        .map(|labels| metrics::classification(&outputs, labels, data.class_names()));
    let mut targets = match (coding, data.targets()) {
        (TargetCoding::Input, _) => (0..data.len()).flat_map(|s| data.row(s)).collect(),
        (_, Targets::Values { values, .. }) => values.clone(),
        (_, Targets::Classes { labels, .. }) => labels.iter().map(|&label| f64::from(label)).collect(),
    };
    if let Some(figures) = &preprocessing.standardization
        && coding == TargetCoding::Values
    {
        figures.restore_target(&mut outputs);
        figures.restore_target(&mut targets);
    }
    let regression = classification.is_none().then(|| metrics::regression(&outputs, &targets, width));
    Measured { samples: data.len(), score, classification, regression, outputs, losses }
}

/// The document of `summary.json` and `--json`.
#[derive(Serialize)]
pub struct Summary<'a> {
    chainrule: &'static str,
    run_dir: String,
    data: Option<&'a str>,
    network: String,
    parameters: usize,
    dtype: &'static str,
    simd: &'static str,
    /// Which kernels its steps used.
    plan: &'a Plan,
    threads: usize,
    seed: u64,
    ending: Ending,
    epochs: usize,
    steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_epoch: Option<u64>,
    seconds: f64,
    /// Where they went, up to the writing of the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    train_samples: usize,
    train: Option<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluated_train: Option<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Measured>,
    /// What is wrong with the run.
    pub findings: Vec<Finding>,
    choices: &'a [String],
    pub conventions: Vec<(String, String)>,
}

/// What is printed at the end of a run.
pub struct Results {
    headline: Vec<Headline>,
    json: String,
}

/// Measures the result and writes it: model, summary, charts, report.
pub fn finish<T: Real>(
    trainer: &Trainer<T>,
    prepared: &Prepared,
    folder: &RunFolder,
    watch: &Watch<T>,
    ending: Ending,
    laps: &mut Laps,
) -> Result<Results> {
    let (network, config, params) = (trainer.network(), trainer.config(), trainer.result());
    let measure_on = |data: &Dataset| {
        let (coding, accuracy) = (config.evaluation_coding, config.accuracy);
        measure(network, params, data, coding, accuracy, &prepared.preprocessing, config.how())
    };
    let history = &trainer.progress().history;
    let last = history.last();
    let mut summary = Summary {
        chainrule: env!("CARGO_PKG_VERSION"),
        run_dir: folder.path().display().to_string(),
        data: prepared.resolved.settings.data.as_deref(),
        network: network.spec().sizes(),
        parameters: network.spec().parameters(),
        dtype: T::NAME,
        simd: simd::Level::current().name(),
        plan: trainer.plan(),
        threads: config.threads,
        seed: config.seed,
        ending,
        epochs: history.len(),
        steps: trainer.progress().step,
        best_epoch: trainer.best_epoch(),
        seconds: watch.elapsed(),
        profile: None,
        train_samples: prepared.train.len(),
        train: last.map(|record| record.train),
        evaluated_train: last.and_then(|record| record.evaluated_train),
        validation: prepared.validation.as_ref().map(measure_on),
        test: prepared.test.as_ref().map(measure_on),
        findings: watch.findings(trainer),
        choices: &prepared.resolved.choices,
        conventions: conventions(network, config),
    };
    laps.lap("measuring the results");
    save_model(&folder.file("model.safetensors"), &prepared.model_info(), network, params)?;
    let (loss, accuracy) = report::curves(history);
    folder.write("loss.svg", &report::loss_chart(&loss))?;
    if !accuracy.is_empty() {
        folder.write("accuracy.svg", &report::accuracy_chart(&accuracy))?;
    }
    laps.lap("writing model and charts");
    summary.profile = watch.laps().and_then(|watching| Profile::new(trainer, laps, watching));
    let headline = headline(&summary);
    let cards: Vec<_> = headline.iter().map(|row| (row.name.to_string(), row.value.clone())).collect();
    let page = report::page(trainer, prepared, &summary, &cards, loss, accuracy)?;
    folder.write("report.html", &page)?;
    let json = serde_json::to_string_pretty(&summary)? + "\n";
    folder.write("summary.json", &json)?;
    laps.lap("writing the report");
    Ok(Results { headline, json })
}

/// Prints the results of a run as asked for.
pub fn print_results(
    results: &Results,
    profile: Option<&Profile>,
    folder: &RunFolder,
    args: &TrainArgs,
) -> Result<()> {
    let mut out = anstream::stdout().lock();
    if args.json {
        out.write_all(results.json.as_bytes())?;
    } else if !args.quiet {
        print_summary(&mut out, &results.headline, folder)?;
        if let Some(profile) = profile {
            writeln!(out, "\n{}", profile.text())?;
        }
    }
    Ok(out.flush()?)
}

/// A figure of a run that matters: short enough for a card, with a note for the line on the terminal.
struct Headline {
    name: &'static str,
    value: String,
    note: String,
}

/// The figures of a run that matter.
fn headline(summary: &Summary) -> Vec<Headline> {
    let mut rows = Vec::new();
    let mut put = |name, value: String, note: String| rows.push(Headline { name, value, note });
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let none = String::new;
    if let Some(test) = &summary.test {
        let samples = format!("of {} samples", thousands(test.samples as f64));
        if let Some(accuracy) = test.score.accuracy {
            put("test accuracy", percent(accuracy), samples);
        }
        put("test loss", loss_text(test.score.loss), none());
        if let Some(regression) = &test.regression {
            put("test RMSE", significant(regression.rmse), "in the unit of the target".into());
            put("test MAE", significant(regression.mae), none());
            if let Some(r2) = regression.r2 {
                put("test R²", format!("{r2:.4}"), none());
            }
        }
    }
    if let Some(validation) = &summary.validation {
        put("validation loss", loss_text(validation.score.loss), none());
        if let Some(accuracy) = validation.score.accuracy {
            put("validation accuracy", percent(accuracy), none());
        }
    }
    let running = || "running, last epoch".to_string();
    if let Some(train) = summary.train {
        put("train loss", loss_text(train.loss), running());
        if let Some(accuracy) = train.accuracy {
            put("train accuracy", percent(accuracy), running());
        }
    }
    if let Some(evaluated) = summary.evaluated_train {
        put("final train loss", loss_text(evaluated.loss), "with the final weights".into());
    }
    put("network", summary.network.clone(), summary.dtype.into());
    put("parameters", thousands(summary.parameters as f64), none());
    let ended = match summary.ending {
        Ending::Stopped => ", stopped early",
        Ending::Converged => ", converged",
        _ => "",
    };
    let best = summary.best_epoch.map_or(none(), |epoch| format!("; weights of epoch {epoch} kept"));
    put(
        "time",
        format!("{:.2} s", summary.seconds),
        format!("{}, {}{ended}{best}", count(summary.epochs, "epoch"), count(summary.steps as usize, "step")),
    );
    rows
}

/// Six significant digits.
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let decimals = (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    format!("{value:.decimals$}")
}

fn print_summary(out: &mut impl Write, headline: &[Headline], folder: &RunFolder) -> std::io::Result<()> {
    use owo_colors::OwoColorize;
    let width = headline.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut line = |name: &str, value: &str, note: &str| {
        let space = " ".repeat(width.saturating_sub(name.chars().count()));
        let note = if note.is_empty() { String::new() } else { format!("  {note}") };
        writeln!(out, "{}{space}  {value}{}", name.bold(), note.dimmed())
    };
    for row in headline {
        line(row.name, &row.value, &row.note)?;
    }
    line("report", &format!("{}/report.html", folder.path().display()), "")
}

/// What was decided for the user, before training starts.
pub fn print_choices(prepared: &Prepared, folder: &RunFolder) {
    let resolved = &prepared.resolved;
    for choice in &resolved.choices {
        say(choice);
    }
    let test = prepared
        .test
        .as_ref()
        .map_or("no test set".into(), |test| format!("{} test", thousands(test.len() as f64)));
    let samples = count(prepared.train.len(), "sample");
    say(&format!(
        "training {} ({} parameters) on {samples}, {test}; {}, learning rate {}; writing {}",
        resolved.spec.sizes(),
        thousands(resolved.spec.parameters() as f64),
        resolved.config.optimizer,
        chainrule::short(resolved.config.learning_rate),
        folder.path().display()
    ));
}

/// Conventions that are printed, never assumed.
pub fn conventions(network: &Network, config: &TrainConfig) -> Vec<(String, String)> {
    let row = |name: &str, value: String| (name.to_string(), value);
    let scale = match config.regularize.l2_scale {
        PenaltyScale::PerSample => "added to the mean loss",
        PenaltyScale::PerDataset => "divided by the number of training samples, then added to the mean loss",
    };
    let mut rows = vec![
        row("loss", format!("{}: {}", network.spec().loss, network.spec().loss.reduction())),
        row(
            "reported loss",
            "without penalties; the running figures of an epoch are those before each update".into(),
        ),
        row("weights", "W is (units, inputs): z = W a + b; layers count from 0 in files".into()),
        row("biases", "not penalised".into()),
    ];
    let regularize = &config.regularize;
    if regularize.l2 > 0.0 {
        rows.push(row(
            "l2",
            format!("{}/2 times the sum of squared weights, {scale}", chainrule::short(regularize.l2)),
        ));
    }
    if regularize.l1 > 0.0 {
        rows.push(row(
            "l1",
            format!("{} times the sum of absolute weights, {scale}", chainrule::short(regularize.l1)),
        ));
    }
    if !config.class_weights.is_empty() {
        rows.push(row("weighted loss", "divided by the sum of the weights".into()));
    }
    rows
}
