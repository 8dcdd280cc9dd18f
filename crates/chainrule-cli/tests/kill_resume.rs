//! A run that is killed at any moment and resumed ends with the bits of the run that nobody killed.
#![cfg(unix)]

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Place, Ran, Random, assert_same_run, epochs, table, wait, was_killed};

/// Kills per setting; with eight settings, 200.
const KILLS: usize = 25;

/// Different optimizers, orders, number types, data and checkpoint intervals: all that a state can hold.
const SETTINGS: [(&str, &str); 8] = [
    (
        "adam, dropout",
        "digits --limit 200 --hidden 16 --dropout 0.3 --epochs 4 --checkpoint-every 1 --seed 3",
    ),
    (
        "momentum, cosine, ragged batches",
        "digits --limit 190 --hidden 12,8 --optimizer sgd(nesterov=true) --momentum 0.9 --schedule warmup(5)+cosine \
         --batch-size 48 --epochs 12 --checkpoint-every 3 --evaluate-train",
    ),
    (
        "early stopping",
        "TABLE --target kind --hidden 8 --early-stopping 2 --learning-rate 0.03 --epochs 60 --checkpoint-every 2",
    ),
    (
        "lbfgs",
        "TABLE --target price --hidden 6 --activation tanh --optimizer lbfgs --dtype f64 --epochs 25 \
         --checkpoint-every 1",
    ),
    (
        "plateau, default interval",
        "digits --limit 200 --hidden 16 --optimizer rmsprop --schedule plateau(0.5,1) --epochs 8 --dtype f64",
    ),
    (
        "order at random",
        "digits --limit 150 --hidden 16 --optimizer adamw --clip-norm 1 --max-norm 2 --steps 17 --checkpoint-every 1 \
         order=random",
    ),
    (
        "two threads",
        "digits --limit 200 --hidden 16 --threads 2 --optimizer adagrad --epochs 4 --l2 0.001 --checkpoint-every 5",
    ),
    (
        "online, in order",
        "TABLE --target size,price --hidden 4 --optimizer sgd --batch-size 1 \
         --no-shuffle --epochs 3 --checkpoint-every 40 --dtype f64 --validation-split 0.1",
    ),
];

/// A setting, its result without kills, and what its kills met.
struct Case {
    name: &'static str,
    line: String,
    place: Place,
    /// Of one whole run.
    duration: Duration,
}

impl Case {
    fn new(name: &'static str, line: &str, data: &Place) -> Self {
        let table = data.path("table.csv").display().to_string();
        let line = format!("train {} --run-dir run", line.replace("TABLE", &table));
        let place = Place::new();
        place.done(&line);
        // The first run filled the caches: the second tells how long one takes.
        let other = Place::new();
        let started = Instant::now();
        other.done(&line);
        assert_same_run(&place.path("run"), &other.path("run"));
        Self { name, line, place, duration: started.elapsed() }
    }

    /// Runs `line` and kills it after `wait_for`; false if it ended before.
    fn kill(place: &Place, line: &str, wait_for: Duration) -> bool {
        let mut child = place.command(line).spawn().unwrap();
        std::thread::sleep(wait_for);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        was_killed(output.status) || {
            Ran::of(output, line).expect(0, &[]);
            false
        }
    }

    /// What continues the run in `place`: the same command if it had not begun, else `--resume`.
    fn next(&self, place: &Place) -> String {
        if !place.path("run").exists() {
            return self.line.clone();
        }
        let every = self.line.split_whitespace().skip_while(|word| *word != "--checkpoint-every").nth(1);
        every.map_or("train --resume run".into(), |n| format!("train --resume run --checkpoint-every {n}"))
    }

    /// What is in `place` must be the run that nobody killed.
    fn check(&self, place: &Place) {
        assert_same_run(&self.place.path("run"), &place.path("run"));
        place.no_temporaries();
        assert_eq!(place.listing(), self.place.listing(), "{}", self.name);
    }
}

fn cases() -> (Place, Vec<Case>) {
    let data = Place::with("table.csv", table(150));
    let cases = SETTINGS.iter().map(|(name, line)| Case::new(name, line, &data)).collect();
    (data, cases)
}

/// Does `work` on all cases, on two threads.
fn share(cases: &[Case], work: impl Fn(usize, &Case) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((at, case)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(at).map(|case| (at, case))
                } {
                    work(at, case);
                }
            });
        }
    });
}

#[test]
fn two_hundred_kills_change_no_bit() {
    let (_data, cases) = cases();
    assert!(
        cases[2].place.json("run/summary.json")["ending"] == "stopped",
        "the early stopping never stopped"
    );
    let count = || AtomicUsize::new(0);
    let (kills, before_the_folder, before_a_checkpoint, in_training, at_the_end) =
        (count(), count(), count(), count(), count());
    share(&cases, |at, case| {
        let mut random = Random(at as u64);
        let mut killed = 0;
        while killed < KILLS {
            let place = Place::new();
            if !Case::kill(&place, &case.line, case.duration.mul_f64(1.1 * random.unit())) {
                case.check(&place); // it had ended: no kill
                continue;
            }
            killed += 1;
            kills.fetch_add(1, Ordering::Relaxed);
            let has = |file: &str| place.path(file).exists();
            let met = if !has("run") {
                &before_the_folder
            } else if epochs(&place.path("run")) == epochs(&case.place.path("run")) {
                &at_the_end
            } else if has("run/checkpoint/state.safetensors") {
                &in_training
            } else {
                &before_a_checkpoint
            };
            met.fetch_add(1, Ordering::Relaxed);
            place.done(&case.next(&place));
            case.check(&place);
        }
    });
    let all = [&kills, &before_the_folder, &before_a_checkpoint, &in_training, &at_the_end];
    let [kills, before_the_folder, before_a_checkpoint, in_training, at_the_end] =
        all.map(|count| count.load(Ordering::Relaxed));
    println!(
        "{kills} kills: {before_the_folder} before there was a run folder, {before_a_checkpoint} before a checkpoint, \
         {in_training} between checkpoints, {at_the_end} after the last epoch"
    );
    for case in &cases {
        println!("{:>8.3} s  {}", case.duration.as_secs_f64(), case.name);
    }
    assert_eq!(kills, 200);
    assert!(in_training >= 20, "only {in_training} kills met a run with a checkpoint");
}

#[test]
fn a_run_may_be_killed_again_and_again() {
    let (_data, cases) = cases();
    let kills = AtomicUsize::new(0);
    share(&cases, |at, case| {
        let mut random = Random(1000 + at as u64);
        let place = Place::new();
        // The moments lie ever later, so that the run comes to its end.
        for round in 1..=6 {
            let moment = case.duration.mul_f64(0.25 + 0.15 * f64::from(round) * random.unit());
            kills.fetch_add(usize::from(Case::kill(&place, &case.next(&place), moment)), Ordering::Relaxed);
        }
        let line = case.next(&place);
        wait(place.command(&line).spawn().unwrap(), &line).expect(0, &[]);
        case.check(&place);
    });
    println!("{} kills of {} runs", kills.load(Ordering::Relaxed), cases.len());
    assert!(kills.load(Ordering::Relaxed) >= 2 * cases.len());
}

#[test]
fn what_a_killed_process_was_writing_is_cleared_away() {
    let line = "train xor --epochs 5 --run-dir run";
    let place = Place::new();
    // No process has this number: the largest possible is 2^22.
    place.write(".run.4194999.tmp/config.toml", "half");
    place.done(line);
    place.no_temporaries();
    let finished = place.listing();
    for name in ["history.csv", "model.safetensors", "report.html", "checkpoint/state.safetensors"] {
        let path = PathBuf::from("run").join(name);
        let temporary = format!(".{}.4194999-0.tmp", path.file_name().unwrap().display());
        place.write(&path.with_file_name(temporary).display().to_string(), "half");
    }
    place.done("train --resume run");
    assert_eq!(place.listing(), finished);
}

/// A run of two epochs, to be resumed.
const SHORT: &str = "train digits --limit 100 --hidden 8 --epochs 2 --run-dir run";

#[test]
fn a_finished_run_gives_the_same_results_again() {
    let (one, other) = (Place::new(), Place::new());
    one.done(SHORT);
    other.done(SHORT);
    other.done("train --resume run").expect(0, &["run: the run is complete after step 8"]);
    assert_same_run(&one.path("run"), &other.path("run"));
    for lost in ["model.safetensors", "history.csv", "report.html", "summary.json"] {
        std::fs::remove_file(other.path("run").join(lost)).unwrap();
    }
    let quiet = other.done("train --resume run --quiet");
    assert!(quiet.out.is_empty() && quiet.err.is_empty(), "{quiet:?}");
    assert_same_run(&one.path("run"), &other.path("run"));
}

#[test]
fn more_epochs_or_steps_continue_a_run() {
    let (long, short) = (Place::new(), Place::new());
    long.done(&SHORT.replace("--epochs 2", "--epochs 5"));
    short.done(SHORT);
    short.done("train --resume run --epochs 5").expect(0, &["run: continuing after step 8"]);
    assert_same_run(&long.path("run"), &short.path("run"));
    assert_eq!(short.toml("run/config.toml")["epochs"].as_integer(), Some(5));
    // The folder now stands for the longer run, which cannot become shorter than it is.
    let before = short.read("run/checkpoint/state.safetensors");
    short.refuses("train --resume run --epochs 4", 2, &["at least the 20 steps made", "found 16 steps"]);
    assert!(short.read("run/checkpoint/state.safetensors") == before);
    let ran = short.done("train --resume run --steps 24");
    ran.expect(0, &["continuing after step 20"]);
    assert_eq!(short.json("run/summary.json")["steps"], 24);
    assert_eq!(epochs(&short.path("run")), 6);
}

#[test]
fn what_changes_the_course_is_refused() {
    let place = Place::with("data.csv", table(60));
    place.done("train data.csv --target kind --epochs 2 --run-dir run");
    for flag in ["--hidden 9", "--seed 2", "--dtype f64", "--limit 9", "--no-shuffle", "--config x.toml"] {
        place.refuses(&format!("train --resume run {flag}"), 2, &["--resume"]);
    }
    place.refuses("train --resume run digits", 2, &["--resume", "found digits"]);
    place.refuses("train --resume run seed=2", 2, &["--resume", "found seed=2"]);
    place.refuses("train --resume run --run-dir other", 2, &["--resume", "--run-dir"]);
    place.refuses("train --resume nowhere", 1, &["nowhere: expected a run folder", "no such folder"]);
    place.refuses("train --resume run/checkpoint", 1, &["expected a run folder", "without config.toml"]);

    let state = place.read("run/checkpoint/state.safetensors");
    let changed = table(60).replacen("small", "large", 1);
    place.write("data.csv", changed);
    place.refuses("train --resume run", 1, &["run: expected the data that the run began with", "data.csv"]);
    std::fs::remove_file(place.path("data.csv")).unwrap();
    place.refuses("train --resume run", 1, &["data.csv: not found"]);
    assert!(place.read("run/checkpoint/state.safetensors") == state);
    place.write("data.csv", table(60));
    place.done("train --resume run");
}

#[test]
fn a_changed_test_or_validation_set_is_noticed() {
    let place = Place::with("data.csv", table(60));
    let line = "train data.csv --target kind --epochs 2 --test test.csv --run-dir run validation=other.csv";
    place.write("test.csv", table(20));
    place.write("other.csv", table(30));
    place.done(line);
    for (name, rows) in [("test.csv", 20), ("other.csv", 30)] {
        place.write(name, table(rows - 1));
        place.refuses("train --resume run --epochs 3", 1, &["expected the data that the run began with"]);
        place.write(name, table(rows));
    }
    place.done("train --resume run --epochs 3");
}

#[test]
fn a_damaged_checkpoint_is_refused_and_nothing_is_lost() {
    let place = Place::new();
    place.done(SHORT);
    let state = "run/checkpoint/state.safetensors";
    let whole = place.read(state);
    let mut garbled = whole.clone();
    garbled[100..140].fill(b'x');
    let mut long = whole.clone();
    long.extend(b"more");
    let cut = |share: usize| whole[..whole.len() * share / 10].to_vec();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for bytes in [vec![], vec![7; 5], cut(1), cut(5), cut(9), whole[..header].to_vec(), garbled, long] {
        place.write(state, &bytes);
        let model = place.read("run/model.safetensors");
        let history = place.read("run/history.csv");
        place.refuses("train --resume run", 1, &["run/checkpoint/state.safetensors: expected", "found"]);
        assert!(place.read(state) == bytes);
        assert!(place.read("run/model.safetensors") == model && place.read("run/history.csv") == history);
    }
    // That of another network, and a model in its place.
    let other = Place::new();
    other.done(&SHORT.replace("--hidden 8", "--hidden 9"));
    place.write(state, other.read(state));
    let parts = ["state.safetensors: expected tensor", "found"];
    place.refuses("train --resume run", 1, &parts);
    place.write(state, place.read("run/model.safetensors"));
    place.refuses("train --resume run", 1, &["state.safetensors: expected a checkpoint"]);
    place.write(state, whole);
    place.done("train --resume run");
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads_and_from_its_own_config() {
    let (one, two, again) = (Place::new(), Place::new(), Place::new());
    one.done(&format!("{SHORT} --threads 1"));
    one.done("train --resume run --epochs 4 --threads 2");
    two.done(&format!("{SHORT} --threads 2"));
    two.done("train --resume run --epochs 4 --threads 1");
    assert_same_run(&one.path("run"), &two.path("run"));
    let config = one.path("run/config.toml").display().to_string();
    again.done(&format!("train --config {config} --run-dir run"));
    assert_same_run(&one.path("run"), &again.path("run"));
}

#[test]
fn a_run_resumes_from_another_folder_and_without_its_initial_weights() {
    let (one, two) = (Place::new(), Place::new());
    let line = "train data.csv --target kind --epochs 3 --run-dir run --init-from first/model.safetensors";
    for place in [&one, &two] {
        place.write("data.csv", table(60));
        place.done("train data.csv --target kind --epochs 2 --seed 9 --run-dir first");
        place.done(line);
    }
    std::fs::remove_dir_all(two.path("first")).unwrap();
    let elsewhere = Place::new();
    let run = two.path("run").display().to_string();
    elsewhere.done(&format!("train --resume {run} --epochs 4"));
    one.done("train --resume run --epochs 4");
    assert!(one.read("run/model.safetensors") == two.read("run/model.safetensors"));
}

#[test]
fn figures_that_are_not_finite_survive_a_resume() {
    // Of 1e200 the square, and with it the test loss, is infinite; training never sees it.
    let place = Place::with("data.csv", "x,y\n1,2\n2,3\n3,5\n4,4\n5,6\n");
    place.write("test.csv", "x,y\n1e200,1\n");
    let line = "train data.csv --target y --test test.csv --hidden none --dtype f64 --epochs 3 --run-dir run";
    place.done(line);
    assert!(place.text("run/history.csv").contains(",inf,"), "{}", place.text("run/history.csv"));
    let (history, model) = (place.read("run/history.csv"), place.read("run/model.safetensors"));
    place.done("train --resume run");
    assert!(place.read("run/history.csv") == history && place.read("run/model.safetensors") == model);
}
