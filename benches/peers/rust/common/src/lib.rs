//! What the Rust peers share: arguments, the prepared data, a generator, repetitions, the JSON line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `PROGRAM WORK MANNER THREADS FOLDER`
pub struct Arguments {
    pub work: String,
    pub manner: String,
    pub threads: usize,
    pub folder: PathBuf,
}

impl Arguments {
    pub fn read() -> Self {
        let words: Vec<String> = std::env::args().collect();
        let [_, work, manner, threads, folder] = &words[..] else {
            eprintln!("usage: PROGRAM WORK MANNER THREADS FOLDER");
            std::process::exit(2);
        };
        let threads = threads.parse().expect("THREADS: expected a number");
        Self { work: work.clone(), manner: manner.clone(), threads, folder: folder.into() }
    }

    /// Ends the program: this peer does not do that work.
    pub fn unknown_work(&self) -> ! {
        eprintln!("no work '{}' in manner '{}'", self.work, self.manner);
        std::process::exit(2);
    }
}

pub enum Loss {
    /// 1/2 the sum over outputs, a mean over samples; the outputs are sigmoids.
    Quadratic,
    /// Softmax with cross-entropy, a mean over samples.
    CrossEntropy,
}

/// A work that trains epochs, or W6, which trains steps.
pub struct Training {
    pub data: &'static str,
    pub sizes: &'static [usize],
    pub loss: Loss,
    pub batch: usize,
    pub rate: f64,
    pub epochs: usize,
}

pub const W1: Training =
    Training { data: "mnist", sizes: &[784, 30, 10], loss: Loss::Quadratic, batch: 10, rate: 3.0, epochs: 6 };
pub const W2: Training = Training {
    data: "mnist",
    sizes: &[784, 50, 10],
    loss: Loss::CrossEntropy,
    batch: 100,
    rate: 0.1,
    epochs: 9,
};
pub const W3: Training = Training {
    data: "digits",
    sizes: &[1024, 16, 16, 10],
    loss: Loss::Quadratic,
    batch: 1,
    rate: 0.01,
    epochs: 31,
};
pub const W5: Training = Training {
    data: "mnist",
    sizes: &[784, 512, 512, 10],
    loss: Loss::CrossEntropy,
    batch: 128,
    rate: 0.001,
    epochs: 2, // candle and Burn take many seconds for one
};
pub const W6_SIZES: [usize; 7] = [784, 2500, 2000, 1500, 1000, 500, 10];
pub const W6_STEPS: usize = 20;
pub const W6_BATCH: usize = 256;
pub const W7_SIZES: [usize; 4] = [784, 128, 64, 10];

/// Samples with their classes; `x` is (n, d).
pub struct Set {
    pub x: Vec<f32>,
    pub classes: Vec<u8>,
    pub n: usize,
    pub d: usize,
}

impl Set {
    /// `part` is `mnist_train`, `mnist_test`, `digits_train` or `digits_test`.
    pub fn load(folder: &Path, part: &str) -> Self {
        let read = |name: String| {
            let path = folder.join(name);
            fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (bytes, classes) = (read(format!("{part}_x.u8")), read(format!("{part}_y.u8")));
        let scale = if part.starts_with("mnist") { 255.0 } else { 1.0 };
        let (n, d) = (classes.len(), bytes.len() / classes.len());
        Self { x: bytes.iter().map(|&v| f32::from(v) / scale).collect(), classes, n, d }
    }

    /// (n, 10)
    pub fn one_hot(&self) -> Vec<f32> {
        let mut y = vec![0.0; self.n * 10];
        for (i, &class) in self.classes.iter().enumerate() {
            y[i * 10 + usize::from(class)] = 1.0;
        }
        y
    }

    /// `outputs` is (n, 10).
    pub fn accuracy(&self, outputs: &[f32]) -> f64 {
        let right = outputs.chunks_exact(10).zip(&self.classes).filter(|(row, class)| {
            let best = (0..10).max_by(|&i, &j| row[i].total_cmp(&row[j])).unwrap_or(0);
            best == usize::from(**class)
        });
        right.count() as f64 / self.n as f64
    }
}

/// The inputs of W7: `digits`, 1,024 test images, and `dense`, as many rows of U[0, 1); each (1024, 784).
pub fn w7_inputs(folder: &Path) -> [(&'static str, Vec<f32>); 2] {
    let mut digits = Set::load(folder, "mnist_test").x;
    digits.truncate(1024 * 784);
    let mut random = Random::default();
    let dense = (0..1024 * 784).map(|_| random.uniform()).collect();
    [("digits", digits), ("dense", dense)]
}

/// xorshift64
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(88_172_645_463_325_252)
    }
}

impl Random {
    pub fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
        order
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Seconds of one call.
pub fn seconds(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// Median microseconds of 10,000 calls, four times, the first to warm up; `f` is given the number of a sample.
pub fn latencies(mut f: impl FnMut(usize)) -> Vec<f64> {
    (0..4).map(|_| median(&(0..10_000).map(|i| 1e6 * seconds(|| f(i % 512))).collect::<Vec<_>>())).collect()
}

/// Samples a second in batches of 1,024, six times, the first to warm up.
pub fn throughputs(mut f: impl FnMut()) -> Vec<f64> {
    const CALLS: usize = 200;
    (0..6).map(|_| (CALLS * 1024) as f64 / seconds(|| (0..CALLS).for_each(|_| f()))).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    0.5 * (sorted[(n - 1) / 2] + sorted[n / 2])
}

/// Prints one JSON line; the first of `times` is dropped.
pub fn emit(
    peer: &str,
    version: &str,
    arguments: &Arguments,
    variant: &str,
    unit: &str,
    times: &[f64],
    accuracy: Option<f64>,
) {
    let Arguments { work, manner, threads, .. } = arguments;
    let (times, accuracy) = (&times[1..], accuracy.map_or("null".to_string(), |value| format!("{value:.4}")));
    println!(
        "{{\"peer\": \"{peer}\", \"version\": \"{version}\", \"work\": \"{work}\", \"manner\": \"{manner}\", \
         \"variant\": \"{variant}\", \"threads\": {threads}, \"unit\": \"{unit}\", \"value\": {}, \"reps\": {times:?}, \
         \"accuracy\": {accuracy}}}",
        median(times)
    );
}
