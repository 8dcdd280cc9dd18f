//! `train --profile`: where the time of the whole process goes.

use std::sync::LazyLock;
use std::time::Instant;

use chainrule::Real;
use chainrule::plan::{Kernel, Plan, Way};
use chainrule::profile::{Row, SAMPLED};
use chainrule::train::Trainer;
use chainrule_report::TextTable;
use serde::Serialize;

use crate::table::table;
use crate::terminal::{width, wrapped};

/// The lap of [`Trainer::run`], which the trainer divides further.
pub const RUN: &str = "the run";
/// What the trainer calls the time of its observer, which that divides further.
const WATCHING: &str = "watching the run";

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the program began: since the first call.
pub fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// Times of things done one after another, those of one name added up.
#[derive(Clone, Debug, Default)]
pub struct Laps {
    last: u64,
    laps: Vec<(&'static str, u64)>,
}

impl Laps {
    /// Leaves out the time since the last lap.
    pub fn restart(&mut self) {
        self.last = now();
    }

    /// Ends a lap.
    pub fn lap(&mut self, name: &'static str) {
        let now = now();
        let passed = now - std::mem::replace(&mut self.last, now);
        match self.laps.iter_mut().find(|(other, _)| *other == name) {
            Some((_, sum)) => *sum += passed,
            None => self.laps.push((name, passed)),
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        self.laps.iter().map(|&(name, time)| outside(name, 1e-9 * time as f64))
    }
}

/// The profile of a process, in `summary.json` too.
#[derive(Debug, Serialize)]
pub struct Profile {
    /// Of the process so far.
    seconds: f64,
    /// The steps' share of it.
    steps_share: f64,
    /// How to read it.
    note: String,
    /// What the seconds are made of.
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    #[serde(flatten)]
    row: Row,
    /// Its share of the process.
    share: f64,
}

fn outside(name: &str, seconds: f64) -> Row {
    Row { part: name.into(), kernel: None, predicted_share: None, measured_share: None, seconds }
}

impl Profile {
    /// Of a process that has come to the end of its last lap; `watching` divides the time of the trainer's observer.
    pub fn new<T: Real>(trainer: &Trainer<T>, process: &Laps, watching: &Laps) -> Option<Self> {
        let inner = trainer.profile()?;
        let mut rows = Vec::new();
        for row in process.rows() {
            if row.part != RUN {
                rows.push(row);
                continue;
            }
            for row in inner.rows(trainer.plan()) {
                if row.part != WATCHING {
                    rows.push(row);
                    continue;
                }
                let watched: f64 = watching.rows().map(|row| row.seconds).sum();
                rows.extend(watching.rows());
                rows.push(outside("watching, beside", (row.seconds - watched).max(0.0)));
            }
            rows.push(outside("between the parts", (row.seconds - inner.total()).max(0.0)));
        }
        let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
        let in_steps = rows.iter().filter(|row| row.measured_share.is_some());
        let steps_share = in_steps.map(|row| row.seconds).sum::<f64>() / seconds;
        let parts = rows.into_iter().map(|row| Part { share: row.seconds / seconds, row }).collect();
        Some(Self { seconds, steps_share, note: note(trainer.plan()), parts })
    }

    /// For the terminal.
    pub fn text(&self) -> String {
        let TextTable { header, rows, .. } = self.table();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let note = wrapped(self.note.split(' '), width()).join("\n");
        format!("{}\n{note}", table(&header, rows, &[2, 3, 4, 5]))
    }

    /// For the page of the run.
    pub fn table(&self) -> TextTable {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let line = |name: &str, kernel: &str, predicted: Option<f64>, measured: Option<f64>, seconds: f64| {
            let [predicted, measured] =
                [predicted, measured].map(|share| share.map_or(String::new(), percent));
            let share = percent(seconds / self.seconds);
            vec![name.to_string(), kernel.to_string(), predicted, measured, format!("{seconds:.4}"), share]
        };
        let row = |part: &Part| {
            let Row { part, kernel, predicted_share, measured_share, seconds } = &part.row;
            line(part, kernel.map_or("", kernel_name), *predicted_share, *measured_share, *seconds)
        };
        let mut rows: Vec<Vec<String>> = self.parts.iter().map(row).collect();
        if let Some(last) = self.parts.iter().rposition(|part| part.row.measured_share.is_some()) {
            let steps = line("all steps", "", Some(1.0), Some(1.0), self.steps_share * self.seconds);
            rows.insert(last + 1, steps);
        }
        rows.push(line("the process", "", None, None, self.seconds));
        let header = ["part", "kernel", "predicted", "measured", "seconds", "of all"];
        TextTable { header: header.map(String::from).to_vec(), rows, text_columns: 2 }
    }

    /// How to read it.
    pub fn note(&self) -> &str {
        &self.note
    }
}

fn note(plan: &Plan) -> String {
    let shares = "predicted and measured: shares of the time of all steps; of all: shares of the process";
    match plan.way {
        Way::WholeSteps => format!(
            "{shares}; one kernel makes whole steps: one of its calls in {SAMPLED} was made phase by phase, and divides the \
             time of all"
        ),
        Way::InPlace | Way::FiveCalls => shares.into(),
    }
}

/// A kernel in words.
pub fn kernel_name(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Sparse => "lists of nonzero inputs",
        Kernel::Rows => "row by row",
        Kernel::Tiles => "packed tiles",
        Kernel::TilesOrLists => "packed tiles, or lists",
        Kernel::Loops => "loops, gemm",
    }
}
