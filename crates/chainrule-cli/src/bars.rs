//! Which inputs of a table are drawn as bars.

use crate::terminal::shortened;

/// So many of them.
const MOST: usize = 60;
/// Letters of a name.
const LETTERS: usize = 32;

/// The largest of `values` by magnitude, in the order of the inputs, with the names of these; and whether others were left out.
pub fn of_inputs(values: &[f64], name: impl Fn(usize) -> String) -> (Vec<(String, f64)>, bool) {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    places.truncate(MOST);
    places.sort_unstable();
    let bars = places.into_iter().map(|i| (shortened(&name(i), LETTERS), values[i]));
    (bars.collect(), values.len() > MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_drawn_in_order() {
        let name = |i: usize| format!("input {i}");
        assert_eq!(
            of_inputs(&[0.5, -2.0], name),
            (vec![("input 0".into(), 0.5), ("input 1".into(), -2.0)], false)
        );
        let values: Vec<f64> = (0..100).map(|i| f64::from(i) * if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let (bars, more) = of_inputs(&values, name);
        assert!(more && bars.len() == MOST);
        assert_eq!(
            (bars[0].clone(), bars[59].clone()),
            (("input 40".into(), 40.0), ("input 99".into(), -99.0))
        );
    }
}
