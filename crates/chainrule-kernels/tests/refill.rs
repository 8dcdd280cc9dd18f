//! Lists that are filled anew, whatever they held before.

use chainrule_kernels::sparse::SparseRows;

/// Three samples of 40 inputs, mostly zeros.
fn numbers() -> Vec<f32> {
    (0..120).map(|at| if at % 7 == 0 { at as f32 / 8.0 - 3.0 } else { 0.0 }).collect()
}

fn rows(lists: &SparseRows) -> Vec<f32> {
    let mut x = vec![f32::NAN; lists.len() * lists.inputs()];
    for (sample, row) in x.chunks_exact_mut(lists.inputs()).enumerate() {
        lists.write_row(sample, row);
    }
    x
}

#[test]
fn lists_of_any_kind_and_size_can_be_refilled() {
    let x = numbers();
    let before = [
        SparseRows::with_capacity(3, 40),
        SparseRows::with_capacity(1, 40),
        SparseRows::from_bytes(&[0; 40], 40, 1.0),
        SparseRows::from_bytes(&[255; 400], 40, 0.5),
        SparseRows::from_reals(&[0.0; 80], 40),
        SparseRows::from_reals(&[1.0; 400], 40),
    ];
    for (case, lists) in before.into_iter().enumerate() {
        let mut lists = lists.unwrap();
        for n in [3, 1, 0, 2, 3] {
            lists.refill(&x[..n * 40]);
            assert_eq!((lists.len(), rows(&lists)), (n, x[..n * 40].to_vec()), "case {case}, {n} samples");
        }
    }
}
