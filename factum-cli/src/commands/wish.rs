//! Plain words in place of a command: the mode that is meant, why, and then that mode.
//!
//! Only what runs on words alone, or on what is here, is run at once; for the rest the command line is shown, because
//! guessing at its arguments would do something that nobody asked for.

use clap::{CommandFactory as _, Parser as _};
use factum_architect::modes::{self, Choice};

use super::{Done, menu};
use crate::cli::Cli;
use crate::error::CliError;
use crate::output::{Output, Style, When};

/// Modes that run as they are, with what they are started with.
const RUNS: [(&str, &[&str]); 11] = [
    ("review", &["review"]),
    ("consumers", &["consumers"]),
    ("projections", &["projections"]),
    ("sagas", &["sagas", "list"]),
    ("timers", &["timers", "list"]),
    ("audit", &["audit"]),
    ("dlq", &["dlq", "list"]),
    ("stats", &["stats"]),
    ("log", &["log"]),
    ("doctor", &["doctor"]),
    ("check", &["check"]),
];

/// A command line that is no command and no flag: its words, when there are at least two.
pub(crate) fn of(args: &[String]) -> Option<String> {
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let first = words.first()?;
    let command = Cli::command();
    let is_command = command.get_subcommands().any(|known| known.get_name() == *first);
    let wish = words.join(" ");
    (!is_command && !first.starts_with('-') && wish.split_whitespace().count() > 1).then_some(wish)
}

/// Whether the words are to be run as a mode, and with which arguments; else what is said of them.
pub(crate) enum Meant {
    Run(Box<Cli>),
    Said(Done),
}

/// Says which mode is meant and why.
pub(crate) fn meant(wish: &str, args: &[String]) -> Result<(Meant, Output), CliError> {
    let is_json = args.iter().any(|arg| arg == "--json");
    let mut out = Output::new(is_json, When::Auto);
    let command = Cli::command();
    let has = |name: &str| command.get_subcommands().any(|known| known.get_name() == name);
    let choice = modes::choose(wish, has);
    let paint = out.paint_error();
    match &choice {
        Choice::Unclear => Err(CliError::usage(format!(
            "{wish:?} is no command, and its words belong to no mode"
        ))
        .hint(
            "`factum` shows every mode with an example; say what it is about: retries, contracts, a design …",
        )),
        Choice::Elsewhere { because, why, instead } => {
            Err(CliError::refused(format!("\"{}\": {why}", because.join("\", \"")))
                .hint((*instead).to_owned()))
        }
        Choice::Mode { name, because, otherwise } => {
            let otherwise =
                otherwise.map(|name| format!("; or did you mean `factum {name}`?")).unwrap_or_default();
            let said = format!(
                "{}: \"{}\" says so{otherwise}",
                paint.style(Style::Bold, name),
                because.join("\", \"")
            );
            let is_wall = *name == "design" && wish.contains("->");
            // The words are what it is about.
            let is_about = *name == "reliability";
            let with: Vec<String> = match RUNS.iter().find(|(known, _)| known == name) {
                _ if is_about => vec![(*name).to_owned(), wish.to_owned()],
                Some((_, with)) => with.iter().map(|word| (*word).to_owned()).collect(),
                None if is_wall => vec!["design".to_owned(), wish.to_owned(), "--dry-run".to_owned()],
                None => {
                    if is_json {
                        out.json(&choice)?;
                    } else {
                        out.line(&said)?;
                        out.line(menu::example(name))?;
                        out.line(format!("`factum {name} --help` says the rest"))?;
                    }
                    return Ok((Meant::Said(Done::Clean), out));
                }
            };
            if !is_json {
                out.error_text(&said);
            }
            let flags = args.iter().filter(|arg| arg.starts_with("--")).cloned();
            let line = std::iter::once("factum".to_owned()).chain(with.clone()).chain(flags);
            let cli = Cli::try_parse_from(line).map_err(|error| {
                CliError::usage(format!("`factum {}` cannot be started so: {}", with.join(" "), error.kind()))
                    .hint(format!("`factum {name} --help` says how"))
            })?;
            Ok((Meant::Run(Box::new(cli)), out))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mode that no words find is a mode that nobody finds.
    #[test]
    fn plain_words_find_every_mode() {
        let wishes = [
            ("tail", "watch events as they happen"),
            ("log", "show the last events"),
            ("stream", "history of one order"),
            ("event", "show a single event"),
            ("trace", "what happened to order 42"),
            ("search", "find events that mention ann"),
            ("stats", "how many events are there"),
            ("publish", "append events from a file"),
            ("consumers", "why is the consumer lagging"),
            ("projections", "rebuild my read model"),
            ("sagas", "operate my stuck sagas"),
            ("timers", "which timers are due soon"),
            ("dlq", "requeue the dead letters"),
            ("replay", "reprocess yesterday's orders"),
            ("forget", "erase a customer under gdpr"),
            ("keys", "rotate the master key"),
            ("migrate", "create the tables"),
            ("check", "is my store corrupt"),
            ("backup", "make a backup while it runs"),
            ("copy", "move my data from sqlite to postgres"),
            ("archive", "archive old events"),
            ("contract", "rename a field of a payload"),
            ("generate", "typescript types for my events"),
            ("review", "review my event names"),
            ("design", "event storming of a shop"),
            ("plan", "a test driven plan of one slice"),
            ("scaffold", "boilerplate for a new consumer"),
            ("new", "start a project from scratch"),
            ("migration", "replace the synchronous call to billing"),
            ("reliability", "retry strategy for webhook ingestion"),
            ("doctor", "diagnose my setup"),
            ("bench", "how fast is this machine"),
            ("audit", "who paused the consumer"),
            ("mcp", "let an assistant in my editor ask"),
            ("completions", "shell completions for zsh"),
        ];
        let command = Cli::command();
        let has = |name: &str| command.get_subcommands().any(|known| known.get_name() == name);
        for (mode, wish) in wishes {
            let choice = modes::choose(wish, has);
            assert!(
                matches!(&choice, Choice::Mode { name, because, .. } if *name == mode && !because.is_empty()),
                "{wish}: {choice:?}"
            );
        }
        for known in command.get_subcommands().map(clap::Command::get_name) {
            let is_found = wishes.iter().any(|(mode, _)| *mode == known);
            assert!(is_found || ["console", "help"].contains(&known), "no words are tried for {known}");
        }
    }
}
