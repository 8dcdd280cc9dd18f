//! AMX where there is none: its five instructions are undefined there, and the signal's handler computes what they would.
//!
//! The handler decodes the bytes that the assembler wrote, by Intel's manual, volume 2; `m`, `k`, `n` as in its pseudocode:
//!
//! ```text
//!  C4 | R X B 00010 | W vvvv L pp | opcode | ModRM | SIB | displacement       (R, X, B, vvvv inverted)
//!  LDTILECFG   VEX.128.NP.0F38.W0 49 !(11):000:bbb     TILELOADD   VEX.128.F2.0F38.W0 4B !(11):rrr:100
//!  TILERELEASE VEX.128.NP.0F38.W0 49 C0                TILESTORED  VEX.128.F3.0F38.W0 4B !(11):rrr:100
//!  TDPBF16PS   VEX.128.F3.0F38.W0 5C 11:rrr:bbb        rrr += bbb * vvvv
//! ```

use super::*;
use crate::bf16::{INNER, ROWS, Stack};
use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A tile: 16 rows of 64 bytes, as 32-bit numbers.
type Tile = [[u32; 16]; 16];

struct Unit {
    configured: bool,
    tiles: [Tile; 8],
}

thread_local! {
    static UNIT: Cell<*mut Unit> = const { Cell::new(std::ptr::null_mut()) };
}

/// How many products of tiles have been computed.
static PRODUCTS: AtomicUsize = AtomicUsize::new(0);

/// Makes the unit add one wrong product in each tile, as a defective one might.
static DEFECTIVE: AtomicBool = AtomicBool::new(false);

/// Executes the AMX instruction at `ip` and returns where the next one is; None if it is another, or must not run now.
///
/// # Safety
/// `ip` points to an instruction that the CPU has refused, `register` tells the registers' content.
unsafe fn execute(ip: *const u8, register: impl Fn(u8) -> u64) -> Option<*const u8> {
    let mut unit = UNIT.get();
    if unit.is_null() {
        unit = Box::leak(Box::new(Unit { configured: false, tiles: [[[0; 16]; 16]; 8] }));
        UNIT.set(unit);
    }
    // SAFETY: the code is readable; operands are where the instruction says, as for a CPU; the unit is this thread's.
    unsafe {
        let unit = &mut *unit;
        let [0xC4, map, second, opcode, modrm] = *ip.cast::<[u8; 5]>() else { return None };
        let (r, x, b) = (!map >> 7 & 1, !map >> 6 & 1, !map >> 5 & 1);
        let (w, v, l, pp) = (second >> 7, !second >> 3 & 15, second >> 2 & 1, second & 3);
        let (mode, reg, rm) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
        if map & 31 != 2 || w != 0 || l != 0 || r != 0 {
            return None;
        }
        let mut next = ip.add(5);
        // base + displacement, and index << scale: a row's address, and the distance to the next row.
        let mut address = || -> Option<(u64, u64)> {
            let (mut base, mut stride) = (rm, 0);
            let has_sib = rm == 4;
            if has_sib {
                let sib = *next;
                next = next.add(1);
                base = sib & 7;
                let index = (sib >> 3 & 7) | x << 3;
                stride = if index == 4 { 0 } else { register(index) << (sib >> 6) };
            }
            if mode == 0 && base == 5 {
                return None; // no base: not written here
            }
            let displacement = match mode {
                0 => 0,
                1 => i64::from(*next.cast::<i8>()),
                _ => i64::from(next.cast::<i32>().read_unaligned()),
            };
            next = next.add([0, 1, 4][mode as usize]);
            Some((register(base | b << 3).wrapping_add_signed(displacement), stride))
        };
        match (opcode, pp, mode, reg, rm) {
            (0x49, 0, 3, 0, 0) if v == 0 => {
                unit.configured = false;
                unit.tiles = [[[0; 16]; 16]; 8];
            }
            (0x49, 0, 0..3, 0, _) if v == 0 => {
                let (at, _) = address()?;
                let bytes = *(at as *const [u8; 64]);
                let wanted = |at: usize| match at {
                    0 => 1,                               // palette
                    16..32 if at.is_multiple_of(2) => 64, // bytes per row, two bytes each
                    48..56 => 16,                         // rows
                    _ => 0,
                };
                if (0..64).any(|at| bytes[at] != wanted(at)) {
                    return None;
                }
                unit.configured = true;
                unit.tiles = [[[0; 16]; 16]; 8];
            }
            (0x4B, 2 | 3, 0..3, tile, 4) if v == 0 && unit.configured => {
                let (at, stride) = address()?;
                for (m, row) in unit.tiles[tile as usize].iter_mut().enumerate() {
                    let memory = (at + m as u64 * stride) as *mut [u32; 16];
                    if pp == 3 { *row = memory.read_unaligned() } else { memory.write_unaligned(*row) }
                }
            }
            (0x5C, 2, 3, destination, first) if v < 8 && b == 0 && unit.configured => {
                let (a, b) = (unit.tiles[first as usize], unit.tiles[v as usize]);
                if destination == first || destination == v || first == v {
                    return None;
                }
                multiply_tiles(&mut unit.tiles[destination as usize], &a, &b);
            }
            _ => return None,
        }
        Some(next)
    }
}

/// `TDPBF16PS`: the sums over even and over odd numbers, then both added to c.
fn multiply_tiles(c: &mut Tile, a: &Tile, b: &Tile) {
    PRODUCTS.fetch_add(1, Ordering::Relaxed);
    let even = |pair: u32| f32::from_bits(pair << 16);
    let odd = |pair: u32| f32::from_bits(pair & 0xffff_0000);
    for m in 0..16 {
        for n in 0..16 {
            let (mut evens, mut odds) = (0.0, 0.0);
            for k in 0..16 {
                evens += even(a[m][k]) * even(b[k][n]);
                odds += odd(a[m][k]) * odd(b[k][n]);
            }
            c[m][n] = (f32::from_bits(c[m][n]) + (evens + odds)).to_bits();
        }
    }
    if DEFECTIVE.load(Ordering::Relaxed) {
        c[15][15] = (f32::from_bits(c[15][15]) + even(a[0][15]) * even(b[15][0])).to_bits();
    }
}

extern "C" fn on_undefined(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the interrupted thread's context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |number: u8| {
        let at = [
            libc::REG_RAX,
            libc::REG_RCX,
            libc::REG_RDX,
            libc::REG_RBX,
            libc::REG_RSP,
            libc::REG_RBP,
            libc::REG_RSI,
            libc::REG_RDI,
            libc::REG_R8,
            libc::REG_R9,
            libc::REG_R10,
            libc::REG_R11,
            libc::REG_R12,
            libc::REG_R13,
            libc::REG_R14,
            libc::REG_R15,
        ][number as usize];
        registers[at as usize] as u64
    };
    let ip = registers[libc::REG_RIP as usize] as *const u8;
    // SAFETY: the CPU refused the instruction at `ip`.
    match unsafe { execute(ip, register) } {
        Some(next) => registers[libc::REG_RIP as usize] = next as i64,
        None => {
            // SAFETY: ends the process; the test has failed.
            unsafe { libc::abort() }
        }
    }
}

/// Whether AMX can be used in this test: by the CPU, or because its instructions are computed by the handler.
fn prepare() -> bool {
    static INSTALLED: Once = Once::new();
    if !Bf16Level::Avx512Bf16.is_available() || (is_offered() && !is_permitted()) {
        return false;
    }
    if !is_offered() {
        INSTALLED.call_once(|| {
            // SAFETY: a handler of the right kind, for a signal that nobody else handles.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = on_undefined as extern "C" fn(_, _, _) as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                assert_eq!(libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut()), 0);
            }
        });
    }
    true
}

/// Whether this thread's tiles are released; always, if no instruction was emulated.
fn is_released() -> bool {
    let unit = UNIT.get();
    // SAFETY: null, or this thread's unit, which is never freed.
    unit.is_null() || unsafe { !(*unit).configured }
}

/// All three ways in which operands and results lie, over several blocks of rows and indices, against f32 instructions.
#[test]
fn tiles_multiply_as_the_manual_says() {
    if !prepare() {
        return;
    }
    DEFECTIVE.store(false, Ordering::Relaxed);
    assert!(gives_known_answers());
    assert!(is_released());
    let emulated = !is_offered();
    for (rows, inner, columns) in [(5, 3, 7), (33, 31, 49), (ROWS + 50, INNER + 37, 70), (64, 0, 40)] {
        let mut state = 1u32;
        let mut numbers = |count: usize| -> Vec<f32> {
            let next = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
            };
            (0..count).map(next).collect()
        };
        let wide = |count: usize| count.next_multiple_of(PANEL);
        let (a, b) = (numbers(wide(rows) * wide(inner)), numbers(wide(inner) * wide(columns)));
        let layouts = [
            (Matrix::Rows(&a, inner), Matrix::Panels(&b, inner), Lies::Rows(columns)),
            (Matrix::Rows(&a, inner), Matrix::TransposedPanels(&b, columns), Lies::Rows(columns)),
            (Matrix::Columns(&a, rows), Matrix::Rows(&b, columns), Lies::Panels(rows)),
        ];
        for (a, b, lies) in layouts {
            let product = |level, split, threads| {
                let mut c = vec![0.0; rows * wide(columns)];
                let start = Start::Bias(&[0.5]);
                multiply(
                    level,
                    (rows, inner, columns),
                    a,
                    b,
                    &mut c,
                    lies,
                    start,
                    Finish::Store,
                    split,
                    threads,
                );
                c
            };
            let before = PRODUCTS.load(Ordering::Relaxed);
            let (got, want) = (product(Some(Bf16Level::Amx), Split::Rows, 1), product(None, Split::Rows, 1));
            assert!(!emulated || inner == 0 || PRODUCTS.load(Ordering::Relaxed) > before);
            for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                let tolerance = f32::EPSILON * (inner + 1) as f32;
                assert!(
                    (got - want).abs() <= tolerance,
                    "{lies:?}, {rows} x {inner} x {columns} at {at}: {got}, {want}"
                );
            }
            for (split, threads) in [(Split::Rows, 2), (Split::Columns, 3)] {
                let same = product(Some(Bf16Level::Amx), split, threads) == got;
                assert!(same, "other bits on {threads} threads");
            }
            assert!(is_released());
        }
    }
    layers_follow_each_other();
    if emulated {
        DEFECTIVE.store(true, Ordering::Relaxed);
        assert!(!gives_known_answers(), "a defective unit must not be trusted");
        DEFECTIVE.store(false, Ordering::Relaxed);
    }
}

/// Stacked layers, of one panel and more, have the bits of one product after the other.
fn layers_follow_each_other() {
    let numbers =
        |count: usize| -> Vec<f32> { (0..count).map(|at| ((at * 37) % 101) as f32 / 101.0 - 0.5).collect() };
    let (n, sizes) = (37, [70, 50, 16, 33]);
    let level = Some(Bf16Level::Amx);
    let mut stack = Stack::at(level);
    let mut below = numbers(n * sizes[0]);
    let x = below.clone();
    for pair in sizes.windows(2) {
        let &[k, m] = pair else { unreachable!("pairs") };
        let w = numbers(k * m.next_multiple_of(PANEL));
        stack.push(k, m, &w, &[0.25], None);
        let mut z = vec![0.0; n * m];
        let (a, b) = (Matrix::Rows(&below, k), Matrix::Panels(&w, k));
        let start = Start::Bias(&[0.25]);
        multiply(level, (n, k, m), a, b, &mut z, Lies::Rows(m), start, Finish::Store, Split::Rows, 1);
        below = z;
    }
    let mut a = vec![f32::NAN; below.len()];
    stack.forward(n, &x, &mut stack.buffers(), &mut a);
    assert!(is_released());
    assert!(a.iter().zip(&below).all(|(a, z)| a.to_bits() == z.to_bits()), "other bits in a stack");
}
