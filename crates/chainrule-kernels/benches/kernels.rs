//! Times of the kernels, at the sizes of the works that `chainrule bench` measures: `cargo bench -p chainrule-kernels`.

use std::hint::black_box;

use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::{self, Dims, Input, Into as Destination};
use chainrule_kernels::sparse::{Entries, Samples, forward};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod made;

/// (samples, inputs, units) of the products.
const SIZES: [(usize, usize, usize); 6] =
    [(1, 784, 128), (10, 784, 30), (100, 784, 50), (128, 784, 512), (128, 512, 512), (256, 2500, 2000)];

/// Percent of inputs that are not zero.
const DENSITIES: [usize; 4] = [1, 5, 20, 50];

fn threads() -> Vec<usize> {
    let mut threads = vec![1, chainrule_kernels::pool::available_threads()];
    threads.dedup();
    threads
}

fn products(c: &mut Criterion) {
    for (n, k, m) in SIZES {
        let d = Dims { n, k, m };
        let mut group = c.benchmark_group(format!("{n}x{k}x{m}"));
        group.throughput(Throughput::Elements((2 * n * k * m) as u64)); // floating-point operations
        let (x, delta) = (made::numbers(n * k), made::numbers(n * m));
        let mut w = made::weights(d);
        let (mut z, mut a, mut dx) = (vec![0.0; n * m], vec![0.0; n * m], vec![0.0; n * k]);
        let below = (Nonlinearity::Tanh, x.as_slice());
        for t in threads() {
            group.bench_function(format!("forward/{t}"), |b| {
                let f = Some(Nonlinearity::Tanh);
                b.iter(|| dense::forward(d, Input::Dense(black_box(&x)), &w, &[], f, &mut z, &mut a, t));
            });
            group.bench_function(format!("input gradient/{t}"), |b| {
                b.iter(|| dense::input_gradient(d, black_box(&delta), &w, Some(below), &mut dx, t));
            });
            group.bench_function(format!("descent/{t}"), |b| {
                let into = Destination::Descent(1e-9);
                b.iter(|| dense::weight_gradient(d, Input::Dense(black_box(&x)), &delta, into, &mut w, t));
            });
        }
        group.finish();
    }
}

fn sparse_layers(c: &mut Criterion) {
    for percent in DENSITIES {
        let d = Dims { n: 100, k: 784, m: 64 };
        let lists = made::lists(d.n, d.k, percent);
        let x = made::sparse_numbers(d.n * d.k, percent);
        let samples: Vec<usize> = (0..d.n).collect();
        let delta = made::numbers(d.n * d.m);
        let mut w = made::weights(d);
        let (mut z, mut a) = (vec![0.0; d.n * d.m], vec![0.0; d.n * d.m]);
        let mut group = c.benchmark_group(format!("lists, {percent} %"));
        group.throughput(Throughput::Elements(d.n as u64)); // samples
        let mut entries = Entries::with_capacity(d.n, d.n * d.k);
        group.bench_function("entries refill", |b| b.iter(|| entries.refill(black_box(&x), d.k)));
        group.bench_function("entries forward", |b| {
            let (of, f) = (Samples::Entries(&entries), Nonlinearity::Relu);
            b.iter(|| forward(black_box(of), d, &w, &[], f, &mut z, &mut a, 1));
        });
        group.bench_function("forward", |b| {
            let (x, f) = (Input::Sparse(&lists, &samples), Some(Nonlinearity::Relu));
            b.iter(|| dense::forward(d, black_box(x), &w, &[], f, &mut z, &mut a, 1));
        });
        for (name, into) in [("descent", Destination::Descent(1e-9)), ("gradient", Destination::Gradient)] {
            group.bench_function(name, |b| {
                let x = Input::Sparse(&lists, &samples);
                b.iter(|| dense::weight_gradient(d, black_box(x), &delta, into, &mut w, 1));
            });
        }
        group.finish();
    }
}

fn activations(c: &mut Criterion) {
    const UNITS: usize = 4096;
    let mut group = c.benchmark_group("activations");
    group.throughput(Throughput::Elements(UNITS as u64));
    // One input: the product is nothing beside f.
    let d = Dims { n: 1, k: 1, m: UNITS };
    let (w, bias) = (made::weights(d), made::numbers(UNITS));
    let (mut z, mut a) = (vec![0.0; UNITS], vec![0.0; UNITS]);
    let functions = [
        ("identity", Nonlinearity::Identity),
        ("sigmoid", Nonlinearity::Sigmoid),
        ("tanh", Nonlinearity::Tanh),
        ("relu", Nonlinearity::Relu),
    ];
    for (name, f) in functions {
        group.bench_function(name, |b| {
            b.iter(|| {
                dense::forward(d, Input::Dense(black_box(&[0.5])), &w, &bias, Some(f), &mut z, &mut a, 1);
            });
        });
    }
    for units in [10, 1000] {
        let rows = UNITS / units * units;
        group.bench_function(format!("softmax of {units}"), |b| {
            b.iter(|| {
                chainrule_kernels::activation::softmax(black_box(&bias[..rows]), &mut a[..rows], units);
            });
        });
    }
    group.finish();
}

fn whole_steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("whole steps");
    for (name, sizes, batch, percent) in made::NETWORKS {
        let mut steps = made::Steps::new(sizes, batch, percent, 100);
        group.throughput(Throughput::Elements(100)); // steps
        group.bench_function(name, |b| b.iter(|| steps.run()));
    }
    group.finish();
}

criterion_group!(benches, products, sparse_layers, activations, whole_steps);
criterion_main!(benches);
