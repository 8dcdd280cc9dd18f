//! What is run and measured: the recipes asked for, and those that their texts compare with.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use chainrule::recipe::{Figure, Settings};
use chainrule_io::recipes::{RECIPES, closest_recipe, find_recipe, settings_of};

use super::metric::{Metric, Moment, Wanted};
use super::text::Text;
use crate::Usage;
use crate::args::ReproduceArgs;
use crate::flags::RunFlags;
use crate::setup;

/// One recipe: what is run, and what is measured in each run.
pub struct Plan {
    /// The recipe's name.
    pub name: String,
    /// Its settings.
    pub settings: Settings,
    /// One run each.
    pub seeds: Vec<u64>,
    /// Its figures, ready to be measured.
    pub figures: Vec<Planned>,
    /// Everything measured, its figures first.
    pub wanted: Vec<Wanted>,
    /// Whether it was asked for, or only serves comparisons.
    pub shown: bool,
}

/// A figure, its metric understood and its texts read.
pub struct Planned {
    /// As the recipe has it.
    pub figure: Figure,
    /// What explains a difference.
    pub reason: Option<Text>,
    /// What is said in any case.
    pub note: Option<Text>,
}

/// The plans for what the command line asks.
pub fn plans(args: &ReproduceArgs) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    if let Some(file) = &args.config {
        let flags = RunFlags::of_config(file.clone());
        let settings = setup::settings(&[], &flags)?;
        let name =
            file.file_stem().map_or_else(|| "recipe".into(), |stem| stem.to_string_lossy().into_owned());
        if settings.figures.is_empty() {
            return Err(usage(anyhow!("{}: expected [[figures]] to compare, found none", file.display())));
        }
        plans.push(Plan::new(&name, settings, true)?);
    } else {
        for name in names(args)? {
            plans.push(Plan::new(&name, embedded(&name)?, true)?);
        }
    }
    compared(&mut plans)?;
    for plan in &mut plans {
        if let Some(folder) = &args.data_dir {
            plan.settings.data_dir = Some(folder.to_string_lossy().into_owned());
        }
    }
    Ok(plans)
}

fn usage(error: anyhow::Error) -> anyhow::Error {
    Usage(error).into()
}

/// The recipes asked for, in their own order unless named.
fn names(args: &ReproduceArgs) -> Result<Vec<String>> {
    if args.names.is_empty() {
        let mut names = Vec::new();
        for (name, _) in RECIPES {
            let settings = embedded(name)?;
            if settings.source.is_some() && (args.all || settings.quick == Some(true)) {
                names.push((*name).to_string());
            }
        }
        return Ok(names);
    }
    for name in &args.names {
        let Some(table) = find_recipe(name) else {
            let hint = match closest_recipe(name) {
                _ if Path::new(name).exists() => format!("for a file: chainrule reproduce --config {name}"),
                Some(near) => format!("did you mean {near}?"),
                None => "chainrule recipes lists them".into(),
            };
            return Err(usage(anyhow!("no recipe '{name}' ({hint})")));
        };
        if table?.get("source").is_none() {
            let problem = "is no published system: there is nothing to compare";
            return Err(usage(anyhow!("recipe '{name}' {problem} (chainrule train {name} runs it)")));
        }
    }
    Ok(args.names.clone())
}

fn embedded(name: &str) -> Result<Settings> {
    let table = find_recipe(name).with_context(|| format!("no recipe '{name}'"))??;
    Ok(settings_of(table, &format!("recipe '{name}'"))?)
}

/// Adds the recipes that texts compare with, and what they need measured.
fn compared(plans: &mut Vec<Plan>) -> Result<()> {
    let mut needed: Vec<(String, Wanted)> = Vec::new();
    for plan in &*plans {
        for text in plan.figures.iter().flat_map(|planned| planned.reason.iter().chain(&planned.note)) {
            let of = |recipe: Option<&str>| recipe.unwrap_or(&plan.name).to_string();
            needed.extend(text.wanted().map(|(recipe, wanted)| (of(recipe), wanted.clone())));
        }
    }
    for (recipe, wanted) in needed {
        let at = match plans.iter().position(|plan| plan.name == recipe) {
            Some(at) => at,
            None => {
                let context = || format!("recipe '{recipe}', that a text compares with");
                plans.push(Plan::new(&recipe, embedded(&recipe).with_context(context)?, false)?);
                plans.len() - 1
            }
        };
        if !plans[at].wanted.contains(&wanted) {
            plans[at].wanted.push(wanted);
        }
    }
    Ok(())
}

impl Plan {
    fn new(name: &str, mut settings: Settings, shown: bool) -> Result<Self> {
        let figures = if shown { std::mem::take(&mut settings.figures) } else { Vec::new() };
        let mut plan = Self {
            name: name.into(),
            seeds: match settings.seeds.as_slice() {
                [] => vec![settings.seed.unwrap_or(0)],
                seeds => seeds.to_vec(),
            },
            settings,
            figures: Vec::new(),
            wanted: Vec::new(),
            shown,
        };
        for figure in figures {
            let context = format!("recipe '{name}', figure '{}'", figure.name);
            plan.wanted.push(wanted(&figure).with_context(|| context.clone())?);
            let text = |text: &Option<String>| text.as_deref().map(Text::parse).transpose();
            let (reason, note) = (text(&figure.reason), text(&figure.note));
            let reason = reason.with_context(|| context.clone())?;
            plan.figures.push(Planned { reason, note: note.context(context)?, figure });
        }
        Ok(plan)
    }

    /// Where a measurement lies among [`Plan::wanted`].
    pub fn position(&self, wanted: &Wanted) -> Option<usize> {
        self.wanted.iter().position(|other| other == wanted)
    }
}

/// What a figure is measured by.
fn wanted(figure: &Figure) -> Result<Wanted> {
    let at = match (figure.epoch, figure.step) {
        (Some(_), Some(_)) => bail!("expected an epoch or a step, found both"),
        (Some(epoch), None) => Moment::Epoch(epoch),
        (None, Some(step)) => Moment::Step(step),
        (None, None) => Moment::End,
    };
    match (figure.published, figure.tolerance) {
        (Some(_), None) => bail!("expected a tolerance beside the published value, found none"),
        (_, Some(tolerance)) if !(tolerance.is_finite() && tolerance >= 0.0) => {
            bail!("expected a tolerance of at least 0, found {tolerance}")
        }
        (Some(published), _) if !published.is_finite() => bail!("published = {published} is no number"),
        _ => Wanted::new(Metric::parse(&figure.metric)?, at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_with_a_source_can_be_planned() {
        for (name, _) in RECIPES {
            let settings = embedded(name).unwrap();
            if settings.source.is_some() {
                assert!(!settings.figures.is_empty(), "{name} has a source and no figure");
                let mut plans = vec![Plan::new(name, settings, true).unwrap()];
                compared(&mut plans).unwrap();
            }
        }
    }

    #[test]
    fn a_figure_needs_a_tolerance_and_one_moment() {
        let figure = Figure { metric: "test_accuracy".into(), published: Some(0.9), ..Figure::default() };
        assert!(wanted(&figure).is_err());
        let figure = Figure { tolerance: Some(0.1), ..figure };
        assert!(wanted(&figure).is_ok());
        assert!(wanted(&Figure { epoch: Some(1), step: Some(1), ..figure }).is_err());
    }
}
