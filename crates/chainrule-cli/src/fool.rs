//! `chainrule fool`: adversarial inputs.

pub mod args;
mod curve;
mod one;
pub mod sample;
pub mod unit;

use anyhow::{Result, anyhow};
use chainrule::attack::Method;
use chainrule_io::Model;

use crate::Usage;
use crate::run_folder::model_file;
use args::{FoolArgs, MethodName};

/// Changes one sample, or all of them.
pub fn run(args: &FoolArgs) -> Result<()> {
    check(args)?;
    let model = Model::load(&model_file(&args.model)?)?;
    match args.sample {
        Some(sample) => one::run(args, &model, sample),
        None => curve::run(args, &model),
    }
}

/// What numbers cannot be, and which options exclude each other.
fn check(args: &FoolArgs) -> Result<()> {
    let usage = |problem: String| Err(Usage(anyhow!(problem)).into());
    let smallest = if args.sample.is_some() { f64::MIN_POSITIVE } else { 0.0 };
    if let Some(bad) = args.epsilon.iter().find(|e| !(e.is_finite() && **e >= smallest)) {
        return usage(format!("--epsilon {bad}: expected a number above 0"));
    }
    if args.sample.is_some() && args.epsilon.len() > 1 {
        return usage(format!("--epsilon: expected one number with --sample, found {}", args.epsilon.len()));
    }
    if let Some(bad) = args.step_size.filter(|a| !(a.is_finite() && *a > 0.0)) {
        return usage(format!("--step-size {bad}: expected a number above 0"));
    }
    if args.method == Some(MethodName::Fgsm) && args.step_size.is_some() {
        return usage("--step-size: fgsm makes one step of epsilon (--method iterated makes several)".into());
    }
    Ok(())
}

/// The method that a name and the options describe.
fn method(args: &FoolArgs, name: MethodName) -> Method {
    match name {
        MethodName::Fgsm => Method::Fgsm,
        MethodName::Iterated => Method::Iterated { steps: args.steps as usize, step_size: args.step_size },
    }
}
