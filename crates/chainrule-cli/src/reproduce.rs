//! `chainrule reproduce`: the published systems run again, their figures beside ours.

mod meter;
mod metric;
mod plan;
mod probe;
mod sample;
mod show;
mod text;
mod verdict;
mod work;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::args::ReproduceArgs;

/// Runs recipes and compares their figures with the published ones.
pub fn run(args: &ReproduceArgs) -> Result<()> {
    let plans = plan::plans(args)?;
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let threads = threads.max(1);
    let started = Instant::now();
    let measured = work::run(&plans, threads)?;
    let seconds = started.elapsed().as_secs_f64();
    let reproduced = show::compare(&plans, &measured)?;
    if args.json {
        anstream::println!("{}", show::document(&reproduced, seconds, threads)?);
    } else {
        show::print(&reproduced);
    }
    let unexplained = show::unexplained(&reproduced);
    if !unexplained.is_empty() {
        bail!("different for no stated reason: {}", unexplained.join("; "));
    }
    Ok(())
}
