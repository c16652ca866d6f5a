//! Handlers and types: what is trusted, what is dropped, what is changed.

use factum_contract::Severity::{Info, Warning};

use super::effects;
use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Found, Rule};
use crate::sources::Scan;
use crate::sources::language::Language;
use crate::sources::traffic::{Direction, first_loop, is_event_type};
use crate::sources::unit::{Arg, Function, Unit};

/// The second half of the family's table.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "code/non-idempotent",
        severity: Warning,
        profile: Recommended,
        title: "A handler has effects, and nothing in it asks whether it has met the event before.",
        why: "Delivery is at least once: a duplicate books twice, counts twice, mails twice.",
        bad: "# src/loyalty.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  await db.query('UPDATE points SET n = n + 1 WHERE customer = $1', [event.customerId]);\n});",
        good: "# src/loyalty.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  await db.transaction(async (tx) => {\n    if (await inbox.knows(tx, event.id)) return;\n    await tx.query('UPDATE points SET n = n + 1 WHERE customer = $1', [event.customerId]);\n  });\n});",
        fix: "mark the event's id in the same transaction, write by key (upsert), or hand an idempotency key to what you call",
        check: Check::Code(non_idempotent),
    },
    Rule {
        id: "code/unvalidated-consume",
        severity: Warning,
        profile: Recommended,
        title: "A handler reads fields of an event that nothing has checked.",
        why: "The first malformed event crashes it, or worse: writes `undefined` into a table.",
        bad: "# src/mail.ts\nimport { Kafka } from 'kafkajs';\nawait consumer.subscribe({ topic: 'order.placed' });\nawait consumer.run({ eachMessage: async ({ message }) => {\n  const event = JSON.parse(message.value.toString());\n  await letters.write(event.customer.email);\n} });",
        good: "# src/mail.ts\nimport { Kafka } from 'kafkajs';\nawait consumer.subscribe({ topic: 'order.placed' });\nawait consumer.run({ eachMessage: async ({ message }) => {\n  const event = parseOrderPlaced(message.value);\n  await letters.write(event.customer.email);\n} });",
        fix: "parse it by its generated validator first, and set aside what does not pass",
        check: Check::Code(unvalidated),
    },
    Rule {
        id: "code/swallowed-failure",
        severity: Warning,
        profile: Recommended,
        title: "A handler writes a failure down, and goes on as if all were well.",
        why: "The event counts as handled: it is lost, and only the log knows.",
        bad: "# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  try {\n    await letters.write(event);\n  } catch (error) {\n    console.error(error);\n  }\n});",
        good: "# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  try {\n    await letters.write(event);\n  } catch (error) {\n    console.error(error);\n    throw error;\n  }\n});",
        fix: "let it fail, so that it is tried again or set aside; or send it to the dead letters yourself",
        check: Check::Code(swallowed),
    },
    Rule {
        id: "code/ts-not-strict",
        severity: Info,
        profile: Recommended,
        title: "TypeScript that handles events is compiled without `strict`.",
        why: "Without it, types of events promise nothing: `undefined` passes everywhere.",
        bad: "# tsconfig.json\n{ \"compilerOptions\": { \"target\": \"es2022\" } }\n# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', write);",
        good: "# tsconfig.json\n{ \"compilerOptions\": { \"target\": \"es2022\", \"strict\": true } }\n# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', write);",
        fix: "set `\"strict\": true`",
        check: Check::Code(not_strict),
    },
    Rule {
        id: "code/event-mutated",
        severity: Warning,
        profile: Recommended,
        title: "A field of an event is assigned after the event was made.",
        why: "An event is a fact: what is changed on the way was never said by anybody, and other handlers see another event.",
        bad: "# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  event.total = round(event.total);\n  await letters.write(event);\n});",
        good: "# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  const total = round(event.total);\n  await letters.write(event, total);\n});",
        fix: "compute into a value of your own; a correction is another event",
        check: Check::Code(mutated),
    },
    Rule {
        id: "code/untyped",
        severity: Warning,
        profile: Recommended,
        title: "A handler or producer takes an event as anything (`any`, `Value`, `dict`).",
        why: "A type exists in the contract, and is not used: the compiler finds no misspelt field.",
        bad: "# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: any) => {\n  await letters.write(schema.parse(event));\n});",
        good: "# src/mail.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  await letters.write(event);\n});",
        fix: "generate the types (`factum generate typescript|rust|python`) and take those",
        check: Check::Code(untyped),
    },
];

fn non_idempotent(scan: &Scan<'_>, found: &mut Found) {
    for &(index, number) in scan.handlers.iter().chain(&scan.loops) {
        let unit = &scan.units[index];
        let function = &unit.functions[number];
        if effects::is_ours(unit, number) || effects::is_guarded(&function.text) {
            continue;
        }
        let inside = |other: &&Function| {
            other.start >= function.start && other.start < function.start + function.text.len()
        };
        let effect = unit
            .functions
            .iter()
            .skip(1)
            .filter(inside)
            .flat_map(|other| &other.calls)
            .find(|call| doubles(unit, call));
        if let Some(effect) = effect {
            found.at(
                effect.span,
                format!("`{}` is done again when the event comes again", effects::shown(effect)),
            );
        }
    }
}

/// Whether an effect is another one the second time: setting a value is not, adding to it is.
fn doubles(unit: &Unit, call: &crate::sources::unit::Call) -> bool {
    if let Some(sql) = effects::sql(unit, call) {
        let lower = sql.to_lowercase();
        let start = lower.trim_start_matches(['`', '"', '\'', ' ', '\n']);
        let counts =
            lower.contains(" + ") || lower.contains(" - ") || lower.contains("+ $") || lower.contains("+1");
        return start.starts_with("insert") || (start.starts_with("update") && counts);
    }
    let is_plain_write = matches!(
        call.name.as_str(),
        "update"
            | "updateOne"
            | "delete"
            | "deleteOne"
            | "merge"
            | "commit"
            | "save"
            | "Save"
            | "Update"
            | "Commit"
            | "saveAndFlush"
            | "update_one"
            | "put"
            | "add"
            | "persist"
    );
    effects::is_effect(unit, call) && !is_plain_write
}

/// Names that a text is read into without any check.
const PARSERS: [&str; 6] = [
    "JSON.parse(",
    "json.loads(",
    "from_slice::<Value>",
    "from_str::<Value>",
    "from_slice::<serde_json::Value>",
    "readTree(",
];
/// Words by which code shows that it checks.
const CHECKS: [&str; 22] = [
    "valid",
    "schema",
    "safeparse",
    "parseorder",
    "zod",
    "ajv",
    "assert",
    "from_json",
    "model_validate",
    "pydantic",
    "isorder",
    "decode",
    "as_str()",
    ".get(",
    "from_value",
    "instanceof",
    "typeof",
    "parse_obj",
    "guard",
    "check",
    "joi",
    "plaintoinstance",
];

fn unvalidated(scan: &Scan<'_>, found: &mut Found) {
    for &(index, number) in scan.handlers.iter().chain(&scan.loops) {
        let unit = &scan.units[index];
        let function = &unit.functions[number];
        let lower = function.text.to_lowercase();
        let Some(parser) = PARSERS.iter().find(|parser| function.text.contains(*parser)) else { continue };
        let is_typed_here = function.text.contains(" as ")
            && unit.language == Language::TypeScript
            && function.text.contains("satisfies");
        if CHECKS.iter().any(|check| lower.contains(check)) || is_typed_here {
            continue;
        }
        // What it was parsed into, and a field of it.
        let Some(name) = parsed_into(&function.text, parser) else { continue };
        let reads =
            function.text.contains(&format!("{name}.")) || function.text.contains(&format!("{name}["));
        if reads {
            let span = function.calls.iter().find(|call| {
                matches!(call.name.as_str(), "parse" | "loads" | "from_slice" | "from_str" | "readTree")
            });
            let span = span.map_or(function.span, |call| call.span);
            found.at(span, format!("`{name}` is parsed, and its fields are read unchecked"));
        }
    }
}

/// The name that a parser's answer is given: `const event = JSON.parse(…)`.
fn parsed_into(text: &str, parser: &str) -> Option<String> {
    let at = text.find(parser)?;
    // What is handed on at once is another's to check: `Placed.parse(JSON.parse(…))`.
    if text[..at].trim_end().ends_with('(') {
        return None;
    }
    let line_start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let before = text[line_start..at].split('=').next()?.trim();
    let before = before.split(':').next()?.trim();
    let name = before.rsplit([' ', '(', '{']).next()?.trim();
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && text[line_start..at].contains('=');
    is_name.then(|| name.to_owned())
}

fn swallowed(scan: &Scan<'_>, found: &mut Found) {
    for &(index, number) in scan.handlers.iter().chain(&scan.loops) {
        let unit = &scan.units[index];
        let function = &unit.functions[number];
        for catch in function.catches.iter().filter(|catch| catch.only_logs) {
            if scan.loops.contains(&(index, number)) && !goes_on(unit, function, &catch.body) {
                continue;
            }
            // A handler that gives its answer back in the branch hands the failure on.
            if unit.language == Language::Rust
                && !catch.body.contains('!')
                && !catch.body.trim_matches(['{', '}', ' ', '(', ')']).is_empty()
            {
                continue;
            }
            found.at(catch.span, "a failure is written down and dropped".to_owned());
        }
    }
}

/// Whether a loop goes on after a failure that was caught: what was tried stands inside of it.
///
/// A failure to hear from the broker is caught in the same loops; in languages without `try` the two look alike.
fn goes_on(unit: &Unit, function: &Function, body: &str) -> bool {
    if matches!(unit.language, Language::Rust | Language::Go) {
        return false;
    }
    let text = &function.text;
    let caught = text.find(body).unwrap_or_default();
    let tried = text[..caught].rfind("try").unwrap_or_default();
    first_loop(text).is_some_and(|begin| begin < tried)
}

fn not_strict(scan: &Scan<'_>, found: &mut Found) {
    let has_events =
        scan.units.iter().any(|unit| unit.language == Language::TypeScript && unit.path.ends_with(".ts"));
    if !has_events || scan.traffic.is_empty() {
        return;
    }
    let first = scan.view.sources.len();
    for &index in &scan.code.settings {
        let Some(source) = scan.code.sources.get(index - first) else { continue };
        let plain: String = source.text.chars().filter(|c| !c.is_whitespace()).collect();
        let is_root = !plain.contains("\"extends\"") && plain.contains("\"compilerOptions\"");
        if is_root && !plain.contains("\"strict\":true") {
            let line = source.text.lines().position(|line| line.contains("compilerOptions")).unwrap_or(0);
            let column = source.text.lines().nth(line).and_then(|text| text.find('"')).unwrap_or(0);
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let span = factum_contract::Span {
                file: number(index),
                line: number(line + 1),
                column: number(column + 1),
                length: 17,
            };
            found.at(span, "events are handled in TypeScript without `strict`");
        }
    }
}

/// Names and types that stand for an event in a function.
fn events_in(unit: &Unit, number: usize, is_handler: bool) -> Vec<String> {
    let function = &unit.functions[number];
    let by_type = function.params.iter().filter(|param| is_event_type(&param.kind));
    let by_name = function
        .params
        .iter()
        .filter(|param| is_handler && matches!(param.name.as_str(), "event" | "evt" | "envelope"));
    let mut names: Vec<String> =
        by_type.chain(by_name).map(|param| param.name.trim_start_matches("mut ").to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn mutated(scan: &Scan<'_>, found: &mut Found) {
    for (index, unit) in scan.units.iter().enumerate() {
        for (number, function) in unit.functions.iter().enumerate().skip(1) {
            let is_handler = scan.handlers.contains(&(index, number));
            // A decider's state is made of events, and is no event.
            let names = events_in(unit, number, is_handler);
            for write in &function.writes {
                let Some((first, _)) = write.target.split_once(['.', '[']) else { continue };
                if names.iter().any(|name| name == first) {
                    found.at(
                        write.span,
                        format!("`{}` is assigned: a field of an event that was made already", write.target),
                    );
                }
            }
        }
    }
}

fn untyped(scan: &Scan<'_>, found: &mut Found) {
    const ANYTHING: [&str; 11] = [
        "any",
        "Value",
        "serde_json::Value",
        "&Value",
        "&serde_json::Value",
        "dict",
        "Dict[str, Any]",
        "dict[str, Any]",
        "Map<String, Object>",
        "map[string]interface{}",
        "map[string]any",
    ];
    let taking = scan.handlers.iter().map(|&(index, number)| (index, number));
    for (index, number) in taking {
        let unit = &scan.units[index];
        let function = &unit.functions[number];
        let first = function.params.iter().find(|param| ANYTHING.contains(&param.kind.as_str()));
        if let Some(param) = first {
            found.at(param.span, format!("the event is taken as `{}`", param.kind));
        }
    }
    for one in scan.traffic.iter().filter(|one| one.direction == Direction::Publish) {
        let function = &scan.units[one.unit].functions[one.function];
        let Some(Arg::Name(name)) = &one.payload else { continue };
        let param = function
            .params
            .iter()
            .find(|param| param.name == *name && ANYTHING.contains(&param.kind.as_str()));
        if let Some(param) = param {
            found.at(param.span, format!("an event is published as `{}`", param.kind));
        }
    }
}
