//! Initial weights and biases.

use crate::call::{Call, unknown_name};
use crate::rng::Rng;
use crate::short;
use crate::{Error, Result};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the weights, or the biases, of a layer start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub enum Init {
    /// N(0, std^2)
    Normal {
        /// Standard deviation, by default 1.
        std: f64,
    },
    /// Uniform in [low, high)
    Uniform {
        /// By default 0.
        low: f64,
        /// By default 1.
        high: f64,
    },
    /// Every one the same.
    Constant {
        /// The value.
        value: f64,
    },
    /// Uniform in ±sqrt(6 / (n_in + n_out)) (Glorot and Bengio 2010, eq. 16).
    XavierUniform,
    /// N(0, 2 / (n_in + n_out)) (Glorot and Bengio 2010, eq. 12).
    XavierNormal,
    /// Uniform in ±sqrt(6 / n_in) (He et al. 2015).
    HeUniform,
    /// N(0, 2 / n_in) (He et al. 2015, eq. 10).
    HeNormal,
    /// N(0, 1 / n_in) (LeCun et al. 1998).
    LecunNormal,
    /// Own numbers: weights by unit `(units, inputs)`, biases in one row.
    Values(Vec<Vec<f64>>),
}

/// The names that settings accept.
pub const NAMES: [&str; 13] = [
    "normal",
    "uniform",
    "constant",
    "zeros",
    "ones",
    "xavier_uniform",
    "xavier_normal",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "kaiming_normal",
    "lecun_normal",
];

/// An init in a file: text, one row of numbers, or rows of numbers.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Number(f64),
    Row(Vec<f64>),
    Rows(Vec<Vec<f64>>),
}

impl From<Init> for Form {
    fn from(init: Init) -> Self {
        match init {
            Init::Values(mut rows) if rows.len() == 1 => Self::Row(rows.remove(0)),
            Init::Values(rows) => Self::Rows(rows),
            named => Self::Text(named.to_string()),
        }
    }
}

impl TryFrom<Form> for Init {
    type Error = Error;

    fn try_from(form: Form) -> Result<Self> {
        Ok(match form {
            Form::Text(text) => text.parse()?,
            Form::Number(value) => Self::Constant { value },
            Form::Row(row) => Self::Values(vec![row]),
            Form::Rows(rows) => Self::Values(rows),
        })
    }
}

impl Init {
    /// Draws the numbers of a `(rows, columns)` matrix, row-major, for a layer of `n_in` inputs and `n_out` units.
    ///
    /// # Errors
    /// If own values have another shape. A row of biases fits `(rows, 1)`.
    pub fn draw(
        &self,
        what: &str,
        (rows, columns): (usize, usize),
        (n_in, n_out): (usize, usize),
        rng: &mut Rng,
    ) -> Result<Vec<f64>> {
        let count = rows * columns;
        let (n_in, n_out) = (n_in as f64, n_out as f64);
        let uniform = |low: f64, high: f64, rng: &mut Rng| -> Vec<f64> {
            (0..count).map(|_| low + (high - low) * rng.random::<f64>()).collect()
        };
        let normal = |variance: f64, rng: &mut Rng| -> Vec<f64> {
            (0..count).map(|_| rng.sample::<f64, _>(StandardNormal) * variance.sqrt()).collect()
        };
        Ok(match self {
            Self::Normal { std } => (0..count).map(|_| rng.sample::<f64, _>(StandardNormal) * std).collect(),
            Self::Uniform { low, high } => uniform(*low, *high, rng),
            Self::Constant { value } => vec![*value; count],
            Self::XavierUniform => {
                let limit = (6.0 / (n_in + n_out)).sqrt();
                uniform(-limit, limit, rng)
            }
            Self::XavierNormal => normal(2.0 / (n_in + n_out), rng),
            Self::HeUniform => {
                let limit = (6.0 / n_in).sqrt();
                uniform(-limit, limit, rng)
            }
            Self::HeNormal => normal(2.0 / n_in, rng),
            Self::LecunNormal => normal(1.0 / n_in, rng),
            Self::Values(values) => {
                let flat: Vec<f64> = values.iter().flatten().copied().collect();
                let a_row = values.len() == 1 && columns == 1;
                let as_rows = values.len() == rows && values.iter().all(|row| row.len() == columns);
                if flat.len() != count || !(a_row || as_rows) {
                    let found: Vec<usize> = values.iter().map(Vec::len).collect();
                    let expected = format!("{rows} rows of {columns}");
                    return Err(Error::shape(what, expected, format!("rows of lengths {found:?}")));
                }
                if let Some(bad) = flat.iter().find(|v| !v.is_finite()) {
                    return Err(Error::setting(what, "finite numbers", bad));
                }
                flat
            }
        })
    }
}

impl FromStr for Init {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut call = Call::parse("init", text)?;
        let value = match call.name.as_str() {
            "normal" => {
                Self::Normal { std: call.take_if("std", 1.0, "a number of at least 0", |s| s >= 0.0)? }
            }
            "uniform" => {
                let low = call.take("low", 0.0);
                Self::Uniform { low, high: call.take_if("high", 1.0, "a number above low", |h| h > low)? }
            }
            "constant" => Self::Constant { value: call.take("value", 0.5) },
            "zeros" => Self::Constant { value: 0.0 },
            "ones" => Self::Constant { value: 1.0 },
            "xavier_uniform" | "glorot_uniform" | "xavier" | "glorot" => Self::XavierUniform,
            "xavier_normal" | "glorot_normal" => Self::XavierNormal,
            "he_uniform" | "kaiming_uniform" => Self::HeUniform,
            "he_normal" | "kaiming_normal" | "he" | "kaiming" => Self::HeNormal,
            "lecun_normal" | "lecun" => Self::LecunNormal,
            name => return Err(unknown_name("init", name, &NAMES)),
        };
        call.finish(value)
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Normal { std } => write!(f, "normal({})", short(*std)),
            Self::Uniform { low, high } => write!(f, "uniform({}, {})", short(*low), short(*high)),
            Self::Constant { value } if *value == 0.0 => f.write_str("zeros"),
            Self::Constant { value } if *value == 1.0 => f.write_str("ones"),
            Self::Constant { value } => write!(f, "constant({})", short(*value)),
            Self::XavierUniform => f.write_str("xavier_uniform"),
            Self::XavierNormal => f.write_str("xavier_normal"),
            Self::HeUniform => f.write_str("he_uniform"),
            Self::HeNormal => f.write_str("he_normal"),
            Self::LecunNormal => f.write_str("lecun_normal"),
            Self::Values(_) => f.write_str("own values"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, stream};

    /// Mean and variance of 200 x 300 draws, each within five standard errors of the published formula.
    #[test]
    fn variances_are_the_published_ones() {
        let (n_in, n_out) = (300, 200);
        for (name, variance) in [
            ("normal(0.01)", 1e-4),
            ("uniform(-1, 1)", 1.0 / 3.0),
            ("xavier_uniform", 2.0 / 500.0),
            ("glorot_normal", 2.0 / 500.0),
            ("he_uniform", 2.0 / 300.0),
            ("kaiming_normal", 2.0 / 300.0),
            ("lecun_normal", 1.0 / 300.0),
        ] {
            let init: Init = name.parse().unwrap();
            let mut rng = stream(1, Stream::Init);
            let draws = init.draw("w", (n_out, n_in), (n_in, n_out), &mut rng).unwrap();
            let count = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / count;
            let found = draws.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            assert!(mean.abs() <= 5.0 * (variance / count).sqrt(), "{name}: mean {mean}");
            assert!((found / variance - 1.0).abs() <= 5.0 * (2.0 / count).sqrt(), "{name}: variance {found}");
            assert_eq!(init.to_string().parse::<Init>().unwrap(), init);
        }
    }

    #[test]
    fn own_values_must_fit() {
        let mut rng = stream(1, Stream::Init);
        let own = Init::Values(vec![vec![1.0, 2.0], vec![3.0, 4.0]]);
        assert_eq!(own.draw("w", (2, 2), (2, 2), &mut rng).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert!(own.draw("w", (2, 3), (3, 2), &mut rng).is_err());
        let row = Init::Values(vec![vec![1.0, 2.0]]);
        assert_eq!(row.draw("b", (2, 1), (2, 2), &mut rng).unwrap(), [1.0, 2.0]);
        assert!(Init::Values(vec![vec![f64::NAN]]).draw("b", (1, 1), (1, 1), &mut rng).is_err());
    }
}
