//! `chainrule data`

use anyhow::Result;

use crate::args::DataArgs;

/// To be written.
pub fn run(_args: &DataArgs) -> Result<()> {
    Ok(())
}
