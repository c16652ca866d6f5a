//! One payload made up from a contract that gives no example.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::contract::Contract;
use crate::node::Node;
use crate::node::build::Map;
use crate::schema::{Format, Schema, Shape, TextShape};
use crate::validate::{Validator, check_value};

/// A payload that keeps the contract; none where its patterns and bounds leave no simple value.
pub(crate) fn of(contract: &Contract) -> Option<Node> {
    let example = value(&contract.payload)?;
    let validator = Validator::of(contract).ok()?;
    validator.check(example.to_json_text().as_bytes()).is_ok().then_some(example)
}

fn value(schema: &Schema) -> Option<Node> {
    Some(match &schema.shape {
        Shape::Object(object) => {
            let mut map = Map::default();
            for field in &object.fields {
                match value(&field.schema) {
                    Some(value) => map.put(&field.name, value),
                    None if field.is_required => return None,
                    None => {}
                }
            }
            Node::from(map)
        }
        Shape::Map(values) => Node::from(Map::of("name", value(values)?)),
        Shape::List(list) => {
            let count = list.items_min.max(1).min(list.items_max.unwrap_or(1)).min(20);
            let item = value(&list.items)?;
            Node::from(vec![item; usize::try_from(count).ok()?])
        }
        Shape::Text(text) => Node::from(match &text.pattern {
            Some(pattern) => matching(pattern, schema)?,
            None => sample(text)?,
        }),
        Shape::Integer(integer) => {
            let step = integer.multiple_of.unwrap_or(1);
            let least = integer.min.unwrap_or_else(|| integer.max.map_or(1, |max| max.min(1)));
            Node::from(least.checked_add((step - least.rem_euclid(step)) % step)?)
        }
        Shape::Number(number) => {
            let low = number.min.or(number.above.map(|above| above + 1.0));
            let high = number.max.or(number.below.map(|below| below - 1.0));
            Node::from(low.or(high).unwrap_or(1.5))
        }
        Shape::Boolean => Node::from(true),
        Shape::Choice(choice) => Node::from(choice.words.first()?.as_str()),
    })
}

fn sample(text: &TextShape) -> Option<String> {
    let sample = match text.format {
        Some(Format::Uuid) => "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
        Some(Format::DateTime) => "2026-01-05T10:00:00Z",
        Some(Format::Date) => "2026-01-05",
        Some(Format::Email) => "someone@example.org",
        Some(Format::Uri) => "https://example.org/",
        Some(Format::Decimal) => "21.00",
        None => "text",
    };
    let least = usize::try_from(text.length_min.unwrap_or(0)).ok()?.min(1_000);
    let most = usize::try_from(text.length_max.unwrap_or(1_000)).ok()?;
    let longer: String = sample.chars().cycle().take(least.max(sample.len()).min(most)).collect();
    Some(if text.format.is_some() { sample.to_owned() } else { longer })
}

/// How often repeated parts are tried beyond what they must be, in search of a text that is long enough.
const REPEATS_MAX: u32 = 64;

/// Longest text that is made.
const TEXT_BYTES_MAX: usize = 2_000;

/// The simplest text that a pattern matches and the rest of the schema lets through.
fn matching(pattern: &str, schema: &Schema) -> Option<String> {
    let translated = jsonschema_regex::to_rust_regex(pattern).ok()?;
    let hir = regex_syntax::parse(&translated).ok()?;
    let texts = (0..=REPEATS_MAX).filter_map(|repeats| {
        let mut text = String::new();
        write(&hir, repeats, &mut text).then_some(text)
    });
    let fits = |text: &String| {
        let json = serde_json::Value::from(text.as_str()).to_string();
        check_value(schema, &json).is_ok()
    };
    texts.into_iter().find(fits)
}

/// Writes one text of an expression; false when it has none, or a very long one.
fn write(hir: &Hir, repeats: u32, out: &mut String) -> bool {
    if out.len() > TEXT_BYTES_MAX {
        return false;
    }
    match hir.kind() {
        // Whether a place is a border is seen when the whole is checked.
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            out.push_str(&String::from_utf8_lossy(&literal.0));
            true
        }
        HirKind::Class(Class::Unicode(class)) => {
            let has = |c: &char| class.iter().any(|range| (range.start()..=range.end()).contains(c));
            let plain = "aA0 -_.".chars().find(has).or_else(|| Some(class.iter().next()?.start()));
            plain.is_some_and(|c| {
                out.push(c);
                true
            })
        }
        HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let count = repetition.min.saturating_add(repeats).min(most);
            (0..count).all(|_| write(&repetition.sub, repeats, out))
        }
        HirKind::Capture(capture) => write(&capture.sub, repeats, out),
        HirKind::Concat(parts) => parts.iter().all(|part| write(part, repeats, out)),
        HirKind::Alternation(parts) => parts.first().is_some_and(|part| write(part, repeats, out)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_made_for_a_pattern_and_its_bounds() {
        let made = |pattern: &str, least: Option<u64>| {
            let mut map = Map::of("type", "string");
            map.put("pattern", pattern);
            map.maybe("minLength", least);
            value(&crate::read::schema_alone(&Node::from(map)).unwrap())?.as_text().map(str::to_owned)
        };
        assert_eq!(made("^[A-Z]{3}$", None).as_deref(), Some("AAA"));
        assert_eq!(made("^ORD-\\d{4,}$", None).as_deref(), Some("ORD-0000"));
        assert_eq!(made("^(a|b)+$", Some(5)).as_deref(), Some("aaaaa"));
        assert_eq!(made("^a$", Some(5)), None);
        assert_eq!(made("^(a{50}){50}$", None), None);
    }
}
