//! The accuracy of a whole data set under attack, against epsilon.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use chainrule::Dataset;
use chainrule::attack::{Attacker, CHUNK, Method};
use chainrule::batch::Batch;
use chainrule_io::{Model, Part, load_with, write_atomically};
use chainrule_report::{Curve, Scale, line_chart};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::args::{FoolArgs, MethodName};
use super::method;
use super::sample::{check_loss, classes};
use super::unit::Unit;
use crate::eval::{source_options, warn_of_training_data};
use crate::table::table;
use crate::terminal::count;
use crate::watch::say;

/// Unless others are asked for.
const EPSILONS: [f64; 8] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3];
/// Of random signs.
const SEED: u64 = 0;

/// Attacks every sample with every method and epsilon.
pub fn run(args: &FoolArgs, model: &Model) -> Result<()> {
    if classes(model).is_none() {
        bail!(
            "the model answers with numbers, of which none is the wrong one: there is no accuracy to lose \
             (--sample I --epsilon E shows how far one answer moves)"
        );
    }
    let options = source_options(model, args.data_dir.as_deref());
    let (data, _) = load_with(&args.data, &model.info.preprocessing, &options, Part::Test, true)?;
    check_loss(model, &data, true)?;
    warn_of_training_data(model, &args.data);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    crate::setup::start_threads(threads)?;
    let unit = Unit::of(model, &data);
    let mut epsilons = if args.epsilon.is_empty() { EPSILONS.to_vec() } else { args.epsilon.clone() };
    epsilons.sort_by(f64::total_cmp);
    epsilons.dedup();
    let names = args.method.map_or(vec![MethodName::Fgsm, MethodName::Iterated], |name| vec![name]);
    let mut methods = vec![("random signs", Method::Random { seed: SEED })];
    methods.extend(names.into_iter().map(|name| match name {
        MethodName::Fgsm => ("fgsm", method(args, name)),
        MethodName::Iterated => ("iterated", method(args, name)),
    }));
    let correct = count_correct(model, &data, &unit, &methods, &epsilons);
    let report =
        Report { data: data.name(), samples: data.len(), unit: unit.words, methods, epsilons, correct };
    if let Some(folder) = &args.output {
        report.write(folder)?;
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&report.document())?);
    } else {
        anstream::println!("{}", report.text());
    }
    Ok(())
}

/// Right answers for each epsilon and method, in 64 bits: in 32 the deltas of a sure network round to 0. A chunk of samples is one piece of work: the sums do not depend on who does it.
fn count_correct(
    model: &Model,
    data: &Dataset,
    unit: &Unit,
    methods: &[(&str, Method)],
    epsilons: &[f64],
) -> Vec<Vec<usize>> {
    let (net, params) = (&model.network, model.params::<f64>());
    let chunks = data.len().div_ceil(CHUNK);
    let of_chunk = |chunk: usize| {
        let samples = chunk * CHUNK..data.len().min((chunk + 1) * CHUNK);
        let mut attacker = Attacker::new(net, &params, &unit.limits, samples.len());
        let mut batch = Batch::new(data, net.spec().outputs(), samples.len());
        let mut correct = |method, epsilon| {
            attacker.correct(&mut batch, data, model.info.target_coding, samples.clone(), method, epsilon)
        };
        let row = |epsilon: &f64| methods.iter().map(|&(_, method)| correct(method, *epsilon)).collect();
        epsilons.iter().map(row).collect::<Vec<Vec<usize>>>()
    };
    let none = || vec![vec![0; methods.len()]; epsilons.len()];
    let add = |mut sums: Vec<Vec<usize>>, counts: Vec<Vec<usize>>| {
        sums.iter_mut().flatten().zip(counts.iter().flatten()).for_each(|(sum, count)| *sum += count);
        sums
    };
    (0..chunks).into_par_iter().map(of_chunk).reduce(none, add)
}

struct Report<'a> {
    data: &'a str,
    samples: usize,
    unit: &'static str,
    methods: Vec<(&'static str, Method)>,
    epsilons: Vec<f64>,
    /// `(epsilons, methods)`
    correct: Vec<Vec<usize>>,
}

impl Report<'_> {
    fn accuracy(&self, correct: usize) -> f64 {
        correct as f64 / self.samples as f64
    }

    /// How a method works, in words.
    fn words(&self) -> String {
        let words = |&(name, method): &(&str, Method)| match method {
            Method::Iterated { steps, step_size } => {
                let size = step_size.map_or("2.5 epsilon / steps".into(), |size| size.to_string());
                format!("{name}: {} of {size}", count(steps, "step"))
            }
            Method::Fgsm => format!("{name}: one step"),
            Method::Random { .. } => format!("{name}: as large, and blind"),
        };
        self.methods.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    fn text(&self) -> String {
        let mut header = vec!["epsilon"];
        header.extend(self.methods.iter().map(|(name, _)| *name));
        let percent = |&correct: &usize| format!("{:.2} %", 100.0 * self.accuracy(correct));
        let row = |(epsilon, counts): (&f64, &Vec<usize>)| {
            std::iter::once(epsilon.to_string()).chain(counts.iter().map(percent)).collect()
        };
        let rows = self.epsilons.iter().zip(&self.correct).map(row).collect();
        format!(
            "accuracy on '{}' ({}) under attack; epsilon {}\n{}\n\n{}",
            self.data,
            count(self.samples, "sample"),
            self.unit,
            self.words(),
            table(&header, rows, &[0, 1, 2, 3])
        )
    }

    fn document(&self) -> Value {
        let row = |(epsilon, counts): (&f64, &Vec<usize>)| {
            let mut row = serde_json::Map::new();
            row.insert("epsilon".into(), json!(epsilon));
            for ((name, _), &correct) in self.methods.iter().zip(counts) {
                row.insert(
                    name.replace(' ', "_"),
                    json!({ "correct": correct, "accuracy": self.accuracy(correct) }),
                );
            }
            Value::Object(row)
        };
        json!({
            "data": self.data,
            "samples": self.samples,
            "epsilon_unit": self.unit,
            "methods": self.words(),
            "rows": self.epsilons.iter().zip(&self.correct).map(row).collect::<Vec<_>>(),
        })
    }

    fn csv(&self) -> String {
        let names: Vec<String> = self.methods.iter().map(|(name, _)| name.replace(' ', "_")).collect();
        let mut text = format!("epsilon,{}\n", names.join(","));
        for (epsilon, counts) in self.epsilons.iter().zip(&self.correct) {
            let cells: Vec<String> = counts.iter().map(|&c| self.accuracy(c).to_string()).collect();
            let _ = writeln!(text, "{epsilon},{}", cells.join(","));
        }
        text
    }

    fn chart(&self) -> String {
        let curve = |(at, (name, _)): (usize, &(&str, Method))| {
            let points = self.epsilons.iter().zip(&self.correct);
            Curve::new(*name, points.map(|(&e, counts)| (e, self.accuracy(counts[at]))).collect())
        };
        let curves: Vec<Curve> = self.methods.iter().enumerate().map(curve).collect();
        let title = format!("{} under attack", self.data);
        let x = format!("epsilon, {}", self.unit);
        line_chart(&title, &x, "accuracy", Scale::Linear, &curves)
    }

    /// Writes `accuracy.svg`, `.csv` and `.json`.
    fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let document = format!("{}\n", serde_json::to_string_pretty(&self.document())?);
        for (name, text) in
            [("accuracy.svg", self.chart()), ("accuracy.csv", self.csv()), ("accuracy.json", document)]
        {
            write_atomically(&folder.join(name), text.as_bytes())?;
        }
        say(&format!("{}: accuracy.svg, accuracy.csv, accuracy.json", folder.display()));
        Ok(())
    }
}
