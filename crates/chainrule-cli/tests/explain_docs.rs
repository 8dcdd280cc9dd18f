//! The pages on backpropagation: every command runs, and every line and number shown is what a command printed.

mod common;

use common::Place;

/// The fenced blocks of a page: (language, lines).
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                found.push((language.to_string(), Vec::new()));
            }
        } else if inside {
            found.last_mut().unwrap().1.push(line.to_string());
        }
    }
    found
}

fn check(name: &str, page: &str) {
    let place = Place::new();
    let mut outputs = String::new();
    for line in blocks(page).iter().filter(|(language, _)| language == "sh").flat_map(|(_, lines)| lines) {
        let line = line.strip_prefix("chainrule ").unwrap_or_else(|| panic!("{name}: {line}"));
        outputs += &place.done(line).out;
        outputs.push('\n');
    }
    let printed: Vec<&str> = outputs.lines().map(str::trim).collect();
    for line in blocks(page).iter().filter(|(language, _)| language == "text").flat_map(|(_, lines)| lines) {
        // Two laws may stand on one line.
        let shown = printed.iter().any(|printed| *printed == line.trim())
            || (line.starts_with("BP") && printed.iter().any(|printed| printed.contains(line.trim())));
        assert!(shown, "{name}: no command prints: {line}");
    }
    let numbers = page.split(|c: char| !(c.is_ascii_digit() || c == '.')).map(|n| n.trim_matches('.'));
    let mut seen = 0;
    for number in numbers.filter(|n| n.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 1)) {
        assert!(outputs.contains(number), "{name}: no command prints the number {number}");
        seen += 1;
    }
    assert!(seen > 10, "{name}: {seen} numbers");
}

#[test]
fn backpropagation_worked() {
    check("backpropagation-worked.md", include_str!("../../../docs/backpropagation-worked.md"));
}

#[test]
fn the_four_equations() {
    check("four-equations.md", include_str!("../../../docs/four-equations.md"));
}
