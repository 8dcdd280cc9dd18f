//! From settings to all that a run needs: data read, split, encoded and standardized, every choice made.

use std::path::{Path, PathBuf};

use chainrule::activation::Activation;
use chainrule::batch::TargetCoding;
use chainrule::config::{Order, StopMetric};
use chainrule::network::Network;
use chainrule::recipe::{OneOrMany, Settings};
use chainrule::resolve::Resolved;
use chainrule::train::Sets;
use chainrule::{Dataset, Real};

use crate::model::ModelInfo;
use crate::source::{Loaded, Part, SourceOptions, load, load_with};
use crate::tensors::read_initial;
use crate::{Error, NAMES, Preprocessing, Result, Standardization};

/// The share of a table held out as test set unless the settings say otherwise.
const TEST_SPLIT: f64 = 0.2;
/// The share held out as validation set when early stopping needs one.
const VALIDATION_SPLIT: f64 = 0.1;

/// All that a run needs.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What is learned from.
    pub train: Dataset,
    /// What early stopping watches.
    pub validation: Option<Dataset>,
    /// What the result is measured on.
    pub test: Option<Dataset>,
    /// How further data is read for the model.
    pub preprocessing: Preprocessing,
    /// The network, the training, and the settings with every choice written out.
    pub resolved: Resolved,
}

impl Prepared {
    /// The data sets of the run.
    pub fn sets(&self) -> Sets<'_> {
        Sets { train: &self.train, validation: self.validation.as_ref(), test: self.test.as_ref() }
    }

    /// What the model file will say.
    pub fn model_info(&self) -> ModelInfo {
        let Resolved { spec, config, settings, .. } = &self.resolved;
        // The number of threads and the folder of a file change nothing about the model: the same run gives the same
        // bits anywhere.
        let mut recipe = Settings { threads: None, data_dir: None, ..settings.clone() };
        change_paths(&mut recipe, |path| {
            let whole = path.canonicalize(); // a file of initial weights may be gone by now
            Some(whole.as_deref().unwrap_or(path).file_name()?.into())
        });
        let preprocessing = self.preprocessing.clone();
        ModelInfo::new(spec.clone(), preprocessing, config.evaluation_coding, config.accuracy, recipe)
    }

    /// Own initial weights and biases, if the settings name a file.
    ///
    /// # Errors
    /// If the file does not fit the network.
    pub fn initial_params<T: Real>(&self, network: &Network) -> Result<Option<Vec<T>>> {
        let file = self.resolved.settings.init_from.as_ref();
        file.map(|file| read_initial(Path::new(file), network.layout())).transpose()
    }
}

/// Reads the data that `settings` name and decides everything left open.
///
/// # Errors
/// If no data is named, it cannot be read, or settings and data do not fit each other.
pub fn prepare(settings: &Settings) -> Result<Prepared> {
    prepare_fold(settings, None)
}

/// One part of a cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Which part is held out, from 0.
    pub part: usize,
    /// Of how many.
    pub of: usize,
}

/// [`prepare`], with one fold of the training samples as validation set: each is held out once, and classes have their
/// share in each fold. Columns are standardized by the others alone.
///
/// # Errors
/// As [`prepare`], and if `settings` ask for another validation set, or there are fewer samples than folds.
pub fn prepare_fold(settings: &Settings, fold: Option<Fold>) -> Result<Prepared> {
    let source = settings
        .data
        .as_deref()
        .ok_or_else(|| wrong("data", "a name or a path", "none", "chainrule data list shows the names"))?;
    let options = SourceOptions {
        data_dir: settings.data_dir.as_ref().map(Into::into),
        target: settings.target.as_ref().map(OneOrMany::to_vec).unwrap_or_default(),
        sample_weight: settings.sample_weight.clone(),
    };
    let Loaded { mut train, mut test, encoding, mut notes, standardize_by_default } = load(source, &options)?;
    if let Some(labels) = train.labels()
        && labels.iter().all(|label| *label == labels[0])
    {
        let found = format!("'{}' in all {} samples", train.class_names()[labels[0] as usize], labels.len());
        let error = Error::disagree(format!("classes of '{source}'"), "at least 2", found);
        return Err(error.hint("there is nothing to learn"));
    }
    if let Some(limit) = settings.limit {
        if limit == 0 {
            return Err(wrong("limit", "at least 1 sample", "0", ""));
        }
        train = train.limit(limit)?;
    }
    let seed = settings.seed.unwrap_or(0);
    let mut settings = settings.clone();
    settings.target = settings.target.map(|target| OneOrMany::Many(target.to_vec())); // one way to write it
    let test_split = match (&settings.test, settings.test_split) {
        (Some(_), Some(_)) => {
            return Err(wrong("test and test_split", "one of them", "both", ""));
        }
        (Some(_), None) => None,
        (None, Some(0.0)) => None,
        (None, Some(share)) => {
            if test.is_some() {
                notes.push(format!(
                    "test set: {share} of the training samples; the one of '{source}' is left alone"
                ));
            }
            Some(share)
        }
        (None, None) if standardize_by_default => Some(TEST_SPLIT),
        (None, None) => None,
    };
    if let Some(share) = test_split {
        let (rest, held) = split(&train, share, seed, "test_split")?;
        let how = if train.class_names().is_empty() { "seeded" } else { "seeded, stratified by class" };
        let (train_count, test_count) = (rest.len(), held.len());
        notes.push(format!(
            "split: {train_count} samples to train on, {test_count} held out as test set ({how})"
        ));
        let name = format!("{} test", held.name());
        (train, test) = (rest, Some(held.renamed(name)));
        settings.test_split = Some(share);
    }
    let mut preprocessing = Preprocessing::of(&train, encoding);
    // A test set of its own files numbers its classes by itself, and may have some that the training set has not.
    test = test.map(|test| preprocessing.apply(test)).transpose()?;
    if let Some(labels) = train.labels()
        && let Some(&first) = labels.first()
        && labels.iter().all(|&label| label == first)
    {
        let name = &train.class_names()[first as usize];
        notes.push(format!("note: all {} training samples are of the one class '{name}'", labels.len()));
    }
    let validation = match fold {
        Some(fold) => Some(hold_out_fold(&mut train, &settings, seed, fold)?),
        None => hold_out_validation(&mut train, &mut settings, seed, &mut notes)?,
    };

    let mut resolved = settings.resolve(&train)?;
    let standardize = settings.standardize.unwrap_or(standardize_by_default);
    if standardize {
        let numeric = preprocessing.encoding.as_ref().map_or(vec![], crate::TableEncoding::numeric_inputs);
        let unbounded =
            resolved.spec.layers.last().is_some_and(|layer| layer.activation == Activation::Identity);
        let targets = unbounded && resolved.config.evaluation_coding == TargetCoding::Values;
        let figures = Standardization::fit(&train, &numeric, targets);
        let columns =
            if numeric.is_empty() { train.inputs() } else { numeric.iter().filter(|&&n| n).count() };
        let and_targets = if targets { ", and the targets" } else { "" };
        notes.push(format!(
            "standardize: {columns} numeric columns{and_targets} to mean 0 and deviation 1 (of the training samples)"
        ));
        train = figures.apply(&train)?;
        test = test.map(|test| figures.apply(&test)).transpose()?;
        preprocessing.standardization = Some(figures);
    }
    let standardized = |data: Dataset| match &preprocessing.standardization {
        Some(figures) => figures.apply(&data),
        None => Ok(data),
    };
    let validation = match (validation, &settings.validation) {
        (None, Some(source)) => Some(load_with(source, &preprocessing, &options, Part::Test, true)?.0),
        (held_out, _) => held_out.map(standardized).transpose()?,
    };
    if let Some(source) = &settings.test {
        test = Some(load_with(source, &preprocessing, &options, Part::Test, true)?.0);
    } else if settings.test_split == Some(0.0) {
        test = None;
    }
    if let (Some(validation), Some(test)) = (&validation, &test)
        && validation.features() == test.features()
    {
        let hint = "the test set may choose nothing: validation_split = 0.1 takes training samples";
        return Err(wrong("validation", "other samples than the test set", "the same", hint));
    }
    if resolved.config.order == Order::File
        && train.labels().is_some_and(|l| l.is_sorted() && l[0] != l[l.len() - 1])
    {
        notes.push(
            "warning: the samples come in the order of their labels, unshuffled: the network follows the label of the \
             moment, and its running accuracy says so; trust the test accuracy alone"
                .into(),
        );
    }
    notes.append(&mut resolved.choices);
    resolved.choices = notes;
    resolved.settings.standardize = Some(standardize);
    Ok(Prepared { train, validation, test, preprocessing, resolved })
}

/// A setting that cannot be so.
fn wrong(name: &str, expected: &str, found: &str, hint: &str) -> Error {
    let [name, expected, found, hint] = [name, expected, found, hint].map(ToString::to_string);
    chainrule::Error::Setting { name, expected, found, hint }.into()
}

/// Holds out a share, whose setting is called `name`.
fn split(data: &Dataset, share: f64, seed: u64, name: &str) -> Result<(Dataset, Dataset)> {
    use chainrule::Error::Setting;
    Ok(data.split(share, seed).map_err(|error| match error {
        Setting { expected, found, hint, .. } => Setting { name: name.into(), expected, found, hint },
        other => other,
    })?)
}

/// Replaces the paths in `settings` by what `change` gives for them. Names of data sets stay, and what `change` does
/// not know.
pub fn change_paths(settings: &mut Settings, change: impl Fn(&Path) -> Option<PathBuf>) {
    let changed = |path: &str| change(Path::new(path)).map(|path| path.to_string_lossy().into_owned());
    let Settings { data, test, validation, init_from, data_dir, .. } = settings;
    for source in [data, test, validation].into_iter().flatten() {
        if NAMES.iter().any(|(name, _)| name == source) {
            continue;
        }
        let pair = source.split_once(',').filter(|_| !Path::new(source.as_str()).exists());
        if let Some((images, labels)) = pair {
            let both = (changed(images.trim()), changed(labels.trim()));
            if let (Some(images), Some(labels)) = both {
                *source = format!("{images},{labels}");
            }
        } else if let Some(path) = changed(source) {
            *source = path;
        }
    }
    for source in [init_from, data_dir].into_iter().flatten() {
        if let Some(path) = changed(source) {
            *source = path;
        }
    }
}

/// Takes a fold out of the training set.
fn hold_out_fold(train: &mut Dataset, settings: &Settings, seed: u64, fold: Fold) -> Result<Dataset> {
    let asked = settings.validation.is_some()
        || settings.validation_split.is_some_and(|share| share > 0.0)
        || settings.validation_last.is_some();
    if asked {
        return Err(wrong(
            "folds and validation",
            "one of them",
            "both",
            "each fold is the validation set once",
        ));
    }
    if train.len() < fold.of {
        let expected = format!("at most the {} training samples", train.len());
        return Err(wrong("folds", &expected, &fold.of.to_string(), ""));
    }
    let name = format!("{} fold {}", train.name(), fold.part + 1);
    let (rest, held) = train.fold(fold.part, fold.of, seed)?;
    *train = rest;
    Ok(held.renamed(name))
}

/// Takes the validation samples out of the training set.
fn hold_out_validation(
    train: &mut Dataset,
    settings: &mut Settings,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Option<Dataset>> {
    let needs_one = settings.early_stopping.is_some_and(|patience| patience > 0)
        && settings.early_stopping_metric != Some(StopMetric::TrainLoss);
    let given = [
        settings.validation.is_some(),
        settings.validation_split.is_some(),
        settings.validation_last.is_some(),
    ];
    let share = match (settings.validation_split, given.iter().filter(|&&given| given).count()) {
        (_, 2..) => {
            let what = "validation, validation_split and validation_last";
            return Err(wrong(what, "one of them", "several", ""));
        }
        (Some(0.0), _) if needs_one => {
            let expected = "a share above 0 for early stopping to watch";
            return Err(wrong(
                "validation_split",
                expected,
                "0",
                "or early_stopping_metric = \"train_loss\"",
            ));
        }
        (Some(0.0), _) => None,
        (Some(share), _) => Some(share),
        (None, 0) if needs_one => {
            notes.push("validation: 10 % of the training samples, because early stopping needs some".into());
            Some(VALIDATION_SPLIT)
        }
        (None, _) => None,
    };
    settings.validation_split = share;
    let name = format!("{} validation", train.name());
    if let Some(share) = share {
        let (rest, held) = split(train, share, seed.wrapping_add(1), "validation_split")?;
        *train = rest;
        return Ok(Some(held.renamed(name)));
    }
    if let Some(count) = settings.validation_last {
        let samples = train.len();
        if count == 0 || count >= samples {
            let expected = format!("1 to {} of {samples} samples", samples - 1);
            return Err(wrong("validation_last", &expected, &count.to_string(), ""));
        }
        let held = train.subset(&(samples - count..samples).collect::<Vec<_>>())?;
        *train = train.limit(samples - count)?;
        return Ok(Some(held.renamed(name)));
    }
    Ok(None)
}
