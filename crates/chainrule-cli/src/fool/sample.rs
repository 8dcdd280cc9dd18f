//! A sample in 64 bits, and what its loss is taken against.

use anyhow::{Result, anyhow, bail};
use chainrule::Dataset;
use chainrule::batch::{Batch, TargetCoding};
use chainrule_io::Model;

use crate::Usage;
use crate::predict::{Answer, answer};

/// The classes a model answers with; none if it answers with numbers.
pub fn classes(model: &Model) -> Option<Vec<String>> {
    match answer(model) {
        Answer::Class(names) => Some(names),
        Answer::Values(_) => None,
    }
}

/// A model whose loss cannot be taken of a sample as it stands is refused.
pub fn check_loss(model: &Model, data: &Dataset, has_target: bool) -> Result<()> {
    if matches!(model.info.target_coding, TargetCoding::Input | TargetCoding::Constant(_)) {
        bail!(
            "the model answers with its own inputs: its loss compares them with themselves, whatever they are"
        );
    }
    if has_target {
        return crate::eval::check_targets(model, data);
    }
    if classes(model).is_none() {
        bail!(
            "data set '{}': expected targets, found none (the loss of a model that answers with numbers \
             compares them with the target)",
            data.name()
        );
    }
    Ok(())
}

/// Samples outside of the data are an error of usage.
pub fn check_index(flag: &str, sample: usize, data: &Dataset) -> Result<()> {
    let last = data.len() - 1;
    if sample > last {
        let problem = anyhow!("{flag} {sample}: expected 0 to {last}, the samples of '{}'", data.name());
        return Err(Usage(problem).into());
    }
    Ok(())
}

/// The targets of a class as outputs are compared with them, `(outputs)`.
pub fn one_class(model: &Model, class: usize) -> Vec<f64> {
    match model.network.spec().outputs() {
        1 => vec![class as f64],
        outputs => (0..outputs).map(|output| f64::from(u8::from(output == class))).collect(),
    }
}

/// The targets of a sample as outputs are compared with them, `(outputs)`.
pub fn own_target(model: &Model, data: &Dataset, sample: usize) -> Vec<f64> {
    let mut batch = Batch::new(data, model.network.spec().outputs(), 1);
    batch.gather(data, model.info.target_coding, &[], std::iter::once(sample));
    batch.y().to_vec()
}

/// A figure for each class: of one output for two classes, that of both.
pub fn shares(outputs: &[f64]) -> Vec<f64> {
    match outputs {
        [one] => vec![1.0 - one, *one],
        _ => outputs.to_vec(),
    }
}
