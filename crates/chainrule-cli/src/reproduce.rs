//! `chainrule reproduce`

use anyhow::Result;

use crate::args::ReproduceArgs;

/// To be written.
pub fn run(_args: &ReproduceArgs) -> Result<()> {
    Ok(())
}
