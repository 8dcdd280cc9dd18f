//! The innermost loop over bf16 pairs by AMX: eight tile registers of 16 rows of 64 bytes.
//!
//! ```text
//!                                   b: two panels (16 pairs, 16 columns)
//!                                  +------+------+
//!                                  | tmm6 | tmm7 |
//!   a: rows of a panel (16 pairs)  +------+------+
//!          +------+                +------+------+
//!   0-15   | tmm4 |                | tmm0 | tmm1 |     tmm0 += tmm4 tmm6, …: c(i, j) of 32 x 32
//!   16-31  | tmm5 |                | tmm2 | tmm3 |
//!          +------+                +------+------+
//! ```
//!
//! The compiler knows no tile registers, so this is assembly: Intel's manual, volume 2, `LDTILECFG`, `TILELOADD`, `TDPBF16PS`,
//! `TILESTORED`, `TILERELEASE`. **No machine with AMX has run it yet**; tests emulate its instructions one by one. Therefore a
//! product whose answer is known exactly must come out right before it is used (`is_trusted`).

use super::dot::Operands;
use super::{Bf16Level, multiply};
use crate::dense::PANEL;
use crate::product::{Finish, Lies, Matrix, Split, Start};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

#[cfg(test)]
mod tests;

/// Whether this CPU has AMX with bf16, the kernel lets this process use it, and it computes what it should. Asked once.
pub(super) fn is_trusted() -> bool {
    static TRUSTED: OnceLock<bool> = OnceLock::new();
    *TRUSTED.get_or_init(|| is_offered() && is_permitted() && gives_known_answers())
}

/// Whether the CPU has the instructions, and the operating system keeps their registers.
fn is_offered() -> bool {
    if __cpuid(0).eax < 7 {
        return false;
    }
    // Leaf 1, ECX, bit 27: xgetbv may be used. Leaf 7, EDX: bit 22 AMX-BF16, bit 24 AMX-TILE.
    let (basic, extended) = (__cpuid(1), __cpuid_count(7, 0));
    if basic.ecx & 1 << 27 == 0 || extended.edx & 1 << 22 == 0 || extended.edx & 1 << 24 == 0 {
        return false;
    }
    let enabled: u32;
    // SAFETY: reads register XCR0 (number 0 in ecx) to edx:eax; the bit above says that the instruction is there.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack, preserves_flags));
    };
    // Bits 17 and 18: the tiles' configuration and their data.
    enabled >> 17 & 3 == 3
}

/// Asks Linux for permission to use tile data, which holds for all threads from then on.
fn is_permitted() -> bool {
    const ARCH_PRCTL: u64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let result: i64;
    // SAFETY: `arch_prctl(ARCH_REQ_XCOMP_PERM, 18)` takes two numbers and writes no memory; the `syscall` instruction
    // overwrites rcx and r11. A kernel that does not know the request returns an error.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Multiplies small ragged matrices whose sums are exact, whatever their order, and compares every bit with f32 instructions.
fn gives_known_answers() -> bool {
    [(1, 1, 1), (37, 75, 41), (70, 600, 33), (16, 32, 16), (33, 64, 100)].into_iter().all(
        |(rows, inner, columns)| {
            // Eighths up to 63/8 have 6 significant bits, and sums of 600 products are below 2^24 / 64.
            let mut state = 0x9E37_79B9_u32;
            let mut eighths = |count: usize| -> Vec<f32> {
                let next = |_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((state >> 24) as f32 / 2.0).floor() / 8.0 - 63.0 / 8.0
                };
                (0..count).map(next).collect()
            };
            let (a, b) = (eighths(rows * inner), eighths(inner * columns));
            let product = |level| {
                let mut c = vec![f32::NAN; rows * columns];
                let (a, b) = (Matrix::Rows(&a, inner), Matrix::Rows(&b, columns));
                let sizes = (rows, inner, columns);
                multiply(
                    level,
                    sizes,
                    a,
                    b,
                    &mut c,
                    Lies::Rows(columns),
                    Start::Zero,
                    Finish::Store,
                    Split::Rows,
                    1,
                );
                c
            };
            let (got, want) = (product(Some(Bf16Level::Amx)), product(None));
            got.iter().zip(&want).all(|(got, want)| got.to_bits() == want.to_bits())
        },
    )
}

/// This thread's tiles are configured while this lives; after that the registers are in their initial state.
pub(super) struct Tiles(());

/// `LDTILECFG`'s operand: palette 1, each of the eight tiles 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes_per_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Tiles {
    /// Configures the tiles of this thread.
    ///
    /// # Safety
    /// The CPU has AMX, and this process may use it.
    pub unsafe fn configure() -> Self {
        // SAFETY: reads the 64 bytes of the configuration; sets all tiles to 0, which nobody else uses.
        unsafe {
            asm!(
                "ldtilecfg [{configuration}]",
                configuration = in(reg) &raw const CONFIGURATION,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly, preserves_flags),
            );
        }
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: this value exists, so the tiles are configured; they hold nothing that is still needed.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, nomem, preserves_flags),
            );
        }
    }
}

/// sums += a b for 32 rows and 32 columns, row after row.
///
/// Rows of a and columns of b beyond those that are packed hold anything; they reach only their own rows and columns of c.
///
/// # Safety
/// The tiles are configured. Both operands are packed for `pairs` pairs in whole panels, filled up with zeros; a has 32 rows
/// in each panel, b two panels.
///
/// # Panics
/// If a slice is too short.
#[inline(always)]
pub(super) unsafe fn tile(operands: &Operands, sums: &mut [f32]) {
    const SIDE: usize = 2 * PANEL;
    let &Operands { a, height, b, panel, pairs } = operands;
    let panels = pairs.div_ceil(PANEL);
    if panels == 0 {
        return;
    }
    assert!(sums.len() >= SIDE * SIDE, "amx: tile too short");
    assert!(a.len() >= ((panels - 1) * height + SIDE) * PANEL, "amx: a too short");
    assert!(b.len() >= panel + panels * PANEL * PANEL, "amx: b too short");
    // SAFETY: a tile is 16 rows of 64 bytes, `line` = 64 or `row` = 128 bytes apart. In step s the loop reads rows 0 to 31
    // of a's panel s (2,048 bytes) and 16 pairs of both panels of b (1,024 bytes each): the assertions above. Sums are read
    // and written as four tiles of 32 rows of 128 bytes. All registers it changes are listed.
    unsafe {
        let (left, right) = (b.as_ptr(), b.as_ptr().add(panel));
        let (upper, lower) = (sums.as_mut_ptr(), sums.as_mut_ptr().add(PANEL * SIDE));
        asm!(
            "tileloadd tmm0, [{upper} + {row}]",
            "tileloadd tmm1, [{upper} + {row} + 64]",
            "tileloadd tmm2, [{lower} + {row}]",
            "tileloadd tmm3, [{lower} + {row} + 64]",
            "2:",
            "tileloadd tmm4, [{a} + {line}]",
            "tileloadd tmm5, [{a} + {line} + 1024]",
            "tileloadd tmm6, [{left} + {line}]",
            "tileloadd tmm7, [{right} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, {step}",
            "add {left}, 1024",
            "add {right}, 1024",
            "dec {panels}",
            "jnz 2b",
            "tilestored [{upper} + {row}], tmm0",
            "tilestored [{upper} + {row} + 64], tmm1",
            "tilestored [{lower} + {row}], tmm2",
            "tilestored [{lower} + {row} + 64], tmm3",
            a = inout(reg) a.as_ptr() => _,
            left = inout(reg) left => _,
            right = inout(reg) right => _,
            panels = inout(reg) panels => _,
            upper = in(reg) upper,
            lower = in(reg) lower,
            row = in(reg) 4 * SIDE,
            line = in(reg) 4 * PANEL,
            step = in(reg) 4 * PANEL * height,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
