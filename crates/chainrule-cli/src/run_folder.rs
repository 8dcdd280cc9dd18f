//! The run folder: its files, how it comes to be, and how a model is found in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use chainrule::Real;
use chainrule::layout::Layout;
use chainrule_io::atomic::remove_leftovers;
use chainrule_io::{Checkpoint, Error, load_checkpoint, save_checkpoint, write_atomically};

/// The files of a run folder, each written whole or not at all.
const FILES: [&str; 9] = [
    "config.toml",
    "history.csv",
    "summary.json",
    "model.safetensors",
    "loss.svg",
    "accuracy.svg",
    "report.html",
    crate::tensorboard::ELSEWHERE,
    "checkpoint/state.safetensors",
];

/// A folder that one run writes.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held as long as the folder is; none where the system cannot lock a folder.
    _lock: Option<Arc<File>>,
}

impl RunFolder {
    /// A new folder holding `config.toml`. It appears with that file in it: a folder that exists can be resumed.
    pub fn create(path: &Path, config: &str) -> Result<Self> {
        Self::create_holding("config.toml", path, config)
    }

    /// A new folder that appears with the file `first` in it.
    pub fn create_holding(first: &str, path: &Path, text: &str) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            let shown = path.display();
            let command = if first == "config.toml" { "train" } else { "compare" };
            let found = if path.is_dir() { "a folder" } else { "a file" };
            let go_on = match path.join(first).is_file() {
                true => format!(", or continue with: chainrule {command} --resume {shown}"),
                false => String::new(),
            };
            bail!(
                "run folder {shown}: expected a name that is free, found {found} (choose another --run-dir{go_on})"
            );
        }
        let name = path.file_name().with_context(|| format!("run folder {}: has no name", path.display()))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let cannot =
            || format!("cannot create the run folder {} (choose another with --run-dir)", path.display());
        if let Some(file) = parent.ancestors().find(|part| part.exists() && !part.is_dir()) {
            return Err(anyhow::anyhow!("{}: expected a folder, found a file", file.display()))
                .with_context(cannot);
        }
        std::fs::create_dir_all(parent).with_context(cannot)?;
        remove_unfinished(parent, &name.to_string_lossy());
        let temporary = parent.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        std::fs::create_dir(&temporary).with_context(cannot)?;
        let written = write_atomically(&temporary.join(first), text.as_bytes());
        let renamed =
            written.map_err(anyhow::Error::from).and_then(|()| Ok(std::fs::rename(&temporary, path)?));
        if let Err(error) = renamed {
            // The first error matters more than a folder that cannot be removed.
            let _ = std::fs::remove_dir_all(&temporary);
            return Err(error).with_context(cannot);
        }
        Ok(Self { path: path.to_path_buf(), _lock: lock(path)? })
    }

    /// A new folder `runs/NAME-N` with the smallest free N.
    pub fn create_numbered(name: &str, config: &str) -> Result<Self> {
        Self::create_numbered_holding("config.toml", name, config)
    }

    /// The same, with the file `first` in it.
    pub fn create_numbered_holding(first: &str, name: &str, text: &str) -> Result<Self> {
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
        let mut numbered =
            (1u32..).map(|n| PathBuf::from(format!("runs/{name}-{n}"))).filter(|path| !taken(path));
        loop {
            let free = numbered.next().context("runs/ is full")?;
            match Self::create_holding(first, &free, text) {
                Err(_) if taken(&free) => {} // another run began at the same moment
                result => return result,
            }
        }
    }

    /// The folder of a run that has begun.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_holding("config.toml", path)
    }

    /// The folder that appeared with the file `first` in it.
    pub fn open_holding(first: &str, path: &Path) -> Result<Self> {
        if !path.join(first).is_file() {
            let found =
                if path.is_dir() { format!("a folder without {first}") } else { "no such folder".into() };
            bail!("{}: expected a run folder, found {found} (runs are listed by: ls runs)", path.display());
        }
        let folder = Self { path: path.to_path_buf(), _lock: lock(path)? };
        // No other process writes here: what a killed one left half-written can go.
        for file in FILES.map(|name| folder.file(name)) {
            if file.parent().is_some_and(Path::is_dir) {
                remove_leftovers(&file)?;
            }
        }
        Ok(folder)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn checkpoint_file(&self) -> PathBuf {
        self.path.join("checkpoint").join("state.safetensors")
    }

    /// Writes a file, whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(write_atomically(&self.file(name), text.as_bytes())?)
    }

    /// Saves the state, whole or not at all.
    pub fn save<T: Real>(&self, layout: &Layout, checkpoint: &Checkpoint<T>) -> Result<()> {
        let file = self.checkpoint_file();
        let last = if file.exists() { "the one before it is kept" } else { "there is none yet" };
        let cannot = || format!("the checkpoint could not be saved; {last}");
        let folder = self.path.join("checkpoint");
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create", &folder, error))
            .with_context(cannot)?;
        save_checkpoint(&file, layout, checkpoint).with_context(cannot)
    }

    /// The saved state, if one has been saved.
    pub fn load<T: Real>(&self, layout: &Layout) -> Result<Option<Checkpoint<T>>> {
        let file = self.checkpoint_file();
        if !file.exists() {
            return Ok(None);
        }
        Ok(Some(load_checkpoint(&file, layout)?))
    }
}

/// Makes sure that no other process writes the run.
fn lock(path: &Path) -> Result<Option<Arc<File>>> {
    let Ok(folder) = File::open(path) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(Arc::new(folder))),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!(
                "{}: expected a run that has stopped, found one that another process trains",
                path.display()
            )
        }
        Err(std::fs::TryLockError::Error(_)) => Ok(None), // no locks here: as on some network drives
    }
}

/// Removes the temporary folders of runs called `name` whose process was killed while it created them.
fn remove_unfinished(parent: &Path, name: &str) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let process = found.to_string_lossy();
        let process = process.strip_prefix(&format!(".{name}.")).and_then(|rest| rest.strip_suffix(".tmp"));
        let process = process.and_then(|process| process.parse::<u32>().ok());
        // Without /proc it is not known who lives: then nothing is removed.
        let lives = |process: u32| {
            !Path::new("/proc/self").exists() || Path::new(&format!("/proc/{process}")).exists()
        };
        if process.is_some_and(|process| !lives(process)) {
            // It is in nobody's way: if it cannot be removed, it stays.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The model file that a user names: itself, or the one in a run folder.
pub fn model_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let file = path.join("model.safetensors");
    if !file.exists() {
        let shown = path.display();
        let hint = if path.join("config.toml").exists() {
            format!("the run has not ended: chainrule train --resume {shown}")
        } else {
            "a run folder is written by: chainrule train".to_string()
        };
        bail!("{shown}: expected a folder with model.safetensors, found none ({hint})");
    }
    Ok(file)
}
