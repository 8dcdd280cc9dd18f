//! Successive halving (Jamieson and Talwalkar 2016): all combinations for a few epochs, then the best 1/eta of them for eta
//! times as many, until the last few are trained to their end.
//!
//! A run halts at an epoch and goes on from its checkpoint: one that is trained to its end has the same bits as without.

use anyhow::Result;

use super::outcome::Outcome;
use super::plan::{Job, Plan};
use super::table::table;
use super::work::{self, Place};
use crate::terminal::count;
use crate::watch::say;

/// Epochs at which combinations are dropped, and how many go on after each.
fn rungs(combinations: usize, epochs: u64, factor: u64) -> Vec<(u64, usize)> {
    let (mut rungs, mut left) = (Vec::new(), combinations);
    let keep = |n: usize| n.div_ceil(factor as usize);
    let mut count = 0;
    while left > 1 {
        left = keep(left);
        count += 1;
    }
    left = combinations;
    for rung in (1..=count).rev() {
        let at = epochs / factor.saturating_pow(rung);
        left = keep(left);
        if at > 0 {
            rungs.push((at, left));
        }
    }
    rungs
}

/// Runs them; those that were dropped have a result too, as far as they came.
pub fn run(plan: &Plan, jobs: &[Job], factor: u64, place: &Place) -> Result<Vec<Outcome>> {
    let epochs = plan.prepare(jobs[0], 1)?.resolved.config.epochs;
    let mut outcomes: Vec<Option<Outcome>> = vec![None; jobs.len()];
    let mut left: Vec<usize> = (0..jobs.len()).collect();
    let mut round = |left: &[usize], until: Option<u64>| -> Result<Vec<Outcome>> {
        let now: Vec<Job> = left.iter().map(|&at| jobs[at]).collect();
        let made = work::run(plan, &now, until, place)?;
        left.iter().zip(&made).for_each(|(&at, outcome)| outcomes[at] = Some(outcome.clone()));
        Ok(made)
    };
    for (at, keep) in rungs(plan.combinations.len(), epochs, factor) {
        let made = round(&left, Some(at))?;
        let now: Vec<Job> = left.iter().map(|&at| jobs[at]).collect();
        let table = table(plan, &now, &made);
        let best: Vec<usize> =
            table.ranking().iter().take(keep).map(|&row| table.rows[row].combination).collect();
        if !place.quiet {
            let (of, epochs) = (count(table.rows.len(), "combination"), count(at as usize, "epoch"));
            say(&format!("halving: after {epochs} the best {} of {of} go on", best.len()));
        }
        left.retain(|&at| best.contains(&jobs[at].combination));
    }
    round(&left, None)?;
    Ok(outcomes.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::rungs;

    #[test]
    fn few_epochs_for_many() {
        assert_eq!(rungs(27, 81, 3), [(3, 9), (9, 3), (27, 1)]);
        assert_eq!(rungs(20, 30, 3), [(1, 7), (3, 3), (10, 1)]);
        assert_eq!(rungs(4, 2, 3), []);
        assert_eq!(rungs(1, 10, 3), []);
    }
}
