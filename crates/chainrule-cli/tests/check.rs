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
    for part in ["2-2-2", "layer 2 b", "same", "h = 1e-4", "agrees with"] {
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
    assert_eq!(json(&place, "check run points.csv --seed 3 --parameters 4 --json")["passed"], true);
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
    place.refuses("check mazur --h -1", 2, &["--h -1: expected a number above 0"]);
    place.refuses("check digitz", 1, &["digits"]);
    // What is to blame is said last, and it is not the gradient.
    let ran = place.run("check digits --hidden 4 activation=tanh --h 1e-10").expect(1, &["h = 1e-10"]);
    let last = ran.err.lines().last().unwrap();
    let parts = ["to blame, not backpropagation", "round-off"];
    assert!(parts.iter().all(|part| last.contains(part)) && !last.contains("the gradients of"), "{last}");
}

#[test]
fn the_worst_parameters_are_named_and_the_error_over_h_is_there() {
    let place = Place::new();
    let found = json(&place, "check mazur --json");
    assert_eq!((&found["network"], &found["dtype"]), (&"2-2-2".into(), &"f64".into()));
    assert_eq!(found["verdict"], "Backpropagation agrees with central differences.");
    let worst = &found["groups"][2]["worst"];
    assert_eq!(worst.as_array().unwrap().len(), 3);
    let of_w5 = worst.as_array().unwrap().iter().find(|parameter| parameter["name"] == "w5").unwrap();
    // The worked example prints dE/dw5.
    assert!((number(&of_w5["backpropagated"]) - 0.082167041).abs() <= 1e-9, "{of_w5}");
    assert!((number(&of_w5["numerical"]) - 0.082167041).abs() <= 1e-9, "{of_w5}");
    let points = found["sweep"]["points"].as_array().unwrap();
    assert_eq!(points.len(), 12);
    assert_eq!((number(&points[0]["h"]), number(&points[11]["h"])), (1e-1, 1e-12));
    assert!(number(&points[11]["extrapolated"]) > 1e3 * number(&points[2]["extrapolated"]));
}

#[test]
fn the_plot_fits_a_terminal_and_is_written_as_svg() {
    let place = Place::new();
    let out = place.done("check mazur --plot=over-h.svg").out;
    let from = out.find("relative error of ").unwrap();
    let plot: Vec<&str> = out[from..].lines().collect();
    let end = plot.iter().position(|line| line.starts_with("asked for: h = 1e-4; best: h = ")).unwrap();
    assert!(plot[..=end].iter().all(|line| line.chars().count() <= 80), "{out}");
    assert!(plot[end - 2].contains("1e-12") && plot[end - 2].trim_end().ends_with("1e-1"), "{out}");
    // A mark for each h and way, or one for both.
    let rows: Vec<&&str> = plot.iter().filter(|line| line.contains('│')).collect();
    let marks = |mark: char| rows.iter().flat_map(|line| line.chars()).filter(|&c| c == mark).count();
    assert_eq!(2 * marks('#') + marks('*') + marks('o'), 24, "{out}");
    let svg = place.text("over-h.svg");
    assert!(svg.starts_with("<svg") && svg.contains("log10 h") && svg.contains("central difference"));
    assert!(!place.done("check mazur").out.contains("over h"), "not asked for, and nothing to explain");
}

#[test]
fn a_disagreement_is_explained() {
    let place = Place::new();
    let ran =
        place.run("check digits --hidden 4 activation=tanh --h 1e-10").expect(1, &["differ", "h = 1e-10"]);
    for part in
        ["round-off: h = 1e-10 is too small", "best h is 1e-", "relative error of w[", "not backpropagation"]
    {
        let words = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(part), "{part} is not in:\n{}", ran.out);
    }
    let ran = place.run("check digits --hidden 4 activation=tanh --h 10").expect(1, &[]);
    assert!(ran.out.contains("truncation: h = 1e1 is too large"), "{}", ran.out);

    // A large step crosses kinks; samples that are named stay.
    let ran = place.run("check digits --hidden 16 --h 0.05 --sample 5,7 --json").expect(1, &["differ"]);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(found["samples"], serde_json::json!([5, 7]));
    let kinks = found["groups"].as_array().unwrap().iter().filter(|group| group["cause"] == "kink");
    let mut seen = 0;
    for group in kinks {
        let (z, free) = (number(&group["z"]), number(&group["free_h"]));
        assert!(group["unit"].as_str().unwrap().starts_with('h') && z.abs() <= 0.1 && free < 0.05, "{group}");
        assert!(group["sample"] == 5 || group["sample"] == 7, "{group}");
        seen += 1;
    }
    assert!(seen > 0, "{}", found["verdict"]);
    assert!(found["fault"].is_null());
    assert!(found["at_kink"].as_array().unwrap().iter().all(|at| *at == 5 || *at == 7), "{found}");
    place.refuses("check mazur --sample 1", 2, &["--sample 1", "0 to 0"]);
    place.refuses("check mazur --sample 0 --samples 1", 2, &["--samples"]);
}

#[test]
fn thirty_two_bits_are_checked_if_asked_for() {
    let place = Place::new();
    for line in ["check digits --hidden 4 --dtype f32 --json", "check digits --hidden 4 dtype=f32 --json"] {
        let ran = place.run(line).expect(1, &["differ"]);
        let found: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(found["dtype"], "f32");
        for group in found["groups"].as_array().unwrap() {
            assert_eq!(group["cause"], "single_precision", "{group}");
            assert!(
                number(&group["error_in_64_bits"]) <= 1e-7 && number(&group["gradient_error"]) <= 1e-5,
                "{group}"
            );
        }
    }
    // What keeps the check in 64 bits from agreeing is no fault of a gradient in 32.
    let ran =
        place.run("check digits --hidden 4 activation=tanh --dtype f32 --h 1e-10 --json").expect(1, &[]);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(found["groups"].as_array().unwrap().iter().all(|group| group["cause"] != "wrong"), "{found}");
    place.refuses("check mazur --time --dtype f32", 2, &["--time", "f64"]);
    place.refuses("check mazur --time --sample 0", 2, &["--time", "--sample"]);
    place.refuses("check mazur --dtype bf16", 2, &["f64 or f32", "bf16"]);
}

#[test]
fn large_networks_are_checked_in_part_and_that_is_said() {
    let place = Place::new();
    let line = "check digits --hidden 300 --activation tanh";
    let out = place.done(line).out;
    assert!(out.contains(" of 310,510 parameters, drawn at random"), "{out}");
    let found = json(&place, &format!("{line} --parameters 100 --json"));
    let checked: Vec<f64> =
        found["groups"].as_array().unwrap().iter().map(|group| number(&group["checked"])).collect();
    assert_eq!(checked, [30.0, 30.0, 30.0, 10.0]);
    assert_eq!((number(&found["checked"]), number(&found["parameters"])), (100.0, 310_510.0));
    assert_eq!(json(&place, "check mazur --parameters all --json")["checked"], 10);
    place.refuses("check mazur --parameters 0", 2, &["--parameters", "all"]);
}

/// Times are no tests; what was measured, of what, and that both ways found the same, are.
#[test]
fn both_ways_are_timed() {
    let place = Place::new();
    let found = json(&place, "check mazur --time --json");
    let networks = found["networks"].as_array().unwrap();
    let names: Vec<&str> = networks.iter().map(|network| network["network"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["2-2-2", "784-30-10", "784-100-10", "784-300-100-10", "784-512-512-10", "784-1024-1024-10"]
    );
    assert_eq!((networks[0]["asked_for"].as_bool(), number(&networks[0]["parameters"])), (Some(true), 10.0));
    assert_eq!(number(&networks[1]["parameters"]), 23_860.0);
    for network in networks {
        let of = |key: &str| number(&network[key]);
        assert!(of("forward") > 0.0 && of("backpropagation") > 0.0, "{network}");
        assert!(of("measured") >= 10.0 && of("measured") <= of("parameters"), "{network}");
        assert!(of("relative_error") <= 1e-6, "{network}");
        assert!((of("differences") / of("backpropagation") / of("ratio") - 1.0).abs() <= 1e-9, "{network}");
        assert!(
            (of("ratio") / of("parameters") / of("ratio_per_parameter") - 1.0).abs() <= 1e-9,
            "{network}"
        );
    }
    assert!(found["verdict"].as_str().unwrap().contains("two forward passes"));
    place.refuses("check mazur --time --plot", 2, &["--plot"]);
}

#[test]
fn what_differences_cannot_see_is_not_called_agreement() {
    let out = Place::new().done("check mazur bias_init=constant(30)").out;
    for part in ["too small to tell: o1 is saturated, f'(z) = 4.0e-14", "Nothing can be told"] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    assert!(!out.contains("agrees"), "{out}");
}
