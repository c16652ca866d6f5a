//! Writes to the terminal, in colour where colour is welcome.

use std::io::{self, IsTerminal, Write};

/// Where people read.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    is_coloured: bool,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Stands out.
    Bold,
    /// Steps back.
    Dim,
    /// Orders' facts.
    Cyan,
    /// Good news.
    Green,
    /// Bad news.
    Red,
    /// Stock's facts.
    Yellow,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Cyan => "36",
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
        }
    }
}

impl Terminal {
    /// Standard output: in colour when it is a terminal and `NO_COLOR` is not set.
    #[must_use]
    pub fn detect() -> Self {
        let is_unwelcome = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_coloured: io::stdout().is_terminal() && !is_unwelcome && !is_dumb }
    }

    /// Text in colour, where colour is welcome.
    #[must_use]
    pub fn paint(self, ink: Ink, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{}m{text}\x1b[0m", ink.code()) } else { text.to_owned() }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn line(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert_eq!(Terminal { is_coloured: false }.paint(Ink::Red, "no"), "no");
        assert_eq!(Terminal { is_coloured: true }.paint(Ink::Red, "no"), "\x1b[31mno\x1b[0m");
    }
}
