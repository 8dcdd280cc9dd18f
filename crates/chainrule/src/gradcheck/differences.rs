//! Differences of the loss by one parameter, and the kinks they cross.

use super::Problem;
use super::group::Place;
use crate::Real;
use crate::loss::{Loss, sign};
use crate::network::Workspace;

/// The loss as a function of one parameter at a time.
pub(super) struct Differences<'p, T: Real> {
    problem: Problem<'p, T>,
    ws: Workspace<T>,
    moved: Vec<T>,
    n: f64,
    l1: f64,
    l2: f64,
    /// The buffers of this layer and those above may be of moved parameters.
    stale_from: usize,
    /// Where the unmoved batch lies: its distance to every kink.
    distances: Vec<f64>,
    /// Which of them the last derivative crossed.
    crossed: Vec<bool>,
}

/// D(h), and (4 D(h) - D(2h)) / 3.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub central: f64,
    pub extrapolated: f64,
}

/// A place where a derivative jumps: z = 0 of a unit, or where the loss of an output has a corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kink {
    pub sample: usize,
    pub layer: usize,
    pub unit: usize,
    /// The error a - y of an output, not the z of a unit.
    pub of_loss: bool,
    /// How far the unmoved sample is from it.
    pub distance: f64,
}

impl<'p, T: Real> Differences<'p, T> {
    pub fn new(problem: &Problem<'p, T>) -> Self {
        let mut ws = Workspace::new(problem.net, problem.batch.len(), 1);
        problem.net.forward(problem.params, problem.batch.input(), &mut ws);
        let mut distances = Vec::new();
        kinks(problem, &ws, &mut |kink| distances.push(kink.distance));
        let (l1, l2) = problem.regularize.penalties(problem.samples);
        Self {
            problem: *problem,
            ws,
            moved: problem.params.to_vec(),
            n: problem.batch.total_weight(),
            l1,
            l2,
            stale_from: problem.net.layout().layers(),
            crossed: vec![false; distances.len()],
            distances,
        }
    }

    pub fn problem(&self) -> &Problem<'p, T> {
        &self.problem
    }

    /// Passes the batch through the network with one parameter moved. Layers below it are not affected.
    fn pass(&mut self, place: &Place, by: f64) {
        let first = place.layer.min(self.stale_from);
        let at = &mut self.moved[place.index];
        *at = T::from_f64(self.problem.params[place.index].to_f64() + by);
        self.problem.net.forward_from(first, &self.moved, self.problem.batch.input(), &mut self.ws, None);
        self.moved[place.index] = self.problem.params[place.index];
        self.stale_from = place.layer;
    }

    /// The share of every sample in the mean loss, with one parameter moved.
    pub fn losses(&mut self, place: &Place, by: f64) -> Vec<f64> {
        self.pass(place, by);
        let outputs = self.problem.net.spec().outputs();
        let last = self.problem.net.layout().layers() - 1;
        let (z, a, batch) = (self.ws.z(last), self.ws.a(last), self.problem.batch);
        let of_sample = |s: usize| {
            let row = s * outputs..(s + 1) * outputs;
            let weight = batch.weights().map_or(1.0, |weights| weights[s].to_f64());
            let loss = self.problem.net.spec().loss;
            weight * loss.value(&z[row.clone()], &a[row.clone()], &batch.y()[row]).to_f64() / self.n
        };
        (0..batch.len()).map(of_sample).collect()
    }

    /// The mean loss with one parameter moved, and of the penalties the part that depends on it.
    fn loss(&mut self, place: &Place, by: f64, l1: f64) -> f64 {
        let loss: f64 = self.losses(place, by).iter().sum();
        let (problem, ws, crossed) = (&self.problem, &self.ws, &mut self.crossed);
        let mut at = 0;
        kinks(problem, ws, &mut |kink| {
            crossed[at] |= (kink.distance > 0.0) != (self.distances[at] > 0.0);
            at += 1;
        });
        let w = problem.params[place.index].to_f64() + by;
        loss + if place.input.is_some() { l1 * w.abs() + 0.5 * self.l2 * w * w } else { 0.0 }
    }

    /// dL/dw by differences with step h.
    pub fn derivative(&mut self, place: &Place, h: f64) -> Estimate {
        self.crossed.fill(false);
        // |w| has a kink at 0: within reach of it, the l1 penalty is left out of the differences and added exactly.
        let w = self.problem.params[place.index];
        let at_zero = self.l1 > 0.0 && place.input.is_some() && w.to_f64().abs() <= 2.0 * h;
        let (l1, exact) = if at_zero { (0.0, self.l1 * sign(w).to_f64()) } else { (self.l1, 0.0) };
        let near = (self.loss(place, h, l1) - self.loss(place, -h, l1)) / (2.0 * h);
        let far = (self.loss(place, 2.0 * h, l1) - self.loss(place, -2.0 * h, l1)) / (4.0 * h);
        Estimate { central: near + exact, extrapolated: (4.0 * near - far) / 3.0 + exact }
    }

    /// The kinks that the last derivative crossed.
    pub fn crossed(&mut self) -> impl Iterator<Item = Kink> {
        let mut found = Vec::new();
        if self.crossed.contains(&true) {
            let mut at = 0;
            kinks(&self.problem, &self.ws, &mut |kink| {
                if self.crossed[at] {
                    found.push(Kink { distance: self.distances[at], ..kink });
                }
                at += 1;
            });
        }
        found.into_iter()
    }

    /// dL/dw of the data's loss from the left and from the right, for every sample: of second order in h.
    pub fn one_sided(&mut self, place: &Place, h: f64) -> Vec<(f64, f64)> {
        let [here, left, farther_left, right, farther_right] =
            [0.0, -h, -2.0 * h, h, 2.0 * h].map(|by| self.losses(place, by));
        let slope = |here: f64, near: f64, far: f64| (4.0 * near - 3.0 * here - far) / (2.0 * h);
        let of_sample = |s: usize| {
            let from_left = -slope(here[s], left[s], farther_left[s]);
            (from_left, slope(here[s], right[s], farther_right[s]))
        };
        (0..here.len()).map(of_sample).collect()
    }

    /// The largest |f'(z)| of unit `j` of layer `l` over the unmoved batch.
    pub fn slopes(&mut self, l: usize, j: usize) -> f64 {
        if self.stale_from <= l {
            let x = self.problem.batch.input();
            self.problem.net.forward_from(self.stale_from, &self.moved, x, &mut self.ws, None);
            self.stale_from = self.problem.net.layout().layers();
        }
        let layer = &self.problem.net.spec().layers[l];
        let units = layer.units;
        let of_sample = |s: usize| {
            let at = s * units + j;
            layer.activation.derivative(self.ws.z(l)[at], self.ws.a(l)[at]).to_f64().abs()
        };
        (0..self.problem.batch.len()).map(of_sample).fold(0.0, f64::max)
    }
}

/// Every kink of every sample of the last forward pass, in a fixed order: z of kinked units, errors of mae and huber.
fn kinks<T: Real>(problem: &Problem<T>, ws: &Workspace<T>, see: &mut dyn FnMut(Kink)) {
    let spec = problem.net.spec();
    for (l, layer) in spec.layers.iter().enumerate().filter(|(_, layer)| layer.activation.has_kink()) {
        for (at, z) in ws.z(l).iter().enumerate() {
            let (sample, unit) = (at / layer.units, at % layer.units);
            see(Kink { sample, layer: l, unit, of_loss: false, distance: z.to_f64() });
        }
    }
    let (outputs, layer) = (spec.outputs(), spec.layers.len() - 1);
    let corner = match spec.loss {
        Loss::MeanAbsoluteError => 0.0,
        Loss::Huber { delta } => delta,
        _ => return,
    };
    for (at, (&a, &y)) in ws.output().iter().zip(problem.batch.y()).enumerate() {
        let error = (a - y).to_f64();
        let distance = if corner > 0.0 { error.abs() - corner } else { error };
        see(Kink { sample: at / outputs, layer, unit: at % outputs, of_loss: true, distance });
    }
}
