//! What library code may not do: panic by `unwrap`, or queue without a limit.
//!
//! Clippy forbids the first too; this rule also finds where clippy was told to look away.

use crate::source::Source;
use crate::workspace::TextFile;

use super::{finding, is_test};

/// Calls in library code that panic without a reason, and the attributes that hide them.
#[must_use]
pub fn unwraps(files: &[TextFile]) -> Vec<String> {
    let forbidden = [".unwrap()", ".unwrap_err()", "clippy::unwrap_used"];
    let text = "no unwrap in a library: handle it, or `expect` with why it cannot happen";
    in_libraries(files, text, |line| forbidden.iter().any(|word| line.contains(word)))
}

/// Queues without a limit, in any code.
#[must_use]
pub fn unbounded_queues(files: &[TextFile]) -> Vec<String> {
    let forbidden = [
        "unbounded_channel",
        "UnboundedSender",
        "UnboundedReceiver",
        "mpsc::channel()",
        "mpsc::channel::<",
        "mpsc::unbounded",
        "crossbeam_channel::unbounded",
        "flume::unbounded",
        "async_channel::unbounded",
    ];
    let is_unbounded = |line: &str| {
        let compact: String = line.split_whitespace().collect();
        let typed =
            |rest: &str| rest.split_once(">(").is_some_and(|(_, arguments)| arguments.starts_with(')'));
        forbidden.iter().any(|word| match compact.split_once(word) {
            // With a limit between the brackets it is tokio's, which is bounded.
            Some((_, rest)) if word.ends_with('<') => typed(rest),
            Some(_) => true,
            None => false,
        })
    };
    let mut findings = Vec::new();
    for file in files {
        let code = Source::read(&file.text).code;
        let lines = code.lines().enumerate().filter(|(_, line)| is_unbounded(line));
        findings.extend(lines.map(|(line, _)| finding(&file.path, line + 1, "every queue has a maximum")));
    }
    findings
}

fn in_libraries(files: &[TextFile], text: &str, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !is_test(&file.path)) {
        let library = Source::read(&file.text).library();
        let lines = library.lines().enumerate().filter(|(_, line)| is_wrong(line));
        findings.extend(lines.map(|(line, _)| finding(&file.path, line + 1, text)));
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
    fn an_unwrap_is_found_in_libraries_only() {
        let text =
            "fn a() { b().unwrap() }\n#[cfg(test)]\nmod tests { fn c() { d().unwrap() } }\n// e.unwrap()\n";
        assert_eq!(unwraps(&[file("a/src/b.rs", text)]).len(), 1);
        assert!(unwraps(&[file("a/tests/b.rs", text)]).is_empty());
        assert_eq!(unwraps(&[file("a/src/b.rs", "#[allow(clippy::unwrap_used)]\n")]).len(), 1);
        assert!(unwraps(&[file("a/src/b.rs", "a.unwrap_or(1); b.unwrap_or_default();")]).is_empty());
    }

    #[test]
    fn a_queue_without_a_limit_is_found_everywhere() {
        for text in [
            "mpsc::unbounded_channel()",
            "mpsc::channel()",
            "mpsc::channel::<u8>()",
            "mpsc::channel::<Vec<u8>>()",
        ] {
            assert_eq!(unbounded_queues(&[file("a/tests/b.rs", text)]).len(), 1, "{text}");
        }
        for text in
            ["mpsc::channel(8)", "mpsc::channel::<u8>(8)", "mpsc::sync_channel(1)", "oneshot::channel()"]
        {
            assert!(unbounded_queues(&[file("a/src/b.rs", text)]).is_empty(), "{text}");
        }
    }
}
