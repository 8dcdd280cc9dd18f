//! The rows of epochs that a run shows: some, spread evenly, and always the best, by its validation loss, and the last.

use chainrule::train::EpochRecord;

/// About so many rows are shown.
const ROWS: u64 = 16;

/// Chooses rows and remembers the best epoch.
pub struct Rows {
    /// Every so many epochs a row.
    every: u64,
    /// Whether there is a test set.
    test: bool,
    /// Where all of them are.
    file: String,
    header_shown: bool,
    /// The validation loss of the best epoch so far, its row, and whether that was shown.
    best: Option<(f64, String, bool)>,
}

impl Rows {
    /// For a run of so many epochs, of which some are made, whose history is in `file`.
    pub fn new(epochs: u64, file: String, made: u64, test: bool) -> Self {
        Self {
            every: nice(epochs.saturating_sub(made).div_ceil(ROWS)),
            test,
            file,
            header_shown: false,
            best: None,
        }
    }

    /// What is shown of this epoch: nothing, its row, or before the last one also the best.
    pub fn of(&mut self, record: &EpochRecord, seconds: f64, last: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.header_shown {
            self.header_shown = true;
            if self.every > 1 {
                let which =
                    if record.validation.is_some() { ", the best (*) and the last" } else { " and the last" };
                let every = ordinal(self.every);
                lines.push(format!("rows of every {every} epoch{which}; all are in {}", self.file));
            }
            lines.push(header(record, self.test));
        }
        let row = row(record, seconds, self.test);
        let shown = last || record.epoch.is_multiple_of(self.every);
        if let Some(validation) = record.validation
            && self.best.as_ref().is_none_or(|(best, ..)| validation.loss < *best)
        {
            self.best = Some((validation.loss, row.clone(), shown));
        }
        if last && let Some((_, best, false)) = self.best.take() {
            lines.push(marked(best));
        }
        if shown {
            lines.push(row);
        }
        lines
    }
}

/// A row with a star behind its epoch.
fn marked(row: String) -> String {
    let epoch =
        row.trim_start().find(' ').map_or(row.len(), |digits| row.len() - row.trim_start().len() + digits);
    let (before, after) = row.split_at(epoch);
    format!("{before}*{}", after.strip_prefix(' ').unwrap_or(after))
}

/// The next of 1, 2, 5, 10, 20, 50, …
fn nice(least: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for step in [1, 2, 5] {
            if power.saturating_mul(step) >= least {
                return power.saturating_mul(step);
            }
        }
        power = power.saturating_mul(10);
    }
}

/// `2nd`, `5th`
fn ordinal(number: u64) -> String {
    format!("{number}{}", if number == 2 { "nd" } else { "th" })
}

fn header(record: &EpochRecord, test: bool) -> String {
    let mut line = format!("{:>5}  {:>10}", "epoch", "train loss");
    if record.train.accuracy.is_some() {
        line += &format!("  {:>8}", "accuracy");
    }
    if record.validation.is_some() {
        line += &format!("  {:>10}", "validation");
        if record.train.accuracy.is_some() {
            line += &format!("  {:>8}", "accuracy");
        }
    }
    if test {
        line += &format!("  {:>10}", "test loss");
        if record.train.accuracy.is_some() {
            line += &format!("  {:>8}", "accuracy");
        }
    }
    line + &format!("  {:>7}", "time")
}

fn row(record: &EpochRecord, seconds: f64, test: bool) -> String {
    let mut line = format!("{:>5}", record.epoch);
    let shown_accuracy = record.train.accuracy.is_some();
    let mut put = |score: Option<chainrule::metrics::Score>| {
        line += &score.map_or(format!("  {:>10}", "-"), |s| format!("  {:>10}", loss_text(s.loss)));
        if shown_accuracy {
            let accuracy = score.and_then(|s| s.accuracy);
            line += &accuracy.map_or(format!("  {:>8}", "-"), |a| format!("  {:>6.2} %", 100.0 * a));
        }
    };
    put(Some(record.train));
    if record.validation.is_some() {
        put(record.validation);
    }
    if test {
        put(record.test);
    }
    line + &format!("  {seconds:>5.2} s")
}

/// A loss in a column of ten: fixed where that shows it, scientific where it would be 0.
pub fn loss_text(loss: f64) -> String {
    if loss != 0.0 && (loss.abs() < 1e-3 || loss.abs() >= 1e5) {
        format!("{loss:.4e}")
    } else {
        format!("{loss:.5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainrule::metrics::Score;

    /// The epochs of the rows that a run with these losses shows.
    fn shown(losses: &[f64], validated: bool) -> (Vec<u64>, Vec<String>) {
        let mut rows = Rows::new(losses.len() as u64, "run/history.csv".into(), 0, true);
        let mut lines = Vec::new();
        for (epoch, &loss) in losses.iter().enumerate() {
            let train = Score { loss, accuracy: Some(1.0) };
            let record = EpochRecord {
                epoch: epoch as u64,
                step: 0,
                train,
                last_batch_loss: loss,
                evaluated_train: None,
                validation: validated.then_some(train),
                test: Some(train),
                learning_rate: 0.1,
            };
            lines.extend(rows.of(&record, 1.0, epoch + 1 == losses.len()));
        }
        let epochs = lines
            .iter()
            .filter_map(|line| line.split_whitespace().next()?.trim_end_matches('*').parse().ok())
            .collect();
        (epochs, lines)
    }

    #[test]
    fn short_runs_show_every_epoch() {
        let (epochs, lines) = shown(&[3.0, 1.0, 2.0, 2.5], true);
        assert_eq!(epochs, [0, 1, 2, 3]);
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn long_runs_show_some_and_the_best_and_the_last() {
        let mut losses: Vec<f64> = (0..200).map(|epoch| 1.0 + f64::from(epoch)).collect();
        losses[137] = 0.5;
        let (epochs, lines) = shown(&losses, true);
        let want: Vec<u64> = (0..10).map(|row| 20 * row).chain([137, 199]).collect();
        assert_eq!(epochs, want);
        assert_eq!(
            lines[0],
            "rows of every 20th epoch, the best (*) and the last; all are in run/history.csv"
        );
        assert!(lines[12].starts_with("  137*   "), "{}", lines[12]);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        let (epochs, lines) = shown(&losses, false);
        assert_eq!((epochs.len(), epochs.last()), (11, Some(&199)));
        assert_eq!(lines[0], "rows of every 20th epoch and the last; all are in run/history.csv");
        let falling: Vec<f64> = (0..1744).map(|epoch| -f64::from(epoch)).collect();
        let epochs = shown(&falling, true).0;
        assert_eq!((epochs.len(), epochs.last()), (10, Some(&1743)));
    }
}
