//! All steps, on one thread or several.
//!
//! ```text
//!  each:  forward of its units -- arrive -- last step's update of its other layers -- wait -- other layers, there and back -- update of its units
//! ```
//!
//! Batches of many samples share the way through the other layers, too, and meet after it once more; each thread then still
//! updates all of those layers for itself.

use super::{Batches, Step, layers, update};
use crate::barrier::{self, Barrier};
use crate::dense::PANEL;
use crate::memory::Aligned;
use crate::panel::with_vectors;
use crate::pool::{self, Shared};
use crate::simd::kernel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a thread has of its own.
#[derive(Debug)]
pub(super) struct Own {
    /// a of each layer but the first, and delta of each, `(capacity, width)`.
    pub a: Aligned<f32>,
    pub delta: Aligned<f32>,
    /// z of the output layer, `(capacity, width)`.
    pub z: Aligned<f32>,
    /// W of all layers but the first by outputs, `(m, k)` in panels of 16 inputs.
    pub turned: Aligned<f32>,
    /// Loss of each sample of a batch; NaN if one of its deltas is not finite.
    pub losses: Vec<f32>,
    /// All parameters, of which it uses what does not belong to single units of the first layer; none of the first thread, which
    /// uses the originals.
    pub params: Aligned<f32>,
}

/// Samples of a batch from which threads share the way through the other layers (measured).
const SHARED_FROM: usize = 32;

impl<'a> Step<'a> {
    /// The step as another thread makes it, with copies of all parameters but those of the first layer's units, and, unless the way
    /// through the other layers is shared, buffers of its own.
    ///
    /// # Safety
    /// Nobody writes the originals meanwhile; nobody else uses `own` until the last of its steps has been made.
    unsafe fn of_thread(mut self, own: &mut Own, shared: bool) -> Self {
        for (l, layer) in self.layers.iter().enumerate() {
            let weights = layer.weight..layer.weight + layer.inputs * layer.width();
            let of_units = l == 0 && layer.bias.len() == layer.units;
            let bias = if of_units { 0..0 } else { layer.bias.clone() };
            for range in [weights, bias].into_iter().skip(usize::from(l == 0)) {
                // SAFETY: `Descent::run` has found all parameters to lie within the originals.
                let originals =
                    unsafe { std::slice::from_raw_parts(self.rest.get().add(range.start), range.len()) };
                own.params[range].copy_from_slice(originals);
            }
        }
        let len = own.turned.len();
        // SAFETY: every thread's has the same length.
        own.turned.copy_from_slice(unsafe { std::slice::from_raw_parts(self.turned.get(), len) });
        self.answers = self.answers.filter(|_| shared);
        if !shared {
            self.a = Shared::new(&mut own.a);
            self.delta = Shared::new(&mut own.delta);
            self.z = Shared::new(&mut own.z);
            self.losses = Shared::new(&mut own.losses);
        }
        Self { rest: Shared::new(&mut own.params), turned: Shared::new(&mut own.turned), ..self }
    }
}

/// All steps on this thread; returns how many were made.
pub(super) fn alone(step: Step, batches: Batches, loss_sums: &mut [f64]) -> usize {
    steps(step, batches, Some(loss_sums), None, false)
}

/// All steps on this thread and one for each of `others`; how many were made, and the time from when all had gathered. None, and
/// no step, if so many threads cannot be had at the moment.
pub(super) fn together(
    step: Step,
    batches: Batches,
    loss_sums: &mut [f64],
    others: &mut [Own],
) -> Option<(usize, Duration)> {
    let shared = batches.batch_size >= SHARED_FROM;
    let (sums, others) = ((Shared::new(loss_sums), loss_sums.len()), (Shared::new(others), others.len()));
    let made = Mutex::new((0, Duration::ZERO));
    let all = barrier::run(1 + others.1, |part, barrier| {
        let barrier = Some((barrier, part));
        if part == 0 {
            // SAFETY: this part alone uses them.
            let sums = unsafe { std::slice::from_raw_parts_mut(sums.0.get(), sums.1) };
            let start = Instant::now();
            let count = steps(step, batches, Some(sums), barrier, shared);
            *made.lock().unwrap_or_else(PoisonError::into_inner) = (count, start.elapsed());
        } else {
            // SAFETY: nobody changes what is copied before this part has arrived for the first time. Each part has buffers of its
            // own.
            let step = unsafe { step.of_thread(&mut *others.0.get().add(part - 1), shared) };
            steps(step, batches, None, barrier, shared);
        }
    });
    all.then(|| made.into_inner().unwrap_or_else(PoisonError::into_inner))
}

kernel! {
    /// All steps as one thread makes them, the only one or that which meets others as part number so and so; `shared`: each goes
    /// through the other layers with a share of the samples.
    fn steps<'a>(simd, step: Step<'a>, batches: Batches<'a>, loss_sums: Option<&'a mut [f64]>, barrier: Option<(&'a Barrier, usize)>, shared: bool) -> usize {
        let (mut loss_sums, mut met) = (loss_sums, 0);
        let (part, parts) = barrier.map_or((0, 1), |(barrier, part)| (part, barrier.parts()));
        let units = pool::share(step.layers[0].units, PANEL, part, parts);
        with_vectors!(S, V, {
            let count = batches.rates.len();
            for b in 0..count {
                let now = step.of_batch(&batches, b);
                let all = now.samples.len();
                let samples = if shared { pool::share(all, layers::TOGETHER, part, parts) } else { 0..all };
                // SAFETY (all): `run` has checked every size. Threads write the a of their own units only, and wait for those of
                // the others before reading them; by the time that a buffer of a is written again, the step before has been
                // waited for, and with it whoever read that buffer. All else is this thread's, or if shared of its samples:
                // then the others are waited for before it is read, and by the next step's first barrier everybody has read it.
                unsafe {
                    layers::first_forward::<S, V>(simd, &now, units.clone());
                    if let Some((barrier, part)) = barrier {
                        met += 1;
                        barrier.arrive(part, met);
                        if b > 0 && !shared {
                            // Something to do while the news travels.
                            update::update_rest::<S, V>(simd, &step.of_batch(&batches, b - 1));
                        }
                        barrier.wait(part, met);
                    }
                    layers::through::<S, V>(simd, &now, samples);
                    if let Some((barrier, part)) = barrier && shared {
                        met += 1;
                        barrier.arrive(part, met);
                        barrier.wait(part, met);
                    }
                }
                let loss_sum = now.loss_sum();
                if let Some(sums) = &mut loss_sums {
                    sums[b] = loss_sum;
                }
                if !loss_sum.is_finite() {
                    return b;
                }
                // SAFETY: as above.
                unsafe {
                    update::first_update::<S, V>(simd, &now, units.clone());
                    update::first_shared_bias::<S, V>(simd, &now);
                    if barrier.is_none() || shared || b + 1 == count {
                        update::update_rest::<S, V>(simd, &now);
                    }
                }
            }
            count
        })
    }
}
