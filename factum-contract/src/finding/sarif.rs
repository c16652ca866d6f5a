//! Findings as SARIF 2.1.0, the form that code hosts and editors take.
//!
//! One run, one tool, one result per finding; a counterexample travels in the properties of its result.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Finding, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Findings as one SARIF log; `root` is the folder of their files, as seen from the root of the repository.
#[must_use]
pub fn log(findings: &[Finding], root: &str, version: &str) -> Value {
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.as_ref()).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let described: Vec<Value> =
        rules.iter().map(|rule| json!({ "id": rule, "name": name_of(rule) })).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &rules, root)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "factum", "version": version, "rules": described } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding, rules: &[&str], root: &str) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let proof = finding.proof.as_ref().and_then(|proof| proof.in_words());
    let more: String = proof.iter().chain(&finding.hint).map(|line| format!("\n{line}")).collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.iter().position(|rule| *rule == finding.rule),
        "level": level,
        "message": { "text": format!("{}{more}", finding.message) },
        "locations": [location(finding, root)],
    });
    if let Some(proof) = &finding.proof {
        result["properties"] = json!({
            "old": proof.old,
            "new": proof.new,
            "mode": proof.mode,
            "verdict": proof.verdict,
            "counterexample": proof.counterexample,
        });
    }
    result
}

/// A finding about the whole catalog points at its folder.
fn location(finding: &Finding, root: &str) -> Value {
    let path = super::github::path_of(finding, root);
    let mut physical = json!({ "artifactLocation": { "uri": uri(&path) } });
    if finding.line > 0 {
        physical["region"] = json!({
            "startLine": finding.line,
            "startColumn": finding.column.max(1),
            "endColumn": finding.column.max(1) + finding.length.max(1),
        });
    }
    json!({ "physicalLocation": physical })
}

/// A relative path as a URI reference: what has a meaning in URIs is escaped.
fn uri(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

/// `judge/field-missing` as `JudgeFieldMissing`.
fn name_of(rule: &str) -> String {
    let parts = rule.split(['/', '-']);
    parts
        .map(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, check};

    /// What the standard requires of every log, and of each part that we write.
    fn required_parts() -> Value {
        let message =
            json!({ "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } } });
        let rule =
            json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "string" } } });
        let count = json!({ "type": "integer", "minimum": 1 });
        let region = json!({ "type": "object", "additionalProperties": false,
            "properties": { "startLine": count, "startColumn": count, "endColumn": count } });
        let location = json!({ "type": "object", "properties": { "physicalLocation": {
            "type": "object", "required": ["artifactLocation"],
            "properties": { "region": region, "artifactLocation": {
                "type": "object", "properties": { "uri": { "type": "string", "format": "uri-reference" } } } } } } });
        let result = json!({ "type": "object", "required": ["message"], "properties": {
            "message": message, "level": { "enum": ["none", "note", "warning", "error"] },
            "ruleId": { "type": "string" }, "ruleIndex": { "type": "integer", "minimum": -1 },
            "locations": { "type": "array", "items": location } } });
        let driver = json!({ "type": "object", "required": ["name"],
            "properties": { "name": { "type": "string" }, "rules": { "type": "array", "uniqueItems": true, "items": rule } } });
        json!({ "type": "object", "required": ["version", "runs"], "properties": {
            "version": { "const": "2.1.0" },
            "$schema": { "type": "string", "format": "uri" },
            "runs": { "type": "array", "items": { "type": "object", "required": ["tool"], "properties": {
                "tool": { "type": "object", "required": ["driver"], "properties": { "driver": driver } },
                "columnKind": { "enum": ["utf16CodeUnits", "unicodeCodePoints"] },
                "results": { "type": "array", "items": result } } } } } })
    }

    #[test]
    fn a_log_has_what_the_standard_requires() {
        let sources = [
            Source::new("system.yaml", "system: shop\nsrvices: {}\n"),
            Source::new("a b/ä#1.yaml", "event: a.b\n"),
        ];
        let log = log(&check(&sources).findings, "contracts", "1.2.3");
        let schema = jsonschema::options().should_validate_formats(true).build(&required_parts()).unwrap();
        let flaws: Vec<String> = schema.iter_errors(&log).map(|error| error.to_string()).collect();
        assert!(flaws.is_empty(), "{flaws:?}\n{log:#}");
        let uri = log.pointer("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri");
        assert_eq!(uri.unwrap(), "contracts/a%20b/%C3%A4%231.yaml");
        insta::assert_snapshot!(format!("{:#}", log.pointer("/runs/0/results/0").unwrap()));
    }

    #[test]
    fn no_findings_are_a_run_without_results() {
        assert_eq!(log(&[], "contracts", "1.2.3")["runs"][0]["results"], json!([]));
    }
}
