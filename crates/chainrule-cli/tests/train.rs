//! `chainrule train`, from the command to the run folder.
#![cfg(unix)]

mod common;

use common::{Place, Ran, history, repository_data, table};

const HEADER: &str = "epoch,step,seconds,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate";

#[test]
fn digits_without_a_flag_reach_95_percent() {
    let place = Place::new();
    let ran = place.done("train digits");
    let accuracy = place.json("runs/digits-1/summary.json")["test"]["accuracy"].as_f64().unwrap();
    println!("digits: {accuracy}");
    assert!(accuracy >= 0.95, "{accuracy}");
    for part in ["training 1024-64-10", "1,934 samples", "946 test", "adam", "writing runs/digits-1"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(
        ran.out.contains("test accuracy") && ran.out.contains("runs/digits-1/report.html"),
        "{}",
        ran.out
    );
    place.done("train digits --epochs 1");
    assert!(place.path("runs/digits-2/model.safetensors").is_file());
}

#[test]
fn mnist_without_a_flag_reaches_97_and_a_half_percent() {
    let place = Place::new();
    let data = repository_data();
    place.done(&format!("train mnist --data-dir {}", data.display()));
    let summary = place.json("runs/mnist-1/summary.json");
    let accuracy = summary["test"]["accuracy"].as_f64().unwrap();
    println!("mnist: {accuracy} in {} s", summary["seconds"]);
    assert!(accuracy >= 0.975, "{accuracy}");
    assert_eq!(
        (summary["train_samples"].as_u64(), summary["test"]["samples"].as_u64()),
        (Some(60_000), Some(10_000))
    );
}

#[test]
fn a_run_folder_is_complete() {
    let place = Place::new();
    place.done("train digits --limit 200 --epochs 4 --run-dir run");
    let files =
        ["config.toml", "summary.json", "model.safetensors", "loss.svg", "accuracy.svg", "report.html"];
    for name in files.into_iter().chain(["checkpoint/state.safetensors"]) {
        assert!(!place.read(&format!("run/{name}")).is_empty(), "{name}");
    }
    let text = place.text("run/history.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), (HEADER, 5));
    for (epoch, line) in lines[1..].iter().enumerate() {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        assert_eq!((cells.len(), cells[0], cells[1]), (8, epoch as f64, 7.0 * (epoch + 1) as f64));
    }
    let (report, loss) = (place.text("run/report.html"), place.text("run/loss.svg"));
    assert!(loss.starts_with("<svg") || loss.starts_with("<?xml"), "{}", &loss[..50]);
    // One page that needs nothing from elsewhere.
    for part in ["src=\"http", "href=\"http", "@import", "<script src"] {
        assert!(!report.contains(part), "{part}");
    }
    assert_eq!(place.json("run/summary.json")["epochs"], 4);
    place.done("train digits --limit 200 --epochs 2 --evaluate-train --validation-split 0.2 --run-dir more");
    let more = ",evaluated_train_loss,evaluated_train_accuracy,validation_loss,validation_accuracy";
    assert_eq!(history(&place.path("more"))[0], format!("{HEADER}{more}").replace("seconds,", ""));
}

#[test]
fn a_table_needs_only_a_target() {
    let place = Place::with("my.csv", table(200));
    let ran = place.done("train my.csv --target kind");
    for part in
        ["2 classes", "softmax", "cross_entropy", "stratified", "standardize: 3 numeric columns", "colour"]
    {
        assert!(ran.err.contains(part), "'{part}' is not said: {}", ran.err);
    }
    let config = place.toml("runs/my-1/config.toml");
    assert_eq!(config["test_split"].as_float(), Some(0.2));
    let summary = place.json("runs/my-1/summary.json");
    assert_eq!(
        (summary["train_samples"].as_u64(), summary["test"]["samples"].as_u64()),
        (Some(160), Some(40))
    );
    assert!(summary["test"]["accuracy"].as_f64() > Some(0.8), "{}", summary["test"]["accuracy"]);
    // Size, weight and price; three colours.
    assert!(summary["network"].as_str().unwrap().starts_with("6-"), "{}", summary["network"]);

    let ran = place.done("train my.csv --target price");
    assert!(ran.err.contains("the targets are numbers, so identity outputs and the loss mse"), "{}", ran.err);
    let summary = place.json("runs/my-2/summary.json");
    assert!(summary["test"]["regression"]["r2"].as_f64() > Some(0.9), "{}", summary["test"]["regression"]);

    place.done("train my.csv --target size,price --epochs 3");
    assert!(place.json("runs/my-3/summary.json")["network"].as_str().unwrap().ends_with("-2"));
    // A comma separates names, unless there is a column of the whole name.
    let name = "weight, net";
    let list = ["train", "my.csv", "--target", "weight,net"];
    place.refuses_words(&list, 1, &["my.csv", "one of the columns", "'weight'"]);
    for words in [&["--target", name][..], &[&format!("target={name}")]] {
        let words = [&["train", "my.csv", "--epochs", "3"], words].concat();
        Ran::of(place.words(&words).output().unwrap(), name).expect(0, &[name]);
    }
}

#[test]
fn what_is_printed_is_what_was_asked_for() {
    let place = Place::new();
    let run = "train digits --limit 100 --epochs 2";
    let ran = place.done(&format!("{run} --json --run-dir json"));
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document, place.json("json/summary.json"));
    let ran = place.done(&format!("{run} --quiet --run-dir quiet"));
    assert!(ran.out.is_empty() && ran.err.is_empty(), "{ran:?}");
    let ran = place.done(&format!("{run} --json --quiet --run-dir both"));
    assert!(ran.err.is_empty() && serde_json::from_str::<serde_json::Value>(&ran.out).is_ok(), "{ran:?}");
    let ran = place.done(&format!("{run} --run-dir plain"));
    assert_eq!(ran.err.lines().filter(|line| line.trim_end().ends_with(" s")).count(), 2, "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'), "colours in a file: {ran:?}");
}

/// A flag of `train`, the same as words, and where it shows in `config.toml` as what.
const FLAGS: &[(&str, &str, &str, &str)] = &[
    ("--test digits", "test=digits", "test", "\"digits\""),
    ("--test-split 0.25", "test_split=0.25", "test_split", "0.25"),
    ("--validation-split 0.2", "validation_split=0.2", "validation_split", "0.2"),
    ("--limit 77", "limit=77", "limit", "77"),
    ("--target input", "target=input", "target", "[\"input\"]"),
    ("--standardize", "standardize=true", "standardize", "true"),
    ("--hidden 5,4", "hidden=[5,4]", "layers.1.units", "4"),
    ("--activation silu", "activation=silu", "layers.0.activation", "\"silu\""),
    (
        "--hidden 3,3 --activation tanh,elu",
        "hidden=[3,3] activation=[\"tanh\",\"elu\"]",
        "layers.1.activation",
        "\"elu(1)\"",
    ),
    (
        "--loss mse --output-activation tanh",
        "loss=mse output_activation=tanh",
        "layers.1.activation",
        "\"tanh\"",
    ),
    (
        "--loss binary_cross_entropy --output-activation sigmoid",
        "loss=binary_cross_entropy output_activation=sigmoid",
        "loss",
        "\"binary_cross_entropy\"",
    ),
    ("--init normal(0.1)", "init=normal(0.1)", "layers.0.init", "\"normal(0.1)\""),
    ("--bias-init ones", "bias_init=ones", "layers.0.bias_init", "\"ones\""),
    ("--bias none", "bias=none", "layers.0.bias", "\"none\""),
    ("--dropout 0.5", "dropout=0.5", "layers.0.dropout", "0.5"),
    ("--optimizer adagrad", "optimizer=adagrad", "optimizer", "\"adagrad(eps=1e-10)\""),
    ("--learning-rate 0.02", "learning_rate=0.02", "learning_rate", "0.02"),
    ("--optimizer sgd --momentum 0.8", "optimizer=sgd momentum=0.8", "optimizer", "\"sgd(momentum=0.8)\""),
    ("--schedule warmup(2)+cosine", "schedule=warmup(2)+cosine", "schedule", "\"warmup(2)+cosine(0)\""),
    ("--l1 0.01", "l1=0.01", "l1", "0.01"),
    ("--l2 0.01", "l2=0.01", "l2", "0.01"),
    ("--clip-norm 0.01", "clip_norm=0.01", "clip_norm", "0.01"),
    ("--max-norm 0.5", "max_norm=0.5", "max_norm", "0.5"),
    ("--batch-size 50", "batch_size=50", "batch_size", "50"),
    ("--batch-size full", "batch_size=full", "batch_size", "\"full\""),
    ("--epochs 3", "epochs=3", "epochs", "3"),
    ("--steps 5", "steps=5", "steps", "5"),
    ("--early-stopping 1", "early_stopping=1", "early_stopping", "1"),
    ("--no-shuffle", "order=file", "order", "\"file\""),
    ("--update-order output-first", "update_order=output-first", "update_order", "\"output-first\""),
    ("--evaluate-train", "evaluate_train=true", "evaluate_train", "true"),
    ("--seed 12", "seed=12", "seed", "12"),
    ("--dtype f64", "dtype=f64", "dtype", "\"f64\""),
];

#[test]
fn flags_and_words_are_settings() {
    let place = Place::new();
    // Not the recipe, whose loss does not go with every flag.
    let base = "data=digits limit=90 hidden=[6] epochs=2";
    place.done(&format!("train {base} --run-dir base"));
    let plain = place.read("base/model.safetensors");
    for (number, (flags, words, key, value)) in FLAGS.iter().enumerate() {
        let (a, b) = (format!("flag-{number}"), format!("word-{number}"));
        place.done(&format!("train {base} {flags} --quiet --run-dir {a}"));
        place.done(&format!("train {base} {words} --quiet --run-dir {b}"));
        let config = toml::Value::Table(place.toml(&format!("{a}/config.toml")));
        let found = key.split('.').fold(&config, |value, part| match part.parse::<usize>() {
            Ok(at) => &value[at],
            Err(_) => &value[part],
        });
        let expected = &format!("v = {value}").parse::<toml::Table>().unwrap()["v"];
        assert_eq!(found, expected, "{flags}");
        assert_eq!(
            place.text(&format!("{a}/config.toml")),
            place.text(&format!("{b}/config.toml")),
            "{flags}"
        );
        let model = place.read(&format!("{a}/model.safetensors"));
        assert!(model == place.read(&format!("{b}/model.safetensors")), "{flags} and {words}");
        assert!(model != plain, "{flags} changed nothing");
    }
}

#[test]
fn flags_win_over_words_over_the_config_file() {
    let place = Place::new();
    place.write(
        "c/run.toml",
        "data = \"my.csv\"\ntarget = \"kind\"\nepochs = 4\nseed = 4\nhidden = [4]\nl2 = 0.5\n",
    );
    place.write("c/my.csv", table(40));
    // The file that a recipe names lies beside it.
    place.done("train --config c/run.toml epochs=3 seed=3 --epochs 2 --run-dir run");
    let config = place.toml("run/config.toml");
    let number = |key: &str| config[key].as_integer();
    assert_eq!((number("epochs"), number("seed")), (Some(2), Some(3)));
    assert_eq!(config["l2"].as_float(), Some(0.5));
    assert_eq!(config["layers"][0]["units"].as_integer(), Some(4));
    // Other data, and steps in place of epochs.
    place.write("other.csv", table(50));
    place.done("train other.csv --config c/run.toml --steps 3 --run-dir steps");
    assert_eq!(place.json("steps/summary.json")["steps"], 3);
    assert_eq!(place.json("steps/summary.json")["train_samples"], 40);
}

#[test]
fn special_tasks() {
    let place = Place::with("my.csv", table(100));
    place.done("train digits --limit 100 --target input --hidden 12 --epochs 3 --run-dir auto");
    assert_eq!(place.json("auto/summary.json")["network"], "1024-12-1024");
    place.done("train my.csv --target input --epochs 3 --run-dir auto-table");
    // Of a recipe goes what does not suit another target or optimizer.
    assert_eq!(place.toml("auto/config.toml")["loss"].as_str(), Some("mse"));
    let setting = |line: &str, key: &str| {
        place.done(&format!("train digits --limit 40 --epochs 1 {line} --run-dir other"));
        let config = place.toml("other/config.toml");
        std::fs::remove_dir_all(place.path("other")).unwrap();
        config[key].clone()
    };
    assert_eq!(setting("loss=huber target=input", "loss").as_str(), Some("huber(1)"));
    assert_eq!(setting("--optimizer sgd", "learning_rate").as_float(), Some(0.1));
    assert_eq!(setting("--optimizer sgd --learning-rate 0.3", "learning_rate").as_float(), Some(0.3));
    assert_eq!(setting("--optimizer adam(beta1=0.8)", "learning_rate").as_float(), Some(0.001));
    assert_eq!(setting("--optimizer lbfgs", "batch_size").as_str(), Some("full"));
    place.done("train my.csv --target price --optimizer lbfgs --hidden 5 --activation tanh --epochs 60 --run-dir lbfgs");
    assert!(place.json("lbfgs/summary.json")["test"]["regression"]["r2"].as_f64() > Some(0.9));
    place.done("train my.csv --target price --hidden none --epochs 3 --run-dir linear");
    assert_eq!(place.json("linear/summary.json")["network"], "7-1");
    place.done(
        "train my.csv --target kind --early-stopping 1 --learning-rate 0.1 --epochs 90 --run-dir early",
    );
    let summary = place.json("early/summary.json");
    assert!(summary["ending"] == "stopped" && summary["epochs"].as_u64() < Some(90), "{summary}");
    // xor has no test set: the columns are empty.
    place.done("train xor --epochs 2 --run-dir xor");
    let line = place.text("xor/history.csv").lines().nth(1).unwrap().to_string();
    assert_eq!(line.split(',').collect::<Vec<_>>()[5..7], ["", ""]);
}

#[test]
fn weights_of_a_model_are_a_start_for_another() {
    let place = Place::new();
    let run = "train digits --limit 100 --hidden 6 --no-shuffle --optimizer sgd --epochs 2";
    place.done(&format!("{run} --run-dir first"));
    place.done(&format!("{run} --init-from first/model.safetensors --seed 5 --run-dir second"));
    place.done(&format!("{run} --epochs 4 --run-dir both").replace("--epochs 2 ", ""));
    let epochs = |name: &str| {
        history(&place.path(name))[1..]
            .iter()
            .map(|l| l.split(',').skip(2).map(String::from).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    assert_eq!([epochs("first"), epochs("second")].concat(), epochs("both"));
    place.done(&format!("{run} --dtype f64 --init-from first/model.safetensors --run-dir wide"));
}

#[test]
fn a_seed_is_a_model_on_any_number_of_threads_and_in_any_folder() {
    let model = |line: &str| {
        let place = Place::with("my.csv", table(80));
        place.done(&format!("train {line} --run-dir run"));
        place.read("run/model.safetensors")
    };
    for line in
        ["digits --limit 300 --epochs 3 --dropout 0.1", "my.csv --target kind --epochs 3 --early-stopping 9"]
    {
        let one = model(&format!("{line} --threads 1"));
        assert!(one == model(&format!("{line} --threads 2")), "{line}: two threads");
        assert!(one == model(&format!("{line} --threads 5")), "{line}: five threads");
        assert!(one != model(&format!("{line} --seed 1")), "{line}: another seed");
    }
}

#[test]
fn a_name_means_the_same_data_in_every_folder() {
    // `data/digits` of the repository is such a folder: a run there learns the digits of the program.
    let place = Place::with("digits/README.md", "not bitmaps");
    let run = "train digits --epochs 1 --run-dir run";
    place.done(run);
    let elsewhere = Place::new();
    elsewhere.done(run);
    assert_eq!(place.text("run/config.toml"), elsewhere.text("run/config.toml"));
    place.done("train --resume run --epochs 2");
}

/// Every part of the process, in steps and beside them, sums to its time.
#[test]
fn a_profile_accounts_for_the_whole_process() {
    let place = Place::new();
    for (words, way) in [
        ("digits --limit 300 --epochs 3", "five_calls"),
        ("digits --limit 300 --epochs 3 --optimizer sgd --hidden 16", "whole_steps"),
    ] {
        let ran = place.done(&format!("train {words} --profile --run-dir {way}"));
        for part in
            ["predicted", "measured", "of all", "layer 1 forward", "all steps", "reading data and settings"]
        {
            assert!(ran.out.contains(part), "{part}: {}", ran.out);
        }
        let table: Vec<&str> = ran.out.lines().skip_while(|line| !line.starts_with("part ")).collect();
        assert!(
            table.iter().any(|line| line.starts_with("the process") && line.ends_with("100.0 %")),
            "{}",
            ran.out
        );
        let summary = place.json(&format!("{way}/summary.json"));
        assert_eq!(summary["plan"]["way"], way);
        let profile = &summary["profile"];
        let parts = profile["parts"].as_array().unwrap();
        let sum = |key: &str| parts.iter().filter_map(|part| part[key].as_f64()).sum::<f64>();
        let seconds = profile["seconds"].as_f64().unwrap();
        assert!(seconds >= summary["seconds"].as_f64().unwrap(), "{profile}");
        assert!((sum("seconds") - seconds).abs() <= 1e-9 * seconds, "{profile}");
        for key in ["share", "predicted_share", "measured_share"] {
            assert!((sum(key) - 1.0).abs() <= 1e-9, "{key}: {profile}");
        }
        let steps = profile["steps_share"].as_f64().unwrap();
        assert!(steps > 0.0 && steps < 1.0, "{profile}");
        assert!(place.text(&format!("{way}/report.html")).contains("Where the time went"));
    }
    let ran = place.done("train digits --limit 300 --epochs 1 --run-dir plain");
    assert!(!ran.out.contains("predicted") && place.json("plain/summary.json").get("profile").is_none());
}
