//! The commands, one file each, and the way from a parsed command line to one of them.

use crate::cli::{Cli, Command};
use crate::error::CliError;
use crate::output::Output;
use crate::settings::Settings;

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod consumers;
pub(crate) mod contract;
pub(crate) mod copy;
pub(crate) mod design;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod event;
pub(crate) mod forget;
pub(crate) mod generate;
mod kept;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod mcp;
pub(crate) mod menu;
pub(crate) mod migrate;
pub(crate) mod migration;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod projections;
pub(crate) mod publish;
pub(crate) mod reliability;
pub(crate) mod replay;
pub(crate) mod review;
pub(crate) mod sagas;
pub(crate) mod scaffold;
pub(crate) mod search;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod tail;
pub(crate) mod timers;
pub(crate) mod trace;
pub(crate) mod wish;

/// How a command ended that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// All is well.
    Clean,
    /// It found something that should not be.
    Findings,
}

/// What every command is given.
pub(crate) struct Cx<'a> {
    pub(crate) settings: Settings,
    pub(crate) out: &'a mut Output,
}

/// Runs the command that was asked for, or shows the menu.
pub(crate) async fn run(cli: Cli, out: &mut Output) -> Result<Done, CliError> {
    let Some(command) = cli.command else { return menu::run(out) };
    let mut cx = Cx { settings: Settings::find(cli.global.store)?, out };
    let cx = &mut cx;
    match command {
        Command::Tail(args) => tail::run(args, cx).await,
        Command::Log(args) => log::run(args, cx).await,
        Command::Stream(args) => stream::run(args, cx).await,
        Command::Event(args) => event::run(args, cx).await,
        Command::Trace(args) => trace::run(args, cx).await,
        Command::Search(args) => search::run(args, cx).await,
        Command::Stats(args) => stats::run(args, cx).await,
        Command::Publish(args) => publish::run(args, cx).await,
        Command::Consumers(args) => consumers::run(args, cx).await,
        Command::Projections(args) => projections::run(args, cx).await,
        Command::Sagas(args) => sagas::run(args, cx).await,
        Command::Timers(args) => timers::run(args, cx).await,
        Command::Dlq(args) => dlq::run(args, cx).await,
        Command::Replay(args) => replay::run(args, cx).await,
        Command::Forget(args) => forget::run(args, cx).await,
        Command::Keys(args) => keys::run(&args, cx).await,
        Command::Migrate(args) => migrate::run(&args, cx),
        Command::Check(args) => check::run(args, cx).await,
        Command::Backup(args) => backup::run(args, cx).await,
        Command::Copy(args) => copy::run(args, cx).await,
        Command::Archive(args) => archive::run(args, cx).await,
        Command::Contract(args) => contract::run(args, cx).await,
        Command::Generate(args) => generate::run(args, cx),
        Command::Review(args) => review::run(args, cx).await,
        Command::Design(args) => design::run(args, cx),
        Command::Plan(args) => plan::run(args, cx),
        Command::Scaffold(args) => scaffold::run(args, cx),
        Command::New(args) => new::run(args, cx),
        Command::Migration(args) => migration::run(args, cx).await,
        Command::Reliability(args) => reliability::run(args, cx),
        Command::Doctor(args) => doctor::run(args, cx).await,
        Command::Bench(args) => bench::run(args, cx).await,
        Command::Audit(args) => audit::run(args, cx).await,
        Command::Mcp(args) => mcp::run(args, cx).await,
        Command::Completions(args) => completions::run(args, cx),
    }
}
