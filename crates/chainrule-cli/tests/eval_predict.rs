//! `eval` and `predict`: their figures are those of the training run, and of each other.

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use common::{Place, Ran, table};
use serde_json::Value;

/// Numbers to learn from two columns, and a column of words.
fn numbers(rows: usize) -> String {
    let mut random = common::Random(11);
    let mut text = "a,colour,y\n".to_string();
    for _ in 0..rows {
        let (a, red) = (10.0 * random.unit(), random.unit() > 0.5);
        let y = 100.0 + 30.0 * a + if red { 50.0 } else { 0.0 } + random.unit();
        text += &format!("{a:.3},{},{y:.4}\n", if red { "red" } else { "blue" });
    }
    text
}

/// Runs the program with bytes on standard input.
fn with_input(place: &Place, line: &str, input: &[u8]) -> Ran {
    let mut child = place.command(line).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::of(child.wait_with_output().unwrap(), line)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

/// The rows of a CSV by column name.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// Every figure of `summary` is in `measured`.
fn assert_same_figures(measured: &Value, summary: &Value) {
    for (key, value) in summary.as_object().unwrap() {
        assert_eq!(&measured[key], value, "{key}");
    }
}

/// A trained model of two kinds, and the samples it was not trained on.
fn classes() -> Place {
    let place = Place::with("train.csv", table(150));
    let test: Vec<String> = table(250).lines().skip(151).map(String::from).collect();
    let header = table(0);
    place.write("test.csv", format!("{}{}\n", header, test.join("\n")));
    place.done("train train.csv --target kind --test test.csv --run-dir run --quiet --hidden 4 epochs=3");
    place
}

#[test]
fn figures_are_those_of_the_run() {
    let place = classes();
    let measured = json(&place.done("eval run test.csv --json"));
    assert_same_figures(&measured, &place.json("run/summary.json")["test"]);
    assert_eq!((measured["data"].as_str(), measured["dtype"].as_str()), (Some("test.csv"), Some("f32")));
    let text = place.done("eval run/model.safetensors test.csv").out;
    for part in ["accuracy", "cross_entropy: mean over samples", "large", "small", "true class (rows)"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    place.done("train digits --limit 200 epochs=2 --run-dir digits --quiet --hidden 16");
    let measured = json(&place.done("eval digits digits --json"));
    assert_same_figures(&measured, &place.json("digits/summary.json")["test"]);
    assert_eq!(json(&place.done("eval digits digits --train --json"))["samples"], 1934);

    place.write("n.csv", numbers(120));
    let flags = "--test n.csv --quiet --hidden 4 epochs=20";
    for (dtype, target) in [("f32", "y"), ("f64", "y"), ("f32", "input")] {
        let run = format!("{dtype}-{target}");
        place.done(&format!("train n.csv --target {target} --dtype {dtype} --run-dir {run} {flags}"));
        let measured = json(&place.done(&format!("eval {run} n.csv --json")));
        assert_same_figures(&measured, &place.json(&format!("{run}/summary.json"))["test"]);
    }
}

#[test]
fn classes_are_predicted_from_files_and_standard_input() {
    let place = classes();
    let answers = place.done("predict run test.csv").out;
    assert!(answers.starts_with("sample,class,p_large,p_small\n"), "{answers}");
    let (answers, truth) = (rows(&answers), rows(&place.text("test.csv")));
    assert_eq!(answers.len(), truth.len());
    let mut right = 0;
    for (sample, (answer, truth)) in answers.iter().zip(&truth).enumerate() {
        assert_eq!(answer["sample"], sample.to_string());
        let p = |class: &str| answer[&format!("p_{class}")].parse::<f64>().unwrap();
        let sum = p("large") + p("small");
        assert!((sum - 1.0).abs() <= 1e-6, "{sum}");
        assert!(p(&answer["class"]) >= 0.5);
        right += usize::from(answer["class"] == truth["kind"]);
    }
    let accuracy = json(&place.done("eval run test.csv --json"))["accuracy"].as_f64().unwrap();
    assert_eq!(right as f64 / truth.len() as f64, accuracy);

    // Without its target, in another order, and through standard input: the same answers.
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = ["weight, net", "price", "size", "colour"];
    writer.write_record(columns).unwrap();
    truth.iter().for_each(|row| writer.write_record(columns.map(|column| &row[column])).unwrap());
    let inputs = writer.into_inner().unwrap();
    place.write("inputs.csv", &inputs);
    let from_file = place.done("predict run inputs.csv --format csv").out;
    assert_eq!(rows(&from_file), answers);
    assert_eq!(with_input(&place, "predict run -", &inputs).expect(0, &[]).out, from_file);

    let lines = place.done("predict run inputs.csv --json").out;
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["class"].as_str(), Some(answers[0]["class"].as_str()));
    let p = first["probabilities"]["large"].as_f64().unwrap();
    assert_eq!(p, answers[0]["p_large"].parse::<f64>().unwrap());
    assert_eq!(lines.lines().count(), answers.len());

    place.refuses("eval run inputs.csv", 1, &["inputs.csv: line 1", "the target, kind"]);
    place.write("word.csv", "size,colour,\"weight, net\",price\n1,red,2,3\n1,blue,2,3\n");
    place.refuses(
        "predict run word.csv",
        1,
        &["word.csv: line 3, column 2 ('colour')", "'blue'", "dark, blue"],
    );
    place.refuses("eval run digits", 1, &["expected a table with the columns", "found images"]);
}

#[test]
fn names_with_commas_and_quotes_are_quoted() {
    let rows_of =
        |name: &str, size: f64| (0..10).map(|i| format!("{},{name}\n", size + f64::from(i))).collect();
    let text: Vec<String> = vec![rows_of("\"a, b\"", 0.0), rows_of("\"say \"\"no\"\"\"", 50.0)];
    let place = Place::with("q.csv", format!("size,kind\n{}", text.concat()));
    place.done("train q.csv --test-split 0 --run-dir run --quiet epochs=1 --hidden none");
    let answers = place.done("predict run q.csv").out;
    assert_eq!(answers.lines().next(), Some(r#"sample,class,"p_a, b","p_say ""no""""#));
    assert!(rows(&answers).iter().all(|row| ["a, b", "say \"no\""].contains(&row["class"].as_str())));
}

#[test]
fn numbers_come_in_the_unit_of_the_target() {
    let place = Place::with("n.csv", numbers(120));
    place.done(
        "train n.csv --target y --dtype f64 --run-dir run --quiet --hidden none epochs=60 --test n.csv",
    );
    let answers = rows(&place.done("predict run n.csv").out);
    let truth = rows(&place.text("n.csv"));
    let square = |(answer, truth): (&BTreeMap<_, _>, &BTreeMap<_, String>)| {
        let answer: &String = &answer["y"];
        (answer.parse::<f64>().unwrap() - truth["y"].parse::<f64>().unwrap()).powi(2)
    };
    let rmse = (answers.iter().zip(&truth).map(square).sum::<f64>() / truth.len() as f64).sqrt();
    let measured = json(&place.done("eval run n.csv --json"))["regression"]["rmse"].as_f64().unwrap();
    assert!((rmse - measured).abs() <= 1e-9 * measured, "{rmse} is not {measured}");
    let line = place.done("predict run n.csv --json").out;
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(line["values"]["y"].as_f64().unwrap(), answers[0]["y"].parse::<f64>().unwrap());

    // A table that was split for training says so.
    place.done("train n.csv --target y --run-dir split --quiet --hidden none epochs=1");
    place.run("eval split n.csv").expect(0, &["note: the model learned from 80 % of 'n.csv'"]);
}

#[test]
fn an_auto_encoder_answers_with_its_inputs() {
    let place = Place::with("n.csv", numbers(120));
    place.done("train n.csv --target input --run-dir run --quiet --hidden 6 epochs=400 --test-split 0");
    let text = place.done("predict run n.csv").out;
    assert!(text.starts_with("sample,a,colour=blue,colour=red,y\n"), "{text}");
    // In the units of the columns: near the inputs, which standardized ones are not.
    let near = |answer: &BTreeMap<_, String>, truth: &BTreeMap<_, String>| {
        let value = |row: &BTreeMap<_, String>| row["y"].parse::<f64>().unwrap();
        (value(answer) - value(truth)).abs() <= 100.0
    };
    let truth = rows(&place.text("n.csv"));
    assert!(rows(&text).iter().zip(&truth).all(|(answer, truth)| near(answer, truth)), "{text}");
}

#[test]
fn pictures_are_predicted_one_by_one() {
    let place = Place::new();
    place.done("train digits --limit 400 epochs=2 --run-dir run --quiet --hidden 8");
    let test = test_digit();
    let text: String = test
        .chunks(32)
        .map(|row| row.iter().map(|bit| char::from(b'0' + bit)).collect::<String>() + "\n")
        .collect();
    place.write("0_0.txt", &text);
    place.write("zero.png", png(&test));
    let expected = rows(&place.done("predict run digits").out).remove(0);
    let mut answers: Vec<Ran> =
        ["predict run 0_0.txt", "predict run zero.png"].map(|line| place.done(line)).into();
    for bytes in [text.into_bytes(), png(&test)] {
        answers.push(with_input(&place, "predict run -", &bytes).expect(0, &[]));
    }
    for answer in &answers {
        assert_eq!(answer.out, answers[0].out);
        // One sample and many are multiplied in blocks of other sizes: all but the last digits agree.
        let answer = rows(&answer.out).remove(0);
        assert_eq!(answer["class"], expected["class"]);
        for class in 0..10 {
            let p = |row: &BTreeMap<String, String>| row[&format!("p_{class}")].parse::<f64>().unwrap();
            assert!((p(&answer) - p(&expected)).abs() <= 1e-6, "{answer:?}");
        }
    }
    place.write("small.txt", "0101\n0101\n");
    place.refuses("predict run small.txt", 1, &["32 x 32", "found 2 x 4"]);
    let garbage =
        with_input(&place, "predict run -", b"\x89PNG\r\n\x1a\ngarbage").expect(1, &["standard input"]);
    assert!(garbage.out.is_empty());
    place.refuses("eval run xor", 1, &["xor"]);
}

/// The first digit of the test set.
fn test_digit() -> Vec<u8> {
    let test = chainrule_io::load("digits", &chainrule_io::SourceOptions::default()).unwrap().test.unwrap();
    test.row(0).iter().map(|&bit| bit as u8).collect()
}

/// A grey PNG of 32 x 32 bits, with stored (uncompressed) data.
fn png(bits: &[u8]) -> Vec<u8> {
    let raw: Vec<u8> =
        bits.chunks(32).flat_map(|row| std::iter::once(0).chain(row.iter().map(|&bit| 255 * bit))).collect();
    let length = raw.len() as u16;
    let mut data = vec![0x78, 0x01, 1];
    data.extend(length.to_le_bytes().into_iter().chain((!length).to_le_bytes()).chain(raw.iter().copied()));
    let (a, b) = raw
        .iter()
        .fold((1u32, 0u32), |(a, b), &x| ((a + u32::from(x)) % 65521, (a + u32::from(x) + b) % 65521));
    data.extend((b << 16 | a).to_be_bytes());
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], body: &[u8]| {
        let content = [kind, body].concat();
        let crc = !content.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(
                crc ^ u32::from(byte),
                |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
            )
        });
        file.extend((body.len() as u32).to_be_bytes());
        file.extend(content);
        file.extend(crc.to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 32, 0, 0, 0, 32, 8, 0, 0, 0, 0]);
    chunk(b"IDAT", &data);
    chunk(b"IEND", &[]);
    file
}

#[test]
fn other_data_is_refused_and_a_closed_pipe_is_not() {
    let place = Place::new();
    place.done("train xor steps=1 --run-dir xor --quiet");
    place.refuses("eval xor mazur", 1, &["the model's 1 output", "2 target columns"]);
    place.refuses("eval xor nowhere.csv", 1, &["nowhere.csv: not found"]);
    place.refuses("eval nowhere xor", 1, &["nowhere", "check the path"]);
    place.refuses("eval xor", 2, &["<DATA>"]);
    place.write("not.safetensors", "no model");
    place.refuses("predict not.safetensors xor", 1, &["not.safetensors", "expected a safetensors file"]);

    place.done("train digits --limit 50 epochs=1 --run-dir digits --quiet --hidden 4");
    for line in ["predict digits digits", "predict digits digits --json", "inspect digits --weights"] {
        let mut child = place.command(line).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(child.wait_with_output().unwrap(), line);
        assert_eq!(ran.err, "", "{line}");
    }
}

/// In bf16 both answer alike, and nearly as in f32; a run in bf16 says the figures that `eval --dtype bf16` finds.
#[test]
fn other_number_types_answer_nearly_alike() {
    let place = Place::new();
    place.write("n.csv", numbers(300));
    place
        .done("train n.csv --target y --test n.csv --quiet --hidden 16 epochs=10 --dtype bf16 --run-dir run");
    let [f32s, bf16, f64s] = ["f32", "bf16", "f64"]
        .map(|dtype| json(&place.done(&format!("eval run n.csv --json --dtype {dtype}"))));
    assert_eq!((f32s["dtype"].as_str(), bf16["dtype"].as_str()), (Some("f32"), Some("bf16")));
    assert_same_figures(&bf16, &place.json("run/summary.json")["test"]);
    assert_eq!(json(&place.done("eval run n.csv --json")), f32s, "the model itself is f32");
    let loss = |measured: &Value| measured["loss"].as_f64().unwrap();
    assert!(loss(&bf16) != loss(&f32s) && (loss(&bf16) / loss(&f32s) - 1.0).abs() <= 0.05, "{bf16} {f32s}");
    assert!(loss(&f64s) != loss(&f32s) && (loss(&f64s) / loss(&f32s) - 1.0).abs() <= 1e-4, "{f64s} {f32s}");

    let answers = |dtype: &str| -> Vec<f64> {
        let ran = place.done(&format!("predict run n.csv --dtype {dtype}"));
        rows(&ran.out).iter().map(|row| row["y"].parse().unwrap()).collect()
    };
    let (f32s, bf16) = (answers("f32"), answers("bf16"));
    let (low, high) = f32s.iter().fold((f64::MAX, f64::MIN), |(low, high), &y| (low.min(y), high.max(y)));
    let most = f32s.iter().zip(&bf16).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(f32s.len() == 300 && most > 0.0 && most <= 0.02 * (high - low), "{most} of {low} to {high}");
    place.refuses("eval run n.csv --dtype f16", 2, &["f16", "bf16"]);
}
