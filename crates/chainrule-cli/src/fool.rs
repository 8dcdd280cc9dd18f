//! `chainrule fool`: adversarial inputs.

pub mod args;
mod curve;
mod one;
pub mod sample;
pub mod unit;

use anyhow::{Result, anyhow};
use chainrule::attack::{Method, STEPS};
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
    let (smallest, expected) = if args.sample.is_some() {
        (f64::MIN_POSITIVE, "a number above 0")
    } else {
        (0.0, "numbers of 0 or more")
    };
    if let Some(bad) = args.epsilon.iter().find(|e| !(e.is_finite() && **e >= smallest)) {
        return usage(format!("--epsilon {bad}: expected {expected}"));
    }
    if args.sample.is_some() && args.epsilon.len() > 1 {
        return usage(format!("--epsilon: expected one number with --sample, found {}", args.epsilon.len()));
    }
    if let Some(bad) = args.step_size.filter(|a| !(a.is_finite() && *a > 0.0)) {
        return usage(format!("--step-size {bad}: expected a number above 0"));
    }
    let of_several = [("--steps", args.steps.is_some()), ("--step-size", args.step_size.is_some())];
    match of_several.iter().find(|(_, given)| *given) {
        Some((flag, _)) if args.method == Some(MethodName::Fgsm) => {
            usage(format!("{flag}: fgsm makes one step of epsilon (--method iterated makes several)"))
        }
        _ => Ok(()),
    }
}

/// The method that a name and the options describe.
fn method(args: &FoolArgs, name: MethodName) -> Method {
    match name {
        MethodName::Fgsm => Method::Fgsm,
        MethodName::Iterated => {
            Method::Iterated { steps: args.steps.map_or(STEPS, usize::from), step_size: args.step_size }
        }
    }
}
