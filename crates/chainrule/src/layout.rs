//! Where each weight and bias lies in the one flat parameter vector.
//!
//! Gradients, optimizer state, checkpoints and sums over machines share this indexing. In memory the weights of layer l are
//! kept by input, in panels of 16 units, as the kernels read them ([`chainrule_kernels::dense`]); files and equations have W
//! as `(units, inputs)`. Panels are filled up with zeros, and every group begins at a multiple of 16: gradients there are 0,
//! so zeros they stay.

use crate::Real;
use crate::rng::{Stream, stream};
use crate::spec::NetworkSpec;
use crate::{Error, Result};
use chainrule_kernels::dense::PANEL;
use std::ops::Range;

/// Places of the weights and biases of all layers in a flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    layers: Vec<LayerLayout>,
    len: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct LayerLayout {
    inputs: usize,
    units: usize,
    weight: Range<usize>,
    bias: Range<usize>,
    end: usize,
    train_weights: bool,
    train_bias: bool,
}

impl Layout {
    /// The layout of a checked spec.
    pub fn new(spec: &NetworkSpec) -> Self {
        let mut len = 0;
        let mut layers = Vec::with_capacity(spec.layers.len());
        for (l, layer) in spec.layers.iter().enumerate() {
            let inputs = spec.inputs_of(l);
            let weight = len..len + inputs * layer.units.next_multiple_of(PANEL);
            let bias = weight.end..weight.end + layer.biases();
            len = bias.end.next_multiple_of(PANEL);
            layers.push(LayerLayout {
                inputs,
                units: layer.units,
                weight,
                bias,
                end: len,
                train_weights: layer.train_weights,
                train_bias: layer.train_bias,
            });
        }
        Self { layers, len }
    }

    /// Length of the flat vector, padding included.
    #[allow(clippy::len_without_is_empty)] // a checked spec has parameters
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Weights of layer `l`, `(inputs, units)` in panels, padding included.
    pub fn weight(&self, l: usize) -> Range<usize> {
        self.layers[l].weight.clone()
    }

    /// Biases of layer `l`: units, 1 or 0 of them.
    pub fn bias(&self, l: usize) -> Range<usize> {
        self.layers[l].bias.clone()
    }

    /// All of layer `l`: its weights, then its biases, padding included.
    pub fn layer(&self, l: usize) -> Range<usize> {
        self.layers[l].weight.start..self.layers[l].end
    }

    /// Index of the weight from input `i` to unit `j` of layer `l`: W(l) at row j, column i.
    pub fn weight_at(&self, l: usize, j: usize, i: usize) -> usize {
        let LayerLayout { inputs, weight, .. } = &self.layers[l];
        weight.start + j / PANEL * PANEL * inputs + i * PANEL + j % PANEL
    }

    /// The shape of W(l) in files and equations: (units, inputs).
    pub fn weight_shape(&self, l: usize) -> (usize, usize) {
        (self.layers[l].units, self.layers[l].inputs)
    }

    /// The parts of layer `l` that training changes; neighbours are joined.
    pub fn trainable(&self, l: usize) -> Option<Range<usize>> {
        let layer = &self.layers[l];
        match (layer.train_weights, layer.train_bias) {
            (true, true) => Some(self.layer(l)),
            (true, false) => Some(layer.weight.clone()),
            (false, true) => Some(layer.bias.clone()),
            (false, false) => None,
        }
    }

    /// Parameter groups in order: name (`layers.0.weight`), and where each of its parameters lies, in the order of files.
    pub fn groups(&self) -> Vec<(String, Vec<usize>)> {
        let of_layer = |(l, layer): (usize, &LayerLayout)| {
            let (units, inputs) = (layer.units, layer.inputs);
            let weights = (0..units * inputs).map(|at| self.weight_at(l, at / inputs, at % inputs)).collect();
            let weight = (format!("layers.{l}.weight"), weights);
            let bias = (format!("layers.{l}.bias"), layer.bias.clone().collect());
            if layer.bias.is_empty() { vec![weight] } else { vec![weight, bias] }
        };
        self.layers.iter().enumerate().flat_map(of_layer).collect()
    }

    /// W(l) as files and equations have it: row-major (units, inputs).
    pub fn export_weight<T: Real>(&self, l: usize, params: &[T]) -> Vec<T> {
        let (units, inputs) = self.weight_shape(l);
        let rows = (0..units).map(|j| params[self.weight_at(l, j, 0)..].iter().step_by(PANEL).take(inputs));
        rows.flatten().copied().collect()
    }

    /// Sets W(l) from row-major (units, inputs).
    ///
    /// # Errors
    /// If the count differs.
    pub fn import_weight<T: Real>(&self, l: usize, weight: &[T], params: &mut [T]) -> Result<()> {
        let (units, inputs) = self.weight_shape(l);
        if weight.len() != units * inputs {
            let what = format!("layers.{l}.weight");
            return Err(Error::shape(
                what,
                format!("({units}, {inputs})"),
                format!("{} numbers", weight.len()),
            ));
        }
        for (j, row) in weight.chunks_exact(inputs.max(1)).enumerate() {
            let column = params[self.weight_at(l, j, 0)..].iter_mut().step_by(PANEL);
            column.zip(row).for_each(|(param, &value)| *param = value);
        }
        Ok(())
    }

    /// Initial parameters of `spec`, drawn layer by layer: W(l), then b(l).
    ///
    /// # Errors
    /// If own values have another shape than their layer.
    pub fn init<T: Real>(&self, spec: &NetworkSpec, seed: u64) -> Result<Vec<T>> {
        let mut rng = stream(seed, Stream::Init);
        let mut params = vec![T::default(); self.len];
        for (l, layer) in spec.layers.iter().enumerate() {
            let (units, inputs) = self.weight_shape(l);
            let fan = (inputs, units);
            let weight =
                layer.init.draw(&format!("init of layer {}", l + 1), (units, inputs), fan, &mut rng)?;
            let weight: Vec<T> = weight.into_iter().map(T::from_f64).collect();
            self.import_weight(l, &weight, &mut params)?;
            let what = format!("bias_init of layer {}", l + 1);
            let bias = layer.bias_init.draw(&what, (layer.biases(), 1), fan, &mut rng)?;
            for (param, value) in params[self.bias(l)].iter_mut().zip(bias) {
                *param = T::from_f64(value);
            }
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{BiasMode, LayerSpec};

    #[test]
    fn groups_tile_the_vector_and_files_have_units_by_inputs() {
        let layer = |units| LayerSpec::new(units, "sigmoid".parse().unwrap(), "normal".parse().unwrap());
        let mut spec = NetworkSpec {
            input_shape: vec![3],
            layers: vec![layer(2), layer(4), layer(1)],
            loss: "mse".parse().unwrap(),
        };
        spec.layers[0].bias = BiasMode::Shared;
        spec.layers[1].bias = BiasMode::None;
        spec.layers[2].train_weights = false;
        let layout = Layout::new(&spec);
        let mut seen = vec![false; layout.len()];
        for (name, group) in layout.groups() {
            for index in group {
                assert!(!seen[index], "{name}: place {index} is taken");
                seen[index] = true;
            }
        }
        assert_eq!(seen.iter().filter(|&&seen| seen).count(), spec.parameters());
        assert!((0..3).all(|l| layout.weight(l).start.is_multiple_of(PANEL)));
        assert_eq!(layout.trainable(2), Some(layout.bias(2)));

        let weight: Vec<f64> = (0..6).map(f64::from).collect(); // rows of units: [0 1 2], [3 4 5]
        let mut params = vec![0.0; layout.len()];
        layout.import_weight(0, &weight, &mut params).unwrap();
        assert_eq!([params[0], params[1], params[2], params[16], params[17]], [0.0, 3.0, 0.0, 1.0, 4.0]);
        assert_eq!(params[layout.weight_at(0, 1, 2)], 5.0);
        assert_eq!(layout.export_weight(0, &params), weight);
        assert!(layout.import_weight(0, &weight[1..], &mut params).is_err());
    }
}
