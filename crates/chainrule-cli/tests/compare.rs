//! `chainrule compare`, from the command to the folder.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;

use common::{Place, history, repository_data, signal, until, wait, was_killed};

/// The rows of a CSV file of the comparison, by the names of the columns.
fn rows(place: &Place, file: &str) -> Vec<BTreeMap<String, String>> {
    let text = place.text(file);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// `runs.csv` without what depends on the clock.
fn figures(place: &Place, folder: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = rows(place, &format!("{folder}/runs.csv"));
    for row in &mut rows {
        row.remove("seconds");
    }
    rows
}

/// (combination, rule) of every finding.
fn found(place: &Place, folder: &str) -> Vec<(String, String)> {
    let document = place.json(&format!("{folder}/comparison.json"));
    let mut found = Vec::new();
    for row in document["rows"].as_array().unwrap() {
        for finding in row["findings"].as_array().unwrap() {
            let words: Vec<&str> =
                row["combination"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
            found.push((words.join(" "), finding["finding"]["rule"].as_str().unwrap().to_string()));
        }
    }
    found
}

const SMALL: &str = "data=digits limit=300 hidden=[12] batch_size=20 epochs=4";

#[test]
fn every_combination_is_what_train_trains() {
    let place = Place::new();
    let ran = place.done(&format!(
        "compare {SMALL} --vary init=he_normal,zeros --vary learning_rate=0.01,0.1 --run-dir c"
    ));
    for part in [
        "4 combinations",
        "init=zeros, learning_rate=0.1: begins",
        "init=he_normal, learning_rate=0.01: test accuracy",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let files = [
        "compare.toml",
        "comparison.csv",
        "comparison.md",
        "comparison.json",
        "runs.csv",
        "report.html",
        "test-accuracy.svg",
    ];
    files.iter().for_each(|file| assert!(!place.read(&format!("c/{file}")).is_empty(), "{file}"));
    let table = rows(&place, "c/comparison.csv");
    assert_eq!(table.len(), 4);
    assert_eq!((table[1]["init"].as_str(), table[1]["learning_rate"].as_str()), ("he_normal", "0.1"));
    // The same settings by `train` give the same figures, to the last digit.
    place.done(&format!("train {SMALL} init=he_normal learning_rate=0.1 --run-dir t"));
    let last = history(&place.path("t")).pop().unwrap();
    let cells: Vec<&str> = last.split(',').collect();
    let row = &figures(&place, "c")[1];
    let ours = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"].map(|name| row[name].as_str());
    assert_eq!(ours, [cells[2], cells[3], cells[4], cells[5]]);
    // A run is a run: its model can be used.
    place.done("eval c/runs/2-init-he_normal-learning_rate-0.1/seed-0 digits");
    // Zero weights of relu pass nothing back.
    let found = found(&place, "c");
    assert!(
        found.iter().any(|(words, rule)| words.contains("zeros") && rule == "vanishing-gradient"),
        "{found:?}"
    );
    assert!(!found.iter().any(|(words, _)| words.contains("he_normal learning_rate=0.01")), "{found:?}");
    place.no_temporaries();

    place.done(&format!("compare {SMALL} --vary init=he_normal,zeros --vary learning_rate=0.01,0.1 --threads 1 --run-dir one --quiet"));
    assert_eq!(figures(&place, "one"), figures(&place, "c"));
}

#[test]
fn repeats_and_folds_have_mean_and_deviation() {
    let place = Place::with("iris.csv", std::fs::read(repository_data().join("iris.csv")).unwrap());
    place.done("compare iris.csv --vary hidden=[8],[16] epochs=5 --repeat 2 --folds 3 --run-dir c --quiet");
    let runs = figures(&place, "c");
    assert_eq!(runs.len(), 12);
    let (table, first) = (rows(&place, "c/comparison.csv"), &runs[..6]);
    let values: Vec<f64> = first.iter().map(|run| run["validation_accuracy"].parse().unwrap()).collect();
    let mean = values.iter().sum::<f64>() / 6.0;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0).sqrt();
    let number = |name: &str| table[0][name].parse::<f64>().unwrap();
    assert!((number("validation_accuracy") - mean).abs() <= 1e-12);
    assert!((number("validation_accuracy_deviation") - deviation).abs() <= 1e-12);
    assert_eq!((first[4]["seed"].as_str(), first[4]["fold"].as_str()), ("1", "2"));
    let page = place.text("c/report.html");
    assert!(page.contains(" ± ") && page.contains("The best was chosen on the validation samples"));
    // The validation samples of the folds are all training samples, once.
    let samples = |fold: usize| {
        let config = place.toml(&format!("c/runs/1-hidden-8/seed-0-fold-{fold}/config.toml"));
        assert!(config.get("validation_split").is_none());
        place.json(&format!("c/runs/1-hidden-8/seed-0-fold-{fold}/result.json"))["steps"].as_u64().unwrap()
    };
    assert_eq!([samples(1), samples(2), samples(3)], [15, 15, 15]); // 80 of 120 samples in batches of 32, 5 epochs
    place.refuses("compare iris.csv --folds 3 validation_split=0.2", 2, &["folds and validation"]);
}

#[test]
fn an_interrupted_comparison_goes_on_where_it_stopped() {
    let place = Place::new();
    let line = "compare data=digits limit=400 hidden=[20] optimizer=sgd batch_size=1 epochs=20 --vary learning_rate=0.01,0.02,0.03,0.04";
    place.done(&format!("{line} --run-dir whole --quiet"));
    for (number, kind) in ["INT", "KILL"].into_iter().enumerate() {
        let folder = format!("c{number}");
        let process = place.command(&format!("{line} --threads 2 --run-dir {folder}")).spawn().unwrap();
        until("a run is finished", || {
            std::fs::read_dir(place.path(&format!("{folder}/runs")))
                .is_ok_and(|runs| runs.flatten().any(|run| run.path().join("seed-0/result.json").exists()))
        });
        signal(kind, process.id());
        let ran = wait(process, line);
        if kind == "INT" {
            let ran = ran.expect(1, &["of 4 runs finished", "chainrule compare --resume c0"]);
            assert!(ran.err.contains("interrupted"), "{}", ran.err);
        } else {
            assert!(was_killed(ran.status));
        }
        place.done(&format!("compare --resume {folder} --quiet"));
        assert_eq!(figures(&place, &folder), figures(&place, "whole"), "{kind}");
    }
    place.refuses("compare --resume nowhere", 1, &["no such folder"]);
    for (flag, key) in [("--epochs 3", "epochs"), ("--seed 1", "seed"), ("--config x.toml", "config")] {
        let expected = ["--resume: expected at most threads or reach", key];
        place.refuses(&format!("compare --resume whole {flag}"), 2, &expected);
    }
}

#[test]
fn a_search_chooses_by_validation_samples() {
    let place = Place::new();
    let search = "compare data=digits limit=300 hidden=[12] epochs=9 --vary learning_rate=log(1e-5,3)";
    let ran = place.done(&format!("{search} --trials 9 --run-dir whole"));
    assert!(
        ran.err.contains("for the search to choose by") && ran.out.contains("best by validation accuracy"),
        "{ran:?}"
    );
    let whole = figures(&place, "whole");
    let ran = place.done(&format!("{search} --trials 9 --halving --run-dir halved"));
    assert!(ran.err.contains("halving: after 1 epoch the best 3 of 9 combinations go on"), "{}", ran.err);
    let halved = figures(&place, "halved");
    let states = |state: &str| halved.iter().filter(|run| run["state"] == state).count();
    assert_eq!((states("halted"), states("done")), (8, 1));
    // What is trained to its end has the same bits as without halving.
    for (a, b) in whole.iter().zip(&halved) {
        assert_eq!(a["learning_rate"], b["learning_rate"]);
        assert!(b["state"] == "halted" || a == b, "{a:?} {b:?}");
    }
    let epochs = |runs: &[BTreeMap<String, String>]| {
        runs.iter().map(|run| run["epochs"].parse::<u32>().unwrap()).sum::<u32>()
    };
    assert_eq!((epochs(&whole), epochs(&halved)), (81, 6 + 2 * 3 + 9));
    place.done(&format!("{search} --grid 3 --run-dir grid --quiet"));
    let rates: Vec<String> =
        rows(&place, "grid/comparison.csv").iter().map(|row| row["learning_rate"].clone()).collect();
    assert_eq!(rates, ["1e-5", "0.00548", "3"]);
}

#[test]
fn what_diverges_is_a_result() {
    let place = Place::new();
    let ran = place.done(&format!("compare {SMALL} optimizer=sgd --vary learning_rate=0.1,1e30 --run-dir c"));
    assert!(ran.out.contains("learning rate too large"), "{}", ran.out);
    let runs = figures(&place, "c");
    assert_eq!([&runs[0]["state"], &runs[1]["state"]], ["done", "diverged"]);
    assert!(place.text("c/comparison.md").contains("stopped: "));
}

#[test]
fn slips_are_refused_before_anything_is_run() {
    let place = Place::new();
    let once = place.refuses("compare xor --vary foo=1,2", 2, &["--vary foo=1: expected a known setting"]);
    assert_eq!(once.matches("--vary").count(), 1, "{once}");
    place.refuses("compare xor --vary hidden=2,3 --reach nan", 2, &["--reach NaN: expected"]);
    for (line, parts) in [
        ("compare digits --vary init", vec!["no '='"]),
        ("compare digits --vary inti=ones", vec!["did you mean init?"]),
        ("compare digits --vary init=ons,zeros", vec!["--vary init=ons", "did you mean ones?"]),
        ("compare digits init=ones --vary init=zeros", vec!["found both"]),
        ("compare digits --vary learning_rate=log(0,1)", vec!["above 0"]),
        (
            "compare digits --vary optimizer=adam,lbfgs schedule=cosine",
            vec!["--vary optimizer=lbfgs", "lbfgs"],
        ),
        ("compare digits --vary seed=1,2 --repeat 2", vec!["--repeat"]),
        ("compare digits --vary epochs=1,2 --halving", vec!["--halving"]),
    ] {
        place.refuses(line, 2, &parts);
    }
}

/// No rule fires on the default recipes of five data sets over 20 seeds, nor on MNIST over 3.
#[test]
fn healthy_runs_raise_no_alarm() {
    let place = Place::new();
    let data = |name: &str| repository_data().join(name).display().to_string();
    let mnist = format!("mnist --data-dir {} epochs=2", repository_data().display());
    for (name, line, repeats) in [
        ("iris", data("iris.csv"), 20),
        ("wine", data("wine.csv"), 20),
        ("cancer", data("breast-cancer.csv"), 20),
        ("diabetes", data("diabetes.csv"), 20),
        ("digits", "digits".into(), 20),
        ("mnist", mnist, 3),
    ] {
        place.done(&format!("compare {line} --repeat {repeats} --run-dir {name} --quiet"));
        assert_eq!(found(&place, name), [], "{name}");
    }
}

/// Nor on published recipes that learn well, however short: their noise, their large initial weights and their few
/// steps are no faults.
#[test]
fn published_recipes_raise_no_alarm() {
    let place = Place::new();
    let mnist = format!("--data-dir {}", repository_data().display());
    for (name, line) in [
        ("xor", "xor --epochs 3 --repeat 10".to_string()),
        ("xor-longer", "xor --steps 2000 --repeat 8".into()),
        ("two-three-one", "two-three-one --repeat 8".into()),
        ("mazur", "mazur --repeat 2".into()),
        (
            "full-batch",
            format!(
                "{} --epochs 2 --batch-size full --repeat 8",
                repository_data().join("iris.csv").display()
            ),
        ),
        ("nielsen-30", format!("nielsen-30 {mnist} --steps 64 --repeat 4")),
        ("nielsen-30-cross-entropy", format!("nielsen-30-cross-entropy {mnist} --steps 64 --repeat 4")),
        ("nielsen-100", format!("nielsen-100 {mnist} --steps 64 --repeat 2")),
    ] {
        place.done(&format!("compare {line} --run-dir {name} --quiet"));
        assert_eq!(found(&place, name), [], "{name}");
    }
}

/// All of S4's starts are diagnosed when the biases are random too, by the rule that their weights deserve.
#[test]
fn bad_starts_are_named_whatever_their_biases() {
    let place = Place::new();
    place.done(
        "compare digits-online --vary init=normal,uniform,zeros,ones --epochs 1 --run-dir starts --quiet",
    );
    let page = place.text("starts/comparison.md");
    let of = |start: &str| {
        page.lines().find(|line| line.contains(&format!("| init={start} |"))).unwrap().to_string()
    };
    for (start, rule, healthy) in [
        ("normal", "saturated units", "identical units"),
        ("uniform", "saturated units", "identical units"),
        ("zeros", "identical units", "saturated units"),
        ("ones", "identical units", "learning rate"),
    ] {
        assert!(of(start).contains(rule) && !of(start).contains(healthy), "{start}: {}", of(start));
    }
}
