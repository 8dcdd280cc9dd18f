//! The table of a comparison: a line per combination, mean and deviation over its runs.

use chainrule::train::EpochRecord;
use serde_json::{Map, Value, json};

use super::outcome::{Outcome, Set, State, Watched};
use super::plan::{Job, Plan};
use crate::terminal::figure;

/// Longer labels are shortened in legends.
const LEGEND: usize = 24;

/// A combination and its runs.
pub struct Row<'r> {
    /// Index of the combination.
    pub combination: usize,
    /// `init=normal, learning_rate=0.1`
    pub label: String,
    /// The same for the legend of a chart: without the names of the settings, if they make it long.
    pub short: String,
    /// Its runs, in the order of seeds and folds.
    pub runs: Vec<&'r Outcome>,
}

/// Mean over runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Standard deviation of the sample; nothing for a single run.
    pub deviation: Option<f64>,
    /// Number of runs that have the figure.
    pub runs: usize,
}

/// A column of figures.
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it is a share, shown in percent.
    pub percent: bool,
    /// One per row; nothing where no run has the figure.
    pub means: Vec<Option<Mean>>,
}

/// The whole table.
pub struct Table<'r> {
    /// The rows.
    pub rows: Vec<Row<'r>>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The figure that epochs and seconds are counted to, and that a search chooses by.
    pub watched: Watched,
    /// The value counted to.
    pub reach: Option<f64>,
    /// Index of the best row, if it was to be found.
    pub best: Option<usize>,
}

impl Mean {
    /// Over these values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(Self { mean, deviation, runs: values.len() })
    }

    /// `95.12 ± 0.31 %`, with how many of the runs it is over if not all.
    pub fn text(&self, percent: bool, of: usize) -> String {
        let number = |v: f64, digits| if percent { format!("{:.2}", 100.0 * v) } else { short(v, digits) };
        let mut text = number(self.mean, 4);
        if let Some(deviation) = self.deviation {
            text += &format!(" ± {}", number(deviation, 2));
        }
        if percent {
            text += " %";
        }
        if self.runs < of {
            text += &format!(" ({} of {of} runs)", self.runs);
        }
        text
    }
}

/// So many significant digits.
pub fn short(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let rounded: f64 = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
    if (1e-3..1e5).contains(&value.abs()) { rounded.to_string() } else { format!("{rounded:e}") }
}

/// The table of all runs that were made. `jobs` and `outcomes` belong together.
pub fn table<'r>(plan: &Plan, jobs: &[Job], outcomes: &'r [Outcome]) -> Table<'r> {
    let mut rows: Vec<Row> = Vec::new();
    for (job, outcome) in jobs.iter().zip(outcomes) {
        match rows.iter_mut().find(|row| row.combination == job.combination) {
            Some(row) => row.runs.push(outcome),
            None => {
                let label = plan.label(job.combination);
                rows.push(Row {
                    combination: job.combination,
                    short: label.clone(),
                    label,
                    runs: vec![outcome],
                });
            }
        }
    }
    if rows.iter().any(|row| row.label.chars().count() > LEGEND) {
        rows.iter_mut().for_each(|row| row.short = plan.values(row.combination));
    }
    let records: Vec<&EpochRecord> = outcomes.iter().flat_map(|outcome| &outcome.history).collect();
    let sets: Vec<Set> = [Set::Train, Set::Validation, Set::Test]
        .into_iter()
        .filter(|set| records.iter().any(|record| set.of(record).is_some()))
        .collect();
    let accuracy = records.iter().any(|record| record.train.accuracy.is_some());
    // The test set is compared by only if nothing else was held out, and never chooses.
    let set = [Set::Validation, Set::Test].into_iter().find(|set| sets.contains(set)).unwrap_or(Set::Train);
    let watched = Watched { set, accuracy };

    let best_of_all = outcomes.iter().filter_map(|o| watched.best(&o.history)).map(|(_, value)| value);
    let best_of_all = best_of_all.reduce(|a, b| if watched.better(b, a) { b } else { a });
    let part = if accuracy { 0.95 } else { 1.1 };
    let reach = plan.reach.or(best_of_all.map(|best| part * best)).filter(|value| value.is_finite());

    let mut columns = Vec::new();
    let mut put = |name: String, percent: bool, of: &dyn Fn(&Outcome) -> Option<f64>| {
        let mean = |row: &Row| {
            let values: Vec<f64> = row.runs.iter().filter_map(|outcome| of(outcome)).collect();
            Mean::of(&values)
        };
        columns.push(Column { name, percent, means: rows.iter().map(mean).collect() });
    };
    for &set in &sets {
        let score = move |outcome: &Outcome| set.of(outcome.final_record()?);
        if accuracy {
            put(format!("{} accuracy", set.name()), true, &|o| score(o)?.accuracy);
        }
        put(format!("{} loss", set.name()), false, &|o| Some(score(o)?.loss));
    }
    put(format!("best {}", watched.name()), accuracy, &|o| Some(watched.best(&o.history)?.1));
    if let Some(value) = reach {
        let value_text = if accuracy { format!("{:.2} %", 100.0 * value) } else { short(value, 4) };
        put(format!("epochs to {value_text}"), false, &|o| Some(o.reached(watched, value)?.0 as f64));
        put(format!("seconds to {value_text}"), false, &|o| Some(o.reached(watched, value)?.1));
    }
    put("epochs".into(), false, &|o| Some(o.history.len() as f64));
    put("seconds".into(), false, &|o| Some(o.seconds));

    let mut table = Table { rows, columns, watched, reach, best: None };
    if plan.search || set == Set::Validation {
        let whole = |row: &usize| table.rows[*row].runs.iter().all(|outcome| outcome.state == State::Done);
        table.best = table.ranking().into_iter().find(whole);
    }
    table
}

impl Table<'_> {
    /// Rows from the best to the worst mean of the watched figure; those with a run that diverged last.
    pub fn ranking(&self) -> Vec<usize> {
        let value = |row: &Row| {
            let values: Vec<f64> =
                row.runs.iter().filter_map(|o| self.watched.of(o.final_record()?)).collect();
            let diverged = row.runs.iter().any(|o| matches!(o.state, State::Diverged(_)));
            Mean::of(&values).filter(|_| !diverged).map_or(f64::NAN, |mean| mean.mean)
        };
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (value(&self.rows[a]), value(&self.rows[b]));
            let by_value = if self.watched.accuracy { b.total_cmp(&a) } else { a.total_cmp(&b) };
            a.is_nan().cmp(&b.is_nan()).then(by_value)
        });
        order
    }

    /// `stuck outputs, class never predicted`: the rules that fired, with in how many runs if not in all.
    pub fn diagnosis(&self, row: usize) -> String {
        let runs = &self.rows[row].runs;
        let mut rules: Vec<(&str, usize)> = Vec::new();
        for outcome in runs {
            let mut names: Vec<&str> = outcome.findings.iter().map(|finding| finding.rule.name()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                match rules.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += 1,
                    None => rules.push((name, 1)),
                }
            }
        }
        let text = |&(name, count): &(&str, usize)| {
            if count < runs.len() {
                format!("{name} ({count} of {} runs)", runs.len())
            } else {
                name.to_string()
            }
        };
        rules.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// Header and rows as text. What is the same in all rows is left out; so are
    /// losses beside accuracies: `comparison.csv` has them.
    pub fn texts(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let worth = |column: &&Column| {
            let same = column.means.windows(2).all(|pair| pair[0] == pair[1]);
            let loss = self.watched.accuracy && column.name.ends_with("loss");
            !(loss || (same && column.name == "epochs"))
        };
        let columns: Vec<&Column> = self.columns.iter().filter(worth).collect();
        let runs = self.rows.windows(2).any(|pair| pair[0].runs.len() != pair[1].runs.len());
        let mut header = vec!["combination".to_string()];
        header.extend(runs.then(|| "runs".into()));
        header.extend(columns.iter().map(|column| column.name.clone()));
        let row = |(at, row): (usize, &Row)| {
            let mut cells = vec![row.label.clone()];
            cells.extend(runs.then(|| row.runs.len().to_string()));
            let text = |column: &&Column| {
                column.means[at].map_or("–".into(), |mean| mean.text(column.percent, row.runs.len()))
            };
            cells.extend(columns.iter().map(text));
            cells
        };
        (header, self.rows.iter().enumerate().map(row).collect())
    }

    /// `comparison.csv`: numbers as they are, a column of deviations beside each.
    pub fn csv(&self, plan: &Plan) -> anyhow::Result<String> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let keys = keys(plan);
        let mut header: Vec<String> = keys.clone();
        header.push("runs".into());
        for column in &self.columns {
            let name = column.name.replace(' ', "_").replace("_%", "%");
            header.extend([name.clone(), format!("{name}_deviation"), format!("{name}_runs")]);
        }
        header.push("diagnosis".into());
        out.write_record(&header)?;
        for (at, row) in self.rows.iter().enumerate() {
            let mut cells = values(plan, row.combination, &keys);
            cells.push(row.runs.len().to_string());
            for column in &self.columns {
                let mean = column.means[at];
                let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
                cells.push(number(mean.map(|mean| mean.mean)));
                cells.push(number(mean.and_then(|mean| mean.deviation)));
                cells.push(mean.map_or(0, |mean| mean.runs).to_string());
            }
            cells.push(self.diagnosis(at));
            out.write_record(&cells)?;
        }
        Ok(String::from_utf8(out.into_inner()?)?)
    }

    /// The document of `--json` and `comparison.json`.
    pub fn json(&self, plan: &Plan, folder: &str) -> Value {
        let row = |(at, row): (usize, &Row)| {
            let mut figures = Map::new();
            for column in &self.columns {
                let mean = column.means[at];
                let value = mean.map(|m| json!({"mean": m.mean, "deviation": m.deviation, "runs": m.runs}));
                figures.insert(column.name.clone(), value.unwrap_or(Value::Null));
            }
            let findings: Vec<Value> = row
                .runs
                .iter()
                .enumerate()
                .flat_map(|(run, outcome)| {
                    outcome.findings.iter().map(move |finding| json!({"run": run, "finding": finding}))
                })
                .collect();
            let failed: Vec<&str> = row
                .runs
                .iter()
                .filter_map(|o| if let State::Diverged(why) = &o.state { Some(why.as_str()) } else { None })
                .collect();
            json!({
                "combination": plan.combinations[row.combination],
                "runs": row.runs.len(),
                "figures": figures,
                "diverged": failed,
                "findings": findings,
            })
        };
        json!({
            "comparison": plan.name,
            "folder": folder,
            "watched": self.watched.name(),
            "reach": self.reach,
            "best": self.best.map(|at| plan.combinations[self.rows[at].combination].clone()),
            "rows": self.rows.iter().enumerate().map(row).collect::<Vec<_>>(),
        })
    }
}

/// `runs.csv`: a line per run.
pub fn runs_csv(plan: &Plan, jobs: &[Job], outcomes: &[Outcome]) -> anyhow::Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let keys = keys(plan);
    let mut header = keys.clone();
    let figures = "seed,fold,state,epochs,steps,seconds,train_loss,train_accuracy,validation_loss,validation_accuracy,\
                   test_loss,test_accuracy,findings";
    header.extend(figures.split(',').map(String::from));
    out.write_record(&header)?;
    for (job, outcome) in jobs.iter().zip(outcomes) {
        let mut cells = values(plan, job.combination, &keys);
        cells.push(job.seed.to_string());
        cells.push(job.fold.map_or(String::new(), |fold| (fold + 1).to_string()));
        cells.push(
            match outcome.state {
                State::Done => "done",
                State::Halted => "halted",
                State::Diverged(_) => "diverged",
            }
            .into(),
        );
        cells.extend([
            outcome.history.len().to_string(),
            outcome.steps.to_string(),
            format!("{:.3}", outcome.seconds),
        ]);
        for set in [Set::Train, Set::Validation, Set::Test] {
            let score = outcome.final_record().and_then(|record| set.of(record));
            let text = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            cells.extend([text(score.map(|s| s.loss)), text(score.and_then(|s| s.accuracy))]);
        }
        let finding = |f: &chainrule::diagnose::Finding| {
            format!("{} {} {}", f.rule.name(), f.place_text(), figure(f.value)).replace("  ", " ")
        };
        cells.push(outcome.findings.iter().map(finding).collect::<Vec<_>>().join("; "));
        out.write_record(&cells)?;
    }
    Ok(String::from_utf8(out.into_inner()?)?)
}

/// Names of the settings that vary.
fn keys(plan: &Plan) -> Vec<String> {
    let first = plan.combinations.first();
    first.into_iter().flatten().filter_map(|word| Some(word.split_once('=')?.0.to_string())).collect()
}

/// Their values in a combination.
fn values(plan: &Plan, combination: usize, keys: &[String]) -> Vec<String> {
    let word = |key: &String| {
        let words = plan.combinations[combination].iter();
        words
            .filter_map(|word| word.split_once('='))
            .find(|(k, _)| k == key)
            .map_or(String::new(), |(_, v)| v.into())
    };
    keys.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_by_hand() {
        let mean = Mean::of(&[1.0, 2.0, 6.0]).unwrap();
        assert_eq!((mean.mean, mean.runs), (3.0, 3));
        assert!((mean.deviation.unwrap() - 7f64.sqrt()).abs() <= 1e-15);
        assert_eq!(mean.text(false, 4), "3 ± 2.6 (3 of 4 runs)");
        assert_eq!(Mean::of(&[0.9512]).unwrap().text(true, 1), "95.12 %");
        assert_eq!(Mean::of(&[]), None);
    }
}
