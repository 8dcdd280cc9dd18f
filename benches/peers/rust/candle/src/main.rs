//! candle: the works W1 to W7, with its autograd and its optimizers.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, SGD, loss, ops};
use peers_common::{
    Arguments, Loss, Random, Set, Training, W1, W2, W3, W5, W6_BATCH, W6_SIZES, W6_STEPS, W7_SIZES, emit,
    latencies, seconds, throughputs, w7_inputs,
};

const DEVICE: &Device = &Device::Cpu;

#[derive(Clone, Copy)]
enum Activation {
    Sigmoid,
    Relu,
    Tanh,
}

struct Network {
    weights: Vec<Var>, // (units, inputs)
    biases: Vec<Var>,
    activation: Activation,
}

impl Network {
    /// Weights N(0, 1) for the sigmoid, as its works say, else N(0, 2 / inputs).
    fn new(sizes: &[usize], activation: Activation) -> Result<Self> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for pair in sizes.windows(2) {
            let (inputs, units) = (pair[0], pair[1]);
            let normal = matches!(activation, Activation::Sigmoid);
            let std = if normal { 1.0 } else { (2.0 / inputs as f32).sqrt() };
            weights.push(Var::randn(0f32, std, (units, inputs), DEVICE)?);
            biases.push(if normal {
                Var::randn(0f32, 1f32, units, DEVICE)?
            } else {
                Var::zeros(units, DType::F32, DEVICE)?
            });
        }
        Ok(Self { weights, biases, activation })
    }

    fn variables(&self) -> Vec<Var> {
        self.weights.iter().chain(&self.biases).cloned().collect()
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let last = self.weights.len() - 1;
        let mut a = x.clone();
        for (l, (w, b)) in self.weights.iter().zip(&self.biases).enumerate() {
            let z = a.matmul(&w.t()?)?.broadcast_add(b)?;
            a = match self.activation {
                Activation::Sigmoid => ops::sigmoid(&z)?,
                Activation::Relu if l < last => z.relu()?,
                Activation::Tanh if l < last => z.tanh()?,
                _ => z,
            };
        }
        Ok(a)
    }
}

/// -> seconds of each epoch
fn train(
    data: &Set,
    work: &Training,
    net: &Network,
    optimizer: &mut dyn FnMut(&Tensor) -> Result<()>,
) -> Result<Vec<f64>> {
    let quadratic = matches!(work.loss, Loss::Quadratic);
    let x = Tensor::from_slice(&data.x, (data.n, data.d), DEVICE)?;
    let y = if quadratic {
        Tensor::from_vec(data.one_hot(), (data.n, 10), DEVICE)?
    } else {
        Tensor::from_vec(data.classes.iter().map(|&c| u32::from(c)).collect::<Vec<_>>(), data.n, DEVICE)?
    };
    let mut random = Random::default();
    let mut epoch = || -> Result<()> {
        let order = random.permutation(data.n).into_iter().map(|i| i as u32).collect::<Vec<_>>();
        let order = Tensor::from_vec(order, data.n, DEVICE)?;
        let (x, y) = (x.index_select(&order, 0)?, y.index_select(&order, 0)?);
        for k in (0..=data.n - work.batch).step_by(work.batch) {
            let out = net.forward(&x.narrow(0, k, work.batch)?)?;
            let y = y.narrow(0, k, work.batch)?;
            let cost = if quadratic {
                ((out - y)?.sqr()?.sum_all()? * (0.5 / work.batch as f64))?
            } else {
                loss::cross_entropy(&out, &y)?
            };
            optimizer(&cost)?;
        }
        Ok(())
    };
    let mut times = Vec::new();
    for _ in 0..work.epochs {
        let mut done = Ok(());
        times.push(seconds(|| done = epoch()));
        done?;
    }
    Ok(times)
}

fn large_steps(arguments: &Arguments) -> Result<Vec<f64>> {
    let (data, net) =
        (Set::load(&arguments.folder, "mnist_train"), Network::new(&W6_SIZES, Activation::Tanh)?);
    let (n, mut sgd) = (W6_STEPS * W6_BATCH, SGD::new(net.variables(), 0.01)?);
    let x = Tensor::from_slice(&data.x[..n * 784], (n, 784), DEVICE)?;
    let y = Tensor::from_vec(data.classes[..n].iter().map(|&c| u32::from(c)).collect::<Vec<_>>(), n, DEVICE)?;
    let mut steps = || -> Result<()> {
        for k in (0..n).step_by(W6_BATCH) {
            let out = net.forward(&x.narrow(0, k, W6_BATCH)?)?;
            sgd.backward_step(&loss::cross_entropy(&out, &y.narrow(0, k, W6_BATCH)?)?)?;
        }
        Ok(())
    };
    let mut times = Vec::new();
    for _ in 0..3 {
        let mut done = Ok(());
        times.push(seconds(|| done = steps()));
        done?;
    }
    Ok(times)
}

fn small_steps() -> Result<Vec<f64>> {
    let net = Network::new(&[2, 2, 2], Activation::Sigmoid)?;
    let mut sgd = SGD::new(net.variables(), 0.5)?;
    let x = Tensor::from_slice(&[0.05f32, 0.1], (1, 2), DEVICE)?;
    let y = Tensor::from_slice(&[0.01f32, 0.99], (1, 2), DEVICE)?;
    let mut steps = || -> Result<()> {
        for _ in 0..10_000 {
            sgd.backward_step(&((net.forward(&x)? - &y)?.sqr()?.sum_all()? * 0.5)?)?;
        }
        Ok(())
    };
    let mut times = Vec::new();
    for _ in 0..4 {
        let mut done = Ok(());
        times.push(seconds(|| done = steps()));
        done?;
    }
    Ok(times)
}

fn inference(arguments: &Arguments) -> Result<()> {
    let net = Network::new(&W7_SIZES, Activation::Relu)?;
    // Plain tensors, W(l) as (inputs, units): no graph is recorded.
    let layers = net
        .weights
        .iter()
        .zip(&net.biases)
        .map(|(w, b)| Ok((w.as_tensor().t()?.contiguous()?.detach(), b.as_tensor().detach())));
    let layers = layers.collect::<Result<Vec<_>>>()?;
    let answer = |x: &Tensor| -> Result<Tensor> {
        let mut a = x.clone();
        for (l, (w, b)) in layers.iter().enumerate() {
            let z = a.matmul(w)?.broadcast_add(b)?;
            a = if l < 2 { z.relu()? } else { z };
        }
        Ok(a)
    };
    for (name, x) in w7_inputs(&arguments.folder) {
        let (variant, unit, times) = if arguments.manner == "latency" {
            let samples = x.chunks_exact(784).map(|row| Tensor::from_slice(row, (1, 784), DEVICE));
            let samples = samples.collect::<Result<Vec<_>>>()?;
            let times = latencies(|i| {
                answer(&samples[i]).expect("shapes fit");
            });
            ("latency", "us/sample", times)
        } else {
            let batch = Tensor::from_vec(x, (1024, 784), DEVICE)?;
            let times = throughputs(|| {
                answer(&batch).expect("shapes fit");
            });
            ("throughput", "samples/s", times)
        };
        report(arguments, &format!("{variant} {name}"), unit, &times, None);
    }
    Ok(())
}

fn report(arguments: &Arguments, variant: &str, unit: &str, times: &[f64], accuracy: Option<f64>) {
    emit("candle", "0.11.1", arguments, variant, unit, times, accuracy);
}

fn main() -> Result<()> {
    let arguments = Arguments::read();
    let (work, activation) = match arguments.work.as_str() {
        "W1" => (W1, Activation::Sigmoid),
        "W2" => (W2, Activation::Relu),
        "W3" => (W3, Activation::Sigmoid),
        "W4" => {
            report(&arguments, "f32", "s/10k steps", &small_steps()?, None);
            return Ok(());
        }
        "W5" => (W5, Activation::Relu),
        "W6" => {
            report(&arguments, "f32", "s/20 steps", &large_steps(&arguments)?, None);
            return Ok(());
        }
        "W7" => return inference(&arguments),
        _ => arguments.unknown_work(),
    };
    let train_set = Set::load(&arguments.folder, &format!("{}_train", work.data));
    let test_set = Set::load(&arguments.folder, &format!("{}_test", work.data));
    let net = Network::new(work.sizes, activation)?;
    let times = if arguments.work == "W5" {
        let settings = ParamsAdamW { lr: work.rate, weight_decay: 0.0, ..Default::default() };
        let mut adam = AdamW::new(net.variables(), settings)?;
        train(&train_set, &work, &net, &mut |cost| adam.backward_step(cost))?
    } else {
        let mut sgd = SGD::new(net.variables(), work.rate)?;
        train(&train_set, &work, &net, &mut |cost| sgd.backward_step(cost))?
    };
    let x = Tensor::from_slice(&test_set.x, (test_set.n, test_set.d), DEVICE)?;
    let outputs = net.forward(&x)?.flatten(0, D::Minus1)?.to_vec1::<f32>()?;
    report(&arguments, "f32", "s/epoch", &times, Some(test_set.accuracy(&outputs)));
    Ok(())
}
