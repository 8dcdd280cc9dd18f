//! A check as text: the groups, the worst parameters, why they disagree, and what it all means.

use chainrule::gradcheck::{GradientCheck, GroupCheck};
use owo_colors::OwoColorize;

use super::plot;
use super::subject::Subject;
use crate::table::{painted, table};
use crate::terminal::{self, thousands, wrapped};

/// The network, the samples, and how many parameters.
pub fn title(subject: &Subject, samples: &[usize], left_out: &[usize], found: &GradientCheck) -> String {
    let indices = match samples {
        [first, .., last] if last - first + 1 == samples.len() => format!("{first} to {last}"),
        _ => samples.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let (network, data) = (subject.network.spec().sizes(), subject.data.name());
    let mut text = format!("{network} in {} on samples {indices} of '{data}' (from 0)", found.dtype);
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        text += &format!("; at a kink and left out: {}", terminal::list(&names, 5));
    }
    if found.checked < found.parameters {
        text += &format!(
            "\nchecked {} of {} parameters, drawn at random from every group (--parameters all: every one)",
            thousands(found.checked as f64),
            thousands(found.parameters as f64)
        );
    }
    text.lines()
        .map(|line| wrapped(line.split(' '), terminal::width()).join("\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Everything below the title.
pub fn text(found: &GradientCheck, with_plot: bool) -> String {
    let mut text = groups(found);
    let open: Vec<&GroupCheck> = found.groups.iter().filter(|group| group.verdict != "same").collect();
    if open.iter().any(|group| !group.passed) {
        text += &format!("\nThe worst parameters of each group that differs:\n{}", worst(&open));
    }
    if !open.is_empty() {
        text.push('\n');
        let rows: Vec<(String, String)> =
            open.iter().map(|group| (group.title(), group.verdict.clone())).collect();
        text += &terminal::pairs(&rows, terminal::width());
    }
    if with_plot || !found.passed {
        text += &format!("\n{}", plot::text(&found.sweep, found.h));
    }
    let verdict = wrapped(found.verdict.split(' '), terminal::width()).join("\n");
    let verdict = if found.passed { verdict } else { verdict.red().to_string() };
    text + &format!(
        "\nloss {:.6}; h = {:e}, relative error of a group at most {:e}\n{verdict}",
        found.loss, found.h, found.tolerance
    )
}

fn groups(found: &GradientCheck) -> String {
    let row = |group: &GroupCheck| {
        let number = |value: f64| format!("{value:.2e}");
        let parameters = thousands(group.parameters as f64);
        vec![
            group.title(),
            match group.checked {
                checked if checked < group.parameters => {
                    format!("{} of {parameters}", thousands(checked as f64))
                }
                _ => parameters,
            },
            number(group.relative_error),
            number(group.max_relative_error),
            number(group.mean_absolute_difference),
            number(group.max_absolute_difference),
            group.worst.first().map_or_else(String::new, |parameter| parameter.name.clone()),
            group.verdict.split(':').next().unwrap_or_default().to_string(),
        ]
    };
    let rows = found.groups.iter().map(row).collect();
    let names = ["group", "size", "relative error", "max", "mean |diff.|", "max", "worst", "verdict"];
    let paint = |row: usize, _: usize, text: &str| {
        if found.groups[row].passed { text.to_string() } else { text.red().to_string() }
    };
    painted(&names, rows, &[1, 2, 3, 4, 5], &paint) + "\n"
}

fn worst(groups: &[&GroupCheck]) -> String {
    let number = |value: f64| format!("{value:.9e}");
    let rows = groups.iter().filter(|group| !group.passed).flat_map(|group| {
        group.worst.iter().map(|parameter| {
            vec![
                parameter.name.clone(),
                terminal::figure(parameter.value),
                number(parameter.backpropagated),
                number(parameter.numerical),
                format!("{:.3e}", parameter.difference),
                format!("{:.3e}", parameter.relative_error),
            ]
        })
    });
    let names = ["parameter", "value", "backpropagated", "differences", "|diff.|", "relative"];
    table(&names, rows.collect(), &[1, 2, 3, 4, 5]) + "\n"
}
