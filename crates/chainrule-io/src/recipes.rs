//! Recipes as TOML: those that come with the program, files, `key=value` words, and how they are laid over each other.

use std::path::Path;

use chainrule::activation::Activation;
use chainrule::recipe::Settings;
use toml::{Table, Value};

use crate::{Error, Position, Result};

macro_rules! recipe {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../recipes/", $name, ".toml")))
    };
}

/// The recipes that come with the program: (name, TOML), in the order of `chainrule recipes`.
pub const RECIPES: &[(&str, &str)] = &[
    recipe!("digits"),
    recipe!("mnist"),
    recipe!("xor"),
    recipe!("mazur"),
    recipe!("mazur-sequential"),
    recipe!("two-three-one"),
    recipe!("two-layer-net"),
    recipe!("nielsen-30"),
    recipe!("nielsen-100-quadratic"),
    recipe!("nielsen-30-cross-entropy"),
    recipe!("nielsen-100"),
    recipe!("scalar-mnist"),
    recipe!("scalar-mnist-listing"),
    recipe!("mnist-97"),
    recipe!("mnist-98"),
    recipe!("digits-online"),
    recipe!("digits-wide"),
    recipe!("digits-normal"),
    recipe!("digits-normal-fast"),
    recipe!("digits-uniform"),
    recipe!("digits-uniform-slow"),
    recipe!("digits-ones"),
    recipe!("digits-ones-slow"),
];

/// The recipe of this name.
pub fn find_recipe(name: &str) -> Option<Result<Table>> {
    let (name, text) = RECIPES.iter().find(|(known, _)| *known == name)?;
    Some(parse_recipe(text, &format!("recipe '{name}'")))
}

/// The recipe whose name is nearest to `name`, if it is near enough to be a slip of the keys.
pub fn closest_recipe(name: &str) -> Option<&'static str> {
    crate::words::closest(name, RECIPES.iter().map(|(known, _)| *known))
}

/// Reads a recipe file.
///
/// # Errors
/// If it cannot be read or is no TOML.
pub fn read_recipe(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    parse_recipe(&text, &path.display().to_string())
}

fn parse_recipe(text: &str, file: &str) -> Result<Table> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| malformed(file, text, &error))?;
    // Read once as settings, so that an error carries its line.
    let _: Settings = toml::from_str(text).map_err(|error| malformed(file, text, &error))?;
    Ok(table)
}

fn malformed(file: &str, text: &str, error: &toml::de::Error) -> Error {
    let position = match error.span() {
        Some(span) => Position::Line(text[..span.start.min(text.len())].matches('\n').count() as u64 + 1),
        None => Position::Whole,
    };
    let found =
        error.span().and_then(|span| text.get(span)).map(|found| found.lines().next().unwrap_or_default());
    let hint = "recipes/README.md lists the settings";
    if let Some((key, value)) = error.span().and_then(|span| setting_at(text, span.start))
        && let Some((expected, found)) = in_our_words(&key, &value, error.message())
    {
        let hint = if found.contains("did you mean") { "" } else { hint };
        return Error::malformed(file, position, format!("{key}: {expected}"), found).hint(hint);
    }
    let found = format!("'{}': {}", found.unwrap_or("?"), error.message());
    Error::malformed(file, position, "a recipe in TOML", found).hint(hint)
}

/// One `key=value` word; the value is TOML, a list without its brackets (`hidden=32,16`), and text where it is neither
/// (`activation=tanh`).
///
/// # Errors
/// If there is no `=`.
pub fn parse_word(word: &str) -> Result<(String, Value)> {
    let (key, value) = word.split_once('=').ok_or_else(|| {
        Error::disagree(format!("'{word}'"), "a setting as key=value", "no '='")
            .hint("for example: epochs=20")
    })?;
    let key = key.trim().replace('-', "_");
    let read = |text: String| text.parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    // A list of numbers needs no brackets, as those of flags.
    let parsed = read(format!("value = {value}"))
        .or_else(|| value.contains(',').then(|| read(format!("value = [{value}]"))).flatten());
    Ok((key, parsed.unwrap_or_else(|| Value::String(value.trim().to_string()))))
}

/// Lays `over` over `base`: its settings win.
///
/// General settings of the network also win over those that `base` states layer by layer: `hidden` replaces the
/// layers, `init` and its like replace the layers' own. Another `target` asks for another output layer and loss,
/// another optimizer for another learning rate, and `lbfgs` for full batches; so words and flags are merged first.
pub fn lay_over(base: &mut Table, over: Table) {
    // Removed before anything is laid over: a loss given beside the target stays.
    let own_target =
        base.get("target").is_some_and(|own| over.get("target").is_some_and(|given| given != own));
    let input = Value::String("input".into());
    let autoencoder =
        over.get("target").is_some_and(|t| *t == input || *t == Value::Array(vec![input.clone()]));
    let classes =
        base.get("loss").and_then(Value::as_str).is_some_and(|loss| loss.starts_with("cross_entropy"));
    if own_target || (autoencoder && classes) {
        base.remove("loss");
        base.remove("output_activation");
        let layers = base.get_mut("layers").and_then(Value::as_array_mut);
        if let Some(output) = layers.and_then(|layers| layers.last_mut()).and_then(Value::as_table_mut) {
            output.remove("units");
            output.remove("activation");
        }
    }
    let optimizer = |table: &Table| {
        let text = table.get("optimizer").and_then(Value::as_str)?;
        text.split('(').next().map(|name| name.trim().to_string())
    };
    if let (Some(given), Some(own)) = (optimizer(&over), optimizer(base))
        && given != own
    {
        base.remove("learning_rate");
        if given == "lbfgs" {
            base.remove("batch_size");
        }
    }
    for (key, value) in over {
        // The flag --no-shuffle as a setting.
        let (key, value) = match (key.as_str(), &value) {
            ("no_shuffle", Value::Boolean(true)) => ("order".to_string(), Value::String("file".into())),
            ("no_shuffle", Value::Boolean(false)) => continue,
            _ => (key, value),
        };
        if key == "hidden" {
            base.remove("layers");
        } else if key == "layers" {
            base.remove("hidden");
        }
        if let Some(Value::Array(layers)) = base.get_mut("layers") {
            let last = layers.len().saturating_sub(1);
            for (l, layer) in
                layers.iter_mut().enumerate().filter_map(|(l, layer)| Some((l, layer.as_table_mut()?)))
            {
                match key.as_str() {
                    "activation" | "dropout" if l < last => layer.remove(&key),
                    "output_activation" if l == last => layer.remove("activation"),
                    "init" | "bias_init" | "bias" | "train_weights" | "train_bias" => layer.remove(&key),
                    _ => None,
                };
            }
        }
        base.insert(key, value);
    }
}

/// The settings of a table.
///
/// # Errors
/// Names the setting that does not exist or has a wrong value.
pub fn settings_of(table: Table, what: &str) -> Result<Settings> {
    // One setting at a time, so that the error names it.
    for (key, value) in &table {
        let single: Table = [(key.clone(), value.clone())].into_iter().collect();
        if let Err(error) = single.try_into::<Settings>() {
            return Err(refused(what, key, value, error.message()));
        }
    }
    let whole = table.try_into();
    whole.map_err(|error: toml::de::Error| {
        Error::malformed(what, Position::Whole, "settings of a run", error.message().to_string())
    })
}

fn refused(what: &str, key: &str, value: &Value, message: &str) -> Error {
    let hint = "recipes/README.md lists the settings, `chainrule train --help` the flags";
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let names = rest.split('`').skip(3).step_by(2);
        let closest = crate::words::closest(key, names);
        let error = Error::disagree(what, "a known setting", format!("'{key}'"));
        return error.hint(closest.map_or(hint.to_string(), |name| format!("did you mean {name}?")));
    }
    if let Some((expected, found)) = in_our_words(key, value, message) {
        let hint = if found.contains("did you mean") { "" } else { hint };
        return Error::disagree(format!("{what}: {key}"), expected, found).hint(hint);
    }
    // The mathematics says what it expects and found.
    let prefix = format!("{key}: ");
    let message = message.strip_prefix(&prefix).unwrap_or(message);
    match message.strip_prefix("expected ").and_then(|rest| rest.split_once(", found ")) {
        Some((expected, found)) => Error::disagree(format!("{what}: {key}"), expected, found),
        None => Error::disagree(format!("{what}: {key} = {value}"), "a value that fits", message),
    }
}

/// The line `key = value` of a recipe at a place in its text.
fn setting_at(text: &str, place: usize) -> Option<(String, Value)> {
    let start = text.get(..place)?.rfind('\n').map_or(0, |end| end + 1);
    let mut line: Table = text[start..].lines().next()?.parse().ok()?;
    let key = line.keys().next()?.clone();
    let value = line.remove(&key)?;
    Some((key, value))
}

/// (expected, found) where the message on a value of `key` speaks of the types that it is read into.
fn in_our_words(key: &str, value: &Value, message: &str) -> Option<(String, String)> {
    let found = || match value {
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    };
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        let (variant, names) = rest.split_once("`, expected ")?;
        return Some((names.replace('`', ""), format!("'{variant}'")));
    }
    if message.contains("untagged enum") {
        if key == "activation"
            && let Some(message) = activation_error(&value.to_string())
        {
            let (expected, found) = message.split_once("expected ")?.1.split_once(", found ")?;
            return Some((expected.into(), found.into()));
        }
        let expected = match key {
            "hidden" => "numbers of units, such as 64 or [64, 32]",
            "batch_size" => "a whole number of at least 1, or \"full\"",
            "class_weight" => "\"balanced\" or a list of numbers, one for each class",
            "activation" => "the name of an activation, or a list of them",
            "init" | "bias_init" => "the name of an initialiser, a number, or rows of numbers",
            "target" | "sample_weight" => "the name or number of a column",
            _ => "another kind of value",
        };
        return Some((expected.into(), found()));
    }
    let (_, kind) = message.strip_prefix("invalid ")?.rsplit_once(", expected ")?;
    let expected = match kind {
        "u64" | "usize" | "u32" => "a whole number of at least 0",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string or map" => "text",
        other => other,
    };
    Some((expected.into(), found()))
}

/// What is wrong with one name, or a list of them, in TOML: serde only says that it is neither.
fn activation_error(toml: &str) -> Option<String> {
    let value = format!("v = {toml}").parse::<Table>().ok()?.remove("v")?;
    let names = if let Value::Array(names) = value { names } else { vec![value] };
    let error = |name: &Value| name.as_str()?.parse::<Activation>().err();
    names.iter().find_map(error).map(|error| error.to_string())
}

/// Settings as TOML text, the form of `config.toml`.
///
/// # Errors
/// None in practice.
pub fn to_toml(settings: &Settings) -> Result<String> {
    toml::to_string(settings).map_err(|error| Error::disagree("the settings", "TOML", error.to_string()))
}
