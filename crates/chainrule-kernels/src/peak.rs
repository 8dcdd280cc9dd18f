//! The most multiply-adds that this CPU makes: what the speed of products is compared with.

use crate::pool;
use crate::simd::{kernel, mul_add};
use std::hint::black_box;

/// Chains of multiply-adds that run side by side: more than two units with a latency of four or five can have under way, few
/// enough for 16 registers.
const CHAINS: usize = 12;

/// Multiply-adds of f32 in registers, `rounds` of them in each of several chains, on each of `threads` threads. The number of
/// floating-point operations made, two for a multiply-add; the caller holds the clock.
///
/// # Panics
/// As [`pool::run`].
pub fn multiply_adds(rounds: usize, threads: usize) -> f64 {
    let threads = threads.clamp(1, pool::MAX_PARTS);
    pool::run(threads, |_| {
        black_box(chains(black_box(rounds)));
    });
    let (lanes, _) = chains(0);
    2.0 * (rounds * CHAINS * lanes * threads) as f64
}

kernel! {
    /// Numbers of a vector, and the sum of all chains, which nobody needs but the compiler.
    fn chains<>(simd, rounds: usize) -> (usize, f32) {
        let mut acc = [simd.splat_f32s(0.0); CHAINS];
        for (c, acc) in acc.iter_mut().enumerate() {
            *acc = simd.splat_f32s(c as f32);
        }
        let (a, b) = (simd.splat_f32s(black_box(0.5)), simd.splat_f32s(black_box(1.0)));
        for _ in 0..rounds {
            for acc in &mut acc {
                *acc = mul_add(simd, a, *acc, b);
            }
        }
        let sum = acc.into_iter().fold(simd.splat_f32s(0.0), |sum, acc| simd.add_f32s(sum, acc));
        (S::F32_LANES, simd.reduce_sum_f32s(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_computed() {
        let (lanes, none) = chains(0);
        assert_eq!(none, (0..CHAINS * lanes).map(|at| (at / lanes) as f32).sum::<f32>());
        // Every chain goes on to the fixed point of acc/2 + 1.
        assert_eq!(chains(100).1, (2 * CHAINS * lanes) as f32);
        assert_eq!(multiply_adds(10, 2), 2.0 * 2.0 * (10 * CHAINS * lanes) as f64);
    }
}
