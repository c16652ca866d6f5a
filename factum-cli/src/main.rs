//! The `factum` command: looks at a store, operates it, checks contracts, generates code.
//!
//! One file per command in `commands`; what is printed goes through `output`, what went wrong through `error`.
//! Asks `factum_runtime::admin` and never a table of its own making.

mod cli;
mod commands;
mod error;
mod output;
mod reach;
mod reveal;
mod select;
mod settings;
mod shown;
mod suggest;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::error::CliError;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == clap::error::ErrorKind::InvalidSubcommand => return wish(&error),
        Err(error) => return error::usage(&error),
    };
    start(cli)
}

/// Plain words in place of a command.
fn wish(error: &clap::Error) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(wish) = commands::wish::of(&args) else { return error::usage(error) };
    match commands::wish::meant(&wish, &args) {
        Ok((commands::wish::Meant::Run(cli), _)) => start(*cli),
        Ok((commands::wish::Meant::Said(done), mut out)) => {
            let done = out.flush().map_err(CliError::from).map(|()| done);
            error::end(done, &out)
        }
        Err(error) => {
            error::end(Err(error), &Output::new(args.iter().any(|arg| arg == "--json"), output::When::Auto))
        }
    }
}

fn start(cli: Cli) -> ExitCode {
    let mut out = Output::new(cli.global.json, cli.global.color);
    let done = run(cli, &mut out);
    error::end(done, &out)
}

fn run(cli: Cli, out: &mut Output) -> Result<commands::Done, CliError> {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let threads = threads.map_err(|error| CliError::unreachable(format!("no threads: {error}")))?;
    let done = threads.block_on(commands::run(cli, out))?;
    out.flush()?;
    Ok(done)
}
