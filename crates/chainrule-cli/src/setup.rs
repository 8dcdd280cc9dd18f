//! From words, flags and recipes to the settings of a run.

use std::path::Path;

use anyhow::{Context, Result};
use chainrule::recipe::Settings;
use chainrule_io::recipes::{find_recipe, lay_over, read_recipe, settings_of};
use toml::{Table, Value};

use crate::Usage;
use crate::flags::{RunFlags, split_words};

/// The settings that `words` and `flags` describe: a recipe, a config file over it, words over that, flags over all.
///
/// DATA that is the name of a recipe brings that recipe; other DATA replaces the data of the config file.
pub fn settings(words: &[String], flags: &RunFlags) -> Result<Settings> {
    let mut settings = settings_of(table(words, flags)?, "settings").map_err(|error| Usage(error.into()))?;
    settings.threads = Some(threads(settings.threads));
    Ok(settings)
}

/// [`settings`] as a table, over which others can be laid.
pub fn table(words: &[String], flags: &RunFlags) -> Result<Table> {
    let usage = |error: anyhow::Error| anyhow::Error::new(Usage(error));
    let (data, mut over) = split_words(words).map_err(usage)?;
    let mut table = Table::new();
    let recipe = data.and_then(find_recipe); // as with data: a name wins, and ./NAME is the file
    match (&flags.config, data, recipe) {
        (Some(file), data, _) => {
            table = read_recipe(file)?;
            // Files that a recipe names lie beside it.
            if let Some(folder) = file.parent() {
                for key in ["data", "test", "validation", "init_from", "data_dir"] {
                    if let Some(Value::String(name)) = table.get_mut(key)
                        && folder.join(&*name).exists()
                        && !Path::new(name).exists()
                    {
                        *name = folder.join(&*name).to_string_lossy().into_owned();
                    }
                }
            }
            if let Some(data) = data {
                table.insert("data".into(), Value::String(data.into()));
            }
        }
        (None, Some(_), Some(recipe)) => table = recipe?,
        (None, Some(data), None) => {
            table.insert("data".into(), Value::String(data.into()));
        }
        (None, None, _) => {}
    }
    over.extend(flags.table().map_err(usage)?);
    // Steps given by the user end a run whose recipe counts epochs, and the other way round.
    match (over.contains_key("steps"), over.contains_key("epochs")) {
        (true, false) => drop(table.remove("epochs")),
        (false, true) => drop(table.remove("steps")),
        _ => {}
    }
    lay_over(&mut table, over);
    Ok(table)
}

/// As many threads as asked for, but no more than cores: further ones could only wait for each other. 0 stays, to be
/// refused with the other settings.
pub fn threads(asked: Option<usize>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or(cores, |asked| asked.min(cores))
}

/// An error of reading data and settings; of usage if a setting cannot be.
pub fn refused(error: chainrule_io::Error) -> anyhow::Error {
    use chainrule::Error::{Incompatible, Setting};
    let usage = matches!(&error, chainrule_io::Error::Data(Setting { .. } | Incompatible { .. }));
    if usage { Usage(error.into()).into() } else { error.into() }
}

/// Makes the pool of threads; this thread is one of them, so that no product waits for another to wake.
pub fn start_threads(threads: usize) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).use_current_thread();
    pool.build_global().context("cannot start threads")
}
