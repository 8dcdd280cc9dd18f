//! Progress of all runs together.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Parts of a run that the bar shows.
pub const PARTS: u64 = 1000;

/// Progress on stderr: a bar on a terminal, a line per finished run otherwise.
pub struct Meter {
    bar: Option<ProgressBar>,
}

impl Meter {
    /// A bar for this many runs.
    pub fn new(jobs: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(jobs as u64 * PARTS);
            let style = ProgressStyle::with_template("{wide_bar:.cyan/dim} {percent} %  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar }
    }

    /// Moves on by so many of the [`PARTS`] of a run.
    pub fn advance(&self, parts: u64, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(name.to_string());
            bar.inc(parts);
        }
    }

    /// Says that a run is done.
    pub fn finished(&self, name: &str, seconds: f64) {
        let line = format!("{name}: {seconds:.2} s");
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
