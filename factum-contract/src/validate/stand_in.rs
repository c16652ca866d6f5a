//! What stands for a personal value: the marker of a forgotten one, or a sealed one.
//!
//! Only its form is looked at here: whether a sealed value opens is for who holds the keys.

use factum_core::personal::{FORGOTTEN_FIELD, SEALED_FIELD};

use crate::json::{Cursor, Fault};

/// Steps over a stand-in; where there is none the cursor stays.
pub(crate) fn step_over(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    let is_found = read(cursor).unwrap_or(false);
    if !is_found {
        cursor.at = start;
    }
    is_found
}

fn read(cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    if !cursor.take(b'{') {
        return Ok(false);
    }
    let name = cursor.string()?.raw;
    cursor.colon()?;
    cursor.peek();
    match name {
        FORGOTTEN_FIELD => cursor.word("true")?,
        SEALED_FIELD => drop(cursor.string()?),
        _ => return Ok(false),
    }
    Ok(cursor.take(b'}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_one_object_of_one_field() {
        for (text, is_one) in [
            (r#"{"$forgotten":true}"#, true),
            (" { \"$forgotten\" : true } ", true),
            (r#"{"$sealed":"1.abc"}"#, true),
            (r#"{"$forgotten":false}"#, false),
            (r#"{"$forgotten":true,"a":1}"#, false),
            (r#"{"$sealed":1}"#, false),
            (r#"{"a":true}"#, false),
            ("{}", false),
            ("\"$forgotten\"", false),
            ("{\"$forgotten\":true", false),
        ] {
            let mut cursor = Cursor::new(text);
            assert_eq!(step_over(&mut cursor), is_one, "{text}");
            assert_eq!(cursor.at == 0, !is_one, "{text}");
        }
    }
}
