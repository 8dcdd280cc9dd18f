//! Forward passes of inference: weights that stay as they are, rounded and packed once.
//!
//! A thread takes a block of samples through all layers. Between layers activations exist only as the left operand of the next
//! product, rounded, in groups of as many rows as a tile has, so that what a tile reads lies side by side:
//!
//! ```text
//!   x (n, k) in f32 -> groups of rows: panels (rows, 16 pairs) -+
//!                                                              v
//!          strip of w: 2 panels (pairs, 16 columns)  ->  tile (rows, 32): sums from the bias on, f
//!                                                              v
//!                         one panel (rows, 16 pairs) of each group of the next layer …, at the end (n, m) in f32
//! ```
//!
//! A strip of w serves all groups of the block before the next one is read. Sums have the order of [`super::forward`], and its
//! bits.

use super::dot::{self, Operands};
use super::{Bf16Level, EMULATED, PAIRED, STRIP, level, pack};
use crate::activation::Nonlinearity;
use crate::dense::{Dims, PANEL};
use crate::product::{Lie, Matrix, Sums};
use crate::simd::kernel;
use pulp::Simd;

/// Bytes of a block's packed samples: they leave room for weights in the second cache level.
const BLOCK: usize = 256 << 10;

/// Samples of a block: whole tiles of 14 and of 32 rows.
const MOST: usize = 14 * 16;

/// The highest tile.
const TALLEST: usize = 32;

/// A row of a panel: 16 pairs in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u32; PANEL]);

const ZEROS: Line = Line([0; PANEL]);

/// The numbers of cache lines.
fn flat(lines: &[Line]) -> &[u32] {
    // SAFETY: a `Line` is 16 u32 without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * PANEL) }
}

/// As [`flat`].
fn flat_mut(lines: &mut [Line]) -> &mut [u32] {
    // SAFETY: as there; the lines are borrowed exclusively.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * PANEL) }
}

/// Layers that follow each other, with weights packed for the instructions that were current when the stack was made; all its
/// products use those.
#[derive(Debug)]
pub struct Stack {
    level: Option<Bf16Level>,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    k: usize,
    m: usize,
    /// Strips of two panels (pairs, 16 columns), the last one perhaps of one.
    w: Vec<Line>,
    /// One number for each column of whole strips.
    bias: Vec<f32>,
    f: Nonlinearity,
}

/// Room for the packed samples of a block, before and after the layer at work.
#[derive(Debug)]
pub struct Buffers([Vec<Line>; 2]);

impl Default for Stack {
    fn default() -> Self {
        Self::at(level())
    }
}

impl Stack {
    /// For the instructions of `level`, which this CPU has.
    pub(super) fn at(level: Option<Bf16Level>) -> Self {
        Self { level, layers: Vec::new() }
    }

    /// Adds a layer of `m` units over `k` inputs: `w` in panels, as [`crate::dense`] keeps it, a bias of `m`, 1 or 0 numbers, and
    /// a = f(z), which without `f` is z.
    ///
    /// # Panics
    /// If a slice is shorter than its shape, the bias has another length, `k` is not the number of units below, or a layer is empty.
    pub fn push(&mut self, k: usize, m: usize, w: &[f32], bias: &[f32], f: Option<Nonlinearity>) {
        assert!(self.layers.last().is_none_or(|below| below.m == k), "bf16: layers do not fit");
        assert!(k > 0 && m > 0, "bf16: an empty layer");
        assert!(matches!(bias.len(), 0 | 1) || bias.len() == m, "bf16: bias of another length");
        assert!(w.len() >= Dims { n: 0, k, m }.weights(), "bf16: short weights of ({k}, {m})");
        let mut packed = vec![ZEROS; m.div_ceil(PANEL) * k.next_multiple_of(PAIRED) / 2];
        pack_weights(self.level.is_some(), k, m, w, flat_mut(&mut packed));
        let mut whole = vec![0.0; m.next_multiple_of(STRIP)];
        match *bias {
            [] => {}
            [one] => whole[..m].fill(one),
            _ => whole[..m].copy_from_slice(bias),
        }
        let f = f.unwrap_or(Nonlinearity::Identity);
        self.layers.push(Layer { k, m, w: packed, bias: whole, f });
    }

    /// The most samples of one call: as many as stay in the second cache level.
    pub fn together(&self) -> usize {
        let widest = self.layers.iter().map(|layer| layer.k).max().unwrap_or(1);
        (BLOCK / (2 * widest.max(1)) / 14 * 14).clamp(4 * 14, MOST)
    }

    /// Room for any call.
    pub fn buffers(&self) -> Buffers {
        let lines = self.layers.iter().map(|layer| layer.k.div_ceil(PAIRED)).max().unwrap_or(0);
        let room = || vec![ZEROS; (self.together() + TALLEST) * lines];
        Buffers([room(), room()])
    }

    /// The answers `a (n, m)` of the last layer for `x (n, k)`, on this thread; without layers there are none.
    ///
    /// # Panics
    /// If a slice is shorter than its shape, or `n` is more than [`Stack::together`].
    pub fn forward(&self, n: usize, x: &[f32], buffers: &mut Buffers, a: &mut [f32]) {
        let [first, ..] = &self.layers[..] else { return };
        let last = self.layers.last().unwrap_or(first);
        assert!(n <= self.together(), "bf16: {n} samples at once, at most {}", self.together());
        let (x, a, layers) = (&x[..n * first.k], &mut a[..n * last.m], &self.layers[..]);
        let Buffers([here, next]) = buffers;
        match self.level {
            None => emulated(layers, n, x, here, next, a),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was current, so the CPU has its instructions.
            Some(Bf16Level::Avx512Bf16) => unsafe { avx512(layers, n, x, here, next, a) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Some(Bf16Level::Amx) => {
                // SAFETY: as above, and AMX; the tiles are configured until the end of this call.
                unsafe {
                    let _configured = super::amx::Tiles::configure();
                    amx(layers, n, x, here, next, a);
                }
            }
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            Some(_) => emulated(layers, n, x, here, next, a),
        }
    }
}

/// Rounds weights as the level's products do.
fn pack_weights(native: bool, k: usize, m: usize, w: &[f32], packed: &mut [u32]) {
    let w = Matrix::Panels(w, k);
    #[cfg(target_arch = "x86_64")]
    if native {
        // SAFETY: every native level has AVX512-BF16, among the features that `dot::avx512` is compiled for.
        return unsafe { pack_native(&w, k, m, packed) };
    }
    let _ = native;
    pack::b::<EMULATED>(&w, 0..k, 0..m, packed);
}

macro_rules! native {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        /// # Safety
        /// The CPU has the features.
        #[target_feature(
            enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,fma,lzcnt,bmi1,bmi2,popcnt"
        )]
        unsafe fn $name($($arg: $ty),*) $body
    };
}

native! {
    #[cfg(target_arch = "x86_64")]
    fn pack_native(w: &Matrix, k: usize, m: usize, packed: &mut [u32]) {
        pack::b::<{ super::AVX512 }>(w, 0..k, 0..m, packed);
    }
}

native! {
    #[cfg(target_arch = "x86_64")]
    fn avx512(layers: &[Layer], n: usize, x: &[f32], here: &mut [Line], next: &mut [Line], a: &mut [f32]) {
        // SAFETY: the CPU has what V4 stands for, which is part of the features above.
        let simd = unsafe { pulp::x86::V4::new_unchecked() };
        through::<pulp::x86::V4, { super::AVX512 }, 14>(simd, layers, n, x, here, next, a);
    }
}

native! {
    /// The tiles are configured, too.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn amx(layers: &[Layer], n: usize, x: &[f32], here: &mut [Line], next: &mut [Line], a: &mut [f32]) {
        // SAFETY: as in `avx512`.
        let simd = unsafe { pulp::x86::V4::new_unchecked() };
        through::<pulp::x86::V4, { super::AMX }, TALLEST>(simd, layers, n, x, here, next, a);
    }
}

kernel! {
    fn emulated<'a>(simd, layers: &'a [Layer], n: usize, x: &'a [f32], here: &'a mut [Line], next: &'a mut [Line], a: &'a mut [f32]) {
        // As the packed products.
        if S::REGISTER_COUNT >= 32 {
            through::<S, EMULATED, 12>(simd, layers, n, x, here, next, a);
        } else {
            through::<S, EMULATED, 4>(simd, layers, n, x, here, next, a);
        }
    }
}

/// A block of `n` samples through all layers, in groups of `TALL`.
#[inline(always)]
fn through<'a, S: Simd, const LEVEL: u8, const TALL: usize>(
    simd: S,
    layers: &[Layer],
    n: usize,
    x: &[f32],
    mut here: &'a mut [Line],
    mut next: &'a mut [Line],
    a: &mut [f32],
) {
    let k = layers[0].k;
    let group = TALL * k.div_ceil(PAIRED);
    for top in (0..n).step_by(TALL) {
        let rows = top..(top + TALL).min(n);
        let packed = flat_mut(&mut here[top / TALL * group..][..group]);
        pack::a::<LEVEL>(&Matrix::Rows(x, k), rows, 0..k, packed, TALL);
    }
    for (l, layer) in layers.iter().enumerate() {
        let to = if l + 1 == layers.len() { To::Rows(&mut *a) } else { To::Packed(&mut *next) };
        product::<S, LEVEL, TALL>(simd, layer, n, here, to);
        std::mem::swap(&mut here, &mut next);
    }
}

/// Where activations go.
enum To<'a> {
    /// `(n, m)` in f32.
    Rows(&'a mut [f32]),
    /// The next layer's samples.
    Packed(&'a mut [Line]),
}

/// The sums of a tile, then its activations.
#[repr(C, align(64))]
struct Tile<const TALL: usize>([[f32; STRIP]; TALL]);

/// One layer: strip by strip of its weights, each for all groups of samples.
#[inline(always)]
fn product<S: Simd, const LEVEL: u8, const TALL: usize>(
    simd: S,
    layer: &Layer,
    n: usize,
    samples: &[Line],
    mut to: To,
) {
    let &Layer { k, m, ref w, ref bias, f } = layer;
    let (pairs, filled) = (k.div_ceil(2), k.next_multiple_of(PAIRED) / 2);
    let (group, next_panels) = (TALL * k.div_ceil(PAIRED), m.div_ceil(PAIRED));
    let mut tile = Tile([[0.0; STRIP]; TALL]);
    for (left, bias) in (0..m).step_by(STRIP).zip(bias.as_chunks().0) {
        let columns = STRIP.min(m - left);
        let panels = &w[left / PANEL * filled..][..columns.div_ceil(PANEL) * filled];
        for top in (0..n).step_by(TALL) {
            let rows = TALL.min(n - top);
            let samples = flat(&samples[top / TALL * group..][..group]);
            sums::<S, LEVEL, TALL>(simd, rows, (samples, panels, filled, pairs), bias, columns, &mut tile);
            for (i, sums) in tile.0[..rows].iter_mut().enumerate() {
                for sums in S::as_mut_simd_f32s(sums).0 {
                    *sums = f.value(simd, *sums);
                }
                match &mut to {
                    To::Rows(a) => {
                        let a = &mut a[(top + i) * m + left..][..columns];
                        match <&mut [f32; STRIP]>::try_from(&mut *a) {
                            Ok(a) => *a = *sums, // of known length: no call
                            Err(_) => a.iter_mut().zip(&*sums).for_each(|(a, &sum)| *a = sum),
                        }
                    }
                    To::Packed(next) => {
                        // Beyond the last column is nothing, not f(0).
                        sums[columns..].fill(0.0);
                        let at = (top / TALL * next_panels + left / PAIRED) * TALL + i;
                        let (low, high) = sums.split_at(PANEL);
                        let half = |half: &[f32]| <[f32; PANEL]>::try_from(half).unwrap_or([0.0; PANEL]);
                        next[at] = Line(pack::along::<LEVEL>(&half(low), &half(high)));
                    }
                }
            }
        }
    }
}

/// The sums of `rows` samples and a strip of `columns` columns, from the bias on; columns beyond them hold anything.
#[inline(always)]
fn sums<S: Simd, const LEVEL: u8, const TALL: usize>(
    simd: S,
    rows: usize,
    (a, w, filled, pairs): (&[u32], &[Line], usize, usize),
    bias: &[f32; STRIP],
    columns: usize,
    tile: &mut Tile<TALL>,
) {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if LEVEL == super::AMX {
        tile.0.fill(*bias);
        // Where the strip has one panel, it stands for the second, whose columns nobody reads.
        let panel = if columns > PANEL { filled * PANEL } else { 0 };
        let operands = Operands { a, height: TALL, b: flat(w), panel, pairs };
        // SAFETY: the tiles are configured at this level; groups and panels are packed for as many pairs, filled up with zeros
        // to whole panels, and a group has 32 rows.
        unsafe { super::amx::tile(&operands, tile.0.as_flattened_mut()) };
        return;
    }
    let wide = 2 * S::F32_LANES;
    for j in (0..columns).step_by(wide) {
        let b = &flat(w)[j / PANEL * PANEL * filled + j % PANEL..];
        let operands = Operands { a, height: TALL, b, panel: filled * PANEL, pairs };
        let to = tile.0.as_flattened_mut()[j..].as_mut_ptr();
        let (from_steps, to_steps) = (Lie::rows(0), Lie::rows(STRIP));
        let sums = Sums { from: bias[j..].as_ptr(), from_steps, to, to_steps };
        // SAFETY: a group has TALL rows in each panel, of which `rows` are packed; the strip has a panel for each vector, both
        // packed for as many pairs; the bias has a number for each column from j on, the tile a row of 32 for each sample.
        unsafe {
            if wide > PANEL && columns - j <= PANEL {
                dot::tiles::<S, LEVEL, TALL, 1>(simd, rows, &operands, sums);
            } else {
                dot::tiles::<S, LEVEL, TALL, 2>(simd, rows, &operands, sums);
            }
        }
    }
}
