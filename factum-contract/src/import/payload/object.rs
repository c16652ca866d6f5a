//! Objects, maps and lists.

use crate::node::Content;
use crate::node::build::Map;
use crate::validate::FIELDS_MAX;

use super::super::document::At;
use super::{Parts, Reader};

impl<'d> Reader<'d> {
    pub(super) fn object(&mut self, parts: &Parts<'d>, map: &mut Map) -> Option<()> {
        let mut fields: Vec<(&'d str, Map)> = Vec::new();
        let mut is_short = false;
        let tables = parts.list.iter().filter_map(|part| part.get("properties"));
        for (name, at) in tables.flat_map(|table| table.entries()) {
            match self.field(name, &at, &fields) {
                Some(schema) => fields.push((name, schema)),
                None => is_short = true,
            }
        }
        if fields.is_empty() {
            return self.map_of(parts, map);
        }
        let required = self.required(parts, &fields);
        map.list("required", required);
        let mut table = Map::default();
        for (name, schema) in fields {
            table.put(name, schema);
        }
        map.put("properties", table);
        let additional = parts.list.iter().filter_map(|part| part.get("additionalProperties"));
        for at in additional {
            match at.node.content {
                Content::Bool(false) if is_short => {
                    self.doc.changed(&at, "the object is open, because not all of its fields were carried");
                }
                Content::Bool(false) if !map.has("additionalProperties") => {
                    map.put("additionalProperties", false)
                }
                Content::Bool(_) => {}
                _ => self
                    .doc
                    .lost(&at, "beside named fields, other fields have no schema: put them into a map"),
            }
        }
        Some(())
    }

    /// One named field; none when it cannot be carried, which is noted.
    fn field(&mut self, name: &str, at: &At<'d>, before: &[(&'d str, Map)]) -> Option<Map> {
        if !crate::read::is_field_name(name) {
            self.doc.lost(at, format!("a field cannot be called {name:?}: use letters, digits, '_' or '-'"));
            return None;
        }
        if before.len() >= FIELDS_MAX {
            self.doc.lost(at, format!("an object has at most {FIELDS_MAX} fields"));
            return None;
        }
        let folded = crate::check::folded(name);
        if let Some((twin, _)) = before.iter().find(|(other, _)| crate::check::folded(other) == folded) {
            let reason = if *twin == name {
                "`allOf` describes the field twice; the first is carried".to_owned()
            } else {
                format!("`{twin}` and `{name}` would be the same name in generated code")
            };
            self.doc.lost(at, reason);
            return None;
        }
        self.value(at)
    }

    fn required(&self, parts: &Parts<'d>, fields: &[(&'d str, Map)]) -> Vec<&'d str> {
        let mut required: Vec<&str> = Vec::new();
        let lists = parts.list.iter().filter_map(|part| part.get("required"));
        for at in lists.flat_map(|list| list.items()) {
            let Some(name) = at.node.as_text() else { continue };
            if !fields.iter().any(|(field, _)| *field == name) {
                self.doc
                    .lost(&at, format!("`{name}` is required, and not among the fields that were carried"));
            } else if !required.contains(&name) {
                required.push(name);
            }
        }
        // In the order of the fields, so that it does not depend on where each was required.
        required.sort_by_key(|name| fields.iter().position(|(field, _)| field == name));
        required
    }

    /// An object without named fields: any names, with values of one kind.
    fn map_of(&mut self, parts: &Parts<'d>, map: &mut Map) -> Option<()> {
        let values =
            parts.get("additionalProperties").filter(|at| matches!(at.node.content, Content::Map(_)));
        let Some(values) = values else {
            self.doc.lost(parts.first(), "an object without fields that can be carried says nothing");
            return None;
        };
        let values = self.value(&values)?;
        map.put("additionalProperties", values);
        Some(())
    }

    pub(super) fn list(&mut self, parts: &Parts<'d>, map: &mut Map) -> Option<()> {
        let items = parts.get("items").filter(|items| !matches!(items.node.content, Content::List(_)));
        let tuple = parts.get("prefixItems").or_else(|| parts.get("items"));
        let Some(items) = items.filter(|_| parts.get("prefixItems").is_none()) else {
            let reason = match tuple {
                Some(_) => "a list has items of one kind: use an object with named fields",
                None => "a list without `items` says nothing of what it holds",
            };
            self.doc.lost(parts.first(), reason);
            return None;
        };
        let schema = self.value(&items)?;
        let (least, most) = self.bounds(parts, "minItems", "maxItems");
        map.maybe("minItems", least);
        map.maybe("maxItems", most);
        map.put("items", schema);
        Some(())
    }

    /// Two counts; both are left out when nothing lies between them.
    pub(super) fn bounds(&self, parts: &Parts<'d>, least: &str, most: &str) -> (Option<u64>, Option<u64>) {
        let count = |key: &str| {
            let at = parts.get(key)?;
            let count = at.node.to_json().as_f64().filter(|count| *count >= 0.0 && *count < 9e15);
            if count.is_none() {
                self.doc.lost(&at, format!("expected a whole number, found {}", at.node.found()));
            }
            count.map(|count| count.ceil() as u64)
        };
        let (low, high) = (count(least), count(most));
        if low.is_some_and(|low| high.is_some_and(|high| high < low)) {
            self.doc.lost(parts.first(), format!("nothing lies between `{least}` and `{most}`"));
            return (None, None);
        }
        (low.filter(|low| *low > 0), high)
    }
}
