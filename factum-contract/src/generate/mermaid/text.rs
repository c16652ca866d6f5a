//! Text and names inside Mermaid drawings.
//!
//! Mermaid has no one grammar: quotes, colons, semicolons, brackets, percent signs and some words mean something
//! somewhere. So only letters, digits, spaces and a few harmless signs stand for themselves; the rest is written as
//! the entities (`#35;`) that Mermaid turns back when it draws.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Longest text of one label: drawings are read at a glance.
const LABEL_CHARS_MAX: usize = 120;

/// People's text as a label's inside; line breaks become spaces, and what is too long is cut.
pub(super) fn label(text: &str) -> String {
    let one_line: Vec<&str> = text.split_whitespace().collect();
    let one_line = one_line.join(" ");
    let mut out = String::new();
    for (index, c) in one_line.chars().enumerate() {
        if index == LABEL_CHARS_MAX {
            out.push('…');
            break;
        }
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | '_' | ',' => out.push(c),
            // A dash alone is plain; two of them, or one before a bracket, could be an arrow.
            '-' if !out.ends_with('-') && !out.is_empty() => out.push('-'),
            c if !c.is_ascii() && c.is_alphanumeric() => out.push(c),
            c => {
                // Writing to a String cannot fail.
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    if out.is_empty() { "#160;".to_owned() } else { out }
}

/// Identifiers of a drawing's parts: readable, plain, each its own.
#[derive(Debug, Default)]
pub(super) struct Ids {
    given: BTreeMap<(char, String), String>,
    used: BTreeSet<String>,
}

impl Ids {
    /// The identifier of a name among its kind, the same each time.
    pub(super) fn of(&mut self, kind: char, name: &str) -> String {
        let key = (kind, name.to_owned());
        if let Some(id) = self.given.get(&key) {
            return id.clone();
        }
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        // The letter before it keeps it from being a word of the grammar, such as `end`.
        let wanted = format!("{kind}_{plain}");
        let mut id = wanted.clone();
        let mut count = 1;
        while !self.used.insert(id.clone()) {
            count += 1;
            id = format!("{wanted}_{count}");
        }
        self.given.insert(key, id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_mean_something_is_an_entity() {
        assert_eq!(label("order.placed"), "order.placed");
        assert_eq!(
            label("a \"b\"; c:d\n--> e [f] %% `g`"),
            "a #34;b#34;#59; c#58;d -#45;#62; e #91;f#93; #37;#37; #96;g#96;"
        );
        assert_eq!(label("größe"), "größe");
        assert_eq!(label(" \n "), "#160;");
        assert!(label(&"x".repeat(500)).ends_with("x…"));
    }

    #[test]
    fn two_names_never_share_an_identifier() {
        let mut ids = Ids::default();
        let all = [ids.of('e', "a.b"), ids.of('e', "a-b"), ids.of('s', "a.b"), ids.of('e', "a_b")];
        assert_eq!(all, ["e_a_b", "e_a_b_2", "s_a_b", "e_a_b_3"]);
        assert_eq!(ids.of('e', "a-b"), "e_a_b_2");
    }
}
