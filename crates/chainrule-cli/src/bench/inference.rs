//! W7: answers for one sample, and for batches of 1,024.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use chainrule::activation::Activation;
use chainrule::init::Init;
use chainrule::loss::Loss;
use chainrule::network::Network;
use chainrule::predictor::Predictor;
use chainrule::rng::{self, Stream};
use chainrule::spec::{LayerSpec, NetworkSpec};
use chainrule_io::{SourceOptions, load};

use super::{Figure, Setting, median};

const SIZES: [usize; 4] = [784, 128, 64, 10];
const BATCH: usize = 1024;
/// Single samples that calls go through in turn.
const SINGLES: usize = 512;
/// Calls of one repetition.
const CALLS: usize = 10_000;
/// Batches of one repetition.
const BATCHES: usize = 200;
/// Repetitions that count unless the user gave a number.
const REPEATS: usize = 5;

/// Latency and throughput on digits and on dense inputs.
pub fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let options = SourceOptions { data_dir: setting.data_dir.map(Into::into), ..SourceOptions::default() };
    let loaded = load("mnist", &options)?;
    let images = loaded.test.unwrap_or(loaded.train).limit(BATCH)?;
    let mut digits = vec![0.0f32; images.len() * SIZES[0]];
    for (sample, row) in digits.chunks_exact_mut(SIZES[0]).enumerate() {
        images.write_row(sample, row);
    }
    let dense: Vec<f32> = uniform(BATCH * SIZES[0]).map(|x| x as f32).collect();
    let inputs = [
        ("latency digits", ["throughput digits", "throughput digits bf16"], digits, images.density()),
        ("latency dense", ["throughput dense", "throughput dense bf16"], dense, 1.0),
    ];
    let net = network()?;
    let params = net.init::<f32>(0)?;
    let repeats = setting.repeats.unwrap_or(REPEATS);
    let (mut latencies, mut throughputs) = (Vec::new(), Vec::new());
    for (latency, [throughput, in_bf16], x, density) in &inputs {
        let operations = operations(*density);
        for &threads in &setting.threads {
            let mut one = Predictor::new(&net, &params, 1, *density)?.with_threads(threads);
            let (reps, p99) =
                latency_reps(&mut one, &x[..SINGLES.min(x.len() / SIZES[0]) * SIZES[0]], repeats);
            let mut figure = Figure::new("W7", latency, threads, "us/sample", reps);
            let seconds = 1e-6 * figure.median;
            figure = figure.with_operations(operations, seconds, &setting.peak);
            figure.p99 = Some(p99);
            latencies.push(figure);
        }
        for &threads in &setting.threads {
            let mut many = Predictor::new(&net, &params, BATCH, *density)?.with_threads(threads);
            let figure =
                Figure::new("W7", throughput, threads, "samples/s", throughput_reps(&mut many, x, repeats));
            let seconds = 1.0 / figure.median;
            throughputs.push(figure.with_operations(operations, seconds, &setting.peak));
        }
        for &threads in &setting.threads {
            let many = Predictor::new(&net, &params, BATCH, *density)?.with_bf16();
            let reps = throughput_reps(&mut many.with_threads(threads), x, repeats);
            let mut figure = Figure::new("W7", in_bf16, threads, "samples/s", reps);
            figure.gflops = Some(operations * figure.median / 1e9);
            throughputs.push(figure); // without a share: the peak is one of f32
        }
    }
    latencies.extend(throughputs);
    Ok(latencies)
}

/// 784-128-64-10 ReLU; its answers are the last layer's z.
fn network() -> chainrule::Result<Network> {
    let activations = [Activation::Relu, Activation::Relu, Activation::Identity];
    let layer = |(&units, f)| LayerSpec::new(units, f, Init::HeNormal);
    let layers = SIZES[1..].iter().zip(activations).map(layer).collect();
    Network::new(NetworkSpec { input_shape: vec![SIZES[0]], layers, loss: Loss::Quadratic })
}

/// Floating-point operations of a sample.
fn operations(density: f64) -> f64 {
    let of_layer = |(l, pair): (usize, &[usize])| {
        let inputs = pair[0] as f64 * if l == 0 { density } else { 1.0 };
        2.0 * inputs * pair[1] as f64
    };
    SIZES.windows(2).enumerate().map(of_layer).sum()
}

/// The median of each repetition's calls in microseconds, and what 99 % of them stay below.
fn latency_reps(predictor: &mut Predictor, x: &[f32], repeats: usize) -> (Vec<f64>, f64) {
    let mut times = Vec::with_capacity(CALLS);
    let (mut medians, mut p99) = (Vec::new(), 0.0f64);
    for repetition in 0..=repeats {
        times.clear();
        for sample in x.chunks_exact(SIZES[0]).cycle().take(CALLS) {
            let start = Instant::now();
            black_box(predictor.predict(black_box(sample)));
            times.push(1e6 * start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        if repetition > 0 {
            medians.push(median(&times));
            p99 = p99.max(times[CALLS * 99 / 100]);
        }
    }
    (medians, p99)
}

/// Samples a second of each repetition.
fn throughput_reps(predictor: &mut Predictor, x: &[f32], repeats: usize) -> Vec<f64> {
    let samples = (BATCHES * x.len() / SIZES[0]) as f64;
    let mut once = || {
        let start = Instant::now();
        for _ in 0..BATCHES {
            black_box(predictor.predict(black_box(x)));
        }
        samples / start.elapsed().as_secs_f64()
    };
    once();
    (0..repeats).map(|_| once()).collect()
}

/// Seeded numbers of [0, 1).
pub fn uniform(count: usize) -> impl Iterator<Item = f64> {
    let mut rng = rng::stream(0, Stream::Init);
    (0..count).map(move |_| rng::below(1 << 20, &mut rng) as f64 / f64::from(1 << 20))
}
