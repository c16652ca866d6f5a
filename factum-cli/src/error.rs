//! What can go wrong, as an operator should hear it: a kind, what happened, and what to type next.
//!
//! The kind alone decides the exit code. With `--json` the error is one JSON object on standard error.
//! A reader that went away (`| head`) is no error.

use std::error::Error as _;
use std::io;
use std::process::ExitCode;

use factum_core::{AppendError, StoreError, StoreErrorKind};
use factum_runtime::admin::AdminError;

use crate::commands::Done;
use crate::output::{Output, Style, printable};

/// What kind of trouble; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The command line is wrong.
    Usage,
    /// There is nothing of that name.
    Unknown,
    /// Understood, and not done.
    Refused,
    /// What was asked for cannot be reached, or cannot be used.
    Unreachable,
    /// Nobody reads on.
    Pipe,
}

impl ErrorKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Pipe => "pipe",
        }
    }

    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Pipe => 0,
            Self::Unknown | Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
        }
    }
}

/// An error with what to type next.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) kind: ErrorKind,
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
    /// Where a command is a gate: not the kind's own exit code.
    exit_code: Option<u8>,
}

/// What a gate answers when it could not do its work.
const CANNOT_RUN: u8 = 2;

impl CliError {
    fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hint: None, exit_code: None }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, what)
    }

    pub(crate) fn unknown(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unknown, what)
    }

    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, what)
    }

    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unreachable, what)
    }

    /// The same from a gate, whose answer 1 is kept for findings.
    pub(crate) fn cannot_run(mut self) -> Self {
        self.exit_code = Some(CANNOT_RUN);
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.exit_code {
            Some(code) if self.kind != ErrorKind::Pipe => code,
            _ => self.kind.exit_code(),
        }
    }

    pub(crate) fn hint_if_none(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<io::Error> for CliError {
    /// Only printing uses this: files name themselves in their errors.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(ErrorKind::Pipe, "nobody reads on"),
            _ => Self::unreachable(format!("the output cannot be written: {error}")),
        }
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => Self::unreachable(format!("the output has no JSON form: {error}")),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match error.kind {
            StoreErrorKind::Unavailable => (ErrorKind::Unreachable, Some("it may pass: try again")),
            StoreErrorKind::Full => (ErrorKind::Unreachable, Some("make room on the disk, then try again")),
            StoreErrorKind::Corrupt => {
                (ErrorKind::Unreachable, Some("`factum check` says what else is damaged; restore a backup"))
            }
            StoreErrorKind::ReadOnly | StoreErrorKind::NotAStore => (ErrorKind::Unreachable, None),
            StoreErrorKind::Closed | StoreErrorKind::Other => (ErrorKind::Unreachable, None),
            StoreErrorKind::Invalid => (ErrorKind::Refused, None),
        };
        Self { kind, what: told(&error), hint: hint.map(str::to_owned), exit_code: None }
    }
}

impl From<AppendError> for CliError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Store(error) => error.into(),
            AppendError::Unknown(cause) => {
                Self::unreachable(format!("the outcome is unknown: {}", told(&cause)))
                    .hint("run the same command again: events with ids are recorded once")
            }
            AppendError::Refused(breach) => {
                let path = if breach.path.is_empty() { "/" } else { &breach.path };
                let what = format!("{}.v{} at {path}: {}", breach.event, breach.version, breach.message);
                Self::refused(format!("event refused: {what} (rule {})", breach.rule))
            }
            other => Self::refused(other.to_string()),
        }
    }
}

impl From<AdminError> for CliError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Unknown { what, name, hint } => {
                Self::unknown(format!("{what} {name:?} is not known")).hint(hint)
            }
            AdminError::Refused(what) => Self::refused(what),
            AdminError::Changed(what) => {
                Self::refused(format!("somebody else changed {what} at the same moment")).hint("look again")
            }
            AdminError::Store(error) => error.into(),
            AdminError::Append(error) => error.into(),
        }
    }
}

/// A store's error with what its driver said, each thing once.
fn told(error: &StoreError) -> String {
    let mut text = error.to_string();
    if error.kind == StoreErrorKind::NotAStore {
        // It is said already, and a driver's words for it help nobody.
        return text;
    }
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) && !said.ends_with(&last) {
            text = format!("{text}: {said}");
        }
        (last, next) = (said, cause.source());
    }
    text
}

/// Prints what went wrong, when something did, and answers with the exit code.
pub(crate) fn end(done: Result<Done, CliError>, out: &Output) -> ExitCode {
    let error = match done {
        Ok(Done::Clean) => return ExitCode::SUCCESS,
        Ok(Done::Findings) => return ExitCode::from(1),
        Err(error) => error,
    };
    if error.kind != ErrorKind::Pipe {
        out.error_text(&render(&error, out));
    }
    ExitCode::from(error.exit_code())
}

fn render(error: &CliError, out: &Output) -> String {
    let (kind, hint) = (error.kind.as_str(), error.hint.as_deref());
    if out.is_json() {
        let value = serde_json::json!({"error": {"kind": kind, "message": error.what, "hint": hint}});
        return value.to_string();
    }
    let paint = out.paint_error();
    let what = printable(&error.what);
    let mut text = format!("{}: {what}", paint.style(Style::Red, "error"));
    if let Some(hint) = hint {
        text.push_str(&format!("\n{}: {}", paint.style(Style::Bold, " hint"), printable(hint)));
    }
    text
}

/// Prints help or a usage error as the argument parser words it.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && is_json {
        let text = error.render().to_string();
        let (what, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let what = what.strip_prefix("error: ").unwrap_or(what).trim_end();
        let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: ")).map(str::to_owned);
        let mut cli = CliError::usage(what);
        cli.hint = tip.or_else(|| Some("`factum --help` lists the commands".to_owned()));
        let out = Output::new(true, crate::output::When::Never);
        return end(Err(cli), &out);
    }
    // A reader that went away has read enough of the help.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_decides_the_exit_code() {
        let code = |error: CliError| error.exit_code();
        assert_eq!(code(StoreError::new(StoreErrorKind::NotAStore, "x").into()), 3);
        assert_eq!(code(StoreError::new(StoreErrorKind::Invalid, "x").into()), 1);
        assert_eq!(code(AdminError::Refused("x".into()).into()), 1);
        assert_eq!(code(CliError::usage("x")), 2);
        assert_eq!(code(CliError::refused("x").cannot_run()), 2);
        assert_eq!(code(io::Error::from(io::ErrorKind::BrokenPipe).into()), 0);
    }

    #[test]
    fn what_the_driver_said_is_told_once() {
        let cause = io::Error::other("disk I/O error");
        let error = StoreError::new(StoreErrorKind::Other, "cannot read: disk I/O error").because(cause);
        assert_eq!(told(&error), "cannot read: disk I/O error");
        let cause = io::Error::other("file is not a database");
        let error = StoreError::new(StoreErrorKind::NotAStore, "notes.txt is not a store").because(cause);
        assert_eq!(told(&error), "notes.txt is not a store");
    }
}
