//! `chainrule train`

use std::path::Path;

use anyhow::{Context, Result, bail};
use chainrule::network::Network;
use chainrule::recipe::{Dtype, Settings};
use chainrule::train::{Ending, Trainer};
use chainrule::{Dataset, Real, simd};
use chainrule_io::prepare::{change_paths, prepare};
use chainrule_io::recipes::{lay_over, read_recipe, settings_of, to_toml};
use chainrule_io::{Checkpoint, Extra, HistoryColumns, Prepared, fingerprint};

use crate::args::TrainArgs;
use crate::profile::{self, Laps, Profile};
use crate::run_folder::RunFolder;
use crate::tensorboard::{self, Board};
use crate::watch::{Watch, say, stop_flag};
use crate::{Usage, finish, setup};

/// Trains, or continues a run.
pub fn run(args: &TrainArgs) -> Result<()> {
    tensorboard::check(args)?;
    let folder = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let settings = match &folder {
        Some(folder) => resumed_settings(folder, args)?,
        None => setup::settings(&args.words, &args.flags)?,
    };
    setup::start_threads(settings.threads.unwrap_or(1))?;
    let prepared = prepare(&settings).map_err(setup::refused)?;
    let mut laps = Laps::default(); // from the beginning of the process
    laps.lap("reading data and settings");
    match settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => run_as::<f32>(args, folder, &prepared, laps),
        Dtype::F64 => run_as::<f64>(args, folder, &prepared, laps),
    }
}

/// The settings of the run; only what does not change its course may be given anew.
fn resumed_settings(folder: &RunFolder, args: &TrainArgs) -> Result<Settings> {
    let mut table = read_recipe(&folder.file("config.toml"))?;
    let over = args.flags.table()?;
    let free = ["epochs", "steps", "threads", "data_dir"];
    let fixed = over.keys().map(String::as_str).find(|key| !free.contains(key));
    let config = args.flags.config.as_ref().map(|_| "config");
    if let Some(other) = args.words.first().map(String::as_str).or(fixed).or(config) {
        let error = anyhow::anyhow!(
            "--resume: expected at most {}, found {other} (a run keeps its settings; start another without --resume)",
            free.join(", ")
        );
        return Err(Usage(error).into());
    }
    // As when a run begins: epochs given anew replace its steps, and the other way round.
    match (over.contains_key("steps"), over.contains_key("epochs")) {
        (true, false) => drop(table.remove("epochs")),
        (false, true) => drop(table.remove("steps")),
        _ => {}
    }
    lay_over(&mut table, over);
    let mut settings = settings_of(table, &folder.file("config.toml").display().to_string())?;
    settings.threads = Some(setup::threads(settings.threads));
    Ok(settings)
}

fn run_as<T: Real>(
    args: &TrainArgs,
    folder: Option<RunFolder>,
    prepared: &Prepared,
    mut laps: Laps,
) -> Result<()> {
    let resolved = &prepared.resolved;
    let network = Network::new(resolved.spec.clone())?;
    let mut extra = Extra {
        fingerprint: fingerprints(prepared),
        simd: simd::Level::current().name().into(),
        ..Extra::default()
    };
    let show = !args.quiet;
    let saved = match &folder {
        Some(folder) => folder.load::<T>(network.layout())?,
        None => None,
    };
    // A run that has begun no longer needs the file of its initial weights.
    let initial = if saved.is_some() { None } else { prepared.initial_params::<T>(&network)? };
    let mut trainer = Trainer::<T>::new(network, resolved.config.clone(), prepared.sets(), initial)?;
    let stop = stop_flag()?; // before there is a folder: whoever interrupts a run that has one learns how to go on
    let config = config_toml(prepared)?;
    let folder = match folder {
        None => {
            let name = short_name(resolved.settings.data.as_deref().unwrap_or("run"));
            let folder = match &args.run_dir {
                Some(path) => RunFolder::create(path, &config)?,
                None => RunFolder::create_numbered(&name, &config)?,
            };
            if show {
                finish::print_choices(prepared, &folder);
            }
            folder
        }
        Some(folder) => {
            match saved {
                Some(saved) => extra = go_on(&mut trainer, saved, &extra, &folder, prepared, show)?,
                None if show => say("no checkpoint yet: the run begins anew"),
                None => {}
            }
            folder.write("config.toml", &config)?; // with the epochs or steps given anew
            folder
        }
    };
    let columns = HistoryColumns {
        evaluated_train: resolved.config.evaluate_train,
        validation: prepared.validation.is_some(),
    };
    let mut watch =
        Watch::new(folder.clone(), columns, extra, &trainer, args.checkpoint_every, stop, args.quiet)?;
    if trainer.progress().step < trainer.total_steps() {
        let board = tensorboard::folder(args, &folder)?.map(|events| Board::new(&events, &trainer));
        watch.show_to(board.transpose()?);
    }
    if args.profile {
        trainer.profile_by(profile::now);
        watch.measure_laps();
    }
    laps.lap("planning, and making buffers");
    let ending = trainer.run(&mut watch);
    laps.lap(profile::RUN);
    if let (Err(error @ chainrule::Error::NonFinite { .. }), true) = (&ending, show) {
        watch.explain(&trainer, error);
    }
    let closed = watch.close();
    let shown = folder.path().display();
    let resume = format!("chainrule train --resume {shown}");
    let kept = || format!("what was saved last is in {shown}/checkpoint; to continue: {resume}");
    let ending = ending.with_context(|| format!("training stopped; the run folder is {shown}"))?;
    closed.with_context(kept)?;
    watch.save(&trainer).with_context(kept)?;
    laps.lap("writing the last checkpoint");
    if ending == Ending::Interrupted {
        bail!("interrupted after step {}; to continue: {resume}", trainer.progress().step);
    }
    let results =
        finish::finish(&trainer, prepared, &folder, &watch, ending, &mut laps).with_context(|| {
            format!("the run is complete, but its results could not be written; to try again: {resume}")
        })?;
    let profile = watch.laps().and_then(|watching| Profile::new(&trainer, &laps, watching));
    finish::print_results(&results, profile.as_ref(), &folder, args)
        .context("cannot write to standard output")
}

/// Puts `trainer` where the checkpoint `saved` stands; what belongs to it beside the trainer is returned.
fn go_on<T: Real>(
    trainer: &mut Trainer<T>,
    mut saved: Checkpoint<T>,
    now: &Extra,
    folder: &RunFolder,
    prepared: &Prepared,
    show: bool,
) -> Result<Extra> {
    let shown = folder.path().display();
    same_data(&saved.extra.fingerprint, prepared, folder.path())?;
    if saved.extra.simd != now.simd && show {
        say(&format!(
            "note: the run began on {}, this CPU computes with {}: the last bits may differ",
            saved.extra.simd, now.simd
        ));
    }
    let (made, planned) = (saved.snapshot.progress.step, trainer.total_steps());
    if made > planned {
        let error = anyhow::anyhow!(
            "--resume {shown}: expected epochs or steps for at least the {made} steps made, found {planned} steps"
        );
        return Err(Usage(error).into());
    }
    if saved.snapshot.progress.ending == Some(Ending::Finished) {
        saved.snapshot.progress.ending = None; // more epochs or steps may have been asked for
    }
    if show && (made == planned || saved.snapshot.progress.ending.is_some()) {
        say(&format!("{shown}: the run is complete after step {made}; its results are written again"));
    } else if show && made > 0 {
        say(&format!("{shown}: continuing after step {made}"));
    }
    trainer.restore(saved.snapshot)?;
    Ok(saved.extra)
}

/// Refuses data that has changed since the run in `folder` began: `saved` is what its checkpoint says of it.
pub fn same_data(saved: &str, prepared: &Prepared, folder: &Path) -> Result<()> {
    if saved == fingerprints(prepared) {
        return Ok(());
    }
    bail!(
        "{}: expected the data that the run began with, found other samples in '{}' or what belongs to it \
         (restore it, or start another run)",
        folder.display(),
        prepared.train.name()
    );
}

/// The fingerprints of all data that a run reads: were one set changed, its history would tell of two.
pub fn fingerprints(prepared: &Prepared) -> String {
    let sets = [Some(&prepared.train), prepared.validation.as_ref(), prepared.test.as_ref()];
    let print = |set: Option<&Dataset>| set.map_or("-".into(), fingerprint);
    sets.map(print).join(" ")
}

/// `config.toml`: every resolved setting. Paths are made absolute, so that a run resumes from any folder.
pub fn config_toml(prepared: &Prepared) -> Result<String> {
    let mut settings = prepared.resolved.settings.clone();
    settings.threads = None;
    change_paths(&mut settings, |path| path.canonicalize().ok());
    let command = "# chainrule train --config THIS_FILE trains it again; --resume FOLDER continues it.\n";
    Ok(format!("{command}{}", to_toml(&settings)?))
}

/// `digits` of `digits`, `my` of `path/to/my.csv`.
pub fn short_name(data: &str) -> String {
    Path::new(data).file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned())
}
