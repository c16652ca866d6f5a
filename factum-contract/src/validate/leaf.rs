//! What a single value is checked for, whether it comes from bytes or from a tree.

use std::borrow::Cow;
use std::fmt::Display;

use factum_core::pointer;

use super::compile::{Check, ChoiceCheck, ObjectCheck, Rule, TextCheck};
use super::{Flaw, KEY_BYTES_MAX, format};
use crate::schema::{IntegerShape, NumberShape};

/// Boxed, so that the way without flaws moves no more than a pointer.
pub(super) type Checked<T = ()> = Result<T, Box<Flaw>>;

#[cold]
pub(super) fn flaw(rule: &'static str, message: impl Into<String>) -> Box<Flaw> {
    Box::new(Flaw::new(rule, message))
}

#[inline]
pub(super) fn text(check: &TextCheck, value: &str, owner: &Check) -> Checked {
    // A character has one to four bytes: most texts fit by their bytes alone.
    let bytes = value.len() as u64;
    if bytes > check.max || bytes.div_ceil(4) < check.min {
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

#[inline]
pub(super) fn choice(check: &ChoiceCheck, value: &str, owner: &Check) -> Checked {
    if check.is_extensible || check.words.iter().any(|word| **word == *value) {
        return Ok(());
    }
    let words: Vec<&str> = check.words.iter().map(AsRef::as_ref).collect();
    let message = format!("expected one of {}, found {}", words.join(" | "), quoted(value, owner));
    Err(flaw(if words.len() == 1 { "const" } else { "enum" }, message))
}

/// An identifier's value must fit a tag.
#[inline]
pub(super) fn identifier(bytes_max: usize, value: &str) -> Checked {
    let fits = !value.is_empty() && value.len() <= bytes_max;
    if fits && !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Ok(());
    }
    let message = format!("expected an identifier of 1 to {bytes_max} bytes without control characters");
    Err(flaw("identifier", message))
}

/// A key must fit a partition key.
pub(super) fn key(value: &str) -> Checked {
    let is_good = (1..=KEY_BYTES_MAX).contains(&value.len());
    if is_good && !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Ok(());
    }
    Err(flaw("key", "expected a key of 1 to 250 bytes without control characters"))
}

/// The bounds of a whole number; `None` is one that has more than 64 bits or is none.
#[inline]
pub(super) fn integer(
    bounds: &IntegerShape,
    value: Option<i64>,
    found: impl Display,
    check: &Check,
) -> Checked {
    let Some(value) = value else {
        let message = format!("expected a whole number of 64 bits, found {}", shown(&found, check));
        return Err(flaw("type", message));
    };
    if let Some(min) = bounds.min.filter(|min| value < *min) {
        let message = format!("expected at least {min}, found {}", shown(&found, check));
        return Err(flaw("minimum", message));
    }
    if let Some(max) = bounds.max.filter(|max| value > *max) {
        let message = format!("expected at most {max}, found {}", shown(&found, check));
        return Err(flaw("maximum", message));
    }
    match bounds.multiple_of {
        Some(multiple) if value % multiple != 0 => {
            let message = format!("expected a multiple of {multiple}, found {}", shown(&found, check));
            Err(flaw("multipleOf", message))
        }
        _ => Ok(()),
    }
}

pub(super) fn number(bounds: &NumberShape, value: f64, found: impl Display, check: &Check) -> Checked {
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
            return Err(flaw(rule, format!("expected {words} {bound}, found {}", shown(&found, check))));
        }
    }
    Ok(())
}

#[inline]
pub(super) fn items(min: u64, max: u64, count: u64) -> Checked {
    if count < min {
        return Err(flaw("minItems", format!("expected at least {min} items, found {count}")));
    }
    if count > max {
        return Err(flaw("maxItems", format!("expected at most {max} items, found {count}")));
    }
    Ok(())
}

#[cold]
pub(super) fn missing(object: &ObjectCheck, index: usize) -> Box<Flaw> {
    flaw("required", format!("expected a field `{}`, found none", object.fields[index].name))
}

#[cold]
pub(super) fn unknown(name: &str, check: &Check) -> Box<Flaw> {
    flaw("additionalProperties", format!("expected no field {}: the object is closed", quoted(name, check)))
}

/// A name of a map, as paths show it: what is personal is not shown.
pub(super) fn shown_name<'n>(name: &'n str, values: &Check) -> &'n str {
    if values.is_personal { "*" } else { name }
}

#[cold]
pub(super) fn mismatch(rule: &Rule, found: &str) -> Box<Flaw> {
    let expected = match rule {
        Rule::Object(_) | Rule::Map(_) => "an object",
        Rule::List(_) => "a list",
        Rule::Text(_) | Rule::Choice(_) => "text",
        Rule::Integer(_) => "a whole number",
        Rule::Number(_) => "a number",
        Rule::Boolean => "true or false",
    };
    flaw("type", format!("expected {expected}, found {found}"))
}

/// The same flaw, seen from around it.
#[cold]
pub(super) fn within(step: &str, mut flaw: Box<Flaw>) -> Box<Flaw> {
    flaw.path.insert_str(0, &format!("/{}", pointer::escaped(step)));
    flaw
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

fn shown(found: &impl Display, check: &Check) -> Cow<'static, str> {
    if check.is_personal {
        Cow::Borrowed("one that is not shown")
    } else {
        Cow::Owned(cut(&found.to_string()))
    }
}
