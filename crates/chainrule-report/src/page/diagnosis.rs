use crate::run::FindingRow;
use crate::text::clean;
use maud::{Markup, html};

/// What is wrong: each finding with its numbers and thresholds, its meaning and what to try.
pub(super) fn findings(findings: &[FindingRow]) -> Option<Markup> {
    (!findings.is_empty()).then(|| {
        html! {
            ul.findings {
                @for finding in findings {
                    li {
                        strong { (clean(&finding.name)) }
                        @for case in &finding.cases { p.measured { (clean(case)) } }
                        p { "It means: " (clean(&finding.meaning)) "." }
                        p { "To try: " (clean(&finding.advice)) "." }
                    }
                }
            }
        }
    })
}
