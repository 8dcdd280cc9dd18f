//! Kernels to count the instructions of: `instructions NAME TIMES` runs one, `instructions --list` names them all.
//!
//! Counts need no quiet machine: benches/instructions.py compares them with those committed beside it. On one thread.

use std::hint::black_box;

use chainrule_kernels::activation::{Nonlinearity, softmax};
use chainrule_kernels::dense::{self, Dims, Input, Into as Destination};
use chainrule_kernels::sparse::{Entries, Samples, forward};

mod made;

const NAMES: [&str; 20] = [
    "forward-1x784x128",
    "forward-10x784x30",
    "forward-128x512x512",
    "input-gradient-128x512x512",
    "gradient-128x512x512",
    "descent-128x512x512",
    "zeros-forward-128x512x512",
    "zeros-input-gradient-128x512x512",
    "zeros-gradient-128x512x512",
    "lists-refill",
    "lists-forward",
    "lists-forward-entries",
    "lists-gradient",
    "lists-descent",
    "sigmoid",
    "gelu",
    "softmax",
    "steps-784-30-10",
    "steps-1024-16-16-10",
    "steps-2-2-2",
];

fn main() {
    // `cargo bench` adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => println!("{}", NAMES.join("\n")),
        [name, times] if NAMES.contains(&name) => {
            times.parse().map_or_else(|_| usage(), |times| run(name, times));
        }
        [] => println!("python3 benches/instructions.py counts the instructions"),
        _ => usage(),
    }
}

fn usage() {
    eprintln!("usage: instructions --list | NAME TIMES");
    std::process::exit(2);
}

fn repeat(times: usize, mut work: impl FnMut()) {
    (0..times).for_each(|_| work());
}

fn run(name: &str, times: usize) {
    match name {
        "forward-1x784x128" => product(Dims { n: 1, k: 784, m: 128 }, name, times),
        "forward-10x784x30" => product(Dims { n: 10, k: 784, m: 30 }, name, times),
        "steps-784-30-10" => steps(0, times),
        "steps-1024-16-16-10" => steps(1, times),
        "steps-2-2-2" => steps(2, times),
        "sigmoid" => activation(Nonlinearity::Sigmoid, times),
        "gelu" => activation(Nonlinearity::Gelu, times),
        "softmax" => {
            let (z, mut a) = (made::numbers(10_000), vec![0.0; 10_000]);
            repeat(times, || softmax(black_box(&z), &mut a, 10));
        }
        name if name.starts_with("lists") => first_layer(name, times),
        name => product(Dims { n: 128, k: 512, m: 512 }, name, times),
    }
}

fn steps(network: usize, times: usize) {
    let (_, sizes, batch_size, percent) = made::NETWORKS[network];
    let mut steps = made::Steps::new(sizes, batch_size, percent, 100);
    repeat(times, || {
        black_box(steps.run());
    });
}

/// One input, many units: the product is nothing beside f.
fn activation(f: Nonlinearity, times: usize) {
    let d = Dims { n: 1, k: 1, m: 4096 };
    let (w, bias) = (made::weights(d), made::numbers(d.m));
    let (mut z, mut a) = (vec![0.0; d.m], vec![0.0; d.m]);
    repeat(times, || {
        dense::forward(d, Input::Dense(black_box(&[0.5])), &w, &bias, Some(f), &mut z, &mut a, 1);
    });
}

fn product(d: Dims, name: &str, times: usize) {
    // What a ReLU leaves has zeros.
    let (of, percent) = name.strip_prefix("zeros-").map_or((name, 100), |of| (of, 40));
    let (x, delta) = (made::sparse_numbers(d.n * d.k, percent), made::sparse_numbers(d.n * d.m, percent));
    let (mut w, mut z, mut a) = (made::weights(d), vec![0.0; d.n * d.m], vec![0.0; d.n * d.m]);
    let mut dx = vec![0.0; d.n * d.k];
    let relu = Nonlinearity::Relu;
    repeat(times, || {
        let (x, delta) = (black_box(&x), black_box(&delta));
        match of {
            "input-gradient-128x512x512" => dense::input_gradient(d, delta, &w, Some((relu, x)), &mut dx, 1),
            "gradient-128x512x512" => {
                dense::weight_gradient(d, Input::Dense(x), delta, Destination::Gradient, &mut w, 1);
            }
            "descent-128x512x512" => {
                dense::weight_gradient(d, Input::Dense(x), delta, Destination::Descent(1e-9), &mut w, 1);
            }
            _ => dense::forward(d, Input::Dense(x), &w, &[], Some(relu), &mut z, &mut a, 1),
        }
    });
}

fn first_layer(name: &str, times: usize) {
    let d = Dims { n: 100, k: 784, m: 64 };
    let (lists, x) = (made::lists(d.n, d.k, 20), made::sparse_numbers(d.n * d.k, 20));
    let mut entries = Entries::with_capacity(d.n, d.n * d.k);
    entries.refill(&x, d.k);
    let samples: Vec<usize> = (0..d.n).collect();
    let (delta, mut w) = (made::numbers(d.n * d.m), made::weights(d));
    let (mut z, mut a) = (vec![0.0; d.n * d.m], vec![0.0; d.n * d.m]);
    repeat(times, || {
        match name {
            "lists-refill" => return entries.refill(black_box(&x), d.k),
            "lists-forward-entries" => {
                return forward(
                    Samples::Entries(black_box(&entries)),
                    d,
                    &w,
                    &[],
                    Nonlinearity::Relu,
                    &mut z,
                    &mut a,
                    1,
                );
            }
            _ => {}
        }
        let x = Input::Sparse(black_box(&lists), &samples);
        match name {
            "lists-gradient" => dense::weight_gradient(d, x, &delta, Destination::Gradient, &mut w, 1),
            "lists-descent" => dense::weight_gradient(d, x, &delta, Destination::Descent(1e-9), &mut w, 1),
            _ => dense::forward(d, x, &w, &[], Some(Nonlinearity::Relu), &mut z, &mut a, 1),
        }
    });
}
