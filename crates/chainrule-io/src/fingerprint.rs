//! A data set's identity, as a hash.

use chainrule::{Dataset, Features, Targets};
use twox_hash::xxhash3_128::Hasher;

/// XXH3, 128 bits in hexadecimal, of shape, features, targets and weights; the data set's name does not count.
///
/// A resumed run compares it, to see that it continues on the data it began with. It guards against a mistake, not against
/// an attacker, and every run waits for it: the hash is a fast one.
pub fn fingerprint(data: &Dataset) -> String {
    let mut hash = Hasher::new();
    let number = |hash: &mut Hasher, number: usize| hash.write(&(number as u64).to_le_bytes());
    // Each part is preceded by what it is and how long, so that no two data sets run together.
    number(&mut hash, data.shape().len());
    data.shape().iter().for_each(|&side| number(&mut hash, side));
    number(&mut hash, data.len());
    match data.features() {
        Features::Bytes { values, scale } => {
            hash.write(b"bytes");
            hash.write(&scale.to_le_bytes());
            hash.write(values);
        }
        Features::Reals(values) => {
            hash.write(b"reals");
            reals(&mut hash, values);
        }
    }
    let names = match data.targets() {
        Targets::Classes { labels, names } => {
            hash.write(b"classes");
            hash.write(&labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<_>>());
            names
        }
        Targets::Values { values, names } => {
            hash.write(b"values");
            reals(&mut hash, values);
            names
        }
    };
    number(&mut hash, names.len());
    for name in names {
        number(&mut hash, name.len());
        hash.write(name.as_bytes());
    }
    if let Some(weights) = data.sample_weights() {
        hash.write(b"weights");
        reals(&mut hash, weights);
    }
    format!("{:032x}", hash.finish_128())
}

fn reals(hash: &mut Hasher, values: &[f64]) {
    values.iter().for_each(|value| hash.write(&value.to_le_bytes()));
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
        assert_eq!(first.len(), 32);
        assert_eq!(first, fingerprint(&set(0.5, 0, "y")));
        assert_ne!(first, fingerprint(&set(0.25, 0, "x")));
        assert_ne!(first, fingerprint(&set(0.5, 1, "x")));
        assert_ne!(first, fingerprint(&set(0.5, 0, "x").with_sample_weights(vec![1.0, 2.0]).unwrap()));
    }
}
