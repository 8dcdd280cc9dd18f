//! `chainrule check --time`: in what sense backpropagation is fast (Nielsen, ch. 2). One forward and one backward pass give
//! all derivatives; central differences need two forward passes for each.

use std::hint::black_box;
use std::io::IsTerminal;
use std::time::Instant;

use anyhow::Result;
use chainrule::batch::Batch;
use chainrule::gradcheck::{H, Problem};
use chainrule::network::{Network, Workspace};
use chainrule::regularize::Regularize;
use chainrule::spec::{LayerSpec, NetworkSpec};
use serde::Serialize;

use super::subject::Subject;
use crate::bench::median;
use crate::terminal::{self, figure, thousands, wrapped};
use crate::watch::say;

/// Hidden layers between 784 inputs and 10 outputs, all sigmoid, with the quadratic loss.
const HIDDEN: [&[usize]; 5] = [&[30], &[100], &[300, 100], &[512, 512], &[1024, 1024]];
/// All derivatives are measured if that takes at most so many seconds, else as many as take [`SOME`].
const ALL: f64 = 1.5;
const SOME: f64 = 0.3;
/// Of a measurement the median of so many repetitions counts; while they differ, as many are added, a few times.
const REPETITIONS: usize = 7;
const ROUNDS: usize = 5;
/// They differ if the middle half of them spreads over more than this part of the median.
const STEADY: f64 = 0.1;
/// And if it does at the end over more than this, or two measurements of the same work disagree by more than the other,
/// the machine was busy.
const BUSY: f64 = 0.3;
const APART: f64 = 0.4;
/// Each of them at least so long, in seconds.
const SHORTEST: f64 = 2e-3;

/// One network, measured.
#[derive(Serialize)]
struct Measured {
    network: String,
    /// Whether it is the network asked for, not one of the list.
    asked_for: bool,
    parameters: usize,
    /// Of a forward pass, in seconds.
    forward: f64,
    /// Of a forward and a backward pass: all derivatives.
    backpropagation: f64,
    /// Of two forward passes for each parameter; per parameter times their number if not all were measured.
    differences: f64,
    /// Parameters of which the differences were measured.
    measured: usize,
    /// Of the derivatives measured, from those of backpropagation.
    relative_error: f64,
    /// differences / backpropagation
    ratio: f64,
    ratio_per_parameter: f64,
    /// The middle half of the repetitions of a time spreads over this part of their median: the largest of the three.
    spread: f64,
}

/// How times grow with the number of parameters P, over the list: as P to these powers.
#[derive(Serialize)]
struct Growth {
    forward: f64,
    backpropagation: f64,
    differences: f64,
    ratio: f64,
}

#[derive(Serialize)]
struct Document {
    samples: usize,
    dtype: &'static str,
    threads: usize,
    networks: Vec<Measured>,
    growth: Growth,
    /// Other programs took so much of the machine that the times are not to be trusted.
    busy: bool,
    verdict: String,
}

/// Measures the network asked for, on its first samples, and the list.
pub fn run(subject: &Subject, count: usize, json: bool) -> Result<()> {
    let samples: Vec<usize> = (0..count.min(subject.data.len())).collect();
    let batch = subject.batch(&samples);
    if !json && std::io::stderr().is_terminal() {
        say("measuring both ways, some seconds");
    }
    let mut networks =
        vec![Measured { asked_for: true, ..measure(&subject.network, &subject.params, &batch) }];
    for hidden in HIDDEN {
        let net = Network::new(listed(hidden)?)?;
        let params = net.init(0)?;
        let x: Vec<f64> = (0..samples.len() * 784).map(|at| 0.5 + 0.5 * (at as f64).sin()).collect();
        let y = (0..samples.len() * 10).map(|at| f64::from(u8::from(at % 11 == 0))).collect();
        networks.push(measure(&net, &params, &Batch::from_parts(x, y, 784, 10)));
    }
    let growth = Growth::of(&networks[1..]);
    let verdict = verdict(&networks[1..], &growth);
    let busy = was_busy(&networks);
    let (samples, dtype) = (samples.len(), "f64");
    let document = Document { samples, dtype, threads: 1, networks, growth, busy, verdict };
    if json {
        anstream::println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        anstream::println!("{}", text(&document));
    }
    Ok(())
}

fn listed(hidden: &[usize]) -> Result<NetworkSpec> {
    let units = hidden.iter().chain(&[10]);
    let layer = |&units| Ok(LayerSpec::new(units, "sigmoid".parse()?, "xavier_normal".parse()?));
    let layers = units.map(layer).collect::<Result<_>>()?;
    Ok(NetworkSpec { input_shape: vec![28, 28], layers, loss: "quadratic".parse()? })
}

fn measure(net: &Network, params: &[f64], batch: &Batch<f64>) -> Measured {
    let mut ws = Workspace::new(net, batch.len(), 1);
    let mut grads = vec![0.0; params.len()];
    let forward = seconds(|| net.forward(params, batch.input(), &mut ws));
    let backpropagation = seconds(|| {
        net.forward(params, batch.input(), &mut ws);
        black_box(net.loss(batch, &mut ws));
        net.backward(params, batch.input(), &mut ws, &mut grads);
    });
    let indices: Vec<usize> = net.layout().groups().into_iter().flat_map(|(_, indices)| indices).collect();
    let mut moved = params.to_vec();
    let n = batch.total_weight();
    let mut derivative = |index: usize| {
        let mut loss = |by: f64| {
            moved[index] = params[index] + by;
            net.forward(&moved, batch.input(), &mut ws);
            net.loss(batch, &mut ws) / n
        };
        let found = (loss(H) - loss(-H)) / (2.0 * H);
        moved[index] = params[index];
        found
    };
    let one = seconds(|| {
        black_box(derivative(indices[indices.len() / 2]));
    })
    .median;
    let affordable = if one * indices.len() as f64 <= ALL { indices.len() } else { (SOME / one) as usize };
    let step = indices.len().div_ceil(affordable.clamp(10.min(indices.len()), indices.len()));
    let chosen: Vec<usize> = indices.iter().copied().step_by(step).collect();
    // In parts, so that what interrupts one of them does not count.
    let part = ((SHORTEST / one) as usize).clamp(1, chosen.len().div_ceil(REPETITIONS));
    let (mut found, mut each) = (Vec::with_capacity(chosen.len()), Vec::new());
    for part in chosen.chunks(part) {
        let start = Instant::now();
        found.extend(part.iter().map(|&index| derivative(index)));
        each.push(start.elapsed().as_secs_f64() / part.len() as f64);
    }
    let each = if chosen.len() < REPETITIONS { Time { median: one, spread: 0.0 } } else { Time::of(each) };
    let differences = each.median * indices.len() as f64;
    // Without penalties, as the losses above.
    let none = Regularize::default();
    let (exact, _) = Problem { net, params, batch, regularize: &none, samples: batch.len() }.gradient();
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let apart = norm(&mut found.iter().zip(&chosen).map(|(v, &index)| v - exact[index]));
    let size = norm(&mut found.iter().copied()) + norm(&mut chosen.iter().map(|&index| exact[index]));
    let ratio = differences / backpropagation.median;
    Measured {
        network: net.spec().sizes(),
        asked_for: false,
        parameters: indices.len(),
        forward: forward.median,
        backpropagation: backpropagation.median,
        differences,
        measured: chosen.len(),
        relative_error: if apart == 0.0 { 0.0 } else { apart / size },
        ratio,
        ratio_per_parameter: ratio / indices.len() as f64,
        spread: forward.spread.max(backpropagation.spread).max(each.spread),
    }
}

/// Whether repetitions spread far, or a derivative by differences does not take about as long as its two forward passes.
/// Of the smallest networks the losses take as long, so that only those of the list are compared.
fn was_busy(networks: &[Measured]) -> bool {
    let consistent = |m: &Measured| {
        let passes = m.differences / (2.0 * m.parameters as f64 * m.forward);
        m.asked_for || (1.0 - APART..=1.0 + APART).contains(&passes)
    };
    networks.iter().any(|m| m.spread > BUSY || !consistent(m))
}

/// Repetitions of a measurement, in seconds.
#[derive(Clone, Copy, Debug)]
struct Time {
    median: f64,
    /// The middle half of them spreads over this part of the median.
    spread: f64,
}

impl Time {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let (n, median) = (times.len(), median(&times));
        Self { median, spread: (times[(3 * n / 4).min(n - 1)] - times[n / 4]) / median }
    }
}

/// The time of a call, of so many at once as take a while, repeated until it is steady.
fn seconds(mut call: impl FnMut()) -> Time {
    let mut of = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_secs_f64()
    };
    let mut calls = 1;
    while of(calls) < SHORTEST && calls < 1 << 20 {
        calls *= 2;
    }
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend((0..REPETITIONS).map(|_| of(calls) / f64::from(calls)));
        if Time::of(times.clone()).spread <= STEADY {
            break;
        }
    }
    Time::of(times)
}

impl Growth {
    /// Least squares on logarithms.
    fn of(networks: &[Measured]) -> Self {
        let power = |time: fn(&Measured) -> f64| {
            let points = networks.iter().map(|m| ((m.parameters as f64).ln(), time(m).ln()));
            let points: Vec<(f64, f64)> = points.collect();
            let count = points.len() as f64;
            let mean_x = points.iter().map(|p| p.0).sum::<f64>() / count;
            let above: f64 = points.iter().map(|p| (p.0 - mean_x) * p.1).sum();
            above / points.iter().map(|p| (p.0 - mean_x).powi(2)).sum::<f64>()
        };
        Self {
            forward: power(|m| m.forward),
            backpropagation: power(|m| m.backpropagation),
            differences: power(|m| m.differences),
            ratio: power(|m| m.ratio),
        }
    }
}

fn verdict(listed: &[Measured], growth: &Growth) -> String {
    let (first, last) = (&listed[0], &listed[listed.len() - 1]);
    let passes = |m: &Measured| m.backpropagation / m.forward;
    format!(
        "Backpropagation is fast in this sense: all {} derivatives of {} take as long as {:.1} forward passes, those of {}, {} of them, {:.1}. \
         Differences need two forward passes for each. With P parameters the time of backpropagation grows as P^{:.2}, that of differences as P^{:.2}, \
         and the ratio as P^{:.2}: from {} to {}, about {:.2} P.",
        thousands(first.parameters as f64),
        first.network,
        passes(first),
        last.network,
        thousands(last.parameters as f64),
        passes(last),
        growth.backpropagation,
        growth.differences,
        growth.ratio,
        thousands(first.ratio),
        thousands(last.ratio),
        last.ratio_per_parameter
    )
}

fn text(document: &Document) -> String {
    let row = |m: &Measured| {
        vec![
            format!("{}{}", m.network, if m.asked_for { " (yours)" } else { "" }),
            thousands(m.parameters as f64),
            duration(m.forward),
            duration(m.backpropagation),
            duration(m.differences),
            if m.measured == m.parameters { "all".into() } else { thousands(m.measured as f64) },
            thousands(m.ratio),
            format!("{:.2}", m.ratio_per_parameter),
        ]
    };
    let header =
        ["network", "parameters P", "forward", "backprop.", "differences", "measured", "ratio", "ratio / P"];
    let table =
        crate::table::table(&header, document.networks.iter().map(row).collect(), &[1, 2, 3, 4, 5, 6, 7]);
    let some = if document.networks.iter().any(|m| m.measured < m.parameters) {
        "Where not all differences were measured, their time is that of one times P.\n"
    } else {
        ""
    };
    let busy = if document.busy {
        "\nThe machine was busy: times of the same work differ, and what follows from them is not to be trusted. Try again \
         when nothing else runs."
    } else {
        ""
    };
    let words = format!("{}{busy}", document.verdict);
    let paragraphs: Vec<String> =
        words.lines().map(|line| wrapped(line.split(' '), terminal::width()).join("\n")).collect();
    let title = format!(
        "All derivatives by backpropagation, and by central differences: {} at once, f64, one thread",
        terminal::count(document.samples, "sample")
    );
    let title = wrapped(title.split(' '), terminal::width()).join("\n");
    format!("{title}\n{table}\n{some}{}", paragraphs.join("\n"))
}

/// A time in the unit that suits it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} us", figure((s * 1e7).round() / 10.0)),
        s if s < 1.0 => format!("{} ms", figure((s * 1e5).round() / 100.0)),
        s if s < 7200.0 => format!("{} s", figure((s * 100.0).round() / 100.0)),
        s => format!("{} h", figure((s / 36.0).round() / 100.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(forward: f64, differences: f64, spread: f64) -> Measured {
        Measured {
            network: "784-30-10".into(),
            asked_for: false,
            parameters: 1000,
            forward,
            backpropagation: 2.0 * forward,
            differences,
            measured: 1000,
            relative_error: 1e-9,
            ratio: differences / (2.0 * forward),
            ratio_per_parameter: differences / (2000.0 * forward),
            spread,
        }
    }

    #[test]
    fn a_busy_machine_is_noticed() {
        assert!(!was_busy(&[measured(1e-6, 2e-3, 0.05), measured(1e-6, 2.4e-3, 0.2)]));
        // Differences seven times as slow as their forward passes cannot be.
        assert!(was_busy(&[measured(1e-6, 2e-3, 0.05), measured(1e-6, 14e-3, 0.05)]));
        assert!(was_busy(&[measured(1e-6, 2e-3, 0.8)]));
        assert!(was_busy(&[measured(1e-6, f64::NAN, 0.0)]));
    }

    #[test]
    fn what_interrupts_a_repetition_does_not_count() {
        let steady = Time::of(vec![1.0, 9.0, 1.0, 1.02, 1.0, 1.01, 1.0, 1.0]);
        assert!(steady.median == 1.0 && steady.spread <= 0.05, "{steady:?}");
        assert!(Time::of(vec![1.0, 2.0, 3.0, 4.0]).spread > BUSY);
    }
}
