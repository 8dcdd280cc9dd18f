//! `chainrule compare`: every combination of settings, trained side by side.

mod halving;
mod inside;
mod markdown;
mod meter;
mod one;
mod outcome;
mod plan;
mod show;
mod table;
mod vary;
mod work;

use anyhow::{Context, Result, anyhow};

use crate::args::CompareArgs;
use crate::run_folder::RunFolder;
use crate::train::short_name;
use crate::watch::stop_flag;
use crate::{Usage, setup};
use plan::Plan;
use work::Place;

/// The file with which a comparison's folder appears.
const PLAN: &str = "compare.toml";

/// What a comparison began with stays: only what changes no result may be given anew.
fn refuse_settings(args: &CompareArgs) -> Result<()> {
    let given = args.flags.table().map_err(Usage)?;
    let fixed = given.keys().map(String::as_str).find(|key| *key != "threads");
    let config = args.flags.config.as_ref().map(|_| "config");
    match fixed.or(config) {
        None => Ok(()),
        Some(other) => Err(Usage(anyhow!(
            "--resume: expected at most threads or reach, found {other} (a comparison keeps its settings; start another \
             without --resume)"
        ))
        .into()),
    }
}

/// Runs or continues a comparison, and writes what came of it.
pub fn run(args: &CompareArgs) -> Result<()> {
    if let Some(reach) = args.reach.filter(|reach| !reach.is_finite()) {
        return Err(Usage(anyhow!("--reach {reach}: expected an accuracy or a loss, a finite number")).into());
    }
    let (plan, folder) = match &args.resume {
        Some(path) => {
            refuse_settings(args)?;
            let folder = RunFolder::open_holding(PLAN, path)?;
            let file = folder.file(PLAN);
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let plan = Plan::read(&text, &file.display().to_string())?;
            (Plan { reach: args.reach.or(plan.reach), ..plan }, folder)
        }
        None => {
            let plan = Plan::new(args)?;
            let text = plan.to_toml()?;
            let folder = match &args.run_dir {
                Some(path) => RunFolder::create_holding(PLAN, path, &text)?,
                None => RunFolder::create_numbered_holding(
                    PLAN,
                    &format!("{}-compare", short_name(&plan.name)),
                    &text,
                )?,
            };
            (plan, folder)
        }
    };
    let jobs = plan.jobs();
    let asked = args.flags.table()?.get("threads").and_then(toml::Value::as_integer);
    let threads = setup::threads(asked.and_then(|asked| usize::try_from(asked).ok())).max(1);
    work::start(jobs.len(), threads)?;
    if !args.quiet {
        show::begin(&plan, jobs.len(), threads, &folder);
    }
    let stop = stop_flag()?;
    let place = Place { folder: &folder, threads, stop: &stop, quiet: args.quiet };
    let outcomes = match plan.halving {
        Some(factor) => halving::run(&plan, &jobs, factor, &place)?,
        None => work::run(&plan, &jobs, None, &place)?,
    };
    show::write(&plan, &jobs, &outcomes, &folder)?;
    show::print(&plan, &jobs, &outcomes, &folder, args)
}
