//! The samples that excite a unit most.

use crate::batch::TargetCoding;
use crate::dataset::Dataset;
use crate::network::{Network, Workspace};
use crate::{Real, plan};

/// Samples per forward pass.
const CHUNK: usize = 256;

/// A sample and what it does to a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excited {
    /// Index into the data set.
    pub sample: usize,
    /// The unit's pre-activation.
    pub z: f64,
    /// Its activation.
    pub a: f64,
}

/// For each of `layers` and each of its units the up to `most` samples of `data` with the largest activation, the largest
/// first. Equal activations (a saturated sigmoid's) are ordered by z, then by sample.
///
/// # Panics
/// If `params` is shorter than the layout, or a layer does not exist.
pub fn exciting<T: Real>(
    net: &Network,
    params: &[T],
    data: &Dataset,
    coding: TargetCoding,
    layers: &[usize],
    most: usize,
) -> Vec<Vec<Vec<Excited>>> {
    let units = |&l: &usize| vec![Vec::with_capacity(most + 1); net.spec().layers[l].units];
    let mut found: Vec<Vec<Vec<Excited>>> = layers.iter().map(units).collect();
    if layers.is_empty() || most == 0 {
        return found;
    }
    let capacity = CHUNK.min(data.len());
    let mut batch = plan::batch::<T>(net, data, capacity);
    let mut ws = Workspace::new(net, capacity, 1);
    for start in (0..data.len()).step_by(CHUNK) {
        let samples = start..data.len().min(start + CHUNK);
        batch.gather(data, coding, &[], samples.clone());
        net.forward(params, batch.input(), &mut ws);
        for (&l, units) in layers.iter().zip(&mut found) {
            let rows = ws.z(l).chunks_exact(units.len()).zip(ws.a(l).chunks_exact(units.len()));
            for (sample, (z, a)) in samples.clone().zip(rows) {
                for ((unit, z), a) in units.iter_mut().zip(z).zip(a) {
                    insert(unit, Excited { sample, z: z.to_f64(), a: a.to_f64() }, most);
                }
            }
        }
    }
    found
}

/// Puts a sample where it belongs among the best. Samples come by rising index: a tie goes to the one before.
fn insert(best: &mut Vec<Excited>, new: Excited, most: usize) {
    let beats = |old: &Excited| (new.a, new.z) > (old.a, old.z); // never if one is NaN
    if new.a.is_nan() || (best.len() >= most && !best.last().is_some_and(beats)) {
        return;
    }
    let at = best.iter().position(beats).unwrap_or(best.len());
    best.insert(at, new);
    best.truncate(most);
}
