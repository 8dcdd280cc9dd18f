//! What units, weights and biases are called, and which one a name means.
//!
//! In small networks weights are numbered w1, w2, … through all layers, row by row of each W (units, inputs), as Mazur's
//! example does; in others they are `w[l,i,j]`, from unit i to unit j of layer l, all counted from 1.

use crate::spec::{BiasMode, NetworkSpec};

/// Up to this many weights are numbered through.
const NUMBERED: usize = 100;

/// The names of one network's parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    sizes: Vec<usize>,
    bias: Vec<BiasMode>,
    numbered: bool,
}

impl Names {
    /// The names in a network of this spec.
    pub fn new(spec: &NetworkSpec) -> Self {
        let sizes: Vec<usize> =
            std::iter::once(spec.inputs()).chain(spec.layers.iter().map(|layer| layer.units)).collect();
        let weights: usize = sizes.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let bias = spec.layers.iter().map(|layer| layer.bias).collect();
        Self { sizes, bias, numbered: weights <= NUMBERED }
    }

    /// Number of layers, the input not counted.
    pub fn layers(&self) -> usize {
        self.bias.len()
    }

    /// Units of layer `l`.
    pub fn units(&self, l: usize) -> usize {
        self.sizes[l + 1]
    }

    /// Inputs of layer `l`.
    pub fn inputs(&self, l: usize) -> usize {
        self.sizes[l]
    }

    /// Unit `j` of layer `l`: `h1`, `o1`, or with several hidden layers `h[1,2]`.
    pub fn unit(&self, l: usize, j: usize) -> String {
        if l + 1 == self.layers() {
            format!("o{}", j + 1)
        } else if self.layers() == 2 {
            format!("h{}", j + 1)
        } else {
            format!("h[{},{}]", l + 1, j + 1)
        }
    }

    /// The weight from input `i` to unit `j` of layer `l`.
    pub fn weight(&self, l: usize, j: usize, i: usize) -> String {
        if !self.numbered {
            return format!("w[{},{},{}]", l + 1, i + 1, j + 1);
        }
        let before: usize = self.sizes.windows(2).take(l).map(|pair| pair[0] * pair[1]).sum();
        format!("w{}", before + j * self.inputs(l) + i + 1)
    }

    /// The bias of unit `j` of layer `l`, which its layer may share; none without biases.
    pub fn bias(&self, l: usize, j: usize) -> Option<String> {
        if self.bias[l] == BiasMode::None {
            return None;
        }
        if !self.numbered {
            let shared = self.bias[l] == BiasMode::Shared;
            return Some(if shared { format!("b[{}]", l + 1) } else { format!("b[{},{}]", l + 1, j + 1) });
        }
        let before: usize = (0..l).map(|l| self.biases(l)).sum();
        Some(format!("b{}", before + j.min(self.biases(l) - 1) + 1))
    }

    /// Biases of layer `l`: units, 1 or 0.
    pub fn biases(&self, l: usize) -> usize {
        match self.bias[l] {
            BiasMode::PerUnit => self.units(l),
            BiasMode::Shared => 1,
            BiasMode::None => 0,
        }
    }

    /// (layer, unit, input) of a weight: `w5`, `w[2,1,3]` or `2,1,3`.
    pub fn find_weight(&self, text: &str) -> Option<(usize, usize, usize)> {
        let inner =
            text.trim().trim_start_matches('w').trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
        let numbers: Option<Vec<usize>> = inner.split(',').map(|part| part.trim().parse().ok()).collect();
        match *numbers?.as_slice() {
            [number] if self.numbered && number > 0 => {
                let mut at = number - 1;
                for l in 0..self.layers() {
                    let here = self.units(l) * self.inputs(l);
                    if at < here {
                        return Some((l, at / self.inputs(l), at % self.inputs(l)));
                    }
                    at -= here;
                }
                None
            }
            [l, i, j] if (1..=self.layers()).contains(&l) => {
                let l = l - 1;
                let known = (1..=self.inputs(l)).contains(&i) && (1..=self.units(l)).contains(&j);
                known.then(|| (l, j - 1, i - 1))
            }
            _ => None,
        }
    }

    /// (layer, unit) of a unit: `h1`, `o2`, `h[1,2]` or `1,2`.
    pub fn find_unit(&self, text: &str) -> Option<(usize, usize)> {
        let text = text.trim();
        let inner =
            text.trim_start_matches(['h', 'o']).trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
        let numbers: Option<Vec<usize>> = inner.split(',').map(|part| part.trim().parse().ok()).collect();
        let (l, j) = match *numbers?.as_slice() {
            [j] if text.starts_with('o') => (self.layers(), j),
            [j] if text.starts_with('h') && self.layers() == 2 => (1, j),
            [l, j] => (l, j),
            _ => return None,
        };
        let known = (1..=self.layers()).contains(&l) && (1..=self.units(l - 1)).contains(&j);
        known.then(|| (l - 1, j - 1))
    }

    /// How weights and units can be asked for, in words.
    pub fn forms(&self) -> (String, String) {
        let weights: usize = self.sizes.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let last = self.layers();
        let by_place = format!("l,i,j from unit i to unit j of layer l, as {last},1,1");
        let weight = if self.numbered { format!("w1 to w{weights}, or {by_place}") } else { by_place };
        let outputs = self.units(last - 1);
        let hidden = match last {
            1 => String::new(),
            2 => format!("h1 to h{}, ", self.units(0)),
            _ => format!("l,j (unit j of layer l, as h[1,{}]), ", self.units(0)),
        };
        (weight, format!("{hidden}o1 to o{outputs}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerSpec;

    fn names(sizes: &[usize], bias: BiasMode) -> Names {
        let layer = |&units: &usize| {
            let layer = LayerSpec::new(units, "sigmoid".parse().unwrap(), "normal".parse().unwrap());
            LayerSpec { bias, ..layer }
        };
        let layers = sizes[1..].iter().map(layer).collect();
        Names::new(&NetworkSpec { input_shape: vec![sizes[0]], layers, loss: "mse".parse().unwrap() })
    }

    #[test]
    fn small_networks_are_named_as_the_worked_example_is() {
        let small = names(&[2, 2, 2], BiasMode::Shared);
        assert_eq!((small.weight(0, 1, 0), small.weight(1, 0, 0)), ("w3".into(), "w5".into()));
        assert_eq!((small.unit(0, 1), small.unit(1, 0)), ("h2".into(), "o1".into()));
        assert_eq!((small.bias(0, 1), small.bias(1, 0)), (Some("b1".into()), Some("b2".into())));
        assert_eq!(names(&[2, 3, 1], BiasMode::PerUnit).bias(1, 0), Some("b4".into()));
        assert_eq!(names(&[2, 3, 1], BiasMode::None).bias(1, 0), None);
    }

    #[test]
    fn every_name_is_found_again() {
        for sizes in [&[2, 2, 2][..], &[3, 4, 2, 2], &[3, 2], &[20, 9, 8]] {
            for bias in [BiasMode::PerUnit, BiasMode::Shared] {
                let names = names(sizes, bias);
                for l in 0..names.layers() {
                    for j in 0..names.units(l) {
                        assert_eq!(names.find_unit(&names.unit(l, j)), Some((l, j)));
                        for i in 0..names.inputs(l) {
                            assert_eq!(names.find_weight(&names.weight(l, j, i)), Some((l, j, i)));
                            let by_place = format!("{},{},{}", l + 1, i + 1, j + 1);
                            assert_eq!(names.find_weight(&by_place), Some((l, j, i)));
                        }
                    }
                }
                for bad in ["w0", "w999", "1,99,1", "4,1,1", "x", "", "h99", "0,1,1"] {
                    assert_eq!(names.find_weight(bad), None, "{bad}");
                    assert_eq!(names.find_unit(bad), None, "{bad}");
                }
            }
        }
    }
}
