//! Files written whole or not at all.
//!
//! The bytes go to a temporary file in the same folder, which is synced and then renamed: a reader, or a machine that
//! loses power, sees the old file or the new one, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Removes a temporary file unless it has been renamed.
struct Temporary {
    path: PathBuf,
    keep: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing more can be done about a file that cannot be removed, and the first error matters more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes `bytes` to `path` so that the file holds all of them, or what it held before.
///
/// A symbolic link keeps pointing where it does; its target is replaced.
///
/// # Errors
/// If the folder does not exist or cannot be written, the disk is full, or `path` is not a regular file. The
/// temporary file is removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(_) => path.to_path_buf(),
    };
    if fs::metadata(&target).is_ok_and(|data| !data.is_file()) {
        let found = if target.is_dir() { "a folder" } else { "a device or pipe" };
        return Err(Error::disagree(path.display().to_string(), "a regular file to write to", found)
            .hint("choose another name"));
    }
    let folder = folder_of(&target);
    let name = target
        .file_name()
        .ok_or_else(|| Error::disagree(path.display().to_string(), "the name of a file", "none"))?;
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let temporary = format!("{}{}-{serial}.tmp", prefix(&name.to_string_lossy()), std::process::id());
    let mut temporary = Temporary { path: folder.join(temporary), keep: false };

    let fail = |error| Error::io("write", path, error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary.path).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    drop(file);
    fs::rename(&temporary.path, &target).map_err(fail)?;
    temporary.keep = true;
    sync_folder(folder).map_err(fail)
}

/// Removes temporary files that a killed process left beside `path`. Call it only where no other process writes.
///
/// # Errors
/// If the folder cannot be read or a left-over cannot be removed.
pub fn remove_leftovers(path: &Path) -> Result<()> {
    let (folder, Some(name)) = (folder_of(path), path.file_name()) else { return Ok(()) };
    let prefix = prefix(&name.to_string_lossy());
    for entry in fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))? {
        let entry = entry.map_err(|error| Error::io("read", folder, error))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".tmp") {
            fs::remove_file(entry.path()).map_err(|error| Error::io("remove", &entry.path(), error))?;
        }
    }
    Ok(())
}

fn prefix(name: &str) -> String {
    format!(".{name}.")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the rename itself durable, where the system allows opening a folder.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_missing_folder_is_named_and_nothing_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a.bin");
        let message = write_atomically(&path, b"one").unwrap_err().to_string();
        assert!(message.contains("none/a.bin") && message.contains("cannot write"), "{message}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let message = write_atomically(folder.path(), b"one").unwrap_err().to_string();
        assert!(message.contains("expected a regular file") && message.contains("a folder"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_replaced_and_a_link_is_followed() {
        let message = write_atomically(Path::new("/dev/null"), b"one").unwrap_err().to_string();
        assert!(message.contains("/dev/null") && message.contains("a device"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        write_atomically(&real, b"one").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_atomically(&link, b"two").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn leftovers_go_and_neighbours_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.bin.77-0.tmp", ".b.bin.77-0.tmp", "a.bin"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        remove_leftovers(&folder.path().join("a.bin")).unwrap();
        assert_eq!(names(folder.path()), [".b.bin.77-0.tmp", "a.bin"]);
    }
}
