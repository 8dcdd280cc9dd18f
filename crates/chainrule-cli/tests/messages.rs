//! What is shown says what is so: counts, columns by number, the environment, pictures the wrong way round.
#![cfg(unix)]

mod common;

use common::{Place, Ran, repository_data, table};
use serde_json::Value;

#[test]
fn parameters_are_counted_without_padding() {
    let place = Place::new();
    place.done("train digits --limit 60 --epochs 1 --hidden 4 --run-dir run --quiet");
    let shown: Value = serde_json::from_str(&place.done("inspect run --json").out).unwrap();
    let layers: Vec<u64> = shown["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["parameters"].as_u64().unwrap())
        .collect();
    assert_eq!(layers, [1024 * 4 + 4, 4 * 10 + 10]);
    assert_eq!(shown["parameters"], layers.iter().sum::<u64>());
    let (table, page) = (place.done("inspect run").out, place.text("run/report.html"));
    for count in ["4,100", "4,150"] {
        assert!(table.contains(count) && page.contains(count), "{count}: {table}");
    }
    let output = table.lines().find(|line| line.contains("output") && line.contains("softmax")).unwrap();
    assert!(output.split_whitespace().any(|cell| cell == "50"), "{output}");
}

#[test]
fn target_columns_have_names_and_numbers() {
    let place = Place::new();
    let iris = repository_data().join("iris.csv").display().to_string();
    let target = |words: &[&str], run: &str| {
        let train = ["train", &iris, "--epochs", "1", "--quiet", "--run-dir", run];
        let words: Vec<&str> = train.iter().chain(words).copied().collect();
        Ran::of(place.words(&words).output().unwrap(), &words.join(" ")).expect(0, &[])
    };
    target(&["--target", "species"], "named");
    target(&["--target", "5"], "numbered");
    target(&["target=5"], "word");
    for run in ["numbered", "word"] {
        let classes = |run: &str| {
            let shown: Value =
                serde_json::from_str(&place.done(&format!("inspect {run} --json")).out).unwrap();
            shown["classes"].clone()
        };
        assert_eq!(classes(run), classes("named"), "{run}");
    }
    target(&["--target", "1, sepal_width"], "two");
    let two: Value = serde_json::from_str(&place.done("inspect two --json").out).unwrap();
    assert_eq!(two["layers"][1]["units"], 2);
    for number in ["0", "6", "-1"] {
        let words = ["train", &iris, "--target", number];
        place.refuses_words(&words, 1, &[&format!("found '{number}'"), "or its number from 1 to 5"]);
    }
    // A name may be a number, and may hold a comma.
    let rows = ["0.5,1.5,2.5,a", "1.5,0.5,3.5,b", "0.4,1.25,1.5,a", "1.6,0.75,4.5,b", "0.5,1.75,2.25,a"];
    place.write("odd.csv", format!("2,\"x, y\",size,c\n{}\n", rows.join("\n")));
    let notes = |target: &str| {
        let words = ["data", "show", "odd.csv", "--target", target];
        Ran::of(place.words(&words).output().unwrap(), target).expect(0, &[]).out
    };
    assert!(notes("x, y").contains("1 number: 'x, y'"), "{}", notes("x, y"));
    assert!(notes("2").contains("1 number: 2\n"), "{}", notes("2"));
}

#[test]
fn the_environment_is_not_ignored() {
    let place = Place::new();
    let ran = |name: &str, value: &str| {
        let output = place.command("recipes xor").env(name, value).output().unwrap();
        Ran::of(output, &format!("{name}={value}"))
    };
    ran("CHAINRULE_SIMD", "foo").expect(2, &["CHAINRULE_SIMD: expected one of portable", "found 'foo'"]);
    ran("CHAINRULE_BF16", "foo").expect(2, &["CHAINRULE_BF16: expected one of emulated", "found 'foo'"]);
    ran("CHAINRULE_DATA", "/nonexist").expect(0, &["CHAINRULE_DATA: /nonexist: no such folder"]);
    for (name, value) in [("CHAINRULE_SIMD", "portable"), ("CHAINRULE_SIMD", ""), ("CHAINRULE_DATA", ".")] {
        assert!(ran(name, value).expect(0, &[]).err.is_empty(), "{name}={value}");
    }
}

#[test]
fn a_light_picture_is_spoken_of() {
    let place = Place::new();
    place.done("train digits --limit 60 --epochs 1 --hidden 4 --run-dir run --quiet");
    let bits = |on: &str| format!("{}\n", on.repeat(32)).repeat(32);
    place.write("light.txt", bits("1"));
    place.write("dark.txt", bits("0"));
    let light = place.done("predict run light.txt");
    assert!(light.err.contains("mostly light (mean 1.00") && light.err.contains("-negate"), "{}", light.err);
    let dark = place.done("predict run dark.txt");
    assert!(dark.err.is_empty(), "{}", dark.err);
}

#[test]
fn names_of_recipes_are_no_models() {
    let place = Place::new();
    let parts = ["digits: expected a model or a run folder", "inspect --plan digits", "train digits"];
    place.refuses("inspect digits", 1, &parts);
}

#[test]
fn a_list_needs_no_brackets() {
    let place = Place::new();
    place.done("train xor hidden=3,2 --epochs 1 --run-dir run --quiet");
    let shown = place.done("inspect run").out;
    assert!(shown.contains("2-3-2-1"), "{shown}");
}

#[test]
fn no_column_for_a_test_set_that_is_not_there() {
    let place = Place::new();
    let mazur = place.done("train mazur --epochs 1 --run-dir run");
    assert!(mazur.err.contains("train loss") && !mazur.err.contains("test loss"), "{}", mazur.err);
    assert!(mazur.out.contains("1 epoch, 1 step\n"), "{}", mazur.out);
    assert!(mazur.err.contains("on 1 sample, no test set"), "{}", mazur.err);
    let digits = place.done("train digits --limit 60 --epochs 1 --hidden 4 --run-dir digits");
    assert!(digits.err.contains("test loss"), "{}", digits.err);
}

#[test]
fn large_numbers_do_not_fill_the_screen() {
    let place = Place::new();
    let ran = place.run("train mazur --learning-rate 1e300 --epochs 2 --run-dir run");
    assert!(ran.err.contains("1e300") && !ran.err.contains("00000000000000000000"), "{}", ran.err);
}

#[test]
fn a_cell_that_cannot_be_predicted_is_named() {
    let place = Place::with("t.csv", table(60));
    place.done("train t.csv --target kind --hidden 3 --epochs 1 --run-dir run --quiet");
    let header = "size,colour,\"weight, net\",price\n1,red,2,3\n";
    for (row, parts) in [
        (
            "1,ultraviolet,2,3",
            ["line 3, column 2 ('colour')", "'ultraviolet'", "train with rows that have it"],
        ),
        ("1,red,,3", ["line 3, column 3 ('weight, net')", "an empty cell", "fill it in, or remove the row"]),
    ] {
        place.write("new.csv", format!("{header}{row}\n"));
        place.refuses("predict run new.csv", 1, &parts);
    }
}
