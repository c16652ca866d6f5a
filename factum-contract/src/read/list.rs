//! Reads one file that lists several contracts: a system small enough to need no folder.
//!
//! Every contract is read as if it stood in a file of its own, with what such a system need not say filled in. Places of
//! findings are those of the one file.

use crate::finding::{Findings, Span};
use crate::node::{Content, Entry, Node};

use super::fields::{Fields, mismatch};

/// The documents of a catalog in one: the system, then each contract; `file` names the system when it does not.
pub(super) fn documents(node: &Node, file: &str, findings: &mut Findings<'_>) -> Option<Vec<(String, Node)>> {
    let mut keys = Fields::open(node, "a file of several contracts", findings)?;
    let stem = keys.text("system", findings).unwrap_or_else(|| stem(file));
    let owner = keys.text("owner", findings).unwrap_or_else(|| stem.clone());
    let description = keys.get("description");
    let mut documents = Vec::new();
    let mut owners = vec![owner.clone()];
    let is_empty = keys.get("events").or(keys.get("commands")).is_none();
    for (key, kind) in [("events", "event"), ("commands", "command")] {
        for (name, contract) in contracts(keys.get(key), kind, findings) {
            let contract = filled(contract, kind, name, &owner, findings)?;
            let text = |key| contract.get(key).and_then(Node::as_text).unwrap_or_default().to_owned();
            let version = contract.get("version").map(Node::to_json_text).unwrap_or_default();
            owners.push(text("owner"));
            documents.push((format!("{}.v{version}.yaml", text(kind)), contract));
        }
    }
    keys.finish(findings);
    if is_empty {
        let hint = "start with `events:` and below it `order.placed:` with its `payload`";
        findings.error_with_hint("missing-key", node.span, "the file has no `events` or `commands`", hint);
        return None;
    }
    owners.sort();
    owners.dedup();
    let services = owners.iter().map(|owner| entry(owner, Content::Map(Vec::new()), node.span)).collect();
    let mut system = vec![
        entry("system", Content::Text(stem), node.span),
        entry("services", Content::Map(services), node.span),
    ];
    system.extend(description.map(|text| entry("description", text.content.clone(), text.span)));
    documents.insert(0, ("system.yaml".to_owned(), Node { span: node.span, content: Content::Map(system) }));
    Some(documents)
}

/// The contracts under `events` or `commands`: by name, or as a list in which each says its name.
fn contracts<'n>(
    node: Option<&'n Node>,
    kind: &str,
    findings: &mut Findings<'_>,
) -> Vec<(Option<&'n Entry>, &'n Node)> {
    match node.map(|node| &node.content) {
        None => Vec::new(),
        Some(Content::Map(entries)) => entries.iter().map(|entry| (Some(entry), &entry.value)).collect(),
        Some(Content::List(nodes)) => nodes.iter().map(|node| (None, node)).collect(),
        Some(_) => {
            let expected = format!("contracts by name, or a list of them with `{kind}: name` in each");
            node.and_then(|node| mismatch(node, &expected, findings)).unwrap_or_default()
        }
    }
}

/// A contract with its name, version, owner and key: the first field that is required, unless it says otherwise.
fn filled(
    node: &Node,
    kind: &str,
    name: Option<&Entry>,
    owner: &str,
    findings: &mut Findings<'_>,
) -> Option<Node> {
    let Content::Map(entries) = &node.content else {
        return mismatch(node, "a contract (a map of keys)", findings);
    };
    let mut entries = entries.clone();
    let has = |entries: &[Entry], key: &str| entries.iter().any(|entry| entry.key == key);
    if let Some(name) = name {
        if has(&entries, kind) {
            let message = format!("the contract is named twice: by its key and by `{kind}`");
            findings.error_with_hint("kind", name.key_span, message, format!("remove `{kind}`"));
        } else {
            entries.insert(0, entry(kind, Content::Text(name.key.clone()), name.key_span));
        }
    }
    if !has(&entries, "version") {
        entries.push(entry("version", Content::Number(1.into()), node.span));
    }
    if !has(&entries, "owner") {
        entries.push(entry("owner", Content::Text(owner.to_owned()), node.span));
    }
    let required = node.get("payload").and_then(|payload| payload.get("required"));
    let first = required.and_then(|names| match &names.content {
        Content::List(names) => names.first(),
        _ => None,
    });
    if let (Some(first), false) = (first, has(&entries, "key")) {
        entries.push(entry("key", first.content.clone(), first.span));
    }
    Some(Node { span: node.span, content: Content::Map(entries) })
}

fn entry(key: &str, content: Content, span: Span) -> Entry {
    Entry { key: key.to_owned(), key_span: span, value: Node { span, content } }
}

/// A file's name without its ending, as a system can be called.
fn stem(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = name.split('.').next().unwrap_or_default();
    let plain: String =
        stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(60).collect();
    if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { plain } else { "system".to_owned() }
}
