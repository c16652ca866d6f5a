//! One pass over a payload's bytes, with the checks beside it.

use std::borrow::Cow;

use super::Flaw;
use super::compile::{Check, FieldSet, ListCheck, ObjectCheck, Rule};
use super::leaf::{self, Checked, flaw};
use super::stand_in;
use crate::json::{Cursor, DEPTH_MAX, Fault};

pub(super) struct Walk<'p> {
    pub(super) cursor: Cursor<'p>,
    pub(super) key: Option<Cow<'p, str>>,
    pub(super) identifiers: usize,
}

impl<'p> Walk<'p> {
    pub(super) fn end(&mut self) -> Checked {
        let end = self.cursor.end();
        self.well_formed(end)
    }

    pub(super) fn value(&mut self, check: &Check, depth: usize) -> Checked {
        let next = self.cursor.peek();
        if check.is_sealable && next == b'{' && stand_in::step_over(&mut self.cursor) {
            return Ok(());
        }
        if next == b'n' {
            let word = self.cursor.word("null");
            self.well_formed(word)?;
            if check.is_nullable {
                return Ok(());
            }
            return Err(leaf::mismatch(&check.rule, "null"));
        }
        match (&check.rule, next) {
            (Rule::Text(text), b'"') => {
                let raw = self.cursor.string();
                let value = self.well_formed(raw)?.value();
                leaf::text(text, &value, check)?;
                self.identifier(check, &value)
            }
            (Rule::Object(object), b'{') => self.object(object, check, depth),
            (Rule::List(list), b'[') => self.list(list, depth),
            (Rule::Integer(bounds), b'-' | b'0'..=b'9') => {
                let number = self.cursor.number();
                let number = self.well_formed(number)?;
                self.identifiers += usize::from(check.tag_bytes_max.is_some());
                // `-0` is a second way to write 0, and no whole number to most languages.
                let value = number.parse().ok().filter(|_| number != "-0");
                leaf::integer(bounds, value, number, check)
            }
            (Rule::Number(bounds), b'-' | b'0'..=b'9') => {
                let text = self.cursor.number();
                let text = self.well_formed(text)?;
                leaf::number(bounds, text.parse().unwrap_or(f64::INFINITY), text, check)
            }
            (Rule::Choice(choice), b'"') => {
                let raw = self.cursor.string();
                let value = self.well_formed(raw)?.value();
                leaf::choice(choice, &value, check)?;
                self.identifier(check, &value)
            }
            (Rule::Boolean, b't') => {
                let word = self.cursor.word("true");
                self.well_formed(word)
            }
            (Rule::Boolean, b'f') => {
                let word = self.cursor.word("false");
                self.well_formed(word)
            }
            (Rule::Map(values), b'{') => self.map(values, depth),
            (rule, next) => self.mismatch(rule, next, depth),
        }
    }

    fn object(&mut self, object: &ObjectCheck, check: &Check, depth: usize) -> Checked {
        self.descend(depth)?;
        let mut seen = FieldSet::default();
        // Writers keep the contract's order, mostly: the next field is looked for where the last one was found.
        let mut hint = 0;
        if !self.cursor.take(b'}') {
            loop {
                let name = self.cursor.string();
                let name = self.well_formed(name)?.value();
                let colon = self.cursor.colon();
                self.well_formed(colon)?;
                match find(object, &name, hint) {
                    Some(index) => {
                        hint = index + 1;
                        self.field(object, index, &mut seen, depth)?;
                    }
                    None if object.is_closed => {
                        return Err(leaf::unknown(&name, check));
                    }
                    None => {
                        let skipped = self.cursor.skip(depth + 1);
                        self.well_formed(skipped)?;
                    }
                }
                let more = self.cursor.comma_or(b'}');
                if !self.well_formed(more)? {
                    break;
                }
            }
        }
        match object.required.first_missing(&seen) {
            None => Ok(()),
            Some(index) => Err(leaf::missing(object, index)),
        }
    }

    fn field(&mut self, object: &ObjectCheck, index: usize, seen: &mut FieldSet, depth: usize) -> Checked {
        let field = &object.fields[index];
        let within = |flaw| leaf::within(&field.name, flaw);
        if !seen.insert(index) {
            return Err(within(flaw("duplicate-field", "expected the field once, found it twice")));
        }
        if !field.is_key {
            return self.value(&field.check, depth + 1).map_err(within);
        }
        self.cursor.peek();
        let start = self.cursor.at;
        self.value(&field.check, depth + 1).map_err(within)?;
        let key = key_text(self.cursor.text, start, self.cursor.at);
        leaf::key(&key).map_err(within)?;
        self.key = Some(key);
        Ok(())
    }

    fn list(&mut self, list: &ListCheck, depth: usize) -> Checked {
        self.descend(depth)?;
        let mut count: u64 = 0;
        if !self.cursor.take(b']') {
            loop {
                if let Err(flaw) = self.value(&list.items, depth + 1) {
                    return Err(leaf::within(&count.to_string(), flaw));
                }
                count += 1;
                let more = self.cursor.comma_or(b']');
                if !self.well_formed(more)? {
                    break;
                }
            }
        }
        leaf::items(list.min, list.max, count)
    }

    fn map(&mut self, values: &Check, depth: usize) -> Checked {
        self.descend(depth)?;
        if self.cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.cursor.string();
            let name = self.well_formed(name)?.value();
            let colon = self.cursor.colon();
            self.well_formed(colon)?;
            if let Err(flaw) = self.value(values, depth + 1) {
                return Err(leaf::within(leaf::shown_name(&name, values), flaw));
            }
            let more = self.cursor.comma_or(b'}');
            if !self.well_formed(more)? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn identifier(&mut self, check: &Check, value: &str) -> Checked {
        let Some(bytes_max) = check.tag_bytes_max else { return Ok(()) };
        self.identifiers += 1;
        leaf::identifier(bytes_max, value)
    }

    /// A value of the wrong type; malformed JSON is named first.
    fn mismatch(&mut self, rule: &Rule, next: u8, depth: usize) -> Checked {
        let skipped = self.cursor.skip(depth);
        self.well_formed(skipped)?;
        let found = match next {
            b'"' => "text",
            b'{' => "an object",
            b'[' => "a list",
            b't' | b'f' => "true or false",
            _ => "a number",
        };
        Err(leaf::mismatch(rule, found))
    }

    fn descend(&mut self, depth: usize) -> Checked {
        self.cursor.at += 1;
        if depth < DEPTH_MAX {
            return Ok(());
        }
        Err(flaw("depth", format!("expected at most {DEPTH_MAX} levels of nesting")))
    }

    #[inline]
    fn well_formed<T>(&self, result: Result<T, Fault>) -> Checked<T> {
        result.map_err(|fault| malformed(self.cursor.text, fault))
    }
}

#[cold]
fn malformed(text: &str, fault: Fault) -> Box<Flaw> {
    let found = text.get(fault.at..).and_then(|rest| rest.chars().next());
    let found = found.map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
    flaw("json", format!("expected {}, found {found} at byte {}", fault.expected, fault.at))
}

#[inline]
fn find(object: &ObjectCheck, name: &str, hint: usize) -> Option<usize> {
    if object.fields.get(hint).is_some_and(|field| *field.name == *name) {
        return Some(hint);
    }
    object.fields.iter().position(|field| *field.name == *name)
}

/// The key's text: of a string what is meant, of a number what is written.
fn key_text(text: &str, start: usize, end: usize) -> Cow<'_, str> {
    let mut cursor = Cursor { text, at: start };
    match cursor.string() {
        Ok(raw) => raw.value(),
        Err(_) => Cow::Borrowed(&text[start..end]),
    }
}
