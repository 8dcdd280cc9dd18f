//! Everything of Chainrule that touches a file.
//!
//! Readers turn a name or a path into a [`chainrule::Dataset`]; [`load`] and [`load_with`] are their entry. Every error
//! names the file and the position, what was expected, what was found, and what to do.
//!
//! ```
//! let digits = chainrule_io::load("digits", &chainrule_io::SourceOptions::default())?;
//! assert_eq!(digits.train.len(), 1934);
//! # Ok::<(), chainrule_io::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod atomic;
pub mod error;

// One reader each.
pub mod bitmaps;
pub mod builtin;
pub mod idx;
pub mod png;
mod read_ahead;
pub mod table;

// The parts of reading a table.
mod cells;
pub mod encode;
mod infer;
pub mod samples;
pub mod standardize;

// Where MNIST lies, and how it gets there.
pub mod fetch;
pub mod mnist;

// From a name or a path to a data set that fits a model.
pub mod preprocess;
pub mod recognise;
pub mod source;

// Settings, and what a run reads and writes.
pub mod checkpoint;
pub mod history;
pub mod model;
pub mod prepare;
pub mod recipes;
pub mod tensorboard;
mod tensors;

pub mod describe;
pub mod fingerprint;

mod words;

pub use atomic::write_atomically;
pub use checkpoint::{Checkpoint, Extra, load_checkpoint, save_checkpoint};
pub use describe::{Description, describe};
pub use encode::TableEncoding;
pub use error::{Error, Position, Result};
pub use fetch::{FetchProgress, fetch_mnist};
pub use fingerprint::fingerprint;
pub use history::HistoryColumns;
pub use model::{Model, ModelInfo, save_model};
pub use prepare::{Fold, Prepared, prepare, prepare_fold};
pub use preprocess::{Preprocessing, inputs_as_targets};
pub use recognise::NAMES;
pub use samples::read_table_with;
pub use source::{Loaded, Part, SourceOptions, load, load_with};
pub use standardize::Standardization;
pub use table::{TableOptions, read_table};
pub use tensors::read_initial;
