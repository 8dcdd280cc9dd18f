//! Every weight and bias of a network, unit by unit.

use std::io::{self, Write};

use chainrule::recipe::Dtype;
use chainrule::spec::BiasMode;

use super::{Subject, layer_name};
use crate::terminal::{count, width, wrapped};

/// Writes each unit's weights and bias with all their digits.
pub fn write(out: &mut impl Write, subject: &Subject) -> io::Result<()> {
    let (spec, layout, params) = (subject.spec(), subject.network.layout(), &subject.params);
    for (l, layer) in spec.layers.iter().enumerate() {
        let (units, inputs) = layout.weight_shape(l);
        let (name, inputs_text) = (layer_name(spec, l), count(inputs, "input"));
        let units_text = count(units, &format!("{} unit", layer.activation));
        writeln!(out, "\nlayer {}, {name}: {units_text}, {inputs_text}", l + 1)?;
        let weight = layout.export_weight(l, params);
        let bias = &params[layout.bias(l)];
        for (unit, row) in weight.chunks_exact(inputs).enumerate() {
            writeln!(out, "  unit {}", unit + 1)?;
            let numbers = row.iter().map(|&value| text(value, subject.dtype));
            let lines = wrapped(numbers, width().saturating_sub(13));
            writeln!(out, "    weights  {}", lines.join("\n             "))?;
            match layer.bias {
                BiasMode::PerUnit => writeln!(out, "    bias     {}", text(bias[unit], subject.dtype))?,
                BiasMode::Shared => {
                    writeln!(out, "    bias     {}  (shared by the layer)", text(bias[0], subject.dtype))?;
                }
                BiasMode::None => {}
            }
        }
    }
    Ok(())
}

/// The fewest digits that give the number back in its own type.
fn text(value: f64, dtype: Dtype) -> String {
    match dtype {
        Dtype::F32 | Dtype::Bf16 => format!("{:?}", value as f32),
        Dtype::F64 => format!("{value:?}"),
    }
}
