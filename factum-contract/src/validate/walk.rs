//! One pass over a payload's bytes, with the checks beside it.

use std::borrow::Cow;

use super::Flaw;
use super::compile::{Check, FieldSet, ObjectCheck, Rule, TextCheck};
use super::format;
use super::stand_in;
use crate::json::{Cursor, DEPTH_MAX, Fault};
use crate::schema::{IntegerShape, NumberShape};

pub(super) struct Walk<'p> {
    pub(super) cursor: Cursor<'p>,
    pub(super) key: Option<Cow<'p, str>>,
    pub(super) identifiers: usize,
}

/// Boxed, so that the way without flaws moves no more than a pointer.
type Checked<T = ()> = Result<T, Box<Flaw>>;

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
            return Err(flaw("type", format!("expected {}, found null", expected(&check.rule))));
        }
        match (&check.rule, next) {
            (Rule::Text(text), b'"') => {
                let raw = self.cursor.string();
                let value = self.well_formed(raw)?.value();
                self.text(text, &value, check)?;
                self.identifier(check, &value)
            }
            (Rule::Object(object), b'{') => self.object(object, check, depth),
            (Rule::List(list), b'[') => self.list(list, depth),
            (Rule::Integer(bounds), b'-' | b'0'..=b'9') => {
                let number = self.cursor.number();
                let number = self.well_formed(number)?;
                self.identifiers += usize::from(check.tag_bytes_max.is_some());
                integer(bounds, number, check)
            }
            (Rule::Number(bounds), b'-' | b'0'..=b'9') => {
                let text = self.cursor.number();
                number(bounds, self.well_formed(text)?, check)
            }
            (Rule::Choice(choice), b'"') => {
                let raw = self.cursor.string();
                let value = self.well_formed(raw)?.value();
                if !choice.is_extensible && !choice.words.iter().any(|word| **word == *value) {
                    let words: Vec<&str> = choice.words.iter().map(AsRef::as_ref).collect();
                    let message =
                        format!("expected one of {}, found {}", words.join(" | "), quoted(&value, check));
                    return Err(flaw(if words.len() == 1 { "const" } else { "enum" }, message));
                }
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
                        let name = quoted(&name, check);
                        let message = format!("expected no field {name}: the object is closed");
                        return Err(flaw("additionalProperties", message));
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
            Some(index) => {
                let name = &object.fields[index].name;
                Err(flaw("required", format!("expected a field `{name}`, found none")))
            }
        }
    }

    fn field(&mut self, object: &ObjectCheck, index: usize, seen: &mut FieldSet, depth: usize) -> Checked {
        let field = &object.fields[index];
        let within = |mut flaw: Box<Flaw>| {
            flaw.path.insert_str(0, &format!("/{}", field.name));
            flaw
        };
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
        if key.is_empty() || key.len() > KEY_BYTES_MAX || key.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
        {
            let message = "expected a key of 1 to 250 bytes without control characters";
            return Err(within(flaw("key", message)));
        }
        self.key = Some(key);
        Ok(())
    }

    fn list(&mut self, list: &super::compile::ListCheck, depth: usize) -> Checked {
        self.descend(depth)?;
        let mut count: u64 = 0;
        if !self.cursor.take(b']') {
            loop {
                if let Err(mut flaw) = self.value(&list.items, depth + 1) {
                    flaw.path.insert_str(0, &format!("/{count}"));
                    return Err(flaw);
                }
                count += 1;
                let more = self.cursor.comma_or(b']');
                if !self.well_formed(more)? {
                    break;
                }
            }
        }
        if count < list.min {
            return Err(flaw("minItems", format!("expected at least {} items, found {count}", list.min)));
        }
        if count > list.max {
            return Err(flaw("maxItems", format!("expected at most {} items, found {count}", list.max)));
        }
        Ok(())
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
            if let Err(mut flaw) = self.value(values, depth + 1) {
                let step =
                    if values.is_personal { "*".into() } else { name.replace('~', "~0").replace('/', "~1") };
                flaw.path.insert_str(0, &format!("/{step}"));
                return Err(flaw);
            }
            let more = self.cursor.comma_or(b'}');
            if !self.well_formed(more)? {
                return Ok(());
            }
        }
    }

    fn text(&self, check: &TextCheck, value: &str, owner: &Check) -> Checked {
        if check.min > 0 || check.max < u64::MAX {
            let length = value.chars().count() as u64;
            if length < check.min {
                let message = format!("expected at least {} characters, found {length}", check.min);
                return Err(flaw("minLength", message));
            }
            if length > check.max {
                let message = format!("expected at most {} characters, found {length}", check.max);
                return Err(flaw("maxLength", message));
            }
        }
        if let Some(format) = check.format
            && !format::is(format, value)
        {
            let message = format!("expected {}, found {}", format::expected(format), quoted(value, owner));
            return Err(flaw("format", message));
        }
        match &check.pattern {
            Some(pattern) if !pattern.is_match(value) => {
                let found = quoted(value, owner);
                let message = format!("expected text that matches {}, found {found}", check.pattern_source);
                Err(flaw("pattern", message))
            }
            _ => Ok(()),
        }
    }

    /// An identifier's value must fit a tag.
    #[inline]
    fn identifier(&mut self, check: &Check, value: &str) -> Checked {
        let Some(bytes_max) = check.tag_bytes_max else { return Ok(()) };
        self.identifiers += 1;
        let fits = !value.is_empty() && value.len() <= bytes_max;
        if fits && !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Ok(());
        }
        let message = format!("expected an identifier of 1 to {bytes_max} bytes without control characters");
        Err(flaw("identifier", message))
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
        Err(flaw("type", format!("expected {}, found {found}", expected(rule))))
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

#[cold]
fn flaw(rule: &'static str, message: impl Into<String>) -> Box<Flaw> {
    Box::new(Flaw::new(rule, message))
}

/// Longest partition key, as its type has it.
const KEY_BYTES_MAX: usize = 250;

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

fn integer(bounds: &IntegerShape, text: &str, check: &Check) -> Checked {
    let Ok(value) = text.parse::<i64>() else {
        let message = format!("expected a whole number of 64 bits, found {}", shown(text, check));
        return Err(flaw("type", message));
    };
    if let Some(min) = bounds.min.filter(|min| value < *min) {
        let message = format!("expected at least {min}, found {}", shown(text, check));
        return Err(flaw("minimum", message));
    }
    if let Some(max) = bounds.max.filter(|max| value > *max) {
        let message = format!("expected at most {max}, found {}", shown(text, check));
        return Err(flaw("maximum", message));
    }
    match bounds.multiple_of {
        Some(multiple) if value % multiple != 0 => {
            let message = format!("expected a multiple of {multiple}, found {}", shown(text, check));
            Err(flaw("multipleOf", message))
        }
        _ => Ok(()),
    }
}

fn number(bounds: &NumberShape, text: &str, check: &Check) -> Checked {
    let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        return Err(flaw("type", "expected a number that fits a double, found a larger one"));
    }
    let rules = [
        (bounds.min.filter(|min| value < *min), "minimum", "at least"),
        (bounds.max.filter(|max| value > *max), "maximum", "at most"),
        (bounds.above.filter(|above| value <= *above), "exclusiveMinimum", "more than"),
        (bounds.below.filter(|below| value >= *below), "exclusiveMaximum", "less than"),
    ];
    for (broken, rule, words) in rules {
        if let Some(bound) = broken {
            return Err(flaw(rule, format!("expected {words} {bound}, found {}", shown(text, check))));
        }
    }
    Ok(())
}

fn expected(rule: &Rule) -> &'static str {
    match rule {
        Rule::Object(_) | Rule::Map(_) => "an object",
        Rule::List(_) => "a list",
        Rule::Text(_) | Rule::Choice(_) => "text",
        Rule::Integer(_) => "a whole number",
        Rule::Number(_) => "a number",
        Rule::Boolean => "true or false",
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Text as errors quote it: cut, and hidden when it is personal.
fn quoted(text: &str, check: &Check) -> String {
    if check.is_personal {
        return format!("text of {} characters that is not shown", text.chars().count());
    }
    let dots = if text.chars().nth(40).is_some() { "…" } else { "" };
    format!("{:?}{dots}", cut(text))
}

fn shown<'t>(text: &'t str, check: &Check) -> Cow<'t, str> {
    if check.is_personal { Cow::Borrowed("one that is not shown") } else { Cow::Owned(cut(text)) }
}
