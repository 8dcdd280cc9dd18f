//! `chainrule check`: gradients of recipes, data and models, in words, as JSON, and when they must fail.

mod common;

use common::Place;
use serde_json::Value;

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.done(line).out).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn digits_pass_and_every_group_is_reported() {
    let found = json(&Place::new(), "check digits --hidden 16,16 --json");
    assert_eq!(found["passed"], true);
    assert_eq!(number(&found["h"]), 1e-4);
    assert_eq!(number(&found["tolerance"]), 1e-7);
    assert_eq!(found["samples"].as_array().unwrap().len(), 3);
    assert!(number(&found["loss"]) > 0.0);
    let groups = found["groups"].as_array().unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group["name"].as_str().unwrap()).collect();
    let layer = |l: usize| [format!("layers.{l}.weight"), format!("layers.{l}.bias")];
    assert_eq!(names, (0..3).flat_map(layer).collect::<Vec<_>>());
    assert_eq!(groups[0]["parameters"], 1024 * 16);
    for group in groups {
        assert_eq!(group["passed"], true, "{group}");
        assert!(number(&group["relative_error"]) <= 1e-7, "{group}");
        assert!(number(&group["mean_absolute_difference"]) < 1e-9, "{group}");
        assert!(number(&group["max_absolute_difference"]) >= number(&group["mean_absolute_difference"]));
        assert!(number(&group["max_relative_error"]) >= 0.0 && number(&group["norm"]) > 0.0, "{group}");
    }
}

#[test]
fn the_table_names_h_and_gives_a_verdict_in_words() {
    let out = Place::new().done("check mazur").out;
    for part in ["2-2-2", "layers.1.bias", "same", "h = 1e-4", "agrees with"] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    assert!(!out.contains('\u{1b}'), "colour in a pipe");
}

#[test]
fn samples_can_be_chosen_and_those_at_a_kink_are_replaced() {
    let place = Place::new();
    let found = json(&place, "check digits --samples 25 --hidden 8 --json");
    let samples = found["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 25);
    assert!(samples.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])), "{samples:?}");
    // Weights of 0 leave every unit of a ReLU network exactly at its kink.
    let ran = place.run("check digits --hidden 4 init=zeros").expect(1, &["kinks", "--h"]);
    assert!(ran.out.is_empty());
}

#[test]
fn penalties_and_losses_are_those_of_the_recipe() {
    let place = Place::new();
    let loss = |words: &str| number(&json(&place, &format!("check xor --samples 4 --json {words}"))["loss"]);
    assert!(loss("l2=0.5") > loss("") + 0.1);
    assert_ne!(loss("loss=mse output_activation=identity"), loss(""));
}

#[test]
fn a_model_brings_its_weights_and_preprocessing() {
    let place = Place::new();
    place.write(
        "points.csv",
        "a,b,y\n".to_string() + &(0..40).map(|i| format!("{i},{},{}\n", i % 7, i * i)).collect::<String>(),
    );
    place.done("train points.csv --target y --hidden 5 --activation tanh --epochs 3 --run-dir run --quiet");
    let of_run = json(&place, "check run points.csv --json");
    assert_eq!(of_run["passed"], true);
    assert_eq!(of_run, json(&place, "check run/model.safetensors --json"));
    assert_ne!(of_run["loss"], json(&place, "check points.csv --target y --hidden 5 --json")["loss"]);
    place.refuses("check run points.csv --hidden 7", 2, &["hidden", "model"]);
    place.refuses("check run points.csv seed=1", 2, &["seed=1"]);
}

#[test]
fn an_absurd_h_fails() {
    let place = Place::new();
    let ran =
        place.run("check digits --hidden 4 activation=tanh --h 10 --json").expect(1, &["differ", "h = 10"]);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(found["passed"], false);
    assert!(found["groups"].as_array().unwrap().iter().any(|group| group["passed"] == false));
    for h in ["0", "-1", "nan"] {
        place.refuses(&format!("check digits --h={h}"), 2, &["--h"]);
    }
    place.refuses("check digitz", 1, &["digits"]);
}
