//! Running the built program in a folder of its own, and what must hold for every run.
#![allow(dead_code)] // not every test binary uses all of it

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_chainrule");

/// A folder to run in; it is removed at the end.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one file in it.
    pub fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        place.write(name, bytes);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn toml(&self, name: &str) -> toml::Table {
        self.text(name).parse().unwrap()
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// The program, to be run here with the words of `line`.
    pub fn command(&self, line: &str) -> Command {
        self.words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The program, to be run here with these words, which may hold spaces.
    pub fn words(&self, words: &[&str]) -> Command {
        self.other(PROGRAM, words)
    }

    /// Another program, to be run here.
    pub fn other(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).env_remove("CHAINRULE_DATA").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line).output().unwrap(), line)
    }

    /// Runs the program, which must succeed.
    pub fn done(&self, line: &str) -> Ran {
        self.run(line).expect(0, &[])
    }

    /// All files and folders here, sorted.
    pub fn listing(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                found.push(entry.path().strip_prefix(self.0.path()).unwrap().to_path_buf());
            }
        }
        found.sort();
        found
    }

    /// No file that was only to live while another was written.
    pub fn no_temporaries(&self) {
        let hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
        let left: Vec<PathBuf> = self.listing().into_iter().filter(hidden).collect();
        assert!(left.is_empty(), "left over: {left:?}");
    }

    /// The command must be refused: with this code, these words on stderr, and without a trace here.
    pub fn refuses(&self, line: &str, code: i32, parts: &[&str]) -> String {
        self.refuses_words(&line.split_whitespace().collect::<Vec<_>>(), code, parts)
    }

    pub fn refuses_words(&self, words: &[&str], code: i32, parts: &[&str]) -> String {
        let before = self.listing();
        let ran = Ran::of(self.words(words).output().unwrap(), &words.join(" ")).expect(code, parts);
        assert_eq!(self.listing(), before, "{} left something", ran.line);
        assert!(ran.out.is_empty(), "{}: stdout: {}", ran.line, ran.out);
        ran.err
    }
}

/// What a process did.
#[derive(Debug)]
pub struct Ran {
    pub line: String,
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output, line: &str) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Self {
            line: line.into(),
            status: output.status,
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!ran.err.contains("panicked") && !ran.err.contains("RUST_BACKTRACE"), "{ran:#?}");
        ran
    }

    /// Checks the exit code and that stderr has every part.
    pub fn expect(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        for part in parts {
            assert!(self.err.contains(part), "'{part}' is not said: {self:#?}");
        }
        self
    }
}

/// Waits for a process that must end by itself.
pub fn wait(mut child: Child, line: &str) -> Ran {
    let late = Instant::now() + Duration::from_secs(120);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > late {
            child.kill().unwrap();
            panic!("{line}: does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ran::of(child.wait_with_output().unwrap(), line)
}

/// Waits until `ready`.
pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let late = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < late, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal such as `INT`.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether SIGKILL ended the process, and not the process itself.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// Two run folders have the same results to the bit: model, history but for the seconds, figures, and the same files.
pub fn assert_same_run(one: &Path, other: &Path) {
    let read = |folder: &Path, name: &str| {
        let file = folder.join(name);
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let model = "model.safetensors";
    assert!(read(one, model) == read(other, model), "{one:?} and {other:?}: other models");
    assert_eq!(history(one), history(other));
    let figures = |folder: &Path| {
        let summary: serde_json::Value = serde_json::from_slice(&read(folder, "summary.json")).unwrap();
        ["epochs", "steps", "ending", "best_epoch", "train", "validation", "test"]
            .map(|key| summary[key].clone())
    };
    assert_eq!(figures(one), figures(other));
    let text = |folder| String::from_utf8(read(folder, "config.toml")).unwrap();
    assert_eq!(text(one), text(other));
    assert_eq!(files(one), files(other));
}

/// The lines of `history.csv` without the seconds.
pub fn history(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("history.csv")).unwrap();
    let without_seconds = |line: &str| {
        let cells = line.split(',').enumerate().filter(|&(at, _)| at != 2);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    text.lines().map(without_seconds).collect()
}

/// Epochs in `history.csv` so far.
pub fn epochs(run: &Path) -> usize {
    std::fs::read_to_string(run.join("history.csv")).map_or(0, |text| text.lines().count().saturating_sub(1))
}

fn files(run: &Path) -> Vec<std::ffi::OsString> {
    let folders = [run.to_path_buf(), run.join("checkpoint")];
    let mut names: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    names
}

/// A file of the repository's `data` folder.
pub fn repository_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").canonicalize().unwrap()
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A table with numbers, words, quoted names, two classes (`kind`) and a number to learn (`price`).
pub fn table(rows: usize) -> String {
    let mut random = Random(7);
    let mut text = "size,colour,\"weight, net\",kind,price\n".to_string();
    for _ in 0..rows {
        let (size, weight) = (10.0 * random.unit(), 100.0 * random.unit());
        let colour = ["red", "green", "\"dark, blue\""][(3.0 * random.unit()) as usize];
        let kind = if size + weight / 10.0 + if colour == "red" { 3.0 } else { 0.0 } > 10.0 {
            "large"
        } else {
            "small"
        };
        let price = 2.0 * size - weight / 20.0 + random.unit();
        text += &format!("{size:.3},{colour},{weight:.2},{kind},{price:.4}\n");
    }
    text
}
