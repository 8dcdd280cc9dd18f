//! `chainrule predict`

use anyhow::Result;

use crate::args::PredictArgs;

/// To be written.
pub fn run(_args: &PredictArgs) -> Result<()> {
    Ok(())
}
