//! Fetching MNIST: from mirrors, checked by SHA-256, written whole or not at all.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::fingerprint::hex;
use crate::mnist::{cache_folder, offline_hint};
use crate::{Error, Result, write_atomically};

/// The environment variable that names another address to fetch from.
pub const MIRROR_VARIABLE: &str = "CHAINRULE_MNIST_URL";
const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"];
/// The largest file has 10 MB.
const MAX_DOWNLOAD: usize = 32 << 20;

/// A file of MNIST as the mirrors name it.
pub(crate) struct RemoteFile {
    pub name: &'static str,
    /// Bytes unpacked.
    size: u64,
    /// Of the unpacked content: mirrors pack the same content in different ways.
    sha256: &'static str,
}

/// The four files.
pub(crate) const FILES: [RemoteFile; 4] = [
    RemoteFile {
        name: "train-images-idx3-ubyte.gz",
        size: 47_040_016,
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    RemoteFile {
        name: "train-labels-idx1-ubyte.gz",
        size: 60_008,
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    RemoteFile {
        name: "t10k-images-idx3-ubyte.gz",
        size: 7_840_016,
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    RemoteFile {
        name: "t10k-labels-idx1-ubyte.gz",
        size: 10_008,
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

/// How far fetching has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchProgress<'a> {
    /// The file being fetched.
    pub file: &'a str,
    /// Its place among the files, from 0.
    pub index: usize,
    /// The number of files.
    pub files: usize,
    /// Bytes received of this file.
    pub received: u64,
    /// Bytes of this file, if the server says.
    pub total: Option<u64>,
    /// Whether the file is there and checked.
    pub done: bool,
}

/// Fetches the four files of MNIST into `to`, or the user's cache, and returns that folder.
///
/// Files that are there and right are left alone. Each file is checked by the SHA-256 of its unpacked content and
/// written only if it is right. `CHAINRULE_MNIST_URL` names an address to use in place of the mirrors.
///
/// # Errors
/// If no mirror gives a file that is right, or the folder cannot be written.
pub fn fetch_mnist(to: Option<&Path>, progress: &mut dyn FnMut(FetchProgress)) -> Result<PathBuf> {
    let own = std::env::var(MIRROR_VARIABLE).ok().filter(|address| !address.is_empty());
    let mirrors = own.map_or_else(|| MIRRORS.map(str::to_string).to_vec(), |address| vec![address]);
    fetch_mnist_from(&mirrors, to, progress)
}

/// As [`fetch_mnist`], from the given addresses, tried in order.
///
/// # Errors
/// As [`fetch_mnist`].
pub fn fetch_mnist_from(
    mirrors: &[String],
    to: Option<&Path>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf> {
    let folder = to.map(Path::to_path_buf).or_else(cache_folder).ok_or_else(|| Error::NotFound {
        what: "a folder for MNIST".into(),
        places: vec!["the user's cache (this system names none)".into()],
        hint: "give a folder".into(),
    })?;
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    for (index, file) in FILES.iter().enumerate() {
        let path = folder.join(file.name);
        let mut report = |received, total, done| {
            progress(FetchProgress { file: file.name, index, files: FILES.len(), received, total, done });
        };
        if let Ok(bytes) = std::fs::read(&path)
            && check(file, &bytes).is_ok()
        {
            report(bytes.len() as u64, Some(bytes.len() as u64), true);
            continue;
        }
        let bytes = fetch_file(file, mirrors, &folder, &mut report)?;
        write_atomically(&path, &bytes)?;
        report(bytes.len() as u64, Some(bytes.len() as u64), true);
    }
    Ok(folder)
}

fn fetch_file(
    file: &RemoteFile,
    mirrors: &[String],
    folder: &Path,
    report: &mut dyn FnMut(u64, Option<u64>, bool),
) -> Result<Vec<u8>> {
    let mut problems = Vec::new();
    for mirror in mirrors {
        let address = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
        let outcome = download(&address, report).and_then(|bytes| check(file, &bytes).map(|()| bytes));
        match outcome {
            Ok(bytes) => return Ok(bytes),
            Err(problem) => problems.push(format!("{address}: {problem}")),
        }
    }
    Err(Error::Fetch { file: file.name.into(), problems, hint: offline_hint(Some(folder)) })
}

fn download(address: &str, report: &mut dyn FnMut(u64, Option<u64>, bool)) -> Result<Vec<u8>, String> {
    let mut config = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_global(Some(Duration::from_secs(600)));
    if ["http://localhost", "http://127.0.0.1"].iter().any(|local| address.starts_with(local)) {
        // A proxy would look for the address on its own machine.
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config.build().into();
    let mut response = agent.get(address).call().map_err(|error| error.to_string())?;
    let total = response.body().content_length();
    let mut reader = response.body_mut().as_reader();
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 << 10];
    report(0, total, false);
    loop {
        let length =
            reader.read(&mut part).map_err(|error| format!("after {} bytes: {error}", bytes.len()))?;
        if length == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&part[..length]);
        if bytes.len() > MAX_DOWNLOAD {
            return Err(format!("expected at most {MAX_DOWNLOAD} bytes, found more"));
        }
        report(bytes.len() as u64, total, false);
    }
}

/// Whether `packed` unpacks to the right content.
fn check(file: &RemoteFile, packed: &[u8]) -> Result<(), String> {
    let mut content = Vec::with_capacity(file.size as usize);
    // One byte more than expected shows that there are more, without unpacking all of them.
    let outcome = GzDecoder::new(packed).take(file.size + 1).read_to_end(&mut content);
    if outcome.is_err() {
        return Err(format!("expected gzip data, found {} bytes that do not unpack", packed.len()));
    }
    let found = hex(&Sha256::digest(&content));
    if found != file.sha256 {
        return Err(format!("expected unpacked content with SHA-256 {}, found {found}", file.sha256));
    }
    Ok(())
}
