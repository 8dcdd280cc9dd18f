//! Reads the command line and the environment, and says in our own words what cannot be.

use std::error::Error;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::path::Path;

use anyhow::{Result, anyhow};
use chainrule::simd::{self, Level};
use chainrule_io::mnist::DATA_VARIABLE;
use chainrule_kernels::bf16::{self, Bf16Level};
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, FromArgMatches};

use crate::Usage;
use crate::args::Cli;
use crate::watch::say;

/// The command line; what cannot be ends the program with exit code 2, help with 0.
pub fn parse() -> Result<Cli> {
    let matches = with_negative_numbers(Cli::command()).try_get_matches();
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => Ok(cli),
        Err(error) => Err(Usage(refused(&error).unwrap_or_else(|| error.exit())).into()),
    }
}

/// `--epochs -1` is a number out of range, and no flag `-1`.
fn with_negative_numbers(command: Command) -> Command {
    let number = |arg: clap::Arg| {
        let takes_one = arg.get_long().is_some() && arg.get_action().takes_values();
        if takes_one { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(number).mut_subcommands(with_negative_numbers)
}

/// A value that is no number, where one is expected. All else clap says well.
fn refused(error: &clap::Error) -> Option<anyhow::Error> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, found) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let source = error.source()?;
    let expected = match source.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
        Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => {
            "a smaller number: this one is too large"
        }
        Some(_) => "a whole number of at least 0",
        None if source.is::<ParseFloatError>() => "a number",
        None => return None,
    };
    let flag = flag.split(' ').next().unwrap_or(flag);
    Some(anyhow!("{flag}: expected {expected}, found '{found}'"))
}

/// Refuses values of environment variables that mean nothing, and says which ones cannot be followed here.
pub fn check_environment() -> Result<()> {
    let names = Level::ALL.map(Level::name);
    let known = |name: &str| Level::from_name(name).map(Level::is_available);
    check_variable(simd::ENVIRONMENT, &names, known)?;
    let names = ["emulated"].into_iter().chain(Bf16Level::ALL.map(Bf16Level::name)).collect::<Vec<_>>();
    let known = |name: &str| match name {
        "emulated" => Some(true),
        name => Bf16Level::from_name(name).map(Bf16Level::is_available),
    };
    check_variable(bf16::ENVIRONMENT, &names, known)?;
    if let Some(folder) = std::env::var_os(DATA_VARIABLE).filter(|folder| !folder.is_empty())
        && !Path::new(&folder).is_dir()
    {
        say(&format!("note: {DATA_VARIABLE}: {}: no such folder; it is left out", folder.display()));
    }
    Ok(())
}

/// `known` says whether this CPU has what a name stands for; of other names nothing.
fn check_variable(variable: &str, names: &[&str], known: impl Fn(&str) -> Option<bool>) -> Result<()> {
    let Some(asked) = std::env::var_os(variable).filter(|asked| !asked.is_empty()) else { return Ok(()) };
    let asked = asked.to_string_lossy();
    match known(&asked) {
        Some(true) => {}
        Some(false) => {
            say(&format!("note: {variable}={asked}: this CPU has none; the best that it has is used"));
        }
        None => {
            let expected = names.join(", ");
            return Err(Usage(anyhow!("{variable}: expected one of {expected}, found '{asked}'")).into());
        }
    }
    Ok(())
}
