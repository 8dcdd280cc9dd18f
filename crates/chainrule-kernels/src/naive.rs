//! The kernels as their equations read: three loops, no tricks. The reference that tests compare with.
//!
//! Letters: `n` samples, `k` inputs, `m` units. All matrices are row-major.

use crate::Real;
use crate::dense::Dims;

/// z(s, j) = sum_i x(s, i) w(i, j) + b(j); a bias of one number is shared by all units.
pub fn forward<T: Real>(d: Dims, x: &[T], w: &[T], bias: &[T], z: &mut [T]) {
    for s in 0..d.n {
        for j in 0..d.m {
            let mut sum = match bias.len() {
                0 => T::default(),
                1 => bias[0],
                _ => bias[j],
            };
            for i in 0..d.k {
                sum += x[s * d.k + i] * w[i * d.m + j];
            }
            z[s * d.m + j] = sum;
        }
    }
}

/// dx(s, i) = sum_j delta(s, j) w(i, j): the sum of BP2, over the units that input i feeds.
pub fn input_gradient<T: Real>(d: Dims, delta: &[T], w: &[T], dx: &mut [T]) {
    for s in 0..d.n {
        for i in 0..d.k {
            dx[s * d.k + i] = (0..d.m).map(|j| delta[s * d.m + j] * w[i * d.m + j]).sum();
        }
    }
}

/// dw(i, j) = sum_s x(s, i) delta(s, j): BP4, summed over the batch.
pub fn weight_gradient<T: Real>(d: Dims, x: &[T], delta: &[T], dw: &mut [T]) {
    for i in 0..d.k {
        for j in 0..d.m {
            dw[i * d.m + j] = (0..d.n).map(|s| x[s * d.k + i] * delta[s * d.m + j]).sum();
        }
    }
}

/// db(j) = sum_s delta(s, j): BP3, summed over the batch; one shared bias takes the sum over units too.
pub fn bias_gradient<T: Real>(d: Dims, delta: &[T], db: &mut [T]) {
    let m = d.m;
    match db.len() {
        0 => {}
        1 => db[0] = delta[..d.n * m].iter().copied().sum(),
        _ => {
            for (j, out) in db.iter_mut().enumerate() {
                *out = (0..d.n).map(|s| delta[s * m + j]).sum();
            }
        }
    }
}
