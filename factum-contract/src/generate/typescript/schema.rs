//! Writes what a value may be twice: as a type for the compiler, and as a schema for the checks at run time.
//!
//! The compiler holds the two together: a schema that does not fit its type does not compile.

use std::fmt::Write as _;

use super::literal::{SAFE_MAX, block, camel, doc, property, quoted};
use super::{key, words_name};
use crate::generate::outline::{Outline, TypeOutline};
use crate::generate::script;
use crate::schema::{
    ChoiceShape, Field, Format, IntegerShape, NumberShape, Personal, Role, Schema, Shape, TextShape,
};

pub(super) struct Writer<'o, 'c> {
    pub(super) outline: &'o Outline<'c>,
}

pub(super) fn is_uuid(schema: &Schema) -> bool {
    matches!(&schema.shape, Shape::Text(text) if text.format == Some(Format::Uuid))
}

/// Whether a contract says that a whole number may pass what a JavaScript number holds exactly.
pub(super) fn is_big(integer: &IntegerShape) -> bool {
    let is_far = |bound: Option<i64>| bound.is_some_and(|bound| !(-SAFE_MAX..=SAFE_MAX).contains(&bound));
    is_far(integer.min) || is_far(integer.max)
}

impl Writer<'_, '_> {
    /// A type inside payloads, with its schema.
    pub(super) fn named_type(&self, ty: &TypeOutline<'_>, out: &mut String) {
        let name = &ty.name;
        let docs = ty.schema.description.clone().unwrap_or_else(|| format!("The contract's `{}`.", ty.field));
        if let Shape::Choice(choice) = &ty.schema.shape {
            let words: Vec<String> = choice.words.iter().map(|word| quoted(word)).collect();
            let constant = words_name(name, ty.schema).unwrap_or_default();
            let _ = writeln!(out, "\n/** The words of {{@link {name}}} that this version knows. */");
            let _ = writeln!(out, "export const {constant} = {} as const;", block("[", &words, "]", ""));
            let unknown = if choice.is_extensible { " | rt.UnknownWord" } else { "" };
            let _ = writeln!(out, "\n{}", doc(&docs, ""));
            let _ = writeln!(out, "export type {name} = (typeof {constant})[number]{unknown};");
            return;
        }
        let _ = writeln!(out, "\n{}", doc(&docs, ""));
        self.interface(name, ty.schema, out);
        let object = self.object(name, ty.schema, None, "");
        let _ = writeln!(out, "\nconst {}Schema = {object};", camel(name));
    }

    /// An interface with the fields of an object.
    pub(super) fn interface(&self, name: &str, schema: &Schema, out: &mut String) {
        let _ = writeln!(out, "export interface {name} {{");
        for field in schema.fields() {
            if let Some(docs) = field_docs(field) {
                let _ = writeln!(out, "{}", doc(&docs, "  "));
            }
            let mark = if field.is_required { "" } else { "?" };
            let _ = writeln!(out, "  readonly {}{mark}: {};", property(&field.name), self.ty(&field.schema));
        }
        out.push_str("}\n");
    }

    /// The schema of an object; `partition_key` is the key's field when it is a payload.
    pub(super) fn object(
        &self,
        name: &str,
        schema: &Schema,
        partition_key: Option<&str>,
        indent: &str,
    ) -> String {
        let is_closed = matches!(&schema.shape, Shape::Object(object) if object.is_closed);
        let mut out = format!("rt.object<{name}>({{\n");
        for field in schema.fields() {
            let mut value = self.schema(&field.schema);
            if field.schema.role == Role::Identifier {
                value = identifier(&field.name, &value);
            }
            if partition_key == Some(field.name.as_str()) {
                value = format!("rt.keyed({value})");
            }
            let presence = if field.is_required { "required" } else { "optional" };
            let _ = writeln!(out, "{indent}  {}: rt.{presence}({value}),", key(&field.name));
        }
        out + indent + if is_closed { "}, { closed: true })" } else { "})" }
    }

    fn ty(&self, schema: &Schema) -> String {
        let plain = match &schema.shape {
            Shape::Object(_) | Shape::Choice(_) => self.named(schema),
            Shape::Map(values) => format!("Readonly<Record<string, {}>>", self.ty(values)),
            Shape::List(list) => {
                let item = self.ty(&list.items);
                let is_union = item.contains(" | ");
                if is_union { format!("readonly ({item})[]") } else { format!("readonly {item}[]") }
            }
            Shape::Text(text) => match text.format {
                None => "string",
                Some(Format::Uuid) => "rt.Uuid",
                Some(Format::DateTime) => "rt.DateTime",
                Some(Format::Date) => "rt.CalendarDate",
                Some(Format::Email) => "rt.Email",
                Some(Format::Uri) => "rt.Uri",
                Some(Format::Decimal) => "rt.Decimal",
            }
            .to_owned(),
            Shape::Integer(integer) if is_big(integer) => "number | bigint".to_owned(),
            Shape::Integer(_) | Shape::Number(_) => "number".to_owned(),
            Shape::Boolean => "boolean".to_owned(),
        };
        let known = match &schema.personal {
            Some(Personal::Of(_)) => format!("rt.Personal<{plain}>"),
            _ => plain,
        };
        if schema.is_nullable { format!("{known} | null") } else { known }
    }

    fn named(&self, schema: &Schema) -> String {
        match (self.outline.type_name(schema), &schema.shape) {
            (Some(name), _) => name.to_owned(),
            (None, Shape::Choice(choice)) => {
                choice.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" | ")
            }
            (None, _) => "unknown".to_owned(),
        }
    }

    /// The schema of a value.
    fn schema(&self, schema: &Schema) -> String {
        let mut value = match &schema.shape {
            Shape::Object(_) => format!("{}Schema", camel(&self.named(schema))),
            Shape::Map(values) => format!("rt.map({})", self.schema(values)),
            Shape::List(list) => {
                let min = (list.items_min > 0).then(|| format!("min: {}", list.items_min));
                let max = list.items_max.map(|max| format!("max: {max}"));
                call("list", Some(self.schema(&list.items)), &[min, max])
            }
            Shape::Text(text) => text_schema(text),
            Shape::Integer(integer) => integer_schema(integer),
            Shape::Number(number) => number_schema(number),
            Shape::Boolean => "rt.boolean()".to_owned(),
            Shape::Choice(choice) => self.choice_schema(schema, choice),
        };
        value = match &schema.personal {
            Some(Personal::Of(_)) => format!("rt.personal({value})"),
            Some(Personal::Subject) => format!("rt.hidden({value})"),
            None => value,
        };
        if schema.is_nullable { format!("rt.nullable({value})") } else { value }
    }

    fn choice_schema(&self, schema: &Schema, choice: &ChoiceShape) -> String {
        let function = if choice.is_extensible { "openChoice" } else { "choice" };
        let words = self.outline.type_name(schema).and_then(|name| words_name(name, schema));
        let words = words.unwrap_or_else(|| {
            let words: Vec<String> = choice.words.iter().map(|word| quoted(word)).collect();
            format!("[{}]", words.join(", "))
        });
        format!("rt.{function}({words})")
    }
}

/// The schema of a value that becomes a tag.
fn identifier(name: &str, value: &str) -> String {
    format!("rt.identifier({}, {value})", quoted(name))
}

/// A call of the runtime: its first argument, then what is given of its rules.
fn call(function: &str, first: Option<String>, rules: &[Option<String>]) -> String {
    let rules: Vec<&str> = rules.iter().flatten().map(String::as_str).collect();
    let rules = (!rules.is_empty()).then(|| format!("{{ {} }}", rules.join(", ")));
    let arguments: Vec<String> = first.into_iter().chain(rules).collect();
    format!("rt.{function}({})", arguments.join(", "))
}

fn text_schema(text: &TextShape) -> String {
    let function = match text.format {
        None => "text",
        Some(Format::Uuid) => "uuid",
        Some(Format::DateTime) => "dateTime",
        Some(Format::Date) => "calendarDate",
        Some(Format::Email) => "email",
        Some(Format::Uri) => "uri",
        Some(Format::Decimal) => "decimal",
    };
    let translated =
        text.pattern.as_ref().and_then(|source| Some((source, script::java_script(source).ok()?)));
    let (pattern, source) = match translated {
        Some((source, pattern)) => {
            let written = (*source != pattern).then(|| format!("source: {}", quoted(source)));
            (Some(format!("pattern: /{pattern}/u")), written)
        }
        None => (None, None),
    };
    let min = text.length_min.filter(|min| *min > 0).map(|min| format!("min: {min}"));
    let max = text.length_max.map(|max| format!("max: {max}"));
    call(function, None, &[min, max, pattern, source])
}

fn integer_schema(integer: &IntegerShape) -> String {
    let is_big = is_big(integer);
    let written = |bound: i64| {
        let is_far = !(-SAFE_MAX..=SAFE_MAX).contains(&bound);
        if is_far { format!("{bound}n") } else { bound.to_string() }
    };
    let rules = [
        integer.min.map(|min| format!("min: {}", written(min))),
        integer.max.map(|max| format!("max: {}", written(max))),
        integer.multiple_of.map(|multiple| format!("multipleOf: {}", written(multiple))),
    ];
    call(if is_big { "bigInteger" } else { "integer" }, None, &rules)
}

fn number_schema(number: &NumberShape) -> String {
    let rule = |name: &str, bound: Option<f64>| {
        bound.and_then(serde_json::Number::from_f64).map(|bound| format!("{name}: {bound}"))
    };
    let rules = [
        rule("min", number.min),
        rule("max", number.max),
        rule("above", number.above),
        rule("below", number.below),
    ];
    call("number", None, &rules)
}

/// What people should know of a field; `None` when its name and type say it all.
pub(in crate::generate) fn field_docs(field: &Field) -> Option<String> {
    let schema = &field.schema;
    let mut parts: Vec<String> = schema.description.iter().map(|text| text.trim().to_owned()).collect();
    if has_bounds(schema) {
        let mut bounds = schema.summary();
        if let Some(first) = bounds.get(..1) {
            bounds = first.to_ascii_uppercase() + &bounds[1..];
        }
        parts.push(format!("{bounds}."));
    }
    parts.extend(schema.unit.as_ref().map(|unit| format!("Unit: `{unit}`.")));
    parts.extend(
        schema.default.as_ref().map(|default| format!("Readers assume `{default}` when it is absent.")),
    );
    parts.extend(schema.is_deprecated.then(|| "@deprecated".to_owned()));
    let breaks = parts.iter().any(|part| part.contains('\n') || part.starts_with('@'));
    (!parts.is_empty()).then(|| parts.join(if breaks { "\n\n" } else { " " }))
}

fn has_bounds(schema: &Schema) -> bool {
    match &schema.shape {
        Shape::Text(text) => text.has_bounds(),
        Shape::Integer(integer) => *integer != IntegerShape::default(),
        Shape::Number(number) => *number != NumberShape::default(),
        Shape::List(list) => list.items_min > 0 || list.items_max.is_some(),
        Shape::Object(_) | Shape::Map(_) | Shape::Boolean | Shape::Choice(_) => false,
    }
}
