//! Random numbers: named, portable, seeded, one stream for each purpose.
//!
//! The generator is xoshiro256++ (Blackman and Vigna 2021), seeded through SplitMix64; streams lie 2^128 draws
//! apart (its `jump`), so that changing how often one purpose draws never moves another.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator whose state can be saved and restored.
pub type Rng = Xoshiro256PlusPlus;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Initial weights and biases.
    Init,
    /// Order of the samples.
    Shuffle,
    /// Dropped units.
    Dropout,
    /// Which samples are held out as test or validation set.
    Split,
    /// Settings drawn at random.
    Search,
    /// Inputs changed at random, beside an attack.
    Attack,
    /// Which parameters a gradient check looks at.
    Check,
}

/// The generator of `seed` for one purpose.
pub fn stream(seed: u64, purpose: Stream) -> Rng {
    let mut rng = Rng::seed_from_u64(seed);
    for _ in 0..purpose as usize {
        rng.jump();
    }
    rng
}

/// Fisher-Yates: every order of `items` equally likely.
pub fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1, rng));
    }
}

/// A whole number from 0 up to, not including, `bound`.
pub fn below(bound: usize, rng: &mut Rng) -> usize {
    // Drawn as u64 so that 32- and 64-bit machines draw the same numbers.
    rng.random_range(0..bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, purpose| stream(seed, purpose).random::<u64>();
        assert_eq!(draw(1, Stream::Shuffle), draw(1, Stream::Shuffle));
        let all = [
            draw(1, Stream::Init),
            draw(1, Stream::Attack),
            draw(1, Stream::Shuffle),
            draw(1, Stream::Dropout),
            draw(1, Stream::Split),
            draw(2, Stream::Init),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        shuffle(&mut items, &mut stream(3, Stream::Shuffle));
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
