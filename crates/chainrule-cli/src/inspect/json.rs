//! A model as a JSON document.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Subject, layer_name};

/// All that a model file says, and with `weights` every number, exactly.
pub fn document(subject: &Subject, weights: bool) -> Result<Value> {
    let (spec, info) = (subject.spec(), &subject.info);
    let layers: Result<Vec<Value>> = (0..spec.layers.len()).map(|l| layer(subject, l, weights)).collect();
    let mut document = json!({
        "file": subject.file.display().to_string(),
        "network": spec.sizes(),
        "parameters": spec.parameters(),
        "dtype": subject.dtype_name(),
        "input_shape": spec.input_shape,
        "loss": spec.loss.to_string(),
        "reduction": spec.loss.reduction(),
        "target_coding": info.target_coding,
        "accuracy": info.accuracy,
        "classes": info.classes,
        "layers": layers?,
        "preprocessing": info.preprocessing,
        "recipe": info.recipe,
    });
    if let Some(summary) = &subject.summary {
        document["summary"] = summary.clone();
    }
    if let Some(progress) = &subject.progress {
        document["checkpoint"] =
            json!({ "epochs": progress.history.len(), "steps": progress.step, "ending": progress.ending });
    }
    Ok(document)
}

/// A layer; W as nested arrays (units, inputs).
fn layer(subject: &Subject, l: usize, weights: bool) -> Result<Value> {
    let (spec, layout) = (subject.spec(), subject.network.layout());
    let (units, inputs) = layout.weight_shape(l);
    let described = serde_json::to_value(&spec.layers[l])?;
    let mut layer = json!({ "name": layer_name(spec, l), "weight_shape": [units, inputs] });
    for (key, value) in described.as_object().into_iter().flatten() {
        let key = if key == "bias" { "bias_mode" } else { key };
        layer[key] = value.clone();
    }
    layer["parameters"] = spec.parameters_of(l).into();
    if weights {
        let rows: Vec<Vec<f64>> =
            layout.export_weight(l, &subject.params).chunks_exact(inputs).map(<[f64]>::to_vec).collect();
        layer["weight"] = serde_json::to_value(rows)?;
        layer["bias"] = serde_json::to_value(&subject.params[layout.bias(l)])?;
    }
    Ok(layer)
}
