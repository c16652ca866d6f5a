//! The field that keeps related events in order, which documents of others do not name.
//!
//! A contract needs one. The best guess is taken and noted, and no order is promised with it.

use factum_core::pointer::unescaped;

use crate::check::is_identity;
use crate::node::build::Map;
use crate::node::{Content, Node};
use crate::read::schema_alone;
use crate::schema::{Field, Format, Schema, Shape};

use super::document::{At, Document};

/// Chooses the key of a payload, and makes it required; none when no field will do, which is noted.
pub(super) fn choose(doc: &Document, event: &At<'_>, payload: &mut Map) -> Option<String> {
    let schema: Schema = schema_alone(&Node::from(payload.clone()))?;
    let hinted = correlated(doc, event);
    let good = |field: &&Field| !field.schema.is_nullable && is_identity(&field.schema);
    let mut candidates: Vec<&Field> = schema.fields().iter().filter(good).collect();
    // The first of the best: sorting is stable.
    candidates.sort_by_key(|field| rank(field, hinted.as_deref()));
    let Some(field) = candidates.first() else {
        doc.lost(event, "no field can be its key: a contract needs a field of text or whole numbers for it");
        return None;
    };
    let name = field.name.clone();
    if field.is_required {
        doc.changed(event, format!("it names no key: `{name}` was taken, and no order is promised"));
    } else {
        doc.changed(
            event,
            format!("it names no key: `{name}` was taken, is required from now on, and no order is promised"),
        );
        require(payload, &name, &schema);
    }
    Some(name)
}

/// The field in which a document says that the correlation id is.
fn correlated(doc: &Document, event: &At<'_>) -> Option<String> {
    let at = doc.follow(&event.get("correlationId")?).ok()?;
    let pointer = at.text("location")?.strip_prefix("$message.payload#/")?;
    (!pointer.contains('/')).then(|| unescaped(pointer).into_owned())
}

fn rank(field: &Field, hinted: Option<&str>) -> u8 {
    let name = field.name.as_str();
    let is_id = name.eq_ignore_ascii_case("id")
        || ["Id", "ID", "_id", "-id", "Uuid", "Key", "_key"].iter().any(|end| name.ends_with(end));
    let is_uuid = matches!(&field.schema.shape, Shape::Text(text) if text.format == Some(Format::Uuid));
    let is_choice = matches!(field.schema.shape, Shape::Choice(_));
    let plain = match (is_id || is_uuid, is_choice) {
        (true, _) => 0,
        (false, false) => 1,
        // Few values make few keys.
        (false, true) => 2,
    };
    let is_optional = u8::from(!field.is_required);
    if hinted == Some(name) { is_optional } else { 2 + is_optional * 3 + plain }
}

fn require(payload: &mut Map, name: &str, schema: &Schema) {
    let node = Node::from(name);
    if let Some(Node { content: Content::List(names), .. }) = payload.value_mut("required") {
        names.push(node);
        let place = |node: &Node| {
            schema.fields().iter().position(|field| Some(field.name.as_str()) == node.as_text())
        };
        names.sort_by_key(place);
        return;
    }
    payload.put("required", vec![node]);
}
