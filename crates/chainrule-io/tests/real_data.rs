//! The data that Chainrule ships with is what it is said to be.

mod common;

use chainrule::{Features, Targets};
use chainrule_io::bitmaps::read_bitmap_zip;
use chainrule_io::{Description, Part, Preprocessing, SourceOptions, describe, fingerprint, load, load_with};
use common::repository;

fn counts(description: &Description) -> Vec<usize> {
    description.classes.iter().map(|class| class.samples).collect()
}

fn mnist_options() -> SourceOptions {
    SourceOptions { data_dir: Some(repository("")), ..SourceOptions::default() }
}

#[test]
fn mnist_is_mnist() {
    let loaded = load("mnist", &mnist_options()).unwrap();
    let (train, test) = (loaded.train, loaded.test.unwrap());
    assert_eq!((train.len(), train.shape(), train.name()), (60_000, [28, 28].as_slice(), "mnist"));
    assert_eq!((test.len(), test.shape(), test.name()), (10_000, [28, 28].as_slice(), "mnist test"));
    assert_eq!(train.labels().unwrap()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(test.labels().unwrap()[..5], [7, 2, 1, 0, 4]);
    let description = describe(&train);
    // The figures by which everyone normalizes MNIST: mean 0.1307.
    assert!((description.features.mean - 0.1307).abs() <= 5e-5, "{}", description.features.mean);
    assert_eq!((description.features.min, description.features.max), (0.0, 1.0));
    assert!((description.nonzero - 0.1912).abs() <= 5e-5, "{}", description.nonzero);
    assert_eq!(counts(&description), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(counts(&describe(&test)), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);

    let model = Preprocessing::of(&train, None);
    let (again, has_targets) = load_with("mnist", &model, &mnist_options(), Part::Test, true).unwrap();
    assert!(has_targets && fingerprint(&again) == fingerprint(&test));
    let small = load("digits", &SourceOptions::default()).unwrap().train;
    let message = load_with("mnist", &Preprocessing::of(&small, None), &mnist_options(), Part::Test, true);
    common::says(message, &["'mnist test'", "expected samples of shape 32 x 32", "found 28 x 28"]);
}

#[test]
fn the_digits_in_the_program_are_those_of_the_archive() {
    let loaded = load("digits", &SourceOptions::default()).unwrap();
    let (train, test) = (loaded.train, loaded.test.unwrap());
    assert_eq!((train.len(), test.len(), train.shape()), (1934, 946, [32, 32].as_slice()));
    let archive = read_bitmap_zip(&repository("digits/digits.zip")).unwrap();
    assert_eq!(fingerprint(&train), fingerprint(&archive.train));
    assert_eq!(fingerprint(&test), fingerprint(&archive.test.unwrap()));
    assert_eq!(counts(&describe(&train)), [189, 198, 195, 199, 186, 187, 195, 201, 180, 204]);
    assert_eq!(counts(&describe(&test)), [87, 97, 92, 85, 114, 108, 87, 96, 91, 89]);
}

#[test]
fn the_small_ones_are_what_the_books_print() {
    let xor = load("xor", &SourceOptions::default()).unwrap();
    let inputs = Features::Reals(vec![0., 0., 0., 1., 1., 0., 1., 1.]);
    assert_eq!(*xor.train.features(), inputs);
    let names = vec!["xor".to_string()];
    assert_eq!(*xor.train.targets(), Targets::Values { values: vec![0., 1., 1., 0.], names });
    let mazur = load("mazur", &SourceOptions::default()).unwrap();
    assert_eq!(mazur.train.row(0), [0.05, 0.10]);
    let names = vec!["o1".to_string(), "o2".to_string()];
    assert_eq!(*mazur.train.targets(), Targets::Values { values: vec![0.01, 0.99], names });
    assert_eq!(mazur.encoding.unwrap().input_names(), ["i1", "i2"]);
    assert!(!xor.standardize_by_default && xor.test.is_none());
}
