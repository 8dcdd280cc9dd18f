//! Learning-rate schedules: a factor on the learning rate, by epoch or step.

use crate::call::{Call, serde_as_text};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the learning rate changes: a linear warm-up, then a curve. `warmup(500)+cosine` in settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Steps over which the rate rises from 1/warmup to 1; 0 for none.
    pub warmup: u64,
    /// What follows.
    pub curve: Curve,
}

/// The curve of the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Curve {
    /// Always 1.
    #[default]
    Constant,
    /// times gamma every `size` epochs.
    Step {
        /// Epochs between drops.
        size: u64,
        /// By default 0.1.
        gamma: f64,
    },
    /// times gamma every epoch.
    Exponential {
        /// By default 0.95.
        gamma: f64,
    },
    /// low + (1 - low)(1 + cos(pi p))/2, with p the share of steps done after the warm-up (Loshchilov and Hutter 2017).
    Cosine {
        /// The factor at the end, by default 0.
        low: f64,
    },
    /// times factor when the watched loss has not fallen for `patience` epochs.
    Plateau {
        /// By default 0.1.
        factor: f64,
        /// Epochs to wait, by default 10.
        patience: u64,
    },
}

/// The names that settings accept.
pub const NAMES: [&str; 6] = ["constant", "step", "exponential", "cosine", "plateau", "warmup"];

/// What reduce-on-plateau has seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    best: Option<f64>,
    waited: u64,
    factor: f64,
}

impl Default for PlateauState {
    fn default() -> Self {
        Self { best: None, waited: 0, factor: 1.0 }
    }
}

impl Schedule {
    /// The factor for the update after `step` steps, in epoch `epoch` (both from 0), of `total` steps planned.
    pub fn factor(self, step: u64, epoch: u64, total: u64, plateau: &PlateauState) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / self.warmup as f64;
        }
        match self.curve {
            Curve::Constant => 1.0,
            Curve::Step { size, gamma } => gamma.powi((epoch / size) as i32),
            Curve::Exponential { gamma } => gamma.powi(epoch as i32),
            Curve::Cosine { low } => {
                let share = (step - self.warmup) as f64 / total.saturating_sub(self.warmup).max(1) as f64;
                low + (1.0 - low) * 0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos())
            }
            Curve::Plateau { .. } => plateau.factor,
        }
    }

    /// Tells reduce-on-plateau the loss of an epoch.
    pub fn observe(self, loss: f64, state: &mut PlateauState) {
        let Curve::Plateau { factor, patience } = self.curve else { return };
        // As PyTorch: better by more than a share of 1e-4.
        if loss.is_finite() && state.best.is_none_or(|best| loss < best * (1.0 - 1e-4)) {
            state.best = Some(loss);
            state.waited = 0;
        } else {
            state.waited += 1;
        }
        if state.waited > patience {
            state.factor *= factor;
            state.waited = 0;
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut schedule = Self::default();
        for part in text.split('+') {
            let mut call = Call::parse("schedule", part)?;
            let share = |v: f64| v > 0.0 && v <= 1.0;
            let whole = |v: f64| v >= 1.0 && v.fract() == 0.0;
            let expected_share = "a number above 0, up to 1";
            match call.name.as_str() {
                "warmup" | "warm_up" => {
                    schedule.warmup = call.take_if("steps", 100.0, "a whole number of steps", whole)? as u64;
                }
                "constant" => schedule.curve = Curve::Constant,
                "step" => {
                    let size = call.take_if("size", 10.0, "a whole number of epochs", whole)? as u64;
                    let gamma = call.take_if("gamma", 0.1, expected_share, share)?;
                    schedule.curve = Curve::Step { size, gamma };
                }
                "exponential" => {
                    let gamma = call.take_if("gamma", 0.95, expected_share, share)?;
                    schedule.curve = Curve::Exponential { gamma };
                }
                "cosine" => {
                    let low = call.take_if("low", 0.0, "a share of 0 to 1", |v| (0.0..=1.0).contains(&v))?;
                    schedule.curve = Curve::Cosine { low };
                }
                "plateau" | "reduce_on_plateau" => {
                    let factor = call.take_if("factor", 0.1, expected_share, share)?;
                    let patience =
                        call.take_if("patience", 10.0, "a whole number of epochs", |v| v == 0.0 || whole(v))?;
                    schedule.curve = Curve::Plateau { factor, patience: patience as u64 };
                }
                _ => return Err(call.unknown(&NAMES)),
            }
            call.finish(())?;
        }
        Ok(schedule)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.warmup > 0 {
            write!(f, "warmup({})+", self.warmup)?;
        }
        match self.curve {
            Curve::Constant => f.write_str("constant"),
            Curve::Step { size, gamma } => write!(f, "step({size}, {gamma})"),
            Curve::Exponential { gamma } => write!(f, "exponential({gamma})"),
            Curve::Cosine { low } => write!(f, "cosine({low})"),
            Curve::Plateau { factor, patience } => write!(f, "plateau({factor}, {patience})"),
        }
    }
}

serde_as_text!(Schedule);

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(text: &str, at: &[(u64, u64)], total: u64) -> Vec<f64> {
        let schedule: Schedule = text.parse().unwrap();
        assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
        at.iter()
            .map(|&(step, epoch)| schedule.factor(step, epoch, total, &PlateauState::default()))
            .collect()
    }

    #[test]
    fn factors_follow_their_formulas() {
        assert_eq!(factors("constant", &[(0, 0), (99, 9)], 100), [1.0, 1.0]);
        assert_eq!(factors("step(2, 0.5)", &[(0, 0), (0, 1), (0, 2), (0, 4)], 9), [1.0, 1.0, 0.5, 0.25]);
        assert_eq!(factors("exponential(0.5)", &[(0, 0), (0, 3)], 9), [1.0, 0.125]);
        assert_eq!(factors("warmup(4)", &[(0, 0), (1, 0), (3, 0), (4, 0)], 9), [0.25, 0.5, 1.0, 1.0]);
        let cosine = factors("warmup(10)+cosine(0.1)", &[(10, 0), (60, 0), (110, 0)], 110);
        for (got, want) in cosine.iter().zip([1.0, 0.55, 0.1]) {
            assert!((got - want).abs() <= 1e-12, "{got} {want}");
        }
        assert!("step(0)".parse::<Schedule>().is_err() && "cosin".parse::<Schedule>().is_err());
    }

    #[test]
    fn plateau_waits_then_reduces() {
        let schedule: Schedule = "plateau(0.5, 1)".parse().unwrap();
        let mut state = PlateauState::default();
        let mut seen = vec![];
        for loss in [1.0, 0.5, 0.5, 0.5, 0.5, 0.4] {
            schedule.observe(loss, &mut state);
            seen.push(schedule.factor(0, 0, 1, &state));
        }
        assert_eq!(seen, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]);
    }
}
