//! What every store asks of a record, and of a query for records, before it turns to its tables.
//!
//! Never looks into a record's content.

use factum_core::{Record, RecordQuery, WriteError};

/// Largest record: records are read whole, a thousand at a time.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Refuses a record that is beyond a limit.
pub(crate) fn check(record: &Record) -> Result<(), WriteError> {
    let most = Record::NAME_BYTES_MAX;
    if record.id.len().max(record.group.len()) > most {
        return Err(WriteError::Invalid(format!("a record's id and group have at most {most} bytes")));
    }
    if record.bytes.len() > BYTES_MAX {
        let found = record.bytes.len();
        return Err(WriteError::Invalid(format!(
            "a record of {found} bytes is over the limit of {BYTES_MAX}"
        )));
    }
    Ok(())
}

pub(crate) fn matches(query: &RecordQuery, record: &Record) -> bool {
    query.group.as_ref().is_none_or(|group| *group == record.group)
        && query.group_prefix.as_ref().is_none_or(|prefix| record.group.starts_with(prefix.as_str()))
        && query.due_until.is_none_or(|until| {
            record.due.is_some_and(|due| due <= until && query.due_from.is_none_or(|from| due >= from))
        })
        && query.after_id.as_ref().is_none_or(|after| record.id > *after)
}

/// The least text that is greater than every text that starts with `prefix`; `None` when there is none.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // Stepping over the surrogates, which are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_above_every_text_with_the_prefix() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }
}
