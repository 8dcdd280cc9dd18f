//! Numbers, lists and networks to measure with: the same every time.
#![allow(dead_code)] // not every benchmark uses all of it

use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::{Dims, PANEL};
use chainrule_kernels::descent::{Batches, Descent, Layer, Loss, Rate, Targets};
use chainrule_kernels::sparse::SparseRows;

/// Networks whose steps are measured whole: name, sizes, batch size, percent of inputs that are not zero.
pub const NETWORKS: [(&str, &[usize], usize, usize); 3] = [
    ("784-30-10, batches of 10", &[784, 30, 10], 10, 20),
    ("1024-16-16-10, single samples", &[1024, 16, 16, 10], 1, 20),
    ("2-2-2, single samples", &[2, 2, 2], 1, 100),
];

/// A scattered number of 0 to 9,999 for each place (the high bits of a multiplicative hash).
fn scattered(at: usize) -> usize {
    ((at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % 10_000
}

/// Numbers of (-1, 1), none of them 0.
pub fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|at| (scattered(at) as f32 + 0.5) / 5000.0 - 1.0).collect()
}

/// Numbers of which so many in a hundred are not 0.
pub fn sparse_numbers(count: usize, percent: usize) -> Vec<f32> {
    let mut numbers = numbers(count);
    for (at, number) in numbers.iter_mut().enumerate() {
        if scattered(at + count) % 100 >= percent {
            *number = 0.0;
        }
    }
    numbers
}

/// Weights (k, m) in panels, filled up with zeros.
pub fn weights(d: Dims) -> Vec<f32> {
    let scale = 1.0 / (d.k as f32).sqrt();
    let mut weights: Vec<f32> = numbers(d.weights()).into_iter().map(|w| scale * w).collect();
    for (at, w) in weights.iter_mut().enumerate() {
        if at / (PANEL * d.k) * PANEL + at % PANEL >= d.m {
            *w = 0.0;
        }
    }
    weights
}

/// `n` samples of `k` inputs as lists.
pub fn lists(n: usize, k: usize, percent: usize) -> SparseRows {
    let numbers: Vec<f64> = sparse_numbers(n * k, percent).into_iter().map(f64::from).collect();
    SparseRows::from_reals(&numbers, k).expect("few inputs")
}

/// Many steps of a small sigmoid network, with all that they read and write.
pub struct Steps {
    kernel: Descent,
    params: Vec<f32>,
    rows: SparseRows,
    labels: Vec<u32>,
    samples: Vec<usize>,
    batch_size: usize,
    rates: Vec<Rate>,
    losses: Vec<f64>,
    answers: Vec<f32>,
}

impl Steps {
    pub fn new(sizes: &[usize], batch_size: usize, percent: usize, steps: usize) -> Self {
        let (mut params, mut layers) = (Vec::new(), Vec::new());
        for pair in sizes.windows(2) {
            let weight = params.len();
            params.extend(weights(Dims { n: 1, k: pair[0], m: pair[1] }));
            let bias = params.len()..params.len() + pair[1];
            params.resize(bias.end.next_multiple_of(PANEL), 0.0);
            let (inputs, units, f) = (pair[0], pair[1], Nonlinearity::Sigmoid);
            layers.push(Layer { inputs, units, f, weight, bias, train_weights: true, train_bias: true });
        }
        let (count, outputs) = (batch_size * steps, sizes[sizes.len() - 1]);
        Self {
            kernel: Descent::new(layers, Loss::Squares { value: 0.5 }, batch_size),
            params,
            rows: lists(count, sizes[0], percent),
            labels: (0..count).map(|s| (s % outputs) as u32).collect(),
            samples: (0..count).collect(),
            batch_size,
            rates: vec![Rate { learning_rate: 1e-6, keep: 1.0 }; steps],
            losses: vec![0.0; steps],
            answers: vec![0.0; count * outputs],
        }
    }

    /// All steps.
    pub fn run(&mut self) -> usize {
        let batches = Batches { samples: &self.samples, batch_size: self.batch_size, rates: &self.rates };
        let (targets, losses) = (Targets::Labels(&self.labels), &mut self.losses);
        self.kernel.run(&mut self.params, &self.rows, targets, batches, losses, &mut self.answers, 1)
    }
}
