//! The arguments of `chainrule fool`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
With --sample, that sample is changed until the network's answer is another one: every input by at most epsilon, in the \
direction that dE/dx says. Without, all samples are, and the accuracy that is left is shown for each epsilon, beside \
that under random signs of the same size.\n\
Epsilon is in the inputs' unit as the network sees them: of the range 0 to 1 for pixels, which are kept inside it; \
standard deviations for standardized columns, which have no limits. Inputs that stand for a word are left as they are.\n\
Methods: fgsm is one step of epsilon (Goodfellow et al. 2014), iterated several smaller ones (Kurakin et al. 2016).\n\
Samples count from 0. Attacks are computed in 64 bits, whatever the model's own type.")]
pub struct FoolArgs {
    /// The model: a model.safetensors file, or a run folder
    pub model: PathBuf,
    /// Data: a name (its test set) or a path; with targets, if all samples are changed
    pub data: String,
    /// Change this sample, and show it before and after
    #[arg(long, value_name = "I")]
    pub sample: Option<usize>,
    /// The class it is to be taken for [default: any other than its own]
    #[arg(long, value_name = "CLASS", requires = "sample")]
    pub target: Option<String>,
    /// How inputs are changed [default: iterated for a sample, both for all of them]
    #[arg(long, value_enum)]
    pub method: Option<MethodName>,
    /// The most that an input may change; several for all samples
    /// [default: the smallest that succeeds for a sample, 0 to 0.3 for all of them]
    #[arg(long, value_name = "E[,E…]", value_delimiter = ',')]
    pub epsilon: Vec<f64>,
    /// Steps of the iterated method [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub steps: Option<u16>,
    /// How far an input moves in each [default: 2.5 epsilon / steps]
    #[arg(long, value_name = "A")]
    pub step_size: Option<f64>,
    /// Write pictures or charts, and the numbers, to this folder
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// A folder that holds mnist/ [env: CHAINRULE_DATA]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// One step of epsilon
    Fgsm,
    /// Several smaller ones
    Iterated,
}
