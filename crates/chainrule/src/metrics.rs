//! Metrics: what a network's answers are worth.

use crate::Real;
use serde::{Deserialize, Serialize};

/// When an answer counts as correct.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accuracy {
    /// The largest output is the target's class.
    Argmax,
    /// Each output is on its target's side of 1/2; the share of outputs.
    Threshold,
    /// Every output is within this distance of its target.
    Within(f64),
    /// The question has no meaning: real targets without a tolerance.
    None,
}

impl Accuracy {
    /// How correct the answer `a` is for the target `y`: 0, 1, or a share of outputs; nothing without meaning.
    pub fn correct<T: Real>(self, a: &[T], y: &[T]) -> f64 {
        match self {
            Self::Argmax => f64::from(argmax(a) == argmax(y) && !a.iter().any(|v| v.to_f64().is_nan())),
            Self::Threshold => {
                let half = T::from_f64(0.5);
                let right = a.iter().zip(y).filter(|&(&a, &y)| (a >= half) == (y >= half)).count();
                right as f64 / a.len() as f64
            }
            Self::Within(tolerance) => {
                f64::from(a.iter().zip(y).all(|(&a, &y)| (a - y).abs().to_f64() <= tolerance))
            }
            Self::None => 0.0,
        }
    }

    /// `correct / count`, if that has a meaning.
    pub fn rate(self, correct: f64, count: f64) -> Option<f64> {
        (self != Self::None && count > 0.0).then(|| correct / count)
    }
}

/// Index of the largest value, the first of equals.
pub fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, j| if values[j] > values[best] { j } else { best })
}

/// Whether [`argmax`] of `values` is `j`, of numbers that are not NaN; without a branch that depends on them.
pub(crate) fn is_argmax<T: PartialOrd + Copy>(values: &[T], j: usize) -> bool {
    let most = values[j];
    values.iter().enumerate().fold(true, |is, (i, &v)| is & ((v < most) | (i >= j) & (v == most)))
}

/// The class that a row of outputs stands for: the largest, or of one output (two classes) whether it is at least 1/2.
pub fn answer<T: Real>(outputs: &[T]) -> usize {
    match outputs {
        [one] => usize::from(*one >= T::from_f64(0.5)),
        _ => argmax(outputs),
    }
}

/// The two figures followed while training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The loss without penalties, reduced as [`crate::loss::Loss::reduction`] says.
    #[serde(with = "crate::number")]
    pub loss: f64,
    /// Share of correct answers, if that has a meaning.
    pub accuracy: Option<f64>,
}

/// Metrics of a classification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Number of samples.
    pub samples: usize,
    /// Share of samples whose largest output is their class.
    pub accuracy: f64,
    /// (k, share of samples whose class is among the k largest outputs), for k = 3 and 5 below the number of classes.
    pub top_k: Vec<(usize, f64)>,
    /// Mean of -ln of the probability given to the true class; probabilities are outputs divided by their sum.
    pub log_loss: Option<f64>,
    /// Samples by [true class][predicted class].
    pub confusion: Vec<Vec<u64>>,
    /// Per class.
    pub classes: Vec<ClassMetrics>,
    /// Unweighted mean over classes that occur.
    pub macro_average: ClassMetrics,
    /// Mean weighted by support.
    pub weighted_average: ClassMetrics,
}

/// Precision, recall and F1 of one class, or their average.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Class name, or the kind of average.
    pub name: String,
    /// Share of its predictions that are right; 0 if it was never predicted.
    pub precision: f64,
    /// Share of its samples that were found; 0 if it has none.
    pub recall: f64,
    /// Harmonic mean of both; 0 if both are.
    pub f1: f64,
    /// Number of its samples.
    pub support: u64,
}

/// Metrics of `outputs (n, classes)` for the true `labels`; with one output per sample (two classes), the output is
/// the probability of class 1.
pub fn classification<T: Real>(outputs: &[T], labels: &[u32], names: &[String]) -> Classification {
    let (n, classes) = (labels.len(), names.len());
    let width = outputs.len() / n.max(1);
    let mut confusion = vec![vec![0u64; classes]; classes];
    let (mut log_sum, mut is_probability) = (0.0, true);
    let ks: Vec<usize> = [3, 5].into_iter().filter(|&k| k < classes).collect();
    let mut in_top = vec![0usize; ks.len()];
    for (row, &label) in outputs.chunks_exact(width.max(1)).zip(labels) {
        let mut p: Vec<f64> = row.iter().map(|v| v.to_f64()).collect();
        if width == 1 {
            p = vec![1.0 - p[0], p[0]];
        }
        let label = label as usize;
        confusion[label][answer(row)] += 1;
        // Of equal outputs the first comes first, as in `argmax`; NaN answers nothing.
        let above = |(j, &v): (usize, &f64)| v > p[label] || (v == p[label] && j < label);
        let rank = p.iter().enumerate().filter(|&entry| above(entry)).count();
        let answered = !p.iter().any(|v| v.is_nan());
        for (count, &k) in in_top.iter_mut().zip(&ks) {
            *count += usize::from(answered && rank < k);
        }
        let total: f64 = p.iter().sum();
        is_probability &= total > 0.0 && p.iter().all(|&v| v >= 0.0);
        // A probability of exactly 0 would cost infinitely much: bounded as scikit-learn does.
        log_sum -= (p[label] / total).max(f64::EPSILON).ln();
    }
    let of_class = |c: usize| {
        let right = confusion[c][c] as f64;
        let support: u64 = confusion[c].iter().sum();
        let predicted: u64 = confusion.iter().map(|row| row[c]).sum();
        let (precision, recall) = (ratio(right, predicted as f64), ratio(right, support as f64));
        let f1 = ratio(2.0 * precision * recall, precision + recall);
        ClassMetrics { name: names[c].clone(), precision, recall, f1, support }
    };
    let per_class: Vec<ClassMetrics> = (0..classes).map(of_class).collect();
    let right: u64 = (0..classes).map(|c| confusion[c][c]).sum();
    let n_f = n as f64;
    Classification {
        samples: n,
        accuracy: ratio(right as f64, n_f),
        top_k: ks.into_iter().zip(in_top).map(|(k, count)| (k, ratio(count as f64, n_f))).collect(),
        log_loss: is_probability.then(|| ratio(log_sum, n_f)),
        macro_average: average("macro average", &per_class, |class| f64::from(class.support > 0)),
        weighted_average: average("weighted average", &per_class, |class| class.support as f64),
        confusion,
        classes: per_class,
    }
}

fn average(name: &str, classes: &[ClassMetrics], weight: impl Fn(&ClassMetrics) -> f64) -> ClassMetrics {
    let total: f64 = classes.iter().map(&weight).sum();
    let mean = |value: fn(&ClassMetrics) -> f64| {
        ratio(classes.iter().map(|class| weight(class) * value(class)).sum(), total)
    };
    ClassMetrics {
        name: name.into(),
        precision: mean(|class| class.precision),
        recall: mean(|class| class.recall),
        f1: mean(|class| class.f1),
        support: classes.iter().map(|class| class.support).sum(),
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// Metrics of real-valued answers, over all samples and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Mean of e^2.
    pub mse: f64,
    /// Its root, in the unit of the target.
    pub rmse: f64,
    /// Mean of |e|.
    pub mae: f64,
    /// 1 - sum e^2 / sum (y - mean y)^2, averaged over outputs; nothing when the targets are constant.
    pub r2: Option<f64>,
}

/// Metrics of `outputs` for `targets`, both `(n, width)`.
pub fn regression(outputs: &[f64], targets: &[f64], width: usize) -> Regression {
    let count = outputs.len() as f64;
    let errors = || outputs.iter().zip(targets).map(|(a, y)| a - y);
    let mse = ratio(errors().map(|e| e * e).sum(), count);
    let column =
        |values: &'_ [f64], j: usize| values.iter().skip(j).step_by(width).copied().collect::<Vec<_>>();
    let mut r2 = Some(0.0);
    for j in 0..width {
        let (a, y) = (column(outputs, j), column(targets, j));
        let mean = ratio(y.iter().sum(), y.len() as f64);
        let total: f64 = y.iter().map(|v| (v - mean).powi(2)).sum();
        let left: f64 = a.iter().zip(&y).map(|(a, y)| (a - y).powi(2)).sum();
        r2 = r2.filter(|_| total > 0.0).map(|sum| sum + (1.0 - left / total) / width as f64);
    }
    Regression { mse, rmse: mse.sqrt(), mae: ratio(errors().map(f64::abs).sum(), count), r2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12, "{got} is not {want}");
    }

    /// Expected values worked by hand from the confusion matrix [[2, 1, 0], [0, 1, 1], [0, 0, 1]].
    #[test]
    fn classification_by_hand() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let one_hot = |c: usize| (0..3).map(move |j| if j == c { 0.8 } else { 0.1 });
        let outputs: Vec<f64> = [0, 0, 1, 1, 2, 2].into_iter().flat_map(one_hot).collect();
        let got = classification(&outputs, &[0, 0, 0, 1, 1, 2], &names);
        assert_eq!(got.confusion, [[2, 1, 0], [0, 1, 1], [0, 0, 1]]);
        near(got.accuracy, 4.0 / 6.0);
        near(got.classes[0].precision, 1.0);
        near(got.classes[0].recall, 2.0 / 3.0);
        near(got.classes[1].f1, 0.5);
        near(got.macro_average.precision, (1.0 + 0.5 + 0.5) / 3.0);
        near(got.weighted_average.recall, 4.0 / 6.0);
        near(got.log_loss.unwrap(), -(4.0 * 0.8f64.ln() + 2.0 * 0.1f64.ln()) / 6.0);
        assert!(got.top_k.is_empty());
    }

    #[test]
    fn one_index_is_that_of_the_largest() {
        // Every row of four numbers from three: with all kinds of equals.
        for row in 0..81 {
            let values: Vec<i32> = [1, 3, 9, 27].iter().map(|power| row / power % 3).collect();
            for j in 0..4 {
                assert_eq!(is_argmax(&values, j), argmax(&values) == j, "{values:?}, {j}");
            }
        }
    }

    #[test]
    fn top_k_counts_the_k_largest() {
        let names: Vec<String> = (0..6).map(|c| c.to_string()).collect();
        let outputs = [0.3, 0.25, 0.2, 0.1, 0.1, 0.05];
        assert_eq!(classification(&outputs, &[2], &names).top_k, [(3, 1.0), (5, 1.0)]);
        assert_eq!(classification(&outputs, &[3], &names).top_k, [(3, 0.0), (5, 1.0)]);
        let equal = classification(&[0.1; 6], &[4], &names);
        assert_eq!(equal.top_k, [(3, 0.0), (5, 1.0)], "ties rank by index");
        assert_eq!(classification(&[f64::NAN; 6], &[0], &names).top_k, [(3, 0.0), (5, 0.0)]);
        assert_eq!((answer(&[0.5]), answer(&[0.49]), answer(&[0.2, 0.2])), (1, 0, 0));
    }

    #[test]
    fn regression_by_hand() {
        let got = regression(&[1.0, 2.0, 3.0], &[1.0, 3.0, 5.0], 1);
        near(got.mse, 5.0 / 3.0);
        near(got.rmse, (5.0f64 / 3.0).sqrt());
        near(got.mae, 1.0);
        near(got.r2.unwrap(), 1.0 - 5.0 / 8.0);
        assert_eq!(regression(&[1.0, 2.0], &[1.0, 1.0], 1).r2, None);
    }

    #[test]
    fn kinds_of_correct() {
        assert_eq!(Accuracy::Argmax.correct(&[0.1, 0.7], &[0.0, 1.0]), 1.0);
        assert_eq!(Accuracy::Argmax.correct(&[f64::NAN, 0.7], &[0.0, 1.0]), 0.0);
        assert_eq!(Accuracy::Threshold.correct(&[0.6, 0.7], &[0.0, 1.0]), 0.5);
        assert_eq!(Accuracy::Within(0.001).correct(&[0.0005], &[0.0]), 1.0);
        assert_eq!(Accuracy::Within(0.001).correct(&[f64::NAN], &[0.0]), 0.0);
        assert_eq!(Accuracy::None.rate(1.0, 1.0), None);
    }
}
