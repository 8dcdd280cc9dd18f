//! One run of a comparison, in a folder of its own: trained to its end or to an epoch where successive halving looks.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chainrule::diagnose::{Diagnostics, Finding, Rule, diverged};
use chainrule::network::Network;
use chainrule::observer::{Observer, Signal};
use chainrule::recipe::Dtype;
use chainrule::train::{Ending, EpochRecord, Trainer};
use chainrule::{Error, Real, simd};
use chainrule_io::{Checkpoint, Extra, Prepared, save_model};
use indicatif::ProgressBar;

use super::meter::Meter;
use super::outcome::{Outcome, State};
use crate::run_folder::RunFolder;
use crate::train::{config_toml, fingerprints};

/// Time between checkpoints, and between looks of a bar.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(5);
const SHOW_AFTER: Duration = Duration::from_millis(100);

/// What a run is given beside its settings.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Its folder.
    pub path: &'a Path,
    /// Its name in progress and messages.
    pub name: &'a str,
    /// Epochs after which it halts; it can go on later.
    pub until: Option<u64>,
    /// Set when everything is to stop.
    pub stop: &'a AtomicBool,
    /// Where progress is shown.
    pub meter: &'a Meter,
}

/// The result of the run at `path`, if it came to its end or as far as `until`.
pub fn finished(path: &Path, until: Option<u64>) -> Result<Option<Outcome>> {
    let file = path.join("result.json");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let outcome: Outcome = serde_json::from_str(&text).with_context(|| {
        format!("{}: expected a result as compare writes it (remove the folder of the run)", file.display())
    })?;
    let far = until.is_some_and(|epochs| outcome.history.len() as u64 >= epochs);
    Ok((outcome.state != State::Halted || far).then_some(outcome))
}

/// Trains. Nothing is returned if it was asked to stop: it goes on from its checkpoint.
pub fn run(prepared: &Prepared, task: Task) -> Result<Option<Outcome>> {
    match prepared.resolved.settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => run_as::<f32>(prepared, task),
        Dtype::F64 => run_as::<f64>(prepared, task),
    }
}

fn run_as<T: Real>(prepared: &Prepared, task: Task) -> Result<Option<Outcome>> {
    let network = Network::new(prepared.resolved.spec.clone())?;
    let folder = match task.path.exists() {
        true => RunFolder::open(task.path)?,
        false => RunFolder::create(task.path, &config_toml(prepared)?)?,
    };
    let saved = folder.load::<T>(network.layout())?;
    let initial = if saved.is_some() { None } else { prepared.initial_params::<T>(&network)? };
    let mut trainer = Trainer::<T>::new(network, prepared.resolved.config.clone(), prepared.sets(), initial)?;
    let mut extra = Extra {
        fingerprint: fingerprints(prepared),
        simd: simd::Level::current().name().into(),
        ..Extra::default()
    };
    if let Some(saved) = saved {
        if saved.extra.fingerprint != extra.fingerprint {
            let shown = task.path.display();
            bail!(
                "{shown}: expected the data that the run began with, found other samples (start another comparison)"
            );
        }
        trainer.restore(saved.snapshot)?;
        extra = saved.extra;
    }
    let mut watch = Watch {
        diagnostics: Diagnostics::new(&trainer, extra.diagnosis.take()),
        bar: task.meter.begin(task.name, trainer.total_steps()),
        folder: &folder,
        extra,
        task,
        started: Instant::now(),
        saved: Instant::now(),
        shown: Instant::now(),
        error: None,
    };
    let ended = trainer.run(&mut watch);
    let bar = watch.bar.take();
    if let Some(error) = watch.error {
        return Err(error);
    }
    let halted = matches!(ended, Ok(Ending::Interrupted));
    let until = task.until.is_some_and(|epochs| trainer.progress().epoch >= epochs);
    if halted {
        watch.save(&trainer)?;
        if !until {
            task.meter
                .end(bar, &format!("{}: interrupted after step {}", task.name, trainer.progress().step));
            return Ok(None);
        }
    }
    let outcome = watch.outcome(&trainer, prepared, ended)?;
    folder.write("result.json", &(serde_json::to_string(&outcome)? + "\n"))?;
    if !halted {
        if outcome.state == State::Done {
            let info = prepared.model_info();
            save_model(&folder.file("model.safetensors"), &info, trainer.network(), trainer.result())?;
        }
        // The result is there: nobody needs the way to it, and there may be many runs.
        let _ = std::fs::remove_dir_all(folder.file("checkpoint"));
    }
    task.meter.end(bar, &format!("{}: {}", task.name, line(&outcome)));
    Ok(Some(outcome))
}

/// How a run went, in a line.
fn line(outcome: &Outcome) -> String {
    let mut text = match (&outcome.state, outcome.final_record()) {
        (State::Diverged(_), _) => format!("diverged in step {}", outcome.steps + 1),
        (_, None) => "no epoch".into(),
        (_, Some(record)) => {
            let score = record.validation.or(record.test).unwrap_or(record.train);
            let set = if record.validation.is_some() {
                "validation"
            } else if record.test.is_some() {
                "test"
            } else {
                "train"
            };
            match score.accuracy {
                Some(accuracy) => format!("{set} accuracy {:.2} %", 100.0 * accuracy),
                None => format!("{set} loss {}", crate::terminal::figure(score.loss)),
            }
        }
    };
    text += &format!(
        " after {}, {:.2} s",
        crate::terminal::count(outcome.history.len(), "epoch"),
        outcome.seconds
    );
    let mut rules: Vec<&str> = outcome.findings.iter().map(|finding| finding.rule.name()).collect();
    rules.dedup();
    if !rules.is_empty() {
        text += &format!(" ({})", rules.join(", "));
    }
    text
}

/// Watches one run.
struct Watch<'w, T> {
    diagnostics: Diagnostics<T>,
    bar: Option<ProgressBar>,
    folder: &'w RunFolder,
    extra: Extra,
    task: Task<'w>,
    started: Instant,
    saved: Instant,
    shown: Instant,
    error: Option<anyhow::Error>,
}

impl<T: Real> Watch<'_, T> {
    fn elapsed(&self) -> f64 {
        self.extra.elapsed + self.started.elapsed().as_secs_f64()
    }

    fn save(&mut self, trainer: &Trainer<T>) -> Result<()> {
        let diagnosis = Some(self.diagnostics.record().clone());
        let extra = Extra { elapsed: self.elapsed(), diagnosis, ..self.extra.clone() };
        self.folder.save(trainer.network().layout(), &Checkpoint { snapshot: trainer.snapshot(), extra })?;
        self.saved = Instant::now();
        Ok(())
    }

    fn outcome(
        &self,
        trainer: &Trainer<T>,
        prepared: &Prepared,
        ended: chainrule::Result<Ending>,
    ) -> Result<Outcome> {
        let mut findings: Vec<Finding> = self.diagnostics.findings(trainer);
        let state = match ended {
            Ok(Ending::Interrupted) => State::Halted,
            Ok(_) => State::Done,
            Err(error @ Error::NonFinite { .. }) => {
                findings.retain(|finding| finding.rule != Rule::LearningRateTooLarge);
                findings.push(diverged(
                    self.diagnostics.record(),
                    trainer.config(),
                    trainer.progress(),
                    &error,
                ));
                State::Diverged(error.to_string())
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Outcome {
            state,
            network: trainer.network().spec().sizes(),
            parameters: trainer.network().spec().parameters(),
            steps: trainer.progress().step,
            seconds: self.elapsed(),
            best_epoch: trainer.best_epoch(),
            history: trainer.progress().history.clone(),
            seconds_at: self.extra.seconds.clone(),
            record: self.diagnostics.record().clone(),
            findings,
            classes: prepared.train.class_names().to_vec(),
        })
    }
}

impl<T: Real> Observer<T> for Watch<'_, T> {
    fn patience(&mut self, step: u64) -> u64 {
        /// Steps between looks at the clock and the flag of Ctrl-C: milliseconds, for any network small enough to compare.
        const STEPS: u64 = 100;
        self.diagnostics.patience(step).min(STEPS)
    }

    fn on_step(&mut self, trainer: &Trainer<T>) -> Signal {
        self.diagnostics.on_step(trainer);
        if self.task.stop.load(Ordering::Relaxed) {
            return Signal::Stop;
        }
        if let Some(bar) = self.bar.as_ref().filter(|_| self.shown.elapsed() >= SHOW_AFTER) {
            bar.set_position(trainer.progress().step);
            bar.set_message(format!(
                "epoch {}, loss {:.4}",
                trainer.progress().epoch,
                trainer.running().loss
            ));
            self.shown = Instant::now();
        }
        if self.saved.elapsed() >= CHECKPOINT_AFTER
            && let Err(error) = self.save(trainer)
        {
            self.error = Some(error);
            return Signal::Stop;
        }
        Signal::Continue
    }

    fn on_epoch(&mut self, trainer: &Trainer<T>, record: &EpochRecord) -> Signal {
        self.extra.seconds.push(self.elapsed());
        self.diagnostics.on_epoch(trainer, record);
        let halt = self.task.until.is_some_and(|epochs| record.epoch + 1 >= epochs);
        if halt && trainer.progress().ending.is_none() { Signal::Stop } else { Signal::Continue }
    }
}
