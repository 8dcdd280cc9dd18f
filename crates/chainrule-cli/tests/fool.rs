//! `chainrule fool`, and `predict --saliency`.
#![cfg(unix)]

mod common;

use std::path::Path;

use common::{Place, table};
use serde_json::Value;

/// A place with a network for digits in `run`. In 64 bits: the same on every machine.
fn digits() -> Place {
    let place = Place::new();
    place.done("train digits --dtype f64 --hidden 32 epochs=10 --quiet --run-dir run");
    place
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Width and height of a PNG.
fn size(file: &[u8]) -> (u32, u32) {
    assert!(file.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn a_sample_goes_to_its_target_within_epsilon_and_range() {
    let place = digits();
    let found = json(&place.done("fool run digits --sample 0 --target 3 --json --output out").out);
    assert_eq!((found["truth"].as_str(), found["fooled"].as_bool()), (Some("0"), Some(true)));
    assert_eq!((found["before"]["class"].as_str(), found["after"]["class"].as_str()), (Some("0"), Some("3")));
    let epsilon = found["epsilon"].as_f64().unwrap();
    assert!(epsilon > 0.01 && epsilon < 0.5, "{epsilon}");
    let (x, moved) = (numbers(&found["before"]["inputs"]), numbers(&found["after"]["inputs"]));
    assert_eq!((x.len(), moved.len()), (1024, 1024));
    for (x, moved) in x.iter().zip(&moved) {
        assert!((moved - x).abs() <= epsilon + 1e-12 && (0.0..=1.0).contains(moved), "{x} to {moved}");
    }
    let largest = x.iter().zip(&moved).map(|(x, moved)| (moved - x).abs()).fold(0.0, f64::max);
    assert!((found["perturbation"]["l_infinity"].as_f64().unwrap() - largest).abs() <= 1e-12);
    let length = x.iter().zip(&moved).map(|(x, moved)| (moved - x) * (moved - x)).sum::<f64>().sqrt();
    assert!((found["perturbation"]["l2"].as_f64().unwrap() - length).abs() <= 1e-9);
    let shares: f64 =
        found["after"]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() <= 1e-9);
    assert_eq!(json(&place.text("out/fooled.json")), found);
    let (width, height) = size(&place.read("out/fooled.png"));
    assert!(width > 3 * 256 && height > 256, "{width} x {height}");

    // Half of the smallest is not enough, and it says so.
    let line = format!("fool run digits --sample 0 --target 3 --epsilon {}", epsilon / 2.0);
    let text = place.done(&line).out;
    assert!(text.contains("NO adversarial input found within epsilon"), "{text}");
    assert_eq!(json(&place.done(&format!("{line} --json")).out)["fooled"].as_bool(), Some(false));

    // Without a target: away from its class, by less.
    let away = json(&place.done("fool run digits --sample 0 --json").out);
    assert_eq!((away["fooled"].as_bool(), away["target"].as_str()), (Some(true), None));
    assert!(away["epsilon"].as_f64().unwrap() < epsilon);
    assert_ne!(away["after"]["class"].as_str(), Some("0"));
    assert!(away["after"]["loss"].as_f64().unwrap() > away["before"]["loss"].as_f64().unwrap());
    let fast = place.done("fool run digits --sample 0 --method fgsm").out;
    assert!(fast.contains("fgsm: one step") && fast.contains("before") && fast.contains("@@@"), "{fast}");
    place.no_temporaries();
}

#[test]
fn accuracy_falls_with_epsilon_and_not_under_random_signs() {
    let place = digits();
    let text = place.done("fool run digits --epsilon 0,0.1,0.3 --output out").out;
    assert!(text.contains("random signs") && text.contains("iterated"), "{text}");
    let found = place.json("out/accuracy.json");
    let clean = json(&place.done("eval run digits --json").out)["accuracy"].as_f64().unwrap();
    let of = |row: usize, method: &str| found["rows"][row][method]["accuracy"].as_f64().unwrap();
    for method in ["random_signs", "fgsm", "iterated"] {
        assert_eq!(of(0, method), clean);
    }
    assert!(clean > 0.93, "{clean}");
    assert!(of(1, "fgsm") < clean - 0.1 && of(2, "fgsm") < 0.3, "{found:#}");
    assert!(of(1, "iterated") <= of(1, "fgsm") && of(2, "iterated") <= of(2, "fgsm"), "{found:#}");
    assert!(of(1, "random_signs") > clean - 0.02, "{found:#}");
    let csv = place.text("out/accuracy.csv");
    assert_eq!(csv.lines().next(), Some("epsilon,random_signs,fgsm,iterated"));
    assert_eq!(csv.lines().count(), 4);
    assert!(place.text("out/accuracy.svg").starts_with("<svg"));
    let one = json(&place.done("fool run digits --epsilon 0.1 --method fgsm --json").out);
    assert_eq!(one["rows"][0]["fgsm"], found["rows"][1]["fgsm"]);
    assert!(one["rows"][0].get("iterated").is_none());

    // In 32 bits, and on MNIST: the same picture.
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist").is_dir() {
        return;
    }
    let data = common::repository_data();
    let data = data.display();
    place.done(&format!("train mnist --data-dir {data} --hidden 16 epochs=1 --quiet --run-dir mnist"));
    let found = json(&place.done(&format!("fool mnist mnist --data-dir {data} --epsilon 0,0.1 --json")).out);
    assert_eq!(found["samples"], 10_000);
    let of = |row: usize, method: &str| found["rows"][row][method]["accuracy"].as_f64().unwrap();
    assert!(of(0, "fgsm") > 0.85 && of(1, "fgsm") < 0.5 && of(1, "iterated") <= of(1, "fgsm"), "{found:#}");
    assert!(of(1, "random_signs") > of(0, "fgsm") - 0.05, "{found:#}");
}

#[test]
fn tables_move_their_numbers_and_keep_their_words() {
    let place = Place::with("t.csv", table(200));
    place.write("test.csv", table(60));
    place.done("train t.csv --target kind --dtype f64 --test test.csv --run-dir run --quiet epochs=30");
    let text = place.done("fool run test.csv --sample 3").out;
    assert!(text.contains("standard deviations") && text.contains("dE/dx"), "{text}");
    let found = json(&place.done("fool run test.csv --sample 3 --json --output out").out);
    assert_eq!(found["fooled"].as_bool(), Some(true));
    // Size, three words of a colour, weight, price.
    assert_eq!(found["perturbation"]["inputs"], 6, "{found:#}");
    let (x, moved) = (numbers(&found["before"]["inputs"]), numbers(&found["after"]["inputs"]));
    let words: Vec<usize> = (0..x.len()).filter(|&i| x[i] == 0.0 || x[i] == 1.0).collect();
    assert!(words.len() >= 3 && words.iter().all(|&i| x[i] == moved[i]), "{x:?} {moved:?}");
    size(&place.read("out/fooled.png"));

    // Numbers have no wrong answer: the loss is raised, by an epsilon that is given.
    place.done("train t.csv --target price --dtype f64 --test test.csv --run-dir price --quiet epochs=30");
    place.refuses("fool price test.csv --sample 3", 2, &["--epsilon is needed", "numbers"]);
    place.refuses(
        "fool price test.csv --sample 3 --epsilon 0.1 --target 3",
        2,
        &["numbers, not with classes"],
    );
    place.refuses("fool price test.csv", 1, &["numbers", "no accuracy to lose"]);
    let found = json(&place.done("fool price test.csv --sample 3 --epsilon 0.1 --json").out);
    assert!(found["fooled"].is_null());
    assert!(found["after"]["loss"].as_f64().unwrap() > found["before"]["loss"].as_f64().unwrap());
}

#[test]
fn what_cannot_be_is_refused() {
    let place = digits();
    place.refuses("fool run digits --sample 946", 2, &["--sample 946", "0 to 945", "digits test"]);
    place.refuses("fool run digits --sample 0 --target 12", 2, &["--target 12", "0, 1, 2, 3"]);
    place.refuses("fool run digits --sample 0 --target 0", 1, &["answered 0 as it is"]);
    place.refuses("fool run digits --target 3", 2, &["--sample"]);
    place.refuses("fool run digits --sample 0 --epsilon 0", 2, &["--epsilon 0", "above 0"]);
    place.refuses("fool run digits --sample 0 --epsilon 0.1,0.2", 2, &["one number"]);
    place.refuses("fool run digits --epsilon=-1", 2, &["--epsilon -1", "0 or more"]);
    place.refuses("fool run digits --epsilon NaN", 2, &["--epsilon NaN"]);
    place.refuses("fool run digits --sample 0 --steps 0", 2, &["--steps"]);
    place.refuses("fool run digits --sample 0 --step-size 0", 2, &["--step-size 0"]);
    place.refuses("fool run digits --method fgsm --step-size 0.1", 2, &["fgsm makes one step"]);
    place.refuses("fool run digits --sample 0 --method fgsm --steps 3", 2, &["--steps", "one step"]);
    place.refuses("fool run xor --sample 0", 1, &["32 x 32", "found 2"]);
    place.refuses("predict run digits --sample 1,946", 2, &["--sample 946", "0 to 945"]);
    place.refuses("predict run digits --saliency all.png", 2, &["at most 60 samples", "found 946"]);
    // A sample that the network has wrong needs no help.
    let answers = place.done("predict run digits").out;
    let test = chainrule_io::load("digits", &chainrule_io::SourceOptions::default()).unwrap().test.unwrap();
    let labels = test.labels().unwrap();
    let wrong = answers
        .lines()
        .skip(1)
        .zip(labels)
        .position(|(line, label)| line.split(',').nth(1).unwrap() != label.to_string());
    let wrong = wrong.expect("a network of ten epochs makes mistakes");
    place.refuses(&format!("fool run digits --sample {wrong}"), 1, &["wrong without any change"]);
}

#[test]
fn saliency_is_drawn_beside_the_sample_and_written_as_numbers() {
    let place = digits();
    let all = place.done("predict run digits").out;
    let ran = place.done("predict run digits --sample 5,0 --saliency two.png");
    assert!(ran.err.contains("cross_entropy loss with the true class"), "{}", ran.err);
    // One sample and many are multiplied in blocks of other sizes: all but the last digits agree.
    let cells = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect::<Vec<f64>>();
    for (line, at) in ran.out.lines().skip(1).zip([6, 1]) {
        let pairs = cells(line).into_iter().zip(cells(all.lines().nth(at).unwrap()));
        pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1e-9, "{line}"));
    }
    assert_eq!(ran.out.lines().count(), 3);
    let (width, height) = size(&place.read("two.png"));
    assert!(width > 2 * 256 && height > 2 * 256);

    place.done("predict run digits --sample 0,1,2,3,4 --saliency maps");
    assert_eq!(place.listing().iter().filter(|path| path.starts_with("maps")).count(), 1 + 5);
    place.done("predict run digits --sample 0 --saliency one.csv");
    let text = place.text("one.csv");
    let row = cells(text.lines().nth(1).unwrap());
    // The same gradient as fool's.
    let found = json(&place.done("fool run digits --sample 0 --json").out);
    assert_eq!(row[3..], numbers(&found["input_gradient"]));
    assert!((row[2] - found["before"]["loss"].as_f64().unwrap()).abs() <= 1e-15);

    let place = Place::with("t.csv", table(120));
    place.done("train t.csv --target kind --run-dir run --quiet epochs=5 --test-split 0");
    place.done("predict run t.csv --sample 3 --saliency bars.png");
    size(&place.read("bars.png"));
    place.refuses("predict run t.csv --saliency bars.png", 2, &["at most 1 sample", "name a folder"]);
    // Without targets: with the class answered.
    place.write("one.csv", "size,colour,\"weight, net\",price\n1,red,2,3\n");
    let ran = place.done("predict run one.csv --saliency one-out.csv");
    assert!(ran.err.contains("the class answered"), "{}", ran.err);
    place.done("train t.csv --target input --run-dir auto --quiet epochs=1 --test-split 0");
    place.refuses("predict auto t.csv --saliency a.csv", 1, &["its own inputs"]);
}
