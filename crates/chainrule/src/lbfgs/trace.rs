//! The numbers that an iteration of L-BFGS goes through, as plain data: what a derivation writes out.

/// One iteration. `V` is a vector with a number for each parameter; those not trained have 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace<V> {
    /// The mean loss with its penalties where the iteration starts: J.
    pub loss: f64,
    /// The gradient of J there: g.
    pub g: V,
    /// The searches: one; a second along steepest descent if the first found nothing lower; none at a minimum.
    pub searches: Vec<Search<V>>,
    /// What the step taught about the curvature; none if no step was made.
    pub learned: Option<Learned<V>>,
}

/// A direction and the search along it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search<V> {
    /// The first loop, newest pair first; empty without pairs, where the direction is -g.
    pub down: Vec<Down<V>>,
    /// The initial scaling between the loops.
    pub scaling: Option<Scaling<V>>,
    /// The second loop, oldest pair first.
    pub up: Vec<Up<V>>,
    /// The direction d = -H g.
    pub direction: V,
    /// g . d, the slope of J at the start; nothing is tried unless it is below 0.
    pub slope: f64,
    /// The points tried, in order.
    pub points: Vec<Point>,
    /// Which of them became the step.
    pub accepted: Option<usize>,
}

/// One pair in the first loop: alpha = rho s . q, then q - alpha y.
#[derive(Clone, Debug, PartialEq)]
pub struct Down<V> {
    /// A step of the weights.
    pub s: V,
    /// What the gradient changed by in that step.
    pub y: V,
    /// s . y
    pub sy: f64,
    /// 1 / (s . y)
    pub rho: f64,
    /// s . q
    pub sq: f64,
    /// rho (s . q)
    pub alpha: f64,
    /// q after this pair.
    pub q: V,
}

/// The initial scaling: r = gamma q.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling<V> {
    /// y . y of the newest pair.
    pub yy: f64,
    /// (s . y) / (y . y) of the newest pair.
    pub gamma: f64,
    /// gamma q
    pub r: V,
}

/// One pair in the second loop: beta = rho y . r, then r + (alpha - beta) s.
#[derive(Clone, Debug, PartialEq)]
pub struct Up<V> {
    /// y . r
    pub yr: f64,
    /// rho (y . r)
    pub beta: f64,
    /// r after this pair.
    pub r: V,
}

/// A point along the direction that the line search tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// How far along: w + t d.
    pub t: f64,
    /// J there.
    pub loss: f64,
    /// The slope of J along d there.
    pub slope: f64,
    /// What followed.
    pub next: Next,
}

/// What the line search did after a point. Points are counted from 1; 0 is the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// It meets both conditions: the search ends here.
    Accepted,
    /// J still falls: twice as far as the lowest point, `low`.
    Further {
        /// The lowest point that meets the first condition.
        low: usize,
    },
    /// The minimum lies between `low` and `high`: there, where a parabola through them has its own.
    Between {
        /// The lowest point that meets the first condition.
        low: usize,
        /// The other end.
        high: usize,
        /// How far from `low` to `high`, as the parabola has it; not a number if it has no minimum.
        parabola: f64,
        /// The same kept off both ends.
        share: f64,
    },
}

/// The pair that a step leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned<V> {
    /// The gradient of J at the new point.
    pub g: V,
    /// w+ - w
    pub s: V,
    /// g+ - g
    pub y: V,
    /// s . y
    pub sy: f64,
    /// y . y
    pub yy: f64,
    /// Whether the pair is remembered: its curvature s . y is above 0, to the precision of y . y.
    pub kept: bool,
}

impl<V> Trace<V> {
    /// The same numbers with other vectors.
    pub fn map<W>(&self, f: &impl Fn(&V) -> W) -> Trace<W> {
        let down = |one: &Down<V>| Down {
            s: f(&one.s),
            y: f(&one.y),
            sy: one.sy,
            rho: one.rho,
            sq: one.sq,
            alpha: one.alpha,
            q: f(&one.q),
        };
        let up = |one: &Up<V>| Up { yr: one.yr, beta: one.beta, r: f(&one.r) };
        let search = |one: &Search<V>| Search {
            down: one.down.iter().map(down).collect(),
            scaling: one.scaling.as_ref().map(|s| Scaling { yy: s.yy, gamma: s.gamma, r: f(&s.r) }),
            up: one.up.iter().map(up).collect(),
            direction: f(&one.direction),
            slope: one.slope,
            points: one.points.clone(),
            accepted: one.accepted,
        };
        let learned = |one: &Learned<V>| Learned {
            g: f(&one.g),
            s: f(&one.s),
            y: f(&one.y),
            sy: one.sy,
            yy: one.yy,
            kept: one.kept,
        };
        Trace {
            loss: self.loss,
            g: f(&self.g),
            searches: self.searches.iter().map(search).collect(),
            learned: self.learned.as_ref().map(learned),
        }
    }
}
