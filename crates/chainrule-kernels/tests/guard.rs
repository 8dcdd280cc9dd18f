//! No kernel reads or writes beyond its operands: they end at a page that nobody may touch, or begin right behind one.
//!
//! The only check for instructions that memory checkers do not know (AVX-512). A kernel that strays dies of a segmentation
//! fault. The bits must not depend on where the operands lie.
#![cfg(unix)]

mod levels;

use chainrule_kernels::Real;
use chainrule_kernels::activation::{self, Nonlinearity};
use chainrule_kernels::dense::{self, Dims, Into, PANEL};
use chainrule_kernels::descent::{Batches, Descent, Layer, Loss, Rate, Targets};
use chainrule_kernels::product::{Finish, Lies, Matrix, Split, Start, multiply};
use chainrule_kernels::sparse::{self, Entries, Samples, SparseRows};
use levels::at_every_level;
use std::ops::{Deref, DerefMut};

/// Where an operand touches an inaccessible page.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Touches {
    End,
    Start,
}

/// Numbers between two inaccessible pages, touching one of them.
struct Guarded<T> {
    map: *mut libc::c_void,
    bytes: usize,
    first: *mut T,
    len: usize,
}

impl<T: Copy> Guarded<T> {
    fn new(values: &[T], touches: Touches) -> Self {
        // SAFETY: a system call without pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let inside = size_of_val(values).next_multiple_of(page);
        let bytes = inside + 2 * page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh map anywhere, of which the pages between the first and the last are made accessible.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
        assert!(map != libc::MAP_FAILED);
        let begin = map.wrapping_byte_add(page);
        // SAFETY: as above; an empty range is left alone.
        assert!(
            inside == 0 || unsafe { libc::mprotect(begin, inside, libc::PROT_READ | libc::PROT_WRITE) } == 0
        );
        let offset = if touches == Touches::End { inside - size_of_val(values) } else { 0 };
        let first = begin.wrapping_byte_add(offset).cast::<T>();
        // SAFETY: `values` fit between the guards; T's size divides a page, so `first` is aligned.
        unsafe { first.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        Self { map, bytes, first, len: values.len() }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the map of `new`, which nobody else has.
        unsafe { libc::munmap(self.map, self.bytes) };
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `new` has put `len` numbers there.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.len) }
    }
}

/// `count` numbers of [0.25, 1).
fn numbers<T: Real>(count: usize, touches: Touches) -> Guarded<T> {
    let values: Vec<T> = (0..count).map(|i| T::from_f64(0.25 + (i * 37 % 96) as f64 / 128.0)).collect();
    Guarded::new(&values, touches)
}

/// Runs `kernels`, which return the bits of their results, at every level with operands on either side.
fn never_stray(kernels: impl Fn(Touches) -> Vec<u64>) {
    at_every_level(|level| {
        let [end, start] = [Touches::End, Touches::Start].map(&kernels);
        assert!(end == start, "{level:?}: the bits depend on where the operands lie");
    });
}

fn bits<T: Real>(buffers: &[&[T]]) -> Vec<u64> {
    buffers.iter().flat_map(|buffer| buffer.iter().map(|v| v.bits())).collect()
}

/// Every remainder of lanes and tiles, both kinds of batches, and blocks of inner sums and columns.
fn shapes() -> Vec<Dims> {
    let mut shapes = Vec::new();
    for n in [1, 3, 4, 5, 6, 13, 14, 15, 27, 33] {
        for (k, m) in [(1, 1), (3, 7), (8, 16), (15, 17), (16, 33), (31, 48), (65, 10)] {
            shapes.push(Dims { n, k, m });
        }
    }
    shapes.extend([Dims { n: 17, k: 513, m: 19 }, Dims { n: 514, k: 5, m: 39 }, Dims { n: 9, k: 7, m: 259 }]);
    shapes
}

fn dense_products<T: Real>(d: Dims, touches: Touches, threads: usize) -> Vec<u64> {
    let Dims { n, k, m } = d;
    let (x, w, bias) =
        (numbers::<T>(n * k, touches), numbers::<T>(d.weights(), touches), numbers::<T>(m, touches));
    let (delta, below) = (numbers::<T>(n * m, touches), numbers::<T>(n * k, touches));
    let (mut z, mut a) = (numbers::<T>(n * m, touches), numbers::<T>(n * m, touches));
    let (mut dx, mut dw) = (numbers::<T>(n * k, touches), numbers::<T>(d.weights(), touches));
    let (mut db, mut stepped) = (numbers::<T>(m, touches), numbers::<T>(d.weights(), touches));
    let f = Nonlinearity::Tanh;
    dense::forward(d, &x[..], &w, &bias, Some(f), &mut z, &mut a, threads);
    dense::input_gradient(d, &delta, &w, Some((f, &below)), &mut dx, threads);
    dense::weight_gradient(d, &x[..], &delta, Into::Gradient, &mut dw, threads);
    if n <= dense::LARGEST_DESCENT {
        dense::weight_gradient(d, &x[..], &delta, Into::Descent(0.5), &mut stepped, threads);
    }
    dense::bias_gradient(d, &delta, &mut db, threads);
    bits(&[&z, &a, &dx, &dw, &db, &stepped])
}

#[test]
fn dense_products_stay_within_their_operands() {
    never_stray(|touches| {
        let mut bits = Vec::new();
        for d in shapes() {
            for threads in [1, 2] {
                bits.extend(dense_products::<f32>(d, touches, threads));
                bits.extend(dense_products::<f64>(d, touches, threads));
            }
        }
        bits
    });
}

/// The room of a matrix that lies in way `way`.
fn room(way: usize, rows: usize, columns: usize) -> usize {
    match way {
        0 | 1 => rows * columns,
        2 => rows * columns.next_multiple_of(PANEL),
        _ => columns * rows.next_multiple_of(PANEL),
    }
}

fn operand(way: usize, data: &[f32], rows: usize, columns: usize) -> Matrix<'_> {
    match way {
        0 => Matrix::Rows(data, columns),
        1 => Matrix::Columns(data, rows),
        2 => Matrix::Panels(data, rows),
        _ => Matrix::TransposedPanels(data, columns),
    }
}

#[test]
fn packed_products_stay_within_their_operands() {
    never_stray(|touches| {
        let mut all = Vec::new();
        for (rows, inner, columns, zeros) in [
            (1, 1, 1, false),
            (15, 17, 18, false),
            (29, 33, 31, false),
            (5, 513, 35, false),
            (43, 6, 260, false),
            (301, 5, 170, false),
            (29, 130, 83, true),
            (50, 33, 250, true),
        ] {
            for way in 0..12 {
                let (way_a, way_b, way_c) = (way % 2, [0, 2, 3][way / 2 % 3], [0, 2][way / 6]);
                let (len_a, len_b) = (room(way_a, rows, inner), room(way_b, inner, columns));
                let lies_c = if way_c == 0 { Lies::Rows(columns) } else { Lies::Panels(rows) };
                let len_c = room(way_c, rows, columns);
                let (mut a, b) = (numbers::<f32>(len_a, touches), numbers::<f32>(len_b, touches));
                if zeros {
                    a.iter_mut().skip(1).step_by(2).for_each(|a| *a = 0.0);
                }
                let (bias, other) = (numbers::<f32>(columns, touches), numbers::<f32>(len_c, touches));
                for finish in 0..4 {
                    let (mut c, mut out) = (numbers::<f32>(len_c, touches), numbers::<f32>(len_c, touches));
                    let finish = match finish {
                        0 => Finish::Activate(Nonlinearity::Sigmoid, &mut out),
                        1 => Finish::TimesDerivative(Nonlinearity::Sigmoid, &other),
                        2 if inner <= 512 => Finish::Descend(0.5),
                        _ => Finish::Store,
                    };
                    let (a, b) = (operand(way_a, &a, rows, inner), operand(way_b, &b, inner, columns));
                    multiply(
                        (rows, inner, columns),
                        a,
                        b,
                        &mut c,
                        lies_c,
                        Start::Bias(&bias),
                        finish,
                        Split::Columns,
                        2,
                    );
                    all.extend(bits(&[&c, &out]));
                }
            }
        }
        all
    });
}

#[test]
fn sparse_products_stay_within_their_operands() {
    never_stray(|touches| {
        let mut all = Vec::new();
        for d in shapes() {
            let Dims { n, k, m } = d;
            let bytes: Vec<u8> = (0..n * k).map(|i| if i % 3 == 0 { 0 } else { (i % 256) as u8 }).collect();
            let rows = SparseRows::from_bytes(&bytes, k, 1.0 / 255.0).unwrap();
            let samples = Guarded::new(&(0..n).collect::<Vec<_>>(), touches);
            let (w, bias, delta) = (
                numbers::<f32>(d.weights(), touches),
                numbers::<f32>(m, touches),
                numbers::<f32>(n * m, touches),
            );
            let (mut z, mut a) = (numbers::<f32>(n * m, touches), numbers::<f32>(n * m, touches));
            let (mut stepped, mut dw) =
                (numbers::<f32>(d.weights(), touches), numbers::<f32>(d.weights(), touches));
            sparse::forward(
                Samples::Rows(&rows, &samples),
                d,
                &w,
                &bias,
                Nonlinearity::Relu,
                &mut z,
                &mut a,
                2,
            );
            sparse::descend(&rows, &samples, d, &delta, 0.01, &mut stepped, 2);
            sparse::weight_gradient(&rows, &samples, d, &delta, &mut dw, 2);
            let mut row = numbers::<f32>(k, touches);
            rows.write_row(n - 1, &mut row);
            all.extend(bits(&[&z, &a, &stepped, &dw, &row]));
        }
        all
    });
}

/// One sample whose zeros are left out, and lists of what is not zero: rows are read in whole vectors.
#[test]
fn lists_of_rows_stay_within_their_operands() {
    never_stray(|touches| {
        let mut all = Vec::new();
        for k in [1, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65] {
            for (step, m) in [(1, 5), (2, 16), (3, 70)] {
                let x: Vec<f32> =
                    (0..3 * k).map(|i| if i % step == 0 { i as f32 + 0.5 } else { 0.0 }).collect();
                let x = Guarded::new(&x, touches);
                let d = Dims { n: 1, k, m };
                let (w, bias) = (numbers::<f32>(d.weights(), touches), numbers::<f32>(m, touches));
                let (mut z, mut a) = (numbers::<f32>(m, touches), numbers::<f32>(m, touches));
                let (f, mut nonzeros) = (Some(Nonlinearity::Relu), Entries::with_capacity(1, k));
                dense::forward_one(d, &x[2 * k..], &w, &bias, f, &mut z, &mut a, 2, Some(&mut nonzeros));
                let mut lists = Entries::with_capacity(3, 3 * k);
                lists.refill(&x, k);
                let d = Dims { n: 3, k, m };
                let (mut z3, mut a3) = (numbers::<f32>(3 * m, touches), numbers::<f32>(3 * m, touches));
                sparse::forward(
                    Samples::Entries(&lists),
                    d,
                    &w,
                    &bias,
                    Nonlinearity::Relu,
                    &mut z3,
                    &mut a3,
                    1,
                );
                all.extend(bits(&[&z, &a, &z3, &a3]));
            }
        }
        all
    });
}

#[test]
fn steps_of_descent_stay_within_their_operands() {
    never_stray(|touches| {
        let mut all = Vec::new();
        for (units, biases) in [
            (vec![1usize], 2),
            (vec![17, 3], 2),
            (vec![16, 5], 2),
            (vec![33, 16, 10], 1),
            (vec![15, 15], 0),
            (vec![48, 7, 1], 2),
        ] {
            let (mut inputs, mut end, mut layers) = (37, 0, Vec::new());
            for &m in &units {
                let (weight, width) = (end, m.next_multiple_of(PANEL));
                let bias = weight + inputs * width..weight + inputs * width + [0, 1, m][biases];
                // The parameters end with the last number that is used, padding included.
                end = if bias.len() == m { bias.start + width } else { bias.end };
                layers.push(Layer {
                    inputs,
                    units: m,
                    f: Nonlinearity::Sigmoid,
                    weight,
                    bias,
                    train_weights: true,
                    train_bias: true,
                });
                inputs = m;
            }
            let outputs = units[units.len() - 1];
            let count = 43;
            let numbers_of: Vec<f64> = (0..count * 37).map(|i| (i % 5) as f64 / 4.0).collect();
            let bits_of: Vec<f64> = numbers_of.iter().map(|x| x.ceil()).collect();
            let rows = [&numbers_of, &bits_of].map(|x| SparseRows::from_reals(x, 37).unwrap());
            let samples = Guarded::new(&(0..count).collect::<Vec<_>>(), touches);
            let values = numbers::<f32>(count * outputs, touches);
            let labels = Guarded::new(&vec![outputs as u32 - 1; count], touches);
            for loss in [Loss::Squares { value: 0.5 }, Loss::CrossEntropy, Loss::BinaryCrossEntropy] {
                for (rows, targets, batch_size, keep) in [
                    (&rows[0], Targets::Values(&values), 6, 0.9),
                    (&rows[1], Targets::Labels(&labels), 6, 0.9),
                    (&rows[0], Targets::Labels(&labels), 40, 1.0),
                    (&rows[0], Targets::Labels(&labels), 1, 1.0),
                    (&rows[1], Targets::Values(&values), 1, 1.0),
                ] {
                    let steps = count.div_ceil(batch_size);
                    let rates = Guarded::new(&vec![Rate { learning_rate: 0.1, keep }; steps], touches);
                    let mut params = Guarded::new(&vec![0.01f32; end], touches);
                    let (mut sums, mut answers) =
                        (numbers::<f64>(steps, touches), numbers::<f32>(count * outputs, touches));
                    let batches = Batches { samples: &samples, batch_size, rates: &rates };
                    let made = Descent::new(layers.clone(), loss, batch_size).run(
                        &mut params,
                        rows,
                        targets,
                        batches,
                        &mut sums,
                        &mut answers,
                        2,
                    );
                    assert_eq!(made, steps);
                    all.extend(bits(&[&params, &answers]));
                    all.extend(bits(&[&sums]));
                }
            }
        }
        all
    });
}

#[test]
fn activations_stay_within_their_operands() {
    never_stray(|touches| {
        let mut all = Vec::new();
        for len in 0..70 {
            let z = numbers::<f32>(len, touches);
            let mut a = numbers::<f32>(len, touches);
            for f in [
                Nonlinearity::Identity,
                Nonlinearity::Sigmoid,
                Nonlinearity::Tanh,
                Nonlinearity::LeakyRelu(0.1),
                Nonlinearity::Elu(1.0),
                Nonlinearity::Softplus,
                Nonlinearity::Silu,
                Nonlinearity::Gelu,
            ] {
                activation::activate(f, &z, &mut a);
                all.extend(bits(&[&a]));
                activation::times_derivative(f, &z, &mut a);
                all.extend(bits(&[&a]));
            }
            activation::exp(&z, &mut a);
            all.extend(bits(&[&a]));
            activation::softmax(&z, &mut a, len.max(1));
            all.extend(bits(&[&a]));
        }
        all
    });
}

/// The guards guard: the system refuses to read there.
#[test]
fn pages_beside_the_operands_are_inaccessible() {
    let mut pipe = [0; 2];
    // SAFETY: two file descriptors are written.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let readable = |at: *const f32| {
        // SAFETY: the system reads four bytes at `at`, or returns an error where it may not.
        unsafe { libc::write(pipe[1], at.cast(), 4) == 4 }
    };
    for count in [1, 5, 1024] {
        let (end, start) = (numbers::<f32>(count, Touches::End), numbers::<f32>(count, Touches::Start));
        assert!(readable(&raw const end[count - 1]) && !readable(end.as_ptr().wrapping_add(count)));
        assert!(readable(start.as_ptr()) && !readable(start.as_ptr().wrapping_sub(1)));
    }
    // SAFETY: the descriptors opened above.
    assert_eq!(unsafe { libc::close(pipe[0]) + libc::close(pipe[1]) }, 0);
}
