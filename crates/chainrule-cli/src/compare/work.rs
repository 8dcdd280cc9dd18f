//! All runs, one per thread.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use super::meter::Meter;
use super::one::{self, Task};
use super::outcome::Outcome;
use super::plan::{Job, Plan};
use crate::run_folder::RunFolder;
use crate::setup;

/// Where a comparison is written, and how its runs are watched.
pub struct Place<'a> {
    /// The comparison's folder.
    pub folder: &'a RunFolder,
    /// Threads: as many runs at a time.
    pub threads: usize,
    /// Set when everything is to stop.
    pub stop: &'a AtomicBool,
    /// No progress.
    pub quiet: bool,
}

/// Runs `jobs` to their end, or to the epoch `until`; what is finished already is read. Results are in the order of
/// `jobs`, the same for any number of threads.
pub fn run(plan: &Plan, jobs: &[Job], until: Option<u64>, place: &Place) -> Result<Vec<Outcome>> {
    let read = |job: &Job| one::finished(&folder(plan, *job, place), until);
    let mut results: Vec<Option<Outcome>> = jobs.iter().map(read).collect::<Result<_>>()?;
    let open: Vec<usize> = (0..jobs.len()).filter(|&at| results[at].is_none()).collect();
    let meter = Meter::new(jobs.len(), jobs.len() - open.len(), place.quiet);
    let made: Vec<Mutex<Option<Outcome>>> = open.iter().map(|_| Mutex::new(None)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let error = Mutex::new(None);
    let work = |threads: usize| {
        while !failed.load(Ordering::Relaxed) && !place.stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(&job) = open.get(at) else { break };
            match one_job(plan, jobs[job], until, threads, &meter, place) {
                Ok(outcome) => *lock(&made[at]) = outcome,
                Err(why) => {
                    failed.store(true, Ordering::Relaxed);
                    lock(&error).get_or_insert(why.context(name(plan, jobs[job])));
                }
            }
        }
    };
    if open.len() == 1 {
        work(place.threads); // it may use all of them itself
    } else {
        std::thread::scope(|scope| {
            (0..place.threads.min(open.len())).for_each(|_| drop(scope.spawn(|| work(1))));
        });
    }
    meter.clear();
    if let Some(error) = lock(&error).take() {
        return Err(error);
    }
    for (&at, made) in open.iter().zip(&made) {
        results[at] = lock(made).take();
    }
    let shown = place.folder.path().display();
    if results.iter().any(Option::is_none) {
        let finished = results.iter().flatten().count();
        bail!(
            "interrupted with {finished} of {} runs finished; to continue: chainrule compare --resume {shown}",
            jobs.len()
        );
    }
    results.into_iter().map(|result| result.context("a run was not made")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one_job(
    plan: &Plan,
    job: Job,
    until: Option<u64>,
    threads: usize,
    meter: &Meter,
    place: &Place,
) -> Result<Option<Outcome>> {
    let prepared = plan.prepare(job, threads)?;
    let (path, name) = (folder(plan, job, place), name(plan, job));
    one::run(&prepared, Task { path: &path, name: &name, until, stop: place.stop, meter })
}

/// `init=normal, seed 3, fold 1`
pub fn name(plan: &Plan, job: Job) -> String {
    let mut name = plan.label(job.combination);
    if plan.seeds.len() > 1 {
        name += &format!(", seed {}", job.seed);
    }
    if let Some(fold) = job.fold {
        name += &format!(", fold {}", fold + 1);
    }
    name
}

/// `runs/1-init-normal/seed-0`
pub fn folder(plan: &Plan, job: Job, place: &Place) -> PathBuf {
    let label: String = plan
        .label(job.combination)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    let mut parts: Vec<&str> = label.split('-').filter(|part| !part.is_empty()).collect();
    while parts.join("-").len() > 60 {
        parts.pop();
    }
    let fold = job.fold.map_or(String::new(), |fold| format!("-fold-{}", fold + 1));
    let combination = format!("{}-{}", job.combination + 1, parts.join("-"));
    place.folder.file("runs").join(combination).join(format!("seed-{}{fold}", job.seed))
}

/// Starts the threads for products, if a single run may use several.
pub fn start(jobs: usize, threads: usize) -> Result<()> {
    setup::start_threads(if jobs == 1 { threads } else { 1 })
}
