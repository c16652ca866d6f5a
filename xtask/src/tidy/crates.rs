//! Which crate may import which, and what every manifest must hold.
//!
//! The table is the architecture: adapters know no runtime, the runtime knows no adapter, users see the façade. A new
//! crate is written down here before it compiles in CI. Dependencies of tests are free.

use toml::{Table, Value};

use crate::workspace::{Member, TextFile};

/// A crate and the crates of ours that it may import.
pub const EDGES: [(&str, &[&str]); 11] = [
    ("factum-core", &[]),
    ("factum-contract", &["factum-core"]),
    ("factum-architect", &["factum-core", "factum-contract"]),
    ("factum-store", &["factum-core"]),
    ("factum-broker", &["factum-core"]),
    ("factum-runtime", &["factum-core", "factum-contract"]),
    ("factum-conformance", &["factum-core"]),
    ("factum-console", &["factum-core", "factum-contract", "factum-runtime"]),
    ("factum-cli", &LIBRARIES),
    ("factum", &LIBRARIES),
    ("xtask", &[]),
];

const LIBRARIES: [&str; 9] = [
    "factum",
    "factum-core",
    "factum-contract",
    "factum-architect",
    "factum-store",
    "factum-broker",
    "factum-runtime",
    "factum-conformance",
    "factum-console",
];

/// Guests that only tools need: each adds seconds to the first build of every user's program.
const OF_TOOLS: [&str; 8] =
    ["askama", "clap", "jsonschema", "prettyplease", "saphyr-parser", "sqlx", "toml", "tree-sitter"];

/// What an example may import: what its reader would.
const OF_EXAMPLES: [&str; 1] = ["factum"];

/// Imports that the table does not have.
#[must_use]
pub fn forbidden_edges(members: &[Member]) -> Vec<String> {
    let is_ours = |name: &str| members.iter().any(|member| member.name == name);
    let mut findings = Vec::new();
    for member in members {
        let Some(allowed) = allowed(member) else {
            findings.push(format!("{} is not in the table of xtask/src/tidy/crates.rs", member.name));
            continue;
        };
        let imports = member.dependencies.iter().filter(|name| is_ours(name));
        let forbidden = imports.filter(|name| !allowed.contains(&name.as_str()));
        findings.extend(forbidden.map(|name| format!("{} may not import {name}", member.name)));
    }
    findings
}

fn allowed(member: &Member) -> Option<&'static [&'static str]> {
    if member.folder.starts_with("examples/") {
        return Some(&OF_EXAMPLES);
    }
    EDGES.iter().find(|(name, _)| *name == member.name).map(|(_, allowed)| *allowed)
}

/// Guests of tools among those of a program, which are listed a line each with their version.
#[must_use]
pub fn tools_in_programs(guests: &str) -> Vec<String> {
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut found: Vec<String> =
        guests.lines().map(name).filter(|name| OF_TOOLS.contains(&name.as_str())).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|name| format!("{name} is built with every program that uses factum")).collect()
}

/// Crates whose folder has another name, or lies in another place.
#[must_use]
pub fn folders_named_otherwise(members: &[Member]) -> Vec<String> {
    let expected = |member: &Member| {
        member.folder == member.name || member.folder == format!("examples/{}", member.name)
    };
    let wrong = members.iter().filter(|member| !expected(member));
    wrong.map(|member| format!("crate {} lies in {}", member.name, member.folder)).collect()
}

/// Manifests that do not take the workspace's lints, edition or licence, or declare a dependency of their own.
#[must_use]
pub fn own_settings(manifests: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for manifest in manifests {
        let Ok(table) = manifest.text.parse::<Table>() else {
            findings.push(format!("{}: is no TOML", manifest.path));
            continue;
        };
        if !table.contains_key("package") {
            continue;
        }
        if !is_inherited(table.get("lints")) {
            findings.push(format!("{}: [lints] must be `workspace = true`", manifest.path));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !is_inherited(table["package"].get(key)) {
                findings.push(format!("{}: {key} must be `{key}.workspace = true`", manifest.path));
            }
        }
        let own = dependencies(&table).into_iter().filter(|(_, value)| !is_inherited(Some(value)));
        findings.extend(
            own.map(|(name, _)| {
                format!("{}: declare {name} once, in [workspace.dependencies]", manifest.path)
            }),
        );
    }
    findings
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

/// All dependencies of a manifest, those of tests, build scripts and single platforms too.
fn dependencies(table: &Table) -> Vec<(&String, &Value)> {
    let mut found = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        found.extend(table.get(kind).and_then(Value::as_table).into_iter().flatten());
    }
    for platform in table.get("target").and_then(Value::as_table).into_iter().flatten() {
        found.extend(platform.1.as_table().map(dependencies).unwrap_or_default());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, folder: &str, dependencies: &[&str]) -> Member {
        let dependencies = dependencies.iter().map(|name| (*name).to_owned()).collect();
        Member { name: name.to_owned(), folder: folder.to_owned(), dependencies }
    }

    #[test]
    fn an_import_outside_the_table_is_found() {
        let members = [
            member("factum-core", "factum-core", &["serde"]),
            member("factum-store", "factum-store", &["factum-core", "factum-runtime"]),
            member("factum-runtime", "factum-runtime", &["factum-core"]),
            member("orders", "examples/orders", &["factum-core", "factum"]),
            member("factum", "factum", &["factum-core", "factum-store"]),
            member("factum-new", "factum-new", &[]),
        ];
        assert_eq!(
            forbidden_edges(&members),
            [
                "factum-store may not import factum-runtime",
                "orders may not import factum-core",
                "factum-new is not in the table of xtask/src/tidy/crates.rs",
            ]
        );
    }

    #[test]
    fn a_tool_in_a_program_is_found() {
        let guests = "factum v0.1.0\nserde v1.0.0\njsonschema v0.60.2\njsonschema-regex v0.60.2\njsonschema v0.60.2 (*)\n";
        assert_eq!(tools_in_programs(guests), ["jsonschema is built with every program that uses factum"]);
    }

    #[test]
    fn a_folder_has_the_name_of_its_crate() {
        let members = [member("orders", "examples/orders", &[]), member("factum-core", "core", &[])];
        assert_eq!(folders_named_otherwise(&members), ["crate factum-core lies in core"]);
    }

    #[test]
    fn what_a_manifest_declares_itself_is_found() {
        let good = "[package]\nname = 'a'\nversion.workspace = true\nedition.workspace = true\n\
                    rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
                    [dependencies]\nb.workspace = true\n[lints]\nworkspace = true\n";
        let bad = good.replace("b.workspace = true", "b = '1'\n[target.'cfg(unix)'.dependencies]\nc = '1'");
        let file = |text: &str| TextFile { path: "a/Cargo.toml".to_owned(), text: text.to_owned() };
        assert_eq!(own_settings(&[file(good)]), Vec::<String>::new());
        assert_eq!(own_settings(&[file(&bad)]).len(), 2);
        assert_eq!(own_settings(&[file(&good.replace("[lints]\nworkspace = true", ""))]).len(), 1);
        assert_eq!(
            own_settings(&[file(&good.replace("edition.workspace = true", "edition = '2024'"))]).len(),
            1
        );
    }
}
