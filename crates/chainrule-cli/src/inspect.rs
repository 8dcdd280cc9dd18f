//! `chainrule inspect`

use anyhow::Result;

use crate::args::InspectArgs;

/// To be written.
pub fn run(_args: &InspectArgs) -> Result<()> {
    Ok(())
}
