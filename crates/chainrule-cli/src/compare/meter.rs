//! Progress of each run, and of all together.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::watch::say;

/// Progress on stderr: bars on a terminal, a line when a run begins and ends otherwise.
pub struct Meter {
    bars: Option<(MultiProgress, ProgressBar)>,
    quiet: bool,
}

impl Meter {
    /// For so many runs, of which some are finished.
    pub fn new(runs: usize, finished: usize, quiet: bool) -> Self {
        let bars = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let total = all.add(bar("{msg} {wide_bar:.cyan/dim} {pos} of {len} runs", runs as u64));
            total.set_position(finished as u64);
            total.set_message("all");
            total.enable_steady_tick(Duration::from_secs(1));
            (all, total)
        });
        Self { bars, quiet }
    }

    /// A run begins.
    pub fn begin(&self, name: &str, steps: u64) -> Option<ProgressBar> {
        match &self.bars {
            Some((all, total)) => {
                let run =
                    all.insert_before(total, bar("{prefix} {wide_bar:.dim} {percent:>3} %  {msg}", steps));
                run.set_prefix(crate::terminal::shortened(name, 44));
                Some(run)
            }
            None => {
                self.say(&format!("{name}: begins"));
                None
            }
        }
    }

    /// A run has ended.
    pub fn end(&self, run: Option<ProgressBar>, line: &str) {
        if let (Some((_, total)), Some(run)) = (&self.bars, run) {
            run.finish_and_clear();
            total.inc(1);
        }
        self.say(line);
    }

    /// A line above the bars.
    pub fn say(&self, line: &str) {
        match &self.bars {
            Some((all, _)) => drop(all.println(line)),
            None if !self.quiet => say(line),
            None => {}
        }
    }

    /// Removes the bars.
    pub fn clear(&self) {
        if let Some((all, _)) = &self.bars {
            let _ = all.clear(); // what cannot be cleared is in nobody's way
        }
    }
}

fn bar(template: &str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden()).with_style(style)
}
