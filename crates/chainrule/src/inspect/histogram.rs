//! How many numbers lie where, over all orders of magnitude.
//!
//! A bin is one of 256 equal parts of an octave [2^k, 2^(k+1)), of either sign: its width is at most 1/256 of its numbers.
//! Bins are the same for all data, so that histograms of different moments can be compared, and finding one takes no
//! logarithm: it is the upper bits of the number. Numbers below 2^-60 count as 0, as deltas do in training.

/// Bits of the fraction that tell bins apart.
const BITS: u32 = 8;
/// Bits that are dropped.
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - BITS;
/// The first bin begins at 2^-60, the last ends at 2^60 and holds what lies beyond, too.
const FIRST: u64 = (1023 - 60) << BITS;
const KEYS: i32 = 120 << BITS;

/// The spread of many numbers, with their exact extremes and sums.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// How many numbers there are. Those that are not finite are not among them.
    pub count: u64,
    /// How many were not finite.
    pub not_finite: u64,
    /// The smallest; infinite without any.
    pub min: f64,
    /// The largest; negative infinite without any.
    pub max: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_squares: f64,
    /// Bins that hold any, by rising key, with how many.
    bins: Vec<(i32, u64)>,
}

/// A range of numbers and how many lie in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// How many numbers it holds.
    pub count: u64,
}

impl Histogram {
    /// The histogram of `values`.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut counts = vec![0u64; 2 * KEYS as usize + 1];
        let mut all = Self {
            count: 0,
            not_finite: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            sum_squares: 0.0,
            bins: Vec::new(),
        };
        for value in values {
            if !value.is_finite() {
                all.not_finite += 1;
                continue;
            }
            all.count += 1;
            (all.min, all.max) = (all.min.min(value), all.max.max(value));
            all.sum += value;
            all.sum_squares += value * value;
            counts[(key(value) + KEYS) as usize] += 1;
        }
        let keyed = counts.into_iter().zip(-KEYS..).filter(|&(count, _)| count > 0);
        all.bins = keyed.map(|(count, key)| (key, count)).collect();
        all
    }

    /// The mean; NaN without numbers.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// The standard deviation, of all numbers and not of a sample of them; NaN without numbers.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        (self.sum_squares / self.count as f64 - mean * mean).max(0.0).sqrt()
    }

    /// The bins that hold any numbers, by rising place. `parts` of an octave make a bin: 1, 2, 4, … 256.
    ///
    /// # Panics
    /// If `parts` is no such number.
    pub fn bins(&self, parts: u32) -> Vec<Bin> {
        assert!(parts.is_power_of_two() && parts <= 1 << BITS, "{parts} parts of an octave");
        let joined = BITS - parts.trailing_zeros();
        let mut bins: Vec<(i32, u64)> = Vec::new();
        for &(key, count) in &self.bins {
            // Keys of either sign begin at 1; 0 is the bin of 0.
            let coarse = key.signum() * (((key.abs() - 1) >> joined) + 1);
            match bins.last_mut().filter(|(last, _)| *last == coarse) {
                Some((_, sum)) => *sum += count,
                None => bins.push((coarse, count)),
            }
        }
        bins.into_iter()
            .map(|(key, count)| {
                let (low, high) = edges(key, joined);
                Bin { low, high, count }
            })
            .collect()
    }

    /// The number below which a share of all lies, to the width of a bin; 0 without numbers.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = share.clamp(0.0, 1.0) * self.count as f64;
        let mut below = 0.0;
        for bin in self.bins(1 << BITS) {
            let count = bin.count as f64;
            if below + count >= wanted {
                let inside = bin.low + (wanted - below) / count * (bin.high - bin.low);
                return inside.clamp(self.min, self.max);
            }
            below += count;
        }
        if self.count > 0 { self.max } else { 0.0 }
    }

    /// How many numbers lie in each of `parts` equal parts of `low` to `high`; a bin that lies in several is shared out
    /// by its length in each. Those outside are left out.
    pub fn spread(&self, low: f64, high: f64, parts: usize) -> Vec<f64> {
        // No number lies beyond the extremes, however wide the bin they are in.
        let inside = |bin: Bin| (bin.low.max(self.min), bin.high.min(self.max), bin.count as f64);
        share_out(self.bins(1 << BITS).into_iter().map(inside), low, high, parts)
    }

    /// The same of their sizes, without signs and zeros, `low` and `high` being powers of ten.
    pub fn spread_sizes(&self, low: f64, high: f64, parts: usize) -> Vec<f64> {
        share_out(self.sizes().into_iter(), low, high, parts)
    }

    /// The power of ten below which a share of all sizes lies, zeros left out; nothing if all are 0.
    pub fn size_quantile(&self, share: f64) -> Option<f64> {
        let sizes = self.sizes();
        let wanted = share.clamp(0.0, 1.0) * sizes.iter().map(|(_, _, count)| count).sum::<f64>();
        let mut below = 0.0;
        let reached = sizes.iter().find(|(_, _, count)| {
            below += count;
            below >= wanted
        });
        reached.map(|&(_, high, _)| high)
    }

    /// The same without zeros, of which there can be so many that nothing else shows.
    #[must_use]
    pub fn without_zeros(&self) -> Self {
        let bins = self.bins.iter().copied().filter(|(key, _)| *key != 0).collect();
        Self { count: self.count - self.zeros(), bins, ..*self }
    }

    /// How many numbers are 0.
    pub fn zeros(&self) -> u64 {
        self.bins.iter().find(|(key, _)| *key == 0).map_or(0, |&(_, count)| count)
    }

    /// Bins of sizes other than 0, by rising place: where they begin and end as powers of ten, and how many they hold.
    fn sizes(&self) -> Vec<(f64, f64, f64)> {
        let mut sizes = std::collections::BTreeMap::new();
        for (key, count) in self.bins.iter().filter(|(key, _)| *key != 0) {
            *sizes.entry(key.abs()).or_insert(0u64) += count;
        }
        let with_edges = |(key, count)| {
            let (low, high) = edges(key, 0);
            (low.log10(), high.log10(), count as f64)
        };
        sizes.into_iter().map(with_edges).collect()
    }
}

/// How much of `ranges` (begin, end, count) lies in each of `parts` equal parts of `low` to `high`.
fn share_out(ranges: impl Iterator<Item = (f64, f64, f64)>, low: f64, high: f64, parts: usize) -> Vec<f64> {
    let mut counts = vec![0.0; parts];
    let width = (high - low) / parts as f64;
    if !(width > 0.0) {
        return counts;
    }
    let place = |v: f64| ((v - low) / width).floor();
    for (from, to, count) in ranges {
        if from >= to || place(from) == place(to) {
            // The upper edge belongs to the last part.
            let at = if from == high { parts as f64 - 1.0 } else { place(from) };
            if (0.0..parts as f64).contains(&at) {
                counts[at as usize] += count;
            }
            continue;
        }
        let (mut at, last) = (place(from).max(0.0), place(to).min(parts as f64 - 1.0));
        while at <= last {
            let (begin, end) = (low + at * width, low + (at + 1.0) * width);
            counts[at as usize] += count * (to.min(end) - from.max(begin)).max(0.0) / (to - from);
            at += 1.0;
        }
    }
    counts
}

/// The bin of a finite number: 0 for 0, from 1 upwards by size, negative for negative numbers.
fn key(value: f64) -> i32 {
    let bits = value.abs().to_bits() >> SHIFT;
    if bits < FIRST {
        return 0;
    }
    let size = (bits - FIRST).min(KEYS as u64 - 1) as i32 + 1;
    if value < 0.0 { -size } else { size }
}

/// Where the bin of `key` begins and ends, 2^`joined` of the finest bins being one.
fn edges(key: i32, joined: u32) -> (f64, f64) {
    let edge = |size: u64| f64::from_bits((FIRST + (size << joined)) << SHIFT);
    let size = u64::from(key.unsigned_abs());
    match key {
        0 => (-edge(0), edge(0)),
        1.. => (edge(size - 1), edge(size)),
        _ => (-edge(size), -edge(size - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_its_bin() {
        let values = [0.0, -0.0, 1e-300, 1e-17, -1e-17, 0.3, 1.0, -1.0, 1.003, 255.9, -3.5e7, 1.1e18];
        for parts in [1, 8, 256] {
            for value in values {
                let bins = Histogram::of([value].into_iter()).bins(parts);
                let Bin { low, high, count } = bins[0];
                assert_eq!((bins.len(), count), (1, 1));
                assert!(low <= value && value <= high, "{value} in {low}..{high}");
                let width = (value.abs() / f64::from(parts)).max(2f64.powi(-59)); // the bin of 0
                assert!(high - low <= width, "{value}: {low}..{high} of {parts}");
            }
        }
        let beyond = Histogram::of([1e30].into_iter()).bins(8);
        assert_eq!(beyond[0].high, 2f64.powi(60));
    }

    #[test]
    fn figures_are_those_of_the_numbers() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 100.0 - 3.0).collect();
        let mut with_nan = values.clone();
        with_nan.extend([f64::NAN, f64::INFINITY]);
        let all = Histogram::of(with_nan.into_iter());
        assert_eq!((all.count, all.not_finite, all.min, all.max), (1000, 2, -3.0, 6.99));
        assert!((all.mean() - 1.995).abs() <= 1e-12);
        assert!((all.deviation() - (999_999f64 / 12.0).sqrt() / 100.0).abs() <= 1e-9); // of a row of 1000 places
        for share in [0.0, 0.1, 0.5, 0.99, 1.0] {
            let exact = -3.0 + 9.99 * share;
            assert!((all.quantile(share) - exact).abs() <= 0.03, "{share}: {}", all.quantile(share));
        }
        for parts in [1, 8, 256] {
            assert_eq!(all.bins(parts).iter().map(|bin| bin.count).sum::<u64>(), 1000);
            assert!(all.bins(parts).windows(2).all(|pair| pair[0].high <= pair[1].low));
        }
    }

    #[test]
    fn a_spread_counts_all_that_lies_inside() {
        let values: Vec<f64> = (0..10_000).map(|i| (f64::from(i) + 0.5) / 10_000.0).collect();
        let all = Histogram::of(values.into_iter());
        let spread = all.spread(0.0, 1.0, 10);
        assert!((spread.iter().sum::<f64>() - 10_000.0).abs() <= 1e-6);
        assert!(spread.iter().all(|count| (count - 1000.0).abs() <= 40.0), "{spread:?}");
        let half = all.spread(0.0, 0.5, 5);
        assert!((half.iter().sum::<f64>() - 5000.0).abs() <= 40.0);
        let same = Histogram::of([1.0; 7].into_iter());
        assert_eq!(same.spread(0.0, 1.0, 4), [0.0, 0.0, 0.0, 7.0]);
        assert_eq!(same.spread(1.0, 2.0, 2), [7.0, 0.0]);
        assert_eq!(same.spread(1.0, 1.0, 2), [0.0, 0.0]);
        let sizes = Histogram::of([-100.0, 0.0, 0.01, 0.011, 3.0].into_iter());
        assert_eq!((sizes.zeros(), sizes.without_zeros().zeros(), sizes.without_zeros().count), (1, 0, 4));
        let spread = sizes.spread_sizes(-3.0, 3.0, 6); // 0.01 has a bin on both sides of it
        assert!((spread.iter().sum::<f64>() - 4.0).abs() <= 1e-9, "{spread:?}");
        assert!(spread[3] == 1.0 && spread[0] + spread[1] >= 1.999, "{spread:?}");
        let most = sizes.size_quantile(1.0).unwrap();
        assert!((most - 2.0).abs() <= 0.002, "{most}");
        assert_eq!(Histogram::of([0.0].into_iter()).size_quantile(0.5), None);
        let nothing = Histogram::of(std::iter::empty());
        assert!(nothing.mean().is_nan() && nothing.quantile(0.5) == 0.0);
    }
}
