//! The one notation of settings with options: `name`, `name(0.5)` or `name(option=0.5, other=true)`.

use crate::{Error, Result};

/// A parsed setting such as `sgd(momentum=0.9, nesterov=true)`; options are taken out one by one.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    setting: &'a str,
    text: &'a str,
    /// The name, in lower case with `-` read as `_`.
    pub name: String,
    positional: Vec<f64>,
    named: Vec<(&'a str, f64)>,
    taken: usize,
}

impl<'a> Call<'a> {
    /// Parses the value `text` of `setting`.
    pub fn parse(setting: &'a str, text: &'a str) -> Result<Self> {
        let malformed =
            || Error::setting(setting, "name, name(0.5) or name(option=0.5)", format!("'{text}'"));
        let (name, options) = match text.trim().split_once('(') {
            None => (text.trim(), ""),
            Some((name, rest)) => (name, rest.trim_end().strip_suffix(')').ok_or_else(malformed)?),
        };
        let name = name.trim().to_lowercase().replace('-', "_");
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        for option in options.split(',').map(str::trim).filter(|o| !o.is_empty()) {
            match option.split_once('=') {
                Some((key, value)) => named.push((key.trim(), number(value).ok_or_else(malformed)?)),
                None if named.is_empty() => positional.push(number(option).ok_or_else(malformed)?),
                None => return Err(malformed()),
            }
        }
        Ok(Self { setting, text, name, positional, named, taken: 0 })
    }

    /// The next option, by place or by name, or its default. `true` and `false` read as 1 and 0.
    pub fn take(&mut self, key: &str, default: f64) -> f64 {
        if self.taken < self.positional.len() {
            self.taken += 1;
            return self.positional[self.taken - 1];
        }
        match self.named.iter().position(|(name, _)| *name == key) {
            Some(at) => self.named.remove(at).1,
            None => default,
        }
    }

    /// The next option, checked.
    pub fn take_if(
        &mut self,
        key: &str,
        default: f64,
        expected: &str,
        ok: impl Fn(f64) -> bool,
    ) -> Result<f64> {
        let value = self.take(key, default);
        if ok(value) {
            return Ok(value);
        }
        Err(Error::setting(format!("{} of {} '{}'", key, self.setting, self.text), expected, value))
    }

    /// Fails if an option was given that nobody took.
    pub fn finish<T>(self, value: T) -> Result<T> {
        let unknown = match self.named.first() {
            Some((key, _)) => format!("option '{key}' in '{}'", self.text),
            None if self.taken < self.positional.len() => format!("too many options in '{}'", self.text),
            None => return Ok(value),
        };
        Err(Error::setting(self.setting, format!("only the options of {}", self.name), unknown))
    }

    /// The error of a name that is none of `names`, with the closest one.
    pub fn unknown(&self, names: &[&str]) -> Error {
        unknown_name(self.setting, &self.name, names)
    }
}

/// The error of a name that is none of `names`, with the closest one as a hint.
pub(crate) fn unknown_name(setting: &str, found: &str, names: &[&str]) -> Error {
    let closest = names.iter().min_by_key(|name| edits(found, name));
    let hint = match closest {
        Some(name) if edits(found, name) <= 2 => format!("did you mean {name}?"),
        _ => String::new(),
    };
    Error::Setting {
        name: setting.into(),
        expected: format!("one of {}", names.join(", ")),
        found: format!("'{found}'"),
        hint,
    }
}

/// Levenshtein's distance: insertions, deletions and replacements between two words.
pub(crate) fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

fn number(text: &str) -> Option<f64> {
    match text.trim() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        text => text.parse().ok().filter(|v: &f64| v.is_finite()),
    }
}

/// Serialises a type as its `Display` text and reads it back through `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_by_place_or_name_and_none_is_lost() {
        let mut call = Call::parse("optimizer", "SGD(0.9, nesterov=true)").unwrap();
        assert_eq!(call.name, "sgd");
        assert_eq!((call.take("momentum", 0.0), call.take("nesterov", 0.0)), (0.9, 1.0));
        assert!(call.finish(()).is_ok());
        let call = Call::parse("optimizer", "sgd(momentun=0.9)").unwrap();
        assert!(call.finish(()).unwrap_err().to_string().contains("momentun"));
        for bad in ["sgd(", "sgd(a=b)", "sgd(nan)", "sgd(a=1, 2)"] {
            assert!(Call::parse("optimizer", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_close_name_is_suggested() {
        let error = unknown_name("activation", "rellu", &["sigmoid", "relu"]).to_string();
        assert_eq!(error, "activation: expected one of sigmoid, relu, found 'rellu' (did you mean relu?)");
    }
}
