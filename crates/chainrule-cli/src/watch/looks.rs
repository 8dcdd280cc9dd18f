//! When to look at a run: by the clock, which is not asked after every step.

use std::time::{Duration, Instant};

/// Time between looks at the clock, the bar and the flag of Ctrl-C, about.
const LOOK_AFTER: Duration = Duration::from_millis(20);
/// Steps between looks grow at most by this factor at a time: the first ones are no measure of the others.
const GROWTH: u64 = 16;

/// How many steps are made between two looks at a run.
pub struct Looks {
    pub steps: u64,
    /// When the last one was, and after which step.
    pub last: (Instant, u64),
}

impl Looks {
    pub fn new(step: u64) -> Self {
        Self { steps: 1, last: (Instant::now(), step) }
    }

    /// Steps left before the next look, after `step`.
    pub fn left(&self, step: u64) -> u64 {
        self.steps.saturating_sub(step.saturating_sub(self.last.1)).max(1)
    }

    /// Counts a look, and sets the steps up to the next by how long the last ones took.
    pub fn look(&mut self, now: Instant, step: u64) {
        let (then, before) = self.last;
        if let made @ 1.. = step.saturating_sub(before) {
            let each = (now - then).as_secs_f64() / made as f64;
            let wanted = LOOK_AFTER.as_secs_f64() / each; // infinite if the clock stood still
            self.steps = (wanted.round() as u64).clamp(1, self.steps.saturating_mul(GROWTH));
        }
        self.last = (now, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_every_20_milliseconds_whatever_a_step_takes() {
        let mut looks = Looks::new(7);
        let (mut now, mut step) = (looks.last.0, 7);
        let mut go = |steps: u64, each: Duration| {
            now += each * steps as u32;
            step += steps;
            looks.look(now, step);
            assert_eq!(looks.left(step), looks.steps);
            assert_eq!(looks.left(step + looks.steps), 1);
            looks.steps
        };
        let quick = Duration::from_micros(10);
        assert_eq!([go(1, quick), go(16, quick), go(256, quick), go(2000, quick)], [16, 256, 2000, 2000]);
        assert_eq!(go(100, quick), 2000, "the end of an epoch comes early");
        assert_eq!(go(2000, Duration::from_millis(1)), 20);
        assert_eq!(go(20, Duration::from_secs(1)), 1);
        assert_eq!(go(1, Duration::ZERO), 16, "a clock that stands still");
    }
}
