//! A run, from the files of its folder.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::terminal::{count, figure};

/// A JSON file of a run folder, if it is there.
pub fn read_json(file: &Path) -> Result<Option<Value>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(chainrule_io::Error::io("read", file, error).into()),
    };
    let value = serde_json::from_str(&text);
    value.map(Some).with_context(|| format!("{}: expected JSON as train writes it", file.display()))
}

/// How a run went, from its summary.
pub fn run_text(summary: &Value) -> String {
    let number = |key: &str, unit: &str| count(summary[key].as_u64().unwrap_or(0) as usize, unit);
    let seconds = summary["seconds"].as_f64().unwrap_or(0.0);
    let data = summary["data"].as_str().unwrap_or("data");
    let ending = summary["ending"].as_str().unwrap_or("ended").to_lowercase();
    format!(
        "{ending} after {}, {}, {seconds:.2} s; {} of {data}",
        number("epochs", "epoch"),
        number("steps", "step"),
        number("train_samples", "sample")
    )
}

/// `accuracy 95.45 %, loss 0.15` of a measurement.
pub fn score_text(measured: &Value) -> Option<String> {
    let loss = measured["loss"].as_f64()?;
    let mut text = format!("loss {}", figure(loss));
    if let Some(accuracy) = measured["accuracy"].as_f64() {
        text = format!("accuracy {:.2} %, {text}", 100.0 * accuracy);
    }
    if let Some(rmse) = measured["regression"]["rmse"].as_f64() {
        text += &format!(", RMSE {}", figure(rmse));
    }
    Some(format!("{text} on {}", count(measured["samples"].as_u64().unwrap_or(0) as usize, "sample")))
}
