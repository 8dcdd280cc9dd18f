//! The ordinary command, in processes of its own.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Setting;

/// A folder for runs, removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A name that no other process uses.
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("chainrule-bench-{}", std::process::id())))
    }

    /// A place in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing more can be done about what cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `chainrule train WORDS` on so many threads into the folder `run`.
pub fn train(words: &[&str], threads: usize, run: &Path, setting: &Setting) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(&program);
    command.arg("train").args(words).args(["--threads", &threads.to_string(), "--run-dir"]).arg(run);
    if let Some(folder) = setting.data_dir {
        command.arg("--data-dir").arg(folder);
    }
    if !words.contains(&"--quiet") && std::io::stderr().is_terminal() {
        command.stderr(Stdio::inherit()); // with its progress bar
    }
    let done = command.stdin(Stdio::null()).output().context("cannot run this program")?;
    if !done.status.success() {
        bail!("chainrule train {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// Seconds of every epoch but the first, everything included that lies between the ends of two.
pub fn epochs(run: &Path) -> Result<Vec<f64>> {
    let file = run.join("history.csv");
    let cannot = || format!("cannot read {}", file.display());
    let mut ends = Vec::new();
    for record in csv::Reader::from_path(&file).with_context(cannot)?.deserialize() {
        let record: std::collections::HashMap<String, f64> = record.with_context(cannot)?;
        ends.push(record.get("seconds").copied().with_context(cannot)?);
    }
    Ok(ends.windows(2).map(|pair| pair[1] - pair[0]).collect())
}
