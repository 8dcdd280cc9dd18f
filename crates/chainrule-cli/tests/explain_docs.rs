//! The pages that show what commands print: every command runs, and every line and number shown is printed by one; every
//! picture made by one is as committed.

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

/// Runs the commands of a page, and returns where.
fn check(name: &str, page: &str) -> Place {
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
    place
}

/// A picture in `docs/images`.
fn committed(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images").join(name)
}

/// The same picture, but for a few pixels: another CPU may round a gradient near 0 to the other side.
fn assert_same_picture(name: &str, made: &std::path::Path) {
    let read = |path: &std::path::Path| chainrule_io::png::read_png(path).unwrap();
    let ((shown, rows, columns), (made, made_rows, made_columns)) = (read(&committed(name)), read(made));
    assert_eq!((rows, columns), (made_rows, made_columns), "{name}");
    let other = shown.iter().zip(&made).filter(|(a, b)| a.abs_diff(**b) > 16).count();
    assert!(other * 100 <= shown.len(), "{name}: {other} of {} pixels are others", shown.len());
}

/// The same chart: every number of it within half a pixel.
fn assert_same_chart(name: &str, made: &str) {
    let shown = std::fs::read_to_string(committed(name)).unwrap();
    let split = |svg: &str| -> (Vec<f64>, Vec<String>) {
        let parts = svg.split(|c: char| !(c.is_ascii_digit() || c == '.')).map(String::from);
        let (numbers, _): (Vec<String>, Vec<String>) = parts.partition(|part| part.parse::<f64>().is_ok());
        let words = svg.split(|c: char| c.is_ascii_digit() || c == '.').filter(|w| !w.is_empty());
        (numbers.iter().map(|n| n.parse().unwrap()).collect(), words.map(String::from).collect())
    };
    let ((numbers, words), (made_numbers, made_words)) = (split(&shown), split(made));
    assert_eq!(words, made_words, "{name}");
    for (a, b) in numbers.iter().zip(&made_numbers) {
        assert!((a - b).abs() <= 0.5, "{name}: {a} is shown, {b} is made");
    }
}

#[test]
fn backpropagation_worked() {
    check("backpropagation-worked.md", include_str!("../../../docs/backpropagation-worked.md"));
}

#[test]
fn the_four_equations() {
    check("four-equations.md", include_str!("../../../docs/four-equations.md"));
}

#[test]
fn fooling_a_network() {
    let place = check("fooling-a-network.md", include_str!("../../../docs/fooling-a-network.md"));
    assert_same_picture("saliency.png", &place.path("saliency.png"));
    assert_same_picture("fooled.png", &place.path("fooled/fooled.png"));
    assert_same_chart("attack.svg", &place.text("attack/accuracy.svg"));
}
