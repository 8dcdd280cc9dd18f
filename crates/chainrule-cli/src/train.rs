//! `chainrule train`

use std::path::Path;

use anyhow::{Context, Result, bail};
use chainrule::network::Network;
use chainrule::recipe::{Dtype, Settings};
use chainrule::train::{Ending, Trainer};
use chainrule::{Real, simd};
use chainrule_io::recipes::{lay_over, read_recipe, settings_of, to_toml};
use chainrule_io::{Extra, HistoryColumns, Prepared, fingerprint, prepare};

use crate::args::TrainArgs;
use crate::run_folder::RunFolder;
use crate::watch::{Watch, stop_flag};
use crate::{Usage, finish, setup};

/// Trains, or continues a run.
pub fn run(args: &TrainArgs) -> Result<()> {
    let folder = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let settings = match &folder {
        Some(folder) => resumed_settings(folder, args)?,
        None => setup::settings(&args.words, &args.flags)?,
    };
    setup::start_threads(settings.threads.unwrap_or(1))?;
    let prepared = prepare(&settings)?;
    match settings.dtype.unwrap_or_default() {
        Dtype::F32 => run_as::<f32>(args, folder, &prepared),
        Dtype::F64 => run_as::<f64>(args, folder, &prepared),
    }
}

/// The settings of the run; only what does not change its course may be given anew.
fn resumed_settings(folder: &RunFolder, args: &TrainArgs) -> Result<Settings> {
    let mut table = read_recipe(&folder.file("config.toml"))?;
    let over = args.flags.table()?;
    let free = ["epochs", "steps", "threads", "data_dir"];
    let fixed = over.keys().find(|key| !free.contains(&key.as_str()));
    if let Some(other) = args.words.first().or(fixed) {
        let error = anyhow::anyhow!(
            "--resume: expected at most {}, found {other} (a run keeps its settings; start another without --resume)",
            free.join(", ")
        );
        return Err(Usage(error).into());
    }
    lay_over(&mut table, over);
    let mut settings = settings_of(table, &folder.file("config.toml").display().to_string())?;
    if settings.threads.is_none() {
        settings.threads = Some(std::thread::available_parallelism().map_or(1, usize::from));
    }
    Ok(settings)
}

fn run_as<T: Real>(args: &TrainArgs, folder: Option<RunFolder>, prepared: &Prepared) -> Result<()> {
    let resolved = &prepared.resolved;
    let network = Network::new(resolved.spec.clone())?;
    let initial = prepared.initial_params::<T>(&network)?;
    let mut trainer = Trainer::<T>::new(network, resolved.config.clone(), prepared.sets(), initial)?;
    let mut extra = Extra {
        fingerprint: fingerprint(&prepared.train),
        simd: simd::Level::detect().name().into(),
        ..Extra::default()
    };
    let show = !args.quiet;
    let folder = match folder {
        None => {
            let config = config_toml(prepared)?;
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
            match folder.load::<T>(trainer.network().layout())? {
                Some(mut saved) => {
                    if saved.extra.fingerprint != extra.fingerprint {
                        bail!(
                            "{}: the training data '{}' is not what the run began with (restore it, or start another run)",
                            folder.path().display(),
                            prepared.train.name()
                        );
                    }
                    if saved.extra.simd != extra.simd && show {
                        eprintln!(
                            "note: the run began on {}, this CPU computes with {}: the last bits may differ",
                            saved.extra.simd, extra.simd
                        );
                    }
                    if saved.snapshot.progress.ending == Some(Ending::Finished) {
                        saved.snapshot.progress.ending = None; // more epochs or steps may have been asked for
                    }
                    extra = saved.extra;
                    trainer.restore(saved.snapshot)?;
                }
                None if show => eprintln!("no checkpoint yet: the run begins anew"),
                None => {}
            }
            if show && trainer.progress().step > 0 {
                eprintln!("{}: continuing after step {}", folder.path().display(), trainer.progress().step);
            }
            folder
        }
    };
    let columns = HistoryColumns {
        evaluated_train: resolved.config.evaluate_train,
        validation: prepared.validation.is_some(),
    };
    let past = trainer.progress().history.clone();
    let mut watch =
        Watch::new(folder.clone(), columns, extra, &past, args.checkpoint_every, stop_flag()?, args.quiet)?;
    let ending = trainer.run(&mut watch);
    let closed = watch.close();
    let shown = folder.path().display();
    let resume = format!("chainrule train --resume {shown}");
    let kept = || format!("what was saved last is in {shown}/checkpoint; to continue: {resume}");
    let ending = ending.with_context(|| format!("training stopped; the run folder is {shown}"))?;
    closed.with_context(kept)?;
    watch.save(&trainer).with_context(kept)?;
    if ending == Ending::Interrupted {
        bail!("interrupted after step {}; to continue: {resume}", trainer.progress().step);
    }
    finish::finish(&trainer, prepared, &folder, &watch, ending, args).with_context(|| {
        format!("the run is complete, but its results could not be written; to try again: {resume}")
    })
}

/// `config.toml`: every resolved setting. Paths are made absolute, so that a run resumes from any folder.
fn config_toml(prepared: &Prepared) -> Result<String> {
    let mut settings = prepared.resolved.settings.clone();
    settings.threads = None;
    for path in [
        &mut settings.data,
        &mut settings.test,
        &mut settings.validation,
        &mut settings.init_from,
        &mut settings.data_dir,
    ] {
        if let Some(name) = path
            && let Ok(whole) = Path::new(name).canonicalize()
        {
            *name = whole.to_string_lossy().into_owned();
        }
    }
    let command = "# chainrule train --config THIS_FILE trains it again; --resume FOLDER continues it.\n";
    Ok(format!("{command}{}", to_toml(&settings)?))
}

/// `digits` of `digits`, `my` of `path/to/my.csv`.
fn short_name(data: &str) -> String {
    Path::new(data).file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned())
}
