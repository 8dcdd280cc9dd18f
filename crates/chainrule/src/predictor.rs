//! Answers as fast as they can be had: forward passes in f32 that allocate nothing, for one sample or many.
//!
//! Unlike a [`crate::network::Workspace`] it keeps no layer's z and a for a backward pass. Samples go through all layers a few at a
//! time, so that they stay in a thread's cache; whichever thread is free takes the next ones. Of a single sample threads share
//! the units. What relu has made 0 is left out. The answers have the same bits as a forward pass of training over the same kernels,
//! for any number of threads, but for the sign of a sum of 0.

use crate::activation::Activation;
use crate::dataset::SPARSE_BELOW;
use crate::network::Network;
use crate::spec::NetworkSpec;
use crate::{Error, Result};
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::bf16::{Buffers, Stack};
use chainrule_kernels::dense::{self, Dims, ROWWISE_BATCH};
use chainrule_kernels::memory::Aligned;
use chainrule_kernels::pool;
use chainrule_kernels::sparse::{self, Entries, Samples};
use std::ops::Range;

/// Samples that go through a layer together: their activations stay in the first cache levels.
const TOGETHER: usize = 64;

/// The most that go through layers together in bf16.
const MOST_TOGETHER: usize = 256;

/// Multiply-adds from which another thread pays off: handing over a part costs about a microsecond.
const PARALLEL_FROM: usize = 1 << 18;

/// A network with its parameters and the buffers of a forward pass.
#[derive(Debug)]
pub struct Predictor {
    net: Network,
    params: Aligned<f32>,
    capacity: usize,
    /// The layers whose operands are rounded to bf16 if there are more than a few samples: all, or none.
    stacks: Vec<Layers>,
    /// What a layer reads behind relu, where many numbers are 0, of a single sample; none where leaving out zeros could hide a
    /// weight that is not finite.
    nonzeros: Option<Entries>,
    parts: Vec<Part>,
    /// `(capacity, outputs)`
    answers: Vec<f32>,
}

/// Layers that follow each other, their weights rounded to bf16 and packed.
#[derive(Debug)]
struct Layers {
    range: Range<usize>,
    stack: Stack,
}

/// The buffers of one thread.
#[derive(Debug)]
struct Part {
    /// Samples that go through a layer together.
    together: usize,
    /// Nonzero inputs of so many samples, if those are read from lists.
    lists: Option<Entries>,
    /// Those of each stack of layers in bf16.
    packed: Vec<Buffers>,
    /// z of the layer at work, a of it and of the one before: each `(together, units)` of the widest layer.
    z: Aligned<f32>,
    a: [Aligned<f32>; 2],
}

/// How a call's single sample is answered: threads share its units, unless it is a list, which leaves too little to do.
struct One<'a> {
    threads: usize,
    nonzeros: Option<&'a mut Entries>,
}

impl Predictor {
    /// For up to `capacity` samples at once. `density` is the expected share of inputs that are not zero (1 if unknown): few
    /// enough, and the first layer reads lists of them, as in training ([`SPARSE_BELOW`]).
    ///
    /// # Errors
    /// If the parameters are not those of the network.
    pub fn new(net: &Network, params: &[f32], capacity: usize, density: f64) -> Result<Self> {
        if params.len() != net.layout().len() {
            return Err(Error::shape("parameters of the predictor", net.layout().len(), params.len()));
        }
        let part = Part::new(net, capacity, density <= SPARSE_BELOW, &[]);
        let layers = &net.spec().layers;
        let below = layers[..layers.len() - 1].iter().filter(|layer| layer.activation == Activation::Relu);
        let finite = params.iter().all(|w| w.is_finite());
        let most = below.map(|layer| layer.units).max().filter(|&units| finite && units <= Entries::LONGEST);
        let nonzeros = most.map(|units| Entries::with_capacity(1, units));
        let answers = vec![0.0; capacity * net.spec().outputs()];
        let (net, params, parts) = (net.clone(), Aligned::from(params), vec![part]);
        Ok(Self { net, params, capacity, stacks: Vec::new(), nonzeros, parts, answers })
    }

    /// The same with operands of dense products rounded to bf16, as [`TrainConfig::bf16`](crate::config::TrainConfig::bf16)
    /// does, for calls of more than [`ROWWISE_BATCH`] samples: the bits of such a trainer's forward pass over the same
    /// samples. The weights are rounded here, once.
    #[must_use]
    pub fn with_bf16(mut self) -> Self {
        let layers = usize::from(self.is_sparse())..self.net.spec().layers.len();
        self.stacks = stacks(&self.net, &self.params, layers);
        let threads = self.parts.len();
        self.with_threads(threads)
    }

    /// The same on up to `threads` threads; which share samples, or the units of a single one. The answers stay the same.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        let part = || Part::new(&self.net, self.capacity, self.is_sparse(), &self.stacks);
        self.parts = (0..threads.clamp(1, pool::MAX_PARTS)).map(|_| part()).collect();
        self
    }

    /// The most samples of one call.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether the first layer reads lists of nonzero inputs.
    pub fn is_sparse(&self) -> bool {
        self.parts[0].lists.is_some()
    }

    /// The answers `(n, outputs)` for `x (n, inputs)`. Allocates nothing.
    ///
    /// # Panics
    /// If `x` is not made of whole samples, or of more than the capacity.
    pub fn predict(&mut self, x: &[f32]) -> &[f32] {
        let spec = self.net.spec();
        let (inputs, outputs) = (spec.inputs(), spec.outputs());
        let n = x.len() / inputs;
        assert!(
            x.len() == n * inputs,
            "predict: {} numbers are no whole samples of {inputs} inputs",
            x.len()
        );
        assert!(n <= self.capacity, "predict: {n} samples, capacity for {}", self.capacity);
        let (net, params) = (&self.net, &*self.params);
        let answers = &mut self.answers[..n * outputs];
        if n == 0 {
            return answers;
        }
        if n == 1 {
            let one = One { threads: self.parts.len(), nonzeros: self.nonzeros.as_mut() };
            self.parts[0].predict(net, params, &[], x, answers, Some(one));
            return answers;
        }
        let stacks = if n > ROWWISE_BATCH { &self.stacks[..] } else { &[] };
        let threads = if n * params.len() < PARALLEL_FROM { 1 } else { self.parts.len().min(n) };
        // No more at once than go together, and of few samples some for each thread.
        let times = n.div_ceil(self.parts[0].together).next_multiple_of(threads);
        let at_once = n.div_ceil(times);
        pool::chunks_mut(&mut self.parts[..threads], answers, at_once * outputs, |part, at, answers| {
            let x = &x[at * at_once * inputs..][..answers.len() / outputs * inputs];
            part.predict(net, params, stacks, x, answers, None);
        });
        answers
    }
}

/// Layers `range` in bf16: a stack ends where a nonlinearity is not computed in passing.
fn stacks(net: &Network, params: &[f32], range: Range<usize>) -> Vec<Layers> {
    let (spec, layout) = (net.spec(), net.layout());
    let mut stacks: Vec<Layers> = Vec::new();
    for l in range {
        let goes_on = |below: &Layers| spec.layers[below.range.end - 1].activation.fused().is_some();
        if !stacks.last().is_some_and(goes_on) {
            stacks.push(Layers { range: l..l, stack: Stack::default() });
        }
        if let Some(Layers { range, stack }) = stacks.last_mut() {
            let (weight, bias) = (&params[layout.weight(l)], &params[layout.bias(l)]);
            let layer = &spec.layers[l];
            stack.push(spec.inputs_of(l), layer.units, weight, bias, layer.activation.fused());
            range.end = l + 1;
        }
    }
    stacks
}

impl Part {
    fn new(net: &Network, capacity: usize, sparse: bool, stacks: &[Layers]) -> Self {
        let together = stacks.iter().map(|layers| layers.stack.together()).min().unwrap_or(TOGETHER);
        let together = together.min(capacity).min(MOST_TOGETHER);
        let spec = net.spec();
        let inputs = spec.inputs();
        let lists =
            (sparse && inputs <= 1 << 16).then(|| Entries::with_capacity(together, together * inputs));
        let packed = stacks.iter().map(|layers| layers.stack.buffers()).collect();
        let widest = spec.layers.iter().map(|layer| layer.units).max().unwrap_or(0);
        let zeros = || Aligned::zeros(together * widest);
        Self { together, lists, packed, z: zeros(), a: [zeros(), zeros()] }
    }

    /// Writes the answers for `x (n, inputs)`, of no more samples than go together; `stacks` is empty, or holds all layers that do
    /// not read lists.
    fn predict(
        &mut self,
        net: &Network,
        params: &[f32],
        stacks: &[Layers],
        x: &[f32],
        answers: &mut [f32],
        mut one: Option<One>,
    ) {
        let spec = net.spec();
        let n = x.len() / spec.inputs();
        let [mut here, mut below] = self.a.each_mut().map(|a| &mut **a);
        let mut stacks = stacks.iter().zip(&mut self.packed).peekable();
        let mut l = 0;
        while l < spec.layers.len() {
            let x = if l == 0 { x } else { &below[..n * spec.inputs_of(l)] };
            let stacked = stacks.next_if(|(layers, _)| layers.range.start == l);
            let end = stacked.as_ref().map_or(l + 1, |(layers, _)| layers.range.end);
            let a = if end == spec.layers.len() { &mut *answers } else { &mut *here };
            match stacked {
                Some((layers, buffers)) => stack(spec, layers, n, x, buffers, &mut self.z, a),
                None => {
                    let lists = self.lists.as_mut().filter(|_| l == 0);
                    layer(net, spec, params, l, n, x, lists, &mut self.z, a, one.as_mut());
                }
            }
            std::mem::swap(&mut here, &mut below);
            l = end;
        }
    }
}

/// a of the last of layers in bf16, for `n` samples.
fn stack(
    spec: &NetworkSpec,
    layers: &Layers,
    n: usize,
    x: &[f32],
    buffers: &mut Buffers,
    z: &mut [f32],
    a: &mut [f32],
) {
    let last = &spec.layers[layers.range.end - 1];
    if last.activation.fused().is_some() {
        return layers.stack.forward(n, x, buffers, a);
    }
    layers.stack.forward(n, x, buffers, z);
    let size = n * last.units;
    last.activation.forward(&z[..size], &mut a[..size], last.units);
}

/// a(l) of `n` samples.
#[allow(clippy::too_many_arguments)]
fn layer(
    net: &Network,
    spec: &NetworkSpec,
    params: &[f32],
    l: usize,
    n: usize,
    x: &[f32],
    lists: Option<&mut Entries>,
    z: &mut [f32],
    a: &mut [f32],
    one: Option<&mut One>,
) {
    let layer = &spec.layers[l];
    let d = Dims { n, k: spec.inputs_of(l), m: layer.units };
    let (weight, bias) = (&params[net.layout().weight(l)], &params[net.layout().bias(l)]);
    let fused = layer.activation.fused();
    match (lists, one) {
        (Some(lists), _) => {
            lists.refill(x, d.k);
            let f = fused.unwrap_or(Nonlinearity::Identity);
            sparse::forward(Samples::Entries(lists), d, weight, bias, f, z, a, 1);
        }
        (None, Some(One { threads, nonzeros })) => {
            let behind_relu = l > 0 && spec.layers[l - 1].activation == Activation::Relu;
            let nonzeros = nonzeros.as_deref_mut().filter(|_| behind_relu);
            dense::forward_one(d, x, weight, bias, fused, z, a, *threads, nonzeros);
        }
        (None, None) => dense::forward(d, x, weight, bias, fused, z, a, 1),
    }
    if fused.is_none() {
        let size = n * d.m;
        layer.activation.forward(&z[..size], &mut a[..size], d.m);
    }
}
