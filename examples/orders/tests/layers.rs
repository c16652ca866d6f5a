//! Keeps the layers apart: imports go inwards, and contexts know each other by contracts alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fs;
use std::path::{Path, PathBuf};

const CONTEXTS: [&str; 3] = ["orders", "payments", "stock"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every line of code of a folder or file, with where it stands; tests and comments aside.
fn code(context: &str, layer: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let layer = source().join(context).join(layer);
    let mut open = vec![layer.with_extension("rs"), layer];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                lines.push((format!("{}:{}", path.display(), number + 1), line.to_owned()));
            }
        }
    }
    assert!(!lines.is_empty(), "{context}/{layer:?} has no code", layer = "");
    lines
}

fn refuse(context: &str, layer: &str, words: &[String]) {
    for (place, line) in code(context, layer) {
        for word in words {
            assert!(!line.contains(word.as_str()), "{place} names {word}:\n{line}");
        }
    }
}

#[test]
fn domains_are_pure() {
    let foreign = [
        "factum",
        "contracts",
        "application",
        "infrastructure",
        "serde",
        "tokio",
        "axum",
        "async ",
        "std::time",
    ];
    for context in CONTEXTS {
        refuse(context, "domain", &foreign.map(str::to_owned));
    }
}

#[test]
fn applications_know_no_infrastructure() {
    for context in CONTEXTS {
        refuse(context, "application", &["contracts", "infrastructure", "serde", "axum"].map(str::to_owned));
    }
}

#[test]
fn contexts_know_each_other_by_contracts_alone() {
    for context in CONTEXTS {
        let others: Vec<String> = CONTEXTS
            .iter()
            .filter(|other| **other != context)
            .map(|other| format!("crate::{other}::"))
            .collect();
        for layer in ["domain", "application", "infrastructure"] {
            refuse(context, layer, &others);
        }
    }
}
