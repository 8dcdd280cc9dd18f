//! Tables that are right: what is read, and what is noticed.

mod common;

use std::path::PathBuf;

use chainrule::{Dataset, Features, Targets};
use chainrule_io::encode::{ColumnKind, TargetKind};
use chainrule_io::{
    Part, Preprocessing, SourceOptions, Standardization, TableEncoding, TableOptions, load, load_with,
    read_table, read_table_with,
};
use common::{file, says};

const FLOWERS: &str = "length,colour,kind\n1.5,red,b\n2.5,blue,a\n3.5,red,b\n4.5,red,a\n";

fn read(name: &str, text: &str, target: &[&str]) -> (Dataset, TableEncoding, Vec<String>) {
    let (_folder, path) = file(name, text);
    let target = target.iter().map(ToString::to_string).collect();
    read_table(&path, &TableOptions { target, sample_weight: None }).unwrap()
}

fn reals(data: &Dataset) -> &[f64] {
    let Features::Reals(values) = data.features() else { panic!("bytes") };
    values
}

#[test]
fn columns_are_told_apart_and_encoded() {
    let (data, encoding, notes) = read("flowers.csv", FLOWERS, &[]);
    assert_eq!(encoding.input_names(), ["length", "colour=blue", "colour=red"]);
    assert_eq!(encoding.numeric_inputs(), [true, false, false]);
    assert_eq!(reals(&data)[..6], [1.5, 0., 1., 2.5, 1., 0.]);
    assert_eq!(
        (data.labels().unwrap(), data.class_names()),
        ([1, 0, 1, 0].as_slice(), ["a".into(), "b".into()].as_slice())
    );
    assert_eq!((data.name(), data.shape()), ("flowers.csv", [3].as_slice()));
    let notes = notes.join("\n");
    for part in [
        "4 rows of 3 cells separated by commas, the first line is a header",
        "'kind', the last column, 2 classes: a, b",
        "1 numeric column; one-hot encoded: 'colour' (2 words)",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let json = serde_json::to_string(&encoding).unwrap();
    assert_eq!(serde_json::from_str::<TableEncoding>(&json).unwrap(), encoding);
}

#[test]
fn dialects_give_the_same_data() {
    let (wanted, ..) = read("t.csv", FLOWERS, &[]);
    let tabs = FLOWERS.replace(',', "\t");
    let semicolons = FLOWERS.replace(',', ";").replace('.', ",");
    let crlf = FLOWERS.replace('\n', "\r\n");
    let quoted = FLOWERS.replace("red", "\"red\"").replace("1.5", "\" 1.5 \"");
    let with_bom = format!("\u{feff}{FLOWERS}");
    let blank_lines = FLOWERS.replace('\n', "\n\n");
    for (name, text) in [
        ("t.tsv", &tabs),
        ("t.txt", &tabs),
        ("t.csv", &tabs),
        ("t.csv", &semicolons),
        ("t.csv", &crlf),
        ("t.csv", &quoted),
        ("t.csv", &with_bom),
        ("t.csv", &blank_lines),
    ] {
        let (data, ..) = read(name, text, &["kind"]);
        assert_eq!(data.clone().renamed("t.csv"), wanted, "{text:?}");
    }
}

#[test]
fn targets_are_classes_or_numbers() {
    let kind = |text: &str| read("t.csv", text, &[]).1.targets[0].kind.clone();
    let classes = |names: &[&str]| TargetKind::Classes(names.iter().map(ToString::to_string).collect());
    assert_eq!(kind("x,y\n1,10\n2,9\n3,10.0\n4,9\n"), classes(&["9", "10"]));
    assert_eq!(kind("x,y\n1,-0\n2,1\n3,0\n4,1\n"), classes(&["0", "1"]));
    assert_eq!(kind("x,y\n1,0.5\n2,1\n3,0.5\n4,1\n"), TargetKind::Real);
    assert_eq!(kind("x,y\n1,1\n2,2\n3,3\n4,4\n"), TargetKind::Real);
    let many: String = (0..100).map(|i| format!("{i},{}\n", i % 21)).collect();
    assert_eq!(kind(&many), TargetKind::Real);
    let (data, encoding, _) = read("t.csv", "a,b,c\n1,2,3\n4,5,6\n", &["c", "a"]);
    let names = vec!["c".to_string(), "a".to_string()];
    assert_eq!(*data.targets(), Targets::Values { values: vec![3., 1., 6., 4.], names });
    assert_eq!(encoding.input_names(), ["b"]);
}

#[test]
fn headers_are_recognised() {
    let has_header = |text: &str| read("t.csv", text, &[]).1.has_header;
    assert!(has_header("a,b\n1,2\n3,1\n"));
    assert!(!has_header("5.1,3.5,setosa\n4.9,3.0,other\n"));
    assert!(has_header("cap,odour,class\nx,p,e\nb,a,p\nx,a,e\n"));
    assert!(!has_header("x,p,e\nb,a,p\nx,a,e\n"));
    let (_, encoding, _) = read("t.csv", "1,2,a\n3,4,b\n5,6,a\n", &["1"]);
    assert_eq!(encoding.targets[0].name, "column 1");
    assert_eq!(encoding.input_names(), ["column 2", "column 3=a", "column 3=b"]);
}

#[test]
fn a_column_that_counts_rows_is_left_out() {
    let (data, encoding, notes) = read("t.csv", ",x,y\n0,1.5,a\n1,2.5,b\n2,3.5,a\n", &[]);
    assert_eq!((data.inputs(), encoding.input_names()), (1, vec!["x".to_string()]));
    assert!(notes.iter().any(|note| note.contains("counts the rows: left out")), "{notes:?}");
}

#[test]
fn weights_and_ids_are_noticed() {
    let (_folder, path) = file("t.csv", "id,x,w,y\np,1,0.5,a\nq,2,2,b\nr,3,1,a\n");
    let options = TableOptions { target: Vec::new(), sample_weight: Some("w".into()) };
    let (data, encoding, notes) = read_table(&path, &options).unwrap();
    assert_eq!(data.sample_weights().unwrap(), [0.5, 2.0, 1.0]);
    assert_eq!(encoding.inputs.len(), 2);
    assert!(notes.iter().any(|note| note.contains("'id' has another word in every row")), "{notes:?}");
}

#[test]
fn inputs_can_be_their_own_targets() {
    let (data, encoding, _) = read("t.csv", FLOWERS, &["input"]);
    let names = encoding.input_names();
    assert_eq!(names.len(), 5);
    assert_eq!(*data.targets(), Targets::Values { values: reals(&data).to_vec(), names });
    let (data, _) = read_table_with(&encoding, FLOWERS.as_bytes(), "t.csv", true).unwrap();
    assert_eq!(data.inputs(), 5);
    // A column of that name is a column like any other.
    assert_eq!(read("t.csv", "input,x\n1,2\n2,3\n", &["input"]).1.targets[0].name, "input");
}

#[test]
fn later_files_are_read_as_the_first() {
    let (data, encoding, _) = read("t.csv", FLOWERS, &[]);
    let again = |text: &str| read_table_with(&encoding, text.as_bytes(), "new.csv", false).unwrap();
    assert_eq!(again(FLOWERS), (data.clone().renamed("new.csv"), true));
    let (other, has_targets) = again("more;colour;length\n9;blue;2.5\n");
    assert_eq!((reals(&other), has_targets), ([2.5, 1., 0.].as_slice(), false));
    assert_eq!((other.labels().unwrap(), other.class_names()), ([0].as_slice(), data.class_names()));
    // Without a header: all columns in their places, or the inputs alone.
    assert_eq!(reals(&again("1.5,red,b\n").0), [1.5, 0., 1.]);
    let (inputs, has_targets) = again("1.5,red\n2.5,blue\n");
    assert_eq!((inputs.len(), has_targets), (2, false));
    // A target column with nothing in it is no target.
    assert!(!again("length,colour,kind\n1,red,\n2,red,?\n").1);
}

#[test]
fn files_without_a_header_are_matched_by_place() {
    let (_, encoding, _) = read("t.csv", "1,2,a\n3,4,b\n5,6,a\n", &[]);
    assert!(encoding.inputs.iter().all(|column| column.kind == ColumnKind::Numeric));
    let again = |text: &str| read_table_with(&encoding, text.as_bytes(), "new.csv", false);
    assert!(again("7,8,b\n").unwrap().1);
    assert!(!again("7,8\n").unwrap().1);
    assert_eq!(again("p,q\n7,8\n").unwrap().0.len(), 1);
    says(
        again("7,8,b,1\n"),
        &["new.csv: line 1", "expected 3 as in training, or the 2 inputs", "found 4 columns"],
    );
}

#[test]
fn sources_encode_and_standardize_for_a_model() {
    let (_folder, path) = file("flowers.csv", FLOWERS);
    let (source, options) = (path.display().to_string(), SourceOptions::default());
    let loaded = load(&source, &options).unwrap();
    assert!(loaded.standardize_by_default && loaded.test.is_none());
    let encoding = loaded.encoding.unwrap();
    let mut model = Preprocessing::of(&loaded.train, Some(encoding.clone()));
    let figures = Standardization::fit(&loaded.train, &encoding.numeric_inputs(), true);
    assert_eq!((figures.mean.as_slice(), figures.std[1]), ([3.0, 0.0, 0.0].as_slice(), 1.0));
    model.standardization = Some(figures.clone());
    let text = serde_json::to_string(&model).unwrap();
    let model: Preprocessing = serde_json::from_str(&text).unwrap();
    let (data, has_targets) = load_with(&source, &model, &options, Part::Test, true).unwrap();
    assert!(has_targets);
    assert_eq!(data, figures.apply(&loaded.train).unwrap());
    says(
        load_with("digits", &model, &options, Part::Test, true),
        &["digits", "expected a table with the columns length, colour", "found images"],
    );
    let xor = load("xor", &options).unwrap();
    let model = Preprocessing::of(&xor.train, xor.encoding);
    let points: PathBuf = path.with_file_name("points.csv");
    std::fs::write(&points, "a,b\n0.5,1\n").unwrap();
    let (data, has_targets) =
        load_with(&points.display().to_string(), &model, &options, Part::Test, false).unwrap();
    assert_eq!((data.row(0), has_targets), (vec![0.5, 1.0], false));
}
