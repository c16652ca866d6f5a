//! The shape of Rust files: short, introduced, found where their name says.

use crate::source::Source;
use crate::workspace::TextFile;

use super::{finding, is_generated};

/// Longest file, in lines: what a reader can hold.
pub const LINES_MAX: usize = 600;

/// Files that are too long; generated ones may be.
#[must_use]
pub fn too_long(files: &[TextFile]) -> Vec<String> {
    let long =
        files.iter().filter(|file| !is_generated(&file.text)).map(|file| (file, file.text.lines().count()));
    long.filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| {
            finding(&file.path, lines, &format!("at most {LINES_MAX} lines: split it by idea"))
        })
        .collect()
}

/// Modules that do not open with what they are.
#[must_use]
pub fn not_introduced(files: &[TextFile]) -> Vec<String> {
    let is_introduced = |file: &TextFile| {
        let first = file.text.trim_start().lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty())
    };
    let bare = files.iter().filter(|file| !is_introduced(file));
    bare.map(|file| finding(&file.path, 1, "open with `//!` and one sentence for what this is")).collect()
}

/// Modules in a file that has no name of its own.
#[must_use]
pub fn named_mod(files: &[TextFile]) -> Vec<String> {
    let nameless = files.iter().filter(|file| file.path.ends_with("/mod.rs"));
    nameless.map(|file| finding(&file.path, 1, "name the file after its module")).collect()
}

/// Notes of open work that no issue knows of.
#[must_use]
pub fn open_notes(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let comments = Source::read(&file.text).comments;
        for (line, text) in comments.lines().enumerate() {
            if ["TODO", "FIXME"].iter().any(|word| is_open(text, word)) {
                findings.push(finding(
                    &file.path,
                    line + 1,
                    "an open note needs the number of an issue: (#12)",
                ));
            }
        }
    }
    findings
}

fn is_open(comment: &str, word: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    comment.match_indices(word).any(|(at, _)| {
        let (before, rest) = (&comment[..at], &comment[at + word.len()..]);
        !before.ends_with(is_letter) && !rest.starts_with(is_letter) && !names_an_issue(rest)
    })
}

fn names_an_issue(rest: &str) -> bool {
    let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
    number.is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Tests, and code in doc comments, that are skipped in silence.
#[must_use]
pub fn silent_skips(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let source = Source::read(&file.text);
        for (line, (code, comment)) in source.code.lines().zip(source.comments.lines()).enumerate() {
            if code.contains("#[ignore") {
                let text = "run it, or print `skipped: NAME: reason` and return";
                findings.push(finding(&file.path, line + 1, text));
            }
            let fence = comment.split_once("```").map_or("", |(_, info)| info);
            if fence.split(',').any(|word| word.trim() == "ignore") {
                findings.push(finding(
                    &file.path,
                    line + 1,
                    "code in docs runs; use `text` for what is no code",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn long_files_are_found_unless_generated() {
        let long = "//! A.\n".repeat(LINES_MAX + 1);
        assert_eq!(too_long(&[file("a.rs", &long)]), ["a.rs:601: at most 600 lines: split it by idea"]);
        assert!(too_long(&[file("a.rs", &long[7..])]).is_empty());
        assert!(too_long(&[file("a.rs", &format!("// @generated\n{long}"))]).is_empty());
    }

    #[test]
    fn every_module_says_what_it_is() {
        let files = [
            file("a.rs", "//! Adds.\nuse b;"),
            file("b.rs", "use a;"),
            file("c.rs", "//!\n"),
            file("d.rs", ""),
        ];
        assert_eq!(not_introduced(&files).len(), 3);
        assert_eq!(named_mod(&[file("a/mod.rs", ""), file("a/remod.rs", "")]).len(), 1);
    }

    #[test]
    fn open_notes_name_an_issue() {
        let open = ["// TODO: later", "/* FIXME(me) */", "// TODO(#x)", "// TODO(#1) and TODO"];
        for text in open {
            assert_eq!(open_notes(&[file("a.rs", text)]).len(), 1, "{text}");
        }
        for text in ["// TODO(#12): later", "let a = \"TODO\";", "// to do", "// TODOS"] {
            assert!(open_notes(&[file("a.rs", text)]).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_skipped_says_so() {
        let bad = "#[ignore = \"slow\"]\nfn a() {}\n/// ```ignore\n/// ```\n/// ```rust,ignore\n";
        assert_eq!(silent_skips(&[file("a.rs", bad)]).len(), 3);
        assert!(silent_skips(&[file("a.rs", "/// ```\n/// let ignore = 1;\n/// ```text\n")]).is_empty());
    }
}
