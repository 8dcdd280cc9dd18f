//! Measures a run while it goes.

use crate::Real;
use crate::diagnose::data::DataFigures;
use crate::diagnose::finding::Finding;
use crate::diagnose::probe::Probe;
use crate::diagnose::record::Record;
use crate::diagnose::rules::diagnose;
use crate::diagnose::units::change;
use crate::observer::{Observer, Signal};
use crate::train::{EpochRecord, Trainer};

/// Samples trained for each sample of the probe that is passed: what is measured costs about a hundredth of a run.
const SHARE: u64 = 256;
/// A long run is measured more rarely: each time after it has grown by this part.
const GROWTH: u64 = 32;

/// Measures a run: before it, after a few early steps (1, 4, 16, …), and at the ends of epochs.
#[derive(Clone, Debug)]
pub struct Diagnostics<T> {
    probe: Probe<T>,
    record: Record,
    /// The parameters at the last measurement, until the step after it has been seen.
    before: Option<(u64, Vec<T>)>,
}

impl<T: Real> Diagnostics<T> {
    /// Begins with a run as it stands, measuring it before its first step, or goes on with what was measured of it
    /// before an interruption.
    pub fn new(trainer: &Trainer<T>, past: Option<Record>) -> Self {
        let (config, data) = (trainer.config(), trainer.sets.train);
        let probe = Probe::new(trainer.network(), data, config.coding, config.accuracy);
        let step = trainer.progress().step;
        let record =
            past.unwrap_or_else(|| Record { data: DataFigures::measure::<T>(data), measurements: vec![] });
        let mut diagnostics = Self { probe, record, before: None };
        diagnostics.record.measurements.retain(|m| m.step <= step);
        if step == 0 {
            diagnostics.record.measurements.clear();
            diagnostics.measure(trainer);
        }
        diagnostics
    }

    /// What was measured so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What the rules say of it so far.
    pub fn findings(&self, trainer: &Trainer<T>) -> Vec<Finding> {
        diagnose(&self.record, trainer.network().spec(), trainer.config(), trainer.progress())
    }

    /// Whether the end of this epoch is measured: it is the first or the last, or enough was trained since.
    fn is_due(&self, trainer: &Trainer<T>) -> bool {
        let progress = trainer.progress();
        let Some(last) = self.record.measurements.iter().rfind(|m| m.epochs > 0) else { return true };
        let batch = trainer.config().batch_size.of(trainer.samples()) as u64;
        let (then, now) = (last.step * batch, progress.step * batch); // samples
        let pause = (self.probe.samples() as u64 * SHARE).max(then / GROWTH);
        progress.ending.is_some() || now >= then + pause
    }

    fn measure(&mut self, trainer: &Trainer<T>) {
        let (step, epochs) = (trainer.progress().step, trainer.progress().epoch);
        let measured = self.probe.measure(trainer.network(), trainer.params(), step, epochs);
        self.record.measurements.push(measured);
        self.before = Some((step, trainer.params().to_vec()));
    }

    /// Once the step after a measurement is made: how far it went.
    fn compare(&mut self, trainer: &Trainer<T>) {
        let step = trainer.progress().step;
        if self.before.as_ref().is_none_or(|(at, _)| *at >= step) {
            return;
        }
        let (Some((at, before)), Some(last)) = (self.before.take(), self.record.measurements.last_mut())
        else {
            return;
        };
        if at + 1 != step {
            return;
        }
        let layout = trainer.network().layout();
        for (l, layer) in last.layers.iter_mut().enumerate() {
            let change = change(layout, l, &before, trainer.params());
            layer.update_ratio = (layer.weight_norm > 0.0).then(|| change / layer.weight_norm);
        }
    }
}

impl<T: Real> Observer<T> for Diagnostics<T> {
    /// The step after a measurement tells how far it went; the first ones are measured at powers of 4.
    fn patience(&mut self, step: u64) -> u64 {
        if self.before.is_some() {
            return 1;
        }
        let mut next = 1u64;
        while next <= step {
            next = next.saturating_mul(4);
        }
        next - step
    }

    fn on_step(&mut self, trainer: &Trainer<T>) -> Signal {
        self.compare(trainer);
        let step = trainer.progress().step;
        let power_of_4 = step.is_power_of_two() && step.trailing_zeros().is_multiple_of(2);
        if power_of_4 && trainer.progress().history.is_empty() {
            self.measure(trainer);
        }
        Signal::Continue
    }

    fn on_epoch(&mut self, trainer: &Trainer<T>, _record: &EpochRecord) -> Signal {
        if self.is_due(trainer) {
            self.compare(trainer);
            self.measure(trainer);
        }
        Signal::Continue
    }
}
