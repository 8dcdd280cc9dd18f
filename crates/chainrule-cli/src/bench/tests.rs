//! The table, with the longest that each column can hold.

use super::{Figure, amount, digits, text};

#[test]
fn the_longest_figures_fit_eighty_columns() {
    let mut long =
        Figure::new("W7", "throughput digits bf16", 2, "samples/s", vec![12_345_678.0, 4_000_000.0]);
    let mut steps = Figure::new("W4", "f32", 2, "s/10k steps", vec![0.001_199_8, 0.005]);
    for figure in [&mut long, &mut steps] {
        figure.gflops = Some(1234.5);
        figure.share_of_peak = Some(1.0);
        figure.accuracy = Some(1.0);
    }
    let table = text(&[long, steps]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn figures_keep_their_digits() {
    assert_eq!(amount(0.038_007_5, "s/epoch"), "38.01 ms");
    assert_eq!(amount(1.5, "s/20 steps"), "1.500 s");
    assert_eq!(amount(1.3824, "us/sample"), "1.382 us");
    assert_eq!(amount(1_023_378.4, "samples/s"), "1,023,378 /s");
    assert_eq!([digits(0.0123, 3), digits(104.3, 3), digits(1234.5, 3)], ["0.0123", "104", "1234"]);
}
