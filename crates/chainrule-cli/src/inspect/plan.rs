//! `inspect --plan`: which kernels the steps of a run use.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use chainrule::network::Network;
use chainrule::plan::{Plan, Way};
use chainrule::recipe::Dtype;
use chainrule_io::prepare;
use chainrule_io::recipes::{read_recipe, settings_of};

use super::args::InspectArgs;
use crate::flags::RunFlags;
use crate::profile::kernel_name;
use crate::setup;
use crate::table::table;
use crate::terminal::{pairs, thousands, width};

/// Shows the plan of a run folder, a recipe or data, with settings over it.
pub fn run(args: &InspectArgs) -> Result<()> {
    let config = Path::new(&args.model).join("config.toml");
    let mut settings = if config.is_file() && args.words.is_empty() {
        settings_of(read_recipe(&config)?, &config.display().to_string())?
    } else {
        let words: Vec<String> =
            [args.model.display().to_string()].into_iter().chain(args.words.iter().cloned()).collect();
        setup::settings(&words, &RunFlags::default())?
    };
    settings.threads = Some(setup::threads(settings.threads));
    let prepared = prepare(&settings).map_err(setup::refused)?;
    let network = Network::new(prepared.resolved.spec.clone())?;
    let config = &prepared.resolved.config;
    let plan = match settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => Plan::new::<f32>(&network, config, &prepared.train),
        Dtype::F64 => Plan::new::<f64>(&network, config, &prepared.train),
    };
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?;
        return Ok(out.flush()?);
    }
    write!(out, "{}", pairs(&rows(&plan), width()))?;
    writeln!(out, "\n{}", layers(&plan))?;
    Ok(out.flush()?)
}

fn rows(plan: &Plan) -> Vec<(String, String)> {
    let way = match plan.way {
        Way::FiveCalls => "five calls: forward, loss, backward, reduce, update",
        Way::InPlace => "four calls; weights are updated where their gradient is computed",
        Way::WholeSteps => "many steps in one kernel",
    };
    let mut rows = vec![("a step".to_string(), way.to_string())];
    if !plan.because.is_empty() {
        rows.push(("no faster way".into(), plan.because.clone()));
    }
    rows.extend([
        ("batch".into(), format!("{} samples", thousands(plan.batch_size as f64))),
        ("inputs".into(), format!("{:.1} % are not zero", 100.0 * plan.density)),
        ("numbers".into(), format!("{}, on {}", plan.dtype, plan.simd)),
        ("threads".into(), format!("up to {}", plan.threads)),
    ]);
    rows
}

fn layers(plan: &Plan) -> String {
    let mut rows: Vec<Vec<String>> = plan
        .layers
        .iter()
        .enumerate()
        .map(|(l, layer)| {
            vec![
                (l + 1).to_string(),
                format!("{} -> {}", layer.inputs, layer.units),
                kernel_name(layer.kernel).into(),
                thousands(layer.multiply_adds),
                format!("{:.0} %", 100.0 * layer.predicted_share),
            ]
        })
        .collect();
    if plan.predicted_update_share > 0.0 {
        let share = format!("{:.0} %", 100.0 * plan.predicted_update_share);
        rows.push(vec![String::new(), "all".into(), "update".into(), String::new(), share]);
    }
    table(&["layer", "sizes", "products", "multiply-adds a step", "predicted time"], rows, &[3, 4])
}
