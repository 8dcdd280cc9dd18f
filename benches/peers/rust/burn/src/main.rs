//! Burn (its `flex` backend): the works W1 to W7, with its autodiff and its optimizers.

#![recursion_limit = "256"]

use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use peers_common::{
    Arguments, Loss, Random, Set, Training, W1, W2, W3, W5, W6_BATCH, W6_SIZES, W6_STEPS, W7_SIZES, emit,
    latencies, throughputs, w7_inputs,
};

#[derive(Module, Debug)]
struct Network {
    layers: Vec<Linear>,
}

#[derive(Clone, Copy, PartialEq)]
enum Activation {
    Sigmoid,
    Relu,
    Tanh,
}

impl Network {
    /// Weights N(0, 1) for the sigmoid, as its works say, else Burn's usual.
    fn new(sizes: &[usize], activation: Activation, device: &Device) -> Self {
        let init = match activation {
            Activation::Sigmoid => Initializer::Normal { mean: 0.0, std: 1.0 },
            _ => Initializer::KaimingUniform { gain: 1.0, fan_out_only: false },
        };
        let layer =
            |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).with_initializer(init.clone()).init(device);
        Self { layers: sizes.windows(2).map(layer).collect() }
    }

    fn forward(&self, x: Tensor<2>, activation: Activation) -> Tensor<2> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x, |a, (l, layer)| {
            let z = layer.forward(a);
            match activation {
                Activation::Sigmoid => activation::sigmoid(z),
                Activation::Relu if l < last => activation::relu(z),
                Activation::Tanh if l < last => z.tanh(),
                _ => z,
            }
        })
    }

    /// Reads a weight, which waits for everything before it.
    fn wait(&self) {
        let weight = self.layers[self.layers.len() - 1].weight.val();
        weight.slice([0..1, 0..1]).into_data();
    }
}

fn rows(x: &[f32], d: usize, indices: &[usize], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = indices.iter().flat_map(|&i| &x[i * d..(i + 1) * d]).copied().collect();
    Tensor::from_data(TensorData::new(values, [indices.len(), d]), device)
}

fn classes(data: &Set, indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = indices.iter().map(|&i| i32::from(data.classes[i])).collect();
    Tensor::from_data(TensorData::new(values, [indices.len()]), device)
}

fn train(
    data: &Set,
    work: &Training,
    activation: Activation,
    mut net: Network,
    mut optimizer: ModuleOptimizer,
    device: &Device,
) -> (Vec<f64>, Network) {
    let (one_hot, cross_entropy) = (data.one_hot(), CrossEntropyLossConfig::new().init(device));
    let (mut random, mut times) = (Random::default(), Vec::new());
    for _ in 0..work.epochs {
        let start = Instant::now();
        for batch in random.permutation(data.n).chunks_exact(work.batch) {
            let out = net.forward(rows(&data.x, data.d, batch, device), activation);
            let cost = match work.loss {
                Loss::Quadratic => {
                    let error = out - rows(&one_hot, 10, batch, device);
                    (error.clone() * error).sum().mul_scalar(0.5 / work.batch as f32)
                }
                Loss::CrossEntropy => cross_entropy.forward(out, classes(data, batch, device)),
            };
            let gradients = GradientsParams::from_grads(cost.backward(), &net);
            net = optimizer.step(work.rate, net, gradients);
        }
        net.wait();
        times.push(start.elapsed().as_secs_f64());
    }
    (times, net)
}

fn small_steps(device: &Device) -> Vec<f64> {
    let mut net = Network::new(&[2, 2, 2], Activation::Sigmoid, device);
    let mut sgd = SgdConfig::new().init();
    let x = Tensor::<2>::from_floats([[0.05, 0.1]], device);
    let y = Tensor::<2>::from_floats([[0.01, 0.99]], device);
    let mut times = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        for _ in 0..10_000 {
            let error = net.forward(x.clone(), Activation::Sigmoid) - y.clone();
            let cost = (error.clone() * error).sum().mul_scalar(0.5);
            let gradients = GradientsParams::from_grads(cost.backward(), &net);
            net = sgd.step(0.5, net, gradients);
        }
        net.wait();
        times.push(start.elapsed().as_secs_f64());
    }
    times
}

fn large_steps(data: &Set, device: &Device) -> Vec<f64> {
    let mut net = Network::new(&W6_SIZES, Activation::Tanh, device);
    let (mut sgd, cross_entropy) = (SgdConfig::new().init(), CrossEntropyLossConfig::new().init(device));
    let indices: Vec<usize> = (0..W6_STEPS * W6_BATCH).collect();
    let batches: Vec<_> = indices
        .chunks_exact(W6_BATCH)
        .map(|batch| (rows(&data.x, data.d, batch, device), classes(data, batch, device)))
        .collect();
    let mut times = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        for (x, y) in &batches {
            let cost = cross_entropy.forward(net.forward(x.clone(), Activation::Tanh), y.clone());
            let gradients = GradientsParams::from_grads(cost.backward(), &net);
            net = sgd.step(0.01, net, gradients);
        }
        net.wait();
        times.push(start.elapsed().as_secs_f64());
    }
    times
}

fn inference(arguments: &Arguments, device: &Device) {
    let net = Network::new(&W7_SIZES, Activation::Relu, device);
    let tensor =
        |x: &[f32]| Tensor::<2>::from_data(TensorData::new(x.to_vec(), [x.len() / 784, 784]), device);
    let answer = |x: &Tensor<2>| {
        net.forward(x.clone(), Activation::Relu).into_data();
    };
    for (name, x) in w7_inputs(&arguments.folder) {
        let (variant, unit, times) = if arguments.manner == "latency" {
            let samples: Vec<_> = x.chunks_exact(784).map(tensor).collect();
            ("latency", "us/sample", latencies(|i| answer(&samples[i])))
        } else {
            let batch = tensor(&x);
            ("throughput", "samples/s", throughputs(|| answer(&batch)))
        };
        report(arguments, &format!("{variant} {name}"), unit, &times, None);
    }
}

fn report(arguments: &Arguments, variant: &str, unit: &str, times: &[f64], accuracy: Option<f64>) {
    emit("Burn", "0.22.1", arguments, variant, unit, times, accuracy);
}

fn main() {
    let arguments = Arguments::read();
    let plain = Device::flex();
    let device = &plain.clone().autodiff();
    let (work, activation) = match arguments.work.as_str() {
        "W1" => (W1, Activation::Sigmoid),
        "W2" => (W2, Activation::Relu),
        "W3" => (W3, Activation::Sigmoid),
        "W4" => return report(&arguments, "f32", "s/10k steps", &small_steps(device), None),
        "W5" => (W5, Activation::Relu),
        "W6" => {
            let data = Set::load(&arguments.folder, "mnist_train");
            return report(&arguments, "f32", "s/20 steps", &large_steps(&data, device), None);
        }
        "W7" => return inference(&arguments, &plain),
        _ => arguments.unknown_work(),
    };
    let train_set = Set::load(&arguments.folder, &format!("{}_train", work.data));
    let test_set = Set::load(&arguments.folder, &format!("{}_test", work.data));
    let net = Network::new(work.sizes, activation, device);
    let optimizer = if arguments.work == "W5" { AdamConfig::new().init() } else { SgdConfig::new().init() };
    let (times, net) = train(&train_set, &work, activation, net, optimizer, device);
    let all: Vec<usize> = (0..test_set.n).collect();
    let outputs = net.forward(rows(&test_set.x, test_set.d, &all, device), activation).into_data();
    let outputs = outputs.try_to_vec::<f32>().expect("outputs are f32");
    report(&arguments, "f32", "s/epoch", &times, Some(test_set.accuracy(&outputs)));
}
