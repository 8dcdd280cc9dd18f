//! Steps and answers allocate nothing once their buffers are there. One test: whatever ran beside it would be counted, too.

mod common;

use std::alloc::System;
use std::sync::Barrier;

use chainrule::network::Network;
use chainrule::observer::{Observer, Signal};
use chainrule::plan::Way;
use chainrule::predictor::Predictor;
use chainrule::resolve::Resolved;
use chainrule::train::{Sets, Trainer};
use chainrule::{Dataset, Features, Targets};
use chainrule_kernels::dense::{self, Dims, Input};
use chainrule_kernels::pool;
use common::settings;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations so far, of all threads.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

const SAMPLES: usize = 300;

/// Samples with ever more nonzero inputs, at least one in `least` and at most one in `most` of them.
fn data(inputs: usize, least: usize, most: usize) -> Dataset {
    let mut values = Vec::new();
    for sample in 0..SAMPLES {
        let every = least - (least - most) * sample / (SAMPLES - 1);
        values.extend(
            (0..inputs)
                .map(|i| if (i + sample).is_multiple_of(every) { (i % 7) as f64 / 7.0 + 0.1 } else { 0.0 }),
        );
    }
    let labels = (0..SAMPLES as u32).map(|sample| sample % 3).collect();
    let names = ["a", "b", "c"].map(String::from).to_vec();
    Dataset::new("made", vec![inputs], Features::Reals(values), Targets::Classes { labels, names }).unwrap()
}

/// Allocations of each call that makes steps, but for those that end an epoch and record it.
struct Count {
    patience: u64,
    before: usize,
    calls: Vec<(u64, usize)>,
}

impl Observer<f32> for Count {
    fn patience(&mut self, _step: u64) -> u64 {
        self.patience
    }

    fn on_step(&mut self, trainer: &Trainer<f32>) -> Signal {
        let now = allocations();
        if trainer.progress().position != 0 {
            assert!(self.calls.len() < self.calls.capacity());
            self.calls.push((trainer.progress().step, now - self.before));
        }
        self.before = allocations();
        Signal::Continue
    }
}

/// Every thread of the pool has computed a product that leaves zeros out, and so has its scratch memory and its lists.
fn wake_threads() {
    let threads = pool::available_threads();
    let barrier = Barrier::new(threads);
    pool::run(threads, |_| {
        barrier.wait();
        let d = Dims { n: 32, k: 4, m: 64 };
        let (mut z, mut a) = ([0.0f32; 2048], [0.0f32; 2048]);
        dense::forward(d, Input::Dense(&[0.0; 128]), &[0.0; 256], &[], None, &mut z, &mut a, 1);
    });
}

fn steps_allocate_nothing(data: &Dataset, text: &str, way: Way, threads: usize) {
    let Resolved { spec, mut config, .. } = settings(text).resolve(data).unwrap();
    config.threads = threads;
    config.epochs = 3;
    let sets = Sets { train: data, validation: None, test: None };
    let mut trainer = Trainer::<f32>::new(Network::new(spec).unwrap(), config, sets, None).unwrap();
    assert_eq!(trainer.plan().way, way, "{text}");
    let mut count = Count { patience: 3, before: allocations(), calls: Vec::with_capacity(1000) };
    trainer.run(&mut count).unwrap();
    let later = &count.calls[2..];
    assert!(later.len() >= 6, "{later:?}");
    let allocating: Vec<_> = later.iter().filter(|(_, allocations)| *allocations > 0).collect();
    let sparse = data.lists().is_some();
    assert!(
        allocating.is_empty(),
        "{way:?}, {threads} threads, sparse: {sparse}: (step, allocations) {allocating:?}"
    );
}

fn answers_allocate_nothing(data: &Dataset, threads: usize, bf16: bool) {
    let text = "hidden = [128, 64]\nactivation = \"relu\"";
    let net = Network::new(settings(text).resolve(data).unwrap().spec).unwrap();
    let params = net.init::<f32>(0).unwrap();
    let predictor = Predictor::new(&net, &params, SAMPLES, data.density()).unwrap().with_threads(threads);
    let mut predictor = if bf16 { predictor.with_bf16() } else { predictor };
    assert_eq!(predictor.is_sparse(), data.lists().is_some());
    let mut x = vec![0.0; SAMPLES * data.inputs()];
    for (s, row) in x.chunks_exact_mut(data.inputs()).enumerate() {
        data.write_row(s, row);
    }
    predictor.predict(&x[..data.inputs()]);
    let before = allocations();
    for n in [1, 2, SAMPLES, 7, SAMPLES] {
        predictor.predict(&x[..n * data.inputs()]);
    }
    assert_eq!(
        allocations() - before,
        0,
        "{threads} threads, sparse: {}, bf16: {bf16}",
        predictor.is_sparse()
    );
}

#[test]
fn steps_and_answers_allocate_nothing() {
    wake_threads();
    let (sparse, dense, small) = (data(200, 30, 3), data(200, 1, 1), data(20, 1, 1));
    let whole =
        "hidden = [30]\nactivation = \"sigmoid\"\nloss = \"quadratic\"\noptimizer = \"sgd\"\nbatch_size = 10";
    let large = "hidden = [130, 130]\nactivation = \"relu\"\noptimizer = \"sgd\"\nbatch_size = 32";
    // So wide that threads share the first layer's gradient over lists, too.
    let adam = "hidden = [800, 130]\nactivation = \"relu\"\noptimizer = \"adam\"\nbatch_size = 32";
    for threads in [1, 2] {
        for data in [&sparse, &small] {
            steps_allocate_nothing(data, whole, Way::WholeSteps, threads);
        }
        for data in [&sparse, &dense] {
            steps_allocate_nothing(data, large, Way::InPlace, threads);
            steps_allocate_nothing(data, adam, Way::FiveCalls, threads);
            for bf16 in [false, true] {
                answers_allocate_nothing(data, threads, bf16);
            }
        }
    }
}
