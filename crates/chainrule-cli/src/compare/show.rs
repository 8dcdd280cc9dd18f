//! What a comparison writes and prints.

use std::io::Write;

use anyhow::Result;
use chainrule_report::{
    ComparisonReport, ComparisonRow, Curve, Group, NamedChart, Scale, choose_scale, comparison_html,
    line_chart,
};

use super::inside;
use super::markdown;
use super::outcome::{Outcome, Set, State, Watched};
use super::plan::{Job, Plan};
use super::table::{Mean, Row, Table, runs_csv, table};
use crate::args::CompareArgs;
use crate::run_folder::RunFolder;
use crate::terminal::{self, count};
use crate::{diagnosis, watch};

/// Writes the tables, the curves and the page.
pub fn write(plan: &Plan, jobs: &[Job], outcomes: &[Outcome], folder: &RunFolder) -> Result<()> {
    let table = table(plan, jobs, outcomes);
    folder.write("comparison.csv", &table.csv(plan)?)?;
    folder.write("runs.csv", &runs_csv(plan, jobs, outcomes)?)?;
    let document = table.json(plan, &folder.path().display().to_string());
    folder.write("comparison.json", &(serde_json::to_string_pretty(&document)? + "\n"))?;
    let charts = charts(&table);
    for chart in &charts {
        let file = chart.name.to_lowercase().replace(' ', "-") + ".svg";
        folder.write(&file, &line_chart(&chart.name, "epoch", &chart.name, chart.scale, &chart.curves))?;
    }
    let page = page(plan, &table, outcomes, charts)?;
    folder.write("comparison.md", &markdown::page(&page))?;
    folder.write("report.html", &comparison_html(&page))
}

/// Prints the table, or the JSON document.
pub fn print(
    plan: &Plan,
    jobs: &[Job],
    outcomes: &[Outcome],
    folder: &RunFolder,
    args: &CompareArgs,
) -> Result<()> {
    let table = table(plan, jobs, outcomes);
    let mut out = anstream::stdout().lock();
    let shown = folder.path().display();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&table.json(plan, &shown.to_string()))?)?;
    } else if !args.quiet {
        let (mut header, mut rows) = table.texts();
        let numbers: Vec<usize> = (1..header.len()).collect();
        header.push("diagnosis".into());
        rows.iter_mut().enumerate().for_each(|(at, row)| row.push(table.diagnosis(at)));
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        writeln!(out, "{}", crate::table::table(&header, rows, &numbers))?;
        if let Some(best) = table.best {
            let row = &table.rows[best];
            writeln!(out, "\nbest by {}: {}", table.watched.name(), row.label)?;
        }
        writeln!(out, "\nreport  {shown}/report.html")?;
    }
    Ok(out.flush()?)
}

/// Curves of all combinations over each other: what every set of samples has.
fn charts(table: &Table) -> Vec<NamedChart> {
    let mut charts = Vec::new();
    for set in [Set::Train, Set::Validation, Set::Test] {
        for accuracy in [true, false] {
            let watched = Watched { set, accuracy };
            let curve = |row: &Row| mean_curve(row, watched);
            let curves: Vec<Curve> =
                table.rows.iter().map(curve).filter(|curve| curve.points.len() > 1).collect();
            if curves.is_empty() {
                continue;
            }
            let scale = if accuracy { Scale::Linear } else { choose_scale(&curves) };
            let name = watched.name();
            let name = name[..1].to_uppercase() + &name[1..];
            charts.push(NamedChart { name, scale, curves });
        }
    }
    charts
}

/// The mean over the runs that came as far, by epoch, and their deviation as a band.
fn mean_curve(row: &Row, watched: Watched) -> Curve {
    let mut curve = Curve::new(&row.short, Vec::new());
    let epochs = row.runs.iter().map(|run| run.history.len()).max().unwrap_or(0);
    for epoch in 0..epochs {
        let values: Vec<f64> =
            row.runs.iter().filter_map(|run| watched.of(run.history.get(epoch)?)).collect();
        if let Some(mean) = Mean::of(&values) {
            curve.points.push((epoch as f64, mean.mean));
            curve.spread.push(mean.deviation.unwrap_or(0.0));
        }
    }
    if row.runs.len() < 2 {
        curve.spread.clear();
    }
    curve
}

fn page(
    plan: &Plan,
    table: &Table,
    outcomes: &[Outcome],
    charts: Vec<NamedChart>,
) -> Result<ComparisonReport> {
    let (header, rows) = table.texts();
    let row =
        |(at, cells)| ComparisonRow { cells, diagnosis: table.diagnosis(at), best: table.best == Some(at) };
    let rows: Vec<ComparisonRow> = rows.into_iter().enumerate().map(row).collect();
    let mut summary = vec![
        ("combinations".to_string(), plan.combinations.len().to_string()),
        ("runs".into(), outcomes.len().to_string()),
        (
            "seconds of training".into(),
            format!("{:.1}", outcomes.iter().map(|outcome| outcome.seconds).sum::<f64>()),
        ),
    ];
    if let Some(best) = table.best {
        summary.push(("best".into(), table.rows[best].label.clone()));
    }
    Ok(ComparisonReport {
        title: format!("{}: {}", plan.name, plan.vary.join("  ")),
        summary,
        notes: notes(plan, table),
        header,
        rows,
        charts,
        diagnosis: table.rows.iter().map(|row| group(row, table)).collect(),
        inside_notes: inside::NOTES.map(String::from).to_vec(),
        inside: Some(inside::table(table)),
        inside_charts: inside::charts(table),
        plan_toml: plan.to_toml()?,
    })
}

/// How the table is read.
fn notes(plan: &Plan, table: &Table) -> Vec<String> {
    let mut notes = vec![
        "Training figures are running ones: each batch before its own update. Those of other sets belong to the weights that are kept."
            .to_string(),
    ];
    let runs = table.rows.iter().map(|row| row.runs.len()).max().unwrap_or(1);
    if runs > 1 {
        let folds = if plan.folds.is_some() { " and folds" } else { "" };
        notes.push(format!(
            "Mean ± standard deviation over {} with different seeds{folds}; curves are means, with the deviation as a band.",
            count(runs, "run")
        ));
    }
    if let Some(reach) = table.reach {
        let how = if plan.reach.is_some() {
            "as asked for"
        } else if table.watched.accuracy {
            "95 % of the best of all"
        } else {
            "110 % of the best of all"
        };
        notes.push(format!(
            "Epochs and seconds are counted to a {} of {} ({how}).",
            table.watched.name(),
            terminal::figure(reach)
        ));
    }
    match (table.best, table.watched.set) {
        (Some(_), set) => notes.push(format!("The best was chosen on the {} samples.", set.name())),
        (None, Set::Test) => notes.push(
            "No best is named: the test set may choose nothing. With validation_split=0.2 or --folds 5 there is one.".into(),
        ),
        _ => {}
    }
    notes
}

/// How a combination went and what is wrong with it: each rule and place once, with in how many of the runs.
fn group(row: &Row, table: &Table) -> Group {
    let (mut findings, mut seen) = (Vec::new(), Vec::new());
    for run in &row.runs {
        for finding in diagnosis::new_ones(&run.findings, &mut seen) {
            let mut case = diagnosis::case(finding, &run.classes);
            if row.runs.len() > 1 {
                let same = |run: &&&Outcome| {
                    run.findings.iter().any(|f| (f.rule, f.place) == (finding.rule, finding.place))
                };
                let count = row.runs.iter().filter(same).count();
                case += &format!(" (in {count} of {} runs; the figures are of the first)", row.runs.len());
            }
            findings.push((finding.rule, case));
        }
    }
    let at = table.rows.iter().position(|other| other.combination == row.combination).unwrap_or(0);
    let figure = |name: &str| {
        let column = table.columns.iter().find(|column| column.name == name)?;
        Some(format!("{name} {}", column.means[at]?.text(column.percent, row.runs.len())))
    };
    let kind = if table.watched.accuracy { "accuracy" } else { "loss" };
    let sets = ["train", "validation", "test"];
    let mut result: Vec<String> = sets.iter().filter_map(|set| figure(&format!("{set} {kind}"))).collect();
    for run in &row.runs {
        if let State::Diverged(why) = &run.state {
            result.push(format!("stopped: {why}"));
        }
    }
    let result = format!("{}. {}", result.join("; "), inside::sentence(row));
    Group { name: row.label.clone(), result, findings: diagnosis::rows(&findings) }
}

/// Tells what the terminal shows while the runs go.
pub fn begin(plan: &Plan, runs: usize, threads: usize, folder: &RunFolder) {
    watch::say(&format!(
        "comparing {} of {} in {} on {}; writing {}",
        count(plan.combinations.len(), "combination"),
        plan.name,
        count(runs, "run"),
        count(threads, "thread"),
        folder.path().display()
    ));
}
