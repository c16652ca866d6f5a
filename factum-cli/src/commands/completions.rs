//! `factum completions`: a script that completes commands and flags in a shell.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::{Cx, Done};
use crate::cli::Cli;
use crate::error::CliError;

/// Print a completion script: `factum completions bash > ~/.local/share/bash-completion/completions/factum`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "factum", &mut script);
    cx.out.raw(&script)?;
    Ok(Done::Clean)
}
