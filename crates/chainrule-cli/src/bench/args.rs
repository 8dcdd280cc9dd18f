//! The arguments of `chainrule bench`.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Each work is measured on one thread and on all, data loaded before, the first repetition dropped.\n\
GF/s: arithmetic, without the inputs that lists leave out (zeros behind a ReLU count, left out or not);\n\
peak: its share of what the CPU's multiply-add units do at most in f32, measured before.\n\
train: the ordinary command beside the bare loop, with evaluation, history, diagnosis, checkpoints, and a bar on a terminal.")]
pub struct BenchArgs {
    /// The works, each measured once; growth stands alone
    #[arg(value_enum, ignore_case = true, value_name = "WORK", default_values_t = [BenchWork::All])]
    pub works: Vec<BenchWork>,
    /// Repetitions that count [default: as many as each work needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000).map(usize::from))]
    pub repeats: Option<usize>,
    /// Only on this many threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub threads: Option<usize>,
    /// Write the charts of growth to this folder
    #[arg(long, value_name = "DIR")]
    pub charts: Option<PathBuf>,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchWork {
    /// MNIST, 784-30-10 sigmoid, quadratic loss, SGD, batches of 10: an epoch
    #[value(name = "W1")]
    W1,
    /// MNIST, 784-50-10 ReLU, softmax, SGD, batches of 100: an epoch
    #[value(name = "W2")]
    W2,
    /// Digits, 1024-16-16-10 sigmoid, SGD, one sample a step: an epoch
    #[value(name = "W3")]
    W3,
    /// 2-2-2 sigmoid, SGD, one sample: 10,000 steps
    #[value(name = "W4")]
    W4,
    /// MNIST, 784-512-512-10 ReLU, softmax, Adam, batches of 128: an epoch
    #[value(name = "W5")]
    W5,
    /// 784-2500-2000-1500-1000-500-10 tanh, softmax, SGD, batches of 256: 20 steps
    #[value(name = "W6")]
    W6,
    /// Answers of 784-128-64-10 ReLU: one sample, and batches of 1,024
    #[value(name = "W7")]
    W7,
    /// From the start of the process to 97 % and 98 % on MNIST
    #[value(name = "E")]
    E,
    /// Training time over width, depth, batch and density
    #[value(name = "growth")]
    Growth,
    /// W1 to W7 and E
    #[value(name = "all")]
    All,
}

impl BenchWork {
    /// The works that are measured, each once.
    pub const EACH: [Self; 8] =
        [Self::W1, Self::W2, Self::W3, Self::W4, Self::W5, Self::W6, Self::W7, Self::E];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
            Self::W5 => "W5",
            Self::W6 => "W6",
            Self::W7 => "W7",
            Self::E => "E",
            Self::Growth => "growth",
            Self::All => "all",
        }
    }
}
