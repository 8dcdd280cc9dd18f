//! `history.csv`: a line per epoch.

use chainrule::metrics::Score;
use chainrule::train::EpochRecord;

/// Which columns a history has beside the eight that all have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryColumns {
    /// The training set passed once more after each epoch.
    pub evaluated_train: bool,
    /// A validation set.
    pub validation: bool,
}

impl HistoryColumns {
    /// The first line, with its line feed.
    pub fn header(self) -> String {
        let mut header =
            "epoch,step,seconds,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate".to_string();
        if self.evaluated_train {
            header.push_str(",evaluated_train_loss,evaluated_train_accuracy");
        }
        if self.validation {
            header.push_str(",validation_loss,validation_accuracy");
        }
        header + "\n"
    }

    /// The line of an epoch that ended `seconds` after the start of training, with its line feed. Figures that do not
    /// exist are empty; numbers have as many digits as tell them from their neighbours.
    pub fn line(self, record: &EpochRecord, seconds: f64) -> String {
        let mut cells = vec![record.epoch.to_string(), record.step.to_string(), format!("{seconds:.6}")];
        cells.extend(score(Some(record.train)));
        cells.extend(score(record.test));
        cells.push(record.learning_rate.to_string());
        if self.evaluated_train {
            cells.extend(score(record.evaluated_train));
        }
        if self.validation {
            cells.extend(score(record.validation));
        }
        cells.join(",") + "\n"
    }
}

fn score(score: Option<Score>) -> [String; 2] {
    let text = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    [text(score.map(|score| score.loss)), text(score.and_then(|score| score.accuracy))]
}
