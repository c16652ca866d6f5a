//! Generates TypeScript: a module per category of streams, an index, and the small runtime that they stand on.
//!
//! The output needs no package: it checks JSON itself, and accepts and refuses what the gate does. Types are read-only,
//! nothing is `any`. The folder that is written belongs to the generator.

use std::fmt::Write as _;

use super::language::Language;
use super::outline::{EventOutline, ModuleOutline, Outline};
use super::{GenerateError, Generated};
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::schema::{Field, Schema, Shape};

mod literal;
mod schema;

use literal::{doc, property, quoted};
use schema::Writer;
pub(super) use schema::field_docs;

/// Names of modules that the output needs for itself.
const RESERVED: [&str; 2] = ["index", "runtime"];

const TYPESCRIPT: Language = Language {
    name: "typescript",
    comment: "//",
    ending: "ts",
    index: "index",
    runtime: &[
        ("runtime.ts", include_str!("typescript/runtime.ts")),
        ("runtime/flaw.ts", include_str!("typescript/runtime/flaw.ts")),
        ("runtime/format.ts", include_str!("typescript/runtime/format.ts")),
        ("runtime/json.ts", include_str!("typescript/runtime/json.ts")),
        ("runtime/schema.ts", include_str!("typescript/runtime/schema.ts")),
    ],
};

/// Generates the newest version of every contract, into a folder of its own.
///
/// # Errors
/// When names collide, an example breaks its contract, or TypeScript cannot say what a contract says.
pub fn generate(catalog: &Catalog) -> Result<Generated, GenerateError> {
    let outline = Outline::of(catalog, &RESERVED)?;
    check_carried(&outline)?;
    let system = catalog.system.name.as_str();
    let index = index(&outline, system);
    Ok(TYPESCRIPT.files(&outline, index, |module| module_file(&outline, module, system)))
}

/// Every object has these in JavaScript: an object without its own is not without one.
const INHERITED: [&str; 7] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Refuses what TypeScript cannot say, with the field and the reason.
fn check_carried(outline: &Outline<'_>) -> Result<(), GenerateError> {
    for event in outline.events() {
        let mut found: Option<(String, String)> = None;
        event.contract.payload.walk(&mut |path, schema| {
            if let Some((field, reason)) = not_carried(schema) {
                let dot = if path.is_empty() || field.is_empty() { "" } else { "." };
                found.get_or_insert((format!("{path}{dot}{field}"), reason));
            }
        });
        if let Some((path, reason)) = found {
            return Err(GenerateError::NotCarried { contract: event.contract.label(), path, reason });
        }
    }
    Ok(())
}

/// The field and reason; the field is empty when the value itself is meant.
fn not_carried(schema: &Schema) -> Option<(String, String)> {
    if let Shape::Text(text) = &schema.shape {
        let pattern = text.pattern.as_ref()?;
        let reason = super::script::java_script(pattern).err()?;
        return Some((String::new(), format!("pattern {pattern}: {reason}")));
    }
    let is_inherited = |field: &&Field| !field.is_required && INHERITED.contains(&field.name.as_str());
    let field = schema.fields().iter().find(is_inherited)?;
    let reason = "every JavaScript object has a property of that name, so it can never be absent".to_owned();
    Some((field.name.clone(), reason))
}

fn index(outline: &Outline<'_>, system: &str) -> String {
    let mut out = TYPESCRIPT.head(system);
    out.push_str("\n\nimport { checkAny, readAny } from \"./runtime.js\";\nimport type { Checked } from \"./runtime.js\";\n");
    for module in &outline.modules {
        let names: Vec<&str> = module.events.iter().map(|event| event.name.as_str()).collect();
        let _ = writeln!(out, "import {{ {} }} from \"./{}.js\";", names.join(", "), module.name);
    }
    out.push_str(
        "\nexport { ContractError, causedBy, dispatch, isForgotten, isKnown, writeJson } from \"./runtime.js\";\n\
         export type {\n  AnyEnvelope, Attributes, CalendarDate, Checked, Contract, DateTime, Decimal, Email, Envelope, \
         Flaw, Forgotten,\n  Handler, Handlers, Personal, UnknownWord, Uri, Uuid,\n} from \"./runtime.js\";\n",
    );
    for module in &outline.modules {
        let _ = writeln!(out, "\n// Streams of the category `{}`.", module.category);
        for event in &module.events {
            let name = &event.name;
            let _ = writeln!(out, "export {{ {name}, create{name} }} from \"./{}.js\";", module.name);
            let _ = writeln!(out, "export type {{ {name}Data }} from \"./{}.js\";", module.name);
        }
        let types: Vec<&str> = outline.exported_types(module).iter().map(|ty| ty.name.as_str()).collect();
        if !types.is_empty() {
            let _ = writeln!(out, "export type {{ {} }} from \"./{}.js\";", types.join(", "), module.name);
        }
        let words: Vec<String> =
            outline.exported_types(module).iter().filter_map(|ty| words_name(&ty.name, ty.schema)).collect();
        if !words.is_empty() {
            let _ = writeln!(out, "export {{ {} }} from \"./{}.js\";", words.join(", "), module.name);
        }
    }
    for (kind, is_event) in [("event", true), ("command", false)] {
        union(outline, system, kind, is_event, &mut out);
    }
    out
}

/// The union of all events, or of all commands, and how it is read.
fn union(outline: &Outline<'_>, system: &str, kind: &str, is_event: bool, out: &mut String) {
    let is_meant = |event: &&EventOutline<'_>| (event.contract.kind.as_str() == "event") == is_event;
    let events: Vec<&EventOutline<'_>> = outline.events().filter(is_meant).collect();
    if events.is_empty() {
        return;
    }
    let suffix = if is_event { "Event" } else { "Command" };
    let name = outline.free_name(&format!("{}{suffix}", super::ident::pascal(system)));
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    let _ = writeln!(out, "\n/** Any {kind} of the system `{system}`; its `type` says which. */");
    let _ = writeln!(out, "export type {name} =\n  | {};", names.join("\n  | "));
    let _ = writeln!(out, "\n/** Every {kind}'s contract, by its type. */\nexport const {kind}s = {{");
    for event in &events {
        let _ = writeln!(out, "  {}: {},", quoted(event.contract.name.as_str()), event.name);
    }
    let _ = writeln!(out, "}} as const;");
    let _ =
        writeln!(out, "\n/** Reads and checks any {kind} of the system: CloudEvents in structured mode. */");
    let _ = writeln!(out, "export function read{suffix}(json: string | Uint8Array): Checked<{name}> {{");
    let _ = writeln!(out, "  return readAny<{name}>({kind}s, json);\n}}");
    let _ = writeln!(out, "\n/** Checks any {kind} that was read elsewhere. */");
    let _ = writeln!(out, "export function check{suffix}(value: unknown): Checked<{name}> {{");
    let _ = writeln!(out, "  return checkAny<{name}>({kind}s, value);\n}}");
}

fn module_file(outline: &Outline<'_>, module: &ModuleOutline<'_>, system: &str) -> String {
    let mut out = TYPESCRIPT.head(system);
    let _ = writeln!(
        out,
        "\n\n// Streams of the category `{}`.\n\nimport * as rt from \"./runtime.js\";",
        module.category
    );
    let writer = Writer { outline };
    for event in &module.events {
        for ty in &event.types {
            writer.named_type(ty, &mut out);
        }
        write_event(&writer, event, system, &mut out);
    }
    out
}

fn write_event(writer: &Writer<'_, '_>, event: &EventOutline<'_>, system: &str, out: &mut String) {
    let (name, contract) = (&event.name, event.contract);
    let (wire, version, kind) = (contract.name.as_str(), contract.version, contract.kind.as_str());
    let _ = writeln!(out, "\n{}", doc(&contract_docs(contract), ""));
    let _ = writeln!(out, "export type {name} = rt.Envelope<{}, {version}, {name}Data>;", quoted(wire));
    let _ = writeln!(out, "\n{}", doc(&format!("What the {kind} `{wire}` carries."), ""));
    writer.interface(&format!("{name}Data"), &contract.payload, out);
    let _ = writeln!(out, "\n/** The contract of `{wire}`: makes and checks its {kind}s. */");
    let _ = writeln!(out, "export const {name} = new rt.Contract<{name}>({{");
    let _ = writeln!(out, "  type: {},\n  version: {version},\n  kind: {},", quoted(wire), quoted(kind));
    let _ = writeln!(out, "  topic: {},", quoted(contract.topic.as_str()));
    let _ = writeln!(out, "  source: {},", quoted(&format!("/{system}/{}", contract.owner.value)));
    let _ = writeln!(out, "  key: {},", quoted(&contract.key));
    if contract.payload.field(&contract.key).is_some_and(|field| schema::is_uuid(&field.schema)) {
        out.push_str("  keyIsUuid: true,\n");
    }
    let data = writer.object(&format!("{name}Data"), &contract.payload, Some(&contract.key), "  ");
    let _ = writeln!(out, "  data: {data},");
    if let Some(example) = literal::example(contract) {
        let _ = writeln!(out, "  example: {example},");
    }
    out.push_str("});\n");
    let article = if wire.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    let _ = writeln!(
        out,
        "\n/** Makes {article} `{wire}`; throws a `ContractError` when the data breaks the contract. */"
    );
    let _ = writeln!(
        out,
        "export function create{name}(data: {name}Data, attributes: rt.Attributes = {{}}): {name} {{"
    );
    let _ = writeln!(out, "  return {name}.create(data, attributes);\n}}");
}

/// What people should know of a contract, as documentation.
pub(super) fn contract_docs(contract: &Contract) -> String {
    let (name, kind) = (contract.name.as_str(), contract.kind.as_str());
    let mut parts = vec![contract.summary.clone().unwrap_or_else(|| format!("The {kind} `{name}`."))];
    parts.extend(contract.description.as_deref().map(|text| text.trim_end().to_owned()));
    let kind = if kind == "event" { "Event" } else { "Command" };
    parts.push(format!(
        "{kind} `{name}`, version {}, of the topic `{}`.",
        contract.version, contract.topic.value
    ));
    if let Some(date) = contract.lifecycle.deprecated {
        parts.push(match &contract.lifecycle.replaced_by {
            Some(other) => format!("@deprecated since {date}; use `{}`", other.value),
            None => format!("@deprecated since {date}"),
        });
    }
    parts.join("\n\n")
}

/// The constant that lists the words of a type, when it has words.
fn words_name(name: &str, schema: &Schema) -> Option<String> {
    let is_choice = matches!(schema.shape, Shape::Choice(_));
    is_choice.then(|| format!("{}Words", literal::camel(name)))
}

/// A field's name as an object literal has it.
fn key(name: &str) -> String {
    // Unlike all others, this name in quotes would set the prototype.
    if name == "__proto__" { "[\"__proto__\"]".to_owned() } else { property(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, check_one};

    fn refused(fields: &str) -> String {
        let text = format!(
            "events:\n  a.b:\n    payload: {{ required: [id], properties: {{ id: {{ type: string }}, {fields} }} }}\n"
        );
        let report = check_one(&Source::new("s.yaml", text));
        assert_eq!(report.errors(), 0, "{report}");
        generate(&report.catalog.unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_typescript_cannot_say_is_refused_with_place_and_reason() {
        assert_eq!(
            refused("part: { type: object, properties: { constructor: { type: string } } }"),
            "a.b.v1: part.constructor cannot be carried: every JavaScript object has a property of that name, so it can \
             never be absent"
        );
    }

    #[test]
    fn nothing_in_a_contract_ends_a_comment_or_a_text() {
        assert_eq!(literal::doc("Ends? */ No.", ""), "/** Ends? *\\/ No. */");
        assert_eq!(quoted("a\"b\n\u{2028}</script>"), r#""a\"b\n\u2028</script>""#);
        assert_eq!(
            (property("größe"), property("$a1"), key("__proto__")),
            ("\"größe\"".into(), "$a1".into(), "[\"__proto__\"]".into())
        );
    }
}
