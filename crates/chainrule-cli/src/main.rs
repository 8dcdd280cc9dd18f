//! The `chainrule` program: reads the command line, calls a subcommand, and says what went wrong.
//!
//! Exit codes: 0 done, 1 failed, 2 usage.
#![forbid(unsafe_code)]

mod args;

// From words to settings.
mod setup;

// A subcommand each.
mod check;
mod data;
mod eval;
mod inspect;
mod predict;
mod recipes;
mod reproduce;
mod train;

// What a run writes and shows.
mod finish;
mod report;
mod run_folder;
mod watch;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Recipes(args) => recipes::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "chainrule", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => man(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The manual page: the program's, then one section per subcommand.
fn man() -> anyhow::Result<()> {
    let page = clap_mangen::Man::new(Cli::command());
    Ok(page.render(&mut std::io::stdout())?)
}

/// Marks an error as one of usage: exit code 2.
#[derive(Debug)]
pub struct Usage(pub anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

fn fail(error: &anyhow::Error) -> ExitCode {
    use owo_colors::OwoColorize;
    // A reader that has seen enough (`| head`) is no failure to talk about.
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if !error.chain().any(closed) {
        anstream::eprintln!("{} {error:#}", "error:".red().bold());
    }
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::from(1) }
}
