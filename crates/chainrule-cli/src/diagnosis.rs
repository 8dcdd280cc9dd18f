//! What the rules say of a run, in words for the terminal and for pages.

use chainrule::diagnose::{Finding, Place, Rule};
use chainrule_report::FindingRow;

use crate::terminal::figure;

/// `saturated units, layer 1`; classes have their names.
pub fn name(finding: &Finding, classes: &[String]) -> String {
    let place = match finding.place {
        Place::Class(class) => {
            classes.get(class).map_or(finding.place_text(), |name| format!("class '{name}'"))
        }
        _ => finding.place_text(),
    };
    if place.is_empty() { finding.rule.name().into() } else { format!("{}, {place}", finding.rule.name()) }
}

/// `share of … 0.98 after step 0`
pub fn measured(finding: &Finding) -> String {
    let when =
        if finding.step == 0 { "before training".into() } else { format!("after step {}", finding.step) };
    format!("{}: {} {when}", finding.quantity, figure(finding.value))
}

/// A finding as a page shows it.
pub fn row(finding: &Finding, classes: &[String]) -> FindingRow {
    FindingRow {
        name: name(finding, classes),
        measured: measured(finding),
        threshold: figure(finding.threshold),
        evidence: finding.evidence.clone(),
        meaning: finding.rule.meaning().into(),
        advice: finding.rule.advice().into(),
    }
}

/// A finding as a warning of one line.
pub fn warning(finding: &Finding, classes: &[String]) -> String {
    format!(
        "warning: {}: {} (threshold {}); {}. Try: {}",
        name(finding, classes),
        measured(finding),
        figure(finding.threshold),
        finding.rule.meaning(),
        finding.rule.advice()
    )
}

/// Those of `now` whose rule and place are not among `said` yet; they are added.
pub fn new_ones<'f>(now: &'f [Finding], said: &mut Vec<(Rule, Place)>) -> Vec<&'f Finding> {
    let new: Vec<&Finding> = now.iter().filter(|f| !said.contains(&(f.rule, f.place))).collect();
    said.extend(new.iter().map(|finding| (finding.rule, finding.place)));
    new
}
