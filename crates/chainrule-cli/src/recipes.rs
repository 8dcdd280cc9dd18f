//! `chainrule recipes`

use std::io::Write;

use anyhow::{Context, Result};
use chainrule::recipe::Settings;
use chainrule_io::recipes::{RECIPES, find_recipe, settings_of};
use serde::Serialize;

use crate::Usage;
use crate::args::RecipesArgs;
use crate::table::table;
use crate::watch::say;

/// A recipe in the list of `--json`.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<chainrule::recipe::Source>,
    description: Option<String>,
    data: Option<String>,
    /// Figures that are compared, and how many of them were published.
    figures: usize,
    published: usize,
}

/// Lists the recipes, or prints one.
pub fn run(args: &RecipesArgs) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match (&args.name, args.json) {
        (Some(name), false) => out.write_all(text(name)?.as_bytes())?,
        (Some(name), true) => {
            let settings = settings(name)?;
            writeln!(out, "{}", serde_json::to_string_pretty(&settings)?)?;
        }
        (None, true) => writeln!(out, "{}", serde_json::to_string_pretty(&entries()?)?)?,
        (None, false) => {
            let row = |entry: Entry| {
                let figures = match (entry.published, entry.figures) {
                    (0, 0) => "-".to_string(),
                    (0, _) => "none".to_string(),
                    (published, _) => published.to_string(),
                };
                let source = entry.source.map_or("-".into(), |source| source.id);
                vec![entry.name.to_string(), source, figures, entry.description.unwrap_or_default()]
            };
            let rows = entries()?.into_iter().map(row).collect();
            let header = ["recipe", "source", "published", "what it is"];
            writeln!(out, "{}", table(&header, rows, &[]))?;
            out.flush()?;
            say(
                "\nchainrule train NAME trains one, chainrule recipes NAME prints it, chainrule reproduce compares",
            );
        }
    }
    Ok(out.flush()?)
}

/// The TOML of a recipe.
fn text(name: &str) -> Result<&'static str> {
    let found = RECIPES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    // The command line accepts no other name.
    found.with_context(|| format!("no recipe '{name}'")).map_err(|error| Usage(error).into())
}

fn settings(name: &str) -> Result<Settings> {
    text(name)?;
    let table = find_recipe(name).context("no such recipe")??;
    Ok(settings_of(table, &format!("recipe '{name}'"))?)
}

fn entries() -> Result<Vec<Entry>> {
    let entry = |(name, _): &(&'static str, &str)| {
        let settings = settings(name)?;
        let published = settings.figures.iter().filter(|figure| figure.published.is_some()).count();
        Ok(Entry {
            name,
            source: settings.source,
            description: settings.description,
            data: settings.data,
            figures: settings.figures.len(),
            published,
        })
    };
    RECIPES.iter().map(entry).collect()
}
