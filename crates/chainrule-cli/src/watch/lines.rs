//! The lines that tell of an epoch.

use chainrule::metrics::Score;
use chainrule::train::EpochRecord;

/// The names of the columns of [`epoch_line`]; `test`: whether there is a test set.
pub fn epoch_header(record: &EpochRecord, test: bool) -> String {
    let mut line = format!("{:>5}  {:>10}", "epoch", "train loss");
    if record.train.accuracy.is_some() {
        line += &format!("  {:>9}", "accuracy");
    }
    if record.validation.is_some() {
        line += &format!("  {:>10}", "validation");
        if record.train.accuracy.is_some() {
            line += &format!("  {:>9}", "accuracy");
        }
    }
    if test {
        line += &format!("  {:>10}", "test loss");
        if record.train.accuracy.is_some() {
            line += &format!("  {:>9}", "accuracy");
        }
    }
    line + &format!("  {:>8}", "time")
}

/// The figures of an epoch in columns, as [`epoch_header`] names them.
pub fn epoch_line(record: &EpochRecord, seconds: f64, test: bool) -> String {
    let mut line = format!("{:>5}", record.epoch);
    let shown_accuracy = record.train.accuracy.is_some();
    let mut put = |score: Option<Score>| {
        line += &score.map_or(format!("  {:>10}", "-"), |s| format!("  {:>10}", loss_text(s.loss)));
        if shown_accuracy {
            let accuracy = score.and_then(|s| s.accuracy);
            line += &accuracy.map_or(format!("  {:>9}", "-"), |a| format!("  {:>7.2} %", 100.0 * a));
        }
    };
    put(Some(record.train));
    if record.validation.is_some() {
        put(record.validation);
    }
    if test {
        put(record.test);
    }
    line + &format!("  {seconds:>6.2} s")
}

/// A loss in a column of ten: fixed where that shows it, scientific where it would be 0.
pub fn loss_text(loss: f64) -> String {
    if loss != 0.0 && (loss.abs() < 1e-3 || loss.abs() >= 1e5) {
        format!("{loss:.4e}")
    } else {
        format!("{loss:.5}")
    }
}
