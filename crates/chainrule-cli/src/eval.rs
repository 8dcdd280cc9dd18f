//! `chainrule eval`

use anyhow::Result;

use crate::args::EvalArgs;

/// To be written.
pub fn run(_args: &EvalArgs) -> Result<()> {
    Ok(())
}
