//! Where the time of a run goes. The library has no clock: who wants to know lends it one ([`crate::train::Trainer::profile_by`]).
//!
//! Laps follow each other without a gap: what passes between two looks at the clock belongs to the part that ended there. Of
//! whole steps, which one kernel makes, a call in [`SAMPLED`] is made phase by phase, and tells how the time of all divides.

use crate::plan::{Kernel, Plan, Way};
use chainrule_kernels::descent::Phase;
use serde::Serialize;

/// Nanoseconds since some moment of the past.
pub type Clock = fn() -> u64;

/// Of so many calls of the kernel for whole steps, one is made phase by phase.
pub const SAMPLED: u64 = 8;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The order of an epoch is drawn.
    Order,
    /// Samples and targets are gathered.
    Gather,
    /// z and a of a layer.
    Forward(usize),
    /// The loss, and BP1.
    Loss,
    /// BP2: the error is carried from this layer to the one before.
    CarryBack(usize),
    /// BP3 and BP4 of a layer; the update too, where it is made in place.
    Gradient(usize),
    /// Gradients are looked through for numbers that are not finite; penalties and clipping.
    Check,
    /// The optimizer's own pass over the parameters.
    Update,
    /// Whole steps in one kernel.
    WholeSteps,
    /// Correct answers are counted.
    Count,
    /// Data sets are evaluated after an epoch.
    Evaluation,
    /// Whoever watches the run.
    Observer,
    /// Looks at the clock.
    Clock,
}

/// Parts that are there once.
const ONCE: [Part; 10] = [
    Part::Order,
    Part::Gather,
    Part::Loss,
    Part::Check,
    Part::Update,
    Part::WholeSteps,
    Part::Count,
    Part::Evaluation,
    Part::Observer,
    Part::Clock,
];

impl Part {
    fn index(self) -> usize {
        let of_layer = |l: usize, which: usize| ONCE.len() + 3 * l + which;
        match self {
            Self::Forward(l) => of_layer(l, 0),
            Self::CarryBack(l) => of_layer(l, 1),
            Self::Gradient(l) => of_layer(l, 2),
            once => ONCE.iter().position(|&part| part == once).unwrap_or(0),
        }
    }
}

/// One line of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What is done.
    pub part: String,
    /// The kernel of its products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,
    /// The share of the steps' time that the plan expects, where it expects one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_share: Option<f64>,
    /// The share of the steps' time that it took; none of what lies outside the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_share: Option<f64>,
    /// The time it took.
    pub seconds: f64,
}

/// The times of a run's parts.
#[derive(Clone, Debug)]
pub struct Profile {
    clock: Clock,
    /// The last look.
    last: u64,
    /// What a look takes.
    look: u64,
    /// Nanoseconds by [`Part::index`].
    times: Vec<u64>,
    /// Calls of the kernel for whole steps, and the phases of those made phase by phase, by [`Phase`].
    calls: u64,
    phases: [u64; 4],
}

impl Profile {
    /// Of a network of so many layers, from now on.
    pub fn new(clock: Clock, layers: usize) -> Self {
        let look = (0..64).map(|_| clock().abs_diff(clock())).min().unwrap_or(0);
        let times = vec![0; ONCE.len() + 3 * layers];
        Self { clock, last: clock(), look, times, calls: 0, phases: [0; 4] }
    }

    /// Leaves out the time since the last look.
    pub(crate) fn restart(&mut self) {
        self.last = (self.clock)();
    }

    /// Ends a lap.
    pub(crate) fn lap(&mut self, part: Part) {
        let passed = self.passed();
        self.times[part.index()] += passed;
    }

    /// Nanoseconds since the last look, but for the look.
    fn passed(&mut self) -> u64 {
        let now = (self.clock)();
        let all = now.saturating_sub(self.last);
        self.last = now;
        let look = self.look.min(all);
        self.times[Part::Clock.index()] += look;
        all - look
    }

    /// Whether the next call of whole steps is to be made phase by phase.
    pub(crate) fn wants_phases(&mut self) -> bool {
        self.calls += 1;
        self.calls % SAMPLED == 1
    }

    /// Ends a phase of whole steps.
    pub(crate) fn phase(&mut self, phase: Phase) {
        let passed = self.passed();
        self.phases[phase as usize] += passed;
        self.times[Part::WholeSteps.index()] += passed;
    }

    /// Seconds that a part took.
    pub fn seconds(&self, part: Part) -> f64 {
        1e-9 * self.times.get(part.index()).map_or(0.0, |&time| time as f64)
    }

    /// Seconds of all parts.
    pub fn total(&self) -> f64 {
        1e-9 * self.times.iter().sum::<u64>() as f64
    }

    /// Every part that took time, in the order of a step, beside what `plan` expects of it.
    pub fn rows(&self, plan: &Plan) -> Vec<Row> {
        let mut rows = vec![self.row("gathering the batch", Part::Gather)];
        if plan.way == Way::WholeSteps && self.seconds(Part::WholeSteps) > 0.0 {
            rows.extend(self.whole_steps(plan));
        } else {
            rows.extend(self.five_calls(plan));
        }
        rows.push(self.row("counting correct answers", Part::Count));
        let steps: f64 = rows.iter().map(|row| row.seconds).sum();
        if steps > 0.0 {
            rows.iter_mut().for_each(|row| row.measured_share = Some(row.seconds / steps));
        } else {
            rows.clear(); // a finished run makes no step
        }
        rows.extend([
            self.row("drawing the order", Part::Order),
            self.row("evaluating", Part::Evaluation),
            self.row("watching the run", Part::Observer),
            self.row("reading the clock", Part::Clock),
        ]);
        rows.retain(|row| row.seconds > 0.0 || row.predicted_share.is_some());
        rows
    }

    fn row(&self, name: impl Into<String>, part: Part) -> Row {
        let seconds = self.seconds(part);
        Row { part: name.into(), kernel: None, predicted_share: None, measured_share: None, seconds }
    }

    fn five_calls(&self, plan: &Plan) -> Vec<Row> {
        let layers = plan.layers.len();
        // A layer's share divides equally over its products, which are of one size.
        let of_layer = |name: &str, l: usize, part: Part| {
            let products = if l == 0 { 2.0 } else { 3.0 };
            Row {
                kernel: Some(plan.layers[l].kernel),
                predicted_share: Some(plan.layers[l].predicted_share / products),
                ..self.row(format!("layer {} {name}", l + 1), part)
            }
        };
        let change = if plan.way == Way::InPlace { "update (BP4)" } else { "gradient (BP4)" };
        let mut rows: Vec<Row> = (0..layers).map(|l| of_layer("forward", l, Part::Forward(l))).collect();
        rows.push(self.row("loss (BP1)", Part::Loss));
        for l in (0..layers).rev() {
            rows.push(of_layer(change, l, Part::Gradient(l)));
            if l > 0 {
                rows.push(of_layer("error back (BP2)", l, Part::CarryBack(l)));
            }
        }
        rows.push(self.row("looking for what is not finite", Part::Check));
        let share = Some(plan.predicted_update_share).filter(|&share| share > 0.0);
        rows.push(Row { predicted_share: share, ..self.row("update", Part::Update) });
        rows
    }

    /// The time of all whole steps, divided as that of the calls made phase by phase.
    fn whole_steps(&self, plan: &Plan) -> Vec<Row> {
        let whole = self.seconds(Part::WholeSteps);
        let sampled = self.phases.iter().sum::<u64>().max(1) as f64;
        let first = plan.layers[0].predicted_share;
        let rest = 1.0 - first;
        let lists = Some(plan.layers[0].kernel);
        let others = plan.layers.get(1).map(|layer| layer.kernel);
        let layers = match plan.layers.len() {
            2 => "layer 2".to_string(),
            count => format!("layers 2-{count}"),
        };
        let row = |name: String, phase: Phase, kernel: Option<Kernel>, predicted: f64| Row {
            part: name,
            kernel,
            predicted_share: Some(predicted),
            measured_share: None,
            seconds: whole * self.phases[phase as usize] as f64 / sampled,
        };
        let mut rows = vec![row("layer 1 forward".into(), Phase::FirstForward, lists, first / 2.0)];
        if let Some(others) = others {
            let through = format!("{layers} forward, BP1, BP2");
            rows.push(row(through, Phase::Through, Some(others), rest * 2.0 / 3.0));
            rows.push(row(format!("{layers} update (BP4)"), Phase::RestUpdate, Some(others), rest / 3.0));
        } else {
            rows.push(row("loss (BP1)".into(), Phase::Through, None, 0.0));
        }
        rows.push(row("layer 1 update (BP4)".into(), Phase::FirstUpdate, lists, first / 2.0));
        rows.push(self.row("looking for what is not finite", Part::Check));
        rows
    }
}
