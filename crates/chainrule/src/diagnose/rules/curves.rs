//! Rules on the run as a whole and on its data.

use super::{Run, figure, percent};
use crate::Error;
use crate::config::{Order, TrainConfig};
use crate::diagnose::finding::{Finding, Place, Rule};
use crate::diagnose::record::{Measurement, Record};
use crate::metrics::Score;
use crate::train::{EpochRecord, Progress};

/// Root mean square of an input: above this, or of all of them below the other.
const LARGE: f64 = 10.0;
const SMALL: f64 = 0.01;

pub(super) fn unscaled_inputs(run: &Run) -> Option<Finding> {
    let data = &run.record.data;
    let finding = |place, quantity: &str, value, threshold| Finding {
        rule: Rule::UnscaledInputs,
        place,
        step: 0,
        quantity: quantity.into(),
        value,
        threshold,
        evidence: format!("over all inputs {}; standardized inputs have 1", figure(data.inputs_rms)),
    };
    if data.largest_input > LARGE {
        let place = Place::Input(data.largest_input_at);
        return Some(finding(place, "root mean square of the input", data.largest_input, LARGE));
    }
    let small = data.largest_input > 0.0 && data.largest_input < SMALL;
    small.then(|| finding(Place::Run, "root mean square of the largest input", data.largest_input, SMALL))
}

/// The loss is at least so many times that before training.
const RISEN: f64 = 2.0;
/// Or so many times its lowest, by more than this part of the loss before training. On the same samples each time: the
/// running loss of an epoch of four samples rises and falls by as much in healthy runs.
const RISEN_LATER: f64 = 3.0;
const BY: f64 = 0.1;
/// Or the change of W in one step over W, as the median of at least so many steps after the first epoch.
const STRIDE: f64 = 0.5;
const STRIDES: usize = 3;

pub(super) fn learning_rate_too_large(run: &Run) -> Option<Finding> {
    let initial = run.initial_loss()?;
    let finding = |m: &Measurement, quantity: &str, value, threshold, evidence| Finding {
        rule: Rule::LearningRateTooLarge,
        place: Place::Run,
        step: m.step,
        quantity: quantity.into(),
        value,
        threshold,
        evidence,
    };
    let risen = |m: &&Measurement| !(m.loss <= RISEN * initial);
    if let Some(m) = run.record.trained().find(risen).filter(|_| initial > 0.0) {
        let strides = run.record.measurements.iter().filter(|other| other.step <= m.step).filter_map(stride);
        let evidence = format!(
            "loss {} before training, {} after step {}; the largest change of a layer's weights in one step was {} times \
             the weights (learning rate {})",
            figure(initial),
            figure(m.loss),
            m.step,
            figure(strides.fold(0.0, f64::max)),
            crate::short(run.config.learning_rate)
        );
        let times = if m.loss.is_nan() { f64::INFINITY } else { m.loss / initial };
        return Some(finding(m, "loss over the loss before training", times, RISEN, evidence));
    }
    let lowest = run.record.trained().map(|m| m.loss).fold(f64::INFINITY, f64::min);
    let m = run.record.trained().last()?;
    if m.loss > RISEN_LATER * lowest && m.loss - lowest > BY * initial {
        let evidence = format!(
            "loss {} at its lowest, {} now, {} before training (learning rate {})",
            figure(lowest),
            figure(m.loss),
            figure(initial),
            crate::short(run.config.learning_rate)
        );
        return Some(finding(m, "loss over its lowest before", m.loss / lowest, RISEN_LATER, evidence));
    }
    // A single one may be of a sample that is far off, or of weights that began near 0.
    let mut strides: Vec<(f64, &Measurement)> =
        run.record.trained().filter(|m| m.epochs > 0).filter_map(|m| Some((stride(m)?, m))).collect();
    strides.sort_by(|a, b| a.0.total_cmp(&b.0));
    let &(middle, m) = strides.get(strides.len() / 2).filter(|_| strides.len() >= STRIDES)?;
    let evidence = format!(
        "the median of {} steps; learning rate {}",
        strides.len(),
        crate::short(run.config.learning_rate)
    );
    let quantity = "change of a layer's weights in one step over the weights";
    (middle > STRIDE).then(|| finding(m, quantity, middle, STRIDE, evidence))
}

/// The largest change of a layer's weights in one step, over the weights.
fn stride(m: &Measurement) -> Option<f64> {
    m.layers.iter().filter_map(|layer| layer.update_ratio).reduce(f64::max)
}

/// The finding of a run that stopped because a number was no longer finite.
pub fn diverged(record: &Record, config: &TrainConfig, progress: &Progress, error: &Error) -> Finding {
    let strides = record.measurements.iter().filter_map(stride);
    let initial = record.before().map_or(f64::NAN, |m| m.loss);
    let last = record.last().map_or(f64::NAN, |m| m.loss);
    Finding {
        rule: Rule::LearningRateTooLarge,
        place: Place::Run,
        step: progress.step,
        quantity: "loss over the loss before training".into(),
        value: f64::INFINITY,
        threshold: RISEN,
        evidence: format!(
            "{error}; loss {} before training, {} when last measured; the largest change of a layer's weights in one step \
             was {} times the weights (learning rate {})",
            figure(initial),
            figure(last),
            figure(strides.fold(0.0, f64::max)),
            crate::short(config.learning_rate)
        ),
    }
}

/// The loss is still above this part of that before training, and no step changed a layer by more than the other part.
const UNMOVED: f64 = 0.9;
const TINY_STRIDE: f64 = 1e-4;

pub(super) fn learning_rate_too_small(run: &Run) -> Option<Finding> {
    run.progress.ending?;
    let (initial, last) = (run.initial_loss()?, run.record.trained().last()?);
    let largest = run.record.measurements.iter().filter_map(stride).reduce(f64::max)?;
    let unmoved = last.loss > UNMOVED * initial && last.loss <= RISEN * initial;
    (unmoved && largest < TINY_STRIDE && largest > 0.0).then(|| Finding {
        rule: Rule::LearningRateTooSmall,
        place: Place::Run,
        step: last.step,
        quantity: "largest change of a layer's weights in one step over the weights".into(),
        value: largest,
        threshold: TINY_STRIDE,
        evidence: format!(
            "loss {} before training, {} at the end; learning rate {}",
            figure(initial),
            figure(last.loss),
            crate::short(run.config.learning_rate)
        ),
    })
}

/// Running accuracy above that with the epoch's final weights, on training samples.
const AHEAD: f64 = 0.15;
/// Repeated labels above what a random order would have.
const REPEATED: f64 = 0.2;

pub(super) fn label_order(run: &Run) -> Option<Finding> {
    let data = &run.record.data;
    let (same, random) = (data.same_label_as_before?, data.same_label_at_random?);
    if run.config.order != Order::File || same <= random + REPEATED {
        return None;
    }
    let m = run.record.trained().last()?;
    let record = run.progress.history.iter().find(|record| record.step == m.step)?;
    let gap = record.train.accuracy? - m.accuracy?;
    if !(gap > AHEAD) {
        return None;
    }
    let test = record.test.and_then(|test| test.accuracy);
    let test = test.map_or(String::new(), |test| format!(", {} on the test set", percent(test)));
    Some(Finding {
        rule: Rule::LabelOrder,
        place: Place::Run,
        step: m.step,
        quantity: "running accuracy minus accuracy after the epoch, on training samples".into(),
        value: gap,
        threshold: AHEAD,
        evidence: format!(
            "running accuracy {}, with the weights after the epoch {} of the same samples{test}; {} of the samples \
             have the label of the one before ({} in a random order)",
            percent(record.train.accuracy?),
            percent(m.accuracy?),
            percent(same),
            percent(random)
        ),
    })
}

/// A class counts if the probe has at least so many samples of it, and at least this part of an equal share.
const SAMPLES: f64 = 5.0;
const FREQUENT: f64 = 0.25;
/// And after so many steps: before, a class may simply not have been learned yet. On healthy runs one was missing for up to
/// 32 steps.
const ENOUGH: u64 = 100;
/// Names shown.
const NAMES: usize = 12;

pub(super) fn classes_never_predicted(run: &Run) -> Option<Finding> {
    let m = run.record.last().filter(|m| run.progress.ending.is_some() && m.step >= ENOUGH)?;
    let (names, samples) = (&run.record.data.classes, &run.record.data.class_samples);
    let (often, answers) = (crate::metrics::argmax(&m.answers), m.answers.iter().sum::<usize>());
    let total = samples.iter().sum::<usize>() as f64;
    let probed = |n: usize| n as f64 / total * answers as f64;
    let counts = |n: usize| probed(n) >= SAMPLES && n as f64 * samples.len() as f64 >= FREQUENT * total;
    let never: Vec<usize> = (0..m.answers.len().min(samples.len()))
        .filter(|&class| m.answers[class] == 0 && counts(samples[class]))
        .collect();
    let &first = never.first()?;
    let shown: Vec<String> = never.iter().take(NAMES).map(|&class| format!("'{}'", names[class])).collect();
    let more = if never.len() > NAMES { ", …" } else { "" };
    Some(Finding {
        rule: Rule::ClassNeverPredicted,
        place: if never.len() == 1 { Place::Class(first) } else { Place::Run },
        step: m.step,
        quantity: format!(
            "classes, of {}, that none of {answers} training samples is answered with",
            samples.len()
        ),
        value: never.len() as f64,
        threshold: 0.0,
        evidence: format!(
            "never {}{more}; {} of {answers} answers are '{}'",
            shown.join(", "),
            m.answers[often],
            names[often]
        ),
    })
}

/// The loss on held-out samples has risen to this many times its lowest, and training samples are answered better than
/// held-out ones. The gap of the losses alone says too little: where nearly all answers are right the held-out loss of
/// healthy runs is 10 to 100 times the training loss (digits 44 to 76, breast cancer 1 to 656, over 20 seeds), and where
/// targets are noisy (diabetes: 1.3 to 2.7, its held-out loss 1.02 to 1.28 times its lowest) a gap is what an honest fit
/// leaves. What costs something is a loss that rises again.
const RISEN_AGAIN: f64 = 1.5;
/// Accuracy on training samples above that on held-out ones.
const GAP: f64 = 0.1;
/// For targets without accuracy: the held-out loss over the training loss.
const APART: f64 = 5.0;

pub(super) fn overfitting(run: &Run) -> Option<Finding> {
    if run.config.early_stopping.is_some() {
        return None; // the weights of the best epoch are kept
    }
    let held_out = |record: &EpochRecord| record.validation.or(record.test);
    let curve: Vec<(u64, Score)> =
        run.progress.history.iter().filter_map(|r| Some((r.epoch, held_out(r)?))).collect();
    let (m, &(_, now)) = (run.record.trained().last()?, curve.last()?);
    let &(best_epoch, best) = curve.iter().min_by(|a, b| a.1.loss.total_cmp(&b.1.loss))?;
    let rise = now.loss / best.loss;
    let apart = match (m.accuracy, now.accuracy) {
        (Some(train), Some(held)) => train - held > GAP,
        _ => now.loss > APART * m.loss,
    };
    (rise > RISEN_AGAIN && apart).then(|| Finding {
        rule: Rule::Overfitting,
        place: Place::Run,
        step: m.step,
        quantity: "loss on held-out samples over its lowest".into(),
        value: rise,
        threshold: RISEN_AGAIN,
        evidence: format!(
            "it was {} after epoch {best_epoch} and is {} now; on training samples the loss is {}{}",
            figure(best.loss),
            figure(now.loss),
            figure(m.loss),
            match (m.accuracy, now.accuracy) {
                (Some(train), Some(held)) => {
                    format!(", the accuracy {} against {} of held-out ones", percent(train), percent(held))
                }
                _ => String::new(),
            }
        ),
    })
}
