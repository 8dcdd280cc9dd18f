//! What a model must remember to read further data as its training data was read.

use chainrule::{Dataset, Targets};
use serde::{Deserialize, Serialize};

use crate::encode::TableEncoding;
use crate::standardize::Standardization;
use crate::words::{list, quoted};
use crate::{Error, Result};

/// From a file to the inputs of a network; kept in the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Shape of one sample, such as `[28, 28]`.
    pub shape: Vec<usize>,
    /// What a byte of the training data was multiplied by: 1/255 for pixels, 1 for bits and numbers.
    pub scale: f64,
    /// The classes in the network's order, empty if it learned numbers. Labels of further data are matched by name.
    #[serde(default)]
    pub class_names: Vec<String>,
    /// How the columns of a table are read, if the training data was one.
    #[serde(default)]
    pub encoding: Option<TableEncoding>,
    /// The figures by which columns were standardized, if they were.
    #[serde(default)]
    pub standardization: Option<Standardization>,
}

impl Preprocessing {
    /// What is to be remembered of a training set as it was loaded, before any standardization.
    pub fn of(train: &Dataset, encoding: Option<TableEncoding>) -> Self {
        let scale = match train.features() {
            chainrule::Features::Bytes { scale, .. } => *scale,
            chainrule::Features::Reals(_) => 1.0,
        };
        let (shape, class_names) = (train.shape().to_vec(), train.class_names().to_vec());
        Self { shape, scale, class_names, encoding, standardization: None }
    }

    /// Checks that `data` fits the model, gives its labels the model's numbers, and standardizes it.
    ///
    /// # Errors
    /// If the number of inputs differs, or a class is unknown to the model.
    pub fn apply(&self, data: Dataset) -> Result<Dataset> {
        let inputs: usize = self.shape.iter().product();
        if data.inputs() != inputs {
            let what = format!("data set '{}'", data.name());
            let expected =
                format!("samples of shape {}, as the model was trained on", shape_text(&self.shape));
            return Err(Error::disagree(what, expected, shape_text(data.shape()))
                .hint("use the data the model was made for, or train another model"));
        }
        let data = if self.class_names.is_empty() { data } else { self.match_classes(data)? };
        match &self.standardization {
            Some(standardization) => standardization.apply(&data),
            None => Ok(data),
        }
    }

    fn match_classes(&self, data: Dataset) -> Result<Dataset> {
        let Targets::Classes { labels, names } = data.targets() else {
            let what = format!("targets of '{}'", data.name());
            let expected = format!("the classes {}", list(&self.class_names, 12));
            return Err(Error::disagree(what, expected, "numbers"));
        };
        if *names == self.class_names {
            return Ok(data);
        }
        let known: Vec<Option<u32>> = names
            .iter()
            .map(|name| self.class_names.iter().position(|known| known == name).map(|at| at as u32))
            .collect();
        let mut matched = Vec::with_capacity(labels.len());
        for (sample, &label) in labels.iter().enumerate() {
            matched.push(known[label as usize].ok_or_else(|| {
                let what = format!("data set '{}', sample {sample} (counted from 0)", data.name());
                let expected = format!("one of the model's classes {}", list(&self.class_names, 12));
                Error::disagree(what, expected, quoted(&names[label as usize]))
            })?);
        }
        let targets = Targets::Classes { labels: matched, names: self.class_names.clone() };
        Ok(data.with_targets(targets)?)
    }
}

/// The same data with its inputs as targets, for an auto-encoder.
///
/// # Errors
/// None in practice.
pub fn inputs_as_targets(data: Dataset, input_names: Option<Vec<String>>) -> Result<Dataset> {
    let inputs = data.inputs();
    let mut values = vec![0.0; data.len() * inputs];
    for (sample, row) in values.chunks_exact_mut(inputs).enumerate() {
        data.write_row(sample, row);
    }
    let names = input_names.unwrap_or_else(|| (0..inputs).map(|input| format!("input {input}")).collect());
    Ok(data.with_targets(Targets::Values { values, names })?)
}

/// Targets of samples that have none: class 0, or the number 0 if there are no classes.
pub(crate) fn absent_targets(samples: usize, classes: &[String]) -> Targets {
    if classes.is_empty() {
        return Targets::Values { values: vec![0.0; samples], names: vec!["unknown".into()] };
    }
    Targets::Classes { labels: vec![0; samples], names: classes.to_vec() }
}

/// `28 x 28`, or `4 inputs`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [inputs] => crate::words::count(*inputs, "input"),
        sides => sides.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x "),
    }
}
