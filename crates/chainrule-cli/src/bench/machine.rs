//! What is measured on: the CPU, and the most that it can do.

use std::time::Instant;

use chainrule::simd;
use chainrule_kernels::peak;
use serde::Serialize;

/// The machine, as far as a program sees it.
#[derive(Serialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    simd: &'static str,
    /// The most threads that the kernels use.
    threads: usize,
    system: &'static str,
    architecture: &'static str,
    chainrule: &'static str,
}

/// f32 multiply-adds in registers, as GFLOP/s: on one thread, on two, … on as many as there are cores.
#[derive(Clone, Debug, Serialize)]
pub struct Peak {
    pub f32: Vec<f64>,
}

/// Rounds of one measurement: about a millisecond.
const ROUNDS: usize = 1 << 18;
/// Measurements, of which the fastest counts: only what disturbs them makes them slower. Long enough for the system to give
/// each thread a core of its own, which takes tens of milliseconds.
const TIMES: usize = 60;

impl Machine {
    pub fn new(cores: usize) -> Self {
        Self {
            cpu: cpu(),
            cores,
            simd: simd::Level::current().name(),
            threads: cores,
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            chainrule: env!("CARGO_PKG_VERSION"),
        }
    }

    /// For the head of a table.
    pub fn sentence(&self, peak: &Peak) -> String {
        let Self { cpu, cores, simd, .. } = self;
        let first = peak.f32.first().copied().unwrap_or_default();
        let last = peak.f32.last().copied().unwrap_or_default();
        format!(
            "{cpu}, {cores} cores, {simd}\npeak of f32 multiply-adds: {first:.0} GF/s on one thread, {last:.0} on {cores}"
        )
    }
}

impl Peak {
    /// Takes a few milliseconds for each number of threads.
    pub fn measure(cores: usize) -> Self {
        Self { f32: (1..=cores).map(fastest).collect() }
    }
}

fn fastest(threads: usize) -> f64 {
    peak::multiply_adds(ROUNDS / 4, threads); // wakes the threads
    let once = |_| {
        let start = Instant::now();
        let operations = peak::multiply_adds(ROUNDS, threads);
        operations / start.elapsed().as_secs_f64() / 1e9
    };
    (0..TIMES).map(once).fold(0.0, f64::max)
}

/// The CPU's name, where the system tells it.
fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(
        || format!("unnamed {} CPU", std::env::consts::ARCH),
        |(_, name)| name.trim().to_string(),
    )
}
