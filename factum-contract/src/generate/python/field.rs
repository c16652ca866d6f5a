//! Writes fields of models: the type that people see, and the rules beside it.

use std::fmt::Write as _;

use super::literal::{doc, quoted};
use crate::generate::ident;
use crate::generate::outline::Outline;
use crate::generate::typescript::field_docs;
use crate::schema::{
    ChoiceShape, Field, Format, IntegerShape, NumberShape, Personal, Role, Schema, Shape, TextShape,
};
use crate::validate::pattern;

/// Words that are no names in Python, in any version that we know.
pub(super) const KEYWORDS: [&str; 32] = [
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not",
    "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Names of a model that mean something else: types in annotations, and what pydantic and the runtime give it.
const TAKEN: [&str; 23] = [
    "bool",
    "construct",
    "copy",
    "dict",
    "dt",
    "float",
    "from_json",
    "from_orm",
    "int",
    "json",
    "model_config",
    "object",
    "parse_file",
    "parse_obj",
    "parse_raw",
    "rt",
    "schema",
    "schema_json",
    "str",
    "to_json",
    "tuple",
    "update_forward_refs",
    "validate",
];

/// A field's name in Python.
pub(super) fn attribute(name: &str) -> String {
    let name = ident::words(name).join("_");
    let is_taken =
        KEYWORDS.contains(&name.as_str()) || TAKEN.contains(&name.as_str()) || name.starts_with("model_");
    match name.chars().next() {
        None => "empty".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("n{name}"),
        _ if is_taken => name + "_",
        _ => name,
    }
}

/// The constant that lists the words of a type.
pub(super) fn constant(name: &str) -> String {
    format!("{}_WORDS", ident::words(name).join("_").to_ascii_uppercase())
}

/// One field with its docstring.
pub(super) fn write(outline: &Outline<'_>, field: &Field, partition_key: Option<&str>, out: &mut String) {
    let schema = &field.schema;
    let name = attribute(&field.name);
    let (mut ty, mut rules) = value(outline, schema);
    if schema.role == Role::Identifier {
        rules.push(format!("rt.Identifier({})", quoted(&field.name)));
    }
    if partition_key == Some(field.name.as_str()) {
        rules.push("rt.Key()".to_owned());
    }
    if schema.is_nullable || !field.is_required {
        (ty, rules) = or_none(ty, &rules, schema.is_nullable);
    }
    if name != field.name {
        rules.insert(0, format!("rt.wire({})", quoted(&field.name)));
    }
    let default = if field.is_required { "" } else { " = None" };
    let _ = writeln!(out, "    {name}: {}{default}", annotated(&ty, &rules));
    if let Some(docs) = field_docs(field) {
        let _ = writeln!(out, "{}", doc(&docs, "    "));
    }
}

fn annotated(ty: &str, rules: &[String]) -> String {
    if rules.is_empty() { ty.to_owned() } else { format!("Annotated[{ty}, {}]", rules.join(", ")) }
}

/// The same, but null or absent.
fn or_none(ty: String, rules: &[String], is_nullable: bool) -> (String, Vec<String>) {
    let rule = match (is_nullable, rules) {
        (true, []) => None,
        (true, rules) => Some(format!("rt.OrNull({})", rules.join(", "))),
        (false, rules) => Some(format!("rt.Absent({})", rules.join(", "))),
    };
    (ty + " | None", rule.into_iter().collect())
}

/// An item of a list, or a value of a map.
fn item(outline: &Outline<'_>, schema: &Schema) -> String {
    let (mut ty, mut rules) = value(outline, schema);
    if schema.is_nullable {
        (ty, rules) = or_none(ty, &rules, true);
    }
    annotated(&ty, &rules)
}

/// A value's type and rules, null aside.
fn value(outline: &Outline<'_>, schema: &Schema) -> (String, Vec<String>) {
    // What is inside `PersonalData` is hidden by it.
    let is_shown = schema.personal != Some(Personal::Subject);
    let (ty, rules) = match &schema.shape {
        Shape::Object(_) => (outline.type_name(schema).unwrap_or("rt.Data").to_owned(), Vec::new()),
        Shape::Map(values) => {
            (format!("Mapping[str, {}]", item(outline, values)), vec!["rt.Names()".to_owned()])
        }
        Shape::List(list) => {
            let min = (list.items_min > 0).then(|| format!("min={}", list.items_min));
            let max = list.items_max.map(|max| format!("max={max}"));
            (format!("Sequence[{}]", item(outline, &list.items)), vec![rule("Items", &[min, max])])
        }
        Shape::Text(text) => {
            let (ty, rule) = text_value(text, is_shown);
            (ty.to_owned(), vec![rule])
        }
        Shape::Integer(integer) => ("int".to_owned(), vec![integer_rule(integer, is_shown)]),
        Shape::Number(number) => ("float".to_owned(), vec![number_rule(number, is_shown)]),
        Shape::Boolean => ("bool".to_owned(), Vec::new()),
        Shape::Choice(choice) => choice_value(outline, schema, choice, is_shown),
    };
    match &schema.personal {
        Some(Personal::Of(_)) => {
            (ty + " | rt.Forgotten", vec![format!("rt.PersonalData({})", rules.join(", "))])
        }
        Some(Personal::Subject) | None => (ty, rules),
    }
}

/// A rule of the runtime with what is given of its arguments.
fn rule(name: &str, arguments: &[Option<String>]) -> String {
    let arguments: Vec<&str> = arguments.iter().flatten().map(String::as_str).collect();
    format!("rt.{name}({})", arguments.join(", "))
}

fn hidden(is_shown: bool) -> Option<String> {
    (!is_shown).then(|| "shown=False".to_owned())
}

fn text_value(text: &TextShape, is_shown: bool) -> (&'static str, String) {
    let (ty, name) = match text.format {
        None => ("str", "Text"),
        Some(Format::Uuid) => ("UUID", "Uuid"),
        Some(Format::DateTime) => ("dt.datetime", "DateTime"),
        Some(Format::Date) => ("dt.date", "CalendarDate"),
        Some(Format::Email) => ("str", "Email"),
        Some(Format::Uri) => ("str", "Uri"),
        Some(Format::Decimal) => ("Decimal", "DecimalNumber"),
    };
    let arguments = [
        text.length_min.filter(|min| *min > 0).map(|min| format!("min={min}")),
        text.length_max.map(|max| format!("max={max}")),
        text.pattern.as_deref().map(|source| format!("pattern={}", quoted(&pattern::translate(source)))),
        hidden(is_shown),
    ];
    (ty, rule(name, &arguments))
}

fn integer_rule(integer: &IntegerShape, is_shown: bool) -> String {
    let arguments = [
        integer.min.map(|min| format!("min={min}")),
        integer.max.map(|max| format!("max={max}")),
        integer.multiple_of.map(|multiple| format!("multiple_of={multiple}")),
        hidden(is_shown),
    ];
    rule("Integer", &arguments)
}

fn number_rule(number: &NumberShape, is_shown: bool) -> String {
    let bound = |name: &str, bound: Option<f64>| {
        bound.and_then(serde_json::Number::from_f64).map(|bound| format!("{name}={bound}"))
    };
    let arguments = [
        bound("min", number.min),
        bound("max", number.max),
        bound("above", number.above),
        bound("below", number.below),
        hidden(is_shown),
    ];
    rule("Number", &arguments)
}

fn choice_value(
    outline: &Outline<'_>,
    schema: &Schema,
    choice: &ChoiceShape,
    is_shown: bool,
) -> (String, Vec<String>) {
    let words: Vec<String> = choice.words.iter().map(|word| quoted(word)).collect();
    let (ty, words) = match outline.type_name(schema) {
        Some(name) => (name.to_owned(), format!("*{}", constant(name))),
        None => (format!("Literal[{}]", words.join(", ")), words.join(", ")),
    };
    let open = choice.is_extensible.then(|| "open=True".to_owned());
    (ty, vec![rule("Words", &[Some(words), open, hidden(is_shown)])])
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_fields_mean_nothing_else_in_python() {
        let cases = [
            ("orderId", "order_id"),
            ("class", "class_"),
            ("None", "none"),
            ("model_dump", "model_dump_"),
            ("json", "json_"),
            ("__proto__", "proto"),
            ("3d", "n3d"),
            ("weird name", "weird_name"),
            ("__", "empty"),
        ];
        for (name, attribute) in cases {
            assert_eq!(super::attribute(name), attribute, "{name}");
        }
    }
}
