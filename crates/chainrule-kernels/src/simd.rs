//! Which vector instructions this CPU offers, asked once, and how a kernel is compiled for each of them.
//!
//! Kernels are written once over [`pulp::Simd`], whose tokens (`V4`, `V3`, `Neon`, …) exist only where the CPU has the
//! instructions. `kernel!` wraps such a body in a function that picks the token at run time.

use crate::Real;
use std::sync::atomic::{AtomicU8, Ordering};

/// The instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// What every CPU of this architecture has: 128-bit vectors, no fused multiply-add.
    Portable = 1,
    /// 256-bit vectors with fused multiply-add (x86-64-v3).
    Avx2 = 2,
    /// 512-bit vectors (x86-64-v4).
    Avx512 = 3,
    /// 128-bit vectors with fused multiply-add (aarch64).
    Neon = 4,
    /// 128-bit vectors of WebAssembly, when the program is built with `simd128`.
    Simd128 = 5,
}

/// The environment variable that holds the kernels back to a lower level: `portable`, `avx2` or `avx512`.
///
/// Bits are promised per level, so this repeats on a newer CPU what an older one computed.
pub const ENVIRONMENT: &str = "CHAINRULE_SIMD";

/// 0 before the first question.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Simd128, Self::Neon, Self::Avx2, Self::Avx512];

    /// The level that kernels run at: the best of this CPU, or the one that [`ENVIRONMENT`] asks for.
    #[inline]
    pub fn current() -> Self {
        match CURRENT.load(Ordering::Relaxed) {
            2 => Self::Avx2,
            3 => Self::Avx512,
            4 => Self::Neon,
            5 => Self::Simd128,
            1 => Self::Portable,
            _ => Self::ask(),
        }
    }

    #[cold]
    fn ask() -> Self {
        let asked = std::env::var(ENVIRONMENT).ok().and_then(|name| Self::from_name(&name));
        let level = asked.filter(|level| level.is_available()).unwrap_or_else(Self::best);
        CURRENT.store(level as u8, Ordering::Relaxed);
        level
    }

    /// The best level of this CPU.
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|level| level.is_available()).unwrap_or(Self::Portable)
    }

    /// Runs the kernels of this process at `level` from now on; false if this CPU does not have it.
    pub fn set(level: Self) -> bool {
        let available = level.is_available();
        if available {
            CURRENT.store(level as u8, Ordering::Relaxed);
        }
        available
    }

    /// Whether this CPU has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::is_available(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// The name recorded with a run.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2+fma",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
            Self::Simd128 => "simd128",
        }
    }

    /// The level of a name; `avx2` is short for `avx2+fma`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name || (*level == Self::Avx2 && name == "avx2"))
    }
}

/// Runs `kernel` at the current level.
#[inline(always)]
pub(crate) fn run<K: pulp::WithSimd>(kernel: K) -> K::Output {
    use pulp::Simd;
    match Level::current() {
        // SAFETY (all three): `current` only ever holds a level that `is_available` has confirmed on this CPU.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => Simd::vectorize(unsafe { pulp::x86::V4::new_unchecked() }, kernel),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => Simd::vectorize(unsafe { pulp::x86::V3::new_unchecked() }, kernel),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => Simd::vectorize(unsafe { pulp::aarch64::Neon::new_unchecked() }, kernel),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Level::Simd128 => Simd::vectorize(unsafe { pulp::wasm::Simd128::new_unchecked() }, kernel),
        _ => Simd::vectorize(pulp::Scalar128b, kernel),
    }
}

/// Calls `work`, compiled for the current level: its plain loops become vectors as wide as the CPU has. Give it as
/// `#[inline(always)] || …`. It neither fuses nor reorders, so the bits are the same at every level.
#[inline(always)]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    struct Plain<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Plain<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    run(Plain(work))
}

/// Whether none of the numbers is infinite or NaN.
pub fn all_finite<T: Real>(numbers: &[T]) -> bool {
    vectorized(
        #[inline(always)]
        || numbers.iter().fold(true, |all, number| all & number.is_finite()),
    )
}

/// a * b + c: rounded once where the CPU fuses the two, twice at [`Level::Portable`], where fusing would mean a call.
#[inline(always)]
pub(crate) fn mul_add<S: pulp::Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if std::any::TypeId::of::<S>() == std::any::TypeId::of::<pulp::Scalar128b>() {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// A function whose body is compiled once per [`Level`]; in it, `S` is the token's type.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$($life:lifetime),*>($simd:ident, $($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$($life),*>($($arg: $ty),*) $(-> $out)? {
            struct Kernel<$($life),*> { $($arg: $ty),* }
            impl<$($life),*> pulp::WithSimd for Kernel<$($life),*> {
                type Output = $crate::simd::kernel!(@out $($out)?);
                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, $simd: S) -> Self::Output {
                    let Self { $($arg),* } = self;
                    $body
                }
            }
            $crate::simd::run(Kernel { $($arg),* })
        }
    };
    (@out) => { () };
    (@out $out:ty) => { $out };
}

pub(crate) use kernel;
