//! Parts of a data set: some of its samples, splits and folds.

use super::{Dataset, Features, Targets};
use crate::rng::{self, Stream};
use crate::{Error, Result};

impl Dataset {
    /// The samples at `indices`, in that order.
    ///
    /// # Errors
    /// If `indices` is empty.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let inputs = self.inputs();
        fn pick<V: Copy>(values: &[V], width: usize, indices: &[usize]) -> Vec<V> {
            indices.iter().flat_map(|&i| &values[i * width..(i + 1) * width]).copied().collect()
        }
        let features = match &self.features {
            Features::Bytes { values, scale } => {
                Features::Bytes { values: pick(values, inputs, indices), scale: *scale }
            }
            Features::Reals(values) => Features::Reals(pick(values, inputs, indices)),
        };
        let targets = match &self.targets {
            Targets::Classes { labels, names } => {
                Targets::Classes { labels: pick(labels, 1, indices), names: names.clone() }
            }
            Targets::Values { values, names } => {
                Targets::Values { values: pick(values, names.len(), indices), names: names.clone() }
            }
        };
        let mut data = Self::new(self.name.clone(), self.shape.clone(), features, targets)?;
        data.sample_weights = self.sample_weights.as_ref().map(|weights| pick(weights, 1, indices));
        Ok(data)
    }

    /// The first `count` samples (all, if there are fewer).
    ///
    /// # Errors
    /// If `count` is 0.
    pub fn limit(&self, count: usize) -> Result<Self> {
        self.subset(&(0..self.len().min(count)).collect::<Vec<_>>())
    }

    /// Splits off a seeded random share as (rest, held out), each in the original order.
    ///
    /// With classes the split is *stratified*: every class gives its share, rounded, and keeps at least one sample
    /// in the rest.
    ///
    /// # Errors
    /// If the fraction is not between 0 and 1, or leaves one side empty.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::setting("split", "a fraction above 0 and below 1", fraction));
        }
        let mut held_out = vec![false; self.len()];
        for group in self.shuffled_groups(seed) {
            let share = (group.len() as f64 * fraction).round() as usize;
            for &sample in &group[..share.min(group.len().saturating_sub(1))] {
                held_out[sample] = true;
            }
        }
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&sample| held_out[sample]);
        if held.is_empty() || rest.is_empty() {
            let problem = format!("{} samples are too few to hold out {fraction}", self.len());
            return Err(Error::data(&self.name, problem, "give a test set, or a larger fraction"));
        }
        Ok((self.subset(&rest)?, self.subset(&held)?))
    }

    /// Part `part` of `of` equal ones for cross-validation, as (rest, held out), each in the original order. Over all
    /// parts every sample is held out once; with classes the parts are stratified.
    ///
    /// # Errors
    /// If a side is empty.
    pub fn fold(&self, part: usize, of: usize, seed: u64) -> Result<(Self, Self)> {
        let dealt: Vec<usize> = self.shuffled_groups(seed).concat();
        let mut held_out = vec![false; self.len()];
        dealt.iter().skip(part).step_by(of).for_each(|&sample| held_out[sample] = true);
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&sample| held_out[sample]);
        Ok((self.subset(&rest)?, self.subset(&held)?))
    }

    /// The samples of each class, or all of them, in a seeded random order.
    fn shuffled_groups(&self, seed: u64) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = match &self.targets {
            Targets::Classes { labels, names } => {
                let mut groups = vec![Vec::new(); names.len()];
                for (sample, &label) in labels.iter().enumerate() {
                    groups[label as usize].push(sample);
                }
                groups
            }
            Targets::Values { .. } => vec![(0..self.len()).collect()],
        };
        let mut rng = rng::stream(seed, Stream::Split);
        groups.iter_mut().for_each(|group| rng::shuffle(group, &mut rng));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(labels: &[u32]) -> Dataset {
        let names = vec!["a".into(), "b".into(), "c".into()];
        let features = Features::Reals((0..labels.len()).map(|i| i as f64).collect());
        Dataset::new("t", vec![1], features, Targets::Classes { labels: labels.to_vec(), names }).unwrap()
    }

    #[test]
    fn split_is_stratified_seeded_and_complete() {
        let labels: Vec<u32> = (0..100)
            .map(|i| {
                if i < 50 {
                    0
                } else if i < 80 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let data = classes(&labels);
        let (rest, held) = data.split(0.2, 5).unwrap();
        let count = |data: &Dataset, class| data.labels().unwrap().iter().filter(|&&l| l == class).count();
        assert_eq!([count(&held, 0), count(&held, 1), count(&held, 2)], [10, 6, 4]);
        let mut all: Vec<f64> =
            (0..80).map(|i| rest.row(i)[0]).chain((0..20).map(|i| held.row(i)[0])).collect();
        all.sort_by(f64::total_cmp);
        assert_eq!(all, (0..100).map(f64::from).collect::<Vec<_>>());
        assert_eq!(data.split(0.2, 5).unwrap().1, held);
        assert_ne!(data.split(0.2, 6).unwrap().1, held);
    }

    #[test]
    fn split_keeps_one_sample_of_each_class_for_training() {
        let (rest, held) = classes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).split(0.9, 0).unwrap();
        assert!(rest.labels().unwrap().contains(&1) && !held.labels().unwrap().contains(&1));
        assert!(classes(&[0]).split(0.5, 0).is_err());
        assert!(classes(&[0, 0]).split(f64::NAN, 0).is_err());
    }

    #[test]
    fn folds_hold_out_every_sample_once_and_are_stratified() {
        let data = classes(&[0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
        let mut all = Vec::new();
        for part in 0..3 {
            let (rest, held) = data.fold(part, 3, 4).unwrap();
            assert_eq!(rest.len() + held.len(), 11);
            let of = |class| held.labels().unwrap().iter().filter(|&&label| label == class).count();
            assert!(of(0) == 2 && of(1) == 1 && of(2) <= 1, "{:?}", held.labels());
            all.extend((0..held.len()).map(|i| held.row(i)[0]));
        }
        all.sort_by(f64::total_cmp);
        assert_eq!(all, (0..11).map(f64::from).collect::<Vec<_>>());
        assert!(classes(&[0, 1]).fold(2, 3, 0).is_err());
    }
}
