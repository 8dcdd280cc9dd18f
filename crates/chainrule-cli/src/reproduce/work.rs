//! The runs themselves: every recipe with every seed, one run per thread, measured on the way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use chainrule::Real;
use chainrule::metrics::Score;
use chainrule::network::Network;
use chainrule::observer::{Observer, Signal};
use chainrule::recipe::{Dtype, Settings};
use chainrule::train::{Ending, EpochRecord, Trainer};
use chainrule_io::{Prepared, prepare};

use super::meter::{Meter, PARTS};
use super::metric::{Metric, Moment, Running, Wanted};
use super::plan::Plan;
use super::probe::Probe;
use crate::setup;

/// What one run gave.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Seconds of training.
    pub seconds: f64,
    /// One for each [`Plan::wanted`].
    pub values: Vec<f64>,
}

/// Runs every seed of every plan on up to `threads` threads. The number of threads changes no result.
///
/// # Errors
/// The first error of a run, with its recipe and seed.
pub fn run(plans: &[Plan], threads: usize) -> Result<Vec<Vec<Measured>>> {
    let seeds =
        |(at, plan): (usize, &Plan)| (0..plan.seeds.len()).map(move |seed| (at, seed)).collect::<Vec<_>>();
    let mut jobs: Vec<(usize, usize)> = plans.iter().enumerate().flat_map(seeds).collect();
    // Long runs first, so that no thread is left with one at the end.
    jobs.sort_by_key(|&(plan, _)| std::cmp::Reverse(plans[plan].settings.epochs));
    let meter = Meter::new(jobs.len());
    let results: Vec<Mutex<Option<Measured>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let error = Mutex::new(None);
    let work = |threads: usize| {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(plan, seed)) = jobs.get(at) else { break };
            let (plan, seed) = (&plans[plan], plans[plan].seeds[seed]);
            match run_one(plan, seed, threads, &meter) {
                Ok(measured) => *lock(&results[at]) = Some(measured),
                Err(why) => {
                    failed.store(true, Ordering::Relaxed);
                    let why = why.context(format!("recipe '{}', seed {seed}", plan.name));
                    lock(&error).get_or_insert(why);
                }
            }
        }
    };
    if jobs.len() == 1 || threads <= 1 {
        setup::start_threads(threads)?;
        work(threads);
    } else {
        std::thread::scope(|scope| {
            (0..threads.min(jobs.len())).for_each(|_| drop(scope.spawn(|| work(1))));
        });
    }
    meter.clear();
    if let Some(error) = lock(&error).take() {
        return Err(error);
    }
    let mut all: Vec<Vec<Measured>> = plans.iter().map(|_| Vec::new()).collect();
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&at| jobs[at]);
    for at in order {
        all[jobs[at].0].push(lock(&results[at]).take().context("a run was not made")?);
    }
    Ok(all)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn run_one(plan: &Plan, seed: u64, threads: usize, meter: &Meter) -> Result<Measured> {
    let name = if plan.seeds.len() > 1 { format!("{} seed {seed}", plan.name) } else { plan.name.clone() };
    let settings = Settings { seed: Some(seed), threads: Some(threads), ..plan.settings.clone() };
    let prepared = prepare(&settings)?;
    let values = match settings.dtype.unwrap_or_default() {
        Dtype::F32 | Dtype::Bf16 => train::<f32>(plan, &prepared, meter, &name),
        Dtype::F64 => train::<f64>(plan, &prepared, meter, &name),
    };
    let measured = values?;
    meter.finished(&name, measured.seconds);
    Ok(measured)
}

fn train<T: Real>(plan: &Plan, prepared: &Prepared, meter: &Meter, name: &str) -> Result<Measured> {
    let network = Network::new(prepared.resolved.spec.clone())?;
    let initial = prepared.initial_params::<T>(&network)?;
    let config = prepared.resolved.config.clone();
    let mut trainer = Trainer::<T>::new(network, config, prepared.sets(), initial)?;
    for wanted in &plan.wanted {
        let (epochs, steps) = (trainer.config().epochs, trainer.total_steps());
        match wanted.at {
            Moment::Epoch(epoch) if epoch >= epochs => bail!("epoch {epoch} of {epochs}: they count from 0"),
            Moment::Step(step) if step > steps => bail!("step {step} of {steps}"),
            _ => {}
        }
    }
    let mut watch = Watch {
        wanted: &plan.wanted,
        values: vec![None; plan.wanted.len()],
        prepared,
        meter,
        name,
        part: 0,
        error: None,
    };
    watch.at_step(&trainer, 0);
    let started = Instant::now();
    let ending = trainer.run(&mut watch)?;
    let seconds = started.elapsed().as_secs_f64();
    if let Some(error) = watch.error {
        return Err(error);
    }
    if ending == Ending::Interrupted {
        bail!("the run was interrupted");
    }
    meter.advance(PARTS - watch.part, name);
    let probe = Probe::new(prepared, trainer.network(), trainer.result());
    let history = &trainer.progress().history;
    let mut values = Vec::with_capacity(plan.wanted.len());
    for (wanted, value) in plan.wanted.iter().zip(watch.values) {
        let value = match (value, wanted.at, &wanted.metric) {
            (Some(value), _, _) => value,
            (None, Moment::End, Metric::Seconds) => seconds,
            (None, Moment::End, metric) => {
                of(&probe, history, metric).with_context(|| format!("{metric:?}"))?
            }
            (None, at, metric) => bail!("{metric:?} at {at:?}: the run ended before"),
        };
        values.push(value);
    }
    Ok(Measured { seconds, values })
}

/// A metric of the last of these epochs, of all of them, or of the network after them.
fn of<T: Real>(probe: &Probe<T>, history: &[EpochRecord], metric: &Metric) -> Result<f64> {
    let last = history.last().context("the run had no epoch")?;
    let best = |score: fn(&EpochRecord) -> Option<Score>| {
        history.iter().filter_map(|record| score(record)?.accuracy).reduce(f64::max)
    };
    let found = match metric {
        Metric::Running(Running::TrainLoss) => Some(last.train.loss),
        Metric::Running(Running::TrainAccuracy) => last.train.accuracy,
        Metric::Running(Running::LastLoss) => Some(last.last_batch_loss),
        Metric::BestValidationAccuracy => best(|record| record.validation),
        Metric::BestTestAccuracy => best(|record| record.test),
        other => return probe.measure(other),
    };
    found.ok_or_else(|| anyhow!("there is no such data set, or its targets have no accuracy"))
}

/// Measures at the epochs and steps that figures name.
struct Watch<'w> {
    wanted: &'w [Wanted],
    values: Vec<Option<f64>>,
    prepared: &'w Prepared,
    meter: &'w Meter,
    name: &'w str,
    part: u64,
    error: Option<anyhow::Error>,
}

impl Watch<'_> {
    fn at_step<T: Real>(&mut self, trainer: &Trainer<T>, step: u64) {
        self.measure(trainer, Moment::Step(step), None);
    }

    fn measure<T: Real>(&mut self, trainer: &Trainer<T>, at: Moment, history: Option<&[EpochRecord]>) {
        let mut probe = None;
        for (index, wanted) in self.wanted.iter().enumerate().filter(|(_, wanted)| wanted.at == at) {
            let probe =
                probe.get_or_insert_with(|| Probe::new(self.prepared, trainer.network(), trainer.params()));
            let value = match history {
                Some(history) => of(probe, history, &wanted.metric),
                None => probe.measure(&wanted.metric),
            };
            match value.with_context(|| format!("{:?} at {at:?}", wanted.metric)) {
                Ok(value) => self.values[index] = Some(value),
                Err(error) => drop(self.error.get_or_insert(error)),
            }
        }
    }

    fn signal(&self) -> Signal {
        if self.error.is_some() { Signal::Stop } else { Signal::Continue }
    }
}

impl<T: Real> Observer<T> for Watch<'_> {
    /// Up to the next step that is wanted, or some steps for the meter.
    fn patience(&mut self, made: u64) -> u64 {
        let wanted = self.wanted.iter().filter_map(|wanted| match wanted.at {
            Moment::Step(step) => step.checked_sub(made).filter(|&left| left > 0),
            _ => None,
        });
        wanted.chain([1000]).min().unwrap_or(1)
    }

    fn on_step(&mut self, trainer: &Trainer<T>) -> Signal {
        let step = trainer.progress().step;
        if self.wanted.iter().any(|wanted| wanted.at == Moment::Step(step)) {
            self.at_step(trainer, step);
        }
        let part = step * PARTS / trainer.total_steps().max(1);
        if part > self.part {
            self.meter.advance(part - self.part, self.name);
            self.part = part;
        }
        self.signal()
    }

    fn on_epoch(&mut self, trainer: &Trainer<T>, record: &EpochRecord) -> Signal {
        self.measure(trainer, Moment::Epoch(record.epoch), Some(&trainer.progress().history));
        self.signal()
    }
}
