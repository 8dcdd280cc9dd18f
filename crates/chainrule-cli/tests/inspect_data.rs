//! `inspect`, `data`, `recipes`, `man` and `completions`.

mod common;

use common::{Place, repository_data, table};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The tensors of a safetensors file as (name, shape, numbers), read by hand.
fn tensors(bytes: &[u8]) -> Vec<(String, Vec<u64>, Vec<f64>)> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) = (json(std::str::from_utf8(&bytes[8..8 + length]).unwrap()), &bytes[8 + length..]);
    let tensor = |(name, about): (&String, &Value)| {
        let offset = |at: usize| about["data_offsets"][at].as_u64().unwrap() as usize;
        let bytes = &data[offset(0)..offset(1)];
        let numbers = match about["dtype"].as_str().unwrap() {
            "F32" => bytes.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            "F64" => bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            other => panic!("{other}"),
        };
        let shape = about["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        (name.clone(), shape, numbers)
    };
    header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__").map(tensor).collect()
}

#[test]
fn weights_are_those_of_the_file() {
    let place = Place::with("t.csv", table(80));
    let runs = [
        "t.csv --target kind --hidden 5,3 --epochs 1",
        "t.csv --target price --dtype f64 --hidden 4 --epochs 1",
        "xor --steps 3",
    ];
    for (at, words) in runs.iter().enumerate() {
        let run = format!("run{at}");
        place.done(&format!("train {words} --run-dir {run} --quiet"));
        let document = json(&place.done(&format!("inspect {run} --weights --json")).out);
        let tensors = tensors(&place.read(&format!("{run}/model.safetensors")));
        assert!(!tensors.is_empty());
        for (name, shape, numbers) in tensors {
            let part: Vec<&str> = name.split('.').collect();
            let (l, kind) = (part[1].parse::<usize>().unwrap(), part[2]);
            let shown = &document["layers"][l][kind];
            let flat = |value: &Value| match value {
                Value::Array(rows) => {
                    rows.iter().flat_map(|row| row.as_array().cloned().unwrap_or(vec![row.clone()])).collect()
                }
                other => vec![other.clone()],
            };
            let shown_numbers: Vec<f64> = flat(shown).iter().map(|n| n.as_f64().unwrap()).collect();
            assert_eq!(shown_numbers, numbers, "{name}");
            if kind == "weight" {
                assert_eq!(document["layers"][l]["weight_shape"], serde_json::to_value(shape).unwrap());
            }
        }
        let plain = json(&place.done(&format!("inspect {run} --json")).out);
        assert!(plain["layers"][0].get("weight").is_none());
        assert_eq!(plain["summary"], place.json(&format!("{run}/summary.json")));
    }
    let text = place.done("inspect run0").out;
    for part in
        ["6-5-3-2", "(3, 5)", "per unit", "cross_entropy: mean over samples", "'dark, blue'", "large, small"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The worked example after one step, to the digits that its source prints.
#[test]
fn weights_are_shown_unit_by_unit() {
    let place = Place::new();
    place.done("train mazur steps=1 --run-dir run --quiet");
    let text = place.done("inspect run --weights").out;
    for part in [
        "layer 1, hidden 1: 2 sigmoid units, 2 inputs",
        "0.35891647",
        "0.56137012",
        "0.35  (shared by the layer)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let model = place.done("inspect run/model.safetensors").out;
    assert!(model.contains("(2, 2)") && !model.contains("finished"), "{model}");
}

#[test]
fn a_run_that_has_not_ended_shows_its_checkpoint() {
    let place = Place::new();
    place.done("train xor steps=50 --run-dir run --quiet");
    std::fs::remove_file(place.path("run/model.safetensors")).unwrap();
    let text = place.done("inspect run").out;
    assert!(text.contains("not ended") && text.contains("50 of 50 steps"), "{text}");
    assert_eq!(json(&place.done("inspect run --json").out)["checkpoint"]["steps"], 50);
    std::fs::remove_dir_all(place.path("run/checkpoint")).unwrap();
    place.refuses("inspect run", 1, &["neither", "train --resume run"]);
    place.refuses("inspect .", 1, &["expected a folder with model.safetensors"]);
}

#[test]
fn data_is_listed_and_shown() {
    let place = Place::with("t.csv", table(60));
    let data = repository_data();
    let list = place.done(&format!("data list --data-dir {}", data.display())).out;
    for part in ["digits", "1,934", "946", "32 × 32 = 1,024", "in the program"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let listed = json(&place.done("data list --json").out);
    assert_eq!(listed.as_array().unwrap().len(), 4);

    let shown = place.done("data show digits --samples 2").out;
    for part in ["1,934 to train, 946 to test", "10 classes", "@@@", "30.8 % of the inputs"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\x1b'), "a pipe has no colours");
    let document = json(&place.done("data show digits --json").out);
    assert_eq!((&document["train"]["samples"], &document["test"]["samples"]), (&1934.into(), &946.into()));

    let ran = place.run("data show t.csv --target kind --samples 3").expect(0, &["60 rows of 5 cells"]);
    for part in ["weight, net", "dark, blue", "large", "the target: 2 classes", "sample  size"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let document = json(&place.done("data show t.csv --target price --json").out);
    assert_eq!(document["train"]["targets"][0]["name"], "price");
    place.refuses("data show t.csv --target colr", 1, &["t.csv", "colr"]);
    place.refuses("data show digitz", 1, &["digitz: not found", "digits"]);
    place.refuses("data fetch cifar", 2, &["mnist"]);
    let mut fetch = place.command("data fetch mnist --data-dir here");
    let output = fetch.env("CHAINRULE_MNIST_URL", "http://127.0.0.1:9/").output().unwrap();
    let ran =
        common::Ran::of(output, "data fetch").expect(1, &["train-images-idx3-ubyte.gz", "without a network"]);
    assert_eq!(ran.out, "");
}

#[test]
fn recipes_are_printed_as_they_are() {
    let place = Place::new();
    let list = place.done("recipes").out;
    for (name, text) in chainrule_io::recipes::RECIPES {
        assert!(list.contains(name), "{name}: {list}");
        assert_eq!(place.done(&format!("recipes {name}")).out, *text);
        assert!(json(&place.done(&format!("recipes {name} --json")).out).is_object());
    }
    place.write("my.toml", place.done("recipes xor").out);
    place.done("train --config my.toml steps=5 --run-dir run --quiet");
    assert_eq!(
        json(&place.done("recipes --json").out).as_array().unwrap().len(),
        chainrule_io::recipes::RECIPES.len()
    );
    place.refuses("recipes digit", 2, &["'digit'", "digits"]);
}

#[test]
fn completions_parse_and_the_manual_has_every_subcommand() {
    let place = Place::new();
    place.write("c.bash", place.done("completions bash").out);
    assert!(place.other("bash", &["-n", "c.bash"]).status().unwrap().success());
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(place.done(&format!("completions {shell}")).out.contains("inspect"), "{shell}");
    }
    let page = place.done("man").out;
    for part in ["CHAINRULE TRAIN", "CHAINRULE DATA SHOW", "EXIT STATUS", "learning\\-rate"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.is_ascii() && page.starts_with(".ie"));
}
