//! Which vector instructions this CPU offers, asked once.

/// The instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What every CPU of this architecture has.
    Portable,
    /// 256-bit vectors with fused multiply-add (x86-64).
    Avx2,
    /// 512-bit vectors (x86-64).
    Avx512,
}

impl Level {
    /// The best level of this CPU.
    #[inline]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            // The macro caches its answers in an atomic: this costs a load and a test.
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// The name recorded with a run: sums of large products depend on it in their last bits.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2+fma",
            Self::Avx512 => "avx512",
        }
    }
}

/// Compiles a function once per [`Level`] and calls the one for this CPU.
///
/// The body is plain Rust that the compiler vectorises. It never fuses a multiplication with an addition
/// and never reorders a sum, so every level gives the same bits.
macro_rules! per_level {
    ($(#[$meta:meta])* pub(crate) fn $name:ident<T: Real>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name<T: Real>($($arg: $ty),*) {
            #[inline(always)]
            fn portable<T: Real>($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<T: Real>($($arg: $ty),*) {
                    portable($($arg),*);
                }
                #[target_feature(enable = "avx512f,avx512dq")]
                fn avx512<T: Real>($($arg: $ty),*) {
                    portable($($arg),*);
                }
                match $crate::simd::Level::detect() {
                    // SAFETY: `detect` has seen avx512f and avx512dq on this CPU.
                    $crate::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: `detect` has seen avx2 on this CPU.
                    $crate::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::simd::Level::Portable => {}
                }
            }
            portable($($arg),*);
        }
    };
}

pub(crate) use per_level;
