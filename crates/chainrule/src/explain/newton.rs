//! The lines of an iteration of L-BFGS: the two loops to its direction, the search along it, the pair it leaves behind.
//!
//! Every number is of the trainer's own iteration ([`Trace`]). In small networks dot products and vectors are written out
//! parameter by parameter; in others a dot product is its value, and vectors are given by their figures.

use super::derivation::{Block, Law, Rule, Section, Summary, Term};
use super::expr::{Expr, Function, call, of, power, sum};
use super::focus::summary;
use super::lines::Lines;
use super::record::Parameters;
use super::update::Parameter;
use crate::lbfgs::trace::{Search, Trace};
use crate::optimizer::Optimizer;

/// A number for each parameter, layer by layer.
type Vector = Vec<Parameters>;

/// A step of the two loops; pairs count from the newest in the first loop, from the oldest in the second.
#[derive(Clone, Copy)]
enum Stage {
    /// q = -g
    Start,
    /// q - alpha y
    Down(usize),
    /// r = gamma q
    Scaled,
    /// r + (alpha - beta) s
    Up(usize),
}

/// The iteration as lines.
pub(super) struct Newton<'a> {
    pub lines: &'a Lines<'a>,
    pub trace: &'a Trace<Vector>,
    /// All parameters that have a direction.
    trained: Vec<Parameter<'a>>,
}

impl<'a> Lines<'a> {
    /// The iteration of L-BFGS that made the update, if one did.
    pub(super) fn newton(&'a self) -> Option<Newton<'a>> {
        let trace = self.record.newton.as_ref()?;
        Some(Newton { lines: self, trace, trained: self.trained() })
    }
}

/// What is marked in a second search.
pub(super) fn mark(attempt: usize) -> &'static str {
    if attempt == 0 { "" } else { "'" }
}

impl Newton<'_> {
    /// The direction, and the search along it; both again where the first search found nothing.
    pub fn sections(&self) -> Vec<Section> {
        let searches = self.trace.searches.iter().enumerate();
        searches.flat_map(|(at, search)| [self.direction(at, search), self.search(at, search)]).collect()
    }

    /// The search that made the step: its number, and the point that was accepted.
    fn accepted(&self) -> Option<(usize, &Search<Vector>, usize)> {
        let found = |(at, search): (usize, &'_ Search<Vector>)| Some((at, search.accepted?));
        let (at, point) = self.trace.searches.iter().enumerate().find_map(found)?;
        Some((at, &self.trace.searches[at], point))
    }

    /// The new value of a parameter whose value is `w`: w + t d, or w where nothing lower was found.
    pub fn step(&self, p: &Parameter, w: Expr) -> Expr {
        let Some((at, search, point)) = self.accepted() else { return w };
        let t = of(format!("t{}{}", mark(at), point + 1), search.points[point].t);
        w + t * entry(&format!("d{}", mark(at)), p, &search.direction)
    }

    /// The lines that lead to the direction of one parameter.
    pub fn direction_of(&self, p: &Parameter) -> Vec<Term> {
        let searches = self.trace.searches.iter().enumerate();
        let stages =
            searches.flat_map(|(at, search)| stages(search).into_iter().map(move |s| (at, search, s)));
        let lines = stages.map(|(at, search, stage)| self.entry(at, search, stage, p));
        self.lines.penalized(p).into_iter().chain(lines).collect()
    }

    /// Whether no step was made: a minimum.
    pub fn rests(&self) -> bool {
        self.accepted().is_none()
    }

    /// g of a parameter, by the name it has already.
    pub(super) fn g(&self, p: &Parameter) -> Expr {
        of(self.lines.gradient_name(p), p.of(&self.trace.g[p.l]))
    }

    /// A dot product: written out in a small network, else its value.
    pub(super) fn dot(
        &self,
        symbol: String,
        value: f64,
        a: impl Fn(&Parameter) -> Expr,
        b: impl Fn(&Parameter) -> Expr,
    ) -> Term {
        let formula = if self.lines.fits() {
            sum(self.trained.iter().map(|p| product(a(p), b(p))))
        } else {
            value.into()
        };
        Term::new(symbol, Rule::DotProduct, 0, formula, value)
    }

    /// The figures of a vector.
    fn figures(&self, symbol: &str, name: &str, vector: &Vector) -> Summary {
        let values: Vec<f64> = self.trained.iter().map(|p| p.of(&vector[p.l])).collect();
        let name_of = |at: usize| format!("{symbol}_{}", self.trained[at].name);
        summary(symbol, name, (values.len(), 1), &values, name_of)
    }

    fn direction(&self, attempt: usize, search: &Search<Vector>) -> Section {
        let again = if attempt == 0 { "" } else { ", once more" };
        let mut section = Section::new(format!("The direction of L-BFGS{again}"), Law::Direction);
        let pairs = search.down.len();
        section.say(match (pairs, attempt) {
            (0, 0) => "No step is remembered yet: the direction is that of steepest descent.".to_string(),
            (0, _) => "The pairs that were remembered led nowhere lower. They are forgotten, and the direction is \
                       that of steepest descent."
                .into(),
            (1, _) => "One pair is remembered: s is what the last step changed in the weights, y what it changed \
                       in the gradient. Two loops over it turn -dE/dw into -H dE/dw without any matrix."
                .into(),
            _ => format!(
                "{pairs} pairs are remembered, 1 the oldest: s is what a step changed in the weights, y what it \
                 changed in the gradient. Two loops over them turn -dE/dw into -H dE/dw without any matrix."
            ),
        });
        let fits = self.lines.fits();
        let mut figures = Vec::new();
        if !fits {
            figures.push(self.figures("g", "gradient", &self.trace.g));
        } else if attempt == 0 {
            section.extend(self.trained.iter().filter_map(|p| self.lines.penalized(p)));
        }
        for stage in stages(search) {
            match stage {
                Stage::Start => {}
                Stage::Down(i) => section.say(format!("First loop, pair {}:", pairs - i)),
                Stage::Scaled => {
                    section.say("Between the loops, H is scaled by the curvature of the newest pair:");
                }
                Stage::Up(i) => section.say(format!("Second loop, pair {}:", i + 1)),
            }
            section.extend(self.factors(search, stage));
            if fits {
                section.extend(self.trained.iter().map(|p| self.entry(attempt, search, stage, p)));
                continue;
            }
            if let Stage::Down(i) = stage {
                let (k, one) = (pairs - i, &search.down[i]);
                figures.push(self.figures(&format!("s{k}"), "step", &one.s));
                figures.push(self.figures(&format!("y{k}"), "change of the gradient", &one.y));
            }
            if matches!(stage, Stage::Down(_) | Stage::Scaled) {
                let (stem, vector) = self.vector_of(attempt, search, stage);
                figures.push(self.figures(&stem, "vector", vector));
            }
        }
        if !fits {
            figures.push(self.figures(&format!("d{}", mark(attempt)), "direction", &search.direction));
            section.blocks.push(Block::Summaries { rows: figures });
        }
        section
    }

    /// What a stage is called and gives.
    fn vector_of<'b>(
        &'b self,
        attempt: usize,
        search: &'b Search<Vector>,
        stage: Stage,
    ) -> (String, &'b Vector) {
        let pairs = search.down.len();
        match stage {
            Stage::Start if pairs == 0 => (format!("d{}", mark(attempt)), &search.direction),
            Stage::Start => ("q".into(), &self.trace.g),
            Stage::Down(i) => (format!("q{}", pairs - i), &search.down[i].q),
            Stage::Scaled => ("r".into(), search.scaling.as_ref().map_or(&search.direction, |one| &one.r)),
            Stage::Up(i) => (format!("r{}", i + 1), &search.up[i].r),
        }
    }

    /// q or r of a parameter after a stage; before the first, q is -g.
    fn after(&self, search: &Search<Vector>, stage: Stage, p: &Parameter) -> Expr {
        let (stem, vector) = self.vector_of(0, search, stage);
        match stage {
            Stage::Start => of(format!("{stem}_{}", p.name), -p.of(&vector[p.l])),
            _ => entry(&stem, p, vector),
        }
    }

    /// The line of one parameter at a stage.
    fn entry(&self, attempt: usize, search: &Search<Vector>, stage: Stage, p: &Parameter) -> Term {
        let pairs = search.down.len();
        let (stem, vector) = self.vector_of(attempt, search, stage);
        let mut value = p.of(&vector[p.l]);
        let mut alias = None;
        let formula = match stage {
            Stage::Start => {
                value = if pairs == 0 { value } else { -value };
                -self.g(p)
            }
            Stage::Down(i) => {
                let before = self.after(search, if i == 0 { Stage::Start } else { Stage::Down(i - 1) }, p);
                let y = entry(&format!("y{}", pairs - i), p, &search.down[i].y);
                before - self.alpha(search, i) * y
            }
            Stage::Scaled => {
                let gamma = search.scaling.as_ref().map(|one| one.gamma);
                of("gamma", gamma) * self.after(search, Stage::Down(pairs - 1), p)
            }
            Stage::Up(i) => {
                alias = (i + 1 == pairs).then(|| format!("d_{}", p.name));
                let before = self.after(search, if i == 0 { Stage::Scaled } else { Stage::Up(i - 1) }, p);
                let (down, beta) = (pairs - 1 - i, of(format!("beta{}", i + 1), search.up[i].beta));
                let s = entry(&format!("s{}", i + 1), p, &search.down[down].s);
                before + (self.alpha(search, down) - beta) * s
            }
        };
        Term::new(format!("{stem}_{}", p.name), Rule::Direction, p.l + 1, formula, value).also(alias)
    }

    /// alpha of a pair, counted from the newest.
    fn alpha(&self, search: &Search<Vector>, i: usize) -> Expr {
        of(format!("alpha{}", search.down.len() - i), search.down[i].alpha)
    }

    /// The dot products and factors of a stage.
    fn factors(&self, search: &Search<Vector>, stage: Stage) -> Vec<Term> {
        let pairs = search.down.len();
        let factor = |symbol: String, formula: Expr, value: f64| {
            Term::new(symbol, Rule::LoopFactor, 0, formula, value)
        };
        match stage {
            Stage::Start => Vec::new(),
            Stage::Down(i) => {
                let (k, one) = (pairs - i, &search.down[i]);
                let (s, y) = (
                    |p: &Parameter| entry(&format!("s{k}"), p, &one.s),
                    |p: &Parameter| entry(&format!("y{k}"), p, &one.y),
                );
                let before = if i == 0 { Stage::Start } else { Stage::Down(i - 1) };
                let (q, _) = self.vector_of(0, search, before);
                let sy = self.dot(format!("s{k}.y{k}"), one.sy, s, y);
                let sq = self.dot(format!("s{k}.{q}"), one.sq, s, |p| self.after(search, before, p));
                let rho = factor(format!("rho{k}"), Expr::from(1.0) / sy.quantity(), one.rho);
                let alpha = factor(format!("alpha{k}"), rho.quantity() * sq.quantity(), one.alpha);
                vec![sy, rho, sq, alpha]
            }
            Stage::Scaled => {
                let Some(scaling) = &search.scaling else { return Vec::new() };
                let one = &search.down[0];
                let y = |p: &Parameter| entry(&format!("y{pairs}"), p, &one.y);
                let yy = self.dot(format!("y{pairs}.y{pairs}"), scaling.yy, y, y);
                let formula = of(format!("s{pairs}.y{pairs}"), one.sy) / yy.quantity();
                let gamma = factor("gamma".into(), formula, scaling.gamma);
                vec![yy, gamma]
            }
            Stage::Up(i) => {
                let (k, one, down) = (i + 1, &search.up[i], &search.down[pairs - 1 - i]);
                let before = if i == 0 { Stage::Scaled } else { Stage::Up(i - 1) };
                let (r, _) = self.vector_of(0, search, before);
                let y = |p: &Parameter| entry(&format!("y{k}"), p, &down.y);
                let yr = self.dot(format!("y{k}.{r}"), one.yr, y, |p| self.after(search, before, p));
                let beta = of(format!("rho{k}"), down.rho) * yr.quantity();
                let beta = factor(format!("beta{k}"), beta, one.beta);
                vec![yr, beta]
            }
        }
    }

    /// The pair that the step leaves behind, and whether it is remembered.
    pub fn learned(&self) -> Option<Section> {
        let learned = self.trace.learned.as_ref()?;
        let mut section = Section::new("What L-BFGS remembers of it", None);
        section.say("s is what this step changed in the weights, y what it changed in the gradient.");
        let (s, y) = (|p: &Parameter| entry("s", p, &learned.s), |p: &Parameter| entry("y", p, &learned.y));
        let line = |stem: &str, p: &Parameter, formula: Expr, vector: &Vector| {
            Term::new(format!("{stem}_{}", p.name), Rule::Pair, p.l + 1, formula, p.of(&vector[p.l]))
        };
        if self.lines.fits() {
            let new = |p: &Parameter| of(format!("{}+", p.name), p.after());
            section.extend(self.trained.iter().map(|p| line("s", p, new(p) - p.before(), &learned.s)));
            section.extend(self.trained.iter().map(|p| line("y", p, self.new_g(p) - self.g(p), &learned.y)));
        } else {
            let figures = |letter, name, vector| self.figures(letter, name, vector);
            let rows =
                vec![figures("s", "step", &learned.s), figures("y", "change of the gradient", &learned.y)];
            section.blocks.push(Block::Summaries { rows });
        }
        section.push(self.dot("s.y".into(), learned.sy, s, y));
        section.push(self.dot("y.y".into(), learned.yy, y, y));
        let history = match self.lines.record.config.optimizer {
            Optimizer::Lbfgs { history } => history,
            _ => 0,
        };
        // A second search began with nothing remembered.
        let before = self.accepted().map_or(0, |(_, search, _)| search.down.len());
        section.say(if !learned.kept {
            "s.y is not above 0, to the precision of y.y: where the slope does not grow, the pair says nothing of \
             a minimum, and it is not remembered."
                .to_string()
        } else if before < history {
            format!("s.y is above 0: the slope grew, as it does towards a minimum. The pair is remembered as pair {}.", before + 1)
        } else {
            format!("s.y is above 0: the slope grew, as it does towards a minimum. The pair is remembered in place of the oldest of {history}.")
        });
        Some(section)
    }

    /// The gradient of a parameter at the new point.
    pub(super) fn new_g(&self, p: &Parameter) -> Expr {
        let value = self.trace.learned.as_ref().map(|learned| p.of(&learned.g[p.l]));
        of(format!("{}+", self.lines.gradient_name(p)), value)
    }

    /// The largest |g|, and the parameter that has it.
    pub(super) fn largest(&self) -> Option<Term> {
        let size = |p: &&Parameter| p.of(&self.trace.g[p.l]).abs();
        let p = self.trained.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
        let largest = Term::new("max_g", Rule::Search, 0, call(Function::Abs, self.g(p)), size(&p));
        Some(largest.noted("the largest of all".to_string()))
    }
}

fn product(a: Expr, b: Expr) -> Expr {
    if a == b { power(a, 2.0.into()) } else { a * b }
}

/// A number of a vector: `q3_w5`.
pub(super) fn entry(stem: &str, p: &Parameter, vector: &Vector) -> Expr {
    of(format!("{stem}_{}", p.name), p.of(&vector[p.l]))
}

fn stages(search: &Search<Vector>) -> Vec<Stage> {
    let pairs = search.down.len();
    let down = (0..pairs).map(Stage::Down);
    let scaled = search.scaling.iter().map(|_| Stage::Scaled);
    std::iter::once(Stage::Start).chain(down).chain(scaled).chain((0..pairs).map(Stage::Up)).collect()
}
