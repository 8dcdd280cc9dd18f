//! Slips: what makes a wrong number out of the right formula. Each is tried on the line itself, on all lines of its kind,
//! and on the lines before that were not handed in; the one that gives the number is named.

use super::rewrite::{flip, without};
use crate::explain::derivation::{Rule, Term};
use crate::explain::expr::{Expr, Quantity, of};
use crate::explain::names::Names;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A kind of slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slip {
    /// A plus for a minus.
    Sign,
    /// f'(z) left out.
    ForgottenDerivative,
    /// A bias left out.
    ForgottenBias,
    /// Twice or half the number.
    FactorHalf,
    /// The error carried back through weights that were updated before.
    UpdatedWeights,
    /// The number of another index, or the transposed matrix.
    SwappedIndex,
}

impl std::fmt::Display for Slip {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sign => "sign",
            Self::ForgottenDerivative => "forgotten derivative",
            Self::ForgottenBias => "forgotten bias",
            Self::FactorHalf => "factor 1/2",
            Self::UpdatedWeights => "updated weights used",
            Self::SwappedIndex => "swapped index",
        })
    }
}

/// A formula with a slip in it.
struct Slipped {
    slip: Slip,
    how: String,
    formula: Expr,
}

/// Slips that are made on all lines of a kind at once.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Derivative,
    Bias,
    Updated,
    Doubled,
    Halved,
    NegativeError,
    Transposed,
}

const HABITS: [Habit; 7] = [
    Habit::NegativeError,
    Habit::Derivative,
    Habit::Bias,
    Habit::Doubled,
    Habit::Halved,
    Habit::Updated,
    Habit::Transposed,
];

struct Search<'a> {
    terms: &'a [Term],
    names: &'a Names,
    /// What follows from the numbers handed in, by symbol.
    carried: &'a HashMap<&'a str, f64>,
    /// Every named number, as it should be.
    truth: BTreeMap<&'a str, f64>,
}

/// The slip that makes `matches` true for the line at `at`. Lines in `right` were handed in and are right;
/// `carried` are the numbers that follow from those handed in.
pub fn find(
    terms: &[Term],
    at: usize,
    names: &Names,
    right: &[usize],
    carried: &HashMap<&str, f64>,
    matches: &dyn Fn(f64) -> bool,
) -> Option<(Slip, String)> {
    let mut truth = BTreeMap::new();
    for term in terms {
        for operand in &term.operands {
            truth.extend(operand.value.map(|value| (operand.symbol.as_str(), value)));
        }
        truth.extend(term.value.map(|value| (term.symbol.as_str(), value)));
    }
    let search = Search { terms, names, carried, truth };
    search
        .on_the_line(at, matches)
        .or_else(|| search.habit(at, right, matches))
        .or_else(|| search.before(at, right, matches))
}

impl Search<'_> {
    /// A slip on the line itself, from the right numbers before it or from those handed in.
    fn on_the_line(&self, at: usize, matches: &dyn Fn(f64) -> bool) -> Option<(Slip, String)> {
        let term = &self.terms[at];
        let value = |e: &Expr| {
            let own = e.eval_with(&|q| self.carried.get(q.symbol.as_str()).copied().or(q.value));
            [e.eval(), own].into_iter().flatten().any(matches)
        };
        let found = self.slipped(term).into_iter().find(|slipped| value(&slipped.formula));
        found.map(|slipped| (slipped.slip, slipped.how)).or_else(|| {
            let alike = |other: &&Term| {
                other.rule == term.rule && other.layer == term.layer && other.symbol != term.symbol
            };
            let other = self.terms.iter().filter(alike).find(|other| other.value.is_some_and(matches))?;
            Some((Slip::SwappedIndex, format!("this is {}", other.symbol)))
        })
    }

    /// A slip made everywhere, or on a whole layer.
    fn habit(&self, at: usize, right: &[usize], matches: &dyn Fn(f64) -> bool) -> Option<(Slip, String)> {
        let layers = self.names.layers();
        for scope in std::iter::once(None).chain((1..=layers).map(Some)) {
            for habit in HABITS {
                let mut changed = HashMap::new();
                let mut first = None;
                for (index, term) in self.terms.iter().enumerate() {
                    let here = scope.is_none_or(|layer| term.layer == layer);
                    if let Some(slipped) = here.then(|| self.habitual(habit, term)).flatten() {
                        first.get_or_insert((slipped.slip, slipped.how));
                        changed.insert(index, slipped.formula);
                    }
                }
                // What was handed in right does not have the slip.
                if right.iter().any(|index| changed.contains_key(index)) {
                    continue;
                }
                if let Some((slip, how)) = first
                    && matches(self.rerun(&changed, at))
                {
                    let on =
                        scope.map_or("on every line of its kind".into(), |layer| format!("in layer {layer}"));
                    return Some((slip, format!("{how}, and so {on}")));
                }
            }
        }
        None
    }

    /// A slip on one line before, not handed in.
    fn before(&self, at: usize, right: &[usize], matches: &dyn Fn(f64) -> bool) -> Option<(Slip, String)> {
        let mut needed: HashSet<&str> = self.terms[at].operands.iter().map(|q| q.symbol.as_str()).collect();
        for index in (0..self.terms.len()).rev() {
            let term = &self.terms[index];
            if index == at || !needed.contains(term.symbol.as_str()) {
                continue;
            }
            if right.contains(&index) {
                continue;
            }
            needed.extend(term.operands.iter().map(|q| q.symbol.as_str()));
            for slipped in self.slipped(term) {
                if matches(self.rerun(&HashMap::from([(index, slipped.formula)]), at)) {
                    return Some((slipped.slip, format!("{}, on the line of {}", slipped.how, term.symbol)));
                }
            }
        }
        None
    }

    /// The number of the line at `at` when some lines have other formulas. Two rounds: a line may use weights that are
    /// updated only later.
    fn rerun(&self, changed: &HashMap<usize, Expr>, at: usize) -> f64 {
        let mut values: HashMap<&str, f64> = HashMap::new();
        for _ in 0..2 {
            for (index, term) in self.terms.iter().enumerate() {
                let formula = changed.get(&index).unwrap_or(&term.formula);
                let value = formula.eval_with(&|q| values.get(q.symbol.as_str()).copied().or(q.value));
                values.insert(&term.symbol, value.unwrap_or(f64::NAN));
            }
        }
        values[self.terms[at].symbol.as_str()]
    }

    /// All slips that can be made on one line, the likeliest first.
    fn slipped(&self, term: &Term) -> Vec<Slipped> {
        let own = HABITS.iter().filter_map(|&habit| self.habitual(habit, term));
        let mut all: Vec<Slipped> = own.collect();
        let mut flips = Vec::new();
        flip(&term.formula, &|e| e, &mut flips);
        let flipped = |formula: Expr| Slipped { slip: Slip::Sign, how: format!("{formula}"), formula };
        all.extend(flips.into_iter().map(flipped));
        let how = format!("-({})", term.formula);
        all.push(Slipped { slip: Slip::Sign, how, formula: -term.formula.clone() });
        if term.rule == Rule::WeightGradient || term.rule == Rule::SampleWeightGradient {
            all.extend(without(&term.formula, &is_slope).map(|(name, formula)| left_out(&name, formula)));
        }
        self.swap(term, &mut all);
        all
    }

    /// The line as somebody with this habit would write it; none where it does not apply.
    fn habitual(&self, habit: Habit, term: &Term) -> Option<Slipped> {
        let formula = &term.formula;
        let times = |factor: f64| {
            let slip = Slip::FactorHalf;
            let how = if factor > 1.0 { "twice the number" } else { "half the number" };
            Slipped { slip, how: how.into(), formula: formula.clone() * factor }
        };
        match (habit, term.rule) {
            (Habit::Derivative, Rule::Delta) => {
                without(formula, &is_slope).map(|(name, formula)| left_out(&name, formula))
            }
            (Habit::Bias, Rule::PreActivation) => without(formula, &is_bias).map(|(name, formula)| Slipped {
                slip: Slip::ForgottenBias,
                how: format!("without {name}"),
                formula,
            }),
            (Habit::Doubled, Rule::OutputLoss | Rule::LossSlope) => Some(times(2.0)),
            (Habit::Halved, Rule::OutputLoss | Rule::LossSlope) => Some(times(0.5)),
            (Habit::NegativeError, Rule::LossSlope) => {
                Some(Slipped { slip: Slip::Sign, how: format!("-({formula})"), formula: -formula.clone() })
            }
            (Habit::Updated, Rule::Contribution | Rule::CarriedBack) => {
                self.replace(formula, Slip::UpdatedWeights, &|symbol| match symbol.strip_suffix('+') {
                    Some(old) => Some(old.to_string()),
                    None => Some(format!("{symbol}+")),
                })
            }
            (Habit::Transposed, Rule::PreActivation | Rule::Contribution | Rule::CarriedBack) => self
                .replace(formula, Slip::SwappedIndex, &|symbol| {
                    let (l, j, i) = self.names.find_weight(symbol.trim_end_matches('+'))?;
                    let exists = i < self.names.units(l) && j < self.names.inputs(l) && i != j;
                    exists.then(|| self.names.weight(l, i, j))
                }),
            _ => None,
        }
    }

    /// The formula with weights replaced by others; none if it has none that can be.
    fn replace(&self, formula: &Expr, slip: Slip, other: &dyn Fn(&str) -> Option<String>) -> Option<Slipped> {
        let how = std::cell::RefCell::new(None);
        let change = |q: &Quantity| {
            let weight =
                q.symbol.starts_with('w') && self.names.find_weight(q.symbol.trim_end_matches('+')).is_some();
            let new = if weight { other(&q.symbol) } else { None };
            match new.and_then(|symbol| Some((self.truth.get(symbol.as_str())?, symbol))) {
                Some((&value, symbol)) => {
                    how.borrow_mut().get_or_insert_with(|| format!("{symbol} in place of {}", q.symbol));
                    of(symbol, value)
                }
                None => Expr::Of(q.clone()),
            }
        };
        let formula = formula.replaced(&change);
        how.into_inner().map(|how| Slipped { slip, how, formula })
    }

    /// One index for another: an operand replaced by its like, or two of the line exchanged.
    fn swap(&self, term: &Term, all: &mut Vec<Slipped>) {
        let family = |symbol: &str| self.family(symbol);
        for q in &term.operands {
            let Some(own) = family(&q.symbol) else { continue };
            for (&symbol, &value) in self.truth.iter().filter(|(symbol, _)| **symbol != q.symbol) {
                if family(symbol).as_ref() != Some(&own) {
                    continue;
                }
                let exchanged = term.operands.iter().any(|other| other.symbol == symbol);
                let change = |other: &Quantity| {
                    if other.symbol == q.symbol {
                        of(symbol, value)
                    } else if exchanged && other.symbol == symbol {
                        Expr::Of(q.clone())
                    } else {
                        Expr::Of(other.clone())
                    }
                };
                let how = if exchanged {
                    format!("{} and {symbol} exchanged", q.symbol)
                } else {
                    format!("{symbol} in place of {}", q.symbol)
                };
                all.push(Slipped { slip: Slip::SwappedIndex, how, formula: term.formula.replaced(&change) });
            }
        }
    }

    /// What may be mistaken for each other: weights of a layer, activations, deltas, inputs or targets side by side.
    fn family(&self, symbol: &str) -> Option<String> {
        if symbol.starts_with('w') {
            let new = symbol.ends_with('+');
            return self
                .names
                .find_weight(symbol.trim_end_matches('+'))
                .map(|(l, ..)| format!("w {l} {new}"));
        }
        let unit = symbol.split(['@', '+']).next()?;
        let digits = unit.trim_end_matches(']').rfind(|c: char| !c.is_ascii_digit())?;
        let stem = &unit[..=digits];
        let named = ["i", "out_", "net_", "delta_", "target_", "E_", "dE", "drop_"]
            .iter()
            .any(|start| stem.starts_with(start));
        (named && !stem.contains("/d") || stem.starts_with("dE/d"))
            .then(|| format!("{stem}{}", &symbol[unit.len()..]))
    }
}

fn left_out(name: &str, formula: Expr) -> Slipped {
    Slipped { slip: Slip::ForgottenDerivative, how: format!("without {name}"), formula }
}

/// f' of a unit: `dout_h1/dnet_h1`.
fn is_slope(symbol: &str) -> bool {
    symbol.starts_with("dout_")
}

/// `b2` or `b[2,1]`
fn is_bias(symbol: &str) -> bool {
    symbol.strip_prefix('b').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '['))
}
