//! What is compared: every combination, with every seed and fold. It is kept in `compare.toml`.

use anyhow::{Context, Result, anyhow};
use chainrule::recipe::Settings;
use chainrule_io::prepare::change_paths;
use chainrule_io::recipes::{lay_over, parse_word, settings_of, to_toml};
use chainrule_io::{Fold, Prepared, prepare_fold};
use serde::{Deserialize, Serialize};
use toml::Table;

use super::vary::{Axis, Combination, Search, combinations, label};
use crate::args::CompareArgs;
use crate::flags::split_words;
use crate::watch::say;
use crate::{Usage, setup};

/// Random draws of a search, unless said otherwise.
const TRIALS: u64 = 20;
/// Share of the training samples that a search chooses by, if nothing else is held out.
const VALIDATION_SPLIT: f64 = 0.2;
/// Curves of about so many points: a long run looks at the test set every so many epochs.
const POINTS: u64 = 200;

/// The document of `compare.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is compared: a recipe or data.
    pub name: String,
    /// As given with `--vary`.
    pub vary: Vec<String>,
    /// Seeds: each combination is run with each.
    pub seeds: Vec<u64>,
    /// Folds of a cross-validation.
    pub folds: Option<u64>,
    /// Factor of successive halving.
    pub halving: Option<u64>,
    /// Accuracy or loss to which epochs and seconds are counted.
    pub reach: Option<f64>,
    /// Whether the best combination is to be found; the validation set says which.
    pub search: bool,
    /// Every combination as `key=value` words.
    pub combinations: Vec<Vec<String>>,
    /// The settings that do not vary.
    pub settings: Table,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Index of the combination.
    pub combination: usize,
    /// Seed.
    pub seed: u64,
    /// Fold, from 0.
    pub fold: Option<usize>,
}

impl Plan {
    /// What the command line asks for.
    pub fn new(args: &CompareArgs) -> Result<Self> {
        let usage = |error: anyhow::Error| anyhow::Error::new(Usage(error));
        let axes = axes(&args.vary).map_err(usage)?;
        let mut table = setup::table(&args.words, &args.flags)?;
        let (data, given) = split_words(&args.words).map_err(usage)?;
        let mut given: Vec<String> = given.into_iter().map(|(key, _)| key).collect();
        given.extend(args.flags.table().map_err(usage)?.into_iter().map(|(key, _)| key));
        if let Some(both) = axes.iter().flat_map(|axis| &axis.keys).find(|key| given.contains(key)) {
            return Err(usage(anyhow!("--vary {both}: expected it there or among the settings, found both")));
        }
        let config = args.flags.config.as_ref().and_then(|file| file.file_stem());
        let name = data.map_or_else(
            || config.map_or("run".into(), |stem| stem.to_string_lossy().into_owned()),
            str::to_string,
        );
        // What belongs to a recipe as a publication.
        let own_seed = table.remove("seeds").and_then(|seeds| seeds.as_array()?.first()?.as_integer());
        for key in ["figures", "source", "quick", "description", "threads"] {
            table.remove(key);
        }
        if !given.iter().any(|key| key == "evaluate_every") {
            let epochs = table.get("epochs").and_then(toml::Value::as_integer).unwrap_or(1);
            let every = u64::try_from(epochs).unwrap_or(1).div_ceil(POINTS).max(1);
            table.insert("evaluate_every".into(), i64::try_from(every)?.into());
        }
        let search = args.halving.is_some() || axes.iter().any(Axis::is_range);
        let held_out =
            ["validation", "validation_split", "validation_last"].iter().any(|key| table.contains_key(*key));
        if search && !held_out && args.folds.is_none() {
            say(&format!(
                "validation: {VALIDATION_SPLIT} of the training samples, for the search to choose by (validation_split)"
            ));
            table.insert("validation_split".into(), VALIDATION_SPLIT.into());
        }
        let mut settings = settings_of(table, "settings").map_err(|error| usage(error.into()))?;
        let first = settings.seed.or(own_seed.and_then(|seed| u64::try_from(seed).ok())).unwrap_or(0);
        settings.seed = None;
        change_paths(&mut settings, |path| path.canonicalize().ok());
        let way = match (args.grid, args.trials) {
            (Some(points), _) => Search::Grid(usize::try_from(points)?),
            (None, Some(trials)) => Search::Random(usize::try_from(trials)?),
            (None, None) if axes.iter().any(Axis::is_range) => Search::Random(usize::try_from(TRIALS)?),
            (None, None) => Search::Grid(0),
        };
        let combinations = combinations(&axes, way, first).map_err(usage)?;
        let words = |c: &Combination| c.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let varies = |name: &str| axes.iter().any(|axis| axis.keys.iter().any(|key| key == name));
        if args.halving.is_some() && (varies("epochs") || varies("steps")) {
            return Err(usage(anyhow!(
                "--halving: expected the same epochs for all, found --vary epochs or steps"
            )));
        }
        if varies("seed") && args.repeat > 1 {
            return Err(usage(anyhow!("--vary seed: expected no --repeat beside it, found both")));
        }
        let plan = Self {
            name,
            vary: args.vary.clone(),
            seeds: (first..first.saturating_add(args.repeat)).collect(),
            folds: args.folds,
            halving: args.halving,
            reach: args.reach,
            search,
            combinations: combinations.iter().map(words).collect(),
            settings: to_toml(&settings)?.parse()?,
        };
        plan.check()?;
        Ok(plan)
    }

    /// Reads `compare.toml`.
    pub fn read(text: &str, file: &str) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("{file}: expected a plan as compare writes it"))
    }

    /// `compare.toml`
    pub fn to_toml(&self) -> Result<String> {
        Ok(format!("# chainrule compare --resume FOLDER continues it.\n{}", toml::to_string(self)?))
    }

    /// Every run, combination by combination.
    pub fn jobs(&self) -> Vec<Job> {
        let folds: Vec<Option<usize>> = match self.folds {
            Some(folds) => (0..folds as usize).map(Some).collect(),
            None => vec![None],
        };
        let mut jobs = Vec::new();
        for combination in 0..self.combinations.len() {
            for &seed in &self.seeds {
                jobs.extend(folds.iter().map(|&fold| Job { combination, seed, fold }));
            }
        }
        jobs
    }

    /// `init=normal, learning_rate=0.1`
    pub fn label(&self, combination: usize) -> String {
        let pair =
            |word: &String| word.split_once('=').map(|(key, value)| (key.to_string(), value.to_string()));
        let pairs: Vec<_> = self.combinations[combination].iter().filter_map(pair).collect();
        label(&pairs, &axes(&self.vary).unwrap_or_default())
    }

    /// `normal, 0.1`
    pub fn values(&self, combination: usize) -> String {
        let axes = axes(&self.vary).unwrap_or_default();
        let value = |key: &String| {
            self.combinations[combination].iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        axes.iter().filter_map(|axis| value(&axis.keys[0])).collect::<Vec<_>>().join(", ")
    }

    /// The settings of a run.
    pub fn settings(&self, job: Job) -> Result<Settings> {
        let mut over = Table::new();
        over.insert("seed".into(), i64::try_from(job.seed).context("a seed above 2^63")?.into());
        for word in &self.combinations[job.combination] {
            let (key, value) = parse_word(word)?;
            over.insert(key, value);
        }
        let mut table = self.settings.clone();
        match (over.contains_key("steps"), over.contains_key("epochs")) {
            (true, false) => drop(table.remove("epochs")),
            (false, true) => drop(table.remove("steps")),
            _ => {}
        }
        lay_over(&mut table, over);
        let settings = settings_of(table, &format!("--vary {}", self.label(job.combination)));
        settings.map_err(|error| Usage(error.into()).into())
    }

    /// Data and settings of a run, with so many threads for its products.
    pub fn prepare(&self, job: Job, threads: usize) -> Result<Prepared> {
        let settings = Settings { threads: Some(threads), ..self.settings(job)? };
        let fold = job.fold.zip(self.folds).map(|(part, of)| Fold { part, of: of as usize });
        prepare_fold(&settings, fold).map_err(setup::refused)
    }

    /// An error of usage with the combination that it belongs to.
    fn blame(&self, combination: usize, error: anyhow::Error) -> anyhow::Error {
        let place = format!("--vary {}", self.label(combination));
        if self.vary.is_empty() || !error.is::<Usage>() || error.to_string().starts_with(&place) {
            return error;
        }
        Usage(error.context(place)).into()
    }

    /// Every combination must be possible, before the first is run. The data is read once.
    fn check(&self) -> Result<()> {
        let jobs = self.jobs();
        let first = self.prepare(jobs[0], 1).map_err(|error| self.blame(0, error))?;
        for combination in 1..self.combinations.len() {
            let settings = self.settings(Job { combination, ..jobs[0] })?;
            let resolved = settings.resolve(&first.train).map_err(|error| setup::refused(error.into()));
            resolved.map_err(|error| self.blame(combination, error))?;
        }
        Ok(())
    }
}

/// The axes of `--vary` texts.
pub fn axes(texts: &[String]) -> Result<Vec<Axis>> {
    texts.iter().map(|text| Axis::parse(text)).collect()
}
