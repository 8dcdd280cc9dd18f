//! What watches a training run: the progress bar, a line per epoch, history, checkpoints, Ctrl-C.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chainrule::Real;
use chainrule::diagnose::{self, Diagnostics, Finding, Place, Rule};
use chainrule::observer::{Observer, Signal};
use chainrule::train::{EpochRecord, Trainer};
use chainrule_io::{Checkpoint, Extra, HistoryColumns, write_atomically};
use indicatif::{ProgressBar, ProgressStyle};

use crate::diagnosis;
use crate::profile::Laps;
use crate::run_folder::RunFolder;
use crate::tensorboard::Board;
use crate::terminal::thousands;
use looks::Looks;
use rows::Rows;
pub use rows::loss_text;

mod looks;
mod rows;

/// Time between checkpoints unless steps are counted.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(5);
/// Time between looks of the bar.
const SHOW_AFTER: Duration = Duration::from_millis(100);

/// Watches one run.
pub struct Watch<T> {
    folder: RunFolder,
    history: File,
    columns: HistoryColumns,
    extra: Extra,
    checkpoint_every: Option<u64>,
    saved: Instant,
    started: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
    rows: Rows,
    drawn: Option<Instant>,
    stop: Arc<AtomicBool>,
    looks: Looks,
    first_step: u64,
    diagnostics: Diagnostics<T>,
    board: Option<Board<T>>,
    /// Findings that were said.
    said: Vec<(Rule, Place)>,
    /// Where its own time goes, if somebody asked.
    laps: Option<Laps>,
    error: Option<anyhow::Error>,
}

/// Set by Ctrl-C, and by a request to terminate.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(1); // asked twice: files are written whole or not at all, so nothing is harmed
        }
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(flag)
}

impl<T: Real> Watch<T> {
    /// Begins, or continues, the history of a run. `extra` is what a checkpoint kept.
    pub fn new(
        folder: RunFolder,
        columns: HistoryColumns,
        mut extra: Extra,
        trainer: &Trainer<T>,
        checkpoint_every: Option<u64>,
        stop: Arc<AtomicBool>,
        quiet: bool,
    ) -> Result<Self> {
        let past = trainer.progress();
        let mut text = columns.header();
        for (record, &seconds) in past.history.iter().zip(&extra.seconds) {
            text += &columns.line(record, seconds);
        }
        let path = folder.file("history.csv");
        write_atomically(&path, text.as_bytes())?;
        let history = File::options().append(true).open(&path);
        let history = history.with_context(|| format!("cannot write {}", path.display()))?;
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(trainer.total_steps());
            let template = "{wide_bar:.cyan/dim} {percent:>3} %  {msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let saved = Instant::now();
        let epochs = epochs(trainer);
        let rows =
            Rows::new(epochs, path.display().to_string(), past.history.len() as u64, trainer.has_test());
        Ok(Self {
            folder,
            history,
            columns,
            checkpoint_every,
            saved,
            started: Instant::now(),
            bar,
            quiet,
            rows,
            drawn: None,
            stop,
            looks: Looks::new(past.step),
            first_step: past.step,
            diagnostics: Diagnostics::new(trainer, extra.diagnosis.take()),
            board: None,
            said: Vec::new(),
            extra,
            laps: None,
            error: None,
        })
    }

    /// Shows the run to TensorBoard too.
    pub fn show_to(&mut self, board: Option<Board<T>>) {
        self.board = board;
    }

    /// Measures from now on where its own time goes.
    pub fn measure_laps(&mut self) {
        self.laps = Some(Laps::default());
    }

    /// Where its own time went, if it was measured.
    pub fn laps(&self) -> Option<&Laps> {
        self.laps.as_ref()
    }

    fn restart_laps(&mut self) {
        if let Some(laps) = &mut self.laps {
            laps.restart();
        }
    }

    fn lap(&mut self, name: &'static str) {
        if let Some(laps) = &mut self.laps {
            laps.lap(name);
        }
    }

    /// What is wrong with the run so far.
    pub fn findings(&self, trainer: &Trainer<T>) -> Vec<Finding> {
        self.diagnostics.findings(trainer)
    }

    /// Says why a number may no longer be finite.
    pub fn explain(&self, trainer: &Trainer<T>, error: &chainrule::Error) {
        let record = self.diagnostics.record();
        let finding = diagnose::diverged(record, trainer.config(), trainer.progress(), error);
        say(&diagnosis::warning(&finding, &record.data.classes));
    }

    /// Says what the last measurement brought to light.
    fn warn(&mut self, trainer: &Trainer<T>, measured_before: usize) {
        if self.quiet || self.diagnostics.record().measurements.len() == measured_before {
            return;
        }
        let findings = self.findings(trainer);
        for finding in diagnosis::new_ones(&findings, &mut self.said) {
            let line = diagnosis::warning(finding, &self.diagnostics.record().data.classes);
            match &self.bar {
                Some(bar) => bar.println(line),
                None => say(&line),
            }
        }
    }

    /// Seconds of training, those before a resume included.
    pub fn elapsed(&self) -> f64 {
        self.extra.elapsed + self.started.elapsed().as_secs_f64()
    }

    /// Saves the state as it is.
    pub fn save(&mut self, trainer: &Trainer<T>) -> Result<()> {
        let diagnosis = Some(self.diagnostics.record().clone());
        let extra = Extra { elapsed: self.elapsed(), diagnosis, ..self.extra.clone() };
        let checkpoint = Checkpoint { snapshot: trainer.snapshot(), extra };
        self.folder.save(trainer.network().layout(), &checkpoint)?;
        self.saved = Instant::now();
        self.looks.last.0 = self.saved; // saving is no part of a step
        Ok(())
    }

    /// Clears the bar and gives the error that stopped the run, if one did.
    pub fn close(&mut self) -> Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.error.take().map_or(Ok(()), Err)
    }

    fn guard(&mut self, result: Result<()>) -> Signal {
        match result {
            Ok(()) => Signal::Continue,
            Err(error) => {
                self.error = Some(error);
                Signal::Stop
            }
        }
    }

    fn show_bar(&mut self, trainer: &Trainer<T>, now: Instant) {
        let Some(bar) = &self.bar else { return };
        let progress = trainer.progress();
        let (made, total) = (progress.step - self.first_step, trainer.total_steps());
        let running = trainer.running();
        let per_step = trainer.config().batch_size.of(trainer.samples()) as f64;
        let seconds = (now - self.started).as_secs_f64();
        let mut message =
            format!("epoch {}  {} samples/s", progress.epoch, thousands(made as f64 * per_step / seconds));
        if running.loss.is_finite() {
            message += &format!("  loss {:.4}", running.loss);
        }
        if let Some(accuracy) = running.accuracy {
            message += &format!("  accuracy {:.2} %", 100.0 * accuracy);
        }
        if let Some(left) = left(made, total.saturating_sub(progress.step), seconds) {
            message += &format!("  {left} left");
        }
        bar.update(|state| state.set_pos(progress.step));
        bar.set_message(message);
        self.drawn = Some(now);
    }

    fn show_epoch(&mut self, record: &EpochRecord, seconds: f64, last: bool) {
        if self.quiet {
            return;
        }
        for line in self.rows.of(record, seconds, last) {
            match &self.bar {
                Some(bar) => bar.println(line),
                None => say(&line),
            }
        }
    }
}

/// Prints a line for the user. That nobody reads any more (`2>&1 | head`) is no reason to stop training.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl<T: Real> Observer<T> for Watch<T> {
    fn patience(&mut self, step: u64) -> u64 {
        let to_checkpoint = self.checkpoint_every.map_or(u64::MAX, |every| every - step % every);
        self.looks.left(step).min(to_checkpoint).min(self.diagnostics.patience(step))
    }

    fn on_step(&mut self, trainer: &Trainer<T>) -> Signal {
        self.restart_laps();
        let measured = self.diagnostics.record().measurements.len();
        self.diagnostics.on_step(trainer);
        self.warn(trainer, measured);
        self.lap("diagnosing");
        if self.stop.load(Ordering::Relaxed) {
            return Signal::Stop;
        }
        let step = trainer.progress().step;
        let exact = self.checkpoint_every.is_some_and(|every| step.is_multiple_of(every));
        // Steps that come one by one are not worth a look at the clock each.
        if !exact && step.saturating_sub(self.looks.last.1) < self.looks.steps {
            return Signal::Continue;
        }
        let now = Instant::now();
        self.looks.look(now, step);
        if self.bar.is_some() && self.drawn.is_none_or(|drawn| now - drawn >= SHOW_AFTER) {
            self.show_bar(trainer, now);
            self.lap("showing progress");
        }
        if exact || (self.checkpoint_every.is_none() && now - self.saved >= CHECKPOINT_AFTER) {
            let saved = self.save(trainer);
            self.lap("writing checkpoints");
            return self.guard(saved);
        }
        Signal::Continue
    }

    fn on_epoch(&mut self, trainer: &Trainer<T>, record: &EpochRecord) -> Signal {
        self.restart_laps();
        let seconds = self.elapsed();
        self.extra.seconds.push(seconds);
        let line = self.columns.line(record, seconds);
        let path = self.folder.file("history.csv");
        let written = self.history.write_all(line.as_bytes());
        let written = written.map_err(|error| chainrule_io::Error::io("write", &path, error).into());
        self.lap("writing the history");
        let written = written.and_then(|()| self.board.as_mut().map_or(Ok(()), |b| b.epoch(trainer, record)));
        if self.board.is_some() {
            self.lap("writing event files");
        }
        let now = Instant::now();
        if self.bar.is_some() && self.drawn.is_none_or(|drawn| now - drawn >= SHOW_AFTER) {
            self.show_bar(trainer, now);
        }
        self.show_epoch(record, seconds, trainer.progress().ending.is_some());
        self.lap("showing progress");
        let measured = self.diagnostics.record().measurements.len();
        self.diagnostics.on_epoch(trainer, record);
        self.warn(trainer, measured);
        self.lap("diagnosing");
        self.guard(written)
    }
}

/// Epochs that a run has if nothing stops it early; the last may be cut short by a number of steps.
fn epochs<T: Real>(trainer: &Trainer<T>) -> u64 {
    trainer.total_steps().div_ceil(trainer.config().steps_per_epoch(trainer.samples()).max(1))
}

/// The first steps are no measure of the others: before so many seconds and this part of the steps nothing is said of
/// the time left.
const KNOWN_AFTER: f64 = 0.5;
const KNOWN_PART: u64 = 200;

/// Time left for `rest` steps where `made` took so many seconds.
fn left(made: u64, rest: u64, seconds: f64) -> Option<String> {
    let known = seconds >= KNOWN_AFTER && made.saturating_mul(KNOWN_PART) >= rest;
    let left = seconds / made.max(1) as f64 * rest as f64;
    known.then(|| match left.ceil() as u64 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s.div_ceil(60)),
        s => format!("{} h", s.div_ceil(3600)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_once_it_is_known() {
        assert_eq!(left(1, 99, 0.1), None);
        assert_eq!(left(1, 9999, 3.0), None);
        assert_eq!(left(25, 75, 1.0).as_deref(), Some("3 s"));
        assert_eq!(left(10, 990, 10.0).as_deref(), Some("17 min"));
        assert_eq!(left(10, 0, 10.0).as_deref(), Some("0 s"));
    }
}
