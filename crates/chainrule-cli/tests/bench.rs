//! `chainrule bench`: the form of what it prints. How fast anything is, no test says.

mod common;

use common::Place;
use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data");

/// The document of one work, and the (variant, threads, unit) of its results.
fn document(work: &str) -> (Value, Vec<(String, u64, String)>) {
    let ran = Place::new().done(&format!("bench {work} --json --repeats 2 --data-dir {DATA}"));
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let machine = &document["machine"];
    assert!(machine["cpu"].is_string() && machine["simd"].is_string(), "{machine}");
    let cores = machine["cores"].as_u64().unwrap();
    assert!(machine["threads"].as_u64().unwrap() <= cores);
    let peaks = document["peak_gflops"]["f32"].as_array().unwrap();
    assert_eq!(peaks.len() as u64, cores);
    assert!(peaks.iter().all(|peak| peak.as_f64().is_some_and(|peak| peak > 0.0)), "{peaks:?}");
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let mut kinds = Vec::new();
    for result in document["results"].as_array().unwrap() {
        assert_eq!(result["work"], work);
        let reps: Vec<f64> =
            result["reps"].as_array().unwrap().iter().map(|rep| rep.as_f64().unwrap()).collect();
        assert_eq!(reps.len(), 2, "{result}");
        assert!(reps.iter().all(|&rep| rep > 0.0 && rep.is_finite()), "{reps:?}");
        let number = |key: &str| result[key].as_f64().unwrap();
        let (low, high) = (reps[0].min(reps[1]), reps[0].max(reps[1]));
        assert!(number("min") == low && number("max") == high);
        assert!((number("median") - (low + high) / 2.0).abs() <= 1e-9 * high, "{result}");
        match result["variant"].as_str().unwrap() {
            "train" => assert!(number("times_bare") > 0.0, "{result}"),
            variant if variant.ends_with("bf16") => assert!(number("gflops") > 0.0, "{result}"),
            _ => assert!(number("gflops") > 0.0 && number("share_of_peak") > 0.0, "{result}"),
        }
        kinds.push((text(&result["variant"]), result["threads"].as_u64().unwrap(), text(&result["unit"])));
    }
    (document, kinds)
}

/// Each number of threads that is measured.
fn threads(document: &Value) -> Vec<u64> {
    let mut threads = vec![1, document["machine"]["threads"].as_u64().unwrap()];
    threads.dedup();
    threads
}

#[test]
fn training_on_every_number_of_threads() {
    for (work, unit) in [("W3", "s/epoch"), ("W4", "s/10k steps")] {
        let (document, kinds) = document(work);
        let expected: Vec<_> = threads(&document)
            .into_iter()
            .map(|threads| ("f32".to_string(), threads, unit.to_string()))
            .collect();
        assert_eq!(kinds, expected);
        for result in document["results"].as_array().unwrap() {
            let accuracy = result["accuracy"].as_f64();
            // Three epochs at this rate learn little; one sample has no accuracy.
            assert_eq!(accuracy.is_some(), work == "W3");
            assert!(accuracy.is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
    }
}

#[test]
fn a_work_on_mnist_learns() {
    let (document, kinds) = document("W1");
    let both =
        |threads| ["f32", "train"].map(|variant| (variant.to_string(), threads, "s/epoch".to_string()));
    assert_eq!(kinds, threads(&document).into_iter().flat_map(both).collect::<Vec<_>>());
    for result in document["results"].as_array().unwrap().iter().filter(|result| result["variant"] == "f32") {
        assert!(result["accuracy"].as_f64().unwrap() > 0.7, "{result}");
    }
}

#[test]
fn answers_one_by_one_and_in_batches() {
    let (document, kinds) = document("W7");
    let mut expected = Vec::new();
    for variant in ["latency digits", "latency dense"] {
        for threads in threads(&document) {
            expected.push((variant.to_string(), threads, "us/sample".to_string()));
        }
    }
    for variant in
        ["throughput digits", "throughput digits bf16", "throughput dense", "throughput dense bf16"]
    {
        for threads in threads(&document) {
            expected.push((variant.to_string(), threads, "samples/s".to_string()));
        }
    }
    assert_eq!(kinds, expected);
    for result in document["results"].as_array().unwrap() {
        assert_eq!(result["p99"].is_number(), result["unit"] == "us/sample");
        assert!(result["p99"].as_f64().is_none_or(|p99| p99 >= result["max"].as_f64().unwrap()));
    }
}

/// In the order of the works, whatever the order they are named in, and once.
#[test]
fn several_works_at_once() {
    let line = format!("bench W4 w3 W4 --json --repeats 1 --threads 1 --data-dir {DATA}");
    let document: Value = serde_json::from_str(&Place::new().done(&line).out).unwrap();
    let works: Vec<_> =
        document["results"].as_array().unwrap().iter().map(|result| &result["work"]).collect();
    assert_eq!(works, ["W3", "W4"]);
}

#[test]
fn the_table_fits_a_terminal() {
    let ran = Place::new().done(&format!("bench w7 --repeats 1 --threads 1 --data-dir {DATA}"));
    let table: Vec<&str> = ran.out.lines().skip_while(|line| !line.starts_with("work")).collect();
    assert!(table.len() >= 6, "{}", ran.out);
    assert!(table.iter().all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert!(table.iter().any(|line| line.contains("throughput dense") && line.contains("/s")), "{}", ran.out);
}

#[test]
fn other_words_are_refused() {
    Place::new().refuses("bench W9", 2, &["W9", "W7"]);
    Place::new().refuses("bench W1 --repeats 0", 2, &["repeats"]);
    Place::new().refuses("bench W3 W9", 2, &["W9", "W7"]);
    Place::new().refuses("bench W1 --charts here", 2, &["--charts", "growth"]);
    Place::new().refuses("bench W1 growth", 2, &["growth", "W1"]);
}
