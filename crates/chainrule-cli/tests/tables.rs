//! Every table of the program fits a terminal of 80 columns, and a pipe 100, without a broken number or word.
#![cfg(unix)]

mod common;

use common::{Place, Ran};

/// What a command prints where a line has so many columns.
fn shown(place: &Place, line: &str, columns: usize) -> String {
    let mut command = place.command(line);
    command.env("COLUMNS", columns.to_string());
    let ran = Ran::of(command.output().unwrap(), line);
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{ran:#?}");
    ran.out
}

/// The words of a text, but for the lines under headings.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().filter(|word| !word.starts_with('─')).collect();
    words.sort_unstable();
    words
}

/// No line is wider than `columns`, and no word of the text as it is on an endless line is missing or broken.
fn fits(place: &Place, line: &str, columns: usize) {
    let narrow = shown(place, line, columns);
    for wide in narrow.lines() {
        // A sentence of `fool` names two classes in one breath.
        let has_space = wide.trim().contains(' ') && !wide.starts_with("sample ");
        assert!(wide.chars().count() <= columns || !has_space, "{line}: wider than {columns}:\n{wide}");
    }
    let (all, whole) = (words(&narrow), shown(place, line, 2000));
    for word in words(&whole) {
        let count = |words: &[&str]| words.iter().filter(|other| **other == word).count();
        assert!(count(&all) >= count(&words(&whole)), "{line}: '{word}' is broken or lost:\n{narrow}");
    }
}

/// A table of flowers with a long path and long names of columns and classes.
fn place() -> Place {
    let place = Place::new();
    let mut text =
        "a column with a very long name indeed,another_column_that_cannot_be_wrapped,species\n".to_string();
    for i in 0..60 {
        let name = ["Iris setosa of the northern meadows", "Iris_versicolor_from_the_swamp"][i % 2];
        text += &format!("{},{},{name}\n", i as f64 * 1234.567, 1.0 / (1.0 + i as f64));
    }
    place.write("a folder_whose_name_is_long/flowers.csv", &text);
    place.write("flowers.csv", &text);
    place
}

#[test]
fn every_table_fits_80_columns_and_a_pipe() {
    let place = place();
    place.done("train flowers.csv --epochs 3 --hidden 32,16 --quiet --run-dir run");
    place.done("train digits --epochs 2 --hidden 16,16 --quiet --run-dir digits");
    place.done("compare flowers.csv --vary init=normal,uniform,zeros --vary learning_rate=0.01,0.001 --repeat 2 --epochs 3 --validation-split 0.3 --quiet --run-dir compared");
    for line in [
        "check digits --hidden 16,16",
        "check digits --hidden 16,16 --parameters 40",
        "check mazur",
        "check digits --hidden 4 activation=tanh --h 10",
        "recipes",
        "data list",
        "data show flowers.csv",
        "data show digits",
        "inspect run",
        "inspect digits",
        "inspect digits --checkpoint 0,1,last --samples 5",
        "inspect digits --plan",
        "eval run flowers.csv",
        "eval digits digits",
        "fool digits digits --sample 3",
        "fool run flowers.csv --sample 3",
        "compare --resume compared",
    ] {
        for columns in [80, 100] {
            fits(&place, line, columns);
        }
    }
    // Without a terminal and without anybody's wish, a pipe has 100 columns.
    let piped = place.done("recipes").out;
    assert!(piped.lines().all(|line| line.chars().count() <= 100), "{piped}");
}

/// Times and rates are others each time: only the width can be compared.
#[test]
fn tables_of_times_fit_80_columns() {
    let place = Place::new();
    for line in ["check mazur --time", "train xor --epochs 20 --profile --run-dir run"] {
        for wide in shown(&place, line, 80).lines() {
            assert!(wide.chars().count() <= 80, "{line}: wider than 80:\n{wide}");
        }
        let _ = std::fs::remove_dir_all(place.path("run"));
    }
}
