//! The forward pass, and the buffers that a step works in.

use crate::layout::Layout;
use crate::profile::{Part, Profile};
use crate::rng::Rng;
use crate::spec::NetworkSpec;
use crate::{Real, Result};
use chainrule_kernels::dense::{self, Dims, How, Input};
use chainrule_kernels::memory::Aligned;
use rand::RngExt;

/// A checked spec with the places of its parameters. Holds no numbers: those are in a flat vector beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub(crate) spec: NetworkSpec,
    pub(crate) layout: Layout,
}

/// Every buffer of a step, sized once: no step allocates.
///
/// After [`Network::forward`], layer l holds z(l) and a(l), after [`Network::backward`] delta(l), each `(n, units)`.
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    pub(crate) layers: Vec<LayerBuffers<T>>,
    pub(crate) n: usize,
    capacity: usize,
    pub(crate) how: How,
    /// Whether the last forward pass dropped units.
    pub(crate) dropping: bool,
    /// Where the time goes, if somebody asked.
    pub(crate) profile: Option<Box<Profile>>,
}

#[derive(Clone, Debug)]
pub(crate) struct LayerBuffers<T> {
    pub z: Aligned<T>,
    pub a: Aligned<T>,
    pub delta: Aligned<T>,
    /// What the next layer reads when units are dropped, a ⊙ keep; empty without dropout.
    pub dropped: Aligned<T>,
    /// 0 for a dropped unit, 1/(1 - dropout) for a kept one; empty without dropout.
    pub keep: Aligned<T>,
}

impl<T: Real> Workspace<T> {
    /// Buffers for batches of up to `capacity` samples, with products on so many threads, or as [`How`] says.
    pub fn new(net: &Network, capacity: usize, how: impl Into<How>) -> Self {
        let buffers = |units: usize, dropout: f64| {
            let size = capacity * units;
            let dropped = if dropout > 0.0 { size } else { 0 };
            LayerBuffers {
                z: Aligned::zeros(size),
                a: Aligned::zeros(size),
                delta: Aligned::zeros(size),
                dropped: Aligned::zeros(dropped),
                keep: Aligned::zeros(dropped),
            }
        };
        let layers = net.spec.layers.iter().map(|layer| buffers(layer.units, layer.dropout)).collect();
        Self { layers, n: 0, capacity, how: how.into(), dropping: false, profile: None }
    }

    /// The largest batch that fits.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Ends a lap of the profile, if there is one.
    pub(crate) fn lap(&mut self, part: Part) {
        if let Some(profile) = &mut self.profile {
            profile.lap(part);
        }
    }

    /// Number of samples of the last forward pass.
    pub fn samples(&self) -> usize {
        self.n
    }

    /// z(l) of the last forward pass, `(n, units)`.
    pub fn z(&self, l: usize) -> &[T] {
        &self.layers[l].z[..self.n * self.units(l)]
    }

    /// a(l) of the last forward pass, before dropout, `(n, units)`.
    pub fn a(&self, l: usize) -> &[T] {
        &self.layers[l].a[..self.n * self.units(l)]
    }

    /// delta(l) = dL/dz(l) of each sample of the last backward pass, `(n, units)`.
    pub fn delta(&self, l: usize) -> &[T] {
        &self.layers[l].delta[..self.n * self.units(l)]
    }

    /// a(L), the network's answer, `(n, outputs)`.
    pub fn output(&self) -> &[T] {
        self.a(self.layers.len() - 1)
    }

    fn units(&self, l: usize) -> usize {
        self.layers[l].z.len().checked_div(self.capacity).unwrap_or(0)
    }
}

impl<T> LayerBuffers<T> {
    /// What the next layer reads.
    pub fn out(&self, dropping: bool) -> &[T] {
        if dropping && !self.dropped.is_empty() { &self.dropped } else { &self.a }
    }
}

impl Network {
    /// A network of a checked spec.
    ///
    /// # Errors
    /// As [`NetworkSpec::check`].
    pub fn new(spec: NetworkSpec) -> Result<Self> {
        spec.check()?;
        let layout = Layout::new(&spec);
        Ok(Self { spec, layout })
    }

    /// Its description.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The places of its parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Initial parameters.
    ///
    /// # Errors
    /// If own values have another shape than their layer.
    pub fn init<T: Real>(&self, seed: u64) -> Result<Vec<T>> {
        self.layout.init(&self.spec, seed)
    }

    /// z(l) = W(l) a(l-1) + b(l), a(l) = f(z(l)) for every layer. `x` is `(n, inputs)`, n up to the capacity, or lists of
    /// nonzero inputs.
    ///
    /// # Panics
    /// If `x` holds more samples than the workspace, or `params` is shorter than the layout.
    pub fn forward<'a, T: Real>(&self, params: &[T], x: impl Into<Input<'a, T>>, ws: &mut Workspace<T>) {
        self.forward_from(0, params, x.into(), ws, None);
    }

    /// [`Network::forward`] with units dropped at random, for training.
    ///
    /// # Panics
    /// As [`Network::forward`].
    pub fn forward_dropping<'a, T: Real>(
        &self,
        params: &[T],
        x: impl Into<Input<'a, T>>,
        ws: &mut Workspace<T>,
        rng: &mut Rng,
    ) {
        self.forward_from(0, params, x.into(), ws, Some(rng));
    }

    /// The layers from `first` on; those before it keep what the workspace holds.
    pub(crate) fn forward_from<T: Real>(
        &self,
        first: usize,
        params: &[T],
        x: Input<T>,
        ws: &mut Workspace<T>,
        mut rng: Option<&mut Rng>,
    ) {
        let n = x.samples(self.spec.inputs());
        assert!(n <= ws.capacity, "{n} samples in a workspace for {}", ws.capacity);
        ws.n = n;
        ws.dropping = rng.is_some();
        for l in first..self.spec.layers.len() {
            let layer = &self.spec.layers[l];
            let (before, from_l) = ws.layers.split_at_mut(l);
            let here = &mut from_l[0];
            let d = Dims { n, k: self.spec.inputs_of(l), m: layer.units };
            let size = n * layer.units;
            let input = before.last().map_or(x, |below| Input::Dense(&below.out(ws.dropping)[..n * d.k]));
            let (weight, bias) = (&params[self.layout.weight(l)], &params[self.layout.bias(l)]);
            let fused = layer.activation.fused();
            dense::forward(d, input, weight, bias, fused, &mut here.z, &mut here.a, ws.how);
            if fused.is_none() {
                layer.activation.forward(&here.z[..size], &mut here.a[..size], layer.units);
            }
            if let Some(rng) = rng.as_deref_mut()
                && layer.dropout > 0.0
            {
                let scale = T::from_f64(1.0 / (1.0 - layer.dropout));
                for at in 0..size {
                    let dropped = rng.random::<f64>() < layer.dropout;
                    here.keep[at] = if dropped { T::default() } else { scale };
                    here.dropped[at] = here.a[at] * here.keep[at];
                }
            }
            ws.lap(Part::Forward(l));
        }
    }

    /// The answers for `x (n, inputs)` as `(n, outputs)`: a forward pass in buffers of its own.
    ///
    /// # Panics
    /// If `params` is shorter than the layout.
    pub fn predict<T: Real>(&self, params: &[T], x: &[T]) -> Vec<T> {
        let mut ws = Workspace::new(self, x.len() / self.spec.inputs(), 1);
        self.forward(params, x, &mut ws);
        ws.output().to_vec()
    }
}
