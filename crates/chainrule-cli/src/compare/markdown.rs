//! `comparison.md`: the page of a comparison without its curves.

use chainrule_report::{ComparisonReport, Group};

/// The page as Markdown.
pub fn page(report: &ComparisonReport) -> String {
    let mut text = format!("# {}\n\n", one_line(&report.title));
    let rows: Vec<Vec<String>> = report
        .rows
        .iter()
        .map(|row| {
            let mut cells = row.cells.clone();
            if row.best {
                cells[0] = format!("**{}**", cells[0]);
            }
            cells.push(row.diagnosis.clone());
            cells
        })
        .collect();
    let mut header = report.header.clone();
    header.push("diagnosis".into());
    text += &table(&header, &rows, |at| at == 0 || at + 1 == header.len());
    text += &paragraphs(&report.notes);
    text += "\n## Why they differ\n";
    report.diagnosis.iter().for_each(|group| text += &findings(group));
    if let Some(inside) = &report.inside {
        text += "\n## Seen inside\n\n";
        text += &table(&inside.header, &inside.rows, |at| at < inside.text_columns);
        text += &paragraphs(&report.inside_notes);
    }
    text
}

fn paragraphs(sentences: &[String]) -> String {
    sentences.iter().map(|sentence| format!("\n{}\n", one_line(sentence))).collect()
}

fn findings(group: &Group) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", one_line(&group.name), one_line(&group.result));
    if group.findings.is_empty() {
        text += "- no rule found anything wrong\n";
    }
    for finding in &group.findings {
        let line = format!(
            "**{}**: {}. It means: {}. To try: {}.",
            finding.name,
            finding.cases.join("; "),
            finding.meaning,
            finding.advice
        );
        text += &format!("- {}\n", one_line(&line));
    }
    text
}

/// A table; `words` tells which columns are not numbers.
fn table(header: &[String], rows: &[Vec<String>], words: impl Fn(usize) -> bool) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| one_line(cell).replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<&str> = (0..header.len()).map(|at| if words(at) { "---" } else { "---:" }).collect();
    let mut text = line(header) + &format!("| {} |\n", rule.join(" | "));
    rows.iter().for_each(|row| text += &line(row));
    text
}

fn one_line(text: &str) -> String {
    crate::terminal::one_line(text)
}
