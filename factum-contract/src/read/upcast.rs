//! Reads the steps that turn the version before into this one.

use std::str::FromStr;

use crate::finding::Findings;
use crate::node::{Content, Entry, Node};
use crate::upcast::{FieldPath, Step};
use crate::words::Placed;

use super::fields::{self, Fields, mismatch};

const STEPS: [&str; 8] = ["set", "rename", "move", "drop", "split", "join", "map", "code"];

/// Reads a list of steps, each a map with one key.
pub(super) fn steps(node: Option<&Node>, findings: &mut Findings<'_>) -> Vec<Placed<Step>> {
    let nodes = match node {
        None => return Vec::new(),
        Some(Node { content: Content::List(nodes), .. }) => nodes,
        Some(node) => return mismatch(node, "a list of steps", findings).unwrap_or_default(),
    };
    let mut steps = Vec::new();
    for node in nodes {
        let Content::Map(entries) = &node.content else {
            mismatch::<()>(node, "a step such as `set: { channel: web }`", findings);
            continue;
        };
        let [entry] = entries.as_slice() else {
            findings.error("step", node.span, format!("expected one step, found {}", entries.len()));
            continue;
        };
        if let Some(value) = step(entry, findings) {
            steps.push(Placed { value, span: entry.key_span });
        }
    }
    steps
}

fn step(entry: &Entry, findings: &mut Findings<'_>) -> Option<Step> {
    let node = &entry.value;
    match entry.key.as_str() {
        "set" => {
            let pairs = paths(node, findings)?;
            Some(Step::Set(pairs.into_iter().map(|(path, value)| (path, value.to_json())).collect()))
        }
        "rename" => rename(node, findings),
        "move" => moves(node, findings),
        "drop" => Some(Step::Drop(path_list(node, findings)?)),
        "split" => split(node, findings),
        "join" => join(node, findings),
        "map" => map(node, findings),
        "code" => Some(Step::Code(fields::text(node, findings)?.to_owned())),
        other => {
            let message = format!("there is no step `{other}`");
            findings.unknown("unknown-key", entry.key_span, message, other, STEPS);
            None
        }
    }
}

fn rename(node: &Node, findings: &mut Findings<'_>) -> Option<Step> {
    let mut renames = Vec::new();
    for (path, value) in paths(node, findings)? {
        let name = fields::text(value, findings)?;
        if name.contains(['.', '[', ']']) {
            return mismatch(value, "a new name, without its path (`move` changes places)", findings);
        }
        renames.push((path, name.to_owned()));
    }
    Some(Step::Rename(renames))
}

fn moves(node: &Node, findings: &mut Findings<'_>) -> Option<Step> {
    let mut moves = Vec::new();
    for (from, value) in paths(node, findings)? {
        let to = path(value, findings)?;
        if from.is_each() || to.is_each() {
            return mismatch(value, "single fields: items of lists cannot be moved", findings);
        }
        moves.push((from, to));
    }
    Some(Step::Move(moves))
}

fn split(node: &Node, findings: &mut Findings<'_>) -> Option<Step> {
    let mut keys = Fields::open(node, "a split", findings)?;
    let field = keys.required("field").and_then(|node| path(node, findings));
    let by = keys.text("by", findings).unwrap_or_else(|| " ".to_owned());
    let into = keys.required("into").and_then(|node| path_list(node, findings));
    keys.finish(findings);
    Some(Step::Split { field: single(field?, node, findings)?, by, into: all_single(into?, node, findings)? })
}

fn join(node: &Node, findings: &mut Findings<'_>) -> Option<Step> {
    let mut keys = Fields::open(node, "a join", findings)?;
    let parts = keys.required("fields").and_then(|node| path_list(node, findings));
    let by = keys.text("by", findings).unwrap_or_else(|| " ".to_owned());
    let into = keys.required("into").and_then(|node| path(node, findings));
    keys.finish(findings);
    Some(Step::Join { fields: all_single(parts?, node, findings)?, by, into: single(into?, node, findings)? })
}

fn map(node: &Node, findings: &mut Findings<'_>) -> Option<Step> {
    let mut keys = Fields::open(node, "a map step", findings)?;
    let field = keys.required("field").and_then(|node| path(node, findings));
    let values = keys.required("values");
    let otherwise = keys.get("otherwise").map(Node::to_json);
    keys.finish(findings);
    let values = values?;
    let Content::Map(entries) = &values.content else {
        return mismatch(values, "a map from old values to new ones", findings);
    };
    let values = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect();
    Some(Step::Map { field: field?, values, otherwise })
}

fn path(node: &Node, findings: &mut Findings<'_>) -> Option<FieldPath> {
    fields::name(node, findings).map(|placed| placed.value)
}

fn path_list(node: &Node, findings: &mut Findings<'_>) -> Option<Vec<FieldPath>> {
    let paths: Vec<FieldPath> =
        fields::names(node, findings).into_iter().map(|placed| placed.value).collect();
    (!paths.is_empty()).then_some(paths)
}

fn paths<'n>(node: &'n Node, findings: &mut Findings<'_>) -> Option<Vec<(FieldPath, &'n Node)>> {
    let Content::Map(entries) = &node.content else {
        return mismatch(node, "a map of fields", findings);
    };
    let mut found = Vec::new();
    for entry in entries {
        match FieldPath::from_str(&entry.key) {
            Ok(path) => found.push((path, &entry.value)),
            Err(error) => findings.error("name", entry.key_span, error.to_string()),
        }
    }
    Some(found)
}

fn single(path: FieldPath, node: &Node, findings: &mut Findings<'_>) -> Option<FieldPath> {
    if path.is_each() {
        return mismatch(node, "single fields, not items of lists", findings);
    }
    Some(path)
}

fn all_single(paths: Vec<FieldPath>, node: &Node, findings: &mut Findings<'_>) -> Option<Vec<FieldPath>> {
    paths.into_iter().map(|path| single(path, node, findings)).collect()
}
