//! `chainrule man`: the manual page of the whole program.

use std::io::Write;

use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;

/// Writes the page: the program's part, then a section for each subcommand with its flags.
pub fn run() -> Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("Chainrule").date("");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in command.get_subcommands() {
        section(&mut page, "chainrule", subcommand)?;
    }
    page.extend_from_slice(END.as_bytes());
    let mut out = std::io::stdout().lock();
    out.write_all(ascii(&String::from_utf8(page)?).as_bytes())?;
    Ok(out.flush()?)
}

/// What holds for all subcommands.
const END: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
Done.
.TP
\fB1\fR
Failed or interrupted; standard error says why and what to do.
.TP
\fB2\fR
The command line or a setting cannot be.
.SH ENVIRONMENT
.TP
\fBCHAINRULE_DATA\fR
A folder that holds mnist/.
.TP
\fBCHAINRULE_SIMD\fR
Holds the kernels back to lower vector instructions: portable, avx2 or avx512.
.TP
\fBCHAINRULE_MNIST_URL\fR
Another address to fetch MNIST from.
.TP
\fBNO_COLOR\fR
If set, no colours.
.SH EXAMPLES
.nf
chainrule train digits
chainrule train my.csv \-\-target price \-\-hidden 32,16
chainrule eval runs/digits\-1 digits
chainrule predict runs/my\-1 new.csv
chainrule inspect runs/digits\-1
chainrule fool runs/digits\-1 digits \-\-sample 0 \-\-target 3
chainrule inspect runs/digits\-1 \-\-output seen
chainrule compare digits \-\-vary learning_rate=0.001,0.01,0.1 \-\-repeat 3
.fi
"#;

/// Other letters than ASCII's as escapes, which every roff knows.
fn ascii(text: &str) -> String {
    let letter = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    text.chars().map(letter).collect()
}

/// A subcommand's section, and after it those of its own subcommands.
fn section(page: &mut Vec<u8>, parent: &str, command: &Command) -> Result<()> {
    let name = format!("{parent} {}", command.get_name());
    let command = command.clone().bin_name(name.clone()).display_name(name.clone()).version(None::<&str>);
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut text)?;
    }
    man.render_options_section(&mut text)?;
    let text = String::from_utf8(text)?;
    let heading = name.to_uppercase();
    writeln!(page, ".SH \"{heading}\"")?;
    // Its own sections become parts of one; the preamble of the escapes stands at the head of the page already.
    for line in text.lines() {
        match line.strip_prefix(".SH ") {
            Some("SYNOPSIS") => {}
            Some("DESCRIPTION" | "EXTRA") => writeln!(page, ".PP")?,
            Some(title) => writeln!(page, ".SS {title}")?,
            None => writeln!(page, "{line}")?,
        }
    }
    for subcommand in command.get_subcommands() {
        section(page, &name, subcommand)?;
    }
    Ok(())
}
