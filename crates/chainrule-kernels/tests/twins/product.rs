//! The packed product with every way its matrices can lie, its sums can start and end, and its work can be split.

use crate::common::{assert_close, axis, bits, config, nonlinearity, numbers, unwritten};
use crate::levels::at_every_level;
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::PANEL;
use chainrule_kernels::naive;
use chainrule_kernels::product::{Finish, Lies, MOST_DESCENDED, Matrix, Split, Start, multiply};
use proptest::prelude::*;

/// How a `(rows, columns)` result lies in way `lies`, with `more` numbers between rows, and its room.
fn result(lies: usize, rows: usize, columns: usize, more: usize) -> (Lies, usize) {
    match lies {
        0 => (Lies::Rows(columns + more), rows * (columns + more)),
        _ => (Lies::Panels(rows + more), (rows + more) * columns.next_multiple_of(PANEL)),
    }
}

/// The room of an operand that lies in way `lies`.
fn room(lies: usize, rows: usize, columns: usize, more: usize) -> usize {
    match lies {
        // What lies beyond the last number need not be there.
        0 => (rows * (columns + more)).saturating_sub(more),
        1 => (columns * (rows + more)).saturating_sub(more),
        2 => (rows + more) * columns.next_multiple_of(PANEL),
        _ => (columns + more) * rows.next_multiple_of(PANEL),
    }
}

fn operand(lies: usize, data: &[f32], rows: usize, columns: usize, more: usize) -> Matrix<'_> {
    match lies {
        0 => Matrix::Rows(data, columns + more),
        1 => Matrix::Columns(data, rows + more),
        2 => Matrix::Panels(data, rows + more),
        _ => Matrix::TransposedPanels(data, columns + more),
    }
}

/// The entries of c, without what lies between.
fn entries(lies: Lies, rows: usize, columns: usize, c: &[f32]) -> Vec<f32> {
    let at = |i: usize, j: usize| match lies {
        Lies::Rows(width) => i * width + j,
        Lies::Panels(height) => naive::panel_index(height, i, j),
    };
    (0..rows * columns).map(|e| c[at(e / columns, e % columns)]).collect()
}

#[derive(Clone, Copy, Debug)]
struct Case {
    sizes: (usize, usize, usize),
    /// How a, b and c lie.
    lies: (usize, usize, usize),
    more: usize,
    /// 0: at zero, 1: one bias, 2: a bias for each column.
    start: usize,
    finish: End,
    split: Split,
    /// Per cent of a's numbers that are not 0.
    kept: u64,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Store,
    Activate(Nonlinearity),
    TimesDerivative(Nonlinearity),
    Descend(f32),
}

fn agree(case: Case) {
    let Case { sizes, lies, more, seed, .. } = case;
    let (rows, inner, columns) = sizes;
    let (len_a, len_b) = (room(lies.0, rows, inner, more), room(lies.1, inner, columns, more));
    let (lies_c, len_c) = result(lies.2, rows, columns, more);
    let (a, mut b) = (thinned(len_a, case.kept, seed), numbers::<f32>(len_b, seed + 1));
    let (old, activations) = (numbers::<f32>(len_c, seed + 2), numbers::<f32>(len_c, seed + 3));
    let bias = numbers::<f32>([0, 1, columns][case.start], seed + 4);
    let start = if bias.is_empty() { Start::Zero } else { Start::Bias(&bias) };
    let run = |b: &[f32], threads: Option<usize>| {
        let mut c = if matches!(case.finish, End::Descend(_)) { old.clone() } else { unwritten(len_c) };
        let mut out = unwritten::<f32>(len_c);
        let finish = match case.finish {
            End::Store => Finish::Store,
            End::Activate(f) => Finish::Activate(f, &mut out),
            End::TimesDerivative(f) => Finish::TimesDerivative(f, &activations),
            End::Descend(rate) => Finish::Descend(rate),
        };
        let (a, b) = (operand(lies.0, &a, rows, inner, more), operand(lies.1, b, inner, columns, more));
        match threads {
            None => naive::multiply(sizes, a, b, &mut c, lies_c, start, finish),
            Some(threads) => multiply(sizes, a, b, &mut c, lies_c, start, finish, case.split, threads),
        }
        (entries(lies_c, rows, columns, &c), entries(lies_c, rows, columns, &out))
    };
    let (c_naive, a_naive) = run(&b, None);
    at_every_level(|level| {
        let mut of_one_thread = None;
        for threads in [1, 2, 3] {
            let (c, a) = run(&b, Some(threads));
            assert_close("c", &c, &c_naive, inner);
            if matches!(case.finish, End::Activate(_)) {
                assert_close("f(c)", &a, &a_naive, inner);
            }
            let bits = bits(&[&c, &a]);
            let first = of_one_thread.get_or_insert_with(|| bits.clone());
            assert!(*first == bits, "{threads} threads give other bits for {case:?} at {level:?}");
        }
    });
    if inner > 0 && columns > 1 {
        // What is not finite in b keeps zeros of a from being left out: the other columns have the same bits.
        let at_every_level_of = |b: &[f32]| {
            let mut found = Vec::new();
            at_every_level(|_| found.push(run(b, Some(1))));
            found
        };
        let without = at_every_level_of(&b);
        b[place(lies.1, inner, columns, more)] = f32::NAN;
        for (left_out, all) in without.iter().zip(at_every_level_of(&b)) {
            for (left_out, all) in [(&left_out.0, all.0), (&left_out.1, all.1)] {
                for (at, (one, other)) in
                    left_out.iter().zip(all).enumerate().filter(|(at, _)| (at + 1) % columns != 0)
                {
                    let same = (one + 0.0).to_bits() == (other + 0.0).to_bits();
                    assert!(same, "{one} and {other} at {at} with zeros left out and not, for {case:?}");
                }
            }
        }
    }
}

/// Numbers of which so many per cent are not 0; [`numbers`] themselves for 100.
fn thinned(count: usize, kept: u64, seed: u64) -> Vec<f32> {
    let mut numbers = numbers::<f32>(count, seed);
    if kept < 100 {
        for (at, number) in numbers.iter_mut().enumerate() {
            let keep = (at as u64 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            *number = match *number {
                _ if keep % 100 >= kept => [0.0, -0.0][at % 2],
                0.0 => 0.125,
                number => number,
            };
        }
    }
    numbers
}

/// Where the last entry of an operand in way `lies` is.
fn place(lies: usize, rows: usize, columns: usize, more: usize) -> usize {
    let (i, j) = (rows - 1, columns - 1);
    match lies {
        0 => i * (columns + more) + j,
        1 => j * (rows + more) + i,
        2 => naive::panel_index(rows + more, i, j),
        _ => naive::panel_index(columns + more, j, i),
    }
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Store),
        nonlinearity().prop_map(End::Activate),
        nonlinearity().prop_map(End::TimesDerivative),
        Just(End::Descend(0.375)),
    ]
}

fn cases(sizes: impl Strategy<Value = (usize, usize, usize)>) -> impl Strategy<Value = Case> {
    let split = prop_oneof![Just(Split::Rows), Just(Split::Columns)];
    let lies = (0usize..2, prop_oneof![Just(0usize), 2usize..4], 0usize..2);
    let kept = prop_oneof![2 => Just(100u64), 1 => Just(0u64), 3 => 20u64..60];
    (sizes, lies, 0usize..3, 0usize..3, end(), split, kept, 0u64..1_000_000).prop_map(
        |(sizes, lies, more, start, finish, split, kept, seed)| {
            // A sum of several blocks cannot change c.
            let finish = if sizes.1 > MOST_DESCENDED && matches!(finish, End::Descend(_)) {
                End::Store
            } else {
                finish
            };
            Case { sizes, lies, more, start, finish, split, kept, seed }
        },
    )
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn agrees_over_random_shapes(case in cases((axis(), axis(), axis()))) {
        agree(case);
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn agrees_where_sums_run_over_several_blocks(case in cases((1usize..40, prop_oneof![511usize..=514, 1020usize..=1030], 1usize..70))) {
        agree(case);
    }

    /// More rows, or numbers of a, than are listed at once.
    #[test]
    fn agrees_where_lists_are_made_in_turn(case in cases(prop_oneof![Just((2100, 5, 64)), Just((300, 600, 70)), Just((70, 4000, 64))])) {
        agree(case);
    }

    #[test]
    fn agrees_over_several_blocks_of_columns(case in cases((1usize..20, 1usize..20, prop_oneof![255usize..=258, 500usize..=530]))) {
        agree(case);
    }
}

/// Every combination once, at sizes that leave remainders everywhere, and at some that are split over threads: for their sums, and
/// for their many results of short ones.
#[test]
fn agrees_in_every_combination() {
    for at in 0..12 * 3 * 4 * 2 {
        let (lies, at) = (at % 12, at / 12);
        let (start, at) = (at % 3, at / 3);
        let f = Nonlinearity::Tanh;
        let finish = [End::Store, End::Activate(f), End::TimesDerivative(f), End::Descend(0.5)][at % 4];
        let split = [Split::Rows, Split::Columns][at / 4];
        let lies = (lies % 2, [0, 2, 3][lies / 2 % 3], lies / 6);
        for sizes in [(43, 37, 53), (131, 150, 85), (301, 5, 270)] {
            for kept in [100, 30] {
                agree(Case { sizes, lies, more: 0, start, finish, split, kept, seed: 5 });
            }
        }
    }
}
