//! One payload made up from a contract that gives no example.

use crate::contract::Contract;
use crate::node::Node;
use crate::node::build::Map;
use crate::schema::{Format, Schema, Shape, TextShape};
use crate::validate::Validator;

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
        Shape::Text(text) => Node::from(sample(text)?),
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
    if text.pattern.is_some() {
        return None;
    }
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
