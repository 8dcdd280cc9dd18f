//! The run folder: its files, how it comes to be, and how a model is found in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chainrule::Real;
use chainrule::layout::Layout;
use chainrule_io::atomic::remove_leftovers;
use chainrule_io::{Checkpoint, load_checkpoint, save_checkpoint, write_atomically};

/// A folder that one run writes.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A new folder holding `config.toml`. It appears with that file in it: a folder that exists can be resumed.
    pub fn create(path: &Path, config: &str) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            let shown = path.display();
            bail!(
                "run folder {shown}: expected a name that is free, found one that exists \
                 (choose another --run-dir, or continue with: chainrule train --resume {shown})"
            );
        }
        let name = path.file_name().with_context(|| format!("run folder {}: has no name", path.display()))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let cannot =
            || format!("cannot create the run folder {} (choose another with --run-dir)", path.display());
        std::fs::create_dir_all(parent).with_context(cannot)?;
        let temporary = parent.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        std::fs::create_dir(&temporary).with_context(cannot)?;
        let written = write_atomically(&temporary.join("config.toml"), config.as_bytes());
        let renamed =
            written.map_err(anyhow::Error::from).and_then(|()| Ok(std::fs::rename(&temporary, path)?));
        if let Err(error) = renamed {
            // The first error matters more than a folder that cannot be removed.
            let _ = std::fs::remove_dir_all(&temporary);
            return Err(error).with_context(cannot);
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// A new folder `runs/NAME-N` with the smallest free N.
    pub fn create_numbered(name: &str, config: &str) -> Result<Self> {
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let free = (1u32..)
            .map(|n| PathBuf::from(format!("runs/{name}-{n}")))
            .find(|p| p.symlink_metadata().is_err());
        Self::create(&free.context("runs/ is full")?, config)
    }

    /// The folder of a run that has begun.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join("config.toml").is_file() {
            let found = if path.is_dir() { "a folder without config.toml" } else { "no such folder" };
            bail!("{}: expected a run folder, found {found} (runs are listed by: ls runs)", path.display());
        }
        Ok(Self { path: path.to_path_buf() })
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
        std::fs::create_dir_all(self.path.join("checkpoint")).with_context(cannot)?;
        save_checkpoint(&file, layout, checkpoint).with_context(cannot)
    }

    /// The saved state, if one has been saved; what a killed process left half-written is removed.
    pub fn load<T: Real>(&self, layout: &Layout) -> Result<Option<Checkpoint<T>>> {
        let file = self.checkpoint_file();
        if let Some(folder) = file.parent().filter(|folder| folder.is_dir()) {
            remove_leftovers(&folder.join("state.safetensors"))?;
        }
        if !file.exists() {
            return Ok(None);
        }
        Ok(Some(load_checkpoint(&file, layout)?))
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
