//! `chainrule reproduce`: verdicts follow the published values, and the worked example is exact.

mod common;

use chainrule::recipe::Settings;
use chainrule_io::recipes::{RECIPES, find_recipe, settings_of};
use common::Place;
use serde_json::Value;

fn recipes(place: &Place, line: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(&place.done(line).out).unwrap();
    assert_eq!(document["passed"], true);
    document["recipes"].as_array().unwrap().clone()
}

fn figure<'a>(recipe: &'a Value, name: &str) -> &'a Value {
    let figures = recipe["figures"].as_array().unwrap();
    figures.iter().find(|figure| figure["name"] == name).unwrap_or_else(|| panic!("no figure '{name}'"))
}

fn assert_exact(recipe: &Value, name: &str, want: f64) {
    let ours = figure(recipe, name)["ours"].as_f64().unwrap();
    assert!((ours - want).abs() <= 1e-12 * want.abs(), "{name}: {ours} is not {want}");
}

/// Re-computed from the source's numbers, independently of this program.
#[test]
fn the_worked_example_in_both_update_orders() {
    let found = recipes(&Place::new(), "reproduce mazur mazur-sequential --json");
    let [descent, sequential] = found.as_slice() else { panic!("{found:?}") };
    let later = [
        "E_total after 1 step",
        "E_total after 10,000 steps",
        "out_o1 after 10,000 steps",
        "out_o2 after 10,000 steps",
    ];
    let true_descent = [0.29102777369359933, 3.510187782978859e-05, 0.01591362044355068, 0.9840642735146238];
    let output_first = [0.29102792390544197, 3.5084786296312774e-05, 0.0159121963260343, 0.9840657344856291];
    for ((name, descent_value), first_value) in later.into_iter().zip(true_descent).zip(output_first) {
        assert_exact(descent, name, descent_value);
        assert_exact(sequential, name, first_value);
        assert_eq!(figure(descent, name)["verdict"], "different");
        assert_eq!(figure(sequential, name)["verdict"], "reproduced");
        // The reason shows the other order's measured value.
        let reason = figure(descent, name)["reason"].as_str().unwrap();
        assert!(reason.contains(&format!("{first_value:.12}")), "{reason}");
    }
    assert_eq!(figure(descent, "dE/dw5")["verdict"], "reproduced");
    assert_eq!(figure(descent, "w1+, after 1 step")["verdict"], "reproduced");
    assert_eq!(figure(sequential, "w1+, after 1 step")["verdict"], "different");
}

#[test]
fn a_perturbed_value_flips_the_verdict() {
    let (_, text) = RECIPES.iter().find(|(name, _)| *name == "mazur-sequential").unwrap();
    let published = "published = 0.000035085";
    assert!(text.contains(published));
    let place = Place::with("same.toml", text);
    place.write("worse.toml", text.replace(published, "published = 0.000035087"));
    let better = "published = 0.000035087\nbetter = \"lower\"";
    place.write("better.toml", text.replace(published, better));
    place.write("nothing.toml", text.replace(published, "# not published"));
    let name = "E_total after 10,000 steps";
    let verdict = |file: &str| {
        let ran = place.run(&format!("reproduce --config {file}.toml --json"));
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        let word = figure(&document["recipes"][0], name)["verdict"].as_str().unwrap().to_string();
        (word, ran.status.code())
    };
    assert_eq!(verdict("same"), ("reproduced".into(), Some(0)));
    // Different, and no reason stated for it: the command fails.
    assert_eq!(verdict("worse"), ("different".into(), Some(1)));
    assert_eq!(verdict("better"), ("better".into(), Some(0)));
    assert_eq!(verdict("nothing"), ("nothing published".into(), Some(0)));
}

#[test]
fn seeds_are_all_reported_and_threads_change_nothing() {
    let place = Place::new();
    let one = recipes(&place, "reproduce xor --threads 1 --json");
    let two = recipes(&place, "reproduce xor --threads 2 --json");
    let figures = |recipes: &[Value]| recipes[0]["figures"].clone();
    assert_eq!(figures(&one), figures(&two));
    assert_eq!(one[0]["seeds"].as_array().unwrap().len(), 8);
    let figure = &figures(&one)[0];
    let values: Vec<f64> =
        figure["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(values.len(), 8);
    // Re-computed independently: 0.007 to 0.023 over 8 seeds of its own.
    assert!(values.iter().all(|error| (0.003..0.05).contains(error)), "{values:?}");
    assert_eq!(figure["min"].as_f64(), values.iter().copied().reduce(f64::min));
    let median = figure["ours"].as_f64().unwrap();
    assert_eq!(values.iter().filter(|&&value| value < median).count(), 4);
}

#[test]
fn the_table_shows_published_ours_and_verdict() {
    let ran = Place::new().done("reproduce mazur-sequential");
    for part in ["source", "S3", "0.291027924", "0.000035085", "reproduced", "different", "mixes the two"] {
        assert!(ran.out.contains(part), "{part} is not in:\n{}", ran.out);
    }
    assert!(ran.err.contains("mazur-sequential: "), "progress: {}", ran.err);
    assert!(!ran.out.contains('\u{1b}'), "colour in a pipe");
}

#[test]
fn bad_requests_are_refused_in_words() {
    let place = Place::new();
    place.refuses("reproduce nielson-30", 2, &["nielson-30", "nielsen-30"]);
    place.refuses("reproduce digits", 2, &["digits", "no published system"]);
    place.refuses("reproduce --config no.toml", 1, &["no.toml"]);
    let base = "data = \"xor\"\nhidden = [2]\nsteps = 8\n[[figures]]\nname = \"f\"\n";
    for (file, figure, parts) in [
        ("metric", "metric = \"acuracy\"", ["acuracy", "train_accuracy"]),
        ("reason", "metric = \"total_loss\"\nreason = \"because\"", ["because", "measured"]),
        ("place", "metric = \"total_loss\"\nreason = \"{speed}\"", ["speed", "known"]),
        ("tolerance", "metric = \"total_loss\"\npublished = 1.0", ["tolerance", "'f'"]),
        ("moment", "metric = \"total_loss\"\nepoch = 50", ["epoch 50", "'moment'"]),
        ("unit", "metric = \"z_0_7\"", ["unit 7", "'unit'"]),
        ("test", "metric = \"test_accuracy\"", ["test set", "'test'"]),
    ] {
        place.write(&format!("{file}.toml"), format!("{base}{figure}\n"));
        let ran = place.run(&format!("reproduce --config {file}.toml"));
        assert_eq!(ran.status.code(), Some(1), "{file}: {}", ran.err);
        parts.iter().for_each(|part| assert!(ran.err.contains(part), "{file}: {part}: {}", ran.err));
    }
    place.write("none.toml", "data = \"xor\"\n");
    place.refuses("reproduce --config none.toml", 2, &["figures"]);
}

/// Every embedded recipe is understood, and its data and settings fit each other.
#[test]
fn every_recipe_parses_and_resolves() {
    for (name, _) in RECIPES {
        let table = find_recipe(name).unwrap().unwrap();
        let mut settings = settings_of(table, name).unwrap();
        assert!(settings.description.is_some(), "{name}");
        settings.data_dir = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data").into());
        let prepared = chainrule_io::prepare(&settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        chainrule::network::Network::new(prepared.resolved.spec).unwrap();
    }
    assert_eq!(
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes")).unwrap().count(),
        RECIPES.len() + 1
    );
}

/// The table of settings in recipes/README.md has exactly the settings there are.
#[test]
fn the_readme_lists_every_setting() {
    let readme = include_str!("../../../recipes/README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Settings")).unwrap();
    let listed: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(key, _)| key)
        .collect();
    // The error for an unknown field names all known ones.
    let error = toml::from_str::<Settings>("surely_no_setting = 1").unwrap_err();
    let fields: Vec<&str> = error.message().split('`').skip(3).step_by(2).collect();
    assert!(fields.len() > 40, "{fields:?}");
    for field in &fields {
        assert!(listed.contains(field), "recipes/README.md does not list {field}");
    }
    for key in listed {
        assert!(fields.contains(&key), "recipes/README.md lists {key}, which is no setting");
    }
}
