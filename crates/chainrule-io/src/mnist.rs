//! Where MNIST lies, and reading any folder laid out like it.

use std::path::{Path, PathBuf};

use chainrule::Dataset;

use crate::idx::{both, read_idx_pair};
use crate::words::list;
use crate::{Error, Result};

/// The environment variable that names a folder holding `mnist/`.
pub const DATA_VARIABLE: &str = "CHAINRULE_DATA";

/// The four files of an MNIST-like data set: images and labels to train and to test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MnistFiles {
    /// Training images and labels.
    pub train: Option<(PathBuf, PathBuf)>,
    /// Test images and labels (`t10k`).
    pub test: Option<(PathBuf, PathBuf)>,
}

impl MnistFiles {
    /// The files in `folder`, plain or in gzip, with `-` or `.` before `idx`.
    pub fn find(folder: &Path) -> Self {
        let pair = |prefix: &str| {
            let file = |part: &str| {
                let names = ['-', '.'].into_iter().flat_map(|mark| {
                    ["", ".gz"].map(|end| format!("{prefix}-{part}{mark}idx{}-ubyte{end}", rank(part)))
                });
                names.map(|name| folder.join(name)).find(|path| path.is_file())
            };
            Some((file("images")?, file("labels")?))
        };
        Self { train: pair("train"), test: pair("t10k") }
    }

    /// Reads the pairs found as (train, test).
    ///
    /// # Errors
    /// As [`read_idx_pair`], and if images of the two parts differ in size.
    pub fn read(&self, name: &str) -> Result<(Option<Dataset>, Option<Dataset>)> {
        let read = |pair: &Option<(PathBuf, PathBuf)>, name: &str| {
            pair.as_ref().map(|(images, labels)| read_idx_pair(images, labels, name)).transpose()
        };
        // Unpacking takes most of the time before training.
        let (train, test) = both(|| read(&self.train, name), || read(&self.test, &format!("{name} test")));
        let (train, test) = (train?, test?);
        if let (Some(train), Some(test)) = (&train, &test)
            && train.shape() != test.shape()
        {
            let expected =
                format!("images of {}, as in training", crate::preprocess::shape_text(train.shape()));
            let found = crate::preprocess::shape_text(test.shape());
            return Err(Error::disagree(format!("test images of '{name}'"), expected, found));
        }
        Ok((train, test))
    }
}

/// The number in `idx3` and `idx1`: images have three dimensions, labels one.
fn rank(part: &str) -> u8 {
    if part == "images" { 3 } else { 1 }
}

/// Finds MNIST: in `data_dir`, in the folder that `CHAINRULE_DATA` names, in the repository, in the user's cache.
///
/// # Errors
/// If it is in none of them; the message lists each place.
pub fn locate_mnist(data_dir: Option<&Path>) -> Result<MnistFiles> {
    let mut places: Vec<PathBuf> = Vec::new();
    let variable = std::env::var_os(DATA_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    for folder in data_dir.into_iter().chain(variable.as_deref()) {
        places.extend([folder.join("mnist"), folder.to_path_buf()]);
    }
    places.extend(repository_folders());
    places.extend(cache_folder());
    find_in(&places)
}

fn find_in(places: &[PathBuf]) -> Result<MnistFiles> {
    let mut looked = Vec::new();
    for place in places {
        let files = MnistFiles::find(place);
        if files.train.is_some() && files.test.is_some() {
            return Ok(files);
        }
        let state = match (&files.train, &files.test, place.is_dir()) {
            (None, None, false) => " (no such folder)",
            (Some(_), None, _) => " (without the test files)",
            (None, Some(_), _) => " (without the training files)",
            _ => " (without the files)",
        };
        looked.push(format!("{}{state}", place.display()));
    }
    let hint = format!("run `chainrule data fetch mnist`; {}", offline_hint(cache_folder().as_deref()));
    Err(Error::NotFound { what: "mnist".into(), places: looked, hint })
}

/// How to get MNIST without a network.
pub(crate) fn offline_hint(folder: Option<&Path>) -> String {
    let names: Vec<&str> = crate::fetch::FILES.iter().map(|file| file.name).collect();
    let folder = folder.map_or("a folder mnist".to_string(), |folder| folder.display().to_string());
    format!(
        "without a network, copy {} from another machine into {folder}, \
         or into mnist/ in a folder that --data-dir or {DATA_VARIABLE} names",
        list(&names, 4)
    )
}

/// `data/mnist` of the repository that holds the current folder or the program.
fn repository_folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_path_buf));
    let starts = [std::env::current_dir().ok(), program];
    let mut folders: Vec<PathBuf> = Vec::new();
    for start in starts.into_iter().flatten() {
        let found = start.ancestors().map(|folder| folder.join("data/mnist")).find(|folder| folder.is_dir());
        let folder = found.unwrap_or_else(|| start.join("data/mnist"));
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Where fetched files are kept, such as `~/.cache/chainrule/mnist`.
pub fn cache_folder() -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("chainrule").join("mnist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_and_a_half_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train-images.idx3-ubyte", "train-labels-idx1-ubyte.gz"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let files = MnistFiles::find(folder.path());
        assert!(files.train.is_some() && files.test.is_none());
        let places = [folder.path().join("none"), folder.path().to_path_buf()];
        let message = find_in(&places).unwrap_err().to_string();
        for part in
            ["none (no such folder)", "(without the test files)", "chainrule data fetch mnist", "t10k-labels"]
        {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
