//! The documents: they lead somewhere, list everything, and speak of no machine.

use std::collections::BTreeSet;

use crate::workspace::TextFile;

use super::finding;

/// Beginnings of paths that exist on one machine only. Put together here, so that this file does not hold them.
const MACHINE_PATHS: [&str; 6] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
    concat!("/mn", "t/"),
];

/// Relative links that lead to no file.
///
/// `exists` answers whether a path from the root is there.
#[must_use]
pub fn dead_links(documents: &[TextFile], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for document in documents {
        for (line, target) in links(&document.text) {
            let path = target.split('#').next().unwrap_or_default();
            let is_elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if is_elsewhere {
                continue;
            }
            if !resolve(&document.path, path).is_some_and(|path| exists(&path)) {
                findings.push(finding(&document.path, line, &format!("the link to {target} leads nowhere")));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` outside fenced code, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| (number + 1, target)));
    }
    found
}

/// A link's target from the root; none when it leaves the repository.
fn resolve(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Lines that name a path of somebody's machine.
#[must_use]
pub fn machine_paths(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let named = MACHINE_PATHS.iter().find(|path| {
                line.match_indices(**path).any(|(at, _)| is_beginning(line[..at].chars().next_back()))
            });
            findings.extend(
                named.map(|path| finding(&file.path, number + 1, &format!("names a machine's {path}"))),
            );
        }
    }
    findings
}

/// Whether a path can begin behind this letter.
fn is_beginning(before: Option<char>) -> bool {
    before.is_none_or(|letter| !letter.is_alphanumeric() && !"/._-~}>".contains(letter))
}

/// Whether the change log has a place for the next change.
#[must_use]
pub fn no_unreleased_section(log: &TextFile) -> Vec<String> {
    let has = log.text.lines().any(|line| line.trim_end() == "## [Unreleased]");
    if has { Vec::new() } else { vec![finding(&log.path, 1, "has no section `## [Unreleased]`")] }
}

/// Decisions that the index does not list, and numbers that are used twice.
#[must_use]
pub fn unlisted_decisions(index: &TextFile, pages: &[TextFile]) -> Vec<String> {
    let mut numbers = BTreeSet::new();
    let mut findings = Vec::new();
    for page in pages.iter().filter(|page| page.path != index.path) {
        let name = page.path.rsplit('/').next().unwrap_or_default();
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            findings.push(finding(&page.path, 1, "begin the name with four digits: 0002-what-was-chosen.md"));
        }
        if !numbers.insert(number) {
            findings.push(finding(&page.path, 1, "another decision has this number"));
        }
        if !index.text.contains(&format!("({name})")) {
            findings.push(finding(&page.path, 1, "the index does not list this decision"));
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
    fn a_link_leads_to_a_file_or_away() {
        let text =
            "[a](../README.md#top) [b](gone.md) [c](https://example.org) [d](#here)\n```\n[e](no.md)\n```\n";
        let findings = dead_links(&[file("docs/x.md", text)], |path| path == "README.md");
        assert_eq!(findings, ["docs/x.md:1: the link to gone.md leads nowhere"]);
        assert_eq!(dead_links(&[file("x.md", "[a](../../secret)")], |_| true).len(), 1);
    }

    #[test]
    fn a_machines_path_is_found_and_a_relative_one_is_not() {
        for bad in [MACHINE_PATHS[0], MACHINE_PATHS[2], MACHINE_PATHS[5]] {
            assert_eq!(machine_paths(&[file("a.md", &format!("see `{bad}me/x`"))]).len(), 1, "{bad}");
        }
        let inside = format!("sqlite{} and https://example.org{}", MACHINE_PATHS[2], MACHINE_PATHS[0]);
        assert!(machine_paths(&[file("a.md", &inside)]).is_empty());
    }

    #[test]
    fn decisions_are_listed_once() {
        let index = file("docs/decisions/README.md", "[1](0001-a.md)");
        let pages =
            ["0001-a.md", "0001-b.md", "notes.md"].map(|name| file(&format!("docs/decisions/{name}"), ""));
        assert_eq!(unlisted_decisions(&index, &pages).len(), 4);
        assert!(unlisted_decisions(&index, &pages[..1]).is_empty());
    }

    #[test]
    fn the_change_log_waits_for_the_next_change() {
        assert!(no_unreleased_section(&file("CHANGELOG.md", "# Changes\n\n## [Unreleased]\n")).is_empty());
        assert_eq!(no_unreleased_section(&file("CHANGELOG.md", "## 0.1.0\n")).len(), 1);
    }
}
