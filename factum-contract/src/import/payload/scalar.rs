//! Texts, numbers and words.

use serde_json::Value;

use crate::node::Content;
use crate::node::build::Map;
use crate::schema::Format;
use crate::validate::pattern;
use crate::words::Words as _;

use super::super::document::At;
use super::{Kind, Parts, Reader, is_null};

/// Most words of one enum; the same as for contracts.
const WORDS_MAX: usize = 1_000;

/// Formats that only repeat what a type says already.
const PLAIN_FORMATS: [&str; 4] = ["int64", "double", "float", "string"];

impl<'d> Reader<'d> {
    /// The words of a choice, when the schema lists values; the inner none is one that cannot be carried.
    pub(super) fn words(&self, parts: &Parts<'d>, named: Option<&str>) -> Option<Option<(Kind, bool)>> {
        if let Some(open) = parts.get("x-extensible-enum") {
            let words: Vec<String> =
                open.items().iter().filter_map(|at| at.node.as_text()).map(str::to_owned).collect();
            if named == Some("string") && !words.is_empty() && words.len() <= WORDS_MAX {
                return Some(Some((Kind::Choice { words: unique(words), is_open: true }, false)));
            }
            self.doc.lost(&open, "expected a text of some known words");
        }
        let (at, values) = self.values(parts)?;
        let is_nullable = values.iter().any(Value::is_null);
        let values: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        let words: Vec<String> =
            values.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect();
        let is_text = named.is_none_or(|named| named == "string");
        if is_text && !words.is_empty() && words.len() == values.len() {
            if words.len() <= WORDS_MAX {
                return Some(Some((Kind::Choice { words: unique(words), is_open: false }, is_nullable)));
            }
            self.doc.changed(&at, format!("over {WORDS_MAX} words: any text is carried"));
            return Some(Some((Kind::Text, is_nullable)));
        }
        let all = |is: fn(&Value) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
        let kind = match named {
            _ if all(Value::is_boolean) && named.is_none_or(|named| named == "boolean") => Kind::Boolean,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            None if all(|value| value.is_i64() || value.is_u64()) => Kind::Integer,
            None if all(Value::is_number) => Kind::Number,
            _ => {
                self.doc.lost(&at, "the listed values are not all words");
                return Some(None);
            }
        };
        if !matches!(kind, Kind::Boolean) || values.len() < 2 {
            self.doc.changed(&at, "only words can be listed: any value of this type is carried");
        }
        Some(Some((kind, is_nullable)))
    }

    /// Values that are listed: by `enum`, by `const`, or by a union of such.
    fn values(&self, parts: &Parts<'d>) -> Option<(At<'d>, Vec<Value>)> {
        let listed = |at: &At<'d>| {
            let many = at.get("enum").map(|list| list.items().iter().map(|at| at.node.to_json()).collect());
            many.or_else(|| at.get("const").map(|one| vec![one.node.to_json()]))
        };
        for part in &parts.list {
            if let Some(values) = listed(part) {
                let at = part.get("enum").or_else(|| part.get("const")).unwrap_or_else(|| part.clone());
                return Some((at, values));
            }
        }
        for union in parts.list.iter().flat_map(|part| ["oneOf", "anyOf"].map(|key| part.get(key))).flatten()
        {
            let mut all = Vec::new();
            let branches = union.items();
            for branch in branches.iter().filter(|branch| !is_null(branch)) {
                all.extend(listed(&self.doc.follow(branch).ok()?)?);
            }
            if !all.is_empty() {
                all.extend(branches.iter().any(is_null).then_some(Value::Null));
                return Some((union, all));
            }
        }
        None
    }

    pub(super) fn text(&self, parts: &Parts<'d>, map: &mut Map) {
        let format = parts.get("format").and_then(|at| self.format(&at));
        map.maybe("format", format.map(Format::as_str));
        let is_fixed = matches!(format, Some(Format::Uuid | Format::DateTime | Format::Date));
        if is_fixed {
            for at in ["pattern", "minLength", "maxLength"].iter().filter_map(|key| parts.get(key)) {
                self.doc.lost(&at, "the format has no pattern or length beside it");
            }
            return;
        }
        if let Some(at) = parts.get("pattern") {
            match at.node.as_text().map(pattern::compile) {
                Some(Ok(_)) => map.maybe("pattern", at.node.as_text()),
                Some(Err(error)) => self.doc.lost(&at, error.to_string()),
                None => self.doc.lost(&at, format!("expected text, found {}", at.node.found())),
            }
        }
        let (least, most) = self.bounds(parts, "minLength", "maxLength");
        map.maybe("minLength", least);
        map.maybe("maxLength", most);
    }

    fn format(&self, at: &At<'d>) -> Option<Format> {
        let word = at.node.as_text()?;
        let format = Format::of_word(word);
        if format.is_none() && !PLAIN_FORMATS.contains(&word) {
            self.doc.lost(at, format!("the format {word:?} is not checked; a pattern would be"));
        }
        format
    }

    pub(super) fn integer(&self, parts: &Parts<'d>, map: &mut Map) {
        let format = parts.get("format");
        if let Some(at) = &format
            && at.node.as_text() != Some("int32")
        {
            self.format(at);
        }
        let is_small = format.is_some_and(|at| at.node.as_text() == Some("int32"));
        let narrow = |bound: f64| (-9e15..=9e15).contains(&bound).then_some(bound as i64);
        let bound = |key: &str, exact: fn(f64) -> f64| {
            let at = parts.get(key)?;
            if let Some(whole) = at.node.to_json().as_i64() {
                return Some(whole);
            }
            let bound = at.node.to_json().as_f64().map(exact).and_then(narrow);
            let is_flag = matches!(at.node.content, Content::Bool(_));
            if bound.is_none() && !is_flag {
                self.doc.lost(&at, "the bound does not fit 64 bits");
            }
            bound
        };
        let (above, below) = (bound("exclusiveMinimum", f64::floor), bound("exclusiveMaximum", f64::ceil));
        let step = |key: &str| i64::from(self.is_exclusive(parts, key));
        let min = bound("minimum", f64::ceil).map(|min| min.saturating_add(step("exclusiveMinimum")));
        let max = bound("maximum", f64::floor).map(|max| max.saturating_sub(step("exclusiveMaximum")));
        let min = min.max(above.map(|above| above.saturating_add(1)));
        let below = below.map(|below| below.saturating_sub(1));
        let max = max.into_iter().chain(below).min();
        let min = min.or(is_small.then_some(i64::from(i32::MIN)));
        let max = max.or(is_small.then_some(i64::from(i32::MAX)));
        if min.is_some_and(|min| max.is_some_and(|max| max < min)) {
            self.doc.lost(parts.first(), "no whole number lies between the bounds");
        } else {
            map.maybe("minimum", min);
            map.maybe("maximum", max);
        }
        let Some(at) = parts.get("multipleOf") else { return };
        match at.node.to_json().as_i64().filter(|step| *step > 0) {
            Some(step) => map.put("multipleOf", step),
            None => self.doc.lost(&at, "a whole number is a multiple of a whole number of 1 or more"),
        }
    }

    /// Whether a bound beside it is meant to be left out, in the way of draft 4.
    fn is_exclusive(&self, parts: &Parts<'d>, key: &str) -> bool {
        parts.get(key).is_some_and(|at| matches!(at.node.content, Content::Bool(true)))
    }

    pub(super) fn number(&self, parts: &Parts<'d>, map: &mut Map) {
        if let Some(at) = parts.get("format") {
            self.format(&at);
        }
        let bound = |key: &str| parts.get(key)?.node.to_json().as_f64();
        let (mut min, mut max) = (bound("minimum"), bound("maximum"));
        let (mut above, mut below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
        if self.is_exclusive(parts, "exclusiveMinimum") {
            (above, min) = (min, None);
        }
        if self.is_exclusive(parts, "exclusiveMaximum") {
            (below, max) = (max, None);
        }
        if min.is_some_and(|min| max.is_some_and(|max| max < min)) {
            self.doc.lost(parts.first(), "no number lies between the bounds");
            (min, max) = (None, None);
        }
        map.maybe("minimum", min);
        map.maybe("maximum", max);
        map.maybe("exclusiveMinimum", above);
        map.maybe("exclusiveMaximum", below);
        if let Some(at) = parts.get("multipleOf") {
            self.doc.lost(&at, "`multipleOf` is carried for whole numbers alone");
        }
    }
}

/// Each word once, in the order given.
fn unique(words: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    words.into_iter().filter(|word| seen.insert(word.clone())).collect()
}
