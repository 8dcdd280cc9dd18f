use crate::run::FindingRow;
use crate::text::clean;
use maud::{Markup, html};

/// What is wrong: each finding with its number, its threshold, its meaning and what to try.
pub(super) fn findings(findings: &[FindingRow]) -> Option<Markup> {
    (!findings.is_empty()).then(|| {
        html! {
            ul.findings {
                @for finding in findings {
                    li {
                        strong { (clean(&finding.name)) }
                        p.measured {
                            (clean(&finding.measured)) " (threshold " (clean(&finding.threshold)) ")"
                            @if !finding.evidence.is_empty() { "; " (clean(&finding.evidence)) }
                            "."
                        }
                        p { "It means: " (clean(&finding.meaning)) "." }
                        p { "To try: " (clean(&finding.advice)) "." }
                    }
                }
            }
        }
    })
}
