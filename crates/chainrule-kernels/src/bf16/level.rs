//! Which bf16 instructions this CPU offers, asked once.

use crate::simd::Level;
use std::sync::atomic::{AtomicU8, Ordering};

/// The instructions that multiply bf16 numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bf16Level {
    /// `vdpbf16ps`: pairs in 512-bit vectors.
    Avx512Bf16 = 1,
    /// `tdpbf16ps`: tiles of 16 rows of 16 pairs, on Linux.
    Amx = 2,
}

/// The environment variable that holds bf16 products back: `emulated`, `avx512-bf16` or `amx-bf16`.
///
/// The first two give the same bits on every CPU (see [`super`]), AMX its own.
pub const ENVIRONMENT: &str = "CHAINRULE_BF16";

/// What [`CURRENT`] holds without instructions, and before the first question.
const EMULATED: u8 = 0;
const UNASKED: u8 = u8::MAX;

static CURRENT: AtomicU8 = AtomicU8::new(UNASKED);

/// The instructions that bf16 products use: the best of this CPU, or what [`ENVIRONMENT`] asks for. None: plain f32
/// instructions on rounded operands. Kernels held below AVX-512 ([`Level::current`]) have none either.
pub fn level() -> Option<Bf16Level> {
    if Level::current() != Level::Avx512 {
        return None;
    }
    match CURRENT.load(Ordering::Relaxed) {
        EMULATED => None,
        1 => Some(Bf16Level::Avx512Bf16),
        2 => Some(Bf16Level::Amx),
        _ => ask(),
    }
}

#[cold]
fn ask() -> Option<Bf16Level> {
    let best = || Bf16Level::ALL.into_iter().rev().find(|level| level.is_available());
    let level = match std::env::var(ENVIRONMENT).as_deref() {
        Ok("emulated") => None,
        Ok(name) => Bf16Level::from_name(name).filter(|level| level.is_available()).or_else(best),
        Err(_) => best(),
    };
    store(level);
    level
}

fn store(level: Option<Bf16Level>) {
    CURRENT.store(level.map_or(EMULATED, |level| level as u8), Ordering::Relaxed);
}

/// Computes the bf16 products of this process by `level` from now on, by f32 instructions if None; false if this CPU does not
/// have it.
pub fn set(level: Option<Bf16Level>) -> bool {
    let available = level.is_none_or(Bf16Level::is_available);
    if available {
        store(level);
    }
    available
}

impl Bf16Level {
    /// Both, the faster one last.
    pub const ALL: [Self; 2] = [Self::Avx512Bf16, Self::Amx];

    /// Whether this CPU has the instructions, and AMX computes what it should.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Level::Avx512.is_available() && std::is_x86_feature_detected!("avx512bf16"),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx => Self::Avx512Bf16.is_available() && super::amx::is_trusted(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// The name recorded with a run.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Amx => "amx-bf16",
        }
    }

    /// The level of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}
