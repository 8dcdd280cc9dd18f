//! The `chainrule` program: reads the command line, calls a subcommand, and says what went wrong.
//!
//! Exit codes: 0 done, 1 failed, 2 usage.
#![forbid(unsafe_code)]

mod args;
mod command_line;
mod flags;

// From words to settings.
mod setup;

// A subcommand each.
mod bench;
mod check;
mod compare;
mod data;
mod eval;
mod explain;
mod fool;
mod inspect;
mod man;
mod predict;
mod recipes;
mod reproduce;
mod train;

// How the terminal shows it.
mod bars;
mod table;
mod terminal;

// What a run writes and shows.
mod diagnosis;
mod finish;
mod profile;
mod report;
mod run_folder;
mod saliency;
mod tensorboard;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use args::{Cli, Command};
use clap::CommandFactory;

fn main() -> ExitCode {
    profile::now(); // the clock of profiles begins
    match command_line::parse().and_then(|cli| run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    if !matches!(command, Command::Completions { .. } | Command::Man) {
        command_line::check_environment()?;
    }
    match command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Fool(args) => fool::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Recipes(args) => recipes::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Completions { shell } => completions(shell),
        Command::Man => man::run(),
    }
}

/// Writes them whole: a reader that stops early is no reason to panic.
fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "chainrule", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// Marks an error as one of usage: exit code 2.
#[derive(Debug)]
pub struct Usage(pub anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&message(&self.0))
    }
}

impl std::error::Error for Usage {}

/// What went wrong and why; a cause that the words before it quote already is not said twice.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

fn fail(error: &anyhow::Error) -> ExitCode {
    use owo_colors::OwoColorize;
    // A reader that has seen enough (`| head`) is no failure to talk about.
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if !error.chain().any(closed) {
        // Nobody to tell is no reason to panic.
        let _ = writeln!(anstream::stderr(), "{} {}", "error:".red().bold(), message(error));
    }
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::from(1) }
}
