//! A cursor over JSON text: the one reader under catalogs and payloads.
//!
//! It hands out slices of what is there and allocates nothing, so that a payload is checked in one pass.
//! It is strict (RFC 8259) and never reads past the end.

use std::borrow::Cow;

/// JSON text that is not JSON: what was expected, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// Deepest nesting of lists and objects that is read: deeper is an attack or a mistake.
pub(crate) const DEPTH_MAX: usize = 64;

pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
}

/// A JSON string as written between its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawText<'a> {
    pub(crate) raw: &'a str,
    pub(crate) is_escaped: bool,
}

impl<'a> RawText<'a> {
    /// The text that is meant, escapes resolved.
    pub(crate) fn value(self) -> Cow<'a, str> {
        if !self.is_escaped {
            return Cow::Borrowed(self.raw);
        }
        let quoted = format!("\"{}\"", self.raw);
        Cow::Owned(serde_json::from_str(&quoted).unwrap_or_default())
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn fault<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault { at: self.at, expected })
    }

    /// The next byte that is not white space; 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return *byte,
            }
        }
        0
    }

    /// Steps over `byte` if it comes next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    /// Nothing but white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.peek();
        if self.at == self.text.len() { Ok(()) } else { self.fault("the end") }
    }

    /// Steps over a word such as `true`.
    pub(crate) fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.fault("a JSON value")
    }

    /// Reads a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<RawText<'a>, Fault> {
        if !self.take(b'"') {
            return self.fault("text in double quotes");
        }
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at += plain_run(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return self.fault("no control character in text"),
                Some(_) => self.at += 1,
                None => return self.fault("a closing quote"),
            }
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(RawText { raw, is_escaped })
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.code_unit(self.at) {
                Some(0xd800..=0xdbff) if matches!(self.code_unit(self.at + 6), Some(0xdc00..=0xdfff)) => {
                    self.at += 12;
                    Ok(())
                }
                Some(0xd800..=0xdfff) => self.fault("no half of a surrogate pair"),
                Some(_) => {
                    self.at += 6;
                    Ok(())
                }
                None => self.fault("four hex digits after \\u"),
            },
            _ => self.fault("an escape that JSON knows"),
        }
    }

    /// The code unit of `\uXXXX` at a place.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let escape = self.text.as_bytes().get(at..at + 6)?;
        let digits = escape.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
    }

    /// Reads a number as it is written.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        if bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fault("a JSON value"),
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.fault("a digit") }
    }

    /// Steps over any value; nesting counts from `depth`.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return self.fault("at most 64 levels of nesting");
        }
        match self.peek() {
            b'"' => self.string().map(drop),
            b'{' => {
                self.at += 1;
                if self.take(b'}') {
                    return Ok(());
                }
                loop {
                    self.string()?;
                    self.colon()?;
                    self.skip(depth + 1)?;
                    if !self.comma_or(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.at += 1;
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    if !self.comma_or(b']')? {
                        return Ok(());
                    }
                }
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    #[inline]
    pub(crate) fn colon(&mut self) -> Result<(), Fault> {
        if self.take(b':') { Ok(()) } else { self.fault("':'") }
    }

    /// True after a comma, false after the closing byte.
    #[inline]
    pub(crate) fn comma_or(&mut self, close: u8) -> Result<bool, Fault> {
        if self.take(b',') {
            return Ok(true);
        }
        if self.take(close) {
            return Ok(false);
        }
        self.fault(if close == b'}' { "',' or '}'" } else { "',' or ']'" })
    }
}

/// How many bytes come before a quote, a backslash or a control character; eight are looked at at once.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // The lowest bit of each answer is exact; those above it need not be.
    let equal = |word: u64, byte: u8| {
        let rest = word ^ (ONES * u64::from(byte));
        rest.wrapping_sub(ONES) & !rest
    };
    let mut at = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*chunk);
        let is_control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (is_control | equal(word, b'"') | equal(word, b'\\')) & HIGHS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| !matches!(byte, 0..=0x1f | b'"' | b'\\');
    at + bytes[at..].iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.skip(0).and_then(|()| cursor.end()).is_ok()
    }

    #[test]
    fn escapes_are_resolved() {
        let mut cursor = Cursor::new(r#""a\n\u00e9\ud83d\ude00""#);
        assert_eq!(cursor.string().unwrap().value(), "a\né😀");
    }

    #[test]
    fn a_run_ends_at_the_first_byte_that_is_not_plain() {
        for length in 0..40 {
            for special in ["\"", "\\", "\n", "\u{1f}", ""] {
                let text = format!("{}{special}\"\\é", "é".repeat(length / 2) + &"x".repeat(length % 2));
                assert_eq!(plain_run(text.as_bytes()), length / 2 * 2 + length % 2, "{text:?}");
            }
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(!accepts(&deep));
        let fine = format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(accepts(&fine));
    }

    proptest! {
        #[test]
        fn what_is_json_is_what_serde_says(text in r#"[\[\]{}:,"a\\u0123e.+\- trfalsn]{0,24}"#) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(accepts(&text), theirs, "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            accepts(&text);
        }
    }
}
