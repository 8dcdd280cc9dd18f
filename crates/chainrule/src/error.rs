//! What can go wrong in the mathematics: what was expected, what was found, what to do.

/// An error of this crate. File positions are added by the crates that read files.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which sizes.
        what: String,
        /// The size wanted.
        expected: String,
        /// The size given.
        found: String,
    },
    /// A setting has a value that it cannot have.
    #[error("{name}: expected {expected}, found {found}{}", parenthesised(hint))]
    Setting {
        /// The setting's name, as in a recipe.
        name: String,
        /// What it accepts.
        expected: String,
        /// What was given.
        found: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// Settings that are each valid exclude each other.
    #[error("{what}{}", parenthesised(hint))]
    Incompatible {
        /// The settings and why they exclude each other.
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// A data set cannot serve: empty, one class only, NaN.
    #[error("data set '{name}': {problem}{}", parenthesised(hint))]
    Data {
        /// The data set's name.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// The loss or a gradient became infinite or NaN: training cannot go on.
    #[error(
        "step {step} (epoch {epoch}): {quantity} is {value}, first in {layer}. \
         Try a smaller learning_rate, clip_norm = 1, or inputs scaled to [0, 1] (standardize)"
    )]
    NonFinite {
        /// The step, counted from 1.
        step: u64,
        /// The epoch, counted from 0.
        epoch: u64,
        /// The loss, a pre-activation, a gradient or a parameter.
        quantity: String,
        /// `inf`, `-inf` or `NaN`.
        value: String,
        /// The first layer where it arose, in words.
        layer: String,
    },
}

fn parenthesised(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(" ({hint})") }
}

/// A number of hundreds of digits in scientific form; all else as it is.
fn readable(found: String) -> String {
    match found.parse::<f64>() {
        Ok(number) if found.len() > 24 => crate::short(number),
        _ => found,
    }
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A [`Error::Shape`] from its three parts.
    pub fn shape(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// A [`Error::Setting`] without a hint.
    pub fn setting(name: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Setting {
            name: name.into(),
            expected: expected.into(),
            found: readable(found.to_string()),
            hint: String::new(),
        }
    }

    /// A [`Error::Incompatible`] from its two parts.
    pub fn incompatible(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Incompatible { what: what.into(), hint: hint.into() }
    }

    /// A [`Error::Data`] from its three parts.
    pub fn data(name: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data { name: name.into(), problem: problem.into(), hint: hint.into() }
    }
}
