//! Names that say nothing, or say what another word here already says.
//!
//! Looks at what is declared: types, traits, modules, and the files that hold them. A word that belongs to a foreign
//! standard may be allowed by name.

use crate::source::{Source, words};
use crate::workspace::TextFile;

use super::{finding, is_generated};

/// Words that no name of ours holds, singular.
const FORBIDDEN: [&str; 11] = [
    "message",
    "channel",
    "listener",
    "subscriber",
    "manager",
    "helper",
    "util",
    "common",
    "misc",
    "base",
    "impl",
];

/// Names that are allowed, each with its reason.
const ALLOWED: [(&str, &str); 0] = [];

const DECLARING: [&str; 6] = ["struct", "enum", "union", "trait", "type", "mod"];

/// Declared names and files that hold a forbidden word.
#[must_use]
pub fn that_say_nothing(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !is_generated(&file.text)) {
        let stem = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".rs")).unwrap_or_default();
        findings.extend(forbidden_word(stem).map(|word| complaint(&file.path, 1, stem, word)));
        let code = Source::read(&file.text).code;
        for (line, text) in code.lines().enumerate() {
            let declared = declared_in(text).filter_map(|name| Some((name, forbidden_word(name)?)));
            findings.extend(declared.map(|(name, word)| complaint(&file.path, line + 1, name, word)));
        }
    }
    findings
}

fn complaint(path: &str, line: usize, name: &str, word: &str) -> String {
    finding(path, line, &format!("{name}: \"{word}\" is not a word of ours; see the glossary"))
}

fn declared_in(line: &str) -> impl Iterator<Item = &str> {
    let all: Vec<&str> = words(line).collect();
    let pairs: Vec<&str> =
        all.windows(2).filter(|pair| DECLARING.contains(&pair[0])).map(|pair| pair[1]).collect();
    pairs.into_iter()
}

fn forbidden_word(name: &str) -> Option<&'static str> {
    if ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
        return None;
    }
    let parts = parts(name);
    FORBIDDEN
        .into_iter()
        .find(|word| parts.iter().any(|part| part == word || part.strip_suffix('s') == Some(word)))
}

/// `HttpStatus` and `http_status` are both `http`, `status`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter == '-' || letter.is_uppercase() {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (letter.is_alphanumeric(), parts.last_mut()) {
            part.extend(letter.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        that_say_nothing(&[TextFile { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn a_declared_name_with_a_forbidden_word_is_found() {
        for text in [
            "pub struct OrderManager;",
            "enum MessageKind {}",
            "trait EventListeners {}",
            "mod test_utils;",
            "type Base = u8;",
        ] {
            assert_eq!(found("a/src/b.rs", text), 1, "{text}");
        }
        assert_eq!(found("a/src/common.rs", ""), 1);
        assert_eq!(found("a/tests/helpers/order.rs", ""), 0, "folders are named by their modules");
    }

    #[test]
    fn names_of_others_and_other_words_are_fine() {
        for text in [
            "use lapin::Channel;",
            "// struct Helper",
            "let message = 1;",
            "struct Database;",
            "struct Commonality;",
            "impl Order {}",
            "fn base() {}",
        ] {
            assert_eq!(found("a/src/b.rs", text), 0, "{text}");
        }
        assert_eq!(found("a/src/b.rs", "// @generated\nstruct MessageSent;"), 0);
    }
}
