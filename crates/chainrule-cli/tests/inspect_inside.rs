//! `inspect` of a run: states reached again, histograms, pictures, exciting samples. `train --tensorboard`: its files.

mod common;

use std::path::Path;

use common::{Place, epochs, signal, table, until, was_killed};
use serde_json::Value;

fn inside(place: &Place, line: &str) -> Value {
    let document: Value = serde_json::from_str(&place.done(&format!("{line} --json")).out).unwrap();
    document["inside"].clone()
}

/// What the model file says of its weights, by layer.
fn weights(place: &Place, run: &str) -> Vec<Vec<f64>> {
    let document: Value =
        serde_json::from_str(&place.done(&format!("inspect {run} --weights --json")).out).unwrap();
    let row = |row: &Value| row.as_array().unwrap().iter().map(|w| w.as_f64().unwrap()).collect::<Vec<f64>>();
    let layer = |layer: &Value| layer["weight"].as_array().unwrap().iter().flat_map(row).collect();
    document["layers"].as_array().unwrap().iter().map(layer).collect()
}

#[test]
fn every_epoch_is_reached_again_to_the_bit() {
    let place = Place::with("t.csv", table(200));
    let train = "train t.csv --target kind --hidden 6,4 --dropout 0.1 optimizer=adam --quiet";
    place.done(&format!("{train} --epochs 5 --run-dir run"));
    place.done(&format!("{train} --epochs 3 --run-dir three"));
    let seen = inside(&place, "inspect run --checkpoint all");
    let moments = seen["moments"].as_array().unwrap();
    let when: Vec<u64> = moments.iter().map(|m| m["epochs"].as_u64().unwrap()).collect();
    assert_eq!(when, [0, 1, 2, 3, 4, 5]);
    // The run of three epochs is the beginning of the one of five.
    for (at, run) in [(3, "three"), (5, "run")] {
        for (l, weights) in weights(&place, run).iter().enumerate() {
            let shown = &moments[at]["layers"][l]["weights"];
            assert_eq!(shown["count"].as_u64(), Some(weights.len() as u64));
            let extreme = |of: fn(f64, f64) -> f64| weights.iter().copied().reduce(of);
            assert_eq!(shown["min"].as_f64(), extreme(f64::min), "{run}, layer {l}");
            assert_eq!(shown["max"].as_f64(), extreme(f64::max), "{run}, layer {l}");
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            assert!((shown["mean"].as_f64().unwrap() - mean).abs() <= 1e-12);
            let counted = shown["bins"].as_array().unwrap().iter().map(|bin| bin[2].as_u64().unwrap());
            assert_eq!(counted.sum::<u64>(), weights.len() as u64);
        }
    }
    assert_eq!(inside(&place, "inspect run --checkpoint 3,last")["moments"][0], moments[3]);
    assert_eq!(inside(&place, "inspect run --layer 2")["moments"][0]["layers"][0], moments[5]["layers"][1]);
    let text = place.done("inspect run --checkpoint 0,2").out;
    for part in ["1      activations       0", "deltas", "gradients", "weights", "0 is before training"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_written_fits_the_data() {
    let place = Place::with("t.csv", table(120));
    place.done("train digits --epochs 2 --run-dir digits --quiet");
    place.done("train t.csv --target price --hidden 5 --epochs 2 --run-dir table --quiet");
    let out = place.done("inspect digits --output seen").out;
    let names =
        ["inspect.html", "activations.svg", "deltas.svg", "gradients.svg", "weights.svg", "inspect.json"];
    for name in names.iter().chain(&["first-layer.png", "exciting-1.png"]) {
        assert!(!place.read(&format!("seen/{name}")).is_empty() && out.contains(name), "{name}: {out}");
    }
    let side = |name: &str, at: usize| {
        let bytes = place.read(name);
        assert!(bytes.starts_with(b"\x89PNG"));
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
    };
    // 8 by 8 tiles of 32 pixels, each three wide, in a frame, and 8 between.
    assert_eq!(side("seen/first-layer.png", 16), 8 * (32 * 3 + 2 + 8) + 8);
    let exciting = &place.json("seen/inspect.json")["inside"]["exciting"][0];
    let units = exciting["units"].as_array().unwrap();
    assert_eq!((units.len(), exciting["name"].as_str()), (64, Some("hidden 1")));
    for unit in units {
        let samples = unit["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 8);
        let falls = |pair: &[Value]| pair[0]["activation"].as_f64() >= pair[1]["activation"].as_f64();
        assert!(samples.windows(2).all(falls), "{unit}");
        assert!(samples.iter().all(|sample| sample["target"].as_str().unwrap().parse::<u8>().unwrap() < 10));
    }

    place.done("inspect table --output seen-table --samples 3");
    let page = place.text("seen-table/inspect.html");
    for part in ["weight, net", "colour=red", "What excites a unit", "size = "] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!place.path("seen-table/exciting-1.png").exists());
    let units = &place.json("seen-table/inspect.json")["inside"]["exciting"][0]["units"];
    assert_eq!(units[4]["samples"].as_array().unwrap().len(), 3);
    place.no_temporaries();
}

#[test]
fn what_cannot_be_seen_is_said() {
    let place = Place::with("t.csv", table(60));
    place.done("train t.csv --target kind --epochs 2 --hidden 3 --run-dir run --quiet");
    place.refuses(
        "inspect run --checkpoint 7",
        2,
        &["--checkpoint 7", "expected 0 (before training) to 2", "last or all"],
    );
    place.refuses("inspect run --checkpoint soon", 2, &["soon", "a number of epochs, last or all"]);
    place.refuses("inspect run --layer 3", 2, &["--layer 3", "expected 1 to 2", "6-3-2"]);
    place.refuses(
        "inspect run/model.safetensors --samples 2",
        1,
        &["expected a run folder", "chainrule train"],
    );
    place.write("t.csv", table(61));
    place.refuses("inspect run --output seen", 1, &["expected the data that the run began with"]);
    // The model itself is shown all the same.
    let ran = place.done("inspect run").expect(0, &["not seen inside", "expected the data"]);
    assert!(ran.out.contains("6-3-2"));
}

fn event_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// Whole records of an event file: (offset of the payload, length).
fn records(bytes: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        at += 16 + length;
        assert!(at <= bytes.len(), "a record that is cut off");
        count += 1;
    }
    count
}

#[test]
fn event_files_grow_by_epochs_and_change_no_bit_of_a_run() {
    let place = Place::new();
    place.done("train xor --epochs 3 --run-dir plain --quiet");
    place.done("train xor --epochs 3 --run-dir board --tensorboard --quiet");
    assert!(place.read("plain/model.safetensors") == place.read("board/model.safetensors"));
    let files = event_files(&place.path("board/tensorboard"));
    // The version, the start, before training, and three epochs.
    assert_eq!((files.len(), records(&std::fs::read(&files[0]).unwrap())), (1, 6));
    place.done("train xor --epochs 1 --run-dir other --tensorboard=logs --quiet");
    assert!(!place.path("other/tensorboard").exists());
    let line = "train xor --epochs 1 --run-dir third --tensorboard=logs --quiet";
    place.refuses(line, 2, &["--tensorboard=logs", "those of another run", "a folder for each"]);

    // A finished run has nothing to add; one that goes on has a file of its own.
    place.done("train --resume board --quiet");
    assert_eq!(event_files(&place.path("board/tensorboard")).len(), 1);
    place.done("train --resume board --epochs 5 --quiet");
    let files = event_files(&place.path("board/tensorboard"));
    assert_eq!((files.len(), records(&std::fs::read(&files[1]).unwrap())), (2, 4));
}

#[test]
fn a_resumed_run_goes_on_where_its_event_files_are() {
    let place = Place::new();
    place.done("train xor --epochs 2 --run-dir run --tensorboard=logs/1 --quiet");
    place.done("train --resume run --epochs 4 --quiet");
    let files = event_files(&place.path("logs/1"));
    // The version, the start, and two epochs more.
    assert_eq!((files.len(), records(&std::fs::read(&files[1]).unwrap())), (2, 4));
    assert!(!place.path("run/tensorboard").exists());
    // Another folder is remembered in its place; the run's own has no need to be.
    place.done("train --resume run --epochs 5 --tensorboard=logs/2 --quiet");
    place.done("train --resume run --epochs 6 --quiet");
    assert_eq!([1, 2].map(|n| event_files(&place.path(&format!("logs/{n}"))).len()), [2, 2]);
    place.done("train --resume run --epochs 7 --tensorboard --quiet");
    place.done("train --resume run --epochs 8 --quiet");
    assert_eq!(event_files(&place.path("logs/2")).len(), 2);
    assert_eq!(event_files(&place.path("run/tensorboard")).len(), 2);
    place.write("run/tensorboard.toml", "fold = 3");
    place.refuses(
        "train --resume run --epochs 9 --quiet",
        1,
        &["tensorboard.toml", "expected folder", "--tensorboard=DIR"],
    );
    place.no_temporaries();
}

/// Inputs of 200 by 120 pixels: drawn as 67 by 40, in a frame, with a number of 14 rows 3 below; two across, 8 between.
#[test]
fn large_inputs_are_shrunk() {
    let place = Place::new();
    let idx = |dims: &[u32], values: Vec<u8>| {
        let dims_bytes = dims.iter().flat_map(|dim| dim.to_be_bytes());
        [0, 0, 8, dims.len() as u8].into_iter().chain(dims_bytes).chain(values).collect::<Vec<u8>>()
    };
    let pixel = |at: usize| if at / 120 % 200 < 100 || at.is_multiple_of(7) { 200 } else { 20 };
    for part in ["train", "t10k"] {
        place.write(
            &format!("mnist/{part}-images-idx3-ubyte"),
            idx(&[12, 200, 120], (0..12 * 200 * 120).map(pixel).collect()),
        );
        place.write(&format!("mnist/{part}-labels-idx1-ubyte"), idx(&[12], (0..12).map(|i| i % 2).collect()));
    }
    place.done("train mnist --data-dir . --hidden 3 --activation sigmoid --epochs 1 --run-dir run --quiet");
    place.done("inspect run --output seen");
    let size = |name: &str| {
        let bytes = place.read(name);
        [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
    };
    assert_eq!(size("seen/first-layer.png"), [2 * (42 + 8) + 8, 2 * (69 + 3 + 14 + 8) + 8]);
    let [width, height] = size("seen/exciting-1.png");
    assert!(width < 34 + 14 * 50 && height < 4 * 80, "{width} by {height}");
    // Its pictures lie in the page, too.
    assert!(place.read("seen/inspect.html").len() < 400_000);
}

#[test]
fn a_killed_run_leaves_whole_records() {
    let place = Place::new();
    let line = "train digits --epochs 100000 --hidden 16 --run-dir run --tensorboard --quiet";
    let mut child = place.command(line).spawn().unwrap();
    until("some epochs are made", || epochs(&place.path("run")) > 4);
    signal("KILL", child.id());
    assert!(was_killed(child.wait().unwrap()));
    let file = std::fs::read(&event_files(&place.path("run/tensorboard"))[0]).unwrap();
    assert!(records(&file) >= 3 + 4);
}
