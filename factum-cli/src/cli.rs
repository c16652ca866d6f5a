//! The command line: flags that every command takes, and the commands.

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::output::When;

/// Look at a store of events, operate it, check contracts, generate code.
#[derive(Debug, Parser)]
#[command(name = "factum", version, disable_help_subcommand = true, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const AFTER: &str = "Without a command, `factum` shows each one with an example.\n\
Exit codes: 0 done, 1 findings or a refused request, 2 wrong command line, 3 cannot reach what was named.";

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The store: sqlite:<path>, a path, or postgres://…; else `store` in factum.toml
    #[arg(long, global = true, value_name = "URL", env = "FACTUM_STORE", hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// Print JSON, in the shapes of docs/cli.md
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
}

/// The commands, in the order of the menu.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow events as they happen
    Tail(commands::tail::Args),
    /// List events, newest last
    Log(commands::log::Args),
    /// Show the history of one stream, now or as it was; check snapshots
    Stream(commands::stream::Args),
    /// Show one event whole, and who had trouble with it
    Event(commands::event::Args),
    /// Show what caused what, as a tree
    Trace(commands::trace::Args),
    /// Find events that hold a text
    Search(commands::search::Args),
    /// Count events by type, and streams by category
    Stats(commands::stats::Args),
    /// From an event-storming text to contracts and an architecture document
    Design(commands::design::Args),
    /// A test-first plan of one slice of a specification
    Plan(commands::plan::Args),
    /// Code to begin with, whose tests fail until its decisions are taken
    Scaffold(commands::scaffold::Args),
    /// A working project: contracts, a service, tests, a pipeline
    New(commands::new::Args),
    /// Append events from JSON, checked against their contracts
    Publish(commands::publish::Args),
    /// List consumers; pause, resume or reset one
    Consumers(commands::consumers::Args),
    /// List projections; rebuild one, compare it with the log
    Projections(commands::projections::Args),
    /// List instances of sagas; show, resume or cancel one
    Sagas(commands::sagas::Args),
    /// List pending timers; move or cancel one
    Timers(commands::timers::Args),
    /// Look at dead letters; requeue or discard them
    Dlq(commands::dlq::Args),
    /// Hand recorded events to a consumer again
    Replay(commands::replay::Args),
    /// Forget a data subject: destroy its key
    Forget(commands::forget::Args),
    /// Look at the keys of personal data; make or rotate the master key
    Keys(commands::keys::Args),
    /// Make the store's tables, or bring them up to date; print the SQL
    Migrate(commands::migrate::Args),
    /// Prove the whole log sound
    Check(commands::check::Args),
    /// Copy the store while it is in use
    Backup(commands::backup::Args),
    /// Copy a store into another: from one machine to a server, and back
    Copy(commands::copy::Args),
    /// Move the oldest part of the log into a file, and back
    Archive(commands::archive::Args),
    /// Define, check, compare and show contracts
    Contract(commands::contract::Args),
    /// Generate code, documents and drawings from contracts
    Generate(commands::generate::Args),
    /// Plan the way from a call to an event; move its switch
    Migration(commands::migration::Args),
    /// Explain how a consumer deals with failure; propose, simulate
    Reliability(commands::reliability::Args),
    /// Say what is wrong with a system of events: its catalog and its code
    Review(commands::review::Args),
    /// Say what is wrong or unusual
    Doctor(commands::doctor::Args),
    /// Measure how fast this machine is
    Bench(commands::bench::Args),
    /// Show who changed what, when
    Audit(commands::audit::Args),
    /// Offer commands as tools to an assistant in an editor (MCP)
    Mcp(commands::mcp::Args),
    /// Print a completion script for a shell
    Completions(commands::completions::Args),
}
