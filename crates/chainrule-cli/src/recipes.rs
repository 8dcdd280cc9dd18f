//! `chainrule recipes`

use anyhow::Result;

use crate::args::RecipesArgs;

/// To be written.
pub fn run(_args: &RecipesArgs) -> Result<()> {
    Ok(())
}
