//! Tables that are wrong: each is refused with file, line, column, expected and found.

mod common;

use chainrule_io::{TableOptions, read_table, read_table_with};
use common::{file, says};

fn refused(text: impl AsRef<[u8]>, options: &TableOptions, parts: &[&str]) -> String {
    let (_folder, path) = file("bad.csv", text);
    let message = says(read_table(&path, options), parts);
    assert!(message.contains("bad.csv"), "{message}");
    message
}

fn bad(text: impl AsRef<[u8]>, parts: &[&str]) {
    refused(text, &TableOptions::default(), parts);
}

fn target(names: &[&str]) -> TableOptions {
    TableOptions { target: names.iter().map(ToString::to_string).collect(), sample_weight: None }
}

#[test]
fn empty_files() {
    bad("", &["line 1", "expected rows of cells", "found an empty file"]);
    bad("\n\r\n", &["line 1", "found an empty file"]);
    bad("a,b,c\n", &["line 2", "expected rows of data", "found only a header"]);
    bad("a\n1\n2\n", &["line 1", "at least one input column", "found 1 target, no input"]);
}

#[test]
fn ragged_rows() {
    bad("a,b,c\n1,2,3\n1,2\n", &["line 3, column 3", "expected 3 cells, as on line 1", "found 2"]);
    bad("a,b\r\n1,2\r\n\r\n1,2,3\r\n", &["line 4, column 3", "expected 2 cells", "found 3"]);
    bad(
        "a,b\n1,\"2\n3,4\n5,6\n",
        &["line 2, column 2", "expected a closing quote", "found the end of the file"],
    );
}

#[test]
fn missing_values() {
    let rows = "age,y\n1,a\n2,b\n";
    bad(format!("{rows},a\n"), &["line 4, column 1 ('age')", "expected a value", "found an empty cell"]);
    for word in ["NA", "NaN", "null", "?", "nan"] {
        let found = format!("found '{word}' (missing)");
        bad(format!("{rows}{word},a\n"), &["line 4, column 1 ('age')", "expected a value", &found]);
        bad(format!("{rows}3,{word}\n"), &["line 4, column 2 ('y')", "expected a value", &found]);
    }
    bad(
        "x,c,y\n1,red,a\n2,,b\n3,red,a\n",
        &["line 3, column 2 ('c')", "expected a value", "found an empty cell"],
    );
    bad("x,c,y\n1,,a\n2,,b\n", &["line 2, column 2 ('c')", "found an empty cell"]);
}

#[test]
fn numbers_that_are_not_finite() {
    for word in ["inf", "-Infinity", "1e999"] {
        let found = format!("found '{word}' (not finite)");
        bad(format!("x,y\n1,a\n{word},b\n"), &["line 3, column 1 ('x')", "expected a number", &found]);
    }
    bad("x,y\n1,0.5\n2,1.5\n3,inf\n", &["line 4, column 2 ('y')", "found 'inf' (not finite)"]);
}

#[test]
fn stray_words() {
    bad(
        "x,y\n1,a\n2,b\nthree,a\n",
        &["line 4, column 1 ('x')", "expected a number", "found 'three'", "correct the cell"],
    );
    bad("x,y\n1,0.5\n2,1.5\n3,oops\n", &["line 4, column 2 ('y')", "expected a number", "found 'oops'"]);
    bad("1,2,a\n3,x,b\n5,6,a\n", &["line 2, column 2", "expected a number", "found 'x'"]);
    bad("x,2,3\n1,2,4\n1,3,5\n", &["line 1, column 1", "expected a number", "found 'x'"]);
}

#[test]
fn targets_that_cannot_be_learned() {
    bad(
        "x,y\n1,a\n2,a\n",
        &["line 2, column 2 ('y')", "expected at least 2 different targets", "found 'a' in all 2 rows"],
    );
    bad("x,y\n1,7\n2,7\n3,7\n", &["('y')", "found '7' in all 3 rows"]);
    let text = "length,width,kind\n1,2,a\n3,4,b\n";
    let parts = [
        "line 1",
        "expected as target one of the columns length, width, kind",
        "found 'knid'",
        "meant 'kind'?",
    ];
    refused(text, &target(&["knid"]), &parts);
    refused("1,2\n3,4\n", &target(&["3"]), &["a number from 1 to 2", "found '3'", "no header"]);
    refused("1,2\n3,4\n", &target(&["0"]), &["a number from 1 to 2", "found '0'"]);
    refused(
        text,
        &target(&["length", "kind"]),
        &["line 2, column 3 ('kind')", "expected a number", "found 'a'", "several targets"],
    );
    refused(text, &target(&["kind", "kind"]), &["target 'kind'", "named twice"]);
    refused("a,b\n1,2\n3,4\n", &target(&["a", "b"]), &["at least one input column", "found 2 targets"]);
}

#[test]
fn headers() {
    bad(
        "x,x,y\n1,2,a\n3,4,b\n",
        &["line 1, column 2 ('x')", "a name of its own", "found 'x' again, the name of column 1"],
    );
    bad("x,,y\n1,2,a\n3,4,b\n", &["line 1, column 2", "expected a column name", "found none"]);
    bad(",x,y\n7,2,a\n3,4,b\n", &["line 1, column 1", "expected a column name", "found none"]);
}

#[test]
fn ids() {
    let text: String = (0..1001).map(|i| format!("user-{i},{}\n", i % 2)).collect();
    let parts = ["line 2, column 1 ('id')", "at most 1000 different words", "found 1001", "probably an id"];
    bad(format!("id,y\n{text}"), &parts);
}

#[test]
fn weights() {
    let options = |name: &str| TableOptions { target: Vec::new(), sample_weight: Some(name.into()) };
    let text = "x,w,y\n1,1,a\n2,-1,b\n";
    refused(text, &options("w"), &["line 3, column 2 ('w')", "expected a weight of 0 or more", "found -1"]);
    refused(text, &options("v"), &["expected as sample weight one of the columns x, w, y", "found 'v'"]);
}

#[test]
fn encodings() {
    bad(b"x,y\n1,caf\xe9\n2,b\n", &["line 2, column 6", "expected text in UTF-8", "found the byte e9"]);
    bad(b"\xff\xfex\x00", &["byte 0", "found text in UTF-16", "save the file as UTF-8"]);
}

#[test]
fn later_files() {
    let (_folder, path) = file("t.csv", "length,colour,kind\n1,red,a\n2,blue,b\n3,red,a\n");
    let (_, encoding, _) = read_table(&path, &TableOptions::default()).unwrap();
    let again = |text: &str, need| read_table_with(&encoding, text.as_bytes(), "new.csv", need);
    let parts =
        ["new.csv: line 2, column 2 ('colour')", "expected one of blue, red", "found 'rad'", "meant 'red'?"];
    says(again("length,colour\n1,rad\n", false), &parts);
    let parts = [
        "new.csv: line 1",
        "a column 'colour', as in training",
        "only length, color",
        "is it the column 'color'?",
    ];
    says(again("length,color\n1,red\n", false), &parts);
    says(
        again("length,colour\n1,red\n", true),
        &["new.csv: line 1", "expected the target, kind", "found none"],
    );
    says(
        again("length,colour,kind\n1,red,z\n", true),
        &["line 2, column 3 ('kind')", "one of a, b", "found 'z'"],
    );
    says(again("length,colour,kind\n1,red,z\n2,red,\n", false), &["line 2, column 3 ('kind')", "found 'z'"]);
    says(again("length,colour\n", false), &["new.csv: line 2", "found only a header"]);
    says(
        again("size,hue\n1,red\n", false),
        &["new.csv: line 1", "a header with a column 'length'", "found size, hue"],
    );
    says(again("long,red\n1,red\n", false), &["new.csv: line 1", "a header with a column 'length'"]);
    says(
        again("1;2;3;4\n", false),
        &["new.csv: line 1", "expected 3 as in training, or the 2 inputs", "found 4 columns"],
    );
    says(again("x,red\n", true), &["new.csv: line 1"]);
}
