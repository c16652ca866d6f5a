//! Everything that is printed: text for people, or JSON for programs.
//!
//! Colours only on terminals, and never with `NO_COLOR`; text is cut to the width of a terminal, or to `COLUMNS`;
//! what comes from data never controls the terminal. Notes and progress go to standard error, results to standard
//! output.

use std::fmt::{Display, Write as _};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;

mod progress;
mod table;
mod time;

pub(crate) use progress::Bar;
pub(crate) use table::{Cell, Column, Table, cut, width_of};
pub(crate) use time::{ago, day_time, length};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum When {
    // On terminals. No doc comments here: they would make every command's help long.
    #[default]
    Auto,
    // Also in pipes.
    Always,
    // Nowhere.
    Never,
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Style {
    #[default]
    Plain,
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
    Cyan,
}

/// Puts colours on text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    pub(crate) fn style(self, style: Style, text: &str) -> String {
        let code = match style {
            _ if !self.is_on || text.is_empty() => return text.to_owned(),
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "31",
            Style::Yellow => "33",
            Style::Green => "32",
            Style::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Where results go.
pub(crate) struct Output {
    is_json: bool,
    when: When,
    paint: Paint,
    width: usize,
    stdout: BufWriter<Stdout>,
}

/// Narrower than this nothing can be read: text is not cut further.
const WIDTH_MIN: usize = 40;

impl Output {
    pub(crate) fn new(is_json: bool, when: When) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse::<usize>().ok());
        let size = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let width = columns.or_else(|| if is_terminal { size() } else { None });
        Self {
            is_json,
            when,
            paint: Paint { is_on: !is_json && wants_colour(when, is_terminal) },
            width: width.map_or(usize::MAX, |width| width.max(WIDTH_MIN)),
            stdout: BufWriter::new(io::stdout()),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// For standard error, which may be a terminal when standard output is not.
    pub(crate) fn paint_error(&self) -> Paint {
        Paint { is_on: wants_colour(self.when, io::stderr().is_terminal()) }
    }

    /// Prints a line of text.
    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.stdout, "{text}")
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        for line in table.lines(self.width, self.paint) {
            writeln!(self.stdout, "{line}")?;
        }
        Ok(())
    }

    /// Prints more of a table, its columns at least as wide as before.
    pub(crate) fn table_after(&mut self, table: &Table, widths: &mut Vec<usize>) -> io::Result<()> {
        for line in table.lines_after(widths, self.width, self.paint) {
            writeln!(self.stdout, "{line}")?;
        }
        Ok(())
    }

    /// Prints one JSON document.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        serde_json::to_writer_pretty(&mut self.stdout, value)?;
        writeln!(self.stdout).map_err(serde_json::Error::io)
    }

    /// Prints one JSON document on a line of its own, at once.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut self.stdout, value)?;
        writeln!(self.stdout).and_then(|()| self.stdout.flush()).map_err(serde_json::Error::io)
    }

    /// Prints a whole text as it is.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Tells a person at a terminal what is going on; says nothing to programs.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_json && io::stderr().is_terminal() {
            self.error_text(&self.paint_error().style(Style::Dim, text));
        }
    }

    /// Prints to standard error; that nobody hears it is no reason to fail.
    pub(crate) fn error_text(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Shows progress on a terminal once a second has passed.
    pub(crate) fn bar(&self, what: &'static str) -> Bar {
        Bar::new(what, !self.is_json && io::stderr().is_terminal())
    }
}

fn wants_colour(when: When, is_terminal: bool) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let refuses = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            is_terminal && !refuses && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Text from data, with everything that could control a terminal made visible.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            c if c.is_control() || is_turning(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The same on one line.
pub(crate) fn printable_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// Characters that change the direction of text or hide in it.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `3 events`, `1 event`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_never_controls_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\u{9b}"), "a\\u{1b}[31mb\\u{202e}c\\u{9b}");
        assert_eq!(printable_line("a\nb\tc"), "a b c");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "event"), counted(2, "event")), ("1 event".into(), "2 events".into()));
    }
}
