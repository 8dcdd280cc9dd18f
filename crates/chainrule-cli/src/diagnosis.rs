//! What the rules say of a run, in words for the terminal and for pages.

use chainrule::diagnose::{Finding, Place, Rule};
use chainrule_report::FindingRow;

use crate::terminal::figure;

/// `layer 1`, `class 'seven'`; empty for the whole run.
fn place(finding: &Finding, classes: &[String]) -> String {
    match finding.place {
        Place::Class(class) => {
            classes.get(class).map_or(finding.place_text(), |name| format!("class '{name}'"))
        }
        _ => finding.place_text(),
    }
}

/// `share of units …: 0.98 before training (alarm above 0.5)`
fn measured(finding: &Finding) -> String {
    let when =
        if finding.step == 0 { "before training".into() } else { format!("after step {}", finding.step) };
    let (value, threshold) = (figure(finding.value), figure(finding.threshold));
    if finding.threshold == 0.0 {
        return format!("{}: {value} {when} (a healthy run has none)", finding.quantity); // a count
    }
    let side = if finding.value >= finding.threshold { "above" } else { "below" };
    format!("{}: {value} {when} (alarm {side} {threshold})", finding.quantity)
}

/// A finding with all that was measured, in a line.
pub fn case(finding: &Finding, classes: &[String]) -> String {
    let place = place(finding, classes);
    let mut text =
        if place.is_empty() { measured(finding) } else { format!("{place}: {}", measured(finding)) };
    if !finding.evidence.is_empty() {
        text += &format!("; {}", finding.evidence);
    }
    text
}

/// Findings as a page shows them: the places of a rule together.
pub fn rows(findings: &[(Rule, String)]) -> Vec<FindingRow> {
    let mut rows: Vec<FindingRow> = Vec::new();
    for (rule, case) in findings {
        match rows.iter_mut().find(|row| row.name == rule.name()) {
            Some(row) => row.cases.push(case.clone()),
            None => rows.push(FindingRow {
                name: rule.name().into(),
                cases: vec![case.clone()],
                meaning: rule.meaning().into(),
                advice: rule.advice().into(),
            }),
        }
    }
    rows
}

/// A finding as a warning.
pub fn warning(finding: &Finding, classes: &[String]) -> String {
    let place = place(finding, classes);
    let place = if place.is_empty() { place } else { format!(", {place}") };
    let (rule, measured) = (finding.rule, measured(finding));
    format!("warning: {}{place}: {measured}; {}. Try: {}", rule.name(), rule.meaning(), rule.advice())
}

/// Those of `now` whose rule and place are not among `said` yet; they are added.
pub fn new_ones<'f>(now: &'f [Finding], said: &mut Vec<(Rule, Place)>) -> Vec<&'f Finding> {
    let new: Vec<&Finding> = now.iter().filter(|f| !said.contains(&(f.rule, f.place))).collect();
    said.extend(new.iter().map(|finding| (finding.rule, finding.place)));
    new
}
