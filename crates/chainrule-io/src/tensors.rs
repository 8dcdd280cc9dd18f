//! Named tensors in safetensors files: the container of models and checkpoints.

use std::path::Path;

use chainrule::Real;
use chainrule::layout::Layout;
use chainrule::recipe::Dtype;
use safetensors::tensor::{Dtype as FileDtype, TensorView};
use safetensors::{SafeTensors, serialize};

use crate::{Error, Position, Result, write_atomically};

/// Where the JSON document of a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the header, for everyone to read: of a model. Headers are limited to 100 MB.
    Metadata,
    /// In the bytes of a tensor `state`: of a checkpoint.
    Tensor,
}

/// The name of that tensor.
const STATE: &str = "state";

/// Safetensors files have one map of strings; under this one key lies a JSON document, so that files of the same run
/// are the same to the byte.
const KEY: &str = "chainrule";

/// A tensor to write: name, shape, numbers in row-major order.
pub(crate) type Named<T> = (String, Vec<usize>, Vec<T>);

/// A tensor read: numbers widened to f64, exactly.
pub(crate) struct Read {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    pub dtype: Dtype,
}

/// The weights and biases of all layers as files have them: `layers.{l}.weight` (units, inputs), `layers.{l}.bias`.
pub(crate) fn export<T: Real>(prefix: &str, layout: &Layout, params: &[T]) -> Vec<Named<T>> {
    let mut tensors = Vec::new();
    for l in 0..layout.layers() {
        let (units, inputs) = layout.weight_shape(l);
        tensors.push((
            format!("{prefix}layers.{l}.weight"),
            vec![units, inputs],
            layout.export_weight(l, params),
        ));
        let bias = &params[layout.bias(l)];
        if !bias.is_empty() {
            tensors.push((format!("{prefix}layers.{l}.bias"), vec![bias.len()], bias.to_vec()));
        }
    }
    tensors
}

/// A safetensors file, read whole.
pub(crate) struct TensorFile {
    name: String,
    bytes: Vec<u8>,
}

impl TensorFile {
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
        let file = Self { name: path.display().to_string(), bytes };
        file.parse()?;
        Ok(file)
    }

    fn parse(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| {
            let found = format!("{} bytes that are none: {error}", self.bytes.len());
            Error::malformed(&self.name, Position::Whole, "a safetensors file", found)
                .hint("the file is damaged, or of another kind")
        })
    }

    /// The JSON document of the file, if it has one.
    pub fn document(&self, place: Place) -> Result<Option<String>> {
        if place == Place::Tensor {
            let tensors = self.parse()?;
            let Ok(state) = tensors.tensor(STATE) else { return Ok(None) };
            let text = std::str::from_utf8(state.data()).map(ToString::to_string);
            return text.map(Some).map_err(|error| self.refuse("a state in UTF-8", error.to_string()));
        }
        let read = SafeTensors::read_metadata(&self.bytes);
        let (_, header) = read.map_err(|error| self.refuse("a safetensors header", error.to_string()))?;
        Ok(header.metadata().as_ref().and_then(|map| map.get(KEY).cloned()))
    }

    pub fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.parse()?.names().into_iter().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    pub fn tensor(&self, name: &str) -> Result<Read> {
        let tensors = self.parse()?;
        let Ok(view) = tensors.tensor(name) else {
            let names = self.names()?;
            let found = if names.is_empty() { "no tensors".into() } else { crate::words::list(&names, 12) };
            return Err(self.refuse(format!("a tensor '{name}'"), found));
        };
        let (values, dtype) = match view.dtype() {
            FileDtype::F32 => {
                (view.data().chunks_exact(4).map(|b| f32::read_le(b).to_f64()).collect(), Dtype::F32)
            }
            FileDtype::F64 => (view.data().chunks_exact(8).map(f64::read_le).collect(), Dtype::F64),
            other => {
                return Err(self.refuse(format!("tensor '{name}' of type F32 or F64"), format!("{other:?}")));
            }
        };
        Ok(Read { shape: view.shape().to_vec(), values, dtype })
    }

    /// A tensor that must have `len` numbers.
    pub fn vector<T: Real>(&self, name: &str, len: usize) -> Result<Vec<T>> {
        let read = self.tensor(name)?;
        if read.values.len() != len {
            return Err(self.refuse(format!("tensor '{name}' of {len} numbers"), format!("{:?}", read.shape)));
        }
        Ok(read.values.into_iter().map(T::from_f64).collect())
    }

    /// The flat parameters of `layout` from tensors named as [`export`] does.
    pub fn params<T: Real>(&self, prefix: &str, layout: &Layout) -> Result<Vec<T>> {
        let mut params = vec![T::default(); layout.len()];
        let layers = format!("{prefix}layers.");
        let mut unused: Vec<String> =
            self.names()?.into_iter().filter(|name| name.starts_with(&layers)).collect();
        for l in 0..layout.layers() {
            let (units, inputs) = layout.weight_shape(l);
            let bias = layout.bias(l);
            let expected = [("weight", vec![units, inputs]), ("bias", vec![bias.len()])];
            for (part, shape) in expected.into_iter().filter(|(_, shape)| shape[0] > 0) {
                let name = format!("{layers}{l}.{part}");
                let read = self.tensor(&name)?;
                if read.shape != shape {
                    let expected = format!("tensor '{name}' of shape {shape:?}, as the network has it");
                    return Err(self.refuse(expected, format!("shape {:?}", read.shape)));
                }
                if let Some(at) = read.values.iter().position(|v| !v.is_finite()) {
                    let found = format!("{} at place {at}", read.values[at]);
                    return Err(self.refuse(format!("finite numbers in tensor '{name}'"), found));
                }
                let values: Vec<T> = read.values.into_iter().map(T::from_f64).collect();
                if part == "weight" {
                    layout.import_weight(l, &values, &mut params)?;
                } else {
                    params[bias.clone()].copy_from_slice(&values);
                }
                unused.retain(|other| *other != name);
            }
        }
        match unused.first() {
            None => Ok(params),
            Some(other) => {
                let expected = format!("only tensors of the {} layers of the network", layout.layers());
                Err(self.refuse(expected, format!("tensor '{other}'")))
            }
        }
    }

    pub fn refuse(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::malformed(&self.name, Position::Whole, expected, found)
    }
}

/// Writes tensors and a JSON document as one file, whole or not at all.
pub(crate) fn write<T: Real>(
    path: &Path,
    tensors: &[Named<T>],
    place: Place,
    document: String,
) -> Result<()> {
    let dtype = if T::BYTES == 4 { FileDtype::F32 } else { FileDtype::F64 };
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| {
            let mut bytes = Vec::with_capacity(values.len() * T::BYTES);
            values.iter().for_each(|v| v.write_le(&mut bytes));
            bytes
        })
        .collect();
    let refuse = |error: safetensors::SafeTensorError| {
        Error::disagree(path.display().to_string(), "tensors that can be written", error.to_string())
    };
    let mut views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(refuse)?;
    let metadata = (place == Place::Metadata).then(|| [(KEY.to_string(), document.clone())].into());
    if place == Place::Tensor {
        let state = TensorView::new(FileDtype::U8, vec![document.len()], document.as_bytes());
        views.push((STATE, state.map_err(refuse)?));
    }
    let file = serialize(views, metadata).map_err(refuse)?;
    write_atomically(path, &file)
}

/// Initial weights and biases from a file: `--init-from`. Needs no metadata.
///
/// # Errors
/// If a tensor is missing, has another shape or type, or belongs to no layer.
pub fn read_initial<T: Real>(path: &Path, layout: &Layout) -> Result<Vec<T>> {
    TensorFile::open(path)?.params("", layout)
}
