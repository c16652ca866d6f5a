//! The failing tests of a plan, as files: each test of the plan, under its name, failing for the reason that is stated.
//!
//! In Rust they are real tests over a store in memory; what only people can decide stands at a few places marked DECIDE.
//! In other languages each test fails with its reason until it is written.

use factum_contract::Source;

use super::behaviour::{Act, Behaviour, Part, PartKind};
use super::{Plan, steps};
use crate::codebase::Language;

const KINDS: [PartKind; 6] = [
    PartKind::Outer,
    PartKind::Contract,
    PartKind::Producer,
    PartKind::Consumer,
    PartKind::Wiring,
    PartKind::Edges,
];

/// All test files, by path.
pub(super) fn tests(plan: &Plan<'_>) -> Vec<Source> {
    let parts = steps::all(plan);
    let of = |kind: PartKind| -> Vec<&Behaviour> {
        parts.iter().filter(|part| part.kind == kind).flat_map(|part| &part.behaviours).collect()
    };
    let kinds: Vec<PartKind> = KINDS.into_iter().filter(|kind| !of(*kind).is_empty()).collect();
    let mut files = Vec::new();
    if plan.dialect.language == Language::Rust {
        let folder = format!("tests/{}", plan.dialect.suite());
        files.push(Source::new(format!("{folder}/main.rs"), main(plan, &kinds)));
        files.push(Source::new(format!("{folder}/slice.rs"), super::harness::text(plan)));
    }
    for kind in kinds {
        let tests: Vec<String> =
            of(kind).iter().map(|behaviour| test(plan, kind, behaviour, &parts)).collect();
        let text = format!("{}{}", head(plan, kind), tests.join("\n"));
        files.push(Source::new(plan.dialect.test_path(kind), text));
    }
    files
}

fn main(plan: &Plan<'_>, kinds: &[PartKind]) -> String {
    let (spec, slice) = (plan.request.spec, plan.request.slice);
    let mut mods: Vec<&str> = kinds.iter().map(|kind| kind.file()).chain(["slice"]).collect();
    mods.sort_unstable();
    let mods: String = mods.iter().map(|name| format!("mod {name};\n")).collect();
    format!(
        "//! Slice {} of {} ({}:{}): {}.\n//!\n//! Written by `factum plan --scaffold`, to fail first; `factum plan verify` runs what the plan has ticked.\n\n\
        #![allow(clippy::unwrap_used, reason = \"in a test, what cannot go on stops\")]\n\n{mods}",
        slice.ordinal, spec.title, spec.path, slice.line, slice.name
    )
}

fn head(plan: &Plan<'_>, kind: PartKind) -> String {
    let what = match kind {
        PartKind::Outer => "The whole slice, from the outside.",
        PartKind::Contract => "What is a valid event, and what is none. Nothing is mocked.",
        PartKind::Producer => "What is said, and when.",
        PartKind::Consumer => "What is done about it, once.",
        PartKind::Wiring => "The same names on both sides, and everybody is there.",
        PartKind::Edges => "What happens seldom.",
    };
    match plan.dialect.language {
        Language::Rust => {
            let all = ["Slice", "contract"];
            let used: Vec<&str> =
                if kind == PartKind::Contract { vec!["contract", "flaw"] } else { all[..1].to_vec() };
            let used = if used.len() == 1 { used[0].to_owned() } else { format!("{{{}}}", used.join(", ")) };
            format!("//! {what}\n\nuse crate::slice::{used};\n\n")
        }
        Language::TypeScript | Language::JavaScript if plan.dialect.framework == "Vitest" => {
            format!("// {what}\nimport {{ test }} from 'vitest';\n\n")
        }
        Language::TypeScript | Language::JavaScript => format!("// {what}\n\n"),
        Language::Python => format!("\"\"\"{what}\"\"\"\n\nimport pytest\n\n"),
        Language::Java => {
            let package = plan.dialect.suite().replace('_', "");
            let name = super::dialect::pascal(kind.file());
            format!(
                "package {package};\n\nimport org.junit.jupiter.api.Assertions;\nimport org.junit.jupiter.api.Test;\n\n/** {what} */\nclass {name}Test {{\n"
            )
        }
        Language::Go => {
            format!("// {what}\npackage {}\n\nimport \"testing\"\n\n", plan.dialect.suite().replace('_', ""))
        }
    }
}

fn test(plan: &Plan<'_>, kind: PartKind, behaviour: &Behaviour, parts: &[Part]) -> String {
    let name = plan.dialect.test_name(&behaviour.says);
    if plan.dialect.language == Language::Rust {
        return rust(plan, &name, behaviour);
    }
    let is_last = parts
        .iter()
        .filter(|part| part.kind == kind)
        .flat_map(|part| &part.behaviours)
        .next_back()
        .is_some_and(|last| last.says == behaviour.says);
    let reason = format!("RED: {}; given {}, assert {}", behaviour.fails, behaviour.input, behaviour.asserts);
    let quoted = serde_json::Value::from(reason).to_string();
    match plan.dialect.language {
        Language::Rust => String::new(),
        Language::TypeScript | Language::JavaScript => {
            let word = if plan.dialect.framework == "Vitest" { "test" } else { "it" };
            format!(
                "{word}({}, () => {{\n  throw new Error({quoted});\n}});\n",
                serde_json::Value::from(name)
            )
        }
        Language::Python => format!("\ndef {name}() -> None:\n    pytest.fail({quoted})\n"),
        Language::Java => format!(
            "    @Test\n    void {name}() {{\n        Assertions.fail({quoted});\n    }}\n{}",
            if is_last { "}\n" } else { "" }
        ),
        Language::Go => format!("func {name}(t *testing.T) {{\n\tt.Fatal({quoted})\n}}\n"),
    }
}

/// A test over a store in memory.
fn rust(plan: &Plan<'_>, name: &str, behaviour: &Behaviour) -> String {
    let event = behaviour.event.as_ref().map(ToString::to_string).unwrap_or_default();
    let planned = plan.events.iter().find(|planned| planned.name.as_str() == event);
    let cause = planned.and_then(|planned| planned.cause.as_ref()).map(ToString::to_string);
    let trigger = |binding: &str| match &cause {
        Some(cause) => format!("{binding}slice.happens(\"{cause}\").await;"),
        None => format!("{binding}slice.is_asked().await;"),
    };
    let start = "let slice = Slice::start().await;".to_owned();
    let (is_async, body): (bool, Vec<String>) = match &behaviour.act {
        Act::Outer => (true, outer(plan)),
        Act::Valid => (
            false,
            vec![
                format!("let contract = contract(\"{event}\");"),
                "assert_eq!(flaw(&contract, contract.example()), None);".to_owned(),
            ],
        ),
        Act::Broken { rule, path } => {
            let path = if path == "/" { "" } else { path.as_str() };
            let mut body = vec![format!("let contract = contract(\"{event}\");")];
            body.push(format!("let broken = contract.broken(\"{rule}\", \"{path}\");"));
            body.push(format!(
                "assert_eq!(flaw(&contract, broken), Some((\"{rule}\".to_owned(), \"{path}\".to_owned())));"
            ));
            (false, body)
        }
        Act::Fixture => {
            let key = planned
                .and_then(|planned| plan.contract(&planned.name))
                .map(|contract| contract.key.value.clone())
                .unwrap_or_default();
            let mut body = vec![format!("let contract = contract(\"{event}\");")];
            body.push(format!("let changed = contract.example_with_another(\"{key}\");"));
            body.push("assert_ne!(changed, contract.example());".to_owned());
            body.push("assert_eq!(flaw(&contract, changed), None);".to_owned());
            (false, body)
        }
        Act::Says => {
            let key = planned
                .and_then(|planned| plan.contract(&planned.name))
                .map(|contract| contract.key.value.clone())
                .unwrap_or_default();
            let shares = planned
                .and_then(|planned| planned.cause.as_ref())
                .and_then(|cause| plan.contract(cause))
                .is_some_and(|cause| cause.payload.field(&key).is_some());
            let mut body = vec![start, trigger(if shares { "let cause = " } else { "" })];
            if shares {
                body.push(format!("let said = slice.only(\"{event}\").await;"));
                body.push(format!("assert_eq!(said[\"{key}\"], cause[\"{key}\"]);"));
            } else {
                body.push(format!("slice.only(\"{event}\").await;"));
            }
            (true, body)
        }
        Act::Keeps => {
            let mut body = vec![start, trigger("")];
            body.push(format!("let said = slice.only(\"{event}\").await;"));
            body.push(format!("assert_eq!(slice.flaw(\"{event}\", &said), None);"));
            (true, body)
        }
        Act::Handles(taker) => {
            let mut body = vec![
                start,
                format!("slice.happens(\"{event}\").await;"),
                format!("slice.has_handled(\"{taker}\", \"{event}\").await;"),
            ];
            body.extend(follows(plan, &event, taker));
            (true, body)
        }
        Act::Twice(taker) => {
            let mut body = vec![
                start,
                format!("slice.happens_twice(\"{event}\").await;"),
                format!("slice.has_handled(\"{taker}\", \"{event}\").await;"),
            ];
            body.extend(follows(plan, &event, taker));
            (true, body)
        }
        Act::Malformed => (true, vec![start, format!("slice.refuses_broken(\"{event}\").await;")]),
        Act::Names => {
            let producer = planned.map(|planned| planned.producer.clone()).unwrap_or_default();
            (true, vec![start, format!("slice.is_said_by(\"{event}\", \"{producer}\");")])
        }
        Act::Subscribed(taker) => (true, vec![start, format!("slice.runs(\"{taker}\", \"{event}\");")]),
        Act::WithoutOptional | Act::WithUnknown => {
            let how = if behaviour.act == Act::WithUnknown { "with_unknown" } else { "without_optional" };
            let mut body = vec![start, format!("slice.happens_{how}(\"{event}\").await;")];
            body.extend(
                planned
                    .into_iter()
                    .flat_map(|planned| &planned.takers)
                    .map(|taker| format!("slice.has_handled(\"{}\", \"{event}\").await;", taker.name)),
            );
            body.push("slice.has_no_dead_letters().await;".to_owned());
            (true, body)
        }
        Act::Decide => {
            let reason = format!(
                "DECIDE: given {}, assert {}; it fails while {}",
                behaviour.input, behaviour.asserts, behaviour.fails
            );
            (
                true,
                vec![
                    start,
                    "slice.has_no_dead_letters().await;".to_owned(),
                    format!("panic!(\"{{}}\", {});", serde_json::Value::from(reason)),
                ],
            )
        }
    };
    let body: String = body.iter().map(|line| format!("    {line}\n")).collect();
    let (mark, word) = if is_async { ("#[tokio::test]", "async fn") } else { ("#[test]", "fn") };
    format!("{mark}\n{word} {name}() {{\n{body}}}\n")
}

fn outer(plan: &Plan<'_>) -> Vec<String> {
    let mut body = vec!["let slice = Slice::start().await;".to_owned()];
    for event in &plan.events {
        body.push(format!("slice.has_contract(\"{}\");", event.name));
    }
    match plan.events.first().and_then(|event| event.cause.as_ref()) {
        Some(cause) => body.push(format!("slice.happens(\"{cause}\").await;")),
        None => body.push("slice.is_asked().await;".to_owned()),
    }
    for event in &plan.events {
        body.push(format!("slice.only(\"{}\").await;", event.name));
        for taker in &event.takers {
            body.push(format!("slice.has_handled(\"{}\", \"{}\").await;", taker.name, event.name));
        }
    }
    body.push("slice.has_no_dead_letters().await;".to_owned());
    body
}

/// What a taker says then, where it says one thing for sure.
fn follows(plan: &Plan<'_>, event: &str, taker: &str) -> Option<String> {
    let planned = plan.events.iter().find(|planned| planned.name.as_str() == event)?;
    let taker = planned.takers.iter().find(|known| known.name == taker)?;
    match taker.then.as_slice() {
        [then] => Some(format!("slice.only(\"{then}\").await;")),
        _ => None,
    }
}
