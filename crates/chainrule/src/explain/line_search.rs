//! The lines of L-BFGS' line search: the points it tried, what each had to meet, and how the next one was found.

use super::derivation::{Rule, Section, Term};
use super::expr::{Expr, Function, call, of, power};
use super::newton::{Newton, entry, mark};
use super::record::Parameters;
use super::update::Parameter;
use crate::lbfgs::trace::{Next, Point, Search};
use crate::lbfgs::{C1, C2, SHARE};

/// One search as lines.
struct Tried<'a> {
    newton: &'a Newton<'a>,
    search: &'a Search<Vec<Parameters>>,
    mark: &'static str,
    /// `E`, or with penalties `J`.
    objective: &'static str,
}

impl Newton<'_> {
    /// The points along the direction, up to the one that became the step.
    pub fn search(&self, attempt: usize, search: &Search<Vec<Parameters>>) -> Section {
        let again = if attempt == 0 { "" } else { ", once more" };
        let (l1, l2) = self.lines.penalty_factors();
        let objective = if l1.is_some() || l2.is_some() { "J" } else { "E" };
        let tried = Tried { newton: self, search, mark: mark(attempt), objective };
        let mut section = Section::new(format!("The line search{again}"), None);
        tried.write(&mut section);
        section
    }
}

impl Tried<'_> {
    fn write(&self, section: &mut Section) {
        section.say(format!(
            "Points w + t d are tried, each with a forward and a backward pass, until {} falls by at least {C1} (c1) of what \
             the slope promises and at most {C2} (c2) of the slope is left: the strong Wolfe conditions.",
            self.objective
        ));
        let d = format!("d{}", self.mark);
        let direction = |p: &Parameter| entry(&d, p, &self.search.direction);
        let g = |p: &Parameter| self.newton.g(p);
        section.push(self.newton.dot(format!("g.{d}"), self.search.slope, g, direction));
        if !(self.search.slope < 0.0) {
            section.say("Along this direction nothing falls: no point is tried.");
            return;
        }
        let limit = of("c2", C2) * call(Function::Abs, self.slope(0));
        section.push(Term::computed(format!("limit{}", self.mark), Rule::Search, 0, limit));
        for at in 0..self.search.points.len() {
            match at {
                0 => self.first(section),
                _ => self.next(section, at),
            }
            self.point(section, at);
        }
        let last = self.search.points.last().map(|point| point.next);
        match self.search.accepted {
            Some(_) if last == Some(Next::Accepted) => {}
            Some(point) => section.say(format!(
                "No point met both conditions: the lowest one is taken, t{}{}.",
                self.mark,
                point + 1
            )),
            None => section.say(
                "No point lies below the start, to the precision of the numbers: this direction leads nowhere.",
            ),
        }
    }

    fn term(&self, symbol: String, formula: Expr, value: f64) -> Term {
        Term::new(symbol, Rule::Search, 0, formula, value)
    }

    /// t of a point; points count from 1, and 0 is the start.
    fn t(&self, number: usize) -> Expr {
        match number.checked_sub(1) {
            Some(at) => of(format!("t{}{number}", self.mark), self.search.points[at].t),
            None => 0.0.into(),
        }
    }

    /// The name of the objective at the start, or after the step.
    fn total(&self, new: &str) -> String {
        if self.objective == "J" { format!("J{new}") } else { format!("E_total{new}") }
    }

    fn loss(&self, number: usize) -> Expr {
        match number.checked_sub(1) {
            Some(at) => of(format!("{}_t{}{number}", self.objective, self.mark), self.search.points[at].loss),
            None => of(self.total(""), self.newton.trace.loss),
        }
    }

    fn slope(&self, number: usize) -> Expr {
        match number.checked_sub(1) {
            Some(at) => of(format!("slope_t{}{number}", self.mark), self.search.points[at].slope),
            None => of(format!("g.d{}", self.mark), self.search.slope),
        }
    }

    /// The first point: t = 1 where the curvature is known, else no parameter moves by more than eta.
    fn first(&self, section: &mut Section) {
        let (t, symbol) = (self.search.points[0].t, format!("t{}1", self.mark));
        if !self.search.down.is_empty() {
            let whole = self.term(symbol, 1.0.into(), t);
            section
                .push(whole.noted("the whole step, as the curvature that is remembered has it".to_string()));
            return;
        }
        let Some(largest) = self.newton.largest() else { return };
        let eta = self.newton.lines.eta();
        let steep = largest.value.is_some_and(|largest| largest > 1.0);
        let largest = section.push(largest);
        let formula = if steep { eta / largest } else { eta };
        let note = "no parameter moves by more than eta".to_string();
        section.push(self.term(symbol, formula, t).noted(note));
    }

    /// How point `at` was found from those before it.
    fn next(&self, section: &mut Section, at: usize) {
        let number = at + 1;
        let (t, symbol) = (self.search.points[at].t, format!("t{}{number}", self.mark));
        match self.search.points[at - 1].next {
            Next::Accepted => {}
            Next::Further { low } => {
                section.push(self.term(symbol, Expr::from(2.0) * self.t(low), t));
            }
            Next::Between { low, high, parabola, share } => {
                let name = |stem: &str| format!("{stem}_t{}{number}", self.mark);
                let width = match low {
                    0 => self.t(high),
                    _ => self.t(high) - self.t(low),
                };
                let width = section.push(Term::computed(name("width"), Rule::Search, 0, width));
                let off = self.loss(high) - self.loss(low) - self.slope(low) * width.clone();
                let curvature = Expr::from(2.0) * off / power(width.clone(), 2.0.into());
                let curvature = Term::computed(name("curvature"), Rule::Search, 0, curvature);
                let finite = parabola.is_finite() && curvature.value.is_some_and(f64::is_finite);
                let share = if finite {
                    let curvature = section.push(curvature);
                    let lowest = -self.slope(low) / (curvature * width.clone());
                    let lowest = section.push(self.term(name("parabola"), lowest, parabola));
                    let (kept, note) = match parabola {
                        p if p < SHARE.0 => {
                            (SHARE.0.into(), format!("kept {} of the way off the ends", SHARE.0))
                        }
                        p if p > SHARE.1 => {
                            (SHARE.1.into(), format!("kept {:.1} of the way off the ends", 1.0 - SHARE.1))
                        }
                        _ => (lowest, "where the parabola has its minimum".into()),
                    };
                    self.term(name("share"), kept, share).noted(note)
                } else {
                    let note = "no parabola fits: ".to_string();
                    let note = if parabola.is_finite() {
                        note + "this near to the lowest"
                    } else {
                        note + "half of the way"
                    };
                    self.term(name("share"), share.into(), share).noted(note)
                };
                let share = section.push(share);
                let way = share * width;
                let formula = if low == 0 { way } else { self.t(low) + way };
                section.push(self.term(symbol, formula, t));
            }
        }
    }

    /// What was found at point `at`, and what it had to meet.
    fn point(&self, section: &mut Section, at: usize) {
        let Point { loss, slope, next, .. } = self.search.points[at];
        let number = at + 1;
        let name = |stem: &str| format!("{stem}_t{}{number}", self.mark);
        let e = name(self.objective);
        if !loss.is_finite() || !slope.is_finite() {
            section.say(format!("{e} or its slope is not a finite number: too far."));
            return;
        }
        let step = self.search.accepted == Some(at);
        let found = if step { of(self.total("+"), loss) } else { loss.into() };
        section.push(
            self.term(e.clone(), found, loss)
                .noted((!step).then(|| "as a forward pass finds it there".to_string())),
        );
        let bound = self.loss(0) + of("c1", C1) * self.t(number) * self.slope(0);
        let bound = Term::computed(name("bound"), Rule::Search, 0, bound);
        let is_low = matches!(next, Next::Further { low } | Next::Between { low, .. } if low == number);
        let met = next == Next::Accepted || is_low;
        let above = bound.value.is_some_and(|bound| loss > bound);
        section.push(bound.noted(match (met, above) {
            (true, _) => format!("{e} is not above it"),
            (false, true) => format!("{e} is above it: too far"),
            (false, false) => format!("{e} is not above it, but no lower than the lowest before: too far"),
        }));
        if !met {
            return;
        }
        let direction = |p: &Parameter| entry(&format!("d{}", self.mark), p, &self.search.direction);
        let product = |p: &Parameter| self.newton.new_g(p);
        let term = match step {
            true => self.newton.dot(name("slope"), slope, product, direction),
            false => self.term(name("slope"), slope.into(), slope),
        };
        section.push(term.noted(match next {
            Next::Accepted => format!("within limit{}: this is the step", self.mark),
            Next::Further { .. } => format!("beyond limit{} and still falling: further", self.mark),
            Next::Between { .. } => format!("beyond limit{}: the minimum lies between", self.mark),
        }));
    }
}
