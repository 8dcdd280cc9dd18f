//! `chainrule check`

use anyhow::Result;

use crate::args::CheckArgs;

/// To be written.
pub fn run(_args: &CheckArgs) -> Result<()> {
    Ok(())
}
