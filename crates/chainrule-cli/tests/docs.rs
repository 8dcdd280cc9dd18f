//! The numbers of `docs/why-initialisation-matters.md` come from its own commands.
#![cfg(unix)]

mod common;

use std::path::Path;

use common::Place;

/// A table: its header, and its rows.
type Table = (Vec<String>, Vec<Vec<String>>);

/// All tables of a Markdown page.
fn tables(page: &str) -> Vec<Table> {
    let cells = |line: &str| -> Vec<String> {
        let inside = line.trim().trim_matches('|').replace("\\|", "\u{1}");
        inside.split('|').map(|cell| cell.trim().replace('\u{1}', "\\|")).collect()
    };
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line.starts_with('|'), inside) {
            (true, false) => tables.push((cells(line), Vec::new())),
            (true, true) if !line.contains("---") => tables.last_mut().unwrap().1.push(cells(line)),
            _ => {}
        }
        inside = line.starts_with('|');
    }
    tables
}

/// `63.29 %` of `60.1 %` is not the same; `0.0223` of `0.0224` is, and `–` only of itself.
fn same(a: &str, b: &str) -> bool {
    let number = |text: &str| text.trim_end_matches(" %").parse::<f64>();
    match (number(a), number(b)) {
        (Ok(x), Ok(y)) if a.ends_with('%') == b.ends_with('%') => {
            let tolerance = if a.ends_with('%') { 0.5 } else { 0.02 * x.abs() };
            (x - y).abs() <= tolerance
        }
        _ => a == b,
    }
}

/// A row of the page must be among those that the commands made: the same words, and numbers close to each other.
fn is_made(header: &[String], row: &[String], made: &[Table]) -> bool {
    made.iter().any(|(names, rows)| {
        let place = |name: &String| names.iter().position(|other| other == name);
        let Some(places) = header.iter().map(place).collect::<Option<Vec<usize>>>() else { return false };
        rows.iter().any(|other| row.iter().zip(&places).all(|(cell, &at)| same(cell, &other[at])))
    })
}

#[test]
fn every_number_on_the_page_is_made_by_its_commands() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/why-initialisation-matters.md");
    let page = std::fs::read_to_string(file).unwrap();
    let place = Place::new();
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("chainrule ")).collect();
    assert_eq!(commands.len(), 2);
    let mut made = Vec::new();
    for command in commands {
        place.done(&format!("{command} --quiet"));
        let folder = command.split("--run-dir ").nth(1).unwrap();
        made.extend(tables(&place.text(&format!("{folder}/comparison.md"))));
    }
    let shown = tables(&page);
    assert_eq!(shown.len(), 3);
    for (header, rows) in &shown {
        for row in rows {
            assert!(is_made(header, row, &made), "{row:?} is not what the commands make: {made:#?}");
        }
    }
    // Numbers in the text stand in a table, but for those of the tutorial and of the sigmoid.
    let known = ["0.01", "0.1", "0.767", "0.25", "0.001", "6.9"];
    let cells: Vec<&String> = shown.iter().flat_map(|(_, rows)| rows.iter().flatten()).collect();
    for line in page.lines().filter(|line| !line.starts_with(['|', '#']) && !line.starts_with("chainrule ")) {
        for word in line.split(|c: char| !(c.is_ascii_digit() || ".e-".contains(c))) {
            let number = word.trim_matches(|c: char| !c.is_ascii_digit());
            if number.contains('.') && number.parse::<f64>().is_ok() && !known.contains(&number) {
                let stands = cells.iter().any(|cell| cell.split(' ').next() == Some(number));
                assert!(stands, "{number} stands in no table: {line}");
            }
        }
    }
}
