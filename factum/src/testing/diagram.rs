//! What a test has heard and done, as a Mermaid sequence diagram: it stands in the message of whatever does not hold.

use std::fmt::{self, Display, Write as _};

/// Who says what to whom, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagram(String);

impl Diagram {
    pub(super) fn tell(&mut self, from: &str, to: &str, what: impl Display) {
        let _ = writeln!(self.0, "  {from}->>{to}: {}", escaped(&what));
    }

    /// It arrives, and nothing comes of it.
    pub(super) fn fail(&mut self, from: &str, to: &str, what: impl Display) {
        let _ = writeln!(self.0, "  {from}-x{to}: {}", escaped(&what));
    }

    pub(super) fn note(&mut self, over: &str, what: impl Display) {
        let _ = writeln!(self.0, "  Note over {over}: {}", escaped(&what));
    }
}

impl Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sequenceDiagram\n{}", self.0)
    }
}

/// The last part of a type's path, without its parameters: what a decider or a handler is called in a diagram.
pub(super) fn name_of<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// On one line, and without what ends a line of a diagram.
fn escaped(what: &impl Display) -> String {
    let mut line = String::new();
    for character in what.to_string().trim_end().chars() {
        match character {
            '#' => line.push_str("#35;"),
            ';' => line.push_str("#59;"),
            '\n' => line.push_str("<br/>"),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_line_is_written_otherwise() {
        let mut diagram = Diagram::default();
        diagram.tell("log", "post", "a; b #1\nc");
        assert_eq!(diagram.to_string(), "sequenceDiagram\n  log->>post: a#59; b #35;1<br/>c\n");
        assert_eq!(name_of::<Vec<String>>(), "Vec");
    }
}
