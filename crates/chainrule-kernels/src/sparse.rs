//! The first layer over samples that are mostly zeros: lists of nonzero inputs instead of rows of numbers.
//!
//! A digit of MNIST has 150 nonzero pixels of 784. Each of them concerns one row of W: in each panel of 16 units
//! ([`crate::dense`]) one cache line.
//!
//! ```text
//!  sample: (input, value)        panel                   forward:   acc = value * w(input) + acc
//!           3   0.5  ------->  row 3  [ 0 … 15 ]         descent:   w(input) = value * (-rate delta) + w(input)
//!           7   1.0  ------->  row 7  [ 0 … 15 ]
//! ```
//!
//! One panel goes through all samples of a batch before the next: the rows that a batch uses then stay in the first cache level.
//! Forward sums run in four chains, nonzero input by nonzero input in turn, because one chain would wait for itself: their
//! bits differ from those of the dense kernels. Gradients are summed in the order of the samples, as there; descent rounds
//! once per sample instead of once per batch.
//!
//! Letters: `n` samples, `k` inputs, `m` units.

mod compact;

use crate::activation::Nonlinearity;
use crate::dense::{Dims, PANEL};
use crate::panel::{self, Panel, with_vectors};
use crate::pool::{self, Shared};
use crate::product::PARALLEL_FROM;
use crate::simd::{kernel, mul_add};
use pulp::Simd;
use std::cell::RefCell;
use std::ops::Range;

mod build;

pub use build::count_nonzeros;

/// Samples as lists of their nonzero inputs, in the order of the inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseRows {
    inputs: usize,
    /// Where each sample's list begins; one more than there are samples.
    starts: Vec<u32>,
    columns: Vec<u16>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// Bytes, and what each of the 256 stands for.
    Bytes(Vec<u8>, Box<[f32; 256]>),
    Reals(Vec<f32>),
}

impl SparseRows {
    /// The nonzero inputs of `bytes (samples, inputs)`; an input is `byte * scale`, rounded once. None if there are more
    /// than 65,536 inputs, which the lists have no room for.
    pub fn from_bytes(bytes: &[u8], inputs: usize, scale: f64) -> Option<Self> {
        Self::from_bytes_up_to(1.0, bytes, inputs, scale)
    }

    /// As [`SparseRows::from_bytes`], but none, soon, if more than a share `most` of the inputs is nonzero.
    pub fn from_bytes_up_to(most: f64, bytes: &[u8], inputs: usize, scale: f64) -> Option<Self> {
        let (starts, columns, values) = build::lists(bytes, inputs, most, |byte| byte, build::list_bytes)?;
        let table = std::array::from_fn(|byte| (byte as f64 * scale) as f32);
        Some(Self { inputs, starts, columns, values: Values::Bytes(values, Box::new(table)) })
    }

    /// The nonzero inputs of `numbers (samples, inputs)`. None if there are more than 65,536 inputs.
    pub fn from_reals(numbers: &[f64], inputs: usize) -> Option<Self> {
        Self::from_reals_up_to(1.0, numbers, inputs)
    }

    /// As [`SparseRows::from_reals`], but none, soon, if more than a share `most` of the inputs is nonzero.
    pub fn from_reals_up_to(most: f64, numbers: &[f64], inputs: usize) -> Option<Self> {
        let stored = |x| x as f32;
        let list =
            |row: &[f64], columns: &mut [u16], kept: &mut [f32]| build::list_row(row, stored, columns, kept);
        let (starts, columns, values) = build::lists(numbers, inputs, most, stored, list)?;
        Some(Self { inputs, starts, columns, values: Values::Reals(values) })
    }

    /// No samples yet, with room for `capacity` of them: see [`SparseRows::refill`]. None if there are more than 65,536
    /// inputs.
    pub fn with_capacity(capacity: usize, inputs: usize) -> Option<Self> {
        if inputs == 0 || inputs > 1 << 16 || u32::try_from(capacity * inputs).is_err() {
            return None;
        }
        let mut starts = Vec::with_capacity(capacity + 1);
        starts.push(0);
        let room = capacity * inputs + compact::SLACK;
        Some(Self { inputs, starts, columns: vec![0; room], values: Values::Reals(vec![0.0; room]) })
    }

    /// Replaces all samples by those of `x (n, inputs)`. Allocates nothing if there is room for them, as
    /// [`SparseRows::with_capacity`] makes it; lists of bytes become lists of numbers.
    pub fn refill(&mut self, x: &[f32]) {
        let mut values = match std::mem::replace(&mut self.values, Values::Reals(Vec::new())) {
            Values::Reals(values) => values,
            Values::Bytes(..) => Vec::new(),
        };
        let room = x.len() + compact::SLACK;
        if values.len() < room || self.columns.len() < room {
            values.resize(room, 0.0);
            self.columns.resize(room, 0);
        }
        self.starts.clear();
        self.starts.push(0);
        let mut end = 0;
        for row in x.chunks_exact(self.inputs) {
            end += compact::nonzeros(row, &mut self.columns[end..], &mut values[end..]);
            self.starts.push(end as u32);
        }
        self.values = Values::Reals(values);
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inputs of a sample, zeros included.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Nonzero inputs of all samples.
    pub fn nonzeros(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// Nonzero inputs of the sample that has most.
    fn longest(&self) -> usize {
        self.starts.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0)
    }

    /// Memory of the lists.
    pub fn bytes(&self) -> usize {
        let value = if matches!(self.values, Values::Bytes(..)) { 1 } else { 4 };
        self.columns.len() * (2 + value) + self.starts.len() * 4
    }

    #[inline(always)]
    fn list(&self, sample: usize) -> Range<usize> {
        self.starts[sample] as usize..self.starts[sample + 1] as usize
    }

    /// Nonzero inputs of `samples`.
    fn count(&self, samples: &[usize]) -> usize {
        samples.iter().map(|&s| self.list(s).len()).sum()
    }

    /// Calls `each` with the number and value of every nonzero input of `sample`, in their order.
    #[inline(always)]
    pub(crate) fn each(&self, sample: usize, mut each: impl FnMut(usize, f32)) {
        let list = self.list(sample);
        let columns = &self.columns[list.clone()];
        match &self.values {
            Values::Bytes(values, table) => {
                for (&i, &byte) in columns.iter().zip(&values[list]) {
                    each(usize::from(i), table[usize::from(byte)]);
                }
            }
            Values::Reals(values) => {
                for (&i, &value) in columns.iter().zip(&values[list]) {
                    each(usize::from(i), value);
                }
            }
        }
    }

    /// [`SparseRows::each`], four at a time: `each` also gets the place among the four.
    #[inline(always)]
    pub(crate) fn each_in_four(&self, sample: usize, each: impl FnMut(usize, usize, f32)) {
        let list = self.list(sample);
        let columns = &self.columns[list.clone()];
        match &self.values {
            Values::Bytes(values, table) => {
                in_four(columns, &values[list], |byte| table[usize::from(byte)], each);
            }
            Values::Reals(values) => {
                in_four(columns, &values[list], |value| value, each);
            }
        }
    }

    /// Asks for the list of `sample` to be brought near: samples come in random order, which no cache foresees.
    #[inline(always)]
    pub(crate) fn prefetch(&self, sample: usize) {
        let list = self.list(sample);
        crate::memory::prefetch(&self.columns[list.clone()]);
        match &self.values {
            Values::Bytes(values, _) => crate::memory::prefetch(&values[list]),
            Values::Reals(values) => crate::memory::prefetch(&values[list]),
        }
    }

    /// Writes the inputs of `sample`, zeros included, to `row (inputs)`.
    pub fn write_row(&self, sample: usize, row: &mut [f32]) {
        row.fill(0.0);
        self.each(sample, |i, value| row[i] = value);
    }
}

#[inline(always)]
fn in_four<B: Copy>(
    columns: &[u16],
    values: &[B],
    value: impl Fn(B) -> f32,
    mut each: impl FnMut(usize, usize, f32),
) {
    assert_eq!(columns.len(), values.len());
    let mut at = 0;
    // SAFETY: `at` and the three numbers after it lie within the lists. The columns are read as volatile so that they stay
    // single numbers: gathered in a vector, each would have to be taken out again to serve as an address.
    while at + 4 <= columns.len() {
        for chain in 0..4 {
            unsafe {
                let column = columns.as_ptr().add(at + chain).read_volatile();
                each(chain, usize::from(column), value(*values.get_unchecked(at + chain)));
            }
        }
        at += 4;
    }
    for (chain, at) in (at..columns.len()).enumerate() {
        each(chain, usize::from(columns[at]), value(values[at]));
    }
}

/// What makes the pointers of this file sound: `samples` exist, and w has `k` rows in each of its panels.
fn check(rows: &SparseRows, samples: &[usize], d: Dims, w: usize, others: &[usize]) {
    assert!(d.n == samples.len() && d.k == rows.inputs, "sparse: sizes of another data set");
    assert!(w >= d.weights(), "sparse: short weights");
    assert!(others.iter().all(|&len| len >= d.n * d.m), "sparse: short buffer");
    assert!(samples.iter().all(|&s| s < rows.len()), "sparse: no such sample");
}

/// Splits panels over threads, if every thread gets at least one and there is work for it.
fn parts(m: usize, nonzeros: usize, threads: usize) -> usize {
    if nonzeros * m >= PARALLEL_FROM / 4 { threads.min(m.div_ceil(PANEL)) } else { 1 }
}

/// z = x w + b and a = f(z) for `samples` of `rows`; `z` and `a (n, m)`, a bias of `m`, 1 or 0 numbers.
///
/// # Panics
/// If a slice is shorter than its shape, or `d` does not fit `rows` and `samples`.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    w: &[f32],
    bias: &[f32],
    f: Nonlinearity,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
) {
    check(rows, samples, d, w.len(), &[z.len(), a.len()]);
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == d.m, "sparse: bias of another length");
    let parts = parts(d.m, rows.count(samples), threads);
    let (z, a) = (Shared::new(z), Shared::new(a));
    pool::run(parts, |part| {
        forward_panels(rows, samples, d, w, bias, f, z, a, pool::share(d.m, PANEL, part, parts));
    });
}

kernel! {
    fn forward_panels<'a>(simd, rows: &'a SparseRows, samples: &'a [usize], d: Dims, w: &'a [f32], bias: &'a [f32], f: Nonlinearity, z: Shared<f32>, a: Shared<f32>, units: Range<usize>) {
        with_vectors!(S, V, {
            panels(units, #[inline(always)] |left, two| {
                for (s, &sample) in samples.iter().enumerate() {
                    // SAFETY: panels have `rows.inputs()` rows (`check`), two of them if two are asked for.
                    let sums: [Panel<S, V>; 2] = unsafe {
                        let w = w.as_ptr().add(left * d.k);
                        if two {
                            sum_rows::<S, V, 2>(simd, rows, sample, w, [panel::bias(simd, bias, left), panel::bias(simd, bias, left + PANEL)])
                        } else {
                            let [sum] = sum_rows::<S, V, 1>(simd, rows, sample, w, [panel::bias(simd, bias, left)]);
                            [sum; 2]
                        }
                    };
                    for (p, mut sum) in sums.into_iter().take(1 + usize::from(two)).enumerate() {
                        let left = left + p * PANEL;
                        // SAFETY: `check` has found row s within z and a, of which this part owns these units.
                        let (z, a) = unsafe {
                            let (at, count) = (s * d.m + left, PANEL.min(d.m - left));
                            (std::slice::from_raw_parts_mut(z.get().add(at), count),
                             std::slice::from_raw_parts_mut(a.get().add(at), count))
                        };
                        panel::store_part(simd, z, sum);
                        for z in &mut sum {
                            *z = f.value(simd, *z);
                        }
                        panel::store_part(simd, a, sum);
                    }
                }
            });
        });
    }
}

/// Calls `each` with the first unit of every two panels, and of a last single one.
#[inline(always)]
pub(crate) fn panels(units: Range<usize>, mut each: impl FnMut(usize, bool)) {
    let mut left = units.start;
    while left < units.end {
        let two = units.end - left > PANEL;
        each(left, two);
        left += PANEL * (1 + usize::from(two));
    }
}

/// start + x w for one sample and P panels side by side, over its nonzero inputs, in four chains.
///
/// # Safety
/// `panels` is readable for P panels with a row of 16 numbers for every input of `rows`.
#[inline(always)]
pub(crate) unsafe fn sum_rows<S: Simd, const V: usize, const P: usize>(
    simd: S,
    rows: &SparseRows,
    sample: usize,
    panels: *const f32,
    start: [Panel<S, V>; P],
) -> [Panel<S, V>; P] {
    let zero = [[simd.splat_f32s(0.0); V]; P];
    let mut chains = [start, zero, zero, zero];
    let distance = rows.inputs * PANEL;
    // SAFETY (all): the columns of a list are inputs of `rows`, which every panel has a row for.
    rows.each_in_four(
        sample,
        #[inline(always)]
        |chain, i, value| {
            let x = simd.splat_f32s(value);
            for (p, acc) in chains[chain].iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    let at = p * distance + i * PANEL + v * S::F32_LANES;
                    *acc =
                        mul_add(simd, x, unsafe { panels.add(at).cast::<S::f32s>().read_unaligned() }, *acc);
                }
            }
        },
    );
    let [mut sum, one, two, three] = chains;
    for p in 0..P {
        for v in 0..V {
            sum[p][v] =
                simd.add_f32s(simd.add_f32s(sum[p][v], one[p][v]), simd.add_f32s(two[p][v], three[p][v]));
        }
    }
    sum
}

/// w = w + x^T step for one sample and P panels side by side, over its nonzero inputs; `step` is -rate delta.
///
/// # Safety
/// `panels` is readable and writable for P panels with a row for every input of `rows`, by this thread alone.
#[inline(always)]
pub(crate) unsafe fn add_to_rows<S: Simd, const V: usize, const P: usize>(
    simd: S,
    rows: &SparseRows,
    sample: usize,
    panels: *mut f32,
    step: [Panel<S, V>; P],
) {
    let distance = rows.inputs * PANEL;
    rows.each_in_four(
        sample,
        #[inline(always)]
        |_, i, value| {
            let x = simd.splat_f32s(value);
            for (p, step) in step.into_iter().enumerate() {
                for (v, step) in step.into_iter().enumerate() {
                    // SAFETY: i is an input of `rows`.
                    unsafe {
                        let at = panels.add(p * distance + i * PANEL + v * S::F32_LANES).cast::<S::f32s>();
                        at.write_unaligned(mul_add(simd, x, step, at.read_unaligned()));
                    }
                }
            }
        },
    );
}

/// w = w - rate x^T delta, sample after sample, for `delta (n, m)`: a step of gradient descent on the rows that were used.
///
/// # Panics
/// As [`forward`].
pub fn descend(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    delta: &[f32],
    rate: f32,
    w: &mut [f32],
    threads: usize,
) {
    check(rows, samples, d, w.len(), &[delta.len()]);
    let parts = parts(d.m, rows.count(samples), threads);
    let w = Shared::new(w);
    pool::run(parts, |part| {
        descend_panels(rows, samples, d, delta, rate, w, pool::share(d.m, PANEL, part, parts));
    });
}

kernel! {
    fn descend_panels<'a>(simd, rows: &'a SparseRows, samples: &'a [usize], d: Dims, delta: &'a [f32], rate: f32, w: Shared<f32>, units: Range<usize>) {
        with_vectors!(S, V, {
            panels(units, #[inline(always)] |left, two| {
                for (s, &sample) in samples.iter().enumerate() {
                    let delta = &delta[s * d.m..(s + 1) * d.m];
                    let first = scaled::<S, V>(simd, -rate, panel::load_part(simd, &delta[left..d.m.min(left + PANEL)]));
                    // SAFETY: panels have `rows.inputs()` rows (`check`), and are this part's.
                    unsafe {
                        let w = w.get().add(left * d.k);
                        if two {
                            let second = panel::load_part(simd, &delta[left + PANEL..d.m.min(left + 2 * PANEL)]);
                            add_to_rows(simd, rows, sample, w, [first, scaled::<S, V>(simd, -rate, second)]);
                        } else {
                            add_to_rows(simd, rows, sample, w, [first]);
                        }
                    }
                }
            });
        });
    }
}

/// rate delta
#[inline(always)]
pub(crate) fn scaled<S: Simd, const V: usize>(simd: S, rate: f32, mut delta: Panel<S, V>) -> Panel<S, V> {
    for delta in &mut delta {
        *delta = simd.mul_f32s(simd.splat_f32s(rate), *delta);
    }
    delta
}

/// A batch's lists turned round: for each input the samples in which it is not zero.
#[derive(Debug, Default)]
struct ByInput {
    /// Where each input's list begins; two more than there are inputs.
    starts: Vec<u32>,
    /// (place in the batch, value)
    entries: Vec<(u32, f32)>,
}

thread_local! {
    /// Kept between batches, so that a step does not allocate.
    static BY_INPUT: RefCell<ByInput> = RefCell::default();
}

impl ByInput {
    /// Turns round the lists of `samples`.
    fn gather(&mut self, rows: &SparseRows, samples: &[usize]) {
        self.starts.clear();
        self.starts.resize(rows.inputs + 2, 0);
        for &sample in samples {
            rows.each(sample, |i, _| self.starts[i + 2] += 1);
        }
        for i in 2..self.starts.len() {
            self.starts[i] += self.starts[i - 1];
        }
        let total = self.starts.last().map_or(0, |&end| end as usize);
        if self.entries.len() < total {
            // As many as any batch of this size can have: later ones do not grow it again.
            let most = (samples.len() * rows.longest()).min(rows.nonzeros()).max(total);
            self.entries.resize(most, (0, 0.0));
        }
        // starts[i + 1] is where the next entry of input i goes, and in the end where the list of i + 1 begins.
        for (s, &sample) in samples.iter().enumerate() {
            rows.each(
                sample,
                #[inline(always)]
                |i, value| {
                    let at = &mut self.starts[i + 1];
                    self.entries[*at as usize] = (s as u32, value);
                    *at += 1;
                },
            );
        }
    }

    fn list(&self, i: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
}

/// dw = x^T delta for `samples` of `rows`; `delta (n, m)`, `dw (k, m)` in panels, all of which is written.
///
/// Each row of dw is summed in registers over the samples that use it, in their order.
///
/// # Panics
/// As [`forward`].
pub fn weight_gradient(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    delta: &[f32],
    dw: &mut [f32],
    threads: usize,
) {
    check(rows, samples, d, dw.len(), &[delta.len()]);
    BY_INPUT.with_borrow_mut(|lists| {
        lists.gather(rows, samples);
        let lists = &*lists;
        let parts = parts(d.m, lists.starts[d.k] as usize, threads);
        let dw = Shared::new(dw);
        pool::run(parts, |part| {
            for left in pool::share(d.m, PANEL, part, parts).step_by(PANEL) {
                // SAFETY: dw has all panels of k rows, and parts have panels of their own.
                let panel = unsafe { std::slice::from_raw_parts_mut(dw.get().add(left * d.k), PANEL * d.k) };
                gradient_panel(lists, d.m, left, delta, panel);
            }
        });
    });
}

kernel! {
    fn gradient_panel<'a>(simd, lists: &'a ByInput, m: usize, left: usize, delta: &'a [f32], panel: &'a mut [f32]) {
        with_vectors!(S, V, {
            let whole = left + PANEL <= m;
            for (i, row) in panel.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
                let mut sums: Panel<S, V> = [simd.splat_f32s(0.0); V];
                for &(s, value) in lists.list(i) {
                    let x = simd.splat_f32s(value);
                    let delta = &delta[s as usize * m + left..];
                    let delta: Panel<S, V> =
                        if whole { panel::load(simd, delta) } else { panel::load_part(simd, &delta[..m - left]) };
                    for (sum, delta) in sums.iter_mut().zip(delta) {
                        *sum = mul_add(simd, x, delta, *sum);
                    }
                }
                panel::store::<S, V>(row, sums);
            }
        });
    }
}
