//! f64 in JSON, which has no infinity and no NaN: those become text, and come back as they were.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number for a message: all its digits, but in scientific form where zeros would fill a line.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-9..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Number(f64),
    Text(String),
}

pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let form = if value.is_finite() { Form::Number(*value) } else { Form::Text(value.to_string()) };
    form.serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Form::deserialize(deserializer)? {
        Form::Number(value) => Ok(value),
        Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn messages_are_not_flooded_with_zeros() {
        for (value, text) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e300, "1e300"),
            (-1.5e16, "-1.5e16"),
            (1e-10, "1e-10"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
