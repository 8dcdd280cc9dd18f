//! Ctrl-C and a request to terminate: the state is kept, the bar cleared, and how to go on is said.
#![cfg(unix)]

mod common;

use std::path::Path;
use std::process::Child;

use common::{Place, Ran, assert_same_run, epochs, signal, until, wait};

/// Long enough to be interrupted, short enough to be run to its end.
const LINE: &str = "train digits --limit 400 --hidden 16 --dropout 0.2 --epochs 300 --run-dir run";

/// Starts the run and waits until some of its epochs are done.
fn begun(place: &Place, line: &str) -> Child {
    let child = place.command(line).spawn().unwrap();
    until("the first epochs are done", || epochs(&place.path("run")) >= 3);
    child
}

fn interrupted(ran: Ran) -> Ran {
    let ran = ran.expect(1, &["interrupted after step", "to continue: chainrule train --resume run"]);
    assert!(ran.out.is_empty(), "{ran:#?}");
    ran
}

#[test]
fn an_interrupted_run_resumes_to_the_same_bits() {
    let whole = Place::new();
    whole.done(LINE);
    for name in ["INT", "TERM", "HUP"] {
        let place = Place::new();
        let child = begun(&place, LINE);
        signal(name, child.id());
        interrupted(wait(child, LINE));
        let done = epochs(&place.path("run"));
        assert!(done < 300, "the signal came too late");
        assert!(place.path("run/checkpoint/state.safetensors").is_file());
        for file in ["model.safetensors", "summary.json", "report.html"] {
            assert!(!place.path("run").join(file).exists(), "{file} of a run that has not ended");
        }
        place.no_temporaries();
        // Interrupted once more while it resumes, and then left alone.
        let child = place.command("train --resume run").spawn().unwrap();
        until("it goes on", || epochs(&place.path("run")) > done);
        signal(name, child.id());
        interrupted(wait(child, "--resume"));
        place.done("train --resume run").expect(0, &["run: continuing after step"]);
        assert_same_run(&whole.path("run"), &place.path("run"));
    }
}

#[test]
fn interrupted_twice_at_once() {
    let whole = Place::new();
    whole.done(LINE);
    for pause in [0, 1, 3] {
        let place = Place::new();
        let child = begun(&place, LINE);
        signal("INT", child.id());
        std::thread::sleep(std::time::Duration::from_millis(pause));
        // The first may have ended it already: then there is nobody to hear the second.
        let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        let ran = wait(child, LINE);
        assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
        place.done("train --resume run");
        assert_same_run(&whole.path("run"), &place.path("run"));
        place.no_temporaries();
    }
}

#[test]
fn quiet_and_json_say_how_to_go_on_too() {
    for flag in ["--quiet", "--json"] {
        let place = Place::new();
        let line = format!("{LINE} {flag}");
        let child = begun(&place, &line);
        signal("INT", child.id());
        interrupted(wait(child, &line));
    }
}

#[test]
fn a_run_that_goes_on_is_not_resumed_by_another_process() {
    let place = Place::new();
    let child = begun(&place, LINE);
    place.run("train --resume run").expect(1, &["run: expected a run that has stopped", "another process"]);
    signal("INT", child.id());
    interrupted(wait(child, LINE));
    place.done("train --resume run --epochs 300");
}

#[test]
fn on_a_terminal_the_bar_is_cleared() {
    if !Path::new("/usr/bin/script").exists() {
        eprintln!("SKIPPED: no 'script' (util-linux) to make a terminal with");
        return;
    }
    let place = Place::new();
    // In the terminal that `script` makes, the shell becomes the program, whose number it has noted.
    let inner = format!("stty rows 30 cols 100; echo $$ > pid; exec {} {LINE}", common::PROGRAM);
    let mut script = place.other("script", &["-qefc", &inner, "/dev/null"]);
    let child = script.env("TERM", "xterm").spawn().unwrap();
    until("the first epochs are done", || epochs(&place.path("run")) >= 5);
    std::thread::sleep(std::time::Duration::from_millis(300)); // for the bar to be drawn
    signal("INT", place.text("pid").trim().parse().unwrap());
    let ran = wait(child, "script").expect(1, &[]);
    assert!(ran.out.contains('█') && ran.out.contains("samples/s"), "no bar was drawn: {ran:#?}");
    let screen = screen(&ran.out);
    assert!(!screen.contains("samples/s") && !screen.contains('█'), "the bar is still there:\n{screen}");
    assert!(screen.contains("to continue: chainrule train --resume run"), "{screen}");
    assert!(screen.contains("train loss"), "lines of epochs are gone:\n{screen}");
}

/// What a terminal of 100 columns shows after these bytes, with the few control sequences that bars use.
fn screen(bytes: &str) -> String {
    let (mut lines, mut row, mut column) = (vec![String::new()], 0usize, 0usize);
    let mut rest = bytes.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' => row += 1,
            '\r' => column = 0,
            '\u{1b}' => {
                rest.next(); // [
                let mut number = String::new();
                let last = loop {
                    match rest.next() {
                        Some(c) if c.is_ascii_alphabetic() => break c,
                        Some(c) => number.push(c),
                        None => break ' ',
                    }
                };
                let count = number.parse().unwrap_or(1);
                match last {
                    'A' => row = row.saturating_sub(count),
                    'B' => row += count,
                    'K' if number == "2" => lines[row].clear(),
                    'K' => lines[row] = lines[row].chars().take(column).collect(),
                    'J' => lines.truncate(row + 1),
                    _ => {} // colours
                }
            }
            c => {
                if column == 100 {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), String::new());
                }
                let line: Vec<char> = lines[row].chars().collect();
                let before = line.iter().chain(std::iter::repeat(&' ')).take(column);
                lines[row] = before.chain([&c]).chain(line.iter().skip(column + 1)).collect();
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), String::new());
    }
    lines.join("\n")
}
