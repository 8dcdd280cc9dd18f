//! Names and paths: what is found, and what is said if nothing is.

mod common;

use chainrule::Targets;
use chainrule_io::png::read_png;
use chainrule_io::{Part, Preprocessing, SourceOptions, load, load_with};
use common::{file, gzip, idx, says};
use png::ColorType;

fn options() -> SourceOptions {
    SourceOptions::default()
}

fn png(values: &[u8], columns: u32, rows: u32, colour: ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns, rows);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(values).unwrap();
    bytes
}

/// What a model of 2 x 3 images with classes a and 7 remembers.
fn small_model() -> Preprocessing {
    let class_names = vec!["a".to_string(), "7".to_string()];
    Preprocessing { shape: vec![2, 3], scale: 1.0 / 255.0, class_names, ..Preprocessing::default() }
}

#[test]
fn unknown_sources_are_explained() {
    let message = says(
        load("digitz", &options()),
        &["digitz: not found", "meant 'digits'?", "mnist, xor, mazur", ".csv"],
    );
    assert!(message.contains("IMAGES,LABELS"), "{message}");
    says(load("no/such/file.csv", &options()), &["no/such/file.csv: not found"]);
    let (folder, path) = file("model.bin", "whatever");
    says(load(&path.display().to_string(), &options()), &["model.bin: expected a name", "found a .bin file"]);
    let folder = folder.path().display().to_string();
    says(
        load(&folder, &options()),
        &["expected files like MNIST's", "trainingDigits/", "found none of them"],
    );
    let options = SourceOptions { target: vec!["y".into()], ..options() };
    says(load("digits", &options), &["column 'y' of digits", "expected a table with columns"]);
}

#[test]
fn idx_files_find_their_labels() {
    let images = idx(&[2, 2, 3], &[9; 12]);
    let (folder, path) = file("my-images-idx3-ubyte", &images);
    let source = path.display().to_string();
    says(load(&source, &options()), &["expected labels for its images", "found none", "IMAGES,LABELS"]);
    let (data, has_targets) = load_with(&source, &small_model(), &options(), Part::Test, false).unwrap();
    assert_eq!((data.len(), has_targets, data.labels().unwrap()), (2, false, [0, 0].as_slice()));
    says(
        load_with(&source, &small_model(), &options(), Part::Test, true),
        &["expected labels", "found none"],
    );

    let labels = folder.path().join("my-labels-idx1-ubyte.gz");
    std::fs::write(&labels, gzip(&idx(&[2], &[1, 0]))).unwrap();
    let loaded = load(&source, &options()).unwrap();
    assert_eq!(loaded.train.labels().unwrap(), [1, 0]);
    assert!(loaded.notes[0].contains("my-labels-idx1-ubyte.gz"));
    let both = format!("{source},{}", labels.display());
    assert_eq!(load(&both, &options()).unwrap().train.labels().unwrap(), [1, 0]);
    // Labels are matched by name: this model knows no class 0 or 1.
    let parts = ["sample 0 (counted from 0)", "one of the model's classes a, 7", "found '1'"];
    says(load_with(&source, &small_model(), &options(), Part::Test, true), &parts);
    says(load(&format!("{source},none"), &options()), &["none: cannot read"]);
}

#[test]
fn a_folder_laid_out_like_mnist_is_read() {
    let (folder, _) = file("train-images.idx3-ubyte", idx(&[2, 2, 3], &[9; 12]));
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("train-labels.idx1-ubyte", idx(&[2], &[1, 0]));
    write("t10k-images-idx3-ubyte.gz", gzip(&idx(&[1, 2, 3], &[9; 6])));
    write("t10k-labels-idx1-ubyte.gz", gzip(&idx(&[1], &[1])));
    let source = folder.path().display().to_string();
    let loaded = load(&source, &options()).unwrap();
    assert_eq!((loaded.train.len(), loaded.test.as_ref().unwrap().len()), (2, 1));
    let model = Preprocessing::of(&loaded.train, None);
    let part = |part| load_with(&source, &model, &options(), part, true).unwrap().0;
    assert_eq!((part(Part::Train), part(Part::Test)), (loaded.train, loaded.test.unwrap()));
    write("t10k-images-idx3-ubyte.gz", gzip(&idx(&[1, 3, 3], &[9; 9])));
    says(load(&source, &options()), &["test images", "expected images of 2 x 3", "found 3 x 3"]);
}

#[test]
fn one_picture_can_be_predicted() {
    let (folder, path) = file("7_0.txt", "010\n111\n");
    let text = path.display().to_string();
    let (data, has_targets) = load_with(&text, &small_model(), &options(), Part::Test, false).unwrap();
    assert_eq!((data.row(0), has_targets), (vec![0., 1., 0., 1., 1., 1.], true));
    assert_eq!(data.labels().unwrap(), [1]);
    says(load(&text, &options()), &["7_0.txt", "expected a data set", "found a single picture"]);

    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let grey = write("grey.png", png(&[0, 51, 102, 153, 204, 255], 3, 2, ColorType::Grayscale));
    let (data, has_targets) = load_with(&grey, &small_model(), &options(), Part::Test, false).unwrap();
    assert_eq!(data.row(0), [0.0, 51.0, 102.0, 153.0, 204.0, 255.0].map(|byte| byte * (1.0 / 255.0)));
    assert!(!has_targets);
    let wide = write("wide.png", png(&[0; 8], 4, 2, ColorType::Grayscale));
    let parts = ["'wide.png'", "expected samples of shape 2 x 3", "found 2 x 4"];
    says(load_with(&wide, &small_model(), &options(), Part::Test, false), &parts);
    let bad = write("bad.txt", b"010\n1x1\n".to_vec());
    says(
        load_with(&bad, &small_model(), &options(), Part::Test, false),
        &["bad.txt: line 2, column 2", "found 'x'"],
    );
}

#[test]
fn pngs_are_grey_and_opaque_and_whole() {
    let colour = png(&[255, 255, 255, 0, 0, 0, 255, 0, 0], 3, 1, ColorType::Rgb);
    let (_folder, path) = file("c.png", &colour);
    let (values, rows, columns) = read_png(&path).unwrap();
    assert_eq!((rows, columns, &values[..2]), (1, 3, [255, 0].as_slice()));
    assert!(values[2] > 40 && values[2] < 90, "red is dark: {}", values[2]);
    let (_folder, path) = file("c.png", png(&[9, 255, 9, 128], 2, 1, ColorType::GrayscaleAlpha));
    says(
        read_png(&path),
        &["c.png: line 1, column 2", "expected an opaque pixel", "found a transparent one"],
    );
    let (_folder, path) = file("c.png", &colour[..colour.len() / 2]);
    says(read_png(&path), &["c.png", "expected a whole PNG image"]);
    let (_folder, path) = file("c.png", "GIF89a");
    says(read_png(&path), &["c.png: byte 0", "expected a PNG image", "another kind of file"]);
}

#[test]
fn any_source_can_be_its_own_target() {
    let options = SourceOptions { target: vec!["input".into()], ..options() };
    let loaded = load("digits", &options).unwrap();
    let Targets::Values { values, names } = loaded.test.as_ref().unwrap().targets() else {
        panic!("classes")
    };
    assert_eq!((names.len(), values.len()), (1024, 946 * 1024));
    let model = Preprocessing::of(&loaded.train, None);
    let (test, has_targets) = load_with("digits", &model, &options, Part::Test, true).unwrap();
    assert!(has_targets && test == loaded.test.unwrap());
    let xor = load("xor", &options).unwrap();
    assert!(xor.encoding.unwrap().targets.is_empty() && xor.train.targets().len() == 4);
}

/// Runs in a process of its own, started by the test below, because the environment belongs to a whole process.
#[test]
#[ignore = "needs CHAINRULE_DATA"]
fn child_reads_the_folder_named_by_the_environment() {
    let loaded = load("mnist", &options()).unwrap();
    assert_eq!((loaded.train.len(), loaded.train.shape()), (2, [2, 3].as_slice()));
}

#[test]
fn the_environment_names_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mnist = folder.path().join("mnist");
    std::fs::create_dir(&mnist).unwrap();
    for (part, count) in [("train", 2), ("t10k", 1)] {
        let images = idx(&[count, 2, 3], &vec![9; 6 * count as usize]);
        std::fs::write(mnist.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let labels = idx(&[count], &vec![1; count as usize]);
        std::fs::write(mnist.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_reads_the_folder_named_by_the_environment", "--ignored"])
        .env("CHAINRULE_DATA", folder.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
    let given = SourceOptions { data_dir: Some(folder.path().to_path_buf()), ..options() };
    assert_eq!(load("mnist", &given).unwrap().train.len(), 2);
}
