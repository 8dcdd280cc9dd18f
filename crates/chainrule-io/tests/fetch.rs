//! Fetching MNIST from a small server on this machine.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule_io::fetch::fetch_mnist_from;
use common::{gzip, repository, says};

/// Serves what `answer` gives for each file name; returns the address and a count of requests.
fn serve(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/mnist", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            counter.fetch_add(1, Ordering::SeqCst);
            let name = request.split_whitespace().nth(1).unwrap().rsplit('/').next().unwrap().to_string();
            let (status, body) = answer(&name).map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // A client that refuses the file early may have gone.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (address, requests)
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn original(name: &str) -> Option<Vec<u8>> {
    std::fs::read(repository("mnist").join(name)).ok()
}

#[test]
fn good_files_arrive_and_are_not_fetched_twice() {
    let (address, requests) = serve(original);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("cache/mnist");
    let mut finished = Vec::new();
    let mut largest = 0;
    let refused = refused_address();
    let mirrors = [refused, address];
    let got = fetch_mnist_from(&mirrors, Some(&to), &mut |progress| {
        largest = largest.max(progress.received);
        if progress.done {
            assert_eq!(Some(progress.received), progress.total);
            finished.push((progress.index, progress.file.to_string()));
        }
    })
    .unwrap();
    assert_eq!((got.as_path(), files(&to), finished.len()), (to.as_path(), 4, 4));
    assert_eq!(finished[0], (0, "train-images-idx3-ubyte.gz".into()));
    assert!(largest > 9_000_000);
    let options = chainrule_io::SourceOptions::default();
    assert_eq!(chainrule_io::load(&to.display().to_string(), &options).unwrap().train.len(), 60_000);

    // What is right stays, what was damaged is fetched again.
    assert_eq!(requests.load(Ordering::SeqCst), 4);
    std::fs::write(to.join("t10k-labels-idx1-ubyte.gz"), b"damaged").unwrap();
    fetch_mnist_from(&mirrors, Some(&to), &mut |_| {}).unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 5);
    assert_eq!(
        std::fs::read(to.join("t10k-labels-idx1-ubyte.gz")).ok(),
        original("t10k-labels-idx1-ubyte.gz")
    );
}

fn refused_address() -> String {
    // Bound and let go: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[test]
fn wrong_files_are_refused_and_nothing_stays() {
    let wrong = gzip(&[7; 1000]);
    let (other, _) = serve(move |_| Some(wrong.clone()));
    let (garbled, _) = serve(|_| Some(b"<html>not found</html>".to_vec()));
    let (absent, _) = serve(|_| None);
    let (bomb, _) = serve(|_| Some(gzip(&vec![0; 60 << 20])));
    let folder = tempfile::tempdir().unwrap();
    let mirrors = [other.clone(), garbled, absent, bomb, refused_address()];
    let message = says(
        fetch_mnist_from(&mirrors, Some(folder.path()), &mut |_| {}),
        &[
            "train-images-idx3-ubyte.gz: could not be fetched",
            "expected unpacked content with SHA-256 ba891046e650",
            "expected gzip data, found 22 bytes that do not unpack",
            "404",
            "refused",
            "without a network, copy train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz",
            "CHAINRULE_DATA",
        ],
    );
    assert!(message.contains(&other), "{message}");
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let (_folder, path) = common::file("taken", "x");
    says(fetch_mnist_from(&[], Some(&path), &mut |_| {}), &["taken", "cannot create"]);
}
