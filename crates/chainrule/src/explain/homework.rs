//! Homework against a derivation: which lines are right, which follow from an earlier slip, and what the slip was.

mod rewrite;
mod slips;

pub use slips::Slip;

use super::derivation::{Block, Rule, Term};
use super::names::Names;
use super::record::Record;
use super::{Wanted, explain, lines::Lines};
use serde::Serialize;
use std::collections::HashMap;

/// A line of homework.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Line of the file, from 1.
    pub line: usize,
    /// What was computed, as written.
    pub symbol: String,
    /// The number.
    pub value: f64,
    /// The weight of its last digit.
    pub unit: f64,
}

impl Answer {
    /// An answer from a number as written: how many digits it has decides how near it must be.
    pub fn new(line: usize, symbol: &str, number: &str) -> Option<Self> {
        let text = number.trim().replace('−', "-");
        let value: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let unit = 10f64.powi(exponent.parse::<i32>().ok()? - i32::try_from(decimals).ok()?);
        Some(Self { line, symbol: symbol.trim().to_string(), value, unit })
    }

    /// Whether the answer is this number, to the digits given: rounded, or with three digits and more one off in the last
    /// place, as rounding on the way makes it. `room` widens that.
    fn is(&self, truth: f64, precision: f64, room: f64) -> bool {
        let off = (self.value - truth).abs();
        if self.digits() < 3 {
            // So few digits are right of many numbers: they must say at least a hundredth.
            return self.rounds(truth) && off <= (0.01 * truth.abs()).max(1e-9);
        }
        off <= room * self.unit.max(precision * truth.abs()) * (1.0 + 1e-9)
    }

    /// Whether the number rounds to the answer.
    fn rounds(&self, truth: f64) -> bool {
        (self.value - truth).abs() <= 0.5 * self.unit * (1.0 + 1e-9)
    }

    /// Significant digits.
    fn digits(&self) -> u32 {
        if self.value == 0.0 { 0 } else { ((self.value.abs() / self.unit).log10() + 1e-9).floor() as u32 + 1 }
    }
}

/// What was found about an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The right number.
    Right,
    /// Another number, but the right one for the numbers given on earlier lines.
    Follows {
        /// The right number.
        expected: f64,
    },
    /// A wrong number.
    Wrong {
        /// The right number.
        expected: f64,
        /// What gives the number that was written.
        #[serde(skip_serializing_if = "Option::is_none")]
        slip: Option<Slip>,
        /// The same in words.
        #[serde(skip_serializing_if = "Option::is_none")]
        how: Option<String>,
        /// The line of the derivation.
        term: Box<Term>,
    },
    /// No line of the derivation has this symbol.
    Unknown {
        /// The nearest that there is.
        closest: Option<String>,
    },
}

/// An answer and what was found about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The lines that homework on `record` may give: all of a small network, else those of the parts wanted.
pub fn lines(record: &Record, wanted: &[Wanted]) -> Vec<Term> {
    let derivation = explain("", record, wanted);
    let mut terms: Vec<Term> = derivation.terms().cloned().collect();
    let lines = Lines::new(record);
    if wanted.is_empty() && lines.fits() {
        // A weight's path has a factor of its own: dnet/dw.
        for l in 0..lines.names.layers() {
            let inputs = lines.names.inputs(l);
            for at in 0..lines.names.units(l) * inputs {
                let blocks =
                    lines.path(l, at / inputs, at % inputs).into_iter().flat_map(|section| section.blocks);
                terms.extend(blocks.filter_map(|block| match block {
                    Block::Term(term) if term.rule == Rule::InputSlope => Some(term),
                    _ => None,
                }));
            }
        }
    }
    terms
}

/// One way to write a symbol: without spaces, `dE` for `dE_total`.
fn plain(symbol: &str) -> String {
    let text: String = symbol.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace('∂', "d").replace('δ', "delta").replace("dE_total/", "dE/").replace("^+", "+")
}

/// Checks answers against lines. `names` are those of the network, `dtype` the number type of the lines.
pub fn check(terms: &[Term], names: &Names, dtype: &str, answers: &[Answer]) -> Vec<Checked> {
    let precision = if dtype == "f64" { 1e-9 } else { 2e-6 };
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (at, term) in terms.iter().enumerate() {
        for symbol in std::iter::once(&term.symbol).chain(&term.aliases) {
            known.entry(symbol).or_insert(at);
        }
    }
    let find = |answer: &Answer| known.get(plain(&answer.symbol).as_str()).copied();
    let given: HashMap<&str, f64> = answers
        .iter()
        .filter_map(|answer| Some((find(answer)?, answer.value)))
        .flat_map(|(at, value)| {
            std::iter::once(&terms[at].symbol)
                .chain(&terms[at].aliases)
                .map(move |symbol| (symbol.as_str(), value))
        })
        .collect();
    // What an honest learner finds from the numbers handed in: lines left out follow from those before them.
    let mut carried: HashMap<&str, f64> = HashMap::new();
    for term in terms {
        let own = term.formula.eval_with(&|q| carried.get(q.symbol.as_str()).copied().or(q.value));
        let value = given.get(term.symbol.as_str()).copied().or(own);
        carried.extend(value.map(|value| (term.symbol.as_str(), value)));
    }
    let right: Vec<usize> = answers
        .iter()
        .filter_map(|answer| {
            find(answer).filter(|&at| answer.is(terms[at].value.unwrap_or(f64::NAN), precision, 1.0))
        })
        .collect();
    let verdict = |answer: &Answer| {
        let Some(at) = find(answer) else {
            return Verdict::Unknown { closest: closest(&plain(&answer.symbol), known.keys().copied()) };
        };
        let term = &terms[at];
        let expected = term.value.unwrap_or(f64::NAN);
        if answer.is(expected, precision, 1.0) {
            return Verdict::Right;
        }
        let own = term.formula.eval_with(&|q| carried.get(q.symbol.as_str()).copied().or(q.value));
        let changed = own.is_some_and(|own| (own - expected).abs() > precision * expected.abs());
        if changed && own.is_some_and(|own| answer.is(own, 1e-6, 3.0)) {
            return Verdict::Follows { expected };
        }
        if answer.digits() < 3 && answer.rounds(expected) {
            let how = Some("too few digits: give at least three".to_string());
            return Verdict::Wrong { expected, slip: None, how, term: Box::new(term.clone()) };
        }
        let matches = |value: f64| answer.is(value, precision, 2.0);
        let found = slips::find(terms, at, names, &right, &carried, &matches);
        let (slip, how) = found.map_or((None, None), |(slip, how)| (Some(slip), Some(how)));
        Verdict::Wrong { expected, slip, how, term: Box::new(term.clone()) }
    };
    answers.iter().map(|answer| Checked { answer: answer.clone(), verdict: verdict(answer) }).collect()
}

fn closest<'a>(symbol: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = known.map(|known| (crate::call::edits(symbol, known), known)).min()?;
    (near.0 <= 2).then(|| near.1.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_decide_how_near_an_answer_must_be() {
        let is = |text: &str, truth: f64| Answer::new(1, "x", text).unwrap().is(truth, 1e-9, 1.0);
        assert!(is("0.0822", 0.082_167_041) && !is("0.0820", 0.082_167_041));
        assert!(is("-0.019049119", -0.019_049_118_258), "one off in the last of many digits");
        assert!(!is("0.0004", 0.000_438_568) && !is("0", 0.4) && !is("0.0", 0.04) && !is("0.3", 0.274_8));
        assert!(is("0", 0.0) && is("0.5", 0.5) && is("0.38", 0.377_5) && is("1e-3", 0.001));
        assert!(is("3.51e-5", 3.510_187e-5) && !is("3.55e-5", 3.510_187e-5));
        assert!(is("0.7413650695523158", 0.741_365_069_552_315_7));
        assert!(Answer::new(1, "x", "nan").is_none() && Answer::new(1, "x", "0,5").is_none());
    }
}
