//! Answers as fast as they can be had: forward passes in f32 that allocate nothing, for one sample or many.
//!
//! Unlike a [`crate::network::Workspace`] it keeps no layer's z and a for a backward pass. Every thread takes its own samples
//! through all layers, a few at a time, so that they stay in its cache; of a single one they share the units. The answers have the same bits as a forward pass of
//! training over the same kernels, for any number of threads.

use crate::dataset::SPARSE_BELOW;
use crate::network::Network;
use crate::spec::NetworkSpec;
use crate::{Error, Result};
use chainrule_kernels::bf16;
use chainrule_kernels::dense::{self, Dims, Input, ROWWISE_BATCH};
use chainrule_kernels::memory::Aligned;
use chainrule_kernels::pool;
use chainrule_kernels::sparse::SparseRows;

/// Samples that go through a layer together: their activations stay in the first cache levels.
const TOGETHER: usize = 64;

/// The same in bf16, whose kernel packs the weights anew for every product: more samples share that.
const TOGETHER_BF16: usize = 256;

/// Multiply-adds from which another thread pays off: handing over a part costs about a microsecond.
const PARALLEL_FROM: usize = 1 << 18;

/// A network with its parameters and the buffers of a forward pass.
#[derive(Debug)]
pub struct Predictor {
    net: Network,
    params: Aligned<f32>,
    capacity: usize,
    /// Whether dense products of more than a few samples round their operands to bf16.
    bf16: bool,
    parts: Vec<Part>,
    /// `(capacity, outputs)`
    answers: Vec<f32>,
}

/// The buffers of one thread.
#[derive(Debug)]
struct Part {
    /// Samples that go through a layer together.
    together: usize,
    /// Nonzero inputs of so many samples, if those are read from lists.
    lists: Option<SparseRows>,
    /// z of the layer at work, a of it and of the one before: each `(together, units)` of the widest layer.
    z: Aligned<f32>,
    a: [Aligned<f32>; 2],
    /// `(capacity, outputs)`
    answers: Vec<f32>,
}

/// The places of as many samples as ever go together in a list: all of them, in their order.
const ALL: [usize; TOGETHER_BF16] = {
    let mut all = [0; TOGETHER_BF16];
    let mut sample = 0;
    while sample < TOGETHER_BF16 {
        all[sample] = sample;
        sample += 1;
    }
    all
};

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
        let part = Part::new(net, capacity, density <= SPARSE_BELOW, false);
        let answers = vec![0.0; capacity * net.spec().outputs()];
        let (net, params, parts) = (net.clone(), Aligned::from(params), vec![part]);
        Ok(Self { net, params, capacity, bf16: false, parts, answers })
    }

    /// The same with operands of dense products rounded to bf16, as [`TrainConfig::bf16`](crate::config::TrainConfig::bf16)
    /// does, for calls of more than [`ROWWISE_BATCH`] samples: the bits of such a trainer's forward pass over the same
    /// samples.
    #[must_use]
    pub fn with_bf16(mut self) -> Self {
        self.bf16 = true;
        let threads = self.parts.len();
        self.with_threads(threads)
    }

    /// The same on up to `threads` threads; each gets samples of its own, or units of a single one. The answers stay the same.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        let part = || Part::new(&self.net, self.capacity, self.is_sparse(), self.bf16);
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
        let parts = if n * self.params.len() < PARALLEL_FROM { 1 } else { self.parts.len().min(n) };
        let (net, params, bf16) = (&self.net, &*self.params, self.bf16 && n > ROWWISE_BATCH);
        // The threads share the units of a single sample, unless it is a list, which leaves too little to do; of several
        // samples each takes its own.
        let threads = if n == 1 { self.parts.len() } else { 1 };
        pool::each_mut(&mut self.parts[..parts], |part, buffers| {
            let samples = pool::share(n, 1, part, parts);
            buffers.predict(net, params, bf16, &x[samples.start * inputs..samples.end * inputs], threads);
        });
        if parts == 1 {
            return &self.parts[0].answers[..n * outputs];
        }
        for (part, buffers) in self.parts[..parts].iter().enumerate() {
            let samples = pool::share(n, 1, part, parts);
            let count = samples.len() * outputs;
            self.answers[samples.start * outputs..][..count].copy_from_slice(&buffers.answers[..count]);
        }
        &self.answers[..n * outputs]
    }
}

impl Part {
    fn new(net: &Network, capacity: usize, sparse: bool, bf16: bool) -> Self {
        let together = if bf16 { TOGETHER_BF16 } else { TOGETHER }.min(capacity);
        let spec = net.spec();
        let lists = if sparse { SparseRows::with_capacity(together, spec.inputs()) } else { None };
        let widest = spec.layers.iter().map(|layer| layer.units).max().unwrap_or(0);
        let zeros = || Aligned::zeros(together * widest);
        let answers = vec![0.0; capacity * spec.outputs()];
        Self { together, lists, z: zeros(), a: [zeros(), zeros()], answers }
    }

    /// Writes the answers for `x (n, inputs)`.
    fn predict(&mut self, net: &Network, params: &[f32], bf16: bool, x: &[f32], threads: usize) {
        let spec = net.spec();
        let answers = self.answers.chunks_mut(self.together * spec.outputs());
        for (x, answers) in x.chunks(self.together * spec.inputs()).zip(answers) {
            let n = x.len() / spec.inputs();
            let input = match &mut self.lists {
                Some(lists) => {
                    lists.refill(x);
                    Input::Sparse(lists, &ALL[..n])
                }
                None => Input::Dense(x),
            };
            let [mut here, mut below] = self.a.each_mut().map(|a| &mut **a);
            for l in 0..spec.layers.len() {
                let input = if l == 0 { input } else { Input::Dense(&below[..n * spec.inputs_of(l)]) };
                let a = if l + 1 == spec.layers.len() { &mut *answers } else { &mut *here };
                layer(net, spec, params, bf16, l, n, input, &mut self.z, a, threads);
                std::mem::swap(&mut here, &mut below);
            }
        }
    }
}

/// a(l) of `n` samples.
#[allow(clippy::too_many_arguments)]
fn layer(
    net: &Network,
    spec: &NetworkSpec,
    params: &[f32],
    bf16: bool,
    l: usize,
    n: usize,
    x: Input<f32>,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
) {
    let layer = &spec.layers[l];
    let d = Dims { n, k: spec.inputs_of(l), m: layer.units };
    let (weight, bias) = (&params[net.layout().weight(l)], &params[net.layout().bias(l)]);
    let fused = layer.activation.fused();
    match x {
        // Said for the whole call: a part of it may be so few samples that `dense` would take another kernel.
        Input::Dense(x) if bf16 => bf16::forward(d, x, weight, bias, fused, z, a, 1),
        Input::Dense(x) if threads > 1 => dense::forward_one(d, x, weight, bias, fused, z, a, threads),
        _ => dense::forward(d, x, weight, bias, fused, z, a, 1),
    }
    if fused.is_none() {
        let size = n * d.m;
        layer.activation.forward(&z[..size], &mut a[..size], d.m);
    }
}
