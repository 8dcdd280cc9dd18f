//! A data set's identity, as a hash.

use chainrule::{Dataset, Features, Targets};
use sha2::{Digest, Sha256};

/// SHA-256, in hexadecimal, of shape, features, targets and weights; the data set's name does not count.
///
/// A resumed run compares it, to see that it continues on the data it began with.
pub fn fingerprint(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    let number = |hash: &mut Sha256, number: usize| hash.update((number as u64).to_le_bytes());
    // Each part is preceded by what it is and how long, so that no two data sets run together.
    number(&mut hash, data.shape().len());
    data.shape().iter().for_each(|&side| number(&mut hash, side));
    number(&mut hash, data.len());
    match data.features() {
        Features::Bytes { values, scale } => {
            hash.update(b"bytes");
            hash.update(scale.to_le_bytes());
            hash.update(values);
        }
        Features::Reals(values) => {
            hash.update(b"reals");
            reals(&mut hash, values);
        }
    }
    let names = match data.targets() {
        Targets::Classes { labels, names } => {
            hash.update(b"classes");
            labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
            names
        }
        Targets::Values { values, names } => {
            hash.update(b"values");
            reals(&mut hash, values);
            names
        }
    };
    number(&mut hash, names.len());
    for name in names {
        number(&mut hash, name.len());
        hash.update(name.as_bytes());
    }
    if let Some(weights) = data.sample_weights() {
        hash.update(b"weights");
        reals(&mut hash, weights);
    }
    hex(&hash.finalize())
}

fn reals(hash: &mut Sha256, values: &[f64]) {
    values.iter().for_each(|value| hash.update(value.to_le_bytes()));
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_but_the_name() {
        let set = |value: f64, label: u32, name: &str| {
            let names = vec!["a".to_string(), "b".to_string()];
            let targets = Targets::Classes { labels: vec![label, 1], names };
            Dataset::new(name, vec![1], Features::Reals(vec![value, 1.0]), targets).unwrap()
        };
        let first = fingerprint(&set(0.5, 0, "x"));
        assert_eq!(first.len(), 64);
        assert_eq!(first, fingerprint(&set(0.5, 0, "y")));
        assert_ne!(first, fingerprint(&set(0.25, 0, "x")));
        assert_ne!(first, fingerprint(&set(0.5, 1, "x")));
        assert_ne!(first, fingerprint(&set(0.5, 0, "x").with_sample_weights(vec![1.0, 2.0]).unwrap()));
    }
}
